/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: finds plugin files, learns what each offers from the cache or from a probe in a
 * child process, and loads those that are used. Of two files of one name the first folder's wins;
 * of two components of one name the first file's, and the other plugin is refused as a whole.
 *
 * The list of files does not change after create. Loading is serialised by `lock`; everything else
 * may be called from any thread.
 */
#include "plugin/registry.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "plugin/private.h"

#include <dirent.h>
#include <dripline/suggest.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct drip_registry {
	struct drip_plugin_file *files;
	size_t count, capacity;
	struct stat *dirs; /* that were searched */
	size_t dirs_count, dirs_capacity;
	pthread_mutex_t lock;
};

/* ---- files ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool is_plugin_name(const char *name)
{
	size_t size = strlen(name);

	return size > 8 && strncmp(name, "drip-", 5) == 0 && strcmp(name + size - 3, ".so") == 0;
}

static int is_plugin_entry(const struct dirent *e)
{
	return is_plugin_name(e->d_name);
}

static bool is_shadowed(const struct drip_registry *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(base_name(r->files[i].path), name) == 0) {
			return true;
		}
	}
	return false;
}

static int add_file(struct drip_registry *r, const char *dir, const char *name, bool dir_open)
{
	drip_autostr path = DRIP_STR_INIT;
	struct drip_plugin_file *f;

	if (is_shadowed(r, name) || r->count >= DRIP_PLUGINS_MAX) {
		return 0;
	}
	if (!drip_grow((void **)&r->files, &r->capacity, r->count + 1, sizeof(*r->files))) {
		return -ENOMEM;
	}
	f = &r->files[r->count];
	memset(f, 0, sizeof(*f));
	drip_str_appendf(&path, "%s/%s", dir, name);
	f->path = path.rc == 0 ? drip_strdup(path.data) : NULL;
	if (f->path == NULL) {
		return -ENOMEM;
	}
	f->info.path = f->path;
	r->count++;
	if (dir_open) {
		drip_error_set(&f->info.refusal, -EPERM, "plugin.world_writable",
			       "%s: everybody may write to its folder", f->path);
	} else if (stat(f->path, &f->st) < 0) {
		drip_error_set(&f->info.refusal, -errno, "plugin.load_failed",
			       "%s: cannot read it: %s", f->path, strerror(errno));
	} else if ((f->st.st_mode & S_IWOTH) != 0) {
		drip_error_set(&f->info.refusal, -EPERM, "plugin.world_writable",
			       "%s: everybody may write to it", f->path);
	}
	if (f->info.refusal.rc == -EPERM) {
		drip_error_hint(&f->info.refusal, "Take the right away: chmod o-w.");
	}
	return 0;
}

static int add_dir(const char *dir, void *data)
{
	struct drip_registry *r = (struct drip_registry *)data;
	struct dirent **entries = NULL;
	struct stat st;
	int rc = 0, n;

	if (stat(dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		return 0;
	}
	for (size_t i = 0; i < r->dirs_count; i++) {
		if (r->dirs[i].st_dev == st.st_dev && r->dirs[i].st_ino == st.st_ino) {
			return 0;
		}
	}
	if (!drip_grow((void **)&r->dirs, &r->dirs_capacity, r->dirs_count + 1, sizeof(*r->dirs))) {
		return -ENOMEM;
	}
	r->dirs[r->dirs_count++] = st;
	n = scandir(dir, &entries, is_plugin_entry, alphasort);
	for (int i = 0; i < n; i++) {
		if (rc == 0) {
			rc = add_file(r, dir, entries[i]->d_name, (st.st_mode & S_IWOTH) != 0);
		}
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* ---- what they offer ---- */

static void learn(struct drip_plugin_file *f, const struct drip_cache *cache, int timeout_ms)
{
	struct drip_probe_result result = {.name = NULL};

	if (f->info.refusal.rc != 0) {
		return;
	}
	if (drip_cache_get(cache, f->path, &f->st, &result) < 0) {
		f->probed = true;
		if (drip_probe(f->path, timeout_ms, &result, &f->info.refusal) < 0) {
			return;
		}
	}
	f->name = result.name;
	f->components = result.components;
	f->info.name = f->name;
	f->info.components = (const char *const *)f->components;
}

static const struct drip_plugin_file *find_usable(const struct drip_registry *r, size_t before,
						  const char *component)
{
	for (size_t i = 0; i < before; i++) {
		const struct drip_plugin_file *f = &r->files[i];

		for (char **p = f->components; p != NULL && *p != NULL; p++) {
			if (f->info.refusal.rc == 0 && strcmp(*p, component) == 0) {
				return f;
			}
		}
	}
	return NULL;
}

