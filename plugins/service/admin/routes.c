/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The routes: each maps to one control method of the host. Arguments come from the URL only and are
 * written as JSON strings or numbers, so nothing of a request is ever parsed as more than a value.
 */
#include "admin.h"

#include <dripline/text.h>
#include <dripline/units.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_JSON "application/json"
#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_PROM "text/plain; version=0.0.4; charset=utf-8"

/* ---- answers ---- */

static void take_text(struct admin_answer *a, struct drip_text *t)
{
	drip_text_put(t, "", 1);
	if (t->rc != 0) {
		drip_text_finish(t);
		a->body = NULL;
		return;
	}
	a->body = t->data;
}

static void put_member(struct drip_text *t, const char *key, const char *value, bool first)
{
	drip_text_puts(t, first ? "\"" : ",\"");
	drip_text_puts(t, key);
	drip_text_puts(t, "\":");
	drip_text_json_string(t, value, strlen(value));
}

void admin_answer_error(struct admin_answer *a, unsigned status, const char *code,
			const char *message, const char *hint)
{
	struct drip_text t = {0};

	drip_text_puts(&t, "{\"error\":{");
	put_member(&t, "code", code, true);
	put_member(&t, "message", message, false);
	if (hint[0] != '\0') {
		put_member(&t, "hint", hint, false);
	}
	drip_text_puts(&t, "}}\n");
	a->status = status;
	a->type = TYPE_JSON;
	take_text(a, &t);
}

