/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries: prepared, given their parameters, and read chunk by chunk into Arrow batches. Columns of
 * types that Arrow batches lack are turned into text by a query around the query. A stream ends
 * when its session runs something else. Thread: the session's.
 */
#include "private.h"

#include <dripline/text.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drip_duck_stream {
	struct drip_duck_session *session; /* NULL: detached */
	struct drip_schema *schema;
	struct drip_builder builder;
	duckdb_result result;
	duckdb_logical_type *types;
	idx_t types_count;
	bool has_result, ended;
	int rc; /* sticky */
	struct drip_error error;
};

/* ---- preparing ---- */

static void add_quoted(struct drip_text *t, const char *name)
{
	drip_text_puts(t, "\"");
	for (; *name != '\0'; name++) {
		drip_text_put(t, name, 1);
		if (*name == '"') {
			drip_text_put(t, name, 1);
		}
	}
	drip_text_puts(t, "\"");
}

/* Length of `sql` without blanks and semicolons at its end. */
static size_t trimmed(const char *sql)
{
	size_t n = strlen(sql);

	while (n > 0 && strchr(" \t\r\n;", sql[n - 1]) != NULL) {
		n--;
	}
	return n;
}

/* SELECT c0 AS "name", CAST(c1 AS VARCHAR) AS "other" FROM (sql) AS q(c0, c1) */
static void wrap(const char *sql, const struct drip_schema *schema, const char *const *casts,
		 struct drip_text *t)
{
	char column[32], value[96];

	drip_text_puts(t, "SELECT ");
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		snprintf(column, sizeof(column), "c%u", i);
		snprintf(value, sizeof(value), casts[i] != NULL ? casts[i] : "%s", column);
		drip_text_puts(t, i == 0 ? "" : ", ");
		drip_text_puts(t, value);
		drip_text_puts(t, " AS ");
		add_quoted(t, drip_schema_column(schema, i)->name);
	}
	drip_text_puts(t, " FROM (");
	drip_text_put(t, sql, trimmed(sql));
	drip_text_puts(t, "\n) AS q(");
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		snprintf(column, sizeof(column), i == 0 ? "c%u" : ", c%u", i);
		drip_text_puts(t, column);
	}
	drip_text_put(t, ")", 2); /* ended by a NUL */
}

/* (gives) the schema of a prepared query; *ret_foreign where a column needs a cast. */
static int describe(duckdb_prepared_statement statement, const char **casts, bool *ret_foreign,
		    struct drip_schema **ret_schema, struct drip_error *err)
{
	idx_t count = duckdb_prepared_statement_column_count(statement);
	struct drip_schema_builder b;

	*ret_foreign = false;
	if (count == 0 || count > DRIP_COLUMNS_MAX) {
		return drip_error_set(err, -EINVAL, "duckdb.not_a_query",
				      count == 0 ? "the statement gives no rows"
						 : "the result has more than %d columns",
				      DRIP_COLUMNS_MAX);
	}
	drip_schema_builder_init(&b, "", "");
	for (idx_t i = 0; i < count; i++) {
		struct drip_column column = {.struct_size = sizeof(column),
					     .flags = DRIP_COLUMN_NULLABLE};
		duckdb_logical_type type =
			duckdb_prepared_statement_column_logical_type(statement, i);
		const char *name = duckdb_prepared_statement_column_name(statement, i);

		drip_duck_column_type(type, &column, &casts[i]);
		*ret_foreign = *ret_foreign || casts[i] != NULL;
		column.name = name != NULL ? name : "";
		drip_schema_builder_add(&b, &column);
		duckdb_free((void *)(uintptr_t)name);
		duckdb_destroy_logical_type(&type);
	}
	return drip_schema_builder_build(&b, ret_schema, err);
}

int drip_duck_prepare_query(struct drip_duck_session *s, const char *sql,
			    duckdb_prepared_statement *ret, struct drip_schema **ret_schema,
			    struct drip_error *err)
{
	const char **casts = calloc(DRIP_COLUMNS_MAX, sizeof(*casts));
	struct drip_schema *schema = NULL;
	bool foreign = false;
	struct drip_text wrapped = {0};
	int rc = casts == NULL ? drip_error_nomem(err, DRIP_COLUMNS_MAX * sizeof(*casts))
			       : drip_duck_prepare(s, sql, ret, err);

