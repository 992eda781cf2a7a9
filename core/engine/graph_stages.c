/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipelines and their stages: one pipeline a file. Stages are bound in file order, then the inputs
 * are resolved, and the transforms are put into an order in which each stands behind its input.
 */
#include "engine/cron.h"
#include "engine/graph_private.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A pipeline while it is built: stages in file order, before they are sorted. */
struct builder {
	struct graph *g;
	struct graph_file *file;
	struct drip_pipeline_spec *spec;
	struct drip_stage *stages;
	struct graph_stage *privates;
	uint32_t count;
	uint32_t source_last; /* index of the source, of its feed, or of the feed's rules */
	uint32_t transforms_first, sinks_first; /* indices into stages */
};

static struct drip_stage *find_stage(struct builder *b, const char *id)
{
	for (uint32_t i = 0; i < b->count; i++) {
		if (b->stages[i].id != NULL && strcmp(b->stages[i].id, id) == 0) {
			return &b->stages[i];
		}
	}
	return NULL;
}

/* The plugin's name, then NAME_2 and so on; source and feed are called what they are. */
static const char *default_id(struct builder *b, enum drip_kind kind, const char *plugin)
{
	char id[GRAPH_NAME_MAX + 16];
	const char *base =
		kind == DRIP_KIND_SOURCE || kind == DRIP_KIND_FEED ? drip_kind_name(kind) : plugin;

	snprintf(id, sizeof(id), "%.*s", GRAPH_NAME_MAX, base != NULL ? base : "unknown");
	for (int n = 2; find_stage(b, id) != NULL; n++) {
		snprintf(id, sizeof(id), "%.*s_%d", GRAPH_NAME_MAX, base != NULL ? base : "unknown",
			 n);
	}
	return drip_arena_strdup(&b->g->arena, id);
}

static void check_id(struct builder *b, const struct drip_node *node, const char *id)
{
	const struct drip_node *value = drip_node_get(node, "id");
	const struct drip_stage *other = find_stage(b, id);

	if (!graph_check_name(b->g, &value->place, "stage", id)) {
		return;
	}
	if (other != NULL) {
		drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &value->place,
				  "config.duplicate_name", "Stage ids are unique in a pipeline.",
				  "stage \"%s\" is declared twice; the first stands at %d:%d", id,
				  other->place.line, other->place.column);
	}
}

static void fill_stage(struct builder *b, struct drip_stage *stage, struct graph_stage *private,
		       const struct graph_stage_config *own)
{
	const struct graph_retry_config *retry =
		graph_single(b->g, private->node, "retry", &own->retry);

	if (retry != NULL) {
		stage->retry = (struct drip_retry){.attempts = retry->attempts,
						   .initial_ms = retry->initial.ms,
						   .max_ms = retry->max.ms,
						   .multiplier = retry->multiplier,
						   .jitter = retry->jitter};
	}
	stage->on_error = (enum drip_on_error)own->on_error.value;
	stage->only = own->only.items;
	stage->only_count = own->only.count;
	stage->quality = (enum drip_feed_quality)own->quality.value;
	stage->on_contract_break = (enum drip_on_contract_break)own->on_contract_break.value;
	stage->clearance = stage->component != NULL ? stage->component->clearance : 0;
	if (drip_node_get(private->node, "clearance") != NULL) {
		stage->clearance = (enum drip_class)own->clearance.value;
	}
	private->input_name = own->input;
	private->input_node = drip_node_get(private->node, "input");
}

static int add_stage(struct builder *b, enum drip_kind kind, const struct drip_node *node)
{
	struct drip_stage *stage = &b->stages[b->count];
	struct graph_stage *private = &b->privates[b->count];
	struct graph_stage_config own = {0};
	int rc;

	stage->kind = kind;
	stage->place = node->place;
	stage->config_hash = drip_node_hash(node);
	private->node = node;
	rc = graph_bind(b->g, kind, node, &own, &stage->component, &stage->config, &private->sound);
	if (rc < 0) {
		return rc;
	}
	if (own.id != NULL) {
		check_id(b, node, own.id);
		stage->id = own.id;
	} else {
		stage->id = default_id(b, kind, own.plugin);
	}
	fill_stage(b, stage, private, &own);
	b->count++;
	return stage->id != NULL ? 0 : -ENOMEM;
}

