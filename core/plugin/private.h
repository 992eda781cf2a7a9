/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of core/plugin: what is known of one .so, and the steps that learn it. */
#ifndef DRIPLINE_PLUGIN_PRIVATE_H
#define DRIPLINE_PLUGIN_PRIVATE_H

#include "plugin/registry.h"

#include <sys/stat.h>

#define DRIP_PLUGINS_MAX      1000 /* files */
#define DRIP_PROBE_TIMEOUT_MS 10000

/* One .so file. The strings of `info` belong to it. */
struct drip_plugin_file {
	struct drip_plugin_info info;
	char *path, *name;
	char **components; /* ended by NULL */
	struct stat st;
	bool probed; /* in this run, so that the cache has news */
};

/* Entry of the probe cache, or of the probe's answer. */
struct drip_probe_result {
	char *name;
	char **components; /* ended by NULL */
};

void drip_probe_result_finish(struct drip_probe_result *r);
/* (gives) *ret from "name\nkind/name\nkind/name\n". -EINVAL, -ENOMEM. */
int drip_probe_result_parse(const char *text, size_t size, struct drip_probe_result *ret);

/*
 * Loads `path` in a child process and asks it for its descriptor. Blocks for `timeout_ms` at most.
 * A refusal comes as an error that names the file.
 */
int drip_probe(const char *path, int timeout_ms, struct drip_probe_result *ret,
	       struct drip_error *err) DRIP_MUST_CHECK;
/* dlopen, entry function, versions, descriptor: in the child, and again where it is used. */
int drip_plugin_load(const char *path, const struct drip_plugin **ret,
		     struct drip_error *err) DRIP_MUST_CHECK;
/* Calls `add` for each folder to search, first to last. */
int drip_search_dirs(const struct drip_registry_options *options,
		     int (*add)(const char *dir, void *data), void *data);

/* The probe cache: a text file of tab-separated lines, one a plugin. */
struct drip_cache;
int drip_cache_load(const char *path, struct drip_cache **ret);
void drip_cache_destroy(struct drip_cache *cache);
/* 0 and *ret (gives) where the file is known and unchanged; -ENOENT. */
int drip_cache_get(const struct drip_cache *cache, const char *path, const struct stat *st,
		   struct drip_probe_result *ret);
/* Writes all usable files, atomically. A failure costs time at the next start, nothing else. */
int drip_cache_save(const char *path, const struct drip_plugin_file *files, size_t count);

#endif
