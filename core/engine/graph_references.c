/* SPDX-License-Identifier: Apache-2.0 */
/*
 * References to connections: every CONNECTION option must name one that is declared and that offers
 * the interface which the option wants; connections must not need each other in a circle; one that
 * nobody names is a warning. The hash of a connection becomes part of its users' hashes.
 */
#include "engine/graph_private.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct visit {
	struct graph *g;
	const char *what;
	uint64_t hash; /* of the connections found */
	/* Called with each declared connection that is named. */
	void (*found)(struct visit *v, size_t index, const struct drip_place *place);
	size_t from; /* index of the connection whose options these are */
};

static bool offers(const struct drip_component *component, const char *interface_name)
{
	const struct drip_connection_ops *ops = component->ops;

	if (interface_name == NULL || !DRIP_HAS(ops, interfaces) || ops->interfaces == NULL) {
		return true;
	}
	for (const char *const *i = ops->interfaces; *i != NULL; i++) {
		if (strcmp(*i, interface_name) == 0) {
			return true;
		}
	}
	return false;
}

static void check_interface(struct visit *v, const struct drip_option *option,
			    const struct drip_place *place, const char *name,
			    const struct drip_component *component)
{
	if (component != NULL && !offers(component, option->interface_name)) {
		drip_findings_add(
			v->g->findings, DRIP_SEVERITY_ERROR, place, "config.wrong_connection",
			"Name a connection that offers this interface.",
			"option \"%s\" of %s needs a connection with %s; \"%s\" is a "
			"%s connection",
			option->name, v->what, option->interface_name, name, component->name);
	}
}

static void report_unknown(struct visit *v, const struct drip_place *place, const char *name)
{
	struct drip_suggestion s = {.wrong = name};
	char hint[256];

	for (size_t i = 0; i < v->g->document->connections_count; i++) {
		drip_suggestion_offer(&s, v->g->document->connections[i].name);
	}
	drip_findings_add(
		v->g->findings, DRIP_SEVERITY_ERROR, place, "config.unknown_connection",
		drip_suggestion_hint(&s, "Declare it under `connections`.", hint, sizeof(hint)),
		"there is no connection \"%.100s\"", name);
}

/* Models have names of their own; the option's interface says which is meant. */
static void visit_model(struct visit *v, const struct drip_place *place, const char *name)
{
	const struct drip_declared *model = graph_model(v->g, name);
	struct drip_suggestion s = {.wrong = name};
	char hint[256];

	if (model != NULL) {
		v->hash = (v->hash ^ model->config_hash) * 0x100000001b3u;
		return;
	}
	for (size_t i = 0; i < v->g->document->models_count; i++) {
		drip_suggestion_offer(&s, v->g->document->models[i].name);
	}
	drip_findings_add(
		v->g->findings, DRIP_SEVERITY_ERROR, place, "config.unknown_model",
		drip_suggestion_hint(&s, "Declare it under `models`.", hint, sizeof(hint)),
		"there is no model \"%.100s\"", name);
}

static void visit_name(struct visit *v, const struct drip_option *option,
		       const struct drip_place *place, const char *name)
{
	struct drip_declared *connection;

	if (option->interface_name != NULL &&
	    strcmp(option->interface_name, DRIP_MODEL_INTERFACE) == 0) {
		visit_model(v, place, name);
		return;
	}
	if (name[0] == '@') {
		const struct drip_component *component = NULL;
		struct drip_error err = DRIP_ERROR_INIT;

		if (drip_registry_find(v->g->registry, DRIP_KIND_CONNECTION, name + 1, &component,
				       &err) < 0) {
			drip_findings_add_error(v->g->findings, DRIP_SEVERITY_ERROR, place, &err);
			return;
		}
		check_interface(v, option, place, name, component);
		return;
	}
	connection = graph_connection(v->g, name);
	if (connection == NULL) {
		report_unknown(v, place, name);
		return;
	}
	v->hash = (v->hash ^ connection->config_hash) * 0x100000001b3u;
	check_interface(v, option, place, name, connection->component);
	v->found(v, (size_t)(connection - v->g->document->connections), place);
}

