/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of the warehouse and their stages: found, created, and given the columns that the source
 * has gained. DDL is part of the epoch's transaction. Thread: the sink's.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void target_destroy(struct wh_target *t)
{
	for (uint32_t i = 0; i < t->keys_count; i++) {
		free(t->keys[i]);
	}
	drip_schema_unref(t->columns);
	free(t);
}

void wh_targets_destroy(struct wh *wh)
{
	while (wh->targets != NULL) {
		struct wh_target *t = wh->targets;

		wh->targets = t->next;
		target_destroy(t);
	}
	wh->targets_count = 0;
}

void wh_targets_forget(struct wh *wh)
{
	for (struct wh_target *t = wh->targets; t != NULL; t = t->next) {
		drip_schema_unref(t->columns);
		t->columns = NULL;
		t->direct = t->staged = t->dirty = false;
		t->stage_rows = 0;
		t->stage_batches = 0;
		t->next_surrogate = 0;
	}
}

static int same_use(const struct wh_target *t, const struct wh_route *route, struct drip_error *err)
{
	bool same = t->mode == route->mode && t->keys_count == route->keys_count;

	for (uint32_t i = 0; same && i < t->keys_count; i++) {
		same = strcasecmp(t->keys[i], route->keys[i]) == 0;
	}
	if (!same) {
		return drip_error_set(err, -EINVAL, "warehouse.shards_differ",
				      "two source tables go into %s with different modes or keys",
				      t->name);
	}
	return 0;
}

static struct wh_target *target_create(struct wh *wh, const struct wh_route *route)
{
	struct wh_target *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		return NULL;
	}
	t->mode = route->mode;
	t->keys_nullable = route->keys_nullable;
	snprintf(t->name, sizeof(t->name), "%s", route->table);
	snprintf(t->stage, sizeof(t->stage), "_dripline_stage_%u", wh->targets_count);
	for (uint32_t i = 0; i < route->keys_count; i++) {
		t->keys[i] = strdup(route->keys[i]);
		if (t->keys[i] == NULL) {
			target_destroy(t);
			return NULL;
		}
		t->keys_count++;
	}
	return t;
}

int wh_target_find(struct wh *wh, const struct wh_route *route, struct wh_target **ret,
		   struct drip_error *err)
{
	struct wh_target *t;

	for (t = wh->targets; t != NULL; t = t->next) {
		if (strcasecmp(t->name, route->table) == 0) {
			t->keys_nullable |= route->keys_nullable;
			*ret = t;
			return same_use(t, route, err);
		}
	}
	if (wh->targets_count == WH_TARGETS_MAX) {
		return drip_error_set(err, -E2BIG, "warehouse.too_many_tables",
				      "more than %d tables in one sink", WH_TARGETS_MAX);
	}
	t = target_create(wh, route);
	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	t->next = wh->targets;
	wh->targets = t;
	wh->targets_count++;
	*ret = t;
	return 0;
}

/* Appends `"name" TYPE`. */
static int put_column(struct wh *wh, const struct drip_column *column, struct drip_error *err)
{
	char type[64];

	if (wh->dialect->type_name(column, type, sizeof(type)) != 0) {
		drip_type_name(column, type, sizeof(type));
		drip_text_clear(&wh->text);
		return drip_error_set(err, -ENOTSUP, "warehouse.schema_changed",
				      "%s has no type for column %s (%s)", wh->dialect->name,
				      column->name, type);
	}
	wh_sql(wh, "%N %s", column->name, type);
	return 0;
}

static int create_table(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
			struct drip_error *err)
{
	int rc = 0;

	if (!wh->config->create) {
		drip_error_set(err, -ENOENT, "warehouse.no_table", "table %s.%s does not exist",
			       wh->config->schema, t->name);
		drip_error_hint(err, "Create it, or let the sink do so: `create: true`.");
		return -ENOENT;
	}
	wh_sql(wh, "CREATE TABLE %T (", t->name);
	for (uint32_t i = 0; rc == 0 && i < wanted->columns_count; i++) {
		wh_sql(wh, i == 0 ? "" : ", ");
		rc = put_column(wh, drip_schema_column(wanted, i), err);
	}
	if (rc == 0) {
		wh_sql(wh, ")");
		rc = wh_run(wh, NULL, err);
	}
	if (rc == 0) {
		wh->changed_tables = true;
		drip_log_info(wh->ctx, "created table %s.%s", wh->config->schema, t->name);
	}
	return rc;
}

