/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to core/engine: the structs of the running engine.
 *
 * Objects: a `drip_doc` is a loaded document, counted. An `edition` is one version of a pipeline's
 * declaration with its counters; a `drip_run` runs an edition: it opens its components, starts a
 * thread for the source and its transforms and one for each sink, and follows the commit protocol.
 * A `drip_pipeline` is what has the name: on the loop thread, it holds the run that runs and, while
 * a reload is under way, the one that shall follow.
 *
 * Locks, in the order in which they are taken: engine->lock (pipelines and their fields that other
 * threads read), run->lock (commit protocol, state, error), then the locks of queues, meters,
 * connections and taps, which are leaves. No op of a component is called under any of them, but
 * for taps' callbacks, under the taps' own.
 */
#ifndef DRIPLINE_ENGINE_PRIVATE_H
#define DRIPLINE_ENGINE_PRIVATE_H

#include "engine/commit.h"
#include "engine/cron.h"
#include "engine/engine.h"
#include "engine/queue.h"
#include <pthread.h>

#define ENGINE_POLL_MS      250
#define ENGINE_END_POLL_MS  20 /* of a run that ends once it has caught up */
#define ENGINE_SINK_IDLE_MS 5000
#define ENGINE_STACK_BYTES                                                                         \
	(2u << 20) /* of threads that run components; only touched pages count                     \
		    */
#define ENGINE_STATE_MAX_BYTES   (16u << 20)
#define ENGINE_INTERRUPT_WAIT_MS 15000 /* for ops to return after `interrupt` */
#define ENGINE_METRICS_MAX       256   /* of one instance */
#define ENGINE_PROGRESS_MAX      4096
#define ENGINE_QUALITY_MAX       16384 /* results of quality rules of one instance in one epoch */
#define ENGINE_LETTERS_MAX       256   /* dead letters held back until they are stored together */
#define ENGINE_LETTERS_SEEN_MAX  65536 /* at one position, of which equal ones are told apart */
#define ENGINE_BREAKS_MAX        16    /* of a table's contract that are told */
#define ENGINE_SCHEMAS_MAX       4096  /* cached negotiations of one stage */

/* ---- document and edition ---- */

struct drip_doc {
	uint32_t refs;
	struct drip_document *document;
};

struct drip_doc *drip_doc_create(struct drip_document *document); /* takes; NULL: no memory */
struct drip_doc *drip_doc_ref(struct drip_doc *doc);
void drip_doc_unref(struct drip_doc *doc);

struct drip_counts {
	int64_t in, out, filtered, dead, injected, batches;
	uint64_t bytes;
};

struct drip_metric {
	const char *name; /* own copy */
	bool counter;
	double value;
};

struct drip_meter_progress {
	char *table;
	uint64_t done, total;
};

/* Metrics and progress of one instance. */
struct drip_meters {
	pthread_mutex_t lock;
	struct drip_metric *metrics;
	size_t metrics_count, metrics_capacity;
	struct drip_meter_progress *progress;
	size_t progress_count, progress_capacity;
};

int drip_meters_init(struct drip_meters *m) DRIP_MUST_CHECK;
void drip_meters_finish(struct drip_meters *m);
void drip_meters_set(struct drip_meters *m, const char *name, bool counter, double value);
void drip_meters_progress(struct drip_meters *m, const char *table, uint64_t done, uint64_t total);

/* Calls `visit` for each metric, with its lock held. */
void drip_meters_visit(struct drip_meters *m, const char *component, const char *pipeline,
		       const char *stage,
		       void (*visit)(const char *component, const char *name, const char *pipeline,
				     const char *stage, bool counter, double value, void *data),
		       void *data);

struct slot {
	struct drip_counts base; /* of ended runs, as far as committed; engine->lock */
	struct drip_meters meters;
};

struct edition {
	uint32_t refs;
	struct drip_doc *doc;
	const struct drip_pipeline_spec *spec; /* (borrowed) from doc */
	struct slot *slots;                    /* one a stage */
	int64_t commits, retries;              /* engine->lock */
};

