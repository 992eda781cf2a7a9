/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source `file`: CSV, JSON lines and Parquet files of local folders, each once, in the order of
 * their names. The position is the number and path of a file and how many of its rows are done. A
 * row that cannot be read goes to the on_error policy. One thread but for interrupt.
 */
#include "file.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE    "@duckdb"
#define ROWS_DONE UINT64_MAX /* in place of a row: all of the file */

struct file_source {
	struct drip_ctx *ctx;
	const struct file_config *config;
	const struct drip_sql *sql;
	void *object;
	pthread_mutex_t lock; /* guards session, for interrupt */
	void *session;        /* of the file under way, NULL between files */

	char **files;
	size_t files_count, at; /* at: file under way or next */
	uint64_t number;        /* of that file, counted over restarts */
	uint64_t rows;          /* of it that are done, bad ones included */
	uint64_t skip;          /* rows to pass over after a restart */
	struct drip_schema *schema, *rejects;
	struct ArrowArrayStream stream; /* release NULL: none */
	struct drip_schema *yielded;
	struct drip_position *cuts;
	size_t cuts_count;
};

static const struct drip_enum_value formats[] = {
	{"auto", FILE_AUTO, "By the ending: .csv, .tsv, .json, .jsonl, .ndjson, .parquet, .pq."},
	{"csv", FILE_CSV, "CSV."},
	{"json", FILE_JSON, "One JSON object a line."},
	{"parquet", FILE_PARQUET, "Parquet."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct file_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(path,
	    .help = "File to read, or a pattern with *, ? and []. Local files only; text may be "
		    "compressed with gzip or zstd.",
	    .example = "in/orders-*.csv", .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_PATH),
	OPT(format, .help = "Format of the files.", .default_text = "auto", .values = formats),
	OPT(name, .help = "Name of the table that is yielded.", .default_text = "files"),
	OPT(database, .help = "Database of the table that is yielded.", .default_text = ""),
	OPT(columns,
	    .help = "Columns to read, with their types. Default: those that each file has, their "
		    "types told from its first rows.",
	    .example = "{id: int64, paid_at: timestamp_utc}"),
	OPT(keys, .help = "Primary key of what is yielded."),
	OPT(header, .help = "CSV files begin with the names of their columns.",
	    .default_text = "true"),
	OPT(delimiter, .help = "Between the fields of CSV. Default: told from the file.",
	    .example = "\";\""),
	OPT(null_text, .help = "Text of CSV that stands for null. Default: an empty field."),
	OPT(hive, .help = "Folders named column=value are columns too.", .default_text = "false"),
	{.struct_size = sizeof(struct drip_option),
	 .name = "class",
	 .type = DRIP_OPTION_STRING,
	 .offset = offsetof(struct file_config, classification),
	 .help = "Class of all columns: public, internal, confidential or restricted.",
	 .default_text = "internal"},
	OPT(batch_rows, .help = "Rows of one batch, at most.", .default_text = "16384",
	    .unit = "rows", .min = 1, .max = FILE_BATCH_MAX, .flags = DRIP_OPTION_ADVANCED),
};

static int check_config(const struct file_config *c, struct drip_error *err)
{
	struct drip_schema *declared = NULL, *schema;
	int rc;

	if (strstr(c->path, "://") != NULL || strlen(c->path) > FILE_PATH_LIMIT) {
		rc = drip_error_set(err, -EINVAL, "file.bad_path",
				    "path '%.100s' is not that of a local file", c->path);
		drip_error_option(err, "path");
		return rc;
	}
	if (file_format_of(c, c->path) == FILE_AUTO) {
		rc = drip_error_set(err, -EINVAL, "file.unknown_format",
				    "cannot tell the format of '%.100s' from its ending", c->path);
		drip_error_hint(err, "Set format.");
		drip_error_option(err, "format");
		return rc;
	}
	rc = file_declared(c, &declared, err);
	if (rc == 0 && declared != NULL) {
		rc = file_schema(c, declared, &schema, err);
		drip_schema_unref(declared);
		if (rc == 0) {
			drip_schema_unref(schema);
		}
	}
	return rc;
}

static int file_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	struct drip_error finding = DRIP_ERROR_INIT;

	if (check_config(config, &finding) != 0) {
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

static void set_session(struct file_source *f, void *session)
{
	pthread_mutex_lock(&f->lock);
	f->session = session;
	pthread_mutex_unlock(&f->lock);
}

static void end_file(struct file_source *f)
{
	void *session = f->session;

	if (f->stream.release != NULL) {
		f->stream.release(&f->stream);
		f->stream.release = NULL;
	}
	drip_schema_unref(f->yielded);
	f->yielded = NULL;
	set_session(f, NULL);
	if (session != NULL) {
		f->sql->session_close(session);
	}
}

static void file_stop(void *self)
{
	end_file(self);
}

static void file_close(void *self)
{
	struct file_source *f = self;

	end_file(f);
	if (f->sql != NULL) {
		f->ctx->host->connection_put(f->ctx, ENGINE, DRIP_SQL_INTERFACE, f->object);
	}
	file_list_free(f->files, f->files_count);
	drip_schema_unref(f->schema);
	drip_schema_unref(f->rejects);
	pthread_mutex_destroy(&f->lock);
	free(f->cuts);
	free(f);
}

/* What a rejected row looks like: it has no columns that could be told. */
static int make_rejects(struct file_source *f, struct drip_error *err)
{
	struct drip_column column = {.struct_size = sizeof(column), .type = DRIP_TYPE_UTF8};
	struct drip_schema_builder b;
	int rc;

	drip_schema_builder_init(&b, f->config->database, f->config->name);
	rc = drip_class_parse(f->config->classification, &column.classification);
	column.name = "file";
	drip_schema_builder_add(&b, &column);
	column.name = "text";
	column.flags = DRIP_COLUMN_NULLABLE;
	drip_schema_builder_add(&b, &column);
	if (rc != 0) {
		drip_schema_builder_finish(&b);
		return drip_error_set(err, rc, "file.bad_class", "no such class: '%s'",
				      f->config->classification);
	}
	return drip_schema_builder_build(&b, &f->rejects, err);
}

static int file_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct file_source *f;
	const void *interface;
	int rc = check_config(config, err);

	if (rc != 0) {
		return rc;
	}
	f = calloc(1, sizeof(*f));
	if (f == NULL) {
		return drip_error_nomem(err, sizeof(*f));
	}
	f->ctx = ctx;
	f->config = config;
	pthread_mutex_init(&f->lock, NULL);
	rc = make_rejects(f, err);
	if (rc == 0) {
		rc = ctx->host->connection_get(ctx, ENGINE, DRIP_SQL_INTERFACE, &interface,
					       &f->object, err);
	}
	if (rc != 0) {
		file_close(f);
		return rc;
	}
	f->sql = interface;
	*ret_self = f;
	return 0;
}

static void file_interrupt(void *self)
{
	struct file_source *f = self;

	pthread_mutex_lock(&f->lock);
	if (f->session != NULL) {
		f->sql->interrupt(f->session);
	}
	pthread_mutex_unlock(&f->lock);
}

/* (gives) the schema of the rows of a file: as declared, or as DuckDB finds it. */
static int find_schema(const struct file_config *config, const struct drip_sql *sql, void *session,
		       const char *path, struct drip_schema **ret, struct drip_error *err)
{
	struct ArrowArrayStream stream = {.release = NULL};
	struct drip_schema *columns = NULL;
	char *text;
	int rc = file_declared(config, &columns, err);

	if (rc == 0 && columns == NULL) {
		rc = file_sniff_text(config, path, &text, err);
		if (rc != 0) {
			return rc;
		}
		rc = sql->query(session, text, NULL, &columns, &stream, err);
		free(text);
		if (rc != 0) {
			drip_error_place(err, "%s", path);
			return rc;
		}
		stream.release(&stream);
	}
	if (rc == 0) {
		rc = file_schema(config, columns, ret, err);
		drip_schema_unref(columns);
	}
	return rc;
}

static int sniff_first(struct drip_ctx *ctx, const struct file_config *config, const char *path,
		       struct drip_schema **ret, struct drip_error *err)
{
	const struct drip_sql *sql;
	const void *interface;
	void *object, *session;
	int rc = ctx->host->connection_get(ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &object,
					   err);

	if (rc != 0) {
		return rc;
	}
	sql = interface;
	rc = sql->session_open(object, &session, err);
	if (rc == 0) {
		rc = find_schema(config, sql, session, path, ret, err);
		sql->session_close(session);
	}
	ctx->host->connection_put(ctx, ENGINE, DRIP_SQL_INTERFACE, object);
	return rc;
}

static int file_describe(struct drip_ctx *ctx, const void *config, bool connect,
			 struct drip_schema_list *list, struct drip_error *err)
{
	const struct file_config *c = config;
	struct drip_schema *columns = NULL, *schema = NULL;
	char **files = NULL;
	size_t count = 0;
	int rc = file_declared(c, &columns, err);

	if (rc == 0 && columns != NULL) {
		rc = file_schema(c, columns, &schema, err);
		drip_schema_unref(columns);
	} else if (rc == 0 && connect) {
		rc = file_list(c->path, &files, &count, err);
		if (rc == 0 && count > 0) {
			rc = sniff_first(ctx, c, files[0], &schema, err);
		}
		file_list_free(files, count);
	}
	if (rc == 0 && schema != NULL) {
		rc = list->add(list, schema, err);
	}
	drip_schema_unref(schema);
	return rc;
}

static uint64_t order_at(const struct drip_position *p, int at)
{
	uint64_t v = 0;

	for (int i = at; i < at + 8; i++) {
		v = v << 8 | p->order[i];
	}
	return v;
}

static int resume(struct file_source *f, const struct drip_position *p, struct drip_error *err)
{
	char path[FILE_PATH_LIMIT + 1];

	if (p->order_size != 16 || p->detail_size > FILE_PATH_LIMIT) {
		return drip_error_set(err, -EINVAL, "file.bad_position",
				      "position '%.100s' is not one of this source", p->text);
	}
	memcpy(path, p->detail, p->detail_size);
	path[p->detail_size] = '\0';
	f->number = order_at(p, 0);
	while (f->at < f->files_count && strcmp(f->files[f->at], path) < 0) {
		f->at++;
	}
	if (f->at < f->files_count && strcmp(f->files[f->at], path) == 0) {
		f->skip = order_at(p, 8);
	}
	if (f->skip == ROWS_DONE) {
		f->at++;
		f->skip = 0;
		f->number++;
	} else if (f->skip == 0) {
		f->number++; /* it is gone, and others come */
	}
	return 0;
}

static int file_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct file_source *f = self;
	int rc;

	end_file(f);
	file_list_free(f->files, f->files_count);
	f->files = NULL;
	f->files_count = f->at = 0;
	f->number = f->rows = f->skip = 0;
	rc = file_list(f->config->path, &f->files, &f->files_count, err);
	if (rc == 0 && start->from_count > 0) {
		rc = resume(f, &start->from[0], err);
	}
	if (rc != 0) {
		return rc;
	}
	free(f->cuts);
	f->cuts_count = 0;
	f->cuts = calloc(start->cuts_count + 1, sizeof(*f->cuts));
	if (f->cuts == NULL) {
		return drip_error_nomem(err, (start->cuts_count + 1) * sizeof(*f->cuts));
	}
	if (start->cuts_count != 0) {
		memcpy(f->cuts, start->cuts, start->cuts_count * sizeof(*f->cuts));
	}
	f->cuts_count = start->cuts_count;
	return 0;
}

