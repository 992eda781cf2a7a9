/* SPDX-License-Identifier: Apache-2.0 */
/* XA transactions: see xa.h. */
#include "xa.h"

#include "source.h"
#include "wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define XID_TEXT_MAX (2 * DRIP_MY_XID_BYTES + 32) /* X'..',X'..',N with its end */

static void forget_events(struct drip_my_xa *x, struct drip_my_prepared *p)
{
	x->kept -= p->size;
	free(p->events);
	p->events = NULL;
	p->size = p->capacity = 0;
}

static void forget(struct drip_my_xa *x, size_t index)
{
	forget_events(x, &x->list[index]);
	x->count--;
	memmove(x->list + index, x->list + index + 1, (x->count - index) * sizeof(*x->list));
}

void drip_my_xa_finish(struct drip_my_xa *x)
{
	drip_my_xa_reformat(x);
	free(x->list);
	memset(x, 0, sizeof(*x));
}

void drip_my_xa_reformat(struct drip_my_xa *x)
{
	for (size_t i = 0; i < x->count; i++) {
		forget_events(x, &x->list[i]);
	}
	forget_events(x, &x->now);
	x->keep = false;
}

void drip_my_xa_open(struct drip_my_xa *x, struct drip_my_place place)
{
	forget_events(x, &x->now);
	memset(&x->now, 0, sizeof(x->now));
	x->now.place = place;
	x->open = x->keep = true;
}

void drip_my_xa_keep(struct drip_my_xa *x, const uint8_t *data, size_t size)
{
	struct drip_my_prepared *p = &x->now;
	uint32_t length = (uint32_t)size;
	size_t need = p->size + sizeof(length) + size;

	if (x->keep && x->kept + sizeof(length) + size <= DRIP_MY_XA_KEEP_BYTES) {
		if (need > p->capacity) {
			uint8_t *grown = realloc(p->events, need * 2);

			x->keep = grown != NULL;
			p->events = grown != NULL ? grown : p->events;
			p->capacity = grown != NULL ? need * 2 : p->capacity;
		}
	} else {
		x->keep = false;
	}
	if (!x->keep) {
		forget_events(x, p);
		return;
	}
	memcpy(p->events + p->size, &length, sizeof(length));
	memcpy(p->events + p->size + sizeof(length), data, size);
	p->size = need;
	x->kept += sizeof(length) + size;
}

static bool xid_equal(const struct drip_my_xid *a, const struct drip_my_xid *b)
{
	return a->format == b->format && a->global_size == b->global_size &&
	       a->branch_size == b->branch_size &&
	       memcmp(a->data, b->data, (size_t)a->global_size + a->branch_size) == 0;
}

/* As the server writes it in the log. */
static void xid_text(const struct drip_my_xid *xid, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(buf, size, "X'");

	for (unsigned i = 0; i < (unsigned)xid->global_size + xid->branch_size && n < size; i++) {
		n += (size_t)snprintf(buf + n, size - n, "%s%02x",
				      i == xid->global_size ? "',X'" : "", xid->data[i]);
	}
	if (n < size) {
		snprintf(buf + n, size - n, "%s',%u", xid->branch_size == 0 ? "',X'" : "",
			 xid->format);
	}
}

/* XA_PREPARE: in one phase, format, sizes, bytes. */
static int xid_of_event(const struct drip_my_event *e, struct drip_my_xid *ret, bool *ret_one_phase,
			struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);
	uint64_t one_phase = drip_my_read_uint(&r, 1);
	uint64_t format = drip_my_read_uint(&r, 4);
	uint64_t global = drip_my_read_uint(&r, 4), branch = drip_my_read_uint(&r, 4);
	const uint8_t *data = global <= DRIP_MY_XID_BYTES && branch <= DRIP_MY_XID_BYTES
				      ? drip_my_read(&r, global + branch)
				      : NULL;

	memset(ret, 0, sizeof(*ret));
	if (data == NULL || global + branch > DRIP_MY_XID_BYTES) {
		return drip_error_set(err, -EBADMSG, "mysql.corrupt_event",
				      "the identifier of an XA transaction is damaged");
	}
	*ret_one_phase = one_phase != 0;
	ret->format = (uint32_t)format;
	ret->global_size = (uint8_t)global;
	ret->branch_size = (uint8_t)branch;
	memcpy(ret->data, data, (size_t)(global + branch));
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* X'7831' into the identifier. NULL: it is none. */
static const char *parse_part(const char *p, const char *end, struct drip_my_xid *xid,
			      uint8_t *ret_size)
{
	unsigned from = (unsigned)xid->global_size, n = from;

	if (end - p < 3 || (*p | 0x20) != 'x' || p[1] != '\'') {
		return NULL;
	}
	for (p += 2; end - p >= 2 && *p != '\''; p += 2) {
		int high = hex_digit(p[0]), low = hex_digit(p[1]);

		if (high < 0 || low < 0 || n >= DRIP_MY_XID_BYTES) {
			return NULL;
		}
		xid->data[n++] = (uint8_t)(high << 4 | low);
	}
	*ret_size = (uint8_t)(n - from);
	return p < end && *p == '\'' ? p + 1 : NULL;
}

