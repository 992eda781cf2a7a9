/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML parser: libyaml events into a tree. Nodes whose parent is still open wait on one stack
 * (`pending`); a collection that ends takes its children from there. Three bounds hold at any time:
 * open levels, nodes made, and weight, which counts every alias as what it stands for, so that a
 * small file cannot unfold into a large one. One parser belongs to one thread.
 */
#include "config/yaml.h"

#include "config/yaml_map.h"
#include "config/yaml_recover.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

static struct drip_place place_of(const struct drip_yaml_parser *p, yaml_mark_t mark)
{
	return (struct drip_place){p->file, p->line + (int)mark.line + 1, (int)mark.column + 1};
}

static int refuse(struct drip_yaml_parser *p, const struct drip_place *place, const char *code,
		  const char *hint, const char *message)
{
	drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, place, code, hint, "%s", message);
	return -EINVAL;
}

static int push(struct drip_yaml_parser *p, struct drip_node *node)
{
	if (p->pending_count == p->pending_capacity) {
		size_t capacity = p->pending_capacity == 0 ? 64 : p->pending_capacity * 2;
		struct drip_node **grown = drip_realloc(p->pending, capacity * sizeof(*grown));

		if (grown == NULL) {
			return -ENOMEM;
		}
		p->pending = grown;
		p->pending_capacity = capacity;
	}
	p->pending[p->pending_count++] = node;
	if (p->depth == 0) {
		p->root = node;
	}
	return 0;
}

/* Anchors are looked up one after the other, so there is a bound on them. */
#define ANCHORS_MAX 10000

static int add_anchor(struct drip_yaml_parser *p, const unsigned char *name, struct drip_node *node)
{
	if (name == NULL) {
		return 0;
	}
	if (p->anchors_count == ANCHORS_MAX) {
		return refuse(p, &node->place, "config.too_large", "Use fewer anchors.",
			      "the file holds more than 10000 anchors");
	}
	for (size_t i = 0; i < p->anchors_count; i++) {
		if (strcmp(p->anchors[i].name, (const char *)name) == 0) {
			p->anchors[i].node = node; /* the last one counts, as YAML says */
			return 0;
		}
	}
	if (p->anchors_count == p->anchors_capacity) {
		size_t capacity = p->anchors_capacity == 0 ? 16 : p->anchors_capacity * 2;
		struct drip_yaml_anchor *grown =
			drip_realloc(p->anchors, capacity * sizeof(*grown));

		if (grown == NULL) {
			return -ENOMEM;
		}
		p->anchors = grown;
		p->anchors_capacity = capacity;
	}
	p->anchors[p->anchors_count].name = drip_arena_strdup(p->arena, (const char *)name);
	p->anchors[p->anchors_count].node = node;
	return p->anchors[p->anchors_count++].name != NULL ? 0 : -ENOMEM;
}

static int make_node(struct drip_yaml_parser *p, enum drip_node_kind kind,
		     const yaml_event_t *event, struct drip_node **ret)
{
	struct drip_place place = place_of(p, event->start_mark);
	struct drip_node *node;

	if (p->nodes >= DRIP_YAML_NODES_MAX) {
		return refuse(p, &place, "config.too_large", "Split the file.",
			      "the file holds more than 1000000 values");
	}
	node = drip_arena_alloc(p->arena, sizeof(*node));
	if (node == NULL) {
		return -ENOMEM;
	}
	p->nodes++;
	p->made++;
	node->kind = kind;
	node->place = place;
	node->weight = 1;
	node->height = 1;
	*ret = node;
	return 0;
}

static void check_tag(struct drip_yaml_parser *p, const struct drip_node *node,
		      const unsigned char *tag, const char *const *known)
{
	if (tag == NULL || strcmp((const char *)tag, "!") == 0) {
		return;
	}
	for (; *known != NULL; known++) {
		if (strcmp((const char *)tag, *known) == 0) {
			return;
		}
	}
	drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &node->place, "config.unknown_tag",
			  "Remove the tag: the option's type decides how a value is read.",
			  "unknown tag %s", (const char *)tag);
}

