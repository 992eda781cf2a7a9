/* SPDX-License-Identifier: Apache-2.0 */
/* Features as rows of doubles, and artifacts: what is read, what is kept, what is refused. */
#include "lib/test.h"

#include <dripline/dripline.h>
#include <dripline/test.h>
#include <errno.h>
#include <math.h>

static struct drip_schema *labelled(const char *columns, const char *label)
{
	struct drip_schema *plain = drip_test_schema("t", columns), *out;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	int at = drip_schema_find(plain, label);

	drip_schema_builder_from(&b, plain);
	b.columns[at].flags |= DRIP_COLUMN_LABEL;
	REQUIRE_OK(drip_schema_builder_build(&b, &out, &err), &err);
	drip_schema_unref(plain);
	return out;
}

static int read_rows(struct drip_features *f, const struct drip_schema *schema, const char *rows,
		     uint64_t bytes_max, struct drip_frame *ret, struct drip_error *err)
{
	struct drip_batch *batch = drip_test_batch(schema, rows);
	const struct drip_batch *one = batch;
	struct ArrowArrayStream stream;
	int rc;

	REQUIRE_OK(drip_batches_stream(&one, 1, &stream, err), err);
	drip_batch_unref(batch);
	rc = drip_features_read(f, &stream, schema, bytes_max, ret, err);
	stream.release(&stream);
	return rc;
}

TEST(reads_columns_of_every_kind)
{
	struct drip_schema *s = labelled("i int8 null, u uint64, d decimal(9,2), b bool, f float64 "
					 "null, day date, c utf8 null, y int32",
					 "y");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_frame frame = {0};
	struct drip_features *f;
	const struct drip_model_feature *list;
	uint32_t count;

	REQUIRE_OK(drip_features_create(s, &f, &err), &err);
	list = drip_features_list(f, &count);
	REQUIRE_EQ_INT(count, 7);
	CHECK_EQ_STR(list[6].name, "c");
	CHECK(list[6].category && !list[0].category);
	REQUIRE_OK(read_rows(f, s,
			     "r|-3|7|1.25|true|0.5|1970-01-03|red|1\n"
			     "r|NULL|8|-0.01|false|NULL|1970-01-01|blue|0\n"
			     "r|1|9|0|true|inf|1970-01-01|NULL|1\n"
			     "r|1|9|0|true|0|1970-01-01|red|0\n",
			     1 << 20, &frame, &err),
		   &err);
	REQUIRE_EQ_INT(frame.count, 4);
	CHECK_EQ_F64(frame.rows[0], -3);
	CHECK_EQ_F64(frame.rows[1], 7);
	CHECK_EQ_F64(frame.rows[2], 1.25);
	CHECK_EQ_F64(frame.rows[3], 1);
	CHECK_EQ_F64(frame.rows[4], 0.5);
	CHECK_EQ_F64(frame.rows[5], 2);
	CHECK_EQ_F64(frame.rows[6], 0);
	CHECK(isnan(frame.rows[7]) && isnan(frame.rows[11]));
	CHECK_EQ_F64(frame.rows[9], -0.01);
	CHECK_EQ_F64(frame.rows[13], 1);
	CHECK(isnan(frame.rows[18]) && isnan(frame.rows[20]));
	CHECK_EQ_F64(frame.rows[27], 0);
	CHECK_EQ_F64(frame.labels[0], 1);
	CHECK_EQ_F64(frame.labels[3], 0);
	CHECK_EQ_INT(drip_features_categories(f, 6), 2);
	CHECK_EQ_INT(drip_features_categories(f, 0), 0);
	drip_features_set_values(f, 6, (const double[]){0.25, 0.75}, -1);
	CHECK_EQ_F64(drip_features_encode(f, 6, "blue", 4), 0.75);
	CHECK_EQ_F64(drip_features_encode(f, 6, "green", 5), -1);
	CHECK_EQ_F64(drip_features_encode(f, 6, "blueish", 7), -1);
	drip_frame_finish(&frame);
	drip_features_destroy(f);
	drip_schema_unref(s);
}

