/* SPDX-License-Identifier: Apache-2.0 */
/* Loading for commands that only look. The plugin cache is read, never written. */
#include "cli/load.h"

#include "cli/commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int drip_cli_load(struct drip_cli_load *load)
{
	struct drip_registry_options plugins = {.dirs = load->plugin_dirs,
						.dirs_count = load->plugin_dirs_count,
						.cache_read_only = true};
	struct drip_load_options options = {.connect = load->connect};
	struct drip_error err = DRIP_ERROR_INIT;
	int rc;

	drip_findings_init(&load->findings);
	rc = drip_registry_create(&plugins, &load->registry, &err);
	if (rc < 0) {
		fprintf(stderr, "dripline: %s [%s]\n", err.message, err.code);
		return DRIP_EXIT_ENVIRONMENT;
	}
	rc = drip_document_load(load->registry, load->paths, load->paths_count, &options,
				&load->findings, &load->document);
	if (rc == 0) {
		load->files = load->document->files_count;
		return DRIP_EXIT_OK;
	}
	if (rc == -ENOMEM) {
		drip_error_nomem(&err, 0);
		drip_findings_add_error(&load->findings, DRIP_SEVERITY_ERROR, NULL, &err);
	}
	load->files = load->document != NULL ? load->document->files_count : 0;
	return load->findings.environment ? DRIP_EXIT_ENVIRONMENT : DRIP_EXIT_INVALID;
}

void drip_cli_load_finish(struct drip_cli_load *load)
{
	drip_document_destroy(load->document);
	drip_findings_finish(&load->findings);
	if (load->registry != NULL) {
		drip_registry_destroy(load->registry);
	}
}
