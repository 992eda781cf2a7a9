/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run needs to be there: what it reads, its schema, the function of surrogate keys, its own
 * table of positions, and the declared tables that its steps write or of its schema name. Made
 * before the transaction, as DDL and rows of one transaction do not go together everywhere. Thread:
 * the source's.
 */
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int make_schema(struct job *job, const char *schema, struct drip_error *err)
{
	int rc;

	job_put(job, "CREATE SCHEMA IF NOT EXISTS %N", schema);
	rc = job_run(job, NULL, err);
	if (rc != 0) {
		return rc;
	}
	rc = drip_sql_put_key_function(&job->text, job->dialect->name, schema, err);
	return rc == 0 ? job_run(job, NULL, err) : rc;
}

static int add_column(struct job *job, const struct drip_schema *declared,
		      const struct drip_column *column, struct drip_error *err)
{
	char type[64];

	if ((column->flags & DRIP_COLUMN_NULLABLE) == 0) {
		drip_error_set(err, -EINVAL, "job.table_differs",
			       "table %s.%s has no column %s, and it is not nullable",
			       declared->database, declared->table, column->name);
		drip_error_hint(err,
				"Add it to the table, with its values, or declare it nullable.");
		return -EINVAL;
	}
	if (job->dialect->type_name(column, type, sizeof(type)) != 0) {
		return drip_error_set(err, -ENOTSUP, "sql.no_type", "%s has no type for column %s",
				      job->dialect->name, column->name);
	}
	job_put(job, "ALTER TABLE %N.%N ADD COLUMN %N %s", declared->database, declared->table,
		column->name, type);
	job->made_tables = true;
	return job_run(job, NULL, err);
}

/* A table that exists gets the columns that it lacks; another type is not for us to change. */
static int compare(struct job *job, const struct drip_schema *declared,
		   const struct drip_schema *found, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < declared->columns_count && rc == 0; i++) {
		const struct drip_column *want = drip_schema_column(declared, i), *has;
		int index = drip_schema_find(found, want->name);
		char a[64] = "", b[64] = "";

		if (index < 0) {
			rc = add_column(job, declared, want, err);
			continue;
		}
		has = drip_schema_column(found, (uint32_t)index);
		if (job->dialect->type_name(want, a, sizeof(a)) != 0 ||
		    job->dialect->type_name(has, b, sizeof(b)) != 0 || strcmp(a, b) != 0) {
			rc = drip_error_set(err, -EINVAL, "job.table_differs",
					    "column %s of table %s.%s is declared %s, and is %s",
					    want->name, declared->database, declared->table, a, b);
			drip_error_hint(err, "Change the table or its declaration.");
		}
	}
	return rc;
}

static int make_declared(struct job *job, const struct drip_schema *declared,
			 struct drip_error *err)
{
	struct drip_schema *found = NULL;
	int rc = job->sql->table_schema(job->session, declared->database, declared->table, &found,
					err);

	if (rc == 0) {
		rc = compare(job, declared, found, err);
		drip_schema_unref(found);
		return rc;
	}
	if (rc != -ENOENT) {
		return rc;
	}
	rc = make_schema(job, declared->database, err);
	rc = rc == 0 ? drip_sql_put_create(&job->text, job->dialect, declared, true, err) : rc;
	rc = rc == 0 ? job_run(job, NULL, err) : rc;
	if (rc == 0) {
		job->made_tables = true;
		drip_log_info(job->ctx, "created table %s.%s", declared->database, declared->table);
	}
	return rc;
}

static int make_table(struct job *job, const char *text, struct drip_error *err)
{
	const struct drip_schema *declared = NULL;
	struct job_name name;

	job_split(text, &name);
	if (job->ctx->host->declared_table(job->ctx, name.schema, name.table, &declared) != 0) {
		drip_error_set(err, -ENOENT, "job.not_declared", "table %s is not declared", text);
		drip_error_hint(err, "Declare it under `tables`.");
		return -ENOENT;
	}
	return make_declared(job, declared, err);
}

