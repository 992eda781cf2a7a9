/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libxgboost. Predictions go through the in-place predict, which any threads may call on one
 * booster at once, once the booster is configured: boost_load predicts one row for that. Everything
 * runs on one thread: more hurt the tail of single rows, and sums then hang on their order.
 */
#include "boost.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xgboost/c_api.h>

struct boost {
	BoosterHandle handle;
	uint32_t features;
	pthread_mutex_t lock; /* of explain */
};

static int failed(const char *what, struct drip_error *err)
{
	const char *why = XGBGetLastError();
	const char *end = strchr(why, '\n'); /* a stack trace follows */

	return drip_error_set(err, -EINVAL, "xgboost.failed", "could not %s: %.*s", what,
			      (int)(end != NULL ? end - why : (ptrdiff_t)strlen(why)), why);
}

/* ---- training ---- */

static int make_matrix(const struct boost_data *d, DMatrixHandle *ret, struct drip_error *err)
{
	size_t cells = d->count * d->features;
	float *values = malloc((cells + d->count + 1) * sizeof(*values)), *labels;
	int rc = 0;

	if (values == NULL) {
		return drip_error_nomem(err, cells * sizeof(*values));
	}
	labels = values + cells;
	for (size_t i = 0; i < cells; i++) {
		values[i] = (float)d->rows[i];
	}
	for (size_t i = 0; i < d->count; i++) {
		labels[i] = d->labels[i] > 0.5;
	}
	if (XGDMatrixCreateFromMat(values, d->count, d->features, NAN, ret) != 0) {
		rc = failed("make a matrix", err);
		*ret = NULL;
	} else if (XGDMatrixSetFloatInfo(*ret, "label", labels, d->count) != 0) {
		rc = failed("set labels", err);
		XGDMatrixFree(*ret);
		*ret = NULL;
	}
	free(values);
	return rc;
}

static int set_number(BoosterHandle handle, const char *name, double value, struct drip_error *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%.17g", value);
	return XGBoosterSetParam(handle, name, text) == 0 ? 0 : failed("set a parameter", err);
}

static int set_parameters(BoosterHandle handle, const struct boost_options *o,
			  struct drip_error *err)
{
	static const char *const texts[][2] = {{"objective", "binary:logistic"},
					       {"eval_metric", "auc"},
					       {"tree_method", "hist"},
					       {"verbosity", "0"}};
	const struct {
		const char *name;
		double value;
	} numbers[] = {{"nthread", 1},
		       {"seed", (double)o->seed},
		       {"max_depth", (double)o->depth},
		       {"eta", o->learning_rate},
		       {"min_child_weight", o->min_child_weight},
		       {"subsample", o->subsample},
		       {"colsample_bytree", o->colsample},
		       {"lambda", o->lambda},
		       {"scale_pos_weight", o->scale_pos_weight}};
	int rc = 0;

	for (size_t i = 0; i < DRIP_COUNT(texts) && rc == 0; i++) {
		if (XGBoosterSetParam(handle, texts[i][0], texts[i][1]) != 0) {
			rc = failed("set a parameter", err);
		}
	}
	for (size_t i = 0; i < DRIP_COUNT(numbers) && rc == 0; i++) {
		rc = set_number(handle, numbers[i].name, numbers[i].value, err);
	}
	return rc;
}

/* "[3]\tvalid-auc:0.87..." */
static int evaluate(BoosterHandle handle, int round, DMatrixHandle valid, double *ret,
		    struct drip_error *err)
{
	const char *names[] = {"valid"}, *text = NULL, *colon;

	if (XGBoosterEvalOneIter(handle, round, &valid, names, 1, &text) != 0) {
		return failed("evaluate", err);
	}
	colon = strrchr(text, ':');
	*ret = colon != NULL ? strtod(colon + 1, NULL) : 0;
	return 0;
}

