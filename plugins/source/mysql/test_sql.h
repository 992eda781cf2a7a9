/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: the connection as drip_sql. */
#include "test_support.h"

static const struct drip_sql *sql_open(struct drip_harness *h, void **ret_object,
				       void **ret_session)
{
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_sql *q;
	const void *interface = NULL;

	CHECK_OK(drip_harness_connection(h, "db", DRIP_SQL_INTERFACE, &interface, ret_object, &err),
		 &err);
	q = interface;
	CHECK_OK(q->session_open(*ret_object, ret_session, &err), &err);
	return q;
}

static void sql_done(struct drip_harness *h, const struct drip_sql *q, void *object, void *session)
{
	q->session_close(session);
	drip_harness_connection_done(h, "db", DRIP_SQL_INTERFACE, object);
	drip_harness_destroy(h);
}

static const char *code_of(int rc, const struct drip_error *err)
{
	return rc == 0 ? "" : err->code;
}

static void use_t(void)
{
	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; USE t");
}

TEST(a_query_streams_typed_columns)
{
	struct drip_harness *h = harness();
	struct drip_error err = DRIP_ERROR_INIT;
	struct ArrowArrayStream stream = {0};
	struct ArrowArray array;
	struct drip_schema *schema = NULL, *bound;
	struct drip_batch *bind;
	void *object, *session;
	const struct drip_sql *q = sql_open(h, &object, &session);
	int64_t rows = 0;
	char name[64], all[512] = "";

	use_t();
	sql("CREATE TABLE q (id INT UNSIGNED PRIMARY KEY, d DECIMAL(10,2), s VARCHAR(9), j JSON, u "
	    "UUID, t TIMESTAMP(3) NULL, f FLOAT, b BLOB, bt BIT(1));"
	    "INSERT INTO q SELECT seq, seq / 4, 'x', '{}', UUID(), NOW(), 1.5, 'b', 1 FROM "
	    "seq_1_to_100000");
	bound = drip_test_schema("p", "a int64, b utf8");
	bind = drip_test_batch(bound, "i|99990|x\n");
	CHECK_OK(q->query(session,
			  "SELECT *, '?' AS `quo?ted`, id FROM t.q WHERE id > ? /* ? */ AND s = ?",
			  bind, &schema, &stream, &err),
		 &err);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		drip_type_name(drip_schema_column(schema, i), name, sizeof(name));
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s ", name);
	}
	CHECK_EQ_STR(all, "uint32 decimal(10,2) utf8 json uuid timestamp_utc float32 binary bool "
			  "utf8 uint32 ");
	CHECK_EQ_STR(drip_schema_column(schema, 10)->name, "id_2");
	while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
		rows += array.length;
		array.release(&array);
	}
	CHECK_EQ_INT(rows, 10);
	CHECK_EQ_STR(code_of(q->query(session, "SELECT 1", NULL, &schema, &stream, &err), &err),
		     "mysql.busy");
	stream.release(&stream);
	drip_schema_unref(schema);
	CHECK_EQ_STR(code_of(q->query(session, "SELECT ?", bind, &schema, &stream, &err), &err),
		     "mysql.bad_parameters");
	drip_batch_unref(bind);
	drip_schema_unref(bound);
	CHECK_OK(q->query(session, "SELECT id FROM t.q", NULL, &schema, &stream, &err), &err);
	rows = 0;
	while (stream.get_next(&stream, &array) == 0 && array.release != NULL) {
		rows += array.length;
		array.release(&array);
	}
	CHECK_EQ_INT(rows, 100000);
	stream.release(&stream);
	drip_schema_unref(schema);
	sql_done(h, q, object, session);
}

