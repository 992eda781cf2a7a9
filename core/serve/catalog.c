/* SPDX-License-Identifier: Apache-2.0 */
/* The catalog as JSON, for people and services: tables with their columns, keys, classes, kinds of
 * personal data and references. */
#include "serve/access.h"

#include "base/json.h"

#include <stdio.h>

static void put_text(struct drip_json *j, const char *key, const char *text)
{
	if (text != NULL && text[0] != '\0') {
		drip_json_put_string(j, key, text);
	}
}

static void put_column(struct drip_json *j, const struct drip_catalog_table *table, uint32_t index)
{
	const struct drip_column *column = &table->schema->columns[index];
	const struct drip_catalog_column *more = &table->columns[index];
	char type[128];

	drip_type_name(column, type, sizeof(type));
	drip_json_begin_object(j);
	drip_json_put_string(j, "name", column->name);
	drip_json_put_string(j, "type", type);
	drip_json_put_bool(j, "key", (column->flags & DRIP_COLUMN_KEY) != 0);
	drip_json_put_bool(j, "nullable", (column->flags & DRIP_COLUMN_NULLABLE) != 0);
	drip_json_put_string(j, "class", drip_class_name(column->classification));
	put_text(j, "pii", more->pii);
	put_text(j, "description", more->description);
	if (more->references != NULL) {
		drip_json_key(j, "references");
		drip_json_begin_object(j);
		drip_json_put_string(j, "table", more->references->name);
		drip_json_put_string(
			j, "column",
			more->references->schema->columns[more->references_column].name);
		drip_json_end_object(j);
	}
	drip_json_end_object(j);
}

void drip_catalog_render(const struct drip_catalog *catalog, struct drip_json *json)
{
	drip_json_begin_array(json);
	for (size_t i = 0; i < catalog->tables_count; i++) {
		const struct drip_catalog_table *table = &catalog->tables[i];

		drip_json_begin_object(json);
		drip_json_put_string(json, "name", table->name);
		put_text(json, "description", table->description);
		put_text(json, "grain", table->grain);
		drip_json_key(json, "columns");
		drip_json_begin_array(json);
		for (uint32_t k = 0; k < table->schema->columns_count; k++) {
			put_column(json, table, k);
		}
		drip_json_end_array(json);
		drip_json_end_object(json);
	}
	drip_json_end_array(json);
}
