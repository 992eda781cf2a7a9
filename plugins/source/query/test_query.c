/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the source `query`, against the DuckDB of the build. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *query;
static struct drip_error err;
static const struct drip_sql *sql;
static void *object, *session;

static void begin(void)
{
	const void *interface;

	h = drip_harness_create(test_argv[1]);
	drip_harness_add_connection(h, "db", "duckdb", DRIP_OPTIONS("path", ":memory:"));
	REQUIRE_OK(drip_harness_connection(h, "db", DRIP_SQL_INTERFACE, &interface, &object, &err),
		   &err);
	sql = interface;
	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
}

static void finish(void)
{
	sql->session_close(session);
	drip_harness_connection_done(h, "db", DRIP_SQL_INTERFACE, object);
	drip_harness_close(query);
	drip_harness_destroy(h);
	query = NULL;
}

static void execute(const char *text)
{
	REQUIRE_OK(sql->execute(session, text, NULL, &err), &err);
}

static void open_query(const char *const *options)
{
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "query", options, &query, &err), &err);
}

/* A new instance that goes on from `from`. */
static void restart(const char *const *options, const struct drip_position *from)
{
	drip_harness_close(query);
	drip_harness_clear(h);
	open_query(options);
	REQUIRE_OK(drip_harness_start(query, from, &err), &err);
}

static struct drip_position last_position(void)
{
	size_t count = drip_harness_batches_count(h);

	REQUIRE(count > 0);
	return drip_harness_batch(h, count - 1)->position;
}

TEST(reads_a_table_whole)
{
	struct drip_position end;

	begin();
	execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR)");
	execute("INSERT INTO t VALUES (1, 'a'), (2, NULL)");
	restart(DRIP_OPTIONS("connection", "db", "table", "t", "class", "confidential"), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h), "t\nr|1|a\nr|2|NULL\nMARK\n");
	CHECK(!drip_harness_batch(h, 0)->boundary);
	CHECK(drip_harness_batch(h, 1)->boundary);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->schema->keys_count, 1);
	CHECK_EQ_INT(drip_schema_column(drip_harness_batch(h, 0)->schema, 1)->classification,
		     DRIP_CLASS_CONFIDENTIAL);
	end = last_position();
	restart(DRIP_OPTIONS("connection", "db", "table", "t"), &end);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 2);
	CHECK(drip_position_compare(&end, &drip_harness_batch(h, 0)->position) < 0);
	finish();
}

TEST(reads_a_query_in_bounded_batches)
{
	begin();
	restart(DRIP_OPTIONS("connection", "db", "sql", "SELECT i AS id FROM range(10) t(i) -- x",
			     "name", "numbers", "database", "demo", "batch_rows", "4"),
		NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h),
		     "demo.numbers\nr|0\nr|1\nr|2\nr|3\ndemo.numbers\nr|4\nr|5\nr|6\nr|7\n"
		     "demo.numbers\nr|8\nr|9\nMARK\n");
	finish();
}

