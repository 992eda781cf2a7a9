/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the commit protocol's simulation: see sim_commit.c. One thread. */
#ifndef DRIPLINE_TESTS_ENGINE_SIM_H
#define DRIPLINE_TESTS_ENGINE_SIM_H

#include "engine/commit.h"

#include <stdio.h>

#define PARTITIONS   2
#define ROWS_MAX     24
#define SINKS_MAX    3
#define QUEUE_MAX    4
#define ITEMS_MAX    64
#define TARGET_MAX   4096
#define ACKS_MAX     64
#define STEPS_MAX    20000
#define POSITION_GAP 10 /* row i stands at 10 * i, marks between */
#define LETTERS_MAX  12
#define LETTERS      PARTITIONS /* the partition of letters that were put back, in targets */

struct item {
	bool marker;
	uint64_t epoch;
	int partition, first, last; /* rows, first > last: none */
};

struct sink {
	/* durable */
	bool exactly_once;
	struct item target[TARGET_MAX]; /* runs of rows, in the order of their commits */
	int target_count;
	uint64_t position[PARTITIONS]; /* exactly once: stored with the data */
	uint64_t group;                /* likewise */
	bool lied, lie_seen_through;   /* said "committed" and was not; positions moved on since */
	/* lost in a crash */
	struct item queue[ITEMS_MAX];
	int queue_count;
	struct item open[ITEMS_MAX];
	int open_count;
	bool wrote, broken;
};

struct ack {
	uint32_t sink;
	uint64_t epoch;
};

struct sim {
	uint64_t seed, random;
	bool trace, failed, done;
	int64_t now_us;
	int faults;   /* left */
	int commands; /* left: pause, resume, stop */
	int steps;

	/* the source's log, durable */
	int partitions, rows[PARTITIONS];
	bool ends[PARTITIONS][ROWS_MAX + 1]; /* row is the last of its transaction */
	uint64_t forgotten[PARTITIONS];
	bool buffers; /* a transform that holds all rows until the flush */

	/* the store, durable */
	uint64_t stored[PARTITIONS], stored_epoch, stored_group;
	int letters;                        /* there were so many, 1 to ... */
	bool gone[LETTERS_MAX + 1];         /* put back for good */
	uint64_t group_of[LETTERS_MAX + 1]; /* 0: none */

	struct sink sinks[SINKS_MAX];
	uint32_t sinks_count;

	/* lost in a crash */
	struct drip_commit *commit;
	uint64_t cursor[PARTITIONS]; /* the source's */
	uint64_t cuts[PARTITIONS][DRIP_COMMIT_SINKS_MAX];
	int cuts_count[PARTITIONS];
	struct item held[ITEMS_MAX]; /* by the transform */
	int held_count;
	struct ack acks[ACKS_MAX];
	int acks_count;
	bool storing, paused, replaying;
	struct drip_commit_checkpoint storing_what;
	int detected;
};

#define TRACE(s, ...)                                                                              \
	do {                                                                                       \
		if ((s)->trace) {                                                                  \
			printf("%5d ", (s)->steps);                                                \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
		}                                                                                  \
	} while (0)

#define INVARIANT(s, cond, ...)                                                                    \
	do {                                                                                       \
		if (!(cond) && !(s)->failed) {                                                     \
			(s)->failed = true;                                                        \
			printf("seed %llu, step %d: %s: ", (unsigned long long)(s)->seed,          \
			       (s)->steps, #cond);                                                 \
			printf(__VA_ARGS__);                                                       \
			printf("\n");                                                              \
		}                                                                                  \
	} while (0)

/* After each step: nothing lost, nothing twice where that is promised, no checkpoint beyond a sink,
 * no acknowledgement beyond a checkpoint. */
void sim_check(struct sim *s);
/* After the last: every row is everywhere. */
void sim_check_end(struct sim *s);

#endif
