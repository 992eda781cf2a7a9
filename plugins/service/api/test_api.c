/* SPDX-License-Identifier: Apache-2.0 */
/* The service `api` by plain HTTP over loopback, with a host that gives one key and one role. What
 * needs a daemon is in tests/e2e/api.py. */
#define SERVICE "api"

#include "../../../tests/lib/service.h"

#include <sodium.h>
#include <time.h>

#define KEY "drip_0badcafe_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static bool audit_fails, no_keys, bad_roles;
static int recorded, read_keys, limited;
static int64_t expires_us; /* of the key; 0: never */

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
		if (strstr(arguments, "\"too many requests\"") != NULL) {
			__atomic_fetch_add(&limited, 1, __ATOMIC_ACQ_REL);
			CHECK_CONTAINS(arguments, "key 0badcafe (eve)");
			CHECK_CONTAINS(arguments, "refused");
		}
		*ret_text = strdup("{}");
		return 0;
	}
	__atomic_fetch_add(&read_keys, 1, __ATOMIC_ACQ_REL);
	if (__atomic_load_n(&bad_roles, __ATOMIC_ACQUIRE)) {
		*ret_text = strdup("{\"version\":2,\"roles\":[{\"name\":\"reader\",\"routes\":["
				   "\"query\"],\"named\":[],\"views\":[{\"schema\":\"a.b\","
				   "\"table\":\"t\",\"columns\":\"x\"}]}],\"keys\":[]}");
		return 0;
	}
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
		 "\"%s\",\"expires_us\":%lld}]}",
		 hex, (long long)__atomic_load_n(&expires_us, __ATOMIC_ACQUIRE));
	*ret_text = strdup(text);
	return *ret_text != NULL ? 0 : drip_error_nomem(error, sizeof(text));
}

static void begin(void)
{
	REQUIRE(sodium_init() >= 0);
	prepare();
	drip_harness_add_connection(h, "dwh", "duckdb", DRIP_OPTIONS("path", ":memory:"));
}

/* With the key. */
static int call(const char *line, const char *body)
{
	return ask_json(line, "Authorization: Bearer " KEY "\r\n", body);
}

#define OPTIONS(...) DRIP_OPTIONS("listen", "127.0.0.1:0", "warehouse", "dwh", __VA_ARGS__)

TEST(answers_nothing_that_is_not_recorded)
{
	begin();
	start(OPTIONS("rate", "1000"));
	CHECK_EQ_INT(call("POST /query", "{\"sql\":\"SELECT 42 AS x\"}"), 200);
	CHECK_CONTAINS(answer, "\"rows\":[[42]]");
	CHECK_EQ_INT(__atomic_load_n(&recorded, __ATOMIC_ACQUIRE), 1);
	__atomic_store_n(&audit_fails, true, __ATOMIC_RELEASE);
	CHECK_EQ_INT(call("POST /query", "{\"sql\":\"SELECT 42 AS x\"}"), 503);
	CHECK_CONTAINS(answer, "api.not_recorded");
	CHECK(strstr(answer, "\"rows\"") == NULL);
	__atomic_store_n(&audit_fails, false, __ATOMIC_RELEASE);
	stop();
}

TEST(refuses_routes_and_scores_that_there_are_not)
{
	begin();
	start(OPTIONS("rate", "1000"));
	CHECK_EQ_INT(call("POST /ml/fraud", "{\"amount\":1}"), 503);
	CHECK_CONTAINS(answer, "api.no_model");
	CHECK_EQ_INT(call("GET /nothing", ""), 404);
	CHECK_CONTAINS(answer, "api.no_such_route");
	CHECK_EQ_INT(call("GET /query", ""), 405);
	CHECK_CONTAINS(answer, "api.bad_method");
	CHECK_EQ_INT(call("GET /analytics/dashboard", ""), 403);
	CHECK_CONTAINS(answer, "api.forbidden");
	CHECK_EQ_INT(call("POST /query", "{\"sql\":\"FROM t\"}"), 403);
	CHECK_CONTAINS(answer, "guard.table"); /* the view waits for its table */
	stop();
}

static void declare(const char *table, const char *columns)
{
	struct drip_schema *schema = drip_test_schema(table, columns);

	drip_harness_declare(h, schema);
	drip_schema_unref(schema);
}

TEST(tells_where_its_answers_come_from)
{
	begin();
	declare("dw.dim_customer",
		"user_no utf8 internal, churn_risk_score decimal(5,2) null restricted, segment "
		"utf8 null internal, last_order_date date null internal, total_orders int32 null "
		"internal, is_current bool confidential");
	declare("dw.fact_orders",
		"store_key int64 internal, channel_key int64 internal, customer_key int64 null "
		"confidential, net_amount decimal(12,2) internal, is_nzd_test bool restricted, "
		"ordered_at timestamp_utc internal");
	start(OPTIONS("rate", "1000"));
	CHECK(drip_harness_logged(h,
				  "lineage dw.dim_customer.churn_risk_score -> GET "
				  "/ml/churn/{user_no}.churn_risk_score kind 1 class restricted"));
	CHECK(drip_harness_logged(h, "lineage dw.dim_customer.is_current -> GET "
				     "/ml/churn/{user_no}.segment kind 5 class internal"));
	CHECK(drip_harness_logged(h, "lineage dw.fact_orders.net_amount -> GET "
				     "/analytics/dashboard.revenue kind 2 class internal"));
	CHECK(drip_harness_logged(h, "lineage dw.fact_orders.customer_key -> GET "
				     "/analytics/dashboard.customers kind 2 class confidential"));
	/* a table that is not declared, and its fields, are not told */
	CHECK(!drip_harness_logged(h, "lineage ml.fraud_scores."));
	CHECK(drip_harness_logged(h, "the lineage of GET /ml/fraud/{trade_no} is not known"));
	stop();
}

