/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where events come from: a server, read by a thread of its own so that waiting has a timeout and
 * reading overlaps decoding; or files on disk. Both yield events, header first, one at a time.
 */
#ifndef DRIPLINE_MYSQL_FEED_H
#define DRIPLINE_MYSQL_FEED_H

#include "client.h"
#include "position.h"

struct drip_my_net;

struct drip_my_net_start {
	uint32_t server_id;
	uint64_t heartbeat_ms;
	const char *file;  /* and `offset`, or: */
	uint64_t offset;   /* 4 GiB and more: the file from its start */
	const char *gtids; /* MariaDB's position, NULL: by file */
};

/* (gives) Takes `m` (also on failure) and asks for the log. */
int drip_my_net_open(MYSQL *m, const struct drip_my_net_start *start, struct drip_my_net **ret,
		     struct drip_error *err) DRIP_MUST_CHECK;
/* NULL is accepted. */
void drip_my_net_close(struct drip_my_net *n);
/* 1 and the next event (borrowed until the next call), 0 after `timeout_ms` without one, or a
 * negative errno. */
int drip_my_net_next(struct drip_my_net *n, uint32_t timeout_ms, const uint8_t **ret,
		     size_t *ret_size, struct drip_error *err) DRIP_MUST_CHECK;
/* Thread: any. A waiting `next` returns -ECANCELED, and all later ones. */
void drip_my_net_interrupt(struct drip_my_net *n);

struct drip_my_file;

/* (gives) opens a binlog file and checks its first bytes. */
int drip_my_file_open(const char *path, struct drip_my_file **ret,
		      struct drip_error *err) DRIP_MUST_CHECK;
void drip_my_file_close(struct drip_my_file *f); /* NULL is accepted */
/* 1 and the next event (borrowed until the next call), 0 at the end, or a negative errno. A last
 * event that is cut short is the end where the server had the file open, otherwise an error. */
int drip_my_file_next(struct drip_my_file *f, const uint8_t **ret, size_t *ret_size,
		      struct drip_error *err) DRIP_MUST_CHECK;
uint64_t drip_my_file_offset(const struct drip_my_file *f); /* where the next event starts */

#endif
