/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes that read the warehouse: all of them through the guard, as the caller's role, and
 * recorded before the answer goes out. They run on the server's threads for what takes long.
 */
#include "api.h"

#include <dripline/text.h>
#include <dripline/units.h>
#include <errno.h>
#include <jansson.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the queries ---- */

#define NET_ORDERS                                                                                 \
	"FROM dw.fact_orders o WHERE NOT o.is_nzd_test AND o.ordered_at >= (SELECT "               \
	"max(ordered_at) FROM dw.fact_orders) - to_days(CAST(? AS INTEGER)) "
#define DASHBOARD "GET /analytics/dashboard"

const struct api_statement api_statements[API_STATEMENTS] = {
	[API_CHURN_ROW] = {"GET /ml/churn/{user_no}", NULL,
			   "SELECT user_no, churn_risk_score, segment, last_order_date, "
			   "total_orders FROM dw.dim_customer WHERE user_no = ? AND is_current "
			   "LIMIT 1"},
	[API_PAYMENT_ROW] = {"GET /ml/fraud/{trade_no}", NULL,
			     "SELECT trade_no, fraud_score AS risk_score, fraud_anomaly AS "
			     "is_fraud, fraud_version AS version, tried_at FROM ml.fraud_scores "
			     "WHERE trade_no = ? LIMIT 1"},
	[API_TOTALS] = {DASHBOARD, "totals",
			"SELECT count(*) AS orders, round(sum(o.net_amount), 2) AS revenue, "
			"round(avg(o.net_amount), 2) AS average_order, count(DISTINCT "
			"o.customer_key) AS customers " NET_ORDERS},
	[API_BY_DAY] = {DASHBOARD, "revenue_by_day",
			"SELECT CAST(o.ordered_at AS DATE) AS day, count(*) AS orders, "
			"sum(o.net_amount) AS revenue " NET_ORDERS "GROUP BY 1 ORDER BY 1"},
	[API_BY_STORE] =
		{DASHBOARD, "revenue_by_store",
		 "SELECT s.store_name AS store, q.orders, q.revenue FROM (SELECT "
		 "o.store_key, count(*) AS orders, sum(o.net_amount) AS revenue " NET_ORDERS
		 "GROUP BY 1) q LEFT JOIN dw.dim_store s USING (store_key) "
		 "ORDER BY q.revenue DESC"},
	[API_BY_CHANNEL] =
		{DASHBOARD, "revenue_by_channel",
		 "SELECT c.channel_name AS channel, q.orders, q.revenue FROM (SELECT "
		 "o.channel_key, count(*) AS orders, sum(o.net_amount) AS revenue " NET_ORDERS
		 "GROUP BY 1) q LEFT JOIN dw.dim_channel c USING "
		 "(channel_key) ORDER BY q.revenue DESC"},
};

unsigned api_status_of(const struct drip_error *err)
{
	switch (err->rc) {
	case -EACCES:
		return MHD_HTTP_FORBIDDEN;
	case -E2BIG:
		return MHD_HTTP_CONTENT_TOO_LARGE;
	case -EINVAL:
	case -ERANGE:
		return MHD_HTTP_UNPROCESSABLE_CONTENT;
	case -ETIMEDOUT:
		return MHD_HTTP_GATEWAY_TIMEOUT;
	case -EBUSY:
	case -ENOENT:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

/* ---- a result as JSON ---- */

struct output {
	struct drip_text text;
	bool objects; /* rows as objects, not as arrays */
	bool any;
};

static int put_columns(const struct drip_schema *schema, void *data, struct drip_error *err)
{
	struct output *out = data;
	char type[64];

	if (out->objects) {
		return 0;
	}
	drip_text_puts(&out->text, "{\"columns\":[");
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(schema, i);

		drip_type_name(c, type, sizeof(type));
		drip_text_puts(&out->text, i > 0 ? ",{\"name\":" : "{\"name\":");
		drip_text_json_string(&out->text, c->name, strlen(c->name));
		drip_text_puts(&out->text, ",\"type\":");
		drip_text_json_string(&out->text, type, strlen(type));
		drip_text_puts(&out->text, "}");
	}
	drip_text_puts(&out->text, "],\"rows\":[");
	return drip_text_check(&out->text, err);
}

static int put_rows(const struct drip_batch *batch, void *data, struct drip_error *err)
{
	struct output *out = data;

	for (int64_t row = 0; row < batch->rows; row++) {
		drip_text_puts(&out->text, out->any ? "," : "");
		out->any = true;
		if (out->objects) {
			drip_text_json_row(&out->text, batch, row, NULL);
			continue;
		}
		for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
			drip_text_puts(&out->text, i == 0 ? "[" : ",");
			drip_text_json_value(&out->text, batch, i, row);
		}
		drip_text_puts(&out->text, "]");
	}
	return drip_text_check(&out->text, err);
}

