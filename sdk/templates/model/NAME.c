/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Model `PLUGIN-NAME`: predicts the mean of a column, whatever the features are. The smallest thing
 * that has all of a model: fit, an artifact, load, predict, describe. One thread.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARTIFACT_MAGIC "PLUGIN_ID-1"

struct PLUGIN_ID_config {
	const char *target;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, target, .help = "Column to predict, a float64.",
		    .default_text = "y"),
};

struct artifact {
	char magic[32];
	double mean;
};

struct PLUGIN_ID {
	const struct PLUGIN_ID_config *config;
	struct artifact artifact;
	bool loaded;
};

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct PLUGIN_ID *m = calloc(1, sizeof(*m));

	if (m == NULL) {
		return drip_error_nomem(err, sizeof(*m));
	}
	m->config = config;
	*ret_self = m;
	return 0;
}

static void PLUGIN_ID_close(void *self)
{
	free(self);
}

/* One column, row for row with the features. */
static int make_schema(struct drip_schema **ret, struct drip_error *err)
{
	const struct drip_column prediction = {
		.struct_size = sizeof(prediction),
		.type = DRIP_TYPE_FLOAT64,
		.name = "prediction",
	};
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", "predictions");
	drip_schema_builder_add(&b, &prediction);
	return drip_schema_builder_build(&b, ret, err);
}

static int PLUGIN_ID_negotiate(struct drip_ctx *ctx, const void *config,
			       const struct drip_schema *input, struct drip_negotiated *ret,
			       struct drip_error *err)
{
	return make_schema(&ret->output, err);
}

struct sums {
	double sum;
	int64_t count;
};

static void add_rows(struct sums *s, const struct ArrowArray *column)
{
	const double *values = (const double *)column->buffers[1] + column->offset;

	for (int64_t row = 0; row < column->length; row++) {
		if (!drip_is_null(column, row)) {
			s->sum += values[row];
			s->count++;
		}
	}
}

static int read_all(struct ArrowArrayStream *data, int column, struct sums *s,
		    struct drip_error *err)
{
	for (;;) {
		struct ArrowArray array = {.release = NULL};

		if (data->get_next(data, &array) != 0) {
			const char *why = data->get_last_error(data);

			return drip_error_set(err, -EIO, "PLUGIN_ID.read",
					      "could not read the rows: %s",
					      why != NULL ? why : "unknown");
		}
		if (array.release == NULL) {
			return 0;
		}
		add_rows(s, array.children[column]);
		array.release(&array);
	}
}

static int PLUGIN_ID_fit(void *self, struct ArrowArrayStream *data,
			 const struct drip_schema *schema, void **ret_artifact, size_t *ret_size,
			 char **ret_metrics_json, struct drip_error *err)
{
	struct PLUGIN_ID *m = self;
	int column = drip_schema_find(schema, m->config->target);
	struct artifact *artifact;
	struct sums s = {.count = 0};
	int rc;

	if (column < 0 || drip_schema_column(schema, (uint32_t)column)->type != DRIP_TYPE_FLOAT64) {
		return drip_error_set(err, -EINVAL, "PLUGIN_ID.no_target",
				      "table %s has no float64 column %s", schema->table,
				      m->config->target);
	}
	rc = read_all(data, column, &s, err);
	if (rc < 0) {
		return rc;
	}
	artifact = calloc(1, sizeof(*artifact));
	if (artifact == NULL ||
	    asprintf(ret_metrics_json, "{\"rows\":%lld}", (long long)s.count) < 0) {
		free(artifact);
		return drip_error_nomem(err, sizeof(*artifact));
	}
	snprintf(artifact->magic, sizeof(artifact->magic), "%s", ARTIFACT_MAGIC);
	artifact->mean = s.count > 0 ? s.sum / (double)s.count : 0;
	*ret_artifact = artifact;
	*ret_size = sizeof(*artifact);
	return 0;
}

static int PLUGIN_ID_load(void *self, const void *artifact, size_t size, struct drip_error *err)
{
	struct PLUGIN_ID *m = self;
	struct artifact read;

	if (size != sizeof(read)) {
		return drip_error_set(err, -EINVAL, "PLUGIN_ID.bad_artifact",
				      "the artifact has %zu bytes, not %zu", size, sizeof(read));
	}
	memcpy(&read, artifact, sizeof(read));
	if (strncmp(read.magic, ARTIFACT_MAGIC, sizeof(read.magic)) != 0) {
		return drip_error_set(err, -EINVAL, "PLUGIN_ID.bad_artifact",
				      "the artifact is of another model");
	}
	m->artifact = read;
	m->loaded = true;
	return 0;
}

static int predict_rows(const struct PLUGIN_ID *m, struct drip_builder *b, int64_t rows,
			struct drip_batch **ret, struct drip_error *err)
{
	for (int64_t row = 0; row < rows; row++) {
		drip_append_f64(&b->columns[0], m->artifact.mean);
		drip_builder_row(b, DRIP_OP_READ);
	}
	return drip_builder_build(b, ret, err);
}

static int PLUGIN_ID_predict(void *self, const struct drip_batch *features,
			     struct drip_batch **ret_predictions, struct drip_error *err)
{
	struct PLUGIN_ID *m = self;
	struct drip_schema *schema;
	struct drip_builder b;
	int rc;

	if (!m->loaded) {
		return drip_error_set(err, -EINVAL, "PLUGIN_ID.not_loaded",
				      "no artifact is loaded");
	}
	rc = make_schema(&schema, err);
	if (rc < 0) {
		return rc;
	}
	rc = drip_builder_init(&b, schema, err);
	if (rc == 0) {
		rc = predict_rows(m, &b, features->rows, ret_predictions, err);
		drip_builder_finish(&b);
	}
	drip_schema_unref(schema);
	return rc;
}

static int PLUGIN_ID_describe(void *self, char **ret_json, struct drip_error *err)
{
	struct PLUGIN_ID *m = self;

	if (asprintf(ret_json, "{\"model\":\"mean\",\"mean\":%.17g}", m->artifact.mean) < 0) {
		return drip_error_nomem(err, 64);
	}
	return 0;
}

static const struct drip_model_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.negotiate = PLUGIN_ID_negotiate,
	.fit = PLUGIN_ID_fit,
	.load = PLUGIN_ID_load,
	.predict = PLUGIN_ID_predict,
	.describe = PLUGIN_ID_describe,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_MODEL,
	.name = "PLUGIN-NAME",
	.summary = "Predicts the mean",
	.schema_notes = "Takes any features; yields one float64 column, prediction.",
	.guarantees = "The same rows give the same artifact.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Model PLUGIN-NAME", &component);
