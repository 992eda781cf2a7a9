/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the source `job`: SQL that runs in the warehouse, all steps of a run in one transaction
 * with the position that the run reached. No row leaves the engine but the report, one a step.
 * Thread: the source's; interrupt: any.
 */
#ifndef DRIPLINE_JOB_H
#define DRIPLINE_JOB_H

#include <dripline/dripline.h>
#include <dripline/text.h>
#include <pthread.h>

#define JOB_STEPS_MAX  200
#define JOB_TABLES_MAX 60      /* tables that one step reads */
#define JOB_ROWS       "_rows" /* temporary table of what a step's query yields */
#define JOB_POSITIONS  "_job_positions"
#define JOB_QUALITY    "quality_results"

struct job_change {
	const char *table, *as, *sequence;
};

struct job_step {
	const char *temp, *table, *check, *sql, *replaces;
	struct drip_enum severity;
};

enum job_severity { JOB_ERROR = 1, JOB_WARN };

struct job_config {
	struct drip_connection_ref connection;
	const char *schema, *as_of, *timezone;
	struct drip_objects changes, steps;
};

/* "schema.table" of an option. */
struct job_name {
	char schema[DRIP_NAME_MAX], table[DRIP_NAME_MAX];
};

/* A table that the steps name. */
struct job_use {
	const struct drip_schema *declared;
	bool written;
};

struct job {
	struct drip_ctx *ctx;
	const struct job_config *config;
	const struct drip_sql *sql;
	const struct drip_sql_dialect *dialect;
	void *object;
	pthread_mutex_t lock; /* guards `session` against interrupt */
	void *session;
	bool done, in_transaction, made_tables, lineage_known;
	int64_t run_at_us;
	int64_t *sequences; /* what each of `changes` has reached in this run */
	struct drip_text text;
	struct drip_text checks; /* rows of the quality results, to be kept where the run fails */
	struct drip_schema *report;
	/* turn.c */
	struct job_use *uses;
	size_t uses_count;
	bool makes_tables;  /* or will, once it has its turn; under the line's lock */
	struct job *behind; /* in the line */
};

/* job.c */
const char *job_step_name(const struct job_step *step);
const char *job_step_kind(const struct job_step *step);
static inline const struct job_step *job_step(const struct job_config *c, size_t i)
{
	return (const struct job_step *)c->steps.items + i;
}
static inline const struct job_change *job_change(const struct job_config *c, size_t i)
{
	return (const struct job_change *)c->changes.items + i;
}
void job_split(const char *name, struct job_name *ret);

/* text.c: job_put appends to job->text: %N a quoted name, %T two of them for "schema.table", %L a
 * literal, %D an int64_t, %I microseconds as an instant, %s text as it is, %Q a query without what
 * ends it. job_run runs it. */
void job_put(struct job *job, const char *fmt, ...);
int job_run(struct job *job, int64_t *ret_rows, struct drip_error *err) DRIP_MUST_CHECK;
/* First value of the first row as an integer; *ret stays where there is none or it is null. */
int job_number(struct job *job, int64_t *ret, struct drip_error *err) DRIP_MUST_CHECK;

/* turn.c: waits until no run that came before keeps this one from its tables, nor makes any;
 * -ECANCELED where a stop is asked for. After 0 job_turn_made_tables lets others make theirs, and
 * job_turn_leave ends the turn. */
int job_turn_take(struct job *job, struct drip_error *err) DRIP_MUST_CHECK;
void job_turn_made_tables(struct job *job);
void job_turn_leave(struct job *job);

/* tables.c: outside of the transaction: that what is read is there, schema, function and tables
 * that do not exist yet. */
int job_make_tables(struct job *job, struct drip_error *err) DRIP_MUST_CHECK;

/* steps.c */
int job_begin_changes(struct job *job, struct drip_error *err) DRIP_MUST_CHECK;
int job_store_positions(struct job *job, struct drip_error *err) DRIP_MUST_CHECK;
struct job_counts {
	int64_t inserted, deleted, violations;
};
int job_run_step(struct job *job, const struct job_step *step, struct job_counts *ret,
		 struct drip_error *err) DRIP_MUST_CHECK;
/* Writes the quality results of a run that was rolled back. */
void job_keep_checks(struct job *job);

/* check.c: false where the steps cannot be asked what they yield. */
bool job_check_options(const struct job_config *c, struct drip_report *report);
/* Reports what `declared`, the table of a step, does not take of what its query yields. */
void job_compare(struct drip_report *report, size_t index, const struct job_step *step,
		 const struct drip_schema *declared, const struct drip_schema *yielded);

/* infer.c: what the steps yield, over the declared tables. */
int job_check_steps(struct drip_ctx *ctx, const struct job_config *config,
		    struct drip_report *report, struct drip_error *err) DRIP_MUST_CHECK;
/* Calls `each` with every declared table that the steps name, until it fails. */
int job_each_input(struct job *job,
		   int (*each)(struct job *job, const struct drip_schema *declared,
			       struct drip_error *err),
		   struct drip_error *err) DRIP_MUST_CHECK;
/* Tells the host where the columns of the steps' tables come from. */
int job_record_lineage(struct job *job, struct drip_error *err) DRIP_MUST_CHECK;

#endif