TEST(rows_are_loaded_in_a_transaction)
{
	struct drip_harness *h = harness();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_sql_ingest *g = NULL;
	struct drip_schema *s = drip_test_schema(
		"t.x",
		"a int64, b utf8, c decimal(9,2), d timestamp, e binary, f bool, g duration");
	struct drip_batch *b = drip_test_batch(
		s, "i|1|it's \\|2.50|2024-01-02T03:04:05.000006|00ff|true|-12:00:01.5\n"
		   "d|-2|NULL|-0.01|1969-12-31T23:59:59|NULL|false|00:00:00\n");
	void *object, *session;
	const struct drip_sql *q = sql_open(h, &object, &session);
	int64_t rows = 0;
	char type[64];

	use_t();
	CHECK_OK(q->execute(session,
			    "CREATE TABLE t.x (a BIGINT, b TEXT, c DECIMAL(9,2), d DATETIME(6), e "
			    "BLOB, f BOOL, g TIME(6), op CHAR(1))",
			    NULL, &err),
		 &err);
	CHECK_OK(q->begin(session, &err), &err);
	CHECK_OK(q->ingest_open(session, "t", "x", s, "op", NULL, &g, &err), &err);
	CHECK_OK(q->ingest_write(g, b, &err), &err);
	CHECK_OK(q->ingest_close(g, &err), &err);
	CHECK_OK(q->rollback(session, &err), &err);
	CHECK_OK(q->begin(session, &err), &err);
	CHECK_OK(q->ingest_open(session, "t", "x", s, "op", NULL, &g, &err), &err);
	CHECK_OK(q->ingest_write(g, b, &err), &err);
	CHECK_OK(q->ingest_close(g, &err), &err);
	CHECK_OK(q->commit(session, &err), &err);
	CHECK_OK(q->execute(
			 session,
			 "UPDATE t.x SET a = 7 WHERE (a, b, c, d, e, f, g, op) = (1, 'it''s \\\\', "
			 "2.5, '2024-01-02 03:04:05.000006', x'00ff', 1, '-12:00:01.5', 'i') OR "
			 "(a, c, d, op) = (-2, -0.01, '1969-12-31 23:59:59', 'd')",
			 &rows, &err),
		 &err);
	CHECK_EQ_INT(rows, 2);
	CHECK_EQ_INT(q->dialect(object)->type_name(drip_schema_column(s, 2), type, sizeof(type)),
		     0);
	CHECK_EQ_STR(type, "DECIMAL(9,2)");
	drip_batch_unref(b);
	drip_schema_unref(s);
	sql_done(h, q, object, session);
}

TEST(a_failed_statement_fails_its_transaction)
{
	struct drip_harness *h = harness();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *schema = NULL;
	void *object, *session;
	const struct drip_sql *q = sql_open(h, &object, &session);

	use_t();
	sql("CREATE TABLE x (a INT PRIMARY KEY)");
	CHECK_OK(q->begin(session, &err), &err);
	CHECK_OK(q->execute(session, "INSERT INTO t.x VALUES (1)", NULL, &err), &err);
	CHECK_EQ_STR(code_of(q->execute(session, "NONSENSE", NULL, &err), &err),
		     "mysql.query_failed");
	CHECK_EQ_STR(code_of(q->commit(session, &err), &err), "mysql.transaction_failed");
	CHECK_OK(q->table_schema(session, "t", "x", &schema, &err), &err);
	CHECK_EQ_INT(schema->keys_count, 1);
	drip_schema_unref(schema);
	CHECK_EQ_STR(code_of(q->table_schema(session, "t", "none", &schema, &err), &err),
		     "mysql.no_such_table");
	CHECK_EQ_STR(code_of(q->table_schema(session, "", "none", &schema, &err), &err),
		     "mysql.no_such_database");
	sql("BEGIN; INSERT INTO t.x VALUES (5)");
	CHECK_OK(q->execute(session, "SET innodb_lock_wait_timeout = 1", NULL, &err), &err);
	CHECK_EQ_STR(code_of(q->execute(session, "INSERT INTO t.x VALUES (5)", NULL, &err), &err),
		     "mysql.lock_timeout");
	CHECK(err.retryable);
	sql("ROLLBACK");
	sql_done(h, q, object, session);
}