TEST(tells_where_columns_come_from)
{
	static const char text[] =
		"WITH big AS (SELECT o.id, o.price FROM shop.orders o -- not shop.no\n"
		" WHERE o.state <> 'shop.none') SELECT c.name, sum(b.price) AS "
		"spent FROM big b JOIN shop.customers c ON c.id = b.id GROUP BY "
		"c.name";

	begin();
	execute("CREATE SCHEMA shop");
	execute("CREATE TABLE shop.orders (id INTEGER, price DOUBLE, state VARCHAR)");
	execute("CREATE TABLE shop.customers (id INTEGER, name VARCHAR)");
	restart(DRIP_OPTIONS("connection", "db", "name", "spending", "sql", text), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK(drip_harness_logged(h, "lineage shop.customers.name -> spending.name kind 1"));
	CHECK(drip_harness_logged(h, "lineage shop.orders.price -> spending.spent kind 2"));
	CHECK(drip_harness_logged(h, "lineage shop.orders.state -> spending.spent kind 5"));
	finish();
	begin(); /* what cannot be told is left out, and read all the same */
	restart(DRIP_OPTIONS("connection", "db", "sql", "SELECT * FROM range(2) t(x)"), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	finish();
}

/* Class of each column of the first batch that `options` yield: "p", "i", "c" or "r". */
static const char *classes_of(const char *const *options)
{
	static char text[64];
	const struct drip_schema *schema;

	restart(options, NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	REQUIRE(drip_harness_batches_count(h) > 0);
	schema = drip_harness_batch(h, 0)->schema;
	for (uint32_t i = 0; schema != NULL && i < schema->columns_count; i++) {
		text[i] = drip_class_name(drip_schema_column(schema, i)->classification)[0];
		text[i + 1] = '\0';
	}
	return text;
}

#define CLASSES_SQL(text, ...)                                                                     \
	classes_of(DRIP_OPTIONS("connection", "db", "sql", text, ##__VA_ARGS__))

static void declare_users(void)
{
	struct drip_schema *schema =
		drip_test_schema("ods.users", "id int32 key internal, phone utf8 null restricted, "
					      "city utf8 null confidential");

	drip_harness_declare(h, schema);
	drip_schema_unref(schema);
	execute("CREATE SCHEMA ods");
	execute("CREATE TABLE ods.users (id INTEGER, phone VARCHAR, city VARCHAR, note VARCHAR)");
	execute("INSERT INTO ods.users VALUES (1, '555', 'NY', 'x')");
	execute("CREATE TABLE plain (id INTEGER)");
	execute("INSERT INTO plain VALUES (1)");
}

TEST(columns_carry_the_class_of_what_they_are_made_of)
{
	begin();
	declare_users();
	CHECK_EQ_STR(classes_of(DRIP_OPTIONS("connection", "db", "table", "ods.users")), "ircr");
	CHECK_EQ_STR(CLASSES_SQL("SELECT id, phone, city FROM ods.users"), "irc");
	CHECK_EQ_STR(CLASSES_SQL("SELECT id AS a, upper(phone) AS b, id + length(city) AS c FROM "
				 "\"ods\".\"users\""),
		     "irc");
	/* what only filters, joins and groups look at raises nothing */
	CHECK_EQ_STR(
		CLASSES_SQL("SELECT p.id, count(*) AS n FROM plain p JOIN ods.users u ON u.id = "
			    "p.id WHERE u.phone <> '' GROUP BY p.id, u.city"),
		"ii");
	/* and what they look at and is given away too raises what it is in */
	CHECK_EQ_STR(CLASSES_SQL("SELECT id, phone AS b FROM ods.users WHERE phone <> ''"), "ir");
	CHECK_EQ_STR(CLASSES_SQL("SELECT phone AS a, lower(phone) AS b FROM ods.users"), "rr");
	CHECK_EQ_STR(CLASSES_SQL("WITH x(k, v) AS (SELECT id, phone FROM ods.users WHERE phone <> "
				 "'') SELECT k, v AS w FROM x UNION ALL SELECT 1, 'b'"),
		     "ir");
	CHECK_EQ_STR(CLASSES_SQL("SELECT u AS a, 1 AS b FROM ods.users u"), "ri");
	CHECK_EQ_STR(CLASSES_SQL("SELECT id FROM plain", "class", "confidential"), "c");
	finish();
}

TEST(classes_are_found_behind_views_and_functions)
{
	begin();
	declare_users();
	execute("CREATE VIEW people AS SELECT id, phone AS contact FROM ods.users");
	execute("CREATE MACRO callers() AS TABLE SELECT id, phone AS c FROM ods.users");
	execute("CREATE MACRO phone_of(x) AS (SELECT max(phone) FROM ods.users u WHERE u.id = x)");
	/* typed over nothing that is declared: all that is read */
	CHECK_EQ_STR(CLASSES_SQL("SELECT id, contact FROM people"), "rr");
	CHECK_EQ_STR(CLASSES_SQL("SELECT c FROM callers()"), "r");
	CHECK_EQ_STR(CLASSES_SQL("SELECT phone_of(id) AS p FROM plain"), "r");
	CHECK_EQ_STR(CLASSES_SQL("SELECT phone AS p FROM query_table('ods.users')"), "r");
	CHECK_EQ_STR(CLASSES_SQL("SELECT p FROM query('SELECT phone AS p FROM ods.users')"), "r");
	CHECK_EQ_STR(CLASSES_SQL("SELECT phone AS p FROM memory.ods.users"), "r");
	CHECK_EQ_STR(CLASSES_SQL("SELECT note FROM ods.users"), "r"); /* not declared */
	finish();
}

TEST(a_class_is_lowered_by_name_only)
{
	begin();
	declare_users();
	CHECK_EQ_STR(CLASSES_SQL("SELECT count(phone) AS n, max(phone) AS m FROM ods.users",
				 "class", "public", "declassify[0].column", "n",
				 "declassify[0].class", "internal", "declassify[0].reason",
				 "a count"),
		     "ir");
	/* never raised by it */
	CHECK_EQ_STR(CLASSES_SQL("SELECT id FROM plain", "declassify[0].column", "id",
				 "declassify[0].class", "restricted", "declassify[0].reason", "x"),
		     "i");
	finish();
}

TEST(reads_only_what_is_new_with_ties)
{
	const char *const *options = DRIP_OPTIONS("connection", "db", "table", "t", "keys", "id",
						  "watermark", "ts", "interval", "1m");
	struct drip_position at;

	begin();
	execute("CREATE TABLE t (id INTEGER, ts TIMESTAMP)");
	execute("INSERT INTO t VALUES (2, '2024-01-01'), (1, '2024-01-02'), (7, NULL)");
	restart(options, NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(drip_harness_output(h),
		     "t\nr|2|2024-01-01T00:00:00\nr|1|2024-01-02T00:00:00\n");
	drip_harness_clear(h);
	/* the same watermark as the last, before and behind it in the order of keys */
	execute("INSERT INTO t VALUES (0, '2024-01-02'), (3, '2024-01-02'), (4, '2024-01-03')");
	drip_harness_advance(h, 60001);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_INT(drip_harness_rows(h), 3);
	at = last_position();
	restart(options, &at);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(drip_harness_output(h), "");
	execute("INSERT INTO t VALUES (-5, '2024-01-03')");
	drip_harness_advance(h, 60001);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(drip_harness_output(h), "t\nr|-5|2024-01-03T00:00:00\n");
	CHECK(drip_position_compare(&at, &drip_harness_batch(h, 0)->position) < 0);
	finish();
}

TEST(recalls_large_groups_of_ties)
{
	const char *const *options =
		DRIP_OPTIONS("connection", "db", "table", "t", "keys", "id", "watermark", "day");
	struct drip_position at;

	begin();
	execute("CREATE TABLE t AS SELECT i + 1 AS id, DATE '2024-01-01' AS day FROM range(5000) "
		"t(i)");
	restart(options, NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 5000);
	at = last_position();
	execute("INSERT INTO t VALUES (6000, '2024-01-01')");
	restart(options, &at);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h), "t\nr|6000|2024-01-01\n");
	at = last_position();
	execute("INSERT INTO t VALUES (0, '2024-01-01')");
	restart(options, &at);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 5002); /* in doubt: all again */
	CHECK(drip_harness_logged(h, "read again"));
	finish();
}

TEST(keeps_equal_rows_of_one_run)
{
	const char *const *options =
		DRIP_OPTIONS("connection", "db", "table", "t", "watermark", "v");
	struct drip_position at;

	begin();
	execute("CREATE TABLE t (v INTEGER)");
	execute("INSERT INTO t VALUES (1), (2), (2)");
	restart(options, NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h), "t\nr|1\nr|2\nr|2\n");
	at = last_position();
	restart(options, &at);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_STR(drip_harness_output(h), "");
	finish();
}

TEST(resumes_in_the_middle_and_replays_the_same)
{
	const char *const *options = DRIP_OPTIONS("connection", "db", "table", "t", "keys", "id",
						  "watermark", "v", "batch_rows", "7");
	struct drip_position middle;
	int64_t before = 0;

	begin();
	execute("CREATE TABLE t AS SELECT i AS id, (i // 3)::UBIGINT AS v FROM range(100) t(i)");
	restart(options, NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 100);
	REQUIRE(drip_harness_batches_count(h) > 5);
	for (size_t i = 0; i <= 4; i++) {
		before += drip_harness_batch(h, i)->rows;
	}
	middle = drip_harness_batch(h, 4)->position;
	restart(options, &middle);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 100 - before);
	finish();
}

TEST(ends_a_batch_at_each_cut)
{
	const char *const *options =
		DRIP_OPTIONS("connection", "db", "table", "t", "keys", "id", "watermark", "v");
	struct drip_start start = {.struct_size = sizeof(start)};
	struct drip_position cut;

	begin();
	execute("CREATE TABLE t AS SELECT i AS id, i // 4 AS v FROM range(40) t(i)");
	restart(DRIP_OPTIONS("connection", "db", "table", "t", "keys", "id", "watermark", "v",
			     "batch_rows", "13"),
		NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	cut = drip_harness_batch(h, 0)->position;
	drip_harness_close(query);
	drip_harness_clear(h);
	open_query(options);
	start.cuts = &cut;
	start.cuts_count = 1;
	REQUIRE_OK(((const struct drip_source_ops *)query->component->ops)
			   ->start(query->self, &start, &err),
		   &err);
	query->started = true;
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	REQUIRE(drip_harness_batches_count(h) == 2);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->rows, 13);
	CHECK_EQ_INT(drip_position_compare(&drip_harness_batch(h, 0)->position, &cut), 0);
	finish();
}

static void refuses(const char *const *options, const char *option, const char *code)
{
	begin();
	execute("CREATE TABLE t (id INTEGER, name VARCHAR)");
	restart(options, NULL);
	CHECK(drip_harness_poll(query, DRIP_POLL_END, &err) < 0);
	CHECK_EQ_STR(err.option, option);
	CHECK_EQ_STR(err.code, code);
	finish();
}

/* Starts without a checkpoint, with a state that is so old and a sink that has `held`. */
static void start_over(const struct drip_position *held, int64_t state_us)
{
	struct drip_start start = {.struct_size = sizeof(start),
				   .cuts = held,
				   .cuts_count = held != NULL,
				   .first_run_us = state_us};

	drip_harness_close(query);
	drip_harness_clear(h);
	open_query(DRIP_OPTIONS("connection", "db", "table", "t"));
	REQUIRE_OK(((const struct drip_source_ops *)query->component->ops)
			   ->start(query->self, &start, &err),
		   &err);
	query->started = true;
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
}

TEST(goes_on_above_the_runs_of_a_sink_where_the_checkpoint_is_lost)
{
	struct drip_position first, second;

	begin();
	execute("CREATE TABLE t (id INTEGER)");
	execute("INSERT INTO t VALUES (1)");
	restart(DRIP_OPTIONS("connection", "db", "table", "t"), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	first = last_position();
	restart(DRIP_OPTIONS("connection", "db", "table", "t"), &first);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	second = last_position();
	start_over(&second, 0);
	/* the end of what the sink has, so that no batch reaches over it, and then a new run */
	CHECK(drip_position_compare(&second, &drip_harness_batch(h, 0)->position) == 0);
	CHECK_EQ_INT(drip_harness_batch(h, 0)->kind, DRIP_BATCH_MARK);
	CHECK(drip_position_compare(&second, &drip_harness_batch(h, 1)->position) < 0);
	/* one run ahead is a crash before the checkpoint: the same run again, which the sink has */
	start_over(&first, 0);
	CHECK(drip_position_compare(&first, &drip_harness_batch(h, 0)->position) >= 0);
	finish();
}

TEST(one_run_of_a_state_that_was_lost_is_no_crash)
{
	struct drip_position held;

	begin();
	execute("CREATE TABLE t (id INTEGER)");
	execute("INSERT INTO t VALUES (1)");
	start_over(NULL, 1000);
	held = last_position();
	/* the same state: a crash before the checkpoint, and the sink has the run */
	start_over(&held, 1000);
	CHECK(drip_position_compare(&held, &drip_harness_batch(h, 0)->position) >= 0);
	/* a new one, by the clock or without it */
	start_over(&held, 2000);
	CHECK(drip_position_compare(&held, &drip_harness_batch(h, 1)->position) < 0);
	start_over(&held, 500);
	CHECK(drip_position_compare(&held, &drip_harness_batch(h, 1)->position) < 0);
	/* and it goes on from its own checkpoint */
	held = last_position();
	restart(DRIP_OPTIONS("connection", "db", "table", "t"), &held);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_END, &err), DRIP_POLL_END);
	CHECK(drip_position_compare(&held, &drip_harness_batch(h, 0)->position) < 0);
	finish();
}

