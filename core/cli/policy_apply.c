/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline policy plan | check | apply`: the views of the policy as objects of a DuckDB database,
 * for those who read its file without the guard. A role sees the schema "dw" as
 * "dripline_role_ROLE__dw". Schemas of that prefix are the policy's own: what is in them and not in
 * it goes. A comment on each view holds a mark of its text, by which a change of the policy, and
 * one made by hand, is found. All of it is one transaction.
 */
#include "cli/policy_apply.h"

#include "store/store.h"
#include <dripline/sql.h>

#include "engine/outside.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PREFIX    "dripline_role_"
#define OWN       "starts_with(schema_name, '" PREFIX "') AND database_name = current_database()"
#define VIEWS_MAX 20000
#define NAME_SIZE (2 * DRIP_NAME_MAX + 96)

enum change { KEEP = 0, MAKE, REPLACE, DROP };

struct view {
	char *schema, *name;
	char *text;    /* of CREATE VIEW; NULL: the policy has none of that name */
	char mark[40]; /* the comment that it has, or is to have */
	enum change change;
};

struct work {
	const struct drip_policy_apply *a;
	const struct drip_sql *sql;
	const struct drip_sql_dialect *dialect;
	void *session;
	char **columns; /* "schema.table.column" of the warehouse, sorted */
	size_t columns_count;
	struct view *views;
	size_t views_count;
	char **schemas; /* of the policy, in the warehouse, that hold no tables */
	size_t schemas_count;
	struct drip_error *err;
};

/* ---- results ---- */

#define FIELDS_MAX 3

/* Into `buf`, cut where it is longer; "" for null. */
static void field_of(const struct ArrowArray *column, int64_t row, char *buf, size_t size)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset + row;

	buf[0] = '\0';
	if (!drip_is_null(column, row)) {
		snprintf(buf, size, "%.*s", (int)(offsets[1] - offsets[0]),
			 (const char *)column->buffers[2] + offsets[0]);
	}
}

/* Calls `take` with the texts of each row. */
static int each_row(struct work *w, const char *query,
		    int (*take)(struct work *, char (*fields)[NAME_SIZE]))
{
	char fields[FIELDS_MAX][NAME_SIZE];
	struct drip_schema *schema = NULL;
	struct ArrowArray *columns = NULL;
	int64_t rows = 0;
	int rc =
		drip_sql_collect(w->sql, w->session, query, NULL, &schema, &columns, &rows, w->err);

	if (rc != 0) {
		return rc;
	}
	for (int64_t row = 0; rc == 0 && row < rows; row++) {
		for (uint32_t i = 0; i < schema->columns_count && i < FIELDS_MAX; i++) {
			field_of(&columns[i], row, fields[i], sizeof(fields[i]));
		}
		rc = take(w, fields);
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		columns[i].release(&columns[i]);
	}
	free(columns);
	drip_schema_unref(schema);
	return rc;
}

/* One more text in a list that doubles; a copy. */
static int add_text(struct work *w, char ***list, size_t *count, const char *text)
{
	if ((*count & (*count - 1)) == 0) {
		char **grown = realloc(*list, (*count == 0 ? 1 : 2 * *count) * sizeof(char *));

		if (grown == NULL) {
			return drip_error_nomem(w->err, 2 * *count * sizeof(char *));
		}
		*list = grown;
	}
	(*list)[*count] = strdup(text);
	if ((*list)[*count] == NULL) {
		return drip_error_nomem(w->err, strlen(text));
	}
	++*count;
	return 0;
}

static int take_column(struct work *w, char (*fields)[NAME_SIZE])
{
	char name[3 * NAME_SIZE];

	snprintf(name, sizeof(name), "%s.%s.%s", fields[0], fields[1], fields[2]);
	return add_text(w, &w->columns, &w->columns_count, name);
}

static int take_schema(struct work *w, char (*fields)[NAME_SIZE])
{
	return add_text(w, &w->schemas, &w->schemas_count, fields[0]);
}

/* ---- the policy ---- */

static struct view *find_view(struct work *w, const char *schema, const char *name)
{
	for (size_t i = 0; i < w->views_count; i++) {
		if (strcasecmp(w->views[i].schema, schema) == 0 &&
		    strcasecmp(w->views[i].name, name) == 0) {
			return &w->views[i];
		}
	}
	return NULL;
}

/* (gives) a view without a text. NULL without memory. */
static struct view *add_view(struct work *w, const char *schema, const char *name)
{
	struct view *v;

	if ((w->views_count & (w->views_count - 1)) == 0) {
		size_t room = w->views_count == 0 ? 1 : 2 * w->views_count;
		struct view *grown = realloc(w->views, room * sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		w->views = grown;
	}
	v = &w->views[w->views_count];
	*v = (struct view){.schema = strdup(schema), .name = strdup(name)};
	w->views_count++; /* finish frees what there is */
	return v->schema != NULL && v->name != NULL ? v : NULL;
}

static int compare_text(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

static bool has_column(const struct work *w, const char *table, const char *column)
{
	char name[NAME_SIZE];
	const char *key = name;

	snprintf(name, sizeof(name), "%s.%s", table, column);
	return w->columns_count > 0 &&
	       bsearch(&key, w->columns, w->columns_count, sizeof(char *), compare_text) != NULL;
}

static bool has_table(const struct work *w, const char *table)
{
	size_t size = strlen(table);

	for (size_t i = 0; i < w->columns_count; i++) {
		if (strncasecmp(w->columns[i], table, size) == 0 && w->columns[i][size] == '.') {
			return true;
		}
	}
	return false;
}

/* What the role is shown must be there: a view that guesses would show less than it says. */
static int check_columns(struct work *w, const struct drip_policy_grant *grant,
			 const struct drip_catalog_table *table, bool named)
{
	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		const char *column = drip_schema_column(table->schema, i)->name;

		if (drip_policy_column(grant, table, i, named) != DRIP_POLICY_HIDDEN &&
		    !has_column(w, table->name, column)) {
			drip_error_set(w->err, -EINVAL, "policy.unknown_column",
				       "table %s of the warehouse has no column \"%s\"",
				       table->name, column);
			drip_error_hint(w->err, "Nothing was changed: add the column, or take it "
						"out of the declaration.");
			return -EINVAL;
		}
	}
	return 0;
}

static void put_quoted(struct work *w, struct drip_text *t, const char *schema, const char *name)
{
	char quoted[NAME_SIZE];

	drip_sql_quote(w->dialect, schema, quoted, sizeof(quoted));
	drip_text_puts(t, quoted);
	if (name != NULL) {
		drip_sql_quote(w->dialect, name, quoted, sizeof(quoted));
		drip_text_puts(t, ".");
		drip_text_puts(t, quoted);
	}
}

/* (gives) the text of a view of a table, and its mark; NULL where the role sees nothing of it. */
static int write_view(struct work *w, struct view *v, const struct drip_policy_grant *grant,
		      const struct drip_catalog_table *table, bool named)
{
	struct drip_text t = {0};
	int rc;

	drip_text_puts(&t, "CREATE OR REPLACE VIEW ");
	put_quoted(w, &t, v->schema, v->name);
	drip_text_puts(&t, " AS SELECT ");
	(void)drip_policy_put_columns(&t, grant, table, named);
	drip_text_puts(&t, " FROM ");
	put_quoted(w, &t, table->schema->database, table->schema->table);
	if (grant->filter != NULL) {
		drip_text_puts(&t, " WHERE ");
		drip_text_puts(&t, grant->filter);
	}
	drip_text_put(&t, "", 1);
	rc = drip_text_check(&t, w->err);
	if (rc != 0) {
		drip_text_finish(&t);
		return rc;
	}
	v->text = t.data;
	v->change = MAKE;
	snprintf(v->mark, sizeof(v->mark), "dripline policy %016llx",
		 (unsigned long long)drip_surrogate_key("policy", v->text, t.size - 1));
	return 0;
}

static bool sees_any(const struct drip_policy_grant *grant, const struct drip_catalog_table *table,
		     bool named)
{
	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		if (drip_policy_column(grant, table, i, named) != DRIP_POLICY_HIDDEN) {
			return true;
		}
	}
	return false;
}

static int want_role(struct work *w, const struct drip_policy_role *role, bool named)
{
	const struct drip_catalog *catalog = &w->a->document->catalog;
	char schema[NAME_SIZE];
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < catalog->tables_count; i++) {
		const struct drip_catalog_table *table = &catalog->tables[i];
		const struct drip_policy_grant *grant = drip_policy_grant(role, table);
		struct view *v;

		if (grant == NULL || !has_table(w, table->name) || !sees_any(grant, table, named)) {
			continue;
		}
		snprintf(schema, sizeof(schema), PREFIX "%s__%s%s", role->name,
			 named ? "named__" : "", table->schema->database);
		rc = check_columns(w, grant, table, named);
		if (rc == 0) {
			v = w->views_count < VIEWS_MAX ? add_view(w, schema, table->schema->table)
						       : NULL;
			rc = v != NULL ? write_view(w, v, grant, table, named)
				       : drip_error_nomem(w->err, sizeof(*v));
		}
	}
	return rc;
}

/* The tables that wait, and the columns that nobody sees. */
static void tell_rest(const struct work *w)
{
	const struct drip_catalog *catalog = &w->a->document->catalog;

	for (size_t i = 0; i < catalog->tables_count; i++) {
		const char *table = catalog->tables[i].name;
		size_t size = strlen(table);

		if (!has_table(w, table)) {
			printf("note: %s is not there yet, and has no views\n", table);
		}
		for (size_t k = 0; k < w->columns_count; k++) {
			const char *column = w->columns[k];

			if (strncasecmp(column, table, size) == 0 && column[size] == '.' &&
			    drip_schema_find(catalog->tables[i].schema, column + size + 1) < 0) {
				printf("note: %s is not declared, and no role sees it\n", column);
			}
		}
	}
}

/* ---- what is there ---- */

/* Whether a schema is of the role that is asked for. */
static bool is_asked(const struct work *w, const char *schema)
{
	char start[NAME_SIZE];

	if (w->a->role == NULL) {
		return true;
	}
	snprintf(start, sizeof(start), PREFIX "%s__", w->a->role);
	return strncasecmp(schema, start, strlen(start)) == 0;
}

static int take_view(struct work *w, char (*fields)[NAME_SIZE])
{
	struct view *v = find_view(w, fields[0], fields[1]);

	if (v != NULL) {
		v->change = strcmp(v->mark, fields[2]) == 0 ? KEEP : REPLACE;
	} else if (is_asked(w, fields[0])) {
		v = add_view(w, fields[0], fields[1]);
		if (v == NULL) {
			return drip_error_nomem(w->err, sizeof(*v));
		}
		v->change = DROP;
	}
	return 0;
}

static int look(struct work *w)
{
	const struct drip_policy *policy = &w->a->document->policy;
	int rc = each_row(w,
			  "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
			  "WHERE NOT internal AND database_name = current_database() AND NOT "
			  "starts_with(schema_name, '" PREFIX "')",
			  take_column);

	if (rc == 0 && w->columns_count > 0) {
		qsort(w->columns, w->columns_count, sizeof(char *), compare_text);
	}
	for (size_t i = 0; rc == 0 && i < policy->roles_count; i++) {
		const struct drip_policy_role *role = &policy->roles[i];

		if (w->a->role != NULL && strcmp(role->name, w->a->role) != 0) {
			continue;
		}
		rc = want_role(w, role, false);
		rc = rc == 0 && role->named_count > 0 ? want_role(w, role, true) : rc;
	}
	rc = rc == 0 ? each_row(w,
				"SELECT schema_name, view_name, comment FROM duckdb_views() WHERE "
				"" OWN " ORDER BY ALL",
				take_view)
		     : rc;
	return rc == 0 ? each_row(w,
				  "SELECT schema_name FROM duckdb_schemas() WHERE " OWN
				  " AND schema_name NOT IN (SELECT schema_name FROM "
				  "duckdb_tables() WHERE database_name = current_database())",
				  take_schema)
		       : rc;
}

/* ---- changing it ---- */

static int run(struct work *w, struct drip_text *t)
{
	int rc;

	drip_text_put(t, "", 1);
	rc = drip_text_check(t, w->err);
	rc = rc == 0 ? w->sql->execute(w->session, t->data, NULL, w->err) : rc;
	drip_text_finish(t);
	return rc;
}

static int change_view(struct work *w, const struct view *v)
{
	struct drip_text t = {0};
	int rc = 0;

	if (v->change == DROP) {
		drip_text_puts(&t, "DROP VIEW ");
		put_quoted(w, &t, v->schema, v->name);
		return run(w, &t);
	}
	drip_text_puts(&t, "CREATE SCHEMA IF NOT EXISTS ");
	put_quoted(w, &t, v->schema, NULL);
	rc = run(w, &t);
	rc = rc == 0 ? w->sql->execute(w->session, v->text, NULL, w->err) : rc;
	if (rc == 0) {
		drip_text_puts(&t, "COMMENT ON VIEW ");
		put_quoted(w, &t, v->schema, v->name);
		drip_text_puts(&t, " IS '");
		drip_text_puts(&t, v->mark);
		drip_text_puts(&t, "'");
		rc = run(w, &t);
	}
	return rc;
}

static bool is_wanted(const struct work *w, const char *schema)
{
	for (size_t i = 0; i < w->views_count; i++) {
		if (w->views[i].text != NULL && strcasecmp(w->views[i].schema, schema) == 0) {
			return true;
		}
	}
	return !is_asked(w, schema);
}

static int change_all(struct work *w)
{
	int rc = w->sql->begin(w->session, w->err);

	for (size_t i = 0; rc == 0 && i < w->views_count; i++) {
		rc = w->views[i].change != KEEP ? change_view(w, &w->views[i]) : 0;
	}
	for (size_t i = 0; rc == 0 && i < w->schemas_count; i++) {
		struct drip_text t = {0};

		if (!is_wanted(w, w->schemas[i])) {
			drip_text_puts(&t, "DROP SCHEMA ");
			put_quoted(w, &t, w->schemas[i], NULL);
			rc = run(w, &t);
		}
	}
	return rc == 0 ? w->sql->commit(w->session, w->err) : rc; /* closing rolls back */
}

static size_t tell_changes(const struct work *w)
{
	static const char *const words[] = {"unchanged", "make", "replace", "drop"};
	size_t counts[DRIP_COUNT(words)] = {0};

	for (size_t i = 0; i < w->views_count; i++) {
		const struct view *v = &w->views[i];

		counts[v->change]++;
		if (v->change != KEEP) {
			printf("%-8s %s.%s\n", words[v->change], v->schema, v->name);
		}
	}
	printf("%zu views to make, %zu to replace, %zu to drop, %zu unchanged\n", counts[MAKE],
	       counts[REPLACE], counts[DROP], counts[KEEP]);
	return counts[MAKE] + counts[REPLACE] + counts[DROP];
}

/* After the change: that it is not recorded does not undo it. */
static void record(const struct work *w, size_t changes)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	char actor[32], detail[64], path[PATH_MAX];
	int rc;

	snprintf(path, sizeof(path), "%s/" DRIP_STORE_FILE, w->a->state_dir);
	if (access(path, F_OK) != 0) {
		return;
	}
	snprintf(actor, sizeof(actor), "uid %ld", (long)getuid());
	snprintf(detail, sizeof(detail), "{\"views\":%zu}", changes);
	rc = drip_store_open(w->a->state_dir, DRIP_STORE_WRITE, &store, &err);
	rc = rc == 0 ? drip_store_audit(store, actor, "policy apply", w->a->connection, detail,
					&err)
		     : rc;
	drip_store_close(store);
	if (rc < 0) {
		fprintf(stderr, "dripline: could not record the change: %s [%s]\n", err.message,
			err.code);
	}
}

static int work_in(struct work *w, size_t *ret_changes)
{
	int rc = look(w);

	if (rc != 0) {
		return rc;
	}
	tell_rest(w);
	*ret_changes = tell_changes(w);
	if (w->a->looks || *ret_changes == 0) {
		return 0;
	}
	rc = change_all(w);
	if (rc == 0) {
		printf("done\n");
		record(w, *ret_changes);
	}
	return rc;
}

static void free_list(char **list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(list[i]);
	}
	free(list);
}

static void finish(struct work *w)
{
	for (size_t i = 0; i < w->views_count; i++) {
		free(w->views[i].schema);
		free(w->views[i].name);
		free(w->views[i].text);
	}
	free(w->views);
	free_list(w->columns, w->columns_count);
	free_list(w->schemas, w->schemas_count);
}

int drip_policy_apply(const struct drip_policy_apply *a, size_t *ret_changes,
		      struct drip_error *err)
{
	struct work w = {.a = a, .err = err};
	struct drip_outside *outside = NULL;
	const void *interface = NULL;
	void *object = NULL;
	int rc = drip_outside_open(a->document, a->connection, DRIP_SQL_INTERFACE, a->looks,
				   &outside, &interface, &object, err);

	*ret_changes = 0;
	if (rc != 0) {
		return rc;
	}
	w.sql = interface;
	w.dialect = w.sql->dialect(object);
	if (strcmp(w.dialect->name, "duckdb") != 0) {
		rc = drip_error_set(err, -ENOTSUP, "policy.no_dialect",
				    "cannot apply a policy to a database of \"%s\"",
				    w.dialect->name);
		drip_error_hint(err, "`dripline policy compile --dialect redshift` prints what a "
				     "superuser runs there.");
	} else {
		rc = w.sql->session_open(object, &w.session, err);
		rc = rc == 0 ? work_in(&w, ret_changes) : rc;
		w.sql->session_close(w.session);
	}
	finish(&w);
	drip_outside_close(outside);
	return rc;
}
