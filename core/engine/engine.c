/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's public functions and its part on the loop thread: an async handle wakes it when a
 * run has changed, a timer when a schedule is due. Each time it lets all pipelines take a step.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TIMER_MAX_MS  30000 /* the wall clock may be set: look at it now and then */
#define STOP_GRACE_MS 5000  /* beyond the drain deadline, for components to close */

static void step(struct drip_engine *engine);

/* ---- the loop's side ---- */

void drip_engine_wake(struct drip_engine *engine)
{
	(void)uv_async_send(&engine->handles->async);
}

void drip_engine_replayed(struct drip_engine *engine, struct replay *list)
{
	pthread_mutex_lock(&engine->lock);
	while (list != NULL) {
		struct replay *r = list;

		list = r->next;
		r->next = engine->replayed;
		engine->replayed = r;
	}
	pthread_mutex_unlock(&engine->lock);
	drip_engine_wake(engine);
}

static void tell_replays(struct drip_engine *engine)
{
	struct replay *r;

	pthread_mutex_lock(&engine->lock);
	r = engine->replayed;
	engine->replayed = NULL;
	pthread_mutex_unlock(&engine->lock);
	while (r != NULL) {
		struct replay *next = r->next;

		r->done(r->error.rc < 0 ? &r->error : NULL, r->data);
		free(r);
		r = next;
	}
}

static void tell(struct drip_engine *engine, enum drip_engine_event event, const char *pipeline)
{
	if (engine->options.on_event != NULL) {
		engine->options.on_event(event, pipeline, engine->options.data);
	}
}

static void on_async(uv_async_t *handle)
{
	struct engine_handles *h = handle->data;

	if (h->engine != NULL) {
		step(h->engine);
	}
}

static void on_timer(uv_timer_t *handle)
{
	struct engine_handles *h = handle->data;

	if (h->engine != NULL) {
		step(h->engine);
	}
}

static void on_closed(uv_handle_t *handle)
{
	struct engine_handles *h = handle->data;

	if (--h->open == 0) {
		free(h);
	}
}

struct work {
	uv_work_t request;
	struct drip_engine *engine;
	void (*work)(struct drip_engine *, void *);
	void (*done)(struct drip_engine *, void *);
	void *data;
};

static void on_work(uv_work_t *request)
{
	struct work *w = request->data;

	w->work(w->engine, w->data);
}

static void on_worked(uv_work_t *request, int status)
{
	struct work *w = request->data;

	w->engine->works--;
	w->done(w->engine, w->data);
	free(w);
}

int drip_engine_work(struct drip_engine *engine, void (*work)(struct drip_engine *, void *),
		     void (*done)(struct drip_engine *, void *), void *data)
{
	struct work *w = drip_calloc(1, sizeof(*w));
	int rc;

	if (w == NULL) {
		return -ENOMEM;
	}
	*w = (struct work){.engine = engine, .work = work, .done = done, .data = data};
	w->request.data = w;
	rc = uv_queue_work(engine->options.loop, &w->request, on_work, on_worked);
	if (rc < 0) {
		free(w);
		return rc;
	}
	engine->works++;
	return 0;
}

/* ---- services, on the pool ---- */

static void services_work(struct drip_engine *engine, void *data)
{
	drip_services_apply(engine, data);
}

static void services_done(struct drip_engine *engine, void *data)
{
	engine->services_busy = false;
	engine->services_down = data == NULL;
	drip_doc_unref(data);
	drip_engine_wake(engine);
}

/* Brings the services to what the document says, or down where the engine stops. */
static void step_services(struct drip_engine *engine, bool down)
{
	struct drip_doc *doc = down || engine->doc == NULL ? NULL : drip_doc_ref(engine->doc);

	engine->services_wanted = false;
	engine->services_busy = true;
	if (drip_engine_work(engine, services_work, services_done, doc) < 0) {
		engine->services_busy = false;
		engine->services_down = down;
		drip_doc_unref(doc);
	}
}

/* ---- the step ---- */

static void step_pipelines(struct drip_engine *engine)
{
	struct drip_pipeline **at = &engine->pipelines;

	while (*at != NULL) {
		struct drip_pipeline *p = *at;
		bool gone = drip_pipeline_step(engine, p);
		enum drip_pipeline_state state = drip_pipeline_state(engine, p);

		if (state != p->reported) {
			p->reported = state;
			tell(engine, DRIP_EVENT_STATE, p->name);
		}
		if (gone) {
			pthread_mutex_lock(&engine->lock);
			*at = p->next;
			pthread_mutex_unlock(&engine->lock);
			drip_pipeline_destroy(p);
		} else {
			at = &p->next;
		}
	}
}

