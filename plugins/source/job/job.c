/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source `job`: runs SQL steps in a warehouse, once for each run of its pipeline. See job.h. The
 * transaction holds the position too, so a run is either done or never was, wherever it dies.
 */
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct drip_enum_value severities[] = {
	{"error", JOB_ERROR, "The run is rolled back."},
	{"warn", JOB_WARN, "The run goes on, with a warning."},
	{NULL, 0, NULL},
};

static const struct drip_option change_options[] = {
	DRIP_OPTION(struct job_change, table, .flags = DRIP_OPTION_REQUIRED,
		    .help = "Declared table, as schema.table.", .example = "ods.t_sales_order"),
	DRIP_OPTION(
		struct job_change, as, .flags = DRIP_OPTION_REQUIRED,
		.help = "Name under which the steps read its rows that are new or changed since "
			"the last run.",
		.example = "changed_orders"),
	DRIP_OPTION(struct job_change, sequence, .default_text = "_sequence",
		    .help = "Column that grows with each change of the table: the warehouse sink's "
			    "`sequence`."),
};

static const struct drip_option step_options[] = {
	DRIP_OPTION(struct job_step, temp,
		    .help = "Temporary table for later steps, that holds what the query yields."),
	DRIP_OPTION(struct job_step, table,
		    .help = "Declared table that the query's rows are written to: rows of the same "
			    "key, or those of `replaces`, go before. Made where it does not exist.",
		    .example = "dw.fact_orders"),
	DRIP_OPTION(struct job_step, check,
		    .help = "Name of a check: the query yields what must not be. The result goes "
			    "to quality_results."),
	DRIP_OPTION(struct job_step, sql, .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_SQL,
		    .help = "A query. Columns go by name; a nullable one that it lacks is null."),
	DRIP_OPTION(struct job_step, replaces, .flags = DRIP_OPTION_SQL,
		    .help = "With `table`: condition of the rows that the query's rows replace. "
			    "Without it: rows of the same key.",
		    .example = "order_key IN (SELECT order_key FROM touched)"),
	DRIP_OPTION(struct job_step, severity, .default_text = "error", .values = severities,
		    .help = "With `check`: what becomes of a run that it finds something in."),
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct job_config, connection, .flags = DRIP_OPTION_REQUIRED,
		    .help = "Warehouse in which the steps run.",
		    .interface_name = DRIP_SQL_INTERFACE, .example = "dwh"),
	DRIP_OPTION(struct job_config, steps, .flags = DRIP_OPTION_REQUIRED,
		    .help = "What is done, in order, all in one transaction.",
		    .children = step_options, .children_count = DRIP_COUNT(step_options),
		    .child_size = sizeof(struct job_step)),
	DRIP_OPTION(struct job_config, changes,
		    .help = "Tables that are read by what changed since the last run.",
		    .children = change_options, .children_count = DRIP_COUNT(change_options),
		    .child_size = sizeof(struct job_change)),
	DRIP_OPTION(struct job_config, schema, .default_text = "dw",
		    .help = "Schema of the positions, the quality results and surrogate_key()."),
	DRIP_OPTION(struct job_config, as_of,
		    .help = "Date that as_of() gives. Default: the day of the run.",
		    .example = "2026-02-14"),
	DRIP_OPTION(struct job_config, timezone, .default_text = "UTC",
		    .help = "Zone of the day of the run.", .example = "America/New_York"),
};

const char *job_step_name(const struct job_step *step)
{
	return step->temp != NULL ? step->temp : step->table != NULL ? step->table : step->check;
}

const char *job_step_kind(const struct job_step *step)
{
	return step->temp != NULL ? "temp" : step->table != NULL ? "table" : "check";
}

void job_split(const char *name, struct job_name *ret)
{
	const char *dot = strchr(name, '.');

	snprintf(ret->schema, sizeof(ret->schema), "%.*s", dot != NULL ? (int)(dot - name) : 0,
		 name);
	snprintf(ret->table, sizeof(ret->table), "%s", dot != NULL ? dot + 1 : name);
}

/* ---- check ---- */

static int job_check(struct drip_ctx *ctx, const void *config, bool connect,
		     struct drip_report *report, struct drip_error *err)
{
	(void)connect;
	return job_check_options(config, report) ? job_check_steps(ctx, config, report, err) : 0;
}

/* ---- life ---- */

