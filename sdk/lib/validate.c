/* SPDX-License-Identifier: Apache-2.0 */
/* Checks that what a plugin hands over is what its schema says. One pass over ops and offsets;
 * fixed-width values are not read. */
#include <dripline/batch.h>

#include <errno.h>
#include <string.h>

static int malformed(const struct drip_batch *b, const char *column, struct drip_error *err,
		     const char *what)
{
	const char *table = b->schema != NULL ? b->schema->table : "";

	return drip_error_set(err, -EINVAL, "batch.malformed", "batch of table %s%s%s: %s", table,
			      column != NULL ? ", column " : "", column != NULL ? column : "",
			      what);
}

static int check_offsets(const struct drip_batch *b, const struct ArrowArray *a, const char *name,
			 struct drip_error *err)
{
	const int32_t *offsets = (const int32_t *)a->buffers[1];
	bool descends = false;

	if (offsets == NULL) {
		return a->length == 0 ? 0 : malformed(b, name, err, "it has no offsets");
	}
	offsets += a->offset;
	for (int64_t i = 0; i < a->length; i++) {
		descends |= offsets[i + 1] < offsets[i];
	}
	if (descends || offsets[0] < 0) {
		return malformed(b, name, err, "its offsets do not ascend");
	}
	if (offsets[a->length] > offsets[0] && a->buffers[2] == NULL) {
		return malformed(b, name, err, "it has no data");
	}
	return 0;
}

static int check_column(const struct drip_batch *b, uint32_t index, struct drip_error *err)
{
	const struct drip_column *column = drip_schema_column(b->schema, index);
	const struct ArrowArray *a = b->array.children[index];
	bool variable = drip_type_is_variable(column->type);

	if (a == NULL || a->release == NULL) {
		return malformed(b, column->name, err, "it is released");
	}
	if (a->length != b->rows || a->offset < 0) {
		return malformed(b, column->name, err, "its length is not that of the batch");
	}
	if (a->n_buffers != (variable ? 3 : 2) || a->buffers == NULL) {
		return malformed(b, column->name, err, "it has a wrong number of buffers");
	}
	if (a->null_count > a->length || (a->null_count > 0 && a->buffers[0] == NULL)) {
		return malformed(b, column->name, err, "it has nulls but no validity bitmap");
	}
	if (variable) {
		return check_offsets(b, a, column->name, err);
	}
	return a->length > 0 && a->buffers[1] == NULL
		       ? malformed(b, column->name, err, "it has no data")
		       : 0;
}

static bool is_op(uint8_t op)
{
	return op == DRIP_OP_READ || op == DRIP_OP_INSERT || op == DRIP_OP_UPDATE ||
	       op == DRIP_OP_DELETE || op == DRIP_OP_BEFORE;
}

static int check_ops(const struct drip_batch *b, struct drip_error *err)
{
	if (b->ops == NULL) {
		return is_op(b->op) ? 0 : malformed(b, NULL, err, "unknown op");
	}
	for (int64_t i = 0; i < b->rows; i++) {
		if (!is_op(b->ops[i])) {
			return malformed(b, NULL, err, "unknown op");
		}
	}
	return 0;
}

static int check_position(const struct drip_batch *b, struct drip_error *err)
{
	const struct drip_position *p = &b->position;

	if (p->order_size > DRIP_POSITION_ORDER_MAX || p->detail_size > DRIP_POSITION_DETAIL_MAX ||
	    memchr(p->partition, '\0', sizeof(p->partition)) == NULL ||
	    memchr(p->text, '\0', sizeof(p->text)) == NULL) {
		return malformed(b, NULL, err, "its position is larger than a position may be");
	}
	return 0;
}

int drip_batch_validate(const struct drip_batch *batch, struct drip_error *err)
{
	int rc = check_position(batch, err);

	if (rc < 0) {
		return rc;
	}
	if (batch->kind != DRIP_BATCH_ROWS) {
		if (batch->kind < DRIP_BATCH_ROWS || batch->kind > DRIP_BATCH_GONE) {
			return malformed(batch, NULL, err, "unknown kind");
		}
		if (batch->schema == NULL && batch->kind != DRIP_BATCH_MARK) {
			return malformed(batch, NULL, err, "it has no schema");
		}
		return batch->rows == 0 ? 0 : malformed(batch, NULL, err, "it must have no rows");
	}
	if (batch->schema == NULL || batch->array.release == NULL) {
		return malformed(batch, NULL, err, "it has no schema or no rows");
	}
	if (batch->rows < 0 || batch->array.length != batch->rows || batch->array.offset != 0 ||
	    batch->array.n_children != (int64_t)batch->schema->columns_count) {
		return malformed(batch, NULL, err, "its columns are not those of its schema");
	}
	for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
		rc = check_column(batch, i, err);
		if (rc < 0) {
			return rc;
		}
	}
	return check_ops(batch, err);
}