static int begin_file(struct file_source *f, struct drip_error *err)
{
	const char *path = f->files[f->at];
	struct drip_schema *schema;
	void *session = NULL;
	char *text;
	int rc = f->sql->session_open(f->object, &session, err);

	if (rc != 0) {
		return rc;
	}
	set_session(f, session);
	rc = find_schema(f->config, f->sql, session, path, &schema, err);
	if (rc != 0) {
		return rc;
	}
	if (f->schema != NULL && drip_schema_equal(f->schema, schema)) {
		drip_schema_unref(schema);
	} else {
		drip_schema_unref(f->schema);
		f->schema = schema;
	}
	rc = file_read_text(f->config, f->sql->dialect(f->object), path, f->schema, &text, err);
	if (rc != 0) {
		return rc;
	}
	rc = f->sql->query(session, text, NULL, &f->yielded, &f->stream, err);
	free(text);
	if (rc != 0) {
		f->stream.release = NULL;
		f->yielded = NULL;
		drip_error_place(err, "%s", path);
	}
	f->rows = 0;
	return rc;
}

/* Hands one row to the on_error policy, as the text that the file has. */
static int reject_text(struct file_source *f, const char *text, int64_t size,
		       const struct drip_error *reason, struct drip_error *err)
{
	const char *path = f->files[f->at];
	struct drip_batch *row;
	struct drip_builder b;
	int rc = drip_builder_init(&b, f->rejects, err);

	if (rc != 0) {
		return rc;
	}
	drip_append_bytes(&b.columns[0], path, (int64_t)strlen(path));
	if (text != NULL) {
		drip_append_bytes(&b.columns[1], text, size);
	} else {
		drip_append_null(&b.columns[1]);
	}
	drip_builder_row(&b, DRIP_OP_READ);
	rc = drip_builder_build(&b, &row, err);
	drip_builder_finish(&b);
	if (rc == 0) {
		rc = drip_reject(f->ctx, row, 0, reason, err);
		drip_batch_unref(row);
	}
	return rc;
}

