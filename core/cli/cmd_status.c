/* SPDX-License-Identifier: Apache-2.0 */
/* dripline status, pause, resume, trigger and reload. */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/progress.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);

static const char *const formats[] = {"text", "json", NULL};

/* {"pipeline": NAME}, or {} for NULL. */
static void pipeline_arguments(struct drip_str *s, const char *pipeline)
{
	struct drip_json j;

	drip_json_init(&j, s);
	drip_json_begin_object(&j);
	if (pipeline != NULL) {
		drip_json_put_string(&j, "pipeline", pipeline);
	}
	drip_json_end_object(&j);
}

static const char *seconds_of(const struct drip_json_node *node, const char *key, char *buf,
			      size_t size)
{
	return drip_format_seconds(drip_json_get_double(node, key, -1), buf, size);
}

static void print_pipeline(const struct drip_json_node *p)
{
	const struct drip_json_node *error = drip_json_get(p, "last_error");
	char in[32], out[32], dead[32], lag[24], age[24];

	printf("%-24s %-10s %15s %15s %10s %9s %9s  %s\n", drip_json_get_string(p, "name", ""),
	       drip_json_get_string(p, "state", ""),
	       drip_format_count(drip_json_get_int(p, "rows_in", 0), in, sizeof(in)),
	       drip_format_count(drip_json_get_int(p, "rows_out", 0), out, sizeof(out)),
	       drip_format_count(drip_json_get_int(p, "rows_dead", 0), dead, sizeof(dead)),
	       seconds_of(p, "lag_seconds", lag, sizeof(lag)),
	       seconds_of(p, "checkpoint_age_seconds", age, sizeof(age)),
	       drip_json_get_string(p, "position", ""));
	if (error != NULL) {
		double checkpoint_age = drip_json_get_double(p, "checkpoint_age_seconds", -1);
		double error_age = drip_json_get_double(p, "last_error_age_seconds", -1);

		printf("  last error, %s ago%s: %s [%s]\n",
		       seconds_of(p, "last_error_age_seconds", age, sizeof(age)),
		       checkpoint_age >= 0 && checkpoint_age < error_age ? " and with commits since"
									 : "",
		       drip_json_get_string(error, "message", ""),
		       drip_json_get_string(error, "code", ""));
	}
}

static void print_stages(const struct drip_json_node *p)
{
	const struct drip_json_node *stages = drip_json_get(p, "stages");

	printf("\n  %-10s %-24s %15s %15s %12s %10s %22s\n", "", "stage", "rows in", "rows out",
	       "filtered", "dead", "queue");
	for (const struct drip_json_node *s = stages != NULL ? stages->first : NULL; s != NULL;
	     s = s->next) {
		char in[32], out[32], filtered[32], dead[32], queue[24], limit[24], both[52];

		snprintf(both, sizeof(both), "%s of %s",
			 drip_format_bytes((uint64_t)drip_json_get_int(s, "queue_bytes", 0), queue,
					   sizeof(queue)),
			 drip_format_bytes((uint64_t)drip_json_get_int(s, "queue_limit_bytes", 0),
					   limit, sizeof(limit)));
		printf("  %-10s %-24s %15s %15s %12s %10s %22s\n",
		       drip_json_get_string(s, "kind", ""), drip_json_get_string(s, "id", ""),
		       drip_format_count(drip_json_get_int(s, "rows_in", 0), in, sizeof(in)),
		       drip_format_count(drip_json_get_int(s, "rows_out", 0), out, sizeof(out)),
		       drip_format_count(drip_json_get_int(s, "rows_filtered", 0), filtered,
					 sizeof(filtered)),
		       drip_format_count(drip_json_get_int(s, "rows_dead", 0), dead, sizeof(dead)),
		       drip_json_get_int(s, "queue_limit_bytes", 0) != 0 ? both : "");
	}
}

static void print_status(const struct drip_json_node *result, bool with_stages)
{
	const struct drip_json_node *pipelines = drip_json_get(result, "pipelines");
	char up[24], rss[24];

	printf("dripline %s, pid %lld, up %s, %s resident\n\n",
	       drip_json_get_string(result, "version", ""),
	       (long long)drip_json_get_int(result, "pid", 0),
	       seconds_of(result, "uptime_seconds", up, sizeof(up)),
	       drip_format_bytes((uint64_t)drip_json_get_int(result, "rss_bytes", 0), rss,
				 sizeof(rss)));
	printf("%-24s %-10s %15s %15s %10s %9s %9s  %s\n", "pipeline", "state", "rows in",
	       "rows out", "dead", "lag", "commit", "position");
	for (const struct drip_json_node *p = pipelines != NULL ? pipelines->first : NULL;
	     p != NULL; p = p->next) {
		print_pipeline(p);
		if (with_stages) {
			print_stages(p);
		}
	}
}

