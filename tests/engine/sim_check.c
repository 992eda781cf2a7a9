/* SPDX-License-Identifier: Apache-2.0 */
/* Invariants of the commit protocol's simulation. */
#include "sim.h"

/* Rows of one partition in a target, in the order of their commits. */
static int target_rows(const struct sink *k, int partition, int *rows)
{
	int count = 0;

	for (int i = 0; i < k->target_count; i++) {
		const struct item *run = &k->target[i];

		for (int r = run->first; r <= run->last && run->partition == partition; r++) {
			rows[count++] = r;
		}
	}
	return count;
}

static void check_sink(struct sim *s, uint32_t index)
{
	struct sink *k = &s->sinks[index];
	static int rows[TARGET_MAX * ROWS_MAX];

	for (int p = 0; p < s->partitions && !k->lied; p++) {
		int count = target_rows(k, p, rows), top = 0;

		for (int i = 0; i < count; i++) {
			INVARIANT(s, rows[i] <= top + 1, "sink %u lost row %d of %d", index,
				  top + 1, p);
			INVARIANT(s, !k->exactly_once || rows[i] == top + 1,
				  "sink %u has row %d of %d twice", index, rows[i], p);
			top = rows[i] > top ? rows[i] : top;
		}
		INVARIANT(s, (uint64_t)top >= s->stored[p] / POSITION_GAP,
			  "the checkpoint of %d is at %llu, sink %u holds rows to %d", p,
			  (unsigned long long)s->stored[p], index, top);
		INVARIANT(s, !k->exactly_once || (uint64_t)top == k->position[p] / POSITION_GAP,
			  "sink %u says %llu and holds rows to %d", index,
			  (unsigned long long)k->position[p], top);
	}
}

/* A letter is once in an exactly-once sink, and everywhere before it is gone. */
static void check_letters(struct sim *s, uint32_t index)
{
	const struct sink *k = &s->sinks[index];
	static int rows[TARGET_MAX * ROWS_MAX];
	int count = target_rows(k, LETTERS, rows), times[LETTERS_MAX + 1] = {0};

	for (int i = 0; i < count; i++) {
		times[rows[i]]++;
	}
	for (int i = 1; i <= s->letters && !k->lied; i++) {
		INVARIANT(s, !k->exactly_once || times[i] <= 1, "sink %u has letter %d twice",
			  index, i);
		INVARIANT(s, !s->gone[i] || times[i] >= 1, "letter %d is gone, sink %u lacks it", i,
			  index);
	}
}

void sim_check(struct sim *s)
{
	for (uint32_t i = 0; i < s->sinks_count; i++) {
		check_sink(s, i);
		check_letters(s, i);
	}
	for (int p = 0; p < s->partitions; p++) {
		INVARIANT(s, s->forgotten[p] <= s->stored[p],
			  "the source forgot %llu, the checkpoint is at %llu",
			  (unsigned long long)s->forgotten[p], (unsigned long long)s->stored[p]);
	}
}

void sim_check_end(struct sim *s)
{
	static int rows[TARGET_MAX * ROWS_MAX];

	for (uint32_t i = 0; i < s->sinks_count; i++) {
		for (int p = 0; p < s->partitions && !s->sinks[i].lied; p++) {
			int count = target_rows(&s->sinks[i], p, rows), top = 0;

			for (int r = 0; r < count; r++) {
				top = rows[r] > top ? rows[r] : top;
			}
			INVARIANT(s, top == s->rows[p], "sink %u ends with row %d of %d, %d", i, p,
				  top, s->rows[p]);
		}
	}
	for (int i = 1; i <= s->letters; i++) {
		INVARIANT(s, s->gone[i], "letter %d is left", i);
	}
	for (int p = 0; p < s->partitions; p++) {
		INVARIANT(s, s->stored[p] / POSITION_GAP == (uint64_t)s->rows[p],
			  "the checkpoint ends at %llu", (unsigned long long)s->stored[p]);
		INVARIANT(s, s->forgotten[p] == s->stored[p],
			  "the source was told of %llu, the checkpoint is at %llu",
			  (unsigned long long)s->forgotten[p], (unsigned long long)s->stored[p]);
	}
}
