/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lineage as people and other systems read it: a text, a graph for dot, and OpenLineage 2-0-2 run
 * events, one a pipeline and line, with the columnLineage facet 1-2-0.
 */
#include "serve/methods.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EDGES_MAX 100000
#define TEXTS     8

struct edge {
	char *texts[TEXTS]; /* owned; `record` points into them */
	struct drip_lineage_record record;
	bool upstream;
	int distance;
};

struct edges {
	struct edge *items;
	size_t count, capacity;
	int rc;
};

static int add_edge(const struct drip_store_edge *e, void *data)
{
	struct edges *all = data;
	const char *from[TEXTS] = {e->record.pipeline,        e->record.stage,
				   e->record.input_namespace, e->record.input_dataset,
				   e->record.input_column,    e->record.output_namespace,
				   e->record.output_dataset,  e->record.output_column};
	void *grown = all->items;
	struct edge *to;

	if (all->count >= EDGES_MAX) {
		return all->rc = -E2BIG;
	}
	if (!drip_grow(&grown, &all->capacity, all->count + 1, sizeof(*all->items))) {
		return all->rc = -ENOMEM;
	}
	all->items = grown;
	to = &all->items[all->count++];
	*to = (struct edge){.record = e->record, .upstream = e->upstream, .distance = e->distance};
	for (size_t i = 0; i < TEXTS; i++) {
		to->texts[i] = drip_strdup(from[i]);
		if (to->texts[i] == NULL) {
			return all->rc = -ENOMEM;
		}
	}
	to->record.pipeline = to->texts[0];
	to->record.stage = to->texts[1];
	to->record.input_namespace = to->texts[2];
	to->record.input_dataset = to->texts[3];
	to->record.input_column = to->texts[4];
	to->record.output_namespace = to->texts[5];
	to->record.output_dataset = to->texts[6];
	to->record.output_column = to->texts[7];
	return 0;
}

static void free_edges(struct edges *all)
{
	for (size_t i = 0; i < all->count; i++) {
		for (size_t k = 0; k < TEXTS; k++) {
			free(all->items[i].texts[k]);
		}
	}
	free(all->items);
}

static const char *kind_name(enum drip_lineage_kind kind)
{
	switch (kind) {
	case DRIP_LINEAGE_IDENTITY:
		return "identity";
	case DRIP_LINEAGE_AGGREGATION:
		return "aggregation";
	case DRIP_LINEAGE_MASK:
		return "mask";
	case DRIP_LINEAGE_INFLUENCE:
		return "influence";
	default:
		return "transformation";
	}
}

/* What goes into what, whichever pipeline does it. */
static int compare_flow(const void *a, const void *b)
{
	const struct drip_lineage_record *x = &((const struct edge *)a)->record;
	const struct drip_lineage_record *y = &((const struct edge *)b)->record;
	int rc = strcmp(x->output_namespace, y->output_namespace);

	rc = rc != 0 ? rc : strcmp(x->output_dataset, y->output_dataset);
	rc = rc != 0 ? rc : strcmp(x->output_column, y->output_column);
	rc = rc != 0 ? rc : strcmp(x->input_namespace, y->input_namespace);
	rc = rc != 0 ? rc : strcmp(x->input_dataset, y->input_dataset);
	rc = rc != 0 ? rc : strcmp(x->input_column, y->input_column);
	return rc != 0 ? rc : (int)x->kind - (int)y->kind;
}

static int compare_edges(const void *a, const void *b)
{
	int rc = strcmp(((const struct edge *)a)->record.pipeline,
			((const struct edge *)b)->record.pipeline);

	return rc != 0 ? rc : compare_flow(a, b);
}

/* ---- text ---- */

static void put_side(struct drip_str *out, const char *namespace, const char *dataset,
		     const char *column)
{
	drip_str_appendf(out, "%s%s%s%s%s", namespace, namespace[0] != '\0' ? " " : "", dataset,
			 column[0] != '\0' ? "." : "", column);
}

