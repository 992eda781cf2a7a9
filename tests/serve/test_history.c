/* SPDX-License-Identifier: Apache-2.0 */
/* The last hour of pipelines: rates between samples, the ring's bound, what comes and goes. */
#include "lib/test.h"

#include "base/alloc.h"
#include "serve/history.h"

#define S 1000000 /* in microseconds */

static struct drip_pipeline_stats pipelines[3];
static struct drip_history *history;
static struct drip_str out;

static struct drip_pipeline_stats *pipeline(size_t i, const char *name, int64_t rows)
{
	pipelines[i] = (struct drip_pipeline_stats){
		.name = name, .rows_in = rows, .rows_out = rows / 2, .lag_us = -1};
	return &pipelines[i];
}

static const char *render(const char *name)
{
	struct drip_json j;

	drip_str_reset(&out);
	drip_json_init(&j, &out);
	drip_history_render(history, name, &j);
	return drip_str_text(&out);
}

static void begin(void)
{
	history = drip_history_create();
	REQUIRE(history != NULL);
}

static void end(void)
{
	drip_history_destroy(history);
	drip_str_finish(&out);
}

TEST(rates_are_between_samples)
{
	begin();
	CHECK_EQ_STR(render(NULL), "{\"step_seconds\":10,\"times\":[],\"pipelines\":[]}");
	pipeline(0, "a", 100)->lag_us = 2500000;
	drip_history_add(history, 1000 * (int64_t)S, pipelines, 1);
	pipeline(0, "a", 300);
	pipeline(1, "b", 7);
	drip_history_add(history, 1010 * (int64_t)S, pipelines, 2);
	CHECK_EQ_STR(render(NULL),
		     "{\"step_seconds\":10,\"times\":[1000,1010],\"pipelines\":["
		     "{\"name\":\"a\",\"rows_in_per_second\":[null,20],"
		     "\"rows_out_per_second\":[null,10],\"lag_seconds\":[2.5,null]},"
		     "{\"name\":\"b\",\"rows_in_per_second\":[null,null],"
		     "\"rows_out_per_second\":[null,null],\"lag_seconds\":[null,null]}]}");
	/* Over the time that went by, whatever the step; another order; a counter that began anew.
	 */
	pipeline(0, "b", 107);
	pipeline(1, "a", 10);
	drip_history_add(history, 1030 * (int64_t)S, pipelines, 2);
	CHECK_CONTAINS(render("b"), "\"rows_in_per_second\":[null,null,5]");
	CHECK(strstr(render("b"), "\"a\"") == NULL);
	CHECK_CONTAINS(render("a"), "\"rows_in_per_second\":[null,20,null]");
	CHECK_CONTAINS(render("none"), "\"pipelines\":[]");
	end();
}

TEST(what_is_no_longer_configured_is_forgotten)
{
	begin();
	pipeline(0, "a", 0);
	pipeline(1, "b", 0);
	drip_history_add(history, 10 * S, pipelines, 2);
	pipeline(0, "b", 100);
	drip_history_add(history, 20 * S, pipelines, 1);
	CHECK(strstr(render(NULL), "\"a\"") == NULL);
	CHECK_CONTAINS(render("b"), "\"rows_in_per_second\":[null,10]");
	pipeline(1, "a", 500); /* another one of that name */
	drip_history_add(history, 30 * S, pipelines, 2);
	CHECK_CONTAINS(render("a"), "\"rows_in_per_second\":[null,null,null]");
	drip_history_add(history, 40 * S, NULL, 0);
	CHECK_CONTAINS(render(NULL), "\"times\":[10,20,30,40],\"pipelines\":[]");
	end();
}

TEST(an_hour_is_kept_and_no_more)
{
	int64_t n;
	char want[64];

	begin();
	for (n = 0; n < DRIP_HISTORY_SAMPLES + 25; n++) {
		pipeline(0, "a", n * n * 10);
		drip_history_add(history, n * 10 * S, pipelines, 1);
	}
	render(NULL);
	snprintf(want, sizeof(want), "\"times\":[%d,%d,", 250, 260);
	CHECK_CONTAINS(drip_str_text(&out), want);
	snprintf(want, sizeof(want), ",%d],\"pipelines\"", (DRIP_HISTORY_SAMPLES + 24) * 10);
	CHECK_CONTAINS(drip_str_text(&out), want);
	/* (n * n - (n - 1) * (n - 1)) * 10 rows in 10 s */
	CHECK_CONTAINS(drip_str_text(&out), "\"rows_in_per_second\":[49,51,53,");
	CHECK_CONTAINS(drip_str_text(&out), ",765,767],\"rows_out_per_second\"");
	end();
}

TEST(a_clock_that_is_set_back_begins_anew)
{
	begin();
	pipeline(0, "a", 0);
	drip_history_add(history, 1000 * (int64_t)S, pipelines, 1);
	drip_history_add(history, 900 * (int64_t)S, pipelines, 1);
	CHECK_CONTAINS(render(NULL), "\"times\":[900],");
	CHECK_CONTAINS(drip_str_text(&out), "\"rows_in_per_second\":[null]");
	end();
}

TEST(without_memory_a_pipeline_is_left_out)
{
	begin();
	for (long nth = 1; nth <= 5; nth++) {
		pipeline(0, "a", nth * 100);
		pipeline(1, "b", nth * 100);
		drip_alloc_fail_at(nth);
		drip_history_add(history, nth * 10 * S, pipelines, 2);
		drip_alloc_fail_at(0);
		render(NULL);
	}
	pipeline(0, "a", 600);
	pipeline(1, "b", 600);
	drip_history_add(history, 60 * S, pipelines, 2);
	CHECK_CONTAINS(render("a"), ",10],\"rows_out_per_second\"");
	CHECK_CONTAINS(render("b"), ",10],\"rows_out_per_second\"");
	end();
	drip_alloc_fail_at(1);
	CHECK(drip_history_create() == NULL);
	drip_alloc_fail_at(0);
	drip_history_destroy(NULL);
}

TEST_MAIN()
