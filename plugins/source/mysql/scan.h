/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a table, as the server holds them now: a SELECT whose result is read as it comes. By a
 * prepared statement, for its rows are in the binary protocol, which costs the server half of the
 * text protocol; where the server or a proxy takes none, as text. One thread at a time; the
 * session can do nothing else until the rows are closed.
 */
#ifndef DRIPLINE_MYSQL_SCAN_H
#define DRIPLINE_MYSQL_SCAN_H

#include "client.h"
#include "value.h"

struct drip_my_slot;

struct drip_my_scan {
	MYSQL *m; /* (borrowed) NULL: not open */
	MYSQL_STMT *stmt;
	MYSQL_RES *res; /* of the text protocol, where `stmt` is NULL */
	bool unread;    /* rows of the result may be left */
	struct drip_my_cell *cells;
	uint32_t *columns; /* for each cell: the column of the table */
	uint32_t count;
	const uint8_t **values; /* of the row read last: (borrowed) until the next; NULL for null */
	size_t *sizes;
};

/* Selects the slot's columns into its builder; `behind` is what follows the table's name, or "".
 * Close it in either case. */
int drip_my_scan_open(struct drip_my_scan *n, MYSQL *m, const struct drip_my_slot *slot,
		      struct drip_my_values *values, const char *behind,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* 1: a row is in `values` and `sizes`; 0: there is none any more. */
int drip_my_scan_next(struct drip_my_scan *n, struct drip_error *err) DRIP_MUST_CHECK;
/* The row into the builder's columns; failures stick in the cells' values. */
void drip_my_scan_append(const struct drip_my_scan *n);
/* Where rows are left, the session is cut off. A zeroed struct is accepted, and is left so. */
void drip_my_scan_close(struct drip_my_scan *n);

#endif
