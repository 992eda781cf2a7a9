/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of a run, in its transaction. Inputs that are read by their changes are temporary views
 * of the rows that came since the last run; what the view shows ends with the transaction's own
 * snapshot, and the greatest sequence in it is where the next run goes on. Thread: the source's.
 */
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- what this run reads ---- */

/* run_at() and as_of() are constants to the engine: a view of one row would be joined, and where it
 * takes a table for small, as those of the open transaction, it copies that table for the join. */
static int put_run(struct job *job, struct drip_error *err)
{
	const struct job_config *c = job->config;
	int rc;

	job_put(job, "CREATE OR REPLACE TEMP MACRO run_at() AS %I", job->run_at_us);
	rc = job_run(job, NULL, err);
	if (rc != 0) {
		return rc;
	}
	job_put(job, "CREATE OR REPLACE TEMP MACRO as_of() AS ");
	if (c->as_of != NULL) {
		job_put(job, "CAST(%L AS DATE)", c->as_of);
	} else {
		job_put(job, "CAST(timezone(%L, %I) AS DATE)", c->timezone, job->run_at_us);
	}
	rc = job_run(job, NULL, err);
	if (rc != 0) {
		drip_error_option(err, c->as_of != NULL ? "as_of" : "timezone");
	}
	return rc;
}

static int stored_sequence(struct job *job, const struct job_change *change, int64_t *ret,
			   struct drip_error *err)
{
	job_put(job,
		"SELECT max(\"sequence\") FROM %N.%N WHERE pipeline = %L AND stage = %L AND "
		"source_table = %L",
		job->config->schema, JOB_POSITIONS, job->ctx->pipeline, job->ctx->stage,
		change->table);
	return job_number(job, ret, err);
}

static int begin_change(struct job *job, size_t index, struct drip_error *err)
{
	const struct job_change *change = job_change(job->config, index);
	int64_t after = INT64_MIN, last = INT64_MIN;
	int rc = stored_sequence(job, change, &after, err);

	if (rc == 0) {
		job_put(job, "SELECT max(CAST(%N AS BIGINT)) FROM %T", change->sequence,
			change->table);
		rc = job_number(job, &last, err);
	}
	if (rc != 0) {
		return rc;
	}
	if (last < after && last != INT64_MIN) {
		drip_log_warning(job->ctx,
				 "table %s ends at %" PRId64 ", before %" PRId64
				 " where the last run stood: all of it is read again",
				 change->table, last, after);
		after = INT64_MIN;
	}
	job->sequences[index] = last > after ? last : after;
	job_put(job, "CREATE OR REPLACE TEMP VIEW %N AS SELECT * FROM %T WHERE %N > %D", change->as,
		change->table, change->sequence, after == INT64_MIN ? after + 1 : after);
	return job_run(job, NULL, err);
}

int job_begin_changes(struct job *job, struct drip_error *err)
{
	int rc = put_run(job, err);

	for (size_t i = 0; i < job->config->changes.count && rc == 0; i++) {
		rc = begin_change(job, i, err);
	}
	return rc;
}

int job_store_positions(struct job *job, struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < job->config->changes.count && rc == 0; i++) {
		const struct job_change *change = job_change(job->config, i);

		job_put(job,
			"DELETE FROM %N.%N WHERE pipeline = %L AND stage = %L AND source_table = "
			"%L",
			job->config->schema, JOB_POSITIONS, job->ctx->pipeline, job->ctx->stage,
			change->table);
		rc = job_run(job, NULL, err);
		if (rc == 0 && job->sequences[i] != INT64_MIN) {
			job_put(job, "INSERT INTO %N.%N VALUES (%L, %L, %L, %D, now())",
				job->config->schema, JOB_POSITIONS, job->ctx->pipeline,
				job->ctx->stage, change->table, job->sequences[i]);
			rc = job_run(job, NULL, err);
		}
	}
	return rc;
}

/* ---- steps ---- */

static int run_temp(struct job *job, const struct job_step *step, struct job_counts *ret,
		    struct drip_error *err)
{
	job_put(job, "CREATE OR REPLACE TEMP TABLE %N AS %Q", step->temp, step->sql);
	return job_run(job, &ret->inserted, err);
}

static void put_columns(struct job *job, const struct drip_schema *schema)
{
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		job_put(job, "%s%N", i == 0 ? "" : ", ", drip_schema_column(schema, i)->name);
	}
}

static void put_keys(struct job *job, const struct drip_schema *schema, const char *form,
		     const char *between)
{
	bool first = true;

	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);

		if ((column->flags & DRIP_COLUMN_KEY) != 0) {
			job_put(job, "%s", first ? "" : between);
			job_put(job, form, column->name, column->name);
			first = false;
		}
	}
}

/* What the query yields, by its columns: (gives) the schema. */
static int describe_rows(struct job *job, const struct job_step *step, struct drip_schema **ret,
			 struct drip_error *err)
{
	struct ArrowArrayStream stream;
	int rc;

