/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `cast`: other types for columns. A value that cannot be converted goes to the stage's
 * on_error policy with its row, or becomes null. One thread.
 */
#include "cast.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum on_failure { FAILURE_REJECT, FAILURE_NULL };

struct cast_config {
	struct drip_pairs columns;
	struct drip_enum on_failure, epoch;
};

struct cast {
	struct drip_ctx *ctx;
	const struct cast_config *config;
	struct drip_plans plans;
};

struct plan_column {
	bool on;
	struct cast_conversion conversion;
};

struct plan {
	struct drip_schema *output;
	struct plan_column *columns; /* as many as the schema has */
};

static const struct drip_enum_value failures[] = {
	{"reject", FAILURE_REJECT, "Hand the row to the stage's on_error policy."},
	{"null", FAILURE_NULL, "Write a null."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value epochs[] = {
	{"s", 1000000, "Seconds since 1970-01-01."},
	{"ms", 1000, "Milliseconds."},
	{"us", 1, "Microseconds."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct cast_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(columns, .help = "New types, by column.",
	    .example = "{amount: \"decimal(12,2)\", paid_at: timestamp_utc}",
	    .flags = DRIP_OPTION_REQUIRED),
	OPT(on_failure, .help = "What happens to a value that cannot be converted.",
	    .default_text = "reject", .values = failures),
	OPT(epoch, .help = "What integers count that become a time, or are made of one.",
	    .default_text = "s", .values = epochs),
};

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	drip_schema_unref(p->output);
	free(p->columns);
	free(p);
}

static int parse_type(const struct drip_pair *pair, struct drip_column *ret, struct drip_error *err)
{
	int rc = drip_type_parse(pair->value != NULL ? pair->value : "", ret, err);

	if (rc != 0) {
		drip_error_option(err, "columns.%s", pair->key);
	}
	return rc;
}

static int cast_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	const struct cast_config *c = config;

	for (size_t i = 0; i < c->columns.count; i++) {
		struct drip_column to = {.struct_size = sizeof(to)};
		struct drip_error finding = DRIP_ERROR_INIT;

		if (parse_type(&c->columns.items[i], &to, &finding) != 0) {
			report->add(report, DRIP_LOG_ERROR, &finding);
		}
	}
	return 0;
}

static int plan_pair(const struct cast_config *config, const struct drip_pair *pair,
		     const struct drip_schema *input, struct plan *plan,
		     struct drip_schema_builder *b, struct drip_error *err)
{
	int index = drip_schema_require(input, pair->key, "cast.no_column", err);
	struct drip_column to = {.struct_size = sizeof(to)};
	const struct drip_column *from;
	char name[64];
	int rc;

	if (index < 0) {
		drip_error_option(err, "columns.%s", pair->key);
		return index;
	}
	from = drip_schema_column(input, (uint32_t)index);
	rc = parse_type(pair, &to, err);
	if (rc != 0) {
		return rc;
	}
	plan->columns[index].on = true;
	if (!cast_plan(from, &to, config->epoch.value, &plan->columns[index].conversion)) {
		drip_type_name(from, name, sizeof(name));
		rc = drip_error_set(err, -EINVAL, "cast.no_conversion",
				    "cannot cast column '%s' of table '%s' from %s to %s",
				    from->name, input->table, name, pair->value);
		drip_error_option(err, "columns.%s", pair->key);
		return rc;
	}
	if (config->on_failure.value == FAILURE_NULL && (from->flags & DRIP_COLUMN_KEY)) {
		rc = drip_error_set(err, -EINVAL, "cast.null_key",
				    "key column '%s' of table '%s' could become null", from->name,
				    input->table);
		drip_error_hint(err, "Leave on_failure at reject.");
		drip_error_option(err, "on_failure");
		return rc;
	}
	b->columns[index].type = to.type;
	b->columns[index].precision = to.precision;
	b->columns[index].scale = to.scale;
	b->columns[index].length = to.length;
	drip_schema_builder_clear_fill(b, (uint32_t)index); /* of the type before */
	if (config->on_failure.value == FAILURE_NULL) {
		b->columns[index].flags |= DRIP_COLUMN_NULLABLE;
	}
	return 0;
}

static int make_plan(const struct cast_config *config, const struct drip_schema *input,
		     struct plan **ret, struct drip_error *err)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	struct drip_schema_builder b;
	int rc = 0;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	plan->columns = calloc(input->columns_count + 1, sizeof(*plan->columns));
	drip_schema_builder_from(&b, input);
	if (plan->columns == NULL || b.rc != 0) {
		rc = drip_error_nomem(err, (input->columns_count + 1) * sizeof(*plan->columns));
	}
	for (size_t i = 0; rc != -ENOMEM && i < config->columns.count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (plan_pair(config, &config->columns.items[i], input, plan, &b, &one) != 0) {
			rc = drip_error_also(err, rc, &one);
		}
	}
	if (rc == 0) {
		rc = drip_schema_builder_build(&b, &plan->output, err);
	} else {
		drip_schema_builder_finish(&b);
	}
	if (rc != 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static int cast_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct cast *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		return drip_error_nomem(err, sizeof(*c));
	}
	c->ctx = ctx;
	c->config = config;
	c->plans.destroy = destroy_plan;
	*ret_self = c;
	return 0;
}

