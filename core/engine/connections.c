/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections shared by all stages of the process: opened on first use, counted, closed by the last
 * user. One is known by its name and the hash of its options, so that a reload keeps an unchanged
 * one open and opens a changed one anew. A component that is exclusive is opened with new options
 * only once the old instance is closed; whoever asks for it waits. "@name" is the component `name`
 * with its default options.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "config/bind.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EXCLUSIVE_WAIT_MS 60000

enum shared_state { SHARED_OPENING = 1, SHARED_OPEN, SHARED_CLOSING };

struct shared_connection {
	struct shared_connection *next;
	char *name;
	uint64_t hash;
	uint32_t refs;
	enum shared_state state;
	struct drip_instance instance;
	struct drip_meters meters;
	struct drip_arena arena; /* of the default options of an "@name" */
};

/* What a name stands for, for one user. */
struct wanted {
	const char *name;
	const struct drip_component *component;
	const void *config; /* NULL: defaults */
	uint64_t hash;
};

int drip_connections_init(struct drip_connections *c)
{
	int rc = -pthread_mutex_init(&c->lock, NULL);

	c->first = NULL;
	if (rc == 0) {
		rc = drip_cond_init(&c->changed);
		if (rc < 0) {
			pthread_mutex_destroy(&c->lock);
		}
	}
	return rc;
}

void drip_connections_finish(struct drip_connections *c)
{
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
}

static int resolve(struct drip_instance *user, const char *name, struct wanted *ret,
		   struct drip_error *err)
{
	const struct drip_document *d = user->doc->document;

	*ret = (struct wanted){.name = name};
	if (name[0] == '@') {
		return drip_registry_find(user->engine->options.registry, DRIP_KIND_CONNECTION,
					  name + 1, &ret->component, err);
	}
	for (size_t i = 0; i < d->connections_count; i++) {
		if (strcmp(d->connections[i].name, name) == 0) {
			ret->component = d->connections[i].component;
			ret->config = d->connections[i].config;
			ret->hash = d->connections[i].config_hash;
			return 0;
		}
	}
	return drip_error_set(err, -ENOENT, "engine.unknown_connection",
			      "there is no connection \"%s\"", name);
}

static int bind_defaults(struct shared_connection *s, const struct drip_component *component,
			 const void **ret, struct drip_error *err)
{
	struct drip_findings findings;
	struct drip_binder binder = {
		.arena = &s->arena, .findings = &findings, .what = component->name, .prefix = ""};
	void *config = drip_arena_alloc(&s->arena, component->config_size);
	int rc;

	if (config == NULL) {
		return drip_error_nomem(err, component->config_size);
	}
	drip_findings_init(&findings);
	rc = drip_bind_map(&binder, NULL, component->options, component->options_count, config);
	if (rc < 0) {
		drip_error_nomem(err, component->config_size);
	} else if (findings.errors != 0) {
		rc = drip_error_set(err, -EINVAL, findings.items[0].code,
				    "connection \"@%s\" cannot be used without options: %s",
				    component->name, findings.items[0].message);
	}
	drip_findings_finish(&findings);
	*ret = config;
	return rc;
}

static void shared_destroy(struct shared_connection *s)
{
	drip_instance_finish(&s->instance);
	drip_meters_finish(&s->meters);
	drip_arena_finish(&s->arena);
	free(s->name);
	free(s);
}

/* (gives) a shared connection that is not open yet. */
static int shared_create(struct drip_instance *user, const struct wanted *w,
			 struct shared_connection **ret, struct drip_error *err)
{
	struct shared_connection *s = drip_calloc(1, sizeof(*s));
	const void *config = w->config;
	int rc = 0;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->name = drip_strdup(w->name);
	s->hash = w->hash;
	s->state = SHARED_OPENING;
	drip_arena_init(&s->arena);
	if (s->name == NULL || drip_meters_init(&s->meters) < 0) {
		free(s->name);
		free(s);
		return drip_error_nomem(err, sizeof(*s));
	}
	if (config == NULL) {
		rc = bind_defaults(s, w->component, &config, err);
	}
	if (rc == 0) {
		rc = drip_instance_init(&s->instance, user->engine, user->doc, w->component, config,
					"", s->name, err);
	}
	if (rc < 0) {
		drip_meters_finish(&s->meters);
		drip_arena_finish(&s->arena);
		free(s->name);
		free(s);
		return rc;
	}
	s->instance.meters = &s->meters;
	*ret = s;
	return 0;
}

static void unlink_shared(struct drip_connections *c, struct shared_connection *s)
{
	struct shared_connection **at = &c->first;

	while (*at != s) {
		at = &(*at)->next;
	}
	*at = s->next;
	pthread_cond_broadcast(&c->changed);
}

/* An instance that the wanted one must wait for, or that is the wanted one. Lock held. */
static struct shared_connection *find_shared(struct drip_connections *c, const struct wanted *w)
{
	bool exclusive = (w->component->caps & DRIP_CAP_EXCLUSIVE) != 0;
	struct shared_connection *blocking = NULL;

	for (struct shared_connection *s = c->first; s != NULL; s = s->next) {
		if (strcmp(s->name, w->name) != 0) {
			continue;
		}
		if (s->hash == w->hash && s->state == SHARED_OPEN) {
			return s;
		}
		if (exclusive || s->hash == w->hash) {
			blocking = s;
		}
	}
	return blocking;
}

