/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of binlog row images. The caller has found where a value starts and ends, so an append
 * function gets exactly the bytes of one value and never reads behind them. Formats: MySQL
 * internals manual, "Rows event"; MariaDB source, Field::pack.
 */
#include "value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define INFLATED_MAX (1024u * 1024 * 1024) /* bytes of one inflated column value */

static uint64_t little(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < 8; i++) {
		v |= (uint64_t)p[i] << (8 * i);
	}
	return v;
}

static uint64_t big(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n && i < 8; i++) {
		v = v << 8 | p[i];
	}
	return v;
}

static void wire_i8(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_append_i8(c->out, (int8_t)p[0]);
}

static void wire_i16(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_append_i16(c->out, (int16_t)little(p, 2));
}

static void wire_i24(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint32_t v = (uint32_t)little(p, 3);

	if (!c->column->is_unsigned && (v & 0x800000u) != 0) {
		v |= 0xff000000u;
	}
	drip_append_i32(c->out, (int32_t)v);
}

static void wire_i32(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int32_t v;

	memcpy(&v, p, sizeof(v));
	drip_append_i32(c->out, v);
}

static void wire_i64(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int64_t v;

	memcpy(&v, p, sizeof(v));
	drip_append_i64(c->out, v);
}

static void wire_f32(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	float v;

	memcpy(&v, p, sizeof(v));
	drip_append_f32(c->out, v);
}

static void wire_f64(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	double v;

	memcpy(&v, p, sizeof(v));
	drip_append_f64(c->out, v);
}

static void wire_year(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_append_i16(c->out, (int16_t)(p[0] == 0 ? 0 : 1900 + p[0]));
}

static void wire_bit(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_my_put_integer(c, big(p, n));
}

/* ---- decimals: nine digits in four bytes, the first byte's top bit inverted, all inverted where
 * negative ---- */

static const uint8_t digit_bytes[10] = {0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
static const uint32_t powers[10] = {1,      10,      100,      1000,      10000,
				    100000, 1000000, 10000000, 100000000, 1000000000};

struct decimal {
	uint8_t bytes[40];
	size_t size, at;
	bool negative;
	int lead, groups, fraction_groups, tail; /* digits, groups of nine, groups, digits */
};

static uint32_t decimal_size(uint32_t precision, uint32_t scale)
{
	uint32_t whole = precision >= scale ? precision - scale : 0;

	return digit_bytes[whole % 9] + whole / 9 * 4 + scale / 9 * 4 + digit_bytes[scale % 9];
}

static void decimal_open(struct decimal *d, const uint8_t *p, size_t n, uint8_t precision,
			 uint8_t scale)
{
	int whole = precision - scale;

	d->size = n < sizeof(d->bytes) ? n : sizeof(d->bytes);
	d->at = 0;
	d->negative = (p[0] & 0x80) == 0;
	for (size_t i = 0; i < d->size; i++) {
		d->bytes[i] = d->negative ? (uint8_t)~p[i] : p[i];
	}
	d->bytes[0] ^= 0x80;
	d->lead = whole % 9;
	d->groups = whole / 9;
	d->fraction_groups = scale / 9;
	d->tail = scale % 9;
}

static uint32_t decimal_group(struct decimal *d, int digits)
{
	uint32_t v = (uint32_t)big(d->bytes + d->at, digit_bytes[digits]);

	d->at += digit_bytes[digits];
	return v;
}

static void wire_decimal(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	struct decimal d;
	unsigned __int128 v = 0;

	decimal_open(&d, p, n, c->column->precision, c->column->scale);
	if (d.lead > 0) {
		v = decimal_group(&d, d.lead);
	}
	for (int i = 0; i < d.groups + d.fraction_groups; i++) {
		v = v * 1000000000u + decimal_group(&d, 9);
	}
	if (d.tail > 0) {
		v = v * powers[d.tail] + decimal_group(&d, d.tail);
	}
	if (d.negative) {
		v = -v;
	}
	drip_append_fixed(c->out, &v);
}

/* More than 38 digits: as the server prints it. */
static void wire_decimal_text(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	struct decimal d;
	char whole[80], text[100], *digits = whole;
	int used = 0;

	decimal_open(&d, p, n, c->column->precision, c->column->scale);
	whole[0] = '\0';
	if (d.lead > 0) {
		used = snprintf(whole, sizeof(whole), "%0*u", d.lead, decimal_group(&d, d.lead));
	}
	for (int i = 0; i < d.groups; i++) {
		used += snprintf(whole + used, sizeof(whole) - (size_t)used, "%09u",
				 decimal_group(&d, 9));
	}
	while (digits[0] == '0' && digits[1] != '\0') {
		digits++;
	}
	used = snprintf(text, sizeof(text), "%s%s%s", d.negative ? "-" : "",
			digits[0] == '\0' ? "0" : digits, c->column->scale > 0 ? "." : "");
	for (int i = 0; i < d.fraction_groups; i++) {
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%09u",
				 decimal_group(&d, 9));
	}
	if (d.tail > 0) {
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%0*u", d.tail,
				 decimal_group(&d, d.tail));
	}
	drip_append_bytes(c->out, text, used);
}