struct edition *drip_edition_create(struct drip_doc *doc, const struct drip_pipeline_spec *spec);
struct edition *drip_edition_ref(struct edition *e);
void drip_edition_unref(struct edition *e);

/* ---- instances ---- */

struct drip_negotiation {
	const struct drip_schema *input; /* a reference is held */
	bool handles;
	struct drip_negotiated result;
	struct drip_instance *cleanser; /* feed that cleanses; NULL: it only chooses columns */
	int32_t *feed_columns;          /* feed: input column of each output column, -1: null */
	/* feed: how the table breaks its contract, and in how many ways of which that many are
	 * here; NULL: it does not */
	struct drip_error *broken;
	uint32_t broken_count;
	struct drip_schema *marked; /* feed: `input` with the classes of the contract, or NULL */
	bool exact;                 /* feed: the contract names this table, not a pattern */
	bool merged;                /* feed: one of several that go on under one name */
};

struct drip_negotiations {
	struct drip_negotiation **items; /* open addressing by the schema's address */
	size_t count, capacity;
};

struct state_entry {
	char *stage, *key;
	void *value;
	size_t size;
	bool deleted;
};

struct state_set {
	struct state_entry *items;
	size_t count, capacity;
};

struct letter_seen {
	uint64_t hash; /* 0: free */
	uint32_t count;
};

struct drip_letters {
	struct drip_dead_letter *items;
	size_t count;
	uint64_t group; /* the last group of which rows were rejected again, and how many */
	uint64_t rejected;
	uint64_t epoch; /* that is open for the instance's thread */
	/* how often a row was refused at one position: open addressing by a hash of row and op */
	struct letter_seen *seen;
	size_t seen_count, seen_capacity;
	struct drip_position at;
};

/* Results of quality rules; strings are own copies. */
struct quality_set {
	struct drip_quality_entry *items;
	size_t count, capacity;
};

struct drip_quarantined;

struct drip_instance {
	struct drip_ctx ctx; /* first: what components hand back */
	struct drip_engine *engine;
	struct drip_run *run;           /* NULL: of a connection or service */
	const struct drip_stage *stage; /* NULL likewise */
	uint32_t index;
	const struct drip_component *component;
	const void *config;
	struct drip_doc *doc; /* a reference is held */
	void *self;
	bool opened, started;
	struct drip_meters *meters; /* (borrowed) from the slot, or own */
	const struct drip_run
		*watched; /* no run of its own: this one's stop is meant; NULL: none */
	char *data_dir;
	uint32_t *children; /* stages that this one feeds */
	uint32_t children_count;

	struct drip_counts counts; /* atomics, written by the instance's thread */
	int64_t busy_us;           /* atomic */
	int64_t left_out; /* sinks: rows that it filtered itself; atomic, not in counts.filtered */
	int64_t routed;   /* sinks: rows sent into its queue; source's thread */
	struct drip_counts stored; /* as of the last checkpoint; run->lock */

	struct drip_negotiations negotiations;  /* source's thread */
	const struct drip_negotiation *current; /* of the batch being processed; source's thread */
	uint64_t last_sequence;
	uint64_t checked;           /* batches validated */
	struct state_set pending;   /* put since the last epoch; run->lock */
	struct quality_set quality; /* likewise */
	struct drip_letters letters;
	struct drip_quarantined *quarantine; /* feed: tables that break their contract, or did */
	uint64_t skipped;                    /* rows, by on_error: skip */
};

static inline struct drip_instance *drip_instance_of(struct drip_ctx *ctx)
{
	return (struct drip_instance *)(void *)ctx;
}

extern const struct drip_host drip_engine_host;

int drip_instance_init(struct drip_instance *i, struct drip_engine *engine, struct drip_doc *doc,
		       const struct drip_component *component, const void *config,
		       const char *pipeline, const char *name,
		       struct drip_error *err) DRIP_MUST_CHECK;