	if (rc == 0) {
		rc = describe(*ret, casts, &foreign, &schema, err);
		if (rc == 0 && foreign) {
			duckdb_destroy_prepare(ret);
			wrap(sql, schema, casts, &wrapped);
			rc = drip_text_check(&wrapped, err);
			if (rc == 0) {
				rc = drip_duck_prepare(s, wrapped.data, ret, err);
			}
			drip_text_finish(&wrapped);
		}
		if (rc != 0 && *ret != NULL) {
			duckdb_destroy_prepare(ret);
		}
	}
	free(casts);
	if (rc != 0) {
		drip_schema_unref(schema);
		return rc;
	}
	*ret_schema = schema;
	return 0;
}

/* ---- parameters ---- */

static duckdb_hugeint wide(const char *bytes)
{
	duckdb_hugeint h;

	memcpy(&h, bytes, sizeof(h));
	return h;
}

static duckdb_state bind_value(duckdb_prepared_statement p, idx_t i, const struct drip_value *v,
			       const struct drip_column *c)
{
	switch (v->type) {
	case DRIP_TYPE_NONE:
		return duckdb_bind_null(p, i);
	case DRIP_TYPE_BOOL:
		return duckdb_bind_boolean(p, i, v->i != 0);
	case DRIP_TYPE_UINT8:
	case DRIP_TYPE_UINT16:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_UINT64:
		return duckdb_bind_uint64(p, i, v->u);
	case DRIP_TYPE_FLOAT32:
		return duckdb_bind_float(p, i, (float)v->f);
	case DRIP_TYPE_FLOAT64:
		return duckdb_bind_double(p, i, v->f);
	case DRIP_TYPE_DECIMAL:
		return duckdb_bind_decimal(
			p, i,
			(duckdb_decimal){(uint8_t)c->precision, (uint8_t)c->scale, wide(v->data)});
	case DRIP_TYPE_BINARY:
		return duckdb_bind_blob(p, i, v->data, (idx_t)v->size);
	case DRIP_TYPE_UTF8:
	case DRIP_TYPE_JSON:
	case DRIP_TYPE_UUID:
		return duckdb_bind_varchar_length(p, i, v->data, (idx_t)v->size);
	case DRIP_TYPE_DATE:
		return duckdb_bind_date(p, i, (duckdb_date){(int32_t)v->i});
	case DRIP_TYPE_TIME:
		return duckdb_bind_time(p, i, (duckdb_time){v->i});
	case DRIP_TYPE_TIMESTAMP:
		return duckdb_bind_timestamp(p, i, (duckdb_timestamp){v->i});
	case DRIP_TYPE_TIMESTAMP_UTC:
		return duckdb_bind_timestamp_tz(p, i, (duckdb_timestamp){v->i});
	case DRIP_TYPE_DURATION:
		return duckdb_bind_interval(p, i, (duckdb_interval){0, 0, v->i});
	default:
		return duckdb_bind_int64(p, i, v->i);
	}
}

static int bind_parameters(struct drip_duck_session *s, duckdb_prepared_statement statement,
			   const struct drip_batch *bind, struct drip_error *err)
{
	idx_t wanted = duckdb_nparams(statement);
	idx_t given = bind != NULL && bind->rows > 0 ? bind->schema->columns_count : 0;

	if (wanted != given || (bind != NULL && bind->rows > 1)) {
		return drip_error_set(err, -EINVAL, "duckdb.parameters",
				      "the statement takes %llu parameters, %llu are given",
				      (unsigned long long)wanted, (unsigned long long)given);
	}
	for (idx_t i = 0; i < given; i++) {
		struct drip_value value;

		drip_value_get(bind, (uint32_t)i, 0, &value);
		if (bind_value(statement, i + 1, &value,
			       drip_schema_column(bind->schema, (uint32_t)i)) != DuckDBSuccess) {
			return drip_duck_error(s, duckdb_prepare_error(statement),
					       "give the statement its parameters", err);
		}
	}
	return 0;
}

/* ---- the stream ---- */

static void end_result(struct drip_duck_stream *stream)
{
	for (idx_t i = 0; stream->types != NULL && i < stream->types_count; i++) {
		duckdb_destroy_logical_type(&stream->types[i]);
	}
	free(stream->types);
	stream->types = NULL;
	if (stream->has_result) {
		duckdb_destroy_result(&stream->result);
		stream->has_result = false;
	}
	if (stream->session != NULL) {
		stream->session->stream = NULL;
		stream->session = NULL;
	}
}

