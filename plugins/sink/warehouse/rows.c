/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of rows: from a batch into the load of its target, or of its target's stage. A mirror's
 * first load goes straight into the empty table for as long as nothing but snapshots arrive of
 * source tables that share no key (ranges.c); whatever else goes through the stage. Thread: the
 * sink's.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- sources ---- */

static int close_ingest(struct wh *wh, struct wh_source *s, struct drip_error *err)
{
	struct drip_sql_ingest *ingest = s->ingest;

	s->ingest = NULL;
	return ingest != NULL ? wh->sql->ingest_close(ingest, err) : 0;
}

int wh_flush(struct wh *wh, const struct wh_target *t, struct drip_error *err)
{
	int rc = 0;

	for (struct wh_source *s = wh->sources; s != NULL && rc == 0; s = s->next) {
		if (t == NULL || s->target == t) {
			rc = close_ingest(wh, s, err);
		}
	}
	return rc;
}

void wh_sources_reset(struct wh *wh)
{
	for (struct wh_source *s = wh->sources; s != NULL; s = s->next) {
		int ignored = close_ingest(wh, s, NULL);

		(void)ignored;
		drip_schema_unref(s->schema);
		s->schema = NULL; /* the target is prepared anew */
		s->range = (struct wh_range){.known = false};
	}
}

void wh_sources_destroy(struct wh *wh)
{
	wh_sources_reset(wh);
	while (wh->sources != NULL) {
		struct wh_source *s = wh->sources;

		wh->sources = s->next;
		drip_schema_unref(s->extended);
		free(s->database);
		free(s->table);
		free(s);
	}
}

static struct wh_source *find_source(struct wh *wh, const struct drip_schema *schema)
{
	struct wh_source *s;

	for (s = wh->sources; s != NULL; s = s->next) {
		if (s->schema == schema) {
			return s;
		}
	}
	for (s = wh->sources; s != NULL; s = s->next) {
		if (strcmp(s->table, schema->table) == 0 &&
		    strcmp(s->database, schema->database) == 0) {
			return s;
		}
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		return NULL;
	}
	s->database = strdup(schema->database);
	s->table = strdup(schema->table);
	if (s->database == NULL || s->table == NULL) {
		free(s->database);
		free(s->table);
		free(s);
		return NULL;
	}
	s->next = wh->sources;
	wh->sources = s;
	return s;
}

static bool has_other_source(const struct wh *wh, const struct wh_source *s)
{
	for (const struct wh_source *o = wh->sources; o != NULL; o = o->next) {
		if (o != s && o->target == s->target) {
			return true;
		}
	}
	return false;
}

/* Also where the others have not been seen since the start. */
static bool is_shared(const struct wh *wh, const struct wh_source *s)
{
	return s->shared || has_other_source(wh, s);
}

/* Makes `s` fit a schema: where it goes, what is added, and the table itself. */
static int adopt(struct wh *wh, struct wh_source *s, const struct drip_schema *schema,
		 struct drip_error *err)
{
	struct drip_schema *wanted = NULL;
	struct wh_route route;
	int rc = wh_route(wh->config, schema, &route, err);

	s->shared = route.shared;
	if (rc == 0) {
		rc = close_ingest(wh, s, err);
	}
	if (rc == 0) {
		rc = wh_target_find(wh, &route, &s->target, err);
	}
	if (rc == 0) {
		rc = wh_target_schema(wh->config, route.mode, route.table, schema, &wanted, err);
	}
	if (rc == 0) {
		rc = wh_target_prepare(wh, s->target, wanted, err);
		drip_schema_unref(wanted);
	}
	if (rc != 0) {
		return rc;
	}
	drip_schema_unref(s->extended);
	s->extended = NULL;
	rc = wh_extend(wh->config, route.mode, schema, &s->extended, err);
	if (rc == 0) {
		drip_schema_unref(s->schema);
		s->schema = drip_schema_ref(schema);
	}
	return rc;
}

