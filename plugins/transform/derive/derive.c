/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `derive`: columns computed by SQL expressions over the others. DuckDB evaluates them
 * over whole batches; columns that stay are shared. One thread but for interrupt.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct derive_config {
	struct drip_pairs columns;
};

struct derive {
	struct drip_ctx *ctx;
	const struct derive_config *config;
	struct drip_plans plans;
	pthread_mutex_t lock;          /* guards running */
	struct drip_sql_rows *running; /* what interrupt ends */
};

/* For one schema. */
struct plan {
	struct drip_sql_rows rows;
	struct drip_schema *output;
	char *sql, *ordered_sql; /* the second for engines that mix rows up */
	uint32_t *source;  /* of each output column: input column, or `computed` + expression */
	uint32_t computed; /* input columns */
	bool ordered;
};

#define OPT(member, ...) DRIP_OPTION(struct derive_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(columns,
	    .help = "SQL expressions in DuckDB's dialect, by the name of the column that they "
		    "make. "
		    "A column of that name is replaced; others come at the end. An expression may "
		    "use columns made before it, where the table has none of that name.",
	    .example = "{total: price * quantity, day: \"paid_at::date\"}",
	    .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_SQL),
};

static void put_name(struct drip_text *t, const char *name)
{
	drip_text_put(t, "\"", 1);
	for (; *name != '\0'; name++) {
		drip_text_put(t, "\"\"", *name == '"' ? 2 : 0);
		drip_text_put(t, name, *name != '"');
	}
	drip_text_put(t, "\"", 1);
}

/* (gives) the statement; `order` is put at its end. */
static int make_sql(const struct derive_config *config, const char *order, char **ret,
		    struct drip_error *err)
{
	struct drip_text t = {0};
	int rc;

	drip_text_puts(&t, "SELECT ");
	for (size_t i = 0; i < config->columns.count; i++) {
		const struct drip_pair *pair = &config->columns.items[i];

		/* a comment at the end of an expression cannot reach beyond its line */
		drip_text_puts(&t, "(\n");
		drip_text_puts(&t, pair->value != NULL ? pair->value : "NULL");
		drip_text_puts(&t, "\n) AS ");
		put_name(&t, pair->key);
		drip_text_puts(&t, ", ");
	}
	drip_text_puts(&t, DRIP_ROW_COLUMN " FROM input");
	drip_text_puts(&t, order);
	drip_text_put(&t, "", 1);
	rc = drip_text_check(&t, err);
	if (rc != 0) {
		drip_text_finish(&t);
		return rc;
	}
	*ret = t.data;
	return 0;
}

/* Lines of a statement before its last expression. */
static unsigned lines_before(const char *sql, const char *expression)
{
	unsigned lines = 0;

	for (; *sql != '\0'; sql++) {
		lines += *sql == '\n';
	}
	for (; *expression != '\0'; expression++) {
		lines -= *expression == '\n';
	}
	return lines - 1;
}

/* Names the expressions that are at fault, by trying each behind those before it, of which NULL
 * stands in for the bad ones. 0 where all pass. */
static int blame(struct drip_ctx *ctx, const struct derive_config *config,
		 const struct drip_schema *input, struct drip_error *err)
{
	struct drip_pair *good = calloc(config->columns.count, sizeof(*good));
	struct derive_config tried = {.columns = {good, 0}};
	int rc = good == NULL ? drip_error_nomem(err, config->columns.count * sizeof(*good)) : 0;

	for (size_t i = 0; rc != -ENOMEM && i < config->columns.count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;
		struct drip_schema *schema;
		char *sql = NULL;

		good[tried.columns.count++] = config->columns.items[i];
		if (make_sql(&tried, "", &sql, &one) == 0 &&
		    drip_sql_rows_infer(ctx, sql, input, &schema, NULL, NULL, &one) == 0) {
			drip_schema_unref(schema);
		} else {
			if (sql != NULL) {
				drip_sql_place_shift(
					&one, lines_before(sql, config->columns.items[i].value));
			}
			drip_error_option(&one, "columns.%s", config->columns.items[i].key);
			rc = drip_error_also(err, rc, &one);
			good[tried.columns.count - 1].value = NULL; /* the others may use it */
		}
		free(sql);
	}
	free(good);
	return rc;
}

static bool is_name(const char *name, struct drip_error *err)
{
	if (*name != '\0' && strlen(name) < DRIP_NAME_MAX) {
		return true;
	}
	drip_error_set(err, -EINVAL, "derive.bad_name",
		       "the name of a derived column is empty or too long");
	drip_error_option(err, "columns");
	return false;
}

