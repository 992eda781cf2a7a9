/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs for an input schema. The query's syntax tree, as DuckDB gives it, tells whether a
 * result row comes from one input row: a plain SELECT without grouping, DISTINCT or set operation,
 * over which the number of the input row can be selected too. Thread: the caller's.
 */
#include "private.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The query with one more column, or null where its shape does not allow it. */
static const char rewrite_head[] = "WITH a AS (SELECT CAST(json_serialize_sql(";
static const char rewrite_tail[] =
	") AS JSON) AS j), b AS (SELECT j, j->'$.statements[0].node' AS n FROM a), c AS (SELECT j, "
	"n, "
	"CAST(n->'$.select_list' AS VARCHAR) AS l FROM b) SELECT CASE WHEN (j->>'$.error') = "
	"'false' "
	"AND json_array_length(j, '$.statements') = 1 AND (n->>'$.type') = 'SELECT_NODE' AND "
	"json_array_length(n, '$.group_expressions') = 0 AND json_array_length(n, '$.group_sets') "
	"= 0 "
	"AND (n->>'$.aggregate_handling') = 'STANDARD_HANDLING' AND NOT "
	"list_contains((n->>'$.modifiers[*].type'), 'DISTINCT_MODIFIER') THEN "
	"json_deserialize_sql(json_object('error', false, 'statements', "
	"json_array(json_object('node', "
	"json_merge_patch(n, json_object('select_list', CAST(left(l, length(l) - 1) || "
	"',{\"class\":\"COLUMN_REF\",\"type\":\"COLUMN_REF\",\"alias\":\"" SQL_FROM
	"\",\"query_location\":0,\"column_names\":[\"" DRIP_ROW_COLUMN "\"]}]' AS JSON))), "
	"'named_param_map', CAST('[]' AS JSON))))) END AS q FROM c";

static void put_literal(struct drip_text *t, const char *text)
{
	drip_text_puts(t, "'");
	for (; *text != '\0'; text++) {
		drip_text_put(t, text, *text == '\'' ? 1 : 0);
		drip_text_put(t, text, 1);
	}
	drip_text_puts(t, "'");
}

/* (gives) a copy of the one text of a result; NULL where it is null. */
static char *take_text(struct ArrowArray *column, int64_t rows)
{
	const int32_t *offsets = column->buffers[1];
	char *text = NULL;

	if (rows == 1 && !drip_is_null(column, 0)) {
		size_t size;

		offsets += column->offset;
		size = (size_t)(offsets[1] - offsets[0]);
		text = malloc(size + 1);
		if (text != NULL) {
			memcpy(text, (const char *)column->buffers[2] + offsets[0], size);
			text[size] = '\0';
		}
	}
	return text;
}

/* (gives) the query with SQL_FROM; NULL where it has another shape, or DuckDB cannot tell. */
static int rewrite(struct drip_sql_rows *rows, const char *query, char **ret,
		   struct drip_error *err)
{
	struct drip_text t = {0};
	struct drip_schema *schema = NULL;
	struct ArrowArray *columns = NULL;
	int64_t count = 0;
	int rc;

	*ret = NULL;
	drip_text_puts(&t, rewrite_head);
	put_literal(&t, query);
	drip_text_put(&t, rewrite_tail, sizeof(rewrite_tail));
	rc = drip_text_check(&t, err);
	if (rc == 0 && drip_sql_collect(rows->sql, rows->session, t.data, NULL, &schema, &columns,
					&count, NULL) == 0) {
		*ret = take_text(&columns[0], count);
		for (uint32_t i = 0; i < schema->columns_count; i++) {
			columns[i].release(&columns[i]);
		}
		free(columns);
		drip_schema_unref(schema);
	}
	drip_text_finish(&t);
	return rc;
}

static bool is_hidden(const char *name)
{
	return strcasecmp(name, SQL_FROM) == 0 || strcasecmp(name, DRIP_ROW_COLUMN) == 0;
}

static bool is_named(const struct drip_strings *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (strcasecmp(names->items[i], name) == 0) {
			return true;
		}
	}
	return false;
}

/* All key columns of the input come out under their names. */
static bool keeps_key(const struct drip_schema *input, const struct drip_schema *result)
{
	for (uint32_t i = 0; i < input->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(input, i);
		int index = drip_schema_find(result, column->name);

		if ((column->flags & DRIP_COLUMN_KEY) != 0 &&
		    (index < 0 ||
		     (drip_schema_column(result, (uint32_t)index)->flags & DRIP_COLUMN_KEY) == 0)) {
			return false;
		}
	}
	return true;
}

