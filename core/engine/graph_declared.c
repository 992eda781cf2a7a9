/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sink will write against what the catalog declares of the table: each column with its type,
 * none of a higher class. Tables that are not declared are nobody's business here.
 */
#include "engine/graph_private.h"

#include <stdio.h>
#include <string.h>

static void report(struct graph *g, const struct drip_node *node, const char *code,
		   const char *hint, const char *fmt, ...) DRIP_PRINTF(5, 6);

static void report(struct graph *g, const struct drip_node *node, const char *code,
		   const char *hint, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place, code, hint, "%s", text);
}

static void check_column(struct graph *g, const struct drip_node *node,
			 const struct drip_catalog_table *table, const struct drip_column *column)
{
	int index = drip_schema_find(table->schema, column->name);
	const struct drip_column *declared;
	char has[64], wants[64];

	if (index < 0) {
		report(g, node, "catalog.undeclared_column",
		       "Declare it, or leave it out before the sink.",
		       "column %s would be written to %s, which does not declare it", column->name,
		       table->name);
		return;
	}
	declared = drip_schema_column(table->schema, (uint32_t)index);
	drip_type_name(column, has, sizeof(has));
	drip_type_name(declared, wants, sizeof(wants));
	if (strcmp(has, wants) != 0) {
		report(g, node, "catalog.output_type", "Cast it, or change the declaration.",
		       "column %s is %s, and %s declares %s", column->name, has, table->name,
		       wants);
	}
	if (column->classification > declared->classification) {
		report(g, node, "catalog.class_lowered",
		       "Mask it before the sink, or declare it with its class.",
		       "column %s is %s, and %s declares it %s", column->name,
		       drip_class_name(column->classification), table->name,
		       drip_class_name(declared->classification));
	}
}

void graph_check_declared(struct graph *g, const struct drip_node *node, const char *dataset,
			  const struct drip_schema *output)
{
	const char *dot = strchr(dataset, '.');
	const struct drip_catalog_table *table;
	char schema[DRIP_NAME_MAX];

	if (dot == NULL) {
		return;
	}
	snprintf(schema, sizeof(schema), "%.*s", (int)(dot - dataset), dataset);
	table = drip_catalog_find(&g->document->catalog, schema, dot + 1);
	for (uint32_t i = 0; table != NULL && i < output->columns_count; i++) {
		check_column(g, node, table, drip_schema_column(output, i));
	}
}
