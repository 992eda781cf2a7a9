/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy: what each role of the section `roles:` may see of the catalog, and which routes of
 * the API it may call. What is not granted is denied: a table that no grant names, a column above
 * the grant's classes, a column that the catalog does not declare. Part of a document: immutable,
 * and gone with it. Thread: any.
 */
#ifndef DRIPLINE_ENGINE_POLICY_H
#define DRIPLINE_ENGINE_POLICY_H

#include "engine/catalog.h"
#include <dripline/text.h>

#define DRIP_POLICY_ROLES_MAX 64

struct drip_policy_grant {
	const char *const *tables; /* patterns of "schema.table" */
	size_t tables_count;
	int clearance;      /* enum drip_class: columns up to it are shown as they are */
	int masked;         /* up to it they are shown masked; -1: none */
	const char *filter; /* SQL condition that rows must meet, or NULL */
};

struct drip_policy_role {
	const char *name;                       /* a-z, 0-9 and _ */
	const char *description;                /* "" where not given */
	const struct drip_policy_grant *grants; /* the first that names a table counts */
	size_t grants_count;
	const char *const *named; /* keys of people who see what the others see masked */
	size_t named_count;
	const char *const *routes; /* "query", "dashboard", "churn", "fraud" */
	size_t routes_count;
	struct drip_place place;
};

struct drip_policy {
	const struct drip_policy_role *roles; /* in file order */
	size_t roles_count;
};

enum drip_policy_shown { DRIP_POLICY_HIDDEN = 0, DRIP_POLICY_MASKED, DRIP_POLICY_SHOWN };

/* NULL where there is none of that name. */
const struct drip_policy_role *drip_policy_role(const struct drip_policy *policy, const char *name);
/* The grant that decides about a table; NULL: the role does not see it. */
const struct drip_policy_grant *drip_policy_grant(const struct drip_policy_role *role,
						  const struct drip_catalog_table *table);
enum drip_policy_shown drip_policy_column(const struct drip_policy_grant *grant,
					  const struct drip_catalog_table *table, uint32_t column,
					  bool named);
/* Appends the SQL that masks the value `value` (an expression that is written twice or more) of a
 * column: for DuckDB and Redshift alike. */
void drip_policy_put_mask(struct drip_text *t, const struct drip_catalog_table *table,
			  uint32_t column, const char *value);
/* Appends what stands between SELECT and FROM in the role's view of a table. False: nothing of it
 * is seen. */
bool drip_policy_put_columns(struct drip_text *t, const struct drip_policy_grant *grant,
			     const struct drip_catalog_table *table, bool named);

#endif
