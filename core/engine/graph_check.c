/* SPDX-License-Identifier: Apache-2.0 */
/* The `check` of every sound component: connections, services, stages; and what a pipeline's stages
 * promise together. Findings of a component point at the option that it names. */
#include "engine/graph_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reporter {
	struct drip_report base;
	struct graph *g;
	const struct drip_node *node;
};

static void add_finding(struct drip_report *report, enum drip_log_level severity,
			const struct drip_error *finding)
{
	struct reporter *r = report->private_data;

	graph_report(r->g,
		     severity == DRIP_LOG_ERROR     ? DRIP_SEVERITY_ERROR
		     : severity == DRIP_LOG_WARNING ? DRIP_SEVERITY_WARNING
						    : DRIP_SEVERITY_NOTE,
		     r->node, finding);
}

/* Where a source's pipeline stands; what cannot be read is a finding. (gives) the positions. */
static struct drip_position *load_checkpoint(struct graph *g, const char *pipeline,
					     struct reporter *reporter)
{
	const struct drip_load_options *o = g->options;
	struct drip_position *positions = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	size_t count = 0;

	if (!o->connect || o->checkpoint == NULL) {
		return NULL;
	}
	if (o->checkpoint(g->document->settings.state_dir, pipeline, &positions, &count, &err) <
	    0) {
		graph_report(g, DRIP_SEVERITY_ERROR, reporter->node, &err);
		return NULL;
	}
	reporter->base.checkpoint = positions;
	reporter->base.checkpoint_count = count;
	return positions;
}

/* Returns true where the component has nothing against its configuration. */
static bool check_component(struct graph *g, const char *pipeline, const char *name,
			    const struct drip_node *node, const struct drip_component *component,
			    const void *config)
{
	const struct drip_common_ops *ops = graph_ops(component);
	struct reporter reporter = {
		.base = {.struct_size = sizeof(reporter.base), .add = add_finding},
		.g = g,
		.node = node};
	struct drip_position *positions = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	size_t errors = g->findings->errors;
	struct graph_ctx ctx;

	reporter.base.private_data = &reporter;
	if (component->kind == DRIP_KIND_SOURCE && ops->check != NULL) {
		positions = load_checkpoint(g, pipeline, &reporter);
	}
	graph_ctx_init(&ctx, g, pipeline, name);
	if (ops->check != NULL &&
	    ops->check(&ctx.base, config, g->options->connect, &reporter.base, &err) < 0) {
		/* A check that only reports may return an error without a text. */
		if (err.rc != 0) {
			graph_report(g, DRIP_SEVERITY_ERROR, node, &err);
		} else if (g->findings->errors == errors) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &node->place,
					  "config.check_failed", NULL,
					  "%s \"%s\" refuses its configuration without a reason",
					  drip_kind_name(component->kind), component->name);
		}
	}
	free(positions);
	return g->findings->errors == errors;
}

/* Any of these. */
static bool has_cap(const struct drip_component *component, uint64_t cap)
{
	return component != NULL && (component->caps & cap) != 0;
}

/* What follows from the source and a sink together. */
static void check_guarantees(struct graph *g, const struct drip_pipeline_spec *spec)
{
	const struct drip_component *source = spec->stages[0].component;

	if (source != NULL && !has_cap(source, DRIP_CAP_REPLAY | DRIP_CAP_EXACTLY_ONCE)) {
		drip_findings_add(g->findings, DRIP_SEVERITY_NOTE, &spec->stages[0].place,
				  "guarantee.no_replay", NULL,
				  "source \"%s\" cannot resume: after a restart it begins anew",
				  spec->stages[0].id);
	}
	for (uint32_t i = 1; i < spec->stages_count; i++) {
		const struct drip_stage *stage = &spec->stages[i];

		if (stage->kind != DRIP_KIND_SINK || stage->component == NULL) {
			continue;
		}
		if (!has_cap(stage->component, DRIP_CAP_EXACTLY_ONCE | DRIP_CAP_DISCARDS)) {
			drip_findings_add(g->findings, DRIP_SEVERITY_NOTE, &stage->place,
					  "guarantee.at_least_once", NULL,
					  "sink \"%s\" delivers at least once: after a crash, rows "
					  "since the last commit may come twice",
					  stage->id);
		}
		if (has_cap(source, DRIP_CAP_CHANGES) &&
		    !has_cap(stage->component, DRIP_CAP_CHANGES)) {
			drip_findings_add(g->findings, DRIP_SEVERITY_WARNING, &stage->place,
					  "guarantee.no_changes",
					  "Its option for changes, where it has one, decides what "
					  "becomes of updates and deletes.",
					  "sink \"%s\" does not apply changes, but the source "
					  "yields updates and deletes",
					  stage->id);
		}
	}
}

static int check_pipeline(struct graph *g, struct drip_pipeline_spec *spec,
			  struct graph_pipeline *pipeline)
{
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		struct drip_stage *stage = &spec->stages[i];
		struct graph_stage *private = &pipeline->stages[i];

		if (!private->sound) {
			continue;
		}
		private->checked = g->findings->count;
		/* What a transform has against its options does not keep it from being asked about
		 * tables: all problems come in one pass. */
		private->sound = check_component(g, spec->name, stage->id, private->node,
						 stage->component, stage->config) ||
				 stage->kind == DRIP_KIND_TRANSFORM;
		private->checked_end = g->findings->count;
	}
	if (spec->stages_count == 0) {
		return 0;
	}
	if (!graph_has_chain(pipeline->file)) {
		drip_findings_add(g->findings, DRIP_SEVERITY_NOTE, &spec->place,
				  "schema.not_checked", "Mend its syntax, and validate again.",
				  "the columns of pipeline \"%s\" were not checked: a part of its "
				  "stages cannot be read",
				  spec->name);
		return 0;
	}
	check_guarantees(g, spec);
	return graph_negotiate(g, spec, pipeline);
}

int graph_check(struct graph *g)
{
	struct drip_document *d = g->document;
	int rc = 0;

	for (size_t i = 0; i < d->connections_count; i++) {
		if (g->connections[i].sound) {
			g->connections[i].sound = check_component(
				g, "", d->connections[i].name, g->connections[i].node,
				d->connections[i].component, d->connections[i].config);
		}
	}
	for (size_t i = 0; i < d->models_count; i++) {
		if (g->models[i].sound) {
			g->models[i].sound =
				check_component(g, "", d->models[i].name, g->models[i].node,
						d->models[i].component, d->models[i].config);
		}
	}
	for (size_t i = 0; i < d->services_count; i++) {
		if (g->services[i].sound) {
			g->services[i].sound =
				check_component(g, "", d->services[i].name, g->services[i].node,
						d->services[i].component, d->services[i].config);
		}
	}
	for (size_t i = 0; i < d->pipelines_count && rc == 0; i++) {
		rc = check_pipeline(g, &d->pipelines[i], &g->pipelines[i]);
	}
	return rc;
}
