/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lineage of what reaches a sink: the sink's table is followed back through the negotiations of the
 * stages that are at work on it, to the source's columns. On the source's thread, once for each
 * schema that a sink sees.
 */
#include "base/alloc.h"
#include "engine/engine_private.h"

#include <stdlib.h>
#include <string.h>

#define RECORDS_MAX 16384 /* of one table; further ones are left out */

/* A column of the sink's input, traced back so far. */
struct trace {
	uint32_t output; /* column of what the sink writes */
	uint32_t column; /* column of the schema at hand */
	enum drip_lineage_kind kind;
};

struct traces {
	struct trace *items;
	size_t count, capacity;
};

static bool add(struct traces *t, uint32_t output, uint32_t column, enum drip_lineage_kind kind)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->items[i].output == output && t->items[i].column == column) {
			return true;
		}
	}
	if (t->count >= RECORDS_MAX) {
		return true;
	}
	if (!drip_grow((void **)&t->items, &t->capacity, t->count + 1, sizeof(*t->items))) {
		return false;
	}
	t->items[t->count++] = (struct trace){.output = output, .column = column, .kind = kind};
	return true;
}

/* Of two steps, what the whole is: the one that says more. */
static enum drip_lineage_kind combine(enum drip_lineage_kind a, enum drip_lineage_kind b)
{
	static const int weight[] = {[DRIP_LINEAGE_IDENTITY] = 0,
				     [DRIP_LINEAGE_TRANSFORMATION] = 1,
				     [DRIP_LINEAGE_AGGREGATION] = 2,
				     [DRIP_LINEAGE_MASK] = 3,
				     [DRIP_LINEAGE_INFLUENCE] = 4};

	return weight[a] > weight[b] ? a : b;
}

/* One step back: from columns of the negotiation's output to those of its input. */
static bool step_back(const struct drip_negotiation *n, struct traces *t)
{
	struct traces back = {0};
	bool ok = true;

	if (!n->handles || n->result.output == NULL) {
		return true;
	}
	for (size_t i = 0; i < t->count && ok; i++) {
		const struct trace *one = &t->items[i];
		uint32_t count = drip_schema_column(n->result.output, 0) != NULL
					 ? n->result.output->columns_count
					 : 0;

		if (one->column >= count) {
			continue;
		}
		if (n->result.edges == NULL) {
			const char *name = drip_schema_column(n->result.output, one->column)->name;
			int at = drip_schema_find(n->input, name);

			ok = at < 0 || add(&back, one->output, (uint32_t)at, one->kind);
		}
		for (uint32_t k = 0; n->result.edges != NULL && k < n->result.edges_count && ok;
		     k++) {
			const struct drip_lineage_edge *e = &n->result.edges[k];

			ok = e->output != one->column ||
			     add(&back, one->output, e->input, combine(one->kind, e->kind));
		}
	}
	free(t->items);
	*t = back;
	return ok;
}

static int store(struct drip_instance *sink, const struct drip_negotiation *n,
		 const struct drip_schema *origin, const struct traces *t, struct drip_error *err)
{
	const struct drip_durable *d = sink->engine->options.durable;
	struct drip_instance *source = &sink->run->instances[0];
	const struct drip_source_ops *ops = drip_instance_ops(source);
	char space[DRIP_NAME_MAX] = "", name[2 * DRIP_NAME_MAX] = "";
	struct drip_lineage_record *records = drip_calloc(t->count + 1, sizeof(*records));
	int rc;

	if (records == NULL) {
		return drip_error_nomem(err, t->count * sizeof(*records));
	}
	if (DRIP_OP_OF(ops, dataset) == NULL ||
	    ops->dataset(source->self, origin, space, name, DRIP_NAME_MAX) < 0) {
		snprintf(space, sizeof(space), "%s", source->component->name);
		snprintf(name, sizeof(name), "%s%s%s", origin->database,
			 origin->database[0] != '\0' ? "." : "", origin->table);
	}
	for (size_t i = 0; i < t->count; i++) {
		const struct drip_column *out =
			drip_schema_column(n->result.output, t->items[i].output);

		records[i] = (struct drip_lineage_record){
			.pipeline = sink->ctx.pipeline,
			.stage = sink->ctx.stage,
			.input_namespace = space,
			.input_dataset = name,
			.input_column = drip_schema_column(origin, t->items[i].column)->name,
			.output_namespace = n->result.dataset_namespace,
			.output_dataset = n->result.dataset[0] != '\0' ? n->result.dataset
								       : n->result.output->table,
			.output_column = out->name,
			.kind = t->items[i].kind,
			.classification = out->classification,
			.one_input = true, /* shards of one table */
		};
	}
	rc = t->count != 0 ? d->lineage_put(d->self, records, t->count, err) : 0;
	free(records);
	return rc;
}

int drip_lineage_record(struct drip_instance *sink, const struct drip_negotiation *n,
			struct drip_error *err)
{
	struct drip_run *run = sink->run;
	const struct drip_negotiation *at = n;
	const struct drip_schema *origin = n->input;
	struct traces t = {0};
	bool ok = true;
	int rc = 0;

	for (uint32_t i = 0; i < n->result.output->columns_count && ok; i++) {
		ok = add(&t, i, i, DRIP_LINEAGE_IDENTITY);
	}
	for (uint32_t k = sink->index; ok && at != NULL; k = run->spec->stages[k].input) {
		ok = step_back(at, &t);
		origin = at->input;
		at = run->spec->stages[k].input != 0
			     ? run->instances[run->spec->stages[k].input].current
			     : NULL;
	}
	if (ok) {
		rc = store(sink, n, origin, &t, err);
	} else {
		rc = drip_error_nomem(err, t.capacity * sizeof(*t.items));
	}
	free(t.items);
	return rc;
}
