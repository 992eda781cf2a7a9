/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms and sinks: negotiation, rows, control batches, commits and restarts. */
#include "conformance.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ROWS            64
#define ALLOCATIONS_MAX 100

/* ---- negotiation ---- */

/* A restricted or confidential column keeps its class where it passes unchanged. */
static bool keeps_classes(struct conf *c, const struct drip_schema *input,
			  const struct drip_negotiated *n)
{
	for (uint32_t e = 0; e < n->edges_count; e++) {
		const struct drip_lineage_edge *edge = &n->edges[e];
		const struct drip_column *in, *out;

		if (edge->output >= n->output->columns_count ||
		    edge->input >= input->columns_count || edge->kind < DRIP_LINEAGE_IDENTITY ||
		    edge->kind > DRIP_LINEAGE_INFLUENCE) {
			conf_note(c, "lineage edge %u is out of range", e);
			return false;
		}
		in = drip_schema_column(input, edge->input);
		out = drip_schema_column(n->output, edge->output);
		if ((edge->kind == DRIP_LINEAGE_IDENTITY ||
		     edge->kind == DRIP_LINEAGE_TRANSFORMATION) &&
		    out->classification < in->classification &&
		    (out->flags & DRIP_COLUMN_MASKED) == 0) {
			conf_note(c, "column %s loses the class of %s without a mask", out->name,
				  in->name);
			return false;
		}
	}
	for (uint32_t i = 0; n->edges == NULL && i < n->output->columns_count; i++) {
		const struct drip_column *out = drip_schema_column(n->output, i);
		int from = drip_schema_find(input, out->name);

		if (from >= 0 &&
		    out->classification <
			    drip_schema_column(input, (uint32_t)from)->classification &&
		    (out->flags & DRIP_COLUMN_MASKED) == 0) {
			conf_note(c, "column %s loses its class without a mask", out->name);
			return false;
		}
	}
	return true;
}

static bool negotiate_one(struct conf *c, struct drip_instance *i, const struct drip_schema *input)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_negotiated a, b;
	int rc = drip_harness_negotiate(i, input, &a, &err);
	int rc2 = drip_harness_negotiate(i, input, &b, &err);
	bool ok = rc == rc2 && conf_clean(c, rc2, &err, "negotiate");

	if (rc == 0 && rc2 == 0) {
		ok &= (a.output == NULL) == (b.output == NULL);
		ok &= a.output == NULL || drip_schema_equal(a.output, b.output);
		ok &= a.output == NULL || a.output->columns_count > 0;
		ok &= a.output == NULL || keeps_classes(c, input, &a);
		ok &= (a.edges_count == 0) == (a.edges == NULL);
	}
	if (rc == 0) {
		drip_harness_negotiated_finish(&a);
	}
	if (rc2 == 0) {
		drip_harness_negotiated_finish(&b);
	}
	if (!ok) {
		conf_note(c, "negotiation of %s: %d, then %d", input->table, rc, rc2);
	}
	return ok;
}

/* With the n-th allocation failing. */
static bool negotiate_without_memory(struct conf *c, struct drip_instance *i,
				     const struct drip_schema *input)
{
	bool ok = true, failed = true;

	for (long n = 1; n <= ALLOCATIONS_MAX && ok && failed; n++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_negotiated out;
		int rc;

		conf_alloc_arm(n);
		rc = drip_harness_negotiate(i, input, &out, &err);
		failed = conf_alloc_failed();
		conf_alloc_arm(0);
		ok = conf_clean(c, rc, &err, "negotiate, out of memory");
		if (rc == 0) {
			drip_harness_negotiated_finish(&out);
		}
	}
	return ok;
}

void conf_negotiate(struct conf *c, struct drip_instance *i)
{
	struct drip_schema *schema;
	bool ok = true, memory = true;

	for (int n = 0; (schema = conf_schema(n)) != NULL; n++) {
		ok &= negotiate_one(c, i, schema);
		memory &= negotiate_without_memory(c, i, schema);
		drip_schema_unref(schema);
	}
	conf_ok(c, ok, "it negotiates each schema twice alike, or says why not");
	conf_ok(c, memory, "negotiation copes with failed allocations");
}

/* True where the stage takes the schema, and passes it where it is a transform. */
static bool takes(struct drip_instance *i, const struct drip_schema *schema,
		  struct drip_schema **ret_output)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_negotiated n;

	*ret_output = NULL;
	if (drip_harness_negotiate(i, schema, &n, &err) < 0) {
		return false;
	}
	*ret_output = drip_schema_ref(n.output);
	drip_harness_negotiated_finish(&n);
	return true;
}

