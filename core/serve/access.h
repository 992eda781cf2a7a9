/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What services need to let people in: the roles with what each may see, and the keys. The control
 * method `access` gives both, or only a number where nothing has changed since; services ask
 * a few times a second, so a revoked key is refused within one. Thread: any.
 */
#ifndef DRIPLINE_SERVE_ACCESS_H
#define DRIPLINE_SERVE_ACCESS_H

#include "base/json.h"
#include "engine/graph.h"

struct drip_access;

struct drip_access *drip_access_create(void); /* NULL: no memory */
void drip_access_destroy(struct drip_access *access);
/* Takes the roles, views and catalog of a document, which is not kept. */
int drip_access_set_policy(struct drip_access *access, const struct drip_document *document,
			   struct drip_error *err) DRIP_MUST_CHECK;

/* [{"name", "description", "grain", "columns": [{"name", "type", "key", "nullable", "class", "pii",
 * "description", "references": {"table", "column"}}]}]; what is not given is left out. */
void drip_catalog_render(const struct drip_catalog *catalog, struct drip_json *json);

#endif
