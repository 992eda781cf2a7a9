/* SPDX-License-Identifier: Apache-2.0 */
/* The entry of a fuzz target. It returns 0; a defect ends the process. */
#ifndef DRIPLINE_TESTS_FUZZ_H
#define DRIPLINE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
