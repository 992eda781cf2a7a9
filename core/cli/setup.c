/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `daemon` have in common. */
#include "cli/setup.h"

#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const drip_log_levels[] = {"error", "warning", "info", "debug", NULL};
const char *const drip_log_formats[] = {"logfmt", "json", NULL};

const char *drip_state_dir_given(const char *option)
{
	const char *environment = getenv("DRIPLINE_STATE");

	if (option != NULL) {
		return option;
	}
	return environment != NULL && environment[0] != '\0' ? environment : NULL;
}

static void print_rest(const struct drip_error *err)
{
	if (err->place[0] != '\0') {
		fprintf(stderr, "  at: %s\n", err->place);
	}
	if (err->hint[0] != '\0') {
		fprintf(stderr, "  hint: %s\n", err->hint);
	}
}

int drip_print_error(const char *command, const struct drip_error *err)
{
	fprintf(stderr, "dripline %s: %s [%s]\n", command, err->message, err->code);
	print_rest(err);
	switch (err->rc) {
	case -EINVAL:
	case -E2BIG:
	case -EOPNOTSUPP:
		return DRIP_EXIT_INVALID;
	default:
		return DRIP_EXIT_ENVIRONMENT;
	}
}

void drip_print_pipeline_error(const char *command, const char *pipeline,
			       const struct drip_error *err)
{
	fprintf(stderr, "dripline %s: pipeline %s: %s [%s]\n", command, pipeline, err->message,
		err->code);
	print_rest(err);
}

int drip_setup_open(const char *command, struct drip_setup *setup, struct drip_app **ret)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_findings findings;
	int rc, status = DRIP_EXIT_OK;

	setup->options.state_dir = drip_state_dir_given(setup->state_dir);
	setup->options.plugin_dirs = setup->plugin_dirs.items;
	setup->options.plugin_dirs_count = setup->plugin_dirs.count;
	setup->options.log_level = setup->log_level;
	setup->options.log_format = setup->log_format;
	drip_findings_init(&findings);
	rc = drip_app_open(&setup->options, &findings, ret, &err);
	/* Notes alone are for `validate`. */
	if (findings.errors != 0 || findings.warnings != 0) {
		drip_findings_sort(&findings);
		drip_findings_print_text(&findings, stderr);
	}
	if (rc < 0 && findings.errors != 0) {
		status = findings.environment ? DRIP_EXIT_ENVIRONMENT : DRIP_EXIT_INVALID;
	} else if (rc < 0) {
		err.rc = err.rc != 0 ? err.rc : rc;
		drip_print_error(command, &err);
		status = DRIP_EXIT_ENVIRONMENT;
	}
	drip_findings_finish(&findings);
	return status;
}
