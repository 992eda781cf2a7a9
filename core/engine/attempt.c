/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt of a run: opens the components, reads the checkpoint, starts the threads, stores
 * checkpoints as sinks commit, and takes everything down again. On the run's own thread, which runs
 * the ops of a component only while no other thread does.
 */
#include "base/alloc.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- open and close ---- */

static int find_children(struct drip_run *run, uint32_t index, struct drip_error *err)
{
	struct drip_instance *i = &run->instances[index];

	i->children = drip_calloc(run->spec->stages_count, sizeof(*i->children));
	if (i->children == NULL) {
		return drip_error_nomem(err, run->spec->stages_count * sizeof(*i->children));
	}
	for (uint32_t k = 1; k < run->spec->stages_count; k++) {
		if (run->spec->stages[k].input == index && k != index) {
			i->children[i->children_count++] = k;
		}
	}
	return 0;
}

static int make_instances(struct drip_run *run, struct drip_error *err)
{
	struct drip_instance *instances =
		drip_calloc(run->spec->stages_count, sizeof(*run->instances));
	int rc = instances != NULL ? 0 : drip_error_nomem(err, sizeof(*run->instances));

	run->instances = instances;
	run->instances_count = instances != NULL ? run->spec->stages_count : 0;
	for (uint32_t k = 0; k < run->instances_count && rc == 0; k++) {
		const struct drip_stage *stage = &run->spec->stages[k];
		struct drip_instance *i = &instances[k];

		rc = drip_instance_init(i, run->engine, run->edition->doc, stage->component,
					stage->config, run->spec->name, stage->id, err);
		i->run = run;
		i->stage = stage;
		i->index = k;
		i->meters = &run->edition->slots[k].meters;
		if (rc == 0) {
			rc = find_children(run, k, err);
		}
	}
	return rc;
}

static int make_sinks(struct drip_run *run, struct drip_error *err)
{
	run->sinks = drip_calloc(run->instances_count + 1, sizeof(*run->sinks));
	if (run->sinks == NULL) {
		return drip_error_nomem(err, sizeof(*run->sinks));
	}
	for (uint32_t k = 0; k < run->instances_count; k++) {
		struct sink_thread *s = &run->sinks[run->sinks_count];
		int rc;

		if (run->instances[k].stage->kind != DRIP_KIND_SINK) {
			continue;
		}
		s->run = run;
		s->stage = k;
		s->number = run->sinks_count;
		rc = drip_queue_init(&s->queue, &run->engine->budget, run->spec->queue_bytes);
		if (rc < 0) {
			return drip_error_nomem(err, sizeof(s->queue));
		}
		run->sinks_count++; /* its queue is there */
	}
	return 0;
}

static bool uses_model(const struct drip_component *component)
{
	for (uint32_t i = 0; i < component->options_count; i++) {
		const char *interface = component->options[i].interface_name;

		if (interface != NULL && strcmp(interface, DRIP_MODEL_INTERFACE) == 0) {
			return true;
		}
	}
	return false;
}

/* Tables that are known before the first row are held against the versions in Production now. */
static int check_models(struct drip_run *run, struct drip_error *err)
{
	const struct drip_pipeline_spec *spec = run->spec;
	int rc = 0;

	for (uint32_t i = 0; i < spec->edges_count && rc == 0; i++) {
		for (uint32_t k = 1; k < spec->stages_count && rc == 0; k++) {
			const struct drip_stage *stage = &spec->stages[k];
			struct drip_negotiated n;

			if (stage->kind != DRIP_KIND_TRANSFORM ||
			    stage->input != spec->edges[i].stage || !uses_model(stage->component)) {
				continue;
			}
			rc = drip_stage_negotiate(stage, &run->instances[k].ctx,
						  spec->edges[i].schema, &n, err);
			if (rc == 0) {
				drip_negotiated_finish(&n);
			} else {
				run->failed_stage = (int32_t)k;
				drip_error_place(err, "%s:%d:%d", stage->place.file,
						 stage->place.line, stage->place.column);
			}
		}
	}
	return rc;
}

