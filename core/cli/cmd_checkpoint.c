/* SPDX-License-Identifier: Apache-2.0 */
/* dripline checkpoint show and reset: through the daemon where one runs, otherwise on the store. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"
#include "serve/methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

struct request {
	const char *state_dir, *pipeline, *format;
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

static int show_offline(struct request *r, struct drip_json_tree **ret_tree,
			const struct drip_json_node **ret)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	drip_json_init(&j, &s);
	rc = rc == 0 ? drip_checkpoints_render(store, r->pipeline, &j, &r->err) : rc;
	return rc == 0 ? drip_client_read_own(&s, ret_tree, ret, &r->err) : rc;
}

static void print_text(const struct drip_json_node *list)
{
	printf("%-24s %-16s %10s  %-27s  %s\n", "pipeline", "partition", "epoch", "committed",
	       "position");
	for (const struct drip_json_node *c = list->first; c != NULL; c = c->next) {
		const char *partition = drip_json_get_string(c, "partition", "");

		printf("%-24s %-16s %10lld  %-27s  %s\n", drip_json_get_string(c, "pipeline", ""),
		       partition[0] != '\0' ? partition : "-",
		       (long long)drip_json_get_int(c, "epoch", 0),
		       drip_json_get_string(c, "committed", ""),
		       drip_json_get_string(c, "position", ""));
	}
}

static int show(struct request *r)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *list = NULL;
	int rc = ask_daemon(r, "checkpoint.show", &tree, &list);

	rc = rc == 1 ? show_offline(r, &tree, &list) : rc;
	if (rc < 0) {
		return drip_client_print_error("checkpoint", &r->err);
	}
	if (r->pipeline != NULL && list->first == NULL) {
		fprintf(stderr,
			"dripline checkpoint: pipeline \"%s\" has no checkpoint "
			"[store.no_checkpoint]\n",
			r->pipeline);
		return DRIP_EXIT_INVALID;
	}
	if (strcmp(r->format, "json") == 0) {
		return drip_client_print_json(list);
	}
	print_text(list);
	return DRIP_EXIT_OK;
}

static int reset_offline(struct request *r)
{
	drip_autoptr(drip_store) store = NULL;
	char actor[32];
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	/* A store is not made here; only one that is there is opened to be written. */
	drip_store_close(drip_steal(store));
	rc = rc == 0 ? drip_store_open(r->state_dir, DRIP_STORE_WRITE, &store, &r->err) : rc;
	snprintf(actor, sizeof(actor), "uid %ld", (long)getuid());
	return rc == 0 ? drip_store_reset_checkpoint(store, r->pipeline, actor, &r->err) : rc;
}

static int reset(struct request *r, bool yes)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL;
	char question[400];
	int rc;

	snprintf(question, sizeof(question),
		 "Forget where pipeline \"%.200s\" stands? Its next run begins anew.", r->pipeline);
	if (!yes && !drip_client_confirm(question)) {
		return DRIP_EXIT_INVALID;
	}
	rc = ask_daemon(r, "checkpoint.reset", &tree, &result);
	rc = rc == 1 ? reset_offline(r) : rc;
	if (rc < 0) {
		return drip_client_print_error("checkpoint", &r->err);
	}
	printf("checkpoint of pipeline %s: reset\n", r->pipeline);
	return DRIP_EXIT_OK;
}

int drip_cmd_checkpoint(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct request r = {.format = "text", .err = DRIP_ERROR_INIT};
	const char *operands[2] = {NULL, NULL}, *state = NULL;
	bool yes = false;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "format", .text = &r.format, .choices = formats},
					{.name = "yes", .letter = 'y', .flag = &yes},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, 2, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	r.state_dir = drip_client_state_dir(state);
	r.pipeline = operands[1];
	if (strcmp(operands[0], "show") == 0) {
		return show(&r);
	}
	if (strcmp(operands[0], "reset") == 0 && r.pipeline != NULL) {
		return reset(&r, yes);
	}
	fprintf(stderr, "dripline checkpoint: %s\n  hint: See `dripline help checkpoint`.\n",
		strcmp(operands[0], "reset") == 0 ? "reset needs the name of a pipeline"
						  : "either show or reset is needed");
	return DRIP_EXIT_INVALID;
}
