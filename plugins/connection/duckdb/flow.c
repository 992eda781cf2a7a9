/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns of its inputs the values of a query's output columns are made of, in distinction
 * from those that only its filters, joins and groups look at. Told by names alone: an entry of any
 * select list is made of the names that stand in it, wherever these are from. So the answer may be
 * yes where it is no, never the other way round; what this file does not understand is yes.
 * Thread: any, one at a time.
 */
#include "guard.h"
#include "private.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNNAMED "?" /* entries of select lists without a name of their own */

struct drip_duck_flow {
	json_t *edges;   /* name -> set of the names that it is made of */
	json_t *tables;  /* names of tables, aliases and WITH entries */
	json_t *outer;   /* one set for each output column; empty where a star stands among them */
	json_t *reached; /* from output column `output` */
	uint32_t output;
	bool opaque; /* nothing can be told */
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static bool is(const json_t *object, const char *key, const char *text)
{
	return strcmp(text_of(object, key), text) == 0;
}

/* Names are compared in lower case. */
static void add_name(struct drip_duck_flow *f, json_t *set, const char *name)
{
	char key[DRIP_NAME_MAX];
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < sizeof(key); n++) {
		key[n] = (char)tolower((unsigned char)name[n]);
	}
	key[n] = '\0';
	if (name[n] != '\0' || json_object_set_new(set, key, json_object()) != 0) {
		f->opaque = true;
	}
}

static bool has_name(const json_t *set, const char *name)
{
	char key[DRIP_NAME_MAX];
	size_t n = 0;

	for (; name[n] != '\0' && n + 1 < sizeof(key); n++) {
		key[n] = (char)tolower((unsigned char)name[n]);
	}
	key[n] = '\0';
	return json_object_get(set, key) != NULL;
}

/* ---- names in an expression ---- */

/* A table's name alone is a row of it. */
static void add_reference(struct drip_duck_flow *f, json_t *set, const json_t *names)
{
	size_t count = json_array_size(names);

	for (size_t i = 0; i < count; i++) {
		const char *name = json_string_value(json_array_get(names, i));

		if (name == NULL || (count == 1 && has_name(f->tables, name))) {
			f->opaque = true;
			return;
		}
		add_name(f, set, name);
	}
}

static void add_names(struct drip_duck_flow *f, json_t *set, const json_t *node)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; json_is_array(node) && i < json_array_size(node); i++) {
		add_names(f, set, json_array_get(node, i));
	}
	if (!json_is_object(node)) {
		return;
	}
	if (is(node, "class", "COLUMN_REF")) {
		add_reference(f, set, json_object_get(node, "column_names"));
		return;
	}
	if (is(node, "class", "STAR") || is(node, "class", "POSITIONAL_REFERENCE") ||
	    is(node, "function_name", "unnest")) {
		f->opaque = true;
	}
	json_object_foreach((json_t *)(uintptr_t)node, key, value)
	{
		add_names(f, set, value);
	}
}

/* The set of what `name` is made of. */
static json_t *made_of(struct drip_duck_flow *f, const char *name)
{
	json_t *set = NULL;
	char key[DRIP_NAME_MAX];

	snprintf(key, sizeof(key), "%s", name);
	for (char *c = key; *c != '\0'; c++) {
		*c = (char)tolower((unsigned char)*c);
	}
	if (strlen(name) < sizeof(key)) {
		set = json_object_get(f->edges, key);
		if (set == NULL && json_object_set_new(f->edges, key, json_object()) == 0) {
			set = json_object_get(f->edges, key);
		}
	}
	f->opaque |= set == NULL;
	return set;
}

static void link_names(struct drip_duck_flow *f, const char *name, const json_t *node)
{
	json_t *set = made_of(f, name);

	if (set != NULL) {
		add_names(f, set, node);
	}
}

/* ---- select lists ---- */

