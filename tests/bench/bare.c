/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare: the references of the benchmark, each the least work that could do the same job:
 *	bare binlog FILE POSITION   reads the binlog's packets to the end, and does nothing with
 *them bare select                 SELECT * FROM bench.t by mysql_use_result, touching each field
 *	bare append DATABASE ROWS   the same rows into a new DuckDB table by the chunk appender
 *	bare build ROWS             the same rows into batches by the SDK's builders
 * The server is that of mariadb.sh, by its environment. Prints "ROWS SECONDS" (binlog: BYTES). The
 * rows are those of bench.py's INSERT. One thread.
 */
#include <mysql.h>

#include <dripline/dripline.h>
#include <duckdb.h>
#include <mariadb_rpl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COLUMNS    9
#define BATCH_ROWS 65536

static const char *const remarks[] = {"no sugar", "less ice", "oat milk please", "for the office"};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "bare: %s: %s\n", what, why);
	return 1;
}

static int report(uint64_t amount, double seconds)
{
	printf("%llu %.6f\n", (unsigned long long)amount, seconds);
	return 0;
}

static MYSQL *server(void)
{
	MYSQL *mysql = mysql_init(NULL);
	const char *port = getenv("DRIPLINE_TEST_MYSQL_PORT");

	if (mysql == NULL || port == NULL ||
	    mysql_real_connect(mysql, "127.0.0.1", getenv("DRIPLINE_TEST_MYSQL_USER"),
			       getenv("DRIPLINE_TEST_MYSQL_PASSWORD"), NULL,
			       (unsigned int)strtoul(port, NULL, 10), NULL, 0) == NULL) {
		fail("could not connect", mysql != NULL ? mysql_error(mysql) : "out of memory");
		mysql_close(mysql);
		return NULL;
	}
	return mysql;
}

static int bare_select(void)
{
	MYSQL *mysql = server();
	double start = now();
	uint64_t rows = 0, bytes = 0;
	MYSQL_ROW row;

	if (mysql == NULL) {
		return 1;
	}
	if (mysql_query(mysql, "SELECT * FROM bench.t") != 0) {
		return fail("could not select", mysql_error(mysql));
	}
	MYSQL_RES *result = mysql_use_result(mysql);

	while ((row = mysql_fetch_row(result)) != NULL) {
		unsigned long *lengths = mysql_fetch_lengths(result);

		for (unsigned int i = 0; i < mysql_num_fields(result); i++) {
			bytes += lengths[i];
		}
		rows++;
	}
	if (mysql_errno(mysql) != 0 || bytes == 0) {
		return fail("could not read the rows", mysql_error(mysql));
	}
	mysql_free_result(result);
	mysql_close(mysql);
	return report(rows, now() - start);
}

static int bare_binlog(const char *file, unsigned long position)
{
	MYSQL *mysql = server();
	uint64_t bytes = 0;
	double start = now();

	if (mysql == NULL) {
		return 1;
	}
	if (mysql_query(mysql, "SET @master_binlog_checksum = @@global.binlog_checksum, "
			       "@mariadb_slave_capability = 4") != 0) {
		return fail("could not prepare the dump", mysql_error(mysql));
	}
	MARIADB_RPL *rpl = mariadb_rpl_init(mysql);

	if (rpl == NULL) {
		return fail("could not prepare the dump", "out of memory");
	}
	mariadb_rpl_optionsv(rpl, MARIADB_RPL_FILENAME, file, strlen(file));
	mariadb_rpl_optionsv(rpl, MARIADB_RPL_START, position);
	mariadb_rpl_optionsv(rpl, MARIADB_RPL_SERVER_ID, 4242U);
	mariadb_rpl_optionsv(rpl, MARIADB_RPL_FLAGS,
			     (unsigned int)MARIADB_RPL_BINLOG_DUMP_NON_BLOCK);
	if (mariadb_rpl_open(rpl) != 0) {
		return fail("could not open the dump", mysql_error(mysql));
	}
	for (;;) {
		unsigned long size = mysql_net_read_packet(mysql);

		if (size == packet_error) {
			return fail("could not read the dump", mysql_error(mysql));
		}
		if (size < 9 && mysql->net.read_pos[0] == 0xfe) { /* EOF packet */
			break;
		}
		bytes += size;
	}
	mariadb_rpl_close(rpl);
	mysql_close(mysql);
	return report(bytes, now() - start);
}