TEST(refuses_what_cannot_be_trained_on)
{
	struct drip_schema *s = labelled("x float64, c utf8, y utf8", "y");
	struct drip_schema *other = drip_test_schema("t", "x utf8, c utf8");
	struct drip_schema *less = drip_test_schema("t", "x float64");
	struct drip_schema *bytes = drip_test_schema("t", "x binary");
	struct drip_schema *only = labelled("y int32", "y");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_frame frame = {0};
	struct drip_features *f;

	CHECK_EQ_INT(drip_features_create(bytes, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.feature_type");
	CHECK_EQ_INT(drip_features_create(only, &f, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.feature_count");
	REQUIRE_OK(drip_features_create(s, &f, &err), &err);
	CHECK_EQ_INT(drip_features_check(f, other, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.feature_type");
	CHECK_EQ_INT(drip_features_check(f, less, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.missing_feature");
	CHECK_EQ_INT(read_rows(f, s, "r|1|a|b\n", 1 << 20, &frame, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.label_type");
	drip_schema_unref(s);
	s = labelled("x float64, c utf8, y int32", "y");
	CHECK_EQ_INT(read_rows(f, s, "r|1|a|0\nr|1|a|0\n", 24, &frame, &err), -E2BIG);
	CHECK_EQ_STR(err.code, "model.too_large");
	drip_features_destroy(f);
	drip_schema_unref(s);
	drip_schema_unref(other);
	drip_schema_unref(less);
	drip_schema_unref(bytes);
	drip_schema_unref(only);
}

static int broken_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
	return EIO;
}

static const char *broken_why(struct ArrowArrayStream *stream)
{
	return "the wire was cut";
}

TEST(says_why_data_cannot_be_read)
{
	struct drip_schema *s = drip_test_schema("t", "x float64");
	struct ArrowArrayStream stream = {.get_next = broken_next, .get_last_error = broken_why};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_frame frame = {0};
	struct drip_features *f;

	REQUIRE_OK(drip_features_create(s, &f, &err), &err);
	CHECK_EQ_INT(drip_features_read(f, &stream, s, 1 << 20, &frame, &err), -EIO);
	CHECK_EQ_STR(err.code, "model.read");
	CHECK_CONTAINS(err.message, "the wire was cut");
	drip_features_destroy(f);
	drip_schema_unref(s);
}

/* An artifact of features x and c (red, blue), and one number. */
static void write_artifact(struct drip_text *t)
{
	struct drip_schema *s = drip_test_schema("t", "x float64, c utf8");
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_frame frame = {0};
	struct drip_features *f;

	REQUIRE_OK(drip_features_create(s, &f, &err), &err);
	REQUIRE_OK(read_rows(f, s, "r|1|red\nr|2|blue\n", 1 << 20, &frame, &err), &err);
	drip_features_set_values(f, 1, (const double[]){10, 20}, 30);
	drip_artifact_begin(t, "test 1");
	drip_artifact_put_features(t, f);
	drip_artifact_put_f64(t, 0.5);
	REQUIRE_OK(drip_artifact_end(t, &err), &err);
	drip_frame_finish(&frame);
	drip_features_destroy(f);
	drip_schema_unref(s);
}

TEST(keeps_features_in_artifacts)
{
	struct drip_text t = {0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_artifact_reader r;
	struct drip_features *f;

	write_artifact(&t);
	REQUIRE_OK(drip_artifact_open("test 1", t.data, t.size, &r, &err), &err);
	REQUIRE_OK(drip_artifact_features(&r, &f, &err), &err);
	CHECK_EQ_INT(drip_features_count(f), 2);
	CHECK_EQ_F64(drip_features_encode(f, 1, "blue", 4), 20);
	CHECK_EQ_F64(drip_features_encode(f, 1, "pink", 4), 30);
	CHECK_EQ_F64(drip_artifact_f64(&r), 0.5);
	CHECK(!r.bad);
	CHECK_EQ_INT(drip_artifact_u32(&r), 0);
	CHECK(r.bad);
	drip_features_destroy(f);
	drip_text_finish(&t);
}

TEST(refuses_foreign_and_damaged_artifacts)
{
	struct drip_text t = {0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_artifact_reader r;

	write_artifact(&t);
	CHECK_EQ_INT(drip_artifact_open("other 1", t.data, t.size, &r, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.bad_artifact");
	for (size_t size = 0; size < t.size; size++) {
		CHECK_EQ_INT(drip_artifact_open("test 1", t.data, size, &r, &err), -EINVAL);
	}
	for (size_t at = 0; at < t.size; at++) {
		t.data[at] ^= 0x20;
		CHECK_EQ_INT(drip_artifact_open("test 1", t.data, t.size, &r, &err), -EINVAL);
		t.data[at] ^= 0x20;
	}
	CHECK_OK(drip_artifact_open("test 1", t.data, t.size, &r, &err), &err);
	drip_text_finish(&t);
}

TEST(gives_a_sealed_artifact)
{
	struct drip_text t = {0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_artifact_reader r;
	void *artifact;
	size_t size;

	drip_artifact_begin(&t, "test 1");
	drip_artifact_put_u32(&t, 7);
	REQUIRE_OK(drip_artifact_give(&t, &artifact, &size, &err), &err);
	CHECK(t.data == NULL);
	REQUIRE_OK(drip_artifact_open("test 1", artifact, size, &r, &err), &err);
	CHECK_EQ_INT(drip_artifact_u32(&r), 7);
	free(artifact);
}

struct first {
	struct drip_fitted base;
	double limit;
};

/* A score of the first feature, which fails where it reaches a limit. */
static int score_first(const void *self, const double *rows, size_t count, double *ret_scores,
		       struct drip_error *err)
{
	const struct first *m = self;

	for (size_t i = 0; i < count; i++) {
		if (rows[2 * i] >= m->limit) {
			return drip_error_set(err, -ERANGE, "test.limit", "too high");
		}
		ret_scores[i] = rows[2 * i] / 10;
	}
	return 0;
}

static const double *scores_of(const struct drip_batch *out)
{
	return out->array.children[0]->buffers[1];
}

TEST(predicts_row_for_row)
{
	static const struct drip_column columns[] = {
		{.struct_size = sizeof(columns[0]), .type = DRIP_TYPE_FLOAT64, .name = "score"},
		{.struct_size = sizeof(columns[0]), .type = DRIP_TYPE_BOOL, .name = "odd"}};
	static const struct drip_fitted_type type = {.columns = columns, .score = score_first};
	struct drip_schema *s = drip_test_schema("t", "a int32, b float64");
	struct drip_batch *batch = drip_test_batch(s, "r|1|0\nr|5|0\nr|9|0\n"), *out = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct first *m;
	void *self;

	REQUIRE_OK(drip_fitted_create(NULL, NULL, &type, sizeof(*m), &self, &err), &err);
	m = self;
	m->limit = 10;
	m->base.threshold = 0.5;
	CHECK_EQ_INT(drip_fitted_predict(m, batch, &out, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.not_loaded");
	REQUIRE_OK(drip_features_create(s, &m->base.features, &err), &err);
	REQUIRE_OK(drip_fitted_predict(m, batch, &out, &err), &err);
	CHECK_EQ_INT(out->rows, 3);
	CHECK_EQ_STR(drip_schema_column(out->schema, 1)->name, "odd");
	CHECK_EQ_F64(scores_of(out)[0], 0.1);
	CHECK_EQ_F64(scores_of(out)[2], 0.9);
	CHECK_EQ_INT(*(const uint8_t *)out->array.children[1]->buffers[1] & 7, 6);
	CHECK_EQ_STR(drip_fitted_score_kind(m), "rank");
	drip_batch_unref(out);
	/* a sigmoid that leaves the log-odds, but for half of the odds */
	m->base.calibration =
		(struct drip_calibration){.kind = DRIP_CALIBRATION_PLATT, .a = -1, .b = log(2)};
	CHECK_EQ_STR(drip_fitted_score_kind(m), "probability");
	REQUIRE_OK(drip_fitted_predict(m, batch, &out, &err), &err);
	CHECK(fabs(scores_of(out)[2] - 4.5 / 5.5) < 1e-12);
	drip_batch_unref(out);
	REQUIRE_OK(drip_fitted_uncalibrated(m, batch, &out, &err), &err);
	CHECK_EQ_F64(scores_of(out)[2], 0.9);
	drip_batch_unref(out);
	m->limit = 9;
	CHECK_EQ_INT(drip_fitted_predict(m, batch, &out, &err), -ERANGE);
	CHECK_EQ_STR(err.code, "test.limit");
	drip_batch_unref(batch);
	drip_fitted_finish(&m->base);
	free(m);
	drip_schema_unref(s);
}

#define CALIBRATED 6000

/* A plain generator of the test's own. */
static double unit(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (double)(*state >> 11) * 0x1.0p-53;
}

TEST(calibrates)
{
	static double scores[CALIBRATED], labels[CALIBRATED];
	struct drip_error err = DRIP_ERROR_INIT;
	uint64_t state = 7;

	for (int i = 0; i < CALIBRATED; i++) { /* the truth is the square of what is said */
		scores[i] = 0.001 + 0.998 * unit(&state);
		labels[i] = unit(&state) < scores[i] * scores[i];
	}
	for (int kind = DRIP_CALIBRATION_PLATT; kind <= DRIP_CALIBRATION_ISOTONIC; kind++) {
		struct drip_calibration c;
		double worst = 0, last = 0;

		REQUIRE_OK(drip_calibration_fit(&c, (enum drip_calibration_kind)kind, scores,
						labels, CALIBRATED, &err),
			   &err);
		for (double s = 0.05; s < 0.96; s += 0.05) {
			double p = drip_calibration_apply(&c, s), off = fabs(p - s * s);

			CHECK(p >= last);
			last = p;
			worst = off > worst ? off : worst;
		}
		CHECK(worst < 0.1);
		drip_calibration_finish(&c);
	}
}

TEST(does_not_turn_an_order_around)
{
	static const double scores[] = {0.1, 0.2, 0.8, 0.9}, labels[] = {1, 1, 0, 0};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_calibration c;

	REQUIRE_OK(drip_calibration_fit(&c, DRIP_CALIBRATION_PLATT, scores, labels, 4, &err), &err);
	CHECK_EQ_INT(c.kind, DRIP_CALIBRATION_NONE);
	CHECK_EQ_F64(drip_calibration_apply(&c, 0.2), 0.2);
	drip_calibration_finish(&c);
}

TEST(knows_the_formats_of_a_model)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_artifact_reader r;
	struct drip_text t = {0};
	uint32_t format = 0;

	drip_artifact_begin(&t, "thing 2");
	drip_artifact_put_u32(&t, 7);
	REQUIRE_OK(drip_artifact_end(&t, &err), &err);
	REQUIRE_OK(drip_artifact_open_format("thing", 2, t.data, t.size, &r, &format, &err), &err);
	CHECK_EQ_INT(format, 2);
	CHECK_EQ_INT(drip_artifact_u32(&r), 7);
	CHECK_EQ_INT(drip_artifact_open_format("thing", 1, t.data, t.size, &r, &format, &err),
		     -EINVAL);
	CHECK_CONTAINS(err.message, "newer version");
	CHECK_EQ_INT(drip_artifact_open_format("thin", 9, t.data, t.size, &r, &format, &err),
		     -EINVAL);
	CHECK_CONTAINS(err.message, "another kind");
	CHECK_EQ_INT(drip_artifact_open_format("thing", 2, t.data, 4, &r, &format, &err), -EINVAL);
	drip_text_finish(&t);
}

TEST_MAIN()
