/* SPDX-License-Identifier: Apache-2.0 */
/* DuckDB vectors into Arrow column builders, a vector at a time. Thread: the session's. */
#include "private.h"

#include <errno.h>
#include <string.h>

#define DAY_US INT64_C(86400000000)

/* Room for `count` more rows; values and offsets may be written behind c->length then. */
static bool reserve(struct drip_column_builder *c, int64_t count)
{
	while (c->capacity < c->length + count) {
		int64_t length = c->length;

		c->length = c->capacity;
		if (!drip_column_grow(c)) {
			return false;
		}
		c->length = length;
	}
	return true;
}

static void read_validity(const uint64_t *validity, int64_t count, struct drip_column_builder *c)
{
	int64_t length = c->length;

	for (int64_t i = 0; i < count; i++) {
		drip_column_mark(c, (validity[i >> 6] >> (i & 63) & 1) != 0);
		c->length++;
	}
	c->length = length;
}

static void read_bool(const uint8_t *data, int64_t count, struct drip_column_builder *c)
{
	for (int64_t i = 0; i < count; i++) {
		int64_t row = c->length + i;

		if (data[i] != 0) {
			c->values[row >> 3] |= (uint8_t)(1u << (row & 7));
		} else {
			c->values[row >> 3] &= (uint8_t) ~(1u << (row & 7));
		}
	}
}

static int read_text(const duckdb_string_t *data, const uint64_t *validity, int64_t count,
		     struct drip_column_builder *c)
{
	for (int64_t i = 0; i < count; i++) {
		int64_t size = data[i].value.inlined.length;
		const char *text =
			size <= 12 ? data[i].value.inlined.inlined : data[i].value.pointer.ptr;

		if (validity != NULL && (validity[i >> 6] >> (i & 63) & 1) == 0) {
			size = 0;
		}
		if (c->bytes + size > c->bytes_capacity && !drip_column_grow_bytes(c, size)) {
			return c->rc;
		}
		if (size > 0) {
			memcpy(c->values + c->bytes, text, (size_t)size);
		}
		c->bytes += size;
		c->offsets[c->length + i + 1] = (int32_t)c->bytes;
	}
	return 0;
}

static void put_wide(struct drip_column_builder *c, int64_t index, int64_t value)
{
	duckdb_hugeint *out = (duckdb_hugeint *)(void *)c->values + c->length + index;

	out->lower = (uint64_t)value;
	out->upper = value >> 63;
}

static void read_decimal(const void *data, duckdb_type storage, int64_t count,
			 struct drip_column_builder *c)
{
	for (int64_t i = 0; i < count; i++) {
		switch ((int)storage) {
		case DUCKDB_TYPE_SMALLINT:
			put_wide(c, i, ((const int16_t *)data)[i]);
			break;
		case DUCKDB_TYPE_INTEGER:
			put_wide(c, i, ((const int32_t *)data)[i]);
			break;
		case DUCKDB_TYPE_BIGINT:
			put_wide(c, i, ((const int64_t *)data)[i]);
			break;
		default:
			memcpy(c->values + (size_t)(c->length + i) * 16,
			       (const duckdb_hugeint *)data + i, 16);
			break;
		}
	}
}

/* A HUGEINT must fit 38 digits. */
static int check_hugeint(const duckdb_hugeint *data, const uint64_t *validity, int64_t count,
			 const struct drip_column *column, struct drip_error *err)
{
	__int128 limit = (__int128)10000000000000000000u * 10000000000000000000u;

	for (int64_t i = 0; i < count; i++) {
		__int128 v = (__int128)data[i].upper * ((__int128)1 << 64) + data[i].lower;

		if ((v >= limit || v <= -limit) &&
		    (validity == NULL || (validity[i >> 6] >> (i & 63) & 1) != 0)) {
			drip_error_set(err, -ERANGE, "duckdb.value_invalid",
				       "column %s: an integer of more than 38 digits",
				       column->name);
			drip_error_hint(err, "Cast the column to VARCHAR or DOUBLE in the query.");
			return -ERANGE;
		}
	}
	return 0;
}

static int read_interval(const duckdb_interval *data, const uint64_t *validity, int64_t count,
			 const struct drip_column *column, struct drip_column_builder *c,
			 struct drip_error *err)
{
	int64_t *out = (int64_t *)(void *)c->values + c->length;

	for (int64_t i = 0; i < count; i++) {
		bool valid = validity == NULL || (validity[i >> 6] >> (i & 63) & 1) != 0;
		int64_t days_us = 0;

		if (valid && (data[i].months != 0 ||
			      __builtin_mul_overflow((int64_t)data[i].days, DAY_US, &days_us) ||
			      __builtin_add_overflow(days_us, data[i].micros, &days_us))) {
			drip_error_set(err, -ERANGE, "duckdb.value_invalid",
				       "column %s: an interval of months has no fixed length",
				       column->name);
			drip_error_hint(err, "Cast the column to VARCHAR in the query.");
			return -ERANGE;
		}
		out[i] = days_us;
	}
	return 0;
}

static int read_values(duckdb_vector vector, duckdb_logical_type type, int64_t count,
		       const struct drip_column *column, struct drip_column_builder *out,
		       struct drip_error *err)
{
	const void *data = duckdb_vector_get_data(vector);
	const uint64_t *validity = duckdb_vector_get_validity(vector);

	switch ((int)duckdb_get_type_id(type)) {
	case DUCKDB_TYPE_BOOLEAN:
		read_bool(data, count, out);
		return 0;
	case DUCKDB_TYPE_VARCHAR:
	case DUCKDB_TYPE_BLOB:
		return read_text(data, validity, count, out);
	case DUCKDB_TYPE_DECIMAL:
		read_decimal(data, duckdb_decimal_internal_type(type), count, out);
		return 0;
	case DUCKDB_TYPE_HUGEINT:
		read_decimal(data, DUCKDB_TYPE_HUGEINT, count, out);
		return check_hugeint(data, validity, count, column, err);
	case DUCKDB_TYPE_INTERVAL:
		return read_interval(data, validity, count, column, out, err);
	default:
		memcpy(out->values + (size_t)out->length * out->width, data,
		       (size_t)count * out->width);
		return 0;
	}
}

int drip_duck_read(duckdb_vector vector, duckdb_logical_type type, int64_t count,
		   const struct drip_column *column, struct drip_column_builder *out,
		   struct drip_error *err)
{
	const uint64_t *validity = duckdb_vector_get_validity(vector);
	int rc;

	if (!reserve(out, count)) {
		return drip_error_nomem(err, (size_t)count);
	}
	rc = read_values(vector, type, count, column, out, err);
	if (rc != 0) {
		return rc == out->rc ? drip_error_nomem(err, (size_t)out->bytes) : rc;
	}
	if (validity != NULL || out->validity != NULL) {
		if (out->validity == NULL && !drip_column_make_validity(out)) {
			return drip_error_nomem(err, (size_t)out->capacity / 8);
		}
		if (validity != NULL) {
			read_validity(validity, count, out);
		} else {
			for (int64_t i = 0; i < count; i++) {
				int64_t row = out->length + i;

				out->validity[row >> 3] |= (uint8_t)(1u << (row & 7));
			}
		}
	}
	out->length += count;
	return 0;
}
