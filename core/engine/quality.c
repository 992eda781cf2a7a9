/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What quality rules found: gathered in the open epoch and stored with its checkpoint, so that rows
 * which are read again after a failure count once. What makes a pipeline fail is stored at once,
 * since its epoch never has a checkpoint: each try counts. Thread: that of the instance's ops.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void entry_finish(struct drip_quality_entry *e)
{
	free((char *)(uintptr_t)e->stage);
	free((char *)(uintptr_t)e->rule);
	free((char *)(uintptr_t)e->table);
	free((char *)(uintptr_t)e->action);
}

void drip_quality_finish(struct quality_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		entry_finish(&s->items[i]);
	}
	free(s->items);
	*s = (struct quality_set){0};
}

static int add(struct quality_set *s, const struct drip_quality_entry *from, struct drip_error *err)
{
	struct drip_quality_entry e = {.stage = drip_strdup(from->stage),
				       .rule = drip_strdup(from->rule),
				       .table = drip_strdup(from->table),
				       .action = drip_strdup(from->action),
				       .checked = from->checked,
				       .failed = from->failed};

	if (e.stage == NULL || e.rule == NULL || e.table == NULL || e.action == NULL ||
	    !drip_grow((void **)&s->items, &s->capacity, s->count + 1, sizeof(e))) {
		entry_finish(&e);
		return drip_error_nomem(err, sizeof(e));
	}
	s->items[s->count++] = e;
	return 0;
}

int drip_quality_merge(struct quality_set *to, struct quality_set *from, struct drip_error *err)
{
	if (to->count == 0) {
		drip_quality_finish(to);
		*to = *from;
		*from = (struct quality_set){0};
		return 0;
	}
	if (!drip_grow((void **)&to->items, &to->capacity, to->count + from->count,
		       sizeof(*to->items))) {
		return drip_error_nomem(err, from->count * sizeof(*to->items));
	}
	if (from->count != 0) {
		memcpy(&to->items[to->count], from->items, from->count * sizeof(*to->items));
	}
	to->count += from->count;
	from->count = 0; /* the strings have moved */
	drip_quality_finish(from);
	return 0;
}

static int store(struct drip_instance *i, const struct drip_quality_entry *entry,
		 struct drip_error *err)
{
	const struct drip_durable *d = i->engine->options.durable;
	struct drip_run *run = i->run;
	char first[sizeof(run->position)], last[sizeof(run->at.text)];
	struct drip_quality_findings findings = {.run_id = run->run_id,
						 .first_position = first,
						 .last_position = last,
						 .entries = entry,
						 .count = 1};

	pthread_mutex_lock(&run->lock);
	memcpy(first, run->position, sizeof(first));
	pthread_mutex_unlock(&run->lock);
	memcpy(last, i->stage->kind != DRIP_KIND_SINK ? run->at.text : first, sizeof(last));
	return d->quality_put != NULL ? d->quality_put(d->self, i->ctx.pipeline, &findings, err)
				      : 0;
}

static int keep(struct drip_instance *i, const struct drip_quality_entry *entry,
		struct drip_error *err)
{
	bool room;
	int rc = 0;

	pthread_mutex_lock(&i->run->lock);
	room = i->quality.count < ENGINE_QUALITY_MAX;
	if (room) {
		rc = add(&i->quality, entry, err);
	}
	pthread_mutex_unlock(&i->run->lock);
	if (!room) {
		drip_logger_event(DRIP_LOG_WARNING, i->ctx.pipeline, i->ctx.stage, NULL,
				  "more than %d results of quality rules in one epoch: that of "
				  "rule '%s' on table '%s' is not kept",
				  ENGINE_QUALITY_MAX, entry->rule, entry->table);
	}
	return rc;
}

int drip_quality_put(struct drip_instance *i, const struct drip_quality_result *results,
		     size_t count, bool at_once, struct drip_error *err)
{
	int rc = 0;

	if (i->run == NULL) {
		return drip_error_set(err, -ENOTSUP, "engine.no_state",
				      "connections and services keep no results of quality rules");
	}
	for (size_t k = 0; k < count && rc == 0; k++) {
		const struct drip_quality_result *r =
			(const struct drip_quality_result *)((const char *)results +
							     k * results->struct_size);
		struct drip_quality_entry e = {.stage = i->ctx.stage,
					       .rule = r->rule,
					       .table = r->table,
					       .action = r->action,
					       .checked = r->checked,
					       .failed = r->failed};

		rc = at_once ? store(i, &e, err) : keep(i, &e, err);
	}
	return rc;
}
