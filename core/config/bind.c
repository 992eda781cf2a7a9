/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binder. Each option's value goes through one function of its type; a value from outside
 * (${env:}, ${file:}) and a secret are never part of a message. Lists and objects are bounded by
 * the tree that they come from.
 */
#include "config/bind.h"

#include "config/bind_value.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct drip_option *drip_option_at(const struct drip_option *options, uint32_t index)
{
	return (const struct drip_option *)((const char *)options +
					    (size_t)index * options[0].struct_size);
}

const struct drip_rule *drip_rule_at(const struct drip_rule *rules, uint32_t index)
{
	return (const struct drip_rule *)((const char *)rules +
					  (size_t)index * rules[0].struct_size);
}

const struct drip_option *drip_option_find(const struct drip_option *options, uint32_t count,
					   const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *option = drip_option_at(options, i);

		if (strcmp(option->name, name) == 0) {
			return option;
		}
	}
	return NULL;
}

static bool is_known(const struct drip_known *known, const char *name)
{
	for (const char *const *n = known->names; n != NULL && *n != NULL; n++) {
		if (strcmp(*n, name) == 0) {
			return true;
		}
	}
	return drip_option_find(known->options, known->options_count, name) != NULL;
}

static void offer(const struct drip_known *known, struct drip_suggestion *s)
{
	for (const char *const *n = known->names; n != NULL && *n != NULL; n++) {
		drip_suggestion_offer(s, *n);
	}
	for (uint32_t i = 0; i < known->options_count; i++) {
		drip_suggestion_offer(s, drip_option_at(known->options, i)->name);
	}
}

static void append_name(char *buf, size_t size, const char *name)
{
	size_t used = strlen(buf);

	if (used + strlen(name) + 8 < size) {
		snprintf(buf + used, size - used, "%s%s", used > 0 ? ", " : "", name);
	} else if (used > 3 && used + 5 < size && strcmp(buf + used - 3, "...") != 0) {
		snprintf(buf + used, size - used, ", ...");
	}
}

/* "It takes a, b, c." */
static void list_known(const struct drip_known *known, size_t known_count, char *buf, size_t size)
{
	char names[230] = "";

	for (size_t i = 0; i < known_count; i++) {
		for (const char *const *n = known[i].names; n != NULL && *n != NULL; n++) {
			append_name(names, sizeof(names), *n);
		}
		for (uint32_t j = 0; j < known[i].options_count; j++) {
			append_name(names, sizeof(names),
				    drip_option_at(known[i].options, j)->name);
		}
	}
	snprintf(buf, size, "It takes %s.", names[0] != '\0' ? names : "no option");
}

static void report_unknown(const struct drip_binder *b, const struct drip_node *key,
			   const struct drip_known *known, size_t known_count)
{
	struct drip_suggestion s = {.wrong = key->text};
	char otherwise[256], hint[256];

	/* A file of a million wrong keys is not searched for a million slips. */
	for (size_t j = 0; j < known_count && b->findings->dropped == 0; j++) {
		offer(&known[j], &s);
	}
	list_known(known, known_count, otherwise, sizeof(otherwise));
	drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &key->place, "config.unknown_option",
			  drip_suggestion_hint(&s, otherwise, hint, sizeof(hint)),
			  "unknown option \"%s%.200s\" of %s", b->prefix, key->text, b->what);
}

void drip_bind_unknown(const struct drip_binder *b, const struct drip_node *map,
		       const struct drip_known *known, size_t known_count)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct drip_node *key = map->pairs[i].key;
		bool found = drip_node_is_extension(key);

		for (size_t j = 0; j < known_count && !found; j++) {
			found = is_known(&known[j], key->text);
		}
		if (!found) {
			report_unknown(b, key, known, known_count);
		}
	}
}

static int bind_default(const struct drip_binder *b, const struct drip_node *map,
			const struct drip_option *option, void *target)
{
	struct drip_node node = {.kind = DRIP_NODE_SCALAR, .plain = true};
	struct drip_node *value = &node;
	bool composite = option->type == DRIP_OPTION_STRINGS ||
			 option->type == DRIP_OPTION_COLUMNS || option->type == DRIP_OPTION_PAIRS ||
			 option->type == DRIP_OPTION_OBJECTS;

	if (option->default_text == NULL) {
		return 0;
	}
	if (composite && strchr("[{", option->default_text[0]) != NULL) {
		int rc = drip_yaml_parse(b->arena, map != NULL ? map->place.file : "",
					 option->default_text, strlen(option->default_text),
					 b->findings, &value);

		return rc < 0 || value == NULL ? rc : drip_bind_value(b, option, value, target);
	}
	node.text = option->default_text;
	node.raw = node.text;
	node.text_size = strlen(node.text);
	node.place.file = map != NULL ? map->place.file : "";
	return drip_bind_value(b, option, value, target);
}

