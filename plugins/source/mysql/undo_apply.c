/* SPDX-License-Identifier: Apache-2.0 */
/* Giving old rows while a snapshot goes on: see undo.h. */
#include "undo_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_page(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	for (unsigned i = 0; i < DRIP_MY_PAGE_KEYS; i++) {
		if (x->page[i] != y->page[i]) {
			return x->page[i] < y->page[i] ? -1 : 1;
		}
	}
	return 0;
}

static int compare_key(const struct entry *e, const uint64_t *key, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (e->page[i] != key[i]) {
			return e->page[i] < key[i] ? -1 : 1;
		}
	}
	return 0;
}

int drip_my_undo_table(struct drip_my_undo *u, struct drip_my_slot *slot, uint32_t page_keys,
		       const struct drip_my_mark *mark, struct drip_error *err)
{
	struct changed_table *t = drip_my_undo_find_table(u, slot->database, slot->name, false);

	u->current = t;
	u->slot = slot;
	u->page_keys = page_keys;
	u->next = 0;
	if (t == NULL) {
		return 0;
	}
	if (page_keys > 0) {
		free(t->slots); /* the order of the entries changes */
		t->slots = NULL;
		t->slots_count = 0;
		qsort(t->entries, t->count, sizeof(*t->entries), compare_page);
		while (mark->keys_count == page_keys && u->next < t->count &&
		       compare_key(&t->entries[u->next], mark->keys, page_keys) <= 0) {
			u->next++;
		}
		return 0;
	}
	return drip_my_undo_columns(u, slot->table, err);
}

/* An old row may have the columns of an older description: those that are there still. */
static int append_altered(struct drip_my_undo *u, const struct entry *e, struct drip_error *err)
{
	const struct drip_my_table *now = u->slot->table, *then = e->layout->table;
	const uint8_t *image = e->key + e->key_size, *p;
	size_t size;

	for (uint32_t i = 0; i < now->count; i++) {
		int at = drip_my_table_find(then, now->columns[i].name);
		struct drip_column a, b;
		struct drip_my_cell cell;

		if (u->slot->out[i] == UINT32_MAX) {
			continue;
		}
		if (at < 0) {
			drip_append_null(&u->slot->builder.columns[u->slot->out[i]]);
			continue;
		}
		drip_my_type_column(&now->columns[i], u->source->values.zero, &a);
		drip_my_type_column(&then->columns[at], u->source->values.zero, &b);
		if (a.type != b.type || a.scale != b.scale) {
			drip_error_set(err, -EINVAL, "mysql.snapshot_conflict",
				       "%s.%s was altered while the snapshot was interrupted",
				       now->database, now->name);
			drip_error_hint(err, "Reset the checkpoint of the pipeline to begin anew.");
			return -EINVAL;
		}
		cell = e->layout->plan.cells[at];
		cell.out = &u->slot->builder.columns[u->slot->out[i]];
		if (drip_my_image_value(&e->layout->plan, image, image + e->image_size,
					(uint32_t)at, &p, &size)) {
			cell.append(&cell, p, size);
		} else {
			drip_append_null(cell.out);
		}
	}
	return 0;
}

static int append_old(struct drip_my_undo *u, const struct entry *e, struct drip_error *err)
{
	int rc = append_altered(u, e, err);

	if (rc == 0) {
		drip_builder_row(&u->slot->builder, DRIP_OP_READ);
		rc = u->source->values.rc;
		if (rc != 0) {
			*err = u->source->values.error;
		}
	}
	return rc;
}

int drip_my_undo_until(struct drip_my_undo *u, const uint64_t *key, struct drip_error *err)
{
	struct changed_table *t = u->current;

	while (t != NULL && u->next < t->count) {
		const struct entry *e = &t->entries[u->next];
		int order = compare_key(e, key, u->page_keys);
		int rc = 0;

		if (order > 0) {
			break;
		}
		if (e->existed) {
			rc = append_old(u, e, err);
		}
		if (rc != 0) {
			return rc;
		}
		u->next++;
		if (order == 0) {
			return 1;
		}
	}
	return 0;
}

int drip_my_undo_touched(struct drip_my_undo *u, const struct drip_my_scan *row)
{
	const struct drip_my_table *table = u->slot->table;
	uint32_t keys[DRIP_MY_KEY_MAX];
	bool keyed = drip_my_table_key(table, keys) > 0;
	struct entry *e;

	if (u->current == NULL) {
		return 0;
	}
	u->key_size = 0;
	for (uint32_t i = 0; i < row->count; i++) {
		struct drip_my_cell cell = row->cells[i];

		if (!drip_my_undo_is_key(table, keyed, row->columns[i])) {
			continue;
		}
		cell.out = &u->columns[row->columns[i]];
		if (row->values[i] == NULL) {
			drip_append_null(cell.out);
		} else {
			cell.append(&cell, row->values[i], row->sizes[i]);
		}
		if (!drip_my_undo_key_take(u, cell.out)) {
			return -ENOMEM;
		}
	}
	e = drip_my_undo_find(u, u->current, NULL);
	if (e == NULL || keyed) {
		return e != NULL;
	}
	if (e->delta > 0) { /* one of those that came */
		e->delta--;
		return 1;
	}
	return 0;
}

int drip_my_undo_rest(struct drip_my_undo *u, struct drip_error *err)
{
	struct changed_table *t = u->current;
	int rc = 0;

	for (; t != NULL && u->next < t->count && rc == 0; u->next++) {
		const struct entry *e = &t->entries[u->next];
		bool keyed = e->layout->plan.keys_count > 0;

		if (keyed && e->existed) {
			rc = append_old(u, e, err);
		}
		for (int64_t i = e->delta; !keyed && i < 0 && rc == 0; i++) {
			rc = append_old(u, e, err);
		}
	}
	return rc;
}