struct duck {
	duckdb_database database;
	duckdb_connection connection;
	duckdb_appender appender;
	duckdb_logical_type types[COLUMNS];
};

static int duck_open(struct duck *d, const char *path)
{
	static const duckdb_type plain[COLUMNS] = {
		DUCKDB_TYPE_BIGINT,   DUCKDB_TYPE_BIGINT,    DUCKDB_TYPE_INTEGER,
		DUCKDB_TYPE_SMALLINT, DUCKDB_TYPE_INVALID,   DUCKDB_TYPE_VARCHAR,
		DUCKDB_TYPE_VARCHAR,  DUCKDB_TYPE_TIMESTAMP, DUCKDB_TYPE_DOUBLE};

	for (int i = 0; i < COLUMNS; i++) {
		d->types[i] = plain[i] == DUCKDB_TYPE_INVALID
				      ? duckdb_create_decimal_type(12, 2)
				      : duckdb_create_logical_type(plain[i]);
	}
	if (duckdb_open(path, &d->database) != DuckDBSuccess ||
	    duckdb_connect(d->database, &d->connection) != DuckDBSuccess ||
	    duckdb_query(d->connection,
			 "CREATE TABLE t (id BIGINT, customer BIGINT, store INTEGER, status "
			 "SMALLINT, amount DECIMAL(12,2), currency VARCHAR, remark VARCHAR, "
			 "created TIMESTAMP, rating DOUBLE)",
			 NULL) != DuckDBSuccess ||
	    duckdb_query(d->connection, "BEGIN", NULL) != DuckDBSuccess ||
	    duckdb_appender_create(d->connection, NULL, "t", &d->appender) != DuckDBSuccess) {
		return fail("could not make the table in", path);
	}
	return 0;
}

static void duck_fill(duckdb_data_chunk chunk, uint64_t first, idx_t rows)
{
	duckdb_vector v[COLUMNS];
	void *data[COLUMNS];

	for (idx_t c = 0; c < COLUMNS; c++) {
		v[c] = duckdb_data_chunk_get_vector(chunk, c);
		data[c] = duckdb_vector_get_data(v[c]);
	}
	duckdb_vector_ensure_validity_writable(v[6]);
	uint64_t *validity = duckdb_vector_get_validity(v[6]);

	for (idx_t r = 0; r < rows; r++) {
		int64_t seq = (int64_t)(first + r);

		((int64_t *)data[0])[r] = seq;
		((int64_t *)data[1])[r] = 1000 + seq * 7919 % 50000;
		((int32_t *)data[2])[r] = (int32_t)(1 + seq % 120);
		((int16_t *)data[3])[r] = (int16_t)(seq % 11 * 10);
		((int64_t *)data[4])[r] = 300 + seq * 37 % 2000;
		duckdb_vector_assign_string_element_len(v[5], r, seq % 10 == 3 ? "NZD" : "USD", 3);
		if (seq % 5 == 0) {
			duckdb_validity_set_row_validity(validity, r, false);
		} else {
			const char *text = remarks[seq % 4];

			duckdb_vector_assign_string_element_len(v[6], r, text, strlen(text));
		}
		((int64_t *)data[7])[r] = 1767225600000000 + seq * 977;
		((double *)data[8])[r] = (double)(seq % 50) / 10;
	}
	duckdb_data_chunk_set_size(chunk, rows);
}

static int bare_append(const char *path, uint64_t rows)
{
	struct duck d = {0};
	idx_t size = duckdb_vector_size();
	double start = now();

	if (duck_open(&d, path) != 0) {
		return 1;
	}
	duckdb_data_chunk chunk = duckdb_create_data_chunk(d.types, COLUMNS);

	for (uint64_t done = 0; done < rows; done += size) {
		duckdb_data_chunk_reset(chunk);
		duck_fill(chunk, done + 1, rows - done < size ? rows - done : size);
		if (duckdb_append_data_chunk(d.appender, chunk) != DuckDBSuccess) {
			return fail("could not append", duckdb_appender_error(d.appender));
		}
	}
	duckdb_destroy_data_chunk(&chunk);
	if (duckdb_appender_destroy(&d.appender) != DuckDBSuccess ||
	    duckdb_query(d.connection, "COMMIT", NULL) != DuckDBSuccess) {
		return fail("could not commit to", path);
	}
	duckdb_disconnect(&d.connection);
	duckdb_close(&d.database); /* folds the write-ahead log into the file */
	return report(rows, now() - start);
}

