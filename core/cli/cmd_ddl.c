/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline ddl`: the SQL that makes the tables of the catalog, in the dialect of a warehouse.
 * Where the dialect lacks a type, the next one that holds its values stands in.
 */
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/load.h"
#include <dripline/text.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int name_type(const char *const *names, size_t count, const struct drip_column *column,
		     char *buf, size_t size)
{
	if (column->type == DRIP_TYPE_DECIMAL) {
		snprintf(buf, size, "DECIMAL(%d,%d)", column->precision, column->scale);
		return 0;
	}
	if ((size_t)column->type >= count || names[column->type] == NULL) {
		return -ENOTSUP;
	}
	snprintf(buf, size, "%s", names[column->type]);
	return 0;
}

static int duckdb_type(const struct drip_column *column, char *buf, size_t size)
{
	static const char *const names[] = {
		[DRIP_TYPE_BOOL] = "BOOLEAN",
		[DRIP_TYPE_INT8] = "TINYINT",
		[DRIP_TYPE_INT16] = "SMALLINT",
		[DRIP_TYPE_INT32] = "INTEGER",
		[DRIP_TYPE_INT64] = "BIGINT",
		[DRIP_TYPE_UINT8] = "UTINYINT",
		[DRIP_TYPE_UINT16] = "USMALLINT",
		[DRIP_TYPE_UINT32] = "UINTEGER",
		[DRIP_TYPE_UINT64] = "UBIGINT",
		[DRIP_TYPE_FLOAT32] = "FLOAT",
		[DRIP_TYPE_FLOAT64] = "DOUBLE",
		[DRIP_TYPE_UTF8] = "VARCHAR",
		[DRIP_TYPE_BINARY] = "BLOB",
		[DRIP_TYPE_DATE] = "DATE",
		[DRIP_TYPE_TIME] = "TIME",
		[DRIP_TYPE_TIMESTAMP] = "TIMESTAMP",
		[DRIP_TYPE_TIMESTAMP_UTC] = "TIMESTAMP WITH TIME ZONE",
		[DRIP_TYPE_DURATION] = "INTERVAL",
		[DRIP_TYPE_JSON] = "JSON",
		[DRIP_TYPE_UUID] = "UUID",
	};

	return name_type(names, DRIP_COUNT(names), column, buf, size);
}

/* No unsigned numbers; a VARCHAR without a length would have 256 bytes. */
static int redshift_type(const struct drip_column *column, char *buf, size_t size)
{
	static const char *const names[] = {
		[DRIP_TYPE_BOOL] = "BOOLEAN",
		[DRIP_TYPE_INT8] = "SMALLINT",
		[DRIP_TYPE_INT16] = "SMALLINT",
		[DRIP_TYPE_INT32] = "INTEGER",
		[DRIP_TYPE_INT64] = "BIGINT",
		[DRIP_TYPE_UINT8] = "SMALLINT",
		[DRIP_TYPE_UINT16] = "INTEGER",
		[DRIP_TYPE_UINT32] = "BIGINT",
		[DRIP_TYPE_UINT64] = "DECIMAL(20,0)",
		[DRIP_TYPE_FLOAT32] = "REAL",
		[DRIP_TYPE_FLOAT64] = "DOUBLE PRECISION",
		[DRIP_TYPE_UTF8] = "VARCHAR(65535)",
		[DRIP_TYPE_BINARY] = "VARBYTE(1024000)",
		[DRIP_TYPE_DATE] = "DATE",
		[DRIP_TYPE_TIME] = "TIME",
		[DRIP_TYPE_TIMESTAMP] = "TIMESTAMP",
		[DRIP_TYPE_TIMESTAMP_UTC] = "TIMESTAMPTZ",
		[DRIP_TYPE_JSON] = "SUPER",
		[DRIP_TYPE_UUID] = "VARCHAR(36)",
	};

	return name_type(names, DRIP_COUNT(names), column, buf, size);
}

static const struct drip_sql_dialect dialects[] = {
	{.struct_size = sizeof(struct drip_sql_dialect),
	 .name = "duckdb",
	 .quote = '"',
	 .type_name = duckdb_type},
	{.struct_size = sizeof(struct drip_sql_dialect),
	 .name = "redshift",
	 .quote = '"',
	 .type_name = redshift_type},
};

const struct drip_sql_dialect *drip_cli_dialect(const char *name)
{
	return &dialects[strcmp(name, "redshift") == 0];
}

/* ---- statements ---- */

static void put_comment(struct drip_text *t, const char *what, const char *table,
			const char *column, const char *text)
{
	char literal[4096];

	if (text[0] == '\0') {
		return;
	}
	drip_sql_literal(NULL, text, literal, sizeof(literal));
	drip_text_puts(t, "COMMENT ON ");
	drip_text_puts(t, what);
	drip_text_puts(t, " ");
	drip_text_puts(t, table);
	drip_text_puts(t, column != NULL ? "." : "");
	drip_text_puts(t, column != NULL ? column : "");
	drip_text_puts(t, " IS ");
	drip_text_puts(t, literal);
	drip_text_puts(t, ";\n");
}

static void put_distribution(struct drip_text *t, const struct drip_catalog_table *table)
{
	const char *by = table->distribute;

	if (by != NULL && (strcmp(by, "all") == 0 || strcmp(by, "even") == 0)) {
		drip_text_puts(t, strcmp(by, "all") == 0 ? " DISTSTYLE ALL" : " DISTSTYLE EVEN");
	} else if (by != NULL) {
		drip_text_puts(t, " DISTSTYLE KEY DISTKEY (");
		drip_text_puts(t, by);
		drip_text_puts(t, ")");
	}
	for (size_t i = 0; i < table->sort_count; i++) {
		drip_text_puts(t, i == 0 ? " SORTKEY (" : ", ");
		drip_text_puts(t, table->sort[i]);
	}
	drip_text_puts(t, table->sort_count > 0 ? ")" : "");
}

static int put_table(struct drip_text *t, const struct drip_sql_dialect *dialect,
		     const struct drip_catalog_table *table, struct drip_error *err)
{
	int rc = drip_sql_put_create(t, dialect, table->schema, true, err);

	if (strcmp(dialect->name, "redshift") == 0) {
		put_distribution(t, table);
	}
	drip_text_puts(t, ";\n");
	put_comment(t, "TABLE", table->name, NULL, table->description);
	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		put_comment(t, "COLUMN", table->name, drip_schema_column(table->schema, i)->name,
			    table->columns[i].description);
	}
	drip_text_puts(t, "\n");
	return rc;
}

/* Tables are sorted by name, so those of one schema follow each other. */
static int put_catalog(struct drip_text *t, const struct drip_sql_dialect *dialect,
		       const struct drip_catalog *catalog, struct drip_error *err)
{
	const char *last = "";
	int rc = 0;

	for (size_t i = 0; i < catalog->tables_count && rc == 0; i++) {
		const char *schema = catalog->tables[i].schema->database;

		if (strcmp(schema, last) != 0) {
			drip_text_puts(t, "CREATE SCHEMA IF NOT EXISTS ");
			drip_text_puts(t, schema);
			drip_text_puts(t, ";\n");
			rc = drip_sql_put_key_function(t, dialect->name, schema, err);
			drip_text_puts(t, ";\n\n");
			last = schema;
		}
		rc = rc < 0 ? rc : put_table(t, dialect, &catalog->tables[i], err);
	}
	return rc;
}

static int print_ddl(const struct drip_document *document, const char *name)
{
	const struct drip_sql_dialect *dialect = drip_cli_dialect(name);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_text t = {0};
	int rc = put_catalog(&t, dialect, &document->catalog, &err);

	if (rc < 0) {
		fprintf(stderr, "dripline: %s [%s]\n", err.message, err.code);
	} else {
		fwrite(t.data, 1, t.size, stdout);
	}
	drip_text_finish(&t);
	return rc < 0 ? DRIP_EXIT_INVALID : DRIP_EXIT_OK;
}

int drip_cmd_ddl(int argc, char **argv)
{
	static const char *const names[] = {"duckdb", "redshift", NULL};
	struct drip_cli_load load = {.connect = false};
	const char *dialect = "duckdb";
	const struct drip_arg args[] = {
		{.name = "dialect", .text = &dialect, .choices = names},
		{.name = "plugin-dir", .list = &load.plugin_dirs},
		{.name = NULL},
	};
	int status = drip_cli_load_args(&load, argc, argv, args, 0);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	status = drip_cli_load(&load);
	if (load.registry != NULL) {
		drip_findings_print_text(&load.findings, stderr);
	}
	if (status == DRIP_EXIT_OK) {
		status = print_ddl(load.document, dialect);
	}
	drip_cli_load_finish(&load);
	return status;
}
