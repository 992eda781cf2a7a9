/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipelines on the loop thread: when a run starts, what follows it, and the course of a reload.
 * Every change comes down to a step: what has ended is taken in, then the next thing is set off.
 * Nothing here blocks, but for joining threads that have said that they are at their end.
 *
 * A reload makes an upcoming run that opens its components while the old one works. Once it is
 * ready the old one is stopped at an epoch's boundary, and the new one goes. Where a component
 * cannot be open twice, the old run is stopped first, and started again if the new one fails to
 * open.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- create, find, destroy ---- */

struct drip_pipeline *drip_pipeline_find(struct drip_engine *engine, const char *name)
{
	for (struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		if (strcmp(p->name, name) == 0) {
			return p;
		}
	}
	return NULL;
}

struct schedule_work {
	char *pipeline;
	struct edition *edition;
	int64_t last_us;
	struct drip_error error;
	int rc;
};

static void schedule_read(struct drip_engine *engine, void *data)
{
	const struct drip_durable *d = engine->options.durable;
	struct schedule_work *w = data;

	w->rc = d->schedule_get(d->self, w->pipeline, &w->last_us, &w->error);
}

static void set_due(struct drip_pipeline *p, int64_t due_us)
{
	__atomic_store_n(&p->due_us, due_us, __ATOMIC_RELAXED);
}

static void set_unmet(struct drip_pipeline *p, int64_t unmet_us)
{
	__atomic_store_n(&p->unmet_us, unmet_us, __ATOMIC_RELAXED);
}

/* The last time is known: a time since then was missed, and is caught up once. */
static void schedule_known(struct drip_engine *engine, void *data)
{
	struct schedule_work *w = data;
	struct drip_pipeline *p = drip_pipeline_find(engine, w->pipeline);
	int64_t now = drip_clock_wall_us();

	if (w->rc < 0) {
		drip_logger_event(DRIP_LOG_WARNING, w->pipeline, "", &w->error,
				  "the last run could not be read, none is taken for missed");
		w->last_us = 0;
	}
	if (p != NULL && p->edition == w->edition && p->cron != NULL) {
		p->due_unknown = false;
		set_due(p, drip_cron_next(p->cron, w->last_us != 0 ? w->last_us : now));
	}
	drip_edition_unref(w->edition);
	free(w->pipeline);
	free(w);
	drip_engine_wake(engine);
}

static void set_error(struct drip_pipeline *p, const struct drip_error *err, int64_t when_us)
{
	p->error = *err;
	p->error_us = when_us;
}

static void plan_schedule(struct drip_engine *engine, struct drip_pipeline *p)
{
	const struct drip_pipeline_spec *spec = p->edition->spec;
	struct drip_error err = DRIP_ERROR_INIT;
	struct schedule_work *w;

	drip_cron_destroy(p->cron);
	p->cron = NULL;
	p->due_unknown = false;
	set_due(p, INT64_MAX);
	if (spec->cron == NULL || engine->options.ignore_schedules) {
		return;
	}
	if (drip_cron_parse(spec->cron, spec->timezone, &p->cron, &err) < 0) {
		p->state = DRIP_PIPELINE_FAILED;
		set_error(p, &err, drip_mono_us());
		p->ran = true;
		return;
	}
	w = drip_calloc(1, sizeof(*w));
	if (w != NULL) {
		w->pipeline = drip_strdup(p->name);
		w->edition = drip_edition_ref(p->edition);
	}
	p->due_unknown = true;
	if (w == NULL || w->pipeline == NULL ||
	    drip_engine_work(engine, schedule_read, schedule_known, w) < 0) {
		p->due_unknown = false;
		set_due(p, drip_cron_next(p->cron, drip_clock_wall_us()));
	}
}

struct drip_pipeline *drip_pipeline_create(struct drip_engine *engine, struct edition *edition)
{
	struct drip_pipeline *p = drip_calloc(1, sizeof(*p));