static void refuse_duplicates(struct drip_registry *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct drip_plugin_file *f = &r->files[i];

		for (char **p = f->components; p != NULL && *p != NULL; p++) {
			const struct drip_plugin_file *first = find_usable(r, i, *p);

			if (first != NULL && f->info.refusal.rc == 0) {
				drip_error_set(&f->info.refusal, -EEXIST,
					       "plugin.duplicate_component",
					       "%s: component %s is in %s already", f->path, *p,
					       first->path);
				drip_error_hint(&f->info.refusal, "Remove one of the two files.");
			}
		}
	}
}

static void learn_all(struct drip_registry *r, const struct drip_registry_options *options)
{
	int timeout_ms =
		options->probe_timeout_ms > 0 ? options->probe_timeout_ms : DRIP_PROBE_TIMEOUT_MS;
	struct drip_cache *cache = NULL;
	bool news = false;

	if (options->cache_path != NULL) {
		drip_cache_load(options->cache_path, &cache); /* without one all is probed */
	}
	for (size_t i = 0; i < r->count; i++) {
		learn(&r->files[i], cache, timeout_ms);
		news |= r->files[i].probed && r->files[i].info.refusal.rc == 0;
	}
	drip_cache_destroy(cache);
	if (news && options->cache_path != NULL && !options->cache_read_only) {
		drip_cache_save(options->cache_path, r->files, r->count);
	}
	refuse_duplicates(r);
}

/* A folder that is asked for by name must be there; those of the search path need not. */
static int check_dirs(const struct drip_registry_options *options, struct drip_error *err)
{
	for (size_t i = 0; i < options->dirs_count; i++) {
		struct stat st;
		int rc = stat(options->dirs[i], &st) < 0 ? -errno
			 : !S_ISDIR(st.st_mode)          ? -ENOTDIR
							 : 0;

		if (rc < 0) {
			drip_error_set(err, rc, "plugin.no_folder",
				       "could not read the plugin folder %s: %s", options->dirs[i],
				       strerror(-rc));
			drip_error_hint(err, "Check the path given with --plugin-dir.");
			return rc;
		}
	}
	return 0;
}

int drip_registry_create(const struct drip_registry_options *options, struct drip_registry **ret,
			 struct drip_error *err)
{
	struct drip_registry *r;
	int rc = check_dirs(options, err);

	if (rc < 0) {
		return rc;
	}
	r = (struct drip_registry *)drip_calloc(1, sizeof(*r));
	if (r == NULL) {
		return drip_error_nomem(err, sizeof(*r));
	}
	pthread_mutex_init(&r->lock, NULL);
	rc = drip_search_dirs(options, add_dir, r);
	if (rc < 0) {
		drip_registry_destroy(r);
		return drip_error_nomem(err, sizeof(struct drip_plugin_file));
	}
	learn_all(r, options);
	*ret = r;
	return 0;
}

void drip_registry_destroy(struct drip_registry *registry)
{
	if (registry == NULL) {
		return;
	}
	for (size_t i = 0; i < registry->count; i++) {
		struct drip_plugin_file *f = &registry->files[i];
		struct drip_probe_result result = {f->name, f->components};

		drip_probe_result_finish(&result);
		free(f->path);
	}
	pthread_mutex_destroy(&registry->lock);
	free(registry->files);
	free(registry->dirs);
	free(registry);
}

size_t drip_registry_count(const struct drip_registry *registry)
{
	return registry->count;
}

const struct drip_plugin_info *drip_registry_at(const struct drip_registry *registry, size_t index)
{
	return &registry->files[index].info;
}

/* ---- loading ---- */

/* Under the lock. */
static int load_file(struct drip_plugin_file *f, struct drip_error *err)
{
	struct drip_error local = DRIP_ERROR_INIT;

	if (f->info.refusal.rc == 0 && f->info.plugin == NULL &&
	    drip_plugin_load(f->path, &f->info.plugin, &local) < 0) {
		f->info.refusal = local;
	}
	if (f->info.refusal.rc != 0 && err != NULL) {
		*err = f->info.refusal;
	}
	return f->info.refusal.rc;
}

