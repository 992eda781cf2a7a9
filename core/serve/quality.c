/* SPDX-License-Identifier: Apache-2.0 */
/* The control method `quality`: what the quality rules of pipelines found. No value of a row. */
#include "base/clock.h"
#include "serve/methods.h"

#include <errno.h>

static void put_positions(struct drip_json *j, const struct drip_store_quality *q)
{
	if (q->first_position[0] != '\0') {
		drip_json_put_string(j, "first_position", q->first_position);
	}
	if (q->last_position[0] != '\0') {
		drip_json_put_string(j, "last_position", q->last_position);
	}
}

static int put_result(const struct drip_store_quality *q, void *data)
{
	struct drip_json *j = data;
	char day[DRIP_CLOCK_TEXT_MAX];

	drip_clock_format(q->day_us, day, sizeof(day));
	day[10] = '\0'; /* yyyy-mm-dd */
	drip_json_begin_object(j);
	drip_json_put_string(j, "pipeline", q->pipeline);
	drip_json_put_string(j, "stage", q->result.stage);
	drip_json_put_string(j, "rule", q->result.rule);
	drip_json_put_string(j, "table", q->result.table);
	drip_json_put_string(j, "action", q->result.action);
	drip_json_put_string(j, "day", day);
	drip_json_put_int(j, "checked", q->result.checked);
	drip_json_put_int(j, "failed", q->result.failed);
	drip_call_put_time(j, "first", q->first_us);
	drip_call_put_time(j, "last", q->last_us);
	drip_call_put_time(j, "last_failed", q->failed_us);
	put_positions(j, q);
	drip_json_key(j, "last_run");
	drip_json_begin_object(j);
	drip_json_put_string(j, "id", q->run_id);
	drip_json_put_int(j, "checked", q->run_checked);
	drip_json_put_int(j, "failed", q->run_failed);
	drip_json_end_object(j);
	drip_json_end_object(j);
	return 0;
}

int drip_quality_render(struct drip_store *store, const char *pipeline, int64_t days, int64_t limit,
			struct drip_json *json, struct drip_error *err)
{
	int rc;

	limit = limit < 1 || limit > DRIP_STORE_QUALITY_MAX ? DRIP_STORE_QUALITY_MAX : limit;
	drip_json_begin_array(json);
	rc = drip_store_visit_quality(store, pipeline, days, limit, put_result, json, err);
	drip_json_end_array(json);
	return rc;
}

int drip_method_quality(struct drip_call *call, struct drip_error *err)
{
	return drip_quality_render(
		call->app->store, drip_json_get_string(call->arguments, "pipeline", NULL),
		drip_json_get_int(call->arguments, "days", 0),
		drip_json_get_int(call->arguments, "limit", 0), &call->json, err);
}