static bool all_terminal(const struct drip_engine *engine)
{
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		if (!drip_pipeline_terminal(engine, p)) {
			return false;
		}
	}
	return true;
}

static void set_timer(struct drip_engine *engine)
{
	int64_t next = INT64_MAX, now = drip_clock_wall_us(), delay_ms;

	for (const struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		if (p->cron != NULL && p->current == NULL && !p->paused && p->held == 0 &&
		    p->due_us < next && !(p->due_us <= now && drip_pipeline_waits(engine, p))) {
			next = p->due_us;
		}
	}
	if (engine->stopping) {
		int64_t left = engine->stop_deadline_us - drip_mono_us();

		uv_timer_start(&engine->handles->timer, on_timer,
			       (uint64_t)(left > 0 ? left / 1000 + 1 : 1), 0);
		return;
	}
	if (next == INT64_MAX) {
		uv_timer_stop(&engine->handles->timer);
		return;
	}
	delay_ms = next > now ? (next - now) / 1000 + 1 : 0;
	delay_ms = delay_ms < TIMER_MAX_MS ? delay_ms : TIMER_MAX_MS;
	uv_timer_start(&engine->handles->timer, on_timer, (uint64_t)delay_ms, 0);
}

/* The end of a stop: pipelines, then services. True: all is down. */
static bool step_stop(struct drip_engine *engine)
{
	bool late = drip_mono_us() > engine->stop_deadline_us;

	for (struct drip_pipeline *p = engine->pipelines; p != NULL && late; p = p->next) {
		drip_pipeline_abandon(engine, p);
	}
	if (!all_terminal(engine)) {
		return false;
	}
	if (!engine->closing) {
		__atomic_store_n(&engine->closing, true, __ATOMIC_RELEASE);
		drip_connections_wake(engine);
	}
	if (!engine->services_down && !engine->services_busy) {
		step_services(engine, true);
	}
	return late || (engine->services_down && engine->works == 0);
}

static void step(struct drip_engine *engine)
{
	bool done = false;

	tell_replays(engine);
	step_pipelines(engine);
	if (engine->stopping) {
		done = step_stop(engine);
	} else if (engine->services_wanted && !engine->services_busy) {
		step_services(engine, false);
	}
	set_timer(engine);
	if (done && !engine->all_done) {
		engine->all_done = true;
		uv_timer_stop(&engine->handles->timer);
		tell(engine, DRIP_EVENT_ALL_DONE, NULL); /* the engine may be gone after it */
	}
}

/* ---- create, apply, stop, destroy ---- */

static int init_handles(struct drip_engine *engine)
{
	struct engine_handles *h = drip_calloc(1, sizeof(*h));
	int rc;

	if (h == NULL) {
		return -ENOMEM;
	}
	rc = uv_async_init(engine->options.loop, &h->async, on_async);
	if (rc < 0) {
		free(h);
		return rc;
	}
	(void)uv_timer_init(engine->options.loop, &h->timer);
	h->async.data = h->timer.data = h;
	h->engine = engine;
	h->open = 2;
	engine->handles = h;
	return 0;
}

int drip_engine_create(const struct drip_engine_options *options, struct drip_engine **ret,
		       struct drip_error *err)
{
	struct drip_engine *engine = drip_calloc(1, sizeof(*engine));

	if (engine == NULL) {
		return drip_error_nomem(err, sizeof(*engine));
	}
	engine->options = *options;
	if (pthread_mutex_init(&engine->lock, NULL) != 0 ||
	    pthread_mutex_init(&engine->services_lock, NULL) != 0 ||
	    pthread_rwlock_init(&engine->taps_lock, NULL) != 0 ||
	    drip_budget_init(&engine->budget, UINT64_MAX) < 0 ||
	    drip_connections_init(&engine->connections) < 0 ||
	    drip_models_init(&engine->models) < 0 || init_handles(engine) < 0) {
		free(engine);
		return drip_error_nomem(err, sizeof(*engine));
	}
	engine->services_down = true;
	*ret = engine;
	return 0;
}

bool drip_engine_destroy(struct drip_engine *engine)
{
	if (engine == NULL) {
		return true;
	}
	if (!engine->services_down && !engine->services_busy) {
		__atomic_store_n(&engine->closing, true, __ATOMIC_RELEASE);
		drip_services_apply(engine, NULL);
	}
	for (struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		drip_pipeline_refuse_replays(engine, p, NULL);
	}
	tell_replays(engine);
	engine->handles->engine = NULL;
	if (engine->abandoned != NULL || engine->works != 0 || engine->services_busy) {
		return false; /* a thread that does not return still uses it */
	}
	uv_close((uv_handle_t *)&engine->handles->async, on_closed);
	uv_close((uv_handle_t *)&engine->handles->timer, on_closed);
	while (engine->pipelines != NULL) {
		struct drip_pipeline *p = engine->pipelines;

		engine->pipelines = p->next;
		drip_pipeline_destroy(p);
	}
	drip_doc_unref(engine->doc);
	drip_models_finish(&engine->models);
	drip_connections_finish(&engine->connections);
	drip_budget_finish(&engine->budget);
	pthread_rwlock_destroy(&engine->taps_lock);
	pthread_mutex_destroy(&engine->services_lock);
	pthread_mutex_destroy(&engine->lock);
	free(engine);
	return true;
}

