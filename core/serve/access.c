/* SPDX-License-Identifier: Apache-2.0 */
/* The control methods on access: `access`, `audit.append`, and those on keys. */
#include "serve/access.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "serve/methods.h"
#include <dripline/text.h>

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);

struct drip_access {
	pthread_mutex_t lock;
	uint64_t version;                /* grows with each change, from 1 */
	char *roles_json, *catalog_json; /* JSON arrays */
};

struct drip_access *drip_access_create(void)
{
	struct drip_access *a = drip_calloc(1, sizeof(*a));

	if (a != NULL) {
		pthread_mutex_init(&a->lock, NULL);
		a->version = 1;
	}
	return a;
}

void drip_access_destroy(struct drip_access *access)
{
	if (access != NULL) {
		pthread_mutex_destroy(&access->lock);
		free(access->roles_json);
		free(access->catalog_json);
		free(access);
	}
}

static void changed(struct drip_access *access)
{
	pthread_mutex_lock(&access->lock);
	access->version++;
	pthread_mutex_unlock(&access->lock);
}

/* ---- the policy as JSON ---- */

static void put_words(struct drip_json *j, const char *key, const char *const *words, size_t count)
{
	drip_json_key(j, key);
	drip_json_begin_array(j);
	for (size_t i = 0; i < count; i++) {
		drip_json_string(j, words[i]);
	}
	drip_json_end_array(j);
}

static int put_view(struct drip_json *j, const struct drip_policy_grant *grant,
		    const struct drip_catalog_table *table, bool named, struct drip_error *err)
{
	struct drip_text columns = {0};
	bool any = drip_policy_put_columns(&columns, grant, table, named);
	int rc = drip_text_check(&columns, err);

	if (rc == 0 && any) {
		drip_json_begin_object(j);
		drip_json_put_string(j, "schema", table->schema->database);
		drip_json_put_string(j, "table", table->schema->table);
		drip_json_key(j, "columns");
		drip_json_string_n(j, columns.data, columns.size);
		if (grant->filter != NULL) {
			drip_json_put_string(j, "filter", grant->filter);
		}
		drip_json_end_object(j);
	}
	drip_text_finish(&columns);
	return rc;
}

static int put_views(struct drip_json *j, const char *key, const struct drip_document *document,
		     const struct drip_policy_role *role, bool named, struct drip_error *err)
{
	int rc = 0;

	drip_json_key(j, key);
	drip_json_begin_array(j);
	for (size_t i = 0; rc == 0 && i < document->catalog.tables_count; i++) {
		const struct drip_catalog_table *table = &document->catalog.tables[i];
		const struct drip_policy_grant *grant = drip_policy_grant(role, table);

		if (grant != NULL) {
			rc = put_view(j, grant, table, named, err);
		}
	}
	drip_json_end_array(j);
	return rc;
}

static int put_role(struct drip_json *j, const struct drip_document *document,
		    const struct drip_policy_role *role, struct drip_error *err)
{
	int rc;

	drip_json_begin_object(j);
	drip_json_put_string(j, "name", role->name);
	put_words(j, "routes", role->routes, role->routes_count);
	put_words(j, "named", role->named, role->named_count);
	rc = put_views(j, "views", document, role, false, err);
	if (rc == 0 && role->named_count > 0) {
		rc = put_views(j, "named_views", document, role, true, err);
	}
	drip_json_end_object(j);
	return rc;
}

static int render_catalog(const struct drip_document *document, char **ret, struct drip_error *err)
{
	drip_autostr out = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &out);
	drip_catalog_render(&document->catalog, &j);
	return drip_str_steal(&out, ret, err);
}

int drip_access_set_policy(struct drip_access *access, const struct drip_document *document,
			   struct drip_error *err)
{
	drip_autostr out = DRIP_STR_INIT;
	char *text = NULL, *catalog = NULL;
	struct drip_json j;
	int rc = render_catalog(document, &catalog, err);

	drip_json_init(&j, &out);
	drip_json_begin_array(&j);
	for (size_t i = 0; rc == 0 && i < document->policy.roles_count; i++) {
		rc = put_role(&j, document, &document->policy.roles[i], err);
	}
	drip_json_end_array(&j);
	rc = rc == 0 ? drip_str_steal(&out, &text, err) : rc;
	if (rc < 0) {
		free(catalog);
		return rc;
	}
	pthread_mutex_lock(&access->lock);
	free(access->roles_json);
	free(access->catalog_json);
	access->roles_json = text;
	access->catalog_json = catalog;
	access->version++;
	pthread_mutex_unlock(&access->lock);
	return 0;
}

/* ---- methods ---- */

int drip_method_catalog(struct drip_call *call, struct drip_error *err)
{
	struct drip_access *access = call->app->access;

	(void)err;
	pthread_mutex_lock(&access->lock);
	drip_json_raw(&call->json, access->catalog_json != NULL ? access->catalog_json : "[]");
	pthread_mutex_unlock(&access->lock);
	return 0;
}

