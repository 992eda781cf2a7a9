/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics in Prometheus' text format 0.0.4: families in a fixed order, each with HELP and TYPE
 * before its samples; then the custom metrics of components, sorted by family. Labels hold names
 * from the configuration only, so their count is bounded by it.
 */
#include "serve/methods.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "serve/process.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUSTOM_METRICS_MAX 10000

struct custom {
	char family[192];
	char *pipeline, *stage;
	bool counter;
	double value;
};

struct customs {
	struct custom *items;
	size_t count, capacity;
	bool failed;
};

static void family(struct drip_str *out, const char *name, const char *type, const char *help)
{
	drip_str_appendf(out, "# HELP dripline_%s %s\n# TYPE dripline_%s %s\n", name, help, name,
			 type);
}

static void label_value(struct drip_str *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' || *text == '"') {
			drip_str_append_char(out, '\\');
			drip_str_append_char(out, *text);
		} else if (*text == '\n') {
			drip_str_append(out, "\\n");
		} else {
			drip_str_append_char(out, *text);
		}
	}
}

static void number(struct drip_str *out, double value)
{
	if (isnan(value)) {
		drip_str_append(out, "NaN\n");
	} else if (isinf(value)) {
		drip_str_append(out, value > 0 ? "+Inf\n" : "-Inf\n");
	} else if (value == floor(value) && fabs(value) < 1e15) {
		drip_str_appendf(out, "%.0f\n", value);
	} else {
		drip_str_appendf(out, "%.15g\n", value);
	}
}

static void sample(struct drip_str *out, const char *name, const char *pipeline, const char *stage,
		   const char *extra, double value)
{
	drip_str_appendf(out, "%s%s{pipeline=\"",
			 strncmp(name, "dripline_", 9) == 0 ? "" : "dripline_", name);
	label_value(out, pipeline);
	if (stage != NULL) {
		drip_str_append(out, "\",stage=\"");
		label_value(out, stage);
	}
	drip_str_append_char(out, '"');
	drip_str_append(out, extra);
	drip_str_append(out, "} ");
	number(out, value);
}

/* ---- of pipelines and stages ---- */

static double pipeline_up(const struct drip_pipeline_stats *p)
{
	return p->state == DRIP_PIPELINE_RUNNING;
}

static double pipeline_failed(const struct drip_pipeline_stats *p)
{
	return p->state == DRIP_PIPELINE_FAILED;
}

static double pipeline_caught_up(const struct drip_pipeline_stats *p)
{
	return p->caught_up;
}

static double pipeline_lag(const struct drip_pipeline_stats *p)
{
	return p->lag_us < 0 ? NAN : (double)p->lag_us / 1e6;
}

static double pipeline_age(const struct drip_pipeline_stats *p)
{
	return p->checkpoint_age_us < 0 ? NAN : (double)p->checkpoint_age_us / 1e6;
}

static double pipeline_overdue(const struct drip_pipeline_stats *p)
{
	return p->scheduled ? (double)p->overdue_us / 1e6 : NAN;
}

static double pipeline_commits(const struct drip_pipeline_stats *p)
{
	return (double)p->commits;
}

static double pipeline_retries(const struct drip_pipeline_stats *p)
{
	return (double)p->retries;
}

static double pipeline_in_flight(const struct drip_pipeline_stats *p)
{
	return (double)p->rows_in_flight;
}

static const struct {
	const char *name, *type, *help;
	double (*get)(const struct drip_pipeline_stats *p);
} of_pipelines[] = {
	{"pipeline_running", "gauge", "1 while the pipeline runs.", pipeline_up},
	{"pipeline_failed", "gauge", "1 where the pipeline has failed.", pipeline_failed},
	{"pipeline_caught_up", "gauge", "1 where the source has nothing more to give.",
	 pipeline_caught_up},
	{"source_lag_seconds", "gauge",
	 "Age of the last committed row in its source; NaN where unknown.", pipeline_lag},
	{"checkpoint_age_seconds", "gauge", "Time since the last commit; NaN before the first.",
	 pipeline_age},
	{"schedule_overdue_seconds", "gauge",
	 "Time since a run was due, where none has succeeded since; NaN without a schedule.",
	 pipeline_overdue},
	{"commits_total", "counter", "Epochs committed.", pipeline_commits},
	{"retries_total", "counter", "Restarts after a failure that could go away.",
	 pipeline_retries},
	{"rows_in_flight", "gauge", "Rows read and not yet committed.", pipeline_in_flight},
};

