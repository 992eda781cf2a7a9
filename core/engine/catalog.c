/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the catalog from `tables:` of all files: each table by itself, then what they reference.
 * A table with a mistake is left out, so that one mistake makes one finding.
 */
#include "base/alloc.h"
#include "engine/graph_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_BYTES 63 /* of a schema, table or column: PostgreSQL's limit, the least of all */

/* A table while it is built. */
struct draft {
	struct drip_catalog_table table;
	const struct drip_node *node;
	const struct graph_table_config *config;
};

struct build {
	struct graph *g;
	struct draft *drafts;
	size_t count;
	const struct drip_node *node; /* of the table at hand */
};

static const struct graph_column_config *column_at(const struct graph_table_config *config,
						   size_t i)
{
	return (const struct graph_column_config *)config->columns.items + i;
}

static void report(struct build *b, const char *path, const char *code, const char *hint,
		   const char *fmt, ...) DRIP_PRINTF(5, 6);

/* A finding at "columns[2].type" of the table at hand. */
static void report(struct build *b, const char *path, const char *code, const char *hint,
		   const char *fmt, ...)
{
	struct drip_place place = drip_node_place(b->node, path);
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &place, code, hint, "%s", text);
}

/* A name that every warehouse takes without quotes. */
static bool plain(const char *name, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bool letter = (name[i] >= 'a' && name[i] <= 'z') || name[i] == '_';

		if (!letter && (i == 0 || name[i] < '0' || name[i] > '9')) {
			return false;
		}
	}
	return size > 0 && size <= NAME_MAX_BYTES;
}

static bool check_table_name(struct build *b, const struct drip_node *key)
{
	const char *dot = strchr(key->text, '.');

	if (dot != NULL && plain(key->text, (size_t)(dot - key->text)) &&
	    plain(dot + 1, strlen(dot + 1))) {
		return true;
	}
	drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &key->place, "catalog.bad_name",
			  "Write schema.table, lower case letters, digits and _, 63 each at most.",
			  "\"%.100s\" cannot be the name of a table", key->text);
	return false;
}

/* ---- columns ---- */

static void check_column(struct build *b, const struct graph_column_config *c, size_t i)
{
	char path[64];

	if (!plain(c->name, strlen(c->name))) {
		snprintf(path, sizeof(path), "columns[%zu].name", i);
		report(b, path, "catalog.bad_name",
		       "Write lower case letters, digits and _, 63 at most.",
		       "\"%.100s\" cannot be the name of a column", c->name);
	}
	if (c->pii.value != 0 && c->class.value < DRIP_CLASS_CONFIDENTIAL) {
		snprintf(path, sizeof(path), "columns[%zu].pii", i);
		report(b, path, "catalog.exposed_pii",
		       "Give it `class: confidential` or `class: restricted`.",
		       "column %s holds personal data (%s) and is %s", c->name,
		       graph_pii_name(c->pii.value), drip_class_name(c->class.value));
	}
}

static int add_column(struct build *b, struct drip_schema_builder *builder,
		      const struct graph_column_config *c, size_t i)
{
	struct drip_column column = {.struct_size = sizeof(column), .name = c->name};
	struct drip_error err = DRIP_ERROR_INIT;
	char path[64];

	if (drip_type_parse(c->type, &column, &err) < 0) {
		snprintf(path, sizeof(path), "columns[%zu].type", i);
		report(b, path, err.code, err.hint, "column %s: %s", c->name, err.message);
		return -EINVAL;
	}
	column.classification = (enum drip_class)c->class.value;
	column.flags = (c->key ? DRIP_COLUMN_KEY : 0) | (c->nullable ? DRIP_COLUMN_NULLABLE : 0);
	for (uint32_t k = 0; k < builder->count; k++) {
		if (strcmp(builder->columns[k].name, c->name) == 0) {
			snprintf(path, sizeof(path), "columns[%zu].name", i);
			report(b, path, "catalog.duplicate_column", "Remove one of them.",
			       "column %s is declared twice", c->name);
			return -EINVAL;
		}
	}
	drip_schema_builder_add(builder, &column);
	return 0;
}

