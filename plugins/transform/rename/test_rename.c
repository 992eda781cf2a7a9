/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `rename`. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *stage;
static struct drip_error err;

static void begin(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "rename", options, &stage, &err),
		   &err);
}

static void finish(void)
{
	drip_harness_close(stage);
	drip_harness_destroy(h);
}

static void renames(const char *pattern, const char *name, const char *table, const char *expect)
{
	struct drip_schema *s = drip_test_schema(table, "id int64 key");
	char option[80], line[120];

	snprintf(option, sizeof(option), "tables.%s", pattern);
	snprintf(line, sizeof(line), "%s\ni|1\n", expect);
	begin(DRIP_OPTIONS(option, name));
	CHECK_OK(drip_harness_process(stage, drip_test_batch(s, "i|1\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), line);
	finish();
	drip_schema_unref(s);
}

TEST(renames_tables_by_pattern)
{
	renames("t_order_m_*", "t_order", "d.t_order_m_202401", "d.t_order");
	renames("T_ORDER_M_*", "t_order", "d.t_order_m_202401", "d.t_order");
	renames("t_*_m_*", "$1_of_$2", "d.t_order_m_202401", "d.order_of_202401");
	renames("*", "$$$1", "d.t", "d.$t");
	renames("shop_??_*", "$3_$1$2", "shop_nz_orders", "orders_nz");
	renames("d?.*", "all.$2", "d7.orders", "all.orders");
	renames("e.*", "x", "d.t", "d.t");
}

TEST(renames_columns_and_shares_values)
{
	struct drip_schema *s = drip_test_schema("t", "Id int64 key, Name utf8 null restricted");
	struct drip_batch *in = drip_test_batch(s, "i|1|a\nu|2|NULL\n");
	const void *buffer = in->array.children[1]->buffers[2];
	const struct drip_batch *out;
	struct drip_batch *part;

	begin(DRIP_OPTIONS("columns.name", "customer", "column_case", "lower"));
	in->position = drip_test_position(4);
	CHECK_OK(drip_batch_slice(in, 1, 1, &part, &err), &err);
	drip_batch_unref(in);
	CHECK_OK(drip_harness_process(stage, part, &err), &err);
	out = drip_harness_batch(h, 0);
	CHECK_EQ_STR(drip_harness_output(h), "t\nu|2|NULL\n");
	CHECK_EQ_STR(drip_schema_column(out->schema, 0)->name, "id");
	CHECK_EQ_STR(drip_schema_column(out->schema, 1)->name, "customer");
	CHECK_EQ_INT(drip_schema_column(out->schema, 1)->classification, DRIP_CLASS_RESTRICTED);
	CHECK_EQ_INT(out->schema->keys_count, 1);
	CHECK_EQ_PTR(out->array.children[1]->buffers[2], buffer);
	CHECK_EQ_STR(out->position.text, drip_test_position(4).text);
	finish();
	drip_schema_unref(s);
}

TEST(renames_control_batches)
{
	struct drip_schema *s = drip_test_schema("t_1", "id int64");
	struct drip_batch *batch;

	begin(DRIP_OPTIONS("tables.t_*", "t"));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_TRUNCATE, s, &batch, &err), &err);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, &err), &err);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "TRUNCATE t\nMARK\n");
	finish();
	drip_schema_unref(s);
}

TEST(negotiates_names_and_lineage)
{
	struct drip_schema *s = drip_test_schema("t", "a int64, b utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(DRIP_OPTIONS("columns.a", "b", "columns.b", "a"));
	CHECK_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	CHECK_EQ_STR(drip_schema_column(n.output, 0)->name, "b");
	CHECK_EQ_STR(drip_schema_column(n.output, 1)->name, "a");
	REQUIRE(n.edges_count == 2);
	CHECK_EQ_INT(n.edges[1].input, 1);
	CHECK_EQ_INT(n.edges[1].kind, DRIP_LINEAGE_IDENTITY);
	drip_harness_negotiated_finish(&n);
	finish();
	drip_schema_unref(s);
}

static void refuses(const char *const *options, const char *code, const char *option)
{
	struct drip_schema *s = drip_test_schema("d.t", "a int64, b utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(options);
	CHECK(drip_harness_negotiate(stage, s, &n, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	CHECK(drip_harness_process(stage, drip_test_batch(s, "i|1|x\n"), &err) < 0);
	finish();
	drip_schema_unref(s);
}

/* Where no schema is known. */
static void refuses_options(const char *const *options, const char *code, const char *option)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "rename", options, &stage, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	drip_harness_destroy(h);
}

TEST(refuses_names_that_cannot_be)
{
	refuses(DRIP_OPTIONS("columns.c", "d"), "rename.no_column", "columns.c");
	refuses(DRIP_OPTIONS("columns.a", "b"), "rename.duplicate_column", "columns");
	refuses_options(DRIP_OPTIONS("columns.a", ""), "rename.bad_column_name", "columns.a");
	refuses_options(DRIP_OPTIONS("columns.a", "x", "columns.b", "x"), "rename.duplicate_column",
			"columns.b");
	refuses(DRIP_OPTIONS("tables.*", "x$2"), "rename.bad_table_name", "tables.*");
	refuses(DRIP_OPTIONS("tables.t", ""), "rename.bad_table_name", "tables.t");
	refuses(DRIP_OPTIONS("tables.t", "x."), "rename.bad_table_name", "tables.t");
}

TEST_MAIN()
