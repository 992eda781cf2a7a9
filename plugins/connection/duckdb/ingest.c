/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk load: batches are held until they are some megabytes, and then go into the table by one
 * INSERT that scans them (bind.c). DuckDB's appender would copy every row first, and its statement
 * spins while DuckDB's other threads work. Where a column's type is the table's, nothing is cast;
 * where it differs, DuckDB casts. Thread: the session's.
 */
#include "private.h"

#include <dripline/text.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD_BYTES_MAX (UINT64_C(8) << 20) /* in all loads of a session: then all are run */
#define HELD_MAX       1024                /* batches of one load */

struct drip_sql_ingest {
	struct drip_sql_ingest *next; /* of the session's */
	struct drip_duck_session *session;
	const struct drip_schema *schema; /* one reference */
	struct drip_duck_slot *slot;
	duckdb_prepared_statement insert;
	struct drip_duck_load load;
	const struct drip_batch *held[HELD_MAX]; /* one reference each */
	uint64_t held_bytes;
	struct drip_error error; /* of a scan */
	bool own_transaction; /* the session had none: all rows become visible at once, or none */
	char table[DRIP_NAME_MAX];
	int rc; /* first failure: then it takes no more */
};

/* ---- opening ---- */

static void put_name(struct drip_text *t, const char *name)
{
	drip_text_put(t, "\"", 1);
	for (; *name != '\0'; name++) {
		drip_text_put(t, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1);
	}
	drip_text_put(t, "\"", 1);
}

static void put_table(struct drip_text *t, const char *schema, const char *table)
{
	if (schema != NULL && strcmp(schema, "temp") == 0) {
		drip_text_puts(t, "temp.main.");
	} else if (schema != NULL) {
		put_name(t, schema);
		drip_text_puts(t, ".");
	}
	put_name(t, table);
}

static void put_columns(struct drip_text *t, const struct drip_sql_ingest *in, const char *with_op,
			const char *with_sequence)
{
	const char *more[] = {with_op, with_sequence};

	for (uint32_t i = 0; i < in->schema->columns_count; i++) {
		drip_text_puts(t, i > 0 ? ", " : "");
		put_name(t, drip_schema_column(in->schema, i)->name);
	}
	for (size_t i = 0; i < DRIP_COUNT(more); i++) {
		if (more[i] != NULL) {
			drip_text_puts(t, ", ");
			put_name(t, more[i]);
		}
	}
}

/* The scan's type for a column: the table's, where the values need no cast for it. */
static duckdb_logical_type scan_type(const struct drip_column *column, duckdb_logical_type table)
{
	struct drip_column natural = {.type = DRIP_TYPE_NONE};
	struct drip_column text = {.struct_size = sizeof(text), .type = DRIP_TYPE_UTF8};
	const char *cast;

	drip_duck_column_type(table, &natural, &cast);
	if (natural.type == column->type && (cast == NULL || column->type == DRIP_TYPE_UUID) &&
	    (column->type != DRIP_TYPE_DECIMAL ||
	     (natural.precision == column->precision && natural.scale == column->scale))) {
		return table;
	}
	duckdb_destroy_logical_type(&table);
	return drip_duck_logical(
		column->type == DRIP_TYPE_UUID || column->type == DRIP_TYPE_JSON ? &text : column);
}

/* What the table's columns are; all that are named must be there. */
static int find_types(struct drip_sql_ingest *in, const char *schema, const char *with_op,
		      const char *with_sequence, struct drip_error *err)
{
	duckdb_prepared_statement select = NULL;
	struct drip_text text = {0};
	int rc;

	in->load.types = calloc(in->schema->columns_count + 1, sizeof(duckdb_logical_type));
	if (in->load.types == NULL) {
		return drip_error_nomem(err, in->schema->columns_count * sizeof(void *));
	}
	drip_text_puts(&text, "SELECT ");
	put_columns(&text, in, with_op, with_sequence);
	drip_text_puts(&text, " FROM ");
	put_table(&text, schema, in->table);
	drip_text_put(&text, "", 1);
	rc = drip_text_check(&text, err);
	if (rc == 0) {
		rc = drip_duck_prepare(in->session, text.data, &select, err);
	}
	for (uint32_t i = 0; rc == 0 && i < in->schema->columns_count; i++) {
		in->load.types[i] =
			scan_type(drip_schema_column(in->schema, i),
				  duckdb_prepared_statement_column_logical_type(select, i));
		if (in->load.types[i] == NULL) {
			rc = drip_error_nomem(err, sizeof(duckdb_logical_type));
		}
	}
	duckdb_destroy_prepare(&select);
	drip_text_finish(&text);
	return rc;
}

