/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: making, sharing and cutting. A batch owns its array and ops, or shares those of a parent
 * batch that it keeps alive. Immutable once made but for the reference count, which is atomic, so
 * release may come from any thread. take.c copies rows, value.c reads single values.
 */
#include "array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct batch_box {
	struct drip_batch batch;         /* first: a batch is its box */
	const struct drip_batch *parent; /* owner of `ops`, or NULL */
	uint8_t *own_ops;
};

int drip_position_compare(const struct drip_position *a, const struct drip_position *b)
{
	size_t size = a->order_size < b->order_size ? a->order_size : b->order_size;
	int order = memcmp(a->order, b->order, size);

	return order != 0 ? order : (int)a->order_size - (int)b->order_size;
}

void drip_position_add_u64(struct drip_position *p, uint64_t value)
{
	if (p->order_size + sizeof(value) > DRIP_POSITION_ORDER_MAX) {
		return;
	}
	for (int shift = 56; shift >= 0; shift -= 8) {
		p->order[p->order_size++] = (uint8_t)(value >> shift);
	}
}

struct drip_batch *drip_batch_ref(const struct drip_batch *batch)
{
	struct drip_batch *b = (struct drip_batch *)(uintptr_t)batch;

	if (b != NULL) {
		__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	}
	return b;
}

void drip_batch_unref(const struct drip_batch *batch)
{
	struct drip_batch *b = (struct drip_batch *)(uintptr_t)batch;

	if (b != NULL && __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		b->release(b);
	}
}

static void release_batch(struct drip_batch *batch)
{
	struct batch_box *box = (struct batch_box *)(void *)batch;

	if (batch->array.release != NULL) {
		batch->array.release(&batch->array);
	}
	free(box->own_ops);
	drip_batch_unref(box->parent);
	drip_schema_unref(batch->schema);
	free(box);
}

static struct batch_box *new_box(enum drip_batch_kind kind, const struct drip_schema *schema,
				 struct drip_error *err)
{
	struct batch_box *box = (struct batch_box *)calloc(1, sizeof(*box));

	if (box == NULL) {
		drip_error_nomem(err, sizeof(*box));
		return NULL;
	}
	box->batch.struct_size = sizeof(box->batch);
	box->batch.refs = 1;
	box->batch.release = release_batch;
	box->batch.kind = kind;
	box->batch.op = DRIP_OP_READ;
	box->batch.schema = drip_schema_ref(schema);
	box->batch.position.struct_size = sizeof(box->batch.position);
	return box;
}

static void take_array(struct drip_batch *batch, struct ArrowArray *array)
{
	batch->array = *array;
	array->release = NULL;
	batch->rows = batch->array.length;
	batch->bytes = 0;
	for (int64_t i = 0; i < batch->array.n_children; i++) {
		batch->bytes +=
			drip_array_bytes(batch->array.children[i],
					 drip_schema_column(batch->schema, (uint32_t)i)->type);
	}
	batch->bytes += batch->ops != NULL ? (uint64_t)batch->rows : 0;
}

static int check_shape(const struct drip_schema *schema, const struct ArrowArray *array,
		       struct drip_error *err)
{
	if (array->release == NULL || array->offset != 0 || array->length < 0 ||
	    array->n_children != (int64_t)schema->columns_count) {
		return drip_error_set(err, -EINVAL, "batch.malformed",
				      "array of table %s has %lld columns and offset %lld, its "
				      "schema has %u columns",
				      schema->table, (long long)array->n_children,
				      (long long)array->offset, schema->columns_count);
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct ArrowArray *child = array->children[i];
		const struct drip_column *column = drip_schema_column(schema, i);

		if (child->length != array->length || child->offset < 0 ||
		    child->n_buffers != (drip_type_is_variable(column->type) ? 3 : 2)) {
			return drip_error_set(err, -EINVAL, "batch.malformed",
					      "column %s of table %s has %lld rows and %lld "
					      "buffers, the batch has %lld rows",
					      column->name, schema->table, (long long)child->length,
					      (long long)child->n_buffers,
					      (long long)array->length);
		}
	}
	return 0;
}

int drip_batch_create(const struct drip_schema *schema, struct ArrowArray *array, uint8_t *ops,
		      enum drip_op op, struct drip_batch **ret_batch, struct drip_error *err)
{
	struct batch_box *box = NULL;
	int rc = check_shape(schema, array, err);

	if (rc == 0) {
		box = new_box(DRIP_BATCH_ROWS, schema, err);
		rc = box != NULL ? 0 : -ENOMEM;
	}
	if (rc < 0) {
		drip_array_release_all(array, 1);
		free(ops);
		return rc;
	}
	box->batch.op = (uint8_t)op;
	box->batch.ops = box->own_ops = ops;
	take_array(&box->batch, array);
	*ret_batch = &box->batch;
	return 0;
}

