/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of what runs: statistics, progress, metrics, readiness. Any thread. */
#include "base/alloc.h"
#include "base/clock.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *drip_pipeline_state_name(enum drip_pipeline_state state)
{
	static const char *const names[] = {
		[DRIP_PIPELINE_WAITING] = "waiting", [DRIP_PIPELINE_STARTING] = "starting",
		[DRIP_PIPELINE_RUNNING] = "running", [DRIP_PIPELINE_RETRYING] = "retrying",
		[DRIP_PIPELINE_PAUSED] = "paused",   [DRIP_PIPELINE_DRAINING] = "draining",
		[DRIP_PIPELINE_STOPPED] = "stopped", [DRIP_PIPELINE_FINISHED] = "finished",
		[DRIP_PIPELINE_FAILED] = "failed",
	};
	size_t count = sizeof(names) / sizeof(names[0]);

	return (size_t)state < count && names[state] != NULL ? names[state] : "unknown";
}

static void fill_live(const struct drip_run *run, uint32_t k, struct drip_stage_stats *s)
{
	const struct drip_instance *i = &run->instances[k];
	struct drip_counts c = drip_counts_load(&i->counts);

	s->rows_in += c.in;
	s->rows_out += c.out;
	s->rows_filtered += c.filtered + __atomic_load_n(&i->left_out, __ATOMIC_RELAXED);
	s->rows_dead += c.dead;
	s->rows_injected += c.injected;
	s->batches_in += c.batches;
	s->bytes_in += c.bytes;
	s->busy_us += __atomic_load_n(&i->busy_us, __ATOMIC_RELAXED);
	for (uint32_t n = 0; n < run->sinks_count; n++) {
		if (run->sinks[n].stage == k) {
			s->queue_bytes = drip_queue_bytes(
				(struct drip_queue *)(uintptr_t)&run->sinks[n].queue);
		}
	}
}

/* run->lock is held where there is a run. */
static int fill_stages(const struct edition *e, const struct drip_run *run,
		       struct drip_pipeline_stats *ret)
{
	const struct drip_pipeline_spec *spec = e->spec;

