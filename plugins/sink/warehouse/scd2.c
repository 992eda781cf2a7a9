/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slowly changing dimension, type 2. For each key the changes of the stage follow the version that
 * is current in the table, in the order of their sequence; each that differs from the state before
 * it makes a version, also where several come at once. Intervals are half open and do not overlap:
 * a version begins at its change's commit time, but at least a microsecond after the one before it.
 * Invariant: one current version a key at most, whose end is WH_FOREVER. Thread: the sink's.
 */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define HITS    "_dripline_hits"
#define EVENTS  "_dripline_events"
#define CLOSING "_dripline_closing"

static bool is_key(const struct wh_target *t, const char *column)
{
	for (uint32_t i = 0; i < t->keys_count; i++) {
		if (strcasecmp(t->keys[i], column) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_tracked(const struct wh *wh, const struct wh_target *t, const char *column)
{
	const struct drip_strings *track = &wh->config->track;

	if (is_key(t, column) || strcasecmp(column, wh->config->commit_time_column) == 0) {
		return false;
	}
	for (size_t i = 0; i < track->count; i++) {
		if (strcasecmp(track->items[i], column) == 0) {
			return true;
		}
	}
	return track->count == 0;
}

/* The columns that rows carry. */
static void put_columns(struct wh *wh, const struct wh_target *t, const char *prefix)
{
	bool first = true;

	for (uint32_t i = 0; i < t->columns->columns_count; i++) {
		const char *name = drip_schema_column(t->columns, i)->name;

		if (!wh_is_made(wh->config, t->mode, name)) {
			wh_sql(wh, "%s%s%s%N", first ? "" : ", ", prefix,
			       prefix[0] != '\0' ? "." : "", name);
			first = false;
		}
	}
}

/* Nulls are left out, so that a column added later does not change the hash of what lacks it. */
static void put_hash(struct wh *wh, const struct wh_target *t)
{
	wh_sql(wh, "md5(concat_ws(chr(31), ''");
	for (uint32_t i = 0; i < t->columns->columns_count; i++) {
		const char *name = drip_schema_column(t->columns, i)->name;

		if (!wh_is_made(wh->config, t->mode, name) && is_tracked(wh, t, name)) {
			wh_sql(wh,
			       ", CASE WHEN s.%N IS NOT NULL THEN %L || '=' || CAST(s.%N AS "
			       "VARCHAR) "
			       "END",
			       name, name, name);
		}
	}
	wh_sql(wh, "))");
}

static void put_partition(struct wh *wh, const struct wh_target *t, const char *order)
{
	wh_sql(wh, "(PARTITION BY ");
	wh_keys(wh, t, NULL);
	wh_sql(wh, " ORDER BY %s)", order);
}

/* Changes, and before them the current version of each changed key as an event of its own. Events
 * are narrow, so that sorting them takes little memory: _s leads to the row in the stage, _k to the
 * version in the table. */
static void put_events(struct wh *wh, const struct wh_target *t)
{
	const struct wh_config *c = wh->config;

	wh_sql(wh, "WITH events AS (SELECT ");
	wh_keys(wh, t, "s");
	wh_sql(wh, ", s.%N AS _o, s.%N AS _s, s.%N AS _t, ", WH_STAGE_OP, WH_STAGE_SEQ,
	       WH_STAGE_TIME);
	put_hash(wh, t);
	wh_sql(wh, " AS _h, CAST(NULL AS BIGINT) AS _k FROM %N AS s UNION ALL SELECT ", t->stage);
	wh_keys(wh, t, "t");
	wh_sql(wh,
	       ", 'c', CAST(-1 AS BIGINT), t.%N, t.%N, t.%N FROM %T AS t JOIN %N AS h ON t.%N = "
	       "h._k)",
	       c->valid_from_column, c->hash_column, c->surrogate_column, t->name, HITS,
	       c->surrogate_column);
}

/* The current versions of changed keys. Looked for in as few columns as can be, as the whole table
 * may have to be read; and by an inner join, whose keys' range leaves out parts of the table. */
static int find_hits(struct wh *wh, const struct wh_target *t, struct drip_error *err)
{
	wh_sql(wh, "CREATE TEMP TABLE %N AS SELECT t.%N AS _k FROM %T AS t JOIN (SELECT DISTINCT ",
	       HITS, wh->config->surrogate_column, t->name);
	wh_keys(wh, t, NULL);
	wh_sql(wh, " FROM %N) AS s ON ", t->stage);
	wh_join_keys(wh, t, "t", "s");
	wh_sql(wh, " WHERE t.%N", wh->config->current_column);
	return wh_run(wh, NULL, err);
}

static int make_events(struct wh *wh, const struct wh_target *t, struct drip_error *err)
{
	wh_sql(wh, "CREATE TEMP TABLE %N AS ", EVENTS);
	put_events(wh, t);
	wh_sql(wh, ", lagged AS (SELECT *, lag(_o) OVER ");
	put_partition(wh, t, "_s");
	wh_sql(wh, " AS _po, lag(_h) OVER ");
	put_partition(wh, t, "_s");
	wh_sql(wh, " AS _ph FROM events), kept AS (SELECT *, row_number() OVER ");
	put_partition(wh, t, "_s");
	wh_sql(wh, " AS _n FROM lagged WHERE _o = 'c' OR (_o = 'd' AND _po <> 'd') OR "
		   "(_o NOT IN ('c', 'd') AND (_po IS NULL OR _po = 'd' OR _ph IS DISTINCT FROM "
		   "_h)))");
	wh_sql(wh, ", timed AS (SELECT *, max(_t - _n * INTERVAL '1 microsecond') OVER ");
	put_partition(wh, t, "_n ROWS UNBOUNDED PRECEDING");
	wh_sql(wh, " + _n * INTERVAL '1 microsecond' AS _from FROM kept), ended AS (SELECT *, "
		   "lead(_from) OVER ");
	put_partition(wh, t, "_n");
	wh_sql(wh, " AS _to FROM timed) SELECT _o, _s, _h, _k, _from, _to, row_number() OVER () AS "
		   "_r FROM ended WHERE _o <> 'd' AND (_o <> 'c' OR _to IS NOT NULL)");
	return wh_run(wh, NULL, err);
}

static int find_surrogate(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	int64_t last = 0;
	int rc;

	if (t->next_surrogate != 0) {
		return 0;
	}
	wh_sql(wh, "SELECT max(%N) AS n FROM %T", wh->config->surrogate_column, t->name);
	rc = wh_number(wh, &last, err);
	if (rc != 0 && rc != -ENOENT) {
		return rc;
	}
	t->next_surrogate = last + 1;
	return 0;
}

static void put_made_columns(struct wh *wh)
{
	const struct wh_config *c = wh->config;

	wh_sql(wh, ", %N, %N, %N, %N, %N", c->surrogate_column, c->valid_from_column,
	       c->valid_to_column, c->current_column, c->hash_column);
}

static int drop_temp(struct wh *wh, const char *name, struct drip_error *err)
{
	wh_sql(wh, "DROP TABLE %N", name);
	return wh_run(wh, NULL, err);
}

/* Versions that end are deleted and inserted with their end: updates leak. */
static int close_versions(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	const struct wh_config *c = wh->config;
	int rc;

	wh_sql(wh,
	       "CREATE TEMP TABLE %N AS SELECT t.*, e._to FROM %T AS t, %N AS e WHERE t.%N = e._k",
	       CLOSING, t->name, EVENTS, c->surrogate_column);
	rc = wh_run(wh, NULL, err);
	if (rc == 0) {
		wh_sql(wh, "DELETE FROM %T AS t USING %N AS e WHERE t.%N = e._k", t->name, EVENTS,
		       c->surrogate_column);
		rc = wh_run(wh, NULL, err);
	}
	if (rc == 0) {
		wh_sql(wh, "INSERT INTO %T (", t->name);
		put_columns(wh, t, "");
		put_made_columns(wh);
		wh_sql(wh, ") SELECT ");
		put_columns(wh, t, "");
		wh_sql(wh, ", %N, %N, _to, false, %N FROM %N", c->surrogate_column,
		       c->valid_from_column, c->hash_column, CLOSING);
		rc = wh_run(wh, NULL, err);
	}
	return rc == 0 ? drop_temp(wh, CLOSING, err) : rc;
}

static int insert_versions(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	int64_t events = 0;
	int rc;

	wh_sql(wh, "INSERT INTO %T (", t->name);
	put_columns(wh, t, "");
	put_made_columns(wh);
	wh_sql(wh, ") SELECT ");
	put_columns(wh, t, "s");
	wh_sql(wh,
	       ", %D + e._r, e._from, coalesce(e._to, TIMESTAMP WITH TIME ZONE %L), e._to IS NULL, "
	       "e._h FROM %N AS s, %N AS e WHERE s.%N = e._s",
	       t->next_surrogate - 1, WH_FOREVER, t->stage, EVENTS, WH_STAGE_SEQ);
	rc = wh_run(wh, NULL, err);
	if (rc != 0) {
		return rc;
	}
	wh_sql(wh, "SELECT count(*) AS n FROM %N", EVENTS);
	rc = wh_number(wh, &events, err);
	t->next_surrogate += events;
	return rc;
}

int wh_apply_scd2(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	int rc = find_surrogate(wh, t, err);

	if (rc == 0) {
		rc = find_hits(wh, t, err);
	}
	if (rc == 0) {
		rc = make_events(wh, t, err);
	}
	if (rc == 0) {
		rc = drop_temp(wh, HITS, err);
	}
	if (rc == 0) {
		rc = close_versions(wh, t, err);
	}
	if (rc == 0) {
		rc = insert_versions(wh, t, err);
	}
	return rc == 0 ? drop_temp(wh, EVENTS, err) : rc;
}

/* All current versions end. */
int wh_clear_scd2(struct wh *wh, struct wh_target *t, int64_t commit_time_us,
		  struct drip_error *err)
{
	const struct wh_config *c = wh->config;
	int rc;

	wh_sql(wh, "CREATE TEMP TABLE %N AS SELECT * FROM %T WHERE %N", EVENTS, t->name,
	       c->current_column);
	rc = wh_run(wh, NULL, err);
	if (rc == 0) {
		wh_sql(wh, "DELETE FROM %T WHERE %N", t->name, c->current_column);
		rc = wh_run(wh, NULL, err);
	}
	if (rc == 0) {
		wh_sql(wh, "INSERT INTO %T (", t->name);
		put_columns(wh, t, "");
		put_made_columns(wh);
		wh_sql(wh, ") SELECT ");
		put_columns(wh, t, "");
		wh_sql(wh,
		       ", %N, %N, greatest(TIMESTAMP WITH TIME ZONE 'epoch' + "
		       "to_microseconds(CAST(%D AS BIGINT)), %N + INTERVAL '1 microsecond'), "
		       "false, %N FROM %N",
		       c->surrogate_column, c->valid_from_column, commit_time_us,
		       c->valid_from_column, c->hash_column, EVENTS);
		rc = wh_run(wh, NULL, err);
	}
	return rc == 0 ? drop_temp(wh, EVENTS, err) : rc;
}
