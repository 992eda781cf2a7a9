/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the source `job`, against the DuckDB of the build. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *job;
static struct drip_error err;
static const struct drip_sql *sql;
static void *object, *session;

static void declare(const char *table, const char *columns)
{
	struct drip_schema *schema = drip_test_schema(table, columns);

	drip_harness_declare(h, schema);
	drip_schema_unref(schema);
}

static void begin(void)
{
	const void *interface;

	h = drip_harness_create(test_argv[1]);
	drip_harness_add_connection(h, "db", "duckdb", DRIP_OPTIONS("path", ":memory:"));
	REQUIRE_OK(drip_harness_connection(h, "db", DRIP_SQL_INTERFACE, &interface, &object, &err),
		   &err);
	sql = interface;
	REQUIRE_OK(sql->session_open(object, &session, &err), &err);
	declare("dw.quality_results",
		"checked_at timestamp_utc key internal, pipeline utf8 key internal, check_name "
		"utf8 "
		"key internal, severity utf8 internal, violations int64 internal, passed bool "
		"internal");
	declare("ods.t", "id utf8 key internal, v int32 null internal, phone utf8 null restricted, "
			 "_deleted bool null internal, _sequence int64 null internal");
	declare("dw.f", "k int64 key internal, id utf8 internal, v int32 null internal");
}

static void finish(void)
{
	drip_harness_close(job);
	job = NULL;
	sql->session_close(session);
	drip_harness_connection_done(h, "db", DRIP_SQL_INTERFACE, object);
	drip_harness_destroy(h);
}

static void execute(const char *text)
{
	REQUIRE_OK(sql->execute(session, text, NULL, &err), &err);
}

static void input(void)
{
	execute("CREATE SCHEMA ods");
	execute("CREATE TABLE ods.t (id VARCHAR, v INTEGER, phone VARCHAR, _deleted BOOLEAN, "
		"_sequence BIGINT)");
}

/* First value of the first row, which is a BIGINT. */
static int64_t number(const char *text)
{
	struct drip_schema *schema;
	struct ArrowArray *columns;
	int64_t rows, value;

	REQUIRE_OK(drip_sql_collect(sql, session, text, NULL, &schema, &columns, &rows, &err),
		   &err);
	REQUIRE(rows == 1);
	value = ((const int64_t *)columns[0].buffers[1])[columns[0].offset];
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		columns[i].release(&columns[i]);
	}
	free(columns);
	drip_schema_unref(schema);
	return value;
}

static int run(const char *const *options)
{
	int rc;

	drip_harness_clear(h);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "job", options, &job, &err), &err);
	REQUIRE_OK(drip_harness_start(job, NULL, &err), &err);
	rc = drip_harness_poll(job, DRIP_POLL_END, &err);
	drip_harness_close(job);
	job = NULL;
	return rc;
}

#define FACTS                                                                                      \
	"connection", "db", "changes[0].table", "ods.t", "changes[0].as", "changed",               \
		"steps[0].temp", "touched", "steps[0].sql",                                        \
		"SELECT DISTINCT dw.surrogate_key('f', id) AS k FROM changed -- all",              \
		"steps[1].table", "dw.f", "steps[1].replaces", "k IN (SELECT k FROM touched)",     \
		"steps[1].sql",                                                                    \
		"SELECT id, dw.surrogate_key('f', id) AS k, v FROM changed WHERE _deleted IS NOT " \
		"TRUE;"

