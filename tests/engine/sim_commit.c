/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeded simulation of the commit protocol. One schedule is one seed: a source of a few rows in a
 * few transactions, one to three sinks, a store, and an order of steps, faults and commands that
 * the seed decides. What is durable (targets, store, what the source has forgotten) lives through
 * crashes, all else is lost. Each step is followed by the invariants; when the faults are used up,
 * the run must come to its end, with every row where it belongs.
 *
 *	sim_commit --seeds 1-100000	one line at the end, or the seeds that failed
 *	sim_commit --seed 4711		one schedule, with a trace
 */
#include "sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t next_random(struct sim *s)
{
	uint64_t z = (s->random += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static int pick(struct sim *s, int count)
{
	return (int)(next_random(s) % (uint64_t)count);
}

static bool fault(struct sim *s, int one_in)
{
	if (s->faults > 0 && pick(s, one_in) == 0) {
		s->faults--;
		return true;
	}
	return false;
}

static struct drip_position make_position(int partition, uint64_t value)
{
	struct drip_position p = {.struct_size = sizeof(p)};

	p.partition[0] = partition == 0 ? '\0' : (char)('0' + partition);
	if (value != 0) {
		drip_position_add_u64(&p, value);
	}
	snprintf(p.text, sizeof(p.text), "%d/%llu", partition, (unsigned long long)value);
	return p;
}

static int partition_of(const struct drip_position *p)
{
	return p->partition[0] == '\0' ? 0 : p->partition[0] - '0';
}

static uint64_t value_of(const struct drip_position *p)
{
	uint64_t v = 0;

	for (int i = 0; i < p->order_size; i++) {
		v = v << 8 | p->order[i];
	}
	return v;
}

/* ---- start and crash ---- */

static void lose_memory(struct sim *s)
{
	drip_commit_destroy(s->commit);
	s->commit = NULL;
	s->held_count = s->acks_count = 0;
	s->storing = false;
	for (uint32_t i = 0; i < s->sinks_count; i++) {
		s->sinks[i].queue_count = s->sinks[i].open_count = 0;
		s->sinks[i].wrote = s->sinks[i].broken = false;
	}
	memset(s->cuts_count, 0, sizeof(s->cuts_count));
}

static size_t positions_of(const uint64_t values[PARTITIONS], struct drip_position *ret)
{
	size_t count = 0;

	for (int p = 0; p < PARTITIONS; p++) {
		if (values[p] != 0) {
			ret[count++] = make_position(p, values[p]);
		}
	}
	return count;
}

/* Asks the exactly-once sinks; false where one has lost what it acknowledged. */
static bool recover_sinks(struct sim *s)
{
	struct drip_position held[PARTITIONS];
	struct drip_error err = DRIP_ERROR_INIT;

	for (uint32_t i = 0; i < s->sinks_count; i++) {
		struct sink *k = &s->sinks[i];
		size_t count = positions_of(k->position, held);
		bool behind = false;

		for (int p = 0; p < PARTITIONS && k->exactly_once && count != 0; p++) {
			behind = behind || k->position[p] < s->stored[p] ||
				 k->group < s->stored_group;
		}
		if (k->exactly_once &&
		    drip_commit_recover(s->commit, i, "sink", held, count, k->group, &err) < 0) {
			INVARIANT(s, k->lied && behind, "%s", err.message);
			TRACE(s, "sink %u is found out", i);
			s->detected++;
			return false;
		}
		INVARIANT(s, !behind, "sink %u is behind and was not found out", i);
	}
	return true;
}

/* As drip_durable.letters_settle. */
static void settle_letters(struct sim *s)
{
	uint64_t all, some;

	drip_commit_groups(s->commit, &all, &some);
	for (int i = 1; i <= s->letters; i++) {
		s->gone[i] = s->gone[i] || (s->group_of[i] != 0 && s->group_of[i] <= all);
		s->group_of[i] = s->group_of[i] <= some ? s->group_of[i] : 0;
	}
}

static void start(struct sim *s)
{
	struct drip_position from[PARTITIONS], *cuts = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	size_t cuts_count = 0;
	struct drip_commit_options options = {
		.sinks = s->sinks_count,
		.interval_us = 1000,
		.rows = 1 + pick(s, 8),
		.bytes = 1 << 20,
		.epoch = s->stored_epoch,
		.replayed = s->stored_group,
		.from = from,
		.from_count = positions_of(s->stored, from),
		.replay = true,
	};

	lose_memory(s);
	if (drip_commit_create(&options, &s->commit, &err) < 0) {
		INVARIANT(s, false, "create: %s", err.message);
		return;
	}
	if (!recover_sinks(s)) {
		s->done = true;
		return;
	}
	settle_letters(s);
	if (drip_commit_cuts(s->commit, &cuts, &cuts_count, &err) < 0) {
		INVARIANT(s, false, "cuts: %s", err.message);
		return;
	}
	for (size_t i = 0; i < cuts_count; i++) {
		int p = partition_of(&cuts[i]);

		s->cuts[p][s->cuts_count[p]++] = value_of(&cuts[i]);
	}
	free(cuts);
	for (int p = 0; p < s->partitions; p++) {
		s->cursor[p] = s->stored[p];
		INVARIANT(s, s->cursor[p] >= s->forgotten[p], "the source has forgotten %llu",
			  (unsigned long long)s->cursor[p]);
	}
	if (s->paused) {
		drip_commit_pause(s->commit);
	}
	TRACE(s, "start at epoch %llu, %llu %llu", (unsigned long long)s->stored_epoch,
	      (unsigned long long)s->cursor[0], (unsigned long long)s->cursor[1]);
}

/* The store's transaction: letters of the groups in it fall with it. */
static void apply_checkpoint(struct sim *s)
{
	INVARIANT(s, s->storing_what.epoch == s->stored_epoch + 1, "epoch %llu after %llu",
		  (unsigned long long)s->storing_what.epoch, (unsigned long long)s->stored_epoch);
	s->stored_epoch = s->storing_what.epoch;
	for (size_t i = 0; i < s->storing_what.positions_count; i++) {
		int p = partition_of(&s->storing_what.positions[i]);

		INVARIANT(s, value_of(&s->storing_what.positions[i]) >= s->stored[p],
			  "the checkpoint goes back");
		s->stored[p] = value_of(&s->storing_what.positions[i]);
	}
	INVARIANT(s, s->storing_what.replayed >= s->stored_group, "the groups go back");
	s->stored_group = s->storing_what.replayed;
	for (int i = 1; i <= s->letters; i++) {
		s->gone[i] =
			s->gone[i] || (s->group_of[i] != 0 && s->group_of[i] <= s->stored_group);
	}
}

static void crash(struct sim *s)
{
	if (s->storing && pick(s, 2) == 0) {
		/* the store's commit had reached the disk */
		apply_checkpoint(s);
		TRACE(s, "crash, epoch %llu was stored", (unsigned long long)s->stored_epoch);
	} else {
		TRACE(s, "crash");
	}
	start(s);
}

/* ---- the source's thread ---- */

static void push(struct sim *s, uint32_t sink, const struct item *item)
{
	struct sink *k = &s->sinks[sink];

	INVARIANT(s, k->queue_count < ITEMS_MAX, "queue of sink %u", sink);
	if (k->queue_count < ITEMS_MAX) {
		k->queue[k->queue_count++] = *item;
	}
}

static void push_to_all(struct sim *s, const struct item *item, uint64_t held)
{
	for (uint32_t i = 0; i < s->sinks_count; i++) {
		if ((held >> i & 1) == 0) {
			push(s, i, item);
		}
	}
}

/* The next cut of a partition that lies ahead; UINT64_MAX: none. */
static uint64_t next_cut(const struct sim *s, int p)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < s->cuts_count[p]; i++) {
		if (s->cuts[p][i] > s->cursor[p] && s->cuts[p][i] < best) {
			best = s->cuts[p][i];
		}
	}
	return best;
}

