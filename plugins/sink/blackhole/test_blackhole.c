/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the sink `blackhole`. */
#include <dripline/check.h>
#include <dripline/test.h>

TEST(counts_what_is_committed)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "id int64 restricted");
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_instance *sink;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *mark;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "blackhole", NULL, &sink, &err), &err);
	CHECK_EQ_INT(sink->component->clearance, DRIP_CLASS_RESTRICTED);
	CHECK_OK(drip_harness_negotiate(sink, s, &n, &err), &err);
	CHECK(drip_schema_equal(n.output, s));
	drip_harness_negotiated_finish(&n);
	CHECK_OK(drip_harness_write(sink, drip_test_batch(s, "i|1\ni|2\n"), &err), &err);
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &mark, &err), &err);
	CHECK_OK(drip_harness_write(sink, mark, &err), &err);
	CHECK_EQ_F64(drip_harness_metric(h, "rows_total"), 0);
	CHECK_OK(drip_harness_commit(sink, NULL, &err), &err);
	CHECK_EQ_F64(drip_harness_metric(h, "rows_total"), 2);
	CHECK(drip_harness_metric(h, "bytes_total") >= 16);
	CHECK_OK(drip_harness_write(sink, drip_test_batch(s, "i|3\n"), &err), &err);
	CHECK_OK(drip_harness_abort(sink, &err), &err);
	CHECK_OK(drip_harness_commit(sink, NULL, &err), &err);
	CHECK_EQ_F64(drip_harness_metric(h, "rows_total"), 2);
	drip_harness_close(sink);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST_MAIN()
