/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the sink `file`: what stands in its files after commits, failures and restarts. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static struct drip_harness *h;
static struct drip_instance *sink;
static struct drip_error err;
static struct drip_schema *schema;

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
	schema = drip_test_schema("d.t", "id int64 key, name utf8 null");
}

static void open_sink(const char *const *options)
{
	drip_harness_close(sink);
	sink = NULL;
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SINK, "file", options, &sink, &err), &err);
}

static void finish(void)
{
	drip_harness_close(sink);
	sink = NULL;
	drip_schema_unref(schema);
	drip_harness_destroy(h);
}

static const char *text_of(const char *name)
{
	static char text[65536];
	FILE *f = fopen(path_of(name), "r");
	size_t n;

	if (f == NULL) {
		return NULL;
	}
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void append(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "a");

	REQUIRE_NOT_NULL(f);
	fputs(text, f);
	fclose(f);
}

static void write_rows(const char *rows)
{
	CHECK_OK(drip_harness_write(sink, drip_test_batch(schema, rows), &err), &err);
}

static void commit(uint64_t at)
{
	struct drip_position p = drip_test_position(at);

	CHECK_OK(drip_harness_commit(sink, &p, &err), &err);
}

/* What the sink says it holds; 0: nothing. */
static uint64_t position(void)
{
	const struct drip_sink_ops *ops = (const struct drip_sink_ops *)sink->component->ops;
	struct drip_position *positions = NULL, expect;
	uint64_t at = 0;
	size_t count = 0;

	CHECK_OK(ops->positions(sink->self, &positions, &count, &err), &err);
	for (uint64_t i = 1; count == 1 && i < 100 && at == 0; i++) {
		expect = drip_test_position(i);
		if (drip_position_compare(&expect, &positions[0]) == 0) {
			CHECK_EQ_STR(positions[0].text, expect.text);
			CHECK_EQ_INT(positions[0].detail_size, expect.detail_size);
			at = i;
		}
	}
	free(positions);
	return at;
}

TEST(appends_json_lines)
{
	begin();
	open_sink(DRIP_OPTIONS("path", path_of("out/x.jsonl")));
	CHECK_EQ_UINT(position(), 0);
	write_rows("i|1|a\nd|2|NULL\n");
	commit(3);
	open_sink(DRIP_OPTIONS("path", path_of("out/x.jsonl")));
	CHECK_EQ_UINT(position(), 3);
	write_rows("u|3|b\n");
	commit(4);
	CHECK_EQ_STR(text_of("out/x.jsonl"), "{\"_op\":\"insert\",\"id\":1,\"name\":\"a\"}\n"
					     "{\"_op\":\"delete\",\"id\":2,\"name\":null}\n"
					     "{\"_op\":\"update\",\"id\":3,\"name\":\"b\"}\n");
	finish();
}

TEST(cuts_off_what_is_not_committed)
{
	const char *const options[] = {"op_column", "", "path", NULL, NULL};
	const char *all[5];

	begin();
	memcpy(all, options, sizeof(options));
	all[3] = strdup(path_of("x.jsonl"));
	open_sink(all);
	write_rows("i|1|a\n");
	commit(1);
	write_rows("i|2|lost\n");
	open_sink(all); /* as after a crash */
	CHECK_EQ_UINT(position(), 1);
	CHECK_EQ_STR(text_of("x.jsonl"), "{\"id\":1,\"name\":\"a\"}\n");
	append("x.jsonl", "{\"id\":9,\"na");
	open_sink(all);
	write_rows("i|2|b\n");
	CHECK_OK(drip_harness_abort(sink, &err), &err);
	write_rows("i|2|c\n");
	commit(2);
	CHECK_EQ_STR(text_of("x.jsonl"), "{\"id\":1,\"name\":\"a\"}\n{\"id\":2,\"name\":\"c\"}\n");
	free((char *)(uintptr_t)all[3]);
	finish();
}

