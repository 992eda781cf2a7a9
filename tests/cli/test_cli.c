/* SPDX-License-Identifier: Apache-2.0 */
/* The program from outside: exit statuses, what is printed, stops, and that secrets stay secret. */
#include "lib/test.h"

#include "lib/program.h"
#include "lib/temp.h"

static struct program p, q;
static char state[256], file[256];
static const char *dir;

static void set_up(void)
{
	dir = temp_dir();
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(file, sizeof(file), "%s/p.yaml", dir);
}

static void pipeline(const char *source, const char *sink)
{
	write_file(dir, "p.yaml",
		   "pipeline: p\ncommit: {interval: 10ms}\nsource: %s\nsinks:\n  - %s\n", source,
		   sink);
}

static void wait_for_commit(void)
{
	int64_t deadline = program_now_ms() + PROGRAM_HANG_MS;

	do {
		program_run(&q, NULL, ARGS("checkpoint", "show", "--state", state));
	} while (strstr(q.output, "row ") == NULL && program_now_ms() < deadline);
	REQUIRE(strstr(q.output, "row ") != NULL);
}

TEST(help_and_versions)
{
	static const char *const commands[] = {
		"run",    "daemon",  "validate", "plan",       "schema",  "plugins",
		"new",    "docs",    "status",   "top",        "tap",     "pause",
		"resume", "trigger", "reload",   "checkpoint", "lineage", "dlq"};

	CHECK_EQ_INT(program_run(&p, NULL, ARGS("help")), 0);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		CHECK_CONTAINS(p.output, commands[i]);
		CHECK_EQ_INT(program_run(&q, NULL, ARGS("help", commands[i])), 0);
		CHECK_CONTAINS(q.output, commands[i]);
		CHECK_EQ_INT(program_run(&q, NULL, ARGS(commands[i], "--help")), 0);
	}
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("--version")), 0);
	CHECK_CONTAINS(p.output, "plugin ABI 1.");
}

TEST(mistakes_exit_with_2)
{
	CHECK_EQ_INT(program_run(&p, NULL, (const char *const[]){NULL}), 2);
	CHECK_CONTAINS(p.output, "usage:");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("lneage")), 2);
	CHECK_CONTAINS(p.output, "Did you mean `dripline lineage`?");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("help", "statsu")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("status", "--fromat", "json")), 2);
	CHECK_CONTAINS(p.output, "Did you mean --format?");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("status", "--format", "xml")), 2);
	CHECK_CONTAINS(p.output, "Allowed: text json.");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("status", "--format")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("status", "a", "b")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("version", "x")), 2);
	CHECK_CONTAINS(p.output, "dripline version: one argument too many: x");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("help", "run", "x")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("dlq", "list", "a", "b")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("tap", "p", "--limit", "many")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("checkpoint", "erase", "p")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("dlq", "show")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("dlq", "show", "x")), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("plugins", "sorce/generate")), 2);
	CHECK_CONTAINS(p.output, "Did you mean \"source/generate\"?");
}

TEST(without_a_daemon)
{
	static const char *const commands[] = {"status", "top", "reload", "pause", "resume", "tap"};

	set_up();
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		CHECK_EQ_INT(program_run(&p, NULL,
					 i < 3 ? ARGS(commands[i], "--state", state)
					       : ARGS(commands[i], "p", "--state", state)),
			     3);
		CHECK_CONTAINS(p.output, "control.no_daemon");
	}
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("checkpoint", "show", "--state", state)), 3);
	CHECK_CONTAINS(p.output, "store.missing");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("lineage", "t", "--state", state)), 3);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("dlq", "list", "--state", state)), 3);
	CHECK_EQ_INT(access(state, F_OK), -1); /* looking makes nothing */
}

