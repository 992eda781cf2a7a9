/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columnar conversions. Numbers and times go through lanes: a chunk is loaded into 128-bit integers
 * or doubles, scaled, checked against the range of the target and stored. So any pair of types
 * costs one load and one store function, not one for the pair.
 */
#include "cast.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define CHUNK  512 /* rows at a time; the lanes stay in the first cache */
#define DAY_US ((int64_t)86400000000)

union lanes {
	__int128 i[CHUNK];
	double f[CHUNK];
};

static bool is_float(enum drip_type type)
{
	return type == DRIP_TYPE_FLOAT32 || type == DRIP_TYPE_FLOAT64;
}

static bool is_int(enum drip_type type)
{
	return type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_UINT64;
}

static bool is_stamp(enum drip_type type)
{
	return type == DRIP_TYPE_TIMESTAMP || type == DRIP_TYPE_TIMESTAMP_UTC;
}

static bool is_number(enum drip_type type)
{
	return type >= DRIP_TYPE_BOOL && type <= DRIP_TYPE_DECIMAL;
}

static __int128 power_of_ten(int exponent)
{
	__int128 v = 1;

	while (exponent-- > 0) {
		v *= 10;
	}
	return v;
}

static void set_range(struct cast_conversion *c)
{
	static const __int128 one = 1;

	switch (c->to.type) {
	case DRIP_TYPE_INT8:
	case DRIP_TYPE_INT16:
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_INT64:
		c->high = (one << (8 * drip_type_width(c->to.type) - 1)) - 1;
		c->low = -c->high - 1;
		break;
	case DRIP_TYPE_UINT8:
	case DRIP_TYPE_UINT16:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_UINT64:
		c->high = (one << (8 * drip_type_width(c->to.type))) - 1;
		c->low = 0;
		break;
	case DRIP_TYPE_DECIMAL:
		c->high = power_of_ten(c->to.precision) - 1;
		c->low = -c->high;
		break;
	case DRIP_TYPE_DATE:
		c->high = INT32_MAX;
		c->low = INT32_MIN;
		break;
	case DRIP_TYPE_TIME:
		c->high = DAY_US - 1;
		c->low = 0;
		break;
	default:
		c->high = INT64_MAX;
		c->low = INT64_MIN;
		break;
	}
}

static void scale_by(struct cast_conversion *c, enum cast_scaling scaling, __int128 factor)
{
	c->scaling = factor == 1 && scaling != CAST_MODULO ? CAST_KEEP : scaling;
	c->factor = factor;
}

static bool plan_numbers(struct cast_conversion *c)
{
	int from = c->from.type == DRIP_TYPE_DECIMAL ? c->from.scale : 0;
	int to = c->to.type == DRIP_TYPE_DECIMAL ? c->to.scale : 0;

	c->fraction = pow(10, is_float(c->from.type) ? to : -from);
	if (is_float(c->from.type) || is_float(c->to.type) || c->to.type == DRIP_TYPE_BOOL) {
		return true;
	}
	scale_by(c, to >= from ? CAST_MULTIPLY : CAST_DIVIDE_ROUND,
		 power_of_ten(to >= from ? to - from : from - to));
	return true;
}

/* Integers as epochs, and times among each other. */
static bool plan_times(struct cast_conversion *c, int64_t unit)
{
	enum drip_type from = c->from.type, to = c->to.type;

	if (is_int(from) && (is_stamp(to) || to == DRIP_TYPE_DURATION)) {
		scale_by(c, CAST_MULTIPLY, unit);
	} else if (is_int(from) && to == DRIP_TYPE_DATE) {
		scale_by(c, CAST_DIVIDE_FLOOR, DAY_US / unit);
	} else if (is_stamp(from) && is_int(to)) {
		scale_by(c, CAST_DIVIDE_FLOOR, unit);
	} else if (from == DRIP_TYPE_DURATION && is_int(to)) {
		scale_by(c, CAST_DIVIDE_ROUND, unit);
	} else if (from == DRIP_TYPE_DATE && is_stamp(to)) {
		scale_by(c, CAST_MULTIPLY, DAY_US);
	} else if (is_stamp(from) && to == DRIP_TYPE_DATE) {
		scale_by(c, CAST_DIVIDE_FLOOR, DAY_US);
	} else if (is_stamp(from) && to == DRIP_TYPE_TIME) {
		scale_by(c, CAST_MODULO, DAY_US);
	} else {
		return (is_stamp(from) && is_stamp(to)) ||
		       (from == DRIP_TYPE_TIME && to == DRIP_TYPE_DURATION) ||
		       (from == DRIP_TYPE_DURATION && to == DRIP_TYPE_TIME);
	}
	return true;
}

