/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builders: row-wise writers of columnar batches. Buffers grow by doubling and are handed over
 * without a copy. The append functions are inline, branch only on capacity, and do not fail one by
 * one: an allocation that fails is remembered and comes out of drip_builder_build, and later
 * appends are ignored.
 */
#ifndef DRIPLINE_BUILDER_H
#define DRIPLINE_BUILDER_H

#include <dripline/batch.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_BUILDER_BYTES_MAX                                                                     \
	(INT32_MAX - 65536) /* of the variable-length data of one column in one batch */

struct drip_column_builder {
	enum drip_type type;
	uint32_t width; /* bytes of a fixed value, 0 for BOOL and variable-length */
	int64_t length; /* rows so far */
	int64_t nulls;
	int64_t capacity;  /* rows that fit */
	uint8_t *validity; /* bitmap; NULL until the first null */
	uint8_t *values;   /* fixed values, bits of BOOL, or the bytes of variable-length ones */
	int32_t *offsets;  /* variable-length: length + 1 of them */
	int64_t bytes;     /* variable-length: bytes used in values */
	int64_t bytes_capacity;
	int rc; /* first failure */
	int64_t rows_hint,
		bytes_hint; /* room to begin the next batch with: what the last one took */
};

/* Grow for one more row / `size` more bytes. Slow paths of the inline functions below; they set rc
 * on failure and return false. */
bool drip_column_grow(struct drip_column_builder *c);
bool drip_column_grow_bytes(struct drip_column_builder *c, int64_t size);
/* Makes the validity bitmap, all rows so far valid. */
bool drip_column_make_validity(struct drip_column_builder *c);

static inline void drip_column_mark(struct drip_column_builder *c, bool valid)
{
	if (c->validity == NULL) {
		if (valid || !drip_column_make_validity(c)) {
			return;
		}
	}
	if (valid) {
		c->validity[c->length >> 3] |= (uint8_t)(1u << (c->length & 7));
	} else {
		c->validity[c->length >> 3] &= (uint8_t) ~(1u << (c->length & 7));
		c->nulls++;
	}
}

static inline bool drip_column_room(struct drip_column_builder *c)
{
	return c->length < c->capacity || drip_column_grow(c);
}

#define DRIP_DEFINE_APPEND(name, ctype)                                                            \
	static inline void drip_append_##name(struct drip_column_builder *c, ctype v)              \
	{                                                                                          \
		if (drip_column_room(c)) {                                                         \
			drip_column_mark(c, true);                                                 \
			((ctype *)(void *)c->values)[c->length++] = v;                             \
		}                                                                                  \
	}

DRIP_DEFINE_APPEND(i8, int8_t)
DRIP_DEFINE_APPEND(i16, int16_t)
DRIP_DEFINE_APPEND(i32, int32_t)
DRIP_DEFINE_APPEND(i64, int64_t)
DRIP_DEFINE_APPEND(f32, float)
DRIP_DEFINE_APPEND(f64, double)

/* A fixed-width value of c->width bytes in native (little-endian) order: any unsigned type,
 * DECIMAL. */
static inline void drip_append_fixed(struct drip_column_builder *c, const void *value)
{
	if (drip_column_room(c)) {
		drip_column_mark(c, true);
		memcpy(c->values + (size_t)c->length * c->width, value, c->width);
		c->length++;
	}
}

static inline void drip_append_bool(struct drip_column_builder *c, bool v)
{
	if (drip_column_room(c)) {
		drip_column_mark(c, true);
		if (v) {
			c->values[c->length >> 3] |= (uint8_t)(1u << (c->length & 7));
		} else {
			c->values[c->length >> 3] &= (uint8_t) ~(1u << (c->length & 7));
		}
		c->length++;
	}
}

static inline void drip_append_bytes(struct drip_column_builder *c, const void *data, int64_t size)
{
	if (drip_column_room(c) &&
	    (c->bytes + size <= c->bytes_capacity || drip_column_grow_bytes(c, size))) {
		drip_column_mark(c, true);
		memcpy(c->values + c->bytes, data, (size_t)size);
		c->bytes += size;
		c->offsets[++c->length] = (int32_t)c->bytes;
	}
}

