/* SPDX-License-Identifier: Apache-2.0 */
/* Source `PLUGIN-NAME`: counts. One row a batch, so that it can resume behind any row. One thread.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct PLUGIN_ID_config {
	int64_t rows;
	const char *table;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, rows, .help = "Rows in all.", .default_text = "10",
		    .unit = "rows", .min = 0, .max = 1e15),
	DRIP_OPTION(struct PLUGIN_ID_config, table, .help = "Name of the table.",
		    .default_text = "counts"),
};

struct PLUGIN_ID {
	struct drip_ctx *ctx;
	const struct PLUGIN_ID_config *config;
	struct drip_schema *schema;
	struct drip_builder builder;
	uint64_t done; /* rows emitted: the position */
};

static int make_schema(const struct PLUGIN_ID_config *config, struct drip_schema **ret,
		       struct drip_error *err)
{
	const struct drip_column number = {
		.struct_size = sizeof(number),
		.type = DRIP_TYPE_INT64,
		.name = "n",
		.flags = DRIP_COLUMN_KEY,
	};
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", config->table);
	drip_schema_builder_add(&b, &number);
	return drip_schema_builder_build(&b, ret, err);
}

static void PLUGIN_ID_close(void *self)
{
	struct PLUGIN_ID *s = self;

	drip_builder_finish(&s->builder);
	drip_schema_unref(s->schema);
	free(s);
}

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct PLUGIN_ID *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->config = config;
	rc = make_schema(config, &s->schema, err);
	if (rc == 0) {
		rc = drip_builder_init(&s->builder, s->schema, err);
	}
	if (rc < 0) {
		PLUGIN_ID_close(s);
		return rc;
	}
	*ret_self = s;
	return 0;
}

/* Lets `validate` and `plan` know the tables without running anything. */
static int PLUGIN_ID_describe(struct drip_ctx *ctx, const void *config, bool connect,
			      struct drip_schema_list *list, struct drip_error *err)
{
	struct drip_schema *schema;
	int rc = make_schema(config, &schema, err);

	if (rc == 0) {
		rc = list->add(list, schema, err);
		drip_schema_unref(schema);
	}
	return rc;
}

/* Goes on behind the last checkpoint, where there is one. */
static int PLUGIN_ID_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct PLUGIN_ID *s = self;

	s->done = 0;
	for (int i = 0; start->from_count > 0 && i < start->from[0].order_size; i++) {
		s->done = s->done << 8 | start->from[0].order[i];
	}
	return 0;
}

static int PLUGIN_ID_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct PLUGIN_ID *s = self;
	struct drip_batch *batch;
	int rc;

	if (s->done >= (uint64_t)s->config->rows) {
		return DRIP_POLL_END;
	}
	drip_append_i64(&s->builder.columns[0], (int64_t)s->done + 1);
	drip_builder_row(&s->builder, DRIP_OP_INSERT);
	rc = drip_builder_build(&s->builder, &batch, err);
	if (rc < 0) {
		return rc;
	}
	s->done++;
	drip_position_add_u64(&batch->position, s->done);
	snprintf(batch->position.text, sizeof(batch->position.text), "row %llu",
		 (unsigned long long)s->done);
	batch->boundary = true; /* the source may resume here */
	batch->commit_time_us = s->ctx->host->wall_us(s->ctx);
	rc = drip_emit(s->ctx, batch, err); /* takes the batch, whatever it returns */
	return rc < 0 ? rc : DRIP_POLL_MORE;
}

static void PLUGIN_ID_stop(void *self)
{
}

static const struct drip_source_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.describe = PLUGIN_ID_describe,
	.start = PLUGIN_ID_start,
	.poll = PLUGIN_ID_poll,
	.stop = PLUGIN_ID_stop,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SOURCE,
	.name = "PLUGIN-NAME",
	.summary = "Counts",
	.schema_notes = "Yields one table with one column, which is the key.",
	.guarantees = "The same rows in the same order from any position.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.caps = DRIP_CAP_BOUNDED | DRIP_CAP_REPLAY,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Source PLUGIN-NAME", &component);
