/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `drop`. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *stage;
static struct drip_error err;

static void begin(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "drop", options, &stage, &err), &err);
}

static void finish(void)
{
	drip_harness_close(stage);
	drip_harness_destroy(h);
}

static void leaves(const char *const *options, const char *expect)
{
	struct drip_schema *s =
		drip_test_schema("d.t", "id int64 key, a bool null, b utf8 null, ab decimal(9,2)");
	struct drip_batch *whole =
		drip_test_batch(s, "i|0|true|no|0\ni|1|true|x|1.50\nd|2|NULL|NULL|2.50\n");
	struct drip_batch *part;

	begin(options);
	CHECK_OK(drip_batch_slice(whole, 1, 2, &part, &err), &err);
	drip_batch_unref(whole);
	CHECK_OK(drip_harness_process(stage, part, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), expect);
	finish();
	drip_schema_unref(s);
}

TEST(leaves_columns_out)
{
	leaves(DRIP_OPTIONS("columns", "b"), "d.t\ni|1|true|1.50\nd|2|NULL|2.50\n");
	leaves(DRIP_OPTIONS("columns", "a*"), "d.t\ni|1|x\nd|2|NULL\n");
	leaves(DRIP_OPTIONS("columns", "no*such"), "d.t\ni|1|true|x|1.50\nd|2|NULL|NULL|2.50\n");
	leaves(DRIP_OPTIONS("keep", "id", "keep", "?b"), "d.t\ni|1|1.50\nd|2|2.50\n");
}

TEST(leaves_tables_out_but_moves_the_position)
{
	struct drip_schema *s = drip_test_schema("d.t", "id int64 key");
	struct drip_batch *batch = drip_test_batch(s, "i|1\ni|2\n");

	begin(DRIP_OPTIONS("tables", "d.t*", "tables", "x"));
	batch->position = drip_test_position(3);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "MARK\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 2);
	CHECK_EQ_STR(drip_harness_batch(h, 0)->position.text, drip_test_position(3).text);
	finish();
	leaves(DRIP_OPTIONS("keep_tables", "other"), "MARK\n");
	leaves(DRIP_OPTIONS("keep_tables", "T", "columns", "a*"), "d.t\ni|1|x\nd|2|NULL\n");
	drip_schema_unref(s);
}

TEST(gives_the_key_up_where_allowed)
{
	struct drip_schema *s = drip_test_schema("t", "a int64 key, b int64 key, c int64");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(DRIP_OPTIONS("columns", "a", "allow_key", "true"));
	CHECK_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	CHECK_EQ_INT(n.output->columns_count, 2);
	CHECK_EQ_INT(n.output->keys_count, 0);
	drip_harness_negotiated_finish(&n);
	finish();
	drip_schema_unref(s);
}

TEST(drops_tables_in_negotiation)
{
	struct drip_schema *s = drip_test_schema("t", "a int64 key");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(DRIP_OPTIONS("tables", "t"));
	CHECK_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	CHECK_NULL(n.output);
	drip_harness_negotiated_finish(&n);
	finish();
	drip_schema_unref(s);
}

TEST(passes_control_batches)
{
	struct drip_schema *s = drip_test_schema("t", "a int64 key, b int64");
	struct drip_batch *batch;

	begin(DRIP_OPTIONS("columns", "b"));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_SCHEMA, s, &batch, &err), &err);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->schema->columns_count, 1);
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, &err), &err);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "SCHEMA t\nMARK\n");
	finish();
	drip_schema_unref(s);
}

static void refuses(const char *const *options, const char *code, const char *option)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, a int64");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(options);
	CHECK(drip_harness_negotiate(stage, s, &n, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	finish();
	drip_schema_unref(s);
}

TEST(refuses_what_cannot_be_left_out)
{
	refuses(DRIP_OPTIONS("columns", "a", "columns", "b"), "drop.no_column", "columns[1]");
	refuses(DRIP_OPTIONS("columns", "id"), "drop.key", "columns");
	refuses(DRIP_OPTIONS("keep", "a"), "drop.key", "keep");
	refuses(DRIP_OPTIONS("columns", "*", "allow_key", "true"), "drop.all_columns", "columns");
}

TEST_MAIN()