int drip_batch_create_control(enum drip_batch_kind kind, const struct drip_schema *schema,
			      struct drip_batch **ret_batch, struct drip_error *err)
{
	struct batch_box *box;

	if (kind == DRIP_BATCH_ROWS || (schema == NULL && kind != DRIP_BATCH_MARK)) {
		return drip_error_set(err, -EINVAL, "batch.malformed",
				      "a control batch of kind %d needs %s", (int)kind,
				      kind == DRIP_BATCH_ROWS ? "another kind" : "a schema");
	}
	box = new_box(kind, schema, err);
	if (box == NULL) {
		return -ENOMEM;
	}
	*ret_batch = &box->batch;
	return 0;
}

void drip_batch_copy_marks(struct drip_batch *to, const struct drip_batch *from)
{
	to->op = from->op;
	to->boundary = from->boundary;
	to->snapshot = from->snapshot;
	to->commit_time_us = from->commit_time_us;
	to->sequence = from->sequence;
	to->position = from->position;
}

int drip_batch_derive(const struct drip_batch *from, const struct drip_schema *schema,
		      struct ArrowArray *columns, struct drip_batch **ret_batch,
		      struct drip_error *err)
{
	bool has_rows = from->kind == DRIP_BATCH_ROWS;
	struct ArrowArray array = {.release = NULL};
	struct batch_box *box;
	int rc;

	if (!has_rows) {
		rc = drip_batch_create_control(from->kind, schema, ret_batch, err);
		if (rc == 0) {
			drip_batch_copy_marks(*ret_batch, from);
		}
		return rc;
	}
	rc = drip_array_make_struct(columns, schema->columns_count, from->rows, &array, err);
	if (rc < 0) {
		return rc;
	}
	rc = check_shape(schema, &array, err);
	box = rc == 0 ? new_box(from->kind, schema, err) : NULL;
	if (box == NULL) {
		array.release(&array);
		return rc < 0 ? rc : -ENOMEM;
	}
	drip_batch_copy_marks(&box->batch, from);
	if (from->ops != NULL) {
		box->parent = drip_batch_ref(from);
		box->batch.ops = from->ops;
	}
	take_array(&box->batch, &array);
	*ret_batch = &box->batch;
	return 0;
}

static void release_shared(struct ArrowArray *array)
{
	const struct drip_batch *from = (const struct drip_batch *)array->private_data;

	array->release = NULL;
	drip_batch_unref(from);
}

int drip_column_share(const struct drip_batch *from, uint32_t index, struct ArrowArray *ret,
		      struct drip_error *err)
{
	if (from->kind != DRIP_BATCH_ROWS || index >= from->array.n_children) {
		return drip_error_set(err, -EINVAL, "batch.malformed",
				      "batch of table %s has no column %u",
				      from->schema != NULL ? from->schema->table : "", index);
	}
	*ret = *from->array.children[index];
	ret->release = release_shared;
	ret->private_data = drip_batch_ref(from);
	return 0;
}

int drip_batch_slice(const struct drip_batch *from, int64_t start, int64_t count,
		     struct drip_batch **ret_batch, struct drip_error *err)
{
	uint32_t columns_count = (uint32_t)from->array.n_children;
	size_t size = (columns_count + 1) * sizeof(struct ArrowArray);
	struct ArrowArray *columns, array;
	struct batch_box *box;
	int rc;

	if (from->kind != DRIP_BATCH_ROWS || start < 0 || count < 0 || count > from->rows - start) {
		return drip_error_set(err, -EINVAL, "batch.malformed",
				      "cannot cut %lld rows from row %lld of a batch of %lld",
				      (long long)count, (long long)start, (long long)from->rows);
	}
	columns = (struct ArrowArray *)calloc(1, size);
	if (columns == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; i < columns_count; i++) {
		columns[i] = *from->array.children[i];
		columns[i].offset += start;
		columns[i].length = count;
		columns[i].null_count = columns[i].null_count == 0 ? 0 : -1;
		columns[i].release = release_shared;
		columns[i].private_data = drip_batch_ref(from);
	}
	rc = drip_array_make_struct(columns, columns_count, count, &array, err);
	free(columns);
	if (rc < 0) {
		return rc;
	}
	box = new_box(from->kind, from->schema, err);
	if (box == NULL) {
		array.release(&array);
		return -ENOMEM;
	}
	drip_batch_copy_marks(&box->batch, from);
	box->batch.boundary = from->boundary && start + count == from->rows;
	if (from->ops != NULL) {
		box->parent = drip_batch_ref(from);
		box->batch.ops = from->ops + start;
	}
	take_array(&box->batch, &array);
	*ret_batch = &box->batch;
	return 0;
}
