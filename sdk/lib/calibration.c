/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calibration: Platt's sigmoid over the log-odds (with his targets; Newton's method as Lin, Lin and
 * Weng, "A Note on Platt's Probabilistic Outputs", 2007), or isotonic regression by pooling
 * adjacent violators (Ayer and others, 1955; for scores: Zadrozny and Elkan, 2002), whose pools
 * are joined by straight lines. Nothing is changed after fit or read: any thread may apply.
 */

#include <dripline/calibration.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLATT_STEPS 100
#define MARGIN_MAX  30.0

const struct drip_enum_value drip_calibration_values[] = {
	{.name = "platt", .value = DRIP_CALIBRATION_PLATT, .help = "A sigmoid; for few rows."},
	{.name = "isotonic",
	 .value = DRIP_CALIBRATION_ISOTONIC,
	 .help = "Any growing curve; for thousands of positives."},
	{.name = "none", .value = DRIP_CALIBRATION_NONE, .help = "The score as the model has it."},
	{.name = NULL},
};

const char *drip_calibration_name(enum drip_calibration_kind kind)
{
	static const char *const names[] = {"none", "platt", "isotonic"};

	return names[kind];
}

static double margin_of(double score)
{
	double margin = log(score) - log1p(-score);

	return margin > MARGIN_MAX ? MARGIN_MAX : margin < -MARGIN_MAX ? -MARGIN_MAX : margin;
}

static double sigmoid(double a, double b, double margin)
{
	return 1 / (1 + exp(a * margin + b));
}

static double platt_loss(const double *scores, const double *targets, size_t count, double a,
			 double b)
{
	double loss = 0;

	for (size_t i = 0; i < count; i++) {
		double f = a * margin_of(scores[i]) + b;

		loss += f >= 0 ? targets[i] * f + log1p(exp(-f))
			       : (targets[i] - 1) * f + log1p(exp(f));
	}
	return loss;
}

/* One damped step of Newton's method; false at the minimum. */
static bool platt_step(struct drip_calibration *c, const double *scores, const double *targets,
		       size_t count)
{
	double h11 = 1e-12, h22 = 1e-12, h21 = 0, g1 = 0, g2 = 0, da, db, det, step, loss;

	for (size_t i = 0; i < count; i++) {
		double m = margin_of(scores[i]), p = sigmoid(c->a, c->b, m), w = p * (1 - p);

		h11 += m * m * w;
		h22 += w;
		h21 += m * w;
		g1 += m * (targets[i] - p);
		g2 += targets[i] - p;
	}
	det = h11 * h22 - h21 * h21;
	if ((fabs(g1) < 1e-6 && fabs(g2) < 1e-6) || !(det > 0)) {
		return false;
	}
	da = -(h22 * g1 - h21 * g2) / det;
	db = -(-h21 * g1 + h11 * g2) / det;
	loss = platt_loss(scores, targets, count, c->a, c->b);
	for (step = 1; step > 1e-10; step /= 2) {
		double next =
			platt_loss(scores, targets, count, c->a + step * da, c->b + step * db);

		if (next < loss) {
			c->a += step * da;
			c->b += step * db;
			return true;
		}
	}
	return false;
}

static int fit_platt(struct drip_calibration *c, const double *scores, const double *labels,
		     size_t count, struct drip_error *err)
{
	double *targets = malloc((count + 1) * sizeof(*targets)), positives = 0;
	double high, low;

	if (targets == NULL) {
		return drip_error_nomem(err, count * sizeof(*targets));
	}
	for (size_t i = 0; i < count; i++) {
		positives += labels[i] > 0.5;
	}
	high = (positives + 1) / (positives + 2);
	low = 1 / ((double)count - positives + 2);
	for (size_t i = 0; i < count; i++) {
		targets[i] = labels[i] > 0.5 ? high : low;
	}
	c->a = -1;
	c->b = 0;
	for (int i = 0; i < PLATT_STEPS && platt_step(c, scores, targets, count); i++) {
	}
	free(targets);
	if (!(c->a < 0)) { /* it would turn the order around: leave the scores as they are */
		*c = (struct drip_calibration){.kind = DRIP_CALIBRATION_NONE};
	}
	return 0;
}

struct pool {
	double x, y, weight;
};

static int by_x(const void *a, const void *b)
{
	double x = ((const struct pool *)a)->x, y = ((const struct pool *)b)->x;

	return (x > y) - (x < y);
}

/* Pools neighbours in place until shares only grow; returns how many are left. */
static size_t pool_all(struct pool *p, size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		struct pool next = p[i];

		while (n > 0 && (p[n - 1].y >= next.y || p[n - 1].x == next.x)) {
			const struct pool *last = &p[--n];
			double weight = last->weight + next.weight;

			next.x = (last->x * last->weight + next.x * next.weight) / weight;
			next.y = (last->y * last->weight + next.y * next.weight) / weight;
			next.weight = weight;
		}
		p[n++] = next;
	}
	return n;
}

