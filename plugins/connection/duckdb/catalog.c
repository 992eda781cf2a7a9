/* SPDX-License-Identifier: Apache-2.0 */
/* What the catalog knows of a table. Thread: the session's. */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FACTS                                                                                      \
	"SELECT c.column_name, c.is_nullable, coalesce((SELECT bool_or(list_contains("             \
	"k.constraint_column_names, c.column_name)) FROM duckdb_constraints() k WHERE "            \
	"k.table_oid = c.table_oid AND k.database_oid = c.database_oid AND k.constraint_type = "   \
	"'PRIMARY KEY'), false) FROM duckdb_columns() c WHERE lower(c.table_name) = lower(%s) "    \
	"AND "                                                                                     \
	"%s ORDER BY c.column_index"

/* SQL that the name of the schema must satisfy. */
static void schema_condition(const char *schema, char *buf, size_t size)
{
	char literal[DRIP_DUCK_NAME_MAX];

	if (schema != NULL && strcmp(schema, "temp") == 0) {
		snprintf(buf, size, "c.database_name = 'temp'");
	} else if (schema == NULL || schema[0] == '\0') {
		snprintf(buf, size,
			 "c.database_name = current_database() AND c.schema_name = "
			 "current_schema()");
	} else {
		drip_sql_literal(NULL, schema, literal, sizeof(literal));
		snprintf(
			buf, size,
			"c.database_name = current_database() AND lower(c.schema_name) = lower(%s)",
			literal);
	}
}

/* Types come from preparing a SELECT over the table; nullability and key from the facts. */
static int select_types(struct drip_duck_session *s, const char *schema, const char *table,
			struct drip_schema **ret, struct drip_error *err)
{
	static const struct drip_sql_dialect dialect = {.quote = '"'};
	char quoted_schema[DRIP_DUCK_NAME_MAX], quoted[DRIP_DUCK_NAME_MAX];
	char sql[2 * DRIP_DUCK_NAME_MAX + 64];
	duckdb_prepared_statement statement = NULL;
	bool named = schema != NULL && schema[0] != '\0';
	int rc;

	drip_sql_quote(&dialect, named ? schema : "", quoted_schema, sizeof(quoted_schema));
	drip_sql_quote(&dialect, table, quoted, sizeof(quoted));
	snprintf(sql, sizeof(sql), "SELECT * FROM %s%s%s", named ? quoted_schema : "",
		 named ? "." : "", quoted);
	rc = drip_duck_prepare_query(s, sql, &statement, ret, err);
	if (statement != NULL) {
		duckdb_destroy_prepare(&statement);
	}
	return rc;
}

struct facts {
	uint32_t count;
	uint8_t flags[DRIP_COLUMNS_MAX]; /* enum drip_column_flags of each column */
};

static void read_facts(duckdb_result *result, struct facts *facts)
{
	duckdb_data_chunk chunk;

	while ((chunk = duckdb_fetch_chunk(*result)) != NULL) {
		const bool *nullable =
			duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1));
		const bool *key = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2));
		idx_t count = duckdb_data_chunk_get_size(chunk);

		for (idx_t i = 0; i < count && facts->count < DRIP_COLUMNS_MAX; i++) {
			facts->flags[facts->count++] =
				(uint8_t)((nullable[i] ? DRIP_COLUMN_NULLABLE : 0) |
					  (key[i] ? DRIP_COLUMN_KEY : 0));
		}
		duckdb_destroy_data_chunk(&chunk);
	}
}

static int find_facts(struct drip_duck_session *s, const char *schema, const char *table,
		      struct facts *facts, struct drip_error *err)
{
	char literal[DRIP_DUCK_NAME_MAX], condition[DRIP_DUCK_NAME_MAX + 128];
	char sql[sizeof(FACTS) + sizeof(literal) + sizeof(condition)];
	duckdb_result result;
	int rc = 0;

