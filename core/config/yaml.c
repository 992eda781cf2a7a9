/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The YAML parser: libyaml events into a tree. Nodes whose parent is still open wait on one stack
 * (`pending`); a collection that ends takes its children from there. Three bounds hold at any time:
 * open levels, nodes made, and weight, which counts every alias as what it stands for, so that a
 * small file cannot unfold into a large one. One parser belongs to one thread.
 */
#include "config/yaml.h"

#include "config/yaml_map.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct frame {
	struct drip_node *node;
	size_t first; /* index of its first child in `pending` */
};

struct anchor {
	const char *name;
	struct drip_node *node;
};

struct parser {
	struct drip_arena *arena;
	struct drip_findings *findings;
	const char *file;
	const char *text;
	size_t size;
	yaml_parser_t yaml;
	struct frame frames[DRIP_YAML_DEPTH_MAX];
	size_t depth;
	struct drip_node **pending;
	size_t pending_count, pending_capacity;
	struct anchor *anchors;
	size_t anchors_count, anchors_capacity;
	size_t nodes; /* made, and added by merges */
	size_t documents;
	bool incomplete; /* the root's */
	struct drip_node *root;
};

static struct drip_place place_of(const struct parser *p, yaml_mark_t mark)
{
	return (struct drip_place){p->file, (int)mark.line + 1, (int)mark.column + 1};
}

static int refuse(struct parser *p, const struct drip_place *place, const char *code,
		  const char *hint, const char *message)
{
	drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, place, code, hint, "%s", message);
	return -EINVAL;
}

static int push(struct parser *p, struct drip_node *node)
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

static int add_anchor(struct parser *p, const unsigned char *name, struct drip_node *node)
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
		struct anchor *grown = drip_realloc(p->anchors, capacity * sizeof(*grown));

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

static int make_node(struct parser *p, enum drip_node_kind kind, const yaml_event_t *event,
		     struct drip_node **ret)
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
	node->kind = kind;
	node->place = place;
	node->weight = 1;
	node->height = 1;
	*ret = node;
	return 0;
}

static void check_tag(struct parser *p, const struct drip_node *node, const unsigned char *tag,
		      const char *const *known)
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

static int on_scalar(struct parser *p, const yaml_event_t *event)
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
	rc = add_anchor(p, event->data.scalar.anchor, node);
	return rc < 0 ? rc : push(p, node);
}

/* Stands for what an alias should have named. */
static int push_broken(struct parser *p, const yaml_event_t *event)
{
	struct drip_node *node;
	int rc = make_node(p, DRIP_NODE_SCALAR, event, &node);

	if (rc < 0) {
		return rc;
	}
	node->text = node->raw = "";
	node->broken = true;
	p->incomplete = true;
	return push(p, node);
}

static int on_alias(struct parser *p, const yaml_event_t *event)
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
		return push(p, p->anchors[i].node);
	}
	drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.unknown_anchor",
			  "Put &NAME before the value that *NAME shall repeat, above the alias.",
			  "no anchor \"%s\" stands before this alias", name);
	return push_broken(p, event);
}

static int on_start(struct parser *p, const yaml_event_t *event, enum drip_node_kind kind)
{
	static const char *const known[] = {YAML_SEQ_TAG, YAML_MAP_TAG, NULL};
	bool map = kind == DRIP_NODE_MAP;
	struct drip_node *node;
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
	rc = add_anchor(p,
			map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor,
			node);
	if (rc < 0) {
		return rc;
	}
	node->open = true;
	p->frames[p->depth++] = (struct frame){node, p->pending_count};
	return 0;
}

/* Adds up weight and height of the children; refuses what unfolds beyond the bounds. */
static int weigh(struct parser *p, struct drip_node *node, struct drip_node *const *children,
		 size_t count)
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