static void cast_close(void *self)
{
	struct cast *c = self;

	drip_plans_finish(&c->plans);
	free(c);
}

static int cast_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	uint32_t count = input->columns_count;
	struct plan *plan;
	int rc = make_plan(config, input, &plan, err);

	if (rc != 0) {
		return rc;
	}
	ret->edges = calloc(count + 1, sizeof(*ret->edges));
	if (ret->edges == NULL) {
		destroy_plan(plan);
		return drip_error_nomem(err, (count + 1) * sizeof(*ret->edges));
	}
	for (uint32_t i = 0; i < count; i++) {
		ret->edges[i] = (struct drip_lineage_edge){
			i, i,
			plan->columns[i].on ? DRIP_LINEAGE_TRANSFORMATION : DRIP_LINEAGE_IDENTITY};
	}
	ret->edges_count = count;
	ret->output = drip_schema_ref(plan->output);
	destroy_plan(plan);
	return 0;
}

/* Rejects the rows marked in `fails`, for column `index`. */
static int reject_rows(struct cast *c, const struct drip_batch *batch, const struct plan *plan,
		       uint32_t index, const uint8_t *fails, struct drip_error *err)
{
	const struct drip_column *from = &plan->columns[index].conversion.from;
	struct drip_error reason = DRIP_ERROR_INIT;
	char before[64], after[64];
	int rc = 0;

	drip_type_name(from, before, sizeof(before));
	drip_type_name(drip_schema_column(plan->output, index), after, sizeof(after));
	drip_error_set(&reason, -EINVAL, "cast.failed",
		       "column '%s' of table '%s' holds a %s that cannot be cast to %s", from->name,
		       batch->schema->table, before, after);
	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		if (fails[row]) {
			rc = drip_reject(c->ctx, batch, row, &reason, err);
		}
	}
	return rc;
}

/* Rejects the rows that failed in column `index` and in none before it, and marks them in `bad`. */
static int settle(struct cast *c, const struct drip_batch *batch, const struct plan *plan,
		  uint32_t index, uint8_t *fails, uint8_t *bad, struct drip_error *err)
{
	int rc;

	for (int64_t row = 0; row < batch->rows; row++) {
		fails[row] = fails[row] && !bad[row];
		bad[row] |= fails[row];
	}
	rc = reject_rows(c, batch, plan, index, fails, err);
	memset(fails, 0, (size_t)batch->rows);
	return rc;
}

/* Converts all columns; rows that failed and were rejected are marked in `bad`. `fails` is zeroed
 * scratch, one a row. */