/* ---- dates and times ---- */

static void wire_date(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint32_t v = (uint32_t)little(p, 3);

	drip_my_put_date(c, (int)(v >> 9), (int)(v >> 5 & 15), (int)(v & 31));
}

/* Fraction of `fsp` digits, big-endian in (fsp + 1) / 2 bytes, as microseconds. */
static int64_t fraction(const uint8_t *p, unsigned fsp)
{
	static const int64_t scale[4] = {0, 10000, 100, 1};
	unsigned bytes = (fsp + 1) / 2;

	return (int64_t)big(p, bytes) * scale[bytes];
}

static void put_packed(const struct drip_my_cell *c, uint64_t v, int64_t micros)
{
	uint64_t date = v >> 17, time = v & 0x1ffff;
	int part[6] = {(int)((date >> 5) / 13), (int)((date >> 5) % 13), (int)(date & 31),
		       (int)(time >> 12),       (int)(time >> 6 & 63),   (int)(time & 63)};

	drip_my_put_datetime(c, part, micros);
}

static void wire_datetime2(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	put_packed(c, big(p, 5) - 0x8000000000ull, fraction(p + 5, c->meta));
}

static void wire_datetime(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint64_t v = little(p, 8), date = v / 1000000, time = v % 1000000;
	int part[6] = {(int)(date / 10000 % 10000), (int)(date / 100 % 100), (int)(date % 100),
		       (int)(time / 10000),         (int)(time / 100 % 100), (int)(time % 100)};

	drip_my_put_datetime(c, part, 0);
}

static void wire_timestamp2(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_my_put_timestamp(c, (int64_t)big(p, 4), fraction(p + 4, c->meta));
}

static void wire_timestamp(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_my_put_timestamp(c, (int64_t)little(p, 4), 0);
}

/* 24 bits of sign, hour, minute, second with an offset, then the fraction; negative values borrow
 * across both, so the two are read as one number. */
static void wire_time2(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	static const int64_t scale[4] = {1, 10000, 100, 1};
	unsigned bytes = (c->meta + 1u) / 2;
	int64_t v = (int64_t)big(p, 3 + bytes) - (int64_t)(0x800000ull << (8 * bytes));
	bool negative = v < 0;
	uint64_t u = negative ? (uint64_t)-v : (uint64_t)v;
	int64_t micros = bytes == 0 ? 0 : (int64_t)(u & ((1ull << (8 * bytes)) - 1)) * scale[bytes];
	int64_t hms = (int64_t)(u >> (8 * bytes));
	int64_t seconds = (hms >> 12 & 0x3ff) * 3600 + (hms >> 6 & 63) * 60 + (hms & 63);

	seconds = seconds * 1000000 + micros;
	drip_append_i64(c->out, negative ? -seconds : seconds);
}

