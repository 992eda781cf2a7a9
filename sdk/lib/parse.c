/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appends values that are given as text: CSV, text protocols, defaults, casts. Reads what
 * drip_value_format writes, loses nothing in silence: a value that the type cannot hold exactly
 * (but for binary floats) is malformed. Dates and times: clock.c.
 */
#include "parse.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_TEXT_MAX 128 /* bytes of the text of a float */

static int malformed(const struct drip_column *column, const char *text, int64_t size,
		     struct drip_error *err)
{
	char type[40];
	char shown[41];
	size_t n = size < 40 ? (size_t)size : 40;

	drip_type_name(column, type, sizeof(type));
	for (size_t i = 0; i < n; i++) {
		shown[i] = (unsigned char)text[i] < 0x20 ? '?' : text[i];
	}
	shown[n] = '\0';
	return drip_error_set(err, -EINVAL, "value.malformed", "cannot read \"%s\"%s as %s", shown,
			      size > 40 ? " (cut)" : "", type);
}

/* Digits of [at, end), with an overflow check. */
static bool parse_magnitude(const char *at, const char *end, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (at == end) {
		return false;
	}
	for (; at < end; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v)) {
			return false;
		}
	}
	*ret = v;
	return v <= max;
}

static bool append_signed(struct drip_column_builder *c, const char *text, int64_t size)
{
	const char *end = text + size;
	bool negative = size > 0 && *text == '-';
	uint64_t max = (UINT64_C(1) << (c->width * 8 - 1)) - !negative;
	uint64_t magnitude;
	int64_t v;

	text += size > 0 && (*text == '-' || *text == '+');
	if (!parse_magnitude(text, end, max, &magnitude)) {
		return false;
	}
	v = (int64_t)(negative ? -magnitude : magnitude);
	drip_append_fixed(c, &v); /* little endian: the low bytes come first */
	return true;
}

static bool append_unsigned(struct drip_column_builder *c, const char *text, int64_t size)
{
	uint64_t max = c->width == 8 ? UINT64_MAX : (UINT64_C(1) << (c->width * 8)) - 1;
	const char *end = text + size;
	uint64_t v;

	text += size > 0 && *text == '+';
	if (!parse_magnitude(text, end, max, &v)) {
		return false;
	}
	drip_append_fixed(c, &v);
	return true;
}

static bool append_float(struct drip_column_builder *c, const char *text, int64_t size)
{
	char copy[FLOAT_TEXT_MAX + 1];
	char *end;

	if (size <= 0 || size > FLOAT_TEXT_MAX || memchr(text, '\0', (size_t)size) != NULL) {
		return false;
	}
	memcpy(copy, text, (size_t)size);
	copy[size] = '\0';
	if (copy[strspn(copy, "+-0123456789.eEinfatyINFATY")] != '\0') {
		return false; /* spaces, hexadecimal floats, NaN payloads */
	}
	if (c->type == DRIP_TYPE_FLOAT32) {
		float v = strtof(copy, &end);

		if (*end != '\0' || (isinf(v) && strpbrk(copy, "iI") == NULL)) {
			return false;
		}
		drip_append_f32(c, v);
		return true;
	}
	double v = strtod(copy, &end);

	if (*end != '\0' || (isinf(v) && strpbrk(copy, "iI") == NULL)) {
		return false;
	}
	drip_append_f64(c, v);
	return true;
}

static bool append_bool(struct drip_column_builder *c, const char *text, int64_t size)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {{"true", true}, {"false", false}, {"1", true},
		     {"0", false},   {"t", true},      {"f", false}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if ((size_t)size == strlen(words[i].text) &&
		    strncasecmp(text, words[i].text, (size_t)size) == 0) {
			drip_append_bool(c, words[i].value);
			return true;
		}
	}
	return false;
}

/* ---- decimals ---- */

struct decimal_text {
	unsigned __int128 digits; /* all digits, the point left out */
	int count;                /* digits read, leading zeros left out */
	int after_point;
	int64_t exponent;
	bool negative;
};

static bool scan_decimal(const char *at, const char *end, struct decimal_text *d)
{
	bool any = false, point = false;
	uint64_t exponent;
	bool exponent_negative;

	memset(d, 0, sizeof(*d));
	d->negative = at < end && *at == '-';
	at += at < end && (*at == '-' || *at == '+');
	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.' && !point) {
			point = true;
			continue;
		}
		if (*at < '0' || *at > '9') {
			return false;
		}
		any = true;
		d->after_point += point;
		if (d->count > 0 || *at != '0') {
			d->count++;
		}
		if (d->count > 38 || d->after_point > 4096) {
			/* Only zeros behind the point may go on. */
			if (*at != '0' || !point) {
				return false;
			}
			d->count--;
			d->after_point--;
			continue;
		}
		d->digits = d->digits * 10 + (unsigned)(*at - '0');
	}
	if (!any || at == end) {
		return any;
	}
	exponent_negative = ++at < end && *at == '-';
	at += at < end && (*at == '-' || *at == '+');
	if (!parse_magnitude(at, end, 1000, &exponent)) {
		return false;
	}
	d->exponent = exponent_negative ? -(int64_t)exponent : (int64_t)exponent;
	return true;
}

