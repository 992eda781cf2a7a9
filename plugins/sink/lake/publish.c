/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publication: which segments are due, and the renames that make files visible. The renames follow
 * the manifest that lists them, and can be done any number of times. Thread: the sink's.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Segments of one folder and schema, oldest first. */
struct set {
	struct lake_segment **items;
	size_t count;
};

static bool is_old(const struct lake *l, const struct lake_segment *s)
{
	int64_t age_us = l->ctx->host->wall_us(l->ctx) - s->since_us;

	return age_us >= l->config->roll_interval.ms * 1000;
}

bool lake_is_due(const struct lake *l)
{
	for (const struct lake_segment *s = l->manifest.segments; s != NULL; s = s->next) {
		if (is_old(l, s)) {
			return true;
		}
	}
	return false;
}

/* Takes the first segment's set out of the list. */
static int take_set(struct lake_segment **list, struct set *ret)
{
	struct lake_segment **p = list;
	size_t count = 0;

	for (const struct lake_segment *s = *list; s != NULL; s = s->next) {
		count++;
	}
	ret->items = calloc(count, sizeof(struct lake_segment *));
	ret->count = 0;
	if (ret->items == NULL) {
		return -ENOMEM;
	}
	while (*p != NULL) {
		struct lake_segment *s = *p;
		const struct lake_segment *first = ret->count > 0 ? ret->items[0] : s;

		if (s->hash == first->hash && strcmp(s->dir, first->dir) == 0) {
			ret->items[ret->count++] = s;
			*p = s->next;
		} else {
			p = &s->next;
		}
	}
	return 0;
}

static const char *table_of(const char *dir)
{
	const char *end = dir + strlen(dir), *begin;
	static _Thread_local char name[256];
	int slashes = 0;

	/* "raw/orders/2026/11/22": behind the first slash, before the last three. */
	while (end > dir && slashes < 3) {
		slashes += *--end == '/';
	}
	begin = end;
	while (begin > dir && begin[-1] != '/') {
		begin--;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(end - begin), begin);
	return name;
}

/* Segments [first, first + count) become one file of `to_publish`; their entries are freed. */
static int publish_run(struct lake *l, struct set *set, size_t first, size_t count,
		       struct drip_error *err)
{
	struct lake_publish *p = calloc(1, sizeof(*p));
	struct lake_segment *s = set->items[first];
	uint64_t bytes;
	int rc = 0;

	if (p == NULL) {
		return drip_error_nomem(err, sizeof(*p));
	}
	if (count == 1) {
		snprintf(p->file, sizeof(p->file), "%s", s->file);
	} else {
		rc = lake_merge(l, (const struct lake_segment *const *)&set->items[first], count,
				p->file, &bytes, err);
	}
	if (rc != 0) {
		free(p);
		return rc;
	}
	snprintf(p->to, sizeof(p->to), "%s/%s-%s", s->dir, table_of(s->dir), p->file);
	p->next = l->next.publishes;
	l->next.publishes = p;
	for (size_t i = first; i < first + count; i++) {
		free(set->items[i]);
		set->items[i] = NULL;
	}
	return 0;
}

/* Many small segments become one, so that neither their number nor the manifest grows. */
static int merge_run(struct lake *l, struct set *set, size_t first, struct drip_error *err)
{
	struct lake_segment *s = set->items[first];
	struct lake_segment merged = *s;
	int rc = lake_merge(l, (const struct lake_segment *const *)&set->items[first],
			    set->count - first, merged.file, &merged.bytes, err);

	if (rc != 0) {
		return rc;
	}
	for (size_t i = first + 1; i < set->count; i++) {
		merged.rows += set->items[i]->rows;
		free(set->items[i]);
		set->items[i] = NULL;
	}
	*s = merged;
	return 0;
}

static int plan_set(struct lake *l, struct set *set, bool all, struct drip_error *err)
{
	size_t first = 0;
	uint64_t bytes = 0;
	int rc = 0;

	for (size_t i = 0; i < set->count && rc == 0; i++) {
		all = all || is_old(l, set->items[i]);
	}
	for (size_t i = 0; i < set->count && rc == 0; i++) {
		bytes += set->items[i]->bytes;
		if (bytes >= l->config->roll_size.bytes || (all && i + 1 == set->count)) {
			rc = publish_run(l, set, first, i + 1 - first, err);
			first = i + 1;
			bytes = 0;
		}
	}
	if (rc == 0 && set->count - first > LAKE_SEGMENTS_MAX) {
		rc = merge_run(l, set, first, err);
	}
	return rc;
}

int lake_plan(struct lake *l, bool all, struct drip_error *err)
{
	struct lake_segment *left = l->next.segments;
	int rc = 0;

	l->next.segments = NULL;
	while (left != NULL && rc == 0) {
		struct set set = {0};

		if (take_set(&left, &set) != 0) {
			rc = drip_error_nomem(err, sizeof(set));
			break;
		}
		rc = plan_set(l, &set, all, err);
		for (size_t i = 0; i < set.count; i++) {
			if (set.items[i] != NULL) {
				lake_manifest_append(&l->next, set.items[i]);
			}
		}
		free(set.items);
	}
	while (left != NULL) { /* failed: all of `next` is dropped by the abort that follows */
		struct lake_segment *s = left;

		left = s->next;
		free(s);
	}
	return rc;
}

/* Renames one file, never over another. Done already: 0. */
static int rename_one(struct lake *l, const struct lake_publish *p, struct drip_error *err)
{
	char dir[sizeof(p->to)];
	char *slash;
	struct stat st;
	int fd, rc;

	snprintf(dir, sizeof(dir), "%s", p->to);
	slash = strrchr(dir, '/');
	if (slash == NULL) {
		return lake_error(err, -EINVAL, "publish", p->to);
	}
	*slash = '\0';
	rc = lake_make_dir(l, dir, err);
	if (rc != 0) {
		return rc;
	}
	if (renameat2(l->hidden_fd, p->file, l->root_fd, p->to, RENAME_NOREPLACE) != 0) {
		rc = -errno;
		if (rc == -EINVAL && fstatat(l->root_fd, p->to, &st, 0) != 0) {
			/* A file system without RENAME_NOREPLACE; the lock keeps others out. */
			rc = renameat(l->hidden_fd, p->file, l->root_fd, p->to) == 0 ? 0 : -errno;
		}
		if (rc == -ENOENT && fstatat(l->hidden_fd, p->file, &st, 0) != 0) {
			rc = 0; /* done before a crash */
		}
		if (rc != 0) {
			return lake_error(err, rc, "publish", p->to);
		}
	}
	fd = openat(l->root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return lake_error(err, -errno, "open", dir);
	}
	rc = lake_sync_dir(fd, dir, err);
	close(fd);
	return rc;
}

int lake_roll_forward(struct lake *l, struct drip_error *err)
{
	int rc = 0;

	for (const struct lake_publish *p = l->manifest.publishes; p != NULL && rc == 0;
	     p = p->next) {
		rc = rename_one(l, p, err);
		if (rc == 0) {
			rc = drip_failpoint(l->ctx, "lake.mid_rename", err);
		}
	}
	while (rc == 0 && l->manifest.publishes != NULL) {
		struct lake_publish *p = l->manifest.publishes;

		l->manifest.publishes = p->next;
		free(p);
	}
	return rc;
}
