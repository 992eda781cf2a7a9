/* SPDX-License-Identifier: Apache-2.0 */
/* The log from files on disk, through a buffer that grows to the largest event. */
#include "feed.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES (1024u * 1024)
#define MAGIC_BYTES  4

struct drip_my_file {
	int fd;
	uint8_t *buffer;
	size_t capacity, start, end; /* bytes [start, end) wait */
	uint64_t offset;             /* of `start` in the file */
	uint64_t size_bytes;         /* of the file when it was opened */
	bool in_use;                 /* the server had it open when it was copied */
	char path[300];
};

/* At least `want` bytes from start on, where the file has them. */
static int fill(struct drip_my_file *f, size_t want, struct drip_error *err)
{
	if (f->start > 0 && f->start + want > f->capacity) {
		memmove(f->buffer, f->buffer + f->start, f->end - f->start);
		f->end -= f->start;
		f->start = 0;
	}
	if (want > f->capacity) {
		uint8_t *grown = realloc(f->buffer, want);

		if (grown == NULL) {
			return drip_error_nomem(err, want);
		}
		f->buffer = grown;
		f->capacity = want;
	}
	while (f->end - f->start < want) {
		ssize_t n = read(f->fd, f->buffer + f->end, f->capacity - f->end);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return drip_error_set(err, -errno, "mysql.file_failed",
					      "could not read %s: %s", f->path, strerror(errno));
		}
		if (n == 0) {
			break;
		}
		f->end += (size_t)n;
	}
	return 0;
}

int drip_my_file_open(const char *path, struct drip_my_file **ret, struct drip_error *err)
{
	static const uint8_t magic[MAGIC_BYTES] = {0xfe, 'b', 'i', 'n'};
	struct drip_my_file *f = calloc(1, sizeof(*f));
	int rc;

	if (f == NULL) {
		return drip_error_nomem(err, sizeof(*f));
	}
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0) {
		rc = drip_error_set(err, -errno, "mysql.file_failed", "cannot open %s: %s", path,
				    strerror(errno));
		drip_my_file_close(f);
		return rc;
	}
	f->size_bytes = (uint64_t)lseek(f->fd, 0, SEEK_END);
	lseek(f->fd, 0, SEEK_SET);
	f->buffer = malloc(BUFFER_BYTES);
	f->capacity = f->buffer != NULL ? BUFFER_BYTES : 0;
	rc = f->buffer != NULL ? fill(f, MAGIC_BYTES, err) : drip_error_nomem(err, BUFFER_BYTES);
	if (rc == 0 && (f->end < MAGIC_BYTES || memcmp(f->buffer, magic, MAGIC_BYTES) != 0)) {
		rc = drip_error_set(err, -EBADMSG, "mysql.not_a_binlog", "%s is not a binlog file",
				    path);
	}
	if (rc != 0) {
		drip_my_file_close(f);
		return rc;
	}
	f->start = MAGIC_BYTES;
	f->offset = MAGIC_BYTES;
	*ret = f;
	return 0;
}

void drip_my_file_close(struct drip_my_file *f)
{
	if (f == NULL) {
		return;
	}
	if (f->fd >= 0) {
		close(f->fd);
	}
	free(f->buffer);
	free(f);
}

uint64_t drip_my_file_offset(const struct drip_my_file *f)
{
	return f->offset;
}

static int cut_short(const struct drip_my_file *f, struct drip_error *err)
{
	if (f->in_use) {
		return 0;
	}
	drip_error_set(err, -EBADMSG, "mysql.truncated_file", "%s ends within an event", f->path);
	drip_error_place(err, "%s:%llu", f->path, (unsigned long long)f->offset);
	return -EBADMSG;
}

int drip_my_file_next(struct drip_my_file *f, const uint8_t **ret, size_t *ret_size,
		      struct drip_error *err)
{
	const uint8_t *p;
	uint32_t size;
	int rc = fill(f, DRIP_MY_HEADER_SIZE, err);

	if (rc != 0) {
		return rc;
	}
	if (f->end == f->start) {
		return 0;
	}
	if (f->end - f->start < DRIP_MY_HEADER_SIZE) {
		return cut_short(f, err);
	}
	size = (uint32_t)drip_my_little(f->buffer + f->start + 9, 4);
	if (size < DRIP_MY_HEADER_SIZE || size > DRIP_MY_EVENT_MAX) {
		drip_error_set(err, -EBADMSG, "mysql.corrupt_event", "an event of %u bytes", size);
		drip_error_place(err, "%s:%llu", f->path, (unsigned long long)f->offset);
		return -EBADMSG;
	}
	if (size > f->end - f->start && f->offset + size > f->size_bytes) {
		return cut_short(f, err);
	}
	rc = fill(f, size, err);
	if (rc != 0) {
		return rc;
	}
	if (f->end - f->start < size) {
		return cut_short(f, err);
	}
	p = f->buffer + f->start;
	if (p[4] == DRIP_MY_EVENT_FORMAT) {
		f->in_use = (p[17] & 1) != 0;
	}
	*ret = p;
	*ret_size = size;
	f->start += size;
	f->offset += size;
	return 1;
}