static int run(struct api *api, const struct api_caller *caller, const char *sql, size_t size,
	       const struct drip_batch *bind, int64_t rows, struct output *out,
	       struct drip_guard_result *result, struct drip_error *err)
{
	const struct api_config *c = api->config;
	struct drip_guard_query query = {
		.struct_size = sizeof(query),
		.role = caller->guard,
		.sql = sql,
		.sql_size = size,
		.bind = bind,
		.rows = rows,
		.bytes = c->query_bytes.bytes,
		.timeout_ms = c->query_timeout.ms,
		.on_schema = put_columns,
		.on_batch = put_rows,
		.data = out,
	};

	return api->guard->query(api->warehouse, &query, result, err);
}

/* Records the request and makes the answer of `out` or of the error. Frees `out`. */
static void finish(struct api *api, const struct api_caller *caller, const char *action,
		   const char *target, int rc, const struct drip_guard_result *result,
		   struct output *out, struct drip_error *err, struct http_answer *ret)
{
	drip_text_put(&out->text, "", 1);
	rc = rc == 0 ? drip_text_check(&out->text, err) : rc;
	if (api_record(api, caller, action, target,
		       rc == 0              ? "allowed"
		       : err->rc == -EACCES ? "refused"
					    : "failed",
		       rc == 0 ? "" : err->code, result->rows, result->check_us + result->run_us,
		       ret) < 0) {
		drip_text_finish(&out->text);
		return;
	}
	if (rc < 0) {
		http_answer_problem_of(ret, api_status_of(err), err);
		drip_text_finish(&out->text);
		return;
	}
	ret->status = MHD_HTTP_OK;
	ret->type = HTTP_JSON;
	ret->body = out->text.data;
}

/* ---- POST /query ---- */

static int bad_body(struct http_answer *ret, const char *message)
{
	http_answer_problem(ret, MHD_HTTP_BAD_REQUEST, "api.bad_json", message,
			    "Send {\"sql\": \"SELECT ...\", \"limit\": 100}.");
	return -1;
}

static int read_query(const struct http_request *r, int64_t most, json_t **ret_body,
		      const char **ret_sql, size_t *ret_size, int64_t *ret_rows,
		      struct http_answer *ret)
{
	json_t *body =
		json_loadb(r->body, r->body_size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	const json_t *sql = json_object_get(body, "sql"), *limit = json_object_get(body, "limit");
	const char *key;
	json_t *value;

	*ret_body = body;
	if (!json_is_object(body)) {
		return bad_body(ret, "the body is not a JSON object");
	}
	json_object_foreach(body, key, value)
	{
		if (strcmp(key, "sql") != 0 && strcmp(key, "limit") != 0) {
			return bad_body(ret, "the body has another member than sql and limit");
		}
	}
	if (!json_is_string(sql)) {
		return bad_body(ret, "\"sql\" must be a string");
	}
	if (limit != NULL && (!json_is_integer(limit) || json_integer_value(limit) < 1)) {
		return bad_body(ret, "\"limit\" must be a number of rows, 1 at least");
	}
	*ret_sql = json_string_value(sql);
	*ret_size = json_string_length(sql);
	*ret_rows = limit != NULL && json_integer_value(limit) < most ? json_integer_value(limit)
								      : most;
	return 0;
}

void api_query(struct api *api, const struct api_caller *caller, const struct http_request *r,
	       struct http_answer *ret)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_guard_result result = {0};
	struct output out = {.objects = false};
	json_t *body = NULL;
	const char *sql;
	char tail[160];
	size_t size;
	int64_t rows;
	int rc;

