/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the warehouse sink. An epoch is one transaction of one session. A target is a table of
 * the warehouse; several sources (tables upstream, shards) may go into one. Rows go straight into
 * the target (append, change log, first load of a mirror) or into a temporary stage table, from
 * where they are applied when the epoch commits or the stage is full. Nothing here keeps keys or
 * indexes in the database: see README.md. Thread: the sink's; interrupt: any.
 */
#ifndef DRIPLINE_WAREHOUSE_PRIVATE_H
#define DRIPLINE_WAREHOUSE_PRIVATE_H

#include <dripline/dripline.h>
#include <dripline/text.h>
#include <pthread.h>

#define WH_STAGE_ROWS   1000000               /* rows of a stage before it is applied */
#define WH_SCD2_ROWS    300000                /* the same with mode scd2, which sorts them */
#define WH_TARGETS_MAX  4096                  /* tables of one sink */
#define WH_MAINTAIN_NS  UINT64_C(30000000000) /* between checkpoints when idle */
#define WH_KEYS_MAX     64                    /* columns of a key */
#define WH_KEY_TEXT_MAX 64                    /* bytes of a key of text of which a range is kept */
#define WH_FOREVER      "9999-12-31 00:00:00+00"
#define WH_STAGE_OP     "_dripline_op" /* columns of a stage beside the target's */
#define WH_STAGE_SEQ    "_dripline_seq"
#define WH_STAGE_TIME   "_dripline_time" /* SCD2: the commit time of the change */

enum wh_mode { WH_MIRROR = 1, WH_APPEND, WH_CHANGELOG, WH_MERGE, WH_SCD2 };
enum wh_evolve { WH_EVOLVE_WIDEN = 1, WH_EVOLVE_ADD, WH_EVOLVE_ERROR };
enum wh_deletes { WH_DELETES_HARD = 1, WH_DELETES_SOFT };
enum wh_truncate { WH_TRUNCATE_FOLLOW, WH_TRUNCATE_KEEP };
enum wh_drop { WH_DROP_KEEP = 1, WH_DROP_DROP };

struct wh_override {
	const char *match;
	struct drip_enum mode; /* 0: as the sink */
	struct drip_strings key;
	const char *as;
};

struct wh_config {
	struct drip_connection_ref connection;
	const char *schema;
	struct drip_enum mode;
	const char *table;
	struct drip_strings key;
	struct drip_objects tables;
	struct drip_enum deletes;
	struct drip_enum evolve;
	struct drip_enum on_drop;
	bool create;
	bool metadata, sequence;
	struct drip_strings track;
	const char *op_column, *sequence_column, *commit_time_column, *deleted_column;
	const char *surrogate_column, *valid_from_column, *valid_to_column, *current_column;
	const char *hash_column, *source_column;
	struct drip_enum on_truncate;
};

/* What the options say of one source table. */
struct wh_route {
	enum wh_mode mode;
	bool shared; /* other tables may go to the same target */
	char table[DRIP_NAME_MAX];
	uint32_t keys_count;
	const char *keys[WH_KEYS_MAX]; /* (borrowed) from the schema or the options */
	bool keys_nullable;
};

struct wh_target {
	struct wh_target *next;
	enum wh_mode mode;
	char name[DRIP_NAME_MAX];
	char stage[48];
	char *keys[WH_KEYS_MAX];
	uint32_t keys_count;
	bool keys_nullable;
	struct drip_schema
		*columns; /* what the table holds now, metadata included; NULL: not looked at */
	bool direct;      /* mirror: rows of a first load go straight in */
	bool staged;      /* the stage exists, in this transaction */
	bool dirty;       /* rows of this transaction are in the table: it cannot be altered */
	int64_t stage_rows;
	uint64_t stage_batches;
	int64_t next_surrogate; /* 0: not known */
};

/* ranges.c: the least and the greatest first key column of a source's first load. */
struct wh_bound {
	int64_t number; /* or the length of the text */
	uint8_t text[WH_KEY_TEXT_MAX];
};

struct wh_range {
	bool known, unfit, is_text;
	struct wh_bound low, high;
};

struct wh_source {
	bool shared; /* by its route, others may write to the target too */
	struct wh_source *next;
	char *database, *table;
	const struct drip_schema
		*schema;              /* of the last batch; one reference; NULL: to be prepared */
	struct drip_schema *extended; /* with the sink's own columns behind */
	struct wh_target *target;
	struct drip_sql_ingest *ingest;
	bool ingest_to_stage;
	struct wh_range range;
};

/* Where a partition stands, as of the last batch written. */
struct wh_progress {
	struct drip_position position;
	bool boundary;
};

