/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: what goes wrong is said, and by its code. */
#include "test_support.h"

#include <fcntl.h>

/* Drives a source to `until`; the code of the first error, "" for none. */
static const char *drive(struct drip_instance *i, const struct drip_position *from,
			 enum drip_poll until)
{
	static struct drip_error err;
	int rc;

	err.struct_size = sizeof(err);
	rc = drip_harness_start(i, from, &err);
	if (rc == 0) {
		rc = drip_harness_poll(i, until, &err);
	}
	if (getenv("SHOW") != NULL && rc < 0) {
		printf("# %s: %s\n", err.code, err.message);
	}
	return rc < 0 ? err.code : "";
}

/* The error of one run from the beginning with these options. */
static const char *run_error(const char *const *options, enum drip_poll until)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = open_source(h, options);
	const char *code = drive(i, NULL, until);

	drip_harness_close(i);
	drip_harness_destroy(h);
	return code;
}

#define STREAM(...) DRIP_OPTIONS("connection", "db", "tables", "t.*", "mode", "stream", __VA_ARGS__)

/* Starts a stream, then runs `statements`; the error of what follows. */
static const char *stream_error(const char *statements)
{
	static struct drip_error err;
	struct drip_harness *h = harness();
	struct drip_instance *i = open_source(h, STREAM("zero_dates", "error"));
	int rc;

	err.struct_size = sizeof(err);
	start(i, NULL);
	sql("%s", statements);
	rc = drip_harness_poll(i, DRIP_POLL_CAUGHT_UP, &err);
	drip_harness_close(i);
	drip_harness_destroy(h);
	return rc < 0 ? err.code : "";
}

static void fresh_t(void)
{
	sql("SET SESSION sql_mode = ''; DROP DATABASE IF EXISTS t; CREATE DATABASE t; USE t; "
	    "CREATE TABLE a (id INT PRIMARY KEY, v VARCHAR(20));"
	    "INSERT INTO a VALUES (1,'x')");
}

/* Name of the binlog file that is written now. */
static const char *current_file(void)
{
	static char name[64];
	MYSQL_RES *res;
	MYSQL_ROW row;

	mysql_query(admin, "SHOW MASTER STATUS");
	res = mysql_store_result(admin);
	row = mysql_fetch_row(res);
	snprintf(name, sizeof(name), "%s", row[0]);
	mysql_free_result(res);
	return name;
}

static unsigned long first_number(const char *query)
{
	unsigned long v = 0;
	MYSQL_RES *res;
	MYSQL_ROW row;

	CHECK_EQ_INT(mysql_query(admin, query), 0);
	res = mysql_store_result(admin);
	row = mysql_fetch_row(res);
	v = row != NULL && row[0] != NULL ? strtoul(row[0], NULL, 10) : 0;
	mysql_free_result(res);
	return v;
}

#define READERS "FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog%'"

/* Ends the server's threads that send the log, and waits until they are gone. */
static void kill_readers(void)
{
	unsigned long id;

	while ((id = first_number("SELECT MAX(id) " READERS)) != 0) {
		char text[64];

		snprintf(text, sizeof(text), "KILL %lu", id);
		mysql_query(admin, text); /* it may have ended by itself */
	}
}

TEST(rows_that_cannot_be_read_stop_the_stream)
{
	fresh_t();
	CHECK_EQ_STR(stream_error("SET SESSION binlog_row_image = MINIMAL; UPDATE a SET v='y'; SET "
				  "SESSION binlog_row_image = FULL"),
		     "mysql.partial_image");
	CHECK_EQ_STR(stream_error("CREATE TABLE z (id INT, d DATE); INSERT INTO z VALUES "
				  "(1,'0000-00-00')"),
		     "mysql.zero_date");
	CHECK_EQ_STR(
		stream_error("CREATE TABLE c (id INT, s VARCHAR(5) CHARACTER SET swe7); INSERT "
			     "INTO c VALUES (1,'a')"),
		"mysql.charset_unsupported");
}

