/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress display. Invariant: while `drawn` lines of the block stand on the terminal, the
 * cursor is on the line below them; each drawing is one write, so it does not flicker. The log
 * erases the block before a line and has it drawn again after it, under the log's own lock, which
 * guards all fields here: the loop's timer takes part in it through the same frame functions.
 */
#include "cli/progress.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_MS      200
#define LINE_MS      5000
#define LINES_MAX    16  /* of the block */
#define TRACKS_MAX   256 /* tables whose rate is kept */
#define WIDE_COLUMNS 110 /* from here on names and bars are long */
#define RATE_WEIGHT  0.2 /* of the newest figure in the moving average */

/* One table whose progress was reported, or one pipeline (table ""). */
struct track {
	char name[160];
	uint64_t done, total, last_done;
	uint64_t last_ns;
	double rate; /* rows per second, moving average */
	bool seen, is_pipeline;
	char detail[96];
};

struct drip_progress_view {
	struct drip_app *app;
	uv_timer_t timer;
	bool terminal;
	pthread_mutex_t lock; /* of the block and the tracks */
	struct track tracks[TRACKS_MAX];
	size_t tracks_count;
	int drawn; /* lines */
	struct drip_str block;
};

static void write_all(const char *data, size_t size)
{
	while (size != 0) {
		ssize_t n = write(STDERR_FILENO, data, size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return;
		}
		data += n;
		size -= (size_t)n;
	}
}

/* ---- what there is to show ---- */

static struct track *find_track(struct drip_progress_view *v, const char *name)
{
	struct track *t;

	for (size_t i = 0; i < v->tracks_count; i++) {
		if (strcmp(v->tracks[i].name, name) == 0) {
			return &v->tracks[i];
		}
	}
	if (v->tracks_count == TRACKS_MAX) {
		return NULL;
	}
	t = &v->tracks[v->tracks_count++];
	memset(t, 0, sizeof(*t));
	snprintf(t->name, sizeof(t->name), "%s", name);
	return t;
}

static void advance(struct track *t, uint64_t done, uint64_t total)
{
	uint64_t now = drip_clock_now_ns();
	double seconds = (double)(now - t->last_ns) / 1e9;

	if (t->last_ns != 0 && done >= t->last_done && seconds > 0.05) {
		double rate = (double)(done - t->last_done) / seconds;

		t->rate = t->rate == 0 ? rate : t->rate + RATE_WEIGHT * (rate - t->rate);
	}
	t->last_ns = now;
	t->last_done = done;
	t->done = done;
	t->total = total;
	t->seen = true;
}

static void on_progress(const struct drip_progress *p, void *data)
{
	struct drip_progress_view *v = data;
	char name[160];
	struct track *t;

	snprintf(name, sizeof(name), "%s: %s", p->pipeline, p->table);
	t = find_track(v, name);
	if (t != NULL) {
		advance(t, p->done, p->total);
	}
}

static void add_pipeline(struct drip_progress_view *v, const struct drip_pipeline_stats *p)
{
	struct track *t = find_track(v, p->name);
	char lag[24];

	if (t == NULL) {
		return;
	}
	t->is_pipeline = true;
	advance(t, (uint64_t)p->rows_in, 0);
	if (p->lag_us > 0) {
		drip_format_seconds((double)p->lag_us / 1e6, lag, sizeof(lag));
	}
	snprintf(t->detail, sizeof(t->detail), "%s%s%s%s", drip_pipeline_state_name(p->state),
		 p->caught_up ? ", caught up" : "", p->lag_us > 0 ? ", lag " : "",
		 p->lag_us > 0 ? lag : "");
}

static void collect(struct drip_progress_view *v)
{
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0;

	for (size_t i = 0; i < v->tracks_count; i++) {
		v->tracks[i].seen = false;
	}
	if (drip_engine_stats(v->app->engine, &stats, &count, NULL) == 0) {
		for (size_t i = 0; i < count; i++) {
			add_pipeline(v, &stats[i]);
		}
		drip_engine_stats_free(stats, count);
	}
	drip_engine_visit_progress(v->app->engine, on_progress, v);
}

/* ---- the terminal ---- */

static void erase(struct drip_str *out, int lines)
{
	if (lines != 0) {
		drip_str_appendf(out, "\r\033[%dA\033[J", lines);
	}
}

static void put_bar(struct drip_str *out, const struct track *t, int width)
{
	double share = t->total != 0 ? (double)t->done / (double)t->total : 0;
	int full;

	share = share > 1 ? 1 : share;
	full = (int)(share * width);
	drip_str_append_char(out, '[');
	for (int i = 0; i < width; i++) {
		drip_str_append_char(out, i < full ? '=' : i == full ? '>' : ' ');
	}
	drip_str_appendf(out, "] %3.0f%%", share * 100);
}

