/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What pipelines did in the last hour, for the charts of the console: rows a second and lag in
 * steps of ten seconds. Memory only: it begins with the process. About 4.3 KiB a pipeline of the
 * configuration, whatever its rates; nothing is kept of one that is no longer in it.
 */
#ifndef DRIPLINE_SERVE_HISTORY_H
#define DRIPLINE_SERVE_HISTORY_H

#include "base/json.h"
#include "engine/engine.h"

#define DRIP_HISTORY_STEP_S  10
#define DRIP_HISTORY_SAMPLES 360

struct drip_history;

/* (gives) NULL without memory. */
struct drip_history *drip_history_create(void);
void drip_history_destroy(struct drip_history *history); /* NULL is accepted */

/* Adds a sample: rates are what the counters grew by since the last one. A clock that was set back
 * begins anew. Left out is a pipeline that there is no memory for, and a sample that would have to
 * wait for a render: the next one's rates are then over both steps. Thread: any; does not block. */
void drip_history_add(struct drip_history *history, int64_t wall_us,
		      const struct drip_pipeline_stats *stats, size_t count);

/*
 * {"step_seconds", "times": [...], "pipelines": [{"name", "rows_in_per_second": [...],
 * "rows_out_per_second": [...], "lag_seconds": [...]}]}, oldest first, times in seconds of the
 * epoch; null is what was not known. `pipeline` NULL: all. Thread: any.
 */
void drip_history_render(struct drip_history *history, const char *pipeline, struct drip_json *j);

#endif
