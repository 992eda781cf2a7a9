/* SPDX-License-Identifier: Apache-2.0 */
/* The control methods: the table, and those that ask the engine. Nothing here holds a value of an
 * option or of a row, but for dlq and tap, which redact. */
#include "serve/methods.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "serve/history.h"
#include "serve/process.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);

int drip_call_string(const struct drip_call *call, const char *name, const char **ret,
		     struct drip_error *err)
{
	*ret = drip_json_get_string(call->arguments, name, NULL);
	if (*ret == NULL) {
		return drip_error_set(err, -EINVAL, "control.missing_argument",
				      "the argument \"%s\" is missing", name);
	}
	return 0;
}

void drip_call_put_time(struct drip_json *j, const char *key, int64_t wall_us)
{
	char text[DRIP_CLOCK_TEXT_MAX];

	if (wall_us == 0) {
		return;
	}
	drip_clock_format(wall_us, text, sizeof(text));
	drip_json_put_string(j, key, text);
}

/* ---- status ---- */

static void put_stage(struct drip_json *j, const struct drip_stage_stats *stages, uint32_t index)
{
	const struct drip_stage_stats *s = &stages[index];

	drip_json_begin_object(j);
	drip_json_put_string(j, "id", s->id);
	drip_json_put_string(j, "kind", drip_kind_name(s->kind));
	drip_json_put_string(j, "component", s->component);
	if (index != 0) {
		drip_json_put_string(j, "input", stages[s->input].id);
	}
	drip_json_put_int(j, "rows_in", s->rows_in);
	drip_json_put_int(j, "rows_out", s->rows_out);
	drip_json_put_int(j, "rows_filtered", s->rows_filtered);
	drip_json_put_int(j, "rows_dead", s->rows_dead);
	drip_json_put_int(j, "rows_in_flight", s->rows_in_flight);
	drip_json_put_int(j, "batches_in", s->batches_in);
	drip_json_put_uint(j, "bytes_in", s->bytes_in);
	drip_json_put_uint(j, "queue_bytes", s->queue_bytes);
	drip_json_put_uint(j, "queue_limit_bytes", s->queue_limit_bytes);
	drip_json_put_double(j, "busy_seconds", (double)s->busy_us / 1e6);
	drip_json_end_object(j);
}

static void put_seconds_or_null(struct drip_json *j, const char *key, int64_t us)
{
	drip_json_key(j, key);
	if (us < 0) {
		drip_json_null(j);
	} else {
		drip_json_double(j, (double)us / 1e6);
	}
}

static void put_pipeline(struct drip_json *j, const struct drip_pipeline_stats *p)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "name", p->name);
	drip_json_put_string(j, "state", drip_pipeline_state_name(p->state));
	drip_json_put_bool(j, "scheduled", p->scheduled);
	if (p->scheduled) {
		if (p->next_run_us >= 0) {
			drip_call_put_time(j, "next_run", p->next_run_us);
		}
		drip_json_put_double(j, "overdue_seconds", (double)p->overdue_us / 1e6);
	}
	drip_json_put_uint(j, "epoch", p->epoch);
	drip_json_put_int(j, "commits", p->commits);
	drip_json_put_int(j, "retries", p->retries);
	drip_json_put_bool(j, "caught_up", p->caught_up);
	drip_json_put_string(j, "position", p->position);
	put_seconds_or_null(j, "lag_seconds", p->lag_us);
	put_seconds_or_null(j, "checkpoint_age_seconds", p->checkpoint_age_us);
	drip_json_put_int(j, "rows_in", p->rows_in);
	drip_json_put_int(j, "rows_out", p->rows_out);
	drip_json_put_int(j, "rows_filtered", p->rows_filtered);
	drip_json_put_int(j, "rows_dead", p->rows_dead);
	drip_json_put_int(j, "rows_in_flight", p->rows_in_flight);
	if (p->last_error.rc != 0) {
		drip_json_key(j, "last_error");
		drip_json_error(j, &p->last_error);
		put_seconds_or_null(j, "last_error_age_seconds", p->last_error_age_us);
	}
	drip_json_key(j, "stages");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < p->stages_count; i++) {
		put_stage(j, p->stages, i);
	}
	drip_json_end_array(j);
	drip_json_end_object(j);
}