static int put_key(const struct drip_store_key *k, void *data)
{
	struct drip_json *j = data;
	char hash[2 * DRIP_STORE_HASH_BYTES + 1];

	if (k->revoked_us == 0) {
		drip_json_begin_object(j);
		drip_json_put_string(j, "id", k->id);
		drip_json_put_string(j, "name", k->name);
		drip_json_put_string(j, "role", k->role);
		sodium_bin2hex(hash, sizeof(hash), k->hash, DRIP_STORE_HASH_BYTES);
		drip_json_put_string(j, "hash", hash);
		drip_json_put_int(j, "expires_us", k->expires_us);
		drip_json_end_object(j);
	}
	return 0;
}

/* The version is read first: what changes in between is read again the next time. */
int drip_method_access(struct drip_call *call, struct drip_error *err)
{
	struct drip_access *access = call->app->access;
	int64_t known = drip_json_get_int(call->arguments, "version", 0);
	struct drip_json *j = &call->json;
	uint64_t version;
	int rc = 0;

	pthread_mutex_lock(&access->lock);
	version = access->version;
	drip_json_begin_object(j);
	drip_json_put_uint(j, "version", version);
	if (known != (int64_t)version) {
		drip_json_key(j, "roles");
		drip_json_raw(j, access->roles_json != NULL ? access->roles_json : "[]");
	}
	pthread_mutex_unlock(&access->lock);
	if (known != (int64_t)version) {
		drip_json_key(j, "keys");
		drip_json_begin_array(j);
		rc = drip_store_visit_keys(call->app->store, put_key, j, err);
		drip_json_end_array(j);
	}
	drip_json_end_object(j);
	return rc;
}

int drip_method_audit_append(struct drip_call *call, struct drip_error *err)
{
	const char *actor, *action;
	int rc = drip_call_string(call, "actor", &actor, err);

	rc = rc == 0 ? drip_call_string(call, "action", &action, err) : rc;
	rc = rc == 0 ? drip_store_audit(call->app->store, actor, action,
					drip_json_get_string(call->arguments, "target", ""),
					drip_json_get_string(call->arguments, "detail", ""), err)
		     : rc;
	if (rc == 0) {
		drip_json_begin_object(&call->json);
		drip_json_end_object(&call->json);
	}
	return rc;
}

static int check_role(struct drip_access *access, const char *role, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	int rc = 0;

	pthread_mutex_lock(&access->lock);
	if (access->roles_json != NULL) {
		rc = drip_json_parse(access->roles_json, strlen(access->roles_json), &tree, err);
	}
	pthread_mutex_unlock(&access->lock);
	if (rc < 0) {
		return rc;
	}
	for (const struct drip_json_node *n = tree != NULL ? drip_json_root(tree)->first : NULL;
	     n != NULL; n = n->next) {
		if (strcmp(drip_json_get_string(n, "name", ""), role) == 0) {
			return 0;
		}
	}
	drip_error_set(err, -ENOENT, "policy.unknown_role", "there is no role \"%.60s\"", role);
	drip_error_hint(err, "Roles are declared in the section `roles`.");
	return -ENOENT;
}

int drip_key_render_new(struct drip_store *store, const char *actor, const char *name,
			const char *role, int64_t expires_us, struct drip_json *j,
			struct drip_error *err)
{
	char id[DRIP_STORE_KEY_ID_MAX], key[DRIP_STORE_KEY_MAX];
	int rc = drip_store_create_key(store, name, role, expires_us, actor, id, key, err);

	if (rc == 0) {
		drip_json_begin_object(j);
		drip_json_put_string(j, "id", id);
		drip_json_put_string(j, "key", key);
		drip_json_end_object(j);
	}
	sodium_memzero(key, sizeof(key));
	return rc;
}

int drip_method_key_create(struct drip_call *call, struct drip_error *err)
{
	const char *name, *role;
	int rc = drip_call_string(call, "name", &name, err);

	rc = rc == 0 ? drip_call_string(call, "role", &role, err) : rc;
	rc = rc == 0 ? check_role(call->app->access, role, err) : rc;
	rc = rc == 0 ? drip_key_render_new(call->app->store, call->actor, name, role,
					   drip_json_get_int(call->arguments, "expires_us", 0),
					   &call->json, err)
		     : rc;
	if (rc == 0) {
		changed(call->app->access);
	}
	return rc;
}

int drip_method_key_revoke(struct drip_call *call, struct drip_error *err)
{
	const char *id;
	int rc = drip_call_string(call, "id", &id, err);

	rc = rc == 0 ? drip_store_revoke_key(call->app->store, id, call->actor, err) : rc;
	if (rc == 0) {
		changed(call->app->access);
		drip_json_begin_object(&call->json);
		drip_json_put_string(&call->json, "revoked", id);
		drip_json_end_object(&call->json);
	}
	return rc;
}
