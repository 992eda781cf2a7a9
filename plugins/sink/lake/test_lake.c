/* SPDX-License-Identifier: Apache-2.0 */
/* The lake sink: what is published, when and where; failures; and death at each failpoint. */
#include "private.h"

#include <dripline/check.h>
#include <dripline/test.h>
#include <dripline/text.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct drip_harness *h;
static struct drip_instance *sink;
static const struct drip_sql *sql;
static void *object;
static char root[64];
static struct drip_error err = DRIP_ERROR_INIT;

#define ORDERS "id int64 key, status utf8 null, amount decimal(9,2) null, made timestamp null"

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static void make_root(void)
{
	snprintf(root, sizeof(root), "/tmp/drip-lake-XXXXXX");
	REQUIRE(mkdtemp(root) != NULL);
}

static void remove_root(void)
{
	CHECK_EQ_INT(nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void open_sink(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "lake", options, &sink, &err), &err);
	REQUIRE_OK(drip_harness_connection(h, "@duckdb", DRIP_SQL_INTERFACE, (const void **)&sql,
					   &object, &err),
		   &err);
}

static void close_sink(void)
{
	drip_harness_connection_done(h, "@duckdb", DRIP_SQL_INTERFACE, object);
	drip_harness_close(sink);
	drip_harness_destroy(h);
}

/* (gives) the result as "a|b\nc|d\n"; % stands for the root. */
static char *query(const char *format)
{
	struct drip_text text = {0}, out = {0};
	struct drip_schema *schema;
	struct ArrowArrayStream stream;
	struct ArrowArray array;
	void *session;

	for (; *format != '\0'; format++) {
		if (*format == '%') {
			drip_text_puts(&text, root);
		} else {
			drip_text_put(&text, format, 1);
		}
	}
	drip_text_put(&text, "", 1);
	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
	REQUIRE_OK(sql->query(session, text.data, NULL, &schema, &stream, &err), &err);
	while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
		struct drip_batch *batch;

		REQUIRE_OK(drip_batch_create(schema, &array, NULL, DRIP_OP_READ, &batch, &err),
			   &err);
		for (int64_t row = 0; row < batch->rows; row++) {
			for (uint32_t i = 0; i < schema->columns_count; i++) {
				struct drip_value value;
				char cell[256] = "NULL";

				drip_value_get(batch, i, row, &value);
				if (value.type != DRIP_TYPE_NONE) {
					drip_value_format(&value, drip_schema_column(schema, i),
							  cell, sizeof(cell));
				}
				drip_text_puts(&out, i > 0 ? "|" : "");
				drip_text_puts(&out, cell);
			}
			drip_text_puts(&out, "\n");
		}
		drip_batch_unref(batch);
	}
	stream.release(&stream);
	drip_schema_unref(schema);
	sql->session_close(session);
	drip_text_finish(&text);
	drip_text_put(&out, "", 1);
	return out.data;
}

#define CHECK_QUERY(text, want)                                                                    \
	do {                                                                                       \
		char *got_ = query(text);                                                          \
		CHECK_EQ_STR(got_, want);                                                          \
		free(got_);                                                                        \
	} while (0)

/* Published files, and files of any kind that are visible. */
#define FILES   "SELECT count(*) FROM glob('%/raw/**/*.parquet')"
#define VISIBLE "SELECT count(*) FROM glob('%/raw/**')"

static void write_rows(const struct drip_schema *schema, const char *rows, int64_t commit_time_us)
{
	struct drip_batch *batch = drip_test_batch(schema, rows);

	batch->commit_time_us = commit_time_us;
	REQUIRE_OK(drip_harness_write(sink, batch, &err), &err);
}

static int try_commit(uint64_t position, bool last)
{
	const struct drip_sink_ops *ops = sink->component->ops;
	struct drip_position p = drip_test_position(position);
	struct drip_epoch e = {.struct_size = sizeof(e),
			       .number = position,
			       .positions = &p,
			       .positions_count = 1,
			       .last = last};

	return ops->commit(sink->self, &e, &err);
}

static void commit(uint64_t position, bool last)
{
	REQUIRE_OK(try_commit(position, last), &err);
}

