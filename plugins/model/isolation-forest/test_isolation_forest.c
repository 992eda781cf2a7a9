/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the model `isolation-forest`: the formulas of the paper, finding what was planted,
 * the same forest from the same seed, attribution, artifacts and threads. */
#include "forest.h"

#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>

#define ROWS  4000
#define ODD   40 /* planted */
#define WIDTH 3

/* A plain generator of the test's own. */
static double unit(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(*state >> 11) * 0x1.0p-53;
}

static double normal(uint64_t *state)
{
	return sqrt(-2 * log(1 - unit(state))) * cos(6.283185307179586 * unit(state));
}

/* Rows around the origin; every hundredth lies far off, in its second feature only. */
static void make_rows(double *rows, uint64_t seed)
{
	for (size_t i = 0; i < ROWS; i++) {
		rows[i * WIDTH] = normal(&seed);
		rows[i * WIDTH + 1] = i % (ROWS / ODD) == 0 ? 9 + unit(&seed) : normal(&seed);
		rows[i * WIDTH + 2] = normal(&seed);
	}
}

/* Share of pairs (odd, even row) that are in order. */
static double auc_of(const double *scores)
{
	double good = 0;

	for (size_t i = 0; i < ROWS; i += ROWS / ODD) {
		for (size_t j = 0; j < ROWS; j++) {
			good += j % (ROWS / ODD) != 0 && scores[i] > scores[j];
		}
	}
	return good / ((double)ODD * (ROWS - ODD));
}

static struct drip_batch *make_batch(const double *rows, const char *columns)
{
	struct drip_schema *s = drip_test_schema("shop.t", columns);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;
	struct drip_builder b;

	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	for (size_t i = 0; i < ROWS; i++) {
		for (size_t j = 0; j < WIDTH; j++) {
			drip_append_f64(&b.columns[j], rows[i * WIDTH + j]);
		}
		if (s->columns_count > WIDTH) {
			bool odd = i % (ROWS / ODD) == 0;

			drip_append_bytes(&b.columns[WIDTH],
					  odd     ? "rare"
					  : i % 2 ? "a"
						  : "b",
					  odd ? 4 : 1);
		}
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	drip_schema_unref(s);
	return batch;
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
	const struct drip_model_ops *ops;
	int rc;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "isolation-forest", options, &i, err),
		   err);
	ops = i->component->ops;
	REQUIRE_OK(drip_batches_stream(&batch, 1, &data, err), err);
	memset(ret, 0, sizeof(*ret));
	rc = ops->fit(i->self, &data, batch->schema, &ret->artifact, &ret->size, &ret->metrics,
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

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "isolation-forest", NULL, &i, &err), &err);
	REQUIRE_OK(((const struct drip_model_ops *)i->component->ops)
			   ->load(i->self, f->artifact, f->size, &err),
		   &err);
	return i;
}

TEST(has_the_path_lengths_of_the_paper)
{
	CHECK_EQ_F64(forest_c(1), 0);
	CHECK_EQ_F64(forest_c(2), 1);
	CHECK(fabs(forest_c(256) - 10.2448) < 1e-3);
}

