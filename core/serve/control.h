/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: <state>/control.sock, mode 0600. A request is one line of JSON,
 *	{"id": 1, "method": "status", "arguments": {...}}
 * and so is its answer,
 *	{"id": 1, "result": ...}   or   {"id": 1, "error": {"code": ..., "message": ...}}
 * A connection has one request under way; later ones wait. The method `tap` sends {"id": 1,
 * "event": {...row...}} lines until its limit is reached or the client goes away.
 */
#ifndef DRIPLINE_SERVE_CONTROL_H
#define DRIPLINE_SERVE_CONTROL_H

#include "serve/app.h"

#define DRIP_CONTROL_SOCKET      "control.sock"
#define DRIP_CONTROL_CLIENTS_MAX 64
#define DRIP_CONTROL_REQUEST_MAX 65536 /* bytes of a line */
#define DRIP_CONTROL_UNSENT_MAX                                                                    \
	((size_t)4 << 20) /* bytes that a slow reader may leave unread                             \
			     before rows of a tap are dropped */

/* Begins to listen; the caller holds the lock of the state directory, so a socket that is there is
 * stale. Loop thread. */
int drip_control_open(struct drip_app *app, struct drip_control **ret,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* Closes all connections and removes the socket. The memory goes when the loop has run the
 * handles' closing. */
void drip_control_close(struct drip_control *control); /* NULL is accepted */

/* Fills a path that fits into sockaddr_un for the socket in `state_dir`; where the real one is too
 * long it goes through /proc/self/fd, and *ret_fd (-1 otherwise) must stay open while it is used.
 */
int drip_control_path(const char *state_dir, char *buf, size_t size, int *ret_fd,
		      struct drip_error *err) DRIP_MUST_CHECK;

#endif
