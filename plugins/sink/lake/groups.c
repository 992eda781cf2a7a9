/* SPDX-License-Identifier: Apache-2.0 */
/* Rows on their way in: which group they belong to, and the group's temporary table. Thread: the
 * sink's. */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const zones[] = {
	[LAKE_RAW] = "raw", [LAKE_PROCESSED] = "processed", [LAKE_CURATED] = "curated",
	[LAKE_ML] = "ml",   [LAKE_ARCHIVE] = "archive",
};

int lake_session(struct lake *l, struct drip_error *err)
{
	void *session = NULL;
	int rc;

	if (l->session != NULL) {
		return 0;
	}
	rc = l->sql->session_open(l->object, &session, err);
	pthread_mutex_lock(&l->lock);
	l->session = session;
	pthread_mutex_unlock(&l->lock);
	return rc;
}

/* Replaces {database} and {table}, each encoded to be a part of a path. */
static int expand(const char *template, const struct drip_schema *schema, struct drip_text *out)
{
	char part[256];

	while (*template != '\0') {
		bool table = strncmp(template, "{table}", 7) == 0;
		bool database = strncmp(template, "{database}", 10) == 0;

		if (!table && !database) {
			drip_text_put(out, template ++, 1);
			continue;
		}
		if (lake_encode(table ? schema->table : schema->database, part, sizeof(part)) !=
		    0) {
			return -EINVAL;
		}
		drip_text_puts(out, part);
		template += table ? 7 : 10;
	}
	drip_text_put(out, "", 1);
	return out->rc;
}

static bool is_safe_path(const char *path)
{
	while (*path != '\0') {
		size_t n = strcspn(path, "/");

		if (n == 0 || n > 240 || path[0] == '.') {
			return false;
		}
		path += n + (path[n] == '/' ? 1 : 0);
		if (path[0] == '\0' && path[-1] == '/') {
			return false;
		}
	}
	return true;
}

int lake_prefix(const struct lake_config *config, const struct drip_schema *schema, char *buf,
		size_t size, struct drip_error *err)
{
	struct drip_text t = {0};
	int rc = expand(config->table, schema, &t);

	if (rc == 0 &&
	    (t.size <= 1 || !is_safe_path(t.data) ||
	     snprintf(buf, size, "%s/%s", zones[config->zone.value], t.data) >= (int)size - 16)) {
		rc = -EINVAL;
	}
	drip_text_finish(&t);
	if (rc != 0) {
		drip_error_set(
			err, -EINVAL, "lake.bad_path",
			"the folder of table %s is not a path below the zone, or is too long",
			schema->table);
		drip_error_option(err, "table");
		rc = -EINVAL;
	}
	return rc;
}

int lake_extend(const struct lake_config *config, const struct drip_schema *schema,
		struct drip_schema **ret, struct drip_error *err)
{
	struct drip_column sequence = {.struct_size = sizeof(sequence),
				       .type = DRIP_TYPE_INT64,
				       .name = config->sequence_column};
	struct drip_column time = {.struct_size = sizeof(time),
				   .type = DRIP_TYPE_TIMESTAMP_UTC,
				   .name = config->commit_time_column};
	struct drip_schema_builder b;
	int rc;

	drip_schema_builder_from(&b, schema);
	if (config->changes) {
		drip_schema_builder_add(&b, &sequence);
		drip_schema_builder_add(&b, &time);
	}
	rc = drip_schema_builder_build(&b, ret, err);
	if (rc == -EINVAL) {
		drip_error_hint(
			err,
			"A column of table %s is called like one that the sink adds; rename "
			"it, or set the sink's *_column options.",
			schema->table);
	}
	return rc;
}

/* Names and types, in order: files of equal hashes can be merged. */
static uint64_t hash_schema(const struct drip_schema *schema)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	char text[DRIP_NAME_MAX + 80];

	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);
		char type[64];

		drip_type_name(column, type, sizeof(type));
		snprintf(text, sizeof(text), "%s\n%s\n", column->name, type);
		for (const char *p = text; *p != '\0'; p++) {
			h = (h ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
		}
	}
	return h;
}

static void day_of(int64_t us, char *buf, size_t size)
{
	time_t seconds = (time_t)(us / 1000000 - (us % 1000000 < 0));
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL || strftime(buf, size, "%Y/%m/%d", &tm) == 0) {
		snprintf(buf, size, "0000/00/00");
	}
}

static int64_t commit_time(struct lake *l, const struct drip_batch *batch)
{
	return batch->commit_time_us != 0 ? batch->commit_time_us : l->ctx->host->wall_us(l->ctx);
}

