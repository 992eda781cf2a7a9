/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the query guard. Nothing here but guard.c links DuckDB. */
#ifndef DRIPLINE_DUCKDB_GUARD_H
#define DRIPLINE_DUCKDB_GUARD_H

#include <dripline/dripline.h>
#include <dripline/guard.h>

#define GUARD_DEPTH_MAX 100  /* nested nodes of a query's tree */
#define GUARD_CTES_MAX  1000 /* WITH entries of a query */

enum guard_word {
	GUARD_FUNCTION = 1,
	GUARD_TABLE_FUNCTION,
	GUARD_TYPE,      /* built in, as the tree names it: "DECIMAL" */
	GUARD_TYPE_NAME, /* that is looked up by name: "json" */
	GUARD_KEY,       /* of an object of the tree */
	GUARD_CLASS,     /* of an expression */
	GUARD_NODE,      /* any other object */
};

/* guard_names.c: whether the word is in the list. Thread: any. */
bool guard_knows(enum guard_word kind, const char *name);

/* What a query may read: "schema.table" in lower case, sorted by strcmp. */
struct guard_tables {
	const char *const *names;
	size_t count;
};

/*
 * guard_ast.c: walks the tree that DuckDB's json_serialize_sql (with skip_default) made of a query,
 * and refuses with -EACCES what is not in the lists. Thread: any.
 */
int guard_tree(const char *tree, size_t size, const struct guard_tables *tables,
	       struct drip_error *err) DRIP_MUST_CHECK;

#endif