static int unknown_pipeline(const char *name, struct drip_error *err)
{
	drip_error_set(err, -ENOENT, "control.unknown_pipeline", "there is no pipeline \"%s\"",
		       name);
	drip_error_hint(err, "`dripline status` lists the pipelines.");
	return -ENOENT;
}

static int method_status(struct drip_call *call, struct drip_error *err)
{
	const char *only = drip_json_get_string(call->arguments, "pipeline", NULL);
	struct drip_json *j = &call->json;
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0, shown = 0;
	int rc = drip_engine_stats(call->app->engine, &stats, &count, err);

	if (rc < 0) {
		return rc;
	}
	drip_json_begin_object(j);
	drip_json_put_string(j, "version", DRIP_SDK_VERSION);
	drip_json_put_int(j, "pid", getpid());
	drip_call_put_time(j, "started", call->app->started_wall_us);
	drip_call_put_time(j, "now", drip_clock_wall_us());
	drip_json_put_double(j, "uptime_seconds",
			     (double)(drip_clock_now_ns() - call->app->started_ns) / 1e9);
	drip_json_put_uint(j, "rss_bytes", drip_process_rss_bytes());
	drip_json_put_double(j, "cpu_seconds", drip_process_cpu_seconds());
	drip_json_put_string(j, "state_dir", call->app->state_dir);
	drip_json_key(j, "pipelines");
	drip_json_begin_array(j);
	for (size_t i = 0; i < count; i++) {
		if (only == NULL || strcmp(only, stats[i].name) == 0) {
			put_pipeline(j, &stats[i]);
			shown++;
		}
	}
	drip_json_end_array(j);
	drip_json_end_object(j);
	drip_engine_stats_free(stats, count);
	return only != NULL && shown == 0 ? unknown_pipeline(only, err) : 0;
}

static void put_progress(const struct drip_progress *p, void *data)
{
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_string(j, "pipeline", p->pipeline);
	drip_json_put_string(j, "stage", p->stage);
	drip_json_put_string(j, "table", p->table);
	drip_json_put_uint(j, "done", p->done);
	drip_json_put_uint(j, "total", p->total);
	drip_json_end_object(j);
}

static int method_progress(struct drip_call *call, struct drip_error *err)
{
	drip_json_begin_array(&call->json);
	drip_engine_visit_progress(call->app->engine, put_progress, &call->json);
	drip_json_end_array(&call->json);
	return 0;
}

static int method_history(struct drip_call *call, struct drip_error *err)
{
	drip_history_render(call->app->history,
			    drip_json_get_string(call->arguments, "pipeline", NULL), &call->json);
	return 0;
}

static int method_live(struct drip_call *call, struct drip_error *err)
{
	drip_json_begin_object(&call->json);
	drip_json_put_bool(&call->json, "live", true);
	drip_json_end_object(&call->json);
	return 0;
}

static int method_ready(struct drip_call *call, struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	int rc = drip_engine_ready(call->app->engine, &reason);

	drip_json_begin_object(&call->json);
	drip_json_put_bool(&call->json, "ready", rc == 0);
	if (rc < 0) {
		drip_json_key(&call->json, "reason");
		drip_json_error(&call->json, &reason);
	}
	drip_json_end_object(&call->json);
	return 0;
}

/* ---- what changes something: on the loop thread ---- */

static int do_pause(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	return drip_engine_pause(app->engine, job->name, err);
}

static int do_resume(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	return drip_engine_resume(app->engine, job->name, false, err);
}

static int do_resume_over_break(struct drip_app *app, struct drip_app_job *job,
				struct drip_error *err)
{
	return drip_engine_resume(app->engine, job->name, true, err);
}

static int do_trigger(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	return drip_engine_trigger(app->engine, job->name, err);
}

/* Of what is done already: a full disk must not make a success look like a failure. */
static void record(struct drip_call *call, const char *action, const char *pipeline)
{
	struct drip_error err = DRIP_ERROR_INIT;

	if (drip_store_audit(call->app->store, call->actor, action, pipeline, "", &err) < 0) {
		drip_logger_event(DRIP_LOG_WARNING, pipeline, NULL, &err,
				  "could not record: %s by %s", action, call->actor);
	}
}

