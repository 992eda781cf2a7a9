/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options as JSON Schema. Every scalar may be a reference (${env:NAME}), which is a string to an
 * editor; a text may be any scalar, since the binder takes it as it is written.
 */
#include "cli/schema_option.h"

#include "config/bind.h"

#include <dripline/units.h>
#include <string.h>

#define DURATION "^[0-9][0-9_]* *(ms|s|m|h|d)$"
#define SIZE     "^[0-9][0-9_]* *(B|KiB|MiB|GiB|TiB)?$"

void drip_schema_put_scalars(struct drip_json *j)
{
	drip_json_key(j, "reference");
	drip_json_raw(j, "{\"type\": \"string\", \"pattern\": \"\\\\$\\\\{(env|file):\"}");
	drip_json_key(j, "text");
	drip_json_raw(j, "{\"type\": [\"string\", \"number\", \"boolean\"]}");
	drip_json_key(j, "texts");
	drip_json_raw(j, "{\"anyOf\": [{\"$ref\": \"#/$defs/text\"}, {\"type\": \"array\", "
			 "\"items\": {\"$ref\": \"#/$defs/text\"}}]}");
}

void drip_schema_put_closed(struct drip_json *j)
{
	drip_json_key(j, "patternProperties");
	drip_json_raw(j, "{\"^x-\": true}");
	drip_json_put_bool(j, "additionalProperties", false);
}

void drip_schema_put_required(struct drip_json *j, const struct drip_option *options,
			      uint32_t count)
{
	drip_json_key(j, "required");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *option = drip_option_at(options, i);

		if ((option->flags & DRIP_OPTION_REQUIRED) != 0) {
			drip_json_string(j, option->name);
		}
	}
	drip_json_end_array(j);
}

/* ---- values ---- */

static void put_bounds(struct drip_json *j, const struct drip_option *option)
{
	if (option->min == 0 && option->max == 0) {
		return;
	}
	drip_json_put_double(j, "minimum", option->min);
	if (!(option->max == 0 && option->min > 0)) {
		drip_json_put_double(j, "maximum", option->max);
	}
}

static void put_number(struct drip_json *j, const struct drip_option *option)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", option->type == DRIP_OPTION_INT ? "integer" : "number");
	put_bounds(j, option);
	drip_json_end_object(j);
}

static void put_pattern(struct drip_json *j, const char *pattern)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "string");
	drip_json_put_string(j, "pattern", pattern);
	drip_json_end_object(j);
}

static void put_enum(struct drip_json *j, const struct drip_option *option)
{
	drip_json_begin_object(j);
	drip_json_key(j, "enum");
	drip_json_begin_array(j);
	for (const struct drip_enum_value *v = option->values; v != NULL && v->name != NULL; v++) {
		drip_json_string(j, v->name);
	}
	drip_json_end_array(j);
	drip_json_end_object(j);
}

static void put_object(struct drip_json *j, const struct drip_option *option)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "object");
	drip_json_key(j, "properties");
	drip_json_begin_object(j);
	drip_schema_put_properties(j, option->children, option->children_count, NULL);
	drip_json_end_object(j);
	drip_schema_put_closed(j);
	drip_schema_put_required(j, option->children, option->children_count);
	drip_json_end_object(j);
}

/* A list of maps, or one: told apart by `if`, so that an editor points at the member at fault. */
static void put_objects(struct drip_json *j, const struct drip_option *option)
{
	drip_json_begin_object(j);
	drip_json_key(j, "if");
	drip_json_raw(j, "{\"type\": \"array\"}");
	drip_json_key(j, "then");
	drip_json_begin_object(j);
	drip_json_key(j, "items");
	put_object(j, option);
	drip_json_end_object(j);
	drip_json_key(j, "else");
	put_object(j, option);
	drip_json_end_object(j);
}

/* The forms that a value may take: members of an anyOf. */
static void put_forms(struct drip_json *j, const struct drip_option *option)
{
	switch (option->type) {
	case DRIP_OPTION_BOOL:
		drip_json_raw(j, "{\"type\": \"boolean\"}");
		drip_json_raw(j, "{\"enum\": [\"yes\", \"no\", \"on\", \"off\"]}");
		break;
	case DRIP_OPTION_INT:
	case DRIP_OPTION_FLOAT:
		put_number(j, option);
		break;
	case DRIP_OPTION_ENUM:
		put_enum(j, option);
		break;
	case DRIP_OPTION_DURATION:
		put_pattern(j, DURATION);
		drip_json_raw(j, "{\"const\": 0}");
		break;
	case DRIP_OPTION_SIZE:
		put_pattern(j, SIZE);
		drip_json_raw(j, "{\"type\": \"integer\", \"minimum\": 0}");
		break;
	case DRIP_OPTION_STRINGS:
	case DRIP_OPTION_COLUMNS:
		drip_json_raw(j, "{\"$ref\": \"#/$defs/texts\"}");
		return;
	case DRIP_OPTION_PAIRS:
		drip_json_raw(j, "{\"type\": \"object\", \"patternProperties\": {\"^x-\": true}, "
				 "\"additionalProperties\": {\"$ref\": \"#/$defs/text\"}}");
		return;
	case DRIP_OPTION_OBJECTS:
		put_objects(j, option);
		return;
	case DRIP_OPTION_STRING:
	case DRIP_OPTION_SECRET:
	case DRIP_OPTION_CONNECTION:
		drip_json_raw(j, "{\"$ref\": \"#/$defs/text\"}");
		return;
	}
	drip_json_raw(j, "{\"$ref\": \"#/$defs/reference\"}");
}

