/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that the SDK library allocates fails once: one scenario is run with the n-th
 * allocation failing, for n = 1, 2, ... until it runs through without a failure. Linked with
 * --wrap, so that the library itself needs no hook. A leak or a use of freed memory is for the
 * sanitizers to find; this test checks that each failure is reported as -ENOMEM, and that nothing
 * crashes.
 */
#include "lib/test.h"

#include <dripline/dripline.h>
#include <errno.h>

static long fail_at, allocations;

static bool fails(void)
{
	return ++allocations == fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
	return fails() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

/* ---- the scenario ---- */

static int make_schema(struct drip_schema **ret, struct drip_error *err)
{
	static const struct drip_column columns[] = {
		{.type = DRIP_TYPE_INT64, .name = "id", .source_type = "bigint"},
		{.type = DRIP_TYPE_UTF8, .name = "name", .flags = DRIP_COLUMN_NULLABLE},
		{.type = DRIP_TYPE_BOOL, .name = "flag", .flags = DRIP_COLUMN_NULLABLE},
	};
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "db", "t");
	for (size_t i = 0; i < DRIP_COUNT(columns); i++) {
		drip_schema_builder_add(&b, &columns[i]);
	}
	drip_schema_builder_rename(&b, 0, "key");
	return drip_schema_builder_build(&b, ret, err);
}

static int make_batch(const struct drip_schema *s, struct drip_batch **ret, struct drip_error *err)
{
	struct drip_builder b;
	int rc = drip_builder_init(&b, s, err);

	if (rc < 0) {
		return rc;
	}
	for (int i = 0; i < 100; i++) {
		drip_append_i64(&b.columns[0], i);
		if (i % 3 == 0) {
			drip_append_null(&b.columns[1]);
		} else {
			drip_append_bytes(&b.columns[1], "some bytes of text", 18);
		}
		drip_append_bool(&b.columns[2], i % 2 == 0);
		drip_builder_row(&b, i % 2 == 0 ? DRIP_OP_INSERT : DRIP_OP_UPDATE);
	}
	rc = drip_builder_build(&b, ret, err);
	drip_builder_finish(&b);
	return rc;
}

static int share(const struct drip_batch *from, struct drip_error *err)
{
	struct drip_batch *slice = NULL, *taken = NULL, *derived = NULL;
	const int64_t rows[] = {1, 3};
	struct ArrowArray columns[3];
	int rc = drip_batch_slice(from, 10, 20, &slice, err);

	if (rc == 0) {
		rc = drip_batch_take(slice, rows, 2, &taken, err);
	}
	for (uint32_t i = 0; i < 3 && rc == 0; i++) {
		rc = drip_column_share(from, i, &columns[i], err);
	}
	if (rc == 0) {
		rc = drip_batch_derive(from, from->schema, columns, &derived, err);
	}
	drip_batch_unref(slice);
	drip_batch_unref(taken);
	drip_batch_unref(derived);
	return rc;
}

static int describe(const struct drip_schema *s, struct drip_error *err)
{
	struct ArrowSchema arrow = {.release = NULL};
	struct drip_schema *back = NULL;
	struct drip_batch *mark = NULL;
	char *json = NULL;
	int rc = drip_schema_to_arrow(s, &arrow, err);

	if (rc == 0) {
		arrow.release(&arrow);
		rc = drip_schema_to_json(s, &json, err);
	}
	if (rc == 0) {
		rc = drip_schema_from_json(json, &back, err);
	}
	if (rc == 0) {
		rc = drip_batch_create_control(DRIP_BATCH_DROP, s, &mark, err);
	}
	free(json);
	drip_schema_unref(back);
	drip_batch_unref(mark);
	return rc;
}

static int run(struct drip_error *err)
{
	struct drip_schema *schema = NULL;
	struct drip_batch *batch = NULL;
	int rc = make_schema(&schema, err);

	if (rc == 0) {
		rc = make_batch(schema, &batch, err);
	}
	if (rc == 0) {
		rc = share(batch, err);
	}
	if (rc == 0) {
		rc = describe(schema, err);
	}
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	return rc;
}

TEST(each_allocation_fails_once)
{
	struct drip_error err = DRIP_ERROR_INIT;
	long n;

	for (n = 1; n < 10000; n++) {
		int rc;

		allocations = 0;
		fail_at = n;
		memset(&err, 0, sizeof(err));
		rc = run(&err);
		fail_at = 0;
		if (allocations < n) {
			CHECK_OK(rc, &err);
			break;
		}
		CHECK_EQ_INT(rc, -ENOMEM);
		CHECK_EQ_STR(err.code, "system.out_of_memory");
		CHECK(err.retryable);
	}
	CHECK_GT_INT(n, 40);
	CHECK_LT_INT(n, 10000);
}

TEST_MAIN()
