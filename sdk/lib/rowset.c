/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of row hashes with a hash table over it (linear probing, deletion by shifting back). The
 * ring grows by doubling up to the limit; an entry number n stands at n modulo the capacity.
 */
#include <dripline/rowset.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY DRIP_ROWSET_SEGMENT

static uint64_t place_of(const struct drip_rowset *s, uint64_t number)
{
	return number & (s->capacity - 1);
}

static bool is_removed(const struct drip_rowset_entry *e)
{
	return e->time == INT64_MIN;
}

/* Slot that holds the hash, or the free one where it would go. */
static uint64_t find_slot(const struct drip_rowset *s, const struct drip_hash *hash)
{
	uint64_t slot = hash->low & s->slots_mask;

	while (s->slots[slot] != 0) {
		const struct drip_rowset_entry *e = &s->ring[s->slots[slot] - 1];

		if (e->hash.low == hash->low && e->hash.high == hash->high) {
			return slot;
		}
		slot = (slot + 1) & s->slots_mask;
	}
	return slot;
}

/* Frees a slot, and moves those back that had to step over it. */
static void free_slot(struct drip_rowset *s, uint64_t slot)
{
	uint64_t next = slot;

	for (;;) {
		uint64_t home;

		s->slots[slot] = 0;
		do {
			next = (next + 1) & s->slots_mask;
			if (s->slots[next] == 0) {
				return;
			}
			home = s->ring[s->slots[next] - 1].hash.low & s->slots_mask;
			/* it stays where its home lies cyclically in (slot, next] */
		} while (slot <= next ? slot < home && home <= next : slot < home || home <= next);
		s->slots[slot] = s->slots[next];
		slot = next;
	}
}

static void touch(struct drip_rowset *s, uint64_t number)
{
	s->dirty[place_of(s, number) / DRIP_ROWSET_SEGMENT] = 1;
}

int drip_rowset_init(struct drip_rowset *s, uint64_t limit, struct drip_error *err)
{
	memset(s, 0, sizeof(*s));
	if (limit == 0 || limit > DRIP_ROWSET_MAX) {
		return drip_error_set(err, -EINVAL, "rowset.bad_limit",
				      "a set of rows holds 1 to %llu of them",
				      (unsigned long long)DRIP_ROWSET_MAX);
	}
	s->limit = limit;
	return 0;
}

void drip_rowset_finish(struct drip_rowset *s)
{
	free(s->ring);
	free(s->slots);
	free(s->dirty);
	memset(s, 0, sizeof(*s));
}

static void index_all(struct drip_rowset *s)
{
	memset(s->slots, 0, (s->slots_mask + 1) * sizeof(*s->slots));
	for (uint64_t n = s->first; n != s->next; n++) {
		const struct drip_rowset_entry *e = &s->ring[place_of(s, n)];

		if (!is_removed(e)) {
			s->slots[find_slot(s, &e->hash)] = (uint32_t)place_of(s, n) + 1;
		}
	}
}

static int grow(struct drip_rowset *s, struct drip_error *err)
{
	uint64_t capacity = s->capacity == 0 ? FIRST_CAPACITY : s->capacity * 2;
	uint64_t slots = capacity * 2;
	struct drip_rowset old = *s;
	size_t size = capacity * sizeof(*s->ring);

	s->ring = (struct drip_rowset_entry *)malloc(size);
	s->slots = (uint32_t *)malloc(slots * sizeof(*s->slots));
	s->dirty = (uint8_t *)malloc(capacity / DRIP_ROWSET_SEGMENT);
	if (s->ring == NULL || s->slots == NULL || s->dirty == NULL) {
		free(s->ring);
		free(s->slots);
		free(s->dirty);
		*s = old;
		return drip_error_nomem(err, size);
	}
	s->capacity = capacity;
	s->slots_mask = slots - 1;
	memset(s->dirty, 0, capacity / DRIP_ROWSET_SEGMENT);
	for (uint64_t n = s->first; n != s->next; n++) {
		s->ring[place_of(s, n)] = old.ring[place_of(&old, n)];
		if (old.dirty[place_of(&old, n) / DRIP_ROWSET_SEGMENT] != 0) {
			touch(s, n);
		}
	}
	index_all(s);
	free(old.ring);
	free(old.slots);
	free(old.dirty);
	return 0;
}

