/* SPDX-License-Identifier: Apache-2.0 */
/* Table descriptions out of information_schema. */
#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t parse_number(const char *text)
{
	return text == NULL ? 0 : strtoull(text, NULL, 10);
}

/* NAME, COLUMN_TYPE, CHARACTER_SET_NAME, IS_NULLABLE */
static int add_column(struct drip_my_table *t, MYSQL_ROW row, struct drip_error *err)
{
	struct drip_my_column c = {0};
	struct drip_my_lex lex;

	drip_my_lex_init(&lex, row[1], strlen(row[1]));
	lex.no_backslash = true; /* information_schema doubles quotes and escapes nothing */
	c.nullable = strcmp(row[3], "YES") == 0;
	c.name = strdup(row[0]);
	if (c.name == NULL) {
		return drip_error_nomem(err, strlen(row[0]));
	}
	if (drip_my_type_parse(&lex, row[2] != NULL ? row[2] : "", &c) != 0) {
		drip_my_column_finish(&c);
		return drip_error_set(err, -ENOTSUP, "mysql.type_unsupported",
				      "%s.%s: column %s has the unknown type %s", t->database,
				      t->name, row[0], row[1]);
	}
	if (drip_my_table_insert(t, t->count, &c) != 0) {
		return drip_error_nomem(err, sizeof(c));
	}
	return 0;
}

static void add_where(struct drip_my_text *sql, const char *schema_column, const char *database,
		      const char *table)
{
	drip_my_text_add(sql, " WHERE %s = ", schema_column);
	drip_my_text_literal(sql, database);
	drip_my_text_add(sql, " AND TABLE_NAME = ");
	drip_my_text_literal(sql, table);
}

static int run(MYSQL *m, struct drip_my_text *sql, MYSQL_RES **ret, struct drip_error *err)
{
	int rc = sql->failed ? drip_error_nomem(err, sql->size)
			     : drip_my_select(m, sql->p, ret, err);

	drip_my_text_finish(sql);
	return rc;
}

static int read_columns(MYSQL *m, struct drip_my_table *t, struct drip_error *err)
{
	struct drip_my_text sql = {0};
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc;

	drip_my_text_add(&sql, "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, IS_NULLABLE"
			       " FROM information_schema.COLUMNS");
	add_where(&sql, "TABLE_SCHEMA", t->database, t->name);
	drip_my_text_add(&sql, " ORDER BY ORDINAL_POSITION");
	rc = run(m, &sql, &res, err);
	if (rc != 0) {
		return rc;
	}
	while (rc == 0 && (row = mysql_fetch_row(res)) != NULL) {
		rc = add_column(t, row, err);
	}
	mysql_free_result(res);
	return rc;
}

/* The primary key, or else the first unique index without a nullable column, as InnoDB picks. */
static int read_key(MYSQL *m, struct drip_my_table *t, struct drip_error *err)
{
	struct drip_my_text sql = {0};
	char chosen[260] = "";
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc;

	drip_my_text_add(
		&sql, "SELECT INDEX_NAME, COLUMN_NAME, SEQ_IN_INDEX,"
		      " MAX(NULLABLE = 'YES' OR SUB_PART IS NOT NULL AND INDEX_NAME <> 'PRIMARY')"
		      " OVER (PARTITION BY INDEX_NAME) FROM information_schema.STATISTICS");
	add_where(&sql, "TABLE_SCHEMA", t->database, t->name);
	drip_my_text_add(&sql, " AND NON_UNIQUE = 0 ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME,"
			       " SEQ_IN_INDEX");
	rc = run(m, &sql, &res, err);
	if (rc != 0) {
		return rc;
	}
	while ((row = mysql_fetch_row(res)) != NULL) {
		int index = row[1] != NULL ? drip_my_table_find(t, row[1]) : -1;

		if (index < 0 || parse_number(row[3]) != 0) {
			continue;
		}
		if (chosen[0] == '\0') {
			snprintf(chosen, sizeof(chosen), "%s", row[0]);
		}
		if (strcmp(chosen, row[0]) == 0) {
			t->columns[index].key = (uint8_t)parse_number(row[2]);
		}
	}
	mysql_free_result(res);
	return 0;
}

