/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `drop`: leaves columns or whole tables out. Buffers of what stays are shared. One
 * thread. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drop_config {
	struct drip_strings columns, keep, tables, keep_tables;
	bool allow_key;
};

struct drop {
	struct drip_ctx *ctx;
	const struct drop_config *config;
	struct drip_plans plans;
};

/* What becomes of one table. */
struct plan {
	struct drip_schema *output; /* NULL: the table does not pass */
	uint32_t *from;             /* input column of each output column */
	bool same;                  /* nothing is left out */
};

#define OPT(member, ...) DRIP_OPTION(struct drop_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(columns, .help = "Columns to leave out: names, or patterns with * and ?.",
	    .example = "[internal_note, tmp_*]"),
	OPT(keep, .help = "Columns to keep, all others are left out: names or patterns."),
	OPT(tables,
	    .help = "Tables to leave out: patterns, matched against database.table where they have "
		    "a dot."),
	OPT(keep_tables, .help = "Tables to keep, all others are left out: patterns."),
	OPT(allow_key,
	    .help = "Allow a column of the primary key to be left out. The table has no key then.",
	    .default_text = "false"),
};

static const struct drip_rule rules[] = {
	{sizeof(struct drip_rule), DRIP_RULE_EXCLUDES, {"columns", "keep"}},
	{sizeof(struct drip_rule), DRIP_RULE_EXCLUDES, {"tables", "keep_tables"}},
	{sizeof(struct drip_rule),
	 DRIP_RULE_AT_LEAST_ONE,
	 {"columns", "keep", "tables", "keep_tables"}},
};

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	drip_schema_unref(p->output);
	free(p->from);
	free(p);
}

static bool matches(const struct drip_strings *patterns, const char *name)
{
	for (size_t i = 0; i < patterns->count; i++) {
		if (drip_glob_match(patterns->items[i], name, NULL, NULL)) {
			return true;
		}
	}
	return false;
}

static bool matches_table(const struct drip_strings *patterns, const struct drip_schema *schema)
{
	for (size_t i = 0; i < patterns->count; i++) {
		if (drip_glob_table(patterns->items[i], schema->database, schema->table)) {
			return true;
		}
	}
	return false;
}

