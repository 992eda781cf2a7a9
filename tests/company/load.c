/* SPDX-License-Identifier: Apache-2.0 */
/* History: all orders of the time, drawn in the order of their time, shard by shard. */
#include "company.h"

#include <errno.h>
#include <mysql.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_BYTES ((size_t)16 << 20)

static int failed(MYSQL *db, const char *what)
{
	fprintf(stderr, "company: could not %s: %s\n", what, mysql_error(db));
	return 1;
}

/* ---- LOAD DATA from memory ---- */

struct reader {
	const struct company_text *text;
	size_t at;
};

static int reader_begin(void **ret, const char *name, void *data)
{
	(void)name;
	*ret = data;
	return 0;
}

static int reader_read(void *data, char *buf, unsigned size)
{
	struct reader *r = data;
	size_t left = r->text->size - r->at;
	size_t n = left < size ? left : size;

	memcpy(buf, r->text->data + r->at, n);
	r->at += n;
	return (int)n;
}

static void reader_end(void *data)
{
	(void)data;
}

static int reader_error(void *data, char *buf, unsigned size)
{
	(void)data;
	snprintf(buf, size, "could not read the rows");
	return 1;
}

static void shard_name(enum company_table table, const char *month, char *buf, size_t size)
{
	const char *name = company_tables[table];
	const char *shard = strstr(name, "YYYYMM");

	if (shard == NULL) {
		snprintf(buf, size, "%s", name);
	} else {
		snprintf(buf, size, "%.*s%s", (int)(shard - name), name, month);
	}
}

static int load_text(MYSQL *db, enum company_table table, const char *month,
		     struct company_text *text)
{
	struct reader reader = {.text = text};
	char name[96], sql[256];

	if (text->failed) {
		fputs("company: could not go on: out of memory\n", stderr);
		return 1;
	}
	if (text->size == 0) {
		return 0;
	}
	shard_name(table, month, name, sizeof(name));
	snprintf(sql, sizeof(sql),
		 "LOAD DATA LOCAL INFILE 'rows' INTO TABLE %s CHARACTER SET utf8mb4", name);
	mysql_set_local_infile_handler(db, reader_begin, reader_read, reader_end, reader_error,
				       &reader);
	if (mysql_query(db, sql) != 0) {
		return failed(db, "load rows");
	}
	if ((int64_t)mysql_affected_rows(db) != text->rows || mysql_warning_count(db) != 0) {
		fprintf(stderr,
			"company: could not load all rows into %s: %lld of %lld, %u warnings\n",
			name, (long long)mysql_affected_rows(db), (long long)text->rows,
			mysql_warning_count(db));
		return 1;
	}
	text->size = 0;
	text->rows = 0;
	return 0;
}

/* ---- the schema ---- */

static int run_statement(MYSQL *db, const char *sql)
{
	return mysql_query(db, sql) != 0 ? failed(db, "make the tables") : 0;
}

/* A statement for a monthly table is run once a month; one month more than history, for live mode.
 */
static int run_monthly(const struct company *c, MYSQL *db, const char *sql)
{
	const char *at = strstr(sql, "YYYYMM");
	char last[8] = "", month[8];
	int status = 0;

	if (at == NULL) {
		return run_statement(db, sql);
	}
	for (int64_t t = c->from; t < c->until + 62 * (int64_t)COMPANY_DAY && status == 0;
	     t += COMPANY_DAY) {
		char *copy;

		company_month(t, month);
		if (strcmp(month, last) == 0) {
			continue;
		}
		memcpy(last, month, sizeof(last));
		copy = strdup(sql);
		if (copy == NULL) {
			return 1;
		}
		memcpy(copy + (at - sql), month, 6);
		status = run_statement(db, copy);
		free(copy);
	}
	return status;
}

/* Statements end with a semicolon at the end of a line. */
static int make_tables(const struct company *c, MYSQL *db, const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL, *next, *sql;
	size_t size = 0;
	int status = 0;

	if (f == NULL || getdelim(&text, &size, '\0', f) < 0) {
		fprintf(stderr, "company: could not read %s: %s\n", path, strerror(errno));
		status = 1;
	}
	if (f != NULL) {
		fclose(f);
	}
	for (sql = text; status == 0 && (next = strstr(sql, ";\n")) != NULL; sql = next + 2) {
		*next = '\0';
		status = run_monthly(c, db, sql);
	}
	free(text);
	return status;
}

/* ---- history ---- */

static int flush(MYSQL *db, const char *month, struct company_text *texts, size_t above)
{
	for (int t = 0; t < COMPANY_TABLES; t++) {
		if (texts[t].size > above && load_text(db, t, month, &texts[t]) != 0) {
			return 1;
		}
	}
	return 0;
}

/* Draws the orders of history: `k` of `n` equal parts of all demand has passed at the k-th one. */
static int load_orders(struct company *c, MYSQL *db, struct company_text *texts)
{
	int64_t n = c->wanted.orders, done = 0;
	double all = 0.0, passed = 0.0;
	char month[8] = "", now[8];

	for (int64_t t = c->from; t < c->until; t += COMPANY_SLOT) {
		all += company_demand(c, t);
	}
	for (int64_t t = c->from; t < c->until; t += COMPANY_SLOT) {
		double demand = company_demand(c, t);
		int64_t due = (int64_t)((passed + demand) / all * (double)n + 0.5), of = due - done;

		passed += demand;
		company_month(t, now);
		if (strcmp(now, month) != 0) {
			if (flush(db, month, texts, 0) != 0) {
				return 1;
			}
			memcpy(month, now, sizeof(month));
		}
		for (int64_t k = 0; k < of && done < n; k++, done++) {
			struct company_order order;

			company_order_draw(
				c, t + (k * COMPANY_SLOT + company_below(c, COMPANY_SLOT)) / of,
				n - done, &order);
			company_rows_order(c, &order, texts);
		}
		if (flush(db, month, texts, FLUSH_BYTES) != 0) {
			return 1;
		}
	}
	return flush(db, month, texts, 0);
}

int company_load(struct company *c, struct st_mysql *db, const char *schema)
{
	struct company_text texts[COMPANY_TABLES] = {0};
	int status = make_tables(c, db, schema);

	if (status == 0) {
		status = run_statement(db, "SET SESSION unique_checks = 0, foreign_key_checks = 0, "
					   "sql_mode = 'STRICT_ALL_TABLES'");
	}
	company_rows_fixed(c, texts);
	for (int64_t i = 0; i < c->customers_count; i++) {
		company_row_customer(c, &c->customers[i], &texts[COMPANY_USER]);
	}
	if (status == 0) {
		status = load_orders(c, db, texts);
	}
	for (int t = 0; t < COMPANY_TABLES; t++) {
		company_text_free(&texts[t]);
	}
	return status;
}
