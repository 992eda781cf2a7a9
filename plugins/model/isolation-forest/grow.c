/* SPDX-License-Identifier: Apache-2.0 */
/* Growing the forest. Each tree has its own random numbers, from the seed and the tree's number, so
 * that the same rows give the same forest on any machine. */
#include "forest.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define THRESHOLD_ROWS ((size_t)200000) /* scored to find the threshold, evenly spread */
#define SCORE_ROWS     ((size_t)1024)   /* scored at one time */

struct random {
	uint64_t state;
};

/* SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). */
static uint64_t next_u64(struct random *r)
{
	uint64_t z = (r->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static double next_unit(struct random *r)
{
	return (double)(next_u64(r) >> 11) * 0x1.0p-53;
}

static size_t next_below(struct random *r, size_t n)
{
	return (size_t)(next_unit(r) * (double)n);
}

double forest_c(double n)
{
	static const double euler = 0.57721566490153286;

	if (n <= 1) {
		return 0;
	}
	return n <= 2 ? 1 : 2 * (log(n - 1) + euler) - 2 * (n - 1) / n;
}

int forest_alloc(struct forest *f, uint32_t features, uint32_t trees, uint32_t depth,
		 struct drip_error *err)
{
	size_t nodes;

	memset(f, 0, sizeof(*f));
	f->features = features;
	f->trees = trees;
	f->depth = depth;
	nodes = forest_nodes(f) * trees;
	f->missing = calloc(features, sizeof(*f->missing));
	f->nodes = calloc(nodes, sizeof(*f->nodes));
	f->means = calloc(nodes, sizeof(*f->means));
	f->leaves = calloc(nodes + trees, sizeof(*f->leaves));
	if (f->missing == NULL || f->nodes == NULL || f->means == NULL || f->leaves == NULL) {
		forest_finish(f);
		return drip_error_nomem(err, nodes * sizeof(*f->nodes));
	}
	return 0;
}

void forest_finish(struct forest *f)
{
	free(f->missing);
	free(f->nodes);
	free(f->means);
	free(f->leaves);
	memset(f, 0, sizeof(*f));
}

/* ---- one tree ---- */

struct growing {
	struct forest *f;
	struct random random;
	struct forest_node *nodes; /* of the tree */
	float *means, *leaves;
	const float *values; /* the subsample, row by row */
	uint32_t *rows;      /* of the subsample; each node owns a range */
	uint32_t *order;     /* features in random order */
};

static float value_of(const struct growing *g, uint32_t row, uint32_t feature)
{
	return g->values[(size_t)row * g->f->features + feature];
}

/* A feature that differs among the rows, and where to split it; false where all rows are alike. */
static bool choose_split(struct growing *g, uint32_t begin, uint32_t end, struct forest_node *ret)
{
	uint32_t count = g->f->features;

	for (uint32_t tried = 0; tried < count; tried++) {
		uint32_t pick = tried + (uint32_t)next_below(&g->random, count - tried);
		uint32_t feature = g->order[pick];
		float low = value_of(g, g->rows[begin], feature), high = low;

		g->order[pick] = g->order[tried];
		g->order[tried] = feature;
		for (uint32_t i = begin + 1; i < end; i++) {
			float v = value_of(g, g->rows[i], feature);

			low = v < low ? v : low;
			high = v > high ? v : high;
		}
		if (low < high) {
			double at =
				(double)low + next_unit(&g->random) * ((double)high - (double)low);

			ret->feature = feature;
			/* rounding must not make it the lowest value, or left would be empty */
			ret->split = (float)at > low ? (float)at : nextafterf(low, high);
			return true;
		}
	}
	return false;
}

static uint32_t partition(struct growing *g, uint32_t begin, uint32_t end,
			  const struct forest_node *split)
{
	uint32_t middle = begin;

	for (uint32_t i = begin; i < end; i++) {
		if (value_of(g, g->rows[i], split->feature) < split->split) {
			uint32_t row = g->rows[i];

			g->rows[i] = g->rows[middle];
			g->rows[middle++] = row;
		}
	}
	return middle;
}

/* Ends a branch at `node` of `level`: whatever comes there goes left down to one leaf. */
static float end_branch(struct growing *g, size_t node, uint32_t level, uint32_t depth,
			uint32_t rows)
{
	float length = (float)(depth + forest_c(rows));

	for (; level < g->f->depth; level++) {
		g->nodes[node] = (struct forest_node){.split = INFINITY};
		g->means[node] = length;
		node = 2 * node + 1;
	}
	g->leaves[node - forest_nodes(g->f)] = length;
	return length;
}

/* Grows the branch below `node`; returns the mean path length of its rows. */
static float grow_branch(struct growing *g, size_t node, uint32_t level, uint32_t begin,
			 uint32_t end)
{
	struct forest_node split;
	uint32_t middle;
	float left, right;

	if (level == g->f->depth || end - begin < 2 || !choose_split(g, begin, end, &split)) {
		return end_branch(g, node, level, level, end - begin);
	}
	middle = partition(g, begin, end, &split);
	g->nodes[node] = split;
	left = grow_branch(g, 2 * node + 1, level + 1, begin, middle);
	right = grow_branch(g, 2 * node + 2, level + 1, middle, end);
	g->means[node] = (left * (float)(middle - begin) + right * (float)(end - middle)) /
			 (float)(end - begin);
	return g->means[node];
}

/* ---- the forest ---- */

struct soil {
	const double *rows;
	size_t count;
	uint32_t *picks; /* all row numbers, shuffled further by each tree */
	float *values;
	uint32_t *ranks, *order;
};

static void copy_row(const struct forest *f, const double *row, float *out)
{
	for (uint32_t i = 0; i < f->features; i++) {
		out[i] = isnan(row[i]) ? f->missing[i] : (float)row[i];
	}
}

static void grow_tree(struct forest *f, struct soil *s, uint32_t tree, uint64_t seed)
{
	struct growing g = {.f = f,
			    .random = {.state = seed * UINT64_C(0xd1342543de82ef95) + tree},
			    .nodes = f->nodes + tree * forest_nodes(f),
			    .means = f->means + tree * forest_nodes(f),
			    .leaves = f->leaves + tree * (forest_nodes(f) + 1),
			    .values = s->values,
			    .rows = s->ranks,
			    .order = s->order};

	for (uint32_t i = 0; i < f->subsample; i++) {
		size_t pick = i + next_below(&g.random, s->count - i);
		uint32_t row = s->picks[pick];

		s->picks[pick] = s->picks[i];
		s->picks[i] = row;
		copy_row(f, s->rows + (size_t)row * f->features,
			 s->values + (size_t)i * f->features);
		s->ranks[i] = i;
	}
	for (uint32_t i = 0; i < f->features; i++) {
		s->order[i] = i;
	}
	grow_branch(&g, 0, 0, 0, f->subsample);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The median of each feature stands for missing values; 0 where there is no value at all. */
static int find_missing(struct forest *f, const double *rows, size_t count, struct drip_error *err)
{
	double *values = malloc(count * sizeof(*values));

	if (values == NULL) {
		return drip_error_nomem(err, count * sizeof(*values));
	}
	for (uint32_t i = 0; i < f->features; i++) {
		size_t known = 0;

		for (size_t row = 0; row < count; row++) {
			double v = rows[row * f->features + i];

			if (!isnan(v)) {
				values[known++] = v;
			}
		}
		qsort(values, known, sizeof(*values), compare_doubles);
		f->missing[i] = known != 0 ? (float)values[known / 2] : 0;
	}
	free(values);
	return 0;
}

/* The score that a share of `contamination` of the rows reaches. */
static int find_threshold(struct forest *f, const double *rows, size_t count, double contamination,
			  struct drip_error *err)
{
	size_t step = count / THRESHOLD_ROWS + 1, scored = count / step, above;
	double *scores = malloc((scored + 1) * sizeof(*scores));

	if (scores == NULL) {
		return drip_error_nomem(err, scored * sizeof(*scores));
	}
	if (step == 1) {
		forest_score(f, rows, scored, scores);
	} else {
		for (size_t i = 0; i < scored; i++) {
			forest_score(f, rows + i * step * f->features, 1, &scores[i]);
		}
	}
	qsort(scores, scored, sizeof(*scores), compare_doubles);
	above = (size_t)(contamination * (double)scored + 0.5);
	above = above < 1 ? 1 : above > scored ? scored : above;
	f->threshold = scores[scored - above];
	free(scores);
	return 0;
}

static int grow_trees(struct forest *f, struct soil *s, uint64_t seed, struct drip_ctx *ctx,
		      struct drip_error *err)
{
	for (uint32_t tree = 0; tree < f->trees; tree++) {
		if (ctx->host->is_stopping(ctx)) {
			return drip_error_set(err, -ECANCELED, "model.stopped",
					      "training was stopped");
		}
		grow_tree(f, s, tree, seed);
	}
	return 0;
}

int forest_grow(struct forest *f, const double *rows, size_t count, uint32_t features,
		const struct forest_options *options, struct drip_ctx *ctx, struct drip_error *err)
{
	uint32_t subsample = options->subsample < count ? options->subsample : (uint32_t)count;
	struct soil s = {.rows = rows, .count = count};
	uint32_t depth = 1;
	int rc;

	while (depth < FOREST_DEPTH_MAX && ((uint32_t)1 << depth) < subsample) {
		depth++;
	}
	rc = forest_alloc(f, features, options->trees, depth, err);
	rc = rc == 0 ? find_missing(f, rows, count, err) : rc;
	if (rc < 0) {
		forest_finish(f);
		return rc;
	}
	f->subsample = subsample;
	s.picks = malloc(count * sizeof(*s.picks));
	s.values = malloc((size_t)subsample * features * sizeof(*s.values));
	s.ranks = malloc(subsample * sizeof(*s.ranks));
	s.order = malloc(features * sizeof(*s.order));
	if (s.picks == NULL || s.values == NULL || s.ranks == NULL || s.order == NULL) {
		rc = drip_error_nomem(err, count * sizeof(*s.picks));
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		s.picks[i] = (uint32_t)i;
	}
	rc = rc == 0 ? grow_trees(f, &s, options->seed, ctx, err) : rc;
	rc = rc == 0 ? find_threshold(f, rows, count, options->contamination, err) : rc;
	free(s.picks);
	free(s.values);
	free(s.ranks);
	free(s.order);
	if (rc < 0) {
		forest_finish(f);
	}
	return rc;
}
