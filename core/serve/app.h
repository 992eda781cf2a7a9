/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running program: registry, document, store, engine and control socket on one loop, with the
 * signals. `dripline run` and `dripline daemon` are both one of these. Functions are called on the
 * loop thread unless said otherwise.
 */
#ifndef DRIPLINE_SERVE_APP_H
#define DRIPLINE_SERVE_APP_H

#include "base/findings.h"
#include "engine/engine.h"
#include "store/store.h"

#include <pthread.h>

struct drip_app;
struct drip_control;
struct drip_access;
struct drip_history;

struct drip_app_options {
	const char *const *paths; /* (borrowed) as long as the app lives, as are all texts here */
	size_t paths_count;
	const char *state_dir; /* NULL: settings.state */
	const char *const *plugin_dirs;
	size_t plugin_dirs_count;
	bool until_caught_up, ignore_schedules, quarantine_break;
	bool reloads;           /* SIGHUP and the method `reload` are taken */
	const char *log_level;  /* NULL: of the settings */
	const char *log_format; /* "logfmt", "json", or NULL */
	void (*on_event)(struct drip_app *app, enum drip_engine_event event, const char *pipeline,
			 void *data);
	/* A stop was asked for, by a signal; before the drain begins. May be NULL. */
	void (*on_stop)(struct drip_app *app, void *data);
	/* A reload begins (true) and has ended (false). May be NULL. */
	void (*on_reload)(struct drip_app *app, bool begins, void *data);
	void *data;
};

/* A call that runs on the loop thread while its caller waits on another. */
struct drip_app_job {
	struct drip_app_job *next;
	int refs; /* the waiting caller and the queue or the callback; under app->jobs_lock */
	int (*run)(struct drip_app *app, struct drip_app_job *job, struct drip_error *err);
	bool asynchronous; /* run only begins it; drip_app_job_finish ends it */
	/* Takes back what `run` did, on the loop thread, where the caller had left by then, as it
	 * does after its time; may be NULL: then it stays done. */
	void (*undo)(struct drip_app *app, struct drip_app_job *job);
	bool done, left; /* under app->jobs_lock */
	int rc;
	struct drip_error error;
	const char
		*pipeline; /* (borrowed) from the caller, valid only until `done` is waited out */
	char name[256];
	void *data; /* of `run`; freed by `release` with the job where that is set */
	void (*release)(void *data);
};

/* Fields are for core/serve; others use the functions. */
struct drip_app {
	uv_loop_t loop;
	struct drip_app_options options;
	struct drip_registry *registry;
	struct drip_document *document; /* until it is given to the engine */
	struct drip_store *store;
	struct drip_engine *engine;
	struct drip_control *control;
	char *state_dir, *lineage_namespace;
	struct drip_access *access;
	struct drip_history *history;
	uv_timer_t sampler; /* of the history */
	uv_signal_t signals[3];
	uv_async_t wake;
	uv_work_t reload_work;
	struct drip_app_reload *reload; /* NULL: none is under way */
	pthread_t loop_thread;
	pthread_mutex_t jobs_lock;
	pthread_cond_t jobs_done;
	struct drip_app_job *jobs, **jobs_tail;
	int works;    /* on the thread pool */
	bool closing; /* under jobs_lock: no job is taken any more */
	bool stopping, loop_open, signals_open;
	int64_t started_wall_us;
	uint64_t started_ns;
};

/*
 * Loads, validates, opens the store and the control socket. Nothing runs yet. -EINVAL: see
 * `findings`; other failures are of the environment and stand in `err`.
 */
int drip_app_open(const struct drip_app_options *options, struct drip_findings *findings,
		  struct drip_app **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Starts the pipelines and services. */
int drip_app_start(struct drip_app *app, struct drip_error *err) DRIP_MUST_CHECK;
/* Runs the loop until drip_app_quit. */
void drip_app_run(struct drip_app *app);
void drip_app_quit(struct drip_app *app);
/* Drains; DRIP_EVENT_ALL_DONE follows. */
void drip_app_stop(struct drip_app *app);
void drip_app_close(struct drip_app *app); /* NULL is accepted */

/* Runs `job` (one reference is the caller's) on the loop thread and waits for its end.
 * -ETIMEDOUT with control.timeout after `timeout_ms`; it may still happen later, and is then
 * undone where it can be. Thread: any. */
int drip_app_call(struct drip_app *app, struct drip_app_job *job, int64_t timeout_ms,
		  struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) NULL without memory. Thread: any. */
struct drip_app_job *drip_app_job_new(void);
void drip_app_job_unref(struct drip_app *app, struct drip_app_job *job);
/* Ends an asynchronous job. Loop thread. */
void drip_app_job_finish(struct drip_app *app, struct drip_app_job *job,
			 const struct drip_error *error);

/* Begins a reload: -EALREADY while one is under way. The outcome goes to the log, and to `done`
 * where that is not NULL: findings are (borrowed) for the call; rc as drip_document_load or
 * drip_engine_apply gave it. */
typedef void drip_app_reloaded(struct drip_app *app, int rc, const struct drip_error *error,
			       const struct drip_findings *findings, void *data);
int drip_app_reload(struct drip_app *app, drip_app_reloaded *done, void *data,
		    struct drip_error *err) DRIP_MUST_CHECK;

#endif
