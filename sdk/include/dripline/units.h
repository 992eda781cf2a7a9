/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading scalar texts as configuration has them: YAML 1.1 booleans and numbers, durations, sizes.
 * Thread: any. All return -EINVAL for another form and -ERANGE for what does not fit the type.
 */
#ifndef DRIPLINE_UNITS_H
#define DRIPLINE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

int drip_parse_bool(const char *text, bool *ret);
/* Decimal or 0x..., with _ between digits. A leading zero is refused: YAML 1.1 reads octal there.
 */
int drip_parse_int(const char *text, int64_t *ret);
int drip_parse_float(const char *text, double *ret);
/* "250ms", "5s", "15m", "4h", "7d"; 0 needs no unit. */
int drip_parse_duration(const char *text, int64_t *ret_ms);
/* "512", "64KiB", "16MiB", "2GiB", "1TiB". */
int drip_parse_size(const char *text, uint64_t *ret_bytes);

#ifdef __cplusplus
}
#endif

#endif
