/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds: a batch of the source's table becomes one of the contract's, columns chosen, renamed and
 * put in order. Buffers are shared, values are not looked at. Source's thread.
 */
#include "base/alloc.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The input column of an output column: as the negotiation says, otherwise by name. */
static int32_t source_of(const struct drip_negotiation *n, uint32_t output)
{
	for (uint32_t i = 0; i < n->result.edges_count && n->result.edges != NULL; i++) {
		if (n->result.edges[i].output == output) {
			return (int32_t)n->result.edges[i].input;
		}
	}
	return drip_schema_find(n->input, drip_schema_column(n->result.output, output)->name);
}

/* True where values of `a` can be read as values of `b`. */
static bool same_layout(const struct drip_column *a, const struct drip_column *b)
{
	char x[64], y[64];

	drip_type_format(a, x, sizeof(x));
	drip_type_format(b, y, sizeof(y));
	return strcmp(x, y) == 0;
}

int drip_feed_prepare(struct drip_negotiation *n, struct drip_error *err)
{
	const struct drip_schema *out = n->result.output;

	n->feed_columns = drip_calloc(out->columns_count + 1, sizeof(*n->feed_columns));
	if (n->feed_columns == NULL) {
		return drip_error_nomem(err, out->columns_count * sizeof(*n->feed_columns));
	}
	for (uint32_t i = 0; i < out->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(out, i);
		int32_t from = source_of(n, i);

		n->feed_columns[i] = from;
		if (from < 0 && (column->flags & DRIP_COLUMN_NULLABLE) == 0) {
			return drip_error_set(err, -EINVAL, "engine.feed_column",
					      "table %s.%s has no column \"%s\", which the "
					      "contract promises",
					      n->input->database, n->input->table, column->name);
		}
		if (from >= 0 &&
		    !same_layout(drip_schema_column(n->input, (uint32_t)from), column)) {
			return drip_error_set(err, -EINVAL, "engine.feed_type",
					      "column \"%s\" of %s.%s does not have the type that "
					      "the contract promises",
					      column->name, n->input->database, n->input->table);
		}
	}
	return 0;
}

/* (gives) a column of nulls. */
static int null_column(const struct drip_column *column, int64_t rows, struct ArrowArray *ret,
		       struct drip_error *err)
{
	struct drip_column_builder b;
	int rc = drip_column_builder_init(&b, column->type, rows, err);

	if (rc < 0) {
		return rc;
	}
	for (int64_t i = 0; i < rows; i++) {
		drip_append_null(&b);
	}
	rc = drip_column_builder_build(&b, ret, err);
	drip_column_builder_finish(&b);
	return rc;
}

static int apply_rows(const struct drip_negotiation *n, const struct drip_batch *batch,
		      struct drip_batch **ret, struct drip_error *err)
{
	const struct drip_schema *out = n->result.output;
	struct ArrowArray *columns = drip_calloc(out->columns_count + 1, sizeof(*columns));
	int rc = 0;
	uint32_t made = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, out->columns_count * sizeof(*columns));
	}
	for (; made < out->columns_count && rc == 0; made++) {
		int32_t from = n->feed_columns[made];

		rc = from >= 0 ? drip_column_share(batch, (uint32_t)from, &columns[made], err)
			       : null_column(drip_schema_column(out, made), batch->rows,
					     &columns[made], err);
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, out, columns, ret, err);
	} else {
		while (made-- > 0) {
			if (columns[made].release != NULL) {
				columns[made].release(&columns[made]);
			}
		}
	}
	free(columns);
	return rc;
}

int drip_feed_apply(const struct drip_negotiation *n, const struct drip_batch *batch,
		    struct drip_batch **ret, struct drip_error *err)
{
	int rc;

	if (batch->kind == DRIP_BATCH_ROWS && n->cleanser != NULL) {
		const struct drip_feed_ops *ops = drip_instance_ops(n->cleanser);

		rc = ops->cleanse(n->cleanser->self, batch, n->result.output, ret, err);
	} else if (batch->kind == DRIP_BATCH_ROWS) {
		rc = apply_rows(n, batch, ret, err);
	} else {
		rc = drip_batch_create_control(batch->kind, n->result.output, ret, err);
	}
	if (rc < 0) {
		return rc;
	}
	(*ret)->position = batch->position;
	(*ret)->boundary = batch->boundary;
	(*ret)->snapshot = batch->snapshot;
	(*ret)->commit_time_us = batch->commit_time_us;
	(*ret)->sequence = batch->sequence;
	return 0;
}