struct wh {
	struct drip_ctx *ctx;
	const struct wh_config *config;
	const struct drip_sql *sql;
	const struct drip_sql_dialect *dialect;
	void *object;
	pthread_mutex_t lock; /* guards `session` against interrupt */
	void *session;
	bool prepared; /* schema and positions table exist */
	bool in_transaction;
	bool unfolded; /* commits since the last checkpoint of the database */
	uint64_t maintained_ns;
	bool changed_tables; /* DDL since the last checkpoint of the database */
	struct wh_target *targets;
	struct wh_source *sources;
	uint32_t targets_count;
	int64_t next_sequence; /* of change log rows; kept with the positions */
	bool sequence_known;
	struct drip_text text; /* for statements */
	struct wh_progress *progress;
	size_t progress_count;
	uint64_t last_epoch;
};

/*
 * text.c: statements. wh_sql appends to wh->text: %N is a quoted name, %T a quoted table in the
 * sink's schema, %L a text literal, %D an int64_t, %s text as it is. wh_run runs what was put into
 * wh->text, and clears it.
 */
void wh_sql(struct wh *wh, const char *fmt, ...);
int wh_run(struct wh *wh, int64_t *ret_rows, struct drip_error *err);
/* a.k1 = b.k1 AND ...; nullable keys compare as equal where both are null. */
void wh_join_keys(struct wh *wh, const struct wh_target *t, const char *a, const char *b);
/* "prefix"."k1", "prefix"."k2": `prefix` may be NULL. */
void wh_keys(struct wh *wh, const struct wh_target *t, const char *prefix);
/* First value of the first row as an integer; -ENOENT: no row or null. */
int wh_number(struct wh *wh, int64_t *ret, struct drip_error *err);

/* route.c */
int wh_route(const struct wh_config *config, const struct drip_schema *schema, struct wh_route *ret,
	     struct drip_error *err);
/* (gives) `schema` with what the sink gives each row on its way in. */
int wh_extend(const struct wh_config *config, enum wh_mode mode, const struct drip_schema *schema,
	      struct drip_schema **ret, struct drip_error *err);
/* (gives) what the table will hold. */
int wh_target_schema(const struct wh_config *config, enum wh_mode mode, const char *table,
		     const struct drip_schema *schema, struct drip_schema **ret,
		     struct drip_error *err);
/* True for a column that rows do not carry, but that applying them makes. */
bool wh_is_made(const struct wh_config *config, enum wh_mode mode, const char *column);
const char *wh_mode_name(enum wh_mode mode);

/* target.c */
int wh_target_find(struct wh *wh, const struct wh_route *route, struct wh_target **ret,
		   struct drip_error *err);
/* Creates the table, or gives it the columns of `wanted` that it lacks. */
int wh_target_prepare(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
		      struct drip_error *err);
/* Forgets what is known of the database: after a rollback. */
void wh_targets_forget(struct wh *wh);
void wh_targets_destroy(struct wh *wh);
int wh_make_stage(struct wh *wh, struct wh_target *t, struct drip_error *err);
int wh_drop_stage(struct wh *wh, struct wh_target *t, struct drip_error *err);

/* evolve.c: the type that holds the values of both. -EINVAL: none does. */
int wh_widen(const struct drip_column *a, const struct drip_column *b, struct drip_column *ret);

/* rows.c */
int wh_write(struct wh *wh, const struct drip_batch *batch, struct drip_error *err);
/* Ends loads under way into `t` (NULL: all), so that their rows are visible. */
/* Notes the keys of a first load; false where another source of the target may have one of them. */
bool wh_keys_apart(const struct wh *wh, struct wh_source *s, const struct drip_batch *batch);
int wh_flush(struct wh *wh, const struct wh_target *t, struct drip_error *err);
void wh_sources_reset(struct wh *wh);
void wh_sources_destroy(struct wh *wh);

/* apply.c, scd2.c: the stage into the target; the stage is gone after. */
int wh_apply(struct wh *wh, struct wh_target *t, struct drip_error *err);
int wh_apply_scd2(struct wh *wh, struct wh_target *t, struct drip_error *err);
/* `source` NULL: all rows; otherwise those of a mirror that came from that table. */
int wh_clear(struct wh *wh, struct wh_target *t, const char *source, int64_t commit_time_us,
	     struct drip_error *err);
int wh_clear_scd2(struct wh *wh, struct wh_target *t, int64_t commit_time_us,
		  struct drip_error *err);

/* positions.c */
int wh_positions_prepare(struct wh *wh, struct drip_error *err);
int wh_positions_load(struct wh *wh, struct drip_position **ret, size_t *ret_count,
		      struct drip_error *err);
int wh_positions_store(struct wh *wh, const struct drip_epoch *epoch, struct drip_error *err);

/* warehouse.c: the session, opened again after an abort; and the epoch's transaction. */
int wh_session(struct wh *wh, struct drip_error *err);
int wh_begin(struct wh *wh, struct drip_error *err);
/* Commits before the epoch's end, with the positions reached: all at transaction boundaries. The
 * next transaction is begun. -EAGAIN: not at a boundary, nothing was done. */
int wh_commit_early(struct wh *wh, struct drip_error *err);
/* Rolls back and forgets all that the transaction did; the session is closed. */
void wh_give_up(struct wh *wh);

#endif