static void emit(struct sim *s, int p, int first, int last, uint64_t position, bool boundary)
{
	struct drip_position at = make_position(p, position);
	struct item item = {.partition = p, .first = first, .last = last};
	struct drip_error err = DRIP_ERROR_INIT;
	uint64_t held = 0;
	int rows = last - first + 1;

	INVARIANT(s, drip_commit_accepts(s->commit), "READ where nothing is accepted");
	if (drip_commit_batch_begin(s->commit, &at, rows, &held, &err) < 0) {
		INVARIANT(s, false, "%s", err.message);
		return;
	}
	TRACE(s, "source: %d rows %d-%d, at %llu%s, held %llx", p, first, last,
	      (unsigned long long)position, boundary ? " boundary" : "", (unsigned long long)held);
	if (rows > 0 && s->buffers && s->held_count < ITEMS_MAX) {
		s->held[s->held_count++] = item;
	} else if (rows > 0) {
		push_to_all(s, &item, held);
	}
	drip_commit_batch_end(s->commit, &at, boundary, rows, 10, 0, s->now_us);
	s->cursor[p] = position;
}

/* Emits the next rows of a partition, or a mark. Batches end at cuts. */
static void emit_some(struct sim *s, int p)
{
	int first = (int)(s->cursor[p] / POSITION_GAP) + 1, last = first;
	uint64_t cut = next_cut(s, p);
	bool boundary = first == 1 || s->ends[p][first - 1];

	if (boundary && cut < (uint64_t)first * POSITION_GAP) {
		emit(s, p, first, first - 1, cut, true);
		return;
	}
	if (boundary && pick(s, 6) == 0 && s->cursor[p] % POSITION_GAP < POSITION_GAP - 2) {
		emit(s, p, first, first - 1, s->cursor[p] + 1, true);
		return;
	}
	while (last < s->rows[p] && pick(s, 3) != 0 && (uint64_t)(last + 1) * POSITION_GAP <= cut) {
		last++;
	}
	emit(s, p, first, last, (uint64_t)last * POSITION_GAP, s->ends[p][last]);
}

