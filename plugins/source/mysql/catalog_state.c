/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalog as bytes, for the state of a source: little-endian numbers, texts with their length
 * before them. What is read back was written by an earlier release, or damaged: every read is
 * bounded.
 */
#include "catalog.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MAGIC 0x31434d44u /* "DMC1" */

static void put(struct drip_my_text *t, uint64_t v, unsigned bytes)
{
	char buf[8];

	for (unsigned i = 0; i < bytes; i++) {
		buf[i] = (char)(v >> (8 * i));
	}
	drip_my_text_bytes(t, buf, bytes);
}

static void put_text(struct drip_my_text *t, const char *text)
{
	size_t n = strlen(text);

	put(t, n, 4);
	drip_my_text_bytes(t, text, n);
}

static void put_column(struct drip_my_text *t, const struct drip_my_column *c)
{
	put_text(t, c->name);
	put(t, c->kind, 1);
	put(t, c->bytes, 1);
	put(t, c->fsp, 1);
	put(t, c->precision, 1);
	put(t, c->scale, 1);
	put(t, c->key, 1);
	put(t, c->is_unsigned | c->nullable << 1 | c->json << 2 | c->compressed << 3, 1);
	put(t, c->length, 4);
	put_text(t, c->geometry);
	put_text(t, c->charset);
	put(t, c->labels_count, 4);
	for (uint32_t i = 0; i < c->labels_count; i++) {
		put_text(t, c->labels[i]);
	}
}

static void put_table(struct drip_my_text *t, const struct drip_my_table *table)
{
	put(t, table->version, 8);
	put(t, table->rows_estimate, 8);
	put(t, table->transactional, 1);
	put_text(t, table->charset);
	put(t, table->count, 4);
	for (uint32_t i = 0; i < table->count; i++) {
		put_column(t, &table->columns[i]);
	}
}

int drip_my_catalog_save(const struct drip_my_catalog *c, void **ret, size_t *ret_size,
			 struct drip_error *err)
{
	struct drip_my_text t = {0};

	put(&t, STATE_MAGIC, 4);
	put(&t, c->count, 4);
	for (size_t i = 0; i < DRIP_COUNT(c->buckets); i++) {
		for (const struct drip_my_entry *e = c->buckets[i]; e != NULL; e = e->next) {
			put_text(&t, e->database);
			put_text(&t, e->name);
			put(&t, e->count, 4);
			for (uint32_t k = 0; k < e->count; k++) {
				put(&t, e->versions[k].since.file, 8);
				put(&t, e->versions[k].since.offset, 8);
				put(&t, e->versions[k].table != NULL, 1);
				if (e->versions[k].table != NULL) {
					put_table(&t, e->versions[k].table);
				}
			}
		}
	}
	if (t.failed) {
		size_t size = t.size;

		drip_my_text_finish(&t);
		return drip_error_nomem(err, size);
	}
	*ret = t.p;
	*ret_size = t.size;
	return 0;
}

/* (gives) a text, NULL without memory or with `r` bad. */
static char *get_text(struct drip_my_reader *r)
{
	uint64_t n = drip_my_read_uint(r, 4);
	const uint8_t *p = drip_my_read(r, n);
	char *text = p != NULL ? malloc((size_t)n + 1) : NULL;

	if (text == NULL) {
		r->bad = true;
		return NULL;
	}
	memcpy(text, p, (size_t)n);
	text[n] = '\0';
	return text;
}

static void get_text_into(struct drip_my_reader *r, char *buf, size_t size)
{
	char *text = get_text(r);

	if (text != NULL) {
		strncpy(buf, text, size - 1);
		buf[size - 1] = '\0';
	}
	free(text);
}

static void get_labels(struct drip_my_reader *r, struct drip_my_column *c)
{
	uint64_t count = drip_my_read_uint(r, 4);

	if (count == 0 || count > DRIP_MY_LABELS_MAX || r->bad) {
		r->bad = r->bad || count > DRIP_MY_LABELS_MAX;
		return;
	}
	c->labels = calloc((size_t)count, sizeof(*c->labels));
	for (uint64_t i = 0; i < count && c->labels != NULL; i++) {
		c->labels[i] = get_text(r);
		if (c->labels[i] == NULL) {
			return;
		}
		c->labels_count++;
	}
	r->bad = r->bad || c->labels == NULL;
}

