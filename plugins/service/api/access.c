/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and roles, as the host last gave them. A key is looked up by the id that it begins with and
 * compared by its hash, in a time that does not depend on where it differs. Rates outlive a
 * refresh. Threads: many look up; one at a time refreshes (`refresh`), and replaces the keys under
 * the lock for writing.
 */
#include "api.h"

#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH     crypto_generichash_BYTES
#define KEYS_MAX 10000
#define BURST_S  2 /* a key may save up that many seconds of its rate */

/* Refreshes for keys that are not known, so that who guesses keys does not keep the host busy. */
#define LOOKS_PER_S 10
#define LOOKS_BURST 5

struct key {
	struct api_caller caller;
	unsigned char hash[HASH];
	int64_t expires_us;
	/* Of the rate. */
	pthread_mutex_t lock;
	double tokens;
	uint64_t at_ns;
};

struct api_access {
	pthread_mutex_t refresh; /* guards version, roles, looks and looked_ns */
	pthread_rwlock_t lock;   /* guards keys and count */
	struct key **keys;       /* sorted by id */
	size_t count;
	int64_t version;
	char *roles;  /* as JSON: the guard is told only where they change */
	double looks; /* that may be made at once, as of looked_ns */
	uint64_t looked_ns;
	double rate;
};

struct api_access *api_access_create(double rate)
{
	struct api_access *a = calloc(1, sizeof(*a));

	if (a != NULL) {
		pthread_mutex_init(&a->refresh, NULL);
		pthread_rwlock_init(&a->lock, NULL);
		a->looks = LOOKS_BURST;
		a->looked_ns = api_now_ns();
		a->rate = rate;
	}
	return a;
}

static void destroy_keys(struct key **keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pthread_mutex_destroy(&keys[i]->lock);
		free(keys[i]);
	}
	free(keys);
}

void api_access_destroy(struct api_access *access)
{
	if (access != NULL) {
		destroy_keys(access->keys, access->count);
		pthread_rwlock_destroy(&access->lock);
		pthread_mutex_destroy(&access->refresh);
		free(access->roles);
		free(access);
	}
}

/* ---- lookup ---- */

static int compare_id(const void *id, const void *item)
{
	return strcmp(id, (*(struct key *const *)item)->caller.id);
}

static struct key *find(const struct api_access *a, const char *id)
{
	struct key **at = NULL;

	if (a->count > 0) {
		at = bsearch(id, a->keys, a->count, sizeof(*a->keys), compare_id);
	}
	return at != NULL ? *at : NULL;
}

/* One of `tokens`, which grow by `rate` a second up to `most`. */
static bool take_one(double *tokens, uint64_t *at_ns, double rate, double most)
{
	uint64_t now = api_now_ns();
	bool taken;

	*tokens += (double)(now - *at_ns) / 1e9 * rate;
	*tokens = *tokens > most ? most : *tokens;
	*at_ns = now;
	taken = *tokens >= 1;
	*tokens -= taken ? 1 : 0;
	return taken;
}

static bool take_token(const struct api_access *a, struct key *k)
{
	bool taken;

	pthread_mutex_lock(&k->lock);
	taken = take_one(&k->tokens, &k->at_ns, a->rate, a->rate * BURST_S);
	pthread_mutex_unlock(&k->lock);
	return taken;
}

static int64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

enum api_verdict api_access_find(struct api_access *access, const char *key, bool takes,
				 struct api_caller *ret)
{
	static const unsigned char nothing[HASH] = {0};
	unsigned char hash[HASH];
	char id[API_KEY_ID_MAX] = "";
	enum api_verdict verdict;
	size_t size = strnlen(key, 128);
	struct key *k;
	bool same;