/* Opens a session with these options on top; what went wrong. */
static const char *open_error(const char *option, const char *value)
{
	static struct drip_error err;
	struct drip_harness *h = drip_harness_create(plugin_path);
	const void *interface = NULL;
	void *object, *session = NULL;
	char port[16];
	int rc;

	snprintf(port, sizeof(port), "%d", server.port);
	drip_harness_add_connection(h, "db", "mysql",
				    DRIP_OPTIONS("port", port, "user", TEST_MARIADB_USER,
						 "password", TEST_MARIADB_PASSWORD, option, value));
	err.struct_size = sizeof(err);
	rc = drip_harness_connection(h, "db", DRIP_SQL_INTERFACE, &interface, &object, &err);
	if (rc == 0) {
		const struct drip_sql *q = interface;

		rc = q->session_open(object, &session, &err);
		q->session_close(session);
		drip_harness_connection_done(h, "db", DRIP_SQL_INTERFACE, object);
	}
	drip_harness_destroy(h);
	if (getenv("SHOW") != NULL && rc != 0) {
		printf("# %s: %s\n", err.code, err.message);
	}
	return code_of(rc, &err);
}

TEST(connections_fail_clearly)
{
	MYSQL *many[12];
	int count = 0;

	CHECK_EQ_STR(open_error("connect_timeout", "5s"), "");
	CHECK_EQ_STR(open_error("password", "wrong"), "mysql.access_denied");
	CHECK_EQ_STR(open_error("port", "1"), "mysql.connection_failed");
	CHECK_EQ_STR(open_error("database", "nowhere"), "mysql.no_such_database");
	sql("SET GLOBAL max_connections = 10");
	for (; count < 12; count++) {
		many[count] = mysql_init(NULL);
		if (mysql_real_connect(many[count], "127.0.0.1", TEST_MARIADB_USER,
				       TEST_MARIADB_PASSWORD, NULL, (unsigned)server.port, NULL,
				       0) == NULL) {
			break;
		}
	}
	CHECK_EQ_STR(open_error("ssl", "disabled"), "mysql.server_busy");
	for (; count >= 0; count--) {
		mysql_close(many[count]);
	}
	sql("SET GLOBAL max_connections = 100");
}

/* (gives) the text at the first row and column. */
static char *first_text(const struct drip_sql *q, void *session, const char *statement,
			const struct drip_batch *bind)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct ArrowArrayStream stream = {0};
	struct ArrowArray array;
	struct drip_schema *schema = NULL;
	const int32_t *offsets;
	char *text;

	CHECK_OK(q->query(session, statement, bind, &schema, &stream, &err), &err);
	CHECK_EQ_INT(stream.get_next(&stream, &array), 0);
	offsets = array.children[0]->buffers[1];
	text = calloc(1, (size_t)(offsets[1] - offsets[0]) + 1);
	memcpy(text, (const char *)array.children[0]->buffers[2] + offsets[0],
	       (size_t)(offsets[1] - offsets[0]));
	array.release(&array);
	stream.release(&stream);
	drip_schema_unref(schema);
	return text;
}

static const struct hostile {
	const char *bytes, *hex;
	int64_t size;
} hostile[] = {
	{"'", "27", 1},
	{"\\", "5C", 1},
	{"\\'", "5C27", 2},
	{"\\'; DROP TABLE t.x; -- ", NULL, 23},
	{"' OR ''='", "27204F522027273D27", 9},
	{"\"", "22", 1},
	{"`?`", "603F60", 3},
	{"a\0b", "610062", 3},
	{"\n\r\x1a%_", "0A0D1A255F", 5},
	{"\xe2\x82\xac\xf0\x9f\x98\x80'", "E282ACF09F988027", 8},
	{"", "", 0},
};

