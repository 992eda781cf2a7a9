/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpolation: ${env:NAME}, ${env:NAME:-default}, ${file:PATH} in scalar values, after parsing.
 * What is put in is text, whatever it holds: it is not parsed as YAML and not interpolated again.
 * Nodes shared by aliases are visited once. What comes in is never part of a message: it may be a
 * secret.
 */
#include "config/yaml.h"

#include "base/alloc.h"
#include <ctype.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFERENCE_FILE_MAX_BYTES (64 << 10) /* of ${file:PATH} */
#define NAME_MAX_BYTES           4096       /* of what stands between ${ and } */

struct text {
	char *bytes;
	size_t size, capacity;
};

struct interpolation {
	struct drip_arena *arena;
	struct drip_findings *findings;
	const struct drip_node *node;
	struct text out;
};

static int append(struct text *t, const char *bytes, size_t size)
{
	if (size == 0) {
		return 0;
	}
	if (t->size + size > DRIP_YAML_SCALAR_MAX_BYTES) {
		return -EFBIG;
	}
	if (t->size + size > t->capacity) {
		size_t capacity = (t->size + size) * 2 + 64;
		char *grown = drip_malloc(capacity);

		if (grown == NULL) {
			return -ENOMEM;
		}
		if (t->size > 0) {
			memcpy(grown, t->bytes, t->size);
			explicit_bzero(t->bytes, t->size);
		}
		free(t->bytes);
		t->bytes = grown;
		t->capacity = capacity;
	}
	memcpy(t->bytes + t->size, bytes, size);
	t->size += size;
	return 0;
}

DRIP_PRINTF(4, 5)
static int refuse(struct interpolation *in, const char *code, const char *hint, const char *fmt,
		  ...)
{
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	drip_findings_add(in->findings, DRIP_SEVERITY_ERROR, &in->node->place, code, hint, "%s",
			  message);
	return -EINVAL;
}

static bool is_name(const char *name, size_t size)
{
	if (size == 0 || isdigit((unsigned char)name[0])) {
		return false;
	}
	for (size_t i = 0; i < size; i++) {
		if (!isalnum((unsigned char)name[i]) && name[i] != '_') {
			return false;
		}
	}
	return true;
}

/* `what` is "NAME" or "NAME:-default". */
static int put_env(struct interpolation *in, const char *what)
{
	const char *fallback = strstr(what, ":-");
	size_t size = fallback != NULL ? (size_t)(fallback - what) : strlen(what);
	char name[NAME_MAX_BYTES];
	const char *value;

	if (!is_name(what, size)) {
		return refuse(
			in, "config.bad_reference", "Write ${env:NAME} or ${env:NAME:-default}.",
			"\"%.*s\" is not the name of an environment variable", (int)size, what);
	}
	memcpy(name, what, size);
	name[size] = '\0';
	value = getenv(name);
	if (fallback != NULL && (value == NULL || value[0] == '\0')) {
		value = fallback + 2;
	}
	if (value == NULL) {
		return refuse(in, "config.missing_variable",
			      "Set it, or give a default: ${env:NAME:-default}.",
			      "environment variable %s is not set", name);
	}
	return append(&in->out, value, strlen(value));
}

/* A relative path starts at the folder of the YAML file. (gives) */
static char *resolve(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	size_t folder = slash != NULL ? (size_t)(slash - file) + 1 : 0;
	char *full;

	if (path[0] == '/') {
		return drip_strdup(path);
	}
	full = drip_malloc(folder + strlen(path) + 1);
	if (full != NULL) {
		memcpy(full, file, folder);
		memcpy(full + folder, path, strlen(path) + 1);
	}
	return full;
}

static int put_file(struct interpolation *in, const char *path)
{
	char *full = resolve(in->node->place.file, path), *text = NULL;
	size_t size = 0;
	int rc;

	if (full == NULL) {
		return -ENOMEM;
	}
	rc = drip_read_file(full, REFERENCE_FILE_MAX_BYTES, &text, &size);
	free(full);
	if (rc == -ENOMEM) {
		return rc;
	}
	if (rc < 0) {
		in->findings->environment = true;
		return refuse(in, "config.missing_file", "Check the path and its permissions.",
			      "could not read the file %s: %s", path,
			      rc == -EFBIG    ? "it is larger than 64 KiB"
			      : rc == -EINVAL ? "it is not a regular file"
					      : strerror(-rc));
	}
	if (memchr(text, '\0', size) != NULL) {
		rc = refuse(in, "config.nul_character", NULL, "the file %s holds the character NUL",
			    path);
	} else {
		size_t kept = size > 0 && text[size - 1] == '\n' ? size - 1 : size;

		kept -= kept < size && kept > 0 && text[kept - 1] == '\r';
		rc = append(&in->out, text, kept);
	}
	explicit_bzero(text, size);
	free(text);
	return rc;
}