/* The stage of a feed's quality rules, where it has some. */
static int add_rules(struct builder *b)
{
	uint32_t feed = b->count - 1;
	struct drip_stage *stage = &b->stages[feed];
	struct drip_node *node = NULL;
	int rc = 0;

	if (b->privates[feed].sound) {
		rc = graph_feed_rules(b->g, stage, b->spec->name, &node);
	}
	if (rc == 0 && node != NULL) {
		rc = add_stage(b, DRIP_KIND_TRANSFORM, node);
	}
	if (rc == 0 && b->count - 1 > feed) {
		const struct drip_node *own = drip_node_get(b->privates[feed].node, "on_error");
		struct drip_stage *rules = &b->stages[feed + 1];

		rules->id = "feed_quality";
		rules->place = stage->place;
		rules->only = stage->only;
		rules->only_count = stage->only_count;
		rules->on_error = own != NULL ? stage->on_error : DRIP_ON_ERROR_DEAD_LETTER;
	}
	return rc;
}

/* Where no source is declared, so that the other stages can be checked. */
static int add_missing_source(struct builder *b)
{
	struct drip_stage *stage = &b->stages[b->count];
	struct graph_stage *private = &b->privates[b->count];

	stage->kind = DRIP_KIND_SOURCE;
	stage->place = b->spec->place;
	private->node = b->file->root;
	stage->id = default_id(b, DRIP_KIND_SOURCE, NULL);
	b->count++;
	return stage->id != NULL ? 0 : -ENOMEM;
}

/* A list of stages, or one. */
static int add_stages(struct builder *b, enum drip_kind kind, const struct drip_node *node)
{
	int rc = 0;

	if (node == NULL) {
		return 0;
	}
	if (node->kind != DRIP_NODE_SEQUENCE) {
		return add_stage(b, kind, node);
	}
	for (size_t i = 0; i < node->count && rc == 0; i++) {
		rc = add_stage(b, kind, node->items[i]);
	}
	return rc;
}

static size_t count_stages(const struct drip_node *node)
{
	return node == NULL ? 0 : node->kind == DRIP_NODE_SEQUENCE ? node->count : 1;
}

/* ---- inputs ---- */

static void report_unknown_input(struct builder *b, const struct graph_stage *private)
{
	struct drip_suggestion s = {.wrong = private->input_name};
	char hint[256];

	drip_suggestion_offer(&s, "source");
	for (uint32_t i = 0; i < b->sinks_first; i++) {
		drip_suggestion_offer(&s, b->stages[i].id);
	}
	drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &private->input_node->place,
			  "config.unknown_input",
			  drip_suggestion_hint(&s, "Name the source or a transform by its id.",
					       hint, sizeof(hint)),
			  "there is no stage \"%s\" in this pipeline", private->input_name);
}

/* What comes from the source passes the feed and its rules, however it is named. */
static uint32_t behind_feed(const struct builder *b, uint32_t index)
{
	return index < b->source_last ? b->source_last : index;
}

static void resolve_input(struct builder *b, uint32_t index)
{
	struct graph_stage *private = &b->privates[index];
	struct drip_stage *stage = &b->stages[index], *input;

	if (index < b->transforms_first) {
		stage->input = index == 0 ? 0 : index - 1;
		return;
	}
	stage->input = behind_feed(b, index < b->sinks_first ? index - 1 : b->sinks_first - 1);
	if (private->input_name == NULL) {
		return;
	}
	input = find_stage(b, private->input_name);
	if (input == NULL && strcmp(private->input_name, "source") == 0) {
		input = &b->stages[0];
	}
	if (input == NULL) {
		report_unknown_input(b, private);
	} else if (input->kind == DRIP_KIND_SINK) {
		drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &private->input_node->place,
				  "config.sink_as_input", "Name the source or a transform.",
				  "sink \"%s\" cannot feed another stage", private->input_name);
	} else {
		stage->input = behind_feed(b, (uint32_t)(input - b->stages));
	}
}

