/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: tables that are read again after an ALTER TABLE. */
#include "test_support.h"

/* A stream of a fresh table `a`, started. */
static struct drip_instance *refill_stream(struct drip_harness *h, const char *refill)
{
	struct drip_instance *i;

	fresh_t();
	i = open_source(h, STREAM("start", "latest", "refill", refill));
	start(i, NULL);
	return i;
}

TEST(a_table_is_read_again_where_the_log_does_not_say_its_rows)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = refill_stream(h, "true");

	sql("INSERT INTO a VALUES (2,'y'); ALTER TABLE a ADD COLUMN g INT AS (id * 10), ADD COLUMN "
	    "e "
	    "VARCHAR(20) NOT NULL DEFAULT (CONCAT(v, '!')); UPDATE a SET e = 'z' WHERE id = 2");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\ni|2|y\nSCHEMA t.a\nt.a\n"
				"u|1|x|10|x!\nu|2|y|20|z\nu|2|y|20|z\n");
	drip_harness_clear(h);
	/* altered twice before it is seen: read at the second, and committed not before */
	sql("ALTER TABLE a ADD COLUMN c INT DEFAULT (id + 1); INSERT INTO a (id, v) VALUES "
	    "(5,'v')");
	sql("ALTER TABLE a DROP COLUMN e, DROP COLUMN g");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\ni|5|v|50|v!|6\nSCHEMA t.a\nt.a\n"
				"u|1|x|2\nu|2|y|3\nu|5|v|6\n");
	for (size_t n = 0; n < drip_harness_batches_count(h); n++) {
		const struct drip_batch *b = drip_harness_batch(h, n);

		CHECK(!b->boundary || n + 1 == drip_harness_batches_count(h));
	}
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(a_table_that_loses_a_partition_is_read_again)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = refill_stream(h, "true");

	sql("CREATE TABLE p (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION one VALUES "
	    "LESS "
	    "THAN (10), PARTITION two VALUES LESS THAN (20), PARTITION three VALUES LESS THAN "
	    "(30)); INSERT INTO p VALUES (1),(11),(21); ALTER TABLE p DROP PARTITION one;"
	    "ALTER TABLE p TRUNCATE PARTITION two; INSERT INTO p VALUES (12)");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.p\nt.p\ni|1\ni|11\ni|21\nSCHEMA t.p\nTRUNCATE "
				"t.p\nt.p\nu|12\nu|21\nSCHEMA t.p\nTRUNCATE t.p\nt.p\nu|12\nu|21\n"
				"i|12\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(a_table_that_cannot_be_read_again_stops_the_stream)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = refill_stream(h, "false");
	struct bytes log;

	sql("ALTER TABLE a ADD COLUMN u VARCHAR(36) DEFAULT (UUID()); INSERT INTO a VALUES "
	    "(2,'y','u')");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\ni|2|y|u\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
	fresh_t();
	CHECK_EQ_STR(stream_error("CREATE TABLE n (v INT); INSERT INTO n VALUES (1); ALTER TABLE n "
				  "ADD COLUMN w INT DEFAULT (v + 1)"),
		     "mysql.refill_impossible");
	log = log_of(
		"INSERT INTO a VALUES (7,'y'); ALTER TABLE a ADD COLUMN w INT DEFAULT (id + 1)");
	CHECK_EQ_STR(file_error(log.p, log.size, SCHEMA_A), "mysql.refill_impossible");
	free(log.p);
}

/* A definition, a value of it, what it is altered to, and whether the table is read again for that
 * with and without strict mode. */
static const struct conversion {
	const char *from, *value, *to;
	bool again, again_strict;
} conversions[] = {
	{"INT", "1", "BIGINT", false, false},
	{"INT UNSIGNED", "1", "BIGINT", false, false},
	{"INT", "300", "TINYINT", true, false},
	{"INT", "-1", "INT UNSIGNED", true, false},
	{"BIGINT UNSIGNED", "18446744073709551615", "BIGINT", true, false},
	{"INT", "5", "VARCHAR(20)", true, true},
	{"INT", "5", "DECIMAL(12,2)", false, false},
	{"INT NULL", "NULL", "INT NOT NULL", true, false},
	{"DECIMAL(10,4)", "1.2345", "DECIMAL(12,6)", false, false},
	{"DECIMAL(10,4)", "1.2355", "DECIMAL(10,2)", true, true},
	{"FLOAT", "1.125", "DOUBLE", false, false},
	{"DOUBLE", "1.23456", "FLOAT", true, true},
	{"FLOAT", "1.23456", "FLOAT(7,2) DEFAULT 0", true, true},
	{"VARCHAR(10)", "'abc   '", "VARCHAR(20)", false, false},
	{"VARCHAR(10)", "'abc   '", "VARCHAR(3)", true, true},
	{"VARCHAR(10)", "'abc   '", "CHAR(10)", true, true},
	{"VARCHAR(10) CHARACTER SET latin1", "'\xc3\xa9'", "VARCHAR(10) CHARACTER SET utf8mb4",
	 false, false},
	{"VARCHAR(10)", "'\xd0\xb6'", "VARCHAR(10) CHARACTER SET latin1", true, true},
	{"TEXT", "'abc'", "MEDIUMTEXT", false, false},
	{"VARCHAR(50)", "'abc'", "TEXT", false, false},
	{"BINARY(3)", "'abc'", "BINARY(5)", true, true},
	{"ENUM('a','b')", "'b'", "ENUM('x','b','a')", false, false},
	{"ENUM('a','b')", "'b'", "ENUM('a')", true, true},
	{"ENUM('a','b')", "'b'", "ENUM('a','B')", true, true},
	{"ENUM('a','b')", "'b'", "VARCHAR(5)", true, true},
	{"SET('a','b')", "'a,b'", "SET('a','x','b')", false, false},
	{"SET('a','b')", "'a,b'", "SET('b','a')", true, true},
	{"DATETIME(6)", "'2024-01-02 03:04:05.678901'", "DATETIME(3)", true, true},
	{"DATETIME", "'2024-01-02 03:04:05'", "DATETIME(3)", false, false},
	{"DATETIME", "'2024-01-02 03:04:05'", "DATE", true, true},
	{"TIME(3)", "'-01:02:03.456'", "TIME", true, true},
	{"BIT(10)", "b'1111111111'", "BIT(4)", true, false},
	{"INT", "3", "INT AS (id * 2) STORED", true, true},
};

