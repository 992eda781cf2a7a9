/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the service `console` by plain HTTP over loopback: its files, its routes, its streams.
 * The page itself is tested in a browser by tests/console/test_page.py. */
#define SERVICE "console"

#include "../../../tests/lib/service.h"

#define STREAMS_MAX 32 /* as HTTP_STREAMS_MAX */
#define GZIP        HOST "Accept-Encoding: gzip\r\n"

static char asked[512];
static size_t status_bytes;
static int calls;

/* A status is as long as the test says, and numbered. */
static int on_control(const char *method, const char *arguments, char **ret_text,
		      struct drip_error *error, void *data)
{
	size_t size = __atomic_load_n(&status_bytes, __ATOMIC_ACQUIRE) + 64;
	int n = __atomic_add_fetch(&calls, 1, __ATOMIC_ACQ_REL);
	char *text = malloc(size);

	if (text == NULL) {
		return drip_error_nomem(error, size);
	}
	if (strcmp(method, "status") != 0) {
		hand_over();
		snprintf(asked, sizeof(asked), "%s %s", method, arguments);
		hand_over();
	}
	snprintf(text, size, "{\"call\":%d,\"pad\":\"%*s\"}", n, (int)(size - 64), "");
	*ret_text = text;
	return 0;
}

static int open_stream(int receive_bytes)
{
	static const char request[] = "GET /api/v1/events HTTP/1.1\r\n" HOST "\r\n";
	int fd = connect_to(receive_bytes);

	REQUIRE(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == sizeof(request) - 1);
	return fd;
}

/* Reads until `text` has come; false: the connection ended before. */
static bool read_until(int fd, const char *text)
{
	static char window[262144];
	size_t size = 0;
	ssize_t n;

	while ((n = recv(fd, window + size, sizeof(window) - 1 - size, 0)) > 0) {
		size += (size_t)n;
		window[size] = '\0';
		if (strstr(window, text) != NULL) {
			return true;
		}
		if (size > sizeof(window) / 2) {
			memmove(window, window + size - 1024, 1024);
			size = 1024;
		}
	}
	return false;
}

static void read_to_end(int fd)
{
	char block[65536];

	while (recv(fd, block, sizeof(block), 0) > 0) {
	}
}

static const char *etag_of(const char *text)
{
	static char etag[64];
	const char *at = strstr(text, "ETag: ");

	REQUIRE(at != NULL);
	snprintf(etag, sizeof(etag), "%.*s", (int)strcspn(at + 6, "\r"), at + 6);
	return etag;
}

TEST(serves_its_files)
{
	static const char *const urls[] = {"/",
					   "/style.css",
					   "/app/main.js",
					   "/icon.svg",
					   "/lib/uplot.js",
					   "/lib/preact.js",
					   "/lib/dagre.js"};
	char line[64], headers[256];

	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	for (size_t i = 0; i < DRIP_COUNT(urls); i++) {
		snprintf(line, sizeof(line), "GET %s", urls[i]);
		CHECK_EQ_INT(ask(line, GZIP), 200);
		CHECK_CONTAINS(answer, "Content-Encoding: gzip");
		CHECK_CONTAINS(answer, "Cache-Control: no-cache");
		CHECK_CONTAINS(answer, "Content-Security-Policy: default-src 'self';");
		CHECK_CONTAINS(answer, "frame-ancestors 'none'");
		CHECK_CONTAINS(answer, "require-trusted-types-for 'script'");
		CHECK(strstr(answer, "unsafe-inline") == NULL);
		CHECK_CONTAINS(answer, "X-Frame-Options: DENY");
		CHECK_CONTAINS(answer, "X-Content-Type-Options: nosniff");
		CHECK_CONTAINS(answer, "Referrer-Policy: no-referrer");
		CHECK_CONTAINS(answer, "Cross-Origin-Opener-Policy: same-origin");
		CHECK_CONTAINS(answer, "Cross-Origin-Resource-Policy: same-origin");
		CHECK(strstr(answer, "Set-Cookie") == NULL);
		CHECK(strstr(answer, "Access-Control-") == NULL);
		snprintf(headers, sizeof(headers), GZIP "If-None-Match: %s\r\n", etag_of(answer));
		CHECK_EQ_INT(ask(line, headers), 304);
	}
	CHECK_EQ_INT(ask("GET /", GZIP), 200);
	CHECK_CONTAINS(answer, "Content-Type: text/html; charset=utf-8");
	CHECK_EQ_INT(ask("GET /", HOST), 406);
	CHECK_CONTAINS(answer, "console.no_gzip");
	CHECK_EQ_INT(ask("GET /../console.c", GZIP), 404);
	CHECK_EQ_INT(ask("POST /", GZIP "Content-Type: application/json\r\nContent-Length: 0\r\n"),
		     404);
	CHECK_EQ_INT(ask("GET /", "Accept-Encoding: gzip\r\nHost: evil.example\r\n"), 403);
	stop();
}