/* A table made by another mode would be filled wrongly. */
static int check_mode(struct wh *wh, const struct wh_target *t, const struct drip_schema *wanted,
		      struct drip_error *err)
{
	for (uint32_t i = 0; i < wanted->columns_count; i++) {
		const char *name = drip_schema_column(wanted, i)->name;

		if (t->mode != WH_MIRROR && wh_is_made(wh->config, t->mode, name) &&
		    drip_schema_find(t->columns, name) < 0) {
			drip_error_set(
				err, -EINVAL, "warehouse.other_mode",
				"table %s.%s exists, but has no column %s: mode %s did not make it",
				wh->config->schema, t->name, name, wh_mode_name(t->mode));
			drip_error_hint(err, "Move the table away, or give this one another name "
					     "with `table` or `tables`.");
			return -EINVAL;
		}
	}
	return 0;
}

static int is_empty(struct wh *wh, struct wh_target *t, bool *ret, struct drip_error *err)
{
	int64_t one = 0;
	int rc;

	wh_sql(wh, "SELECT CAST(1 AS BIGINT) AS n FROM %T LIMIT 1", t->name);
	rc = wh_number(wh, &one, err);
	*ret = rc == -ENOENT;
	return rc == -ENOENT ? 0 : rc;
}

/* Learns what the database holds, and creates the table where it does not. */
static int look_up(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
		   struct drip_error *err)
{
	bool empty = true;
	int rc = wh->sql->table_schema(wh->session, wh->config->schema, t->name, &t->columns, err);

	if (rc == -ENOENT) {
		rc = create_table(wh, t, wanted, err);
		if (rc == 0) {
			rc = wh->sql->table_schema(wh->session, wh->config->schema, t->name,
						   &t->columns, err);
		}
	} else if (rc == 0) {
		rc = check_mode(wh, t, wanted, err);
		if (rc == 0) {
			rc = is_empty(wh, t, &empty, err);
		}
	}
	t->direct = rc == 0 && empty && (t->mode == WH_MIRROR || t->mode == WH_MERGE);
	return rc;
}

static bool same_type(struct wh *wh, const struct drip_column *a, const struct drip_column *b)
{
	char x[64], y[64];

	return wh->dialect->type_name(a, x, sizeof(x)) == 0 &&
	       wh->dialect->type_name(b, y, sizeof(y)) == 0 && strcmp(x, y) == 0;
}

static int refuse(struct wh *wh, const struct wh_target *t, const struct drip_column *column,
		  const char *what, struct drip_error *err)
{
	char type[64];

	drip_type_name(column, type, sizeof(type));
	drip_error_set(err, -EINVAL, "warehouse.schema_changed",
		       "table %s.%s: column %s of the source, %s, %s", wh->config->schema, t->name,
		       column->name, type, what);
	drip_error_hint(err, "Change the table, or let the sink do so with `evolve`.");
	return -EINVAL;
}

/* Do rows of the table stand for rows of the source, and not for what they once were? */
static bool is_state(const struct wh_target *t)
{
	return t->mode == WH_MIRROR || t->mode == WH_MERGE;
}

/* A fill as a literal that the column's type takes: a plain one, as only these are defaults that
 * the database fills in by itself. */
static void put_fill(struct wh *wh, const struct drip_column *column)
{
	if (column->type != DRIP_TYPE_BINARY) {
		wh_sql(wh, "%L", column->fill);
		return;
	}
	wh_sql(wh, "'");
	for (const char *p = column->fill; p[0] != '\0' && p[1] != '\0'; p += 2) {
		char byte[] = {'\\', 'x', p[0], p[1], '\0'};

		wh_sql(wh, "%s", byte);
	}
	wh_sql(wh, "'");
}

