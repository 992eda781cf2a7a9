/* SPDX-License-Identifier: Apache-2.0 */
/* Files and folders of the lake: made durable, named safely, cleared of garbage. */
#include "private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int lake_error(struct drip_error *err, int rc, const char *doing, const char *path)
{
	bool full = rc == -ENOSPC || rc == -EDQUOT;

	drip_error_set_retryable(err, rc, full ? "lake.disk_full" : "lake.io",
				 "could not %s %s: %s", doing, path, strerror(-rc));
	drip_error_hint(err,
			full ? "Free space; the epoch is written again."
			     : "Check owner, mode and mount of the folder; the epoch is written "
			       "again.");
	return rc;
}

int lake_sync_dir(int fd, const char *path, struct drip_error *err)
{
	/* Some file systems cannot sync folders, and need not. */
	if (fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP) {
		return lake_error(err, -errno, "make durable", path);
	}
	return 0;
}

/* Opens `name` under `fd`, made where it is missing. Returns its fd. */
static int make_one(int fd, const char *name, struct drip_error *err)
{
	int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (child >= 0 || errno != ENOENT) {
		return child >= 0 ? child : lake_error(err, -errno, "open", name);
	}
	if (mkdirat(fd, name, 0777) != 0 && errno != EEXIST) {
		return lake_error(err, -errno, "make", name);
	}
	rc = lake_sync_dir(fd, name, err);
	if (rc != 0) {
		return rc;
	}
	child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return child >= 0 ? child : lake_error(err, -errno, "open", name);
}

int lake_make_dir(struct lake *l, const char *dir, struct drip_error *err)
{
	char name[LAKE_DIR_MAX];
	int fd = dup(l->root_fd);

	if (fd < 0) {
		return lake_error(err, -errno, "open", l->root);
	}
	while (*dir != '\0') {
		size_t n = strcspn(dir, "/");
		int child;

		snprintf(name, sizeof(name), "%.*s", (int)n, dir);
		child = make_one(fd, name, err);
		close(fd);
		if (child < 0) {
			return child;
		}
		fd = child;
		dir += n + (dir[n] == '/' ? 1 : 0);
	}
	close(fd);
	return 0;
}

int lake_sync_file(struct lake *l, const char *file, uint64_t *ret_bytes, struct drip_error *err)
{
	int fd = openat(l->hidden_fd, file, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	if (fd < 0) {
		return lake_error(err, -errno, "open", file);
	}
	if (fsync(fd) != 0 || fstat(fd, &st) != 0) {
		rc = lake_error(err, -errno, "make durable", file);
	} else {
		*ret_bytes = (uint64_t)st.st_size;
	}
	close(fd);
	return rc;
}

/* mkdir -p of an absolute or relative path. */
static int make_root(const char *path, struct drip_error *err)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part)) {
		return lake_error(err, -ENAMETOOLONG, "make", path);
	}
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0') {
			continue;
		}
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST &&
		    (errno != EISDIR && errno != EROFS)) {
			return lake_error(err, -errno, "make", part);
		}
	}
	return 0;
}

/* One process, and one sink of it, at a time. */
static int take_lock(struct lake *l, struct drip_error *err)
{
	l->lock_fd = openat(l->hidden_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (l->lock_fd < 0) {
		return lake_error(err, -errno, "open", l->hidden);
	}
	if (flock(l->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		drip_error_set_retryable(err, -EBUSY, "lake.locked",
					 "could not write to %s: another process or sink does",
					 l->hidden);
		drip_error_hint(err,
				"Stop the other one, or give each its own pipeline or stage name.");
		return -EBUSY;
	}
	return 0;
}

int lake_open_dirs(struct lake *l, struct drip_error *err)
{
	char pipeline[256], stage[256], dir[LAKE_DIR_MAX], real[PATH_MAX];
	int rc = make_root(l->config->root, err);

	if (rc != 0) {
		return rc;
	}
	if (realpath(l->config->root, real) == NULL) {
		return lake_error(err, -errno, "open", l->config->root);
	}
	snprintf(l->root, sizeof(l->root), "%s", real);
	l->root_fd = open(l->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->root_fd < 0) {
		return lake_error(err, -errno, "open", l->root);
	}
	if (lake_encode(l->ctx->pipeline, pipeline, sizeof(pipeline)) != 0 ||
	    lake_encode(l->ctx->stage, stage, sizeof(stage)) != 0 ||
	    snprintf(dir, sizeof(dir), ".dripline/%s.%s", pipeline, stage) >= (int)sizeof(dir) ||
	    snprintf(l->hidden, sizeof(l->hidden), "%s/%s", real, dir) >= (int)sizeof(l->hidden)) {
		return lake_error(err, -ENAMETOOLONG, "use", l->root);
	}
	rc = lake_make_dir(l, dir, err);
	if (rc != 0) {
		return rc;
	}
	l->hidden_fd = openat(l->root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->hidden_fd < 0) {
		return lake_error(err, -errno, "open", l->hidden);
	}
	return take_lock(l, err);
}

void lake_close_dirs(struct lake *l)
{
	int *const fds[] = {&l->lock_fd, &l->hidden_fd, &l->root_fd};

	for (size_t i = 0; i < DRIP_COUNT(fds); i++) {
		if (*fds[i] >= 0) {
			close(*fds[i]);
			*fds[i] = -1;
		}
	}
}

static bool is_listed(const struct lake *l, const char *file)
{
	for (const struct lake_segment *s = l->manifest.segments; s != NULL; s = s->next) {
		if (strcmp(s->file, file) == 0) {
			return true;
		}
	}
	for (const struct lake_publish *p = l->manifest.publishes; p != NULL; p = p->next) {
		if (strcmp(p->file, file) == 0) {
			return true;
		}
	}
	return strcmp(file, "manifest") == 0 || strcmp(file, "lock") == 0;
}

int lake_collect_garbage(struct lake *l, struct drip_error *err)
{
	int fd = openat(l->hidden_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		int rc = -errno;

		if (fd >= 0) {
			close(fd);
		}
		return lake_error(err, rc, "read", l->hidden);
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
		    !is_listed(l, entry->d_name)) {
			unlinkat(l->hidden_fd, entry->d_name, 0); /* tried again next time */
		}
	}
	closedir(dir);
	return 0;
}

int lake_encode(const char *name, char *buf, size_t size)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
	size_t n = 0;

	for (size_t i = 0; name[i] != '\0'; i++) {
		uint8_t c = (uint8_t)name[i];
		bool keep = c >= 0x80 || (strchr(plain, c) != NULL && !(c == '.' && i == 0));

		if (n + 4 > size) {
			return -ENAMETOOLONG;
		}
		if (keep) {
			buf[n++] = (char)c;
		} else {
			n += (size_t)snprintf(buf + n, 4, "%%%02X", c);
		}
	}
	if (n == 0 || n > 240) {
		return n == 0 ? -EINVAL : -ENAMETOOLONG;
	}
	buf[n] = '\0';
	return 0;
}
