/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service api: scores, dashboards and guarded SQL over HTTP, for people and programs with keys.
 * Threads: the server's pool answers what is quick, threads of its own what reads the warehouse;
 * one thread of the service refreshes keys and roles, writes tallies and ends slow connections.
 * Nothing is answered before the roles are defined.
 */
#include "api.h"

#include <errno.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define BODY_BYTES_MAX   (128 * 1024)
#define REFRESH_MS       250
#define FLUSH_EACH       4 /* refreshes */
#define SLOW_THREADS     4
#define SLOW_WAITING_MAX 32

#define OPT(member, ...) DRIP_OPTION(struct api_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(listen,
	    .help = "Address and port to listen at, as \"127.0.0.1:8443\" or \"[::1]:8443\"; port "
		    "0 takes a free one.",
	    .default_text = "127.0.0.1:8443", .example = "0.0.0.0:8443"),
	OPT(allow_remote,
	    .help = "Allows an address that other machines reach; needs TLS. Behind a proxy that "
		    "ends TLS on this machine, listen at 127.0.0.1.",
	    .default_text = "false"),
	OPT(tls_certificate, .help = "Certificate chain, PEM. TLS 1.2 and 1.3 are spoken.",
	    .example = "${file:/etc/dripline/api.crt}"),
	OPT(tls_key, .help = "Private key of the certificate, PEM.",
	    .example = "${file:/run/credentials/dripline.service/api.key}"),
	OPT(warehouse, .help = "Connection to the DuckDB database that is read.",
	    .interface_name = DRIP_GUARD_INTERFACE, .flags = DRIP_OPTION_REQUIRED),
	OPT(fraud_model, .help = "Model that scores payments.", .default_text = "fraud"),
	OPT(rate, .help = "Requests a second that each key may send; twice as many at once.",
	    .default_text = "3000", .min = 0.1, .max = 1e6),
	OPT(query_timeout, .help = "Time after which a query is ended.", .default_text = "20s",
	    .min = 100, .max = 120000),
	OPT(query_rows, .help = "Rows of an answer at most.", .default_text = "10000",
	    .unit = "rows", .min = 1, .max = 1000000),
	OPT(query_bytes, .help = "Bytes of an answer's values at most.", .default_text = "16MiB",
	    .min = 1024, .max = 256 << 20),
	OPT(max_connections, .help = "Connections at once at most.", .default_text = "256",
	    .unit = "connections", .min = 1, .max = 1000, .flags = DRIP_OPTION_ADVANCED),
	OPT(timeout, .help = "Time after which an idle connection is closed.",
	    .default_text = "30s", .min = 1000, .max = 3600000, .flags = DRIP_OPTION_ADVANCED),
	OPT(request_timeout,
	    .help = "Time in which a request must have come whole after its connection or the "
		    "last answer; an answer must be taken in four times that.",
	    .default_text = "30s", .min = 500, .max = 600000, .flags = DRIP_OPTION_ADVANCED),
};

uint64_t api_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- requests ---- */

struct route {
	const char *url; /* one that ends with a slash takes what follows */
	bool post;
	enum api_route route;
	void (*run)(struct api *, const struct api_caller *, const struct http_request *,
		    struct http_answer *);
};

static const struct route routes[] = {
	{"/ml/fraud", true, API_FRAUD, api_fraud},
	{API_PAYMENT_URL, false, API_FRAUD, api_payment},
	{API_CHURN_URL, false, API_CHURN, api_churn},
	{"/query", true, API_QUERY, api_query},
	{"/analytics/dashboard", false, API_DASHBOARD, api_dashboard},
};

static const struct route *find_route(const char *url)
{
	for (size_t i = 0; i < DRIP_COUNT(routes); i++) {
		size_t size = strlen(routes[i].url);

		if (routes[i].url[size - 1] == '/' ? strncmp(routes[i].url, url, size) == 0
						   : strcmp(routes[i].url, url) == 0) {
			return &routes[i];
		}
	}
	return NULL;
}

/* `looks`: a key that is not known may be a new one, which the host is asked for. */
static enum api_verdict find_caller(struct api *api, const struct http_request *r, bool takes,
				    bool looks, struct api_caller *ret)
{
	static const char bearer[] = "Bearer ";
	const char *given = http_header(r, MHD_HTTP_HEADER_AUTHORIZATION);
	enum api_verdict verdict;

	if (given == NULL || strncasecmp(given, bearer, sizeof(bearer) - 1) != 0) {
		return API_UNKNOWN;
	}
	given += sizeof(bearer) - 1;
	verdict = api_access_find(api->access, given, takes, ret);
	return verdict == API_UNHEARD && looks ? api_access_find_new(api, given, takes, ret)
					       : verdict;
}

