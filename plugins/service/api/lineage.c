/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lineage of what the routes answer: each field as a column of the dataset "METHOD /path" in the
 * namespace "api", so that a source's column can be followed to who reads it. Told by the queries
 * themselves, typed over the declared tables, so that it is what they read; with the classes that
 * are declared. Recorded at the start, and of the model when there is one. Thread: the caller's.
 */
#include "api.h"

#include <dripline/sql.h>
#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPACE      "api"
#define ENGINE     "@duckdb"
#define TABLES_MAX 8 /* of one query */

static bool can_record(const struct api *api)
{
	return DRIP_HAS(api->ctx->host, lineage) && api->ctx->host->lineage != NULL &&
	       api->ctx->host->declared_table != NULL;
}

/* That it could not be recorded takes nothing from who asks. */
static void put(struct api *api, const struct drip_lineage_fact *facts, size_t count)
{
	struct drip_error err = DRIP_ERROR_INIT;

	if (api->ctx->host->lineage(api->ctx, facts, count, &err) < 0) {
		drip_log_warning(api->ctx, "the lineage of the answers could not be recorded: %s",
				 err.message);
	}
}

/* A query, typed. */
struct traced {
	const struct drip_schema *tables[TABLES_MAX];
	char names[TABLES_MAX][2 * DRIP_NAME_MAX];
	uint32_t count;
	struct drip_schema *fields;
	struct drip_sql_edge *edges;
	uint32_t edges_count;
};

/* (gives) the query with a text for each parameter: its values make no lineage. */
static int with_values(const char *sql, char **ret, struct drip_error *err)
{
	struct drip_text t = {0};

	for (; *sql != '\0'; sql++) {
		if (*sql == '?') {
			drip_text_puts(&t, "'1'");
		} else {
			drip_text_put(&t, sql, 1);
		}
	}
	drip_text_put(&t, "", 1);
	*ret = t.data;
	return drip_text_check(&t, err);
}

static void find_tables(struct api *api, const char *sql, struct traced *t)
{
	char first[DRIP_NAME_MAX], second[DRIP_NAME_MAX];
	const struct drip_schema *declared = NULL;

	while (t->count < TABLES_MAX && drip_sql_next_name(&sql, first, second)) {
		bool known = second[0] == '\0' || api->ctx->host->declared_table(
							  api->ctx, first, second, &declared) != 0;

		for (uint32_t i = 0; i < t->count && !known; i++) {
			known = t->tables[i] == declared;
		}
		if (!known) {
			snprintf(t->names[t->count], sizeof(t->names[0]), "%s.%s",
				 declared->database, declared->table);
			t->tables[t->count++] = declared;
		}
	}
}

static int trace(struct api *api, const struct drip_sql *sql, void *engine, const char *text,
		 struct traced *t, struct drip_error *err)
{
	char *query = NULL;
	int rc = with_values(text, &query, err);

	find_tables(api, text, t);
	rc = rc == 0 ? sql->infer_tables(engine, NULL, query, t->tables, t->count, &t->fields,
					 &t->edges, &t->edges_count, err)
		     : rc;
	free(query);
	return rc;
}

/* The class of a field: the highest of what it is made of. */
static enum drip_class class_of(const struct traced *t, uint32_t field)
{
	enum drip_class class = DRIP_CLASS_PUBLIC;

	for (uint32_t i = 0; i < t->edges_count; i++) {
		const struct drip_sql_edge *e = &t->edges[i];
		enum drip_class one =
			drip_schema_column(t->tables[e->table], e->input)->classification;

		if (e->output == field && e->kind != DRIP_LINEAGE_INFLUENCE && one > class) {
			class = one;
		}
	}
	return class;
}

/* Sections may have fields of one name: each fact once, of the highest class. */
static void add_fact(struct drip_lineage_fact *facts, size_t *count, struct drip_lineage_fact one)
{
	for (size_t i = 0; i < *count; i++) {
		struct drip_lineage_fact *f = &facts[i];

		if (strcmp(f->output_column, one.output_column) == 0 &&
		    strcmp(f->input_dataset, one.input_dataset) == 0 &&
		    strcmp(f->input_column, one.input_column) == 0) {
			f->kind = one.kind < f->kind ? one.kind : f->kind;
			f->classification = one.classification > f->classification
						    ? one.classification
						    : f->classification;
			return;
		}
	}
	facts[(*count)++] = one;
}