/* Of an entry that is no star. */
static const char *name_of(const json_t *entry)
{
	const json_t *names = json_object_get(entry, "column_names");

	if (text_of(entry, "alias")[0] != '\0') {
		return text_of(entry, "alias");
	}
	if (is(entry, "class", "COLUMN_REF") && json_array_size(names) > 0) {
		return json_string_value(json_array_get(names, json_array_size(names) - 1));
	}
	return UNNAMED;
}

/* Columns keep their names, but for those that it renames. A star of what is no table opens a
 * struct. */
static void add_star(struct drip_duck_flow *f, const json_t *star)
{
	const json_t *renamed = json_object_get(star, "rename_list");
	const json_t *replaced = json_object_get(star, "replace_list");
	const char *relation = text_of(star, "relation_name");

	if (json_object_get(star, "columns") != NULL || json_object_get(star, "expr") != NULL ||
	    text_of(star, "alias")[0] != '\0' ||
	    (relation[0] != '\0' && !has_name(f->tables, relation))) {
		f->opaque = true;
	}
	for (size_t i = 0; i < json_array_size(renamed); i++) {
		const json_t *pair = json_array_get(renamed, i);
		json_t *set = made_of(f, text_of(pair, "value"));

		if (set != NULL) {
			add_name(f, set, text_of(json_object_get(pair, "key"), "column"));
		}
	}
	for (size_t i = 0; i < json_array_size(replaced); i++) {
		const json_t *pair = json_array_get(replaced, i);

		link_names(f, text_of(pair, "key"), json_object_get(pair, "value"));
	}
}

/* The list that names the columns of a query; NULL: it has none. */
static const json_t *list_of(const json_t *node)
{
	while (json_object_get(node, "left") != NULL) {
		node = json_object_get(node, "left");
	}
	return json_object_get(node, "select_list");
}

static bool has_star(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (is(json_array_get(list, i), "class", "STAR")) {
			return true;
		}
	}
	return json_array_size(list) == 0;
}

/* `names` stand for the columns of `query`, in their order. */
static void alias_list(struct drip_duck_flow *f, const json_t *names, const json_t *query)
{
	const json_t *list = list_of(json_object_get(query, "node"));

	for (size_t i = 0; i < json_array_size(names); i++) {
		const char *name = json_string_value(json_array_get(names, i));
		json_t *set;

		if (has_star(list) || name == NULL) {
			f->opaque = true;
			return;
		}
		set = made_of(f, name);
		if (set != NULL && i < json_array_size(list)) {
			add_name(f, set, name_of(json_array_get(list, i)));
			add_names(f, set, json_array_get(list, i));
		}
	}
}

/* The columns of the right go under the names of the left, in their order. */
static void add_operation(struct drip_duck_flow *f, const json_t *node)
{
	const json_t *left = list_of(node), *right = list_of(json_object_get(node, "right"));

	if (is(node, "setop_type", "UNION_BY_NAME")) {
		return;
	}
	if (has_star(left) || has_star(right)) {
		f->opaque = true;
		return;
	}
	for (size_t i = 0; i < json_array_size(left) && i < json_array_size(right); i++) {
		json_t *set = made_of(f, name_of(json_array_get(left, i)));

		if (set != NULL) {
			add_name(f, set, name_of(json_array_get(right, i)));
			add_names(f, set, json_array_get(right, i));
		}
	}
}

/* ---- tables ---- */

/* Functions in FROM and VALUES: each column is made of all that stands in them. A function may hold
 * a query as text. */
static void add_function(struct drip_duck_flow *f, const json_t *node)
{
	const json_t *function = json_object_get(node, "function");
	const json_t *names = json_object_get(node, "column_name_alias");
	json_t *set = json_object();

	f->opaque |= function != NULL &&
		     !guard_knows(GUARD_TABLE_FUNCTION, text_of(function, "function_name"));
	add_names(f, set, function);
	add_names(f, set, json_object_get(node, "values"));
	for (size_t i = 0; i < json_array_size(names); i++) {
		json_t *own = made_of(f, json_string_value(json_array_get(names, i)));

		f->opaque |= own == NULL || json_object_update(own, set) != 0;
	}
	f->opaque |= json_object_size(set) > 0 && json_array_size(names) == 0;
	json_decref(set);
}

