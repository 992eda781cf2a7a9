/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML 1.1 as a tree in which every value keeps its place, style and tag. Parsed with libyaml's
 * events; aliases share nodes, merge keys are resolved, everything is bounded. All memory is the
 * arena's. Not thread-safe.
 */
#ifndef DRIPLINE_CONFIG_YAML_H
#define DRIPLINE_CONFIG_YAML_H

#include "base/findings.h"
#include "config/arena.h"

#define DRIP_YAML_FILE_MAX_BYTES   (16 << 20)
#define DRIP_YAML_DEPTH_MAX        64        /* levels of nesting, through aliases too */
#define DRIP_YAML_NODES_MAX        1000000   /* values of one file with every alias written out */
#define DRIP_YAML_SCALAR_MAX_BYTES (1 << 20) /* of one scalar after interpolation */

enum drip_node_kind { DRIP_NODE_SCALAR = 1, DRIP_NODE_SEQUENCE, DRIP_NODE_MAP };

struct drip_node;

/* A part of a file that could not be read. */
struct drip_yaml_lost {
	const char *text; /* NULL: it may have held anything */
	const struct drip_yaml_lost *next;
};

struct drip_node_pair {
	struct drip_node *key; /* a scalar */
	struct drip_node *value;
};

struct drip_node {
	enum drip_node_kind kind;
	struct drip_place place;
	bool plain;        /* scalar without quotes, or tagged !!int, !!float, !!bool */
	bool null;         /* plain scalar that is empty, ~ or null */
	bool interpolated; /* `text` holds something from outside; `raw` is what the file says */
	bool broken;       /* a reference, alias or merge in it goes nowhere: already reported */
	bool incomplete;   /* of the root: something in the file is broken in its structure */
	bool visited;      /* private: interpolation has seen it */
	bool open;         /* private: the parser is inside it */
	const char *text;  /* scalar */
	size_t text_size;
	union {
		const char *raw;                   /* scalar as written, before interpolation */
		const struct drip_yaml_lost *lost; /* of a root that is `incomplete` */
	};
	/* Of the first character of a scalar whose lines stand in the file as they are, but for an
	 * indentation that is the same for all; 0: they do not. */
	int text_line, text_column;
	union {
		struct drip_node **items;     /* sequence */
		struct drip_node_pair *pairs; /* map, merge keys resolved, in file order */
	};
	size_t count;  /* of items or pairs */
	size_t weight; /* values in it with aliases written out */
	int height;    /* levels of nesting in it */
};

/*
 * Parses a text; places point at `file` (borrowed: must outlive the tree). Problems are added to
 * `findings`; then -EINVAL is returned, and *ret_root is NULL where there is no tree. Duplicate
 * keys, unknown tags and the like are found all in one pass and leave a tree; of several documents
 * the first; for an alias that names nothing a scalar that is `broken`, and the map into which
 * something cannot be merged as it stands, `broken`. *ret_root is NULL
 * with 0 for a text without a document.
 */
int drip_yaml_parse(struct drip_arena *arena, const char *file, const void *text, size_t size,
		    struct drip_findings *findings, struct drip_node **ret_root) DRIP_MUST_CHECK;
/* Reads a file of DRIP_YAML_FILE_MAX_BYTES at most, and parses it; `file` is its path. */
int drip_yaml_load(struct drip_arena *arena, const char *file, struct drip_findings *findings,
		   struct drip_node **ret_root) DRIP_MUST_CHECK;

/*
 * Replaces ${env:NAME}, ${env:NAME:-default} and ${file:PATH} in all scalar values under `root`,
 * but not under keys that begin with x-. What comes in is never parsed again. A relative PATH is
 * resolved against the folder of the file in which it stands. `$${` becomes `${`.
 */
int drip_yaml_interpolate(struct drip_arena *arena, struct drip_node *root,
			  struct drip_findings *findings) DRIP_MUST_CHECK;

/* The value of a key in a map, or NULL; NULL maps and other kinds have no keys. */
struct drip_node *drip_node_get(const struct drip_node *map, const char *key);
/* The pair of a key, for the place of the key itself. */
const struct drip_node_pair *drip_node_pair(const struct drip_node *map, const char *key);
/* The place of "columns[2].name" under `map`; of the nearest value above it where it is absent. */
struct drip_place drip_node_place(const struct drip_node *map, const char *path);
/* The place of line `line` and column `column` (from 1) of the text at `path`; its line is 0 where
 * that cannot be told, as of a folded text. */
struct drip_place drip_node_text_place(const struct drip_node *map, const char *path, int line,
				       int column);
/* True where a reference in it, or below it, could not be replaced. */
bool drip_node_is_broken(const struct drip_node *node);
/* True where a part of it, or below it, could not be read: what is absent may have stood there. */
bool drip_node_lacks(const struct drip_node *node);
/* True for keys that are ignored: x-... */
bool drip_node_is_extension(const struct drip_node *key);
/* "a map", "a list", "nothing", "a quoted string", "a value": for messages. */
const char *drip_node_describe(const struct drip_node *node);
/* Hash of a value with all that it holds; the order of keys and x- keys do not matter. */
uint64_t drip_node_hash(const struct drip_node *node);

/*
 * Reads a regular file whole: malloc'd (gives), NUL-terminated. -EFBIG where it is larger than
 * `max_bytes`, -EINVAL where it is not a regular file, or another negative errno.
 */
int drip_read_file(const char *path, size_t max_bytes, char **ret_text,
		   size_t *ret_size) DRIP_MUST_CHECK;

#endif