static void report_missing(const struct drip_binder *b, const struct drip_node *map,
			   const struct drip_option *option)
{
	char hint[400];

	snprintf(hint, sizeof(hint), "%s: %s", option->name,
		 option->help != NULL ? option->help : "");
	drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, map != NULL ? &map->place : NULL,
			  "config.missing_option", hint, "%s needs the option \"%s%s\"", b->what,
			  b->prefix, option->name);
}

int drip_bind_values(const struct drip_binder *b, const struct drip_node *map,
		     const struct drip_option *options, uint32_t count, void *config)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *option = drip_option_at(options, i);
		const struct drip_node_pair *pair = drip_node_pair(map, option->name);
		void *target = (char *)config + option->offset;
		int rc;

		if (pair == NULL) {
			if ((option->flags & DRIP_OPTION_REQUIRED) != 0) {
				if (map == NULL || !drip_node_lacks(map)) {
					report_missing(b, map, option);
				}
				continue;
			}
			rc = bind_default(b, map, option, target);
		} else {
			if ((option->flags & DRIP_OPTION_DEPRECATED) != 0) {
				drip_findings_add(b->findings, DRIP_SEVERITY_WARNING,
						  &pair->key->place, "config.deprecated_option",
						  option->help,
						  "option \"%s%s\" of %s is deprecated", b->prefix,
						  option->name, b->what);
			}
			rc = drip_bind_value(b, option, pair->value, target);
		}
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* Options of a rule as `"a", "b" and "c"`. */
static void list_options(const struct drip_rule *rule, uint32_t first, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (uint32_t i = first; i < DRIP_RULE_OPTIONS_MAX && rule->options[i] != NULL; i++) {
		bool last = i + 1 == DRIP_RULE_OPTIONS_MAX || rule->options[i + 1] == NULL;
		int n = snprintf(buf + used, size - used, "%s\"%s\"",
				 i == first ? ""
				 : last     ? " and "
					    : ", ",
				 rule->options[i]);

		used += (size_t)n < size - used ? (size_t)n : size - used - 1;
	}
}

static void check_requires(const struct drip_binder *b, const struct drip_node *map,
			   const struct drip_rule *rule)
{
	const struct drip_node_pair *first = drip_node_pair(map, rule->options[0]);

	for (uint32_t i = 1; first != NULL && i < DRIP_RULE_OPTIONS_MAX; i++) {
		if (rule->options[i] == NULL) {
			return;
		}
		if (drip_node_get(map, rule->options[i]) == NULL && !drip_node_lacks(map)) {
			drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &first->key->place,
					  "config.requires", "Give both, or neither.",
					  "option \"%s\" of %s needs the option \"%s\" too",
					  rule->options[0], b->what, rule->options[i]);
		}
	}
}

static void check_count(const struct drip_binder *b, const struct drip_node *map,
			const struct drip_rule *rule)
{
	const struct drip_node_pair *last = NULL;
	unsigned given = 0;
	char names[400];

	for (uint32_t i = 0; i < DRIP_RULE_OPTIONS_MAX && rule->options[i] != NULL; i++) {
		const struct drip_node_pair *pair = drip_node_pair(map, rule->options[i]);

		if (pair != NULL) {
			bool later = last == NULL ||
				     pair->key->place.line > last->key->place.line ||
				     (pair->key->place.line == last->key->place.line &&
				      pair->key->place.column > last->key->place.column);

			last = later ? pair : last;
			given++;
		}
	}
	list_options(rule, 0, names, sizeof(names));
	if (given == 0 && rule->kind != DRIP_RULE_EXCLUDES && !drip_node_lacks(map)) {
		drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &map->place,
				  rule->kind == DRIP_RULE_ONE_OF ? "config.one_of"
								 : "config.at_least_one",
				  NULL, "%s needs %s of the options %s", b->what,
				  rule->kind == DRIP_RULE_ONE_OF ? "one" : "at least one", names);
	} else if (given > 1 && rule->kind != DRIP_RULE_AT_LEAST_ONE) {
		drip_findings_add(
			b->findings, DRIP_SEVERITY_ERROR, &last->key->place,
			rule->kind == DRIP_RULE_ONE_OF ? "config.one_of" : "config.excludes",
			"Keep one of them.", "%s takes only one of the options %s", b->what, names);
	}
}

void drip_bind_rules(const struct drip_binder *b, const struct drip_node *map,
		     const struct drip_rule *rules, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_rule *rule = drip_rule_at(rules, i);

		if (rule->kind == DRIP_RULE_REQUIRES) {
			check_requires(b, map, rule);
		} else {
			check_count(b, map, rule);
		}
	}
}

int drip_bind_map(const struct drip_binder *b, const struct drip_node *map,
		  const struct drip_option *options, uint32_t count, void *config)
{
	struct drip_known known = {.options = options, .options_count = count};

	if (map != NULL) {
		drip_bind_unknown(b, map, &known, 1);
	}
	return drip_bind_values(b, map, options, count, config);
}
