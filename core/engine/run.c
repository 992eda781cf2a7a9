/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run: attempts at one edition of a pipeline, with waits between them where a failure may go away
 * by itself. Its thread opens, coordinates and closes; the loop thread only sets flags and is woken
 * when something has changed.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int64_t drip_mono_us(void)
{
	return (int64_t)(drip_clock_now_ns() / 1000);
}

int drip_thread_start(pthread_t *ret, void *(*main)(void *), void *data)
{
	pthread_attr_t attr;
	int rc;

	if (drip_failpoint_hit("engine.start_thread", NULL) < 0) {
		return -EAGAIN;
	}
	rc = pthread_attr_init(&attr);

	if (rc == 0) {
		(void)pthread_attr_setstacksize(&attr, ENGINE_STACK_BYTES);
		rc = pthread_create(ret, &attr, main, data);
		pthread_attr_destroy(&attr);
	}
	return -rc;
}

int drip_run_create(struct drip_engine *engine, struct edition *edition, struct drip_run **ret,
		    struct drip_error *err)
{
	struct drip_run *run = drip_calloc(1, sizeof(*run));

	if (run == NULL || pthread_mutex_init(&run->lock, NULL) != 0) {
		free(run);
		return drip_error_nomem(err, sizeof(*run));
	}
	if (drip_cond_init(&run->changed) < 0) {
		pthread_mutex_destroy(&run->lock);
		free(run);
		return drip_error_nomem(err, sizeof(*run));
	}
	run->engine = engine;
	run->edition = drip_edition_ref(edition);
	run->spec = edition->spec;
	run->state = DRIP_PIPELINE_STARTING;
	run->failed_stage = -1;
	*ret = run;
	return 0;
}

void drip_run_destroy(struct drip_run *run)
{
	if (run == NULL) {
		return;
	}
	drip_edition_unref(run->edition);
	pthread_cond_destroy(&run->changed);
	pthread_mutex_destroy(&run->lock);
	free(run);
}

bool drip_run_aborting(const struct drip_run *run)
{
	return __atomic_load_n(&run->aborting, __ATOMIC_ACQUIRE);
}

void drip_run_set_state(struct drip_run *run, enum drip_pipeline_state state)
{
	pthread_mutex_lock(&run->lock);
	if (state != DRIP_PIPELINE_RUNNING || run->state == DRIP_PIPELINE_STARTING) {
		run->state = state;
	}
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	drip_engine_wake(run->engine);
}

void drip_run_fail(struct drip_run *run, int32_t stage, const struct drip_error *err)
{
	pthread_mutex_lock(&run->lock);
	if (!run->aborting) {
		if (err != NULL && err->code[0] != '\0') {
			run->error = *err;
			run->error.rc = err->rc < 0 ? err->rc : -EIO;
		} else {
			drip_error_set(&run->error, -EIO, "engine.op_failed",
				       "stage \"%s\" failed without saying why",
				       stage >= 0 ? run->spec->stages[stage].id : "");
		}
		run->error_us = drip_mono_us();
		run->failed_stage = stage;
		if (run->commit != NULL) {
			drip_commit_fail(run->commit);
		}
		__atomic_store_n(&run->aborting, true, __ATOMIC_RELEASE);
	}
	pthread_cond_broadcast(&run->changed);
	/* Under the lock: the loop's thread fails a run too, which may be closing by itself. */
	for (uint32_t k = 0; k < run->sinks_count && run->instances_ready; k++) {
		drip_queue_cancel(&run->sinks[k].queue);
	}
	pthread_mutex_unlock(&run->lock);
}

void drip_epoch_data_destroy(struct epoch_data *data)
{
	if (data == NULL) {
		return;
	}
	drip_state_finish(&data->states);
	drip_quality_finish(&data->quality);
	free(data->counts);
	free(data);
}

/* ---- commands from the loop thread ---- */

