/* SPDX-License-Identifier: Apache-2.0 */
/* dripline dlq: dead letters, through the daemon where one runs; all but replay without one too. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"
#include "serve/methods.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPERANDS_MAX 257

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

struct request {
	const char *state, *pipeline, *stage, *format;
	int64_t limit;
	bool reveal, yes;
	int64_t ids[OPERANDS_MAX];
	size_t ids_count;
	struct drip_error err;
};

static void arguments_of(const struct request *r, struct drip_str *s)
{
	struct drip_json j;

	drip_json_init(&j, s);
	drip_json_begin_object(&j);
	if (r->pipeline != NULL) {
		drip_json_put_string(&j, "pipeline", r->pipeline);
	}
	if (r->stage != NULL) {
		drip_json_put_string(&j, "stage", r->stage);
	}
	if (r->ids_count != 0) {
		drip_json_put_int(&j, "id", r->ids[0]);
		drip_json_key(&j, "ids");
		drip_json_begin_array(&j);
		for (size_t i = 0; i < r->ids_count; i++) {
			drip_json_int(&j, r->ids[i]);
		}
		drip_json_end_array(&j);
	}
	drip_json_put_int(&j, "limit", r->limit);
	drip_json_put_bool(&j, "reveal", r->reveal);
	drip_json_end_object(&j);
}

/* 1: no daemon runs. */
static int ask_daemon(struct request *r, const char *method, struct drip_json_tree **ret_tree,
		      const struct drip_json_node **ret)
{
	drip_autostr arguments = DRIP_STR_INIT;

	arguments_of(r, &arguments);
	return drip_client_try(drip_client_state_dir(r->state), method, drip_str_text(&arguments),
			       ret_tree, ret, &r->err);
}

static struct drip_store_letters which_of(const struct request *r)
{
	return (struct drip_store_letters){.pipeline = r->pipeline,
					   .stage = r->stage,
					   .ids = r->ids,
					   .ids_count = r->ids_count,
					   .limit = r->limit};
}

/* (gives) the store, which must be there, to write into. */
static int open_to_write(struct request *r, struct drip_store **ret)
{
	const char *state_dir = drip_client_state_dir(r->state);
	int rc = drip_store_open(state_dir, DRIP_STORE_READ, ret, &r->err);

	drip_store_close(drip_steal(*ret));
	return rc == 0 ? drip_store_open(state_dir, DRIP_STORE_WRITE, ret, &r->err) : rc;
}

/* Of who is to see clear values: what is not recorded is not shown. */
static int record_reveal(struct request *r)
{
	drip_autoptr(drip_store) store = NULL;
	char actor[32], target[48];
	int rc = open_to_write(r, &store);

	snprintf(actor, sizeof(actor), "uid %ld", (long)getuid());
	snprintf(target, sizeof(target), "letter %lld",
		 r->ids_count > 0 ? (long long)r->ids[0] : 0LL);
	return rc == 0 ? drip_store_audit(store, actor, "dlq reveal", target, "", &r->err) : rc;
}

static int read_offline(struct request *r, bool with_rows, struct drip_json_tree **ret_tree,
			const struct drip_json_node **ret)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr s = DRIP_STR_INIT;
	struct drip_store_letters which = which_of(r);
	struct drip_json j;
	int rc = r->reveal ? record_reveal(r) : 0;

	rc = rc == 0 ? drip_store_open(drip_client_state_dir(r->state), DRIP_STORE_READ, &store,
				       &r->err)
		     : rc;
	drip_json_init(&j, &s);
	rc = rc == 0 ? drip_letters_render(store, &which, with_rows, r->reveal, &j, &r->err) : rc;
	return rc == 0 ? drip_client_read_own(&s, ret_tree, ret, &r->err) : rc;
}

static void print_list(const struct drip_json_node *list)
{
	printf("%8s  %-27s  %-16s %-16s %-24s %-7s %s\n", "id", "time", "pipeline", "stage",
	       "table", "op", "reason");
	for (const struct drip_json_node *l = list->first; l != NULL; l = l->next) {
		printf("%8lld  %-27s  %-16s %-16s %-24s %-7s %s [%s]\n",
		       (long long)drip_json_get_int(l, "id", 0),
		       drip_json_get_string(l, "time", ""), drip_json_get_string(l, "pipeline", ""),
		       drip_json_get_string(l, "stage", ""), drip_json_get_string(l, "table", ""),
		       drip_json_get_string(l, "op", ""), drip_json_get_string(l, "reason", ""),
		       drip_json_get_string(l, "code", ""));
	}
}

