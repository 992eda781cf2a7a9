/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and transactions. DuckDB keeps a transaction open after some errors and reports success
 * for the COMMIT of an aborted one, so the session remembers that a statement failed and lets
 * nothing but a rollback through. Thread: one at a time a session; interrupt: any.
 */
#include "private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MIN_NS 20000 /* for DuckDB's other threads, doubled up to the longest */
#define WAIT_MAX_NS 640000

int drip_duck_session_open(void *object, void **ret_session, struct drip_error *err)
{
	struct drip_duck *duck = object;
	struct drip_duck_session *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->duck = duck;
	pthread_mutex_lock(&duck->lock);
	rc = drip_duck_revive(duck, err);
	if (rc == 0 && duckdb_connect(duck->database, &s->connection) != DuckDBSuccess) {
		rc = drip_error_set_retryable(err, -EIO, "duckdb.open_failed",
					      "could not connect to the database");
	}
	if (rc == 0) {
		duck->sessions++;
	}
	pthread_mutex_unlock(&duck->lock);
	if (rc != 0) {
		free(s);
		return rc;
	}
	*ret_session = s;
	return 0;
}

void drip_duck_session_close(void *session)
{
	struct drip_duck_session *s = session;
	struct drip_duck *duck;

	if (s == NULL) {
		return;
	}
	duck = s->duck;
	drip_duck_stream_detach(s);
	if (s->in_transaction) {
		int rc = drip_duck_rollback(s, NULL);

		(void)rc;
	}
	drip_duck_forget_prepared(s);
	duckdb_disconnect(&s->connection);
	drip_duck_binds_finish(s);
	pthread_mutex_lock(&duck->lock);
	duck->sessions--;
	pthread_mutex_unlock(&duck->lock);
	free(s);
}

void drip_duck_interrupt(void *session)
{
	struct drip_duck_session *s = session;

	duckdb_interrupt(s->connection);
}

int drip_duck_session_usable(struct drip_duck_session *s, struct drip_error *err)
{
	if (!s->failed) {
		return 0;
	}
	drip_error_set_retryable(err, -ECANCELED, "duckdb.transaction_aborted",
				 "could not go on: an earlier statement of the transaction failed");
	drip_error_hint(err, "Roll back and begin anew.");
	return -ECANCELED;
}

/* A statement without the checks and marks of the public functions. */
static int run(struct drip_duck_session *s, const char *statement, const char *doing,
	       struct drip_error *err)
{
	duckdb_result result;
	int rc = 0;

	if (duckdb_query(s->connection, statement, &result) != DuckDBSuccess) {
		rc = drip_duck_error(s, duckdb_result_error(&result), doing, err);
	}
	duckdb_destroy_result(&result);
	return rc;
}

static int refuse_transaction(duckdb_prepared_statement statement, struct drip_error *err)
{
	if (duckdb_prepared_statement_type(statement) != DUCKDB_STATEMENT_TYPE_TRANSACTION) {
		return 0;
	}
	drip_error_set(err, -EINVAL, "duckdb.transaction_statement",
		       "transactions are begun and ended by the session, not by SQL");
	return -EINVAL;
}

int drip_duck_prepare(struct drip_duck_session *s, const char *sql, duckdb_prepared_statement *ret,
		      struct drip_error *err)
{
	duckdb_extracted_statements statements = NULL;
	idx_t count;
	int rc = 0;

	*ret = NULL;
	if (strnlen(sql, DRIP_DUCK_SQL_MAX + 1) > DRIP_DUCK_SQL_MAX) {
		return drip_error_set(err, -E2BIG, "duckdb.sql",
				      "statement is longer than %d bytes", DRIP_DUCK_SQL_MAX);
	}
	count = duckdb_extract_statements(s->connection, sql, &statements);
	if (count == 0) {
		const char *text = duckdb_extract_statements_error(statements);

		rc = drip_duck_error(s, text != NULL ? text : "Parser Error: no statement",
				     "parse SQL", err);
	} else if (count > 1) {
		rc = drip_error_set(err, -EINVAL, "duckdb.several_statements",
				    "cannot run %llu statements at once",
				    (unsigned long long)count);
		drip_error_hint(err, "Give one statement.");
	} else if (duckdb_prepare_extracted_statement(s->connection, statements, 0, ret) !=
		   DuckDBSuccess) {
		rc = drip_duck_error(s, duckdb_prepare_error(*ret), "prepare SQL", err);
		duckdb_destroy_prepare(ret);
	} else {
		rc = refuse_transaction(*ret, err);
		if (rc != 0) {
			duckdb_destroy_prepare(ret);
		}
	}
	duckdb_destroy_extracted(&statements);
	return rc;
}

void drip_duck_forget_prepared(struct drip_duck_session *s)
{
	if (s->prepared != NULL) {
		duckdb_destroy_prepare(&s->prepared);
	}
	free(s->prepared_sql);
	s->prepared_sql = NULL;
	drip_schema_unref(s->prepared_schema);
	s->prepared_schema = NULL;
}

