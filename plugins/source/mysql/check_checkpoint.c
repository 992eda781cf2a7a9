/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pre-flight of the checkpoint: asks the server for its log from there on, as a run would, and
 * looks at the first change that comes. A server removes a log once its last change is older than
 * the retention, so the age of the first change that is still to be read says what time is left.
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HEARTBEAT_MS         500  /* comes where the pipeline has read all */
#define WAIT_MS              5000 /* for the first change or a heartbeat */
#define EVENT_CHECKPOINT     161
#define EVENT_PREVIOUS_GTIDS 35

/* Whether the event stands for a change, and not for how the log is kept. */
static bool is_change(const struct drip_my_event *e)
{
	switch (e->type) {
	case DRIP_MY_EVENT_ROTATE:
	case DRIP_MY_EVENT_STOP:
	case DRIP_MY_EVENT_FORMAT:
	case DRIP_MY_EVENT_GTID_LIST:
	case DRIP_MY_EVENT_START_ENCRYPTION:
	case EVENT_CHECKPOINT:
	case EVENT_PREVIOUS_GTIDS:
		return false;
	default:
		return e->timestamp != 0;
	}
}

/* Reads until the first change behind the checkpoint: its time, or 0 where all is read. */
static int first_change(struct drip_my_net *net, uint32_t *ret_time, struct drip_error *err)
{
	struct drip_my_format format;
	struct drip_my_event e;
	const uint8_t *data;
	size_t size;
	int rc = 0;

	*ret_time = 0;
	drip_my_format_init(&format);
	while (*ret_time == 0 && (rc = drip_my_net_next(net, WAIT_MS, &data, &size, err)) == 1) {
		rc = drip_my_event_parse(&format, data, size, &e, err);
		if (rc < 0 || e.type == DRIP_MY_EVENT_HEARTBEAT) {
			break;
		}
		*ret_time = is_change(&e) ? e.timestamp : 0;
	}
	drip_my_format_finish(&format);
	return rc < 0 ? rc : 0;
}

/* The log from `at` on; on another server by GTID. */
static int open_log(struct drip_my_check *c, const struct drip_my_position *at,
		    struct drip_my_net **ret, struct drip_error *err)
{
	struct drip_my_net_start start = {.heartbeat_ms = HEARTBEAT_MS,
					  .server_id = drip_my_random_server_id()};
	char file[DRIP_MY_FILE_MAX + 24], gtids[DRIP_MY_GTID_MAX * 2], identity[DRIP_MY_SERVER_MAX];
	MYSQL *m;
	int rc = drip_my_server_identity(c->m, identity, sizeof(identity), err);

	if (rc < 0) {
		return rc;
	}
	if (at->server[0] == '\0' || strcmp(identity, at->server) == 0) {
		drip_my_file_name(at, file, sizeof(file));
		start.file = file;
		start.offset = at->place.offset;
	} else if (at->phase == DRIP_MY_PHASE_SNAPSHOT || at->gtids.count == 0) {
		return drip_my_other_server(err);
	} else {
		drip_my_gtids_text(&at->gtids, gtids, sizeof(gtids));
		start.gtids = gtids;
	}
	rc = c->connection->connect(c->connection_object, &m, err);
	return rc == 0 ? drip_my_net_open(m, &start, ret, err) : rc;
}

static void report_lag(struct drip_my_check *c, uint32_t first, double kept_seconds)
{
	double behind = (double)c->ctx->host->wall_us(c->ctx) / 1e6 - first;

	if (first == 0 || kept_seconds <= 0 || behind < kept_seconds / 2) {
		return;
	}
	drip_my_check_add(c, DRIP_LOG_WARNING, "mysql.retention_near",
			  "Run the pipeline, or raise binlog_expire_logs_seconds before the log is "
			  "gone.",
			  "the pipeline is %.0f seconds behind, and the server removes its logs "
			  "after %.0f seconds",
			  behind, kept_seconds);
}

void drip_my_check_checkpoint(struct drip_my_check *c, const struct drip_position *checkpoint,
			      double kept_seconds)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_my_net *net = NULL;
	struct drip_my_position at;
	uint32_t first = 0;
	char hint[400];
	int rc = drip_my_position_decode(checkpoint, &at, &err);

	if (rc == 0 && c->options->mode.value == DRIP_MY_MODE_SNAPSHOT &&
	    at.phase == DRIP_MY_PHASE_LOG) {
		return; /* it has all it wants */
	}
	rc = rc == 0 ? open_log(c, &at, &net, &err) : rc;
	rc = rc == 0 ? first_change(net, &first, &err) : rc;
	drip_my_net_close(net);
	if (rc == 0) {
		report_lag(c, first, kept_seconds);
		return;
	}
	if (strcmp(err.code, "mysql.binlog_purged") != 0) {
		c->report->add(c->report, DRIP_LOG_ERROR, &err);
		return;
	}
	snprintf(
		hint, sizeof(hint),
		"`dripline checkpoint reset %.100s` makes it take a new snapshot. Keep logs longer "
		"(binlog_expire_logs_seconds) than the pipeline may stand still.",
		c->ctx->pipeline);
	drip_my_check_add(c, DRIP_LOG_ERROR, "mysql.binlog_purged", hint,
			  "cannot go on at %s: the server has removed its log", checkpoint->text);
}