static int list_letters(struct request *r, bool with_rows)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *list = NULL;
	int rc = ask_daemon(r, with_rows ? "dlq.show" : "dlq.list", &tree, &list);

	rc = rc == 1 ? read_offline(r, with_rows, &tree, &list) : rc;
	if (rc < 0) {
		return drip_client_print_error("dlq", &r->err);
	}
	if (with_rows) {
		for (const struct drip_json_node *l = list->first; l != NULL; l = l->next) {
			drip_client_print_json(l);
		}
		return DRIP_EXIT_OK;
	}
	if (strcmp(r->format, "json") == 0) {
		return drip_client_print_json(list);
	}
	print_list(list);
	return DRIP_EXIT_OK;
}

static void print_count(int64_t count, const char *done)
{
	printf("%" PRId64 " dead letter%s %s\n", count, count == 1 ? "" : "s", done);
}

static int replay(struct request *r)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL;
	int rc = ask_daemon(r, "dlq.replay", &tree, &result);

	if (rc != 0) {
		return drip_client_print_error("dlq", &r->err);
	}
	print_count(drip_json_get_int(result, "replayed", 0), "replayed");
	return DRIP_EXIT_OK;
}

static int drop_offline(struct request *r, int64_t *ret_dropped)
{
	drip_autoptr(drip_store) store = NULL;
	struct drip_store_letters which = which_of(r);
	char actor[32];
	int rc = open_to_write(r, &store);

	snprintf(actor, sizeof(actor), "uid %ld", (long)getuid());
	rc = rc == 0 ? drip_store_drop_letters(store, &which, ret_dropped, &r->err) : rc;
	return rc == 0 ? drip_store_audit(store, actor, "dlq drop",
					  r->pipeline != NULL ? r->pipeline : "", "", &r->err)
		       : rc;
}

static int drop(struct request *r)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL;
	int64_t dropped = 0;
	int rc;

	if (!r->yes && !drip_client_confirm("Drop these dead letters? Their rows are lost.")) {
		return DRIP_EXIT_INVALID;
	}
	rc = ask_daemon(r, "dlq.drop", &tree, &result);
	if (rc == 0) {
		dropped = drip_json_get_int(result, "dropped", 0);
	}
	rc = rc == 1 ? drop_offline(r, &dropped) : rc;
	if (rc < 0) {
		return drip_client_print_error("dlq", &r->err);
	}
	print_count(dropped, "dropped");
	return DRIP_EXIT_OK;
}

static int complain(const char *what)
{
	fprintf(stderr, "dripline dlq: %s\n  hint: See `dripline help dlq`.\n", what);
	return DRIP_EXIT_INVALID;
}

static int parse_ids(struct request *r, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char *end;

		errno = 0;
		r->ids[i] = strtoll(texts[i], &end, 10);
		if (errno != 0 || *end != '\0' || end == texts[i]) {
			return complain("an id must be a whole number");
		}
	}
	r->ids_count = count;
	return DRIP_EXIT_OK;
}

static int dispatch(struct request *r, const char *verb, const char *const *rest, size_t count)
{
	bool needs_ids = strcmp(verb, "show") == 0;
	int status;

	if (strcmp(verb, "list") == 0) {
		if (count > 1) {
			return complain("list takes one pipeline at most");
		}
		r->pipeline = count != 0 ? rest[0] : r->pipeline;
		return list_letters(r, false);
	}
	if (!needs_ids && strcmp(verb, "replay") != 0 && strcmp(verb, "drop") != 0) {
		return complain("one of list, show, replay and drop is needed");
	}
	if (count == 0 && (needs_ids || r->pipeline == NULL)) {
		return complain(needs_ids ? "an id is needed" : "ids or --pipeline are needed");
	}
	status = parse_ids(r, rest, count);
	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (needs_ids) {
		return list_letters(r, true);
	}
	return strcmp(verb, "replay") == 0 ? replay(r) : drop(r);
}

int drip_cmd_dlq(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct request r = {.format = "text", .limit = 0, .err = DRIP_ERROR_INIT};
	const char *operands[OPERANDS_MAX];
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &r.state},
					{.name = "pipeline", .text = &r.pipeline},
					{.name = "stage", .text = &r.stage},
					{.name = "limit", .letter = 'n', .number = &r.limit},
					{.name = "reveal", .flag = &r.reveal},
					{.name = "format", .text = &r.format, .choices = formats},
					{.name = "yes", .letter = 'y', .flag = &r.yes},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, OPERANDS_MAX, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (r.limit == 0) {
		r.limit = strcmp(operands[0], "list") == 0 ? 100 : 0;
	}
	return dispatch(&r, operands[0], operands + 1, count - 1);
}
