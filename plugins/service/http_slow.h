/* SPDX-License-Identifier: Apache-2.0 */
/* Of the HTTP server: jobs that take long, and connections that do. Thread-safe. */
#ifndef DRIPLINE_PLUGIN_HTTP_SLOW_H
#define DRIPLINE_PLUGIN_HTTP_SLOW_H

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct http_job {
	struct http_job *next;
	void (*run)(struct http_job *job);
	void (*done)(void *data); /* after `finished` was set, when the job may be gone */
	void *data;
	atomic_bool finished; /* what `run` wrote can be read by who saw this */
};

struct http_slow;

struct http_slow *http_slow_create(unsigned threads, unsigned waiting_max); /* NULL: no memory */
/* False: too many wait, or the end has come. */
bool http_slow_add(struct http_slow *slow, struct http_job *job);
/* Runs what waits, and takes nothing more. NULL is accepted, here and below. */
void http_slow_end(struct http_slow *slow);
void http_slow_destroy(struct http_slow *slow);

/* Connections and since when each waits for a request, or for its answer to be taken. */
struct http_lines;

struct http_lines *http_lines_create(int64_t request_ms);
void http_lines_destroy(struct http_lines *lines);
void http_lines_changed(void *lines, struct MHD_Connection *c, void **context,
			enum MHD_ConnectionNotificationCode code);
void http_lines_answering(struct http_lines *lines, struct MHD_Connection *c);
void http_lines_waiting(struct http_lines *lines, struct MHD_Connection *c);
/* Shuts the sockets of those whose time is over. */
void http_lines_close(struct http_lines *lines);

#endif
