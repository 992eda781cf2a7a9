/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of a table: see scan.h. */
#include "scan.h"
#include "source.h"

#include <errno.h>
#include <mysqld_error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* The names of the slot's columns. FLOAT is printed with six digits; as DOUBLE it comes whole. */
static void select_list(struct drip_my_scan *n, struct drip_my_text *sql,
			const struct drip_my_slot *slot)
{
	const struct drip_my_table *t = slot->table;

	drip_my_text_add(sql, "SELECT ");
	for (uint32_t i = 0; i < t->count; i++) {
		bool is_float = t->columns[i].kind == DRIP_MY_FLOAT;

		if (slot->out[i] == UINT32_MAX) {
			continue;
		}
		drip_my_text_add(sql, "%s%s", n->count > 0 ? ", " : "", is_float ? "CAST(" : "");
		drip_my_text_name(sql, t->columns[i].name);
		drip_my_text_add(sql, is_float ? " AS DOUBLE)" : "");
		n->columns[n->count++] = i;
	}
	drip_my_text_add(sql, " FROM ");
	drip_my_text_name(sql, t->database);
	drip_my_text_add(sql, ".");
	drip_my_text_name(sql, t->name);
}

static int failed(const struct drip_my_scan *n, struct drip_error *err)
{
	if (n->stmt != NULL && mysql_stmt_errno(n->stmt) != 0) {
		return drip_my_error_of(mysql_stmt_errno(n->stmt), mysql_stmt_error(n->stmt),
					"read a table", err);
	}
	return drip_my_error(n->m, "read a table", err);
}

/* 1: the server takes no prepared statements, or no more of them. */
static int prepare(struct drip_my_scan *n, const struct drip_my_text *sql, struct drip_error *err)
{
	n->stmt = mysql_stmt_init(n->m);
	if (n->stmt == NULL) {
		return drip_error_nomem(err, sizeof(*n->stmt));
	}
	if (mysql_stmt_prepare(n->stmt, sql->p, sql->size) == 0) {
		return 0;
	}
	switch (mysql_stmt_errno(n->stmt)) {
	case ER_UNKNOWN_COM_ERROR:
	case ER_UNSUPPORTED_PS:
	case ER_MAX_PREPARED_STMT_COUNT_REACHED:
		mysql_stmt_close(n->stmt);
		n->stmt = NULL;
		return 1;
	default:
		return failed(n, err);
	}
}

/* (gives) what the columns of the result are; its rows are next to be read. */
static int execute(struct drip_my_scan *n, const struct drip_my_text *sql, MYSQL_RES **ret,
		   struct drip_error *err)
{
	int rc = prepare(n, sql, err);

	if (rc < 0) {
		return rc;
	}
	if (rc == 0) {
		if (mysql_stmt_execute(n->stmt) != 0) {
			return failed(n, err);
		}
		n->unread = true;
		*ret = mysql_stmt_result_metadata(n->stmt);
	} else if (mysql_real_query(n->m, sql->p, sql->size) == 0) {
		*ret = n->res = mysql_use_result(n->m);
		n->unread = n->res != NULL;
	}
	return *ret != NULL ? 0 : failed(n, err);
}

static int bind_cells(struct drip_my_scan *n, const struct drip_my_slot *slot,
		      const MYSQL_RES *result, struct drip_my_values *values,
		      struct drip_error *err)
{
	if (result->field_count != n->count) {
		return drip_error_set(err, -EBADMSG, "mysql.malformed_value",
				      "the server sends %u columns for %u", result->field_count,
				      n->count);
	}
	for (uint32_t i = 0; i < n->count; i++) {
		const struct drip_my_column *column = &slot->table->columns[n->columns[i]];

		if (n->stmt != NULL) {
			drip_my_cell_binary(&n->cells[i], column, (uint8_t)result->fields[i].type,
					    values);
		} else {
			drip_my_cell_text(&n->cells[i], column, values);
		}
		n->cells[i].out = &slot->builder.columns[slot->out[n->columns[i]]];
	}
	return 0;
}

int drip_my_scan_open(struct drip_my_scan *n, MYSQL *m, const struct drip_my_slot *slot,
		      struct drip_my_values *values, const char *behind, struct drip_error *err)
{
	uint32_t count = slot->table->count;
	struct drip_my_text sql = {0};
	MYSQL_RES *result = NULL;
	int rc;

	memset(n, 0, sizeof(*n));
	n->m = m;
	n->cells = calloc(count, sizeof(*n->cells));
	n->columns = calloc(count, sizeof(*n->columns));
	n->values = calloc(count, sizeof(*n->values));
	n->sizes = calloc(count, sizeof(*n->sizes));
	if (n->cells == NULL || n->columns == NULL || n->values == NULL || n->sizes == NULL) {
		return drip_error_nomem(err, count * sizeof(*n->cells));
	}
	select_list(n, &sql, slot);
	drip_my_text_bytes(&sql, behind, strlen(behind));
	rc = sql.failed ? drip_error_nomem(err, sql.size) : execute(n, &sql, &result, err);
	drip_my_text_finish(&sql);
	if (rc == 0) {
		rc = bind_cells(n, slot, result, values, err);
	}
	if (result != n->res) {
		mysql_free_result(result);
	}
	return rc;
}

static int next_text(struct drip_my_scan *n, struct drip_error *err)
{
	MYSQL_ROW row = mysql_fetch_row(n->res);
	unsigned long *lengths;

	if (row == NULL) {
		n->unread = false;
		return mysql_errno(n->m) != 0 ? failed(n, err) : 0;
	}
	lengths = mysql_fetch_lengths(n->res);
	for (uint32_t i = 0; i < n->count; i++) {
		n->values[i] = (const uint8_t *)row[i];
		n->sizes[i] = lengths[i];
	}
	return 1;
}

int drip_my_scan_next(struct drip_my_scan *n, struct drip_error *err)
{
	unsigned long size;
	const uint8_t *p;

	if (n->stmt == NULL) {
		return next_text(n, err);
	}
	size = mysql_net_read_packet(n->m);
	if (size == packet_error) {
		return failed(n, err);
	}
	p = n->m->net.read_pos;
	if (size > 0 && p[0] == 0xfe) { /* no row begins so */
		n->unread = false;
		return 0;
	}
	if (!drip_my_row_split(n->cells, n->count, p, size, n->values, n->sizes)) {
		return drip_error_set(err, -EBADMSG, "mysql.malformed_value",
				      "the server sent a row that is none");
	}
	return 1;
}

void drip_my_scan_append(const struct drip_my_scan *n)
{
	for (uint32_t i = 0; i < n->count; i++) {
		if (n->values[i] == NULL) {
			drip_append_null(n->cells[i].out);
		} else {
			n->cells[i].append(&n->cells[i], n->values[i], n->sizes[i]);
		}
	}
}

void drip_my_scan_close(struct drip_my_scan *n)
{
	if (n->unread) { /* a large result is not read to its end */
		shutdown(mysql_get_socket(n->m), SHUT_RDWR);
	}
	if (n->stmt != NULL) {
		n->m->status = MYSQL_STATUS_READY; /* its packets were read past the library */
		mysql_stmt_close(n->stmt);
	}
	mysql_free_result(n->res);
	free(n->cells);
	free(n->columns);
	free(n->values);
	free(n->sizes);
	memset(n, 0, sizeof(*n));
}
