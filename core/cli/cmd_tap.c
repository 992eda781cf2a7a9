/* SPDX-License-Identifier: Apache-2.0 */
/* dripline tap: rows that pass a stage, as JSON lines, until the limit or a signal. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_client, drip_client_close);

/* "PIPELINE.STAGE": the part behind the first dot is the stage; neither name holds one. */
static void tap_arguments(struct drip_str *s, const char *target, int64_t limit, bool reveal)
{
	struct drip_json j;
	size_t size = strcspn(target, ".");

	drip_json_init(&j, s);
	drip_json_begin_object(&j);
	drip_json_key(&j, "pipeline");
	drip_json_string_n(&j, target, size);
	if (target[size] == '.') {
		drip_json_put_string(&j, "stage", target + size + 1);
	}
	if (limit > 0) {
		drip_json_put_int(&j, "limit", limit);
	}
	drip_json_put_bool(&j, "reveal", reveal);
	drip_json_end_object(&j);
}

/* 1: go on. */
static int print_next(struct drip_client *client, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL, *event = NULL;
	int64_t dropped;
	int rc = drip_client_receive(client, &tree, &result, &event, err);

	if (rc < 0) {
		return rc;
	}
	if (event != NULL) {
		drip_client_print_json(event);
		if (!drip_client_has_line(client)) {
			fflush(stdout);
		}
		return ferror(stdout) != 0 ? 0 : 1;
	}
	dropped = drip_json_get_int(result, "dropped", 0);
	if (dropped > 0) {
		fprintf(stderr, "%" PRId64 " rows were left out\n", dropped);
	}
	return 0;
}

int drip_cmd_tap(int argc, char **argv)
{
	drip_autoptr(drip_client) client = NULL;
	drip_autostr arguments = DRIP_STR_INIT;
	struct drip_error err = DRIP_ERROR_INIT;
	const char *operands[1], *state = NULL;
	int64_t limit = 0;
	bool reveal = false;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "limit", .letter = 'n', .number = &limit},
					{.name = "reveal", .flag = &reveal},
					{.name = NULL}};
	int rc, status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	tap_arguments(&arguments, operands[0], limit, reveal);
	rc = drip_client_open(drip_client_state_dir(state), &client, &err);
	rc = rc == 0 ? drip_client_send(client, "tap", drip_str_text(&arguments), &err) : rc;
	if (rc == 0) {
		do {
			rc = print_next(client, &err);
		} while (rc == 1);
	}
	return rc < 0 ? drip_client_print_error("tap", &err) : DRIP_EXIT_OK;
}
