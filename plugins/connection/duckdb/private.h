/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the DuckDB connection. One `struct drip_duck` is one database handle; the process holds
 * one a file. Sessions are DuckDB connections, each used by one thread at a time.
 */
#ifndef DRIPLINE_DUCKDB_PRIVATE_H
#define DRIPLINE_DUCKDB_PRIVATE_H

#define DUCKDB_API_NO_DEPRECATED
#include <dripline/dripline.h>
#include <dripline/guard.h>
#include <duckdb.h>
#include <pthread.h>

/*
 * Functions that the library exports and the header of another release may lack. Weak: where the
 * library has none, results are held in memory instead of streamed.
 */
extern duckdb_state duckdb_pending_prepared_streaming(duckdb_prepared_statement statement,
						      duckdb_pending_result *out_result)
	__attribute__((weak));

#define DRIP_DUCK_CHUNK      2048        /* rows of a data chunk; duckdb_vector_size() is checked */
#define DRIP_DUCK_BATCH_ROWS (16 * 2048) /* rows of a batch that a query gives */
#define DRIP_DUCK_BATCH_MAX  (16 << 20)  /* bytes of text in it, after which it ends earlier */
#define DRIP_DUCK_BINDS_MAX  64          /* tables bound in a session */
#define DRIP_DUCK_SQL_MAX    (4 << 20)   /* bytes of one statement */
#define DRIP_DUCK_NAME_MAX   (2 * DRIP_NAME_MAX + 3) /* a quoted name */

struct drip_duck_config {
	const char *path;
	bool read_only;
	struct drip_size memory_limit;
	int64_t threads;
	const char *temp_directory;
	struct drip_size temp_limit;
	struct drip_size checkpoint_threshold;
	bool preserve_insertion_order;
	bool external_access;
	bool lock_configuration;
	const char *storage_version;
	struct drip_pairs settings;
};

struct drip_duck {
	struct drip_ctx *ctx;
	const struct drip_duck_config *config;
	pthread_mutex_t lock; /* guards what follows */
	duckdb_database database;
	bool invalid;        /* a fatal error: every statement fails until it is opened again */
	uint32_t sessions;   /* open ones */
	uint64_t generation; /* grows with each opening of the database; from 1 */
	struct drip_duck_slot *slots;
	int64_t last_slot;
	/* The file that is held, for the guard against a second handle. */
	struct drip_duck *next_open;
	uint64_t device, inode;
	char *real_path;
	struct drip_duck_guard *guard; /* made by the first guarded query */
};

struct drip_duck_session;

/* Batches that go into a table with one statement: see ingest.c. */
struct drip_duck_load {
	const struct drip_batch **batches; /* of the slot's schema, their text checked */
	size_t count;
	duckdb_logical_type *types; /* one a column: the table's, where the values need no cast */
	struct drip_error *error;   /* gets the first failure of a scan */
};

/* A batch that SQL of one session reads as a table. */
struct drip_duck_slot {
	struct drip_duck_slot *next;
	struct drip_duck_session *session;
	int64_t id;
	uint64_t connection_id;
	char *name, *with_op, *with_row;
	bool in_schema; /* the name is "schema.table", and the view is no temporary one */
	const struct drip_schema *schema;  /* one reference */
	const struct drip_batch *batch;    /* (borrowed) NULL: unbound, unless `empty` */
	bool empty;                        /* no batch, reads as no rows: for inference */
	const struct drip_duck_load *load; /* (borrowed) in place of `batch`: what a load gives */
	bool view;                         /* the view exists */
	uint8_t *used;                     /* empty: set for each column that a scan asked for */
	uint64_t scanned;                  /* chunks that scans gave; atomic */
};

struct drip_duck_session {
	struct drip_duck *duck;
	duckdb_connection connection;
	bool in_transaction;
	bool failed; /* a statement since begin failed: only a rollback is possible */
	struct drip_duck_stream *stream;
	struct drip_duck_slot *binds[DRIP_DUCK_BINDS_MAX];
	uint32_t binds_count;
	struct drip_sql_ingest *ingests; /* open ones */
	uint64_t ingest_bytes;           /* of the batches that they hold */
	/* The last prepared query, for callers that repeat one text. */
	char *prepared_sql;
	duckdb_prepared_statement prepared;
	struct drip_schema *prepared_schema;
	unsigned error_line, error_column; /* of the last error in its SQL, from 1; 0: not told */
	const char *error_sql; /* (borrowed) the text that is prepared, where places in it matter */
};