/* The letters of the next group: of one that did not get to its end first, then new ones. */
static uint64_t next_group(struct sim *s)
{
	uint64_t group = UINT64_MAX;
	int left = 1 + pick(s, 4);

	for (int i = 1; i <= s->letters; i++) {
		if (!s->gone[i] && s->group_of[i] != 0 && s->group_of[i] < group) {
			group = s->group_of[i];
		}
	}
	if (group != UINT64_MAX) {
		return group;
	}
	group = drip_commit_next_group(s->commit);
	for (int i = 1; i <= s->letters && left > 0; i++) {
		if (!s->gone[i]) {
			s->group_of[i] = group;
			left--;
		}
	}
	return group;
}

static void put_back(struct sim *s)
{
	uint64_t group = next_group(s), held;
	struct drip_error err = DRIP_ERROR_INIT;

	if (fault(s, 20)) {
		TRACE(s, "letters: crash after group %llu was numbered", (unsigned long long)group);
		crash(s);
		return;
	}
	if (drip_commit_replay(s->commit, group, &held, &err) < 0) {
		INVARIANT(s, false, "replay: %s", err.message);
		return;
	}
	TRACE(s, "letters: group %llu, held %llx", (unsigned long long)group,
	      (unsigned long long)held);
	for (int i = 1; i <= s->letters; i++) {
		struct item item = {.partition = LETTERS, .first = i, .last = i};

		if (s->gone[i] || s->group_of[i] != group) {
			continue;
		}
		if (s->buffers && s->held_count < ITEMS_MAX) {
			s->held[s->held_count++] = item;
		} else {
			push_to_all(s, &item, held);
		}
	}
}

static bool letters_left(const struct sim *s)
{
	for (int i = 1; i <= s->letters; i++) {
		if (!s->gone[i]) {
			return true;
		}
	}
	return false;
}

/* As drip_replay_inject. True: another turn is to be taken. */
static bool replays(struct sim *s)
{
	bool wanted = letters_left(s) && (s->replaying || pick(s, 6) == 0);

	if (!wanted) {
		drip_commit_no_replay(s->commit);
		return false;
	}
	s->replaying = true;
	if (drip_commit_may_replay(s->commit)) {
		s->replaying = false;
		put_back(s);
		return true;
	}
	return !drip_commit_accepts(s->commit);
}

static void source_reads(struct sim *s)
{
	int left[PARTITIONS], count = 0;

	for (int p = 0; p < s->partitions; p++) {
		if (s->cursor[p] / POSITION_GAP < (uint64_t)s->rows[p]) {
			left[count++] = p;
		}
	}
	if (count == 0 && letters_left(s) && !drip_commit_draining(s->commit)) {
		s->replaying = true; /* the run ends with the last letter */
		return;
	}
	if (count == 0) {
		TRACE(s, "source: end");
		drip_commit_end(s->commit);
		return;
	}
	emit_some(s, left[pick(s, count)]);
}

