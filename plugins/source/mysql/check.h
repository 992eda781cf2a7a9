/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the pre-flight check. One thread. */
#ifndef DRIPLINE_MYSQL_CHECK_H
#define DRIPLINE_MYSQL_CHECK_H

#include "source.h"

struct drip_my_check {
	struct drip_ctx *ctx;
	struct drip_report *report;
	const struct drip_my_source_options *options;
	MYSQL *m;
	const struct drip_my_interface *connection;
	void *connection_object;
};

/* Reports; `hint` may be NULL. */
void drip_my_check_add(struct drip_my_check *c, enum drip_log_level level, const char *code,
		       const char *hint, const char *fmt, ...) DRIP_PRINTF(5, 6);
/*
 * Whether the server still has its log from the checkpoint on, and how close the pipeline is to
 * losing it: `kept_seconds` is how long the server keeps its logs, 0 for ever.
 */
void drip_my_check_checkpoint(struct drip_my_check *c, const struct drip_position *checkpoint,
			      double kept_seconds);

#endif
