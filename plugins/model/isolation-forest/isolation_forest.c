/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model `isolation-forest`: finds rows that few random cuts set apart from all others. Needs no
 * labels; a label column, where one is declared, is left alone. An instance that has loaded an
 * artifact is immutable.
 */
#include "forest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIND     "isolation-forest 1"
#define ROWS_MIN 16

struct iforest_config {
	int64_t trees, subsample, seed;
	double contamination;
	struct drip_size memory;
};

struct iforest {
	struct drip_ctx *ctx;
	const struct iforest_config *config;
	struct drip_features *features; /* NULL: nothing is loaded */
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
	OPT(seed, .help = "Of the random numbers: the same rows and seed give the same forest.",
	    .default_text = "1", .min = 0, .max = 9007199254740992.0),
	OPT(memory, .help = "Training data held in memory, at most.", .default_text = "1GiB",
	    .min = 1 << 20, .max = (double)(1ll << 40), .flags = DRIP_OPTION_ADVANCED),
};

static int iforest_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			struct drip_error *err)
{
	struct iforest *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		return drip_error_nomem(err, sizeof(*m));
	}
	m->ctx = ctx;
	m->config = config;
	*ret_self = m;
	return 0;
}

static void iforest_close(void *self)
{
	struct iforest *m = self;

	drip_features_destroy(m->features);
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

/* A category counts by how rare it is: the logarithm of its share of the rows. What training never
 * saw is rarer than all. */
static int rate_categories(struct drip_features *f, struct drip_frame *frame, uint32_t feature,
			   struct drip_error *err)
{
	uint32_t categories = drip_features_categories(f, feature);
	uint32_t width = drip_features_count(f);
	double *values = calloc(categories, sizeof(*values));

	if (values == NULL) {
		return drip_error_nomem(err, categories * sizeof(*values));
	}
	for (size_t row = 0; row < frame->count; row++) {
		double id = frame->rows[row * width + feature];

		if (!isnan(id)) {
			values[(size_t)id]++;
		}
	}
	for (uint32_t i = 0; i < categories; i++) {
		values[i] = log10(values[i] / (double)frame->count);
	}
	for (size_t row = 0; row < frame->count; row++) {
		double *v = &frame->rows[row * width + feature];

		*v = isnan(*v) ? NAN : values[(size_t)*v];
	}
	drip_features_set_values(f, feature, values, log10(0.5 / (double)frame->count));
	free(values);
	return 0;
}

static int write_artifact(const struct drip_features *features, const struct forest *forest,
			  void **ret_artifact, size_t *ret_size, struct drip_error *err)
{
	struct drip_text t = {0};

	drip_artifact_begin(&t, KIND);
	drip_artifact_put_features(&t, features);
	forest_write(forest, &t);
	return drip_artifact_give(&t, ret_artifact, ret_size, err);
}

static int grow(struct iforest *m, const struct drip_features *features,
		const struct drip_frame *frame, struct forest *ret, struct drip_error *err)
{
	const struct forest_options grow_options = {
		.trees = (uint32_t)m->config->trees,
		.subsample = (uint32_t)m->config->subsample,
		.seed = (uint64_t)m->config->seed,
		.contamination = m->config->contamination,
	};

	if (frame->count < ROWS_MIN || frame->count > UINT32_MAX) {
		return drip_error_set(err, -EINVAL, "iforest.too_few_rows",
				      "cannot grow a forest from %zu rows: it takes %d at least",
				      frame->count, ROWS_MIN);
	}
	return forest_grow(ret, frame->rows, frame->count, drip_features_count(features),
			   &grow_options, m->ctx, err);
}

static int fit_frame(struct iforest *m, struct drip_features *features, struct drip_frame *frame,
		     void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		     struct drip_error *err)
{
	struct forest forest = {0};
	int rc = 0;

	for (uint32_t i = 0; i < drip_features_count(features) && rc == 0; i++) {
		if (drip_features_categories(features, i) != 0) {
			rc = rate_categories(features, frame, i, err);
		}
	}
	rc = rc == 0 ? grow(m, features, frame, &forest, err) : rc;
	if (rc == 0 && asprintf(ret_metrics_json, "{\"rows\":%zu,\"threshold\":%.17g}",
				frame->count, forest.threshold) < 0) {
		*ret_metrics_json = NULL;
		rc = drip_error_nomem(err, 64);
	}
	if (rc == 0) {
		rc = write_artifact(features, &forest, ret_artifact, ret_size, err);
		if (rc < 0) {
			free(*ret_metrics_json);
			*ret_metrics_json = NULL;
		}
	}
	forest_finish(&forest);
	return rc;
}

static int iforest_fit(void *self, struct ArrowArrayStream *data, const struct drip_schema *schema,
		       void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		       struct drip_error *err)
{
	struct iforest *m = self;
	struct drip_frame frame = {0};
	struct drip_features *features;
	int rc = drip_features_create(schema, &features, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_features_read(features, data, schema, m->config->memory.bytes, &frame, err);
	if (rc == 0) {
		rc = fit_frame(m, features, &frame, ret_artifact, ret_size, ret_metrics_json, err);
	}
	drip_frame_finish(&frame);
	drip_features_destroy(features);
	return rc;
}

/* ---- what is loaded ---- */

static int iforest_load(void *self, const void *artifact, size_t size, struct drip_error *err)
{
	struct iforest *m = self;
	struct drip_artifact_reader r;
	struct drip_features *features = NULL;
	int rc = drip_artifact_open(KIND, artifact, size, &r, err);

	rc = rc == 0 ? drip_artifact_features(&r, &features, err) : rc;
	rc = rc == 0 ? forest_read(&m->forest, &r, drip_features_count(features), err) : rc;
	if (rc < 0) {
		drip_features_destroy(features);
		return rc;
	}
	m->features = features;
	return 0;
}

static int iforest_describe(void *self, char **ret_json, struct drip_error *err)
{
	const struct iforest *m = self;
	int rc = drip_features_loaded(m->features, err);

	if (rc < 0) {
		return rc;
	}
	if (asprintf(ret_json,
		     "{\"model\":\"isolation-forest\",\"trees\":%u,\"subsample\":%u,\"depth\":%u,"
		     "\"threshold\":%.17g,\"normal_path\":%.17g}",
		     m->forest.trees, m->forest.subsample, m->forest.depth, m->forest.threshold,
		     forest_c(m->forest.subsample)) < 0) {
		*ret_json = NULL;
		return drip_error_nomem(err, 256);
	}
	return 0;
}

static const struct drip_model_feature *rows_features(const void *self, uint32_t *ret_count,
						      double *ret_threshold)
{
	const struct iforest *m = self;

	*ret_threshold = m->forest.threshold;
	return drip_features_list(m->features, ret_count);
}

static double rows_encode(const void *self, uint32_t feature, const char *text, size_t size)
{
	const struct iforest *m = self;

	return drip_features_encode(m->features, feature, text, size);
}

static int rows_score(const void *self, const double *rows, size_t count, double *ret_scores,
		      struct drip_error *err)
{
	const struct iforest *m = self;

	forest_score(&m->forest, rows, count, ret_scores);
	return 0;
}

static int iforest_predict(void *self, const struct drip_batch *features,
			   struct drip_batch **ret_predictions, struct drip_error *err)
{
	const struct iforest *m = self;
	const struct drip_scorer scorer = {.features = m->features,
					   .score = rows_score,
					   .self = m,
					   .threshold = m->forest.threshold,
					   .columns = prediction_columns};

	return drip_features_predict(&scorer, features, ret_predictions, err);
}

static int rows_explain(const void *self, const double *row, double *ret_contributions,
			struct drip_error *err)
{
	const struct iforest *m = self;

	forest_explain(&m->forest, row, ret_contributions);
	return 0;
}

static const struct drip_model_rows rows_ops = {
	.struct_size = sizeof(rows_ops),
	.features = rows_features,
	.encode = rows_encode,
	.score = rows_score,
	.explain = rows_explain,
};

static const struct drip_model_ops ops = {
	.struct_size = sizeof(ops),
	.open = iforest_open,
	.close = iforest_close,
	.negotiate = iforest_negotiate,
	.fit = iforest_fit,
	.load = iforest_load,
	.predict = iforest_predict,
	.describe = iforest_describe,
	.rows = &rows_ops,
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
		"search tree: near 1 is an anomaly, 0.5 and less is normal. `contamination` sets "
		"the threshold. Missing values count as the median of training, categories by how "
		"rare they are. The contribution of a feature is by how many cuts it shortened "
		"the mean path.",
	.schema_notes = "Takes numbers, times and texts as features; yields score (float64, 0 to "
			"1) and anomaly (bool).",
	.guarantees = "The same rows in the same order, options and seed give the same artifact, "
		      "byte for byte. Values are compared as 32-bit floats.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct iforest_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("isolation-forest", DRIP_SDK_VERSION, "Isolation forest", &component);