static void render_direction(const struct edges *all, bool upstream, struct drip_str *out)
{
	size_t shown = 0;

	drip_str_append(out, upstream ? "comes from\n" : "goes to\n");
	for (size_t i = 0; i < all->count; i++) {
		const struct edge *e = &all->items[i];
		const struct drip_lineage_record *r = &e->record;

		if (e->upstream != upstream) {
			continue;
		}
		shown++;
		drip_str_appendf(out, "%*s", 2 * e->distance, "");
		put_side(out, r->input_namespace, r->input_dataset, r->input_column);
		drip_str_append(out, " -> ");
		put_side(out, r->output_namespace, r->output_dataset, r->output_column);
		drip_str_appendf(out, "  (%s, pipeline %s, stage %s, %s)\n", kind_name(r->kind),
				 r->pipeline, r->stage, drip_class_name(r->classification));
	}
	if (shown == 0) {
		drip_str_append(out, "  nothing that is known\n");
	}
}

/* ---- dot ---- */

static void put_dot_node(struct drip_str *out, const char *namespace, const char *dataset,
			 const char *column)
{
	struct drip_str plain = DRIP_STR_INIT;

	put_side(&plain, namespace, dataset, column);
	drip_str_append_char(out, '"');
	for (const char *p = drip_str_text(&plain); *p != '\0'; p++) {
		if (*p == '"' || *p == '\\') {
			drip_str_append_char(out, '\\');
		}
		drip_str_append_char(out, *p == '\n' ? ' ' : *p);
	}
	drip_str_append_char(out, '"');
	drip_str_finish(&plain);
}

/* Two pipelines, or both directions, may have one edge: it is drawn once. */
static void render_dot(struct edges *all, struct drip_str *out)
{
	if (all->count > 0) {
		qsort(all->items, all->count, sizeof(*all->items), compare_flow);
	}
	drip_str_append(out, "digraph lineage {\n\trankdir=LR;\n\tnode [shape=box];\n");
	for (size_t i = 0; i < all->count; i++) {
		const struct drip_lineage_record *r = &all->items[i].record;

		if (i > 0 && compare_flow(&all->items[i], &all->items[i - 1]) == 0) {
			continue;
		}
		drip_str_append_char(out, '\t');
		put_dot_node(out, r->input_namespace, r->input_dataset, r->input_column);
		drip_str_append(out, " -> ");
		put_dot_node(out, r->output_namespace, r->output_dataset, r->output_column);
		drip_str_appendf(out, " [label=\"%s\"%s];\n", kind_name(r->kind),
				 r->kind == DRIP_LINEAGE_INFLUENCE ? ", style=dashed" : "");
	}
	drip_str_append(out, "}\n");
}

/* ---- OpenLineage ---- */

#define OL_PRODUCER "urn:dripline:" DRIP_SDK_VERSION
#define OL_EVENT    "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
#define OL_FACET(version, name)                                                                    \
	"https://openlineage.io/spec/facets/" version "/" name ".json#/$defs/" name

static bool same_pipeline(const struct edge *a, const struct edge *b)
{
	return strcmp(a->record.pipeline, b->record.pipeline) == 0;
}

static bool same_output(const struct edge *a, const struct edge *b)
{
	return same_pipeline(a, b) &&
	       strcmp(a->record.output_namespace, b->record.output_namespace) == 0 &&
	       strcmp(a->record.output_dataset, b->record.output_dataset) == 0;
}

static bool same_input(const struct edge *a, const struct edge *b)
{
	return strcmp(a->record.input_namespace, b->record.input_namespace) == 0 &&
	       strcmp(a->record.input_dataset, b->record.input_dataset) == 0;
}

static void put_facet(struct drip_json *j, const char *schema_url)
{
	drip_json_put_string(j, "_producer", OL_PRODUCER);
	drip_json_put_string(j, "_schemaURL", schema_url);
}

static void put_dataset_name(struct drip_json *j, const char *namespace, const char *name)
{
	drip_json_put_string(j, "namespace", namespace);
	drip_json_put_string(j, "name", name);
}

