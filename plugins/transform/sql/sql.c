/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `sql`: a query over each batch, run by the DuckDB of the process. Where a value makes
 * the query fail, the rows that do so are found by halving, and rejected. Thread: the stage's;
 * interrupt: any.
 */
#include "private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct sql_stage {
	struct drip_ctx *ctx;
	const struct sql_config *config;
	struct drip_plans plans;
	pthread_mutex_t lock; /* guards `running` */
	struct drip_sql_rows *running;
	int64_t rejected; /* of the batch under way */
};

static const struct drip_option options[] = {
	DRIP_OPTION(
		struct sql_config, sql, .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_SQL,
		.help = "Query in DuckDB's dialect over the table `input`, the rows of one batch.",
		.example =
			"SELECT *, amount * rate AS amount_usd FROM input WHERE status <> 'test'"),
	DRIP_OPTION(struct sql_config, table,
		    .help = "Name of the table that comes out. Default: the input's."),
	DRIP_OPTION(struct sql_config, key,
		    .help = "Columns that are the key of what comes out. Default: the input's key, "
			    "where all "
			    "its columns come out under their names."),
};

static int stage_check(struct drip_ctx *ctx, const void *config, bool connect,
		       struct drip_report *report, struct drip_error *err)
{
	const struct sql_config *c = config;
	struct drip_error finding = DRIP_ERROR_INIT;

