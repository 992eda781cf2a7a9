/* SPDX-License-Identifier: Apache-2.0 */
/* Positions as bytes: order-preserving for the engine, with detail for a restart. See position.h.
 */
#include "position.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DETAIL_VERSION 1

int drip_my_mark_compare(const struct drip_my_mark *a, const struct drip_my_mark *b)
{
	int order = strcmp(a->database, b->database);

	order = order != 0 ? order : strcmp(a->table, b->table);
	if (order != 0 || a->done || b->done) {
		return order != 0 ? order : (int)a->done - (int)b->done;
	}
	for (unsigned i = 0; i < DRIP_MY_PAGE_KEYS; i++) {
		uint64_t x = i < a->keys_count ? a->keys[i] : 0;
		uint64_t y = i < b->keys_count ? b->keys[i] : 0;

		if (x != y) {
			return x < y ? -1 : 1;
		}
	}
	return (int)a->keys_count - (int)b->keys_count;
}

bool drip_my_file_parse(const char *file, struct drip_my_position *p)
{
	const char *dot = strrchr(file, '.');
	char *end;

	if (dot == NULL || (size_t)(dot - file) >= sizeof(p->base) || dot[1] == '\0' ||
	    strlen(dot + 1) > 18) {
		return false;
	}
	p->place.file = strtoull(dot + 1, &end, 10);
	if (*end != '\0' || dot[1] < '0' || dot[1] > '9') {
		return false;
	}
	p->digits = (uint8_t)strlen(dot + 1);
	memcpy(p->base, file, (size_t)(dot - file));
	p->base[dot - file] = '\0';
	return true;
}

void drip_my_file_name(const struct drip_my_position *p, char *buf, size_t size)
{
	snprintf(buf, size, "%s.%0*" PRIu64, p->base, p->digits, p->place.file);
}

bool drip_my_gtids_parse(const char *text, struct drip_my_gtids *ret)
{
	memset(ret, 0, sizeof(*ret));
	while (*text != '\0') {
		char *end;
		uint64_t part[3];

		for (int i = 0; i < 3; i++) {
			if (*text < '0' || *text > '9') {
				return false;
			}
			part[i] = strtoull(text, &end, 10);
			if (i < 2 && *end != '-') {
				return false;
			}
			text = end + (i < 2);
		}
		if (ret->count == DRIP_MY_DOMAINS_MAX || (*text != '\0' && *text != ',')) {
			return false;
		}
		ret->domain[ret->count].domain = (uint32_t)part[0];
		ret->domain[ret->count].server_id = (uint32_t)part[1];
		ret->domain[ret->count++].sequence = part[2];
		text += *text == ',';
	}
	return true;
}

void drip_my_gtids_text(const struct drip_my_gtids *g, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < g->count && n < size; i++) {
		n += (size_t)snprintf(buf + n, size - n, "%s%u-%u-%" PRIu64, i == 0 ? "" : ",",
				      g->domain[i].domain, g->domain[i].server_id,
				      g->domain[i].sequence);
	}
}

void drip_my_gtids_add(struct drip_my_gtids *g, const struct drip_my_gtid *gtid)
{
	uint32_t i = 0;

	while (i < g->count && g->domain[i].domain != gtid->domain) {
		i++;
	}
	if (i == DRIP_MY_DOMAINS_MAX) {
		return;
	}
	g->count += i == g->count;
	g->domain[i].domain = gtid->domain;
	g->domain[i].server_id = gtid->server_id;
	g->domain[i].sequence = gtid->sequence;
}

struct writer {
	uint8_t *p;
	size_t size, at;
	bool full;
};

static void put(struct writer *w, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		if (w->at >= w->size) {
			w->full = true;
			return;
		}
		w->p[w->at++] = (uint8_t)(v >> (8 * i));
	}
}

static void put_text(struct writer *w, const char *text)
{
	size_t n = strlen(text);

	put(w, n, 2);
	for (size_t i = 0; i < n; i++) {
		put(w, (uint8_t)text[i], 1);
	}
}

static void put_mark(struct writer *w, const struct drip_my_mark *m)
{
	put(w, (uint64_t)m->done | (uint64_t)m->keys_count << 1, 1);
	put_text(w, m->database);
	put_text(w, m->table);
	for (unsigned i = 0; i < m->keys_count && i < DRIP_MY_PAGE_KEYS; i++) {
		put(w, m->keys[i], 8);
	}
}

static void put_detail(struct writer *w, const struct drip_my_position *p)
{
	put(w, DETAIL_VERSION, 1);
	put(w, p->phase, 1);
	put_text(w, p->server);
	put_text(w, p->base);
	put(w, p->digits, 1);
	put(w, p->place.file, 8);
	put(w, p->place.offset, 8);
	put(w, p->server_epoch, 4);
	put(w, p->row, 8);
	put(w, p->ordinal, 4);
	put(w, p->rows, 8);
	put_mark(w, &p->mark);
	put(w, p->gtids.count, 1);
	for (uint32_t i = 0; i < p->gtids.count; i++) {
		put(w, p->gtids.domain[i].domain, 4);
		put(w, p->gtids.domain[i].server_id, 4);
		put(w, p->gtids.domain[i].sequence, 8);
	}
}