static bool is_null_text(const char *text)
{
	return text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 ||
	       strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

/* Byte offset of a mark; libyaml counts characters, and none for a byte order mark. */
static size_t offset_of(struct drip_yaml_parser *p, yaml_mark_t mark)
{
	size_t at = p->size >= 3 && memcmp(p->text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	size_t left = mark.index;

	if (p->mark > 0 && p->mark <= mark.index) { /* not from the beginning each time */
		at = p->mark_offset;
		left -= p->mark;
	}
	for (; left > 0 && at < p->size; left--) {
		do {
			at++;
		} while (at < p->size && ((unsigned char)p->text[at] & 0xc0) == 0x80);
	}
	p->mark = mark.index;
	p->mark_offset = at;
	return at;
}

static size_t count_characters(const char *text, size_t size)
{
	size_t count = 0;

	for (size_t i = 0; i < size; i++) {
		count += ((unsigned char)text[i] & 0xc0) != 0x80;
	}
	return count;
}

static bool is_blank_line(const char *text)
{
	return text[strspn(text, " \r")] == '\n';
}

/* A literal block: the spaces that its lines have more than the text's. */
static void find_block(struct drip_yaml_parser *p, struct drip_node *node, size_t at)
{
	const char *text = node->text, *line = memchr(p->text + at, '\n', p->size - at), *end;
	const char *stop = p->text + p->size;

	if (line == NULL || memchr(p->text + at, '|', (size_t)(line - p->text) - at) == NULL) {
		return;
	}
	while (is_blank_line(text) && line + 1 < stop) {
		end = memchr(line + 1, '\n', (size_t)(stop - line) - 1);
		if (end == NULL) {
			return;
		}
		line = end;
		text = strchr(text, '\n') + 1;
	}
	for (end = ++line; end < stop && *end == ' '; end++) {
	}
	if ((size_t)(end - line) >= strspn(text, " ")) {
		node->text_line = node->place.line + 1;
		node->text_column = (int)((size_t)(end - line) - strspn(text, " ")) + 1;
	}
}

/* Where the text stands as it is in the file. */
static void find_text(struct drip_yaml_parser *p, struct drip_node *node, const yaml_event_t *event)
{
	yaml_scalar_style_t style = event->data.scalar.style;
	size_t quotes = style == YAML_PLAIN_SCALAR_STYLE ? 0 : 2;

	if (style == YAML_LITERAL_SCALAR_STYLE) {
		find_block(p, node, offset_of(p, event->start_mark));
	} else if (style != YAML_FOLDED_SCALAR_STYLE &&
		   event->start_mark.line == event->end_mark.line &&
		   event->end_mark.column - event->start_mark.column ==
			   count_characters(node->text, node->text_size) + quotes) {
		node->text_line = node->place.line;
		node->text_column = node->place.column + (int)quotes / 2;
	}
}

static int on_scalar(struct drip_yaml_parser *p, const yaml_event_t *event)
{
	static const char *const known[] = {YAML_STR_TAG,  YAML_INT_TAG,  YAML_FLOAT_TAG,
					    YAML_BOOL_TAG, YAML_NULL_TAG, NULL};
	const unsigned char *tag = event->data.scalar.tag;
	struct drip_node *node;
	int rc = make_node(p, DRIP_NODE_SCALAR, event, &node);

	if (rc < 0) {
		return rc;
	}
	node->text_size = event->data.scalar.length;
	node->text =
		drip_arena_copy(p->arena, (const char *)event->data.scalar.value, node->text_size);
	node->raw = node->text;
	if (node->text == NULL) {
		return -ENOMEM;
	}
	if (memchr(node->text, '\0', node->text_size) != NULL) {
		refuse(p, &node->place, "config.nul_character", NULL,
		       "a value cannot hold the character NUL");
	}
	check_tag(p, node, tag, known);
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	if (tag != NULL && strcmp((const char *)tag, "!") != 0) {
		node->plain = strcmp((const char *)tag, YAML_STR_TAG) != 0;
	}
	node->null = node->plain && is_null_text(node->text);
	find_text(p, node, event);
	rc = add_anchor(p, event->data.scalar.anchor, node);
	return rc < 0 ? rc : push(p, node);
}

/* Stands for what an alias should have named. */
static int make_broken(struct drip_yaml_parser *p, const yaml_event_t *event,
		       struct drip_node **ret)
{
	int rc = make_node(p, DRIP_NODE_SCALAR, event, ret);

	if (rc == 0) {
		(*ret)->text = (*ret)->raw = "";
		(*ret)->broken = true;
	}
	return rc;
}

static int push_broken(struct drip_yaml_parser *p, const yaml_event_t *event)
{
	struct drip_node *node;
	int rc = make_broken(p, event, &node);

	p->incomplete = p->anything = true;
	return rc < 0 ? rc : push(p, node);
}

static int on_alias(struct drip_yaml_parser *p, const yaml_event_t *event)
{
	struct drip_place place = place_of(p, event->start_mark);
	const char *name = (const char *)event->data.alias.anchor;

	for (size_t i = 0; i < p->anchors_count; i++) {
		if (strcmp(p->anchors[i].name, name) != 0) {
			continue;
		}
		if (p->anchors[i].node->open) {
			refuse(p, &place, "config.alias_cycle",
			       "An alias cannot stand inside the value that it names.",
			       "an alias refers to the value that it stands in");
			return push_broken(p, event);
		}
		p->incomplete |= p->anchors[i].node->broken;
		p->anything |= p->anchors[i].node->broken;
		return push(p, p->anchors[i].node);
	}
	if (!p->lost) { /* otherwise it may stand in what could not be parsed */
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.unknown_anchor",
				  "Put &NAME before the value that *NAME shall repeat, above the "
				  "alias.",
				  "no anchor \"%s\" stands before this alias", name);
	}
	return push_broken(p, event);
}

static int on_start(struct drip_yaml_parser *p, const yaml_event_t *event, enum drip_node_kind kind)
{
	static const char *const known[] = {YAML_SEQ_TAG, YAML_MAP_TAG, NULL};
	bool map = kind == DRIP_NODE_MAP;
	struct drip_node *node, *named;
	int rc = make_node(p, kind, event, &node);

	if (rc < 0) {
		return rc;
	}
	if (p->depth == DRIP_YAML_DEPTH_MAX) {
		return refuse(p, &node->place, "config.too_deep", "Nest less deeply.",
			      "values are nested more than 64 levels deep");
	}
	check_tag(p, node, map ? event->data.mapping_start.tag : event->data.sequence_start.tag,
		  known);
	named = node;
	if (map && p->raw && p->depth == 0) { /* as it is, it cannot stand for its alias */
		rc = make_broken(p, event, &named);
	}
	rc = rc < 0 ? rc
		    : add_anchor(p,
				 map ? event->data.mapping_start.anchor
				     : event->data.sequence_start.anchor,
				 named);
	if (rc < 0) {
		return rc;
	}
	node->open = true;
	p->frames[p->depth++] = (struct drip_yaml_frame){node, p->pending_count};
	return 0;
}

/* Adds up weight and height of the children; refuses what unfolds beyond the bounds. */
static int weigh(struct drip_yaml_parser *p, struct drip_node *node,
		 struct drip_node *const *children, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		node->weight += children[i]->weight;
		if (node->weight > DRIP_YAML_NODES_MAX) {
			return refuse(p, &node->place, "config.too_large",
				      "Use fewer aliases, or split the file.",
				      "aliases unfold into more than 1000000 values");
		}
		if (children[i]->height >= node->height) {
			node->height = children[i]->height + 1;
		}
	}
	if (node->height > DRIP_YAML_DEPTH_MAX) {
		return refuse(p, &node->place, "config.too_deep", "Nest less deeply.",
			      "values are nested more than 64 levels deep");
	}
	return 0;
}