static bool is_slow_route(const char *url)
{
	const struct route *route = find_route(url);

	return route != NULL && route->run != api_fraud;
}

/* Who has no key is turned away at once, and does not wait in the place of one who has. */
static bool is_slow(const struct http_request *r, void *data)
{
	struct api_caller caller;

	return is_slow_route(r->url) && find_caller(data, r, false, true, &caller) == API_KNOWN;
}

/* Only what needs no key; the rest looks its caller up with the route. */
static bool authorize(const struct http_request *r, struct http_answer *ret, void *data)
{
	return true;
}

static void not_found(struct http_answer *ret)
{
	http_answer_problem(ret, MHD_HTTP_NOT_FOUND, "api.no_such_route", "there is no such route",
			    "See /openapi.json.");
}

static void dispatch(struct api *api, const struct api_caller *caller, const struct http_request *r,
		     struct http_answer *ret)
{
	const struct route *route = find_route(r->url);

	if (route == NULL) {
		not_found(ret);
	} else if (route->post != r->post) {
		http_answer_problem(ret, MHD_HTTP_METHOD_NOT_ALLOWED, "api.bad_method",
				    route->post ? "this route wants POST" : "this route wants GET",
				    "");
	} else if ((caller->routes & route->route) == 0) {
		if (api_record(api, caller, r->method, r->url, "refused", "api.forbidden", 0, 0,
			       ret) == 0) {
			http_answer_problem(ret, MHD_HTTP_FORBIDDEN, "api.forbidden",
					    "the role of this key may not call this route", "");
		}
	} else {
		route->run(api, caller, r, ret);
	}
}

static void on_request(const struct http_request *r, struct http_answer *ret, void *data)
{
	struct api *api = data;
	struct api_caller caller;

	if (!r->post && strcmp(r->url, "/openapi.json") == 0) {
		ret->status = MHD_HTTP_OK;
		ret->type = HTTP_JSON;
		ret->fixed = api_openapi;
		ret->fixed_size = strlen(api_openapi);
		return;
	}
	switch (find_caller(api, r, true, !is_slow_route(r->url), &caller)) {
	case API_KNOWN:
		dispatch(api, &caller, r, ret);
		break;
	case API_TOO_MANY:
		api_tally_limited(api, &caller);
		http_answer_problem(ret, MHD_HTTP_TOO_MANY_REQUESTS, "api.too_many_requests",
				    "this key sends too many requests", "");
		ret->retry_after = 1;
		break;
	default:
		pthread_mutex_lock(&api->lock);
		api->unknown_keys++;
		pthread_mutex_unlock(&api->lock);
		http_answer_problem(ret, MHD_HTTP_UNAUTHORIZED, "api.unauthorized",
				    "the key is missing, wrong, expired or revoked",
				    "Send \"Authorization: Bearer KEY\".");
	}
}

/* ---- the refresher ---- */

static void find_model(struct api *api)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	const void *model = NULL;
	void *object = NULL;

	if (api->model == NULL &&
	    api->ctx->host->connection_get(api->ctx, api->config->fraud_model, DRIP_MODEL_INTERFACE,
					   &model, &object, &ignored) == 0) {
		pthread_mutex_lock(&api->lock);
		api->model = model;
		api->model_object = object;
		pthread_mutex_unlock(&api->lock);
	}
	api->model_told = api->model_told || (api->model != NULL && api_lineage_of_model(api));
}

/* False: the end has come. */
static bool pause_a_while(struct api *api)
{
	uint64_t at_ns = api_now_ns() + REFRESH_MS * UINT64_C(1000000);
	struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000),
			      .tv_nsec = (long)(at_ns % 1000000000)};
	bool ends;

	pthread_mutex_lock(&api->lock);
	while (!api->ends && pthread_cond_timedwait(&api->changed, &api->lock, &at) != ETIMEDOUT) {
	}
	ends = api->ends;
	pthread_mutex_unlock(&api->lock);
	return !ends;
}

static void *refresh(void *data)
{
	struct api *api = data;
	unsigned turn = 0;

	while (pause_a_while(api)) {
		struct drip_error err = DRIP_ERROR_INIT;

		if (api_access_refresh(api, &err) < 0) {
			drip_log_warning(api->ctx, "could not refresh keys and roles: %s",
					 err.message);
		}
		http_close_slow(api->server);
		if (turn++ % FLUSH_EACH == 0) {
			find_model(api);
			api_flush(api);
		}
	}
	return NULL;
}

/* ---- life ---- */

static struct http_tls tls_of(const struct api_config *c)
{
	return (struct http_tls){c->tls_certificate.value, c->tls_key.value};
}

static int api_check(struct drip_ctx *ctx, const void *config, bool connect,
		     struct drip_report *report, struct drip_error *err)
{
	struct http_tls tls = tls_of(config);