int drip_instance_open(struct drip_instance *i, struct drip_error *err) DRIP_MUST_CHECK;
void drip_instance_close(struct drip_instance *i);
void drip_instance_finish(struct drip_instance *i);
void drip_instance_interrupt(struct drip_instance *i);
static inline const void *drip_instance_ops(const struct drip_instance *i)
{
	return i->component->ops;
}
/* An op of the instance's kind that may be absent: NULL or beyond the struct's size. */
#define DRIP_OP_OF(ops, field) (DRIP_HAS(ops, field) ? (ops)->field : NULL)

/* ---- runs ---- */

struct replay {
	struct replay *next;
	drip_replay_next_fn *take;
	void (*done)(const struct drip_error *error, void *data);
	void *data;
	bool begun; /* a group of it went downstream in this attempt */
	struct drip_error error;
};

/* What belongs to one epoch beside its positions. */
struct epoch_data {
	struct state_set states;
	struct quality_set quality;
	struct drip_counts *counts; /* of each stage, since the start of the attempt */
};

struct sink_thread {
	struct drip_run *run;
	uint32_t stage;  /* index of the instance */
	uint32_t number; /* of the sink: bit in masks */
	struct drip_queue queue;
	pthread_t thread;
	bool started, done, wrote;
	int64_t received;           /* rows taken from the queue */
	struct drip_position *held; /* when the attempt began; run's thread, until threads start */
	size_t held_count;
};

struct drip_want;

struct drip_run {
	struct drip_run *next; /* of abandoned ones */
	struct drip_engine *engine;
	struct edition *edition;
	const struct drip_pipeline_spec *spec; /* of the edition */
	pthread_t thread;
	bool thread_started;
	bool prepare;          /* wait for `go` once all is open, and fail where that fails */
	bool until_caught_up;  /* as the engine's options, but false for a daemon's streams */
	bool replay_only;      /* puts `replays` back and ends: the source is not even opened */
	int64_t scheduled_us;  /* the time of the schedule that it runs for, 0: none */
	bool quarantine_break; /* atomic: until the source has caught up, as drip_engine_resume */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool go, cancel, stop, pause;
	bool rewind; /* the attempt was ended while paused, to begin anew at the checkpoint */
	bool prepared, ended;
	bool stopping; /* atomic copy of stop || cancel */
	bool aborting; /* atomic: an attempt has failed, its threads leave */
	bool opened_once, progressed;
	int64_t deadline_us; /* monotonic; of draining, 0: none */
	enum drip_pipeline_state state;
	struct drip_error error; /* why the attempt, or the run, failed */
	int64_t error_us;        /* when, by the monotonic clock */
	int32_t failed_stage;
	struct drip_commit *commit; /* NULL between attempts */
	bool caught_up;
	uint64_t epoch;
	int64_t checkpoint_us, commit_time_us;
	int64_t caught_up_us; /* wall clock; when the source last said so */
	char position[160];
	struct replay *replays; /* asked for; the first may be under way */

	struct drip_instance *instances; /* one a stage */
	uint32_t instances_count;
	bool instances_ready; /* they may be read, and queues of sinks cancelled */
	struct sink_thread *sinks;
	uint32_t sinks_count;
	pthread_t source_thread;
	bool source_started, source_done;
	bool abandoned; /* a thread does not return: nothing of the run may be freed */
	bool finished;  /* the outcome of the last attempt */

	/* source's thread */
	uint64_t sequence, held;
	bool source_emitted;
	struct drip_position at; /* of the last batch */
	char run_id[37];
	struct drip_want *want; /* what the source may ask for, while it is open */
};

