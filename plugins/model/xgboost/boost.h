/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the model `xgboost`: libxgboost behind errors of ours. */
#ifndef DRIPLINE_XGBOOST_BOOST_H
#define DRIPLINE_XGBOOST_BOOST_H

#include <dripline/dripline.h>

struct boost_options {
	int64_t rounds, early_stopping, depth, seed;
	double learning_rate, min_child_weight, subsample, colsample, lambda, scale_pos_weight;
};

struct boost_result {
	int rounds; /* kept */
	double valid_auc;
	void *model; /* malloc'd UBJ */
	size_t size;
};

/* Rows of a frame. */
struct boost_data {
	const double *rows, *labels;
	size_t count;
	uint32_t features;
};

/* Boosts trees on `train` until `valid` does not get better, and keeps the best. -ECANCELED where
 * the host stops. */
int boost_train(const struct boost_data *train, const struct boost_data *valid,
		const struct boost_options *options, struct drip_ctx *ctx, struct boost_result *ret,
		struct drip_error *err) DRIP_MUST_CHECK;

struct boost; /* a loaded model; immutable, any thread may predict */

int boost_load(const void *model, size_t size, uint32_t features, struct boost **ret,
	       struct drip_error *err) DRIP_MUST_CHECK;
void boost_destroy(struct boost *b); /* NULL is accepted */
/* Probabilities as the trees give them. Takes no lock. */
int boost_predict(const struct boost *b, const double *rows, size_t count, double *ret,
		  struct drip_error *err) DRIP_MUST_CHECK;
/* SHAP values of one row, in log-odds; one call at a time, by a lock of its own. */
int boost_explain(const struct boost *b, const double *row, double *ret,
		  struct drip_error *err) DRIP_MUST_CHECK;
/* Mean gain of the splits of each feature. */
int boost_gains(const struct boost *b, double *ret, struct drip_error *err) DRIP_MUST_CHECK;

#endif