static bool append_decimal(struct drip_column_builder *c, const struct drip_column *column,
			   const char *text, int64_t size)
{
	unsigned __int128 limit = 1;
	struct decimal_text d;
	int64_t shift;
	__int128 v;

	if (!scan_decimal(text, text + size, &d)) {
		return false;
	}
	for (int i = 0; i < column->precision; i++) {
		limit *= 10;
	}
	shift = column->scale - d.after_point + d.exponent;
	for (; shift > 0 && d.digits != 0; shift--) {
		if (d.digits >= limit) {
			return false;
		}
		d.digits *= 10;
	}
	for (; shift < 0 && d.digits != 0; shift++) {
		if (d.digits % 10 != 0) {
			return false; /* more digits than the scale keeps */
		}
		d.digits /= 10;
	}
	if (d.digits >= limit) {
		return false;
	}
	v = d.negative ? -(__int128)d.digits : (__int128)d.digits;
	drip_append_fixed(c, &v);
	return true;
}

/* ---- bytes ---- */

/* Well-formed UTF-8 as in RFC 3629: no overlong forms, no surrogates, 0x10ffff at most. */
static bool is_utf8(const char *text, int64_t size)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + size;

	while (p < end) {
		uint64_t eight;
		int more;

		if (end - p >= 8) {
			memcpy(&eight, p, 8);
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				p += 8;
				continue;
			}
		}
		if (*p < 0x80) {
			p++;
			continue;
		}
		more = *p >= 0xc2 && *p < 0xe0 ? 1
		       : (*p & 0xf0) == 0xe0   ? 2
		       : *p - 0xf0 < 5         ? 3
					       : 0;
		if (*p < 0xc2 || more == 0 || end - p <= more || (*p == 0xe0 && p[1] < 0xa0) ||
		    (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
		    (*p == 0xf4 && p[1] > 0x8f)) {
			return false;
		}
		for (int i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80) {
				return false;
			}
		}
		p += more + 1;
	}
	return true;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

static bool append_hex(struct drip_column_builder *c, const char *text, int64_t size)
{
	uint8_t *out;

	if (size >= 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		size -= 2;
	}
	for (int64_t i = 0; i < size; i++) {
		if (hex_digit(text[i]) < 0) {
			return false;
		}
	}
	if (size % 2 != 0) {
		return false;
	}
	out = drip_append_reserve(c, size / 2);
	if (out == NULL) {
		return true; /* the failure comes out of build */
	}
	for (int64_t i = 0; i < size / 2; i++) {
		out[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	}
	drip_append_written(c, size / 2);
	return true;
}

static bool append_uuid(struct drip_column_builder *c, const char *text, int64_t size)
{
	char lower[36];

	if (size != 36) {
		return false;
	}
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : hex_digit(text[i]) < 0) {
			return false;
		}
		lower[i] = text[i] >= 'A' && text[i] <= 'F' ? (char)(text[i] + 32) : text[i];
	}
	drip_append_bytes(c, lower, 36);
	return true;
}

static bool append_bytes(struct drip_column_builder *c, const char *text, int64_t size)
{
	if (!is_utf8(text, size) || (c->type == DRIP_TYPE_JSON && !drip_text_is_json(text, size))) {
		return false;
	}
	drip_append_bytes(c, size > 0 ? text : "", size);
	return true;
}

static bool append_parsed(struct drip_column_builder *c, const struct drip_column *column,
			  const char *text, int64_t size)
{
	int64_t v;

	switch (c->type) {
	case DRIP_TYPE_BOOL:
		return append_bool(c, text, size);
	case DRIP_TYPE_INT8:
	case DRIP_TYPE_INT16:
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_INT64:
		return append_signed(c, text, size);
	case DRIP_TYPE_UINT8:
	case DRIP_TYPE_UINT16:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_UINT64:
		return append_unsigned(c, text, size);
	case DRIP_TYPE_FLOAT32:
	case DRIP_TYPE_FLOAT64:
		return append_float(c, text, size);
	case DRIP_TYPE_DECIMAL:
		return append_decimal(c, column, text, size);
	case DRIP_TYPE_BINARY:
		return append_hex(c, text, size);
	case DRIP_TYPE_UUID:
		return append_uuid(c, text, size);
	case DRIP_TYPE_UTF8:
	case DRIP_TYPE_JSON:
		return append_bytes(c, text, size);
	default:
		break;
	}
	if (!drip_text_parse_clock(c->type, text, size, &v)) {
		return false;
	}
	if (c->type == DRIP_TYPE_DATE) {
		drip_append_i32(c, (int32_t)v);
	} else {
		drip_append_i64(c, v);
	}
	return true;
}

int drip_append_text(struct drip_column_builder *c, const struct drip_column *column,
		     const char *text, int64_t size, struct drip_error *err)
{
	if (size < 0 || !append_parsed(c, column, text, size)) {
		return malformed(column, text, size < 0 ? 0 : size, err);
	}
	return 0;
}
