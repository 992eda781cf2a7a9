/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queries: the text protocol, read row by row into builders, so that a result is never held in
 * memory. Parameters are put into the statement as literals.
 */
#include "sql.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_ROWS     65536      /* of one array of the stream, at most */
#define ARRAY_BYTES    (8u << 20) /* from which an array is given on */
#define BINARY_CHARSET 63

struct stream {
	struct drip_my_session *session;
	MYSQL_RES *res;
	struct drip_schema *schema;
	struct drip_my_table *table;
	struct drip_my_cell *cells;
	struct drip_my_values values;
	struct drip_builder builder;
	bool ended;
	struct drip_error error;
};

/* Steps over a quoted part or a comment at `p`, under the session's sql_mode; returns p where there
 * is none. */
static const char *skip_part(const MYSQL *m, const char *p)
{
	char quote = *p;

	if (quote == '\'' || quote == '"' || quote == '`') {
		bool name = quote == '`' ||
			    (quote == '"' && (m->server_status & SERVER_STATUS_ANSI_QUOTES) != 0);
		bool escapes =
			!name && (m->server_status & SERVER_STATUS_NO_BACKSLASH_ESCAPES) == 0;

		for (p++; *p != '\0' && *p != quote; p++) {
			p += escapes && *p == '\\' && p[1] != '\0';
		}
		return *p != '\0' ? p + 1 : p;
	}
	if (*p == '#' || (p[0] == '-' && p[1] == '-' && strchr(" \t\r\n", p[2]) != NULL)) {
		return p + strcspn(p, "\n");
	}
	if (p[0] == '/' && p[1] == '*') {
		const char *end = strstr(p + 2, "*/");

		return end != NULL ? end + 2 : p + strlen(p);
	}
	return p;
}

static int bind_parameters(struct drip_my_session *s, const char *sql,
			   const struct drip_batch *bind, struct drip_my_text *t,
			   struct drip_error *err)
{
	uint32_t used = 0;

	while (*sql != '\0') {
		const char *next = skip_part(s->m, sql);

		if (next != sql) {
			drip_my_text_bytes(t, sql, (size_t)(next - sql));
			sql = next;
		} else if (*sql == '?') {
			if (bind == NULL || used >= bind->schema->columns_count) {
				return drip_error_set(err, -EINVAL, "mysql.bad_parameters",
						      "the statement has more parameters than "
						      "values");
			}
			drip_my_literal(t, s->m, bind, used++, 0);
			sql++;
		} else {
			drip_my_text_bytes(t, sql++, 1);
		}
	}
	if (bind != NULL && used != bind->schema->columns_count) {
		return drip_error_set(err, -EINVAL, "mysql.bad_parameters",
				      "the statement has fewer parameters than values");
	}
	return t->failed ? drip_error_nomem(err, t->size) : 0;
}

static void describe_int(const MYSQL_FIELD *f, struct drip_my_column *c)
{
	c->kind = DRIP_MY_INT;
	c->is_unsigned = (f->flags & UNSIGNED_FLAG) != 0;
	c->length = (uint32_t)f->length;
	c->bytes = f->type == MYSQL_TYPE_TINY    ? 1
		   : f->type == MYSQL_TYPE_SHORT ? 2
		   : f->type == MYSQL_TYPE_INT24 ? 3
		   : f->type == MYSQL_TYPE_LONG  ? 4
						 : 8;
}

static void describe_decimal(const MYSQL_FIELD *f, struct drip_my_column *c)
{
	unsigned digits =
		(unsigned)f->length - (f->decimals > 0) - ((f->flags & UNSIGNED_FLAG) == 0);

	c->kind = DRIP_MY_DECIMAL;
	c->precision = (uint8_t)(digits > 65 ? 65 : digits == 0 ? 1 : digits);
	c->scale = (uint8_t)(f->decimals > c->precision ? c->precision : f->decimals);
}

static void describe_text(const MYSQL_FIELD *f, struct drip_my_column *c)
{
	MARIADB_CONST_STRING attr = {0};
	bool binary = f->charsetnr == BINARY_CHARSET;

	c->kind = DRIP_MY_TEXT;
	c->bytes = 4;
	snprintf(c->charset, sizeof(c->charset), "%s", binary ? "binary" : "utf8mb4");
	if (mariadb_field_attr(&attr, f, MARIADB_FIELD_ATTR_FORMAT_NAME) == 0 && attr.length == 4 &&
	    memcmp(attr.str, "json", 4) == 0) {
		c->json = true;
		snprintf(c->charset, sizeof(c->charset), "utf8mb4");
	}
	if (mariadb_field_attr(&attr, f, MARIADB_FIELD_ATTR_DATA_TYPE_NAME) == 0 &&
	    attr.length > 0) {
		if (attr.length == 4 && memcmp(attr.str, "uuid", 4) == 0) {
			c->kind = DRIP_MY_UUID;
			c->charset[0] = '\0';
		} else if (attr.length == 5 && memcmp(attr.str, "inet", 4) == 0) {
			c->kind = DRIP_MY_INET6;
			c->charset[0] = '\0';
		}
	}
}

