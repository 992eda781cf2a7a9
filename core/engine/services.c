/* SPDX-License-Identifier: Apache-2.0 */
/* Services: opened and started with the first document, replaced where a reload changes them. One
 * call of drip_services_apply at a time, on a thread that may block. */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <stdlib.h>
#include <string.h>

static void stop_service(struct drip_service *s)
{
	const struct drip_service_ops *ops = drip_instance_ops(&s->instance);

	if (s->running) {
		ops->stop(s->instance.self);
		s->running = false;
	}
	drip_instance_close(&s->instance);
	drip_instance_finish(&s->instance);
	drip_meters_finish(&s->meters);
	free(s);
}

static const struct drip_declared *find_declared(const struct drip_doc *doc, const char *name)
{
	for (size_t i = 0; doc != NULL && i < doc->document->services_count; i++) {
		if (strcmp(doc->document->services[i].name, name) == 0) {
			return &doc->document->services[i];
		}
	}
	return NULL;
}

static bool keeps(const struct drip_service *s, const struct drip_doc *doc)
{
	const struct drip_declared *d = find_declared(doc, s->declared->name);

	return d != NULL && s->running && d->component == s->declared->component &&
	       d->config_hash == s->declared->config_hash;
}

/* Takes the services that shall not go on out of the list. */
static struct drip_service *take_out(struct drip_engine *engine, const struct drip_doc *doc)
{
	struct drip_service *out = NULL, **at = &engine->services;

	pthread_mutex_lock(&engine->services_lock);
	while (*at != NULL) {
		struct drip_service *s = *at;

		if (keeps(s, doc)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		s->next = out;
		out = s;
	}
	pthread_mutex_unlock(&engine->services_lock);
	return out;
}

static bool has_service(struct drip_engine *engine, const char *name)
{
	bool found = false;

	pthread_mutex_lock(&engine->services_lock);
	for (const struct drip_service *s = engine->services; s != NULL; s = s->next) {
		found = found || strcmp(s->declared->name, name) == 0;
	}
	pthread_mutex_unlock(&engine->services_lock);
	return found;
}

/* Opens and starts it; one that fails stays in the list with its error, for readiness. */
static void start_service(struct drip_engine *engine, struct drip_doc *doc,
			  const struct drip_declared *d)
{
	struct drip_service *s = drip_calloc(1, sizeof(*s));
	const struct drip_service_ops *ops = d->component->ops;
	struct drip_error err = DRIP_ERROR_INIT;
	int rc;

	if (s == NULL || drip_meters_init(&s->meters) < 0) {
		free(s);
		return;
	}
	s->declared = d;
	rc = drip_instance_init(&s->instance, engine, doc, d->component, d->config, "", d->name,
				&err);
	if (rc < 0) {
		drip_meters_finish(&s->meters);
		free(s);
		return;
	}
	s->instance.meters = &s->meters;
	rc = drip_instance_open(&s->instance, &err);
	if (rc == 0) {
		rc = ops->start(s->instance.self, &err);
		s->running = rc == 0;
	}
	if (rc < 0) {
		drip_logger_event(DRIP_LOG_ERROR, "", d->name, &err, "the service does not start");
		s->error = err;
		s->error.rc = rc;
		drip_instance_close(&s->instance);
	}
	pthread_mutex_lock(&engine->services_lock);
	s->next = engine->services;
	engine->services = s;
	pthread_mutex_unlock(&engine->services_lock);
}

void drip_services_apply(struct drip_engine *engine, struct drip_doc *doc)
{
	struct drip_service *out = take_out(engine, doc);

	while (out != NULL) {
		struct drip_service *s = out;

		out = s->next;
		stop_service(s);
	}
	for (size_t i = 0; doc != NULL && i < doc->document->services_count; i++) {
		const struct drip_declared *d = &doc->document->services[i];

		if (!has_service(engine, d->name)) {
			start_service(engine, doc, d);
		}
	}
}