static void set_flag(struct drip_run *run, bool *flag)
{
	pthread_mutex_lock(&run->lock);
	*flag = true;
	__atomic_store_n(&run->stopping, run->stop || run->cancel, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

void drip_run_go(struct drip_run *run)
{
	set_flag(run, &run->go);
}

void drip_run_cancel(struct drip_run *run)
{
	set_flag(run, &run->cancel);
}

void drip_run_stop(struct drip_run *run)
{
	set_flag(run, &run->stop);
}

void drip_run_pause(struct drip_run *run, bool pause)
{
	pthread_mutex_lock(&run->lock);
	run->pause = pause;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
}

bool drip_run_rewind(struct drip_run *run)
{
	struct drip_error err = DRIP_ERROR_INIT;
	bool fail, good;

	drip_error_set(&err, -ECANCELED, "engine.stopping", "the checkpoint is reset");
	pthread_mutex_lock(&run->lock);
	good = run->ended || run->state == DRIP_PIPELINE_PAUSED;
	fail = !run->ended && good && !run->rewind;
	run->rewind |= fail;
	pthread_mutex_unlock(&run->lock);
	if (fail) {
		drip_run_fail(run, -1, &err);
	}
	return good;
}

/* ---- the run's thread ---- */

static bool asked_to_stop(struct drip_run *run)
{
	bool stop;

	pthread_mutex_lock(&run->lock);
	stop = run->stop || run->cancel;
	pthread_mutex_unlock(&run->lock);
	return stop;
}

/* All is open: waits until the old run is gone. False: cancelled. */
static bool wait_for_go(struct drip_run *run)
{
	bool go;

	pthread_mutex_lock(&run->lock);
	run->prepared = true;
	drip_engine_wake(run->engine);
	while (!run->go && !run->cancel && !run->stop) {
		pthread_cond_wait(&run->changed, &run->lock);
	}
	go = run->go && !run->cancel;
	pthread_mutex_unlock(&run->lock);
	return go;
}

static double random_share(void)
{
	uint32_t value = 0;

	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) < 0) {
		value = (uint32_t)drip_clock_now_ns();
	}
	return value / 4294967296.0;
}

/* Milliseconds before attempt `number` (from 1): exponential, with jitter. */
static int64_t backoff_ms(const struct drip_retry *retry, int64_t number)
{
	double delay = (double)retry->initial_ms;

	for (int64_t i = 1; i < number && delay < (double)retry->max_ms; i++) {
		delay *= retry->multiplier > 1 ? retry->multiplier : 1;
	}
	if (delay > (double)retry->max_ms) {
		delay = (double)retry->max_ms;
	}
	return (int64_t)(delay * (1 - retry->jitter * random_share()));
}

/* True: try again now. */
static bool wait_to_retry(struct drip_run *run, int64_t *attempts)
{
	const struct drip_retry *retry =
		&run->spec->stages[run->failed_stage >= 0 ? run->failed_stage : 0].retry;
	int64_t until, left;
	bool again;

	*attempts = run->progressed ? 1 : *attempts + 1;
	run->progressed = false;
	if (!run->error.retryable || (retry->attempts >= 0 && *attempts > retry->attempts)) {
		return false;
	}
	left = backoff_ms(retry, *attempts);
	drip_logger_event(DRIP_LOG_WARNING, run->spec->name,
			  run->failed_stage >= 0 ? run->spec->stages[run->failed_stage].id : "",
			  &run->error, "failed, will try again in %lld ms, attempt %lld",
			  (long long)left, (long long)*attempts);
	drip_run_set_state(run, DRIP_PIPELINE_RETRYING);
	pthread_mutex_lock(&run->lock);
	run->edition->retries++;
	until = drip_mono_us() + left * 1000;
	while (!run->stop && !run->cancel && (left = until - drip_mono_us()) > 0) {
		drip_cond_wait(&run->changed, &run->lock, left / 1000 + 1);
	}
	again = !run->stop && !run->cancel;
	run->state = again ? DRIP_PIPELINE_STARTING : run->state;
	pthread_mutex_unlock(&run->lock);
	return again;
}

/* Where the attempt was ended to begin anew: waits until that may be, closed. False: it was not. */
static bool wait_to_rewind(struct drip_run *run)
{
	bool rewind;

	pthread_mutex_lock(&run->lock);
	rewind = run->rewind;
	if (rewind) {
		memset(&run->error, 0, sizeof(run->error));
		run->position[0] = '\0';
	}
	while (rewind && run->pause && !run->stop && !run->cancel) {
		pthread_cond_wait(&run->changed, &run->lock);
	}
	if (rewind) {
		run->rewind = false;
		run->state = DRIP_PIPELINE_STARTING;
	}
	pthread_mutex_unlock(&run->lock);
	return rewind;
}

static int begin_record(struct drip_run *run, struct drip_error *err)
{
	const struct drip_durable *d = run->engine->options.durable;
	int rc = 0;

	if (run->run_id[0] != '\0') {
		return 0;
	}
	if (run->scheduled_us != 0) {
		rc = d->schedule_put(d->self, run->spec->name, run->scheduled_us, err);
	}
	return rc == 0 ? d->run_begin(d->self, run->spec->name, run->run_id, err) : rc;
}

