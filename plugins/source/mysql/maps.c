/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What table maps mean: which slot their rows go to, and how. A map is compared byte for byte with
 * the last one of its id, so the usual case, the same table again, costs a memcmp. A map that does
 * not fit what is known of the table is resolved in this order: the names in its own metadata, a
 * fresh look at information_schema, an error that says so. Rows are never decoded by a guess.
 */
#include "source.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void known_free(struct drip_my_known_map *k)
{
	drip_my_plan_finish(&k->plan);
	free(k->body);
	free(k);
}

void drip_my_maps_clear(struct drip_my_source *s)
{
	for (size_t i = 0; i < DRIP_MY_MAP_BUCKETS; i++) {
		while (s->maps[i] != NULL) {
			struct drip_my_known_map *k = s->maps[i];

			s->maps[i] = k->next;
			known_free(k);
		}
	}
	s->maps_count = 0;
}

struct drip_my_known_map *drip_my_map_find(struct drip_my_source *s, uint64_t table_id)
{
	struct drip_my_known_map *k = s->maps[table_id % DRIP_MY_MAP_BUCKETS];

	while (k != NULL && k->table_id != table_id) {
		k = k->next;
	}
	return k;
}

static struct drip_my_known_map *known_make(struct drip_my_source *s, const struct drip_my_event *e,
					    uint64_t table_id, struct drip_error *err)
{
	struct drip_my_known_map *k = drip_my_map_find(s, table_id);
	uint8_t *body = malloc(e->body_size);

	if (k == NULL && s->maps_count >= DRIP_MY_MAPS_MAX) {
		drip_my_maps_clear(s);
	}
	if (k == NULL && body != NULL) {
		k = calloc(1, sizeof(*k));
		if (k != NULL) {
			k->table_id = table_id;
			k->next = s->maps[table_id % DRIP_MY_MAP_BUCKETS];
			s->maps[table_id % DRIP_MY_MAP_BUCKETS] = k;
			s->maps_count++;
		}
	}
	if (k == NULL || body == NULL) {
		free(body);
		drip_error_nomem(err, e->body_size);
		return NULL;
	}
	memcpy(body, e->body, e->body_size);
	free(k->body);
	k->body = body;
	k->body_size = e->body_size;
	k->slot = NULL;
	drip_my_plan_finish(&k->plan);
	return k;
}

/* Columns that a system-versioned table has besides those that it shows. */
static bool is_hidden(const struct drip_my_map_column *m)
{
	return m->wire == DRIP_MY_WIRE_TIMESTAMP2 || m->wire == DRIP_MY_WIRE_LONGLONG;
}

/* Does the map fit the description, column by column? *ret_column: the first that does not. */
static bool map_fits(const struct drip_my_map *m, const struct drip_my_table *t,
		     uint32_t *ret_column)
{
	bool versioned = m->count == t->count + 2 && is_hidden(&m->columns[t->count]) &&
			 is_hidden(&m->columns[t->count + 1]);

	*ret_column = UINT32_MAX;
	if (m->count != t->count && !versioned) {
		return false;
	}
	for (uint32_t i = 0; i < t->count; i++) {
		const struct drip_my_map_column *c = &m->columns[i];
		const char *name = t->columns[i].name;

		if (!drip_my_type_matches(&t->columns[i], c->wire, c->meta) ||
		    (m->has_signs && t->columns[i].kind == DRIP_MY_INT &&
		     t->columns[i].is_unsigned != c->is_unsigned) ||
		    (m->has_names &&
		     (strlen(name) != c->name_size || memcmp(name, c->name, c->name_size) != 0))) {
			*ret_column = i;
			return false;
		}
	}
	return true;
}

static int no_schema(const struct drip_my_source *s, const struct drip_my_map *m,
		     const struct drip_my_table *t, uint32_t column, struct drip_error *err)
{
	if (t == NULL) {
		drip_error_set(err, -ENOENT, "mysql.schema_unknown",
			       "the columns of %s.%s at this place of the log are not known",
			       m->database, m->table);
		drip_error_hint(
			err, "%s",
			s->connection == NULL
				? "Give the file with its CREATE TABLE statement as `schema`."
				: "Set binlog_row_metadata=FULL on the server, or leave the "
				  "table out.");
		return -ENOENT;
	}
	if (column != UINT32_MAX) {
		drip_error_set(err, -EINVAL, "mysql.schema_mismatch",
			       "column %s of %s.%s does not fit the log, which has type %u, "
			       "metadata %u",
			       t->columns[column].name, m->database, m->table,
			       m->columns[column].wire, m->columns[column].meta);
	} else {
		drip_error_set(err, -EINVAL, "mysql.schema_mismatch",
			       "the log has %u columns of %s.%s where %u are known", m->count,
			       m->database, m->table, t->count);
	}
	drip_error_hint(err, "Set binlog_row_metadata=FULL on the server so that the log describes "
			     "its tables, then take a new snapshot.");
	return -EINVAL;
}

