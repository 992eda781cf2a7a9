/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the source `file`, against the DuckDB of the build. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static struct drip_harness *h;
static struct drip_instance *source;
static struct drip_error err;

static const char *path_of(const char *name)
{
	static char path[4][512];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", drip_harness_dir(h), name);
	return path[turn];
}

static void begin(void)
{
	h = drip_harness_create(test_argv[1]);
}

static void finish(void)
{
	drip_harness_close(source);
	drip_harness_destroy(h);
	source = NULL;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	REQUIRE_NOT_NULL(f);
	fputs(text, f);
	fclose(f);
}

static void start(const char *const *options, const struct drip_position *from)
{
	drip_harness_close(source);
	drip_harness_clear(h);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "file", options, &source, &err), &err);
	REQUIRE_OK(drip_harness_start(source, from, &err), &err);
}

static void read_all(void)
{
	int rc = drip_harness_poll(source, DRIP_POLL_END, &err);

	if (rc != DRIP_POLL_END) {
		CHECK_OK(rc, &err);
	}
}

TEST(reads_csv_in_the_order_of_names)
{
	begin();
	put_file("b.csv", "id,name\n3,\"x, \"\"y\"\"\"\n");
	put_file("a.csv", "id,name\n1,a\n2,\n");
	put_file("c.txt", "not read\n");
	start(DRIP_OPTIONS("path", path_of("*.csv"), "name", "t", "database", "d", "keys", "id"),
	      NULL);
	read_all();
	CHECK_EQ_STR(drip_harness_output(h),
		     "d.t\nr|1|a\nr|2|NULL\nMARK\nd.t\nr|3|x, \"y\"\nMARK\n");
	CHECK_EQ_INT(drip_harness_batch(h, 0)->schema->keys_count, 1);
	CHECK_EQ_INT(drip_schema_column(drip_harness_batch(h, 0)->schema, 0)->type,
		     DRIP_TYPE_INT64);
	CHECK_EQ_INT(drip_schema_column(drip_harness_batch(h, 0)->schema, 0)->classification,
		     DRIP_CLASS_INTERNAL);
	finish();
}

TEST(reads_declared_columns_and_rejects_what_does_not_fit)
{
	const struct drip_batch *row;

	begin();
	put_file("a.csv", "id,day,more\n1,2024-01-31,x\nzz,2024-01-01,x\n3,2024-02-30,x\n4,,x\n"
			  "5,2024-05-05\n6,2024-06-06,x,y\n7,2024-07-07,z\n");
	start(DRIP_OPTIONS("path", path_of("a.csv"), "columns.day", "date", "columns.id", "int32"),
	      NULL);
	read_all();
	CHECK_EQ_STR(drip_harness_output(h),
		     "files\nr|2024-01-31|1\nr|NULL|4\nr|2024-07-07|7\nMARK\n");
	REQUIRE(drip_harness_rejects_count(h) == 4);
	CHECK_EQ_STR(drip_harness_reject(h, 0, &row)->code, "file.bad_value");
	CHECK_CONTAINS(drip_harness_reject(h, 0, NULL)->message, "'id' is not a int32");
	CHECK_CONTAINS(drip_harness_reject(h, 0, NULL)->place, "a.csv, row 2");
	CHECK_EQ_INT(row->schema->columns_count, 2);
	CHECK_EQ_STR(drip_harness_reject(h, 2, NULL)->code, "file.malformed_row");
	CHECK_CONTAINS(drip_harness_reject(h, 2, NULL)->place, "a.csv:6");
	finish();
}

TEST(reads_json_lines_and_rejects_other_lines)
{
	begin();
	put_file("a.jsonl", "{\"id\": 1, \"name\": \"a\\nb\", \"tags\": [1, {\"x\": 2}]}\n"
			    "not json\n\n[1]\n{\"id\": \"x\"}\n{\"name\": null, \"id\": 3}\n");
	start(DRIP_OPTIONS("path", path_of("a.jsonl"), "columns.id", "int64", "columns.name",
			   "utf8", "columns.tags", "json"),
	      NULL);
	read_all();
	REQUIRE(drip_harness_batches_count(h) == 2);
	CHECK_EQ_INT(drip_harness_rows(h), 2);
	CHECK_CONTAINS(drip_harness_output(h), "[1,{\"x\":2}]");
	CHECK_CONTAINS(drip_harness_output(h), "r|3|NULL|NULL");
	REQUIRE(drip_harness_rejects_count(h) == 3);
	CHECK_EQ_STR(drip_harness_reject(h, 0, NULL)->code, "file.malformed_row");
	CHECK_EQ_STR(drip_harness_reject(h, 2, NULL)->code, "file.bad_value");
	finish();
}

TEST(tells_types_of_json)
{
	begin();
	put_file("a.json", "{\"id\": 1, \"at\": \"2024-01-01 10:00:00\", \"o\": {\"k\": 1}}\n");
	start(DRIP_OPTIONS("path", path_of("a.json")), NULL);
	read_all();
	CHECK_EQ_STR(drip_harness_output(h), "files\nr|1|2024-01-01T10:00:00|{\"k\":1}\nMARK\n");
	finish();
}

static void write_parquet(void)
{
	const struct drip_sql *sql;
	const void *interface;
	void *object, *session;
	char text[1024];

	REQUIRE_OK(drip_harness_connection(h, "@duckdb", DRIP_SQL_INTERFACE, &interface, &object,
					   &err),
		   &err);
	sql = interface;
	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
	snprintf(text, sizeof(text),
		 "COPY (SELECT i AS id, 'n' || i AS name FROM range(10000) t(i)) TO '%s' (FORMAT "
		 "parquet)",
		 path_of("day=2024-01-02/p.parquet"));
	REQUIRE_OK(sql->execute(session, text, NULL, &err), &err);
	sql->session_close(session);
	drip_harness_connection_done(h, "@duckdb", DRIP_SQL_INTERFACE, object);
}

