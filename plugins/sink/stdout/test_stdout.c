/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the sink `stdout`: what it writes goes to a file in place of the standard output. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static struct drip_harness *h;
static struct drip_instance *sink;
static struct drip_error err;
static char output[65536];

static void begin(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "stdout", options, &sink, &err), &err);
}

static void finish(void)
{
	drip_harness_close(sink);
	drip_harness_destroy(h);
}

/* Writes the batch (takes) with the standard output in a file; what came there is in `output`. */
static int print(struct drip_batch *batch)
{
	char path[512];
	int kept, fd, rc;
	ssize_t size;

	snprintf(path, sizeof(path), "%s/out", drip_harness_dir(h));
	fflush(stdout);
	kept = dup(STDOUT_FILENO);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	REQUIRE(kept >= 0 && fd >= 0);
	dup2(fd, STDOUT_FILENO);
	rc = drip_harness_write(sink, batch, &err);
	if (rc == 0) {
		rc = drip_harness_commit(sink, NULL, &err);
	}
	dup2(kept, STDOUT_FILENO);
	close(kept);
	size = pread(fd, output, sizeof(output) - 1, 0);
	REQUIRE(size >= 0);
	output[size] = '\0';
	close(fd);
	return rc;
}

static struct drip_schema *many_types(void)
{
	return drip_test_schema("d.t",
				"id int64 key, name utf8 null, price decimal(9,2) null, at "
				"timestamp_utc, doc json null, raw binary, f float64, ok bool");
}

TEST(writes_json_lines)
{
	struct drip_schema *s = many_types();

	begin(NULL);
	CHECK_OK(print(drip_test_batch(
			 s, "i|1|a\"b\\c|1.50|2024-01-01T00:00:00Z|{\"k\": [1]}|00ff|nan|true\n"
			    "d|-2|NULL|NULL|2024-01-01T00:00:00.5Z|NULL||0.1|false\n")),
		 &err);
	CHECK_EQ_STR(
		output,
		"{\"_op\":\"insert\",\"id\":1,\"name\":\"a\\\"b\\\\c\",\"price\":1.50,\"at\":"
		"\"2024-01-01T00:00:00Z\",\"doc\":{\"k\": [1]},\"raw\":\"00ff\",\"f\":\"nan\","
		"\"ok\":true}\n"
		"{\"_op\":\"delete\",\"id\":-2,\"name\":null,\"price\":null,\"at\":"
		"\"2024-01-01T00:00:00.5Z\",\"doc\":null,\"raw\":\"\",\"f\":0.1,\"ok\":false}\n");
	finish();
	drip_schema_unref(s);
}

TEST(writes_csv_with_headers)
{
	struct drip_schema *s = drip_test_schema("t", "id int64, name utf8 null");
	struct drip_schema *other = drip_test_schema("u", "id int64");

	begin(DRIP_OPTIONS("format", "csv"));
	CHECK_OK(print(drip_test_batch(s, "i|1|a,b\nr|2|NULL\nu|3|\nb|4|x\"y\n")), &err);
	CHECK_EQ_STR(output, "_op,id,name\ninsert,1,\"a,b\"\nread,2,\nupdate,3,\"\"\n"
			     "before,4,\"x\"\"y\"\n");
	CHECK_OK(print(drip_test_batch(s, "i|5|q\n")), &err);
	CHECK_EQ_STR(output, "insert,5,q\n");
	CHECK_OK(print(drip_test_batch(other, "i|5\n")), &err);
	CHECK_EQ_STR(output, "_op,id\ninsert,5\n");
	finish();
	begin(DRIP_OPTIONS("format", "csv", "ops", "false", "header", "false"));
	CHECK_OK(print(drip_test_batch(other, "i|5\n")), &err);
	CHECK_EQ_STR(output, "5\n");
	finish();
	drip_schema_unref(s);
	drip_schema_unref(other);
}

TEST(writes_tables_of_slices)
{
	struct drip_schema *s = drip_test_schema("t", "id int64, name utf8 null");
	struct drip_batch *whole =
		drip_test_batch(s, "i|9|skipped\ni|1|é\nd|20|NULL\ni|3|"
				   "0123456789012345678901234567890123456789-cut\n");
	struct drip_batch *part;

	begin(DRIP_OPTIONS("format", "table"));
	CHECK_OK(drip_batch_slice(whole, 1, 3, &part, &err), &err);
	CHECK_OK(print(part), &err);
	CHECK_CONTAINS(output, "-- t\n_op     id  name");
	CHECK_CONTAINS(output, "\ninsert   1  é\ndelete  20  NULL\n");
	CHECK_CONTAINS(output, "insert   3  0123456789012345678901234567890123456...\n");
	drip_batch_unref(whole);
	finish();
	drip_schema_unref(s);
}

TEST(stops_at_the_limit)
{
	struct drip_schema *s = drip_test_schema("t", "id int64");

	begin(DRIP_OPTIONS("limit", "3", "ops", "false"));
	CHECK_OK(print(drip_test_batch(s, "i|1\ni|2\n")), &err);
	CHECK_OK(print(drip_test_batch(s, "i|3\ni|4\n")), &err);
	CHECK_EQ_STR(output, "{\"id\":3}\n");
	CHECK_OK(print(drip_test_batch(s, "i|5\n")), &err);
	CHECK_EQ_STR(output, "");
	finish();
	drip_schema_unref(s);
}

TEST(fails_where_nobody_reads)
{
	struct drip_schema *s = drip_test_schema("t", "id int64");
	int kept, full;

	begin(NULL);
	fflush(stdout);
	kept = dup(STDOUT_FILENO);
	full = open("/dev/full", O_WRONLY);
	REQUIRE(full >= 0);
	dup2(full, STDOUT_FILENO);
	CHECK(drip_harness_write(sink, drip_test_batch(s, "i|1\n"), &err) == -ENOSPC);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	close(full);
	CHECK_EQ_STR(err.code, "stdout.write");
	finish();
	drip_schema_unref(s);
}

TEST_MAIN()
