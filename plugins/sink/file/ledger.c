/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing the ledger. Its form: a first line that names it, then a line a position
 * ("position PARTITION ORDER DETAIL TEXT") and a line a file ("file TABLE PATH PART HEADER
 * COMMITTED OPENED"), strings in hex, and a last line "end" that proves it whole.
 */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_LINE    "dripline file sink ledger 1"
#define LEDGER_MAX    (64 << 20) /* bytes */
#define POSITIONS_MAX 65536

void ledger_init(struct ledger *l)
{
	memset(l, 0, sizeof(*l));
}

static void free_files(struct ledger *l)
{
	while (l->files_count > 0) {
		ledger_remove(l, l->files_count - 1);
	}
}

void ledger_finish(struct ledger *l)
{
	free_files(l);
	free(l->files);
	free(l->positions);
	free(l->path);
	ledger_init(l);
}

void ledger_remove(struct ledger *l, size_t index)
{
	struct ledger_file *f = &l->files[index];

	if (f->fd >= 0) {
		close(f->fd);
	}
	free(f->table);
	free(f->path);
	l->files_count--;
	memmove(f, f + 1, (l->files_count - index) * sizeof(*f));
}

struct ledger_file *ledger_add(struct ledger *l, const char *table, struct drip_error *err)
{
	struct ledger_file *f;

	if (l->files_count == LEDGER_FILES_MAX) {
		drip_error_set(err, -EMFILE, "file.too_many_files",
			       "more than %d files are written at one time", LEDGER_FILES_MAX);
		drip_error_hint(err, "Leave {table} out of the path, or write fewer tables.");
		return NULL;
	}
	if (l->files_count == l->files_capacity) {
		size_t capacity = l->files_capacity == 0 ? 8 : l->files_capacity * 2;

		f = realloc(l->files, capacity * sizeof(*f));
		if (f == NULL) {
			drip_error_nomem(err, capacity * sizeof(*f));
			return NULL;
		}
		l->files = f;
		l->files_capacity = capacity;
	}
	f = &l->files[l->files_count];
	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->table = strdup(table);
	if (f->table == NULL) {
		drip_error_nomem(err, strlen(table) + 1);
		return NULL;
	}
	l->files_count++;
	return f;
}

static void put_hex(struct drip_text *t, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	char two[3];

	drip_text_puts(t, " x");
	for (size_t i = 0; i < size; i++) {
		snprintf(two, sizeof(two), "%02x", bytes[i]);
		drip_text_put(t, two, 2);
	}
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next " xHEX" field into `out`, and a 0 after it where there is room. */
static bool take_hex(const char **at, void *out, size_t max, size_t *ret_size)
{
	unsigned char *bytes = out;
	const char *p = *at;
	size_t n = 0;

	if (p[0] != ' ' || p[1] != 'x') {
		return false;
	}
	for (p += 2; hex_digit(p[0]) >= 0 && hex_digit(p[1]) >= 0; p += 2, n++) {
		if (n == max) {
			return false;
		}
		bytes[n] = (unsigned char)(hex_digit(p[0]) << 4 | hex_digit(p[1]));
	}
	if (n < max) {
		bytes[n] = 0;
	}
	*ret_size = n;
	*at = p;
	return true;
}

static bool take_number(const char **at, uint64_t *ret)
{
	char *end;

	if (**at != ' ') {
		return false;
	}
	errno = 0;
	*ret = strtoull(*at + 1, &end, 10);
	if (end == *at + 1 || errno != 0) {
		return false;
	}
	*at = end;
	return true;
}

static bool take_position(struct ledger *l, const char *at)
{
	struct drip_position *grown, *p;
	size_t order, detail, other;

	if (l->positions_count == POSITIONS_MAX) {
		return false;
	}
	grown = realloc(l->positions, (l->positions_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		return false;
	}
	l->positions = grown;
	p = &grown[l->positions_count];
	memset(p, 0, sizeof(*p));
	p->struct_size = sizeof(*p);
	if (!take_hex(&at, p->partition, sizeof(p->partition) - 1, &other) ||
	    !take_hex(&at, p->order, sizeof(p->order), &order) ||
	    !take_hex(&at, p->detail, sizeof(p->detail), &detail) ||
	    !take_hex(&at, p->text, sizeof(p->text) - 1, &other)) {
		return false;
	}
	p->order_size = (uint16_t)order;
	p->detail_size = (uint16_t)detail;
	l->positions_count++;
	return true;
}

static bool take_file(struct ledger *l, const char *at)
{
	char table[2 * DRIP_NAME_MAX], path[LEDGER_PATH_MAX];
	struct ledger_file *f;
	uint64_t opened;
	size_t size;

	if (!take_hex(&at, table, sizeof(table) - 1, &size) ||
	    !take_hex(&at, path, sizeof(path) - 1, &size)) {
		return false;
	}
	f = ledger_add(l, table, NULL);
	if (f == NULL) {
		return false;
	}
	f->path = strdup(path);
	if (f->path == NULL || !take_number(&at, &f->part) || !take_number(&at, &f->header) ||
	    !take_number(&at, &f->committed) || !take_number(&at, &opened)) {
		return false;
	}
	f->size = f->committed;
	f->opened_us = (int64_t)opened;
	return true;
}

static int parse(struct ledger *l, char *text, struct drip_error *err)
{
	char *save = NULL, *line = strtok_r(text, "\n", &save);
	bool good = line != NULL && strcmp(line, FIRST_LINE) == 0, ended = false;

	while (good && !ended) {
		line = strtok_r(NULL, "\n", &save);
		if (line == NULL) {
			good = false;
		} else if (strncmp(line, "position ", 9) == 0) {
			good = take_position(l, line + 8);
		} else if (strncmp(line, "file ", 5) == 0) {
			good = take_file(l, line + 4);
		} else {
			ended = good = strcmp(line, "end") == 0;
		}
	}
	if (!good) {
		drip_error_set(err, -EBADMSG, "file.bad_ledger",
			       "ledger '%s' is damaged or not a ledger", l->path);
		drip_error_hint(err, "Restore it, or move it and its data files away to begin "
				     "anew.");
		return -EBADMSG;
	}
	return 0;
}

static int io_error(struct drip_error *err, const char *what, const char *path)
{
	int rc = errno == 0 ? -EIO : -errno;

	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EIO || rc == -EINTR) {
		return drip_error_set_retryable(err, rc, "file.io", "could not %s '%s': %s", what,
						path, strerror(-rc));
	}
	return drip_error_set(err, rc, "file.io", "could not %s '%s': %s", what, path,
			      strerror(-rc));
}

int ledger_load(struct ledger *l, struct drip_error *err)
{
	FILE *f = fopen(l->path, "re");
	struct drip_text text = {0};
	char buf[4096];
	size_t n;
	int rc;

	free_files(l);
	l->positions_count = 0;
	if (f == NULL) {
		return errno == ENOENT ? 0 : io_error(err, "open", l->path);
	}
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0 && text.size < LEDGER_MAX) {
		drip_text_put(&text, buf, n);
	}
	drip_text_put(&text, "", 1);
	rc = ferror(f) ? io_error(err, "read", l->path) : drip_text_check(&text, err);
	fclose(f);
	if (rc == 0) {
		rc = parse(l, text.data, err);
	}
	drip_text_finish(&text);
	return rc;
}

int ledger_sync_folder(const char *path, struct drip_error *err)
{
	char folder[LEDGER_PATH_MAX];
	char *slash;
	int fd, rc = 0;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash == NULL) {
		snprintf(folder, sizeof(folder), ".");
	} else {
		slash[slash == folder] = '\0';
	}
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		rc = io_error(err, "sync", folder);
	}
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