static int fit_isotonic(struct drip_calibration *c, const double *scores, const double *labels,
			size_t count, struct drip_error *err)
{
	struct pool *p = malloc((count + 1) * sizeof(*p));
	size_t n, step;

	if (p == NULL) {
		return drip_error_nomem(err, count * sizeof(*p));
	}
	for (size_t i = 0; i < count; i++) {
		p[i] = (struct pool){scores[i], labels[i] > 0.5, 1};
	}
	qsort(p, count, sizeof(*p), by_x);
	n = pool_all(p, count);
	step = n / DRIP_CALIBRATION_POINTS_MAX + 1;
	c->x = calloc(n / step + 1, sizeof(*c->x));
	c->y = calloc(n / step + 1, sizeof(*c->y));
	if (c->x == NULL || c->y == NULL) {
		free(p);
		return drip_error_nomem(err, n * sizeof(*c->x));
	}
	for (size_t i = 0; i < n; i += step) {
		c->x[c->count] = p[i].x;
		c->y[c->count++] = p[i].y;
	}
	free(p);
	return 0;
}

int drip_calibration_fit(struct drip_calibration *c, enum drip_calibration_kind kind,
			 const double *scores, const double *labels, size_t count,
			 struct drip_error *err)
{
	*c = (struct drip_calibration){.kind = kind};
	switch (kind) {
	case DRIP_CALIBRATION_PLATT:
		return fit_platt(c, scores, labels, count, err);
	case DRIP_CALIBRATION_ISOTONIC:
		return fit_isotonic(c, scores, labels, count, err);
	default:
		return 0;
	}
}

static double interpolate(const struct drip_calibration *c, double x)
{
	uint32_t low = 0, high = c->count - 1;

	if (x <= c->x[0]) {
		return c->y[0];
	}
	if (x >= c->x[high]) {
		return c->y[high];
	}
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if (c->x[middle] <= x) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return c->y[low] + (c->y[high] - c->y[low]) * (x - c->x[low]) / (c->x[high] - c->x[low]);
}

double drip_calibration_apply(const struct drip_calibration *c, double score)
{
	switch (c->kind) {
	case DRIP_CALIBRATION_PLATT:
		return sigmoid(c->a, c->b, margin_of(score));
	case DRIP_CALIBRATION_ISOTONIC:
		return interpolate(c, score);
	default:
		return score;
	}
}

void drip_calibration_finish(struct drip_calibration *c)
{
	free(c->x);
	free(c->y);
	memset(c, 0, sizeof(*c));
}

void drip_calibration_write(const struct drip_calibration *c, struct drip_text *t)
{
	drip_artifact_put_u32(t, c->kind);
	drip_artifact_put_f64(t, c->a);
	drip_artifact_put_f64(t, c->b);
	drip_artifact_put_u32(t, c->count);
	for (uint32_t i = 0; i < c->count; i++) {
		drip_artifact_put_f64(t, c->x[i]);
		drip_artifact_put_f64(t, c->y[i]);
	}
}

int drip_calibration_read(struct drip_calibration *c, struct drip_artifact_reader *r,
			  struct drip_error *err)
{
	uint32_t kind = drip_artifact_u32(r), count;
	bool good = kind <= DRIP_CALIBRATION_ISOTONIC;

	*c = (struct drip_calibration){.kind = (enum drip_calibration_kind)kind};
	c->a = drip_artifact_f64(r);
	c->b = drip_artifact_f64(r);
	count = drip_artifact_u32(r);
	good &= isfinite(c->a) && isfinite(c->b) && count <= DRIP_CALIBRATION_POINTS_MAX &&
		(kind != DRIP_CALIBRATION_ISOTONIC || count > 0) && !r->bad;
	if (!good) {
		return drip_artifact_refuse(err, "its calibration cannot be read");
	}
	c->x = calloc((size_t)count + 1, sizeof(*c->x));
	c->y = calloc((size_t)count + 1, sizeof(*c->y));
	if (c->x == NULL || c->y == NULL) {
		drip_calibration_finish(c);
		return drip_error_nomem(err, count * sizeof(*c->x));
	}
	for (c->count = 0; c->count < count && good; c->count++) {
		c->x[c->count] = drip_artifact_f64(r);
		c->y[c->count] = drip_artifact_f64(r);
		good = c->x[c->count] >= 0 && c->x[c->count] <= 1 && c->y[c->count] >= 0 &&
		       c->y[c->count] <= 1 &&
		       (c->count == 0 || c->x[c->count] > c->x[c->count - 1]);
	}
	if (!good || r->bad) {
		drip_calibration_finish(c);
		return drip_artifact_refuse(err, "its calibration cannot be read");
	}
	return 0;
}
