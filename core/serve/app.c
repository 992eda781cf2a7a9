/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The running program. Invariants: the store is open, and with it the lock of the state directory
 * held, before anything else is made in there; the engine is destroyed before the store is closed.
 * Threads: all on the loop thread but drip_app_call, which waits on `jobs_done`.
 */
#include "serve/app.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/access.h"
#include "serve/control.h"
#include "serve/history.h"
#include "serve/methods.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

DRIP_DEFINE_AUTOPTR(drip_app, drip_app_close);

struct drip_app_reload {
	struct drip_app *app;
	struct drip_findings findings;
	struct drip_document *document;
	int rc;
	drip_app_reloaded *done;
	void *data;
};

/* ---- jobs ---- */

struct drip_app_job *drip_app_job_new(void)
{
	struct drip_app_job *job = drip_calloc(1, sizeof(*job));

	if (job != NULL) {
		job->refs = 1;
		job->error.struct_size = sizeof(job->error);
	}
	return job;
}

static void unref_locked(struct drip_app_job *job)
{
	if (--job->refs == 0) {
		if (job->release != NULL) {
			job->release(job->data);
		}
		free(job);
	}
}

void drip_app_job_unref(struct drip_app *app, struct drip_app_job *job)
{
	pthread_mutex_lock(&app->jobs_lock);
	unref_locked(job);
	pthread_mutex_unlock(&app->jobs_lock);
}

void drip_app_job_finish(struct drip_app *app, struct drip_app_job *job,
			 const struct drip_error *error)
{
	bool undo;

	pthread_mutex_lock(&app->jobs_lock);
	job->done = true;
	job->rc = error != NULL ? error->rc : 0;
	if (error != NULL) {
		job->error = *error;
	}
	undo = job->left && error == NULL && job->undo != NULL;
	pthread_cond_broadcast(&app->jobs_done);
	pthread_mutex_unlock(&app->jobs_lock);
	if (undo) {
		job->undo(app, job);
	}
	pthread_mutex_lock(&app->jobs_lock);
	unref_locked(job);
	pthread_mutex_unlock(&app->jobs_lock);
}

static void run_job(struct drip_app *app, struct drip_app_job *job)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = job->run(app, job, &err);

	if (rc < 0) {
		err.rc = rc;
		drip_app_job_finish(app, job, &err);
	} else if (!job->asynchronous) {
		drip_app_job_finish(app, job, NULL);
	}
}

static struct drip_app_job *take_job(struct drip_app *app)
{
	struct drip_app_job *job;

	pthread_mutex_lock(&app->jobs_lock);
	job = app->jobs;
	if (job != NULL) {
		app->jobs = job->next;
		if (app->jobs == NULL) {
			app->jobs_tail = &app->jobs;
		}
	}
	pthread_mutex_unlock(&app->jobs_lock);
	return job;
}

static void on_wake(uv_async_t *handle)
{
	struct drip_app *app = handle->data;
	struct drip_app_job *job;

	while ((job = take_job(app)) != NULL) {
		run_job(app, job);
	}
}

static int shutting_down(struct drip_error *err)
{
	return drip_error_set_retryable(err, -ESHUTDOWN, "control.shutting_down",
					"could not do it: the daemon is shutting down");
}

/* Later jobs fail at once, and so do those that wait. */
static void refuse_jobs(struct drip_app *app)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_app_job *job;

	shutting_down(&err);
	pthread_mutex_lock(&app->jobs_lock);
	app->closing = true;
	pthread_cond_broadcast(&app->jobs_done);
	pthread_mutex_unlock(&app->jobs_lock);
	while ((job = take_job(app)) != NULL) {
		drip_app_job_finish(app, job, &err);
	}
}

static int wait_for_job(struct drip_app *app, struct drip_app_job *job, int64_t timeout_ms)
{
	struct timespec deadline;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += timeout_ms % 1000 * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}
	while (!job->done && !app->closing && rc == 0) {
		rc = pthread_cond_timedwait(&app->jobs_done, &app->jobs_lock, &deadline);
	}
	job->left = !job->done;
	return job->done ? 0 : app->closing ? -ESHUTDOWN : -ETIMEDOUT;
}

int drip_app_call(struct drip_app *app, struct drip_app_job *job, int64_t timeout_ms,
		  struct drip_error *err)
{
	int rc;

	pthread_mutex_lock(&app->jobs_lock);
	if (app->closing) {
		pthread_mutex_unlock(&app->jobs_lock);
		return shutting_down(err);
	}
	job->refs++;
	*app->jobs_tail = job;
	app->jobs_tail = &job->next;
	uv_async_send(&app->wake);
	rc = wait_for_job(app, job, timeout_ms);
	if (rc == 0) {
		rc = job->rc;
		if (rc < 0 && err != NULL) {
			*err = job->error;
		}
	} else if (rc == -ESHUTDOWN) {
		shutting_down(err);
	} else {
		drip_error_set_retryable(err, rc, "control.timeout",
					 "the engine did not answer within %lld s",
					 (long long)(timeout_ms / 1000));
	}
	pthread_mutex_unlock(&app->jobs_lock);
	return rc;
}

