/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's walk over a query's tree. Whatever is not in the lists of guard_names.c is refused: a
 * key, a node, a type or a function that a later DuckDB adds is not let through before somebody
 * has looked at it. Invariant: every table is one of the role's or, by this file's account of
 * scopes, a WITH entry. Were that account wrong, the name would still be looked up among the role's
 * tables only, since its queries run in a catalog that holds nothing else. Thread: any; works on
 * its arguments only.
 */
#include "guard.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define GUARD_CTE_NAME_MAX 128 /* bytes */

/* A WITH entry that may be named from here on inwards. */
struct scope {
	const struct scope *outer;
	char name[GUARD_CTE_NAME_MAX];
};

struct walk {
	const struct guard_tables *tables;
	int depth, ctes;
	struct drip_error *err;
};

static int walk_value(struct walk *w, const json_t *value, const struct scope *scope);

static int refuse(struct walk *w, const char *code, const char *fmt, const char *name)
{
	return drip_error_set(w->err, -EACCES, code, fmt, name);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static void lower(const char *text, char *buf, size_t size)
{
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < size; n++) {
		buf[n] = text[n] >= 'A' && text[n] <= 'Z' ? (char)(text[n] - 'A' + 'a') : text[n];
	}
	buf[n] = '\0';
}

static int no_memory(struct walk *w)
{
	return drip_error_nomem(w->err, 0);
}

/* ---- functions and types ---- */

static int check_function(struct walk *w, const json_t *node, enum guard_word kind)
{
	const char *schema = text_of(node, "schema");
	char name[64];

	lower(text_of(node, "function_name"), name, sizeof(name));
	if (text_of(node, "catalog")[0] != '\0' ||
	    (schema[0] != '\0' && strcmp(schema, "main") != 0) || !guard_knows(kind, name)) {
		refuse(w, "guard.function", "the function \"%.63s\" is not for queries",
		       text_of(node, "function_name"));
		drip_error_hint(
			w->err,
			"Functions that only compute are allowed; see the guide on security.");
		return -EACCES;
	}
	return 0;
}

/* {"id": "DECIMAL", "type_info": {...}}; a type that is looked up by name must be built in. */
static int check_type(struct walk *w, const json_t *type)
{
	const char *id = text_of(type, "id");
	const json_t *info = json_object_get(type, "type_info");
	char name[64];

	if (strcmp(id, "UNBOUND") == 0) {
		lower(text_of(info, "name"), name, sizeof(name));
		if (text_of(info, "catalog")[0] == '\0' && text_of(info, "schema")[0] == '\0' &&
		    guard_knows(GUARD_TYPE_NAME, name)) {
			return 0;
		}
		return refuse(w, "guard.type", "the type \"%.63s\" is not for queries",
			      text_of(info, "name"));
	}
	return guard_knows(GUARD_TYPE, id)
		       ? 0
		       : refuse(w, "guard.type", "the type \"%.63s\" is not for queries", id);
}

/* ---- tables ---- */

