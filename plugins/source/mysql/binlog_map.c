/* SPDX-License-Identifier: Apache-2.0 */
/* TABLE_MAP events with their optional metadata: see binlog.h. */
#include "binlog.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum metadata_type {
	META_SIGNEDNESS = 1,
	META_DEFAULT_CHARSET = 2,
	META_COLUMN_CHARSET = 3,
	META_COLUMN_NAME = 4,
	META_SET_VALUES = 5,
	META_ENUM_VALUES = 6,
	META_GEOMETRY = 7,
	META_KEY = 8,
	META_KEY_PREFIX = 9,
	META_LABEL_DEFAULT_CHARSET = 10,
	META_LABEL_CHARSET = 11,
};

static int corrupt(struct drip_error *err, const char *what)
{
	return drip_error_set(err, -EBADMSG, "mysql.corrupt_event",
			      "cannot read a table map event: %s", what);
}

void drip_my_map_finish(struct drip_my_map *m)
{
	free(m->columns);
	memset(m, 0, sizeof(*m));
}

uint64_t drip_my_map_id(const struct drip_my_format *f, const struct drip_my_event *e)
{
	unsigned size = f->post_sizes[DRIP_MY_EVENT_TABLE_MAP] == 6 ? 4 : 6;

	return e->body_size < size ? 0 : drip_my_little(e->body, size);
}

/* A name with its length before and a NUL behind. */
static const char *read_name(struct drip_my_reader *r)
{
	uint64_t size = drip_my_read_uint(r, 1);
	const uint8_t *p = drip_my_read(r, size + 1);

	if (p == NULL || p[size] != '\0') {
		r->bad = true;
		return "";
	}
	return (const char *)p;
}

/* ENUM and SET come as STRING with the real type in their metadata; a CHAR of more than 255 bytes
 * has the upper bits of its length, inverted, in the type. */
static void resolve_string(struct drip_my_map_column *c, uint8_t real, uint8_t length)
{
	if ((real & 0x30) != 0x30) {
		c->meta = (uint16_t)(length | ((real & 0x30) ^ 0x30) << 4);
		real |= 0x30;
	} else {
		c->meta = length;
	}
	c->wire = real == DRIP_MY_WIRE_ENUM || real == DRIP_MY_WIRE_SET ? real : c->wire;
}

static void read_metadata(struct drip_my_reader *r, struct drip_my_map_column *c)
{
	uint8_t first;

	switch (c->wire) {
	case DRIP_MY_WIRE_FLOAT:
	case DRIP_MY_WIRE_DOUBLE:
	case DRIP_MY_WIRE_TIMESTAMP2:
	case DRIP_MY_WIRE_DATETIME2:
	case DRIP_MY_WIRE_TIME2:
	case DRIP_MY_WIRE_BLOB:
	case DRIP_MY_WIRE_BLOB_COMPRESSED:
	case DRIP_MY_WIRE_JSON:
	case DRIP_MY_WIRE_GEOMETRY:
		c->meta = (uint16_t)drip_my_read_uint(r, 1);
		break;
	case DRIP_MY_WIRE_VARCHAR:
	case DRIP_MY_WIRE_VAR_STRING:
	case DRIP_MY_WIRE_VARCHAR_COMPRESSED:
	case DRIP_MY_WIRE_NEWDECIMAL:
	case DRIP_MY_WIRE_ENUM:
	case DRIP_MY_WIRE_SET:
		c->meta = (uint16_t)drip_my_read_uint(r, 2);
		break;
	case DRIP_MY_WIRE_BIT:
		c->meta = (uint16_t)drip_my_read_uint(r, 2); /* bits, then whole bytes */
		break;
	case DRIP_MY_WIRE_STRING:
		first = (uint8_t)drip_my_read_uint(r, 1);
		resolve_string(c, first, (uint8_t)drip_my_read_uint(r, 1));
		break;
	default:
		break;
	}
}

