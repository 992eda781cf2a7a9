/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan for people: the graph, the schema that leaves each stage, what each sink would do, and
 * where its columns come from. Tables that look alike, as monthly shards do, are printed once.
 */
#include "base/alloc.h"
#include "cli/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TABLES_SHOWN 4 /* names of alike tables that are written out */

/* ---- units ---- */

static void put_duration(struct drip_str *out, int64_t ms)
{
	if (ms % 1000 != 0) {
		drip_str_appendf(out, "%lldms", (long long)ms);
	} else if (ms % 60000 != 0) {
		drip_str_appendf(out, "%llds", (long long)(ms / 1000));
	} else {
		drip_str_appendf(out, "%lldm", (long long)(ms / 60000));
	}
}

static void put_size(struct drip_str *out, uint64_t bytes)
{
	if (bytes % (1 << 20) == 0) {
		drip_str_appendf(out, "%llu MiB", (unsigned long long)(bytes >> 20));
	} else {
		drip_str_appendf(out, "%llu bytes", (unsigned long long)bytes);
	}
}

/* ---- the graph ---- */

static void put_node(struct drip_str *out, const struct drip_pipeline_spec *spec, uint32_t index,
		     unsigned level)
{
	const struct drip_stage *stage = &spec->stages[index];

	drip_str_appendf(out, "  %*s%s%s (%s %s)", (int)(level * 3), "", level > 0 ? "-> " : "",
			 stage->id, drip_kind_name(stage->kind), stage->component->name);
	for (size_t i = 0; i < stage->only_count; i++) {
		drip_str_appendf(out, "%s%s", i == 0 ? " only " : ", ", stage->only[i]);
	}
	drip_str_append_char(out, '\n');
}

/* A chain of stages keeps its level; where it forks, each branch goes one deeper. The depth of the
 * recursion is that of the graph, which the loader bounds. */
static void put_branch(struct drip_str *out, const struct drip_pipeline_spec *spec, uint32_t index,
		       unsigned level)
{
	put_node(out, spec, index, level);
	for (uint32_t i = index + 1; i < spec->stages_count; i++) {
		if (spec->stages[i].input == index) {
			put_branch(out, spec, i, level + 1);
		}
	}
}

static void put_head(struct drip_str *out, const struct drip_pipeline_spec *spec)
{
	drip_str_appendf(out, "pipeline %s (%s)\n", spec->name, spec->place.file);
	if (spec->description != NULL) {
		drip_str_appendf(out, "  %s\n", spec->description);
	}
	if (spec->cron != NULL) {
		drip_str_appendf(out, "  runs at \"%s\" %s", spec->cron, spec->timezone);
		for (size_t i = 0; i < spec->after_count; i++) {
			drip_str_appendf(out, "%s %s", i == 0 ? ", after" : ",", spec->after[i]);
		}
		drip_str_append(out, "\n");
	} else {
		drip_str_append(out, "  streams\n");
	}
	drip_str_append(out, "  commits after ");
	put_duration(out, spec->commit.interval_ms);
	drip_str_appendf(out, ", %lld rows or ", (long long)spec->commit.rows);
	put_size(out, spec->commit.bytes);
	drip_str_append(out, "; queue ");
	put_size(out, spec->queue_bytes);
	drip_str_append(out, " a sink; drains within ");
	put_duration(out, spec->drain_ms);
	drip_str_append(out, "\n\nstages\n");
	put_branch(out, spec, 0, 0);
}

/* ---- tables ---- */

static bool is_alike(const struct drip_schema *a, const struct drip_schema *b)
{
	if (a->columns_count != b->columns_count) {
		return false;
	}
	for (uint32_t i = 0; a != b && i < a->columns_count; i++) {
		const struct drip_column *x = drip_schema_column(a, i);
		const struct drip_column *y = drip_schema_column(b, i);

		if (strcmp(x->name, y->name) != 0 || x->type != y->type || x->flags != y->flags ||
		    x->precision != y->precision || x->scale != y->scale ||
		    x->classification != y->classification) {
			return false;
		}
	}
	return true;
}

/* Marks the edges of `stage` that look like `first`; returns how many. */
static size_t mark_alike(const struct drip_pipeline_spec *spec, uint32_t first, bool *done)
{
	const struct drip_edge *edge = &spec->edges[first];
	size_t count = 0;

	for (uint32_t i = first; i < spec->edges_count; i++) {
		if (spec->edges[i].stage == edge->stage && !done[i] &&
		    is_alike(spec->edges[i].schema, edge->schema)) {
			done[i] = true;
			count++;
		}
	}
	return count;
}

static void put_table_name(struct drip_str *out, const struct drip_schema *schema)
{
	drip_str_appendf(out, "%s%s%s", schema->database, schema->database[0] != '\0' ? "." : "",
			 schema->table);
}

