/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking back what changed: see undo.h. The log is read once, before the first table goes on; what
 * it says of the rows still to come is kept by table and key. A table without a key has whole rows
 * as its keys, and counts: how many of them came and went.
 */
#include "undo_private.h"

#include "ddl.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- canonical keys ---- */

static bool key_put(struct drip_my_undo *u, const void *p, size_t size)
{
	if (u->key_size + size > u->key_capacity) {
		size_t capacity = (u->key_size + size) * 2;
		uint8_t *grown = realloc(u->key, capacity);

		if (grown == NULL) {
			return false;
		}
		u->key = grown;
		u->key_capacity = capacity;
	}
	memcpy(u->key + u->key_size, p, size);
	u->key_size += size;
	return true;
}

/* What was appended last to the scratch column, as bytes. */
bool drip_my_undo_key_take(struct drip_my_undo *u, struct drip_column_builder *c)
{
	uint8_t null = c->nulls > 0;
	uint32_t size = drip_type_is_variable(c->type) ? (uint32_t)c->bytes
			: c->width != 0                ? c->width
						       : 1;
	bool ok = c->rc == 0 && key_put(u, &null, 1) && key_put(u, &size, sizeof(size));

	if (ok && null == 0) {
		uint8_t bit =
			c->width == 0 && !drip_type_is_variable(c->type) ? c->values[0] & 1 : 0;

		ok = key_put(u,
			     c->width == 0 && !drip_type_is_variable(c->type) ? (const void *)&bit
									      : c->values,
			     size);
	}
	c->length = c->nulls = c->bytes = 0;
	return ok;
}

static void columns_free(struct drip_my_undo *u)
{
	for (uint32_t i = 0; i < u->columns_count; i++) {
		drip_column_builder_finish(&u->columns[i]);
	}
	free(u->columns);
	u->columns = NULL;
	u->columns_count = 0;
}

/* Scratch columns for `t`, one a column. */
int drip_my_undo_columns(struct drip_my_undo *u, const struct drip_my_table *t,
			 struct drip_error *err)
{
	columns_free(u);
	u->columns = calloc(t->count, sizeof(*u->columns));
	if (u->columns == NULL) {
		return drip_error_nomem(err, t->count * sizeof(*u->columns));
	}
	for (uint32_t i = 0; i < t->count; i++) {
		struct drip_column c;
		int rc;

		drip_my_type_column(&t->columns[i], u->source->values.zero, &c);
		rc = drip_column_builder_init(&u->columns[i], c.type, 1, err);
		if (rc != 0) {
			return rc;
		}
		u->columns_count++;
	}
	return 0;
}

bool drip_my_undo_is_key(const struct drip_my_table *t, bool keyed, uint32_t column)
{
	return !keyed || t->columns[column].key != 0;
}

/* The key of an image into u->key. */
static int image_key(struct drip_my_undo *u, struct layout *l, const uint8_t *image,
		     const uint8_t *end, struct drip_error *err)
{
	bool keyed = l->plan.keys_count > 0;
	int rc = drip_my_undo_columns(u, l->table, err);

	u->key_size = 0;
	for (uint32_t i = 0; i < l->table->count && rc == 0; i++) {
		struct drip_my_cell cell = l->plan.cells[i];
		const uint8_t *p;
		size_t size;

		if (!drip_my_undo_is_key(l->table, keyed, i)) {
			continue;
		}
		cell.out = &u->columns[i];
		if (drip_my_image_value(&l->plan, image, end, i, &p, &size)) {
			cell.append(&cell, p, size);
		} else {
			drip_append_null(cell.out);
		}
		rc = drip_my_undo_key_take(u, &u->columns[i]) ? 0
							      : drip_error_nomem(err, u->key_size);
	}
	return rc;
}