static int check_key(const struct sql_config *config, const struct drip_schema *output,
		     struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < config->key.count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (drip_schema_find(output, config->key.items[i]) < 0) {
			drip_error_set(&one, -EINVAL, "sql.no_such_key",
				       "the query yields no column %s", config->key.items[i]);
			drip_error_option(&one, "key[%zu]", i);
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

/* The result's schema without the hidden columns, under the table's name, with its key. */
static int make_output(struct sql_plan *plan, const struct sql_config *config,
		       const struct drip_schema *input, const struct drip_schema *result,
		       struct drip_error *err)
{
	bool key = plan->per_row && keeps_key(input, result);
	struct drip_schema_builder b;
	int rc;

	plan->columns = calloc(result->columns_count + 1, sizeof(*plan->columns));
	if (plan->columns == NULL) {
		return drip_error_nomem(err, result->columns_count * sizeof(*plan->columns));
	}
	drip_schema_builder_init(&b, input->database,
				 config->table != NULL ? config->table : input->table);
	b.version = input->version;
	for (uint32_t i = 0; i < result->columns_count; i++) {
		struct drip_column column = *drip_schema_column(result, i);

		if (is_hidden(column.name)) {
			plan->from = strcasecmp(column.name, SQL_FROM) == 0 ? i : plan->from;
			continue;
		}
		if (config->key.count > 0 || !key) {
			column.flags &= ~(uint32_t)DRIP_COLUMN_KEY;
		}
		if (is_named(&config->key, column.name)) {
			column.flags |= DRIP_COLUMN_KEY;
		}
		plan->columns[drip_schema_builder_add(&b, &column)] = i;
	}
	if (b.count == 0) {
		drip_schema_builder_finish(&b);
		return drip_error_set(err, -EINVAL, "sql.no_columns",
				      "the query yields no columns");
	}
	rc = drip_schema_builder_build(&b, &plan->output, err);
	return rc == 0 ? check_key(config, plan->output, err) : rc;
}

/* Edges of the output's columns; those of hidden ones, and to the row number, go. */
static void move_edges(struct sql_plan *plan, const struct drip_schema *input)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->edges_count; i++) {
		struct drip_lineage_edge edge = plan->edges[i];
		uint32_t output = 0;

		while (output < plan->output->columns_count &&
		       plan->columns[output] != edge.output) {
			output++;
		}
		if (output == plan->output->columns_count || edge.input >= input->columns_count) {
			continue;
		}
		edge.output = output;
		if (!plan->per_row && edge.kind == DRIP_LINEAGE_TRANSFORMATION) {
			edge.kind = DRIP_LINEAGE_AGGREGATION;
		}
		plan->edges[n++] = edge;
	}
	plan->edges_count = n;
}

/* Types the query, with the row number where that goes, as it stands otherwise. */
static int infer(struct drip_ctx *ctx, struct sql_plan *plan, const char *query,
		 const struct drip_schema *input, struct drip_schema **ret, struct drip_error *err)
{
	int rc = rewrite(&plan->rows, query, &plan->text, err);

	if (rc != 0) {
		return rc;
	}
	if (plan->text != NULL) {
		plan->per_row = drip_sql_rows_infer(ctx, plan->text, input, ret, &plan->edges,
						    &plan->edges_count, NULL) == 0;
		if (plan->per_row) {
			return 0;
		}
		free(plan->text);
	}
	plan->text = strdup(query);
	if (plan->text == NULL) {
		return drip_error_nomem(err, strlen(query));
	}
	rc = drip_sql_rows_infer(ctx, plan->text, input, ret, &plan->edges, &plan->edges_count,
				 err);
	if (rc != 0) {
		drip_error_option(err, "sql");
	}
	return rc;
}

void sql_plan_destroy(void *data)
{
	struct sql_plan *plan = data;

	drip_sql_rows_close(&plan->rows);
	drip_schema_unref(plan->output);
	free(plan->text);
	free(plan->edges);
	free(plan->columns);
	free(plan);
}

int sql_plan_create(struct drip_ctx *ctx, const struct sql_config *config,
		    const struct drip_schema *input, struct sql_plan **ret, struct drip_error *err)
{
	struct sql_plan *plan = calloc(1, sizeof(*plan));
	struct drip_schema *result = NULL;
	int rc;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	rc = drip_sql_rows_open(&plan->rows, ctx, err);
	if (rc == 0) {
		rc = infer(ctx, plan, config->sql, input, &result, err);
	}
	if (rc == 0) {
		rc = make_output(plan, config, input, result, err);
		drip_schema_unref(result);
	}
	if (rc != 0) {
		sql_plan_destroy(plan);
		return rc;
	}
	move_edges(plan, input);
	*ret = plan;
	return 0;
}
