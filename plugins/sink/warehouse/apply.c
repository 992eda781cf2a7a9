/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mirror and merge: the last change of each key in the stage replaces the row in the table. Rows
 * are deleted and inserted, never updated: DuckDB's updates leak memory, and deleting and inserting
 * is the fastest it can do without an index. Thread: the sink's.
 */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* FROM the last change of each key, as s. */
static void put_last_changes(struct wh *wh, const struct wh_target *t)
{
	wh_sql(wh, " FROM %N AS s WHERE s.%N IN (SELECT max(%N) FROM %N GROUP BY ", t->stage,
	       WH_STAGE_SEQ, WH_STAGE_SEQ, t->stage);
	wh_keys(wh, t, NULL);
	wh_sql(wh, ")");
}

static bool is_supplied(const struct wh *wh, const struct wh_target *t, const char *column)
{
	for (const struct wh_source *s = wh->sources; s != NULL; s = s->next) {
		if (s->target == t && s->extended != NULL &&
		    drip_schema_find(s->extended, column) >= 0) {
			return true;
		}
	}
	return false;
}

/* Names of the columns that the rows give, or that they do not give. */
static uint32_t put_columns(struct wh *wh, const struct wh_target *t, const char *prefix,
			    bool supplied, bool comma)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->columns->columns_count; i++) {
		const char *name = drip_schema_column(t->columns, i)->name;

		if (wh_is_made(wh->config, t->mode, name) || is_supplied(wh, t, name) != supplied) {
			continue;
		}
		wh_sql(wh, "%s%s%s%N", n > 0 || comma ? ", " : "", prefix,
		       prefix[0] != '\0' ? "." : "", name);
		n++;
	}
	return n;
}

static uint32_t count_columns(const struct wh *wh, const struct wh_target *t, bool supplied)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->columns->columns_count; i++) {
		const char *name = drip_schema_column(t->columns, i)->name;

		n += !wh_is_made(wh->config, t->mode, name) && is_supplied(wh, t, name) == supplied;
	}
	return n;
}

static int delete_staged(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	wh_sql(wh, "DELETE FROM %T AS t USING %N AS s WHERE ", t->name, t->stage);
	wh_join_keys(wh, t, "t", "s");
	return wh_run(wh, NULL, err);
}

static int apply_mirror(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	bool soft = wh->config->deletes.value == WH_DELETES_SOFT && t->mode == WH_MIRROR;
	int rc = delete_staged(wh, t, err);

	if (rc != 0) {
		return rc;
	}
	wh_sql(wh, "INSERT INTO %T (", t->name);
	put_columns(wh, t, "", true, false);
	if (soft) {
		wh_sql(wh, ", %N", wh->config->deleted_column);
	}
	wh_sql(wh, ") SELECT ");
	put_columns(wh, t, "s", true, false);
	if (soft) {
		wh_sql(wh, ", s.%N = 'd'", WH_STAGE_OP);
	}
	put_last_changes(wh, t);
	if (!soft) {
		wh_sql(wh, " AND s.%N <> 'd'", WH_STAGE_OP);
	}
	return wh_run(wh, NULL, err);
}

/* Columns that no source gives keep what the row has: they are read before it is deleted. */
static int apply_merge(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	static const char merged[] = "_dripline_merged";
	int rc;

	wh_sql(wh, "CREATE TEMP TABLE %N AS SELECT ", merged);
	put_columns(wh, t, "l", true, false);
	put_columns(wh, t, "t", false, true);
	wh_sql(wh, " FROM (SELECT s.*");
	put_last_changes(wh, t);
	wh_sql(wh, ") AS l LEFT JOIN %T AS t ON ", t->name);
	wh_join_keys(wh, t, "t", "l");
	rc = wh_run(wh, NULL, err);
	if (rc == 0) {
		rc = delete_staged(wh, t, err);
	}
	if (rc == 0) {
		wh_sql(wh, "INSERT INTO %T (", t->name);
		put_columns(wh, t, "", true, false);
		put_columns(wh, t, "", false, true);
		wh_sql(wh, ") SELECT * FROM %N", merged);
		rc = wh_run(wh, NULL, err);
	}
	if (rc == 0) {
		wh_sql(wh, "DROP TABLE %N", merged);
		rc = wh_run(wh, NULL, err);
	}
	return rc;
}

int wh_apply(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	int rc;

	t->dirty = true;
	if (t->mode == WH_SCD2) {
		rc = wh_apply_scd2(wh, t, err);
	} else if (t->mode == WH_MERGE && count_columns(wh, t, false) > 0) {
		rc = apply_merge(wh, t, err);
	} else {
		rc = apply_mirror(wh, t, err);
	}
	return rc == 0 ? wh_drop_stage(wh, t, err) : rc;
}

/* A truncated table in the change log is a row with the op t. */
static int log_clear(struct wh *wh, struct wh_target *t, int64_t commit_time_us,
		     struct drip_error *err)
{
	wh_sql(wh,
	       "INSERT INTO %T (%N, %N, %N) SELECT 't', %D, TIMESTAMP WITH TIME ZONE 'epoch' + "
	       "to_microseconds(CAST(%D AS BIGINT))",
	       t->name, wh->config->op_column, wh->config->sequence_column,
	       wh->config->commit_time_column, wh->next_sequence, commit_time_us);
	wh->next_sequence++;
	return wh_run(wh, NULL, err);
}

int wh_clear(struct wh *wh, struct wh_target *t, const char *source, int64_t commit_time_us,
	     struct drip_error *err)
{
	t->dirty = true;
	switch (t->mode) {
	case WH_CHANGELOG:
		return log_clear(wh, t, commit_time_us, err);
	case WH_SCD2:
		return wh_clear_scd2(wh, t, commit_time_us, err);
	default:
		break;
	}
	if (wh->config->deletes.value == WH_DELETES_SOFT) {
		wh_sql(wh, "UPDATE %T SET %N = true", t->name, wh->config->deleted_column);
		if (t->mode == WH_MIRROR && wh->config->sequence) {
			wh_sql(wh, ", %N = %D", wh->config->sequence_column, wh->next_sequence++);
		}
		wh_sql(wh, " WHERE %N IS DISTINCT FROM true", wh->config->deleted_column);
	} else {
		wh_sql(wh, "DELETE FROM %T WHERE true", t->name);
	}
	if (source != NULL) {
		wh_sql(wh, " AND %N = %L", wh->config->source_column, source);
	}
	return wh_run(wh, NULL, err);
}
