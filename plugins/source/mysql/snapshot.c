/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The snapshot: every wanted table under one consistent view whose place in the log is known.
 * MariaDB tells that place by itself (binlog_snapshot_file); other servers are locked for a moment.
 * A table with an integer key is read in its order, and each batch is a boundary; another one is a
 * boundary only at its end.
 */
#include "scan.h"
#include "source.h"
#include "undo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drip_my_snapshot {
	MYSQL *m;
	struct drip_my_table **tables; /* owned, in order of database and name */
	bool *gone;                    /* for each: dropped since the snapshot began */
	size_t count, index;           /* `index`: the one that is read */
	struct drip_my_scan scan;      /* of the table that is read, closed between tables */
	struct drip_my_slot *slot;
	uint32_t keys[DRIP_MY_KEY_MAX], key_cells[DRIP_MY_KEY_MAX];
	uint32_t keys_count;
	bool open;                 /* a table is begun */
	bool paged;                /* read in order of an integer key */
	bool fetched;              /* a row is read, and not yet appended */
	uint64_t done;             /* rows of this table so far */
	struct drip_my_undo *undo; /* what to take back, NULL: the view is as old as the snapshot */
	struct drip_my_position start; /* the snapshot's place in the log */
};

static int add_table(void *user, const struct drip_my_table *t, struct drip_error *err)
{
	struct drip_my_snapshot *n = user;
	struct drip_my_table **grown = realloc(n->tables, (n->count + 1) * sizeof(*grown));
	bool *gone;

	if (grown == NULL) {
		return drip_error_nomem(err, sizeof(*grown));
	}
	n->tables = grown;
	gone = realloc(n->gone, n->count + 1);
	if (gone == NULL) {
		return drip_error_nomem(err, n->count + 1);
	}
	n->gone = gone;
	n->gone[n->count] = false;
	n->tables[n->count] = drip_my_table_copy(t);
	if (n->tables[n->count] == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	n->count++;
	return 0;
}

/* The place in the log of the view just opened, as MariaDB says it. -ENOENT: it does not. */
static int snapshot_place(MYSQL *m, struct drip_my_position *p, struct drip_error *err)
{
	struct drip_my_position found = *p;
	bool file = false, offset = false;
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc = drip_my_select(m, "SHOW STATUS LIKE 'binlog\\_snapshot\\_%'", &res, err);

	if (rc != 0) {
		return rc;
	}
	while ((row = mysql_fetch_row(res)) != NULL) {
		if (strcasecmp(row[0], "binlog_snapshot_file") == 0 && row[1][0] != '\0') {
			file = drip_my_file_parse(row[1], &found);
		} else if (strcasecmp(row[0], "binlog_snapshot_position") == 0) {
			found.place.offset = strtoull(row[1], NULL, 10);
			offset = found.place.offset >= 4;
		}
	}
	mysql_free_result(res);
	if (!file || !offset) {
		return -ENOENT;
	}
	*p = found;
	return 0;
}

static int master_place(MYSQL *m, struct drip_my_position *p, struct drip_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc = drip_my_select(m, "SHOW MASTER STATUS", &res, err);

	if (rc != 0) {
		return rc;
	}
	row = mysql_fetch_row(res);
	if (row == NULL || !drip_my_file_parse(row[0], p)) {
		drip_error_set(err, -ENODATA, "mysql.binlog_off", "the server writes no binlog");
		drip_error_hint(err, "Set log_bin on the server and restart it.");
		rc = -ENODATA;
	} else {
		p->place.offset = strtoull(row[1], NULL, 10);
	}
	mysql_free_result(res);
	return rc;
}

#define BEGIN_VIEW "START TRANSACTION WITH CONSISTENT SNAPSHOT"

/* Where the server does not tell the place of a view: writers wait while both are taken. */
static int locked_view(struct drip_my_source *s, MYSQL *m, struct drip_my_position *p,
		       struct drip_error *err)
{
	char sql[80];
	int rc;

	snprintf(sql, sizeof(sql), "SET SESSION lock_wait_timeout = %" PRId64,
		 s->options->lock_timeout.ms / 1000 + 1);
	rc = drip_my_execute(m, sql, err);
	if (rc == 0) {
		rc = drip_my_execute(m, "FLUSH TABLES WITH READ LOCK", err);
	}
	if (rc == 0) {
		rc = drip_my_execute(m, BEGIN_VIEW, err);
	}
	if (rc == 0) {
		rc = master_place(m, p, err);
	}
	if (rc == 0) {
		rc = drip_my_execute(m, "UNLOCK TABLES", err);
	}
	return rc;
}

static int open_view(struct drip_my_source *s, MYSQL *m, struct drip_my_position *p,
		     struct drip_error *err)
{
	int rc = drip_my_execute(m,
				 "SET SESSION net_write_timeout = 3600, wait_timeout = 86400,"
				 " max_statement_time = 0",
				 err);

	if (rc != 0) { /* MySQL has no max_statement_time */
		rc = drip_my_execute(
			m, "SET SESSION net_write_timeout = 3600, wait_timeout = 86400", err);
	}
	if (rc == 0) {
		rc = drip_my_execute(m, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
				     err);
	}
	if (rc == 0) {
		rc = drip_my_execute(m, BEGIN_VIEW, err);
	}
	if (rc == 0) {
		rc = snapshot_place(m, p, err);
		if (rc == -ENOENT) {
			rc = drip_my_execute(m, "ROLLBACK", err);
			rc = rc == 0 ? locked_view(s, m, p, err) : rc;
		}
	}
	if (rc == 0) {
		drip_my_gtids_at(m, p, &p->gtids);
	}
	return rc;
}

static int add_known(struct drip_my_source *s, const struct drip_my_table *t,
		     struct drip_error *err)
{
	const struct drip_my_table *known = drip_my_catalog_find(&s->catalog, t->database, t->name);
	struct drip_my_table *copy;

	if (known != NULL && drip_my_table_equal(known, t)) {
		return 0;
	}
	copy = drip_my_table_copy(t);
	if (copy == NULL) {
		return drip_error_nomem(err, sizeof(*copy));
	}
	return drip_my_catalog_set(&s->catalog, t->database, t->name, copy, s->at.place, err);
}

/*
 * After a restart the snapshot still has the tables that it began with: one made since comes with
 * the log, one dropped since has only what is taken back. Descriptions are those of today, in which
 * the server answers.
 */
static int take_known(struct drip_my_source *s, struct drip_my_snapshot *n,
		      const struct drip_my_catalog *fresh, struct drip_error *err)
{
	int rc = drip_my_catalog_each(&s->catalog, add_table, n, err);

	for (size_t i = 0; i < n->count && rc == 0; i++) {
		struct drip_my_table *was = n->tables[i], *now;
		const struct drip_my_table *t =
			drip_my_catalog_find(fresh, was->database, was->name);

		if (t == NULL) {
			n->gone[i] = true;
			continue;
		}
		now = drip_my_table_copy(t);
		if (now == NULL) {
			return drip_error_nomem(err, sizeof(*now));
		}
		now->version = was->version + !drip_my_table_equal(was, now);
		n->tables[i] = now;
		drip_my_table_destroy(was);
	}
	return rc;
}

static void warn_engines(struct drip_my_source *s, const struct drip_my_snapshot *n)
{
	for (size_t i = 0; i < n->count; i++) {
		if (!n->tables[i]->transactional) {
			drip_log_warning(s->ctx,
					 "%s.%s has an engine without transactions: changes while "
					 "it is copied may be seen twice",
					 n->tables[i]->database, n->tables[i]->name);
		}
	}
}

/* The tables to copy, in order. A table that is altered after the view was opened fails to read. */
static int load_tables(struct drip_my_source *s, struct drip_my_snapshot *n, bool first,
		       struct drip_error *err)
{
	struct drip_my_catalog *fresh = calloc(1, sizeof(*fresh));
	int rc;

	if (fresh == NULL) {
		return drip_error_nomem(err, sizeof(*fresh));
	}
	fresh->include = s->catalog.include;
	fresh->exclude = s->catalog.exclude;
	fresh->wanted = s->catalog.wanted;
	fresh->wanted_count = s->catalog.wanted_count;
	fresh->default_database = s->catalog.default_database;
	rc = drip_my_catalog_load(fresh, n->m, NULL, NULL, s->at.place, err);
	if (rc == 0 && (first || s->catalog.count == 0)) {
		rc = drip_my_catalog_each(fresh, add_table, n, err);
		for (size_t i = 0; i < n->count && rc == 0; i++) {
			rc = add_known(s, n->tables[i], err);
		}
	} else if (rc == 0) {
		rc = take_known(s, n, fresh, err);
	}
	warn_engines(s, n);
	drip_my_catalog_finish(fresh);
	free(fresh);
	return rc != 0 ? rc : drip_my_store_catalog(s, err);
}

/* Behind what an earlier run copied. */
static void skip_done(struct drip_my_source *s, struct drip_my_snapshot *n)
{
	const struct drip_my_mark *mark = &s->at.mark;

	for (n->index = 0; n->index < n->count; n->index++) {
		struct drip_my_mark table = {0};

		snprintf(table.database, sizeof(table.database), "%s",
			 n->tables[n->index]->database);
		snprintf(table.table, sizeof(table.table), "%s", n->tables[n->index]->name);
		table.done = true;
		if (drip_my_mark_compare(&table, mark) > 0) {
			break;
		}
	}
}

int drip_my_snapshot_begin(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = calloc(1, sizeof(*n));
	struct drip_my_position view = s->at;
	bool resumed = s->at.place.file != 0;
	int rc;

	if (n == NULL) {
		return drip_error_nomem(err, sizeof(*n));
	}
	s->snapshot = n;
	rc = s->connection->connect(s->connection_object, &n->m, err);
	if (rc != 0) {
		return rc;
	}
	pthread_mutex_lock(&s->interrupt_lock);
	s->killable = n->m;
	pthread_mutex_unlock(&s->interrupt_lock);
	rc = open_view(s, n->m, &view, err);
	if (rc != 0) {
		return rc;
	}
	if (!resumed) {
		s->at = view;
		rc = drip_my_server_identity(n->m, s->at.server, sizeof(s->at.server), err);
	}
	n->start = s->at;
	if (rc == 0) {
		rc = load_tables(s, n, !resumed, err);
	}
	if (rc == 0 && resumed && drip_my_place_compare(&view.place, &s->at.place) > 0) {
		rc = drip_my_undo_create(s, &view, &n->undo, err);
	}
	if (rc == 0) {
		skip_done(s, n);
		drip_log_info(s->ctx, "snapshot of %zu tables, %zu of them copied already",
			      n->count, n->index);
	}
	return rc;
}

static void table_close(struct drip_my_snapshot *n)
{
	drip_my_scan_close(&n->scan);
	n->fetched = false;
	n->open = false;
}

void drip_my_snapshot_end(struct drip_my_source *s)
{
	struct drip_my_snapshot *n = s->snapshot;

	if (n == NULL) {
		return;
	}
	pthread_mutex_lock(&s->interrupt_lock);
	s->killable = NULL;
	pthread_mutex_unlock(&s->interrupt_lock);
	table_close(n);
	drip_my_undo_destroy(n->undo);
	for (size_t i = 0; i < n->count; i++) {
		drip_my_table_destroy(n->tables[i]);
	}
	free(n->tables);
	free(n->gone);
	if (n->m != NULL) {
		mysql_close(n->m);
	}
	free(n);
	s->snapshot = NULL;
}

/* May the table be read in the order of its key, a few integers? */
static bool is_paged(const struct drip_my_table *t, const uint32_t *keys, uint32_t count)
{
	if (count == 0 || count > DRIP_MY_PAGE_KEYS) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (t->columns[keys[i]].kind != DRIP_MY_INT) {
			return false;
		}
	}
	return true;
}

