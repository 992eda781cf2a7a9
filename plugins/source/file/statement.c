/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The statements that read files. Text formats are read as text, and each value is cast where it
 * can be: so a value that does not fit costs its row, not the file. JSON is read line by line, and
 * a line that is not JSON costs that line.
 */
#include "file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows come in order, and a reader's share of the memory budget holds its buffers. */
#define CSV_MEMORY ", parallel=false, buffer_size=4194304"

static void put_literal(struct drip_text *t, const char *text)
{
	drip_text_put(t, "'", 1);
	for (; *text != '\0'; text++) {
		drip_text_put(t, "''", *text == '\'' ? 2 : 0);
		drip_text_put(t, text, *text != '\'');
	}
	drip_text_put(t, "'", 1);
}

static void put_name(struct drip_text *t, const char *name)
{
	drip_text_put(t, "\"", 1);
	for (; *name != '\0'; name++) {
		drip_text_put(t, "\"\"", *name == '"' ? 2 : 0);
		drip_text_put(t, name, *name != '"');
	}
	drip_text_put(t, "\"", 1);
}

static int finish(struct drip_text *t, char **ret, struct drip_error *err)
{
	int rc;

	drip_text_put(t, "", 1);
	rc = drip_text_check(t, err);
	if (rc != 0) {
		drip_text_finish(t);
		return rc;
	}
	*ret = t->data;
	return 0;
}

int file_declared(const struct file_config *config, struct drip_schema **ret,
		  struct drip_error *err)
{
	struct drip_schema_builder b;

	*ret = NULL;
	if (config->columns.count == 0) {
		return 0;
	}
	drip_schema_builder_init(&b, "", "");
	for (size_t i = 0; i < config->columns.count; i++) {
		const struct drip_pair *pair = &config->columns.items[i];
		struct drip_column column = {.struct_size = sizeof(column)};
		int rc = drip_type_parse(pair->value != NULL ? pair->value : "", &column, err);

		if (rc == 0 && (*pair->key == '\0' || strchr(pair->key, '"') != NULL)) {
			rc = drip_error_set(err, -EINVAL, "file.bad_column",
					    "a column's name is empty or has a quote in it");
		}
		if (rc != 0) {
			drip_error_option(err, "columns.%s", pair->key);
			drip_schema_builder_finish(&b);
			return rc;
		}
		column.name = pair->key;
		column.flags = DRIP_COLUMN_NULLABLE;
		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, ret, err);
}

/* Options of read_csv that the configuration gives. */
static void put_csv_options(struct drip_text *t, const struct file_config *config)
{
	drip_text_puts(t, config->header ? ", header=true" : ", header=false");
	if (config->delimiter != NULL) {
		drip_text_puts(t, ", delim=");
		put_literal(t, config->delimiter);
	}
	if (config->null_text != NULL) {
		drip_text_puts(t, ", nullstr=");
		put_literal(t, config->null_text);
	}
	if (!config->header && config->columns.count != 0) {
		drip_text_puts(t, ", names=[");
		for (size_t i = 0; i < config->columns.count; i++) {
			drip_text_put(t, ", ", i > 0 ? 2 : 0);
			put_literal(t, config->columns.items[i].key);
		}
		drip_text_puts(t, "]");
	}
	drip_text_puts(t, config->hive ? ", hive_partitioning=true, hive_types_autocast=false"
				       : ", hive_partitioning=false");
}

static void put_hive(struct drip_text *t, const struct file_config *config)
{
	drip_text_puts(t, config->hive ? ", hive_partitioning=true, hive_types_autocast=false)"
				       : ", hive_partitioning=false)");
}

int file_sniff_text(const struct file_config *config, const char *path, char **ret,
		    struct drip_error *err)
{
	enum file_format format = file_format_of(config, path);
	struct drip_text t = {0};

