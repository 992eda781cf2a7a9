/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the columns of a query come from, and the class that they have from there. The tables are
 * told by the database, which sees through views and macros; where it cannot (another than DuckDB)
 * by the names in the text. A column has the highest class of what its values are made of, what
 * only filters and joins look at apart; where the query cannot be typed, each has the highest of
 * all that is read. Invariant: what is not known is never taken for less. Thread: the source's;
 * sessions are its own.
 */
#include "query.h"

#include <ctype.h>
#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENGINE    "@duckdb"
#define NAMES_MAX 512 /* looked up in the database at most, where the text tells them */

/* Looking tables up. */
struct lookup {
	struct drip_ctx *ctx;
	const struct drip_sql *sql;
	void *session; /* NULL: declared tables only */
	struct query_origins *origins;
	uint32_t looked_up;
};

/* ---- tables ---- */

/* Columns that the database has beyond those that are declared: as sensitive as any of them. */
static int add_undeclared(struct drip_schema_builder *b, const struct drip_schema *declared,
			  const struct drip_schema *found)
{
	enum drip_class highest = DRIP_CLASS_INTERNAL;

	for (uint32_t i = 0; i < declared->columns_count; i++) {
		enum drip_class one = drip_schema_column(declared, i)->classification;

		highest = one > highest ? one : highest;
	}
	for (uint32_t i = 0; found != NULL && i < found->columns_count; i++) {
		struct drip_column column = drip_schema_column_get(found, i);

		if (drip_schema_find(declared, column.name) < 0) {
			column.classification = highest;
			column.flags &= ~(uint32_t)DRIP_COLUMN_KEY;
			drip_schema_builder_add(b, &column);
		}
	}
	return b->rc;
}

/* (gives) the table under its SQL schema, with the classes that are declared; NULL: there is none.
 */
static int look_up(struct lookup *l, const char *schema, const char *table,
		   struct drip_schema **ret, struct drip_error *err)
{
	const struct drip_host *host = l->ctx->host;
	const struct drip_schema *declared = NULL;
	struct drip_schema *found = NULL;
	struct drip_schema_builder b;
	int rc;

	*ret = NULL;
	if (DRIP_HAS(host, declared_table) && host->declared_table != NULL) {
		host->declared_table(l->ctx, schema, table, &declared);
	}
	if (l->session == NULL || l->sql->table_schema == NULL ||
	    l->sql->table_schema(l->session, schema, table, &found, NULL) != 0) {
		found = NULL;
	}
	if (declared == NULL && found == NULL) {
		return 0;
	}
	drip_schema_builder_from(&b, declared != NULL ? declared : found);
	drip_schema_builder_set_table(&b, schema, table);
	if (declared != NULL) {
		add_undeclared(&b, declared, found);
	}
	drip_schema_unref(found);
	rc = drip_schema_builder_build(&b, ret, err);
	return rc;
}

static bool is_known(const struct query_origins *o, const char *schema, const char *table)
{
	for (uint32_t i = 0; i < o->count; i++) {
		if (strcasecmp(o->tables[i]->database, schema) == 0 &&
		    strcasecmp(o->tables[i]->table, table) == 0) {
			return true;
		}
	}
	return false;
}

static int add_table(void *data, const char *schema, const char *table, struct drip_error *err)
{
	struct lookup *l = data;
	struct query_origins *o = l->origins;
	struct drip_schema **grown, *found;
	int rc = is_known(o, schema, table) ? 0 : look_up(l, schema, table, &found, err);

	if (rc != 0 || is_known(o, schema, table) || found == NULL) {
		return rc;
	}
	if (o->count == o->room) {
		grown = realloc(o->tables, (o->room + 16) * sizeof(*grown));
		if (grown == NULL) {
			drip_schema_unref(found);
			return drip_error_nomem(err, (o->room + 16) * sizeof(*grown));
		}
		o->tables = grown;
		o->room += 16;
	}
	o->tables[o->count++] = found;
	for (uint32_t i = 0; i < found->columns_count; i++) {
		enum drip_class one = drip_schema_column(found, i)->classification;

		o->highest = one > o->highest ? one : o->highest;
	}
	return 0;
}

