/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon's control socket and its talk with systemd, by a client that keeps no rules. */
#include "lib/test.h"

#include "lib/program.h"
#include "lib/temp.h"
#include "store/store.h"

#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct program daemon_, q;
static char state[256], conf[256], answer[4 << 20];
static const char *dir;

static void write_conf(const char *sink)
{
	write_file(
		conf, "p.yaml",
		"pipeline: p\ncommit: {interval: 10ms}\nsource: {plugin: generate, rows: 0, rate: "
		"50000, columns: [{name: id, kind: sequence, key: true}, {name: phone, kind: text, "
		"class: restricted}, {name: mail, kind: text, class: confidential}]}\nsinks:\n  - "
		"{plugin: %s}\n",
		sink);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_control(void)
{
	char path[108];
	int64_t deadline = program_now_ms() + PROGRAM_HANG_MS;
	int fd;

	snprintf(path, sizeof(path), "%.90s/control.sock", state);
	do {
		fd = connect_to(path);
	} while (fd < 0 && program_now_ms() < deadline);
	REQUIRE(fd >= 0);
	return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
	while (size != 0) {
		ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

		if (n <= 0) {
			return; /* refused: the answer tells */
		}
		data += n;
		size -= (size_t)n;
	}
}

/* Reads `lines` lines, or to the end; gives how many came. */
static int read_lines(int fd, int lines)
{
	size_t length = 0;
	int got = 0;

	while (got < lines) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		REQUIRE(poll(&p, 1, PROGRAM_HANG_MS) == 1);
		n = recv(fd, answer + length, sizeof(answer) - 1 - length, 0);
		if (n <= 0) {
			break;
		}
		for (ssize_t i = 0; i < n; i++) {
			got += answer[length + (size_t)i] == '\n';
		}
		length += (size_t)n;
		REQUIRE(length + 1 < sizeof(answer));
	}
	answer[length] = '\0';
	return got;
}

static void send_text(int fd, const char *text)
{
	send_all(fd, text, strlen(text));
}

static const char *ask(int fd, const char *request)
{
	send_text(fd, request);
	CHECK_EQ_INT(read_lines(fd, 1), 1);
	return answer;
}

static void start_daemon_with(const char *const *environment)
{
	program_start(&daemon_, environment, ARGS("daemon", conf, "--state", state));
}

static void start_daemon(void)
{
	dir = temp_dir();
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	REQUIRE(mkdir(conf, 0700) == 0);
	write_conf("blackhole");
	start_daemon_with(NULL);
}

static void end_daemon(void)
{
	kill(daemon_.pid, SIGTERM);
	CHECK_EQ_INT(program_wait(&daemon_), 0);
}

static int64_t rows_in(int fd)
{
	const char *at = strstr(ask(fd, "{\"id\":1,\"method\":\"status\"}\n"), "\"rows_in\":");

	REQUIRE(at != NULL);
	return strtoll(at + 10, NULL, 10);
}

static void wait_for_rows(int fd, int64_t more)
{
	int64_t start = rows_in(fd), deadline = program_now_ms() + PROGRAM_HANG_MS;

	while (rows_in(fd) < start + more && program_now_ms() < deadline) {
	}
	CHECK(rows_in(fd) >= start + more);
}

