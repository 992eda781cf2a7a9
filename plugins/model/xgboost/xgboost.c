/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model `xgboost`: gradient boosted trees for a label of 0 or 1, by libxgboost, with calibrated
 * probabilities. The youngest rows of training stop the boosting early and calibrate. An instance
 * that has loaded an artifact is immutable.
 */
#include "boost.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND     "xgboost 1"
#define ROWS_MIN 50

struct xgboost_config {
	int64_t rounds, early_stopping, depth, seed;
	double learning_rate, min_child_weight, subsample, colsample, lambda, scale_pos_weight;
	double validation, threshold;
	struct drip_enum calibration;
	struct drip_size memory;
};

struct xgboost {
	struct drip_fitted base;
	struct boost *boost;
	uint32_t rounds;
	double *gains;
};

#define OPT(member, ...) DRIP_OPTION(struct xgboost_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(rounds, .help = "Trees, at most.", .default_text = "1000", .min = 1, .max = 100000),
	OPT(early_stopping,
	    .help = "Stop where the validation rows' AUC has not risen for so many trees; the "
		    "best are kept.",
	    .default_text = "50", .min = 1, .max = 100000),
	OPT(depth, .help = "Levels of a tree.", .default_text = "4", .min = 1, .max = 20),
	OPT(learning_rate, .help = "Share of a tree's say that is taken.", .default_text = "0.05",
	    .min = 0.0001, .max = 1),
	OPT(min_child_weight, .help = "Weight of rows that a leaf needs.", .default_text = "5",
	    .min = 0, .max = 1e6),
	OPT(subsample, .help = "Share of the rows for each tree.", .default_text = "0.8",
	    .min = 0.01, .max = 1),
	OPT(colsample, .help = "Share of the features for each tree.", .default_text = "0.8",
	    .min = 0.01, .max = 1),
	OPT(lambda, .help = "L2 regularisation of the leaves.", .default_text = "1", .min = 0,
	    .max = 1e6),
	OPT(scale_pos_weight,
	    .help = "Weight of positive rows. 0: as many times as negatives outnumber them.",
	    .default_text = "0", .min = 0, .max = 1e6),
	OPT(validation,
	    .help = "Share of the training rows, the youngest, that stop early and calibrate.",
	    .default_text = "0.2", .min = 0.05, .max = 0.5),
	OPT(calibration, .help = "What makes probabilities of the trees' scores.",
	    .default_text = "platt", .values = drip_calibration_values),
	OPT(threshold, .help = "A score of this or more is a positive.", .default_text = "0.5",
	    .min = 0, .max = 1),
	OPT(seed, .help = "Of the random numbers: the same rows and seed give the same trees.",
	    .default_text = "1", .min = 0, .max = 2147483647),
	OPT(memory, .help = "Training data held in memory, at most.", .default_text = "1GiB",
	    .min = 1 << 20, .max = (double)(1ll << 40), .flags = DRIP_OPTION_ADVANCED),
};

static const struct drip_column prediction_columns[] = {
	{.struct_size = sizeof(struct drip_column), .type = DRIP_TYPE_FLOAT64, .name = "score"},
	{.struct_size = sizeof(struct drip_column), .type = DRIP_TYPE_BOOL, .name = "positive"},
};

static void forget(struct xgboost *m)
{
	drip_fitted_finish(&m->base);
	boost_destroy(m->boost);
	free(m->gains);
	m->boost = NULL;
	m->gains = NULL;
}

static void xgboost_close(void *self)
{
	forget(self);
	free(self);
}

static int xgboost_negotiate(struct drip_ctx *ctx, const void *config,
			     const struct drip_schema *input, struct drip_negotiated *ret,
			     struct drip_error *err)
{
	return drip_features_negotiate(input, prediction_columns, DRIP_COUNT(prediction_columns),
				       ret, err);
}

/* ---- fit ---- */

/* Rows without a label are left out, in place. */
static void drop_unlabelled(struct drip_frame *f, uint32_t width)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count && f->labels != NULL; i++) {
		if (!isnan(f->labels[i])) {
			memmove(f->rows + kept * width, f->rows + i * width,
				width * sizeof(*f->rows));
			f->labels[kept++] = f->labels[i];
		}
	}
	f->count = kept;
}