static int boost_rounds(BoosterHandle handle, DMatrixHandle train, DMatrixHandle valid,
			const struct boost_options *o, struct drip_ctx *ctx,
			struct boost_result *ret, struct drip_error *err)
{
	double best = -1, now = 0;
	int rc = 0;

	for (int round = 0; round < o->rounds && rc == 0; round++) {
		if (ctx->host->is_stopping(ctx)) {
			return drip_error_set(err, -ECANCELED, "model.stopped",
					      "training was stopped");
		}
		if (XGBoosterUpdateOneIter(handle, round, train) != 0) {
			return failed("boost a tree", err);
		}
		rc = evaluate(handle, round, valid, &now, err);
		if (rc == 0 && now > best) {
			best = now;
			ret->rounds = round + 1;
		}
		if (round + 1 - ret->rounds >= o->early_stopping) {
			break;
		}
	}
	ret->valid_auc = best;
	return rc;
}

static int save(BoosterHandle handle, struct boost_result *ret, struct drip_error *err)
{
	BoosterHandle best = NULL;
	const char *data = NULL;
	bst_ulong size = 0;
	int rc = 0;

	if (XGBoosterSlice(handle, 0, ret->rounds, 1, &best) != 0) {
		return failed("cut the trees behind the best round", err);
	}
	if (XGBoosterSaveModelToBuffer(best, "{\"format\":\"ubj\"}", &size, &data) != 0) {
		rc = failed("save the trees", err);
	} else {
		ret->model = malloc(size + 1);
		ret->size = size;
		if (ret->model == NULL) {
			rc = drip_error_nomem(err, size);
		} else {
			memcpy(ret->model, data, size);
		}
	}
	XGBoosterFree(best);
	return rc;
}

int boost_train(const struct boost_data *train, const struct boost_data *valid,
		const struct boost_options *options, struct drip_ctx *ctx, struct boost_result *ret,
		struct drip_error *err)
{
	DMatrixHandle matrices[2] = {NULL, NULL};
	BoosterHandle handle = NULL;
	int rc = make_matrix(train, &matrices[0], err);

	memset(ret, 0, sizeof(*ret));
	rc = rc == 0 ? make_matrix(valid, &matrices[1], err) : rc;
	if (rc == 0 && XGBoosterCreate(matrices, 2, &handle) != 0) {
		rc = failed("make a booster", err);
	}
	rc = rc == 0 ? set_parameters(handle, options, err) : rc;
	rc = rc == 0 ? boost_rounds(handle, matrices[0], matrices[1], options, ctx, ret, err) : rc;
	rc = rc == 0 ? save(handle, ret, err) : rc;
	if (handle != NULL) {
		XGBoosterFree(handle);
	}
	for (int i = 0; i < 2; i++) {
		if (matrices[i] != NULL) {
			XGDMatrixFree(matrices[i]);
		}
	}
	return rc;
}

/* ---- a loaded model ---- */

int boost_predict(const struct boost *b, const double *rows, size_t count, double *ret,
		  struct drip_error *err)
{
	static const char config[] =
		"{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,"
		"\"strict_shape\":true,\"missing\":NaN,\"cache_id\":0}";
	const bst_ulong *shape;
	const float *result;
	bst_ulong dimensions;
	char array[160];

	if (count == 0) {
		return 0;
	}
	snprintf(array, sizeof(array),
		 "{\"data\":[%" PRIuPTR ",true],\"shape\":[%zu,%u],\"typestr\":\"<f8\","
		 "\"version\":3}",
		 (uintptr_t)rows, count, b->features);
	if (XGBoosterPredictFromDense(b->handle, array, config, NULL, &shape, &dimensions,
				      &result) != 0) {
		return failed("predict", err);
	}
	for (size_t i = 0; i < count; i++) {
		ret[i] = (double)result[i];
	}
	return 0;
}