TEST(survives_failures_around_the_commit)
{
	struct drip_position p = drip_test_position(5);

	begin();
	open_sink(DRIP_OPTIONS("path", path_of("{table}.jsonl"), "op_column", ""));
	write_rows("i|1|a\n");
	drip_harness_arm(h, "sink.before_commit", 1);
	CHECK(drip_harness_commit(sink, &p, &err) < 0);
	CHECK_EQ_UINT(position(), 0);
	CHECK_NULL(text_of("t.jsonl"));
	write_rows("i|1|a\n");
	drip_harness_arm(h, "sink.after_commit", 1);
	CHECK(drip_harness_commit(sink, &p, &err) < 0);
	CHECK_EQ_UINT(position(), 5); /* the host will not write these rows again */
	CHECK_EQ_STR(text_of("t.jsonl"), "{\"id\":1,\"name\":\"a\"}\n");
	finish();
}

TEST(rolls_by_size_and_time)
{
	const char *first, *const *options;

	begin();
	first = strdup(path_of("{database}/{table}-{part}.csv"));
	options = DRIP_OPTIONS("path", first, "format", "csv", "roll_size", "40", "roll_interval",
			       "1h");
	open_sink(options);
	write_rows("i|1|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	write_rows("i|2|b\n");
	commit(1);
	CHECK_EQ_STR(text_of("d/t-000000.csv"),
		     "_op,id,name\ninsert,1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n");
	CHECK_EQ_STR(text_of("d/t-000001.csv"), "_op,id,name\ninsert,2,b\n");
	drip_harness_advance(h, 3600001);
	write_rows("i|3|c\n");
	open_sink(options); /* the third part was never committed */
	CHECK_NULL(text_of("d/t-000002.csv"));
	write_rows("i|3|c\n");
	commit(2);
	CHECK_EQ_STR(text_of("d/t-000001.csv"), "_op,id,name\ninsert,2,b\n");
	CHECK_EQ_STR(text_of("d/t-000002.csv"), "_op,id,name\ninsert,3,c\n");
	free((char *)(uintptr_t)first);
	finish();
}

TEST(texts_for_spreadsheets_are_no_formulas)
{
	begin();
	open_sink(DRIP_OPTIONS("path", path_of("s.csv"), "format", "csv", "spreadsheet", "true"));
	write_rows("i|-1|=1+1\ni|2|-5\n");
	commit(1);
	CHECK_EQ_STR(text_of("s.csv"), "_op,id,name\ninsert,-1,\"'=1+1\"\ninsert,2,-5\n");
	open_sink(DRIP_OPTIONS("path", path_of("p.csv"), "format", "csv"));
	write_rows("i|1|=1+1\n");
	commit(2);
	CHECK_EQ_STR(text_of("p.csv"), "_op,id,name\ninsert,1,=1+1\n");
	finish();
}

TEST(begins_a_part_where_columns_change)
{
	struct drip_schema *other = drip_test_schema("d.t", "id int64");

	begin();
	open_sink(DRIP_OPTIONS("path", path_of("{part}.csv"), "format", "csv"));
	write_rows("i|1|a\n");
	CHECK_OK(drip_harness_write(sink, drip_test_batch(other, "i|2\n"), &err), &err);
	commit(1);
	CHECK_EQ_STR(text_of("000001.csv"), "_op,id\ninsert,2\n");
	open_sink(DRIP_OPTIONS("path", path_of("x.csv"), "format", "csv"));
	write_rows("i|1|a\n");
	CHECK(drip_harness_write(sink, drip_test_batch(other, "i|2\n"), &err) < 0);
	CHECK_EQ_STR(err.code, "file.columns_changed");
	drip_schema_unref(other);
	finish();
}

TEST(writes_control_batches_as_ops)
{
	struct drip_batch *batch;

	begin();
	open_sink(DRIP_OPTIONS("path", path_of("x.csv"), "format", "csv"));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_TRUNCATE, schema, &batch, &err), &err);
	CHECK_OK(drip_harness_write(sink, batch, &err), &err);
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, &err), &err);
	CHECK_OK(drip_harness_write(sink, batch, &err), &err);
	commit(1);
	CHECK_EQ_STR(text_of("x.csv"), "_op,id,name\ntruncate,,\n");
	open_sink(DRIP_OPTIONS("path", path_of("y.jsonl")));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_DROP, schema, &batch, &err), &err);
	CHECK_OK(drip_harness_write(sink, batch, &err), &err);
	commit(1);
	CHECK_EQ_STR(text_of("y.jsonl"), "{\"_op\":\"drop\"}\n");
	finish();
}