/* Runs `run` with the pipeline's name on the loop thread; `undo`: see struct drip_app_job. */
static int
run_on_pipeline(struct drip_call *call, const char *pipeline,
		int (*run)(struct drip_app *, struct drip_app_job *, struct drip_error *),
		void (*undo)(struct drip_app *, struct drip_app_job *), struct drip_error *err)
{
	struct drip_app_job *job = drip_app_job_new();
	int rc;

	if (job == NULL) {
		return drip_error_nomem(err, sizeof(*job));
	}
	snprintf(job->name, sizeof(job->name), "%s", pipeline);
	job->run = run;
	job->undo = undo;
	rc = drip_app_call(call->app, job, DRIP_METHOD_TIMEOUT_MS, err);
	drip_app_job_unref(call->app, job);
	return rc;
}

static int on_pipeline(struct drip_call *call, const char *action,
		       int (*run)(struct drip_app *, struct drip_app_job *, struct drip_error *),
		       struct drip_error *err)
{
	const char *pipeline;
	int rc = drip_call_string(call, "pipeline", &pipeline, err);

	rc = rc == 0 ? run_on_pipeline(call, pipeline, run, NULL, err) : rc;
	if (rc < 0) {
		return rc;
	}
	record(call, action, pipeline);
	drip_json_begin_object(&call->json);
	drip_json_put_string(&call->json, "pipeline", pipeline);
	drip_json_put_string(&call->json, "done", action);
	drip_json_end_object(&call->json);
	return 0;
}

static int method_pause(struct drip_call *call, struct drip_error *err)
{
	return on_pipeline(call, "pause", do_pause, err);
}

static int method_resume(struct drip_call *call, struct drip_error *err)
{
	return drip_json_get_bool(call->arguments, "quarantine_break", false)
		       ? on_pipeline(call, "resume over a contract break", do_resume_over_break,
				     err)
		       : on_pipeline(call, "resume", do_resume, err);
}

static int method_trigger(struct drip_call *call, struct drip_error *err)
{
	return on_pipeline(call, "trigger", do_trigger, err);
}

/* The answer to a reload that went well: what it has to say against the new files. */
static struct drip_str *render_warnings(const struct drip_findings *findings)
{
	struct drip_str *s = drip_calloc(1, sizeof(*s));
	struct drip_json j;

	if (s == NULL) {
		return NULL;
	}
	drip_json_init(&j, s);
	drip_json_begin_array(&j);
	for (size_t i = 0; i < findings->count; i++) {
		const struct drip_finding *f = &findings->items[i];

		if (f->severity == DRIP_SEVERITY_WARNING) {
			drip_json_begin_object(&j);
			drip_json_put_string(&j, "file", f->file);
			drip_json_put_int(&j, "line", f->line);
			drip_json_put_int(&j, "column", f->column);
			drip_json_put_string(&j, "code", f->code);
			drip_json_put_string(&j, "message", f->message);
			drip_json_put_string(&j, "hint", f->hint);
			drip_json_end_object(&j);
		}
	}
	drip_json_end_array(&j);
	return s;
}

static void release_warnings(void *data)
{
	struct drip_str *s = data;

	if (s != NULL) {
		drip_str_finish(s);
		free(s);
	}
}

static void on_reloaded(struct drip_app *app, int rc, const struct drip_error *error,
			const struct drip_findings *findings, void *data)
{
	struct drip_app_job *job = data;
	struct drip_error first = *error;

	for (size_t i = 0; rc < 0 && i < findings->count; i++) {
		const struct drip_finding *f = &findings->items[i];

		if (f->severity == DRIP_SEVERITY_ERROR) {
			drip_error_hint(&first, "The first is %s:%d:%d: %.180s.", f->file, f->line,
					f->column, f->message);
			break;
		}
	}
	if (rc == 0) {
		job->data = render_warnings(findings);
		job->release = release_warnings;
	}
	drip_app_job_finish(app, job, rc < 0 ? &first : NULL);
}

static int do_reload(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	return drip_app_reload(app, on_reloaded, job, err);
}

#define RELOAD_TIMEOUT_MS 60000

