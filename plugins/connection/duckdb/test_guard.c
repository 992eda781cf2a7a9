/* SPDX-License-Identifier: Apache-2.0 */
/* The query guard on the built plugin: what a role's query may do, and every known way around. */
#include "fixture.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

static const struct drip_guard *guard;

#define VIEW(of_schema, of_table, of_columns, of_filter)                                           \
	{                                                                                          \
		.struct_size = sizeof(struct drip_guard_view), .schema = of_schema,                \
		.table = of_table, .columns = of_columns, .filter = of_filter                      \
	}

static const struct drip_guard_view analyst_views[] = {
	VIEW("main", "fact_orders", "id, '***' || right(phone, 4) AS phone", NULL),
	VIEW("ods", "t", "x", "x > 0"),
	VIEW("main", "later", "a", NULL),
};
static const struct drip_guard_view dba_views[] = {VIEW("main", "secret", "word", NULL)};

static void define(const char *role, const struct drip_guard_view *views, size_t count)
{
	struct drip_error err = DRIP_ERROR_INIT;

	REQUIRE_OK(guard->define(f.self, role, views, count, &err), &err);
}

static void guard_setup(void)
{
	setup(":memory:");
	guard = f.ops->interface(f.self, DRIP_GUARD_INTERFACE);
	REQUIRE(guard != NULL);
	fixture_execute(sql, session, "CREATE TABLE fact_orders(id INTEGER, phone VARCHAR)");
	fixture_execute(sql, session,
			"INSERT INTO fact_orders SELECT x, '+1212555' || (1000 + x) FROM range(50) "
			"t(x)");
	fixture_execute(sql, session, "CREATE TABLE secret(word VARCHAR)");
	fixture_execute(sql, session, "INSERT INTO secret VALUES ('sesame')");
	fixture_execute(sql, session, "CREATE SCHEMA ods");
	fixture_execute(sql, session, "CREATE TABLE ods.t(x INTEGER)");
	fixture_execute(sql, session, "CREATE MACRO leak() AS TABLE FROM main.secret");
	fixture_execute(sql, session,
			"CREATE MACRO leak_one() AS (SELECT max(word) FROM main.secret)");
	define("analyst", analyst_views, DRIP_COUNT(analyst_views));
	define("dba", dba_views, DRIP_COUNT(dba_views));
}

struct gathered {
	struct drip_text text;
	int64_t batches;
};

static int on_schema(const struct drip_schema *schema, void *data, struct drip_error *err)
{
	return 0;
}

static int on_batch(const struct drip_batch *batch, void *data, struct drip_error *err)
{
	struct gathered *g = data;

	g->batches++;
	for (int64_t i = 0; i < batch->rows && g->text.size < 65536; i++) {
		drip_text_json_row(&g->text, batch, i, NULL);
		drip_text_puts(&g->text, "\n");
	}
	return 0;
}

static struct drip_guard_result result;

static struct drip_guard_query query_of(const char *text)
{
	return (struct drip_guard_query){
		.struct_size = sizeof(struct drip_guard_query),
		.role = "analyst",
		.sql = text,
		.sql_size = strlen(text),
		.rows = 100,
		.bytes = 1 << 20,
		.timeout_ms = 60000,
		.on_schema = on_schema,
		.on_batch = on_batch,
	};
}

/* (gives) the rows as JSON lines, NULL with *err. */
static char *ask(const char *text, struct drip_error *err)
{
	struct gathered g = {.batches = 0};
	struct drip_guard_query query = query_of(text);

	query.data = &g;
	if (guard->query(f.self, &query, &result, err) != 0) {
		drip_text_finish(&g.text);
		return NULL;
	}
	drip_text_put(&g.text, "", 1);
	return g.text.data;
}

static void check_rows(const char *text, const char *want)
{
	struct drip_error err = DRIP_ERROR_INIT;
	char *rows = ask(text, &err);

	if (rows == NULL) {
		printf("# %s: %s [%s]\n", text, err.message, err.code);
	}
	REQUIRE(rows != NULL);
	CHECK_EQ_STR(rows, want);
	free(rows);
}