/* A plain name that is not a column is a mistake; a pattern may match nothing. */
static int check_names(const struct drip_strings *names, const char *option,
		       const struct drip_schema *input, struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < names->count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (strpbrk(names->items[i], "*?") == NULL &&
		    drip_schema_require(input, names->items[i], "drop.no_column", &one) < 0) {
			drip_error_option(&one, "%s[%zu]", option, i);
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

static int drops_key(const struct drop_config *config, const struct drip_schema *input,
		     const struct drip_column *column, int rc, struct drip_error *err)
{
	struct drip_error one = DRIP_ERROR_INIT;

	drip_error_set(&one, -EINVAL, "drop.key", "column '%s' is part of the key of table '%s'",
		       column->name, input->table);
	drip_error_hint(&one, "Keep it, or give up the key with allow_key: true.");
	drip_error_option(&one, "%s", config->keep.count != 0 ? "keep" : "columns");
	return drip_error_also(err, rc, &one);
}

/* Fills plan->from; *ret_keyless is set where a part of the key is left out. */
static int choose(const struct drop_config *config, const struct drip_schema *input,
		  struct plan *plan, uint32_t *ret_count, bool *ret_keyless, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < input->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(input, i);
		bool keep = config->keep.count != 0 ? matches(&config->keep, column->name)
						    : !matches(&config->columns, column->name);

		if (keep) {
			plan->from[(*ret_count)++] = i;
		} else if (column->flags & DRIP_COLUMN_KEY) {
			if (!config->allow_key) {
				rc = drops_key(config, input, column, rc, err);
			}
			*ret_keyless = true;
		}
	}
	if (rc == 0 && *ret_count == 0) {
		drip_error_set(err, -EINVAL, "drop.all_columns",
			       "no column of table '%s' would be left", input->table);
		drip_error_hint(err, "Leave the table out with `tables`.");
		drip_error_option(err, "%s", config->keep.count != 0 ? "keep" : "columns");
		return -EINVAL;
	}
	return rc;
}

static int fill_plan(const struct drop_config *config, const struct drip_schema *input,
		     struct plan *plan, struct drip_error *err)
{
	struct drip_schema_builder b;
	bool keyless = false;
	uint32_t count = 0;
	int rc;

	if (matches_table(&config->tables, input) ||
	    (config->keep_tables.count != 0 && !matches_table(&config->keep_tables, input))) {
		return 0;
	}
	rc = check_names(&config->columns, "columns", input, err);
	if (rc == 0) {
		rc = check_names(&config->keep, "keep", input, err);
	}
	if (rc == 0) {
		rc = choose(config, input, plan, &count, &keyless, err);
	}
	if (rc != 0) {
		return rc;
	}
	plan->same = count == input->columns_count;
	drip_schema_builder_init(&b, input->database, input->table);
	b.version = input->version;
	for (uint32_t i = 0; i < count; i++) {
		struct drip_column column = drip_schema_column_get(input, plan->from[i]);

		if (keyless) {
			column.flags &= ~(uint32_t)DRIP_COLUMN_KEY;
		}
		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, &plan->output, err);
}

static int make_plan(const struct drop_config *config, const struct drip_schema *input,
		     struct plan **ret, struct drip_error *err)
{
	struct plan *plan = calloc(1, sizeof(*plan));
	int rc;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	plan->from = calloc(input->columns_count + 1, sizeof(*plan->from));
	rc = plan->from == NULL
		     ? drip_error_nomem(err, (input->columns_count + 1) * sizeof(*plan->from))
		     : fill_plan(config, input, plan, err);
	if (rc != 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static int drop_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct drop *d = calloc(1, sizeof(*d));

	if (d == NULL) {
		return drip_error_nomem(err, sizeof(*d));
	}
	d->ctx = ctx;
	d->config = config;
	d->plans.destroy = destroy_plan;
	*ret_self = d;
	return 0;
}

static void drop_close(void *self)
{
	struct drop *d = self;

	drip_plans_finish(&d->plans);
	free(d);
}

static int drop_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	struct plan *plan;
	int rc = make_plan(config, input, &plan, err);

	if (rc != 0) {
		return rc;
	}
	ret->output = drip_schema_ref(plan->output);
	destroy_plan(plan);
	return 0;
}

/* (gives) the columns that stay. */
static int keep_columns(const struct drip_batch *batch, const struct plan *plan,
			struct drip_batch **ret, struct drip_error *err)
{
	uint32_t count = plan->output->columns_count, done = 0;
	struct ArrowArray *columns = calloc(count, sizeof(*columns));
	int rc = columns == NULL ? drip_error_nomem(err, count * sizeof(*columns)) : 0;

	while (rc == 0 && batch->kind == DRIP_BATCH_ROWS && done < count) {
		rc = drip_column_share(batch, plan->from[done], &columns[done], err);
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

static int drop_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct drop *d = self;
	struct drip_batch *kept;
	struct plan *plan;
	int rc = 0;

	if (batch->schema == NULL) {
		return drip_emit(d->ctx, batch, err);
	}
	plan = drip_plans_find(&d->plans, batch->schema);
	if (plan == NULL) {
		rc = make_plan(d->config, batch->schema, &plan, err);
		if (rc == 0) {
			rc = drip_plans_put(&d->plans, batch->schema, plan, err);
		}
		if (rc != 0) {
			drip_batch_unref(batch);
			return rc;
		}
	}
	if (plan->output == NULL) {
		d->ctx->host->filtered(d->ctx, batch->rows);
		return drip_emit_mark(d->ctx, batch, err);
	}
	if (plan->same) {
		return drip_emit(d->ctx, batch, err);
	}
	rc = keep_columns(batch, plan, &kept, err);
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(d->ctx, kept, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.open = drop_open,
	.close = drop_close,
	.negotiate = drop_negotiate,
	.process = drop_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "drop",
	.summary = "Leaves columns or tables out",
	.description =
		"Leaves out columns by name or pattern, or keeps only those named; and whole "
		"tables by pattern.",
	.schema_notes = "The table without the columns. Where a part of the key is left out, which "
			"must be allowed, the table has no key.",
	.guarantees = "Row for row, in order, without copying values. Rows of tables that are left "
		      "out count as filtered.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct drop_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.rules = rules,
	.rules_count = DRIP_COUNT(rules),
	.ops = &ops,
};

DRIP_PLUGIN("drop", DRIP_SDK_VERSION, "Transform that leaves columns or tables out", &component);
