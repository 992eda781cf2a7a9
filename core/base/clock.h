/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and how instants are written. Thread: any. */
#ifndef DRIPLINE_BASE_CLOCK_H
#define DRIPLINE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t drip_clock_now_ns(void); /* monotonic */
int64_t drip_clock_wall_us(void); /* microseconds since the epoch */
/* RFC 3339 in UTC with microseconds, "2026-11-22T10:00:00.000000Z". */
#define DRIP_CLOCK_TEXT_MAX 40
void drip_clock_format(int64_t wall_us, char *buf, size_t size);

#endif
