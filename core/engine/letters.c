/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rejected rows: the stage's on_error policy, and dead letters. Letters are held back and stored
 * together, at the latest before the epoch of their rows is committed, so that a row is either
 * replayed or in the store. Each has the epoch of its row: where that gets no checkpoint, the row
 * is read again and the letter dropped. Each instance's letters belong to the instance's thread.
 *
 * And their replay, on the source's thread. Letters go back in groups: a group is numbered in the
 * store, goes downstream alone in an epoch, is stored by the sinks with the number as a position,
 * and falls from the store with the checkpoint of that epoch. So after a crash what a sink holds
 * tells what became of the group (drip_durable.letters_settle).
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_MIN 64 /* slots for the rows of a position */

static void letter_finish(struct drip_dead_letter *l)
{
	free((char *)(uintptr_t)l->table);
	free((char *)(uintptr_t)l->code);
	free((char *)(uintptr_t)l->reason);
	free((char *)(uintptr_t)l->row_json);
	free((char *)(uintptr_t)l->schema_json);
}

void drip_letters_finish(struct drip_instance *i)
{
	for (size_t k = 0; k < i->letters.count; k++) {
		letter_finish(&i->letters.items[k]);
	}
	free(i->letters.items);
	free(i->letters.seen);
	i->letters = (struct drip_letters){0};
}

int drip_letters_store(struct drip_instance *i, struct drip_error *err)
{
	const struct drip_durable *durable = i->engine->options.durable;
	int rc;

	if (i->letters.count == 0) {
		return 0;
	}
	rc = durable->dead_letter_put(durable->self, i->letters.items, i->letters.count, err);
	if (rc < 0) {
		return rc;
	}
	for (size_t k = 0; k < i->letters.count; k++) {
		letter_finish(&i->letters.items[k]);
	}
	i->letters.count = 0;
	return 0;
}

/* (gives) the row as JSON; NULL: no memory. */
static char *row_json(const struct drip_batch *batch, int64_t row)
{
	struct drip_text text = {0};

	drip_text_json_row(&text, batch, row, NULL);
	drip_text_put(&text, "", 1);
	if (text.rc < 0) {
		drip_text_finish(&text);
		return NULL;
	}
	return text.data;
}

/*
 * Tells letters apart that are otherwise the same. Rows that were put back are counted: they have a
 * group in place of their positions, and a group that is put back once more finds its letters.
 */
static struct drip_position letter_position(struct drip_instance *i, const struct drip_batch *batch)
{
	struct drip_position p = batch->position;
	uint64_t group = drip_commit_position_group(&p);

	if (group != 0) {
		i->letters.rejected = group == i->letters.group ? i->letters.rejected + 1 : 0;
		i->letters.group = group;
		drip_position_add_u64(&p, i->letters.rejected);
	}
	return p;
}

static bool same_place(const struct drip_position *a, const struct drip_position *b)
{
	return a->order_size == b->order_size && memcmp(a->order, b->order, a->order_size) == 0 &&
	       strcmp(a->partition, b->partition) == 0;
}

static struct letter_seen *seen_slot(struct letter_seen *seen, size_t capacity, uint64_t hash)
{
	size_t at = (size_t)hash & (capacity - 1);

	while (seen[at].hash != 0 && seen[at].hash != hash) {
		at = (at + 1) & (capacity - 1);
	}
	return &seen[at];
}

/* Room for one more, at half full. */
static bool seen_grow(struct drip_letters *l)
{
	size_t capacity = l->seen_capacity != 0 ? l->seen_capacity * 2 : SEEN_MIN;
	struct letter_seen *grown;

	if (l->seen_count < l->seen_capacity / 2) {
		return true;
	}
	grown = drip_calloc(capacity, sizeof(*grown));
	if (grown == NULL) {
		return false;
	}
	for (size_t i = 0; i < l->seen_capacity; i++) {
		if (l->seen[i].hash != 0) {
			*seen_slot(grown, capacity, l->seen[i].hash) = l->seen[i];
		}
	}
	free(l->seen);
	l->seen = grown;
	l->seen_capacity = capacity;
	return true;
}

/*
 * The number of a row among those that are the same at its position: the same in each run that
 * makes the same batches. Beyond what is remembered each has a number of its own.
 */
static int number_letter(struct drip_letters *l, struct drip_dead_letter *letter,
			 struct drip_error *err)
{
	uint64_t hash = drip_hash_bytes(letter->row_json, strlen(letter->row_json),
					(uint64_t)(unsigned char)letter->op);
	struct letter_seen *slot;

