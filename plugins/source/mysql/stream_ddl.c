/* SPDX-License-Identifier: Apache-2.0 */
/* DDL in the log, and where the log is begun. */
#include "source.h"

#include "ddl.h"
#include "ddl_parse.h"
#include "lex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Older rows may hold what the log does not say. */
static int mind_older_rows(struct drip_my_source *s, struct drip_my_slot *slot,
			   const struct drip_my_table *t, struct drip_error *err)
{
	if (!t->lost_rows && !t->lost_values && !slot->refill_due && !drip_my_is_unfilled(s, t)) {
		return 0;
	}
	if (!s->options->refill) {
		drip_log_warning(s->ctx,
				 "%s.%s was altered in a way that the log does not say: rows that "
				 "it had before are left as they are",
				 t->database, t->name);
		return 0;
	}
	if (t->lost_rows) {
		int rc = drip_my_emit_control(s, DRIP_BATCH_TRUNCATE, slot->schema, false, err);

		if (rc != 0) {
			return rc;
		}
	}
	return drip_my_refill(s, slot, err);
}

/* A column that comes, and that no contract and no later stage knows of, does so in silence
 * otherwise. */
static void tell_new_columns(const struct drip_my_source *s, const struct drip_my_table *t)
{
	const struct drip_my_table *before =
		drip_my_catalog_before(&s->catalog, t->database, t->name);

	for (uint32_t i = 0; i < t->count && before != NULL && s->column_wanted != NULL; i++) {
		const struct drip_my_column *c = &t->columns[i];
		const char *old = c->renamed_from != NULL ? c->renamed_from : c->name;

		if (drip_my_table_find(before, old) < 0 && c->key == 0 &&
		    !s->column_wanted(&s->wanted, t->database, t->name, c->name)) {
			drip_log_warning(s->ctx,
					 "%s.%s has a new column \"%s\", which nothing asks for: "
					 "it is not read until the feed's contract promises it",
					 t->database, t->name, c->name);
		}
	}
}

/* `changed` says what the statement did, the catalog what the table is now. */
static int set_changed(struct drip_my_source *s, const char *database, const char *table,
		       const struct drip_my_table *changed, struct drip_error *err)
{
	const struct drip_my_table *t = drip_my_catalog_find(&s->catalog, database, table);
	struct drip_my_slot *slot;
	int rc;

	if (t == NULL || !drip_my_catalog_wants(&s->catalog, database, table)) {
		return 0;
	}
	tell_new_columns(s, t);
	slot = drip_my_slot_get(s, database, table);
	if (slot == NULL) {
		return drip_error_nomem(err, sizeof(*slot));
	}
	rc = drip_my_slot_set(s, slot, t, err);
	return rc != 0 ? rc : mind_older_rows(s, slot, changed != NULL ? changed : t, err);
}

static int on_set(struct drip_my_source *s, const char *database, const char *table,
		  struct drip_error *err)
{
	return set_changed(s, database, table, NULL, err);
}

/* (gives) the table as it is known now, marked with what differs from `before`. */
static int mark_changes(struct drip_my_source *s, const struct drip_my_table *before,
			struct drip_my_table **ret, struct drip_error *err)
{
	const struct drip_my_table *now =
		drip_my_catalog_find(&s->catalog, before->database, before->name);

	if (now == NULL) {
		return 0;
	}
	*ret = drip_my_table_copy(now);
	if (*ret == NULL) {
		return drip_error_nomem(err, sizeof(**ret));
	}
	drip_my_ddl_compare(before, *ret, false);
	return 0;
}

/* A change that was not understood: as the server has the table now, to be held against the next
 * table map. */
