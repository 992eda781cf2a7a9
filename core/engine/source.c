/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source's thread: polls the source, sends what it emits through the transforms into the
 * queues of the sinks, cuts epochs, and tells the source what is durable.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUICK_POLL_US 1000 /* a poll without result that is shorter is taken for a busy loop */

static int canceled(struct drip_error *err)
{
	return drip_error_set(err, -ECANCELED, "engine.stopping", "the pipeline is stopping");
}

/* ---- cutting an epoch ---- */

static int flush_transforms(struct drip_run *run, struct drip_error *err)
{
	pthread_mutex_lock(&run->lock);
	run->held = drip_commit_held(run->commit);
	pthread_mutex_unlock(&run->lock);
	for (uint32_t i = 1; i < run->instances_count; i++) {
		struct drip_instance *t = &run->instances[i];
		const struct drip_transform_ops *ops = drip_instance_ops(t);
		int rc = 0;

		if (t->stage->kind == DRIP_KIND_TRANSFORM && DRIP_OP_OF(ops, flush) != NULL) {
			rc = ops->flush(t->self, err);
		}
		if (rc == 0 && t->stage->kind != DRIP_KIND_SINK) {
			rc = drip_letters_store(t, err);
		}
		if (rc < 0) {
			drip_run_fail(run, (int32_t)i, err);
			return rc;
		}
	}
	return drip_letters_store(&run->instances[0], err);
}

static struct epoch_data *make_data(struct drip_run *run)
{
	struct epoch_data *data = drip_calloc(1, sizeof(*data));

	if (data != NULL) {
		data->counts = drip_calloc(run->instances_count, sizeof(*data->counts));
	}
	if (data == NULL || data->counts == NULL) {
		free(data);
		return NULL;
	}
	for (uint32_t i = 0; i < run->instances_count; i++) {
		data->counts[i] = drip_counts_load(&run->instances[i].counts);
	}
	return data;
}

/* Closes the open epoch in the protocol, which has the data then; run->lock is held. */
static int cut_locked(struct drip_run *run, struct epoch_data **owned, uint64_t *ret_epoch,
		      struct drip_error *err)
{
	struct epoch_data *data = *owned;
	int rc = drip_commit_cut(run->commit, data, ret_epoch, err);

	if (rc < 0) {
		return rc;
	}
	*owned = NULL;
	for (uint32_t i = 0; i < run->instances_count && rc == 0; i++) {
		if (run->instances[i].stage->kind != DRIP_KIND_SINK) {
			run->instances[i].letters.epoch = *ret_epoch + 1;
			rc = drip_state_merge(&data->states, &run->instances[i].pending, err);
			rc = rc == 0 ? drip_quality_merge(&data->quality,
							  &run->instances[i].quality, err)
				     : rc;
		}
	}
	return rc;
}

int drip_source_cut(struct drip_run *run, struct drip_error *err)
{
	struct epoch_data *data;
	uint64_t epoch = 0;
	int rc = drip_failpoint_hit("engine.before_flush", err);

	if (rc == 0) {
		rc = flush_transforms(run, err);
	}
	if (rc == 0) {
		rc = drip_accounting_check(run, err);
	}
	if (rc < 0) {
		drip_run_fail(run, -1, err);
		return rc;
	}
	data = make_data(run);
	if (data == NULL) {
		rc = drip_error_nomem(err, sizeof(*data));
		drip_run_fail(run, -1, err);
		return rc;
	}
	pthread_mutex_lock(&run->lock);
	rc = cut_locked(run, &data, &epoch, err);
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	drip_epoch_data_destroy(data);
	for (uint32_t i = 0; i < run->sinks_count && rc == 0; i++) {
		struct drip_queue_item item = {.epoch = epoch,
					       .rows = run->instances[run->sinks[i].stage].routed};

		rc = drip_queue_push(&run->sinks[i].queue, &item);
		if (rc < 0) {
			rc = canceled(err);
		}
	}
	if (rc < 0 && rc != -ECANCELED) {
		drip_run_fail(run, -1, err);
	}
	return rc;
}

/* ---- emit ---- */

