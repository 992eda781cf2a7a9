/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drip_sql: what a connection to a SQL database offers to other plugins, shaped like ADBC.
 * Warehouse code is written against it once and runs on DuckDB, PostgreSQL and Redshift. An object
 * (from the host's connection_get) may be used from any thread; a session from one thread at a
 * time, but for `interrupt`.
 */
#ifndef DRIPLINE_SQL_H
#define DRIPLINE_SQL_H

#include <dripline/batch.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_SQL_INTERFACE "drip_sql"

enum drip_sql_features {
	DRIP_SQL_TRANSACTIONS = 1 << 0,
	DRIP_SQL_TRANSACTIONAL_DDL = 1 << 1,
	DRIP_SQL_DELETE_USING = 1 << 2, /* DELETE FROM t USING s WHERE ... */
	DRIP_SQL_QUALIFY = 1 << 3,
	DRIP_SQL_INGEST = 1 << 4,
	DRIP_SQL_BIND =
		1 << 5, /* batches can be queried as a table, and COPY ... TO writes Parquet */
	DRIP_SQL_STREAMING = 1 << 6, /* query results are not held in memory */
};

struct drip_sql_dialect {
	uint32_t struct_size;
	const char *name;  /* "duckdb", "mysql", "postgresql", "redshift" */
	char quote;        /* of identifiers: '"' or '`' */
	uint64_t features; /* enum drip_sql_features */
	/* The column type to declare for `column` ("DECIMAL(12,2)"). -ENOTSUP where the database
	 * has none. */
	int (*type_name)(const struct drip_column *column, char *buf, size_t size);
};

struct drip_sql_ingest; /* owned by the connection plugin */
struct drip_lineage_edge;

/* Column `output` of a query depends on column `input` of table `table`, of those given. */
struct drip_sql_edge {
	uint32_t output, table, input;
	uint32_t kind; /* enum drip_lineage_kind */
};

typedef int drip_sql_table_fn(void *data, const char *schema, const char *table,
			      struct drip_error *err);

struct drip_sql {
	uint32_t struct_size;
	const struct drip_sql_dialect *(*dialect)(void *object);
	/* OpenLineage namespace of datasets here ("mysql://host:3306"). */
	int (*dataset_namespace)(void *object, char *buf, size_t size);

	int (*session_open)(void *object, void **ret_session, struct drip_error *err);
	void (*session_close)(void *session); /* rolls back what is open; NULL is accepted */
	/* Thread: any. What the session runs ends with -ECANCELED soon. */
	void (*interrupt)(void *session);

	/* One statement without a result; *ret_rows (may be NULL) is the count of rows changed, -1
	 * unknown. */
	int (*execute)(void *session, const char *sql, int64_t *ret_rows, struct drip_error *err);
	/*
	 * One statement with a result. `bind` (may be NULL) gives values for its ? parameters: a
	 * batch of one row, borrowed for the call. (gives) the schema, table name "", and a stream
	 * of struct arrays in that schema. One open stream a session. -ENXIO where a table that
	 * it names does not exist, of execute too.
	 */
	int (*query)(void *session, const char *sql, const struct drip_batch *bind,
		     struct drip_schema **ret_schema, struct ArrowArrayStream *ret_stream,
		     struct drip_error *err);
	int (*begin)(void *session, struct drip_error *err);
	/* Fails, and rolls back, where any statement since begin failed. */
	int (*commit)(void *session, struct drip_error *err);
	int (*rollback)(void *session, struct drip_error *err);

	/* (gives) columns and key of a table; -ENOENT. Names are plain, not quoted; `schema` NULL:
	 * the default one; "temp": temporary tables. */
	int (*table_schema)(void *session, const char *schema, const char *table,
			    struct drip_schema **ret_schema, struct drip_error *err);

	/*
	 * Bulk load into an existing table by column name; part of the session's transaction.
	 * `with_op`: the table's column of that name gets each row's op as a one-letter string,
	 * `with_sequence`: batch->sequence << 32 | row as BIGINT; NULL: neither. write: takes a
	 * reference to the batch, and values that the table cannot hold may be found later. close:
	 * makes the rows visible to the session, frees the ingest always.
	 */
	int (*ingest_open)(void *session, const char *schema, const char *table,
			   const struct drip_schema *columns, const char *with_op,
			   const char *with_sequence, struct drip_sql_ingest **ret,
			   struct drip_error *err);
	int (*ingest_write)(struct drip_sql_ingest *ingest, const struct drip_batch *batch,
			    struct drip_error *err);
	int (*ingest_close)(struct drip_sql_ingest *ingest, struct drip_error *err);

	/*
	 * With DRIP_SQL_BIND: lets SQL of this session read `batch` (borrowed until unbound with
	 * NULL) as the table `name`. With `with_op` a column of that name holds the op of each row,
	 * and with `with_row` one holds the row number as BIGINT.
	 */
	int (*bind)(void *session, const char *name, const struct drip_batch *batch,
		    const char *with_op, const char *with_row, struct drip_error *err);
	/* optional. Maintenance between transactions: DuckDB's CHECKPOINT. */
	int (*maintain)(void *session, struct drip_error *err);
	/*
	 * optional; pure, no session. Column names and types that `sql` yields over a table `name`
	 * of schema `input`, and for each output column the input columns it reads. For negotiation
	 * without a connection.
	 */
	int (*infer)(void *object, const char *sql, const char *name,
		     const struct drip_schema *input, struct drip_schema **ret_schema,
		     struct drip_error *err);
	/*
	 * optional. As infer; and (gives) malloc'd edges: for each output column the input columns
	 * that its values depend on, filters and joins included. Each output column of infer and
	 * of this carries the highest class among these inputs.
	 */
	int (*infer_lineage)(void *object, const char *sql, const char *name,
			     const struct drip_schema *input, struct drip_schema **ret_schema,
			     struct drip_lineage_edge **ret_edges, uint32_t *ret_edges_count,
			     struct drip_error *err);
	/*
	 * optional; since ABI 1.1. As infer_lineage, over several tables: `database` of each is its
	 * SQL schema, "" for one that is read by its name alone. `prelude` (may be NULL) are
	 * statements that run before, ended by NULL: functions that `sql` calls. Nothing of it
	 * stays. Of all three: err->place is "line 2, column 5" of `sql`, where that is known.
	 */
	int (*infer_tables)(void *object, const char *const *prelude, const char *sql,
			    const struct drip_schema *const *tables, uint32_t count,
			    struct drip_schema **ret_schema, struct drip_sql_edge **ret_edges,
			    uint32_t *ret_edges_count, struct drip_error *err);
	/*
	 * optional; since ABI 1.1. Tells `each` every table that `sql` reads, also through views,
	 * macros and functions, with its schema ("main" where the query names none), until it
	 * fails. Runs nothing. Ask with DRIP_HAS.
	 */
	int (*each_table)(void *session, const char *sql, drip_sql_table_fn *each, void *data,
			  struct drip_error *err);
};

/* Writes `name` quoted for the dialect; doubles the quote inside. Returns the length like snprintf.
 */
int drip_sql_quote(const struct drip_sql_dialect *dialect, const char *name, char *buf,
		   size_t size);
/*
 * A 'text literal', quotes doubled. NULL: of a dialect in which a backslash is a character like
 * others (DuckDB, PostgreSQL). For "mysql" a text with a backslash is written as bytes: whether it
 * escapes there depends on sql_mode. Returns the length like snprintf.
 */
int drip_sql_literal(const struct drip_sql_dialect *dialect, const char *text, char *buf,
		     size_t size);
/* Of an error whose place is "line 3, column 5" of a text: takes off the lines that stand before
 * what the user wrote. An error in those has no place. */
void drip_sql_place_shift(struct drip_error *err, unsigned lines);
/*
 * The next word of a SQL text from *at on, which is moved behind it, and in `second` what follows
 * it after a dot, or "": tables, columns, keywords and numbers, for a caller who looks them up.
 * Quotes of names ("" and ``) are taken off; literals and comments are passed over. Longer names
 * are cut. False at the end of the text.
 */
bool drip_sql_next_name(const char **at, char first[DRIP_NAME_MAX], char second[DRIP_NAME_MAX]);
struct drip_text;
/*
 * Appends `CREATE TABLE [IF NOT EXISTS] "database"."table" (...)` for a schema, `database` being
 * the SQL schema. No keys are declared: no warehouse here checks them. -ENOTSUP where the dialect
 * has no type for a column.
 */
int drip_sql_put_create(struct drip_text *t, const struct drip_sql_dialect *dialect,
			const struct drip_schema *schema, bool if_not_exists,
			struct drip_error *err) DRIP_MUST_CHECK;
/*
 * The surrogate key of a row of `table`: the first 8 bytes, lowest first and without the highest
 * bit, of the MD5 of "table|natural key". MD5, as every warehouse has it; it protects nothing.
 */
int64_t drip_surrogate_key(const char *table, const char *natural_key, size_t size);
/* Appends the statement that makes the same a function of `schema` in the database:
 * schema.surrogate_key(table, natural_key). -ENOTSUP for a dialect that is not known. */
int drip_sql_put_key_function(struct drip_text *t, const char *dialect_name, const char *schema,
			      struct drip_error *err) DRIP_MUST_CHECK;
/*
 * Runs a query and gathers its whole result: (gives) the schema, and a malloc'd array of its
 * columns, each to be released. `bind` as in drip_sql.query. For results that are known to be
 * small.
 */
int drip_sql_collect(const struct drip_sql *sql, void *session, const char *text,
		     const struct drip_batch *bind, struct drip_schema **ret_schema,
		     struct ArrowArray **ret_columns, int64_t *ret_rows,
		     struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
