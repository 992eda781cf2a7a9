/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a document could not be read, or is left out for its own mistakes, and the findings that
 * only follow from it: that something is not there, where what is lost may have held it. A name is
 * looked for in the lost text, so that all other absences are reported. Thread: the load's.
 */
#include "engine/graph_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOST_MAX_BYTES (1 << 20) /* of all; with more it may have held anything */

void graph_lose_file(struct graph *g, struct graph_file *file, const struct drip_node *root)
{
	g->incomplete = file->incomplete = true;
	if (root == NULL || root->kind != DRIP_NODE_MAP || root->lost == NULL) {
		g->lost_anything = file->lost_anything = true;
		return;
	}
	for (const struct drip_yaml_lost *l = root->lost; l != NULL; l = l->next) {
		g->lost_bytes += l->text != NULL ? strlen(l->text) : 0;
		file->lost_anything |= l->text == NULL || g->lost_bytes > LOST_MAX_BYTES;
	}
	g->lost_anything |= file->lost_anything;
	file->lost = root->lost;
}

int graph_lose_name(struct graph *g, const char *name)
{
	struct drip_yaml_lost *lost = drip_arena_alloc(&g->arena, sizeof(*lost));

	if (lost == NULL) {
		return -ENOMEM;
	}
	*lost = (struct drip_yaml_lost){name, g->left_out};
	g->left_out = lost;
	return 0;
}

/* ---- looking for a name ---- */

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* A table without its schema is found in "schema.table", a schema not. */
static bool mentions(const struct drip_yaml_lost *lost, const char *name)
{
	size_t size = strlen(name);

	for (; lost != NULL && size > 0; lost = lost->next) {
		const char *at = lost->text;

		while (at != NULL && (at = strstr(at, name)) != NULL) {
			if ((at == lost->text || !is_word(at[-1])) && !is_word(at[size]) &&
			    at[size] != '.') {
				return true;
			}
			at++;
		}
	}
	return false;
}

/* The name, or what it is a column of. */
static bool is_lost(const struct graph *g, const char *name)
{
	char owner[256];
	const char *dot = strrchr(name, '.');

	snprintf(owner, sizeof(owner), "%.*s", dot != NULL ? (int)(dot - name) : 0, name);
	for (size_t i = 0; i < g->files_count; i++) {
		if (mentions(g->files[i]->lost, name) || mentions(g->files[i]->lost, owner)) {
			return true;
		}
	}
	return mentions(g->left_out, name) || mentions(g->left_out, owner);
}

/* Names in a message are quoted, hold a dot or an underscore, or stand behind "name"; a message
 * without any may be about anything. */
static bool names_lost(const struct graph *g, const char *message)
{
	static const char before[] = "name ";
	const char *start = message;
	bool any = false;

	while (*message != '\0') {
		size_t size = 0;
		char name[256];
		bool quoted = message[0] == '"', named;

		message += quoted;
		while (quoted ? message[size] != '"' && message[size] != '\0'
			      : is_word(message[size]) || message[size] == '.') {
			size++;
		}
		snprintf(name, sizeof(name), "%.*s", (int)size, message);
		named = (size_t)(message - start) >= sizeof(before) - 1 &&
			memcmp(message - sizeof(before) + 1, before, sizeof(before) - 1) == 0;
		if (size > 1 && (quoted || named || strpbrk(name, "._") != NULL)) {
			any = true;
			if (is_lost(g, name)) {
				return true;
			}
		}
		message += size;
		message += *message != '\0' && (quoted || size == 0);
	}
	return !any && g->incomplete;
}

/* ---- consequences ---- */

static const struct graph_file *file_of(const struct graph *g, const struct drip_finding *item)
{
	for (size_t i = 0; i < g->files_count; i++) {
		if (strcmp(g->files[i]->path, item->file) == 0) {
			return g->files[i];
		}
	}
	return NULL;
}

/* Of its own file. *ret_lost: whether what could not be read of it may have held what is absent. */
static bool is_absent_part(const struct graph *g, const struct drip_finding *item, bool *ret_lost)
{
	static const struct {
		const char *code, *key; /* NULL: any */
	} parts[] = {
		{"catalog.bad_columns", NULL},    {"config.missing_pipeline", "pipeline"},
		{"config.missing_sink", "sinks"}, {"config.missing_source", "source"},
		{"config.unused_stage", NULL},    {"contract.bad_columns", NULL},
	};

	for (size_t i = 0; i < DRIP_COUNT(parts); i++) {
		if (strcmp(item->code, parts[i].code) == 0) {
			const struct graph_file *file = file_of(g, item);

			*ret_lost = file != NULL && file->incomplete &&
				    (file->lost_anything || parts[i].key == NULL ||
				     mentions(file->lost, parts[i].key));
			return true;
		}
	}
	return false;
}

/* Of a name, which another part or file may declare. */
static bool is_absent_name(const struct drip_finding *item)
{
	static const char *const codes[] = {
		"catalog.unknown_reference", "config.unknown_connection", "config.unknown_input",
		"config.unknown_model",      "config.unused_connection",  "duckdb.no_table",
		"job.not_declared",          "policy.unknown_role",       "policy.unmatched_grant",
	};

	for (size_t i = 0; i < DRIP_COUNT(codes); i++) {
		if (strcmp(item->code, codes[i]) == 0) {
			return true;
		}
	}
	return strcmp(item->code, "duckdb.sql") == 0 &&
	       (strstr(item->message, "Catalog Error") != NULL ||
		strstr(item->message, "Binder Error") != NULL);
}

static bool is_of_structure(const struct drip_finding *item)
{
	return strcmp(item->code, "config.unknown_anchor") == 0 ||
	       strcmp(item->code, "config.alias_cycle") == 0;
}

/* Stands where an alias goes nowhere. */
static bool is_of_alias(const struct drip_findings *f, const struct drip_finding *item)
{
	for (size_t i = 0; i < f->count && !is_of_structure(item); i++) {
		const struct drip_finding *other = &f->items[i];

		if (is_of_structure(other) && other->line == item->line &&
		    other->column == item->column && strcmp(other->file, item->file) == 0) {
			return true;
		}
	}
	return false;
}

static bool is_consequence(const struct drip_findings *f, const struct drip_finding *item,
			   void *data)
{
	const struct graph *g = data;
	bool lost = false;

	if ((size_t)(item - f->items) < g->findings_first) {
		return false; /* of another document */
	}
	if (is_absent_part(g, item, &lost)) {
		return lost;
	}
	if (is_absent_name(item)) {
		return g->lost_anything || names_lost(g, item->message);
	}
	return is_of_alias(f, item);
}

void graph_drop_consequences(struct graph *g)
{
	if (g->incomplete || g->left_out != NULL) {
		drip_findings_drop(g->findings, is_consequence, g);
	}
}

/* What is lost may not be one of the parts that make the chain of stages; a stage that is lost is
 * at fault itself. */
bool graph_has_chain(const struct graph_file *file)
{
	static const char *const keys[] = {"pipeline", "source", "feed", "transforms"};

	for (size_t i = 0; i < DRIP_COUNT(keys); i++) {
		if (mentions(file->lost, keys[i])) {
			return false;
		}
	}
	return !file->root->broken;
}
