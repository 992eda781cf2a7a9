/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sink `train`: trains a model on the rows of each epoch, measures it on rows that are younger than
 * those, beside the version in Production and plain baselines, and registers it. Between write and
 * commit it holds references to the batches. One thread.
 */
#include "train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct train {
	struct drip_ctx *ctx;
	const struct train_config *config;
	const struct drip_model *model;
	void *object;
	const struct drip_batch **batches; /* of the open epoch */
	size_t count, capacity;
	int64_t rows;
	uint64_t bytes;
	struct drip_position position; /* of the last batch */
};

/* What one training has, to its end. */
struct session {
	struct train *t;
	const struct drip_model_declaration *declaration;
	struct drip_schema *schema;
	struct train_set set;
	struct train_part train, hold_out;
	double *labels; /* of the hold-out; NULL: there is no label */
	struct drip_model_version *candidate;
	struct train_figures figures;
	double quality, production_quality;
	int64_t production;
	struct drip_text metrics, training;
};

static const struct drip_enum_value measures[] = {
	{.name = "auc", .value = MEASURE_AUC, .help = "Area under the ROC curve."},
	{.name = "pr_auc", .value = MEASURE_PR_AUC, .help = "Average precision."},
	{.name = NULL},
};

static const struct drip_enum_value baseline_kinds[] = {
	{.name = "value", .value = BASELINE_VALUE, .help = "The column itself is the score."},
	{.name = "zscore",
	 .value = BASELINE_ZSCORE,
	 .help = "How many standard deviations it is from the mean of training."},
	{.name = "logistic",
	 .value = BASELINE_LOGISTIC,
	 .help = "A logistic regression over all features."},
	{.name = NULL},
};

static const struct drip_option baseline_options[] = {
	DRIP_OPTION(struct train_baseline, name, .help = "Its name in the metrics.",
		    .flags = DRIP_OPTION_REQUIRED),
	DRIP_OPTION(struct train_baseline, kind, .help = "What scores the rows.",
		    .flags = DRIP_OPTION_REQUIRED, .values = baseline_kinds),
	DRIP_OPTION(struct train_baseline, column,
		    .help = "Feature that the rule looks at; not for logistic."),
	DRIP_OPTION(struct train_baseline, lower, .help = "Lower values mean positive.",
		    .default_text = "false"),
};

#define OPT(member, ...) DRIP_OPTION(struct train_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(model, .help = "Model to train, as declared under `models`.",
	    .flags = DRIP_OPTION_REQUIRED, .interface_name = DRIP_MODEL_INTERFACE),
	OPT(time,
	    .help = "Column by which rows are ordered, so that the youngest are held out. Without "
		    "it: as they come."),
	OPT(hold_out, .help = "Share of the rows that are held out to measure with.",
	    .default_text = "0.2", .min = 0.01, .max = 0.9),
	OPT(measure, .help = "What decides whether a version is worse than another.",
	    .default_text = "auc", .values = measures),
	OPT(k, .help = "How many of the highest scores precision at k looks at.",
	    .default_text = "100", .min = 1, .max = 1e9, .unit = "rows"),
	OPT(baselines, .help = "What else is measured on the same rows.",
	    .children = baseline_options, .children_count = DRIP_COUNT(baseline_options),
	    .child_size = sizeof(struct train_baseline)),
	OPT(promote,
	    .help = "Ask for Production at once: the version gets there where it is not worse and "
		    "the model wants no approval.",
	    .default_text = "false"),
	OPT(rows_min, .help = "Fewer rows than this are not trained on: the sink fails.",
	    .default_text = "100", .min = 2, .max = 1e9, .unit = "rows"),
	OPT(rows_max, .help = "More rows than this are refused.", .default_text = "10000000",
	    .min = 2, .max = 1e9, .unit = "rows"),
	OPT(memory, .help = "More data than this are refused.", .default_text = "1GiB",
	    .min = 1 << 20, .max = (double)(1ll << 40)),
};

/* ---- life and negotiation ---- */

static int train_check(struct drip_ctx *ctx, const void *config, bool connect,
		       struct drip_report *report, struct drip_error *err)
{
	const struct train_config *c = config;
	const struct train_baseline *items = c->baselines.items;