/* MariaDB gives the sign of YEAR too, and a collation for geometries; MySQL does not. */
static bool is_number(const struct drip_my_map *m, const struct drip_my_map_column *c)
{
	switch (c->wire) {
	case DRIP_MY_WIRE_TINY:
	case DRIP_MY_WIRE_SHORT:
	case DRIP_MY_WIRE_INT24:
	case DRIP_MY_WIRE_LONG:
	case DRIP_MY_WIRE_LONGLONG:
	case DRIP_MY_WIRE_NEWDECIMAL:
	case DRIP_MY_WIRE_FLOAT:
	case DRIP_MY_WIRE_DOUBLE:
		return true;
	case DRIP_MY_WIRE_YEAR:
		return m->mariadb;
	default:
		return false;
	}
}

static bool is_text(const struct drip_my_map *m, const struct drip_my_map_column *c)
{
	switch (c->wire) {
	case DRIP_MY_WIRE_STRING:
	case DRIP_MY_WIRE_VAR_STRING:
	case DRIP_MY_WIRE_VARCHAR:
	case DRIP_MY_WIRE_BLOB:
	case DRIP_MY_WIRE_BLOB_COMPRESSED:
	case DRIP_MY_WIRE_VARCHAR_COMPRESSED:
		return true;
	case DRIP_MY_WIRE_GEOMETRY:
		return m->mariadb;
	default:
		return false;
	}
}

static bool is_label(const struct drip_my_map *m, const struct drip_my_map_column *c)
{
	return c->wire == DRIP_MY_WIRE_ENUM || c->wire == DRIP_MY_WIRE_SET;
}

static void read_signs(struct drip_my_reader r, struct drip_my_map *m)
{
	uint64_t bits = 8 * drip_my_left(&r), bit = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		if (is_number(m, &m->columns[i]) && bit < bits) {
			m->columns[i].is_unsigned = (r.p[bit / 8] >> (7 - bit % 8) & 1) != 0;
			bit++;
		}
	}
	m->has_signs = true;
}

/* Collations of the columns that `of` picks: a list, or a default and exceptions by index. */
static void read_charsets(struct drip_my_reader r, struct drip_my_map *m, bool list,
			  bool (*of)(const struct drip_my_map *, const struct drip_my_map_column *))
{
	uint64_t fallback = list ? 0 : drip_my_read_length(&r);
	uint64_t exception = UINT64_MAX, collation = 0, index = 0;

	for (uint32_t i = 0; i < m->count; i++) {
		if (!of(m, &m->columns[i])) {
			continue;
		}
		if (list) {
			collation = drip_my_read_length(&r);
		} else {
			if ((exception == UINT64_MAX || exception < index) &&
			    drip_my_left(&r) > 0) {
				exception = drip_my_read_length(&r);
				collation = drip_my_read_length(&r);
			}
		}
		m->columns[i].collation =
			(uint32_t)(list || exception == index ? collation : fallback);
		index++;
	}
}

static void read_names(struct drip_my_reader r, struct drip_my_map *m)
{
	m->has_names = false; /* also where the names come twice */
	for (uint32_t i = 0; i < m->count; i++) {
		uint64_t size = drip_my_read_length(&r);

		m->columns[i].name = (const char *)drip_my_read(&r, size);
		m->columns[i].name_size = (uint8_t)size;
		if (m->columns[i].name == NULL || size == 0 || size > 255) {
			return;
		}
	}
	m->has_names = true;
}

static void read_labels(struct drip_my_reader r, struct drip_my_map *m, uint8_t wire)
{
	for (uint32_t i = 0; i < m->count; i++) {
		struct drip_my_map_column *c = &m->columns[i];
		uint64_t count;

		if (c->wire != wire) {
			continue;
		}
		count = drip_my_read_length(&r);
		c->labels = r.p;
		for (uint64_t k = 0; k < count && !r.bad; k++) {
			drip_my_read(&r, drip_my_read_length(&r));
		}
		if (r.bad || count > DRIP_MY_LABELS_MAX) {
			c->labels = NULL;
			return;
		}
		c->labels_count = (uint32_t)count;
		c->labels_size = (size_t)(r.p - c->labels);
	}
}

