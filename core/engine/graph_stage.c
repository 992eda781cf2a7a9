/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table through one stage: `only`, clearance, feed contracts, then the component's own
 * negotiation. Validation and the running engine both call this, so they cannot disagree. Nothing
 * here keeps state; any thread may call it with a ctx of its own.
 */
#include "engine/graph_stage.h"
#include "base/alloc.h"
#include "engine/graph.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool drip_pattern_match(const char *pattern, const char *text)
{
	return drip_glob_match(pattern, text, NULL, NULL);
}

bool drip_stage_handles(const struct drip_stage *stage, const struct drip_schema *schema)
{
	for (size_t i = 0; i < stage->only_count; i++) {
		if (drip_glob_table(stage->only[i], schema->database, schema->table)) {
			return true;
		}
	}
	return stage->only_count == 0;
}

void drip_negotiated_finish(struct drip_negotiated *n)
{
	drip_schema_unref(n->output);
	free(n->edges);
	memset(n, 0, sizeof(*n));
}

/* ---- clearance ---- */

int drip_stage_uncleared(const struct drip_stage *stage, const struct drip_schema *input,
			 uint32_t *index, struct drip_error *err)
{
	for (; stage->kind == DRIP_KIND_SINK && *index < input->columns_count; (*index)++) {
		const struct drip_column *column = drip_schema_column(input, *index);

		if (column->classification <= stage->clearance) {
			continue;
		}
		drip_error_set(err, -EACCES, "security.uncleared_column",
			       "column \"%s\" of table %s is %s, but sink \"%s\" is cleared for %s "
			       "only",
			       column->name, input->table, drip_class_name(column->classification),
			       stage->id, drip_class_name(stage->clearance));
		drip_error_hint(err,
				"Mask or drop the column with a `mask` or `drop` transform, or set "
				"`clearance: %s` on the sink.",
				drip_class_name(column->classification));
		return -EACCES;
	}
	return 0;
}

static int check_mark(const struct drip_stage *stage, const struct drip_schema *input,
		      const struct drip_schema *output, const struct drip_lineage_edge *edge,
		      struct drip_error *err)
{
	const struct drip_column *from, *to;

	if (edge->input >= input->columns_count || edge->output >= output->columns_count) {
		return drip_error_set(
			err, -EINVAL, "schema.bad_lineage",
			"stage \"%s\" says that column %u comes from column %u of table "
			"%s, which there is not",
			stage->id, edge->output, edge->input, input->table);
	}
	from = drip_schema_column(input, edge->input);
	to = drip_schema_column(output, edge->output);
	if ((edge->kind != DRIP_LINEAGE_IDENTITY && edge->kind != DRIP_LINEAGE_TRANSFORMATION) ||
	    to->classification >= from->classification || (to->flags & DRIP_COLUMN_MASKED) != 0) {
		return 0;
	}
	drip_error_set(
		err, -EACCES, "security.lowered_class",
		"stage \"%s\" makes column \"%s\" of table %s %s, though it comes from \"%s\", "
		"which is %s",
		stage->id, to->name, input->table, drip_class_name(to->classification), from->name,
		drip_class_name(from->classification));
	drip_error_hint(err, "Only a mask may lower a class; report it to the plugin's author.");
	return -EACCES;
}

/* Marks follow a column through every transform, whatever the transform says. Columns of the same
 * name are the same where it says nothing. */