static int prepare_insert(struct drip_sql_ingest *in, const char *schema, const char *with_op,
			  const char *with_sequence, struct drip_error *err)
{
	struct drip_text text = {0};
	char source[80];
	int rc;

	in->slot =
		drip_duck_load_create(in->session, in->schema, with_op, with_sequence, &in->load);
	if (in->slot == NULL) {
		return drip_error_nomem(err, sizeof(*in->slot));
	}
	drip_text_puts(&text, "INSERT INTO ");
	put_table(&text, schema, in->table);
	drip_text_puts(&text, " (");
	put_columns(&text, in, with_op, with_sequence);
	snprintf(source, sizeof(source),
		 ") SELECT * FROM " DRIP_DUCK_BATCH_FUNCTION "(%" PRId64 ")", in->slot->id);
	drip_text_put(&text, source, strlen(source) + 1);
	rc = drip_text_check(&text, err);
	if (rc == 0) {
		rc = drip_duck_prepare(in->session, text.data, &in->insert, err);
	}
	drip_text_finish(&text);
	return rc;
}

/* ---- holding and running ---- */

static void let_go(struct drip_sql_ingest *in)
{
	if (in->slot != NULL) {
		drip_duck_load_settle(in->slot);
	}
	while (in->load.count > 0) {
		drip_batch_unref(in->held[--in->load.count]);
	}
	in->session->ingest_bytes -= in->held_bytes;
	in->held_bytes = 0;
}

static void destroy(struct drip_sql_ingest *in)
{
	for (struct drip_sql_ingest **p = &in->session->ingests; *p != NULL; p = &(*p)->next) {
		if (*p == in) {
			*p = in->next;
			break;
		}
	}
	duckdb_destroy_prepare(&in->insert);
	let_go(in);
	if (in->slot != NULL) {
		drip_duck_load_destroy(in->session, in->slot);
	}
	for (uint32_t i = 0; in->load.types != NULL && i < in->schema->columns_count; i++) {
		duckdb_destroy_logical_type(&in->load.types[i]);
	}
	free(in->load.types);
	drip_schema_unref(in->schema);
	free(in);
}

static int failed_before(const struct drip_sql_ingest *in, struct drip_error *err)
{
	return drip_error_set_retryable(err, in->rc, "duckdb.transaction_aborted",
					"could not load into %s: an earlier write failed",
					in->table);
}

/* The rows that are held into the table. */
static int run(struct drip_sql_ingest *in, struct drip_error *err)
{
	char doing[DRIP_NAME_MAX + 32];
	int rc;

	if (in->rc != 0) {
		return failed_before(in, err);
	}
	if (in->load.count == 0) {
		return 0;
	}
	drip_duck_stream_detach(in->session);
	in->error.rc = 0;
	snprintf(doing, sizeof(doing), "load into %s", in->table);
	rc = drip_duck_run(in->session, in->insert, doing, NULL, err);
	if (rc != 0 && in->error.rc != 0) {
		*err = in->error; /* what the scan said, which DuckDB wraps */
		rc = err->rc;
	}
	let_go(in);
	if (rc != 0) {
		in->rc = rc;
		in->session->failed |= in->session->in_transaction;
	}
	return rc;
}

static int run_all(struct drip_duck_session *s, struct drip_error *err)
{
	int rc = 0;

	for (struct drip_sql_ingest *in = s->ingests; rc == 0 && in != NULL; in = in->next) {
		rc = run(in, err);
	}
	return rc;
}

int drip_duck_ingest_open(void *session, const char *schema, const char *table,
			  const struct drip_schema *columns, const char *with_op,
			  const char *with_sequence, struct drip_sql_ingest **ret,
			  struct drip_error *err)
{
	struct drip_duck_session *s = session;
	struct drip_sql_ingest *in;
	int rc = drip_duck_session_usable(s, err);

