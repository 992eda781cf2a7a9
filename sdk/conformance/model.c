/* SPDX-License-Identifier: Apache-2.0 */
/* Models: training on made-up rows, loading, predicting row for row, and artifacts that are not
 * whole. A model that cannot be trained on two numbers and a label says so properly. */
#include "conformance.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS 400

static const struct drip_model_ops *ops_of(const struct conf *c)
{
	return (const struct drip_model_ops *)c->component->ops;
}

/* x, z and the label y, which is 1 where x + z is above 0. */
static struct drip_schema *make_schema(void)
{
	struct drip_schema *plain = drip_test_schema("t", "x float64, z float64 null, y float64"),
			   *out = NULL;
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, plain);
	b.columns[2].flags |= DRIP_COLUMN_LABEL;
	if (drip_schema_builder_build(&b, &out, NULL) < 0) {
		out = NULL;
	}
	drip_schema_unref(plain);
	return out;
}

static struct drip_batch *make_rows(const struct drip_schema *schema)
{
	struct drip_batch *batch = NULL;
	struct drip_builder b;

	if (drip_builder_init(&b, schema, NULL) < 0) {
		return NULL;
	}
	for (int i = 0; i < ROWS; i++) {
		double x = sin(i * 12.9898), z = cos(i * 78.233);

		drip_append_f64(&b.columns[0], x);
		if (i % 10 == 0) {
			drip_append_null(&b.columns[1]);
		} else {
			drip_append_f64(&b.columns[1], z);
		}
		drip_append_f64(&b.columns[2], x + z > 0);
		drip_builder_row(&b, DRIP_OP_READ);
	}
	if (drip_builder_build(&b, &batch, NULL) < 0) {
		batch = NULL;
	}
	drip_builder_finish(&b);
	return batch;
}

static int fit(struct conf *c, const struct drip_batch *rows, void **ret, size_t *ret_size,
	       struct drip_error *err)
{
	struct drip_instance *i = conf_open(c);
	struct ArrowArrayStream stream;
	char *metrics = NULL;
	int rc;

	if (i == NULL) {
		return 1; /* it wants options that were not made up */
	}
	rc = drip_batches_stream(&rows, 1, &stream, err);
	if (rc == 0) {
		rc = ops_of(c)->fit(i->self, &stream, rows->schema, ret, ret_size, &metrics, err);
		stream.release(&stream);
	}
	if (rc == 0 && (metrics == NULL || metrics[0] != '{')) {
		conf_note(c, "fit gives no metrics");
	}
	free(metrics);
	drip_harness_close(i);
	return rc;
}

static bool refuses(struct conf *c, const void *artifact, size_t size)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = conf_open(c);
	int rc;

	if (i == NULL) {
		return true;
	}
	rc = ops_of(c)->load(i->self, artifact, size, &err);
	drip_harness_close(i);
	return rc < 0 && conf_clean(c, rc, &err, "load");
}

static bool refuses_what_is_cut_off(struct conf *c, const void *artifact, size_t size)
{
	bool ok = true;

	for (size_t n = 0; n < 16 && ok; n++) {
		ok = refuses(c, artifact, n * size / 16);
		if (!ok) {
			conf_note(c, "it loads %zu of %zu bytes", n * size / 16, size);
		}
	}
	return ok && refuses(c, artifact, size - 1);
}

/* As many rows as went in, of the columns that were negotiated, twice alike. */
static bool predicts(struct conf *c, struct drip_instance *i, const struct drip_batch *rows)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *a = NULL, *b = NULL;
	char *first = NULL, *second = NULL;
	int rc = ops_of(c)->predict(i->self, rows, &a, &err);
	bool ok;

	rc = rc == 0 ? ops_of(c)->predict(i->self, rows, &b, &err) : rc;
	if (rc < 0) {
		conf_clean(c, rc, &err, "predict");
		drip_batch_unref(a);
		return false;
	}
	ok = a->rows == rows->rows && drip_batch_validate(a, &err) == 0;
	first = drip_test_batch_text(a);
	second = drip_test_batch_text(b);
	ok &= strcmp(first, second) == 0;
	free(first);
	free(second);
	drip_batch_unref(a);
	drip_batch_unref(b);
	return ok;
}

/* Rows of doubles are as many features as it was trained on, and their scores are numbers. */
static bool scores_rows(struct conf *c, struct drip_instance *i)
{
	const struct drip_model_rows *rows = DRIP_HAS(ops_of(c), rows) ? ops_of(c)->rows : NULL;
	const double values[4] = {0.5, 0.5, -0.5, NAN};
	struct drip_error err = DRIP_ERROR_INIT;
	double threshold, two[2] = {NAN, NAN}, one = NAN;
	uint32_t count = 0;

	if (rows == NULL) {
		return true;
	}
	rows->features(i->self, &count, &threshold);
	if (count != 2 || rows->score(i->self, values, 2, two, &err) < 0 ||
	    rows->score(i->self, values + 2, 1, &one, &err) < 0) {
		return false;
	}
	return isfinite(two[0]) && isfinite(two[1]) && fabs(one - two[1]) < 1e-6;
}

static void drive(struct conf *c, const struct drip_batch *rows, const void *artifact, size_t size)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = conf_open(c);
	char *json = NULL;
	int rc = i != NULL ? ops_of(c)->load(i->self, artifact, size, &err) : -ENOENT;

	conf_ok(c, rc == 0, "it loads what it fitted");
	if (rc == 0) {
		conf_ok(c, predicts(c, i, rows), "it predicts row for row, and twice alike");
		conf_ok(c, scores_rows(c, i), "it scores rows of doubles as in a batch");
		rc = ops_of(c)->describe(i->self, &json, &err);
		conf_ok(c, rc == 0 && json != NULL && json[0] == '{', "it describes itself");
		free(json);
	}
	drip_harness_close(i);
	conf_ok(c, refuses_what_is_cut_off(c, artifact, size), "it refuses a cut-off artifact");
}

void conf_model_fit(struct conf *c)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *schema = make_schema();
	struct drip_batch *rows = schema != NULL ? make_rows(schema) : NULL;
	void *artifact = NULL, *again = NULL;
	size_t size = 0, again_size = 0;
	int rc = rows != NULL ? fit(c, rows, &artifact, &size, &err) : -ENOMEM;

	if (rc == 1) {
		conf_note(c, "it does not open, and is not trained");
	} else if (rc < 0) {
		conf_ok(c, rows == NULL || conf_clean(c, rc, &err, "fit"),
			"it says why it cannot be trained on two numbers and a label");
	} else {
		rc = fit(c, rows, &again, &again_size, &err);
		conf_ok(c, rc == 0 && size == again_size && memcmp(artifact, again, size) == 0,
			"the same rows give the same artifact");
		drive(c, rows, artifact, size);
	}
	free(artifact);
	free(again);
	drip_batch_unref(rows);
	drip_schema_unref(schema);
}
