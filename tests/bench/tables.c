/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables: the reference of the company's benchmark, over whole tables of any shape.
 *	tables DATABASE DB.TABLE...
 * reads each table of the server of mariadb.sh by mysql_use_result, touching each field; then,
 * with all rows in memory as values, appends them to new tables of a DuckDB file by the chunk
 * appender, in one transaction, monthly shards to one table. Prints "ROWS SELECT APPEND": the
 * seconds of the reading, and of the appending up to the closed file. One thread.
 */
#include <mysql.h>

#include <dripline/dripline.h>
#include <duckdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS_MAX 32
#define TABLES_MAX  16
#define US_PER_DAY  INT64_C(86400000000)

struct column {
	duckdb_type type, physical;
	uint8_t precision, scale;
	int64_t *values; /* numbers, times, or ends of texts in `text` */
	bool *nulls;
	char *text;
	size_t size, text_max;
};

struct table {
	char name[64];
	char columns_sql[4096];
	unsigned columns_count;
	struct column columns[COLUMNS_MAX];
	size_t rows, rows_max;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "tables: %s: %s\n", what, why);
	return 1;
}

static MYSQL_RES *select_all(MYSQL *mysql, const char *table)
{
	char sql[256];

	snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
	return mysql_query(mysql, sql) == 0 ? mysql_use_result(mysql) : NULL;
}

static int read_all(MYSQL *mysql, const char *table, size_t *rows, size_t *bytes)
{
	MYSQL_RES *result = select_all(mysql, table);
	MYSQL_ROW row;

	while (result != NULL && (row = mysql_fetch_row(result)) != NULL) {
		unsigned long *lengths = mysql_fetch_lengths(result);

		for (unsigned i = 0; i < mysql_num_fields(result); i++) {
			*bytes += lengths[i];
		}
		(*rows)++;
	}
	mysql_free_result(result);
	return mysql_errno(mysql) != 0 ? fail("could not read the rows", mysql_error(mysql)) : 0;
}

/* ---- rows to values ---- */

static void describe(struct column *c, const MYSQL_FIELD *f)
{
	switch (f->type) {
	case MYSQL_TYPE_TINY:
		c->type = DUCKDB_TYPE_TINYINT;
		break;
	case MYSQL_TYPE_SHORT:
		c->type = DUCKDB_TYPE_SMALLINT;
		break;
	case MYSQL_TYPE_LONG:
		c->type = DUCKDB_TYPE_INTEGER;
		break;
	case MYSQL_TYPE_LONGLONG:
		c->type = DUCKDB_TYPE_BIGINT;
		break;
	case MYSQL_TYPE_NEWDECIMAL:
		c->type = DUCKDB_TYPE_DECIMAL;
		c->scale = (uint8_t)f->decimals;
		c->precision = (uint8_t)(f->length - (f->decimals > 0) -
					 ((f->flags & UNSIGNED_FLAG) == 0));
		break;
	case MYSQL_TYPE_DATE:
		c->type = DUCKDB_TYPE_DATE;
		break;
	case MYSQL_TYPE_DATETIME:
	case MYSQL_TYPE_TIMESTAMP:
		c->type = DUCKDB_TYPE_TIMESTAMP;
		break;
	default:
		c->type = DUCKDB_TYPE_VARCHAR;
		break;
	}
	c->physical = c->type;
	if (c->type == DUCKDB_TYPE_DECIMAL) {
		c->physical = c->precision <= 4   ? DUCKDB_TYPE_SMALLINT
			      : c->precision <= 9 ? DUCKDB_TYPE_INTEGER
						  : DUCKDB_TYPE_BIGINT;
	}
}