static void put_track(struct drip_str *out, const struct track *t, int columns)
{
	char count[32], rate[16], eta[24];
	bool wide = columns >= WIDE_COLUMNS;
	int name_width = wide ? 40 : 20;
	size_t start = out->length;

	drip_format_count((int64_t)t->done, count, sizeof(count));
	drip_format_rate(t->rate, rate, sizeof(rate));
	drip_str_appendf(out, "%-*.*s ", name_width, name_width, t->name);
	if (t->is_pipeline) {
		drip_str_appendf(out, "%13s rows %6s/s  %s", count, rate, t->detail);
	} else if (t->total != 0) {
		double left = t->rate > 0 && t->total > t->done
				      ? (double)(t->total - t->done) / t->rate
				      : -1;

		put_bar(out, t, wide ? 24 : 12);
		drip_str_appendf(out, " %13s%s %6s/s eta %s", count, wide ? " rows" : "", rate,
				 drip_format_seconds(left, eta, sizeof(eta)));
	} else {
		drip_str_appendf(out, "%13s rows %6s/s", count, rate);
	}
	/* A line that wraps would break the erasing. Names are cut by bytes, as are lines. */
	if (out->rc == 0 && columns > 1 && out->length - start > (size_t)columns - 1) {
		out->length = start + (size_t)columns - 1;
		out->data[out->length] = '\0';
	}
	drip_str_append(out, "\033[K\n");
}

static int compose(struct drip_progress_view *v, struct drip_str *out)
{
	struct winsize ws = {0};
	int columns = 80, room = LINES_MAX, lines = 0, left = 0;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col != 0) {
		columns = ws.ws_col;
		room = ws.ws_row > 4 && ws.ws_row - 2 < LINES_MAX ? ws.ws_row - 2 : LINES_MAX;
	}
	for (size_t i = 0; i < v->tracks_count; i++) {
		const struct track *t = &v->tracks[i];
		bool finished = !t->is_pipeline && t->total != 0 && t->done >= t->total;

		if (!t->seen || finished) {
			continue;
		}
		if (lines < room - 1) {
			put_track(out, t, columns);
			lines++;
		} else {
			left++;
		}
	}
	if (left != 0) {
		drip_str_appendf(out, "and %d more\033[K\n", left);
		lines++;
	}
	return lines;
}

static void draw_locked(struct drip_progress_view *v)
{
	drip_str_reset(&v->block);
	if (v->drawn != 0) {
		drip_str_appendf(&v->block, "\r\033[%dA", v->drawn);
	}
	v->drawn = compose(v, &v->block);
	drip_str_append(&v->block, "\033[J");
	if (v->block.rc == 0) {
		write_all(drip_str_text(&v->block), v->block.length);
	}
}

static void before_log(void *data)
{
	struct drip_progress_view *v = data;

	pthread_mutex_lock(&v->lock);
	drip_str_reset(&v->block);
	erase(&v->block, v->drawn);
	v->drawn = 0;
	write_all(drip_str_text(&v->block), v->block.length);
}

static void after_log(void *data)
{
	struct drip_progress_view *v = data;

	draw_locked(v);
	pthread_mutex_unlock(&v->lock);
}

/* ---- no terminal ---- */

static void log_tracks(struct drip_progress_view *v)
{
	int shown = 0;

	for (size_t i = 0; i < v->tracks_count; i++) {
		const struct track *t = &v->tracks[i];
		char rate[16], percent[16] = "";

		if (!t->seen || (t->total != 0 && t->done >= t->total) || shown++ >= LINES_MAX) {
			continue;
		}
		drip_format_rate(t->rate, rate, sizeof(rate));
		if (t->total != 0) {
			snprintf(percent, sizeof(percent), ", %.0f%%",
				 100.0 * (double)t->done / (double)t->total);
		}
		drip_logger_event(DRIP_LOG_INFO, NULL, NULL, NULL,
				  "progress %s: %llu rows, %s/s%s%s%s", t->name,
				  (unsigned long long)t->done, rate, percent,
				  t->detail[0] != '\0' ? ", " : "", t->detail);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct drip_progress_view *v = timer->data;

	if (!v->terminal) {
		collect(v);
		log_tracks(v);
		return;
	}
	pthread_mutex_lock(&v->lock);
	collect(v);
	draw_locked(v);
	pthread_mutex_unlock(&v->lock);
}

/* ---- life ---- */

int drip_progress_view_open(struct drip_app *app, struct drip_progress_view **ret,
			    struct drip_error *err)
{
	struct drip_progress_view *v = drip_calloc(1, sizeof(*v));
	uint64_t period;

	if (v == NULL) {
		return drip_error_nomem(err, sizeof(*v));
	}
	v->app = app;
	v->terminal = isatty(STDERR_FILENO) == 1;
	pthread_mutex_init(&v->lock, NULL);
	period = v->terminal ? DRAW_MS : LINE_MS;
	uv_timer_init(&app->loop, &v->timer);
	v->timer.data = v;
	uv_timer_start(&v->timer, on_timer, period, period);
	uv_unref((uv_handle_t *)&v->timer);
	if (v->terminal) {
		drip_logger_set_frame(before_log, after_log, v);
	}
	*ret = v;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct drip_progress_view *v = handle->data;

	pthread_mutex_destroy(&v->lock);
	drip_str_finish(&v->block);
	free(v);
}

void drip_progress_view_close(struct drip_progress_view *v)
{
	if (v == NULL) {
		return;
	}
	if (v->terminal) {
		drip_logger_set_frame(NULL, NULL, NULL);
		drip_str_reset(&v->block);
		erase(&v->block, v->drawn);
		write_all(drip_str_text(&v->block), v->block.length);
	}
	uv_timer_stop(&v->timer);
	uv_close((uv_handle_t *)&v->timer, on_closed);
}