static int resolve(struct wh *wh, const struct drip_schema *schema, struct wh_source **ret,
		   struct drip_error *err)
{
	struct wh_source *s = find_source(wh, schema);

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	*ret = s;
	if (s->schema == schema) {
		return 0;
	}
	if (s->schema != NULL && drip_schema_equal(s->schema, schema)) {
		drip_schema_unref(s->schema);
		s->schema = drip_schema_ref(schema);
		return 0;
	}
	return adopt(wh, s, schema, err);
}

/* ---- batches ---- */

static bool keeps(enum drip_op op, void *data)
{
	enum wh_mode mode = *(const enum wh_mode *)data;

	if (mode == WH_CHANGELOG) {
		return true;
	}
	if (op == DRIP_OP_BEFORE) {
		return false;
	}
	return op != DRIP_OP_DELETE || (mode != WH_APPEND && mode != WH_MERGE);
}

static bool is_first_load(const struct drip_batch *batch)
{
	return batch->snapshot && batch->ops == NULL && batch->op == DRIP_OP_READ;
}

/* (gives) the rows that the mode wants; NULL: none. */
static int select_rows(struct wh *wh, enum wh_mode mode, const struct drip_batch *batch,
		       struct drip_batch **ret, struct drip_error *err)
{
	int64_t left;
	int rc = drip_batch_keep_ops(batch, keeps, &mode, ret, &left, err);

	if (rc == 0 && left > 0) {
		wh->ctx->host->filtered(wh->ctx, left);
	}
	return rc;
}

static int64_t commit_time(struct wh *wh, const struct drip_batch *batch)
{
	return batch->commit_time_us != 0 ? batch->commit_time_us : wh->ctx->host->wall_us(wh->ctx);
}

static void name_of(const struct wh_source *s, char buf[2 * DRIP_NAME_MAX])
{
	snprintf(buf, 2 * DRIP_NAME_MAX, "%s%s%s", s->database, s->database[0] != '\0' ? "." : "",
		 s->table);
}

/* (gives) the table's name once a row. */
static int source_names(const struct wh_source *s, int64_t rows, struct ArrowArray *ret,
			struct drip_error *err)
{
	char name[2 * DRIP_NAME_MAX];
	struct drip_column_builder b;
	int64_t size;
	int rc = drip_column_builder_init(&b, DRIP_TYPE_UTF8, rows, err);

	if (rc < 0) {
		return rc;
	}
	name_of(s, name);
	size = (int64_t)strlen(name);
	for (int64_t i = 0; i < rows; i++) {
		drip_append_bytes(&b, name, size);
	}
	rc = drip_column_builder_build(&b, ret, err);
	drip_column_builder_finish(&b);
	return rc;
}

static int make_column(struct wh *wh, const struct wh_source *s, const struct drip_batch *batch,
		       uint32_t index, struct ArrowArray *ret, struct drip_error *err)
{
	const char *name = drip_schema_column(s->extended, index)->name;
	int rc;

	if (index < batch->schema->columns_count) {
		return drip_column_share(batch, index, ret, err);
	}
	if (strcmp(name, wh->config->sequence_column) == 0) {
		rc = drip_column_count_up(DRIP_TYPE_INT64, wh->next_sequence, 1, batch->rows, ret,
					  err);
		wh->next_sequence += batch->rows;
		return rc;
	}
	if (wh->config->source_column != NULL && strcmp(name, wh->config->source_column) == 0) {
		return source_names(s, batch->rows, ret, err);
	}
	return drip_column_count_up(DRIP_TYPE_TIMESTAMP_UTC, commit_time(wh, batch), 0, batch->rows,
				    ret, err);
}

/* (gives) `batch` with the columns of s->extended. */
static int extend(struct wh *wh, const struct wh_source *s, const struct drip_batch *batch,
		  struct drip_batch **ret, struct drip_error *err)
{
	uint32_t count = s->extended->columns_count, i = 0;
	struct ArrowArray *columns;
	int rc = 0;

	if (count == batch->schema->columns_count) {
		*ret = drip_batch_ref(batch);
		return 0;
	}
	columns = calloc(count, sizeof(*columns));
	if (columns == NULL) {
		return drip_error_nomem(err, count * sizeof(*columns));
	}
	while (i < count && rc == 0) {
		rc = make_column(wh, s, batch, i, &columns[i], err);
		i += rc == 0;
	}
	if (rc == 0) {
		rc = drip_batch_derive(batch, s->extended, columns, ret, err);
	} else {
		while (i-- > 0) {
			columns[i].release(&columns[i]);
		}
	}
	free(columns);
	return rc;
}

