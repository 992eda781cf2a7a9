/* SPDX-License-Identifier: Apache-2.0 */
/* A plan over a batch. Thread: the stage's. */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct box {
	const void *validity;
	struct ArrowArray **children; /* behind `items` */
	struct ArrowArray items[];
};

static void release_box(struct ArrowArray *array)
{
	for (int64_t i = 0; i < array->n_children; i++) {
		if (array->children[i]->release != NULL) {
			array->children[i]->release(array->children[i]);
		}
	}
	free(array->private_data);
	array->release = NULL;
}

/* (gives) a struct array of the output's columns; they are moved out of `columns`. */
static int make_struct(const struct sql_plan *plan, struct ArrowArray *columns, int64_t rows,
		       struct ArrowArray *ret, struct drip_error *err)
{
	uint32_t count = plan->output->columns_count;
	size_t size = sizeof(struct box) + count * (sizeof(struct ArrowArray) + sizeof(void *));
	struct box *box = calloc(1, size);

	if (box == NULL) {
		return drip_error_nomem(err, size);
	}
	box->children = (struct ArrowArray **)(void *)(box->items + count);
	for (uint32_t i = 0; i < count; i++) {
		box->items[i] = columns[plan->columns[i]];
		box->children[i] = &box->items[i];
		columns[plan->columns[i]].release = NULL;
	}
	*ret = (struct ArrowArray){
		.length = rows,
		.n_buffers = 1,
		.buffers = &box->validity,
		.n_children = count,
		.children = box->children,
		.release = release_box,
		.private_data = box,
	};
	return 0;
}

/* (gives) the op of each result row: that of the row which it comes from. */
static int make_ops(const struct drip_batch *batch, const struct ArrowArray *from, int64_t rows,
		    uint8_t **ret, struct drip_error *err)
{
	const int64_t *numbers = (const int64_t *)from->buffers[1] + from->offset;
	uint8_t *ops;

	*ret = NULL;
	if (batch->ops == NULL || rows == 0) {
		return 0;
	}
	ops = malloc((size_t)rows);
	if (ops == NULL) {
		return drip_error_nomem(err, (size_t)rows);
	}
	for (int64_t i = 0; i < rows; i++) {
		/* No number: the row comes from none, as in an outer join. */
		bool known = !drip_is_null(from, i) && numbers[i] >= 0 && numbers[i] < batch->rows;

		ops[i] = (uint8_t)(known ? drip_batch_op(batch, numbers[i]) : DRIP_OP_INSERT);
	}
	*ret = ops;
	return 0;
}

static void copy_marks(struct drip_batch *to, const struct drip_batch *from)
{
	to->boundary = from->boundary;
	to->snapshot = from->snapshot;
	to->commit_time_us = from->commit_time_us;
	to->position = from->position;
}

static int make_batch(const struct sql_plan *plan, const struct drip_batch *batch,
		      struct ArrowArray *columns, int64_t rows, struct drip_batch **ret,
		      struct drip_error *err)
{
	enum drip_op op =
		plan->per_row && batch->ops == NULL ? (enum drip_op)batch->op : DRIP_OP_INSERT;
	struct ArrowArray array = {.release = NULL};
	uint8_t *ops = NULL;
	int rc = 0;

	if (!plan->per_row && batch->ops == NULL && batch->op == DRIP_OP_READ) {
		op = DRIP_OP_READ;
	}
	if (plan->per_row) {
		rc = make_ops(batch, &columns[plan->from], rows, &ops, err);
	}
	if (rc == 0) {
		rc = make_struct(plan, columns, rows, &array, err);
	}
	if (rc != 0) {
		free(ops);
		return rc;
	}
	rc = drip_batch_create(plan->output, &array, ops, op, ret, err);
	if (rc == 0) {
		copy_marks(*ret, batch);
	}
	return rc;
}

int sql_run(struct sql_plan *plan, const struct drip_batch *batch, struct drip_batch **ret,
	    struct drip_error *err)
{
	struct drip_schema *schema = NULL;
	struct ArrowArray *columns = NULL;
	int64_t rows = 0;
	int rc = drip_sql_rows_run(&plan->rows, plan->text, batch, &schema, &columns, &rows, err);

	if (rc != 0) {
		return rc;
	}
	rc = make_batch(plan, batch, columns, rows, ret, err);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		if (columns[i].release != NULL) {
			columns[i].release(&columns[i]);
		}
	}
	free(columns);
	drip_schema_unref(schema);
	return rc;
}
