/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builders: the slow paths of the inline append functions, and the hand-over of their buffers. A
 * column that failed has no room (capacity == length), so that each later append comes here and is
 * ignored. Not shared between threads.
 */
#include "array.h"

#include <dripline/builder.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST  32  /* rows of a new column */
#define BYTES_FIRST 512 /* bytes of a new variable-length column */

static bool fail(struct drip_column_builder *c, int rc)
{
	c->rc = c->rc != 0 ? c->rc : rc;
	c->capacity = c->length;
	c->bytes_capacity = c->bytes;
	return false;
}

static bool grow_validity(struct drip_column_builder *c, int64_t capacity)
{
	uint8_t *grown = (uint8_t *)realloc(c->validity, (size_t)capacity / 8 + 1);

	if (grown != NULL) {
		c->validity = grown;
	}
	return grown != NULL;
}

static bool grow_values(struct drip_column_builder *c, int64_t capacity)
{
	bool bits = c->width == 0;
	size_t size = bits ? (size_t)capacity / 8 + 1 : (size_t)capacity * c->width;
	uint8_t *grown = (uint8_t *)realloc(c->values, size);

	if (grown == NULL) {
		return false;
	}
	if (bits) {
		size_t used = (size_t)(c->length + 7) / 8;

		memset(grown + used, 0, size - used);
	}
	c->values = grown;
	return true;
}

static bool grow_offsets(struct drip_column_builder *c, int64_t capacity)
{
	int32_t *grown =
		(int32_t *)realloc(c->offsets, ((size_t)capacity + 1) * sizeof(*c->offsets));

	if (grown == NULL) {
		return false;
	}
	grown[0] = 0;
	c->offsets = grown;
	return c->values != NULL || drip_column_grow_bytes(c, 1);
}

bool drip_column_grow(struct drip_column_builder *c)
{
	int64_t first = c->rows_hint > ROWS_FIRST ? c->rows_hint : ROWS_FIRST;
	int64_t capacity = c->capacity == 0 ? first : c->capacity * 2;

	if (c->rc != 0) {
		return false;
	}
	if (capacity > INT32_MAX / 2) {
		return fail(c, -EOVERFLOW);
	}
	if (c->validity != NULL && !grow_validity(c, capacity)) {
		return fail(c, -ENOMEM);
	}
	if (!(drip_type_is_variable(c->type) ? grow_offsets(c, capacity)
					     : grow_values(c, capacity))) {
		return fail(c, -ENOMEM);
	}
	c->capacity = capacity;
	return true;
}

bool drip_column_grow_bytes(struct drip_column_builder *c, int64_t size)
{
	int64_t first = c->bytes_hint > BYTES_FIRST ? c->bytes_hint : BYTES_FIRST;
	int64_t capacity = c->bytes_capacity == 0 ? first : c->bytes_capacity * 2;
	uint8_t *grown;

	if (c->rc != 0) {
		return false;
	}
	if (size < 0 || size > DRIP_BUILDER_BYTES_MAX - c->bytes) {
		return fail(c, -EOVERFLOW);
	}
	if (capacity < c->bytes + size) {
		capacity = c->bytes + size;
	}
	if (capacity > DRIP_BUILDER_BYTES_MAX) {
		capacity = DRIP_BUILDER_BYTES_MAX;
	}
	grown = (uint8_t *)realloc(c->values, (size_t)capacity);
	if (grown == NULL) {
		return fail(c, -ENOMEM);
	}
	c->values = grown;
	c->bytes_capacity = capacity;
	return true;
}

bool drip_column_make_validity(struct drip_column_builder *c)
{
	size_t size = (size_t)c->capacity / 8 + 1;

	c->validity = (uint8_t *)malloc(size);
	if (c->validity == NULL) {
		/* The row under way is still counted by the caller, so room for it must stay. */
		c->rc = c->rc != 0 ? c->rc : -ENOMEM;
		return false;
	}
	memset(c->validity, 0xff, size);
	return true;
}

int drip_column_builder_init(struct drip_column_builder *c, enum drip_type type, int64_t rows_hint,
			     struct drip_error *err)
{
	memset(c, 0, sizeof(*c));
	if (type <= DRIP_TYPE_NONE || type > DRIP_TYPE_UUID) {
		return drip_error_set(err, -EINVAL, "schema.bad_type", "unknown type %d",
				      (int)type);
	}
	c->type = type;
	c->width = drip_type_width(type);
	c->rows_hint = rows_hint;
	return 0;
}