bool cast_plan(const struct drip_column *from, const struct drip_column *to, int64_t epoch_unit,
	       struct cast_conversion *ret)
{
	enum drip_type a = from->type, b = to->type;

	memset(ret, 0, sizeof(*ret));
	ret->from = *from;
	ret->to = *to;
	set_range(ret);
	if (a == b && (a != DRIP_TYPE_DECIMAL ||
		       (from->scale == to->scale && from->precision <= to->precision))) {
		ret->way = CAST_SHARE;
		return true;
	}
	if (b == DRIP_TYPE_UTF8) {
		ret->way = a == DRIP_TYPE_JSON || a == DRIP_TYPE_UUID ? CAST_SHARE
			   : a == DRIP_TYPE_BINARY                    ? CAST_BYTES_TO_TEXT
								      : CAST_FORMAT;
		return true;
	}
	if (a == DRIP_TYPE_UTF8) {
		ret->way = b == DRIP_TYPE_BINARY ? CAST_SHARE : CAST_PARSE;
		return true;
	}
	ret->way = CAST_NUMBERS;
	if (is_number(a) && is_number(b)) {
		return plan_numbers(ret);
	}
	return plan_times(ret, epoch_unit);
}

#define LOAD(ctype, lane)                                                                          \
	do {                                                                                       \
		const ctype *in = (const ctype *)values + at;                                      \
		for (int i = 0; i < n; i++) {                                                      \
			out->lane[i] = in[i];                                                      \
		}                                                                                  \
	} while (0)

static void load(enum drip_type type, const void *values, int64_t at, int n, union lanes *out)
{
	const uint8_t *bits = values;

	switch (type) {
	case DRIP_TYPE_BOOL:
		for (int i = 0; i < n; i++) {
			out->i[i] = (bits[(at + i) >> 3] >> ((at + i) & 7)) & 1;
		}
		break;
	case DRIP_TYPE_INT8:
		LOAD(int8_t, i);
		break;
	case DRIP_TYPE_INT16:
		LOAD(int16_t, i);
		break;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_DATE:
		LOAD(int32_t, i);
		break;
	case DRIP_TYPE_UINT8:
		LOAD(uint8_t, i);
		break;
	case DRIP_TYPE_UINT16:
		LOAD(uint16_t, i);
		break;
	case DRIP_TYPE_UINT32:
		LOAD(uint32_t, i);
		break;
	case DRIP_TYPE_UINT64:
		LOAD(uint64_t, i);
		break;
	case DRIP_TYPE_FLOAT32:
		LOAD(float, f);
		break;
	case DRIP_TYPE_FLOAT64:
		LOAD(double, f);
		break;
	case DRIP_TYPE_DECIMAL:
		memcpy(out->i, (const uint8_t *)values + at * 16, (size_t)n * 16);
		break;
	default:
		LOAD(int64_t, i);
		break;
	}
}

#define STORE(ctype, lane)                                                                         \
	do {                                                                                       \
		ctype *to = (ctype *)values + at;                                                  \
		for (int i = 0; i < n; i++) {                                                      \
			to[i] = (ctype)in->lane[i];                                                \
		}                                                                                  \
	} while (0)