static double stage_in(const struct drip_stage_stats *s)
{
	return (double)s->rows_in;
}

static double stage_out(const struct drip_stage_stats *s)
{
	return (double)s->rows_out;
}

static double stage_filtered(const struct drip_stage_stats *s)
{
	return (double)s->rows_filtered;
}

static double stage_dead(const struct drip_stage_stats *s)
{
	return (double)s->rows_dead;
}

static double stage_bytes(const struct drip_stage_stats *s)
{
	return (double)s->bytes_in;
}

static double stage_batches(const struct drip_stage_stats *s)
{
	return (double)s->batches_in;
}

static double stage_busy(const struct drip_stage_stats *s)
{
	return (double)s->busy_us / 1e6;
}

static double stage_queue(const struct drip_stage_stats *s)
{
	return (double)s->queue_bytes;
}

static double stage_queue_limit(const struct drip_stage_stats *s)
{
	return (double)s->queue_limit_bytes;
}

static const struct {
	const char *name, *type, *help;
	double (*get)(const struct drip_stage_stats *s);
} of_stages[] = {
	{"rows_in_total", "counter", "Rows that came to the stage.", stage_in},
	{"rows_out_total", "counter", "Rows that left the stage.", stage_out},
	{"rows_filtered_total", "counter", "Rows left out on purpose.", stage_filtered},
	{"rows_dead_total", "counter", "Rows that could not be processed.", stage_dead},
	{"bytes_in_total", "counter", "Bytes of the batches that came to the stage.", stage_bytes},
	{"batches_in_total", "counter", "Batches that came to the stage.", stage_batches},
	{"busy_seconds_total", "counter", "Time spent in the stage's code.", stage_busy},
	{"queue_bytes", "gauge", "Bytes that wait before the stage.", stage_queue},
	{"queue_limit_bytes", "gauge", "Bytes that may wait before the stage.", stage_queue_limit},
};

static void write_pipelines(struct drip_str *out, const struct drip_pipeline_stats *stats,
			    size_t count)
{
	for (size_t i = 0; i < sizeof(of_pipelines) / sizeof(of_pipelines[0]); i++) {
		family(out, of_pipelines[i].name, of_pipelines[i].type, of_pipelines[i].help);
		for (size_t k = 0; k < count; k++) {
			sample(out, of_pipelines[i].name, stats[k].name, NULL, "",
			       of_pipelines[i].get(&stats[k]));
		}
	}
	for (size_t i = 0; i < sizeof(of_stages) / sizeof(of_stages[0]); i++) {
		family(out, of_stages[i].name, of_stages[i].type, of_stages[i].help);
		for (size_t k = 0; k < count; k++) {
			for (uint32_t s = 0; s < stats[k].stages_count; s++) {
				sample(out, of_stages[i].name, stats[k].name, stats[k].stages[s].id,
				       "", of_stages[i].get(&stats[k].stages[s]));
			}
		}
	}
}

static void write_states(struct drip_str *out, const struct drip_pipeline_stats *stats,
			 size_t count)
{
	family(out, "pipeline_state", "gauge", "1 for the state that the pipeline is in.");
	for (size_t k = 0; k < count; k++) {
		for (int s = DRIP_PIPELINE_WAITING; s <= DRIP_PIPELINE_FAILED; s++) {
			char extra[64];

			snprintf(extra, sizeof(extra), ",state=\"%s\"",
				 drip_pipeline_state_name((enum drip_pipeline_state)s));
			sample(out, "pipeline_state", stats[k].name, NULL, extra,
			       (int)stats[k].state == s);
		}
	}
}

/* ---- custom metrics ---- */

static void add_custom(const char *component, const char *name, const char *pipeline,
		       const char *stage, bool counter, double value, void *data)
{
	struct customs *all = data;
	void *grown = all->items;
	struct custom *c;

	if (all->count >= CUSTOM_METRICS_MAX ||
	    !drip_grow(&grown, &all->capacity, all->count + 1, sizeof(*all->items))) {
		all->failed = true;
		return;
	}
	all->items = grown;
	c = &all->items[all->count];
	c->pipeline = drip_strdup(pipeline);
	c->stage = drip_strdup(stage);
	if (c->pipeline == NULL || c->stage == NULL) {
		free(c->pipeline);
		free(c->stage);
		all->failed = true;
		return;
	}
	c->counter = counter;
	c->value = value;
	snprintf(c->family, sizeof(c->family), "%s_%s", component, name);
	for (char *p = c->family; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '_') {
			*p = '_';
		}
	}
	all->count++;
}