static void add_key_value(struct drip_my_text *sql, const struct drip_my_column *c, uint64_t key)
{
	if (c->is_unsigned) {
		drip_my_text_add(sql, "%" PRIu64, key);
	} else {
		drip_my_text_add(sql, "%" PRId64, (int64_t)(key ^ (1ull << 63)));
	}
}

/* (a, b) > (x, y) as a >= x AND (a > x OR a = x AND b > y): a range of the key. */
static void add_behind(struct drip_my_text *sql, const struct drip_my_snapshot *n,
		       const struct drip_my_table *t, const struct drip_my_mark *mark)
{
	drip_my_text_add(sql, " WHERE ");
	drip_my_text_name(sql, t->columns[n->keys[0]].name);
	drip_my_text_add(sql, " >= ");
	add_key_value(sql, &t->columns[n->keys[0]], mark->keys[0]);
	drip_my_text_add(sql, " AND (");
	for (uint32_t i = 0; i < n->keys_count; i++) {
		drip_my_text_add(sql, i == 0 ? "(" : " OR (");
		for (uint32_t k = 0; k <= i; k++) {
			drip_my_text_add(sql, k > 0 ? " AND " : "");
			drip_my_text_name(sql, t->columns[n->keys[k]].name);
			drip_my_text_add(sql, k == i ? " > " : " = ");
			add_key_value(sql, &t->columns[n->keys[k]], mark->keys[k]);
		}
		drip_my_text_add(sql, ")");
	}
	drip_my_text_add(sql, ")");
}

