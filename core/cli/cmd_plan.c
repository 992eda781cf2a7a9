/* SPDX-License-Identifier: Apache-2.0 */
/* `dripline plan`: validates, then prints what the pipelines would do. Findings go to stderr, so
 * that stdout holds the plan alone. */
#include "base/alloc.h"
#include "base/json.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lineage ---- */

const char *drip_plan_lineage_name(unsigned kind)
{
	static const char *const names[] = {"",     "identity", "transformation", "aggregation",
					    "mask", "influence"};

	return kind < DRIP_COUNT(names) ? names[kind] : "influence";
}

/* One step back: what `ways` says of an edge's columns, said of the columns of the edge before. */
static uint8_t *step_back(const struct drip_pipeline_spec *spec, const struct drip_edge *edge,
			  const uint8_t *ways)
{
	const struct drip_schema *before = spec->edges[edge->from].schema;
	uint8_t *next = drip_calloc(before->columns_count + 1u, 1);

	for (uint32_t i = 0; next != NULL && i < edge->lineage_count; i++) {
		const struct drip_lineage_edge *l = &edge->lineage[i];
		uint8_t way;

		if (l->output >= edge->schema->columns_count || ways[l->output] == 0 ||
		    l->input >= before->columns_count) {
			continue;
		}
		way = ways[l->output] > l->kind ? ways[l->output] : (uint8_t)l->kind;
		if (next[l->input] == 0 || way < next[l->input]) {
			next[l->input] = way;
		}
	}
	return next;
}

uint8_t *drip_plan_origins(const struct drip_pipeline_spec *spec, uint32_t edge, uint32_t column,
			   uint32_t *ret_source)
{
	uint8_t *ways = drip_calloc(spec->edges[edge].schema->columns_count + 1u, 1);

	if (ways != NULL) {
		ways[column] = DRIP_LINEAGE_IDENTITY;
	}
	while (ways != NULL && spec->edges[edge].from != edge) {
		uint8_t *next = step_back(spec, &spec->edges[edge], ways);

		free(ways);
		ways = next;
		edge = spec->edges[edge].from;
	}
	*ret_source = edge;
	return ways;
}

const char *drip_plan_guarantee(const struct drip_stage *sink)
{
	return (sink->component->caps & DRIP_CAP_EXACTLY_ONCE) != 0 ? "exactly once"
								    : "at least once";
}

/* ---- JSON ---- */

static void put_columns(struct drip_json *j, const struct drip_schema *schema)
{
	drip_json_key(j, "columns");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);
		char type[64];

		drip_type_name(column, type, sizeof(type));
		drip_json_begin_object(j);
		drip_json_put_string(j, "name", column->name);
		drip_json_put_string(j, "type", type);
		drip_json_put_bool(j, "key", (column->flags & DRIP_COLUMN_KEY) != 0);
		drip_json_put_bool(j, "nullable", (column->flags & DRIP_COLUMN_NULLABLE) != 0);
		drip_json_put_bool(j, "masked", (column->flags & DRIP_COLUMN_MASKED) != 0);
		drip_json_put_string(j, "class", drip_class_name(column->classification));
		drip_json_end_object(j);
	}
	drip_json_end_array(j);
}

static void put_lineage(struct drip_json *j, const struct drip_pipeline_spec *spec,
			const struct drip_edge *edge)
{
	const struct drip_schema *before = spec->edges[edge->from].schema;

	drip_json_key(j, "lineage");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < edge->lineage_count; i++) {
		const struct drip_lineage_edge *l = &edge->lineage[i];

		if (l->output >= edge->schema->columns_count || l->input >= before->columns_count) {
			continue;
		}
		drip_json_begin_object(j);
		drip_json_put_string(j, "output",
				     drip_schema_column(edge->schema, l->output)->name);
		drip_json_put_string(j, "input", drip_schema_column(before, l->input)->name);
		drip_json_put_string(j, "kind", drip_plan_lineage_name(l->kind));
		drip_json_end_object(j);
	}
	drip_json_end_array(j);
}

static void put_edges(struct drip_json *j, const struct drip_pipeline_spec *spec)
{
	drip_json_key(j, "tables");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < spec->edges_count; i++) {
		const struct drip_edge *edge = &spec->edges[i];

		drip_json_begin_object(j);
		drip_json_put_int(j, "index", i);
		drip_json_put_string(j, "stage", spec->stages[edge->stage].id);
		drip_json_put_string(j, "database", edge->schema->database);
		drip_json_put_string(j, "table", edge->schema->table);
		if (edge->from != i) {
			drip_json_put_int(j, "from", edge->from);
		}
		if (spec->stages[edge->stage].kind == DRIP_KIND_SINK) {
			drip_json_put_string(j, "namespace", edge->dataset_namespace);
			drip_json_put_string(j, "dataset", edge->dataset);
			drip_json_put_string(j, "action", edge->action);
		}
		put_columns(j, edge->schema);
		put_lineage(j, spec, edge);
		drip_json_end_object(j);
	}
	drip_json_end_array(j);
}

