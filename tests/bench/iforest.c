/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures scoring by an isolation forest of 100 trees on one core: prints, as JSON, rows a second
 * of a batch and microseconds of single rows (p50, p99), by the time that the processor gave. Run
 * by bench.py.
 */
#include "forest.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROWS     ((size_t)200000)
#define FEATURES 8
#define SINGLES  20000
#define ROUNDS   5

static bool never(struct drip_ctx *ctx)
{
	return false;
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(void)
{
	static const struct drip_host host = {.struct_size = sizeof(host), .is_stopping = never};
	const struct forest_options options = {
		.trees = 100, .subsample = 256, .seed = 1, .contamination = 0.01};
	struct drip_ctx ctx = {.host = &host};
	struct drip_error err = DRIP_ERROR_INIT;
	double *rows = malloc(ROWS * FEATURES * sizeof(*rows));
	double *scores = malloc(ROWS * sizeof(*scores));
	double best = INFINITY, *singles = malloc(SINGLES * sizeof(*singles));
	uint64_t state = 1;
	struct forest f;

	if (rows == NULL || scores == NULL || singles == NULL) {
		return 1;
	}
	for (size_t i = 0; i < ROWS * FEATURES; i++) {
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		rows[i] = (double)(state >> 33);
	}
	if (forest_grow(&f, rows, ROWS, FEATURES, &options, &ctx, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	for (int round = 0; round < ROUNDS; round++) {
		double begin = now_us(), took;

		forest_score(&f, rows, ROWS, scores);
		took = now_us() - begin;
		best = took < best ? took : best;
	}
	for (size_t i = 0; i < SINGLES; i++) {
		double begin = now_us();

		forest_score(&f, rows + i * FEATURES, 1, scores);
		singles[i] = now_us() - begin;
	}
	qsort(singles, SINGLES, sizeof(*singles), compare);
	printf("{\"rows_per_s\": %.0f, \"row_p50_us\": %.2f, \"row_p99_us\": %.2f}\n",
	       (double)ROWS / best * 1e6, singles[SINGLES / 2], singles[SINGLES * 99 / 100]);
	forest_finish(&f);
	free(rows);
	free(scores);
	free(singles);
	return 0;
}