/* Are older rows to be given the column's fill? Not one that is no value of its type. */
static int is_filled(struct wh *wh, const struct wh_target *t, const struct drip_column *column,
		     bool *ret, struct drip_error *err)
{
	int64_t one;
	char type[64];
	int rc;

	*ret = false;
	if (!is_state(t) || column->fill == NULL ||
	    wh->dialect->type_name(column, type, sizeof(type)) != 0) {
		return 0;
	}
	wh_sql(wh, "SELECT CAST(1 AS BIGINT) AS n WHERE TRY_CAST(");
	put_fill(wh, column);
	wh_sql(wh, " AS %s) IS NOT NULL", type);
	rc = wh_number(wh, &one, err);
	*ret = rc == 0;
	return rc == -ENOENT ? 0 : rc;
}

/* Puts an ALTER into wh->text where the column needs one; *ret_alter tells. `filled`: where it is
 * new, older rows get its fill. */
static int plan_column(struct wh *wh, struct wh_target *t, const struct drip_column *column,
		       bool filled, bool *ret_alter, struct drip_error *err)
{
	int index = drip_schema_find(t->columns, column->name);
	enum wh_evolve evolve = (enum wh_evolve)wh->config->evolve.value;
	const struct drip_column *now;
	struct drip_column wide;
	int rc;

	*ret_alter = false;
	if (index < 0) {
		*ret_alter = true;
		if (evolve == WH_EVOLVE_ERROR) {
			return refuse(wh, t, column, "is not in the table", err);
		}
		wh_sql(wh, "ALTER TABLE %T ADD COLUMN ", t->name);
		rc = put_column(wh, column, err);
		if (rc == 0 && filled) {
			wh_sql(wh, " DEFAULT ");
			put_fill(wh, column);
		}
		return rc;
	}
	now = drip_schema_column(t->columns, (uint32_t)index);
	if (same_type(wh, now, column)) {
		return 0;
	}
	if (wh_widen(now, column, &wide) != 0) {
		return refuse(wh, t, column, "does not go together with the table's type", err);
	}
	if (same_type(wh, now, &wide)) {
		return 0; /* the table's type holds it: loading casts */
	}
	*ret_alter = true;
	if (evolve != WH_EVOLVE_WIDEN) {
		return refuse(wh, t, column, "does not fit the table's type", err);
	}
	wh_sql(wh, "ALTER TABLE %T ALTER COLUMN %N SET DATA TYPE ", t->name, now->name);
	{
		char type[64];

		if (wh->dialect->type_name(&wide, type, sizeof(type)) != 0) {
			return refuse(wh, t, column, "cannot be widened", err);
		}
		wh_sql(wh, "%s", type);
	}
	return 0;
}

/*
 * A table that holds rows of the open transaction cannot be altered. Databases end a transaction
 * before DDL, so what came so far can be committed, at the position that was reached. Where it
 * cannot, the transaction is given up and the table altered by itself: the error makes the host
 * write the epoch again, which then finds the table as it is wanted.
 */
static int make_clean(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
		      struct drip_error *err)
{
	int rc = wh_flush(wh, t, err);

	if (rc != 0 || (!t->dirty && !t->staged)) {
		return rc;
	}
	rc = wh_commit_early(wh, err);
	if (rc != -EAGAIN) {
		return rc;
	}
	wh_give_up(wh);
	rc = wh_session(wh, err);
	if (rc == 0) {
		rc = wh_target_prepare(wh, t, wanted, err);
	}
	if (rc != 0) {
		return rc;
	}
	drip_error_set_retryable(err, -EAGAIN, "warehouse.alter_after_rows",
				 "could not alter table %s.%s in the middle of a transaction",
				 wh->config->schema, t->name);
	drip_error_hint(err, "It is altered by now, and the epoch is written again.");
	return -EAGAIN;
}

static int alter(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
		 struct drip_error *err)
{
	struct drip_text statement = wh->text;
	int rc;

	wh->text = (struct drip_text){0};
	rc = make_clean(wh, t, wanted, err);
	drip_text_finish(&wh->text);
	wh->text = statement;
	if (rc != 0) {
		drip_text_clear(&wh->text);
		return rc;
	}
	rc = wh_run(wh, NULL, err);
	if (rc == 0) {
		wh->changed_tables = true;
		drip_log_info(wh->ctx, "altered table %s.%s", wh->config->schema, t->name);
	}
	return rc;
}