TEST(statements_in_place_of_rows_stop_the_stream)
{
	static const char *const statements[] = {
		"INSERT INTO a VALUES (2,'y')",
		"UPDATE a SET v = 'y'",
		"DELETE FROM a",
		"REPLACE INTO t.a VALUES (1,'y')",
		"SET STATEMENT max_statement_time = 5 FOR UPDATE a SET v = 'z'",
		"USE mysql; /* far */ UPDATE `t`.`a` SET v = 'y'; USE t",
		"CREATE TRIGGER x AFTER INSERT ON a FOR EACH ROW DO 1; INSERT a VALUES (3,'y')",
	};
	char text[400];

	fresh_t();
	for (size_t i = 0; i < DRIP_COUNT(statements); i++) {
		snprintf(text, sizeof(text),
			 "SET SESSION binlog_format = STATEMENT; %s; SET SESSION binlog_format = "
			 "ROW",
			 statements[i]);
		CHECK_EQ_STR(stream_error(text), "mysql.binlog_format");
		fresh_t();
	}
	sql("DROP DATABASE IF EXISTS other; CREATE DATABASE other; CREATE TABLE other.b (id INT)");
	CHECK_EQ_STR(stream_error("SET SESSION binlog_format = STATEMENT; USE other; INSERT INTO b "
				  "VALUES (1); USE t; SET SESSION binlog_format = ROW"),
		     "");
	/* what is no table of anybody else, and what is given in rows all the same */
	CHECK_EQ_STR(
		stream_error("CREATE TEMPORARY TABLE y (id INT); INSERT INTO y VALUES (1); "
			     "CREATE TABLE s AS SELECT * FROM a; CREATE VIEW w AS SELECT 1; "
			     "CREATE SEQUENCE q; DO NEXTVAL(q); SELECT NEXTVAL(q); DROP TABLE y"),
		"");
}

static unsigned logs_count(void)
{
	MYSQL_RES *res;
	unsigned count;

	mysql_query(admin, "SHOW BINARY LOGS");
	res = mysql_store_result(admin);
	count = (unsigned)mysql_num_rows(res);
	mysql_free_result(res);
	return count;
}

TEST(positions_that_lead_nowhere_are_refused)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;
	struct drip_position p = drip_test_position(7);
	char start_at[100];

	kill_readers();
	sql("RESET MASTER");
	fresh_t();
	CHECK_EQ_STR(run_error(STREAM("start", "nonsense"), DRIP_POLL_CAUGHT_UP),
		     "mysql.bad_position");
	CHECK_EQ_STR(run_error(STREAM("start", "gtid:0-x"), DRIP_POLL_CAUGHT_UP),
		     "mysql.bad_position");
	CHECK_EQ_STR(run_error(STREAM("start", "earliest"), DRIP_POLL_CAUGHT_UP), "");
	i = open_source(h, STREAM("start", "latest"));
	CHECK_EQ_STR(drive(i, &p, DRIP_POLL_CAUGHT_UP), "mysql.state_damaged");
	drip_harness_close(i);
	drip_harness_destroy(h);
	snprintf(start_at, sizeof(start_at), "%s:4", current_file());
	kill_readers();
	sql("FLUSH BINARY LOGS");
	do { /* until the engine has let go of the file */
		sql("PURGE BINARY LOGS TO '%s'", current_file());
	} while (logs_count() > 1);
	CHECK_EQ_STR(run_error(STREAM("start", start_at), DRIP_POLL_CAUGHT_UP),
		     "mysql.binlog_purged");
}