TEST(leaves_the_files_of_others_alone)
{
	begin();
	append("x.jsonl", "mine\n");
	open_sink(DRIP_OPTIONS("path", path_of("x.jsonl")));
	CHECK(drip_harness_write(sink, drip_test_batch(schema, "i|1|a\n"), &err) < 0);
	CHECK_EQ_STR(err.code, "file.exists");
	CHECK_OK(drip_harness_abort(sink, &err), &err);
	CHECK_EQ_STR(text_of("x.jsonl"), "mine\n");
	finish();
}

TEST(keeps_names_of_tables_inside_the_folder)
{
	struct drip_schema *odd = drip_test_schema("d.t", "id int64");
	struct drip_schema_builder b;
	struct drip_schema *s;

	begin();
	drip_schema_builder_from(&b, odd);
	drip_schema_builder_set_table(&b, "..", "../x/../y");
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	open_sink(DRIP_OPTIONS("path", path_of("{database}/{table}.jsonl")));
	CHECK_OK(drip_harness_write(sink, drip_test_batch(s, "i|1\n"), &err), &err);
	commit(1);
	CHECK_NOT_NULL(text_of("_./_._x_.._y.jsonl"));
	drip_schema_unref(s);
	drip_schema_unref(odd);
	finish();
}

TEST(refuses_what_it_cannot_do)
{
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_schema *s = drip_test_schema("t", "_op utf8");
	char *longest = calloc(1, 6000);

	begin();
	open_sink(DRIP_OPTIONS("path", path_of("x.jsonl"), "op_column", ""));
	CHECK(drip_harness_write(sink, drip_test_batch(schema, "u|1|a\n"), &err) < 0);
	CHECK_EQ_STR(err.code, "file.needs_op");
	open_sink(DRIP_OPTIONS("path", path_of("y.jsonl")));
	CHECK(drip_harness_negotiate(sink, s, &n, &err) < 0);
	CHECK_EQ_STR(err.code, "file.op_column");
	drip_harness_close(sink);
	sink = NULL;
	CHECK(drip_harness_open(h, DRIP_KIND_SINK, "file",
				DRIP_OPTIONS("path", path_of("x"), "roll_size", "1MiB"), &sink,
				&err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), "file.no_part");
	REQUIRE_NOT_NULL(longest);
	memset(longest, 'x', 5000);
	CHECK(drip_harness_open(h, DRIP_KIND_SINK, "file", DRIP_OPTIONS("path", longest), &sink,
				&err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), "file.bad_path");
	sink = NULL;
	free(longest);
	drip_schema_unref(s);
	finish();
}

static void damages(const char *text, const char *code)
{
	begin();
	open_sink(DRIP_OPTIONS("path", path_of("x.jsonl")));
	write_rows("i|1|a\n");
	commit(1);
	drip_harness_close(sink);
	sink = NULL;
	if (text != NULL) {
		unlink(path_of("x.jsonl.ledger"));
		append("x.jsonl.ledger", text);
	} else {
		CHECK_EQ_INT(truncate(path_of("x.jsonl"), 3), 0);
	}
	CHECK(drip_harness_open(h, DRIP_KIND_SINK, "file", DRIP_OPTIONS("path", path_of("x.jsonl")),
				&sink, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	sink = NULL;
	finish();
}

TEST(tells_damage)
{
	damages("", "file.bad_ledger");
	damages("dripline file sink ledger 1\n", "file.bad_ledger");
	damages("dripline file sink ledger 1\nposition x x0\nend\n", "file.bad_ledger");
	damages("dripline file sink ledger 1\nfile x74 x\n", "file.bad_ledger");
	damages("dripline file sink ledger 1\nnonsense\nend\n", "file.bad_ledger");
	damages(NULL, "file.too_short");
}

TEST(tells_failures_of_the_file_system)
{
	begin();
	append("file", "x");
	CHECK(drip_harness_open(h, DRIP_KIND_SINK, "file", DRIP_OPTIONS("path", path_of("file/x")),
				&sink, &err) < 0);
	CHECK_EQ_STR(err.code, "file.io");
	sink = NULL;
	finish();
}

TEST_MAIN()
