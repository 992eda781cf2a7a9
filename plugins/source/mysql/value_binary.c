/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of the binary protocol, which rows of prepared statements come in, in a session with
 * character set utf8mb4 and time zone +00:00. Numbers and times are sent as they are, which spares
 * the server their printing and this side their parsing; all else is a string, as in the text
 * protocol. Format: MySQL internals manual, "Binary Protocol Resultset Row".
 */
#include "value.h"
#include "wire.h"

#include <errno.h>
#include <string.h>

#define TIME_DAYS_MAX 34 /* a TIME is 838:59:59 at most */

static void malformed(const struct drip_my_cell *c)
{
	drip_my_put_failed(c, -EBADMSG, "mysql.malformed_value",
			   "the server sent a value that is none");
}

/* A value of another type than the column's. */
static void binary_other(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	(void)p;
	(void)n;
	malformed(c);
}

static void binary_integer(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_my_put_integer(c, drip_my_cell_integer(c, p, n));
}

#define DEFINE_FIXED(name, ctype)                                                                  \
	static void binary_##name(const struct drip_my_cell *c, const uint8_t *p, size_t n)        \
	{                                                                                          \
		ctype v;                                                                           \
                                                                                                   \
		(void)n;                                                                           \
		memcpy(&v, p, sizeof(v));                                                          \
		drip_append_##name(c->out, v);                                                     \
	}

DEFINE_FIXED(i8, int8_t)
DEFINE_FIXED(i16, int16_t)
DEFINE_FIXED(i32, int32_t)
DEFINE_FIXED(i64, int64_t)
DEFINE_FIXED(f32, float)
DEFINE_FIXED(f64, double)

/* A FLOAT that was read as a DOUBLE. */
static void binary_narrow(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	double v;

	(void)n;
	memcpy(&v, p, sizeof(v));
	drip_append_f32(c->out, (float)v);
}

/* Year, month and day, then time, then microseconds, each only where what follows is not zero. */
static bool read_date(const uint8_t *p, size_t n, int part[6], int64_t *ret_micros)
{
	*ret_micros = 0;
	memset(part, 0, 6 * sizeof(*part));
	if (n != 0 && n != 4 && n != 7 && n != 11) {
		return false;
	}
	if (n >= 4) {
		part[0] = (int)drip_my_little(p, 2);
		part[1] = p[2];
		part[2] = p[3];
	}
	if (n >= 7) {
		part[3] = p[4];
		part[4] = p[5];
		part[5] = p[6];
	}
	if (n == 11) {
		*ret_micros = (int64_t)drip_my_little(p + 7, 4);
	}
	return true;
}

static void binary_date(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int part[6];
	int64_t micros;

	if (read_date(p, n, part, &micros)) {
		drip_my_put_date(c, part[0], part[1], part[2]);
	} else {
		malformed(c);
	}
}

static void binary_datetime(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int part[6];
	int64_t micros;

	if (read_date(p, n, part, &micros)) {
		drip_my_put_datetime(c, part, micros);
	} else {
		malformed(c);
	}
}

static void binary_timestamp(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int part[6];
	int64_t micros, days;

	if (!read_date(p, n, part, &micros)) {
		malformed(c);
		return;
	}
	days = part[0] == 0 ? 0 : drip_my_days(part[0], part[1], part[2]);
	drip_my_put_timestamp(c, days * 86400 + part[3] * 3600 + part[4] * 60 + part[5], micros);
}

/* Sign, days, hours, minutes, seconds, then microseconds. */
static void binary_time(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int64_t v = 0, days = n >= 8 ? (int64_t)drip_my_little(p + 1, 4) : 0;

	if ((n != 0 && n != 8 && n != 12) || days > TIME_DAYS_MAX) {
		malformed(c);
		return;
	}
	if (n >= 8) {
		v = days * 86400 + p[5] * 3600 + p[6] * 60 + p[7];
		v = v * 1000000 + (n == 12 ? (int64_t)drip_my_little(p + 8, 4) : 0);
		v = p[0] != 0 ? -v : v;
	}
	drip_append_i64(c->out, v);
}

