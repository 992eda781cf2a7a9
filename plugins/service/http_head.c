/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a request's head (RFC 9110, 5.6.2; RFC 9112, 3.2 and 6.3). See http_head.h. */
#include "http_head.h"

#include <string.h>
#include <strings.h>

struct head {
	int lengths, codings, hosts, credentials;
	bool bad_name, bad_coding;
};

static bool is_token(const char *name, size_t size)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < size; i++) {
		char c = name[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || !strchr(marks, c))) {
			return false;
		}
	}
	return size > 0;
}

static bool is(const char *name, size_t size, const char *wanted)
{
	return size == strlen(wanted) && strncasecmp(name, wanted, size) == 0;
}

static enum MHD_Result take_header(void *data, enum MHD_ValueKind kind, const char *name,
				   size_t name_size, const char *value, size_t value_size)
{
	struct head *h = data;

	(void)kind;
	h->bad_name |= !is_token(name, name_size);
	h->lengths += is(name, name_size, MHD_HTTP_HEADER_CONTENT_LENGTH);
	h->hosts += is(name, name_size, MHD_HTTP_HEADER_HOST);
	h->credentials += is(name, name_size, MHD_HTTP_HEADER_AUTHORIZATION);
	if (is(name, name_size, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
		h->codings++;
		h->bad_coding |= value == NULL || !is(value, value_size, "chunked");
	}
	return MHD_YES;
}

const char *http_head_fault(struct MHD_Connection *c)
{
	struct head h = {.lengths = 0};

	MHD_get_connection_values_n(c, MHD_HEADER_KIND, take_header, &h);
	if (h.bad_name) {
		return "a header has a name that is none";
	}
	if (h.lengths > 1 || h.codings > 1 || (h.lengths > 0 && h.codings > 0)) {
		return "the request gives the length of its body twice";
	}
	if (h.bad_coding) {
		return "the transfer coding is not chunked";
	}
	if (h.hosts > 1 || h.credentials > 1) {
		return "a header that stands once in a request stands there twice";
	}
	return NULL;
}

size_t http_head_unescape(void *data, struct MHD_Connection *c, char *text)
{
	size_t size = MHD_http_unescape(text);

	(void)data;
	(void)c;
	for (size_t i = 0; i < size; i++) {
		text[i] = text[i] == '\0' ? '\1' : text[i];
	}
	return size;
}

bool http_head_is_json(const char *content_type)
{
	static const char json[] = "application/json";

	return strncasecmp(content_type, json, sizeof(json) - 1) == 0 &&
	       memchr("; \t", content_type[sizeof(json) - 1], 4) != NULL;
}