TEST(finds_what_was_planted)
{
	static double rows[ROWS * WIDTH], scores[ROWS];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_ops *ops;
	struct drip_batch *batch, *predictions = NULL;
	struct drip_instance *i;
	struct fitted f;
	uint32_t count;
	double threshold, above = 0;
	char *json;

	make_rows(rows, 1);
	batch = make_batch(rows, "x float64, y float64, z float64");
	REQUIRE_OK(fit(h, NULL, batch, &f, &err), &err);
	CHECK_CONTAINS(f.metrics, "\"rows\":4000");
	i = load(h, &f);
	ops = i->component->ops;
	CHECK_EQ_STR(ops->rows->features(i->self, &count, &threshold)[1].name, "y");
	CHECK_EQ_INT(count, WIDTH);
	REQUIRE_OK(ops->rows->score(i->self, rows, ROWS, scores, &err), &err);
	CHECK(auc_of(scores) > 0.99);
	for (size_t row = 0; row < ROWS; row++) {
		CHECK(scores[row] > 0 && scores[row] < 1);
		above += scores[row] >= threshold;
	}
	CHECK_EQ_F64(above, ROWS / 100); /* the default contamination */
	REQUIRE_OK(ops->predict(i->self, batch, &predictions, &err), &err);
	REQUIRE_EQ_INT(predictions->rows, ROWS);
	CHECK_EQ_MEM(predictions->array.children[0]->buffers[1], scores, sizeof(scores));
	REQUIRE_OK(ops->describe(i->self, &json, &err), &err);
	CHECK_CONTAINS(json, "\"trees\":100,\"subsample\":256,\"depth\":8");
	free(json);
	drip_batch_unref(predictions);
	drip_batch_unref(batch);
	finish(&f);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(scores_a_row_alone_as_in_a_batch)
{
	static double rows[ROWS * WIDTH], scores[ROWS];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct forest f;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_ctx *ctx;
	struct drip_instance *i;
	const struct forest_options o = {
		.trees = 37, .subsample = 100, .seed = 3, .contamination = 0.1};

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "isolation-forest", NULL, &i, &err), &err);
	ctx = &i->ctx;
	make_rows(rows, 2);
	rows[7] = NAN;
	REQUIRE_OK(forest_grow(&f, rows, ROWS, WIDTH, &o, ctx, &err), &err);
	forest_score(&f, rows, ROWS, scores);
	for (size_t row = 0; row < 100; row++) {
		double one, parts[WIDTH], path = 0, sum = 0;

		forest_score(&f, rows + row * WIDTH, 1, &one);
		CHECK(fabs(one - scores[row]) < 1e-6);
		/* contributions add up to what the path is shorter than the mean */
		forest_explain(&f, rows + row * WIDTH, parts);
		for (uint32_t tree = 0; tree < f.trees; tree++) {
			path += (double)f.means[tree * forest_nodes(&f)] / f.trees;
		}
		sum = parts[0] + parts[1] + parts[2];
		CHECK(fabs(path - sum + log2(one) * forest_c(f.subsample)) < 1e-3);
		if (row == 0) {
			CHECK(parts[1] > parts[0] && parts[1] > parts[2]);
		}
	}
	forest_finish(&f);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(knows_rare_categories)
{
	static double rows[ROWS * WIDTH];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_ops *ops;
	double row[WIDTH + 1] = {0}, usual, rare, unseen, missing;
	struct drip_batch *batch;
	struct drip_instance *i;
	struct fitted f;

	make_rows(rows, 3);
	batch = make_batch(rows, "x float64, y float64, z float64, c utf8");
	REQUIRE_OK(fit(h, NULL, batch, &f, &err), &err);
	i = load(h, &f);
	ops = i->component->ops;
	row[WIDTH] = ops->rows->encode(i->self, WIDTH, "a", 1);
	REQUIRE_OK(ops->rows->score(i->self, row, 1, &usual, &err), &err);
	row[WIDTH] = ops->rows->encode(i->self, WIDTH, "rare", 4);
	REQUIRE_OK(ops->rows->score(i->self, row, 1, &rare, &err), &err);
	row[WIDTH] = ops->rows->encode(i->self, WIDTH, "never seen", 10);
	REQUIRE_OK(ops->rows->score(i->self, row, 1, &unseen, &err), &err);
	row[WIDTH] = NAN;
	REQUIRE_OK(ops->rows->score(i->self, row, 1, &missing, &err), &err);
	CHECK(rare > usual);
	CHECK(unseen >= rare);
	CHECK(missing < rare);
	drip_batch_unref(batch);
	finish(&f);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* A label beside x, y and z: of those that were planted all but each fifth, and each fiftieth of
 * the others; unknown in each seventh row. Known or not, the last quarter of the rows has
 * `positives` of them. */
static struct drip_batch *make_labelled(const double *rows, int64_t positives)
{
	struct drip_schema *plain =
		drip_test_schema("t", "x float64, y float64, z float64, l int64 null");
	struct drip_schema_builder columns;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s;
	struct drip_batch *batch;
	struct drip_builder b;

	drip_schema_builder_from(&columns, plain);
	columns.columns[WIDTH].flags |= DRIP_COLUMN_LABEL;
	REQUIRE_OK(drip_schema_builder_build(&columns, &s, &err), &err);
	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	for (size_t i = 0; i < ROWS; i++) {
		bool odd = i % (ROWS / ODD) == 0, label = odd ? i % 500 != 0 : i % 50 == 1;

		for (size_t j = 0; j < WIDTH; j++) {
			drip_append_f64(&b.columns[j], rows[i * WIDTH + j]);
		}
		if (i % 7 == 3) {
			drip_append_null(&b.columns[WIDTH]);
		} else {
			label = label && (i < ROWS - ROWS / 4 || positives-- > 0);
			drip_append_i64(&b.columns[WIDTH], label);
		}
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	drip_schema_unref(plain);
	drip_schema_unref(s);
	return batch;
}

/* The artifact as it was before there was calibration. */
static void make_format_1(const double *rows, struct fitted *ret)
{
	const struct forest_options o = {
		.trees = 20, .subsample = 64, .seed = 3, .contamination = 0.01};
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "x float64, y float64, z float64");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_features *features;
	struct drip_instance *i;
	struct drip_text t = {0};
	struct forest f;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "isolation-forest", NULL, &i, &err), &err);
	REQUIRE_OK(forest_grow(&f, rows, ROWS, WIDTH, &o, &i->ctx, &err), &err);
	REQUIRE_OK(drip_features_create(s, &features, &err), &err);
	memset(ret, 0, sizeof(*ret));
	drip_artifact_begin(&t, "isolation-forest 1");
	drip_artifact_put_features(&t, features);
	forest_write(&f, &t);
	REQUIRE_OK(drip_artifact_give(&t, &ret->artifact, &ret->size, &err), &err);
	forest_finish(&f);
	drip_features_destroy(features);
	drip_schema_unref(s);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(makes_a_probability_of_the_score_where_there_are_labels)
{
	static double rows[ROWS * WIDTH], ranks[ROWS], scores[ROWS];
	const char *const *options[] = {NULL, DRIP_OPTIONS("calibration", "isotonic")};
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;

	make_rows(rows, 9);
	batch = make_labelled(rows, ROWS);
	for (int n = 0; n < 2; n++) {
		struct drip_batch *before = NULL, *after = NULL;
		const struct drip_model_ops *ops;
		struct drip_instance *i;
		struct fitted f;
		double threshold, said = 0, odd = 0, marked = 0;
		uint32_t count;
		char *json;

		REQUIRE_OK(fit(h, options[n], batch, &f, &err), &err);
		CHECK_CONTAINS(f.metrics, "\"rows\":3000,");
		CHECK_CONTAINS(f.metrics, "\"validation_rows\":858,");
		i = load(h, &f);
		ops = i->component->ops;
		CHECK_EQ_STR(ops->score_kind(i->self), "probability");
		REQUIRE_OK(ops->describe(i->self, &json, &err), &err);
		CHECK_CONTAINS(json, "\"score\":\"probability\"");
		free(json);
		REQUIRE_OK(ops->predict(i->self, batch, &after, &err), &err);
		REQUIRE_OK(ops->uncalibrated(i->self, batch, &before, &err), &err);
		memcpy(scores, after->array.children[0]->buffers[1], sizeof(scores));
		memcpy(ranks, before->array.children[0]->buffers[1], sizeof(ranks));
		ops->rows->features(i->self, &count, &threshold);
		for (size_t row = 0; row < ROWS; row++) {
			size_t other = (row * 37 + 11) % ROWS;

			CHECK(ranks[row] < ranks[other] ? scores[row] <= scores[other] : true);
			said += scores[row] / ROWS;
			odd += row % (ROWS / ODD) == 0 ? scores[row] / ODD : 0;
			marked += scores[row] >= threshold;
		}
		CHECK(fabs(said - 0.028) < 0.01); /* the share of positives */
		CHECK(odd > 0.3 && odd < 1);      /* most of the planted ones are */
		CHECK(marked >= 30 && marked <= 50);
		drip_batch_unref(before);
		drip_batch_unref(after);
		finish(&f);
		drip_harness_close(i);
	}
	drip_batch_unref(batch);
	drip_harness_destroy(h);
}

