/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk load: INSERT statements of many rows, each as large as the server takes. And literals. */
#include "sql.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_BYTES (4u << 20) /* of one INSERT, unless the server takes less */

struct drip_sql_ingest {
	struct drip_my_session *session;
	struct drip_my_text head; /* "INSERT INTO t (a, b) VALUES " */
	uint32_t columns;
	bool with_op, with_sequence;
	size_t limit;
	int rc; /* first failure: later writes do nothing */
};

static void civil_of_days(int64_t days, int64_t *year, int *month, int *day)
{
	days += 719468;

	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*year = yoe + era * 400 + (*month <= 2);
}

static void put_timestamp(struct drip_my_text *t, int64_t micros)
{
	int64_t day_us = 86400 * (int64_t)1000000, rest = micros % day_us, year;
	int month, day;

	rest = rest < 0 ? rest + day_us : rest;
	civil_of_days((micros - rest) / day_us, &year, &month, &day);
	drip_my_text_add(t, "'%04" PRId64 "-%02d-%02d %02d:%02d:%02d.%06d'", year, month, day,
			 (int)(rest / 3600000000), (int)(rest / 60000000 % 60),
			 (int)(rest / 1000000 % 60), (int)(rest % 1000000));
}

static void put_duration(struct drip_my_text *t, int64_t micros)
{
	uint64_t u = micros < 0 ? 0 - (uint64_t)micros : (uint64_t)micros;

	drip_my_text_add(t, "'%s%02" PRIu64 ":%02d:%02d.%06d'", micros < 0 ? "-" : "",
			 u / 3600000000u, (int)(u / 60000000 % 60), (int)(u / 1000000 % 60),
			 (int)(u % 1000000));
}

/* Escaped as the session's sql_mode needs it, which the server tells with each answer. */
static void put_text(struct drip_my_text *t, MYSQL *m, const char *p, int64_t size)
{
	char *buf = malloc((size_t)size * 2 + 1);
	unsigned long n;

	if (buf == NULL) {
		t->failed = true;
		return;
	}
	n = mysql_real_escape_string(m, buf, p, (unsigned long)size);
	drip_my_text_bytes(t, "'", 1);
	drip_my_text_bytes(t, buf, n);
	drip_my_text_bytes(t, "'", 1);
	free(buf);
}

void drip_my_literal(struct drip_my_text *t, MYSQL *m, const struct drip_batch *batch,
		     uint32_t column, int64_t row)
{
	const struct drip_column *c = drip_schema_column(batch->schema, column);
	struct drip_value v;
	char buf[128];
	int64_t year;
	int month, day;

	drip_value_get(batch, column, row, &v);
	switch (v.type) {
	case DRIP_TYPE_NONE:
		drip_my_text_bytes(t, "NULL", 4);
		break;
	case DRIP_TYPE_UTF8:
	case DRIP_TYPE_JSON:
	case DRIP_TYPE_UUID:
		put_text(t, m, v.data, v.size);
		break;
	case DRIP_TYPE_BINARY:
		drip_my_text_hex(t, v.data, (size_t)v.size);
		break;
	case DRIP_TYPE_DATE:
		civil_of_days(v.i, &year, &month, &day);
		drip_my_text_add(t, "'%04" PRId64 "-%02d-%02d'", year, month, day);
		break;
	case DRIP_TYPE_TIMESTAMP:
	case DRIP_TYPE_TIMESTAMP_UTC:
		put_timestamp(t, v.i);
		break;
	case DRIP_TYPE_TIME:
	case DRIP_TYPE_DURATION:
		put_duration(t, v.i);
		break;
	case DRIP_TYPE_BOOL:
		drip_my_text_add(t, "%d", v.i != 0);
		break;
	default:
		drip_value_format(&v, c, buf, sizeof(buf));
		if (strspn(buf, "0123456789+-.eE") != strlen(buf)) { /* infinity, not a number */
			drip_my_text_bytes(t, "NULL", 4);
		} else {
			drip_my_text_bytes(t, buf, strlen(buf));
		}
		break;
	}
}

