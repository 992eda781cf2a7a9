/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dripline top: rates, lag, queue fill and memory, drawn anew every interval on the terminal's
 * other screen. Rates are differences between two answers of the daemon. The terminal is put back
 * as it was on every way out: keys, signals, and errors.
 */
#include "cli/commands.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/args.h"
#include "cli/client.h"
#include "cli/progress.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PIPELINES_MAX 256
#define BAR_COLUMNS   10
#define SCREEN_BYTES  65536 /* drawn in one write, so that it does not flicker */

DRIP_DEFINE_AUTOPTR(drip_json_tree, drip_json_tree_destroy);
DRIP_DEFINE_AUTOPTR(drip_client, drip_client_close);

/* What the last answer said of a pipeline, for its rate. */
struct past {
	char name[128];
	int64_t rows_in, rows_out;
};

struct top {
	struct drip_client *client;
	struct past past[PIPELINES_MAX];
	size_t past_count;
	uint64_t past_ns;
	double past_cpu;
	struct drip_str screen;
	int rows, columns;
	bool terminal;
};

static volatile sig_atomic_t ended;

static void on_signal(int signum)
{
	ended = 1;
}

static struct past *find_past(struct top *t, const char *name)
{
	for (size_t i = 0; i < t->past_count; i++) {
		if (strcmp(t->past[i].name, name) == 0) {
			return &t->past[i];
		}
	}
	if (t->past_count == PIPELINES_MAX) {
		return NULL;
	}
	memset(&t->past[t->past_count], 0, sizeof(t->past[0]));
	snprintf(t->past[t->past_count].name, sizeof(t->past[0].name), "%s", name);
	t->past[t->past_count].rows_in = -1;
	return &t->past[t->past_count++];
}

static void put_queue(struct drip_str *out, const struct drip_json_node *stage)
{
	double limit = drip_json_get_double(stage, "queue_limit_bytes", 0);
	double share = limit > 0 ? drip_json_get_double(stage, "queue_bytes", 0) / limit : 0;
	int full = (int)(share * BAR_COLUMNS + 0.5);

	if (limit <= 0) {
		return;
	}
	full = full > BAR_COLUMNS ? BAR_COLUMNS : full;
	drip_str_appendf(out, "  %s [%.*s%*s] %3.0f%%", drip_json_get_string(stage, "id", ""), full,
			 "##########", BAR_COLUMNS - full, "", share * 100);
}

/* A line of the screen, cut where the terminal ends. */
static void end_line(struct top *t, size_t start)
{
	if (t->terminal && t->screen.rc == 0 && t->screen.length - start > (size_t)t->columns) {
		t->screen.length = start + (size_t)t->columns;
	}
	drip_str_append(&t->screen, t->terminal ? "\033[K\n" : "\n");
}

static void put_pipeline(struct top *t, const struct drip_json_node *p, double seconds)
{
	const struct drip_json_node *stages = drip_json_get(p, "stages");
	const char *name = drip_json_get_string(p, "name", "");
	struct past *past = find_past(t, name);
	int64_t in = drip_json_get_int(p, "rows_in", 0), out = drip_json_get_int(p, "rows_out", 0);
	char in_rate[16] = "-", out_rate[16] = "-", lag[24], age[24], flight[32];
	size_t start = t->screen.length;

	if (past != NULL && past->rows_in >= 0 && seconds > 0 && in >= past->rows_in) {
		drip_format_rate((double)(in - past->rows_in) / seconds, in_rate, sizeof(in_rate));
		drip_format_rate((double)(out - past->rows_out) / seconds, out_rate,
				 sizeof(out_rate));
	}
	if (past != NULL) {
		past->rows_in = in;
		past->rows_out = out;
	}
	drip_str_appendf(
		&t->screen, "%-24.24s %-9s %9s %9s %12s %8s %8s", name,
		drip_json_get_string(p, "state", ""), in_rate, out_rate,
		drip_format_count(drip_json_get_int(p, "rows_in_flight", 0), flight,
				  sizeof(flight)),
		drip_format_seconds(drip_json_get_double(p, "lag_seconds", -1), lag, sizeof(lag)),
		drip_format_seconds(drip_json_get_double(p, "checkpoint_age_seconds", -1), age,
				    sizeof(age)));
	for (const struct drip_json_node *s = stages != NULL ? stages->first : NULL; s != NULL;
	     s = s->next) {
		put_queue(&t->screen, s);
	}
	end_line(t, start);
}

