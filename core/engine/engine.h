/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: runs the pipelines of a document. Its public functions are called from the loop
 * thread and never block, unless said otherwise; what happens on worker threads comes back through
 * `on_event` on the loop thread.
 */
#ifndef DRIPLINE_ENGINE_ENGINE_H
#define DRIPLINE_ENGINE_ENGINE_H

#include "engine/durable.h"
#include "engine/graph.h"
#include <uv.h>

struct drip_engine;

enum drip_pipeline_state {
	DRIP_PIPELINE_WAITING = 1, /* for its schedule */
	DRIP_PIPELINE_STARTING,
	DRIP_PIPELINE_RUNNING,
	DRIP_PIPELINE_RETRYING, /* backing off after a retryable failure */
	DRIP_PIPELINE_PAUSED,
	DRIP_PIPELINE_DRAINING,
	DRIP_PIPELINE_STOPPED,
	DRIP_PIPELINE_FINISHED, /* a bounded source ended, or `until caught-up` was reached; all is
				   committed */
	DRIP_PIPELINE_FAILED,
};

struct drip_stage_stats {
	const char *id, *component;
	enum drip_kind kind;
	int64_t rows_in, rows_out, rows_filtered, rows_dead, rows_in_flight;
	int64_t batches_in;
	uint64_t bytes_in, queue_bytes, queue_limit_bytes;
	int64_t busy_us;       /* time spent in ops */
	int64_t rows_injected; /* dead letters put back, part of rows_in */
	uint32_t input;        /* index of the stage that feeds it; 0 for the source, too */
};

struct drip_pipeline_stats {
	const char *name;
	enum drip_pipeline_state state;
	uint64_t epoch; /* last committed */
	int64_t commits, retries;
	int64_t checkpoint_age_us, lag_us; /* -1: unknown. lag: now - commit time of the last row
					      committed; 0 when caught up */
	bool caught_up;
	char position[160];
	struct drip_error last_error; /* rc 0: none */
	int64_t last_error_age_us;
	struct drip_stage_stats *stages; /* (gives) */
	uint32_t stages_count;
	int64_t rows_in, rows_out, rows_filtered, rows_dead, rows_in_flight;
	bool scheduled;      /* runs by a schedule, rather than all the time */
	int64_t next_run_us; /* wall clock; -1: none, or not known yet */
	int64_t overdue_us;  /* since a run was due, when none has succeeded since; 0: none is */
};

struct drip_progress {
	const char *pipeline, *stage, *table;
	uint64_t done, total;
};

enum drip_engine_event { DRIP_EVENT_STATE = 1, DRIP_EVENT_ALL_DONE };

struct drip_engine_options {
	uv_loop_t *loop;
	struct drip_registry *registry;
	const struct drip_durable *durable;
	bool until_caught_up;  /* drain and finish each pipeline once its source has caught up and
				  all is committed */
	bool ignore_schedules; /* run scheduled pipelines at once, once: `dripline run` */
	bool quarantine_break; /* as of drip_engine_resume, for the first run of each pipeline */
	void (*on_event)(enum drip_engine_event event, const char *pipeline, void *data);
	/* Runs a control method for services. Thread: any. */
	int (*control)(const char *method, const char *arguments_json, char **ret_text,
		       struct drip_error *err, void *data);
	void *data;
};