static void source_cuts(struct sim *s)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct item marker = {.marker = true};
	uint64_t held = drip_commit_held(s->commit);

	for (int i = 0; i < s->held_count; i++) {
		/* What the transform held goes to whoever lacks it; one partition as buffers go. */
		push_to_all(s, &s->held[i], held);
	}
	s->held_count = 0;
	if (drip_commit_cut(s->commit, NULL, &marker.epoch, &err) < 0) {
		INVARIANT(s, false, "cut: %s", err.message);
		return;
	}
	TRACE(s, "source: cut %llu", (unsigned long long)marker.epoch);
	push_to_all(s, &marker, 0);
}

static void source_acknowledges(struct sim *s)
{
	const struct drip_position *positions;
	size_t count;
	uint64_t epoch;

	drip_commit_durable(s->commit, &positions, &count, &epoch);
	for (size_t i = 0; i < count; i++) {
		int p = partition_of(&positions[i]);

		INVARIANT(s, value_of(&positions[i]) >= s->forgotten[p], "acknowledged backwards");
		s->forgotten[p] = value_of(&positions[i]);
	}
	drip_commit_acknowledged(s->commit, epoch);
	TRACE(s, "source: acknowledged %llu", (unsigned long long)epoch);
}

static bool queues_have_room(const struct sim *s)
{
	for (uint32_t i = 0; i < s->sinks_count; i++) {
		if (s->sinks[i].queue_count >= QUEUE_MAX) {
			return false;
		}
	}
	return true;
}

static bool source_steps(struct sim *s)
{
	/* within an emit no checkpoint can be told to the source */
	enum drip_commit_turn turn = drip_commit_turn(s->commit, s->now_us, pick(s, 2) == 0);

	if (turn == DRIP_TURN_WAIT || turn == DRIP_TURN_END) {
		turn = drip_commit_turn(s->commit, s->now_us, true);
	}
	switch (turn) {
	case DRIP_TURN_READ:
		if (!queues_have_room(s)) {
			return false;
		}
		if (fault(s, 40)) {
			TRACE(s, "source: fails");
			drip_commit_fail(s->commit);
			return true;
		}
		if (drip_commit_draining(s->commit) && fault(s, 3)) {
			TRACE(s, "source: gives up");
			drip_commit_give_up(s->commit);
			return true;
		}
		if (!replays(s)) {
			source_reads(s);
		}
		return true;
	case DRIP_TURN_CUT:
		source_cuts(s);
		return true;
	case DRIP_TURN_ACKNOWLEDGE:
		source_acknowledges(s);
		return true;
	case DRIP_TURN_WAIT:
	case DRIP_TURN_END:
		break;
	}
	return false;
}

/* ---- a sink's thread ---- */

static void apply_commit(struct sim *s, struct sink *k, const struct drip_commit_plan *plan)
{
	for (int i = 0; i < k->open_count && k->target_count < TARGET_MAX; i++) {
		k->target[k->target_count++] = k->open[i];
	}
	for (size_t i = 0; i < plan->positions_count && k->exactly_once; i++) {
		uint64_t group = drip_commit_position_group(&plan->positions[i]);
		int p = group == 0 ? partition_of(&plan->positions[i]) : 0;

		if (group != 0) {
			INVARIANT(s, k->lied || group >= k->group, "a sink's group goes back");
			k->group = group;
			continue;
		}
		INVARIANT(s, k->lied || value_of(&plan->positions[i]) >= k->position[p],
			  "a sink's position goes back from %llu to %llu",
			  (unsigned long long)k->position[p],
			  (unsigned long long)value_of(&plan->positions[i]));
		k->position[p] = value_of(&plan->positions[i]);
	}
}

static void add_ack(struct sim *s, uint32_t sink, uint64_t epoch)
{
	for (int times = 1 + (pick(s, 8) == 0); times > 0 && s->acks_count < ACKS_MAX; times--) {
		s->acks[s->acks_count++] = (struct ack){.sink = sink, .epoch = epoch};
	}
}

