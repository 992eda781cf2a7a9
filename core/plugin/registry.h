/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of plugins: finds .so files, probes each in a child process (so that a crashing one
 * cannot take the caller down), caches what was learnt, refuses with a reason, and loads those that
 * are used with dlopen(RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE).
 */
#ifndef DRIPLINE_PLUGIN_REGISTRY_H
#define DRIPLINE_PLUGIN_REGISTRY_H

#include <dripline/descriptor.h>
#include <dripline/dripline.h>

struct drip_registry;

struct drip_plugin_info {
	const char *path;
	const char *name;                 /* NULL where it could not be read */
	const struct drip_plugin *plugin; /* NULL while it is not loaded */
	struct drip_error refusal;     /* rc != 0: why it is not usable; message names the file */
	const char *const *components; /* "source/mysql", as probed; ended by NULL */
};

struct drip_registry_options {
	const char *const *dirs; /* before DRIPLINE_PLUGIN_PATH, the folder `plugins` beside the
				    executable, and the installed one */
	size_t dirs_count;
	const char *cache_path; /* file of the probe cache; NULL: none. validate writes nothing:
				   pass NULL or a read-only cache */
	bool cache_read_only;
	int probe_timeout_ms; /* for a plugin that hangs while it is loaded; 0: 10 s */
	bool only_dirs;       /* search `dirs` alone, for tests */
};

/*
 * Where a user's probe cache is: $CACHE_DIRECTORY (systemd's), otherwise dripline/ in
 * $XDG_CACHE_HOME or ~/.cache. Returns `buf`, or NULL where there is no such place.
 */
const char *drip_registry_cache_path(char *buf, size_t size);

/* (gives) A registry of all plugins found. Bad plugins are not an error of this function: see their
 * refusal. */
int drip_registry_create(const struct drip_registry_options *options, struct drip_registry **ret,
			 struct drip_error *err) DRIP_MUST_CHECK;
void drip_registry_destroy(struct drip_registry *registry);
size_t drip_registry_count(const struct drip_registry *registry);
const struct drip_plugin_info *drip_registry_at(const struct drip_registry *registry, size_t index);

/*
 * The component, its plugin loaded where it was not. -ENOENT with plugin.unknown_component and a
 * "did you mean" hint; or the refusal of the plugin that has it. (borrowed) for ever: plugins are
 * never unloaded. Thread: any.
 */
int drip_registry_find(struct drip_registry *registry, enum drip_kind kind, const char *name,
		       const struct drip_component **ret_component,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Loads every usable plugin, for `plugins`, `schema` and the docs. */
void drip_registry_load_all(struct drip_registry *registry);

/* For iteration over the components of loaded plugins. */
typedef void drip_component_visitor(const struct drip_plugin *plugin,
				    const struct drip_component *component, void *data);
void drip_registry_visit(struct drip_registry *registry, drip_component_visitor *visit, void *data);

#endif