/* Sinks first, the source last, if it is to be read. */
int drip_attempt_open(struct drip_run *run, struct drip_error *err)
{
	uint32_t first = run->replay_only ? 1 : 0;
	int rc = make_instances(run, err);

	if (rc == 0) {
		rc = make_sinks(run, err);
	}
	pthread_mutex_lock(&run->lock);
	run->instances_ready = rc == 0;
	pthread_mutex_unlock(&run->lock);
	for (uint32_t k = run->instances_count; k > first && rc == 0; k--) {
		rc = drip_instance_open(&run->instances[k - 1], err);
		if (rc < 0) {
			run->failed_stage = (int32_t)k - 1;
		}
	}
	return rc == 0 ? check_models(run, err) : rc;
}

static void keep_counts(struct drip_run *run)
{
	pthread_mutex_lock(&run->lock);
	run->instances_ready = false;
	for (uint32_t k = 0; k < run->instances_count; k++) {
		struct drip_counts *base = &run->edition->slots[k].base;
		const struct drip_counts *c = &run->instances[k].stored;

		base->in += c->in;
		base->out += c->out;
		base->filtered += c->filtered;
		base->dead += c->dead;
		base->injected += c->injected;
		base->batches += c->batches;
		base->bytes += c->bytes;
	}
	pthread_mutex_unlock(&run->lock);
}

void drip_attempt_close(struct drip_run *run)
{
	keep_counts(run);
	for (uint32_t k = 0; k < run->instances_count; k++) {
		drip_instance_close(&run->instances[k]);
		if (k == 0) {
			drip_want_destroy(run->want); /* before the feed, which made it */
			run->want = NULL;
		}
	}
	for (uint32_t k = 0; k < run->sinks_count; k++) {
		drip_queue_finish(&run->sinks[k].queue);
		free(run->sinks[k].held);
	}
	for (uint32_t k = 0; k < run->instances_count; k++) {
		drip_instance_finish(&run->instances[k]);
	}
	free(run->sinks);
	free(run->instances);
	run->sinks = NULL;
	run->instances = NULL;
	run->sinks_count = run->instances_count = 0;
}

/* ---- the checkpoint, and what sinks hold ---- */

static void write_positions(const struct drip_position *positions, size_t count, char *buf,
			    size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < count && used < size; i++) {
		used += (size_t)snprintf(buf + used, size - used, "%s%s", i != 0 ? ", " : "",
					 positions[i].text);
	}
}

static void note_positions(struct drip_run *run, const struct drip_position *positions,
			   size_t count)
{
	write_positions(positions, count, run->position, sizeof(run->position));
}

static int make_commit(struct drip_run *run, struct drip_error *err)
{
	const struct drip_durable *d = run->engine->options.durable;
	const struct drip_pipeline_spec *spec = run->spec;
	struct drip_position *positions = NULL;
	struct drip_commit_options options = {
		.sinks = run->sinks_count,
		.interval_us = spec->commit.interval_ms * 1000,
		.rows = spec->commit.rows,
		.bytes = spec->commit.bytes,
		.replay = (spec->stages[0].component->caps & DRIP_CAP_REPLAY) != 0,
		.until_caught_up = run->until_caught_up,
	};
	struct drip_commit *commit = NULL;
	int rc = d->checkpoint_load(d->self, spec->name, &positions, &options.from_count,
				    &options.epoch, err);

	options.from = positions;
	if (rc == 0) {
		rc = d->replayed_get(d->self, spec->name, &options.replayed, err);
	}
	if (rc == 0) {
		rc = drip_commit_create(&options, &commit, err);
	}
	if (rc == 0) {
		pthread_mutex_lock(&run->lock);
		run->commit = commit;
		run->epoch = options.epoch;
		note_positions(run, positions, options.from_count);
		pthread_mutex_unlock(&run->lock);
		for (uint32_t k = 0; k < run->instances_count; k++) {
			run->instances[k].letters.epoch = options.epoch + 1;
		}
	}
	free(positions);
	return rc;
}