static int on_unknown(struct drip_my_source *s, const char *database, const char *table,
		      bool altered, struct drip_error *err)
{
	const struct drip_my_table *known = drip_my_catalog_find(&s->catalog, database, table);
	struct drip_my_table *before = NULL, *changed = NULL;
	MYSQL *control;
	int rc;

	if (!drip_my_catalog_wants(&s->catalog, database, table) || s->connection == NULL) {
		return 0;
	}
	drip_log_info(s->ctx,
		      "%s.%s was changed by a statement that is not understood: reading "
		      "its description again",
		      database, table);
	if (altered && known != NULL) {
		before = drip_my_table_copy(known);
		if (before == NULL) {
			return drip_error_nomem(err, sizeof(*before));
		}
	}
	rc = drip_my_control(s, &control, err);
	if (rc == 0) {
		rc = drip_my_catalog_load(&s->catalog, control, database, table, s->at.place, err);
	}
	if (rc == 0 && before != NULL) {
		rc = mark_changes(s, before, &changed, err);
	}
	if (rc == 0) {
		rc = set_changed(s, database, table, changed, err);
	}
	drip_my_table_destroy(before);
	drip_my_table_destroy(changed);
	return rc;
}

/* (gives) a schema for a control batch: as the slot has it, or a bare one. */
static int control_schema(struct drip_my_source *s, const char *database, const char *table,
			  struct drip_schema **ret, struct drip_error *err)
{
	struct drip_my_slot *slot = drip_my_slot_get(s, database, table);
	const struct drip_my_table *t = drip_my_catalog_find(&s->catalog, database, table);

	*ret = NULL;
	if (slot == NULL) {
		return drip_error_nomem(err, sizeof(*slot));
	}
	if (slot->schema != NULL) {
		*ret = drip_schema_ref(slot->schema);
		return 0;
	}
	return t == NULL ? 0 : drip_my_schema_make(s, t, NULL, ret, err);
}

static int on_emptied(struct drip_my_source *s, enum drip_batch_kind kind, const char *database,
		      const char *table, struct drip_error *err)
{
	struct drip_schema *schema;
	int rc;

	if (!drip_my_catalog_wants(&s->catalog, database, table)) {
		return 0;
	}
	rc = control_schema(s, database, table, &schema, err);
	if (rc == 0) {
		drip_my_refill_due(s, drip_my_slot_get(s, database, table), false);
	}
	if (rc != 0 || schema == NULL) {
		return rc;
	}
	rc = drip_my_emit_control(s, kind, schema, false, err);
	drip_schema_unref(schema);
	return rc;
}

/*
 * A rename. To a name that is read already, it is the swap of an online schema change: the table
 * goes on under its name, with a new description. From a name that is read, the table is gone under
 * that name, unless the same statement brings another one in its place.
 */
static int on_rename(struct drip_my_source *s, const struct drip_my_ddl_event *e,
		     struct drip_error *err)
{
	bool from = drip_my_catalog_wants(&s->catalog, e->database, e->table);
	bool to = drip_my_catalog_wants(&s->catalog, e->to_database, e->to_table);

	if (to) {
		struct drip_my_slot *slot = drip_my_slot_get(s, e->to_database, e->to_table);

		if (slot == NULL) {
			return drip_error_nomem(err, sizeof(*slot));
		}
		if (slot->table == NULL) {
			drip_log_warning(s->ctx,
					 "%s.%s was renamed to %s.%s: rows that it had before are "
					 "not given under the new name",
					 e->database, e->table, e->to_database, e->to_table);
		}
		return on_set(s, e->to_database, e->to_table, err);
	}
	if (from) {
		struct drip_my_slot *slot = drip_my_slot_get(s, e->database, e->table);

		if (slot != NULL) {
			drip_my_refill_due(s, slot, false);
		}
	}
	return 0;
}

/* A table that is read has another name, and the feed is told: it may have promised this one. */
static int on_gone(struct drip_my_source *s, const struct drip_my_ddl_event *e,
		   struct drip_error *err)
{
	const struct drip_my_table *t =
		drip_my_catalog_find(&s->catalog, e->to_database, e->to_table);
	struct drip_schema_builder b;
	struct drip_schema *now, *before;
	int rc;

	if (!drip_my_catalog_wants(&s->catalog, e->database, e->table)) {
		return 0;
	}
	drip_log_warning(s->ctx, "%s.%s was renamed to %s.%s: no more rows come under the old name",
			 e->database, e->table, e->to_database, e->to_table);
	if (t == NULL) {
		return 0;
	}
	rc = drip_my_schema_make(s, t, NULL, &now, err);
	if (rc != 0) {
		return rc;
	}
	drip_schema_builder_from(&b, now);
	drip_schema_builder_set_table(&b, e->database, e->table);
	rc = drip_schema_builder_build(&b, &before, err);
	drip_schema_unref(now);
	if (rc == 0) {
		rc = drip_my_emit_control(s, DRIP_BATCH_GONE, before, false, err);
		drip_schema_unref(before);
	}
	return rc;
}