	if (read_query(r, api->config->query_rows, &body, &sql, &size, &rows, ret) == 0) {
		rc = run(api, caller, sql, size, NULL, rows, &out, &result, &err);
		snprintf(tail, sizeof(tail),
			 "],\"row_count\":%lld,\"truncated\":%s,\"elapsed_ms\":%.1f}\n",
			 (long long)result.rows, result.truncated ? "true" : "false",
			 (double)(result.check_us + result.run_us) / 1000.0);
		drip_text_puts(&out.text, tail);
		finish(api, caller, "POST /query", sql, rc, &result, &out, &err, ret);
	}
	json_decref(body);
}

/* ---- GET /ml/churn/{user_no}, GET /ml/fraud/{trade_no} ---- */

/* (gives) a batch of one text. */
static int bind_text(const char *text, struct drip_batch **ret, struct drip_error *err)
{
	struct drip_column column = {
		.struct_size = sizeof(column), .name = "key", .type = DRIP_TYPE_UTF8};
	struct drip_schema_builder sb;
	struct drip_schema *schema = NULL;
	struct drip_builder b;
	int rc;

	drip_schema_builder_init(&sb, "", "bind");
	drip_schema_builder_add(&sb, &column);
	rc = drip_schema_builder_build(&sb, &schema, err);
	rc = rc == 0 ? drip_builder_init(&b, schema, err) : rc;
	if (rc == 0) {
		drip_append_bytes(&b.columns[0], text, (int64_t)strlen(text));
		drip_builder_row(&b, DRIP_OP_READ);
		rc = drip_builder_build(&b, ret, err);
		drip_builder_finish(&b);
	}
	drip_schema_unref(schema);
	return rc;
}

/* Customers and payments have numbers of the same kind. */
static bool is_number(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= 0x20 || c == '/' || c >= 0x7f) {
			return false;
		}
	}
	return n > 0 && n <= 64;
}

/* A row by its key, which is the rest of the path. */
struct lookup {
	const char *url, *action;
	int statement; /* of api_statements */
	const char *bad_code, *bad, *none_code, *none;
};

static void look_up(struct api *api, const struct api_caller *caller, const struct http_request *r,
		    const struct lookup *l, struct http_answer *ret)
{
	const char *key = r->url + strlen(l->url);
	const char *sql = api_statements[l->statement].sql;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_guard_result result = {0};
	struct output out = {.objects = true};
	struct drip_batch *bind = NULL;
	int rc;

	if (!is_number(key)) {
		http_answer_problem(ret, MHD_HTTP_BAD_REQUEST, l->bad_code, l->bad, "");
		return;
	}
	rc = bind_text(key, &bind, &err);
	rc = rc == 0 ? run(api, caller, sql, strlen(sql), bind, 1, &out, &result, &err) : rc;
	drip_batch_unref(bind);
	finish(api, caller, l->action, key, rc, &result, &out, &err, ret);
	if (ret->status == MHD_HTTP_OK && result.rows == 0) {
		http_answer_problem(ret, MHD_HTTP_NOT_FOUND, l->none_code, l->none, "");
	}
}

void api_churn(struct api *api, const struct api_caller *caller, const struct http_request *r,
	       struct http_answer *ret)
{
	static const struct lookup churn = {
		.url = API_CHURN_URL,
		.action = "GET /ml/churn",
		.statement = API_CHURN_ROW,
		.bad_code = "api.bad_user_no",
		.bad = "this cannot be the number of a customer",
		.none_code = "api.no_customer",
		.none = "there is no such customer",
	};

