/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a document: files, settings, connections, services, then pipelines, then checks. A load
 * goes as far as it can, so that every problem is reported in one pass; what depends on something
 * broken is left alone, so that one mistake makes one finding.
 */
#include "base/alloc.h"
#include "engine/graph_private.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct drip_common_ops *graph_ops(const struct drip_component *component)
{
	return component->ops;
}

const char *graph_what(struct graph *g, enum drip_kind kind, const char *name)
{
	char text[200];
	const char *what;

	snprintf(text, sizeof(text), "%s %.100s", drip_kind_name(kind), name);
	what = drip_arena_strdup(&g->arena, text);
	return what != NULL ? what : "the component";
}

/* "line 2, column 5" of a text, as the SQL engine says it; false where the place is another. */
static bool read_text_place(const char *text, int *ret_line, int *ret_column)
{
	static const char first[] = "line ", second[] = ", column ";
	char *end;

	if (strncmp(text, first, sizeof(first) - 1) != 0) {
		return false;
	}
	*ret_line = (int)strtol(text + sizeof(first) - 1, &end, 10);
	if (strncmp(end, second, sizeof(second) - 1) != 0) {
		return false;
	}
	*ret_column = (int)strtol(end + sizeof(second) - 1, &end, 10);
	return *end == '\0' && *ret_line > 0 && *ret_column > 0;
}

void graph_report(struct graph *g, enum drip_severity severity, const struct drip_node *node,
		  const struct drip_error *err)
{
	struct drip_place place = drip_node_place(node, err->option), text;
	struct drip_error placed;
	int line, column;

	if (g->options->connect && strcmp(err->code, "validate.offline") == 0) {
		return; /* why the connection does not open stands at the connection */
	}
	if (strcmp(err->code, "validate.offline") == 0 && strncmp(err->message, "model ", 6) == 0) {
		return; /* and what is wrong with a model at the model */
	}
	if (read_text_place(err->place, &line, &column)) {
		text = drip_node_text_place(node, err->option, line, column);
		place = text.line > 0 ? text : place;
		placed = *err;
		placed.place[0] = '\0';
		err = &placed;
	}
	drip_findings_add_error(g->findings, severity, &place, err);
}

bool graph_check_name(struct graph *g, const struct drip_place *place, const char *what,
		      const char *name)
{
	size_t size = strlen(name);
	bool good = size > 0 && size <= GRAPH_NAME_MAX && isalnum((unsigned char)name[0]);

	for (size_t i = 0; i < size && good; i++) {
		good = isalnum((unsigned char)name[i]) || name[i] == '_' || name[i] == '-';
	}
	if (!good) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, place, "config.bad_name",
				  "Use letters, digits, _ and -, 64 at most, a letter or digit "
				  "first.",
				  "\"%.100s\" cannot be the name of a %s", name, what);
	}
	return good;
}

const void *graph_single(struct graph *g, const struct drip_node *map, const char *key,
			 const struct drip_objects *objects)
{
	const struct drip_node *node = drip_node_get(map, key);

	if (node != NULL && node->kind == DRIP_NODE_SEQUENCE) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place,
				  "config.wrong_type", NULL, "\"%s\" wants a map, not a list", key);
	}
	return objects->count > 0 ? objects->items : NULL;
}

struct drip_declared *graph_connection(struct graph *g, const char *name)
{
	for (size_t i = 0; i < g->document->connections_count; i++) {
		if (strcmp(g->document->connections[i].name, name) == 0) {
			return &g->document->connections[i];
		}
	}
	return NULL;
}

/* ---- components ---- */

static int find_component(struct graph *g, enum drip_kind kind, const struct drip_node *node,
			  const char *name, const struct drip_component **ret)
{
	const struct drip_node *value = drip_node_get(node, "plugin");
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_registry_find(g->registry, kind, name, ret, &err);

	if (rc < 0) {
		drip_findings_add_error(g->findings, DRIP_SEVERITY_ERROR, &value->place, &err);
		*ret = NULL;
		return rc == -ENOMEM ? rc : 0;
	}
	if ((*ret)->stability == DRIP_DEPRECATED) {
		drip_findings_add(g->findings, DRIP_SEVERITY_WARNING, &value->place,
				  "config.deprecated_component", (*ret)->summary,
				  "%s %s is deprecated", drip_kind_name(kind), name);
	}
	return 0;
}