TEST(a_bounded_run_ends_with_a_summary)
{
	const char *edge;
	char other[300];

	set_up();
	pipeline("{plugin: generate, rows: 5000}", "plugin: blackhole");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", state)), 0);
	CHECK_CONTAINS(p.output, "pipeline p: finished");
	CHECK_CONTAINS(p.output, "5,000");
	CHECK_CONTAINS(p.output, "position row 5000");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", state)), 0);
	CHECK_CONTAINS(p.output, " 0 rows/s"); /* it has all of them */
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("checkpoint", "show", "p", "--state", state)), 0);
	CHECK_CONTAINS(p.output, "row 5000");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("checkpoint", "show", "x", "--state", state)), 2);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("lineage", "orders.amount", "--state", state)), 0);
	CHECK_CONTAINS(p.output, "demo.orders.amount");
	write_file(dir, "q.yaml",
		   "pipeline: q\nsource: {plugin: generate, rows: 1}\nsinks:\n  - plugin: "
		   "blackhole\n");
	snprintf(other, sizeof(other), "%s/q.yaml", dir);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", other, "--state", state)), 0);
	CHECK_EQ_INT(
		program_run(&p, NULL,
			    ARGS("lineage", "demo.orders", "--format", "dot", "--state", state)),
		0);
	CHECK_CONTAINS(p.output, "digraph lineage {");
	edge = strstr(p.output, "demo.orders.id\" -> ");
	REQUIRE(edge != NULL); /* two pipelines have it */
	CHECK(strstr(edge + 1, "demo.orders.id\" -> ") == NULL);
	CHECK_EQ_INT(program_run(&p, NULL,
				 ARGS("lineage", "demo.orders.id", "--format", "openlineage",
				      "--state", state)),
		     0);
	CHECK_CONTAINS(p.output, "\"eventType\":\"COMPLETE\"");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("lineage", "nothing", "--state", state)), 2);
	CHECK_CONTAINS(p.output, "lineage.unknown_table");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("checkpoint", "reset", "p", "--state", state)), 2);
	CHECK_EQ_INT(
		program_run(&p, NULL, ARGS("checkpoint", "reset", "p", "--yes", "--state", state)),
		0);
	CHECK_EQ_INT(
		program_run(&p, NULL, ARGS("checkpoint", "reset", "p", "--yes", "--state", state)),
		2);
	CHECK_CONTAINS(p.output, "store.no_checkpoint");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", state)), 0);
	CHECK_CONTAINS(p.output, "5,000");
}

TEST(a_broken_file_exits_with_2_and_its_place)
{
	set_up();
	pipeline("{plugin: generate, rwos: 5}", "plugin: blackhole");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", state)), 2);
	CHECK_CONTAINS(p.output, "p.yaml:3:");
	CHECK_CONTAINS(p.output, "config.unknown_option");
	CHECK_EQ_INT(access(state, F_OK), -1);
	CHECK(program_run(&p, NULL, ARGS("run", "/nonexistent/file.yaml")) >= 2);
	CHECK_CONTAINS(p.output, "/nonexistent/file.yaml");
}

TEST(a_failed_pipeline_exits_with_1_and_the_code)
{
	set_up();
	pipeline("{plugin: generate, rows: 5000}",
		 "{plugin: blackhole, retry: {attempts: 0, initial: 1ms}}");
	CHECK_EQ_INT(program_run(&p, ARGS("DRIPLINE_FAILPOINTS", "engine.before_sink_commit=error"),
				 ARGS("run", file, "--state", state)),
		     1);
	CHECK_CONTAINS(p.output, "dripline run: pipeline p: ");
	CHECK_CONTAINS(p.output, "[failpoint.hit]");
}

TEST(a_bad_state_directory_exits_with_3)
{
	char path[300];
	FILE *f;

	set_up();
	pipeline("{plugin: generate, rows: 5}", "plugin: blackhole");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", file)), 3);
	CHECK_CONTAINS(p.output, "store.unwritable");
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", state)), 0);
	snprintf(path, sizeof(path), "%s/dripline.db", state);
	f = fopen(path, "r+");
	REQUIRE(f != NULL);
	fputs("damaged", f);
	fclose(f);
	CHECK_EQ_INT(program_run(&p, NULL, ARGS("run", file, "--state", state)), 3);
	CHECK_CONTAINS(p.output, "store.corrupt");
	CHECK_CONTAINS(p.output, "Nothing was changed");
}

TEST(signals_drain_and_nothing_is_lost)
{
	char first[64];

	set_up();
	pipeline("{plugin: generate, rows: 0, rate: 100000}", "plugin: blackhole");
	program_start(&p, NULL, ARGS("run", file, "--state", state));
	wait_for_commit();
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("run", file, "--state", state)), 3);
	CHECK_CONTAINS(q.output, "store.locked");
	snprintf(first, sizeof(first), "process %ld ", (long)p.pid);
	CHECK_CONTAINS(q.output, first);
	kill(p.pid, SIGINT);
	CHECK_EQ_INT(program_wait(&p), 0);
	CHECK_CONTAINS(p.output, "pipeline p: stopped");
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("checkpoint", "show", "--state", state)), 0);
	CHECK(strstr(p.output, "position row ") != NULL);
	if (strstr(p.output, "position ") != NULL) {
		snprintf(first, sizeof(first), "%.40s", strstr(p.output, "position ") + 9);
		first[strcspn(first, "\n")] = '\0';
		CHECK_CONTAINS(q.output, first); /* the summary tells what is committed */
	}
}