/* Each by itself, as the others need not be sound. */
static int derive_check(struct drip_ctx *ctx, const void *config, bool connect,
			struct drip_report *report, struct drip_error *err)
{
	const struct derive_config *c = config;

	for (size_t i = 0; i < c->columns.count; i++) {
		const struct derive_config one = {.columns = {&c->columns.items[i], 1}};
		struct drip_error finding = DRIP_ERROR_INIT;
		char *sql = NULL;
		int rc;

		if (!is_name(one.columns.items[0].key, &finding)) {
			report->add(report, DRIP_LOG_ERROR, &finding);
			continue;
		}
		rc = make_sql(&one, "", &sql, err);
		if (rc != 0) {
			return rc;
		}
		if (!drip_sql_rows_parses(ctx, sql, &finding)) {
			drip_sql_place_shift(&finding, 1);
			drip_error_option(&finding, "columns.%s", c->columns.items[i].key);
			report->add(report, DRIP_LOG_ERROR, &finding);
		}
		free(sql);
	}
	return 0;
}

static int check_names(const struct derive_config *config, const struct drip_schema *input,
		       struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < config->columns.count; i++) {
		const char *name = config->columns.items[i].key;
		struct drip_error one = DRIP_ERROR_INIT;
		int index = drip_schema_find(input, name);

		if (is_name(name, &one) && index >= 0 &&
		    (drip_schema_column(input, (uint32_t)index)->flags & DRIP_COLUMN_KEY)) {
			drip_error_set(&one, -EINVAL, "derive.key",
				       "column '%s' is part of the key of table '%s' and cannot be "
				       "replaced",
				       name, input->table);
			drip_error_hint(&one, "Give the derived column another name.");
			drip_error_option(&one, "columns.%s", name);
		}
		if (one.rc != 0) {
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

static struct drip_column derived_column(const struct drip_schema *inferred, uint32_t index,
					 const char *name)
{
	struct drip_column column = *drip_schema_column(inferred, index);

	column.struct_size = sizeof(column);
	column.name = name;
	column.source_type = NULL;
	column.length = 0;
	column.flags = DRIP_COLUMN_NULLABLE;
	column.fill = column.renamed_from = NULL;
	return column;
}

/* Fills plan->output and plan->source from what the expressions yield. */
static int make_output(const struct derive_config *config, const struct drip_schema *input,
		       const struct drip_schema *inferred, struct plan *plan,
		       struct drip_error *err)
{
	uint32_t derived = (uint32_t)config->columns.count, count = 0;
	struct drip_schema_builder b;

	plan->computed = input->columns_count;
	plan->source = calloc(input->columns_count + derived + 1, sizeof(*plan->source));
	if (plan->source == NULL) {
		return drip_error_nomem(err, (input->columns_count + derived) * sizeof(uint32_t));
	}
	drip_schema_builder_init(&b, input->database, input->table);
	b.version = input->version;
	for (uint32_t i = 0; i < input->columns_count; i++) {
		struct drip_column column = drip_schema_column_get(input, i);

		plan->source[count] = i;
		for (uint32_t j = 0; j < derived; j++) {
			if (drip_schema_find(input, config->columns.items[j].key) == (int)i) {
				column = derived_column(inferred, j, column.name);
				plan->source[count] = plan->computed + j;
			}
		}
		drip_schema_builder_add(&b, &column);
		count++;
	}
	for (uint32_t j = 0; j < derived; j++) {
		const char *name = config->columns.items[j].key;
		struct drip_column column = derived_column(inferred, j, name);

		if (drip_schema_find(input, name) < 0) {
			drip_schema_builder_add(&b, &column);
			plan->source[count++] = plan->computed + j;
		}
	}
	return drip_schema_builder_build(&b, &plan->output, err);
}

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	drip_sql_rows_close(&p->rows);
	drip_schema_unref(p->output);
	free(p->source);
	free(p->sql);
	free(p->ordered_sql);
	free(p);
}

/* Without opening a session. `ret_edges` (may be NULL) gets what the expressions read. */
static int make_plan(struct drip_ctx *ctx, const struct derive_config *config,
		     const struct drip_schema *input, struct plan **ret,
		     struct drip_lineage_edge **ret_edges, uint32_t *ret_count,
		     struct drip_error *err)
{
	struct drip_schema *inferred = NULL;
	struct plan *plan;
	int rc = check_names(config, input, err);

	if (rc != 0) {
		return rc;
	}
	plan = calloc(1, sizeof(*plan));
	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	rc = make_sql(config, "", &plan->sql, err);
	if (rc == 0) {
		rc = make_sql(config, " ORDER BY " DRIP_ROW_COLUMN, &plan->ordered_sql, err);
	}
	if (rc == 0) {
		rc = drip_sql_rows_infer(ctx, plan->sql, input, &inferred, ret_edges, ret_count,
					 err);
		if (rc != 0) {
			int blamed;

			drip_error_option(err, "columns");
			blamed = blame(ctx, config, input, err);
			rc = blamed != 0 ? blamed : rc;
		}
	}
	if (rc == 0) {
		rc = make_output(config, input, inferred, plan, err);
		drip_schema_unref(inferred);
		if (rc != 0 && ret_edges != NULL) {
			free(*ret_edges);
			*ret_edges = NULL;
		}
	}
	if (rc != 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static int derive_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct derive *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		return drip_error_nomem(err, sizeof(*d));
	}
	d->ctx = ctx;
	d->config = config;
	d->plans.destroy = destroy_plan;
	pthread_mutex_init(&d->lock, NULL);
	*ret_self = d;
	return 0;
}

static void derive_close(void *self)
{
	struct derive *d = self;

	drip_plans_finish(&d->plans);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

static void set_running(struct derive *d, struct drip_sql_rows *rows)
{
	pthread_mutex_lock(&d->lock);
	d->running = rows;
	pthread_mutex_unlock(&d->lock);
}

static void derive_interrupt(void *self)
{
	struct derive *d = self;

	pthread_mutex_lock(&d->lock);
	if (d->running != NULL) {
		d->running->sql->interrupt(d->running->session);
	}
	pthread_mutex_unlock(&d->lock);
}

static int derive_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	struct drip_lineage_edge *found = NULL;
	uint32_t found_count = 0;
	struct plan *plan;
	size_t size;
	int rc = make_plan(ctx, config, input, &plan, &found, &found_count, err);

	if (rc != 0) {
		return rc;
	}
	size = (plan->output->columns_count + (size_t)found_count + 1) * sizeof(*ret->edges);
	ret->edges = malloc(size);
	for (uint32_t i = 0; ret->edges != NULL && i < plan->output->columns_count; i++) {
		uint32_t source = plan->source[i];

		if (source < plan->computed) {
			ret->edges[ret->edges_count++] =
				(struct drip_lineage_edge){i, source, DRIP_LINEAGE_IDENTITY};
			continue;
		}
		for (uint32_t j = 0; j < found_count; j++) {
			if (found[j].output == source - plan->computed &&
			    found[j].input < plan->computed) {
				ret->edges[ret->edges_count++] = (struct drip_lineage_edge){
					i, found[j].input, found[j].kind};
			}
		}
	}
	if (ret->edges == NULL) {
		rc = drip_error_nomem(err, size);
	} else {
		ret->output = drip_schema_ref(plan->output);
	}
	free(found);
	destroy_plan(plan);
	return rc;
}

/* What the statement yielded for the rows of one batch. */
struct result {
	struct drip_schema *schema;
	struct ArrowArray *columns;
	int64_t rows;
};

static void result_finish(struct result *r)
{
	for (uint32_t i = 0; r->columns != NULL && i < r->schema->columns_count; i++) {
		if (r->columns[i].release != NULL) {
			r->columns[i].release(&r->columns[i]);
		}
	}
	free(r->columns);
	drip_schema_unref(r->schema);
	memset(r, 0, sizeof(*r));
}

static bool in_order(const struct result *r, int64_t rows)
{
	const struct ArrowArray *column = &r->columns[r->schema->columns_count - 1];
	const int64_t *numbers = (const int64_t *)column->buffers[1] + column->offset;

	if (r->rows != rows) {
		return false;
	}
	for (int64_t i = 0; i < rows; i++) {
		if (numbers[i] != i) {
			return false;
		}
	}
	return true;
}

static int run(struct plan *plan, const struct drip_batch *batch, struct result *r,
	       struct drip_error *err)
{
	for (;;) {
		int rc = drip_sql_rows_run(&plan->rows,
					   plan->ordered ? plan->ordered_sql : plan->sql, batch,
					   &r->schema, &r->columns, &r->rows, err);

		if (rc != 0 || in_order(r, batch->rows)) {
			return rc;
		}
		result_finish(r);
		if (plan->ordered) {
			return drip_error_set(err, -EIO, "derive.rows_lost",
					      "the expressions do not yield one row for each row");
		}
		plan->ordered = true;
	}
}

static int run_slice(void *data, const struct drip_batch *slice, int64_t start,
		     struct drip_error *err)
{
	struct result r = {0};
	int rc = run(data, slice, &r, err);

	(void)start;
	result_finish(&r);
	return rc;
}

/* (gives) `batch` without the rows that fail; NULL where none is left. */
static int without_bad(struct derive *d, struct plan *plan, const struct drip_batch *batch,
		       const struct drip_error *first, struct drip_batch **ret,
		       struct drip_error *err)
{
	uint8_t *bad = calloc((size_t)batch->rows + 1, 1);
	const struct drip_sql_search search = {.ctx = d->ctx,
					       .run = run_slice,
					       .data = plan,
					       .option = "columns",
					       .marks = bad,
					       .mark = 1};
	int rc;

	*ret = NULL;
	rc = bad == NULL ? drip_error_nomem(err, (size_t)batch->rows)
			 : drip_sql_rows_find_bad(&search, batch, first, err);
	if (rc == 0) {
		rc = drip_batch_leave_out(batch, bad, ret, err);
	}
	free(bad);
	return rc;
}

/* (gives) the batch with the columns of `r` (moved out of it) in place. */
static int assemble(const struct plan *plan, const struct drip_batch *batch, struct result *r,
		    struct drip_batch **ret, struct drip_error *err)
{
	uint32_t count = plan->output->columns_count, done = 0;
	struct ArrowArray *columns = calloc(count + 1, sizeof(*columns));
	int rc = columns == NULL ? drip_error_nomem(err, (count + 1) * sizeof(*columns)) : 0;

	while (rc == 0 && done < count) {
		uint32_t source = plan->source[done];

		if (source < plan->computed) {
			rc = drip_column_share(batch, source, &columns[done], err);
		} else {
			columns[done] = r->columns[source - plan->computed];
			r->columns[source - plan->computed].release = NULL;
		}
		done += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, plan->output, columns, ret, err);
	} else {
		while (done-- > 0) {
			columns[done].release(&columns[done]);
		}
	}
	free(columns);
	return rc;
}

