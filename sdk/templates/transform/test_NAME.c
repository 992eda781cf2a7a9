/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `PLUGIN-NAME`. */
#include <dripline/check.h>
#include <dripline/test.h>

#include <errno.h>

TEST(adds_the_column)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, price decimal(9,2)");
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "PLUGIN-NAME",
				     DRIP_OPTIONS("column", "origin", "value", "web"), &i, &err),
		   &err);
	REQUIRE_OK(drip_harness_process(i, drip_test_batch(s, "i|1|2.50\nd|2|1.00\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "shop.orders\ni|1|2.50|web\nd|2|1.00|web\n");
	drip_harness_close(i);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST(refuses_a_column_that_exists)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, origin utf8");
	struct drip_negotiated n;
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_bind(h, DRIP_KIND_TRANSFORM, "PLUGIN-NAME",
				     DRIP_OPTIONS("column", "origin"), &i, &err),
		   &err);
	CHECK_EQ_INT(drip_harness_negotiate(i, s, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "PLUGIN_ID.column_exists");
	CHECK_EQ_STR(err.option, "column");
	drip_harness_close(i);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST_MAIN()
