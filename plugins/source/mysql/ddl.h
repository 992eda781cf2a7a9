/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DDL out of the log. Statements that can change a table are read with the tokenizer and applied to
 * the descriptions in a catalog; what is not understood is read again from the server. No SQL
 * parser: statements that cannot change columns are stepped over whatever they say.
 */
#ifndef DRIPLINE_MYSQL_DDL_H
#define DRIPLINE_MYSQL_DDL_H

#include "catalog.h"

enum drip_my_ddl {
	DRIP_MY_DDL_NONE = 0,
	DRIP_MY_DDL_SET,      /* the table is now as in the catalog: created or altered */
	DRIP_MY_DDL_UNKNOWN,  /* it changed in a way that was not understood: read it again */
	DRIP_MY_DDL_ALTERED,  /* the same by ALTER TABLE, which keeps rows */
	DRIP_MY_DDL_DROP,     /* it is gone */
	DRIP_MY_DDL_TRUNCATE, /* all its rows are gone */
	DRIP_MY_DDL_RENAME,   /* it is now called `to` */
	DRIP_MY_DDL_GONE,     /* the statement has renamed it, and left none of its name */
};

struct drip_my_ddl_event {
	enum drip_my_ddl kind;
	const char *database, *table;
	const char *to_database, *to_table; /* RENAME, GONE */
};

struct drip_my_ddl_statement {
	const char *sql; /* (borrowed) UTF-8 */
	size_t size;
	const char *database; /* the current one, "" where there is none */
	const char *charset;  /* default of new tables */
	bool ansi_quotes, no_backslash;
	bool strict;                /* the server refuses values that do not fit */
	struct drip_my_place since; /* from which on it holds */
};

typedef int (*drip_my_ddl_hook)(void *user, const struct drip_my_ddl_event *event,
				struct drip_error *err);

/* Applies one statement to the catalog; `hook` is called for each table that it changes, after the
 * catalog was. -EINVAL never: what cannot be read is UNKNOWN or nothing. */
int drip_my_ddl_apply(struct drip_my_catalog *c, const struct drip_my_ddl_statement *s,
		      drip_my_ddl_hook hook, void *user, struct drip_error *err) DRIP_MUST_CHECK;
/* Applies a script of statements that end with semicolons, such as a dump without data. */
int drip_my_ddl_script(struct drip_my_catalog *c, const char *sql, size_t size,
		       struct drip_error *err) DRIP_MUST_CHECK;

#endif
