/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service console: the page on which people watch and pause pipelines. It serves embedded files
 * and, as JSON, what the control methods of the host know; it has no state of its own. Threads: the
 * server's pool calls on_request; one thread sends the status to the open pages each second; open,
 * start, stop and close are the host's. Invariant: no file needs a token, everything else does.
 */
#include "console.h"

#include "assets.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BODY_BYTES_MAX      (256 * 1024) /* a query is the longest */
#define QUERIES_AT_ONCE     2
#define QUERIES_WAITING_MAX 8
#define STATUS_EVERY_S      1
#define TYPE_PROMETHEUS     "text/plain; version=0.0.4; charset=utf-8"

/* Nothing from elsewhere, nothing inline, no text as markup, in no frame. */
#define POLICY                                                                                     \
	"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "        \
	"object-src 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

struct console_config {
	HTTP_CONFIG;
	const char *api;
};

struct console {
	struct drip_ctx *ctx;
	const struct console_config *config;
	struct http_server *server;
	pthread_t sender;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stopping; /* lock */
};

static const struct drip_option options[] = {
	HTTP_OPTIONS(struct console_config, "127.0.0.1:8081"),
	DRIP_OPTION(struct console_config, api,
		    .help = "Address of a service api, which the page's queries are sent to with "
			    "the reader's own key. Without it the page has no queries.",
		    .example = "http://127.0.0.1:8090"),
};

/* ---- requests ---- */

static const struct asset *find_asset(const char *url)
{
	for (size_t i = 0; i < assets_count; i++) {
		if (strcmp(assets[i].url, url) == 0) {
			return &assets[i];
		}
	}
	return NULL;
}

static bool is_open(const char *url)
{
	return find_asset(url) != NULL;
}

static void answer_asset(const struct http_request *r, const struct asset *file,
			 struct http_answer *ret)
{
	const char *accepted = http_header(r, MHD_HTTP_HEADER_ACCEPT_ENCODING);

	if (accepted == NULL || strstr(accepted, "gzip") == NULL) {
		http_answer_error(ret, MHD_HTTP_NOT_ACCEPTABLE, "console.no_gzip",
				  "the files of the page are sent gzip'ed only",
				  "Send \"Accept-Encoding: gzip\".");
		return;
	}
	ret->status = MHD_HTTP_OK;
	ret->type = file->type;
	ret->fixed = file->data;
	ret->fixed_size = file->size;
	ret->encoding = "gzip";
	ret->etag = file->etag;
	ret->policy = POLICY;
}

static bool is_query(const struct http_request *r)
{
	return r->post && strcmp(r->url, "/api/v1/query") == 0;
}

static bool is_slow(const struct http_request *r, void *data)
{
	return is_query(r);
}

static void on_request(const struct http_request *r, struct http_answer *ret, void *data)
{
	struct console *console = data;
	const struct asset *file = r->post ? NULL : find_asset(r->url);

	if (file != NULL) {
		answer_asset(r, file, ret);
	} else if (!r->post && strcmp(r->url, "/api/v1/events") == 0) {
		ret->stream = true;
	} else if (!r->post && strcmp(r->url, "/api/v1/metrics") == 0) {
		http_answer_control(console->ctx, "metrics", "{}", TYPE_PROMETHEUS, ret);
	} else if (is_query(r)) {
		console_query(console->config->api, r, ret);
	} else if (!http_control_route(console->ctx, r, ret)) {
		http_answer_error(ret, MHD_HTTP_NOT_FOUND, "http.no_such_page",
				  "there is no such page", "See the plugin's README.");
	}
}

/* ---- the status, each second ---- */

static void send_status(struct console *console)
{
	struct drip_error err = DRIP_ERROR_INIT;
	char *text = NULL;

	if (http_streams(console->server) != 0 &&
	    console->ctx->host->control(console->ctx, "status", "{}", &text, &err) == 0) {
		http_broadcast(console->server, "status", text);
		free(text);
	}
}