TEST(a_lost_connection_can_be_tried_again)
{
	struct drip_harness *h = harness();
	struct drip_instance *i, *other;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_position at;
	int rc = 0;

	fresh_t();
	i = open_source(h, STREAM("server_id", "4711"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	sql("INSERT INTO a VALUES (2,'y')");
	run(i, DRIP_POLL_CAUGHT_UP);
	at = drip_harness_batch(h, drip_harness_batches_count(h) - 1)->position;
	kill_readers();
	for (int k = 0; k < 100 && rc >= 0; k++) {
		rc = drip_harness_poll(i, DRIP_POLL_END, &err);
	}
	CHECK_EQ_STR(err.code, "mysql.connection_lost");
	CHECK(err.retryable);
	drip_harness_close(i);
	drip_harness_clear(h);
	sql("INSERT INTO a VALUES (3,'z')");
	i = open_source(h, STREAM("server_id", "4711"));
	start(i, &at);
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_CONTAINS(drip_harness_output(h), "i|3|z\n");
	CHECK_EQ_INT(drip_harness_rows(h), 1);
	/* a second reader of the same number takes the stream over */
	other = open_source(h, STREAM("server_id", "4711"));
	start(other, NULL);
	run(other, DRIP_POLL_CAUGHT_UP);
	rc = 0;
	for (int k = 0; k < 100 && rc >= 0; k++) {
		rc = drip_harness_poll(i, DRIP_POLL_END, &err);
	}
	CHECK_EQ_STR(err.code, "mysql.binlog_refused");
	drip_harness_close(other);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(an_interrupt_ends_a_wait)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;
	struct drip_error err = DRIP_ERROR_INIT;

	fresh_t();
	i = open_source(h, STREAM("start", "latest"));
	start(i, NULL);
	i->common->interrupt(i->self);
	CHECK(drip_harness_poll(i, DRIP_POLL_END, &err) == -ECANCELED);
	CHECK_EQ_STR(err.code, "mysql.interrupted");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* ---- snapshots ---- */

TEST(a_table_altered_before_it_is_read_is_tried_again)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;
	struct drip_error err = DRIP_ERROR_INIT;

	fresh_t();
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	sql("ALTER TABLE a ADD COLUMN w INT, ALGORITHM=COPY");
	CHECK(drip_harness_poll(i, DRIP_POLL_CAUGHT_UP, &err) < 0);
	CHECK_EQ_STR(err.code, "mysql.table_changed");
	CHECK(err.retryable);
	drip_harness_close(i);
	drip_harness_clear(h);
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_CONTAINS(drip_harness_output(h), "r|1|x|NULL\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

static int stop_at_boundary(const struct drip_batch *b, struct drip_error *err, void *data)
{
	struct drip_position *at = data;

	if (b->boundary && b->rows > 0) {
		*at = b->position;
		return drip_error_set(err, -ECANCELED, "test.died", "died");
	}
	return 0;
}

/* A snapshot is interrupted, `statements` run, it goes on: the error of that. */
static const char *resume_error(const char *statements, const char *undo_memory)
{
	struct drip_harness *h = harness();
	struct drip_position at = {0};
	struct drip_instance *i;
	const char *code;

	fresh_t();
	sql("INSERT INTO a SELECT seq + 1, 'v' FROM seq_1_to_20");
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*", "batch_rows", "5"));
	drip_harness_set_on_emit(h, stop_at_boundary, &at);
	CHECK_EQ_STR(drive(i, NULL, DRIP_POLL_CAUGHT_UP), "test.died");
	drip_harness_close(i);
	sql("%s", statements);
	drip_harness_set_on_emit(h, NULL, NULL);
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*", "batch_rows", "5",
					"undo_memory", undo_memory));
	code = drive(i, &at, DRIP_POLL_CAUGHT_UP);
	drip_harness_close(i);
	drip_harness_destroy(h);
	return code;
}

TEST(what_cannot_be_taken_back_is_said)
{
	CHECK_EQ_STR(resume_error("UPDATE a SET v='w'; ALTER TABLE a ADD COLUMN n INT", "1MiB"),
		     "");
	CHECK_EQ_STR(resume_error("UPDATE a SET v='1'; ALTER TABLE a MODIFY v INT", "1MiB"),
		     "mysql.snapshot_conflict");
	CHECK_EQ_STR(resume_error("INSERT INTO a SELECT seq, 'v' FROM seq_100_to_40000", "1MiB"),
		     "mysql.undo_memory");
	CHECK_EQ_STR(resume_error("DROP TABLE a", "1MiB"), "");
}

/* ---- other servers ---- */

TEST(another_server_is_refused_or_followed_by_gtid)
{
	struct test_mariadb second, first = server;
	struct drip_harness *h = harness(), *g;
	struct drip_position at = {0}, log;
	struct drip_instance *i;
	MYSQL *old = admin;

	fresh_t();
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	drip_harness_set_on_emit(h, stop_at_boundary, &at);
	CHECK_EQ_STR(drive(i, NULL, DRIP_POLL_CAUGHT_UP), "test.died");
	drip_harness_close(i);
	drip_harness_set_on_emit(h, NULL, NULL);
	i = open_source(h, STREAM("start", "latest"));
	start(i, NULL);
	sql("SET gtid_domain_id = 9, gtid_seq_no = 50; INSERT INTO a VALUES (2,'y')");
	run(i, DRIP_POLL_CAUGHT_UP);
	log = drip_harness_batch(h, drip_harness_batches_count(h) - 1)->position;
	drip_harness_close(i);
	sql("SET gtid_domain_id = 0");
	if (test_mariadb_create(&second, NULL) != 0) {
		return;
	}
	server = second;
	admin = connect_admin();
	fresh_t();
	g = harness();
	i = open_source(g, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	CHECK_EQ_STR(drive(i, &at, DRIP_POLL_CAUGHT_UP), "mysql.other_server");
	drip_harness_close(i);
	i = open_source(g, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	/* the other server does not have what was read last */
	CHECK_EQ_STR(drive(i, &log, DRIP_POLL_CAUGHT_UP), "mysql.binlog_purged");
	drip_harness_close(i);
	drip_harness_destroy(g);
	mysql_close(admin);
	test_mariadb_destroy(&server);
	server = first;
	admin = old;
	drip_harness_destroy(h);
}

/* ---- checks ---- */

static void add_finding(struct drip_report *report, enum drip_log_level level,
			const struct drip_error *finding)
{
	char *text = report->private_data;

	snprintf(text + strlen(text), 8192 - strlen(text), "%s\n", finding->code);
}

/* All findings of a check that connects, by code. */
static const char *findings(const char *tables)
{
	static char text[8192];
	struct drip_harness *h = harness();
	struct drip_instance *i =
		open_source(h, DRIP_OPTIONS("connection", "db", "tables", tables));
	struct drip_report report = {
		.struct_size = sizeof(report), .add = add_finding, .private_data = text};
	struct drip_error err = DRIP_ERROR_INIT;

	text[0] = '\0';
	CHECK_OK(i->common->check(&i->ctx, i->config, true, &report, &err), &err);
	drip_harness_close(i);
	drip_harness_destroy(h);
	return text;
}

TEST(a_check_names_all_that_is_wrong_with_the_server)
{
	struct test_mariadb first = server;
	MYSQL *old = admin;
	const char *text;

	fresh_t();
	sql("SET GLOBAL binlog_row_metadata = FULL");
	CHECK_EQ_STR(findings("t.a"), "");
	sql("SET GLOBAL binlog_row_metadata = NO_LOG, GLOBAL binlog_format = MIXED, GLOBAL "
	    "binlog_row_image = MINIMAL, GLOBAL binlog_expire_logs_seconds = 600;"
	    "CREATE TABLE k (a INT) ENGINE=MyISAM");
	text = findings("t.*");
	CHECK_CONTAINS(text, "mysql.row_metadata");
	CHECK_CONTAINS(text, "mysql.binlog_format");
	CHECK_CONTAINS(text, "mysql.partial_image");
	CHECK_CONTAINS(text, "mysql.short_retention");
	CHECK_CONTAINS(text, "mysql.no_key");
	CHECK_CONTAINS(text, "mysql.no_transactions");
	CHECK_CONTAINS(findings("nowhere.*"), "mysql.no_tables");
	sql("SET GLOBAL binlog_format = ROW, GLOBAL binlog_row_image = FULL, GLOBAL "
	    "binlog_expire_logs_seconds = 0");
	sql("REVOKE ALL PRIVILEGES, GRANT OPTION FROM " TEST_MARIADB_USER
	    "@'%%'; GRANT SELECT ON *.* TO " TEST_MARIADB_USER "@'%%'");
	CHECK_CONTAINS(findings("t.*"), "mysql.not_permitted");
	CHECK_EQ_STR(run_error(STREAM("start", "latest"), DRIP_POLL_CAUGHT_UP),
		     "mysql.not_permitted");
	sql("GRANT ALL PRIVILEGES ON *.* TO " TEST_MARIADB_USER "@'%%'");
	mysql_close(admin);
	if (test_mariadb_create(&server, "--skip-log-bin") == 0) {
		admin = connect_admin();
		fresh_t();
		CHECK_CONTAINS(findings("t.*"), "mysql.binlog_off");
		CHECK_EQ_STR(run_error(STREAM("start", "latest"), DRIP_POLL_CAUGHT_UP),
			     "mysql.binlog_off");
		mysql_close(admin);
		test_mariadb_destroy(&server);
	}
	server = first;
	(void)old;
	admin = connect_admin();
}

/* ---- files ---- */

struct bytes {
	uint8_t *p;
	size_t size;
};

static struct bytes read_bytes(const char *path)
{
	struct bytes b = {malloc(4 << 20), 0};
	int fd = open(path, O_RDONLY);
	ssize_t n;

	while (fd >= 0 && (n = read(fd, b.p + b.size, (4 << 20) - b.size)) > 0) {
		b.size += (size_t)n;
	}
	close(fd);
	return b;
}

static void write_bytes(const char *path, const void *p, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0 && write(fd, p, size) == (ssize_t)size);
	close(fd);
}

/* The error of reading these bytes as a binlog file. */
static const char *file_error(const void *p, size_t size, const char *schema)
{
	struct drip_harness *h = drip_harness_create(plugin_path);
	char path[300], schema_path[300];
	struct drip_instance *i;
	const char *code;

	snprintf(path, sizeof(path), "%s/bin.000001", drip_harness_dir(h));
	snprintf(schema_path, sizeof(schema_path), "%s/schema.sql", drip_harness_dir(h));
	write_bytes(path, p, size);
	write_bytes(schema_path, schema, strlen(schema));
	i = open_source(h, DRIP_OPTIONS("mode", "files", "tables", "t.*", "files", path, "schema",
					schema_path));
	code = drive(i, NULL, DRIP_POLL_END);
	drip_harness_close(i);
	drip_harness_destroy(h);
	return code;
}

/* A file of the server's log. */
static struct bytes read_log(const char *name)
{
	char path[200];

	mysql_query(admin, "SELECT @@log_bin_basename");
	MYSQL_RES *res = mysql_store_result(admin);
	const char *base = mysql_fetch_row(res)[0];

	snprintf(path, sizeof(path), "%.*s%s", (int)(strrchr(base, '/') + 1 - base), base, name);
	mysql_free_result(res);
	return read_bytes(path);
}

/* The log of these statements, with what the server has set. */
static struct bytes log_of(const char *statements)
{
	char name[64];

	sql("FLUSH BINARY LOGS");
	snprintf(name, sizeof(name), "%s", current_file());
	sql("%s", statements);
	sql("FLUSH BINARY LOGS");
	return read_log(name);
}

/* Offset of the n-th event of this type, from 0. */
static size_t find_event(const struct bytes *b, uint8_t type)
{
	uint32_t size;

	for (size_t at = 4; at + 19 <= b->size; at += size) {
		memcpy(&size, b->p + at + 9, 4);
		if (b->p[at + 4] == type) {
			return at;
		}
	}
	CHECK(false);
	return 4;
}

static const char *patched_error(const struct bytes *b, size_t at, uint8_t value,
				 const char *schema)
{
	uint8_t old = b->p[at];
	const char *code;

	b->p[at] = value;
	code = file_error(b->p, b->size, schema);
	b->p[at] = old;
	return code;
}

#define SCHEMA_A "CREATE TABLE t.a (id INT PRIMARY KEY, v VARCHAR(20)) CHARSET=utf8mb4;"

TEST(files_are_read_and_damage_is_found)
{
	struct bytes b;

	fresh_t();
	sql("ALTER DATABASE t CHARACTER SET utf8mb4; DROP TABLE a; CREATE TABLE a (id INT PRIMARY "
	    "KEY, v VARCHAR(20))");
	b = log_of("INSERT INTO a VALUES (5,'five')");
	CHECK_EQ_STR(file_error(b.p, b.size, SCHEMA_A), "");
	CHECK_EQ_STR(file_error(b.p, b.size, ""), "mysql.schema_unknown");
	CHECK_EQ_STR(file_error(b.p, b.size, "CREATE TABLE t.a (id INT, v INT)"),
		     "mysql.schema_mismatch");
	CHECK_EQ_STR(file_error(b.p, b.size - 3, SCHEMA_A), "mysql.truncated_file");
	CHECK_EQ_STR(patched_error(&b, find_event(&b, 23) + 25, 0x77, SCHEMA_A),
		     "mysql.corrupt_event");
	CHECK_EQ_STR(file_error("no binlog", 9, SCHEMA_A), "mysql.not_a_binlog");
	free(b.p);
	CHECK_EQ_STR(run_error(DRIP_OPTIONS("mode", "files", "tables", "t.*", "files",
					    "/nowhere/bin.000001"),
			       DRIP_POLL_END),
		     "mysql.file_failed");
}

TEST(events_that_cannot_be_read_are_named)
{
	static const char marker[] = "MARKER";
	struct bytes b;
	uint8_t *found;

	fresh_t();
	sql("SET GLOBAL binlog_checksum = NONE, GLOBAL binlog_row_metadata = FULL; CREATE TABLE c "
	    "(k VARCHAR(10) PRIMARY KEY, w VARCHAR(200) COMPRESSED, x BLOB)");
	b = log_of("INSERT INTO c VALUES ('MARKER',REPEAT('z',150),'b')");
	sql("SET GLOBAL binlog_checksum = CRC32, GLOBAL binlog_row_metadata = NO_LOG");
	CHECK_EQ_STR(file_error(b.p, b.size, ""), "");
	CHECK_EQ_STR(patched_error(&b, find_event(&b, 16) + 4, 40, ""), "mysql.event_unsupported");
	CHECK_EQ_STR(patched_error(&b, find_event(&b, 16) + 4, 26, ""), "mysql.incident");
	CHECK_EQ_STR(patched_error(&b, find_event(&b, 16) + 4, 39, ""), "mysql.partial_image");
	found = memmem(b.p + find_event(&b, 23), 200, marker, 6);
	CHECK_NOT_NULL(found);
	if (found != NULL) { /* behind the two bytes of the length: the head of the compression */
		CHECK_EQ_STR(patched_error(&b, (size_t)(found - b.p) + 6 + 2, 0xf1, ""),
			     "mysql.malformed_value");
	}
	found = b.p + find_event(&b, 19) + 19 + 8 + 3 + 3 + 1; /* the types of the columns */
	CHECK_EQ_INT(found[2], 252);
	CHECK_EQ_STR(patched_error(&b, (size_t)(found - b.p) + 2, 245, ""),
		     "mysql.type_unsupported");
	free(b.p);
}

TEST(too_many_tables_are_refused)
{
	size_t size = 0, capacity = 1 << 20;
	char *script = malloc(capacity);

	for (int k = 0; k <= 20000; k++) {
		size += (size_t)snprintf(script + size, capacity - size,
					 "CREATE TABLE t.x%d (a INT);", k);
	}
	CHECK_EQ_STR(file_error("", 0, script), "mysql.too_many_tables");
	free(script);
}

TEST(options_that_do_not_fit_together_are_found)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = NULL;
	struct drip_error err = DRIP_ERROR_INIT;

	CHECK(drip_harness_open(h, DRIP_KIND_SOURCE, "mysql",
				DRIP_OPTIONS("tables", "t.*", "mode", "files"), &i, &err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), "mysql.bad_option");
	CHECK(drip_harness_open(h, DRIP_KIND_SOURCE, "mysql", DRIP_OPTIONS("tables", "t.*"), &i,
				&err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), "a connection is needed");
	drip_harness_destroy(h);
}