static void put_input_field(struct drip_json *j, const struct drip_lineage_record *r)
{
	static const char *const subtypes[] = {"TRANSFORMATION", "IDENTITY",       "TRANSFORMATION",
					       "AGGREGATION",    "TRANSFORMATION", "FILTER"};

	drip_json_begin_object(j);
	put_dataset_name(j, r->input_namespace, r->input_dataset);
	drip_json_put_string(j, "field", r->input_column);
	drip_json_key(j, "transformations");
	drip_json_begin_array(j);
	drip_json_begin_object(j);
	drip_json_put_string(j, "type", r->kind == DRIP_LINEAGE_INFLUENCE ? "INDIRECT" : "DIRECT");
	drip_json_put_string(j, "subtype", subtypes[(unsigned)r->kind < 6 ? r->kind : 0]);
	drip_json_put_string(j, "description", kind_name(r->kind));
	drip_json_put_bool(j, "masking", r->kind == DRIP_LINEAGE_MASK);
	drip_json_end_object(j);
	drip_json_end_array(j);
	drip_json_end_object(j);
}

/* Items [from, to) have one output dataset and are sorted by its columns. Edges of whole datasets
 * carry no column and are left out. */
static void put_column_lineage(struct drip_json *j, const struct edge *items, size_t from,
			       size_t to)
{
	drip_json_key(j, "columnLineage");
	drip_json_begin_object(j);
	put_facet(j, OL_FACET("1-2-0", "ColumnLineageDatasetFacet"));
	drip_json_key(j, "fields");
	drip_json_begin_object(j);
	for (size_t i = from; i < to;) {
		const char *column = items[i].record.output_column;

		if (column[0] == '\0') {
			i++;
			continue;
		}
		drip_json_key(j, column);
		drip_json_begin_object(j);
		drip_json_key(j, "inputFields");
		drip_json_begin_array(j);
		for (; i < to && strcmp(items[i].record.output_column, column) == 0; i++) {
			if (items[i].record.input_column[0] != '\0' &&
			    (i == 0 || compare_edges(&items[i], &items[i - 1]) != 0)) {
				put_input_field(j, &items[i].record);
			}
		}
		drip_json_end_array(j);
		drip_json_end_object(j);
	}
	drip_json_end_object(j);
	drip_json_end_object(j);
}

static void put_tags(struct drip_json *j, const struct edge *items, size_t from, size_t to)
{
	const char *last = "";

	drip_json_key(j, "tags");
	drip_json_begin_object(j);
	put_facet(j, OL_FACET("1-0-0", "TagsDatasetFacet"));
	drip_json_key(j, "tags");
	drip_json_begin_array(j);
	for (size_t i = from; i < to; i++) {
		const struct drip_lineage_record *r = &items[i].record;

		if (r->output_column[0] == '\0' || strcmp(r->output_column, last) == 0) {
			continue;
		}
		last = r->output_column;
		drip_json_begin_object(j);
		drip_json_put_string(j, "key", "classification");
		drip_json_put_string(j, "value", drip_class_name(r->classification));
		drip_json_put_string(j, "source", "DRIPLINE");
		drip_json_put_string(j, "field", r->output_column);
		drip_json_end_object(j);
	}
	drip_json_end_array(j);
	drip_json_end_object(j);
}

static void put_inputs(struct drip_json *j, const struct edge *items, size_t from, size_t to)
{
	drip_json_key(j, "inputs");
	drip_json_begin_array(j);
	for (size_t i = from; i < to; i++) {
		bool seen = false;

		for (size_t k = from; k < i && !seen; k++) {
			seen = same_input(&items[i], &items[k]);
		}
		if (!seen) {
			drip_json_begin_object(j);
			put_dataset_name(j, items[i].record.input_namespace,
					 items[i].record.input_dataset);
			drip_json_end_object(j);
		}
	}
	drip_json_end_array(j);
}

static void put_outputs(struct drip_json *j, const struct edge *items, size_t from, size_t to)
{
	drip_json_key(j, "outputs");
	drip_json_begin_array(j);
	for (size_t i = from; i < to;) {
		size_t end = i;

		while (end < to && same_output(&items[i], &items[end])) {
			end++;
		}
		drip_json_begin_object(j);
		put_dataset_name(j, items[i].record.output_namespace,
				 items[i].record.output_dataset);
		drip_json_key(j, "facets");
		drip_json_begin_object(j);
		put_column_lineage(j, items, i, end);
		put_tags(j, items, i, end);
		drip_json_end_object(j);
		drip_json_end_object(j);
		i = end;
	}
	drip_json_end_array(j);
}

struct last_run {
	char id[37];
	enum drip_run_state state;
	int64_t begun_us, ended_us;
};

