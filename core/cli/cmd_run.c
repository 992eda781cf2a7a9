/* SPDX-License-Identifier: Apache-2.0 */
/* dripline run: one file's pipelines in the foreground, to their end or a signal. */
#include "cli/commands.h"

#include "base/clock.h"
#include "base/log.h"
#include "cli/args.h"
#include "cli/progress.h"
#include "cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
	struct drip_app *app;
	struct drip_progress_view *progress;
	bool ended;
};

static bool is_over(enum drip_pipeline_state state)
{
	return state == DRIP_PIPELINE_STOPPED || state == DRIP_PIPELINE_FINISHED ||
	       state == DRIP_PIPELINE_FAILED;
}

/* A pipeline's state changed: where all are over, the services and the rest end too. */
static void end_when_all_are_over(struct run *run)
{
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0;
	bool over = true;

	if (drip_engine_stats(run->app->engine, &stats, &count, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < count; i++) {
		over = over && is_over(stats[i].state);
	}
	drip_engine_stats_free(stats, count);
	if (over) {
		drip_app_stop(run->app);
	}
}

static void on_event(struct drip_app *app, enum drip_engine_event event, const char *pipeline,
		     void *data)
{
	struct run *run = data;

	if (event == DRIP_EVENT_STATE) {
		end_when_all_are_over(run);
	} else if (event == DRIP_EVENT_ALL_DONE) {
		run->ended = true;
		drip_app_quit(app);
	}
}

static void print_stage(const struct drip_stage_stats *s)
{
	char in[32], out[32], filtered[32], dead[32];

	fprintf(stderr, "  %-10s %-24.24s %15s %15s %12s %12s\n", drip_kind_name(s->kind), s->id,
		drip_format_count(s->rows_in, in, sizeof(in)),
		drip_format_count(s->rows_out, out, sizeof(out)),
		drip_format_count(s->rows_filtered, filtered, sizeof(filtered)),
		drip_format_count(s->rows_dead, dead, sizeof(dead)));
}

static void print_summary(const struct drip_pipeline_stats *p, double seconds)
{
	char duration[24], rate[16];

	fprintf(stderr, "pipeline %s: %s after %s, %s rows/s\n", p->name,
		drip_pipeline_state_name(p->state),
		drip_format_seconds(seconds, duration, sizeof(duration)),
		drip_format_rate(seconds > 0 ? (double)p->rows_in / seconds : 0, rate,
				 sizeof(rate)));
	fprintf(stderr, "  %-10s %-24s %15s %15s %12s %12s\n", "", "stage", "rows in", "rows out",
		"filtered", "dead");
	for (uint32_t i = 0; i < p->stages_count; i++) {
		print_stage(&p->stages[i]);
	}
	fprintf(stderr, "  commits %lld, epoch %llu, position %s\n", (long long)p->commits,
		(unsigned long long)p->epoch, p->position[0] != '\0' ? p->position : "-");
}

/* Returns the exit status. */
static int summarize(struct run *run)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_pipeline_stats *stats = NULL;
	double seconds = (double)(drip_clock_now_ns() - run->app->started_ns) / 1e9;
	size_t count = 0;
	int status = DRIP_EXIT_OK;

	if (drip_engine_stats(run->app->engine, &stats, &count, &err) < 0) {
		return drip_print_error("run", &err);
	}
	for (size_t i = 0; i < count; i++) {
		print_summary(&stats[i], seconds);
	}
	for (size_t i = 0; i < count; i++) {
		if (stats[i].state == DRIP_PIPELINE_FAILED) {
			drip_print_pipeline_error("run", stats[i].name, &stats[i].last_error);
			status = DRIP_EXIT_FAILED;
		}
	}
	drip_engine_stats_free(stats, count);
	return status;
}

static int run_app(struct run *run, bool with_progress)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int status;

	if (with_progress && drip_progress_view_open(run->app, &run->progress, &err) < 0) {
		return drip_print_error("run", &err);
	}
	if (drip_app_start(run->app, &err) < 0) {
		drip_progress_view_close(run->progress);
		return drip_print_error("run", &err);
	}
	if (!run->ended) {
		drip_app_run(run->app);
	}
	drip_progress_view_close(run->progress);
	status = summarize(run);
	return status;
}

int drip_cmd_run(int argc, char **argv)
{
	static const char *const until[] = {"caught-up", NULL};
	struct drip_setup setup = {0};
	struct run run = {0};
	const char *operands[1], *until_text = NULL;
	bool no_progress = false, quarantine_break = false;
	size_t count;
	const struct drip_arg args[] = {
		DRIP_SETUP_ARGS(setup),
		{.name = "until", .text = &until_text, .choices = until},
		{.name = "no-progress", .flag = &no_progress},
		{.name = "quarantine-break", .flag = &quarantine_break},
		{.name = NULL},
	};
	int status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	setup.options = (struct drip_app_options){
		.paths = operands,
		.paths_count = 1,
		.until_caught_up = until_text != NULL,
		.ignore_schedules = true,
		.quarantine_break = quarantine_break,
		.on_event = on_event,
		.data = &run,
	};
	status = drip_setup_open("run", &setup, &run.app);
	if (status == DRIP_EXIT_OK) {
		status = run_app(&run, !no_progress);
	}
	drip_app_close(run.app);
	return status;
}