/* Reports the circle that `start` is in, and cuts it there, so that the rest can be checked. */
static void report_cycle(struct builder *b, uint32_t start)
{
	char text[1024];
	size_t used = 0;
	uint32_t at = start;

	do {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s -> ",
					 b->stages[at].id);
		used = used < sizeof(text) ? used : sizeof(text) - 1;
		at = b->stages[at].input;
	} while (at != start);
	drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR,
			  b->privates[start].input_node != NULL
				  ? &b->privates[start].input_node->place
				  : &b->stages[start].place,
			  "config.input_cycle", "Let one of them take the source.",
			  "stages feed each other in a circle: %s%s", text, b->stages[start].id);
	b->stages[start].input = behind_feed(b, 0);
	b->privates[start].sound = false;
}

/* Follows the inputs of each transform; a walk longer than there are stages is in a circle. */
static void check_cycles(struct builder *b)
{
	for (uint32_t i = b->transforms_first; i < b->sinks_first; i++) {
		uint32_t at = i;

		for (uint32_t steps = 0; at >= b->transforms_first && steps <= b->count; steps++) {
			at = b->stages[at].input;
		}
		if (at >= b->transforms_first) {
			report_cycle(b, at);
		}
	}
}

/* Puts the stages into spec->stages, each behind its input. */
static void sort_stages(struct builder *b, struct graph_stage *privates)
{
	struct drip_stage *out = b->spec->stages;
	uint32_t place[GRAPH_STAGES_MAX], count = 0;
	bool done[GRAPH_STAGES_MAX] = {false};

	while (count < b->count) {
		uint32_t next = b->count;

		for (uint32_t i = 0; i < b->count && next == b->count; i++) {
			bool ready = i == 0 || done[b->stages[i].input];
			bool held = i >= b->sinks_first && count < b->sinks_first;

			if (!done[i] && ready && !held) {
				next = i;
			}
		}
		if (next == b->count) {
			break; /* does not happen: circles are cut */
		}
		done[next] = true;
		place[next] = count;
		out[count] = b->stages[next];
		out[count].input = next == 0 ? 0 : place[b->stages[next].input];
		privates[count++] = b->privates[next];
	}
	b->spec->stages_count = count;
}

static void check_uses(struct builder *b, struct graph_pipeline *pipeline)
{
	const struct drip_pipeline_spec *spec = b->spec;

	for (uint32_t i = 1; i < spec->stages_count; i++) {
		pipeline->stages[spec->stages[i].input].used = true;
	}
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		if (spec->stages[i].kind == DRIP_KIND_TRANSFORM && !pipeline->stages[i].used) {
			drip_findings_add(b->g->findings, DRIP_SEVERITY_WARNING,
					  &spec->stages[i].place, "config.unused_stage",
					  "Name it as the `input` of a sink, or remove it.",
					  "no stage takes what \"%s\" puts out",
					  spec->stages[i].id);
		}
	}
}

static int build_stages(struct builder *b, struct graph_pipeline *pipeline)
{
	const struct drip_node *root = b->file->root;
	const struct drip_node *source = drip_node_get(root, "source");
	const struct drip_node *feed = drip_node_get(root, "feed");
	const struct drip_node *transforms = drip_node_get(root, "transforms");
	const struct drip_node *sinks = drip_node_get(root, "sinks");
	int rc;

	rc = source != NULL ? add_stage(b, DRIP_KIND_SOURCE, source) : add_missing_source(b);
	if (rc == 0 && feed != NULL) {
		rc = add_stage(b, DRIP_KIND_FEED, feed);
		rc = rc == 0 ? add_rules(b) : rc;
	}
	b->transforms_first = b->count;
	b->source_last = b->count - 1;
	rc = rc < 0 ? rc : add_stages(b, DRIP_KIND_TRANSFORM, transforms);
	b->sinks_first = b->count;
	rc = rc < 0 ? rc : add_stages(b, DRIP_KIND_SINK, sinks);
	if (rc < 0) {
		return rc;
	}
	for (uint32_t i = 0; i < b->count; i++) {
		resolve_input(b, i);
	}
	check_cycles(b);
	sort_stages(b, pipeline->stages);
	if (b->count > b->sinks_first) {
		check_uses(b, pipeline);
	}
	return 0;
}

