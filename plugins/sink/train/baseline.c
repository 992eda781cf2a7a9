/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baselines: a plain rule over one column, or a logistic regression over all features, made from
 * the same rows as the model and measured on the same hold-out. The regression standardises each
 * feature (missing: its mean; a category: the share of positives in training), and is fitted by
 * Newton's method with a small ridge.
 */
#include "train.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEWTON_STEPS 25
#define RIDGE        1e-3 /* per row */

/* ---- rules ---- */

static void mean_and_deviation(const double *values, size_t count, size_t stride, double *ret_mean,
			       double *ret_deviation)
{
	double mean = 0, squares = 0;
	size_t known = 0;

	for (size_t i = 0; i < count; i++) { /* Welford's */
		double v = values[i * stride];

		if (!isnan(v)) {
			double delta = v - mean;

			mean += delta / (double)++known;
			squares += delta * (v - mean);
		}
	}
	*ret_mean = mean;
	*ret_deviation = known > 1 ? sqrt(squares / (double)(known - 1)) : 0;
	if (!(*ret_deviation > 0)) {
		*ret_deviation = 1;
	}
}

/* A missing value says nothing: it counts as the mean of training. */
static int rule_scores(const struct train_baseline *b, const struct train_part *train,
		       const struct train_part *hold_out, double **ret, struct drip_error *err)
{
	double *known = NULL, *values = NULL, mean, deviation;
	int rc = train_part_column(train, b->column, &known, err);

	rc = rc == 0 ? train_part_column(hold_out, b->column, &values, err) : rc;
	if (rc < 0) {
		free(known);
		return rc;
	}
	mean_and_deviation(known, train->rows, 1, &mean, &deviation);
	for (size_t i = 0; i < hold_out->rows; i++) {
		double v = isnan(values[i]) ? mean : values[i];

		if (b->kind.value == BASELINE_ZSCORE) {
			v = fabs(v - mean) / deviation;
		}
		values[i] = b->lower ? -v : v;
	}
	free(known);
	*ret = values;
	return 0;
}

/* ---- logistic regression ---- */

struct regression {
	struct drip_features *features;
	uint32_t width;  /* features + 1: the last is the constant */
	double *weights; /* width */
	double *means, *deviations;
};

static void regression_finish(struct regression *r)
{
	drip_features_destroy(r->features);
	free(r->weights);
	free(r->means);
	free(r->deviations);
}

/* In place: `rows` of width - 1 doubles into standard units. */
static void standardise(const struct regression *r, double *rows, size_t count)
{
	uint32_t n = r->width - 1;

	for (size_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < n; j++) {
			double v = rows[i * n + j];

			rows[i * n + j] = isnan(v) ? 0 : (v - r->means[j]) / r->deviations[j];
		}
	}
}

static double probability(const struct regression *r, const double *row)
{
	double sum = r->weights[r->width - 1];

	for (uint32_t j = 0; j + 1 < r->width; j++) {
		sum += r->weights[j] * row[j];
	}
	return 1 / (1 + exp(-sum));
}

/* Solves a x = b in place by Cholesky's decomposition; x is left in b. False: a is not positive. */
static bool solve(double *a, double *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t j = 0; j <= i; j++) {
			double sum = a[i * n + j];

			for (uint32_t k = 0; k < j; k++) {
				sum -= a[i * n + k] * a[j * n + k];
			}
			if (i == j && !(sum > 0)) {
				return false;
			}
			a[i * n + j] = i == j ? sqrt(sum) : sum / a[j * n + j];
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			b[i] -= a[i * n + k] * b[k];
		}
		b[i] /= a[i * n + i];
	}
	for (uint32_t i = n; i-- > 0;) {
		for (uint32_t k = i + 1; k < n; k++) {
			b[i] -= a[k * n + i] * b[k];
		}
		b[i] /= a[i * n + i];
	}
	return true;
}

static void add_row(const struct regression *r, const double *row, double label, double *gradient,
		    double *hessian)
{
	double p = probability(r, row), w = p * (1 - p);
	uint32_t n = r->width;

	for (uint32_t i = 0; i < n; i++) {
		double x = i + 1 < n ? row[i] : 1;

		gradient[i] += (label - p) * x;
		for (uint32_t j = 0; j <= i; j++) {
			hessian[i * n + j] += w * x * (j + 1 < n ? row[j] : 1);
		}
	}
}

/* One step of Newton's method; returns its largest change of a weight, 0 where there is none. */
static double newton_step(struct regression *r, const struct drip_frame *f, double *gradient,
			  double *hessian)
{
	uint32_t n = r->width;
	double ridge = RIDGE * (double)f->count, largest = 0;

	memset(gradient, 0, n * sizeof(*gradient));
	memset(hessian, 0, (size_t)n * n * sizeof(*hessian));
	for (size_t i = 0; i < f->count; i++) {
		if (!isnan(f->labels[i])) {
			add_row(r, f->rows + i * (n - 1), f->labels[i] > 0.5, gradient, hessian);
		}
	}
	for (uint32_t i = 0; i < n; i++) {
		hessian[i * n + i] += ridge;
		gradient[i] -= ridge * r->weights[i];
	}
	if (!solve(hessian, gradient, n)) {
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		r->weights[i] += gradient[i];
		largest = fabs(gradient[i]) > largest ? fabs(gradient[i]) : largest;
	}
	return largest;
}

