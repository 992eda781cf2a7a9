/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of rows, and a bounded set of them that remembers the latest: what removing duplicates and
 * checking uniqueness need. Used by one thread at a time.
 */
#ifndef DRIPLINE_ROWSET_H
#define DRIPLINE_ROWSET_H

#include <dripline/batch.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 128 bits, so that two different rows are not taken for one: among 10^9 rows the odds of that are
 * below 10^-20. The same on all machines and in all versions. */
struct drip_hash {
	uint64_t low, high;
};

/* Hashes columns `columns[0 ... count)` of each row into `out` (one a row), mixed with `seed`. */
void drip_hash_rows(const struct drip_batch *batch, const uint32_t *columns, uint32_t count,
		    uint64_t seed, struct drip_hash *out);
/* A hash of some bytes, as for a seed. */
uint64_t drip_hash_bytes(const void *data, size_t size, uint64_t seed);

#define DRIP_ROWSET_SEGMENT 4096 /* entries kept and stored together */
#define DRIP_ROWSET_MAX     ((uint64_t)1 << 28)

struct drip_rowset_entry {
	struct drip_hash hash;
	int64_t time; /* the caller's; INT64_MIN where the entry was removed */
};

/* Entries stand in a ring in the order in which they came; where it is full the oldest goes. */
struct drip_rowset {
	struct drip_rowset_entry *ring; /* private from here on, but for reading */
	uint64_t limit;                 /* entries at most */
	uint64_t capacity;              /* of ring, a power of two */
	uint64_t first, next;           /* numbers of the oldest entry and of the one to come */
	uint64_t live;                  /* entries that were not removed */
	uint32_t *slots;                /* hash table: place in ring + 1, 0: free */
	uint64_t slots_mask;
	uint8_t *dirty; /* a flag a segment of the ring: changed since it was stored */
};

/* Holds `limit` entries at most (1 to DRIP_ROWSET_MAX); memory grows with what it holds, about 36
 * bytes an entry. */
int drip_rowset_init(struct drip_rowset *s, uint64_t limit, struct drip_error *err) DRIP_MUST_CHECK;
void drip_rowset_finish(struct drip_rowset *s); /* zeroed is accepted */
/* The entry of `hash`, or NULL; valid until the next change. */
struct drip_rowset_entry *drip_rowset_find(struct drip_rowset *s, const struct drip_hash *hash);
/* Adds a hash that is not in the set. -ENOMEM. */
int drip_rowset_add(struct drip_rowset *s, const struct drip_hash *hash, int64_t time,
		    struct drip_error *err) DRIP_MUST_CHECK;
void drip_rowset_remove(struct drip_rowset *s, const struct drip_hash *hash);
/* Forgets entries from the oldest on, as long as their time is before `time`. */
void drip_rowset_expire(struct drip_rowset *s, int64_t time);
void drip_rowset_clear(struct drip_rowset *s);

/*
 * Keeping it over restarts, segment by segment: segments [first / SEGMENT, (next - 1) / SEGMENT].
 * `load` is called for them in ascending order on an empty set, with entries as `segment` gave
 * them, the first of them number `number`.
 */
bool drip_rowset_is_dirty(const struct drip_rowset *s, uint64_t segment);
/* Copies the entries of a segment to `out` (room for DRIP_ROWSET_SEGMENT), marks it clean; returns
 * how many. *ret_number is the number of the first. */
size_t drip_rowset_segment(struct drip_rowset *s, uint64_t segment, struct drip_rowset_entry *out,
			   uint64_t *ret_number);
int drip_rowset_load(struct drip_rowset *s, uint64_t number,
		     const struct drip_rowset_entry *entries, size_t count,
		     struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