TEST(answers_good_and_bad_requests)
{
	static char many[32768];
	struct stat st;
	char path[320];
	int fd;

	start_daemon();
	fd = open_control();
	snprintf(path, sizeof(path), "%s/control.sock", state);
	REQUIRE(stat(path, &st) == 0);
	CHECK_EQ_INT(st.st_mode & 0777, 0600);
	wait_for_rows(fd, 1);
	CHECK_CONTAINS(ask(fd, "{\"id\":7,\"method\":\"live\"}\n"),
		       "{\"id\":7,\"result\":{\"live\":true}}");
	CHECK_CONTAINS(ask(fd, "{\"id\":\"a\",\"method\":\"live\"}\n"), "{\"id\":\"a\",");
	CHECK_CONTAINS(ask(fd, "\n"), "json.syntax");
	CHECK_CONTAINS(ask(fd, "{]\n"), "json.syntax");
	CHECK_CONTAINS(ask(fd, "[1]\n"), "control.bad_request");
	CHECK_CONTAINS(ask(fd, "{\"method\":1}\n"), "control.bad_request");
	CHECK_CONTAINS(ask(fd, "{\"id\":{},\"method\":\"statsu\"}\n"), "Did you mean");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"pause\"}\n"), "control.missing_argument");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"pause\",\"arguments\":[]}\n"),
		       "control.bad_request");
	CHECK_CONTAINS(
		ask(fd, "{\"id\":1,\"method\":\"pause\",\"arguments\":{\"pipeline\":\"x\"}}\n"),
		"engine.unknown_pipeline");
	CHECK_CONTAINS(ask(fd,
			   "{\"id\":1,\"method\":\"checkpoint.reset\",\"arguments\":{\"pipeline\":"
			   "\"p\"}}\n"),
		       "control.pipeline_runs");
	/* Lineage is recorded by and by. */
	do {
		ask(fd, "{\"id\":1,\"method\":\"lineage\",\"arguments\":{\"table\":\"orders\","
			"\"format\":\"xml\"}}\n");
	} while (strstr(answer, "lineage.unknown_table") != NULL);
	CHECK_CONTAINS(answer, "lineage.unknown_format");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"dlq.show\",\"arguments\":{\"id\":12345}}\n"),
		       "dlq.unknown_letter");
	snprintf(many, sizeof(many), "{\"id\":1,\"method\":\"dlq.drop\",\"arguments\":{\"ids\":[1");
	for (int i = 0; i < 10000; i++) {
		memcpy(many + strlen(many), ",1", 3);
	}
	memcpy(many + strlen(many), "]}}\n", 5);
	CHECK_CONTAINS(ask(fd, many), "dlq.too_many");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"dlq.drop\",\"arguments\":{}}\n"),
		       "control.missing_argument");
	/* Two in one piece: answered in order. */
	send_text(fd, "{\"id\":1,\"method\":\"live\"}\n{\"id\":2,\"method\":\"live\"}\n");
	CHECK_EQ_INT(read_lines(fd, 2), 2);
	CHECK(strstr(answer, "\"id\":1") < strstr(answer, "\"id\":2"));
	close(fd);
	end_daemon();
	CHECK_EQ_INT(access(path, F_OK), -1);
}

TEST(metrics_are_well_formed)
{
	static const char *const expected[] = {
		"# TYPE dripline_rows_in_total counter\\n",
		"dripline_rows_in_total{pipeline=\\\"p\\\",stage=\\\"source\\\"} ",
		"dripline_build_info{version=",
		"process_resident_memory_bytes ",
		"dripline_source_lag_seconds{pipeline=\\\"p\\\"}",
		"dripline_queue_limit_bytes{pipeline=\\\"p\\\",stage=\\\"blackhole\\\"}",
		"dripline_blackhole_rows_total{pipeline=\\\"p\\\",stage=\\\"blackhole\\\"}",
	};
	int fd;

	start_daemon();
	fd = open_control();
	do {
		ask(fd, "{\"id\":1,\"method\":\"metrics\"}\n");
	} while (strstr(answer, "dripline_blackhole_") == NULL);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		CHECK_CONTAINS(answer, expected[i]);
	}
	close(fd);
	end_daemon();
}

TEST(large_requests_are_refused)
{
	static char large[200000];
	int fd;

	start_daemon();
	fd = open_control();
	memset(large, 'x', sizeof(large));
	send_all(fd, large, sizeof(large));
	if (read_lines(fd, 1) == 1) {
		CHECK_CONTAINS(answer, "control.request_too_large");
	}
	close(fd);
	fd = open_control();
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"live\"}\n"), "true");
	close(fd);
	end_daemon();
}

TEST(a_client_that_has_shut_down_its_side_gets_its_answers)
{
	int fd;

	start_daemon();
	fd = open_control();
	send_text(fd, "{\"id\":1,\"method\":\"live\"}\n{\"id\":2,\"method\":\"status\"}\n{\"id\"");
	REQUIRE(shutdown(fd, SHUT_WR) == 0);
	CHECK_EQ_INT(read_lines(fd, 100), 2); /* then the end: the rest of a line is no request */
	CHECK_CONTAINS(answer, "{\"id\":1,\"result\":");
	CHECK_CONTAINS(answer, "{\"id\":2,\"result\":");
	close(fd);
	end_daemon();
}

