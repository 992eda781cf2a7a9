/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the feed `PLUGIN-NAME`. */
#include <dripline/check.h>
#include <dripline/feed.h>
#include <dripline/test.h>

TEST(promises_and_cleanses_orders)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *schema = drip_test_schema("shop.orders", "id int64 key");
	struct drip_batch *batch = drip_test_batch(schema, "i|1\n"), *out = NULL;
	const struct drip_contract *contract = NULL;
	const struct drip_feed_ops *ops;
	struct drip_instance *i;
	char *text;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_FEED, "PLUGIN-NAME", NULL, &i, &err), &err);
	ops = i->component->ops;
	REQUIRE_OK(ops->contract(&i->ctx, i->config, &contract, &err), &err);
	REQUIRE_EQ_INT(contract->tables_count, 1);
	CHECK_EQ_STR(contract->tables[0].match, "*.orders");
	CHECK_EQ_INT(contract->tables[0].rules_count, 2);
	CHECK_EQ_INT(drip_schema_column(contract->tables[0].schema, 0)->type, DRIP_TYPE_UTF8);
	REQUIRE_OK(ops->cleanse(i->self, batch, contract->tables[0].schema, &out, &err), &err);
	text = drip_test_batch_text(out);
	CHECK_EQ_STR(text, "\ni|1\n");
	free(text);
	drip_batch_unref(out);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	contract->release(contract);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