static void describe_time(const MYSQL_FIELD *f, struct drip_my_column *c)
{
	c->kind = f->type == MYSQL_TYPE_TIME       ? DRIP_MY_TIME
		  : f->type == MYSQL_TYPE_DATETIME ? DRIP_MY_DATETIME
						   : DRIP_MY_TIMESTAMP;
	c->fsp = (uint8_t)(f->decimals <= 6 ? f->decimals : 6);
}

static void describe_field(const MYSQL_FIELD *f, struct drip_my_column *c)
{
	switch (f->type) {
	case MYSQL_TYPE_TINY:
	case MYSQL_TYPE_SHORT:
	case MYSQL_TYPE_INT24:
	case MYSQL_TYPE_LONG:
	case MYSQL_TYPE_LONGLONG:
		describe_int(f, c);
		break;
	case MYSQL_TYPE_FLOAT:
		c->kind = DRIP_MY_FLOAT;
		break;
	case MYSQL_TYPE_DOUBLE:
		c->kind = DRIP_MY_DOUBLE;
		break;
	case MYSQL_TYPE_DECIMAL:
	case MYSQL_TYPE_NEWDECIMAL:
		describe_decimal(f, c);
		break;
	case MYSQL_TYPE_BIT:
		c->kind = DRIP_MY_BIT;
		c->length = (uint32_t)f->length;
		break;
	case MYSQL_TYPE_YEAR:
		c->kind = DRIP_MY_YEAR;
		break;
	case MYSQL_TYPE_DATE:
	case MYSQL_TYPE_NEWDATE:
		c->kind = DRIP_MY_DATE;
		break;
	case MYSQL_TYPE_TIME:
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP:
		describe_time(f, c);
		break;
	case MYSQL_TYPE_GEOMETRY:
		c->kind = DRIP_MY_GEOMETRY;
		break;
	default:
		describe_text(f, c);
		break;
	}
}

/* The columns of the result; a name that comes twice gets a number. */
static int describe_result(struct stream *st, struct drip_error *err)
{
	unsigned count = mysql_num_fields(st->res);
	MYSQL_FIELD *fields = mysql_fetch_fields(st->res);

	st->table = drip_my_table_create("", "");
	if (st->table == NULL) {
		return drip_error_nomem(err, sizeof(*st->table));
	}
	for (unsigned i = 0; i < count; i++) {
		struct drip_my_column c = {.nullable = (fields[i].flags & NOT_NULL_FLAG) == 0};
		char name[300];

		snprintf(name, sizeof(name), "%.256s", fields[i].name);
		for (unsigned k = 2; drip_my_table_find(st->table, name) >= 0; k++) {
			snprintf(name, sizeof(name), "%.256s_%u", fields[i].name, k);
		}
		describe_field(&fields[i], &c);
		c.name = strdup(name);
		if (c.name == NULL || drip_my_table_insert(st->table, i, &c) != 0) {
			return drip_error_nomem(err, sizeof(c));
		}
	}
	return 0;
}

static int make_cells(struct stream *st, struct drip_error *err)
{
	struct drip_schema_builder b;
	char text[128];
	int rc;

	drip_schema_builder_init(&b, "", "");
	for (uint32_t i = 0; i < st->table->count; i++) {
		struct drip_column column;

		drip_my_type_column(&st->table->columns[i], DRIP_MY_ZERO_NULL, &column);
		drip_my_type_text(&st->table->columns[i], text, sizeof(text));
		column.source_type = text;
		column.classification = DRIP_CLASS_INTERNAL;
		drip_schema_builder_add(&b, &column);
	}
	rc = drip_schema_builder_build(&b, &st->schema, err);
	if (rc == 0) {
		rc = drip_builder_init(&st->builder, st->schema, err);
	}
	st->cells = rc == 0 ? calloc(st->table->count, sizeof(*st->cells)) : NULL;
	if (rc == 0 && st->cells == NULL) {
		rc = drip_error_nomem(err, st->table->count * sizeof(*st->cells));
	}
	for (uint32_t i = 0; i < st->table->count && rc == 0; i++) {
		drip_my_cell_text(&st->cells[i], &st->table->columns[i], &st->values);
		st->cells[i].out = &st->builder.columns[i];
	}
	return rc;
}