int drip_yaml_close(struct drip_yaml_parser *p, struct drip_node *node, struct drip_node **children,
		    size_t count, bool raw)
{
	int rc = weigh(p, node, children, count);
	bool broken = node->broken;

	if (rc == 0 && node->kind == DRIP_NODE_MAP && !raw) {
		rc = drip_yaml_map_fill(p->arena, p->findings, node, children, count / 2,
					&p->nodes);
		p->incomplete |= node->broken;
		p->anything |= node->broken && !broken;
		return rc;
	}
	node->items = drip_arena_array(p->arena, count, sizeof(*node->items));
	if (node->items == NULL) {
		return -ENOMEM;
	}
	if (count > 0) {
		memcpy(node->items, children, count * sizeof(*children));
	}
	node->count = count;
	return rc;
}

static int on_end(struct drip_yaml_parser *p)
{
	struct drip_yaml_frame frame = p->frames[--p->depth];
	struct drip_node **children = p->pending != NULL ? p->pending + frame.first : NULL;
	int rc = drip_yaml_close(p, frame.node, children, p->pending_count - frame.first,
				 p->raw && p->depth == 0);

	frame.node->open = false;
	p->pending_count = frame.first;
	return rc < 0 ? rc : push(p, frame.node);
}

/* Copies the lines that are no comment; the copy is as large as they are at most, and ends. */
static void copy_lines(char *to, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *next = memchr(text, '\n', (size_t)(end - text)), *first = text;

		next = next != NULL ? next + 1 : end;
		while (first < next && (*first == ' ' || *first == '\t')) {
			first++;
		}
		if (first == next || *first != '#') {
			memcpy(to, text, (size_t)(next - text));
			to += next - text;
		}
		text = next;
	}
}