static int build_columns(struct build *b, struct draft *d)
{
	const struct graph_table_config *config = d->config;
	size_t count = config->columns.count;
	struct drip_catalog_column *columns =
		drip_arena_array(&b->g->arena, count, sizeof(*columns));
	struct drip_schema_builder builder;
	struct drip_schema *schema = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	const char *dot = strchr(d->table.name, '.');
	char database[NAME_MAX_BYTES + 1];
	int rc = 0;

	if (columns == NULL) {
		return -ENOMEM;
	}
	snprintf(database, sizeof(database), "%.*s", (int)(dot - d->table.name), d->table.name);
	drip_schema_builder_init(&builder, database, dot + 1);
	for (size_t i = 0; i < count; i++) {
		const struct graph_column_config *c = column_at(config, i);
		int bad = add_column(b, &builder, c, i);

		check_column(b, c, i);
		columns[i].description = c->description != NULL ? c->description : "";
		columns[i].pii = graph_pii_name(c->pii.value);
		rc = rc < 0 ? rc : bad;
	}
	d->table.columns = columns;
	if (rc < 0) {
		drip_schema_builder_finish(&builder);
		return 0; /* reported */
	}
	rc = drip_schema_builder_build(&builder, &schema, &err);
	if (rc < 0 && rc != -ENOMEM) {
		report(b, "columns", err.code, err.hint, "%s", err.message);
	}
	d->table.schema = schema;
	return rc == -ENOMEM ? rc : 0;
}

/* ---- tables ---- */

static void check_hints(struct build *b, struct draft *d)
{
	const struct drip_schema *schema = d->table.schema;
	const char *by = d->table.distribute;

	for (size_t i = 0; i < d->table.sort_count; i++) {
		char path[64];

		snprintf(path, sizeof(path), "sort[%zu]", i);
		if (drip_schema_find(schema, d->table.sort[i]) < 0) {
			report(b, path, "catalog.unknown_column", NULL, "%s has no column %s",
			       d->table.name, d->table.sort[i]);
		}
	}
	if (by != NULL && strcmp(by, "all") != 0 && strcmp(by, "even") != 0 &&
	    drip_schema_find(schema, by) < 0) {
		report(b, "distribute", "catalog.unknown_column",
		       "Name a column, or write all or even.", "%s has no column %s", d->table.name,
		       by);
	}
}

static struct draft *find_draft(struct build *b, const char *name)
{
	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(b->drafts[i].table.name, name) == 0) {
			return &b->drafts[i];
		}
	}
	return NULL;
}

static int bind_table(struct build *b, const struct drip_node_pair *pair, struct draft *d)
{
	struct graph_table options = graph_declared_table();
	struct graph *g = b->g;
	struct drip_binder binder = {
		.arena = &g->arena, .findings = g->findings, .what = "tables", .prefix = ""};
	struct graph_table_config *config = drip_arena_alloc(&g->arena, sizeof(*config));
	size_t errors = g->findings->errors;
	int rc;

	if (config == NULL) {
		return -ENOMEM;
	}
	if (pair->value->kind != DRIP_NODE_MAP) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &pair->value->place,
				  "config.wrong_type", "Write its `columns:`.",
				  "a table must be a map, not %s", drip_node_describe(pair->value));
		return 0;
	}
	b->node = pair->value;
	rc = drip_bind_map(&binder, pair->value, options.options, options.count, config);
	if (rc < 0 || g->findings->errors > errors || drip_node_lacks(pair->value)) {
		return rc;
	}
	if (config->columns.count == 0 || config->columns.count > DRIP_COLUMNS_MAX) {
		report(b, "columns", "catalog.bad_columns", NULL, "a table has 1 to %d columns",
		       DRIP_COLUMNS_MAX);
		return 0;
	}
	*d = (struct draft){.node = pair->value, .config = config};
	d->table = (struct drip_catalog_table){
		.name = pair->key->text,
		.description = config->description != NULL ? config->description : "",
		.grain = config->grain != NULL ? config->grain : "",
		.sort = config->sort.items,
		.sort_count = config->sort.count,
		.distribute = config->distribute,
		.place = pair->key->place};
	rc = build_columns(b, d);
	if (rc == 0 && d->table.schema != NULL) {
		check_hints(b, d);
		b->count++;
	}
	return rc;
}

static int add_table(struct build *b, const struct drip_node_pair *pair)
{
	const struct draft *other;
	size_t before;
	int rc;

	if (drip_node_is_extension(pair->key) || !check_table_name(b, pair->key)) {
		return 0;
	}
	other = find_draft(b, pair->key->text);
	if (other != NULL) {
		const struct drip_place *first = &other->table.place;

		drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &pair->key->place,
				  "catalog.duplicate_table", "Remove one of them.",
				  "table %s is declared twice; the first stands at %s:%d:%d",
				  pair->key->text, first->file, first->line, first->column);
		return 0;
	}
	before = b->count;
	rc = bind_table(b, pair, &b->drafts[b->count]);
	return rc == 0 && b->count == before ? graph_lose_name(b->g, pair->key->text) : rc;
}

/* ---- references ---- */