/* ---- transforms ---- */

static bool same_columns(const struct drip_schema *a, const struct drip_schema *b)
{
	if (a->columns_count != b->columns_count) {
		return false;
	}
	for (uint32_t i = 0; i < a->columns_count; i++) {
		if (strcmp(drip_schema_column(a, i)->name, drip_schema_column(b, i)->name) != 0 ||
		    drip_schema_column(a, i)->type != drip_schema_column(b, i)->type) {
			return false;
		}
	}
	return true;
}

/* What came out for one batch of ROWS rows that went in. */
static bool check_output(struct conf *c, const struct drip_schema *output, uint64_t position)
{
	size_t count = drip_harness_batches_count(c->harness);
	int64_t rows = drip_harness_rows(c->harness) + drip_harness_filtered(c->harness) +
		       (int64_t)drip_harness_rejects_count(c->harness);
	struct drip_position expected = drip_test_position(position);
	bool ok = true;

	for (size_t n = 0; n < count; n++) {
		const struct drip_batch *b = drip_harness_batch(c->harness, n);

		if (b->kind == DRIP_BATCH_ROWS && output != NULL &&
		    !same_columns(b->schema, output)) {
			conf_note(c, "rows of %s do not have the negotiated columns",
				  b->schema->table);
			ok = false;
		}
		if (drip_position_compare(&b->position, &expected) > 0) {
			conf_note(c, "a batch lies beyond the position of its input");
			ok = false;
		}
	}
	if ((c->component->caps & DRIP_CAP_STATEFUL) == 0 && rows != ROWS) {
		conf_note(c, "of %d rows, %lld came out, were filtered or rejected", ROWS,
			  (long long)rows);
		ok = false;
	}
	return ok;
}

static bool process_rows(struct conf *c, struct drip_instance *i, const struct drip_schema *schema,
			 const struct drip_schema *output, uint64_t position)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int rc;

	drip_harness_clear(c->harness);
	rc = drip_harness_process(i, conf_batch(schema, ROWS, true, position), &err);
	if (rc == 0) {
		rc = drip_harness_flush(i, &err);
	}
	if (rc < 0) {
		return conf_clean(c, rc, &err, "process");
	}
	return check_output(c, output, position);
}

static bool process_empty(struct conf *c, struct drip_instance *i, const struct drip_schema *schema)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_harness_process(i, conf_batch(schema, 0, false, 7), &err);

	drip_harness_clear(c->harness);
	return conf_clean(c, rc, &err, "process of no rows");
}

/* A control batch comes out as one of its kind, at its position, still a boundary. */
static bool process_control(struct conf *c, struct drip_instance *i, enum drip_batch_kind kind,
			    const struct drip_schema *schema, bool passes)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position position = drip_test_position(1000);
	struct drip_batch *batch = NULL;
	const struct drip_batch *out;
	int rc = drip_batch_create_control(kind, schema, &batch, &err);

	if (rc < 0) {
		return false;
	}
	batch->position = position;
	batch->boundary = true;
	drip_harness_clear(c->harness);
	rc = drip_harness_process(i, batch, &err);
	if (rc < 0 || drip_harness_batches_count(c->harness) == 0) {
		if (rc == 0 && passes) {
			conf_note(c, "a control batch of kind %d was swallowed", (int)kind);
		}
		return rc < 0 ? conf_clean(c, rc, &err, "process of a control batch") : !passes;
	}
	out = drip_harness_batch(c->harness, drip_harness_batches_count(c->harness) - 1);
	if (out->boundary && drip_position_compare(&out->position, &position) == 0 &&
	    (out->kind == kind || !passes)) {
		return true;
	}
	conf_note(c, "a control batch of kind %d came out as kind %d, boundary %d, at %s",
		  (int)kind, (int)out->kind, out->boundary, out->position.text);
	return false;
}

/* process with the n-th allocation failing, on a fresh instance each time. */
static bool process_without_memory(struct conf *c, const struct drip_schema *schema)
{
	bool ok = true, failed = true;

	for (long n = 1; n <= ALLOCATIONS_MAX && ok && failed; n++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_instance *i = conf_open(c);
		struct drip_batch *batch = conf_batch(schema, ROWS, true, 1);
		int rc;

		if (i == NULL) {
			drip_batch_unref(batch);
			return true;
		}
		conf_alloc_arm(n);
		rc = drip_harness_process(i, batch, &err);
		failed = conf_alloc_failed();
		conf_alloc_arm(0);
		ok = conf_clean(c, rc, &err, "process, out of memory");
		drip_harness_close(i);
		drip_harness_clear(c->harness);
	}
	return ok;
}

