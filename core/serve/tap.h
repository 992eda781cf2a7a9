/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of a tapped stage as JSON lines. The pipeline never waits for a tap: rows that do not fit
 * are counted as dropped. Values of confidential and restricted columns are written as "***" unless
 * `reveal` is set.
 */
#ifndef DRIPLINE_SERVE_TAP_H
#define DRIPLINE_SERVE_TAP_H

#include "base/json.h"
#include "serve/app.h"

#include <dripline/text.h>

#define DRIP_TAP_BUFFER_MAX ((size_t)1 << 20) /* bytes of lines that wait to be taken */
#define DRIP_TAP_BATCH_ROWS 1000              /* of one batch at most */

struct drip_row_tap {
	struct drip_app *app;
	struct drip_tap *tap;
	pthread_mutex_t lock;
	struct drip_text lines; /* each ends with a line feed */
	int64_t left;           /* rows still wanted; -1: no limit */
	int64_t rows, dropped;
	bool reveal;
	/* Called with the lock held, on a worker thread, when lines were added. */
	void (*on_lines)(struct drip_row_tap *tap, void *data);
	void *data;
};

/* Begins; loop thread. `tap` is zeroed but for reveal, left, on_lines and data. -ENOENT. */
int drip_row_tap_start(struct drip_row_tap *tap, struct drip_app *app, const char *pipeline,
		       const char *stage, struct drip_error *err) DRIP_MUST_CHECK;
/* Loop thread. */
void drip_row_tap_stop(struct drip_row_tap *tap);

/* Records that `actor` is to see the clear values of what `arguments` name. Waits for the disk: a
 * worker's thread. */
int drip_tap_record(struct drip_app *app, const char *actor, const struct drip_json_node *arguments,
		    struct drip_error *err) DRIP_MUST_CHECK;

#endif
