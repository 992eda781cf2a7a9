/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `filter`: passes the rows for which a SQL expression is true. DuckDB evaluates it over
 * whole batches and gives the numbers of the rows back. In a change stream an UPDATE whose row no
 * longer passes becomes a DELETE, so that mirrors stay right. One thread but for interrupt.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum updates { UPDATES_DELETE, UPDATES_DROP };
enum deletes { DELETES_PASS, DELETES_FILTER };
enum verdict { FAILS = 0, PASSES = 1, REJECTED = 2 };

struct filter_config {
	const char *where;
	struct drip_enum updates, deletes;
};

struct filter {
	struct drip_ctx *ctx;
	const struct filter_config *config;
	struct drip_plans plans;
	pthread_mutex_t lock;          /* guards running */
	struct drip_sql_rows *running; /* what interrupt ends */
};

/* For one schema. */
struct plan {
	struct drip_sql_rows rows;
	char *sql;
};

static const struct drip_enum_value update_values[] = {
	{"delete", UPDATES_DELETE, "Turn it into a DELETE, since the target may hold the row."},
	{"drop", UPDATES_DROP, "Leave it out; the target keeps the row as it was."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value delete_values[] = {
	{"pass", DELETES_PASS, "Pass every DELETE: the target may hold the row."},
	{"filter", DELETES_FILTER, "Pass a DELETE where the deleted row passes."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct filter_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(where,
	    .help = "SQL expression over the columns, in DuckDB's dialect. Rows for which it is "
		    "true "
		    "pass; false and NULL do not.",
	    .example = "currency <> 'NZD' AND amount > 0",
	    .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_SQL),
	OPT(updates, .help = "What becomes of an UPDATE whose new row does not pass.",
	    .default_text = "delete", .values = update_values),
	OPT(deletes, .help = "What becomes of a DELETE.", .default_text = "pass",
	    .values = delete_values),
};

/* (gives) SQL around the expression; a comment at its end cannot reach beyond its line. */
static char *make_sql(const char *before, const char *where, const char *after)
{
	size_t size = strlen(before) + strlen(where) + strlen(after) + 1;
	char *sql = malloc(size);

	if (sql != NULL) {
		snprintf(sql, size, "%s%s%s", before, where, after);
	}
	return sql;
}

/* (gives) */
static char *verdict_sql(const struct filter_config *config)
{
	return make_sql("SELECT (\n", config->where,
			"\n) AS passes, " DRIP_ROW_COLUMN " FROM input");
}

static int filter_check(struct drip_ctx *ctx, const void *config, bool connect,
			struct drip_report *report, struct drip_error *err)
{
	const struct filter_config *c = config;
	struct drip_error finding = DRIP_ERROR_INIT;
	char *sql = verdict_sql(c);

	if (sql == NULL) {
		return drip_error_nomem(err, strlen(c->where));
	}
	if (!drip_sql_rows_parses(ctx, sql, &finding)) {
		drip_sql_place_shift(&finding, 1);
		drip_error_option(&finding, "where");
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	free(sql);
	return 0;
}

static int infer(struct drip_ctx *ctx, const struct filter_config *config,
		 const struct drip_schema *input, struct drip_lineage_edge **ret_edges,
		 uint32_t *ret_count, struct drip_error *err)
{
	char *sql = verdict_sql(config);
	struct drip_schema *schema;
	const struct drip_column *passes;
	char name[64];
	int rc;

	if (sql == NULL) {
		return drip_error_nomem(err, strlen(config->where));
	}
	rc = drip_sql_rows_infer(ctx, sql, input, &schema, ret_edges, ret_count, err);
	free(sql);
	if (rc != 0) {
		drip_sql_place_shift(err, 1);
		drip_error_option(err, "where");
		return rc;
	}
	passes = drip_schema_column(schema, 0);
	if (passes->type != DRIP_TYPE_BOOL) {
		drip_type_name(passes, name, sizeof(name));
		rc = drip_error_set(err, -EINVAL, "filter.not_boolean",
				    "the expression yields %s, not true or false", name);
		drip_error_option(err, "where");
		if (ret_edges != NULL) {
			free(*ret_edges);
		}
	}
	drip_schema_unref(schema);
	return rc;
}

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	drip_sql_rows_close(&p->rows);
	free(p->sql);
	free(p);
}

static int make_plan(struct filter *f, const struct drip_schema *input, struct plan **ret,
		     struct drip_error *err)
{
	struct plan *plan;
	int rc = infer(f->ctx, f->config, input, NULL, NULL, err);

	if (rc != 0) {
		return rc;
	}
	plan = calloc(1, sizeof(*plan));
	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	plan->sql = make_sql("SELECT " DRIP_ROW_COLUMN " FROM input WHERE (\n", f->config->where,
			     "\n)");
	rc = plan->sql == NULL ? drip_error_nomem(err, strlen(f->config->where))
			       : drip_sql_rows_open(&plan->rows, f->ctx, err);
	if (rc != 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static int filter_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct filter *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		return drip_error_nomem(err, sizeof(*f));
	}
	f->ctx = ctx;
	f->config = config;
	f->plans.destroy = destroy_plan;
	pthread_mutex_init(&f->lock, NULL);
	*ret_self = f;
	return 0;
}

static void filter_close(void *self)
{
	struct filter *f = self;

	drip_plans_finish(&f->plans);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void set_running(struct filter *f, struct drip_sql_rows *rows)
{
	pthread_mutex_lock(&f->lock);
	f->running = rows;
	pthread_mutex_unlock(&f->lock);
}

static void filter_interrupt(void *self)
{
	struct filter *f = self;

	pthread_mutex_lock(&f->lock);
	if (f->running != NULL) {
		f->running->sql->interrupt(f->running->session);
	}
	pthread_mutex_unlock(&f->lock);
}

/* Columns pass as they are; those that the expression reads influence all of them. */
static int make_edges(const struct drip_schema *input, const struct drip_lineage_edge *found,
		      uint32_t found_count, struct drip_negotiated *ret, struct drip_error *err)
{
	uint32_t columns = input->columns_count, reads = 0;
	size_t size;

	for (uint32_t i = 0; i < found_count; i++) {
		reads += found[i].output == 0 && found[i].input < columns;
	}
	size = ((size_t)columns * (reads + 1) + 1) * sizeof(*ret->edges);
	ret->edges = malloc(size);
	if (ret->edges == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; i < columns; i++) {
		ret->edges[ret->edges_count++] =
			(struct drip_lineage_edge){i, i, DRIP_LINEAGE_IDENTITY};
		for (uint32_t j = 0; j < found_count; j++) {
			if (found[j].output == 0 && found[j].input < columns) {
				ret->edges[ret->edges_count++] = (struct drip_lineage_edge){
					i, found[j].input, DRIP_LINEAGE_INFLUENCE};
			}
		}
	}
	return 0;
}

static int filter_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	struct drip_lineage_edge *found = NULL;
	uint32_t found_count = 0;
	int rc = infer(ctx, config, input, &found, &found_count, err);

	if (rc != 0) {
		return rc;
	}
	rc = make_edges(input, found, found_count, ret, err);
	free(found);
	if (rc == 0) {
		ret->output = drip_schema_ref(input);
	}
	return rc;
}

/* Marks the rows of `batch` that pass, from `verdicts` on. */
static int run(struct plan *plan, const struct drip_batch *batch, uint8_t *verdicts,
	       struct drip_error *err)
{
	struct drip_schema *schema;
	struct ArrowArray *columns;
	const int64_t *numbers;
	int64_t count;
	int rc = drip_sql_rows_run(&plan->rows, plan->sql, batch, &schema, &columns, &count, err);

	if (rc != 0) {
		return rc;
	}
	numbers = (const int64_t *)columns[0].buffers[1] + columns[0].offset;
	for (int64_t i = 0; i < count; i++) {
		if (numbers[i] >= 0 && numbers[i] < batch->rows) {
			verdicts[numbers[i]] = PASSES;
		}
	}
	columns[0].release(&columns[0]);
	free(columns);
	drip_schema_unref(schema);
	return 0;
}

struct search {
	struct plan *plan;
	uint8_t *verdicts;
};

static int run_slice(void *data, const struct drip_batch *slice, int64_t start,
		     struct drip_error *err)
{
	const struct search *s = data;

	return run(s->plan, slice, s->verdicts + start, err);
}

/* As run; rows whose values make the expression fail are rejected. */
static int judge(struct filter *f, struct plan *plan, const struct drip_batch *batch,
		 uint8_t *verdicts, struct drip_error *err)
{
	struct search search = {plan, verdicts};
	const struct drip_sql_search all = {.ctx = f->ctx,
					    .run = run_slice,
					    .data = &search,
					    .option = "where",
					    .marks = verdicts,
					    .mark = REJECTED};
	struct drip_error reason = DRIP_ERROR_INIT;
	int rc = run(plan, batch, verdicts, &reason);

	if (rc != 0 && drip_sql_rows_is_data_error(rc, &reason)) {
		return drip_sql_rows_find_bad(&all, batch, &reason, err);
	}
	return rc != 0 ? drip_error_also(err, 0, &reason) : 0;
}

/* The op with which a row goes on, or 0. */
static uint8_t op_after(const struct filter *f, const struct drip_batch *batch, int64_t row,
			const uint8_t *verdicts)
{
	bool to_delete = f->config->updates.value == UPDATES_DELETE;
	enum drip_op op = drip_batch_op(batch, row);
	bool pair;

	if (verdicts[row] == REJECTED) {
		return 0;
	}
	switch (op) {
	case DRIP_OP_UPDATE:
		if (verdicts[row] == PASSES) {
			return DRIP_OP_UPDATE;
		}
		/* its BEFORE row, where there is one, becomes the DELETE */
		pair = row > 0 && drip_batch_op(batch, row - 1) == DRIP_OP_BEFORE &&
		       verdicts[row - 1] != REJECTED;
		return to_delete && !pair ? DRIP_OP_DELETE : 0;
	case DRIP_OP_BEFORE:
		if (row + 1 == batch->rows || verdicts[row + 1] == PASSES) {
			return DRIP_OP_BEFORE;
		}
		return to_delete && verdicts[row + 1] == FAILS ? DRIP_OP_DELETE : 0;
	case DRIP_OP_DELETE:
		return verdicts[row] == PASSES || f->config->deletes.value == DELETES_PASS
			       ? DRIP_OP_DELETE
			       : 0;
	default:
		return verdicts[row] == PASSES ? (uint8_t)op : 0;
	}
}

/* Emits what passes of `batch` (takes), with `ops` (takes; room for one a row) where some change.
 */
static int emit_passing(struct filter *f, struct drip_batch *batch, const uint8_t *verdicts,
			int64_t *rows, uint8_t *ops, struct drip_error *err)
{
	int64_t count = 0, filtered = 0;
	struct drip_batch *changed;
	bool other_ops = false;
	int rc;

	for (int64_t row = 0; row < batch->rows; row++) {
		uint8_t op = op_after(f, batch, row, verdicts);

		rows[count] = row;
		count += op != 0;
		filtered += op == 0 && verdicts[row] != REJECTED;
		ops[row] = op != 0 ? op : (uint8_t)drip_batch_op(batch, row);
		other_ops |= op != 0 && op != (uint8_t)drip_batch_op(batch, row);
	}
	if (filtered != 0) {
		f->ctx->host->filtered(f->ctx, filtered);
	}
	if (!other_ops) {
		free(ops);
		return drip_emit_rows(f->ctx, batch, rows, count, err);
	}
	rc = drip_batch_with_ops(batch, ops, &changed, err);
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit_rows(f->ctx, changed, rows, count, err);
}

static int filter_rows(struct filter *f, struct plan *plan, struct drip_batch *batch,
		       struct drip_error *err)
{
	size_t room = (size_t)batch->rows + 1;
	uint8_t *verdicts = calloc(room, 1), *ops = malloc(room);
	int64_t *rows = malloc(room * sizeof(*rows));
	int rc;

	if (verdicts == NULL || ops == NULL || rows == NULL) {
		rc = drip_error_nomem(err, room * sizeof(*rows));
	} else {
		set_running(f, &plan->rows);
		rc = judge(f, plan, batch, verdicts, err);
		set_running(f, NULL);
	}
	if (rc == 0) {
		rc = emit_passing(f, batch, verdicts, rows, ops, err);
	} else {
		drip_batch_unref(batch);
		free(ops);
	}
	free(verdicts);
	free(rows);
	return rc;
}

static int filter_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct filter *f = self;
	struct plan *plan;
	int rc;

	if (batch->kind != DRIP_BATCH_ROWS || batch->rows == 0) {
		return drip_emit(f->ctx, batch, err);
	}
	plan = drip_plans_find(&f->plans, batch->schema);
	if (plan == NULL) {
		rc = make_plan(f, batch->schema, &plan, err);
		if (rc == 0) {
			rc = drip_plans_put(&f->plans, batch->schema, plan, err);
		}
		if (rc != 0) {
			drip_batch_unref(batch);
			return rc;
		}
	}
	return filter_rows(f, plan, batch, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = filter_check,
	.open = filter_open,
	.close = filter_close,
	.interrupt = filter_interrupt,
	.negotiate = filter_negotiate,
	.process = filter_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "filter",
	.caps = DRIP_CAP_SAME_SCHEMA,
	.summary = "Passes the rows for which a SQL expression is true",
	.description =
		"The expression is checked against the schema of each table when the pipeline "
		"is validated; where that is not known, its grammar is.",
	.schema_notes =
		"Schemas pass as they are. Columns that the expression reads are lineage of "
		"every column, as influence.",
	.guarantees = "In order. A row whose values make the expression fail goes to the on_error "
		      "policy of the stage, alone; the rest of its batch passes. Rows that do not "
		      "pass count as filtered.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct filter_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("filter", DRIP_SDK_VERSION, "Transform that passes rows by a condition", &component);