/* error.c: sets `err` from DuckDB's error text, and marks session and instance. Returns its
 * errno. */
int drip_duck_error(struct drip_duck_session *session, const char *text, const char *doing,
		    struct drip_error *err);

/* instance.c */
int drip_duck_open(struct drip_ctx *ctx, const struct drip_duck_config *config,
		   struct drip_duck **ret, struct drip_error *err);
void drip_duck_close(struct drip_duck *duck);
/* Opens the database again where a fatal error invalidated it; lock held. */
int drip_duck_revive(struct drip_duck *duck, struct drip_error *err);

/* types.c */
int drip_duck_type_name(const struct drip_column *column, char *buf, size_t size);
/* (gives) the logical type of a column as type_name declares it; NULL: no such type. */
duckdb_logical_type drip_duck_logical(const struct drip_column *column);
/* Type, precision and scale of `ret` from DuckDB's type; `ret_cast` is what a query must wrap the
 * column in to be read: a format for the column's name, or NULL. */
void drip_duck_column_type(duckdb_logical_type type, struct drip_column *ret,
			   const char **ret_cast);

/* utf8.c: index of the first row in [start, start + count) that is not UTF-8, or -1. */
int64_t drip_duck_utf8_check(const struct ArrowArray *column, int64_t start, int64_t count);

bool drip_duck_utf8_valid(const char *text, size_t size);

/* fill.c: how one Arrow column becomes DuckDB vectors. */
struct drip_duck_fill {
	enum drip_type type;
	duckdb_type target;  /* type of the vector */
	duckdb_type decimal; /* storage of a DECIMAL */
	const char *name;
};
void drip_duck_fill_init(struct drip_duck_fill *fill, const struct drip_column *column,
			 duckdb_logical_type target);
/* Writes rows [start, start + count) of `column`, count <= DRIP_DUCK_CHUNK. Text points into the
 * Arrow buffers: they must outlive the vector's use. Text was checked to be UTF-8 by the caller. */
int drip_duck_fill_rows(const struct drip_duck_fill *fill, const struct ArrowArray *column,
			int64_t start, int64_t count, duckdb_vector vector, struct drip_error *err);
void drip_duck_fill_ops(const struct drip_batch *batch, int64_t start, int64_t count,
			duckdb_vector vector);
void drip_duck_fill_numbers(int64_t first, int64_t count, duckdb_vector vector);

/* read.c: appends the rows of a vector to a column builder. */
int drip_duck_read(duckdb_vector vector, duckdb_logical_type type, int64_t count,
		   const struct drip_column *column, struct drip_column_builder *out,
		   struct drip_error *err);

/* session.c */
int drip_duck_session_open(void *object, void **ret_session, struct drip_error *err);
void drip_duck_session_close(void *session);
void drip_duck_interrupt(void *session);
int drip_duck_execute(void *session, const char *sql, int64_t *ret_rows, struct drip_error *err);
int drip_duck_begin(void *session, struct drip_error *err);
/* As begin; statements that would write fail. */
int drip_duck_begin_read(struct drip_duck_session *s, struct drip_error *err);
int drip_duck_commit(void *session, struct drip_error *err);
int drip_duck_rollback(void *session, struct drip_error *err);
int drip_duck_maintain(void *session, struct drip_error *err);
/* Refuses to run in an aborted transaction. */
int drip_duck_session_usable(struct drip_duck_session *s, struct drip_error *err);
/* (gives) exactly one prepared statement. */
int drip_duck_prepare(struct drip_duck_session *s, const char *sql, duckdb_prepared_statement *ret,
		      struct drip_error *err);
void drip_duck_forget_prepared(struct drip_duck_session *s);
/* Runs it to its end; `doing` is for messages. *ret_rows as in drip_sql.execute, may be NULL. */
int drip_duck_run(struct drip_duck_session *s, duckdb_prepared_statement statement,
		  const char *doing, int64_t *ret_rows, struct drip_error *err);

/* query.c */
int drip_duck_query(void *session, const char *sql, const struct drip_batch *bind,
		    struct drip_schema **ret_schema, struct ArrowArrayStream *ret_stream,
		    struct drip_error *err);