/*
 * Does this thread's share of a statement's work. DuckDB's own loop spins while its other threads
 * are at the last of it: that costs them, and other pipelines, a processor. So this one waits, a
 * little longer each time. Returns DUCKDB_PENDING_ERROR or what stands for success.
 */
static duckdb_pending_state do_work(duckdb_pending_result pending)
{
	struct timespec wait = {.tv_nsec = WAIT_MIN_NS};
	duckdb_pending_state state;

	while (!duckdb_pending_execution_is_finished(
		state = duckdb_pending_execute_task(pending))) {
		if (state == DUCKDB_PENDING_NO_TASKS_AVAILABLE) {
			nanosleep(&wait, NULL);
			wait.tv_nsec *= wait.tv_nsec < WAIT_MAX_NS ? 2 : 1;
		} else {
			wait.tv_nsec = WAIT_MIN_NS;
		}
	}
	return state;
}

int drip_duck_run(struct drip_duck_session *s, duckdb_prepared_statement statement,
		  const char *doing, int64_t *ret_rows, struct drip_error *err)
{
	duckdb_pending_result pending = NULL;
	duckdb_result result;
	int rc = 0;

	if (duckdb_pending_prepared(statement, &pending) != DuckDBSuccess ||
	    do_work(pending) == DUCKDB_PENDING_ERROR) {
		rc = drip_duck_error(s, duckdb_pending_error(pending), doing, err);
		duckdb_destroy_pending(&pending);
		return rc;
	}
	if (duckdb_execute_pending(pending, &result) != DuckDBSuccess) {
		rc = drip_duck_error(s, duckdb_result_error(&result), doing, err);
	} else if (ret_rows != NULL) {
		*ret_rows = duckdb_result_return_type(result) == DUCKDB_RESULT_TYPE_CHANGED_ROWS
				    ? (int64_t)duckdb_rows_changed(&result)
				    : -1;
	}
	duckdb_destroy_result(&result);
	duckdb_destroy_pending(&pending);
	return rc;
}

int drip_duck_execute(void *session, const char *sql, int64_t *ret_rows, struct drip_error *err)
{
	struct drip_duck_session *s = session;
	duckdb_prepared_statement statement;
	int rc = drip_duck_session_usable(s, err);

	if (rc != 0) {
		return rc;
	}
	drip_duck_stream_detach(s);
	rc = drip_duck_prepare(s, sql, &statement, err);
	if (rc != 0) {
		return rc;
	}
	rc = drip_duck_run(s, statement, "run SQL", ret_rows, err);
	duckdb_destroy_prepare(&statement);
	return rc;
}

static int begin(struct drip_duck_session *s, const char *statement, struct drip_error *err)
{
	int rc;

	if (s->in_transaction) {
		return drip_error_set(err, -EALREADY, "duckdb.transaction_statement",
				      "a transaction is open already");
	}
	drip_duck_stream_detach(s);
	rc = run(s, statement, "begin a transaction", err);
	s->in_transaction = rc == 0;
	s->failed = false;
	return rc;
}

int drip_duck_begin(void *session, struct drip_error *err)
{
	return begin(session, "BEGIN TRANSACTION", err);
}

int drip_duck_begin_read(struct drip_duck_session *s, struct drip_error *err)
{
	return begin(s, "BEGIN TRANSACTION READ ONLY", err);
}

int drip_duck_commit(void *session, struct drip_error *err)
{
	struct drip_duck_session *s = session;
	int rc;

	drip_duck_stream_detach(s);
	rc = drip_duck_session_usable(s, err);
	if (rc == 0 && s->in_transaction) {
		rc = run(s, "COMMIT", "commit", err);
	}
	if (rc != 0) {
		int ignored = drip_duck_rollback(s, NULL);

		(void)ignored;
		return rc;
	}
	s->in_transaction = false;
	return 0;
}

int drip_duck_rollback(void *session, struct drip_error *err)
{
	struct drip_duck_session *s = session;
	duckdb_result result;
	int rc = 0;

	drip_duck_stream_detach(s);
	if (!s->in_transaction) {
		return 0;
	}
	s->in_transaction = false;
	s->failed = false;
	/* A failed COMMIT has ended the transaction already: then this one has nothing to end. */
	if (duckdb_query(s->connection, "ROLLBACK", &result) != DuckDBSuccess) {
		const char *text = duckdb_result_error(&result);

		if (text == NULL || strstr(text, "no transaction is active") == NULL) {
			rc = drip_duck_error(s, text, "roll back", err);
		}
	}
	duckdb_destroy_result(&result);
	drip_duck_forget_prepared(s);
	drip_duck_binds_rolled_back(s);
	return rc;
}

int drip_duck_maintain(void *session, struct drip_error *err)
{
	struct drip_duck_session *s = session;
	int rc;

	if (s->in_transaction || s->duck->config->read_only) {
		return 0;
	}
	drip_duck_stream_detach(s);
	rc = run(s, "CHECKPOINT", "checkpoint", err);
	drip_duck_trim();
	return rc;
}
