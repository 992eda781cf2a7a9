/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the tree: look-ups, places, hashes; and reading whole files. Nothing here changes a
 * node. */
#include "config/yaml.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const struct drip_node_pair *drip_node_pair(const struct drip_node *map, const char *key)
{
	if (map == NULL || map->kind != DRIP_NODE_MAP) {
		return NULL;
	}
	for (size_t i = 0; i < map->count; i++) {
		if (strcmp(map->pairs[i].key->text, key) == 0) {
			return &map->pairs[i];
		}
	}
	return NULL;
}

struct drip_node *drip_node_get(const struct drip_node *map, const char *key)
{
	const struct drip_node_pair *pair = drip_node_pair(map, key);

	return pair != NULL ? pair->value : NULL;
}

/* Recursion ends: a tree is DRIP_YAML_DEPTH_MAX levels deep at most. */
bool drip_node_is_broken(const struct drip_node *node)
{
	bool broken = node->broken;

	for (size_t i = 0; node->kind == DRIP_NODE_SEQUENCE && i < node->count && !broken; i++) {
		broken = drip_node_is_broken(node->items[i]);
	}
	for (size_t i = 0; node->kind == DRIP_NODE_MAP && i < node->count && !broken; i++) {
		broken = drip_node_is_broken(node->pairs[i].value);
	}
	return broken;
}

bool drip_node_lacks(const struct drip_node *node)
{
	bool scalar = node->kind == DRIP_NODE_SCALAR;
	bool lacks = node->broken && (!scalar || node->raw[0] == '\0'); /* else a reference */

	for (size_t i = 0; node->kind == DRIP_NODE_SEQUENCE && i < node->count && !lacks; i++) {
		lacks = drip_node_lacks(node->items[i]);
	}
	for (size_t i = 0; node->kind == DRIP_NODE_MAP && i < node->count && !lacks; i++) {
		lacks = drip_node_lacks(node->pairs[i].value);
	}
	return lacks;
}

bool drip_node_is_extension(const struct drip_node *key)
{
	return strncmp(key->text, "x-", 2) == 0;
}

const char *drip_node_describe(const struct drip_node *node)
{
	switch (node->kind) {
	case DRIP_NODE_SEQUENCE:
		return "a list";
	case DRIP_NODE_MAP:
		return "a map";
	case DRIP_NODE_SCALAR:
		break;
	}
	if (node->null) {
		return "nothing";
	}
	return node->plain ? "a value" : "a quoted string";
}

/* One step of a path: a key, or [n] of a list. A map where a list may stand counts as [0]. */
static const struct drip_node *step(const struct drip_node *node, const char **path)
{
	char key[256];
	size_t n;

	if (**path == '[') {
		char *end;
		unsigned long index = strtoul(*path + 1, &end, 10);

		*path = *end == ']' ? end + 1 : end;
		if (node->kind == DRIP_NODE_SEQUENCE) {
			return index < node->count ? node->items[index] : NULL;
		}
		return index == 0 ? node : NULL;
	}
	n = strcspn(*path, ".[");
	if (n >= sizeof(key)) {
		return NULL;
	}
	memcpy(key, *path, n);
	key[n] = '\0';
	*path += n;
	return drip_node_get(node, key);
}

/* The value at `path`, or the nearest above it; *ret_all tells which. */
static const struct drip_node *walk(const struct drip_node *node, const char *path, bool *ret_all)
{

	while (*path != '\0') {
		const struct drip_node *next;
		const char *before = path;

		if (*path == '.') {
			path++;
			continue;
		}
		next = step(node, &path);
		if (next == NULL || path == before) {
			break;
		}
		node = next;
	}
	*ret_all = *path == '\0';
	return node;
}

struct drip_place drip_node_place(const struct drip_node *map, const char *path)
{
	bool all;

	return walk(map, path, &all)->place;
}

/* A character of the text, or the end of one of its lines. */
static bool stands_in(const char *text, int line, int column)
{
	while (line > 1 && text != NULL) {
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
		line--;
	}
	return text != NULL && (size_t)column <= strcspn(text, "\n") + 1;
}

struct drip_place drip_node_text_place(const struct drip_node *map, const char *path, int line,
				       int column)
{
	bool all;
	const struct drip_node *node = walk(map, path, &all);
	struct drip_place place = {.file = node->place.file};

	if (all && node->text_line > 0 && !node->interpolated &&
	    stands_in(node->text, line, column)) {
		place.line = node->text_line + line - 1;
		place.column = node->text_column + column - 1;
	}
	return place;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
	h ^= value + 0x9e3779b97f4a7c15u + (h << 6) + (h >> 2);
	h *= 0xff51afd7ed558ccdu;
	return h ^ (h >> 33);
}