TEST(lets_ordinary_queries_through)
{
	guard_setup();
	check_rows("SELECT * FROM fact_orders WHERE id = 7", "{\"id\":7,\"phone\":\"***1007\"}\n");
	check_rows("SELECT o.id FROM main.fact_orders AS o JOIN fact_orders USING (id) WHERE "
		   "fact_orders.id < 1;",
		   "{\"id\":0}\n");
	check_rows("SELECT fact_orders.id FROM Fact_Orders ORDER BY id DESC LIMIT 1",
		   "{\"id\":49}\n");
	check_rows("SELECT count(*) AS n FROM ods.t -- a comment", "{\"n\":0}\n");
	check_rows("WITH a AS (SELECT id % 2 AS k, count(*) AS n FROM fact_orders GROUP BY ALL), "
		   "b(k, n) AS (SELECT * FROM a WHERE k = 1) SELECT a.k, b.n FROM a LEFT JOIN b "
		   "USING (k) ORDER BY ALL",
		   "{\"k\":0,\"n\":null}\n{\"k\":1,\"n\":25}\n");
	check_rows("WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r WHERE x < 4) "
		   "SELECT sum(x) AS s FROM r",
		   "{\"s\":10}\n");
	check_rows("SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS "
		   "s, rank() OVER (ORDER BY id) AS r FROM fact_orders QUALIFY r = 3",
		   "{\"s\":3,\"r\":3}\n");
	check_rows("SELECT list_transform([1, 2], x -> x + 1) AS l, [y * 2 FOR y IN [3]] AS m, "
		   "{'a': 1}.a AS a, CASE WHEN 1 IN (1, 2) THEN 'x' ELSE 'y' END AS c, DATE "
		   "'2026-01-31' + INTERVAL 1 day AS d, '1.5'::DECIMAL(4,2) AS e, 'a' LIKE 'A%' AS "
		   "i, 'it''s \"q\"' AS q",
		   "{\"l\":[2,3],\"m\":[6],\"a\":1,\"c\":\"x\",\"d\":\"2026-02-01T00:00:00\",\"e\":"
		   "1.50,\"i\":false,\"q\":\"it's \\\"q\\\"\"}\n");
	check_rows("SELECT x FROM range(3) t(x) UNION ALL VALUES (9) ORDER BY 1 DESC LIMIT 2",
		   "{\"x\":9}\n{\"x\":2}\n");
	check_rows("SELECT count(DISTINCT id) FILTER (WHERE id > 10) AS n, string_agg(id::VARCHAR, "
		   "',' ORDER BY id) FILTER (id < 3) AS s FROM fact_orders",
		   "{\"n\":39,\"s\":\"0,1,2\"}\n");
	check_rows("SELECT id FROM fact_orders o WHERE EXISTS (SELECT 1 FROM fact_orders i WHERE "
		   "i.id = o.id AND i.id = 5) AND id = ANY (SELECT 5)",
		   "{\"id\":5}\n");
	check_rows("SELECT id, id FROM fact_orders WHERE id = 1", "{\"id\":1,\"id_1\":1}\n");
	check_rows("SELECT main.fact_orders.phone FROM fact_orders LIMIT 1",
		   "{\"phone\":\"***1000\"}\n");
	/* A WITH entry of a table's name hides it, here and no further. */
	check_rows("WITH fact_orders AS (SELECT 1 AS one) SELECT * FROM fact_orders",
		   "{\"one\":1}\n");
	check_rows("SELECT (WITH fact_orders AS (SELECT 2 AS two) SELECT two FROM fact_orders) AS "
		   "two, count(*) AS n FROM fact_orders",
		   "{\"two\":2,\"n\":50}\n");
	check_rows("WITH fact_orders AS (SELECT * FROM fact_orders WHERE id = 3) SELECT phone FROM "
		   "fact_orders",
		   "{\"phone\":\"***1003\"}\n");
	teardown();
}

struct attempt {
	const char *sql, *code;
};