static int describe_table(struct table *t, MYSQL_RES *result)
{
	static const char *const names[] = {
		[DUCKDB_TYPE_TINYINT] = "TINYINT", [DUCKDB_TYPE_SMALLINT] = "SMALLINT",
		[DUCKDB_TYPE_INTEGER] = "INTEGER", [DUCKDB_TYPE_BIGINT] = "BIGINT",
		[DUCKDB_TYPE_DATE] = "DATE",       [DUCKDB_TYPE_TIMESTAMP] = "TIMESTAMP",
		[DUCKDB_TYPE_VARCHAR] = "VARCHAR"};
	const MYSQL_FIELD *fields = mysql_fetch_fields(result);
	size_t at = 0;

	t->columns_count = mysql_num_fields(result);
	if (t->columns_count > COLUMNS_MAX) {
		return fail("cannot take this many columns", t->name);
	}
	for (unsigned i = 0; i < t->columns_count && at < sizeof(t->columns_sql); i++) {
		struct column *c = &t->columns[i];
		char type[32];

		describe(c, &fields[i]);
		if (c->type == DUCKDB_TYPE_DECIMAL) {
			snprintf(type, sizeof(type), "DECIMAL(%u,%u)", c->precision, c->scale);
		} else {
			snprintf(type, sizeof(type), "%s", names[c->type]);
		}
		at += (size_t)snprintf(t->columns_sql + at, sizeof(t->columns_sql) - at,
				       "%s\"%s\" %s", i > 0 ? ", " : "", fields[i].name, type);
	}
	return 0;
}

static int64_t digits(const char *text, int count)
{
	int64_t n = 0;

	for (int i = 0; i < count; i++) {
		n = n * 10 + (text[i] - '0');
	}
	return n;
}

/* Days, or microseconds, of "2026-01-31 12:59:59.123"; false for the zero date. */
static bool parse_time(const char *text, unsigned long size, duckdb_type type, int64_t *ret)
{
	int64_t us = 0, unit = 100000;

	if (size < 10 || digits(text, 4) == 0) {
		return false;
	}
	*ret = drip_days_from_civil(digits(text, 4), (int)digits(text + 5, 2),
				    (int)digits(text + 8, 2));
	if (type == DUCKDB_TYPE_DATE || size < 19) {
		return true;
	}
	us = ((digits(text + 11, 2) * 60 + digits(text + 14, 2)) * 60 + digits(text + 17, 2)) *
	     1000000;
	for (unsigned long i = 20; i < size; i++, unit /= 10) {
		us += (text[i] - '0') * unit;
	}
	*ret = *ret * US_PER_DAY + us;
	return true;
}

static int64_t parse_number(const char *text, unsigned long size)
{
	bool negative = size > 0 && text[0] == '-';
	int64_t n = 0;

	for (unsigned long i = negative; i < size; i++) {
		n = text[i] == '.' ? n : n * 10 + (text[i] - '0');
	}
	return negative ? -n : n;
}

static int grow(void *where, size_t count, size_t size)
{
	void **p = where, *grown = realloc(*p, count * size);

	if (grown == NULL) {
		return fail("could not go on", "out of memory");
	}
	*p = grown;
	return 0;
}

static int keep_text(struct column *c, size_t row, const char *text, size_t size)
{
	if (c->size + size > c->text_max) {
		c->text_max = (c->size + size) * 2;
		if (grow(&c->text, c->text_max, 1) != 0) {
			return 1;
		}
	}
	memcpy(c->text + c->size, text, size);
	c->size += size;
	c->values[row] = (int64_t)c->size;
	return 0;
}

