/* SPDX-License-Identifier: Apache-2.0 */
/* Where text protocol and row images meet: dates, UTF-8 and integers into builders. */
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drip_my_values_init(struct drip_my_values *v, enum drip_my_zero zero)
{
	memset(v, 0, sizeof(*v));
	v->zero = zero;
	v->error.struct_size = sizeof(v->error);
}

void drip_my_values_finish(struct drip_my_values *v)
{
	drip_my_charsets_free(v);
	free(v->scratch);
	v->scratch = NULL;
}

void drip_my_put_failed(const struct drip_my_cell *c, int rc, const char *code, const char *what)
{
	if (c->values->rc == 0) {
		c->values->rc = rc;
		drip_error_set(&c->values->error, rc, code, "%s in column %s", what,
			       c->column->name);
	}
	drip_append_null(c->out);
}

/* Days since 1970-01-01 of a proleptic Gregorian date: years counted from March, in eras of 400. */
int64_t drip_my_days(int64_t year, int month, int day)
{
	year -= month <= 2;

	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t yoe = year - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

static void civil_of_days(int64_t days, int part[3])
{
	days += 719468;

	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	part[2] = (int)(doy - (153 * mp + 2) / 5 + 1);
	part[1] = (int)(mp < 10 ? mp + 3 : mp - 9);
	part[0] = (int)(yoe + era * 400 + (part[1] <= 2));
}

static bool date_exists(int year, int month, int day)
{
	static const uint8_t days[13] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (year < 0 || year > 9999 || month < 1 || month > 12 || day < 1) {
		return false;
	}
	if (month == 2 && ((year % 4 == 0 && year % 100 != 0) || year % 400 == 0)) {
		return day <= 29;
	}
	return day <= days[month];
}

static void put_no_date(const struct drip_my_cell *c)
{
	if (c->values->zero == DRIP_MY_ZERO_ERROR || c->column->key != 0) {
		drip_my_put_failed(c, -EINVAL, "mysql.zero_date", "a date that does not exist");
		return;
	}
	c->values->zero_dates++;
	drip_append_null(c->out);
}

void drip_my_put_date(const struct drip_my_cell *c, int year, int month, int day)
{
	if (c->values->zero == DRIP_MY_ZERO_TEXT) {
		char text[40];
		int n = snprintf(text, sizeof(text), "%04d-%02d-%02d", year, month, day);

		drip_append_bytes(c->out, text, n);
	} else if (!date_exists(year, month, day)) {
		put_no_date(c);
	} else {
		drip_append_i32(c->out, (int32_t)drip_my_days(year, month, day));
	}
}

static void put_datetime_text(const struct drip_my_cell *c, const int part[6], int64_t micros)
{
	char text[80];
	int n = snprintf(text, sizeof(text), "%04d-%02d-%02d %02d:%02d:%02d", part[0], part[1],
			 part[2], part[3], part[4], part[5]);

	if (c->column->fsp > 0) {
		snprintf(text + n, sizeof(text) - (size_t)n, ".%06d", (int)micros);
		n += 1 + c->column->fsp;
	}
	drip_append_bytes(c->out, text, n);
}

void drip_my_put_datetime(const struct drip_my_cell *c, const int part[6], int64_t micros)
{
	if (c->values->zero == DRIP_MY_ZERO_TEXT) {
		put_datetime_text(c, part, micros);
	} else if (!date_exists(part[0], part[1], part[2])) {
		put_no_date(c);
	} else {
		int64_t seconds = drip_my_days(part[0], part[1], part[2]) * 86400 + part[3] * 3600 +
				  part[4] * 60 + part[5];

		drip_append_i64(c->out, seconds * 1000000 + micros);
	}
}

void drip_my_put_timestamp(const struct drip_my_cell *c, int64_t seconds, int64_t micros)
{
	if (c->values->zero == DRIP_MY_ZERO_TEXT) {
		int part[6] = {0};
		int rest = (int)(seconds % 86400);

		if (seconds != 0 || micros != 0) {
			civil_of_days(seconds / 86400, part);
			part[3] = rest / 3600;
			part[4] = rest / 60 % 60;
			part[5] = rest % 60;
		}
		put_datetime_text(c, part, micros);
	} else if (seconds == 0 && micros == 0) { /* 0000-00-00 00:00:00 */
		put_no_date(c);
	} else {
		drip_append_i64(c->out, seconds * 1000000 + micros);
	}
}

void drip_my_put_integer(const struct drip_my_cell *c, uint64_t v)
{
	switch (c->out->type) {
	case DRIP_TYPE_INT8:
	case DRIP_TYPE_UINT8:
		drip_append_i8(c->out, (int8_t)v);
		break;
	case DRIP_TYPE_INT16:
	case DRIP_TYPE_UINT16:
		drip_append_i16(c->out, (int16_t)v);
		break;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_UINT32:
		drip_append_i32(c->out, (int32_t)v);
		break;
	case DRIP_TYPE_BOOL:
		drip_append_bool(c->out, v != 0);
		break;
	default:
		drip_append_i64(c->out, (int64_t)v);
		break;
	}
}

/* Length of the valid UTF-8 sequence at `p`, 0 where there is none. Unicode 15, table 3-7. */
static size_t sequence(const uint8_t *p, size_t n)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;

	if (p[0] < 0x80) {
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4 || n < size) {
		return 0;
	}
	low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : low;
	high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : high;
	if (p[1] < low || p[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return size;
}

/* Bytes of valid UTF-8 at the start; ASCII eight bytes at a time. */
static size_t valid_prefix(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n) {
		uint64_t word;

		if (n - i >= 8) {
			memcpy(&word, p + i, 8);
			if ((word & 0x8080808080808080ull) == 0) {
				i += 8;
				continue;
			}
		}

		size_t size = sequence(p + i, n - i);

		if (size == 0) {
			break;
		}
		i += size;
	}
	return i;
}

static void put_broken(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint8_t *out = drip_append_reserve(c->out, (int64_t)n * 3);
	size_t used = 0;

	if (out == NULL) {
		return;
	}
	c->values->broken_text++;
	for (size_t i = 0; i < n;) {
		size_t size = sequence(p + i, n - i);

		memcpy(out + used, size == 0 ? (const uint8_t *)"\xef\xbf\xbd" : p + i,
		       size == 0 ? 3 : size);
		used += size == 0 ? 3 : size;
		i += size == 0 ? 1 : size;
	}
	drip_append_written(c->out, (int64_t)used);
}

void drip_my_put_utf8(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	if (valid_prefix(p, n) == n) {
		drip_append_bytes(c->out, p, (int64_t)n);
	} else {
		put_broken(c, p, n);
	}
}