static int keep_run(const struct drip_store_run *r, void *data)
{
	struct last_run *last = data;

	snprintf(last->id, sizeof(last->id), "%s", r->id);
	last->state = r->state;
	last->begun_us = r->begun_us;
	last->ended_us = r->ended_us;
	return 0;
}

static const char *event_type(enum drip_run_state state)
{
	switch (state) {
	case DRIP_RUN_SUCCEEDED:
		return "COMPLETE";
	case DRIP_RUN_FAILED:
		return "FAIL";
	case DRIP_RUN_STOPPED:
		return "ABORT";
	default:
		return "RUNNING";
	}
}

static int put_event(struct drip_store *store, const char *job_namespace, const struct edge *items,
		     size_t from, size_t to, struct drip_str *out, struct drip_error *err)
{
	struct last_run run = {.id = "00000000-0000-0000-0000-000000000000"};
	char when[DRIP_CLOCK_TEXT_MAX];
	struct drip_json j;
	int rc = drip_store_visit_runs(store, items[from].record.pipeline, 1, keep_run, &run, err);

	if (rc < 0) {
		return rc;
	}
	drip_clock_format(run.ended_us != 0 ? run.ended_us : drip_clock_wall_us(), when,
			  sizeof(when));
	drip_json_init(&j, out);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "eventType", event_type(run.state));
	drip_json_put_string(&j, "eventTime", when);
	drip_json_put_string(&j, "producer", OL_PRODUCER);
	drip_json_put_string(&j, "schemaURL", OL_EVENT);
	drip_json_key(&j, "run");
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "runId", run.id);
	drip_json_end_object(&j);
	drip_json_key(&j, "job");
	drip_json_begin_object(&j);
	put_dataset_name(&j, job_namespace, items[from].record.pipeline);
	drip_json_end_object(&j);
	put_inputs(&j, items, from, to);
	put_outputs(&j, items, from, to);
	drip_json_end_object(&j);
	drip_str_append_char(out, '\n');
	return 0;
}

static int render_openlineage(struct drip_store *store, const char *job_namespace,
			      struct edges *all, struct drip_str *out, struct drip_error *err)
{
	int rc = 0;

	if (all->count != 0) {
		qsort(all->items, all->count, sizeof(*all->items), compare_edges);
	}
	for (size_t i = 0; rc == 0 && i < all->count;) {
		size_t end = i;

		while (end < all->count && same_pipeline(&all->items[i], &all->items[end])) {
			end++;
		}
		rc = put_event(store, job_namespace, all->items, i, end, out, err);
		i = end;
	}
	return rc;
}

/* ---- JSON, for the console ---- */

static void put_json_side(struct drip_json *j, const char *key, const char *namespace,
			  const char *dataset, const char *column)
{
	drip_json_key(j, key);
	drip_json_begin_object(j);
	put_dataset_name(j, namespace, dataset);
	drip_json_put_string(j, "column", column);
	drip_json_end_object(j);
}

static void render_json(const struct edges *all, struct drip_str *out)
{
	struct drip_json j;

	drip_json_init(&j, out);
	drip_json_begin_array(&j);
	for (size_t i = 0; i < all->count; i++) {
		const struct drip_lineage_record *r = &all->items[i].record;

		drip_json_begin_object(&j);
		drip_json_put_string(&j, "pipeline", r->pipeline);
		drip_json_put_string(&j, "stage", r->stage);
		put_json_side(&j, "from", r->input_namespace, r->input_dataset, r->input_column);
		put_json_side(&j, "to", r->output_namespace, r->output_dataset, r->output_column);
		drip_json_put_string(&j, "kind", kind_name(r->kind));
		drip_json_put_string(&j, "class", drip_class_name(r->classification));
		drip_json_put_bool(&j, "upstream", all->items[i].upstream);
		drip_json_put_int(&j, "distance", all->items[i].distance);
		drip_json_end_object(&j);
	}
	drip_json_end_array(&j);
	drip_str_append_char(out, '\n');
}

/* ---- finding ---- */