/* Ways that were used against other guards, and against DuckDB. */
static const struct attempt attempts[] = {
	/* several statements, and others than SELECT */
	{"SELECT 1; SELECT 2", "guard.several_statements"},
	{"SELECT 1; COMMIT; DELETE FROM secret", "guard.not_select"},
	{"COMMIT", "guard.not_select"},
	{"DELETE FROM fact_orders", "guard.not_select"},
	{"INSERT INTO fact_orders VALUES (1, '2')", "guard.not_select"},
	{"UPDATE fact_orders SET id = 1", "guard.not_select"},
	{"DROP TABLE secret", "guard.not_select"},
	{"CREATE TABLE x AS SELECT 1", "guard.not_select"},
	{"CREATE TEMP MACRO m() AS 1", "guard.not_select"},
	{"EXPLAIN SELECT 1", "guard.not_select"},
	{"EXPLAIN ANALYZE DELETE FROM secret", "guard.not_select"},
	{"PRAGMA database_list", NULL},
	{"SET threads = 1", "guard.not_select"},
	{"SET search_path = 'drip_role_dba'", "guard.not_select"},
	{"USE drip_role_dba", "guard.not_select"},
	{"SET VARIABLE x = 1", "guard.not_select"},
	{"RESET ALL", NULL},
	{"CALL pragma_version()", "guard.not_select"},
	{"ATTACH ':memory:' AS m", "guard.not_select"},
	{"COPY secret TO '/tmp/x'", "guard.not_select"},
	{"EXPORT DATABASE '/tmp/x'", "guard.not_select"},
	{"INSTALL httpfs", "guard.not_select"},
	{"LOAD httpfs", "guard.not_select"},
	{"CHECKPOINT", "guard.not_select"},
	{"VACUUM", "guard.not_select"},
	{"PREPARE p AS SELECT 1", "guard.not_select"},
	{"EXECUTE p", "guard.not_select"},
	{"MERGE INTO secret USING secret s ON true WHEN MATCHED THEN DELETE", "guard.not_select"},
	{"PIVOT secret ON word USING count(*)", NULL},
	{"FROM (PIVOT secret ON word IN ('a') USING count(*))", NULL},
	{"SELECT * FROM secret PIVOT (count(*) FOR word IN ('a'))", "guard.syntax"},
	{"UNPIVOT secret ON word", NULL},
	{"SHOW TABLES", "guard.syntax"},
	{"SHOW ALL TABLES", "guard.syntax"},
	{"DESCRIBE secret", "guard.syntax"},
	{"SUMMARIZE secret", "guard.syntax"},
	{"SELECT * FROM (DESCRIBE secret)", "guard.syntax"},
	{"SELECT * FROM (SHOW TABLES)", "guard.syntax"},
	{"", NULL},
	{";", NULL},
	{"-- nothing", NULL},
	{"SELEC 1", "guard.unreadable"},
	/* tables that are not the role's */
	{"SELECT * FROM secret", "guard.table"},
	{"TABLE secret", "guard.table"},
	{"FROM main.secret", "guard.table"},
	{"FROM memory.main.secret", "guard.table"},
	{"FROM memory.secret", "guard.table"},
	{"FROM \"main\".\"secret\"", "guard.table"},
	{"FROM \"MAIN\".\"SECRET\"", "guard.table"},
	{"FROM drip_role_dba.secret", "guard.table"},
	{"FROM drip_role_dba.main.secret", "guard.table"},
	{"FROM \"drip_role_dba\".\"secret\"", "guard.table"},
	{"FROM \"main.fact_orders\"", "guard.table"},
	{"FROM \"ods.t\"", "guard.table"},
	{"FROM drip_role_analyst.fact_orders", "guard.table"},
	{"FROM memory.main.fact_orders", "guard.table"},
	{"FROM ods.secret", "guard.table"},
	{"FROM temp.secret", "guard.table"},
	{"FROM system.main.duckdb_tables", "guard.table"},
	{"FROM information_schema.tables", "guard.table"},
	{"FROM information_schema.columns", "guard.table"},
	{"FROM pg_catalog.pg_tables", "guard.table"},
	{"FROM pg_tables", "guard.table"},
	{"FROM sqlite_master", "guard.table"},
	{"FROM sqlite_schema", "guard.table"},
	{"FROM duckdb_tables", "guard.table"},
	{"FROM duckdb_columns", "guard.table"},
	{"FROM pragma_database_list", "guard.table"},
	{"FROM 'x.parquet'", "guard.table"},
	{"FROM '/etc/passwd'", "guard.table"},
	{"FROM 'lake/raw/*.parquet'", "guard.table"},
	{"SELECT 1 WHERE EXISTS (FROM secret)", "guard.table"},
	{"SELECT (SELECT word FROM secret)", "guard.table"},
	{"SELECT 1 IN (SELECT word FROM secret)", "guard.table"},
	{"SELECT id FROM fact_orders ORDER BY (SELECT max(word) FROM secret)", "guard.table"},
	{"SELECT 1 LIMIT (SELECT length(word) FROM secret)", "guard.table"},
	{"SELECT count(*) FILTER (WHERE (SELECT true FROM secret))", "guard.table"},
	{"SELECT sum(1) OVER (ORDER BY (SELECT word FROM secret))", "guard.table"},
	{"SELECT CASE WHEN (SELECT true FROM secret) THEN 1 END", "guard.table"},
	{"SELECT * FROM fact_orders o, LATERAL (SELECT * FROM secret)", "guard.table"},
	{"SELECT * FROM fact_orders JOIN secret ON true", "guard.table"},
	{"SELECT * FROM fact_orders POSITIONAL JOIN secret", "guard.table"},
	{"SELECT * FROM fact_orders JOIN fact_orders b ON (SELECT true FROM secret)",
	 "guard.table"},
	{"SELECT id FROM fact_orders UNION SELECT 1 FROM secret", "guard.table"},
	{"SELECT id FROM fact_orders GROUP BY id HAVING (SELECT true FROM secret)", "guard.table"},
	{"SELECT id FROM fact_orders QUALIFY row_number() OVER () > (SELECT 1 FROM secret)",
	 "guard.table"},
	{"SELECT DISTINCT ON ((SELECT word FROM secret)) 1", "guard.table"},
	{"VALUES ((SELECT word FROM secret))", "guard.table"},
	{"SELECT list_transform([1], x -> (SELECT word FROM secret))", "guard.table"},
	{"SELECT * REPLACE ((SELECT word FROM secret) AS phone) FROM fact_orders", "guard.table"},
	{"SELECT * FROM fact_orders AT (VERSION => (SELECT 1 FROM secret))", "guard.syntax"},
	{"SELECT unnest((SELECT list(word) FROM secret))", "guard.table"},
	{"FROM unnest((SELECT list(word) FROM secret))", "guard.table"},
	{"FROM range((SELECT length(word) FROM secret))", "guard.table"},
	/* names of WITH entries */
	{"SELECT * FROM (WITH secret AS (SELECT 1) SELECT 2) x, secret", "guard.table"},
	{"WITH a AS (FROM secret), secret AS (SELECT 1) FROM a", "guard.table"},
	{"WITH secret AS (FROM secret) FROM secret", "guard.table"},
	{"WITH secret AS (FROM main.secret) FROM secret", "guard.table"},
	{"WITH secret AS (SELECT 1) FROM main.secret", "guard.table"},
	{"SELECT (WITH secret AS (SELECT 1) SELECT 1), (SELECT word FROM secret)", "guard.table"},
	{"WITH RECURSIVE secret AS (SELECT 'a' AS word UNION ALL SELECT word FROM main.secret) "
	 "FROM secret",
	 "guard.table"},
	{"WITH \"x.parquet\" AS (SELECT 1) FROM \"x.parquet\"", "guard.syntax"},
	{"WITH pg_tables AS (SELECT 1) FROM pg_tables", "guard.syntax"},
	{"WITH duckdb_tables AS (SELECT 1) FROM duckdb_tables", "guard.syntax"},
	{"WITH x AS (DELETE FROM secret RETURNING *) FROM x", NULL},
	/* functions */
	{"FROM read_csv('/etc/passwd')", "guard.function"},
	{"FROM read_text('/etc/passwd')", "guard.function"},
	{"FROM read_blob('/etc/passwd')", "guard.function"},
	{"FROM read_parquet('lake/raw/*.parquet')", "guard.function"},
	{"FROM read_json_auto('x.json')", "guard.function"},
	{"FROM parquet_scan('x')", "guard.function"},
	{"FROM parquet_metadata('x')", "guard.function"},
	{"FROM glob('/*')", "guard.function"},
	{"FROM sniff_csv('/etc/passwd')", "guard.function"},
	{"FROM query('SELECT * FROM secret')", "guard.function"},
	{"FROM query_table('secret')", "guard.function"},
	{"FROM query_table(['secret'])", "guard.function"},
	{"FROM duckdb_tables()", "guard.function"},
	{"FROM duckdb_settings()", "guard.function"},
	{"FROM duckdb_secrets()", "guard.function"},
	{"FROM duckdb_functions()", "guard.function"},
	{"FROM pragma_table_info('secret')", "guard.function"},
	{"FROM pragma_storage_info('secret')", "guard.function"},
	{"FROM pragma_version()", "guard.function"},
	{"FROM seq_scan('secret')", "guard.function"},
	{"FROM arrow_scan(1, 2, 3)", "guard.function"},
	{"FROM json_execute_serialized_sql('{}')", "guard.function"},
	{"FROM main.read_text('/etc/passwd')", "guard.function"},
	{"FROM system.main.read_text('/etc/passwd')", "guard.function"},
	{"FROM READ_TEXT('/etc/passwd')", "guard.function"},
	{"FROM \"read_text\"('/etc/passwd')", "guard.function"},
	{"FROM checkpoint()", "guard.function"},
	{"FROM repeat(1, 10)", "guard.function"},
	{"FROM leak()", "guard.function"},
	{"FROM main.leak()", "guard.function"},
	{"SELECT leak_one()", "guard.function"},
	{"SELECT main.leak_one()", "guard.function"},
	{"SELECT memory.main.leak_one()", "guard.function"},
	{"SELECT memory.main.abs(1)", "guard.function"},
	{"SELECT getenv('HOME')", "guard.function"},
	{"SELECT getvariable('x')", "guard.function"},
	{"SELECT current_setting('memory_limit')", "guard.function"},
	{"SELECT current_database()", "guard.function"},
	{"SELECT current_schemas(true)", "guard.function"},
	{"SELECT version()", "guard.function"},
	{"SELECT nextval('s')", "guard.function"},
	{"SELECT setseed(0.5)", "guard.function"},
	{"SELECT sleep_ms(100000)", "guard.function"},
	{"SELECT pg_sleep(100)", "guard.function"},
	{"SELECT write_log('x')", "guard.function"},
	{"SELECT json_serialize_sql('SELECT 1')", "guard.function"},
	{"SELECT stats(phone) FROM fact_orders", "guard.function"},
	{"SELECT repeat('x', 1000000000)", "guard.function"},
	{"SELECT lpad('x', 1000000000, 'y')", "guard.function"},
	{"SELECT range(1000000000)", "guard.function"},
	{"SELECT printf('%1000000000d', 1)", "guard.function"},
	{"SELECT sum(1) OVER (PARTITION BY getenv('HOME'))", "guard.function"},
	{"SELECT leak_one() OVER ()", "guard.function"},
	{"SELECT id FROM fact_orders WHERE getenv('HOME') = 'x'", "guard.function"},
	{"SELECT [getenv(x) FOR x IN ['HOME']]", "guard.function"},
	{"SELECT list_transform(['HOME'], getenv)", NULL},
	{"SELECT ('HOME').getenv()", "guard.function"},
	/* types and columns by way of the catalog */
	{"SELECT 1::secret", "guard.type"},
	{"SELECT CAST('x' AS main.secret)", NULL},
	{"SELECT 'secret'::REGCLASS", "guard.type"},
	{"SELECT main.secret.word FROM fact_orders", NULL},
	{"SELECT secret.word FROM fact_orders", NULL},
	{"SELECT rowid FROM fact_orders", NULL},
	{"SELECT COLUMNS(main.secret.*) FROM fact_orders", NULL},
	{"SELECT ?", NULL},
	{"SELECT $1", NULL},
	{"SELECT 170141183460469231731687303715884105727", "guard.syntax"},
};