/* One pipeline of a new document: new, changed, or as it was. */
static int apply_pipeline(struct drip_engine *engine, struct drip_doc *doc,
			  const struct drip_pipeline_spec *spec, struct drip_error *err)
{
	struct drip_pipeline *p = drip_pipeline_find(engine, spec->name);
	struct edition *edition;

	if (p != NULL && !p->removed && p->edition->spec->config_hash == spec->config_hash) {
		return 0;
	}
	edition = drip_edition_create(doc, spec);
	if (edition == NULL) {
		return drip_error_nomem(err, sizeof(*edition));
	}
	if (p != NULL) {
		drip_pipeline_replace(engine, p, edition);
	} else {
		p = drip_pipeline_create(engine, edition);
	}
	drip_edition_unref(edition);
	if (p == NULL) {
		return drip_error_nomem(err, sizeof(*p));
	}
	if (drip_pipeline_find(engine, spec->name) == NULL) {
		struct drip_pipeline **at = &engine->pipelines;

		pthread_mutex_lock(&engine->lock);
		while (*at != NULL) {
			at = &(*at)->next;
		}
		*at = p;
		pthread_mutex_unlock(&engine->lock);
	}
	return 0;
}

static bool declares(const struct drip_document *d, const char *pipeline)
{
	for (size_t i = 0; i < d->pipelines_count; i++) {
		if (strcmp(d->pipelines[i].name, pipeline) == 0) {
			return true;
		}
	}
	return false;
}

int drip_engine_apply(struct drip_engine *engine, struct drip_document *document,
		      struct drip_error *err)
{
	struct drip_doc *doc = drip_doc_create(document);
	int rc = 0;

	if (doc == NULL) {
		drip_document_destroy(document);
		return drip_error_nomem(err, sizeof(*doc));
	}
	if (engine->stopping) {
		drip_doc_unref(doc);
		return drip_error_set(err, -ESHUTDOWN, "engine.stopping", "the engine is stopping");
	}
	for (size_t i = 0; i < document->pipelines_count && rc == 0; i++) {
		rc = apply_pipeline(engine, doc, &document->pipelines[i], err);
	}
	for (struct drip_pipeline *p = engine->pipelines; p != NULL && rc == 0; p = p->next) {
		p->removed = !declares(document, p->name);
	}
	drip_budget_limit(&engine->budget, document->settings.memory_bytes / 2);
	pthread_mutex_lock(&engine->lock);
	drip_doc_unref(engine->doc);
	engine->doc = doc;
	pthread_mutex_unlock(&engine->lock);
	engine->services_wanted = true;
	engine->services_down = false;
	engine->all_done = false;
	drip_engine_wake(engine);
	return rc;
}

void drip_engine_stop(struct drip_engine *engine)
{
	int64_t longest_ms = 0;

	if (engine->stopping) {
		return;
	}
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		int64_t ms = p->edition->spec->drain_ms;

		longest_ms = ms > longest_ms ? ms : longest_ms;
	}
	engine->stop_deadline_us =
		drip_mono_us() +
		(longest_ms + ENGINE_INTERRUPT_WAIT_MS + STOP_GRACE_MS) * INT64_C(1000);
	engine->stopping = true;
	engine->all_done = false;
	drip_engine_wake(engine);
}

/* ---- pause, resume, replay ---- */

static struct drip_pipeline *must_find(struct drip_engine *engine, const char *name,
				       struct drip_error *err)
{
	struct drip_pipeline *p = drip_pipeline_find(engine, name);

	if (p == NULL) {
		drip_error_set(err, -ENOENT, "engine.unknown_pipeline",
			       "there is no pipeline \"%s\"", name);
	}
	return p;
}

int drip_engine_pause(struct drip_engine *engine, const char *pipeline, struct drip_error *err)
{
	struct drip_pipeline *p = must_find(engine, pipeline, err);

	if (p == NULL) {
		return -ENOENT;
	}
	p->paused = true;
	if (p->current != NULL) {
		drip_run_pause(p->current, true);
	}
	drip_engine_wake(engine);
	return 0;
}

