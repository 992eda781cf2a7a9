/* SPDX-License-Identifier: Apache-2.0 */
/* The table that a table map describes by itself, where the server writes full row metadata. */
#include "binlog.h"
#include "wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const geometries[] = {
	"geometry",   "point",           "linestring",   "polygon",
	"multipoint", "multilinestring", "multipolygon", "geometrycollection"};

static void describe_string(const struct drip_my_map_column *m, struct drip_my_column *c)
{
	const char *charset = drip_my_charset_of_collation(m->collation);
	uint32_t width;

	snprintf(c->charset, sizeof(c->charset), "%s", charset != NULL ? charset : "utf8mb4");
	width = drip_my_charset_width(c->charset);
	c->compressed = m->wire == DRIP_MY_WIRE_BLOB_COMPRESSED ||
			m->wire == DRIP_MY_WIRE_VARCHAR_COMPRESSED;
	switch (m->wire) {
	case DRIP_MY_WIRE_STRING:
		c->kind = DRIP_MY_CHAR;
		c->length = m->meta / width;
		break;
	case DRIP_MY_WIRE_BLOB:
	case DRIP_MY_WIRE_BLOB_COMPRESSED:
		c->kind = DRIP_MY_TEXT;
		c->bytes = (uint8_t)m->meta;
		break;
	default:
		c->kind = DRIP_MY_VARCHAR;
		c->length = m->meta / width;
		break;
	}
}

static int describe_labels(const struct drip_my_map_column *m, struct drip_my_column *c)
{
	struct drip_my_reader r = drip_my_reader_of(m->labels, m->labels_size);

	c->kind = m->wire == DRIP_MY_WIRE_ENUM ? DRIP_MY_ENUM : DRIP_MY_SET;
	snprintf(c->charset, sizeof(c->charset), "utf8mb4");
	if (m->labels_count == 0) {
		return 0;
	}
	c->labels = calloc(m->labels_count, sizeof(*c->labels));
	for (uint32_t i = 0; i < m->labels_count && c->labels != NULL; i++) {
		uint64_t size = drip_my_read_length(&r);
		const uint8_t *p = drip_my_read(&r, size);

		c->labels[i] = p == NULL ? NULL : malloc((size_t)size + 1);
		if (c->labels[i] == NULL) {
			return -ENOMEM;
		}
		memcpy(c->labels[i], p, (size_t)size);
		c->labels[i][size] = '\0';
		c->labels_count++;
	}
	return c->labels == NULL ? -ENOMEM : 0;
}

static void describe_int(const struct drip_my_map_column *m, struct drip_my_column *c)
{
	static const uint8_t bytes[16] = {[DRIP_MY_WIRE_TINY] = 1,
					  [DRIP_MY_WIRE_SHORT] = 2,
					  [DRIP_MY_WIRE_INT24] = 3,
					  [DRIP_MY_WIRE_LONG] = 4,
					  [DRIP_MY_WIRE_LONGLONG] = 8};
	static const uint8_t lengths[9] = {0, 4, 6, 9, 11, 0, 0, 0, 20};

	c->kind = DRIP_MY_INT;
	c->bytes = bytes[m->wire & 15];
	c->is_unsigned = m->is_unsigned;
	c->length = lengths[c->bytes];
	if (m->is_unsigned && c->bytes != 8) {
		c->length -= 1;
	}
}

static void describe_temporal(const struct drip_my_map_column *m, struct drip_my_column *c)
{
	switch (m->wire) {
	case DRIP_MY_WIRE_TIME:
	case DRIP_MY_WIRE_TIME2:
		c->kind = DRIP_MY_TIME;
		break;
	case DRIP_MY_WIRE_DATETIME:
	case DRIP_MY_WIRE_DATETIME2:
		c->kind = DRIP_MY_DATETIME;
		break;
	case DRIP_MY_WIRE_TIMESTAMP:
	case DRIP_MY_WIRE_TIMESTAMP2:
		c->kind = DRIP_MY_TIMESTAMP;
		break;
	default:
		c->kind = DRIP_MY_DATE;
		break;
	}
	c->fsp = (uint8_t)m->meta;
}

