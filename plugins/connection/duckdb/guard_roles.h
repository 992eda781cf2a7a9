/* SPDX-License-Identifier: Apache-2.0 */
/* The roles of a guard: what each may read, and the catalog in which its queries run. */
#ifndef DRIPLINE_DUCKDB_GUARD_ROLES_H
#define DRIPLINE_DUCKDB_GUARD_ROLES_H

#include "guard.h"
#include "private.h"

struct guard_roles;

/* Thread: any, for all but create and destroy. */
struct guard_roles *guard_roles_create(void); /* NULL: no memory */
void guard_roles_destroy(struct guard_roles *roles);
int guard_roles_define(struct guard_roles *roles, struct drip_duck *duck, const char *role,
		       const struct drip_guard_view *views, size_t count,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* guard_tree with the role's tables; guard.unknown_role. */
int guard_roles_check(struct guard_roles *roles, const char *role, const char *tree, size_t size,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* Makes the role's catalog the session's, and in it the views that are missing. */
int guard_roles_enter(struct guard_roles *roles, struct drip_duck_session *s, const char *role,
		      struct drip_error *err) DRIP_MUST_CHECK;

#endif
