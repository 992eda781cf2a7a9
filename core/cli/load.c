/* SPDX-License-Identifier: Apache-2.0 */
/* Loading for commands that only look. The plugin cache is read, never written. */
#include "cli/load.h"

#include "cli/commands.h"
#include "store/models.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads the store where there is one, and makes nothing. */
static int load_checkpoint(const char *state_dir, const char *pipeline, struct drip_position **ret,
			   size_t *ret_count, struct drip_error *err)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	int rc = drip_store_open(state_dir, DRIP_STORE_READ, &store, &ignored);

	*ret_count = 0;
	if (rc == 0) {
		rc = drip_store_load_positions(store, pipeline, ret, ret_count, err);
	} else if (rc != -ENOENT && err != NULL) {
		*err = ignored;
	}
	drip_store_close(store);
	return rc == -ENOENT ? 0 : rc;
}

struct signature {
	char *json;
	int64_t version;
};

static int take_signature(const struct drip_store_version *v, void *data)
{
	struct signature *s = data;

	if (strcmp(v->stage, DRIP_STAGE_PRODUCTION) == 0) {
		s->json = strdup(v->features_json);
		s->version = v->version;
		return s->json != NULL ? 1 : -ENOMEM;
	}
	return 0;
}

/* Reads the store where there is one, as above. */
static int load_signature(const char *state_dir, const char *model, char **ret_json,
			  int64_t *ret_version, struct drip_error *err)
{
	struct signature s = {NULL, 0};
	struct drip_store *store = NULL;
	int rc = drip_store_open(state_dir, DRIP_STORE_READ, &store, err);

	rc = rc == 0 ? drip_store_visit_versions(store, model, 0, take_signature, &s, err) : rc;
	drip_store_close(store);
	*ret_json = s.json;
	*ret_version = s.version;
	return rc < 0 ? rc : 0;
}

/* Loads `count` paths as one document; counts the files of all so far. 0 or -EINVAL, with the
 * findings. */
static int load_paths(struct drip_cli_load *load, const char *const *paths, size_t count)
{
	struct drip_load_options options = {.connect = load->connect,
					    .state_dir = load->state_dir,
					    .checkpoint = load_checkpoint,
					    .signature = load_signature,
					    .names = &load->names};
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_document_load(load->registry, paths, count, &options, &load->findings,
				    &load->document);

	if (rc == -ENOMEM) {
		drip_error_nomem(&err, 0);
		drip_findings_add_error(&load->findings, DRIP_SEVERITY_ERROR, NULL, &err);
	}
	load->files = load->names.count;
	return rc;
}

static int load_each(struct drip_cli_load *load)
{
	int failed = 0;

	for (size_t i = load->paths_first; i < load->words_count; i++) {
		int rc = load_paths(load, &load->words[i], 1);

		failed = rc != 0 ? rc : failed;
		drip_document_destroy(load->document);
		load->document = NULL;
	}
	drip_findings_sort(&load->findings);
	return failed;
}

int drip_cli_load_args(struct drip_cli_load *load, int argc, char **argv,
		       const struct drip_arg *args, size_t words)
{
	load->paths_first = words;
	return drip_args_parse(argc, argv, args, load->words, words + 1, DRIP_ARG_LIST_MAX,
			       &load->words_count);
}

int drip_cli_load(struct drip_cli_load *load)
{
	char cache[PATH_MAX];
	struct drip_registry_options plugins = {
		.cache_path = drip_registry_cache_path(cache, sizeof(cache)),
		.dirs = load->plugin_dirs.items,
		.dirs_count = load->plugin_dirs.count,
		.cache_read_only = true};
	struct drip_error err = DRIP_ERROR_INIT;
	int rc;

	drip_findings_init(&load->findings);
	rc = drip_registry_create(&plugins, &load->registry, &err);
	if (rc < 0) {
		fprintf(stderr, "dripline: %s [%s]\n", err.message, err.code);
		return DRIP_EXIT_ENVIRONMENT;
	}
	rc = load->each ? load_each(load)
			: load_paths(load, load->words + load->paths_first,
				     load->words_count - load->paths_first);
	if (rc == 0) {
		return DRIP_EXIT_OK;
	}
	return load->findings.environment ? DRIP_EXIT_ENVIRONMENT : DRIP_EXIT_INVALID;
}

void drip_cli_load_finish(struct drip_cli_load *load)
{
	drip_document_destroy(load->document);
	drip_findings_finish(&load->findings);
	drip_file_names_finish(&load->names);
	if (load->registry != NULL) {
		drip_registry_destroy(load->registry);
	}
}