/* X'7831',X'',1 */
static bool parse_xid(const char *p, const char *end, struct drip_my_xid *ret)
{
	uint64_t format = 0;

	memset(ret, 0, sizeof(*ret));
	p = parse_part(p, end, ret, &ret->global_size);
	if (p == NULL || p == end || *p++ != ',') {
		return false;
	}
	p = parse_part(p, end, ret, &ret->branch_size);
	if (p == NULL || end - p < 2 || *p++ != ',') {
		return false;
	}
	for (; p < end && *p >= '0' && *p <= '9' && format <= UINT32_MAX; p++) {
		format = format * 10 + (uint64_t)(*p - '0');
	}
	ret->format = (uint32_t)format;
	return p == end && format <= UINT32_MAX;
}

/* ---- giving the rows ---- */

bool drip_my_xa_takes(uint8_t type)
{
	return type == DRIP_MY_EVENT_TABLE_MAP || drip_my_event_is_rows(type) ||
	       type == DRIP_MY_EVENT_PARTIAL_UPDATE;
}

static int give_kept(const struct drip_my_xa_reader *r, const struct drip_my_prepared *p,
		     struct drip_error *err)
{
	int rc = 0;

	for (size_t at = 0; at < p->size && rc == 0;) {
		struct drip_my_event e;
		uint32_t size;

		memcpy(&size, p->events + at, sizeof(size));
		rc = drip_my_event_parse(r->format, p->events + at + sizeof(size), size, &e, err);
		if (rc == 0) {
			rc = r->event(r->user, &e, err);
		}
		at += sizeof(size) + size;
	}
	return rc;
}

/* The format of the second reading takes the place of the first. */
static void swap_format(struct drip_my_format *a, struct drip_my_format *b)
{
	struct drip_my_format t = *a;

	*a = *b;
	*b = t;
}

static int give_again(const struct drip_my_xa_reader *r, struct drip_my_place place,
		      struct drip_error *err)
{
	struct drip_my_reread log;
	struct drip_my_event e;
	int rc = drip_my_reread_open(&log, r->source, place, err);

	while (rc == 0 && (rc = drip_my_reread_next(&log, &e, err)) == 1 &&
	       e.type != DRIP_MY_EVENT_XA_PREPARE) {
		rc = 0;
		if (drip_my_xa_takes(e.type)) {
			swap_format(r->format, &log.format);
			rc = r->event(r->user, &e, err);
			swap_format(r->format, &log.format);
		}
	}
	drip_my_reread_close(&log);
	return rc < 0 ? rc : 0;
}

static int give(const struct drip_my_xa_reader *r, const struct drip_my_prepared *p,
		struct drip_error *err)
{
	return p->events != NULL ? give_kept(r, p, err) : give_again(r, p->place, err);
}

/* ---- searching ---- */

static bool begins_group(const struct drip_my_event *e)
{
	struct drip_my_gtid gtid;
	struct drip_my_query q;
	struct drip_error ignored = DRIP_ERROR_INIT;

	if (e->type == DRIP_MY_EVENT_GTID) {
		return drip_my_gtid_parse(e, &gtid, &ignored) == 0 &&
		       (gtid.flags & DRIP_MY_GTID_PREPARED_XA) != 0;
	}
	return e->type == DRIP_MY_EVENT_QUERY && drip_my_query_parse(e, &q, &ignored) == 0 &&
	       q.sql_size > 9 && strncasecmp(q.sql, "XA START ", 9) == 0;
}

/* The last group in the file of that transaction, before `end`. 1: found. */
static int search_file(struct drip_my_source *s, const struct drip_my_xid *xid, uint64_t file,
		       const struct drip_my_place *end, struct drip_my_place *ret,
		       struct drip_error *err)
{
	struct drip_my_place begin = {.file = file, .offset = 4};
	struct drip_my_reread log;
	struct drip_my_event e;
	bool found = false;
	int rc = drip_my_reread_open(&log, s, begin, err);

