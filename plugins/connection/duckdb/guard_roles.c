/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roles: each has an in-memory catalog of its own, attached to the database, which holds nothing
 * but its views. It is the default catalog of sessions of the role, so a name without a catalog can
 * be nothing else. Catalogs end with the database handle: after it was opened again they are made
 * anew. Threads: any; `lock` is held for reading while a query is checked.
 */
#include "guard_roles.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct view {
	char *schema, *table, *columns, *filter;
	bool made;
};

struct role {
	struct role *next;
	char name[DRIP_GUARD_ROLE_MAX + 1];
	struct view *views;
	char **names; /* of guard_tables */
	size_t count;
	uint64_t generation; /* of the database in which the catalog is; 0: in none */
	bool complete;       /* all views are made */
};

struct guard_roles {
	pthread_rwlock_t lock;
	struct role *first;
	size_t count;
};

struct guard_roles *guard_roles_create(void)
{
	struct guard_roles *roles = calloc(1, sizeof(*roles));

	if (roles != NULL) {
		pthread_rwlock_init(&roles->lock, NULL);
	}
	return roles;
}

static void destroy_role(struct role *r)
{
	if (r == NULL) {
		return;
	}
	for (size_t i = 0; i < r->count; i++) {
		free(r->views[i].schema);
		free(r->views[i].table);
		free(r->views[i].columns);
		free(r->views[i].filter);
		free(r->names[i]);
	}
	free(r->views);
	free(r->names);
	free(r);
}

void guard_roles_destroy(struct guard_roles *roles)
{
	if (roles == NULL) {
		return;
	}
	while (roles->first != NULL) {
		struct role *r = roles->first;

		roles->first = r->next;
		destroy_role(r);
	}
	pthread_rwlock_destroy(&roles->lock);
	free(roles);
}

static struct role *find(const struct guard_roles *roles, const char *name)
{
	struct role *r = roles->first;

	while (r != NULL && strcmp(r->name, name) != 0) {
		r = r->next;
	}
	return r;
}

static int unknown_role(const char *role, struct drip_error *err)
{
	return drip_error_set(err, -ENOENT, "guard.unknown_role", "there is no role \"%.48s\"",
			      role);
}

/* ---- definition ---- */

static bool is_role_name(const char *name)
{
	size_t n = strlen(name);
	bool good = n > 0 && n <= DRIP_GUARD_ROLE_MAX;

	for (size_t i = 0; good && i < n; i++) {
		char c = name[i];

		good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
	}
	return good;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *key_of(const char *schema, const char *table)
{
	size_t size = strlen(schema) + strlen(table) + 2;
	char *key = malloc(size);

	if (key == NULL) {
		return NULL;
	}
	snprintf(key, size, "%s.%s", schema, table);
	for (char *c = key; *c != '\0'; c++) {
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	}
	return key;
}

static int copy_view(struct role *r, const struct drip_guard_view *from, struct drip_error *err)
{
	struct view *v = &r->views[r->count];

	if (from->schema[0] == '\0' || from->table[0] == '\0' || strchr(from->table, '.') != NULL ||
	    strchr(from->schema, '.') != NULL || strlen(from->schema) >= DRIP_NAME_MAX ||
	    strlen(from->table) >= DRIP_NAME_MAX) {
		return drip_error_set(err, -EINVAL, "guard.bad_view",
				      "\"%.100s.%.100s\" cannot be a view of a role", from->schema,
				      from->table);
	}
	v->schema = strdup(from->schema);
	v->table = strdup(from->table);
	v->columns = strdup(from->columns);
	v->filter = from->filter != NULL ? strdup(from->filter) : NULL;
	r->names[r->count] = key_of(from->schema, from->table);
	r->count++; /* destroy_role frees what there is */
	if (v->schema == NULL || v->table == NULL || v->columns == NULL ||
	    (from->filter != NULL && v->filter == NULL) || r->names[r->count - 1] == NULL) {
		return drip_error_nomem(err, 0);
	}
	return 0;
}

static int create_role(const char *name, const struct drip_guard_view *views, size_t count,
		       struct role **ret, struct drip_error *err)
{
	struct role *r;
	int rc = 0;

	if (!is_role_name(name) || count > DRIP_GUARD_VIEWS_MAX) {
		return drip_error_set(err, -EINVAL, "guard.bad_view",
				      "\"%.48s\" with %zu views cannot be a role", name, count);
	}
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		return drip_error_nomem(err, sizeof(*r));
	}
	snprintf(r->name, sizeof(r->name), "%s", name);
	r->views = calloc(count + 1, sizeof(*r->views));
	r->names = calloc(count + 1, sizeof(*r->names));
	if (r->views == NULL || r->names == NULL) {
		rc = drip_error_nomem(err, (count + 1) * sizeof(*r->views));
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = copy_view(r, &views[i], err);
	}
	if (rc != 0) {
		destroy_role(r);
		return rc;
	}
	qsort(r->names, r->count, sizeof(char *), compare_names);
	*ret = r;
	return 0;
}

