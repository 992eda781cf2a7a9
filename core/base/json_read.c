/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON reader (RFC 8259). The tree owns one copy of the text, in which strings are decoded in
 * place, and chunks of nodes. Depth is bounded by DRIP_JSON_DEPTH_MAX, so recursion is too.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_NODES 128

struct chunk {
	struct chunk *next;
	size_t used;
	struct drip_json_node nodes[CHUNK_NODES];
};

struct drip_json_tree {
	char *text;
	struct chunk *chunks;
	struct drip_json_node *root;
};

struct parser {
	struct drip_json_tree *tree;
	char *p, *end, *start;
	unsigned depth;
	struct drip_error *err;
};

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);

static int parse_value(struct parser *ps, struct drip_json_node **ret);

static int syntax(struct parser *ps, const char *what)
{
	return drip_error_set(ps->err, -EINVAL, "json.syntax", "%s at byte %zu of the JSON text",
			      what, (size_t)(ps->p - ps->start));
}

static struct drip_json_node *new_node(struct parser *ps, enum drip_json_type type)
{
	struct chunk *c = ps->tree->chunks;

	if (c == NULL || c->used == CHUNK_NODES) {
		c = drip_calloc(1, sizeof(*c));
		if (c == NULL) {
			drip_error_nomem(ps->err, sizeof(*c));
			return NULL;
		}
		c->next = ps->tree->chunks;
		ps->tree->chunks = c;
	}
	c->nodes[c->used].type = type;
	return &c->nodes[c->used++];
}

static void skip_space(struct parser *ps)
{
	while (ps->p < ps->end &&
	       (*ps->p == ' ' || *ps->p == '\t' || *ps->p == '\n' || *ps->p == '\r')) {
		ps->p++;
	}
}

static int hex4(struct parser *ps, uint32_t *ret)
{
	uint32_t value = 0;

	if (ps->end - ps->p < 4) {
		return syntax(ps, "cut escape");
	}
	for (int i = 0; i < 4; i++) {
		char c = *ps->p;

		if (c >= '0' && c <= '9') {
			value = value * 16 + (uint32_t)(c - '0');
		} else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
			value = value * 16 + (uint32_t)((c | 32) - 'a' + 10);
		} else {
			return syntax(ps, "bad escape");
		}
		ps->p++;
	}
	*ret = value;
	return 0;
}

/* Writes a code point at `out`, which never passes the place read: an escape is longer. */
static char *put_utf8(char *out, uint32_t cp)
{
	if (cp < 0x80) {
		*out++ = (char)cp;
	} else if (cp < 0x800) {
		*out++ = (char)(0xc0 | cp >> 6);
		*out++ = (char)(0x80 | (cp & 0x3f));
	} else if (cp < 0x10000) {
		*out++ = (char)(0xe0 | cp >> 12);
		*out++ = (char)(0x80 | (cp >> 6 & 0x3f));
		*out++ = (char)(0x80 | (cp & 0x3f));
	} else {
		*out++ = (char)(0xf0 | cp >> 18);
		*out++ = (char)(0x80 | (cp >> 12 & 0x3f));
		*out++ = (char)(0x80 | (cp >> 6 & 0x3f));
		*out++ = (char)(0x80 | (cp & 0x3f));
	}
	return out;
}

static int unicode_escape(struct parser *ps, char **out)
{
	uint32_t cp, low;
	int rc = hex4(ps, &cp);

	if (rc < 0) {
		return rc;
	}
	if (cp >= 0xd800 && cp < 0xdc00 && ps->end - ps->p >= 6 && ps->p[0] == '\\' &&
	    ps->p[1] == 'u') {
		ps->p += 2;
		rc = hex4(ps, &low);
		if (rc < 0) {
			return rc;
		}
		if (low < 0xdc00 || low > 0xdfff) {
			return syntax(ps, "half a surrogate pair");
		}
		cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
	} else if (cp >= 0xd800 && cp <= 0xdfff) {
		return syntax(ps, "half a surrogate pair");
	}
	*out = put_utf8(*out, cp);
	return 0;
}

static int parse_escape(struct parser *ps, char **out)
{
	static const char names[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
	char c;

	if (ps->p == ps->end) {
		return syntax(ps, "cut escape");
	}
	c = *ps->p++;
	if (c == 'u') {
		return unicode_escape(ps, out);
	}
	for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
		if (names[i] == c) {
			*(*out)++ = names[i + 1];
			return 0;
		}
	}
	return syntax(ps, "bad escape");
}

