/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What most transforms need: a cache of what was worked out for a schema, batches that differ from
 * another in their schema or ops only, and the mark that stands in for a batch of which no row is
 * left. Used by one thread at a time.
 */
#ifndef DRIPLINE_TRANSFORM_H
#define DRIPLINE_TRANSFORM_H

#include <dripline/plugin.h>
#include <dripline/sql.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_PLANS_MAX 4096 /* schemas remembered at one time */

/* Plans by input schema. Zeroed but for `destroy` is empty. Schemas are told apart by address; each
 * is referenced while its plan is kept. */
struct drip_plans {
	void (*destroy)(void *plan);
	struct drip_plan_entry *entries; /* private */
	size_t count, capacity, last;
};

/* The plan for `schema`, or NULL. */
void *drip_plans_find(struct drip_plans *plans, const struct drip_schema *schema);
/* Remembers `plan` (takes, also on failure). At DRIP_PLANS_MAX all older ones are destroyed. */
int drip_plans_put(struct drip_plans *plans, const struct drip_schema *schema, void *plan,
		   struct drip_error *err) DRIP_MUST_CHECK;
void drip_plans_finish(struct drip_plans *plans);

/* (gives) `from` under another schema with as many columns of the same types; buffers shared. */
int drip_batch_with_schema(const struct drip_batch *from, const struct drip_schema *schema,
			   struct drip_batch **ret_batch, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) `from` with other ops: `ops` (takes, also on failure) is a malloc'd array of one a row.
 */
int drip_batch_with_ops(const struct drip_batch *from, uint8_t *ops, struct drip_batch **ret_batch,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Emits, in place of `batch` (takes, also on failure) of which no row is left, a mark that moves
 * the position; a batch that neither moves it nor ends a transaction just vanishes. */
int drip_emit_mark(struct drip_ctx *ctx, struct drip_batch *batch,
		   struct drip_error *err) DRIP_MUST_CHECK;
/*
 * Emits rows `rows[0 ... count)` (ascending) of `batch` (takes, also on failure): the batch itself
 * where they are all, a mark where they are none. Does not count the rest as filtered.
 */
int drip_emit_rows(struct drip_ctx *ctx, struct drip_batch *batch, const int64_t *rows,
		   int64_t count, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the rows of `batch` of which `out`, one a row, is 0; NULL where none is left. */
int drip_batch_leave_out(const struct drip_batch *batch, const uint8_t *out,
			 struct drip_batch **ret_batch, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) One column that holds the rows of `parts` (borrowed) one after the other. */
int drip_column_concat(const struct ArrowArray *const *parts, size_t count, enum drip_type type,
		       struct ArrowArray *ret, struct drip_error *err) DRIP_MUST_CHECK;

/*
 * SQL over the rows of a batch, run by the process's DuckDB ("@duckdb"). In it the table `input` is
 * the batch, with one more column, DRIP_ROW_COLUMN, that numbers its rows from 0.
 */
#define DRIP_ROW_COLUMN "__drip_row"

/* What `text` yields over `input`, and which input columns each output column hangs on; see infer
 * and infer_lineage of drip_sql. Edges may be NULL. Needs no open rows below. */
int drip_sql_rows_infer(struct drip_ctx *ctx, const char *text, const struct drip_schema *input,
			struct drip_schema **ret_schema, struct drip_lineage_edge **ret_edges,
			uint32_t *ret_edges_count, struct drip_error *err) DRIP_MUST_CHECK;

/* True where `text` is one query by its grammar. What hangs on the input, as columns and types, is
 * left to infer; so is all where the engine is not to be had. For `check`, which knows no schema.
 */
bool drip_sql_rows_parses(struct drip_ctx *ctx, const char *text, struct drip_error *err);

/* A session for batches of one schema, so that statements stay prepared. Zeroed is closed. */
struct drip_sql_rows {
	struct drip_ctx *ctx;
	const struct drip_sql *sql;
	void *object, *session;
};

int drip_sql_rows_open(struct drip_sql_rows *r, struct drip_ctx *ctx,
		       struct drip_error *err) DRIP_MUST_CHECK;
void drip_sql_rows_close(struct drip_sql_rows *r);
/* Runs `text` over `batch` (borrowed); results as of drip_sql_collect. */
int drip_sql_rows_run(struct drip_sql_rows *r, const char *text, const struct drip_batch *batch,
		      struct drip_schema **ret_schema, struct ArrowArray **ret_columns,
		      int64_t *ret_rows, struct drip_error *err) DRIP_MUST_CHECK;
/* True for a failure of run that the values of a row may have caused, so that fewer rows may pass.
 */
bool drip_sql_rows_is_data_error(int rc, const struct drip_error *err);

/* How the rows are found whose values make a statement fail. */
struct drip_sql_search {
	struct drip_ctx *ctx;
	/* The statement over a slice of the batch that begins at its row `start`. */
	int (*run)(void *data, const struct drip_batch *slice, int64_t start,
		   struct drip_error *err);
	void *data;
	const char *option; /* that holds the statement */
	uint8_t *marks;     /* one a row; those of bad rows are set to `mark` */
	uint8_t mark;
};

/* After `run` has failed over all of `batch` with `first`, a data error: halves the rows until the
 * bad ones are found, marks them, and hands them to the on_error policy. The halves without any
 * have been run. */
int drip_sql_rows_find_bad(const struct drip_sql_search *search, const struct drip_batch *batch,
			   const struct drip_error *first, struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