static void store(enum drip_type type, void *values, int64_t at, int n, const union lanes *in)
{
	uint8_t *bits = values;

	switch (type) {
	case DRIP_TYPE_BOOL:
		for (int i = 0; i < n; i++) {
			uint8_t bit = (uint8_t)(1u << ((at + i) & 7));

			bits[(at + i) >> 3] =
				(uint8_t)((bits[(at + i) >> 3] & ~bit) | (in->i[i] != 0 ? bit : 0));
		}
		break;
	case DRIP_TYPE_INT8:
	case DRIP_TYPE_UINT8:
		STORE(uint8_t, i);
		break;
	case DRIP_TYPE_INT16:
	case DRIP_TYPE_UINT16:
		STORE(uint16_t, i);
		break;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_DATE:
		STORE(uint32_t, i);
		break;
	case DRIP_TYPE_FLOAT32:
		STORE(float, f);
		break;
	case DRIP_TYPE_FLOAT64:
		STORE(double, f);
		break;
	case DRIP_TYPE_DECIMAL:
		memcpy((uint8_t *)values + at * 16, in->i, (size_t)n * 16);
		break;
	default:
		STORE(uint64_t, i);
		break;
	}
}

static __int128 divide_floor(__int128 v, __int128 by)
{
	return v / by - (v % by < 0);
}

/* To the nearest, halves away from zero, as SQL does. */
static __int128 divide_round(__int128 v, __int128 by)
{
	__int128 quotient = v / by, rest = v % by;

	rest = rest < 0 ? -rest : rest;
	return rest < by - rest ? quotient : quotient + (v < 0 ? -1 : 1);
}

/* Scales lanes in place; fails[i] becomes 1 where the value does not fit. */
static void scale(const struct cast_conversion *c, union lanes *l, int n, uint8_t *fails)
{
	__int128 factor = c->factor;

	switch (c->scaling) {
	case CAST_KEEP:
		break;
	case CAST_MULTIPLY:
		for (int i = 0; i < n; i++) {
			fails[i] |= __builtin_mul_overflow(l->i[i], factor, &l->i[i]);
		}
		break;
	case CAST_DIVIDE_ROUND:
		for (int i = 0; i < n; i++) {
			l->i[i] = divide_round(l->i[i], factor);
		}
		break;
	case CAST_DIVIDE_FLOOR:
		for (int i = 0; i < n; i++) {
			l->i[i] = divide_floor(l->i[i], factor);
		}
		break;
	case CAST_MODULO:
		for (int i = 0; i < n; i++) {
			l->i[i] -= divide_floor(l->i[i], factor) * factor;
		}
		break;
	}
	for (int i = 0; i < n; i++) {
		fails[i] |= l->i[i] < c->low || l->i[i] > c->high;
	}
}

static void floats_to_integers(const struct cast_conversion *c, union lanes *l, int n,
			       uint8_t *fails)
{
	double low = (double)c->low, high = (double)c->high;

	/* backwards or forwards: a lane of integers is wider, so it is filled from the end */
	for (int i = n - 1; i >= 0; i--) {
		double v = round(l->f[i] * c->fraction);
		bool fits = v >= low && v <= high && v < 0x1p127 && v > -0x1p127;
		__int128 integer = fits ? (__int128)v : 0;

		fails[i] |= !fits || integer < c->low || integer > c->high;
		l->i[i] = integer;
	}
}

static void integers_to_floats(const struct cast_conversion *c, union lanes *l, int n)
{
	double divisor = 1 / c->fraction;

	for (int i = 0; i < n; i++) {
		double v = (double)l->i[i];

		l->f[i] = c->fraction == 1 ? v : v / divisor;
	}
}

static void convert_lanes(const struct cast_conversion *c, union lanes *l, int n, uint8_t *fails)
{
	bool from = is_float(c->from.type), to = is_float(c->to.type);

	if (from && c->to.type == DRIP_TYPE_BOOL) {
		for (int i = n - 1; i >= 0; i--) {
			l->i[i] = l->f[i] != 0;
		}
	} else if (from && to) {
		for (int i = 0; i < n; i++) {
			fails[i] |= c->to.type == DRIP_TYPE_FLOAT32 && isfinite(l->f[i]) &&
				    !isfinite((float)l->f[i]);
		}
	} else if (from) {
		floats_to_integers(c, l, n, fails);
	} else if (to) {
		integers_to_floats(c, l, n);
	} else if (c->to.type != DRIP_TYPE_BOOL) {
		scale(c, l, n, fails);
	}
}

