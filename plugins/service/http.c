/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server of the services: addresses, requests, tokens, answers. See http.h. */
#include "http.h"

#include "http_head.h"
#include "http_slow.h"
#include "http_stream.h"

#include <arpa/inet.h>
#include <dripline/text.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THREADS         4
#define REQUEST_BYTES   (16 * 1024) /* memory of one connection: request line and headers */
#define PER_ADDRESS_MAX 32
#define TOKEN_BYTES_MIN 16

struct http_server {
	struct drip_ctx *ctx;
	struct http_options options;
	struct MHD_Daemon *daemon;
	struct http_streams *streams;
	struct http_slow *slow;   /* NULL: nothing is slow */
	struct http_lines *lines; /* NULL: no limit of time */
	bool loopback;            /* `listen` is */
};

/* Of one request; made when its headers have come. */
struct body {
	struct http_job job; /* first: of a slow one */
	char *data;
	size_t size, dropped; /* dropped: what came beyond the limit */
	bool too_large, no_memory;
	const char *fault; /* of its head, static; NULL: none */
	struct http_request request;
	struct http_answer answer;
};

/* ---- the address ---- */

struct address {
	struct sockaddr_storage storage;
	bool loopback;
};

/* "127.0.0.1:8080" or "[::1]:8080": numbers only, so that nothing is looked up. */
static int parse_address(const char *text, struct address *ret)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				 .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	const char *colon = strrchr(text, ':');
	char host[64];
	size_t size;

	if (colon == NULL || colon == text || colon[1] == '\0') {
		return -EINVAL;
	}
	size = (size_t)(colon - text);
	if (text[0] == '[' && text[size - 1] == ']') {
		text++;
		size -= 2;
	}
	if (size >= sizeof(host)) {
		return -EINVAL;
	}
	snprintf(host, sizeof(host), "%.*s", (int)size, text);
	if (strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > UINT16_MAX ||
	    getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		return -EINVAL;
	}
	memset(ret, 0, sizeof(*ret));
	memcpy(&ret->storage, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	if (ret->storage.ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)&ret->storage;

		ret->loopback = (ntohl(in->sin_addr.s_addr) >> 24) == 127;
	} else {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&ret->storage;

		ret->loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	}
	return 0;
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state);

#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static void tls_options(const struct http_tls *tls, struct MHD_OptionItem ret[4])
{
	struct MHD_OptionItem items[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)tls->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)tls->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};

	memcpy(ret, items, sizeof(items));
}

/* A server that listens nowhere tells whether the certificate and the key are such, and of each
 * other. */
static bool is_certificate(const struct http_tls *tls)
{
	struct MHD_OptionItem items[4];
	struct MHD_Daemon *daemon;

	tls_options(tls, items);
	daemon = MHD_start_daemon(MHD_USE_TLS | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_request,
				  NULL, MHD_OPTION_ARRAY, items, MHD_OPTION_END);
	if (daemon != NULL) {
		MHD_stop_daemon(daemon);
	}
	return daemon != NULL;
}

static int check_tls(const struct http_tls *tls, struct drip_error *err)
{
	int rc;

	if (tls->certificate == NULL && tls->key == NULL) {
		return 0;
	}
	if (tls->certificate != NULL && tls->key != NULL) {
		if (is_certificate(tls)) {
			return 0;
		}
		rc = drip_error_set(err, -EINVAL, "http.bad_certificate",
				    "cannot use the certificate with its key: one of them is no "
				    "PEM, or they do not belong together");
		drip_error_option(err, "tls_certificate");
		return rc;
	}
	rc = drip_error_set(err, -EINVAL, "http.half_tls",
			    "TLS needs both a certificate and its key");
	drip_error_option(err, tls->certificate == NULL ? "tls_certificate" : "tls_key");
	return rc;
}

/* `tls` is that of a service with `authorize`, otherwise NULL. */
static int check_config(const struct http_config *config, const struct http_tls *tls,
			struct address *ret_address, struct drip_error *err)
{
	size_t token_size = config->token.value != NULL ? strlen(config->token.value) : 0;
	int rc;

