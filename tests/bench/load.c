/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load PORT KEY RATE SECONDS: POST /ml/fraud at a steady rate over 4 kept connections, for the
 * benchmark of the API. Each request's time counts from when it was due, so a server that falls
 * behind shows. Prints requests, errors, p50, p99 and the longest in milliseconds. One thread a
 * connection.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 4

struct line {
	pthread_t thread;
	int index, fd, errors;
	long count;
	double interval_s;
	double *ms;
	char request[512];
	int request_size;
};

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void wait_until(double at_s)
{
	struct timespec t = {.tv_sec = (time_t)at_s,
			     .tv_nsec = (long)((at_s - (double)(time_t)at_s) * 1e9)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

/* One answer: headers, then as many bytes as they say. False where it is not a 200. */
static int exchange(struct line *l)
{
	char answer[4096], *end, *length;
	size_t size = 0, want = 0;

	if (send(l->fd, l->request, (size_t)l->request_size, MSG_NOSIGNAL) != l->request_size) {
		return 0;
	}
	while (want == 0 || size < want) {
		ssize_t n = recv(l->fd, answer + size, sizeof(answer) - 1 - size, 0);

		if (n <= 0) {
			return 0;
		}
		size += (size_t)n;
		answer[size] = '\0';
		end = strstr(answer, "\r\n\r\n");
		length = strcasestr(answer, "Content-Length: ");
		if (want == 0 && end != NULL && length != NULL) {
			want = (size_t)(end + 4 - answer) + strtoul(length + 16, NULL, 10);
		}
	}
	if (strncmp(answer, "HTTP/1.1 200", 12) != 0 && l->errors == 0) {
		fprintf(stderr, "load: %s\n", answer);
	}
	return strncmp(answer, "HTTP/1.1 200", 12) == 0;
}

static void *drive(void *data)
{
	struct line *l = data;
	double begun = now_s() + 0.1 + l->interval_s * l->index / CONNECTIONS;

	for (long i = 0; i < l->count; i++) {
		double due = begun + (double)i * l->interval_s;

		wait_until(due);
		l->errors += !exchange(l);
		l->ms[i] = (now_s() - due) * 1e3;
	}
	return NULL;
}

static int open_line(struct line *l, int port, const char *key)
{
	static const char body[] = "{\"amount\":12.5,\"hour\":9,\"method\":\"card\"}";
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1;

	l->request_size = snprintf(l->request, sizeof(l->request),
				   "POST /ml/fraud HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
				   "%s\r\nContent-Type: application/json\r\nContent-Length: "
				   "%zu\r\n\r\n%s",
				   key, sizeof(body) - 1, body);
	l->fd = socket(AF_INET, SOCK_STREAM, 0);
	l->ms = calloc((size_t)l->count, sizeof(double));
	if (l->fd < 0 || l->ms == NULL ||
	    connect(l->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
		return -1;
	}
	return setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	struct line lines[CONNECTIONS] = {{.index = 0}};
	double rate, seconds, *all;
	long each, errors = 0;

	if (argc != 5) {
		fprintf(stderr, "usage: load PORT KEY RATE SECONDS\n");
		return 2;
	}
	rate = strtod(argv[3], NULL);
	seconds = strtod(argv[4], NULL);
	each = (long)(rate * seconds / CONNECTIONS);
	all = calloc((size_t)each * CONNECTIONS, sizeof(double));
	for (int i = 0; i < CONNECTIONS; i++) {
		lines[i] =
			(struct line){.index = i, .count = each, .interval_s = CONNECTIONS / rate};
		if (all == NULL ||
		    open_line(&lines[i], (int)strtol(argv[1], NULL, 10), argv[2]) != 0 ||
		    pthread_create(&lines[i].thread, NULL, drive, &lines[i]) != 0) {
			fprintf(stderr, "load: could not connect\n");
			return 3;
		}
	}
	for (int i = 0; i < CONNECTIONS; i++) {
		pthread_join(lines[i].thread, NULL);
		memcpy(all + (size_t)i * (size_t)each, lines[i].ms, (size_t)each * sizeof(double));
		errors += lines[i].errors;
		close(lines[i].fd);
		free(lines[i].ms);
	}
	qsort(all, (size_t)each * CONNECTIONS, sizeof(double), compare);
	printf("{\"requests\": %ld, \"errors\": %ld, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
	       "\"max_ms\": "
	       "%.3f}\n",
	       each * CONNECTIONS, errors, all[each * CONNECTIONS / 2],
	       all[each * CONNECTIONS * 99 / 100], all[each * CONNECTIONS - 1]);
	free(all);
	return errors != 0;
}