static int walk(struct drip_store *store, const char *table, const char *column, struct edges *all,
		bool *ret_found, struct drip_error *err)
{
	int rc = drip_store_visit_lineage(store, table, column, add_edge, all, ret_found, err);

	if (all->rc == -ENOMEM) {
		return drip_error_nomem(err, all->count * sizeof(*all->items));
	}
	if (all->rc == -E2BIG) {
		return drip_error_set(err, -E2BIG, "lineage.too_large",
				      "cannot show more than %d edges", EDGES_MAX);
	}
	return rc;
}

/* "a.b" is a table, or where there is none, column b of table a. */
static int find(struct drip_store *store, const char *table, const char *column, struct edges *all,
		struct drip_error *err)
{
	char part[2 * DRIP_NAME_MAX + 2];
	const char *dot = strrchr(table, '.');
	bool found = false;
	int rc = walk(store, table, column, all, &found, err);

	if (rc == 0 && !found && column == NULL && dot != NULL && dot != table &&
	    strlen(table) < sizeof(part)) {
		snprintf(part, sizeof(part), "%.*s", (int)(dot - table), table);
		rc = walk(store, part, dot + 1, all, &found, err);
	}
	if (rc == 0 && !found) {
		drip_error_set(err, -ENOENT, "lineage.unknown_table",
			       "nothing is known of \"%.200s%s%.200s\"", table,
			       column != NULL ? "." : "", column != NULL ? column : "");
		drip_error_hint(err, "Lineage is recorded when a pipeline runs. Give TABLE, "
				     "DATABASE.TABLE, or either with .COLUMN.");
		return -ENOENT;
	}
	return rc;
}

int drip_lineage_render(struct drip_store *store, const char *job_namespace, const char *table,
			const char *column, const char *format, struct drip_str *out,
			struct drip_error *err)
{
	struct edges all = {0};
	int rc = find(store, table, column, &all, err);

	if (rc == 0 && strcmp(format, "openlineage") == 0) {
		rc = render_openlineage(store, job_namespace, &all, out, err);
	} else if (rc == 0 && strcmp(format, "dot") == 0) {
		render_dot(&all, out);
	} else if (rc == 0 && strcmp(format, "json") == 0) {
		render_json(&all, out);
	} else if (rc == 0 && strcmp(format, "text") == 0) {
		render_direction(&all, true, out);
		render_direction(&all, false, out);
	} else if (rc == 0) {
		rc = drip_error_set(err, -EINVAL, "lineage.unknown_format",
				    "there is no format \"%.40s\"", format);
		drip_error_hint(err, "Use text, json, dot or openlineage.");
	}
	free_edges(&all);
	return rc;
}

/* The result is a JSON string that holds the text in the format. */
int drip_method_lineage(struct drip_call *call, struct drip_error *err)
{
	struct drip_str text = DRIP_STR_INIT;
	const char *table;
	int rc = drip_call_string(call, "table", &table, err);

	rc = rc == 0 ? drip_lineage_render(call->app->store, call->app->lineage_namespace, table,
					   drip_json_get_string(call->arguments, "column", NULL),
					   drip_json_get_string(call->arguments, "format", "text"),
					   &text, err)
		     : rc;
	if (rc == 0) {
		drip_json_string(&call->json, drip_str_text(&text));
		rc = text.rc != 0 ? drip_error_nomem(err, text.length) : 0;
	}
	drip_str_finish(&text);
	return rc;
}

static int put_dataset(const struct drip_store_dataset *d, void *data)
{
	struct drip_json *j = data;
	char when[DRIP_CLOCK_TEXT_MAX];

	drip_clock_format(d->recorded_us, when, sizeof(when));
	drip_json_begin_object(j);
	put_dataset_name(j, d->namespace, d->name);
	drip_json_put_int(j, "columns", d->columns);
	if (d->classification >= 0) {
		drip_json_put_string(j, "class",
				     drip_class_name((enum drip_class)d->classification));
	}
	drip_json_put_bool(j, "written", d->written);
	drip_json_put_bool(j, "read", d->read);
	drip_json_put_string(j, "recorded", when);
	drip_json_end_object(j);
	return 0;
}

int drip_method_datasets(struct drip_call *call, struct drip_error *err)
{
	int rc;

	drip_json_begin_array(&call->json);
	rc = drip_store_visit_datasets(call->app->store, put_dataset, &call->json, err);
	drip_json_end_array(&call->json);
	return rc;
}
