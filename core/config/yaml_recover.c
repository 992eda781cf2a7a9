/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is whole of a text that libyaml refuses. It stops at the first problem; here such a text is
 * taken apart at the lines that begin in the column of its first key or dash, each part is parsed
 * on its own, and one that fails is taken apart in turn. So every part says what is wrong with it,
 * and what is whole is there to be checked. For what is lost an empty map stands that is `broken`,
 * or where even its key is, its map is; and the root is `incomplete`. Bounds: levels,
 * and parts of a file. Thread: the parser's.
 */
#include "config/yaml_recover.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX        8
#define MADE_MAX          (2 * DRIP_YAML_NODES_MAX) /* values, before no part is taken apart */
#define PIECES_MAX        10000
#define KEY_TRIES_MAX     4  /* colons of a line behind which its value may begin */
#define BAD_ENCODINGS_MAX 20 /* places that are named */

/* Whole lines of the file. */
struct piece {
	char *text; /* (borrowed) */
	size_t size;
	int line; /* from 0 */
};

struct shape {
	enum drip_node_kind kind;
	size_t indent;
	size_t at; /* offset of the first key or dash in the piece */
};

struct children {
	struct drip_node **items;
	size_t count, capacity;
};

static size_t line_size(const struct piece *piece, size_t at)
{
	const char *end = memchr(piece->text + at, '\n', piece->size - at);

	return end != NULL ? (size_t)(end - piece->text) + 1 - at : piece->size - at;
}

/* Spaces before what the line holds. */
static size_t indent_of(const struct piece *piece, size_t at)
{
	size_t n = 0;

	while (at + n < piece->size && piece->text[at + n] == ' ') {
		n++;
	}
	return n;
}

static char char_at(const struct piece *piece, size_t at)
{
	return at < piece->size ? piece->text[at] : '\n';
}

static bool is_blank(const struct piece *piece, size_t at)
{
	return strchr("#\r\n", char_at(piece, at)) != NULL;
}

static bool is_dash(const struct piece *piece, size_t at)
{
	return char_at(piece, at) == '-' && strchr(" \r\n", char_at(piece, at + 1)) != NULL;
}

/* --- or ..., at the beginning of a line. */
static bool is_marker(const struct piece *piece, size_t at)
{
	return piece->size - at >= 3 &&
	       (memcmp(piece->text + at, "---", 3) == 0 || memcmp(piece->text + at, "...", 3) == 0);
}

static bool find_shape(const struct piece *piece, struct shape *shape)
{
	for (size_t at = 0; at < piece->size; at += line_size(piece, at)) {
		size_t indent = indent_of(piece, at), first = at + indent;

		if (is_blank(piece, first) || char_at(piece, at) == '%' || is_marker(piece, at)) {
			continue;
		}
		shape->kind = is_dash(piece, first) ? DRIP_NODE_SEQUENCE : DRIP_NODE_MAP;
		shape->indent = indent;
		shape->at = first;
		return strchr("[{\t", char_at(piece, first)) == NULL;
	}
	return false;
}

static bool begins_entry(const struct piece *piece, size_t at, const struct shape *shape)
{
	size_t first = at + shape->indent;

	return indent_of(piece, at) == shape->indent && !is_blank(piece, first) &&
	       strchr("]},\t", char_at(piece, first)) == NULL &&
	       is_dash(piece, first) == (shape->kind == DRIP_NODE_SEQUENCE);
}

/* A line that belongs to none of the entries: what follows it cannot be told apart. */
static bool is_astray(const struct piece *piece, size_t at, const struct shape *shape)
{
	size_t indent = indent_of(piece, at);

	return indent < shape->indent && !is_blank(piece, at + indent);
}

/* The lines from `at` up to the next key or dash; the first ones up to the second. */
static struct piece entry_at(struct drip_yaml_parser *p, const struct piece *piece,
			     const struct shape *shape, size_t at, int line)
{
	size_t end = at <= shape->at ? shape->at : at;

	end += line_size(piece, end);
	while (end < piece->size && !begins_entry(piece, end, shape)) {
		end = is_astray(piece, end, shape) ? piece->size : end + line_size(piece, end);
	}
	if (p->pieces++ >= PIECES_MAX) {
		end = piece->size;
	}
	return (struct piece){piece->text + at, end - at, line};
}