static int bind_component(struct graph *g, enum drip_kind kind, const struct drip_node *node,
			  const struct drip_component *component, const void **ret_config)
{
	struct graph_table table = graph_stage_table(kind);
	struct drip_known known[] = {
		{.options = component->options, .options_count = component->options_count},
		{.options = table.options, .options_count = table.count}};
	struct drip_binder b = {.arena = &g->arena,
				.findings = g->findings,
				.what = graph_what(g, kind, component->name),
				.prefix = ""};
	void *config = drip_arena_alloc(&g->arena, component->config_size);
	int rc;

	if (config == NULL) {
		return -ENOMEM;
	}
	drip_bind_unknown(&b, node, known, 2);
	rc = drip_bind_values(&b, node, component->options, component->options_count, config);
	drip_bind_rules(&b, node, component->rules, component->rules_count);
	*ret_config = config;
	return rc;
}

int graph_bind(struct graph *g, enum drip_kind kind, const struct drip_node *node,
	       struct graph_stage_config *own, const struct drip_component **ret_component,
	       const void **ret_config, bool *ret_sound)
{
	struct graph_table table = graph_stage_table(kind);
	struct drip_binder b = {.arena = &g->arena,
				.findings = g->findings,
				.what = drip_kind_name(kind),
				.prefix = ""};
	size_t errors = g->findings->errors;
	int rc;

	*ret_component = NULL;
	*ret_config = NULL;
	*ret_sound = false;
	if (node->kind != DRIP_NODE_MAP) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place,
				  "config.wrong_type", "Write `plugin: NAME` and its options.",
				  "a %s must be a map, not %s", drip_kind_name(kind),
				  drip_node_describe(node));
		return 0;
	}
	rc = drip_bind_values(&b, node, table.options, table.count, own);
	if (rc == 0 && own->plugin != NULL) {
		rc = find_component(g, kind, node, own->plugin, ret_component);
	}
	if (rc == 0 && *ret_component != NULL) {
		rc = bind_component(g, kind, node, *ret_component, ret_config);
	}
	/* A value that could not be had is reported already, and its option is not set. */
	*ret_sound = rc == 0 && g->findings->errors == errors && !drip_node_is_broken(node);
	return rc;
}

/* ---- settings ---- */

/* A reload cannot change these. */
static void check_restart(struct graph *g, const char *name, const char *now, const char *before)
{
	struct drip_place place = {.file = ""};

	if (before == NULL || now == NULL || strcmp(now, before) == 0) {
		return;
	}
	if (g->settings_node != NULL) {
		place = drip_node_place(g->settings_node, name);
	}
	drip_findings_add(g->findings, DRIP_SEVERITY_WARNING, &place, "reload.needs_restart",
			  "Restart the daemon, or set it back.",
			  "settings.%s is \"%s\" now, but until a restart \"%s\" stays in use",
			  name, now, before);
}

static void build_retention(struct graph *g, const struct drip_objects *objects)
{
	const struct graph_retention_config *r =
		graph_single(g, g->settings_node, "retention", objects);
	struct drip_settings *settings = &g->document->settings;

	if (r != NULL) {
		settings->dead_letters_age_ms = r->dead_letters.ms;
		settings->dead_letters_max = r->dead_letters_max;
		settings->audit_age_ms = r->audit.ms;
		settings->audit_max = r->audit_max;
		settings->quality_age_ms = r->quality.ms;
		settings->quality_max = r->quality_max;
	}
}