	if (rc != 0) {
		return rc;
	}
	drip_duck_stream_detach(s);
	in = calloc(1, sizeof(*in));
	if (in == NULL) {
		return drip_error_nomem(err, sizeof(*in));
	}
	in->session = s;
	in->next = s->ingests;
	s->ingests = in;
	in->schema = drip_schema_ref(columns);
	in->load.batches = in->held;
	in->load.error = &in->error;
	in->error.struct_size = sizeof(in->error);
	snprintf(in->table, sizeof(in->table), "%s", table);
	if (!s->in_transaction) {
		rc = drip_duck_begin(s, err);
		in->own_transaction = rc == 0;
	}
	if (rc == 0) {
		rc = find_types(in, schema, with_op, with_sequence, err);
	}
	if (rc == 0) {
		rc = prepare_insert(in, schema, with_op, with_sequence, err);
	}
	if (rc != 0) {
		bool own = in->own_transaction;

		destroy(in);
		if (own) {
			int ignored = drip_duck_rollback(s, NULL);

			(void)ignored;
		}
		return rc;
	}
	*ret = in;
	return 0;
}

static int check_text(struct drip_sql_ingest *in, const struct drip_batch *batch,
		      struct drip_error *err)
{
	for (uint32_t i = 0; i < in->schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(in->schema, i);
		int64_t row;

		if (column->type != DRIP_TYPE_UTF8 && column->type != DRIP_TYPE_JSON) {
			continue;
		}
		row = drip_duck_utf8_check(batch->array.children[i], 0, batch->rows);
		if (row >= 0) {
			drip_error_set(err, -EILSEQ, "duckdb.invalid_utf8",
				       "column %s of table %s, row %lld of the batch: not UTF-8",
				       column->name, in->table, (long long)row);
			drip_error_hint(err, "Read the column as binary, or repair it upstream.");
			return -EILSEQ;
		}
	}
	return 0;
}

static int take(struct drip_sql_ingest *in, const struct drip_batch *batch, struct drip_error *err)
{
	int rc = check_text(in, batch, err);

	if (rc != 0) {
		return rc;
	}
	in->held[in->load.count++] = drip_batch_ref(batch);
	in->held_bytes += batch->bytes;
	in->session->ingest_bytes += batch->bytes;
	if (in->session->ingest_bytes >= HELD_BYTES_MAX) {
		return run_all(in->session, err);
	}
	return in->load.count == HELD_MAX ? run(in, err) : 0;
}

int drip_duck_ingest_write(struct drip_sql_ingest *ingest, const struct drip_batch *batch,
			   struct drip_error *err)
{
	int rc = drip_duck_session_usable(ingest->session, err);

	if (rc == 0 && ingest->rc != 0) {
		rc = failed_before(ingest, err);
	}
	if (rc == 0 && (batch->schema->columns_count != ingest->schema->columns_count ||
			batch->array.n_children != (int64_t)ingest->schema->columns_count)) {
		rc = drip_error_set(err, -EINVAL, "duckdb.parameters",
				    "batch of table %s has %u columns, %u are expected",
				    ingest->table, batch->schema->columns_count,
				    ingest->schema->columns_count);
	}
	if (rc == 0 && batch->rows > 0) {
		rc = take(ingest, batch, err);
	}
	if (rc != 0) {
		ingest->rc = rc;
		ingest->session->failed |= ingest->session->in_transaction;
	}
	return rc;
}

int drip_duck_ingest_close(struct drip_sql_ingest *ingest, struct drip_error *err)
{
	struct drip_duck_session *s = ingest->session;
	int rc = ingest->rc;
	bool own = ingest->own_transaction;

	if (rc != 0) {
		rc = failed_before(ingest, err);
	} else if (ingest->load.count > 0) {
		rc = drip_duck_session_usable(s, err);
		rc = rc == 0 ? run(ingest, err) : rc;
	}
	destroy(ingest);
	if (own && rc == 0) {
		rc = drip_duck_commit(s, err);
	} else if (own) {
		int ignored = drip_duck_rollback(s, NULL);

		(void)ignored;
	}
	return rc;
}
