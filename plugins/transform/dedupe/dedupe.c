/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `dedupe`: leaves out rows that came before, by key or whole. It remembers a hash of
 * each of the latest rows, over restarts too, in bounded memory. One thread.
 */
#include "memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dedupe_config {
	struct drip_columns keys;
	int64_t rows;
	struct drip_duration within;
};

struct dedupe {
	struct drip_ctx *ctx;
	const struct dedupe_config *config;
	struct drip_plans plans;
	struct memory memory;
	struct drip_hash *hashes; /* scratch, one a row */
	int64_t *rows;
	int64_t room;
};

/* For one schema: the columns that are compared. */
struct plan {
	uint64_t seed;
	uint32_t count;
	uint32_t columns[];
};

#define OPT(member, ...) DRIP_OPTION(struct dedupe_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(keys, .help = "Columns by which two rows are the same. Default: all columns.",
	    .example = "[order_id]"),
	OPT(rows, .help = "How many of the latest rows are remembered, about 36 bytes each.",
	    .default_text = "1000000", .unit = "rows", .min = 1, .max = (double)DRIP_ROWSET_MAX),
	OPT(within,
	    .help = "Rows further apart than this are not duplicates, by the source's commit time, "
		    "or "
		    "where it has none by the clock. 0s: any distance.",
	    .default_text = "0s"),
};

static int make_plan(const struct dedupe_config *config, const struct drip_schema *input,
		     struct plan **ret, struct drip_error *err)
{
	uint32_t count =
		config->keys.count != 0 ? (uint32_t)config->keys.count : input->columns_count;
	struct plan *plan = calloc(1, sizeof(*plan) + count * sizeof(plan->columns[0]));
	int rc = 0;

	if (plan == NULL) {
		return drip_error_nomem(err, sizeof(*plan));
	}
	plan->count = count;
	plan->seed = drip_hash_bytes(input->table, strlen(input->table),
				     drip_hash_bytes(input->database, strlen(input->database), 0));
	for (uint32_t i = 0; i < count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;
		int index = (int)i;

		if (config->keys.count != 0) {
			index = drip_schema_require(input, config->keys.items[i],
						    "dedupe.no_column", &one);
		}
		if (index < 0) {
			drip_error_option(&one, "keys[%u]", i);
			rc = drip_error_also(err, rc, &one);
			continue;
		}
		plan->columns[i] = (uint32_t)index;
	}
	if (rc != 0) {
		free(plan);
		return rc;
	}
	*ret = plan;
	return 0;
}

static void dedupe_close(void *self)
{
	struct dedupe *d = self;

	drip_plans_finish(&d->plans);
	drip_rowset_finish(&d->memory.set);
	free(d->hashes);
	free(d->rows);
	free(d);
}

/* Of what the hashes mean; the size of the window may change freely. */
static uint64_t tag_of(const struct dedupe_config *config)
{
	uint64_t tag = 1; /* of the form of the state */

	for (size_t i = 0; i < config->keys.count; i++) {
		tag = drip_hash_bytes(config->keys.items[i], strlen(config->keys.items[i]) + 1,
				      tag);
	}
	return tag;
}

static int dedupe_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct dedupe *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL) {
		return drip_error_nomem(err, sizeof(*d));
	}
	d->ctx = d->memory.ctx = ctx;
	d->config = config;
	d->plans.destroy = free;
	d->memory.tag = tag_of(d->config);
	rc = drip_rowset_init(&d->memory.set, (uint64_t)d->config->rows, err);
	if (rc == 0) {
		rc = memory_load(&d->memory, err);
	}
	if (rc != 0) {
		dedupe_close(d);
		return rc;
	}
	*ret_self = d;
	return 0;
}

static int dedupe_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	struct plan *plan;
	int rc = make_plan(config, input, &plan, err);

	if (rc == 0) {
		ret->output = drip_schema_ref(input);
		free(plan);
	}
	return rc;
}

