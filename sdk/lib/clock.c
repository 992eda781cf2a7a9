/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads dates and times, ISO 8601 with a space or a T between date and time:
 *   date       YYYY-MM-DD, years of 4 to 6 digits, a minus sign before the common era
 *   time       HH:MM[:SS[.ffffff]]; digits behind the sixth must be zero
 *   duration   [-]H...:MM:SS[.ffffff]
 *   zone       Z, +HH, +HHMM or +HH:MM; a timestamp_utc without one is taken as UTC
 */
#include "calendar.h"
#include "parse.h"

struct cursor {
	const char *at, *end;
};

static bool skip(struct cursor *c, char wanted)
{
	if (c->at < c->end && *c->at == wanted) {
		c->at++;
		return true;
	}
	return false;
}

/* `min` to `max` digits, as many as there are. */
static bool read_number(struct cursor *c, int min, int max, int64_t *ret)
{
	int count = 0;
	int64_t v = 0;

	for (; count < max && c->at < c->end && *c->at >= '0' && *c->at <= '9'; count++) {
		v = v * 10 + (*c->at++ - '0');
	}
	*ret = v;
	return count >= min;
}

static bool read_date(struct cursor *c, int64_t *ret_days)
{
	struct drip_date d;
	int64_t month, day;
	bool negative = skip(c, '-');

	if (!negative) {
		skip(c, '+');
	}
	if (!read_number(c, 4, 6, &d.year) || !skip(c, '-') || !read_number(c, 2, 2, &month) ||
	    !skip(c, '-') || !read_number(c, 2, 2, &day)) {
		return false;
	}
	d.year = negative ? -d.year : d.year;
	if (month < 1 || month > 12 || day < 1 || day > drip_days_in_month(d.year, (int)month)) {
		return false;
	}
	d.month = (int)month;
	d.day = (int)day;
	*ret_days = drip_days_from_date(&d);
	return true;
}

static bool read_fraction(struct cursor *c, int64_t *ret_us)
{
	int64_t scale = 100000, v = 0;
	int count = 0;

	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, count++) {
		if (count >= 6 && *c->at != '0') {
			return false;
		}
		v += (*c->at - '0') * scale;
		scale /= 10;
	}
	*ret_us = v;
	return count > 0;
}

/* Hours of `hours_digits` digits at most; the seconds may be left out. */
static bool read_clock(struct cursor *c, int hours_digits, int64_t *ret_us)
{
	int64_t hours, minutes, seconds = 0, fraction = 0;

	if (!read_number(c, hours_digits > 2 ? 1 : 2, hours_digits, &hours) || !skip(c, ':') ||
	    !read_number(c, 2, 2, &minutes)) {
		return false;
	}
	if (skip(c, ':') &&
	    (!read_number(c, 2, 2, &seconds) || (skip(c, '.') && !read_fraction(c, &fraction)))) {
		return false;
	}
	if (minutes > 59 || seconds > 59) {
		return false;
	}
	*ret_us = (hours * 3600 + minutes * 60 + seconds) * DRIP_US_PER_SECOND + fraction;
	return true;
}

static bool read_zone(struct cursor *c, int64_t *ret_us)
{
	int64_t hours, minutes = 0;
	bool negative;

	*ret_us = 0;
	if (c->at == c->end || skip(c, 'Z') || skip(c, 'z')) {
		return true;
	}
	negative = skip(c, '-');
	if ((!negative && !skip(c, '+')) || !read_number(c, 2, 2, &hours)) {
		return false;
	}
	if (c->at < c->end) {
		skip(c, ':');
		if (!read_number(c, 2, 2, &minutes)) {
			return false;
		}
	}
	*ret_us = (hours * 60 + minutes) * 60 * DRIP_US_PER_SECOND * (negative ? -1 : 1);
	return hours <= 15 && minutes <= 59;
}

static bool read_timestamp(struct cursor *c, bool zone, int64_t *ret_us)
{
	int64_t days, clock = 0, offset = 0;

	if (!read_date(c, &days)) {
		return false;
	}
	if (c->at < c->end) {
		if (!skip(c, 'T') && !skip(c, 't') && !skip(c, ' ')) {
			return false;
		}
		if (!read_clock(c, 2, &clock) || clock >= DRIP_US_PER_DAY) {
			return false;
		}
	}
	if (zone && !read_zone(c, &offset)) {
		return false;
	}
	return !__builtin_mul_overflow(days, DRIP_US_PER_DAY, ret_us) &&
	       !__builtin_add_overflow(*ret_us, clock - offset, ret_us);
}

static bool read_duration(struct cursor *c, int64_t *ret_us)
{
	bool negative = skip(c, '-');

	if (!read_clock(c, 9, ret_us)) {
		return false;
	}
	*ret_us = negative ? -*ret_us : *ret_us;
	return true;
}

bool drip_text_parse_clock(enum drip_type type, const char *text, int64_t size, int64_t *ret)
{
	struct cursor c = {text, text + size};
	bool ok = false;

	switch (type) {
	case DRIP_TYPE_DATE:
		ok = read_date(&c, ret);
		break;
	case DRIP_TYPE_TIME:
		ok = read_clock(&c, 2, ret) && *ret < DRIP_US_PER_DAY;
		break;
	case DRIP_TYPE_TIMESTAMP:
		ok = read_timestamp(&c, false, ret);
		break;
	case DRIP_TYPE_TIMESTAMP_UTC:
		ok = read_timestamp(&c, true, ret);
		break;
	case DRIP_TYPE_DURATION:
		ok = read_duration(&c, ret);
		break;
	default:
		break;
	}
	return ok && c.at == c.end;
}
