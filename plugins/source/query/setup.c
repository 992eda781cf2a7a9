/* SPDX-License-Identifier: Apache-2.0 */
/* Statements and schemas of the source `query`. */
#include "query.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_name(struct drip_text *t, const struct drip_sql_dialect *dialect, const char *name)
{
	char quoted[2 * DRIP_NAME_MAX + 4];
	int size = drip_sql_quote(dialect, name, quoted, sizeof(quoted));

	if (size < 0 || size >= (int)sizeof(quoted)) {
		t->rc = t->rc != 0 ? t->rc : -EOVERFLOW;
	} else {
		drip_text_put(t, quoted, (size_t)size);
	}
}

/* A table as it stands in the option: "database.table" or "table". */
static void put_table(struct drip_text *t, const struct drip_sql_dialect *dialect, const char *name)
{
	const char *dot = strchr(name, '.');
	char first[DRIP_NAME_MAX];

	if (dot != NULL) {
		snprintf(first, sizeof(first), "%.*s", (int)(dot - name), name);
		put_name(t, dialect, first);
		drip_text_puts(t, ".");
		name = dot + 1;
	}
	put_name(t, dialect, name);
}

static void put_condition(struct drip_text *t, const struct query_config *config,
			  const struct drip_sql_dialect *dialect, enum query_part part)
{
	if (part == QUERY_NOTHING) {
		drip_text_puts(t, " WHERE 1 = 0");
		return;
	}
	if (config->watermark == NULL) {
		return;
	}
	drip_text_puts(t, " WHERE q.");
	put_name(t, dialect, config->watermark);
	drip_text_puts(t, part == QUERY_SINCE       ? " >= ?"
			  : part == QUERY_EDGE_ROWS ? " = ?"
						    : " IS NOT NULL");
	drip_text_puts(t, " ORDER BY q.");
	put_name(t, dialect, config->watermark);
	for (size_t i = 0; i < config->keys.count; i++) {
		drip_text_puts(t, ", q.");
		put_name(t, dialect, config->keys.items[i]);
	}
}

int query_text(const struct query_config *config, const struct drip_sql_dialect *dialect,
	       enum query_part part, char **ret, struct drip_error *err)
{
	struct drip_text t = {0};
	int rc;

	drip_text_puts(&t, "SELECT * FROM ");
	if (config->table != NULL) {
		put_table(&t, dialect, config->table);
		drip_text_puts(&t, " q");
	} else {
		size_t size = strlen(config->sql);

		while (size > 0 && strchr("; \t\r\n", config->sql[size - 1]) != NULL) {
			size--;
		}
		/* a comment at its end cannot reach beyond its line */
		drip_text_puts(&t, "(\n");
		drip_text_put(&t, config->sql, size);
		drip_text_puts(&t, "\n) q");
	}
	put_condition(&t, config, dialect, part);
	drip_text_put(&t, "", 1);
	rc = drip_text_check(&t, err);
	if (rc != 0) {
		drip_text_finish(&t);
		return rc;
	}
	*ret = t.data;
	return 0;
}

bool query_is_watermark(enum drip_type type)
{
	return (type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_UINT64) || type == DRIP_TYPE_DATE ||
	       type == DRIP_TYPE_TIMESTAMP || type == DRIP_TYPE_TIMESTAMP_UTC;
}

int64_t query_watermark(const struct drip_batch *batch, uint32_t column, int64_t row)
{
	struct drip_value v;

	drip_value_get(batch, column, row, &v);
	return v.type >= DRIP_TYPE_UINT8 && v.type <= DRIP_TYPE_UINT64 ? (int64_t)v.u : v.i;
}

static int no_column(struct drip_error *err, const char *name, const char *option, size_t index)
{
	int rc = drip_error_set(err, -EINVAL, "query.no_column", "the query yields no column '%s'",
				name);

	if (index == SIZE_MAX) {
		drip_error_option(err, "%s", option);
	} else {
		drip_error_option(err, "%s[%zu]", option, index);
	}
	return rc;
}

/* Keys from the options; without, those of the table in the database. */
static int mark_keys(const struct query_config *config, const struct drip_schema *table,
		     struct drip_schema_builder *b, const struct drip_schema *yielded,
		     struct drip_error *err)
{
	for (size_t i = 0; i < config->keys.count; i++) {
		int index = drip_schema_find(yielded, config->keys.items[i]);

		if (index < 0) {
			return no_column(err, config->keys.items[i], "keys", i);
		}
		b->columns[index].flags |= DRIP_COLUMN_KEY;
	}
	for (uint32_t i = 0; config->keys.count == 0 && table != NULL && i < table->columns_count;
	     i++) {
		const struct drip_column *column = drip_schema_column(table, i);
		int index = drip_schema_find(yielded, column->name);

		if (index >= 0 && (column->flags & DRIP_COLUMN_KEY)) {
			b->columns[index].flags |= DRIP_COLUMN_KEY;
		}
	}
	return 0;
}

