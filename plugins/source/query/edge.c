/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The edge of an incremental read, and its form in a position. Order: the watermark, then how many
 * rows of it were emitted. Detail: a struct stored_edge, in the byte order of the machine.
 */
#include "query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define STORED_VERSION 1

struct stored_edge {
	uint32_t version, listed; /* hashes that follow: all rows, or none */
	int64_t watermark;
	uint64_t count;
	struct drip_hash sum;
	uint64_t hashes[QUERY_EDGE_LIST]; /* low halves */
};

_Static_assert(sizeof(struct stored_edge) <= DRIP_POSITION_DETAIL_MAX, "an edge fits a position");

int query_edge_init(struct query_edge *e, struct drip_error *err)
{
	memset(e, 0, sizeof(*e));
	return drip_rowset_init(&e->rows, QUERY_EDGE_MAX, err);
}

void query_edge_finish(struct query_edge *e)
{
	drip_rowset_finish(&e->rows);
}

/* Sets hold low halves only, since that is what positions hold. */
static struct drip_hash half(uint64_t low)
{
	return (struct drip_hash){low, 0};
}

bool query_edge_has(struct query_edge *e, int64_t watermark, const struct drip_hash *hash,
		    uint64_t run)
{
	struct drip_hash low = half(hash->low);
	const struct drip_rowset_entry *entry;

	if (!e->set || e->watermark != watermark) {
		return false;
	}
	entry = drip_rowset_find(&e->rows, &low);
	return entry != NULL && entry->time != (int64_t)run;
}

static void begin(struct query_edge *e, int64_t watermark)
{
	drip_rowset_clear(&e->rows);
	e->set = true;
	e->partial = false;
	e->watermark = watermark;
	e->count = 0;
	e->sum = half(0);
}

int query_edge_add(struct query_edge *e, int64_t watermark, const struct drip_hash *hash,
		   uint64_t run, struct drip_error *err)
{
	struct drip_hash low = half(hash->low);

	if (!e->set || e->watermark != watermark) {
		begin(e, watermark);
	}
	e->count++;
	e->sum.low += hash->low;
	e->sum.high += hash->high;
	e->partial |= e->rows.live == QUERY_EDGE_MAX;
	if (drip_rowset_find(&e->rows, &low) != NULL) {
		return 0;
	}
	return drip_rowset_add(&e->rows, &low, (int64_t)run, err);
}

void query_edge_save(const struct query_edge *e, bool is_unsigned, struct drip_position *p)
{
	struct stored_edge stored;
	size_t size = offsetof(struct stored_edge, hashes);

	memset(&stored, 0, sizeof(stored));
	stored.version = STORED_VERSION;
	stored.watermark = e->watermark;
	stored.count = e->count;
	stored.sum = e->sum;
	if (e->rows.live == e->count && e->count <= QUERY_EDGE_LIST) {
		for (uint64_t n = e->rows.first; n != e->rows.next; n++) {
			const struct drip_rowset_entry *entry =
				&e->rows.ring[n & (e->rows.capacity - 1)];

			stored.hashes[stored.listed++] = entry->hash.low;
		}
		size += stored.listed * sizeof(stored.hashes[0]);
	}
	p->order_size = 0;
	drip_position_add_u64(p, query_order(e->watermark, is_unsigned));
	drip_position_add_u64(p, e->count);
	memcpy(p->detail, &stored, size);
	p->detail_size = (uint16_t)size;
}

int query_edge_load(struct query_edge *e, const struct drip_position *p, struct drip_error *err)
{
	struct stored_edge stored = {0};
	int rc = 0;

	if (p->detail_size < offsetof(struct stored_edge, hashes) ||
	    p->detail_size > sizeof(stored)) {
		goto bad;
	}
	memcpy(&stored, p->detail, p->detail_size);
	if (stored.version != STORED_VERSION || stored.listed > QUERY_EDGE_LIST ||
	    p->detail_size != offsetof(struct stored_edge, hashes) +
				      stored.listed * sizeof(stored.hashes[0])) {
		goto bad;
	}
	begin(e, stored.watermark);
	e->count = stored.count;
	e->sum = stored.sum;
	e->partial = stored.listed != stored.count;
	for (uint32_t i = 0; rc == 0 && i < stored.listed; i++) {
		struct drip_hash low = half(stored.hashes[i]);

		rc = drip_rowset_add(&e->rows, &low, 0, err);
	}
	return rc;
bad:
	rc = drip_error_set(err, -EINVAL, "query.bad_position",
			    "position '%.100s' is not one of an incremental query", p->text);
	drip_error_hint(err, "Reset the checkpoint of the pipeline.");
	return rc;
}

int query_edge_recall(struct query_edge *e, const struct drip_hash *hashes, uint64_t count,
		      bool *ret_doubt, struct drip_error *err)
{
	struct drip_hash sum = half(0);
	int rc = 0;

	*ret_doubt = false;
	for (uint64_t i = 0; i < e->count && i < count; i++) {
		sum.low += hashes[i].low;
		sum.high += hashes[i].high;
	}
	if (count < e->count || sum.low != e->sum.low || sum.high != e->sum.high) {
		*ret_doubt = true;
		begin(e, e->watermark);
		return 0;
	}
	e->partial = false;
	for (uint64_t i = 0; rc == 0 && i < e->count; i++) {
		struct drip_hash low = half(hashes[i].low);

		if (drip_rowset_find(&e->rows, &low) == NULL) {
			rc = drip_rowset_add(&e->rows, &low, 0, err);
		}
	}
	return rc;
}