static void add_facts(const struct traced *t, const char *space, const char *route,
		      struct drip_lineage_fact *facts, size_t *count)
{
	for (uint32_t i = 0; i < t->edges_count; i++) {
		const struct drip_sql_edge *e = &t->edges[i];

		add_fact(facts, count,
			 (struct drip_lineage_fact){
				 .struct_size = sizeof(*facts),
				 .kind = (enum drip_lineage_kind)e->kind,
				 .input_namespace = space,
				 .input_dataset = t->names[e->table],
				 .input_column =
					 drip_schema_column(t->tables[e->table], e->input)->name,
				 .output_namespace = SPACE,
				 .output_dataset = route,
				 .output_column = drip_schema_column(t->fields, e->output)->name,
				 .classification = class_of(t, e->output)});
	}
}

/* All statements; of what a dataset has, the host keeps what it is told last, so all at once. */
static void record(struct api *api, const struct drip_sql *sql, void *engine, const char *space)
{
	struct traced *traced = calloc(API_STATEMENTS, sizeof(*traced));
	struct drip_lineage_fact *facts = NULL;
	size_t room = 1, count = 0;

	for (size_t i = 0; traced != NULL && i < API_STATEMENTS; i++) {
		struct drip_error why = DRIP_ERROR_INIT;

		if (trace(api, sql, engine, api_statements[i].sql, &traced[i], &why) < 0) {
			drip_log_info(api->ctx, "the lineage of %s is not known: %s",
				      api_statements[i].route, why.message);
		}
		room += traced[i].edges_count;
	}
	facts = calloc(room, sizeof(*facts));
	for (size_t i = 0; traced != NULL && i < API_STATEMENTS; i++) {
		if (facts != NULL && traced[i].fields != NULL) {
			add_facts(&traced[i], space, api_statements[i].route, facts, &count);
		}
	}
	if (count > 0) {
		put(api, facts, count);
	}
	for (size_t i = 0; traced != NULL && i < API_STATEMENTS; i++) {
		drip_schema_unref(traced[i].fields);
		free(traced[i].edges);
	}
	free(facts);
	free(traced);
}

void api_lineage(struct api *api)
{
	const struct drip_host *host = api->ctx->host;
	const char *name = api->config->warehouse.name;
	char space[DRIP_NAME_MAX] = "";
	const void *interface = NULL;
	void *object = NULL;

	if (!can_record(api) || host->connection_get(api->ctx, name, DRIP_SQL_INTERFACE, &interface,
						     &object, NULL) != 0) {
		return;
	}
	if (((const struct drip_sql *)interface)->dataset_namespace(object, space, sizeof(space)) <
	    0) {
		space[0] = '\0';
	}
	host->connection_put(api->ctx, name, DRIP_SQL_INTERFACE, object);
	if (host->connection_get(api->ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &object, NULL) !=
	    0) {
		return;
	}
	if (DRIP_HAS((const struct drip_sql *)interface, infer_tables) &&
	    ((const struct drip_sql *)interface)->infer_tables != NULL) {
		record(api, interface, object, space);
	}
	host->connection_put(api->ctx, ENGINE, DRIP_SQL_INTERFACE, object);
}

bool api_lineage_of_model(struct api *api)
{
	const struct drip_model *model = api->model;
	struct drip_model_version *v = NULL;
	struct drip_lineage_fact *facts;
	const struct drip_model_info *info;
	char name[DRIP_NAME_MAX];

	if (!can_record(api) || model->acquire(api->model_object, &v, NULL) < 0) {
		return false;
	}
	info = model->info(v);
	snprintf(name, sizeof(name), "model.%s", info->name);
	facts = calloc(info->features_count + 1, sizeof(*facts));
	for (uint32_t i = 0; facts != NULL && i < info->features_count; i++) {
		facts[i] = (struct drip_lineage_fact){.struct_size = sizeof(facts[i]),
						      .kind = DRIP_LINEAGE_TRANSFORMATION,
						      .input_namespace = "",
						      .input_dataset = name,
						      .input_column = info->features[i].name,
						      .output_namespace = SPACE,
						      .output_dataset = "POST /ml/fraud",
						      .output_column = "risk_score",
						      .classification = DRIP_CLASS_INTERNAL};
	}
	if (facts != NULL) {
		put(api, facts, info->features_count);
	}
	free(facts);
	model->release(v);
	return true;
}