	if (!same_place(&l->at, &letter->position)) {
		l->at = letter->position;
		l->seen_count = 0;
		if (l->seen_capacity > SEEN_MIN) { /* or each position would clear all of it */
			free(l->seen);
			l->seen = NULL;
			l->seen_capacity = 0;
		} else if (l->seen != NULL) {
			memset(l->seen, 0, l->seen_capacity * sizeof(*l->seen));
		}
	}
	if (l->seen_count >= ENGINE_LETTERS_SEEN_MAX) {
		letter->nth = UINT32_C(1) << 31 | (uint32_t)l->seen_count++;
		return 0;
	}
	if (!seen_grow(l)) {
		return drip_error_nomem(err, l->seen_capacity * sizeof(*l->seen));
	}
	slot = seen_slot(l->seen, l->seen_capacity, hash != 0 ? hash : 1);
	l->seen_count += slot->hash == 0;
	slot->hash = hash != 0 ? hash : 1;
	letter->nth = slot->count++;
	return 0;
}

static int letter_make(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
		       const struct drip_error *reason, struct drip_dead_letter *l,
		       struct drip_error *err)
{
	char table[2 * DRIP_NAME_MAX + 2];
	char *schema = NULL;
	int rc = drip_schema_to_json(batch->schema, &schema, err);

	if (rc < 0) {
		return rc;
	}
	snprintf(table, sizeof(table), "%s%s%s", batch->schema->database,
		 batch->schema->database[0] != '\0' ? "." : "", batch->schema->table);
	*l = (struct drip_dead_letter){
		.pipeline = i->ctx.pipeline,
		.stage = i->ctx.stage,
		.table = drip_strdup(table),
		.code = drip_strdup(reason->code),
		.reason = drip_strdup(reason->message),
		.row_json = row >= 0 ? row_json(batch, row) : drip_strdup("{}"),
		.schema_json = schema,
		.op = row >= 0 ? (char)drip_batch_op(batch, row) : DRIP_LETTER_TRUNCATE,
		.position = letter_position(i, batch),
		.epoch = i->letters.epoch,
		.wall_us = drip_clock_wall_us(),
	};
	if (l->table == NULL || l->code == NULL || l->reason == NULL || l->row_json == NULL) {
		letter_finish(l);
		return drip_error_nomem(err, sizeof(table));
	}
	rc = number_letter(&i->letters, l, err);
	if (rc < 0) {
		letter_finish(l);
	}
	return rc;
}

int drip_letters_keep(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
		      const struct drip_error *reason, struct drip_error *err)
{
	int rc;

	if (i->letters.items == NULL) {
		i->letters.items = drip_calloc(ENGINE_LETTERS_MAX, sizeof(*i->letters.items));
		if (i->letters.items == NULL) {
			return drip_error_nomem(err,
						ENGINE_LETTERS_MAX * sizeof(*i->letters.items));
		}
	}
	rc = letter_make(i, batch, row, reason, &i->letters.items[i->letters.count], err);
	if (rc < 0) {
		return rc;
	}
	__atomic_add_fetch(&i->counts.dead, row >= 0 ? 1 : 0, __ATOMIC_RELAXED);
	if (++i->letters.count == ENGINE_LETTERS_MAX) {
		return drip_letters_store(i, err);
	}
	return 0;
}

int drip_letters_reject(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
			const struct drip_error *reason, struct drip_error *err)
{
	int rc = reason->rc < 0 ? reason->rc : -EINVAL;

	if (i->stage == NULL || batch->schema == NULL || row < 0 || row >= batch->rows) {
		return drip_error_set(err, -EINVAL, "engine.bad_reject",
				      "a stage rejected row %lld of a batch of %lld",
				      (long long)row, (long long)batch->rows);
	}
	switch (i->stage->on_error) {
	case DRIP_ON_ERROR_DEAD_LETTER:
		return drip_letters_keep(i, batch, row, reason, err);
	case DRIP_ON_ERROR_SKIP:
		drip_counts_filtered(i, 1);
		i->skipped++;
		if ((i->skipped & (i->skipped - 1)) == 0) { /* the 1st, 2nd, 4th, 8th, ... */
			drip_logger_event(DRIP_LOG_WARNING, i->ctx.pipeline, i->ctx.stage, reason,
					  "a row was skipped, as on_error says; %llu so far",
					  (unsigned long long)i->skipped);
		}
		return 0;
	case DRIP_ON_ERROR_STOP:
		break;
	}
	if (err != NULL) {
		*err = *reason;
		err->rc = rc;
		if (err->place[0] == '\0') {
			drip_error_place(err, "%s.%s at %s", batch->schema->database,
					 batch->schema->table, batch->position.text);
		}
		if (err->hint[0] == '\0') {
			drip_error_hint(err, "Correct the row, or set on_error: dead-letter.");
		}
	}
	return rc;
}