	if (size > 14 && size < 128 && strncmp(key, "drip_", 5) == 0 && key[13] == '_') {
		snprintf(id, sizeof(id), "%.8s", key + 5);
	}
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)key, size, NULL, 0);
	pthread_rwlock_rdlock(&access->lock);
	k = find(access, id);
	verdict = k == NULL && id[0] != '\0' ? API_UNHEARD : API_UNKNOWN;
	same = sodium_memcmp(hash, k != NULL ? k->hash : nothing, HASH) == 0;
	if (k != NULL && same && (k->expires_us == 0 || k->expires_us > wall_us())) {
		verdict = !takes || take_token(access, k) ? API_KNOWN : API_TOO_MANY;
		*ret = k->caller;
	}
	pthread_rwlock_unlock(&access->lock);
	return verdict;
}

/* ---- refresh ---- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static bool holds(const json_t *list, const char *word)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		if (text != NULL && strcmp(text, word) == 0) {
			return true;
		}
	}
	return false;
}

static const json_t *find_role(const json_t *roles, const char *name)
{
	for (size_t i = 0; i < json_array_size(roles); i++) {
		if (strcmp(text_of(json_array_get(roles, i), "name"), name) == 0) {
			return json_array_get(roles, i);
		}
	}
	return NULL;
}

static void fill_caller(struct api_caller *c, const json_t *item, const json_t *roles)
{
	const json_t *role = find_role(roles, text_of(item, "role"));
	const json_t *routes = json_object_get(role, "routes");
	bool named;

	snprintf(c->id, sizeof(c->id), "%s", text_of(item, "id"));
	snprintf(c->name, sizeof(c->name), "%s", text_of(item, "name"));
	snprintf(c->role, sizeof(c->role), "%.40s", text_of(item, "role"));
	named = holds(json_object_get(role, "named"), c->name);
	snprintf(c->guard, sizeof(c->guard), "%.40s%s", c->role, named ? "__named" : "");
	c->routes = (holds(routes, "query") ? API_QUERY : 0) |
		    (holds(routes, "dashboard") ? API_DASHBOARD : 0) |
		    (holds(routes, "churn") ? API_CHURN : 0) |
		    (holds(routes, "fraud") ? API_FRAUD : 0);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp((*(struct key *const *)a)->caller.id, (*(struct key *const *)b)->caller.id);
}

/* (gives) a key of the list, with what is left of its rate; NULL: it is not one, or no memory. */
static struct key *make_key(const struct api_access *a, const json_t *item, const json_t *roles)
{
	const char *hex = text_of(item, "hash");
	struct key *k = calloc(1, sizeof(*k)), *old;
	size_t size = 0;

	if (k == NULL) {
		return NULL;
	}
	if (sodium_hex2bin(k->hash, HASH, hex, strlen(hex), NULL, &size, NULL) != 0 ||
	    size != HASH) {
		free(k);
		return NULL;
	}
	fill_caller(&k->caller, item, roles);
	k->expires_us = json_integer_value(json_object_get(item, "expires_us"));
	pthread_mutex_init(&k->lock, NULL);
	old = find(a, k->caller.id);
	k->tokens = old != NULL ? old->tokens : a->rate * BURST_S;
	k->at_ns = old != NULL ? old->at_ns : api_now_ns();
	return k;
}

static int replace_keys(struct api_access *a, const json_t *list, const json_t *roles)
{
	size_t count = json_array_size(list), n = 0;
	struct key **keys;

	count = count > KEYS_MAX ? KEYS_MAX : count;
	keys = calloc(count + 1, sizeof(struct key *));
	if (keys == NULL) {
		return -ENOMEM;
	}
	pthread_rwlock_wrlock(&a->lock);
	for (size_t i = 0; i < count; i++) {
		keys[n] = make_key(a, json_array_get(list, i), roles);
		n += keys[n] != NULL;
	}
	qsort(keys, n, sizeof(struct key *), compare_keys);
	destroy_keys(a->keys, a->count);
	a->keys = keys;
	a->count = n;
	pthread_rwlock_unlock(&a->lock);
	return 0;
}