int drip_my_ingest_open(void *session, const char *schema, const char *table,
			const struct drip_schema *columns, const char *with_op,
			const char *with_sequence, struct drip_sql_ingest **ret,
			struct drip_error *err)
{
	struct drip_my_session *s = session;
	struct drip_sql_ingest *g = calloc(1, sizeof(*g));
	char packet[32];
	int rc;

	if (g == NULL) {
		return drip_error_nomem(err, sizeof(*g));
	}
	rc = drip_my_value(s->m, "SELECT @@max_allowed_packet", packet, sizeof(packet), err);
	if (rc != 0) {
		free(g);
		return rc;
	}
	g->session = s;
	g->limit = (size_t)strtoull(packet, NULL, 10) / 2;
	g->limit = g->limit > STATEMENT_BYTES ? STATEMENT_BYTES : g->limit;
	g->columns = columns->columns_count;
	g->with_op = with_op != NULL;
	g->with_sequence = with_sequence != NULL;
	drip_my_text_add(&g->head, "INSERT INTO ");
	if (schema != NULL && schema[0] != '\0') {
		drip_my_text_name(&g->head, schema);
		drip_my_text_add(&g->head, ".");
	}
	drip_my_text_name(&g->head, table);
	drip_my_text_add(&g->head, " (");
	for (uint32_t i = 0; i < g->columns; i++) {
		drip_my_text_add(&g->head, i > 0 ? ", " : "");
		drip_my_text_name(&g->head, drip_schema_column(columns, i)->name);
	}
	if (with_op != NULL) {
		drip_my_text_add(&g->head, ", ");
		drip_my_text_name(&g->head, with_op);
	}
	if (with_sequence != NULL) {
		drip_my_text_add(&g->head, ", ");
		drip_my_text_name(&g->head, with_sequence);
	}
	drip_my_text_add(&g->head, ") VALUES ");
	*ret = g;
	return 0;
}

static void put_row(struct drip_sql_ingest *g, struct drip_my_text *t,
		    const struct drip_batch *batch, int64_t row)
{
	drip_my_text_add(t, "(");
	for (uint32_t i = 0; i < g->columns; i++) {
		drip_my_text_add(t, i > 0 ? ", " : "");
		drip_my_literal(t, g->session->m, batch, i, row);
	}
	if (g->with_op) {
		drip_my_text_add(t, ", '%c'", (char)drip_batch_op(batch, row));
	}
	if (g->with_sequence) {
		drip_my_text_add(t, ", %" PRIu64, batch->sequence << 32 | (uint64_t)row);
	}
	drip_my_text_add(t, ")");
}

static int send_rows(struct drip_sql_ingest *g, struct drip_my_text *t, struct drip_error *err)
{
	if (t->failed) {
		return drip_error_nomem(err, t->size);
	}
	if (mysql_real_query(g->session->m, t->p, t->size) != 0) {
		return drip_my_error(g->session->m, "load rows", err);
	}
	return 0;
}

int drip_my_ingest_write(struct drip_sql_ingest *g, const struct drip_batch *batch,
			 struct drip_error *err)
{
	struct drip_my_text t = {0};
	int rc = g->rc;

	if (rc != 0 || batch->schema == NULL || batch->schema->columns_count != g->columns) {
		return rc != 0 ? rc
			       : drip_error_set(err, -EINVAL, "mysql.bad_parameters",
						"the batch has other columns than the load");
	}
	for (int64_t row = 0; row < batch->rows && rc == 0; row++) {
		if (t.size == 0) {
			drip_my_text_bytes(&t, g->head.p, g->head.size);
		} else {
			drip_my_text_add(&t, ", ");
		}
		put_row(g, &t, batch, row);
		if (t.size >= g->limit || row + 1 == batch->rows || t.failed) {
			rc = send_rows(g, &t, err);
			t.size = 0;
		}
	}
	drip_my_text_finish(&t);
	g->rc = rc;
	g->session->failed = g->session->failed || rc != 0;
	return rc;
}

int drip_my_ingest_close(struct drip_sql_ingest *g, struct drip_error *err)
{
	int rc = g->rc;

	if (rc != 0) {
		drip_error_set(err, rc, "mysql.query_failed", "an earlier row of the load failed");
	}
	drip_my_text_finish(&g->head);
	free(g);
	return rc;
}