static int describe_type(const struct drip_my_map_column *m, struct drip_my_column *c)
{
	switch (m->wire) {
	case DRIP_MY_WIRE_TINY:
	case DRIP_MY_WIRE_SHORT:
	case DRIP_MY_WIRE_INT24:
	case DRIP_MY_WIRE_LONG:
	case DRIP_MY_WIRE_LONGLONG:
		describe_int(m, c);
		return 0;
	case DRIP_MY_WIRE_FLOAT:
	case DRIP_MY_WIRE_DOUBLE:
		c->kind = m->wire == DRIP_MY_WIRE_FLOAT ? DRIP_MY_FLOAT : DRIP_MY_DOUBLE;
		c->bytes = m->wire == DRIP_MY_WIRE_FLOAT ? 4 : 8;
		return 0;
	case DRIP_MY_WIRE_NEWDECIMAL:
		c->kind = DRIP_MY_DECIMAL;
		c->precision = (uint8_t)m->meta;
		c->scale = (uint8_t)(m->meta >> 8);
		c->is_unsigned = m->is_unsigned;
		return 0;
	case DRIP_MY_WIRE_BIT:
		c->kind = DRIP_MY_BIT;
		c->length = (uint32_t)(m->meta >> 8) * 8 + (m->meta & 0xff);
		return 0;
	case DRIP_MY_WIRE_YEAR:
		c->kind = DRIP_MY_YEAR;
		c->length = 4;
		return 0;
	case DRIP_MY_WIRE_ENUM:
	case DRIP_MY_WIRE_SET:
		return describe_labels(m, c);
	case DRIP_MY_WIRE_JSON:
		c->kind = DRIP_MY_JSON;
		return 0;
	case DRIP_MY_WIRE_GEOMETRY:
		c->kind = DRIP_MY_GEOMETRY;
		c->bytes = 4;
		snprintf(c->geometry, sizeof(c->geometry), "%s",
			 geometries[m->geometry < 8 ? m->geometry : 0]);
		return 0;
	case DRIP_MY_WIRE_STRING:
	case DRIP_MY_WIRE_VARCHAR:
	case DRIP_MY_WIRE_VAR_STRING:
	case DRIP_MY_WIRE_BLOB:
	case DRIP_MY_WIRE_VARCHAR_COMPRESSED:
	case DRIP_MY_WIRE_BLOB_COMPRESSED:
		describe_string(m, c);
		return 0;
	default:
		describe_temporal(m, c);
		return 0;
	}
}

/* What is already known of the column wins where it fits: it tells JSON from text, a UUID from
 * bytes, and how the type was written. */
static bool known_fits(const struct drip_my_map_column *m, const struct drip_my_column *k)
{
	const char *charset = m->collation == 0 ? NULL : drip_my_charset_of_collation(m->collation);

	if (!drip_my_type_matches(k, m->wire, m->meta)) {
		return false;
	}
	if (charset != NULL && k->charset[0] != '\0' && k->labels_count == 0 &&
	    strcmp(charset, k->charset) != 0) {
		return false;
	}
	if ((k->kind == DRIP_MY_ENUM || k->kind == DRIP_MY_SET) && m->labels_count > 0) {
		return k->labels_count == m->labels_count;
	}
	return k->kind != DRIP_MY_INT || k->is_unsigned == m->is_unsigned;
}

static int describe_column(const struct drip_my_map *map, uint32_t i,
			   const struct drip_my_table *known, struct drip_my_column *c)
{
	const struct drip_my_map_column *m = &map->columns[i];
	char name[256];
	int at, rc;

	memcpy(name, m->name, m->name_size);
	name[m->name_size] = '\0';
	at = known != NULL ? drip_my_table_find(known, name) : -1;
	if (at >= 0 && known_fits(m, &known->columns[at])) {
		rc = drip_my_column_copy(&known->columns[at], c);
	} else {
		memset(c, 0, sizeof(*c));
		c->name = strdup(name);
		rc = c->name == NULL ? -ENOMEM : describe_type(m, c);
	}
	c->nullable = m->nullable;
	if (map->has_key) {
		c->key = m->key;
	}
	return rc;
}

int drip_my_map_table(const struct drip_my_map *m, const struct drip_my_table *known,
		      struct drip_my_table **ret, struct drip_error *err)
{
	struct drip_my_table *t;

	if (!m->has_names) {
		return -ENOENT;
	}
	t = drip_my_table_create(m->database, m->table);
	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	if (known != NULL) {
		memcpy(t->charset, known->charset, sizeof(t->charset));
		t->transactional = known->transactional;
		t->rows_estimate = known->rows_estimate;
	}
	for (uint32_t i = 0; i < m->count; i++) {
		struct drip_my_column c;
		int rc = describe_column(m, i, known, &c);

		if (rc != 0) {
			drip_my_column_finish(&c);
		} else {
			rc = drip_my_table_insert(t, i, &c);
		}
		if (rc != 0) {
			drip_my_table_destroy(t);
			return drip_error_nomem(err, sizeof(c));
		}
	}
	*ret = t;
	return 0;
}
