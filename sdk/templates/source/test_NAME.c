/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the source `PLUGIN-NAME`: what it yields, and that it resumes. */
#include <dripline/check.h>
#include <dripline/test.h>

TEST(counts)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "PLUGIN-NAME", DRIP_OPTIONS("rows", "3"),
				     &i, &err),
		   &err);
	REQUIRE_OK(drip_harness_start(i, NULL, &err), &err);
	CHECK_EQ_INT(drip_harness_poll(i, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h), "counts\ni|1\ncounts\ni|2\ncounts\ni|3\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(resumes_behind_a_checkpoint)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_position from = drip_test_position(2);
	struct drip_instance *i;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "PLUGIN-NAME", DRIP_OPTIONS("rows", "3"),
				     &i, &err),
		   &err);
	REQUIRE_OK(drip_harness_start(i, &from, &err), &err);
	CHECK_EQ_INT(drip_harness_poll(i, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h), "counts\ni|3\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
