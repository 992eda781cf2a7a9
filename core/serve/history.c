/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last hour of each pipeline. See history.h. All pipelines share the ring's times, so a slot is
 * one sample of all of them. Invariant: a pipeline's value in a slot that it was not there for is
 * NaN. Threads: the loop adds, methods render; a lock stands between.
 */
#include "serve/history.h"

#include "base/alloc.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum figure { ROWS_IN, ROWS_OUT, LAG, FIGURES };

struct series {
	char *name;
	int64_t rows_in, rows_out; /* at the last sample */
	float values[FIGURES][DRIP_HISTORY_SAMPLES];
};

struct drip_history {
	pthread_mutex_t lock;
	int64_t times_us[DRIP_HISTORY_SAMPLES];
	size_t first, count; /* of the ring */
	struct series **series;
	size_t series_count;
};

struct drip_history *drip_history_create(void)
{
	struct drip_history *history = drip_calloc(1, sizeof(*history));

	if (history != NULL) {
		pthread_mutex_init(&history->lock, NULL);
	}
	return history;
}

static void destroy_series(struct series **series, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (series[i] != NULL) {
			free(series[i]->name);
			free(series[i]);
		}
	}
	free(series);
}

void drip_history_destroy(struct drip_history *history)
{
	if (history == NULL) {
		return;
	}
	destroy_series(history->series, history->series_count);
	pthread_mutex_destroy(&history->lock);
	free(history);
}

/* ---- under the lock ---- */

static struct series *new_series(const char *name)
{
	struct series *s = drip_calloc(1, sizeof(*s));

	if (s == NULL) {
		return NULL;
	}
	s->name = drip_strdup(name);
	if (s->name == NULL) {
		free(s);
		return NULL;
	}
	s->rows_in = s->rows_out = -1;
	for (size_t i = 0; i < DRIP_HISTORY_SAMPLES; i++) {
		for (int f = 0; f < FIGURES; f++) {
			s->values[f][i] = NAN;
		}
	}
	return s;
}

/* Takes the one of this name out; pipelines keep their order, so it is mostly at `at`. */
static struct series *take_series(struct drip_history *h, const char *name, size_t at)
{
	for (size_t n = 0; n < h->series_count; n++) {
		struct series **s = &h->series[(at + n) % h->series_count];

		if (*s != NULL && strcmp((*s)->name, name) == 0) {
			struct series *found = *s;

			*s = NULL;
			return found;
		}
	}
	return NULL;
}

static size_t next_slot(struct drip_history *h)
{
	if (h->count < DRIP_HISTORY_SAMPLES) {
		return h->count++;
	}
	h->first = (h->first + 1) % DRIP_HISTORY_SAMPLES;
	return (h->first + DRIP_HISTORY_SAMPLES - 1) % DRIP_HISTORY_SAMPLES;
}

/* A counter that has become smaller is another one: the pipeline began anew. */
static float rate(int64_t now, int64_t before, double seconds)
{
	return before < 0 || now < before || seconds <= 0
		       ? NAN
		       : (float)((double)(now - before) / seconds);
}

static void add_sample(struct series *s, size_t slot, double seconds,
		       const struct drip_pipeline_stats *p)
{
	s->values[ROWS_IN][slot] = rate(p->rows_in, s->rows_in, seconds);
	s->values[ROWS_OUT][slot] = rate(p->rows_out, s->rows_out, seconds);
	s->values[LAG][slot] = p->lag_us < 0 ? NAN : (float)((double)p->lag_us / 1e6);
	s->rows_in = p->rows_in;
	s->rows_out = p->rows_out;
}

static void begin_anew(struct drip_history *h)
{
	destroy_series(h->series, h->series_count);
	h->series = NULL;
	h->series_count = h->first = h->count = 0;
}

/* ---- for others ---- */

void drip_history_add(struct drip_history *history, int64_t wall_us,
		      const struct drip_pipeline_stats *stats, size_t count)
{
	struct series **now = drip_calloc(count + 1, sizeof(*now)); /* never of 0 bytes */
	struct drip_history *h = history;
	int64_t before = 0;
	size_t slot;

	if (now == NULL || pthread_mutex_trylock(&h->lock) != 0) {
		free(now);
		return;
	}
	if (h->count != 0) {
		before = h->times_us[(h->first + h->count - 1) % DRIP_HISTORY_SAMPLES];
		if (wall_us <= before) {
			begin_anew(h);
		}
	}
	slot = next_slot(h);
	h->times_us[slot] = wall_us;
	for (size_t i = 0; i < count; i++) {
		now[i] = take_series(h, stats[i].name, i);
		now[i] = now[i] != NULL ? now[i] : new_series(stats[i].name);
		if (now[i] != NULL) {
			add_sample(now[i], slot, (double)(wall_us - before) / 1e6, &stats[i]);
		}
	}
	destroy_series(h->series, h->series_count);
	h->series = now;
	h->series_count = count;
	pthread_mutex_unlock(&h->lock);
}

static void put_values(struct drip_json *j, const char *key, const struct drip_history *h,
		       const float *values)
{
	char text[32];

	drip_json_key(j, key);
	drip_json_begin_array(j);
	for (size_t i = 0; i < h->count; i++) {
		double value = (double)values[(h->first + i) % DRIP_HISTORY_SAMPLES];

		if (isnan(value)) {
			drip_json_null(j);
		} else {
			snprintf(text, sizeof(text), "%.4g", value); /* as much as a chart shows */
			drip_json_raw(j, text);
		}
	}
	drip_json_end_array(j);
}

static void put_series(struct drip_json *j, const struct drip_history *h, const struct series *s)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "name", s->name);
	put_values(j, "rows_in_per_second", h, s->values[ROWS_IN]);
	put_values(j, "rows_out_per_second", h, s->values[ROWS_OUT]);
	put_values(j, "lag_seconds", h, s->values[LAG]);
	drip_json_end_object(j);
}

void drip_history_render(struct drip_history *history, const char *pipeline, struct drip_json *j)
{
	struct drip_history *h = history;

	pthread_mutex_lock(&h->lock);
	drip_json_begin_object(j);
	drip_json_put_int(j, "step_seconds", DRIP_HISTORY_STEP_S);
	drip_json_key(j, "times");
	drip_json_begin_array(j);
	for (size_t i = 0; i < h->count; i++) {
		drip_json_int(j, h->times_us[(h->first + i) % DRIP_HISTORY_SAMPLES] / 1000000);
	}
	drip_json_end_array(j);
	drip_json_key(j, "pipelines");
	drip_json_begin_array(j);
	for (size_t i = 0; i < h->series_count; i++) {
		if (h->series[i] != NULL &&
		    (pipeline == NULL || strcmp(pipeline, h->series[i]->name) == 0)) {
			put_series(j, h, h->series[i]);
		}
	}
	drip_json_end_array(j);
	drip_json_end_object(j);
	pthread_mutex_unlock(&h->lock);
}
