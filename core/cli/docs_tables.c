/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog as Markdown: docs/reference/warehouse.md. */
#include "cli/docs_tables.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* A Markdown table ends a cell at each |. */
static void put_cell(struct drip_str *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|') {
			drip_str_append_char(out, '\\');
		}
		drip_str_append_char(out, *text);
	}
}

static void put_column(const struct drip_catalog_table *table, uint32_t index, struct drip_str *out)
{
	const struct drip_column *column = drip_schema_column(table->schema, index);
	const struct drip_catalog_column *more = &table->columns[index];
	char type[64];

	drip_type_name(column, type, sizeof(type));
	drip_str_appendf(out, "| `%s` | %s%s%s | %s%s%s | ", column->name, type,
			 (column->flags & DRIP_COLUMN_KEY) != 0 ? ", key" : "",
			 (column->flags & DRIP_COLUMN_NULLABLE) != 0 ? ", nullable" : "",
			 drip_class_name(column->classification), more->pii != NULL ? ", " : "",
			 more->pii != NULL ? more->pii : "");
	put_cell(out, more->description);
	if (more->references != NULL) {
		const struct drip_schema *to = more->references->schema;

		drip_str_appendf(out, "%s-> `%s.%s`", more->description[0] != '\0' ? " " : "",
				 to->table, drip_schema_column(to, more->references_column)->name);
	}
	drip_str_append(out, " |\n");
}

void drip_catalog_markdown(const struct drip_catalog *catalog, struct drip_str *out)
{
	for (size_t i = 0; i < catalog->tables_count; i++) {
		const struct drip_catalog_table *table = &catalog->tables[i];

		drip_str_appendf(out, "\n## %s\n\n", table->name);
		if (table->description[0] != '\0') {
			drip_str_appendf(out, "%s\n\n", table->description);
		}
		if (table->grain[0] != '\0') {
			drip_str_appendf(out, "%s.\n\n", table->grain);
		}
		drip_str_append(out, "| column | type | class | what it is |\n|---|---|---|---|\n");
		for (uint32_t c = 0; c < table->schema->columns_count; c++) {
			put_column(table, c, out);
		}
	}
}