void drip_registry_load_all(struct drip_registry *registry)
{
	pthread_mutex_lock(&registry->lock);
	for (size_t i = 0; i < registry->count; i++) {
		(void)load_file(&registry->files[i], NULL);
	}
	pthread_mutex_unlock(&registry->lock);
}

void drip_registry_visit(struct drip_registry *registry, drip_component_visitor *visit, void *data)
{
	for (size_t i = 0; i < registry->count; i++) {
		const struct drip_plugin *plugin = registry->files[i].info.plugin;

		for (uint32_t j = 0; plugin != NULL && j < plugin->components_count; j++) {
			visit(plugin, plugin->components[j], data);
		}
	}
}

/* ---- finding ---- */

static const struct drip_component *component_of(const struct drip_plugin *plugin,
						 enum drip_kind kind, const char *name)
{
	for (uint32_t i = 0; plugin != NULL && i < plugin->components_count; i++) {
		const struct drip_component *c = plugin->components[i];

		if (c->kind == kind && strcmp(c->name, name) == 0) {
			return c;
		}
	}
	return NULL;
}

/* A refused file that by its name would have the component: "drip-mysql.so", "drip-file-sink.so".
 */
static const struct drip_plugin_file *find_refused(const struct drip_registry *r, const char *name)
{
	size_t size = strlen(name);

	for (size_t i = 0; i < r->count; i++) {
		const char *file = base_name(r->files[i].path) + strlen("drip-");

		if (r->files[i].info.refusal.rc != 0 && strncmp(file, name, size) == 0 &&
		    (file[size] == '.' || file[size] == '-')) {
			return &r->files[i];
		}
	}
	return NULL;
}

/* "Did you mean", or which kinds the name is of. */
static void set_hint(const struct drip_registry *r, enum drip_kind kind, const char *name,
		     struct drip_error *err)
{
	struct drip_suggestion suggestion = {.wrong = name};
	drip_autostr others = DRIP_STR_INIT;
	const char *wanted = drip_kind_name(kind);
	char hint[200];

	for (size_t i = 0; i < r->count; i++) {
		for (char **p = r->files[i].components; p != NULL && *p != NULL; p++) {
			const char *slash = strchr(*p, '/');
			size_t size = (size_t)(slash - *p);

			if (strncmp(*p, wanted, size) == 0 && wanted[size] == '\0') {
				drip_suggestion_offer(&suggestion, slash + 1);
			} else if (strcmp(slash + 1, name) == 0) {
				drip_str_appendf(&others, "%s%.*s", others.length > 0 ? ", " : "",
						 (int)size, *p);
			}
		}
	}
	if (others.length > 0) {
		drip_error_hint(err, "%s exists as %s, not as %s.", name, drip_str_text(&others),
				wanted);
		return;
	}
	drip_error_hint(err, "%s",
			drip_suggestion_hint(&suggestion, "`dripline plugins` lists all there are.",
					     hint, sizeof(hint)));
}

static int find_locked(struct drip_registry *registry, enum drip_kind kind, const char *name,
		       const struct drip_component **ret_component, struct drip_error *err)
{
	char full[DRIP_COMPONENT_NAME_MAX + 32];
	const struct drip_plugin_file *found;
	const struct drip_component *component;
	int rc;

	snprintf(full, sizeof(full), "%s/%s", drip_kind_name(kind), name);
	found = find_usable(registry, registry->count, full);
	if (found == NULL) {
		found = find_refused(registry, name);
		if (found != NULL) {
			if (err != NULL) {
				*err = found->info.refusal;
			}
			return found->info.refusal.rc;
		}
		rc = drip_error_set(err, -ENOENT, "plugin.unknown_component",
				    "no plugin has a %s named \"%.60s\"", drip_kind_name(kind),
				    name);
		set_hint(registry, kind, name, err);
		return rc;
	}
	rc = load_file((struct drip_plugin_file *)(uintptr_t)found, err);
	if (rc < 0) {
		return rc;
	}
	component = component_of(found->info.plugin, kind, name);
	if (component == NULL) {
		return drip_error_set(err, -ESTALE, "plugin.changed",
				      "%s: it has no %s any more: the file was replaced",
				      found->path, full);
	}
	*ret_component = component;
	return 0;
}

int drip_registry_find(struct drip_registry *registry, enum drip_kind kind, const char *name,
		       const struct drip_component **ret_component, struct drip_error *err)
{
	int rc;

	pthread_mutex_lock(&registry->lock);
	rc = find_locked(registry, kind, name, ret_component, err);
	pthread_mutex_unlock(&registry->lock);
	return rc;
}