int drip_duck_table_schema(void *session, const char *schema, const char *table,
			   struct drip_schema **ret_schema, struct drip_error *err);
/* Prepares `sql`, or a query around it that turns what Arrow lacks into text. (gives) both. */
int drip_duck_prepare_query(struct drip_duck_session *s, const char *sql,
			    duckdb_prepared_statement *ret, struct drip_schema **ret_schema,
			    struct drip_error *err);
/* Ends the session's open stream: its reader gets an error from then on. */
void drip_duck_stream_detach(struct drip_duck_session *s);

/* guard.c */
extern const struct drip_guard drip_duck_guard_ops;
/* Before the database is closed; no query runs any more. */
void drip_duck_guard_close(struct drip_duck *duck);

/* trim.c: drops clean pages of DuckDB's code from memory; for times when nothing runs. */
void drip_duck_trim(void);

/* ingest.c */
int drip_duck_ingest_open(void *session, const char *schema, const char *table,
			  const struct drip_schema *columns, const char *with_op,
			  const char *with_sequence, struct drip_sql_ingest **ret,
			  struct drip_error *err);
int drip_duck_ingest_write(struct drip_sql_ingest *ingest, const struct drip_batch *batch,
			   struct drip_error *err);
int drip_duck_ingest_close(struct drip_sql_ingest *ingest, struct drip_error *err);

/* bind.c */
#define DRIP_DUCK_BATCH_FUNCTION "dripline_batch" /* table function of a slot's id */
/* (gives) a slot that reads as what `load` (borrowed) holds at the time. NULL without memory. */
struct drip_duck_slot *drip_duck_load_create(struct drip_duck_session *s,
					     const struct drip_schema *schema, const char *with_op,
					     const char *with_sequence,
					     const struct drip_duck_load *load);
void drip_duck_load_destroy(struct drip_duck_session *s, struct drip_duck_slot *slot);
/* No statement runs: what scans read may go from here on. */
void drip_duck_load_settle(struct drip_duck_slot *slot);
int drip_duck_bind_register(struct drip_duck *duck, struct drip_error *err);
int drip_duck_bind(void *session, const char *name, const struct drip_batch *batch,
		   const char *with_op, const char *with_row, struct drip_error *err);
/* A table of no rows; *ret_slot->used says what scans asked for. `in_schema`: `name` is
 * "schema.table", the schema exists, and a rollback takes the view away. */
int drip_duck_bind_empty(struct drip_duck_session *s, const char *name, bool in_schema,
			 const struct drip_schema *schema, struct drip_duck_slot **ret_slot,
			 struct drip_error *err);
void drip_duck_binds_finish(struct drip_duck_session *s);
/* After a rollback: views made in the transaction are gone. */
void drip_duck_binds_rolled_back(struct drip_duck_session *s);

/*
 * flow.c: whether values of output column `output` of a query, `name`, may be made of an input
 * column of that name, or whether only a filter, join or group looks at it. create gives NULL where
 * that cannot be told; of that it is always true. Thread: any, one at a time.
 */
struct drip_duck_flow;
struct drip_duck_flow *drip_duck_flow_create(duckdb_connection connection, const char *sql);
void drip_duck_flow_destroy(struct drip_duck_flow *f); /* NULL is accepted */
bool drip_duck_flow_reaches(struct drip_duck_flow *f, uint32_t output, const char *name,
			    const char *column);

/* catalog.c */
int drip_duck_each_table(void *session, const char *sql, drip_sql_table_fn *each, void *data,
			 struct drip_error *err);

/* infer.c */
int drip_duck_infer(void *object, const char *sql, const char *name,
		    const struct drip_schema *input, struct drip_schema **ret_schema,
		    struct drip_error *err);
int drip_duck_infer_lineage(void *object, const char *sql, const char *name,
			    const struct drip_schema *input, struct drip_schema **ret_schema,
			    struct drip_lineage_edge **ret_edges, uint32_t *ret_edges_count,
			    struct drip_error *err);

int drip_duck_infer_tables(void *object, const char *const *prelude, const char *sql,
			   const struct drip_schema *const *tables, uint32_t count,
			   struct drip_schema **ret_schema, struct drip_sql_edge **ret_edges,
			   uint32_t *ret_edges_count, struct drip_error *err);

#endif