/* By the names in the text; aliases of columns look the same, and are not found. */
static int find_names(struct lookup *l, const char *text, struct drip_error *err)
{
	char first[DRIP_NAME_MAX], second[DRIP_NAME_MAX];
	int rc = 0;

	while (rc == 0 && drip_sql_next_name(&text, first, second)) {
		if (l->session != NULL && l->looked_up++ >= NAMES_MAX) {
			break;
		}
		if (second[0] != '\0' && !isdigit((unsigned char)first[0])) {
			rc = add_table(l, first, second, err);
		}
	}
	return rc;
}

/* The option `table`. */
static int find_table(struct lookup *l, const struct query_config *config, struct drip_error *err)
{
	const char *dot = strchr(config->table, '.');
	char schema[DRIP_NAME_MAX];

	snprintf(schema, sizeof(schema), "%.*s", dot != NULL ? (int)(dot - config->table) : 4,
		 dot != NULL ? config->table : "main");
	return add_table(l, schema, dot != NULL ? dot + 1 : config->table, err);
}

void query_origins_finish(struct query_origins *o)
{
	for (uint32_t i = 0; i < o->count; i++) {
		drip_schema_unref(o->tables[i]);
	}
	free(o->tables);
	free(o->edges);
	*o = (struct query_origins){.count = 0};
}

/* ---- classes ---- */

/* (gives) what the option `sql` yields over the tables, and edges from them; found in an engine of
 * its own, where nothing else is. */
static int infer(struct drip_ctx *ctx, const struct query_config *config, struct query_origins *o,
		 struct drip_schema **ret, struct drip_error *err)
{
	const struct drip_sql *sql;
	const void *interface;
	void *engine;
	int rc = ctx->host->connection_get(ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &engine,
					   err);

	if (rc != 0) {
		return rc;
	}
	sql = interface;
	rc = -ENOTSUP;
	if (DRIP_HAS(sql, infer_tables) && sql->infer_tables != NULL) {
		rc = sql->infer_tables(engine, NULL, config->sql,
				       (const struct drip_schema *const *)o->tables, o->count, ret,
				       &o->edges, &o->edges_count, err);
	}
	ctx->host->connection_put(ctx, ENGINE, DRIP_SQL_INTERFACE, engine);
	return rc;
}

static void classes_of_edges(const struct query_origins *o, enum drip_class *classes)
{
	for (uint32_t i = 0; i < o->edges_count; i++) {
		const struct drip_sql_edge *e = &o->edges[i];
		enum drip_class one =
			drip_schema_column(o->tables[e->table], e->input)->classification;

		if (e->kind != DRIP_LINEAGE_INFLUENCE && one > classes[e->output]) {
			classes[e->output] = one;
		}
	}
}

static void classes_of_table(const struct query_origins *o, const struct drip_schema *yielded,
			     enum drip_class *classes)
{
	for (uint32_t i = 0; o->count > 0 && i < yielded->columns_count; i++) {
		int index = drip_schema_find(o->tables[0], drip_schema_column(yielded, i)->name);

		classes[i] =
			index >= 0
				? drip_schema_column(o->tables[0], (uint32_t)index)->classification
				: o->highest;
	}
}

static void set_all(enum drip_class *classes, uint32_t count, enum drip_class class)
{
	for (uint32_t i = 0; i < count; i++) {
		classes[i] = class;
	}
}

/* The tables are found. */
static void trace_sql(struct drip_ctx *ctx, const struct query_config *config, bool duckdb,
		      const struct drip_schema *yielded, struct query_origins *o,
		      enum drip_class *classes)
{
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_schema *inferred = NULL;

	set_all(classes, yielded->columns_count, o->highest);
	if (!duckdb || o->count == 0) {
		return;
	}
	if (infer(ctx, config, o, &inferred, &why) != 0) {
		drip_log_info(ctx, "lineage of the query is not known: %s", why.message);
		return;
	}