static int keep_row(struct table *t, MYSQL_ROW row, const unsigned long *lengths)
{
	int rc = 0;

	if (t->rows == t->rows_max) {
		t->rows_max = t->rows_max > 0 ? t->rows_max * 2 : 65536;
		for (unsigned i = 0; i < t->columns_count && rc == 0; i++) {
			rc = grow(&t->columns[i].values, t->rows_max, sizeof(int64_t)) != 0 ||
			     grow(&t->columns[i].nulls, t->rows_max, sizeof(bool)) != 0;
		}
	}
	for (unsigned i = 0; i < t->columns_count && rc == 0; i++) {
		struct column *c = &t->columns[i];

		c->nulls[t->rows] = row[i] == NULL;
		if (c->type == DUCKDB_TYPE_VARCHAR) {
			rc = keep_text(c, t->rows, row[i] != NULL ? row[i] : "", lengths[i]);
		} else if (row[i] == NULL) {
			c->values[t->rows] = 0;
		} else if (c->type == DUCKDB_TYPE_TIMESTAMP || c->type == DUCKDB_TYPE_DATE) {
			c->nulls[t->rows] =
				!parse_time(row[i], lengths[i], c->type, &c->values[t->rows]);
		} else {
			c->values[t->rows] = parse_number(row[i], lengths[i]);
		}
	}
	t->rows++;
	return rc;
}

/* The table that a source table goes to: shards of t_order_m_YYYYMM to t_order. */
static struct table *find_table(struct table *tables, const char *source)
{
	const char *name = strchr(source, '.');
	size_t size = name != NULL ? strlen(++name) : 0;

	if (size > 9 && strncmp(name + size - 9, "_m_", 3) == 0) {
		size -= 9;
	}
	for (int i = 0; i < TABLES_MAX && size > 0 && size < sizeof(tables->name); i++) {
		if (tables[i].name[0] == '\0') {
			memcpy(tables[i].name, name, size);
		}
		if (strncmp(tables[i].name, name, size) == 0 && tables[i].name[size] == '\0') {
			return &tables[i];
		}
	}
	return NULL;
}

static int keep_all(MYSQL *mysql, const char *source, struct table *tables)
{
	struct table *t = find_table(tables, source);
	MYSQL_RES *result = t != NULL ? select_all(mysql, source) : NULL;
	MYSQL_ROW row;
	int rc;

	if (result == NULL) {
		return fail("could not read", source);
	}
	rc = t->columns_count == 0 ? describe_table(t, result) : 0;
	while (rc == 0 && (row = mysql_fetch_row(result)) != NULL) {
		rc = keep_row(t, row, mysql_fetch_lengths(result));
	}
	mysql_free_result(result);
	return rc;
}

/* ---- values to DuckDB ---- */

static void fill_column(const struct column *c, duckdb_vector v, size_t first, idx_t rows)
{
	void *data = duckdb_vector_get_data(v);

	duckdb_vector_ensure_validity_writable(v);
	uint64_t *validity = duckdb_vector_get_validity(v);

	for (idx_t r = 0; r < rows; r++) {
		int64_t value = c->values[first + r];

		if (c->nulls[first + r]) {
			duckdb_validity_set_row_validity(validity, r, false);
			continue;
		}
		switch (c->physical) {
		case DUCKDB_TYPE_VARCHAR: {
			int64_t begin = first + r > 0 ? c->values[first + r - 1] : 0;

			duckdb_vector_assign_string_element_len(v, r, c->text + begin,
								(idx_t)(value - begin));
			break;
		}
		case DUCKDB_TYPE_TINYINT:
			((int8_t *)data)[r] = (int8_t)value;
			break;
		case DUCKDB_TYPE_SMALLINT:
			((int16_t *)data)[r] = (int16_t)value;
			break;
		case DUCKDB_TYPE_INTEGER:
		case DUCKDB_TYPE_DATE:
			((int32_t *)data)[r] = (int32_t)value;
			break;
		default:
			((int64_t *)data)[r] = value;
			break;
		}
	}
}

static int append_chunks(const struct table *t, duckdb_appender appender, duckdb_data_chunk chunk)
{
	size_t size = duckdb_vector_size();

	for (size_t done = 0; done < t->rows; done += size) {
		idx_t rows = t->rows - done < size ? t->rows - done : size;

		duckdb_data_chunk_reset(chunk);
		for (unsigned i = 0; i < t->columns_count; i++) {
			fill_column(&t->columns[i], duckdb_data_chunk_get_vector(chunk, i), done,
				    rows);
		}
		duckdb_data_chunk_set_size(chunk, rows);
		if (duckdb_append_data_chunk(appender, chunk) != DuckDBSuccess) {
			return fail("could not append", duckdb_appender_error(appender));
		}
	}
	return 0;
}