TEST(refuses_every_known_way_around)
{
	struct drip_error err = DRIP_ERROR_INIT;

	guard_setup();
	for (size_t i = 0; i < DRIP_COUNT(attempts); i++) {
		const struct attempt *a = &attempts[i];
		char *rows;

		err = (struct drip_error)DRIP_ERROR_INIT;
		rows = ask(a->sql, &err);
		if (rows != NULL || (a->code != NULL && strcmp(a->code, err.code) != 0)) {
			printf("# %s: %s: %s\n", a->sql, err.code,
			       rows != NULL ? rows : err.message);
		}
		CHECK(rows == NULL);
		CHECK(err.rc < 0);
		if (a->code != NULL) {
			CHECK_EQ_STR(err.code, a->code);
		}
		CHECK(strstr(err.message, "sesame") == NULL);
		CHECK(strstr(err.hint, "sesame") == NULL);
		free(rows);
	}
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM secret"), 1);
	CHECK_EQ_INT(fixture_number(sql, session, "SELECT count(*) AS n FROM fact_orders"), 50);
	teardown();
}

static void check_text(const char *text, size_t size, const char *code)
{
	struct drip_error err = DRIP_ERROR_INIT;
	CHECK(guard->check(f.self, "analyst", text, size, &err) < 0);
	CHECK_EQ_STR(err.code, code);
}