TEST(many_clients)
{
	int fds[80], fd, closed = 0;

	start_daemon();
	fds[0] = open_control();
	for (int i = 1; i < 80; i++) {
		fds[i] = open_control();
	}
	for (int i = 0; i < 80; i++) {
		send_text(fds[i], "{\"id\":1,\"method\":\"status\"}\n");
	}
	for (int i = 0; i < 80; i++) {
		closed += read_lines(fds[i], 1) == 0;
	}
	CHECK_EQ_INT(closed, 80 - 64);
	for (int i = 0; i < 80; i++) {
		close(fds[i]);
	}
	/* A connection is refused until the daemon has seen others go. */
	for (int64_t deadline = program_now_ms() + PROGRAM_HANG_MS; program_now_ms() < deadline;) {
		fd = open_control();
		send_text(fd, "{\"id\":1,\"method\":\"live\"}\n");
		closed = read_lines(fd, 1);
		close(fd);
		if (closed == 1) {
			break;
		}
	}
	CHECK_EQ_INT(closed, 1);
	end_daemon();
}

TEST(taps_redact_and_end)
{
	int fd;

	start_daemon();
	fd = open_control();
	send_text(fd,
		  "{\"id\":1,\"method\":\"tap\",\"arguments\":{\"pipeline\":\"p\",\"limit\":3}}\n");
	CHECK_EQ_INT(read_lines(fd, 4), 4);
	CHECK_CONTAINS(answer, "\"op\":\"read\"");
	CHECK_CONTAINS(answer, "\"phone\":\"***\",\"mail\":\"***\"");
	CHECK_CONTAINS(answer, "\"result\":{\"rows\":3,");
	CHECK_CONTAINS(ask(fd, "{\"id\":2,\"method\":\"live\"}\n"), "\"id\":2");
	CHECK_CONTAINS(
		ask(fd, "{\"id\":3,\"method\":\"tap\",\"arguments\":{\"pipeline\":\"nope\"}}\n"),
		"engine.unknown_pipeline");
	close(fd);
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("tap", "p", "-n", "2", "--state", state)), 0);
	CHECK_CONTAINS(q.output, "\"phone\":\"***\"");
	CHECK_EQ_INT(program_run(&q, NULL,
				 ARGS("tap", "p.source", "-n", "2", "--reveal", "--state", state)),
		     0);
	CHECK(strstr(q.output, "***") == NULL);
	/* who sees clear values is recorded, and before any is shown; others are not */
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("audit", "list", "--state", state)), 0);
	CHECK_CONTAINS(q.output, "tap reveal  p.source");
	CHECK(strstr(q.output, "tap reveal  p ") == NULL);
	fd = open_control();
	CHECK_CONTAINS(ask(fd, "{\"id\":4,\"method\":\"tap\",\"arguments\":{\"pipeline\":"
			       "\"nope\",\"reveal\":true}}\n"),
		       "engine.unknown_pipeline");
	CHECK_CONTAINS(ask(fd, "{\"id\":5,\"method\":\"dlq.show\",\"arguments\":{\"id\":7,"
			       "\"reveal\":true}}\n"),
		       "dlq.unknown_letter");
	close(fd);
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("audit", "list", "--state", state)), 0);
	CHECK_CONTAINS(q.output, "dlq reveal  letter 7");
	end_daemon();
}

TEST(a_reader_that_does_not_read_holds_nothing_up)
{
	static const char tap[] =
		"{\"id\":1,\"method\":\"tap\",\"arguments\":{\"pipeline\":\"p\"}}\n";
	int lazy, fd;

	start_daemon();
	lazy = open_control();
	fd = open_control();
	send_all(lazy, tap, sizeof(tap) - 1);
	wait_for_rows(fd, 100000);
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("status", "--state", state)), 0);
	close(lazy);
	wait_for_rows(fd, 1000);
	close(fd);
	end_daemon();
}

TEST(a_stale_socket_is_replaced)
{
	int fd;

	start_daemon();
	fd = open_control();
	close(fd);
	kill(daemon_.pid, SIGKILL);
	program_wait(&daemon_);
	start_daemon_with(NULL);
	fd = open_control();
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"live\"}\n"), "true");
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("daemon", conf, "--state", state)), 3);
	CHECK_CONTAINS(q.output, "store.locked");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"live\"}\n"), "true");
	close(fd);
	end_daemon();
}

