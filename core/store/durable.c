/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine keeps, on SQLite: drip_durable. Each write is one transaction, durable when it
 * returns. */
#include "store/internal.h"
#include "store/models.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void read_position(sqlite3_stmt *stmt, struct drip_position *p)
{
	int order_size = sqlite3_column_bytes(stmt, 1), detail_size = sqlite3_column_bytes(stmt, 2);

	memset(p, 0, sizeof(*p));
	p->struct_size = sizeof(*p);
	snprintf(p->partition, sizeof(p->partition), "%s", drip_store_text(stmt, 0));
	p->order_size = (uint16_t)order_size;
	p->detail_size = (uint16_t)detail_size;
	if (order_size > 0) { /* an empty blob is NULL */
		memcpy(p->order, sqlite3_column_blob(stmt, 1), (size_t)order_size);
	}
	if (detail_size > 0) {
		memcpy(p->detail, sqlite3_column_blob(stmt, 2), (size_t)detail_size);
	}
	snprintf(p->text, sizeof(p->text), "%s", drip_store_text(stmt, 3));
}

static int load_positions(sqlite3 *db, const char *pipeline, struct drip_position **ret,
			  size_t *ret_count, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	drip_autofree struct drip_position *items = NULL;
	size_t count = 0, capacity = 0;
	int rc = drip_store_prepare(
		db, &stmt, err,
		"SELECT source_partition, position_order, position_detail, position_text"
		" FROM checkpoint WHERE pipeline = ? ORDER BY source_partition",
		"t", pipeline);

	while (rc == 0 && (rc = drip_store_step(stmt, err)) == 1) {
		void *grown = items;

		if (sqlite3_column_bytes(stmt, 1) > DRIP_POSITION_ORDER_MAX ||
		    sqlite3_column_bytes(stmt, 2) > DRIP_POSITION_DETAIL_MAX) {
			return drip_store_error(db, SQLITE_CORRUPT, "read a checkpoint", err);
		}
		if (!drip_grow(&grown, &capacity, count + 1, sizeof(*items))) {
			return drip_error_nomem(err, (count + 1) * sizeof(*items));
		}
		items = grown;
		read_position(stmt, &items[count++]);
		rc = 0;
	}
	if (rc < 0) {
		return rc;
	}
	*ret = drip_steal(items);
	*ret_count = count;
	return 0;
}

int drip_store_load_positions(struct drip_store *store, const char *pipeline,
			      struct drip_position **ret, size_t *ret_count, struct drip_error *err)
{
	int rc = drip_store_lock_reader(store, err);

	if (rc == 0) {
		rc = load_positions(store->reader.handle, pipeline, ret, ret_count, err);
		pthread_mutex_unlock(&store->reader.lock);
	}
	return rc;
}

/* A number of the pipeline, by a query with its name; 0 where there is no row. */
static int load_number(sqlite3 *db, const char *sql, const char *pipeline, uint64_t *ret,
		       struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err, sql, "t", pipeline);

	*ret = 0;
	if (rc == 0) {
		rc = drip_store_step(stmt, err);
	}
	if (rc == 1) {
		*ret = (uint64_t)sqlite3_column_int64(stmt, 0);
	}
	return rc < 0 ? rc : 0;
}

static int checkpoint_load(void *self, const char *pipeline, struct drip_position **ret,
			   size_t *ret_count, uint64_t *ret_epoch, struct drip_error *err)
{
	struct drip_store *store = self;
	struct drip_position *positions = NULL;
	size_t count = 0;
	uint64_t epoch;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = load_number(store->writer.handle, "SELECT epoch FROM pipeline WHERE name = ?",
			 pipeline, &epoch, err);
	rc = rc == 0 ? load_positions(store->writer.handle, pipeline, &positions, &count, err) : rc;
	rc = drip_store_end(store, rc, err);
	if (rc < 0) {
		free(positions);
		return rc;
	}
	*ret = positions;
	*ret_count = count;
	*ret_epoch = epoch;
	return 0;
}