static int reject_row(struct file_source *f, const struct drip_batch *batch, int64_t row,
		      int64_t column, struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	struct drip_value raw;

	drip_value_get(batch, batch->schema->columns_count - 1, row, &raw);
	if (column < 0) {
		drip_error_set(&reason, -EINVAL, "file.malformed_row",
			       "the line is not a JSON object");
	} else {
		char type[64];
		const struct drip_column *c = drip_schema_column(f->schema, (uint32_t)column);

		drip_type_name(c, type, sizeof(type));
		drip_error_set(&reason, -EINVAL, "file.bad_value", "column '%s' is not a %s",
			       c->name, type);
	}
	drip_error_place(&reason, "%s, row %" PRIu64, f->files[f->at], f->rows + 1 + (uint64_t)row);
	return reject_text(f, raw.type != DRIP_TYPE_NONE ? raw.data : NULL, raw.size, &reason, err);
}

/* (gives) `batch` without its last two columns, under the schema of emitted rows. */
static int strip(struct file_source *f, const struct drip_batch *batch, struct drip_batch **ret,
		 struct drip_error *err)
{
	uint32_t count = f->schema->columns_count, done = 0;
	struct ArrowArray *columns = calloc(count + 1, sizeof(*columns));
	int rc = columns == NULL ? drip_error_nomem(err, (count + 1) * sizeof(*columns)) : 0;

