/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arrow columns into DuckDB vectors. Fixed-width values are copied as they lie, both sides being
 * little endian with the same units; text is not copied: the vector points into the Arrow buffer,
 * and DuckDB copies what it keeps. Thread: any, one vector at a time.
 */
#include "private.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(duckdb_string_t) == 16, "layout of a DuckDB string");
_Static_assert(sizeof(duckdb_hugeint) == 16, "layout of a DuckDB hugeint");

void drip_duck_fill_init(struct drip_duck_fill *fill, const struct drip_column *column,
			 duckdb_logical_type target)
{
	fill->type = column->type;
	fill->name = column->name;
	fill->target = duckdb_get_type_id(target);
	fill->decimal = fill->target == DUCKDB_TYPE_DECIMAL ? duckdb_decimal_internal_type(target)
							    : DUCKDB_TYPE_INVALID;
}

/* `count` bits of `from`, beginning at bit `start`, to the beginning of `to`. */
static void copy_bits(const uint8_t *from, int64_t start, int64_t count, uint8_t *to)
{
	int64_t bytes = (count + 7) / 8, last = (start + count + 7) / 8;
	unsigned shift = (unsigned)(start & 7);

	from += start >> 3;
	last -= start >> 3;
	if (shift == 0) {
		memcpy(to, from, (size_t)bytes);
		return;
	}
	for (int64_t i = 0; i < bytes; i++) {
		unsigned high = i + 1 < last ? from[i + 1] : 0;

		to[i] = (uint8_t)(from[i] >> shift | high << (8 - shift));
	}
}

static bool is_valid(const uint64_t *validity, int64_t row)
{
	return validity == NULL || (validity[row >> 6] >> (row & 63) & 1) != 0;
}

/* Gives the vector the column's nulls; NULL where it has none. */
static const uint64_t *fill_validity(const struct ArrowArray *column, int64_t start, int64_t count,
				     duckdb_vector vector)
{
	uint64_t *validity;

	if (column->buffers[0] == NULL || column->null_count == 0) {
		return NULL;
	}
	duckdb_vector_ensure_validity_writable(vector);
	validity = duckdb_vector_get_validity(vector);
	copy_bits(column->buffers[0], column->offset + start, count, (uint8_t *)validity);
	return validity;
}

static void fill_bool(const struct ArrowArray *column, int64_t start, int64_t count, uint8_t *out)
{
	const uint8_t *bits = column->buffers[1];

	start += column->offset;
	for (int64_t i = 0; i < count; i++) {
		out[i] = bits[(start + i) >> 3] >> ((start + i) & 7) & 1;
	}
}

static inline void put_string(duckdb_string_t *s, const uint8_t *data, int32_t size)
{
	if (size <= 12) {
		memset(s, 0, sizeof(*s));
		s->value.inlined.length = (uint32_t)size;
		memcpy(s->value.inlined.inlined, data, (size_t)size);
	} else {
		s->value.pointer.length = (uint32_t)size;
		memcpy(s->value.pointer.prefix, data, 4);
		s->value.pointer.ptr = (char *)(uintptr_t)data;
	}
}

static void fill_text(const struct ArrowArray *column, int64_t start, int64_t count,
		      const uint64_t *validity, duckdb_string_t *out)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset + start;
	const uint8_t *data = column->buffers[2];

	for (int64_t i = 0; i < count; i++) {
		if (is_valid(validity, i)) {
			put_string(&out[i], data + offsets[i], offsets[i + 1] - offsets[i]);
		} else {
			memset(&out[i], 0, sizeof(out[i]));
		}
	}
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* DuckDB orders UUIDs as signed integers with the top bit flipped. */
static bool parse_uuid(const uint8_t *text, int32_t size, duckdb_hugeint *ret)
{
	uint64_t words[2] = {0, 0};
	int digits = 0;

	for (int32_t i = 0; i < size; i++) {
		int digit = hex_digit(text[i]);

		if (text[i] == '-' && (i == 8 || i == 13 || i == 18 || i == 23)) {
			continue;
		}
		if (digit < 0 || digits == 32) {
			return false;
		}
		words[digits / 16] = words[digits / 16] << 4 | (uint64_t)digit;
		digits++;
	}
	ret->upper = (int64_t)(words[0] ^ UINT64_C(1) << 63);
	ret->lower = words[1];
	return digits == 32;
}