static int make_report(struct drip_schema **ret, struct drip_error *err)
{
	static const struct {
		const char *name;
		enum drip_type type;
	} columns[] = {
		{"step", DRIP_TYPE_UTF8},
		{"kind", DRIP_TYPE_UTF8},
		{"rows_inserted", DRIP_TYPE_INT64},
		{"rows_deleted", DRIP_TYPE_INT64},
		{"violations", DRIP_TYPE_INT64},
		{"seconds", DRIP_TYPE_FLOAT64},
		{"run_at", DRIP_TYPE_TIMESTAMP_UTC},
	};
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", "job_steps");
	for (size_t i = 0; i < DRIP_COUNT(columns); i++) {
		struct drip_column column = {.struct_size = sizeof(column),
					     .name = columns[i].name,
					     .type = columns[i].type,
					     .classification = DRIP_CLASS_INTERNAL};

		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, ret, err);
}

static void destroy(struct job *job)
{
	drip_schema_unref(job->report);
	drip_text_finish(&job->text);
	drip_text_finish(&job->checks);
	free(job->sequences);
	free(job->uses);
	pthread_mutex_destroy(&job->lock);
	free(job);
}

static int job_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		    struct drip_error *err)
{
	const struct job_config *c = config;
	struct job *job = calloc(1, sizeof(*job));
	const void *interface = NULL;
	int rc;

	if (job == NULL) {
		return drip_error_nomem(err, sizeof(*job));
	}
	job->ctx = ctx;
	job->config = c;
	pthread_mutex_init(&job->lock, NULL);
	job->sequences = calloc(c->changes.count + 1, sizeof(*job->sequences));
	rc = job->sequences == NULL ? drip_error_nomem(err, sizeof(*job->sequences))
				    : make_report(&job->report, err);
	if (rc == 0) {
		rc = ctx->host->connection_get(ctx, c->connection.name, DRIP_SQL_INTERFACE,
					       &interface, &job->object, err);
	}
	if (rc != 0) {
		destroy(job);
		return rc;
	}
	job->sql = interface;
	job->dialect = job->sql->dialect(job->object);
	*ret_self = job;
	return 0;
}

static void set_session(struct job *job, void *session)
{
	void *old = job->session;

	pthread_mutex_lock(&job->lock);
	job->session = session;
	pthread_mutex_unlock(&job->lock);
	job->sql->session_close(old); /* rolls back */
	job->in_transaction = false;
}

static void job_close(void *self)
{
	struct job *job = self;

	set_session(job, NULL);
	job->ctx->host->connection_put(job->ctx, job->config->connection.name, DRIP_SQL_INTERFACE,
				       job->object);
	destroy(job);
}

static void job_interrupt(void *self)
{
	struct job *job = self;

	pthread_mutex_lock(&job->lock);
	if (job->session != NULL) {
		job->sql->interrupt(job->session);
	}
	pthread_mutex_unlock(&job->lock);
}

static int job_describe(struct drip_ctx *ctx, const void *config, bool connect,
			struct drip_schema_list *list, struct drip_error *err)
{
	struct drip_schema *report = NULL;
	int rc = make_report(&report, err);

	(void)ctx;
	(void)config;
	(void)connect;
	if (rc == 0) {
		rc = list->add(list, report, err);
		drip_schema_unref(report);
	}
	return rc;
}

static int job_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct job *job = self;

	(void)start; /* where it stands is in the warehouse */
	(void)err;
	job->done = false;
	return 0;
}

static void job_stop(void *self)
{
	set_session(self, NULL);
}

/* ---- a run ---- */

static void put_row(struct job *job, struct drip_builder *b, const struct job_step *step,
		    const struct job_counts *counts, double seconds)
{
	drip_append_bytes(&b->columns[0], job_step_name(step),
			  (int64_t)strlen(job_step_name(step)));
	drip_append_bytes(&b->columns[1], job_step_kind(step),
			  (int64_t)strlen(job_step_kind(step)));
	drip_append_i64(&b->columns[2], counts->inserted > 0 ? counts->inserted : 0);
	drip_append_i64(&b->columns[3], counts->deleted > 0 ? counts->deleted : 0);
	drip_append_i64(&b->columns[4], counts->violations);
	drip_append_f64(&b->columns[5], seconds);
	drip_append_i64(&b->columns[6], job->run_at_us);
	drip_builder_row(b, DRIP_OP_READ);
}

static int run_steps(struct job *job, struct drip_builder *b, struct drip_error *err)
{
	int rc = job_begin_changes(job, err);

	for (size_t i = 0; i < job->config->steps.count && rc == 0; i++) {
		const struct job_step *step = job_step(job->config, i);
		uint64_t begin = job->ctx->host->now_ns(job->ctx);
		struct job_counts counts;

		rc = job_run_step(job, step, &counts, err);
		if (rc != 0) {
			drip_log_error(job->ctx, "step %zu (%s %s) failed", i + 1,
				       job_step_kind(step), job_step_name(step));
			break;
		}
		put_row(job, b, step, &counts,
			(double)(job->ctx->host->now_ns(job->ctx) - begin) / 1e9);
		rc = drip_failpoint(job->ctx, "job.after_step", err);
	}
	return rc;
}