/* A column's own width in bytes: then the bytes are the value. */
static drip_my_append int_append(const struct drip_my_cell *cell)
{
	uint32_t own = cell->column->bytes == 3 ? 4 : cell->column->bytes;

	if (cell->column->kind != DRIP_MY_INT || own != cell->fixed) {
		return binary_integer;
	}
	return own == 1 ? binary_i8 : own == 2 ? binary_i16 : own == 4 ? binary_i32 : binary_i64;
}

static drip_my_append fixed_append(const struct drip_my_cell *cell)
{
	bool is_float = cell->wire == DRIP_MY_WIRE_FLOAT;
	bool is_double = cell->wire == DRIP_MY_WIRE_DOUBLE;

	switch (cell->column->kind) {
	case DRIP_MY_INT:
	case DRIP_MY_YEAR:
	case DRIP_MY_BIT:
		return is_float || is_double ? binary_other : int_append(cell);
	case DRIP_MY_FLOAT:
		return is_float ? binary_f32 : is_double ? binary_narrow : binary_other;
	case DRIP_MY_DOUBLE:
		return is_double ? binary_f64 : binary_other;
	default:
		return binary_other;
	}
}

static drip_my_append date_append(const struct drip_my_cell *cell)
{
	switch (cell->column->kind) {
	case DRIP_MY_DATE:
		return binary_date;
	case DRIP_MY_DATETIME:
		return binary_datetime;
	case DRIP_MY_TIMESTAMP:
		return binary_timestamp;
	default:
		return binary_other;
	}
}

void drip_my_cell_binary(struct drip_my_cell *cell, const struct drip_my_column *column,
			 uint8_t wire, struct drip_my_values *values)
{
	static const uint8_t fixed[256] = {
		[DRIP_MY_WIRE_TINY] = 1,     [DRIP_MY_WIRE_SHORT] = 2, [DRIP_MY_WIRE_YEAR] = 2,
		[DRIP_MY_WIRE_INT24] = 4,    [DRIP_MY_WIRE_LONG] = 4,  [DRIP_MY_WIRE_FLOAT] = 4,
		[DRIP_MY_WIRE_LONGLONG] = 8, [DRIP_MY_WIRE_DOUBLE] = 8};

	drip_my_cell_text(cell, column, values); /* strings are the same in both */
	cell->wire = wire;
	cell->fixed = fixed[wire];
	if (cell->fixed != 0) {
		cell->append = fixed_append(cell);
		return;
	}
	switch (wire) {
	case DRIP_MY_WIRE_DATE:
	case DRIP_MY_WIRE_NEWDATE:
	case DRIP_MY_WIRE_DATETIME:
	case DRIP_MY_WIRE_TIMESTAMP:
		cell->append = date_append(cell);
		break;
	case DRIP_MY_WIRE_TIME:
		cell->append = column->kind == DRIP_MY_TIME ? binary_time : binary_other;
		break;
	default:
		break;
	}
}

/* Length in front of a string; false where it is none or goes beyond `end`. */
static bool read_length(const uint8_t **p, const uint8_t *end, size_t *ret)
{
	static const uint8_t bytes[256] = {[0xfc] = 2, [0xfd] = 3, [0xfe] = 8};
	const uint8_t *at = *p;
	unsigned more;
	uint64_t size;

	if (at == end || *at == 0xfb || *at == 0xff) {
		return false;
	}
	more = bytes[*at];
	size = *at++;
	if (more > (size_t)(end - at)) {
		return false;
	}
	if (more > 0) {
		size = drip_my_little(at, more);
		at += more;
	}
	*p = at;
	*ret = (size_t)size;
	return true;
}

bool drip_my_row_split(const struct drip_my_cell *cells, uint32_t count, const uint8_t *p, size_t n,
		       const uint8_t **values, size_t *sizes)
{
	const uint8_t *end = p + n, *nulls = p + 1;
	size_t head = 1 + (count + 9) / 8;

	if (n < head || p[0] != 0) {
		return false;
	}
	p += head;
	for (uint32_t i = 0; i < count; i++) {
		size_t size = cells[i].fixed;

		if ((nulls[(i + 2) >> 3] >> ((i + 2) & 7) & 1) != 0) {
			values[i] = NULL;
			sizes[i] = 0;
			continue;
		}
		if (size == 0 && !read_length(&p, end, &size)) {
			return false;
		}
		if (size > (size_t)(end - p)) {
			return false;
		}
		values[i] = p;
		sizes[i] = size;
		p += size;
	}
	return p == end;
}
