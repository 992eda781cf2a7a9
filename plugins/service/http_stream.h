/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of server-sent events: what http.c and http_stream.c share. Thread-safe. */
#ifndef DRIPLINE_PLUGIN_HTTP_STREAM_H
#define DRIPLINE_PLUGIN_HTTP_STREAM_H

struct http_streams;
struct MHD_Connection;
struct MHD_Response;

struct http_streams *http_streams_create(void); /* NULL: no memory */
/* After the daemon has stopped. */
void http_streams_destroy(struct http_streams *all);
/* Lets every stream end, before the daemon is stopped; new ones end at once. */
void http_streams_end(struct http_streams *all);
/* A response to `c` that is a new stream; NULL where there are too many, or no memory. */
struct MHD_Response *http_stream_response(struct http_streams *all, struct MHD_Connection *c);
/* See http_broadcast. */
int http_streams_send(struct http_streams *all, const char *event, const char *data);
int http_streams_count(struct http_streams *all);

#endif