TEST(reads_changes_once)
{
	begin();
	input();
	execute("INSERT INTO ods.t VALUES ('a', 1, 'x', false, 1), ('b', 2, 'x', NULL, 2)");
	CHECK_EQ_INT(run(DRIP_OPTIONS(FACTS)), DRIP_POLL_END);
	CHECK_EQ_INT(drip_harness_rows(h), 2);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 2);
	CHECK_EQ_INT(number("SELECT k FROM dw.f WHERE id = 'a'"), drip_surrogate_key("f", "a", 1));
	CHECK(drip_harness_logged(h, "lineage ods.t.v -> dw.f.v"));
	/* a change, a deletion, and nothing that was read before: that would stand out */
	execute("UPDATE ods.t SET v = 10 WHERE id = 'a'");
	execute("DELETE FROM ods.t WHERE id = 'b'");
	execute("INSERT INTO ods.t VALUES ('b', NULL, NULL, true, 3), ('c', 3, 'x', false, 4)");
	CHECK_EQ_INT(run(DRIP_OPTIONS(FACTS)), DRIP_POLL_END);
	CHECK_EQ_INT(number("SELECT CAST(sum(v) AS BIGINT) FROM dw.f"), 4);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f WHERE id = 'b'"), 0);
	CHECK_EQ_INT(number("SELECT sequence FROM dw._job_positions"), 4);
	/* the table was made anew: it is read from its beginning */
	execute("DELETE FROM ods.t");
	execute("INSERT INTO ods.t VALUES ('d', 7, 'x', false, 1)");
	CHECK_EQ_INT(run(DRIP_OPTIONS(FACTS)), DRIP_POLL_END);
	CHECK(drip_harness_logged(h, "all of it is read again"));
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f WHERE id = 'd'"), 1);
	finish();
}

/* Two steps that write one table tell at once where its columns come from: the host replaces. */
TEST(steps_of_one_table_are_put_together)
{
	begin();
	input();
	CHECK_EQ_INT(
		run(DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.f", "steps[0].sql",
				 "SELECT id, dw.surrogate_key('f', id) AS k FROM ods.t WHERE v > 0",
				 "steps[1].table", "dw.f", "steps[1].sql",
				 "SELECT CAST(_sequence AS VARCHAR) AS id, dw.surrogate_key('f', "
				 "id) AS k FROM ods.t WHERE v IS NULL")),
		DRIP_POLL_END);
	CHECK(drip_harness_logged(h, "lineage ods.t.id -> dw.f.id"));
	CHECK(drip_harness_logged(h, "lineage ods.t._sequence -> dw.f.id"));
	CHECK(drip_harness_logged(h, "lineage recorded: 8 facts"));
	finish();
}

TEST(a_run_is_done_or_never_was)
{
	static const char *const points[] = {"job.after_step", "job.before_commit"};

	begin();
	input();
	execute("INSERT INTO ods.t VALUES ('a', 1, 'x', false, 1)");
	for (size_t i = 0; i < DRIP_COUNT(points); i++) {
		drip_harness_arm(h, points[i], 1);
		CHECK(run(DRIP_OPTIONS(FACTS)) < 0);
		CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 0);
		CHECK_EQ_INT(number("SELECT count(*) FROM dw._job_positions"), 0);
	}
	drip_harness_arm(h, "job.after_commit", 1);
	CHECK(run(DRIP_OPTIONS(FACTS)) < 0);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 1);
	CHECK_EQ_INT(run(DRIP_OPTIONS(FACTS)), DRIP_POLL_END);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 1);
	finish();
}

TEST(an_input_that_is_missing_may_come)
{
	begin();
	CHECK_EQ_INT(run(DRIP_OPTIONS(FACTS)), -ENOENT);
	CHECK_EQ_STR(err.code, "job.no_input");
	CHECK(err.retryable);
	/* also where a step reads it whole */
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "steps[0].temp", "a", "steps[0].sql",
				      "SELECT id FROM ods.t")),
		     -ENOENT);
	CHECK_EQ_STR(err.code, "job.no_input");
	CHECK_EQ_STR(err.message, "table ods.t does not exist yet");
	CHECK_EQ_INT(number("SELECT count(*) FROM information_schema.tables"), 0);
	finish();
}

TEST(jobs_run_in_any_order)
{
	begin();
	/* dw.f is another job's; it is made as declared, and empty */
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "steps[0].temp", "a", "steps[0].sql",
				      "SELECT k FROM dw.f", "steps[1].check", "none",
				      "steps[1].sql", "SELECT k FROM a")),
		     DRIP_POLL_END);
	CHECK(drip_harness_logged(h, "created table dw.f"));
	input();
	execute("INSERT INTO ods.t VALUES ('a', 1, 'x', false, 1)");
	CHECK_EQ_INT(run(DRIP_OPTIONS(FACTS)), DRIP_POLL_END);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 1);
	finish();
}

/* A second run comes while the first is about to commit. */
struct second {
	struct drip_instance *job;
	bool waits, came;
};

#define INFERS                                                                                     \
	"connection", "db", "steps[0].table", "dw.f", "steps[0].sql",                              \
		"SELECT 7 AS k, 'shop 7' AS id, 1 AS v WHERE 7 NOT IN (SELECT k FROM dw.f)"