/* Waits until a batch may come, cutting the epoch where that is due first. run->lock is held. */
static int settle(struct drip_run *run, struct drip_error *err)
{
	while (!drip_commit_accepts(run->commit)) {
		enum drip_commit_turn turn;
		int rc;

		if (drip_run_aborting(run) || drip_commit_draining(run->commit)) {
			return canceled(err);
		}
		turn = drip_commit_turn(run->commit, drip_mono_us(), false);
		if (turn == DRIP_TURN_WAIT) {
			pthread_cond_wait(&run->changed, &run->lock);
			continue;
		}
		pthread_mutex_unlock(&run->lock);
		rc = turn == DRIP_TURN_CUT ? drip_source_cut(run, err)
					   : drip_replay_inject(run, err);
		pthread_mutex_lock(&run->lock);
		if (rc < 0) {
			return rc;
		}
	}
	return drip_run_aborting(run) ? canceled(err) : 0;
}

static int begin_batch(struct drip_run *run, const struct drip_batch *batch, struct drip_error *err)
{
	int rc;

	pthread_mutex_lock(&run->lock);
	rc = settle(run, err);
	if (rc == 0) {
		rc = drip_commit_batch_begin(run->commit, &batch->position, batch->rows, &run->held,
					     err);
	}
	if (rc == 0 && batch->rows > 0) {
		run->caught_up = false;
	}
	pthread_mutex_unlock(&run->lock);
	return rc;
}

static int end_batch(struct drip_run *run, const struct drip_batch *batch, struct drip_error *err)
{
	int64_t now = drip_mono_us();
	enum drip_commit_turn turn;

	pthread_mutex_lock(&run->lock);
	drip_commit_batch_end(run->commit, &batch->position, batch->boundary, batch->rows,
			      batch->bytes, batch->commit_time_us, now);
	turn = drip_commit_turn(run->commit, now, false);
	pthread_mutex_unlock(&run->lock);
	return turn == DRIP_TURN_CUT ? drip_source_cut(run, err) : 0;
}

int drip_source_emit(struct drip_instance *source, struct drip_batch *batch, struct drip_error *err)
{
	struct drip_run *run = source->run;
	struct drip_batch *kept;
	int rc;

	run->source_emitted = true;
	if (batch->kind == DRIP_BATCH_ROWS && batch->rows == 0) {
		batch->kind = DRIP_BATCH_MARK; /* nothing but a position */
	}
	rc = begin_batch(run, batch, err);
	if (rc < 0) {
		if (rc != -ECANCELED) {
			drip_run_fail(run, 0, err);
		}
		drip_batch_unref(batch);
		return rc;
	}
	run->at = batch->position;
	__atomic_add_fetch(&source->counts.in, batch->rows, __ATOMIC_RELAXED);
	__atomic_add_fetch(&source->counts.batches, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&source->counts.bytes, batch->bytes, __ATOMIC_RELAXED);
	kept = batch;
	rc = drip_route_emit(source, drip_batch_ref(batch), err);
	if (rc == 0) {
		rc = end_batch(run, kept, err);
	}
	drip_batch_unref(kept);
	return rc;
}

/* ---- the loop ---- */

/* Nothing is read: the run ends with the last row that was put back. What comes later is for
 * another run. */
static void end_if_replayed(struct drip_run *run)
{
	pthread_mutex_lock(&run->lock);
	if (run->replays == NULL) {
		run->caught_up = true;
		drip_commit_end(run->commit);
	}
	pthread_mutex_unlock(&run->lock);
}