int guard_roles_define(struct guard_roles *roles, struct drip_duck *duck, const char *role,
		       const struct drip_guard_view *views, size_t count, struct drip_error *err)
{
	struct role *fresh = NULL, **at = &roles->first;
	int rc = create_role(role, views, count, &fresh, err);

	if (rc != 0) {
		return rc;
	}
	pthread_rwlock_wrlock(&roles->lock);
	while (*at != NULL && strcmp((*at)->name, role) != 0) {
		at = &(*at)->next;
	}
	if (*at == NULL && roles->count >= DRIP_GUARD_ROLES_MAX) {
		rc = drip_error_set(err, -E2BIG, "guard.bad_view", "cannot have more than %d roles",
				    DRIP_GUARD_ROLES_MAX);
		destroy_role(fresh);
	} else {
		struct role *old = *at;

		fresh->next = old != NULL ? old->next : NULL;
		roles->count += old == NULL;
		*at = fresh;
		destroy_role(old);
	}
	pthread_rwlock_unlock(&roles->lock);
	return rc;
}

/* ---- check ---- */

int guard_roles_check(struct guard_roles *roles, const char *role, const char *tree, size_t size,
		      struct drip_error *err)
{
	const struct role *r;
	int rc;

	pthread_rwlock_rdlock(&roles->lock);
	r = find(roles, role);
	if (r == NULL) {
		rc = unknown_role(role, err);
	} else {
		struct guard_tables tables = {(const char *const *)r->names, r->count};

		rc = guard_tree(tree, size, &tables, err);
	}
	pthread_rwlock_unlock(&roles->lock);
	return rc;
}

/* ---- catalogs ---- */

static int execute(struct drip_duck_session *s, const char *text, struct drip_error *err)
{
	duckdb_result result;
	int rc = 0;

	if (duckdb_query(s->connection, text, &result) != DuckDBSuccess) {
		rc = drip_duck_error(s, duckdb_result_error(&result), "make the views of a role",
				     err);
	}
	duckdb_destroy_result(&result);
	return rc;
}