static int newton(struct regression *r, const struct drip_frame *f, struct drip_error *err)
{
	double *gradient = calloc(r->width, sizeof(*gradient));
	double *hessian = calloc((size_t)r->width * r->width, sizeof(*hessian));
	int rc = 0;

	if (gradient == NULL || hessian == NULL) {
		rc = drip_error_nomem(err, (size_t)r->width * r->width * sizeof(*hessian));
	}
	for (int step = 0; rc == 0 && step < NEWTON_STEPS; step++) {
		if (newton_step(r, f, gradient, hessian) < 1e-6) {
			break;
		}
	}
	free(gradient);
	free(hessian);
	return rc;
}

/* Each category's number becomes the share of positives in training, drawn towards that of all. */
static int rate_categories(struct regression *r, struct drip_frame *f, uint32_t feature,
			   struct drip_error *err)
{
	uint32_t count = drip_features_categories(r->features, feature);
	double *rates = calloc(2 * (size_t)count + 1, sizeof(*rates)), *rows = rates + count;
	double all = 0, known = 0;

	if (rates == NULL) {
		return drip_error_nomem(err, count * sizeof(*rates));
	}
	for (size_t i = 0; i < f->count; i++) {
		double id = f->rows[i * (r->width - 1) + feature], label = f->labels[i];

		if (!isnan(label)) {
			all += label > 0.5;
			known++;
			rates[isnan(id) ? 0 : (size_t)id] += isnan(id) ? 0 : label > 0.5;
			rows[isnan(id) ? 0 : (size_t)id] += isnan(id) ? 0 : 1;
		}
	}
	all = known > 0 ? all / known : 0;
	for (uint32_t i = 0; i < count; i++) {
		rates[i] = (rates[i] + 10 * all) / (rows[i] + 10);
	}
	for (size_t i = 0; i < f->count; i++) {
		double *id = &f->rows[i * (r->width - 1) + feature];

		*id = isnan(*id) ? NAN : rates[(size_t)*id];
	}
	drip_features_set_values(r->features, feature, rates, NAN);
	free(rates);
	return 0;
}

static int prepare(struct regression *r, struct drip_frame *f, struct drip_error *err)
{
	uint32_t n = drip_features_count(r->features);
	int rc = 0;

	r->width = n + 1;
	r->weights = calloc(r->width, sizeof(double));
	r->means = calloc(r->width, sizeof(double));
	r->deviations = calloc(r->width, sizeof(double));
	if (r->weights == NULL || r->means == NULL || r->deviations == NULL) {
		return drip_error_nomem(err, r->width * sizeof(double));
	}
	for (uint32_t j = 0; j < n && rc == 0; j++) {
		if (drip_features_categories(r->features, j) != 0) {
			rc = rate_categories(r, f, j, err);
		}
		mean_and_deviation(f->rows + j, f->count, n, &r->means[j], &r->deviations[j]);
	}
	standardise(r, f->rows, f->count);
	return rc;
}

static int regression_fit(struct regression *r, const struct train_part *train,
			  const struct drip_schema *schema, struct drip_error *err)
{
	struct drip_frame frame = {0};
	struct ArrowArrayStream stream;
	int rc = drip_features_create(schema, &r->features, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_batches_stream((const struct drip_batch *const *)train->items, train->count,
				 &stream, err);
	if (rc < 0) {
		return rc;
	}
	rc = drip_features_read(r->features, &stream, schema, UINT64_MAX, &frame, err);
	stream.release(&stream);
	rc = rc == 0 ? prepare(r, &frame, err) : rc;
	rc = rc == 0 ? newton(r, &frame, err) : rc;
	drip_frame_finish(&frame);
	return rc;
}

static int regression_scores(const struct regression *r, const struct train_part *part,
			     double *scores, struct drip_error *err)
{
	uint32_t n = r->width - 1;
	double *rows = malloc(TRAIN_BATCH_ROWS * (size_t)n * sizeof(*rows));
	size_t at = 0;
	int rc = rows == NULL ? drip_error_nomem(err, TRAIN_BATCH_ROWS * n * sizeof(*rows)) : 0;

	for (size_t i = 0; i < part->count && rc == 0; i++) {
		size_t count = (size_t)part->items[i]->rows;

		rc = drip_features_rows(r->features, part->items[i], 0, (int64_t)count, rows, err);
		if (rc == 0) {
			standardise(r, rows, count);
		}
		for (size_t row = 0; row < count && rc == 0; row++) {
			scores[at++] = probability(r, rows + row * n);
		}
	}
	free(rows);
	return rc;
}

int train_baseline_scores(const struct train_baseline *b, const struct train_part *train,
			  const struct train_part *hold_out, const struct drip_schema *schema,
			  const char *label, double **ret, struct drip_error *err)
{
	struct regression r = {0};
	double *scores;
	int rc;

	if (b->kind.value != BASELINE_LOGISTIC) {
		return rule_scores(b, train, hold_out, ret, err);
	}
	if (label == NULL) {
		return drip_error_set(err, -EINVAL, "train.no_label",
				      "a logistic regression needs a model with a label");
	}
	scores = malloc((hold_out->rows + 1) * sizeof(*scores));
	rc = scores == NULL ? drip_error_nomem(err, hold_out->rows * sizeof(*scores)) : 0;
	rc = rc == 0 ? regression_fit(&r, train, schema, err) : rc;
	rc = rc == 0 ? regression_scores(&r, hold_out, scores, err) : rc;
	regression_finish(&r);
	if (rc < 0) {
		free(scores);
		return rc;
	}
	*ret = scores;
	return 0;
}