static size_t count_positives(const double *labels, size_t count)
{
	size_t positives = 0;

	for (size_t i = 0; i < count; i++) {
		positives += labels[i] > 0.5;
	}
	return positives;
}

/* A category counts by the share of positives among the first `train` rows, drawn towards that of
 * all; so trees can split it by a threshold. What training never saw is missing. */
static int rate_categories(struct drip_features *f, struct drip_frame *frame, size_t train,
			   uint32_t feature, struct drip_error *err)
{
	uint32_t count = drip_features_categories(f, feature), width = drip_features_count(f);
	double *rates = calloc(2 * (size_t)count + 1, sizeof(*rates)), *rows;
	double all = (double)count_positives(frame->labels, train) / (double)train;

	if (rates == NULL) {
		return drip_error_nomem(err, count * sizeof(*rates));
	}
	rows = rates + count;
	for (size_t i = 0; i < train; i++) {
		double id = frame->rows[i * width + feature];

		if (!isnan(id)) {
			rates[(size_t)id] += frame->labels[i] > 0.5;
			rows[(size_t)id]++;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		rates[i] = (rates[i] + 10 * all) / (rows[i] + 10);
	}
	for (size_t i = 0; i < frame->count; i++) {
		double *id = &frame->rows[i * width + feature];

		*id = isnan(*id) ? NAN : rates[(size_t)*id];
	}
	drip_features_set_values(f, feature, rates, NAN);
	free(rates);
	return 0;
}

static int check_classes(const struct drip_frame *f, size_t train, struct drip_error *err)
{
	size_t positives = count_positives(f->labels, train);
	size_t others = count_positives(f->labels + train, f->count - train);

	if (positives == 0 || positives == train || others == 0 || others == f->count - train) {
		drip_error_set(err, -EINVAL, "xgboost.one_class",
			       "the %s rows are all of one class",
			       positives == 0 || positives == train ? "training" : "validation");
		drip_error_hint(err, "Give more rows, or a larger share to validation.");
		return -EINVAL;
	}
	return 0;
}

static struct boost_options options_of(const struct xgboost_config *c, const struct drip_frame *f,
				       size_t train)
{
	size_t positives = count_positives(f->labels, train);
	struct boost_options o = {.rounds = c->rounds,
				  .early_stopping = c->early_stopping,
				  .depth = c->depth,
				  .seed = c->seed,
				  .learning_rate = c->learning_rate,
				  .min_child_weight = c->min_child_weight,
				  .subsample = c->subsample,
				  .colsample = c->colsample,
				  .lambda = c->lambda,
				  .scale_pos_weight = c->scale_pos_weight};

	if (!(o.scale_pos_weight > 0)) {
		o.scale_pos_weight = (double)(train - positives) / (double)positives;
	}
	return o;
}

static int calibrate(const struct xgboost_config *config, const struct boost_result *trees,
		     const struct boost_data *valid, struct drip_calibration *ret,
		     struct drip_error *err)
{
	double *scores = malloc((valid->count + 1) * sizeof(*scores));
	struct boost *boost = NULL;
	int rc = scores == NULL ? drip_error_nomem(err, valid->count * sizeof(*scores)) : 0;

	rc = rc == 0 ? boost_load(trees->model, trees->size, valid->features, &boost, err) : rc;
	rc = rc == 0 ? boost_predict(boost, valid->rows, valid->count, scores, err) : rc;
	rc = rc == 0 ? drip_calibration_fit(ret,
					    (enum drip_calibration_kind)config->calibration.value,
					    scores, valid->labels, valid->count, err)
		     : rc;
	boost_destroy(boost);
	free(scores);
	return rc;
}

static int write_artifact(const struct xgboost_config *config, const struct drip_features *features,
			  const struct boost_result *trees,
			  const struct drip_calibration *calibration, void **ret_artifact,
			  size_t *ret_size, struct drip_error *err)
{
	struct drip_text t = {0};

	drip_artifact_begin(&t, KIND);
	drip_artifact_put_features(&t, features);
	drip_calibration_write(calibration, &t);
	drip_artifact_put_f64(&t, config->threshold);
	drip_artifact_put_u32(&t, (uint32_t)trees->rounds);
	drip_artifact_put_u32(&t, (uint32_t)trees->size);
	drip_text_put(&t, trees->model, trees->size);
	return drip_artifact_give(&t, ret_artifact, ret_size, err);
}

static int fit_rows(const struct xgboost *m, struct drip_features *features, struct drip_frame *f,
		    void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		    struct drip_error *err)
{
	const struct xgboost_config *config = m->base.config;
	uint32_t width = drip_features_count(features);
	size_t train = f->count - (size_t)(config->validation * (double)f->count);
	const struct boost_data parts[2] = {
		{f->rows, f->labels, train, width},
		{f->rows + train * width, f->labels + train, f->count - train, width}};
	struct drip_calibration calibration = {.kind = DRIP_CALIBRATION_NONE};
	struct boost_result trees = {.model = NULL};
	struct boost_options o = options_of(config, f, train);
	int rc = 0;

	for (uint32_t i = 0; i < width && rc == 0; i++) {
		if (drip_features_categories(features, i) != 0) {
			rc = rate_categories(features, f, train, i, err);
		}
	}
	rc = rc == 0 ? boost_train(&parts[0], &parts[1], &o, m->base.ctx, &trees, err) : rc;
	rc = rc == 0 ? calibrate(config, &trees, &parts[1], &calibration, err) : rc;
	if (rc == 0 && asprintf(ret_metrics_json,
				"{\"rows\":%zu,\"validation_rows\":%zu,\"rounds\":%d,"
				"\"validation_auc\":%.6f,\"scale_pos_weight\":%.6g}",
				train, f->count - train, trees.rounds, trees.valid_auc,
				o.scale_pos_weight) < 0) {
		*ret_metrics_json = NULL;
		rc = drip_error_nomem(err, 128);
	}
	if (rc == 0) {
		rc = write_artifact(config, features, &trees, &calibration, ret_artifact, ret_size,
				    err);
	}
	drip_calibration_finish(&calibration);
	free(trees.model);
	return rc;
}

static int check_frame(const struct xgboost_config *config, const struct drip_frame *f,
		       struct drip_error *err)
{
	if (f->labels == NULL) {
		return drip_error_set(err, -EINVAL, "xgboost.no_label",
				      "the training data have no label");
	}
	if (f->count < ROWS_MIN || f->count > UINT32_MAX) {
		return drip_error_set(err, -EINVAL, "xgboost.too_few_rows",
				      "cannot train on %zu rows with a label: it takes %d at least",
				      f->count, ROWS_MIN);
	}
	return check_classes(f, f->count - (size_t)(config->validation * (double)f->count), err);
}

static int fit_frame(void *self, struct drip_features *features, struct drip_frame *frame,
		     void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		     struct drip_error *err)
{
	const struct xgboost *m = self;
	int rc;

	drop_unlabelled(frame, drip_features_count(features));
	rc = check_frame(m->base.config, frame, err);
	return rc == 0 ? fit_rows(m, features, frame, ret_artifact, ret_size, ret_metrics_json, err)
		       : rc;
}

static int xgboost_fit(void *self, struct ArrowArrayStream *data, const struct drip_schema *schema,
		       void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		       struct drip_error *err)
{
	const struct xgboost_config *config = ((const struct xgboost *)self)->base.config;

	return drip_fitted_fit(self, data, schema, config->memory.bytes, ret_artifact, ret_size,
			       ret_metrics_json, err);
}

/* ---- what is loaded ---- */

static int read_trees(struct xgboost *m, struct drip_artifact_reader *r, struct drip_error *err)
{
	uint32_t width = drip_features_count(m->base.features), size;
	const void *trees;
	int rc = drip_calibration_read(&m->base.calibration, r, err);

	if (rc < 0) {
		return rc;
	}
	m->base.threshold = drip_artifact_f64(r);
	m->rounds = drip_artifact_u32(r);
	size = drip_artifact_u32(r);
	trees = drip_artifact_bytes(r, size);
	if (trees == NULL || r->at != r->end || size == 0 || !isfinite(m->base.threshold)) {
		return drip_artifact_refuse(err, "its trees cannot be read");
	}
	m->gains = calloc((size_t)width + 1, sizeof(*m->gains));
	if (m->gains == NULL) {
		return drip_error_nomem(err, width * sizeof(*m->gains));
	}
	rc = boost_load(trees, size, width, &m->boost, err);
	return rc == 0 ? boost_gains(m->boost, m->gains, err) : rc;
}

static int xgboost_load(void *self, const void *artifact, size_t size, struct drip_error *err)
{
	struct xgboost *m = self;
	struct drip_artifact_reader r;
	int rc = drip_artifact_open(KIND, artifact, size, &r, err);

	rc = rc == 0 ? drip_artifact_features(&r, &m->base.features, err) : rc;
	rc = rc == 0 ? read_trees(m, &r, err) : rc;
	if (rc < 0) {
		forget(m);
	}
	return rc;
}

static int xgboost_describe(void *self, char **ret_json, struct drip_error *err)
{
	const struct xgboost *m = self;
	const struct drip_model_feature *list;
	struct drip_text t = {0};
	char text[160];
	uint32_t count;
	int rc = drip_fitted_loaded(&m->base, err);

	if (rc < 0) {
		return rc;
	}
	list = drip_features_list(m->base.features, &count);
	snprintf(text, sizeof(text),
		 "{\"model\":\"xgboost\",\"rounds\":%u,\"score\":\"%s\",\"calibration\":\"%s\","
		 "\"threshold\":%.10g,\"gain\":{",
		 m->rounds, drip_fitted_score_kind(self),
		 drip_calibration_name(m->base.calibration.kind), m->base.threshold);
	drip_text_puts(&t, text);
	for (uint32_t i = 0; i < count; i++) {
		drip_text_puts(&t, i == 0 ? "" : ",");
		drip_text_json_string(&t, list[i].name, strlen(list[i].name));
		snprintf(text, sizeof(text), ":%.6g", m->gains[i]);
		drip_text_puts(&t, text);
	}
	drip_text_puts(&t, "}}");
	drip_text_put(&t, "", 1);
	rc = drip_text_check(&t, err);
	if (rc < 0) {
		drip_text_finish(&t);
		return rc;
	}
	*ret_json = t.data;
	return 0;
}

static int score(const void *self, const double *rows, size_t count, double *ret_scores,
		 struct drip_error *err)
{
	return boost_predict(((const struct xgboost *)self)->boost, rows, count, ret_scores, err);
}

static int rows_explain(const void *self, const double *row, double *ret_contributions,
			struct drip_error *err)
{
	const struct xgboost *m = self;

	return boost_explain(m->boost, row, ret_contributions, err);
}

static const struct drip_fitted_type type = {
	.columns = prediction_columns, .score = score, .fit = fit_frame};

static int xgboost_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			struct drip_error *err)
{
	return drip_fitted_create(ctx, config, &type, sizeof(struct xgboost), ret_self, err);
}