static void put_columns(struct drip_str *out, const struct drip_schema *schema)
{
	int width = 0;

	for (uint32_t i = 0; i < schema->columns_count; i++) {
		int size = (int)strlen(drip_schema_column(schema, i)->name);

		width = size > width && size < 40 ? size : width;
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);
		char type[64];

		drip_type_name(column, type, sizeof(type));
		drip_str_appendf(out, "      %-*s  %-16s %-8s %s%s%s\n", width, column->name, type,
				 (column->flags & DRIP_COLUMN_NULLABLE) != 0 ? "null" : "not null",
				 drip_class_name(column->classification),
				 (column->flags & DRIP_COLUMN_KEY) != 0 ? ", key" : "",
				 (column->flags & DRIP_COLUMN_MASKED) != 0 ? ", masked" : "");
	}
}

/* Shards that became one table by a contract are named once. */
static bool is_first_of_name(const struct drip_pipeline_spec *spec, uint32_t first, uint32_t index)
{
	const struct drip_edge *edge = &spec->edges[index];

	for (uint32_t i = first; i < index; i++) {
		if (spec->edges[i].stage == edge->stage &&
		    strcmp(spec->edges[i].schema->table, edge->schema->table) == 0 &&
		    strcmp(spec->edges[i].schema->database, edge->schema->database) == 0) {
			return false;
		}
	}
	return true;
}

static void put_group(struct drip_str *out, const struct drip_pipeline_spec *spec, uint32_t first,
		      const bool *before, size_t count)
{
	const struct drip_edge *edge = &spec->edges[first];
	size_t shown = 0, named = 0;

	drip_str_append(out, "    ");
	for (uint32_t i = first; i < spec->edges_count && shown < TABLES_SHOWN; i++) {
		if (spec->edges[i].stage != edge->stage || before[i] ||
		    !is_alike(spec->edges[i].schema, edge->schema)) {
			continue;
		}
		named++;
		if (is_first_of_name(spec, first, i)) {
			drip_str_append(out, shown++ > 0 ? ", " : "");
			put_table_name(out, spec->edges[i].schema);
		}
	}
	if (count > named) {
		drip_str_appendf(out, " and %zu more", count - named);
	} else if (count > shown) {
		drip_str_appendf(out, ", of %zu tables", count);
	}
	drip_str_appendf(out, ": %u columns\n", edge->schema->columns_count);
	put_columns(out, edge->schema);
}

static void put_stage_tables(struct drip_str *out, const struct drip_pipeline_spec *spec,
			     uint32_t stage, bool *done)
{
	bool *before = drip_calloc(spec->edges_count + 1u, sizeof(*before));
	bool any = false;

	if (before == NULL) {
		out->rc = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < spec->edges_count; i++) {
		size_t count;

		if (spec->edges[i].stage != stage || done[i]) {
			continue;
		}
		if (!any) {
			drip_str_appendf(out, "\n  %s\n", spec->stages[stage].id);
			any = true;
		}
		memcpy(before, done, spec->edges_count * sizeof(*before));
		count = mark_alike(spec, i, done);
		put_group(out, spec, i, before, count);
	}
	free(before);
}

static void put_tables(struct drip_str *out, const struct drip_pipeline_spec *spec)
{
	bool *done = drip_calloc(spec->edges_count + 1u, sizeof(*done));

	if (done == NULL) {
		out->rc = -ENOMEM;
		return;
	}
	drip_str_append(out, "\ntables that leave each stage\n");
	if (spec->edges_count == 0) {
		drip_str_append(out, "  not known before the source is asked: try --connect\n");
	}
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		put_stage_tables(out, spec, i, done);
	}
	free(done);
}

/* ---- sinks ---- */

static bool is_new_dataset(const struct drip_pipeline_spec *spec, uint32_t index)
{
	const struct drip_edge *edge = &spec->edges[index];

	for (uint32_t i = 0; i < index; i++) {
		const struct drip_edge *other = &spec->edges[i];

		if (other->stage == edge->stage && strcmp(other->dataset, edge->dataset) == 0 &&
		    strcmp(other->dataset_namespace, edge->dataset_namespace) == 0) {
			return false;
		}
	}
	return true;
}

static void put_sinks(struct drip_str *out, const struct drip_pipeline_spec *spec)
{
	drip_str_append(out, "\nsinks\n");
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		const struct drip_stage *stage = &spec->stages[i];

		if (stage->kind != DRIP_KIND_SINK) {
			continue;
		}
		drip_str_appendf(out, "  %s: %s, cleared for %s\n", stage->id,
				 drip_plan_guarantee(stage), drip_class_name(stage->clearance));
		for (uint32_t j = 0; j < spec->edges_count; j++) {
			const struct drip_edge *edge = &spec->edges[j];

			if (edge->stage == i && is_new_dataset(spec, j)) {
				drip_str_appendf(out, "    %s%s%s%s%s\n", edge->dataset_namespace,
						 edge->dataset_namespace[0] != '\0' ? " " : "",
						 edge->dataset, edge->action[0] != '\0' ? ": " : "",
						 edge->action);
			}
		}
	}
}

