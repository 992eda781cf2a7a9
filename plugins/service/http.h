/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server of the services: one libmicrohttpd, with what all of them need: an address that
 * is loopback unless a token or TLS guards it, bounded requests, a bearer token, errors as JSON,
 * and streams of server-sent events. Threads: libmicrohttpd's own pool calls the handler; start,
 * stop and broadcast are the service's. Invariants: without a token only loopback is listened to,
 * and only requests whose Host is a loopback name are answered (so a web page cannot reach it by
 * rebinding its name); POST needs a JSON content type, which no form of a foreign page can send.
 */
#ifndef DRIPLINE_PLUGIN_HTTP_H
#define DRIPLINE_PLUGIN_HTTP_H

#include <dripline/dripline.h>

#define HTTP_URL_MAX     1024
#define HTTP_STREAMS_MAX 32

/* The members of a service's config that are the server's; they come first, in this order. */
#define HTTP_CONFIG                                                                                \
	const char *listen;                                                                        \
	bool allow_remote;                                                                         \
	struct drip_secret token;                                                                  \
	int64_t max_connections;                                                                   \
	struct drip_duration timeout

struct http_config {
	HTTP_CONFIG;
};

/* Their options; `address` is the default of `listen`. */
#define HTTP_OPTIONS(type, address)                                                                \
	DRIP_OPTION(type, listen,                                                                  \
		    .help = "Address and port to listen at, as \"127.0.0.1:8080\" or "             \
			    "\"[::1]:8080\"; port 0 takes a free one.",                            \
		    .default_text = address, .example = "127.0.0.1:9090"),                         \
		DRIP_OPTION(type, allow_remote,                                                    \
			    .help = "Allows an address that other machines reach; needs a token. " \
				    "There is no TLS: put a proxy in front.",                      \
			    .default_text = "false"),                                              \
		DRIP_OPTION(type, token,                                                           \
			    .help = "Bearer token that requests must carry; 16 bytes at least.",   \
			    .example = "${file:/run/credentials/http-token}"),                     \
		DRIP_OPTION(type, max_connections, .help = "Connections at once at most.",         \
			    .default_text = "64", .unit = "connections", .min = 1, .max = 1000,    \
			    .flags = DRIP_OPTION_ADVANCED),                                        \
		DRIP_OPTION(type, timeout,                                                         \
			    .help = "Time after which an idle connection is closed.",              \
			    .default_text = "15s", .min = 1000, .max = 3600000,                    \
			    .flags = DRIP_OPTION_ADVANCED)

struct http_server;

struct http_request {
	struct http_server *server;
	const char *method, *url;
	const char *body; /* terminated; "" where there is none */
	size_t body_size;
	bool head, post; /* HEAD is answered as GET */
	void *connection;
};

/* Zeroed, but for what the handler sets. */
struct http_answer {
	unsigned status;
	const char *type;  /* static; NULL: text/plain */
	char *body;        /* malloc'd and terminated, freed by the server */
	const void *fixed; /* instead of body: static bytes */
	size_t fixed_size;
	const char *encoding; /* static; of `fixed`: "gzip" */
	const char *etag;   /* static; makes the answer cacheable, and 304 where it is asked for */
	const char *policy; /* static; Content-Security-Policy */
	unsigned retry_after; /* seconds; 0: not said */
	bool closes;          /* the connection: what follows cannot be read as a request */
	bool stream;          /* 200 with server-sent events until the server stops */
};

/* Answers what is authorized. Thread: any. */
typedef void http_handler(const struct http_request *r, struct http_answer *ret, void *data);

struct http_tls {
	const char *certificate, *key; /* PEM texts; NULL: no TLS */
};

struct http_options {
	const struct http_config *config;
	size_t body_max; /* bytes; larger requests are refused with 413 */
	/* optional. In place of the token: who may ask what. False: `ret` says why not. Then other
	 * machines may ask where there is TLS. */
	bool (*authorize)(const struct http_request *r, struct http_answer *ret, void *data);
	struct http_tls tls; /* of version 1.2 at least */
	/* optional. True for what may take long: answered by threads of its own, `slow_threads` of
	 * them; where `slow_waiting_max` wait, with 503. */
	bool (*is_slow)(const struct http_request *r, void *data);
	unsigned slow_threads, slow_waiting_max;
	/* A request must have come whole this long after its connection or the last answer, and
	 * its answer be taken in four times that; 0: no limit but `timeout`. */
	int64_t request_ms;
	bool strict;   /* no HEAD */
	bool problems; /* errors as application/problem+json (RFC 9457) */
	/* optional. True for a URL that needs no token. */
	bool (*is_open)(const char *url);
	http_handler *handler;
	void *data;
};

/* Reports what is wrong with the config. */
void http_check(const struct http_config *config, struct drip_report *report);
/* The same for a service with `authorize`. */
void http_check_guarded(const struct http_config *config, const struct http_tls *tls,
			struct drip_report *report);
int http_start(struct drip_ctx *ctx, const struct http_options *options, struct http_server **ret,
	       struct drip_error *err) DRIP_MUST_CHECK;
/* Ends the streams, waits for requests under way. NULL is accepted. */
void http_stop(struct http_server *server);
/* Sends an event to all streams; one that has not taken the last event yet misses this one. `data`
 * is one line. Returns how many streams there are. Thread: one. */
int http_broadcast(struct http_server *server, const char *event, const char *data);
int http_streams(struct http_server *server);

/* (borrowed) A query argument or a header; NULL where absent. */
const char *http_query(const struct http_request *r, const char *name);
const char *http_header(const struct http_request *r, const char *name);

/* Ends connections whose time for a request is over; to be called some times a second where
 * `request_ms` is set. Thread: one. */
void http_close_slow(struct http_server *server);

/* {"status":...,"detail":...,"code":...}, see RFC 9457; with "place" where `err` has one. */
void http_answer_problem_of(struct http_answer *a, unsigned status, const struct drip_error *err);
/* The same without a place. */
void http_answer_problem(struct http_answer *a, unsigned status, const char *code,
			 const char *message, const char *hint);
/* {"error":{"code":...,"message":...,"hint":...}} */
void http_answer_error(struct http_answer *a, unsigned status, const char *code,
		       const char *message, const char *hint);
/* The status that fits an errno of the control methods. */
unsigned http_status_of(int rc);
/* Runs a control method with JSON arguments and answers with what it gives, or its error. */
void http_answer_control(struct drip_ctx *ctx, const char *method, const char *arguments,
			 const char *type, struct http_answer *ret);
/*
 * The control methods as JSON over HTTP, for every service that shows them: GET /api/v1/... reads;
 * POST /api/v1/reload, /api/v1/pipelines/NAME/pause, .../resume and .../trigger change. False: no
 * such route.
 */
bool http_control_route(struct drip_ctx *ctx, const struct http_request *r,
			struct http_answer *ret);

#define HTTP_JSON    "application/json"
#define HTTP_PROBLEM "application/problem+json"

#endif