	http_check_guarded(config, &tls, report);
	return 0;
}

static void api_close(void *self)
{
	struct api *api = self;

	api_access_destroy(api->access);
	pthread_cond_destroy(&api->changed);
	pthread_mutex_destroy(&api->lock);
	free(api);
}

static int api_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		    struct drip_error *err)
{
	const struct api_config *c = config;
	struct api *api = calloc(1, sizeof(*api));
	pthread_condattr_t clock;

	if (api == NULL || sodium_init() < 0) {
		free(api);
		return drip_error_nomem(err, sizeof(*api));
	}
	api->ctx = ctx;
	api->config = c;
	pthread_mutex_init(&api->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&api->changed, &clock);
	pthread_condattr_destroy(&clock);
	api->access = api_access_create(c->rate);
	if (api->access == NULL) {
		api_close(api);
		return drip_error_nomem(err, 0);
	}
	*ret_self = api;
	return 0;
}

static void put_connections(struct api *api)
{
	const struct drip_host *host = api->ctx->host;

	if (api->model != NULL) {
		host->connection_put(api->ctx, api->config->fraud_model, DRIP_MODEL_INTERFACE,
				     api->model_object);
		api->model = NULL;
	}
	if (api->guard != NULL) {
		host->connection_put(api->ctx, api->config->warehouse.name, DRIP_GUARD_INTERFACE,
				     api->warehouse);
		api->guard = NULL;
	}
}

static void api_stop(void *self)
{
	struct api *api = self;

	pthread_mutex_lock(&api->lock);
	api->ends = true;
	pthread_cond_signal(&api->changed);
	pthread_mutex_unlock(&api->lock);
	if (api->refreshes) {
		pthread_join(api->refresher, NULL);
		api->refreshes = false;
	}
	http_stop(api->server);
	api->server = NULL;
	if (api->guard != NULL) {
		api_flush(api);
	}
	put_connections(api);
}

static int start_parts(struct api *api, struct drip_error *err)
{
	const struct api_config *c = api->config;
	struct http_options http = {
		.config = (const struct http_config *)c,
		.body_max = BODY_BYTES_MAX,
		.authorize = authorize,
		.tls = tls_of(c),
		.is_slow = is_slow,
		.slow_threads = SLOW_THREADS,
		.slow_waiting_max = SLOW_WAITING_MAX,
		.request_ms = c->request_timeout.ms,
		.strict = true,
		.problems = true,
		.handler = on_request,
		.data = api,
	};
	const void *guard = NULL;
	int rc = api->ctx->host->connection_get(api->ctx, c->warehouse.name, DRIP_GUARD_INTERFACE,
						&guard, &api->warehouse, err);

	api->guard = rc == 0 ? guard : NULL;
	rc = rc == 0 ? api_access_refresh(api, err) : rc;
	rc = rc == 0 ? http_start(api->ctx, &http, &api->server, err) : rc;
	if (rc == 0) {
		api_lineage(api);
		find_model(api);
		rc = -pthread_create(&api->refresher, NULL, refresh, api);
		api->refreshes = rc == 0;
		if (rc < 0) {
			drip_error_set_retryable(err, rc, "api.no_thread",
						 "could not start a thread: %s", strerror(-rc));
		}
	}
	return rc;
}

static int api_start(void *self, struct drip_error *err)
{
	struct api *api = self;
	int rc;

	api->ends = false;
	rc = start_parts(api, err);
	if (rc < 0) {
		api_stop(api);
	}
	return rc;
}

static const struct drip_service_ops ops = {
	.struct_size = sizeof(ops),
	.check = api_check,
	.open = api_open,
	.close = api_close,
	.start = api_start,
	.stop = api_stop,
};

static const struct drip_component api_component = {
	.struct_size = sizeof(api_component),
	.kind = DRIP_KIND_SERVICE,
	.name = "api",
	.summary = "scores, dashboards and guarded SQL over HTTP",
	.description =
		"`POST /query`, `POST /ml/fraud`, `GET /ml/fraud/{trade_no}`, `GET "
		"/ml/churn/{user_no}` and `GET "
		"/analytics/dashboard`, described at `/openapi.json`. Callers have keys (`dripline "
		"key`), keys have roles, and the section `roles` says what each may call and see.",
	.schema_notes = "None: it handles no rows.",
	.guarantees =
		"Every read is in the audit before its answer goes out; scores are counted there "
		"once a second. A new key is taken at once, a revoked one refused within a second. "
		"Requests are bounded in size, time and number, and never hold up a pipeline.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_EXCLUSIVE,
	.config_size = sizeof(struct api_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("api", "0.1.0", "Scores, dashboards and guarded SQL over HTTP.", &api_component);
