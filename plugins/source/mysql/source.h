/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source: its options and state, shared by its files. All of it belongs to the source's thread,
 * but for `interrupt_lock` and what it guards.
 */
#ifndef DRIPLINE_MYSQL_SOURCE_H
#define DRIPLINE_MYSQL_SOURCE_H

#include "binlog.h"
#include "catalog.h"
#include "feed.h"
#include "position.h"
#include "xa.h"

#include <pthread.h>

enum drip_my_mode {
	DRIP_MY_MODE_SNAPSHOT_STREAM,
	DRIP_MY_MODE_SNAPSHOT,
	DRIP_MY_MODE_STREAM,
	DRIP_MY_MODE_FILES,
};

struct drip_my_source_options {
	struct drip_connection_ref connection;
	struct drip_strings tables, exclude;
	struct drip_enum mode;
	const char *start;
	int64_t server_id;
	int64_t batch_rows;
	struct drip_size batch_bytes;
	struct drip_duration heartbeat;
	struct drip_duration lock_timeout;
	struct drip_enum zero_dates;
	struct drip_size undo_memory;
	struct drip_strings files;
	const char *schema;
	bool refill;
	bool before_images;
};

/* A table that is being read: its schema, and rows that wait to be emitted. */
struct drip_my_slot {
	char *database, *name;
	struct drip_my_table *table; /* owned copy; NULL: no schema yet */
	struct drip_schema *schema;
	uint32_t *out;    /* column of the schema for each of the table's, UINT32_MAX: not wanted */
	uint64_t changes; /* grows with each new schema */
	struct drip_builder builder;
	uint64_t first;  /* order in which slots got their first row that waits */
	bool announced;  /* the schema was emitted */
	bool refill_due; /* to be read again, once the log has come to how the table is now */
	struct drip_my_slot *next;
};

/* A table map already read. */
struct drip_my_known_map {
	uint64_t table_id;
	uint8_t *body; /* owned copy, to see that it has not changed */
	size_t body_size;
	struct drip_my_slot *slot; /* (borrowed) NULL: not wanted */
	uint64_t changes;          /* of the slot when the plan was made */
	struct drip_my_plan plan;
	struct drip_my_known_map *next;
};

#define DRIP_MY_MAP_BUCKETS 1024
#define DRIP_MY_MAPS_MAX    8192 /* table maps remembered before all are forgotten */

struct drip_my_snapshot;
struct drip_my_undo;

struct drip_my_source {
	struct drip_ctx *ctx;
	const struct drip_my_source_options *options;
	const struct drip_my_interface *connection;
	void *connection_object;
	MYSQL *control; /* for questions beside the stream, NULL until needed */

	struct drip_my_catalog catalog; /* as of `at` */
	struct drip_my_values values;
	bool (*column_wanted)(const struct drip_wanted *wanted, const char *database,
			      const char *table, const char *column);
	struct drip_wanted wanted; /* copies of what `start` was given */
	char **wanted_tables;      /* owned, NULL: all */

	struct drip_my_position at;      /* where the source stands */
	struct drip_my_position emitted; /* where what was emitted ends */
	struct drip_position *cuts;      /* owned, ascending, those ahead */
	size_t cuts_count;

	struct drip_my_slot *slots;
	uint64_t first_next;   /* numbers for drip_my_slot.first */
	uint64_t pending_rows; /* in all slots */
	uint64_t pending_since_ns;
	bool flush_due;
	uint64_t marked_ns;
	uint64_t batches; /* emitted, to leave a poll after some */

	struct drip_my_snapshot *snapshot; /* NULL: not in that phase */

	/* log */
	struct drip_my_net *net;
	struct drip_my_file *file;
	size_t file_index;
	struct drip_my_format format;
	struct drip_my_map map; /* scratch */
	struct drip_my_known_map *maps[DRIP_MY_MAP_BUCKETS];
	size_t maps_count;
	uint64_t offset; /* end of the last event in its file */
	bool in_transaction;
	bool standalone; /* the open group has no commit: it ends with its first event */
	bool have_gtid;
	bool have_savepoint; /* in the open group; the rows given before the first one: */
	uint64_t row_of_savepoint;
	struct drip_my_xa xa;
	size_t refills_due;              /* slots of which that is so: no boundary before */
	struct drip_my_gtid gtid;        /* of the open group */
	struct drip_my_place skip_until; /* events that end here or before are stepped over */
	int64_t commit_time_us;
	bool ended; /* files: the last one is read */

	pthread_mutex_t interrupt_lock;
	struct drip_my_net *interruptible; /* what `interrupt` wakes */
	MYSQL *killable;                   /* a session whose query `interrupt` ends */
	bool interrupted;
};

/* ---- slots.c ---- */

/* (borrowed) the slot of a table, made where there is none; NULL without memory. */
struct drip_my_slot *drip_my_slot_get(struct drip_my_source *s, const char *database,
				      const char *name);
/* Gives the slot a new description and announces its schema. Rows that wait are emitted first. */
int drip_my_slot_set(struct drip_my_source *s, struct drip_my_slot *slot,
		     const struct drip_my_table *t, struct drip_error *err) DRIP_MUST_CHECK;