static void stream_destroy(struct stream *st)
{
	if (st->res != NULL) {
		mysql_free_result(st->res); /* reads what is left of the result */
		st->session->streaming = false;
	}
	drip_builder_finish(&st->builder);
	drip_schema_unref(st->schema);
	drip_my_table_destroy(st->table);
	drip_my_values_finish(&st->values);
	free(st->cells);
	free(st);
}

static int fetch_rows(struct stream *st)
{
	while (st->builder.rows < ARRAY_ROWS &&
	       (st->builder.rows % 64 != 0 || drip_builder_bytes(&st->builder) < ARRAY_BYTES)) {
		MYSQL_ROW row = mysql_fetch_row(st->res);
		unsigned long *lengths;

		if (row == NULL) {
			st->ended = true;
			return mysql_errno(st->session->m) == 0
				       ? 0
				       : drip_my_error(st->session->m, "read a result", &st->error);
		}
		lengths = mysql_fetch_lengths(st->res);
		for (uint32_t i = 0; i < st->table->count; i++) {
			if (row[i] == NULL) {
				drip_append_null(st->cells[i].out);
			} else {
				st->cells[i].append(&st->cells[i], (const uint8_t *)row[i],
						    lengths[i]);
			}
		}
		drip_builder_row(&st->builder, DRIP_OP_READ);
		if (st->values.rc != 0) {
			st->error = st->values.error;
			return st->values.rc;
		}
	}
	return 0;
}

static int stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
	struct stream *st = stream->private_data;
	struct drip_batch *batch;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = st->ended ? 0 : fetch_rows(st);
	if (rc != 0) {
		st->session->failed = true;
		return -rc;
	}
	if (st->builder.rows == 0) {
		return 0; /* a released array: the end */
	}
	rc = drip_builder_build(&st->builder, &batch, &st->error);
	if (rc != 0) {
		return -rc;
	}
	*out = batch->array;
	batch->array.release = NULL; /* moved */
	drip_batch_unref(batch);
	return 0;
}

static int stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
	struct stream *st = stream->private_data;

	return -drip_schema_to_arrow(st->schema, out, &st->error);
}

static const char *stream_error(struct ArrowArrayStream *stream)
{
	struct stream *st = stream->private_data;

	return st->error.rc != 0 ? st->error.message : NULL;
}

static void stream_release(struct ArrowArrayStream *stream)
{
	stream_destroy(stream->private_data);
	stream->release = NULL;
}

static int run(struct drip_my_session *s, const char *sql, const struct drip_batch *bind,
	       struct drip_error *err)
{
	struct drip_my_text text = {0};
	int rc = bind != NULL ? bind_parameters(s, sql, bind, &text, err) : 0;

	if (rc == 0 && mysql_real_query(s->m, bind != NULL ? text.p : sql,
					bind != NULL ? text.size : strlen(sql)) != 0) {
		rc = drip_my_error(s->m, "run a query", err);
	}
	drip_my_text_finish(&text);
	return rc;
}

int drip_my_sql_query(void *session, const char *sql, const struct drip_batch *bind,
		      struct drip_schema **ret_schema, struct ArrowArrayStream *ret_stream,
		      struct drip_error *err)
{
	struct drip_my_session *s = session;
	struct stream *st;
	int rc;

	if (s->streaming) {
		return drip_error_set(err, -EBUSY, "mysql.busy",
				      "the session still reads another result");
	}
	rc = run(s, sql, bind, err);
	if (rc != 0) {
		s->failed = true;
		return rc;
	}
	st = calloc(1, sizeof(*st));
	if (st == NULL) {
		return drip_error_nomem(err, sizeof(*st));
	}
	st->session = s;
	st->error.struct_size = sizeof(st->error);
	drip_my_values_init(&st->values, DRIP_MY_ZERO_NULL);
	st->res = mysql_use_result(s->m);
	if (st->res == NULL) {
		rc = mysql_errno(s->m) != 0 ? drip_my_error(s->m, "run a query", err)
					    : drip_error_set(err, -EINVAL, "mysql.query_failed",
							     "the statement gives no result");
	} else {
		s->streaming = true;
		rc = describe_result(st, err);
	}
	if (rc == 0) {
		rc = make_cells(st, err);
	}
	if (rc != 0) {
		stream_destroy(st);
		return rc;
	}
	*ret_schema = drip_schema_ref(st->schema);
	*ret_stream = (struct ArrowArrayStream){
		.get_schema = stream_schema,
		.get_next = stream_next,
		.get_last_error = stream_error,
		.release = stream_release,
		.private_data = st,
	};
	return 0;
}