static int define(struct api *api, const char *role, const json_t *list, struct drip_error *err)
{
	size_t count = json_array_size(list);
	struct drip_guard_view *views = calloc(count + 1, sizeof(*views));
	int rc;

	if (views == NULL) {
		return drip_error_nomem(err, (count + 1) * sizeof(*views));
	}
	for (size_t i = 0; i < count; i++) {
		const json_t *v = json_array_get(list, i);

		views[i] = (struct drip_guard_view){
			.struct_size = sizeof(*views),
			.schema = text_of(v, "schema"),
			.table = text_of(v, "table"),
			.columns = text_of(v, "columns"),
			.filter = json_string_value(json_object_get(v, "filter")),
		};
	}
	rc = api->guard->define(api->warehouse, role, views, count, err);
	free(views);
	return rc;
}

/* Tells the guard of every role, those of named people apart. */
static int define_roles(struct api *api, const json_t *roles, struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_array_size(roles); i++) {
		const json_t *role = json_array_get(roles, i);
		char named[API_NAME_MAX];

		rc = define(api, text_of(role, "name"), json_object_get(role, "views"), err);
		snprintf(named, sizeof(named), "%.40s__named", text_of(role, "name"));
		if (rc == 0 && json_object_get(role, "named_views") != NULL) {
			rc = define(api, named, json_object_get(role, "named_views"), err);
		}
	}
	return rc;
}

static int take(struct api *api, const json_t *root, struct drip_error *err)
{
	struct api_access *a = api->access;
	const json_t *roles = json_object_get(root, "roles");
	char *text = json_dumps(roles, JSON_COMPACT);
	int rc = 0;

	if (text == NULL) {
		return drip_error_nomem(err, 0);
	}
	if (a->roles == NULL || strcmp(a->roles, text) != 0) {
		rc = define_roles(api, roles, err);
	}
	/* A key that is revoked is so whatever becomes of the roles. */
	if (replace_keys(a, json_object_get(root, "keys"), roles) != 0 && rc == 0) {
		rc = drip_error_nomem(err, 0);
	}
	if (rc != 0) {
		free(text);
		return rc;
	}
	free(a->roles);
	a->roles = text;
	a->version = json_integer_value(json_object_get(root, "version"));
	return 0;
}

static int refresh_locked(struct api *api, struct drip_error *err)
{
	char arguments[64], *text = NULL;
	json_t *root;
	int rc;

	snprintf(arguments, sizeof(arguments), "{\"version\":%lld}",
		 (long long)api->access->version);
	rc = api->ctx->host->control(api->ctx, "access", arguments, &text, err);
	if (rc < 0) {
		return rc;
	}
	root = json_loads(text, 0, NULL);
	free(text);
	if (json_object_get(root, "keys") != NULL) {
		rc = take(api, root, err);
	}
	json_decref(root);
	return rc;
}

int api_access_refresh(struct api *api, struct drip_error *err)
{
	int rc;

	pthread_mutex_lock(&api->access->refresh);
	rc = refresh_locked(api, err);
	pthread_mutex_unlock(&api->access->refresh);
	return rc;
}

enum api_verdict api_access_find_new(struct api *api, const char *key, bool takes,
				     struct api_caller *ret)
{
	struct api_access *a = api->access;
	struct drip_error err = DRIP_ERROR_INIT;
	enum api_verdict verdict;

	pthread_mutex_lock(&a->refresh);
	verdict = api_access_find(a, key, takes, ret); /* another request may have looked */
	if (verdict == API_UNHEARD &&
	    take_one(&a->looks, &a->looked_ns, LOOKS_PER_S, LOOKS_BURST)) {
		if (refresh_locked(api, &err) < 0) {
			drip_log_warning(api->ctx, "could not refresh keys and roles: %s",
					 err.message);
		}
		verdict = api_access_find(a, key, takes, ret);
	}
	pthread_mutex_unlock(&a->refresh);
	return verdict;
}
