/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog: tables of the warehouse that YAML declares under `tables:`, with types, keys,
 * classes, kinds of personal data, descriptions and references. DDL, reference pages, masks and
 * checks are made from it and from nothing else. Part of a document: immutable, and gone with it.
 * Thread: any.
 */
#ifndef DRIPLINE_ENGINE_CATALOG_H
#define DRIPLINE_ENGINE_CATALOG_H

#include "base/findings.h"
#include <dripline/schema.h>

#define DRIP_CATALOG_TABLES_MAX 10000

struct drip_catalog_table;

/* Beside a column of the table's schema. */
struct drip_catalog_column {
	const char *description; /* "" where there is none */
	const char *pii; /* kind of personal data: "phone", "email" ...; NULL: none is in it */
	/* The column whose values these are, as a foreign key; NULL and 0: none. */
	const struct drip_catalog_table *references;
	uint32_t references_column;
};

struct drip_catalog_table {
	/* database: the SQL schema, "dw"; table: the name; columns with type, key and class. */
	const struct drip_schema *schema;
	const struct drip_catalog_column *columns; /* schema->columns_count of them */
	const char *name;                          /* "dw.fact_orders" */
	const char *description, *grain;           /* "" where not given */
	const char *const *sort;                   /* columns that rows are mostly sought by */
	size_t sort_count;
	const char *distribute; /* a column, "all" or "even"; NULL: as the warehouse likes */
	struct drip_place place;
};

struct drip_catalog {
	const struct drip_catalog_table *tables; /* sorted by name */
	size_t tables_count;
};

/* A table by schema and name, ASCII case ignored, or NULL. */
const struct drip_catalog_table *drip_catalog_find(const struct drip_catalog *catalog,
						   const char *schema, const char *table);

#endif
