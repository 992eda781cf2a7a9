/* SPDX-License-Identifier: Apache-2.0 */
/* Cron expressions and time zones: fields, days, clock changes, bad input. */
#include "engine/cron.h"
#include "lib/test.h"
#include <dripline/tz.h>

#include <errno.h>

static int64_t utc(int64_t year, int month, int day, int hour, int minute)
{
	return (drip_days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60) *
	       INT64_C(1000000);
}

/* The times after `from` must be exactly these. */
static void check_times(const char *text, const char *zone, int64_t from, const int64_t *expect,
			size_t count)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_cron *cron = NULL;

	REQUIRE_OK(drip_cron_parse(text, zone, &cron, &err), &err);
	for (size_t i = 0; i < count; i++) {
		from = drip_cron_next(cron, from);
		CHECK_EQ_INT(from / 1000000, expect[i] / 1000000);
	}
	drip_cron_destroy(cron);
}

#define TIMES(text, zone, from, ...)                                                               \
	do {                                                                                       \
		const int64_t expect_[] = {__VA_ARGS__};                                           \
		check_times(text, zone, from, expect_, sizeof(expect_) / sizeof(expect_[0]));      \
	} while (0)

TEST(plain_times)
{
	TIMES("0 6 * * *", "UTC", utc(2026, 11, 22, 5, 0), utc(2026, 11, 22, 6, 0),
	      utc(2026, 11, 23, 6, 0));
	TIMES("*/20 * * * *", NULL, utc(2026, 12, 31, 23, 20) + 1, utc(2026, 12, 31, 23, 40),
	      utc(2027, 1, 1, 0, 0), utc(2027, 1, 1, 0, 20));
	TIMES("15,45 8-10/2 * * *", "UTC", utc(2026, 1, 1, 0, 0), utc(2026, 1, 1, 8, 15),
	      utc(2026, 1, 1, 8, 45), utc(2026, 1, 1, 10, 15), utc(2026, 1, 1, 10, 45),
	      utc(2026, 1, 2, 8, 15));
	TIMES("0 0 29 2 *", "UTC", utc(2097, 1, 1, 0, 0), utc(2104, 2, 29, 0, 0));
	TIMES("@daily", "UTC", utc(2026, 1, 1, 0, 0), utc(2026, 1, 2, 0, 0));
	TIMES("@HOURLY", "UTC", utc(2026, 1, 1, 0, 0), utc(2026, 1, 1, 1, 0));
	TIMES("0 0 1 JAN,jul *", "UTC", utc(2026, 2, 1, 0, 0), utc(2026, 7, 1, 0, 0),
	      utc(2027, 1, 1, 0, 0));
}

TEST(days_of_week)
{
	/* 2026-11-22 is a Sunday. */
	TIMES("0 9 * * mon-fri", "UTC", utc(2026, 11, 21, 0, 0), utc(2026, 11, 23, 9, 0),
	      utc(2026, 11, 24, 9, 0));
	TIMES("0 9 * * 7", "UTC", utc(2026, 11, 21, 0, 0), utc(2026, 11, 22, 9, 0),
	      utc(2026, 11, 29, 9, 0));
	TIMES("0 9 * * sat-sun", "UTC", utc(2026, 11, 20, 0, 0), utc(2026, 11, 21, 9, 0),
	      utc(2026, 11, 22, 9, 0), utc(2026, 11, 28, 9, 0));
	/* both days given: either suffices */
	TIMES("0 0 1 * mon", "UTC", utc(2026, 11, 24, 0, 0), utc(2026, 11, 30, 0, 0),
	      utc(2026, 12, 1, 0, 0), utc(2026, 12, 7, 0, 0));
	/* a step of * counts as unrestricted: both must hold */
	TIMES("0 0 */2 * mon", "UTC", utc(2026, 11, 1, 0, 0), utc(2026, 11, 9, 0, 0),
	      utc(2026, 11, 23, 0, 0));
}

TEST(clocks_go_forward)
{
	/* New York, 2026-03-08: 01:59:59 EST, then 03:00:00 EDT, which is 07:00 UTC */
	TIMES("30 2 * * *", "America/New_York", utc(2026, 3, 7, 12, 0), utc(2026, 3, 8, 7, 0),
	      utc(2026, 3, 9, 6, 30));
	TIMES("0 2,3 * * *", "America/New_York", utc(2026, 3, 8, 0, 0), utc(2026, 3, 8, 7, 0),
	      utc(2026, 3, 9, 6, 0));
	TIMES("30 * * * *", "America/New_York", utc(2026, 3, 8, 6, 0), utc(2026, 3, 8, 6, 30),
	      utc(2026, 3, 8, 7, 30));
}

