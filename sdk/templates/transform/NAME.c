/* SPDX-License-Identifier: Apache-2.0 */
/* Transform `PLUGIN-NAME`: adds a column with one text in each row; all others are shared. One
 * thread. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct PLUGIN_ID_config {
	const char *column;
	const char *value;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, column, .help = "Name of the column.",
		    .default_text = "origin"),
	DRIP_OPTION(struct PLUGIN_ID_config, value, .help = "What stands in it.",
		    .default_text = "PLUGIN-NAME"),
};

struct PLUGIN_ID {
	struct drip_ctx *ctx;
	const struct PLUGIN_ID_config *config;
};

static int make_schema(const struct PLUGIN_ID_config *config, const struct drip_schema *input,
		       struct drip_schema **ret, struct drip_error *err)
{
	const struct drip_column added = {
		.struct_size = sizeof(added),
		.type = DRIP_TYPE_UTF8,
		.name = config->column,
	};
	struct drip_schema_builder b;

	if (drip_schema_find(input, config->column) >= 0) {
		drip_error_set(err, -EINVAL, "PLUGIN_ID.column_exists",
			       "table %s has a column %s already", input->table, config->column);
		drip_error_option(err, "column");
		return -EINVAL;
	}
	drip_schema_builder_from(&b, input);
	drip_schema_builder_add(&b, &added);
	return drip_schema_builder_build(&b, ret, err);
}

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct PLUGIN_ID *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	t->ctx = ctx;
	t->config = config;
	*ret_self = t;
	return 0;
}

static void PLUGIN_ID_close(void *self)
{
	free(self);
}

/* Pure: types the pipeline before a row moves. Columns of one name come from each other. */
static int PLUGIN_ID_negotiate(struct drip_ctx *ctx, const void *config,
			       const struct drip_schema *input, struct drip_negotiated *ret,
			       struct drip_error *err)
{
	return make_schema(config, input, &ret->output, err);
}

static int make_column(const struct PLUGIN_ID *t, int64_t rows, struct ArrowArray *ret,
		       struct drip_error *err)
{
	struct drip_column_builder c;
	int rc = drip_column_builder_init(&c, DRIP_TYPE_UTF8, rows, err);

	for (int64_t row = 0; rc == 0 && row < rows; row++) {
		drip_append_bytes(&c, t->config->value, (int64_t)strlen(t->config->value));
	}
	return rc < 0 ? rc : drip_column_builder_build(&c, ret, err);
}

/* (gives) The columns of `from`, shared, and the new one behind them. */
static struct ArrowArray *make_columns(const struct PLUGIN_ID *t, const struct drip_batch *from,
				       struct drip_error *err)
{
	uint32_t count = from->schema->columns_count;
	struct ArrowArray *columns = calloc(count + 1, sizeof(*columns));
	int rc = columns != NULL ? 0 : drip_error_nomem(err, (count + 1) * sizeof(*columns));

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		rc = drip_column_share(from, i, &columns[i], err);
	}
	if (rc == 0) {
		rc = make_column(t, from->rows, &columns[count], err);
	}
	for (uint32_t i = 0; rc < 0 && columns != NULL && i < count; i++) {
		if (columns[i].release != NULL) {
			columns[i].release(&columns[i]);
		}
	}
	if (rc < 0) {
		free(columns);
		return NULL;
	}
	return columns;
}

/* Takes the batch. One without rows (truncate, drop, ...) passes with the new schema. */
static int PLUGIN_ID_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct PLUGIN_ID *t = self;
	struct drip_schema *schema = NULL;
	struct ArrowArray *columns = NULL;
	struct drip_batch *out = NULL;
	int rc = 0;

	if (batch->kind == DRIP_BATCH_MARK) {
		return drip_emit(t->ctx, batch, err);
	}
	rc = make_schema(t->config, batch->schema, &schema, err);
	if (rc == 0 && batch->kind == DRIP_BATCH_ROWS) {
		columns = make_columns(t, batch, err);
		rc = columns != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, schema, columns, &out, err);
	}
	free(columns);
	drip_schema_unref(schema);
	drip_batch_unref(batch);
	return rc < 0 ? rc : drip_emit(t->ctx, out, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.negotiate = PLUGIN_ID_negotiate,
	.process = PLUGIN_ID_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "PLUGIN-NAME",
	.summary = "Adds a column with a constant text",
	.schema_notes =
		"Adds one utf8 column at the end; refuses a table that has one of that name.",
	.guarantees = "Keeps rows, ops and order; holds no state.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Transform PLUGIN-NAME", &component);