static int put_pipeline(sqlite3 *db, const char *pipeline, const struct drip_checkpoint *c,
			int64_t now, struct drip_error *err)
{
	return drip_store_run(
		db, err,
		"INSERT INTO pipeline VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (name) "
		"DO UPDATE SET epoch = ?2, committed_us = ?3, rows_in = rows_in + ?4,"
		" rows_out = rows_out + ?5, rows_filtered = rows_filtered + ?6,"
		" rows_dead = rows_dead + ?7, replayed = ?8",
		"tiiiiiii", pipeline, (int64_t)c->epoch, now, c->rows_in, c->rows_out,
		c->rows_filtered, c->rows_dead, (int64_t)c->replayed);
}

static int put_position(sqlite3 *db, const char *pipeline, uint64_t epoch,
			const struct drip_position *p, int64_t now, struct drip_error *err)
{
	return drip_store_run(db, err,
			      "INSERT OR REPLACE INTO checkpoint (pipeline, source_partition, "
			      "epoch, position_order, position_detail, position_text, committed_us)"
			      " VALUES (?, ?, ?, ?, ?, ?, ?)",
			      "ttibbti", pipeline, p->partition, (int64_t)epoch,
			      (const void *)p->order, (size_t)p->order_size,
			      (const void *)p->detail, (size_t)p->detail_size, p->text, now);
}

static int put_state(sqlite3 *db, const char *pipeline, const struct drip_state_entry *e,
		     struct drip_error *err)
{
	if (e->value == NULL) {
		return drip_store_run(
			db, err, "DELETE FROM state WHERE pipeline = ? AND stage = ? AND key = ?",
			"ttt", pipeline, e->stage, e->key);
	}
	return drip_store_run(db, err,
			      "INSERT OR REPLACE INTO state (pipeline, stage, key, value)"
			      " VALUES (?, ?, ?, ?)",
			      "tttb", pipeline, e->stage, e->key, e->value, e->size);
}

static int checkpoint_commit(void *self, const char *pipeline,
			     const struct drip_checkpoint *checkpoint, struct drip_error *err)
{
	struct drip_store *store = self;
	sqlite3 *db = store->writer.handle;
	int64_t now = drip_clock_wall_us();
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = put_pipeline(db, pipeline, checkpoint, now, err);
	for (size_t i = 0; rc == 0 && i < checkpoint->positions_count; i++) {
		rc = put_position(db, pipeline, checkpoint->epoch, &checkpoint->positions[i], now,
				  err);
	}
	for (size_t i = 0; rc == 0 && i < checkpoint->states_count; i++) {
		rc = put_state(db, pipeline, &checkpoint->states[i], err);
	}
	rc = rc == 0 ? drip_store_drop_groups(db, pipeline, checkpoint->replayed, err) : rc;
	rc = rc == 0 ? drip_store_add_quality(db, pipeline, &checkpoint->quality, err) : rc;
	rc = rc == 0 ? drip_store_prune(store, 0, err) : rc;
	return drip_store_end(store, rc, err);
}

static int copy_value(sqlite3_stmt *stmt, void **ret, size_t *ret_size, struct drip_error *err)
{
	size_t size = (size_t)sqlite3_column_bytes(stmt, 0);
	void *copy = drip_memdup(sqlite3_column_blob(stmt, 0), size);

	if (copy == NULL) {
		return drip_error_nomem(err, size);
	}
	*ret = copy;
	*ret_size = size;
	return 0;
}

static int find_state(sqlite3 *db, const char *pipeline, const char *stage, const char *key,
		      void **ret, size_t *ret_size, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(
		db, &stmt, err,
		"SELECT value FROM state WHERE pipeline = ? AND stage = ? AND key = ?", "ttt",
		pipeline, stage, key);

	if (rc == 0) {
		rc = drip_store_step(stmt, err);
	}
	if (rc == 1) {
		return copy_value(stmt, ret, ret_size, err);
	}
	return rc < 0 ? rc
		      : drip_error_set(err, -ENOENT, "store.no_state",
				       "stage \"%s\" of pipeline \"%s\" keeps no \"%s\"", stage,
				       pipeline, key);
}