/* MariaDB's JSON is LONGTEXT with the check json_valid(`column`). MySQL has no TABLE_NAME there. */
static int read_json(MYSQL *m, struct drip_my_table *t, struct drip_error *err)
{
	struct drip_my_text sql = {0};
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc;

	if (strstr(mysql_get_server_info(m), "MariaDB") == NULL) {
		return 0;
	}
	drip_my_text_add(&sql, "SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS");
	add_where(&sql, "CONSTRAINT_SCHEMA", t->database, t->name);
	rc = run(m, &sql, &res, err);
	if (rc != 0) {
		return rc;
	}
	while ((row = mysql_fetch_row(res)) != NULL) {
		struct drip_my_lex lex;
		char *name;
		int index;

		drip_my_lex_init(&lex, row[0], strlen(row[0]));
		if (!drip_my_lex_accept(&lex, "json_valid") || !drip_my_lex_accept(&lex, "(")) {
			continue;
		}
		name = drip_my_lex_take(&lex);
		index = name != NULL ? drip_my_table_find(t, name) : -1;
		if (index >= 0 && t->columns[index].kind == DRIP_MY_TEXT) {
			t->columns[index].json = true;
		}
		free(name);
	}
	mysql_free_result(res);
	return 0;
}

/* Engine, rows, collation of the table itself. -ENOENT: it is not there, or is no base table. */
static int read_table(MYSQL *m, struct drip_my_table *t, struct drip_error *err)
{
	struct drip_my_text sql = {0};
	char buf[DRIP_MY_CHARSET_MAX];
	const char *charset;
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc;

	drip_my_text_add(&sql, "SELECT ENGINE, TABLE_ROWS, TABLE_COLLATION, TABLE_TYPE"
			       " FROM information_schema.TABLES");
	add_where(&sql, "TABLE_SCHEMA", t->database, t->name);
	rc = run(m, &sql, &res, err);
	if (rc != 0) {
		return rc;
	}
	row = mysql_fetch_row(res);
	if (row == NULL || row[3] == NULL || strstr(row[3], "VIEW") != NULL) {
		rc = -ENOENT;
	} else {
		t->transactional = row[0] != NULL && (strcmp(row[0], "InnoDB") == 0 ||
						      strcmp(row[0], "ROCKSDB") == 0);
		t->rows_estimate = parse_number(row[1]);
		charset = row[2] == NULL
				  ? NULL
				  : drip_my_charset_of_collation_name(row[2], buf, sizeof(buf));
		snprintf(t->charset, sizeof(t->charset), "%s", charset != NULL ? charset : "");
	}
	mysql_free_result(res);
	return rc;
}

int drip_my_table_read(MYSQL *m, const char *database, const char *table,
		       struct drip_my_table **ret, struct drip_error *err)
{
	struct drip_my_table *t = drip_my_table_create(database, table);
	int rc;

	*ret = NULL;
	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	rc = read_table(m, t, err);
	if (rc == 0) {
		rc = read_columns(m, t, err);
	}
	if (rc == 0) {
		rc = read_key(m, t, err);
	}
	if (rc == 0) {
		rc = read_json(m, t, err);
	}
	if (rc != 0 || t->count == 0) {
		drip_my_table_destroy(t);
		return rc == -ENOENT ? 0 : rc;
	}
	*ret = t;
	return 0;
}

static int load_one(struct drip_my_catalog *c, MYSQL *m, const char *database, const char *table,
		    struct drip_my_place since, struct drip_error *err)
{
	const struct drip_my_table *known = drip_my_catalog_find(c, database, table);
	struct drip_my_table *t;
	int rc = drip_my_table_read(m, database, table, &t, err);

	if (rc != 0) {
		return rc;
	}
	if (t == NULL || (known != NULL && drip_my_table_equal(known, t))) {
		drip_my_table_destroy(t);
		return 0;
	}
	return drip_my_catalog_set(c, database, table, t, since, err);
}

int drip_my_catalog_load(struct drip_my_catalog *c, MYSQL *m, const char *database,
			 const char *table, struct drip_my_place since, struct drip_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc;

	if (table != NULL) {
		return load_one(c, m, database, table, since, err);
	}
	rc = drip_my_select(m,
			    "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES"
			    " WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
			    " ORDER BY TABLE_SCHEMA, TABLE_NAME",
			    &res, err);
	if (rc != 0) {
		return rc;
	}
	while (rc == 0 && (row = mysql_fetch_row(res)) != NULL) {
		if (drip_my_catalog_wants(c, row[0], row[1]) &&
		    drip_my_catalog_find(c, row[0], row[1]) == NULL) {
			rc = load_one(c, m, row[0], row[1], since, err);
		}
	}
	mysql_free_result(res);
	return rc;
}
