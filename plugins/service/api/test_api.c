/* SPDX-License-Identifier: Apache-2.0 */
/* The service `api` by plain HTTP over loopback, with a host that gives one key and one role. What
 * needs a daemon is in tests/e2e/api.py. */
#include <dripline/check.h>
#include <dripline/test.h>

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <sys/socket.h>
#include <unistd.h>

#define KEY "drip_0badcafe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static struct drip_harness *h;
static struct drip_instance *service;
static struct drip_error err;
static char answer[65536];
static bool audit_fails, no_keys;
static int recorded, read_keys;

static int on_control(const char *method, const char *arguments, char **ret_text,
		      struct drip_error *error, void *data)
{
	unsigned char hash[crypto_generichash_BYTES];
	char hex[2 * sizeof(hash) + 1], text[2048];

	if (strcmp(method, "audit.append") == 0) {
		if (__atomic_load_n(&audit_fails, __ATOMIC_ACQUIRE)) {
			return drip_error_set(error, -ENOSPC, "store.full", "the disk is full");
		}
		__atomic_fetch_add(&recorded, 1, __ATOMIC_ACQ_REL);
		*ret_text = strdup("{}");
		return 0;
	}
	__atomic_fetch_add(&read_keys, 1, __ATOMIC_ACQ_REL);
	if (__atomic_load_n(&no_keys, __ATOMIC_ACQUIRE)) {
		*ret_text = strdup("{\"version\":1,\"roles\":[],\"keys\":[]}");
		return 0;
	}
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)KEY, strlen(KEY), NULL, 0);
	sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
	snprintf(text, sizeof(text),
		 "{\"version\":1,\"roles\":[{\"name\":\"reader\",\"routes\":[\"query\",\"fraud\"],"
		 "\"named\":[],\"views\":[{\"schema\":\"main\",\"table\":\"t\",\"columns\":\"x\"}]}"
		 "],\"keys\":[{\"id\":\"0badcafe\",\"name\":\"eve\",\"role\":\"reader\",\"hash\":"
		 "\"%s\",\"expires_us\":0}]}",
		 hex);
	*ret_text = strdup(text);
	return *ret_text != NULL ? 0 : drip_error_nomem(error, sizeof(text));
}

static void start(const char *const *options)
{
	const struct drip_service_ops *ops;

	REQUIRE(sodium_init() >= 0);
	h = drip_harness_create(test_argv[1]);
	drip_harness_set_control(h, on_control, NULL);
	drip_harness_add_connection(h, "dwh", "duckdb", DRIP_OPTIONS("path", ":memory:"));
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SERVICE, "api", options, &service, &err), &err);
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

