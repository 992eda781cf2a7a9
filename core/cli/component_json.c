/* SPDX-License-Identifier: Apache-2.0 */
/* Components as JSON, for `plugins --format json`. */
#include "cli/component_text.h"

static void options_json(const struct drip_option *options, uint32_t count, struct drip_json *j);

static void option_json(const struct drip_option *o, struct drip_json *j)
{
	static const char *const types[] = {
		[DRIP_OPTION_BOOL] = "bool",       [DRIP_OPTION_INT] = "int",
		[DRIP_OPTION_FLOAT] = "float",     [DRIP_OPTION_STRING] = "string",
		[DRIP_OPTION_ENUM] = "enum",       [DRIP_OPTION_DURATION] = "duration",
		[DRIP_OPTION_SIZE] = "size",       [DRIP_OPTION_SECRET] = "secret",
		[DRIP_OPTION_STRINGS] = "strings", [DRIP_OPTION_PAIRS] = "pairs",
		[DRIP_OPTION_OBJECTS] = "objects", [DRIP_OPTION_CONNECTION] = "connection",
		[DRIP_OPTION_COLUMNS] = "columns",
	};

	drip_json_begin_object(j);
	drip_json_put_string(j, "name", o->name);
	drip_json_put_string(j, "type", types[o->type]);
	drip_json_put_string(j, "help", o->help);
	drip_json_put_string(j, "default", o->default_text);
	drip_json_put_bool(j, "required", (o->flags & DRIP_OPTION_REQUIRED) != 0);
	drip_json_put_bool(j, "reloadable", (o->flags & DRIP_OPTION_RELOADABLE) != 0);
	drip_json_put_bool(j, "deprecated", (o->flags & DRIP_OPTION_DEPRECATED) != 0);
	if (o->min != 0 || o->max != 0) {
		drip_json_put_double(j, "min", o->min);
		drip_json_put_double(j, "max", o->max);
	}
	if (o->unit != NULL) {
		drip_json_put_string(j, "unit", o->unit);
	}
	if (o->type == DRIP_OPTION_ENUM) {
		drip_json_key(j, "values");
		drip_json_begin_array(j);
		for (const struct drip_enum_value *v = o->values; v->name != NULL; v++) {
			drip_json_begin_object(j);
			drip_json_put_string(j, "name", v->name);
			drip_json_put_string(j, "help", v->help);
			drip_json_end_object(j);
		}
		drip_json_end_array(j);
	}
	if (o->type == DRIP_OPTION_CONNECTION) {
		drip_json_put_string(j, "interface", o->interface_name);
	}
	if (o->type == DRIP_OPTION_OBJECTS) {
		drip_json_key(j, "options");
		options_json(o->children, o->children_count, j);
	}
	drip_json_end_object(j);
}

static void options_json(const struct drip_option *options, uint32_t count, struct drip_json *j)
{
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < count; i++) {
		option_json(drip_option_at(options, i), j);
	}
	drip_json_end_array(j);
}

void drip_component_json(const struct drip_plugin *plugin, const struct drip_component *c,
			 struct drip_json *j)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "kind", drip_kind_name(c->kind));
	drip_json_put_string(j, "name", c->name);
	drip_json_put_string(j, "summary", c->summary);
	drip_json_put_string(j, "plugin", plugin->name);
	drip_json_put_string(j, "version", plugin->version);
	drip_json_put_string(j, "stability", drip_stability_name(c->stability));
	drip_json_put_string(j, "since", c->since);
	drip_json_put_string(j, "description", c->description);
	drip_json_put_string(j, "schema", c->schema_notes);
	drip_json_put_string(j, "guarantees", c->guarantees);
	drip_json_put_bool(j, "exactly_once", (c->caps & DRIP_CAP_EXACTLY_ONCE) != 0);
	if (c->kind == DRIP_KIND_SINK) {
		drip_json_put_string(j, "clearance", drip_class_name(c->clearance));
	}
	drip_json_key(j, "options");
	options_json(c->options, c->options_count, j);
	drip_json_end_object(j);
}
