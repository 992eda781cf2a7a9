/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service admin: health, metrics and control over HTTP, all through the host's control methods.
 * Threads: the server's pool calls on_request; open, start, stop and close are the host's.
 */
#include "../http.h"

#include <microhttpd.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_MAX (64 * 1024) /* bodies are not looked at */
#define TYPE_TEXT      "text/plain; charset=utf-8"
#define TYPE_PROM      "text/plain; version=0.0.4; charset=utf-8"

struct admin_config {
	HTTP_CONFIG;
};

struct admin {
	struct drip_ctx *ctx;
	const struct admin_config *config;
	struct http_server *server;
	atomic_bool was_ready; /* for /startupz */
};

static const struct drip_option options[] = {HTTP_OPTIONS(struct admin_config, "127.0.0.1:8080")};

/* ---- routes ---- */

static bool is_probe(const char *url)
{
	return strcmp(url, "/livez") == 0 || strcmp(url, "/readyz") == 0 ||
	       strcmp(url, "/startupz") == 0;
}

static void answer_text(struct http_answer *a, unsigned status, const char *text)
{
	a->status = status;
	a->type = TYPE_TEXT;
	a->fixed = text;
	a->fixed_size = strlen(text);
}

static void route_ready(struct admin *admin, struct http_answer *ret)
{
	http_answer_control(admin->ctx, "ready", "{}", HTTP_JSON, ret);
	if (ret->status == MHD_HTTP_OK && ret->body != NULL) {
		if (strstr(ret->body, "\"ready\":true") != NULL) {
			atomic_store(&admin->was_ready, true);
		} else {
			ret->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		}
	}
}

static void route_started(struct admin *admin, struct http_answer *ret)
{
	struct http_answer ready = {0};

	if (!atomic_load(&admin->was_ready)) {
		route_ready(admin, &ready);
		free(ready.body);
	}
	if (atomic_load(&admin->was_ready)) {
		answer_text(ret, MHD_HTTP_OK, "started\n");
	} else {
		answer_text(ret, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
	}
}

static void on_request(const struct http_request *r, struct http_answer *ret, void *data)
{
	struct admin *admin = data;

	if (!r->post && strcmp(r->url, "/livez") == 0) {
		answer_text(ret, MHD_HTTP_OK, "live\n");
	} else if (!r->post && strcmp(r->url, "/readyz") == 0) {
		route_ready(admin, ret);
	} else if (!r->post && strcmp(r->url, "/startupz") == 0) {
		route_started(admin, ret);
	} else if (!r->post && strcmp(r->url, "/metrics") == 0) {
		http_answer_control(admin->ctx, "metrics", "{}", TYPE_PROM, ret);
	} else if (!http_control_route(admin->ctx, r, ret)) {
		http_answer_error(ret, MHD_HTTP_NOT_FOUND, "http.no_such_page",
				  "there is no such page", "See the plugin's README.");
	}
}

/* ---- life ---- */

static int admin_check(struct drip_ctx *ctx, const void *config, bool connect,
		       struct drip_report *report, struct drip_error *err)
{
	http_check(config, report);
	return 0;
}

static int admin_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct admin *admin = calloc(1, sizeof(*admin));

	if (admin == NULL) {
		return drip_error_nomem(err, sizeof(*admin));
	}
	admin->ctx = ctx;
	admin->config = config;
	*ret_self = admin;
	return 0;
}

static void admin_close(void *self)
{
	free(self);
}

static int admin_start(void *self, struct drip_error *err)
{
	struct admin *admin = self;
	struct http_options http = {.config = (const struct http_config *)admin->config,
				    .body_max = BODY_BYTES_MAX,
				    .is_open = is_probe,
				    .handler = on_request,
				    .data = admin};

	return http_start(admin->ctx, &http, &admin->server, err);
}

static void admin_stop(void *self)
{
	struct admin *admin = self;

	http_stop(admin->server);
	admin->server = NULL;
}

static const struct drip_service_ops ops = {
	.struct_size = sizeof(ops),
	.check = admin_check,
	.open = admin_open,
	.close = admin_close,
	.start = admin_start,
	.stop = admin_stop,
};

static const struct drip_component admin_component = {
	.struct_size = sizeof(admin_component),
	.kind = DRIP_KIND_SERVICE,
	.name = "admin",
	.summary = "health, metrics and control over HTTP",
	.description =
		"Answers `/livez`, `/readyz`, `/startupz` for supervisors, which need no token, "
		"`/metrics` for Prometheus, "
		"and a small JSON API under `/api/v1`. Listens at loopback unless told otherwise.",
	.schema_notes = "None: it handles no rows.",
	.guarantees =
		"Requests are bounded in size, time and number, and never hold up a pipeline. "
		"The API gives no values of rows and no values of secret options.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_EXCLUSIVE,
	.config_size = sizeof(struct admin_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("admin", "0.1.0", "Health, metrics and control over HTTP.", &admin_component);