TEST(refuses_what_cannot_be_read)
{
	refuses(DRIP_OPTIONS("connection", "db", "table", "nosuch"), "table", "duckdb.no_table");
	begin(); /* what is no query is refused without asking the database */
	CHECK(drip_harness_open(h, DRIP_KIND_SOURCE, "query",
				DRIP_OPTIONS("connection", "db", "sql", "SELEC 1"), &query,
				&err) < 0);
	CHECK_EQ_STR(err.option, "sql");
	CHECK_EQ_STR(err.code, "duckdb.syntax");
	CHECK_EQ_STR(err.place, "line 1, column 1");
	finish();
	refuses(DRIP_OPTIONS("connection", "db", "table", "t", "keys", "nosuch"), "keys[0]",
		"query.no_column");
	refuses(DRIP_OPTIONS("connection", "db", "table", "t", "watermark", "name"), "watermark",
		"query.bad_watermark");
	refuses(DRIP_OPTIONS("connection", "db", "table", "t", "declassify[0].column", "nosuch",
			     "declassify[0].class", "public", "declassify[0].reason", "none"),
		"declassify[0].column", "query.no_column");
}

TEST(waits_for_a_table_where_it_goes_on)
{
	begin();
	restart(DRIP_OPTIONS("connection", "db", "table", "late", "interval", "1m"), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), -ENXIO);
	CHECK_EQ_STR(err.code, "duckdb.no_table");
	CHECK(err.retryable);
	execute("CREATE TABLE late (id INTEGER)");
	execute("INSERT INTO late VALUES (1)");
	restart(DRIP_OPTIONS("connection", "db", "table", "late", "interval", "1m"), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(drip_harness_output(h), "late\nr|1\nMARK\n");
	finish();
}