	for (size_t i = 0; i < c->baselines.count; i++) {
		struct drip_error finding = DRIP_ERROR_INIT;

		if ((items[i].column == NULL) == (items[i].kind.value == BASELINE_LOGISTIC)) {
			continue;
		}
		drip_error_set(&finding, -EINVAL, "train.baseline_column",
			       items[i].column == NULL
				       ? "baseline \"%s\" needs a column"
				       : "baseline \"%s\" looks at all features, not at a column",
			       items[i].name);
		drip_error_option(&finding, "baselines[%zu].column", i);
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

static int train_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct train *t = calloc(1, sizeof(*t));
	const void *interface;
	int rc;

	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	t->ctx = ctx;
	t->config = config;
	rc = ctx->host->connection_get(ctx, t->config->model.name, DRIP_MODEL_INTERFACE, &interface,
				       &t->object, err);
	if (rc < 0) {
		free(t);
		return rc;
	}
	t->model = interface;
	*ret_self = t;
	return 0;
}

static int train_abort(void *self, struct drip_error *err)
{
	struct train *t = self;

	for (size_t i = 0; i < t->count; i++) {
		drip_batch_unref(t->batches[i]);
	}
	t->count = 0;
	t->rows = 0;
	t->bytes = 0;
	return 0;
}

static void train_close(void *self)
{
	struct train *t = self;

	(void)train_abort(t, NULL);
	free(t->batches);
	t->ctx->host->connection_put(t->ctx, t->config->model.name, DRIP_MODEL_INTERFACE,
				     t->object);
	free(t);
}

static int train_negotiate(struct drip_ctx *ctx, const void *config,
			   const struct drip_schema *input, struct drip_negotiated *ret,
			   struct drip_error *err)
{
	const struct train_config *c = config;
	const struct drip_model_declaration *d;
	const struct drip_model *model;
	const void *interface;
	void *object;
	int rc = ctx->host->connection_get(ctx, c->model.name, DRIP_MODEL_INTERFACE, &interface,
					   &object, err);

	if (rc < 0) {
		return rc;
	}
	model = interface;
	d = model->declaration(object);
	rc = train_schema(d, input, &ret->output, err);
	snprintf(ret->dataset, sizeof(ret->dataset), "model.%s", d->name);
	snprintf(ret->action, sizeof(ret->action), "train model %s on %u features", d->name,
		 d->features_count);
	ctx->host->connection_put(ctx, c->model.name, DRIP_MODEL_INTERFACE, object);
	return rc;
}

/* ---- collecting ---- */

static int too_large(struct train *t, struct drip_error *err)
{
	drip_error_set(err, -E2BIG, "train.too_large",
		       "the training set of model %s has more than %lld rows or %llu bytes",
		       t->config->model.name, (long long)t->config->rows_max,
		       (unsigned long long)t->config->memory.bytes);
	drip_error_hint(err, "Sample the rows in the query, or raise rows_max and memory.");
	return -E2BIG;
}

static int train_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct train *t = self;
	const struct drip_batch **grown;

	if (batch->kind != DRIP_BATCH_ROWS || batch->rows == 0) {
		return 0;
	}
	if (t->count != 0 && !drip_schema_equal(t->batches[0]->schema, batch->schema)) {
		return drip_error_set(err, -EINVAL, "train.schema",
				      "the rows of one training set must have one schema: table "
				      "%s differs from %s",
				      batch->schema->table, t->batches[0]->schema->table);
	}
	if (t->rows + batch->rows > t->config->rows_max ||
	    t->bytes + batch->bytes > t->config->memory.bytes) {
		return too_large(t, err);
	}
	if (t->count == t->capacity) {
		size_t capacity = t->capacity == 0 ? 64 : 2 * t->capacity;

		grown = realloc(t->batches, capacity * sizeof(struct drip_batch *));
		if (grown == NULL) {
			return drip_error_nomem(err, capacity * sizeof(struct drip_batch *));
		}
		t->batches = grown;
		t->capacity = capacity;
	}
	t->batches[t->count++] = drip_batch_ref(batch);
	t->rows += batch->rows;
	t->bytes += batch->bytes;
	t->position = batch->position;
	return 0;
}

/* ---- training ---- */

static int fit(struct session *s, struct drip_error *err)
{
	struct train *t = s->t;
	struct ArrowArrayStream stream;
	int rc = drip_batches_stream((const struct drip_batch *const *)s->train.items,
				     s->train.count, &stream, err);

	if (rc < 0) {
		return rc;
	}
	rc = t->model->fit(t->object, &stream, s->schema, &s->candidate, err);
	stream.release(&stream);
	return rc;
}

