/* SPDX-License-Identifier: Apache-2.0 */
/* Taps: rendering on the worker thread that passes the batch, bounded in rows and bytes. */
#include "serve/tap.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "serve/methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put_values(struct drip_text *t, const struct drip_batch *batch, int64_t row,
		       bool reveal)
{
	for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(batch->schema, i);

		drip_text_puts(t, i != 0 ? "," : "");
		drip_text_json_string(t, c->name, strlen(c->name));
		drip_text_puts(t, ":");
		if (!reveal && c->classification >= DRIP_CLASS_CONFIDENTIAL &&
		    !drip_is_null(batch->array.children[i], row)) {
			drip_text_puts(t, "\"***\"");
		} else {
			drip_text_json_value(t, batch, i, row);
		}
	}
}

static void put_row(struct drip_text *t, const struct drip_batch *batch, int64_t row, bool reveal)
{
	const struct drip_schema *s = batch->schema;
	char stamp[DRIP_CLOCK_TEXT_MAX];

	drip_text_puts(t, "{\"op\":\"");
	drip_text_puts(t, drip_op_name(drip_batch_op(batch, row)));
	drip_text_puts(t, "\",\"database\":");
	drip_text_json_string(t, s->database, strlen(s->database));
	drip_text_puts(t, ",\"table\":");
	drip_text_json_string(t, s->table, strlen(s->table));
	if (batch->commit_time_us != 0) {
		drip_clock_format(batch->commit_time_us, stamp, sizeof(stamp));
		drip_text_puts(t, ",\"commit_time\":\"");
		drip_text_puts(t, stamp);
		drip_text_puts(t, "\"");
	}
	drip_text_puts(t, ",\"row\":{");
	put_values(t, batch, row, reveal);
	drip_text_puts(t, "}}\n");
}

static void on_batch(const struct drip_batch *batch, void *data)
{
	struct drip_row_tap *tap = data;
	int64_t rows = batch->kind == DRIP_BATCH_ROWS ? batch->rows : 0, taken = 0;

	pthread_mutex_lock(&tap->lock);
	while (taken < rows && taken < DRIP_TAP_BATCH_ROWS && tap->left != 0 &&
	       tap->lines.size < DRIP_TAP_BUFFER_MAX && tap->lines.rc == 0) {
		put_row(&tap->lines, batch, taken, tap->reveal);
		tap->left -= tap->left > 0;
		taken++;
	}
	tap->rows += taken;
	if (tap->left != 0) {
		tap->dropped += rows - taken;
	}
	if (taken != 0) {
		tap->on_lines(tap, tap->data);
	}
	pthread_mutex_unlock(&tap->lock);
}

int drip_row_tap_start(struct drip_row_tap *tap, struct drip_app *app, const char *pipeline,
		       const char *stage, struct drip_error *err)
{
	int rc;

	tap->app = app;
	pthread_mutex_init(&tap->lock, NULL);
	rc = drip_engine_tap(app->engine, pipeline, stage, on_batch, tap, &tap->tap, err);
	if (rc < 0) {
		pthread_mutex_destroy(&tap->lock);
	}
	return rc;
}

void drip_row_tap_stop(struct drip_row_tap *tap)
{
	drip_engine_untap(tap->tap);
	tap->tap = NULL;
	drip_text_finish(&tap->lines);
	pthread_mutex_destroy(&tap->lock);
}

/* ---- the method: collects for a while ---- */

#define COLLECT_ROWS_MAX       1000
#define COLLECT_TIMEOUT_MS     2000
#define COLLECT_TIMEOUT_MS_MAX 30000

struct collector {
	struct drip_row_tap tap;
	pthread_cond_t added;
	char pipeline[256], stage[256];
};

static void on_collected(struct drip_row_tap *tap, void *data)
{
	struct collector *c = data;

	pthread_cond_signal(&c->added);
}

static int do_start(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	struct collector *c = job->data;

	return drip_row_tap_start(&c->tap, app, c->pipeline, c->stage, err);
}

static int do_stop(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	struct collector *c = job->data;

	drip_row_tap_stop(&c->tap);
	return 0;
}

static int on_loop(struct drip_app *app, struct collector *c,
		   int (*run)(struct drip_app *, struct drip_app_job *, struct drip_error *),
		   struct drip_error *err)
{
	struct drip_app_job *job = drip_app_job_new();
	int rc;

