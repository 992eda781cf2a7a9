/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: XA transactions, which are given when they are committed. */
#include "test_support.h"

/* In a session of its own, whose end leaves what is prepared. */
static void xa_sql(const char *text)
{
	MYSQL *mine = admin;

	admin = connect_admin();
	sql("USE t; SET binlog_annotate_row_events = OFF; %s", text);
	mysql_close(admin);
	admin = mine;
}

/* Of sessions of before nothing may be left, or DROP DATABASE waits for it. */
static void fresh_xa(void)
{
	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; USE t; CREATE TABLE a (id INT PRIMARY "
	    "KEY, v LONGTEXT); CREATE TABLE n (v INT); INSERT INTO a VALUES (1, 'x')");
}

#define PREPARE(xid, statements)                                                                   \
	xa_sql("XA START " xid "; " statements "; XA END " xid "; XA PREPARE " xid)

static struct drip_position last_position(struct drip_harness *h)
{
	return drip_harness_batch(h, drip_harness_batches_count(h) - 1)->position;
}

TEST(xa_transactions_are_given_at_their_commit)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;

	fresh_xa();
	i = open_source(h, STREAM("start", "latest"));
	start(i, NULL);
	PREPARE("'one'", "INSERT INTO t.a VALUES (2,'two'); UPDATE t.a SET v='y' WHERE id=1");
	PREPARE("'one','branch',7", "INSERT INTO t.a VALUES (3,'never')");
	PREPARE("X'00ff27'", "SAVEPOINT s; INSERT INTO t.a VALUES (4,'taken back'); ROLLBACK TO s; "
			     "INSERT INTO t.n VALUES (4),(4)");
	sql("INSERT INTO a VALUES (9,'nine')");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\ni|9|nine\n");
	drip_harness_clear(h);
	sql("XA COMMIT X'00ff27'; FLUSH BINARY LOGS; XA ROLLBACK 'one','branch',7");
	sql("SET GLOBAL binlog_checksum = NONE; INSERT INTO a VALUES (10,'ten'); XA COMMIT 'one'");
	sql("SET GLOBAL binlog_checksum = CRC32");
	xa_sql("XA START 'p'; INSERT INTO t.a VALUES (5,'five'); XA END 'p'; XA COMMIT 'p' ONE "
	       "PHASE");
	xa_sql("XA START 'r'; INSERT INTO t.a VALUES (6,'six'); XA END 'r'; XA ROLLBACK 'r'");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.n\nt.n\ni|4\ni|4\n"
				"t.a\ni|10|ten\ni|2|two\nu|1|y\ni|5|five\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* More than is kept in memory is read from the log once more; a long list forgets its oldest. */
TEST(large_and_many_xa_transactions_are_read_again)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;
	MYSQL *m = admin;

	fresh_xa();
	i = open_source(h, STREAM("start", "latest"));
	start(i, NULL);
	PREPARE("'large'", "INSERT INTO t.a SELECT seq, REPEAT(seq, 500000) FROM seq_10_to_40");
	PREPARE("'small'", "INSERT INTO t.n VALUES (1)");
	admin = connect_admin();
	for (int n = 0; n < 4200; n++) {
		sql("XA START '%d'; INSERT INTO t.n VALUES (%d); XA END '%d'; XA PREPARE '%d'; XA "
		    "ROLLBACK '%d'",
		    n, n, n, n, n);
	}
	mysql_close(admin);
	admin = m;
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_INT(drip_harness_rows(h), 0);
	sql("XA COMMIT 'small'; XA COMMIT 'large'");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_INT(drip_harness_rows(h), 32);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* Prepared before the snapshot or the last life, in an older file, with the server killed between.
 */
TEST(xa_transactions_outlive_restarts_of_both)
{
	struct drip_harness *h = harness();
	struct drip_position at;
	struct drip_instance *i;

	fresh_xa();
	sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1, GLOBAL sync_binlog = 1");
	PREPARE("'before'", "INSERT INTO t.a VALUES (2,'before')");
	sql("FLUSH BINARY LOGS");
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\nr|1|x\nSCHEMA t.n\n");
	PREPARE("'again'", "INSERT INTO t.a VALUES (3,'again')");
	PREPARE("'away'", "INSERT INTO t.a VALUES (4,'away')");
	run(i, DRIP_POLL_CAUGHT_UP);
	at = last_position(h);
	drip_harness_close(i);
	drip_harness_clear(h);
	mysql_close(admin);
	test_mariadb_stop(&server, SIGKILL);
	CHECK_EQ_INT(test_mariadb_start(&server), 0);
	admin = connect_admin();
	sql("USE t; XA COMMIT 'again'; XA ROLLBACK 'away'; XA COMMIT 'before'; INSERT INTO a "
	    "VALUES "
	    "(5,'last')");
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, &at);
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\ni|3|again\ni|2|before\ni|5|last\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(xa_transactions_whose_log_is_gone_stop_the_stream)
{
	struct drip_harness *h = harness();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i;
	struct bytes log;

	fresh_xa();
	PREPARE("'f'", "INSERT INTO t.a VALUES (2,'file')");
	log = log_of("XA COMMIT 'f'");
	CHECK_EQ_STR(file_error(log.p, log.size, SCHEMA_A), "mysql.xa_lost");
	free(log.p);
	PREPARE("'g'", "INSERT INTO t.a VALUES (4,'gone')");
	sql("RESET MASTER");
	i = open_source(h, STREAM("start", "latest"));
	start(i, NULL);
	sql("XA COMMIT 'g'");
	CHECK(drip_harness_poll(i, DRIP_POLL_CAUGHT_UP, &err) < 0);
	CHECK_EQ_STR(err.code, "mysql.xa_lost");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* From files on disk: prepared in one, committed in the next. */
TEST(xa_transactions_of_files_are_found_in_the_one_before)
{
	struct drip_harness *h = drip_harness_create(plugin_path);
	char schema[300], name[64], path[2][300];
	struct drip_instance *i;
	struct bytes part[2];

	fresh_xa();
	sql("FLUSH BINARY LOGS");
	snprintf(name, sizeof(name), "%s", current_file());
	PREPARE("'d'", "INSERT INTO t.a VALUES (2,'file')");
	part[1] = log_of(
		"INSERT INTO a VALUES (4,'four'); XA COMMIT 'd'; DELETE FROM a WHERE id = 2");
	part[0] = read_log(name);
	for (int n = 0; n < 2; n++) {
		snprintf(path[n], sizeof(path[n]), "%s/bin.%06d", drip_harness_dir(h), n + 1);
		write_bytes(path[n], part[n].p, part[n].size);
		free(part[n].p);
	}
	snprintf(schema, sizeof(schema), "%s/schema.sql", drip_harness_dir(h));
	write_bytes(schema, "CREATE TABLE t.a (id INT PRIMARY KEY, v LONGTEXT)", 49);
	i = open_source(h, DRIP_OPTIONS("mode", "files", "tables", "t.*", "files", path[0], "files",
					path[1], "schema", schema));
	start(i, NULL);
	run(i, DRIP_POLL_END);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\ni|4|four\ni|2|file\nd|2|file\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}
