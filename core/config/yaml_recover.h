/* SPDX-License-Identifier: Apache-2.0 */
/* Private to core/config: the parser's state, and parsing what is whole of a broken text. */
#ifndef DRIPLINE_CONFIG_YAML_RECOVER_H
#define DRIPLINE_CONFIG_YAML_RECOVER_H

#include "config/yaml.h"

#include <yaml.h>

struct drip_yaml_frame {
	struct drip_node *node;
	size_t first; /* index of its first child in `pending` */
};

struct drip_yaml_anchor {
	const char *name;
	struct drip_node *node;
};

struct drip_yaml_parser {
	struct drip_arena *arena;
	struct drip_findings *findings;
	const char *file;
	/* Of the run: */
	const char *text;
	size_t size;
	int line;                 /* of the file, where the text begins; from 0 */
	bool raw;                 /* leave the root as it was written */
	size_t mark, mark_offset; /* a character that was looked for, and its byte */
	yaml_parser_t yaml;
	struct drip_yaml_frame frames[DRIP_YAML_DEPTH_MAX];
	size_t depth;
	size_t documents;
	struct drip_node *root;
	struct drip_node **pending;
	size_t pending_count, pending_capacity;
	/* Of the file: */
	struct drip_yaml_anchor *anchors;
	size_t anchors_count, anchors_capacity;
	size_t nodes;    /* made, and added by merges, without those that were given up */
	size_t made;     /* with them */
	bool incomplete; /* the root's */
	bool lost;       /* something could not be parsed */
	bool anything;   /* and may have held anything */
	const struct drip_yaml_lost *losses;
	size_t structural; /* problems for which something was lost */
	size_t pieces;     /* parsed on their own */
};

/*
 * Parses a text, whole lines of the file from number `line` (from 0) on. Where it is broken in its
 * structure, -EINVAL: that problem is the last finding. `raw`: the root, where it is a map, keeps
 * its keys and values alternately in `items`, merge keys and duplicates as they are.
 */
int drip_yaml_run(struct drip_yaml_parser *p, const char *text, size_t size, int line, bool raw,
		  struct drip_node **ret_root) DRIP_MUST_CHECK;
/* Keeps what could not be read, for those who ask what it may have held. */
void drip_yaml_lose(struct drip_yaml_parser *p, const char *text, size_t size);
/* Reports a second document, and loses it. */
void drip_yaml_many_documents(struct drip_yaml_parser *p, const struct drip_place *place,
			      const char *text, size_t size);
/* Gives a map its keys and values (alternately in `children`), or a list its items. */
int drip_yaml_close(struct drip_yaml_parser *p, struct drip_node *node, struct drip_node **children,
		    size_t count, bool raw) DRIP_MUST_CHECK;
/*
 * Parses a file's text, and where that fails, its parts: see yaml_recover.c. -EINVAL where there is
 * nothing to be had.
 */
int drip_yaml_parse_all(struct drip_yaml_parser *p, const char *text, size_t size,
			struct drip_node **ret_root) DRIP_MUST_CHECK;

#endif