/* Notes that rows were appended: keeps the order in which slots are emitted. */
void drip_my_slot_appended(struct drip_my_source *s, struct drip_my_slot *slot, int64_t before);
/* Emits the rows that wait; what was given then ends at s->at. boundary: a restart may begin there.
 */
int drip_my_flush(struct drip_my_source *s, bool boundary, struct drip_error *err) DRIP_MUST_CHECK;
/* Emits a batch without rows at s->at. Rows that wait are emitted first. */
int drip_my_emit_control(struct drip_my_source *s, enum drip_batch_kind kind,
			 const struct drip_schema *schema, bool boundary,
			 struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the schema of a table, as the source emits it. `out` may be NULL; otherwise has room for
 * t->count. */
int drip_my_schema_make(const struct drip_my_source *s, const struct drip_my_table *t,
			uint32_t *out, struct drip_schema **ret,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Do rows that are older than a column have values in it that only the server knows? */
bool drip_my_is_unfilled(const struct drip_my_source *s, const struct drip_my_table *t);
void drip_my_slots_finish(struct drip_my_source *s);
/* Emits what ends exactly at a cut that s->at has reached. */
int drip_my_check_cuts(struct drip_my_source *s, struct drip_error *err) DRIP_MUST_CHECK;
/* Puts the catalog into the state where it changed. */
int drip_my_store_catalog(struct drip_my_source *s, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- snapshot.c ---- */

/* Opens a consistent view. s->at says how far an earlier run came. */
int drip_my_snapshot_begin(struct drip_my_source *s, struct drip_error *err) DRIP_MUST_CHECK;
/* Emits the next batch. DRIP_POLL_MORE, DRIP_POLL_END when the snapshot is complete, or an error.
 */
int drip_my_snapshot_poll(struct drip_my_source *s, struct drip_error *err) DRIP_MUST_CHECK;
void drip_my_snapshot_end(struct drip_my_source *s);

/* ---- refill.c ---- */

/* Gives all rows of a table again, as part of the statement that is read now. */
int drip_my_refill(struct drip_my_source *s, struct drip_my_slot *slot,
		   struct drip_error *err) DRIP_MUST_CHECK;
/* Says that it is still to be done, or is not any more. */
void drip_my_refill_due(struct drip_my_source *s, struct drip_my_slot *slot, bool due);

/* ---- maps.c ---- */

/* (borrowed) what a table map means, remembered until the next one with its id. */
int drip_my_map_resolve(struct drip_my_source *s, const struct drip_my_event *e,
			struct drip_error *err) DRIP_MUST_CHECK;
struct drip_my_known_map *drip_my_map_find(struct drip_my_source *s, uint64_t table_id);
/* Makes the plan fit the slot's builder, after the slot got a new schema. */
int drip_my_map_refresh(struct drip_my_source *s, struct drip_my_known_map *k,
			struct drip_error *err) DRIP_MUST_CHECK;
void drip_my_maps_clear(struct drip_my_source *s);

/* ---- stream.c ---- */

/* One event of the log. */
int drip_my_stream_event(struct drip_my_source *s, const uint8_t *data, size_t size,
			 struct drip_error *err) DRIP_MUST_CHECK;
int drip_my_stream_begin(struct drip_my_source *s, struct drip_error *err) DRIP_MUST_CHECK;
/* As the poll op of a source. */
int drip_my_stream_poll(struct drip_my_source *s, uint32_t timeout_ms,
			struct drip_error *err) DRIP_MUST_CHECK;
void drip_my_stream_end(struct drip_my_source *s);
/* A server id that hardly anyone has. */
uint32_t drip_my_random_server_id(void);
/* Sets s->at to the start that the options ask for. */
int drip_my_stream_locate(struct drip_my_source *s, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) A session for the log: reads may be as long apart as three heartbeats. */
int drip_my_connect_log(struct drip_my_source *s, MYSQL **ret,
			struct drip_error *err) DRIP_MUST_CHECK;
uint32_t drip_my_random_server_id(void);
/* The start of the first file that the server has. */
int drip_my_first_place(MYSQL *m, struct drip_my_position *p,
			struct drip_error *err) DRIP_MUST_CHECK;
/* The error for a statement in place of rows. */
int drip_my_refuse_statement(struct drip_error *err, const char *word);
/* Applies a statement of the log; one that changes rows is refused. */
int drip_my_stream_ddl(struct drip_my_source *s, const struct drip_my_query *q,
		       struct drip_error *err) DRIP_MUST_CHECK;

/* ---- source.c ---- */

/* (borrowed) the session for questions, opened where it is not. */
int drip_my_control(struct drip_my_source *s, MYSQL **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Who the server is, for positions. */
int drip_my_server_identity(MYSQL *m, char *buf, size_t size,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* The error of a position that cannot be carried over to this server. Returns its rc. */
int drip_my_other_server(struct drip_error *err);
/* GTID position that belongs to a place; empty where the server has none. */
void drip_my_gtids_at(MYSQL *m, const struct drip_my_position *p, struct drip_my_gtids *ret);

extern const struct drip_source_ops drip_my_source_ops;
#define DRIP_MY_SOURCE_OPTIONS 16
extern const struct drip_option drip_my_source_option_table[DRIP_MY_SOURCE_OPTIONS];
int drip_my_check(struct drip_ctx *ctx, const void *config, bool connect,
		  struct drip_report *report, struct drip_error *err);

#endif