/* Room for `size` bytes of one variable-length value, to be written in place and closed with
 * drip_append_written. NULL on failure. */
static inline uint8_t *drip_append_reserve(struct drip_column_builder *c, int64_t size)
{
	if (drip_column_room(c) &&
	    (c->bytes + size <= c->bytes_capacity || drip_column_grow_bytes(c, size))) {
		return c->values + c->bytes;
	}
	return NULL;
}

static inline void drip_append_written(struct drip_column_builder *c, int64_t size)
{
	drip_column_mark(c, true);
	c->bytes += size;
	c->offsets[++c->length] = (int32_t)c->bytes;
}

static inline void drip_append_null(struct drip_column_builder *c)
{
	if (!drip_column_room(c)) {
		return;
	}
	drip_column_mark(c, false);
	if (c->offsets != NULL) {
		c->offsets[c->length + 1] = (int32_t)c->bytes;
	} else if (c->width != 0) {
		memset(c->values + (size_t)c->length * c->width, 0, c->width);
	} else {
		c->values[c->length >> 3] &= (uint8_t) ~(1u << (c->length & 7));
	}
	c->length++;
}

/* Writes a batch. Caller-allocated or embedded; reusable after build. Not shared between threads.
 */
struct drip_builder {
	const struct drip_schema *schema; /* one reference is held */
	struct drip_column_builder *columns;
	uint32_t columns_count;
	uint8_t *ops; /* NULL while all rows have the same op */
	enum drip_op first_op;
	int64_t rows, ops_capacity;
	int rc;
};

int drip_builder_init(struct drip_builder *b, const struct drip_schema *schema,
		      struct drip_error *err) DRIP_MUST_CHECK;
void drip_builder_finish(struct drip_builder *b); /* frees all; a zeroed builder is accepted */
/* Ends a row, after each column got one value: records its op. */
void drip_builder_row_slow(struct drip_builder *b, enum drip_op op);
static inline void drip_builder_row(struct drip_builder *b, enum drip_op op)
{
	if (b->ops == NULL && b->rows != 0 && op == b->first_op) {
		b->rows++;
	} else if (b->ops != NULL && b->rows < b->ops_capacity) {
		b->ops[b->rows++] = (uint8_t)op;
	} else {
		drip_builder_row_slow(b, op);
	}
}
/* Bytes held so far, for deciding when a batch is large enough. */
uint64_t drip_builder_bytes(const struct drip_builder *b);
/* Drops what columns hold beyond `b->rows` rows: an unfinished row after a decode error. */
void drip_builder_rewind(struct drip_builder *b);
/* (gives) The batch, and leaves the builder empty for the next with the same schema. -ENOMEM,
 * -EOVERFLOW. */
int drip_builder_build(struct drip_builder *b, struct drip_batch **ret_batch,
		       struct drip_error *err) DRIP_MUST_CHECK;

/* One column alone, for transforms that compute some columns and share the rest. */
int drip_column_builder_init(struct drip_column_builder *c, enum drip_type type, int64_t rows_hint,
			     struct drip_error *err) DRIP_MUST_CHECK;
void drip_column_builder_finish(struct drip_column_builder *c);
int drip_column_builder_build(struct drip_column_builder *c, struct ArrowArray *ret,
			      struct drip_error *err) DRIP_MUST_CHECK;

/* (gives) A column of `rows` 64-bit integers or times, `first` and then `step` more each. */
int drip_column_count_up(enum drip_type type, int64_t first, int64_t step, int64_t rows,
			 struct ArrowArray *ret, struct drip_error *err) DRIP_MUST_CHECK;

/*
 * Appends the value that `text` spells in the column's type: what CSV, text protocols and defaults
 * give. -EINVAL with value.malformed names the type and the text (cut at 40 bytes). `column` gives
 * precision and scale of a DECIMAL.
 */
int drip_append_text(struct drip_column_builder *c, const struct drip_column *column,
		     const char *text, int64_t size, struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
