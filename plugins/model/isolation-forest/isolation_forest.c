/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model `isolation-forest`: finds rows that few random cuts set apart from all others. Needs no
 * labels; where the youngest rows of training have them, they make a probability of the score, and
 * no tree is grown from those. An instance that has loaded an artifact is immutable.
 */
#include "forest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND          "isolation-forest 2"
#define FORMAT_NEWEST 2 /* 1: without calibration */
#define ROWS_MIN      16
#define CLASS_MIN     5 /* rows of each class, to calibrate */

struct iforest_config {
	int64_t trees, subsample, seed;
	double contamination, validation;
	struct drip_enum calibration;
	struct drip_size memory;
};

struct iforest {
	struct drip_fitted base;
	struct forest forest;
};

#define OPT(member, ...) DRIP_OPTION(struct iforest_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(trees, .help = "Trees of the forest.", .default_text = "100", .min = 1,
	    .max = FOREST_TREES_MAX),
	OPT(subsample, .help = "Rows that each tree is grown from.", .default_text = "256",
	    .min = 2, .max = FOREST_SUBSAMPLE_MAX, .unit = "rows"),
	OPT(contamination,
	    .help = "Share of the training rows that are taken for anomalies: it sets the "
		    "threshold.",
	    .default_text = "0.01", .min = 1e-6, .max = 0.5),
	OPT(calibration,
	    .help = "What makes a probability of the score, where there is a label. Without one, "
		    "and with fewer than 5 rows of a class, the score is a rank.",
	    .default_text = "platt", .values = drip_calibration_values),
	OPT(validation,
	    .help = "Share of the training rows, the youngest, that calibrate; trees are grown "
		    "from the others.",
	    .default_text = "0.25", .min = 0.05, .max = 0.5),
	OPT(seed, .help = "Of the random numbers: the same rows and seed give the same forest.",
	    .default_text = "1", .min = 0, .max = 9007199254740992.0),
	OPT(memory, .help = "Training data held in memory, at most.", .default_text = "1GiB",
	    .min = 1 << 20, .max = (double)(1ll << 40), .flags = DRIP_OPTION_ADVANCED),
};

static void iforest_close(void *self)
{
	struct iforest *m = self;

	drip_fitted_finish(&m->base);
	forest_finish(&m->forest);
	free(m);
}

static const struct drip_column prediction_columns[] = {
	{.struct_size = sizeof(struct drip_column), .type = DRIP_TYPE_FLOAT64, .name = "score"},
	{.struct_size = sizeof(struct drip_column), .type = DRIP_TYPE_BOOL, .name = "anomaly"},
};

static int iforest_negotiate(struct drip_ctx *ctx, const void *config,
			     const struct drip_schema *input, struct drip_negotiated *ret,
			     struct drip_error *err)
{
	return drip_features_negotiate(input, prediction_columns, DRIP_COUNT(prediction_columns),
				       ret, err);
}

/* ---- fit ---- */

/* A category counts by how rare it is: the logarithm of its share of the first `train` rows. What
 * they do not have is rarer than all. */
static int rate_categories(struct drip_features *f, struct drip_frame *frame, size_t train,
			   uint32_t feature, struct drip_error *err)
{
	uint32_t categories = drip_features_categories(f, feature);
	uint32_t width = drip_features_count(f);
	double *values = calloc(categories, sizeof(*values));

	if (values == NULL) {
		return drip_error_nomem(err, categories * sizeof(*values));
	}
	for (size_t row = 0; row < train; row++) {
		double id = frame->rows[row * width + feature];

		if (!isnan(id)) {
			values[(size_t)id]++;
		}
	}
	for (uint32_t i = 0; i < categories; i++) {
		values[i] = log10((values[i] > 0 ? values[i] : 0.5) / (double)train);
	}
	for (size_t row = 0; row < frame->count; row++) {
		double *v = &frame->rows[row * width + feature];

		*v = isnan(*v) ? NAN : values[(size_t)*v];
	}
	drip_features_set_values(f, feature, values, log10(0.5 / (double)train));
	free(values);
	return 0;
}

/* How the rows are used: trees are grown from the first, the rest calibrates. */
struct split {
	size_t train, labelled, positives; /* of the rest */
};

static struct split split_rows(const struct iforest *m, const struct drip_frame *frame)
{
	const struct iforest_config *config = m->base.config;
	struct split s = {.train = frame->count -
				   (size_t)(config->validation * (double)frame->count)};

	for (size_t i = s.train; i < frame->count && frame->labels != NULL; i++) {
		s.labelled += !isnan(frame->labels[i]);
		s.positives += frame->labels[i] > 0.5;
	}
	if (config->calibration.value == DRIP_CALIBRATION_NONE || s.train < ROWS_MIN ||
	    s.positives < CLASS_MIN || s.labelled - s.positives < CLASS_MIN) {
		s.train = frame->count;
	}
	return s;
}