static int on_end(struct parser *p)
{
	struct frame frame = p->frames[--p->depth];
	struct drip_node *node = frame.node;
	struct drip_node **children = p->pending != NULL ? p->pending + frame.first : NULL;
	size_t count = p->pending_count - frame.first;
	int rc = weigh(p, node, children, count);

	node->open = false;
	if (rc < 0) {
		return rc;
	}
	if (node->kind == DRIP_NODE_MAP) {
		rc = drip_yaml_map_fill(p->arena, p->findings, node, children, count / 2,
					&p->nodes);
		p->incomplete |= node->broken;
	} else {
		node->items = drip_arena_array(p->arena, count, sizeof(*node->items));
		if (node->items == NULL) {
			return -ENOMEM;
		}
		if (count > 0) {
			memcpy(node->items, children, count * sizeof(*children));
		}
		node->count = count;
	}
	p->pending_count = frame.first;
	return rc < 0 ? rc : push(p, node);
}

static int on_event(struct parser *p, const yaml_event_t *event)
{
	struct drip_place place;

	if (p->documents > 1) {
		return 0; /* of later documents only the syntax counts */
	}
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++p->documents == 2) {
			place = place_of(p, event->start_mark);
			refuse(p, &place, "config.many_documents",
			       "Put each document into a file of its own.",
			       "a file holds one YAML document");
			p->incomplete = true;
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

/* Line and column of a byte offset; columns count characters, as libyaml's marks do. */
static struct drip_place place_of_offset(const struct parser *p, size_t offset)
{
	struct drip_place place = {p->file, 1, 1};

	for (size_t i = 0; i < offset && i < p->size; i++) {
		if (p->text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)p->text[i] & 0xc0) != 0x80) {
			place.column++;
		}
	}
	return place;
}

static bool is_tab_at(const struct parser *p, yaml_mark_t mark)
{
	return mark.index < p->size && p->text[mark.index] == '\t';
}

/* libyaml's marks count characters, so `index` is only a byte offset while all before is ASCII. */
static int report_syntax(struct parser *p)
{
	yaml_parser_t *y = &p->yaml;
	struct drip_place place = place_of(p, y->problem_mark);
	const char *problem = y->problem != NULL ? y->problem : "malformed YAML";
	const char *hint = NULL;

	switch (y->error) {
	case YAML_MEMORY_ERROR:
		return -ENOMEM;
	case YAML_READER_ERROR:
		place = place_of_offset(p, y->problem_offset);
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.bad_encoding",
				  "Save the file as UTF-8 without control characters.",
				  "cannot read the text: %s", problem);
		return -EINVAL;
	default:
		break;
	}
	if (is_tab_at(p, y->problem_mark)) {
		hint = "YAML does not allow tabs for indentation: use spaces.";
	} else if (strstr(problem, "start any token") != NULL) {
		hint = "Quote values that begin with @, `, % or another special character.";
	} else if (strstr(problem, "mapping values are not allowed") != NULL) {
		hint = "Check the indentation, and quote a value that holds \": \".";
	}
	if (y->context != NULL) {
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.syntax", hint,
				  "cannot parse YAML: %s, %s that begins at line %zu", problem,
				  y->context, y->context_mark.line + 1);
	} else {
		drip_findings_add(p->findings, DRIP_SEVERITY_ERROR, &place, "config.syntax", hint,
				  "cannot parse YAML: %s", problem);
	}
	return -EINVAL;
}

static int run(struct parser *p)
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

int drip_yaml_parse(struct drip_arena *arena, const char *file, const void *text, size_t size,
		    struct drip_findings *findings, struct drip_node **ret_root)
{
	struct parser p = {
		.arena = arena, .findings = findings, .file = file, .text = text, .size = size};
	size_t errors = findings->errors;
	int rc;

	*ret_root = NULL;
	if (!yaml_parser_initialize(&p.yaml)) {
		return -ENOMEM;
	}
	yaml_parser_set_input_string(&p.yaml, text, size);
	rc = run(&p);
	yaml_parser_delete(&p.yaml);
	free(p.pending);
	free(p.anchors);
	if (rc < 0 && (rc == -ENOMEM || p.documents < 2)) {
		return rc;
	}
	if (p.root != NULL) {
		p.root->incomplete = p.incomplete;
	}
	*ret_root = p.root;
	return findings->errors > errors ? -EINVAL : 0;
}
