/* SPDX-License-Identifier: Apache-2.0 */
/* DDL statements and the tables that they name: see ddl.h. */
#include "ddl.h"

#include "ddl_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct apply {
	struct drip_my_catalog *catalog;
	const struct drip_my_ddl_statement *statement;
	struct drip_my_lex lex;
	drip_my_ddl_hook hook;
	void *user;
};

static const char *database_of(const struct apply *a, char *const name[2])
{
	return name[0] != NULL ? name[0] : a->statement->database;
}

static void free_name(char *name[2])
{
	free(name[0]);
	free(name[1]);
	name[0] = name[1] = NULL;
}

static int report(struct apply *a, enum drip_my_ddl kind, const char *database, const char *table,
		  const char *to_database, const char *to_table, struct drip_error *err)
{
	struct drip_my_ddl_event e = {kind, database, table, to_database, to_table};

	return a->hook == NULL ? 0 : a->hook(a->user, &e, err);
}

static int set(struct apply *a, const char *database, const char *name, struct drip_my_table *t,
	       struct drip_error *err)
{
	return drip_my_catalog_set(a->catalog, database, name, t, a->statement->since, err);
}

static void skip_if_exists(struct drip_my_lex *l)
{
	if (drip_my_lex_accept(l, "if")) {
		drip_my_lex_accept(l, "not");
		drip_my_lex_accept(l, "exists");
	}
}

static void skip_wait(struct drip_my_lex *l)
{
	if (drip_my_lex_accept(l, "wait")) {
		drip_my_lex_next(l);
	} else {
		drip_my_lex_accept(l, "nowait");
	}
}

/* (gives) the description of a CREATE TABLE; *ret NULL where it was not understood. */
static int create_description(struct apply *a, const char *database, const char *name,
			      struct drip_my_table **ret, struct drip_error *err)
{
	struct drip_my_lex *l = &a->lex;
	bool parenthesis = drip_my_lex_accept(l, "(");
	struct drip_my_table *t;
	int rc;

	*ret = NULL;
	if (drip_my_lex_accept(l, "like")) {
		const struct drip_my_table *model;
		char *like[2];

		if (drip_my_ddl_name(l, like) != 0) {
			return 0;
		}
		model = drip_my_catalog_find(a->catalog, database_of(a, like), like[1]);
		free_name(like);
		t = model != NULL ? drip_my_table_copy(model) : NULL;
		if (t != NULL) {
			free(t->name);
			free(t->database);
			t->name = strdup(name);
			t->database = strdup(database);
			t->rows_estimate = 0;
		}
		*ret = t;
		return model != NULL && t == NULL ? drip_error_nomem(err, sizeof(*t)) : 0;
	}
	if (!parenthesis) {
		return 0;
	}
	t = drip_my_table_create(database, name);
	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	snprintf(t->charset, sizeof(t->charset), "%s", a->statement->charset);
	rc = drip_my_ddl_create_body(l, t);
	if (rc != 0 || t->count == 0) {
		drip_my_table_destroy(t);
		return rc == -ENOMEM ? drip_error_nomem(err, sizeof(*t)) : 0;
	}
	*ret = t;
	return 0;
}

static int apply_create(struct apply *a, bool replace, struct drip_error *err)
{
	struct drip_my_lex *l = &a->lex;
	struct drip_my_table *t;
	const char *database;
	char *name[2];
	bool conditional;
	int rc;

	conditional = drip_my_lex_is(l, "if");
	skip_if_exists(l);
	if (drip_my_ddl_name(l, name) != 0) {
		return 0;
	}
	database = database_of(a, name);
	if (conditional && drip_my_catalog_find(a->catalog, database, name[1]) != NULL) {
		free_name(name);
		return 0;
	}
	rc = create_description(a, database, name[1], &t, err);
	if (rc == 0 && replace && drip_my_catalog_find(a->catalog, database, name[1]) != NULL) {
		rc = report(a, DRIP_MY_DDL_TRUNCATE, database, name[1], NULL, NULL, err);
	}
	if (rc == 0 && t != NULL) {
		rc = set(a, database, name[1], t, err);
		t = NULL;
		if (rc == 0) {
			rc = report(a, DRIP_MY_DDL_SET, database, name[1], NULL, NULL, err);
		}
	} else if (rc == 0) {
		rc = report(a, DRIP_MY_DDL_UNKNOWN, database, name[1], NULL, NULL, err);
	}
	drip_my_table_destroy(t);
	free_name(name);
	return rc;
}