static unsigned status_of(int rc)
{
	switch (rc) {
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EINVAL:
	case -E2BIG:
		return MHD_HTTP_BAD_REQUEST;
	case -EBUSY:
	case -EALREADY:
		return MHD_HTTP_CONFLICT;
	case -EOPNOTSUPP:
		return MHD_HTTP_NOT_IMPLEMENTED;
	case -ETIMEDOUT:
		return MHD_HTTP_GATEWAY_TIMEOUT;
	case -ESHUTDOWN:
	case -ECANCELED:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

/* ---- arguments ---- */

static void put_string_argument(struct drip_text *t, const char *name, const char *value)
{
	if (value != NULL) {
		put_member(t, name, value, t->size == 1);
	}
}

/* An argument that must be a whole number; anything else is left out, and the default holds. */
static void put_number_argument(struct drip_text *t, const char *name, const char *value)
{
	char text[32];
	int64_t number;

	if (value != NULL && drip_parse_int(value, &number) == 0) {
		snprintf(text, sizeof(text), "%s\"%s\":%lld", t->size == 1 ? "" : ",", name,
			 (long long)number);
		drip_text_puts(t, text);
	}
}

static void call(const struct admin_request *r, const char *method, struct drip_text *arguments,
		 const char *type, struct admin_answer *ret)
{
	struct drip_ctx *ctx = r->admin->ctx;
	struct drip_error err = DRIP_ERROR_INIT;
	char *text = NULL;
	int rc;

	drip_text_puts(arguments, "}");
	drip_text_put(arguments, "", 1);
	rc = arguments->rc != 0 ? drip_error_nomem(&err, arguments->size)
				: ctx->host->control(ctx, method, arguments->data, &text, &err);
	if (rc < 0) {
		admin_answer_error(ret, status_of(rc), err.code, err.message, err.hint);
		return;
	}
	ret->status = MHD_HTTP_OK;
	ret->type = type;
	ret->body = text;
}

/* ---- routes ---- */

static void answer_text(struct admin_answer *a, unsigned status, const char *text)
{
	a->status = status;
	a->type = TYPE_TEXT;
	a->body = strdup(text);
}

static void route_ready(const struct admin_request *r, struct admin_answer *ret)
{
	struct drip_text arguments = {0};

	drip_text_puts(&arguments, "{");
	call(r, "ready", &arguments, TYPE_JSON, ret);
	drip_text_finish(&arguments);
	if (ret->status == MHD_HTTP_OK && ret->body != NULL) {
		if (strstr(ret->body, "\"ready\":true") != NULL) {
			atomic_store(&r->admin->was_ready, true);
		} else {
			ret->status = MHD_HTTP_SERVICE_UNAVAILABLE;
		}
	}
}

static void route_started(const struct admin_request *r, struct admin_answer *ret)
{
	struct admin_answer ready = {0};

	if (!atomic_load(&r->admin->was_ready)) {
		route_ready(r, &ready);
		free(ready.body);
	}
	if (atomic_load(&r->admin->was_ready)) {
		answer_text(ret, MHD_HTTP_OK, "started\n");
	} else {
		answer_text(ret, MHD_HTTP_SERVICE_UNAVAILABLE, "starting\n");
	}
}

/* Routes that read, all arguments optional. */
static const struct {
	const char *url, *method, *type;
	const char *strings[4], *numbers[2];
} reads[] = {
	{"/metrics", "metrics", TYPE_PROM, {NULL}, {NULL}},
	{"/api/v1/status", "status", TYPE_JSON, {"pipeline", NULL}, {NULL}},
	{"/api/v1/progress", "progress", TYPE_JSON, {NULL}, {NULL}},
	{"/api/v1/runs", "runs", TYPE_JSON, {"pipeline", NULL}, {"limit", NULL}},
	{"/api/v1/checkpoints", "checkpoint.show", TYPE_JSON, {"pipeline", NULL}, {NULL}},
	{"/api/v1/lineage", "lineage", TYPE_JSON, {"table", "column", "format", NULL}, {NULL}},
	{"/api/v1/dead-letters",
	 "dlq.list",
	 TYPE_JSON,
	 {"pipeline", "stage", NULL},
	 {"limit", NULL}},
};

static bool route_read(const struct admin_request *r, struct admin_answer *ret)
{
	struct drip_text arguments = {0};

	for (size_t i = 0; i < DRIP_COUNT(reads); i++) {
		if (strcmp(reads[i].url, r->url) != 0) {
			continue;
		}
		drip_text_puts(&arguments, "{");
		for (const char *const *s = reads[i].strings; *s != NULL; s++) {
			put_string_argument(&arguments, *s, r->query(r, *s));
		}
		for (const char *const *n = reads[i].numbers; *n != NULL; n++) {
			put_number_argument(&arguments, *n, r->query(r, *n));
		}
		call(r, reads[i].method, &arguments, reads[i].type, ret);
		drip_text_finish(&arguments);
		return true;
	}
	return false;
}

/* POST /api/v1/reload, /api/v1/pipelines/NAME/pause and .../resume. */
static bool route_write(const struct admin_request *r, struct admin_answer *ret)
{
	static const char prefix[] = "/api/v1/pipelines/";
	struct drip_text arguments = {0};
	char name[256];
	const char *verb, *rest;

	if (strcmp(r->url, "/api/v1/reload") == 0) {
		drip_text_puts(&arguments, "{");
		call(r, "reload", &arguments, TYPE_JSON, ret);
		drip_text_finish(&arguments);
		return true;
	}
	if (strncmp(r->url, prefix, sizeof(prefix) - 1) != 0) {
		return false;
	}
	rest = r->url + sizeof(prefix) - 1;
	verb = strchr(rest, '/');
	if (verb == NULL || verb == rest || (size_t)(verb - rest) >= sizeof(name) ||
	    (strcmp(verb, "/pause") != 0 && strcmp(verb, "/resume") != 0)) {
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(verb - rest), rest);
	drip_text_puts(&arguments, "{");
	put_string_argument(&arguments, "pipeline", name);
	call(r, verb + 1, &arguments, TYPE_JSON, ret);
	drip_text_finish(&arguments);
	return true;
}

void admin_route(const struct admin_request *r, struct admin_answer *ret)
{
	bool post = strcmp(r->method, MHD_HTTP_METHOD_POST) == 0;

	if (!post && strcmp(r->method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(r->method, MHD_HTTP_METHOD_HEAD) != 0) {
		admin_answer_error(ret, MHD_HTTP_METHOD_NOT_ALLOWED, "admin.bad_method",
				   "the method is not allowed", "Use GET or POST.");
	} else if (!post && strcmp(r->url, "/livez") == 0) {
		answer_text(ret, MHD_HTTP_OK, "live\n");
	} else if (!post && strcmp(r->url, "/readyz") == 0) {
		route_ready(r, ret);
	} else if (!post && strcmp(r->url, "/startupz") == 0) {
		route_started(r, ret);
	} else if (!(post ? route_write(r, ret) : route_read(r, ret))) {
		admin_answer_error(ret, MHD_HTTP_NOT_FOUND, "admin.no_such_page",
				   "there is no such page", "See the plugin's README.");
	}
}