/* The column that ranks rows: `score`, otherwise the first that is a float64. */
static int score_column(const struct drip_schema *predictions)
{
	int index = drip_schema_find(predictions, "score");

	for (uint32_t i = 0; index < 0 && i < predictions->columns_count; i++) {
		if (drip_schema_column(predictions, i)->type == DRIP_TYPE_FLOAT64) {
			index = (int)i;
		}
	}
	return index;
}

typedef int predict_fn(const struct drip_model_version *version, const struct drip_batch *rows,
		       struct drip_batch **ret_predictions, struct drip_error *err);

/* (gives) what a version says of the hold-out, by predict or uncalibrated. */
static int predict(struct session *s, predict_fn *ask, const struct drip_model_version *version,
		   double **ret, struct drip_error *err)
{
	double *scores = malloc((s->hold_out.rows + 1) * sizeof(*scores));
	size_t at = 0;
	int rc = scores == NULL ? drip_error_nomem(err, s->hold_out.rows * sizeof(*scores)) : 0;

	for (size_t i = 0; i < s->hold_out.count && rc == 0; i++) {
		struct drip_batch *out;
		int column;

		rc = ask(version, s->hold_out.items[i], &out, err);
		if (rc < 0) {
			break;
		}
		column = score_column(out->schema);
		if (column < 0 || out->rows != s->hold_out.items[i]->rows) {
			rc = drip_error_set(err, -EINVAL, "train.no_score",
					    "model %s yields no score to measure",
					    s->declaration->name);
		}
		for (int64_t row = 0; rc == 0 && row < out->rows; row++) {
			struct drip_value v;

			drip_value_get(out, (uint32_t)column, row, &v);
			scores[at++] = v.type == DRIP_TYPE_NONE ? (double)NAN : v.f;
		}
		drip_batch_unref(out);
	}
	if (rc < 0) {
		free(scores);
		return rc;
	}
	*ret = scores;
	return 0;
}

static double quality_of(const struct session *s, const struct train_figures *f)
{
	return s->t->config->measure.value == MEASURE_AUC ? f->auc : f->pr_auc;
}

static int evaluate(struct session *s, double *scores, struct train_figures *ret,
		    struct drip_error *err)
{
	return train_evaluate(scores, s->labels, s->hold_out.rows, (size_t)s->t->config->k, ret,
			      err);
}

static int measure_one(struct session *s, predict_fn *ask, const char *key,
		       struct train_figures *ret, struct drip_error *err)
{
	double *scores;
	int rc = predict(s, ask, s->candidate, &scores, err);

	if (rc < 0) {
		return rc;
	}
	rc = evaluate(s, scores, ret, err);
	free(scores);
	if (rc == 0) {
		drip_text_puts(&s->metrics, key);
		train_figures_json(ret, &s->metrics);
	}
	return rc;
}

/* A probability is measured as it was before calibration too. */
static int measure_candidate(struct session *s, struct drip_error *err)
{
	const struct drip_model *m = s->t->model;
	const struct drip_model_info *info = m->info(s->candidate);
	struct train_figures before;
	int rc = measure_one(s, m->predict, "\"hold_out\":", &s->figures, err);

	s->quality = rc == 0 ? quality_of(s, &s->figures) : (double)NAN;
	if (rc == 0 && DRIP_HAS(info, score_kind) && info->score_kind != NULL &&
	    strcmp(info->score_kind, "probability") == 0 && DRIP_HAS(m, uncalibrated)) {
		rc = measure_one(s, m->uncalibrated, ",\"uncalibrated\":", &before, err);
	}
	return rc;
}

/* A version that cannot be loaded or does not fit these rows is not compared with: the registry
 * then refuses a promotion that is not forced. */
static int measure_production(struct session *s, struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_model_version *v = NULL;
	struct train_figures f;
	double *scores;
	char text[64];
	int rc = s->t->model->acquire(s->t->object, &v, &why);

	rc = rc == 0 ? predict(s, s->t->model->predict, v, &scores, &why) : rc;
	if (rc < 0) {
		if (rc != -ENOENT) {
			drip_log_warning(s->t->ctx, "the version in Production is not measured: %s",
					 why.message);
		}
		s->t->model->release(v);
		return 0;
	}
	s->production = s->t->model->info(v)->version;
	s->t->model->release(v);
	rc = evaluate(s, scores, &f, err);
	free(scores);
	if (rc == 0) {
		s->production_quality = quality_of(s, &f);
		snprintf(text, sizeof(text), ",\"production\":{\"version\":%lld,\"hold_out\":",
			 (long long)s->production);
		drip_text_puts(&s->metrics, text);
		train_figures_json(&f, &s->metrics);
		drip_text_puts(&s->metrics, "}");
	}
	return rc;
}

