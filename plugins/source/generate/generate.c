/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source `generate`: seeded test data, bounded or endless, at a given rate or as fast as it goes.
 * The position is the number of events made; a batch ends at each cut that lies ahead. One thread.
 */
#include "generate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_BYTES_MAX (1 << 30) /* of variable-length values in one batch, at worst */

struct generate {
	struct drip_ctx *ctx;
	const struct generate_config *config;
	struct drip_schema *schema;
	struct generate_column *columns;
	uint32_t columns_count;
	struct drip_builder builder;
	struct generate_changes changes;
	struct generate_chunk chunk;
	uint64_t next;  /* event to be made next */
	uint64_t *cuts; /* ascending */
	size_t cuts_count;
	uint64_t began_ns, began_event; /* of the rate */
};

#define OPT(member, ...) DRIP_OPTION(struct generate_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(database, .help = "Database that the table claims to be in.", .default_text = "demo"),
	OPT(table, .help = "Name of the table.", .default_text = "orders"),
	OPT(rows, .help = "Rows (with changes: events) in all. 0: endless.",
	    .default_text = "1000000", .unit = "rows", .max = 1e15),
	OPT(rate, .help = "Rows per second. 0: as fast as possible.", .default_text = "0",
	    .unit = "rows/s", .max = 1e12),
	OPT(batch_rows, .help = "Rows of one batch.", .default_text = "16384", .unit = "rows",
	    .min = 1, .max = GENERATE_BATCH_MAX, .flags = DRIP_OPTION_ADVANCED),
	OPT(transaction,
	    .help = "Rows of one transaction: a commit falls only between two of them.",
	    .default_text = "1", .unit = "rows", .min = 1, .max = 1e9,
	    .flags = DRIP_OPTION_ADVANCED),
	OPT(seed, .help = "The same seed gives the same rows.", .default_text = "1"),
	OPT(updates, .help = "Share of events that update a row made before.", .default_text = "0",
	    .max = 0.95),
	OPT(deletes, .help = "Share of events that delete a row made before.", .default_text = "0",
	    .max = 0.5),
	OPT(columns, .help = "Columns of the table. Default: those of an orders table.",
	    .children = generate_column_options, .children_count = GENERATE_COLUMN_OPTIONS,
	    .child_size = sizeof(struct generate_column_config)),
};

static int check_config(const struct generate_config *config, struct drip_error *err)
{
	struct generate_column *columns;
	struct generate_changes changes;
	int64_t bytes = 0;
	uint32_t count;
	bool keyed = false;
	int rc = generate_changes_init(&changes, (uint64_t)config->seed, config->updates,
				       config->deletes, err);

	if (rc == 0) {
		rc = generate_columns_make(config, &columns, &count, err);
	}
	if (rc != 0) {
		return rc;
	}
	for (uint32_t i = 0; i < count; i++) {
		int64_t size = columns[i].min_size + (int64_t)columns[i].size_range;

		bytes = size > bytes ? size : bytes;
		keyed |= (columns[i].column.flags & DRIP_COLUMN_KEY) != 0;
	}
	generate_columns_free(columns, count);
	if (changes.on && !keyed) {
		drip_error_set(err, -EINVAL, "generate.no_key",
			       "updates and deletes need a column with key: true");
		drip_error_option(err, "columns");
		return -EINVAL;
	}
	if (bytes * config->batch_rows > BATCH_BYTES_MAX) {
		drip_error_set(err, -EINVAL, "generate.batch_too_large",
			       "%lld rows of up to %lld bytes are too much for one batch",
			       (long long)config->batch_rows, (long long)bytes);
		drip_error_option(err, "batch_rows");
		return -EINVAL;
	}
	return 0;
}

static int generate_check(struct drip_ctx *ctx, const void *config, bool connect,
			  struct drip_report *report, struct drip_error *err)
{
	struct drip_error finding = DRIP_ERROR_INIT;