static int make_room(struct dedupe *d, int64_t rows, struct drip_error *err)
{
	if (rows <= d->room) {
		return 0;
	}
	free(d->hashes);
	free(d->rows);
	d->room = rows;
	d->hashes = malloc((size_t)rows * sizeof(*d->hashes));
	d->rows = malloc((size_t)rows * sizeof(*d->rows));
	if (d->hashes == NULL || d->rows == NULL) {
		d->room = 0;
		return drip_error_nomem(err, (size_t)rows * sizeof(*d->hashes));
	}
	return 0;
}

/* Decides on a row that is read or inserted; *ret_pass: it did not come before. */
static int look_up(struct dedupe *d, const struct drip_hash *hash, int64_t now, bool *ret_pass,
		   struct drip_error *err)
{
	struct drip_rowset *set = &d->memory.set;
	struct drip_rowset_entry *entry = drip_rowset_find(set, hash);
	int64_t within = d->config->within.ms * 1000;

	*ret_pass = true;
	if (entry != NULL && (within == 0 || entry->time >= now - within)) {
		*ret_pass = false;
		return 0;
	}
	if (entry != NULL) {
		drip_rowset_remove(set, hash);
	}
	return drip_rowset_add(set, hash, now, err);
}

/* Fills d->rows with those that pass. */
static int choose(struct dedupe *d, const struct drip_batch *batch, int64_t *ret_count,
		  struct drip_error *err)
{
	int64_t now =
		batch->commit_time_us != 0 ? batch->commit_time_us : d->ctx->host->wall_us(d->ctx);
	int64_t count = 0;
	int rc = 0;

	if (d->config->within.ms != 0) {
		drip_rowset_expire(&d->memory.set, now - d->config->within.ms * 1000);
	}
	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		enum drip_op op = drip_batch_op(batch, row);
		bool pass = true;

		if (op == DRIP_OP_READ || op == DRIP_OP_INSERT) {
			rc = look_up(d, &d->hashes[row], now, &pass, err);
		} else if (op == DRIP_OP_DELETE) {
			drip_rowset_remove(&d->memory.set, &d->hashes[row]);
		}
		d->rows[count] = row;
		count += pass;
	}
	*ret_count = count;
	return rc;
}

static int dedupe_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct dedupe *d = self;
	struct plan *plan;
	int64_t count;
	int rc = 0;

	if (batch->kind != DRIP_BATCH_ROWS || batch->rows == 0) {
		return drip_emit(d->ctx, batch, err);
	}
	plan = drip_plans_find(&d->plans, batch->schema);
	if (plan == NULL) {
		rc = make_plan(d->config, batch->schema, &plan, err);
		if (rc == 0) {
			rc = drip_plans_put(&d->plans, batch->schema, plan, err);
		}
	}
	if (rc == 0) {
		rc = make_room(d, batch->rows, err);
	}
	if (rc == 0) {
		drip_hash_rows(batch, plan->columns, plan->count, plan->seed, d->hashes);
		rc = choose(d, batch, &count, err);
	}
	if (rc != 0) {
		drip_batch_unref(batch);
		return rc;
	}
	if (count != batch->rows) {
		d->ctx->host->filtered(d->ctx, batch->rows - count);
	}
	return drip_emit_rows(d->ctx, batch, d->rows, count, err);
}

static int dedupe_flush(void *self, struct drip_error *err)
{
	struct dedupe *d = self;

	d->ctx->host->gauge_set(d->ctx, "remembered_rows", (double)d->memory.set.live);
	return memory_store(&d->memory, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.open = dedupe_open,
	.close = dedupe_close,
	.negotiate = dedupe_negotiate,
	.process = dedupe_process,
	.flush = dedupe_flush,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "dedupe",
	.summary = "Leaves out rows that came before",
	.description =
		"Rows that are read or inserted are compared by a 128-bit hash. Updates pass; a "
		"DELETE passes and makes the stage forget the row, so that it may come again.",
	.schema_notes = "Schemas pass as they are.",
	.guarantees =
		"Of equal rows among the latest `rows`, the first passes, over restarts too: what "
		"is remembered is stored with each checkpoint. In order.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_STATEFUL | DRIP_CAP_SAME_SCHEMA,
	.config_size = sizeof(struct dedupe_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("dedupe", DRIP_SDK_VERSION, "Transform that leaves out duplicates", &component);