static int lines_of(const struct piece *piece)
{
	int lines = 0;

	for (size_t at = 0; at < piece->size; at += line_size(piece, at)) {
		lines++;
	}
	return lines;
}

static int append(struct children *children, struct drip_node *const *nodes, size_t count)
{
	if (!drip_grow((void **)&children->items, &children->capacity, children->count + count,
		       sizeof(*children->items))) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		children->items[children->count++] = nodes[i];
	}
	return 0;
}

static struct drip_node *new_node(struct drip_yaml_parser *p, enum drip_node_kind kind,
				  const struct piece *piece, const struct shape *shape)
{
	struct drip_node *node = drip_arena_alloc(p->arena, sizeof(*node));
	struct piece before = {piece->text, shape->at, piece->line};

	if (node != NULL) {
		before.size -= shape->indent; /* whole lines only */
		node->kind = kind;
		node->place = (struct drip_place){p->file, piece->line + lines_of(&before) + 1,
						  (int)shape->indent + 1};
		node->weight = node->height = 1;
		p->nodes++;
	}
	return node;
}

static int recover(struct drip_yaml_parser *p, struct piece piece, int level, size_t findings,
		   struct drip_node **ret);

/* Offset behind the next colon that a value may follow on the line, or the line's end. */
static size_t behind_colon(const struct piece *piece, size_t at, size_t end)
{
	for (; at < end; at++) {
		if (piece->text[at] == ':' && char_at(piece, at + 1) == ' ') {
			return at + 1;
		}
	}
	return end;
}

/* A part is parsed anew on each level: their number, and the memory, are bounded. */
static bool goes_deeper(const struct drip_yaml_parser *p, int level)
{
	return level < LEVELS_MAX && p->made < MADE_MAX;
}

static bool is_key_alone(const struct drip_node *root)
{
	return root != NULL && root->kind == DRIP_NODE_MAP && root->count == 2 &&
	       root->items[1]->kind == DRIP_NODE_SCALAR && root->items[1]->null;
}

/* The key of the line that begins at `at`, NULL where it cannot be told; *ret_below where all its
 * value stands on the lines below. */
static int read_key(struct drip_yaml_parser *p, const struct piece *piece, size_t at,
		    struct drip_node **ret, bool *ret_below)
{
	size_t count = p->findings->count, end = at + line_size(piece, at), to = end;
	struct piece before = {piece->text, at, 0};
	int line = piece->line + lines_of(&before);

	*ret = NULL;
	*ret_below = true;
	for (int i = 0; i < KEY_TRIES_MAX; i++) {
		struct drip_node *root;
		int rc = drip_yaml_run(p, piece->text + at, to - at, line, true, &root);

		drip_findings_cut(p->findings, count, p->findings->count);
		if (rc == -ENOMEM) {
			return rc;
		}
		if (is_key_alone(root)) {
			*ret = root->items[0];
			return 0;
		}
		to = behind_colon(piece, *ret_below ? at : to, end);
		*ret_below = false;
	}
	return 0;
}

/* "key: value": the key, and what is whole of a value that stands on the lines below. */
static int recover_pair(struct drip_yaml_parser *p, const struct piece *entry,
			const struct shape *shape, int level, size_t findings,
			struct children *pair)
{
	size_t at = shape->at - shape->indent, size = line_size(entry, at);
	struct piece before = {entry->text, at + size, 0};
	struct piece body = {entry->text + at + size, entry->size - at - size,
			     entry->line + lines_of(&before)};
	struct drip_node *key, *value = NULL;
	bool below;
	int rc = read_key(p, entry, at, &key, &below);

	if (rc == 0 && key != NULL && below && goes_deeper(p, level)) {
		rc = recover(p, body, level, findings, &value);
	}
	rc = rc == 0 && key != NULL ? append(pair, &key, 1) : rc;
	return rc == 0 && value != NULL ? append(pair, &value, 1) : rc;
}

