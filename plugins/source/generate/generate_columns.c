/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The column functions: each appends the values of one chunk to a column. They write into the
 * builder's buffers directly after one reservation a chunk; that is what makes tens of millions of
 * rows a second.
 */
#include "generate.h"

#include <string.h>

/* Draws for a column: a counter-based generator, so that any row can be made alone. */
#define DRAW(column, source, i) generate_mix((column)->seed + (source)[i] * 0x9e3779b97f4a7c15u)

static inline uint64_t below(uint64_t draw, uint64_t range)
{
	return range == 0 ? draw : (uint64_t)(((unsigned __int128)draw * range) >> 64);
}

static bool reserve_rows(struct drip_column_builder *b, int rows)
{
	while (b->rc == 0 && b->capacity - b->length < rows) {
		int64_t length = b->length;
		bool ok;

		/* grow makes room beyond a full column */
		b->length = b->capacity;
		ok = drip_column_grow(b);
		b->length = length;
		if (!ok) {
			return false;
		}
	}
	return b->rc == 0;
}

static void fill_integer(const struct generate_column *c, const uint64_t *source, int rows,
			 struct drip_column_builder *b)
{
	uint8_t *at = b->values + (size_t)b->length * b->width;

#define FILL(ctype)                                                                                \
	do {                                                                                       \
		ctype *out = (ctype *)(void *)at;                                                  \
		for (int i = 0; i < rows; i++) {                                                   \
			out[i] = (ctype)((uint64_t)c->low + below(DRAW(c, source, i), c->range));  \
		}                                                                                  \
	} while (0)
	switch (b->width) {
	case 1:
		FILL(uint8_t);
		break;
	case 2:
		FILL(uint16_t);
		break;
	case 4:
		FILL(uint32_t);
		break;
	default:
		FILL(uint64_t);
		break;
	}
#undef FILL
}

static void fill_steps(const struct generate_column *c, const uint64_t *source, int rows,
		       struct drip_column_builder *b)
{
	uint8_t *at = b->values + (size_t)b->length * b->width;

#define FILL(ctype)                                                                                \
	do {                                                                                       \
		ctype *out = (ctype *)(void *)at;                                                  \
		for (int i = 0; i < rows; i++) {                                                   \
			out[i] = (ctype)((uint64_t)c->low + source[i] * (uint64_t)c->step);        \
		}                                                                                  \
	} while (0)
	switch (b->width) {
	case 1:
		FILL(uint8_t);
		break;
	case 2:
		FILL(uint16_t);
		break;
	case 4:
		FILL(uint32_t);
		break;
	default:
		FILL(uint64_t);
		break;
	}
#undef FILL
}

static void fill_timestamp(const struct generate_column *c, const struct generate_chunk *chunk,
			   const uint64_t *source, struct drip_column_builder *b)
{
	const uint64_t *ticks = c->changes ? chunk->tick : chunk->born;
	int64_t *out = (int64_t *)(void *)b->values + b->length;

	for (int i = 0; i < chunk->rows; i++) {
		int64_t us = (int64_t)((uint64_t)c->low + ticks[i] * (uint64_t)c->step);

		if (c->range > 1) {
			us = (int64_t)((uint64_t)us + below(DRAW(c, source, i), c->range));
		}
		out[i] = us;
	}
}

static void fill_date(const struct generate_column *c, const struct generate_chunk *chunk,
		      const uint64_t *source, struct drip_column_builder *b)
{
	const uint64_t *ticks = c->changes ? chunk->tick : chunk->born;
	int32_t *out = (int32_t *)(void *)b->values + b->length;
	const int64_t day = 86400000000;

	for (int i = 0; i < chunk->rows; i++) {
		int64_t us = (int64_t)((uint64_t)c->low + ticks[i] * (uint64_t)c->step);

		if (c->range > 1) {
			us = (int64_t)((uint64_t)us + below(DRAW(c, source, i), c->range));
		}
		out[i] = (int32_t)(us / day - (us % day < 0));
	}
}

static void fill_float(const struct generate_column *c, const uint64_t *source, int rows,
		       struct drip_column_builder *b)
{
	if (b->width == 4) {
		float *out = (float *)(void *)b->values + b->length;

		for (int i = 0; i < rows; i++) {
			out[i] = (float)(c->flow +
					 (double)(DRAW(c, source, i) >> 11) * 0x1p-53 * c->fspan);
		}
	} else {
		double *out = (double *)(void *)b->values + b->length;

		for (int i = 0; i < rows; i++) {
			out[i] = c->flow + (double)(DRAW(c, source, i) >> 11) * 0x1p-53 * c->fspan;
		}
	}
}