	if (inferred->columns_count == yielded->columns_count) {
		set_all(classes, yielded->columns_count, DRIP_CLASS_PUBLIC);
		classes_of_edges(o, classes);
	} else {
		free(o->edges);
		o->edges = NULL;
		o->edges_count = 0;
	}
	drip_schema_unref(inferred);
}

static int find_tables(struct lookup *l, const struct query_config *config, bool *ret_told,
		       struct drip_error *err)
{
	int rc;

	*ret_told = true;
	if (config->table != NULL) {
		return find_table(l, config, err);
	}
	if (!DRIP_HAS(l->sql, each_table) || l->sql->each_table == NULL) {
		return find_names(l, config->sql, err);
	}
	rc = l->sql->each_table(l->session, config->sql, add_table, l, err);
	*ret_told = rc == 0;
	return rc == -ENOTSUP ? 0 : rc;
}

int query_trace(struct drip_ctx *ctx, const struct query_config *config, const struct drip_sql *sql,
		void *object, const struct drip_schema *yielded, struct query_origins *ret,
		enum drip_class **ret_classes, struct drip_error *err)
{
	bool duckdb = strcmp(sql->dialect(object)->name, "duckdb") == 0, told = false;
	struct lookup l = {.ctx = ctx, .sql = sql, .origins = ret};
	enum drip_class *classes = calloc(yielded->columns_count + 1, sizeof(*classes));
	int rc = classes == NULL ? drip_error_nomem(err, yielded->columns_count * sizeof(*classes))
				 : sql->session_open(object, &l.session, err);

	rc = rc == 0 ? find_tables(&l, config, &told, err) : rc;
	if (l.session != NULL) {
		sql->session_close(l.session);
	}
	if (rc != 0) {
		free(classes);
		return rc;
	}
	if (!told) {
		drip_log_warning(ctx, "it cannot be told which tables the query reads: its columns "
				      "are taken for restricted");
		set_all(classes, yielded->columns_count, DRIP_CLASS_RESTRICTED);
	} else if (config->table != NULL) {
		classes_of_table(ret, yielded, classes);
	} else {
		trace_sql(ctx, config, duckdb, yielded, ret, classes);
	}
	*ret_classes = classes;
	return 0;
}

/* ---- without a connection ---- */

/* As a query yields it: without the keys that the tables have. */
static int plain(const struct drip_schema *from, bool keep_keys, struct drip_schema **ret,
		 struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, from);
	drip_schema_builder_set_table(&b, "", "");
	for (uint32_t i = 0; i < b.count; i++) {
		b.columns[i].classification = DRIP_CLASS_PUBLIC;
		b.columns[i].flags = DRIP_COLUMN_NULLABLE |
				     (keep_keys ? b.columns[i].flags & DRIP_COLUMN_KEY : 0);
	}
	return drip_schema_builder_build(&b, ret, err);
}

int query_assume(struct drip_ctx *ctx, const struct query_config *config,
		 struct drip_schema **ret_yielded, enum drip_class **ret_classes,
		 struct drip_error *err)
{
	struct query_origins o = {.count = 0};
	struct lookup l = {.ctx = ctx, .origins = &o};
	struct drip_schema *inferred = NULL;
	enum drip_class *classes = NULL;
	int rc = config->table != NULL ? find_table(&l, config, err)
				       : find_names(&l, config->sql, err);

	*ret_yielded = NULL;
	if (rc == 0 && o.count > 0) {
		if (config->table != NULL) {
			inferred = drip_schema_ref(o.tables[0]);
		} else if (infer(ctx, config, &o, &inferred, NULL) != 0) {
			inferred = NULL; /* it reads more than what is declared */
		}
	}
	if (inferred != NULL) {
		classes = calloc(inferred->columns_count + 1, sizeof(*classes));
		rc = classes == NULL
			     ? drip_error_nomem(err, inferred->columns_count * sizeof(*classes))
			     : plain(inferred, config->table != NULL, ret_yielded, err);
	}
	if (rc == 0 && inferred != NULL) {
		if (config->table != NULL) {
			classes_of_table(&o, *ret_yielded, classes);
		} else {
			classes_of_edges(&o, classes);
		}
		*ret_classes = classes;
	} else {
		free(classes);
	}
	drip_schema_unref(inferred);
	query_origins_finish(&o);
	return rc;
}