	job_put(job, "SELECT * FROM (%Q) AS q LIMIT 0", step->sql);
	drip_text_put(&job->text, "", 1);
	rc = drip_text_check(&job->text, err);
	rc = rc == 0 ? job->sql->query(job->session, job->text.data, NULL, ret, &stream, err) : rc;
	drip_text_clear(&job->text);
	if (rc == 0) {
		stream.release(&stream);
	}
	return rc;
}

/*
 * Runs the statement that was begun, with the query as its end: its columns by name, each as the
 * table declares it; a nullable one that it lacks is null.
 */
static int run_select(struct job *job, const struct job_step *step,
		      const struct drip_schema *declared, const struct drip_schema *yielded,
		      int64_t *ret_rows, struct drip_error *err)
{
	char type[64];

	job_put(job, "SELECT ");
	for (uint32_t i = 0; i < declared->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(declared, i);

		if (job->dialect->type_name(column, type, sizeof(type)) != 0) {
			drip_text_clear(&job->text);
			return drip_error_set(err, -ENOTSUP, "sql.no_type",
					      "%s has no type for column %s", job->dialect->name,
					      column->name);
		}
		job_put(job, "%s", i == 0 ? "" : ", ");
		if (drip_schema_find(yielded, column->name) >= 0) {
			job_put(job, "CAST(q.%N AS %s) AS %N", column->name, type, column->name);
		} else {
			job_put(job, "CAST(NULL AS %s) AS %N", type, column->name);
		}
	}
	job_put(job, " FROM (%Q) AS q", step->sql);
	return job_run(job, ret_rows, err);
}

/*
 * Two rows of one key: two natural keys with one surrogate key, or a query that yields a row twice.
 * Looks at the keys of the rows written only, or with `all` at the whole table.
 */
static int check_keys(struct job *job, const struct job_step *step,
		      const struct drip_schema *declared, bool all, struct drip_error *err)
{
	int64_t twice = 0;
	int rc;

	if (declared->keys_count == 0) {
		return 0;
	}
	job_put(job, "SELECT count(*) FROM (SELECT 1 FROM %T AS t", step->table);
	if (!all) {
		job_put(job, " WHERE EXISTS (SELECT 1 FROM %N AS r WHERE ", JOB_ROWS);
		put_keys(job, declared, "r.%N = t.%N", " AND ");
		job_put(job, ")");
	}
	job_put(job, " GROUP BY ");
	put_keys(job, declared, "t.%N", ", ");
	job_put(job, " HAVING count(*) > 1) AS q");
	rc = job_number(job, &twice, err);
	if (rc == 0 && twice > 0) {
		rc = drip_error_set(err, -EINVAL, "job.key_collision",
				    "%" PRId64 " keys of %s stand for more than one row", twice,
				    step->table);
		drip_error_hint(err, "Either the step's query yields a row twice, or two natural "
				     "keys have one surrogate key. The run was rolled back.");
	}
	return rc;
}

/* Into an empty table: there is nothing to replace, so the rows need no stage. */
static int fill_table(struct job *job, const struct job_step *step,
		      const struct drip_schema *declared, const struct drip_schema *yielded,
		      struct job_counts *ret, struct drip_error *err)
{
	int rc;

	job_put(job, "INSERT INTO %T (", step->table);
	put_columns(job, declared);
	job_put(job, ") ");
	rc = run_select(job, step, declared, yielded, &ret->inserted, err);
	return rc == 0 ? check_keys(job, step, declared, true, err) : rc;
}

/* By way of a stage, as the query may read what its rows replace. */
static int replace_rows(struct job *job, const struct job_step *step,
			const struct drip_schema *declared, const struct drip_schema *yielded,
			struct job_counts *ret, struct drip_error *err)
{
	int rc;

	job_put(job, "CREATE OR REPLACE TEMP TABLE %N AS ", JOB_ROWS);
	rc = run_select(job, step, declared, yielded, NULL, err);
	if (rc == 0 && step->replaces != NULL) {
		job_put(job, "DELETE FROM %T WHERE %Q", step->table, step->replaces);
		rc = job_run(job, &ret->deleted, err);
	} else if (rc == 0 && declared->keys_count > 0) {
		job_put(job, "DELETE FROM %T AS t USING %N AS r WHERE ", step->table, JOB_ROWS);
		put_keys(job, declared, "t.%N = r.%N", " AND ");
		rc = job_run(job, &ret->deleted, err);
	}
	if (rc == 0) {
		job_put(job, "INSERT INTO %T (", step->table);
		put_columns(job, declared);
		job_put(job, ") SELECT ");
		put_columns(job, declared);
		job_put(job, " FROM %N", JOB_ROWS);
		rc = job_run(job, &ret->inserted, err);
	}
	rc = rc == 0 ? check_keys(job, step, declared, false, err) : rc;
	if (rc == 0) {
		job_put(job, "DROP TABLE %N", JOB_ROWS);
		rc = job_run(job, NULL, err);
	}
	return rc;
}

