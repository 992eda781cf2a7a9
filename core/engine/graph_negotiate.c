/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types a pipeline without moving a row: the source's tables go through every stage, and each table
 * at each stage becomes an edge. Edges stand in the order of the stages. A stage whose input is not
 * known (the source does not say, or an error lies before) is left alone.
 */
#include "base/alloc.h"
#include "engine/graph_private.h"
#include "engine/graph_stage.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One problem of many tables, as monthly shards have it, is reported for the first and counted for
 * the others. */
#define REPEATS_MAX    64
#define UNKNOWN_COLUMN "schema.unknown_column"

struct repeat {
	char code[48], what[128]; /* what: the option or the column */
	struct drip_place place;
	uint32_t first, last; /* edges of the tables that have it */
	size_t more;
};

struct typing {
	struct graph *g;
	struct drip_pipeline_spec *spec;
	struct graph_pipeline *pipeline;
	bool assumed;            /* the source's tables are what the feed's contract says */
	bool partial;            /* and some of them are left out */
	struct drip_edge *edges; /* malloc'd while it grows */
	size_t count, capacity;
	struct repeat repeats[REPEATS_MAX]; /* of the stage at hand */
	size_t repeats_count;
};

/* True where the stage has this problem already with another table than that of edge `from`. */
static bool is_repeated(struct typing *t, uint32_t from, const char *code, const char *what,
			const struct drip_place *place)
{
	struct repeat *r;

	for (size_t i = 0; i < t->repeats_count; i++) {
		r = &t->repeats[i];
		if (strcmp(r->code, code) == 0 && strcmp(r->what, what) == 0) {
			r->more += r->last != from;
			r->last = from;
			return r->first != from;
		}
	}
	if (t->repeats_count < REPEATS_MAX) {
		r = &t->repeats[t->repeats_count++];
		*r = (struct repeat){.place = *place, .first = from, .last = from};
		snprintf(r->code, sizeof(r->code), "%s", code);
		snprintf(r->what, sizeof(r->what), "%s", what);
	}
	return false;
}

static void report_repeats(struct typing *t)
{
	for (size_t i = 0; i < t->repeats_count; i++) {
		const struct repeat *r = &t->repeats[i];

		if (r->more > 0) {
			drip_findings_add(t->g->findings, DRIP_SEVERITY_NOTE, &r->place, r->code,
					  NULL, "the same holds for %zu more table%s%s%s", r->more,
					  r->more == 1 ? "" : "s", r->what[0] != '\0' ? ": " : "",
					  r->what);
		}
	}
	t->repeats_count = 0;
}

/* ---- edges ---- */

/* Takes over the schema's reference also on failure. */
static int add_edge(struct typing *t, struct drip_edge edge, struct drip_error *err)
{
	if (t->count >= GRAPH_EDGES_MAX) {
		drip_schema_unref(edge.schema);
		return drip_error_set(err, -E2BIG, "config.too_large",
				      "more than %d tables at the stages of a pipeline",
				      GRAPH_EDGES_MAX);
	}
	if (!drip_grow((void **)&t->edges, &t->capacity, t->count + 1, sizeof(*t->edges))) {
		drip_schema_unref(edge.schema);
		return drip_error_nomem(err, sizeof(*t->edges));
	}
	t->edges[t->count++] = edge;
	return 0;
}

/* What a component leaves out is said here: columns of the same name are the same. */
static int fill_identity(struct typing *t, const struct drip_schema *input, struct drip_edge *edge)
{
	struct drip_lineage_edge *list =
		drip_arena_array(&t->g->arena, edge->schema->columns_count, sizeof(*list));

	if (list == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < edge->schema->columns_count; i++) {
		int from = drip_schema_find(input, drip_schema_column(edge->schema, i)->name);

		if (from >= 0) {
			list[edge->lineage_count++] = (struct drip_lineage_edge){
				i, (uint32_t)from, DRIP_LINEAGE_IDENTITY};
		}
	}
	edge->lineage = list;
	return 0;
}