static void end_record(struct drip_run *run, enum drip_run_state state)
{
	const struct drip_durable *d = run->engine->options.durable;
	struct drip_error err = DRIP_ERROR_INIT;

	if (run->run_id[0] != '\0' &&
	    d->run_end(d->self, run->run_id, state, state == DRIP_RUN_FAILED ? &run->error : NULL,
		       &err) < 0) {
		drip_logger_event(DRIP_LOG_WARNING, run->spec->name, "", &err,
				  "the end of the run could not be recorded");
	}
}

static void reset_attempt(struct drip_run *run)
{
	pthread_mutex_lock(&run->lock);
	__atomic_store_n(&run->aborting, false, __ATOMIC_RELEASE);
	run->source_done = false;
	run->caught_up = false;
	run->failed_stage = -1;
	run->sequence = run->held = 0;
	memset(&run->at, 0, sizeof(run->at));
	pthread_mutex_unlock(&run->lock);
}

/* One attempt with its opening and closing. 0: the run is over; 1: cancelled while prepared. */
static int try_once(struct drip_run *run)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int rc;

	reset_attempt(run);
	rc = drip_attempt_open(run, &err);
	if (rc == 0 && run->prepare && !run->opened_once && !wait_for_go(run)) {
		drip_attempt_close(run);
		return 1;
	}
	if (rc == 0) {
		pthread_mutex_lock(&run->lock);
		run->opened_once = true;
		pthread_mutex_unlock(&run->lock);
		rc = begin_record(run, &err);
	}
	if (rc < 0) {
		int32_t stage = run->failed_stage;

		err.rc = rc;
		drip_run_fail(run, stage, &err);
	} else {
		rc = drip_attempt(run);
	}
	if (!run->abandoned) {
		drip_attempt_close(run);
	}
	return rc;
}

/* Outcome of a run that ended with `rc`. */
static enum drip_pipeline_state conclude(struct drip_run *run, int rc, bool finished)
{
	if (rc == 1) {
		return DRIP_PIPELINE_STOPPED;
	}
	if (rc == 0) {
		memset(&run->error, 0, sizeof(run->error));
		end_record(run, finished ? DRIP_RUN_SUCCEEDED : DRIP_RUN_STOPPED);
		return finished ? DRIP_PIPELINE_FINISHED : DRIP_PIPELINE_STOPPED;
	}
	if (asked_to_stop(run) && run->error.retryable) {
		drip_logger_event(DRIP_LOG_WARNING, run->spec->name, "", &run->error,
				  "stopped before all was committed");
		end_record(run, DRIP_RUN_STOPPED);
		return DRIP_PIPELINE_STOPPED;
	}
	drip_logger_event(DRIP_LOG_ERROR, run->spec->name,
			  run->failed_stage >= 0 ? run->spec->stages[run->failed_stage].id : "",
			  &run->error,
			  run->replay_only ? "the replay has failed" : "the pipeline has failed");
	end_record(run, DRIP_RUN_FAILED);
	return DRIP_PIPELINE_FAILED;
}

static void *run_main(void *data)
{
	struct drip_run *run = data;
	struct drip_engine *engine = run->engine;
	enum drip_pipeline_state state;
	int64_t attempts = 0;
	int rc;

	for (;;) {
		rc = try_once(run);
		if (rc < 0 && !run->abandoned && wait_to_rewind(run)) {
			if (!asked_to_stop(run)) {
				continue;
			}
			rc = 0; /* nothing was under way */
		}
		if (rc >= 0 || run->abandoned || (run->prepare && !run->opened_once) ||
		    run->replay_only || asked_to_stop(run) || !wait_to_retry(run, &attempts)) {
			break;
		}
	}
	state = conclude(run, rc, rc == 0 && run->finished);
	pthread_mutex_lock(&run->lock);
	run->state = state;
	run->ended = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	drip_engine_wake(engine);
	return NULL;
}

int drip_run_start(struct drip_run *run, struct drip_error *err)
{
	int rc = drip_thread_start(&run->thread, run_main, run);

	run->thread_started = rc == 0;
	return rc < 0 ? drip_error_set_retryable(err, rc, "engine.no_thread",
						 "could not start a thread: %s", strerror(-rc))
		      : 0;
}