	if (p == NULL || (p->name = drip_strdup(edition->spec->name)) == NULL) {
		free(p);
		return NULL;
	}
	p->edition = drip_edition_ref(edition);
	p->state = DRIP_PIPELINE_STARTING;
	p->quarantine_break = engine->options.quarantine_break;
	plan_schedule(engine, p);
	return p;
}

/* The counters go on where stages are the same. */
static void carry_counts(const struct edition *from, struct edition *to)
{
	for (uint32_t i = 0; i < to->spec->stages_count; i++) {
		for (uint32_t k = 0; k < from->spec->stages_count; k++) {
			if (strcmp(to->spec->stages[i].id, from->spec->stages[k].id) == 0) {
				to->slots[i].base = from->slots[k].base;
			}
		}
	}
	to->commits = from->commits;
	to->retries = from->retries;
}

void drip_pipeline_replace(struct drip_engine *engine, struct drip_pipeline *p,
			   struct edition *edition)
{
	drip_pipeline_refuse_replays(engine, p, NULL); /* their stage may be another one */
	pthread_mutex_lock(&engine->lock);
	if (p->current == NULL && p->upcoming == NULL) {
		carry_counts(p->edition, edition);
	}
	drip_edition_unref(p->edition);
	p->edition = drip_edition_ref(edition);
	p->ran = false;
	p->removed = false;
	pthread_mutex_unlock(&engine->lock);
	plan_schedule(engine, p);
}

void drip_pipeline_destroy(struct drip_pipeline *p)
{
	if (p == NULL) {
		return;
	}
	drip_run_destroy(p->last);
	drip_edition_unref(p->edition);
	drip_edition_unref(p->fallback);
	drip_cron_destroy(p->cron);
	free(p->name);
	free(p);
}

/* ---- states ---- */

enum drip_pipeline_state drip_pipeline_state(const struct drip_engine *engine,
					     const struct drip_pipeline *p)
{
	enum drip_pipeline_state state;

	if (p->current != NULL) {
		pthread_mutex_lock(&p->current->lock);
		state = p->current->state;
		pthread_mutex_unlock(&p->current->lock);
		return state;
	}
	if (p->cron != NULL && !engine->stopping && !p->removed) {
		return p->paused ? DRIP_PIPELINE_PAUSED : DRIP_PIPELINE_WAITING;
	}
	if (engine->stopping && !p->ran) {
		return DRIP_PIPELINE_STOPPED;
	}
	return p->state;
}

bool drip_pipeline_terminal(const struct drip_engine *engine, const struct drip_pipeline *p)
{
	if (p->current != NULL || p->upcoming != NULL) {
		return false;
	}
	return engine->stopping || (p->cron == NULL && p->ran);
}

/* ---- replays ---- */

static void append_replays(struct replay **to, struct replay *list)
{
	while (*to != NULL) {
		to = &(*to)->next;
	}
	*to = list;
}

void drip_pipeline_replay(struct drip_pipeline *p, struct replay *r)
{
	if (p->current == NULL) {
		append_replays(&p->replays, r);
		return;
	}
	pthread_mutex_lock(&p->current->lock);
	append_replays(&p->current->replays, r);
	pthread_cond_broadcast(&p->current->changed);
	pthread_mutex_unlock(&p->current->lock);
}

void drip_pipeline_refuse_replays(struct drip_engine *engine, struct drip_pipeline *p,
				  const struct drip_error *why)
{
	struct drip_error ended = DRIP_ERROR_INIT;
	struct replay *list = p->replays;

	p->replays = NULL;
	drip_error_set_retryable(&ended, -EAGAIN, "engine.not_running",
				 "the pipeline ended before the row was committed");
	for (struct replay *r = list; r != NULL; r = r->next) {
		r->error = why != NULL ? *why : ended;
	}
	if (list != NULL) {
		drip_engine_replayed(engine, list);
	}
}

static void pass_replays(struct drip_pipeline *p)
{
	struct replay *list = p->replays;

	p->replays = NULL;
	drip_pipeline_replay(p, list);
}

/* The run has ended: what it did not take in waits for another one. */
static void keep_replays(struct drip_pipeline *p, struct drip_run *run)
{
	pthread_mutex_lock(&run->lock);
	append_replays(&p->replays, run->replays);
	run->replays = NULL;
	pthread_mutex_unlock(&run->lock);
}

