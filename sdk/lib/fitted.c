/* SPDX-License-Identifier: Apache-2.0 */
/* What models share that score rows of doubles: instances, training, scoring in blocks of rows, and
 * what becomes of scores: calibration, and the threshold. */
#include "feature_set.h"

#include <dripline/builder.h>
#include <dripline/descriptor.h>
#include <dripline/fitted.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_ROWS 1024 /* scored at one time */

int drip_fitted_create(struct drip_ctx *ctx, const void *config,
		       const struct drip_fitted_type *type, size_t size, void **ret_self,
		       struct drip_error *err)
{
	struct drip_fitted *f = calloc(1, size);

	if (f == NULL) {
		return drip_error_nomem(err, size);
	}
	f->ctx = ctx;
	f->config = config;
	f->type = type;
	*ret_self = f;
	return 0;
}

void drip_fitted_finish(struct drip_fitted *f)
{
	drip_features_destroy(f->features);
	drip_calibration_finish(&f->calibration);
	f->features = NULL;
}

static int check_labels(const struct drip_frame *frame, struct drip_error *err)
{
	for (size_t i = 0; i < frame->count && frame->labels != NULL; i++) {
		double label = frame->labels[i];

		if (label < 0 || (label > 0 && label < 1) || label > 1) {
			drip_error_set(err, -EINVAL, "model.label_value",
				       "a label is %g, not 0 or 1", label);
			drip_error_hint(err, "Make it 0 or 1 in the query, and null where it is "
					     "not known.");
			return -EINVAL;
		}
	}
	return 0;
}

int drip_fitted_fit(void *self, struct ArrowArrayStream *data, const struct drip_schema *schema,
		    uint64_t bytes_max, void **ret_artifact, size_t *ret_size,
		    char **ret_metrics_json, struct drip_error *err)
{
	const struct drip_fitted *f = self;
	struct drip_frame frame = {0};
	struct drip_features *features;
	char *metrics = NULL;
	int rc = drip_features_create(schema, &features, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_features_read(features, data, schema, bytes_max, &frame, err);
	rc = rc == 0 ? check_labels(&frame, err) : rc;
	if (rc == 0) {
		rc = f->type->fit(self, features, &frame, ret_artifact, ret_size, &metrics, err);
	}
	drip_frame_finish(&frame);
	drip_features_destroy(features);
	if (rc < 0) {
		free(metrics);
		return rc;
	}
	*ret_metrics_json = metrics;
	return 0;
}

/* ---- ops ---- */

const struct drip_model_feature *drip_fitted_features(const void *self, uint32_t *ret_count,
						      double *ret_threshold)
{
	const struct drip_fitted *f = self;

	*ret_threshold = f->threshold;
	return drip_features_list(f->features, ret_count);
}

double drip_fitted_encode(const void *self, uint32_t feature, const char *text, size_t size)
{
	const struct drip_fitted *f = self;

	return drip_features_encode(f->features, feature, text, size);
}

int drip_fitted_score(const void *self, const double *rows, size_t count, double *ret_scores,
		      struct drip_error *err)
{
	const struct drip_fitted *f = self;
	int rc = f->type->score(self, rows, count, ret_scores, err);

	if (f->calibration.kind != DRIP_CALIBRATION_NONE) {
		for (size_t i = 0; i < count && rc == 0; i++) {
			ret_scores[i] = drip_calibration_apply(&f->calibration, ret_scores[i]);
		}
	}
	return rc;
}

const char *drip_fitted_score_kind(void *self)
{
	const struct drip_fitted *f = self;

	return f->calibration.kind != DRIP_CALIBRATION_NONE ? "probability" : "rank";
}

int drip_fitted_loaded(const struct drip_fitted *f, struct drip_error *err)
{
	return f->features != NULL
		       ? 0
		       : drip_error_set(err, -EINVAL, "model.not_loaded", "no artifact is loaded");
}

/* ---- predictions ---- */

typedef int score_fn(const void *self, const double *rows, size_t count, double *ret_scores,
		     struct drip_error *err);

/* `rows` has room for BATCH_ROWS rows. */
static int append_scores(const struct drip_fitted *f, score_fn *score,
			 const struct drip_batch *batch, double *rows, struct drip_builder *b,
			 struct drip_error *err)
{
	double scores[BATCH_ROWS];

	for (int64_t start = 0; start < batch->rows; start += BATCH_ROWS) {
		int64_t count = batch->rows - start < BATCH_ROWS ? batch->rows - start : BATCH_ROWS;
		int rc = drip_features_rows(f->features, batch, start, count, rows, err);

		rc = rc == 0 ? score(f, rows, (size_t)count, scores, err) : rc;
		if (rc < 0) {
			return rc;
		}
		for (int64_t i = 0; i < count; i++) {
			drip_append_f64(&b->columns[0], scores[i]);
			drip_append_bool(&b->columns[1], scores[i] >= f->threshold);
			drip_builder_row(b, DRIP_OP_READ);
		}
	}
	return 0;
}

static int build_predictions(const struct drip_fitted *f, score_fn *score,
			     const struct drip_batch *batch, double *rows, struct drip_batch **ret,
			     struct drip_error *err)
{
	struct drip_schema *schema;
	struct drip_builder b;
	int rc = drip_predictions_schema(f->type->columns, 2, DRIP_CLASS_PUBLIC, &schema, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_builder_init(&b, schema, err);
	drip_schema_unref(schema);
	if (rc < 0) {
		return rc;
	}
	rc = append_scores(f, score, batch, rows, &b, err);
	rc = rc == 0 ? drip_builder_build(&b, ret, err) : rc;
	drip_builder_finish(&b);
	return rc;
}

static int predict(const struct drip_fitted *f, score_fn *score, const struct drip_batch *batch,
		   struct drip_batch **ret, struct drip_error *err)
{
	int rc = drip_fitted_loaded(f, err);
	size_t size;
	double *rows;

	if (rc < 0) {
		return rc;
	}
	size = BATCH_ROWS * f->features->count * sizeof(*rows);
	rows = malloc(size);
	if (rows == NULL) {
		return drip_error_nomem(err, size);
	}
	rc = build_predictions(f, score, batch, rows, ret, err);
	free(rows);
	return rc;
}

int drip_fitted_predict(void *self, const struct drip_batch *batch,
			struct drip_batch **ret_predictions, struct drip_error *err)
{
	return predict(self, drip_fitted_score, batch, ret_predictions, err);
}

int drip_fitted_uncalibrated(void *self, const struct drip_batch *batch,
			     struct drip_batch **ret_predictions, struct drip_error *err)
{
	const struct drip_fitted *f = self;

	return predict(f, f->type->score, batch, ret_predictions, err);
}
