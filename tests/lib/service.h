/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the tests of services: one service under the harness, asked by plain HTTP over loopback. A
 * test defines SERVICE, its name, and on_control, the host's control methods, which run on the
 * service's threads; what they write for the test, or read of it, stands between hand_over().
 */
#ifndef DRIPLINE_TESTS_LIB_SERVICE_H
#define DRIPLINE_TESTS_LIB_SERVICE_H

#include <dripline/check.h>
#include <dripline/test.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: 127.0.0.1\r\n"
#define JSON HOST "Content-Type: application/json\r\n"

static struct drip_harness *h;
static struct drip_instance *service;
static struct drip_error err;
static char answer[262144]; /* of the last `ask`, with its headers */
static size_t answer_size;
static int handovers;

static int on_control(const char *method, const char *arguments, char **ret_text,
		      struct drip_error *error, void *data);

/* What the other thread has written is to be seen here: a socket stands between the two. */
static inline void hand_over(void)
{
	__atomic_fetch_add(&handovers, 1, __ATOMIC_ACQ_REL);
}

/* The harness alone; a test may add connections before `start`. */
static inline void prepare(void)
{
	h = drip_harness_create(test_argv[1]);
	drip_harness_set_control(h, on_control, NULL);
}

static inline void start(const char *const *options)
{
	const struct drip_service_ops *ops;

	if (h == NULL) {
		prepare();
	}
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SERVICE, SERVICE, options, &service, &err), &err);
	ops = service->component->ops;
	REQUIRE_OK(ops->start(service->self, &err), &err);
}

static inline void stop(void)
{
	const struct drip_service_ops *ops = service->component->ops;

	ops->stop(service->self);
	drip_harness_close(service);
	drip_harness_destroy(h);
	h = NULL;
}

/* The options are refused, with this code. */
static inline void check_refused(const char *const *options, const char *code)
{
	if (h == NULL) {
		prepare();
	}
	memset(&err, 0, sizeof(err));
	CHECK(drip_harness_open(h, DRIP_KIND_SERVICE, SERVICE, options, &service, &err) < 0);
	CHECK(strstr(drip_harness_findings(h), code) != NULL || strcmp(err.code, code) == 0);
	drip_harness_destroy(h);
	h = NULL;
}

/* `receive_bytes`: of the socket's buffer; 0: the system's. */
static inline int connect_to(int receive_bytes)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)drip_harness_metric(h, "port")),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0);
	if (receive_bytes != 0) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
	}
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Sends bytes and reads to the end of the connection; gives the status, 0 where there is none. */
static inline int ask_raw(const char *request, size_t size)
{
	int fd = connect_to(0);
	ssize_t n;

	hand_over();
	if (send(fd, request, size, MSG_NOSIGNAL) < 0) {
		size = 0; /* refused while it was sent: the answer may be there */
	}
	answer_size = 0;
	while (answer_size + 1 < sizeof(answer) &&
	       (n = recv(fd, answer + answer_size, sizeof(answer) - 1 - answer_size, 0)) > 0) {
		answer_size += (size_t)n;
	}
	answer[answer_size] = '\0';
	close(fd);
	hand_over();
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

/* `line` is method and URL; each header ends with \r\n. */
static inline int ask(const char *line, const char *headers)
{
	char request[4096];
	int size = snprintf(request, sizeof(request), "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n",
			    line, headers);

	return ask_raw(request, (size_t)size);
}

/* A request with a JSON body. */
static inline int ask_json(const char *line, const char *headers, const char *body)
{
	char request[4096];
	int size = snprintf(request, sizeof(request),
			    "%s HTTP/1.1\r\nConnection: close\r\nContent-Length: %zu\r\n" JSON
			    "%s\r\n%s",
			    line, strlen(body), headers, body);

	REQUIRE(size < (int)sizeof(request));
	return ask_raw(request, (size_t)size);
}

#endif