static void group_destroy(struct lake *l, struct lake_group *g)
{
	if (g->ingest != NULL) {
		int ignored = l->sql->ingest_close(g->ingest, NULL);

		(void)ignored;
	}
	drip_schema_unref(g->schema);
	drip_schema_unref(g->extended);
	free(g);
}

void lake_groups_destroy(struct lake *l)
{
	while (l->groups != NULL) {
		struct lake_group *g = l->groups;

		l->groups = g->next;
		group_destroy(l, g);
	}
}

static int group_create(struct lake *l, const struct drip_schema *schema, const char *day,
			struct lake_group **ret, struct drip_error *err)
{
	struct lake_group *g = calloc(1, sizeof(*g));
	int rc;

	if (g == NULL) {
		return drip_error_nomem(err, sizeof(*g));
	}
	g->schema = drip_schema_ref(schema);
	snprintf(g->day, sizeof(g->day), "%s", day);
	snprintf(g->temp, sizeof(g->temp), "_dripline_lake_%u", l->groups_count++);
	rc = lake_prefix(l->config, schema, g->prefix, sizeof(g->prefix), err);
	if (rc == 0) {
		rc = lake_extend(l->config, schema, &g->extended, err);
	}
	if (rc == 0 && l->config->day_column != NULL &&
	    drip_schema_find(schema, l->config->day_column) < 0) {
		rc = drip_error_set(err, -EINVAL, "lake.no_day_column", "table %s has no column %s",
				    schema->table, l->config->day_column);
	}
	if (rc != 0) {
		group_destroy(l, g);
		return rc;
	}
	g->hash = hash_schema(g->extended);
	g->next = l->groups;
	l->groups = g;
	*ret = g;
	return 0;
}

static int find_group(struct lake *l, const struct drip_batch *batch, struct lake_group **ret,
		      struct drip_error *err)
{
	char day[16] = "";

	if (l->config->day_column == NULL) {
		day_of(l->config->day.value == LAKE_DAY_LOAD ? l->ctx->host->wall_us(l->ctx)
							     : commit_time(l, batch),
		       day, sizeof(day));
	}
	for (struct lake_group *g = l->groups; g != NULL; g = g->next) {
		if (strcmp(g->day, day) == 0 &&
		    (g->schema == batch->schema ||
		     (strcmp(g->schema->table, batch->schema->table) == 0 &&
		      strcmp(g->schema->database, batch->schema->database) == 0 &&
		      drip_schema_equal(g->schema, batch->schema)))) {
			*ret = g;
			return 0;
		}
	}
	return group_create(l, batch->schema, day, ret, err);
}

/* Creates the group's table and opens the load into it. */
static int open_group(struct lake *l, struct lake_group *g, struct drip_error *err)
{
	const struct drip_sql_dialect *dialect = l->sql->dialect(l->object);
	char name[2 * DRIP_NAME_MAX + 3], type[64];
	int rc;

	if (g->ingest != NULL) {
		return 0;
	}
	if (!g->made) {
		drip_text_clear(&l->text);
		drip_text_puts(&l->text, "CREATE TEMP TABLE ");
		drip_text_puts(&l->text, g->temp);
		for (uint32_t i = 0; i < g->extended->columns_count; i++) {
			const struct drip_column *column = drip_schema_column(g->extended, i);

			if (dialect->type_name(column, type, sizeof(type)) != 0) {
				return drip_error_set(
					err, -ENOTSUP, "config.wrong_connection",
					"column %s has a type that Parquet files lack",
					column->name);
			}
			drip_sql_quote(dialect, column->name, name, sizeof(name));
			drip_text_puts(&l->text, i == 0 ? "(" : ", ");
			drip_text_puts(&l->text, name);
			drip_text_puts(&l->text, " ");
			drip_text_puts(&l->text, type);
		}
		if (l->config->changes) {
			drip_sql_quote(dialect, l->config->op_column, name, sizeof(name));
			drip_text_puts(&l->text, ", ");
			drip_text_puts(&l->text, name);
			drip_text_puts(&l->text, " VARCHAR");
		}
		drip_text_put(&l->text, ")", 2);
		rc = drip_text_check(&l->text, err);
		if (rc == 0) {
			rc = l->sql->execute(l->session, l->text.data, NULL, err);
		}
		if (rc != 0) {
			return rc;
		}
		g->made = true;
	}
	return l->sql->ingest_open(l->session, "temp", g->temp, g->extended,
				   l->config->changes ? l->config->op_column : NULL, NULL,
				   &g->ingest, err);
}

