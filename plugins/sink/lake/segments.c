/* SPDX-License-Identifier: Apache-2.0 */
/* Parquet files out of rows and out of other Parquet files, by DuckDB's COPY. Thread: the sink's.
 */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_literal(struct drip_text *t, const char *text)
{
	drip_text_puts(t, "'");
	for (; *text != '\0'; text++) {
		drip_text_put(t, text, 1);
		if (*text == '\'') {
			drip_text_put(t, text, 1);
		}
	}
	drip_text_puts(t, "'");
}

static void put_name(struct lake *l, struct drip_text *t, const char *name)
{
	char quoted[2 * DRIP_NAME_MAX + 3];

	drip_sql_quote(l->sql->dialect(l->object), name, quoted, sizeof(quoted));
	drip_text_puts(t, quoted);
}

static void put_path(struct lake *l, struct drip_text *t, const char *file)
{
	char path[PATH_MAX + LAKE_FILE_MAX];

	snprintf(path, sizeof(path), "%s/%s", l->hidden, file);
	put_literal(t, path);
}

/* Segments too are compressed as the options say: one that makes a file by itself is published as
 * it is. */
static void put_target(struct lake *l, struct drip_text *t, const char *file)
{
	static const char *const names[] = {[LAKE_ZSTD] = "zstd, COMPRESSION_LEVEL 1",
					    [LAKE_SNAPPY] = "snappy",
					    [LAKE_NONE] = "uncompressed"};
	enum lake_compression c = (enum lake_compression)l->config->compression.value;
	char options[128];

	drip_text_puts(t, ") TO ");
	put_path(l, t, file);
	snprintf(options, sizeof(options),
		 " (FORMAT PARQUET, COMPRESSION %s, ROW_GROUP_SIZE %" PRId64 ")", names[c],
		 l->config->row_group_size);
	drip_text_put(t, options, strlen(options) + 1);
}

/* Runs the COPY in l->text and makes its file durable. */
static int copy(struct lake *l, const char *file, int64_t *ret_rows, uint64_t *ret_bytes,
		struct drip_error *err)
{
	int rc = drip_text_check(&l->text, err);

	if (rc == 0) {
		rc = l->sql->execute(l->session, l->text.data, ret_rows, err);
	}
	drip_text_clear(&l->text);
	return rc == 0 ? lake_sync_file(l, file, ret_bytes, err) : rc;
}

static void name_file(struct lake *l, char file[LAKE_FILE_MAX])
{
	snprintf(file, LAKE_FILE_MAX, "%s-%08" PRIu64 ".parquet", l->next.id, ++l->next.files);
}

/* Columns of the group. Parquet's intervals are of milliseconds, so durations are written as
 * integers of microseconds. */
static void put_columns(struct lake *l, const struct lake_group *g)
{
	for (uint32_t i = 0; i < g->extended->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(g->extended, i);
		bool duration = column->type == DRIP_TYPE_DURATION;

		drip_text_puts(&l->text, i == 0 ? "" : ", ");
		drip_text_puts(&l->text, duration ? "epoch_us(" : "");
		put_name(l, &l->text, column->name);
		if (duration) {
			drip_text_puts(&l->text, ") AS ");
			put_name(l, &l->text, column->name);
		}
	}
	if (l->config->changes) {
		drip_text_puts(&l->text, ", ");
		put_name(l, &l->text, l->config->op_column);
	}
}

static void put_day(struct lake *l)
{
	drip_text_puts(&l->text, "coalesce(strftime(CAST(");
	put_name(l, &l->text, l->config->day_column);
	drip_text_puts(&l->text, " AS DATE), '%Y/%m/%d'), '0000/00/00')");
}

/* One file of the group's rows of one day. */
static int write_segment(struct lake *l, struct lake_group *g, const char *day,
			 struct drip_error *err)
{
	struct lake_segment *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	name_file(l, s->file);
	snprintf(s->dir, sizeof(s->dir), "%.1000s/%.15s", g->prefix, day);
	s->hash = g->hash;
	s->since_us = l->ctx->host->wall_us(l->ctx);
	drip_text_clear(&l->text);
	drip_text_puts(&l->text, "COPY (SELECT ");
	put_columns(l, g);
	drip_text_puts(&l->text, " FROM ");
	drip_text_puts(&l->text, g->temp);
	if (l->config->day_column != NULL) {
		drip_text_puts(&l->text, " WHERE ");
		put_day(l);
		drip_text_puts(&l->text, " = ");
		put_literal(&l->text, day);
	}
	put_target(l, &l->text, s->file);
	rc = copy(l, s->file, &s->rows, &s->bytes, err);
	if (rc != 0) {
		free(s);
		return rc;
	}
	lake_manifest_append(&l->next, s);
	return 0;
}