static void visit_options(struct visit *v, const struct drip_node *map, const char *config,
			  const struct drip_option *options, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *option = drip_option_at(options, i);
		const struct drip_place place = drip_node_place(map, option->name);
		const char *member = config + option->offset;

		if (option->type == DRIP_OPTION_CONNECTION) {
			const struct drip_connection_ref *ref = (const void *)member;

			if (ref->name != NULL) {
				visit_name(v, option, &place, ref->name);
			}
		} else if (option->type == DRIP_OPTION_OBJECTS) {
			const struct drip_objects *objects = (const void *)member;
			const struct drip_node *node = drip_node_get(map, option->name);

			for (size_t j = 0; j < objects->count; j++) {
				const struct drip_node *item =
					node != NULL && node->kind == DRIP_NODE_SEQUENCE
						? node->items[j]
						: node;

				visit_options(v, item != NULL ? item : map,
					      (const char *)objects->items + j * option->child_size,
					      option->children, option->children_count);
			}
		}
	}
}

static uint64_t visit_component(struct visit *v, enum drip_kind kind, const struct drip_node *node,
				const struct drip_component *component, const void *config)
{
	v->hash = 0;
	if (component != NULL && config != NULL && node->kind == DRIP_NODE_MAP) {
		v->what = graph_what(v->g, kind, component->name);
		visit_options(v, node, config, component->options, component->options_count);
	}
	return v->hash;
}

static void mark_used(struct visit *v, size_t index, const struct drip_place *place)
{
	(void)place;
	v->g->connections[index].used = true;
}

enum { UNSEEN = 0, OPEN, DONE };

/* Depth first; a connection that is reached while it is open needs itself. */
static void follow(struct visit *v, size_t index, const struct drip_place *place)
{
	struct graph_declaration *d = &v->g->connections[index];
	const struct drip_declared *declared = &v->g->document->connections[index];
	struct visit next = *v;

	d->used = true;
	if (d->mark == OPEN) {
		drip_findings_add(v->g->findings, DRIP_SEVERITY_ERROR, place,
				  "config.connection_cycle", "Remove one of the references.",
				  "connections need each other in a circle: %s -> ... -> %s -> %s",
				  declared->name, v->g->document->connections[v->from].name,
				  declared->name);
		return;
	}
	if (d->mark == DONE) {
		return;
	}
	d->mark = OPEN;
	next.from = index;
	visit_component(&next, DRIP_KIND_CONNECTION, d->node, declared->component,
			declared->config);
	d->mark = DONE;
}

static void check_pipeline(struct visit *v, struct drip_pipeline_spec *spec,
			   struct graph_pipeline *pipeline)
{
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		struct drip_stage *stage = &spec->stages[i];
		size_t errors = v->g->findings->errors;
		uint64_t hash = visit_component(v, stage->kind, pipeline->stages[i].node,
						stage->component, stage->config);

		if (v->g->findings->errors > errors) {
			pipeline->stages[i].sound = false;
		}
		stage->config_hash ^= hash;
		spec->config_hash = (spec->config_hash ^ hash) * 0x100000001b3u;
	}
}

/* Where a user is unknown, nobody can say which connections it would use. */
static bool has_users(const struct drip_document *d)
{
	for (size_t i = 0; i < d->services_count; i++) {
		if (d->services[i].component == NULL) {
			return false;
		}
	}
	for (size_t i = 0; i < d->pipelines_count; i++) {
		for (uint32_t j = 0; j < d->pipelines[i].stages_count; j++) {
			if (d->pipelines[i].stages[j].component == NULL) {
				return false;
			}
		}
	}
	return d->services_count > 0 || d->pipelines_count > 0;
}

void graph_check_references(struct graph *g)
{
	struct visit v = {.g = g, .found = mark_used};
	struct drip_document *d = g->document;
	bool anyone = has_users(d);

	for (size_t i = 0; i < d->pipelines_count; i++) {
		check_pipeline(&v, &d->pipelines[i], &g->pipelines[i]);
	}
	for (size_t i = 0; i < d->services_count; i++) {
		size_t errors = g->findings->errors;

		d->services[i].config_hash ^=
			visit_component(&v, DRIP_KIND_SERVICE, g->services[i].node,
					d->services[i].component, d->services[i].config);
		g->services[i].sound &= g->findings->errors == errors;
	}
	v.found = follow;
	for (size_t i = 0; i < d->connections_count; i++) {
		if (g->connections[i].mark == UNSEEN) {
			bool used = g->connections[i].used;
			struct drip_place place = d->connections[i].place;

			v.from = i;
			follow(&v, i, &place);
			g->connections[i].used = used;
		}
	}
	for (size_t i = 0; i < d->connections_count && anyone; i++) {
		if (!g->connections[i].used) {
			drip_findings_add(g->findings, DRIP_SEVERITY_WARNING,
					  &d->connections[i].place, "config.unused_connection",
					  "Remove it, or name it in a stage.",
					  "no stage or service uses the connection \"%s\"",
					  d->connections[i].name);
		}
	}
}
