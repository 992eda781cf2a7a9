/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: duplicate keys and merge keys. A map's own keys win over merged ones, and earlier merged
 * maps over later ones. Keys are looked up in a hash table while a map is made, so a file of a
 * million keys takes linear time.
 */
#include "config/yaml_map.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Open addressing over the pairs of the map being filled; slots hold index + 1. */
struct keys {
	uint32_t *slots;
	size_t mask;
};

static uint64_t hash_text(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (; *text != '\0'; text++) {
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	}
	return h ^ (h >> 32);
}

static int keys_init(struct keys *keys, size_t count)
{
	size_t size = 16;

	while (size < count * 2) {
		size *= 2;
	}
	keys->slots = drip_calloc(size, sizeof(*keys->slots));
	keys->mask = size - 1;
	return keys->slots != NULL ? 0 : -ENOMEM;
}

/* The pair that has `key`, or NULL after making `index` its place. */
static struct drip_node_pair *keys_put(struct keys *keys, struct drip_node *map, const char *key,
				       size_t index)
{
	size_t at = hash_text(key) & keys->mask;

	while (keys->slots[at] != 0) {
		struct drip_node_pair *pair = &map->pairs[keys->slots[at] - 1];

		if (strcmp(pair->key->text, key) == 0) {
			return pair;
		}
		at = (at + 1) & keys->mask;
	}
	keys->slots[at] = (uint32_t)index + 1;
	return NULL;
}

static bool is_merge(const struct drip_node *key)
{
	return key->kind == DRIP_NODE_SCALAR && key->plain && strcmp(key->text, "<<") == 0;
}

/* How many pairs a merge value brings at most; -EINVAL where it is no map or list of maps, which
 * is reported but where the parser has done so. */
static int count_merge(struct drip_findings *findings, const struct drip_node *value, size_t *count)
{
	if (value->kind == DRIP_NODE_MAP && !value->broken) {
		*count += value->count;
		return 0;
	}
	for (size_t i = 0; value->kind == DRIP_NODE_SEQUENCE && i < value->count; i++) {
		if (value->items[i]->kind != DRIP_NODE_MAP || value->items[i]->broken) {
			value = value->items[i];
			break;
		}
		*count += value->items[i]->count;
		if (i + 1 == value->count) {
			return 0;
		}
	}
	if (!value->broken) {
		drip_findings_add(findings, DRIP_SEVERITY_ERROR, &value->place, "config.bad_merge",
				  "Write <<: *NAME, where NAME is the anchor of a map.",
				  "a merge key wants a map or a list of maps");
	}
	return -EINVAL;
}

static void merge_map(struct keys *keys, struct drip_node *map, const struct drip_node *from)
{
	for (size_t i = 0; i < from->count; i++) {
		if (keys_put(keys, map, from->pairs[i].key->text, map->count) == NULL) {
			map->pairs[map->count++] = from->pairs[i];
		}
	}
}

static void merge(struct keys *keys, struct drip_node *map, const struct drip_node *value)
{
	if (value->kind == DRIP_NODE_MAP) {
		merge_map(keys, map, value);
		return;
	}
	for (size_t i = 0; i < value->count; i++) {
		merge_map(keys, map, value->items[i]);
	}
}

static void add_own(struct drip_findings *findings, struct keys *keys, struct drip_node *map,
		    struct drip_node *key, struct drip_node *value)
{
	const struct drip_node_pair *old;

	if (key->broken) {
		map->broken = true;
		return;
	}
	if (key->kind != DRIP_NODE_SCALAR) {
		drip_findings_add(findings, DRIP_SEVERITY_ERROR, &key->place, "config.bad_key",
				  "Quote a key that begins with { or [.",
				  "a key must be a string, not %s", drip_node_describe(key));
		return;
	}
	old = keys_put(keys, map, key->text, map->count);
	if (old != NULL) {
		drip_findings_add(findings, DRIP_SEVERITY_ERROR, &key->place,
				  "config.duplicate_key", "Remove one of the two.",
				  "key \"%s\" is given twice; the first stands at %d:%d", key->text,
				  old->key->place.line, old->key->place.column);
		return;
	}
	map->pairs[map->count].key = key;
	map->pairs[map->count++].value = value;
}

/* Room for all pairs: own ones, and those of merges. */
static int count_pairs(struct drip_findings *findings, struct drip_node *map,
		       struct drip_node **children, size_t count, size_t *nodes, size_t *ret)
{
	size_t merged = 0;

	for (size_t i = 0; i < count; i++) {
		if (is_merge(children[2 * i]) &&
		    count_merge(findings, children[2 * i + 1], &merged) < 0) {
			map->broken = true;
		}
	}
	*nodes += merged;
	if (*nodes > DRIP_YAML_NODES_MAX) {
		drip_findings_add(findings, DRIP_SEVERITY_ERROR, &map->place, "config.too_large",
				  "Use fewer merge keys, or split the file.",
				  "merge keys unfold into more than %d values",
				  DRIP_YAML_NODES_MAX);
		return -EINVAL;
	}
	*ret = count + merged;
	return 0;
}

int drip_yaml_map_fill(struct drip_arena *arena, struct drip_findings *findings,
		       struct drip_node *map, struct drip_node **children, size_t count,
		       size_t *nodes)
{
	struct keys keys;
	size_t room = 0;
	int rc = count_pairs(findings, map, children, count, nodes, &room);

	if (rc < 0) {
		return rc;
	}
	map->pairs = drip_arena_array(arena, room, sizeof(*map->pairs));
	if (map->pairs == NULL || keys_init(&keys, room) < 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (!is_merge(children[2 * i])) {
			add_own(findings, &keys, map, children[2 * i], children[2 * i + 1]);
		}
	}
	for (size_t i = 0; i < count; i++) {
		if (is_merge(children[2 * i]) && !map->broken) {
			merge(&keys, map, children[2 * i + 1]);
		}
	}
	free(keys.slots);
	return 0;
}