static int measure_baselines(struct session *s, struct drip_error *err)
{
	const struct drip_objects *all = &s->t->config->baselines;
	int rc = 0;

	drip_text_puts(&s->metrics, ",\"baselines\":[");
	for (size_t i = 0; i < all->count && rc == 0; i++) {
		const struct train_baseline *b = &((const struct train_baseline *)all->items)[i];
		struct train_figures f;
		double *scores;

		rc = train_baseline_scores(b, &s->train, &s->hold_out, s->schema,
					   s->declaration->label, &scores, err);
		if (rc < 0) {
			return rc;
		}
		rc = evaluate(s, scores, &f, err);
		free(scores);
		drip_text_puts(&s->metrics, i == 0 ? "{\"name\":" : ",{\"name\":");
		drip_text_json_string(&s->metrics, b->name, strlen(b->name));
		drip_text_puts(&s->metrics, ",\"hold_out\":");
		train_figures_json(&f, &s->metrics);
		drip_text_puts(&s->metrics, "}");
		if (rc == 0) {
			drip_log_info(s->t->ctx, "baseline %s: auc %.4f, pr_auc %.4f", b->name,
				      f.auc, f.pr_auc);
		}
	}
	drip_text_puts(&s->metrics, "]");
	return rc;
}

static int measure(struct session *s, struct drip_error *err)
{
	const char *fitted = s->t->model->info(s->candidate)->metrics_json;
	int rc = 0;

	drip_text_puts(&s->metrics, "{");
	if (s->labels != NULL) {
		rc = measure_candidate(s, err);
		rc = rc == 0 ? measure_production(s, err) : rc;
		rc = rc == 0 ? measure_baselines(s, err) : rc;
		drip_text_puts(&s->metrics, ",");
	}
	drip_text_puts(&s->metrics, "\"fit\":");
	drip_text_puts(&s->metrics, fitted != NULL ? fitted : "{}");
	drip_text_puts(&s->metrics, "}");
	drip_text_put(&s->metrics, "", 1);
	return rc == 0 ? drip_text_check(&s->metrics, err) : rc;
}

/* ---- what is kept of the training set ---- */

static void put_string(struct drip_text *t, const char *key, const char *value)
{
	drip_text_puts(t, key);
	drip_text_json_string(t, value, strlen(value));
}

static void put_number(struct drip_text *t, const char *key, double value)
{
	drip_text_puts(t, key);
	train_put_number(t, value);
}

static int describe_training(struct session *s, struct drip_error *err)
{
	const struct drip_schema *input = s->t->batches[0]->schema;
	struct drip_text *t = &s->training;

	put_string(t, "{\"pipeline\":", s->t->ctx->pipeline);
	put_string(t, ",\"stage\":", s->t->ctx->stage);
	put_string(t, ",\"datasets\":[{\"database\":", input->database);
	put_string(t, ",\"table\":", input->table);
	drip_text_puts(t, "}]");
	put_string(t, ",\"position\":", s->t->position.text);
	put_number(t, ",\"rows\":", (double)s->set.count);
	put_number(t, ",\"rows_trained\":", (double)s->set.train);
	put_number(t, ",\"rows_held_out\":", (double)(s->set.count - s->set.train));
	if (s->set.has_time) {
		put_string(t, ",\"time\":{\"column\":", s->t->config->time);
		put_number(t, ",\"from\":", s->set.time_from);
		put_number(t, ",\"to\":", s->set.time_to);
		put_number(t, ",\"hold_out_from\":", s->set.time_cut);
		drip_text_puts(t, "}");
	}
	if (s->declaration->label != NULL) {
		put_string(t, ",\"label\":", s->declaration->label);
	}
	drip_text_puts(t, "}");
	drip_text_put(t, "", 1);
	return drip_text_check(t, err);
}