static void wire_time(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	int32_t v = (int32_t)((uint32_t)little(p, 3) << 8) / 256;
	bool negative = v < 0;
	int64_t u = negative ? -(int64_t)v : v;
	int64_t seconds = u / 10000 * 3600 + u / 100 % 100 * 60 + u % 100;

	drip_append_i64(c->out, (negative ? -seconds : seconds) * 1000000);
}

/* ---- texts and bytes ---- */

static void wire_binary(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	drip_append_bytes(c->out, p, (int64_t)n);
}

/* BINARY(n): the log leaves the zeros at the end out. */
static void wire_padded(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	size_t size = c->column->length > n ? c->column->length : n;
	uint8_t *out = drip_append_reserve(c->out, (int64_t)size);

	if (out != NULL) {
		memcpy(out, p, n);
		memset(out + n, 0, size - n);
		drip_append_written(c->out, (int64_t)size);
	}
}

static void wire_enum(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint64_t index = little(p, n);

	if (index == 0 || index > c->column->labels_count) { /* 0: the empty string of bad input */
		drip_append_bytes(c->out, "", 0);
	} else {
		const char *label = c->column->labels[index - 1];

		drip_append_bytes(c->out, label, (int64_t)strlen(label));
	}
}

static void wire_set(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint64_t bits = little(p, n);
	int64_t size = 0;
	uint8_t *out, *o;

	for (uint32_t i = 0; i < c->column->labels_count && i < 64; i++) {
		size += (bits >> i & 1) != 0 ? (int64_t)strlen(c->column->labels[i]) + 1 : 0;
	}
	out = o = drip_append_reserve(c->out, size);
	if (out == NULL) {
		return;
	}
	for (uint32_t i = 0; i < c->column->labels_count && i < 64; i++) {
		if ((bits >> i & 1) != 0) {
			size_t length = strlen(c->column->labels[i]);

			if (o != out) {
				*o++ = ',';
			}
			memcpy(o, c->column->labels[i], length);
			o += length;
		}
	}
	drip_append_written(c->out, o - out);
}

static void wire_uuid(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	char text[36], *o = text;

	for (size_t i = 0; i < 16; i++) {
		uint8_t byte = i < n ? p[i] : 0;

		if (i == 4 || i == 6 || i == 8 || i == 10) {
			*o++ = '-';
		}
		*o++ = hex[byte >> 4];
		*o++ = hex[byte & 15];
	}
	drip_append_bytes(c->out, text, 36);
}

static void wire_inet(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	uint8_t address[16] = {0};
	char text[64];

	memcpy(address, p, n < 16 ? n : 16);
	if (inet_ntop(c->column->kind == DRIP_MY_INET4 ? AF_INET : AF_INET6, address, text,
		      sizeof(text)) != NULL) {
		drip_append_bytes(c->out, text, (int64_t)strlen(text));
	} else {
		drip_append_null(c->out);
	}
}

static void put_text(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	if (strcmp(c->column->charset, "binary") == 0) {
		drip_append_bytes(c->out, p, (int64_t)n);
	} else if (c->charset != NULL) {
		drip_my_charset_put(c, p, n);
	} else {
		drip_my_put_utf8(c, p, n);
	}
}

static bool inflate_to(struct drip_my_values *v, const uint8_t *p, size_t n, size_t size, bool raw)
{
	z_stream z = {0};
	int rc;

	if (size > v->scratch_size) {
		uint8_t *grown = realloc(v->scratch, size);

		if (grown == NULL) {
			return false;
		}
		v->scratch = grown;
		v->scratch_size = size;
	}
	if (inflateInit2(&z, raw ? -MAX_WBITS : MAX_WBITS) != Z_OK) {
		return false;
	}
	z.next_in = (Bytef *)(uintptr_t)p;
	z.avail_in = (uInt)n;
	z.next_out = v->scratch;
	z.avail_out = (uInt)size;
	rc = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return rc == Z_STREAM_END && z.avail_out == 0;
}