/* `at` points behind "${". Sets *ret_end behind "}". */
static int put_reference(struct interpolation *in, const char *at, const char **ret_end)
{
	const char *end = strchr(at, '}');
	char what[NAME_MAX_BYTES];
	size_t size;

	if (end == NULL || (size_t)(end - at) >= sizeof(what)) {
		return refuse(in, "config.bad_reference", "Write $${ for a literal ${.",
			      "${ without } in a value");
	}
	size = (size_t)(end - at);
	memcpy(what, at, size);
	what[size] = '\0';
	*ret_end = end + 1;
	if (strncmp(what, "env:", 4) == 0) {
		return put_env(in, what + 4);
	}
	if (strncmp(what, "file:", 5) == 0 && what[5] != '\0') {
		return put_file(in, what + 5);
	}
	return refuse(in, "config.bad_reference",
		      "Write ${env:NAME}, ${env:NAME:-default} or ${file:PATH}, or $${ for a "
		      "literal ${.",
		      "unknown reference ${%s}", what);
}

static int expand(struct interpolation *in)
{
	const char *at = in->node->text;
	int rc = 0;

	while (*at != '\0') {
		const char *next = strstr(at, "${");

		if (next == NULL) {
			return append(&in->out, at, strlen(at));
		}
		if (next > at && next[-1] == '$') {
			rc = append(&in->out, at, (size_t)(next - 1 - at));
			rc = rc < 0 ? rc : append(&in->out, "${", 2);
			at = next + 2;
		} else {
			rc = append(&in->out, at, (size_t)(next - at));
			rc = rc < 0 ? rc : put_reference(in, next + 2, &at);
		}
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static int expand_scalar(struct drip_arena *arena, struct drip_findings *findings,
			 struct drip_node *node)
{
	struct interpolation in = {.arena = arena, .findings = findings, .node = node};
	int rc;

	if (strstr(node->text, "${") == NULL) {
		return 0;
	}
	rc = expand(&in);
	if (rc == -EFBIG) {
		rc = refuse(&in, "config.too_large", NULL,
			    "the value is larger than 1 MiB once its references are replaced");
	}
	if (rc == 0) {
		node->text = drip_arena_copy(arena, in.out.bytes, in.out.size);
		node->text_size = in.out.size;
		node->interpolated = true;
		node->null = false;
		rc = node->text != NULL ? 0 : -ENOMEM;
	}
	if (in.out.bytes != NULL) {
		explicit_bzero(in.out.bytes, in.out.size);
	}
	free(in.out.bytes);
	if (rc == -EINVAL) {
		node->broken = true;
		return 0;
	}
	return rc;
}

/* Recursion ends: a tree is DRIP_YAML_DEPTH_MAX levels deep at most. */
static int walk(struct drip_arena *arena, struct drip_findings *findings, struct drip_node *node)
{
	int rc = 0;

	if (node->visited) {
		return 0;
	}
	node->visited = true;
	switch (node->kind) {
	case DRIP_NODE_SCALAR:
		return expand_scalar(arena, findings, node);
	case DRIP_NODE_SEQUENCE:
		for (size_t i = 0; i < node->count && rc == 0; i++) {
			rc = walk(arena, findings, node->items[i]);
		}
		return rc;
	case DRIP_NODE_MAP:
		for (size_t i = 0; i < node->count && rc == 0; i++) {
			if (!drip_node_is_extension(node->pairs[i].key)) {
				rc = walk(arena, findings, node->pairs[i].value);
			}
		}
		return rc;
	}
	return rc;
}

int drip_yaml_interpolate(struct drip_arena *arena, struct drip_node *root,
			  struct drip_findings *findings)
{
	size_t errors = findings->errors;
	int rc = root != NULL ? walk(arena, findings, root) : 0;

	if (rc < 0) {
		return rc;
	}
	return findings->errors > errors ? -EINVAL : 0;
}