static int fill_lineage(struct typing *t, const struct drip_schema *input,
			const struct drip_negotiated *n, struct drip_edge *edge)
{
	struct drip_lineage_edge *list;

	if (n->edges == NULL) {
		return fill_identity(t, input, edge);
	}
	list = drip_arena_array(&t->g->arena, n->edges_count, sizeof(*list));
	if (list == NULL) {
		return -ENOMEM;
	}
	if (n->edges_count > 0) {
		memcpy(list, n->edges, n->edges_count * sizeof(*list));
	}
	edge->lineage = list;
	edge->lineage_count = n->edges_count;
	return 0;
}

/* ---- the source ---- */

static int on_schema(struct drip_schema_list *list, const struct drip_schema *schema,
		     struct drip_error *err)
{
	struct typing *t = list->private_data;
	struct drip_edge edge = {.schema = drip_schema_ref(schema), .from = (uint32_t)t->count};

	return add_edge(t, edge, err);
}

static int describe_source(struct typing *t)
{
	const struct drip_stage *source = &t->spec->stages[0];
	const struct drip_source_ops *ops = source->component->ops;
	struct drip_schema_list list = {
		.struct_size = sizeof(list), .add = on_schema, .private_data = t};
	struct drip_error err = DRIP_ERROR_INIT;
	struct graph_ctx ctx;
	int rc;

	if (ops->describe == NULL) {
		return 0;
	}
	graph_ctx_init(&ctx, t->g, t->spec->name, source->id);
	rc = ops->describe(&ctx.base, source->config, t->g->options->connect, &list, &err);
	if (rc == -ENOMEM) {
		return rc;
	}
	if (rc < 0) {
		graph_report(t->g, DRIP_SEVERITY_ERROR, t->pipeline->stages[0].node, &err);
		return 0;
	}
	t->pipeline->stages[0].typed = t->count > 0;
	return 0;
}

/* ---- a source that is not known, behind a contract ---- */

static bool uses_only(const struct drip_pipeline_spec *spec)
{
	for (uint32_t i = 0; i < spec->stages_count; i++) {
		if (spec->stages[i].only_count > 0) {
			return true;
		}
	}
	return false;
}

/* A table as its contract promises it, under the name that it will have; a pattern stands for all
 * that match it. Left out where `only` may tell those apart. */
static int assume_table(struct typing *t, const struct drip_contract_table *table,
			struct drip_error *err)
{
	const char *point = strchr(table->match, '.');
	bool pattern = strpbrk(table->match, "*?") != NULL;
	const struct drip_schema *columns =
		DRIP_HAS(table, source) && table->source != NULL ? table->source : table->schema;
	struct drip_edge edge = {.from = (uint32_t)t->count};
	char database[DRIP_NAME_MAX] = "";
	struct drip_schema_builder b;
	struct drip_schema *schema = NULL;
	int rc;

	if (pattern && table->schema->table[0] == '\0' && uses_only(t->spec)) {
		t->partial = true;
		return 0;
	}
	if (point != NULL) {
		snprintf(database, sizeof(database), "%.*s", (int)(point - table->match),
			 table->match);
	}
	drip_schema_builder_init(&b, database, point != NULL ? point + 1 : table->match);
	for (uint32_t i = 0; i < columns->columns_count; i++) {
		drip_schema_builder_add(&b, drip_schema_column(columns, i));
	}
	rc = drip_schema_builder_build(&b, &schema, err);
	edge.schema = schema;
	return rc == 0 ? add_edge(t, edge, err) : rc;
}

