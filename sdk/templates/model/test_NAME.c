/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the model `PLUGIN-NAME`: train, load, predict. */
#include <dripline/check.h>
#include <dripline/test.h>

#include <errno.h>

/* A stream of one batch's rows. */
struct stream {
	struct drip_batch *batch;
	bool done;
};

static int next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
	struct stream *s = stream->private_data;

	memset(out, 0, sizeof(*out));
	if (!s->done) {
		*out = s->batch->array; /* moved: the batch has none any more */
		s->batch->array.release = NULL;
		s->done = true;
	}
	return 0;
}

static const char *last_error(struct ArrowArrayStream *stream)
{
	return NULL;
}

TEST(predicts_the_mean)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "x int64, y float64 null");
	struct stream rows = {.batch = drip_test_batch(s, "r|1|2\nr|2|4\nr|3|NULL\n")};
	struct ArrowArrayStream data = {
		.get_next = next, .get_last_error = last_error, .private_data = &rows};
	struct drip_batch *features = drip_test_batch(s, "r|9|NULL\n"), *predictions = NULL;
	const struct drip_model_ops *ops;
	struct drip_instance *i;
	char *metrics = NULL, *text;
	void *artifact = NULL;
	size_t size = 0;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_MODEL, "PLUGIN-NAME", NULL, &i, &err), &err);
	ops = i->component->ops;
	CHECK_EQ_INT(ops->predict(i->self, features, &predictions, &err), -EINVAL);
	REQUIRE_OK(ops->fit(i->self, &data, s, &artifact, &size, &metrics, &err), &err);
	CHECK_EQ_STR(metrics, "{\"rows\":2}");
	REQUIRE_OK(ops->load(i->self, artifact, size, &err), &err);
	REQUIRE_OK(ops->predict(i->self, features, &predictions, &err), &err);
	text = drip_test_batch_text(predictions);
	CHECK_EQ_STR(text, "predictions\nr|3\n");
	free(text);
	free(metrics);
	free(artifact);
	drip_batch_unref(predictions);
	drip_batch_unref(features);
	drip_batch_unref(rows.batch);
	drip_schema_unref(s);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
