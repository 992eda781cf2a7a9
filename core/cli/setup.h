/* SPDX-License-Identifier: Apache-2.0 */
/* What `run` and `daemon` have in common: options, opening with all findings printed, errors. */
#ifndef DRIPLINE_CLI_SETUP_H
#define DRIPLINE_CLI_SETUP_H

#include "cli/args.h"
#include "serve/app.h"

struct drip_setup {
	struct drip_app_options options;
	struct drip_arg_list plugin_dirs;
	const char *state_dir, *log_level, *log_format;
};

extern const char *const drip_log_levels[], *const drip_log_formats[];

#define DRIP_SETUP_ARGS(s)                                                                         \
	{.name = "state", .text = &(s).state_dir},                                                 \
		{.name = "plugin-dir", .list = &(s).plugin_dirs},                                  \
		{.name = "log-level", .text = &(s).log_level, .choices = drip_log_levels},         \
	{                                                                                          \
		.name = "log-format", .text = &(s).log_format, .choices = drip_log_formats         \
	}

/* Opens the app; prints findings and errors. Returns the exit status. */
int drip_setup_open(const char *command, struct drip_setup *setup, struct drip_app **ret);
/* --state, else DRIPLINE_STATE, else NULL. */
const char *drip_state_dir_given(const char *option);
/* Prints "dripline COMMAND: message [code]" and the hint; returns the exit status that fits: 2 for
 * invalid input, 3 for the environment. */
int drip_print_error(const char *command, const struct drip_error *err);
void drip_print_pipeline_error(const char *command, const char *pipeline,
			       const struct drip_error *err);

#endif
