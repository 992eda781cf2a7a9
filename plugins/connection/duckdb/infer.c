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

struct inference {
	struct drip_duck_session *session;
	struct drip_duck_slot *slot;
	const struct drip_schema *input;
	const char *sql;
	struct drip_schema *output;
	uint8_t *uses; /* output columns x input columns */
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
	uint32_t count = in->input->columns_count;
	char *text = select_one(in->sql, in->output, index);
	int rc;

	if (text == NULL) {
		return drip_error_nomem(err, strlen(in->sql));
	}
	memset(in->slot->used, 0, count);
	rc = drip_duck_execute(in->session, text, NULL, err);
	memcpy(in->uses + (size_t)index * count, in->slot->used, count);
	free(text);
	return rc;
}

/* Rebuilds the output schema with the highest class among the inputs of each column, and with what
 * an unchanged column keeps. */
static int classify(struct inference *in, struct drip_error *err)
{
	struct drip_schema_builder b;
	struct drip_schema *classified = NULL;
	uint32_t count = in->input->columns_count;
	int rc;

	drip_schema_builder_init(&b, "", "");
	for (uint32_t i = 0; i < in->output->columns_count; i++) {
		struct drip_column column = *drip_schema_column(in->output, i);
		const uint8_t *uses = in->uses + (size_t)i * count;
		int same = drip_schema_find(in->input, column.name);

		column.classification = DRIP_CLASS_PUBLIC;
		for (uint32_t j = 0; j < count; j++) {
			const struct drip_column *from = drip_schema_column(in->input, j);

			if (uses[j] != 0 && from->classification > column.classification) {
				column.classification = from->classification;
			}
		}
		if (same >= 0 && uses[same] != 0) {
			const struct drip_column *from =
				drip_schema_column(in->input, (uint32_t)same);

			if (from->type == column.type) {
				column.source_type = from->source_type;
				column.length = from->length;
				column.scale = column.type == DRIP_TYPE_DECIMAL ? column.scale
										: from->scale;
				column.flags = from->flags;
			}
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
	duckdb_prepared_statement statement = NULL;
	int rc = drip_duck_prepare_query(in->session, in->sql, &statement, &in->output, err);

	if (rc == 0 && duckdb_prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_SELECT) {
		rc = drip_error_set(err, -EINVAL, "duckdb.not_a_query", "the SQL is not a query");
		drip_error_hint(err, "Begin with SELECT, FROM or WITH.");
	}
	if (statement != NULL) {
		duckdb_destroy_prepare(&statement);
	}
	return rc;
}

static int infer(struct inference *in, const char *name, struct drip_error *err)
{
	size_t size;
	int rc = drip_duck_bind_empty(in->session, name, in->input, &in->slot, err);

	if (rc == 0) {
		rc = require_select(in, err);
	}
	if (rc != 0) {
		return rc;
	}
	size = (size_t)in->output->columns_count * in->input->columns_count + 1;
	in->uses = calloc(size, 1);
	if (in->uses == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; rc == 0 && i < in->output->columns_count; i++) {
		rc = find_uses(in, i, err);
	}
	return rc == 0 ? classify(in, err) : rc;
}

/* An unchanged column is told by its name and type; a column of another name that every output
 * column needs is a filter's or a join's. */
static enum drip_lineage_kind edge_kind(const struct inference *in, uint32_t output, uint32_t input)
{
	const struct drip_column *to = drip_schema_column(in->output, output);
	const struct drip_column *from = drip_schema_column(in->input, input);
	uint32_t users = 0;

	if (drip_schema_find(in->input, to->name) == (int)input && to->type == from->type) {
		return DRIP_LINEAGE_IDENTITY;
	}
	for (uint32_t i = 0; i < in->output->columns_count; i++) {
		users += in->uses[(size_t)i * in->input->columns_count + input];
	}
	return users == in->output->columns_count && users > 1 ? DRIP_LINEAGE_INFLUENCE
							       : DRIP_LINEAGE_TRANSFORMATION;
}

static int make_edges(const struct inference *in, struct drip_lineage_edge **ret,
		      uint32_t *ret_count, struct drip_error *err)
{
	size_t cells = (size_t)in->output->columns_count * in->input->columns_count;
	struct drip_lineage_edge *edges = calloc(cells + 1, sizeof(*edges));
	uint32_t n = 0;

	if (edges == NULL) {
		return drip_error_nomem(err, cells * sizeof(*edges));
	}
	for (uint32_t i = 0; i < in->output->columns_count; i++) {
		for (uint32_t j = 0; j < in->input->columns_count; j++) {
			if (in->uses[(size_t)i * in->input->columns_count + j] != 0) {
				edges[n++] = (struct drip_lineage_edge){i, j, edge_kind(in, i, j)};
			}
		}
	}
	*ret = edges;
	*ret_count = n;
	return 0;
}

int drip_duck_infer_lineage(void *object, const char *sql, const char *name,
			    const struct drip_schema *input, struct drip_schema **ret_schema,
			    struct drip_lineage_edge **ret_edges, uint32_t *ret_edges_count,
			    struct drip_error *err)
{
	struct inference in = {.input = input, .sql = sql};
	void *session = NULL;
	int rc = drip_duck_session_open(object, &session, err);

	if (rc != 0) {
		return rc;
	}
	in.session = session;
	rc = infer(&in, name, err);
	if (rc == 0 && ret_edges != NULL) {
		rc = make_edges(&in, ret_edges, ret_edges_count, err);
	}
	drip_duck_session_close(session);
	free(in.uses);
	if (rc != 0) {
		drip_schema_unref(in.output);
		return rc;
	}
	*ret_schema = in.output;
	return 0;
}

int drip_duck_infer(void *object, const char *sql, const char *name,
		    const struct drip_schema *input, struct drip_schema **ret_schema,
		    struct drip_error *err)
{
	return drip_duck_infer_lineage(object, sql, name, input, ret_schema, NULL, NULL, err);
}
