/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `filter`, against the DuckDB of the build. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *filter;
static struct drip_error err;

static void open_filter(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "filter", options, &filter, &err),
		   &err);
}

static void close_filter(void)
{
	drip_harness_close(filter);
	drip_harness_destroy(h);
}

static void process(const struct drip_schema *schema, const char *rows)
{
	CHECK_OK(drip_harness_process(filter, drip_test_batch(schema, rows), &err), &err);
}

TEST(passes_true_and_not_null)
{
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, price int32 null");

	open_filter(DRIP_OPTIONS("where", "price > 2 -- dear ones"));
	process(s, "r|1|3\nr|2|1\nr|3|NULL\ni|4|9\n");
	CHECK_EQ_STR(drip_harness_output(h), "shop.orders\nr|1|3\ni|4|9\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 2);
	close_filter();
	drip_schema_unref(s);
}

TEST(moves_the_position_where_nothing_passes)
{
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key");
	struct drip_batch *batch = drip_test_batch(s, "r|1\n");

	open_filter(DRIP_OPTIONS("where", "false"));
	batch->position = drip_test_position(7);
	CHECK_OK(drip_harness_process(filter, batch, &err), &err);
	REQUIRE(drip_harness_batches_count(h) == 1);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->kind, DRIP_BATCH_MARK);
	CHECK_EQ_STR(drip_harness_batch(h, 0)->position.text, drip_test_position(7).text);
	CHECK(drip_harness_batch(h, 0)->boundary);
	close_filter();
	drip_schema_unref(s);
}

TEST(keeps_mirrors_right)
{
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, paid bool null");

	open_filter(DRIP_OPTIONS("where", "paid"));
	process(s, "u|1|true\nu|2|false\nd|3|false\nd|4|NULL\nu|5|NULL\n");
	CHECK_EQ_STR(drip_harness_output(h),
		     "shop.orders\nu|1|true\nd|2|false\nd|3|false\nd|4|NULL\nd|5|NULL\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 0);
	drip_harness_clear(h);
	process(s, "u|1|false\nu|2|false\n");
	CHECK_EQ_STR(drip_harness_output(h), "shop.orders\nd|1|false\nd|2|false\n");
	close_filter();
	drip_schema_unref(s);
}

TEST(turns_before_rows_into_deletes)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n int32");

	open_filter(DRIP_OPTIONS("where", "n > 0"));
	process(s, "b|1|5\nu|1|-1\nb|2|-5\nu|2|6\nb|3|1\nu|3|2\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\nd|1|5\nb|2|-5\nu|2|6\nb|3|1\nu|3|2\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	close_filter();
	drip_schema_unref(s);
}

TEST(drops_updates_and_deletes_where_asked)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n int32");

	open_filter(DRIP_OPTIONS("where", "n > 0", "updates", "drop", "deletes", "filter"));
	process(s, "u|1|-1\nd|2|-1\nd|3|1\nb|4|1\nu|4|-1\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\nd|3|1\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 4);
	close_filter();
	drip_schema_unref(s);
}

TEST(rejects_only_the_rows_that_fail)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n utf8");

	open_filter(DRIP_OPTIONS("where", "n::int > 1"));
	process(s, "i|1|5\ni|2|x\ni|3|1\ni|4|7\ni|5|y\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|5\ni|4|7\n");
	REQUIRE(drip_harness_rejects_count(h) == 2);
	CHECK_EQ_STR(drip_harness_reject(h, 1, NULL)->option, "where");
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	drip_harness_set_reject_stops(h, true);
	CHECK(drip_harness_process(filter, drip_test_batch(s, "i|1|z\n"), &err) < 0);
	close_filter();
	drip_schema_unref(s);
}

TEST(handles_slices_and_several_tables)
{
	struct drip_schema *a = drip_test_schema("a", "id int64 key, name utf8 null, ok bool");
	struct drip_schema *b = drip_test_schema("b", "ok bool, id int32");
	struct drip_batch *whole =
		drip_test_batch(a, "r|1|x|true\nr|2|y|true\nr|3|NULL|false\nr|4|z|true\n");
	struct drip_batch *part;

	open_filter(DRIP_OPTIONS("where", "ok"));
	for (int round = 0; round < 3; round++) {
		drip_harness_clear(h);
		CHECK_OK(drip_batch_slice(whole, 1, 3, &part, &err), &err);
		CHECK_OK(drip_harness_process(filter, part, &err), &err);
		process(b, "r|true|1\nr|false|2\n");
		CHECK_EQ_STR(drip_harness_output(h), "a\nr|2|y|true\nr|4|z|true\nb\nr|true|1\n");
	}
	drip_batch_unref(whole);
	close_filter();
	drip_schema_unref(a);
	drip_schema_unref(b);
}

TEST(passes_control_batches)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_batch *batch;

	open_filter(DRIP_OPTIONS("where", "id > 1"));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_TRUNCATE, s, &batch, &err), &err);
	CHECK_OK(drip_harness_process(filter, batch, &err), &err);
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, &err), &err);
	CHECK_OK(drip_harness_process(filter, batch, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "TRUNCATE t\nMARK\n");
	close_filter();
	drip_schema_unref(s);
}

TEST(negotiates_types_and_lineage)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, a int32 restricted, b utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	int influences = 0;

	open_filter(DRIP_OPTIONS("where", "a > 1"));
	CHECK_OK(drip_harness_negotiate(filter, s, &n, &err), &err);
	CHECK(drip_schema_equal(n.output, s));
	for (uint32_t i = 0; i < n.edges_count; i++) {
		if (n.edges[i].kind == DRIP_LINEAGE_INFLUENCE) {
			influences++;
			CHECK_EQ_INT(n.edges[i].input, 1);
		} else {
			CHECK_EQ_INT(n.edges[i].input, n.edges[i].output);
		}
	}
	CHECK_EQ_INT(influences, 3);
	drip_harness_negotiated_finish(&n);
	close_filter();
	drip_schema_unref(s);
}

static void refuses(const char *where, const char *code)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, a int32");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	open_filter(DRIP_OPTIONS("where", where));
	CHECK(drip_harness_negotiate(filter, s, &n, &err) < 0);
	CHECK_EQ_STR(err.option, "where");
	if (code != NULL) {
		CHECK_EQ_STR(err.code, code);
	}
	close_filter();
	drip_schema_unref(s);
}

/* Where no schema is known. */
static void refuses_options(const char *const *options, const char *code, const char *option)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "filter", options, &filter, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	drip_harness_destroy(h);
}

TEST(refuses_what_cannot_be_evaluated)
{
	refuses("a + 1", "filter.not_boolean");
	refuses("nosuch > 1", NULL);
	refuses("sum(a) > 1", NULL);
	refuses("a > 1) OR (b", NULL);
	refuses_options(DRIP_OPTIONS("where", "a >"), "duckdb.syntax", "where");
	refuses_options(DRIP_OPTIONS("where", "a; b"), "duckdb.syntax", "where");
}

TEST_MAIN()
