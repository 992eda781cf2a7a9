/* SPDX-License-Identifier: Apache-2.0 */
/* The DuckDB connection through drip_sql, on the built plugin: every type there and back,
 * transactions, errors, bound batches, inference. */
#include "fixture.h"

#include <errno.h>
#include <unistd.h>

static struct duck_fixture f;
static const struct drip_sql *sql;
static void *session;

static void setup(const char *path)
{
	struct drip_error err = DRIP_ERROR_INIT;

	fixture_open(&f, test_argv[1], path);
	sql = f.sql;
	REQUIRE_OK(sql->session_open(f.self, &session, &err), &err);
}

static void teardown(void)
{
	sql->session_close(session);
	fixture_close(&f);
}

static struct drip_column column(const char *name, enum drip_type type)
{
	return (struct drip_column){
		.struct_size = sizeof(struct drip_column),
		.name = name,
		.type = type,
		.flags = DRIP_COLUMN_NULLABLE,
		.precision = type == DRIP_TYPE_DECIMAL ? 12 : 0,
		.scale = type == DRIP_TYPE_DECIMAL ? 2 : 0,
	};
}

#define ALL_TYPES 26

static struct drip_schema *all_types(void)
{
	static const int decimals[5][2] = {{4, 1}, {9, 3}, {18, 4}, {38, 10}, {12, 0}};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *schema;
	struct drip_column c;
	char name[32];

	drip_schema_builder_init(&b, "db", "everything");
	for (int type = DRIP_TYPE_BOOL; type <= DRIP_TYPE_UUID; type++) {
		snprintf(name, sizeof(name), "c%d", type);
		c = column(name, (enum drip_type)type);
		drip_schema_builder_add(&b, &c);
	}
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		c = column(name, DRIP_TYPE_DECIMAL);
		c.precision = decimals[i][0];
		c.scale = decimals[i][1];
		drip_schema_builder_add(&b, &c);
	}
	REQUIRE_OK(drip_schema_builder_build(&b, &schema, &err), &err);
	return schema;
}

/* A text of each type for row `n`; NULL: null. */
static const char *sample(const struct drip_column *c, int64_t n, char *buf, size_t size)
{
	int64_t v = (n * 7919) % 100;

	if ((n + c->name[1]) % 5 == 0) {
		return NULL;
	}
	switch (c->type) {
	case DRIP_TYPE_BOOL:
		return n % 3 == 0 ? "true" : "false";
	case DRIP_TYPE_FLOAT32:
	case DRIP_TYPE_FLOAT64:
		snprintf(buf, size, "%lld.5", (long long)v);
		return buf;
	case DRIP_TYPE_DECIMAL:
		if (c->scale == 0) {
			snprintf(buf, size, "-%lld", (long long)v);
		} else {
			snprintf(buf, size, "-%lld.%0*d", (long long)v, c->scale, (int)(v % 10));
		}
		return buf;
	case DRIP_TYPE_UTF8:
		snprintf(buf, size,
			 n % 2 == 0 ? "short%lld" : "a longer text, gr\xc3\xbc\xc3\x9f %lld",
			 (long long)v);
		return buf;
	case DRIP_TYPE_BINARY:
		snprintf(buf, size, "ff00%02x", (int)v);
		return buf;
	case DRIP_TYPE_DATE:
		snprintf(buf, size, "20%02lld-02-28", (long long)v);
		return buf;
	case DRIP_TYPE_TIME:
		snprintf(buf, size, "23:59:%02lld.000123", (long long)(v % 60));
		return buf;
	case DRIP_TYPE_TIMESTAMP:
		snprintf(buf, size, "19%02lld-12-31T23:59:59.999999", (long long)v);
		return buf;
	case DRIP_TYPE_TIMESTAMP_UTC:
		snprintf(buf, size, "20%02lld-12-31T23:59:59.5Z", (long long)v);
		return buf;
	case DRIP_TYPE_DURATION:
		snprintf(buf, size, "%lld", (long long)(v * 1000));
		return buf;
	case DRIP_TYPE_JSON:
		snprintf(buf, size, "{\"a\": [%lld, null]}", (long long)v);
		return buf;
	case DRIP_TYPE_UUID:
		snprintf(buf, size, "%08llx-1234-5678-9abc-def012345678",
			 (unsigned long long)v << 25);
		return buf;
	default:
		snprintf(buf, size, "%lld", (long long)v);
		return buf;
	}
}

static struct drip_batch *make_rows(const struct drip_schema *schema, int64_t rows, bool changes)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_builder b;
	struct drip_batch *batch;
	char buf[128];

	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	for (int64_t n = 0; n < rows; n++) {
		for (uint32_t i = 0; i < schema->columns_count; i++) {
			const struct drip_column *c = drip_schema_column(schema, i);
			const char *text = sample(c, n, buf, sizeof(buf));

			if (text == NULL) {
				drip_append_null(&b.columns[i]);
			} else if (c->type == DRIP_TYPE_DURATION) {
				drip_append_i64(&b.columns[i], strtoll(text, NULL, 10));
			} else {
				REQUIRE_OK(drip_append_text(&b.columns[i], c, text,
							    (int64_t)strlen(text), &err),
					   &err);
			}
		}
		drip_builder_row(&b, changes && n % 2 ? DRIP_OP_UPDATE : DRIP_OP_INSERT);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	return batch;
}

static void create_table(const struct drip_schema *schema, const char *name, const char *more)
{
	const struct drip_sql_dialect *dialect = sql->dialect(f.self);
	struct drip_text t = {0};
	char type[64];

	drip_text_puts(&t, "CREATE TABLE ");
	drip_text_puts(&t, name);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(schema, i);

		REQUIRE(dialect->type_name(c, type, sizeof(type)) == 0);
		drip_text_puts(&t, i == 0 ? "(" : ", ");
		drip_text_puts(&t, c->name);
		drip_text_puts(&t, " ");
		drip_text_puts(&t, type);
	}
	drip_text_puts(&t, more);
	drip_text_put(&t, ")", 2);
	fixture_execute(sql, session, t.data);
	drip_text_finish(&t);
}

static void ingest(const struct drip_batch *batch, const char *table, const char *op,
		   const char *seq)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_sql_ingest *in;

	REQUIRE_OK(sql->ingest_open(session, NULL, table, batch->schema, op, seq, &in, &err), &err);
	REQUIRE_OK(sql->ingest_write(in, batch, &err), &err);
	REQUIRE_OK(sql->ingest_close(in, &err), &err);
}

static char *batch_rows(const struct drip_batch *batch)
{
	struct drip_text text = {0};

	for (int64_t i = 0; i < batch->rows; i++) {
		drip_text_json_row(&text, batch, i, NULL);
		drip_text_puts(&text, "\n");
	}
	drip_text_put(&text, "", 1);
	return text.data;
}

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
	CHECK_EQ_STR(err.code, "duckdb.sql");
	CHECK(!err.retryable);
	CHECK_EQ_INT(sql->execute(session, "SELECT * FROM missing", NULL, &err), -EINVAL);
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
	CHECK_EQ_INT(try_query("INSERT INTO nowhere VALUES (1)", &err), -EINVAL);
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
	CHECK_EQ_INT(sql->execute(session, "INSERT INTO missing VALUES (1)", NULL, &err), -EINVAL);
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
	CHECK_EQ_INT(stream.get_next(&stream, &array), ECANCELED);
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

TEST_MAIN()
