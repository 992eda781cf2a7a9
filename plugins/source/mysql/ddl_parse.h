/* SPDX-License-Identifier: Apache-2.0 */
/* Column definitions and ALTER clauses on one table description: between ddl.c and ddl_alter.c. */
#ifndef DRIPLINE_MYSQL_DDL_PARSE_H
#define DRIPLINE_MYSQL_DDL_PARSE_H

#include "types.h"

/* All return 0, -EINVAL where the text is not understood, or -ENOMEM. */

/* NAME TYPE ATTRIBUTES at the lexer into `t` at `index`; stops at a comma, FIRST, AFTER or the end.
 */
int drip_my_ddl_column(struct drip_my_lex *l, struct drip_my_table *t, uint32_t index);
/* ddl_default.c: what rows have that are older than the column: the DEFAULT at the lexer, which is
 * stepped over; or MySQL's value for NOT NULL without a default. Without memory: unfilled. */
void drip_my_ddl_default(struct drip_my_lex *l, struct drip_my_column *c);
void drip_my_ddl_implicit_default(struct drip_my_column *c);
/* The parenthesis of CREATE TABLE, its opening read, and the table options behind it. */
int drip_my_ddl_create_body(struct drip_my_lex *l, struct drip_my_table *t);
/* All clauses of an ALTER TABLE. *ret_rename: (gives) malloc'd new database (or NULL) and name. */
int drip_my_ddl_alter_clauses(struct drip_my_lex *l, struct drip_my_table *t, char *ret_rename[2]);
/* [database .] name: both malloc'd (gives), database NULL where not given. */
int drip_my_ddl_name(struct drip_my_lex *l, char *ret[2]);

/* Do all values of `a` stay as they are where it becomes `b`? */
bool drip_my_ddl_keeps(const struct drip_my_column *a, const struct drip_my_column *b, bool strict);
/* Sets lost_values and lost_rows of `t`, which a statement made of `before`, where it changed
 * values in a way that the log does not say. */
void drip_my_ddl_compare(const struct drip_my_table *before, struct drip_my_table *t, bool strict);

#endif