static void put_stages(struct drip_json *j, const struct drip_pipeline_spec *spec)
{
	static const char *const policies[] = {"stop", "dead-letter", "skip"};

	drip_json_key(j, "stages");
	drip_json_begin_array(j);
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		const struct drip_stage *stage = &spec->stages[i];

		drip_json_begin_object(j);
		drip_json_put_string(j, "id", stage->id);
		drip_json_put_string(j, "kind", drip_kind_name(stage->kind));
		drip_json_put_string(j, "plugin", stage->component->name);
		if (i > 0) {
			drip_json_put_string(j, "input", spec->stages[stage->input].id);
		}
		drip_json_put_string(j, "on_error", policies[stage->on_error]);
		drip_json_key(j, "only");
		drip_json_begin_array(j);
		for (size_t k = 0; k < stage->only_count; k++) {
			drip_json_string(j, stage->only[k]);
		}
		drip_json_end_array(j);
		if (stage->kind == DRIP_KIND_SINK) {
			drip_json_put_string(j, "guarantee", drip_plan_guarantee(stage));
			drip_json_put_string(j, "clearance", drip_class_name(stage->clearance));
		}
		drip_json_end_object(j);
	}
	drip_json_end_array(j);
}

static void put_pipeline(struct drip_json *j, const struct drip_pipeline_spec *spec)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "name", spec->name);
	drip_json_put_string(j, "description", spec->description);
	drip_json_put_string(j, "file", spec->place.file);
	drip_json_put_string(j, "cron", spec->cron);
	drip_json_put_string(j, "timezone", spec->timezone);
	drip_json_key(j, "after");
	drip_json_begin_array(j);
	for (size_t i = 0; i < spec->after_count; i++) {
		drip_json_string(j, spec->after[i]);
	}
	drip_json_end_array(j);
	drip_json_key(j, "commit");
	drip_json_begin_object(j);
	drip_json_put_int(j, "interval_ms", spec->commit.interval_ms);
	drip_json_put_int(j, "rows", spec->commit.rows);
	drip_json_put_uint(j, "bytes", spec->commit.bytes);
	drip_json_end_object(j);
	drip_json_put_uint(j, "queue_bytes", spec->queue_bytes);
	drip_json_put_int(j, "drain_ms", spec->drain_ms);
	put_stages(j, spec);
	put_edges(j, spec);
	drip_json_end_object(j);
}

void drip_plan_json(const struct drip_document *document, struct drip_str *out)
{
	struct drip_json j;

	drip_json_init(&j, out);
	drip_json_begin_object(&j);
	drip_json_key(&j, "pipelines");
	drip_json_begin_array(&j);
	for (size_t i = 0; i < document->pipelines_count; i++) {
		put_pipeline(&j, &document->pipelines[i]);
	}
	drip_json_end_array(&j);
	drip_json_end_object(&j);
	drip_str_append_char(out, '\n');
}

/* ---- the command ---- */

static int print_plan(const struct drip_document *document, bool json)
{
	struct drip_str out = DRIP_STR_INIT;
	int status = DRIP_EXIT_OK;

	if (json) {
		drip_plan_json(document, &out);
	} else {
		drip_plan_text(document, &out);
	}
	if (out.rc < 0) {
		fprintf(stderr, "dripline: could not make the plan: %s\n", strerror(-out.rc));
		status = DRIP_EXIT_ENVIRONMENT;
	} else {
		fputs(drip_str_text(&out), stdout);
	}
	drip_str_finish(&out);
	return status;
}

int drip_cmd_plan(int argc, char **argv)
{
	static const char *const formats[] = {"text", "json", NULL};
	struct drip_cli_load load = {.connect = false};
	const char *format = "text";
	const struct drip_arg args[] = {
		{.name = "connect", .flag = &load.connect},
		{.name = "state", .text = &load.state_dir},
		{.name = "format", .letter = 'f', .text = &format, .choices = formats},
		{.name = "plugin-dir", .list = &load.plugin_dirs},
		{.name = NULL},
	};
	int status = drip_cli_load_args(&load, argc, argv, args, 0);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	status = drip_cli_load(&load);
	if (load.registry != NULL) {
		drip_findings_print_text(&load.findings, stderr);
	}
	if (status == DRIP_EXIT_OK && load.document->pipelines_count == 0) {
		fprintf(stderr, "dripline: no pipeline is declared in the files given\n");
		status = DRIP_EXIT_INVALID;
	}
	if (status == DRIP_EXIT_OK) {
		status = print_plan(load.document, strcmp(format, "json") == 0);
	}
	drip_cli_load_finish(&load);
	return status;
}