/* Takes the batch. */
static int derive_rows(struct derive *d, struct plan *plan, struct drip_batch *batch,
		       struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	struct drip_batch *derived, *good;
	struct result r = {0};
	int rc;

	set_running(d, &plan->rows);
	rc = run(plan, batch, &r, &reason);
	if (rc != 0 && drip_sql_rows_is_data_error(rc, &reason)) {
		rc = without_bad(d, plan, batch, &reason, &good, err);
		if (rc == 0 && good == NULL) {
			set_running(d, NULL);
			return drip_emit_mark(d->ctx, batch, err);
		}
		if (rc == 0) {
			drip_batch_unref(batch);
			batch = good;
			rc = run(plan, batch, &r, err);
		}
	} else if (rc != 0 && err != NULL) {
		*err = reason;
	}
	set_running(d, NULL);
	if (rc == 0) {
		rc = assemble(plan, batch, &r, &derived, err);
	}
	result_finish(&r);
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(d->ctx, derived, err);
}

static int find_plan(struct derive *d, const struct drip_schema *schema, struct plan **ret,
		     struct drip_error *err)
{
	int rc;

	*ret = drip_plans_find(&d->plans, schema);
	if (*ret != NULL) {
		return 0;
	}
	rc = make_plan(d->ctx, d->config, schema, ret, NULL, NULL, err);
	if (rc != 0) {
		return rc;
	}
	rc = drip_sql_rows_open(&(*ret)->rows, d->ctx, err);
	if (rc != 0) {
		destroy_plan(*ret);
		return rc;
	}
	return drip_plans_put(&d->plans, schema, *ret, err);
}