/* ---- replay ---- */

/* The first replay that is asked for is at its end. */
static void end_first(struct drip_run *run, const struct drip_error *error)
{
	struct replay *r;

	pthread_mutex_lock(&run->lock);
	r = run->replays;
	run->replays = r->next;
	pthread_mutex_unlock(&run->lock);
	r->next = NULL;
	r->error = *error;
	drip_engine_replayed(run->engine, r);
}

void drip_replay_failed(struct drip_run *run, const struct drip_error *error)
{
	bool begun;

	pthread_mutex_lock(&run->lock);
	begun = run->replays != NULL && run->replays->begun;
	pthread_mutex_unlock(&run->lock);
	if (begun) {
		end_first(run, error);
	}
}

static int stage_index(const struct drip_pipeline_spec *spec, const char *id,
		       struct drip_error *err)
{
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		if (strcmp(spec->stages[i].id, id) == 0) {
			return (int)i;
		}
	}
	return drip_error_set(err, -ENOENT, "engine.unknown_stage",
			      "pipeline \"%s\" has no stage \"%s\"", spec->name, id);
}

/* Numbers the group where it has no number yet: from here on it is told apart from others. */
static int number_group(struct drip_run *run, struct drip_replay_group *g, uint32_t *ret_stage,
			struct drip_error *err)
{
	const struct drip_durable *d = run->engine->options.durable;
	int stage = stage_index(run->spec, g->stage, err);

	if (stage < 0) {
		return stage;
	}
	if (stage == 0) {
		return drip_error_set(err, -EINVAL, "engine.unknown_stage",
				      "rows cannot be replayed before a source");
	}
	*ret_stage = (uint32_t)stage;
	if (g->number != 0) {
		return 0;
	}
	pthread_mutex_lock(&run->lock);
	g->number = drip_commit_next_group(run->commit);
	pthread_mutex_unlock(&run->lock);
	return d->letters_group(d->self, run->spec->name, g->number, g->ids, g->ids_count, err);
}

/* Sends the group downstream. */
static int put_back(struct drip_run *run, const struct drip_replay_group *g, uint32_t stage,
		    struct drip_error *err)
{
	struct drip_position at = run->at;
	int rc;

	pthread_mutex_lock(&run->lock);
	rc = drip_commit_replay(run->commit, g->number, &run->held, err);
	pthread_mutex_unlock(&run->lock);
	if (rc < 0) {
		return rc;
	}
	/* Without a boundary: no sink may commit a part of it on its own. */
	run->at = g->batch->position = drip_commit_group_position(g->number);
	g->batch->boundary = false;
	g->batch->sequence = ++run->sequence;
	__atomic_add_fetch(&run->instances[stage].counts.injected, g->batch->rows,
			   __ATOMIC_RELAXED);
	rc = drip_route_deliver(run, stage, g->batch, err);
	run->at = at;
	return rc;
}

/* What is asked for first, where all before is durable; otherwise NULL, and room is made. */
static struct replay *next_replay(struct drip_run *run, bool *ret_wait)
{
	struct replay *r;

	pthread_mutex_lock(&run->lock);
	r = run->replays;
	*ret_wait = false;
	if (r == NULL) {
		drip_commit_no_replay(run->commit);
	} else if (!drip_commit_may_replay(run->commit)) {
		*ret_wait = !drip_commit_accepts(run->commit);
		r = NULL;
	}
	pthread_mutex_unlock(&run->lock);
	return r;
}

/* Puts back the next group of `r`. 1: it has gone; 0: `r` is at its end. */
static int take_group(struct drip_run *run, struct replay *r, struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_replay_group group = {0};
	uint32_t stage = 0;
	int rc = r->take(&group, r->data, &why);

	if (rc > 0) {
		rc = number_group(run, &group, &stage, &why);
		if (rc == 0) {
			r->begun = true;
			rc = put_back(run, &group, stage, err);
			drip_batch_unref(group.batch);
			return rc < 0 ? rc : 1;
		}
		drip_batch_unref(group.batch);
	}
	why.rc = rc;
	end_first(run, &why);
	return 0;
}

int drip_replay_inject(struct drip_run *run, struct drip_error *err)
{
	struct replay *r;
	bool wait;
	int rc = 0;

	while (rc == 0 && (r = next_replay(run, &wait)) != NULL) {
		rc = take_group(run, r, err);
	}
	return rc == 0 && wait ? 1 : rc;
}
