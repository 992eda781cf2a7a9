/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoring. A step down a tree waits for two loads that depend on each other; so LANES rows (or, for
 * one row, LANES trees) go down side by side and the processor overlaps their waits. Rows are
 * copied to floats in blocks that stay in the first-level cache, and each tree passes over a whole
 * block.
 */
#include "forest.h"

#include <math.h>
#include <string.h>

#define LANES       16
#define BLOCK_BYTES 16384 /* of floats */

/*
 * Adds each lane's path length in one tree. `values` holds the LANES values of the first feature,
 * then those of the second, ... `at` counts nodes from 1, so that the children are 2i and 2i+1.
 */
static inline void step_rows(const struct forest_node *nodes, const float *leaves, uint32_t depth,
			     const float *values, float *sums)
{
	uint32_t at[LANES];

	for (int lane = 0; lane < LANES; lane++) {
		at[lane] = 1;
	}
	for (uint32_t level = 0; level < depth; level++) {
#pragma GCC unroll 16
		for (int lane = 0; lane < LANES; lane++) {
			const struct forest_node *n = &nodes[at[lane] - 1];
			float v = values[(size_t)n->feature * LANES + (size_t)lane];

			at[lane] = 2 * at[lane] + (uint32_t)(v >= n->split);
		}
	}
	for (int lane = 0; lane < LANES; lane++) {
		sums[lane] += leaves[at[lane] - ((uint32_t)1 << depth)];
	}
}

static double score_of(const struct forest *f, double sum, double unit)
{
	return exp2(-sum / f->trees / unit);
}

static void copy_row(const struct forest *f, const double *row, float *values, size_t stride)
{
	for (uint32_t i = 0; i < f->features; i++) {
		values[i * stride] = isnan(row[i]) ? f->missing[i] : (float)row[i];
	}
}

/* In groups of LANES rows, as step_rows wants them. */
static void copy_rows(const struct forest *f, const double *rows, size_t count, float *values)
{
	for (size_t row = 0; row < count; row++) {
		size_t group = row / LANES * LANES;

		copy_row(f, rows + row * f->features, values + group * f->features + row % LANES,
			 LANES);
	}
}

/* `count` rows that fit into a block; a multiple of LANES. */
static void score_block(const struct forest *f, const float *values, size_t count, float *sums)
{
	size_t nodes_count = forest_nodes(f);

	memset(sums, 0, count * sizeof(*sums));
	for (uint32_t tree = 0; tree < f->trees; tree++) {
		const struct forest_node *nodes = f->nodes + tree * nodes_count;
		const float *leaves = f->leaves + tree * (nodes_count + 1);

		for (size_t row = 0; row < count; row += LANES) {
			step_rows(nodes, leaves, f->depth, values + row * f->features, sums + row);
		}
	}
}

/* One row: LANES trees side by side. */
static float sum_row(const struct forest *f, const float *values)
{
	size_t nodes_count = forest_nodes(f);
	float sum = 0;

	for (uint32_t tree = 0; tree < f->trees; tree += LANES) {
		uint32_t lanes = f->trees - tree < LANES ? f->trees - tree : LANES;
		uint32_t at[LANES] = {0};

		for (uint32_t level = 0; level < f->depth; level++) {
			for (uint32_t lane = 0; lane < lanes; lane++) {
				const struct forest_node *n =
					&f->nodes[(tree + lane) * nodes_count + at[lane]];

				at[lane] = 2 * at[lane] + 1 +
					   (uint32_t)(values[n->feature] >= n->split);
			}
		}
		for (uint32_t lane = 0; lane < lanes; lane++) {
			sum += f->leaves[(tree + lane) * (nodes_count + 1) + at[lane] -
					 nodes_count];
		}
	}
	return sum;
}

void forest_score(const struct forest *f, const double *rows, size_t count, double *ret_scores)
{
	float values[BLOCK_BYTES / sizeof(float)], sums[BLOCK_BYTES / sizeof(float)];
	size_t block = DRIP_COUNT(values) / f->features / LANES * LANES, done = 0;
	double unit = forest_c(f->subsample);

	while (block != 0 && count - done >= LANES) {
		size_t n = (count - done < block ? count - done : block) / LANES * LANES;

		copy_rows(f, rows + done * f->features, n, values);
		score_block(f, values, n, sums);
		for (size_t row = 0; row < n; row++) {
			ret_scores[done + row] = score_of(f, (double)sums[row], unit);
		}
		done += n;
	}
	for (; done < count; done++) {
		copy_row(f, rows + done * f->features, values, 1);
		ret_scores[done] = score_of(f, (double)sum_row(f, values), unit);
	}
}

