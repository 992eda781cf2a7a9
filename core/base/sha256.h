/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4), for checksums of artifacts. Thread: any. */
#ifndef DRIPLINE_BASE_SHA256_H
#define DRIPLINE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define DRIP_SHA256_SIZE 32
#define DRIP_SHA256_TEXT 65 /* in hex, with its NUL */

void drip_sha256(const void *data, size_t size, uint8_t ret[DRIP_SHA256_SIZE]);
/* The same in lower case hex. */
void drip_sha256_text(const void *data, size_t size, char ret[DRIP_SHA256_TEXT]);

#endif