TEST(refuses_what_is_not_text)
{
	static char large[DRIP_GUARD_SQL_MAX + 2];
	struct drip_error err = DRIP_ERROR_INIT;

	guard_setup();
	check_text("SELECT 1\0; DROP TABLE secret", 29, "guard.bad_text");
	check_text("SELECT \x01", 8, "guard.bad_text");
	check_text("SELECT '\xff'", 10, "guard.bad_text");
	check_text("SELECT '\xc0\xaf'", 11, "guard.bad_text");
	memset(large, ' ', sizeof(large));
	check_text(large, sizeof(large), "guard.too_long");
	memset(large, '(', 5000);
	memcpy(large, "SELECT ", 7);
	CHECK(guard->check(f.self, "analyst", large, 5000, &err) < 0);
	for (int i = 0; i < 300; i++) {
		memcpy(large + i * 8, "SELECT (", 8);
	}
	large[2400] = '1';
	memset(large + 2401, ')', 300);
	CHECK(guard->check(f.self, "analyst", large, 2700, &err) < 0);
	CHECK_EQ_INT(guard->check(f.self, "role\"; x", "SELECT 1", 8, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "guard.unknown_role");
	CHECK(guard->define(f.self, "Bad Name", dba_views, 1, &err) < 0);
	CHECK_EQ_STR(err.code, "guard.bad_view");
	teardown();
}

TEST(cuts_results_at_their_limits)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct gathered g = {.batches = 0};
	struct drip_guard_query query = query_of("SELECT * FROM range(1000000) t(x)");

	guard_setup();
	query.data = &g;
	query.rows = 10;
	REQUIRE_OK(guard->query(f.self, &query, &result, &err), &err);
	CHECK_EQ_INT(result.rows, 10);
	CHECK(result.truncated);
	query.rows = 1000000;
	query.bytes = 1000;
	REQUIRE_OK(guard->query(f.self, &query, &result, &err), &err);
	CHECK(result.truncated);
	CHECK(result.rows > 0 && result.rows < 200);
	query = query_of("SELECT id FROM fact_orders");
	query.data = &g;
	query.rows = 50;
	REQUIRE_OK(guard->query(f.self, &query, &result, &err), &err);
	CHECK_EQ_INT(result.rows, 50);
	CHECK(!result.truncated);
	query.rows = 0;
	CHECK_EQ_INT(guard->query(f.self, &query, &result, &err), -ERANGE);
	CHECK_EQ_STR(err.code, "guard.bad_limit");
	drip_text_finish(&g.text);
	teardown();
}