/* What of the table is to be read, and in what order. */
static void add_range(const struct drip_my_source *s, struct drip_my_text *sql,
		      const struct drip_my_table *t)
{
	const struct drip_my_snapshot *n = s->snapshot;

	if (n->paged && s->at.mark.keys_count == n->keys_count) {
		add_behind(sql, n, t, &s->at.mark);
	}
	for (uint32_t i = 0; i < n->keys_count && n->paged; i++) {
		drip_my_text_add(sql, i == 0 ? " ORDER BY " : ", ");
		drip_my_text_name(sql, t->columns[n->keys[i]].name);
	}
}

static void find_keys(struct drip_my_snapshot *n)
{
	for (uint32_t i = 0; i < n->scan.count; i++) {
		for (uint32_t k = 0; k < n->keys_count; k++) {
			if (n->keys[k] == n->scan.columns[i]) {
				n->key_cells[k] = i;
			}
		}
	}
}

/* The mark of the table that begins; where it is the one that an earlier run was in, that stays. */
static void mark_table(struct drip_my_source *s, const struct drip_my_table *t)
{
	struct drip_my_mark *mark = &s->at.mark;

	if (strcmp(mark->database, t->database) == 0 && strcmp(mark->table, t->name) == 0) {
		return;
	}
	memset(mark, 0, sizeof(*mark));
	snprintf(mark->database, sizeof(mark->database), "%s", t->database);
	snprintf(mark->table, sizeof(mark->table), "%s", t->name);
	s->at.ordinal++;
	s->at.rows = 0;
}

