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
#include "scan.h"
#include "source.h"

#include <errno.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>

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

/* Gives all rows that the server has. */
static int give_rows(struct drip_my_source *s, struct drip_my_slot *slot, MYSQL *m,
		     struct drip_error *err)
{
	struct drip_my_scan scan;
	int rc = drip_my_scan_open(&scan, m, slot, &s->values, "", err);

	while (rc == 0 && (rc = drip_my_scan_next(&scan, err)) == 1) {
		int64_t before = slot->builder.rows;

		drip_my_scan_append(&scan);
		drip_builder_row(&slot->builder, DRIP_OP_UPDATE);
		s->at.row++;
		drip_my_slot_appended(s, slot, before);
		rc = s->values.rc;
		if (rc != 0) {
			*err = s->values.error;
		} else if (s->flush_due) {
			rc = drip_my_flush(s, false, err);
		}
	}
	if (rc != 0) {
		drip_error_place(err, "%s.%s", slot->database, slot->name);
	}
	drip_my_scan_close(&scan);
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

/* Keeps others from altering the table until the session ends: what is told of its columns is then
 * true of the rows. *ret_held is false where there is no such table now. */
static int hold_table(MYSQL *m, const struct drip_my_slot *slot, bool *ret_held,
		      struct drip_error *err)
{
	struct drip_my_text sql = {0};
	int rc = drip_my_execute(m, "START TRANSACTION", err);

	drip_my_text_add(&sql, "SELECT 1 FROM ");
	drip_my_text_name(&sql, slot->database);
	drip_my_text_add(&sql, ".");
	drip_my_text_name(&sql, slot->name);
	drip_my_text_add(&sql, " LIMIT 0");
	if (rc == 0 && sql.failed) {
		rc = drip_error_nomem(err, sql.size);
	}
	rc = rc == 0 ? drip_my_execute(m, sql.p, err) : rc;
	drip_my_text_finish(&sql);
	*ret_held = rc == 0;
	return rc != 0 && mysql_errno(m) == ER_NO_SUCH_TABLE ? 0 : rc;
}

int drip_my_refill(struct drip_my_source *s, struct drip_my_slot *slot, struct drip_error *err)
{
	uint32_t keys[DRIP_MY_KEY_MAX];
	struct drip_my_table *now = NULL;
	bool held = false;
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
	rc = rc == 0 ? hold_table(m, slot, &held, err) : rc;
	if (rc == 0 && held) {
		rc = drip_my_table_read(m, slot->database, slot->name, &now, err);
	}
	rc = rc == 0 ? drip_failpoint(s->ctx, "mysql.refill", err) : rc;
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
