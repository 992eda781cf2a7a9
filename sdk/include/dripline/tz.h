/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones: offsets of an IANA zone from its TZif file (RFC 8536), including the rule for years
 * after the file's last transition. libc's own functions are not used, since they know one zone a
 * process. Immutable once loaded. Thread: any.
 */
#ifndef DRIPLINE_TZ_H
#define DRIPLINE_TZ_H

#include <dripline/error.h>

struct drip_tz;

#define DRIP_TZ_FILE_BYTES_MAX (256 * 1024)

/* (gives) The zone `name` ("America/New_York"; "UTC" needs no file). -EINVAL with cron.timezone. */
int drip_tz_load(const char *name, struct drip_tz **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) A zone from the bytes of a TZif file; what drip_tz_load does after reading. */
int drip_tz_parse(const void *data, size_t size_bytes, const char *name, struct drip_tz **ret,
		  struct drip_error *err) DRIP_MUST_CHECK;
void drip_tz_destroy(struct drip_tz *tz);
/* Seconds to add to UTC, at the instant `utc_s` (seconds since 1970). */
int32_t drip_tz_offset(const struct drip_tz *tz, int64_t utc_s);
/*
 * The instants whose wall clock reads `local_s` (seconds since 1970 as if UTC), ascending: one as a
 * rule, two where clocks go back, none where they go forward; then *ret_gap is the instant at which
 * they do. Returns the count.
 */
int drip_tz_resolve(const struct drip_tz *tz, int64_t local_s, int64_t ret[2], int64_t *ret_gap);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
int64_t drip_days_from_civil(int64_t year, int month, int day);
void drip_civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day);

#endif
