/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service admin: health, metrics and control over HTTP, all through the host's control methods.
 * Threads: libmicrohttpd's own pool calls on_request; open, start, stop and close are the host's.
 * Invariants: without a token only loopback is listened to, and only requests whose Host is a
 * loopback name are answered (so a web page cannot reach it by rebinding its name); what changes
 * something needs POST with a JSON content type, which no form of a foreign page can send.
 */
#include "admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define THREADS         4
#define REQUEST_BYTES   (16 * 1024) /* memory of one connection: request line and headers */
#define BODY_BYTES_MAX  (64 * 1024)
#define PER_ADDRESS_MAX 32
#define TOKEN_BYTES_MIN 16

static const struct drip_option options[] = {
	DRIP_OPTION(
		struct admin_config, listen,
		.help = "Address and port to listen at, as \"127.0.0.1:8080\" or \"[::1]:8080\"; "
			"port 0 takes a free one.",
		.default_text = "127.0.0.1:8080", .example = "127.0.0.1:9090"),
	DRIP_OPTION(
		struct admin_config, allow_remote,
		.help = "Allows an address that other machines reach; needs a token. There is no "
			"TLS: put a proxy in front.",
		.default_text = "false"),
	DRIP_OPTION(struct admin_config, token,
		    .help = "Bearer token that all requests but /livez, /readyz and /startupz must "
			    "carry; 16 bytes at least.",
		    .example = "${file:/run/credentials/admin-token}"),
	DRIP_OPTION(struct admin_config, max_connections, .help = "Connections at once at most.",
		    .default_text = "64", .unit = "connections", .min = 1, .max = 1000,
		    .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(struct admin_config, timeout,
		    .help = "Time after which an idle connection is closed.", .default_text = "15s",
		    .min = 1000, .max = 3600000, .flags = DRIP_OPTION_ADVANCED),
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
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
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

static int check_config(const struct admin_config *config, struct address *ret_address,
			struct drip_error *err)
{
	size_t token_size = config->token.value != NULL ? strlen(config->token.value) : 0;
	int rc;

	if (parse_address(config->listen, ret_address) < 0) {
		rc = drip_error_set(err, -EINVAL, "admin.bad_address",
				    "cannot read the address \"%s\"", config->listen);
		drip_error_hint(err, "Write a numeric address and a port, as 127.0.0.1:8080.");
		drip_error_option(err, "listen");
		return rc;
	}
	if (token_size != 0 && token_size < TOKEN_BYTES_MIN) {
		rc = drip_error_set(err, -EINVAL, "admin.weak_token",
				    "the token is shorter than %d bytes", TOKEN_BYTES_MIN);
		drip_error_hint(err, "Make one with `openssl rand -hex 32`.");
		drip_error_option(err, "token");
		return rc;
	}
	if (!ret_address->loopback && (!config->allow_remote || token_size == 0)) {
		rc = drip_error_set(err, -EINVAL, "admin.remote_refused",
				    "cannot listen at \"%s\": other machines reach it",
				    config->listen);
		drip_error_hint(err, "Listen at 127.0.0.1, or set allow_remote: true and a token.");
		drip_error_option(err, "listen");
		return rc;
	}
	return 0;
}

/* ---- requests ---- */

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

static const char *header(struct MHD_Connection *c, const char *name)
{
	const char *value = MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);

	return value != NULL ? value : "";
}

static bool is_probe(const char *url)
{
	return strcmp(url, "/livez") == 0 || strcmp(url, "/readyz") == 0 ||
	       strcmp(url, "/startupz") == 0;
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

/* False: `ret` says why. */
static bool authorize(struct admin *admin, struct MHD_Connection *c, const char *method,
		      const char *url, struct admin_answer *ret)
{
	static const char bearer[] = "Bearer ";
	const char *given = header(c, MHD_HTTP_HEADER_AUTHORIZATION);
	const char *token = admin->config->token.value;

	if (token != NULL && token[0] != '\0' && !is_probe(url)) {
		if (strncasecmp(given, bearer, sizeof(bearer) - 1) != 0 ||
		    !equal_secret(given + sizeof(bearer) - 1, token)) {
			admin_answer_error(ret, MHD_HTTP_UNAUTHORIZED, "admin.unauthorized",
					   "the token is missing or wrong",
					   "Send \"Authorization: Bearer TOKEN\".");
			return false;
		}
	} else if (admin->loopback && !is_loopback_name(header(c, MHD_HTTP_HEADER_HOST))) {
		admin_answer_error(ret, MHD_HTTP_FORBIDDEN, "admin.bad_host",
				   "the Host of the request is not of this machine",
				   "Ask for 127.0.0.1 or localhost, or set a token.");
		return false;
	}
	if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 &&
	    strncasecmp(header(c, MHD_HTTP_HEADER_CONTENT_TYPE), "application/json", 16) != 0) {
		admin_answer_error(ret, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "admin.bad_content_type",
				   "a POST needs the content type application/json",
				   "Send \"Content-Type: application/json\".");
		return false;
	}
	return true;
}

static const char *query(const struct admin_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct admin_answer *a)
{
	static char nothing[] = "out of memory\n";
	struct MHD_Response *response;
	enum MHD_Result result;

	if (a->body == NULL) {
		a->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		response = MHD_create_response_from_buffer(strlen(nothing), nothing,
							   MHD_RESPMEM_PERSISTENT);
	} else {
		response = MHD_create_response_from_buffer(strlen(a->body), a->body,
							   MHD_RESPMEM_MUST_FREE);
	}
	if (response == NULL) {
		free(a->body);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				a->type != NULL ? a->type : "text/plain");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (a->status == MHD_HTTP_UNAUTHORIZED) {
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	}
	result = MHD_queue_response(c, a->status, response);
	MHD_destroy_response(response);
	return result;
}

/* `state` counts the bytes of the body, which is not looked at. */
static enum MHD_Result on_request(void *data, struct MHD_Connection *c, const char *url,
				  const char *method, const char *version, const char *upload,
				  size_t *upload_size, void **state)
{
	struct admin *admin = data;
	struct admin_answer answer = {0};
	struct admin_request request = {
		.admin = admin, .method = method, .url = url, .query = query, .connection = c};

	if (*state == NULL) {
		*state = (void *)(uintptr_t)1;
		return MHD_YES;
	}
	if (*upload_size != 0) {
		*state = (void *)((uintptr_t)*state + *upload_size);
		*upload_size = 0;
		return (uintptr_t)*state <= BODY_BYTES_MAX ? MHD_YES : MHD_NO;
	}
	if (strlen(url) > ADMIN_URL_MAX) {
		admin_answer_error(&answer, MHD_HTTP_URI_TOO_LONG, "admin.url_too_long",
				   "the URL is too long", "");
	} else if (authorize(admin, c, method, url, &answer)) {
		admin_route(&request, &answer);
	}
	return send_answer(c, &answer);
}

/* ---- life ---- */

static int admin_check(struct drip_ctx *ctx, const void *config, bool connect,
		       struct drip_report *report, struct drip_error *err)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	struct address address;

	if (check_config(config, &address, &finding) < 0) {
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

static int admin_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct address address;
	struct admin *admin;
	int rc = check_config(config, &address, err);

	if (rc < 0) {
		return rc;
	}
	admin = calloc(1, sizeof(*admin));
	if (admin == NULL) {
		return drip_error_nomem(err, sizeof(*admin));
	}
	admin->ctx = ctx;
	admin->config = config;
	admin->loopback = address.loopback;
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
	const union MHD_DaemonInfo *info;
	struct address address;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO;
	int rc = check_config(admin->config, &address, err);

	if (rc < 0) {
		return rc;
	}
	flags |= address.storage.ss_family == AF_INET6 ? MHD_USE_IPv6 : 0;
	errno = 0;
	admin->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, admin, MHD_OPTION_SOCK_ADDR,
		(struct sockaddr *)&address.storage, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)admin->config->max_connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)(PER_ADDRESS_MAX > admin->config->max_connections
				   ? admin->config->max_connections
				   : PER_ADDRESS_MAX),
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)((admin->config->timeout.ms + 999) / 1000),
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES, MHD_OPTION_END);
	if (admin->daemon == NULL) {
		rc = errno != 0 ? -errno : -EADDRINUSE;
		drip_error_set_retryable(err, rc, "admin.could_not_listen",
					 "could not listen at \"%s\": %s", admin->config->listen,
					 strerror(-rc));
		drip_error_hint(err, "Another program may use the port; choose another one.");
		return rc;
	}
	info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_BIND_PORT);
	drip_log_info(admin->ctx, "listening at %s, port %d", admin->config->listen,
		      info != NULL ? (int)info->port : 0);
	if (info != NULL) {
		admin->ctx->host->gauge_set(admin->ctx, "port", (double)info->port);
	}
	return 0;
}

static void admin_stop(void *self)
{
	struct admin *admin = self;

	MHD_stop_daemon(admin->daemon);
	admin->daemon = NULL;
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
		"Answers `/livez`, `/readyz`, `/startupz` for supervisors, `/metrics` for "
		"Prometheus, "
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