static int compare_customs(const void *a, const void *b)
{
	const struct custom *x = a, *y = b;
	int rc = strcmp(x->family, y->family);

	rc = rc != 0 ? rc : strcmp(x->pipeline, y->pipeline);
	return rc != 0 ? rc : strcmp(x->stage, y->stage);
}

static bool is_built_in(const char *name)
{
	bool found = strcmp(name, "pipeline_state") == 0 || strcmp(name, "dead_letters") == 0 ||
		     strcmp(name, "build_info") == 0;

	for (size_t i = 0; i < sizeof(of_pipelines) / sizeof(of_pipelines[0]); i++) {
		found = found || strcmp(name, of_pipelines[i].name) == 0;
	}
	for (size_t i = 0; i < sizeof(of_stages) / sizeof(of_stages[0]); i++) {
		found = found || strcmp(name, of_stages[i].name) == 0;
	}
	return found;
}

static void write_customs(struct drip_str *out, struct drip_engine *engine)
{
	struct customs all = {0};
	const struct custom *previous = NULL;
	bool skip = false;

	drip_engine_visit_metrics(engine, add_custom, &all);
	if (all.count != 0) {
		qsort(all.items, all.count, sizeof(*all.items), compare_customs);
	}
	for (size_t i = 0; i < all.count; i++) {
		const struct custom *c = &all.items[i];
		bool first = previous == NULL || strcmp(previous->family, c->family) != 0;

		if (first) {
			/* A family must not come twice. */
			skip = is_built_in(c->family);
		}
		if (first && !skip) {
			family(out, c->family, c->counter ? "counter" : "gauge",
			       "See the README of the plugin.");
		}
		if (!skip && (first || compare_customs(previous, c) != 0)) {
			sample(out, c->family, c->pipeline, c->stage, "", c->value);
		}
		previous = c;
	}
	for (size_t i = 0; i < all.count; i++) {
		free(all.items[i].pipeline);
		free(all.items[i].stage);
	}
	free(all.items);
}

/* ---- of the process ---- */

static int write_letters(const char *pipeline, const char *stage, int64_t count, void *data)
{
	sample(data, "dead_letters", pipeline, stage, "", (double)count);
	return 0;
}

static void plain(struct drip_str *out, const char *name, const char *type, const char *help,
		  double value)
{
	drip_str_appendf(out, "# HELP %s %s\n# TYPE %s %s\n%s ", name, help, name, type, name);
	number(out, value);
}

static void write_process(struct drip_str *out, const struct drip_app *app)
{
	family(out, "build_info", "gauge", "1; the labels say which release runs.");
	drip_str_appendf(out, "dripline_build_info{version=\"%s\",abi=\"%d.%d\"} 1\n",
			 DRIP_SDK_VERSION, DRIP_ABI_MAJOR, DRIP_ABI_MINOR);
	plain(out, "process_cpu_seconds_total", "counter", "User and system CPU time.",
	      drip_process_cpu_seconds());
	plain(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
	      (double)drip_process_rss_bytes());
	plain(out, "process_open_fds", "gauge", "Open file descriptors.",
	      (double)drip_process_open_fds());
	plain(out, "process_start_time_seconds", "gauge", "Start of the process, Unix time.",
	      (double)app->started_wall_us / 1e6);
}

int drip_method_metrics(struct drip_call *call, struct drip_error *err)
{
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0;
	int rc = drip_engine_stats(call->app->engine, &stats, &count, err);

	if (rc < 0) {
		return rc;
	}
	write_process(call->out, call->app);
	write_states(call->out, stats, count);
	write_pipelines(call->out, stats, count);
	drip_engine_stats_free(stats, count);
	family(call->out, "dead_letters", "gauge", "Dead letters in the store.");
	rc = drip_store_count_letters(call->app->store, write_letters, call->out, err);
	write_customs(call->out, call->app->engine);
	return rc;
}
