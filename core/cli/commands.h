/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of the dripline program. Each takes its own argv ([0] is the command's name) and
 * returns the exit status: 0 ok, 1 failed while running, 2 invalid input or configuration, 3 the
 * environment. Each command prints its own help for --help.
 */
#ifndef DRIPLINE_CLI_COMMANDS_H
#define DRIPLINE_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

enum drip_exit {
	DRIP_EXIT_OK = 0,
	DRIP_EXIT_FAILED = 1,
	DRIP_EXIT_INVALID = 2,
	DRIP_EXIT_ENVIRONMENT = 3,
};

typedef int drip_command_run(int argc, char **argv);

struct drip_command {
	const char *name;
	drip_command_run *run;
	const char *summary; /* one line */
	const char *usage;   /* "dripline run FILE [options]" */
	const char *help;    /* what --help prints below the usage */
};

drip_command_run drip_cmd_run, drip_cmd_daemon, drip_cmd_validate, drip_cmd_plan, drip_cmd_ddl,
	drip_cmd_schema, drip_cmd_plugins, drip_cmd_new, drip_cmd_docs, drip_cmd_status,
	drip_cmd_top, drip_cmd_tap, drip_cmd_pause, drip_cmd_resume, drip_cmd_trigger,
	drip_cmd_reload, drip_cmd_checkpoint, drip_cmd_lineage, drip_cmd_dlq, drip_cmd_policy,
	drip_cmd_key, drip_cmd_audit, drip_cmd_keyring, drip_cmd_model, drip_cmd_quality;

/* The table, ended by a NULL name. */
extern const struct drip_command drip_commands[];
/* NULL where there is none of that name. */
const struct drip_command *drip_command_find(const char *name);
/* Prints usage and help of a command to stdout. */
void drip_command_print_help(const struct drip_command *command);
/* True where `--help` or `-h` stands in argv before a "--". */
bool drip_command_wants_help(int argc, char **argv);

#endif
