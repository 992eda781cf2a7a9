/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables that a source knows, each with the descriptions that it had and the log position from
 * which each held. Read from information_schema, from CREATE TABLE statements, or from the state of
 * an earlier run; changed by DDL. Not shared between threads.
 */
#ifndef DRIPLINE_MYSQL_CATALOG_H
#define DRIPLINE_MYSQL_CATALOG_H

#include "client.h"
#include "types.h"

#define DRIP_MY_TABLES_MAX   20000 /* tables in a catalog */
#define DRIP_MY_VERSIONS_MAX 64    /* descriptions kept of one table */

/* A place in the log of one server. */
struct drip_my_place {
	uint64_t file; /* number of the file: 4 of "mysql-bin.000004" */
	uint64_t offset;
};

static inline int drip_my_place_compare(const struct drip_my_place *a,
					const struct drip_my_place *b)
{
	if (a->file != b->file) {
		return a->file < b->file ? -1 : 1;
	}
	return a->offset < b->offset ? -1 : a->offset > b->offset;
}

struct drip_my_version {
	struct drip_my_place since;
	struct drip_my_table *table; /* owned; NULL: dropped here */
};

struct drip_my_entry {
	char *database, *name;
	struct drip_my_version *versions; /* ascending; the last one holds now */
	uint32_t count;
	struct drip_my_entry *next; /* in its bucket */
};

struct drip_my_catalog {
	struct drip_my_entry *buckets[4096];
	size_t count;
	/* Patterns "database.table" with * and ?. NULL and 0: none. (borrowed) */
	struct drip_strings include, exclude;
	const char *const *wanted; /* of later stages, NULL: all */
	size_t wanted_count;
	const char *default_database; /* of patterns without a dot, may be NULL */
	bool changed;                 /* since it was last stored */
};

void drip_my_catalog_finish(struct drip_my_catalog *c);
/* Does the source read this table? */
bool drip_my_catalog_wants(const struct drip_my_catalog *c, const char *database,
			   const char *table);
/* (borrowed) the description that holds now, or NULL. */
const struct drip_my_table *drip_my_catalog_find(const struct drip_my_catalog *c,
						 const char *database, const char *table);
/* (borrowed) the description before that one, or NULL. */
const struct drip_my_table *drip_my_catalog_before(const struct drip_my_catalog *c,
						   const char *database, const char *table);
/*
 * From `since` on the table is *table (takes, also on failure; NULL: dropped). Its version number
 * becomes one more than that of the description before.
 */
int drip_my_catalog_set(struct drip_my_catalog *c, const char *database, const char *name,
			struct drip_my_table *table, struct drip_my_place since,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Forgets what came after `at`. */
void drip_my_catalog_rewind(struct drip_my_catalog *c, struct drip_my_place at);
/* Forgets descriptions that nobody can come back to: those replaced at or before `at`. */
void drip_my_catalog_prune(struct drip_my_catalog *c, struct drip_my_place at);
/* Reads the tables that are wanted and not known yet, or one table again where `table` is given. */
int drip_my_catalog_load(struct drip_my_catalog *c, MYSQL *m, const char *database,
			 const char *table, struct drip_my_place since,
			 struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the description of one table, or *ret NULL where there is none. */
int drip_my_table_read(MYSQL *m, const char *database, const char *table,
		       struct drip_my_table **ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Calls `each` for what is known now and wanted, in order of database and name. */
int drip_my_catalog_each(struct drip_my_catalog *c,
			 int (*each)(void *user, const struct drip_my_table *t,
				     struct drip_error *err),
			 void *user, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) all of it as bytes, and back. */
int drip_my_catalog_save(const struct drip_my_catalog *c, void **ret, size_t *ret_size,
			 struct drip_error *err) DRIP_MUST_CHECK;
int drip_my_catalog_restore(struct drip_my_catalog *c, const void *data, size_t size,
			    struct drip_error *err) DRIP_MUST_CHECK;

bool drip_my_glob(const char *pattern, const char *text);

#endif