	look_up(api, caller, r, &churn, ret);
}

void api_payment(struct api *api, const struct api_caller *caller, const struct http_request *r,
		 struct http_answer *ret)
{
	static const struct lookup payment = {
		.url = API_PAYMENT_URL,
		.action = "GET /ml/fraud",
		.statement = API_PAYMENT_ROW,
		.bad_code = "api.bad_trade_no",
		.bad = "this cannot be the number of a payment",
		.none_code = "api.no_payment",
		.none = "no payment of this number has come yet",
	};

	look_up(api, caller, r, &payment, ret);
}

/* ---- GET /analytics/dashboard ---- */

static int bind_days(int64_t days, struct drip_batch **ret, struct drip_error *err)
{
	struct drip_column column = {
		.struct_size = sizeof(column), .name = "days", .type = DRIP_TYPE_INT32};
	struct drip_schema_builder sb;
	struct drip_schema *schema = NULL;
	struct drip_builder b;
	int rc;

	drip_schema_builder_init(&sb, "", "bind");
	drip_schema_builder_add(&sb, &column);
	rc = drip_schema_builder_build(&sb, &schema, err);
	rc = rc == 0 ? drip_builder_init(&b, schema, err) : rc;
	if (rc == 0) {
		drip_append_i32(&b.columns[0], (int32_t)days);
		drip_builder_row(&b, DRIP_OP_READ);
		rc = drip_builder_build(&b, ret, err);
		drip_builder_finish(&b);
	}
	drip_schema_unref(schema);
	return rc;
}

/* One section; null where the role does not have its tables. */
static int put_section(struct api *api, const struct api_caller *caller,
		       const struct api_statement *s, const struct drip_batch *bind,
		       struct output *out, struct drip_guard_result *sum, struct drip_error *err)
{
	struct drip_guard_result result = {0};
	size_t before;
	int rc;

	drip_text_puts(&out->text, ",\"");
	drip_text_puts(&out->text, s->section);
	drip_text_puts(&out->text, "\":");
	before = out->text.size;
	drip_text_puts(&out->text, "[");
	out->any = false;
	rc = run(api, caller, s->sql, strlen(s->sql), bind, 10000, out, &result, err);
	sum->rows += result.rows;
	sum->check_us += result.check_us;
	sum->run_us += result.run_us;
	if (rc == -EACCES && strcmp(err->code, "guard.table") == 0) {
		out->text.size = before;
		drip_text_puts(&out->text, "null");
		return 0;
	}
	drip_text_puts(&out->text, "]");
	return rc;
}

void api_dashboard(struct api *api, const struct api_caller *caller, const struct http_request *r,
		   struct http_answer *ret)
{
	const char *given = http_query(r, "days");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_guard_result sum = {0};
	struct output out = {.objects = true};
	struct drip_batch *bind = NULL;
	char text[32];
	int64_t days = 30;
	int rc;

	if (given != NULL && (drip_parse_int(given, &days) < 0 || days < 1 || days > 366)) {
		http_answer_problem(ret, MHD_HTTP_BAD_REQUEST, "api.bad_days",
				    "days must be a number from 1 to 366", "");
		return;
	}
	snprintf(text, sizeof(text), "{\"days\":%lld", (long long)days);
	drip_text_puts(&out.text, text);
	rc = bind_days(days, &bind, &err);
	for (size_t i = 0; rc == 0 && i < API_STATEMENTS; i++) {
		if (api_statements[i].section != NULL) {
			rc = put_section(api, caller, &api_statements[i], bind, &out, &sum, &err);
		}
	}
	drip_batch_unref(bind);
	drip_text_puts(&out.text, "}\n");
	finish(api, caller, "GET /analytics/dashboard", text + 1, rc, &sum, &out, &err, ret);
}