/* Takes the position that is not of the source out of what a sink holds. */
static uint64_t take_group(struct drip_position *positions, size_t *count)
{
	uint64_t group = 0;

	for (size_t i = 0; i < *count && group == 0; i++) {
		group = drip_commit_position_group(&positions[i]);
		if (group != 0) {
			positions[i] = positions[--*count];
		}
	}
	return group;
}

static int ask_sink(struct drip_run *run, struct sink_thread *s, struct drip_error *err)
{
	struct drip_instance *i = &run->instances[s->stage];
	const struct drip_sink_ops *ops = drip_instance_ops(i);
	struct drip_position *positions = NULL;
	const struct drip_position *from;
	size_t count = 0, from_count;
	uint64_t epoch, group;
	int rc;

	if ((i->component->caps & DRIP_CAP_EXACTLY_ONCE) == 0 ||
	    DRIP_OP_OF(ops, positions) == NULL) {
		return 0;
	}
	rc = ops->positions(i->self, &positions, &count, err);
	group = rc == 0 ? take_group(positions, &count) : 0;
	pthread_mutex_lock(&run->lock);
	drip_commit_durable(run->commit, &from, &from_count, &epoch);
	pthread_mutex_unlock(&run->lock);
	if (rc == 0 && count != 0 && epoch != 0 && from_count == 0) {
		/* Epochs outlive "checkpoint reset", positions do not: all is wanted anew. */
		drip_logger_event(DRIP_LOG_INFO, i->ctx.pipeline, i->ctx.stage, NULL,
				  "the checkpoint was reset: the sink gets all of it anew");
		count = 0;
	} else if (rc == 0 && count == 0 && run->position[0] != '\0') {
		drip_logger_event(DRIP_LOG_WARNING, i->ctx.pipeline, i->ctx.stage, NULL,
				  "the sink is new: it gets what comes after %s", run->position);
	}
	if (rc == 0) {
		pthread_mutex_lock(&run->lock);
		rc = drip_commit_recover(run->commit, s->number, i->ctx.stage, positions, count,
					 group, err);
		pthread_mutex_unlock(&run->lock);
	}
	s->held = positions;
	s->held_count = count;
	return rc;
}

/* What became of dead letters that were being put back when the last attempt ended. */
static int settle_letters(struct drip_run *run, struct drip_error *err)
{
	const struct drip_durable *d = run->engine->options.durable;
	bool replays = (run->spec->stages[0].component->caps & DRIP_CAP_REPLAY) != 0;
	struct drip_letters_settled what = {.epoch = run->epoch};
	struct drip_letters_held *held;
	size_t count = 0;
	int rc;

	for (uint32_t k = 0; k < run->sinks_count && replays; k++) {
		count += run->sinks[k].held_count;
	}
	held = drip_calloc(count + 1, sizeof(*held));
	if (held == NULL) {
		return drip_error_nomem(err, count * sizeof(*held));
	}
	for (uint32_t k = 0; k < run->sinks_count && replays; k++) {
		const struct sink_thread *s = &run->sinks[k];

		for (size_t p = 0; p < s->held_count; p++) {
			held[what.held_count++] = (struct drip_letters_held){
				.stage = run->instances[s->stage].ctx.stage,
				.position = &s->held[p]};
		}
	}
	what.held = held;
	pthread_mutex_lock(&run->lock);
	drip_commit_groups(run->commit, &what.all, &what.some);
	pthread_mutex_unlock(&run->lock);
	rc = d->letters_settle(d->self, run->spec->name, &what, err);
	free(held);
	return rc;
}