/* ---- runs ---- */

static bool flag_of(struct drip_run *run, const bool *flag)
{
	bool value;

	pthread_mutex_lock(&run->lock);
	value = *flag;
	pthread_mutex_unlock(&run->lock);
	return value;
}

/* (gives) a run of the pipeline's edition, under way, with the replays that wait; NULL: the
 * pipeline has failed, or only they have. */
static struct drip_run *start_run(struct drip_engine *engine, struct drip_pipeline *p, bool prepare,
				  bool replay_only)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_run *run = NULL;
	int rc = drip_run_create(engine, p->edition, &run, &err);

	p->ran = p->ran || !replay_only;
	if (rc == 0) {
		run->prepare = prepare;
		run->pause = p->paused;
		run->until_caught_up = engine->options.until_caught_up;
		run->replay_only = replay_only;
		if (!replay_only) {
			run->quarantine_break = p->quarantine_break;
			p->quarantine_break = false;
		}
		if (p->cron != NULL && !replay_only) {
			run->scheduled_us = drip_clock_wall_us();
			run->until_caught_up = true;
		}
		run->replays = p->replays;
		p->replays = NULL;
		rc = drip_run_start(run, &err);
	}
	if (rc < 0) {
		if (run != NULL) {
			keep_replays(p, run);
		}
		drip_pipeline_refuse_replays(engine, p, &err);
		drip_run_destroy(run);
		p->state = replay_only ? p->state : DRIP_PIPELINE_FAILED;
		set_error(p, &err, drip_mono_us());
		drip_logger_event(DRIP_LOG_ERROR, p->name, "", &err, "could not start");
		return NULL;
	}
	return run;
}

/* A run has ended: its thread is at its last statement. */
static void take_in(struct drip_engine *engine, struct drip_pipeline *p, struct drip_run *run)
{
	pthread_join(run->thread, NULL);
	if (!run->replay_only ||
	    run->abandoned) { /* whether a replay succeeds says nothing of it */
		p->state = run->state;
		if (run->error.rc != 0) {
			set_error(p, &run->error, run->error_us);
		}
	}
	if (run->scheduled_us != 0 && run->state == DRIP_PIPELINE_FINISHED) {
		set_unmet(p, 0);
	}
	if (run->abandoned) {
		run->next = engine->abandoned;
		engine->abandoned = run;
		return;
	}
	drip_run_destroy(p->last);
	p->last = run;
}

static void take_in_upcoming(struct drip_engine *engine, struct drip_pipeline *p)
{
	struct drip_run *run = p->upcoming;

	p->upcoming = NULL;
	if (run->state == DRIP_PIPELINE_FAILED && run->edition == p->edition &&
	    p->current != NULL) {
		drip_logger_event(DRIP_LOG_ERROR, p->name, "", &run->error,
				  "the new version does not open, the old one goes on");
		drip_edition_unref(p->edition);
		p->edition = drip_edition_ref(p->current->edition);
		pthread_join(run->thread, NULL);
		set_error(p, &run->error, run->error_us);
		drip_run_destroy(run);
		return;
	}
	take_in(engine, p, run);
}

static void take_in_current(struct drip_engine *engine, struct drip_pipeline *p)
{
	struct drip_run *run = p->current;
	bool opened = run->opened_once;
	struct edition *edition = run->edition;

	if (edition != p->edition) {
		carry_counts(edition, p->edition);
	}
	p->current = NULL;
	if (!opened && run->state == DRIP_PIPELINE_FAILED && p->fallback != NULL &&
	    edition == p->edition) {
		drip_logger_event(DRIP_LOG_ERROR, p->name, "", &run->error,
				  "the new version does not open, the old one is started again");
		drip_edition_unref(p->edition);
		p->edition = p->fallback;
		p->fallback = NULL;
		p->ran = false;
	}
	if (edition == p->edition || p->fallback == NULL) {
		drip_edition_unref(p->fallback);
		p->fallback = NULL;
	}
	take_in(engine, p, run);
}

