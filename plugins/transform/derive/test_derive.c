/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `derive`, against the DuckDB of the build. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *derive;
static struct drip_error err;

static void open_derive(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "derive", options, &derive, &err),
		   &err);
}

static void close_derive(void)
{
	drip_harness_close(derive);
	drip_harness_destroy(h);
}

static void process(const struct drip_schema *schema, const char *rows)
{
	CHECK_OK(drip_harness_process(derive, drip_test_batch(schema, rows), &err), &err);
}

TEST(adds_and_replaces_columns)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n int32 null, name utf8");

	open_derive(DRIP_OPTIONS("columns.twice", "n * 2", "columns.name", "upper(name)",
				 "columns.four", "twice * 2"));
	process(s, "i|1|5|ab\nu|2|NULL|c\nd|3|-1|\n");
	CHECK_EQ_STR(drip_harness_output(h),
		     "t\ni|1|5|AB|10|20\nu|2|NULL|C|NULL|NULL\nd|3|-1||-2|-4\n");
	close_derive();
	drip_schema_unref(s);
}

TEST(keeps_order_and_marks_over_many_rows)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_builder b;
	struct drip_batch *batch;
	const struct drip_batch *out;
	const int64_t rows = 100000;
	int64_t wrong = 0;

	open_derive(DRIP_OPTIONS("columns.next", "id + 1", "columns.text", "'n' || id"));
	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	for (int64_t i = 0; i < rows; i++) {
		drip_append_i64(&b.columns[0], i * 3);
		drip_builder_row(&b, i % 2 ? DRIP_OP_INSERT : DRIP_OP_UPDATE);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	batch->position = drip_test_position(9);
	batch->boundary = true;
	CHECK_OK(drip_harness_process(derive, batch, &err), &err);
	REQUIRE(drip_harness_batches_count(h) == 1);
	out = drip_harness_batch(h, 0);
	CHECK_EQ_INT(out->rows, rows);
	CHECK(out->boundary);
	CHECK_EQ_STR(out->position.text, drip_test_position(9).text);
	for (int64_t i = 0; i < rows; i++) {
		struct drip_value v;

		drip_value_get(out, 1, i, &v);
		wrong += v.i != i * 3 + 1;
		wrong += drip_batch_op(out, i) != (i % 2 ? DRIP_OP_INSERT : DRIP_OP_UPDATE);
	}
	CHECK_EQ_INT(wrong, 0);
	drip_builder_finish(&b);
	close_derive();
	drip_schema_unref(s);
}

TEST(rejects_only_the_rows_that_fail)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n utf8");
	const struct drip_batch *row;

	open_derive(DRIP_OPTIONS("columns.v", "n::int"));
	process(s, "i|1|5\ni|2|x\ni|3|7\ni|4|y\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|5|5\ni|3|7|7\n");
	REQUIRE(drip_harness_rejects_count(h) == 2);
	drip_harness_reject(h, 0, &row);
	CHECK_EQ_INT(row->schema->columns_count, 2);
	drip_harness_clear(h);
	process(s, "i|1|x\n");
	CHECK_EQ_STR(drip_harness_output(h), "MARK\n");
	close_derive();
	drip_schema_unref(s);
}

TEST(negotiates_types_classes_and_lineage)
{
	struct drip_schema *s =
		drip_test_schema("t", "id int64 key, a int32 internal, p utf8 restricted");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	open_derive(DRIP_OPTIONS("columns.a", "a + 0.5", "columns.tail", "right(p, 2)",
				 "columns.one", "1"));
	CHECK_OK(drip_harness_negotiate(derive, s, &n, &err), &err);
	REQUIRE(n.output != NULL && n.output->columns_count == 5);
	CHECK_EQ_INT(drip_schema_column(n.output, 1)->type, DRIP_TYPE_DECIMAL);
	CHECK_EQ_INT(drip_schema_column(n.output, 1)->classification, DRIP_CLASS_INTERNAL);
	CHECK_EQ_STR(drip_schema_column(n.output, 3)->name, "tail");
	CHECK_EQ_INT(drip_schema_column(n.output, 3)->classification, DRIP_CLASS_RESTRICTED);
	CHECK_EQ_INT(drip_schema_column(n.output, 4)->classification, DRIP_CLASS_PUBLIC);
	CHECK_EQ_INT(n.output->keys_count, 1);
	drip_harness_negotiated_finish(&n);
	close_derive();
	drip_schema_unref(s);
}