/* Copies validity, and nulls what failed. */
static void mark(struct drip_column_builder *b, const struct ArrowArray *in, int64_t at, int n,
		 const uint8_t *fails, uint8_t *bad)
{
	bool nulls = in->buffers[0] != NULL && in->null_count != 0, failed = false;

	for (int i = 0; i < n; i++) {
		failed |= fails[i] != 0;
	}
	if (!nulls && !failed && b->validity == NULL) {
		b->length += n;
		return;
	}
	for (int i = 0; i < n; i++) {
		bool null = nulls && drip_is_null(in, at + i);

		drip_column_mark(b, !null && !fails[i]);
		bad[at + i] |= !null && fails[i];
		b->length++;
	}
}

static void convert_numbers(const struct cast_conversion *c, const struct ArrowArray *in,
			    struct drip_column_builder *b, uint8_t *bad)
{
	uint8_t fails[CHUNK];
	union lanes lanes;

	if (in->length > 0 && !drip_column_grow(b)) {
		return;
	}
	for (int64_t at = 0; at < in->length; at += CHUNK) {
		int n = in->length - at < CHUNK ? (int)(in->length - at) : CHUNK;

		memset(fails, 0, (size_t)n);
		load(c->from.type, in->buffers[1], in->offset + at, n, &lanes);
		convert_lanes(c, &lanes, n, fails);
		store(c->to.type, b->values, b->length, n, &lanes);
		mark(b, in, at, n, fails, bad);
	}
}

/* Well-formed UTF-8 (RFC 3629, section 4): no overlong forms, no surrogates, at most U+10FFFF. */
static bool is_utf8(const uint8_t *s, int64_t size)
{
	int64_t i = 0;

	while (i < size) {
		uint8_t c = s[i];
		int more = c < 0x80   ? 0
			   : c < 0xc2 ? -1
			   : c < 0xe0 ? 1
			   : c < 0xf0 ? 2
			   : c < 0xf5 ? 3
				      : -1;

		if (more < 0 || i + more >= size) {
			return false;
		}
		for (int j = 1; j <= more; j++) {
			if ((s[i + j] & 0xc0) != 0x80) {
				return false;
			}
		}
		if ((c == 0xe0 && s[i + 1] < 0xa0) || (c == 0xed && s[i + 1] > 0x9f) ||
		    (c == 0xf0 && s[i + 1] < 0x90) || (c == 0xf4 && s[i + 1] > 0x8f)) {
			return false;
		}
		i += more + 1;
	}
	return true;
}

/* Row by row: text is parsed or written, which costs more than the loop around it. */
static void convert_text(const struct cast_conversion *c, const struct drip_batch *batch,
			 uint32_t index, struct drip_column_builder *b, uint8_t *bad)
{
	const struct ArrowArray *in = batch->array.children[index];
	struct drip_value v;
	char text[160];

	for (int64_t row = 0; row < in->length; row++) {
		bool ok = true;

		drip_value_get(batch, index, row, &v);
		if (v.type == DRIP_TYPE_NONE) {
			drip_append_null(b);
			continue;
		}
		if (c->way == CAST_FORMAT) {
			int size = drip_value_format(&v, &c->from, text, sizeof(text));

			ok = size >= 0 && size < (int)sizeof(text);
			if (ok) {
				drip_append_bytes(b, text, size);
			}
		} else if (c->way == CAST_PARSE) {
			ok = drip_append_text(b, &c->to, v.data, v.size, NULL) == 0;
		} else {
			ok = is_utf8((const uint8_t *)v.data, v.size);
			if (ok) {
				drip_append_bytes(b, v.data, v.size);
			}
		}
		if (!ok) {
			drip_append_null(b);
			bad[row] = 1;
		}
	}
}

int cast_convert(const struct cast_conversion *c, const struct drip_batch *batch, uint32_t index,
		 uint8_t *bad, struct ArrowArray *ret, struct drip_error *err)
{
	struct drip_column_builder b;
	int rc;

	if (c->way == CAST_SHARE) {
		return drip_column_share(batch, index, ret, err);
	}
	rc = drip_column_builder_init(&b, c->to.type, batch->rows, err);
	if (rc != 0) {
		return rc;
	}
	if (c->way == CAST_NUMBERS) {
		convert_numbers(c, batch->array.children[index], &b, bad);
	} else {
		convert_text(c, batch, index, &b, bad);
	}
	rc = drip_column_builder_build(&b, ret, err);
	drip_column_builder_finish(&b);
	return rc;
}