/* ---- lineage ---- */

static void put_origins(struct drip_str *out, const struct drip_pipeline_spec *spec, uint32_t edge,
			uint32_t column)
{
	uint32_t source = 0;
	uint8_t *ways = drip_plan_origins(spec, edge, column, &source);
	const struct drip_schema *schema = spec->edges[source].schema;
	bool any = false;

	if (ways == NULL) {
		out->rc = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		if (ways[i] == 0) {
			continue;
		}
		drip_str_append(out, any ? ", " : " <- ");
		put_table_name(out, schema);
		drip_str_appendf(out, ".%s", drip_schema_column(schema, i)->name);
		if (ways[i] != DRIP_LINEAGE_IDENTITY) {
			drip_str_appendf(out, " (%s)", drip_plan_lineage_name(ways[i]));
		}
		any = true;
	}
	drip_str_append(out, any ? "\n" : " <- no column of the source\n");
	free(ways);
}

static const struct drip_edge *source_of(const struct drip_pipeline_spec *spec, uint32_t index)
{
	while (spec->edges[index].from != index) {
		index = spec->edges[index].from;
	}
	return &spec->edges[index];
}

/* Two tables of one sink whose columns come the same way from sources that look alike. */
static bool is_same_way(const struct drip_pipeline_spec *spec, uint32_t a, uint32_t b)
{
	const struct drip_edge *x = &spec->edges[a], *y = &spec->edges[b];

	for (;;) {
		if (x->stage != y->stage || !is_alike(x->schema, y->schema) ||
		    x->lineage_count != y->lineage_count) {
			return false;
		}
		for (uint32_t i = 0; i < x->lineage_count; i++) {
			if (x->lineage[i].input != y->lineage[i].input ||
			    x->lineage[i].output != y->lineage[i].output ||
			    x->lineage[i].kind != y->lineage[i].kind) {
				return false;
			}
		}
		if (x == &spec->edges[x->from] || y == &spec->edges[y->from]) {
			return x == &spec->edges[x->from] && y == &spec->edges[y->from];
		}
		x = &spec->edges[x->from];
		y = &spec->edges[y->from];
	}
}

/* Marks the edges that go the same way as `first`; names the first few datasets. */
static void put_datasets(struct drip_str *out, const struct drip_pipeline_spec *spec,
			 uint32_t first, bool *done)
{
	const struct drip_edge *edge = &spec->edges[first];
	size_t count = 0, shown = 0;

	drip_str_appendf(out, "  %s ", spec->stages[edge->stage].id);
	for (uint32_t i = first; i < spec->edges_count; i++) {
		if (spec->edges[i].stage != edge->stage || done[i] ||
		    !is_same_way(spec, first, i)) {
			continue;
		}
		done[i] = true;
		count++;
		if (shown < TABLES_SHOWN && is_new_dataset(spec, i)) {
			drip_str_appendf(out, "%s%s", shown++ > 0 ? ", " : "",
					 spec->edges[i].dataset);
		}
	}
	if (count > 1) {
		drip_str_appendf(out, ", of %zu tables such as ", count);
		put_table_name(out, source_of(spec, first)->schema);
	}
	drip_str_append_char(out, '\n');
}

static void put_lineage(struct drip_str *out, const struct drip_pipeline_spec *spec)
{
	bool *done = drip_calloc(spec->edges_count + 1u, sizeof(*done));
	bool any = false;

	for (uint32_t i = 0; done != NULL && i < spec->edges_count; i++) {
		const struct drip_edge *edge = &spec->edges[i];

		if (spec->stages[edge->stage].kind != DRIP_KIND_SINK || done[i]) {
			continue;
		}
		drip_str_append(out, any ? "" : "\nlineage\n");
		any = true;
		put_datasets(out, spec, i, done);
		for (uint32_t j = 0; j < edge->schema->columns_count; j++) {
			drip_str_appendf(out, "    %s", drip_schema_column(edge->schema, j)->name);
			put_origins(out, spec, i, j);
		}
	}
	out->rc = done == NULL ? -ENOMEM : out->rc;
	free(done);
}

void drip_plan_text(const struct drip_document *document, struct drip_str *out)
{
	for (size_t i = 0; i < document->pipelines_count; i++) {
		const struct drip_pipeline_spec *spec = &document->pipelines[i];

		drip_str_append(out, i > 0 ? "\n" : "");
		put_head(out, spec);
		put_tables(out, spec);
		put_sinks(out, spec);
		put_lineage(out, spec);
	}
}