	ret->stages = drip_calloc(spec->stages_count, sizeof(*ret->stages));
	if (ret->stages == NULL) {
		return -ENOMEM;
	}
	ret->stages_count = spec->stages_count;
	for (uint32_t k = 0; k < spec->stages_count; k++) {
		const struct drip_counts *base = &e->slots[k].base;
		struct drip_stage_stats *s = &ret->stages[k];

		s->id = drip_strdup(spec->stages[k].id);
		s->component = drip_strdup(spec->stages[k].component->name);
		s->kind = spec->stages[k].kind;
		s->input = spec->stages[k].input;
		s->rows_in = base->in;
		s->rows_out = base->out;
		s->rows_filtered = base->filtered;
		s->rows_dead = base->dead;
		s->rows_injected = base->injected;
		s->batches_in = base->batches;
		s->bytes_in = base->bytes;
		s->queue_limit_bytes =
			spec->stages[k].kind == DRIP_KIND_SINK ? spec->queue_bytes : 0;
		if (run != NULL && run->instances_ready) {
			fill_live(run, k, s);
		}
		s->rows_in_flight = s->rows_in - s->rows_out - s->rows_filtered - s->rows_dead;
		if (s->rows_in_flight < 0) {
			s->rows_in_flight = 0; /* a transform that makes rows */
		}
		if (s->id == NULL || s->component == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* The pipeline's rows, on the path from the source to the first sink; what was put back there came
 * in, too. */
static void fill_totals(const struct drip_pipeline_spec *spec, struct drip_pipeline_stats *ret)
{
	uint32_t k = 0;

	while (k + 1 < spec->stages_count && spec->stages[k].kind != DRIP_KIND_SINK) {
		k++;
	}
	ret->rows_in = ret->stages[0].rows_out;
	ret->rows_out = ret->stages[k].rows_out;
	while (k != 0) {
		ret->rows_in += ret->stages[k].rows_injected;
		ret->rows_filtered += ret->stages[k].rows_filtered;
		ret->rows_dead += ret->stages[k].rows_dead;
		k = spec->stages[k].input;
	}
	ret->rows_in_flight = ret->rows_in - ret->rows_out - ret->rows_filtered - ret->rows_dead;
}

/* Whether what the source says of its end is true now; a finished source has no more to say. */
static bool at_work(enum drip_pipeline_state state)
{
	return state == DRIP_PIPELINE_RUNNING || state == DRIP_PIPELINE_DRAINING ||
	       state == DRIP_PIPELINE_FINISHED || state == DRIP_PIPELINE_WAITING;
}

/* What the sinks hold is as old as the last moment at which they held all. */
static void fill_lag(const struct drip_run *run, struct drip_pipeline_stats *ret)
{
	int64_t held_us =
		run->commit_time_us > run->caught_up_us ? run->commit_time_us : run->caught_up_us;

	if (at_work(ret->state)) {
		held_us = run->commit_time_us;
	}
	if (held_us != 0) {
		ret->lag_us = drip_clock_wall_us() - held_us;
	}
}

static void fill_run(const struct drip_run *run, struct drip_pipeline_stats *ret)
{
	int64_t now = drip_mono_us();

	ret->epoch = run->epoch;
	ret->caught_up = run->caught_up;
	if (!run->rewind) {
		memcpy(ret->position, run->position, sizeof(ret->position));
	}
	if (run->checkpoint_us != 0) {
		ret->checkpoint_age_us = now - run->checkpoint_us;
	}
	fill_lag(run, ret);
	if (run->error.rc != 0 && !run->rewind) {
		ret->last_error = run->error;
		ret->last_error_age_us = now - run->error_us;
	}
}

static void fill_schedule(const struct drip_pipeline *p, struct drip_pipeline_stats *ret)
{
	int64_t now = drip_clock_wall_us();
	int64_t due = __atomic_load_n(&p->due_us, __ATOMIC_RELAXED);
	int64_t unmet = __atomic_load_n(&p->unmet_us, __ATOMIC_RELAXED);

	unmet = unmet == 0 && due <= now ? due : unmet; /* while it is paused */
	ret->next_run_us = ret->scheduled && due != INT64_MAX ? due : -1;
	ret->overdue_us = ret->scheduled && unmet != 0 && unmet <= now ? now - unmet : 0;
}

static int fill_pipeline(const struct drip_engine *engine, const struct drip_pipeline *p,
			 struct drip_pipeline_stats *ret)
{
	struct drip_run *run = p->current != NULL ? p->current : p->last;
	const struct edition *e = p->current != NULL ? p->current->edition : p->edition;
	int rc;

	ret->name = drip_strdup(p->name);
	ret->state = drip_pipeline_state(engine, p);
	ret->checkpoint_age_us = ret->lag_us = -1;
	ret->last_error = p->error;
	ret->last_error_age_us = drip_mono_us() - p->error_us;
	if (ret->name == NULL) {
		return -ENOMEM;
	}
	if (run != NULL) {
		pthread_mutex_lock(&run->lock);
		fill_run(run, ret);
	}
	ret->scheduled = e->spec->cron != NULL;
	fill_schedule(p, ret);
	ret->commits = e->commits;
	ret->retries = e->retries;
	rc = fill_stages(e, run != NULL && run->edition == e ? run : NULL, ret);
	if (run != NULL) {
		pthread_mutex_unlock(&run->lock);
	}
	if (rc == 0) {
		fill_totals(e->spec, ret);
		if (ret->caught_up && ret->rows_in_flight == 0 && at_work(ret->state)) {
			ret->lag_us = 0;
		}
	}
	return rc;
}

int drip_engine_stats(struct drip_engine *engine, struct drip_pipeline_stats **ret,
		      size_t *ret_count, struct drip_error *err)
{
	struct drip_pipeline_stats *stats;
	size_t count = 0, filled = 0;
	int rc = 0;

	pthread_mutex_lock(&engine->lock);
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		count++;
	}
	stats = drip_calloc(count + 1, sizeof(*stats));
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL && rc == 0; p = p->next) {
		rc = stats != NULL ? fill_pipeline(engine, p, &stats[filled]) : -ENOMEM;
		filled += stats != NULL;
	}
	pthread_mutex_unlock(&engine->lock);
	if (stats == NULL || rc < 0) {
		drip_engine_stats_free(stats, filled);
		return drip_error_nomem(err, (count + 1) * sizeof(*stats));
	}
	*ret = stats;
	*ret_count = count;
	return 0;
}

void drip_engine_stats_free(struct drip_pipeline_stats *stats, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < stats[i].stages_count; k++) {
			free((char *)(uintptr_t)stats[i].stages[k].id);
			free((char *)(uintptr_t)stats[i].stages[k].component);
		}
		free(stats[i].stages);
		free((char *)(uintptr_t)stats[i].name);
	}
	free(stats);
}

