/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In-process components, a store in memory, and an engine on a loop, for tests of the engine. A
 * fake's config struct is also where the test turns its knobs and reads what happened; fields after
 * `lock` are guarded by it. Waits are for events, never for time; a wait that never ends fails by
 * the watchdog.
 */
#ifndef DRIPLINE_TESTS_ENGINE_FAKES_H
#define DRIPLINE_TESTS_ENGINE_FAKES_H

#include "engine/engine.h"
#include <pthread.h>

#define FAKE_TARGET_MAX 400000

enum fake_fault { FAULT_NONE = 0, FAULT_NO_SCHEMA, FAULT_BACKWARDS, FAULT_SILENT };

/* Rows 1, 2, 3, ... in column "id"; the position of a batch is its last row. */
struct fake_source {
	int64_t rows; /* then it ends, or where `endless` has caught up */
	int64_t batch_rows, transaction_rows;
	bool endless, one_poll; /* one_poll: emits all within one poll */
	bool leaves;            /* a poll returns -ECANCELED once a stop is asked for */
	bool straddle;          /* ignores cuts */
	bool tables;            /* odd rows go to table "odd" */
	bool restricted;        /* a column of class restricted */
	int64_t fail_row;       /* poll fails before this row, `fails` times */
	int fails;
	bool retryable;
	enum fake_fault fault; /* once half of the rows are out */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int64_t emitted, acknowledged, started_from;
	int64_t may_emit; /* rows beyond this one are held back; -1: none is */
	int opens, open_now, starts;
	bool open_fails, exclusive_broken; /* exclusive_broken: was open twice at once */
};

enum fake_mode {
	FAKE_PASS = 0,
	FAKE_REJECT_ODD,
	FAKE_FILTER_ODD,
	FAKE_LOSE_ODD,
	FAKE_BUFFER, /* holds all until flush */
	FAKE_FAIL,
	FAKE_COUNT, /* keeps the number of rows as state */
	FAKE_PROBE, /* tries the host's functions in open, see `codes` */
};

struct fake_transform {
	enum fake_mode mode;
	const char *connection; /* held while it is open; NULL: none */
	pthread_mutex_t lock;
	int64_t counted;
	bool open_fails;
	int opens;          /* atomic */
	char codes[16][48]; /* FAKE_PROBE: error codes of the functions tried */
};

/* A connection that counts; its interface is "fake". */
struct fake_connection {
	pthread_mutex_t lock;
	int opens, open_now, pings;
	bool ping_fails;
	char state_code[48]; /* of a state_put, which connections may not */
};

struct fake_sink {
	bool emits;             /* which a sink may not */
	bool refuses_ten;       /* refuses_ten: rejects every tenth row */
	int fail_commits;       /* that many commits fail... */
	bool fail_after_effect; /* ... though they are done */
	bool retryable;
	int64_t hang_row; /* write blocks there until interrupted... */
	bool deaf;        /* ... or, where it is deaf, until this is false */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool blocked; /* writes wait */
	int64_t *target;
	int64_t target_count;
	uint64_t position, group; /* of dead letters */
	int64_t *pending;
	int64_t pending_count;
	int64_t written;
	int commits, aborts, lasts, opens, open_now;
	bool interrupted;
	uint64_t last_epoch;
};

extern const struct drip_component fake_source_component, fake_source_anew, fake_source_exclusive;
extern const struct drip_component fake_transform_component, fake_transform_stateful;
extern const struct drip_component fake_sink_exact, fake_sink_loose;
extern const struct drip_component fake_connection_component, fake_connection_exclusive;

void fake_source_init(struct fake_source *s, int64_t rows);
void fake_source_finish(struct fake_source *s);
void fake_source_allow(struct fake_source *s, int64_t rows);
void fake_transform_init(struct fake_transform *t, enum fake_mode mode);
void fake_sink_init(struct fake_sink *k);
void fake_sink_finish(struct fake_sink *k);
void fake_sink_block(struct fake_sink *k, bool blocked);
/* Rows in the target: all of 1..rows, each once and in order. */
bool fake_sink_holds(struct fake_sink *k, int64_t rows);

/* The store. */
struct fake_store {
	struct drip_durable durable;
	pthread_mutex_t lock;
	struct drip_position positions[8];
	size_t positions_count;
	uint64_t epoch;
	int checkpoints, fail_checkpoints, letters, runs, schemas, lineages;
	uint64_t replayed;    /* groups of dead letters in the checkpoint, */
	uint64_t settled[2];  /* what was last settled, */
	uint64_t groups_made; /* and the last one that was numbered */
	int64_t rows_in, rows_out, rows_filtered, rows_dead;
	enum drip_run_state run_state;
	char state_key[64], state_value[64];
	char lineage[512]; /* the last records, "in>out," */
	int64_t schedule_us;
};

void fake_store_init(struct fake_store *s);

/* Documents by hand: stages in the order of the calls. */
struct fake_doc;
struct fake_doc *fake_doc_create(void);
/* A pipeline; later stages belong to it. */
struct drip_pipeline_spec *fake_doc_pipeline(struct fake_doc *d, const char *name, uint64_t hash);
struct drip_stage *fake_doc_stage(struct fake_doc *d, const char *id,
				  const struct drip_component *component, const void *config,
				  uint32_t input);
void fake_doc_connection(struct fake_doc *d, const char *name, const void *config, uint64_t hash);
void fake_doc_memory(struct fake_doc *d, uint64_t bytes);
struct drip_document *fake_doc_take(struct fake_doc *d);

/* An engine with its own loop. */
struct bench {
	uv_loop_t loop;
	struct drip_engine *engine;
	struct fake_store store;
	int all_done;
};

void bench_init(struct bench *b, bool until_caught_up);
/* The same store, a new engine: as after a restart. */
void bench_restart(struct bench *b, bool until_caught_up);
void bench_apply(struct bench *b, struct fake_doc *d);
/* Runs the loop until `condition` is true; checked whenever something happened. */
void bench_until(struct bench *b, bool (*condition)(struct bench *b, void *data), void *data);
/* Until the pipeline is in this state. */
void bench_until_state(struct bench *b, const char *pipeline, enum drip_pipeline_state state);
enum drip_pipeline_state bench_state(struct bench *b, const char *pipeline);
/* Stops the engine, waits for its end, destroys it. */
void bench_stop(struct bench *b);
/* Statistics of a pipeline; free with drip_engine_stats_free(ret, bench_count). */
struct drip_pipeline_stats bench_stats(struct bench *b, const char *pipeline);
int64_t bench_stage_rows(struct bench *b, const char *pipeline, const char *stage, char what);

#endif