	drip_text_puts(&t, format == FILE_CSV    ? "SELECT * FROM read_csv("
			   : format == FILE_JSON ? "SELECT * FROM read_json("
						 : "SELECT * FROM read_parquet(");
	put_literal(&t, path);
	if (format == FILE_CSV) {
		/* only forms that a cast can read */
		drip_text_puts(&t, ", ignore_errors=true, dateformat='%Y-%m-%d'");
		put_csv_options(&t, config);
		drip_text_puts(&t, ")");
	} else if (format == FILE_JSON) {
		drip_text_puts(&t, ", format='newline_delimited', ignore_errors=true");
		put_hive(&t, config);
	} else {
		put_hive(&t, config);
	}
	drip_text_puts(&t, " LIMIT 0");
	return finish(&t, ret, err);
}

/* One subquery that yields each column as text under its name, and `raw`: the row as the file has
 * it. */
static void put_json_rows(struct drip_text *t, const struct file_config *config, const char *path,
			  const struct drip_schema *schema)
{
	drip_text_puts(t, "SELECT ");
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(schema, i);
		char member[DRIP_NAME_MAX + 8];

		snprintf(member, sizeof(member), "$.\"%s\"", c->name);
		drip_text_puts(t, c->type == DRIP_TYPE_JSON
					  ? "CASE WHEN ok THEN json_extract(line, "
					  : "CASE WHEN ok THEN json_extract_string(line, ");
		put_literal(t, member);
		drip_text_puts(t, ") END AS ");
		put_name(t, c->name);
		drip_text_puts(t, ", ");
	}
	drip_text_puts(t, "line AS " FILE_RAW_COLUMN ", ok FROM (SELECT line, json_valid(line) AND "
			  "json_type(CASE WHEN json_valid(line) THEN line END) = 'OBJECT' AS ok "
			  "FROM read_csv(");
	put_literal(t, path);
	drip_text_puts(t, ", auto_detect=false, header=false, columns={'line': 'VARCHAR'}, "
			  "delim=e'\\x1f', quote='', escape='', hive_partitioning=false" CSV_MEMORY
			  ") WHERE line <> '')");
}

static void put_csv_rows(struct drip_text *t, const struct file_config *config, const char *path,
			 const struct drip_schema *schema)
{
	drip_text_puts(t, "SELECT *, to_json(struct_pack(");
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const char *name = drip_schema_column(schema, i)->name;

		drip_text_put(t, ", ", i > 0 ? 2 : 0);
		put_name(t, name);
		drip_text_puts(t, " := ");
		put_name(t, name);
	}
	drip_text_puts(t, "))::VARCHAR AS " FILE_RAW_COLUMN ", true AS ok FROM read_csv(");
	put_literal(t, path);
	drip_text_puts(t, ", all_varchar=true, store_rejects=true" CSV_MEMORY);
	put_csv_options(t, config);
	drip_text_puts(t, ")");
}

/* The typed columns over rows of text. */
static int put_casts(struct drip_text *t, const struct drip_sql_dialect *dialect,
		     const struct drip_schema *schema, struct drip_error *err)
{
	struct drip_text bad = {0};
	char type[128], number[32];
	int rc = 0;

	drip_text_puts(&bad, "CASE WHEN NOT ok THEN -1");
	for (uint32_t i = 0; rc == 0 && i < schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(schema, i);

		if (c->type == DRIP_TYPE_UTF8) {
			put_name(t, c->name);
			drip_text_puts(t, ", ");
			continue;
		}
		rc = dialect->type_name(c, type, sizeof(type));
		if (rc != 0) {
			rc = drip_error_set(err, rc, "file.bad_column",
					    "column '%s' has a type that files cannot hold",
					    c->name);
			break;
		}
		drip_text_puts(t, "TRY_CAST(");
		put_name(t, c->name);
		drip_text_puts(t, " AS ");
		drip_text_puts(t, type);
		drip_text_puts(t, ") AS ");
		put_name(t, c->name);
		drip_text_puts(t, ", ");
		drip_text_puts(&bad, " WHEN r.");
		put_name(&bad, c->name);
		drip_text_puts(&bad, " IS NOT NULL AND TRY_CAST(r.");
		put_name(&bad, c->name);
		drip_text_puts(&bad, " AS ");
		drip_text_puts(&bad, type);
		snprintf(number, sizeof(number), ") IS NULL THEN %u", i);
		drip_text_puts(&bad, number);
	}
	drip_text_puts(&bad, " END::INTEGER AS " FILE_BAD_COLUMN);
	drip_text_put(t, bad.data, bad.size);
	t->rc = t->rc != 0 ? t->rc : bad.rc;
	drip_text_finish(&bad);
	return rc;
}

