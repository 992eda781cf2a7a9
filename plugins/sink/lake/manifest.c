/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest: lines of text, fields apart by blanks, free text as hex, the last line a checksum
 * of all before it. It is replaced as a whole by a rename, and that is the commit.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC      "dripline-lake 1"
#define FIELDS_MAX 8

/* FNV-1a, 64 bits. */
static uint64_t checksum(const char *data, size_t size)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < size; i++) {
		h = (h ^ (uint8_t)data[i]) * UINT64_C(0x100000001b3);
	}
	return h;
}

void lake_manifest_finish(struct lake_manifest *m)
{
	while (m->segments != NULL) {
		struct lake_segment *s = m->segments;

		m->segments = s->next;
		free(s);
	}
	while (m->publishes != NULL) {
		struct lake_publish *p = m->publishes;

		m->publishes = p->next;
		free(p);
	}
	free(m->positions);
	memset(m, 0, sizeof(*m));
}

void lake_manifest_append(struct lake_manifest *m, struct lake_segment *segment)
{
	struct lake_segment **p = &m->segments;

	while (*p != NULL) {
		p = &(*p)->next;
	}
	segment->next = NULL;
	*p = segment;
}

int lake_manifest_set_positions(struct lake_manifest *m, const struct drip_position *positions,
				size_t count, struct drip_error *err)
{
	size_t total = m->positions_count;
	struct drip_position *all = realloc(m->positions, (total + count + 1) * sizeof(*all));

	if (all == NULL) {
		return drip_error_nomem(err, (total + count) * sizeof(*all));
	}
	m->positions = all;
	for (size_t i = 0; i < count; i++) {
		size_t at = 0;

		while (at < total && strcmp(all[at].partition, positions[i].partition) != 0) {
			at++;
		}
		all[at] = positions[i];
		all[at].struct_size = sizeof(all[at]);
		total += at == total;
	}
	m->positions_count = total;
	return 0;
}

int lake_manifest_copy(const struct lake_manifest *from, struct lake_manifest *to,
		       struct drip_error *err)
{
	int rc;

	memset(to, 0, sizeof(*to));
	memcpy(to->id, from->id, sizeof(to->id));
	to->epoch = from->epoch;
	to->files = from->files;
	to->sequence = from->sequence;
	rc = lake_manifest_set_positions(to, from->positions, from->positions_count, err);
	for (const struct lake_segment *s = from->segments; rc == 0 && s != NULL; s = s->next) {
		struct lake_segment *copy = malloc(sizeof(*copy));

		if (copy == NULL) {
			rc = drip_error_nomem(err, sizeof(*copy));
			break;
		}
		*copy = *s;
		lake_manifest_append(to, copy);
	}
	if (rc != 0) {
		lake_manifest_finish(to);
	}
	return rc;
}

/* ---- writing ---- */

static void put_hex(struct drip_text *t, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	char hex[3];

	drip_text_puts(t, " x"); /* never empty, so that fields keep their places */
	for (size_t i = 0; i < size; i++) {
		snprintf(hex, sizeof(hex), "%02x", bytes[i]);
		drip_text_puts(t, hex);
	}
}

static void put_line(struct drip_text *t, const char *fmt, ...) DRIP_PRINTF(2, 3);
static void put_line(struct drip_text *t, const char *fmt, ...)
{
	char line[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	drip_text_puts(t, line);
}

static void serialize(const struct lake_manifest *m, struct drip_text *t)
{
	put_line(t, MAGIC "\nid %s\nepoch %" PRIu64 "\nfiles %" PRIu64 "\nsequence %" PRId64 "\n",
		 m->id, m->epoch, m->files, m->sequence);
	for (size_t i = 0; i < m->positions_count; i++) {
		const struct drip_position *p = &m->positions[i];

		drip_text_puts(t, "position");
		put_hex(t, p->partition, strlen(p->partition));
		put_hex(t, p->order, p->order_size);
		put_hex(t, p->detail, p->detail_size);
		put_hex(t, p->text, strlen(p->text));
		drip_text_puts(t, "\n");
	}
	for (const struct lake_segment *s = m->segments; s != NULL; s = s->next) {
		put_line(t, "segment %s %" PRIx64 " %" PRIu64 " %" PRId64 " %" PRId64, s->file,
			 s->hash, s->bytes, s->rows, s->since_us);
		put_hex(t, s->dir, strlen(s->dir));
		drip_text_puts(t, "\n");
	}
	for (const struct lake_publish *p = m->publishes; p != NULL; p = p->next) {
		put_line(t, "publish %s", p->file);
		put_hex(t, p->to, strlen(p->to));
		drip_text_puts(t, "\n");
	}
	if (t->rc == 0) {
		put_line(t, "end %016" PRIx64 "\n", checksum(t->data, t->size));
	}
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n > 0) {
			data += n;
			size -= (size_t)n;
		}
	}
	return 0;
}