static struct drip_schema *bench_schema(struct drip_error *err)
{
	static const struct {
		const char *name;
		enum drip_type type;
	} columns[COLUMNS] = {{"id", DRIP_TYPE_INT64},       {"customer", DRIP_TYPE_INT64},
			      {"store", DRIP_TYPE_INT32},    {"status", DRIP_TYPE_INT16},
			      {"amount", DRIP_TYPE_DECIMAL}, {"currency", DRIP_TYPE_UTF8},
			      {"remark", DRIP_TYPE_UTF8},    {"created", DRIP_TYPE_TIMESTAMP},
			      {"rating", DRIP_TYPE_FLOAT64}};
	struct drip_schema_builder b;
	struct drip_schema *schema = NULL;

	drip_schema_builder_init(&b, "bench", "t");
	for (int i = 0; i < COLUMNS; i++) {
		bool decimal = columns[i].type == DRIP_TYPE_DECIMAL;

		drip_schema_builder_add(
			&b, &(struct drip_column){.struct_size = sizeof(struct drip_column),
						  .name = columns[i].name,
						  .type = columns[i].type,
						  .precision = decimal ? 12 : 0,
						  .scale = decimal ? 2 : 0,
						  .flags = DRIP_COLUMN_NULLABLE});
	}
	return drip_schema_builder_build(&b, &schema, err) == 0 ? schema : NULL;
}

static void build_row(struct drip_builder *b, int64_t seq)
{
	struct drip_column_builder *c = b->columns;
	int64_t amount[2] = {300 + seq * 37 % 2000, 0};

	drip_append_i64(&c[0], seq);
	drip_append_i64(&c[1], 1000 + seq * 7919 % 50000);
	drip_append_i32(&c[2], (int32_t)(1 + seq % 120));
	drip_append_i16(&c[3], (int16_t)(seq % 11 * 10));
	drip_append_fixed(&c[4], amount);
	drip_append_bytes(&c[5], seq % 10 == 3 ? "NZD" : "USD", 3);
	if (seq % 5 == 0) {
		drip_append_null(&c[6]);
	} else {
		drip_append_bytes(&c[6], remarks[seq % 4], (int64_t)strlen(remarks[seq % 4]));
	}
	drip_append_i64(&c[7], 1767225600000000 + seq * 977);
	drip_append_f64(&c[8], (double)(seq % 50) / 10);
	drip_builder_row(b, DRIP_OP_READ);
}

static int bare_build(uint64_t rows)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_builder builder = {0};
	double start = now();
	struct drip_schema *schema = bench_schema(&err);
	int rc = schema != NULL ? drip_builder_init(&builder, schema, &err) : -1;

	for (uint64_t done = 0; rc == 0 && done < rows;) {
		struct drip_batch *batch;

		for (int i = 0; i < BATCH_ROWS && done < rows; i++) {
			build_row(&builder, (int64_t)++done);
		}
		rc = drip_builder_build(&builder, &batch, &err);
		if (rc == 0) {
			drip_batch_unref(batch);
		}
	}
	drip_builder_finish(&builder);
	drip_schema_unref(schema);
	return rc == 0 ? report(rows, now() - start) : fail("could not build", err.message);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 2 && strcmp(what, "select") == 0) {
		return bare_select();
	}
	if (argc == 4 && strcmp(what, "binlog") == 0) {
		return bare_binlog(argv[2], strtoul(argv[3], NULL, 10));
	}
	if (argc == 4 && strcmp(what, "append") == 0) {
		return bare_append(argv[2], strtoull(argv[3], NULL, 10));
	}
	if (argc == 3 && strcmp(what, "build") == 0) {
		return bare_build(strtoull(argv[2], NULL, 10));
	}
	fprintf(stderr,
		"usage: bare select | binlog FILE POSITION | append DATABASE ROWS | build ROWS\n");
	return 2;
}