static uint64_t hash_bytes(uint64_t h, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		h = (h ^ (unsigned char)text[i]) * 0x100000001b3u;
	}
	return mix(h, size);
}

uint64_t drip_node_hash(const struct drip_node *node)
{
	uint64_t h, sum = 0;

	if (node == NULL) {
		return 0;
	}
	h = mix(0xcbf29ce484222325u, (uint64_t)node->kind);
	switch (node->kind) {
	case DRIP_NODE_SCALAR:
		return hash_bytes(mix(h, node->null), node->text, node->text_size);
	case DRIP_NODE_SEQUENCE:
		for (size_t i = 0; i < node->count; i++) {
			h = mix(h, drip_node_hash(node->items[i]));
		}
		return h;
	case DRIP_NODE_MAP:
		for (size_t i = 0; i < node->count; i++) {
			const struct drip_node *key = node->pairs[i].key;

			if (!drip_node_is_extension(key)) {
				sum += mix(hash_bytes(h, key->text, key->text_size),
					   drip_node_hash(node->pairs[i].value));
			}
		}
		return mix(h, sum);
	}
	return h;
}

/* Reads up to `max_bytes`; one byte more tells that the file has grown beyond. */
static int read_all(int fd, size_t max_bytes, size_t guess, char **ret_text, size_t *ret_size)
{
	size_t capacity = guess + 2, size = 0;
	char *text = drip_malloc(capacity);

	while (text != NULL) {
		ssize_t n = read(fd, text + size, capacity - size - 1);

		if (n == 0) {
			text[size] = '\0';
			*ret_text = text;
			*ret_size = size;
			return 0;
		}
		if (n < 0 && errno == EINTR) {
			continue;
		}
		size += n > 0 ? (size_t)n : 0;
		if (n < 0 || size > max_bytes) {
			int rc = n < 0 ? -errno : -EFBIG;

			explicit_bzero(text, capacity);
			free(text);
			return rc;
		}
		if (size + 1 == capacity) {
			char *grown = drip_malloc(capacity * 2);

			if (grown != NULL) {
				memcpy(grown, text, size);
			}
			explicit_bzero(text, capacity);
			free(text);
			text = grown;
			capacity *= 2;
		}
	}
	return -ENOMEM;
}

int drip_read_file(const char *path, size_t max_bytes, char **ret_text, size_t *ret_size)
{
	/* O_NONBLOCK: a FIFO must not hang validation; only regular files are read. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
	struct stat st;

	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &st) < 0) {
		rc = -errno;
	} else if (S_ISDIR(st.st_mode)) {
		rc = -EISDIR;
	} else if (!S_ISREG(st.st_mode)) {
		rc = -EINVAL;
	} else if ((uint64_t)st.st_size > max_bytes) {
		rc = -EFBIG;
	} else {
		rc = read_all(fd, max_bytes, (size_t)st.st_size, ret_text, ret_size);
	}
	close(fd);
	return rc;
}

static int report_unreadable(const char *file, int rc, struct drip_findings *findings)
{
	struct drip_place place = {file, 0, 0};

	if (rc == -ENOMEM) {
		return rc;
	}
	if (rc == -EFBIG) {
		drip_findings_add(findings, DRIP_SEVERITY_ERROR, &place, "config.too_large",
				  "Split the file, and use `include`.",
				  "the file is larger than %d MiB", DRIP_YAML_FILE_MAX_BYTES >> 20);
		return -EINVAL;
	}
	findings->environment = true;
	drip_findings_add(findings, DRIP_SEVERITY_ERROR, &place, "config.unreadable_file",
			  "Check the path and its permissions.", "could not read the file: %s",
			  rc == -EINVAL ? "it is not a regular file" : strerror(-rc));
	return -EINVAL;
}

int drip_yaml_load(struct drip_arena *arena, const char *file, struct drip_findings *findings,
		   struct drip_node **ret_root)
{
	char *text = NULL;
	size_t size = 0;
	int rc = drip_read_file(file, DRIP_YAML_FILE_MAX_BYTES, &text, &size);

	*ret_root = NULL;
	if (rc < 0) {
		return report_unreadable(file, rc, findings);
	}
	rc = drip_yaml_parse(arena, file, text, size, findings, ret_root);
	explicit_bzero(text, size);
	free(text);
	return rc;
}
