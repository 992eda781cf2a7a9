/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the feed `PLUGIN-NAME`. */
#include <dripline/check.h>
#include <dripline/test.h>

TEST(promises_orders)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	const struct drip_contract *contract = NULL;
	const struct drip_feed_ops *ops;
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_FEED, "PLUGIN-NAME",
				     DRIP_OPTIONS("match", "shop.orders_*", "table", "all_orders"),
				     &i, &err),
		   &err);
	ops = i->component->ops;
	REQUIRE_OK(ops->contract(&i->ctx, i->config, &contract, &err), &err);
	REQUIRE_EQ_INT(contract->tables_count, 1);
	CHECK_EQ_STR(contract->tables[0].match, "shop.orders_*");
	CHECK_EQ_STR(contract->tables[0].schema->table, "all_orders");
	CHECK_EQ_INT(drip_schema_find(contract->tables[0].schema, "id"), 0);
	CHECK_EQ_UINT(contract->tables[0].schema->keys_count, 1);
	contract->release(contract);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
