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