TEST(ends_what_is_out_of_time)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct gathered g = {.batches = 0};
	struct drip_guard_query query =
		query_of("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * "
			 "b.range % 7 = 8");

	guard_setup();
	query.data = &g;
	query.timeout_ms = 50;
	CHECK_EQ_INT(guard->query(f.self, &query, &result, &err), -ETIMEDOUT);
	CHECK_EQ_STR(err.code, "guard.timeout");
	CHECK(result.run_us >= 50000);
	check_rows("SELECT 1 AS x", "{\"x\":1}\n");
	drip_text_finish(&g.text);
	teardown();
}

TEST(follows_tables_and_roles_as_they_change)
{
	static const struct drip_guard_view less[] = {VIEW("main", "fact_orders", "id", "id < 3")};
	struct drip_error err = DRIP_ERROR_INIT;

	guard_setup();
	CHECK(ask("SELECT * FROM later", &err) == NULL);
	CHECK_EQ_STR(err.code, "guard.table");
	fixture_execute(sql, session, "CREATE TABLE later AS SELECT 1 AS a, 2 AS b");
	check_rows("SELECT * FROM later", "{\"a\":1}\n");
	fixture_execute(sql, session, "DROP TABLE later");
	fixture_execute(sql, session, "CREATE TABLE later AS SELECT 'x' AS c, 'y' AS a");
	check_rows("SELECT * FROM later", "{\"a\":\"y\"}\n");
	define("analyst", less, 1);
	check_rows("SELECT count(*) AS n FROM fact_orders", "{\"n\":3}\n");
	CHECK(ask("SELECT phone FROM fact_orders", &err) == NULL);
	CHECK(ask("SELECT * FROM ods.t", &err) == NULL);
	CHECK_EQ_STR(err.code, "guard.table");
	teardown();
}