	if (check_config(config, &finding) != 0) {
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

static void generate_close(void *self)
{
	struct generate *g = self;

	drip_builder_finish(&g->builder);
	generate_columns_free(g->columns, g->columns_count);
	drip_schema_unref(g->schema);
	free(g->cuts);
	free(g);
}

static int generate_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			 struct drip_error *err)
{
	struct generate *g;
	int rc = check_config(config, err);

	if (rc != 0) {
		return rc;
	}
	g = calloc(1, sizeof(*g));
	if (g == NULL) {
		return drip_error_nomem(err, sizeof(*g));
	}
	g->ctx = ctx;
	g->config = config;
	rc = generate_schema_make(config, &g->schema, err);
	if (rc == 0) {
		rc = generate_columns_make(config, &g->columns, &g->columns_count, err);
	}
	if (rc == 0) {
		rc = generate_changes_init(&g->changes, (uint64_t)g->config->seed,
					   g->config->updates, g->config->deletes, err);
	}
	if (rc == 0) {
		rc = drip_builder_init(&g->builder, g->schema, err);
	}
	if (rc != 0) {
		generate_close(g);
		return rc;
	}
	*ret_self = g;
	return 0;
}

static int generate_describe(struct drip_ctx *ctx, const void *config, bool connect,
			     struct drip_schema_list *list, struct drip_error *err)
{
	struct drip_schema *schema;
	int rc = generate_schema_make(config, &schema, err);

	if (rc == 0) {
		rc = list->add(list, schema, err);
		drip_schema_unref(schema);
	}
	return rc;
}

static int event_of(const struct drip_position *p, uint64_t *ret, struct drip_error *err)
{
	*ret = 0;
	if (p->order_size != 8) {
		return drip_error_set(err, -EINVAL, "generate.bad_position",
				      "position '%.100s' is not one of this source", p->text);
	}
	for (int i = 0; i < 8; i++) {
		*ret = *ret << 8 | p->order[i];
	}
	return 0;
}

static int compare_events(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int generate_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct generate *g = self;
	int rc = 0;

	g->next = 0;
	if (start->from_count > 0) {
		rc = event_of(&start->from[0], &g->next, err);
	}
	free(g->cuts);
	g->cuts_count = 0;
	g->cuts = calloc(start->cuts_count + 1, sizeof(*g->cuts));
	if (g->cuts == NULL) {
		return drip_error_nomem(err, (start->cuts_count + 1) * sizeof(*g->cuts));
	}
	for (size_t i = 0; rc == 0 && i < start->cuts_count; i++) {
		rc = event_of(&start->cuts[i], &g->cuts[g->cuts_count++], err);
	}
	qsort(g->cuts, g->cuts_count, sizeof(*g->cuts), compare_events);
	g->began_ns = g->ctx->host->now_ns(g->ctx);
	g->began_event = g->next;
	return rc;
}

static void make_chunk(struct generate *g, uint64_t event, int rows)
{
	struct generate_chunk *chunk = &g->chunk;

	if (g->changes.on) {
		generate_changes_chunk(&g->changes, event, rows, chunk);
		for (int i = 0; i < rows; i++) {
			drip_builder_row(&g->builder, chunk->ops[i]);
		}
		return;
	}
	chunk->rows = rows;
	for (int i = 0; i < rows; i++) {
		chunk->id[i] = chunk->draw[i] = chunk->born[i] = chunk->tick[i] =
			event + (uint64_t)i;
	}
	drip_builder_row(&g->builder, DRIP_OP_READ);
	g->builder.rows += rows - 1;
}

static int emit_rows(struct generate *g, int64_t rows, struct drip_error *err)
{
	struct drip_batch *batch;
	int rc;

	for (int64_t done = 0; done < rows;) {
		int n = (int)(rows - done < GENERATE_CHUNK ? rows - done : GENERATE_CHUNK);

		make_chunk(g, g->next + (uint64_t)done, n);
		for (uint32_t i = 0; i < g->columns_count; i++) {
			generate_fill(&g->columns[i], &g->chunk, &g->builder.columns[i]);
		}
		done += n;
	}
	rc = drip_builder_build(&g->builder, &batch, err);
	if (rc != 0) {
		return rc;
	}
	g->next += (uint64_t)rows;
	drip_position_add_u64(&batch->position, g->next);
	snprintf(batch->position.text, sizeof(batch->position.text), "row %llu",
		 (unsigned long long)g->next);
	batch->boundary = g->next % (uint64_t)g->config->transaction == 0 ||
			  (g->config->rows != 0 && g->next == (uint64_t)g->config->rows);
	batch->commit_time_us = g->ctx->host->wall_us(g->ctx);
	return drip_emit(g->ctx, batch, err);
}

/* Rows that the rate has let through since the start and that are not out yet. */
static double owed_rows(struct generate *g)
{
	double elapsed_s = (double)(g->ctx->host->now_ns(g->ctx) - g->began_ns) * 1e-9;

	return elapsed_s * (double)g->config->rate - (double)(g->next - g->began_event);
}

/*
 * Rows to put out now, `most` at most. Waits until a tick's worth is due, so that a high rate does
 * not come in batches of a few rows; `timeout_ms` at most.
 */
static int due_rows(struct generate *g, uint32_t timeout_ms, uint64_t most, uint64_t *ret)
{
	double rate = (double)g->config->rate, due = owed_rows(g);
	double want = rate * GENERATE_TICK_MS / 1000;

	want = want < 1 ? 1 : want > (double)most ? (double)most : want;
	if (due < want && timeout_ms > 0) {
		double wait_ms = (want - due) / rate * 1000 + 1;
		int rc = g->ctx->host->wait(g->ctx,
					    wait_ms < timeout_ms ? (uint64_t)wait_ms : timeout_ms);

		if (rc != 0) {
			return rc;
		}
		due = owed_rows(g);
	}
	*ret = due < 1 ? 0 : due > (double)most ? most : (uint64_t)due;
	return 0;
}

static int generate_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct generate *g = self;
	uint64_t rows = (uint64_t)g->config->batch_rows, total = (uint64_t)g->config->rows;
	uint64_t transaction = (uint64_t)g->config->transaction;
	int rc;

