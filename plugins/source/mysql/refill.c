/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a table again, where ALTER TABLE changed rows in a way that the log does not say: a
 * column with an expression as its default, a generated column, a partition that was dropped. All
 * rows are given as updates, in one piece with the statement: a restart begins before or behind it.
 * The server shows the table as it is now, which may be later than the statement: the log repeats
 * what happened in between, so that the table is right again when the log has come to the same
 * place. That needs a key. Where a later ALTER TABLE made the table another one by now, it waits
 * for that one, and no boundary is given before.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int impossible(const struct drip_my_slot *slot, const char *why, struct drip_error *err)
{
	drip_error_set(err, -ENOTSUP, "mysql.refill_impossible",
		       "%s.%s was altered in a way that the log does not say, and %s",
		       slot->database, slot->name, why);
	drip_error_hint(err, "Reset the checkpoint of the pipeline to take a new snapshot, or set "
			     "refill: false to leave older rows as they are.");
	return -ENOTSUP;
}

static void set_killable(struct drip_my_source *s, MYSQL *m)
{
	pthread_mutex_lock(&s->interrupt_lock);
	s->killable = m;
	pthread_mutex_unlock(&s->interrupt_lock);
}

static int append(struct drip_my_source *s, struct drip_my_slot *slot, struct drip_my_cell *cells,
		  uint32_t count, MYSQL_RES *res, struct drip_error *err)
{
	MYSQL_ROW row;
	int rc = 0;

	while (rc == 0 && (row = mysql_fetch_row(res)) != NULL) {
		unsigned long *lengths = mysql_fetch_lengths(res);
		int64_t before = slot->builder.rows;

		for (uint32_t i = 0; i < count; i++) {
			if (row[i] == NULL) {
				drip_append_null(cells[i].out);
			} else {
				cells[i].append(&cells[i], (const uint8_t *)row[i], lengths[i]);
			}
		}
		drip_builder_row(&slot->builder, DRIP_OP_UPDATE);
		s->at.row++;
		drip_my_slot_appended(s, slot, before);
		if (s->values.rc != 0) {
			*err = s->values.error;
			rc = s->values.rc;
		} else if (s->flush_due) {
			rc = drip_my_flush(s, false, err);
		}
	}
	return rc;
}

/* Gives all rows that the server has. */
static int give_rows(struct drip_my_source *s, struct drip_my_slot *slot, MYSQL *m,
		     struct drip_error *err)
{
	const struct drip_my_table *t = slot->table;
	struct drip_my_cell *cells = calloc(t->count, sizeof(*cells));
	uint32_t *columns = calloc(t->count, sizeof(*columns)), count = 0;
	struct drip_my_text sql = {0};
	MYSQL_RES *res = NULL;
	int rc = 0;

	if (cells != NULL && columns != NULL) {
		count = drip_my_select_list(&sql, slot, columns);
	}
	if (count == 0 || sql.failed) {
		rc = drip_error_nomem(err, t->count * sizeof(*cells));
	} else if (mysql_real_query(m, sql.p, sql.size) != 0 ||
		   (res = mysql_use_result(m)) == NULL) {
		rc = drip_my_error(m, "read a table", err);
	}
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		drip_my_cell_text(&cells[i], &t->columns[columns[i]], &s->values);
		cells[i].out = &slot->builder.columns[slot->out[columns[i]]];
	}
	if (rc == 0) {
		rc = append(s, slot, cells, count, res, err);
	}
	if (rc == 0 && mysql_errno(m) != 0) {
		rc = drip_my_error(m, "read a table", err);
	}
	if (rc != 0) {
		drip_error_place(err, "%s.%s", slot->database, slot->name);
		shutdown(mysql_get_socket(m), SHUT_RDWR); /* the result is not read to its end */
	}
	mysql_free_result(res);
	drip_my_text_finish(&sql);
	free(cells);
	free(columns);
	return rc;
}

/* Do both have the same columns, as far as their values go? */
static bool same_columns(const struct drip_my_table *a, const struct drip_my_table *b)
{
	if (a == NULL || a->count != b->count) {
		return false;
	}
	for (uint32_t i = 0; i < a->count; i++) {
		const struct drip_my_column *x = &a->columns[i], *y = &b->columns[i];

		if (strcmp(x->name, y->name) != 0 || x->kind != y->kind || x->bytes != y->bytes ||
		    x->is_unsigned != y->is_unsigned || x->scale != y->scale || x->fsp != y->fsp) {
			return false;
		}
	}
	return true;
}

void drip_my_refill_due(struct drip_my_source *s, struct drip_my_slot *slot, bool due)
{
	s->refills_due += (size_t)due - (size_t)slot->refill_due;
	slot->refill_due = due;
}

int drip_my_refill(struct drip_my_source *s, struct drip_my_slot *slot, struct drip_error *err)
{
	uint32_t keys[DRIP_MY_KEY_MAX];
	struct drip_my_table *now = NULL;
	MYSQL *m;
	int rc;

	if (s->connection == NULL) {
		return impossible(slot, "there is no server to read it from", err);
	}
	if (drip_my_table_key(slot->table, keys) == 0) {
		return impossible(slot, "it has no key", err);
	}
	rc = s->connection->connect(s->connection_object, &m, err);
	if (rc != 0) {
		return rc;
	}
	set_killable(s, m);
	rc = drip_my_execute(m, "SET SESSION net_write_timeout = 3600", err);
	if (rc == 0) {
		rc = drip_my_table_read(m, slot->database, slot->name, &now, err);
	}
	if (rc == 0 && !same_columns(now, slot->table)) {
		drip_log_warning(s->ctx,
				 "%s.%s is to be read again, but was altered once more since: "
				 "waiting until the log comes to that",
				 slot->database, slot->name);
		drip_my_refill_due(s, slot, true);
	} else if (rc == 0) {
		drip_log_info(s->ctx, "%s.%s was altered: reading it again", slot->database,
			      slot->name);
		drip_my_refill_due(s, slot, false);
		rc = give_rows(s, slot, m, err);
	}
	set_killable(s, NULL);
	mysql_close(m);
	drip_my_table_destroy(now);
	return rc;
}