TEST(a_broken_reload_changes_nothing)
{
	int fd;

	start_daemon();
	fd = open_control();
	write_conf("blackhole, no_such_option: 1");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"reload\"}\n"), "reload.invalid");
	CHECK_CONTAINS(answer, "p.yaml:5:");
	wait_for_rows(fd, 100);
	write_conf("blackhole, id: hole");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"reload\"}\n"), "\"reloaded\":true");
	while (strstr(ask(fd, "{\"id\":1,\"method\":\"status\"}\n"), "\"hole\"") == NULL) {
	}
	wait_for_rows(fd, 100);
	close(fd);
	end_daemon();
}

TEST(a_reload_says_what_needs_a_restart)
{
	int fd;

	dir = temp_dir();
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	REQUIRE(mkdir(conf, 0700) == 0);
	write_conf("blackhole");
	write_file(conf, "s.yaml", "settings: {state: %s}\n", state);
	program_start(&daemon_, NULL, ARGS("daemon", conf));
	fd = open_control();
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"reload\"}\n"),
		       "\"reloaded\":true,\"warnings\":[]");
	write_file(conf, "s.yaml", "settings:\n  state: /elsewhere\n  lineage_namespace: other\n");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"reload\"}\n"), "reload.needs_restart");
	CHECK_CONTAINS(answer, "\"line\":2,\"column\":10,");
	CHECK_CONTAINS(answer, "settings.state is \\\"/elsewhere\\\" now");
	CHECK_CONTAINS(answer, "\"line\":3,\"column\":22,");
	CHECK(program_wait_for(&daemon_, "reload.needs_restart"));
	wait_for_rows(fd, 100);
	close(fd);
	end_daemon();
}

TEST(the_log_and_the_datasets_are_answered)
{
	int fd;

	start_daemon();
	fd = open_control();
	wait_for_rows(fd, 1);
	while (strstr(ask(fd, "{\"id\":1,\"method\":\"lineage.datasets\"}\n"), "\"read\":true") ==
	       NULL) {
	}
	CHECK_CONTAINS(answer, "\"class\":\"restricted\"");
	ask(fd, "{\"id\":1,\"method\":\"logs\",\"arguments\":{\"limit\":5}}\n");
	CHECK_CONTAINS(answer, "\"level\":\"info\"");
	ask(fd, "{\"id\":1,\"method\":\"logs\",\"arguments\":{\"level\":\"loud\"}}\n");
	CHECK_CONTAINS(answer, "control.unknown_level");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"catalog\"}\n"), "\"result\":[]");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"dlq.count\"}\n"), "\"result\":[]");
	ask(fd, "{\"id\":1,\"method\":\"dlq.list\",\"arguments\":{\"order\":\"newest\"}}\n");
	CHECK_CONTAINS(answer, "\"result\":[]");
	ask(fd, "{\"id\":1,\"method\":\"dlq.list\",\"arguments\":{\"order\":\"DESC\"}}\n");
	CHECK_CONTAINS(answer, "control.bad_request");
	ask(fd, "{\"id\":1,\"method\":\"history\",\"arguments\":{\"pipeline\":\"p\"}}\n");
	CHECK_CONTAINS(answer, "\"step_seconds\":10,\"times\":[");
	CHECK_CONTAINS(answer, "\"name\":\"p\",\"rows_in_per_second\":[");
	ask(fd, "{\"id\":1,\"method\":\"lineage\",\"arguments\":{\"table\":\"orders\","
		"\"format\":\"json\"}}\n");
	CHECK_CONTAINS(answer, "\\\"upstream\\\":");
	close(fd);
	end_daemon();
}

TEST(status_tells_what_feeds_a_stage)
{
	int fd;

	start_daemon();
	fd = open_control();
	wait_for_rows(fd, 1);
	ask(fd, "{\"id\":1,\"method\":\"status\"}\n");
	CHECK_CONTAINS(answer, "\"scheduled\":false");
	CHECK_CONTAINS(answer,
		       "\"kind\":\"sink\",\"component\":\"blackhole\",\"input\":\"source\"");
	close(fd);
	end_daemon();
}

