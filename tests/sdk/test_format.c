/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed-width values as text, against the C library's own formatting: all small values, and random
 * ones of all magnitudes. */
#include "lib/test.h"

#include <dripline/dripline.h>
#include <inttypes.h>
#include <math.h>
#include <time.h>

static uint64_t seed = UINT64_C(88172645463325252);

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Random, with as many bits as chance gives. */
static uint64_t any_size(void)
{
	return next_random() >> (next_random() & 63);
}

static void check(const struct drip_value *v, int scale, const char *want)
{
	struct drip_column column = {.struct_size = sizeof(column), .scale = scale};
	char got[128];

	CHECK_EQ_INT(drip_value_format(v, &column, got, sizeof(got)), strlen(want));
	CHECK_EQ_STR(got, want);
}

static void check_integer(uint64_t u)
{
	struct drip_value unsigned_value = {.type = DRIP_TYPE_UINT64, .u = u};
	struct drip_value signed_value = {.type = DRIP_TYPE_INT64, .i = (int64_t)u};
	char want[32];

	snprintf(want, sizeof(want), "%" PRIu64, u);
	check(&unsigned_value, 0, want);
	snprintf(want, sizeof(want), "%" PRId64, (int64_t)u);
	check(&signed_value, 0, want);
}

TEST(integers)
{
	for (uint64_t i = 0; i < 11000; i++) {
		check_integer(i);
		check_integer(-i);
		check_integer(any_size());
	}
	for (uint64_t power = 1; power < UINT64_MAX / 10; power *= 10) {
		check_integer(power - 1);
		check_integer(power);
	}
	check_integer(UINT64_MAX);
	check_integer((uint64_t)INT64_MAX);
}

/* Digit by digit. */
static void check_decimal(__int128 value, int scale)
{
	struct drip_value v = {.type = DRIP_TYPE_DECIMAL, .data = (const char *)&value, .size = 16};
	unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
	char want[64], *at = want + sizeof(want) - 1;

	*at = '\0';
	for (int digits = 0; rest != 0 || digits <= scale; digits++) {
		if (digits == scale && scale > 0) {
			*--at = '.';
		}
		*--at = (char)('0' + (int)(rest % 10));
		rest /= 10;
	}
	if (value < 0) {
		*--at = '-';
	}
	check(&v, scale, at);
}

TEST(decimals)
{
	__int128 power = 1;

	for (int scale = 0; scale <= 38; scale++) {
		for (int i = 0; i < 300; i++) {
			__int128 v =
				(__int128)((unsigned __int128)next_random() << 64 | next_random());

			check_decimal(v >> (next_random() & 127), scale);
			check_decimal(i - 150, scale);
		}
		check_decimal(power, scale);
		check_decimal(power - 1, 38 - scale);
		check_decimal(-power, scale);
		power *= scale < 38 ? 10 : 1;
	}
}

/* The shortest by trying: from 15 (6) digits on, subnormal numbers from one on. */
static void check_float(double f, bool single)
{
	struct drip_value v = {.type = single ? DRIP_TYPE_FLOAT32 : DRIP_TYPE_FLOAT64, .f = f};
	int digits = single ? 6 : 15;
	char want[40];

	if (!isfinite(f)) {
		return;
	}
	if (fabs(f) < (single ? 1.17549435e-38 : 2.2250738585072014e-308)) {
		digits = 1;
	}
	do {
		snprintf(want, sizeof(want), "%.*g", digits++, f);
	} while (single ? strtof(want, NULL) != (float)f : strtod(want, NULL) != f);
	check(&v, 0, want);
}

static void check_both(double f)
{
	check_float(f, false);
	check_float(-f, false);
	check_float((double)(float)f, true);
	check_float((double)-(float)f, true);
}

TEST(floats)
{
	double power = 1e-12;

	for (int i = 0; i < 30000; i++) {
		uint64_t bits = next_random();
		uint32_t half = (uint32_t)(bits >> 32);
		float single;
		double f;

		memcpy(&f, &bits, sizeof(f));
		check_float(f, false);
		memcpy(&single, &half, sizeof(single));
		check_float((double)single, true);
		check_both((double)any_size() / pow(10, (double)(bits % 12)));
		check_both((double)(bits % 100000) / 100);
		check_both((double)i / 10);
	}
	for (; power < 1e24; power *= 10) {
		check_both(power);
		check_both(nextafter(power, 0));
		check_both(nextafter(power, INFINITY));
		check_both(power * 9.99999999999999);
	}
}

/* HH:MM:SS, with six digits of fraction but for zeros beyond `scale`. */
static void put_clock(char *out, size_t size, uint64_t us, int scale)
{
	int n = snprintf(out, size, "%02" PRIu64 ":%02u:%02u.%06u", us / 3600000000,
			 (unsigned)(us / 60000000 % 60), (unsigned)(us / 1000000 % 60),
			 (unsigned)(us % 1000000));

	for (int keep = 6; keep > scale && out[n - 1] == '0'; keep--) {
		out[--n] = '\0';
	}
	if (out[n - 1] == '.') {
		out[n - 1] = '\0';
	}
}

TEST(times)
{
	for (int i = 0; i < 60000; i++) {
		uint64_t us = any_size() % UINT64_C(4000000000000000);
		uint64_t day = us % UINT64_C(86400000000);
		int scale = i % 7;
		char clock[64], want[80];

		us = i % 3 == 0 ? us / 1000000 * 1000000 : i % 3 == 1 ? us / 1000 * 1000 : us;
		day = us % UINT64_C(86400000000);
		put_clock(clock, sizeof(clock), us, scale);
		check(&(struct drip_value){.type = DRIP_TYPE_DURATION, .i = (int64_t)us}, scale,
		      clock);
		snprintf(want, sizeof(want), "-%s", clock);
		check(&(struct drip_value){.type = DRIP_TYPE_DURATION,
					   .i = -(int64_t)us - (us == 0)},
		      scale, us == 0 ? "-00:00:00.000001" : want);
		put_clock(clock, sizeof(clock), day, scale);
		check(&(struct drip_value){.type = DRIP_TYPE_TIME, .i = (int64_t)day}, scale,
		      clock);
	}
}

/* Each day of 1900 to 2100 as the C library has it, and days far off through the parser. */
TEST(dates)
{
	for (int64_t day = -25567; day < 47847; day++) {
		time_t seconds = (time_t)day * 86400 + 3599;
		char want[80];
		struct tm tm;

		REQUIRE(gmtime_r(&seconds, &tm) != NULL);
		strftime(want, sizeof(want), "%Y-%m-%d", &tm);
		check(&(struct drip_value){.type = DRIP_TYPE_DATE, .i = day}, 0, want);
		strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%SZ", &tm);
		check(&(struct drip_value){.type = DRIP_TYPE_TIMESTAMP_UTC,
					   .i = (int64_t)seconds * 1000000},
		      0, want);
	}
	check(&(struct drip_value){.type = DRIP_TYPE_DATE, .i = -719529}, 0, "-0001-12-31");
	check(&(struct drip_value){.type = DRIP_TYPE_DATE, .i = -719528}, 0, "0000-01-01");
	check(&(struct drip_value){.type = DRIP_TYPE_DATE, .i = 2932897}, 0, "10000-01-01");
	check(&(struct drip_value){.type = DRIP_TYPE_TIMESTAMP, .i = INT64_MIN}, 0,
	      "-290308-12-21T19:59:05.224192");
	check(&(struct drip_value){.type = DRIP_TYPE_TIMESTAMP, .i = INT64_MAX}, 6,
	      "294247-01-10T04:00:54.775807");
}

TEST_MAIN()
