/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the engine needs kept: checkpoints, runs, schema history, lineage, dead letters. core/store
 * implements it on SQLite; tests and the simulation implement it in memory. All functions may block
 * and may be called from any thread.
 */
#ifndef DRIPLINE_ENGINE_DURABLE_H
#define DRIPLINE_ENGINE_DURABLE_H

#include <dripline/dripline.h>

struct drip_state_entry {
	const char *stage, *key;
	const void *value; /* NULL: delete */
	size_t size;
};

/* What a quality rule found in rows of a table. */
struct drip_quality_entry {
	const char *stage, *rule, *table, *action;
	int64_t checked, failed;
};

struct drip_quality_findings {
	const char *run_id;
	const char *first_position, *last_position; /* of the rows, as text */
	const struct drip_quality_entry *entries;
	size_t count;
};

/* All that becomes durable together when an epoch is committed. */
struct drip_checkpoint {
	uint64_t epoch;
	const struct drip_position *positions;
	size_t positions_count;
	const struct drip_state_entry *states;
	size_t states_count;
	uint64_t replayed; /* dead letters of groups up to this one are at an end; 0: none */
	int64_t rows_in, rows_out, rows_filtered, rows_dead; /* since the last checkpoint */
	struct drip_quality_findings quality;                /* likewise */
};

#define DRIP_LETTER_TRUNCATE 't' /* op of a letter that is no row */

struct drip_dead_letter {
	const char *pipeline, *stage, *table;
	const char *code, *reason;
	const char *row_json;    /* the row, columns by name */
	const char *schema_json; /* drip_schema_to_json */
	char op;
	uint32_t nth; /* of those that are the same at this position, from 0 */
	struct drip_position position;
	uint64_t epoch; /* that was open when the row was refused */
	int64_t wall_us;
};

/* What a sink holds beyond the checkpoint: it is not given these rows again. */
struct drip_letters_held {
	const char *stage;
	const struct drip_position *position; /* of one partition */
};

/* What became of dead letters that were written or put back when the last attempt ended. */
struct drip_letters_settled {
	uint64_t epoch;                       /* of the last checkpoint */
	const struct drip_letters_held *held; /* letters of these sinks up to there stay */
	size_t held_count;
	uint64_t all, some; /* the last groups that every sink holds, and that some sink holds */
};

struct drip_lineage_record {
	const char *pipeline, *stage;
	const char *input_namespace, *input_dataset, *input_column;
	const char *output_namespace, *output_dataset, *output_column;
	enum drip_lineage_kind kind;
	enum drip_class classification; /* of the output column */
	bool one_input; /* what other inputs give to the dataset is another call's, and stays */
};

/* A version of a model, to be registered. Texts may be NULL for none. */
struct drip_model_record {
	const char *name, *description, *component;
	bool approval;    /* of the declaration: see drip_model_spec */
	double tolerance; /* likewise */
	const char *actor;
	const void *artifact;
	size_t size;
	const char *features_json, *parameters_json;
	const struct drip_model_facts *facts;
};

#define DRIP_CHECKSUM_SIZE 65 /* SHA-256 in hex, with its NUL */

/* A version with its artifact. */
struct drip_model_artifact {
	int64_t version, created_us;
	char checksum[DRIP_CHECKSUM_SIZE];
	char component[64];
	char *metrics_json, *parameters_json; /* malloc'd */
	void *data;                           /* malloc'd */
	size_t size;
};

void drip_model_artifact_finish(struct drip_model_artifact *a); /* zeroed is accepted */

enum drip_run_state { DRIP_RUN_RUNNING = 1, DRIP_RUN_SUCCEEDED, DRIP_RUN_FAILED, DRIP_RUN_STOPPED };