/* A value that fails to convert is one that the role may see. */
TEST(tells_failures_of_a_query)
{
	struct drip_error err = DRIP_ERROR_INIT;

	guard_setup();
	CHECK(ask("SELECT phone::INTEGER FROM fact_orders", &err) == NULL);
	CHECK_EQ_STR(err.code, "guard.query_failed");
	CHECK_CONTAINS(err.message, "***1000");
	CHECK(ask("SELECT missing FROM fact_orders", &err) == NULL);
	CHECK_EQ_STR(err.code, "guard.query_failed");
	teardown();
}

static int nested;

static int ask_again(const struct drip_batch *batch, void *data, struct drip_error *err)
{
	struct drip_guard_query query = query_of("SELECT 1 AS x");
	struct drip_guard_result got;

	query.on_batch = ask_again;
	nested++;
	REQUIRE(nested <= DRIP_GUARD_RUNNING_MAX);
	return guard->query(f.self, &query, &got, err);
}

static void check_place(const char *text, const char *code, const char *place)
{
	struct drip_error err = DRIP_ERROR_INIT;
	char *rows = ask(text, &err);

	CHECK(rows == NULL);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.place, place);
	free(rows);
}

TEST(tells_where_a_query_is_wrong)
{
	char wide[400];

	guard_setup();
	check_place("SELEC 1", "guard.unreadable", "line 1, column 1");
	check_place("SELECT id\n  FORM fact_orders", "guard.unreadable", "line 2, column 8");
	check_place("SELECT 'é', id\nFROM fact_orders WHERE id = = 1", "guard.unreadable",
		    "line 2, column 29");
	check_place("SELECT missing FROM fact_orders", "guard.query_failed", "line 1, column 8");
	check_place("SELECT id,\n\tmissing FROM fact_orders", "guard.query_failed",
		    "line 2, column 2");
	snprintf(wide, sizeof(wide), "SELECT '%0300d', missing FROM fact_orders", 0);
	check_place(wide, "guard.query_failed", "line 1");
	check_place("SELECT 'éé',\t\tmissing FROM fact_orders", "guard.query_failed",
		    "line 1, column 15");
	teardown();
}

TEST(bounds_the_queries_that_run_at_once)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_guard_query query = query_of("SELECT 1 AS x");

	guard_setup();
	query.on_batch = ask_again;
	CHECK_EQ_INT(guard->query(f.self, &query, &result, &err), -EBUSY);
	CHECK_EQ_INT(nested, DRIP_GUARD_RUNNING_MAX);
	CHECK_EQ_STR(err.code, "guard.busy");
	check_rows("SELECT 1 AS x", "{\"x\":1}\n");
	teardown();
}

struct asker {
	pthread_t thread;
	int done;
};

static void *ask_many(void *data)
{
	struct asker *a = data;

	for (int i = 0; i < 50; i++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct gathered g = {.batches = 0};
		struct drip_guard_query query =
			query_of("SELECT sum(id) AS s FROM fact_orders WHERE phone LIKE '%1'");
		struct drip_guard_result got;

		query.data = &g;
		a->done += guard->query(f.self, &query, &got, &err) == 0 && got.rows == 1;
		drip_text_finish(&g.text);
	}
	return NULL;
}