void drip_yaml_lose(struct drip_yaml_parser *p, const char *text, size_t size)
{
	struct drip_yaml_lost *lost = drip_arena_alloc(p->arena, sizeof(*lost));
	char *copy = drip_arena_alloc(p->arena, size + 1); /* zeroed */

	if (lost == NULL || copy == NULL) {
		p->anything = true;
		return;
	}
	copy_lines(copy, text, size);
	*lost = (struct drip_yaml_lost){copy, p->losses};
	p->losses = lost;
}

void drip_yaml_many_documents(struct drip_yaml_parser *p, const struct drip_place *place,
			      const char *text, size_t size)
{
	drip_yaml_lose(p, text, size);
	refuse(p, place, "config.many_documents", "Put each document into a file of its own.",
	       "a file holds one YAML document");
	p->incomplete = true;
}

static int on_event(struct drip_yaml_parser *p, const yaml_event_t *event)
{
	struct drip_place place;

	if (p->documents > 1) {
		return 0; /* of later documents only the syntax counts */
	}
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++p->documents == 2) {
			size_t at = offset_of(p, event->start_mark);

			place = place_of(p, event->start_mark);
			drip_yaml_many_documents(p, &place, p->text + at, p->size - at);
		}
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(p, event);
	case YAML_ALIAS_EVENT:
		return on_alias(p, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(p, event, DRIP_NODE_SEQUENCE);
	case YAML_MAPPING_START_EVENT:
		return on_start(p, event, DRIP_NODE_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(p);
	default:
		return 0;
	}
}

static bool is_tab_at(struct drip_yaml_parser *p, yaml_mark_t mark)
{
	size_t at = offset_of(p, mark);

	return at < p->size && p->text[at] == '\t';
}

