/* SPDX-License-Identifier: Apache-2.0 */
/* Values of the text protocol, in a session with character set utf8mb4 and time zone +00:00. */
#include "value.h"
#include "wire.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void malformed(const struct drip_my_cell *c)
{
	drip_my_put_failed(c, -EBADMSG, "mysql.malformed_value",
			   "the server sent a value that is none");
}

static bool parse_integer(const uint8_t *p, size_t n, uint64_t *ret)
{
	bool negative = n > 0 && p[0] == '-';
	uint64_t v = 0;

	for (size_t i = negative ? 1 : 0; i < n; i++) {
		uint8_t digit = (uint8_t)(p[i] - '0');

		if (digit > 9) {
			return false;
		}
		v = v * 10 + digit;
	}
	*ret = negative ? -v : v;
	return true;
}

uint64_t drip_my_cell_integer(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	unsigned shift = 64 - 8 * c->fixed;
	uint64_t v = 0;

	if (c->fixed == 0) {
		return parse_integer(p, n, &v) ? v : 0;
	}
	v = drip_my_little(p, c->fixed) << shift;
	return c->column->is_unsigned ? v >> shift : (uint64_t)((int64_t)v >> shift);
}

static void text_integer(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint64_t v;

	if (parse_integer(p, n, &v)) {
		drip_my_put_integer(c, v);
	} else {
		malformed(c);
	}
}

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
	c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

/* Whatever locale the process has set, the point is a point. */
static bool parse_double(const uint8_t *p, size_t n, double *ret)
{
	char buf[400], *end;

	if (n == 0 || n >= sizeof(buf)) {
		return false;
	}
	memcpy(buf, p, n);
	buf[n] = '\0';
	*ret = c_locale != (locale_t)0 ? strtod_l(buf, &end, c_locale) : strtod(buf, &end);
	return *end == '\0';
}

static void text_double(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	double v;

	if (!parse_double(p, n, &v)) {
		malformed(c);
	} else if (c->out->type == DRIP_TYPE_FLOAT32) {
		drip_append_f32(c->out, (float)v);
	} else {
		drip_append_f64(c->out, v);
	}
}

static void text_decimal(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	unsigned __int128 v = 0;
	bool negative = n > 0 && p[0] == '-';
	int fraction = -1;

	for (size_t i = negative ? 1 : 0; i < n; i++) {
		uint8_t digit = (uint8_t)(p[i] - '0');

		if (p[i] == '.' && fraction < 0) {
			fraction = 0;
			continue;
		}
		if (digit > 9) {
			malformed(c);
			return;
		}
		v = v * 10 + digit;
		fraction += fraction >= 0;
	}
	for (fraction = fraction < 0 ? 0 : fraction; fraction < c->column->scale; fraction++) {
		v *= 10;
	}
	if (negative) {
		v = -v;
	}
	drip_append_fixed(c->out, &v);
}

static int two(const uint8_t *p)
{
	return (p[0] - '0') * 10 + (p[1] - '0');
}

/* ".123" as microseconds. */
static int64_t fraction_micros(const uint8_t *p, size_t n)
{
	int64_t v = 0;

	for (size_t i = 1; i < 7; i++) {
		v = v * 10 + (i < n && p[i] >= '0' && p[i] <= '9' ? p[i] - '0' : 0);
	}
	return v;
}

static void text_date(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	if (n != 10) {
		malformed(c);
		return;
	}
	drip_my_put_date(c, two(p) * 100 + two(p + 2), two(p + 5), two(p + 8));
}

static void text_datetime(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	if (n < 19) {
		malformed(c);
		return;
	}

	int part[6] = {two(p) * 100 + two(p + 2),
		       two(p + 5),
		       two(p + 8),
		       two(p + 11),
		       two(p + 14),
		       two(p + 17)};

	drip_my_put_datetime(c, part, fraction_micros(p + 19, n - 19));
}

static void text_timestamp(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	if (n < 19) {
		malformed(c);
		return;
	}

	int year = two(p) * 100 + two(p + 2);
	int64_t days = year == 0 ? 0 : drip_my_days(year, two(p + 5), two(p + 8));

	drip_my_put_timestamp(c, days * 86400 + two(p + 11) * 3600 + two(p + 14) * 60 + two(p + 17),
			      fraction_micros(p + 19, n - 19));
}

/* [-]H..H:MM:SS[.ffffff], hours to 838 */
static void text_time(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	bool negative = n > 0 && p[0] == '-';
	size_t i = negative ? 1 : 0;
	int64_t hours = 0, v;

	for (; i < n && p[i] != ':' && hours < 10000; i++) {
		hours = hours * 10 + (p[i] - '0');
	}
	if (i + 6 > n || hours < 0) {
		malformed(c);
		return;
	}
	v = (hours * 3600 + two(p + i + 1) * 60 + two(p + i + 4)) * 1000000 +
	    fraction_micros(p + i + 6, n - i - 6);
	drip_append_i64(c->out, negative ? -v : v);
}

static void text_bit(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++) {
		v = v << 8 | p[i];
	}
	drip_my_put_integer(c, v);
}

static void text_binary(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_append_bytes(c->out, p, (int64_t)n);
}

void drip_my_cell_text(struct drip_my_cell *cell, const struct drip_my_column *column,
		       struct drip_my_values *values)
{
	static const drip_my_append by_kind[] = {
		[DRIP_MY_INT] = text_integer,
		[DRIP_MY_FLOAT] = text_double,
		[DRIP_MY_DOUBLE] = text_double,
		[DRIP_MY_BIT] = text_bit,
		[DRIP_MY_YEAR] = text_integer,
		[DRIP_MY_DATE] = text_date,
		[DRIP_MY_TIME] = text_time,
		[DRIP_MY_DATETIME] = text_datetime,
		[DRIP_MY_TIMESTAMP] = text_timestamp,
		[DRIP_MY_GEOMETRY] = text_binary,
		[DRIP_MY_INET6] = NULL,
	};

	pthread_once(&c_locale_once, make_c_locale);
	memset(cell, 0, sizeof(*cell));
	cell->column = column;
	cell->values = values;
	cell->append = by_kind[column->kind];
	if (column->kind == DRIP_MY_DECIMAL && column->precision <= 38) {
		cell->append = text_decimal;
	} else if (cell->append == NULL) {
		cell->append =
			strcmp(column->charset, "binary") == 0 ? text_binary : drip_my_put_utf8;
	}
}