static int put_parquet(struct drip_text *t, const struct file_config *config,
		       const struct drip_sql_dialect *dialect, const char *path,
		       const struct drip_schema *schema, struct drip_error *err)
{
	int rc;

	drip_text_puts(t, "SELECT ");
	rc = put_casts(t, dialect, schema, err);
	drip_text_puts(t, ", NULL::VARCHAR AS " FILE_RAW_COLUMN
			  " FROM (SELECT *, true AS ok FROM read_parquet(");
	put_literal(t, path);
	put_hive(t, config);
	drip_text_puts(t, ") r");
	return rc;
}

int file_read_text(const struct file_config *config, const struct drip_sql_dialect *dialect,
		   const char *path, const struct drip_schema *schema, char **ret,
		   struct drip_error *err)
{
	enum file_format format = file_format_of(config, path);
	struct drip_text t = {0};
	int rc;

	if (format == FILE_PARQUET) {
		rc = put_parquet(&t, config, dialect, path, schema, err);
	} else {
		drip_text_puts(&t,
			       "SELECT * EXCLUDE (" FILE_RAW_COLUMN "), CASE WHEN " FILE_BAD_COLUMN
			       " IS NOT NULL THEN " FILE_RAW_COLUMN " END AS " FILE_RAW_COLUMN
			       " FROM (SELECT ");
		rc = put_casts(&t, dialect, schema, err);
		drip_text_puts(&t, ", " FILE_RAW_COLUMN " FROM (");
		if (format == FILE_JSON) {
			put_json_rows(&t, config, path, schema);
		} else {
			put_csv_rows(&t, config, path, schema);
		}
		drip_text_puts(&t, ") r)");
	}
	if (rc != 0) {
		drip_text_finish(&t);
		return rc;
	}
	return finish(&t, ret, err);
}

int file_schema(const struct file_config *config, const struct drip_schema *columns,
		struct drip_schema **ret, struct drip_error *err)
{
	enum drip_class lowest = DRIP_CLASS_PUBLIC;
	struct drip_schema_builder b;
	int rc = 0;

	drip_schema_builder_from(&b, columns);
	drip_schema_builder_set_table(&b, config->database, config->name);
	if (drip_class_parse(config->classification, &lowest) != 0) {
		rc = drip_error_set(err, -EINVAL, "file.bad_class", "no such class: '%s'",
				    config->classification);
		drip_error_option(err, "class");
	}
	for (uint32_t i = 0; rc == 0 && i < b.count; i++) {
		b.columns[i].flags = DRIP_COLUMN_NULLABLE;
		if (b.columns[i].classification < lowest) {
			b.columns[i].classification = lowest;
		}
	}
	for (size_t i = 0; rc == 0 && b.rc == 0 && i < config->keys.count; i++) {
		int index = drip_schema_find(columns, config->keys.items[i]);

		if (index < 0) {
			rc = drip_error_set(err, -EINVAL, "file.no_column",
					    "the file has no column '%s'", config->keys.items[i]);
			drip_error_option(err, "keys[%zu]", i);
		} else {
			b.columns[index].flags = DRIP_COLUMN_KEY;
		}
	}
	if (rc != 0) {
		drip_schema_builder_finish(&b);
		return rc;
	}
	return drip_schema_builder_build(&b, ret, err);
}