void forest_explain(const struct forest *f, const double *row, double *ret_contributions)
{
	float values[DRIP_MODEL_FEATURES_MAX];
	size_t nodes_count = forest_nodes(f);

	copy_row(f, row, values, 1);
	memset(ret_contributions, 0, f->features * sizeof(*ret_contributions));
	for (uint32_t tree = 0; tree < f->trees; tree++) {
		const struct forest_node *nodes = f->nodes + tree * nodes_count;
		const float *means = f->means + tree * nodes_count;
		size_t at = 0;

		while (at < nodes_count) {
			size_t next = 2 * at + 1 + (values[nodes[at].feature] >= nodes[at].split);
			float mean =
				next < nodes_count
					? means[next]
					: f->leaves[tree * (nodes_count + 1) + next - nodes_count];

			ret_contributions[nodes[at].feature] +=
				(double)(means[at] - mean) / f->trees;
			at = next;
		}
	}
}

/* ---- artifacts ---- */

static void put_f32(struct drip_text *t, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	drip_artifact_put_u32(t, bits);
}

static float get_f32(struct drip_artifact_reader *r)
{
	uint32_t bits = drip_artifact_u32(r);
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void forest_write(const struct forest *f, struct drip_text *t)
{
	size_t nodes = forest_nodes(f) * f->trees;

	drip_artifact_put_u32(t, f->trees);
	drip_artifact_put_u32(t, f->depth);
	drip_artifact_put_u32(t, f->subsample);
	drip_artifact_put_f64(t, f->threshold);
	for (uint32_t i = 0; i < f->features; i++) {
		put_f32(t, f->missing[i]);
	}
	for (size_t i = 0; i < nodes; i++) {
		put_f32(t, f->nodes[i].split);
		drip_artifact_put_u32(t, f->nodes[i].feature);
		put_f32(t, f->means[i]);
	}
	for (size_t i = 0; i < nodes + f->trees; i++) {
		put_f32(t, f->leaves[i]);
	}
}

/* True where every number can be computed with. */
static bool read_nodes(struct forest *f, struct drip_artifact_reader *r)
{
	size_t nodes = forest_nodes(f) * f->trees;
	bool good = true;

	for (uint32_t i = 0; i < f->features; i++) {
		f->missing[i] = get_f32(r);
		good &= isfinite(f->missing[i]);
	}
	for (size_t i = 0; i < nodes && good; i++) {
		f->nodes[i].split = get_f32(r);
		f->nodes[i].feature = drip_artifact_u32(r);
		f->means[i] = get_f32(r);
		good = !isnan(f->nodes[i].split) && f->nodes[i].feature < f->features &&
		       isfinite(f->means[i]);
	}
	for (size_t i = 0; i < nodes + f->trees && good; i++) {
		f->leaves[i] = get_f32(r);
		good = isfinite(f->leaves[i]) && f->leaves[i] >= 0;
	}
	return good && !r->bad && r->at == r->end;
}

int forest_read(struct forest *f, struct drip_artifact_reader *r, uint32_t features,
		struct drip_error *err)
{
	uint32_t trees = drip_artifact_u32(r), depth = drip_artifact_u32(r);
	uint32_t subsample = drip_artifact_u32(r);
	double threshold = drip_artifact_f64(r);
	size_t left = (size_t)(r->end - r->at);
	int rc;

	if (r->bad || trees < 1 || trees > FOREST_TREES_MAX || depth < 1 ||
	    depth > FOREST_DEPTH_MAX || subsample < 2 || subsample > FOREST_SUBSAMPLE_MAX ||
	    !isfinite(threshold) ||
	    left != 4 * (features + trees * (4 * (((size_t)1 << depth) - 1) + 1))) {
		return drip_artifact_refuse(err, "its forest cannot be read");
	}
	rc = forest_alloc(f, features, trees, depth, err);
	if (rc < 0) {
		return rc;
	}
	f->subsample = subsample;
	f->threshold = threshold;
	if (!read_nodes(f, r)) {
		forest_finish(f);
		return drip_artifact_refuse(err, "its forest cannot be read");
	}
	return 0;
}
