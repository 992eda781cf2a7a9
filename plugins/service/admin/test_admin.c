/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the service `admin`, by plain HTTP over loopback. */
#include <dripline/check.h>
#include <dripline/test.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct drip_harness *h;
static struct drip_instance *service;
static struct drip_error err;
static char answer[65536], asked[512];
static bool ready;
static int handovers;

/* What the other thread has written is to be seen here: a socket stands between the two. */
static void hand_over(void)
{
	__atomic_fetch_add(&handovers, 1, __ATOMIC_ACQ_REL);
}

static int on_control(const char *method, const char *arguments, char **ret_text,
		      struct drip_error *error, void *data)
{
	char text[256];

	hand_over();
	snprintf(asked, sizeof(asked), "%s %s", method, arguments);
	snprintf(text, sizeof(text), "{\"ready\":%s}", ready ? "true" : "false");
	hand_over();
	if (strcmp(method, "pause") == 0) {
		return drip_error_set(error, -ENOENT, "control.unknown_pipeline", "no such");
	}
	*ret_text = strdup(text);
	return *ret_text != NULL ? 0 : drip_error_nomem(error, sizeof(text));
}

static void start(const char *const *options)
{
	const struct drip_service_ops *ops;

	h = drip_harness_create(test_argv[1]);
	drip_harness_set_control(h, on_control, NULL);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SERVICE, "admin", options, &service, &err), &err);
	ops = service->component->ops;
	REQUIRE_OK(ops->start(service->self, &err), &err);
}

static void stop(void)
{
	const struct drip_service_ops *ops = service->component->ops;

	ops->stop(service->self);
	drip_harness_close(service);
	drip_harness_destroy(h);
}

/* Sends bytes and reads to the end of the connection; gives the status, 0 where there is none. */
static int ask_raw(const char *request, size_t size)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)drip_harness_metric(h, "port")),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	ssize_t n;

	REQUIRE(fd >= 0);
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	hand_over();
	if (send(fd, request, size, MSG_NOSIGNAL) < 0) {
		size = 0; /* refused while it was sent: the answer may be there */
	}
	while (length + 1 < sizeof(answer) &&
	       (n = recv(fd, answer + length, sizeof(answer) - 1 - length, 0)) > 0) {
		length += (size_t)n;
	}
	answer[length] = '\0';
	close(fd);
	hand_over();
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

static int ask(const char *line, const char *headers)
{
	char request[4096];
	int size = snprintf(request, sizeof(request), "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n",
			    line, headers);

	return ask_raw(request, (size_t)size);
}

#define HOST "Host: 127.0.0.1\r\n"

TEST(answers_probes_and_metrics)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	ready = false;
	CHECK_EQ_INT(ask("GET /livez", HOST), 200);
	CHECK_EQ_INT(ask("GET /readyz", HOST), 503);
	CHECK_EQ_INT(ask("GET /startupz", HOST), 503);
	ready = true;
	CHECK_EQ_INT(ask("GET /startupz", HOST), 200);
	CHECK_EQ_INT(ask("GET /readyz", HOST), 200);
	ready = false;
	CHECK_EQ_INT(ask("GET /startupz", HOST), 200);
	CHECK_EQ_INT(ask("GET /metrics", HOST), 200);
	CHECK_CONTAINS(answer, "text/plain; version=0.0.4");
	CHECK_EQ_STR(asked, "metrics {}");
	CHECK_EQ_INT(ask("GET /nothing", HOST), 404);
	CHECK_CONTAINS(answer, "http.no_such_page");
	CHECK_EQ_INT(ask("DELETE /livez", HOST), 405);
	CHECK_CONTAINS(answer, "http.bad_method");
	stop();
}

TEST(passes_arguments_as_values)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	CHECK_EQ_INT(ask("GET /api/v1/status?pipeline=a%22b%7D", HOST), 200);
	CHECK_EQ_STR(asked, "status {\"pipeline\":\"a\\\"b}\"}");
	CHECK_EQ_INT(ask("GET /api/v1/runs?limit=7&pipeline=p&other=1", HOST), 200);
	CHECK_EQ_STR(asked, "runs {\"pipeline\":\"p\",\"limit\":7}");
	CHECK_EQ_INT(ask("GET /api/v1/runs?limit=7x", HOST), 200);
	CHECK_EQ_STR(asked, "runs {}");
	CHECK_EQ_INT(ask("GET /api/v1/lineage?table=t&column=c&format=dot", HOST), 200);
	CHECK_EQ_STR(asked, "lineage {\"table\":\"t\",\"column\":\"c\",\"format\":\"dot\"}");
	stop();
}

TEST(changes_only_by_json_posts)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	asked[0] = '\0';
	CHECK_EQ_INT(ask("GET /api/v1/reload", HOST), 404);
	CHECK_EQ_INT(ask("POST /api/v1/reload", HOST "Content-Length: 0\r\n"), 415);
	CHECK_CONTAINS(answer, "http.bad_content_type");
	CHECK_EQ_STR(asked, "");
	CHECK_EQ_INT(ask("POST /api/v1/reload",
			 HOST "Content-Length: 0\r\nContent-Type: application/json\r\n"),
		     200);
	CHECK_EQ_STR(asked, "reload {}");
	CHECK_EQ_INT(ask("POST /api/v1/pipelines/orders/pause",
			 HOST "Content-Length: 0\r\nContent-Type: application/json\r\n"),
		     404);
	CHECK_EQ_STR(asked, "pause {\"pipeline\":\"orders\"}");
	CHECK_CONTAINS(answer, "control.unknown_pipeline");
	stop();
}