/* A COMPRESSED column: method in the upper four bits, raw deflate in 8, bytes of the length in 7.
 */
static void wire_compressed(const struct drip_my_cell *c, const uint8_t *p, size_t n)
{
	size_t length_size = n > 0 ? p[0] & 7u : 0;
	uint64_t size;

	if (n == 0 || (p[0] >> 4) == 0) {
		put_text(c, p + (n > 0), n > 0 ? n - 1 : 0);
		return;
	}
	size = n > length_size ? big(p + 1, length_size) : UINT64_MAX;
	if (p[0] >> 4 != 8 || size > INFLATED_MAX || size == 0 ||
	    !inflate_to(c->values, p + 1 + length_size, n - 1 - length_size, (size_t)size,
			(p[0] & 8) != 0)) {
		drip_my_put_failed(c, -EBADMSG, "mysql.malformed_value",
				   "a compressed value that cannot be inflated");
		return;
	}
	put_text(c, c->values->scratch, (size_t)size);
}

/* ---- choosing ---- */

int drip_my_wire_layout(uint8_t wire, uint16_t meta, uint32_t *ret_fixed, uint8_t *ret_prefix)
{
	static const uint8_t fixed[256] = {[DRIP_MY_WIRE_TINY] = 1,     [DRIP_MY_WIRE_SHORT] = 2,
					   [DRIP_MY_WIRE_INT24] = 3,    [DRIP_MY_WIRE_LONG] = 4,
					   [DRIP_MY_WIRE_LONGLONG] = 8, [DRIP_MY_WIRE_FLOAT] = 4,
					   [DRIP_MY_WIRE_DOUBLE] = 8,   [DRIP_MY_WIRE_YEAR] = 1,
					   [DRIP_MY_WIRE_DATE] = 3,     [DRIP_MY_WIRE_NEWDATE] = 3,
					   [DRIP_MY_WIRE_TIME] = 3,     [DRIP_MY_WIRE_DATETIME] = 8,
					   [DRIP_MY_WIRE_TIMESTAMP] = 4};

	*ret_prefix = 0;
	*ret_fixed = fixed[wire];
	if (*ret_fixed != 0) {
		return 0;
	}
	switch (wire) {
	case DRIP_MY_WIRE_TIMESTAMP2:
	case DRIP_MY_WIRE_DATETIME2:
	case DRIP_MY_WIRE_TIME2:
		*ret_fixed = (wire == DRIP_MY_WIRE_TIMESTAMP2  ? 4u
			      : wire == DRIP_MY_WIRE_DATETIME2 ? 5u
							       : 3u) +
			     (meta + 1u) / 2;
		return meta <= 6 ? 0 : -ENOTSUP;
	case DRIP_MY_WIRE_NEWDECIMAL:
		*ret_fixed = decimal_size(meta & 0xff, meta >> 8);
		return (meta & 0xff) <= 65 && meta >> 8 <= (meta & 0xff) && *ret_fixed > 0
			       ? 0
			       : -ENOTSUP;
	case DRIP_MY_WIRE_BIT:
		*ret_fixed = (meta >> 8) + ((meta & 0xff) != 0);
		return *ret_fixed > 0 && *ret_fixed <= 8 ? 0 : -ENOTSUP;
	case DRIP_MY_WIRE_ENUM:
	case DRIP_MY_WIRE_SET:
		*ret_fixed = meta & 0xff;
		return *ret_fixed >= 1 && *ret_fixed <= 8 ? 0 : -ENOTSUP;
	case DRIP_MY_WIRE_VARCHAR:
	case DRIP_MY_WIRE_VAR_STRING:
	case DRIP_MY_WIRE_VARCHAR_COMPRESSED:
	case DRIP_MY_WIRE_STRING:
		*ret_prefix = meta > 255 ? 2 : 1;
		return 0;
	case DRIP_MY_WIRE_BLOB:
	case DRIP_MY_WIRE_BLOB_COMPRESSED:
	case DRIP_MY_WIRE_GEOMETRY:
	case DRIP_MY_WIRE_JSON:
		*ret_prefix = (uint8_t)meta;
		return meta >= 1 && meta <= 4 ? 0 : -ENOTSUP;
	default:
		return -ENOTSUP;
	}
}