/* Offline, few sources know their tables; a contract does, and says what is sensitive. */
static int assume_contract(struct typing *t)
{
	const struct drip_stage *feed = t->spec->stages_count > 1 ? &t->spec->stages[1] : NULL;
	const struct drip_contract *contract = NULL;
	const struct drip_feed_ops *ops;
	struct drip_error err = DRIP_ERROR_INIT;
	struct graph_ctx ctx;
	int rc;

	if (t->g->options->connect || t->count > 0 || feed == NULL ||
	    feed->kind != DRIP_KIND_FEED || !t->pipeline->stages[0].sound ||
	    !t->pipeline->stages[1].sound) {
		return 0;
	}
	ops = feed->component->ops;
	graph_ctx_init(&ctx, t->g, t->spec->name, feed->id);
	rc = ops->contract(&ctx.base, feed->config, &contract, &err);
	for (size_t i = 0; rc == 0 && i < contract->tables_count; i++) {
		rc = assume_table(t, drip_contract_table_at(contract, i), &err);
	}
	if (contract != NULL && DRIP_HAS(contract, release) && contract->release != NULL) {
		contract->release(contract);
	}
	t->assumed = true;
	t->pipeline->stages[0].typed = t->count > 0;
	return rc == -ENOMEM ? rc : 0;
}

/* ---- columns that options name ---- */

static bool any_has(const struct typing *t, const struct drip_stage *stage, const char *column,
		    struct drip_suggestion *s)
{
	bool any = false;

	for (size_t i = 0; i < t->count; i++) {
		const struct drip_schema *schema = t->edges[i].schema;

		if (t->edges[i].stage != stage->input || !drip_stage_handles(stage, schema)) {
			continue;
		}
		any = true;
		if (drip_schema_find(schema, column) >= 0) {
			return true;
		}
		for (uint32_t j = 0; j < schema->columns_count; j++) {
			drip_suggestion_offer(s, drip_schema_column(schema, j)->name);
		}
	}
	return !any || t->partial;
}

static bool check_columns(struct typing *t, const struct drip_stage *stage,
			  const struct drip_node *node, const struct drip_option *option,
			  const struct drip_columns *columns)
{
	bool good = true;

	for (size_t i = 0; i < columns->count; i++) {
		struct drip_suggestion s = {.wrong = columns->items[i]};
		char path[64], hint[256];
		struct drip_place place;

		if (any_has(t, stage, columns->items[i], &s)) {
			continue;
		}
		snprintf(path, sizeof(path), "[%zu]", i);
		place = drip_node_place(node, path);
		drip_findings_add(t->g->findings, DRIP_SEVERITY_ERROR, &place, UNKNOWN_COLUMN,
				  drip_suggestion_hint(&s, NULL, hint, sizeof(hint)),
				  "no table that reaches stage \"%s\" has the column \"%s\" that "
				  "option \"%s\" names",
				  stage->id, columns->items[i], option->name);
		good = false;
	}
	return good;
}

static bool check_column_options(struct typing *t, const struct drip_stage *stage,
				 const struct drip_node *map, const char *config,
				 const struct drip_option *options, uint32_t count)
{
	bool good = true;

	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *option = drip_option_at(options, i);
		const struct drip_node *node = drip_node_get(map, option->name);
		const void *member = config + option->offset;

		if (node == NULL) {
			continue; /* a default is the component's own affair */
		}
		if (option->type == DRIP_OPTION_COLUMNS) {
			good &= check_columns(t, stage, node, option, member);
		} else if (option->type == DRIP_OPTION_OBJECTS) {
			const struct drip_objects *objects = member;

			for (size_t j = 0; j < objects->count; j++) {
				good &= check_column_options(
					t, stage,
					node->kind == DRIP_NODE_SEQUENCE ? node->items[j] : node,
					(const char *)objects->items + j * option->child_size,
					option->children, option->children_count);
			}
		}
	}
	return good;
}

/* ---- stages ---- */