static int state_get(void *self, const char *pipeline, const char *stage, const char *key,
		     void **ret, size_t *ret_size, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_lock_reader(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = find_state(store->reader.handle, pipeline, stage, key, ret, ret_size, err);
	pthread_mutex_unlock(&store->reader.lock);
	return rc;
}

/* UUID version 7 (RFC 9562): sorts by time. */
static int make_run_id(char ret[37], int64_t wall_us, struct drip_error *err)
{
	uint8_t b[16];
	uint64_t ms = (uint64_t)wall_us / 1000;

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b)) {
		return drip_error_set_retryable(err, -errno, "store.io",
						"could not get random bytes: %s", strerror(errno));
	}
	for (int i = 0; i < 6; i++) {
		b[i] = (uint8_t)(ms >> (40 - 8 * i));
	}
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));
	snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		 b[13], b[14], b[15]);
	return 0;
}

static int run_begin(void *self, const char *pipeline, char ret_run_id[37], struct drip_error *err)
{
	struct drip_store *store = self;
	int64_t now = drip_clock_wall_us();
	char id[37];
	int rc = make_run_id(id, now, err);

	rc = rc == 0 ? drip_store_begin(store, err) : rc;
	if (rc < 0) {
		return rc;
	}
	rc = drip_store_run(store->writer.handle, err,
			    "INSERT INTO run (id, pipeline, begun_us, state) VALUES (?, ?, ?, ?)",
			    "ttii", id, pipeline, now, (int64_t)DRIP_RUN_RUNNING);
	rc = rc == 0 ? drip_store_run(store->writer.handle, err,
				      "DELETE FROM run WHERE pipeline = ?1 AND id NOT IN (SELECT id"
				      " FROM run WHERE pipeline = ?1 ORDER BY begun_us DESC,"
				      " id DESC LIMIT ?2)",
				      "ti", pipeline, (int64_t)DRIP_STORE_RUNS_KEPT)
		     : rc;
	rc = drip_store_end(store, rc, err);
	if (rc == 0) {
		memcpy(ret_run_id, id, sizeof(id));
	}
	return rc;
}

static int find_first(sqlite3 *db, const char *pipeline, int64_t *ret_us, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(
		db, &stmt, err, "SELECT min(begun_us) FROM run WHERE pipeline = ?", "t", pipeline);

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	*ret_us = rc == 1 ? sqlite3_column_int64(stmt, 0) : 0;
	return rc < 0 ? rc : 0;
}