	if (!drip_sql_rows_parses(ctx, c->sql, &finding)) {
		drip_error_option(&finding, "sql");
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

static int stage_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct sql_stage *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->config = config;
	s->plans.destroy = sql_plan_destroy;
	pthread_mutex_init(&s->lock, NULL);
	*ret_self = s;
	return 0;
}

static void stage_close(void *self)
{
	struct sql_stage *s = self;

	drip_plans_finish(&s->plans);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void set_running(struct sql_stage *s, struct drip_sql_rows *rows)
{
	pthread_mutex_lock(&s->lock);
	s->running = rows;
	pthread_mutex_unlock(&s->lock);
}

static void stage_interrupt(void *self)
{
	struct sql_stage *s = self;

	pthread_mutex_lock(&s->lock);
	if (s->running != NULL) {
		s->running->sql->interrupt(s->running->session);
	}
	pthread_mutex_unlock(&s->lock);
}

static int stage_negotiate(struct drip_ctx *ctx, const void *config,
			   const struct drip_schema *input, struct drip_negotiated *ret,
			   struct drip_error *err)
{
	struct sql_plan *plan;
	int rc = sql_plan_create(ctx, config, input, &plan, err);

	if (rc != 0) {
		return rc;
	}
	ret->output = drip_schema_ref(plan->output);
	ret->edges = plan->edges;
	ret->edges_count = plan->edges_count;
	plan->edges = NULL;
	sql_plan_destroy(plan);
	return 0;
}

static int find_plan(struct sql_stage *s, const struct drip_schema *input, struct sql_plan **ret,
		     struct drip_error *err)
{
	int rc;

	*ret = drip_plans_find(&s->plans, input);
	if (*ret != NULL) {
		return 0;
	}
	rc = sql_plan_create(s->ctx, s->config, input, ret, err);
	return rc == 0 ? drip_plans_put(&s->plans, input, *ret, err) : rc;
}

/* (gives) a batch without rows, for the table that comes out. */
static int pass_control(struct sql_stage *s, struct drip_batch *batch, struct drip_error *err)
{
	struct drip_batch *out = NULL;
	struct sql_plan *plan;
	int rc;

	if (batch->schema == NULL) {
		return drip_emit(s->ctx, batch, err);
	}
	rc = find_plan(s, batch->schema, &plan, err);
	if (rc == 0) {
		rc = drip_batch_create_control(batch->kind, plan->output, &out, err);
	}
	if (rc == 0) {
		out->boundary = batch->boundary;
		out->snapshot = batch->snapshot;
		out->commit_time_us = batch->commit_time_us;
		out->position = batch->position;
	}
	drip_batch_unref(batch);
	return rc == 0 ? drip_emit(s->ctx, out, err) : rc;
}

static int run_slice(void *data, const struct drip_batch *slice, int64_t start,
		     struct drip_error *err)
{
	struct drip_batch *out = NULL;
	int rc = sql_run(data, slice, &out, err);

	(void)start;
	drip_batch_unref(out);
	return rc;
}

/* Rejects what cannot be computed, and runs over the rest, which is put in the place of *batch. */
static int run_without_bad(struct sql_stage *s, struct sql_plan *plan, struct drip_batch **batch,
			   const struct drip_error *first, struct drip_batch **ret,
			   struct drip_error *err)
{
	uint8_t *bad = calloc((size_t)(*batch)->rows, 1);
	const struct drip_sql_search search = {.ctx = s->ctx,
					       .run = run_slice,
					       .data = plan,
					       .option = "sql",
					       .marks = bad,
					       .mark = 1};
	struct drip_batch *good = NULL;
	int rc;

	if (bad == NULL) {
		return drip_error_nomem(err, (size_t)(*batch)->rows);
	}
	rc = drip_sql_rows_find_bad(&search, *batch, first, err);
	for (int64_t i = 0; i < (*batch)->rows; i++) {
		s->rejected += bad[i];
	}
	if (rc == 0) {
		rc = drip_batch_leave_out(*batch, bad, &good, err);
	}
	free(bad);
	if (rc != 0 || good == NULL) {
		return rc;
	}
	drip_batch_unref(*batch);
	*batch = good;
	return sql_run(plan, good, ret, err);
}

/* Rows that are gone are no input of an aggregate. (takes and gives) */
static int leave_out_deletes(struct drip_batch **batch, struct drip_error *err)
{
	struct drip_batch *from = *batch, *good = NULL;
	uint8_t *bad;
	int64_t count = 0;
	int rc;

	bad = calloc((size_t)from->rows, 1);
	if (bad == NULL) {
		return drip_error_nomem(err, (size_t)from->rows);
	}
	for (int64_t i = 0; i < from->rows; i++) {
		enum drip_op op = drip_batch_op(from, i);

		bad[i] = op == DRIP_OP_DELETE || op == DRIP_OP_BEFORE;
		count += bad[i];
	}
	rc = count > 0 ? drip_batch_leave_out(from, bad, &good, err) : 0;
	free(bad);
	if (rc == 0 && count > 0) {
		drip_batch_unref(from);
		*batch = good;
	}
	return rc;
}

static int run(struct sql_stage *s, struct sql_plan *plan, struct drip_batch **batch,
	       struct drip_batch **ret, struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	int rc = plan->per_row ? 0 : leave_out_deletes(batch, err);

	if (rc != 0 || *batch == NULL) {
		return rc;
	}
	rc = sql_run(plan, *batch, ret, &reason);
	if (rc != 0 && drip_sql_rows_is_data_error(rc, &reason)) {
		return run_without_bad(s, plan, batch, &reason, ret, err);
	}
	if (rc != 0 && err != NULL) {
		*err = reason;
	}
	return rc;
}

/* Emits the result `out` (takes; may be NULL) in the place of `batch` (takes). Rows that went
 * neither on nor to the dead letters are counted as filtered. */
static int emit(struct sql_stage *s, struct drip_batch *batch, struct drip_batch *out,
		struct drip_error *err)
{
	int64_t left = batch->rows - s->rejected - (out != NULL ? out->rows : 0);

	if (left > 0) {
		s->ctx->host->filtered(s->ctx, left);
	}
	if (out == NULL || out->rows == 0) {
		drip_batch_unref(out);
		return drip_emit_mark(s->ctx, batch, err);
	}
	drip_batch_unref(batch);
	return drip_emit(s->ctx, out, err);
}

static int stage_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct sql_stage *s = self;
	struct drip_batch *out = NULL, *work;
	struct sql_plan *plan = NULL;
	int rc;

	if (batch->kind != DRIP_BATCH_ROWS || batch->rows == 0) {
		return pass_control(s, batch, err);
	}
	rc = find_plan(s, batch->schema, &plan, err);
	if (rc == 0) {
		work = drip_batch_ref(batch);
		s->rejected = 0;
		set_running(s, &plan->rows);
		rc = run(s, plan, &work, &out, err);
		set_running(s, NULL);
		drip_batch_unref(work);
	}
	if (rc != 0) {
		drip_batch_unref(batch);
		drip_batch_unref(out);
		return rc;
	}
	return emit(s, batch, out, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = stage_check,
	.open = stage_open,
	.close = stage_close,
	.interrupt = stage_interrupt,
	.negotiate = stage_negotiate,
	.process = stage_process,
};

static const struct drip_component sql_component = {
	.struct_size = sizeof(sql_component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "sql",
	.summary = "A SQL query over each batch",
	.description = "Any query that DuckDB understands, over the rows of one batch as the table "
		       "`input`: columns "
		       "computed, dropped, renamed, rows left out, JSON taken apart. What spans "
		       "batches, as a sum over a "
		       "day, belongs into the warehouse.",
	.schema_notes = "The columns are the query's. Each is as sensitive as the most sensitive "
			"column that its values "
			"hang on, filters and joins included. The key stays where all its columns "
			"come out under their "
			"names, unless `key` says otherwise.",
	.guarantees = "Where each result row comes from one row of the batch it keeps that row's "
		      "op. A query that "
		      "groups, or is of another shape, sees no deletes and yields new rows, one "
		      "result a batch.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct sql_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("sql", "0.1.0", "SQL over batches", &sql_component);