static void *run_sender(void *data)
{
	struct console *console = data;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	pthread_mutex_lock(&console->lock);
	while (!console->stopping) {
		next.tv_sec += STATUS_EVERY_S;
		while (!console->stopping &&
		       pthread_cond_timedwait(&console->wake, &console->lock, &next) != ETIMEDOUT) {
		}
		if (!console->stopping) {
			pthread_mutex_unlock(&console->lock);
			send_status(console);
			pthread_mutex_lock(&console->lock);
		}
	}
	pthread_mutex_unlock(&console->lock);
	return NULL;
}

/* ---- life ---- */

static int console_check(struct drip_ctx *ctx, const void *config, bool connect,
			 struct drip_report *report, struct drip_error *err)
{
	const struct console_config *console = config;
	struct drip_error finding = DRIP_ERROR_INIT;

	http_check(config, report);
	if (console->api != NULL && strncmp(console->api, "http://", 7) != 0 &&
	    strncmp(console->api, "https://", 8) != 0) {
		drip_error_set(&finding, -EINVAL, "console.bad_api",
			       "the address of the API is no URL");
		drip_error_hint(&finding, "Write it as http://127.0.0.1:8090.");
		drip_error_option(&finding, "api");
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

static int console_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			struct drip_error *err)
{
	struct console *console = calloc(1, sizeof(*console));
	pthread_condattr_t monotonic;

	if (console == NULL || console_query_init() < 0) {
		free(console);
		return drip_error_nomem(err, sizeof(*console));
	}
	console->ctx = ctx;
	console->config = config;
	pthread_mutex_init(&console->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&console->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret_self = console;
	return 0;
}

static void console_close(void *self)
{
	struct console *console = self;

	pthread_cond_destroy(&console->wake);
	pthread_mutex_destroy(&console->lock);
	free(console);
}

static int console_start(void *self, struct drip_error *err)
{
	struct console *console = self;
	struct http_options http = {.config = (const struct http_config *)console->config,
				    .body_max = BODY_BYTES_MAX,
				    .is_open = is_open,
				    .is_slow = is_slow,
				    .slow_threads = QUERIES_AT_ONCE,
				    .slow_waiting_max = QUERIES_WAITING_MAX,
				    .handler = on_request,
				    .data = console};
	int rc = http_start(console->ctx, &http, &console->server, err);

	if (rc < 0) {
		return rc;
	}
	console->stopping = false;
	rc = -pthread_create(&console->sender, NULL, run_sender, console);
	if (rc < 0) {
		http_stop(console->server);
		console->server = NULL;
		return drip_error_set_retryable(err, rc, "console.no_thread",
						"could not start a thread: %s", strerror(-rc));
	}
	return 0;
}

static void console_stop(void *self)
{
	struct console *console = self;

	if (console->server == NULL) {
		return;
	}
	pthread_mutex_lock(&console->lock);
	console->stopping = true;
	pthread_cond_signal(&console->wake);
	pthread_mutex_unlock(&console->lock);
	pthread_join(console->sender, NULL);
	http_stop(console->server);
	console->server = NULL;
}

static const struct drip_service_ops ops = {
	.struct_size = sizeof(ops),
	.check = console_check,
	.open = console_open,
	.close = console_close,
	.start = console_start,
	.stop = console_stop,
};

static const struct drip_component console_component = {
	.struct_size = sizeof(console_component),
	.kind = DRIP_KIND_SERVICE,
	.name = "console",
	.summary = "a web page to watch and pause pipelines",
	.description =
		"Serves a page with the state of all pipelines as it changes: rates, lag and "
		"freshness, the graph of each pipeline, lineage, runs and logs, quality, the "
		"catalog and models. All of it comes with the program: nothing is loaded from "
		"elsewhere. Listens at loopback unless told otherwise.",
	.schema_notes = "None: it handles no rows.",
	.guarantees = "Requests and open pages are bounded in size, time and number, and never "
		      "hold up a pipeline. The page shows no values of rows and no values of "
		      "secret options.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_EXCLUSIVE,
	.config_size = sizeof(struct console_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("console", "0.1.0", "A web page to watch and pause pipelines.", &console_component);