static int recover(struct drip_run *run, struct drip_error *err)
{
	int rc = make_commit(run, err);

	for (uint32_t k = 0; k < run->sinks_count && rc == 0; k++) {
		rc = ask_sink(run, &run->sinks[k], err);
		if (rc < 0) {
			run->failed_stage = (int32_t)run->sinks[k].stage;
		}
	}
	return rc == 0 ? settle_letters(run, err) : rc;
}

/* ---- checkpoints ---- */

static struct drip_state_entry *state_entries(const struct state_set *s, struct drip_error *err)
{
	struct drip_state_entry *entries = drip_calloc(s->count + 1, sizeof(*entries));

	if (entries == NULL) {
		drip_error_nomem(err, s->count * sizeof(*entries));
		return NULL;
	}
	for (size_t i = 0; i < s->count; i++) {
		entries[i] = (struct drip_state_entry){
			.stage = s->items[i].stage,
			.key = s->items[i].key,
			.value = s->items[i].deleted ? NULL : s->items[i].value,
			.size = s->items[i].size,
		};
	}
	return entries;
}

/*
 * Rows of the pipeline since the start of the attempt: along the path from the source to the first
 * sink, where in = out + filtered + dead + in flight holds also if there are more sinks.
 */
static struct drip_counts path_counts(const struct drip_run *run, const struct drip_counts *counts)
{
	struct drip_counts total = {.in = counts[0].out};
	uint32_t k = run->sinks[0].stage;

	total.out = counts[k].out;
	while (k != 0) {
		total.filtered += counts[k].filtered;
		total.dead += counts[k].dead;
		total.in += counts[k].injected;
		k = run->spec->stages[k].input;
	}
	return total;
}

static int store_checkpoint(struct drip_run *run, const struct drip_commit_checkpoint *what,
			    struct drip_error *err)
{
	const struct drip_durable *d = run->engine->options.durable;
	struct epoch_data *data = what->data;
	struct drip_counts now = path_counts(run, data->counts), before;
	struct drip_counts *stored = drip_calloc(run->instances_count, sizeof(*stored));
	struct drip_state_entry *states = state_entries(&data->states, err);
	char position[sizeof(run->position)];
	struct drip_checkpoint c;
	int rc;

	if (stored == NULL || states == NULL) {
		free(stored);
		free(states);
		return drip_error_nomem(err, sizeof(*stored));
	}
	for (uint32_t k = 0; k < run->instances_count; k++) {
		stored[k] = run->instances[k].stored;
	}
	before = path_counts(run, stored);
	write_positions(what->positions, what->positions_count, position, sizeof(position));
	c = (struct drip_checkpoint){
		.epoch = what->epoch,
		.positions = what->positions,
		.positions_count = what->positions_count,
		.states = states,
		.states_count = data->states.count,
		.replayed = what->replayed,
		.rows_in = now.in - before.in,
		.rows_out = now.out - before.out,
		.rows_filtered = now.filtered - before.filtered,
		.rows_dead = now.dead - before.dead,
		.quality = {.run_id = run->run_id,
			    .first_position = run->position,
			    .last_position = position,
			    .entries = data->quality.items,
			    .count = data->quality.count},
	};
	rc = drip_failpoint_hit("engine.before_checkpoint", err);
	if (rc == 0) {
		rc = d->checkpoint_commit(d->self, run->spec->name, &c, err);
	}
	if (rc == 0) {
		rc = drip_failpoint_hit("engine.after_checkpoint", err);
	}
	free(stored);
	free(states);
	return rc;
}

/* The checkpoint is durable. run->lock is held. */
static void stored_locked(struct drip_run *run, const struct drip_commit_checkpoint *what)
{
	struct epoch_data *data = what->data;

	for (uint32_t k = 0; k < run->instances_count; k++) {
		run->instances[k].stored = data->counts[k];
	}
	note_positions(run, what->positions, what->positions_count);
	run->epoch = what->epoch;
	run->checkpoint_us = drip_mono_us();
	run->commit_time_us =
		what->commit_time_us != 0 ? what->commit_time_us : run->commit_time_us;
	run->progressed = true;
	run->edition->commits++;
	drip_commit_stored(run->commit, what->epoch);
	pthread_cond_broadcast(&run->changed);
}