TEST(a_derived_column_says_nothing_of_older_rows)
{
	struct drip_column a = {.struct_size = sizeof(a),
				.type = DRIP_TYPE_INT32,
				.name = "a",
				.fill = "5",
				.renamed_from = "b"};
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_schema_builder b;
	struct drip_schema *s = NULL;

	drip_schema_builder_init(&b, "", "t");
	drip_schema_builder_add(&b, &a);
	a.name = "kept";
	drip_schema_builder_add(&b, &a);
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	open_derive(DRIP_OPTIONS("columns.a", "a + 1", "columns.copy", "kept"));
	CHECK_OK(drip_harness_negotiate(derive, s, &n, &err), &err);
	REQUIRE(n.output != NULL && n.output->columns_count == 3);
	CHECK(drip_schema_column(n.output, 0)->fill == NULL);
	CHECK(drip_schema_column(n.output, 0)->renamed_from == NULL);
	CHECK_EQ_STR(drip_schema_column(n.output, 1)->fill, "5");
	CHECK_EQ_STR(drip_schema_column(n.output, 1)->renamed_from, "b");
	CHECK(drip_schema_column(n.output, 2)->fill == NULL);
	CHECK(drip_schema_column(n.output, 2)->renamed_from == NULL);
	drip_harness_negotiated_finish(&n);
	close_derive();
	drip_schema_unref(s);
}

static void refuses(const char *name, const char *expression, const char *option)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, a int32");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	open_derive(DRIP_OPTIONS("columns.fine", "a", name, expression));
	CHECK(drip_harness_negotiate(derive, s, &n, &err) < 0);
	CHECK_EQ_STR(err.option, option);
	close_derive();
	drip_schema_unref(s);
}

/* Where no schema is known. */
static void refuses_options(const char *const *options, const char *code, const char *option)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "derive", options, &derive, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	drip_harness_destroy(h);
}

TEST(refuses_with_the_expression_at_fault)
{
	refuses("columns.b", "nosuch + 1", "columns.b");
	refuses("columns.b", "sum(a)", "columns.b");
	refuses("columns.id", "a", "columns.id");
	CHECK_EQ_STR(err.code, "derive.key");
	refuses_options(DRIP_OPTIONS("columns.", "a"), "derive.bad_name", "columns");
	refuses_options(DRIP_OPTIONS("columns.fine", "a", "columns.b", "a +"), "duckdb.syntax",
			"columns.b");
}

TEST(refuses_expressions_that_lose_rows)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, a int32");

	open_derive(DRIP_OPTIONS("columns.b", "unnest(range(a))"));
	CHECK(drip_harness_process(derive, drip_test_batch(s, "i|1|2\ni|2|3\n"), &err) < 0);
	CHECK_EQ_STR(err.code, "derive.rows_lost");
	close_derive();
	drip_schema_unref(s);
}

TEST(passes_control_batches_with_the_new_schema)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_batch *batch;

	open_derive(DRIP_OPTIONS("columns.b", "id + 1"));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_SCHEMA, s, &batch, &err), &err);
	CHECK_OK(drip_harness_process(derive, batch, &err), &err);
	REQUIRE(drip_harness_batches_count(h) == 1);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->schema->columns_count, 2);
	close_derive();
	drip_schema_unref(s);
}

TEST_MAIN()
