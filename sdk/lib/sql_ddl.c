/* SPDX-License-Identifier: Apache-2.0 */
/* CREATE TABLE for a schema, in a dialect. Pure; thread: any. */
#include <dripline/sql.h>
#include <dripline/text.h>

#include <errno.h>
#include <stdio.h>

static void put_name(struct drip_text *t, const struct drip_sql_dialect *dialect, const char *name)
{
	char quoted[2 * DRIP_NAME_MAX + 4];

	if (drip_sql_quote(dialect, name, quoted, sizeof(quoted)) >= (int)sizeof(quoted)) {
		t->rc = t->rc != 0 ? t->rc : -EOVERFLOW;
		return;
	}
	drip_text_puts(t, quoted);
}

static int put_column(struct drip_text *t, const struct drip_sql_dialect *dialect,
		      const struct drip_column *column, struct drip_error *err)
{
	char type[64];

	if (dialect->type_name(column, type, sizeof(type)) != 0) {
		drip_type_name(column, type, sizeof(type));
		return drip_error_set(err, -ENOTSUP, "sql.no_type",
				      "%s has no type for column %s (%s)", dialect->name,
				      column->name, type);
	}
	put_name(t, dialect, column->name);
	drip_text_puts(t, " ");
	drip_text_puts(t, type);
	if ((column->flags & DRIP_COLUMN_NULLABLE) == 0) {
		drip_text_puts(t, " NOT NULL");
	}
	return 0;
}

int drip_sql_put_create(struct drip_text *t, const struct drip_sql_dialect *dialect,
			const struct drip_schema *schema, bool if_not_exists,
			struct drip_error *err)
{
	int rc = 0;

	drip_text_puts(t, if_not_exists ? "CREATE TABLE IF NOT EXISTS " : "CREATE TABLE ");
	if (schema->database[0] != '\0') {
		put_name(t, dialect, schema->database);
		drip_text_puts(t, ".");
	}
	put_name(t, dialect, schema->table);
	drip_text_puts(t, " (");
	for (uint32_t i = 0; i < schema->columns_count && rc == 0; i++) {
		drip_text_puts(t, i == 0 ? "\n  " : ",\n  ");
		rc = put_column(t, dialect, drip_schema_column(schema, i), err);
	}
	drip_text_puts(t, "\n)");
	return rc < 0 ? rc : drip_text_check(t, err);
}
