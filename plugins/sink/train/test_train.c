/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the sink `train`: the figures against ones worked out by hand, the split by time, the
 * baselines, and training over a model of the test's own. */
#include "train.h"

#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <math.h>

TEST(measures_ranks)
{
	/* positives rank 1, 3 and 5 of 6: AUC (3 + 2 + 1) / 9, precisions 1, 2/3, 3/5 */
	const double scores[] = {0.9, 0.8, 0.7, 0.6, 0.5, 0.4};
	const double labels[] = {1, 0, 1, 0, 1, 0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct train_figures f;

	REQUIRE_OK(train_evaluate(scores, labels, 6, 2, &f, &err), &err);
	CHECK(fabs(f.auc - 6.0 / 9) < 1e-12);
	CHECK(fabs(f.pr_auc - (1 + 2.0 / 3 + 3.0 / 5) / 3) < 1e-12);
	CHECK(fabs(f.precision_at_k - 0.5) < 1e-12);
	CHECK_EQ_INT(f.positives, 3);
}

TEST(takes_equal_scores_together)
{
	const double scores[] = {0.5, 0.5, 0.5, 0.5}, labels[] = {1, 0, 0, 1};
	struct drip_error err = DRIP_ERROR_INIT;
	struct train_figures f;

	REQUIRE_OK(train_evaluate(scores, labels, 4, 1, &f, &err), &err);
	CHECK(fabs(f.auc - 0.5) < 1e-12);
	CHECK(fabs(f.pr_auc - 0.5) < 1e-12);
	CHECK(fabs(f.precision_at_k - 0.5) < 1e-12);
	CHECK(fabs(f.log_loss - log(2)) < 1e-12);
	CHECK(fabs(f.ece) < 1e-12);
}

TEST(measures_calibration)
{
	/* 0.9 where half are positive, 0.1 where none is */
	const double scores[] = {0.9, 0.9, 0.1, 0.1}, labels[] = {1, 0, 0, 0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_text text = {0};
	struct train_figures f;

	REQUIRE_OK(train_evaluate(scores, labels, 4, 10, &f, &err), &err);
	CHECK(fabs(f.ece - (0.4 * 2 + 0.1 * 2) / 4) < 1e-12);
	CHECK_EQ_INT(f.bins[9].rows, 2);
	CHECK(fabs(f.bins[9].rate - 0.5) < 1e-12);
	CHECK_EQ_INT(f.k, 4);
	train_figures_json(&f, &text);
	drip_text_put(&text, "", 1);
	CHECK_CONTAINS(text.data, "\"rows\":4,\"positives\":1,");
	drip_text_finish(&text);
}

TEST(tells_nothing_where_there_is_one_class)
{
	const double scores[] = {3, -1, NAN}, labels[] = {1, 1, 0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct train_figures f;

	REQUIRE_OK(train_evaluate(scores, labels, 3, 10, &f, &err), &err);
	CHECK_EQ_INT(f.rows, 2);
	CHECK(isnan(f.auc) && isnan(f.log_loss));
}

/* ---- the set ---- */

TEST(holds_the_youngest_out_and_keeps_a_time_together)
{
	struct drip_schema *s = drip_test_schema("t", "at int64 null, x float64");
	struct drip_batch *batch = drip_test_batch(
		s, "r|5|50\nr|1|10\nr|4|40\nr|4|41\nr|2|20\nr|NULL|0\nr|4|42\nr|3|30\n");
	const struct drip_batch *one = batch;
	const struct train_config config = {.time = "at", .hold_out = 0.3};
	struct drip_error err = DRIP_ERROR_INIT;
	struct train_part part;
	struct train_set set;
	char *text;

	REQUIRE_OK(train_set_make(&set, &one, 1, &config, &err), &err);
	CHECK_EQ_INT(set.train, 4); /* all rows of time 4 are held out */
	REQUIRE_OK(train_part_make(&set, set.train, set.count, s, &part, &err), &err);
	text = drip_test_batch_text(part.items[0]);
	CHECK_EQ_STR(text, "t\nr|4|40\nr|4|41\nr|4|42\nr|5|50\n");
	free(text);
	train_part_finish(&part);
	train_set_finish(&set);
	drip_batch_unref(batch);
	drip_schema_unref(s);
}

/* ---- baselines ---- */

#define ROWS 400

/* y is 1 where x + z > 0, with a little noise by the row's number; c says nothing. */
static struct drip_batch *noisy(struct drip_schema *s)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;
	struct drip_builder b;

	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	for (int i = 0; i < ROWS; i++) {
		double x = sin(i * 12.9898), z = cos(i * 78.233);

		drip_append_f64(&b.columns[0], x * 100);
		drip_append_f64(&b.columns[1], z);
		drip_append_bytes(&b.columns[2], i % 2 ? "a" : "b", 1);
		drip_append_i32(&b.columns[3], (x + z > 0) != (i % 20 == 0));
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	return batch;
}

static struct drip_schema *labelled(void)
{
	struct drip_schema *plain = drip_test_schema("t", "x float64, z float64, c utf8, y int32");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *out;

	drip_schema_builder_from(&b, plain);
	b.columns[3].flags |= DRIP_COLUMN_LABEL;
	REQUIRE_OK(drip_schema_builder_build(&b, &out, &err), &err);
	drip_schema_unref(plain);
	return out;
}

static double baseline_auc(const struct train_baseline *b)
{
	struct drip_schema *s = labelled();
	struct drip_batch *batch = noisy(s);
	struct train_part part = {.items = &batch, .count = 1, .rows = ROWS};
	struct drip_error err = DRIP_ERROR_INIT;
	struct train_figures f;
	double *scores, *labels;

	REQUIRE_OK(train_baseline_scores(b, &part, &part, s, "y", &scores, &err), &err);
	REQUIRE_OK(train_part_column(&part, "y", &labels, &err), &err);
	REQUIRE_OK(train_evaluate(scores, labels, ROWS, 100, &f, &err), &err);
	free(scores);
	free(labels);
	drip_batch_unref(batch);
	drip_schema_unref(s);
	return f.auc;
}

TEST(fits_a_logistic_regression)
{
	const struct train_baseline logistic = {.name = "l", .kind = {BASELINE_LOGISTIC}};
	const struct train_baseline value = {.name = "v", .kind = {BASELINE_VALUE}, .column = "x"};
	const struct train_baseline lower = {
		.name = "v", .kind = {BASELINE_VALUE}, .column = "x", .lower = true};
	double by_value = baseline_auc(&value);

	CHECK(by_value > 0.7);
	CHECK(fabs(baseline_auc(&lower) + by_value - 1) < 1e-9);
	CHECK(baseline_auc(&logistic) > 0.92);
	CHECK(baseline_auc(&logistic) > by_value);
}

TEST(refuses_a_regression_without_a_label)
{
	const struct train_baseline logistic = {.name = "l", .kind = {BASELINE_LOGISTIC}};
	struct drip_schema *s = labelled();
	struct train_part part = {.count = 0};
	struct drip_error err = DRIP_ERROR_INIT;
	double *scores;

	CHECK_EQ_INT(train_baseline_scores(&logistic, &part, &part, s, NULL, &scores, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "train.no_label");
	drip_schema_unref(s);
}

/* ---- the sink, over a model that scores by x ---- */

struct drip_model_version {
	int64_t number;
};

struct fake {
	struct drip_model_version production;
	bool no_score;
	const char *score_kind;
	int64_t fitted_rows, added;
	double quality, compared_quality;
	int64_t compared;
	char metrics[8192], training[2048];
};

static struct fake *the_fake;
static struct drip_model_version candidate;

static const struct drip_model_declaration *declaration(void *object)
{
	static const char *const features[] = {"x"};
	static const struct drip_model_declaration d = {.struct_size = sizeof(d),
							.name = "m",
							.features = features,
							.features_count = 1,
							.label = "y"};

	return &d;
}

static int acquire(void *object, struct drip_model_version **ret, struct drip_error *err)
{
	if (the_fake->production.number == 0) {
		return drip_error_set(err, -ENOENT, "model.no_production", "none");
	}
	*ret = &the_fake->production;
	return 0;
}

static void release(struct drip_model_version *v)
{
}

static const struct drip_model_info *info(const struct drip_model_version *v)
{
	static struct drip_model_info i;

	i.struct_size = sizeof(i);
	i.score_kind = the_fake->score_kind;
	i.version = v->number;
	i.metrics_json = "{\"a\":1}";
	return &i;
}

static int predict(const struct drip_model_version *v, const struct drip_batch *rows,
		   struct drip_batch **ret, struct drip_error *err)
{
	struct drip_schema *s =
		drip_test_schema("predictions", the_fake->no_score ? "n int32" : "score float64");
	struct drip_builder b;

	REQUIRE_OK(drip_builder_init(&b, s, err), err);
	for (int64_t row = 0; row < rows->rows; row++) {
		struct drip_value x;

		drip_value_get(rows, 0, row, &x);
		if (the_fake->no_score) {
			drip_append_i32(&b.columns[0], 1);
		} else {
			drip_append_f64(&b.columns[0], v->number == 0 ? x.f : -x.f);
		}
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, ret, err), err);
	drip_builder_finish(&b);
	drip_schema_unref(s);
	return 0;
}

static struct drip_model_version reversed = {.number = 1};

/* What ranks the other way round. */
static int uncalibrated(const struct drip_model_version *v, const struct drip_batch *rows,
			struct drip_batch **ret, struct drip_error *err)
{
	return predict(&reversed, rows, ret, err);
}

static int fake_fit(void *object, struct ArrowArrayStream *data, const struct drip_schema *schema,
		    struct drip_model_version **ret, struct drip_error *err)
{
	struct ArrowArray array;

	CHECK_EQ_INT(schema->columns_count, 2);
	CHECK(drip_schema_column(schema, 1)->flags & DRIP_COLUMN_LABEL);
	the_fake->fitted_rows = 0;
	while (data->get_next(data, &array) == 0 && array.release != NULL) {
		the_fake->fitted_rows += array.length;
		array.release(&array);
	}
	*ret = &candidate;
	return 0;
}

static int fake_add(void *object, const struct drip_model_version *v,
		    const struct drip_model_facts *facts, struct drip_model_added *ret,
		    struct drip_error *err)
{
	CHECK_EQ_PTR(v, &candidate);
	ret->version = ++the_fake->added;
	ret->promoted = facts->promote;
	the_fake->quality = facts->quality;
	the_fake->compared = facts->compared_version;
	the_fake->compared_quality = facts->compared_quality;
	snprintf(the_fake->metrics, sizeof(the_fake->metrics), "%s", facts->metrics_json);
	snprintf(the_fake->training, sizeof(the_fake->training), "%s", facts->training_json);
	return 0;
}

static const struct drip_model model = {
	.struct_size = sizeof(model),
	.declaration = declaration,
	.acquire = acquire,
	.release = release,
	.info = info,
	.predict = predict,
	.fit = fake_fit,
	.add = fake_add,
	.uncalibrated = uncalibrated,
};

static struct drip_instance *open_train(struct drip_harness *h, struct fake *f)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i;

	the_fake = f;
	drip_harness_add_interface(h, "m", &model, f);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "train",
				     DRIP_OPTIONS("model", "m", "time", "at", "rows_min", "10",
						  "rows_max", "30", "baselines[0].name", "x",
						  "baselines[0].kind", "zscore",
						  "baselines[0].column", "x"),
				     &i, &err),
		   &err);
	return i;
}