static void put_ledger(const struct ledger *l, struct drip_text *t)
{
	char line[128];

	drip_text_puts(t, FIRST_LINE "\n");
	for (size_t i = 0; i < l->positions_count; i++) {
		const struct drip_position *p = &l->positions[i];

		drip_text_puts(t, "position");
		put_hex(t, p->partition, strnlen(p->partition, sizeof(p->partition)));
		put_hex(t, p->order, p->order_size);
		put_hex(t, p->detail, p->detail_size);
		put_hex(t, p->text, strnlen(p->text, sizeof(p->text)));
		drip_text_puts(t, "\n");
	}
	for (size_t i = 0; i < l->files_count; i++) {
		const struct ledger_file *f = &l->files[i];

		drip_text_puts(t, "file");
		put_hex(t, f->table, strlen(f->table));
		put_hex(t, f->path, strlen(f->path));
		snprintf(line, sizeof(line), " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 "\n",
			 f->part, f->header, f->committed, f->opened_us);
		drip_text_puts(t, line);
	}
	drip_text_puts(t, "end\n");
}

static int write_whole(int fd, const struct drip_text *t)
{
	size_t at = 0;

	while (at < t->size) {
		ssize_t n = write(fd, t->data + at, t->size - at);

		if (n < 0 && errno != EINTR) {
			return -1;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return fsync(fd);
}

static int replace(const char *path, const struct drip_text *t, struct drip_error *err)
{
	char temporary[LEDGER_PATH_MAX];
	int fd, rc = 0;

	if (snprintf(temporary, sizeof(temporary), "%s.tmp", path) >= (int)sizeof(temporary)) {
		errno = ENAMETOOLONG;
		return io_error(err, "write", path);
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0) {
		return io_error(err, "create", temporary);
	}
	if (write_whole(fd, t) != 0) {
		rc = io_error(err, "write", temporary);
	}
	if (close(fd) != 0 && rc == 0) {
		rc = io_error(err, "close", temporary);
	}
	if (rc == 0 && rename(temporary, path) != 0) {
		rc = io_error(err, "rename", temporary);
	}
	if (rc != 0) {
		unlink(temporary);
		return rc;
	}
	return ledger_sync_folder(path, err);
}

static int set_positions(struct ledger *l, const struct drip_position *positions, size_t count,
			 struct drip_error *err)
{
	struct drip_position *copy;

	if (positions == l->positions) {
		return 0;
	}
	copy = calloc(count + 1, sizeof(*copy));
	if (copy == NULL) {
		return drip_error_nomem(err, (count + 1) * sizeof(*copy));
	}
	if (count != 0) {
		memcpy(copy, positions, count * sizeof(*copy));
	}
	free(l->positions);
	l->positions = copy;
	l->positions_count = count;
	return 0;
}

int ledger_save(struct ledger *l, const struct drip_position *positions, size_t count,
		struct drip_error *err)
{
	struct drip_text t = {0};
	int rc = set_positions(l, positions, count, err);

	if (rc == 0) {
		put_ledger(l, &t);
		rc = drip_text_check(&t, err);
	}
	if (rc == 0) {
		rc = replace(l->path, &t, err);
	}
	drip_text_finish(&t);
	return rc;
}

static int rollback_file(struct ledger_file *f, struct drip_error *err)
{
	struct stat st;

	if (f->fd >= 0) {
		close(f->fd);
		f->fd = -1;
	}
	f->size = f->committed;
	f->dirty = f->finished = false;
	if (f->committed == 0) {
		if (unlink(f->path) != 0 && errno != ENOENT) {
			return io_error(err, "remove", f->path);
		}
		return 0;
	}
	if (stat(f->path, &st) != 0) {
		return io_error(err, "find", f->path);
	}
	if ((uint64_t)st.st_size < f->committed) {
		drip_error_set(err, -EBADMSG, "file.too_short",
			       "'%s' has %lld bytes, but %" PRIu64 " were committed", f->path,
			       (long long)st.st_size, f->committed);
		drip_error_hint(err, "Restore the file, or move it and the ledger away to begin "
				     "anew.");
		return -EBADMSG;
	}
	if ((uint64_t)st.st_size > f->committed && truncate(f->path, (off_t)f->committed) != 0) {
		return io_error(err, "truncate", f->path);
	}
	return 0;
}

int ledger_rollback(struct ledger *l, struct drip_error *err)
{
	for (size_t i = l->files_count; i-- > 0;) {
		int rc = rollback_file(&l->files[i], err);

		if (rc != 0) {
			return rc;
		}
		if (l->files[i].committed == 0) {
			ledger_remove(l, i);
		}
	}
	return 0;
}
