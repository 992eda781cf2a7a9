/* SPDX-License-Identifier: Apache-2.0 */
/* Taps: callbacks that see what a stage puts out. A tap belongs to a pipeline's name, so it lives
 * through restarts and reloads. The lock is held for reading while callbacks run. */
#include "base/alloc.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void drip_taps_call(struct drip_engine *engine, const struct drip_instance *from,
		    const struct drip_batch *batch)
{
	pthread_rwlock_rdlock(&engine->taps_lock);
	for (struct drip_tap *t = engine->taps; t != NULL; t = t->next) {
		if (strcmp(t->pipeline, from->ctx.pipeline) == 0 &&
		    strcmp(t->stage, from->ctx.stage) == 0) {
			t->on_batch(batch, t->data);
		}
	}
	pthread_rwlock_unlock(&engine->taps_lock);
}

/* (gives) the id of the stage to tap; "" stands for the last one before the first sink. */
static int find_stage(struct drip_engine *engine, const char *pipeline, const char *stage,
		      char **ret, struct drip_error *err)
{
	const struct drip_pipeline *p;
	const char *id = NULL;

	pthread_mutex_lock(&engine->lock);
	p = drip_pipeline_find(engine, pipeline);
	for (uint32_t i = 0; p != NULL && i < p->edition->spec->stages_count && id == NULL; i++) {
		const struct drip_stage *s = &p->edition->spec->stages[i];

		if (stage[0] == '\0' && s->kind == DRIP_KIND_SINK) {
			id = p->edition->spec->stages[s->input].id;
		} else if (strcmp(s->id, stage) == 0 && s->kind != DRIP_KIND_SINK) {
			id = s->id;
		}
	}
	*ret = id != NULL ? drip_strdup(id) : NULL;
	pthread_mutex_unlock(&engine->lock);
	if (p == NULL) {
		return drip_error_set(err, -ENOENT, "engine.unknown_pipeline",
				      "there is no pipeline \"%s\"", pipeline);
	}
	if (id == NULL) {
		return drip_error_set(err, -ENOENT, "engine.unknown_stage",
				      "pipeline \"%s\" has no stage \"%s\" that puts out rows",
				      pipeline, stage);
	}
	return *ret != NULL ? 0 : drip_error_nomem(err, strlen(stage));
}

int drip_engine_tap(struct drip_engine *engine, const char *pipeline, const char *stage,
		    void (*on_batch)(const struct drip_batch *batch, void *data), void *data,
		    struct drip_tap **ret, struct drip_error *err)
{
	struct drip_tap *t = drip_calloc(1, sizeof(*t));
	int rc;

	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	rc = find_stage(engine, pipeline, stage, &t->stage, err);
	if (rc == 0) {
		t->pipeline = drip_strdup(pipeline);
		rc = t->pipeline != NULL ? 0 : drip_error_nomem(err, strlen(pipeline));
	}
	if (rc < 0) {
		free(t->stage);
		free(t);
		return rc;
	}
	t->engine = engine;
	t->on_batch = on_batch;
	t->data = data;
	pthread_rwlock_wrlock(&engine->taps_lock);
	t->next = engine->taps;
	engine->taps = t;
	__atomic_add_fetch(&engine->taps_count, 1, __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&engine->taps_lock);
	*ret = t;
	return 0;
}

void drip_engine_untap(struct drip_tap *tap)
{
	struct drip_tap **at;

	if (tap == NULL) {
		return;
	}
	pthread_rwlock_wrlock(&tap->engine->taps_lock);
	for (at = &tap->engine->taps; *at != tap; at = &(*at)->next) {
	}
	*at = tap->next;
	__atomic_sub_fetch(&tap->engine->taps_count, 1, __ATOMIC_RELEASE);
	pthread_rwlock_unlock(&tap->engine->taps_lock);
	free(tap->pipeline);
	free(tap->stage);
	free(tap);
}