static void refuses_position(const char *const *options, const struct drip_position *p)
{
	begin();
	open_query(options);
	CHECK(drip_harness_start(query, p, &err) < 0);
	CHECK_EQ_STR(err.code, "query.bad_position");
	finish();
}

TEST(refuses_positions_of_others)
{
	struct drip_position p = drip_test_position(1);

	refuses_position(DRIP_OPTIONS("connection", "db", "table", "t"), &p);
	refuses_position(DRIP_OPTIONS("connection", "db", "table", "t", "watermark", "v"), &p);
	p.detail_size = 48; /* as long as one without hashes, but of another version */
	memset(p.detail, 0xff, p.detail_size);
	refuses_position(DRIP_OPTIONS("connection", "db", "table", "t", "watermark", "v"), &p);
}

TEST(tells_where_rows_cannot_be_read)
{
	begin();
	execute("CREATE TABLE t AS SELECT i AS id, CASE WHEN i = 90000 THEN 'x' ELSE '1' END AS v "
		"FROM range(100000) t(i)");
	restart(DRIP_OPTIONS("connection", "db", "sql", "SELECT id, v::INTEGER AS v FROM t"), NULL);
	CHECK(drip_harness_poll(query, DRIP_POLL_END, &err) < 0);
	CHECK(strcmp(err.code, "query.read") == 0 || strcmp(err.code, "duckdb.conversion") == 0);
	finish();
}

TEST(stops_while_it_waits)
{
	begin();
	execute("CREATE TABLE t (id INTEGER)");
	restart(DRIP_OPTIONS("connection", "db", "table", "t", "interval", "1h"), NULL);
	CHECK_EQ_INT(drip_harness_poll(query, DRIP_POLL_CAUGHT_UP, &err), DRIP_POLL_CAUGHT_UP);
	drip_harness_stop(h, true);
	CHECK_EQ_INT(((const struct drip_source_ops *)query->component->ops)
			     ->poll(query->self, 1000, &err),
		     -ECANCELED);
	CHECK_EQ_STR(err.code, "query.stopped");
	drip_harness_stop(h, false);
	finish();
}

TEST_MAIN()
