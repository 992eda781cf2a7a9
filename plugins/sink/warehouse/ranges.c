/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether shards of one target share a key. Rows of first loads need no stage while no two sources
 * can have a key in common, which is so while the ranges of the first key column do not meet: those
 * of monthly shards with numbers that grow do not. Integers are ordered as numbers, text by length
 * and then by bytes, which orders numbers that a feed has made text as numbers; any order would do.
 * A source whose keys are of another type, null or long is unlike all others. Thread: the sink's.
 */
#include "private.h"

#include <string.h>

struct key {
	int64_t number; /* or the length of the text */
	const uint8_t *text;
};

static int compare(const struct key *a, const struct key *b)
{
	if (a->number != b->number) {
		return a->number < b->number ? -1 : 1;
	}
	return a->text != NULL && a->number > 0 ? memcmp(a->text, b->text, (size_t)a->number) : 0;
}

static struct key bound(const struct wh_range *r, const struct wh_bound *b)
{
	return (struct key){.number = b->number, .text = r->is_text ? b->text : NULL};
}

/* False for a type that is not compared, and for text that is too long to be kept. */
static bool read_key(const struct ArrowArray *a, enum drip_type type, int64_t row, struct key *ret)
{
	const void *data = a->buffers[1];
	int64_t at = a->offset + row;

	ret->text = NULL;
	switch (type) {
	case DRIP_TYPE_INT64:
		ret->number = ((const int64_t *)data)[at];
		return true;
	case DRIP_TYPE_INT32:
		ret->number = ((const int32_t *)data)[at];
		return true;
	case DRIP_TYPE_UTF8: {
		const int32_t *offsets = data;

		ret->number = offsets[at + 1] - offsets[at];
		ret->text = (const uint8_t *)a->buffers[2] + offsets[at];
		return ret->number <= WH_KEY_TEXT_MAX;
	}
	default:
		return false;
	}
}

static void keep(struct wh_bound *b, const struct key *k)
{
	b->number = k->number;
	if (k->text != NULL) {
		memcpy(b->text, k->text, (size_t)k->number);
	}
}

/* False where the keys of the batch are not fit for a range. */
static bool extend(struct wh_range *r, const struct ArrowArray *a, enum drip_type type)
{
	struct key k, low, high;

	if (a->null_count != 0 || a->length == 0 || !read_key(a, type, 0, &k)) {
		return a->null_count == 0 && a->length == 0;
	}
	if (!r->known) {
		r->known = true;
		r->is_text = k.text != NULL;
		keep(&r->low, &k);
		keep(&r->high, &k);
	}
	if (r->is_text != (k.text != NULL)) {
		return false; /* the column has another type now */
	}
	low = bound(r, &r->low);
	high = bound(r, &r->high);
	for (int64_t row = 0; row < a->length; row++) {
		if (!read_key(a, type, row, &k)) {
			return false;
		}
		if (compare(&k, &low) < 0) {
			low = k;
		} else if (compare(&k, &high) > 0) {
			high = k;
		}
	}
	/* Each lies in the batch or is what was kept. */
	if (low.text == NULL || low.text != r->low.text) {
		keep(&r->low, &low);
	}
	if (high.text == NULL || high.text != r->high.text) {
		keep(&r->high, &high);
	}
	return true;
}

static bool meet(const struct wh_range *a, const struct wh_range *b)
{
	struct key a_low, a_high, b_low, b_high;

	if (a->is_text != b->is_text) {
		return true;
	}
	a_low = bound(a, &a->low);
	a_high = bound(a, &a->high);
	b_low = bound(b, &b->low);
	b_high = bound(b, &b->high);
	return compare(&a_low, &b_high) <= 0 && compare(&b_low, &a_high) <= 0;
}

bool wh_keys_apart(const struct wh *wh, struct wh_source *s, const struct drip_batch *batch)
{
	const struct wh_target *t = s->target;
	int index = t->keys_count > 0 ? drip_schema_find(batch->schema, t->keys[0]) : -1;

	if (!s->range.unfit) {
		s->range.unfit = index < 0 ||
				 !extend(&s->range, batch->array.children[index],
					 drip_schema_column(batch->schema, (uint32_t)index)->type);
	}
	for (const struct wh_source *o = wh->sources; o != NULL; o = o->next) {
		if (o == s || o->target != t || (!o->range.known && !o->range.unfit)) {
			continue;
		}
		if (s->range.unfit || o->range.unfit || meet(&s->range, &o->range)) {
			return false;
		}
	}
	return true;
}