int drip_cmd_status(int argc, char **argv)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr arguments = DRIP_STR_INIT;
	const struct drip_json_node *result;
	const char *operands[1] = {NULL}, *state = NULL, *format = "text";
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "format", .text = &format, .choices = formats},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 0, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	pipeline_arguments(&arguments, operands[0]);
	status = drip_client_ask("status", state, "status", drip_str_text(&arguments), &tree,
				 &result);
	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (strcmp(format, "json") == 0) {
		return drip_client_print_json(result);
	}
	print_status(result, operands[0] != NULL);
	return DRIP_EXIT_OK;
}

int drip_cmd_trigger(int argc, char **argv)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr arguments = DRIP_STR_INIT;
	const struct drip_json_node *result;
	const char *operands[1] = {NULL}, *state = NULL;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state}, {.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	pipeline_arguments(&arguments, operands[0]);
	status = drip_client_ask("trigger", state, "trigger", drip_str_text(&arguments), &tree,
				 &result);
	if (status == DRIP_EXIT_OK) {
		printf("pipeline %s: triggered\n", operands[0]);
	}
	return status;
}

/* What the new files are warned of, to stderr as `daemon` does at its start. */
static void print_warnings(const struct drip_json_node *list)
{
	for (const struct drip_json_node *w = list != NULL ? list->first : NULL; w != NULL;
	     w = w->next) {
		const char *hint = drip_json_get_string(w, "hint", NULL);

		fprintf(stderr, "%s:%lld:%lld: warning: %s [%s]\n",
			drip_json_get_string(w, "file", ""),
			(long long)drip_json_get_int(w, "line", 0),
			(long long)drip_json_get_int(w, "column", 0),
			drip_json_get_string(w, "message", ""),
			drip_json_get_string(w, "code", ""));
		if (hint != NULL) {
			fprintf(stderr, "  hint: %s\n", hint);
		}
	}
}

int drip_cmd_reload(int argc, char **argv)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result;
	const char *state = NULL;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state}, {.name = NULL}};
	int status = drip_args_parse(argc, argv, args, NULL, 0, 0, &count);

	if (status == DRIP_EXIT_OK) {
		status = drip_client_ask("reload", state, "reload", "{}", &tree, &result);
	}
	if (status == DRIP_EXIT_OK) {
		print_warnings(drip_json_get(result, "warnings"));
		puts("reloaded");
	}
	return status;
}

#define PAUSE_POLL_MS     20
#define PAUSE_TIMEOUT_SEC 60

/* Nothing is written for it until it is resumed. */
static bool at_rest(const char *state)
{
	static const char *const states[] = {"paused", "finished", "failed", "stopped"};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(state, states[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* A pause holds once what was read is committed; a backup must not begin before. */
static int wait_for_rest(const char *state, const char *pipeline, const char *arguments,
			 int64_t timeout_sec)
{
	for (int64_t left_ms = timeout_sec * 1000;; left_ms -= PAUSE_POLL_MS) {
		drip_autoptr(drip_json_tree) tree = NULL;
		const struct drip_json_node *result, *list;
		const char *now;
		int status = drip_client_ask("pause", state, "status", arguments, &tree, &result);

		if (status != DRIP_EXIT_OK) {
			return status;
		}
		list = drip_json_get(result, "pipelines");
		now = list != NULL && list->first != NULL
			      ? drip_json_get_string(list->first, "state", "")
			      : "";
		if (at_rest(now)) {
			printf("pipeline %s: %s\n", pipeline, now);
			return DRIP_EXIT_OK;
		}
		if (left_ms <= 0) {
			fprintf(stderr,
				"dripline pause: pipeline %s is still %s; it pauses once what it "
				"has read is committed\n",
				pipeline, now);
			return DRIP_EXIT_FAILED;
		}
		(void)poll(NULL, 0, PAUSE_POLL_MS);
	}
}

int drip_cmd_pause(int argc, char **argv)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr arguments = DRIP_STR_INIT;
	const struct drip_json_node *result;
	const char *operands[1] = {NULL}, *state = NULL;
	int64_t timeout = PAUSE_TIMEOUT_SEC;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "timeout", .number = &timeout},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	pipeline_arguments(&arguments, operands[0]);
	status =
		drip_client_ask("pause", state, "pause", drip_str_text(&arguments), &tree, &result);
	return status != DRIP_EXIT_OK
		       ? status
		       : wait_for_rest(state, operands[0], drip_str_text(&arguments), timeout);
}

int drip_cmd_resume(int argc, char **argv)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr arguments = DRIP_STR_INIT;
	const struct drip_json_node *result;
	const char *operands[1] = {NULL}, *state = NULL;
	bool quarantine_break = false;
	struct drip_json j;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "quarantine-break", .flag = &quarantine_break},
					{.name = NULL}};
	int status = drip_args_parse(argc, argv, args, operands, 1, 1, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	drip_json_init(&j, &arguments);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "pipeline", operands[0]);
	drip_json_put_bool(&j, "quarantine_break", quarantine_break);
	drip_json_end_object(&j);
	status = drip_client_ask("resume", state, "resume", drip_str_text(&arguments), &tree,
				 &result);
	if (status == DRIP_EXIT_OK) {
		printf("pipeline %s: resumed\n", operands[0]);
	}
	return status;
}