static drip_my_append string_append(const struct drip_my_cell *cell)
{
	const struct drip_my_column *column = cell->column;

	if (cell->wire == DRIP_MY_WIRE_BLOB_COMPRESSED ||
	    cell->wire == DRIP_MY_WIRE_VARCHAR_COMPRESSED) {
		return wire_compressed;
	}
	if (strcmp(column->charset, "binary") == 0) {
		return column->kind == DRIP_MY_CHAR ? wire_padded : wire_binary;
	}
	return cell->charset != NULL ? drip_my_charset_put : drip_my_put_utf8;
}

static drip_my_append int_append(const struct drip_my_cell *cell)
{
	switch (cell->column->bytes) {
	case 1:
		return wire_i8;
	case 2:
		return wire_i16;
	case 3:
		return wire_i24;
	case 4:
		return wire_i32;
	default:
		return wire_i64;
	}
}

static drip_my_append temporal_append(const struct drip_my_cell *cell)
{
	switch (cell->wire) {
	case DRIP_MY_WIRE_TIME2:
		return wire_time2;
	case DRIP_MY_WIRE_TIME:
		return wire_time;
	case DRIP_MY_WIRE_DATETIME2:
		return wire_datetime2;
	case DRIP_MY_WIRE_DATETIME:
		return wire_datetime;
	case DRIP_MY_WIRE_TIMESTAMP2:
		return wire_timestamp2;
	case DRIP_MY_WIRE_TIMESTAMP:
		return wire_timestamp;
	default:
		return wire_date;
	}
}

static drip_my_append choose_append(const struct drip_my_cell *cell)
{
	switch (cell->column->kind) {
	case DRIP_MY_INT:
		return int_append(cell);
	case DRIP_MY_FLOAT:
		return wire_f32;
	case DRIP_MY_DOUBLE:
		return wire_f64;
	case DRIP_MY_DECIMAL:
		return cell->column->precision <= 38 ? wire_decimal : wire_decimal_text;
	case DRIP_MY_BIT:
		return wire_bit;
	case DRIP_MY_YEAR:
		return wire_year;
	case DRIP_MY_DATE:
	case DRIP_MY_TIME:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		return temporal_append(cell);
	case DRIP_MY_CHAR:
	case DRIP_MY_VARCHAR:
	case DRIP_MY_TEXT:
		return string_append(cell);
	case DRIP_MY_ENUM:
		return wire_enum;
	case DRIP_MY_SET:
		return wire_set;
	case DRIP_MY_GEOMETRY:
		return wire_binary;
	case DRIP_MY_UUID:
		return wire_uuid;
	case DRIP_MY_INET4:
	case DRIP_MY_INET6:
		return wire_inet;
	default:
		return NULL;
	}
}

int drip_my_cell_wire(struct drip_my_cell *cell, const struct drip_my_column *column, uint8_t wire,
		      uint16_t meta, struct drip_my_values *values, struct drip_error *err)
{
	int rc;

	memset(cell, 0, sizeof(*cell));
	cell->column = column;
	cell->values = values;
	cell->wire = wire;
	cell->meta = meta;
	rc = drip_my_wire_layout(wire, meta, &cell->fixed, &cell->prefix);
	if (rc == 0) {
		rc = drip_my_charset_get(values, column->charset, &cell->charset, err);
		if (rc != 0) {
			return rc;
		}
		cell->append = choose_append(cell);
	}
	if (cell->append == NULL || !drip_my_type_matches(column, wire, meta)) {
		return drip_error_set(err, -ENOTSUP, "mysql.type_unsupported",
				      "cannot read column %s: type %u on the wire", column->name,
				      wire);
	}
	return 0;
}