static int check_marks(const struct drip_stage *stage, const struct drip_schema *input,
		       const struct drip_negotiated *n, struct drip_error *err)
{
	uint32_t count = n->output == NULL  ? 0
			 : n->edges == NULL ? n->output->columns_count
					    : n->edges_count;
	int rc = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct drip_lineage_edge edge = {.output = i, .kind = DRIP_LINEAGE_IDENTITY};
		struct drip_error one = DRIP_ERROR_INIT;
		int index = 0;

		if (n->edges != NULL) {
			edge = n->edges[i];
		} else {
			index = drip_schema_find(input, drip_schema_column(n->output, i)->name);
			edge.input = (uint32_t)index;
		}
		if (index >= 0 && check_mark(stage, input, n->output, &edge, &one) < 0) {
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

/* ---- feed contracts ---- */

static int set_conflict(struct drip_error *err, const struct drip_schema *input,
			const struct drip_column *from, const struct drip_column *to)
{
	char have[64], want[64];
	bool same; /* of one type: it is nullable that they differ in */

	drip_type_name(from, have, sizeof(have));
	drip_type_name(to, want, sizeof(want));
	same = strcmp(have, want) == 0;
	drip_error_set(err, -EINVAL, "contract.type_conflict",
		       "column \"%s\" of table %s is %s%s, but its contract says %s%s", from->name,
		       input->table, have, same ? ", nullable" : "", want,
		       same ? ", not null" : "");
	drip_error_hint(err, "Correct the contract, or cast the column before.");
	return -EINVAL;
}

static bool is_compatible(const struct drip_column *from, const struct drip_column *to)
{
	bool nullable = (from->flags & DRIP_COLUMN_NULLABLE) != 0;

	if (from->type != to->type || (nullable && (to->flags & DRIP_COLUMN_NULLABLE) == 0)) {
		return false;
	}
	return from->type != DRIP_TYPE_DECIMAL ||
	       (from->precision == to->precision && from->scale == to->scale);
}

/* One column of the contract: the source's, with the contract's name, class and key. */
static int add_column(struct drip_schema_builder *b, const struct drip_schema *input,
		      const struct drip_contract_table *table, const struct drip_column *to,
		      struct drip_lineage_edge *edge, struct drip_error *err)
{
	int index = drip_schema_find(input, to->name);
	const struct drip_column *from;
	struct drip_column column;

	if (index < 0) {
		drip_error_set(err, -EINVAL, "contract.missing_column",
			       "table %s lacks the column \"%s\" that its contract promises",
			       input->table, to->name);
		drip_error_hint(err, "Correct the contract, or add the column at the source.");
		return -EINVAL;
	}
	from = drip_schema_column(input, (uint32_t)index);
	if (!is_compatible(from, to)) {
		return set_conflict(err, input, from, to);
	}
	column = drip_schema_column_get(input, (uint32_t)index);
	column.name = to->name;
	column.classification = to->classification;
	column.flags = from->flags & (DRIP_COLUMN_MASKED | DRIP_COLUMN_NULLABLE);
	if (table->schema->keys_count > 0) {
		column.flags |= to->flags & DRIP_COLUMN_KEY;
	} else {
		column.flags |= from->flags & DRIP_COLUMN_KEY;
	}
	edge->input = (uint32_t)index;
	edge->output = drip_schema_builder_add(b, &column);
	edge->kind = DRIP_LINEAGE_IDENTITY;
	return 0;
}

static int check_strict(const struct drip_contract_table *table, size_t index,
			const struct drip_schema *input, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; table->strict && i < input->columns_count; i++) {
		const char *name = drip_schema_column(input, i)->name;
		struct drip_error one = DRIP_ERROR_INIT;

		if (drip_schema_find(table->schema, name) < 0) {
			drip_error_set(&one, -EINVAL, "contract.unknown_column",
				       "column \"%s\" of table %s is not in its strict contract",
				       name, input->table);
			drip_error_hint(&one, "Add it to the contract, or set `strict: false`.");
			drip_error_option(&one, "tables[%zu].columns", index);
			rc = drip_error_also(err, rc, &one);
		}
	}
	return rc;
}

/* What comes out of a feed that cleanses is what its contract says, where the source has what that
 * is made of. */
static int apply_cleansing(const struct drip_contract_table *table, size_t index,
			   const struct drip_schema *input, struct drip_negotiated *ret,
			   struct drip_error *err)
{
	const struct drip_schema *promise = table->schema;
	struct drip_lineage_edge *edges = drip_calloc(promise->columns_count + 1, sizeof(*edges));
	struct drip_lineage_edge from;
	struct drip_schema_builder b;
	int rc = 0;

	if (edges == NULL) {
		return drip_error_nomem(err, promise->columns_count * sizeof(*edges));
	}
	drip_schema_builder_init(&b, "", "");
	for (uint32_t i = 0; i < table->source->columns_count; i++) {
		const struct drip_column *to = drip_schema_column(table->source, i);
		struct drip_error one = DRIP_ERROR_INIT;

		if (add_column(&b, input, table, to, &from, &one) < 0) {
			drip_error_option(&one, "tables[%zu].columns[%u]", index, i);
			rc = drip_error_also(err, rc, &one);
		}
	}
	drip_schema_builder_finish(&b);
	for (uint32_t i = 0; i < promise->columns_count && rc == 0; i++) {
		const struct drip_column *made_of =
			drip_schema_column(table->source, table->from[i]);
		const struct drip_column *column = drip_schema_column(promise, i);

		edges[i] = (struct drip_lineage_edge){
			i, (uint32_t)drip_schema_find(input, made_of->name),
			made_of->type == column->type ? DRIP_LINEAGE_IDENTITY
						      : DRIP_LINEAGE_TRANSFORMATION};
	}
	if (rc == 0) {
		drip_schema_builder_from(&b, promise);
		drip_schema_builder_set_table(&b, input->database,
					      promise->table[0] != '\0' ? promise->table
									: input->table);
		b.version = input->version;
		rc = drip_schema_builder_build(&b, &ret->output, err);
	}
	if (rc < 0) {
		free(edges);
		return rc;
	}
	ret->edges = edges;
	ret->edges_count = promise->columns_count;
	return 0;
}

/* `index`: of the table in the contract; a feed that lists its tables so gets the place right. */
static int apply_contract(const struct drip_contract_table *table, size_t index,
			  const struct drip_schema *input, struct drip_negotiated *ret,
			  struct drip_error *err)
{
	const struct drip_schema *promise = table->schema;
	struct drip_lineage_edge *edges = drip_calloc(promise->columns_count + 1, sizeof(*edges));
	struct drip_schema_builder b;
	int rc;

	if (edges == NULL) {
		return drip_error_nomem(err, promise->columns_count * sizeof(*edges));
	}
	/* A contract without a target name leaves each table its own. */
	drip_schema_builder_init(&b, input->database,
				 promise->table[0] != '\0' ? promise->table : input->table);
	b.version = input->version;
	rc = check_strict(table, index, input, err);
	for (uint32_t i = 0; i < promise->columns_count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (add_column(&b, input, table, drip_schema_column(promise, i), &edges[i], &one) <
		    0) {
			drip_error_option(&one, "tables[%zu].columns[%u]", index, i);
			rc = drip_error_also(err, rc, &one);
		}
	}
	if (rc == 0) {
		rc = drip_schema_builder_build(&b, &ret->output, err);
	} else {
		drip_schema_builder_finish(&b);
	}
	if (rc < 0) {
		free(edges);
		return rc;
	}
	ret->edges = edges;
	ret->edges_count = promise->columns_count;
	return 0;
}

static int negotiate_feed(const struct drip_stage *stage, struct drip_ctx *ctx,
			  const struct drip_schema *input, struct drip_negotiated *ret,
			  struct drip_error *err)
{
	const struct drip_feed_ops *ops = stage->component->ops;
	const struct drip_contract *contract = NULL;
	int rc = ops->contract(ctx, stage->config, &contract, err);

	if (rc < 0) {
		return rc;
	}
	for (size_t i = 0; i < contract->tables_count; i++) {
		const struct drip_contract_table *table = drip_contract_table_at(contract, i);

		if (drip_glob_table(table->match, input->database, input->table)) {
			rc = DRIP_HAS(table, source) && table->source != NULL
				     ? apply_cleansing(table, i, input, ret, err)
				     : apply_contract(table, i, input, ret, err);
			break;
		}
	}
	if (DRIP_HAS(contract, release) && contract->release != NULL) {
		contract->release(contract);
	}
	return rc;
}

/* ---- the whole ---- */

int drip_stage_negotiate(const struct drip_stage *stage, struct drip_ctx *ctx,
			 const struct drip_schema *input, struct drip_negotiated *ret,
			 struct drip_error *err)
{
	const struct drip_transform_ops *transform = stage->component->ops;
	const struct drip_sink_ops *sink = stage->component->ops;
	uint32_t column = 0;
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->struct_size = sizeof(*ret);
	if (!drip_stage_handles(stage, input)) {
		ret->output = stage->kind == DRIP_KIND_SINK ? NULL : drip_schema_ref(input);
		return 0;
	}
	rc = drip_stage_uncleared(stage, input, &column, err);
	if (rc < 0) {
		return rc;
	}
	switch (stage->kind) {
	case DRIP_KIND_SOURCE:
		ret->output = drip_schema_ref(input);
		return 0;
	case DRIP_KIND_FEED:
		rc = negotiate_feed(stage, ctx, input, ret, err);
		break;
	case DRIP_KIND_SINK:
		rc = sink->negotiate(ctx, stage->config, input, ret, err);
		break;
	default:
		rc = transform->negotiate(ctx, stage->config, input, ret, err);
		rc = rc < 0 ? rc : check_marks(stage, input, ret, err);
		break;
	}
	if (rc < 0) {
		drip_negotiated_finish(ret);
	}
	return rc;
}