/* "catalog"."schema"."table"; parts may be NULL. */
static void put_name(struct drip_text *t, const char *catalog, const char *schema,
		     const char *table)
{
	const char *parts[] = {catalog, schema, table};
	bool first = true;

	for (size_t i = 0; i < DRIP_COUNT(parts); i++) {
		if (parts[i] == NULL) {
			continue;
		}
		drip_text_puts(t, first ? "\"" : ".\"");
		for (const char *c = parts[i]; *c != '\0'; c++) {
			drip_text_put(t, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
		}
		drip_text_puts(t, "\"");
		first = false;
	}
}

static int run_text(struct drip_duck_session *s, struct drip_text *t, struct drip_error *err)
{
	int rc;

	drip_text_put(t, "", 1);
	rc = drip_text_check(t, err);
	rc = rc == 0 ? execute(s, t->data, err) : rc;
	drip_text_finish(t);
	return rc;
}

static void catalog_of(const struct role *r, char *buf, size_t size)
{
	snprintf(buf, size, "drip_role_%s", r->name);
}

/* (gives) the name of the catalog that the database itself has. */
static char *own_catalog(struct drip_duck_session *s)
{
	duckdb_data_chunk chunk = NULL;
	duckdb_result result;
	char *name = NULL;

	if (duckdb_query(s->connection, "SELECT current_database()", &result) == DuckDBSuccess) {
		chunk = duckdb_fetch_chunk(result);
	}
	if (chunk != NULL && duckdb_data_chunk_get_size(chunk) == 1) {
		duckdb_string_t *text =
			duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

		name = strndup(duckdb_string_t_data(text), duckdb_string_t_length(*text));
	}
	duckdb_destroy_data_chunk(&chunk);
	duckdb_destroy_result(&result);
	return name;
}

static int make_view(struct drip_duck_session *s, const char *from, const char *catalog,
		     struct view *v, struct drip_error *err)
{
	struct drip_text t = {0};
	int rc;

	drip_text_puts(&t, "CREATE SCHEMA IF NOT EXISTS ");
	put_name(&t, catalog, v->schema, NULL);
	rc = run_text(s, &t, err);
	if (rc != 0) {
		return rc;
	}
	drip_text_puts(&t, "CREATE OR REPLACE VIEW ");
	put_name(&t, catalog, v->schema, v->table);
	drip_text_puts(&t, " AS SELECT ");
	drip_text_puts(&t, v->columns);
	drip_text_puts(&t, " FROM ");
	put_name(&t, from, v->schema, v->table);
	if (v->filter != NULL) {
		drip_text_puts(&t, " WHERE ");
		drip_text_puts(&t, v->filter);
	}
	return run_text(s, &t, err);
}

static int make_catalog(struct drip_duck_session *s, struct role *r, const char *catalog,
			struct drip_error *err)
{
	struct drip_text t = {0};
	int rc;

	if (r->generation == s->duck->generation) {
		return 0;
	}
	drip_text_puts(&t, "DETACH DATABASE IF EXISTS ");
	put_name(&t, catalog, NULL, NULL);
	rc = run_text(s, &t, err);
	if (rc == 0) {
		drip_text_puts(&t, "ATTACH ':memory:' AS ");
		put_name(&t, catalog, NULL, NULL);
		rc = run_text(s, &t, err);
	}
	for (size_t i = 0; i < r->count; i++) {
		r->views[i].made = false;
	}
	r->generation = rc == 0 ? s->duck->generation : 0;
	r->complete = false;
	return rc;
}

/* Views whose tables do not exist are left for the next query. Write lock held. */
static int make_views(struct drip_duck_session *s, struct role *r, struct drip_error *err)
{
	char catalog[DRIP_GUARD_ROLE_MAX + 16];
	struct drip_error ignored = DRIP_ERROR_INIT;
	char *from;
	int rc;

	catalog_of(r, catalog, sizeof(catalog));
	rc = make_catalog(s, r, catalog, err);
	from = rc == 0 ? own_catalog(s) : NULL;
	if (rc == 0 && from == NULL) {
		rc = drip_error_nomem(err, 0);
	}
	r->complete = rc == 0;
	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		struct view *v = &r->views[i];

		v->made = v->made || make_view(s, from, catalog, v, &ignored) == 0;
		r->complete = r->complete && v->made;
	}
	free(from);
	return rc;
}

int guard_roles_enter(struct guard_roles *roles, struct drip_duck_session *s, const char *role,
		      struct drip_error *err)
{
	char use[DRIP_GUARD_ROLE_MAX + 32];
	struct role *r;
	bool ready;
	int rc = 0;

	pthread_rwlock_rdlock(&roles->lock);
	r = find(roles, role);
	ready = r != NULL && r->complete && r->generation == s->duck->generation;
	pthread_rwlock_unlock(&roles->lock);
	if (!ready) {
		pthread_rwlock_wrlock(&roles->lock);
		r = find(roles, role);
		rc = r == NULL ? unknown_role(role, err) : make_views(s, r, err);
		pthread_rwlock_unlock(&roles->lock);
	}
	if (rc != 0) {
		return rc;
	}
	snprintf(use, sizeof(use), "USE drip_role_%s", role);
	return execute(s, use, err);
}
