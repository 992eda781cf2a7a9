/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the columns of a query come from: the tables that its text names are looked up, and the
 * query is typed over them, without running it. What cannot be told is left out: lineage never
 * holds up reading. Thread: the source's; sessions are its own.
 */
#include "query.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ENGINE     "@duckdb"
#define TABLES_MAX 32
#define NAMES_MAX  512 /* looked up at most */

struct inputs {
	struct drip_schema *tables[TABLES_MAX]; /* one reference each */
	uint32_t count, looked_up;
};

/* (gives) the table as it is declared, or as the database knows it, under its SQL schema. */
static struct drip_schema *look_up(struct drip_ctx *ctx, const struct drip_sql *sql, void *session,
				   const char *schema, const char *table)
{
	const struct drip_schema *declared = NULL;
	struct drip_schema *found = NULL, *named = NULL;
	struct drip_schema_builder b;

	if (DRIP_HAS(ctx->host, declared_table) && ctx->host->declared_table != NULL &&
	    ctx->host->declared_table(ctx, schema, table, &declared) == 0) {
		return drip_schema_ref(declared);
	}
	if (sql->table_schema(session, schema, table, &found, NULL) != 0) {
		return NULL;
	}
	drip_schema_builder_from(&b, found);
	drip_schema_builder_set_table(&b, schema, table);
	if (drip_schema_builder_build(&b, &named, NULL) != 0) {
		named = NULL;
	}
	drip_schema_unref(found);
	return named;
}

static bool is_known(const struct inputs *in, const char *schema, const char *table)
{
	for (uint32_t i = 0; i < in->count; i++) {
		if (strcasecmp(in->tables[i]->database, schema) == 0 &&
		    strcasecmp(in->tables[i]->table, table) == 0) {
			return true;
		}
	}
	return false;
}

/* The tables named as schema.table; aliases of columns look the same, and are not found. */
static void find_tables(struct drip_ctx *ctx, const char *text, const struct drip_sql *sql,
			void *session, struct inputs *in)
{
	char first[DRIP_NAME_MAX], second[DRIP_NAME_MAX];

	while (in->count < TABLES_MAX && drip_sql_next_name(&text, first, second)) {
		if (second[0] != '\0' && !isdigit((unsigned char)first[0]) &&
		    !is_known(in, first, second) && in->looked_up++ < NAMES_MAX) {
			struct drip_schema *found = look_up(ctx, sql, session, first, second);

			if (found != NULL) {
				in->tables[in->count++] = found;
			}
		}
	}
}

/* The class that a column of the query has, and none below that of what is in it. */
static enum drip_class class_of(const struct drip_schema *schema, const char *name,
				const struct inputs *in, const struct drip_sql_edge *edges,
				uint32_t count, uint32_t output)
{
	int at = drip_schema_find(schema, name);
	enum drip_class class = at >= 0 ? drip_schema_column(schema, (uint32_t)at)->classification
					: DRIP_CLASS_INTERNAL;

	for (uint32_t i = 0; i < count; i++) {
		if (edges[i].output == output && edges[i].kind != DRIP_LINEAGE_INFLUENCE) {
			enum drip_class one =
				drip_schema_column(in->tables[edges[i].table], edges[i].input)
					->classification;

			class = one > class ? one : class;
		}
	}
	return class;
}

static int record(struct drip_ctx *ctx, const char *space, const char *name,
		  const struct drip_schema *schema, const struct drip_schema *yielded,
		  const struct inputs *in, const struct drip_sql_edge *edges, uint32_t count,
		  struct drip_error *err)
{
	struct drip_lineage_fact *facts = calloc(count + 1, sizeof(*facts));
	char(*names)[2 * DRIP_NAME_MAX] = calloc(in->count + 1, sizeof(*names));
	int rc;

	if (facts == NULL || names == NULL) {
		free(facts);
		free(names);
		return drip_error_nomem(err, count * sizeof(*facts));
	}
	for (uint32_t i = 0; i < in->count; i++) {
		snprintf(names[i], sizeof(names[i]), "%s.%s", in->tables[i]->database,
			 in->tables[i]->table);
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_sql_edge *e = &edges[i];
		const char *column = drip_schema_column(yielded, e->output)->name;

		facts[i] = (struct drip_lineage_fact){
			.struct_size = sizeof(facts[i]),
			.kind = (enum drip_lineage_kind)e->kind,
			.input_namespace = space,
			.input_dataset = names[e->table],
			.input_column = drip_schema_column(in->tables[e->table], e->input)->name,
			.output_namespace = space,
			.output_dataset = name,
			.output_column = column,
			.classification = class_of(schema, column, in, edges, count, e->output)};
	}
	rc = ctx->host->lineage(ctx, facts, count, err);
	free(facts);
	free(names);
	return rc;
}

/* Types the query over the tables in an engine of its own, where nothing else is, and records it.
 */
static int trace(struct drip_ctx *ctx, const struct query_config *config, const char *space,
		 const struct drip_schema *schema, const struct inputs *in, struct drip_error *err)
{
	struct drip_schema *yielded = NULL;
	struct drip_sql_edge *edges = NULL;
	const struct drip_sql *sql;
	const void *interface;
	uint32_t count = 0;
	void *engine;
	int rc = ctx->host->connection_get(ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &engine,
					   err);

	if (rc != 0) {
		return rc;
	}
	sql = interface;
	if (!DRIP_HAS(sql, infer_tables) || sql->infer_tables == NULL) {
		ctx->host->connection_put(ctx, ENGINE, DRIP_SQL_INTERFACE, engine);
		return 0;
	}
	rc = sql->infer_tables(engine, NULL, config->sql,
			       (const struct drip_schema *const *)in->tables, in->count, &yielded,
			       &edges, &count, err);
	if (rc == 0) {
		rc = record(ctx, space, schema->table, schema, yielded, in, edges, count, err);
		drip_schema_unref(yielded);
		free(edges);
	}
	ctx->host->connection_put(ctx, ENGINE, DRIP_SQL_INTERFACE, engine);
	return rc;
}

void query_lineage(struct drip_ctx *ctx, const struct query_config *config,
		   const struct drip_sql *sql, void *object, const struct drip_schema *schema)
{
	struct drip_error why = DRIP_ERROR_INIT;
	struct inputs in = {.count = 0};
	char space[DRIP_NAME_MAX] = "";
	void *session = NULL;

	if (config->sql == NULL || !DRIP_HAS(ctx->host, lineage) || ctx->host->lineage == NULL ||
	    strcmp(sql->dialect(object)->name, "duckdb") != 0 ||
	    sql->dataset_namespace(object, space, sizeof(space)) < 0 ||
	    sql->session_open(object, &session, NULL) != 0) {
		return;
	}
	find_tables(ctx, config->sql, sql, session, &in);
	sql->session_close(session);
	if (in.count > 0 && trace(ctx, config, space, schema, &in, &why) != 0) {
		drip_log_info(ctx, "lineage of the query is not known: %s", why.message);
	}
	for (uint32_t i = 0; i < in.count; i++) {
		drip_schema_unref(in.tables[i]);
	}
}