/* ---- the course of an attempt ---- */

static int start_threads(struct drip_run *run, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t k = 0; k < run->sinks_count && rc == 0; k++) {
		rc = drip_thread_start(&run->sinks[k].thread, drip_sink_main, &run->sinks[k]);
		run->sinks[k].started = rc == 0;
	}
	if (rc == 0) {
		rc = drip_thread_start(&run->source_thread, drip_source_main, run);
		run->source_started = rc == 0;
	}
	return rc < 0 ? drip_error_set_retryable(err, rc, "engine.no_thread",
						 "could not start a thread: %s", strerror(-rc))
		      : 0;
}

/* What was asked for since; run->lock is held. */
static void follow_commands(struct drip_run *run)
{
	if ((run->stop || run->cancel) && run->deadline_us == 0) {
		run->deadline_us = drip_mono_us() + run->spec->drain_ms * 1000;
		drip_commit_stop(run->commit);
		run->state = DRIP_PIPELINE_DRAINING;
		pthread_cond_broadcast(&run->changed);
		drip_engine_wake(run->engine);
	}
	if (run->pause) {
		drip_commit_pause(run->commit);
	} else {
		drip_commit_resume(run->commit);
	}
	if (run->pause && run->state == DRIP_PIPELINE_RUNNING && drip_commit_paused(run->commit)) {
		run->state = DRIP_PIPELINE_PAUSED;
		drip_engine_wake(run->engine);
	} else if (!run->pause && run->state == DRIP_PIPELINE_PAUSED) {
		run->state = DRIP_PIPELINE_RUNNING;
		pthread_cond_broadcast(&run->changed);
		drip_engine_wake(run->engine);
	}
}

static void deadline_error(struct drip_run *run, struct drip_error *err)
{
	drip_error_set_retryable(
		err, -ETIMEDOUT, "engine.drain_deadline",
		"could not drain within %lld ms: what is not committed is read again at the "
		"next start",
		(long long)run->spec->drain_ms);
}

/* Stores checkpoints until the run is over. run->lock is held, and let go of while storing. */
static void coordinate(struct drip_run *run)
{
	struct drip_commit_checkpoint what;
	struct drip_error err = DRIP_ERROR_INIT;

	for (;;) {
		int64_t left = -1;
		int rc;

		follow_commands(run);
		if (drip_commit_store_next(run->commit, &what)) {
			pthread_mutex_unlock(&run->lock);
			rc = store_checkpoint(run, &what, &err);
			if (rc < 0) {
				drip_run_fail(run, -1, &err);
				pthread_mutex_lock(&run->lock);
				continue;
			}
			pthread_mutex_lock(&run->lock);
			stored_locked(run, &what);
			pthread_mutex_unlock(&run->lock);
			drip_epoch_data_destroy(what.data);
			pthread_mutex_lock(&run->lock);
			continue;
		}
		if (drip_commit_outcome(run->commit) == DRIP_OUTCOME_FAILED ||
		    (drip_commit_outcome(run->commit) != DRIP_OUTCOME_NONE && run->source_done)) {
			return;
		}
		if (run->deadline_us != 0) {
			left = (run->deadline_us - drip_mono_us()) / 1000;
			if (left <= 0) {
				pthread_mutex_unlock(&run->lock);
				deadline_error(run, &err);
				drip_run_fail(run, -1, &err);
				pthread_mutex_lock(&run->lock);
				return;
			}
		}
		drip_cond_wait(&run->changed, &run->lock, left);
	}
}

static bool threads_done(const struct drip_run *run)
{
	bool done = !run->source_started || run->source_done;

	for (uint32_t k = 0; k < run->sinks_count; k++) {
		done = done && (!run->sinks[k].started || run->sinks[k].done);
	}
	return done;
}

