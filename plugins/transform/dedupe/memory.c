/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Storing the set of rows: one state entry a segment, and one that says which segments there are.
 * An epoch stores the segments that it touched, so what it costs hangs on the rows of the epoch,
 * not on the size of the window. Native byte order: the state does not leave the machine.
 */
#include "memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_KEY "window"

struct window {
	uint64_t tag, first, next;
};

struct segment {
	uint64_t number, count;
	struct drip_rowset_entry entries[DRIP_ROWSET_SEGMENT];
};

static void segment_key(uint64_t segment, char key[40])
{
	snprintf(key, 40, "segment-%" PRIu64, segment);
}

static int damaged(struct drip_error *err, const char *key)
{
	int rc = drip_error_set(err, -EBADMSG, "dedupe.bad_state",
				"the stored memory '%s' of the stage is damaged", key);

	drip_error_hint(err, "Give the stage another id to begin with an empty memory.");
	return rc;
}

static int load_segment(struct memory *m, uint64_t index, const struct window *w,
			struct drip_error *err)
{
	struct segment *segment;
	uint64_t skip;
	size_t size;
	void *value;
	char key[40];
	int rc;

	segment_key(index, key);
	rc = m->ctx->host->state_get(m->ctx, key, &value, &size, err);
	if (rc != 0) {
		return rc == -ENOENT ? damaged(err, key) : rc;
	}
	segment = value;
	if (size < offsetof(struct segment, entries) || segment->count > DRIP_ROWSET_SEGMENT ||
	    size != offsetof(struct segment, entries) +
			    segment->count * sizeof(struct drip_rowset_entry)) {
		free(value);
		return damaged(err, key);
	}
	skip = segment->number < w->first ? w->first - segment->number : 0;
	if (skip < segment->count) {
		rc = drip_rowset_load(&m->set, segment->number + skip, segment->entries + skip,
				      segment->count - skip, err);
	}
	free(value);
	return rc;
}

int memory_load(struct memory *m, struct drip_error *err)
{
	struct window w;
	uint64_t last;
	size_t size;
	void *value;
	int rc = m->ctx->host->state_get(m->ctx, WINDOW_KEY, &value, &size, err);

	if (rc != 0) {
		return rc == -ENOENT ? 0 : rc;
	}
	if (size != sizeof(w)) {
		free(value);
		return damaged(err, WINDOW_KEY);
	}
	memcpy(&w, value, sizeof(w));
	free(value);
	m->stored_first = w.first / DRIP_ROWSET_SEGMENT;
	m->stored_window[0] = w.first;
	m->stored_window[1] = w.next;
	m->set.first = m->set.next = w.next;
	if (w.first == w.next || w.tag != m->tag) {
		return 0;
	}
	m->set.first = m->set.next = w.first;
	last = (w.next - 1) / DRIP_ROWSET_SEGMENT;
	for (uint64_t i = m->stored_first; rc == 0 && i <= last; i++) {
		rc = load_segment(m, i, &w, err);
	}
	if (rc == 0 && m->set.next != w.next) {
		rc = damaged(err, WINDOW_KEY);
	}
	return rc;
}

static int store_segment(struct memory *m, uint64_t index, struct segment *scratch,
			 struct drip_error *err)
{
	char key[40];

	segment_key(index, key);
	scratch->count = drip_rowset_segment(&m->set, index, scratch->entries, &scratch->number);
	return m->ctx->host->state_put(m->ctx, key, scratch,
				       offsetof(struct segment, entries) +
					       scratch->count * sizeof(struct drip_rowset_entry),
				       err);
}

int memory_store(struct memory *m, struct drip_error *err)
{
	struct window w = {m->tag, m->set.first, m->set.next};
	uint64_t first = w.first / DRIP_ROWSET_SEGMENT;
	struct segment *scratch;
	char key[40];
	int rc = 0;

	scratch = calloc(1, sizeof(*scratch));
	if (scratch == NULL) {
		return drip_error_nomem(err, sizeof(*scratch));
	}
	for (uint64_t i = first;
	     rc == 0 && w.first != w.next && i <= (w.next - 1) / DRIP_ROWSET_SEGMENT; i++) {
		if (drip_rowset_is_dirty(&m->set, i)) {
			rc = store_segment(m, i, scratch, err);
		}
	}
	free(scratch);
	while (rc == 0 && m->stored_first < first) {
		segment_key(m->stored_first, key);
		rc = m->ctx->host->state_put(m->ctx, key, NULL, 0, err);
		m->stored_first++;
	}
	if (rc == 0 && (m->stored_window[0] != w.first || m->stored_window[1] != w.next)) {
		rc = m->ctx->host->state_put(m->ctx, WINDOW_KEY, &w, sizeof(w), err);
		m->stored_window[0] = w.first;
		m->stored_window[1] = w.next;
	}
	return rc;
}