TEST(passes_methods_on)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	CHECK_EQ_INT(ask("GET /api/v1/metrics", HOST), 200);
	CHECK_EQ_STR(asked, "metrics {}");
	CHECK_EQ_INT(ask("GET /api/v1/lineage?table=t&format=dot", HOST), 200);
	CHECK_EQ_STR(asked, "lineage {\"table\":\"t\",\"format\":\"dot\"}");
	CHECK_EQ_INT(ask("GET /api/v1/dead-letters?limit=3&order=newest", HOST), 200);
	CHECK_EQ_STR(asked, "dlq.list {\"order\":\"newest\",\"limit\":3}");
	CHECK_EQ_INT(ask("GET /api/v1/dead-letter-counts", HOST), 200);
	CHECK_EQ_STR(asked, "dlq.count {}");
	CHECK_EQ_INT(ask("GET /api/v1/history?pipeline=p", HOST), 200);
	CHECK_EQ_STR(asked, "history {\"pipeline\":\"p\"}");
	CHECK_EQ_INT(ask_json("POST /api/v1/pipelines/p/pause", "", ""), 200);
	CHECK_EQ_STR(asked, "pause {\"pipeline\":\"p\"}");
	CHECK_EQ_INT(ask("GET /api/v1/nothing", HOST), 404);
	stop();
}

TEST(keeps_data_behind_the_token)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0", "token", "0123456789abcdef"));
	CHECK_EQ_INT(ask("GET /", GZIP), 200);
	CHECK_EQ_INT(ask("GET /app/main.js", GZIP), 200);
	CHECK_EQ_INT(ask("GET /api/v1/status", HOST), 401);
	CHECK_EQ_INT(ask("GET /api/v1/events", HOST), 401);
	CHECK_EQ_INT(ask("GET /api/v1/status", HOST "Authorization: Bearer 0123456789abcdef\r\n"),
		     200);
	/* Behind a proxy that hands the Host of its own on: the token guards, and files need none.
	 */
	CHECK_EQ_INT(ask("GET /", "Accept-Encoding: gzip\r\nHost: console.example\r\n"), 200);
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: console.example\r\n"), 401);
	stop();
}

TEST(streams_the_status)
{
	int fd;

	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	fd = open_stream(0);
	CHECK(read_until(fd, "Content-Type: text/event-stream"));
	CHECK(read_until(fd, "event: status\ndata: {\"call\":"));
	CHECK(read_until(fd, "event: status\ndata: {\"call\":")); /* and goes on */
	close(fd);
	stop();
}

/* All streams get events, one more is refused, and they end with the service. */
TEST(bounds_streams_and_ends_them)
{
	int fds[STREAMS_MAX];

	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	for (int i = 0; i < STREAMS_MAX; i++) {
		fds[i] = open_stream(0);
		CHECK(read_until(fds[i], "data: "));
	}
	CHECK_EQ_INT(ask("GET /api/v1/events", HOST), 503);
	CHECK_CONTAINS(answer, "http.too_many_streams");
	CHECK_EQ_INT(ask("GET /api/v1/status", HOST), 200);
	stop();
	for (int i = 0; i < STREAMS_MAX; i++) {
		read_to_end(fds[i]);
		close(fds[i]);
	}
}