static int ask(const char *method, const char *path, const char *body)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)drip_harness_metric(h, "port")),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[2048];
	size_t length = 0;
	ssize_t n;
	int size = snprintf(request, sizeof(request),
			    "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: "
			    "Bearer " KEY "\r\nContent-Type: application/json\r\nContent-Length: "
			    "%zu\r\n\r\n%s",
			    method, path, strlen(body), body);

	REQUIRE(fd >= 0);
	REQUIRE(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(send(fd, request, (size_t)size, MSG_NOSIGNAL) == size);
	while (length + 1 < sizeof(answer) &&
	       (n = recv(fd, answer + length, sizeof(answer) - 1 - length, 0)) > 0) {
		length += (size_t)n;
	}
	answer[length] = '\0';
	close(fd);
	return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

#define OPTIONS(...) DRIP_OPTIONS("listen", "127.0.0.1:0", "warehouse", "dwh", __VA_ARGS__)

TEST(answers_nothing_that_is_not_recorded)
{
	start(OPTIONS("rate", "1000"));
	CHECK_EQ_INT(ask("POST", "/query", "{\"sql\":\"SELECT 42 AS x\"}"), 200);
	CHECK_CONTAINS(answer, "\"rows\":[[42]]");
	CHECK_EQ_INT(__atomic_load_n(&recorded, __ATOMIC_ACQUIRE), 1);
	__atomic_store_n(&audit_fails, true, __ATOMIC_RELEASE);
	CHECK_EQ_INT(ask("POST", "/query", "{\"sql\":\"SELECT 42 AS x\"}"), 503);
	CHECK_CONTAINS(answer, "api.not_recorded");
	CHECK(strstr(answer, "\"rows\"") == NULL);
	__atomic_store_n(&audit_fails, false, __ATOMIC_RELEASE);
	stop();
}

TEST(refuses_routes_and_scores_that_there_are_not)
{
	start(OPTIONS("rate", "1000"));
	CHECK_EQ_INT(ask("POST", "/ml/fraud", "{\"amount\":1}"), 503);
	CHECK_CONTAINS(answer, "api.no_model");
	CHECK_EQ_INT(ask("GET", "/nothing", ""), 404);
	CHECK_CONTAINS(answer, "api.no_such_route");
	CHECK_EQ_INT(ask("GET", "/query", ""), 405);
	CHECK_CONTAINS(answer, "api.bad_method");
	CHECK_EQ_INT(ask("GET", "/analytics/dashboard", ""), 403);
	CHECK_CONTAINS(answer, "api.forbidden");
	CHECK_EQ_INT(ask("POST", "/query", "{\"sql\":\"FROM t\"}"), 403);
	CHECK_CONTAINS(answer, "guard.table"); /* the view waits for its table */
	stop();
}

TEST(bounds_the_rate_of_a_key)
{
	int refused = 0;

	start(OPTIONS("rate", "0.5"));
	for (int i = 0; i < 4; i++) {
		refused += ask("POST", "/ml/fraud", "{\"amount\":1}") == 429;
	}
	CHECK(refused >= 2);
	CHECK_CONTAINS(answer, "api.too_many_requests");
	CHECK_CONTAINS(answer, "Retry-After: 1");
	stop();
}

TEST(takes_a_new_key_at_once)
{
	__atomic_store_n(&no_keys, true, __ATOMIC_RELEASE);
	start(OPTIONS("rate", "1000"));
	CHECK_EQ_INT(ask("POST", "/query", "{\"sql\":\"SELECT 1\"}"), 401);
	CHECK_EQ_INT(ask("POST", "/ml/fraud", "{\"amount\":1}"), 401);
	__atomic_store_n(&no_keys, false, __ATOMIC_RELEASE);
	CHECK_EQ_INT(ask("POST", "/query", "{\"sql\":\"SELECT 1\"}"), 200);
	stop();
}

TEST(reads_the_keys_no_more_often_for_unknown_ones)
{
	int before;

	__atomic_store_n(&no_keys, true, __ATOMIC_RELEASE);
	start(OPTIONS("rate", "1000"));
	before = __atomic_load_n(&read_keys, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 300; i++) {
		CHECK_EQ_INT(ask("POST", "/ml/fraud", "{\"amount\":1}"), 401);
	}
	CHECK(__atomic_load_n(&read_keys, __ATOMIC_ACQUIRE) - before < 300);
	__atomic_store_n(&no_keys, false, __ATOMIC_RELEASE);
	stop();
}

static void check_refused(const char *const *options, const char *code)
{
	h = drip_harness_create(test_argv[1]);
	drip_harness_add_connection(h, "dwh", "duckdb", DRIP_OPTIONS("path", ":memory:"));
	memset(&err, 0, sizeof(err));
	CHECK(drip_harness_open(h, DRIP_KIND_SERVICE, "api", options, &service, &err) < 0);
	CHECK(strstr(drip_harness_findings(h), code) != NULL || strcmp(err.code, code) == 0);
	drip_harness_destroy(h);
}

TEST(refuses_addresses_without_tls)
{
	check_refused(
		DRIP_OPTIONS("warehouse", "dwh", "listen", "0.0.0.0:0", "allow_remote", "true"),
		"http.remote_refused");
	check_refused(DRIP_OPTIONS("warehouse", "dwh", "listen", "127.0.0.1:0", "tls_key", "x"),
		      "http.half_tls");
}

TEST_MAIN()