TEST(a_second_signal_ends_at_once)
{
	set_up();
	pipeline("{plugin: generate, rows: 0, rate: 100000}", "plugin: blackhole");
	program_start(&p, NULL, ARGS("run", file, "--state", state, "--log-format", "json"));
	wait_for_commit();
	kill(p.pid, SIGTERM);
	REQUIRE(program_wait_for(&p, "asked to end") || p.length != 0);
	kill(p.pid, SIGTERM);
	program_wait(&p);
	CHECK(p.status == 1 || p.status == 0); /* 0: the drain was faster */
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("checkpoint", "show", "--state", state)), 0);
}

TEST(logs_are_json_where_asked_for)
{
	set_up();
	pipeline("{plugin: generate, rows: 0, rate: 1000}", "plugin: blackhole");
	program_start(&p, NULL, ARGS("run", file, "--state", state, "--log-format", "json"));
	wait_for_commit();
	kill(p.pid, SIGINT);
	CHECK_EQ_INT(program_wait(&p), 0);
	CHECK_CONTAINS(p.output, "{\"ts\":\"20");
	CHECK_CONTAINS(p.output, "\"level\":\"info\"");
}

/* The loop needs descriptors: with too few of them the program says so. */
TEST(too_few_descriptors)
{
	bool found = false;

	set_up();
	pipeline("{plugin: generate, rows: 5}", "plugin: blackhole");
	for (int limit = 6; limit < 40 && !found; limit++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", limit);
		program_run(&p, ARGS("TEST_NOFILE", text), ARGS("run", file, "--state", state));
		found = strstr(p.output, "system.no_loop") != NULL;
		CHECK(!found || p.status == 3);
		CHECK(p.status >= 0); /* no crash */
	}
	CHECK(found);
}

#define SENTINEL "s3ntinel-0c1f-value"

static bool file_holds(const char *path, const char *text)
{
	static char data[8 << 20];
	FILE *f = fopen(path, "r");
	size_t n;

	if (f == NULL) {
		return false;
	}
	n = fread(data, 1, sizeof(data), f);
	fclose(f);
	return memmem(data, n, text, strlen(text)) != NULL;
}

/* Secrets come from the environment and a file, into options that work and into one that fails. */
TEST(secrets_appear_nowhere)
{
	static const char *const files[] = {"dripline.db", "dripline.db-wal"};
	const char *const environment[] = {"SENTINEL", SENTINEL, NULL};
	char path[320];

	set_up();
	write_file(dir, "secret", SENTINEL "-file\n");
	write_file(
		dir, "p.yaml",
		"services:\n  admin: {plugin: admin, listen: \"127.0.0.1:0\", token: "
		"\"${env:SENTINEL}\"}\n  other: {plugin: admin, listen: \"127.0.0.1:0\", token: "
		"\"${file:%s/secret}\"}\npipeline: p\ncommit: {interval: 10ms}\nsource: {plugin: "
		"generate, rows: 0, rate: 1000}\nsinks:\n  - plugin: blackhole\n",
		dir);
	program_start(&p, environment,
		      ARGS("daemon", file, "--state", state, "--log-level", "debug"));
	wait_for_commit();
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("status", "--format", "json", "--state", state)),
		     0);
	CHECK(strstr(q.output, SENTINEL) == NULL);
	CHECK_EQ_INT(program_run(&q, environment, ARGS("plan", file)), 0);
	CHECK(strstr(q.output, SENTINEL) == NULL);
	kill(p.pid, SIGHUP);
	kill(p.pid, SIGTERM);
	CHECK_EQ_INT(program_wait(&p), 0);
	CHECK(strstr(p.output, SENTINEL) == NULL);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", state, files[i]);
		CHECK(!file_holds(path, SENTINEL));
	}
	/* In the text of an error: the secret is too short, or of the wrong type. */
	write_file(dir, "p.yaml",
		   "services:\n  admin: {plugin: admin, token: \"${env:SHORT}\", timeout: "
		   "\"${env:SENTINEL}\"}\n");
	program_run(&q, ARGS("SENTINEL", SENTINEL, "SHORT", "shrt-snt"), ARGS("validate", file));
	CHECK_EQ_INT(q.status, 2);
	CHECK(strstr(q.output, "shrt-snt") == NULL);
}

TEST_MAIN()
