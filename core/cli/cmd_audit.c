/* SPDX-License-Identifier: Apache-2.0 */
/* dripline audit: lists the records of the audit, and checks their chain; on the store itself, with
 * and without a running daemon. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/args.h"
#include "cli/client.h"
#include "store/store.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

static int print_record(const struct drip_store_record *r, void *data)
{
	struct drip_json j;
	drip_autostr s = DRIP_STR_INIT;
	char time[DRIP_CLOCK_TEXT_MAX];

	drip_clock_format(r->wall_us, time, sizeof(time));
	drip_json_init(&j, &s);
	drip_json_begin_object(&j);
	drip_json_put_int(&j, "id", r->id);
	drip_json_put_string(&j, "time", time);
	drip_json_put_string(&j, "actor", r->actor);
	drip_json_put_string(&j, "action", r->action);
	drip_json_put_string(&j, "target", r->target);
	drip_json_put_string(&j, "detail", r->detail);
	drip_json_end_object(&j);
	if (data != NULL) {
		printf("%s\n", drip_str_text(&s));
	} else {
		printf("%8" PRId64 "  %s  %s  %s  %s  %s\n", r->id, time, r->actor, r->action,
		       r->target, r->detail);
	}
	return 0;
}

/* "ID:HEX" */
static int parse_head(const char *text, struct drip_store_audit_head *ret)
{
	const char *colon = strchr(text, ':');
	char *end = NULL;
	size_t size = 0;

	ret->id = strtoll(text, &end, 10);
	if (colon == NULL || end != colon || ret->id <= 0 ||
	    sodium_hex2bin(ret->hash, sizeof(ret->hash), colon + 1, strlen(colon + 1), NULL, &size,
			   NULL) != 0 ||
	    size != sizeof(ret->hash)) {
		fprintf(stderr, "dripline: --head wants ID:HASH, as `audit verify` printed it\n");
		return DRIP_EXIT_INVALID;
	}
	return DRIP_EXIT_OK;
}

static int verify(struct drip_store *store, const char *noted)
{
	struct drip_store_audit_head head, known = {.id = 0};
	struct drip_error err = DRIP_ERROR_INIT;
	char hash[2 * DRIP_STORE_HASH_BYTES + 1];
	int rc;

	if (noted != NULL && parse_head(noted, &known) != DRIP_EXIT_OK) {
		return DRIP_EXIT_INVALID;
	}
	rc = drip_store_verify_audit(store, noted != NULL ? &known : NULL, &head, &err);
	if (rc < 0) {
		drip_client_print_error("audit", &err);
		return DRIP_EXIT_FAILED;
	}
	sodium_bin2hex(hash, sizeof(hash), head.hash, sizeof(head.hash));
	printf("%" PRId64 " records are as they were written, %" PRId64 " to %" PRId64
	       "\nhead %" PRId64 ":%s\n",
	       head.records, head.first + 1, head.id, head.id, hash);
	return DRIP_EXIT_OK;
}

int drip_cmd_audit(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	drip_autoptr(drip_store) store = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	const char *state = NULL, *format = "text", *head = NULL, *words[1];
	int64_t limit = 100;
	const struct drip_arg args[] = {
		{.name = "state", .text = &state},
		{.name = "format", .text = &format, .choices = formats},
		{.name = "head", .text = &head},
		{.name = "limit", .number = &limit},
		{.name = NULL},
	};
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, words, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (strcmp(words[0], "list") != 0 && strcmp(words[0], "verify") != 0) {
		fprintf(stderr, "dripline: audit: write list or verify\n");
		return DRIP_EXIT_INVALID;
	}
	if (drip_store_open(drip_client_state_dir(state), DRIP_STORE_READ, &store, &err) < 0) {
		return drip_client_print_error("audit", &err);
	}
	if (strcmp(words[0], "verify") == 0) {
		return verify(store, head);
	}
	if (drip_store_visit_audit(store, limit, print_record,
				   strcmp(format, "json") == 0 ? &format : NULL, &err) < 0) {
		return drip_client_print_error("audit", &err);
	}
	return DRIP_EXIT_OK;
}