static int build_settings(struct graph *g)
{
	struct graph_table table = graph_settings_table();
	struct drip_binder b = {
		.arena = &g->arena, .findings = g->findings, .what = "settings", .prefix = ""};
	struct drip_settings *settings = &g->document->settings;
	struct graph_settings_config config = {0};
	const struct drip_node *node = g->settings_node;
	const struct graph_log_config *log;
	int rc;

	if (node != NULL && node->kind != DRIP_NODE_MAP) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place,
				  "config.wrong_type", NULL, "\"settings\" wants a map, not %s",
				  drip_node_describe(node));
		node = NULL;
	}
	rc = drip_bind_map(&b, node, table.options, table.count, &config);
	if (rc < 0) {
		return rc;
	}
	log = graph_single(g, node, "log", &config.log);
	settings->state_dir = config.state != NULL ? config.state : ".dripline";
	if (g->options->running != NULL) {
		check_restart(g, "state", settings->state_dir, g->options->running->state_dir);
		check_restart(g, "lineage_namespace", config.lineage_namespace,
			      g->options->running->lineage_namespace);
	}
	if (g->options->state_dir != NULL) {
		settings->state_dir = drip_arena_strdup(&g->arena, g->options->state_dir);
	}
	settings->memory_bytes = config.memory.bytes;
	settings->log_level =
		log != NULL && log->level.value != 0 ? log->level.value : DRIP_LOG_INFO;
	settings->log_json = log != NULL && log->format.value == 1;
	settings->lineage_namespace = config.lineage_namespace;
	build_retention(g, &config.retention);
	return settings->state_dir != NULL ? 0 : -ENOMEM;
}

static void find_settings(struct graph *g)
{
	for (size_t i = 0; i < g->files_count; i++) {
		const struct drip_node *node = drip_node_get(g->files[i]->root, "settings");

		if (node == NULL) {
			continue;
		}
		if (g->settings_node != NULL) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place,
					  "config.duplicate_settings", "Keep one of them.",
					  "settings are given twice; the first stand at %s:%d:%d",
					  g->settings_node->place.file,
					  g->settings_node->place.line,
					  g->settings_node->place.column);
			continue;
		}
		g->settings_node = node;
	}
}

/* ---- connections, services and models ---- */

size_t graph_count_section(struct graph *g, const char *section, const char *hint)
{
	size_t count = 0;

	for (size_t i = 0; i < g->files_count; i++) {
		const struct drip_node *node = drip_node_get(g->files[i]->root, section);

		if (node != NULL && node->kind == DRIP_NODE_MAP) {
			count += node->count;
		} else if (node != NULL) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place,
					  "config.wrong_type", hint,
					  "\"%s\" wants a map of names, not %s", section,
					  drip_node_describe(node));
		}
	}
	return count;
}

static int declare(struct graph *g, enum drip_kind kind, const struct drip_node_pair *pair,
		   struct drip_declared *list, struct graph_declaration *privates, size_t *count)
{
	struct graph_stage_config own = {0};
	struct drip_declared *d = &list[*count];
	const char *name = pair->key->text;
	int rc;

	if (drip_node_is_extension(pair->key) ||
	    !graph_check_name(g, &pair->key->place, drip_kind_name(kind), name)) {
		return 0;
	}
	for (size_t i = 0; i < *count; i++) {
		if (strcmp(list[i].name, name) == 0) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &pair->key->place,
					  "config.duplicate_name", "Rename or remove one of them.",
					  "%s \"%s\" is declared twice; the first stands at "
					  "%s:%d:%d",
					  drip_kind_name(kind), name, list[i].place.file,
					  list[i].place.line, list[i].place.column);
			return 0;
		}
	}
	d->name = name;
	d->place = pair->key->place;
	d->config_hash = drip_node_hash(pair->value);
	privates[*count].node = pair->value;
	(*count)++;
	rc = graph_bind(g, kind, pair->value, &own, &d->component, &d->config,
			&privates[*count - 1].sound);
	if (rc == 0 && kind == DRIP_KIND_MODEL) {
		rc = graph_build_model(g, d, &own, &privates[*count - 1]);
	}
	return rc;
}