int drip_engine_create(const struct drip_engine_options *options, struct drip_engine **ret,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* After all is stopped. False: an operation of a component does not return, and its thread goes on
 * to use the engine, the store and the plugins; all that may be done is to end the process. */
bool drip_engine_destroy(struct drip_engine *engine);
/* Starts, or, where something runs already, reloads: prepares the new pipelines, swaps at an epoch
 * boundary, retires the old, rolls back where a new one fails to open. (takes) the document in
 * every case. The outcome of a reload comes as events. */
int drip_engine_apply(struct drip_engine *engine, struct drip_document *document,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* Drains everything; DRIP_EVENT_ALL_DONE follows, at the latest after the longest drain deadline.
 */
void drip_engine_stop(struct drip_engine *engine);
int drip_engine_pause(struct drip_engine *engine, const char *pipeline,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* `quarantine_break`: until the source has caught up, what breaks a feed's contract becomes dead
 * letters, whatever the policy. */
int drip_engine_resume(struct drip_engine *engine, const char *pipeline, bool quarantine_break,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Begins a run now, of a pipeline that waits for its schedule or has ended. -EALREADY with
 * engine.already_runs while one is under way, -EBUSY with engine.is_paused. */
int drip_engine_trigger(struct drip_engine *engine, const char *pipeline,
			struct drip_error *err) DRIP_MUST_CHECK;
/*
 * Around a change of a pipeline's checkpoint. `hold` keeps a pipeline that is at rest or paused
 * from going on, and a paused one closes its stages, so that it begins at its checkpoint when it is
 * resumed; `release` once for each hold. -EBUSY with control.pipeline_runs otherwise. A name that
 * there is not is held already. Loop thread.
 */
int drip_engine_hold(struct drip_engine *engine, const char *pipeline,
		     struct drip_error *err) DRIP_MUST_CHECK;
void drip_engine_release(struct drip_engine *engine, const char *pipeline);

/* Snapshots for status, top and metrics. Thread: any. (gives) an array; free with
 * drip_engine_stats_free. */
int drip_engine_stats(struct drip_engine *engine, struct drip_pipeline_stats **ret,
		      size_t *ret_count, struct drip_error *err) DRIP_MUST_CHECK;
void drip_engine_stats_free(struct drip_pipeline_stats *stats, size_t count);
/* Calls `visit` for each progress entry, and for each custom metric. Thread: any; do not call the
 * engine from `visit`. */
void drip_engine_visit_progress(struct drip_engine *engine,
				void (*visit)(const struct drip_progress *p, void *data),
				void *data);
void drip_engine_visit_metrics(struct drip_engine *engine,
			       void (*visit)(const char *component, const char *name,
					     const char *pipeline, const char *stage, bool counter,
					     double value, void *data),
			       void *data);
/* 0 where everything that should run does, and connections answer; otherwise the first reason.
 * Thread: any; may block. */
int drip_engine_ready(struct drip_engine *engine, struct drip_error *err) DRIP_MUST_CHECK;

/*
 * Taps the output of a stage ("" : the last before the sinks): `on_batch` gets each batch
 * (borrowed), on a worker thread, and must be quick. -ENOENT. Removed with drip_engine_untap, which
 * waits for a call under way.
 */
struct drip_tap;
int drip_engine_tap(struct drip_engine *engine, const char *pipeline, const char *stage,
		    void (*on_batch)(const struct drip_batch *batch, void *data), void *data,
		    struct drip_tap **ret, struct drip_error *err) DRIP_MUST_CHECK;
void drip_engine_untap(struct drip_tap *tap);
/* Dead letters that go back together: of one stage and one schema. */
struct drip_replay_group {
	const char *stage;        /* (borrowed) until the next call: it rejected them */
	struct drip_batch *batch; /* (gives) */
	const int64_t *ids;       /* (borrowed) likewise: of the letters */
	size_t ids_count;
	uint64_t number; /* 0: a new group; otherwise one that is put back once more */
};
/* 1 with the next group, 0 where there is none left, or an error. On a run's thread, when all that
 * came before is durable and settled. */
typedef int drip_replay_next_fn(struct drip_replay_group *ret, void *data, struct drip_error *err);
/*
 * Puts dead letters back before the stages that rejected them, group by group as `take` gives them.
 * Loop thread; the outcome is asynchronous: `done` is called on the loop thread once all is
 * durable and the letters are gone, or with the error. Where the pipeline waits for its schedule or
 * has finished, a run is started for them that reads nothing from the source. -EAGAIN with
 * engine.not_running, and a hint, while it is paused, has failed, or is about to go.
 */
int drip_engine_replay(struct drip_engine *engine, const char *pipeline, drip_replay_next_fn *take,
		       void (*done)(const struct drip_error *error, void *data), void *data,
		       struct drip_error *err) DRIP_MUST_CHECK;

/*
 * Models. check: that a version of a declared model can be loaded; 0 also where the document
 * declares no model of that name. refresh: whoever acquires the model from now on gets the version
 * that is in Production; where that cannot be loaded the one before stays. Thread: any; both block.
 */
int drip_engine_check_model(struct drip_engine *engine, const char *name, int64_t version,
			    struct drip_error *err) DRIP_MUST_CHECK;
int drip_engine_refresh_model(struct drip_engine *engine, const char *name,
			      struct drip_error *err) DRIP_MUST_CHECK;

const char *drip_pipeline_state_name(enum drip_pipeline_state state);

#endif