static int derive_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct derive *d = self;
	struct drip_batch *control;
	struct plan *plan;
	int rc;

	if (batch->schema == NULL) {
		return drip_emit(d->ctx, batch, err);
	}
	rc = find_plan(d, batch->schema, &plan, err);
	if (rc != 0) {
		drip_batch_unref(batch);
		return rc;
	}
	if (batch->kind == DRIP_BATCH_ROWS) {
		return derive_rows(d, plan, batch, err);
	}
	rc = drip_batch_with_schema(batch, plan->output, &control, err);
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(d->ctx, control, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = derive_check,
	.open = derive_open,
	.close = derive_close,
	.interrupt = derive_interrupt,
	.negotiate = derive_negotiate,
	.process = derive_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "derive",
	.summary = "Columns computed by SQL expressions",
	.description = "Each row is computed from itself alone: aggregates are refused, and window "
		       "functions would see one batch, whose size is not defined.",
	.schema_notes = "The table with the derived columns, nullable, each with the highest class "
			"among the columns that its expression reads.",
	.guarantees =
		"Row for row, in order. A row whose values make an expression fail goes to the "
		"on_error policy of the stage, alone; the rest of its batch passes. Use no "
		"function that differs from call to call: a replay would differ.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct derive_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("derive", DRIP_SDK_VERSION, "Transform that computes columns", &component);
