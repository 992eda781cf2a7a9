/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to the model `isolation-forest`: the forest itself, after Liu, Ting and Zhou, "Isolation
 * Forest" (ICDM 2008). Each tree is a perfect binary tree of `depth` levels in two flat arrays:
 * node i has the children 2i+1 and 2i+2, a branch that ended early is filled with nodes that always
 * go left. So every row takes the same steps, without a branch that a processor could guess wrong.
 * Immutable once grown or read: any thread may score.
 */
#ifndef DRIPLINE_IFOREST_FOREST_H
#define DRIPLINE_IFOREST_FOREST_H

#include <dripline/dripline.h>

#define FOREST_TREES_MAX     1000
#define FOREST_SUBSAMPLE_MAX 4096
#define FOREST_DEPTH_MAX     12 /* log2 of it */

struct forest_node {
	float split; /* left where the value is less */
	uint32_t feature;
};

struct forest {
	uint32_t features, trees, depth, subsample;
	float *missing;            /* one a feature: stands for a missing value */
	struct forest_node *nodes; /* trees times (1 << depth) - 1 */
	float *means;              /* likewise: mean path length of what passes the node */
	float *leaves;             /* trees times 1 << depth: path lengths */
	double threshold;
};

/* Nodes of one tree; its leaves are one more. */
static inline size_t forest_nodes(const struct forest *f)
{
	return ((size_t)1 << f->depth) - 1;
}

struct forest_options {
	uint32_t trees, subsample;
	uint64_t seed;
	double contamination;
};

/* Mean path length of an unsuccessful search in a binary search tree of n: c(n) of the paper. */
double forest_c(double n);
int forest_alloc(struct forest *f, uint32_t features, uint32_t trees, uint32_t depth,
		 struct drip_error *err) DRIP_MUST_CHECK;
void forest_finish(struct forest *f); /* zeroed is accepted */
/* Grows a forest over `count` rows of doubles, at least 2. -ECANCELED where the host stops. */
int forest_grow(struct forest *f, const double *rows, size_t count, uint32_t features,
		const struct forest_options *options, struct drip_ctx *ctx,
		struct drip_error *err) DRIP_MUST_CHECK;
/* Scores rows into (0, 1]: near 1 is an anomaly. Allocates nothing. */
void forest_score(const struct forest *f, const double *rows, size_t count, double *ret_scores);
/* By how much each feature shortened the mean path of the row (a longer one is negative). Their sum
 * is the mean path length of training data less that of the row. */
void forest_explain(const struct forest *f, const double *row, double *ret_contributions);

void forest_write(const struct forest *f, struct drip_text *t);
int forest_read(struct forest *f, struct drip_artifact_reader *r, uint32_t features,
		struct drip_error *err) DRIP_MUST_CHECK;

#endif
