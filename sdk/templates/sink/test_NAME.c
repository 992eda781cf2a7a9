/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the sink `PLUGIN-NAME`: what reaches the file, and when. */
#include <dripline/check.h>
#include <dripline/test.h>

static const char *read_file(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t n = file != NULL ? fread(buf, 1, size - 1, file) : 0;

	buf[n] = '\0';
	if (file != NULL) {
		fclose(file);
	}
	return buf;
}

TEST(writes_what_is_committed)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, name utf8 null");
	struct drip_position at = drip_test_position(1);
	struct drip_instance *i;
	char path[512], text[1024];

	snprintf(path, sizeof(path), "%s/out.json", drip_harness_dir(h));
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "PLUGIN-NAME", DRIP_OPTIONS("path", path),
				     &i, &err),
		   &err);
	REQUIRE_OK(drip_harness_write(i, drip_test_batch(s, "i|1|one\n"), &err), &err);
	CHECK_EQ_STR(read_file(path, text, sizeof(text)), "");
	REQUIRE_OK(drip_harness_commit(i, &at, &err), &err);
	CHECK_EQ_STR(read_file(path, text, sizeof(text)),
		     "{\"op\":\"insert\",\"id\":1,\"name\":\"one\"}\n");
	REQUIRE_OK(drip_harness_write(i, drip_test_batch(s, "i|2|NULL\n"), &err), &err);
	REQUIRE_OK(drip_harness_abort(i, &err), &err);
	REQUIRE_OK(drip_harness_write(i, drip_test_batch(s, "d|1|one\n"), &err), &err);
	REQUIRE_OK(drip_harness_commit(i, &at, &err), &err);
	CHECK_EQ_STR(read_file(path, text, sizeof(text)),
		     "{\"op\":\"insert\",\"id\":1,\"name\":\"one\"}\n"
		     "{\"op\":\"delete\",\"id\":1,\"name\":\"one\"}\n");
	drip_harness_close(i);
	drip_schema_unref(s);
	drip_harness_destroy(h);
}

TEST_MAIN()