static int on_ddl(void *user, const struct drip_my_ddl_event *e, struct drip_error *err)
{
	struct drip_my_source *s = user;

	switch (e->kind) {
	case DRIP_MY_DDL_SET:
		return on_set(s, e->database, e->table, err);
	case DRIP_MY_DDL_UNKNOWN:
		return on_unknown(s, e->database, e->table, false, err);
	case DRIP_MY_DDL_ALTERED:
		return on_unknown(s, e->database, e->table, true, err);
	case DRIP_MY_DDL_DROP:
		return on_emptied(s, DRIP_BATCH_DROP, e->database, e->table, err);
	case DRIP_MY_DDL_TRUNCATE:
		return on_emptied(s, DRIP_BATCH_TRUNCATE, e->database, e->table, err);
	case DRIP_MY_DDL_RENAME:
		return on_rename(s, e, err);
	case DRIP_MY_DDL_GONE:
		return on_gone(s, e, err);
	default:
		return 0;
	}
}

static bool reads_database(const struct drip_my_source *s, const char *name)
{
	for (size_t i = 0; i < DRIP_COUNT(s->catalog.buckets); i++) {
		for (const struct drip_my_entry *e = s->catalog.buckets[i]; e != NULL;
		     e = e->next) {
			if (strcmp(e->database, name) == 0) {
				return true;
			}
		}
	}
	return false;
}

/* Does the statement work in, or name, a database of which tables are read? */
static bool may_change_wanted(const struct drip_my_source *s,
			      const struct drip_my_ddl_statement *st, struct drip_my_lex l)
{
	bool found = reads_database(s, st->database);

	while (l.kind != DRIP_MY_END && !found) {
		char *name = drip_my_lex_is_name(&l) ? drip_my_lex_take(&l) : NULL;

		if (name == NULL) {
			drip_my_lex_next(&l);
		} else if (drip_my_lex_is(&l, ".")) {
			found = reads_database(s, name);
		}
		free(name);
	}
	return found;
}

/*
 * A session with binlog_format STATEMENT or MIXED logs what it said instead of the rows. What that
 * did to which tables, with triggers and views, only the server knows.
 */
static int refuse_dml(const struct drip_my_source *s, const struct drip_my_ddl_statement *st,
		      struct drip_error *err)
{
	static const char *const words[] = {"insert", "update", "delete", "replace", "load",
					    "call",   "do",     "select", "with",    "values"};
	struct drip_my_lex l;
	size_t i = 0;

	drip_my_lex_init(&l, st->sql, st->size);
	l.ansi_quotes = st->ansi_quotes;
	l.no_backslash = st->no_backslash;
	while (drip_my_lex_is(&l, "set") || drip_my_lex_is(&l, "(")) { /* SET STATEMENT .. FOR */
		if (drip_my_lex_accept(&l, "(")) {
			continue;
		}
		while (l.kind != DRIP_MY_END && !drip_my_lex_accept(&l, "for")) {
			drip_my_lex_skip(&l);
		}
	}
	while (i < DRIP_COUNT(words) && !drip_my_lex_is(&l, words[i])) {
		i++;
	}
	if (i == DRIP_COUNT(words) || !may_change_wanted(s, st, l)) {
		return 0;
	}
	return drip_my_refuse_statement(err, words[i]);
}

int drip_my_refuse_statement(struct drip_error *err, const char *word)
{
	drip_error_set(err, -ENOTSUP, "mysql.binlog_format",
		       "the log holds a statement (%s) instead of the rows that it changed", word);
	drip_error_hint(err, "A session had another binlog_format than ROW. Forbid that on the "
			     "server, then reset the checkpoint of the pipeline to take a new "
			     "snapshot.");
	return -ENOTSUP;
}

int drip_my_stream_ddl(struct drip_my_source *s, const struct drip_my_query *q,
		       struct drip_error *err)
{
	const char *client = drip_my_charset_of_collation(q->client_collation);
	struct drip_my_charset *converter;
	struct drip_my_ddl_statement st = {
		.sql = q->sql, .size = q->sql_size, .since = s->at.place};
	char database[DRIP_NAME_MAX], *text = NULL;
	int rc = 0;

