/* SPDX-License-Identifier: Apache-2.0 */
/*
 * State that components keep: put into the open epoch, durable with its checkpoint, forgotten when
 * the attempt fails. A get sees the latest put of the attempt, then what is durable.
 */
#include "base/alloc.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* (gives) a copy that is not NULL where there is memory, also of nothing. */
static void *copy_value(const void *value, size_t size)
{
	void *copy = drip_malloc(size != 0 ? size : 1);

	if (copy != NULL && size != 0) {
		memcpy(copy, value, size);
	}
	return copy;
}

static void entry_finish(struct state_entry *e)
{
	free(e->stage);
	free(e->key);
	free(e->value);
}

void drip_state_finish(struct state_set *s)
{
	for (size_t i = 0; i < s->count; i++) {
		entry_finish(&s->items[i]);
	}
	free(s->items);
	memset(s, 0, sizeof(*s));
}

static struct state_entry *find(const struct state_set *s, const char *stage, const char *key)
{
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->items[i].key, key) == 0 && strcmp(s->items[i].stage, stage) == 0) {
			return &s->items[i];
		}
	}
	return NULL;
}

/* Takes the entry's strings and value, also on failure. */
static int add(struct state_set *s, struct state_entry *entry, struct drip_error *err)
{
	struct state_entry *old = find(s, entry->stage, entry->key);

	if (old != NULL) {
		entry_finish(old);
		*old = *entry;
		return 0;
	}
	if (!drip_grow((void **)&s->items, &s->capacity, s->count + 1, sizeof(*entry))) {
		entry_finish(entry);
		return drip_error_nomem(err, (s->count + 1) * sizeof(*entry));
	}
	s->items[s->count++] = *entry;
	return 0;
}

int drip_state_merge(struct state_set *to, struct state_set *from, struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < from->count; i++) {
		if (rc == 0) {
			rc = add(to, &from->items[i], err);
		} else {
			entry_finish(&from->items[i]);
		}
	}
	from->count = 0;
	drip_state_finish(from);
	return rc;
}

int drip_state_put(struct drip_instance *i, const char *key, const void *value, size_t size,
		   struct drip_error *err)
{
	struct state_entry entry = {.size = size, .deleted = value == NULL};
	int rc;

	if (i->run == NULL) {
		return drip_error_set(err, -ENOTSUP, "engine.no_state",
				      "connections and services keep no state");
	}
	if (size > ENGINE_STATE_MAX_BYTES) {
		return drip_error_set(err, -E2BIG, "engine.state_too_large",
				      "state \"%s\" has %zu bytes, %u at most", key, size,
				      ENGINE_STATE_MAX_BYTES);
	}
	entry.stage = drip_strdup(i->ctx.stage);
	entry.key = drip_strdup(key);
	entry.value = value != NULL ? copy_value(value, size) : NULL;
	if (entry.stage == NULL || entry.key == NULL || (value != NULL && entry.value == NULL)) {
		entry_finish(&entry);
		return drip_error_nomem(err, size);
	}
	pthread_mutex_lock(&i->run->lock);
	rc = add(&i->pending, &entry, err);
	pthread_mutex_unlock(&i->run->lock);
	return rc;
}

/* The latest put of this attempt. run->lock is held. */
static const struct state_entry *find_recent(struct drip_instance *i, const char *key)
{
	const struct state_entry *e = find(&i->pending, i->ctx.stage, key);
	void *epochs[DRIP_COMMIT_EPOCHS_MAX];
	size_t count;

	if (e != NULL || i->run->commit == NULL) {
		return e;
	}
	count = drip_commit_in_flight(i->run->commit, epochs);
	while (e == NULL && count-- > 0) {
		const struct epoch_data *data = epochs[count];

		e = data != NULL ? find(&data->states, i->ctx.stage, key) : NULL;
	}
	return e;
}

static int no_such_state(const char *key, struct drip_error *err)
{
	return drip_error_set(err, -ENOENT, "engine.no_state", "there is no state \"%s\"", key);
}

int drip_state_get(struct drip_instance *i, const char *key, void **ret, size_t *ret_size,
		   struct drip_error *err)
{
	const struct drip_durable *durable = i->engine->options.durable;
	const struct state_entry *e;
	void *copy = NULL;
	size_t size = 0;
	bool found, deleted = false;

	if (i->run == NULL) {
		return no_such_state(key, err);
	}
	pthread_mutex_lock(&i->run->lock);
	e = find_recent(i, key);
	found = e != NULL;
	if (found && !e->deleted) {
		size = e->size;
		copy = copy_value(e->value, size);
	}
	deleted = found && e->deleted;
	pthread_mutex_unlock(&i->run->lock);
	if (deleted) {
		return no_such_state(key, err);
	}
	if (!found) {
		return durable->state_get(durable->self, i->ctx.pipeline, i->ctx.stage, key, ret,
					  ret_size, err);
	}
	if (copy == NULL) {
		return drip_error_nomem(err, size);
	}
	*ret = copy;
	*ret_size = size;
	return 0;
}
