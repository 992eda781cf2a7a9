/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of what was asked. A read of data is recorded before its answer goes out; scores,
 * requests with unknown keys and those beyond a key's rate are counted and recorded once a second.
 * Threads: any.
 */
#include "api.h"

#include <dripline/text.h>
#include <microhttpd.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TARGET_MAX 8192 /* bytes of a target in a record; of a longer one its hash is there too */

static void put_member(struct drip_text *t, const char *key, const char *value)
{
	drip_text_puts(t, t->size > 1 ? ",\"" : "\"");
	drip_text_puts(t, key);
	drip_text_puts(t, "\":");
	drip_text_json_string(t, value, strlen(value));
}

/* Length of the part of a text that goes into a record, whole characters of UTF-8. */
static size_t recorded(const char *target)
{
	size_t n = strlen(target);

	if (n > TARGET_MAX) {
		for (n = TARGET_MAX; n > 0 && ((unsigned char)target[n] & 0xc0) == 0x80; n--) {
		}
	}
	return n;
}

static int append(struct api *api, const char *actor, const char *action, const char *target,
		  const struct drip_text *detail, struct drip_error *err)
{
	struct drip_text t = {0};
	char *text = NULL;
	int rc;

	drip_text_puts(&t, "{");
	put_member(&t, "actor", actor);
	put_member(&t, "action", action);
	drip_text_puts(&t, ",\"target\":");
	drip_text_json_string(&t, target, recorded(target));
	drip_text_puts(&t, ",\"detail\":");
	drip_text_json_string(&t, detail->data, detail->size);
	drip_text_put(&t, "}", 2);
	rc = drip_text_check(&t, err);
	rc = rc == 0 ? api->ctx->host->control(api->ctx, "audit.append", t.data, &text, err) : rc;
	free(text);
	drip_text_finish(&t);
	return rc;
}

static void actor_of(const char *id, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "key %s (%s)", id, name);
}

int api_record(struct api *api, const struct api_caller *caller, const char *action,
	       const char *target, const char *decision, const char *code, int64_t rows, int64_t us,
	       struct http_answer *ret)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_text detail = {0};
	char actor[128], figures[96];
	int rc;

	actor_of(caller->id, caller->name, actor, sizeof(actor));
	drip_text_puts(&detail, "{");
	put_member(&detail, "role", caller->guard);
	put_member(&detail, "decision", decision);
	if (code[0] != '\0') {
		put_member(&detail, "reason", code);
	}
	if (recorded(target) < strlen(target)) {
		unsigned char hash[crypto_hash_sha256_BYTES];
		char hex[2 * sizeof(hash) + 1];

		crypto_hash_sha256(hash, (const unsigned char *)target, strlen(target));
		sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
		put_member(&detail, "cut_sha256", hex);
	}
	snprintf(figures, sizeof(figures), ",\"rows\":%lld,\"ms\":%.1f}", (long long)rows,
		 (double)us / 1000.0);
	drip_text_puts(&detail, figures);
	rc = drip_text_check(&detail, &err);
	rc = rc == 0 ? append(api, actor, action, target, &detail, &err) : rc;
	drip_text_finish(&detail);
	if (rc < 0) {
		drip_log_error(api->ctx, "could not record a request: %s", err.message);
		http_answer_problem(ret, MHD_HTTP_SERVICE_UNAVAILABLE, "api.not_recorded",
				    "the request could not be recorded, so it is not answered", "");
	}
	return rc;
}

/* That of the caller, new where there is none yet; NULL: there are too many. Lock held. */
static struct api_tally *tally_of(struct api *api, const struct api_caller *caller)
{
	struct api_tally *t = NULL;

	for (size_t i = 0; t == NULL && i < api->tallies_count; i++) {
		if (strcmp(api->tallies[i].id, caller->id) == 0) {
			t = &api->tallies[i];
		}
	}
	if (t == NULL && api->tallies_count < API_TALLIES_MAX) {
		t = &api->tallies[api->tallies_count++];
		*t = (struct api_tally){.asked = 0};
		memcpy(t->id, caller->id, sizeof(t->id));
		memcpy(t->name, caller->name, sizeof(t->name));
		memcpy(t->role, caller->role, sizeof(t->role));
	}
	return t;
}

void api_tally(struct api *api, const struct api_caller *caller, bool refused, bool positive,
	       double ms)
{
	struct api_tally *t;

	pthread_mutex_lock(&api->lock);
	t = tally_of(api, caller);
	if (t != NULL) {
		t->asked++;
		t->refused += refused;
		t->positive += positive;
		t->ms_max = ms > t->ms_max ? ms : t->ms_max;
	}
	pthread_mutex_unlock(&api->lock);
}

void api_tally_limited(struct api *api, const struct api_caller *caller)
{
	struct api_tally *t;

	pthread_mutex_lock(&api->lock);
	t = tally_of(api, caller);
	if (t != NULL) {
		t->limited++;
	}
	pthread_mutex_unlock(&api->lock);
}

static void flush_figures(struct api *api, const struct api_tally *t, const char *action,
			  const char *figures)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_text detail = {0};
	char actor[128];

	actor_of(t->id, t->name, actor, sizeof(actor));
	drip_text_puts(&detail, "{");
	put_member(&detail, "role", t->role);
	drip_text_puts(&detail, figures);
	if (append(api, actor, action, "", &detail, &err) < 0) {
		drip_log_error(api->ctx, "could not record %llu requests: %s",
			       (unsigned long long)(t->asked + t->limited), err.message);
	}
	drip_text_finish(&detail);
}

static void flush_one(struct api *api, const struct api_tally *t)
{
	char figures[160];

	if (t->asked > 0) {
		snprintf(figures, sizeof(figures),
			 ",\"asked\":%llu,\"refused\":%llu,\"positive\":%llu,\"ms_max\":%.2f}",
			 (unsigned long long)t->asked, (unsigned long long)t->refused,
			 (unsigned long long)t->positive, t->ms_max);
		flush_figures(api, t, "POST /ml/fraud", figures);
	}
	if (t->limited > 0) {
		snprintf(figures, sizeof(figures), ",\"refused\":%llu}",
			 (unsigned long long)t->limited);
		flush_figures(api, t, "too many requests", figures);
	}
}

void api_flush(struct api *api)
{
	struct drip_error err = DRIP_ERROR_INIT;
	uint64_t unknown;

	for (;;) {
		struct api_tally t;

		pthread_mutex_lock(&api->lock);
		if (api->tallies_count == 0) {
			unknown = api->unknown_keys;
			api->unknown_keys = 0;
			pthread_mutex_unlock(&api->lock);
			break;
		}
		t = api->tallies[--api->tallies_count];
		pthread_mutex_unlock(&api->lock);
		flush_one(api, &t);
	}
	if (unknown > 0) {
		struct drip_text detail = {0};
		char figures[64];

		snprintf(figures, sizeof(figures), "{\"refused\":%llu}",
			 (unsigned long long)unknown);
		drip_text_puts(&detail, figures);
		if (append(api, "unknown", "key refused", "", &detail, &err) < 0) {
			drip_log_error(api->ctx, "could not record refused keys: %s", err.message);
		}
		drip_text_finish(&detail);
	}
}