	if (parse_address(config->listen, ret_address) < 0) {
		rc = drip_error_set(err, -EINVAL, "http.bad_address",
				    "cannot read the address \"%s\"", config->listen);
		drip_error_hint(err, "Write a numeric address and a port, as 127.0.0.1:8080.");
		drip_error_option(err, "listen");
		return rc;
	}
	if (token_size != 0 && token_size < TOKEN_BYTES_MIN) {
		rc = drip_error_set(err, -EINVAL, "http.weak_token",
				    "the token is shorter than %d bytes", TOKEN_BYTES_MIN);
		drip_error_hint(err, "Make one with `openssl rand -hex 32`.");
		drip_error_option(err, "token");
		return rc;
	}
	if (tls != NULL && check_tls(tls, err) < 0) {
		return err != NULL ? err->rc : -EINVAL;
	}
	if (!ret_address->loopback &&
	    (!config->allow_remote || (tls != NULL ? tls->key == NULL : token_size == 0))) {
		rc = drip_error_set(err, -EINVAL, "http.remote_refused",
				    "cannot listen at \"%s\": other machines reach it",
				    config->listen);
		drip_error_hint(err, "Listen at 127.0.0.1, or set allow_remote: true and %s.",
				tls != NULL ? "a certificate with its key" : "a token");
		drip_error_option(err, "listen");
		return rc;
	}
	return 0;
}

static void check(const struct http_config *config, const struct http_tls *tls,
		  struct drip_report *report)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	struct address address;

	if (check_config(config, tls, &address, &finding) < 0) {
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
}

void http_check(const struct http_config *config, struct drip_report *report)
{
	check(config, NULL, report);
}

void http_check_guarded(const struct http_config *config, const struct http_tls *tls,
			struct drip_report *report)
{
	check(config, tls, report);
}

/* ---- who asks ---- */

