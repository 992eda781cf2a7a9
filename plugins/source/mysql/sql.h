/* SPDX-License-Identifier: Apache-2.0 */
/* drip_sql over a session: shared by its parts. A session is used by one thread at a time. */
#ifndef DRIPLINE_MYSQL_SQL_H
#define DRIPLINE_MYSQL_SQL_H

#include "client.h"
#include "value.h"

#include <dripline/sql.h>
#include <pthread.h>

struct drip_my_connection {
	const struct drip_my_options *options;
};

struct drip_my_session {
	MYSQL *m;
	struct drip_my_connection *connection;
	bool failed;          /* a statement since begin failed: commit must not pretend */
	bool streaming;       /* a result is being read */
	pthread_mutex_t lock; /* of `m` between interrupt and close */
};

extern const struct drip_sql drip_my_sql;

/* The value at `row` of `column` as an SQL literal. */
void drip_my_literal(struct drip_my_text *t, MYSQL *m, const struct drip_batch *batch,
		     uint32_t column, int64_t row);
int drip_my_sql_query(void *session, const char *sql, const struct drip_batch *bind,
		      struct drip_schema **ret_schema, struct ArrowArrayStream *ret_stream,
		      struct drip_error *err);
int drip_my_ingest_open(void *session, const char *schema, const char *table,
			const struct drip_schema *columns, const char *with_op,
			const char *with_sequence, struct drip_sql_ingest **ret,
			struct drip_error *err);
int drip_my_ingest_write(struct drip_sql_ingest *ingest, const struct drip_batch *batch,
			 struct drip_error *err);
int drip_my_ingest_close(struct drip_sql_ingest *ingest, struct drip_error *err);

#endif