static int convert_columns(struct cast *c, const struct drip_batch *batch, const struct plan *plan,
			   struct ArrowArray *columns, uint32_t *ret_done, uint8_t *fails,
			   uint8_t *bad, bool *ret_failed, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < plan->output->columns_count; i++) {
		if (!plan->columns[i].on) {
			rc = drip_column_share(batch, i, &columns[i], err);
			*ret_done += rc == 0;
			continue;
		}
		rc = cast_convert(&plan->columns[i].conversion, batch, i, fails, &columns[i], err);
		*ret_done += rc == 0;
		if (rc != 0 || memchr(fails, 1, (size_t)batch->rows) == NULL) {
			continue;
		}
		if (c->config->on_failure.value == FAILURE_NULL) {
			memset(fails, 0, (size_t)batch->rows);
		} else {
			rc = settle(c, batch, plan, i, fails, bad, err);
			*ret_failed = true;
		}
	}
	return rc;
}

/* Emits `batch` (takes) without the rows marked in `bad`. */
static int emit_good(struct cast *c, struct drip_batch *batch, const uint8_t *bad,
		     struct drip_error *err)
{
	int64_t *rows = calloc((size_t)batch->rows + 1, sizeof(*rows));
	int64_t count = 0;
	int rc;

	if (rows == NULL) {
		drip_batch_unref(batch);
		return drip_error_nomem(err, sizeof(*rows));
	}
	for (int64_t row = 0; row < batch->rows; row++) {
		rows[count] = row;
		count += bad[row] == 0;
	}
	rc = drip_emit_rows(c->ctx, batch, rows, count, err);
	free(rows);
	return rc;
}

static int process_rows(struct cast *c, const struct drip_batch *batch, const struct plan *plan,
			struct drip_error *err)
{
	uint32_t count = plan->output->columns_count, done = 0;
	struct ArrowArray *columns = calloc(count + 1, sizeof(*columns));
	uint8_t *bad = calloc((size_t)batch->rows + 1, 1);
	uint8_t *fails = calloc((size_t)batch->rows + 1, 1);
	struct drip_batch *converted;
	bool failed = false;
	int rc;

	if (columns == NULL || bad == NULL || fails == NULL) {
		rc = drip_error_nomem(err, (size_t)batch->rows);
	} else {
		rc = convert_columns(c, batch, plan, columns, &done, fails, bad, &failed, err);
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, plan->output, columns, &converted, err);
		done = 0;
	}
	while (columns != NULL && done-- > 0) {
		columns[done].release(&columns[done]);
	}
	if (rc == 0) {
		rc = failed ? emit_good(c, converted, bad, err) : drip_emit(c->ctx, converted, err);
	}
	free(columns);
	free(fails);
	free(bad);
	return rc;
}

static int cast_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct cast *c = self;
	struct drip_batch *converted;
	struct plan *plan;
	int rc = 0;

	if (batch->schema == NULL) {
		return drip_emit(c->ctx, batch, err);
	}
	plan = drip_plans_find(&c->plans, batch->schema);
	if (plan == NULL) {
		rc = make_plan(c->config, batch->schema, &plan, err);
		if (rc == 0) {
			rc = drip_plans_put(&c->plans, batch->schema, plan, err);
		}
	}
	if (rc == 0 && batch->kind == DRIP_BATCH_ROWS) {
		rc = process_rows(c, batch, plan, err);
	} else if (rc == 0) {
		rc = drip_batch_with_schema(batch, plan->output, &converted, err);
		rc = rc != 0 ? rc : drip_emit(c->ctx, converted, err);
	}
	drip_batch_unref(batch);
	return rc;
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = cast_check,
	.open = cast_open,
	.close = cast_close,
	.negotiate = cast_negotiate,
	.process = cast_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "cast",
	.summary = "Other types for columns",
	.description = "Converts numbers among each other, text to and from every type, and times "
		       "among each "
		       "other and to and from integers. Numbers round to the nearest, halves away "
		       "from zero; "
		       "what does not fit fails. A timestamp without a zone is taken as UTC.",
	.schema_notes = "The columns named get the new type and keep name, key and class; with "
			"on_failure: null they become nullable.",
	.guarantees = "Row for row, in order, but for rows that are rejected.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct cast_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("cast", DRIP_SDK_VERSION, "Transform that changes types", &component);