TEST(clocks_go_back)
{
	/* New York, 2026-11-01: 01:00 to 01:59 come twice, at 05:00 and 06:00 UTC */
	TIMES("30 1 * * *", "America/New_York", utc(2026, 11, 1, 0, 0), utc(2026, 11, 1, 5, 30),
	      utc(2026, 11, 2, 6, 30));
	TIMES("*/30 * * * *", "America/New_York", utc(2026, 11, 1, 4, 59), utc(2026, 11, 1, 5, 0),
	      utc(2026, 11, 1, 5, 30), utc(2026, 11, 1, 6, 0), utc(2026, 11, 1, 6, 30),
	      utc(2026, 11, 1, 7, 0));
	/* a half-hour change, in the south: Lord Howe, 2026-04-05, 01:30 to 01:59 twice */
	TIMES("45 1 * * *", "Australia/Lord_Howe", utc(2026, 4, 4, 12, 0), utc(2026, 4, 4, 14, 45),
	      utc(2026, 4, 5, 15, 15));
}

TEST(beyond_the_file)
{
	/* after 2037 the rule in the file's footer counts: 6:00 in July is EDT, in January EST */
	TIMES("0 6 1 1,7 *", "America/New_York", utc(2060, 1, 2, 0, 0), utc(2060, 7, 1, 10, 0),
	      utc(2061, 1, 1, 11, 0));
	TIMES("0 6 1 1,7 *", "Australia/Sydney", utc(2060, 1, 2, 0, 0), utc(2060, 6, 30, 20, 0),
	      utc(2060, 12, 31, 19, 0));
	TIMES("0 0 * * *", "Asia/Kathmandu", utc(2060, 1, 1, 0, 0), utc(2060, 1, 1, 18, 15));
}

/* Strictly after, ascending, and matching, over years of a zone with changes. */
TEST(order_over_years)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_cron *cron = NULL;
	int64_t at = utc(2025, 1, 1, 5, 0);
	int count = 0;

	REQUIRE_OK(drip_cron_parse("30 1,2 * * *", "America/New_York", &cron, &err), &err);
	while (at < utc(2028, 1, 1, 5, 0)) {
		int64_t next = drip_cron_next(cron, at);

		CHECK_GT_INT(next, at);
		CHECK_EQ_INT(drip_cron_next(cron, next - 1), next);
		at = next;
		count++;
	}
	/* two a day for 1095 days, and the first of 2028 */
	CHECK_EQ_INT(count, 2 * 1095 + 1);
	drip_cron_destroy(cron);
}

static void check_refused(const char *text, const char *zone, const char *code)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_cron *cron = NULL;

	CHECK_EQ_INT(drip_cron_parse(text, zone, &cron, &err), -EINVAL);
	CHECK_EQ_STR(err.code, code);
	CHECK_NULL(cron);
}

TEST(bad_input)
{
	static const char *const bad[] = {
		"",
		"* * * *",
		"* * * * * *",
		"60 * * * *",
		"* 24 * * *",
		"* * 0 * *",
		"* * 32 * *",
		"* * * 13 *",
		"* * * * 8",
		"*/0 * * * *",
		"5/2 * * * *",
		"1- * * * *",
		"9-1 * * * *",
		", * * * *",
		"1,, * * * *",
		"a * * * *",
		"* * * foo *",
		"-1 * * * *",
		"@reboot",
		"99999999999 * * * *",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_refused(bad[i], "UTC", "cron.syntax");
	}
	check_refused("0 0 30 2 *", "UTC", "cron.never");
	check_refused("0 0 31 4,6,9,11 *", "UTC", "cron.never");
	check_refused("@daily", "Mars/Olympus", "cron.timezone");
	check_refused("@daily", "../../etc/passwd", "cron.timezone");
	check_refused("@daily", "/etc/passwd", "cron.timezone");
	check_refused("@daily", "", "cron.timezone");
	check_refused("@daily", "tzdata.zi", "cron.timezone");
}

/* Bytes that are not a zone, and a zone cut at every length: refused, nothing read beyond. */
TEST(bad_zone_files)
{
	uint8_t data[8192];
	size_t size;
	FILE *f = fopen("/usr/share/zoneinfo/America/New_York", "rb");

	REQUIRE_NOT_NULL(f);
	size = fread(data, 1, sizeof(data), f);
	(void)fclose(f);
	for (size_t cut = 0; cut + 2 < size; cut++) {
		struct drip_tz *tz = NULL;
		uint8_t *copy = malloc(cut + 1);

		REQUIRE_NOT_NULL(copy);
		memcpy(copy, data, cut);
		CHECK_EQ_INT(drip_tz_parse(copy, cut, "cut", &tz, NULL), -EINVAL);
		free(copy);
	}
	for (size_t at = 0; at < size; at++) {
		struct drip_tz *tz = NULL;

		data[at] ^= 0xff;
		if (drip_tz_parse(data, size, "changed", &tz, NULL) == 0) {
			int64_t two[2], gap;

			(void)drip_tz_offset(tz, INT64_C(4000000000));
			(void)drip_tz_resolve(tz, 1700000000, two, &gap);
		}
		drip_tz_destroy(tz);
		data[at] ^= 0xff;
	}
}

TEST_MAIN()