/* (borrowed) the description that the map fits: as known, from its metadata, or from the server. */
static int find_table(struct drip_my_source *s, const struct drip_my_map *m,
		      const struct drip_my_table **ret, struct drip_error *err)
{
	const struct drip_my_table *known =
		drip_my_catalog_find(&s->catalog, m->database, m->table);
	struct drip_my_table *t = NULL;
	uint32_t column = UINT32_MAX;
	MYSQL *control;
	int rc;

	if (known == NULL || !map_fits(m, known, &column)) {
		rc = drip_my_map_table(m, known, &t, err);
		if (rc == -ENOENT && s->connection != NULL) {
			rc = drip_my_control(s, &control, err);
			if (rc == 0) {
				rc = drip_my_table_read(control, m->database, m->table, &t, err);
			}
		} else if (rc == -ENOENT) {
			rc = 0;
		}
		if (rc != 0) {
			return rc;
		}
		if (t == NULL || !map_fits(m, t, &column)) {
			rc = no_schema(s, m, t != NULL ? t : known, column, err);
			drip_my_table_destroy(t);
			return rc;
		}
		rc = drip_my_catalog_set(&s->catalog, m->database, m->table, t, s->at.place, err);
		if (rc != 0) {
			return rc;
		}
		known = drip_my_catalog_find(&s->catalog, m->database, m->table);
		rc = drip_my_store_catalog(s, err);
		if (rc != 0) {
			return rc;
		}
	}
	*ret = known;
	return 0;
}

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int make_plan(struct drip_my_source *s, struct drip_my_known_map *k,
		     const struct drip_my_map *m, struct drip_error *err)
{
	const struct drip_my_table *t = k->slot->table;
	struct drip_my_plan *p = &k->plan;

	drip_my_plan_finish(p);
	p->cells = calloc(m->count, sizeof(*p->cells));
	if (p->cells == NULL) {
		return drip_error_nomem(err, m->count * sizeof(*p->cells));
	}
	p->count = m->count;
	p->builder = &k->slot->builder;
	p->before_images = s->options->before_images;
	p->versioned = m->count == t->count + 2;
	p->keys_count = drip_my_table_key(t, p->keys);
	qsort(p->keys, p->keys_count, sizeof(*p->keys), compare_u32);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct drip_my_map_column *c = &m->columns[i];
		int rc;

		if (i >= t->count) { /* hidden */
			p->cells[i].values = &s->values;
			rc = drip_my_wire_layout(c->wire, c->meta, &p->cells[i].fixed,
						 &p->cells[i].prefix);
		} else {
			rc = drip_my_cell_wire(&p->cells[i], &t->columns[i], c->wire, c->meta,
					       &s->values, err);
		}
		if (rc != 0) {
			drip_error_place(err, "%s.%s", t->database, t->name);
			return rc;
		}
		if (i < t->count && k->slot->out[i] != UINT32_MAX) {
			p->cells[i].out = &k->slot->builder.columns[k->slot->out[i]];
		}
	}
	k->changes = k->slot->changes;
	return 0;
}

static int resolve(struct drip_my_source *s, struct drip_my_known_map *k,
		   const struct drip_my_event *e, struct drip_error *err)
{
	const struct drip_my_table *t;
	struct drip_my_slot *slot;
	int rc = drip_my_map_parse(&s->format, e, &s->map, err);

	if (rc != 0 || !drip_my_catalog_wants(&s->catalog, s->map.database, s->map.table)) {
		return rc;
	}
	rc = find_table(s, &s->map, &t, err);
	if (rc != 0) {
		return rc;
	}
	slot = drip_my_slot_get(s, s->map.database, s->map.table);
	if (slot == NULL) {
		return drip_error_nomem(err, sizeof(*slot));
	}
	if (slot->table == NULL || slot->table->version != t->version ||
	    !drip_my_table_equal(slot->table, t)) {
		rc = drip_my_slot_set(s, slot, t, err);
		if (rc != 0) {
			return rc;
		}
	}
	k->slot = slot;
	return make_plan(s, k, &s->map, err);
}

int drip_my_map_resolve(struct drip_my_source *s, const struct drip_my_event *e,
			struct drip_error *err)
{
	uint64_t id = drip_my_map_id(&s->format, e);
	struct drip_my_known_map *k = drip_my_map_find(s, id);

	if (k != NULL && k->body_size == e->body_size &&
	    memcmp(k->body, e->body, e->body_size) == 0 &&
	    (k->slot == NULL || k->changes == k->slot->changes)) {
		return 0;
	}
	k = known_make(s, e, id, err);
	if (k == NULL) {
		return -ENOMEM;
	}
	return resolve(s, k, e, err);
}

int drip_my_map_refresh(struct drip_my_source *s, struct drip_my_known_map *k,
			struct drip_error *err)
{
	struct drip_my_event e = {
		.type = DRIP_MY_EVENT_TABLE_MAP, .body = k->body, .body_size = k->body_size};

	return k->slot == NULL || k->changes == k->slot->changes ? 0 : resolve(s, k, &e, err);
}
