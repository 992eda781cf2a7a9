/* SPDX-License-Identifier: Apache-2.0 */
/* The transform `sql`: shapes of queries, ops, schemas, classes, lineage, rows that cannot be
 * computed. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *stage;
static struct drip_error err = DRIP_ERROR_INIT;

#define ORDERS "id int64 key, phone utf8 null restricted, amount decimal(9,2) null internal"

static void setup(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "sql", options, &stage, &err), &err);
}

static void teardown(void)
{
	drip_harness_close(stage);
	drip_harness_destroy(h);
}

static void process(const struct drip_schema *s, const char *rows)
{
	REQUIRE_OK(drip_harness_process(stage, drip_test_batch(s, rows), &err), &err);
}

TEST(rows_keep_their_ops)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	setup(DRIP_OPTIONS(
		"sql",
		"SELECT id, amount * 2 AS twice FROM input WHERE amount > 1 -- no small ones"));
	process(s, "i|1|555|1.00\nu|2|556|2.00\nd|3|557|3.00\nb|4|x|4.00\nu|4|x|5.00\n");
	CHECK_EQ_STR(drip_harness_output(h),
		     "shop.orders\nu|2|4.00\nd|3|6.00\nb|4|8.00\nu|4|10.00\n");
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	drip_harness_clear(h);
	/* Nothing left: a mark moves the position. */
	process(s, "i|1|555|1.00\n");
	CHECK_EQ_STR(drip_harness_output(h), "MARK\n");
	CHECK(drip_harness_batch(h, 0)->boundary);
	teardown();
	drip_schema_unref(s);
}

TEST(stars_joins_and_common_tables_work)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	setup(DRIP_OPTIONS("sql", "WITH big AS (SELECT * FROM input WHERE amount >= 2) SELECT b.*, "
				  "n.label FROM big b "
				  "JOIN (VALUES (2, 'two'), (3, 'three')) n(id, label) USING (id) "
				  "ORDER BY id DESC;"));
	process(s, "i|1|a|1.00\nu|2|b|2.00\nd|3|c|3.00\n");
	CHECK_EQ_STR(drip_harness_output(h), "shop.orders\nd|3|c|3.00|three\nu|2|b|2.00|two\n");
	teardown();
	drip_schema_unref(s);
}

TEST(groups_yield_new_rows)
{
	static const char nested[] =
		"SELECT phone, total FROM (SELECT phone, sum(amount) AS total FROM "
		"input GROUP BY 1) ORDER BY 1";
	static const char *const queries[] = {
		"SELECT phone, sum(amount) AS total FROM input GROUP BY phone ORDER BY phone",
		"SELECT phone, sum(amount) AS total FROM input GROUP BY ALL ORDER BY ALL",
		nested,
	};
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	for (size_t i = 0; i < DRIP_COUNT(queries); i++) {
		setup(DRIP_OPTIONS("sql", queries[i], "table", "totals", "key", "phone"));
		process(s, "i|1|a|1.00\nu|2|a|2.00\nd|3|a|9.00\ni|4|b|4.00\n");
		CHECK_EQ_STR(drip_harness_output(h), "shop.totals\ni|a|3.00\ni|b|4.00\n");
		CHECK_EQ_INT(drip_harness_filtered(h), 2);
		CHECK_EQ_INT(drip_harness_batch(h, 0)->schema->keys_count, 1);
		teardown();
	}
	setup(DRIP_OPTIONS("sql", "SELECT DISTINCT phone FROM input"));
	process(s, "r|1|a|1.00\nr|2|a|2.00\n");
	CHECK_EQ_STR(drip_harness_output(h), "shop.orders\nr|a\n");
	teardown();
	drip_schema_unref(s);
}

