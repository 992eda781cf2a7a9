/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `score`: adds what a model predicts of each row. The version is taken when an epoch
 * begins and kept to its end, so that all rows of an epoch are scored by one version; a version
 * that is promoted meanwhile is used from the next epoch on. One thread.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum without { WITHOUT_NULL = 0, WITHOUT_FAIL };

struct score_config {
	struct drip_connection_ref model;
	struct drip_pairs features;
	const char *prefix;
	struct drip_enum without_version;
};

/* For one schema. */
struct plan {
	struct drip_schema *output;
	struct drip_schema *features; /* the model's columns, in its order */
	uint32_t *columns;            /* of the input, one a feature */
	uint32_t kept;                /* input columns, which come first */
	uint32_t predictions;         /* columns behind them; then the version */
	const enum drip_type *types;  /* of them */
};

struct score {
	struct drip_ctx *ctx;
	const struct score_config *config;
	const struct drip_model *model;
	void *object;
	struct drip_model_version *version; /* of the epoch; NULL: not taken, or there is none */
	bool taken, warned;
	struct drip_plans plans;
};

static const struct drip_enum_value without_values[] = {
	{.name = "null", .value = WITHOUT_NULL, .help = "Rows pass with nulls."},
	{.name = "fail", .value = WITHOUT_FAIL, .help = "The stage fails, and is retried."},
	{.name = NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct score_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(model, .help = "Model to score with, as declared under `models`.",
	    .flags = DRIP_OPTION_REQUIRED, .interface_name = DRIP_MODEL_INTERFACE),
	OPT(features, .help = "Column of each feature that has another name here, by feature.",
	    .example = "{amount: payment_amount}"),
	OPT(prefix, .help = "Begins the names of the columns that are added. Default: the "
			    "model's name and an underscore."),
	OPT(without_version,
	    .help = "What becomes of rows while the model has no version in Production.",
	    .default_text = "null", .values = without_values),
};

static void destroy_plan(void *plan)
{
	struct plan *p = plan;

	drip_schema_unref(p->output);
	drip_schema_unref(p->features);
	free(p->columns);
	free((void *)(uintptr_t)p->types);
	free(p);
}

/* ---- negotiation ---- */

static const char *column_of(const struct score_config *config, const char *feature)
{
	for (size_t i = 0; i < config->features.count; i++) {
		const struct drip_pair *pair = &config->features.items[i];

		if (strcmp(pair->key, feature) == 0 && pair->value != NULL) {
			return pair->value;
		}
	}
	return feature;
}

static int find_columns(const struct score_config *config, const struct drip_model_declaration *d,
			const struct drip_schema *input, struct plan *plan,
			struct drip_schema_builder *b, struct drip_error *err)
{
	for (uint32_t i = 0; i < d->features_count; i++) {
		const char *name = column_of(config, d->features[i]);
		int index = drip_schema_find(input, name);
		struct drip_column column;

		if (index < 0) {
			drip_error_set(err, -EINVAL, "score.no_column",
				       "table '%s' has no column '%s' for feature '%s' of model "
				       "'%s'",
				       input->table, name, d->features[i], d->name);
			drip_error_hint(err, "Say which column it is in `features`, or name the "
					     "tables that the stage is for in `only`.");
			drip_error_option(err, "features");
			return -EINVAL;
		}
		plan->columns[i] = (uint32_t)index;
		column = drip_schema_column_get(input, (uint32_t)index);
		column.name = d->features[i];
		column.flags &= (uint32_t) ~(DRIP_COLUMN_KEY | DRIP_COLUMN_LABEL);
		drip_schema_builder_add(b, &column);
	}
	return 0;
}

static int make_features(const struct score_config *config, const struct drip_model_declaration *d,
			 const struct drip_schema *input, struct plan *plan, struct drip_error *err)
{
	struct drip_schema_builder b;
	int rc;

	plan->columns = calloc((size_t)d->features_count + 1, sizeof(*plan->columns));
	if (plan->columns == NULL) {
		return drip_error_nomem(err, d->features_count * sizeof(*plan->columns));
	}
	drip_schema_builder_init(&b, input->database, input->table);
	rc = find_columns(config, d, input, plan, &b, err);
	if (rc < 0) {
		drip_schema_builder_finish(&b);
		return rc;
	}
	return drip_schema_builder_build(&b, &plan->features, err);
}

/* The highest class of what is looked at: a score tells something of every feature. */
static enum drip_class highest_class(const struct drip_schema *features)
{
	enum drip_class highest = DRIP_CLASS_PUBLIC;

	for (uint32_t i = 0; i < features->columns_count; i++) {
		enum drip_class c = drip_schema_column(features, i)->classification;

		highest = c > highest ? c : highest;
	}
	return highest;
}

static void add_column(struct drip_schema_builder *b, const char *prefix, const char *name,
		       struct drip_column column, enum drip_class classification)
{
	char full[2 * DRIP_NAME_MAX];

	snprintf(full, sizeof(full), "%s%s", prefix, name);
	column.name = full;
	column.flags = DRIP_COLUMN_NULLABLE;
	column.classification = classification;
	drip_schema_builder_add(b, &column);
}

static int make_output(const struct score_config *config, const struct drip_model_declaration *d,
		       const struct drip_schema *input, const struct drip_schema *predictions,
		       struct plan *plan, struct drip_error *err)
{
	const struct drip_column version = {.struct_size = sizeof(version),
					    .type = DRIP_TYPE_INT64};
	enum drip_class highest = highest_class(plan->features);
	enum drip_type *types = calloc((size_t)predictions->columns_count + 1, sizeof(*types));
	struct drip_schema_builder b;
	char prefix[DRIP_NAME_MAX];

	if (types == NULL) {
		return drip_error_nomem(err, predictions->columns_count * sizeof(*types));
	}
	plan->types = types;
	snprintf(prefix, sizeof(prefix), "%s%s", config->prefix != NULL ? config->prefix : d->name,
		 config->prefix != NULL ? "" : "_");
	drip_schema_builder_from(&b, input);
	for (uint32_t i = 0; i < predictions->columns_count; i++) {
		const struct drip_column column = drip_schema_column_get(predictions, i);

		types[i] = column.type;
		add_column(&b, prefix, column.name, column, highest);
	}
	add_column(&b, prefix, "version", version, highest);
	plan->kept = input->columns_count;
	plan->predictions = predictions->columns_count;
	return drip_schema_builder_build(&b, &plan->output, err);
}

static int make_plan(const struct score_config *config, const struct drip_model *model,
		     void *object, const struct drip_schema *input, struct plan **ret,
		     struct drip_error *err)
{
	const struct drip_model_declaration *d = model->declaration(object);
	struct drip_schema *predictions = NULL;
	struct plan *plan = calloc(1, sizeof(*plan));
	int rc;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	rc = make_features(config, d, input, plan, err);
	if (rc == 0) {
		rc = model->negotiate(object, plan->features, &predictions, err);
		if (rc < 0) {
			drip_error_option(err, "model");
		}
	}
	rc = rc == 0 ? make_output(config, d, input, predictions, plan, err) : rc;
	drip_schema_unref(predictions);
	if (rc < 0) {
		destroy_plan(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static int make_edges(const struct plan *plan, struct drip_negotiated *ret, struct drip_error *err)
{
	uint32_t features = plan->features->columns_count, added = plan->predictions + 1;
	size_t count = plan->kept + (size_t)features * added, at = 0;

	ret->edges = calloc(count, sizeof(*ret->edges));
	if (ret->edges == NULL) {
		return drip_error_nomem(err, count * sizeof(*ret->edges));
	}
	for (uint32_t i = 0; i < plan->kept; i++) {
		ret->edges[at++] = (struct drip_lineage_edge){i, i, DRIP_LINEAGE_IDENTITY};
	}
	for (uint32_t out = 0; out < added; out++) {
		for (uint32_t i = 0; i < features; i++) {
			ret->edges[at++] = (struct drip_lineage_edge){
				plan->kept + out, plan->columns[i], DRIP_LINEAGE_TRANSFORMATION};
		}
	}
	ret->edges_count = (uint32_t)at;
	return 0;
}

static int score_negotiate(struct drip_ctx *ctx, const void *config,
			   const struct drip_schema *input, struct drip_negotiated *ret,
			   struct drip_error *err)
{
	const struct score_config *c = config;
	const struct drip_model *model;
	const void *interface;
	struct plan *plan;
	void *object;
	int rc = ctx->host->connection_get(ctx, c->model.name, DRIP_MODEL_INTERFACE, &interface,
					   &object, err);

	if (rc < 0) {
		return rc;
	}
	model = interface;
	rc = make_plan(c, model, object, input, &plan, err);
	if (rc == 0) {
		rc = make_edges(plan, ret, err);
		if (rc == 0) {
			ret->output = drip_schema_ref(plan->output);
		}
		destroy_plan(plan);
	}
	ctx->host->connection_put(ctx, c->model.name, DRIP_MODEL_INTERFACE, object);
	return rc;
}

/* ---- life ---- */

/* A version in Production that cannot score stops the pipeline before a row is read. */
static int check_version(struct score *s, struct drip_error *err)
{
	struct drip_model_version *v = NULL;
	struct drip_error why = DRIP_ERROR_INIT;
	int rc = s->model->acquire(s->object, &v, &why);

	if (rc < 0 && rc != -ENOENT) {
		if (err != NULL) {
			*err = why;
		}
		return rc;
	}
	s->model->release(v);
	return 0;
}

static int score_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct score *s = calloc(1, sizeof(*s));
	const void *interface;
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->config = config;
	s->plans.destroy = destroy_plan;
	rc = ctx->host->connection_get(ctx, s->config->model.name, DRIP_MODEL_INTERFACE, &interface,
				       &s->object, err);
	if (rc < 0) {
		free(s);
		return rc;
	}
	s->model = interface;
	rc = check_version(s, err);
	if (rc < 0) {
		ctx->host->connection_put(ctx, s->config->model.name, DRIP_MODEL_INTERFACE,
					  s->object);
		free(s);
		return rc;
	}
	*ret_self = s;
	return 0;
}

static void let_go(struct score *s)
{
	s->model->release(s->version);
	s->version = NULL;
	s->taken = false;
}

static void score_close(void *self)
{
	struct score *s = self;

	let_go(s);
	drip_plans_finish(&s->plans);
	s->ctx->host->connection_put(s->ctx, s->config->model.name, DRIP_MODEL_INTERFACE,
				     s->object);
	free(s);
}

/* Takes the version of this epoch. */
static int take(struct score *s, struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	int rc;

	if (s->taken) {
		return 0;
	}
	rc = s->model->acquire(s->object, &s->version, &why);
	if (rc < 0 && (rc != -ENOENT || s->config->without_version.value == WITHOUT_FAIL)) {
		if (err != NULL) {
			*err = why;
		}
		return rc;
	}
	if (rc < 0) {
		s->version = NULL;
		if (!s->warned) {
			drip_log_warning(s->ctx, "%s: rows pass with nulls", why.message);
		}
		s->warned = true;
	} else {
		s->warned = false;
		s->ctx->host->gauge_set(s->ctx, "version",
					(double)s->model->info(s->version)->version);
	}
	s->taken = true;
	return 0;
}

static int score_flush(void *self, struct drip_error *err)
{
	let_go(self);
	return 0;
}

/* ---- rows ---- */

/* (gives) a column of `rows` nulls, or of `value` where it is not 0. */
static int make_column(enum drip_type type, int64_t rows, int64_t value, struct ArrowArray *ret,
		       struct drip_error *err)
{
	struct drip_column_builder c;
	int rc = drip_column_builder_init(&c, type, rows, err);

	for (int64_t row = 0; rc == 0 && row < rows; row++) {
		if (value != 0) {
			drip_append_i64(&c, value);
		} else {
			drip_append_null(&c);
		}
	}
	rc = rc == 0 ? drip_column_builder_build(&c, ret, err) : rc;
	drip_column_builder_finish(&c);
	return rc;
}

/* (gives) *ret holds the features alone, in the model's order. */
static int pick_features(const struct plan *plan, const struct drip_batch *batch,
			 struct drip_batch **ret, struct drip_error *err)
{
	uint32_t count = plan->features->columns_count, done = 0;
	struct ArrowArray *columns = calloc((size_t)count + 1, sizeof(*columns));
	int rc = columns == NULL ? drip_error_nomem(err, count * sizeof(*columns)) : 0;

	while (rc == 0 && done < count) {
		rc = drip_column_share(batch, plan->columns[done], &columns[done], err);
		done += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, plan->features, columns, ret, err);
	} else {
		while (done-- > 0) {
			columns[done].release(&columns[done]);
		}
	}
	free(columns);
	return rc;
}

static int check_predictions(const struct plan *plan, const struct drip_batch *batch,
			     const struct drip_batch *predictions, struct drip_error *err)
{
	bool good = predictions->rows == batch->rows &&
		    predictions->schema->columns_count == plan->predictions;

	for (uint32_t i = 0; good && i < plan->predictions; i++) {
		good = drip_schema_column(predictions->schema, i)->type == plan->types[i];
	}
	return good ? 0
		    : drip_error_set(err, -EINVAL, "score.bad_predictions",
				     "the model yields other columns or rows than it negotiated");
}

static int predict(struct score *s, const struct plan *plan, const struct drip_batch *batch,
		   struct drip_batch **ret, struct drip_error *err)
{
	struct drip_batch *features;
	int rc = pick_features(plan, batch, &features, err);

	if (rc < 0) {
		return rc;
	}
	rc = s->model->predict(s->version, features, ret, err);
	drip_batch_unref(features);
	if (rc == 0) {
		rc = check_predictions(plan, batch, *ret, err);
		if (rc < 0) {
			drip_batch_unref(*ret);
			*ret = NULL;
		}
	}
	return rc;
}

static int fill_columns(struct score *s, const struct plan *plan, const struct drip_batch *batch,
			const struct drip_batch *predictions, struct ArrowArray *columns,
			uint32_t *done, struct drip_error *err)
{
	int64_t version = s->version != NULL ? s->model->info(s->version)->version : 0;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < plan->output->columns_count; i++) {
		if (i < plan->kept) {
			rc = drip_column_share(batch, i, &columns[i], err);
		} else if (i == plan->kept + plan->predictions) {
			rc = make_column(DRIP_TYPE_INT64, batch->rows, version, &columns[i], err);
		} else if (predictions == NULL) {
			rc = make_column(plan->types[i - plan->kept], batch->rows, 0, &columns[i],
					 err);
		} else {
			rc = drip_column_share(predictions, i - plan->kept, &columns[i], err);
		}
		*done += rc == 0;
	}
	return rc;
}

static int score_rows(struct score *s, const struct plan *plan, const struct drip_batch *batch,
		      struct drip_batch **ret, struct drip_error *err)
{
	struct drip_batch *predictions = NULL;
	uint32_t done = 0;
	struct ArrowArray *columns =
		calloc((size_t)plan->output->columns_count + 1, sizeof(*columns));
	int rc = columns == NULL ? drip_error_nomem(err, sizeof(*columns)) : take(s, err);

	if (rc == 0 && s->version != NULL) {
		rc = predict(s, plan, batch, &predictions, err);
	}
	rc = rc == 0 ? fill_columns(s, plan, batch, predictions, columns, &done, err) : rc;
	if (rc == 0) {
		rc = drip_batch_derive(batch, plan->output, columns, ret, err);
		s->ctx->host->counter_add(s->ctx, "rows_total",
					  s->version != NULL ? (double)batch->rows : 0);
	} else {
		while (done-- > 0) {
			columns[done].release(&columns[done]);
		}
	}
	drip_batch_unref(predictions);
	free(columns);
	return rc;
}

static int find_plan(struct score *s, const struct drip_schema *schema, struct plan **ret,
		     struct drip_error *err)
{
	int rc;

	*ret = drip_plans_find(&s->plans, schema);
	if (*ret != NULL) {
		return 0;
	}
	rc = make_plan(s->config, s->model, s->object, schema, ret, err);
	return rc == 0 ? drip_plans_put(&s->plans, schema, *ret, err) : rc;
}

/* (gives) the control batch with the schema of what goes out. */
static int control(const struct plan *plan, const struct drip_batch *batch, struct drip_batch **ret,
		   struct drip_error *err)
{
	int rc = drip_batch_create_control(batch->kind, plan->output, ret, err);

	if (rc == 0) {
		(*ret)->boundary = batch->boundary;
		(*ret)->snapshot = batch->snapshot;
		(*ret)->commit_time_us = batch->commit_time_us;
		(*ret)->position = batch->position;
	}
	return rc;
}

static int score_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct score *s = self;
	struct drip_batch *out = NULL;
	struct plan *plan;
	int rc;

	if (batch->schema == NULL) {
		return drip_emit(s->ctx, batch, err);
	}
	rc = find_plan(s, batch->schema, &plan, err);
	if (rc == 0) {
		rc = batch->kind == DRIP_BATCH_ROWS ? score_rows(s, plan, batch, &out, err)
						    : control(plan, batch, &out, err);
	}
	drip_batch_unref(batch);
	return rc == 0 ? drip_emit(s->ctx, out, err) : rc;
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.open = score_open,
	.close = score_close,
	.negotiate = score_negotiate,
	.process = score_process,
	.flush = score_flush,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "score",
	.summary = "Adds what a model predicts of each row",
	.description =
		"Scores each row with the version of a model that is in Production, in a stream "
		"or in a batch. All rows of an epoch are scored by one version; one that is "
		"promoted is used from the next epoch on.",
	.schema_notes =
		"Adds the model's predictions (`MODEL_score`, and what else the model yields) and "
		"`MODEL_version`. Each carries the highest class among the features, and descends "
		"from every feature.",
	.guarantees = "Rows keep their order. A replay after a failure may score with a newer "
		      "version.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct score_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("score", DRIP_SDK_VERSION, "Transform that scores rows with a model", &component);