struct drip_durable {
	void *self;
	/* (gives) a malloc'd array, count 0 where there is no checkpoint, and the last epoch's
	 * number. */
	int (*checkpoint_load)(void *self, const char *pipeline, struct drip_position **ret,
			       size_t *ret_count, uint64_t *ret_epoch, struct drip_error *err);
	int (*checkpoint_commit)(void *self, const char *pipeline,
				 const struct drip_checkpoint *checkpoint, struct drip_error *err);
	/* (gives) a malloc'd copy; -ENOENT. */
	int (*state_get)(void *self, const char *pipeline, const char *stage, const char *key,
			 void **ret, size_t *ret_size, struct drip_error *err);
	int (*run_begin)(void *self, const char *pipeline, char ret_run_id[37],
			 struct drip_error *err);
	/* When the oldest run that is kept was begun, microseconds; 0: there is none. Optional. */
	int (*run_first)(void *self, const char *pipeline, int64_t *ret_us, struct drip_error *err);
	int (*run_end)(void *self, const char *run_id, enum drip_run_state state,
		       const struct drip_error *reason, struct drip_error *err);
	/* Adds what rules found, durable when it returns; NULL where nothing keeps it. */
	int (*quality_put)(void *self, const char *pipeline,
			   const struct drip_quality_findings *findings, struct drip_error *err);
	/* Last scheduled time for which a run was begun, microseconds; 0: never. For "missed runs
	 * catch up once". */
	int (*schedule_get)(void *self, const char *pipeline, int64_t *ret_us,
			    struct drip_error *err);
	int (*schedule_put)(void *self, const char *pipeline, int64_t us, struct drip_error *err);
	/* A schema seen at a stage's output; kept once per version. */
	int (*schema_put)(void *self, const char *pipeline, const char *stage,
			  const struct drip_schema *schema, const struct drip_position *position,
			  struct drip_error *err);
	/* Replaces the records of the pipeline's stage and output dataset, or with `one_input`
	 * those of this input dataset among them. */
	int (*lineage_put)(void *self, const struct drip_lineage_record *records, size_t count,
			   struct drip_error *err);
	/* Durable when it returns. Same pipeline, stage, position, op, row and nth: recorded once.
	 */
	int (*dead_letter_put)(void *self, const struct drip_dead_letter *letters, size_t count,
			       struct drip_error *err);
	/* Whether there are letters of the table; NULL where nothing keeps them. */
	int (*letters_left)(void *self, const char *pipeline, const char *stage, const char *table,
			    bool *ret, struct drip_error *err);
	/* Models; NULL where nothing keeps them. add: durable when it returns. */
	int (*model_add)(void *self, const struct drip_model_record *record,
			 struct drip_model_added *ret, struct drip_error *err);
	/* (gives) *ret, to be freed with drip_model_artifact_finish. `version` 0: the one in
	 * Production, -ENOENT with model.no_production where there is none. Checks the artifact
	 * against its checksum. */
	int (*model_read)(void *self, const char *name, int64_t version,
			  struct drip_model_artifact *ret, struct drip_error *err);
	/* The last group of dead letters in the checkpoint, 0: none. It outlives a reset. */
	int (*replayed_get)(void *self, const char *pipeline, uint64_t *ret,
			    struct drip_error *err);
	/*
	 * Makes letters a group, durable when it returns. -ENOENT with dlq.unknown_letter where one
	 * of them is not there or of a group already, -EAGAIN with dlq.replay_pending where another
	 * group is under way.
	 */
	int (*letters_group)(void *self, const char *pipeline, uint64_t group, const int64_t *ids,
			     size_t count, struct drip_error *err);
	/*
	 * After a crash: drops letters of rows that are read again, those of epochs without a
	 * checkpoint; drops letters of groups that every sink holds, those up to `all`, and ends
	 * groups that no sink holds, those beyond `some`, with what was rejected in them anew.
	 * What is in between waits to be put back.
	 */
	int (*letters_settle)(void *self, const char *pipeline,
			      const struct drip_letters_settled *what, struct drip_error *err);
};

#endif