	if (total != 0 && g->next >= total) {
		return DRIP_POLL_END;
	}
	if (total != 0 && rows > total - g->next) {
		rows = total - g->next;
	}
	for (size_t i = 0; i < g->cuts_count; i++) {
		if (g->cuts[i] > g->next && g->cuts[i] - g->next < rows) {
			rows = g->cuts[i] - g->next;
		}
	}
	if (rows > transaction - g->next % transaction && transaction > 1) {
		uint64_t left = transaction - g->next % transaction;

		rows = left + (rows - left) / transaction * transaction;
	}
	if (g->config->rate != 0) {
		rc = due_rows(g, timeout_ms, rows, &rows);
		if (rc != 0) {
			return rc == -ECANCELED
				       ? drip_error_set(err, rc, "generate.stopped", "stopping")
				       : rc;
		}
	}
	if (rows != 0) {
		rc = emit_rows(g, (int64_t)rows, err);
		if (rc != 0) {
			return rc;
		}
		if (total != 0) {
			g->ctx->host->progress(g->ctx, g->config->table, g->next, total);
		}
	}
	return total == 0 && g->config->rate != 0 ? DRIP_POLL_CAUGHT_UP : DRIP_POLL_MORE;
}

static void generate_stop(void *self)
{
}

static int generate_dataset(void *self, const struct drip_schema *schema, char *ret_namespace,
			    char *ret_name, size_t size)
{
	snprintf(ret_namespace, size, "generate://seed");
	snprintf(ret_name, size, "%s.%s", schema->database, schema->table);
	return 0;
}

static const struct drip_source_ops ops = {
	.struct_size = sizeof(ops),
	.check = generate_check,
	.open = generate_open,
	.close = generate_close,
	.describe = generate_describe,
	.start = generate_start,
	.poll = generate_poll,
	.stop = generate_stop,
	.dataset = generate_dataset,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SOURCE,
	.name = "generate",
	.summary = "Seeded test data, with changes, at any rate",
	.description =
		"Makes rows of one table from a seed: for demos, tests and benchmarks. With "
		"`updates` and `deletes` it yields a change stream whose updates and deletes "
		"touch rows that exist and whose DELETE rows hold the row as it last was.",
	.schema_notes = "Yields one table with the columns of the options, without connecting.",
	.guarantees =
		"The same options give the same rows, from whatever position it resumes. With "
		"a rate the time of a row varies, its content does not.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_BOUNDED | DRIP_CAP_REPLAY | DRIP_CAP_CHANGES,
	.config_size = sizeof(struct generate_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("generate", DRIP_SDK_VERSION, "Source of seeded test data", &component);
