/* SPDX-License-Identifier: Apache-2.0 */
/* dripline lineage: reads the store, which works beside a running daemon too. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"
#include "serve/methods.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_store, drip_store_close);

/* Through the daemon, which knows the namespace of jobs. 1: none runs. */
static int ask_daemon(const char *state_dir, const char *table, const char *format,
		      struct drip_str *out, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr arguments = DRIP_STR_INIT;
	const struct drip_json_node *result = NULL;
	struct drip_json j;
	int rc;

	drip_json_init(&j, &arguments);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "table", table);
	drip_json_put_string(&j, "format", format);
	drip_json_end_object(&j);
	rc = drip_client_try(state_dir, "lineage", drip_str_text(&arguments), &tree, &result, err);
	if (rc == 0 && result != NULL && result->type == DRIP_JSON_STRING) {
		drip_str_append_n(out, result->text, result->text_size);
	}
	return rc;
}

static int read_store(const char *state_dir, const char *table, const char *format,
		      struct drip_str *out, struct drip_error *err)
{
	drip_autoptr(drip_store) store = NULL;
	int rc = drip_store_open(state_dir, DRIP_STORE_READ, &store, err);

	return rc == 0 ? drip_lineage_render(store, "dripline", table, NULL, format, out, err) : rc;
}

int drip_cmd_lineage(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", "dot", "openlineage", NULL};
	drip_autostr out = DRIP_STR_INIT;
	struct drip_error err = DRIP_ERROR_INIT;
	const char *operands[1], *state = NULL, *format = "text";
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "format", .text = &format, .choices = formats},
					{.name = NULL}};
	int rc, status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	rc = ask_daemon(drip_client_state_dir(state), operands[0], format, &out, &err);
	rc = rc == 1 ? read_store(drip_client_state_dir(state), operands[0], format, &out, &err)
		     : rc;
	if (rc < 0) {
		return drip_client_print_error("lineage", &err);
	}
	fputs(drip_str_text(&out), stdout);
	return DRIP_EXIT_OK;
}