static void fill_decimal(const struct generate_column *c, const uint64_t *source, int rows,
			 struct drip_column_builder *b)
{
	int64_t *out = (int64_t *)(void *)(b->values + (size_t)b->length * 16);

	for (int i = 0; i < rows; i++) {
		int64_t v = (int64_t)((uint64_t)c->low + below(DRAW(c, source, i), c->range));

		out[2 * i] = v;
		out[2 * i + 1] = v >> 63;
	}
}

static void fill_bool(const struct generate_column *c, const uint64_t *source, int rows,
		      struct drip_column_builder *b)
{
	for (int i = 0; i < rows; i++) {
		int64_t at = b->length + i;
		uint8_t bit = (uint8_t)(1u << (at & 7));

		if ((double)(DRAW(c, source, i) >> 11) * 0x1p-53 < c->fspan) {
			b->values[at >> 3] |= bit;
		} else {
			b->values[at >> 3] &= (uint8_t)~bit;
		}
	}
}

static uint32_t choose(const struct generate_column *c, uint64_t draw)
{
	uint32_t i = (uint32_t)below(draw, c->values_count);

	return generate_mix(draw) < c->alias_below[i] ? i : c->alias[i];
}

static void fill_choice(const struct generate_column *c, const uint64_t *source, int rows,
			struct drip_column_builder *b)
{
	const struct drip_column_builder *v = &c->values;

	if (v->offsets != NULL) {
		for (int i = 0; i < rows; i++) {
			uint32_t at = choose(c, DRAW(c, source, i));

			drip_append_bytes(b, v->values + v->offsets[at],
					  v->offsets[at + 1] - v->offsets[at]);
		}
	} else if (v->width != 0) {
		for (int i = 0; i < rows; i++) {
			uint32_t at = choose(c, DRAW(c, source, i));

			drip_append_fixed(b, v->values + (size_t)at * v->width);
		}
	} else {
		for (int i = 0; i < rows; i++) {
			uint32_t at = choose(c, DRAW(c, source, i));

			drip_append_bool(b, (v->values[at >> 3] >> (at & 7)) & 1);
		}
	}
}

static void fill_text(const struct generate_column *c, const uint64_t *source, int rows,
		      struct drip_column_builder *b)
{
	static const char letters[33] = "etaoinshrdlucmfwypvbgkjqxz  aeio";

	for (int i = 0; i < rows; i++) {
		uint64_t draw = DRAW(c, source, i), bits = draw;
		int64_t size = c->min_size + (int64_t)below(draw, c->size_range);
		uint8_t *out = drip_append_reserve(b, size);

		if (out == NULL) {
			return;
		}
		for (int64_t j = 0; j < size; j++) {
			if ((j & 7) == 0) {
				bits = generate_mix(bits + 0x9e3779b97f4a7c15u);
			}
			out[j] = (uint8_t)(c->kind == GENERATE_BINARY ? (int)(bits & 0xff)
								      : letters[bits & 31]);
			bits >>= 8;
		}
		drip_append_written(b, size);
	}
}