void drip_want_destroy(struct drip_want *want);
int drip_run_create(struct drip_engine *engine, struct edition *edition, struct drip_run **ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
void drip_run_destroy(struct drip_run *run);
int drip_run_start(struct drip_run *run, struct drip_error *err) DRIP_MUST_CHECK;
void drip_run_go(struct drip_run *run);     /* a prepared run: start */
void drip_run_cancel(struct drip_run *run); /* a prepared run: close again */
void drip_run_stop(struct drip_run *run);   /* drain */
void drip_run_pause(struct drip_run *run, bool pause);
/* A paused run closes its stages, and begins anew at its checkpoint when it may go on. False: it is
 * not paused, nor has it ended. */
bool drip_run_rewind(struct drip_run *run);
/* Ends the attempt with an error; the first one counts. `stage` -1: none. Thread: any. */
void drip_run_fail(struct drip_run *run, int32_t stage, const struct drip_error *err);
bool drip_run_aborting(const struct drip_run *run);
void drip_run_set_state(struct drip_run *run, enum drip_pipeline_state state);

/* One attempt: from the checkpoint until the end, a stop or a failure (run->error). */
int drip_attempt(struct drip_run *run);
int drip_attempt_open(struct drip_run *run, struct drip_error *err) DRIP_MUST_CHECK;
void drip_attempt_close(struct drip_run *run);
void *drip_source_main(void *run);
void *drip_sink_main(void *sink_thread);
int drip_thread_start(pthread_t *ret, void *(*main)(void *), void *data) DRIP_MUST_CHECK;
/* Cuts the open epoch: flush, account, send its end to the sinks. Source's thread. */
int drip_source_cut(struct drip_run *run, struct drip_error *err) DRIP_MUST_CHECK;
int drip_source_emit(struct drip_instance *source, struct drip_batch *batch,
		     struct drip_error *err) DRIP_MUST_CHECK;

/* Routing, on the source's thread. All take a reference of the batch where they say so. */
int drip_route_emit(struct drip_instance *from, struct drip_batch *batch,
		    struct drip_error *err) DRIP_MUST_CHECK; /* takes */
int drip_route_deliver(struct drip_run *run, uint32_t stage, const struct drip_batch *batch,
		       struct drip_error *err) DRIP_MUST_CHECK; /* borrows */
int drip_negotiation_get(struct drip_instance *i, const struct drip_schema *schema,
			 const struct drip_negotiation **ret, bool *ret_new,
			 struct drip_error *err) DRIP_MUST_CHECK;
void drip_negotiations_finish(struct drip_negotiations *n);
int drip_feed_prepare(struct drip_negotiation *n, struct drip_error *err) DRIP_MUST_CHECK;
int drip_feed_apply(const struct drip_negotiation *n, const struct drip_batch *batch,
		    struct drip_batch **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Records the lineage of a table that reaches a sink for the first time. */
int drip_lineage_record(struct drip_instance *sink, const struct drip_negotiation *n,
			struct drip_error *err) DRIP_MUST_CHECK;
/* in = out + filtered + dead + in flight: checked at each cut. */
int drip_accounting_check(struct drip_run *run, struct drip_error *err) DRIP_MUST_CHECK;
struct drip_counts drip_counts_load(const struct drip_counts *c);

/* Rows left out on purpose, by the instance itself. */
void drip_counts_filtered(struct drip_instance *i, int64_t rows);

/* Dead letters. */
int drip_letters_reject(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
			const struct drip_error *reason, struct drip_error *err) DRIP_MUST_CHECK;
/* Makes the row a dead letter, whatever the policy; -1: the TRUNCATE that the batch is. */
int drip_letters_keep(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
		      const struct drip_error *reason, struct drip_error *err) DRIP_MUST_CHECK;
int drip_letters_store(struct drip_instance *i, struct drip_error *err) DRIP_MUST_CHECK;
void drip_letters_finish(struct drip_instance *i);

/* Tables that break a feed's contract, and the policy for them. */

/* A feed's negotiation: a table that breaks its contract is no error yet. */
int drip_quarantine_negotiate(struct drip_instance *feed, struct drip_negotiation *n,
			      struct drip_error *err) DRIP_MUST_CHECK;
/* *ret_taken: the batch is in quarantine and goes no further, but for *ret (gives; NULL: nothing),
 * of another schema, which goes on in its place. */
int drip_quarantine_take(struct drip_instance *feed, const struct drip_negotiation *n,
			 const struct drip_batch *batch, bool *ret_taken, struct drip_batch **ret,
			 struct drip_error *err) DRIP_MUST_CHECK;
/* Rows that were put back, under `whole`; those that do not fit are dead letters again. *ret
 * (gives) NULL: none fits. */
int drip_fit_rows(struct drip_instance *feed, const struct drip_schema *whole,
		  const struct drip_batch *batch, struct drip_batch **ret,
		  struct drip_error *err) DRIP_MUST_CHECK;
void drip_quarantine_finish(struct drip_instance *feed);

/* Puts the next group of dead letters back, if one is asked for and all before is durable. 1:
 * another turn is to be taken before the source is polled. Source's thread, between batches. */
int drip_replay_inject(struct drip_run *run, struct drip_error *err) DRIP_MUST_CHECK;
/* The attempt has failed: what was under way ends with its error. */
void drip_replay_failed(struct drip_run *run, const struct drip_error *error);

/* State that components keep. */
int drip_state_put(struct drip_instance *i, const char *key, const void *value, size_t size,
		   struct drip_error *err) DRIP_MUST_CHECK;
int drip_state_get(struct drip_instance *i, const char *key, void **ret, size_t *ret_size,
		   struct drip_error *err) DRIP_MUST_CHECK;
/* Moves all of `from` into `to`, later values replacing earlier ones. */
int drip_state_merge(struct state_set *to, struct state_set *from,
		     struct drip_error *err) DRIP_MUST_CHECK;
void drip_state_finish(struct state_set *s);
/* Results of quality rules, as drip_host.quality. */
int drip_quality_put(struct drip_instance *i, const struct drip_quality_result *results,
		     size_t count, bool at_once, struct drip_error *err) DRIP_MUST_CHECK;
/* Moves all of `from` behind `to`. */
int drip_quality_merge(struct quality_set *to, struct quality_set *from,
		       struct drip_error *err) DRIP_MUST_CHECK;
void drip_quality_finish(struct quality_set *s);
void drip_epoch_data_destroy(struct epoch_data *data);

/* ---- connections, services, taps ---- */

struct shared_connection;

struct drip_connections {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct shared_connection *first;
};

int drip_connections_init(struct drip_connections *c) DRIP_MUST_CHECK;
void drip_connections_finish(struct drip_connections *c);
int drip_connection_get(struct drip_instance *user, const char *name, const char *interface_name,
			const void **ret_interface, void **ret_object,
			struct drip_error *err) DRIP_MUST_CHECK;
void drip_connection_put(struct drip_instance *user, const char *name, void *object);
int drip_connections_ping(struct drip_engine *engine, struct drip_error *err) DRIP_MUST_CHECK;

void drip_connections_visit(struct drip_engine *engine,
			    void (*visit)(const char *component, const char *name,
					  const char *pipeline, const char *stage, bool counter,
					  double value, void *data),
			    void *data);
/* ---- models ---- */

struct model_handle;

struct drip_models {
	pthread_mutex_t lock;
	struct model_handle *first;
};

int drip_models_init(struct drip_models *m) DRIP_MUST_CHECK;
void drip_models_finish(struct drip_models *m);
/* As drip_connection_get and put, for the interface drip_model. */
int drip_model_get(struct drip_instance *user, const char *name, const void **ret_interface,
		   void **ret_object, struct drip_error *err) DRIP_MUST_CHECK;
void drip_model_put(struct drip_instance *user, void *object);

/* Wakes whoever waits in a connection or service. */
void drip_connections_wake(struct drip_engine *engine);

struct drip_service {
	struct drip_service *next;
	const struct drip_declared *declared;
	struct drip_instance instance;
	struct drip_meters meters;
	bool running;
	struct drip_error error;
};

/* Starts, replaces and stops services so that those of `doc` run; NULL: none. Blocks: not on the
 * loop thread. One call at a time. */
void drip_services_apply(struct drip_engine *engine, struct drip_doc *doc);

void drip_taps_call(struct drip_engine *engine, const struct drip_instance *from,
		    const struct drip_batch *batch);

/* ---- the engine ---- */

struct drip_pipeline {
	struct drip_pipeline *next;
	char *name;
	struct edition *edition; /* what shall run */
	struct drip_run *current, *upcoming;
	struct drip_run *last;    /* the run that ended last, for stats */
	struct edition *fallback; /* of a run that was stopped first for an exclusive component */
	bool removed, paused, ran;
	uint32_t held; /* its checkpoint is being changed: it may not go on */
	enum drip_pipeline_state state, reported; /* state: while there is no run */
	struct drip_error error;                  /* the last one */
	int64_t error_us;                         /* when, by the monotonic clock */
	struct drip_cron *cron;                   /* NULL: streaming */
	int64_t due_us;   /* atomic; wall clock; INT64_MAX: none, or not known yet */
	bool due_unknown; /* the last time is being read */
	int64_t unmet_us; /* atomic; when the first run was due that has not succeeded since; 0 */
	bool triggered;   /* a run is asked for, whatever the schedule says */
	bool quarantine_break;  /* for the next run; loop thread */
	struct replay *replays; /* while there is no run: for the next one; loop thread */
};

struct engine_handles {
	uv_async_t async;
	uv_timer_t timer;
	struct drip_engine *engine; /* NULL once it is gone */
	int open;
};

struct drip_tap {
	struct drip_tap *next;
	struct drip_engine *engine;
	char *pipeline, *stage;
	void (*on_batch)(const struct drip_batch *batch, void *data);
	void *data;
};

struct drip_engine {
	struct drip_engine_options options;
	struct engine_handles *handles;
	pthread_mutex_t lock;
	struct drip_pipeline *pipelines;
	struct drip_doc *doc;
	struct replay *replayed; /* their outcome is to be told */
	struct drip_budget budget;
	struct drip_connections connections;
	struct drip_models models;
	pthread_mutex_t services_lock;
	struct drip_service *services;
	pthread_rwlock_t taps_lock;
	struct drip_tap *taps;
	uint32_t taps_count;        /* atomic */
	struct drip_run *abandoned; /* never freed: a thread of theirs does not return */
	bool stopping, all_done;
	bool closing; /* atomic: services shall leave */
	int64_t stop_deadline_us;
	/* loop thread: work on libuv's pool */
	uint32_t works;
	bool services_busy, services_wanted, services_down;
};

/* Makes the loop thread look at all pipelines. Thread: any. */
void drip_engine_wake(struct drip_engine *engine);
/* Hands over a list of replays whose outcome stands in their `error`. Thread: any. */
void drip_engine_replayed(struct drip_engine *engine, struct replay *list);
/* Runs `work` on libuv's pool, then `done` on the loop thread. */
int drip_engine_work(struct drip_engine *engine, void (*work)(struct drip_engine *, void *),
		     void (*done)(struct drip_engine *, void *), void *data) DRIP_MUST_CHECK;
int64_t drip_mono_us(void);

/* Loop thread: does what the pipeline's state asks for next. True: the pipeline is gone for good
 * and can be destroyed. */
bool drip_pipeline_step(struct drip_engine *engine, struct drip_pipeline *p);
/* True while one that it goes after has a run due or under way; the end of a run wakes the engine.
 * Loop thread. */
bool drip_pipeline_waits(const struct drip_engine *engine, const struct drip_pipeline *p);
/* (gives) a pipeline of this edition (takes a reference of its own). */
struct drip_pipeline *drip_pipeline_create(struct drip_engine *engine, struct edition *edition);
/* Another edition shall run. */
void drip_pipeline_replace(struct drip_engine *engine, struct drip_pipeline *p,
			   struct edition *edition);
/* Puts a replay into the run, or starts one for it with the next step. Takes it. */
void drip_pipeline_replay(struct drip_pipeline *p, struct replay *r);
/* Tells replays that wait for a run that there will be none. */
void drip_pipeline_refuse_replays(struct drip_engine *engine, struct drip_pipeline *p,
				  const struct drip_error *why); /* NULL: it has ended */
/* Gives up runs that do not end. */
void drip_pipeline_abandon(struct drip_engine *engine, struct drip_pipeline *p);
enum drip_pipeline_state drip_pipeline_state(const struct drip_engine *engine,
					     const struct drip_pipeline *p);
/* True where it does not run and will not by itself. */
bool drip_pipeline_terminal(const struct drip_engine *engine, const struct drip_pipeline *p);
void drip_pipeline_destroy(struct drip_pipeline *p);
struct drip_pipeline *drip_pipeline_find(struct drip_engine *engine, const char *name);

#endif