static int method_reload(struct drip_call *call, struct drip_error *err)
{
	struct drip_app_job *job = drip_app_job_new();
	int rc;

	if (job == NULL) {
		return drip_error_nomem(err, sizeof(*job));
	}
	job->run = do_reload;
	job->asynchronous = true;
	rc = drip_app_call(call->app, job, RELOAD_TIMEOUT_MS, err);
	if (rc == 0) {
		record(call, "reload", "");
		drip_json_begin_object(&call->json);
		drip_json_put_bool(&call->json, "reloaded", true);
		drip_json_key(&call->json, "warnings");
		drip_json_raw(&call->json, job->data != NULL ? drip_str_text(job->data) : "[]");
		drip_json_end_object(&call->json);
	}
	drip_app_job_unref(call->app, job);
	return rc;
}

/* ---- the store ---- */

static int put_checkpoint(const struct drip_store_checkpoint *c, void *data)
{
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_string(j, "pipeline", c->pipeline);
	drip_json_put_string(j, "partition", c->partition);
	drip_json_put_string(j, "position", c->text);
	drip_json_put_uint(j, "epoch", c->epoch);
	drip_call_put_time(j, "committed", c->committed_us);
	drip_json_end_object(j);
	return 0;
}

int drip_checkpoints_render(struct drip_store *store, const char *pipeline, struct drip_json *json,
			    struct drip_error *err)
{
	int rc;

	drip_json_begin_array(json);
	rc = drip_store_visit_checkpoints(store, pipeline, put_checkpoint, json, err);
	drip_json_end_array(json);
	return rc;
}

static int method_checkpoint_show(struct drip_call *call, struct drip_error *err)
{
	return drip_checkpoints_render(call->app->store,
				       drip_json_get_string(call->arguments, "pipeline", NULL),
				       &call->json, err);
}

static int do_hold(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	return drip_engine_hold(app->engine, job->name, err);
}

/* Only of a hold that came to be: another request's stays. */
static void undo_hold(struct drip_app *app, struct drip_app_job *job)
{
	drip_engine_release(app->engine, job->name);
}

static int do_release(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	(void)err;
	drip_engine_release(app->engine, job->name);
	return 0;
}

static int method_checkpoint_reset(struct drip_call *call, struct drip_error *err)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	const char *pipeline;
	int rc = drip_call_string(call, "pipeline", &pipeline, err);

	rc = rc == 0 ? run_on_pipeline(call, pipeline, do_hold, undo_hold, err) : rc;
	if (rc < 0) {
		return rc;
	}
	rc = drip_store_reset_checkpoint(call->app->store, pipeline, call->actor, err);
	/* Fails only where the program is about to end, and with it the pipeline. */
	(void)!run_on_pipeline(call, pipeline, do_release, NULL, &ignored);
	if (rc == 0) {
		drip_json_begin_object(&call->json);
		drip_json_put_string(&call->json, "pipeline", pipeline);
		drip_json_put_bool(&call->json, "reset", true);
		drip_json_end_object(&call->json);
	}
	return rc;
}

static int put_run(const struct drip_store_run *r, void *data)
{
	static const char *const names[] = {"", "running", "succeeded", "failed", "stopped"};
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_string(j, "id", r->id);
	drip_json_put_string(j, "pipeline", r->pipeline);
	drip_json_put_string(j, "state", (unsigned)r->state < 5 ? names[r->state] : "");
	drip_call_put_time(j, "begun", r->begun_us);
	if (r->ended_us != 0) {
		drip_call_put_time(j, "ended", r->ended_us);
	}
	if (r->code[0] != '\0') {
		drip_json_put_string(j, "code", r->code);
		drip_json_put_string(j, "message", r->message);
	}
	drip_json_end_object(j);
	return 0;
}

static int method_runs(struct drip_call *call, struct drip_error *err)
{
	int64_t limit = drip_json_get_int(call->arguments, "limit", 100);
	int rc;

	limit = limit < 1 || limit > DRIP_STORE_RUNS_KEPT ? DRIP_STORE_RUNS_KEPT : limit;
	drip_json_begin_array(&call->json);
	rc = drip_store_visit_runs(call->app->store,
				   drip_json_get_string(call->arguments, "pipeline", NULL), limit,
				   put_run, &call->json, err);
	drip_json_end_array(&call->json);
	return rc;
}

/* ---- the log ---- */

static void put_line(const char *json, void *data)
{
	drip_json_raw(data, json);
}

