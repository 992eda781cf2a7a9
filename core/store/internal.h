/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the store share. */
#ifndef DRIPLINE_STORE_INTERNAL_H
#define DRIPLINE_STORE_INTERNAL_H

#include "engine/durable.h"
#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

struct drip_store_migration {
	int number;
	const char *sql;
};

/* From migrations/ of this folder, ended by number 0. */
extern const struct drip_store_migration drip_store_migrations[];

/* A connection and the lock that whoever uses it holds. */
struct drip_store_db {
	pthread_mutex_t lock;
	sqlite3 *handle;
};

struct drip_store {
	char *path, *lock_path;
	int lock_fd;                         /* -1: not the writer */
	struct drip_store_db writer, reader; /* reader.handle: opened by the first query */
	struct drip_durable durable;
	pthread_mutex_t audit_lock; /* guards the audit_ fields; never held across a commit */
	pthread_cond_t audit_done;
	struct drip_store_audit_wait *audit_first, **audit_last;
	bool audit_led;                 /* one of those that wait commits for all */
	pthread_mutex_t retention_lock; /* never held across a query */
	struct drip_store_retention retention;
	bool retention_new; /* nothing was dropped by it yet */
	/* Under the writer's lock: */
	int64_t pruned_us; /* when nothing was left to drop */
	size_t unpruned;   /* rows written since then */
};

/* Locks the connection for queries, opening it first where need be; drip_store_unlock follows only
 * where it returned 0. */
int drip_store_lock_reader(struct drip_store *store, struct drip_error *err) DRIP_MUST_CHECK;
/* A query for rows: holds the reading connection until it is finished. */
struct drip_store_rows {
	struct drip_store *store;
	sqlite3_stmt *stmt;
};
/* Locks the reading connection and prepares, as drip_store_prepare does; drip_store_step follows.
 */
int drip_store_query(struct drip_store *store, struct drip_store_rows *rows, struct drip_error *err,
		     const char *sql, const char *types, ...) DRIP_MUST_CHECK;
/* Also where drip_store_query failed. */
void drip_store_rows_finish(struct drip_store_rows *rows);
#define drip_autorows __attribute__((cleanup(drip_store_rows_finish))) struct drip_store_rows
/* Locks the writing connection and begins a transaction. -EROFS where the store is open to read. */
int drip_store_begin(struct drip_store *store, struct drip_error *err) DRIP_MUST_CHECK;
/* Ends it: commits where rc is 0, otherwise rolls back and returns rc. Unlocks always. */
int drip_store_end(struct drip_store *store, int rc, struct drip_error *err) DRIP_MUST_CHECK;

/* Turns a result code of SQLite into an error; `what` as "commit the checkpoint". */
int drip_store_error(sqlite3 *db, int sqlite_rc, const char *what, struct drip_error *err);

/*
 * Prepares `sql` and binds `types`, one letter a parameter: t const char * (NULL: NULL),
 * i int64_t, b const void * and size_t.
 */
int drip_store_prepare(sqlite3 *db, sqlite3_stmt **ret, struct drip_error *err, const char *sql,
		       const char *types, ...) DRIP_MUST_CHECK;
/* Runs a statement that gives no rows. */
int drip_store_run(sqlite3 *db, struct drip_error *err, const char *sql, const char *types,
		   ...) DRIP_MUST_CHECK;
/* 1: a row; 0: the end; otherwise an error. */
int drip_store_step(sqlite3_stmt *stmt, struct drip_error *err) DRIP_MUST_CHECK;
/* Text of a column, "" where NULL; (borrowed) until the next step. */
const char *drip_store_text(sqlite3_stmt *stmt, int column);
/* Number of a column, NAN where NULL. */
double drip_store_number(sqlite3_stmt *stmt, int column);

/* In the writer's transaction. */
struct drip_store_audit_wait;
/* Takes records away from the front of the audit: older than `before_us`, or beyond the newest
 * `rows` (0: any number), `step` at most. */
int drip_store_prune_audit(sqlite3 *db, int64_t before_us, int64_t rows, int64_t step,
			   int64_t *ret_dropped, struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_put_audit(sqlite3 *db, const char *actor, const char *action, const char *target,
			 const char *detail, struct drip_error *err) DRIP_MUST_CHECK;
/* In the writer's transaction: a bounded step of what retention asks for, where that is due.
 * `written`: rows that the transaction added. */
int drip_store_prune(struct drip_store *store, size_t written,
		     struct drip_error *err) DRIP_MUST_CHECK;

void drip_store_finalize(sqlite3_stmt **stmt);
#define drip_autostmt __attribute__((cleanup(drip_store_finalize))) sqlite3_stmt *

/* Fills `durable` of the store. */
void drip_store_fill_durable(struct drip_store *store);
/* Within the transaction that is open, see drip_durable: letters of rows that are read again are
 * dropped, a group of letters is made, groups up to
 * `all` are dropped, groups beyond `some` are ended. */
int drip_store_drop_unread(sqlite3 *db, const char *pipeline,
			   const struct drip_letters_settled *what,
			   struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_group_letters(sqlite3 *db, const char *pipeline, uint64_t group, const int64_t *ids,
			     size_t count, struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_drop_groups(sqlite3 *db, const char *pipeline, uint64_t all,
			   struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_end_groups(sqlite3 *db, const char *pipeline, uint64_t some,
			  struct drip_error *err) DRIP_MUST_CHECK;
/* Writes the letters within the transaction that is open. */
int drip_store_insert_letters(sqlite3 *db, const struct drip_dead_letter *letters, size_t count,
			      struct drip_error *err) DRIP_MUST_CHECK;
/* Adds to the results of quality rules within the transaction that is open. */
int drip_store_add_quality(sqlite3 *db, const char *pipeline,
			   const struct drip_quality_findings *findings,
			   struct drip_error *err) DRIP_MUST_CHECK;
/* As drip_store_prune_audit. */
int drip_store_prune_quality(sqlite3 *db, int64_t before_us, int64_t rows, int64_t step,
			     int64_t *ret_dropped, struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_replace_lineage(sqlite3 *db, const struct drip_lineage_record *records, size_t count,
			       struct drip_error *err) DRIP_MUST_CHECK;

#endif