static int run_table(struct job *job, const struct job_step *step, struct job_counts *ret,
		     struct drip_error *err)
{
	const struct drip_schema *declared = NULL;
	struct drip_schema *yielded = NULL;
	struct job_name name;
	int64_t rows = 0;
	int rc;

	job_split(step->table, &name);
	if (job->ctx->host->declared_table(job->ctx, name.schema, name.table, &declared) != 0) {
		return drip_error_set(err, -ENOENT, "job.not_declared", "table %s is not declared",
				      step->table);
	}
	job_put(job, "SELECT count(*) FROM (SELECT 1 FROM %T LIMIT 1) AS q", step->table);
	rc = job_number(job, &rows, err);
	rc = rc == 0 ? describe_rows(job, step, &yielded, err) : rc;
	if (rc == 0) {
		rc = rows == 0 ? fill_table(job, step, declared, yielded, ret, err)
			       : replace_rows(job, step, declared, yielded, ret, err);
		drip_schema_unref(yielded);
	}
	return rc;
}

/* ---- checks ---- */

/* One more row of the quality results, as text to follow VALUES. */
static void note_check(struct job *job, const struct job_step *step, int64_t violations)
{
	struct drip_text own = job->text;

	job->text = job->checks;
	job_put(job, "%s(%I, %L, %L, %L, %D, %s)", job->checks.size > 0 ? ", " : "", job->run_at_us,
		job->ctx->pipeline, step->check,
		step->severity.value == JOB_WARN ? "warn" : "error", violations,
		violations == 0 ? "true" : "false");
	job->checks = job->text;
	job->text = own;
}

static int insert_checks(struct job *job, const char *rows, size_t size, struct drip_error *err)
{
	job_put(job,
		"INSERT INTO %N.%N (checked_at, pipeline, check_name, severity, violations, "
		"passed) "
		"VALUES ",
		job->config->schema, JOB_QUALITY);
	drip_text_put(&job->text, rows, size);
	return job_run(job, NULL, err);
}

/* Tells the host; what ends the run at once, since it gets no checkpoint. */
static int tell_check(struct job *job, const struct job_step *step, int64_t violations,
		      struct drip_error *err)
{
	const struct drip_host *host = job->ctx->host;
	bool stop = step->severity.value != JOB_WARN;
	struct drip_quality_result result = {.struct_size = sizeof(result),
					     .rule = step->check,
					     .table = "",
					     .action = stop ? "stop" : "warn",
					     .failed = violations};

	return DRIP_HAS(host, quality) && host->quality != NULL
		       ? host->quality(job->ctx, &result, 1, stop && violations > 0, err)
		       : 0;
}

static int run_check(struct job *job, const struct job_step *step, struct job_counts *ret,
		     struct drip_error *err)
{
	size_t before = job->checks.size;
	int rc;

	job_put(job, "SELECT count(*) FROM (%Q) AS q", step->sql);
	rc = job_number(job, &ret->violations, err);
	if (rc != 0) {
		return rc;
	}
	note_check(job, step, ret->violations);
	rc = tell_check(job, step, ret->violations, err);
	if (rc != 0) {
		return rc;
	}
	if (job->checks.rc == 0) {
		size_t skip = before > 0 ? 2 : 0; /* the ", " */

		rc = insert_checks(job, job->checks.data + before + skip,
				   job->checks.size - before - skip, err);
	}
	if (rc == 0 && ret->violations > 0 && step->severity.value == JOB_WARN) {
		drip_log_warning(job->ctx, "check \"%s\" found %" PRId64 " rows", step->check,
				 ret->violations);
	} else if (rc == 0 && ret->violations > 0) {
		rc = drip_error_set(err, -EINVAL, "job.check_failed",
				    "check \"%s\" found %" PRId64 " rows: the run is rolled back",
				    step->check, ret->violations);
		drip_error_hint(err, "The query of the check shows them.");
	}
	return rc;
}

void job_keep_checks(struct job *job)
{
	struct drip_error ignored = DRIP_ERROR_INIT;

	if (job->checks.size == 0 || job->checks.rc != 0) {
		return;
	}
	drip_text_clear(&job->text);
	if (insert_checks(job, job->checks.data, job->checks.size, &ignored) != 0) {
		drip_log_warning(job->ctx, "could not keep the results of checks: %s",
				 ignored.message);
	}
}

int job_run_step(struct job *job, const struct job_step *step, struct job_counts *ret,
		 struct drip_error *err)
{
	int rc;

	*ret = (struct job_counts){.inserted = 0};
	if (step->temp != NULL) {
		rc = run_temp(job, step, ret, err);
	} else if (step->table != NULL) {
		rc = run_table(job, step, ret, err);
	} else {
		rc = run_check(job, step, ret, err);
	}
	return rc;
}
