/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit protocol: see commit.h for its rules. Invariants: epochs in flight are numbered
 * without gaps, oldest first; `durable` never exceeds what every sink has committed; `acked` never
 * exceeds `durable`. No threads and no I/O here.
 */
#include "engine/commit.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct position_set {
	struct drip_position *items;
	size_t count, capacity;
};

struct partition {
	struct drip_position at; /* last boundary; order_size 0: none yet */
	bool open;               /* batches came since without a boundary */
};

struct epoch {
	uint64_t number;
	uint64_t sinks_done; /* a bit each */
	struct position_set positions;
	uint64_t replayed;
	int64_t commit_time_us;
	bool last;
	void *data;
};

struct drip_commit {
	struct drip_commit_options options;
	struct partition *partitions;
	size_t partitions_count, partitions_capacity, partitions_open;
	size_t touched; /* partition of the last batch */
	struct position_set held[DRIP_COMMIT_SINKS_MAX];
	uint64_t groups_held[DRIP_COMMIT_SINKS_MAX]; /* of dead letters, the last one */
	uint64_t replayed;                           /* the last group that went downstream */
	bool making_room;                            /* for a group */
	bool placed;         /* an epoch with a position of the source was cut */
	bool ahead;          /* some sink may still hold what comes */
	uint64_t flush_held; /* sinks that hold what the open epoch has put out last */

	/* the open epoch */
	bool moved, hurry, must_cut;
	bool under_way; /* a batch has begun and not ended */
	int64_t rows, started_us, commit_time_us;
	uint64_t bytes;

	struct epoch epochs[DRIP_COMMIT_EPOCHS_MAX]; /* in flight, oldest first */
	size_t epochs_count;
	bool storing;
	uint64_t next_epoch;

	struct position_set durable;
	uint64_t durable_epoch, acked_epoch;

	bool pausing, stopping, ended, last_cut, gave_up, failed;
};

static int set_add(struct position_set *s, const struct drip_position *p, struct drip_error *err)
{
	if (!drip_grow((void **)&s->items, &s->capacity, s->count + 1, sizeof(*p))) {
		return drip_error_nomem(err, (s->count + 1) * sizeof(*p));
	}
	s->items[s->count++] = *p;
	return 0;
}

static void set_finish(struct position_set *s)
{
	free(s->items);
	memset(s, 0, sizeof(*s));
}

static const struct drip_position *set_find(const struct position_set *s, const char *partition)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->items[i].partition, partition) == 0) {
			return &s->items[i];
		}
	}
	return NULL;
}

/* a < b, where an empty position comes before all. */
static bool before(const struct drip_position *a, const struct drip_position *b)
{
	if (a->order_size == 0 || b->order_size == 0) {
		return a->order_size == 0 && b->order_size != 0;
	}
	return drip_position_compare(a, b) < 0;
}

static uint64_t all_sinks(const struct drip_commit *c)
{
	return c->options.sinks >= 64 ? UINT64_MAX : ((uint64_t)1 << c->options.sinks) - 1;
}

/* The partition of a position; added where it is new. */
static int find_partition(struct drip_commit *c, const char *name, size_t *ret,
			  struct drip_error *err)
{
	struct partition *p;

	if (c->touched < c->partitions_count &&
	    strcmp(c->partitions[c->touched].at.partition, name) == 0) {
		*ret = c->touched;
		return 0;
	}
	for (size_t i = 0; i < c->partitions_count; i++) {
		if (strcmp(c->partitions[i].at.partition, name) == 0) {
			*ret = i;
			return 0;
		}
	}
	if (c->partitions_count >= DRIP_COMMIT_PARTITIONS_MAX) {
		return drip_error_set(err, -E2BIG, "engine.too_many_partitions",
				      "the source has more than %d partitions",
				      DRIP_COMMIT_PARTITIONS_MAX);
	}
	if (!drip_grow((void **)&c->partitions, &c->partitions_capacity, c->partitions_count + 1,
		       sizeof(*p))) {
		return drip_error_nomem(err, (c->partitions_count + 1) * sizeof(*p));
	}
	p = &c->partitions[c->partitions_count];
	memset(p, 0, sizeof(*p));
	p->at.struct_size = sizeof(p->at);
	memcpy(p->at.partition, name, strnlen(name, sizeof(p->at.partition) - 1));
	*ret = c->partitions_count++;
	return 0;
}