const char *http_query(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

const char *http_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

static const char *header_or_empty(const struct http_request *r, const char *name)
{
	const char *value = http_header(r, name);

	return value != NULL ? value : "";
}

/* Takes a time that does not depend on where the texts differ. */
static bool equal_secret(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	unsigned char differ = na != nb;

	for (size_t i = 0; i < na; i++) {
		differ |= (unsigned char)(a[i] ^ b[nb != 0 ? i % nb : 0]);
	}
	return differ == 0;
}

static bool is_loopback_name(const char *host)
{
	static const char *const names[] = {"localhost", "[::1]"};
	char number[INET_ADDRSTRLEN];
	struct in_addr address;

	for (size_t i = 0; i < DRIP_COUNT(names); i++) {
		size_t size = strlen(names[i]);

		if (strncasecmp(host, names[i], size) == 0 &&
		    (host[size] == '\0' || host[size] == ':')) {
			return true;
		}
	}
	/* All of it must be a number: 127.example.com is a name that anyone may point here. */
	snprintf(number, sizeof(number), "%.*s", (int)strcspn(host, ":"), host);
	return strcspn(host, ":") < sizeof(number) && inet_pton(AF_INET, number, &address) == 1 &&
	       (ntohl(address.s_addr) >> 24) == 127;
}

/* ---- answers ---- */

static void put_member(struct drip_text *t, const char *key, const char *value)
{
	drip_text_puts(t, key);
	drip_text_json_string(t, value, strlen(value));
}

void http_answer_error(struct http_answer *a, unsigned status, const char *code,
		       const char *message, const char *hint)
{
	struct drip_text t = {0};

	put_member(&t, "{\"error\":{\"code\":", code);
	put_member(&t, ",\"message\":", message);
	if (hint[0] != '\0') {
		put_member(&t, ",\"hint\":", hint);
	}
	drip_text_put(&t, "}}\n", 4);
	a->status = status;
	a->type = HTTP_JSON;
	a->body = t.data;
	if (t.rc != 0) {
		drip_text_finish(&t);
		a->body = NULL;
	}
}

static void answer_problem(struct http_answer *a, unsigned status, const char *code,
			   const char *message, const char *hint, const char *place)
{
	struct drip_text t = {0};
	char number[64];

	snprintf(number, sizeof(number), "{\"type\":\"about:blank\",\"status\":%u", status);
	drip_text_puts(&t, number);
	put_member(&t, ",\"title\":", MHD_get_reason_phrase_for(status));
	put_member(&t, ",\"detail\":", message);
	put_member(&t, ",\"code\":", code);
	if (hint[0] != '\0') {
		put_member(&t, ",\"hint\":", hint);
	}
	if (place[0] != '\0') {
		put_member(&t, ",\"place\":", place);
	}
	drip_text_put(&t, "}\n", 3);
	free(a->body);
	a->status = status;
	a->type = HTTP_PROBLEM;
	a->body = t.data;
	if (t.rc != 0) {
		drip_text_finish(&t);
		a->body = NULL;
	}
}

void http_answer_problem(struct http_answer *a, unsigned status, const char *code,
			 const char *message, const char *hint)
{
	answer_problem(a, status, code, message, hint, "");
}

void http_answer_problem_of(struct http_answer *a, unsigned status, const struct drip_error *err)
{
	answer_problem(a, status, err->code, err->message, err->hint, err->place);
}

/* An error of the server itself, in the form of its service. */
static void refuse(const struct http_request *r, struct http_answer *a, unsigned status,
		   const char *code, const char *message, const char *hint)
{
	if (r->server->options.problems) {
		http_answer_problem(a, status, code, message, hint);
	} else {
		http_answer_error(a, status, code, message, hint);
	}
}

/* False: `ret` says why. */
static bool authorize(const struct http_request *r, struct http_answer *ret)
{
	static const char bearer[] = "Bearer ";
	const struct http_options *o = &r->server->options;
	const char *given = header_or_empty(r, MHD_HTTP_HEADER_AUTHORIZATION);
	const char *token = o->config->token.value;

	if (o->authorize != NULL) {
		if (!o->authorize(r, ret, o->data)) {
			return false;
		}
	} else if (token != NULL && token[0] != '\0') {
		if ((o->is_open == NULL || !o->is_open(r->url)) &&
		    (strncasecmp(given, bearer, sizeof(bearer) - 1) != 0 ||
		     !equal_secret(given + sizeof(bearer) - 1, token))) {
			refuse(r, ret, MHD_HTTP_UNAUTHORIZED, "http.unauthorized",
			       "the token is missing or wrong",
			       "Send \"Authorization: Bearer TOKEN\".");
			return false;
		}
	} else if (r->server->loopback &&
		   !is_loopback_name(header_or_empty(r, MHD_HTTP_HEADER_HOST))) {
		refuse(r, ret, MHD_HTTP_FORBIDDEN, "http.bad_host",
		       "the Host of the request is not of this machine",
		       "Ask for 127.0.0.1 or localhost, or set a token.");
		return false;
	}
	if (r->post && !http_head_is_json(header_or_empty(r, MHD_HTTP_HEADER_CONTENT_TYPE))) {
		refuse(r, ret, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "http.bad_content_type",
		       "a POST needs the content type application/json",
		       "Send \"Content-Type: application/json\".");
		return false;
	}
	return true;
}

static struct MHD_Response *make_response(const struct http_request *r, struct http_answer *a)
{
	static char nothing[] = "out of memory\n";
	struct MHD_Response *response;

	if (a->stream) {
		a->status = MHD_HTTP_OK;
		a->type = "text/event-stream";
		response = http_stream_response(r->server->streams, r->connection);
		if (response != NULL) {
			return response;
		}
		http_answer_error(a, MHD_HTTP_SERVICE_UNAVAILABLE, "http.too_many_streams",
				  "too many pages are open, or the service stops",
				  "Close one, or try again.");
	}
	if (a->fixed != NULL) {
		return MHD_create_response_from_buffer(a->fixed_size, (void *)(uintptr_t)a->fixed,
						       MHD_RESPMEM_PERSISTENT);
	}
	if (a->body == NULL) {
		a->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		a->type = NULL;
		return MHD_create_response_from_buffer(strlen(nothing), nothing,
						       MHD_RESPMEM_PERSISTENT);
	}
	response = MHD_create_response_from_buffer(strlen(a->body), a->body, MHD_RESPMEM_MUST_FREE);
	if (response != NULL) {
		a->body = NULL;
	}
	return response;
}

static void add_headers(struct MHD_Response *response, const struct http_answer *a)
{
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				a->type != NULL ? a->type : "text/plain");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
				a->etag != NULL ? "no-cache" : "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Cross-Origin-Resource-Policy", "same-origin");
	if (a->etag != NULL) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, a->etag);
	}
	if (a->encoding != NULL) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING, a->encoding);
	}
	if (a->policy != NULL) {
		MHD_add_response_header(response, "Content-Security-Policy", a->policy);
		MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
		MHD_add_response_header(response, "X-Frame-Options", "DENY");
		MHD_add_response_header(response, "Cross-Origin-Opener-Policy", "same-origin");
	}
	if (a->retry_after != 0) {
		char seconds[16];

		snprintf(seconds, sizeof(seconds), "%u", a->retry_after);
		MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	if (a->closes) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	}
	if (a->status == MHD_HTTP_UNAUTHORIZED) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	}
}