/* ---- pipelines ---- */

/* False: the stages cannot be put together. Without source or sinks they can, and are checked. */
static bool check_parts(struct graph *g, const struct graph_file *file)
{
	const struct drip_node *root = file->root, *sinks = drip_node_get(root, "sinks");
	const struct drip_node *name = drip_node_get(root, "pipeline");
	size_t count = count_stages(drip_node_get(root, "transforms")) + count_stages(sinks);
	bool good = true;

	if (drip_node_get(root, "source") == NULL) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &name->place,
				  "config.missing_source", "Add `source: {plugin: ...}`.",
				  "the pipeline has no source");
	}
	if (sinks == NULL || (sinks->kind == DRIP_NODE_SEQUENCE && sinks->count == 0)) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR,
				  sinks != NULL ? &sinks->place : &name->place,
				  "config.missing_sink", "Add `sinks: [{plugin: ...}]`.",
				  "the pipeline has no sink");
	}
	if (count + 3 > GRAPH_STAGES_MAX) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &name->place,
				  "config.too_large", "Split the pipeline.",
				  "a pipeline has %d stages at most", GRAPH_STAGES_MAX - 3);
		good = false;
	}
	return good;
}

static void report_schedule(struct graph *g, const struct drip_node *map,
			    const struct drip_error *err)
{
	const struct drip_node *place =
		drip_node_get(map, strcmp(err->code, "cron.timezone") == 0 ? "timezone" : "cron");

	drip_findings_add_error(g->findings, DRIP_SEVERITY_ERROR,
				place != NULL ? &place->place : &map->place, err);
}

static void check_schedule(struct graph *g, const struct graph_file *file,
			   const struct graph_schedule_config *schedule)
{
	const struct drip_node *map = drip_node_get(file->root, "schedule");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_cron *cron = NULL;

	if (schedule->cron == NULL) {
		return; /* reported as missing */
	}
	if (drip_cron_parse(schedule->cron, schedule->timezone, &cron, &err) == 0) {
		drip_cron_destroy(cron);
		return;
	}
	report_schedule(g, map, &err);
	if (strcmp(err.code, "cron.timezone") != 0 &&
	    drip_cron_parse("@daily", schedule->timezone, &cron, &err) < 0) {
		report_schedule(g, map, &err);
	}
	drip_cron_destroy(cron);
}

static void fill_spec(struct graph *g, struct graph_file *file, struct drip_pipeline_spec *spec)
{
	const struct graph_commit_config *commit =
		graph_single(g, file->root, "commit", &file->config.commit);
	const struct graph_schedule_config *schedule =
		graph_single(g, file->root, "schedule", &file->config.schedule);

	spec->description = file->config.description;
	spec->queue_bytes = file->config.queue.bytes;
	spec->drain_ms = file->config.drain.ms;
	spec->timezone = "UTC";
	if (commit != NULL) {
		spec->commit = (struct drip_commit_policy){.interval_ms = commit->interval.ms,
							   .rows = commit->rows,
							   .bytes = commit->bytes.bytes};
	}
	if (schedule != NULL) {
		check_schedule(g, file, schedule);
		spec->cron = schedule->cron;
		spec->timezone = schedule->timezone != NULL ? schedule->timezone : "UTC";
		spec->after = schedule->after.items;
		spec->after_count = schedule->after.count;
	}
}

