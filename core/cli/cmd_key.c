/* SPDX-License-Identifier: Apache-2.0 */
/* dripline key: makes, lists and revokes keys of the API; through the daemon where one runs, so
 * that it knows at once. A key is printed once, to stdout, and is nowhere else. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/args.h"
#include "cli/client.h"
#include "serve/methods.h"
#include <dripline/units.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

struct request {
	const char *state_dir, *name, *role, *expires, *id, *format;
	int64_t expires_us;
	struct drip_error err;
};

static void arguments_of(const struct request *r, struct drip_str *s)
{
	struct drip_json j;

	drip_json_init(&j, s);
	drip_json_begin_object(&j);
	if (r->id != NULL) {
		drip_json_put_string(&j, "id", r->id);
	} else {
		drip_json_put_string(&j, "name", r->name);
		drip_json_put_string(&j, "role", r->role);
		drip_json_put_int(&j, "expires_us", r->expires_us);
	}
	drip_json_end_object(&j);
}

/* 1: no daemon runs. */
static int ask_daemon(struct request *r, const char *method, struct drip_json_tree **ret_tree,
		      const struct drip_json_node **ret)
{
	drip_autostr arguments = DRIP_STR_INIT;

	arguments_of(r, &arguments);
	return drip_client_try(r->state_dir, method, drip_str_text(&arguments), ret_tree, ret,
			       &r->err);
}

static void actor_of(char *buf, size_t size)
{
	snprintf(buf, size, "uid %ld", (long)getuid());
}

static int create_offline(struct request *r, struct drip_json_tree **ret_tree,
			  const struct drip_json_node **ret)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;
	char actor[32];
	int rc = drip_store_open(r->state_dir, DRIP_STORE_WRITE, &store, &r->err);

	actor_of(actor, sizeof(actor));
	drip_json_init(&j, &s);
	rc = rc == 0 ? drip_key_render_new(store, actor, r->name, r->role, r->expires_us, &j,
					   &r->err)
		     : rc;
	return rc == 0 ? drip_client_read_own(&s, ret_tree, ret, &r->err) : rc;
}

static int create_key(struct request *r)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL;
	int64_t ms;
	int rc;

	if (r->role == NULL || r->name == NULL) {
		fprintf(stderr, "dripline: key create needs --role and --name\n");
		return DRIP_EXIT_INVALID;
	}
	if (r->expires != NULL) {
		if (drip_parse_duration(r->expires, &ms) < 0 || ms <= 0) {
			fprintf(stderr, "dripline: --expires wants a duration such as 90d\n");
			return DRIP_EXIT_INVALID;
		}
		r->expires_us = drip_clock_wall_us() + ms * 1000;
	}
	rc = ask_daemon(r, "key.create", &tree, &result);
	rc = rc == 1 ? create_offline(r, &tree, &result) : rc;
	if (rc < 0) {
		return drip_client_print_error("key", &r->err);
	}
	fprintf(stderr, "key %s; it is shown this once:\n", drip_json_get_string(result, "id", ""));
	printf("%s\n", drip_json_get_string(result, "key", ""));
	return DRIP_EXIT_OK;
}

static int revoke_key(struct request *r)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL;
	int rc = ask_daemon(r, "key.revoke", &tree, &result);

	if (rc == 1) {
		drip_autoptr(drip_store) store = NULL;
		char actor[32];

		actor_of(actor, sizeof(actor));
		rc = drip_store_open(r->state_dir, DRIP_STORE_WRITE, &store, &r->err);
		rc = rc == 0 ? drip_store_revoke_key(store, r->id, actor, &r->err) : rc;
	}
	if (rc < 0) {
		return drip_client_print_error("key", &r->err);
	}
	printf("key %s is revoked\n", r->id);
	return DRIP_EXIT_OK;
}

static const char *state_of(const struct drip_store_key *k)
{
	if (k->revoked_us != 0) {
		return "revoked";
	}
	return k->expires_us != 0 && k->expires_us <= drip_clock_wall_us() ? "expired" : "in use";
}

static int print_key(const struct drip_store_key *k, void *data)
{
	char created[DRIP_CLOCK_TEXT_MAX], expires[DRIP_CLOCK_TEXT_MAX] = "never";

	drip_clock_format(k->created_us, created, sizeof(created));
	if (k->expires_us != 0) {
		drip_clock_format(k->expires_us, expires, sizeof(expires));
	}
	printf("%-10s %-24s %-20s %-8s %-27s %s\n", k->id, k->name, k->role, state_of(k), created,
	       expires);
	return 0;
}

static int json_key(const struct drip_store_key *k, void *data)
{
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_string(j, "id", k->id);
	drip_json_put_string(j, "name", k->name);
	drip_json_put_string(j, "role", k->role);
	drip_json_put_string(j, "state", state_of(k));
	drip_json_put_int(j, "created_us", k->created_us);
	drip_json_put_int(j, "expires_us", k->expires_us);
	drip_json_put_int(j, "revoked_us", k->revoked_us);
	drip_json_end_object(j);
	return 0;
}

static int list_keys(struct request *r)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;
	bool json = strcmp(r->format, "json") == 0;
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	drip_json_init(&j, &s);
	drip_json_begin_array(&j);
	if (rc == 0 && !json) {
		printf("%-10s %-24s %-20s %-8s %-27s %s\n", "id", "name", "role", "state",
		       "created", "expires");
	}
	rc = rc == 0 ? drip_store_visit_keys(store, json ? json_key : print_key, &j, &r->err) : rc;
	drip_json_end_array(&j);
	if (rc < 0) {
		return drip_client_print_error("key", &r->err);
	}
	if (json) {
		printf("%s\n", drip_str_text(&s));
	}
	return DRIP_EXIT_OK;
}

int drip_cmd_key(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct request r = {.format = "text", .err = DRIP_ERROR_INIT};
	const char *state = NULL, *words[2];
	const struct drip_arg args[] = {
		{.name = "state", .text = &state},
		{.name = "name", .text = &r.name},
		{.name = "role", .text = &r.role},
		{.name = "expires", .text = &r.expires},
		{.name = "format", .text = &r.format, .choices = formats},
		{.name = NULL},
	};
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, words, 1, 2, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	r.state_dir = drip_client_state_dir(state);
	if (strcmp(words[0], "create") == 0 && count == 1) {
		return create_key(&r);
	}
	if (strcmp(words[0], "list") == 0 && count == 1) {
		return list_keys(&r);
	}
	if (strcmp(words[0], "revoke") == 0 && count == 2) {
		r.id = words[1];
		return revoke_key(&r);
	}
	fprintf(stderr, "dripline: key: write create, list or revoke ID\n");
	return DRIP_EXIT_INVALID;
}
