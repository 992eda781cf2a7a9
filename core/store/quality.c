/* SPDX-License-Identifier: Apache-2.0 */
/* Results of quality rules: one row a rule, table and day, to which each checkpoint adds. */
#include "store/internal.h"

#include "base/clock.h"

#include <string.h>

#define DAY_US INT64_C(86400000000)

static int add_result(sqlite3 *db, const char *pipeline, const struct drip_quality_findings *f,
		      const struct drip_quality_entry *e, int64_t now, struct drip_error *err)
{
	return drip_store_run(
		db, err,
		"INSERT INTO quality_result VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?7, ?8,"
		" ?10, ?10, iif(?8 > 0, ?10, 0), ?11, ?12)"
		" ON CONFLICT (pipeline, stage, rule, table_name, day) DO UPDATE SET action = ?6,"
		" checked = checked + ?7, failed = failed + ?8,"
		" run_checked = iif(run_id = ?9, run_checked, 0) + ?7,"
		" run_failed = iif(run_id = ?9, run_failed, 0) + ?8, run_id = ?9, last_us = ?10,"
		" failed_us = iif(?8 > 0, ?10, failed_us), last_position = ?12",
		"ttttitiititt", pipeline, e->stage, e->rule, e->table, now / DAY_US, e->action,
		e->checked, e->failed, f->run_id, now, f->first_position, f->last_position);
}

int drip_store_add_quality(sqlite3 *db, const char *pipeline,
			   const struct drip_quality_findings *findings, struct drip_error *err)
{
	int64_t now = drip_clock_wall_us();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < findings->count; i++) {
		rc = add_result(db, pipeline, findings, &findings->entries[i], now, err);
	}
	return rc;
}

int drip_store_prune_quality(sqlite3 *db, int64_t before_us, int64_t rows, int64_t step,
			     int64_t *ret_dropped, struct drip_error *err)
{
	int rc = drip_store_run(db, err,
				"DELETE FROM quality_result WHERE (pipeline, stage, rule,"
				" table_name, day) IN (SELECT pipeline, stage, rule, table_name,"
				" day FROM quality_result WHERE last_us < ? LIMIT ?)",
				"ii", before_us, step);

	*ret_dropped = rc == 0 ? sqlite3_changes64(db) : 0;
	if (rc < 0 || rows <= 0 || *ret_dropped > 0) {
		return rc;
	}
	rc = drip_store_run(db, err,
			    "DELETE FROM quality_result WHERE (pipeline, stage, rule, table_name,"
			    " day) IN (SELECT pipeline, stage, rule, table_name, day FROM"
			    " quality_result ORDER BY day LIMIT"
			    " max(0, min(?1, (SELECT count(*) FROM quality_result) - ?2)))",
			    "ii", step, rows);
	*ret_dropped = rc == 0 ? sqlite3_changes64(db) : 0;
	return rc;
}

static void read_result(sqlite3_stmt *stmt, struct drip_store_quality *q)
{
	*q = (struct drip_store_quality){
		.pipeline = drip_store_text(stmt, 0),
		.result = {.stage = drip_store_text(stmt, 1),
			   .rule = drip_store_text(stmt, 2),
			   .table = drip_store_text(stmt, 3),
			   .action = drip_store_text(stmt, 5),
			   .checked = sqlite3_column_int64(stmt, 6),
			   .failed = sqlite3_column_int64(stmt, 7)},
		.day_us = sqlite3_column_int64(stmt, 4) * DAY_US,
		.run_id = drip_store_text(stmt, 8),
		.run_checked = sqlite3_column_int64(stmt, 9),
		.run_failed = sqlite3_column_int64(stmt, 10),
		.first_us = sqlite3_column_int64(stmt, 11),
		.last_us = sqlite3_column_int64(stmt, 12),
		.failed_us = sqlite3_column_int64(stmt, 13),
		.first_position = drip_store_text(stmt, 14),
		.last_position = drip_store_text(stmt, 15),
	};
}

int drip_store_visit_quality(struct drip_store *store, const char *pipeline, int64_t days,
			     int64_t limit,
			     int (*visit)(const struct drip_store_quality *q, void *data),
			     void *data, struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	struct drip_store_quality q;
	int64_t from = days > 0 ? drip_clock_wall_us() / DAY_US - days + 1 : 0;
	int rc = drip_store_query(
		store, &rows, err,
		"SELECT pipeline, stage, rule, table_name, day, action, checked, failed, run_id,"
		" run_checked, run_failed, first_us, last_us, failed_us, first_position,"
		" last_position FROM quality_result q WHERE (?1 IS NULL OR pipeline = ?1) AND"
		" iif(?2 > 0, day >= ?2, day = (SELECT max(day) FROM quality_result l WHERE"
		" l.pipeline = q.pipeline AND l.stage = q.stage AND l.rule = q.rule AND"
		" l.table_name = q.table_name))"
		" ORDER BY pipeline, stage, rule, table_name, day DESC LIMIT ?3",
		"tii", pipeline, from, limit > 0 ? limit : (int64_t)-1);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		read_result(rows.stmt, &q);
		rc = visit(&q, data);
	}
	return rc;
}