/* Everything that a reload looks at, in the order of the stages. */
static uint64_t hash_pipeline(const struct drip_node *root)
{
	static const char *const parts[] = {"pipeline", "schedule", "commit",     "queue", "drain",
					    "source",   "feed",     "transforms", "sinks"};
	uint64_t hash = 0x9e3779b97f4a7c15u;

	for (size_t i = 0; i < DRIP_COUNT(parts); i++) {
		hash = (hash ^ drip_node_hash(drip_node_get(root, parts[i]))) * 0x100000001b3u;
		hash ^= hash >> 29;
	}
	return hash;
}

static int build_pipeline(struct graph *g, struct graph_file *file)
{
	struct drip_document *d = g->document;
	struct drip_pipeline_spec *spec = &d->pipelines[d->pipelines_count];
	struct graph_pipeline *pipeline = &g->pipelines[d->pipelines_count];
	const struct drip_node *name = drip_node_get(file->root, "pipeline");
	struct builder b = {.g = g, .file = file, .spec = spec};
	size_t room;

	if (name->broken) {
		file->config.pipeline = file->path; /* so that its stages are checked */
	} else if (file->config.pipeline == NULL ||
		   !graph_check_name(g, &name->place, "pipeline", file->config.pipeline)) {
		return 0;
	}
	for (size_t i = 0; i < d->pipelines_count; i++) {
		const struct drip_place *other = &d->pipelines[i].place;

		if (strcmp(d->pipelines[i].name, file->config.pipeline) == 0) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &name->place,
					  "config.duplicate_name", "Rename one of them.",
					  "pipeline \"%s\" is declared twice; the first stands at "
					  "%s:%d:%d",
					  file->config.pipeline, other->file, other->line,
					  other->column);
			return 0;
		}
	}
	fill_spec(g, file, spec);
	if (!check_parts(g, file)) {
		return 0;
	}
	room = 3 + count_stages(drip_node_get(file->root, "transforms")) +
	       count_stages(drip_node_get(file->root, "sinks"));
	spec->name = file->config.pipeline;
	spec->place = name->place;
	spec->config_hash = hash_pipeline(file->root);
	spec->stages = drip_arena_array(&g->arena, room, sizeof(*spec->stages));
	pipeline->stages = drip_arena_array(&g->arena, room, sizeof(*pipeline->stages));
	b.stages = drip_arena_array(&g->arena, room, sizeof(*b.stages));
	b.privates = drip_arena_array(&g->arena, room, sizeof(*b.privates));
	if (spec->stages == NULL || pipeline->stages == NULL || b.stages == NULL ||
	    b.privates == NULL) {
		return -ENOMEM;
	}
	pipeline->file = file;
	d->pipelines_count++;
	return build_stages(&b, pipeline);
}

/* Stages in a file without a pipeline's name belong to none. */
static void check_no_pipeline(struct graph *g, const struct graph_file *file)
{
	static const char *const parts[] = {"source", "feed", "transforms", "sinks", "schedule"};

	for (size_t i = 0; i < DRIP_COUNT(parts); i++) {
		const struct drip_node_pair *pair = drip_node_pair(file->root, parts[i]);

		if (pair != NULL) {
			drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &pair->key->place,
					  "config.missing_pipeline", "Add `pipeline: NAME`.",
					  "the file has \"%s\" but no \"pipeline\"", parts[i]);
			return;
		}
	}
}

int graph_build_pipelines(struct graph *g)
{
	struct drip_document *d = g->document;
	int rc = 0;

	d->pipelines = drip_arena_array(&g->arena, g->files_count, sizeof(*d->pipelines));
	g->pipelines = drip_arena_array(&g->arena, g->files_count, sizeof(*g->pipelines));
	if (d->pipelines == NULL || g->pipelines == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < g->files_count && rc == 0; i++) {
		if (drip_node_get(g->files[i]->root, "pipeline") != NULL) {
			rc = build_pipeline(g, g->files[i]);
		} else if (g->files[i]->root != NULL) {
			check_no_pipeline(g, g->files[i]);
		}
	}
	return rc;
}