static void come_second(const char *name, void *data)
{
	struct second *s = data;

	if (s->came || strcmp(name, "job.before_commit") != 0) {
		return;
	}
	s->came = true;
	REQUIRE_OK(drip_harness_start(s->job, NULL, &err), &err);
	if (!s->waits) {
		CHECK_EQ_INT(drip_harness_poll(s->job, DRIP_POLL_END, &err), DRIP_POLL_END);
		return;
	}
	drip_harness_stop(h, true); /* or it would wait for ever */
	CHECK_EQ_INT(drip_harness_poll(s->job, DRIP_POLL_END, &err), -ECANCELED);
	CHECK_EQ_STR(err.code, "job.stopped");
	drip_harness_stop(h, false);
}

static void run_two(const char *const *first, const char *const *options, bool waits)
{
	struct second second = {.waits = waits};

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "job", options, &second.job, &err), &err);
	drip_harness_set_on_failpoint(h, come_second, &second);
	CHECK_EQ_INT(run(first), DRIP_POLL_END);
	CHECK(second.came);
	if (waits) {
		CHECK_EQ_INT(drip_harness_poll(second.job, DRIP_POLL_END, &err), DRIP_POLL_END);
	}
	drip_harness_set_on_failpoint(h, NULL, NULL);
	drip_harness_close(second.job);
}

TEST(runs_that_touch_the_same_tables_take_turns)
{
	const char *const *writes_other = DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.g",
						       "steps[0].sql", "SELECT 8 AS k");
	const char *const *reads_one = DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.g",
						    "steps[0].sql", "SELECT k FROM dw.f");
	const char *const *reads_other = DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.h",
						      "steps[0].sql", "SELECT k FROM dw.g");

	begin();
	declare("dw.g", "k int64 key internal");
	declare("dw.h", "k int64 key internal");
	run_two(DRIP_OPTIONS(INFERS), DRIP_OPTIONS(INFERS), true); /* both infer one member */
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f WHERE k = 7"), 1);
	run_two(DRIP_OPTIONS(INFERS), writes_other, false);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.g WHERE k = 8"), 1);
	run_two(DRIP_OPTIONS(INFERS), reads_one, true);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.g WHERE k = 7"), 1);
	run_two(reads_one, DRIP_OPTIONS(INFERS), true);
	run_two(reads_one, reads_other, true);
	run_two(DRIP_OPTIONS(INFERS), reads_other, false);
	finish();
}

TEST(checks_keep_their_results)
{
	begin();
	input();
	CHECK_EQ_INT(
		run(DRIP_OPTIONS("connection", "db", "steps[0].check", "odd", "steps[0].sql",
				 "SELECT 1 AS a", "steps[0].severity", "warn", "steps[1].check",
				 "none", "steps[1].sql", "SELECT 1 AS a WHERE false")),
		DRIP_POLL_END);
	CHECK(drip_harness_logged(h, "check \"odd\" found 1 rows"));
	CHECK(drip_harness_logged(h, "quality odd of : warn, 0 checked, 1 failed\n"));
	CHECK(drip_harness_logged(h, "quality none of : stop, 0 checked, 0 failed\n"));
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.quality_results WHERE passed"), 1);
	drip_harness_advance(h, 1000);
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.f", "steps[0].sql",
				      "SELECT 1 AS k, 'a' AS id", "steps[1].check", "bad",
				      "steps[1].sql", "SELECT * FROM dw.f")),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "job.check_failed");
	CHECK(drip_harness_logged(h, "quality bad of : stop, 0 checked, 1 failed, at once"));
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 0);
	CHECK_EQ_INT(number("SELECT violations FROM dw.quality_results WHERE check_name = 'bad'"),
		     1);
	finish();
}

TEST(one_key_for_two_rows_ends_the_run)
{
	begin();
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.f", "steps[0].sql",
				      "SELECT 1 AS k, 'a' AS id UNION ALL SELECT 1, 'b'")),
		     -EINVAL);
	CHECK_EQ_STR(err.code, "job.key_collision");
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f"), 0);
	finish();
}