/* ---- events and signals ---- */

static void on_engine_event(enum drip_engine_event event, const char *pipeline, void *data)
{
	struct drip_app *app = data;

	if (app->options.on_event != NULL) {
		app->options.on_event(app, event, pipeline, app->options.data);
	}
}

static int on_control(const char *method, const char *arguments_json, char **ret_text,
		      struct drip_error *err, void *data)
{
	return drip_methods_call(data, "service", method, arguments_json, ret_text, err);
}

void drip_app_stop(struct drip_app *app)
{
	if (!app->stopping) {
		app->stopping = true;
		if (app->options.on_stop != NULL) {
			app->options.on_stop(app, app->options.data);
		}
		drip_engine_stop(app->engine);
	}
}

static void on_signal(uv_signal_t *handle, int signum)
{
	struct drip_app *app = handle->data;
	struct drip_error err = DRIP_ERROR_INIT;

	if (signum == SIGHUP) {
		if (!app->options.reloads) {
			drip_logger_event(DRIP_LOG_WARNING, NULL, NULL, NULL,
					  "hang-up ignored: only a daemon reloads");
		} else if (drip_app_reload(app, NULL, NULL, &err) < 0) {
			drip_logger_event(DRIP_LOG_WARNING, NULL, NULL, &err, "could not reload");
		}
		return;
	}
	if (app->stopping) {
		/* All that matters is in the store already; what is not will be read again. */
		_exit(1);
	}
	drip_logger_event(DRIP_LOG_INFO, NULL, NULL, NULL,
			  "%s: draining; a second signal ends at once",
			  signum == SIGINT ? "interrupted" : "asked to end");
	drip_app_stop(app);
}

/* ---- reload ---- */

static void load_again(uv_work_t *work)
{
	struct drip_app_reload *r = work->data;
	struct drip_settings running = {.lineage_namespace = r->app->lineage_namespace};
	struct drip_load_options options = {.state_dir = r->app->state_dir, .running = &running};

	if (r->app->options.state_dir == NULL) { /* otherwise the settings do not say it */
		running.state_dir = r->app->state_dir;
	}
	r->rc = drip_document_load(r->app->registry, r->app->options.paths,
				   r->app->options.paths_count, &options, &r->findings,
				   &r->document);
}

static void log_findings(const struct drip_findings *findings)
{
	for (size_t i = 0; i < findings->count; i++) {
		const struct drip_finding *f = &findings->items[i];
		enum drip_log_level level =
			f->severity == DRIP_SEVERITY_ERROR ? DRIP_LOG_ERROR : DRIP_LOG_WARNING;

		if (f->severity == DRIP_SEVERITY_NOTE) {
			continue;
		}
		drip_logger_event(level, NULL, NULL, NULL, "%s:%d:%d: %s [%s]", f->file, f->line,
				  f->column, f->message, f->code);
	}
}

static void setup_retention(struct drip_app *app, const struct drip_settings *settings)
{
	drip_store_set_retention(app->store,
				 &(struct drip_store_retention){
					 .letters_age_ms = settings->dead_letters_age_ms,
					 .letters_rows = settings->dead_letters_max,
					 .audit_age_ms = settings->audit_age_ms,
					 .audit_rows = settings->audit_max,
					 .quality_age_ms = settings->quality_age_ms,
					 .quality_rows = settings->quality_max,
				 });
}

static void setup_logger(struct drip_app *app, const struct drip_settings *settings)
{
	enum drip_log_level level = settings->log_level;
	const char *format = app->options.log_format;

	if (app->options.log_level != NULL &&
	    drip_logger_level_parse(app->options.log_level, &level) < 0) {
		level = settings->log_level;
	}
	drip_logger_setup(level, format != NULL ? strcmp(format, "json") == 0 : settings->log_json);
}

static int apply_reload(struct drip_app *app, struct drip_app_reload *r, struct drip_error *err)
{
	int rc;

	log_findings(&r->findings);
	if (r->rc < 0 || r->document == NULL) {
		return drip_error_set(err, r->rc < 0 ? r->rc : -EINVAL, "reload.invalid",
				      "the new configuration has %zu error%s; the old one stays",
				      r->findings.errors, r->findings.errors == 1 ? "" : "s");
	}
	if (app->stopping) {
		return shutting_down(err);
	}
	setup_logger(app, &r->document->settings);
	setup_retention(app, &r->document->settings);
	rc = drip_access_set_policy(app->access, r->document, err);
	return rc < 0 ? rc : drip_engine_apply(app->engine, drip_steal(r->document), err);
}