/* Waits for the threads; false: one does not return, even from `interrupt`. */
static bool join_threads(struct drip_run *run, bool failed)
{
	int64_t until = drip_mono_us() + ENGINE_INTERRUPT_WAIT_MS * 1000;
	bool done;

	for (uint32_t k = 0; k < run->instances_count && failed; k++) {
		drip_instance_interrupt(&run->instances[k]);
	}
	pthread_mutex_lock(&run->lock);
	while (!(done = threads_done(run)) && (!failed || drip_mono_us() < until)) {
		drip_cond_wait(&run->changed, &run->lock, 250);
	}
	pthread_mutex_unlock(&run->lock);
	if (!done) {
		return false;
	}
	if (run->source_started) {
		pthread_join(run->source_thread, NULL);
	}
	for (uint32_t k = 0; k < run->sinks_count; k++) {
		if (run->sinks[k].started) {
			pthread_join(run->sinks[k].thread, NULL);
		}
		run->sinks[k].started = false;
	}
	run->source_started = false;
	return true;
}

static void stop_source(struct drip_run *run)
{
	struct drip_instance *source = &run->instances[0];
	const struct drip_source_ops *ops = drip_instance_ops(source);

	if (source->started) {
		ops->stop(source->self);
		source->started = false;
	}
}

static void abort_sinks(struct drip_run *run)
{
	for (uint32_t k = 0; k < run->sinks_count; k++) {
		struct drip_instance *i = &run->instances[run->sinks[k].stage];
		const struct drip_sink_ops *ops = drip_instance_ops(i);
		struct drip_error err = DRIP_ERROR_INIT;

		if (i->opened && ops->abort(i->self, &err) < 0) {
			drip_logger_event(DRIP_LOG_WARNING, i->ctx.pipeline, i->ctx.stage, &err,
					  "abort failed; the sink is closed");
		}
	}
}

/* Frees the protocol with the epochs that did not become durable. */
static void end_commit(struct drip_run *run)
{
	void *epochs[DRIP_COMMIT_EPOCHS_MAX];
	struct drip_commit *commit;
	size_t count;

	pthread_mutex_lock(&run->lock);
	commit = run->commit;
	run->finished = commit != NULL && drip_commit_outcome(commit) == DRIP_OUTCOME_FINISHED;
	count = commit != NULL ? drip_commit_in_flight(commit, epochs) : 0;
	run->commit = NULL;
	pthread_mutex_unlock(&run->lock);
	for (size_t i = 0; i < count; i++) {
		drip_epoch_data_destroy(epochs[i]);
	}
	if (drip_run_aborting(run)) {
		drip_replay_failed(run, &run->error);
	}
	drip_commit_destroy(commit);
}

/* The instances are open. 0, or run->error. */
int drip_attempt(struct drip_run *run)
{
	struct drip_error err = DRIP_ERROR_INIT;
	bool failed, part;
	int rc = recover(run, &err);

	if (rc == 0) {
		rc = start_threads(run, &err);
	}
	if (rc < 0) {
		err.rc = rc;
		drip_run_fail(run, -1, &err);
	} else {
		pthread_mutex_lock(&run->lock);
		coordinate(run);
		pthread_mutex_unlock(&run->lock);
	}
	failed = drip_run_aborting(run);
	part = run->commit != NULL && drip_commit_gave_up(run->commit);
	for (uint32_t k = 0; k < run->sinks_count; k++) {
		if (failed || part) {
			drip_queue_cancel(&run->sinks[k].queue);
		} else {
			drip_queue_close(&run->sinks[k].queue);
		}
	}
	if (!join_threads(run, failed)) {
		run->abandoned = true;
		return -ETIMEDOUT;
	}
	failed = drip_run_aborting(run);
	stop_source(run);
	if (failed || part) {
		abort_sinks(run);
	}
	end_commit(run);
	return failed ? run->error.rc : 0;
}
