/* SPDX-License-Identifier: Apache-2.0 */
/* The DuckDB connection through drip_sql, on the built plugin: every type there and back,
 * transactions, errors, bound batches, inference. */
#include "fixture.h"

#include <errno.h>
#include <unistd.h>

TEST(every_type_comes_back_as_it_went_in)
{
	struct drip_schema *schema = all_types(), *seen = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch = make_rows(schema, 5000, false), *part;
	char *want, *got;

	setup(":memory:");
	create_table(schema, "everything", "");
	ingest(batch, "everything", NULL, NULL);
	want = batch_rows(batch);
	got = fixture_rows(sql, session, "SELECT * FROM everything");
	CHECK_EQ_STR(got, want);
	REQUIRE_OK(sql->table_schema(session, NULL, "everything", &seen, &err), &err);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		CHECK_EQ_INT(drip_schema_column(seen, i)->type,
			     drip_schema_column(schema, i)->type);
		CHECK_EQ_INT(drip_schema_column(seen, i)->precision,
			     drip_schema_column(schema, i)->precision);
	}
	free(got);
	/* A slice begins inside a byte of the bitmaps. */
	fixture_execute(sql, session, "DELETE FROM everything");
	REQUIRE_OK(drip_batch_slice(batch, 13, 2500, &part, &err), &err);
	ingest(part, "everything", NULL, NULL);
	free(want);
	want = batch_rows(part);
	got = fixture_rows(sql, session, "FROM everything");
	CHECK_EQ_STR(got, want);
	free(got);
	/* The same batch, bound. */
	REQUIRE_OK(sql->bind(session, "my input", part, NULL, NULL, &err), &err);
	got = fixture_rows(sql, session, "SELECT * FROM \"my input\"");
	CHECK_EQ_STR(got, want);
	REQUIRE_OK(sql->bind(session, "my input", NULL, NULL, NULL, &err), &err);
	free(got);
	free(want);
	drip_batch_unref(part);
	drip_batch_unref(batch);
	drip_schema_unref(seen);
	drip_schema_unref(schema);
	teardown();
}

TEST(foreign_types_become_text_or_the_nearest)
{
	char *rows;

	setup(":memory:");
	rows = fixture_rows(sql, session,
			    "SELECT [1, 2] AS l, {'a': 1, 'b': 'x'} AS s, MAP {'k': 1} AS m, "
			    "'q'::ENUM ('p', 'q') AS e, 170141183460469231::HUGEINT AS h, "
			    "uuid '00112233-4455-6677-8899-aabbccddeeff' AS u, "
			    "INTERVAL '1 day 2 seconds' AS i, '101'::BIT AS b, "
			    "TIMESTAMP_NS '2020-01-02 03:04:05.123456789' AS n, NULL AS z, "
			    "sum(x)::DECIMAL(30,2) AS d FROM range(3) t(x);");
	CHECK_EQ_STR(rows,
		     "{\"l\":[1,2],\"s\":{\"a\":1,\"b\":\"x\"},\"m\":{\"k\":1},\"e\":\"q\","
		     "\"h\":170141183460469231,"
		     "\"u\":\"00112233-4455-6677-8899-aabbccddeeff\",\"i\":\"24:00:02\",\"b\":"
		     "\"101\",\"n\":\"2020-01-02T03:04:"
		     "05.123456\",\"z\":null,\"d\":3.00}\n");
	free(rows);
	teardown();
}

static int try_query(const char *text, struct drip_error *err)
{
	struct drip_schema *schema;
	struct ArrowArrayStream stream;
	struct ArrowArray array;
	int rc = sql->query(session, text, NULL, &schema, &stream, err);

	if (rc != 0) {
		return rc;
	}
	do {
		rc = stream.get_next(&stream, &array);
		if (rc == 0 && array.release != NULL) {
			array.release(&array);
			continue;
		}
		break;
	} while (true);
	if (rc != 0) {
		drip_error_set(err, -rc, "stream", "%s", stream.get_last_error(&stream));
	}
	stream.release(&stream);
	drip_schema_unref(schema);
	return -rc;
}