static void on_loaded_again(uv_work_t *work, int status)
{
	struct drip_app_reload *r = work->data;
	struct drip_app *app = r->app;
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = apply_reload(app, r, &err);

	app->reload = NULL;
	app->works--;
	if (rc < 0) {
		drip_logger_event(DRIP_LOG_ERROR, NULL, NULL, &err, "reload refused");
	} else {
		drip_logger_event(DRIP_LOG_INFO, NULL, NULL, NULL, "reloaded");
	}
	if (r->done != NULL) {
		r->done(app, rc, &err, &r->findings, r->data);
	}
	if (app->options.on_reload != NULL) {
		app->options.on_reload(app, false, app->options.data);
	}
	if (r->document != NULL) {
		drip_document_destroy(r->document);
	}
	drip_findings_finish(&r->findings);
	free(r);
}

int drip_app_reload(struct drip_app *app, drip_app_reloaded *done, void *data,
		    struct drip_error *err)
{
	struct drip_app_reload *r;

	if (!app->options.reloads) {
		return drip_error_set(err, -ENOTSUP, "reload.not_a_daemon",
				      "cannot reload: only a daemon can");
	}
	if (app->reload != NULL) {
		return drip_error_set_retryable(err, -EALREADY, "reload.busy",
						"could not reload: a reload is under way");
	}
	r = drip_calloc(1, sizeof(*r));
	if (r == NULL) {
		return drip_error_nomem(err, sizeof(*r));
	}
	r->app = app;
	r->done = done;
	r->data = data;
	drip_findings_init(&r->findings);
	app->reload = r;
	app->reload_work.data = r;
	if (app->options.on_reload != NULL) {
		app->options.on_reload(app, true, app->options.data);
	}
	app->works++;
	uv_queue_work(&app->loop, &app->reload_work, load_again, on_loaded_again);
	return 0;
}

/* ---- open and close ---- */

static int open_registry(struct drip_app *app, struct drip_error *err)
{
	char cache[PATH_MAX];
	struct drip_registry_options options = {
		.dirs = app->options.plugin_dirs,
		.dirs_count = app->options.plugin_dirs_count,
		.cache_path = drip_registry_cache_path(cache, sizeof(cache)),
	};

	return drip_registry_create(&options, &app->registry, err);
}

static int load_document(struct drip_app *app, struct drip_findings *findings,
			 struct drip_error *err)
{
	struct drip_load_options options = {.state_dir = app->options.state_dir};
	int rc = drip_document_load(app->registry, app->options.paths, app->options.paths_count,
				    &options, findings, &app->document);

	if (rc < 0) {
		return rc == -ENOMEM ? drip_error_nomem(err, 0) : rc;
	}
	app->state_dir = drip_strdup(app->document->settings.state_dir);
	app->lineage_namespace = drip_strdup(app->document->settings.lineage_namespace);
	if (app->state_dir == NULL || app->lineage_namespace == NULL) {
		return drip_error_nomem(err, 0);
	}
	setup_logger(app, &app->document->settings);
	return 0;
}

#define POOL_THREADS     "16"
#define LOOP_DESCRIPTORS 12 /* what the loop and the control socket need at least */

/* libuv ends the process where it finds too few descriptors: they are counted before. */
static int check_descriptors(void)
{
	int fds[LOOP_DESCRIPTORS], rc = 0, count = 0;

	while (count < LOOP_DESCRIPTORS && rc == 0) {
		fds[count] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
		rc = fds[count] < 0 ? -errno : 0;
		count += rc == 0;
	}
	while (count > 0) {
		close(fds[--count]);
	}
	return rc == -EBADF ? 0 : rc; /* stderr may be closed */
}

static int open_loop(struct drip_app *app, struct drip_error *err)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	int rc = check_descriptors();

	/* Methods block on the pool; a few that wait for a server must not hold up the others. */
	setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
	rc = rc == 0 ? uv_loop_init(&app->loop) : rc;
	if (rc < 0) {
		drip_error_set(err, rc, "system.no_loop", "could not make an event loop: %s",
			       uv_strerror(rc));
		drip_error_hint(err, "Raise the limit of open files.");
		return rc;
	}
	app->loop_open = true;
	app->loop_thread = pthread_self();
	uv_async_init(&app->loop, &app->wake, on_wake);
	app->wake.data = app;
	for (size_t i = 0; i < 3; i++) {
		uv_signal_init(&app->loop, &app->signals[i]);
		app->signals[i].data = app;
		uv_signal_start(&app->signals[i], on_signal, numbers[i]);
	}
	app->signals_open = true;
	uv_timer_init(&app->loop, &app->sampler);
	app->sampler.data = app;
	return 0;
}