static int build_section(struct graph *g, enum drip_kind kind, const char *section,
			 struct drip_declared **ret, size_t *ret_count,
			 struct graph_declaration **ret_privates)
{
	size_t room = graph_count_section(g, section, "Write NAME: {plugin: ...}.");
	int rc = 0;

	if (room > GRAPH_DECLARED_MAX) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, NULL, "config.too_large", NULL,
				  "more than %d %s are declared", GRAPH_DECLARED_MAX, section);
		return 0;
	}
	*ret = drip_arena_array(&g->arena, room, sizeof(**ret));
	*ret_privates = drip_arena_array(&g->arena, room, sizeof(**ret_privates));
	if (*ret == NULL || *ret_privates == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < g->files_count; i++) {
		const struct drip_node *node = drip_node_get(g->files[i]->root, section);

		for (size_t j = 0;
		     node != NULL && node->kind == DRIP_NODE_MAP && j < node->count && rc == 0;
		     j++) {
			rc = declare(g, kind, &node->pairs[j], *ret, *ret_privates, ret_count);
		}
	}
	return rc;
}

/* ---- the whole ---- */

static int build(struct graph *g)
{
	struct drip_document *d = g->document;
	int rc;

	find_settings(g);
	rc = build_settings(g);
	rc = rc < 0 ? rc
		    : build_section(g, DRIP_KIND_CONNECTION, "connections", &d->connections,
				    &d->connections_count, &g->connections);
	rc = rc < 0 ? rc
		    : build_section(g, DRIP_KIND_SERVICE, "services", &d->services,
				    &d->services_count, &g->services);
	rc = rc < 0 ? rc
		    : build_section(g, DRIP_KIND_MODEL, "models", &d->models, &d->models_count,
				    &g->models);
	rc = rc < 0 ? rc : graph_build_catalog(g);
	rc = rc < 0 ? rc : graph_build_policy(g);
	rc = rc < 0 ? rc : graph_build_pipelines(g);
	if (rc < 0) {
		return rc;
	}
	graph_check_references(g);
	rc = graph_check_order(g);
	return rc < 0 ? rc : graph_check(g);
}

static int load(struct graph *g, const char *const *paths, size_t paths_count)
{
	int rc = 0;

	for (size_t i = 0; i < paths_count && rc == 0; i++) {
		rc = graph_load_path(g, paths[i]);
	}
	return rc < 0 ? rc : build(g);
}

int drip_document_load(struct drip_registry *registry, const char *const *paths, size_t paths_count,
		       const struct drip_load_options *options, struct drip_findings *findings,
		       struct drip_document **ret_document)
{
	static const struct drip_load_options defaults;
	struct drip_document *document = drip_calloc(1, sizeof(*document));
	struct graph *g = drip_calloc(1, sizeof(*g));
	size_t errors = findings->errors;
	int rc;

	*ret_document = NULL;
	if (document == NULL || g == NULL) {
		free(document);
		free(g);
		return -ENOMEM;
	}
	drip_arena_init(&g->arena);
	g->registry = registry;
	g->findings = findings;
	g->findings_first = findings->count;
	g->options = options != NULL ? options : &defaults;
	g->document = document;
	document->arena = g;
	rc = load(g, paths, paths_count);
	graph_close_instances(g);
	graph_drop_consequences(g);
	document->files_count = g->files_count;
	free(g->files);
	g->files = NULL;
	drip_findings_sort(findings);
	if (rc < 0) {
		drip_document_destroy(document);
		return rc;
	}
	*ret_document = document;
	return findings->errors > errors ? -EINVAL : 0;
}

void drip_document_destroy(struct drip_document *document)
{
	struct graph *g;

	if (document == NULL) {
		return;
	}
	g = document->arena;
	for (size_t i = 0; i < document->pipelines_count; i++) {
		struct drip_pipeline_spec *spec = &document->pipelines[i];

		for (uint32_t j = 0; j < spec->edges_count; j++) {
			drip_schema_unref(spec->edges[j].schema);
		}
	}
	graph_finish_catalog(&document->catalog);
	drip_arena_finish(&g->arena);
	free(g);
	free(document);
}