static void image_page(const struct layout *l, const uint8_t *image, const uint8_t *end,
		       uint64_t page[DRIP_MY_PAGE_KEYS])
{
	uint32_t keys[DRIP_MY_KEY_MAX];
	uint32_t count = drip_my_table_key(l->table, keys);

	memset(page, 0, sizeof(*page) * DRIP_MY_PAGE_KEYS);
	for (uint32_t i = 0; i < count && i < DRIP_MY_PAGE_KEYS; i++) {
		const struct drip_my_column *c = &l->table->columns[keys[i]];
		const uint8_t *p;
		size_t size;
		uint64_t v;

		if (c->kind != DRIP_MY_INT ||
		    !drip_my_image_value(&l->plan, image, end, keys[i], &p, &size)) {
			return;
		}
		v = drip_my_little(p, c->bytes);
		if (!c->is_unsigned) {
			unsigned shift = 64 - 8 * c->bytes;

			v = (uint64_t)((int64_t)(v << shift) >> shift) ^ (1ull << 63);
		}
		page[i] = v;
	}
}

/* ---- tables and entries ---- */

struct changed_table *drip_my_undo_find_table(struct drip_my_undo *u, const char *database,
					      const char *name, bool make)
{
	struct changed_table *t = u->tables;

	while (t != NULL && (strcmp(t->name, name) != 0 || strcmp(t->database, database) != 0)) {
		t = t->next;
	}
	if (t != NULL || !make) {
		return t;
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		return NULL;
	}
	t->database = strdup(database);
	t->name = strdup(name);
	if (t->database == NULL || t->name == NULL) {
		free(t->database);
		free(t->name);
		free(t);
		return NULL;
	}
	t->next = u->tables;
	u->tables = t;
	return t;
}

static size_t hash_of(const uint8_t *p, size_t size)
{
	uint64_t h = 14695981039346656037ull; /* FNV-1a */

	for (size_t i = 0; i < size; i++) {
		h = (h ^ p[i]) * 1099511628211ull;
	}
	return (size_t)(h ^ h >> 29);
}

static bool table_rehash(struct changed_table *t)
{
	size_t count = t->slots_count == 0 ? 64 : t->slots_count * 2;
	size_t *slots = calloc(count, sizeof(*slots));

	if (slots == NULL) {
		return false;
	}
	for (size_t i = 0; i < t->count; i++) {
		size_t at = hash_of(t->entries[i].key, t->entries[i].key_size) & (count - 1);

		while (slots[at] != 0) {
			at = (at + 1) & (count - 1);
		}
		slots[at] = i + 1;
	}
	free(t->slots);
	t->slots = slots;
	t->slots_count = count;
	return true;
}

/* The entry of u->key, or NULL; *ret_at: its place in the hash. */
struct entry *drip_my_undo_find(const struct drip_my_undo *u, struct changed_table *t,
				size_t *ret_at)
{
	size_t at;

	if (t->slots_count == 0) {
		return NULL;
	}
	at = hash_of(u->key, u->key_size) & (t->slots_count - 1);
	while (t->slots[at] != 0) {
		struct entry *e = &t->entries[t->slots[at] - 1];

		if (e->key_size == u->key_size && memcmp(e->key, u->key, u->key_size) == 0) {
			return e;
		}
		at = (at + 1) & (t->slots_count - 1);
	}
	if (ret_at != NULL) {
		*ret_at = at;
	}
	return NULL;
}

static int undo_too_large(const struct drip_my_undo *u, struct drip_error *err)
{
	drip_error_set(err, -ENOBUFS, "mysql.undo_memory",
		       "more changed while the snapshot was interrupted than undo_memory holds");
	drip_error_hint(err, "Raise undo_memory, or reset the checkpoint of the pipeline to begin "
			     "anew.");
	drip_error_option(err, "undo_memory");
	return -ENOBUFS;
}

/* A new entry of u->key with this image. */
static int entry_add(struct drip_my_undo *u, struct changed_table *t, const struct layout *l,
		     const uint8_t *image, size_t size, struct entry **ret, struct drip_error *err)
{
	struct entry *e;
	size_t at = 0;

	u->bytes += sizeof(*e) + u->key_size + size + 2 * sizeof(size_t);
	if (u->bytes > u->source->options->undo_memory.bytes) {
		return undo_too_large(u, err);
	}
	if (t->count == t->capacity) {
		size_t capacity = t->capacity == 0 ? 64 : t->capacity * 2;
		struct entry *grown = realloc(t->entries, capacity * sizeof(*grown));

		if (grown == NULL) {
			return drip_error_nomem(err, capacity * sizeof(*grown));
		}
		t->entries = grown;
		t->capacity = capacity;
	}
	if (t->count * 2 >= t->slots_count && !table_rehash(t)) {
		return drip_error_nomem(err, t->slots_count * sizeof(size_t));
	}
	e = &t->entries[t->count];
	memset(e, 0, sizeof(*e));
	e->key = malloc(u->key_size + size + 1);
	if (e->key == NULL) {
		return drip_error_nomem(err, u->key_size + size);
	}
	memcpy(e->key, u->key, u->key_size);
	memcpy(e->key + u->key_size, image, size);
	e->key_size = (uint32_t)u->key_size;
	e->image_size = (uint32_t)size;
	e->layout = l;
	image_page(l, image, image + size, e->page);
	drip_my_undo_find(u, t, &at);
	t->slots[at] = ++t->count;
	*ret = e;
	return 0;
}

