/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline validate`: loads configuration files, prints every finding, and runs nothing. Each path
 * is loaded by itself, as `run` would a file and `daemon` a folder.
 */
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/load.h"

#include <stdio.h>
#include <string.h>

int drip_cmd_validate(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct drip_cli_load load = {.each = true};
	const char *format = "text";
	const struct drip_arg args[] = {
		{.name = "connect", .flag = &load.connect},
		{.name = "state", .text = &load.state_dir},
		{.name = "format", .letter = 'f', .text = &format, .choices = formats},
		{.name = "plugin-dir", .list = &load.plugin_dirs},
		{.name = NULL},
	};
	int status = drip_cli_load_args(&load, argc, argv, args, 0);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	status = drip_cli_load(&load);
	if (load.registry != NULL && strcmp(format, "json") == 0) {
		drip_findings_print_json(&load.findings, stdout);
	} else if (load.registry != NULL) {
		drip_findings_print_text(&load.findings, stdout);
		printf("%zu file%s, %zu error%s, %zu warning%s\n", load.files,
		       load.files == 1 ? "" : "s", load.findings.errors,
		       load.findings.errors == 1 ? "" : "s", load.findings.warnings,
		       load.findings.warnings == 1 ? "" : "s");
	}
	drip_cli_load_finish(&load);
	return status;
}