static void put_order(const struct drip_my_position *p, struct drip_position *ret)
{
	ret->order_size = 0;
	drip_position_add_u64(ret, p->phase);
	if (p->phase == DRIP_MY_PHASE_LOG) {
		drip_position_add_u64(ret, p->server_epoch);
		drip_position_add_u64(ret, p->place.file);
		drip_position_add_u64(ret, p->place.offset);
		drip_position_add_u64(ret, p->row);
		return;
	}
	drip_position_add_u64(ret, p->ordinal);
	if (p->mark.done) {
		drip_position_add_u64(ret, UINT64_MAX);
		drip_position_add_u64(ret, UINT64_MAX);
	} else if (p->mark.keys_count == 0) {
		drip_position_add_u64(ret, p->rows);
	}
	for (unsigned i = 0; i < p->mark.keys_count && !p->mark.done; i++) {
		drip_position_add_u64(ret, p->mark.keys[i]);
	}
}

static void put_printable(const struct drip_my_position *p, struct drip_position *ret)
{
	char file[DRIP_MY_FILE_MAX + 24], gtids[80];

	drip_my_file_name(p, file, sizeof(file));
	drip_my_gtids_text(&p->gtids, gtids, sizeof(gtids));
	if (p->phase == DRIP_MY_PHASE_LOG) {
		snprintf(ret->text, sizeof(ret->text), "%.60s:%" PRIu64 "%s%.60s", file,
			 p->place.offset, gtids[0] != '\0' ? " gtid " : "", gtids);
	} else {
		snprintf(ret->text, sizeof(ret->text), "snapshot of %.40s.%.40s at %.40s:%" PRIu64,
			 p->mark.database, p->mark.table, file, p->place.offset);
	}
}

void drip_my_position_encode(const struct drip_my_position *p, struct drip_position *ret)
{
	struct writer w = {.p = (uint8_t *)ret->detail, .size = sizeof(ret->detail)};

	ret->struct_size = sizeof(*ret);
	ret->partition[0] = '\0';
	put_order(p, ret);
	put_printable(p, ret);
	put_detail(&w, p);
	if (w.full) { /* many domains: file and offset suffice on the same server */
		struct drip_my_position bare = *p;

		bare.gtids.count = 0;
		w.at = 0;
		w.full = false;
		put_detail(&w, &bare);
	}
	ret->detail_size = (uint16_t)w.at;
}

static void get_text(struct drip_my_reader *r, char *buf, size_t size)
{
	uint64_t n = drip_my_read_uint(r, 2);
	const uint8_t *p = drip_my_read(r, n);

	if (p == NULL || n >= size) {
		r->bad = true;
		return;
	}
	memcpy(buf, p, (size_t)n);
	buf[n] = '\0';
}

static void get_mark(struct drip_my_reader *r, struct drip_my_mark *m)
{
	uint64_t flags = drip_my_read_uint(r, 1);

	get_text(r, m->database, sizeof(m->database));
	get_text(r, m->table, sizeof(m->table));
	m->done = (flags & 1) != 0;
	m->keys_count = (uint8_t)(flags >> 1);
	if (m->keys_count > DRIP_MY_PAGE_KEYS) {
		r->bad = true;
		m->keys_count = 0;
	}
	for (unsigned i = 0; i < m->keys_count; i++) {
		m->keys[i] = drip_my_read_uint(r, 8);
	}
}

int drip_my_position_decode(const struct drip_position *from, struct drip_my_position *p,
			    struct drip_error *err)
{
	struct drip_my_reader r =
		drip_my_reader_of((const uint8_t *)from->detail, from->detail_size);
	uint64_t version = drip_my_read_uint(&r, 1);

	memset(p, 0, sizeof(*p));
	p->phase = drip_my_read_uint(&r, 1) == 0 ? DRIP_MY_PHASE_SNAPSHOT : DRIP_MY_PHASE_LOG;
	get_text(&r, p->server, sizeof(p->server));
	get_text(&r, p->base, sizeof(p->base));
	p->digits = (uint8_t)drip_my_read_uint(&r, 1);
	p->place.file = drip_my_read_uint(&r, 8);
	p->place.offset = drip_my_read_uint(&r, 8);
	p->server_epoch = drip_my_read_uint(&r, 4);
	p->row = drip_my_read_uint(&r, 8);
	p->ordinal = drip_my_read_uint(&r, 4);
	p->rows = drip_my_read_uint(&r, 8);
	get_mark(&r, &p->mark);
	p->gtids.count = (uint32_t)drip_my_read_uint(&r, 1);
	r.bad = r.bad || p->gtids.count > DRIP_MY_DOMAINS_MAX;
	for (uint32_t i = 0; i < p->gtids.count && !r.bad; i++) {
		p->gtids.domain[i].domain = (uint32_t)drip_my_read_uint(&r, 4);
		p->gtids.domain[i].server_id = (uint32_t)drip_my_read_uint(&r, 4);
		p->gtids.domain[i].sequence = drip_my_read_uint(&r, 8);
	}
	if (r.bad || version != DETAIL_VERSION) {
		drip_error_set(err, -EBADMSG, "mysql.state_damaged",
			       "cannot read the position of the last run");
		drip_error_hint(err, "Reset the checkpoint of the pipeline to begin anew.");
		return -EBADMSG;
	}
	return 0;
}