	while (rc == 0 && done < count) {
		rc = drip_column_share(batch, done, &columns[done], err);
		done += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, f->schema, columns, ret, err);
	} else {
		while (done-- > 0) {
			columns[done].release(&columns[done]);
		}
	}
	free(columns);
	return rc;
}

static void put_position(struct file_source *f, struct drip_batch *batch)
{
	struct drip_position *p = &batch->position;
	const char *path = f->files[f->at], *slash = strrchr(path, '/');

	p->order_size = 0;
	drip_position_add_u64(p, f->number);
	drip_position_add_u64(p, f->rows);
	p->detail_size = (uint16_t)strlen(path);
	memcpy(p->detail, path, p->detail_size);
	path = slash != NULL ? slash + 1 : path;
	if (f->rows == ROWS_DONE) {
		snprintf(p->text, sizeof(p->text), "%.100s, all", path);
	} else {
		snprintf(p->text, sizeof(p->text), "%.100s, row %" PRIu64, path, f->rows);
	}
	batch->boundary = true;
	batch->commit_time_us = f->ctx->host->wall_us(f->ctx);
}

/* Rejects bad rows of a slice (borrowed), emits the others. */
static int emit_slice(struct file_source *f, const struct drip_batch *slice, struct drip_error *err)
{
	uint32_t bad_column = slice->schema->columns_count - 2;
	const struct ArrowArray *bad = slice->array.children[bad_column];
	int64_t *rows = malloc(((size_t)slice->rows + 1) * sizeof(*rows)), count = 0;
	struct drip_batch *batch;
	int rc = rows == NULL ? drip_error_nomem(err, (size_t)slice->rows * sizeof(*rows)) : 0;

	for (int64_t i = 0; rc == 0 && i < slice->rows; i++) {
		if (drip_is_null(bad, i)) {
			rows[count++] = i;
		} else {
			struct drip_value v;

			drip_value_get(slice, bad_column, i, &v);
			rc = reject_row(f, slice, i, v.i, err);
		}
	}
	if (rc == 0) {
		rc = strip(f, slice, &batch, err);
	}
	if (rc == 0) {
		f->rows += (uint64_t)slice->rows;
		put_position(f, batch);
		rc = drip_emit_rows(f->ctx, batch, rows, count, err);
	}
	free(rows);
	return rc;
}