/* All uncleared columns of a table, not the first. True where there is none. */
static bool check_clearance(struct typing *t, const struct drip_stage *stage,
			    const struct drip_node *node, uint32_t from)
{
	const struct drip_schema *input = t->edges[from].schema;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_place place = drip_node_place(node, "clearance");
	bool good = true;

	for (uint32_t i = 0; drip_stage_uncleared(stage, input, &i, &err) < 0; i++) {
		if (!is_repeated(t, from, err.code, drip_schema_column(input, i)->name, &place)) {
			drip_findings_add_error(t->g->findings, DRIP_SEVERITY_ERROR, &place, &err);
		}
		good = false;
	}
	return good;
}

static void warn_left_out(struct typing *t, const struct drip_stage *stage,
			  const struct drip_node *node, uint32_t from)
{
	if (stage->kind == DRIP_KIND_FEED &&
	    !is_repeated(t, from, "contract.no_table", "", &node->place)) {
		drip_findings_add(t->g->findings, DRIP_SEVERITY_WARNING, &node->place,
				  "contract.no_table", "Add it to the contract, or do not read it.",
				  "table %s is in no contract: its rows are left out",
				  t->edges[from].schema->table);
	}
}

/* Findings `first` to `end`. */
static bool is_among(const struct drip_findings *f, size_t first, size_t end,
		     const struct drip_place *place, const char *code)
{
	for (size_t i = first; i < end; i++) {
		const struct drip_finding *item = &f->items[i];

		if (item->line == place->line && item->column == place->column &&
		    strcmp(item->code, code) == 0 && strcmp(item->file, place->file) == 0) {
			return true;
		}
	}
	return false;
}

/* check_columns, or the stage's own check, has said it of all tables. */
static bool is_reported(const struct typing *t, const struct drip_stage *stage,
			const struct drip_place *place, const char *code)
{
	const struct graph_stage *private = &t->pipeline->stages[stage - t->spec->stages];
	const struct drip_findings *f = t->g->findings;

	return is_among(f, 0, f->count, place, UNKNOWN_COLUMN) ||
	       is_among(f, private->checked, private->checked_end, place, code);
}

/* Its rows will be kept, and all else flows. */
static bool goes_to_quarantine(const struct drip_stage *stage, const struct drip_error *err)
{
	return stage->kind == DRIP_KIND_FEED &&
	       stage->on_contract_break == DRIP_ON_BREAK_QUARANTINE &&
	       strncmp(err->code, "contract.", 9) == 0;
}

static void report_refusal(struct typing *t, const struct drip_node *node,
			   const struct drip_stage *stage, uint32_t from,
			   const struct drip_error *err)
{
	const struct drip_schema *input = t->edges[from].schema;
	struct drip_place place = drip_node_place(node, err->option);

	if (t->assumed && input->keys_count == 0 && stage->kind == DRIP_KIND_SINK) {
		return; /* the key is the source's, and not known */
	}
	if (is_reported(t, stage, &place, err->code)) {
		return;
	}
	if (err->rc == 0) {
		drip_findings_add(t->g->findings, DRIP_SEVERITY_ERROR, &place,
				  "config.check_failed", NULL,
				  "%s \"%s\" refuses a table without a reason",
				  drip_kind_name(stage->kind), stage->id);
	} else if (!is_repeated(t, from, err->code, err->option, &place)) {
		graph_report(t->g,
			     goes_to_quarantine(stage, err) ? DRIP_SEVERITY_WARNING
							    : DRIP_SEVERITY_ERROR,
			     node, err);
	}
}

/* What a stage is asked with: takes all of its problems with a table, not the first. */
struct inquiry {
	struct drip_error err;
	struct typing *t;
	const struct drip_node *node;
	const struct drip_stage *stage;
	uint32_t from;
};

static void on_more(struct drip_error *err, const struct drip_error *finding)
{
	struct inquiry *q = (struct inquiry *)(void *)err;

	report_refusal(q->t, q->node, q->stage, q->from, finding);
}

