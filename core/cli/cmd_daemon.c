/* SPDX-License-Identifier: Apache-2.0 */
/* dripline daemon: all pipelines of a folder, until a signal; reloads on SIGHUP; talks to systemd.
 */
#include "cli/commands.h"

#include "base/log.h"
#include "cli/args.h"
#include "cli/setup.h"
#include "serve/notify.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STATUS_MS 10000

struct daemon {
	struct drip_app *app;
	uv_timer_t status_timer, watchdog_timer;
};

static void log_state(struct drip_app *app, const char *pipeline)
{
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0;

	if (drip_engine_stats(app->engine, &stats, &count, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct drip_pipeline_stats *p = &stats[i];

		bool failed = p->state == DRIP_PIPELINE_FAILED;
		/* A pipeline that runs again keeps its last error, which is not news. */
		bool broken = failed || p->state == DRIP_PIPELINE_RETRYING;

		if (strcmp(p->name, pipeline) == 0) {
			drip_logger_event(failed ? DRIP_LOG_ERROR : DRIP_LOG_INFO, pipeline, NULL,
					  broken && p->last_error.rc != 0 ? &p->last_error : NULL,
					  "pipeline is %s", drip_pipeline_state_name(p->state));
		}
	}
	drip_engine_stats_free(stats, count);
}

static void on_event(struct drip_app *app, enum drip_engine_event event, const char *pipeline,
		     void *data)
{
	if (event == DRIP_EVENT_STATE && pipeline != NULL) {
		log_state(app, pipeline);
	} else if (event == DRIP_EVENT_ALL_DONE && app->stopping) {
		drip_app_quit(app);
	}
}

static void on_stop(struct drip_app *app, void *data)
{
	drip_notify("STOPPING=1\nSTATUS=Draining");
}

static void on_reload(struct drip_app *app, bool begins, void *data)
{
	if (begins) {
		drip_notify_reloading();
	} else {
		drip_notify("READY=1\nSTATUS=Running");
	}
}

static void tell_status(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0, running = 0, failed = 0;

	if (d->app->stopping || drip_engine_stats(d->app->engine, &stats, &count, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		running += stats[i].state == DRIP_PIPELINE_RUNNING;
		failed += stats[i].state == DRIP_PIPELINE_FAILED;
	}
	drip_engine_stats_free(stats, count);
	drip_notify("STATUS=%zu of %zu pipelines running, %zu failed", running, count, failed);
}

/* From the loop, so that a loop that hangs is noticed. */
static void answer_watchdog(uv_timer_t *timer)
{
	drip_notify("WATCHDOG=1");
}

static void start_timers(struct daemon *d)
{
	uint64_t watchdog_ms = drip_notify_watchdog_ms();

	uv_timer_init(&d->app->loop, &d->status_timer);
	uv_timer_init(&d->app->loop, &d->watchdog_timer);
	d->status_timer.data = d->watchdog_timer.data = d;
	uv_timer_start(&d->status_timer, tell_status, STATUS_MS, STATUS_MS);
	if (watchdog_ms != 0) {
		uv_timer_start(&d->watchdog_timer, answer_watchdog, 0, watchdog_ms);
	}
}

static int run_daemon(struct daemon *d)
{
	struct drip_error err = DRIP_ERROR_INIT;

	if (drip_app_start(d->app, &err) < 0) {
		return drip_print_error("daemon", &err);
	}
	start_timers(d);
	drip_logger_event(DRIP_LOG_INFO, NULL, NULL, NULL, "dripline %s runs, state in %s",
			  DRIP_SDK_VERSION, d->app->state_dir);
	drip_notify("READY=1\nSTATUS=Running\nMAINPID=%ld", (long)getpid());
	drip_app_run(d->app);
	drip_logger_event(DRIP_LOG_INFO, NULL, NULL, NULL, "ended");
	return DRIP_EXIT_OK;
}

int drip_cmd_daemon(int argc, char **argv)
{
	struct drip_setup setup = {0};
	struct daemon d = {0};
	const char *operands[1];
	size_t count;
	const struct drip_arg args[] = {DRIP_SETUP_ARGS(setup), {.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	setup.options = (struct drip_app_options){
		.paths = operands,
		.paths_count = 1,
		.reloads = true,
		.on_event = on_event,
		.on_stop = on_stop,
		.on_reload = on_reload,
		.data = &d,
	};
	status = drip_setup_open("daemon", &setup, &d.app);
	if (status == DRIP_EXIT_OK) {
		status = run_daemon(&d);
	}
	drip_app_close(d.app);
	return status;
}