static void add_table(struct drip_duck_flow *f, const json_t *node, const char *type)
{
	const json_t *names = json_object_get(node, "column_name_alias");

	if (strcmp(type, "SUBQUERY") == 0) {
		alias_list(f, names, json_object_get(node, "subquery"));
	} else if (strcmp(type, "TABLE_FUNCTION") == 0 || strcmp(type, "EXPRESSION_LIST") == 0) {
		add_function(f, node);
	} else if (json_array_size(names) > 0) {
		f->opaque = true;
	}
}

/* ---- the walk ---- */

static void find_tables(struct drip_duck_flow *f, const json_t *node)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; json_is_array(node) && i < json_array_size(node); i++) {
		find_tables(f, json_array_get(node, i));
	}
	if (!json_is_object(node)) {
		return;
	}
	if (json_object_get(node, "class") == NULL) {
		add_name(f, f->tables, text_of(node, "table_name"));
		add_name(f, f->tables, text_of(node, "alias"));
		if (json_object_get(json_object_get(node, "value"), "query") != NULL) {
			add_name(f, f->tables, text_of(node, "key"));
		}
	}
	json_object_foreach((json_t *)(uintptr_t)node, key, value)
	{
		find_tables(f, value);
	}
}

static void visit(struct drip_duck_flow *f, const json_t *node);

static void visit_object(struct drip_duck_flow *f, const json_t *node)
{
	const char *type = json_object_get(node, "class") == NULL ? text_of(node, "type") : "";
	const json_t *list = json_object_get(node, "select_list");

	if ((type[0] != '\0' && !guard_knows(GUARD_NODE, type)) || strcmp(type, "PIVOT") == 0) {
		f->opaque = true;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *entry = json_array_get(list, i);

		if (is(entry, "class", "STAR")) {
			add_star(f, entry);
		} else {
			link_names(f, name_of(entry), entry);
		}
	}
	if (strcmp(type, "SET_OPERATION_NODE") == 0 || strcmp(type, "RECURSIVE_CTE_NODE") == 0) {
		add_operation(f, node);
	}
	if (json_object_get(node, "column_name_alias") != NULL ||
	    strcmp(type, "TABLE_FUNCTION") == 0 || strcmp(type, "EXPRESSION_LIST") == 0) {
		add_table(f, node, type);
	}
	alias_list(f, json_object_get(node, "aliases"), json_object_get(node, "query"));
}

static void visit(struct drip_duck_flow *f, const json_t *node)
{
	const char *key;
	json_t *value;

	for (size_t i = 0; json_is_array(node) && i < json_array_size(node); i++) {
		visit(f, json_array_get(node, i));
	}
	if (!json_is_object(node)) {
		return;
	}
	visit_object(f, node);
	json_object_foreach((json_t *)(uintptr_t)node, key, value)
	{
		visit(f, value);
	}
}

static void find_outer(struct drip_duck_flow *f, const json_t *root)
{
	const json_t *list = list_of(root);

	f->opaque |= json_array_size(list) == 0;
	for (size_t i = 0; !has_star(list) && i < json_array_size(list); i++) {
		json_t *set = json_object();

		add_name(f, set, name_of(json_array_get(list, i)));
		add_names(f, set, json_array_get(list, i));
		f->opaque |= json_array_append_new(f->outer, set) != 0;
	}
}

/* ---- what a column reaches ---- */

static bool is_plain(const char *name)
{
	for (; *name != '\0'; name++) {
		if (!isalnum((unsigned char)*name) && *name != '_' && (*name & 0x80) == 0) {
			return false;
		}
	}
	return true;
}

/* `name` and what it is made of. A star over a join names the second of two "id" "id_1" or "id:1".
 */