static void sink_commits(struct sim *s, uint32_t index, uint64_t epoch)
{
	struct sink *k = &s->sinks[index];
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_commit_plan plan = {0};

	if (drip_commit_plan(s->commit, index, epoch, k->wrote, &plan, &err) < 0) {
		INVARIANT(s, false, "plan: %s", err.message);
		return;
	}
	if (plan.skip) {
		TRACE(s, "sink %u: skips %llu", index, (unsigned long long)epoch);
		add_ack(s, index, epoch);
	} else if (fault(s, 25)) {
		bool had_effect = pick(s, 2) == 0;

		if (had_effect) {
			apply_commit(s, k, &plan);
		}
		TRACE(s, "sink %u: commit of %llu fails%s", index, (unsigned long long)epoch,
		      had_effect ? ", though it is done" : "");
		drip_commit_fail(s->commit);
	} else if (s->seed % 8 == 0 && k->open_count > 0 && fault(s, 4)) {
		TRACE(s, "sink %u: lies about %llu", index, (unsigned long long)epoch);
		k->lied = true;
		add_ack(s, index, epoch);
	} else {
		TRACE(s, "sink %u: committed %llu", index, (unsigned long long)epoch);
		apply_commit(s, k, &plan);
		add_ack(s, index, epoch);
	}
	k->open_count = 0;
	k->wrote = false;
	free(plan.positions);
}

static bool sink_steps(struct sim *s, uint32_t index)
{
	struct sink *k = &s->sinks[index];
	struct item item;

	if (k->queue_count == 0) {
		return false;
	}
	item = k->queue[0];
	k->queue_count--;
	memmove(&k->queue[0], &k->queue[1], (size_t)k->queue_count * sizeof(k->queue[0]));
	if (item.marker) {
		sink_commits(s, index, item.epoch);
	} else if (fault(s, 40)) {
		TRACE(s, "sink %u: write fails", index);
		drip_commit_fail(s->commit);
	} else {
		k->open[k->open_count++] = item;
		k->wrote = true;
	}
	return true;
}

/* ---- acknowledgements, store, commands ---- */

static bool deliver_ack(struct sim *s)
{
	int i;

	if (s->acks_count == 0) {
		return false;
	}
	i = pick(s, s->acks_count);
	drip_commit_sink_done(s->commit, s->acks[i].sink, s->acks[i].epoch);
	s->acks[i] = s->acks[--s->acks_count];
	return true;
}

static bool store_steps(struct sim *s)
{
	if (!s->storing) {
		s->storing = drip_commit_store_next(s->commit, &s->storing_what);
		return s->storing;
	}
	if (fault(s, 30)) {
		TRACE(s, "store: fails");
		if (pick(s, 2) == 0) {
			crash(s);
		} else {
			drip_commit_fail(s->commit);
		}
		return true;
	}
	apply_checkpoint(s);
	TRACE(s, "store: epoch %llu", (unsigned long long)s->stored_epoch);
	drip_commit_stored(s->commit, s->storing_what.epoch);
	s->storing = false;
	return true;
}

static void command(struct sim *s)
{
	int what = pick(s, 5);

	s->commands--;
	if (what == 0) {
		TRACE(s, "command: pause");
		s->paused = true;
		drip_commit_pause(s->commit);
	} else if (what == 1) {
		TRACE(s, "command: stop or reload");
		drip_commit_stop(s->commit);
	} else if (what == 2) {
		TRACE(s, "command: cut soon");
		drip_commit_hurry(s->commit);
	} else {
		TRACE(s, "command: resume");
		s->paused = false;
		drip_commit_resume(s->commit);
	}
}

/* One step of whoever can take one, from a random start; false: nobody can. */
static bool anyone_steps(struct sim *s)
{
	int actors = 3 + (int)s->sinks_count, from = pick(s, actors);

	for (int i = 0; i < actors; i++) {
		int who = (from + i) % actors;
		bool moved;

		if (who == 0) {
			moved = source_steps(s);
		} else if (who == 1) {
			moved = deliver_ack(s);
		} else if (who == 2) {
			moved = store_steps(s);
		} else {
			moved = sink_steps(s, (uint32_t)(who - 3));
		}
		if (moved) {
			return true;
		}
	}
	return false;
}