static int rename_table(struct apply *a, char *from[2], char *to[2], struct drip_error *err)
{
	const char *database = database_of(a, from);
	const char *to_database = database_of(a, to);
	const struct drip_my_table *known = drip_my_catalog_find(a->catalog, database, from[1]);
	struct drip_my_table *t = known != NULL ? drip_my_table_copy(known) : NULL;
	int rc;

	if (known != NULL && t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	if (t != NULL) {
		char *new_database = strdup(to_database), *new_name = strdup(to[1]);

		if (new_database == NULL || new_name == NULL) {
			free(new_database);
			free(new_name);
			drip_my_table_destroy(t);
			return drip_error_nomem(err, sizeof(*t));
		}
		free(t->database);
		free(t->name);
		t->database = new_database;
		t->name = new_name;
		rc = set(a, database, from[1], NULL, err);
		if (rc == 0) {
			rc = set(a, to_database, to[1], t, err);
		} else {
			drip_my_table_destroy(t);
		}
		if (rc != 0) {
			return rc;
		}
	}
	rc = report(a, DRIP_MY_DDL_RENAME, database, from[1], to_database, to[1], err);
	if (rc == 0 && known == NULL) {
		rc = report(a, DRIP_MY_DDL_UNKNOWN, to_database, to[1], NULL, NULL, err);
	}
	return rc;
}

/* At the end of a statement that renamed a table: an online schema change puts another in its
 * place.
 */
static int check_gone(struct apply *a, char *from[2], char *to[2], struct drip_error *err)
{
	const char *database = database_of(a, from);

	return drip_my_catalog_find(a->catalog, database, from[1]) != NULL
		       ? 0
		       : report(a, DRIP_MY_DDL_GONE, database, from[1], database_of(a, to), to[1],
				err);
}

static int apply_alter(struct apply *a, bool ignore, struct drip_error *err)
{
	struct drip_my_lex *l = &a->lex;
	const struct drip_my_table *known;
	struct drip_my_table *t;
	char *name[2], *to[2] = {NULL, NULL};
	const char *database;
	int rc;

	skip_if_exists(l);
	if (drip_my_ddl_name(l, name) != 0) {
		return 0;
	}
	skip_wait(l);
	database = database_of(a, name);
	known = drip_my_catalog_find(a->catalog, database, name[1]);
	t = known != NULL ? drip_my_table_copy(known) : drip_my_table_create(database, name[1]);
	if (t == NULL) {
		free_name(name);
		return drip_error_nomem(err, sizeof(*t));
	}
	for (uint32_t i = 0; i < t->count; i++) {
		drip_my_column_settle(&t->columns[i]);
	}
	rc = drip_my_ddl_alter_clauses(l, t, to);
	if (rc == 0 && known != NULL) {
		drip_my_ddl_compare(known, t, a->statement->strict && !ignore);
		t->lost_rows = t->lost_rows || ignore; /* those that break a constraint */
	}
	if (rc == 0 && known != NULL &&
	    (t->lost_rows || t->lost_values || !drip_my_table_equal(known, t))) {
		rc = set(a, database, name[1], t, err);
		t = NULL;
		if (rc == 0) {
			rc = report(a, DRIP_MY_DDL_SET, database, name[1], NULL, NULL, err);
		}
	} else if (rc == -EINVAL) {
		rc = report(a, DRIP_MY_DDL_ALTERED, database, name[1], NULL, NULL, err);
	} else if (rc == -ENOMEM) {
		rc = drip_error_nomem(err, sizeof(*t));
	}
	if (rc == 0 && to[1] != NULL) {
		rc = rename_table(a, name, to, err);
		rc = rc == 0 ? check_gone(a, name, to, err) : rc;
	}
	drip_my_table_destroy(t);
	free_name(name);
	free_name(to);
	return rc;
}

/* Does `each` for every pair of names of a RENAME TABLE. */
static int each_rename(struct apply *a,
		       int (*each)(struct apply *a, char *from[2], char *to[2],
				   struct drip_error *err),
		       struct drip_error *err)
{
	struct drip_my_lex *l = &a->lex;
	int rc = 0;

	skip_if_exists(l);
	do {
		char *from[2], *to[2];

		if (drip_my_ddl_name(l, from) != 0) {
			return 0;
		}
		skip_wait(l);
		if (!drip_my_lex_accept(l, "to") || drip_my_ddl_name(l, to) != 0) {
			free_name(from);
			return 0;
		}
		rc = each(a, from, to, err);
		free_name(from);
		free_name(to);
	} while (rc == 0 && drip_my_lex_accept(l, ","));
	return rc;
}

static int apply_rename(struct apply *a, struct drip_error *err)
{
	struct drip_my_lex begin = a->lex;
	int rc = each_rename(a, rename_table, err);

	a->lex = begin;
	return rc == 0 ? each_rename(a, check_gone, err) : rc;
}

static int apply_drop(struct apply *a, struct drip_error *err)
{
	int rc = 0;

	skip_if_exists(&a->lex);
	do {
		const char *database;
		char *name[2];

		if (drip_my_ddl_name(&a->lex, name) != 0) {
			return 0;
		}
		database = database_of(a, name);
		if (drip_my_catalog_find(a->catalog, database, name[1]) != NULL) {
			rc = report(a, DRIP_MY_DDL_DROP, database, name[1], NULL, NULL, err);
			if (rc == 0) {
				rc = set(a, database, name[1], NULL, err);
			}
		}
		free_name(name);
	} while (rc == 0 && drip_my_lex_accept(&a->lex, ","));
	return rc;
}

static int apply_truncate(struct apply *a, struct drip_error *err)
{
	char *name[2];
	int rc;

	drip_my_lex_accept(&a->lex, "table");
	if (drip_my_ddl_name(&a->lex, name) != 0) {
		return 0;
	}
	rc = report(a, DRIP_MY_DDL_TRUNCATE, database_of(a, name), name[1], NULL, NULL, err);
	free_name(name);
	return rc;
}

/* DROP DATABASE: all its tables. The log names no table. */
static int apply_drop_database(struct apply *a, struct drip_error *err)
{
	char *name;
	int rc = 0;

	skip_if_exists(&a->lex);
	name = drip_my_lex_take(&a->lex);
	for (size_t i = 0; name != NULL && i < DRIP_COUNT(a->catalog->buckets) && rc == 0; i++) {
		for (struct drip_my_entry *e = a->catalog->buckets[i]; e != NULL && rc == 0;
		     e = e->next) {
			if (strcmp(e->database, name) != 0 || e->count == 0 ||
			    e->versions[e->count - 1].table == NULL) {
				continue;
			}
			rc = report(a, DRIP_MY_DDL_DROP, e->database, e->name, NULL, NULL, err);
			if (rc == 0) {
				rc = set(a, e->database, e->name, NULL, err);
			}
		}
	}
	free(name);
	return rc;
}

static int apply_statement(struct apply *a, struct drip_error *err)
{
	struct drip_my_lex *l = &a->lex;

	while (drip_my_lex_accept(l, "set") || drip_my_lex_is(l, "statement")) {
		/* SET STATEMENT x = y FOR ... */
		while (l->kind != DRIP_MY_END && !drip_my_lex_accept(l, "for")) {
			drip_my_lex_skip(l);
		}
	}
	if (drip_my_lex_accept(l, "create")) {
		bool replace = drip_my_lex_accept(l, "or");

		drip_my_lex_accept(l, "replace");
		return drip_my_lex_accept(l, "table") ? apply_create(a, replace, err) : 0;
	}
	if (drip_my_lex_accept(l, "alter")) {
		bool ignore;

		drip_my_lex_accept(l, "online");
		ignore = drip_my_lex_accept(l, "ignore");
		return drip_my_lex_accept(l, "table") ? apply_alter(a, ignore, err) : 0;
	}
	if (drip_my_lex_accept(l, "rename")) {
		return drip_my_lex_accept(l, "table") || drip_my_lex_accept(l, "tables")
			       ? apply_rename(a, err)
			       : 0;
	}
	if (drip_my_lex_accept(l, "truncate")) {
		return apply_truncate(a, err);
	}
	if (drip_my_lex_accept(l, "drop")) {
		if (drip_my_lex_accept(l, "table") || drip_my_lex_accept(l, "tables")) {
			return apply_drop(a, err);
		}
		if (drip_my_lex_accept(l, "database") || drip_my_lex_accept(l, "schema")) {
			return apply_drop_database(a, err);
		}
	}
	return 0;
}

int drip_my_ddl_apply(struct drip_my_catalog *c, const struct drip_my_ddl_statement *s,
		      drip_my_ddl_hook hook, void *user, struct drip_error *err)
{
	struct apply a = {.catalog = c, .statement = s, .hook = hook, .user = user};

	drip_my_lex_init(&a.lex, s->sql, s->size);
	a.lex.ansi_quotes = s->ansi_quotes;
	a.lex.no_backslash = s->no_backslash;
	return apply_statement(&a, err);
}

int drip_my_ddl_script(struct drip_my_catalog *c, const char *sql, size_t size,
		       struct drip_error *err)
{
	struct drip_my_ddl_statement s = {.database = "", .charset = "utf8mb4"};
	struct drip_my_lex l;
	char *database = NULL;
	int rc = 0;

	drip_my_lex_init(&l, sql, size);
	while (l.kind != DRIP_MY_END && rc == 0) {
		const char *start = l.text;

		if (drip_my_lex_accept(&l, "use")) {
			free(database);
			database = drip_my_lex_take(&l);
			s.database = database != NULL ? database : "";
		}
		while (l.kind != DRIP_MY_END && !drip_my_lex_is(&l, ";")) {
			drip_my_lex_next(&l);
		}
		s.sql = start;
		s.size = (size_t)(l.text - start);
		rc = drip_my_ddl_apply(c, &s, NULL, NULL, err);
		drip_my_lex_accept(&l, ";");
	}
	free(database);
	return rc;
}
