/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XA transactions. The log has the rows of one where it is prepared, and much later, in a group of
 * its own, that it was committed or rolled back: rows are given at the commit. Prepared ones are
 * remembered with their place in the log, and with their events while those are few. One that is
 * not remembered (prepared before the snapshot or the last restart) is looked for in the log,
 * backwards, and read again there. So no state is kept, and a position stays a place in the log.
 * Owned by the source's thread.
 */
#ifndef DRIPLINE_MYSQL_XA_H
#define DRIPLINE_MYSQL_XA_H

#include "binlog.h"
#include "catalog.h"

#define DRIP_MY_XID_BYTES     128  /* of both parts */
#define DRIP_MY_XA_MAX        4096 /* prepared ones remembered; older ones are looked for */
#define DRIP_MY_XA_KEEP_BYTES (16u * 1024 * 1024) /* of events of all prepared ones */

struct drip_my_source;

struct drip_my_xid {
	uint32_t format;
	uint8_t global_size, branch_size;
	uint8_t data[DRIP_MY_XID_BYTES];
};

struct drip_my_prepared {
	struct drip_my_xid xid;
	struct drip_my_place place; /* before its first table map, behind the group before */
	uint8_t *events; /* owned: each 4 bytes of size, then the event; NULL: not kept */
	size_t size, capacity;
};

struct drip_my_xa {
	bool open;                     /* the group that is read will be prepared */
	bool keep;                     /* and its events are kept so far */
	struct drip_my_prepared now;   /* the open one */
	struct drip_my_prepared *list; /* oldest first; room for DRIP_MY_XA_MAX + 1 */
	size_t count;
	size_t kept; /* bytes of events, of all */
};

/* Who reads the log, and takes table maps and row events of a committed transaction. */
struct drip_my_xa_reader {
	struct drip_my_source *source;
	struct drip_my_format *format; /* of the events that are read; set aside meanwhile */
	struct drip_my_place here;     /* now: the log is searched up to here */
	int (*event)(void *user, const struct drip_my_event *e, struct drip_error *err);
	void *user;
};

void drip_my_xa_finish(struct drip_my_xa *x);
/* Events that are kept cannot be parsed with another format: forgets them, not their places. */
void drip_my_xa_reformat(struct drip_my_xa *x);
/* A group begins that will be prepared. */
void drip_my_xa_open(struct drip_my_xa *x, struct drip_my_place place);
/* Is it a table map or a row event? */
bool drip_my_xa_takes(uint8_t type);
/* One of these, of the open group. */
void drip_my_xa_keep(struct drip_my_xa *x, const uint8_t *data, size_t size);
/* The XA_PREPARE event that ends the open group. In one phase it is the commit: then the rows are
 * given. */
int drip_my_xa_prepare(struct drip_my_xa *x, const struct drip_my_xa_reader *r,
		       const struct drip_my_event *e, struct drip_error *err) DRIP_MUST_CHECK;
/*
 * The statements XA START, XA COMMIT and XA ROLLBACK as the log has them. 1: it was one, 0: it is
 * another statement, or a negative errno, -ENODATA with mysql.xa_lost where the log does not have
 * the rows any more.
 */
int drip_my_xa_statement(struct drip_my_xa *x, const struct drip_my_xa_reader *r,
			 const struct drip_my_query *q, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- reread.c ---- */

/* The log a second time, beside the stream. */
struct drip_my_reread {
	struct drip_my_source *source;
	struct drip_my_net *net;   /* of a server, or: */
	struct drip_my_file *file; /* of a file on disk */
	struct drip_my_format format;
	struct drip_my_place at; /* where the event before ended */
	uint64_t skip_until;     /* events that begin before are stepped over */
};

/* From the event that begins at `place`, an offset of 4: from the start of its file. To be closed,
 * also after a failure. */
int drip_my_reread_open(struct drip_my_reread *r, struct drip_my_source *s,
			struct drip_my_place place, struct drip_error *err) DRIP_MUST_CHECK;
/* 1 and the next event, 0 at the end of the file, or a negative errno. r->at is behind it. */
int drip_my_reread_next(struct drip_my_reread *r, struct drip_my_event *ret,
			struct drip_error *err) DRIP_MUST_CHECK;
void drip_my_reread_close(struct drip_my_reread *r);
/* Number of the first file that there is. */
int drip_my_reread_first(struct drip_my_source *s, uint64_t *ret,
			 struct drip_error *err) DRIP_MUST_CHECK;

#endif