/* ---- lineage ---- */

static int record(struct drip_ctx *ctx, const char *space, const struct drip_schema *schema,
		  const struct query_origins *o, struct drip_error *err)
{
	struct drip_lineage_fact *facts = calloc(o->edges_count + 1, sizeof(*facts));
	char(*names)[2 * DRIP_NAME_MAX] = calloc(o->count + 1, sizeof(*names));
	int rc;

	if (facts == NULL || names == NULL) {
		free(facts);
		free(names);
		return drip_error_nomem(err, o->edges_count * sizeof(*facts));
	}
	for (uint32_t i = 0; i < o->count; i++) {
		snprintf(names[i], sizeof(names[i]), "%s.%s", o->tables[i]->database,
			 o->tables[i]->table);
	}
	for (uint32_t i = 0; i < o->edges_count; i++) {
		const struct drip_sql_edge *e = &o->edges[i];
		const struct drip_column *column = drip_schema_column(schema, e->output);

		facts[i] = (struct drip_lineage_fact){
			.struct_size = sizeof(facts[i]),
			.kind = (enum drip_lineage_kind)e->kind,
			.input_namespace = space,
			.input_dataset = names[e->table],
			.input_column = drip_schema_column(o->tables[e->table], e->input)->name,
			.output_namespace = space,
			.output_dataset = schema->table,
			.output_column = column->name,
			.classification = column->classification};
	}
	rc = ctx->host->lineage(ctx, facts, o->edges_count, err);
	free(facts);
	free(names);
	return rc;
}

void query_record(struct drip_ctx *ctx, const struct query_config *config,
		  const struct drip_sql *sql, void *object, const struct drip_schema *schema,
		  const struct query_origins *origins)
{
	struct drip_error why = DRIP_ERROR_INIT;
	char space[DRIP_NAME_MAX] = "";

	if (config->sql == NULL || origins->edges == NULL || !DRIP_HAS(ctx->host, lineage) ||
	    ctx->host->lineage == NULL ||
	    sql->dataset_namespace(object, space, sizeof(space)) < 0) {
		return;
	}
	if (record(ctx, space, schema, origins, &why) != 0) {
		drip_log_info(ctx, "lineage of the query is not recorded: %s", why.message);
	}
}

/* ---- without a connection ---- */

/* Whatever the tables. */
static bool is_grammar(const struct drip_error *err)
{
	return strcmp(err->code, "duckdb.syntax") == 0 ||
	       strcmp(err->code, "duckdb.several_statements") == 0 ||
	       strcmp(err->code, "duckdb.not_a_query") == 0;
}

int query_check(struct drip_ctx *ctx, const void *config, bool connect, struct drip_report *report,
		struct drip_error *err)
{
	const struct query_config *c = config;
	struct query_origins o = {.count = 0};
	struct lookup l = {.ctx = ctx, .origins = &o};
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_schema *inferred = NULL;
	int rc = 0;

	if (connect || c->sql == NULL) {
		return 0;
	}
	rc = find_names(&l, c->sql, err);
	if (rc == 0 && infer(ctx, c, &o, &inferred, &why) != 0 && why.code[0] != '\0') {
		drip_error_option(&why, "sql");
		if (is_grammar(&why)) {
			report->add(report, DRIP_LOG_ERROR, &why);
		} else if (o.count > 0 && strncmp(why.code, "duckdb.", 7) == 0) {
			snprintf(why.code, sizeof(why.code), "query.not_typed");
			report->add(report, DRIP_LOG_INFO, &why);
		}
	}
	drip_schema_unref(inferred);
	query_origins_finish(&o);
	return rc;
}