/* Behind the opening quote. The NUL that ends the text overwrites the closing quote at the latest.
 */
static int parse_string(struct parser *ps, const char **ret, size_t *ret_size)
{
	char *start = ps->p, *out = ps->p;

	while (ps->p < ps->end && *ps->p != '"') {
		if ((unsigned char)*ps->p < 0x20) {
			return syntax(ps, "control character in a string");
		}
		if (*ps->p == '\\') {
			int rc;

			ps->p++;
			rc = parse_escape(ps, &out);
			if (rc < 0) {
				return rc;
			}
			continue;
		}
		*out++ = *ps->p++;
	}
	if (ps->p == ps->end) {
		return syntax(ps, "string without an end");
	}
	ps->p++;
	*out = '\0';
	*ret = start;
	*ret_size = (size_t)(out - start);
	return 0;
}

static bool digits(struct parser *ps)
{
	char *start = ps->p;

	while (ps->p < ps->end && *ps->p >= '0' && *ps->p <= '9') {
		ps->p++;
	}
	return ps->p > start;
}

static int scan_number(struct parser *ps, bool *ret_integer)
{
	*ret_integer = true;
	if (*ps->p == '-') {
		ps->p++;
	}
	if (ps->p < ps->end && *ps->p == '0') {
		ps->p++;
	} else if (!digits(ps)) {
		return syntax(ps, "bad number");
	}
	if (ps->p < ps->end && *ps->p == '.') {
		ps->p++;
		*ret_integer = false;
		if (!digits(ps)) {
			return syntax(ps, "bad number");
		}
	}
	if (ps->p < ps->end && (*ps->p | 32) == 'e') {
		ps->p++;
		*ret_integer = false;
		if (ps->p < ps->end && (*ps->p == '+' || *ps->p == '-')) {
			ps->p++;
		}
		if (!digits(ps)) {
			return syntax(ps, "bad number");
		}
	}
	return 0;
}

#define NUMBER_BYTES_MAX 400

static int parse_number(struct parser *ps, struct drip_json_node *n)
{
	char copy[NUMBER_BYTES_MAX + 1];
	char *start = ps->p;
	size_t size;
	int rc = scan_number(ps, &n->is_integer);

	if (rc < 0) {
		return rc;
	}
	size = (size_t)(ps->p - start);
	if (size > NUMBER_BYTES_MAX) {
		return syntax(ps, "number too long");
	}
	memcpy(copy, start, size);
	copy[size] = '\0';
	n->number = strtod(copy, NULL);
	if (n->is_integer) {
		errno = 0;
		n->integer = strtoll(copy, NULL, 10);
		n->is_integer = errno == 0;
	}
	n->text = start;
	n->text_size = size;
	return 0;
}

static int parse_members(struct parser *ps, struct drip_json_node *n, char close)
{
	const struct drip_json_node **tail = &n->first;
	size_t key_size;
	int rc;

	for (;;) {
		struct drip_json_node *child;
		const char *key = NULL;

		skip_space(ps);
		if (close == '}') {
			if (ps->p == ps->end || *ps->p++ != '"') {
				return syntax(ps, "a key was expected");
			}
			rc = parse_string(ps, &key, &key_size);
			if (rc < 0) {
				return rc;
			}
			skip_space(ps);
			if (ps->p == ps->end || *ps->p++ != ':') {
				return syntax(ps, "a colon was expected");
			}
		}
		rc = parse_value(ps, &child);
		if (rc < 0) {
			return rc;
		}
		child->key = key;
		*tail = child;
		tail = &child->next;
		skip_space(ps);
		if (ps->p == ps->end || (*ps->p != ',' && *ps->p != close)) {
			return syntax(ps, "a comma or the end was expected");
		}
		if (*ps->p++ == close) {
			return 0;
		}
	}
}

static int parse_container(struct parser *ps, struct drip_json_node *n, char close)
{
	int rc;

	if (++ps->depth > DRIP_JSON_DEPTH_MAX) {
		return drip_error_set(ps->err, -E2BIG, "json.too_deep",
				      "cannot read JSON nested deeper than %d levels",
				      DRIP_JSON_DEPTH_MAX);
	}
	ps->p++;
	skip_space(ps);
	if (ps->p < ps->end && *ps->p == close) {
		ps->p++;
		rc = 0;
	} else {
		rc = parse_members(ps, n, close);
	}
	ps->depth--;
	return rc;
}