/* Decimal digits of `v` at the end of `buf` (20 bytes); returns where they begin. */
static int digits_of(uint64_t v, char *buf)
{
	int at = 20;

	do {
		buf[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	return at;
}

static void fill_template(const struct generate_column *c, const uint64_t *id, int rows,
			  struct drip_column_builder *b)
{
	for (int i = 0; i < rows; i++) {
		char digits[20];
		int at = digits_of((uint64_t)c->low + id[i] * (uint64_t)c->step, digits);
		int64_t size = c->prefix_size + (20 - at) + c->suffix_size;
		uint8_t *out = drip_append_reserve(b, size);

		if (out == NULL) {
			return;
		}
		memcpy(out, c->prefix, (size_t)c->prefix_size);
		memcpy(out + c->prefix_size, digits + at, (size_t)(20 - at));
		memcpy(out + c->prefix_size + (20 - at), c->suffix, (size_t)c->suffix_size);
		drip_append_written(b, size);
	}
}

static void put_hex(uint8_t *out, uint64_t v, int digits)
{
	while (digits-- > 0) {
		out[digits] = (uint8_t) "0123456789abcdef"[v & 15];
		v >>= 4;
	}
}

static void fill_uuid(const struct generate_column *c, const uint64_t *source, int rows,
		      struct drip_column_builder *b)
{
	for (int i = 0; i < rows; i++) {
		uint64_t high = DRAW(c, source, i), low = generate_mix(high ^ c->seed);
		uint8_t *out = drip_append_reserve(b, 36);

		if (out == NULL) {
			return;
		}
		high = (high & ~(uint64_t)0xf000) | 0x4000;
		low = (low & (UINT64_MAX >> 2)) | ((uint64_t)1 << 63);
		put_hex(out, high >> 32, 8);
		put_hex(out + 9, high >> 16, 4);
		put_hex(out + 14, high, 4);
		put_hex(out + 19, low >> 48, 4);
		put_hex(out + 24, low, 12);
		out[8] = out[13] = out[18] = out[23] = '-';
		drip_append_written(b, 36);
	}
}

/* Bits of validity for rows whose fixed-width values are written already. */
static void mark_nulls(const struct generate_column *c, const uint64_t *source, int rows,
		       struct drip_column_builder *b)
{
	if (c->null_below == 0 || (b->validity == NULL && !drip_column_make_validity(b))) {
		return;
	}
	for (int i = 0; i < rows; i++) {
		int64_t at = b->length + i;
		bool null = generate_mix(~DRAW(c, source, i)) < c->null_below;
		uint8_t bit = (uint8_t)(1u << (at & 7));

		b->validity[at >> 3] = (uint8_t)((b->validity[at >> 3] & ~bit) | (null ? 0 : bit));
		b->nulls += null;
	}
}

static void fill_fixed(const struct generate_column *c, const struct generate_chunk *chunk,
		       const uint64_t *source, struct drip_column_builder *b)
{
	if (!reserve_rows(b, chunk->rows)) {
		return;
	}
	switch (c->kind) {
	case GENERATE_SEQUENCE:
		fill_steps(c, chunk->id, chunk->rows, b);
		break;
	case GENERATE_INT:
		fill_integer(c, source, chunk->rows, b);
		break;
	case GENERATE_FLOAT:
		fill_float(c, source, chunk->rows, b);
		break;
	case GENERATE_DECIMAL:
		fill_decimal(c, source, chunk->rows, b);
		break;
	case GENERATE_BOOL:
		fill_bool(c, source, chunk->rows, b);
		break;
	default:
		if (c->column.type == DRIP_TYPE_DATE) {
			fill_date(c, chunk, source, b);
		} else {
			fill_timestamp(c, chunk, source, b);
		}
		break;
	}
	mark_nulls(c, source, chunk->rows, b);
	b->length += chunk->rows;
}

/* Nulls of columns that are appended value by value: run by run. */
static void fill_appended(const struct generate_column *c, const struct generate_chunk *chunk,
			  const uint64_t *source, struct drip_column_builder *b)
{
	int from = 0;

	while (from < chunk->rows) {
		int to = from;

		while (to < chunk->rows && (c->null_below == 0 ||
					    generate_mix(~DRAW(c, source, to)) >= c->null_below)) {
			to++;
		}
		if (to > from) {
			switch (c->kind) {
			case GENERATE_CHOICE:
				fill_choice(c, source + from, to - from, b);
				break;
			case GENERATE_TEMPLATE:
				fill_template(c, chunk->id + from, to - from, b);
				break;
			case GENERATE_UUID:
				fill_uuid(c, source + from, to - from, b);
				break;
			default:
				fill_text(c, source + from, to - from, b);
				break;
			}
		}
		if (to < chunk->rows) {
			drip_append_null(b);
		}
		from = to + 1;
	}
}

void generate_fill(const struct generate_column *c, const struct generate_chunk *chunk,
		   struct drip_column_builder *b)
{
	const uint64_t *source = c->changes ? chunk->draw : chunk->id;

	switch (c->kind) {
	case GENERATE_CHOICE:
	case GENERATE_TEXT:
	case GENERATE_TEMPLATE:
	case GENERATE_UUID:
	case GENERATE_BINARY:
		fill_appended(c, chunk, source, b);
		break;
	default:
		fill_fixed(c, chunk, source, b);
		break;
	}
}