	if (job == NULL) {
		return drip_error_nomem(err, sizeof(*job));
	}
	job->data = c;
	job->run = run;
	rc = drip_app_call(app, job, DRIP_METHOD_TIMEOUT_MS, err);
	drip_app_job_unref(app, job);
	return rc;
}

static void wait_for_rows(struct collector *c, int64_t timeout_ms)
{
	struct timespec deadline;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += timeout_ms % 1000 * 1000000;
	deadline.tv_sec += deadline.tv_nsec / 1000000000;
	deadline.tv_nsec %= 1000000000;
	pthread_mutex_lock(&c->tap.lock);
	while (c->tap.left != 0 && rc == 0) {
		rc = pthread_cond_timedwait(&c->added, &c->tap.lock, &deadline);
	}
	pthread_mutex_unlock(&c->tap.lock);
}

static void put_collected(struct drip_call *call, struct collector *c)
{
	struct drip_text *t = &c->tap.lines;
	size_t start = 0;

	pthread_mutex_lock(&c->tap.lock);
	drip_json_begin_object(&call->json);
	drip_json_put_int(&call->json, "dropped", c->tap.dropped);
	drip_json_key(&call->json, "rows");
	drip_json_begin_array(&call->json);
	for (size_t i = 0; i < t->size; i++) {
		if (t->data[i] == '\n') {
			drip_json_raw(&call->json, "");
			drip_str_append_n(call->out, t->data + start, i - start);
			start = i + 1;
		}
	}
	drip_json_end_array(&call->json);
	drip_json_end_object(&call->json);
	pthread_mutex_unlock(&c->tap.lock);
}

static int collect(struct drip_call *call, struct collector *c, int64_t timeout_ms,
		   struct drip_error *err)
{
	int rc = on_loop(call->app, c, do_start, err);

	if (rc == -ETIMEDOUT) {
		return rc; /* it may begin yet: `c` cannot be freed */
	}
	if (rc == 0) {
		wait_for_rows(c, timeout_ms);
		put_collected(call, c);
		rc = on_loop(call->app, c, do_stop, err);
		if (rc < 0) {
			return rc; /* the engine is going away, with the tap in its hands */
		}
	}
	pthread_cond_destroy(&c->added);
	free(c);
	return rc;
}

int drip_tap_record(struct drip_app *app, const char *actor, const struct drip_json_node *arguments,
		    struct drip_error *err)
{
	const char *stage = drip_json_get_string(arguments, "stage", "");
	char target[512];

	snprintf(target, sizeof(target), "%s%s%s", drip_json_get_string(arguments, "pipeline", ""),
		 stage[0] != '\0' ? "." : "", stage);
	return drip_store_audit(app->store, actor, "tap reveal", target, "", err);
}

int drip_method_tap(struct drip_call *call, struct drip_error *err)
{
	int64_t limit = drip_json_get_int(call->arguments, "limit", 10);
	int64_t timeout = drip_json_get_int(call->arguments, "timeout_ms", COLLECT_TIMEOUT_MS);
	const char *pipeline;
	struct collector *c;
	int rc = drip_call_string(call, "pipeline", &pipeline, err);

	if (rc == 0 && drip_json_get_bool(call->arguments, "reveal", false)) {
		rc = drip_tap_record(call->app, call->actor, call->arguments, err);
	}
	if (rc < 0) {
		return rc;
	}
	c = drip_calloc(1, sizeof(*c));
	if (c == NULL) {
		return drip_error_nomem(err, sizeof(*c));
	}
	snprintf(c->pipeline, sizeof(c->pipeline), "%s", pipeline);
	snprintf(c->stage, sizeof(c->stage), "%s",
		 drip_json_get_string(call->arguments, "stage", ""));
	c->tap.reveal = drip_json_get_bool(call->arguments, "reveal", false);
	c->tap.left = limit < 1 || limit > COLLECT_ROWS_MAX ? COLLECT_ROWS_MAX : limit;
	c->tap.on_lines = on_collected;
	c->tap.data = c;
	pthread_cond_init(&c->added, NULL);
	return collect(call, c,
		       timeout < 0 || timeout > COLLECT_TIMEOUT_MS_MAX ? COLLECT_TIMEOUT_MS_MAX
								       : timeout,
		       err);
}