static int fill_uuid(const struct drip_duck_fill *fill, const struct ArrowArray *column,
		     int64_t start, int64_t count, const uint64_t *validity, duckdb_hugeint *out,
		     struct drip_error *err)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset + start;
	const uint8_t *data = column->buffers[2];

	for (int64_t i = 0; i < count; i++) {
		if (!is_valid(validity, i)) {
			out[i] = (duckdb_hugeint){0, 0};
		} else if (!parse_uuid(data + offsets[i], offsets[i + 1] - offsets[i], &out[i])) {
			return drip_error_set(err, -EINVAL, "duckdb.value_invalid",
					      "column %s, row %lld: not a UUID", fill->name,
					      (long long)(start + i));
		}
	}
	return 0;
}

static void fill_duration(const struct ArrowArray *column, int64_t start, int64_t count,
			  duckdb_interval *out)
{
	const int64_t *values = (const int64_t *)column->buffers[1] + column->offset + start;

	for (int64_t i = 0; i < count; i++) {
		out[i] = (duckdb_interval){0, 0, values[i]};
	}
}

#define DEFINE_NARROW(name, ctype)                                                                 \
	/* Index of the first value that does not fit, or `count`. */                              \
	static int64_t narrow_##name(const duckdb_hugeint *in, int64_t count,                      \
				     const uint64_t *validity, ctype *out)                         \
	{                                                                                          \
		for (int64_t i = 0; i < count; i++) {                                              \
			out[i] = (ctype)in[i].lower;                                               \
			if (((uint64_t)(int64_t)out[i] != in[i].lower ||                           \
			     in[i].upper != (int64_t)out[i] >> 63) &&                              \
			    is_valid(validity, i)) {                                               \
				return i;                                                          \
			}                                                                          \
		}                                                                                  \
		return count;                                                                      \
	}

DEFINE_NARROW(i16, int16_t)
DEFINE_NARROW(i32, int32_t)
DEFINE_NARROW(i64, int64_t)

static int fill_decimal(const struct drip_duck_fill *fill, const struct ArrowArray *column,
			int64_t start, int64_t count, const uint64_t *validity, void *out,
			struct drip_error *err)
{
	const duckdb_hugeint *in =
		(const duckdb_hugeint *)column->buffers[1] + column->offset + start;
	int64_t done = count;

	switch ((int)fill->decimal) {
	case DUCKDB_TYPE_SMALLINT:
		done = narrow_i16(in, count, validity, out);
		break;
	case DUCKDB_TYPE_INTEGER:
		done = narrow_i32(in, count, validity, out);
		break;
	case DUCKDB_TYPE_BIGINT:
		done = narrow_i64(in, count, validity, out);
		break;
	default:
		memcpy(out, in, (size_t)count * sizeof(*in));
		break;
	}
	if (done < count) {
		return drip_error_set(
			err, -ERANGE, "duckdb.value_invalid",
			"column %s, row %lld: decimal is wider than its declared precision",
			fill->name, (long long)(start + done));
	}
	return 0;
}

int drip_duck_fill_rows(const struct drip_duck_fill *fill, const struct ArrowArray *column,
			int64_t start, int64_t count, duckdb_vector vector, struct drip_error *err)
{
	const uint64_t *validity = fill_validity(column, start, count, vector);
	void *out = duckdb_vector_get_data(vector);
	uint32_t width;

	switch (fill->type) {
	case DRIP_TYPE_BOOL:
		fill_bool(column, start, count, out);
		return 0;
	case DRIP_TYPE_UUID:
		if (fill->target == DUCKDB_TYPE_UUID) {
			return fill_uuid(fill, column, start, count, validity, out, err);
		}
		__attribute__((fallthrough));
	case DRIP_TYPE_UTF8:
	case DRIP_TYPE_JSON:
	case DRIP_TYPE_BINARY:
		fill_text(column, start, count, validity, out);
		return 0;
	case DRIP_TYPE_DURATION:
		fill_duration(column, start, count, out);
		return 0;
	case DRIP_TYPE_DECIMAL:
		return fill_decimal(fill, column, start, count, validity, out, err);
	default:
		width = drip_type_width(fill->type);
		memcpy(out,
		       (const uint8_t *)column->buffers[1] +
			       (size_t)(column->offset + start) * width,
		       (size_t)count * width);
		return 0;
	}
}

void drip_duck_fill_ops(const struct drip_batch *batch, int64_t start, int64_t count,
			duckdb_vector vector)
{
	duckdb_string_t *out = duckdb_vector_get_data(vector);

	for (int64_t i = 0; i < count; i++) {
		uint8_t op = (uint8_t)drip_batch_op(batch, start + i);

		put_string(&out[i], &op, 1);
	}
}

void drip_duck_fill_numbers(int64_t first, int64_t count, duckdb_vector vector)
{
	int64_t *out = duckdb_vector_get_data(vector);

	for (int64_t i = 0; i < count; i++) {
		out[i] = first + i;
	}
}
