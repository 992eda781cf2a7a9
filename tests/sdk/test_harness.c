/* SPDX-License-Identifier: Apache-2.0 */
/* The harness, over plugins of the tree: binding of options, what it captures, virtual time. */
#include "lib/test.h"

#include <dripline/test.h>
#include <errno.h>

TEST(binds_options)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_instance *i = NULL;

	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SOURCE, "generate", DRIP_OPTIONS("rowz", "1"),
				       &i, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "config.unknown_option");
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SOURCE, "generate", DRIP_OPTIONS("rows", "x"),
				       &i, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "config.bad_value");
	CHECK_EQ_STR(err.option, "rows");
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SOURCE, "generate",
				       DRIP_OPTIONS("columns[0].kind", "int"), &i, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "config.missing_option");
	CHECK_EQ_STR(err.option, "columns[0].name");
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SINK, "nothing", NULL, &i, &err), -ENOENT);
	drip_harness_destroy(h);
}

TEST(drives_a_source)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_instance *i = NULL;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "generate",
				     DRIP_OPTIONS("rows", "1000", "batch_rows", "100",
						  "columns[0].name", "id", "columns[0].kind",
						  "sequence", "columns[1].name", "v"),
				     &i, &err),
		   &err);
	REQUIRE_OK(drip_harness_start(i, NULL, &err), &err);
	CHECK_EQ_INT(drip_harness_poll(i, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 1000);
	CHECK_GE_INT(drip_harness_batches_count(h), 10);
	CHECK_EQ_STR(drip_schema_column(drip_harness_batch(h, 0)->schema, 1)->name, "v");
	drip_harness_clear(h);
	CHECK_EQ_INT(drip_harness_batches_count(h), 0);
	CHECK_EQ_STR(drip_harness_output(h), "");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

static uint64_t host_time(struct drip_instance *i)
{
	return i->ctx.host->now_ns(&i->ctx);
}

TEST(host_functions)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_instance *i = NULL;
	const struct drip_host *host;
	uint64_t before;
	void *value = NULL;
	size_t size = 0;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "blackhole", NULL, &i, &err), &err);
	host = i->ctx.host;
	before = host_time(i);
	drip_harness_advance(h, 5);
	CHECK_EQ_UINT(host_time(i) - before, 5000000);
	CHECK_EQ_INT(host->wait(&i->ctx, 1000), 0);
	CHECK_EQ_UINT(host_time(i) - before, 1005000000);
	drip_harness_stop(h, true);
	CHECK_EQ_INT(host->wait(&i->ctx, 1000), -ECANCELED);
	drip_log_info(&i->ctx, "hello %d", 5);
	CHECK(drip_harness_logged(h, "hello 5"));
	CHECK(!drip_harness_logged(h, "hello 6"));
	host->counter_add(&i->ctx, "a_total", 2);
	host->counter_add(&i->ctx, "a_total", 3);
	CHECK_EQ_F64(drip_harness_metric(h, "a_total"), 5);
	CHECK_EQ_INT(host->state_get(&i->ctx, "k", &value, &size, &err), -ENOENT);
	CHECK_EQ_INT(host->state_put(&i->ctx, "k", "abc", 3, &err), 0);
	REQUIRE_OK(host->state_get(&i->ctx, "k", &value, &size, &err), &err);
	CHECK_EQ_UINT(size, 3);
	CHECK_EQ_MEM(value, "abc", 3);
	free(value);
	CHECK_EQ_MEM(drip_harness_state(h, "k", NULL), "abc", 3);
	CHECK_EQ_INT(host->state_put(&i->ctx, "k", NULL, 0, &err), 0);
	CHECK_NULL(drip_harness_state(h, "k", NULL));
	drip_harness_arm(h, "x.y", 2);
	CHECK_EQ_INT(host->failpoint(&i->ctx, "x.y", &err), 0);
	CHECK_EQ_INT(host->failpoint(&i->ctx, "x.y", &err), -EIO);
	CHECK_EQ_INT(host->failpoint(&i->ctx, "x.y", &err), 0);
	CHECK_NOT_NULL(host->data_dir(&i->ctx, &err));
	drip_harness_destroy(h);
}

TEST(rejects_are_kept)
{
	struct drip_error err = DRIP_ERROR_INIT, reason = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_batch *b = drip_test_batch(s, "i|1\ni|2\n");
	const struct drip_batch *row = NULL;
	struct drip_instance *i = NULL;
	char *text;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "blackhole", NULL, &i, &err), &err);
	drip_error_set(&reason, -EINVAL, "test.bad", "a bad row");
	CHECK_OK(drip_reject(&i->ctx, b, 1, &reason, &err), &err);
	drip_harness_set_reject_stops(h, true);
	CHECK_EQ_INT(drip_reject(&i->ctx, b, 0, &reason, &err), -EINVAL);
	CHECK_EQ_INT(drip_harness_rejects_count(h), 2);
	CHECK_EQ_STR(drip_harness_reject(h, 0, &row)->code, "test.bad");
	text = drip_test_batch_text(row);
	CHECK_EQ_STR(text, "t\ni|2\n");
	free(text);
	drip_batch_unref(b);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST_MAIN()