static int explain_locked(const struct boost *b, DMatrixHandle matrix, double *ret,
			  struct drip_error *err)
{
	static const char config[] = "{\"type\":2,\"training\":false,\"iteration_begin\":0,"
				     "\"iteration_end\":0,\"strict_shape\":false}";
	const bst_ulong *shape;
	const float *result;
	bst_ulong dimensions;

	if (XGBoosterPredictFromDMatrix(b->handle, matrix, config, &shape, &dimensions, &result) !=
	    0) {
		return failed("explain", err);
	}
	for (uint32_t i = 0; i < b->features; i++) {
		ret[i] = (double)result[i]; /* the last is the bias */
	}
	return 0;
}

int boost_explain(const struct boost *b, const double *row, double *ret, struct drip_error *err)
{
	struct boost *mutable = (struct boost *)(uintptr_t)b;
	float values[DRIP_MODEL_FEATURES_MAX];
	DMatrixHandle matrix;
	int rc;

	for (uint32_t i = 0; i < b->features; i++) {
		values[i] = (float)row[i];
	}
	if (XGDMatrixCreateFromMat(values, 1, b->features, NAN, &matrix) != 0) {
		return failed("make a matrix", err);
	}
	pthread_mutex_lock(&mutable->lock);
	rc = explain_locked(b, matrix, ret, err);
	pthread_mutex_unlock(&mutable->lock);
	XGDMatrixFree(matrix);
	return rc;
}

int boost_gains(const struct boost *b, double *ret, struct drip_error *err)
{
	bst_ulong count = 0, dimensions = 0;
	const bst_ulong *shape = NULL;
	const char **names = NULL;
	const float *scores = NULL;

	memset(ret, 0, b->features * sizeof(*ret));
	if (XGBoosterFeatureScore(b->handle, "{\"importance_type\":\"gain\"}", &count, &names,
				  &dimensions, &shape, &scores) != 0) {
		return failed("read the gains", err);
	}
	for (bst_ulong i = 0; i < count; i++) {
		unsigned long feature = names[i][0] == 'f' ? strtoul(names[i] + 1, NULL, 10)
							   : b->features; /* "f0", "f1", ... */

		if (feature < b->features) {
			ret[feature] = (double)scores[i];
		}
	}
	return 0;
}

/* That it predicts rows of this width; which also configures it, so that later calls only read. */
static int warm_up(struct boost *b, struct drip_error *err)
{
	double row[DRIP_MODEL_FEATURES_MAX] = {0}, score;
	bst_ulong features = 0;

	if (XGBoosterGetNumFeature(b->handle, &features) != 0 || features != b->features) {
		return drip_artifact_refuse(err, "its trees are over other features");
	}
	return boost_predict(b, row, 1, &score, err);
}

int boost_load(const void *model, size_t size, uint32_t features, struct boost **ret,
	       struct drip_error *err)
{
	struct boost *b = calloc(1, sizeof(*b));
	int rc = 0;

	if (b == NULL) {
		return drip_error_nomem(err, sizeof(*b));
	}
	b->features = features;
	pthread_mutex_init(&b->lock, NULL);
	if (XGBoosterCreate(NULL, 0, &b->handle) != 0) {
		rc = failed("make a booster", err);
		b->handle = NULL;
	} else if (XGBoosterLoadModelFromBuffer(b->handle, model, size) != 0) {
		rc = drip_artifact_refuse(err, "its trees cannot be read");
	}
	rc = rc == 0 ? set_number(b->handle, "nthread", 1, err) : rc;
	rc = rc == 0 ? warm_up(b, err) : rc;
	if (rc < 0) {
		boost_destroy(b);
		return rc;
	}
	*ret = b;
	return 0;
}

void boost_destroy(struct boost *b)
{
	if (b == NULL) {
		return;
	}
	if (b->handle != NULL) {
		XGBoosterFree(b->handle);
	}
	pthread_mutex_destroy(&b->lock);
	free(b);
}
