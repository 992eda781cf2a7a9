/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the SDK library: days since 1970-01-01 and dates of the proleptic Gregorian calendar.
 */
#ifndef DRIPLINE_SDK_CALENDAR_H
#define DRIPLINE_SDK_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#define DRIP_US_PER_SECOND INT64_C(1000000)
#define DRIP_US_PER_DAY    (INT64_C(86400) * DRIP_US_PER_SECOND)

struct drip_date {
	int64_t year;
	int month, day; /* from 1 */
};

/* A 400-year cycle has 146097 days; years are counted from 1 March so that the leap day is the
 * last, as in "chrono-Compatible Low-Level Date Algorithms" (H. Hinnant). */
static inline int64_t drip_days_from_date(const struct drip_date *d)
{
	int64_t year = d->year - (d->month <= 2);
	int64_t cycle = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_cycle = year - cycle * 400;
	int64_t day_of_year = (153 * ((d->month + 9) % 12) + 2) / 5 + d->day - 1;

	return cycle * 146097 + year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 +
	       day_of_year - 719468;
}

static inline struct drip_date drip_date_from_days(int64_t days)
{
	int64_t shifted = days + 719468;
	int64_t cycle = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t day = shifted - cycle * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	int64_t day_of_year = day - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	struct drip_date d;

	d.day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	d.month = (int)(month < 10 ? month + 3 : month - 9);
	d.year = year + cycle * 400 + (d.month <= 2);
	return d;
}

static inline int drip_days_in_month(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

#endif
