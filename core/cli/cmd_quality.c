/* SPDX-License-Identifier: Apache-2.0 */
/* dripline quality: what the rules found; through the daemon where one runs, otherwise from the
 * store. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"
#include "serve/methods.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

struct request {
	const char *state_dir, *pipeline;
	int64_t days, limit;
	struct drip_error err;
};

/* 1: no daemon runs. */
static int ask_daemon(struct request *r, struct drip_json_tree **ret_tree,
		      const struct drip_json_node **ret)
{
	drip_autostr arguments = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &arguments);
	drip_json_begin_object(&j);
	if (r->pipeline != NULL) {
		drip_json_put_string(&j, "pipeline", r->pipeline);
	}
	drip_json_put_int(&j, "days", r->days);
	drip_json_put_int(&j, "limit", r->limit);
	drip_json_end_object(&j);
	return drip_client_try(r->state_dir, "quality", drip_str_text(&arguments), ret_tree, ret,
			       &r->err);
}

static int read_store(struct request *r, struct drip_json_tree **ret_tree,
		      const struct drip_json_node **ret)
{
	drip_autoptr(drip_store) store = NULL;
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;
	int rc = drip_store_open(r->state_dir, DRIP_STORE_READ, &store, &r->err);

	drip_json_init(&j, &s);
	rc = rc == 0 ? drip_quality_render(store, r->pipeline, r->days, r->limit, &j, &r->err) : rc;
	return rc == 0 ? drip_client_read_own(&s, ret_tree, ret, &r->err) : rc;
}

static void print_result(const struct drip_json_node *q)
{
	const struct drip_json_node *run = drip_json_get(q, "last_run");
	const char *table = drip_json_get_string(q, "table", "");
	int64_t checked = drip_json_get_int(q, "checked", 0);
	char rows[24] = "-";

	if (checked > 0) {
		snprintf(rows, sizeof(rows), "%" PRId64, checked);
	}
	printf("%-7s  %-16s %-16s %-44s %-32s %-11s  %s %12s %10" PRId64 "  %s\n",
	       drip_json_get_int(run, "failed", 0) > 0 ? "broken" : "holds",
	       drip_json_get_string(q, "pipeline", ""), drip_json_get_string(q, "stage", ""),
	       drip_json_get_string(q, "rule", ""), table[0] != '\0' ? table : "-",
	       drip_json_get_string(q, "action", ""), drip_json_get_string(q, "day", ""), rows,
	       drip_json_get_int(q, "failed", 0), drip_json_get_string(q, "last_failed", "-"));
}

int drip_cmd_quality(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *list = NULL;
	struct request r = {.err = DRIP_ERROR_INIT};
	const char *state = NULL, *format = "text";
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "format", .text = &format, .choices = formats},
					{.name = "days", .number = &r.days},
					{.name = "limit", .number = &r.limit},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, &r.pipeline, 0, 1, &count), rc;

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	r.state_dir = drip_client_state_dir(state);
	rc = ask_daemon(&r, &tree, &list);
	rc = rc == 1 ? read_store(&r, &tree, &list) : rc;
	if (rc < 0) {
		return drip_client_print_error("quality", &r.err);
	}
	if (r.pipeline != NULL && list->first == NULL) {
		fprintf(stderr, "dripline quality: no rule of pipeline \"%s\" has a result%s\n",
			r.pipeline, r.days > 0 ? " of these days" : "");
		return DRIP_EXIT_INVALID;
	}
	if (strcmp(format, "json") == 0) {
		return drip_client_print_json(list);
	}
	printf("%-7s  %-16s %-16s %-44s %-32s %-11s  %-10s %12s %10s  %s\n", "state", "pipeline",
	       "stage", "rule", "table", "action", "day", "checked", "failed", "last failed");
	for (const struct drip_json_node *q = list->first; q != NULL; q = q->next) {
		print_result(q);
	}
	return DRIP_EXIT_OK;
}
