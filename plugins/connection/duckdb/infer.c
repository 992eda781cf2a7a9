/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a query yields over a table of a given schema, found by preparing it over an empty one.
 * Which input columns an output column depends on is asked of DuckDB's optimizer: the output column
 * alone is selected from the query, and the scan is told which input columns that needs, filters
 * and joins included. Thread: any; each call has a session of its own.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const struct drip_schema *schema;
	struct drip_duck_slot *slot;
	uint32_t first; /* where its columns begin among those of all inputs */
};

struct inference {
	struct drip_duck_session *session;
	struct input inputs[DRIP_DUCK_BINDS_MAX];
	uint32_t inputs_count, columns_count; /* of all inputs */
	const char *sql;
	struct drip_schema *output;
	uint8_t *uses;               /* output columns x columns of all inputs */
	struct drip_duck_flow *flow; /* NULL: cannot be told */
};

/* The query around the query that yields output column `index` alone; NULL: no memory. */
static char *select_one(const char *sql, const struct drip_schema *output, uint32_t index)
{
	size_t length = strlen(sql), size = length + 64 + output->columns_count * 16;
	char *text = malloc(size);
	size_t n;

	if (text == NULL) {
		return NULL;
	}
	while (length > 0 && strchr(" \t\r\n;", sql[length - 1]) != NULL) {
		length--;
	}
	n = (size_t)snprintf(text, size, "SELECT c%u FROM (%.*s\n) AS q(", index, (int)length, sql);
	for (uint32_t i = 0; i < output->columns_count; i++) {
		n += (size_t)snprintf(text + n, size - n, i == 0 ? "c%u" : ", c%u", i);
	}
	snprintf(text + n, size - n, ")");
	return text;
}

static int find_uses(struct inference *in, uint32_t index, struct drip_error *err)
{
	uint8_t *uses = in->uses + (size_t)index * in->columns_count;
	char *text = select_one(in->sql, in->output, index);
	int rc;

	if (text == NULL) {
		return drip_error_nomem(err, strlen(in->sql));
	}
	for (uint32_t i = 0; i < in->inputs_count; i++) {
		memset(in->inputs[i].slot->used, 0, in->inputs[i].schema->columns_count);
	}
	rc = drip_duck_execute(in->session, text, NULL, err);
	for (uint32_t i = 0; i < in->inputs_count; i++) {
		memcpy(uses + in->inputs[i].first, in->inputs[i].slot->used,
		       in->inputs[i].schema->columns_count);
	}
	free(text);
	return rc;
}

/* An output column that has a used column's name and type keeps what that one says of itself. */
static void keep_unchanged(const struct input *input, const uint8_t *uses,
			   struct drip_column *column)
{
	int same = drip_schema_find(input->schema, column->name);
	const struct drip_column *from;

	if (same < 0 || uses[input->first + (uint32_t)same] == 0) {
		return;
	}
	from = drip_schema_column(input->schema, (uint32_t)same);
	if (from->type == column->type) {
		column->source_type = from->source_type;
		column->length = from->length;
		column->scale = column->type == DRIP_TYPE_DECIMAL ? column->scale : from->scale;
		column->flags = from->flags;
	}
}

/* Rebuilds the output schema with the highest class among the inputs of each column, and with what
 * an unchanged column keeps. */
static int classify(struct inference *in, struct drip_error *err)
{
	struct drip_schema_builder b;
	struct drip_schema *classified = NULL;
	int rc;

	drip_schema_builder_init(&b, "", "");
	for (uint32_t i = 0; i < in->output->columns_count; i++) {
		struct drip_column column = *drip_schema_column(in->output, i);
		const uint8_t *uses = in->uses + (size_t)i * in->columns_count;

		column.classification = DRIP_CLASS_PUBLIC;
		for (uint32_t t = 0; t < in->inputs_count; t++) {
			const struct input *input = &in->inputs[t];

			for (uint32_t j = 0; j < input->schema->columns_count; j++) {
				const struct drip_column *from =
					drip_schema_column(input->schema, j);

				if (uses[input->first + j] != 0 &&
				    from->classification > column.classification) {
					column.classification = from->classification;
				}
			}
			keep_unchanged(input, uses, &column);
		}
		drip_schema_builder_add(&b, &column);
	}
	rc = drip_schema_builder_build(&b, &classified, err);
	if (rc == 0) {
		drip_schema_unref(in->output);
		in->output = classified;
	}
	return rc;
}

