/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Documents that are shared by what runs from them, editions of pipelines, and the meters of their
 * stages. Counted; references may be taken and dropped on any thread.
 */
#include "base/alloc.h"
#include "engine/engine_private.h"

#include <stdlib.h>
#include <string.h>

struct drip_doc *drip_doc_create(struct drip_document *document)
{
	struct drip_doc *doc = drip_calloc(1, sizeof(*doc));

	if (doc != NULL) {
		doc->refs = 1;
		doc->document = document;
	}
	return doc;
}

struct drip_doc *drip_doc_ref(struct drip_doc *doc)
{
	__atomic_add_fetch(&doc->refs, 1, __ATOMIC_RELAXED);
	return doc;
}

void drip_doc_unref(struct drip_doc *doc)
{
	if (doc != NULL && __atomic_sub_fetch(&doc->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		drip_document_destroy(doc->document);
		free(doc);
	}
}

struct edition *drip_edition_create(struct drip_doc *doc, const struct drip_pipeline_spec *spec)
{
	struct edition *e = drip_calloc(1, sizeof(*e));

	if (e == NULL) {
		return NULL;
	}
	e->refs = 1;
	e->slots = drip_calloc(spec->stages_count, sizeof(*e->slots));
	if (e->slots == NULL) {
		free(e);
		return NULL;
	}
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		if (drip_meters_init(&e->slots[i].meters) < 0) {
			while (i-- > 0) {
				drip_meters_finish(&e->slots[i].meters);
			}
			free(e->slots);
			free(e);
			return NULL;
		}
	}
	e->doc = drip_doc_ref(doc);
	e->spec = spec;
	return e;
}

struct edition *drip_edition_ref(struct edition *e)
{
	__atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
	return e;
}

void drip_edition_unref(struct edition *e)
{
	if (e == NULL || __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) != 0) {
		return;
	}
	for (uint32_t i = 0; i < e->spec->stages_count; i++) {
		drip_meters_finish(&e->slots[i].meters);
	}
	free(e->slots);
	drip_doc_unref(e->doc);
	free(e);
}

int drip_meters_init(struct drip_meters *m)
{
	memset(m, 0, sizeof(*m));
	return -pthread_mutex_init(&m->lock, NULL);
}

void drip_meters_finish(struct drip_meters *m)
{
	for (size_t i = 0; i < m->metrics_count; i++) {
		free((char *)(uintptr_t)m->metrics[i].name);
	}
	for (size_t i = 0; i < m->progress_count; i++) {
		free(m->progress[i].table);
	}
	free(m->metrics);
	free(m->progress);
	pthread_mutex_destroy(&m->lock);
}

/* The metric of that name, added where it is new; NULL beyond ENGINE_METRICS_MAX. */
static struct drip_metric *find_metric(struct drip_meters *m, const char *name, bool counter)
{
	struct drip_metric *metric;

	for (size_t i = 0; i < m->metrics_count; i++) {
		if (strcmp(m->metrics[i].name, name) == 0) {
			return &m->metrics[i];
		}
	}
	if (m->metrics_count >= ENGINE_METRICS_MAX ||
	    !drip_grow((void **)&m->metrics, &m->metrics_capacity, m->metrics_count + 1,
		       sizeof(*metric))) {
		return NULL;
	}
	metric = &m->metrics[m->metrics_count];
	*metric = (struct drip_metric){.name = drip_strdup(name), .counter = counter};
	if (metric->name == NULL) {
		return NULL;
	}
	m->metrics_count++;
	return metric;
}

void drip_meters_set(struct drip_meters *m, const char *name, bool counter, double value)
{
	struct drip_metric *metric;

	pthread_mutex_lock(&m->lock);
	metric = find_metric(m, name, counter);
	if (metric != NULL) {
		metric->value = counter ? metric->value + value : value;
	}
	pthread_mutex_unlock(&m->lock);
}

void drip_meters_progress(struct drip_meters *m, const char *table, uint64_t done, uint64_t total)
{
	struct drip_meter_progress *p = NULL;

	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->progress_count && p == NULL; i++) {
		if (strcmp(m->progress[i].table, table) == 0) {
			p = &m->progress[i];
		}
	}
	if (p == NULL && m->progress_count < ENGINE_PROGRESS_MAX &&
	    drip_grow((void **)&m->progress, &m->progress_capacity, m->progress_count + 1,
		      sizeof(*p))) {
		p = &m->progress[m->progress_count];
		p->table = drip_strdup(table);
		m->progress_count += p->table != NULL;
		p = p->table != NULL ? p : NULL;
	}
	if (p != NULL) {
		p->done = done;
		p->total = total;
	}
	pthread_mutex_unlock(&m->lock);
}
