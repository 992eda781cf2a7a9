/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One run at a time in a warehouse. Tables have no unique keys there: two runs that infer the same
 * member of a dimension would not see each other's row, and both would write it. So runs of one
 * connection take turns, in the order in which they came; a warehouse runs each query on all cores
 * anyway. Jobs of other connections do not wait. Thread: the source's; the line is shared by all.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TURN_LOOK_MS 20

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *line; /* the first to come stands first */

static bool same_warehouse(const struct job *a, const struct job *b)
{
	return strcmp(a->config->connection.name, b->config->connection.name) == 0;
}

static void stand_in_line(struct job *job)
{
	struct job **end = &line;

	pthread_mutex_lock(&line_lock);
	while (*end != NULL) {
		end = &(*end)->behind;
	}
	job->behind = NULL;
	*end = job;
	pthread_mutex_unlock(&line_lock);
}

static bool is_first(const struct job *job, char *ahead, size_t size)
{
	const struct job *first;

	pthread_mutex_lock(&line_lock);
	for (first = line; !same_warehouse(first, job); first = first->behind) {
	}
	snprintf(ahead, size, "%s", first->ctx->pipeline);
	pthread_mutex_unlock(&line_lock);
	return first == job;
}

int job_turn_take(struct job *job, struct drip_error *err)
{
	char ahead[DRIP_NAME_MAX];
	bool told = false;

	stand_in_line(job);
	while (!is_first(job, ahead, sizeof(ahead))) {
		if (!told) {
			drip_log_info(job->ctx, "waits for the run of %s in this warehouse", ahead);
			told = true;
		}
		if (job->ctx->host->wait(job->ctx, TURN_LOOK_MS) < 0) {
			job_turn_leave(job);
			return drip_error_set(err, -ECANCELED, "job.stopped",
					      "stopped while it waited for the run of %s", ahead);
		}
	}
	return 0;
}

void job_turn_leave(struct job *job)
{
	struct job **at = &line;

	pthread_mutex_lock(&line_lock);
	while (*at != NULL && *at != job) {
		at = &(*at)->behind;
	}
	if (*at != NULL) {
		*at = job->behind;
	}
	pthread_mutex_unlock(&line_lock);
}