void drip_column_builder_finish(struct drip_column_builder *c)
{
	free(c->validity);
	free(c->values);
	free(c->offsets);
	c->validity = c->values = NULL;
	c->offsets = NULL;
	c->length = c->nulls = c->capacity = c->bytes = c->bytes_capacity = 0;
	c->rc = 0;
}

/* Gives back what a doubled buffer holds in excess; a buffer that cannot shrink stays as it is. */
static void *shrink(void *buffer, size_t used, size_t held)
{
	void *shrunk = held > 4096 && used < held / 2 ? realloc(buffer, used + 1) : NULL;

	return shrunk != NULL ? shrunk : buffer;
}

static void shrink_buffers(struct drip_column_builder *c)
{
	size_t length = (size_t)c->length, capacity = (size_t)c->capacity;

	if (c->offsets != NULL) {
		c->offsets = (int32_t *)shrink(c->offsets, (length + 1) * 4, (capacity + 1) * 4);
		c->values =
			(uint8_t *)shrink(c->values, (size_t)c->bytes, (size_t)c->bytes_capacity);
	} else if (c->width != 0) {
		c->values = (uint8_t *)shrink(c->values, length * c->width, capacity * c->width);
	}
}

static int column_failed(struct drip_column_builder *c, struct drip_error *err)
{
	int rc = c->rc;

	drip_column_builder_finish(c);
	if (rc == -EOVERFLOW) {
		return drip_error_set(err, rc, "batch.too_large",
				      "one column of a batch cannot hold more than %d bytes",
				      DRIP_BUILDER_BYTES_MAX);
	}
	return drip_error_nomem(err, 0);
}

int drip_column_builder_build(struct drip_column_builder *c, struct ArrowArray *ret,
			      struct drip_error *err)
{
	void *buffers[3];
	int64_t length = c->length, nulls = c->nulls;
	int count;

	if (c->rc == 0 && c->capacity == 0) {
		drip_column_grow(c); /* an empty column has buffers too */
	}
	if (c->rc != 0) {
		return column_failed(c, err);
	}
	shrink_buffers(c);
	buffers[0] = c->validity;
	buffers[1] = c->offsets != NULL ? (void *)c->offsets : (void *)c->values;
	buffers[2] = c->values;
	count = c->offsets != NULL ? 3 : 2;
	c->rows_hint = c->length;
	c->bytes_hint = c->bytes;
	c->validity = c->values = NULL;
	c->offsets = NULL;
	drip_column_builder_finish(c);
	return drip_array_wrap(buffers, count, length, nulls, ret, err);
}

/* ---- rows ---- */

int drip_builder_init(struct drip_builder *b, const struct drip_schema *schema,
		      struct drip_error *err)
{
	uint32_t count = schema->columns_count;
	size_t size = (count + 1) * sizeof(*b->columns);
	int rc = 0;

	memset(b, 0, sizeof(*b));
	b->columns = (struct drip_column_builder *)calloc(1, size);
	if (b->columns == NULL) {
		return drip_error_nomem(err, size);
	}
	b->columns_count = count;
	b->first_op = DRIP_OP_READ;
	b->schema = drip_schema_ref(schema);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		rc = drip_column_builder_init(&b->columns[i], drip_schema_column(schema, i)->type,
					      0, err);
	}
	if (rc < 0) {
		drip_builder_finish(b);
	}
	return rc;
}

static void reset_rows(struct drip_builder *b)
{
	free(b->ops);
	b->ops = NULL;
	b->rows = b->ops_capacity = 0;
	b->rc = 0;
	for (uint32_t i = 0; i < b->columns_count; i++) {
		drip_column_builder_finish(&b->columns[i]);
	}
}

void drip_builder_finish(struct drip_builder *b)
{
	reset_rows(b);
	free(b->columns);
	drip_schema_unref(b->schema);
	memset(b, 0, sizeof(*b));
}

