/* SPDX-License-Identifier: Apache-2.0 */
/* Strings, JSON, log, failpoints, clocks and injected failures of allocation. */
#include "lib/test.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);

TEST(strings_grow_and_stick_to_their_first_failure)
{
	struct drip_error err = DRIP_ERROR_INIT;
	drip_autostr s = DRIP_STR_INIT;
	char *text = NULL;

	CHECK_EQ_STR(drip_str_text(&s), "");
	for (int i = 0; i < 1000; i++) {
		drip_str_appendf(&s, "%d,", i);
	}
	CHECK_EQ_INT((int)s.length, 10 * 2 + 90 * 3 + 900 * 4);
	REQUIRE_OK(drip_str_steal(&s, &text, &err), &err);
	CHECK_EQ_INT((int)s.length, 0);
	free(text);
	drip_str_append_n(&s, "", SIZE_MAX / 2);
	drip_str_append(&s, "later");
	CHECK_EQ_INT((int)s.length, 0);
	CHECK_EQ_INT(drip_str_steal(&s, &text, &err), -EOVERFLOW);
	CHECK_EQ_STR(err.code, "system.text_too_long");
	drip_alloc_fail_at(1);
	drip_str_append(&s, "x");
	CHECK(drip_alloc_failed());
	drip_alloc_fail_at(0);
	CHECK_EQ_INT(drip_str_steal(&s, &text, &err), -ENOMEM);
	CHECK_EQ_STR(err.code, "system.out_of_memory");
}

TEST(json_is_written_with_commas_and_escapes)
{
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	drip_json_init(&j, &s);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "a\"b", "\x01\n\t\\\xc3\xa4\xff\xe2\x82");
	drip_json_put_int(&j, "min", INT64_MIN);
	drip_json_put_double(&j, "f", 0.1);
	drip_json_put_double(&j, "n", 0.0 / 0.0);
	drip_json_key(&j, "l");
	drip_json_begin_array(&j);
	drip_json_begin_array(&j);
	drip_json_end_array(&j);
	drip_json_bool(&j, true);
	drip_json_null(&j);
	drip_json_end_array(&j);
	drip_json_end_object(&j);
	CHECK_EQ_STR(
		s.data,
		"{\"a\\\"b\":\"\\u0001\\n\\t\\\\\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
		"\"min\":-9223372036854775808,\"f\":0.1,\"n\":null,\"l\":[[],true,null]}");
}

static void check_again(const char *text)
{
	struct drip_error err = DRIP_ERROR_INIT;
	drip_autoptr(drip_json_tree) tree = NULL;
	drip_autostr s = DRIP_STR_INIT;
	struct drip_json j;

	REQUIRE_OK(drip_json_parse(text, strlen(text), &tree, &err), &err);
	drip_json_init(&j, &s);
	drip_json_node(&j, drip_json_root(tree));
	CHECK_EQ_STR(drip_str_text(&s), text);
}

TEST(json_is_read_as_it_was_written)
{
	check_again("{\"a\":[1,-2.50,1e300,12345678901234567890],\"b\":{\"c\":null},\"\":\"\"}");
	check_again("\"\xf0\x9f\x98\x80 \xc3\xa4\"");
	check_again("[[[]],{},true,false]");
	check_again("0");
}

TEST(json_strings_are_unescaped)
{
	static const char text[] =
		"{\"k\\u0065y\":\"\\ud83d\\ude00\\u0000\\/\\b\",\"n\":7,\"d\":1.5,"
		"\"t\":true}";
	struct drip_error err = DRIP_ERROR_INIT;
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *root, *n;

	REQUIRE_OK(drip_json_parse(text, strlen(text), &tree, &err), &err);
	root = drip_json_root(tree);
	n = drip_json_get(root, "key");
	REQUIRE(n != NULL);
	CHECK_EQ_INT((int)n->text_size, 7);
	CHECK_EQ_MEM(n->text, "\xf0\x9f\x98\x80\0/\b", 7);
	CHECK_EQ_INT(drip_json_get_int(root, "n", 0), 7);
	CHECK_EQ_INT(drip_json_get_int(root, "d", -1), -1);
	CHECK(drip_json_get_bool(root, "t", false));
	CHECK_EQ_STR(drip_json_get_string(root, "n", "other"), "other");
	CHECK_NULL(drip_json_get(n, "x"));
	CHECK_NULL(drip_json_get(NULL, "x"));
}