	while (rc == 0 && drip_my_place_compare(&log.at, end) < 0 &&
	       (rc = drip_my_reread_next(&log, &e, err)) == 1) {
		struct drip_my_xid other;
		bool one_phase;

		rc = 0;
		if (begins_group(&e)) {
			begin.offset = log.at.offset - e.size;
		} else if (e.type == DRIP_MY_EVENT_XA_PREPARE) {
			rc = xid_of_event(&e, &other, &one_phase, err);
			if (rc == 0 && !one_phase && xid_equal(&other, xid)) {
				*ret = begin;
				found = true;
			}
		}
	}
	drip_my_reread_close(&log);
	return rc < 0 ? rc : found;
}

static int search(const struct drip_my_xa_reader *r, const struct drip_my_xid *xid,
		  struct drip_my_place *ret, struct drip_error *err)
{
	char text[XID_TEXT_MAX];
	uint64_t first;
	int rc = drip_my_reread_first(r->source, &first, err);

	if (rc != 0) {
		return rc;
	}
	xid_text(xid, text, sizeof(text));
	drip_log_info(r->source->ctx, "looking in the log for the XA transaction %s", text);
	for (uint64_t file = r->here.file; file >= first && file > 0; file--) {
		rc = search_file(r->source, xid, file, &r->here, ret, err);
		if (rc != 0) {
			return rc < 0 ? rc : 0;
		}
	}
	drip_error_set(err, -ENODATA, "mysql.xa_lost",
		       "the XA transaction %s is committed, but the log has no rows of it any more",
		       text);
	drip_error_hint(err, "Its log was removed since it was prepared, or is not in `files`. "
			     "Reset the checkpoint of the pipeline to take a new snapshot.");
	return -ENODATA;
}

/* ---- statements ---- */

/* Keeps the open group under its identifier. */
static int add(struct drip_my_xa *x, const struct drip_my_xid *xid, struct drip_error *err)
{
	if (x->list == NULL) {
		x->list = calloc(DRIP_MY_XA_MAX + 1, sizeof(*x->list));
		if (x->list == NULL) {
			return drip_error_nomem(err, (DRIP_MY_XA_MAX + 1) * sizeof(*x->list));
		}
	}
	x->now.xid = *xid;
	x->list[x->count++] = x->now;
	memset(&x->now, 0, sizeof(x->now));
	if (x->count > DRIP_MY_XA_MAX) {
		forget(x, 0);
	}
	return 0;
}

int drip_my_xa_prepare(struct drip_my_xa *x, const struct drip_my_xa_reader *r,
		       const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_xid xid;
	bool one_phase, open = x->open;
	int rc = xid_of_event(e, &xid, &one_phase, err);

	x->open = false;
	if (rc != 0 || !open) {
		return rc;
	}
	return one_phase ? give(r, &x->now, err) : add(x, &xid, err);
}

static bool skip_word(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) <= n || strncasecmp(*p, word, n) != 0 || (*p)[n] != ' ') {
		return false;
	}
	*p += n + 1;
	return true;
}

int drip_my_xa_statement(struct drip_my_xa *x, const struct drip_my_xa_reader *r,
			 const struct drip_my_query *q, struct drip_error *err)
{
	struct drip_my_prepared found = {.events = NULL};
	const char *p = q->sql, *end = q->sql + q->sql_size;
	struct drip_my_xid xid;
	size_t i = x->count;
	bool commit;
	int rc;

	if (!skip_word(&p, end, "xa")) {
		return 0;
	}
	if (skip_word(&p, end, "start")) {
		drip_my_xa_open(x, r->here);
		return 1;
	}
	commit = skip_word(&p, end, "commit");
	if ((!commit && !skip_word(&p, end, "rollback")) || !parse_xid(p, end, &xid)) {
		return 0;
	}
	while (i > 0 && !xid_equal(&x->list[i - 1].xid, &xid)) {
		i--;
	}
	if (commit) {
		rc = i > 0 ? 0 : search(r, &xid, &found.place, err);
		rc = rc != 0 ? rc : give(r, i > 0 ? &x->list[i - 1] : &found, err);
		if (rc != 0) {
			return rc;
		}
	}
	if (i > 0) {
		forget(x, i - 1);
	}
	return 1;
}
