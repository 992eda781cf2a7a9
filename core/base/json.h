/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: a writer that appends to a drip_str, and a reader that makes a tree. Text is UTF-8; bytes
 * that are not are written as U+FFFD. One thread at a time for each writer and tree.
 */
#ifndef DRIPLINE_BASE_JSON_H
#define DRIPLINE_BASE_JSON_H

#include "base/str.h"

#define DRIP_JSON_DEPTH_MAX 64

/* Writes one document. Failures stick in out->rc. Commas and colons come by themselves. */
struct drip_json {
	struct drip_str *out;
	uint64_t has_items; /* bit i: the container at depth i has an item */
	unsigned depth;
	bool after_key;
};

void drip_json_init(struct drip_json *j, struct drip_str *out);
void drip_json_begin_object(struct drip_json *j);
void drip_json_end_object(struct drip_json *j);
void drip_json_begin_array(struct drip_json *j);
void drip_json_end_array(struct drip_json *j);
void drip_json_key(struct drip_json *j, const char *key);
void drip_json_string(struct drip_json *j, const char *text); /* NULL: null */
void drip_json_string_n(struct drip_json *j, const char *text, size_t size);
void drip_json_int(struct drip_json *j, int64_t value);
void drip_json_uint(struct drip_json *j, uint64_t value);
void drip_json_double(struct drip_json *j, double value); /* NaN and infinity: null */
void drip_json_bool(struct drip_json *j, bool value);
void drip_json_null(struct drip_json *j);
void drip_json_raw(struct drip_json *j, const char *json); /* one JSON value, as it is */
/* key and value in one. */
void drip_json_put_string(struct drip_json *j, const char *key, const char *text);
void drip_json_put_int(struct drip_json *j, const char *key, int64_t value);
void drip_json_put_uint(struct drip_json *j, const char *key, uint64_t value);
void drip_json_put_double(struct drip_json *j, const char *key, double value);
void drip_json_put_bool(struct drip_json *j, const char *key, bool value);
/* {"code": ..., "message": ..., "hint": ..., "place": ..., "retryable": ...} */
void drip_json_error(struct drip_json *j, const struct drip_error *error);

enum drip_json_type {
	DRIP_JSON_NULL = 1,
	DRIP_JSON_BOOL,
	DRIP_JSON_NUMBER,
	DRIP_JSON_STRING,
	DRIP_JSON_ARRAY,
	DRIP_JSON_OBJECT,
};

struct drip_json_node {
	enum drip_json_type type;
	bool boolean;
	bool is_integer; /* NUMBER: `integer` is exact */
	int64_t integer;
	double number;
	const char *key;  /* of a member of an object */
	const char *text; /* STRING, ended by NUL; NUMBER: as it was written */
	size_t text_size; /* bytes; STRING may hold NUL */
	const struct drip_json_node *first, *next; /* children; siblings */
};

struct drip_json_tree;

/* (gives) the tree of one JSON text (RFC 8259). -EINVAL with json.syntax and the offset; -E2BIG
 * where it is nested too deep. */
int drip_json_parse(const char *text, size_t size, struct drip_json_tree **ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
void drip_json_tree_destroy(struct drip_json_tree *tree);
/* (borrowed) from the tree, for all of these. */
const struct drip_json_node *drip_json_root(const struct drip_json_tree *tree);
/* The member, or NULL; `node` may be NULL or no object. */
const struct drip_json_node *drip_json_get(const struct drip_json_node *node, const char *key);
/* The member's value, or `otherwise` where it is absent or of another type. */
const char *drip_json_get_string(const struct drip_json_node *node, const char *key,
				 const char *otherwise);
int64_t drip_json_get_int(const struct drip_json_node *node, const char *key, int64_t otherwise);
double drip_json_get_double(const struct drip_json_node *node, const char *key, double otherwise);
bool drip_json_get_bool(const struct drip_json_node *node, const char *key, bool otherwise);

/* Writes a node that was read, as it was: numbers keep their digits. */
void drip_json_node(struct drip_json *j, const struct drip_json_node *node);

#endif
