/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of `dripline run`: on a terminal a block of bars on stderr that is drawn anew in place,
 * a few times a second, below the log; otherwise a log line a pipeline every few seconds. Loop
 * thread.
 */
#ifndef DRIPLINE_CLI_PROGRESS_H
#define DRIPLINE_CLI_PROGRESS_H

#include "serve/app.h"

struct drip_progress_view;

/* (gives) Begins at once. */
int drip_progress_view_open(struct drip_app *app, struct drip_progress_view **ret,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* Clears the block; NULL is accepted. The memory goes with the loop's next turn. */
void drip_progress_view_close(struct drip_progress_view *view);

/* "1,234,567", "12.3k" and "1:02:03" into buf; they return buf. */
const char *drip_format_count(int64_t value, char *buf, size_t size);
const char *drip_format_rate(double per_second, char *buf, size_t size);
const char *drip_format_seconds(double seconds, char *buf, size_t size);
const char *drip_format_bytes(uint64_t bytes, char *buf, size_t size);

#endif
