/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bulk load: Arrow batches go through data chunks into an appender, a vector at a time. Where a
 * column's type is the table's, nothing is cast; where it differs, DuckDB casts. Thread: the
 * session's.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES (UINT64_C(8) << 20)

struct drip_sql_ingest {
	struct drip_duck_session *session;
	const struct drip_schema *schema; /* one reference */
	duckdb_appender appender;
	duckdb_data_chunk chunk;
	struct drip_duck_fill *fills;
	duckdb_logical_type *types; /* of the chunk: columns, then op, then sequence */
	uint32_t types_count;
	bool op, sequence;
	uint64_t unflushed_bytes; /* of batches in the appender's own buffer */
	bool own_transaction; /* the session had none: all rows become visible at once, or none */
	char table[DRIP_NAME_MAX];
	int rc; /* first failure: then the appender takes no more */
};

static int appender_failed(struct drip_sql_ingest *in, const char *doing, struct drip_error *err)
{
	duckdb_error_data data = duckdb_appender_error_data(in->appender);
	char text[DRIP_NAME_MAX + 32];
	int rc;

	snprintf(text, sizeof(text), "%s %s", doing, in->table);
	rc = drip_duck_error(in->session, duckdb_error_data_message(data), text, err);
	duckdb_destroy_error_data(&data);
	in->rc = rc;
	return rc;
}

/* The chunk's type for a column: the table's, where the values need no cast for it. */
static duckdb_logical_type chunk_type(const struct drip_column *column, duckdb_logical_type table)
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

static int add_column(struct drip_sql_ingest *in, const char *name, struct drip_error *err)
{
	if (duckdb_appender_add_column(in->appender, name) != DuckDBSuccess) {
		return appender_failed(in, "load into", err);
	}
	return 0;
}

static int set_columns(struct drip_sql_ingest *in, const char *with_op, const char *with_sequence,
		       struct drip_error *err)
{
	uint32_t count = in->schema->columns_count;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		rc = add_column(in, drip_schema_column(in->schema, i)->name, err);
	}
	if (rc == 0 && with_op != NULL) {
		rc = add_column(in, with_op, err);
		in->op = true;
	}
	if (rc == 0 && with_sequence != NULL) {
		rc = add_column(in, with_sequence, err);
		in->sequence = true;
	}
	return rc;
}

static int make_chunk(struct drip_sql_ingest *in, struct drip_error *err)
{
	uint32_t count = in->schema->columns_count;

	in->fills = calloc(count + 1, sizeof(*in->fills));
	in->types = calloc(count + 2, sizeof(duckdb_logical_type));
	if (in->fills == NULL || in->types == NULL) {
		return drip_error_nomem(err, (count + 2) * sizeof(*in->fills));
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_column *column = drip_schema_column(in->schema, i);

		in->types[in->types_count++] =
			chunk_type(column, duckdb_appender_column_type(in->appender, i));
		drip_duck_fill_init(&in->fills[i], column, in->types[i]);
	}
	if (in->op) {
		in->types[in->types_count++] = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
	}
	if (in->sequence) {
		in->types[in->types_count++] = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	}
	in->chunk = duckdb_create_data_chunk(in->types, in->types_count);
	return in->chunk != NULL ? 0 : drip_error_nomem(err, DRIP_DUCK_CHUNK);
}

static void destroy(struct drip_sql_ingest *in)
{
	if (in->chunk != NULL) {
		duckdb_destroy_data_chunk(&in->chunk);
	}
	for (uint32_t i = 0; i < in->types_count; i++) {
		duckdb_destroy_logical_type(&in->types[i]);
	}
	if (in->appender != NULL) {
		duckdb_appender_destroy(&in->appender);
	}
	free(in->types);
	free(in->fills);
	drip_schema_unref(in->schema);
	free(in);
}

