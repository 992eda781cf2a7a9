/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What models share that score rows of doubles: an instance begins with a struct drip_fitted, fills
 * it when it loads an artifact, and takes the functions below for its ops; `self` of each is the
 * instance. From load on nothing is changed: any thread may call all but open, close and fit.
 */
#ifndef DRIPLINE_FITTED_H
#define DRIPLINE_FITTED_H

#include <dripline/calibration.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What is the same of all instances of a model. */
struct drip_fitted_type {
	/* Two columns of predictions: the score, a float64, and whether it is a positive, a bool.
	 */
	const struct drip_column *columns;
	/* The score before calibration; as that of drip_model_rows. */
	int (*score)(const void *self, const double *rows, size_t count, double *ret_scores,
		     struct drip_error *err);
	/* Trains on a frame, whose categories are numbered from 0; as that of drip_model_ops. On
	 * failure *ret_metrics_json is freed by the caller. */
	int (*fit)(void *self, struct drip_features *features, struct drip_frame *frame,
		   void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		   struct drip_error *err);
};

struct drip_fitted {
	struct drip_ctx *ctx;
	const void *config;
	const struct drip_fitted_type *type;
	struct drip_features *features; /* NULL: nothing is loaded */
	struct drip_calibration calibration;
	double threshold; /* a score of this or more is a positive */
};

/* (gives) an instance of `size` bytes, zeroed but for its struct drip_fitted. */
int drip_fitted_create(struct drip_ctx *ctx, const void *config,
		       const struct drip_fitted_type *type, size_t size, void **ret_self,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Lets go of what was loaded; the instance stays. */
void drip_fitted_finish(struct drip_fitted *f);
/* Reads the training data, at most `bytes_max` of rows, and has the type fit them. -EINVAL with
 * model.label_value where a label is neither 0, 1 nor null. */
int drip_fitted_fit(void *self, struct ArrowArrayStream *data, const struct drip_schema *schema,
		    uint64_t bytes_max, void **ret_artifact, size_t *ret_size,
		    char **ret_metrics_json, struct drip_error *err) DRIP_MUST_CHECK;

/* Ops of the same names. Without an artifact: -EINVAL with model.not_loaded. */
const struct drip_model_feature *drip_fitted_features(const void *self, uint32_t *ret_count,
						      double *ret_threshold);
double drip_fitted_encode(const void *self, uint32_t feature, const char *text, size_t size);
int drip_fitted_score(const void *self, const double *rows, size_t count, double *ret_scores,
		      struct drip_error *err) DRIP_MUST_CHECK;
int drip_fitted_predict(void *self, const struct drip_batch *batch,
			struct drip_batch **ret_predictions,
			struct drip_error *err) DRIP_MUST_CHECK;
int drip_fitted_uncalibrated(void *self, const struct drip_batch *batch,
			     struct drip_batch **ret_predictions,
			     struct drip_error *err) DRIP_MUST_CHECK;
/* "probability" where the score is calibrated, otherwise "rank". */
const char *drip_fitted_score_kind(void *self);
/* 0, or -EINVAL with model.not_loaded. */
int drip_fitted_loaded(const struct drip_fitted *f, struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