/* "table.column" or "schema.table.column"; NULL where there is none of that name. */
static const struct drip_catalog_table *find_reference(const struct build *b,
						       const struct drip_catalog_table *from,
						       const char *text, uint32_t *ret_column)
{
	const char *column = strrchr(text, '.');
	char name[2 * NAME_MAX_BYTES + 2];
	struct draft *d;
	int index;

	if (column == NULL) {
		return NULL;
	}
	if (memchr(text, '.', (size_t)(column - text)) != NULL) {
		snprintf(name, sizeof(name), "%.*s", (int)(column - text), text);
	} else {
		snprintf(name, sizeof(name), "%s.%.*s", from->schema->database,
			 (int)(column - text), text);
	}
	d = find_draft((struct build *)(uintptr_t)b, name);
	index = d != NULL ? drip_schema_find(d->table.schema, column + 1) : -1;
	*ret_column = index >= 0 ? (uint32_t)index : 0;
	return index >= 0 ? &d->table : NULL;
}

static void resolve(struct build *b, struct draft *d, size_t i)
{
	const char *text = column_at(d->config, i)->references;
	struct drip_catalog_column *own = (struct drip_catalog_column *)&d->table.columns[i];
	const struct drip_column *a, *to;
	char path[64];

	if (text == NULL) {
		return;
	}
	snprintf(path, sizeof(path), "columns[%zu].references", i);
	own->references = find_reference(b, &d->table, text, &own->references_column);
	if (own->references == NULL) {
		report(b, path, "catalog.unknown_reference",
		       "Write table.column or schema.table.column of a declared table.",
		       "no table declares %s", text);
		return;
	}
	a = drip_schema_column(d->table.schema, (uint32_t)i);
	to = drip_schema_column(own->references->schema, own->references_column);
	if (a->type != to->type || a->precision != to->precision || a->scale != to->scale) {
		report(b, path, "catalog.reference_type", NULL, "%s.%s has not the type of %s",
		       d->table.name, a->name, text);
	}
}

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct draft *)a)->table.name, ((const struct draft *)b)->table.name);
}

/* The references point into the array that is kept: sorted first, resolved then. */
static int keep(struct build *b)
{
	struct drip_catalog *catalog = &b->g->document->catalog;
	struct drip_catalog_table *tables =
		drip_arena_array(&b->g->arena, b->count, sizeof(*tables));

	qsort(b->drafts, b->count, sizeof(*b->drafts), by_name);
	for (size_t t = 0; t < b->count; t++) {
		b->node = b->drafts[t].node;
		for (size_t i = 0; i < b->drafts[t].config->columns.count; i++) {
			resolve(b, &b->drafts[t], i);
		}
	}
	for (size_t t = 0; t < b->count && tables != NULL; t++) {
		struct draft *d = &b->drafts[t];

		for (uint32_t i = 0; i < d->table.schema->columns_count; i++) {
			struct drip_catalog_column *c =
				(struct drip_catalog_column *)&d->table.columns[i];

			if (c->references != NULL) {
				/* a draft begins with its table */
				c->references =
					&tables[(const struct draft *)c->references - b->drafts];
			}
		}
		tables[t] = d->table;
	}
	catalog->tables = tables;
	catalog->tables_count = tables != NULL ? b->count : 0;
	return tables != NULL ? 0 : -ENOMEM;
}

int graph_build_catalog(struct graph *g)
{
	size_t room = graph_count_section(g, "tables", "Write SCHEMA.TABLE: {columns: [...]}.");
	struct build b = {.g = g};
	int rc = 0;

	if (room > DRIP_CATALOG_TABLES_MAX) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, NULL, "config.too_large", NULL,
				  "more than %d tables are declared", DRIP_CATALOG_TABLES_MAX);
		return 0;
	}
	if (room == 0) {
		return 0;
	}
	b.drafts = drip_arena_array(&g->arena, room, sizeof(*b.drafts));
	if (b.drafts == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < g->files_count; i++) {
		const struct drip_node *node = drip_node_get(g->files[i]->root, "tables");

		for (size_t j = 0;
		     node != NULL && node->kind == DRIP_NODE_MAP && j < node->count && rc == 0;
		     j++) {
			rc = add_table(&b, &node->pairs[j]);
		}
	}
	rc = rc < 0 ? rc : keep(&b);
	for (size_t t = 0; t < b.count && rc < 0; t++) {
		drip_schema_unref((struct drip_schema *)(uintptr_t)b.drafts[t].table.schema);
	}
	return rc;
}

void graph_finish_catalog(struct drip_catalog *catalog)
{
	for (size_t i = 0; i < catalog->tables_count; i++) {
		drip_schema_unref(catalog->tables[i].schema);
	}
}

const struct drip_catalog_table *drip_catalog_find(const struct drip_catalog *catalog,
						   const char *schema, const char *table)
{
	for (size_t i = 0; i < catalog->tables_count; i++) {
		const struct drip_schema *s = catalog->tables[i].schema;

		if (strcasecmp(s->database, schema) == 0 && strcasecmp(s->table, table) == 0) {
			return &catalog->tables[i];
		}
	}
	return NULL;
}