struct drip_schema *query_table(const struct query_config *config, const struct drip_sql *sql,
				void *session)
{
	const char *dot = config->table != NULL ? strchr(config->table, '.') : NULL;
	struct drip_schema *table = NULL;
	char schema[DRIP_NAME_MAX];

	if (config->table == NULL || sql->table_schema == NULL) {
		return NULL;
	}
	if (dot != NULL) {
		snprintf(schema, sizeof(schema), "%.*s", (int)(dot - config->table), config->table);
	}
	if (sql->table_schema(session, dot != NULL ? schema : NULL,
			      dot != NULL ? dot + 1 : config->table, &table, NULL) != 0) {
		return NULL;
	}
	return table;
}

/* The option `class` raises all; one column is lowered by its name only. */
static int mark_classes(const struct query_config *config, struct drip_schema_builder *b,
			const struct drip_schema *yielded, const enum drip_class *classes,
			struct drip_error *err)
{
	for (uint32_t i = 0; i < b->count; i++) {
		enum drip_class *class = &b->columns[i].classification;

		*class = classes[i] > *class ? classes[i] : *class;
		if ((int)*class < (int)config->class.value) {
			*class = (enum drip_class)config->class.value;
		}
	}
	for (size_t i = 0; i < config->declassify.count; i++) {
		const struct query_declassified *d =
			(const struct query_declassified *)config->declassify.items + i;
		int index = drip_schema_find(yielded, d->column);

		if (index < 0) {
			int rc = no_column(err, d->column, "declassify", SIZE_MAX);

			drip_error_option(err, "declassify[%zu].column", i);
			return rc;
		}
		if ((int)d->class.value < (int)b->columns[index].classification) {
			b->columns[index].classification = (enum drip_class)d->class.value;
		}
	}
	return 0;
}

int query_schema(const struct query_config *config, const struct drip_schema *table,
		 const struct drip_schema *yielded, const enum drip_class *classes,
		 struct drip_schema **ret, struct drip_error *err)
{
	const char *dot = config->table != NULL ? strrchr(config->table, '.') : NULL;
	const char *name = config->name;
	struct drip_schema_builder b;
	int rc = 0;

	if (name == NULL) {
		name = dot != NULL ? dot + 1 : config->table != NULL ? config->table : "query";
	}
	drip_schema_builder_from(&b, yielded);
	drip_schema_builder_set_table(&b, config->database, name);
	if (b.rc == 0) {
		rc = mark_keys(config, table, &b, yielded, err);
	}
	if (rc == 0) {
		rc = mark_classes(config, &b, yielded, classes, err);
	}
	if (rc == 0 && config->watermark != NULL) {
		int index = drip_schema_find(yielded, config->watermark);

		if (index < 0) {
			rc = no_column(err, config->watermark, "watermark", SIZE_MAX);
		} else if (!query_is_watermark(
				   drip_schema_column(yielded, (uint32_t)index)->type)) {
			rc = drip_error_set(err, -EINVAL, "query.bad_watermark",
					    "column '%s' cannot be a watermark: it is not an "
					    "integer, date or timestamp",
					    config->watermark);
			drip_error_option(err, "watermark");
		}
	}
	if (rc != 0) {
		drip_schema_builder_finish(&b);
		return rc;
	}
	return drip_schema_builder_build(&b, ret, err);
}

int query_bind(const struct drip_column *column, int64_t watermark, struct drip_batch **ret,
	       struct drip_error *err)
{
	struct drip_schema_builder sb;
	struct drip_schema *schema;
	struct drip_builder b;
	int rc;

	drip_schema_builder_init(&sb, "", "bind");
	drip_schema_builder_add(&sb, column);
	rc = drip_schema_builder_build(&sb, &schema, err);
	if (rc != 0) {
		return rc;
	}
	rc = drip_builder_init(&b, schema, err);
	drip_schema_unref(schema);
	if (rc != 0) {
		return rc;
	}
	/* little endian: the low bytes are the value in each width */
	drip_append_fixed(&b.columns[0], &watermark);
	drip_builder_row(&b, DRIP_OP_READ);
	rc = drip_builder_build(&b, ret, err);
	drip_builder_finish(&b);
	return rc;
}