static void put_head(struct top *t, const struct drip_json_node *r, double seconds)
{
	double cpu = drip_json_get_double(r, "cpu_seconds", 0);
	char up[24], rss[24];
	size_t start = t->screen.length;

	drip_str_appendf(
		&t->screen, "dripline %s  pid %lld  up %s  rss %s  cpu ",
		drip_json_get_string(r, "version", ""), (long long)drip_json_get_int(r, "pid", 0),
		drip_format_seconds(drip_json_get_double(r, "uptime_seconds", 0), up, sizeof(up)),
		drip_format_bytes((uint64_t)drip_json_get_int(r, "rss_bytes", 0), rss,
				  sizeof(rss)));
	if (seconds > 0) {
		drip_str_appendf(&t->screen, "%.0f%%", 100 * (cpu - t->past_cpu) / seconds);
	} else {
		drip_str_append_char(&t->screen, '-');
	}
	t->past_cpu = cpu;
	end_line(t, start);
	end_line(t, t->screen.length);
	start = t->screen.length;
	drip_str_appendf(&t->screen, "%-24s %-9s %9s %9s %12s %8s %8s  %s", "pipeline", "state",
			 "in/s", "out/s", "in flight", "lag", "commit", "queues");
	end_line(t, start);
}

static int draw(struct top *t, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL, *list;
	uint64_t now = drip_clock_now_ns();
	double seconds = t->past_ns != 0 ? (double)(now - t->past_ns) / 1e9 : 0;
	int lines = 3, rc = drip_client_call(t->client, "status", "{}", &tree, &result, err);

	if (rc < 0) {
		return rc;
	}
	t->past_ns = now;
	drip_str_reset(&t->screen);
	drip_str_append(&t->screen, t->terminal ? "\033[H" : "");
	put_head(t, result, seconds);
	list = drip_json_get(result, "pipelines");
	for (const struct drip_json_node *p = list != NULL ? list->first : NULL; p != NULL;
	     p = p->next) {
		if (!t->terminal || ++lines < t->rows) {
			put_pipeline(t, p, seconds);
		}
	}
	drip_str_append(&t->screen, t->terminal ? "\033[J" : "");
	fputs(drip_str_text(&t->screen), stdout);
	fflush(stdout);
	return 0;
}

static void measure(struct top *t)
{
	struct winsize ws = {0};

	t->rows = 24;
	t->columns = 80;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col != 0) {
		t->rows = ws.ws_row;
		t->columns = ws.ws_col;
	}
}

/* Waits for the interval or a key; true: end. */
static bool wait_for_key(int64_t interval_s)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	char key = 0;
	int rc = poll(&p, 1, (int)interval_s * 1000);

	if (rc > 0 && read(STDIN_FILENO, &key, 1) != 1) {
		return true;
	}
	return ended != 0 || key == 'q' || key == 'Q' || key == 3;
}

static int run_screen(struct top *t, int64_t interval_s, struct drip_error *err)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct termios old, raw;
	bool has_keys = tcgetattr(STDIN_FILENO, &old) == 0;
	int rc;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (has_keys) {
		raw = old;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	setvbuf(stdout, NULL, _IOFBF, SCREEN_BYTES);
	fputs("\033[?1049h\033[?25l", stdout);
	do {
		measure(t);
		rc = draw(t, err);
	} while (rc == 0 && ended == 0 && !wait_for_key(interval_s));
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (has_keys) {
		tcsetattr(STDIN_FILENO, TCSANOW, &old);
	}
	return rc;
}

/* Two answers, a moment apart, so that there are rates. */
static int run_once(struct top *t, int64_t interval_s, struct drip_error *err)
{
	drip_autoptr(drip_json_tree) tree = NULL;
	const struct drip_json_node *result = NULL, *list;
	int rc = drip_client_call(t->client, "status", "{}", &tree, &result, err);

	if (rc < 0) {
		return rc;
	}
	t->past_ns = drip_clock_now_ns();
	t->past_cpu = drip_json_get_double(result, "cpu_seconds", 0);
	list = drip_json_get(result, "pipelines");
	for (const struct drip_json_node *p = list != NULL ? list->first : NULL; p != NULL;
	     p = p->next) {
		put_pipeline(t, p, 0);
	}
	poll(NULL, 0, (int)interval_s * 1000);
	return draw(t, err);
}

int drip_cmd_top(int argc, char **argv)
{
	static struct top t;
	struct drip_error err = DRIP_ERROR_INIT;
	const char *operands[1], *state = NULL;
	int64_t interval_s = 1;
	bool once = false;
	size_t count;
	const struct drip_arg args[] = {{.name = "state", .text = &state},
					{.name = "interval", .number = &interval_s},
					{.name = "once", .flag = &once},
					{.name = NULL}};
	int rc, status = drip_args_parse(argc, argv, args, operands, 0, 0, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	interval_s = interval_s < 1 ? 1 : interval_s > 3600 ? 3600 : interval_s;
	t.terminal = !once && isatty(STDOUT_FILENO) == 1;
	rc = drip_client_open(drip_client_state_dir(state), &t.client, &err);
	if (rc == 0) {
		rc = t.terminal ? run_screen(&t, interval_s, &err) : run_once(&t, interval_s, &err);
	}
	drip_client_close(t.client);
	drip_str_finish(&t.screen);
	return rc < 0 ? drip_client_print_error("top", &err) : DRIP_EXIT_OK;
}