static int look_again(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	drip_schema_unref(t->columns);
	t->columns = NULL;
	return wh->sql->table_schema(wh->session, wh->config->schema, t->name, &t->columns, err);
}

/* May the table's column follow a rename? Not where another source still writes to it. */
static bool follows_renames(const struct wh *wh, const struct wh_target *t)
{
	int sources = 0;

	for (const struct wh_source *s = wh->sources; s != NULL; s = s->next) {
		sources += s->target == t;
	}
	return is_state(t) && sources <= 1 && wh->config->evolve.value == WH_EVOLVE_WIDEN;
}

/* Renames columns as the source has, where the table has the old name and only that. */
static int rename_columns(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
			  struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < wanted->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(wanted, i);
		const char *from = column->renamed_from;

		if (from == NULL || drip_schema_find(t->columns, column->name) >= 0 ||
		    drip_schema_find(t->columns, from) < 0 || drip_schema_find(wanted, from) >= 0 ||
		    !follows_renames(wh, t)) {
			continue;
		}
		wh_sql(wh, "ALTER TABLE %T RENAME COLUMN %N TO %N", t->name, from, column->name);
		rc = alter(wh, t, wanted, err);
		if (rc == 0) {
			rc = look_again(wh, t, err);
		}
	}
	return rc;
}

/* Alters the table for one column; *ret_altered is only ever set. */
static int evolve_column(struct wh *wh, struct wh_target *t, const struct drip_column *column,
			 const struct drip_schema *wanted, bool *ret_altered,
			 struct drip_error *err)
{
	bool filled = false, needed = false;
	int rc = 0;

	if (drip_schema_find(t->columns, column->name) < 0) {
		rc = is_filled(wh, t, column, &filled, err);
	}
	if (rc == 0) {
		rc = plan_column(wh, t, column, filled, &needed, err);
	}
	if (rc != 0 || !needed) {
		return rc;
	}
	*ret_altered = true;
	rc = alter(wh, t, wanted, err);
	if (rc == 0 && filled) {
		/* it was for the rows that are there */
		wh_sql(wh, "ALTER TABLE %T ALTER COLUMN %N DROP DEFAULT", t->name, column->name);
		rc = wh_run(wh, NULL, err);
	}
	return rc;
}

int wh_target_prepare(struct wh *wh, struct wh_target *t, const struct drip_schema *wanted,
		      struct drip_error *err)
{
	bool altered = false;
	int rc = t->columns == NULL ? look_up(wh, t, wanted, err) : 0;

	if (rc == 0) {
		rc = rename_columns(wh, t, wanted, err);
	}
	for (uint32_t i = 0; rc == 0 && i < wanted->columns_count; i++) {
		rc = evolve_column(wh, t, drip_schema_column(wanted, i), wanted, &altered, err);
	}
	return rc == 0 && altered ? look_again(wh, t, err) : rc;
}

int wh_make_stage(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	bool first = true;
	int rc = 0;

	if (t->staged) {
		return 0;
	}
	wh_sql(wh, "CREATE TEMP TABLE %N (", t->stage);
	for (uint32_t i = 0; rc == 0 && i < t->columns->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(t->columns, i);

		if (!wh_is_made(wh->config, t->mode, column->name)) {
			wh_sql(wh, first ? "" : ", ");
			rc = put_column(wh, column, err);
			first = false;
		}
	}
	if (rc != 0) {
		return rc;
	}
	wh_sql(wh, ", %N VARCHAR, %N BIGINT", WH_STAGE_OP, WH_STAGE_SEQ);
	if (t->mode == WH_SCD2) {
		wh_sql(wh, ", %N TIMESTAMP WITH TIME ZONE", WH_STAGE_TIME);
	}
	wh_sql(wh, ")");
	rc = wh_run(wh, NULL, err);
	t->staged = rc == 0;
	t->stage_rows = 0;
	return rc;
}

int wh_drop_stage(struct wh *wh, struct wh_target *t, struct drip_error *err)
{
	wh_sql(wh, "DROP TABLE %N", t->stage);
	t->staged = false;
	t->stage_rows = 0;
	return wh_run(wh, NULL, err);
}