static const char *hint_of(struct drip_yaml_parser *p, const char *problem)
{
	if (is_tab_at(p, p->yaml.problem_mark)) {
		return "YAML does not allow tabs for indentation: use spaces.";
	}
	if (strstr(problem, "start any token") != NULL) {
		return "Quote values that begin with @, `, % or another special character.";
	}
	if (strstr(problem, "mapping values are not allowed") != NULL) {
		return "Check the indentation, and quote a value that holds \": \".";
	}
	if (strstr(problem, "<document start>") != NULL) {
		return "Lines that belong together begin in the same column.";
	}
	return NULL;
}

static int report_syntax(struct drip_yaml_parser *p)
{
	const yaml_parser_t *y = &p->yaml;
	const char *problem = y->problem != NULL ? y->problem : "malformed YAML";
	const char *hint = hint_of(p, problem);
	struct drip_place place = place_of(p, y->problem_mark);

	if (y->error == YAML_MEMORY_ERROR) {
		return -ENOMEM;
	}
	if (y->error == YAML_READER_ERROR) {
		place = (struct drip_place){p->file, p->line + 1, 1};
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.bad_encoding",
				  "Save the file as UTF-8 without control characters.",
				  "cannot read the text: %s", problem);
		return -EINVAL;
	}
	if (strstr(problem, "<document start>") != NULL) {
		problem = "the indentation does not fit that of the lines before";
	}
	if (y->context == NULL) {
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.syntax", hint,
				  "cannot parse YAML: %s", problem);
		return -EINVAL;
	}
	if (offset_of(p, y->problem_mark) >=
	    p->size) { /* something is not closed: it begins there */
		place = place_of(p, y->context_mark);
	}
	drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.syntax", hint,
			  "cannot parse YAML: %s, %s that begins at line %d", problem, y->context,
			  p->line + (int)y->context_mark.line + 1);
	return -EINVAL;
}

static int run_events(struct drip_yaml_parser *p)
{
	bool done = false;
	int rc = 0;

	while (!done && rc == 0) {
		yaml_event_t event;

		if (!yaml_parser_parse(&p->yaml, &event)) {
			return report_syntax(p);
		}
		done = event.type == YAML_STREAM_END_EVENT;
		rc = on_event(p, &event);
		yaml_event_delete(&event);
	}
	return rc;
}

int drip_yaml_run(struct drip_yaml_parser *p, const char *text, size_t size, int line, bool raw,
		  struct drip_node **ret_root)
{
	size_t anchors = p->anchors_count;
	int rc;

	*ret_root = p->root = NULL;
	p->text = text;
	p->size = size;
	p->line = line;
	p->raw = raw;
	p->documents = p->depth = p->pending_count = 0;
	p->mark = 0;
	if (!yaml_parser_initialize(&p->yaml)) {
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&p->yaml, (const unsigned char *)text, size);
	rc = run_events(p);
	yaml_parser_delete(&p->yaml);
	if (rc == -EINVAL && p->documents > 1) {
		rc = 0; /* in what does not count */
	}
	if (rc == 0) {
		*ret_root = p->root;
		return 0;
	}
	/* An anchor may still name what is not finished. */
	p->anchors_count = anchors;
	while (p->depth > 0) {
		struct drip_node *node = p->frames[--p->depth].node;

		node->open = false;
		node->broken = true;
	}
	return rc;
}

int drip_yaml_parse(struct drip_arena *arena, const char *file, const void *text, size_t size,
		    struct drip_findings *findings, struct drip_node **ret_root)
{
	static const struct drip_yaml_lost anything = {NULL, NULL};
	struct drip_yaml_parser p = {.arena = arena, .findings = findings, .file = file};
	size_t errors = findings->errors;
	struct drip_node *root;
	int rc = drip_yaml_parse_all(&p, text, size, &root);

	*ret_root = NULL;
	free(p.pending);
	free(p.anchors);
	if (rc < 0) {
		return rc;
	}
	if (root != NULL) {
		root->incomplete = p.incomplete || p.lost;
		if (root->incomplete) {
			root->lost = p.anything ? &anything : p.losses;
		}
	}
	*ret_root = root;
	return findings->errors > errors ? -EINVAL : 0;
}
