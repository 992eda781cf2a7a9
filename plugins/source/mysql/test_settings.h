/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: settings of the log and kinds of statements, stream against table. */
#include "test_support.h"

/* What the stream made of `statements` equals what the server has then. */
static void check_followed(const char *statements)
{
	struct model *m = calloc(1, sizeof(*m)), *end;
	struct drip_harness *h = harness();
	struct drip_instance *i;

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; USE t; CREATE TABLE a (id INT PRIMARY "
	    "KEY, v VARCHAR(200)); CREATE TABLE b (id INT PRIMARY KEY, v INT); CREATE TABLE m (id "
	    "INT "
	    "PRIMARY KEY, v INT) ENGINE=MyISAM");
	i = open_source(h, STREAM("start", "latest"));
	drip_harness_set_on_emit(h, model_emit, m);
	start(i, NULL);
	sql("%s", statements);
	run(i, DRIP_POLL_CAUGHT_UP);
	end = truth("t.*");
	check_rows(m->rows, m->count, end->rows, end->count, statements);
	CHECK_EQ_INT(m->violations, 0);
	CHECK(end->count > 0);
	drip_harness_close(i);
	drip_harness_destroy(h);
	model_free(m);
	model_free(end);
}

#define CHANGES                                                                                    \
	"INSERT INTO a SELECT seq, REPEAT('long ', 30) FROM seq_1_to_200; INSERT INTO b SELECT "   \
	"seq, "                                                                                    \
	"seq FROM seq_1_to_50; UPDATE a JOIN b USING (id) SET a.v = 'both', b.v = -1 WHERE id < "  \
	"9; "                                                                                      \
	"DELETE a, b FROM a JOIN b USING (id) WHERE id BETWEEN 20 AND 25; BEGIN; INSERT INTO a "   \
	"VALUES (300, 'stays'); SAVEPOINT s; INSERT INTO a VALUES (301, 'goes'); ROLLBACK TO s; "  \
	"COMMIT; BEGIN; INSERT INTO m VALUES (2, 2); INSERT INTO a VALUES (302, 'goes'); "         \
	"ROLLBACK; "                                                                               \
	"INSERT INTO a VALUES (1, 'x') ON DUPLICATE KEY UPDATE v = 'dup'; REPLACE INTO a VALUES "  \
	"(2, "                                                                                     \
	"'again'); CREATE TABLE c (PRIMARY KEY (id)) AS SELECT * FROM b; ALTER TABLE b PARTITION " \
	"BY "                                                                                      \
	"HASH (id) PARTITIONS 3; UPDATE b SET id = id + 1000"

TEST(settings_of_the_log_make_no_difference)
{
	check_followed("SET GLOBAL binlog_checksum = NONE; " CHANGES);
	check_followed("SET GLOBAL binlog_checksum = CRC32; " CHANGES);
	check_followed(
		"SET GLOBAL log_bin_compress = ON, GLOBAL log_bin_compress_min_len = 10; " CHANGES);
	sql("SET GLOBAL log_bin_compress = OFF");
	check_followed("SET SESSION binlog_annotate_row_events = OFF; " CHANGES);
	sql("SET SESSION binlog_annotate_row_events = ON");
}

TEST(rows_that_the_log_takes_back_stop_the_stream)
{
	fresh_t();
	CHECK_EQ_STR(
		stream_error("CREATE TABLE m (id INT) ENGINE=MyISAM; BEGIN; SAVEPOINT s; INSERT "
			     "INTO a VALUES (2,'y'); INSERT INTO m VALUES (1); ROLLBACK TO s; "
			     "COMMIT"),
		"mysql.event_unsupported");
}

TEST(loaded_files_come_as_rows)
{
	char path[200], text[600];
	FILE *f;

	snprintf(path, sizeof(path), "%s/load.txt", server.dir);
	f = fopen(path, "we");
	for (int n = 1; n <= 300; n++) {
		fprintf(f, "%d\tline %d\n", n, n);
	}
	fclose(f);
	snprintf(text, sizeof(text),
		 "LOAD DATA INFILE '%s' INTO TABLE a; LOAD DATA INFILE '%s' REPLACE "
		 "INTO TABLE a (id, @x) SET v = CONCAT('set ', @x)",
		 path, path);
	check_followed(text);
}

TEST(cascades_are_warned_of)
{
	fresh_t();
	sql("CREATE TABLE k (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id) ON "
	    "DELETE "
	    "CASCADE)");
	CHECK(strstr(findings("t.k"), "mysql.foreign_key_cascade") != NULL);
	CHECK(strstr(findings("t.a"), "mysql.foreign_key_cascade") == NULL);
}
