/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters from the reject of a stage to their replay, over a restart of the daemon, into a
 * pipeline that runs and one that has finished. */
#include "lib/test.h"

#include "lib/program.h"
#include "lib/temp.h"

static struct program daemon_, q;
static char state[256], conf[256], out[320];
static const char *dir;

/* Ids above `max` are dead letters. `rows` "0": one a second without end, so that there are always
 * few letters, however slow the store. */
static void write_conf(const char *max, const char *rows)
{
	write_file(
		conf, "p.yaml",
		"pipeline: p\ncommit: {interval: 5ms}\nsource: {plugin: generate, rows: %s, rate: "
		"%s, "
		"columns: [{name: id, kind: sequence, key: true}, {name: phone, kind: text, class: "
		"restricted}, {name: price, kind: decimal}]}\ntransforms:\n  - {id: small, plugin: "
		"quality, on_error: dead-letter, rules: [{rule: range, columns: [id], max: %s, "
		"action: "
		"dead-letter}]}\nsinks:\n  - {plugin: file, path: %s, clearance: restricted}\n",
		rows, strcmp(rows, "0") == 0 ? "1" : "2000", max, out);
}

/* Not until the pipeline runs: a short one may have finished before the daemon looks. */
static void start_daemon(void)
{
	program_start(&daemon_, NULL, ARGS("daemon", conf, "--state", state));
	REQUIRE(program_wait_for(&daemon_, " runs, state in "));
}

static void end_daemon(void)
{
	kill(daemon_.pid, SIGTERM);
	CHECK_EQ_INT(program_wait(&daemon_), 0);
}

static void set_up(const char *max, const char *rows)
{
	dir = temp_dir();
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(out, sizeof(out), "%s/rows.json", dir);
	REQUIRE(mkdir(conf, 0700) == 0);
	write_conf(max, rows);
	start_daemon();
}

static const char *dlq(const char *verb, const char *a, const char *b)
{
	program_run(&q, NULL,
		    b != NULL   ? ARGS("dlq", verb, a, b, "--state", state)
		    : a != NULL ? ARGS("dlq", verb, a, "--state", state)
				: ARGS("dlq", verb, "--state", state));
	return q.output;
}

static void wait_for_list(const char *text)
{
	int64_t deadline = program_now_ms() + PROGRAM_HANG_MS;

	while (strstr(dlq("list", NULL, NULL), text) == NULL && program_now_ms() < deadline) {
	}
	CHECK_CONTAINS(q.output, text);
}

static void wait_until_finished(void)
{
	int64_t deadline = program_now_ms() + PROGRAM_HANG_MS;

	do {
		program_run(&q, NULL, ARGS("status", "--state", state));
	} while (strstr(q.output, "finished") == NULL && program_now_ms() < deadline);
	CHECK_CONTAINS(q.output, "finished");
}

static int64_t first_id(void)
{
	const char *at = strstr(dlq("list", "--format", "json"), "\"id\":");

	return at != NULL ? strtoll(at + 5, NULL, 10) : -1;
}

static int count_in_output(const char *text)
{
	static char data[1 << 20];
	FILE *f = fopen(out, "r");
	size_t n;
	int count = 0;

	REQUIRE(f != NULL);
	n = fread(data, 1, sizeof(data) - 1, f);
	data[n] = '\0';
	fclose(f);
	for (const char *p = data; (p = strstr(p, text)) != NULL; p += strlen(text)) {
		count++;
	}
	return count;
}

TEST(letters_are_kept_shown_replayed_and_dropped)
{
	set_up("20", "25");
	wait_until_finished();
	end_daemon();
	/* Without the daemon, and after its end. */
	CHECK_EQ_INT(first_id(), 1);
	CHECK_CONTAINS(dlq("show", "1", NULL), "\"id\":21,\"phone\":\"***\"");
	CHECK(strstr(dlq("show", "1", "--reveal"), "***") == NULL);
	CHECK_EQ_INT(q.status, 0);
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("audit", "list", "--state", state)), 0);
	CHECK_CONTAINS(q.output, "dlq reveal  letter 1");
	CHECK_CONTAINS(dlq("show", "99", NULL), "dlq.unknown_letter");
	CHECK_EQ_INT(q.status, 2);
	CHECK_CONTAINS(dlq("replay", "1", NULL), "control.no_daemon");
	CHECK_EQ_INT(q.status, 3);
	CHECK_CONTAINS(dlq("drop", "5", "--yes"), "1 dead letter dropped");
	CHECK_EQ_INT(count_in_output("\"id\":21"), 0);

	/* The rule is as it was: what is replayed comes back under another id, and is not lost. */
	write_conf("20", "0");
	start_daemon();
	CHECK_CONTAINS(dlq("replay", "1", NULL), "1 dead letter replayed");
	wait_for_list("'range(id)'");
	CHECK_EQ_INT(first_id(), 2);
	CHECK_CONTAINS(dlq("show", "1", NULL), "dlq.unknown_letter");
	end_daemon();
	CHECK_EQ_INT(count_in_output("\"id\":21"), 0);

	/* The rule has changed: it passes, once. */
	write_conf("1000000000", "0");
	start_daemon();
	CHECK_CONTAINS(dlq("replay", "--pipeline", "p"), " replayed");
	CHECK_EQ_INT(q.status, 0);
	CHECK_EQ_INT(first_id(), -1);
	CHECK_EQ_INT(count_in_output("\"id\":21,"), 1);
	CHECK_EQ_INT(count_in_output("\"id\":22,"), 1);
	CHECK_EQ_INT(count_in_output("\"id\":25,"), 0); /* it was dropped */
	end_daemon();
}

/* The source has ended for good: replays get a run of their own. */
TEST(letters_are_replayed_into_a_finished_pipeline)
{
	set_up("20", "25");
	wait_until_finished();
	CHECK_CONTAINS(dlq("replay", "--pipeline", "p"), "5 dead letters replayed");
	CHECK_EQ_INT(q.status, 0);
	wait_until_finished();
	CHECK_EQ_INT(first_id(), 6); /* refused again: kept under new ids */
	CHECK_EQ_INT(count_in_output("\"id\":21,"), 0);
	program_run(&q, NULL, ARGS("pause", "p", "--state", state));
	CHECK_CONTAINS(dlq("replay", "6", NULL), "engine.not_running");
	CHECK_CONTAINS(q.output, "Resume it");
	CHECK(q.status != 0);
	end_daemon();

	write_conf("1000", "25");
	start_daemon();
	CHECK_CONTAINS(dlq("replay", "--pipeline", "p"), "5 dead letters replayed");
	CHECK_EQ_INT(first_id(), -1);
	CHECK_EQ_INT(count_in_output("\"id\":21,"), 1);
	CHECK_EQ_INT(count_in_output("\"id\":25,"), 1);
	CHECK_EQ_INT(count_in_output("\"id\":20,"), 1); /* nothing is read twice */
	wait_until_finished();
	end_daemon();
}

TEST_MAIN()