static const struct edition *edition_of(const struct drip_pipeline *p)
{
	return p->current != NULL ? p->current->edition : p->edition;
}

void drip_engine_visit_progress(struct drip_engine *engine,
				void (*visit)(const struct drip_progress *p, void *data),
				void *data)
{
	pthread_mutex_lock(&engine->lock);
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		const struct edition *e = edition_of(p);

		for (uint32_t k = 0; k < e->spec->stages_count; k++) {
			struct drip_meters *m = &e->slots[k].meters;

			pthread_mutex_lock(&m->lock);
			for (size_t i = 0; i < m->progress_count; i++) {
				struct drip_progress progress = {
					.pipeline = p->name,
					.stage = e->spec->stages[k].id,
					.table = m->progress[i].table,
					.done = m->progress[i].done,
					.total = m->progress[i].total,
				};

				visit(&progress, data);
			}
			pthread_mutex_unlock(&m->lock);
		}
	}
	pthread_mutex_unlock(&engine->lock);
}

typedef void metric_visitor(const char *component, const char *name, const char *pipeline,
			    const char *stage, bool counter, double value, void *data);

void drip_meters_visit(struct drip_meters *m, const char *component, const char *pipeline,
		       const char *stage, metric_visitor *visit, void *data)
{
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->metrics_count; i++) {
		visit(component, m->metrics[i].name, pipeline, stage, m->metrics[i].counter,
		      m->metrics[i].value, data);
	}
	pthread_mutex_unlock(&m->lock);
}

void drip_engine_visit_metrics(struct drip_engine *engine, metric_visitor *visit, void *data)
{
	pthread_mutex_lock(&engine->lock);
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
		const struct edition *e = edition_of(p);

		for (uint32_t k = 0; k < e->spec->stages_count; k++) {
			drip_meters_visit(&e->slots[k].meters, e->spec->stages[k].component->name,
					  p->name, e->spec->stages[k].id, visit, data);
		}
	}
	pthread_mutex_unlock(&engine->lock);
	drip_connections_visit(engine, visit, data);
	pthread_mutex_lock(&engine->services_lock);
	for (struct drip_service *s = engine->services; s != NULL; s = s->next) {
		drip_meters_visit(&s->meters, s->declared->component->name, "", s->declared->name,
				  visit, data);
	}
	pthread_mutex_unlock(&engine->services_lock);
}

static int pipelines_ready(struct drip_engine *engine, struct drip_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&engine->lock);
	for (const struct drip_pipeline *p = engine->pipelines; p != NULL && rc == 0; p = p->next) {
		enum drip_pipeline_state state = drip_pipeline_state(engine, p);

		if (state == DRIP_PIPELINE_STARTING || state == DRIP_PIPELINE_RETRYING ||
		    state == DRIP_PIPELINE_FAILED) {
			rc = drip_error_set_retryable(err, -EAGAIN, "engine.not_ready",
						      "pipeline \"%s\" is %s%s%s", p->name,
						      drip_pipeline_state_name(state),
						      p->error.rc != 0 ? ": " : "",
						      p->error.rc != 0 ? p->error.message : "");
		}
	}
	pthread_mutex_unlock(&engine->lock);
	return rc;
}

int drip_engine_ready(struct drip_engine *engine, struct drip_error *err)
{
	int rc = pipelines_ready(engine, err);

	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&engine->services_lock);
	for (const struct drip_service *s = engine->services; s != NULL && rc == 0; s = s->next) {
		if (s->error.rc != 0) {
			rc = s->error.rc;
			if (err != NULL) {
				*err = s->error;
			}
		}
	}
	pthread_mutex_unlock(&engine->services_lock);
	return rc < 0 ? rc : drip_connections_ping(engine, err);
}