static void drive_transform(struct conf *c, struct drip_instance *i)
{
	bool rows = true, empty = true, control = true, memory = true;
	struct drip_schema *schema;
	int taken = 0;

	for (int n = 0; (schema = conf_schema(n)) != NULL; n++) {
		struct drip_schema *output = NULL;

		if (takes(i, schema, &output)) {
			taken++;
			rows &= process_rows(c, i, schema, output, (uint64_t)(n + 1));
			empty &= process_empty(c, i, schema);
			memory &= process_without_memory(c, schema);
			control &=
				process_control(c, i, DRIP_BATCH_TRUNCATE, schema, output != NULL);
			control &= process_control(c, i, DRIP_BATCH_SCHEMA, schema, output != NULL);
			control &= process_control(c, i, DRIP_BATCH_DROP, schema, output != NULL);
		}
		drip_schema_unref(output);
		drip_schema_unref(schema);
	}
	control &= process_control(c, i, DRIP_BATCH_MARK, NULL, true);
	conf_note(c, "%s takes %d of the schemas", c->name, taken);
	conf_ok(c, rows, "rows come out as negotiated, and each is accounted for");
	conf_ok(c, empty, "a batch of no rows passes");
	conf_ok(c, memory, "process copes with failed allocations");
	conf_ok(c, control, "control batches pass, with their position and boundary");
	drip_harness_clear(c->harness);
}

void conf_transform(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;

	if (drip_harness_bind(c->harness, c->component->kind, c->component->name, c->options, &i,
			      &err) == 0) {
		conf_negotiate(c, i);
		drip_harness_close(i);
	}
	i = conf_open(c);
	if (i != NULL) {
		drive_transform(c, i);
		drip_harness_close(i);
	}
}

/* ---- sinks ---- */

/* The sink's stored position of partition "", or 0 in *ret_order_size where there is none. */
static bool stored(struct conf *c, struct drip_instance *i, struct drip_position *ret)
{
	const struct drip_sink_ops *ops = (const struct drip_sink_ops *)c->component->ops;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position *positions = NULL;
	size_t count = 0;
	int rc = ops->positions(i->self, &positions, &count, &err);

	memset(ret, 0, sizeof(*ret));
	if (rc == 0 && count > 0) {
		*ret = positions[0];
	}
	free(positions);
	return conf_clean(c, rc, &err, "positions") && rc == 0 && count <= 1;
}

/* Commit, then a write that is aborted, then a restart: the committed position is what is left. */
static bool exactly_once(struct conf *c, struct drip_instance **i, const struct drip_schema *schema)
{
	struct drip_position first = drip_test_position(10), found;
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_harness_write(*i, conf_batch(schema, ROWS, false, 10), &err);

	if (rc == 0) {
		rc = drip_harness_commit(*i, &first, &err);
	}
	if (rc < 0) {
		return conf_clean(c, rc, &err, "write or commit");
	}
	if (!stored(c, *i, &found) || drip_position_compare(&found, &first) != 0) {
		conf_note(c, "after a commit at 10 the sink holds \"%s\"", found.text);
		return false;
	}
	rc = drip_harness_write(*i, conf_batch(schema, ROWS, false, 20), &err);
	if (rc == 0) {
		rc = drip_harness_abort(*i, &err);
	}
	if (rc < 0 || !stored(c, *i, &found) || drip_position_compare(&found, &first) != 0) {
		conf_note(c, "after an abort the sink holds \"%s\"", found.text);
		return rc < 0 && conf_clean(c, rc, &err, "abort");
	}
	drip_harness_close(*i);
	*i = conf_open(c);
	if (*i == NULL || !stored(c, *i, &found) || drip_position_compare(&found, &first) != 0) {
		conf_note(c, "after a restart the sink holds \"%s\"", *i != NULL ? found.text : "");
		return false;
	}
	return true;
}