int lake_manifest_store(struct lake *l, const struct lake_manifest *m, struct drip_error *err)
{
	struct drip_text t = {0};
	int fd, rc;

	serialize(m, &t);
	rc = drip_text_check(&t, err);
	if (rc != 0) {
		drip_text_finish(&t);
		return rc;
	}
	fd = openat(l->hidden_fd, "manifest.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	rc = fd < 0 ? -errno : write_all(fd, t.data, t.size);
	drip_text_finish(&t);
	if (rc == 0 && fsync(fd) != 0) {
		rc = -errno;
	}
	if (fd >= 0) {
		close(fd);
	}
	/* The segments' names must be durable before the manifest that counts on them. */
	if (rc == 0 && lake_sync_dir(l->hidden_fd, l->hidden, err) != 0) {
		return err != NULL && err->rc != 0 ? err->rc : -EIO;
	}
	if (rc == 0 && renameat(l->hidden_fd, "manifest.tmp", l->hidden_fd, "manifest") != 0) {
		rc = -errno;
	}
	if (rc != 0) {
		return lake_error(err, rc, "write the manifest in", l->hidden);
	}
	return lake_sync_dir(l->hidden_fd, l->hidden, err);
}

/* ---- reading ---- */

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes "xHEX"; -EINVAL where malformed or longer than `capacity`. Returns the size. */
static int take_hex(const char *field, void *buf, size_t capacity)
{
	size_t n = strlen(field);

	if (field[0] != 'x' || n % 2 == 0 || n / 2 > capacity) {
		return -EINVAL;
	}
	for (size_t i = 0; i < n / 2; i++) {
		int high = digit(field[1 + 2 * i]), low = digit(field[2 + 2 * i]);

		if (high < 0 || low < 0) {
			return -EINVAL;
		}
		((uint8_t *)buf)[i] = (uint8_t)(high << 4 | low);
	}
	return (int)(n / 2);
}

/* The same for text, which is ended. */
static int take_text(const char *field, char *buf, size_t capacity)
{
	int n = take_hex(field, buf, capacity - 1);

	if (n >= 0) {
		buf[n] = '\0';
	}
	return n < 0 ? n : 0;
}

static bool take_u64(const char *field, int base, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(field, &end, base);
	return errno == 0 && *end == '\0' && end != field;
}

static bool take_file(const char *field, char buf[LAKE_FILE_MAX])
{
	snprintf(buf, LAKE_FILE_MAX, "%s", field);
	return strlen(field) < LAKE_FILE_MAX && strchr(field, '/') == NULL && field[0] != '.';
}

static int take_position(char **f, struct lake_manifest *m)
{
	size_t count = m->positions_count;
	struct drip_position *grown, *p;
	int order, detail;

	if (count == LAKE_POSITIONS_MAX) {
		return -E2BIG;
	}
	grown = realloc(m->positions, (count + 1) * sizeof(*grown));
	if (grown == NULL) {
		return -ENOMEM;
	}
	m->positions = grown;
	p = &grown[count];
	memset(p, 0, sizeof(*p));
	p->struct_size = sizeof(*p);
	order = take_hex(f[2], p->order, sizeof(p->order));
	detail = take_hex(f[3], p->detail, sizeof(p->detail));
	if (order < 0 || detail < 0 || take_text(f[1], p->partition, sizeof(p->partition)) != 0 ||
	    take_text(f[4], p->text, sizeof(p->text)) != 0) {
		return -EINVAL;
	}
	p->order_size = (uint16_t)order;
	p->detail_size = (uint16_t)detail;
	m->positions_count++;
	return 0;
}

static int take_segment(char **f, struct lake_manifest *m)
{
	struct lake_segment *s = calloc(1, sizeof(*s));
	uint64_t rows, since;

	if (s == NULL) {
		return -ENOMEM;
	}
	if (!take_file(f[1], s->file) || !take_u64(f[2], 16, &s->hash) ||
	    !take_u64(f[3], 10, &s->bytes) || !take_u64(f[4], 10, &rows) ||
	    !take_u64(f[5], 10, &since) || take_text(f[6], s->dir, sizeof(s->dir)) != 0) {
		free(s);
		return -EINVAL;
	}
	s->rows = (int64_t)rows;
	s->since_us = (int64_t)since;
	lake_manifest_append(m, s);
	return 0;
}

static int take_publish(char **f, struct lake_manifest *m)
{
	struct lake_publish *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		return -ENOMEM;
	}
	if (!take_file(f[1], p->file) || take_text(f[2], p->to, sizeof(p->to)) != 0 ||
	    p->to[0] == '/' || strstr(p->to, "..") != NULL) {
		free(p);
		return -EINVAL;
	}
	p->next = m->publishes;
	m->publishes = p;
	return 0;
}

