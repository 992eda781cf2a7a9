/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of the process: one line an event on stderr, logfmt or JSON, RFC 3339 UTC with
 * microseconds. Nothing that comes from a row or an option's value is ever given to it. Lines that
 * repeat (the same but for digits) are limited to DRIP_LOGGER_BURST in DRIP_LOGGER_WINDOW_MS; the
 * next one that passes says how many were left out. Under the journal each line carries its
 * priority. Thread: any, but for setup.
 */
#ifndef DRIPLINE_BASE_LOG_H
#define DRIPLINE_BASE_LOG_H

#include <dripline/error.h>
#include <dripline/host.h>

#define DRIP_LOGGER_BURST     10
#define DRIP_LOGGER_WINDOW_MS 10000
#define DRIP_LOGGER_LINE_MAX  4096 /* bytes; longer lines are cut */
#define DRIP_LOGGER_RECENT    1000 /* lines kept in memory, of DRIP_LOGGER_LINE_MAX at most */

/* Before threads start, and again on reload. */
void drip_logger_setup(enum drip_log_level level, bool json);
/* Where lines go; default stderr's 2. */
void drip_logger_set_fd(int fd);
/* Called around each line with the log locked, for a progress display on the same terminal; NULL:
 * none. They must not log. */
void drip_logger_set_frame(void (*before)(void *data), void (*after)(void *data), void *data);
/* `pipeline` and `stage` may be NULL or "". `error` may be NULL; its code, message, hint and place
 * become fields. */
void drip_logger_event(enum drip_log_level level, const char *pipeline, const char *stage,
		       const struct drip_error *error, const char *fmt, ...) DRIP_PRINTF(5, 6);
/*
 * The last lines that passed, as JSON objects, oldest first: at most `limit` of those at `least` or
 * worse, of `pipeline` (NULL: any). `visit` is called with the log locked and must not log.
 */
void drip_logger_visit_recent(enum drip_log_level least, const char *pipeline, size_t limit,
			      void (*visit)(const char *json, void *data), void *data);
bool drip_logger_wants(enum drip_log_level level);
int drip_logger_level_parse(const char *name, enum drip_log_level *ret); /* -EINVAL */

#endif
