/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the source `query`. One thread but for interrupt. */
#ifndef DRIPLINE_QUERY_H
#define DRIPLINE_QUERY_H

#include <dripline/dripline.h>
#include <pthread.h>

#define QUERY_ROWS_MAX  1048576 /* of one batch */
#define QUERY_EDGE_MAX  1000000 /* hashes of rows with the last watermark, kept in memory */
#define QUERY_EDGE_LIST 100     /* and in a position */

/* A column whose class is lower than that of what it is read from. */
struct query_declassified {
	const char *column, *reason;
	struct drip_enum class;
};

struct query_config {
	struct drip_connection_ref connection;
	const char *sql, *table, *name, *database, *watermark;
	struct drip_enum class;
	struct drip_objects declassify;
	struct drip_strings keys;
	struct drip_duration interval;
	int64_t batch_rows;
};

/*
 * The edge of an incremental read: the last watermark, and which rows that have it were emitted. In
 * memory these are told by their hashes. A position holds up to QUERY_EDGE_LIST hashes; of more, it
 * holds their count and sum.
 */
struct query_edge {
	bool set; /* something was read */
	int64_t watermark;
	uint64_t count;
	struct drip_hash sum;
	struct drip_rowset rows;
	bool partial; /* `rows` does not hold all of them: they came from a position, or are too
			 many */
};

/* Order of watermarks as unsigned numbers. */
static inline uint64_t query_order(int64_t watermark, bool is_unsigned)
{
	return is_unsigned ? (uint64_t)watermark : (uint64_t)watermark ^ ((uint64_t)1 << 63);
}

/* edge.c */
int query_edge_init(struct query_edge *e, struct drip_error *err) DRIP_MUST_CHECK;
void query_edge_finish(struct query_edge *e);
/* True where the row was emitted in another run than `run` (from 1): equal rows of one run are rows
 * of their own. */
bool query_edge_has(struct query_edge *e, int64_t watermark, const struct drip_hash *hash,
		    uint64_t run);
int query_edge_add(struct query_edge *e, int64_t watermark, const struct drip_hash *hash,
		   uint64_t run, struct drip_error *err) DRIP_MUST_CHECK;
void query_edge_save(const struct query_edge *e, bool is_unsigned, struct drip_position *p);
int query_edge_load(struct query_edge *e, const struct drip_position *p,
		    struct drip_error *err) DRIP_MUST_CHECK;
/* Where the edge is partial: `hashes` are those of all rows that have its watermark now, in the
 * order of the query. Fills it with the rows that were emitted; *ret_doubt is set where that cannot
 * be told, and they will be emitted again. */
int query_edge_recall(struct query_edge *e, const struct drip_hash *hashes, uint64_t count,
		      bool *ret_doubt, struct drip_error *err) DRIP_MUST_CHECK;

/* setup.c: text of the statements. All (give) malloc'd text. */
enum query_part { QUERY_ALL, QUERY_SINCE, QUERY_EDGE_ROWS, QUERY_NOTHING };
int query_text(const struct query_config *config, const struct drip_sql_dialect *dialect,
	       enum query_part part, char **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) The table of the option as the database knows it, or NULL where it cannot tell. A
 * statement of the session: no result may be open. */
struct drip_schema *query_table(const struct query_config *config, const struct drip_sql *sql,
				void *session);
/* (gives) the schema that rows are emitted with, from what the query yields. `table` may be NULL.
 * `classes`: those that the columns have from what they are read from. */
int query_schema(const struct query_config *config, const struct drip_schema *table,
		 const struct drip_schema *yielded, const enum drip_class *classes,
		 struct drip_schema **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) a batch that binds one watermark. */
int query_bind(const struct drip_column *column, int64_t watermark, struct drip_batch **ret,
	       struct drip_error *err) DRIP_MUST_CHECK;
bool query_is_watermark(enum drip_type type);
/* The watermark of a row as a number; rows with null have none. */
int64_t query_watermark(const struct drip_batch *batch, uint32_t column, int64_t row);

/*
 * lineage.c: what a query reads. query_trace finds it by the database; (gives) the class that each
 * column of `yielded` has from there. query_record then tells the host where the columns of
 * `schema` come from. query_assume does without a connection: (gives) what the query yields over
 * declared tables, or NULL where that is not known.
 */
struct query_origins {
	struct drip_schema **tables; /* one reference each; database: the SQL schema */
	uint32_t count;
	uint32_t room;
	enum drip_class highest;     /* of all their columns */
	struct drip_sql_edge *edges; /* of the option `sql`; NULL: not known */
	uint32_t edges_count;
};
int query_trace(struct drip_ctx *ctx, const struct query_config *config, const struct drip_sql *sql,
		void *object, const struct drip_schema *yielded, struct query_origins *ret,
		enum drip_class **ret_classes, struct drip_error *err) DRIP_MUST_CHECK;
void query_record(struct drip_ctx *ctx, const struct query_config *config,
		  const struct drip_sql *sql, void *object, const struct drip_schema *schema,
		  const struct query_origins *origins);
void query_origins_finish(struct query_origins *origins);
/* What is wrong with the SQL, as far as it can be told without a connection: its grammar; what else
 * does not fit the declared tables is a note, as the database may hold more. */
int query_check(struct drip_ctx *ctx, const void *config, bool connect, struct drip_report *report,
		struct drip_error *err) DRIP_MUST_CHECK;
int query_assume(struct drip_ctx *ctx, const struct query_config *config,
		 struct drip_schema **ret_yielded, enum drip_class **ret_classes,
		 struct drip_error *err) DRIP_MUST_CHECK;

/* describe.c: the source's op. */
int query_describe(struct drip_ctx *ctx, const void *config, bool connect,
		   struct drip_schema_list *list, struct drip_error *err);

#endif