/* (gives) one row with that value. */
static struct drip_batch *hostile_batch(struct drip_schema *s, const struct hostile *v)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_builder b;
	struct drip_batch *batch = NULL;

	CHECK_OK(drip_builder_init(&b, s, &err), &err);
	drip_append_bytes(&b.columns[0], v->bytes, v->size);
	drip_builder_row(&b, DRIP_OP_INSERT);
	CHECK_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	return batch;
}

static void check_hostile_values(const struct drip_sql *q, void *session, struct drip_schema *s)
{
	struct drip_error err = DRIP_ERROR_INIT;

	CHECK_OK(q->execute(session, "CREATE OR REPLACE TABLE t.x (v LONGTEXT)", NULL, &err), &err);
	for (size_t i = 0; i < DRIP_COUNT(hostile); i++) {
		struct drip_batch *b = hostile_batch(s, &hostile[i]);
		struct drip_sql_ingest *g = NULL;
		char *bound = first_text(q, session, "SELECT HEX(?)", b), *stored;

		CHECK_OK(q->execute(session, "DELETE FROM t.x", NULL, &err), &err);
		CHECK_OK(q->ingest_open(session, "t", "x", s, NULL, NULL, &g, &err), &err);
		CHECK_OK(q->ingest_write(g, b, &err), &err);
		CHECK_OK(q->ingest_close(g, &err), &err);
		stored = first_text(q, session, "SELECT HEX(v) FROM t.x", NULL);
		CHECK_EQ_STR(stored, bound);
		CHECK_EQ_INT(strlen(stored), 2 * hostile[i].size);
		CHECK(hostile[i].hex == NULL || strcmp(stored, hostile[i].hex) == 0);
		free(stored);
		free(bound);
		drip_batch_unref(b);
	}
}

/* A mode, and a statement in which only the last question mark stands for a value, with its result
 * for the value '. */
static const struct quoting {
	const char *mode, *statement, *result;
} quotings[] = {
	{"SET sql_mode = @@sql_mode", "SELECT CONCAT('\\'?', \"\\\"?\", ?)", "'?\"?'"},
	{"SET sql_mode = 'NO_BACKSLASH_ESCAPES'", "SELECT CONCAT('\\', \"'?\", ?)", "\\'?'"},
	{"SET sql_mode = 'ANSI_QUOTES'",
	 "SELECT CONCAT('\\'?', \"?\\\", ?) FROM (SELECT '\"?' \"?\\\") x", "'?\"?'"},
	{"SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES'",
	 "SELECT CONCAT('\\', \"?\\\", ?) FROM (SELECT '''?' \"?\\\") x", "\\'?'"},
};

TEST(values_are_safe_under_every_sql_mode)
{
	struct drip_schema *s = drip_test_schema("t.x", "v utf8"), *odd = NULL;
	struct drip_batch *quote = hostile_batch(s, &hostile[0]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_harness *h;
	const struct drip_sql *q;
	void *object, *session;
	char *text;

	use_t();
	sql("CREATE TABLE `o'd\\d` (id INT PRIMARY KEY); SET GLOBAL sql_mode = "
	    "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'");
	h = harness();
	q = sql_open(h, &object, &session);
	sql("SET GLOBAL sql_mode = DEFAULT");
	text = first_text(q, session, "SELECT @@sql_mode", NULL);
	CHECK_EQ_STR(text, "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION");
	free(text);
	for (size_t i = 0; i < DRIP_COUNT(quotings); i++) {
		CHECK_OK(q->execute(session, quotings[i].mode, NULL, &err), &err);
		check_hostile_values(q, session, s);
		CHECK_OK(q->table_schema(session, "t", "o'd\\d", &odd, &err), &err);
		drip_schema_unref(odd);
		odd = NULL;
		text = first_text(q, session, quotings[i].statement, quote);
		CHECK_EQ_STR(text, quotings[i].result);
		free(text);
	}
	drip_batch_unref(quote);
	drip_schema_unref(s);
	sql_done(h, q, object, session);
}