static enum MHD_Result send_answer(const struct http_request *r, struct http_answer *a)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	if (a->etag != NULL &&
	    strcmp(header_or_empty(r, MHD_HTTP_HEADER_IF_NONE_MATCH), a->etag) == 0) {
		a->status = MHD_HTTP_NOT_MODIFIED;
		a->fixed = "";
		a->fixed_size = 0;
		a->encoding = NULL;
	}
	response = make_response(r, a);
	if (response == NULL) {
		return MHD_NO;
	}
	add_headers(response, a);
	result = MHD_queue_response(r->connection, a->status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- requests ---- */

static void add_to_body(struct body *b, const char *data, size_t size, size_t max)
{
	char *grown;

	if (b->too_large || b->no_memory || size > max - b->size) {
		b->too_large |= !b->no_memory;
		b->dropped += size;
		return;
	}
	grown = realloc(b->data, b->size + size + 1);
	if (grown == NULL) {
		b->no_memory = true;
		return;
	}
	b->data = grown;
	memcpy(b->data + b->size, data, size);
	b->size += size;
	b->data[b->size] = '\0';
}

static bool is_announced_too_large(const struct http_request *r)
{
	const char *length = http_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return length != NULL &&
	       strtoull(length, NULL, 10) > (unsigned long long)r->server->options.body_max;
}

static void answer(const struct http_request *r, const struct body *b, struct http_answer *ret)
{
	const struct http_options *o = &r->server->options;

	if (b->fault != NULL) {
		refuse(r, ret, MHD_HTTP_BAD_REQUEST, "http.bad_head", b->fault, "");
	} else if (strlen(r->url) > HTTP_URL_MAX) {
		refuse(r, ret, MHD_HTTP_URI_TOO_LONG, "http.url_too_long", "the URL is too long",
		       "");
	} else if (b->too_large) {
		refuse(r, ret, MHD_HTTP_CONTENT_TOO_LARGE, "http.body_too_large",
		       "the body of the request is too large", "");
	} else if ((r->head && o->strict) ||
		   (!r->post && !r->head && strcmp(r->method, MHD_HTTP_METHOD_GET) != 0)) {
		refuse(r, ret, MHD_HTTP_METHOD_NOT_ALLOWED, "http.bad_method",
		       "the method is not allowed", "Use GET or POST.");
	} else if (!b->no_memory && authorize(r, ret)) {
		o->handler(r, ret, o->data);
	}
}

static void run_slow(struct http_job *job)
{
	struct body *b = (struct body *)job;

	answer(&b->request, b, &b->answer);
}

static void resume_slow(void *connection)
{
	MHD_resume_connection(connection);
}

/* True where the answer comes later: the connection sleeps until then. */
static bool defer(const struct http_request *r, struct body *b, struct http_answer *ret)
{
	const struct http_options *o = &r->server->options;

	if (r->server->slow == NULL || strlen(r->url) > HTTP_URL_MAX || !o->is_slow(r, o->data)) {
		return false;
	}
	b->request = *r;
	b->job.run = run_slow;
	b->job.done = resume_slow;
	b->job.data = r->connection;
	MHD_suspend_connection(r->connection);
	if (http_slow_add(r->server->slow, &b->job)) {
		return true;
	}
	MHD_resume_connection(r->connection);
	atomic_store(&b->job.finished, true);
	refuse(r, &b->answer, MHD_HTTP_SERVICE_UNAVAILABLE, "http.busy",
	       "too many requests wait already", "Ask again a little later.");
	b->answer.retry_after = 1;
	return true;
}

static enum MHD_Result take_headers(const struct http_request *r, void **state)
{
	struct body *body = *state = calloc(1, sizeof(*body));

	if (body == NULL) {
		return MHD_NO;
	}
	body->fault = http_head_fault(r->connection);
	body->too_large = is_announced_too_large(r);
	if (body->fault == NULL && !body->too_large) {
		return MHD_YES;
	}
	body->request = *r; /* answered before its body is sent */
	body->answer.closes = true;
	answer(r, body, &body->answer);
	return send_answer(r, &body->answer);
}

static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct http_server *server = data;
	struct body *body = *state;
	struct http_request request = {.server = server,
				       .method = method,
				       .url = url,
				       .head = strcmp(method, MHD_HTTP_METHOD_HEAD) == 0,
				       .post = strcmp(method, MHD_HTTP_METHOD_POST) == 0,
				       .connection = c};

	if (body == NULL) {
		return take_headers(&request, state);
	}
	if (*upload_size != 0) {
		add_to_body(body, upload, *upload_size, server->options.body_max);
		*upload_size = 0;
		return body->dropped > server->options.body_max ? MHD_NO : MHD_YES;
	}
	request.body = body->data != NULL ? body->data : "";
	request.body_size = body->size;
	if (!atomic_load(&body->job.finished)) {
		http_lines_answering(server->lines, c);
		if (defer(&request, body, &body->answer)) {
			return MHD_YES;
		}
		answer(&request, body, &body->answer);
	}
	return send_answer(&request, &body->answer);
}

