/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe cache: what usable plugins offer, so that a start need not probe them again. A text
 * file; its first line names the host's version, and a cache of another is ignored. Each other line
 * is path, device, inode, size and time of change (nanoseconds), separated by tabs, and then the
 * plugin's name and its components. Refusals are not kept: what they lack may be there next time.
 */
#include "plugin/private.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CACHE_MAX  (1 << 20) /* bytes */
#define CACHE_HEAD "dripline-plugins-1 " DRIP_SDK_VERSION

struct drip_cache {
	char *text; /* lines, each ended by NUL */
	size_t size;
};

void drip_probe_result_finish(struct drip_probe_result *r)
{
	for (char **p = r->components; p != NULL && *p != NULL; p++) {
		free(*p);
	}
	free(r->components);
	free(r->name);
	r->components = NULL;
	r->name = NULL;
}

/* Next piece of [*at, end) up to a line feed or tab; NULL at the end. Malloc'd. */
static char *next_piece(const char **at, const char *end)
{
	const char *start = *at;

	while (*at < end && **at != '\n' && **at != '\t' && **at != '\0') {
		(*at)++;
	}
	if (*at == start) {
		return NULL;
	}
	*at += *at < end;
	return drip_strndup(start, (size_t)(*at - start) - (*at <= end && (*at)[-1] < ' '));
}

int drip_probe_result_parse(const char *text, size_t size, struct drip_probe_result *ret)
{
	const char *at = text, *end = text + size;
	size_t count = 0;

	ret->components =
		(char **)drip_calloc(DRIP_PLUGIN_COMPONENTS_MAX + 1, sizeof(*ret->components));
	ret->name = next_piece(&at, end);
	if (ret->components == NULL || ret->name == NULL) {
		drip_probe_result_finish(ret);
		return -EINVAL;
	}
	while (at < end && count < DRIP_PLUGIN_COMPONENTS_MAX) {
		char *piece = next_piece(&at, end);

		if (piece == NULL || strchr(piece, '/') == NULL) {
			free(piece);
			break;
		}
		ret->components[count++] = piece;
	}
	if (count == 0 || at < end) {
		drip_probe_result_finish(ret);
		return -EINVAL;
	}
	return 0;
}

static int read_file(const char *path, char **ret, size_t *ret_size)
{
	drip_autofclose FILE *file = fopen(path, "re");
	drip_autofree char *text = (char *)drip_malloc(CACHE_MAX);

	if (file == NULL || text == NULL) {
		return file == NULL ? -errno : -ENOMEM;
	}
	*ret_size = fread(text, 1, CACHE_MAX - 1, file);
	text[*ret_size] = '\0';
	*ret = drip_steal(text);
	return 0;
}

int drip_cache_load(const char *path, struct drip_cache **ret)
{
	struct drip_cache *cache = (struct drip_cache *)drip_calloc(1, sizeof(*cache));
	size_t head = strlen(CACHE_HEAD);
	int rc = cache != NULL ? read_file(path, &cache->text, &cache->size) : -ENOMEM;

	if (rc == 0 &&
	    (cache->size <= head || strncmp(cache->text, CACHE_HEAD "\n", head + 1) != 0)) {
		rc = -ESTALE;
	}
	if (rc < 0) {
		drip_cache_destroy(cache);
		return rc;
	}
	for (char *p = cache->text; *p != '\0'; p++) {
		*p = *p == '\n' ? '\0' : *p;
	}
	*ret = cache;
	return 0;
}

void drip_cache_destroy(struct drip_cache *cache)
{
	if (cache != NULL) {
		free(cache->text);
		free(cache);
	}
}

static void append_key(struct drip_str *s, const char *path, const struct stat *st)
{
	drip_str_appendf(s, "%s\t%ju\t%ju\t%jd\t%jd.%09ld\t", path, (uintmax_t)st->st_dev,
			 (uintmax_t)st->st_ino, (intmax_t)st->st_size, (intmax_t)st->st_mtim.tv_sec,
			 st->st_mtim.tv_nsec);
}

int drip_cache_get(const struct drip_cache *cache, const char *path, const struct stat *st,
		   struct drip_probe_result *ret)
{
	drip_autostr key = DRIP_STR_INIT;
	const char *end;

	if (cache == NULL) {
		return -ENOENT;
	}
	append_key(&key, path, st);
	if (key.rc < 0) {
		return key.rc;
	}
	end = cache->text + cache->size;
	for (const char *line = cache->text; line < end; line += strlen(line) + 1) {
		if (strncmp(line, drip_str_text(&key), key.length) == 0) {
			return drip_probe_result_parse(line + key.length, strlen(line + key.length),
						       ret);
		}
	}
	return -ENOENT;
}

/* The folders above `path`, as far as they can be made: mkostemp says where one is missing. */
static void make_folders(const char *path)
{
	char folder[PATH_MAX];
	int n = snprintf(folder, sizeof(folder), "%s", path);

	for (int i = 1; n > 0 && i < n && (size_t)n < sizeof(folder); i++) {
		if (folder[i] == '/') {
			folder[i] = '\0';
			(void)mkdir(folder, 0700);
			folder[i] = '/';
		}
	}
}

int drip_cache_save(const char *path, const struct drip_plugin_file *files, size_t count)
{
	drip_autostr text = DRIP_STR_INIT;
	drip_autostr temporary = DRIP_STR_INIT;
	drip_autoclose int fd = -1;
	ssize_t written;
	int rc = 0;

	drip_str_append(&text, CACHE_HEAD "\n");
	for (size_t i = 0; i < count; i++) {
		const struct drip_plugin_file *f = &files[i];

		if (f->name == NULL || f->info.refusal.rc != 0 ||
		    strpbrk(f->path, "\t\n") != NULL) {
			continue;
		}
		append_key(&text, f->path, &f->st);
		drip_str_append(&text, f->name);
		for (char **p = f->components; *p != NULL; p++) {
			drip_str_appendf(&text, "\t%s", *p);
		}
		drip_str_append(&text, "\n");
	}
	make_folders(path);
	drip_str_appendf(&temporary, "%s.XXXXXX", path);
	if (text.rc < 0 || temporary.rc < 0) {
		return -ENOMEM;
	}
	fd = mkostemp(temporary.data, O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	written = write(fd, text.data, text.length);
	if (written < 0) {
		rc = -errno;
	} else if ((size_t)written != text.length) {
		rc = -EIO;
	} else if (rename(temporary.data, path) < 0) {
		rc = -errno;
	}
	if (rc < 0) {
		unlink(temporary.data);
	}
	return rc;
}

const char *drip_registry_cache_path(char *buf, size_t size)
{
	const char *folder = getenv("CACHE_DIRECTORY"), *tail = "/plugins.cache";
	int n;

	if (folder == NULL || folder[0] != '/') {
		folder = getenv("XDG_CACHE_HOME");
		tail = "/dripline/plugins.cache";
	}
	if (folder == NULL || folder[0] != '/') {
		folder = getenv("HOME");
		tail = "/.cache/dripline/plugins.cache";
	}
	if (folder == NULL || folder[0] != '/') {
		return NULL;
	}
	n = snprintf(buf, size, "%s%s", folder, tail);
	return n > 0 && (size_t)n < size ? buf : NULL;
}