TEST(the_date_of_a_run)
{
	begin();
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "as_of", "2026-02-14", "steps[0].table",
				      "dw.f", "steps[0].sql",
				      "SELECT 1 AS k, CAST(as_of() AS VARCHAR) AS id")),
		     DRIP_POLL_END);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f WHERE id = '2026-02-14'"), 1);
	/* midnight in London is the day before in New York */
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "timezone", "America/New_York",
				      "steps[0].table", "dw.f", "steps[0].sql",
				      "SELECT 1 AS k, CAST(as_of() AS VARCHAR) AS id")),
		     DRIP_POLL_END);
	CHECK_EQ_INT(number("SELECT count(*) FROM dw.f WHERE id = '2025-12-31'"), 1);
	finish();
}

static void refuses(const char *const *options, const char *finding)
{
	struct drip_instance *none = NULL;

	CHECK(drip_harness_open(h, DRIP_KIND_SOURCE, "job", options, &none, &err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), finding);
}

#define REFUSES_SQL(table, text, finding)                                                          \
	refuses(DRIP_OPTIONS("connection", "db", "steps[0].table", table, "steps[0].sql", text),   \
		finding)

TEST(queries_are_typed_before_they_run)
{
	begin();
	REFUSES_SQL("dw.f", "SELECT id, dw.surrogate_key('f', id) AS k, phone AS v FROM ods.t",
		    "job.column_type");
	REFUSES_SQL("dw.f", "SELECT phone AS id, 1 AS k FROM ods.t", "job.class_lowered");
	REFUSES_SQL("dw.f", "SELECT id FROM ods.t", "job.missing_column");
	REFUSES_SQL("dw.f", "SELECT id, 1 AS k, 2 AS w FROM ods.t", "job.unknown_column");
	REFUSES_SQL("dw.f", "SELECT nothing FROM ods.t", "duckdb.sql");
	REFUSES_SQL("dw.g", "SELECT 1 AS a", "job.not_declared");
	refuses(DRIP_OPTIONS("connection", "db", "changes[0].table", "ods.u", "changes[0].as", "u",
			     "steps[0].temp", "t", "steps[0].sql", "SELECT 1 AS a"),
		"job.not_declared");
	refuses(DRIP_OPTIONS("connection", "db", "steps[0].temp", "t", "steps[0].table", "dw.f",
			     "steps[0].sql", "SELECT 1 AS a"),
		"job.bad_step");
	/* through a temporary table, too; what only a filter reads is no part of the value */
	refuses(DRIP_OPTIONS("connection", "db", "steps[0].temp", "p", "steps[0].sql",
			     "SELECT phone FROM ods.t", "steps[1].table", "dw.f", "steps[1].sql",
			     "SELECT phone AS id, 1 AS k FROM p"),
		"job.class_lowered");
	/* also where a filter looks at it too, and where all columns are made of it */
	REFUSES_SQL("dw.f", "SELECT phone AS id, 1 AS k FROM ods.t WHERE phone <> ''",
		    "job.class_lowered");
	REFUSES_SQL("dw.f", "SELECT upper(phone) AS id, length(phone) AS k FROM ods.t",
		    "job.class_lowered");
	REFUSES_SQL("dw.f", "SELECT phone AS id, 1 AS k FROM \"ods\".\"t\" WHERE phone <> ''",
		    "job.class_lowered");
	input();
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.f", "steps[0].sql",
				      "SELECT id, dw.surrogate_key('f', id) AS k FROM ods.t WHERE "
				      "phone = 'x'")),
		     DRIP_POLL_END);
	finish();
}

TEST(tables_follow_their_declaration)
{
	begin();
	execute("CREATE SCHEMA dw");
	execute("CREATE TABLE dw.f (k BIGINT, id VARCHAR)");
	CHECK_EQ_INT(run(DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.f", "steps[0].sql",
				      "SELECT 1 AS k, 'a' AS id, 5 AS v")),
		     DRIP_POLL_END);
	CHECK_EQ_INT(number("SELECT CAST(v AS BIGINT) FROM dw.f"), 5);
	execute("ALTER TABLE dw.f ALTER COLUMN v SET DATA TYPE VARCHAR");
	CHECK(run(DRIP_OPTIONS("connection", "db", "steps[0].table", "dw.f", "steps[0].sql",
			       "SELECT 1 AS k, 'a' AS id")) < 0);
	CHECK_EQ_STR(err.code, "job.table_differs");
	finish();
}

TEST_MAIN()
