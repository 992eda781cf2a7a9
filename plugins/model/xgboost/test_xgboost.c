/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the model `xgboost`, on data whose truth is known: ranking, calibration, missing values
 * and categories, the same trees from the same seed, SHAP values, artifacts and threads. */
#include "boost.h"

#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>

#define ROWS 6000

static double unit(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(*state >> 11) * 0x1.0p-53;
}

/* The true probability of a positive: it hangs on x, and on z only where x is low; c adds. */
static double truth(double x, double z, int c)
{
	return 1 / (1 + exp(-(4 * x - 4 + (x < 0.5 ? 3 * z : 0) + (c == 2 ? 1.5 : 0) - 1)));
}

struct table {
	struct drip_schema *schema;
	struct drip_batch *batch;
	double probability[ROWS], label[ROWS];
};

static struct drip_schema *make_schema(void)
{
	struct drip_schema *plain =
		drip_test_schema("crm.users", "x float64, z float64 null, c utf8, y int32");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *out;

	drip_schema_builder_from(&b, plain);
	b.columns[3].flags |= DRIP_COLUMN_LABEL;
	REQUIRE_OK(drip_schema_builder_build(&b, &out, &err), &err);
	drip_schema_unref(plain);
	return out;
}

static void make_table(struct table *t, uint64_t seed)
{
	static const char *const names[] = {"a", "b", "gold"};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_builder b;

	t->schema = make_schema();
	REQUIRE_OK(drip_builder_init(&b, t->schema, &err), &err);
	for (int i = 0; i < ROWS; i++) {
		double x = unit(&seed), z = unit(&seed);
		int c = (int)(unit(&seed) * 3);

		t->probability[i] = truth(x, z, c);
		t->label[i] = unit(&seed) < t->probability[i];
		drip_append_f64(&b.columns[0], x);
		if (unit(&seed) < 0.1) {
			drip_append_null(&b.columns[1]);
		} else {
			drip_append_f64(&b.columns[1], z);
		}
		drip_append_bytes(&b.columns[2], names[c], (int64_t)strlen(names[c]));
		drip_append_i32(&b.columns[3], (int32_t)t->label[i]);
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, &t->batch, &err), &err);
	drip_builder_finish(&b);
}

static void finish_table(struct table *t)
{
	drip_batch_unref(t->batch);
	drip_schema_unref(t->schema);
}

struct fitted {
	void *artifact;
	size_t size;
	char *metrics;
};

static int fit(struct drip_harness *h, const char *const *options, const struct drip_batch *batch,
	       struct fitted *ret, struct drip_error *err)
{
	struct ArrowArrayStream data;
	struct drip_instance *i;
	int rc;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "xgboost", options, &i, err), err);
	REQUIRE_OK(drip_batches_stream(&batch, 1, &data, err), err);
	memset(ret, 0, sizeof(*ret));
	rc = ((const struct drip_model_ops *)i->component->ops)
		     ->fit(i->self, &data, batch->schema, &ret->artifact, &ret->size, &ret->metrics,
			   err);
	data.release(&data);
	drip_harness_close(i);
	return rc;
}

static void finish(struct fitted *f)
{
	free(f->artifact);
	free(f->metrics);
}

static struct drip_instance *load(struct drip_harness *h, const struct fitted *f)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "xgboost", NULL, &i, &err), &err);
	REQUIRE_OK(((const struct drip_model_ops *)i->component->ops)
			   ->load(i->self, f->artifact, f->size, &err),
		   &err);
	return i;
}

static const double *scores_of(const struct drip_batch *predictions)
{
	return predictions->array.children[0]->buffers[1];
}

static double auc(const double *scores, const double *labels)
{
	double good = 0, pairs = 0;

	for (int i = 0; i < ROWS; i++) {
		for (int j = 0; j < ROWS && labels[i] > 0.5; j++) {
			if (labels[j] < 0.5) {
				pairs++;
				good += scores[i] > scores[j]    ? 1
					: scores[i] == scores[j] ? 0.5
								 : 0;
			}
		}
	}
	return good / pairs;
}