/* The connection, with one more reference, open; or a new one in state OPENING. */
static int acquire(struct drip_instance *user, const struct wanted *w,
		   struct shared_connection **ret, struct drip_error *err)
{
	struct drip_connections *c = &user->engine->connections;
	int64_t deadline = drip_mono_us() + INT64_C(1000) * EXCLUSIVE_WAIT_MS;
	struct shared_connection *s;
	int rc;

	pthread_mutex_lock(&c->lock);
	while ((s = find_shared(c, w)) != NULL) {
		if (s->hash == w->hash && s->state == SHARED_OPEN) {
			s->refs++;
			pthread_mutex_unlock(&c->lock);
			*ret = s;
			return 0;
		}
		drip_cond_wait(&c->changed, &c->lock, 250);
		if (drip_mono_us() > deadline ||
		    (user->run != NULL && drip_run_aborting(user->run))) {
			pthread_mutex_unlock(&c->lock);
			return drip_error_set_retryable(
				err, -EBUSY, "engine.connection_busy",
				"connection \"%s\" is still in use with other options", w->name);
		}
	}
	rc = shared_create(user, w, &s, err);
	if (rc == 0) {
		s->refs = 1;
		s->next = c->first;
		c->first = s;
	}
	pthread_mutex_unlock(&c->lock);
	if (rc == 0) {
		*ret = s;
	}
	return rc;
}

static void release(struct drip_connections *c, struct shared_connection *s)
{
	bool last;

	pthread_mutex_lock(&c->lock);
	last = --s->refs == 0;
	if (last) {
		s->state = SHARED_CLOSING;
	}
	pthread_mutex_unlock(&c->lock);
	if (!last) {
		return;
	}
	drip_instance_close(&s->instance);
	pthread_mutex_lock(&c->lock);
	unlink_shared(c, s);
	pthread_mutex_unlock(&c->lock);
	shared_destroy(s);
}

/* Opens what `acquire` made; others that want it wait meanwhile. */
static int open_shared(struct drip_connections *c, struct shared_connection *s,
		       struct drip_error *err)
{
	int rc = drip_instance_open(&s->instance, err);

	pthread_mutex_lock(&c->lock);
	s->state = rc == 0 ? SHARED_OPEN : SHARED_CLOSING;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int drip_connection_get(struct drip_instance *user, const char *name, const char *interface_name,
			const void **ret_interface, void **ret_object, struct drip_error *err)
{
	const struct drip_connection_ops *ops;
	struct shared_connection *s = NULL;
	struct wanted w;
	const void *interface;
	int rc = resolve(user, name, &w, err);

	if (rc == 0) {
		rc = acquire(user, &w, &s, err);
	}
	if (rc == 0 && s->state == SHARED_OPENING) {
		rc = open_shared(&user->engine->connections, s, err);
		if (rc < 0) {
			release(&user->engine->connections, s);
		}
	}
	if (rc < 0) {
		return rc;
	}
	ops = drip_instance_ops(&s->instance);
	interface = ops->interface(s->instance.self, interface_name);
	if (interface == NULL) {
		release(&user->engine->connections, s);
		return drip_error_set(err, -ENOTSUP, "engine.no_interface",
				      "connection \"%s\" has no interface \"%s\"", name,
				      interface_name);
	}
	*ret_interface = interface;
	*ret_object = s->instance.self;
	return 0;
}

void drip_connection_put(struct drip_instance *user, const char *name, void *object)
{
	struct drip_connections *c = &user->engine->connections;
	struct shared_connection *s;

	pthread_mutex_lock(&c->lock);
	for (s = c->first; s != NULL; s = s->next) {
		if (s->instance.self == object && strcmp(s->name, name) == 0) {
			break;
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (s != NULL) {
		release(c, s);
	}
}

int drip_connections_ping(struct drip_engine *engine, struct drip_error *err)
{
	struct drip_connections *c = &engine->connections;
	const struct drip_connection_ops *ops;
	struct shared_connection *s, *previous = NULL;
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	for (s = c->first; s != NULL && rc == 0; s = s->next) {
		ops = drip_instance_ops(&s->instance);
		if (s->state != SHARED_OPEN || DRIP_OP_OF(ops, ping) == NULL) {
			continue;
		}
		s->refs++; /* keeps it, and its place in the list, while it is asked */
		pthread_mutex_unlock(&c->lock);
		if (previous != NULL) {
			release(c, previous);
		}
		previous = s;
		rc = ops->ping(s->instance.self, err);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	if (previous != NULL) {
		release(c, previous);
	}
	return rc;
}

void drip_connections_visit(struct drip_engine *engine,
			    void (*visit)(const char *component, const char *name,
					  const char *pipeline, const char *stage, bool counter,
					  double value, void *data),
			    void *data)
{
	struct drip_connections *c = &engine->connections;

	pthread_mutex_lock(&c->lock);
	for (struct shared_connection *s = c->first; s != NULL; s = s->next) {
		drip_meters_visit(&s->meters, s->instance.component->name, "", s->name, visit,
				  data);
	}
	pthread_mutex_unlock(&c->lock);
}

void drip_connections_wake(struct drip_engine *engine)
{
	pthread_mutex_lock(&engine->connections.lock);
	pthread_cond_broadcast(&engine->connections.changed);
	pthread_mutex_unlock(&engine->connections.lock);
}
