/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `score`, over a model of the test's own: it yields x + version. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

/* A model whose version in production the test sets; 0: none. */
struct fake {
	int64_t production;
	int held;
	bool broken, odd;
	struct drip_model_info infos[10];
};

struct drip_model_version {
	struct fake *fake;
	int64_t number;
};

static struct drip_model_version versions[10];

static const struct drip_model_declaration *declaration(void *object)
{
	static const char *const features[] = {"x", "c"};
	static const struct drip_model_declaration d = {
		.struct_size = sizeof(d), .name = "m", .features = features, .features_count = 2};

	return &d;
}

static int negotiate(void *object, const struct drip_schema *features,
		     struct drip_schema **ret_predictions, struct drip_error *err)
{
	CHECK_EQ_STR(drip_schema_column(features, 0)->name, "x");
	CHECK_EQ_STR(drip_schema_column(features, 1)->name, "c");
	*ret_predictions = drip_test_schema("predictions", "score float64");
	return 0;
}

static int acquire(void *object, struct drip_model_version **ret, struct drip_error *err)
{
	struct fake *f = object;

	if (f->broken) {
		return drip_error_set(err, -EINVAL, "model.bad_artifact", "broken");
	}
	if (f->production == 0) {
		return drip_error_set(err, -ENOENT, "model.no_production", "none");
	}
	f->held++;
	*ret = &versions[f->production];
	**ret = (struct drip_model_version){f, f->production};
	return 0;
}

static void release(struct drip_model_version *v)
{
	if (v != NULL) {
		v->fake->held--;
	}
}

static const struct drip_model_info *info(const struct drip_model_version *v)
{
	v->fake->infos[v->number].version = v->number;
	return &v->fake->infos[v->number];
}

static int predict(const struct drip_model_version *v, const struct drip_batch *rows,
		   struct drip_batch **ret, struct drip_error *err)
{
	struct drip_schema *s =
		drip_test_schema("predictions", v->fake->odd ? "score int64" : "score float64");
	struct drip_builder b;

	REQUIRE_OK(drip_builder_init(&b, s, err), err);
	for (int64_t row = 0; row < rows->rows; row++) {
		struct drip_value x;

		drip_value_get(rows, 0, row, &x);
		if (v->fake->odd) {
			drip_append_i64(&b.columns[0], 1);
		} else {
			drip_append_f64(&b.columns[0], x.f + (double)v->number);
		}
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, ret, err), err);
	drip_builder_finish(&b);
	drip_schema_unref(s);
	return 0;
}

static const struct drip_model model = {
	.struct_size = sizeof(model),
	.declaration = declaration,
	.negotiate = negotiate,
	.acquire = acquire,
	.release = release,
	.info = info,
	.predict = predict,
};

static struct drip_schema *payments(void)
{
	return drip_test_schema("shop.pay", "id int64 key, x float64 null confidential, d utf8");
}

static struct drip_instance *open_score(struct drip_harness *h, struct fake *f, const char *without)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i;

	drip_harness_add_interface(h, "m", &model, f);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "score",
				     DRIP_OPTIONS("model", "m", "features.c", "d",
						  "without_version", without),
				     &i, &err),
		   &err);
	return i;
}

TEST(negotiates_classes_and_lineage)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = payments(), *less = drip_test_schema("t", "id int64, x float64");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_negotiated n;
	struct fake f = {.production = 1};
	struct drip_instance *i = open_score(h, &f, "null");

	REQUIRE_OK(drip_harness_negotiate(i, s, &n, &err), &err);
	REQUIRE_EQ_INT(n.output->columns_count, 5);
	CHECK_EQ_STR(drip_schema_column(n.output, 3)->name, "m_score");
	CHECK_EQ_STR(drip_schema_column(n.output, 4)->name, "m_version");
	CHECK_EQ_INT(drip_schema_column(n.output, 3)->classification, DRIP_CLASS_CONFIDENTIAL);
	CHECK_EQ_INT(n.edges_count, 3 + 2 * 2);
	CHECK_EQ_INT(n.edges[3].input, 1);
	CHECK_EQ_INT(n.edges[4].input, 2);
	drip_harness_negotiated_finish(&n);
	CHECK_EQ_INT(drip_harness_negotiate(i, less, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "score.no_column");
	drip_schema_unref(s);
	drip_schema_unref(less);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(scores_an_epoch_by_one_version)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = payments();
	struct drip_error err = DRIP_ERROR_INIT;
	struct fake f = {.production = 1};
	struct drip_instance *i = open_score(h, &f, "null");

	CHECK_OK(drip_harness_process(i, drip_test_batch(s, "i|1|0.5|a\nu|2|2|b\n"), &err), &err);
	f.production = 2; /* promoted meanwhile */
	CHECK_OK(drip_harness_process(i, drip_test_batch(s, "d|3|1|a\n"), &err), &err);
	CHECK_EQ_INT(f.held, 1);
	CHECK_OK(drip_harness_flush(i, &err), &err);
	CHECK_EQ_INT(f.held, 0);
	CHECK_OK(drip_harness_process(i, drip_test_batch(s, "i|4|1|a\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "shop.pay\ni|1|0.5|a|1.5|1\nu|2|2|b|3|1\n"
					     "shop.pay\nd|3|1|a|2|1\n"
					     "shop.pay\ni|4|1|a|3|2\n");
	CHECK_EQ_F64(drip_harness_metric(h, "version"), 2);
	CHECK_EQ_F64(drip_harness_metric(h, "rows_total"), 4);
	drip_schema_unref(s);
	drip_harness_close(i);
	CHECK_EQ_INT(f.held, 0);
	drip_harness_destroy(h);
}

TEST(does_not_open_over_a_version_that_cannot_score)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct fake f = {.production = 1, .broken = true};
	struct drip_instance *i;

	drip_harness_add_interface(h, "m", &model, &f);
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_TRANSFORM, "score", DRIP_OPTIONS("model", "m"),
				       &i, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "model.bad_artifact");
	CHECK_EQ_INT(f.held, 0);
	drip_harness_destroy(h);
}

TEST(passes_nulls_or_fails_without_a_version)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = payments();
	struct drip_error err = DRIP_ERROR_INIT;
	struct fake f = {.production = 0};
	struct drip_instance *i = open_score(h, &f, "null");

	CHECK_OK(drip_harness_process(i, drip_test_batch(s, "i|1|0.5|a\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "shop.pay\ni|1|0.5|a|NULL|NULL\n");
	CHECK(drip_harness_logged(h, "rows pass with nulls"));
	CHECK_OK(drip_harness_flush(i, &err), &err);
	f.broken = true;
	CHECK_EQ_INT(drip_harness_process(i, drip_test_batch(s, "i|1|0.5|a\n"), &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.bad_artifact");
	drip_harness_close(i);
	f.broken = false;
	i = open_score(h, &f, "fail");
	CHECK_EQ_INT(drip_harness_process(i, drip_test_batch(s, "i|1|0.5|a\n"), &err), -ENOENT);
	CHECK_EQ_STR(err.code, "model.no_production");
	f.production = 3;
	f.odd = true;
	CHECK_EQ_INT(drip_harness_process(i, drip_test_batch(s, "i|1|0.5|a\n"), &err), -EINVAL);
	CHECK_EQ_STR(err.code, "score.bad_predictions");
	drip_schema_unref(s);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
