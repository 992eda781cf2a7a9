/* SPDX-License-Identifier: Apache-2.0 */
/* Finding and reading the files of a document: folders, includes, each file once, no cycles. */
#include "base/alloc.h"
#include "engine/graph_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void report_unreadable(struct graph *g, const struct drip_place *place, const char *path,
			      int number)
{
	g->findings->environment = true;
	drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, place, "config.unreadable_file",
			  "Check the path and its permissions.", "could not read %s: %s", path,
			  strerror(number));
}

static uint64_t hash_of(const char *text)
{
	return drip_hash_bytes(text, strlen(text), 0);
}

static struct graph_file *find_file(struct graph *g, const char *canonical)
{
	uint64_t hash = hash_of(canonical);

	for (size_t i = 0; i < g->files_count; i++) {
		if (g->files[i]->hash == hash && strcmp(g->files[i]->canonical, canonical) == 0) {
			return g->files[i];
		}
	}
	return NULL;
}

/* ---- names of several documents ---- */

struct drip_file_name {
	char *canonical, *path;
	uint64_t hash;
};

void drip_file_names_finish(struct drip_file_names *names)
{
	for (size_t i = 0; i < names->count; i++) {
		free(names->items[i].canonical);
		free(names->items[i].path);
	}
	free(names->items);
	*names = (struct drip_file_names){0};
}

static int add_name(struct drip_file_names *names, const char *path, const char *canonical,
		    uint64_t hash)
{
	struct drip_file_name *item;

	if (!drip_grow((void **)&names->items, &names->capacity, names->count + 1, sizeof(*item))) {
		return -ENOMEM;
	}
	item = &names->items[names->count++];
	*item = (struct drip_file_name){drip_strdup(canonical), drip_strdup(path), hash};
	return item->canonical != NULL && item->path != NULL ? 0 : -ENOMEM;
}

/* Puts the path by which an earlier document reached the file into *path. A link is a file of its
 * own: what stands in it is relative to where it is. */
static int share_name(struct graph *g, const char *canonical, const char **path)
{
	struct drip_file_names *names = g->options->names;
	struct stat st;
	uint64_t hash;

	if (names == NULL) {
		return 0;
	}
	if (lstat(*path, &st) == 0 && S_ISLNK(st.st_mode)) {
		canonical = *path;
	}
	hash = hash_of(canonical);
	for (size_t i = 0; i < names->count; i++) {
		if (names->items[i].hash == hash &&
		    strcmp(names->items[i].canonical, canonical) == 0) {
			*path = names->items[i].path;
			return 0;
		}
	}
	return add_name(names, *path, canonical, hash);
}

static int add_file(struct graph *g, const char *path, const char *canonical,
		    const struct graph_file *from, struct graph_file **ret)
{
	struct graph_file *file = drip_arena_alloc(&g->arena, sizeof(*file));

	if (file == NULL || !drip_grow((void **)&g->files, &g->files_capacity, g->files_count + 1,
				       sizeof(struct graph_file *))) {
		return -ENOMEM;
	}
	if (share_name(g, canonical, &path) < 0) {
		return -ENOMEM;
	}
	file->path = drip_arena_strdup(&g->arena, path);
	file->canonical = drip_arena_strdup(&g->arena, canonical);
	file->hash = hash_of(canonical);
	file->from = from;
	g->files[g->files_count++] = file;
	*ret = file;
	return file->path != NULL && file->canonical != NULL ? 0 : -ENOMEM;
}

/* "a.yaml includes b.yaml includes a.yaml" */
static void report_cycle(struct graph *g, const struct drip_place *place,
			 const struct graph_file *from, const struct graph_file *again)
{
	const struct graph_file *chain[16];
	size_t count = 0, used;
	char text[1024];

	for (const struct graph_file *f = from; f != NULL && count < DRIP_COUNT(chain);
	     f = f->from) {
		chain[count++] = f;
		if (f == again) {
			break;
		}
	}
	used = (size_t)snprintf(text, sizeof(text), "%s", again->path);
	while (count > 0 && used < sizeof(text)) {
		count--;
		if (chain[count] != again) {
			used += (size_t)snprintf(text + used, sizeof(text) - used, " -> %s",
						 chain[count]->path);
		}
	}
	drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, place, "config.include_cycle",
			  "Remove one of the includes.",
			  "files include each other in a circle: %s -> %s", text, again->path);
}

static int load_any(struct graph *g, const char *path, const struct drip_place *place,
		    const struct graph_file *from);

