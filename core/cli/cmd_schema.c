/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline schema`: one JSON Schema (2020-12) of configuration files, for editors. It is written
 * from the option tables alone: those of the engine, and those of every component that is found.
 */
#include "base/json.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/schema_option.h"
#include "engine/graph_options.h"

#include <stdio.h>
#include <string.h>

/* A visit of all components of one kind. */
struct visit {
	struct drip_json *j;
	enum drip_kind kind;
};

static const enum drip_kind kinds[] = {DRIP_KIND_SOURCE, DRIP_KIND_FEED,  DRIP_KIND_TRANSFORM,
				       DRIP_KIND_SINK,   DRIP_KIND_MODEL, DRIP_KIND_CONNECTION,
				       DRIP_KIND_SERVICE};

static void put_ref(struct drip_json *j, const char *name)
{
	char ref[256];

	snprintf(ref, sizeof(ref), "#/$defs/%s", name);
	drip_json_begin_object(j);
	drip_json_put_string(j, "$ref", ref);
	drip_json_end_object(j);
}

static void put_name(const struct drip_plugin *plugin, const struct drip_component *component,
		     void *data)
{
	struct visit *v = data;

	(void)plugin;
	if (component->kind == v->kind) {
		drip_json_string(v->j, component->name);
	}
}

static void put_choice(const struct drip_plugin *plugin, const struct drip_component *component,
		       void *data)
{
	struct visit *v = data;
	char name[200];

	(void)plugin;
	if (component->kind != v->kind) {
		return;
	}
	snprintf(name, sizeof(name), "%s.%.100s", drip_kind_name(v->kind), component->name);
	drip_json_begin_object(v->j);
	drip_json_key(v->j, "if");
	drip_json_begin_object(v->j);
	drip_json_key(v->j, "properties");
	drip_json_begin_object(v->j);
	drip_json_key(v->j, "plugin");
	drip_json_begin_object(v->j);
	drip_json_put_string(v->j, "const", component->name);
	drip_json_end_object(v->j);
	drip_json_end_object(v->j);
	drip_json_key(v->j, "required");
	drip_json_raw(v->j, "[\"plugin\"]");
	drip_json_end_object(v->j);
	drip_json_key(v->j, "then");
	put_ref(v->j, name);
	drip_json_end_object(v->j);
}

/* $defs/source: the plugin's name decides which of the components' schemas holds. */
static void put_kind(struct drip_json *j, struct drip_registry *registry, enum drip_kind kind)
{
	struct visit v = {.j = j, .kind = kind};

	drip_json_key(j, drip_kind_name(kind));
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "object");
	drip_json_key(j, "required");
	drip_json_raw(j, "[\"plugin\"]");
	drip_json_key(j, "properties");
	drip_json_begin_object(j);
	drip_json_key(j, "plugin");
	drip_json_begin_object(j);
	drip_json_key(j, "enum");
	drip_json_begin_array(j);
	drip_registry_visit(registry, put_name, &v);
	drip_json_end_array(j);
	drip_json_end_object(j);
	drip_json_end_object(j);
	drip_json_key(j, "allOf");
	drip_json_begin_array(j);
	drip_json_raw(j, "true"); /* an empty allOf would not be valid */
	drip_registry_visit(registry, put_choice, &v);
	drip_json_end_array(j);
	drip_json_end_object(j);
}

/* $defs/source.NAME: the engine's keys and the component's options, and nothing else. */
static void put_component(const struct drip_plugin *plugin, const struct drip_component *component,
			  void *data)
{
	struct visit *v = data;
	struct graph_table own = graph_stage_table(component->kind);
	char name[200];

	(void)plugin;
	if (component->kind != v->kind) {
		return;
	}
	snprintf(name, sizeof(name), "%s.%.100s", drip_kind_name(v->kind), component->name);
	drip_json_key(v->j, name);
	drip_json_begin_object(v->j);
	drip_json_put_string(v->j, "type", "object");
	drip_json_put_string(v->j, "description", component->summary);
	drip_json_key(v->j, "properties");
	drip_json_begin_object(v->j);
	drip_schema_put_properties(v->j, own.options, own.count, NULL);
	drip_schema_put_properties(v->j, component->options, component->options_count, &own);
	drip_json_end_object(v->j);
	drip_schema_put_closed(v->j);
	drip_schema_put_required(v->j, component->options, component->options_count);
	drip_schema_put_rules(v->j, component->rules, component->rules_count);
	drip_json_end_object(v->j);
}

static void put_defs(struct drip_json *j, struct drip_registry *registry)
{
	drip_json_key(j, "$defs");
	drip_json_begin_object(j);
	drip_schema_put_scalars(j);
	for (size_t i = 0; i < DRIP_COUNT(kinds); i++) {
		struct visit v = {.j = j, .kind = kinds[i]};

		put_kind(j, registry, kinds[i]);
		drip_registry_visit(registry, put_component, &v);
	}
	drip_json_end_object(j);
}

/* A map of names to components. */
static void put_named(struct drip_json *j, const char *section, const char *kind,
		      const char *description)
{
	drip_json_key(j, section);
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "object");
	drip_json_put_string(j, "description", description);
	drip_json_key(j, "propertyNames");
	drip_json_begin_object(j);
	drip_json_put_string(j, "pattern", "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$");
	drip_json_end_object(j);
	drip_json_key(j, "patternProperties");
	drip_json_raw(j, "{\"^x-\": true}");
	drip_json_key(j, "additionalProperties");
	put_ref(j, kind);
	drip_json_end_object(j);
}

/* A map of names to maps of these options. */
static void put_maps(struct drip_json *j, const char *section, const char *what,
		     struct graph_table table)
{
	drip_json_key(j, section);
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "object");
	drip_json_put_string(j, "description", what);
	drip_json_key(j, "patternProperties");
	drip_json_raw(j, "{\"^x-\": true}");
	drip_json_key(j, "additionalProperties");
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "object");
	drip_json_key(j, "properties");
	drip_json_begin_object(j);
	drip_schema_put_properties(j, table.options, table.count, NULL);
	drip_json_end_object(j);
	drip_schema_put_closed(j);
	drip_schema_put_required(j, table.options, table.count);
	drip_json_end_object(j);
	drip_json_end_object(j);
}

static void put_single(struct drip_json *j, const char *section, const char *kind)
{
	drip_json_key(j, section);
	put_ref(j, kind);
}

static void put_list(struct drip_json *j, const char *section, const char *kind)
{
	drip_json_key(j, section);
	drip_json_begin_object(j);
	drip_json_key(j, "if");
	drip_json_raw(j, "{\"type\": \"array\"}");
	drip_json_key(j, "then");
	drip_json_begin_object(j);
	drip_json_key(j, "items");
	put_ref(j, kind);
	drip_json_end_object(j);
	drip_json_key(j, "else");
	put_ref(j, kind);
	drip_json_end_object(j);
}

static void put_settings(struct drip_json *j)
{
	struct graph_table settings = graph_settings_table();

	drip_json_key(j, "settings");
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", "object");
	drip_json_put_string(j, "description", "Of the process; given once.");
	drip_json_key(j, "properties");
	drip_json_begin_object(j);
	drip_schema_put_properties(j, settings.options, settings.count, NULL);
	drip_json_end_object(j);
	drip_schema_put_closed(j);
	drip_json_end_object(j);
}

static void put_file(struct drip_json *j, struct drip_registry *registry)
{
	struct graph_table file = graph_file_table();

	drip_json_begin_object(j);
	drip_json_put_string(j, "$schema", "https://json-schema.org/draft/2020-12/schema");
	drip_json_put_string(j, "title", "Dripline configuration");
	drip_json_put_string(j, "type", "object");
	drip_json_key(j, "properties");
	drip_json_begin_object(j);
	drip_schema_put_properties(j, file.options, file.count, NULL);
	put_settings(j);
	put_maps(j, "tables", "Tables of the warehouse, by schema.table.", graph_declared_table());
	put_maps(j, "roles", "The policy: what each role may see.", graph_role_table());
	put_named(j, "connections", "connection", "Shared handles to outside systems, by name.");
	put_named(j, "services", "service", "Services of the process, by name.");
	put_named(j, "models", "model", "Models, by name.");
	put_single(j, "source", "source");
	put_single(j, "feed", "feed");
	put_list(j, "transforms", "transform");
	put_list(j, "sinks", "sink");
	drip_json_end_object(j);
	drip_schema_put_closed(j);
	drip_json_key(j, "dependentRequired");
	drip_json_raw(j, "{\"pipeline\": [\"source\", \"sinks\"], \"source\": [\"pipeline\"], "
			 "\"feed\": [\"pipeline\"], \"transforms\": [\"pipeline\"], \"sinks\": "
			 "[\"pipeline\"], \"schedule\": [\"pipeline\"]}");
	put_defs(j, registry);
	drip_json_end_object(j);
}

static int print_schema(struct drip_registry *registry)
{
	struct drip_str out = DRIP_STR_INIT;
	int status = DRIP_EXIT_OK;
	struct drip_json j;

	drip_json_init(&j, &out);
	put_file(&j, registry);
	drip_str_append_char(&out, '\n');
	if (out.rc < 0) {
		fprintf(stderr, "dripline: could not make the schema: %s\n", strerror(-out.rc));
		status = DRIP_EXIT_ENVIRONMENT;
	} else {
		fputs(drip_str_text(&out), stdout);
	}
	drip_str_finish(&out);
	return status;
}

int drip_cmd_schema(int argc, char **argv)
{
	struct drip_arg_list dirs = {.count = 0};
	const struct drip_arg args[] = {
		{.name = "plugin-dir", .list = &dirs},
		{.name = NULL},
	};
	struct drip_registry_options plugins = {.cache_read_only = true};
	struct drip_registry *registry = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	const char *operands[1];
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, operands, 0, 0, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	plugins.dirs = dirs.items;
	plugins.dirs_count = dirs.count;
	if (drip_registry_create(&plugins, &registry, &err) < 0) {
		fprintf(stderr, "dripline: %s [%s]\n", err.message, err.code);
		return DRIP_EXIT_ENVIRONMENT;
	}
	drip_registry_load_all(registry);
	status = print_schema(registry);
	drip_registry_destroy(registry);
	return status;
}
