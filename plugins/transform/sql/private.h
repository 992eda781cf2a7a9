/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the transform `sql`. For each input schema a plan says what runs. Where each row of the
 * result comes from one row of the batch, the query is given one more column, SQL_FROM, with that
 * row's number, and the row keeps its op; otherwise the result is new rows. Thread: the stage's.
 */
#ifndef DRIPLINE_TRANSFORM_SQL_PRIVATE_H
#define DRIPLINE_TRANSFORM_SQL_PRIVATE_H

#include <dripline/dripline.h>
#include <dripline/transform.h>

#define SQL_FROM "__drip_from"

struct sql_config {
	const char *sql;
	const char *table;
	struct drip_strings key;
};

struct sql_plan {
	struct drip_sql_rows rows;
	char *text;
	bool per_row;               /* the result has the column SQL_FROM */
	struct drip_schema *output; /* without SQL_FROM and DRIP_ROW_COLUMN */
	struct drip_lineage_edge *edges;
	uint32_t edges_count;
	uint32_t *columns; /* for each of `output`, which of the result's */
	uint32_t from;     /* per_row: which of the result's is SQL_FROM */
};

/* plan.c: (gives) a plan, its session open. */
int sql_plan_create(struct drip_ctx *ctx, const struct sql_config *config,
		    const struct drip_schema *input, struct sql_plan **ret, struct drip_error *err);
void sql_plan_destroy(void *plan);

/* run.c: (gives) the result over `batch`, with its marks. -EINVAL and -ERANGE may be a row's fault.
 */
int sql_run(struct sql_plan *plan, const struct drip_batch *batch, struct drip_batch **ret,
	    struct drip_error *err);

#endif