/* A part that could not be parsed; what is said of it begins at `findings`. */
static int recover_entry(struct drip_yaml_parser *p, enum drip_node_kind kind, struct piece entry,
			 int level, size_t findings, struct drip_node *node,
			 struct children *children)
{
	size_t whole = children->count + (kind == DRIP_NODE_MAP ? 2 : 1);
	struct drip_node *item = NULL;
	struct shape shape;
	int rc = 0;

	if (!find_shape(&entry, &shape)) {
		shape = (struct shape){.kind = kind};
	} else if (kind == DRIP_NODE_MAP) {
		rc = recover_pair(p, &entry, &shape, level + 1, findings, children);
	} else if (goes_deeper(p, level)) {
		entry.text[shape.at] = ' ';
		rc = recover(p, entry, level + 1, findings, &item);
		rc = rc == 0 && item != NULL ? append(children, &item, 1) : rc;
	}
	if (rc < 0 || children->count == whole) {
		return rc;
	}
	p->structural++;
	p->lost = true;
	drip_yaml_lose(p, entry.text, entry.size);
	if (children->count + 1 < whole) { /* not even the key */
		node->broken = true;
		return 0;
	}
	item = new_node(p, DRIP_NODE_MAP, &entry, &shape);
	if (item == NULL) {
		return -ENOMEM;
	}
	item->broken = true;
	return append(children, &item, 1);
}

static int take_entry(struct drip_yaml_parser *p, const struct shape *shape, struct piece entry,
		      int level, struct drip_node *node, struct children *children)
{
	size_t findings = p->findings->count, nodes = p->nodes;
	struct drip_node *root;
	int rc = drip_yaml_run(p, entry.text, entry.size, entry.line, true, &root);

	if (rc == 0 && root != NULL && root->kind == shape->kind) {
		return append(children, root->items, root->count);
	}
	if (rc == 0 && root != NULL) { /* a word alone */
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &root->place, "config.syntax",
				  "Write `KEY: VALUE`, or indent what belongs to the line above.",
				  "cannot parse YAML: could not find expected ':'");
		rc = -EINVAL;
	}
	if (rc != -EINVAL) {
		return rc;
	}
	p->nodes = nodes;
	return recover_entry(p, shape->kind, entry, level, findings, node, children);
}

/*
 * Parses what is whole of a piece that has failed; its findings begin at `findings`, and the last
 * of them is why. They are the parts' to say anew; but where no part fails, the reason stays. *ret
 * is NULL where the piece cannot be taken apart.
 */
static int recover(struct drip_yaml_parser *p, struct piece piece, int level, size_t findings,
		   struct drip_node **ret)
{
	size_t own = p->findings->count, structural = p->structural;
	drip_autofree struct drip_node **items = NULL;
	struct children children = {0};
	struct drip_node *node;
	struct shape shape;
	struct piece entry;
	int rc = 0, line = piece.line;

	*ret = NULL;
	if (!find_shape(&piece, &shape)) {
		return 0;
	}
	node = new_node(p, shape.kind, &piece, &shape);
	if (node == NULL) {
		return -ENOMEM;
	}
	for (size_t at = 0; at < piece.size && rc == 0; at += entry.size) {
		entry = entry_at(p, &piece, &shape, at, line);
		line += lines_of(&entry);
		rc = take_entry(p, &shape, entry, level, node, &children);
	}
	items = children.items;
	rc = rc == 0 ? drip_yaml_close(p, node, items, children.count, false) : rc;
	if (rc < 0) {
		return rc;
	}
	if (p->structural > structural) {
		drip_findings_cut(p->findings, findings, own);
	} else {
		drip_findings_cut(p->findings, findings, own > findings ? own - 1 : findings);
		p->structural++;
		p->lost = true;
		drip_yaml_lose(p, piece.text, piece.size);
	}
	*ret = node;
	return 0;
}

/* ---- characters ---- */

