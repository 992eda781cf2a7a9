/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-sent events (WHATWG HTML, section 9.2). An event is made once and shared by all streams. A
 * stream without anything to send is suspended, so it costs no thread; it is resumed by the next
 * event. Invariant: a stream is suspended and resumed under the lock, so no event is slept through.
 */
#include "http_stream.h"

#include "http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 32768

struct event {
	size_t refs, size;
	char text[];
};

struct stream {
	struct http_streams *all;
	struct MHD_Connection *connection;
	bool suspended;
	struct event *sending, *next;
	size_t sent;
};

struct http_streams {
	pthread_mutex_t lock;
	struct stream *streams[HTTP_STREAMS_MAX];
	struct event *last; /* a new stream begins with it */
	int count;
	bool ended;
};

/* ---- under the lock ---- */

static void unref(struct event *e)
{
	if (e != NULL && --e->refs == 0) {
		free(e);
	}
}

static struct event *ref(struct event *e)
{
	if (e != NULL) {
		e->refs++;
	}
	return e;
}

static void resume(struct stream *s)
{
	if (s->suspended) {
		MHD_resume_connection(s->connection);
		s->suspended = false;
	}
}

static ssize_t take(struct stream *s, char *buf, size_t max)
{
	size_t n;

	if (s->sending == NULL) {
		s->sending = s->next;
		s->next = NULL;
		s->sent = 0;
	}
	if (s->sending == NULL) {
		return 0;
	}
	n = s->sending->size - s->sent;
	n = n < max ? n : max;
	memcpy(buf, s->sending->text + s->sent, n);
	s->sent += n;
	if (s->sent == s->sending->size) {
		unref(s->sending);
		s->sending = NULL;
	}
	return (ssize_t)n;
}

/* ---- called by libmicrohttpd ---- */

static ssize_t on_read(void *data, uint64_t position, char *buf, size_t max)
{
	struct stream *s = data;
	ssize_t n;

	pthread_mutex_lock(&s->all->lock);
	n = s->all->ended ? MHD_CONTENT_READER_END_OF_STREAM : take(s, buf, max);
	if (n == 0) {
		MHD_suspend_connection(s->connection);
		s->suspended = true;
	}
	pthread_mutex_unlock(&s->all->lock);
	return n;
}

static void on_free(void *data)
{
	struct stream *s = data;
	struct http_streams *all = s->all;

	pthread_mutex_lock(&all->lock);
	for (int i = 0; i < all->count; i++) {
		if (all->streams[i] == s) {
			all->streams[i] = all->streams[--all->count];
			break;
		}
	}
	unref(s->sending);
	unref(s->next);
	if (all->count == 0) { /* nothing follows while nobody listens: it would be old by then */
		unref(all->last);
		all->last = NULL;
	}
	pthread_mutex_unlock(&all->lock);
	free(s);
}

/* ---- for http.c ---- */

struct http_streams *http_streams_create(void)
{
	struct http_streams *all = calloc(1, sizeof(*all));

	if (all != NULL) {
		pthread_mutex_init(&all->lock, NULL);
	}
	return all;
}

void http_streams_destroy(struct http_streams *all)
{
	unref(all->last);
	pthread_mutex_destroy(&all->lock);
	free(all);
}

void http_streams_end(struct http_streams *all)
{
	pthread_mutex_lock(&all->lock);
	all->ended = true;
	for (int i = 0; i < all->count; i++) {
		resume(all->streams[i]);
	}
	pthread_mutex_unlock(&all->lock);
}

struct MHD_Response *http_stream_response(struct http_streams *all, struct MHD_Connection *c)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct MHD_Response *response = NULL;

	if (s == NULL) {
		return NULL;
	}
	s->all = all;
	s->connection = c;
	pthread_mutex_lock(&all->lock);
	if (all->count < HTTP_STREAMS_MAX && !all->ended) {
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_read,
							     s, on_free);
	}
	if (response != NULL) {
		s->next = ref(all->last);
		all->streams[all->count++] = s;
	}
	pthread_mutex_unlock(&all->lock);
	if (response == NULL) {
		free(s);
	}
	return response;
}

int http_streams_send(struct http_streams *all, const char *event, const char *data)
{
	size_t size = strlen(event) + strlen(data) + 32;
	struct event *e = malloc(sizeof(*e) + size);
	int count;

	if (e == NULL) {
		return http_streams_count(all);
	}
	e->refs = 1;
	e->size = (size_t)snprintf(e->text, size, "event: %s\ndata: %s\n\n", event, data);
	pthread_mutex_lock(&all->lock);
	unref(all->last);
	all->last = e;
	for (int i = 0; i < all->count; i++) {
		unref(all->streams[i]->next);
		all->streams[i]->next = ref(e);
		resume(all->streams[i]);
	}
	count = all->count;
	pthread_mutex_unlock(&all->lock);
	return count;
}

int http_streams_count(struct http_streams *all)
{
	int count;

	pthread_mutex_lock(&all->lock);
	count = all->count;
	pthread_mutex_unlock(&all->lock);
	return count;
}