static int negotiate_edge(struct typing *t, uint32_t index, uint32_t from, bool *good)
{
	const struct drip_stage *stage = &t->spec->stages[index];
	const struct drip_node *node = t->pipeline->stages[index].node;
	const struct drip_schema *input = t->edges[from].schema;
	struct drip_edge edge = {.stage = index, .from = from};
	struct inquiry q = {
		.err = DRIP_ERROR_INIT, .t = t, .node = node, .stage = stage, .from = from};
	struct drip_negotiated n;
	struct graph_ctx ctx;
	int rc;

	if (drip_stage_handles(stage, input) && !check_clearance(t, stage, node, from)) {
		*good = false;
		return 0;
	}
	graph_ctx_init(&ctx, t->g, t->spec->name, stage->id);
	q.err.more = on_more;
	rc = drip_stage_negotiate(stage, &ctx.base, input, &n, &q.err);
	if (rc < 0) {
		*good = goes_to_quarantine(stage, &q.err);
		t->partial |= *good;
		report_refusal(t, node, stage, from, &q.err);
		return rc == -ENOMEM ? rc : 0;
	}
	if (n.output == NULL) {
		warn_left_out(t, stage, node, from);
		drip_negotiated_finish(&n);
		return 0;
	}
	edge.schema = n.output;
	rc = fill_lineage(t, input, &n, &edge);
	if (rc == 0 && stage->kind == DRIP_KIND_SINK) {
		edge.dataset = drip_arena_strdup(
			&t->g->arena, n.dataset[0] != '\0' ? n.dataset : n.output->table);
		edge.dataset_namespace = drip_arena_strdup(&t->g->arena, n.dataset_namespace);
		edge.action = drip_arena_strdup(&t->g->arena, n.action);
		rc = edge.dataset != NULL && edge.dataset_namespace != NULL && edge.action != NULL
			     ? 0
			     : -ENOMEM;
		if (rc == 0) {
			graph_check_declared(t->g, node, edge.dataset, edge.schema);
		}
	}
	n.output = NULL; /* the edge has it */
	drip_negotiated_finish(&n);
	if (rc < 0) {
		drip_schema_unref(edge.schema);
		return rc;
	}
	rc = add_edge(t, edge, &q.err);
	if (rc == -E2BIG) {
		graph_report(t->g, DRIP_SEVERITY_ERROR, node, &q.err);
		*good = false;
		return 0;
	}
	return rc;
}

/* A pattern of `only` that no table matches is a slip, where the tables are known. */
static void check_only(struct typing *t, uint32_t index)
{
	const struct drip_stage *stage = &t->spec->stages[index];

	for (size_t i = 0; i < stage->only_count; i++) {
		struct drip_stage one = *stage;
		struct drip_place place;
		bool found = false;
		char path[64];

		one.only = &stage->only[i];
		one.only_count = 1;
		for (size_t j = 0; j < t->count && !found; j++) {
			found = t->edges[j].stage == stage->input &&
				drip_stage_handles(&one, t->edges[j].schema);
		}
		if (!found) {
			snprintf(path, sizeof(path), "only[%zu]", i);
			place = drip_node_place(t->pipeline->stages[index].node, path);
			drip_findings_add(t->g->findings, DRIP_SEVERITY_WARNING, &place,
					  "config.unmatched_pattern",
					  "Check its spelling, or remove it.",
					  "no table that reaches stage \"%s\" matches \"%s\"",
					  stage->id, stage->only[i]);
		}
	}
}

/* What a stage gets leaves it, where that is known without asking it. */
static int pass_on(struct typing *t, uint32_t index, uint32_t from)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_edge edge = {
		.stage = index, .from = from, .schema = drip_schema_ref(t->edges[from].schema)};
	int rc = add_edge(t, edge, &err);

	return rc == -ENOMEM ? rc : 0;
}

/*
 * A stage that is at fault leaves what follows it unknown, but for one that keeps the schema: the
 * document is refused in any case, and this way says all that is wrong with it.
 */