TEST(refuses_other_hosts_on_loopback)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: evil.example\r\n"), 403);
	CHECK_CONTAINS(answer, "http.bad_host");
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: localhost:80\r\n"), 200);
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: localhost.evil.example\r\n"), 403);
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: 127.evil.example\r\n"), 403);
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: 127.0.0.1.evil.example:80\r\n"), 403);
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: 127.0.0.2:80\r\n"), 200);
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: [::1]:80\r\n"), 200);
	stop();
}

TEST(asks_for_the_token)
{
	start(DRIP_OPTIONS("listen", "127.0.0.1:0", "token", "0123456789abcdef"));
	CHECK_EQ_INT(ask("GET /livez", HOST), 200);
	CHECK_EQ_INT(ask("GET /metrics", HOST), 401);
	CHECK_CONTAINS(answer, "http.unauthorized");
	CHECK_EQ_INT(ask("GET /metrics", HOST "Authorization: Bearer 0123456789abcdeF\r\n"), 401);
	CHECK_EQ_INT(ask("GET /metrics", HOST "Authorization: Bearer \r\n"), 401);
	CHECK_EQ_INT(ask("GET /metrics", HOST "Authorization: Bearer 0123456789abcdef\r\n"), 200);
	CHECK(strstr(answer, "0123456789abcdef") == NULL);
	stop();
}

TEST(bounds_requests)
{
	static char large[200000];
	int status;

	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	memset(large, 'a', sizeof(large));
	memcpy(large, "GET /", 5);
	snprintf(large + 2000, sizeof(large) - 2000,
		 " HTTP/1.1\r\nConnection: close\r\n" HOST "\r\n");
	CHECK_EQ_INT(ask_raw(large, strlen(large)), 414);
	CHECK_CONTAINS(answer, "http.url_too_long");
	memset(large, 'a', sizeof(large));
	memcpy(large, "GET /", 5);
	status = ask_raw(large, 60000);
	CHECK(status == 0 || status >= 400);
	memset(large, ' ', sizeof(large));
	status = snprintf(large, sizeof(large),
			  "POST /api/v1/reload HTTP/1.1\r\n" HOST
			  "Content-Type: application/json\r\nContent-Length: 190000\r\n\r\n");
	large[status] = ' ';
	asked[0] = '\0';
	status = ask_raw(large, sizeof(large));
	CHECK(status == 0 || status == 413);
	CHECK_EQ_INT(ask("POST /api/v1/reload", HOST "Content-Type: application/json\r\n"
						     "Content-Length: 190000\r\n"),
		     413);
	CHECK_CONTAINS(answer, "http.body_too_large");
	CHECK_EQ_STR(asked, "");
	CHECK_EQ_INT(ask("GET /livez", HOST), 200);
	stop();
}

static void check_refused(const char *const *options, const char *code)
{
	h = drip_harness_create(test_argv[1]);
	memset(&err, 0, sizeof(err));
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SERVICE, "admin", options, &service, &err),
		     -EINVAL);
	CHECK(strstr(drip_harness_findings(h), code) != NULL || strcmp(err.code, code) == 0);
	drip_harness_destroy(h);
}

TEST(refuses_addresses_that_others_reach)
{
	check_refused(DRIP_OPTIONS("listen", "0.0.0.0:0"), "http.remote_refused");
	check_refused(DRIP_OPTIONS("listen", "[::]:0"), "http.remote_refused");
	check_refused(DRIP_OPTIONS("listen", "0.0.0.0:0", "allow_remote", "true"),
		      "http.remote_refused");
	check_refused(DRIP_OPTIONS("listen", "localhost:80"), "http.bad_address");
	check_refused(DRIP_OPTIONS("listen", "127.0.0.1"), "http.bad_address");
	check_refused(DRIP_OPTIONS("listen", "127.0.0.1:0", "token", "short"), "http.weak_token");
	start(DRIP_OPTIONS("listen", "0.0.0.0:0", "allow_remote", "true", "token",
			   "0123456789abcdef"));
	CHECK_EQ_INT(ask("GET /api/v1/status", "Host: somewhere\r\n"), 401);
	stop();
}

TEST(says_where_the_port_is_taken)
{
	struct drip_instance *second;
	const struct drip_service_ops *ops;
	char listen_at[32];

	start(DRIP_OPTIONS("listen", "127.0.0.1:0"));
	snprintf(listen_at, sizeof(listen_at), "127.0.0.1:%d", (int)drip_harness_metric(h, "port"));
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SERVICE, "admin",
				     DRIP_OPTIONS("listen", listen_at), &second, &err),
		   &err);
	ops = second->component->ops;
	CHECK(ops->start(second->self, &err) < 0);
	CHECK_EQ_STR(err.code, "http.could_not_listen");
	drip_harness_close(second);
	stop();
}

TEST_MAIN()