int drip_commit_create(const struct drip_commit_options *options, struct drip_commit **ret,
		       struct drip_error *err)
{
	struct drip_commit *c;
	int rc = 0;

	if (options->sinks > DRIP_COMMIT_SINKS_MAX) {
		return drip_error_set(err, -E2BIG, "engine.too_many_sinks",
				      "a pipeline has %d sinks at most", DRIP_COMMIT_SINKS_MAX);
	}
	c = drip_calloc(1, sizeof(*c));
	if (c == NULL) {
		return drip_error_nomem(err, sizeof(*c));
	}
	c->options = *options;
	c->options.from = NULL;
	c->next_epoch = options->epoch + 1;
	c->durable_epoch = options->epoch;
	c->replayed = options->replayed;
	for (uint32_t sink = 0; sink < options->sinks; sink++) {
		c->groups_held[sink] = options->replayed;
	}
	/* A crash may have come between checkpoint and acknowledgement: acknowledge anew. */
	c->acked_epoch =
		options->epoch != 0 && options->replay ? options->epoch - 1 : options->epoch;
	for (size_t i = 0; i < options->from_count && options->replay && rc == 0; i++) {
		size_t at;

		rc = find_partition(c, options->from[i].partition, &at, err);
		if (rc == 0) {
			c->partitions[at].at = options->from[i];
			rc = set_add(&c->durable, &options->from[i], err);
		}
	}
	if (rc < 0) {
		drip_commit_destroy(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void drip_commit_destroy(struct drip_commit *c)
{
	if (c == NULL) {
		return;
	}
	for (size_t i = 0; i < DRIP_COMMIT_SINKS_MAX; i++) {
		set_finish(&c->held[i]);
	}
	for (size_t i = 0; i < c->epochs_count; i++) {
		set_finish(&c->epochs[i].positions);
	}
	set_finish(&c->durable);
	free(c->partitions);
	free(c);
}

/* ---- recovery ---- */

static int sink_behind(const char *name, const char *holds, const char *checkpoint,
		       struct drip_error *err)
{
	drip_error_set(err, -EUCLEAN, "engine.sink_behind",
		       "sink \"%s\" holds %s, behind the checkpoint at %s: it has lost what it had "
		       "committed",
		       name, holds, checkpoint);
	drip_error_hint(err, "Restore the target, or run \"dripline checkpoint reset\" to load it "
			     "anew.");
	return -EUCLEAN;
}

int drip_commit_recover(struct drip_commit *c, uint32_t sink, const char *name,
			const struct drip_position *positions, size_t count, uint64_t replayed,
			struct drip_error *err)
{
	struct position_set *held = &c->held[sink];

	if (replayed > c->groups_held[sink]) {
		c->groups_held[sink] = replayed;
	}
	if (!c->options.replay || count == 0) {
		return 0;
	}
	if (replayed < c->options.replayed) {
		struct drip_position at = drip_commit_group_position(replayed);
		struct drip_position from = drip_commit_group_position(c->options.replayed);

		return sink_behind(name, at.text, from.text, err);
	}
	for (size_t i = 0; i < count; i++) {
		int rc = positions[i].order_size != 0 ? set_add(held, &positions[i], err) : 0;

		if (rc < 0) {
			return rc;
		}
	}
	for (size_t i = 0; i < c->durable.count; i++) {
		const struct drip_position *from = &c->durable.items[i];
		const struct drip_position *at = set_find(held, from->partition);

		if (from->order_size != 0 && (at == NULL || before(at, from))) {
			return sink_behind(name, at != NULL ? at->text : "no position", from->text,
					   err);
		}
	}
	c->ahead = true;
	return 0;
}

void drip_commit_groups(const struct drip_commit *c, uint64_t *ret_all, uint64_t *ret_some)
{
	uint64_t all = UINT64_MAX, some = c->options.replayed;

	for (uint32_t sink = 0; sink < c->options.sinks; sink++) {
		all = c->groups_held[sink] < all ? c->groups_held[sink] : all;
		some = c->groups_held[sink] > some ? c->groups_held[sink] : some;
	}
	*ret_all = all != UINT64_MAX ? all : c->options.replayed;
	*ret_some = some;
}

struct drip_position drip_commit_group_position(uint64_t group)
{
	struct drip_position p = {.struct_size = sizeof(p), .partition = DRIP_COMMIT_LETTERS};

	drip_position_add_u64(&p, group);
	snprintf(p.text, sizeof(p.text), "replay %llu", (unsigned long long)group);
	return p;
}

uint64_t drip_commit_position_group(const struct drip_position *position)
{
	uint64_t group = 0;

	if (strcmp(position->partition, DRIP_COMMIT_LETTERS) != 0) {
		return 0;
	}
	for (uint16_t i = 0; i < position->order_size && i < sizeof(group); i++) {
		group = group << 8 | position->order[i];
	}
	return group;
}

static int compare_cuts(const void *a, const void *b)
{
	const struct drip_position *x = a, *y = b;
	int order = strcmp(x->partition, y->partition);

	return order != 0 ? order : drip_position_compare(x, y);
}

int drip_commit_cuts(const struct drip_commit *c, struct drip_position **ret, size_t *ret_count,
		     struct drip_error *err)
{
	struct position_set cuts = {0};
	size_t kept = 0;

	for (uint32_t sink = 0; sink < c->options.sinks; sink++) {
		for (size_t i = 0; i < c->held[sink].count; i++) {
			const struct drip_position *p = &c->held[sink].items[i];
			const struct drip_position *from = set_find(&c->durable, p->partition);

			if (from != NULL && !before(from, p)) {
				continue;
			}
			if (set_add(&cuts, p, err) < 0) {
				set_finish(&cuts);
				return -ENOMEM;
			}
		}
	}
	if (cuts.count > 1) {
		qsort(cuts.items, cuts.count, sizeof(*cuts.items), compare_cuts);
	}
	for (size_t i = 0; i < cuts.count; i++) {
		if (kept == 0 || compare_cuts(&cuts.items[kept - 1], &cuts.items[i]) != 0) {
			cuts.items[kept++] = cuts.items[i];
		}
	}
	*ret = cuts.items;
	*ret_count = kept;
	return 0;
}

/* The sinks that hold more of the partition than has passed. */
static uint64_t held_mask(const struct drip_commit *c, size_t partition)
{
	uint64_t mask = 0;

	if (!c->ahead || partition >= c->partitions_count) {
		return 0;
	}
	for (uint32_t sink = 0; sink < c->options.sinks; sink++) {
		const struct drip_position *at = &c->partitions[partition].at;
		const struct drip_position *held = set_find(&c->held[sink], at->partition);

		if (held != NULL && before(at, held)) {
			mask |= (uint64_t)1 << sink;
		}
	}
	return mask;
}

/* ---- the source ---- */

static bool at_boundary(const struct drip_commit *c)
{
	return c->partitions_open == 0 || c->ended;
}

static bool draining(const struct drip_commit *c)
{
	return c->stopping || c->ended;
}

static int64_t due_at(const struct drip_commit *c)
{
	int64_t factor = c->rows != 0 ? 1 : DRIP_COMMIT_IDLE_FACTOR;

	return c->started_us + c->options.interval_us * factor;
}

static bool due(const struct drip_commit *c, int64_t now_us)
{
	if (c->hurry || c->must_cut) {
		return true;
	}
	return c->moved &&
	       (c->rows >= c->options.rows || c->bytes >= c->options.bytes || now_us >= due_at(c));
}

enum drip_commit_turn drip_commit_turn(const struct drip_commit *c, int64_t now_us, bool polling)
{
	/* Until a first checkpoint is stored no sink gets beyond the first epoch: then a sink that
	 * is further, where there is no checkpoint, shows that the store was lost. */
	bool slot = c->epochs_count < (c->durable_epoch == 0 ? 1 : DRIP_COMMIT_EPOCHS_MAX);
	bool finish = draining(c) && !c->last_cut;

	if (c->failed) {
		return DRIP_TURN_END;
	}
	if (polling && c->acked_epoch < c->durable_epoch) {
		return DRIP_TURN_ACKNOWLEDGE;
	}
	if (c->last_cut || c->gave_up) {
		return c->epochs_count == 0 ? DRIP_TURN_END : DRIP_TURN_WAIT;
	}
	if (finish || ((c->pausing || c->making_room) && c->moved) || due(c, now_us)) {
		if (!at_boundary(c)) {
			return DRIP_TURN_READ;
		}
		if (slot) {
			return DRIP_TURN_CUT;
		}
		return finish || c->pausing || c->making_room || c->must_cut ? DRIP_TURN_WAIT
									     : DRIP_TURN_READ;
	}
	return at_boundary(c) && (c->pausing || (c->making_room && c->epochs_count != 0))
		       ? DRIP_TURN_WAIT
		       : DRIP_TURN_READ;
}

int64_t drip_commit_due_in(const struct drip_commit *c, int64_t now_us)
{
	int64_t at = due_at(c);

	if (!c->moved || !at_boundary(c) || c->epochs_count == DRIP_COMMIT_EPOCHS_MAX) {
		return -1;
	}
	return at > now_us ? at - now_us : 0;
}

bool drip_commit_accepts(const struct drip_commit *c)
{
	return !c->failed &&
	       !((c->must_cut || c->pausing || c->making_room || draining(c)) && at_boundary(c));
}

int drip_commit_batch_begin(struct drip_commit *c, const struct drip_position *position,
			    int64_t rows, uint64_t *ret_held, struct drip_error *err)
{
	const struct drip_position *at;
	size_t index;
	int rc = find_partition(c, position->partition, &index, err);

	if (rc < 0) {
		return rc;
	}
	c->touched = index;
	c->under_way = true;
	at = &c->partitions[index].at;
	if (position->order_size != 0 && before(position, at)) {
		return drip_error_set(err, -EPROTO, "engine.position_order",
				      "the source went back from position %s to %s", at->text,
				      position->text);
	}
	*ret_held = c->flush_held = held_mask(c, index);
	for (uint32_t sink = 0; sink < c->options.sinks && rows > 0 && *ret_held != 0; sink++) {
		const struct drip_position *held = set_find(&c->held[sink], position->partition);

		if (held != NULL && before(at, held) && before(held, position)) {
			return drip_error_set(err, -EPROTO, "engine.cut_missed",
					      "the source put rows from before and after position "
					      "%s, which a sink holds already, into one batch",
					      held->text);
		}
	}
	return 0;
}

/* A sink stands between the old and the new boundary: an epoch ends here. */
static bool crosses_cut(const struct drip_commit *c, const struct drip_position *from,
			const struct drip_position *to)
{
	for (uint32_t sink = 0; sink < c->options.sinks && c->ahead; sink++) {
		const struct drip_position *held = set_find(&c->held[sink], to->partition);

		if (held != NULL && before(from, held) && !before(to, held)) {
			return true;
		}
	}
	return false;
}

void drip_commit_batch_end(struct drip_commit *c, const struct drip_position *position,
			   bool boundary, int64_t rows, uint64_t bytes, int64_t commit_time_us,
			   int64_t now_us)
{
	struct partition *p = &c->partitions[c->touched];

	c->under_way = false;
	if (!c->moved) {
		c->started_us = now_us;
		c->moved = true;
	}
	c->rows += rows;
	c->bytes += bytes;
	c->commit_time_us = commit_time_us != 0 ? commit_time_us : c->commit_time_us;
	if (boundary && p->open) {
		c->partitions_open--;
	} else if (!boundary && !p->open) {
		c->partitions_open++;
	}
	p->open = !boundary;
	if (!boundary || position->order_size == 0) {
		return;
	}
	c->must_cut = c->must_cut || crosses_cut(c, &p->at, position);
	p->at = *position;
	/* The place where a new pipeline, or one whose checkpoint was reset, starts becomes durable
	 * before any row. */
	if (c->durable.count == 0 && !c->placed && c->rows == 0) {
		c->hurry = true;
	}
}

uint64_t drip_commit_held(const struct drip_commit *c)
{
	return c->flush_held;
}

void drip_commit_hurry(struct drip_commit *c)
{
	c->hurry = true;
}

/* ---- dead letters ---- */

bool drip_commit_may_replay(struct drip_commit *c)
{
	bool may = at_boundary(c) && !c->moved && !c->under_way && c->epochs_count == 0;

	c->making_room = !draining(c);
	return may && c->making_room && !c->pausing && !c->failed;
}

void drip_commit_no_replay(struct drip_commit *c)
{
	c->making_room = false;
}

uint64_t drip_commit_next_group(const struct drip_commit *c)
{
	uint64_t all, some;

	drip_commit_groups(c, &all, &some);
	return (some > c->replayed ? some : c->replayed) + 1;
}

int drip_commit_replay(struct drip_commit *c, uint64_t group, uint64_t *ret_held,
		       struct drip_error *err)
{
	if (group <= c->replayed) {
		return drip_error_set(err, -EINVAL, "engine.internal",
				      "dead letters of group %llu after %llu",
				      (unsigned long long)group, (unsigned long long)c->replayed);
	}
	c->replayed = group;
	c->flush_held = 0;
	for (uint32_t sink = 0; sink < c->options.sinks; sink++) {
		if (c->groups_held[sink] >= group) {
			c->flush_held |= (uint64_t)1 << sink;
		}
	}
	c->making_room = false;
	c->moved = c->must_cut = true;
	*ret_held = c->flush_held;
	return 0;
}

static int snapshot(const struct drip_commit *c, struct position_set *ret, struct drip_error *err)
{
	for (size_t i = 0; i < c->partitions_count; i++) {
		int rc = c->partitions[i].at.order_size != 0
				 ? set_add(ret, &c->partitions[i].at, err)
				 : 0;

		if (rc < 0) {
			set_finish(ret);
			return rc;
		}
	}
	return 0;
}

int drip_commit_cut(struct drip_commit *c, void *data, uint64_t *ret_epoch, struct drip_error *err)
{
	struct epoch *e = &c->epochs[c->epochs_count];
	struct position_set positions = {0};
	int rc = snapshot(c, &positions, err);

	if (rc < 0) {
		return rc;
	}
	*e = (struct epoch){
		.number = c->next_epoch++,
		.positions = positions,
		.replayed = c->replayed,
		.commit_time_us = c->commit_time_us,
		.last = draining(c),
		.data = data,
	};
	c->epochs_count++;
	c->placed = c->placed || positions.count != 0;
	c->last_cut = e->last;
	c->flush_held = held_mask(c, c->touched);
	c->moved = c->hurry = c->must_cut = false;
	c->rows = 0;
	c->bytes = 0;
	*ret_epoch = e->number;
	return 0;
}

void drip_commit_caught_up(struct drip_commit *c)
{
	if (c->options.until_caught_up) {
		c->ended = at_boundary(c);
	}
}

void drip_commit_end(struct drip_commit *c)
{
	c->ended = true;
}

void drip_commit_durable(const struct drip_commit *c, const struct drip_position **ret,
			 size_t *ret_count, uint64_t *ret_epoch)
{
	*ret = c->durable.items;
	*ret_count = c->durable.count;
	*ret_epoch = c->durable_epoch;
}

void drip_commit_acknowledged(struct drip_commit *c, uint64_t epoch)
{
	c->acked_epoch = epoch > c->acked_epoch ? epoch : c->acked_epoch;
}

/* ---- sinks ---- */

static struct epoch *find_epoch(const struct drip_commit *c, uint64_t number)
{
	for (size_t i = 0; i < c->epochs_count; i++) {
		if (c->epochs[i].number == number) {
			return (struct epoch *)&c->epochs[i];
		}
	}
	return NULL;
}

int drip_commit_plan(const struct drip_commit *c, uint32_t sink, uint64_t epoch, bool wrote,
		     struct drip_commit_plan *ret, struct drip_error *err)
{
	const struct position_set *held = &c->held[sink];
	const struct epoch *e = find_epoch(c, epoch);
	struct position_set merged = {0};
	bool ahead = held->count != 0;
	uint64_t group = c->groups_held[sink];
	int rc = 0;

	if (e == NULL) {
		return drip_error_set(err, -EINVAL, "engine.internal", "epoch %llu is not open",
				      (unsigned long long)epoch);
	}
	for (size_t i = 0; i < e->positions.count && rc == 0; i++) {
		const struct drip_position *at = &e->positions.items[i];
		const struct drip_position *own = set_find(held, at->partition);

		ahead = ahead && own != NULL && !before(own, at);
		rc = set_add(&merged, own != NULL && before(at, own) ? own : at, err);
	}
	for (size_t i = 0; i < held->count && rc == 0; i++) {
		if (set_find(&e->positions, held->items[i].partition) == NULL) {
			rc = set_add(&merged, &held->items[i], err);
		}
	}
	ahead = ahead && e->replayed <= group;
	group = e->replayed > group ? e->replayed : group;
	if (rc == 0 && group != 0) {
		struct drip_position letters = drip_commit_group_position(group);

		rc = set_add(&merged, &letters, err);
	}
	if (rc < 0) {
		set_finish(&merged);
		return rc;
	}
	ret->skip = ahead && !wrote && !e->last;
	ret->last = e->last;
	ret->positions = merged.items;
	ret->positions_count = merged.count;
	return 0;
}

void drip_commit_sink_done(struct drip_commit *c, uint32_t sink, uint64_t epoch)
{
	struct epoch *e = find_epoch(c, epoch);

	if (e != NULL) {
		e->sinks_done |= (uint64_t)1 << sink;
	}
}

/* ---- the store ---- */

bool drip_commit_store_next(struct drip_commit *c, struct drip_commit_checkpoint *ret)
{
	const struct epoch *e = &c->epochs[0];

	if (c->failed || c->storing || c->epochs_count == 0 || e->sinks_done != all_sinks(c)) {
		return false;
	}
	c->storing = true;
	*ret = (struct drip_commit_checkpoint){
		.epoch = e->number,
		.positions = e->positions.items,
		.positions_count = e->positions.count,
		.replayed = e->replayed,
		.commit_time_us = e->commit_time_us,
		.data = e->data,
	};
	return true;
}

void drip_commit_stored(struct drip_commit *c, uint64_t epoch)
{
	if (c->epochs_count == 0 || c->epochs[0].number != epoch) {
		return;
	}
	set_finish(&c->durable);
	c->durable = c->epochs[0].positions;
	c->durable_epoch = epoch;
	c->storing = false;
	c->epochs_count--;
	memmove(&c->epochs[0], &c->epochs[1], c->epochs_count * sizeof(c->epochs[0]));
	memset(&c->epochs[c->epochs_count], 0, sizeof(c->epochs[0]));
}

/* ---- control ---- */

void drip_commit_pause(struct drip_commit *c)
{
	c->pausing = true;
}

void drip_commit_resume(struct drip_commit *c)
{
	c->pausing = false;
}

bool drip_commit_paused(const struct drip_commit *c)
{
	return c->pausing && !c->moved && !c->under_way && !c->hurry && at_boundary(c) &&
	       c->epochs_count == 0;
}

void drip_commit_stop(struct drip_commit *c)
{
	c->stopping = true;
}

void drip_commit_give_up(struct drip_commit *c)
{
	c->gave_up = !c->last_cut;
}

bool drip_commit_gave_up(const struct drip_commit *c)
{
	return c->gave_up;
}

bool drip_commit_draining(const struct drip_commit *c)
{
	return draining(c);
}

void drip_commit_fail(struct drip_commit *c)
{
	c->failed = true;
}

enum drip_commit_outcome drip_commit_outcome(const struct drip_commit *c)
{
	if (c->failed) {
		return DRIP_OUTCOME_FAILED;
	}
	if ((!c->last_cut && !c->gave_up) || c->epochs_count != 0) {
		return DRIP_OUTCOME_NONE;
	}
	return c->ended && !c->gave_up ? DRIP_OUTCOME_FINISHED : DRIP_OUTCOME_STOPPED;
}

void *drip_commit_data(const struct drip_commit *c, uint64_t epoch)
{
	const struct epoch *e = find_epoch(c, epoch);

	return e != NULL ? e->data : NULL;
}

size_t drip_commit_in_flight(const struct drip_commit *c, void *ret[DRIP_COMMIT_EPOCHS_MAX])
{
	for (size_t i = 0; i < c->epochs_count; i++) {
		ret[i] = c->epochs[i].data;
	}
	return c->epochs_count;
}