static bool keeps(enum drip_op op, void *data)
{
	const struct lake *l = data;

	return l->config->changes || (op != DRIP_OP_DELETE && op != DRIP_OP_BEFORE);
}

/* (gives) the rows that go in; NULL where none do. Without `changes` deletes and the rows before
 * updates are left out. */
static int select_rows(struct lake *l, const struct drip_batch *batch, struct drip_batch **ret,
		       struct drip_error *err)
{
	int64_t left;
	int rc = drip_batch_keep_ops(batch, keeps, l, ret, &left, err);

	if (rc == 0 && left > 0) {
		l->ctx->host->filtered(l->ctx, left);
	}
	return rc;
}

/* (gives) `batch` with sequence and commit time behind. */
static int extend(struct lake *l, const struct lake_group *g, const struct drip_batch *batch,
		  struct drip_batch **ret, struct drip_error *err)
{
	uint32_t given = batch->schema->columns_count, i = 0;
	struct ArrowArray *columns = calloc(given + 2, sizeof(*columns));
	int rc = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, (given + 2) * sizeof(*columns));
	}
	while (i < given && rc == 0) {
		rc = drip_column_share(batch, i, &columns[i], err);
		i += rc == 0;
	}
	if (rc == 0) {
		rc = drip_column_count_up(DRIP_TYPE_INT64, l->next.sequence, 1, batch->rows,
					  &columns[i], err);
		i += rc == 0;
	}
	if (rc == 0) {
		rc = drip_column_count_up(DRIP_TYPE_TIMESTAMP_UTC, commit_time(l, batch), 0,
					  batch->rows, &columns[i], err);
		i += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, g->extended, columns, ret, err);
	} else {
		while (i-- > 0) {
			columns[i].release(&columns[i]);
		}
	}
	free(columns);
	return rc;
}

static int load(struct lake *l, struct lake_group *g, const struct drip_batch *batch,
		struct drip_error *err)
{
	struct drip_batch *extended = NULL;
	int rc = open_group(l, g, err);

	if (rc == 0 && l->config->changes) {
		rc = extend(l, g, batch, &extended, err);
	} else if (rc == 0) {
		extended = drip_batch_ref(batch);
	}
	if (rc == 0) {
		rc = l->sql->ingest_write(g->ingest, extended, err);
	}
	drip_batch_unref(extended);
	if (rc == 0) {
		g->rows += batch->rows;
		g->bytes += batch->bytes;
		l->next.sequence += batch->rows;
	}
	if (rc == 0 && (g->rows >= LAKE_GROUP_ROWS || g->bytes >= LAKE_GROUP_BYTES)) {
		rc = lake_flush_group(l, g, err);
	}
	return rc;
}

/* A truncated table is a row of nulls with the op t. */
static int log_truncate(struct lake *l, const struct drip_batch *batch, struct drip_error *err)
{
	struct drip_builder b;
	struct drip_batch *row = NULL;
	struct lake_group *g;
	int rc = drip_builder_init(&b, batch->schema, err);

	if (rc != 0) {
		return rc;
	}
	for (uint32_t i = 0; i < b.columns_count; i++) {
		drip_append_null(&b.columns[i]);
	}
	drip_builder_row(&b, (enum drip_op)'t');
	rc = drip_builder_build(&b, &row, err);
	drip_builder_finish(&b);
	if (rc == 0) {
		row->commit_time_us = batch->commit_time_us;
		rc = find_group(l, row, &g, err);
		if (rc == 0) {
			rc = load(l, g, row, err);
		}
		drip_batch_unref(row);
	}
	return rc;
}

int lake_write(struct lake *l, const struct drip_batch *batch, struct drip_error *err)
{
	struct drip_batch *kept = NULL;
	struct lake_group *g = NULL;
	int rc;

	if ((batch->kind != DRIP_BATCH_ROWS || batch->rows == 0) &&
	    (batch->kind != DRIP_BATCH_TRUNCATE || !l->config->changes)) {
		return 0;
	}
	rc = lake_begin(l, err);
	if (rc == 0) {
		rc = lake_session(l, err);
	}
	if (rc == 0 && batch->kind == DRIP_BATCH_TRUNCATE) {
		return log_truncate(l, batch, err);
	}
	if (rc == 0) {
		rc = select_rows(l, batch, &kept, err);
	}
	if (rc != 0 || kept == NULL) {
		return rc;
	}
	rc = find_group(l, kept, &g, err);
	if (rc == 0) {
		rc = load(l, g, kept, err);
	}
	drip_batch_unref(kept);
	return rc;
}