static void get_column(struct drip_my_reader *r, struct drip_my_column *c)
{
	uint64_t flags;

	c->name = get_text(r);
	c->kind = (enum drip_my_kind)drip_my_read_uint(r, 1);
	c->bytes = (uint8_t)drip_my_read_uint(r, 1);
	c->fsp = (uint8_t)drip_my_read_uint(r, 1);
	c->precision = (uint8_t)drip_my_read_uint(r, 1);
	c->scale = (uint8_t)drip_my_read_uint(r, 1);
	c->key = (uint8_t)drip_my_read_uint(r, 1);
	flags = drip_my_read_uint(r, 1);
	c->is_unsigned = (flags & 1) != 0;
	c->nullable = (flags & 2) != 0;
	c->json = (flags & 4) != 0;
	c->compressed = (flags & 8) != 0;
	c->length = (uint32_t)drip_my_read_uint(r, 4);
	get_text_into(r, c->geometry, sizeof(c->geometry));
	get_text_into(r, c->charset, sizeof(c->charset));
	get_labels(r, c);
	r->bad = r->bad || c->kind > DRIP_MY_INET6;
}

static struct drip_my_table *get_table(struct drip_my_reader *r, const char *database,
				       const char *name)
{
	struct drip_my_table *t = drip_my_table_create(database, name);
	uint64_t count;

	if (t == NULL) {
		r->bad = true;
		return NULL;
	}
	t->version = drip_my_read_uint(r, 8);
	t->rows_estimate = drip_my_read_uint(r, 8);
	t->transactional = drip_my_read_uint(r, 1) != 0;
	get_text_into(r, t->charset, sizeof(t->charset));
	count = drip_my_read_uint(r, 4);
	for (uint64_t i = 0; i < count && !r->bad; i++) {
		struct drip_my_column c = {0};

		get_column(r, &c);
		if (r->bad) {
			drip_my_column_finish(&c);
		} else if (drip_my_table_insert(t, t->count, &c) != 0) {
			r->bad = true;
		}
	}
	return t;
}

static int get_entry(struct drip_my_catalog *c, struct drip_my_reader *r, struct drip_error *err)
{
	char *database = get_text(r), *name = get_text(r);
	uint64_t count = drip_my_read_uint(r, 4);
	int rc = 0;

	for (uint64_t i = 0; i < count && !r->bad && rc == 0; i++) {
		struct drip_my_place since;
		struct drip_my_table *t = NULL;
		uint64_t version;

		since.file = drip_my_read_uint(r, 8);
		since.offset = drip_my_read_uint(r, 8);
		if (drip_my_read_uint(r, 1) != 0) {
			t = get_table(r, database, name);
		}
		if (r->bad) {
			drip_my_table_destroy(t);
			break;
		}
		version = t != NULL ? t->version : 0;
		rc = drip_my_catalog_set(c, database, name, t, since, err);
		if (rc == 0 && t != NULL) {
			t->version = version;
		}
	}
	free(database);
	free(name);
	return rc;
}

int drip_my_catalog_restore(struct drip_my_catalog *c, const void *data, size_t size,
			    struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(data, size);
	uint64_t magic = drip_my_read_uint(&r, 4), count = drip_my_read_uint(&r, 4);
	int rc = 0;

	for (uint64_t i = 0; i < count && !r.bad && rc == 0; i++) {
		rc = get_entry(c, &r, err);
	}
	c->changed = false;
	if (rc == 0 && (r.bad || magic != STATE_MAGIC)) {
		rc = drip_error_set(err, -EBADMSG, "mysql.state_damaged",
				    "cannot read the table descriptions of the last run");
		drip_error_hint(err, "Reset the checkpoint of the pipeline to begin anew.");
	}
	return rc;
}