static void read_geometry(struct drip_my_reader r, struct drip_my_map *m)
{
	for (uint32_t i = 0; i < m->count; i++) {
		if (m->columns[i].wire == DRIP_MY_WIRE_GEOMETRY) {
			m->columns[i].geometry = (uint8_t)drip_my_read_length(&r);
		}
	}
}

static void read_key(struct drip_my_reader r, struct drip_my_map *m, bool prefixes)
{
	uint8_t position = 0;

	while (drip_my_left(&r) > 0 && !r.bad && position < DRIP_MY_KEY_MAX) {
		uint64_t index = drip_my_read_length(&r);

		if (prefixes) {
			drip_my_read_length(&r);
		}
		if (index < m->count) {
			m->columns[index].key = ++position;
		}
	}
	m->has_key = true;
}

static void read_optional(struct drip_my_reader *all, struct drip_my_map *m)
{
	while (drip_my_left(all) > 0) {
		uint64_t type = drip_my_read_uint(all, 1), size = drip_my_read_length(all);
		const uint8_t *p = drip_my_read(all, size);
		struct drip_my_reader r;

		if (p == NULL) {
			return;
		}
		r = drip_my_reader_of(p, (size_t)size);
		switch (type) {
		case META_SIGNEDNESS:
			read_signs(r, m);
			break;
		case META_DEFAULT_CHARSET:
		case META_COLUMN_CHARSET:
			read_charsets(r, m, type == META_COLUMN_CHARSET, is_text);
			break;
		case META_COLUMN_NAME:
			read_names(r, m);
			break;
		case META_SET_VALUES:
		case META_ENUM_VALUES:
			read_labels(r, m,
				    type == META_SET_VALUES ? DRIP_MY_WIRE_SET : DRIP_MY_WIRE_ENUM);
			break;
		case META_GEOMETRY:
			read_geometry(r, m);
			break;
		case META_KEY:
		case META_KEY_PREFIX:
			read_key(r, m, type == META_KEY_PREFIX);
			break;
		case META_LABEL_DEFAULT_CHARSET:
		case META_LABEL_CHARSET:
			read_charsets(r, m, type == META_LABEL_CHARSET, is_label);
			break;
		default:
			break;
		}
	}
}

static int map_room(struct drip_my_map *m, uint32_t count, struct drip_error *err)
{
	if (count > m->capacity) {
		struct drip_my_map_column *grown = realloc(m->columns, count * sizeof(*grown));

		if (grown == NULL) {
			return drip_error_nomem(err, count * sizeof(*grown));
		}
		m->columns = grown;
		m->capacity = count;
	}
	if (count > 0) {
		memset(m->columns, 0, count * sizeof(*m->columns));
	}
	m->count = count;
	return 0;
}

int drip_my_map_parse(const struct drip_my_format *f, const struct drip_my_event *e,
		      struct drip_my_map *m, struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size), meta;
	const uint8_t *types, *nulls, *p;
	uint64_t count, size;

	m->table_id = drip_my_map_id(f, e);
	m->mariadb = strstr(f->server_version, "MariaDB") != NULL;
	m->has_names = m->has_signs = m->has_key = false;
	drip_my_read(&r, f->post_sizes[DRIP_MY_EVENT_TABLE_MAP] == 6 ? 6 : 8);
	m->database = read_name(&r);
	m->table = read_name(&r);
	count = drip_my_read_length(&r);
	types = drip_my_read(&r, count);
	size = drip_my_read_length(&r);
	p = drip_my_read(&r, size);
	nulls = drip_my_read(&r, count <= DRIP_COLUMNS_MAX ? (count + 7) / 8 : UINT32_MAX);
	if (r.bad) {
		return corrupt(err, "it is too short");
	}
	if (map_room(m, (uint32_t)count, err) != 0) {
		return -ENOMEM;
	}
	meta = drip_my_reader_of(p, (size_t)size);
	for (uint32_t i = 0; i < m->count; i++) {
		m->columns[i].wire = types[i];
		m->columns[i].nullable = (nulls[i / 8] >> (i % 8) & 1) != 0;
		read_metadata(&meta, &m->columns[i]);
	}
	if (meta.bad) {
		return corrupt(err, "its metadata is too short");
	}
	read_optional(&r, m);
	return 0;
}
