/* SPDX-License-Identifier: Apache-2.0 */
/* The store in memory, documents by hand, and the engine on a loop: see fakes.h. */
#include "fakes.h"
#include "base/log.h"
#include "engine/graph_private.h"
#include "lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WATCHDOG_S 60

/* ---- the store ---- */

/* It keeps one pipeline. */
static bool is_kept(const char *pipeline)
{
	return strcmp(pipeline, "p") == 0;
}

static int store_load(void *self, const char *pipeline, struct drip_position **ret,
		      size_t *ret_count, uint64_t *ret_epoch, struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	*ret = calloc(s->positions_count + 1, sizeof(**ret));
	memcpy(*ret, s->positions, s->positions_count * sizeof(**ret));
	*ret_count = is_kept(pipeline) ? s->positions_count : 0;
	*ret_epoch = is_kept(pipeline) ? s->epoch : 0;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_commit(void *self, const char *pipeline, const struct drip_checkpoint *c,
			struct drip_error *err)
{
	struct fake_store *s = self;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	if (s->fail_checkpoints > 0) {
		s->fail_checkpoints--;
		rc = drip_error_set_retryable(err, -EIO, "fake.store", "the fake store fails");
	} else if (is_kept(pipeline)) {
		s->positions_count = c->positions_count < 8 ? c->positions_count : 8;
		for (size_t i = 0; i < s->positions_count; i++) {
			s->positions[i] = c->positions[i];
		}
		s->epoch = c->epoch;
		s->replayed = c->replayed;
		s->checkpoints++;
		s->rows_in += c->rows_in;
		s->rows_out += c->rows_out;
		s->rows_filtered += c->rows_filtered;
		s->rows_dead += c->rows_dead;
		for (size_t i = 0; i < c->states_count; i++) {
			snprintf(s->state_key, sizeof(s->state_key), "%s/%s", c->states[i].stage,
				 c->states[i].key);
			snprintf(s->state_value, sizeof(s->state_value), "%s",
				 (const char *)c->states[i].value);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int store_state_get(void *self, const char *pipeline, const char *stage, const char *key,
			   void **ret, size_t *ret_size, struct drip_error *err)
{
	struct fake_store *s = self;
	char name[64];
	int rc = -ENOENT;

	snprintf(name, sizeof(name), "%s/%s", stage, key);
	pthread_mutex_lock(&s->lock);
	if (strcmp(name, s->state_key) == 0) {
		*ret = strdup(s->state_value);
		*ret_size = strlen(s->state_value) + 1;
		rc = 0;
	}
	pthread_mutex_unlock(&s->lock);
	return rc == 0 ? 0 : drip_error_set(err, rc, "fake.no_state", "there is no such state");
}

static int store_run_begin(void *self, const char *pipeline, char ret_run_id[37],
			   struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	snprintf(ret_run_id, 37, "run-%d", ++s->runs);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_run_end(void *self, const char *run_id, enum drip_run_state state,
			 const struct drip_error *reason, struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	s->run_state = state;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_schedule_get(void *self, const char *pipeline, int64_t *ret_us,
			      struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	*ret_us = s->schedule_us;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_schedule_put(void *self, const char *pipeline, int64_t us, struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	s->schedule_us = us;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_schema_put(void *self, const char *pipeline, const char *stage,
			    const struct drip_schema *schema, const struct drip_position *position,
			    struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	s->schemas++;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_lineage_put(void *self, const struct drip_lineage_record *records, size_t count,
			     struct drip_error *err)
{
	struct fake_store *s = self;
	size_t used = 0;

	pthread_mutex_lock(&s->lock);
	s->lineages++;
	for (size_t i = 0; i < count && used < sizeof(s->lineage) - 1; i++) {
		used += (size_t)snprintf(s->lineage + used, sizeof(s->lineage) - used,
					 "%s.%s>%s.%s,", records[i].input_dataset,
					 records[i].input_column, records[i].output_dataset,
					 records[i].output_column);
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_letter_put(void *self, const struct drip_dead_letter *letters, size_t count,
			    struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	s->letters += (int)count;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_replayed_get(void *self, const char *pipeline, uint64_t *ret,
			      struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	*ret = is_kept(pipeline) ? s->replayed : 0;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_letters_group(void *self, const char *pipeline, uint64_t group, const int64_t *ids,
			       size_t count, struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	s->groups_made = group;
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static int store_letters_settle(void *self, const char *pipeline,
				const struct drip_letters_settled *what, struct drip_error *err)
{
	struct fake_store *s = self;

	pthread_mutex_lock(&s->lock);
	if (is_kept(pipeline)) {
		s->settled[0] = what->all;
		s->settled[1] = what->some;
	}
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void fake_store_init(struct fake_store *s)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->durable = (struct drip_durable){
		.self = s,
		.checkpoint_load = store_load,
		.checkpoint_commit = store_commit,
		.state_get = store_state_get,
		.run_begin = store_run_begin,
		.run_end = store_run_end,
		.schedule_get = store_schedule_get,
		.schedule_put = store_schedule_put,
		.schema_put = store_schema_put,
		.lineage_put = store_lineage_put,
		.dead_letter_put = store_letter_put,
		.replayed_get = store_replayed_get,
		.letters_group = store_letters_group,
		.letters_settle = store_letters_settle,
	};
}

/* ---- documents ---- */

#define FAKE_PIPELINES_MAX 8
#define FAKE_STAGES_MAX    8

struct fake_doc {
	struct drip_document *document;
	struct graph *graph;
};

struct fake_doc *fake_doc_create(void)
{
	struct fake_doc *d = calloc(1, sizeof(*d));

	REQUIRE(d != NULL);
	d->document = calloc(1, sizeof(*d->document));
	d->graph = calloc(1, sizeof(*d->graph));
	REQUIRE(d->document != NULL && d->graph != NULL);
	drip_arena_init(&d->graph->arena);
	d->document->arena = d->graph;
	d->document->settings.memory_bytes = 64 << 20;
	d->document->settings.state_dir = "/dev/null";
	d->document->pipelines = drip_arena_array(&d->graph->arena, FAKE_PIPELINES_MAX,
						  sizeof(*d->document->pipelines));
	return d;
}

struct drip_pipeline_spec *fake_doc_pipeline(struct fake_doc *d, const char *name, uint64_t hash)
{
	struct drip_pipeline_spec *p = &d->document->pipelines[d->document->pipelines_count++];

	*p = (struct drip_pipeline_spec){
		.name = name,
		.config_hash = hash,
		.commit = {.interval_ms = 20, .rows = 1000, .bytes = 1 << 20},
		.queue_bytes = 1 << 20,
		.drain_ms = 20000,
		.timezone = "UTC",
	};
	p->stages = drip_arena_array(&d->graph->arena, FAKE_STAGES_MAX, sizeof(*p->stages));
	return p;
}

struct drip_stage *fake_doc_stage(struct fake_doc *d, const char *id,
				  const struct drip_component *component, const void *config,
				  uint32_t input)
{
	struct drip_pipeline_spec *p = &d->document->pipelines[d->document->pipelines_count - 1];
	struct drip_stage *s = &p->stages[p->stages_count++];

	*s = (struct drip_stage){
		.id = id,
		.kind = component->kind,
		.component = component,
		.config = config,
		.input = input,
		.clearance = DRIP_CLASS_CONFIDENTIAL,
		.retry = {.attempts = 5, .initial_ms = 1, .max_ms = 5, .multiplier = 2},
	};
	return s;
}

void fake_doc_connection(struct fake_doc *d, const char *name, const void *config, uint64_t hash)
{
	if (d->document->connections == NULL) {
		d->document->connections = drip_arena_array(&d->graph->arena, FAKE_PIPELINES_MAX,
							    sizeof(*d->document->connections));
	}
	d->document->connections[d->document->connections_count++] =
		(struct drip_declared){.name = name,
				       .component = &fake_connection_component,
				       .config = config,
				       .config_hash = hash};
}

void fake_doc_memory(struct fake_doc *d, uint64_t bytes)
{
	d->document->settings.memory_bytes = bytes;
}

struct drip_document *fake_doc_take(struct fake_doc *d)
{
	struct drip_document *document = d->document;

	free(d);
	return document;
}

/* ---- the engine on a loop ---- */

static void on_event(enum drip_engine_event event, const char *pipeline, void *data)
{
	struct bench *b = data;

	b->all_done += event == DRIP_EVENT_ALL_DONE;
}

static void create_engine(struct bench *b, bool until_caught_up)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_engine_options options = {
		.loop = &b->loop,
		.durable = &b->store.durable,
		.until_caught_up = until_caught_up,
		.on_event = on_event,
		.data = b,
	};

	drip_logger_setup(getenv("TEST_VERBOSE") != NULL ? DRIP_LOG_DEBUG : 0, false);
	b->all_done = 0;
	REQUIRE(uv_loop_init(&b->loop) == 0);
	REQUIRE_OK(drip_engine_create(&options, &b->engine, &err), &err);
	alarm(WATCHDOG_S);
}

void bench_init(struct bench *b, bool until_caught_up)
{
	memset(b, 0, sizeof(*b));
	fake_store_init(&b->store);
	create_engine(b, until_caught_up);
}

void bench_restart(struct bench *b, bool until_caught_up)
{
	create_engine(b, until_caught_up);
}

void bench_apply(struct bench *b, struct fake_doc *d)
{
	struct drip_error err = DRIP_ERROR_INIT;

	REQUIRE_OK(drip_engine_apply(b->engine, fake_doc_take(d), &err), &err);
}

/* What happens on other threads without waking the loop is looked at again and again. */
static void on_tick(uv_timer_t *timer)
{
}

void bench_until(struct bench *b, bool (*condition)(struct bench *b, void *data), void *data)
{
	uv_timer_t tick;

	uv_timer_init(&b->loop, &tick);
	uv_timer_start(&tick, on_tick, 1, 1);
	while (!condition(b, data)) {
		uv_run(&b->loop, UV_RUN_ONCE);
	}
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&b->loop, UV_RUN_NOWAIT);
}

struct drip_pipeline_stats bench_stats(struct bench *b, const char *pipeline)
{
	struct drip_pipeline_stats *stats = NULL, found = {0};
	struct drip_error err = DRIP_ERROR_INIT;
	size_t count = 0;

	REQUIRE_OK(drip_engine_stats(b->engine, &stats, &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(stats[i].name, pipeline) == 0) {
			found = stats[i];
			found.name = NULL;
			found.stages = NULL;
		}
	}
	drip_engine_stats_free(stats, count);
	return found;
}

int64_t bench_stage_rows(struct bench *b, const char *pipeline, const char *stage, char what)
{
	struct drip_pipeline_stats *stats = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	int64_t rows = -1;
	size_t count = 0;

	REQUIRE_OK(drip_engine_stats(b->engine, &stats, &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		for (uint32_t k = 0; k < stats[i].stages_count; k++) {
			const struct drip_stage_stats *s = &stats[i].stages[k];

			if (strcmp(stats[i].name, pipeline) == 0 && strcmp(s->id, stage) == 0) {
				rows = what == 'i'   ? s->rows_in
				       : what == 'o' ? s->rows_out
				       : what == 'f' ? s->rows_filtered
				       : what == 'd' ? s->rows_dead
						     : s->rows_in_flight;
			}
		}
	}
	drip_engine_stats_free(stats, count);
	return rows;
}

enum drip_pipeline_state bench_state(struct bench *b, const char *pipeline)
{
	return bench_stats(b, pipeline).state;
}

struct state_wait {
	const char *pipeline;
	enum drip_pipeline_state state;
};

static bool has_state(struct bench *b, void *data)
{
	const struct state_wait *w = data;

	return bench_state(b, w->pipeline) == w->state;
}

void bench_until_state(struct bench *b, const char *pipeline, enum drip_pipeline_state state)
{
	struct state_wait w = {.pipeline = pipeline, .state = state};

	bench_until(b, has_state, &w);
}

static bool is_all_done(struct bench *b, void *data)
{
	return b->all_done != 0;
}

void bench_stop(struct bench *b)
{
	drip_engine_stop(b->engine);
	bench_until(b, is_all_done, NULL);
	drip_engine_destroy(b->engine);
	b->engine = NULL;
	uv_run(&b->loop, UV_RUN_DEFAULT);
	CHECK_EQ_INT(uv_loop_close(&b->loop), 0);
	alarm(0);
}