static void on_completed(void *data, struct MHD_Connection *c, void **state,
			 enum MHD_RequestTerminationCode how)
{
	struct http_server *server = data;
	struct body *body = *state;

	http_lines_waiting(server->lines, c);
	if (body != NULL) {
		(void)atomic_load(&body->job.finished); /* see http_slow.h */
		free(body->answer.body);                /* where nobody took it */
		free(body->data);
		free(body);
	}
	*state = NULL;
}

/* ---- life ---- */

static struct MHD_Daemon *start_daemon(struct http_server *server, struct address *address)
{
	const struct http_tls *t = &server->options.tls;
	struct MHD_OptionItem tls[4];
	struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
	const struct http_config *config = server->options.config;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_ALLOW_SUSPEND_RESUME;
	int64_t each = config->max_connections < PER_ADDRESS_MAX ? PER_ADDRESS_MAX
								 : config->max_connections;

	tls_options(t, tls);
	flags |= address->storage.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
	flags |= t->key != NULL ? MHD_USE_TLS : 0;
	return MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, server, MHD_OPTION_SOCK_ADDR,
		(struct sockaddr *)&address->storage, MHD_OPTION_THREAD_POOL_SIZE,
		(unsigned)THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->max_connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)(each > config->max_connections ? config->max_connections : each),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((config->timeout.ms + 999) / 1000),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, http_head_unescape,
		NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
		MHD_OPTION_NOTIFY_CONNECTION, http_lines_changed, server->lines, MHD_OPTION_ARRAY,
		t->key != NULL ? tls : &none, MHD_OPTION_END);
}

static bool make_parts(struct http_server *server, const struct http_options *options)
{
	server->options = *options;
	server->streams = http_streams_create();
	if (options->is_slow != NULL) {
		server->slow = http_slow_create(options->slow_threads, options->slow_waiting_max);
	}
	if (options->request_ms > 0) {
		server->lines = http_lines_create(options->request_ms);
	}
	return server->streams != NULL && (options->is_slow == NULL || server->slow != NULL) &&
	       (options->request_ms <= 0 || server->lines != NULL);
}

int http_start(struct drip_ctx *ctx, const struct http_options *options, struct http_server **ret,
	       struct drip_error *err)
{
	const union MHD_DaemonInfo *info;
	struct http_server *server;
	struct address address;
	int rc = check_config(options->config, options->authorize != NULL ? &options->tls : NULL,
			      &address, err);

	if (rc < 0) {
		return rc;
	}
	server = calloc(1, sizeof(*server));
	if (server == NULL || !make_parts(server, options)) {
		http_stop(server);
		return drip_error_nomem(err, sizeof(*server));
	}
	server->ctx = ctx;
	server->loopback = address.loopback;
	errno = 0;
	server->daemon = start_daemon(server, &address);
	if (server->daemon == NULL) {
		rc = errno != 0 ? -errno : -EADDRINUSE;
		drip_error_set_retryable(err, rc, "http.could_not_listen",
					 "could not listen at \"%s\": %s", options->config->listen,
					 strerror(-rc));
		drip_error_hint(err, "Another program may use the port; choose another one.");
		http_stop(server);
		return rc;
	}
	info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
	drip_log_info(ctx, "listening at %s, port %d", options->config->listen,
		      info != NULL ? (int)info->port : 0);
	if (info != NULL) {
		ctx->host->gauge_set(ctx, "port", (double)info->port);
	}
	*ret = server;
	return 0;
}

void http_stop(struct http_server *server)
{
	if (server == NULL) {
		return;
	}
	if (server->streams != NULL) {
		http_streams_end(server->streams);
	}
	http_slow_end(server->slow);
	if (server->daemon != NULL) {
		MHD_stop_daemon(server->daemon);
	}
	if (server->streams != NULL) {
		http_streams_destroy(server->streams);
	}
	http_slow_destroy(server->slow);
	http_lines_destroy(server->lines);
	free(server);
}

void http_close_slow(struct http_server *server)
{
	http_lines_close(server->lines);
}

int http_broadcast(struct http_server *server, const char *event, const char *data)
{
	return http_streams_send(server->streams, event, data);
}

int http_streams(struct http_server *server)
{
	return http_streams_count(server->streams);
}