static void put_default(struct drip_json *j, const struct drip_option *option)
{
	const char *text = option->default_text;
	int64_t integer;
	double number;
	bool boolean;

	if (text == NULL || option->type == DRIP_OPTION_SECRET ||
	    option->type == DRIP_OPTION_OBJECTS || option->type == DRIP_OPTION_PAIRS) {
		return;
	}
	if (option->type == DRIP_OPTION_BOOL && drip_parse_bool(text, &boolean) == 0) {
		drip_json_put_bool(j, "default", boolean);
	} else if (option->type == DRIP_OPTION_INT && drip_parse_int(text, &integer) == 0) {
		drip_json_put_int(j, "default", integer);
	} else if (option->type == DRIP_OPTION_FLOAT && drip_parse_float(text, &number) == 0) {
		drip_json_put_double(j, "default", number);
	} else if (text[0] != '[') {
		drip_json_put_string(j, "default", text);
	}
}

static void put_option(struct drip_json *j, const struct drip_option *option)
{
	drip_json_begin_object(j);
	if (option->help != NULL) {
		drip_json_put_string(j, "description", option->help);
	}
	put_default(j, option);
	if (option->example != NULL) {
		drip_json_key(j, "examples");
		drip_json_begin_array(j);
		drip_json_string(j, option->example);
		drip_json_end_array(j);
	}
	if ((option->flags & DRIP_OPTION_DEPRECATED) != 0) {
		drip_json_put_bool(j, "deprecated", true);
	}
	if (option->type == DRIP_OPTION_SECRET) {
		drip_json_put_bool(j, "writeOnly", true);
	}
	drip_json_key(j, "anyOf");
	drip_json_begin_array(j);
	put_forms(j, option);
	drip_json_end_array(j);
	drip_json_end_object(j);
}

void drip_schema_put_properties(struct drip_json *j, const struct drip_option *options,
				uint32_t count, const struct graph_table *but)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *option = drip_option_at(options, i);

		if (but != NULL &&
		    drip_option_find(but->options, but->count, option->name) != NULL) {
			continue;
		}
		drip_json_key(j, option->name);
		put_option(j, option);
	}
}

/* ---- rules ---- */

static void put_names(struct drip_json *j, const char *const *names, uint32_t count)
{
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < count; i++) {
		drip_json_string(j, names[i]);
	}
	drip_json_end_array(j);
}

static uint32_t count_names(const struct drip_rule *rule)
{
	uint32_t n = 0;

	while (n < DRIP_RULE_OPTIONS_MAX && rule->options[n] != NULL) {
		n++;
	}
	return n;
}

/* "oneOf" or "anyOf" of one required option each. */
static void put_alternatives(struct drip_json *j, const char *keyword, const struct drip_rule *rule)
{
	drip_json_begin_object(j);
	drip_json_key(j, keyword);
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < count_names(rule); i++) {
		drip_json_begin_object(j);
		drip_json_key(j, "required");
		put_names(j, &rule->options[i], 1);
		drip_json_end_object(j);
	}
	drip_json_end_array(j);
	drip_json_end_object(j);
}

static void put_requires(struct drip_json *j, const struct drip_rule *rule)
{
	drip_json_begin_object(j);
	drip_json_key(j, "dependentRequired");
	drip_json_begin_object(j);
	drip_json_key(j, rule->options[0]);
	put_names(j, &rule->options[1], count_names(rule) - 1);
	drip_json_end_object(j);
	drip_json_end_object(j);
}

static void put_excludes(struct drip_json *j, const struct drip_rule *rule)
{
	for (uint32_t a = 0; a < count_names(rule); a++) {
		for (uint32_t b = a + 1; b < count_names(rule); b++) {
			const char *const both[] = {rule->options[a], rule->options[b]};

			drip_json_begin_object(j);
			drip_json_key(j, "not");
			drip_json_begin_object(j);
			drip_json_key(j, "required");
			put_names(j, both, 2);
			drip_json_end_object(j);
			drip_json_end_object(j);
		}
	}
}

void drip_schema_put_rules(struct drip_json *j, const struct drip_rule *rules, uint32_t count)
{
	if (count == 0) {
		return;
	}
	drip_json_key(j, "allOf");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_rule *rule = drip_rule_at(rules, i);

		switch (rule->kind) {
		case DRIP_RULE_ONE_OF:
			put_alternatives(j, "oneOf", rule);
			break;
		case DRIP_RULE_AT_LEAST_ONE:
			put_alternatives(j, "anyOf", rule);
			break;
		case DRIP_RULE_REQUIRES:
			put_requires(j, rule);
			break;
		case DRIP_RULE_EXCLUDES:
			put_excludes(j, rule);
			break;
		}
	}
	drip_json_end_array(j);
}
