/* SPDX-License-Identifier: Apache-2.0 */
/* What validate and plan begin with: a registry that writes nothing, and a loaded document. */
#ifndef DRIPLINE_CLI_LOAD_H
#define DRIPLINE_CLI_LOAD_H

#include "cli/args.h"
#include "engine/graph.h"

struct drip_cli_load {
	/* in */
	bool connect;
	const char *state_dir; /* NULL: settings.state */
	struct drip_arg_list plugin_dirs;
	const char *words[DRIP_ARG_LIST_MAX]; /* operands */
	size_t words_count, paths_first;      /* the paths are the last of them */
	bool each; /* every path is a document of its own; `document` stays NULL */
	/* out */
	struct drip_registry *registry;
	struct drip_document *document; /* may be NULL */
	struct drip_findings findings;
	size_t files;                 /* each once */
	struct drip_file_names names; /* private */
};

/* Reads the command's arguments: `words` operands, then paths, at least one. As drip_args_parse. */
int drip_cli_load_args(struct drip_cli_load *load, int argc, char **argv,
		       const struct drip_arg *args, size_t words);
/* Returns the exit status: DRIP_EXIT_OK, DRIP_EXIT_INVALID, or DRIP_EXIT_ENVIRONMENT where a
 * problem is one of the environment. Prints only where there is no registry to load with. Finish
 * in every case. */
int drip_cli_load(struct drip_cli_load *load);
void drip_cli_load_finish(struct drip_cli_load *load);

/* "duckdb" or "redshift", for statements that are printed; cmd_ddl.c. */
const struct drip_sql_dialect *drip_cli_dialect(const char *name);

#endif