TEST(negotiation_never_lowers_a_class)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	bool found = false;

	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(
		drip_harness_bind(
			h, DRIP_KIND_TRANSFORM, "sql",
			DRIP_OPTIONS("sql", "SELECT id, right(phone, 4) AS tail, amount + id AS x "
					    "FROM input"),
			&stage, &err),
		&err);
	REQUIRE_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	CHECK_EQ_INT(n.output->columns_count, 3);
	CHECK_EQ_INT(n.output->keys_count, 1);
	CHECK_EQ_INT(drip_schema_column(n.output, 0)->classification, DRIP_CLASS_PUBLIC);
	CHECK_EQ_INT(drip_schema_column(n.output, 1)->classification, DRIP_CLASS_RESTRICTED);
	CHECK_EQ_INT(drip_schema_column(n.output, 2)->classification, DRIP_CLASS_INTERNAL);
	for (uint32_t i = 0; i < n.edges_count; i++) {
		CHECK(n.edges[i].output < 3 && n.edges[i].input < 3);
		found |= n.edges[i].output == 1 && n.edges[i].input == 1 &&
			 n.edges[i].kind == DRIP_LINEAGE_TRANSFORMATION;
	}
	CHECK(found);
	drip_harness_negotiated_finish(&n);
	drip_harness_close(stage);
	/* Without its key column a row has no key. */
	REQUIRE_OK(drip_harness_bind(
			   h, DRIP_KIND_TRANSFORM, "sql",
			   DRIP_OPTIONS("sql", "SELECT amount FROM input WHERE phone IS NULL"),
			   &stage, &err),
		   &err);
	REQUIRE_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	CHECK_EQ_INT(n.output->keys_count, 0);
	CHECK_EQ_INT(drip_schema_column(n.output, 0)->classification, DRIP_CLASS_RESTRICTED);
	drip_harness_negotiated_finish(&n);
	drip_harness_close(stage);
	drip_harness_destroy(h);
	drip_schema_unref(s);
}

TEST(wrong_queries_are_refused)
{
	static const char *const queries[] = {"SELECT missing FROM input", "SELEC 1",
					      "DROP TABLE input", "SELECT 1; SELECT 2",
					      "DELETE FROM input"};
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	h = drip_harness_create(test_argv[1]);
	for (size_t i = 0; i < DRIP_COUNT(queries); i++) {
		REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_TRANSFORM, "sql",
					     DRIP_OPTIONS("sql", queries[i]), &stage, &err),
			   &err);
		CHECK_EQ_INT(drip_harness_negotiate(stage, s, &n, &err), -EINVAL);
		CHECK_EQ_STR(err.option, "sql");
		drip_harness_close(stage);
	}
	drip_harness_destroy(h);
	drip_schema_unref(s);
}

TEST(a_query_must_yield_columns_and_the_key)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_TRANSFORM, "sql",
				     DRIP_OPTIONS("sql", "SELECT __drip_row FROM input"), &stage,
				     &err),
		   &err);
	CHECK_EQ_INT(drip_harness_negotiate(stage, s, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "sql.no_columns");
	drip_harness_close(stage);
	REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_TRANSFORM, "sql",
				     DRIP_OPTIONS("sql", "SELECT id FROM input", "key", "phone"),
				     &stage, &err),
		   &err);
	CHECK_EQ_INT(drip_harness_negotiate(stage, s, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "sql.no_such_key");
	drip_harness_close(stage);
	drip_harness_destroy(h);
	drip_schema_unref(s);
}

TEST(a_row_that_cannot_be_computed_is_rejected)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n utf8 null");
	const struct drip_batch *row = NULL;

	setup(DRIP_OPTIONS("sql", "SELECT id, n::INTEGER AS n FROM input"));
	process(s, "i|1|10\nu|2|x\ni|3|30\ni|4|y\nd|5|50\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|10\ni|3|30\nd|5|50\n");
	CHECK_EQ_INT(drip_harness_rejects_count(h), 2);
	CHECK_EQ_STR(drip_harness_reject(h, 0, &row)->code, "duckdb.conversion");
	CHECK_EQ_INT(drip_harness_filtered(h), 0);
	teardown();
	setup(DRIP_OPTIONS("sql", "SELECT id, n::INTEGER AS n FROM input"));
	drip_harness_set_reject_stops(h, true);
	CHECK(drip_harness_process(stage, drip_test_batch(s, "i|1|x\n"), &err) < 0);
	teardown();
	drip_schema_unref(s);
}

TEST(control_batches_pass_under_the_new_schema)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	struct drip_batch *batch;

	setup(DRIP_OPTIONS("sql", "SELECT id FROM input", "table", "o"));
	REQUIRE_OK(drip_batch_create_control(DRIP_BATCH_TRUNCATE, s, &batch, &err), &err);
	batch->boundary = true;
	REQUIRE_OK(drip_harness_process(stage, batch, &err), &err);
	REQUIRE_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, &err), &err);
	REQUIRE_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "TRUNCATE shop.o\nMARK\n");
	CHECK(drip_harness_batch(h, 0)->boundary);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->schema->columns_count, 1);
	teardown();
	drip_schema_unref(s);
}

TEST_MAIN()