static int table_open(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	const struct drip_my_table *t = n->tables[n->index];
	struct drip_my_text sql = {0};
	int rc;

	mark_table(s, t);
	n->done = 0;
	n->keys_count = drip_my_table_key(t, n->keys);
	n->paged = is_paged(t, n->keys, n->keys_count);
	n->slot = drip_my_slot_get(s, t->database, t->name);
	if (n->slot == NULL) {
		return drip_error_nomem(err, sizeof(*n->slot));
	}
	rc = drip_my_slot_set(s, n->slot, t, err);
	if (rc != 0) {
		return rc;
	}
	if (n->undo != NULL) {
		rc = drip_my_undo_table(n->undo, n->slot, n->paged ? n->keys_count : 0, &s->at.mark,
					err);
		if (rc != 0) {
			return rc;
		}
	}
	n->open = true;
	if (n->gone[n->index]) {
		return 0;
	}
	add_range(s, &sql, t);
	rc = sql.failed ? drip_error_nomem(err, sql.size)
			: drip_my_scan_open(&n->scan, n->m, n->slot, &s->values,
					    sql.p != NULL ? sql.p : "", err);
	if (rc != 0) {
		drip_error_place(err, "%s.%s", t->database, t->name);
	}
	drip_my_text_finish(&sql);
	find_keys(n);
	return rc;
}

