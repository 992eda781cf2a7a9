/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the service `admin`, by plain HTTP over loopback. */
#define SERVICE "admin"

#include "../../../tests/lib/service.h"

static char asked[512];
static bool ready;

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
	CHECK_EQ_INT(ask("GET /api/v1/quality?days=2&limit=7&pipeline=p", HOST), 200);
	CHECK_EQ_STR(asked, "quality {\"pipeline\":\"p\",\"days\":2,\"limit\":7}");
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
	CHECK_EQ_INT(ask_json("POST /api/v1/reload", "", ""), 200);
	CHECK_EQ_STR(asked, "reload {}");
	CHECK_EQ_INT(ask_json("POST /api/v1/pipelines/orders/pause", "", ""), 404);
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
	CHECK_EQ_INT(ask("POST /api/v1/reload", JSON "Content-Length: 190000\r\n"), 413);
	CHECK_CONTAINS(answer, "http.body_too_large");
	CHECK_EQ_STR(asked, "");
	CHECK_EQ_INT(ask("GET /livez", HOST), 200);
	stop();
}

TEST(refuses_addresses_that_others_reach)
{
	check_refused(DRIP_OPTIONS("listen", "0.0.0.0:0"), "http.remote_refused");
	check_refused(DRIP_OPTIONS("listen", "[::]:0"), "http.remote_refused");
	check_refused(DRIP_OPTIONS("listen", "0.0.0.0:0", "allow_remote", "true"),
		      "http.remote_refused");
	check_refused(DRIP_OPTIONS("listen", "localhost:80"), "http.bad_address");
	check_refused(DRIP_OPTIONS("listen", "127.0.0.1"), "http.bad_address");
	check_refused(DRIP_OPTIONS("listen", "127.0.0.1:65536"), "http.bad_address");
	check_refused(DRIP_OPTIONS("listen", "127.0.0.1:4294967376"), "http.bad_address");
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