/* ---- reload ---- */

static const struct drip_declared *find_connection(const struct drip_document *d, const char *name)
{
	for (size_t i = 0; i < d->connections_count; i++) {
		if (strcmp(d->connections[i].name, name) == 0) {
			return &d->connections[i];
		}
	}
	return NULL;
}

/* True where old and new cannot be open at once. */
static bool exclusive(const struct edition *old, const struct edition *new)
{
	const struct drip_document *a = old->doc->document, *b = new->doc->document;

	for (uint32_t i = 0; i < new->spec->stages_count; i++) {
		if ((new->spec->stages[i].component->caps &DRIP_CAP_EXCLUSIVE) != 0) {
			return true;
		}
	}
	for (size_t i = 0; i < b->connections_count; i++) {
		const struct drip_declared *now = &b->connections[i];
		const struct drip_declared *before = find_connection(a, now->name);

		if ((now->component->caps & DRIP_CAP_EXCLUSIVE) != 0 && before != NULL &&
		    before->config_hash != now->config_hash) {
			return true;
		}
	}
	return false;
}

static void step_reload(struct drip_engine *engine, struct drip_pipeline *p)
{
	struct drip_run *old = p->current, *new = p->upcoming;

	if (old->edition->spec->cron != NULL && !engine->options.ignore_schedules) {
		return; /* a scheduled run is let finish; the next one is of the new edition */
	}
	if (new != NULL &&new->edition != p->edition) {
		drip_run_cancel(new);
	} else if (new != NULL) {
		if (flag_of(new, &new->prepared)) {
			drip_run_stop(old);
		}
	} else if (exclusive(old->edition, p->edition)) {
		/* what has worked is gone back to, not what stood before it */
		if (p->fallback == NULL || flag_of(old, &old->opened_once)) {
			drip_edition_unref(p->fallback);
			p->fallback = drip_edition_ref(old->edition);
		}
		drip_run_stop(old);
	} else {
		struct drip_run *run = start_run(engine, p, true, false);

		pthread_mutex_lock(&engine->lock);
		p->upcoming = run;
		pthread_mutex_unlock(&engine->lock);
	}
}

static bool is_due(const struct drip_pipeline *p, int64_t now)
{
	return p->cron != NULL ? p->due_us <= now && !p->paused : !p->ran;
}

/* A run that others wait for is due, or under way. A paused pipeline keeps nobody waiting, nor does
 * one that streams on and on. */
static bool goes_first(const struct drip_engine *engine, const struct drip_pipeline *p, int64_t now)
{
	bool ends = p->edition->spec->cron != NULL || engine->options.until_caught_up;

	if (p->removed || p->paused || !ends) {
		return false;
	}
	if (p->current != NULL && !p->current->replay_only) {
		return true;
	}
	return p->due_unknown || p->triggered || is_due(p, now);
}

bool drip_pipeline_waits(const struct drip_engine *engine, const struct drip_pipeline *p)
{
	const struct drip_pipeline_spec *spec = p->edition->spec;
	int64_t now = drip_clock_wall_us();

	for (const struct drip_pipeline *q = engine->pipelines; q != NULL; q = q->next) {
		for (size_t i = 0; i < spec->after_count; i++) {
			if (q != p && strcmp(spec->after[i], q->name) == 0 &&
			    goes_first(engine, q, now)) {
				return true;
			}
		}
	}
	return false;
}

/* In a run of `dripline run`: one by a schedule shows as waiting anyway. */
static void set_waiting(struct drip_engine *engine, struct drip_pipeline *p)
{
	pthread_mutex_lock(&engine->lock);
	if (!p->ran) {
		p->state = DRIP_PIPELINE_WAITING;
	}
	pthread_mutex_unlock(&engine->lock);
}