TEST(serves_many_at_once)
{
	struct asker askers[6] = {{.done = 0}};

	guard_setup();
	for (size_t i = 0; i < DRIP_COUNT(askers); i++) {
		REQUIRE(pthread_create(&askers[i].thread, NULL, ask_many, &askers[i]) == 0);
	}
	for (size_t i = 0; i < DRIP_COUNT(askers); i++) {
		pthread_join(askers[i].thread, NULL);
		CHECK_EQ_INT(askers[i].done, 50);
	}
	teardown();
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The figure of tests/bench/api.py: GUARD_BENCH=N prints the time of a check, of N. */
TEST(measures_a_check)
{
	static const char text[] =
		"WITH c AS (SELECT o.id % 5 AS store, sum(o.id) AS net FROM fact_orders o WHERE "
		"o.id "
		"BETWEEN 1 AND 40 GROUP BY ALL) SELECT c.store, c.net, rank() OVER (ORDER BY c.net "
		"DESC) AS r FROM c JOIN fact_orders s ON s.id = c.store ORDER BY r LIMIT 10";
	const char *given = getenv("GUARD_BENCH");
	size_t n = given != NULL ? strtoul(given, NULL, 10) : 3;
	uint64_t *ns = calloc(n, sizeof(*ns));
	struct drip_error err = DRIP_ERROR_INIT;

	REQUIRE(n > 0 && ns != NULL);
	guard_setup();
	for (size_t i = 0; i < n; i++) {
		uint64_t begun = wall_ns();

		REQUIRE_OK(guard->check(f.self, "analyst", text, sizeof(text) - 1, &err), &err);
		ns[i] = wall_ns() - begun;
	}
	qsort(ns, n, sizeof(*ns), compare_ns);
	printf("# guard check: median %.1f us, p99 %.1f us\n", (double)ns[n / 2] / 1000.0,
	       (double)ns[n * 99 / 100] / 1000.0);
	free(ns);
	teardown();
}

/* An error is an answer too: it must not tell of rows that the role's filter keeps out. */
TEST(errors_tell_nothing_of_rows_that_are_kept_out)
{
	static const char *const queries[] = {
		"SELECT count(*) AS n FROM people WHERE CAST(v AS INTEGER) >= 0",
		"SELECT count(*) AS n FROM people WHERE id > 10 AND CAST(v AS INTEGER) % 1 = 0 AND "
		"k "
		"LIKE 'k%'",
		"SELECT sum(CAST(v AS INTEGER)) AS n FROM people WHERE id % 3 = 0",
		"SELECT count(*) AS n FROM people a JOIN people b ON CAST(a.v AS INTEGER) = b.id",
		"SELECT max(CAST(v AS INTEGER)) OVER () AS n FROM people LIMIT 1",
	};
	static const char *const filters[] = {"NOT hidden", "id <> 7777",
					      "length(regexp_replace(k, '^k7777$', '')) > 0"};

	guard_setup();
	fixture_execute(sql, session,
			"CREATE TABLE people AS SELECT CASE WHEN x = 7777 THEN 'sesame' ELSE "
			"x::VARCHAR END AS v, x = 7777 AS hidden, x AS id, 'k' || x AS k FROM "
			"range(10000) t(x)");
	for (size_t f_ = 0; f_ < DRIP_COUNT(filters); f_++) {
		const struct drip_guard_view views[] = {
			VIEW("main", "people", "v, id, k", filters[f_])};

		define("analyst", views, 1);
		for (size_t i = 0; i < DRIP_COUNT(queries); i++) {
			struct drip_error err = DRIP_ERROR_INIT;
			char *rows = ask(queries[i], &err);

			CHECK_OK(rows != NULL ? 0 : -EINVAL, &err);
			CHECK(strstr(err.message, "sesame") == NULL);
			free(rows);
		}
	}
	teardown();
}

/* The file's blocks vanish under the database: the reason, with its path, is the log's alone. */
TEST(a_fault_of_the_database_is_told_without_its_reason)
{
	char path[] = "/tmp/drip-guard.XXXXXX", file[64];
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_guard_view views[] = {VIEW("main", "big", "x, y", NULL)};

	REQUIRE(mkdtemp(path) != NULL);
	snprintf(file, sizeof(file), "%s/w.db", path);
	setup(file);
	fixture_execute(sql, session,
			"CREATE TABLE big AS SELECT hash(x) AS x, hash(x + 1) AS y FROM "
			"range(1000000) t(x)");
	teardown(); /* written out */
	setup(file);
	guard = f.ops->interface(f.self, DRIP_GUARD_INTERFACE);
	define("analyst", views, 1);
	check_rows("SELECT count(*) AS n FROM big LIMIT 1", "{\"n\":1000000}\n");
	REQUIRE(truncate(file, 1 << 20) == 0);
	CHECK_NULL(ask("SELECT sum(x) AS a, sum(y) AS b FROM big", &err));
	CHECK_EQ_STR(err.code, "guard.could_not_run");
	CHECK(err.retryable);
	CHECK(strstr(err.message, path) == NULL);
	teardown();
	unlink(file);
	snprintf(file, sizeof(file), "%s/w.db.wal", path);
	unlink(file);
	rmdir(path);
}

TEST_MAIN()
