/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters. A letter is the same as one that is there where pipeline, stage, position, op, row
 * and its number among equal ones are: the row is compared by a 128-bit hash of its text. The later
 * one replaces the earlier under a new id, so that a replayed letter which is rejected again is not
 * dropped with its replay. Letters of an epoch that got no checkpoint are dropped before its rows
 * are read again, which may come in other batches, and so at other positions. */
#include "store/internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "engine/commit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* FNV-1a with 128 bits (draft-eastlake-fnv). */
static void hash_row(const char *text, uint8_t ret[16])
{
	const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13b;
	unsigned __int128 h = (unsigned __int128)UINT64_C(0x6c62272e07bb0142) << 64 |
			      UINT64_C(0x62b821756295c58d);

	for (; *text != '\0'; text++) {
		h = (h ^ (unsigned char)*text) * prime;
	}
	memcpy(ret, &h, 16);
}

int drip_store_insert_letters(sqlite3 *db, const struct drip_dead_letter *letters, size_t count,
			      struct drip_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const struct drip_dead_letter *l = &letters[i];
		char op[2] = {l->op, '\0'};
		uint8_t hash[16];
		int rc;

		hash_row(l->row_json, hash);
		rc = drip_store_run(
			db, err,
			"INSERT OR REPLACE INTO dead_letter (pipeline, stage, table_name, code, "
			"reason, row_json, row_hash, schema_json, op, source_partition, "
			"position_order, position_text, wall_us, epoch, nth)"
			" VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			"ttttttbtttbtiii", l->pipeline, l->stage, l->table, l->code, l->reason,
			l->row_json, (const void *)hash, sizeof(hash), l->schema_json, op,
			l->position.partition, (const void *)l->position.order,
			(size_t)l->position.order_size, l->position.text, l->wall_us,
			(int64_t)l->epoch, (int64_t)l->nth);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* " WHERE ..." of a selection; ids are numbers, names are bound. */
static void where(struct drip_str *sql, const struct drip_store_letters *which)
{
	drip_str_append(sql, " WHERE (?1 IS NULL OR pipeline = ?1) AND (?2 IS NULL OR stage = ?2)");
	for (size_t i = 0; i < which->ids_count; i++) {
		drip_str_appendf(sql, "%s%" PRId64, i == 0 ? " AND id IN (" : ",", which->ids[i]);
	}
	if (which->ids_count != 0) {
		drip_str_append_char(sql, ')');
	}
	if (which->first_group != 0) {
		drip_str_appendf(sql, " AND replay <> 0 AND replay >= %" PRIu64,
				 which->first_group);
	}
}

static void read_letter(sqlite3_stmt *stmt, struct drip_store_letter *l)
{
	int order_size = sqlite3_column_bytes(stmt, 10);

	memset(l, 0, sizeof(*l));
	l->id = sqlite3_column_int64(stmt, 0);
	l->letter.pipeline = drip_store_text(stmt, 1);
	l->letter.stage = drip_store_text(stmt, 2);
	l->letter.table = drip_store_text(stmt, 3);
	l->letter.code = drip_store_text(stmt, 4);
	l->letter.reason = drip_store_text(stmt, 5);
	l->letter.row_json = drip_store_text(stmt, 6);
	l->letter.schema_json = drip_store_text(stmt, 7);
	l->letter.op = drip_store_text(stmt, 8)[0];
	l->letter.position.struct_size = sizeof(l->letter.position);
	snprintf(l->letter.position.partition, sizeof(l->letter.position.partition), "%s",
		 drip_store_text(stmt, 9));
	if (order_size > 0 && order_size <= DRIP_POSITION_ORDER_MAX) {
		memcpy(l->letter.position.order, sqlite3_column_blob(stmt, 10), (size_t)order_size);
		l->letter.position.order_size = (uint16_t)order_size;
	}
	snprintf(l->letter.position.text, sizeof(l->letter.position.text), "%s",
		 drip_store_text(stmt, 11));
	l->letter.wall_us = sqlite3_column_int64(stmt, 12);
	l->group = (uint64_t)sqlite3_column_int64(stmt, 13);
}

static int visit_letters(sqlite3 *db, const struct drip_store_letters *which,
			 int (*visit)(const struct drip_store_letter *l, void *data), void *data,
			 struct drip_error *err)
{
	drip_autostr sql = DRIP_STR_INIT;
	drip_autostmt stmt = NULL;
	struct drip_store_letter letter;
	int rc;

	drip_str_append(&sql, "SELECT id, pipeline, stage, table_name, code, reason, row_json,"
			      " schema_json, op, source_partition, position_order, position_text,"
			      " wall_us, replay FROM dead_letter");
	where(&sql, which);
	drip_str_append(&sql, which->first_group != 0 ? " ORDER BY replay, id" : " ORDER BY id");
	drip_str_append(&sql, which->newest_first ? " DESC" : "");
	drip_str_append(&sql, " LIMIT ?3");
	if (sql.rc != 0) {
		return drip_error_nomem(err, sql.length);
	}
	rc = drip_store_prepare(db, &stmt, err, sql.data, "tti", which->pipeline, which->stage,
				which->limit > 0 ? which->limit : (int64_t)-1);
	while (rc == 0 && (rc = drip_store_step(stmt, err)) == 1) {
		read_letter(stmt, &letter);
		rc = visit(&letter, data);
	}
	return rc;
}

int drip_store_visit_letters(struct drip_store *store, const struct drip_store_letters *which,
			     int (*visit)(const struct drip_store_letter *l, void *data),
			     void *data, struct drip_error *err)
{
	int rc = drip_store_lock_reader(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = visit_letters(store->reader.handle, which, visit, data, err);
	pthread_mutex_unlock(&store->reader.lock);
	return rc;
}

int drip_store_drop_letters(struct drip_store *store, const struct drip_store_letters *which,
			    int64_t *ret_dropped, struct drip_error *err)
{
	drip_autostr sql = DRIP_STR_INIT;
	int64_t dropped = 0;
	int rc;

	drip_str_append(&sql, "DELETE FROM dead_letter");
	where(&sql, which);
	if (sql.rc != 0) {
		return drip_error_nomem(err, sql.length);
	}
	rc = drip_store_begin(store, err);
	if (rc < 0) {
		return rc;
	}
	rc = drip_store_run(store->writer.handle, err, sql.data, "tt", which->pipeline,
			    which->stage);
	dropped = sqlite3_changes64(store->writer.handle);
	rc = drip_store_end(store, rc, err);
	if (rc == 0) {
		*ret_dropped = dropped;
	}
	return rc;
}

int drip_store_count_letters(struct drip_store *store,
			     int (*visit)(const char *pipeline, const char *stage, int64_t count,
					  void *data),
			     void *data, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(store, &rows, err,
				  "SELECT pipeline, stage, count(*) FROM dead_letter"
				  " GROUP BY pipeline, stage",
				  "");

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		rc = visit(drip_store_text(rows.stmt, 0), drip_store_text(rows.stmt, 1),
			   sqlite3_column_int64(rows.stmt, 2), data);
	}
	return rc;
}

int drip_store_has_letters(struct drip_store *store, const char *pipeline, const char *stage,
			   const char *table, bool *ret, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_lock_reader(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_prepare(store->reader.handle, &stmt, err,
				"SELECT 1 FROM dead_letter WHERE pipeline = ? AND stage = ?"
				" AND table_name = ? LIMIT 1",
				"ttt", pipeline, stage, table);
	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	*ret = rc == 1;
	drip_store_finalize(&stmt);
	pthread_mutex_unlock(&store->reader.lock);
	return rc == 1 ? 0 : rc;
}

/* ---- after a crash, and replay: see engine/durable.h ---- */

int drip_store_drop_unread(sqlite3 *db, const char *pipeline,
			   const struct drip_letters_settled *what, struct drip_error *err)
{
	int rc = 0;

	/* What a sink holds is as good as in the checkpoint. */
	for (size_t i = 0; i < what->held_count && rc == 0; i++) {
		const struct drip_position *p = what->held[i].position;

		rc = drip_store_run(db, err,
				    "UPDATE dead_letter SET epoch = ?1 WHERE pipeline = ?2 AND"
				    " epoch > ?1 AND stage = ?3 AND source_partition = ?4 AND"
				    " position_order <= ?5",
				    "itttb", (int64_t)what->epoch, pipeline, what->held[i].stage,
				    p->partition, (const void *)p->order, (size_t)p->order_size);
	}
	return rc == 0 ? drip_store_run(db, err,
					"DELETE FROM dead_letter WHERE pipeline = ? AND epoch > ?"
					" AND replay = 0 AND source_partition <> ?",
					"tit", pipeline, (int64_t)what->epoch, DRIP_COMMIT_LETTERS)
		       : rc;
}

int drip_store_group_letters(sqlite3 *db, const char *pipeline, uint64_t group, const int64_t *ids,
			     size_t count, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(
		db, &stmt, err,
		"SELECT 1 FROM dead_letter WHERE pipeline = ? AND replay <> 0 LIMIT 1", "t",
		pipeline);

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 1) {
		rc = drip_error_set_retryable(err, -EAGAIN, "dlq.replay_pending",
					      "another replay of letters of pipeline \"%s\" is "
					      "under way",
					      pipeline);
	}
	drip_store_finalize(&stmt);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = drip_store_run(
			db, err,
			"UPDATE dead_letter SET replay = ? WHERE id = ? AND pipeline = ?"
			" AND replay = 0",
			"iit", (int64_t)group, ids[i], pipeline);
		if (rc == 0 && sqlite3_changes64(db) != 1) {
			rc = drip_error_set(err, -ENOENT, "dlq.unknown_letter",
					    "there is no dead letter %" PRId64, ids[i]);
		}
	}
	return rc;
}

int drip_store_drop_groups(sqlite3 *db, const char *pipeline, uint64_t all, struct drip_error *err)
{
	return all == 0 ? 0
			: drip_store_run(db, err,
					 "DELETE FROM dead_letter WHERE pipeline = ?"
					 " AND replay <> 0 AND replay <= ?",
					 "ti", pipeline, (int64_t)all);
}

/* What was rejected anew in a group that no sink holds is there as the letters of the group. */
int drip_store_end_groups(sqlite3 *db, const char *pipeline, uint64_t some, struct drip_error *err)
{
	struct drip_position after = drip_commit_group_position(some + 1);
	int rc = drip_store_run(db, err,
				"DELETE FROM dead_letter WHERE pipeline = ? AND"
				" source_partition = ? AND position_order >= ?",
				"ttb", pipeline, after.partition, (const void *)after.order,
				(size_t)after.order_size);

	return rc == 0 ? drip_store_run(db, err,
					"UPDATE dead_letter SET replay = 0 WHERE pipeline = ?"
					" AND replay <> 0 AND replay > ?",
					"ti", pipeline, (int64_t)some)
		       : rc;
}