/* The key of the fetched row, order-preserving. */
static void row_key(const struct drip_my_snapshot *n, uint64_t keys[DRIP_MY_PAGE_KEYS])
{
	for (uint32_t i = 0; i < n->keys_count; i++) {
		uint32_t cell = n->key_cells[i];
		bool is_unsigned = n->slot->table->columns[n->keys[i]].is_unsigned;

		keys[i] = drip_my_cell_integer(&n->scan.cells[cell], n->scan.values[cell],
					       n->scan.sizes[cell]) ^
			  (is_unsigned ? 0 : 1ull << 63);
	}
}

static int append_row(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;

	drip_my_scan_append(&n->scan);
	drip_builder_row(&n->slot->builder, DRIP_OP_READ);
	if (s->values.rc != 0) {
		*err = s->values.error;
		drip_error_place(err, "%s.%s", n->slot->database, n->slot->name);
		return s->values.rc;
	}
	return 0;
}

static bool is_full(const struct drip_my_source *s, const struct drip_builder *b)
{
	return b->rows >= s->options->batch_rows ||
	       (b->rows % 64 == 0 && drip_builder_bytes(b) >= s->options->batch_bytes.bytes);
}

/* Would this row lie behind a cut that the rows before it have not passed? */
static bool crosses_cut(struct drip_my_source *s, const struct drip_my_mark *row,
			struct drip_my_position *ret)
{
	struct drip_error ignored = DRIP_ERROR_INIT;

	if (s->cuts_count == 0 || drip_my_position_decode(&s->cuts[0], ret, &ignored) != 0 ||
	    ret->phase != DRIP_MY_PHASE_SNAPSHOT || ret->mark.done) {
		return false;
	}
	return strcmp(ret->mark.table, row->table) == 0 &&
	       strcmp(ret->mark.database, row->database) == 0 &&
	       drip_my_mark_compare(row, &ret->mark) > 0;
}

static int emit_rows(struct drip_my_source *s, bool boundary, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;

	if (n->slot->builder.rows == 0) {
		return 0;
	}
	s->pending_rows = (uint64_t)n->slot->builder.rows;
	n->slot->first = 1;
	s->at.rows += s->pending_rows;
	return drip_my_flush(s, boundary, err);
}

/* Ends the batch exactly at the cut, also where the row there is gone by now. */
static int end_at_cut(struct drip_my_source *s, const struct drip_my_position *cut,
		      struct drip_error *err)
{
	struct drip_my_undo *undo = s->snapshot->undo;
	int rc = undo != NULL ? drip_my_undo_until(undo, cut->mark.keys, err) : 0;

	if (rc < 0) {
		return rc;
	}
	memcpy(s->at.mark.keys, cut->mark.keys, sizeof(s->at.mark.keys));
	s->at.mark.keys_count = cut->mark.keys_count;
	rc = emit_rows(s, true, err);
	return rc != 0 ? rc : drip_my_check_cuts(s, err);
}

static void report_progress(struct drip_my_source *s, bool end)
{
	struct drip_my_snapshot *n = s->snapshot;
	const struct drip_my_table *t = n->tables[n->index];
	uint64_t total = t->rows_estimate > n->done ? t->rows_estimate : n->done;
	char name[DRIP_NAME_MAX];

	snprintf(name, sizeof(name), "%s.%s", t->database, t->name);
	s->ctx->host->progress(s->ctx, name, n->done, end ? n->done : total);
}

static void set_keys(const struct drip_my_snapshot *n, const uint64_t keys[DRIP_MY_PAGE_KEYS],
		     struct drip_my_mark *mark)
{
	for (uint32_t i = 0; i < n->keys_count; i++) {
		mark->keys[i] = keys[i];
	}
	mark->keys_count = (uint8_t)n->keys_count;
}

