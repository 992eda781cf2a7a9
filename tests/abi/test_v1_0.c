/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin of ABI 1.0 in today's host. */
#include "lib/test.h"

#include <dripline/test.h>

TEST(sink_of_1_0)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_position at = drip_test_position(1);
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "v1-0",
				     DRIP_OPTIONS("limit", "7", "names", "a", "names", "b"), &i,
				     &err),
		   &err);
	REQUIRE_OK(drip_harness_write(i, drip_test_batch(s, "i|1\ni|2\n"), &err), &err);
	REQUIRE_OK(drip_harness_commit(i, &at, &err), &err);
	CHECK_EQ_F64(drip_harness_metric(h, "rows_total"), 2);
	CHECK_EQ_F64(drip_harness_metric(h, "epoch"), 1);
	CHECK_EQ_F64(drip_harness_metric(h, "limit"), 7);
	CHECK_EQ_F64(drip_harness_metric(h, "mode"), 2);
	CHECK_EQ_F64(drip_harness_metric(h, "names"), 2);
	drip_harness_close(i);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST(transform_of_1_0)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_negotiated n;
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "v1-0", NULL, &i, &err), &err);
	REQUIRE_OK(drip_harness_negotiate(i, s, &n, &err), &err);
	CHECK(drip_schema_equal(n.output, s));
	drip_harness_negotiated_finish(&n);
	REQUIRE_OK(drip_harness_process(i, drip_test_batch(s, "u|1\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "t\nu|1\n");
	drip_harness_close(i);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST_MAIN()