static int need_table(struct job *job, const char *schema, const char *table,
		      struct drip_error *err)
{
	struct drip_schema *found = NULL;
	int rc = job->sql->table_schema(job->session, schema, table, &found, err);

	drip_schema_unref(found);
	if (rc == -ENOENT) {
		drip_error_set_retryable(err, -ENOENT, "job.no_input",
					 "table %s.%s does not exist yet", schema, table);
		drip_error_hint(err, "Run the pipeline that fills it first.");
	}
	return rc;
}

/* Tables of the jobs' own schema are made by the first job that names them, and filled by theirs:
 * so jobs run in any order. Those of others are not for us to make. */
static int need_input(struct job *job, const struct drip_schema *declared, struct drip_error *err)
{
	bool own = strcmp(declared->database, job->config->schema) == 0;

	for (size_t i = 0; i < job->config->steps.count && !own; i++) {
		const char *table = job_step(job->config, i)->table;
		struct job_name name = {.schema = ""};

		if (table != NULL) {
			job_split(table, &name);
		}
		own = strcmp(name.schema, declared->database) == 0 &&
		      strcmp(name.table, declared->table) == 0;
	}
	return own ? 0 : need_table(job, declared->database, declared->table, err);
}

static int make_input(struct job *job, const struct drip_schema *declared, struct drip_error *err)
{
	return strcmp(declared->database, job->config->schema) == 0
		       ? make_declared(job, declared, err)
		       : 0;
}

/* Before anything is made. */
static int need_inputs(struct job *job, struct drip_error *err)
{
	int rc = 0;

	for (size_t i = 0; i < job->config->changes.count && rc == 0; i++) {
		struct job_name name;

		job_split(job_change(job->config, i)->table, &name);
		rc = need_table(job, name.schema, name.table, err);
	}
	return rc == 0 ? job_each_input(job, need_input, err) : rc;
}

static int make_positions(struct job *job, struct drip_error *err)
{
	struct drip_schema *found = NULL;
	int rc = job->sql->table_schema(job->session, job->config->schema, JOB_POSITIONS, &found,
					err);

	drip_schema_unref(found);
	if (rc != -ENOENT) {
		return rc;
	}
	rc = make_schema(job, job->config->schema, err);
	if (rc != 0) {
		return rc;
	}
	job_put(job,
		"CREATE TABLE IF NOT EXISTS %N.%N (pipeline VARCHAR, stage VARCHAR, source_table "
		"VARCHAR, \"sequence\" BIGINT, committed_at TIMESTAMP WITH TIME ZONE)",
		job->config->schema, JOB_POSITIONS);
	job->made_tables = true;
	return job_run(job, NULL, err);
}

int job_make_tables(struct job *job, struct drip_error *err)
{
	const struct job_config *c = job->config;
	bool checks = false;
	int rc = need_inputs(job, err);

	rc = rc == 0 ? make_positions(job, err) : rc;
	for (size_t i = 0; i < c->steps.count && rc == 0; i++) {
		const struct job_step *step = job_step(c, i);

		checks |= step->check != NULL;
		if (step->table != NULL) {
			rc = make_table(job, step->table, err);
		}
	}
	rc = rc == 0 ? job_each_input(job, make_input, err) : rc;
	if (rc == 0 && checks) {
		char name[DRIP_NAME_MAX + 32];

		snprintf(name, sizeof(name), "%.500s." JOB_QUALITY, c->schema);
		rc = make_table(job, name, err);
	}
	if (rc == 0 && job->made_tables && job->sql->maintain != NULL) {
		struct drip_error ignored = DRIP_ERROR_INIT;

		/* replaying DDL is where DuckDB has failed; others may be writing just now */
		job->made_tables = job->sql->maintain(job->session, &ignored) != 0;
	}
	return rc;
}