void drip_duck_stream_detach(struct drip_duck_session *s)
{
	struct drip_duck_stream *stream = s->stream;

	if (stream == NULL) {
		return;
	}
	end_result(stream);
	if (!stream->ended && stream->rc == 0) {
		stream->rc = drip_error_set(
			&stream->error, -ECANCELED, "duckdb.stream_ended",
			"the session ran another statement before the result was read");
	}
}

static int read_chunk(struct drip_duck_stream *stream, duckdb_data_chunk chunk)
{
	int64_t count = (int64_t)duckdb_data_chunk_get_size(chunk);
	int rc = 0;

	for (idx_t i = 0; rc == 0 && i < stream->types_count; i++) {
		rc = drip_duck_read(duckdb_data_chunk_get_vector(chunk, i), stream->types[i], count,
				    drip_schema_column(stream->schema, (uint32_t)i),
				    &stream->builder.columns[i], &stream->error);
	}
	if (rc == 0) {
		stream->builder.rows += count;
	}
	return rc;
}

/* Reads chunks until a batch is full or the result ends. */
static int read_batch(struct drip_duck_stream *stream)
{
	while (stream->builder.rows + DRIP_DUCK_CHUNK <= DRIP_DUCK_BATCH_ROWS &&
	       drip_builder_bytes(&stream->builder) < DRIP_DUCK_BATCH_MAX) {
		duckdb_data_chunk chunk = duckdb_fetch_chunk(stream->result);
		int rc;

		if (chunk == NULL) {
			const char *text = duckdb_result_error(&stream->result);

			if (text != NULL && text[0] != '\0') {
				return drip_duck_error(stream->session, text, "read the result",
						       &stream->error);
			}
			stream->ended = true;
			return 0;
		}
		rc = read_chunk(stream, chunk);
		duckdb_destroy_data_chunk(&chunk);
		if (rc != 0) {
			return rc;
		}
	}
	return 0;
}

static int stream_next(struct ArrowArrayStream *out, struct ArrowArray *ret)
{
	struct drip_duck_stream *stream = out->private_data;
	struct drip_batch *batch;

	ret->release = NULL;
	if (stream->rc == 0 && !stream->ended) {
		stream->rc = read_batch(stream);
	}
	if (stream->rc != 0) {
		end_result(stream);
		return -stream->rc;
	}
	if (stream->builder.rows == 0) {
		end_result(stream);
		return 0;
	}
	stream->rc = drip_builder_build(&stream->builder, &batch, &stream->error);
	if (stream->rc != 0) {
		return -stream->rc;
	}
	*ret = batch->array;
	batch->array.release = NULL;
	drip_batch_unref(batch);
	return 0;
}

static int stream_schema(struct ArrowArrayStream *out, struct ArrowSchema *ret)
{
	struct drip_duck_stream *stream = out->private_data;

	return -drip_schema_to_arrow(stream->schema, ret, &stream->error);
}

static const char *stream_error(struct ArrowArrayStream *out)
{
	struct drip_duck_stream *stream = out->private_data;

	return stream->error.rc != 0 ? stream->error.message : NULL;
}

static void stream_destroy(struct drip_duck_stream *stream)
{
	end_result(stream);
	drip_builder_finish(&stream->builder);
	drip_schema_unref(stream->schema);
	free(stream);
}

static void stream_release(struct ArrowArrayStream *out)
{
	stream_destroy(out->private_data);
	out->release = NULL;
}

/* ---- running ---- */

static int start(struct drip_duck_stream *stream, duckdb_prepared_statement statement,
		 struct drip_error *err)
{
	duckdb_pending_result pending = NULL;
	duckdb_state state = duckdb_pending_prepared_streaming != NULL
				     ? duckdb_pending_prepared_streaming(statement, &pending)
				     : duckdb_pending_prepared(statement, &pending);
	int rc = 0;

	if (state != DuckDBSuccess) {
		rc = drip_duck_error(stream->session, duckdb_pending_error(pending), "run SQL",
				     err);
	} else {
		state = duckdb_execute_pending(pending, &stream->result);
		stream->has_result = true;
		if (state != DuckDBSuccess) {
			rc = drip_duck_error(stream->session, duckdb_result_error(&stream->result),
					     "run SQL", err);
		}
	}
	duckdb_destroy_pending(&pending);
	return rc;
}

