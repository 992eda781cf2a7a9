/* SPDX-License-Identifier: Apache-2.0 */
/* Questions of the command line and the control methods: checkpoints, runs. */
#include "store/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int drip_store_visit_checkpoints(struct drip_store *store, const char *pipeline,
				 int (*visit)(const struct drip_store_checkpoint *c, void *data),
				 void *data, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(store, &rows, err,
				  "SELECT pipeline, source_partition, position_text, epoch,"
				  " committed_us FROM checkpoint WHERE ?1 IS NULL OR pipeline = ?1"
				  " ORDER BY 1, 2",
				  "t", pipeline);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		struct drip_store_checkpoint c = {
			.pipeline = drip_store_text(rows.stmt, 0),
			.partition = drip_store_text(rows.stmt, 1),
			.text = drip_store_text(rows.stmt, 2),
			.epoch = (uint64_t)sqlite3_column_int64(rows.stmt, 3),
			.committed_us = sqlite3_column_int64(rows.stmt, 4),
		};

		rc = visit(&c, data);
	}
	return rc;
}

/* A pipeline that has run, but never committed into this store: from then on it counts as reset, so
 * that sinks which hold more than the store knows get all anew. */
static int forget_unknown(sqlite3 *db, const char *pipeline, struct drip_error *err)
{
	int rc =
		drip_store_run(db, err,
			       "INSERT INTO pipeline SELECT pipeline, 1, ?2, 0, 0, 0, 0, 0 FROM run"
			       " WHERE pipeline = ?1 LIMIT 1 ON CONFLICT DO NOTHING",
			       "ti", pipeline, drip_clock_wall_us());

	if (rc == 0 && sqlite3_changes64(db) == 0) {
		rc = drip_error_set(err, -ENOENT, "store.no_checkpoint",
				    "pipeline \"%s\" has no checkpoint", pipeline);
		drip_error_hint(err, "`dripline checkpoint show` lists those that there are.");
	}
	return rc;
}

static int reset(sqlite3 *db, const char *pipeline, const char *actor, struct drip_error *err)
{
	int64_t changes;
	int rc =
		drip_store_run(db, err, "DELETE FROM checkpoint WHERE pipeline = ?", "t", pipeline);

	changes = sqlite3_changes64(db);
	rc = rc == 0 ? drip_store_run(db, err, "DELETE FROM state WHERE pipeline = ?", "t",
				      pipeline)
		     : rc;
	changes += sqlite3_changes64(db);
	if (rc == 0 && changes == 0) {
		rc = forget_unknown(db, pipeline, err);
	}
	return rc == 0 ? drip_store_put_audit(db, actor, "checkpoint reset", pipeline, "", err)
		       : rc;
}

int drip_store_reset_checkpoint(struct drip_store *store, const char *pipeline, const char *actor,
				struct drip_error *err)
{
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = reset(store->writer.handle, pipeline, actor, err);
	return drip_store_end(store, rc, err);
}

int drip_store_visit_runs(struct drip_store *store, const char *pipeline, int64_t limit,
			  int (*visit)(const struct drip_store_run *r, void *data), void *data,
			  struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(
		store, &rows, err,
		"SELECT id, pipeline, state, begun_us, coalesce(ended_us, 0), code,"
		" message FROM run WHERE ?1 IS NULL OR pipeline = ?1"
		" ORDER BY begun_us DESC, id DESC LIMIT ?2",
		"ti", pipeline, limit);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		struct drip_store_run r = {
			.id = drip_store_text(rows.stmt, 0),
			.pipeline = drip_store_text(rows.stmt, 1),
			.state = (enum drip_run_state)sqlite3_column_int(rows.stmt, 2),
			.begun_us = sqlite3_column_int64(rows.stmt, 3),
			.ended_us = sqlite3_column_int64(rows.stmt, 4),
			.code = drip_store_text(rows.stmt, 5),
			.message = drip_store_text(rows.stmt, 6),
		};

		rc = visit(&r, data);
	}
	return rc;
}