TEST(learns_what_is_true)
{
	static struct table train, fresh;
	const char *const *options[] = {NULL, DRIP_OPTIONS("calibration", "isotonic")};
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;

	make_table(&train, 1);
	make_table(&fresh, 2);
	for (int n = 0; n < 2; n++) {
		const struct drip_model_ops *ops;
		struct drip_batch *out = NULL;
		struct drip_instance *i;
		struct fitted f;
		double best, got, mean = 0, rate = 0;
		char *json;

		REQUIRE_OK(fit(h, options[n], train.batch, &f, &err), &err);
		CHECK_CONTAINS(f.metrics, "\"rows\":4800,\"validation_rows\":1200");
		i = load(h, &f);
		ops = i->component->ops;
		REQUIRE_OK(ops->predict(i->self, fresh.batch, &out, &err), &err);
		best = auc(fresh.probability, fresh.label);
		got = auc(scores_of(out), fresh.label);
		printf("# auc %.4f, of the truth %.4f\n", got, best);
		CHECK(got > best - 0.03); /* nearly as good as knowing the truth */
		for (int row = 0; row < ROWS; row++) {
			mean += scores_of(out)[row] / ROWS;
			rate += fresh.label[row] / ROWS;
		}
		CHECK(fabs(mean - rate) < 0.03); /* calibrated, in spite of the weights */
		REQUIRE_OK(ops->describe(i->self, &json, &err), &err);
		CHECK_CONTAINS(json, n == 0 ? "\"calibration\":\"platt\""
					    : "\"calibration\":\"isotonic\"");
		CHECK_CONTAINS(json, "\"gain\":{\"x\":");
		free(json);
		drip_batch_unref(out);
		finish(&f);
		drip_harness_close(i);
	}
	finish_table(&train);
	finish_table(&fresh);
	drip_harness_destroy(h);
}