static int run_first(void *self, const char *pipeline, int64_t *ret_us, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_lock_reader(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = find_first(store->reader.handle, pipeline, ret_us, err);
	pthread_mutex_unlock(&store->reader.lock);
	return rc;
}

static int run_end(void *self, const char *run_id, enum drip_run_state state,
		   const struct drip_error *reason, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_run(store->writer.handle, err,
			    "UPDATE run SET ended_us = ?, state = ?, code = ?, message = ?"
			    " WHERE id = ?",
			    "iittt", drip_clock_wall_us(), (int64_t)state,
			    reason != NULL && reason->rc != 0 ? reason->code : NULL,
			    reason != NULL && reason->rc != 0 ? reason->message : NULL, run_id);
	return drip_store_end(store, rc, err);
}

static int quality_put(void *self, const char *pipeline,
		       const struct drip_quality_findings *findings, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_add_quality(store->writer.handle, pipeline, findings, err);
	return drip_store_end(store, rc, err);
}

static int schedule_get(void *self, const char *pipeline, int64_t *ret_us, struct drip_error *err)
{
	struct drip_store *store = self;
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(store, &rows, err,
				  "SELECT last_us FROM schedule WHERE pipeline = ?", "t", pipeline);

	rc = rc == 0 ? drip_store_step(rows.stmt, err) : rc;
	if (rc >= 0) {
		*ret_us = rc == 1 ? sqlite3_column_int64(rows.stmt, 0) : 0;
	}
	return rc < 0 ? rc : 0;
}

static int schedule_put(void *self, const char *pipeline, int64_t us, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_run(store->writer.handle, err,
			    "INSERT OR REPLACE INTO schedule (pipeline, last_us) VALUES (?, ?)",
			    "ti", pipeline, us);
	return drip_store_end(store, rc, err);
}

/* One row a change: a schema equal to the last one seen is not kept again. */
static int schema_put(void *self, const char *pipeline, const char *stage,
		      const struct drip_schema *schema, const struct drip_position *position,
		      struct drip_error *err)
{
	struct drip_store *store = self;
	drip_autofree char *json = NULL;
	int rc = drip_schema_to_json(schema, &json, err);

	rc = rc == 0 ? drip_store_begin(store, err) : rc;
	if (rc < 0) {
		return rc;
	}
	rc = drip_store_run(
		store->writer.handle, err,
		"INSERT INTO schema_version SELECT ?1, ?2, ?3, ?4, coalesce(max(ordinal), 0) + 1,"
		" ?5, ?6, ?7, ?8 FROM schema_version WHERE pipeline = ?1 AND stage = ?2 AND"
		" database_name = ?3 AND table_name = ?4 HAVING ?6 IS NOT (SELECT schema_json FROM"
		" schema_version WHERE pipeline = ?1 AND stage = ?2 AND database_name = ?3 AND"
		" table_name = ?4 ORDER BY ordinal DESC LIMIT 1)",
		"ttttitti", pipeline, stage, schema->database, schema->table,
		(int64_t)schema->version, json, position != NULL ? position->text : "",
		drip_clock_wall_us());
	return drip_store_end(store, rc, err);
}

static int lineage_put(void *self, const struct drip_lineage_record *records, size_t count,
		       struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_replace_lineage(store->writer.handle, records, count, err);
	return drip_store_end(store, rc, err);
}

static int dead_letter_put(void *self, const struct drip_dead_letter *letters, size_t count,
			   struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_insert_letters(store->writer.handle, letters, count, err);
	rc = rc == 0 ? drip_store_prune(store, count, err) : rc;
	return drip_store_end(store, rc, err);
}

static int replayed_get(void *self, const char *pipeline, uint64_t *ret, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = load_number(store->writer.handle, "SELECT replayed FROM pipeline WHERE name = ?",
			 pipeline, ret, err);
	return drip_store_end(store, rc, err);
}

static int letters_left(void *self, const char *pipeline, const char *stage, const char *table,
			bool *ret, struct drip_error *err)
{
	struct drip_store *store = self;

	return drip_store_has_letters(store, pipeline, stage, table, ret, err);
}

static int letters_group(void *self, const char *pipeline, uint64_t group, const int64_t *ids,
			 size_t count, struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_group_letters(store->writer.handle, pipeline, group, ids, count, err);
	return drip_store_end(store, rc, err);
}

static int letters_settle(void *self, const char *pipeline, const struct drip_letters_settled *what,
			  struct drip_error *err)
{
	struct drip_store *store = self;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = drip_store_drop_unread(store->writer.handle, pipeline, what, err);
	rc = rc == 0 ? drip_store_drop_groups(store->writer.handle, pipeline, what->all, err) : rc;
	rc = rc == 0 ? drip_store_end_groups(store->writer.handle, pipeline, what->some, err) : rc;
	return drip_store_end(store, rc, err);
}

void drip_store_fill_durable(struct drip_store *store)
{
	store->durable = (struct drip_durable){
		.self = store,
		.checkpoint_load = checkpoint_load,
		.checkpoint_commit = checkpoint_commit,
		.state_get = state_get,
		.run_begin = run_begin,
		.run_first = run_first,
		.run_end = run_end,
		.quality_put = quality_put,
		.schedule_get = schedule_get,
		.schedule_put = schedule_put,
		.schema_put = schema_put,
		.lineage_put = lineage_put,
		.dead_letter_put = dead_letter_put,
		.replayed_get = replayed_get,
		.letters_left = letters_left,
		.letters_group = letters_group,
		.letters_settle = letters_settle,
		.model_add = drip_store_add_model,
		.model_read = drip_store_read_model,
	};
}