/* Bytes of the character at `at` that YAML allows; 0: it does not. *ret_bad says why. */
static size_t character_size(const unsigned char *text, size_t size, const char **ret_bad)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = text[0] < 0x80             ? 1
		   : (text[0] & 0xe0) == 0xc0 ? 2
		   : (text[0] & 0xf0) == 0xe0 ? 3
		   : (text[0] & 0xf8) == 0xf0 ? 4
					      : 0;
	uint32_t c = n > 1 ? text[0] & (0x7fu >> n) : text[0];

	*ret_bad = "it is not UTF-8";
	if (n == 0 || n > size) {
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80) {
			return 0;
		}
		c = c << 6 | (text[i] & 0x3f);
	}
	if (c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
		return 0;
	}
	*ret_bad = "control characters are not allowed";
	if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
	    (c >= 0x7f && c < 0xa0 && c != 0x85) || c == 0xfffe || c == 0xffff) {
		return 0;
	}
	return n;
}

/* Reports what cannot stand in YAML, once a line, and puts question marks in its place. */
static void clean(struct drip_yaml_parser *p, struct piece *piece)
{
	struct drip_place place = {p->file, 1, 1};
	unsigned char *text = (unsigned char *)piece->text;
	int reported = 0, last = 0;

	for (size_t at = 0, n; at < piece->size; at += n, place.column++) {
		const char *bad;

		n = character_size(text + at, piece->size - at, &bad);
		if (n == 0) {
			text[at] = '?';
			n = 1;
			if (place.line != last && reported++ < BAD_ENCODINGS_MAX) {
				drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place,
						  "config.bad_encoding",
						  "Save the file as UTF-8 without control "
						  "characters.",
						  "cannot read the text: %s", bad);
			}
			last = place.line;
		} else if (text[at] == '\n') {
			place.line++;
			place.column = 0;
		}
	}
}

static bool is_clean(const char *text, size_t size)
{
	const char *bad;
	size_t at = 0, n = 1;

	for (; at < size && n > 0; at += n) {
		n = character_size((const unsigned char *)text + at, size - at, &bad);
	}
	return n > 0;
}

static bool is_utf16(const char *text, size_t size)
{
	return size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

/* Of several documents the first; the line of the second's marker, 0 where there is none. */
static int cut_documents(struct piece *piece)
{
	const struct piece whole = *piece;
	struct shape shape;
	size_t at;

	if (!find_shape(piece, &shape)) {
		return 0;
	}
	for (at = shape.at; at < piece->size && !is_marker(piece, at);) {
		at += line_size(piece, at);
	}
	piece->size = at;
	return char_at(&whole, at) == '-' ? lines_of(piece) + 1 : 0;
}

int drip_yaml_parse_all(struct drip_yaml_parser *p, const char *text, size_t size,
			struct drip_node **ret_root)
{
	size_t findings = p->findings->count, nodes = p->nodes;
	drip_autofree char *copy = NULL;
	struct piece piece = {.size = size};
	struct drip_place second = {p->file, 0, 1};
	bool cleaned = false;
	int rc = drip_yaml_run(p, text, size, 0, false, ret_root);

	if (rc != -EINVAL || is_utf16(text, size) || p->nodes >= DRIP_YAML_NODES_MAX) {
		return rc;
	}
	copy = piece.text = drip_memdup(text, size);
	if (copy == NULL) {
		return -ENOMEM;
	}
	p->nodes = nodes;
	if (!is_clean(piece.text, size)) {
		drip_findings_cut(p->findings, findings, p->findings->count);
		clean(p, &piece);
		p->incomplete = p->anything = cleaned = true;
		findings = p->findings->count;
		rc = drip_yaml_run(p, piece.text, size, 0, false, ret_root);
		p->nodes = rc == -EINVAL ? nodes : p->nodes;
	}
	if (rc == -EINVAL) {
		second.line = cut_documents(&piece);
		rc = recover(p, piece, 0, findings, ret_root);
		rc = rc == 0 && *ret_root == NULL ? -EINVAL : rc;
	}
	if (second.line > 0) {
		drip_yaml_many_documents(p, &second, copy + piece.size, size - piece.size);
	}
	if (rc == 0 && *ret_root != NULL && (p->lost || cleaned)) {
		(*ret_root)->broken = cleaned; /* `incomplete` says so */
	}
	return rc;
}