static void reach(struct drip_duck_flow *f, const char *name)
{
	size_t end = strlen(name);
	char stripped[DRIP_NAME_MAX];
	const char *key;
	json_t *value;

	if (has_name(f->reached, name) || f->opaque) {
		return;
	}
	add_name(f, f->reached, name);
	json_object_foreach(json_object_get(f->edges, name), key, value)
	{
		reach(f, key);
	}
	if (!is_plain(name)) {
		reach(f, UNNAMED);
	}
	while (end > 0 && isdigit((unsigned char)name[end - 1])) {
		end--;
	}
	if (end > 1 && name[end] != '\0' && (name[end - 1] == '_' || name[end - 1] == ':')) {
		snprintf(stripped, sizeof(stripped), "%.*s", (int)(end - 1), name);
		reach(f, stripped);
	}
}

static void reach_from(struct drip_duck_flow *f, uint32_t output, const char *name)
{
	json_t *set = json_object(), *value;
	const char *key;

	json_object_clear(f->reached);
	f->output = output;
	add_name(f, set, name);
	if (output < json_array_size(f->outer)) {
		f->opaque |= json_object_update(set, json_array_get(f->outer, output)) != 0;
	}
	json_object_foreach(set, key, value)
	{
		reach(f, key);
	}
	json_decref(set);
}

bool drip_duck_flow_reaches(struct drip_duck_flow *f, uint32_t output, const char *name,
			    const char *column)
{
	if (f == NULL || f->opaque) {
		return true;
	}
	if (f->output != output) {
		reach_from(f, output, name);
	}
	return f->opaque || has_name(f->reached, column);
}

void drip_duck_flow_destroy(struct drip_duck_flow *f)
{
	if (f != NULL) {
		json_decref(f->edges);
		json_decref(f->tables);
		json_decref(f->outer);
		json_decref(f->reached);
		free(f);
	}
}

/* The text of the first value, parsed, or NULL. */
static json_t *first_value(duckdb_result *result)
{
	duckdb_data_chunk chunk = duckdb_fetch_chunk(*result);
	json_t *root = NULL;

	if (chunk != NULL && duckdb_data_chunk_get_size(chunk) > 0) {
		duckdb_string_t *s = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));

		root = json_loadb(duckdb_string_t_data(s), duckdb_string_t_length(*s), 0, NULL);
	}
	duckdb_destroy_data_chunk(&chunk);
	return root;
}

/* The tree of `sql`, or NULL. */
static json_t *parse(duckdb_connection connection, const char *sql)
{
	duckdb_prepared_statement statement = NULL;
	json_t *root = NULL;
	duckdb_result result;

	if (duckdb_prepare(connection,
			   "SELECT json_serialize_sql(?::VARCHAR, skip_default := true)",
			   &statement) == DuckDBSuccess &&
	    duckdb_bind_varchar(statement, 1, sql) == DuckDBSuccess) {
		if (duckdb_execute_prepared(statement, &result) == DuckDBSuccess) {
			root = first_value(&result);
		}
		duckdb_destroy_result(&result);
	}
	duckdb_destroy_prepare(&statement);
	return root;
}

struct drip_duck_flow *drip_duck_flow_create(duckdb_connection connection, const char *sql)
{
	struct drip_duck_flow *f = calloc(1, sizeof(*f));
	json_t *root = f != NULL ? parse(connection, sql) : NULL;
	const json_t *statements = json_object_get(root, "statements");
	const json_t *node = json_object_get(json_array_get(statements, 0), "node");

	if (node == NULL) {
		json_decref(root);
		free(f);
		return NULL;
	}
	*f = (struct drip_duck_flow){.edges = json_object(),
				     .tables = json_object(),
				     .outer = json_array(),
				     .reached = json_object(),
				     .output = UINT32_MAX};
	find_tables(f, node);
	visit(f, node);
	find_outer(f, node);
	json_decref(root);
	return f;
}