/* Rows that the next batch may have, of `left`. */
static int64_t room_for(const struct file_source *f, int64_t left)
{
	int64_t rows = left < f->config->batch_rows ? left : f->config->batch_rows;

	for (size_t i = 0; i < f->cuts_count; i++) {
		uint64_t row = order_at(&f->cuts[i], 8);

		if (f->cuts[i].order_size == 16 && order_at(&f->cuts[i], 0) == f->number &&
		    row > f->rows && row - f->rows < (uint64_t)rows) {
			rows = (int64_t)(row - f->rows);
		}
	}
	return rows;
}

/* Emits an array of the stream (takes). */
static int emit_array(struct file_source *f, struct ArrowArray *array, struct drip_error *err)
{
	struct drip_batch *batch, *slice;
	int64_t at = 0;
	int rc = drip_batch_create(f->yielded, array, NULL, DRIP_OP_READ, &batch, err);

	if (rc != 0) {
		return rc;
	}
	if (f->skip > f->rows) {
		uint64_t skip = f->skip - f->rows;

		at = skip < (uint64_t)batch->rows ? (int64_t)skip : batch->rows;
		f->rows += (uint64_t)at;
	}
	while (rc == 0 && at < batch->rows) {
		int64_t rows = room_for(f, batch->rows - at);

		rc = drip_batch_slice(batch, at, rows, &slice, err);
		if (rc == 0) {
			rc = emit_slice(f, slice, err);
			drip_batch_unref(slice);
		}
		at += rows;
	}
	drip_batch_unref(batch);
	return rc;
}

static int reject_line(struct file_source *f, const struct drip_batch *lines, int64_t row,
		       struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	struct drip_value line, csv;

	drip_value_get(lines, 0, row, &line);
	drip_value_get(lines, 1, row, &csv);
	drip_error_set(&reason, -EINVAL, "file.malformed_row",
		       "the line does not have the fields of the others");
	drip_error_place(&reason, "%s:%" PRId64, f->files[f->at], line.i);
	return reject_text(f, csv.type != DRIP_TYPE_NONE ? csv.data : NULL, csv.size, &reason, err);
}

static int read_failed(struct file_source *f, int rc, struct drip_error *err)
{
	const char *text = f->stream.get_last_error(&f->stream);

	return drip_error_set(err, -rc, "file.unreadable", "could not read '%s': %s",
			      f->files[f->at], text != NULL ? text : strerror(rc));
}

