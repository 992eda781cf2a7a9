/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as text. What is written here, drip_append_text reads back. Integers, decimals and times
 * are written two digits at a time from a table, as is every float that is a short decimal; the C
 * library, which is twenty times slower, only writes the others. Thread: any.
 */
#include "format.h"

#include "calendar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char pairs[] = "00010203040506070809"
			    "10111213141516171819"
			    "20212223242526272829"
			    "30313233343536373839"
			    "40414243444546474849"
			    "50515253545556575859"
			    "60616263646566676869"
			    "70717273747576777879"
			    "80818283848586878889"
			    "90919293949596979899";

static char *put_two(char *out, unsigned v)
{
	memcpy(out, &pairs[v * 2], 2);
	return out + 2;
}

/* Writes the digits of `v` so that they end before `end`; returns where they begin. */
static char *put_before(char *end, uint64_t v)
{
	while (v >= 100) {
		end -= 2;
		memcpy(end, &pairs[v % 100 * 2], 2);
		v /= 100;
	}
	if (v >= 10) {
		end -= 2;
		memcpy(end, &pairs[v * 2], 2);
	} else {
		*--end = (char)('0' + v);
	}
	return end;
}

static char *put_u64(char *out, uint64_t v)
{
	char text[20], *at = put_before(text + sizeof(text), v);
	size_t size = (size_t)(text + sizeof(text) - at);

	memcpy(out, at, size);
	return out + size;
}

static char *put_i64(char *out, int64_t v)
{
	if (v < 0) {
		*out++ = '-';
	}
	return put_u64(out, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

/* The digits of `v` with a point before the last `scale`, and a digit at least before that. */
static char *put_scaled(char *out, unsigned __int128 v, int scale)
{
	const uint64_t chunk = UINT64_C(10000000000000000000); /* 10^19 */
	char text[64], *end = text + sizeof(text), *at = end;
	size_t whole;

	while (v > UINT64_MAX) {
		char *next = at - 19;

		at = put_before(at, (uint64_t)(v % chunk));
		while (at > next) {
			*--at = '0';
		}
		v /= chunk;
	}
	at = put_before(at, (uint64_t)v);
	while (end - at <= scale) {
		*--at = '0';
	}
	whole = (size_t)(end - at - scale);
	memcpy(out, at, whole);
	out += whole;
	if (scale > 0) {
		*out++ = '.';
		memcpy(out, at + whole, (size_t)scale);
		out += scale;
	}
	return out;
}

/* 128 bits have 39 digits; sign, point and a leading zero come to it. */
static char *put_decimal(char *out, const struct drip_value *value, int scale)
{
	__int128 v;

	memcpy(&v, value->data, sizeof(v));
	if (v < 0) {
		*out++ = '-';
	}
	scale = scale < 0 ? 0 : scale > 60 ? 60 : scale;
	return put_scaled(out, v < 0 ? -(unsigned __int128)v : (unsigned __int128)v, scale);
}

/* ---- floats ---- */

#define SHORT_SCALE 8 /* digits behind the point that are tried */

static const double powers[SHORT_SCALE + 1] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8};

/*
 * Writes a float that has few digits: m / 10^scale, where m and the power are exact, so that their
 * quotient is the float that reading the text gives, and the least scale is the shortest text.
 * No other decimal of 15 (6 for float) digits or fewer gives that float. NULL: it is none such, or
 * is written with an exponent.
 */
static char *put_short(char *out, double v, bool single)
{
	double magnitude = fabs(v), limit = single ? 1e6 : 1e15;

	if (!(magnitude < limit) || (magnitude < 1e-4 && magnitude != 0)) {
		return NULL;
	}
	for (int scale = 0; scale <= SHORT_SCALE; scale++) {
		double scaled = rint(magnitude * powers[scale]);
		double back = single ? (double)((float)scaled / (float)powers[scale])
				     : scaled / powers[scale];

		if (scaled >= limit) {
			return NULL;
		}
		if (back == magnitude) {
			if (signbit(v)) {
				*out++ = '-';
			}
			return put_scaled(out, (uint64_t)scaled, scale);
		}
	}
	return NULL;
}

static char *put_text(char *out, const char *text)
{
	size_t size = strlen(text);

	memcpy(out, text, size);
	return out + size;
}

/*
 * 15 (6 for float) significant digits give back every decimal of that length, so where they read
 * back equal they are the shortest form but for trailing zeros, which %g drops. Subnormal numbers
 * have fewer digits, and are searched from one digit on.
 */
static char *put_long(char *out, double v, bool single)
{
	char text[40] = "";
	int digits = single ? 6 : 15, digits_max = single ? 9 : 17;
	double smallest = single ? 1.17549435e-38 : 2.2250738585072014e-308;

	if (fabs(v) < smallest) {
		digits = 1;
	}
	for (; digits <= digits_max; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) {
			break;
		}
	}
	return put_text(out, text);
}

static char *put_float(char *out, double v, bool single)
{
	char *end;

	if (isnan(v)) {
		return put_text(out, "nan");
	}
	if (isinf(v)) {
		return put_text(out, v < 0 ? "-inf" : "inf");
	}
	end = put_short(out, v, single);
	return end != NULL ? end : put_long(out, v, single);
}