struct drip_rowset_entry *drip_rowset_find(struct drip_rowset *s, const struct drip_hash *hash)
{
	uint32_t place;

	if (s->live == 0) {
		return NULL;
	}
	place = s->slots[find_slot(s, hash)];
	return place == 0 ? NULL : &s->ring[place - 1];
}

static void drop_first(struct drip_rowset *s)
{
	struct drip_rowset_entry *e = &s->ring[place_of(s, s->first)];

	if (!is_removed(e)) {
		free_slot(s, find_slot(s, &e->hash));
		s->live--;
	}
	s->first++;
}

/* Appends an entry, removed or not. */
static int append(struct drip_rowset *s, const struct drip_rowset_entry *entry,
		  struct drip_error *err)
{
	uint64_t place;
	int rc;

	while (s->next - s->first >= s->limit) {
		drop_first(s);
	}
	/* a segment is never shared by the oldest and the newest entries */
	if (s->capacity == 0 || s->next - s->first + 2 * DRIP_ROWSET_SEGMENT > s->capacity) {
		rc = grow(s, err);
		if (rc != 0) {
			return rc;
		}
	}
	place = place_of(s, s->next);
	s->ring[place] = *entry;
	if (!is_removed(entry)) {
		s->slots[find_slot(s, &entry->hash)] = (uint32_t)place + 1;
		s->live++;
	}
	touch(s, s->next++);
	return 0;
}

int drip_rowset_add(struct drip_rowset *s, const struct drip_hash *hash, int64_t time,
		    struct drip_error *err)
{
	struct drip_rowset_entry entry = {*hash, time == INT64_MIN ? INT64_MIN + 1 : time};

	return append(s, &entry, err);
}

void drip_rowset_remove(struct drip_rowset *s, const struct drip_hash *hash)
{
	struct drip_rowset_entry *e = drip_rowset_find(s, hash);

	if (e == NULL) {
		return;
	}
	free_slot(s, find_slot(s, hash));
	s->dirty[(uint64_t)(e - s->ring) / DRIP_ROWSET_SEGMENT] = 1;
	e->time = INT64_MIN;
	s->live--;
}

void drip_rowset_expire(struct drip_rowset *s, int64_t time)
{
	while (s->first != s->next && s->ring[place_of(s, s->first)].time < time) {
		drop_first(s);
	}
}

void drip_rowset_clear(struct drip_rowset *s)
{
	while (s->first != s->next) {
		drop_first(s);
	}
}

bool drip_rowset_is_dirty(const struct drip_rowset *s, uint64_t segment)
{
	return s->capacity != 0 &&
	       s->dirty[place_of(s, segment * DRIP_ROWSET_SEGMENT) / DRIP_ROWSET_SEGMENT] != 0;
}

size_t drip_rowset_segment(struct drip_rowset *s, uint64_t segment, struct drip_rowset_entry *out,
			   uint64_t *ret_number)
{
	uint64_t from = segment * DRIP_ROWSET_SEGMENT, to = from + DRIP_ROWSET_SEGMENT;

	from = from < s->first ? s->first : from;
	to = to > s->next ? s->next : to;
	*ret_number = from;
	for (uint64_t n = from; n < to; n++) {
		out[n - from] = s->ring[place_of(s, n)];
	}
	if (s->capacity != 0) {
		s->dirty[place_of(s, segment * DRIP_ROWSET_SEGMENT) / DRIP_ROWSET_SEGMENT] = 0;
	}
	return from < to ? (size_t)(to - from) : 0;
}

int drip_rowset_load(struct drip_rowset *s, uint64_t number,
		     const struct drip_rowset_entry *entries, size_t count, struct drip_error *err)
{
	if (s->first == s->next) {
		s->first = s->next = number;
	}
	if (number != s->next) {
		return drip_error_set(err, -EBADMSG, "rowset.bad_state",
				      "the stored set of rows has a gap");
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t at = s->next;
		int rc = append(s, &entries[i], err);

		if (rc != 0) {
			return rc;
		}
		s->dirty[place_of(s, at) / DRIP_ROWSET_SEGMENT] = 0;
	}
	return 0;
}