/* Lines of CSV that DuckDB could not split into fields: it keeps them in a table of the session. */
static int reject_lines(struct file_source *f, struct drip_error *err)
{
	static const char text[] = "SELECT DISTINCT line::BIGINT AS line, csv_line FROM "
				   "reject_errors ORDER BY line";
	int rc;

	if (file_format_of(f->config, f->files[f->at]) != FILE_CSV) {
		return 0;
	}
	drip_schema_unref(f->yielded);
	f->yielded = NULL;
	rc = f->sql->query(f->session, text, NULL, &f->yielded, &f->stream, err);
	if (rc != 0) {
		f->stream.release = NULL;
		return rc;
	}
	for (;;) {
		struct ArrowArray array = {.release = NULL};
		struct drip_batch *lines;

		rc = f->stream.get_next(&f->stream, &array);
		if (rc != 0 || array.release == NULL) {
			return rc != 0 ? read_failed(f, rc, err) : 0;
		}
		rc = drip_batch_create(f->yielded, &array, NULL, DRIP_OP_READ, &lines, err);
		for (int64_t i = 0; rc == 0 && i < lines->rows; i++) {
			rc = reject_line(f, lines, i, err);
		}
		if (rc != 0) {
			return rc;
		}
		drip_batch_unref(lines);
	}
}

/* The boundary that says that a file is done, its malformed lines included. */
static int emit_end(struct file_source *f, struct drip_error *err)
{
	struct drip_batch *mark;
	int rc = drip_batch_create_control(DRIP_BATCH_MARK, NULL, &mark, err);

	if (rc == 0) {
		f->rows = ROWS_DONE;
		put_position(f, mark);
		rc = drip_emit(f->ctx, mark, err);
	}
	return rc;
}

static int next_file(struct file_source *f, struct drip_error *err)
{
	int rc;

	f->stream.release(&f->stream);
	f->stream.release = NULL;
	rc = reject_lines(f, err);
	if (rc == 0) {
		rc = emit_end(f, err);
	}
	end_file(f);
	f->at++;
	f->number++;
	f->skip = 0;
	return rc;
}

static int file_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct file_source *f = self;
	struct ArrowArray array = {.release = NULL};
	int rc;

	if (f->at == f->files_count) {
		return DRIP_POLL_END;
	}
	if (f->stream.release == NULL) {
		rc = begin_file(f, err);
		if (rc != 0) {
			end_file(f);
			return rc;
		}
	}
	rc = f->stream.get_next(&f->stream, &array);
	if (rc != 0) {
		rc = read_failed(f, rc, err);
		end_file(f);
		return rc;
	}
	if (array.release == NULL) {
		rc = next_file(f, err);
		return rc != 0 ? rc : f->at == f->files_count ? DRIP_POLL_END : DRIP_POLL_MORE;
	}
	f->ctx->host->progress(f->ctx, f->config->name, f->at, f->files_count);
	rc = emit_array(f, &array, err);
	return rc != 0 ? rc : DRIP_POLL_MORE;
}

static int file_dataset(void *self, const struct drip_schema *schema, char *ret_namespace,
			char *ret_name, size_t size)
{
	struct file_source *f = self;

	snprintf(ret_namespace, size, "file");
	snprintf(ret_name, size, "%s", f->config->path);
	return 0;
}

static const struct drip_source_ops ops = {
	.struct_size = sizeof(ops),
	.check = file_check,
	.open = file_open,
	.close = file_close,
	.interrupt = file_interrupt,
	.describe = file_describe,
	.start = file_start,
	.poll = file_poll,
	.stop = file_stop,
	.dataset = file_dataset,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SOURCE,
	.name = "file",
	.summary = "CSV, JSON lines and Parquet files of local folders",
	.description =
		"Reads the files that match a pattern in the order of their names, each once, "
		"then ends. A later run goes on with files whose names come behind.",
	.schema_notes = "The columns that are declared, or those of each file.",
	.guarantees =
		"In the order of names and rows; resumes at a row. A value that does not fit its "
		"type, or a line that cannot be read, goes to the on_error policy. A file must "
		"not change; a file that comes later with a "
		"name before the last one is not read.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_BOUNDED | DRIP_CAP_REPLAY,
	.config_size = sizeof(struct file_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("file-source", DRIP_SDK_VERSION, "Source that reads local files", &component);