static void end_of_run(struct sim *s, enum drip_commit_outcome outcome)
{
	if (outcome == DRIP_OUTCOME_FINISHED) {
		TRACE(s, "finished");
		s->done = true;
		sim_check_end(s);
	} else if (outcome == DRIP_OUTCOME_STOPPED) {
		for (uint32_t i = 0; i < s->sinks_count && !drip_commit_gave_up(s->commit); i++) {
			INVARIANT(s, s->sinks[i].open_count == 0, "stopped with rows in sink %u",
				  i);
			INVARIANT(s, s->sinks[i].queue_count == 0, "stopped with a queue");
		}
		TRACE(s, "stopped, starts again");
		start(s);
	} else {
		crash(s);
	}
}

static void step(struct sim *s)
{
	enum drip_commit_outcome outcome = drip_commit_outcome(s->commit);

	s->now_us += pick(s, 400);
	if (outcome == DRIP_OUTCOME_FAILED ||
	    (outcome != DRIP_OUTCOME_NONE &&
	     drip_commit_turn(s->commit, s->now_us, true) == DRIP_TURN_END)) {
		end_of_run(s, outcome);
		return;
	}
	if (fault(s, 60)) {
		crash(s);
		return;
	}
	if (s->commands > 0 && pick(s, 20) == 0) {
		command(s);
		return;
	}
	if (!anyone_steps(s)) {
		if (s->paused && drip_commit_paused(s->commit)) {
			TRACE(s, "is paused, resumes");
			s->paused = false;
			drip_commit_resume(s->commit);
			return;
		}
		/* Only time may help; an epoch falls due within five intervals. */
		s->now_us += 6000;
		INVARIANT(s, anyone_steps(s), "deadlock");
	}
}

static void setup(struct sim *s)
{
	s->random = s->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	s->now_us = 1000000;
	s->faults = pick(s, 8);
	s->commands = pick(s, 4);
	s->sinks_count = 1 + (uint32_t)pick(s, SINKS_MAX);
	s->buffers = pick(s, 3) == 0;
	s->partitions = s->buffers ? 1 : 1 + pick(s, PARTITIONS);
	for (int p = 0; p < s->partitions; p++) {
		s->rows[p] = 1 + pick(s, ROWS_MAX);
		for (int i = 1; i <= s->rows[p]; i++) {
			s->ends[p][i] = pick(s, 3) == 0 || i == s->rows[p];
		}
	}
	for (uint32_t i = 0; i < s->sinks_count; i++) {
		s->sinks[i].exactly_once = pick(s, 3) != 0;
	}
	s->letters = pick(s, 2) == 0 ? 0 : 1 + pick(s, LETTERS_MAX);
}

static bool run_seed(uint64_t seed, bool trace, uint64_t *steps, uint64_t *detected)
{
	struct sim *s = calloc(1, sizeof(*s));
	bool ok;

	if (s == NULL) {
		printf("out of memory\n");
		return false;
	}
	s->seed = seed;
	s->trace = trace;
	setup(s);
	start(s);
	while (!s->done && !s->failed) {
		step(s);
		sim_check(s);
		INVARIANT(s, ++s->steps < STEPS_MAX, "no end in sight");
	}
	*steps += (uint64_t)s->steps;
	*detected += (uint64_t)s->detected;
	ok = !s->failed;
	drip_commit_destroy(s->commit);
	free(s);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned long long first = 1, last = 2000;
	uint64_t steps = 0, detected = 0, failed = 0;
	char *end;

	if (argc == 3 && (strcmp(argv[1], "--seed") == 0 || strcmp(argv[1], "--seeds") == 0)) {
		first = last = strtoull(argv[2], &end, 10);
		if (*end == '-' && argv[1][6] == 's') {
			last = strtoull(end + 1, &end, 10);
		}
		if (*end != '\0') {
			argc = 0;
		}
	} else if (argc != 1) {
		argc = 0;
	}
	if (argc == 0 || last < first) {
		fprintf(stderr, "usage: sim_commit [--seed N | --seeds A-B]\n");
		return 2;
	}
	for (unsigned long long seed = first; seed <= last && failed < 10; seed++) {
		failed += !run_seed(seed, argc == 3 && argv[1][6] == '\0', &steps, &detected);
	}
	printf("%llu schedules, %llu steps, %llu lies found out, %llu failed\n", last - first + 1,
	       (unsigned long long)steps, (unsigned long long)detected, (unsigned long long)failed);
	return failed != 0;
}