/* A page that reads nothing holds up neither the others nor the end. */
TEST(leaves_slow_readers_behind)
{
	int slow[4], fast;

	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	__atomic_store_n(&status_bytes, (size_t)4 << 20, __ATOMIC_RELEASE);
	for (size_t i = 0; i < DRIP_COUNT(slow); i++) {
		slow[i] = open_stream(4096);
	}
	fast = open_stream(0);
	for (int i = 0; i < 3; i++) {
		CHECK(read_until(fast, "\"}\n\n"));
	}
	close(slow[0]); /* in the middle of an event */
	CHECK(read_until(fast, "\"}\n\n"));
	CHECK_EQ_INT(ask("GET /style.css", GZIP), 200);
	stop();
	__atomic_store_n(&status_bytes, 0, __ATOMIC_RELEASE);
	read_to_end(fast);
	close(fast);
	for (size_t i = 1; i < DRIP_COUNT(slow); i++) {
		close(slow[i]);
	}
}

/* Streams that come and go while the service stops. */
TEST(stops_while_streams_begin)
{
	for (int round = 0; round < 20; round++) {
		int fds[8];

		start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
		for (size_t i = 0; i < DRIP_COUNT(fds); i++) {
			fds[i] = open_stream(0);
			if (i % 3 == 2) {
				close(fds[i]);
				fds[i] = -1;
			}
		}
		stop();
		for (size_t i = 0; i < DRIP_COUNT(fds); i++) {
			if (fds[i] >= 0) {
				read_to_end(fds[i]);
				close(fds[i]);
			}
		}
	}
}

/* Another server of this kind stands for the API: what matters is what comes and goes. */
TEST(hands_queries_to_the_api)
{
	static const char post[] =
		HOST "Content-Type: application/json\r\nContent-Length: 16\r\nDripline-Key: k-1\r\n"
		     "\r\n{\"sql\":\"SELECT\"}";
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	static const char reply[] =
		"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
		"Content-Length: 13\r\nConnection: close\r\n\r\n{\"told\":true}";
	socklen_t length = sizeof(address);
	int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), page, peer;
	char url[64], got[4096] = "", request[1024];
	size_t size = 0;

	REQUIRE(bind(listening, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(listen(listening, 1) == 0);
	REQUIRE(getsockname(listening, (struct sockaddr *)&address, &length) == 0);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
	start(DRIP_OPTIONS("listen", "127.0.0.1:0", "api", url));
	page = connect_to(0);
	snprintf(request, sizeof(request), "POST /api/v1/query HTTP/1.1\r\n%s", post);
	REQUIRE(send(page, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
	peer = accept(listening, NULL, NULL);
	while (strstr(got, "{\"sql\":\"SELECT\"}") == NULL) {
		ssize_t n = recv(peer, got + size, sizeof(got) - 1 - size, 0);

		REQUIRE(n > 0);
		size += (size_t)n;
		got[size] = '\0';
	}
	CHECK_CONTAINS(got, "POST /query HTTP/1.1\r\n");
	CHECK_CONTAINS(got, "Authorization: Bearer k-1\r\n");
	REQUIRE(send(peer, reply, sizeof(reply) - 1, MSG_NOSIGNAL) == sizeof(reply) - 1);
	close(peer);
	CHECK(read_until(page, "{\"told\":tru"));
	close(page);
	close(listening);
	CHECK_EQ_INT(ask_json("POST /api/v1/query", "", ""), 502);
	CHECK_CONTAINS(answer, "console.api_failed");
	CHECK_EQ_INT(ask_json("POST /api/v1/query", "Dripline-Key: a b\r\n", ""), 400);
	CHECK_CONTAINS(answer, "console.bad_key");
	stop();
	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	CHECK_EQ_INT(ask_json("POST /api/v1/query", "", ""), 501);
	CHECK_CONTAINS(answer, "console.no_api");
	stop();
}

TEST(refuses_bad_options)
{
	check_refused(DRIP_OPTIONS("listen", "0.0.0.0:0"), "http.remote_refused");
	check_refused(DRIP_OPTIONS("api", "127.0.0.1:8090"), "console.bad_api");
}

TEST_MAIN()