/* A statement of another kind than SELECT must not run, not even over an empty table. */
static int require_select(struct inference *in, struct drip_error *err)
{
	struct drip_duck_session *s = in->session;
	duckdb_prepared_statement statement = NULL;
	int rc;

	s->error_line = 0;
	s->error_sql = in->sql;
	rc = drip_duck_prepare_query(s, in->sql, &statement, &in->output, err);
	if (rc != 0 && s->error_line > 0 && s->error_column > 0) {
		drip_error_place(err, "line %u, column %u", s->error_line, s->error_column);
	}
	s->error_sql = NULL;
	if (rc == 0 && duckdb_prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_SELECT) {
		rc = drip_error_set(err, -EINVAL, "duckdb.not_a_query", "the SQL is not a query");
		drip_error_hint(err, "Begin with SELECT, FROM or WITH.");
	}
	if (statement != NULL) {
		duckdb_destroy_prepare(&statement);
	}
	return rc;
}

/* A table that has a schema is a view in it, the other a temporary one. */
static int bind_input(struct inference *in, const struct drip_schema *schema, const char *name,
		      struct drip_error *err)
{
	struct input *input = &in->inputs[in->inputs_count];
	bool in_schema = schema->database[0] != '\0' && name == NULL;
	char qualified[2 * DRIP_NAME_MAX + 2], text[2 * DRIP_NAME_MAX + 64];

	if (in->inputs_count == DRIP_DUCK_BINDS_MAX) {
		return drip_error_set(err, -E2BIG, "duckdb.parameters",
				      "a query over more than %d tables", DRIP_DUCK_BINDS_MAX);
	}
	input->schema = schema;
	input->first = in->columns_count;
	in->columns_count += schema->columns_count;
	in->inputs_count++;
	snprintf(qualified, sizeof(qualified), "%s%s%s", in_schema ? schema->database : "",
		 in_schema ? "." : "", name != NULL ? name : schema->table);
	if (in_schema) {
		int rc;

		snprintf(text, sizeof(text), "CREATE SCHEMA IF NOT EXISTS \"%s\"",
			 schema->database);
		rc = drip_duck_execute(in->session, text, NULL, err);
		if (rc != 0) {
			return rc;
		}
	}
	return drip_duck_bind_empty(in->session, qualified, in_schema, schema, &input->slot, err);
}

/* The inputs are bound. */
static int infer(struct inference *in, struct drip_error *err)
{
	size_t size;
	int rc = require_select(in, err);

	if (rc != 0) {
		return rc;
	}
	size = (size_t)in->output->columns_count * in->columns_count + 1;
	in->uses = calloc(size, 1);
	if (in->uses == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; rc == 0 && i < in->output->columns_count; i++) {
		rc = find_uses(in, i, err);
	}
	return rc == 0 ? classify(in, err) : rc;
}

/* An unchanged column is told by its name and type; one that no value of the output column is made
 * of is a filter's, a join's or a group's. */
static enum drip_lineage_kind edge_kind(const struct inference *in, uint32_t output,
					const struct input *from, uint32_t input)
{
	const struct drip_column *to = drip_schema_column(in->output, output);
	const struct drip_column *column = drip_schema_column(from->schema, input);

	if (drip_schema_find(from->schema, to->name) == (int)input && to->type == column->type) {
		return DRIP_LINEAGE_IDENTITY;
	}
	return drip_duck_flow_reaches(in->flow, output, to->name, column->name)
		       ? DRIP_LINEAGE_TRANSFORMATION
		       : DRIP_LINEAGE_INFLUENCE;
}

static int make_edges(const struct inference *in, struct drip_sql_edge **ret, uint32_t *ret_count,
		      struct drip_error *err)
{
	size_t cells = (size_t)in->output->columns_count * in->columns_count;
	struct drip_sql_edge *edges = calloc(cells + 1, sizeof(*edges));
	uint32_t n = 0;