static int type_stage(struct typing *t, uint32_t index)
{
	const struct drip_stage *stage = &t->spec->stages[index];
	struct graph_stage *private = &t->pipeline->stages[index];
	size_t count = t->count; /* edges of this stage are added behind */
	bool good, keeps = stage->component != NULL &&
			   (stage->component->caps & DRIP_CAP_SAME_SCHEMA) != 0 &&
			   !drip_node_lacks(private->node);
	int rc = 0;

	if (!t->pipeline->stages[stage->input].typed || (!private->sound && !keeps)) {
		return 0;
	}
	private->typed = keeps;
	for (size_t i = 0; i < count && rc == 0 && !private->sound; i++) {
		rc = t->edges[i].stage == stage->input ? pass_on(t, index, (uint32_t)i) : 0;
	}
	if (!private->sound) {
		return rc;
	}
	if (!t->assumed) {
		check_only(t, index);
	}
	good = check_column_options(t, stage, private->node, stage->config,
				    stage->component->options, stage->component->options_count);
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (t->edges[i].stage == stage->input) {
			bool fine = true;

			rc = negotiate_edge(t, index, (uint32_t)i, &fine);
			/* The other tables are looked at too: all problems in one pass. */
			private->sound &= fine;
			rc = rc == 0 && !fine && keeps ? pass_on(t, index, (uint32_t)i) : rc;
		}
	}
	report_repeats(t);
	private->typed |= good && private->sound && private->checked == private->checked_end;
	return rc;
}

/* Says that what hangs on columns was not looked at. */
static void note_unknown(struct typing *t)
{
	const struct graph_stage *source = &t->pipeline->stages[0];

	if (source->sound && !source->typed && !t->g->options->connect) {
		drip_findings_add(t->g->findings, DRIP_SEVERITY_NOTE, &t->spec->stages[0].place,
				  "schema.not_known",
				  "validate --connect asks the source, and checks columns and "
				  "their classes too.",
				  "the tables of source \"%s\" are not known offline",
				  t->spec->stages[0].id);
	}
}

/* Says once for each stage at fault that what stands behind it was not looked at. */
static void note_behind(struct typing *t)
{
	for (uint32_t i = 1; i < t->spec->stages_count; i++) {
		const struct drip_stage *stage = &t->spec->stages[i];
		const struct graph_stage *private = &t->pipeline->stages[i];

		if (t->pipeline->stages[stage->input].typed && !private->typed && private->used) {
			drip_findings_add(t->g->findings, DRIP_SEVERITY_NOTE, &stage->place,
					  "schema.not_checked", "Mend it, and validate again.",
					  "columns behind stage \"%s\" were not checked: it is at "
					  "fault",
					  stage->id);
		}
	}
}

int graph_negotiate(struct graph *g, struct drip_pipeline_spec *spec,
		    struct graph_pipeline *pipeline)
{
	struct typing t = {.g = g, .spec = spec, .pipeline = pipeline};
	int rc = 0;

	if (pipeline->stages[0].sound) {
		rc = describe_source(&t);
	}
	if (rc == 0) {
		rc = assume_contract(&t);
		note_unknown(&t);
	}
	for (uint32_t i = 1; i < spec->stages_count && rc == 0; i++) {
		rc = type_stage(&t, i);
	}
	note_behind(&t);
	spec->edges = drip_arena_array(&g->arena, t.count, sizeof(*spec->edges));
	if (spec->edges == NULL) {
		for (size_t i = 0; i < t.count; i++) {
			drip_schema_unref(t.edges[i].schema);
		}
		rc = -ENOMEM;
	} else if (t.count > 0) {
		memcpy(spec->edges, t.edges, t.count * sizeof(*spec->edges));
		spec->edges_count = (uint32_t)t.count;
	}
	free(t.edges);
	return rc;
}