static bool write_all(struct conf *c, struct drip_instance *i, const struct drip_schema *schema,
		      uint64_t position)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position at = drip_test_position(position);
	bool changes = (c->component->caps & DRIP_CAP_CHANGES) != 0;
	int rc = drip_harness_write(i, conf_batch(schema, ROWS, changes, position), &err);

	if (rc == 0) {
		rc = drip_harness_write(i, conf_batch(schema, 0, false, position), &err);
	}
	if (rc == 0) {
		rc = drip_harness_commit(i, &at, &err);
	} else {
		struct drip_error second = DRIP_ERROR_INIT;

		if (drip_harness_abort(i, &second) < 0) {
			return conf_clean(c, second.rc, &second, "abort");
		}
	}
	return conf_clean(c, rc, &err, "write");
}

static bool write_control(struct conf *c, struct drip_instance *i, enum drip_batch_kind kind,
			  const struct drip_schema *schema, uint64_t position)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position at = drip_test_position(position);
	struct drip_batch *batch = NULL;
	int rc = drip_batch_create_control(kind, schema, &batch, &err);

	if (rc < 0) {
		return false;
	}
	batch->position = at;
	batch->boundary = true;
	rc = drip_harness_write(i, batch, &err);
	if (rc == 0) {
		rc = drip_harness_commit(i, &at, &err);
	} else {
		struct drip_error second = DRIP_ERROR_INIT;

		if (drip_harness_abort(i, &second) < 0) {
			return conf_clean(c, second.rc, &second, "abort");
		}
	}
	return conf_clean(c, rc, &err, "write of a control batch");
}

/* write and commit with the n-th allocation failing; an abort then makes the sink usable again. */
static bool write_without_memory(struct conf *c, struct drip_instance *i,
				 const struct drip_schema *schema, uint64_t position)
{
	bool ok = true, failed = true;

	for (long n = 1; n <= ALLOCATIONS_MAX && ok && failed; n++) {
		struct drip_error err = DRIP_ERROR_INIT, second = DRIP_ERROR_INIT;
		struct drip_position at = drip_test_position(position + (uint64_t)n);
		struct drip_batch *batch = conf_batch(schema, ROWS, false, position + (uint64_t)n);
		bool wrote;
		int rc;

		conf_alloc_arm(n);
		rc = drip_harness_write(i, batch, &err);
		wrote = rc == 0;
		if (wrote) {
			rc = drip_harness_commit(i, &at, &err);
		}
		failed = conf_alloc_failed();
		conf_alloc_arm(0);
		ok = conf_clean(c, rc, &err, "write or commit, out of memory");
		if (rc < 0) {
			rc = drip_harness_abort(i, &second);
			ok &= rc == 0 || conf_clean(c, rc, &second, "abort");
		}
	}
	return ok && write_all(c, i, schema, position + ALLOCATIONS_MAX + 1);
}

static void drive_sink(struct conf *c, struct drip_instance *i)
{
	struct drip_schema *schema = conf_schema(0), *output = NULL;
	bool rows = true, control = true, memory = true;
	uint64_t position = 100;

	if ((c->component->caps & DRIP_CAP_EXACTLY_ONCE) != 0 && takes(i, schema, &output)) {
		conf_ok(c, exactly_once(c, &i, schema),
			"it keeps the committed position over an abort and a restart");
	}
	drip_schema_unref(output);
	drip_schema_unref(schema);
	for (int n = 0; i != NULL && (schema = conf_schema(n)) != NULL; n++) {
		if (takes(i, schema, &output)) {
			rows &= write_all(c, i, schema, ++position);
			control &= write_control(c, i, DRIP_BATCH_SCHEMA, schema, ++position);
			control &= write_control(c, i, DRIP_BATCH_TRUNCATE, schema, ++position);
			rows &= write_all(c, i, schema, ++position);
			memory &= write_without_memory(c, i, schema, position);
			position += 2 * ALLOCATIONS_MAX;
			control &= write_control(c, i, DRIP_BATCH_DROP, schema, ++position);
		}
		drip_schema_unref(output);
		drip_schema_unref(schema);
	}
	if (i != NULL) {
		control &= write_control(c, i, DRIP_BATCH_MARK, NULL, ++position);
	}
	conf_ok(c, rows, "it writes rows of the schemas that it takes");
	conf_ok(c, control, "it takes control batches");
	conf_ok(c, memory, "write and commit cope with failed allocations");
	drip_harness_close(i);
}

void conf_sink(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;

	if (drip_harness_bind(c->harness, c->component->kind, c->component->name, c->options, &i,
			      &err) == 0) {
		conf_negotiate(c, i);
		drip_harness_close(i);
	}
	i = conf_open(c);
	if (i != NULL) {
		drive_sink(c, i);
	}
}