/* ---- loading ---- */

static int open_ingest(struct wh *wh, struct wh_source *s, bool to_stage, struct drip_error *err)
{
	struct wh_target *t = s->target;
	int rc = 0;

	if (s->ingest != NULL && s->ingest_to_stage == to_stage) {
		return 0;
	}
	rc = close_ingest(wh, s, err);
	if (rc == 0 && to_stage) {
		rc = wh_make_stage(wh, t, err);
	}
	if (rc != 0) {
		return rc;
	}
	s->ingest_to_stage = to_stage;
	t->dirty |= !to_stage;
	if (to_stage) {
		return wh->sql->ingest_open(wh->session, "temp", t->stage, s->extended, WH_STAGE_OP,
					    WH_STAGE_SEQ, &s->ingest, err);
	}
	return wh->sql->ingest_open(wh->session, wh->config->schema, t->name, s->extended,
				    t->mode == WH_CHANGELOG ? wh->config->op_column : NULL, NULL,
				    &s->ingest, err);
}

static bool goes_direct(struct wh *wh, struct wh_source *s, const struct drip_batch *batch)
{
	struct wh_target *t = s->target;

	if (t->mode == WH_APPEND || t->mode == WH_CHANGELOG) {
		return true;
	}
	if (t->direct && (!is_first_load(batch) || !wh_keys_apart(wh, s, batch))) {
		t->direct = false;
	}
	return t->direct;
}

/* (gives) the same rows under a number of the sink's own. */
static int number(const struct drip_batch *batch, uint64_t sequence, struct drip_batch **ret,
		  struct drip_error *err)
{
	int rc = drip_batch_slice(batch, 0, batch->rows, ret, err);

	if (rc == 0) {
		(*ret)->sequence = sequence;
	}
	return rc;
}

static int load(struct wh *wh, struct wh_source *s, const struct drip_batch *batch, bool direct,
		struct drip_error *err)
{
	struct wh_target *t = s->target;
	struct drip_batch *extended = NULL, *numbered = NULL;
	int rc = open_ingest(wh, s, !direct, err);

	if (rc == 0) {
		rc = extend(wh, s, batch, &extended, err);
	}
	if (rc != 0) {
		return rc;
	}
	if (!direct) {
		/* Counted here, so that the order within the stage depends on nobody else. */
		rc = number(extended, ++t->stage_batches, &numbered, err);
	}
	if (rc == 0) {
		rc = wh->sql->ingest_write(s->ingest, direct ? extended : numbered, err);
	}
	if (rc == 0 && !direct) {
		t->stage_rows += batch->rows;
	}
	drip_batch_unref(numbered);
	drip_batch_unref(extended);
	return rc;
}

static int write_rows(struct wh *wh, struct wh_source *s, const struct drip_batch *batch,
		      struct drip_error *err)
{
	bool direct = goes_direct(wh, s, batch);
	struct drip_batch *kept = NULL;
	int rc = select_rows(wh, s->target->mode, batch, &kept, err);

	if (rc == 0 && kept != NULL) {
		rc = load(wh, s, kept, direct, err);
		drip_batch_unref(kept);
	}
	if (rc == 0 &&
	    s->target->stage_rows >= (s->target->mode == WH_SCD2 ? WH_SCD2_ROWS : WH_STAGE_ROWS)) {
		rc = wh_flush(wh, s->target, err);
		if (rc == 0) {
			rc = wh_apply(wh, s->target, err);
		}
	}
	return rc;
}

/* ---- control batches ---- */

static int refuse_clear(const struct wh_source *s, struct drip_error *err)
{
	drip_error_set(err, -EINVAL, "warehouse.shared_truncate",
		       "%s.%s was truncated, and nothing tells which rows of table %s came from it",
		       s->database, s->table, s->target->name);
	drip_error_hint(err, "Set `source_column` before rows are written, or `on_truncate: keep` "
			     "to leave them.");
	return -EINVAL;
}