static int append_table(const struct table *t, duckdb_connection connection)
{
	duckdb_logical_type types[COLUMNS_MAX];
	duckdb_appender appender = NULL;
	duckdb_data_chunk chunk;
	char sql[4224];
	int rc;

	snprintf(sql, sizeof(sql), "CREATE TABLE %s (%s)", t->name, t->columns_sql);
	if (duckdb_query(connection, sql, NULL) != DuckDBSuccess ||
	    duckdb_appender_create(connection, NULL, t->name, &appender) != DuckDBSuccess) {
		return fail("could not make the table", t->name);
	}
	for (unsigned i = 0; i < t->columns_count; i++) {
		const struct column *c = &t->columns[i];

		types[i] = c->type == DUCKDB_TYPE_DECIMAL
				   ? duckdb_create_decimal_type(c->precision, c->scale)
				   : duckdb_create_logical_type(c->type);
	}
	chunk = duckdb_create_data_chunk(types, t->columns_count);
	rc = append_chunks(t, appender, chunk);
	duckdb_destroy_data_chunk(&chunk);
	for (unsigned i = 0; i < t->columns_count; i++) {
		duckdb_destroy_logical_type(&types[i]);
	}
	if (duckdb_appender_destroy(&appender) != DuckDBSuccess && rc == 0) {
		rc = fail("could not append to", t->name);
	}
	return rc;
}

static int append_all(const struct table *tables, const char *path)
{
	duckdb_database database = NULL;
	duckdb_connection connection = NULL;
	int rc = 0;

	if (duckdb_open(path, &database) != DuckDBSuccess ||
	    duckdb_connect(database, &connection) != DuckDBSuccess ||
	    duckdb_query(connection, "BEGIN", NULL) != DuckDBSuccess) {
		return fail("could not open", path);
	}
	for (int i = 0; i < TABLES_MAX && tables[i].name[0] != '\0' && rc == 0; i++) {
		rc = append_table(&tables[i], connection);
	}
	if (rc == 0 && duckdb_query(connection, "COMMIT", NULL) != DuckDBSuccess) {
		rc = fail("could not commit to", path);
	}
	duckdb_disconnect(&connection);
	duckdb_close(&database); /* folds the write-ahead log into the file */
	return rc;
}

int main(int argc, char **argv)
{
	static struct table tables[TABLES_MAX];
	const char *port = getenv("DRIPLINE_TEST_MYSQL_PORT");
	MYSQL *mysql = mysql_init(NULL);
	double begin, select, append;
	size_t rows = 0, bytes = 0;
	int rc = 0;

	if (argc < 3 || mysql == NULL || port == NULL) {
		fprintf(stderr, "usage: tables DATABASE DB.TABLE..., under mariadb.sh\n");
		return 2;
	}
	if (mysql_real_connect(mysql, "127.0.0.1", getenv("DRIPLINE_TEST_MYSQL_USER"),
			       getenv("DRIPLINE_TEST_MYSQL_PASSWORD"), NULL,
			       (unsigned)strtoul(port, NULL, 10), NULL, 0) == NULL) {
		return fail("could not connect", mysql_error(mysql));
	}
	begin = now();
	for (int i = 2; i < argc && rc == 0; i++) {
		rc = read_all(mysql, argv[i], &rows, &bytes);
	}
	select = now() - begin;
	for (int i = 2; i < argc && rc == 0; i++) {
		rc = keep_all(mysql, argv[i], tables);
	}
	mysql_close(mysql);
	begin = now();
	rc = rc == 0 ? append_all(tables, argv[1]) : rc;
	append = now() - begin;
	if (rc == 0 && bytes > 0) {
		printf("%zu %.6f %.6f\n", rows, select, append);
	}
	return rc;
}
