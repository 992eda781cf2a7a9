/* SPDX-License-Identifier: Apache-2.0 */
/* drip_sql for MySQL and MariaDB: sessions, statements, transactions. See sql.h. */
#include "sql.h"

#include "catalog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int type_name(const struct drip_column *c, char *buf, size_t size)
{
	static const char *const names[] = {
		[DRIP_TYPE_BOOL] = "TINYINT(1)",
		[DRIP_TYPE_INT8] = "TINYINT",
		[DRIP_TYPE_INT16] = "SMALLINT",
		[DRIP_TYPE_INT32] = "INT",
		[DRIP_TYPE_INT64] = "BIGINT",
		[DRIP_TYPE_UINT8] = "TINYINT UNSIGNED",
		[DRIP_TYPE_UINT16] = "SMALLINT UNSIGNED",
		[DRIP_TYPE_UINT32] = "INT UNSIGNED",
		[DRIP_TYPE_UINT64] = "BIGINT UNSIGNED",
		[DRIP_TYPE_FLOAT32] = "FLOAT",
		[DRIP_TYPE_FLOAT64] = "DOUBLE",
		[DRIP_TYPE_DATE] = "DATE",
		[DRIP_TYPE_TIME] = "TIME(6)",
		[DRIP_TYPE_TIMESTAMP] = "DATETIME(6)",
		[DRIP_TYPE_TIMESTAMP_UTC] = "DATETIME(6)",
		[DRIP_TYPE_DURATION] = "TIME(6)",
		[DRIP_TYPE_JSON] = "JSON",
		[DRIP_TYPE_UUID] = "CHAR(36)",
	};

	if (c->type == DRIP_TYPE_DECIMAL) {
		snprintf(buf, size, "DECIMAL(%d,%d)", (int)c->precision, (int)c->scale);
	} else if (c->type == DRIP_TYPE_UTF8 || c->type == DRIP_TYPE_BINARY) {
		bool text = c->type == DRIP_TYPE_UTF8;

		if (c->length > 0 && c->length <= 1000) {
			snprintf(buf, size, "%s(%" PRId64 ")", text ? "VARCHAR" : "VARBINARY",
				 c->length);
		} else if ((c->flags & DRIP_COLUMN_KEY) != 0) {
			snprintf(buf, size, "%s(255)", text ? "VARCHAR" : "VARBINARY");
		} else {
			snprintf(buf, size, "%s", text ? "LONGTEXT" : "LONGBLOB");
		}
	} else if (c->type > DRIP_TYPE_NONE && c->type < DRIP_COUNT(names) &&
		   names[c->type] != NULL) {
		snprintf(buf, size, "%s", names[c->type]);
	} else {
		return -ENOTSUP;
	}
	return 0;
}

static const struct drip_sql_dialect dialect = {
	.struct_size = sizeof(struct drip_sql_dialect),
	.name = "mysql",
	.quote = '`',
	.features = DRIP_SQL_TRANSACTIONS | DRIP_SQL_INGEST | DRIP_SQL_STREAMING,
	.type_name = type_name,
};

static const struct drip_sql_dialect *get_dialect(void *object)
{
	return &dialect;
}

static int dataset_namespace(void *object, char *buf, size_t size)
{
	const struct drip_my_connection *c = object;

	snprintf(buf, size, "mysql://%s:%d",
		 c->options->host != NULL ? c->options->host : "localhost", (int)c->options->port);
	return 0;
}

static int session_open(void *object, void **ret_session, struct drip_error *err)
{
	struct drip_my_connection *c = object;
	struct drip_my_session *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->connection = c;
	rc = drip_my_connect(c->options, &s->m, err);
	if (rc != 0) {
		free(s);
		return rc;
	}
	pthread_mutex_init(&s->lock, NULL);
	*ret_session = s;
	return 0;
}

static void session_close(void *session)
{
	struct drip_my_session *s = session;

	if (s == NULL) {
		return;
	}
	pthread_mutex_lock(&s->lock);
	mysql_close(s->m);
	s->m = NULL;
	pthread_mutex_unlock(&s->lock);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void session_interrupt(void *session)
{
	struct drip_my_session *s = session;

	pthread_mutex_lock(&s->lock);
	if (s->m != NULL) {
		mariadb_cancel(s->m);
	}
	pthread_mutex_unlock(&s->lock);
}

static int session_execute(void *session, const char *sql, int64_t *ret_rows,
			   struct drip_error *err)
{
	struct drip_my_session *s = session;
	int rc = drip_my_execute(s->m, sql, err);

	if (rc != 0) {
		s->failed = true;
	} else if (ret_rows != NULL) {
		my_ulonglong rows = mysql_affected_rows(s->m);

		*ret_rows = rows == (my_ulonglong)-1 ? -1 : (int64_t)rows;
	}
	return rc;
}

static int session_begin(void *session, struct drip_error *err)
{
	struct drip_my_session *s = session;

	s->failed = false;
	return drip_my_execute(s->m, "START TRANSACTION", err);
}

static int session_rollback(void *session, struct drip_error *err)
{
	struct drip_my_session *s = session;

	s->failed = false;
	return drip_my_execute(s->m, "ROLLBACK", err);
}

static int session_commit(void *session, struct drip_error *err)
{
	struct drip_my_session *s = session;

	if (s->failed) {
		struct drip_error ignored = DRIP_ERROR_INIT;

		if (session_rollback(s, &ignored) != 0) {
			*err = ignored;
			return err->rc;
		}
		return drip_error_set(err, -ECANCELED, "mysql.transaction_failed",
				      "a statement of the transaction failed; it was rolled back");
	}
	return drip_my_execute(s->m, "COMMIT", err);
}

static int table_schema(void *session, const char *schema, const char *table,
			struct drip_schema **ret_schema, struct drip_error *err)
{
	struct drip_my_session *s = session;
	struct drip_schema_builder b;
	struct drip_my_table *t;
	char text[256];
	int rc;

	if (schema == NULL || schema[0] == '\0') {
		schema = s->connection->options->database;
	}
	if (schema == NULL) {
		return drip_error_set(err, -EINVAL, "mysql.no_such_database",
				      "no database is named for table %s", table);
	}
	rc = drip_my_table_read(s->m, schema, table, &t, err);
	if (rc != 0) {
		return rc;
	}
	if (t == NULL) {
		return drip_error_set(err, -ENOENT, "mysql.no_such_table",
				      "there is no table %s.%s", schema, table);
	}
	drip_schema_builder_init(&b, schema, table);
	for (uint32_t i = 0; i < t->count; i++) {
		struct drip_column column;

		drip_my_type_column(&t->columns[i], DRIP_MY_ZERO_NULL, &column);
		drip_my_type_text(&t->columns[i], text, sizeof(text));
		column.source_type = text;
		column.classification = DRIP_CLASS_INTERNAL;
		drip_schema_builder_add(&b, &column);
	}
	drip_my_table_destroy(t);
	return drip_schema_builder_build(&b, ret_schema, err);
}

const struct drip_sql drip_my_sql = {
	.struct_size = sizeof(struct drip_sql),
	.dialect = get_dialect,
	.dataset_namespace = dataset_namespace,
	.session_open = session_open,
	.session_close = session_close,
	.interrupt = session_interrupt,
	.execute = session_execute,
	.query = drip_my_sql_query,
	.begin = session_begin,
	.commit = session_commit,
	.rollback = session_rollback,
	.table_schema = table_schema,
	.ingest_open = drip_my_ingest_open,
	.ingest_write = drip_my_ingest_write,
	.ingest_close = drip_my_ingest_close,
};
