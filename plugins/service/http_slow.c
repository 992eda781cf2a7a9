/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs that take long run on threads of their own, so that they do not hold up the server's; and
 * connections that take long to send a request, a byte at a time say, are shut. Threads: any; each
 * part has one lock.
 */
#include "http_slow.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* ---- jobs ---- */

struct http_slow {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct http_job *first, **last;
	unsigned waiting, waiting_max, threads;
	bool ends;
	pthread_t ids[];
};

static void *work(void *data)
{
	struct http_slow *s = data;
	void (*done)(void *) = NULL;
	void *done_data;

	pthread_mutex_lock(&s->lock);
	for (;;) {
		struct http_job *job = s->first;

		if (job == NULL && s->ends) {
			break;
		}
		if (job == NULL) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		s->first = job->next;
		s->last = s->first == NULL ? &s->first : s->last;
		s->waiting--;
		pthread_mutex_unlock(&s->lock);
		done = job->done;
		done_data = job->data;
		job->run(job);
		atomic_store(&job->finished, true);
		done(done_data);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct http_slow *http_slow_create(unsigned threads, unsigned waiting_max)
{
	struct http_slow *s = calloc(1, sizeof(*s) + threads * sizeof(pthread_t));

	if (s == NULL) {
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->last = &s->first;
	s->waiting_max = waiting_max;
	while (s->threads < threads && pthread_create(&s->ids[s->threads], NULL, work, s) == 0) {
		s->threads++;
	}
	if (s->threads == 0) {
		http_slow_destroy(s);
		return NULL;
	}
	return s;
}

bool http_slow_add(struct http_slow *slow, struct http_job *job)
{
	bool taken;

	pthread_mutex_lock(&slow->lock);
	taken = !slow->ends && slow->waiting < slow->waiting_max;
	if (taken) {
		job->next = NULL;
		*slow->last = job;
		slow->last = &job->next;
		slow->waiting++;
		pthread_cond_signal(&slow->changed);
	}
	pthread_mutex_unlock(&slow->lock);
	return taken;
}

void http_slow_end(struct http_slow *slow)
{
	if (slow == NULL || slow->ends) {
		return;
	}
	pthread_mutex_lock(&slow->lock);
	slow->ends = true;
	pthread_cond_broadcast(&slow->changed);
	pthread_mutex_unlock(&slow->lock);
	for (unsigned i = 0; i < slow->threads; i++) {
		pthread_join(slow->ids[i], NULL);
	}
}

void http_slow_destroy(struct http_slow *slow)
{
	if (slow != NULL) {
		http_slow_end(slow);
		pthread_cond_destroy(&slow->changed);
		pthread_mutex_destroy(&slow->lock);
		free(slow);
	}
}

/* ---- connections ---- */

struct line {
	struct line *next, **at;
	int fd;
	bool answering;
	int64_t since_ms;
};

struct http_lines {
	pthread_mutex_t lock;
	struct line *first;
	int64_t request_ms;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct http_lines *http_lines_create(int64_t request_ms)
{
	struct http_lines *lines = calloc(1, sizeof(*lines));

	if (lines != NULL) {
		pthread_mutex_init(&lines->lock, NULL);
		lines->request_ms = request_ms;
	}
	return lines;
}

void http_lines_destroy(struct http_lines *lines)
{
	if (lines == NULL) {
		return;
	}
	while (lines->first != NULL) {
		struct line *l = lines->first;

		lines->first = l->next;
		free(l);
	}
	pthread_mutex_destroy(&lines->lock);
	free(lines);
}

/* Linked while the socket is open: the server says so before it closes it. */
void http_lines_changed(void *data, struct MHD_Connection *c, void **context,
			enum MHD_ConnectionNotificationCode code)
{
	struct http_lines *lines = data;
	struct line *l = *context;

	if (lines == NULL) {
		return;
	}
	pthread_mutex_lock(&lines->lock);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

		l = info != NULL ? calloc(1, sizeof(*l)) : NULL;
		if (l != NULL) {
			*l = (struct line){.next = lines->first,
					   .at = &lines->first,
					   .fd = info->connect_fd,
					   .since_ms = now_ms()};
			if (l->next != NULL) {
				l->next->at = &l->next;
			}
			lines->first = l;
		}
		*context = l;
	} else if (l != NULL) {
		*l->at = l->next;
		if (l->next != NULL) {
			l->next->at = l->at;
		}
		*context = NULL;
		free(l);
	}
	pthread_mutex_unlock(&lines->lock);
}

static void mark(struct http_lines *lines, struct MHD_Connection *c, bool answering)
{
	const union MHD_ConnectionInfo *info;
	struct line *l;

	if (lines == NULL) {
		return;
	}
	info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	l = info != NULL ? info->socket_context : NULL;
	if (l != NULL) {
		pthread_mutex_lock(&lines->lock);
		l->answering = answering;
		l->since_ms = now_ms();
		pthread_mutex_unlock(&lines->lock);
	}
}

void http_lines_answering(struct http_lines *lines, struct MHD_Connection *c)
{
	mark(lines, c, true);
}

void http_lines_waiting(struct http_lines *lines, struct MHD_Connection *c)
{
	mark(lines, c, false);
}

void http_lines_close(struct http_lines *lines)
{
	int64_t now = now_ms();

	if (lines == NULL) {
		return;
	}
	pthread_mutex_lock(&lines->lock);
	for (const struct line *l = lines->first; l != NULL; l = l->next) {
		int64_t allowed = lines->request_ms * (l->answering ? 4 : 1);

		if (now - l->since_ms > allowed) {
			shutdown(l->fd, SHUT_RDWR);
		}
	}
	pthread_mutex_unlock(&lines->lock);
}