static int parse_word(struct parser *ps, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(ps->end - ps->p) < size || memcmp(ps->p, word, size) != 0) {
		return syntax(ps, "a value was expected");
	}
	ps->p += size;
	return 0;
}

static int parse_value(struct parser *ps, struct drip_json_node **ret)
{
	struct drip_json_node *n;

	skip_space(ps);
	if (ps->p == ps->end) {
		return syntax(ps, "a value was expected");
	}
	n = new_node(ps, DRIP_JSON_NULL);
	if (n == NULL) {
		return -ENOMEM;
	}
	*ret = n;
	switch (*ps->p) {
	case '{':
		n->type = DRIP_JSON_OBJECT;
		return parse_container(ps, n, '}');
	case '[':
		n->type = DRIP_JSON_ARRAY;
		return parse_container(ps, n, ']');
	case '"':
		n->type = DRIP_JSON_STRING;
		ps->p++;
		return parse_string(ps, &n->text, &n->text_size);
	case 't':
	case 'f':
		n->type = DRIP_JSON_BOOL;
		n->boolean = *ps->p == 't';
		return parse_word(ps, n->boolean ? "true" : "false");
	case 'n':
		return parse_word(ps, "null");
	default:
		n->type = DRIP_JSON_NUMBER;
		return parse_number(ps, n);
	}
}

int drip_json_parse(const char *text, size_t size, struct drip_json_tree **ret,
		    struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = drip_calloc(1, sizeof(*tree));
	struct parser ps;
	int rc;

	if (tree == NULL) {
		return drip_error_nomem(err, sizeof(*tree));
	}
	tree->text = drip_strndup(text, size);
	if (tree->text == NULL) {
		return drip_error_nomem(err, size);
	}
	ps = (struct parser){.tree = tree,
			     .p = tree->text,
			     .start = tree->text,
			     .end = tree->text + size,
			     .err = err};
	rc = parse_value(&ps, &tree->root);
	if (rc < 0) {
		return rc;
	}
	skip_space(&ps);
	if (ps.p != ps.end) {
		return syntax(&ps, "something follows the value");
	}
	*ret = drip_steal(tree);
	return 0;
}

void drip_json_tree_destroy(struct drip_json_tree *tree)
{
	if (tree == NULL) {
		return;
	}
	while (tree->chunks != NULL) {
		struct chunk *next = tree->chunks->next;

		free(tree->chunks);
		tree->chunks = next;
	}
	free(tree->text);
	free(tree);
}

const struct drip_json_node *drip_json_root(const struct drip_json_tree *tree)
{
	return tree->root;
}

const struct drip_json_node *drip_json_get(const struct drip_json_node *node, const char *key)
{
	if (node == NULL || node->type != DRIP_JSON_OBJECT) {
		return NULL;
	}
	for (const struct drip_json_node *n = node->first; n != NULL; n = n->next) {
		if (strcmp(n->key, key) == 0) {
			return n;
		}
	}
	return NULL;
}

const char *drip_json_get_string(const struct drip_json_node *node, const char *key,
				 const char *otherwise)
{
	const struct drip_json_node *n = drip_json_get(node, key);

	return n != NULL && n->type == DRIP_JSON_STRING ? n->text : otherwise;
}

int64_t drip_json_get_int(const struct drip_json_node *node, const char *key, int64_t otherwise)
{
	const struct drip_json_node *n = drip_json_get(node, key);

	return n != NULL && n->type == DRIP_JSON_NUMBER && n->is_integer ? n->integer : otherwise;
}

double drip_json_get_double(const struct drip_json_node *node, const char *key, double otherwise)
{
	const struct drip_json_node *n = drip_json_get(node, key);

	return n != NULL && n->type == DRIP_JSON_NUMBER ? n->number : otherwise;
}

bool drip_json_get_bool(const struct drip_json_node *node, const char *key, bool otherwise)
{
	const struct drip_json_node *n = drip_json_get(node, key);

	return n != NULL && n->type == DRIP_JSON_BOOL ? n->boolean : otherwise;
}
