/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs that touch the same tables take turns. Tables have no unique keys in a warehouse: two runs
 * that infer the same member of a dimension would not see each other's row, and both would write
 * it. So a run waits for those that came before it and write what it reads or writes, or read what
 * it writes; what runs at once then has no order to get wrong, and one that has waited longest is
 * overtaken only by what does not concern it. Tables and the function of keys are made by one job
 * at a time. Jobs of other connections do not wait. Thread: the source's; the line is shared.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TURN_LOOK_MS 20

static pthread_mutex_t line_lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *line; /* the first to come stands first */

/* ---- what a job touches ---- */

static int add_use(struct job *job, const struct drip_schema *declared, bool written,
		   struct drip_error *err)
{
	struct job_use *grown;

	for (size_t i = 0; i < job->uses_count; i++) {
		if (job->uses[i].declared == declared) {
			job->uses[i].written |= written;
			return 0;
		}
	}
	grown = realloc(job->uses, (job->uses_count + 1) * sizeof(*grown));
	if (grown == NULL) {
		return drip_error_nomem(err, (job->uses_count + 1) * sizeof(*grown));
	}
	job->uses = grown;
	grown[job->uses_count++] = (struct job_use){.declared = declared, .written = written};
	return 0;
}

static int add_read(struct job *job, const struct drip_schema *declared, struct drip_error *err)
{
	return add_use(job, declared, false, err);
}

static int add_named(struct job *job, const char *table, bool written, struct drip_error *err)
{
	const struct drip_schema *declared = NULL;
	struct job_name name;

	job_split(table, &name);
	if (job->ctx->host->declared_table(job->ctx, name.schema, name.table, &declared) != 0) {
		return 0; /* none that a job writes */
	}
	return add_use(job, declared, written, err);
}

static int find_uses(struct job *job, struct drip_error *err)
{
	const struct job_config *c = job->config;
	int rc = job_each_input(job, add_read, err);

	for (size_t i = 0; i < c->changes.count && rc == 0; i++) {
		rc = add_named(job, job_change(c, i)->table, false, err);
	}
	for (size_t i = 0; i < c->steps.count && rc == 0; i++) {
		if (job_step(c, i)->table != NULL) {
			rc = add_named(job, job_step(c, i)->table, true, err);
		}
	}
	return rc;
}

/* By name: after a reload the declarations of old and new runs are not the same objects. */
static bool same_table(const struct drip_schema *a, const struct drip_schema *b)
{
	return strcasecmp(a->table, b->table) == 0 && strcasecmp(a->database, b->database) == 0;
}

static bool share_table(const struct job *a, const struct job *b)
{
	for (size_t i = 0; i < a->uses_count; i++) {
		for (size_t j = 0; j < b->uses_count; j++) {
			if ((a->uses[i].written || b->uses[j].written) &&
			    same_table(a->uses[i].declared, b->uses[j].declared)) {
				return true;
			}
		}
	}
	return false;
}

/* ---- the line ---- */

static bool excludes(const struct job *a, const struct job *b)
{
	return strcmp(a->config->connection.name, b->config->connection.name) == 0 &&
	       ((a->makes_tables && b->makes_tables) || share_table(a, b));
}

static void stand_in_line(struct job *job)
{
	struct job **end = &line;

	pthread_mutex_lock(&line_lock);
	while (*end != NULL) {
		end = &(*end)->behind;
	}
	job->behind = NULL;
	job->makes_tables = true;
	*end = job;
	pthread_mutex_unlock(&line_lock);
}

static bool may_go(const struct job *job, char *ahead, size_t size)
{
	const struct job *other;

	pthread_mutex_lock(&line_lock);
	for (other = line; other != job && !excludes(other, job); other = other->behind) {
	}
	snprintf(ahead, size, "%s", other->ctx->pipeline);
	pthread_mutex_unlock(&line_lock);
	return other == job;
}

int job_turn_take(struct job *job, struct drip_error *err)
{
	char ahead[DRIP_NAME_MAX];
	bool told = false;
	int rc = job->uses == NULL ? find_uses(job, err) : 0;

	if (rc != 0) {
		return rc;
	}
	stand_in_line(job);
	while (!may_go(job, ahead, sizeof(ahead))) {
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

void job_turn_made_tables(struct job *job)
{
	pthread_mutex_lock(&line_lock);
	job->makes_tables = false;
	pthread_mutex_unlock(&line_lock);
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
