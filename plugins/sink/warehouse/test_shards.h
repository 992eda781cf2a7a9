/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_warehouse.c: several tables in one target, their first loads, and a truncate of one.
 */
#ifndef DRIPLINE_WAREHOUSE_TEST_SHARDS_H
#define DRIPLINE_WAREHOUSE_TEST_SHARDS_H

TEST(shards_go_into_one_table)
{
	struct drip_schema *a = drip_test_schema("shop.orders_202601", ORDERS);
	struct drip_schema *b = drip_test_schema("shop.orders_202602", ORDERS);

	setup(DRIP_OPTIONS("connection", "dwh", "tables[0].match", "orders_*", "tables[0].as",
			   "orders", "tables[0].mode", "mirror", "on_truncate", "keep"));
	write_rows(a, "r|1|new|1.00\n", 0, true);
	write_rows(b, "r|2|new|2.00\n", 0, true);
	write_rows(a, "u|1|paid|1.00\n", 5, false);
	commit(1);
	CHECK_QUERY("FROM orders ORDER BY id", "1|paid|1.00\n2|new|2.00\n");
	write_control(DRIP_BATCH_TRUNCATE, a, 5);
	commit(2);
	CHECK_QUERY("SELECT count(*) FROM orders", "2\n");
	CHECK(drip_harness_logged(h, "truncated"));
	teardown();
	drip_schema_unref(a);
	drip_schema_unref(b);
}

/* What comes by way of the stage has false in _deleted, what went straight in has null. */
static void load_shards(const char *columns, const char *one, const char *two, const char *three,
			const char *want)
{
	struct drip_schema *a = drip_test_schema("shop.o_1", columns);
	struct drip_schema *b = drip_test_schema("shop.o_2", columns);

	setup(DRIP_OPTIONS("connection", "dwh", "deletes", "soft", "tables[0].match", "o_*",
			   "tables[0].as", "o"));
	write_rows(a, one, 0, true);
	write_rows(b, two, 0, true);
	write_rows(a, three, 0, true);
	commit(1);
	CHECK_QUERY("SELECT id, name, _deleted FROM o ORDER BY id", want);
	teardown();
	drip_schema_unref(a);
	drip_schema_unref(b);
}

TEST(first_loads_of_shards_need_no_stage_while_they_share_no_key)
{
	static const char numbers[] = "id int64 key, name utf8 null";
	static const char smaller[] = "id int32 key, name utf8 null";
	static const char texts[] = "id utf8 key, name utf8 null";
	static const char times[] = "id timestamp key, name utf8 null";
	char line[128], want[160];

	load_shards(numbers, "r|1|a\nr|9|b\n", "r|20|c\nr|10|d\n", "r|3|e\n",
		    "1|a|NULL\n3|e|NULL\n9|b|NULL\n10|d|NULL\n20|c|NULL\n");
	load_shards(smaller, "r|9|a\n", "r|-2|b\n", "r|-1|c\n", "-2|b|NULL\n-1|c|NULL\n9|a|NULL\n");
	/* numbers as text: 9 comes before 10 */
	load_shards(texts, "r|8|a\nr|9|b\n", "r|10|c\nr|11|d\n", "r|7|e\n",
		    "10|c|NULL\n11|d|NULL\n7|e|NULL\n8|a|NULL\n9|b|NULL\n");
	/* the later row of a key counts, and ranges that meet may hide one */
	load_shards(numbers, "r|1|a\nr|2|b\n", "r|2|c\nr|3|d\n", "r|0|e\n",
		    "0|e|false\n1|a|NULL\n2|c|false\n3|d|false\n");
	load_shards(numbers, "r|1|a\n", "r|5|c\n", "r|9|e\n", "1|a|NULL\n5|c|NULL\n9|e|false\n");
	load_shards(texts, "r|x|a\n", "r|x|c\n", "r|y|d\n", "x|c|false\ny|d|false\n");
	/* keys without a range */
	load_shards(times, "r|2026-01-01T00:00:00|a\n", "r|2026-02-01T00:00:00|b\n", "",
		    "2026-01-01T00:00:00|a|NULL\n2026-02-01T00:00:00|b|false\n");
	memset(line, 'k', 65);
	memcpy(line + 65, "|b\n", 4);
	memcpy(want, "a|a|NULL\n", 9);
	memcpy(want + 9, line, 65);
	memcpy(want + 74, "|b|false\n", 10);
	memmove(line + 2, line, 69);
	memcpy(line, "r|", 2);
	load_shards(texts, "r|a|a\n", line, "", want);
}

/* The sink anew, as after a restart, over the same database. */
static void reopen(const char *const *options)
{
	drip_harness_close(sink);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "warehouse", options, &sink, &err), &err);
}

#define SHARDS                                                                                     \
	"connection", "dwh", "tables[0].match", "orders_*", "tables[0].as", "orders", "deletes",   \
		"soft", "sequence", "true"

/* The rows of the shard that is truncated go, also where it is the first that is heard of. */
TEST(a_truncated_shard_takes_its_rows_along)
{
	struct drip_schema *a = drip_test_schema("shop.orders_202601", ORDERS);
	struct drip_schema *b = drip_test_schema("shop.orders_202602", ORDERS);

	setup(DRIP_OPTIONS(SHARDS, "source_column", "_source"));
	write_rows(a, "r|1|new|1.00\nr|2|new|2.00\n", 0, true);
	write_rows(b, "r|3|new|3.00\n", 0, true);
	commit(1);
	reopen(DRIP_OPTIONS(SHARDS, "source_column", "_source"));
	write_control(DRIP_BATCH_TRUNCATE, a, 5);
	write_rows(a, "i|2|again|4.00\n", 6, false);
	commit(2);
	CHECK_QUERY("SELECT id, status, coalesce(_deleted, false), _source FROM orders ORDER BY id",
		    "1|new|true|shop.orders_202601\n2|again|false|shop.orders_202601\n"
		    "3|new|false|shop.orders_202602\n");
	teardown();
	drip_schema_unref(a);
	drip_schema_unref(b);
}

/* Nothing says which rows are meant: not all of them go, and not in silence. */
TEST(a_truncated_shard_without_a_mark_stops)
{
	struct drip_schema *a = drip_test_schema("shop.orders_202601", ORDERS);
	struct drip_batch *batch = NULL;

	setup(DRIP_OPTIONS(SHARDS));
	write_rows(a, "r|1|new|1.00\n", 0, true);
	commit(1);
	reopen(DRIP_OPTIONS(SHARDS));
	REQUIRE_OK(drip_batch_create_control(DRIP_BATCH_TRUNCATE, a, &batch, &err), &err);
	CHECK_EQ_INT(drip_harness_write(sink, batch, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "warehouse.shared_truncate");
	CHECK_QUERY("SELECT count(*) FROM orders WHERE _deleted", "0\n");
	teardown();
	drip_schema_unref(a);
}

#endif