TEST(errors_are_told_apart)
{
	struct drip_error err = DRIP_ERROR_INIT;

	setup(":memory:");
	CHECK_EQ_INT(sql->execute(session, "SELEC 1", NULL, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.syntax");
	CHECK(!err.retryable);
	CHECK_EQ_INT(sql->execute(session, "SELECT * FROM missing", NULL, &err), -ENXIO);
	CHECK_EQ_STR(err.code, "duckdb.no_table");
	CHECK_EQ_INT(sql->execute(session, "SELECT 1; SELECT 2", NULL, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.several_statements");
	CHECK_EQ_INT(sql->execute(session, "COMMIT", NULL, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.transaction_statement");
	CHECK_EQ_INT(sql->execute(session, "SELECT 'x'::INTEGER FROM range(3)", NULL, &err),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.conversion");
	CHECK_EQ_INT(sql->execute(session, "SET threads = 1", NULL, &err), -EINVAL);
	CHECK_EQ_INT(try_query("SELECT (CASE WHEN x = 100000 THEN 'a' ELSE '1' END)::INTEGER AS n "
			       "FROM range(200000) t(x)",
			       &err),
		     -EINVAL);
	CHECK_EQ_INT(try_query("INSERT INTO nowhere VALUES (1)", &err), -ENXIO);
	CHECK_EQ_INT(try_query("SELECT INTERVAL '1 month' AS m", &err), -ERANGE);
	teardown();
}

TEST(a_failed_transaction_cannot_be_committed)
{
	struct drip_error err = DRIP_ERROR_INIT;

	setup(":memory:");
	fixture_execute(sql, session, "CREATE TABLE t(x INTEGER)");
	REQUIRE_OK(sql->begin(session, &err), &err);
	fixture_execute(sql, session, "INSERT INTO t VALUES (1)");
	/* A catalog error would leave DuckDB's transaction open, and the commit would go through.
	 */
	CHECK_EQ_INT(sql->execute(session, "INSERT INTO missing VALUES (1)", NULL, &err), -ENXIO);
	CHECK_EQ_INT(sql->execute(session, "INSERT INTO t VALUES (2)", NULL, &err), -ECANCELED);
	CHECK_EQ_INT(sql->commit(session, &err), -ECANCELED);
	CHECK_EQ_STR(err.code, "duckdb.transaction_aborted");
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM t"), 0);
	/* The session is good again. */
	REQUIRE_OK(sql->begin(session, &err), &err);
	fixture_execute(sql, session, "INSERT INTO t VALUES (1)");
	REQUIRE_OK(sql->commit(session, &err), &err);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM t"), 1);
	teardown();
}

TEST(conflicting_updates_are_retryable)
{
	struct drip_error err = DRIP_ERROR_INIT;
	void *other;

	setup(":memory:");
	REQUIRE_OK(sql->session_open(f.self, &other, &err), &err);
	fixture_execute(sql, session, "CREATE TABLE t(x INTEGER)");
	fixture_execute(sql, session, "INSERT INTO t VALUES (1)");
	REQUIRE_OK(sql->begin(session, &err), &err);
	REQUIRE_OK(sql->begin(other, &err), &err);
	fixture_execute(sql, session, "UPDATE t SET x = 2");
	CHECK_EQ_INT(sql->execute(other, "UPDATE t SET x = 3", NULL, &err), -EAGAIN);
	CHECK_EQ_STR(err.code, "duckdb.conflict");
	CHECK(err.retryable);
	REQUIRE_OK(sql->rollback(other, &err), &err);
	REQUIRE_OK(sql->commit(session, &err), &err);
	sql->session_close(other);
	teardown();
}

TEST(bound_batches_carry_op_and_row)
{
	struct drip_schema *schema = all_types();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *one = make_rows(schema, 3000, true), *two = make_rows(schema, 10, true);
	char *rows;

	setup(":memory:");
	REQUIRE_OK(sql->bind(session, "input", one, "_op", "_row", &err), &err);
	CHECK_EQ_INT(
		fixture_number(sql, session,
			       "SELECT count(*) AS n FROM input WHERE _op = 'u' AND _row % 2 = 1"),
		1500);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT max(_row) AS n FROM input"), 2999);
	/* The next batch of the same schema under the same prepared query. */
	rows = fixture_rows(sql, session, "SELECT count(*) AS n FROM input");
	CHECK_EQ_STR(rows, "{\"n\":3000}\n");
	free(rows);
	REQUIRE_OK(sql->bind(session, "input", two, "_op", "_row", &err), &err);
	rows = fixture_rows(sql, session, "SELECT count(*) AS n FROM input");
	CHECK_EQ_STR(rows, "{\"n\":10}\n");
	free(rows);
	REQUIRE_OK(sql->bind(session, "input", NULL, "_op", "_row", &err), &err);
	CHECK(try_query("SELECT count(*) AS n FROM input", &err) < 0);
	/* Bound inside a transaction, gone with its rollback, bound again. */
	REQUIRE_OK(sql->begin(session, &err), &err);
	REQUIRE_OK(sql->bind(session, "late", two, NULL, NULL, &err), &err);
	REQUIRE_OK(sql->rollback(session, &err), &err);
	REQUIRE_OK(sql->bind(session, "late", two, NULL, NULL, &err), &err);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM late"), 10);
	REQUIRE_OK(sql->bind(session, "late", NULL, NULL, NULL, &err), &err);
	drip_batch_unref(one);
	drip_batch_unref(two);
	drip_schema_unref(schema);
	teardown();
}

TEST(another_session_cannot_read_a_bound_batch)
{
	struct drip_schema *schema = all_types();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch = make_rows(schema, 10, false);
	void *mine = NULL, *other;

	setup(":memory:");
	mine = session;
	REQUIRE_OK(sql->session_open(f.self, &other, &err), &err);
	REQUIRE_OK(sql->bind(mine, "input", batch, NULL, NULL, &err), &err);
	CHECK_EQ_INT(fixture_number(sql, mine, "SELECT count(*) AS n FROM dripline_batch(1)"), 10);
	session = other;
	CHECK_EQ_INT(try_query("SELECT count(*) AS n FROM dripline_batch(1)", &err), -EINVAL);
	session = mine;
	sql->session_close(other);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	teardown();
}

TEST(ingest_carries_op_and_sequence)
{
	struct drip_schema *schema = all_types();
	struct drip_batch *batch = make_rows(schema, 4, true);
	char *rows;

	setup(":memory:");
	batch->sequence = 3;
	create_table(schema, "stage", ", _op VARCHAR, _seq BIGINT, extra INTEGER DEFAULT 7");
	ingest(batch, "stage", "_op", "_seq");
	rows = fixture_rows(
		sql, session,
		"SELECT _op, _seq - (3::BIGINT << 32) AS s, extra FROM stage ORDER BY _seq");
	CHECK_EQ_STR(rows,
		     "{\"_op\":\"i\",\"s\":0,\"extra\":7}\n{\"_op\":\"u\",\"s\":1,\"extra\":7}\n"
		     "{\"_op\":\"i\",\"s\":2,\"extra\":7}\n{\"_op\":\"u\",\"s\":3,\"extra\":7}\n");
	free(rows);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	teardown();
}

/* Several batches go in by one statement, and more of them than are held at once. */
TEST(batches_are_loaded_in_their_order)
{
	struct drip_schema *schema = all_types();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_sql_ingest *in, *other;
	int64_t rows = 0;

	setup(":memory:");
	create_table(schema, "t", ", seq BIGINT");
	create_table(schema, "u", "");
	REQUIRE_OK(sql->begin(session, &err), &err);
	REQUIRE_OK(sql->ingest_open(session, NULL, "t", schema, NULL, "seq", &in, &err), &err);
	REQUIRE_OK(sql->ingest_open(session, NULL, "u", schema, NULL, NULL, &other, &err), &err);
	for (uint64_t i = 0; i < 2100; i++) {
		struct drip_batch *batch = make_rows(schema, i % 700 == 0 ? 5000 : 2, i % 2 == 0);

		batch->sequence = i;
		rows += batch->rows;
		REQUIRE_OK(sql->ingest_write(in, batch, &err), &err);
		REQUIRE_OK(sql->ingest_write(other, batch, &err), &err);
		drip_batch_unref(batch);
	}
	REQUIRE_OK(sql->ingest_close(in, &err), &err);
	REQUIRE_OK(sql->ingest_close(other, &err), &err);
	REQUIRE_OK(sql->commit(session, &err), &err);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM u"), rows);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(DISTINCT seq) AS n FROM t"), rows);
	CHECK_EQ_INT(fixture_number(sql, session,
				    "SELECT count(*) AS n FROM (SELECT seq, lag(seq) OVER (ORDER "
				    "BY rowid) AS before FROM t) WHERE before >= seq"),
		     0);
	drip_schema_unref(schema);
	teardown();
}

static struct drip_schema *two_columns(void)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *schema;
	struct drip_column id = column("id", DRIP_TYPE_INT32),
			   phone = column("phone", DRIP_TYPE_UTF8);
	struct drip_column amount = column("amount", DRIP_TYPE_DECIMAL);

	id.flags = DRIP_COLUMN_KEY;
	phone.classification = DRIP_CLASS_RESTRICTED;
	amount.classification = DRIP_CLASS_INTERNAL;
	drip_schema_builder_init(&b, "db", "orders");
	drip_schema_builder_add(&b, &id);
	drip_schema_builder_add(&b, &phone);
	drip_schema_builder_add(&b, &amount);
	REQUIRE_OK(drip_schema_builder_build(&b, &schema, &err), &err);
	return schema;
}

TEST(text_that_is_not_utf8_is_refused)
{
	struct drip_schema *schema = two_columns();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_sql_ingest *in;
	struct drip_builder b;
	struct drip_batch *batch;

	setup(":memory:");
	create_table(schema, "t", "");
	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	for (int i = 0; i < 40; i++) {
		drip_append_i32(&b.columns[0], i);
		drip_append_bytes(&b.columns[1], i == 33 ? "\xff\xfe" : "fine", i == 33 ? 2 : 4);
		drip_append_null(&b.columns[2]);
		drip_builder_row(&b, DRIP_OP_INSERT);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	REQUIRE_OK(sql->ingest_open(session, NULL, "t", schema, NULL, NULL, &in, &err), &err);
	CHECK_EQ_INT(sql->ingest_write(in, batch, &err), -EILSEQ);
	CHECK_EQ_STR(err.code, "duckdb.invalid_utf8");
	CHECK(strstr(err.message, "row 33") != NULL);
	CHECK(sql->ingest_close(in, &err) < 0);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM t"), 0);
	REQUIRE_OK(sql->bind(session, "input", batch, NULL, NULL, &err), &err);
	CHECK(try_query("SELECT phone FROM input", &err) < 0);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(id) AS n FROM input"), 40);
	drip_builder_finish(&b);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	teardown();
}

static bool has_edge(const struct drip_lineage_edge *edges, uint32_t count, uint32_t output,
		     uint32_t input)
{
	for (uint32_t i = 0; i < count; i++) {
		if (edges[i].output == output && edges[i].input == input) {
			return true;
		}
	}
	return false;
}

TEST(inference_tells_types_classes_and_lineage)
{
	struct drip_schema *schema = two_columns(), *out = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_lineage_edge *edges = NULL;
	uint32_t count = 0;

	setup(":memory:");
	REQUIRE_OK(
		sql->infer_lineage(f.self,
				   "SELECT id, length(phone) AS n, amount * 2 AS twice, 1 AS one "
				   "FROM input",
				   "input", schema, &out, &edges, &count, &err),
		&err);
	CHECK_EQ_INT(out->columns_count, 4);
	CHECK_EQ_INT(drip_schema_column(out, 0)->type, DRIP_TYPE_INT32);
	CHECK_EQ_INT(drip_schema_column(out, 0)->flags, DRIP_COLUMN_KEY);
	CHECK_EQ_INT(drip_schema_column(out, 0)->classification, DRIP_CLASS_PUBLIC);
	CHECK_EQ_INT(drip_schema_column(out, 1)->classification, DRIP_CLASS_RESTRICTED);
	CHECK_EQ_INT(drip_schema_column(out, 2)->classification, DRIP_CLASS_INTERNAL);
	CHECK_EQ_INT(drip_schema_column(out, 2)->type, DRIP_TYPE_DECIMAL);
	CHECK_EQ_INT(count, 3);
	CHECK(has_edge(edges, count, 0, 0) && has_edge(edges, count, 1, 1) &&
	      has_edge(edges, count, 2, 2));
	free(edges);
	drip_schema_unref(out);
	/* A filter gives something away of its column. */
	REQUIRE_OK(sql->infer(f.self, "SELECT id FROM input WHERE phone LIKE '555%'", "input",
			      schema, &out, &err),
		   &err);
	CHECK_EQ_INT(drip_schema_column(out, 0)->classification, DRIP_CLASS_RESTRICTED);
	drip_schema_unref(out);
	CHECK_EQ_INT(sql->infer(f.self, "SELECT missing FROM input", "input", schema, &out, &err),
		     -EINVAL);
	CHECK_EQ_INT(sql->infer(f.self, "DROP TABLE input", "input", schema, &out, &err), -EINVAL);
	drip_schema_unref(schema);
	teardown();
}

TEST(parameters_are_bound)
{
	struct drip_schema *schema = two_columns(), *out;
	struct drip_error err = DRIP_ERROR_INIT;
	struct ArrowArrayStream stream;
	struct ArrowArray array;
	struct drip_builder b;
	struct drip_batch *batch;

	setup(":memory:");
	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	drip_append_i32(&b.columns[0], 41);
	drip_append_bytes(&b.columns[1], "x'y", 3);
	drip_append_null(&b.columns[2]);
	drip_builder_row(&b, DRIP_OP_INSERT);
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	REQUIRE_OK(
		sql->query(session,
			   "SELECT x FROM range(100) t(x) WHERE x > ? AND ? = 'x''y' AND ?::INT IS "
			   "NULL LIMIT 1",
			   batch, &out, &stream, &err),
		&err);
	REQUIRE(stream.get_next(&stream, &array) == 0);
	REQUIRE(array.release != NULL);
	CHECK_EQ_INT(((const int64_t *)array.children[0]->buffers[1])[0], 42);
	array.release(&array);
	stream.release(&stream);
	drip_schema_unref(out);
	CHECK_EQ_INT(sql->query(session, "SELECT ?::INT AS x", batch, &out, &stream, &err),
		     -EINVAL);
	drip_builder_finish(&b);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	teardown();
}

TEST(a_stream_ends_when_the_session_goes_on)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *schema;
	struct ArrowArrayStream stream;
	struct ArrowArray array;

	setup(":memory:");
	REQUIRE_OK(
		sql->query(session, "SELECT * FROM range(1000000)", NULL, &schema, &stream, &err),
		&err);
	REQUIRE(stream.get_next(&stream, &array) == 0);
	array.release(&array);
	fixture_execute(sql, session, "CREATE TABLE t(x INTEGER)");
	CHECK_EQ_INT(stream.get_next(&stream, &array), ECANCELED); /* duckdb.stream_ended */
	CHECK(strstr(stream.get_last_error(&stream), "another statement") != NULL);
	stream.release(&stream);
	drip_schema_unref(schema);
	teardown();
}

TEST(a_file_has_one_handle_a_process)
{
	char folder[] = "/tmp/drip-duckdb-XXXXXX", path[64], other_path[64];
	struct drip_error err = DRIP_ERROR_INIT;
	struct duck_fixture second;

	REQUIRE(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/dwh.duckdb", folder);
	snprintf(other_path, sizeof(other_path), "%s/../%s/link.duckdb", folder, folder + 5);
	setup(path);
	CHECK_EQ_INT(symlink(path, other_path), 0);
	fixture_load(&second, test_argv[1], other_path);
	CHECK_EQ_INT(second.ops->open(&second.ctx, &second.config, &second.self, &err), -EBUSY);
	CHECK_EQ_STR(err.code, "duckdb.already_open");
	fixture_execute(sql, session, "CREATE TABLE t(x INTEGER)");
	REQUIRE_OK(sql->maintain(session, &err), &err);
	CHECK_EQ_INT(f.ops->ping(f.self, &err), 0);
	teardown();
	/* Once it is closed another may have it. */
	REQUIRE_OK(second.ops->open(&second.ctx, &second.config, &second.self, &err), &err);
	second.ops->close(second.self);
	CHECK_EQ_INT(unlink(other_path), 0);
	CHECK_EQ_INT(unlink(path), 0);
	CHECK_EQ_INT(rmdir(folder), 0);
}

TEST(a_missing_folder_is_retryable)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct duck_fixture x;

	fixture_load(&x, test_argv[1], "/nonexistent/folder/dwh.duckdb");
	CHECK_EQ_INT(x.ops->open(&x.ctx, &x.config, &x.self, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "duckdb.open_failed");
	CHECK(err.retryable);
}

static int note_table(void *data, const char *schema, const char *table, struct drip_error *why)
{
	struct drip_text *all = data;

	(void)why;
	drip_text_puts(all, schema);
	drip_text_puts(all, "|");
	drip_text_puts(all, table);
	drip_text_puts(all, " ");
	return 0;
}

TEST(tables_of_a_query)
{
	static const char *const queries[][2] = {
		{"SELECT * FROM t AS x", "main|t "},
		{"SELECT * FROM seen", "ods|a.b \"c "},
		{"WITH w AS (SELECT * FROM ods.\"a.b \"\"c\" \"x.y\") SELECT * FROM w",
		 "ods|a.b \"c "},
		{"SELECT 1", ""},
	};
	struct drip_error why = DRIP_ERROR_INIT;

	setup(":memory:");
	fixture_execute(sql, session, "CREATE SCHEMA ods");
	fixture_execute(sql, session, "CREATE TABLE t (a INTEGER)");
	fixture_execute(sql, session, "CREATE TABLE ods.\"a.b \"\"c\" (a INTEGER)");
	fixture_execute(sql, session, "CREATE VIEW seen AS SELECT * FROM ods.\"a.b \"\"c\"");
	for (size_t i = 0; i < DRIP_COUNT(queries); i++) {
		struct drip_text all = {0};

		CHECK_OK(sql->each_table(session, queries[i][0], note_table, &all, &why), &why);
		drip_text_put(&all, "", 1);
		CHECK_EQ_STR(all.data, queries[i][1]);
		drip_text_finish(&all);
	}
	CHECK_EQ_INT(sql->each_table(session, "SELEC", note_table, NULL, &why), -ENOTSUP);
	CHECK_EQ_STR(why.code, "duckdb.unknown_tables");
	teardown();
}

TEST(every_kind_of_failure_has_its_code)
{
	static const struct {
		const char *text, *code;
		int rc;
		bool retryable;
	} cases[] = {
		{"INTERRUPT Error: Interrupted!", "duckdb.interrupted", -ECANCELED, false},
		{"FATAL Error: Failed: database has been invalidated", "duckdb.instance_invalid",
		 -EIO, true},
		{"INTERNAL Error: Attempted to access index 5", "duckdb.instance_invalid", -EIO,
		 true},
		{"Out of Memory Error: failed to pin block", "duckdb.out_of_memory", -ENOMEM, true},
		{"Out of Memory Error: failed to offload data block", "duckdb.out_of_memory",
		 -ENOMEM, true},
		{"IO Error: Could not write file: No space left on device", "duckdb.disk_full",
		 -ENOSPC, true},
		{"TransactionContext Error: Failed to commit: IO Error: No space left on device",
		 "duckdb.disk_full", -ENOSPC, true},
		{"TransactionContext Error: Failed to commit: Could not write file \"/d/w.wal\": "
		 "No "
		 "space left on device",
		 "duckdb.disk_full", -ENOSPC, true},
		{"TransactionContext Error: Failed to commit: Could not write file \"/d/w.wal\": "
		 "Input/output error",
		 "duckdb.io_error", -EIO, true},
		{"IO Error: Could not set lock on file \"x\": Conflicting lock is held",
		 "duckdb.locked", -EBUSY, true},
		{"IO Error: Cannot open file: Permission denied", "duckdb.io_error", -EACCES, true},
		{"IO Error: The file is not a valid DuckDB database file!", "duckdb.io_error",
		 -EBADMSG, false},
		{"Constraint Error: Duplicate key", "duckdb.constraint", -EEXIST, false},
		{"Binder Error: no", "duckdb.sql", -EINVAL, false},
		{"Catalog Error: Scalar Function with name f does not exist!", "duckdb.sql",
		 -EINVAL, false},
	};
	struct drip_duck duck = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct drip_duck_session s = {.duck = &duck, .in_transaction = true};

	for (size_t i = 0; i < DRIP_COUNT(cases); i++) {
		struct drip_error err = DRIP_ERROR_INIT;

		s.failed = duck.invalid = false;
		CHECK_EQ_INT(drip_duck_error(&s, cases[i].text, "run SQL", &err), cases[i].rc);
		CHECK_EQ_STR(err.code, cases[i].code);
		CHECK_EQ_INT(err.retryable, cases[i].retryable);
		CHECK(s.failed);
		CHECK_EQ_INT(duck.invalid, strcmp(cases[i].code, "duckdb.instance_invalid") == 0);
	}
}

TEST(an_invalid_instance_opens_anew_once_nobody_holds_it)
{
	struct drip_error err = DRIP_ERROR_INIT;
	void *other;

	setup(":memory:");
	((struct drip_duck *)f.self)->invalid = true;
	CHECK_EQ_INT(sql->session_open(f.self, &other, &err), -EBUSY);
	CHECK_EQ_STR(err.code, "duckdb.instance_invalid");
	CHECK(err.retryable);
	sql->session_close(session);
	REQUIRE_OK(sql->session_open(f.self, &session, &err), &err);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT 7::BIGINT AS n"), 7);
	teardown();
}

static int count_findings;

static void add_finding(struct drip_report *report, enum drip_log_level severity,
			const struct drip_error *finding)
{
	count_findings++;
	CHECK_EQ_STR(finding->code, report->private_data);
}

TEST(options_are_checked)
{
	struct drip_report report = {.struct_size = sizeof(report), .add = add_finding};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_pair pair = {"nonsense", "1"};
	struct duck_fixture x;

	fixture_load(&x, test_argv[1], ":memory:");
	x.config.read_only = true;
	report.private_data = (void *)(uintptr_t) "duckdb.read_only_memory";
	CHECK_EQ_INT(x.ops->check(&x.ctx, &x.config, false, &report, &err), 0);
	CHECK_EQ_INT(count_findings, 1);
	x.config.read_only = false;
	x.config.settings = (struct drip_pairs){&pair, 1};
	CHECK_EQ_INT(x.ops->open(&x.ctx, &x.config, &x.self, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.bad_setting");
	CHECK_EQ_STR(err.option, "settings");
}

TEST(external_access_can_be_shut)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct duck_fixture x;
	void *s;

	fixture_load(&x, test_argv[1], ":memory:");
	x.config.external_access = false;
	REQUIRE_OK(x.ops->open(&x.ctx, &x.config, &x.self, &err), &err);
	sql = x.ops->interface(x.self, DRIP_SQL_INTERFACE);
	REQUIRE_OK(sql->session_open(x.self, &s, &err), &err);
	CHECK_EQ_INT(sql->execute(s, "SELECT * FROM read_csv('/etc/passwd')", NULL, &err), -EACCES);
	CHECK_EQ_STR(err.code, "duckdb.not_permitted");
	CHECK(sql->execute(s, "SET enable_external_access = true", NULL, &err) < 0);
	sql->session_close(s);
	x.ops->close(x.self);
}

TEST(statements_that_cannot_be_used_say_why)
{
	struct drip_schema *schema = two_columns(), *out = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct ArrowArrayStream stream;

	setup(":memory:");
	CHECK_EQ_INT(
		sql->execute(session, "COPY (SELECT 1 AS x) TO '/nonexistent/x.csv'", NULL, &err),
		-EIO);
	CHECK_EQ_STR(err.code, "duckdb.io_error");
	CHECK_EQ_INT(sql->table_schema(session, NULL, "missing", &out, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "duckdb.no_table");
	CHECK_EQ_INT(sql->query(session, "SELECT ?::INT AS x", NULL, &out, &stream, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.parameters");
	CHECK_EQ_INT(sql->query(session, "COMMIT", NULL, &out, &stream, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.transaction_statement");
	CHECK_EQ_INT(sql->infer(f.self, "EXPLAIN SELECT 1", "input", schema, &out, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.not_a_query");
	drip_schema_unref(schema);
	teardown();
}

TEST(values_that_do_not_fit_are_refused)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column c = column("u", DRIP_TYPE_UUID);
	struct drip_schema_builder sb;
	struct drip_schema *schema;
	struct drip_sql_ingest *in;
	struct drip_builder b;
	struct drip_batch *batch;

	setup(":memory:");
	drip_schema_builder_init(&sb, "", "t");
	drip_schema_builder_add(&sb, &c);
	REQUIRE_OK(drip_schema_builder_build(&sb, &schema, &err), &err);
	create_table(schema, "t", "");
	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	drip_append_bytes(&b.columns[0], "not-a-uuid", 10);
	drip_builder_row(&b, DRIP_OP_INSERT);
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	REQUIRE_OK(sql->ingest_open(session, NULL, "t", schema, NULL, NULL, &in, &err), &err);
	REQUIRE_OK(sql->ingest_write(in, batch, &err), &err);
	CHECK_EQ_INT(sql->ingest_close(in, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "duckdb.value_invalid");
	drip_builder_finish(&b);
	drip_batch_unref(batch);
	drip_schema_unref(schema);
	teardown();
}

/* Prepared once and kept, the query still sees the column that another session adds: what would be
 * duckdb.table_changed is prepared anew. */
TEST(a_prepared_query_follows_its_table)
{
	struct drip_error err = DRIP_ERROR_INIT;
	void *other;
	char *rows;

	setup(":memory:");
	REQUIRE_OK(sql->session_open(f.self, &other, &err), &err);
	fixture_execute(sql, other, "CREATE TABLE t AS SELECT 1::INTEGER AS a");
	rows = fixture_rows(sql, session, "SELECT * FROM t");
	CHECK_EQ_STR(rows, "{\"a\":1}\n");
	free(rows);
	fixture_execute(sql, other, "ALTER TABLE t ADD COLUMN b VARCHAR");
	fixture_execute(sql, other, "ALTER TABLE t ALTER COLUMN a SET DATA TYPE VARCHAR");
	rows = fixture_rows(sql, session, "SELECT * FROM t");
	CHECK_EQ_STR(rows, "{\"a\":\"1\",\"b\":null}\n");
	free(rows);
	sql->session_close(other);
	teardown();
}

static int long_rc;
static struct drip_error long_err = DRIP_ERROR_INIT;

static void *run_long(void *data)
{
	long_rc = sql->execute(session,
			       "SELECT count(*) FROM range(100000000000) t(x) WHERE x % 7 = 3",
			       NULL, &long_err);
	__atomic_store_n((bool *)data, true, __ATOMIC_RELEASE);
	return NULL;
}

TEST(a_running_statement_can_be_interrupted)
{
	bool done = false;
	pthread_t thread;

	setup(":memory:");
	REQUIRE(pthread_create(&thread, NULL, run_long, &done) == 0);
	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		sql->interrupt(session);
	}
	pthread_join(thread, NULL);
	CHECK_EQ_INT(long_rc, -ECANCELED);
	CHECK_EQ_STR(long_err.code, "duckdb.interrupted");
	teardown();
}

TEST_MAIN()