static void poll_result(struct drip_run *run, int result, int64_t took_us, uint32_t timeout_ms)
{
	bool idle = !run->source_emitted && took_us < QUICK_POLL_US;

	pthread_mutex_lock(&run->lock);
	if (result == DRIP_POLL_END) {
		drip_commit_end(run->commit);
		run->caught_up = true;
	} else if (result == DRIP_POLL_CAUGHT_UP) {
		run->caught_up = true;
		run->caught_up_us = drip_clock_wall_us();
		__atomic_store_n(&run->quarantine_break, false, __ATOMIC_RELEASE);
		drip_commit_caught_up(run->commit);
	}
	if (idle && result != DRIP_POLL_END && !drip_commit_draining(run->commit) &&
	    !drip_run_aborting(run)) {
		drip_cond_wait(&run->changed, &run->lock,
			       result == DRIP_POLL_CAUGHT_UP ? timeout_ms : 1);
	}
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

/* A poll was cancelled: true where that was to be. A source that leaves within a transaction will
 * not reach its end: the part is dropped, and read again at the next start. */
static bool stopped_by_request(struct drip_run *run)
{
	bool expected;

	pthread_mutex_lock(&run->lock);
	expected = run->stop || run->cancel || run->aborting;
	if (drip_commit_draining(run->commit) && drip_commit_accepts(run->commit)) {
		drip_commit_give_up(run->commit);
		pthread_cond_broadcast(&run->changed);
	}
	pthread_mutex_unlock(&run->lock);
	return expected;
}

static int poll_source(struct drip_run *run, int64_t due_us, struct drip_error *err)
{
	struct drip_instance *source = &run->instances[0];
	const struct drip_source_ops *ops = drip_instance_ops(source);
	int64_t due_ms = due_us < 0 ? ENGINE_POLL_MS : due_us / 1000 + 1, start;
	/* who waits for the end is told soon: a source knows by more than silence that it is there
	 */
	int64_t most_ms = run->until_caught_up ? ENGINE_END_POLL_MS : ENGINE_POLL_MS;
	uint32_t timeout_ms = (uint32_t)(due_ms < most_ms ? due_ms : most_ms);
	int rc = drip_replay_inject(run, err);

	if (rc != 0) {
		return rc < 0 ? rc : 0;
	}
	if (run->replay_only) {
		end_if_replayed(run);
		return 0;
	}
	run->source_emitted = false;
	start = drip_mono_us();
	rc = ops->poll(source->self, timeout_ms, err);
	__atomic_add_fetch(&source->busy_us, drip_mono_us() - start, __ATOMIC_RELAXED);
	if (rc == -ECANCELED && stopped_by_request(run)) {
		return 0;
	}
	if (rc < 0) {
		return rc;
	}
	poll_result(run, rc, drip_mono_us() - start, timeout_ms);
	return 0;
}

/* (gives) a copy that is never NULL for none. */
static struct drip_position *copy_positions(const struct drip_position *from, size_t count)
{
	struct drip_position *copy = drip_calloc(count + 1, sizeof(*copy));

	if (copy != NULL && count != 0) {
		memcpy(copy, from, count * sizeof(*copy));
	}
	return copy;
}

static int acknowledge(struct drip_run *run, struct drip_error *err)
{
	struct drip_instance *source = &run->instances[0];
	const struct drip_source_ops *ops = drip_instance_ops(source);
	const struct drip_position *positions;
	struct drip_position *copy;
	uint64_t epoch;
	size_t count;
	int rc;

	pthread_mutex_lock(&run->lock);
	drip_commit_durable(run->commit, &positions, &count, &epoch);
	copy = copy_positions(positions, count);
	pthread_mutex_unlock(&run->lock);
	if (copy == NULL) {
		return drip_error_nomem(err, count * sizeof(*copy));
	}
	rc = drip_failpoint_hit("engine.before_acknowledge", err);
	if (rc == 0 && source->started && DRIP_OP_OF(ops, acknowledge) != NULL && count != 0) {
		rc = ops->acknowledge(source->self, copy, count, err);
	}
	if (rc == 0) {
		rc = drip_failpoint_hit("engine.after_acknowledge", err);
	}
	free(copy);
	if (rc == 0) {
		pthread_mutex_lock(&run->lock);
		drip_commit_acknowledged(run->commit, epoch);
		pthread_cond_broadcast(&run->changed);
		pthread_mutex_unlock(&run->lock);
	}
	return rc;
}

/* One turn; 1: leave. */
static int take_turn(struct drip_run *run, struct drip_error *err)
{
	int64_t now = drip_mono_us(), due;
	enum drip_commit_turn turn;

	pthread_mutex_lock(&run->lock);
	turn = drip_commit_turn(run->commit, now, true);
	due = drip_commit_due_in(run->commit, now);
	if (turn == DRIP_TURN_WAIT) {
		pthread_cond_wait(&run->changed, &run->lock);
	}
	pthread_mutex_unlock(&run->lock);
	switch (turn) {
	case DRIP_TURN_READ:
		return poll_source(run, due, err);
	case DRIP_TURN_CUT:
		return drip_source_cut(run, err);
	case DRIP_TURN_ACKNOWLEDGE:
		return acknowledge(run, err);
	case DRIP_TURN_END:
		return 1;
	case DRIP_TURN_WAIT:
		break;
	}
	return 0;
}

/* ---- what later stages want ---- */

struct drip_want {
	struct drip_wanted wanted;
	const struct drip_contract *contract;
	const char **tables;
};

static bool want_column(const struct drip_wanted *wanted, const char *database, const char *table,
			const char *column)
{
	const struct drip_want *w = wanted->private_data;
	char name[2 * DRIP_NAME_MAX + 2];

	snprintf(name, sizeof(name), "%s.%s", database, table);
	for (size_t i = 0; i < w->contract->tables_count; i++) {
		const struct drip_contract_table *t = drip_contract_table_at(w->contract, i);
		bool matches =
			drip_pattern_match(t->match, strchr(t->match, '.') != NULL ? name : table);

		/* a strict contract must see columns that it does not know */
		if (matches && (t->strict || drip_schema_find(t->schema, column) >= 0)) {
			return true;
		}
	}
	return false;
}

void drip_want_destroy(struct drip_want *w)
{
	if (w == NULL) {
		return;
	}
	if (w->contract != NULL && DRIP_OP_OF(w->contract, release) != NULL) {
		w->contract->release(w->contract);
	}
	free(w->tables);
	free(w);
}

/* What the feed at `run->instances[1]` takes. */
static int want_of_feed(struct drip_instance *feed, struct drip_want *w, struct drip_error *err)
{
	const struct drip_feed_ops *ops = drip_instance_ops(feed);
	int rc = ops->contract(&feed->ctx, feed->config, &w->contract, err);

	if (rc < 0 || w->contract->tables_count == 0) {
		return rc;
	}
	w->tables = drip_calloc(w->contract->tables_count, sizeof(*w->tables));
	if (w->tables == NULL) {
		return drip_error_nomem(err, w->contract->tables_count * sizeof(*w->tables));
	}
	for (size_t i = 0; i < w->contract->tables_count; i++) {
		w->tables[i] = drip_contract_table_at(w->contract, i)->match;
	}
	w->wanted.tables = w->tables;
	w->wanted.tables_count = w->contract->tables_count;
	w->wanted.column = want_column;
	return 0;
}

/* The source may ask what is wanted for as long as it is open. */
static int start_source(struct drip_run *run, struct drip_start *start, struct drip_error *err)
{
	struct drip_instance *source = &run->instances[0];
	const struct drip_source_ops *ops = drip_instance_ops(source);
	struct drip_instance *feed = run->instances_count > 1 ? &run->instances[1] : NULL;
	struct drip_want *w = drip_calloc(1, sizeof(*w));
	int rc = 0;

	if (w == NULL) {
		return drip_error_nomem(err, sizeof(*w));
	}
	drip_want_destroy(run->want);
	run->want = w;
	w->wanted.struct_size = sizeof(w->wanted);
	w->wanted.private_data = w;
	if (feed != NULL && feed->stage->kind == DRIP_KIND_FEED) {
		rc = want_of_feed(feed, w, err);
	}
	start->wanted = &w->wanted;
	if (rc == 0) {
		rc = ops->start(source->self, start, err);
	}
	source->started = rc == 0;
	return rc;
}

/* Positions of the checkpoint and the sinks, for `start`. */
static int start_at(struct drip_run *run, struct drip_error *err)
{
	const struct drip_durable *d = run->engine->options.durable;
	struct drip_start start = {.struct_size = sizeof(start)};
	const struct drip_position *durable;
	struct drip_position *from = NULL, *cuts = NULL;
	uint64_t epoch;
	int rc;

	pthread_mutex_lock(&run->lock);
	drip_commit_durable(run->commit, &durable, &start.from_count, &epoch);
	rc = drip_commit_cuts(run->commit, &cuts, &start.cuts_count, err);
	if (rc == 0) {
		from = copy_positions(durable, start.from_count);
		rc = from != NULL ? 0 : drip_error_nomem(err, sizeof(*from));
	}
	pthread_mutex_unlock(&run->lock);
	start.from = from;
	start.cuts = cuts;
	if (rc == 0 && d->run_first != NULL) {
		rc = d->run_first(d->self, run->spec->name, &start.first_run_us, err);
	}
	if (rc == 0) {
		rc = start_source(run, &start, err);
	}
	free(from);
	free(cuts);
	return rc;
}

void *drip_source_main(void *data)
{
	struct drip_run *run = data;
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = run->replay_only ? 0 : start_at(run, &err);

	if (rc == 0) {
		drip_run_set_state(run, DRIP_PIPELINE_RUNNING);
	}
	while (rc == 0) {
		rc = take_turn(run, &err);
	}
	if (rc < 0) {
		if (rc == -ECANCELED && drip_run_aborting(run)) {
			rc = 0; /* another stage has failed, and said why */
		} else {
			err.rc = rc;
			drip_run_fail(run, 0, &err);
		}
	}
	pthread_mutex_lock(&run->lock);
	run->source_done = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	return NULL;
}