/* Would the row at `here` lie behind a cut? Then the batch ends there: 1. */
static int mind_cut(struct drip_my_source *s, const struct drip_my_mark *here,
		    struct drip_error *err)
{
	struct drip_my_position cut;
	int rc;

	if (s->cuts_count == 0 || !crosses_cut(s, here, &cut)) {
		return 0;
	}
	rc = end_at_cut(s, &cut, err);
	return rc != 0 ? rc : 1;
}

/* The fetched row of a table that is read in order. 1: a cut came first, the row stays. */
static int take_paged(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	uint64_t keys[DRIP_MY_PAGE_KEYS] = {0};
	int rc = 0;

	row_key(n, keys);
	if (s->cuts_count > 0) { /* a mark is large: none is made for each row */
		struct drip_my_mark here = s->at.mark;

		set_keys(n, keys, &here);
		rc = mind_cut(s, &here, err);
		if (rc != 0) {
			return rc;
		}
	}
	rc = n->undo != NULL ? drip_my_undo_until(n->undo, keys, err) : 0;
	if (rc < 0) {
		return rc;
	}
	set_keys(n, keys, &s->at.mark);
	return rc == 1 ? 0 : append_row(s, err);
}

static int take_unpaged(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	int rc = n->undo != NULL ? drip_my_undo_touched(n->undo, &n->scan) : 0;

	return rc != 0 ? rc < 0 ? rc : 0 : append_row(s, err);
}

/* No row is left: a cut may still lie between the old ones. */
static int last_row(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	struct drip_my_mark end = s->at.mark;

	end.done = true;
	return n->paged ? mind_cut(s, &end, err) : 0;
}

/* Takes rows until the batch is full. 1: full, 0: the table has no more rows. */
static int fill_batch(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	int rc;

	while (!is_full(s, &n->slot->builder)) {
		if (!n->fetched && n->scan.m != NULL) {
			rc = drip_my_scan_next(&n->scan, err);
			if (rc < 0) {
				return rc;
			}
			n->fetched = rc == 1;
		}
		if (!n->fetched) {
			return last_row(s, err);
		}
		rc = n->paged ? take_paged(s, err) : take_unpaged(s, err);
		if (rc != 0) {
			return rc;
		}
		n->fetched = false;
		n->done++;
	}
	return 1;
}

static int table_end(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	int rc = 0;

	if (n->undo != NULL) {
		rc = drip_my_undo_rest(n->undo, err);
		if (rc != 0) {
			return rc;
		}
	}
	s->at.mark.done = true;
	s->at.mark.keys_count = 0;
	if (n->slot->builder.rows > 0) {
		rc = emit_rows(s, true, err);
	} else {
		rc = drip_my_emit_control(s, DRIP_BATCH_MARK, NULL, true, err);
	}
	if (rc == 0) {
		rc = drip_my_check_cuts(s, err);
	}
	report_progress(s, true);
	table_close(n);
	n->index++;
	return rc;
}

/* All tables are copied: the source stands at the snapshot's place in the log. */
static int finish(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;

	s->at = n->start;
	s->at.phase = DRIP_MY_PHASE_LOG;
	memset(&s->at.mark, 0, sizeof(s->at.mark));
	s->at.ordinal = s->at.rows = s->at.row = 0;
	drip_my_snapshot_end(s);
	return drip_my_emit_control(s, DRIP_BATCH_MARK, NULL, true, err);
}

int drip_my_snapshot_poll(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_snapshot *n = s->snapshot;
	int rc;

	if (n->index >= n->count) {
		rc = finish(s, err);
		return rc != 0 ? rc : DRIP_POLL_END;
	}
	if (!n->open) {
		rc = table_open(s, err);
		if (rc != 0) {
			return rc;
		}
	}
	rc = fill_batch(s, err);
	if (rc < 0) {
		drip_error_place(err, "%s.%s", n->slot->database, n->slot->name);
		return rc;
	}
	rc = rc == 1 ? emit_rows(s, n->paged, err) : table_end(s, err);
	if (rc != 0) {
		return rc;
	}
	if (n->open) {
		report_progress(s, false);
	}
	return DRIP_POLL_MORE;
}
