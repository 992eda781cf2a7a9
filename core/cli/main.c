/* SPDX-License-Identifier: Apache-2.0 */
/* The program: finds the command and runs it. */
#include "cli/commands.h"

#include <dripline/dripline.h>
#include <dripline/suggest.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ARENAS_MAX 4 /* heaps of malloc: one a thread would hold on to what a burst needed */

static void print_usage(FILE *out)
{
	fprintf(out,
		"usage: dripline COMMAND [arguments]\n\n"
		"Turns operational databases into a data platform: runs the pipelines that YAML "
		"files describe.\n\ncommands:\n");
	for (const struct drip_command *c = drip_commands; c->name != NULL; c++) {
		fprintf(out, "  %-11s %s\n", c->name, c->summary);
	}
	fprintf(out, "  %-11s %s\n  %-11s %s\n\n", "version", "print versions", "help",
		"print this, or the help of a command");
	fprintf(out, "exit status: 0 ok, 1 failed while running, 2 invalid input or "
		     "configuration, 3 the environment\n");
}

static int too_many(const char *command, const char *argument)
{
	fprintf(stderr, "dripline %s: one argument too many: %s\n  hint: See `dripline help`.\n",
		command, argument);
	return DRIP_EXIT_INVALID;
}

static int print_version(int argc, char **argv)
{
	if (argc > 1) {
		return too_many("version", argv[1]);
	}
	printf("dripline %s\nplugin ABI %d.%d\n", DRIP_SDK_VERSION, DRIP_ABI_MAJOR, DRIP_ABI_MINOR);
	return DRIP_EXIT_OK;
}

static int unknown_command(const char *name)
{
	struct drip_suggestion s = {.wrong = name};

	for (const struct drip_command *c = drip_commands; c->name != NULL; c++) {
		drip_suggestion_offer(&s, c->name);
	}
	drip_suggestion_offer(&s, "version");
	drip_suggestion_offer(&s, "help");
	fprintf(stderr, "dripline: unknown command \"%s\"\n", name);
	if (s.best != NULL) {
		fprintf(stderr, "  hint: Did you mean `dripline %s`?\n", s.best);
	} else {
		fprintf(stderr, "  hint: `dripline help` lists the commands.\n");
	}
	return DRIP_EXIT_INVALID;
}

static int run_command(const struct drip_command *command, int argc, char **argv)
{
	if (command->help != NULL && drip_command_wants_help(argc, argv)) {
		drip_command_print_help(command);
		return DRIP_EXIT_OK;
	}
	return command->run(argc, argv);
}

static int help(int argc, char **argv)
{
	const struct drip_command *command;
	char flag[] = "--help";
	char *arguments[] = {argv[1], flag, NULL};

	if (argc < 2) {
		print_usage(stdout);
		return DRIP_EXIT_OK;
	}
	if (argc > 2) {
		return too_many("help", argv[2]);
	}
	command = drip_command_find(argv[1]);
	if (command != NULL) {
		return run_command(command, 2, arguments);
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "version") == 0) {
		print_usage(stdout);
		return DRIP_EXIT_OK;
	}
	return unknown_command(argv[1]);
}

/* What was printed must have reached its reader: a full disk behind `>` is a failure. */
static int finish(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		if (status == DRIP_EXIT_OK) {
			fprintf(stderr, "dripline: could not write to standard output\n");
			return DRIP_EXIT_ENVIRONMENT;
		}
	}
	return status;
}

int main(int argc, char **argv)
{
	const struct drip_command *command;

	setlocale(LC_CTYPE, "C.UTF-8");
	mallopt(M_ARENA_MAX, ARENAS_MAX);
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2) {
		print_usage(stderr);
		return DRIP_EXIT_INVALID;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0) {
		return finish(help(argc - 1, argv + 1));
	}
	if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0 ||
	    strcmp(argv[1], "-V") == 0) {
		return finish(print_version(argc - 1, argv + 1));
	}
	command = drip_command_find(argv[1]);
	if (command == NULL) {
		return unknown_command(argv[1]);
	}
	return finish(run_command(command, argc - 1, argv + 1));
}