static bool in_scope(const struct scope *scope, const char *name)
{
	for (; scope != NULL; scope = scope->outer) {
		if (strcasecmp(scope->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

static int check_table(struct walk *w, const json_t *node, const struct scope *scope)
{
	const char *schema = text_of(node, "schema_name"), *table = text_of(node, "table_name");
	char name[2 * DRIP_NAME_MAX], key[sizeof(name)];
	int n = snprintf(name, sizeof(name), "%s.%s", schema[0] != '\0' ? schema : "main", table);

	if (text_of(node, "catalog_name")[0] == '\0') {
		if (schema[0] == '\0' && in_scope(scope, table)) {
			return 0;
		}
		lower(name, key, sizeof(key));
		if (n > 0 && (size_t)n < sizeof(name) && strchr(table, '.') == NULL &&
		    bsearch(key, w->tables->names, w->tables->count, sizeof(char *),
			    compare_names) != NULL) {
			return 0;
		}
	}
	drip_error_set(w->err, -EACCES, "guard.table", "there is no table \"%.200s\" for this role",
		       schema[0] != '\0' ? name : table);
	drip_error_hint(w->err, "Name tables as the catalog does, without a database in front.");
	return -EACCES;
}

/* ---- WITH ---- */

static bool is_recursive(const json_t *entry)
{
	const json_t *query = json_object_get(json_object_get(entry, "value"), "query");

	return strcmp(text_of(json_object_get(query, "node"), "type"), "RECURSIVE_CTE_NODE") == 0;
}

/* Were this file's idea of scopes ever another than DuckDB's, such a name must not stand for
 * a file or for a table of the system. */
static bool is_plain_name(const char *name)
{
	static const char *const taken[] = {"pg_", "duckdb_", "sqlite_", "pragma_"};

	for (size_t i = 0; i < DRIP_COUNT(taken); i++) {
		if (strncasecmp(name, taken[i], strlen(taken[i])) == 0) {
			return false;
		}
	}
	for (const char *c = name; *c != '\0'; c++) {
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
		    !(*c >= '0' && *c <= '9') && *c != '_' && (*c & 0x80) == 0) {
			return false;
		}
	}
	return name[0] != '\0' && strlen(name) < GUARD_CTE_NAME_MAX;
}

static int walk_members(struct walk *w, const json_t *node, const struct scope *scope);

static int begin_entry(struct walk *w, const json_t *entry, struct scope *own)
{
	const char *name = text_of(entry, "key");

	if (!is_plain_name(name)) {
		return refuse(w, "guard.syntax", "\"%.40s\" cannot be the name of a WITH entry",
			      name);
	}
	snprintf(own->name, sizeof(own->name), "%s", name);
	return 0;
}

/* Entries are seen by those after them, by themselves where they recur, and by the node's rest. */
static int walk_ctes(struct walk *w, const json_t *node, const json_t *list,
		     const struct scope *scope)
{
	size_t count = json_array_size(list);
	struct scope *own;
	int rc = 0;

	if (count > (size_t)(GUARD_CTES_MAX - w->ctes)) {
		return refuse(w, "guard.syntax", "the query has too many WITH entries%s", "");
	}
	own = calloc(count + 1, sizeof(*own));
	if (own == NULL) {
		return no_memory(w);
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		const json_t *entry = json_array_get(list, i);

		own[i].outer = i == 0 ? scope : &own[i - 1];
		w->ctes++;
		rc = begin_entry(w, entry, &own[i]);
		if (rc == 0) {
			rc = walk_value(w, json_object_get(entry, "value"),
					is_recursive(entry) ? &own[i] : own[i].outer);
		}
	}
	rc = rc == 0 ? walk_members(w, node, count > 0 ? &own[count - 1] : scope) : rc;
	free(own);
	return rc;
}

/* ---- the walk ---- */

static int unknown_syntax(struct walk *w, const char *what)
{
	return refuse(w, "guard.syntax", "the query holds %.60s, which is not for queries", what);
}

static int walk_members(struct walk *w, const json_t *node, const struct scope *scope)
{
	bool constant = strcmp(text_of(node, "class"), "CONSTANT") == 0;
	bool function = strcmp(text_of(node, "type"), "TABLE_FUNCTION") == 0;
	const char *key;
	json_t *value;
	int rc = 0;

	json_object_foreach((json_t *)(uintptr_t)node, key, value)
	{
		if (!guard_knows(GUARD_KEY, key)) {
			return unknown_syntax(w, key);
		}
		if (strcmp(key, "cte_map") == 0 || (function && strcmp(key, "function") == 0)) {
			continue; /* walk_ctes, walk_table_function */
		}
		if (constant && strcmp(key, "value") == 0) {
			rc = check_type(w, json_object_get(value, "type"));
		} else {
			rc = walk_value(w, value, scope);
		}
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

static int check_expression(struct walk *w, const json_t *node, const char *class)
{
	if (!guard_knows(GUARD_CLASS, class)) {
		return unknown_syntax(w, class);
	}
	if (strcmp(class, "FUNCTION") == 0 || strcmp(class, "WINDOW") == 0) {
		return check_function(w, node, GUARD_FUNCTION);
	}
	return 0;
}

static int check_node(struct walk *w, const json_t *node, const char *type,
		      const struct scope *scope)
{
	if (!guard_knows(GUARD_NODE, type)) {
		return unknown_syntax(w, type);
	}
	if (strcmp(type, "BASE_TABLE") == 0) {
		return check_table(w, node, scope);
	}
	return 0;
}

/* The function of a table function is of another list than those in expressions. */
static int walk_table_function(struct walk *w, const json_t *node, const struct scope *scope)
{
	const json_t *function = json_object_get(node, "function");
	int rc = strcmp(text_of(function, "class"), "FUNCTION") == 0
			 ? check_function(w, function, GUARD_TABLE_FUNCTION)
			 : unknown_syntax(w, "a table function");

	rc = rc == 0 ? walk_members(w, function, scope) : rc;
	return rc == 0 ? walk_members(w, node, scope) : rc;
}

static int walk_object(struct walk *w, const json_t *node, const struct scope *scope)
{
	const char *class = text_of(node, "class"), *type = text_of(node, "type");
	const json_t *map = json_object_get(node, "cte_map");
	int rc = 0;

	if (class[0] != '\0') {
		rc = check_expression(w, node, class);
	} else if (strcmp(type, "TABLE_FUNCTION") == 0) {
		return walk_table_function(w, node, scope);
	} else if (type[0] != '\0') {
		rc = check_node(w, node, type, scope);
	} else if (json_object_get(node, "id") != NULL) {
		rc = check_type(w, node);
	}
	if (rc != 0) {
		return rc;
	}
	return map != NULL ? walk_ctes(w, node, json_object_get(map, "map"), scope)
			   : walk_members(w, node, scope);
}

static int walk_value(struct walk *w, const json_t *value, const struct scope *scope)
{
	int rc = 0;

	if (w->depth >= GUARD_DEPTH_MAX) {
		return refuse(w, "guard.syntax", "the query is nested too deeply%s", "");
	}
	w->depth++;
	if (json_is_object(value)) {
		rc = walk_object(w, value, scope);
	}
	for (size_t i = 0; rc == 0 && json_is_array(value) && i < json_array_size(value); i++) {
		rc = walk_value(w, json_array_get(value, i), scope);
	}
	w->depth--;
	return rc;
}

/* ---- the whole ---- */

static int check_root(const json_t *root, struct walk *w)
{
	const char *message = text_of(root, "error_message");

	if (!json_is_false(json_object_get(root, "error"))) {
		if (strncmp(message, "Only SELECT", 11) == 0) {
			drip_error_set(w->err, -EACCES, "guard.not_select",
				       "only SELECT statements may be run");
			return -EACCES;
		}
		return drip_error_set(w->err, -EINVAL, "guard.unreadable",
				      "cannot read the query: %.300s", message);
	}
	if (json_array_size(json_object_get(root, "statements")) != 1) {
		drip_error_set(w->err, -EACCES, "guard.several_statements",
			       "a query is one statement, this text holds %zu",
			       json_array_size(json_object_get(root, "statements")));
		return -EACCES;
	}
	return 0;
}

int guard_tree(const char *tree, size_t size, const struct guard_tables *tables,
	       struct drip_error *err)
{
	struct walk w = {.tables = tables, .err = err};
	json_error_t error;
	json_t *root = json_loadb(tree, size, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (root == NULL) {
		return drip_error_set(err, -EACCES, "guard.syntax",
				      "the query holds a value that cannot be checked: %.100s",
				      error.text);
	}
	rc = check_root(root, &w);
	if (rc == 0) {
		rc = walk_value(&w, json_array_get(json_object_get(root, "statements"), 0), NULL);
	}
	json_decref(root);
	return rc;
}