TEST(bad_json_is_refused)
{
	static const char *const bad[] = {
		"",
		"{",
		"}",
		"[1,]",
		"{\"a\"}",
		"{\"a\":}",
		"{a:1}",
		"01",
		"1.",
		"-",
		"1e",
		"nul",
		"\"\\x\"",
		"\"\\u12\"",
		"\"a",
		"\"\n\"",
		"\"\\ud800\"",
		"\"\\udc00\"",
		"[1 2]",
		"1 2",
		"+1",
		"\"\\ud800\\u0041\"",
		"truefalse",
	};
	char deep[200];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_json_tree *tree = NULL;

		CHECK_EQ_INT(drip_json_parse(bad[i], strlen(bad[i]), &tree, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "json.syntax");
		CHECK_NULL(tree);
	}
	memset(deep, '[', sizeof(deep));
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_json_tree *tree = NULL;

	CHECK_EQ_INT(drip_json_parse(deep, sizeof(deep), &tree, &err), -E2BIG);
	CHECK_EQ_STR(err.code, "json.too_deep");
}

TEST(times_are_utc_with_microseconds)
{
	char text[DRIP_CLOCK_TEXT_MAX];

	drip_clock_format(0, text, sizeof(text));
	CHECK_EQ_STR(text, "1970-01-01T00:00:00.000000Z");
	drip_clock_format(-1, text, sizeof(text));
	CHECK_EQ_STR(text, "1969-12-31T23:59:59.999999Z");
	drip_clock_format(INT64_C(1709164800000001), text, sizeof(text));
	CHECK_EQ_STR(text, "2024-02-29T00:00:00.000001Z");
}

TEST(failpoints_count_their_hits)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int status;
	pid_t pid;

	CHECK_EQ_INT(drip_failpoint_hit("a", &err), 0);
	REQUIRE_OK(drip_failpoint_arm("a=error@2,b=kill", &err), &err);
	CHECK_EQ_INT(drip_failpoint_hit("a", &err), 0);
	CHECK_EQ_INT(drip_failpoint_hit("a", &err), -EIO);
	CHECK_EQ_STR(err.code, "failpoint.hit");
	CHECK(err.retryable);
	CHECK_EQ_INT(drip_failpoint_hit("a", &err), 0);
	CHECK_EQ_INT(drip_failpoint_hit("c", &err), 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		_exit(drip_failpoint_hit("b", &err));
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK_EQ_INT(drip_failpoint_arm("a=explode", &err), -EINVAL);
	CHECK_EQ_STR(err.code, "failpoint.bad_spec");
	CHECK_EQ_INT(drip_failpoint_arm("a=kill@0", &err), -EINVAL);
	CHECK_EQ_INT(drip_failpoint_arm("=kill", &err), -EINVAL);
	CHECK_EQ_INT(drip_failpoint_arm(NULL, &err), 0);
}

/* ---- the log ---- */

static int log_fds[2];
static char logged[65536];

static void begin_log(enum drip_log_level level, bool json)
{
	REQUIRE(pipe(log_fds) == 0);
	drip_logger_set_fd(log_fds[1]);
	drip_logger_setup(level, json);
}

static int end_log(void)
{
	size_t length = 0;
	int lines = 0;
	ssize_t n;

	drip_logger_set_fd(2);
	close(log_fds[1]);
	while ((n = read(log_fds[0], logged + length, sizeof(logged) - 1 - length)) > 0) {
		length += (size_t)n;
	}
	close(log_fds[0]);
	logged[length] = '\0';
	for (size_t i = 0; i < length; i++) {
		lines += logged[i] == '\n';
	}
	return lines;
}

TEST(one_event_is_one_line)
{
	struct drip_error err = DRIP_ERROR_INIT;

	drip_error_set(&err, -EIO, "a.b", "it \"broke\"\nbadly");
	begin_log(DRIP_LOG_INFO, false);
	drip_logger_event(DRIP_LOG_INFO, "p", "s", &err, "two words");
	drip_logger_event(DRIP_LOG_DEBUG, "p", "s", NULL, "left out");
	CHECK_EQ_INT(end_log(), 1);
	CHECK_CONTAINS(logged, "ts=2");
	CHECK_CONTAINS(logged, " level=info msg=\"two words\" pipeline=p stage=s code=a.b "
			       "error=\"it \\\"broke\\\"\\nbadly\"\n");
	begin_log(DRIP_LOG_DEBUG, true);
	drip_logger_event(DRIP_LOG_WARNING, NULL, "", &err, "other words");
	CHECK_EQ_INT(end_log(), 1);
	CHECK_CONTAINS(logged, "\"level\":\"warning\",\"msg\":\"other words\",\"code\":\"a.b\","
			       "\"error\":\"it \\\"broke\\\"\\nbadly\"}\n");
}

