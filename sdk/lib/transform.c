/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of transforms. Thread: the caller's; nothing is shared between instances. */
#include "array.h"

#include <dripline/builder.h>
#include <dripline/transform.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct drip_plan_entry {
	struct drip_schema *schema; /* referenced, so that its address stays its own */
	void *plan;
};

static void clear_plans(struct drip_plans *plans)
{
	for (size_t i = 0; i < plans->count; i++) {
		plans->destroy(plans->entries[i].plan);
		drip_schema_unref(plans->entries[i].schema);
	}
	plans->count = plans->last = 0;
}

void *drip_plans_find(struct drip_plans *plans, const struct drip_schema *schema)
{
	if (plans->last < plans->count && plans->entries[plans->last].schema == schema) {
		return plans->entries[plans->last].plan;
	}
	for (size_t i = 0; i < plans->count; i++) {
		if (plans->entries[i].schema == schema) {
			plans->last = i;
			return plans->entries[i].plan;
		}
	}
	return NULL;
}

int drip_plans_put(struct drip_plans *plans, const struct drip_schema *schema, void *plan,
		   struct drip_error *err)
{
	if (plans->count == DRIP_PLANS_MAX) {
		clear_plans(plans);
	}
	if (plans->count == plans->capacity) {
		size_t capacity = plans->capacity == 0 ? 8 : plans->capacity * 2;
		size_t size = capacity * sizeof(*plans->entries);
		struct drip_plan_entry *grown =
			(struct drip_plan_entry *)realloc(plans->entries, size);

		if (grown == NULL) {
			plans->destroy(plan);
			return drip_error_nomem(err, size);
		}
		plans->entries = grown;
		plans->capacity = capacity;
	}
	plans->last = plans->count++;
	plans->entries[plans->last].schema = drip_schema_ref(schema);
	plans->entries[plans->last].plan = plan;
	return 0;
}

void drip_plans_finish(struct drip_plans *plans)
{
	clear_plans(plans);
	free(plans->entries);
	plans->entries = NULL;
	plans->capacity = 0;
}

/* (gives) a malloc'd array of shares of all columns. */
static int share_columns(const struct drip_batch *from, struct ArrowArray **ret,
			 struct drip_error *err)
{
	uint32_t count = (uint32_t)from->array.n_children;
	size_t size = (count + 1) * sizeof(struct ArrowArray);
	struct ArrowArray *columns = (struct ArrowArray *)calloc(1, size);
	int rc = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		rc = drip_column_share(from, i, &columns[i], err);
	}
	if (rc != 0) {
		drip_array_release_all(columns, count);
		free(columns);
		return rc;
	}
	*ret = columns;
	return 0;
}

int drip_batch_with_schema(const struct drip_batch *from, const struct drip_schema *schema,
			   struct drip_batch **ret_batch, struct drip_error *err)
{
	struct ArrowArray *columns = NULL;
	int rc = 0;

	if (from->kind == DRIP_BATCH_ROWS) {
		rc = share_columns(from, &columns, err);
	}
	if (rc == 0) {
		rc = drip_batch_derive(from, schema, columns, ret_batch, err);
	}
	free(columns);
	return rc;
}

int drip_batch_with_ops(const struct drip_batch *from, uint8_t *ops, struct drip_batch **ret_batch,
			struct drip_error *err)
{
	struct ArrowArray *columns = NULL, array;
	int rc = share_columns(from, &columns, err);

	if (rc == 0) {
		rc = drip_array_make_struct(columns, (uint32_t)from->array.n_children, from->rows,
					    &array, err);
		free(columns);
	}
	if (rc != 0) {
		free(ops);
		return rc;
	}
	rc = drip_batch_create(from->schema, &array, ops, (enum drip_op)from->op, ret_batch, err);
	if (rc == 0) {
		drip_batch_copy_marks(*ret_batch, from);
	}
	return rc;
}

int drip_emit_mark(struct drip_ctx *ctx, struct drip_batch *batch, struct drip_error *err)
{
	struct drip_batch *mark;
	int rc;

	if (batch->position.order_size == 0 && !batch->boundary) {
		drip_batch_unref(batch);
		return 0;
	}
	rc = drip_batch_create_control(DRIP_BATCH_MARK, NULL, &mark, err);
	if (rc == 0) {
		drip_batch_copy_marks(mark, batch);
	}
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(ctx, mark, err);
}