static int method_logs(struct drip_call *call, struct drip_error *err)
{
	const char *name = drip_json_get_string(call->arguments, "level", "debug");
	int64_t limit = drip_json_get_int(call->arguments, "limit", DRIP_LOGGER_RECENT);
	enum drip_log_level level;

	if (drip_logger_level_parse(name, &level) < 0) {
		drip_error_set(err, -EINVAL, "control.unknown_level", "there is no level \"%.40s\"",
			       name);
		drip_error_hint(err, "Use error, warning, info or debug.");
		return -EINVAL;
	}
	limit = limit < 1 || limit > DRIP_LOGGER_RECENT ? DRIP_LOGGER_RECENT : limit;
	drip_json_begin_array(&call->json);
	drip_logger_visit_recent(level, drip_json_get_string(call->arguments, "pipeline", NULL),
				 (size_t)limit, put_line, &call->json);
	drip_json_end_array(&call->json);
	return 0;
}

/* ---- dispatch ---- */

static const struct {
	const char *name;
	drip_method *run;
} methods[] = {
	{"access", drip_method_access},
	{"audit.append", drip_method_audit_append},
	{"catalog", drip_method_catalog},
	{"checkpoint.reset", method_checkpoint_reset},
	{"checkpoint.show", method_checkpoint_show},
	{"dlq.count", drip_method_dlq_count},
	{"dlq.drop", drip_method_dlq_drop},
	{"dlq.list", drip_method_dlq_list},
	{"dlq.replay", drip_method_dlq_replay},
	{"dlq.show", drip_method_dlq_show},
	{"history", method_history},
	{"key.create", drip_method_key_create},
	{"key.revoke", drip_method_key_revoke},
	{"lineage", drip_method_lineage},
	{"lineage.datasets", drip_method_datasets},
	{"live", method_live},
	{"logs", method_logs},
	{"metrics", drip_method_metrics},
	{"model.approve", drip_method_model_approve},
	{"model.delete", drip_method_model_delete},
	{"model.list", drip_method_model_list},
	{"model.promote", drip_method_model_promote},
	{"model.refuse", drip_method_model_refuse},
	{"model.show", drip_method_model_show},
	{"pause", method_pause},
	{"progress", method_progress},
	{"quality", drip_method_quality},
	{"ready", method_ready},
	{"reload", method_reload},
	{"resume", method_resume},
	{"runs", method_runs},
	{"status", method_status},
	{"tap", drip_method_tap},
	{"trigger", method_trigger},
};

static int unknown_method(const char *name, struct drip_error *err)
{
	struct drip_suggestion s = {.wrong = name};
	char hint[160];
	int rc = drip_error_set(err, -EOPNOTSUPP, "control.unknown_method",
				"there is no method \"%.64s\"", name);

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		drip_suggestion_offer(&s, methods[i].name);
	}
	drip_error_hint(
		err, "%s",
		drip_suggestion_hint(&s, "See the guide for operators.", hint, sizeof(hint)));
	return rc;
}

static int parse_arguments(const char *text, struct drip_json_tree **ret, struct drip_error *err)
{
	size_t size = strlen(text);
	int rc;

	if (size > DRIP_METHOD_ARGUMENTS_MAX) {
		return drip_error_set(err, -E2BIG, "control.request_too_large",
				      "cannot take arguments of more than %d bytes",
				      DRIP_METHOD_ARGUMENTS_MAX);
	}
	rc = drip_json_parse(text, size, ret, err);
	if (rc == 0 && drip_json_root(*ret)->type != DRIP_JSON_OBJECT) {
		rc = drip_error_set(err, -EINVAL, "control.bad_request",
				    "arguments must be a JSON object");
	}
	return rc;
}

int drip_methods_call(struct drip_app *app, const char *actor, const char *method,
		      const char *arguments_json, char **ret_text, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr out = DRIP_STR_INIT;
	struct drip_call call = {.app = app, .actor = actor, .out = &out};
	int rc = 0;

	if (arguments_json != NULL && arguments_json[0] != '\0') {
		rc = parse_arguments(arguments_json, &tree, err);
		if (rc < 0) {
			return rc;
		}
		call.arguments = drip_json_root(tree);
	}
	drip_json_init(&call.json, &out);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(methods[i].name, method) == 0) {
			rc = methods[i].run(&call, err);
			return rc < 0 ? rc : drip_str_steal(&out, ret_text, err);
		}
	}
	return unknown_method(method, err);
}