/* One side of a change: the row was there before it, or came with it. */
static int note_image(struct drip_my_undo *u, struct changed_table *t, struct layout *l,
		      const uint8_t *image, const uint8_t *end, bool before, struct drip_error *err)
{
	struct entry *e;
	int rc;

	if (image == NULL) {
		return 0;
	}
	rc = image_key(u, l, image, end, err);
	if (rc != 0) {
		return rc;
	}
	e = drip_my_undo_find(u, t, NULL);
	if (e == NULL) {
		rc = entry_add(u, t, l, image, (size_t)(end - image), &e, err);
		if (rc != 0) {
			return rc;
		}
		e->existed = before;
	}
	e->delta += before ? -1 : 1;
	return 0;
}

/* ---- reading the log ---- */

static struct layout *layout_find(struct drip_my_undo *u, uint64_t table_id)
{
	struct layout *l = u->layouts; /* the latest first */

	while (l != NULL && l->table_id != table_id) {
		l = l->next;
	}
	return l;
}

static void layout_free(struct layout *l)
{
	drip_my_plan_finish(&l->plan);
	drip_my_table_destroy(l->table);
	free(l);
}

static int layout_fill(struct drip_my_undo *u, struct layout *l, struct drip_error *err)
{
	l->plan.cells = calloc(u->map.count, sizeof(*l->plan.cells));
	if (l->plan.cells == NULL) {
		return drip_error_nomem(err, u->map.count * sizeof(*l->plan.cells));
	}
	l->plan.count = u->map.count;
	l->plan.versioned = u->map.count == l->table->count + 2;
	l->plan.keys_count = drip_my_table_key(l->table, l->plan.keys);
	if (l->table->count > u->map.count) {
		return drip_error_set(err, -EINVAL, "mysql.schema_mismatch",
				      "the log does not fit the columns of %s.%s", u->map.database,
				      u->map.table);
	}
	for (uint32_t i = 0; i < u->map.count; i++) {
		const struct drip_my_map_column *c = &u->map.columns[i];
		int rc = i < l->table->count
				 ? drip_my_cell_wire(&l->plan.cells[i], &l->table->columns[i],
						     c->wire, c->meta, &u->source->values, err)
				 : drip_my_wire_layout(c->wire, c->meta, &l->plan.cells[i].fixed,
						       &l->plan.cells[i].prefix);

		l->plan.cells[i].values = &u->source->values;
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

/* A table map of a table that is copied from now on; others have no layout. */
static int on_map(struct drip_my_undo *u, const struct drip_my_event *e, struct drip_error *err)
{
	const struct drip_my_mark *mark = &u->source->at.mark;
	const struct drip_my_table *known;
	struct layout *l;
	int rc = drip_my_map_parse(&u->format, e, &u->map, err);

	if (rc != 0 || !drip_my_catalog_wants(&u->source->catalog, u->map.database, u->map.table) ||
	    strcmp(u->map.database, mark->database) < 0 ||
	    (strcmp(u->map.database, mark->database) == 0 &&
	     strcmp(u->map.table, mark->table) < 0)) {
		for (l = u->layouts; rc == 0 && l != NULL; l = l->next) {
			l->table_id = l->table_id == u->map.table_id ? UINT64_MAX : l->table_id;
		}
		return rc;
	}
	known = drip_my_catalog_find(u->catalog, u->map.database, u->map.table);
	l = layout_find(u, u->map.table_id);
	if (l != NULL && known != NULL && strcmp(l->table->name, u->map.table) == 0 &&
	    strcmp(l->table->database, u->map.database) == 0 &&
	    drip_my_table_equal(l->table, known) && l->plan.count == u->map.count) {
		return 0;
	}
	l = calloc(1, sizeof(*l));
	if (l == NULL) {
		return drip_error_nomem(err, sizeof(*l));
	}
	l->next = u->layouts;
	u->layouts = l;
	l->table_id = u->map.table_id;
	rc = drip_my_map_table(&u->map, known, &l->table, err);
	if (rc == -ENOENT) {
		l->table = known != NULL ? drip_my_table_copy(known) : NULL;
		if (l->table == NULL) {
			return drip_error_set(err, -ENOENT, "mysql.schema_unknown",
					      "the columns of %s.%s are not known", u->map.database,
					      u->map.table);
		}
		rc = 0;
	}
	return rc != 0 ? rc : layout_fill(u, l, err);
}

static int on_rows(struct drip_my_undo *u, const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_rows rows;
	struct drip_my_image image;
	struct changed_table *t;
	const uint8_t *at = NULL;
	struct layout *l;
	int rc = drip_my_rows_parse(&u->format, e, &rows, err);

	if (rc != 0) {
		return rc;
	}
	l = layout_find(u, rows.table_id);
	if (l == NULL) {
		return 0;
	}
	t = drip_my_undo_find_table(u, l->table->database, l->table->name, true);
	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	while ((rc = drip_my_rows_next(&rows, &l->plan, &at, &image, err)) == 1) {
		rc = note_image(u, t, l, image.before, image.before_end, true, err);
		if (rc == 0) {
			rc = note_image(u, t, l, image.after, image.after_end, false, err);
		}
		if (rc != 0) {
			return rc;
		}
	}
	return rc;
}

/* A table map or row event of an XA transaction that is committed now. */
static int on_xa_event(void *user, const struct drip_my_event *e, struct drip_error *err)
{
	return e->type == DRIP_MY_EVENT_TABLE_MAP ? on_map(user, e, err) : on_rows(user, e, err);
}

static struct drip_my_xa_reader xa_reader(struct drip_my_undo *u)
{
	return (struct drip_my_xa_reader){.source = u->source,
					  .format = &u->format,
					  .here = {.file = u->file, .offset = u->offset},
					  .event = on_xa_event,
					  .user = u};
}

static int on_gtid(struct drip_my_undo *u, const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_gtid gtid;
	int rc = drip_my_gtid_parse(e, &gtid, err);

	if (rc == 0 && (gtid.flags & DRIP_MY_GTID_PREPARED_XA) != 0) {
		drip_my_xa_open(&u->xa, xa_reader(u).here);
	}
	return rc;
}

static int on_query(struct drip_my_undo *u, const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_ddl_statement st = {0};
	struct drip_my_xa_reader reader = xa_reader(u);
	struct drip_my_query q;
	char database[DRIP_NAME_MAX];
	int rc = drip_my_query_parse(e, &q, err);

	if (rc != 0) {
		return rc;
	}
	rc = drip_my_xa_statement(&u->xa, &reader, &q, err);
	if (rc != 0) {
		return rc == 1 ? 0 : rc;
	}
	snprintf(database, sizeof(database), "%.*s", (int)q.database_size, q.database);
	st.sql = q.sql;
	st.size = q.sql_size;
	st.database = database;
	st.charset = drip_my_query_charset(&q);
	st.ansi_quotes = (q.sql_mode & 0x4) != 0;
	st.no_backslash = (q.sql_mode & 0x100000) != 0;
	st.since.file = u->file;
	st.since.offset = u->offset;
	return drip_my_ddl_apply(u->catalog, &st, NULL, NULL, err);
}

static int on_rotate(struct drip_my_undo *u, const struct drip_my_event *e, struct drip_error *err)
{
	char file[DRIP_MY_FILE_MAX];
	struct drip_my_position named = {0};
	uint64_t position;
	int rc = drip_my_rotate_parse(e, file, &position, err);

	if (rc == 0 && drip_my_file_parse(file, &named) &&
	    (named.place.file != u->file || u->offset < position)) {
		u->file = named.place.file;
		u->offset = position;
	}
	return rc;
}

static int on_event(struct drip_my_undo *u, const uint8_t *data, size_t size,
		    struct drip_error *err)
{
	struct drip_my_xa_reader reader = xa_reader(u);
	struct drip_my_event e;
	int rc = drip_my_event_parse(&u->format, data, size, &e, err);

	if (rc != 0) {
		return rc;
	}
	u->offset = drip_my_event_end(&e, u->offset);
	if (u->xa.open && drip_my_xa_takes(e.type)) {
		drip_my_xa_keep(&u->xa, data, size);
		return 0;
	}
	if (drip_my_event_is_rows(e.type)) {
		return on_rows(u, &e, err);
	}
	switch (e.type) {
	case DRIP_MY_EVENT_TABLE_MAP:
		return on_map(u, &e, err);
	case DRIP_MY_EVENT_QUERY:
		return on_query(u, &e, err);
	case DRIP_MY_EVENT_GTID:
		return on_gtid(u, &e, err);
	case DRIP_MY_EVENT_XA_PREPARE:
		return drip_my_xa_prepare(&u->xa, &reader, &e, err);
	case DRIP_MY_EVENT_FORMAT:
		drip_my_xa_reformat(&u->xa);
		return 0;
	case DRIP_MY_EVENT_ROTATE:
		return on_rotate(u, &e, err);
	default:
		return 0;
	}
}

static int read_log(struct drip_my_undo *u, struct drip_error *err)
{
	struct drip_my_source *s = u->source;
	int rc = 0;

	while (rc == 0 &&
	       (u->file < u->end.file || (u->file == u->end.file && u->offset < u->end.offset))) {
		const uint8_t *data;
		size_t size;

		rc = drip_my_net_next(s->net, (uint32_t)s->options->heartbeat.ms, &data, &size,
				      err);
		if (rc < 0) {
			return rc;
		}
		rc = rc == 1 ? on_event(u, data, size, err) : 0;
	}
	return rc;
}

static int copy_catalog(struct drip_my_undo *u, struct drip_error *err)
{
	size_t size;
	void *data;
	int rc;

	u->catalog = calloc(1, sizeof(*u->catalog));
	if (u->catalog == NULL) {
		return drip_error_nomem(err, sizeof(*u->catalog));
	}
	rc = drip_my_catalog_save(&u->source->catalog, &data, &size, err);
	if (rc == 0) {
		rc = drip_my_catalog_restore(u->catalog, data, size, err);
		free(data);
	}
	return rc;
}

int drip_my_undo_create(struct drip_my_source *s, const struct drip_my_position *view,
			struct drip_my_undo **ret, struct drip_error *err)
{
	struct drip_my_undo *u = calloc(1, sizeof(*u));
	int rc;

	if (u == NULL) {
		return drip_error_nomem(err, sizeof(*u));
	}
	u->source = s;
	u->end = view->place;
	u->file = s->at.place.file;
	u->offset = s->at.place.offset;
	drip_my_format_init(&u->format);
	rc = copy_catalog(u, err);
	if (rc == 0) {
		rc = drip_my_stream_begin(s, err);
	}
	if (rc == 0) {
		rc = read_log(u, err);
	}
	drip_my_stream_end(s);
	drip_my_format_init(&s->format);
	if (rc != 0) {
		drip_my_undo_destroy(u);
		return rc;
	}
	*ret = u;
	return 0;
}

void drip_my_undo_destroy(struct drip_my_undo *u)
{
	if (u == NULL) {
		return;
	}
	while (u->tables != NULL) {
		struct changed_table *t = u->tables;

		u->tables = t->next;
		for (size_t i = 0; i < t->count; i++) {
			free(t->entries[i].key);
		}
		free(t->entries);
		free(t->slots);
		free(t->database);
		free(t->name);
		free(t);
	}
	while (u->layouts != NULL) {
		struct layout *l = u->layouts;

		u->layouts = l->next;
		layout_free(l);
	}
	columns_free(u);
	drip_my_xa_finish(&u->xa);
	if (u->catalog != NULL) {
		drip_my_catalog_finish(u->catalog);
	}
	free(u->catalog);
	drip_my_map_finish(&u->map);
	drip_my_format_finish(&u->format);
	free(u->key);
	free(u);
}