TEST(reads_parquet_with_partitions_and_resumes_at_a_row)
{
	const char *options[] = {"path",        NULL,         "hive",  "true",         "batch_rows",
				 "999",         "columns.id", "int64", "columns.name", "utf8",
				 "columns.day", "date",       NULL};
	struct drip_position at;
	struct drip_value v;

	begin();
	mkdir(path_of("day=2024-01-02"), 0700);
	write_parquet();
	options[1] = path_of("day=*/*.parquet");
	start(options, NULL);
	read_all();
	CHECK_EQ_INT(drip_harness_rows(h), 10000);
	drip_value_get(drip_harness_batch(h, 0), 2, 0, &v);
	CHECK_EQ_INT(v.i, 19724);
	at = drip_harness_batch(h, 3)->position;
	options[1] = path_of("day=*/*.parquet");
	start(options, &at);
	read_all();
	CHECK_EQ_INT(drip_harness_rows(h), 10000 - 4 * 999);
	drip_value_get(drip_harness_batch(h, 0), 0, 0, &v);
	CHECK_EQ_INT(v.i, 4 * 999);
	CHECK(drip_position_compare(&at, &drip_harness_batch(h, 0)->position) < 0);
	finish();
}

TEST(goes_on_behind_the_last_file)
{
	struct drip_position at;

	begin();
	put_file("b.csv", "id\n1\n");
	start(DRIP_OPTIONS("path", path_of("*.csv")), NULL);
	read_all();
	at = drip_harness_batch(h, drip_harness_batches_count(h) - 1)->position;
	put_file("a.csv", "id\n8\n"); /* too late */
	put_file("c.csv", "id\n2\n");
	start(DRIP_OPTIONS("path", path_of("*.csv")), &at);
	read_all();
	CHECK_EQ_STR(drip_harness_output(h), "files\nr|2\nMARK\n");
	CHECK(drip_position_compare(&at, &drip_harness_batch(h, 0)->position) < 0);
	unlink(path_of("b.csv"));
	start(DRIP_OPTIONS("path", path_of("*.csv")), &at);
	read_all();
	CHECK_EQ_STR(drip_harness_output(h), "files\nr|2\nMARK\n");
	CHECK(drip_position_compare(&at, &drip_harness_batch(h, 0)->position) < 0);
	finish();
}

TEST(ends_a_batch_at_each_cut)
{
	struct drip_start s = {.struct_size = sizeof(s)};
	struct drip_position cut;

	begin();
	put_file("a.csv", "id\n1\nx\n3\n4\n5\n");
	start(DRIP_OPTIONS("path", path_of("a.csv"), "columns.id", "int32", "batch_rows", "3"),
	      NULL);
	read_all();
	cut = drip_harness_batch(h, 0)->position;
	drip_harness_close(source);
	drip_harness_clear(h);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "file",
				     DRIP_OPTIONS("path", path_of("a.csv"), "columns.id", "int32"),
				     &source, &err),
		   &err);
	s.cuts = &cut;
	s.cuts_count = 1;
	REQUIRE_OK(((const struct drip_source_ops *)source->component->ops)
			   ->start(source->self, &s, &err),
		   &err);
	source->started = true;
	read_all();
	CHECK_EQ_STR(drip_harness_output(h), "files\nr|1\nr|3\nfiles\nr|4\nr|5\nMARK\n");
	CHECK_EQ_INT(drip_position_compare(&drip_harness_batch(h, 0)->position, &cut), 0);
	finish();
}

static void refuses(const char *const *options, const char *finding)
{
	begin();
	CHECK(drip_harness_open(h, DRIP_KIND_SOURCE, "file", options, &source, &err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), finding);
	drip_harness_destroy(h);
}

TEST(refuses_what_is_not_a_local_file)
{
	refuses(DRIP_OPTIONS("path", "https://example.com/a.csv"), "file.bad_path");
	refuses(DRIP_OPTIONS("path", "/tmp/a.dat"), "file.unknown_format");
	refuses(DRIP_OPTIONS("path", "/tmp/a.csv", "columns.a", "nosuch"), "columns.a");
	refuses(DRIP_OPTIONS("path", "/tmp/a.csv", "columns.a", "int8", "keys", "b"), "keys[0]");
	refuses(DRIP_OPTIONS("path", "/tmp/a.csv", "columns.a", "int8", "keys", "b"),
		"file.no_column");
	refuses(DRIP_OPTIONS("path", "/tmp/a.csv", "columns.a\"b", "int8"), "file.bad_column");
	refuses(DRIP_OPTIONS("path", "/tmp/a.csv", "columns.a", "int8", "class", "x"),
		"file.bad_class");
}

TEST(refuses_positions_of_others)
{
	struct drip_position p = drip_test_position(1);

	begin();
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "file",
				     DRIP_OPTIONS("path", path_of("*.csv")), &source, &err),
		   &err);
	CHECK(drip_harness_start(source, &p, &err) < 0);
	CHECK_EQ_STR(err.code, "file.bad_position");
	finish();
}

TEST(tells_what_cannot_be_read)
{
	begin();
	put_file("a.parquet", "this is not Parquet");
	start(DRIP_OPTIONS("path", path_of("a.parquet")), NULL);
	CHECK(drip_harness_poll(source, DRIP_POLL_END, &err) < 0);
	CHECK_CONTAINS(err.place, "a.parquet");
	CHECK(strcmp(err.code, "file.unreadable") == 0 || strncmp(err.code, "duckdb.", 7) == 0);
	finish();
}

TEST_MAIN()