	st.since.offset = s->offset; /* it holds for what follows the statement */
	snprintf(database, sizeof(database), "%.*s", (int)q->database_size, q->database);
	st.database = database;
	st.charset = drip_my_query_charset(q);
	st.ansi_quotes = (q->sql_mode & 0x4) != 0;
	st.no_backslash = (q->sql_mode & 0x100000) != 0;
	st.strict = (q->sql_mode & 0x600000) != 0; /* STRICT_TRANS_TABLES, STRICT_ALL_TABLES */
	if (client != NULL) {
		rc = drip_my_charset_get(&s->values, client, &converter, err);
		if (rc != 0) {
			return rc;
		}
		if (converter != NULL) {
			text = drip_my_charset_text(converter, (const uint8_t *)q->sql,
						    q->sql_size);
			if (text == NULL) {
				return drip_error_nomem(err, q->sql_size);
			}
			st.sql = text;
			st.size = strlen(text);
		}
	}
	rc = refuse_dml(s, &st, err);
	if (rc == 0) {
		rc = drip_my_ddl_apply(&s->catalog, &st, on_ddl, s, err);
	}
	free(text);
	return rc != 0 ? rc : drip_my_store_catalog(s, err);
}

static int bad_start(const char *start, struct drip_error *err)
{
	drip_error_set(err, -EINVAL, "mysql.bad_position", "\"%s\" is no position of the log",
		       start);
	drip_error_option(err, "start");
	drip_error_hint(err, "Write earliest, latest, FILE:OFFSET as mysql-bin.000004:7788, or "
			     "gtid:0-1-95.");
	return -EINVAL;
}

static int first_row(MYSQL *m, const char *sql, struct drip_my_position *p, bool offset,
		     struct drip_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc = drip_my_select(m, sql, &res, err);

	if (rc != 0) {
		return rc;
	}
	row = mysql_fetch_row(res);
	if (row == NULL || row[0] == NULL || !drip_my_file_parse(row[0], p)) {
		drip_error_set(err, -ENODATA, "mysql.binlog_off", "the server writes no binlog");
		drip_error_hint(err, "Set log_bin on the server and restart it.");
		rc = -ENODATA;
	} else {
		p->place.offset = offset && row[1] != NULL ? strtoull(row[1], NULL, 10) : 4;
	}
	mysql_free_result(res);
	return rc;
}

int drip_my_first_place(MYSQL *m, struct drip_my_position *p, struct drip_error *err)
{
	return first_row(m, "SHOW BINARY LOGS", p, false, err);
}

int drip_my_stream_locate(struct drip_my_source *s, struct drip_error *err)
{
	const char *start = s->options->start != NULL ? s->options->start : "latest";
	struct drip_my_position *p = &s->at;
	char file[DRIP_MY_FILE_MAX], *end;
	const char *colon = strrchr(start, ':');
	MYSQL *control;
	int rc = drip_my_control(s, &control, err);

	if (rc != 0) {
		return rc;
	}
	p->phase = DRIP_MY_PHASE_LOG;
	if (strcmp(start, "latest") == 0) {
		rc = first_row(control, "SHOW MASTER STATUS", p, true, err);
	} else if (strcmp(start, "earliest") == 0) {
		rc = drip_my_first_place(control, p, err);
	} else if (strncmp(start, "gtid:", 5) == 0) {
		if (!drip_my_gtids_parse(start + 5, &p->gtids)) {
			return bad_start(start, err);
		}
		p->place.file = 0;
		return 0;
	} else if (colon != NULL && (size_t)(colon - start) < sizeof(file)) {
		memcpy(file, start, (size_t)(colon - start));
		file[colon - start] = '\0';
		p->place.offset = strtoull(colon + 1, &end, 10);
		if (colon[1] == '\0' || *end != '\0' || !drip_my_file_parse(file, p) ||
		    p->place.offset < 4) {
			return bad_start(start, err);
		}
	} else {
		return bad_start(start, err);
	}
	if (rc == 0) {
		drip_my_gtids_at(control, p, &p->gtids);
	}
	return rc;
}