/* (gives) the days of the group's rows, each 16 bytes. */
static int find_days(struct lake *l, struct lake_group *g, char (**ret)[16], size_t *ret_count,
		     struct drip_error *err)
{
	struct drip_schema *schema = NULL;
	struct ArrowArrayStream stream;
	struct ArrowArray array;
	int rc;

	drip_text_clear(&l->text);
	drip_text_puts(&l->text, "SELECT DISTINCT ");
	put_day(l);
	drip_text_puts(&l->text, " AS day FROM ");
	drip_text_puts(&l->text, g->temp);
	drip_text_put(&l->text, " ORDER BY day", sizeof(" ORDER BY day"));
	rc = l->sql->query(l->session, l->text.data, NULL, &schema, &stream, err);
	if (rc != 0) {
		return rc;
	}
	while ((rc = stream.get_next(&stream, &array)) == 0 && array.release != NULL) {
		const int32_t *offsets = array.children[0]->buffers[1];
		const char *data = array.children[0]->buffers[2];
		size_t count = *ret_count + (size_t)array.length;
		char(*grown)[16] =
			count <= LAKE_DATES_MAX ? realloc(*ret, count * sizeof(**ret)) : NULL;

		for (int64_t i = 0; grown != NULL && i < array.length; i++) {
			snprintf(grown[(*ret_count)++], sizeof(**ret), "%.*s",
				 (int)(offsets[i + 1] - offsets[i]), data + offsets[i]);
		}
		*ret = grown != NULL ? grown : *ret;
		array.release(&array);
		if (grown == NULL) {
			rc = count <= LAKE_DATES_MAX ? ENOMEM : E2BIG;
			break;
		}
	}
	stream.release(&stream);
	drip_schema_unref(schema);
	return rc == 0 ? 0
		       : drip_error_set_retryable(err, -rc, "lake.days",
						  "could not list the days of column %s",
						  l->config->day_column);
}

static int write_days(struct lake *l, struct lake_group *g, struct drip_error *err)
{
	char(*days)[16] = NULL;
	size_t count = 0;
	int rc = find_days(l, g, &days, &count, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = write_segment(l, g, days[i], err);
	}
	free(days);
	return rc;
}

int lake_flush_group(struct lake *l, struct lake_group *g, struct drip_error *err)
{
	struct drip_sql_ingest *ingest = g->ingest;
	char drop[80];
	int rc;

	g->ingest = NULL;
	rc = ingest != NULL ? l->sql->ingest_close(ingest, err) : 0;
	if (rc == 0 && g->rows > 0) {
		rc = l->config->day_column != NULL ? write_days(l, g, err)
						   : write_segment(l, g, g->day, err);
	}
	if (rc == 0 && g->made) {
		snprintf(drop, sizeof(drop), "DROP TABLE %s", g->temp);
		rc = l->sql->execute(l->session, drop, NULL, err);
		g->made = false;
	}
	g->rows = 0;
	g->bytes = 0;
	return rc;
}

int lake_merge(struct lake *l, const struct lake_segment *const *segments, size_t count,
	       char ret_file[LAKE_FILE_MAX], uint64_t *ret_bytes, struct drip_error *err)
{
	int64_t want = 0, rows = 0;
	int rc = lake_session(l, err);

	if (rc != 0) {
		return rc;
	}
	l->leftovers = true;
	name_file(l, ret_file);
	drip_text_clear(&l->text);
	drip_text_puts(&l->text, "COPY (SELECT * FROM read_parquet([");
	for (size_t i = 0; i < count; i++) {
		drip_text_puts(&l->text, i == 0 ? "" : ", ");
		put_path(l, &l->text, segments[i]->file);
		want += segments[i]->rows;
	}
	drip_text_puts(&l->text, "], hive_partitioning = false)");
	put_target(l, &l->text, ret_file);
	rc = copy(l, ret_file, &rows, ret_bytes, err);
	if (rc == 0 && rows != want) {
		rc = drip_error_set(err, -EIO, "lake.rows_differ",
				    "merging %zu segments gave %" PRId64
				    " rows instead of %" PRId64,
				    count, rows, want);
	}
	return rc;
}
