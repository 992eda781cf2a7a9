/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hands a query of the page to the service `api`, with the reader's own key, and its answer back:
 * the page's policy lets it speak to nothing but the console. The console keeps no key, and looks
 * into neither query nor answer. Thread: the server's pool; each call is its own.
 */
#include "console.h"

#include <curl/curl.h>
#include <dripline/text.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_BYTES_MAX (32u * 1024 * 1024)
#define CONNECT_MS       5000
#define TOTAL_MS         120000
#define KEY_BYTES_MAX    512

static size_t take_answer(char *data, size_t size, size_t count, void *to)
{
	struct drip_text *t = to;

	if (t->size + count > ANSWER_BYTES_MAX) {
		return 0; /* ends the transfer */
	}
	drip_text_put(t, data, count);
	return t->rc == 0 ? count : 0;
}

static bool is_plain(const char *key)
{
	for (const char *p = key; *p != '\0'; p++) {
		if (*p <= ' ' || *p > '~') {
			return false;
		}
	}
	return strlen(key) < KEY_BYTES_MAX;
}

static struct curl_slist *make_headers(const char *key)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char text[KEY_BYTES_MAX + 32];
	struct curl_slist *longer;

	if (headers != NULL && key != NULL && key[0] != '\0') {
		snprintf(text, sizeof(text), "Authorization: Bearer %s", key);
		longer = curl_slist_append(headers, text);
		if (longer == NULL) {
			curl_slist_free_all(headers);
		}
		headers = longer;
	}
	return headers;
}

static void set_options(CURL *curl, const char *url, struct curl_slist *headers,
			const struct http_request *r, struct drip_text *out)
{
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_size);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
}

static void answer_failure(const char *why, struct http_answer *ret)
{
	char message[256];

	snprintf(message, sizeof(message), "could not ask the API: %s", why);
	http_answer_error(ret, MHD_HTTP_BAD_GATEWAY, "console.api_failed", message,
			  "See whether the service api runs at the address of the option api.");
}

static void ask(CURL *curl, const char *url, struct curl_slist *headers,
		const struct http_request *r, struct http_answer *ret)
{
	struct drip_text out = {0};
	CURLcode code;
	long status = 0;

	set_options(curl, url, headers, r, &out);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	drip_text_put(&out, "", 1);
	if (code != CURLE_OK || out.rc != 0 || status < 200) {
		answer_failure(code == CURLE_WRITE_ERROR && out.rc == 0 ? "its answer is too large"
			       : code != CURLE_OK && out.rc == 0        ? curl_easy_strerror(code)
									: "no memory",
			       ret);
		drip_text_finish(&out);
		return;
	}
	ret->status = (unsigned)status;
	ret->type = HTTP_JSON;
	ret->body = out.data;
}

void console_query(const char *api, const struct http_request *r, struct http_answer *ret)
{
	const char *key = http_header(r, "Dripline-Key");
	struct curl_slist *headers;
	char url[HTTP_URL_MAX];
	CURL *curl;

	if (api == NULL || api[0] == '\0') {
		http_answer_error(ret, MHD_HTTP_NOT_IMPLEMENTED, "console.no_api",
				  "no API is configured",
				  "Set the option api to the address of a service api.");
		return;
	}
	if (key != NULL && !is_plain(key)) {
		http_answer_error(ret, MHD_HTTP_BAD_REQUEST, "console.bad_key",
				  "the key of the API is not one", "Copy it whole.");
		return;
	}
	snprintf(url, sizeof(url), "%.*s/query", (int)(strlen(api) - (api[strlen(api) - 1] == '/')),
		 api);
	curl = curl_easy_init();
	headers = make_headers(key);
	if (curl != NULL && headers != NULL) {
		ask(curl, url, headers, r, ret);
	} else {
		answer_failure("no memory", ret);
	}
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}

int console_query_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}