static int clear(struct wh *wh, struct wh_source *s, const struct drip_batch *batch,
		 struct drip_error *err)
{
	struct wh_target *t = s->target;
	bool by_source = t->mode == WH_MIRROR && wh->config->source_column != NULL;
	char name[2 * DRIP_NAME_MAX];
	int rc;

	if (t->mode == WH_APPEND || t->mode == WH_MERGE) {
		return 0;
	}
	if (wh->config->on_truncate.value == WH_TRUNCATE_KEEP && t->mode != WH_CHANGELOG) {
		drip_log_warning(wh->ctx, "%s.%s was truncated; its rows stay in table %s",
				 s->database, s->table, t->name);
		return 0;
	}
	if (is_shared(wh, s) && t->mode != WH_CHANGELOG && !by_source) {
		return refuse_clear(s, err);
	}
	name_of(s, name);
	rc = wh_flush(wh, t, err);
	if (rc == 0 && t->staged) {
		rc = wh_apply(wh, t, err);
	}
	return rc == 0 ? wh_clear(wh, t, by_source ? name : NULL, commit_time(wh, batch), err) : rc;
}

static int drop(struct wh *wh, struct wh_source *s, struct drip_error *err)
{
	struct wh_target *t = s->target;
	int rc;

	if (wh->config->on_drop.value != WH_DROP_DROP || is_shared(wh, s)) {
		drip_log_warning(wh->ctx, "%s.%s was dropped; table %s stays", s->database,
				 s->table, t->name);
		return 0;
	}
	rc = wh_flush(wh, t, err);
	if (rc == 0 && t->staged) {
		rc = wh_drop_stage(wh, t, err);
	}
	if (rc != 0) {
		return rc;
	}
	wh_sql(wh, "DROP TABLE %T", t->name);
	rc = wh_run(wh, NULL, err);
	wh->changed_tables = true;
	drip_schema_unref(t->columns);
	t->columns = NULL;
	t->next_surrogate = 0;
	drip_schema_unref(s->schema);
	s->schema = NULL;
	return rc;
}

/* Notes where the partition stands after a batch. */
static int note_progress(struct wh *wh, const struct drip_batch *batch, struct drip_error *err)
{
	struct wh_progress *p = NULL;

	for (size_t i = 0; i < wh->progress_count && p == NULL; i++) {
		if (strcmp(wh->progress[i].position.partition, batch->position.partition) == 0) {
			p = &wh->progress[i];
		}
	}
	if (p == NULL) {
		size_t size = (wh->progress_count + 1) * sizeof(*p);
		struct wh_progress *grown = realloc(wh->progress, size);

		if (grown == NULL) {
			return drip_error_nomem(err, size);
		}
		wh->progress = grown;
		p = &grown[wh->progress_count++];
	}
	p->position = batch->position;
	p->boundary = batch->boundary && batch->position.order_size > 0;
	return 0;
}

static int write_batch(struct wh *wh, struct wh_source *s, const struct drip_batch *batch,
		       struct drip_error *err)
{
	switch (batch->kind) {
	case DRIP_BATCH_TRUNCATE:
		return clear(wh, s, batch, err);
	case DRIP_BATCH_DROP:
		return drop(wh, s, err);
	case DRIP_BATCH_ROWS:
		return write_rows(wh, s, batch, err);
	default:
		return 0; /* a new schema: resolve has seen to it */
	}
}

int wh_write(struct wh *wh, const struct drip_batch *batch, struct drip_error *err)
{
	struct wh_source *s = NULL;
	int rc;

	if (batch->kind == DRIP_BATCH_MARK || batch->schema == NULL ||
	    (batch->kind == DRIP_BATCH_ROWS && batch->rows == 0)) {
		return note_progress(wh, batch, err);
	}
	rc = wh_begin(wh, err);
	if (rc == 0) {
		rc = resolve(wh, batch->schema, &s, err);
	}
	if (rc == 0) {
		rc = write_batch(wh, s, batch, err);
	}
	return rc == 0 ? note_progress(wh, batch, err) : rc;
}