#define TWENTY                                                                                     \
	"r|1|1|0|a\nr|2|2|0|a\nr|3|3|1|a\nr|4|4|0|a\nr|5|5|1|a\nr|6|6|0|a\nr|7|7|1|a\n"            \
	"r|8|8|0|a\nr|9|9|1|a\nr|10|1|0|a\nr|11|2|1|a\nr|12|3|0|a\nr|13|4|1|a\nr|14|5|0|a\n"       \
	"r|15|6|1|a\nr|16|7|0|a\nr|17|1|0|a\nr|18|9|1|a\nr|19|2|0|a\nr|20|8|1|a\n"

TEST(trains_measures_and_registers)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s =
		drip_test_schema("shop.pay", "at int64, x float64, y int32, other utf8");
	struct drip_error err = DRIP_ERROR_INIT;
	struct fake f = {.production = {3}};
	struct drip_instance *i = open_train(h, &f);
	struct drip_negotiated n;

	REQUIRE_OK(drip_harness_negotiate(i, s, &n, &err), &err);
	CHECK_EQ_STR(n.dataset, "model.m");
	CHECK_EQ_INT(n.output->columns_count, 2);
	drip_harness_negotiated_finish(&n);
	CHECK_OK(drip_harness_write(i, drip_test_batch(s, TWENTY), &err), &err);
	CHECK_OK(drip_harness_commit(i, NULL, &err), &err);
	CHECK_EQ_INT(f.fitted_rows, 16);
	CHECK_EQ_INT(f.added, 1);
	CHECK_EQ_F64(f.quality, 1);
	CHECK_EQ_INT(f.compared, 3);
	CHECK_EQ_F64(f.compared_quality, 0);
	CHECK_CONTAINS(f.metrics, "\"hold_out\":{\"rows\":4,\"positives\":2,\"auc\":1,");
	CHECK_CONTAINS(f.metrics, "\"baselines\":[{\"name\":\"x\",");
	CHECK_CONTAINS(f.metrics, "\"fit\":{\"a\":1}}");
	CHECK_CONTAINS(f.training, "\"table\":\"pay\"");
	CHECK_CONTAINS(f.training, "\"rows_held_out\":4");
	CHECK_CONTAINS(f.training, "\"hold_out_from\":17");
	CHECK_OK(drip_harness_commit(i, NULL, &err), &err); /* nothing new */
	CHECK_EQ_INT(f.added, 1);
	CHECK(strstr(f.metrics, "uncalibrated") == NULL);
	f.score_kind = "probability"; /* what it was before is measured on the same rows */
	CHECK_OK(drip_harness_write(i, drip_test_batch(s, TWENTY), &err), &err);
	CHECK_OK(drip_harness_commit(i, NULL, &err), &err);
	CHECK_CONTAINS(f.metrics, "\"hold_out\":{\"rows\":4,\"positives\":2,\"auc\":1,");
	CHECK_CONTAINS(f.metrics, ",\"uncalibrated\":{\"rows\":4,\"positives\":2,\"auc\":0,");
	f.no_score = true;
	CHECK_OK(drip_harness_write(i, drip_test_batch(s, TWENTY), &err), &err);
	CHECK_EQ_INT(drip_harness_commit(i, NULL, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "train.no_score");
	drip_schema_unref(s);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(refuses_sets_that_are_too_small_too_large_or_mixed)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("pay", "at int64, x float64, y int32, o utf8");
	struct drip_schema *other = drip_test_schema("pay", "at int64, x float64, y int32");
	struct drip_schema *less = drip_test_schema("pay", "at int64, x float64");
	struct drip_error err = DRIP_ERROR_INIT;
	struct fake f = {.production = {0}};
	struct drip_instance *i = open_train(h, &f), *bad;
	struct drip_negotiated n;

	CHECK_EQ_INT(drip_harness_negotiate(i, less, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "train.no_column");
	CHECK_OK(drip_harness_write(i, drip_test_batch(s, "r|1|1|0|a\n"), &err), &err);
	CHECK_EQ_INT(drip_harness_write(i, drip_test_batch(other, "r|1|1|0\n"), &err), -EINVAL);
	CHECK_EQ_STR(err.code, "train.schema");
	CHECK_EQ_INT(drip_harness_commit(i, NULL, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "train.too_few_rows");
	CHECK_OK(drip_harness_write(i, drip_test_batch(s, TWENTY), &err), &err);
	CHECK_EQ_INT(drip_harness_write(i, drip_test_batch(s, TWENTY), &err), -E2BIG);
	CHECK_EQ_STR(err.code, "train.too_large");
	CHECK_OK(drip_harness_abort(i, &err), &err);
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SINK, "train",
				       DRIP_OPTIONS("model", "m", "baselines[0].name", "x",
						    "baselines[0].kind", "value"),
				       &bad, &err),
		     -EINVAL);
	CHECK_CONTAINS(drip_harness_findings(h), "train.baseline_column");
	drip_schema_unref(s);
	drip_schema_unref(other);
	drip_schema_unref(less);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