static void log_version(const struct session *s, const struct drip_model_added *added,
			const char *measure)
{
	char figures[96] = "not measured";

	if (isfinite(s->quality)) {
		snprintf(figures, sizeof(figures), "%s %.4f, precision at %zu %.4f", measure,
			 s->quality, s->figures.k, s->figures.precision_at_k);
	}
	drip_log_info(s->t->ctx, "model %s version %lld: %s, %s%s", s->declaration->name,
		      (long long)added->version, figures,
		      added->promoted ? "in Production" : "not promoted: ",
		      added->promoted            ? ""
		      : added->reason[0] != '\0' ? added->reason
						 : "nobody asked for it");
}

static int register_version(struct session *s, struct drip_error *err)
{
	struct train *t = s->t;
	const struct drip_model_facts facts = {
		.struct_size = sizeof(facts),
		.metrics_json = s->metrics.data,
		.training_json = s->training.data,
		.measure = t->config->measure.value == MEASURE_AUC ? "auc" : "pr_auc",
		.quality = s->quality,
		.compared_version = s->production,
		.compared_quality = s->production_quality,
		.promote = t->config->promote};
	struct drip_model_added added = {.struct_size = sizeof(added)};
	int rc = t->model->add(t->object, s->candidate, &facts, &added, err);

	if (rc < 0) {
		return rc;
	}
	t->ctx->host->gauge_set(t->ctx, "version", (double)added.version);
	t->ctx->host->counter_add(t->ctx, "versions_total", 1);
	if (isfinite(s->quality)) {
		t->ctx->host->gauge_set(t->ctx, "quality", s->quality);
	}
	log_version(s, &added, facts.measure);
	return 0;
}

static int train_session(struct session *s, struct drip_error *err)
{
	struct train *t = s->t;
	int rc = train_schema(s->declaration, t->batches[0]->schema, &s->schema, err);

	rc = rc == 0 ? train_set_make(&s->set, t->batches, t->count, t->config, err) : rc;
	rc = rc == 0 ? train_part_make(&s->set, 0, s->set.train, s->schema, &s->train, err) : rc;
	rc = rc == 0 ? train_part_make(&s->set, s->set.train, s->set.count, s->schema, &s->hold_out,
				       err)
		     : rc;
	if (rc == 0 && s->declaration->label != NULL) {
		rc = train_part_column(&s->hold_out, s->declaration->label, &s->labels, err);
	}
	rc = rc == 0 ? fit(s, err) : rc;
	rc = rc == 0 ? measure(s, err) : rc;
	rc = rc == 0 ? describe_training(s, err) : rc;
	return rc == 0 ? register_version(s, err) : rc;
}

static int train_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct train *t = self;
	struct session s = {.t = t, .quality = NAN, .production_quality = NAN};
	int rc;

	if (t->rows == 0) {
		drip_log_warning(t->ctx, "no rows came: model %s is not trained",
				 t->config->model.name);
		return 0;
	}
	if (t->rows < t->config->rows_min) {
		return drip_error_set(err, -EINVAL, "train.too_few_rows",
				      "cannot train model %s on %lld rows: rows_min is %lld",
				      t->config->model.name, (long long)t->rows,
				      (long long)t->config->rows_min);
	}
	s.declaration = t->model->declaration(t->object);
	rc = train_session(&s, err);
	t->model->release(s.candidate);
	drip_schema_unref(s.schema);
	train_part_finish(&s.train);
	train_part_finish(&s.hold_out);
	train_set_finish(&s.set);
	drip_text_finish(&s.metrics);
	drip_text_finish(&s.training);
	free(s.labels);
	return rc == 0 ? train_abort(t, err) : rc;
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.check = train_check,
	.open = train_open,
	.close = train_close,
	.negotiate = train_negotiate,
	.write = train_write,
	.commit = train_commit,
	.abort = train_abort,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SINK,
	.name = "train",
	.summary = "Trains a model and registers the version",
	.description =
		"Trains a declared model on the rows of an epoch, measures it on the youngest of "
		"them, which it has not seen, beside the version in Production and baselines, "
		"and registers it with metrics and the lineage of its training set. A `query` "
		"source without a watermark gives its whole result in one epoch; with other "
		"sources set `commit` so that an epoch holds what shall be trained on.",
	.schema_notes = "Takes tables that hold the model's features and label; other columns "
			"are left alone, but for `time`.",
	.guarantees = "At least once: after a crash between the registration and the checkpoint "
		      "a second, equal version is registered. All rows of the epoch are in memory; "
		      "more than rows_max or memory are refused.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.clearance = DRIP_CLASS_CONFIDENTIAL,
	.config_size = sizeof(struct train_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("train", DRIP_SDK_VERSION, "Sink that trains models", &component);