TEST(the_checkpoint_of_a_paused_pipeline_can_be_reset)
{
	int fd;

	start_daemon();
	fd = open_control();
	wait_for_rows(fd, 100);
	ask(fd, "{\"id\":1,\"method\":\"pause\",\"arguments\":{\"pipeline\":\"p\"}}\n");
	while (strstr(ask(fd, "{\"id\":1,\"method\":\"status\"}\n"), "\"paused\"") == NULL) {
	}
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"checkpoint.show\"}\n"), "row ");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"checkpoint.reset\",\"arguments\":{"
			       "\"pipeline\":\"p\"}}\n"),
		       "\"reset\":true");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"checkpoint.show\"}\n"), "\"result\":[]");
	CHECK_CONTAINS(ask(fd, "{\"id\":1,\"method\":\"status\"}\n"), "\"paused\"");
	ask(fd, "{\"id\":1,\"method\":\"resume\",\"arguments\":{\"pipeline\":\"p\"}}\n");
	wait_for_rows(fd, 100);
	while (strstr(ask(fd, "{\"id\":1,\"method\":\"checkpoint.show\"}\n"), "row ") == NULL) {
	}
	close(fd);
	end_daemon();
}

/* The record of what was done can fail by itself, as on a full disk: the log says so, and by whom.
 */
TEST(what_is_done_stays_done_without_its_record)
{
	char path[300];
	sqlite3 *db = NULL;
	int fd;

	start_daemon();
	fd = open_control();
	wait_for_rows(fd, 1);
	snprintf(path, sizeof(path), "%s/" DRIP_STORE_FILE, state);
	REQUIRE(sqlite3_open(path, &db) == SQLITE_OK);
	sqlite3_busy_timeout(db, PROGRAM_HANG_MS);
	CHECK_EQ_INT(sqlite3_exec(db,
				  "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT "
				  "RAISE(ABORT, 'the audit is full'); END",
				  NULL, NULL, NULL),
		     SQLITE_OK);
	sqlite3_close(db);
	CHECK_CONTAINS(
		ask(fd, "{\"id\":1,\"method\":\"pause\",\"arguments\":{\"pipeline\":\"p\"}}\n"),
		"\"done\":\"pause\"");
	CHECK(program_wait_for(&daemon_, "could not record: pause by"));
	CHECK(program_wait_for(&daemon_, "the audit is full"));
	while (strstr(ask(fd, "{\"id\":1,\"method\":\"status\"}\n"), "\"paused\"") == NULL) {
	}
	close(fd);
	end_daemon();
}

TEST(a_long_path_is_no_hindrance)
{
	dir = temp_dir();
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	snprintf(state, sizeof(state), "%s/%0100d/state", dir, 1);
	REQUIRE(mkdir(conf, 0700) == 0);
	write_conf("blackhole");
	start_daemon_with(NULL);
	REQUIRE(program_wait_for(&daemon_, "runs, state in"));
	CHECK_EQ_INT(program_run(&q, NULL, ARGS("status", "--state", state)), 0);
	CHECK_CONTAINS(q.output, "pipeline");
	end_daemon();
}

/* Waits for a datagram that holds `text`; others are skipped. */
static void expect_notification(int fd, const char *text)
{
	char message[600] = "";

	do {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, PROGRAM_HANG_MS) != 1) {
			CHECK_CONTAINS(message, text);
			return;
		}
		n = recv(fd, message, sizeof(message) - 1, 0);
		REQUIRE(n >= 0);
		message[n] = '\0';
	} while (strstr(message, text) == NULL);
}

TEST(systemd_is_told)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	dir = temp_dir();
	snprintf(state, sizeof(state), "%s/state", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	REQUIRE(mkdir(conf, 0700) == 0);
	write_conf("blackhole");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", dir);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	start_daemon_with(ARGS("NOTIFY_SOCKET", address.sun_path, "WATCHDOG_USEC", "20000"));
	expect_notification(fd, "READY=1");
	expect_notification(fd, "WATCHDOG=1");
	expect_notification(fd, "WATCHDOG=1");
	kill(daemon_.pid, SIGHUP);
	expect_notification(fd, "RELOADING=1\nMONOTONIC_USEC=");
	expect_notification(fd, "READY=1");
	kill(daemon_.pid, SIGTERM);
	expect_notification(fd, "STOPPING=1");
	CHECK_EQ_INT(program_wait(&daemon_), 0);
	close(fd);
}

TEST_MAIN()