int drip_emit_rows(struct drip_ctx *ctx, struct drip_batch *batch, const int64_t *rows,
		   int64_t count, struct drip_error *err)
{
	struct drip_batch *taken;
	int rc;

	if (count == batch->rows) {
		return drip_emit(ctx, batch, err);
	}
	if (count == 0) {
		return drip_emit_mark(ctx, batch, err);
	}
	rc = drip_batch_take(batch, rows, count, &taken, err);
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(ctx, taken, err);
}

int drip_batch_leave_out(const struct drip_batch *batch, const uint8_t *out,
			 struct drip_batch **ret_batch, struct drip_error *err)
{
	size_t size = ((size_t)batch->rows + 1) * sizeof(int64_t);
	int64_t *rows = (int64_t *)malloc(size), count = 0;
	int rc = 0;

	*ret_batch = NULL;
	if (rows == NULL) {
		return drip_error_nomem(err, size);
	}
	for (int64_t row = 0; row < batch->rows; row++) {
		rows[count] = row;
		count += out[row] == 0;
	}
	if (count > 0) {
		rc = drip_batch_take(batch, rows, count, ret_batch, err);
	}
	free(rows);
	return rc;
}

static void concat_bits(struct drip_column_builder *c, const struct ArrowArray *part)
{
	const uint8_t *bits = (const uint8_t *)part->buffers[1];

	for (int64_t i = 0; i < part->length; i++) {
		int64_t at = part->offset + i;

		if (drip_is_null(part, i)) {
			drip_append_null(c);
		} else {
			drip_append_bool(c, (bits[at >> 3] >> (at & 7)) & 1);
		}
	}
}

static void concat_fixed(struct drip_column_builder *c, const struct ArrowArray *part)
{
	const uint8_t *values = (const uint8_t *)part->buffers[1] + (size_t)part->offset * c->width;
	bool nulls = part->buffers[0] != NULL && part->null_count != 0;

	if (!nulls && c->validity == NULL && c->capacity - c->length >= part->length) {
		memcpy(c->values + (size_t)c->length * c->width, values,
		       (size_t)part->length * c->width);
		c->length += part->length;
		return;
	}
	for (int64_t i = 0; i < part->length; i++) {
		if (nulls && drip_is_null(part, i)) {
			drip_append_null(c);
		} else {
			drip_append_fixed(c, values + (size_t)i * c->width);
		}
	}
}

static void concat_variable(struct drip_column_builder *c, const struct ArrowArray *part)
{
	const int32_t *offsets = (const int32_t *)part->buffers[1] + part->offset;
	const uint8_t *data = (const uint8_t *)part->buffers[2];
	bool nulls = part->buffers[0] != NULL && part->null_count != 0;

	for (int64_t i = 0; i < part->length; i++) {
		if (nulls && drip_is_null(part, i)) {
			drip_append_null(c);
		} else {
			drip_append_bytes(c, data + offsets[i], offsets[i + 1] - offsets[i]);
		}
	}
}

int drip_column_concat(const struct ArrowArray *const *parts, size_t count, enum drip_type type,
		       struct ArrowArray *ret, struct drip_error *err)
{
	struct drip_column_builder c;
	int64_t rows = 0;
	int rc;

	for (size_t i = 0; i < count; i++) {
		rows += parts[i]->length;
	}
	rc = drip_column_builder_init(&c, type, rows, err);
	if (rc != 0) {
		return rc;
	}
	if (rows > 0 && !drip_column_grow(&c)) {
		rows = 0; /* the failure comes out of build */
	}
	for (size_t i = 0; i < count && rows > 0; i++) {
		if (parts[i]->length == 0) {
			continue;
		}
		if (drip_type_is_variable(type)) {
			concat_variable(&c, parts[i]);
		} else if (type == DRIP_TYPE_BOOL) {
			concat_bits(&c, parts[i]);
		} else {
			concat_fixed(&c, parts[i]);
		}
	}
	rc = drip_column_builder_build(&c, ret, err);
	drip_column_builder_finish(&c);
	return rc;
}
