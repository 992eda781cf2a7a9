/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking back what changed. A snapshot that goes on after a restart sees a later state of the
 * server than it began with. The log between the two holds, for each row that changed, the image
 * before its first change: that is the row as the snapshot must give it, and a row whose first
 * change is an insert was not there. So the rows of the snapshot are the same in every run. Memory
 * is bounded by the option undo_memory.
 */
#ifndef DRIPLINE_MYSQL_UNDO_H
#define DRIPLINE_MYSQL_UNDO_H

#include "scan.h"
#include "source.h"

struct drip_my_undo;

/* (gives) Reads the log from s->at.place to `view->place`. */
int drip_my_undo_create(struct drip_my_source *s, const struct drip_my_position *view,
			struct drip_my_undo **ret, struct drip_error *err) DRIP_MUST_CHECK;
void drip_my_undo_destroy(struct drip_my_undo *u); /* NULL is accepted */
/* Begins with the slot's table, read in order of its `page_keys` key columns; 0: in no order. Old
 * rows at or before `mark` were given by an earlier run. */
int drip_my_undo_table(struct drip_my_undo *u, struct drip_my_slot *slot, uint32_t page_keys,
		       const struct drip_my_mark *mark, struct drip_error *err) DRIP_MUST_CHECK;
/* In order: appends the old rows whose key is before `key`, and the one with that key. 1: the row
 * that the server has under `key` now is to be left out. */
int drip_my_undo_until(struct drip_my_undo *u, const uint64_t *key,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Without order: is the row that was read last to be left out? 1 or 0, or a negative errno. */
int drip_my_undo_touched(struct drip_my_undo *u, const struct drip_my_scan *row) DRIP_MUST_CHECK;
/* Appends the old rows that are left. */
int drip_my_undo_rest(struct drip_my_undo *u, struct drip_error *err) DRIP_MUST_CHECK;

#endif