TEST(scores_and_explains_single_rows)
{
	static struct table train;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_ops *ops;
	struct drip_batch *out = NULL;
	struct drip_instance *i;
	struct fitted f;
	uint32_t count;
	double threshold, row[3], one, low[3], high[3];

	make_table(&train, 3);
	REQUIRE_OK(fit(h, NULL, train.batch, &f, &err), &err);
	i = load(h, &f);
	ops = i->component->ops;
	CHECK_EQ_STR(ops->rows->features(i->self, &count, &threshold)[2].name, "c");
	CHECK_EQ_F64(threshold, 0.5);
	REQUIRE_OK(ops->predict(i->self, train.batch, &out, &err), &err);
	for (int n = 0; n < 100; n++) {
		struct drip_value v[3];

		for (uint32_t j = 0; j < 3; j++) {
			drip_value_get(train.batch, j, n, &v[j]);
			row[j] = v[j].type == DRIP_TYPE_NONE ? (double)NAN : v[j].f;
		}
		row[2] = ops->rows->encode(i->self, 2, v[2].data, (size_t)v[2].size);
		REQUIRE_OK(ops->rows->score(i->self, row, 1, &one, &err), &err);
		CHECK_EQ_F64(one, scores_of(out)[n]);
	}
	CHECK(isnan(ops->rows->encode(i->self, 2, "never seen", 10)));
	row[1] = 0.5;
	row[0] = 0.1;
	REQUIRE_OK(ops->rows->explain(i->self, row, low, &err), &err);
	row[0] = 0.9;
	REQUIRE_OK(ops->rows->explain(i->self, row, high, &err), &err);
	CHECK(low[0] < 0 && high[0] > 0);
	drip_batch_unref(out);
	finish(&f);
	finish_table(&train);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(is_the_same_from_the_same_seed)
{
	static struct table train;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct fitted a, b;

	make_table(&train, 4);
	REQUIRE_OK(fit(h, DRIP_OPTIONS("rounds", "20"), train.batch, &a, &err), &err);
	REQUIRE_OK(fit(h, DRIP_OPTIONS("rounds", "20"), train.batch, &b, &err), &err);
	REQUIRE_EQ_INT(a.size, b.size);
	CHECK_EQ_MEM(a.artifact, b.artifact, a.size);
	finish(&a);
	finish(&b);
	finish_table(&train);
	drip_harness_destroy(h);
}

TEST(refuses_what_it_cannot_use)
{
	static struct table train;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *plain = drip_test_schema("t", "x float64");
	struct drip_batch *few = drip_test_batch(plain, "r|1\n"), *part, *out = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_ops *ops;
	struct drip_instance *i;
	struct boost *boost;
	struct fitted f;
	char *json;

	make_table(&train, 5);
	CHECK_EQ_INT(fit(h, NULL, few, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "xgboost.no_label");
	REQUIRE_OK(drip_batch_slice(train.batch, 0, 10, &part, &err), &err);
	CHECK_EQ_INT(fit(h, NULL, part, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "xgboost.too_few_rows");
	drip_batch_unref(part);
	CHECK_EQ_INT(boost_load("no trees", 8, 3, &boost, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.bad_artifact");
	REQUIRE_OK(fit(h, DRIP_OPTIONS("rounds", "5"), train.batch, &f, &err), &err);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "xgboost", NULL, &i, &err), &err);
	ops = i->component->ops;
	CHECK_EQ_INT(ops->predict(i->self, few, &out, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.not_loaded");
	CHECK_EQ_INT(ops->describe(i->self, &json, &err), -EINVAL);
	for (size_t size = 0; size < f.size; size += 997) {
		uint8_t *byte = (uint8_t *)f.artifact + size;

		CHECK_EQ_INT(ops->load(i->self, f.artifact, size, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "model.bad_artifact");
		*byte ^= 0x10;
		CHECK_EQ_INT(ops->load(i->self, f.artifact, f.size, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "model.bad_artifact");
		*byte ^= 0x10;
	}
	REQUIRE_OK(ops->load(i->self, f.artifact, f.size, &err), &err);
	CHECK_EQ_INT(ops->predict(i->self, few, &out, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.missing_feature");
	finish(&f);
	drip_harness_stop(h, true);
	CHECK_EQ_INT(fit(h, NULL, train.batch, &f, &err), -ECANCELED);
	CHECK_EQ_STR(err.code, "model.stopped");
	drip_batch_unref(few);
	drip_schema_unref(plain);
	finish_table(&train);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(wants_both_classes)
{
	static struct table train;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct fitted f;

	make_table(&train, 6);
	memset((void *)(uintptr_t)train.batch->array.children[3]->buffers[1], 0,
	       ROWS * sizeof(int32_t));
	CHECK_EQ_INT(fit(h, NULL, train.batch, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "xgboost.one_class");
	finish_table(&train);
	drip_harness_destroy(h);
}

TEST(refuses_parameters_of_the_library)
{
	const double rows[] = {0, 1, 0, 1}, labels[] = {0, 1, 0, 1};
	const struct boost_data data = {rows, labels, 4, 1};
	const struct boost_options o = {
		.rounds = 1, .early_stopping = 1, .depth = 3, .subsample = -1, .colsample = 1};
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i;
	struct boost_result r;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "xgboost", NULL, &i, &err), &err);
	CHECK_EQ_INT(boost_train(&data, &data, &o, &i->ctx, &r, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "xgboost.failed");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

struct scoring {
	struct drip_instance *i;
	const struct drip_batch *batch, *expected;
};

static void *score_all(void *data)
{
	const struct scoring *s = data;
	const struct drip_model_ops *ops = s->i->component->ops;
	struct drip_error err = DRIP_ERROR_INIT;

	for (int round = 0; round < 5; round++) {
		struct drip_batch *out = NULL;

		REQUIRE_OK(ops->predict(s->i->self, s->batch, &out, &err), &err);
		CHECK_EQ_MEM(scores_of(out), scores_of(s->expected), ROWS * sizeof(double));
		drip_batch_unref(out);
	}
	return NULL;
}

TEST(scores_on_many_threads)
{
	static struct table train;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *expected = NULL;
	struct scoring s = {.batch = NULL};
	struct fitted f;
	pthread_t threads[4];

	make_table(&train, 8);
	REQUIRE_OK(fit(h, DRIP_OPTIONS("rounds", "20"), train.batch, &f, &err), &err);
	s.i = load(h, &f);
	REQUIRE_OK(((const struct drip_model_ops *)s.i->component->ops)
			   ->predict(s.i->self, train.batch, &expected, &err),
		   &err);
	s.batch = train.batch;
	s.expected = expected;
	for (int t = 0; t < 4; t++) {
		REQUIRE_EQ_INT(pthread_create(&threads[t], NULL, score_all, &s), 0);
	}
	for (int t = 0; t < 4; t++) {
		pthread_join(threads[t], NULL);
	}
	drip_batch_unref(expected);
	finish(&f);
	finish_table(&train);
	drip_harness_close(s.i);
	drip_harness_destroy(h);
}

TEST_MAIN()