/* The stream after an ALTER is as the server's table, and the table was read again only where that
 * was to be. */
static void check_conversion(const struct conversion *c, bool strict)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;
	char *text, *rows, *end;
	bool again = strict ? c->again_strict : c->again, accepted;

	fresh_t();
	sql("SET sql_mode = ''; CREATE TABLE c (id INT PRIMARY KEY, v %s); INSERT INTO c VALUES "
	    "(1, %s)",
	    c->from, c->value);
	i = open_source(h, STREAM("start", "latest"));
	start(i, NULL);
	sql("SET sql_mode = '%s'", strict ? "STRICT_TRANS_TABLES" : "");
	text = NULL;
	CHECK(asprintf(&text, "ALTER TABLE c MODIFY v %s", c->to) > 0);
	accepted = mysql_query(admin, text) == 0;
	CHECK(accepted || strict);
	free(text);
	run(i, DRIP_POLL_CAUGHT_UP);
	rows = strdup(output(h));
	text = strstr(rows, "\nu|1|");
	if ((text != NULL) != (again && accepted)) {
		printf("# %s to %s, strict %d: %s\n", c->from, c->to, strict, rows);
	}
	CHECK_EQ_INT(text != NULL, again && accepted);
	if (text != NULL) {
		struct model *m = truth("t.c");

		end = strchr(text + 1, '\n');
		CHECK(end != NULL && end[1] == '\0');
		CHECK(strncmp(m->rows[0] + strlen("t.c"), text + 2, (size_t)(end - text - 2)) == 0);
		model_free(m);
	}
	free(rows);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(a_table_is_read_again_where_modify_changes_values)
{
	for (size_t i = 0; i < DRIP_COUNT(conversions); i++) {
		check_conversion(&conversions[i], false);
		check_conversion(&conversions[i], true);
	}
	sql("SET sql_mode = ''");
}

TEST(a_key_that_modify_changes_empties_the_table_first)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = refill_stream(h, "true");

	sql("CREATE TABLE k (id DECIMAL(5,2) PRIMARY KEY, v INT); INSERT INTO k VALUES (1.4, 1), "
	    "(2.6, 2); ALTER TABLE k MODIFY id INT");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.k\nt.k\ni|1.40|1\ni|2.60|2\nSCHEMA t.k\nTRUNCATE "
				"t.k\nt.k\nu|1|1\nu|3|2\n");
	drip_harness_clear(h);
	/* a column that is dropped and added under one name is another one */
	sql("ALTER TABLE k DROP v, ADD v INT DEFAULT 7; ALTER IGNORE TABLE k MODIFY v TINYINT; "
	    "ALTER TABLE k CONVERT TO CHARACTER SET latin1");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.k\nSCHEMA t.k\nTRUNCATE t.k\nt.k\nu|1|7\nu|3|7\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

static void alter_meanwhile(const char *name, void *data)
{
	int *altered = data;

	if (strcmp(name, "mysql.refill") == 0) {
		*altered = mysql_query(admin, "ALTER TABLE a NOWAIT MODIFY v INT") == 0;
	}
}

TEST(nobody_alters_a_table_between_its_description_and_its_rows)
{
	struct drip_harness *h = harness();
	struct drip_instance *i = refill_stream(h, "true");
	int altered = -1;

	drip_harness_set_on_failpoint(h, alter_meanwhile, &altered);
	sql("ALTER TABLE a ADD COLUMN c INT DEFAULT (id + 1)");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_INT(altered, 0);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\nu|1|x|2\n");
	/* gone by now: its end in the log is waited for */
	drip_harness_clear(h);
	sql("ALTER TABLE a ADD COLUMN d INT DEFAULT (id + 2); DROP TABLE a");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK(drip_harness_logged(h, "waiting until the log comes to that"));
	drip_harness_close(i);
	drip_harness_destroy(h);
}