int drip_engine_resume(struct drip_engine *engine, const char *pipeline, bool quarantine_break,
		       struct drip_error *err)
{
	struct drip_pipeline *p = must_find(engine, pipeline, err);

	if (p == NULL) {
		return -ENOENT;
	}
	p->paused = false;
	p->quarantine_break = quarantine_break;
	if (p->current != NULL) {
		__atomic_store_n(&p->current->quarantine_break, quarantine_break, __ATOMIC_RELEASE);
		drip_run_pause(p->current, p->held != 0);
	} else if (p->cron == NULL && p->state == DRIP_PIPELINE_FAILED) {
		p->ran = false; /* the cause is gone, says the operator */
	}
	drip_engine_wake(engine);
	return 0;
}

int drip_engine_trigger(struct drip_engine *engine, const char *pipeline, struct drip_error *err)
{
	struct drip_pipeline *p = must_find(engine, pipeline, err);

	if (p == NULL) {
		return -ENOENT;
	}
	if (p->current != NULL || p->upcoming != NULL) {
		return drip_error_set(err, -EALREADY, "engine.already_runs",
				      "cannot start \"%s\": a run of it is under way", pipeline);
	}
	if (p->paused || p->held != 0) {
		drip_error_set(err, -EBUSY, "engine.is_paused", "cannot start \"%s\": it is paused",
			       pipeline);
		drip_error_hint(err, "`dripline resume %s` first.", pipeline);
		return -EBUSY;
	}
	p->triggered = true;
	drip_engine_wake(engine);
	return 0;
}

int drip_engine_hold(struct drip_engine *engine, const char *pipeline, struct drip_error *err)
{
	struct drip_pipeline *p = drip_pipeline_find(engine, pipeline);
	enum drip_pipeline_state state;

	if (p == NULL) {
		return 0;
	}
	state = drip_pipeline_state(engine, p);
	if (p->upcoming != NULL || (p->current != NULL && !drip_run_rewind(p->current))) {
		drip_error_set(err, -EBUSY, "control.pipeline_runs",
			       "cannot reset the checkpoint of \"%s\": it is %s", pipeline,
			       drip_pipeline_state_name(state));
		drip_error_hint(err, "Pause it, reset, and resume it.");
		return -EBUSY;
	}
	p->held++;
	return 0;
}

void drip_engine_release(struct drip_engine *engine, const char *pipeline)
{
	struct drip_pipeline *p = drip_pipeline_find(engine, pipeline);

	if (p == NULL || p->held == 0) {
		return;
	}
	p->held--;
	if (p->held == 0 && p->current != NULL) {
		drip_run_pause(p->current, p->paused);
	}
	drip_engine_wake(engine);
}

static int may_replay(const struct drip_engine *engine, const struct drip_pipeline *p,
		      struct drip_error *err)
{
	enum drip_pipeline_state state = drip_pipeline_state(engine, p);
	const char *hint;

	if (engine->stopping || p->removed || state == DRIP_PIPELINE_DRAINING) {
		hint = "It is being stopped or reloaded: replay once it runs again.";
	} else if (p->current != NULL ? p->current->edition != p->edition : p->upcoming != NULL) {
		hint = "It is being reloaded: replay once that is done.";
	} else if (p->paused || state == DRIP_PIPELINE_PAUSED) {
		hint = "Resume it, then replay.";
	} else if (state == DRIP_PIPELINE_FAILED) {
		hint = "Repair what \"dripline status\" names, resume it, then replay.";
	} else if (state == DRIP_PIPELINE_RETRYING) {
		hint = "It tries again after a failure: replay once it runs.";
	} else {
		return 0;
	}
	drip_error_set_retryable(err, -EAGAIN, "engine.not_running",
				 "could not replay into pipeline \"%s\": it is not running (%s)",
				 p->name, drip_pipeline_state_name(state));
	drip_error_hint(err, "%s", hint);
	return -EAGAIN;
}

int drip_engine_replay(struct drip_engine *engine, const char *pipeline, drip_replay_next_fn *take,
		       void (*done)(const struct drip_error *error, void *data), void *data,
		       struct drip_error *err)
{
	struct drip_pipeline *p = must_find(engine, pipeline, err);
	struct replay *r;
	int rc = p != NULL ? may_replay(engine, p, err) : -ENOENT;

	if (rc < 0) {
		return rc;
	}
	r = drip_calloc(1, sizeof(*r));
	if (r == NULL) {
		return drip_error_nomem(err, sizeof(*r));
	}
	*r = (struct replay){.take = take, .done = done, .data = data};
	drip_pipeline_replay(p, r);
	drip_engine_wake(engine);
	return 0;
}
