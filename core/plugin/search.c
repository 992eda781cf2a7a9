/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where plugins are looked for: the folders given, those of DRIPLINE_PLUGIN_PATH, `plugins` beside
 * the executable or beside its folder (a build tree), and the installed one, found from the
 * executable, so that an installation may be moved.
 */
#include "plugin/private.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "plugin/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int add_dir(const char *dir, void *data);

static int add_environment(add_dir *add, void *data)
{
	const char *env = getenv("DRIPLINE_PLUGIN_PATH");
	drip_autofree char *copy = drip_strdup(env != NULL ? env : "");
	char *dir, *save = NULL;
	int rc = 0;

	if (copy == NULL) {
		return -ENOMEM;
	}
	for (dir = strtok_r(copy, ":", &save); dir != NULL && rc == 0;
	     dir = strtok_r(NULL, ":", &save)) {
		rc = add(dir, data);
	}
	return rc;
}

/* "" or "../.." : from the executable's folder to the prefix. */
static void append_up(struct drip_str *s, const char *relative)
{
	for (const char *p = relative; *p != '\0'; p++) {
		if (*p != '/' && (p == relative || p[-1] == '/')) {
			drip_str_append(s, "/..");
		}
	}
}

static int add_joined(const char *dir, const char *tail, add_dir *add, void *data)
{
	drip_autostr path = DRIP_STR_INIT;

	drip_str_appendf(&path, "%s/%s", dir, tail);
	return path.rc < 0 ? path.rc : add(path.data, data);
}

static int add_installed(const char *exe_dir, add_dir *add, void *data)
{
	drip_autostr path = DRIP_STR_INIT;

	if (DRIP_INSTALL_PLUGINDIR[0] == '/') {
		return add(DRIP_INSTALL_PLUGINDIR, data);
	}
	drip_str_append(&path, exe_dir);
	append_up(&path, DRIP_INSTALL_BINDIR);
	drip_str_append(&path, "/" DRIP_INSTALL_PLUGINDIR);
	return path.rc < 0 ? path.rc : add(path.data, data);
}

int drip_search_dirs(const struct drip_registry_options *options, add_dir *add, void *data)
{
	char exe[PATH_MAX];
	ssize_t n;
	char *slash;
	int rc = 0;

	for (size_t i = 0; i < options->dirs_count && rc == 0; i++) {
		rc = add(options->dirs[i], data);
	}
	if (rc < 0 || options->only_dirs) {
		return rc;
	}
	rc = add_environment(add, data);
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (rc < 0 || n <= 0) {
		return rc;
	}
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash == NULL) {
		return 0;
	}
	*slash = '\0';
	rc = add_joined(exe, "plugins", add, data);
	rc = rc == 0 ? add_joined(exe, "../plugins", add, data) : rc;
	return rc == 0 ? add_installed(exe, add, data) : rc;
}