static int open_engine(struct drip_app *app, struct drip_error *err)
{
	struct drip_engine_options options = {
		.loop = &app->loop,
		.registry = app->registry,
		.durable = drip_store_durable(app->store),
		.until_caught_up = app->options.until_caught_up,
		.ignore_schedules = app->options.ignore_schedules,
		.quarantine_break = app->options.quarantine_break,
		.on_event = on_engine_event,
		.control = on_control,
		.data = app,
	};

	return drip_engine_create(&options, &app->engine, err);
}

static struct drip_app *new_app(const struct drip_app_options *options)
{
	struct drip_app *app = drip_calloc(1, sizeof(*app));
	pthread_condattr_t attributes;

	if (app == NULL) {
		return NULL;
	}
	app->access = drip_access_create();
	app->history = drip_history_create();
	if (app->access == NULL || app->history == NULL) {
		drip_access_destroy(app->access);
		drip_history_destroy(app->history);
		free(app);
		return NULL;
	}
	app->options = *options;
	app->jobs_tail = &app->jobs;
	app->started_wall_us = drip_clock_wall_us();
	app->started_ns = drip_clock_now_ns();
	pthread_mutex_init(&app->jobs_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&app->jobs_done, &attributes);
	pthread_condattr_destroy(&attributes);
	return app;
}

int drip_app_open(const struct drip_app_options *options, struct drip_findings *findings,
		  struct drip_app **ret, struct drip_error *err)
{
	drip_autoptr(drip_app) app = new_app(options);
	int rc;

	if (app == NULL) {
		return drip_error_nomem(err, sizeof(*app));
	}
	rc = open_registry(app, err);
	rc = rc == 0 ? load_document(app, findings, err) : rc;
	rc = rc == 0 ? drip_store_open(app->state_dir, DRIP_STORE_WRITE, &app->store, err) : rc;
	if (rc == 0) {
		setup_retention(app, &app->document->settings);
		rc = drip_access_set_policy(app->access, app->document, err);
	}
	rc = rc == 0 ? open_loop(app, err) : rc;
	rc = rc == 0 ? open_engine(app, err) : rc;
	rc = rc == 0 ? drip_control_open(app, &app->control, err) : rc;
	if (rc < 0) {
		return rc;
	}
	*ret = drip_steal(app);
	return 0;
}

static void take_sample(uv_timer_t *timer)
{
	struct drip_app *app = timer->data;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0;

	/* Fails without memory only: the next one is as good. */
	if (drip_engine_stats(app->engine, &stats, &count, &err) == 0) {
		drip_history_add(app->history, drip_clock_wall_us(), stats, count);
		drip_engine_stats_free(stats, count);
	}
}

int drip_app_start(struct drip_app *app, struct drip_error *err)
{
	int rc = drip_engine_apply(app->engine, drip_steal(app->document), err);

	if (rc == 0) {
		uv_timer_start(&app->sampler, take_sample, 0, DRIP_HISTORY_STEP_S * 1000);
	}
	return rc;
}

void drip_app_run(struct drip_app *app)
{
	uv_run(&app->loop, UV_RUN_DEFAULT);
}

void drip_app_quit(struct drip_app *app)
{
	uv_stop(&app->loop);
}

static void close_handle(uv_handle_t *handle, void *data)
{
	if (!uv_is_closing(handle)) {
		uv_close(handle, NULL);
	}
}

static void close_loop(struct drip_app *app)
{
	if (!app->loop_open) {
		return;
	}
	refuse_jobs(app);
	uv_timer_stop(&app->sampler);
	drip_control_close(app->control);
	while (app->works != 0) {
		uv_run(&app->loop, UV_RUN_ONCE);
	}
	if (!drip_engine_destroy(app->engine)) {
		/* What is committed is in the store; nothing else may be taken from that thread. */
		drip_logger_event(DRIP_LOG_ERROR, NULL, NULL, NULL,
				  "ended without a component that does not return");
		fflush(stdout);
		_exit(1);
	}
	app->engine = NULL;
	uv_walk(&app->loop, close_handle, NULL);
	uv_run(&app->loop, UV_RUN_DEFAULT);
	uv_loop_close(&app->loop);
}

void drip_app_close(struct drip_app *app)
{
	if (app == NULL) {
		return;
	}
	close_loop(app);
	if (app->document != NULL) {
		drip_document_destroy(app->document);
	}
	drip_store_close(app->store);
	drip_access_destroy(app->access);
	drip_history_destroy(app->history);
	if (app->registry != NULL) {
		drip_registry_destroy(app->registry);
	}
	pthread_mutex_destroy(&app->jobs_lock);
	pthread_cond_destroy(&app->jobs_done);
	free(app->state_dir);
	free(app->lineage_namespace);
	free(app);
}