TEST(refuses_labels_other_than_0_and_1)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *plain = drip_test_schema("t", "x float64, l int32 null");
	struct drip_schema_builder columns;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;
	struct drip_schema *s;
	struct fitted f;

	drip_schema_builder_from(&columns, plain);
	columns.columns[1].flags |= DRIP_COLUMN_LABEL;
	REQUIRE_OK(drip_schema_builder_build(&columns, &s, &err), &err);
	batch = drip_test_batch(s, "r|1|0\nr|2|NULL\nr|3|2\n");
	CHECK_EQ_INT(fit(h, NULL, batch, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.label_value");
	drip_batch_unref(batch);
	drip_schema_unref(plain);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST(ranks_where_labels_do_not_suffice)
{
	static double rows[ROWS * WIDTH];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;

	make_rows(rows, 10);
	for (int n = 0; n < 3; n++) {
		const char *const *options = n == 1 ? DRIP_OPTIONS("calibration", "none") : NULL;
		const struct drip_model_ops *ops;
		struct drip_instance *i;
		struct fitted f;

		if (n < 2) { /* too few positives; not wanted */
			batch = make_labelled(rows, n == 0 ? 4 : ROWS);
			REQUIRE_OK(fit(h, options, batch, &f, &err), &err);
			CHECK_CONTAINS(f.metrics, "\"rows\":4000,");
			drip_batch_unref(batch);
		} else {
			make_format_1(rows, &f);
		}
		i = load(h, &f);
		ops = i->component->ops;
		CHECK_EQ_STR(ops->score_kind(i->self), "rank");
		finish(&f);
		drip_harness_close(i);
	}
	drip_harness_destroy(h);
}

TEST(is_the_same_from_the_same_seed)
{
	static double rows[ROWS * WIDTH];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;
	struct fitted a, b, c;

	make_rows(rows, 4);
	batch = make_batch(rows, "x float64, y float64, z float64, c utf8");
	REQUIRE_OK(fit(h, DRIP_OPTIONS("seed", "7"), batch, &a, &err), &err);
	REQUIRE_OK(fit(h, DRIP_OPTIONS("seed", "7"), batch, &b, &err), &err);
	REQUIRE_OK(fit(h, DRIP_OPTIONS("seed", "8"), batch, &c, &err), &err);
	REQUIRE_EQ_INT(a.size, b.size);
	CHECK_EQ_MEM(a.artifact, b.artifact, a.size);
	CHECK(a.size != c.size || memcmp(a.artifact, c.artifact, a.size) != 0);
	drip_batch_unref(batch);
	finish(&a);
	finish(&b);
	finish(&c);
	drip_harness_destroy(h);
}

TEST(refuses_what_it_cannot_use)
{
	static double rows[ROWS * WIDTH];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "x float64");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch = drip_test_batch(s, "r|1\nr|2\n"), *none = NULL;
	const struct drip_model_ops *ops;
	struct drip_instance *i;
	struct fitted f;
	char *json;

	CHECK_EQ_INT(fit(h, NULL, batch, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "iforest.too_few_rows");
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "isolation-forest", NULL, &i, &err), &err);
	ops = i->component->ops;
	CHECK_EQ_INT(ops->predict(i->self, batch, &none, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.not_loaded");
	CHECK_EQ_INT(ops->describe(i->self, &json, &err), -EINVAL);
	drip_batch_unref(batch);
	make_rows(rows, 5);
	batch = make_batch(rows, "x float64, y float64, z float64");
	REQUIRE_OK(fit(h, DRIP_OPTIONS("trees", "3", "subsample", "8"), batch, &f, &err), &err);
	for (size_t size = 0; size < f.size; size += 13) {
		uint8_t *byte = (uint8_t *)f.artifact + size;

		CHECK_EQ_INT(ops->load(i->self, f.artifact, size, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "model.bad_artifact");
		*byte ^= 0x10;
		CHECK_EQ_INT(ops->load(i->self, f.artifact, f.size, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "model.bad_artifact");
		*byte ^= 0x10;
	}
	CHECK_OK(ops->load(i->self, f.artifact, f.size, &err), &err);
	drip_harness_stop(h, true);
	finish(&f);
	CHECK_EQ_INT(fit(h, NULL, batch, &f, &err), -ECANCELED);
	CHECK_EQ_STR(err.code, "model.stopped");
	drip_batch_unref(batch);
	drip_schema_unref(s);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

struct scoring {
	struct drip_instance *i;
	const double *rows, *expected;
};

static void *score_all(void *data)
{
	const struct scoring *s = data;
	const struct drip_model_ops *ops = s->i->component->ops;
	static __thread double scores[ROWS];
	struct drip_error err = DRIP_ERROR_INIT;

	for (int round = 0; round < 5; round++) {
		CHECK_OK(ops->rows->score(s->i->self, s->rows, ROWS, scores, &err), &err);
		CHECK_EQ_MEM(scores, s->expected, sizeof(scores));
	}
	return NULL;
}

TEST(scores_on_many_threads)
{
	static double rows[ROWS * WIDTH], scores[ROWS];
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch;
	struct scoring s = {.rows = rows, .expected = scores};
	struct fitted f;
	pthread_t threads[4];

	make_rows(rows, 6);
	batch = make_batch(rows, "x float64, y float64, z float64");
	REQUIRE_OK(fit(h, NULL, batch, &f, &err), &err);
	s.i = load(h, &f);
	REQUIRE_OK(((const struct drip_model_ops *)s.i->component->ops)
			   ->rows->score(s.i->self, rows, ROWS, scores, &err),
		   &err);
	for (int t = 0; t < 4; t++) {
		REQUIRE_EQ_INT(pthread_create(&threads[t], NULL, score_all, &s), 0);
	}
	for (int t = 0; t < 4; t++) {
		pthread_join(threads[t], NULL);
	}
	drip_batch_unref(batch);
	finish(&f);
	drip_harness_close(s.i);
	drip_harness_destroy(h);
}

TEST_MAIN()