void drip_builder_row_slow(struct drip_builder *b, enum drip_op op)
{
	int64_t capacity;
	uint8_t *grown;

	if (b->rows == 0 && b->ops == NULL) {
		b->first_op = op;
		b->rows = 1;
		return;
	}
	if (b->rc != 0 || (b->ops == NULL && op == b->first_op)) {
		b->rows++;
		return;
	}
	capacity = b->rows < ROWS_FIRST ? ROWS_FIRST : b->rows * 2;
	grown = (uint8_t *)realloc(b->ops, (size_t)capacity);
	if (grown == NULL) {
		b->rc = -ENOMEM;
		b->ops_capacity = b->rows;
		b->rows++;
		return;
	}
	if (b->ops == NULL) {
		memset(grown, b->first_op, (size_t)b->rows);
	}
	b->ops = grown;
	b->ops_capacity = capacity;
	b->ops[b->rows++] = (uint8_t)op;
}

uint64_t drip_builder_bytes(const struct drip_builder *b)
{
	uint64_t bytes = b->ops != NULL ? (uint64_t)b->rows : 0;

	for (uint32_t i = 0; i < b->columns_count; i++) {
		const struct drip_column_builder *c = &b->columns[i];
		uint64_t rows = (uint64_t)c->length;

		bytes += c->validity != NULL ? rows / 8 : 0;
		bytes += c->offsets != NULL ? rows * 4 + (uint64_t)c->bytes : rows * c->width;
	}
	return bytes;
}

void drip_builder_rewind(struct drip_builder *b)
{
	for (uint32_t i = 0; i < b->columns_count; i++) {
		struct drip_column_builder *c = &b->columns[i];

		for (; c->length > b->rows; c->length--) {
			int64_t row = c->length - 1;

			if (c->validity != NULL && !((c->validity[row >> 3] >> (row & 7)) & 1)) {
				c->nulls--;
			}
		}
		if (c->offsets != NULL) {
			c->bytes = c->offsets[c->length];
		}
	}
}

static int check_rows(struct drip_builder *b, struct drip_error *err)
{
	for (uint32_t i = 0; i < b->columns_count; i++) {
		if (b->columns[i].rc != 0) {
			return column_failed(&b->columns[i], err);
		}
		if (b->columns[i].length != b->rows) {
			return drip_error_set(err, -EINVAL, "batch.malformed",
					      "column %s of table %s got %lld values for %lld rows",
					      drip_schema_column(b->schema, i)->name,
					      b->schema->table, (long long)b->columns[i].length,
					      (long long)b->rows);
		}
	}
	return b->rc != 0 ? drip_error_nomem(err, (size_t)b->rows * 2) : 0;
}

static int build_columns(struct drip_builder *b, struct ArrowArray *ret, struct drip_error *err)
{
	size_t size = (b->columns_count + 1) * sizeof(struct ArrowArray);
	struct ArrowArray *columns = (struct ArrowArray *)calloc(1, size);
	int rc = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; i < b->columns_count && rc == 0; i++) {
		rc = drip_column_builder_build(&b->columns[i], &columns[i], err);
	}
	if (rc == 0) {
		rc = drip_array_make_struct(columns, b->columns_count, b->rows, ret, err);
	} else {
		drip_array_release_all(columns, b->columns_count);
	}
	free(columns);
	return rc;
}

int drip_builder_build(struct drip_builder *b, struct drip_batch **ret_batch,
		       struct drip_error *err)
{
	struct ArrowArray array;
	uint8_t *ops;
	int rc = check_rows(b, err);

	if (rc == 0) {
		rc = build_columns(b, &array, err);
	}
	if (rc == 0) {
		ops = b->ops;
		b->ops = NULL;
		rc = drip_batch_create(b->schema, &array, ops, b->first_op, ret_batch, err);
	}
	reset_rows(b);
	return rc;
}

int drip_column_count_up(enum drip_type type, int64_t first, int64_t step, int64_t rows,
			 struct ArrowArray *ret, struct drip_error *err)
{
	struct drip_column_builder b;
	int rc = drip_column_builder_init(&b, type, rows, err);

	if (rc != 0) {
		return rc;
	}
	for (int64_t i = 0; i < rows; i++) {
		drip_append_i64(&b, first + i * step);
	}
	return drip_column_builder_build(&b, ret, err);
}