	if (edges == NULL) {
		return drip_error_nomem(err, cells * sizeof(*edges));
	}
	for (uint32_t i = 0; i < in->output->columns_count; i++) {
		const uint8_t *uses = in->uses + (size_t)i * in->columns_count;

		for (uint32_t t = 0; t < in->inputs_count; t++) {
			const struct input *input = &in->inputs[t];

			for (uint32_t j = 0; j < input->schema->columns_count; j++) {
				if (uses[input->first + j] != 0) {
					edges[n++] = (struct drip_sql_edge){
						i, t, j, edge_kind(in, i, input, j)};
				}
			}
		}
	}
	*ret = edges;
	*ret_count = n;
	return 0;
}

/* Closes the session; gives the output and the edges where `rc` is 0. */
static int finish(struct inference *in, int rc, struct drip_schema **ret_schema,
		  struct drip_sql_edge **ret_edges, uint32_t *ret_edges_count,
		  struct drip_error *err)
{
	if (rc == 0 && ret_edges != NULL) {
		in->flow = drip_duck_flow_create(in->session->connection, in->sql);
		rc = make_edges(in, ret_edges, ret_edges_count, err);
	}
	drip_duck_flow_destroy(in->flow);
	drip_duck_session_close(in->session);
	free(in->uses);
	if (rc != 0) {
		drip_schema_unref(in->output);
		return rc;
	}
	*ret_schema = in->output;
	return 0;
}

int drip_duck_infer_lineage(void *object, const char *sql, const char *name,
			    const struct drip_schema *input, struct drip_schema **ret_schema,
			    struct drip_lineage_edge **ret_edges, uint32_t *ret_edges_count,
			    struct drip_error *err)
{
	struct inference in = {.sql = sql};
	struct drip_sql_edge *edges = NULL;
	void *session = NULL;
	int rc = drip_duck_session_open(object, &session, err);

	if (rc != 0) {
		return rc;
	}
	in.session = session;
	rc = bind_input(&in, input, name, err);
	rc = rc == 0 ? infer(&in, err) : rc;
	rc = finish(&in, rc, ret_schema, ret_edges != NULL ? &edges : NULL, ret_edges_count, err);
	if (rc != 0 || ret_edges == NULL) {
		return rc;
	}
	*ret_edges = calloc((size_t)*ret_edges_count + 1, sizeof(**ret_edges));
	for (uint32_t i = 0; *ret_edges != NULL && i < *ret_edges_count; i++) {
		(*ret_edges)[i] = (struct drip_lineage_edge){edges[i].output, edges[i].input,
							     (enum drip_lineage_kind)edges[i].kind};
	}
	free(edges);
	if (*ret_edges == NULL) {
		drip_schema_unref(*ret_schema);
		return drip_error_nomem(err, *ret_edges_count * sizeof(**ret_edges));
	}
	return 0;
}

int drip_duck_infer(void *object, const char *sql, const char *name,
		    const struct drip_schema *input, struct drip_schema **ret_schema,
		    struct drip_error *err)
{
	return drip_duck_infer_lineage(object, sql, name, input, ret_schema, NULL, NULL, err);
}

/* All in one transaction that is rolled back when the session closes. Two at once would make the
 * same schemas: one waits for the other. */
int drip_duck_infer_tables(void *object, const char *const *prelude, const char *sql,
			   const struct drip_schema *const *tables, uint32_t count,
			   struct drip_schema **ret_schema, struct drip_sql_edge **ret_edges,
			   uint32_t *ret_edges_count, struct drip_error *err)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	struct inference in = {.sql = sql};
	void *session = NULL;
	int rc;

	pthread_mutex_lock(&one);
	rc = drip_duck_session_open(object, &session, err);
	if (rc != 0) {
		pthread_mutex_unlock(&one);
		return rc;
	}
	in.session = session;
	rc = drip_duck_begin(session, err);
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		rc = bind_input(&in, tables[i], NULL, err);
	}
	for (; rc == 0 && prelude != NULL && *prelude != NULL; prelude++) {
		rc = drip_duck_execute(session, *prelude, NULL, err);
	}
	rc = rc == 0 ? infer(&in, err) : rc;
	rc = finish(&in, rc, ret_schema, ret_edges, ret_edges_count, err);
	pthread_mutex_unlock(&one);
	return rc;
}