static int calibrate(const struct iforest *m, const struct forest *forest,
		     const struct drip_frame *frame, const struct split *split,
		     struct drip_calibration *ret, struct drip_error *err)
{
	const struct iforest_config *config = m->base.config;
	size_t count = frame->count - split->train, kept = 0;
	double *scores = malloc((count + 1) * sizeof(*scores));
	double *labels = malloc((count + 1) * sizeof(*labels));
	int rc = 0;

	if (scores == NULL || labels == NULL) {
		rc = drip_error_nomem(err, 2 * count * sizeof(*scores));
	} else if (count != 0) {
		forest_score(forest, frame->rows + split->train * forest->features, count, scores);
		for (size_t i = 0; i < count; i++) {
			if (!isnan(frame->labels[split->train + i])) {
				scores[kept] = scores[i];
				labels[kept++] = frame->labels[split->train + i];
			}
		}
		rc = drip_calibration_fit(ret,
					  (enum drip_calibration_kind)config->calibration.value,
					  scores, labels, kept, err);
	}
	free(scores);
	free(labels);
	return rc;
}

static int grow(const struct iforest *m, const struct drip_features *features,
		const struct drip_frame *frame, size_t train, struct forest *ret,
		struct drip_error *err)
{
	const struct iforest_config *config = m->base.config;
	const struct forest_options grow_options = {
		.trees = (uint32_t)config->trees,
		.subsample = (uint32_t)config->subsample,
		.seed = (uint64_t)config->seed,
		.contamination = config->contamination,
	};

	if (frame->count < ROWS_MIN || frame->count > UINT32_MAX) {
		return drip_error_set(err, -EINVAL, "iforest.too_few_rows",
				      "cannot grow a forest from %zu rows: it takes %d at least",
				      frame->count, ROWS_MIN);
	}
	return forest_grow(ret, frame->rows, train, drip_features_count(features), &grow_options,
			   m->base.ctx, err);
}

static int write_artifact(const struct drip_features *features, const struct forest *forest,
			  const struct drip_calibration *calibration, void **ret_artifact,
			  size_t *ret_size, struct drip_error *err)
{
	struct drip_text t = {0};

	drip_artifact_begin(&t, KIND);
	drip_artifact_put_features(&t, features);
	drip_calibration_write(calibration, &t);
	forest_write(forest, &t);
	return drip_artifact_give(&t, ret_artifact, ret_size, err);
}

static int write_metrics(const struct forest *forest, const struct split *split,
			 const struct drip_calibration *c, char **ret, struct drip_error *err)
{
	bool calibrated = c->kind != DRIP_CALIBRATION_NONE;

	if (asprintf(ret,
		     "{\"rows\":%zu,\"threshold\":%.17g,\"calibration\":\"%s\","
		     "\"validation_rows\":%zu,\"validation_positives\":%zu}",
		     split->train, drip_calibration_apply(c, forest->threshold),
		     drip_calibration_name(c->kind), calibrated ? split->labelled : 0,
		     calibrated ? split->positives : 0) < 0) {
		*ret = NULL;
		return drip_error_nomem(err, 128);
	}
	return 0;
}

static int fit_frame(void *self, struct drip_features *features, struct drip_frame *frame,
		     void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		     struct drip_error *err)
{
	const struct iforest *m = self;
	struct split split = split_rows(m, frame);
	struct drip_calibration calibration = {.kind = DRIP_CALIBRATION_NONE};
	struct forest forest = {0};
	int rc = 0;

	for (uint32_t i = 0; i < drip_features_count(features) && rc == 0; i++) {
		if (drip_features_categories(features, i) != 0) {
			rc = rate_categories(features, frame, split.train, i, err);
		}
	}
	rc = rc == 0 ? grow(m, features, frame, split.train, &forest, err) : rc;
	rc = rc == 0 ? calibrate(m, &forest, frame, &split, &calibration, err) : rc;
	rc = rc == 0 ? write_metrics(&forest, &split, &calibration, ret_metrics_json, err) : rc;
	rc = rc == 0 ? write_artifact(features, &forest, &calibration, ret_artifact, ret_size, err)
		     : rc;
	if (rc == 0 && frame->labels != NULL && calibration.kind == DRIP_CALIBRATION_NONE) {
		drip_log_info(m->base.ctx,
			      "the score is a rank: %zu of the %zu youngest rows with a label are "
			      "positive",
			      split.positives, split.labelled);
	}
	drip_calibration_finish(&calibration);
	forest_finish(&forest);
	return rc;
}