/* ---- times ---- */

static char *put_date(char *out, int64_t days)
{
	struct drip_date d = drip_date_from_days(days);
	uint64_t year = d.year < 0 ? -(uint64_t)d.year : (uint64_t)d.year;

	if (d.year < 0) {
		*out++ = '-';
	}
	if (year < 10000) {
		out = put_two(put_two(out, (unsigned)year / 100), (unsigned)year % 100);
	} else {
		out = put_u64(out, year);
	}
	*out++ = '-';
	out = put_two(out, (unsigned)d.month);
	*out++ = '-';
	return put_two(out, (unsigned)d.day);
}

/* "HH:MM:SS" and as many fraction digits as the value or `scale` asks for. */
static char *put_clock(char *out, uint64_t us, int scale)
{
	uint64_t seconds = us / DRIP_US_PER_SECOND, hours = seconds / 3600;
	unsigned fraction = (unsigned)(us % DRIP_US_PER_SECOND);
	int keep = 6;

	out = hours < 100 ? put_two(out, (unsigned)hours) : put_u64(out, hours);
	*out++ = ':';
	out = put_two(out, (unsigned)(seconds / 60 % 60));
	*out++ = ':';
	out = put_two(out, (unsigned)(seconds % 60));
	if (fraction == 0 && scale <= 0) {
		return out;
	}
	*out = '.';
	put_two(put_two(put_two(out + 1, fraction / 10000), fraction / 100 % 100), fraction % 100);
	while (keep > 0 && keep > scale && out[keep] == '0') {
		keep--;
	}
	return out + 1 + keep;
}

static char *put_timestamp(char *out, int64_t us, int scale)
{
	int64_t days = us / DRIP_US_PER_DAY - (us % DRIP_US_PER_DAY < 0);

	out = put_date(out, days);
	*out++ = 'T';
	return put_clock(out, (uint64_t)us - (uint64_t)days * (uint64_t)DRIP_US_PER_DAY, scale);
}

static char *put_duration(char *out, int64_t us, int scale)
{
	if (us < 0) {
		*out++ = '-';
	}
	return put_clock(out, us < 0 ? -(uint64_t)us : (uint64_t)us, scale);
}

size_t drip_format_fixed(const struct drip_value *value, const struct drip_column *column,
			 char *out)
{
	int scale = column != NULL ? column->scale : 0;
	char *end;

	switch (value->type) {
	case DRIP_TYPE_NONE:
		return 0;
	case DRIP_TYPE_BOOL:
		end = put_text(out, value->i != 0 ? "true" : "false");
		break;
	case DRIP_TYPE_UINT8:
	case DRIP_TYPE_UINT16:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_UINT64:
		end = put_u64(out, value->u);
		break;
	case DRIP_TYPE_FLOAT32:
	case DRIP_TYPE_FLOAT64:
		end = put_float(out, value->f, value->type == DRIP_TYPE_FLOAT32);
		break;
	case DRIP_TYPE_DECIMAL:
		end = put_decimal(out, value, scale);
		break;
	case DRIP_TYPE_DATE:
		end = put_date(out, value->i);
		break;
	case DRIP_TYPE_TIME:
		end = put_clock(out, (uint64_t)value->i, scale);
		break;
	case DRIP_TYPE_TIMESTAMP:
		end = put_timestamp(out, value->i, scale);
		break;
	case DRIP_TYPE_TIMESTAMP_UTC:
		end = put_timestamp(out, value->i, scale);
		*end++ = 'Z';
		break;
	case DRIP_TYPE_DURATION:
		end = put_duration(out, value->i, scale);
		break;
	default:
		end = put_i64(out, value->i);
		break;
	}
	return (size_t)(end - out);
}

/* ---- into a buffer of any size ---- */

static int format_hex(const struct drip_value *value, char *buf, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (int64_t i = 0; i < value->size && at + 2 < size; i++) {
		buf[at++] = digits[(uint8_t)value->data[i] >> 4];
		buf[at++] = digits[(uint8_t)value->data[i] & 15];
	}
	if (size > 0) {
		buf[at] = '\0';
	}
	return (int)(value->size * 2);
}

static int format_bytes(const char *data, size_t length, char *buf, size_t size)
{
	if (size > 0) {
		size_t fits = length < size - 1 ? length : size - 1;

		if (fits > 0) {
			memcpy(buf, data, fits);
		}
		buf[fits] = '\0';
	}
	return (int)length;
}

int drip_value_format(const struct drip_value *value, const struct drip_column *column, char *buf,
		      size_t size)
{
	char text[DRIP_FORMAT_MAX];

	if (value->type == DRIP_TYPE_BINARY) {
		return format_hex(value, buf, size);
	}
	if (!drip_format_is_fixed(value->type)) {
		return format_bytes(value->data, (size_t)value->size, buf, size);
	}
	return format_bytes(text, drip_format_fixed(value, column, text), buf, size);
}