TEST(bounds_the_rate_of_a_key)
{
	int refused = 0;

	begin();
	start(OPTIONS("rate", "0.5"));
	for (int i = 0; i < 4; i++) {
		refused += call("POST /ml/fraud", "{\"amount\":1}") == 429;
	}
	CHECK(refused >= 2);
	CHECK_CONTAINS(answer, "api.too_many_requests");
	CHECK_CONTAINS(answer, "Retry-After: 1");
	stop();
	CHECK(__atomic_load_n(&limited, __ATOMIC_ACQUIRE) > 0); /* it is in the audit */
}

TEST(takes_a_new_key_at_once)
{
	__atomic_store_n(&no_keys, true, __ATOMIC_RELEASE);
	begin();
	start(OPTIONS("rate", "1000"));
	CHECK_EQ_INT(call("POST /query", "{\"sql\":\"SELECT 1\"}"), 401);
	CHECK_EQ_INT(call("POST /ml/fraud", "{\"amount\":1}"), 401);
	__atomic_store_n(&no_keys, false, __ATOMIC_RELEASE);
	CHECK_EQ_INT(call("POST /query", "{\"sql\":\"SELECT 1\"}"), 200);
	stop();
}

static int64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Good until its time and never after, with nothing but the clock to tell. */
TEST(refuses_a_key_from_the_moment_that_it_expires)
{
	int64_t end = wall_us() + 500000, begun;
	int status;

	__atomic_store_n(&expires_us, end, __ATOMIC_RELEASE);
	begin();
	start(OPTIONS("rate", "1000000"));
	do {
		begun = wall_us();
		status = call("POST /query", "{\"sql\":\"SELECT 1\"}");
		if (status == 200) {
			CHECK(begun < end);
		} else {
			CHECK_EQ_INT(status, 401);
			CHECK(wall_us() >= end);
		}
	} while (status == 200);
	CHECK_CONTAINS(answer, "api.unauthorized");
	CHECK_EQ_INT(call("POST /ml/fraud", "{\"amount\":1}"), 401);
	__atomic_store_n(&expires_us, end + INT64_C(3600000000), __ATOMIC_RELEASE);
	while ((status = call("POST /query", "{\"sql\":\"SELECT 1\"}")) == 401) {
	} /* until the next refresh; the end of the test's time otherwise */
	CHECK_EQ_INT(status, 200);
	__atomic_store_n(&expires_us, 0, __ATOMIC_RELEASE);
	stop();
}

TEST(a_revoked_key_is_refused_though_the_roles_cannot_be_taken)
{
	int status;

	begin();
	start(OPTIONS("rate", "1000000"));
	CHECK_EQ_INT(call("POST /query", "{\"sql\":\"SELECT 1\"}"), 200);
	__atomic_store_n(&bad_roles, true, __ATOMIC_RELEASE);
	while ((status = call("POST /query", "{\"sql\":\"SELECT 1\"}")) == 200) {
	} /* until the next refresh; the end of the test's time otherwise */
	CHECK_EQ_INT(status, 401);
	__atomic_store_n(&bad_roles, false, __ATOMIC_RELEASE);
	stop();
}

TEST(reads_the_keys_no_more_often_for_unknown_ones)
{
	int before;

	__atomic_store_n(&no_keys, true, __ATOMIC_RELEASE);
	begin();
	start(OPTIONS("rate", "1000"));
	before = __atomic_load_n(&read_keys, __ATOMIC_ACQUIRE);
	for (int i = 0; i < 300; i++) {
		CHECK_EQ_INT(call("POST /ml/fraud", "{\"amount\":1}"), 401);
	}
	CHECK(__atomic_load_n(&read_keys, __ATOMIC_ACQUIRE) - before < 300);
	__atomic_store_n(&no_keys, false, __ATOMIC_RELEASE);
	stop();
}

TEST(refuses_addresses_without_tls)
{
	begin();
	check_refused(
		DRIP_OPTIONS("warehouse", "dwh", "listen", "0.0.0.0:0", "allow_remote", "true"),
		"http.remote_refused");
	begin();
	check_refused(DRIP_OPTIONS("warehouse", "dwh", "listen", "127.0.0.1:0", "tls_key", "x"),
		      "http.half_tls");
	check_refused(OPTIONS("tls_certificate", "no certificate", "tls_key", "no key"),
		      "http.bad_certificate");
}

TEST_MAIN()