static int take_line(char *line, struct lake_manifest *m)
{
	char *f[FIELDS_MAX] = {0};
	char *save = NULL;
	uint64_t number = 0;
	size_t n = 0;

	for (char *field = strtok_r(line, " ", &save); field != NULL && n < FIELDS_MAX;
	     field = strtok_r(NULL, " ", &save)) {
		f[n++] = field;
	}
	if (n == 5 && strcmp(f[0], "position") == 0) {
		return take_position(f, m);
	}
	if (n == 7 && strcmp(f[0], "segment") == 0) {
		return take_segment(f, m);
	}
	if (n == 3 && strcmp(f[0], "publish") == 0) {
		return take_publish(f, m);
	}
	if (n == 2 && strcmp(f[0], "id") == 0 && strlen(f[1]) < sizeof(m->id)) {
		snprintf(m->id, sizeof(m->id), "%s", f[1]);
		return 0;
	}
	if (n != 2 || !take_u64(f[1], 10, &number)) {
		return -EINVAL;
	}
	if (strcmp(f[0], "epoch") == 0) {
		m->epoch = number;
	} else if (strcmp(f[0], "files") == 0) {
		m->files = number;
	} else if (strcmp(f[0], "sequence") == 0) {
		m->sequence = (int64_t)number;
	}
	return 0;
}

static int parse(char *data, size_t size, struct lake_manifest *m)
{
	char want[32];
	char *end = size > 22 ? data + size - 21 : NULL, *save = NULL;
	int rc = 0;

	if (end == NULL || strncmp(data, MAGIC "\n", sizeof(MAGIC)) != 0) {
		return -EINVAL;
	}
	snprintf(want, sizeof(want), "end %016" PRIx64 "\n", checksum(data, (size_t)(end - data)));
	if (memcmp(end, want, 21) != 0) {
		return -EINVAL;
	}
	*end = '\0';
	strtok_r(data, "\n", &save); /* the magic */
	for (char *line = strtok_r(NULL, "\n", &save); line != NULL && rc == 0;
	     line = strtok_r(NULL, "\n", &save)) {
		rc = take_line(line, m);
	}
	return rc == 0 && m->id[0] == '\0' ? -EINVAL : rc;
}

/* (gives) the bytes of the manifest, ended by a NUL; *ret NULL: there is none. */
static int read_file(struct lake *l, char **ret, size_t *ret_size, struct drip_error *err)
{
	int fd = openat(l->hidden_fd, "manifest", O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;
	ssize_t n;

	*ret = NULL;
	if (fd < 0) {
		return errno == ENOENT ? 0 : lake_error(err, -errno, "read", l->hidden);
	}
	if (fstat(fd, &st) != 0 || st.st_size > LAKE_MANIFEST_MAX) {
		close(fd);
		return lake_error(err, -EFBIG, "read the manifest of", l->hidden);
	}
	data = malloc((size_t)st.st_size + 1);
	n = data != NULL ? read(fd, data, (size_t)st.st_size) : -1;
	close(fd);
	if (n != st.st_size) {
		free(data);
		return lake_error(err, -EIO, "read the manifest of", l->hidden);
	}
	data[n] = '\0';
	*ret = data;
	*ret_size = (size_t)n;
	return 0;
}

static int make_first(struct lake_manifest *m, struct drip_error *err)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		return drip_error_set_retryable(
			err, -EIO, "lake.io",
			"could not get random bytes for the name of the lake");
	}
	snprintf(m->id, sizeof(m->id), "%08" PRIx32, (uint32_t)random);
	m->sequence = 1;
	return 0;
}

int lake_manifest_load(struct lake *l, struct lake_manifest *ret, struct drip_error *err)
{
	char *data = NULL;
	size_t size = 0;
	int rc = read_file(l, &data, &size, err);

	memset(ret, 0, sizeof(*ret));
	if (rc != 0 || data == NULL) {
		return rc != 0 ? rc : make_first(ret, err);
	}
	rc = parse(data, size, ret);
	free(data);
	if (rc != 0) {
		lake_manifest_finish(ret);
		drip_error_set(err, rc, "lake.manifest_damaged", "cannot read %s/manifest",
			       l->hidden);
		drip_error_hint(
			err, "Restore it from a backup. Without it the sink does not know what it "
			     "has published.");
	}
	return rc;
}

int lake_ready(struct lake *l, struct drip_error *err)
{
	int rc;

	if (l->loaded) {
		return 0;
	}
	lake_manifest_finish(&l->manifest);
	rc = lake_manifest_load(l, &l->manifest, err);
	if (rc == 0) {
		rc = lake_roll_forward(l, err);
	}
	if (rc == 0) {
		rc = lake_collect_garbage(l, err);
	}
	l->loaded = rc == 0;
	return rc;
}

int lake_begin(struct lake *l, struct drip_error *err)
{
	int rc = lake_ready(l, err);

	if (rc != 0 || l->begun) {
		return rc;
	}
	lake_manifest_finish(&l->next);
	rc = lake_manifest_copy(&l->manifest, &l->next, err);
	l->begun = rc == 0;
	return rc;
}