static uint64_t stored_position(void)
{
	const struct drip_sink_ops *ops = sink->component->ops;
	struct drip_position *positions = NULL;
	uint64_t value = 0;
	size_t count = 0;

	REQUIRE_OK(ops->positions(sink->self, &positions, &count, &err), &err);
	if (count > 0) {
		CHECK_EQ_INT(count, 1);
		value = strtoull(positions[0].text, NULL, 10);
	}
	free(positions);
	return value;
}

#define DAY1 INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */
#define DAY  INT64_C(86400000000)

TEST(files_are_published_whole_when_the_pipeline_ends)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	CHECK_EQ_INT(stored_position(), 0);
	write_rows(s, "r|1|new|1.00|2020-01-02T03:04:05\ni|2|new|NULL|NULL\n", DAY1);
	commit(1, false);
	write_rows(s, "u|1|paid|1.50|NULL\nd|2|new|NULL|NULL\n", DAY1 + 1);
	write_rows(s, "i|3|late|3.00|NULL\n", DAY1 + DAY);
	commit(2, false);
	CHECK_QUERY(VISIBLE, "0\n");
	commit(3, true);
	CHECK_QUERY(FILES, "2\n");
	CHECK_QUERY(VISIBLE, "2\n");
	CHECK_QUERY("SELECT id, status, amount, made, _sequence, _op FROM "
		    "read_parquet('%/raw/orders/2026/01/01/*.parquet') ORDER BY _sequence",
		    "1|new|1.00|2020-01-02T03:04:05|1|r\n2|new|NULL|NULL|2|i\n"
		    "1|paid|1.50|NULL|3|u\n2|new|NULL|NULL|4|d\n");
	CHECK_QUERY(
		"SELECT id, _commit_time FROM read_parquet('%/raw/orders/2026/01/02/*.parquet')",
		"3|2026-01-02T00:00:00Z\n");
	CHECK_EQ_INT(stored_position(), 3);
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