static int iforest_fit(void *self, struct ArrowArrayStream *data, const struct drip_schema *schema,
		       void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		       struct drip_error *err)
{
	const struct iforest_config *config = ((const struct iforest *)self)->base.config;

	return drip_fitted_fit(self, data, schema, config->memory.bytes, ret_artifact, ret_size,
			       ret_metrics_json, err);
}

/* ---- what is loaded ---- */

static int read_artifact(struct iforest *m, const void *artifact, size_t size,
			 struct drip_error *err)
{
	struct drip_fitted *b = &m->base;
	struct drip_artifact_reader r;
	uint32_t format = 0;
	int rc = drip_artifact_open_format("isolation-forest", FORMAT_NEWEST, artifact, size, &r,
					   &format, err);

	rc = rc == 0 ? drip_artifact_features(&r, &b->features, err) : rc;
	rc = rc == 0 && format > 1 ? drip_calibration_read(&b->calibration, &r, err) : rc;
	rc = rc == 0 ? forest_read(&m->forest, &r, drip_features_count(b->features), err) : rc;
	b->threshold = rc == 0 ? drip_calibration_apply(&b->calibration, m->forest.threshold) : 0;
	return rc;
}

static int iforest_load(void *self, const void *artifact, size_t size, struct drip_error *err)
{
	struct iforest *m = self;
	int rc = read_artifact(m, artifact, size, err);

	if (rc < 0) {
		drip_fitted_finish(&m->base);
	}
	return rc;
}

static int iforest_describe(void *self, char **ret_json, struct drip_error *err)
{
	const struct iforest *m = self;
	int rc = drip_fitted_loaded(&m->base, err);

	if (rc < 0) {
		return rc;
	}
	if (asprintf(ret_json,
		     "{\"model\":\"isolation-forest\",\"trees\":%u,\"subsample\":%u,\"depth\":%u,"
		     "\"score\":\"%s\",\"calibration\":\"%s\",\"threshold\":%.17g,"
		     "\"normal_path\":%.17g}",
		     m->forest.trees, m->forest.subsample, m->forest.depth,
		     drip_fitted_score_kind(self), drip_calibration_name(m->base.calibration.kind),
		     m->base.threshold, forest_c(m->forest.subsample)) < 0) {
		*ret_json = NULL;
		return drip_error_nomem(err, 256);
	}
	return 0;
}

static int score(const void *self, const double *rows, size_t count, double *ret_scores,
		 struct drip_error *err)
{
	forest_score(&((const struct iforest *)self)->forest, rows, count, ret_scores);
	return 0;
}

static int rows_explain(const void *self, const double *row, double *ret_contributions,
			struct drip_error *err)
{
	const struct iforest *m = self;

	forest_explain(&m->forest, row, ret_contributions);
	return 0;
}

static const struct drip_fitted_type type = {
	.columns = prediction_columns, .score = score, .fit = fit_frame};

static int iforest_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			struct drip_error *err)
{
	return drip_fitted_create(ctx, config, &type, sizeof(struct iforest), ret_self, err);
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
	.open = iforest_open,
	.close = iforest_close,
	.negotiate = iforest_negotiate,
	.fit = iforest_fit,
	.load = iforest_load,
	.predict = drip_fitted_predict,
	.describe = iforest_describe,
	.rows = &rows_ops,
	.uncalibrated = drip_fitted_uncalibrated,
	.score_kind = drip_fitted_score_kind,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_MODEL,
	.name = "isolation-forest",
	.summary = "Finds anomalies without labels",
	.description =
		"An isolation forest after Liu, Ting and Zhou (2008): each tree cuts a subsample "
		"at random until its rows stand alone; anomalies stand alone after few cuts. The "
		"score is 2 to the power of minus the mean path length over that of a random "
		"search tree: near 1 is an anomaly, 0.5 and less is normal. That ranks rows, and "
		"is no probability; where the model has a label, the youngest rows of training "
		"make one of it, by Platt's sigmoid or isotonic regression, in the same order. "
		"`contamination` sets the threshold. Missing values count as the median of "
		"training, categories by how "
		"rare they are. The contribution of a feature is by how many cuts it shortened "
		"the mean path.",
	.schema_notes = "Takes numbers, times and texts as features, and a label of 0 or 1 where "
			"there is one; yields score (float64, 0 to 1) and anomaly (bool).",
	.guarantees = "The same rows in the same order, options and seed give the same artifact, "
		      "byte for byte. Values are compared as 32-bit floats. Artifacts of the "
		      "format before calibration load, and rank.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct iforest_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("isolation-forest", DRIP_SDK_VERSION, "Isolation forest", &component);
