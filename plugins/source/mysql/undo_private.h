/* SPDX-License-Identifier: Apache-2.0 */
/* What undo.c, which reads the log, and undo_apply.c, which gives the old rows, share. */
#ifndef DRIPLINE_MYSQL_UNDO_PRIVATE_H
#define DRIPLINE_MYSQL_UNDO_PRIVATE_H

#include "undo.h"

/* How images of one table map are read, and the table as it was then. */
struct layout {
	struct drip_my_table *table; /* owned */
	struct drip_my_plan plan;
	uint64_t table_id;
	struct layout *next;
};

struct entry {
	const struct layout *layout; /* of `image` */
	uint8_t *key;                /* canonical bytes; owned, `image` follows */
	uint32_t key_size, image_size;
	bool existed;  /* with a key: the row was there when the snapshot began, as `image` */
	int64_t delta; /* without: rows that came less those that went */
	uint64_t page[DRIP_MY_PAGE_KEYS]; /* the key, order-preserving, where it is integers */
};

struct changed_table {
	char *database, *name;
	struct entry *entries;
	size_t count, capacity;
	size_t *slots; /* hash: index + 1, 0 empty */
	size_t slots_count;
	struct changed_table *next;
};

struct drip_my_undo {
	struct drip_my_source *source;
	struct drip_my_catalog *catalog; /* a copy that follows the DDL in between */
	struct drip_my_format format;
	struct drip_my_map map;
	struct layout *layouts;
	struct changed_table *tables;
	uint64_t bytes;
	struct drip_my_place end;
	uint64_t offset;
	uint64_t file;
	struct drip_my_xa xa;
	/* the table that is read now */
	struct changed_table *current;
	struct drip_my_slot *slot;
	uint32_t page_keys;
	size_t next;
	/* key values are made canonical in these */
	struct drip_column_builder *columns;
	uint32_t columns_count;
	uint8_t *key;
	size_t key_size, key_capacity;
};

/* Takes what was appended last to a scratch column behind u->key, in one form for both protocols.
 */
bool drip_my_undo_key_take(struct drip_my_undo *u, struct drip_column_builder *c);
/* Makes scratch columns, one a column of `t`. */
int drip_my_undo_columns(struct drip_my_undo *u, const struct drip_my_table *t,
			 struct drip_error *err);
/* Is the column part of what tells rows apart? */
bool drip_my_undo_is_key(const struct drip_my_table *t, bool keyed, uint32_t column);
struct changed_table *drip_my_undo_find_table(struct drip_my_undo *u, const char *database,
					      const char *name, bool make);
/* The entry of u->key, or NULL; *ret_at (may be NULL): its place in the hash. */
struct entry *drip_my_undo_find(const struct drip_my_undo *u, struct changed_table *t,
				size_t *ret_at);

#endif