	drip_sql_literal(NULL, table, literal, sizeof(literal));
	schema_condition(schema, condition, sizeof(condition));
	snprintf(sql, sizeof(sql), FACTS, literal, condition);
	if (duckdb_query(s->connection, sql, &result) != DuckDBSuccess) {
		rc = drip_duck_error(s, duckdb_result_error(&result), "read the catalog", err);
	} else {
		read_facts(&result, facts);
	}
	duckdb_destroy_result(&result);
	return rc;
}

static int build(const struct drip_schema *types, const struct facts *facts, const char *schema,
		 const char *table, struct drip_schema **ret, struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, schema != NULL ? schema : "", table);
	for (uint32_t i = 0; i < types->columns_count; i++) {
		struct drip_column column = *drip_schema_column(types, i);

		column.flags = i < facts->count ? facts->flags[i] : DRIP_COLUMN_NULLABLE;
		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, ret, err);
}

/* Whether the table exists is asked first: a failing SELECT would spoil the transaction. */
int drip_duck_table_schema(void *session, const char *schema, const char *table,
			   struct drip_schema **ret_schema, struct drip_error *err)
{
	struct drip_duck_session *s = session;
	struct drip_schema *types = NULL;
	struct facts facts = {0};
	int rc = drip_duck_session_usable(s, err);

	if (rc != 0) {
		return rc;
	}
	drip_duck_stream_detach(s);
	rc = find_facts(s, schema, table, &facts, err);
	if (rc == 0 && facts.count == 0) {
		rc = drip_error_set(err, -ENOENT, "duckdb.no_table", "table %s does not exist",
				    table);
	}
	if (rc == 0) {
		rc = select_types(s, schema, table, &types, err);
	}
	if (rc == 0) {
		rc = build(types, &facts, schema, table, ret_schema, err);
	}
	drip_schema_unref(types);
	return rc;
}

/* ---- what a query reads ---- */

/* One name of a path, without its quotes. Returns where it ends. */
static const char *read_name(const char *p, char *ret, size_t size)
{
	bool quoted = *p == '"';
	size_t n = 0;

	p += quoted ? 1 : 0;
	while (*p != '\0' && (quoted ? *p != '"' || p[1] == '"' : *p != '.' && *p != ' ')) {
		p += quoted && *p == '"' ? 1 : 0;
		if (n + 1 < size) {
			ret[n++] = *p;
		}
		p++;
	}
	ret[n] = '\0';
	return p + (quoted && *p == '"' ? 1 : 0);
}

/* Schema and table of what DuckDB writes: [[catalog.]schema.]table [AS alias], names quoted where
 * they need it. */
static void split_path(const char *p, char *schema, char *table, size_t size)
{
	snprintf(schema, size, "main");
	p = read_name(p, table, size);
	while (*p == '.') {
		snprintf(schema, size, "%s", table);
		p = read_name(p + 1, table, size);
	}
}

int drip_duck_each_table(void *session, const char *sql, drip_sql_table_fn *each, void *data,
			 struct drip_error *err)
{
	struct drip_duck_session *s = session;
	duckdb_value names = duckdb_get_table_names(s->connection, sql, true);
	idx_t count = names != NULL ? duckdb_get_list_size(names) : 0;
	int rc = 0;

	if (names == NULL) {
		return drip_error_set(err, -ENOTSUP, "duckdb.unknown_tables",
				      "cannot tell which tables the query reads");
	}
	for (idx_t i = 0; i < count && rc == 0; i++) {
		duckdb_value item = duckdb_get_list_child(names, i);
		char *path = duckdb_get_varchar(item);
		char schema[DRIP_NAME_MAX], table[DRIP_NAME_MAX];

		split_path(path, schema, table, sizeof(table));
		rc = each(data, schema, table, err);
		duckdb_free(path);
		duckdb_destroy_value(&item);
	}
	duckdb_destroy_value(&names);
	return rc;
}
