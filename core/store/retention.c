/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters, audit rows and results of quality rules are kept as long and as many as
 * `settings.retention` says. What is beyond goes with a later write of the same kind or with a
 * commit, in its transaction: once an hour, after PRUNE_WRITES rows, and again at once where a step
 * was not enough. A step is bounded, so that no write waits for long. Thread: any, under the
 * writer's lock.
 */
#include "store/internal.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

#define PRUNE_STEP     5000 /* rows of a table that one step looks at and deletes */
#define PRUNE_WRITES   1000
#define PRUNE_EVERY_US INT64_C(3600000000)

void drip_store_set_retention(struct drip_store *store, const struct drip_store_retention *r)
{
	pthread_mutex_lock(&store->retention_lock);
	store->retention = *r;
	store->retention_new = true;
	pthread_mutex_unlock(&store->retention_lock);
}

/* True where a step is due; *ret is what it goes by. */
static bool is_due(struct drip_store *store, int64_t now_us, struct drip_store_retention *ret)
{
	bool due = store->unpruned >= PRUNE_WRITES || now_us - store->pruned_us >= PRUNE_EVERY_US;

	pthread_mutex_lock(&store->retention_lock);
	due = due || store->retention_new;
	store->retention_new = store->retention_new && !due;
	*ret = store->retention;
	pthread_mutex_unlock(&store->retention_lock);
	return due;
}

static int count_letters(sqlite3 *db, int64_t *ret, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err,
				    "SELECT count(*) FROM dead_letter WHERE replay = 0", "");

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 1) {
		*ret = sqlite3_column_int64(stmt, 0);
	}
	return rc < 0 ? rc : 0;
}

/* Deletes those of the oldest `limit` letters that are older than `before_us`. One that is being
 * put back neither counts nor goes: after a crash a sink may still need it. */
static int delete_oldest(sqlite3 *db, int64_t limit, int64_t before_us, int64_t *ret_dropped,
			 struct drip_error *err)
{
	int rc = drip_store_run(db, err,
				"DELETE FROM dead_letter WHERE id IN (SELECT id FROM (SELECT id,"
				" wall_us FROM dead_letter WHERE replay = 0 ORDER BY id LIMIT ?)"
				" WHERE wall_us < ?)",
				"ii", limit, before_us);

	if (rc == 0) {
		*ret_dropped += sqlite3_changes64(db);
	}
	return rc;
}

/* One step; age and rows of 0 are no limits. */
static int prune_letters(sqlite3 *db, int64_t age_ms, int64_t rows, int64_t *ret_dropped,
			 struct drip_error *err)
{
	int64_t count = 0;
	int rc = 0;

	*ret_dropped = 0;
	if (age_ms > 0) {
		rc = delete_oldest(db, PRUNE_STEP, drip_clock_wall_us() - age_ms * 1000,
				   ret_dropped, err);
	}
	if (rc == 0 && rows > 0 && *ret_dropped == 0) {
		rc = count_letters(db, &count, err);
		if (rc == 0 && count > rows) {
			count = count - rows < PRUNE_STEP ? count - rows : PRUNE_STEP;
			rc = delete_oldest(db, count, INT64_MAX, ret_dropped, err);
		}
	}
	return rc;
}

int drip_store_prune(struct drip_store *store, size_t written, struct drip_error *err)
{
	struct drip_store_retention r;
	sqlite3 *db = store->writer.handle;
	int64_t now = drip_clock_wall_us(), letters, audit, quality;
	char detail[64];
	int rc;

	store->unpruned += written;
	if (!is_due(store, now, &r)) {
		return 0;
	}
	rc = prune_letters(db, r.letters_age_ms, r.letters_rows, &letters, err);
	if (rc == 0) {
		rc = drip_store_prune_audit(
			db, r.audit_age_ms > 0 ? now - r.audit_age_ms * 1000 : INT64_MIN,
			r.audit_rows, PRUNE_STEP, &audit, err);
	}
	if (rc == 0) {
		rc = drip_store_prune_quality(
			db, r.quality_age_ms > 0 ? now - r.quality_age_ms * 1000 : INT64_MIN,
			r.quality_rows, PRUNE_STEP, &quality, err);
	}
	if (rc == 0 && letters > 0) {
		snprintf(detail, sizeof(detail), "%" PRId64 " letters", letters);
		rc = drip_store_put_audit(db, "dripline", "retention", "dead letters", detail, err);
	}
	if (rc == 0) {
		store->unpruned = 0;
		store->pruned_us = letters + audit + quality > 0 ? 0 : now;
	}
	return rc;
}