int drip_duck_ingest_open(void *session, const char *schema, const char *table,
			  const struct drip_schema *columns, const char *with_op,
			  const char *with_sequence, struct drip_sql_ingest **ret,
			  struct drip_error *err)
{
	struct drip_duck_session *s = session;
	bool temp = schema != NULL && strcmp(schema, "temp") == 0;
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
	in->schema = drip_schema_ref(columns);
	snprintf(in->table, sizeof(in->table), "%s", table);
	if (!s->in_transaction) {
		rc = drip_duck_begin(s, err);
		in->own_transaction = rc == 0;
	}
	if (rc == 0 &&
	    duckdb_appender_create_ext(s->connection, temp ? "temp" : NULL, temp ? "main" : schema,
				       table, &in->appender) != DuckDBSuccess) {
		rc = appender_failed(in, "load into", err);
	}
	if (rc == 0) {
		rc = set_columns(in, with_op, with_sequence, err);
	}
	if (rc == 0) {
		rc = make_chunk(in, err);
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

static int append_rows(struct drip_sql_ingest *in, const struct drip_batch *batch, int64_t start,
		       int64_t count, struct drip_error *err)
{
	uint32_t i;
	int rc = 0;

	duckdb_data_chunk_reset(in->chunk);
	for (i = 0; rc == 0 && i < in->schema->columns_count; i++) {
		rc = drip_duck_fill_rows(&in->fills[i], batch->array.children[i], start, count,
					 duckdb_data_chunk_get_vector(in->chunk, i), err);
	}
	if (rc != 0) {
		return rc;
	}
	if (in->op) {
		drip_duck_fill_ops(batch, start, count,
				   duckdb_data_chunk_get_vector(in->chunk, i++));
	}
	if (in->sequence) {
		drip_duck_fill_numbers((int64_t)(batch->sequence << 32) + start, count,
				       duckdb_data_chunk_get_vector(in->chunk, i));
	}
	duckdb_data_chunk_set_size(in->chunk, (idx_t)count);
	if (duckdb_append_data_chunk(in->appender, in->chunk) != DuckDBSuccess) {
		return appender_failed(in, "load into", err);
	}
	return 0;
}

/* The appender holds 200,000 rows outside of memory_limit, however wide they are: bound it. */
static int flush_full(struct drip_sql_ingest *in, const struct drip_batch *batch,
		      struct drip_error *err)
{
	in->unflushed_bytes += batch->bytes;
	if (in->unflushed_bytes < FLUSH_BYTES) {
		return 0;
	}
	in->unflushed_bytes = 0;
	return duckdb_appender_flush(in->appender) == DuckDBSuccess
		       ? 0
		       : appender_failed(in, "load into", err);
}

int drip_duck_ingest_write(struct drip_sql_ingest *ingest, const struct drip_batch *batch,
			   struct drip_error *err)
{
	int rc = drip_duck_session_usable(ingest->session, err);

	if (rc == 0 && ingest->rc != 0) {
		rc = drip_error_set_retryable(err, ingest->rc, "duckdb.transaction_aborted",
					      "could not load into %s: an earlier write failed",
					      ingest->table);
	}
	if (rc == 0 && (batch->schema->columns_count != ingest->schema->columns_count ||
			batch->array.n_children != (int64_t)ingest->schema->columns_count)) {
		rc = drip_error_set(err, -EINVAL, "duckdb.parameters",
				    "batch of table %s has %u columns, %u are expected",
				    ingest->table, batch->schema->columns_count,
				    ingest->schema->columns_count);
	}
	if (rc == 0) {
		rc = check_text(ingest, batch, err);
	}
	for (int64_t start = 0; rc == 0 && start < batch->rows; start += DRIP_DUCK_CHUNK) {
		int64_t left = batch->rows - start;

		rc = append_rows(ingest, batch, start,
				 left < DRIP_DUCK_CHUNK ? left : DRIP_DUCK_CHUNK, err);
	}
	if (rc == 0) {
		rc = flush_full(ingest, batch, err);
	}
	if (rc != 0) {
		ingest->rc = rc;
		if (ingest->session->in_transaction) {
			ingest->session->failed = true;
		}
	}
	return rc;
}

int drip_duck_ingest_close(struct drip_sql_ingest *ingest, struct drip_error *err)
{
	struct drip_duck_session *s = ingest->session;
	int rc = ingest->rc;
	bool own;

	if (rc != 0) {
		rc = drip_error_set_retryable(err, rc, "duckdb.transaction_aborted",
					      "could not load into %s: an earlier write failed",
					      ingest->table);
	} else if (duckdb_appender_close(ingest->appender) != DuckDBSuccess) {
		rc = appender_failed(ingest, "load into", err);
	}
	own = ingest->own_transaction;
	destroy(ingest);
	if (own && rc == 0) {
		rc = drip_duck_commit(s, err);
	} else if (own) {
		int ignored = drip_duck_rollback(s, NULL);

		(void)ignored;
	}
	return rc;
}