/* True where the result has the columns that the prepared statement promised: a table may have
 * changed in between. */
static bool take_types(struct drip_duck_stream *stream)
{
	idx_t count = duckdb_column_count(&stream->result);

	if (count != stream->schema->columns_count) {
		return false;
	}
	stream->types = calloc(count, sizeof(duckdb_logical_type));
	stream->types_count = stream->types != NULL ? count : 0;
	for (idx_t i = 0; i < stream->types_count; i++) {
		const struct drip_column *column = drip_schema_column(stream->schema, (uint32_t)i);
		struct drip_column now = {.type = DRIP_TYPE_NONE};
		const char *cast = NULL;

		stream->types[i] = duckdb_column_logical_type(&stream->result, i);
		drip_duck_column_type(stream->types[i], &now, &cast);
		if (cast != NULL ||
		    drip_type_is_variable(now.type) != drip_type_is_variable(column->type) ||
		    (!drip_type_is_variable(now.type) && now.type != column->type) ||
		    now.precision != column->precision || now.scale != column->scale) {
			return false;
		}
	}
	return stream->types != NULL;
}

/* Makes session->prepared the statement of this text. */
static int prepare_cached(struct drip_duck_session *s, const char *sql, struct drip_error *err)
{
	int rc;

	if (s->prepared != NULL && strcmp(s->prepared_sql, sql) == 0) {
		return 0;
	}
	drip_duck_forget_prepared(s);
	rc = drip_duck_prepare_query(s, sql, &s->prepared, &s->prepared_schema, err);
	if (rc != 0) {
		s->prepared = NULL;
		return rc;
	}
	s->prepared_sql = strdup(sql);
	if (s->prepared_sql == NULL) {
		drip_duck_forget_prepared(s);
		return drip_error_nomem(err, strlen(sql));
	}
	return 0;
}

/* (gives) the running stream. -ESTALE where the prepared statement no longer fits. */
static int open_stream(struct drip_duck_session *s, const struct drip_batch *bind,
		       struct drip_duck_stream **ret, struct drip_error *err)
{
	struct drip_duck_stream *stream;
	int rc = bind_parameters(s, s->prepared, bind, err);

	if (rc != 0) {
		return rc;
	}
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		return drip_error_nomem(err, sizeof(*stream));
	}
	stream->error = (struct drip_error)DRIP_ERROR_INIT;
	stream->schema = drip_schema_ref(s->prepared_schema);
	stream->session = s;
	s->stream = stream;
	rc = start(stream, s->prepared, err);
	if (rc == 0 && !take_types(stream)) {
		rc = drip_error_set_retryable(
			err, -ESTALE, "duckdb.table_changed",
			"could not run SQL: a table changed its columns meanwhile");
	}
	if (rc == 0) {
		rc = drip_builder_init(&stream->builder, stream->schema, err);
	}
	if (rc != 0) {
		stream_destroy(stream);
		return rc;
	}
	*ret = stream;
	return 0;
}

int drip_duck_query(void *session, const char *sql, const struct drip_batch *bind,
		    struct drip_schema **ret_schema, struct ArrowArrayStream *ret_stream,
		    struct drip_error *err)
{
	struct drip_duck_session *s = session;
	struct drip_duck_stream *stream = NULL;
	int rc = drip_duck_session_usable(s, err);

	if (rc != 0) {
		return rc;
	}
	drip_duck_stream_detach(s);
	for (int attempt = 0; attempt < 2; attempt++) {
		rc = prepare_cached(s, sql, err);
		if (rc == 0) {
			rc = open_stream(s, bind, &stream, err);
		}
		if (rc != 0) {
			drip_duck_forget_prepared(s);
		}
		if (rc != -ESTALE) {
			break;
		}
	}
	if (rc != 0) {
		return rc;
	}
	*ret_schema = drip_schema_ref(stream->schema);
	*ret_stream = (struct ArrowArrayStream){
		.get_schema = stream_schema,
		.get_next = stream_next,
		.get_last_error = stream_error,
		.release = stream_release,
		.private_data = stream,
	};
	return 0;
}