static void start_if_due(struct drip_engine *engine, struct drip_pipeline *p)
{
	int64_t now = drip_clock_wall_us();
	bool due = is_due(p, now);
	bool start = due || (p->triggered && !p->paused);
	struct drip_run *run;

	if (p->held != 0) {
		return;
	}
	if (start && drip_pipeline_waits(engine, p)) {
		due = start = false;
		set_waiting(engine, p);
	}
	if (!start && p->paused) {
		drip_pipeline_refuse_replays(engine, p, NULL);
	}
	if (!start && p->replays == NULL) {
		return;
	}
	if (due && p->cron != NULL) {
		set_unmet(p, p->unmet_us != 0 ? p->unmet_us : p->due_us);
		set_due(p, drip_cron_next(p->cron, now));
	}
	p->triggered = p->triggered && !start;
	run = start_run(engine, p, start && p->fallback != NULL, !start);
	pthread_mutex_lock(&engine->lock);
	p->current = run;
	pthread_mutex_unlock(&engine->lock);
	if (run != NULL) {
		drip_run_go(run);
	}
}

/* ---- the step ---- */

static void take_in_ended(struct drip_engine *engine, struct drip_pipeline *p)
{
	struct drip_run *run = p->current;
	struct drip_error why = DRIP_ERROR_INIT;
	bool again = false; /* what it did not take in goes into a run of its own */
	bool upcoming = p->upcoming != NULL && flag_of(p->upcoming, &p->upcoming->ended);
	bool current = p->current != NULL && flag_of(p->current, &p->current->ended);

	if (!upcoming && !current) {
		return;
	}
	if (current) {
		again = run->state == DRIP_PIPELINE_FINISHED && run->edition == p->edition;
		why = run->replay_only ? run->error : why;
		keep_replays(p, run);
	}
	pthread_mutex_lock(&engine->lock);
	if (upcoming) {
		take_in_upcoming(engine, p);
	}
	if (current) {
		take_in_current(engine, p);
	}
	pthread_mutex_unlock(&engine->lock);
	if (current) {
		drip_engine_wake(engine); /* for those that go after it */
	}
	if (current && !again) {
		drip_pipeline_refuse_replays(engine, p, why.rc < 0 ? &why : NULL);
	}
}

bool drip_pipeline_step(struct drip_engine *engine, struct drip_pipeline *p)
{
	take_in_ended(engine, p);
	if (engine->stopping || p->removed) {
		drip_pipeline_refuse_replays(engine, p, NULL);
		if (p->upcoming != NULL) {
			drip_run_cancel(p->upcoming);
		}
		if (p->current != NULL) {
			drip_run_stop(p->current);
		}
		return p->current == NULL && p->upcoming == NULL && p->removed && p->held == 0;
	}
	if (p->current != NULL) {
		if (p->current->edition != p->edition) {
			if (p->held == 0) { /* else its checkpoint is being changed */
				step_reload(engine, p);
			}
		} else if (p->upcoming != NULL) {
			drip_run_cancel(p->upcoming);
		}
		return false;
	}
	if (p->upcoming == NULL) {
		start_if_due(engine, p);
		return false;
	}
	if (p->upcoming->edition != p->edition) {
		drip_run_cancel(p->upcoming);
	} else if (flag_of(p->upcoming, &p->upcoming->prepared)) {
		pthread_mutex_lock(&engine->lock);
		p->current = p->upcoming;
		p->upcoming = NULL;
		pthread_mutex_unlock(&engine->lock);
		pass_replays(p);
		drip_run_pause(p->current, p->paused);
		drip_run_go(p->current);
	}
	return false;
}

void drip_pipeline_abandon(struct drip_engine *engine, struct drip_pipeline *p)
{
	struct drip_run *runs[] = {p->current, p->upcoming};
	struct drip_error err = DRIP_ERROR_INIT;

	pthread_mutex_lock(&engine->lock);
	for (size_t i = 0; i < 2; i++) {
		if (runs[i] != NULL) {
			pthread_detach(runs[i]->thread);
			runs[i]->next = engine->abandoned;
			engine->abandoned = runs[i];
		}
	}
	p->current = p->upcoming = NULL;
	p->state = DRIP_PIPELINE_FAILED;
	drip_error_set(&err, -ETIMEDOUT, "engine.stuck",
		       "an operation of a component does not return");
	set_error(p, &err, drip_mono_us());
	pthread_mutex_unlock(&engine->lock);
}