static const struct drip_model_rows rows_ops = {
	.struct_size = sizeof(rows_ops),
	.features = drip_fitted_features,
	.encode = drip_fitted_encode,
	.score = drip_fitted_score,
	.explain = rows_explain,
};

static const struct drip_model_ops ops = {
	.struct_size = sizeof(ops),
	.open = xgboost_open,
	.close = xgboost_close,
	.negotiate = xgboost_negotiate,
	.fit = xgboost_fit,
	.load = xgboost_load,
	.predict = drip_fitted_predict,
	.describe = xgboost_describe,
	.rows = &rows_ops,
	.uncalibrated = drip_fitted_uncalibrated,
	.score_kind = drip_fitted_score_kind,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_MODEL,
	.name = "xgboost",
	.summary = "Boosted trees for a label of 0 or 1",
	.description =
		"Gradient boosted trees by libxgboost, with early stopping, weights for rare "
		"positives, and probabilities that are calibrated on validation rows. Missing "
		"values go the way that training found best; a category counts by the share of "
		"positives in training. The contribution of a feature is its SHAP value in "
		"log-odds, and the artifact holds the trees as UBJ.",
	.schema_notes = "Takes numbers, times and texts as features and a label of 0 or 1; yields "
			"score (float64, a probability) and positive (bool).",
	.guarantees = "The same rows in the same order, options and seed give the same trees with "
		      "one version of libxgboost. Values are compared as 32-bit floats. Training "
		      "and prediction run on one thread.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct xgboost_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("xgboost", DRIP_SDK_VERSION, "Gradient boosted trees", &component);