static int run_once(struct job *job, struct drip_builder *b, struct drip_error *err)
{
	void *session = NULL;
	int rc = job_turn_take(job, err);

	rc = rc == 0 ? job->sql->session_open(job->object, &session, err) : rc;
	if (rc != 0) {
		return rc;
	}
	set_session(job, session);
	rc = job_make_tables(job, err);
	job_turn_made_tables(job);
	if (rc != 0) {
		return rc;
	}
	job->run_at_us = job->ctx->host->wall_us(job->ctx);
	drip_text_clear(&job->checks);
	rc = job->sql->begin(session, err);
	if (rc != 0) {
		return rc;
	}
	job->in_transaction = true;
	rc = run_steps(job, b, err);
	rc = rc == 0 ? job_store_positions(job, err) : rc;
	rc = rc == 0 ? drip_failpoint(job->ctx, "job.before_commit", err) : rc;
	rc = rc == 0 ? job->sql->commit(session, err) : rc;
	if (rc == 0) {
		job->in_transaction = false;
		rc = drip_failpoint(job->ctx, "job.after_commit", err);
	}
	return rc;
}

/* After a failure: what the checks found outlives the rollback. */
static void give_up(struct job *job)
{
	struct drip_error ignored = DRIP_ERROR_INIT;

	drip_text_clear(&job->text);
	job->text.rc = 0;
	if (job->in_transaction && job->sql->rollback(job->session, &ignored) == 0) {
		job->in_transaction = false;
		job_keep_checks(job);
	}
	set_session(job, NULL);
}

static int emit_report(struct job *job, struct drip_builder *b, struct drip_error *err)
{
	struct drip_batch *batch = NULL;
	int rc = drip_builder_build(b, &batch, err);

	if (rc != 0) {
		return rc;
	}
	drip_position_add_u64(&batch->position, (uint64_t)job->run_at_us);
	snprintf(batch->position.text, sizeof(batch->position.text), "run at %" PRId64,
		 job->run_at_us);
	batch->boundary = true;
	batch->commit_time_us = job->run_at_us;
	return drip_emit(job->ctx, batch, err);
}

static int job_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct job *job = self;
	struct drip_builder b;
	int rc;

	(void)timeout_ms;
	if (job->done) {
		return DRIP_POLL_END;
	}
	rc = drip_builder_init(&b, job->report, err);
	if (rc != 0) {
		return rc;
	}
	rc = run_once(job, &b, err);
	if (rc != 0) {
		give_up(job);
		job_turn_leave(job);
	} else {
		job_turn_leave(job);
		job->done = true;
		if (!job->lineage_known) {
			struct drip_error why = DRIP_ERROR_INIT;

			job->lineage_known = job_record_lineage(job, &why) == 0;
			if (!job->lineage_known) {
				drip_log_warning(job->ctx, "lineage is not known: %s", why.message);
			}
		}
		rc = emit_report(job, &b, err);
		set_session(job, NULL);
	}
	drip_builder_finish(&b);
	return rc == 0 ? DRIP_POLL_END : rc;
}

static const struct drip_source_ops ops = {
	.struct_size = sizeof(ops),
	.check = job_check,
	.open = job_open,
	.close = job_close,
	.interrupt = job_interrupt,
	.describe = job_describe,
	.start = job_start,
	.poll = job_poll,
	.stop = job_stop,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SOURCE,
	.name = "job",
	.summary = "Runs SQL steps in a warehouse, all in one transaction",
	.description =
		"Where both ends of a job are one warehouse, no row leaves it: each step is a "
		"query whose result becomes a temporary table, rows of a declared table, or "
		"a check. What is emitted is a report, one row a step.",
	.schema_notes = "Puts out table job_steps: step, kind, rows_inserted, rows_deleted, "
			"violations, seconds, run_at. The queries are typed at validation over the "
			"declared tables.",
	.guarantees = "A run is one transaction together with its position: it is done once or "
		      "never was. A run after a failure begins where the last one that was "
		      "committed ended. Runs that touch the same tables take turns, so "
		      "that none writes what another is just reading or writing.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_BOUNDED | DRIP_CAP_EXACTLY_ONCE,
	.config_size = sizeof(struct job_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("job", DRIP_SDK_VERSION, "Source that runs SQL in a warehouse", &component);
