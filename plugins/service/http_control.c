/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control methods of the host over HTTP. Arguments come from the URL only and are written as
 * JSON strings or numbers, so nothing of a request is ever parsed as more than a value.
 */
#include "http.h"

#include <dripline/text.h>
#include <dripline/units.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

unsigned http_status_of(int rc)
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

void http_answer_control(struct drip_ctx *ctx, const char *method, const char *arguments,
			 const char *type, struct http_answer *ret)
{
	struct drip_error err = DRIP_ERROR_INIT;
	char *text = NULL;
	int rc = ctx->host->control(ctx, method, arguments, &text, &err);

	if (rc < 0) {
		http_answer_error(ret, http_status_of(rc), err.code, err.message, err.hint);
		return;
	}
	ret->status = MHD_HTTP_OK;
	ret->type = type;
	ret->body = text;
}

/* ---- arguments ---- */

static void put_string_argument(struct drip_text *t, const char *name, const char *value)
{
	if (value != NULL) {
		drip_text_puts(t, t->size == 1 ? "\"" : ",\"");
		drip_text_puts(t, name);
		drip_text_puts(t, "\":");
		drip_text_json_string(t, value, strlen(value));
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

/* Ends the arguments, and frees them. */
static void call(struct drip_ctx *ctx, const char *method, struct drip_text *arguments,
		 struct http_answer *ret)
{
	drip_text_put(arguments, "}", 2);
	if (arguments->rc == 0) {
		http_answer_control(ctx, method, arguments->data, HTTP_JSON, ret);
	}
	drip_text_finish(arguments);
}

/* ---- routes ---- */

/* Routes that read, all arguments optional. */
static const struct {
	const char *url, *method;
	const char *strings[4], *numbers[3];
} reads[] = {
	{"/api/v1/status", "status", {"pipeline", NULL}, {NULL}},
	{"/api/v1/history", "history", {"pipeline", NULL}, {NULL}},
	{"/api/v1/progress", "progress", {NULL}, {NULL}},
	{"/api/v1/runs", "runs", {"pipeline", NULL}, {"limit", NULL}},
	{"/api/v1/quality", "quality", {"pipeline", NULL}, {"days", "limit"}},
	{"/api/v1/checkpoints", "checkpoint.show", {"pipeline", NULL}, {NULL}},
	{"/api/v1/lineage", "lineage", {"table", "column", "format", NULL}, {NULL}},
	{"/api/v1/dead-letters", "dlq.list", {"pipeline", "stage", "order", NULL}, {"limit", NULL}},
	{"/api/v1/dead-letter-counts", "dlq.count", {NULL}, {NULL}},
	{"/api/v1/datasets", "lineage.datasets", {NULL}, {NULL}},
	{"/api/v1/logs", "logs", {"pipeline", "level", NULL}, {"limit", NULL}},
	{"/api/v1/catalog", "catalog", {NULL}, {NULL}},
	{"/api/v1/models", "model.list", {NULL}, {NULL}},
	{"/api/v1/model", "model.show", {"name", NULL}, {NULL}},
};

static bool route_read(struct drip_ctx *ctx, const struct http_request *r, struct http_answer *ret)
{
	struct drip_text arguments = {0};

	for (size_t i = 0; i < DRIP_COUNT(reads); i++) {
		if (strcmp(reads[i].url, r->url) != 0) {
			continue;
		}
		drip_text_puts(&arguments, "{");
		for (const char *const *s = reads[i].strings; *s != NULL; s++) {
			put_string_argument(&arguments, *s, http_query(r, *s));
		}
		for (const char *const *n = reads[i].numbers; *n != NULL; n++) {
			put_number_argument(&arguments, *n, http_query(r, *n));
		}
		call(ctx, reads[i].method, &arguments, ret);
		return true;
	}
	return false;
}

/* POST /api/v1/reload, /api/v1/pipelines/NAME/pause, .../resume and .../trigger. */
static bool route_write(struct drip_ctx *ctx, const struct http_request *r, struct http_answer *ret)
{
	static const char prefix[] = "/api/v1/pipelines/";
	struct drip_text arguments = {0};
	char name[256];
	const char *verb, *rest;

	if (strcmp(r->url, "/api/v1/reload") == 0) {
		drip_text_puts(&arguments, "{");
		call(ctx, "reload", &arguments, ret);
		return true;
	}
	if (strncmp(r->url, prefix, sizeof(prefix) - 1) != 0) {
		return false;
	}
	rest = r->url + sizeof(prefix) - 1;
	verb = strchr(rest, '/');
	if (verb == NULL || verb == rest || (size_t)(verb - rest) >= sizeof(name) ||
	    (strcmp(verb, "/pause") != 0 && strcmp(verb, "/resume") != 0 &&
	     strcmp(verb, "/trigger") != 0)) {
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(verb - rest), rest);
	drip_text_puts(&arguments, "{");
	put_string_argument(&arguments, "pipeline", name);
	call(ctx, verb + 1, &arguments, ret);
	return true;
}

bool http_control_route(struct drip_ctx *ctx, const struct http_request *r, struct http_answer *ret)
{
	return r->post ? route_write(ctx, r, ret) : route_read(ctx, r, ret);
}
