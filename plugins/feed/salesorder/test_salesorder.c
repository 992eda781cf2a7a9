/* SPDX-License-Identifier: Apache-2.0 */
/* The library behind feeds, by the feed `salesorder`: what it promises, and what it makes of rows.
 */
#include "lib/test.h"

#include <dripline/feed.h>
#include <dripline/test.h>
#include <errno.h>

#define ITEM                                                                                       \
	"item_id int64 key, order_id int64, spu_code utf8, product_name utf8, quantity int32, "    \
	"unit_price decimal(10,2), item_amount decimal(10,2), options json null, modify_time "     \
	"timestamp null"

static struct drip_harness *h;
static struct drip_instance *feed;
static struct drip_error err;

static void begin(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_FEED, "salesorder", options, &feed, &err), &err);
}

static void finish(void)
{
	drip_harness_close(feed);
	drip_harness_destroy(h);
}

static const struct drip_contract *contract(void)
{
	const struct drip_feed_ops *ops = feed->component->ops;
	const struct drip_contract *ret = NULL;

	REQUIRE_OK(ops->contract(&feed->ctx, feed->config, &ret, &err), &err);
	return ret;
}

TEST(promises_its_tables)
{
	const struct drip_contract *c;
	const struct drip_column *column;

	begin(NULL);
	c = contract();
	REQUIRE_EQ_INT(c->tables_count, 2);
	CHECK_EQ_STR(c->tables[0].match, "luckyus_salesorder.t_sales_order_m_*");
	CHECK_EQ_INT(c->tables[0].schema->columns_count, c->tables[0].source->columns_count + 1);
	column = drip_schema_column(c->tables[0].schema, 0);
	CHECK_EQ_STR(column->name, "order_id");
	CHECK_EQ_INT(column->type, DRIP_TYPE_UTF8);
	CHECK_EQ_INT(column->flags, DRIP_COLUMN_KEY);
	CHECK_EQ_INT(drip_schema_column(c->tables[0].source, 0)->type, DRIP_TYPE_INT64);
	CHECK_EQ_INT(drip_schema_column(c->tables[0].schema, 13)->type, DRIP_TYPE_TIMESTAMP_UTC);
	/* is_nzd_test is made of currency_code */
	CHECK_EQ_INT(c->tables[0].from[17], 7);
	c->release(c);
	finish();
}

/* One item with each of these times, cleansed. */
static void check_times(const char *rows, const char *want)
{
	const struct drip_contract *c = contract();
	const struct drip_feed_ops *ops = feed->component->ops;
	struct drip_schema *schema =
		drip_test_schema("luckyus_salesorder.t_sales_order_item_m_202601", ITEM);
	struct drip_batch *batch = drip_test_batch(schema, rows), *out = NULL;
	char *text;

	REQUIRE_OK(ops->cleanse(feed->self, batch, c->tables[1].schema, &out, &err), &err);
	text = drip_test_batch_text(out);
	CHECK_EQ_STR(text, want);
	free(text);
	drip_batch_unref(out);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	c->release(c);
}

TEST(times_become_instants)
{
	begin(NULL);
	/* winter, summer, the hour that repeats, the one that is skipped, and a zero date */
	check_times("i|1|-2|a|b|1|1.00|1.00|null|2026-01-15T12:00:00.5\n"
		    "i|2|2|a|b|1|1.00|1.00|null|2026-07-15T12:00:00\n"
		    "u|3|2|a|b|1|1.00|1.00|null|2026-11-01T01:30:00\n"
		    "d|9223372036854775807|2|a|b|1|1.00|1.00|null|2026-03-08T02:30:00\n"
		    "i|5|2|a|b|1|1.00|1.00|null|NULL\n",
		    "\n"
		    "i|1|-2|a|b|1|1.00|1.00|null|2026-01-15T17:00:00.5Z\n"
		    "i|2|2|a|b|1|1.00|1.00|null|2026-07-15T16:00:00Z\n"
		    "u|3|2|a|b|1|1.00|1.00|null|2026-11-01T05:30:00Z\n"
		    "d|9223372036854775807|2|a|b|1|1.00|1.00|null|2026-03-08T07:00:00Z\n"
		    "i|5|2|a|b|1|1.00|1.00|null|NULL\n");
	finish();
	begin(DRIP_OPTIONS("time_zone", "Pacific/Auckland"));
	check_times("i|1|2|a|b|1|1.00|1.00|null|2026-01-15T12:00:00\n",
		    "\ni|1|2|a|b|1|1.00|1.00|null|2026-01-14T23:00:00Z\n");
	finish();
}

TEST(refuses_zones_and_facts_that_cannot_be)
{
	static const struct drip_feed_column bad[] = {
		{"a", "bool", .clean = DRIP_FEED_EQUALS, .from = "nothing", .arg = "x"}};
	static const struct drip_feed_table tables[] = {DRIP_FEED_TABLE("d.t", bad)};
	static const struct drip_feed_facts facts = {.tables = tables, .tables_count = 1};
	const struct drip_contract *none = NULL;

	h = drip_harness_create(test_argv[1]);
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_FEED, "salesorder",
				       DRIP_OPTIONS("time_zone", "Nowhere/Town"), &feed, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "cron.timezone");
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_FEED, "salesorder",
				       DRIP_OPTIONS("time_zone",
						    "America/Argentina/ComodRivadaviaComodRivadavia"
						    "ComodRivadaviaComodRivadavia"),
				       &feed, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "feed.bad_zone");
	CHECK_EQ_INT(drip_feed_contract(&facts, &none, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "feed.bad_facts");
	drip_harness_destroy(h);
}

TEST_MAIN()
