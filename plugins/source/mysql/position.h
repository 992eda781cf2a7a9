/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a source stands. Two phases: the snapshot, ordered by table and key, then the log, ordered
 * by file, offset and row. A position carries all that a restart needs, in its `detail`.
 *
 * All rows of the snapshot are as of one place in the log, also after a restart: then the server
 * shows a later state, and what changed in between is undone with the before images in the log
 * (undo.h). So a position means the same rows in every run, and the log follows from the snapshot's
 * place.
 */
#ifndef DRIPLINE_MYSQL_POSITION_H
#define DRIPLINE_MYSQL_POSITION_H

#include "binlog.h"
#include "catalog.h"

#define DRIP_MY_PAGE_KEYS   4  /* integer columns of a key by which a table is read in order */
#define DRIP_MY_DOMAINS_MAX 64 /* GTID domains of MariaDB */
#define DRIP_MY_SERVER_MAX  64 /* bytes of a server's identity, with its end */

enum drip_my_phase { DRIP_MY_PHASE_SNAPSHOT = 0, DRIP_MY_PHASE_LOG = 1 };

/* A point in the order in which tables are copied. Keys are order-preserving: signed ones have the
 * top bit flipped. */
struct drip_my_mark {
	char database[200], table[200]; /* "" before all tables */
	uint64_t keys[DRIP_MY_PAGE_KEYS];
	uint8_t keys_count;
	bool done; /* behind the last row of the table */
};

struct drip_my_gtids {
	uint32_t count;
	struct {
		uint32_t domain, server_id;
		uint64_t sequence;
	} domain[DRIP_MY_DOMAINS_MAX];
};

struct drip_my_position {
	enum drip_my_phase phase;
	char server[DRIP_MY_SERVER_MAX]; /* identity of the server that `place` belongs to */
	char base[DRIP_MY_FILE_MAX];     /* "mysql-bin" of mysql-bin.000004 */
	uint8_t digits;                  /* of the file's number */
	struct drip_my_place place;      /* log: a transaction boundary. snapshot: of its view */
	struct drip_my_gtids gtids;      /* at `place` */
	uint64_t server_epoch;           /* grows by one with each change of server */
	uint64_t row;                    /* log: rows of the open transaction already given */
	uint64_t ordinal;                /* snapshot: tables begun */
	uint64_t rows;                   /* snapshot: rows of a table without an integer key */
	struct drip_my_mark mark;        /* snapshot: the last row given */
};

int drip_my_mark_compare(const struct drip_my_mark *a, const struct drip_my_mark *b);
void drip_my_position_encode(const struct drip_my_position *p, struct drip_position *ret);
int drip_my_position_decode(const struct drip_position *from, struct drip_my_position *ret,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* Splits "mysql-bin.000004" into base, number and digits. False: no such name. */
bool drip_my_file_parse(const char *file, struct drip_my_position *p);
void drip_my_file_name(const struct drip_my_position *p, char *buf, size_t size);

/* "0-1-95,1-2-7" */
bool drip_my_gtids_parse(const char *text, struct drip_my_gtids *ret);
void drip_my_gtids_text(const struct drip_my_gtids *g, char *buf, size_t size);
void drip_my_gtids_add(struct drip_my_gtids *g, const struct drip_my_gtid *gtid);

#endif
