/* SPDX-License-Identifier: Apache-2.0 */
/* The check macros of the SDK, by the name that tests inside the tree use: see dripline/check.h. */
#ifndef DRIPLINE_TESTS_LIB_TEST_H
#define DRIPLINE_TESTS_LIB_TEST_H

#include <dripline/check.h>

#endif