static int load_includes(struct graph *g, struct graph_file *file)
{
	const struct drip_node *node = drip_node_get(file->root, "include");
	struct drip_node *one = (struct drip_node *)(uintptr_t)node;
	struct drip_node *const *items = &one;
	size_t count = node != NULL;
	const char *slash = strrchr(file->path, '/');
	int folder = slash != NULL ? (int)(slash - file->path) + 1 : 0;

	if (node != NULL && node->kind == DRIP_NODE_SEQUENCE) {
		items = node->items;
		count = node->count;
	}
	for (size_t i = 0; i < count; i++) {
		char path[4096];
		int rc;

		if (items[i]->kind != DRIP_NODE_SCALAR || items[i]->null || items[i]->broken) {
			continue; /* the binder reports it */
		}
		snprintf(path, sizeof(path), "%.*s%s", items[i]->text[0] == '/' ? 0 : folder,
			 file->path, items[i]->text);
		rc = load_any(g, path, &items[i]->place, file);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static int bind_file(struct graph *g, struct graph_file *file)
{
	struct graph_table table = graph_file_table();
	struct drip_known known[] = {{.options = table.options, .options_count = table.count},
				     {.names = graph_section_names}};
	struct drip_binder b = {
		.arena = &g->arena, .findings = g->findings, .what = "the file", .prefix = ""};

	drip_bind_unknown(&b, file->root, known, 2);
	return drip_bind_values(&b, file->root, table.options, table.count, &file->config);
}

static int read_file(struct graph *g, struct graph_file *file)
{
	struct drip_node *root = NULL;
	size_t errors = g->findings->errors;
	struct drip_place place = {file->path, 1, 1};
	int rc = drip_yaml_load(&g->arena, file->path, g->findings, &root);

	if (rc == -ENOMEM) {
		return rc;
	}
	if (g->findings->errors > errors && (root == NULL || root->incomplete)) {
		graph_lose_file(g, file, root);
	}
	if (root == NULL || (root->kind == DRIP_NODE_SCALAR && root->null)) {
		if (g->findings->errors == errors) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &place,
					  "config.empty_file", "Remove it, or give it a pipeline.",
					  "the file declares nothing");
		}
		return 0;
	}
	if (root->kind != DRIP_NODE_MAP) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &root->place,
				  "config.not_a_map",
				  "A file begins with keys such as `pipeline:` or `connections:`.",
				  "a file must hold a map, not %s", drip_node_describe(root));
		return 0;
	}
	rc = drip_yaml_interpolate(&g->arena, root, g->findings);
	if (rc == -ENOMEM) {
		return rc;
	}
	file->root = root;
	return bind_file(g, file);
}

static int load_file(struct graph *g, const char *path, const struct drip_place *place,
		     const struct graph_file *from)
{
	char *canonical = realpath(path, NULL);
	struct graph_file *file;
	int rc;

	if (canonical == NULL) {
		rc = errno;
		report_unreadable(g, place, path, rc);
		return rc == ENOMEM ? -ENOMEM : 0;
	}
	file = find_file(g, canonical);
	if (file != NULL || g->files_count >= GRAPH_FILES_MAX) {
		if (file == NULL) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, place,
					  "config.too_large", NULL, "more than %d files",
					  GRAPH_FILES_MAX);
		} else if (file->open) {
			report_cycle(g, place, from, file);
		}
		free(canonical);
		return 0;
	}
	rc = add_file(g, path, canonical, from, &file);
	free(canonical);
	rc = rc < 0 ? rc : read_file(g, file);
	if (rc < 0) {
		return rc;
	}
	file->open = true;
	rc = load_includes(g, file);
	file->open = false;
	return rc;
}

static int is_yaml(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot != NULL &&
	       (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* A folder is its file GRAPH_MAIN_FILE where it has one, otherwise all of its YAML files. */
static int load_folder(struct graph *g, const char *folder, const struct drip_place *place,
		       const struct graph_file *from)
{
	struct dirent **entries = NULL;
	int count, rc = 0;
	size_t size = strlen(folder);
	char path[4096];

	while (size > 1 && folder[size - 1] == '/') {
		size--;
	}
	snprintf(path, sizeof(path), "%.*s/" GRAPH_MAIN_FILE, (int)size, folder);
	if (access(path, F_OK) == 0) {
		return load_file(g, path, place, from);
	}
	count = scandir(folder, &entries, is_yaml, by_name);
	if (count < 0) {
		rc = errno;
		report_unreadable(g, place, folder, rc);
		return rc == ENOMEM ? -ENOMEM : 0;
	}
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "%.*s/%s", (int)size, folder, entries[i]->d_name);
		rc = rc < 0 ? rc : load_file(g, path, place, from);
		free(entries[i]);
	}
	free(entries);
	if (count == 0) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, place, "config.empty_folder",
				  "Files end in .yaml or .yml.", "the folder holds no YAML file");
	}
	return rc;
}

static int load_any(struct graph *g, const char *path, const struct drip_place *place,
		    const struct graph_file *from)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		report_unreadable(g, place, path, errno);
		return 0;
	}
	return S_ISDIR(st.st_mode) ? load_folder(g, path, place, from)
				   : load_file(g, path, place, from);
}

int graph_load_path(struct graph *g, const char *path)
{
	const char *name = drip_arena_strdup(&g->arena, path);
	struct drip_place place = {name, 0, 0};

	return name == NULL ? -ENOMEM : load_any(g, path, &place, NULL);
}