TEST(types_keep_their_meaning)
{
	struct drip_schema *s = drip_test_schema(
		"t",
		"a bool, b int8, c uint64, d float32, e decimal(38,4), f binary, g date, h time, "
		"i timestamp_utc, k json, l uuid, m int16, n uint8");

	make_root();
	open_sink(DRIP_OPTIONS("root", root, "changes", "false", "zone", "curated"));
	write_rows(s,
		   "i|true|-8|18446744073709551615|1.5|12345678901234567890.1234|ff00|2024-02-29|"
		   "23:59:59.999999|2024-01-01T00:00:00Z|{\"a\": 1}|"
		   "00112233-4455-6677-8899-aabbccddeeff|-7|255\nd|true|1|1|1|1|00|2024-02-29|"
		   "00:00:00|2024-01-01T00:00:00Z|1|00112233-4455-6677-8899-aabbccddeeff|1|1\n",
		   DAY1);
	commit(1, true);
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	CHECK_QUERY("FROM read_parquet('%/curated/t/2026/01/01/*.parquet')",
		    "true|-8|18446744073709551615|1.5|12345678901234567890.1234|ff00|2024-02-29|"
		    "23:59:59.999999|2024-01-01T00:00:00Z|{\"a\": 1}|00112233-4455-6677-8899-"
		    "aabbccddeeff|-7|255\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

TEST(small_files_wait_for_size_or_age)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	const struct drip_sink_ops *ops;

	make_root();
	open_sink(DRIP_OPTIONS("root", root, "roll_size", "16KiB", "roll_interval", "1m"));
	ops = sink->component->ops;
	for (uint64_t epoch = 1; epoch <= 80; epoch++) {
		write_rows(s, "i|1|new|1.00|NULL\n", DAY1);
		commit(epoch, false);
	}
	/* Each segment is about a kilobyte: several went into each file. */
	CHECK_QUERY("SELECT count(*) BETWEEN 2 AND 20 FROM glob('%/raw/**/*.parquet')", "true\n");
	drip_harness_advance(h, 59000);
	CHECK_EQ_INT(ops->idle(sink->self, &err), 0);
	CHECK_QUERY("SELECT count(*) < 80 FROM read_parquet('%/raw/**/*.parquet')", "true\n");
	drip_harness_advance(h, 2000);
	CHECK_EQ_INT(ops->idle(sink->self, &err), 0);
	CHECK_QUERY("SELECT count(*), count(DISTINCT _sequence) FROM "
		    "read_parquet('%/raw/**/*.parquet')",
		    "80|80\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

TEST(many_segments_are_merged_before_they_are_due)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	for (uint64_t epoch = 1; epoch <= 150; epoch++) {
		write_rows(s, "i|1|new|1.00|NULL\n", DAY1);
		commit(epoch, false);
	}
	CHECK_QUERY("SELECT count(*) <= 66 FROM glob('%/.dripline/*/*.parquet')", "true\n");
	commit(151, true);
	CHECK_QUERY(FILES, "1\n");
	CHECK_QUERY("SELECT count(*), min(_sequence), max(_sequence) FROM "
		    "read_parquet('%/raw/**/*.parquet')",
		    "150|1|150\n");
	CHECK_QUERY("SELECT count(*) FROM glob('%/.dripline/*/*.parquet')", "0\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

TEST(a_column_gives_the_day_and_a_new_schema_a_new_file)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	struct drip_schema *more = drip_test_schema("shop.orders", ORDERS ", note utf8 null");

	make_root();
	open_sink(DRIP_OPTIONS("root", root, "day_column", "made", "table", "{database}/{table}"));
	write_rows(
		s,
		"i|1|a|1.00|2020-01-02T00:00:00\ni|2|b|1.00|2020-01-03T23:00:00\ni|3|c|1.00|NULL\n",
		DAY1);
	write_rows(more, "i|4|d|1.00|2020-01-02T05:00:00|hello\n", DAY1);
	commit(1, true);
	CHECK_QUERY("SELECT count(*) FROM glob('%/raw/shop/orders/2020/01/02/*.parquet')", "2\n");
	CHECK_QUERY("SELECT id FROM read_parquet('%/raw/shop/orders/2020/01/03/*.parquet')", "2\n");
	CHECK_QUERY("SELECT id FROM read_parquet('%/raw/shop/orders/0000/00/00/*.parquet')", "3\n");
	CHECK_QUERY("SELECT id, note FROM read_parquet('%/raw/shop/orders/2020/01/02/*.parquet', "
		    "union_by_name = true) ORDER BY id",
		    "1|NULL\n4|hello\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
	drip_schema_unref(more);
}

TEST(a_failure_at_any_point_loses_and_doubles_nothing)
{
	static const char *const failpoints[] = {"lake.before_publish", "sink.before_commit",
						 "lake.after_manifest", "lake.mid_rename",
						 "sink.after_commit"};
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	const struct drip_sink_ops *ops;

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	ops = sink->component->ops;
	for (uint64_t epoch = 1; epoch <= DRIP_COUNT(failpoints); epoch++) {
		char row[64];
		bool held;

		snprintf(row, sizeof(row), "i|%llu|new|1.00|NULL\n", (unsigned long long)epoch);
		write_rows(s, row, DAY1);
		write_rows(s, row, DAY1 + DAY);
		drip_harness_arm(h, failpoints[epoch - 1], 1);
		CHECK(try_commit(epoch, true) < 0);
		REQUIRE_OK(ops->abort(sink->self, &err), &err);
		/* The host writes again what the sink does not hold. */
		held = stored_position() == epoch;
		CHECK_EQ_INT(held, epoch > 2);
		if (!held) {
			write_rows(s, row, DAY1);
			write_rows(s, row, DAY1 + DAY);
			commit(epoch, true);
		}
	}
	CHECK_QUERY("SELECT count(*), count(DISTINCT id), count(DISTINCT _sequence) FROM "
		    "read_parquet('%/raw/**/*.parquet')",
		    "10|5|10\n");
	CHECK_QUERY("SELECT count(*) FROM glob('%/.dripline/*/*.parquet')", "0\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

TEST(an_unwritable_folder_loses_nothing)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	const struct drip_sink_ops *ops;
	char path[96];
	int fd;

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	ops = sink->component->ops;
	/* A file stands where the zone's folder must be. */
	snprintf(path, sizeof(path), "%s/raw", root);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	REQUIRE(fd >= 0);
	close(fd);
	write_rows(s, "i|1|new|1.00|NULL\n", DAY1);
	CHECK_EQ_INT(try_commit(1, true), -ENOTDIR);
	CHECK_EQ_STR(err.code, "lake.io");
	CHECK(err.retryable);
	REQUIRE_OK(ops->abort(sink->self, &err), &err);
	CHECK_EQ_INT(unlink(path), 0);
	/* The epoch was committed; what was left is done now. */
	CHECK_EQ_INT(stored_position(), 1);
	CHECK_QUERY("SELECT id FROM read_parquet('%/raw/**/*.parquet')", "1\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

TEST(two_sinks_cannot_share_a_folder)
{
	struct drip_instance *other;

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	CHECK_EQ_INT(drip_harness_open(h, DRIP_KIND_SINK, "lake", DRIP_OPTIONS("root", root),
				       &other, &err),
		     -EBUSY);
	CHECK_EQ_STR(err.code, "lake.locked");
	close_sink();
	remove_root();
}

TEST(a_damaged_manifest_is_refused)
{
	const struct drip_sink_ops *ops;
	struct drip_position *positions = NULL;
	char path[160];
	size_t count;
	FILE *f;

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	commit(1, false);
	close_sink();
	open_sink(DRIP_OPTIONS("root", root));
	snprintf(path, sizeof(path), "%s/.dripline", root);
	{
		char *name = query("SELECT file FROM glob('%/.dripline/*/manifest') t(file)");

		snprintf(path, sizeof(path), "%.*s", (int)strcspn(name, "\n"), name);
		free(name);
	}
	f = fopen(path, "r+");
	REQUIRE(f != NULL);
	fseek(f, 30, SEEK_SET);
	fputc('?', f);
	fclose(f);
	ops = sink->component->ops;
	CHECK_EQ_INT(ops->positions(sink->self, &positions, &count, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "lake.manifest_damaged");
	close_sink();
	remove_root();
}

TEST(names_cannot_leave_the_lake)
{
	struct drip_schema *bad = drip_test_schema("x", "id int64");
	struct drip_schema_builder b;
	struct drip_schema *evil;
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_column column = {
		.struct_size = sizeof(column), .name = "id", .type = DRIP_TYPE_INT64};

	make_root();
	drip_schema_builder_init(&b, "..", "../../etc/x");
	drip_schema_builder_add(&b, &column);
	REQUIRE_OK(drip_schema_builder_build(&b, &evil, &err), &err);
	open_sink(DRIP_OPTIONS("root", root, "table", "{database}/{table}"));
	REQUIRE_OK(drip_harness_negotiate(sink, evil, &n, &err), &err);
	CHECK(strstr(n.dataset, "..") == NULL || strstr(n.dataset, "%2E") != NULL);
	CHECK(strstr(n.dataset, "/../") == NULL);
	drip_harness_negotiated_finish(&n);
	close_sink();
	open_sink(DRIP_OPTIONS("root", root, "table", "../{table}"));
	CHECK_EQ_INT(drip_harness_negotiate(sink, bad, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "lake.bad_path");
	close_sink();
	remove_root();
	drip_schema_unref(bad);
	drip_schema_unref(evil);
}

TEST(a_full_disk_is_told_from_other_failures)
{
	CHECK_EQ_INT(lake_error(&err, -ENOSPC, "write", "x"), -ENOSPC);
	CHECK_EQ_STR(err.code, "lake.disk_full");
	CHECK(err.retryable);
	CHECK_EQ_INT(lake_error(&err, -EACCES, "write", "x"), -EACCES);
	CHECK_EQ_STR(err.code, "lake.io");
}

TEST(a_column_of_days_must_exist_and_be_sane)
{
	struct drip_schema *s = drip_test_schema("t", "made date");
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	const struct drip_sink_ops *ops;
	struct drip_position p = drip_test_position(1);
	struct drip_text rows = {0};
	char line[32];

	make_root();
	open_sink(DRIP_OPTIONS("root", root, "day_column", "missing"));
	CHECK_EQ_INT(drip_harness_negotiate(sink, s, &n, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "lake.no_day_column");
	close_sink();
	open_sink(DRIP_OPTIONS("root", root, "day_column", "made"));
	for (int i = 0; i < 12000; i++) {
		snprintf(line, sizeof(line), "i|%04d-%02d-%02d\n", 1900 + i / 336, 1 + i / 28 % 12,
			 1 + i % 28);
		drip_text_puts(&rows, line);
	}
	drip_text_put(&rows, "", 1);
	write_rows(s, rows.data, DAY1);
	drip_text_finish(&rows);
	ops = sink->component->ops;
	CHECK_EQ_INT(ops->commit(sink->self,
				 &(struct drip_epoch){.struct_size = sizeof(struct drip_epoch),
						      .number = 1,
						      .positions = &p,
						      .positions_count = 1},
				 &err),
		     -E2BIG);
	CHECK_EQ_STR(err.code, "lake.days");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

/* Another file in the place of a segment: its rows are counted before they are published. */
TEST(a_segment_that_was_exchanged_is_noticed)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	char *names, *second, from[160], to[160];

	make_root();
	open_sink(DRIP_OPTIONS("root", root));
	write_rows(s, "i|1|a|1.00|NULL\n", DAY1);
	commit(1, false);
	write_rows(s, "i|2|b|1.00|NULL\ni|3|c|1.00|NULL\n", DAY1);
	commit(2, false);
	names = query("SELECT file FROM glob('%/.dripline/*/*.parquet') t(file) ORDER BY file");
	second = strchr(names, '\n');
	REQUIRE(second != NULL);
	snprintf(from, sizeof(from), "%.*s", (int)(second - names), names);
	snprintf(to, sizeof(to), "%.*s", (int)strcspn(second + 1, "\n"), second + 1);
	free(names);
	CHECK_EQ_INT(unlink(to), 0);
	CHECK_EQ_INT(link(from, to), 0);
	CHECK_EQ_INT(try_commit(3, true), -EIO);
	CHECK_EQ_STR(err.code, "lake.rows_differ");
	CHECK_QUERY(VISIBLE, "0\n");
	close_sink();
	remove_root();
	drip_schema_unref(s);
}

/* Runs epochs from the stored position on until the failpoint, and dies there. */
static void child(const char *failpoint, int hit)
{
	struct drip_schema *s = drip_test_schema("shop.orders", ORDERS);
	uint64_t epoch;

	open_sink(DRIP_OPTIONS("root", root, "roll_size", "4KiB"));
	epoch = stored_position();
	drip_harness_arm(h, failpoint, hit);
	for (;;) {
		char row[64];

		snprintf(row, sizeof(row), "i|%llu|new|1.00|NULL\n", (unsigned long long)++epoch);
		write_rows(s, row, DAY1);
		write_rows(s, row, DAY1 + DAY);
		if (try_commit(epoch, epoch % 5 == 0) < 0) {
			kill(getpid(), SIGKILL);
		}
	}
}

TEST(death_at_a_failpoint_loses_and_doubles_nothing)
{
	static const char *const failpoints[] = {"lake.before_publish", "lake.after_manifest",
						 "lake.mid_rename", "sink.after_commit"};
	uint64_t epochs;
	char want[64];

	make_root();
	for (int round = 0; round < 12; round++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			child(failpoints[round % 4], 1 + round % 3);
		}
		REQUIRE(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	open_sink(DRIP_OPTIONS("root", root));
	epochs = stored_position();
	CHECK_GT_INT(epochs, 10);
	commit(epochs + 1, true);
	snprintf(want, sizeof(want), "%llu|%llu|%llu|true\n", (unsigned long long)epochs * 2,
		 (unsigned long long)epochs, (unsigned long long)epochs * 2);
	CHECK_QUERY("SELECT count(*), count(DISTINCT id), count(DISTINCT _sequence), max(id) = "
		    "count(DISTINCT id) FROM read_parquet('%/raw/**/*.parquet')",
		    want);
	CHECK_QUERY("SELECT count(*) FROM glob('%/.dripline/*/*.parquet')", "0\n");
	close_sink();
	remove_root();
}

TEST_MAIN()