TEST(repeated_lines_are_limited)
{
	begin_log(DRIP_LOG_INFO, false);
	for (int i = 0; i < 1000; i++) {
		drip_logger_event(DRIP_LOG_INFO, "p", NULL, NULL, "row %d is bad", i);
	}
	drip_logger_event(DRIP_LOG_INFO, "q", NULL, NULL, "row %d is bad", 1);
	CHECK_EQ_INT(end_log(), DRIP_LOGGER_BURST + 1);
}

static void join_line(const char *json, void *data)
{
	strncat(data, json, 8191 - strlen(data));
}

TEST(the_last_lines_are_kept)
{
	static char lines[8192];
	char name[32];

	begin_log(DRIP_LOG_INFO, false);
	drip_logger_event(DRIP_LOG_ERROR, "kept", "s", NULL, "an error");
	drip_logger_event(DRIP_LOG_INFO, "kept", "s", NULL, "some news");
	drip_logger_event(DRIP_LOG_DEBUG, "kept", "s", NULL, "a detail");
	drip_logger_event(DRIP_LOG_INFO, "other", "s", NULL, "other news");
	CHECK_EQ_INT(end_log(), 3);
	lines[0] = '\0';
	drip_logger_visit_recent(DRIP_LOG_DEBUG, "kept", 10, join_line, lines);
	CHECK_CONTAINS(lines, "\"level\":\"error\",\"msg\":\"an error\",\"pipeline\":\"kept\","
			      "\"stage\":\"s\"}{\"ts\":");
	CHECK_CONTAINS(lines, "some news");
	CHECK(strstr(lines, "a detail") == NULL);
	CHECK(strstr(lines, "other news") == NULL);
	lines[0] = '\0';
	drip_logger_visit_recent(DRIP_LOG_ERROR, "kept", 10, join_line, lines);
	CHECK(strstr(lines, "some news") == NULL);
	lines[0] = '\0';
	drip_logger_visit_recent(DRIP_LOG_DEBUG, NULL, 1, join_line, lines);
	CHECK_CONTAINS(lines, "other news");
	CHECK(strstr(lines, "some news") == NULL);
	/* A ring: the oldest make room. */
	begin_log(DRIP_LOG_INFO, false);
	for (int i = 0; i < DRIP_LOGGER_RECENT; i++) {
		snprintf(name, sizeof(name), "%c%c%c", 'a' + i % 26, 'a' + i / 26 % 26,
			 'a' + i / 676);
		drip_logger_event(DRIP_LOG_INFO, name, NULL, NULL, "x");
	}
	CHECK_EQ_INT(end_log(), DRIP_LOGGER_RECENT);
	lines[0] = '\0';
	drip_logger_visit_recent(DRIP_LOG_DEBUG, "kept", 10, join_line, lines);
	CHECK_EQ_STR(lines, "");
}

static void *log_much(void *data)
{
	for (int i = 0; i < 50; i++) {
		drip_logger_event(DRIP_LOG_INFO, data, NULL, NULL, "%c%c", 'a' + i % 26,
				  'a' + i / 26);
	}
	return NULL;
}

TEST(threads_do_not_mix_lines)
{
	pthread_t threads[4];
	static char names[4][2] = {"1", "2", "3", "4"};

	begin_log(DRIP_LOG_INFO, false);
	for (int i = 0; i < 4; i++) {
		names[i][0] = (char)('w' + i);
		REQUIRE(pthread_create(&threads[i], NULL, log_much, names[i]) == 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	CHECK_EQ_INT(end_log(), 200);
	for (char *line = logged; *line != '\0'; line = strchr(line, '\n') + 1) {
		CHECK(strncmp(line, "ts=", 3) == 0);
	}
}

TEST_MAIN()
