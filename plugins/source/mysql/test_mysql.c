/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the plugin `mysql` against a private MariaDB: what the snapshot gives equals what the
 * stream gives for every column type; nothing is lost and nothing comes twice over restarts; DDL,
 * checks, SQL sessions. Skipped with a message where there is no server program.
 */
#include "test_support.h"

/* ---- types ---- */

static const char *const types_table =
	"CREATE TABLE t.types (id BIGINT UNSIGNED NOT NULL PRIMARY KEY, c_tiny TINYINT, c_utiny "
	"TINYINT UNSIGNED, c_bool BOOLEAN, c_small SMALLINT, c_usmall SMALLINT UNSIGNED, c_med "
	"MEDIUMINT, c_umed MEDIUMINT UNSIGNED, c_int INT, c_uint INT UNSIGNED, c_big BIGINT, "
	"c_ubig "
	"BIGINT UNSIGNED, c_dec DECIMAL(65,30), c_dec0 DECIMAL(20,0) UNSIGNED, c_dec4 "
	"DECIMAL(10,4), c_dec38 DECIMAL(38,38), c_float FLOAT, c_double DOUBLE, c_bit1 BIT(1), "
	"c_bit10 BIT(10), c_bit64 "
	"BIT(64), c_year YEAR, c_date DATE, c_time TIME, c_time1 TIME(1), c_time3 TIME(3), c_time6 "
	"TIME(6), c_dt "
	"DATETIME, c_dt2 DATETIME(2), c_dt6 DATETIME(6), c_ts TIMESTAMP NULL, c_ts3 TIMESTAMP(3) "
	"NULL, c_ts6 TIMESTAMP(6) NULL, c_char "
	"CHAR(10), c_char_l1 CHAR(10) CHARACTER SET latin1, c_char_big CHAR(100), c_vc "
	"VARCHAR(255), c_vc_u16 "
	"VARCHAR(100) CHARACTER SET utf16, c_vc_gbk VARCHAR(50) CHARACTER SET gbk, c_vc_sjis "
	"VARCHAR(50) CHARACTER SET sjis, c_vc_koi VARCHAR(50) CHARACTER SET koi8r, c_vc_big "
	"VARCHAR(2000), c_bin BINARY(8), c_vbin VARBINARY(300), c_tb TINYBLOB, c_b BLOB, c_mb "
	"MEDIUMBLOB, c_lb LONGBLOB, c_tt TINYTEXT, c_t TEXT, c_mt MEDIUMTEXT, c_lt LONGTEXT, c_tl1 "
	"TEXT CHARACTER SET latin1, "
	"c_enum ENUM('a','b','\xc3\xbc'), c_set SET('x','y','z'), c_json JSON, c_uuid UUID, "
	"c_inet6 "
	"INET6, c_inet4 INET4, c_geom GEOMETRY, c_point POINT, c_poly POLYGON, c_comp VARCHAR(200) "
	"COMPRESSED, c_compb BLOB "
	"COMPRESSED, c_virt INT AS (c_int + 1) VIRTUAL, c_stored INT AS (c_int + 2) STORED, "
	"c_hidden INT INVISIBLE DEFAULT 7) DEFAULT CHARSET=utf8mb4";

static const char *const types_columns =
	"(id,c_tiny,c_utiny,c_bool,c_small,c_usmall,c_med,c_umed,c_int,c_uint,c_big,c_ubig,c_dec,"
	"c_dec0,c_dec4,c_dec38,c_float,c_double,c_bit1,c_bit10,c_bit64,c_year,c_date,c_time,c_"
	"time1,c_time3,c_time6,"
	"c_dt,c_dt2,c_dt6,c_ts,c_ts3,c_ts6,c_char,c_char_l1,c_char_big,c_vc,c_vc_u16,c_vc_gbk,c_vc_"
	"sjis,c_vc_koi,"
	"c_vc_big,c_bin,c_vbin,c_tb,c_b,c_mb,c_lb,c_tt,c_t,c_mt,c_lt,c_tl1,c_enum,c_set,c_json,c_"
	"uuid,"
	"c_inet6,c_inet4,c_geom,c_point,c_poly,c_comp,c_compb)";

static void insert_types(void)
{
	sql("SET sql_mode=''; SET time_zone='+05:30'; INSERT INTO t.types %s VALUES (1,"
	    "-128,255,TRUE,-32768,65535,-8388608,16777215,-2147483648,4294967295,"
	    "-9223372036854775808,18446744073709551615,"
	    "-12345678901234567890123456789012345.123456789012345678901234567890,"
	    "18446744073709551615,-999999.9999,0.12345678901234567890123456789012345678,16777217,-"
	    "2.2250738585072014e-308,b'1',b'1010101010',"
	    "b'1111111111111111111111111111111111111111111111111111111111111111',"
	    "2155,'9999-12-31','838:59:59','-00:00:00.1','-12:34:56.789','-838:59:58.999999','9999-"
	    "12-31 23:59:59','2024-02-29 12:00:00.05',"
	    "'1000-01-01 00:00:00.000001','2038-01-19 08:44:07','2001-02-03 "
	    "04:05:06.789','1970-01-01 05:30:01.000001',"
	    "'abc','caf\xc3\xa9\xe2\x82\xac','\xe6\x97\xa5\xe6\x9c\xac  ','h\xc3\xa9llo "
	    "\xf0\x9f\x98\x80','\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xf0\x9f\x98\x80',"
	    "'\xe4\xb8\xad\xe6\x96\x87','\xe6\x97\xa5\xe6\x9c\xac','\xd0\x9f\xd1\x80\xd0\xb8',"
	    "REPEAT('v',1000),"
	    "X'0001020304050000',X'DEADBEEF00','tb',REPEAT('b',300),REPEAT('m',70000),'lb','tt','"
	    "text','mt',"
	    "'lt','caf\xc3\xa9','\xc3\xbc','x,z','{\"k\": [1, 2.5, null, "
	    "true]}','123e4567-e89b-12d3-a456-426655440000',"
	    "'2001:db8::ff00:42:8329','192.0.2.1',ST_GeomFromText('LINESTRING(0 0,1 1,2 2)'),"
	    "ST_PointFromText('POINT(1.5 -2.5)'),ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 "
	    "0))',4326),"
	    "REPEAT('comp',40),REPEAT('blob',100));",
	    types_columns);
	sql("INSERT INTO t.types (id) VALUES (2);"
	    "INSERT INTO t.types "
	    "(id,c_tiny,c_dec,c_dec4,c_dec38,c_float,c_double,c_time,c_time6,c_date,c_dt,"
	    "c_ts,c_year,c_enum,c_set,c_char,c_bin,c_vc,c_uuid,c_inet6,c_inet4,c_bit10,c_comp) "
	    "VALUES "
	    "(3,0,0,-0.0001,-0.5,-1.5e-5,1e300,'-00:00:01','00:00:00.000001','0000-00-00','0000-00-"
	    "00 00:00:00',"
	    "'0000-00-00 "
	    "00:00:00',0,'','','','','','00000000-0000-0000-0000-000000000000','::','0.0.0.0',0,'')"
	    ","
	    "(4,1,1e-30,1,1e-38,3.4e38,-1e-300,'00:00:00','-00:00:00.000001','2024-02-31','2024-00-"
	    "15 01:02:03',"
	    "'1970-01-01 05:30:01',1901,'a','x,y,z',' a "
	    "','a','a\\tb','017f22e2-79b0-7cc3-98c4-dc0c0c07398f',"
	    "'::ffff:192.0.2.128','255.255.255.255',1023,'short'),"
	    "(5,127,-1,99999.5,0,0.1,0.1,'23:59:59','100:00:00.5','0001-01-01','0000-01-01 "
	    "00:00:00',"
	    "'2038-01-19 "
	    "08:44:07',2000,'b','y','\xc3\xa9','\\0\\0','\xe2\x82\xac','ffffffff-ffff-ffff-ffff-"
	    "fffffffffff0',"
	    "'1::','1.2.3.0',512,REPEAT('z',199))");
}

/* The rows of all batches of one kind of op as lines without the op, sorted by nothing. */
static char *rows_text(struct drip_harness *h)
{
	const char *out = drip_harness_output(h);
	char *text = calloc(1, strlen(out) + 1), *t = text;

	for (const char *line = out; *line != '\0';) {
		const char *end = strchr(line, '\n');

		if (strchr("riudb", line[0]) != NULL && line[1] == '|') {
			memcpy(t, line + 2, (size_t)(end - line - 1));
			t += end - line - 1;
		}
		line = end + 1;
	}
	return text;
}

/* Prints the first field that differs, not two long texts. */
static void check_same(const char *a, const char *b)
{
	size_t row = 0, field = 0, start = 0, i = 0;

	for (; a[i] != '\0' && a[i] == b[i]; i++) {
		if (a[i] == '|' || a[i] == '\n') {
			field = a[i] == '\n' ? 0 : field + 1;
			row += a[i] == '\n';
			start = i + 1;
		}
	}
	if (a[i] != b[i]) {
		printf("# row %zu field %zu: %.*s and %.*s\n", row, field,
		       (int)strcspn(a + start, "|\n"), a + start, (int)strcspn(b + start, "|\n"),
		       b + start);
	}
	CHECK(a[i] == b[i]);
}

static void check_types_equal(const char *zero_dates)
{
	struct drip_harness *h = harness(), *g = harness();
	struct drip_instance *stream, *snapshot;
	char *a, *b;

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; %s", types_table);
	stream = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.types", "mode",
					     "stream", "zero_dates", zero_dates));
	start(stream, NULL);
	insert_types();
	run(stream, DRIP_POLL_CAUGHT_UP);
	snapshot = open_source(g, DRIP_OPTIONS("connection", "db", "tables", "t.types", "mode",
					       "snapshot", "zero_dates", zero_dates));
	start(snapshot, NULL);
	run(snapshot, DRIP_POLL_END);
	a = rows_text(h);
	b = rows_text(g);
	CHECK_EQ_INT(drip_harness_rows(h), 5);
	check_same(a, b);
	free(a);
	free(b);
	drip_harness_close(stream);
	drip_harness_close(snapshot);
	drip_harness_destroy(h);
	drip_harness_destroy(g);
}

TEST(snapshot_and_stream_give_equal_values_of_all_types)
{
	static const char *const metadata[] = {"NO_LOG", "MINIMAL", "FULL"};

	for (size_t i = 0; i < 3; i++) {
		sql("SET GLOBAL binlog_row_metadata = %s", metadata[i]);
		mysql_close(admin);
		admin = connect_admin();
		check_types_equal("null");
	}
	sql("SET GLOBAL binlog_row_metadata = NO_LOG");
	mysql_close(admin);
	admin = connect_admin();
	check_types_equal("text");
}

TEST(snapshot_is_read_as_text_where_there_are_no_prepared_statements)
{
	sql("SET GLOBAL max_prepared_stmt_count = 0");
	check_types_equal("null");
	sql("SET GLOBAL max_prepared_stmt_count = DEFAULT");
}

/* ---- changes ---- */

/* The output without the table lines that only say that a new batch began. */
static const char *output(struct drip_harness *h)
{
	static char text[65536];
	const char *out = drip_harness_output(h), *table = "";
	size_t n = 0, table_size = 0;

	for (const char *line = out; *line != '\0';) {
		size_t size = strcspn(line, "\n") + 1;
		bool row = strchr("riudb", line[0]) != NULL && line[1] == '|';
		bool mark = strncmp(line, "MARK", 4) == 0;
		bool control = strchr("STDM", line[0]) != NULL && !row;
		bool again =
			!row && !control && size == table_size && strncmp(line, table, size) == 0;

		if (!again && !mark && n + size < sizeof(text)) {
			memcpy(text + n, line, size);
			n += size;
		}
		if (!row && !mark) {
			table = line;
			table_size = size;
		}
		line += size;
	}
	text[n] = '\0';
	return text;
}

TEST(changes_come_in_order)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; CREATE TABLE t.a (id INT PRIMARY KEY, v "
	    "VARCHAR(10)); INSERT INTO t.a VALUES (1,'one'),(2,'two')");
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\nr|1|one\nr|2|two\n");
	drip_harness_clear(h);
	sql("INSERT INTO t.a VALUES (3,'three'); UPDATE t.a SET v='TWO' WHERE id=2;"
	    "UPDATE t.a SET id=9 WHERE id=1; DELETE FROM t.a WHERE id=3;"
	    "BEGIN; INSERT INTO t.a VALUES (5,NULL); ROLLBACK;"
	    "BEGIN; INSERT INTO t.a VALUES (6,'x'); DELETE FROM t.a WHERE id=6; COMMIT");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h),
		     "t.a\ni|3|three\nu|2|TWO\nd|1|one\ni|9|one\nd|3|three\ni|6|x\nd|6|x\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(updates_come_with_the_row_before_where_asked)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; CREATE TABLE t.a (id INT PRIMARY KEY, v "
	    "VARCHAR(10)); INSERT INTO t.a VALUES (1,'one')");
	i = open_source(h,
			DRIP_OPTIONS("connection", "db", "tables", "t.*", "before_images", "true"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	sql("UPDATE t.a SET v='x' WHERE id=1; UPDATE t.a SET id=9; DELETE FROM t.a");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\nr|1|one\nb|1|one\nu|1|x\nd|1|x\ni|9|x\nd|9|x\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* Which columns of the last schema are filled or renamed: "name=fill name<before". */
static const char *marks_of(struct drip_harness *h)
{
	static char text[512];
	const struct drip_schema *s = NULL;
	size_t n = 0;

	for (size_t i = drip_harness_batches_count(h); i-- > 0 && s == NULL;) {
		s = drip_harness_batch(h, i)->schema;
	}
	text[0] = '\0';
	for (uint32_t i = 0; s != NULL && i < s->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(s, i);

		if (c->fill != NULL) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s ", c->name,
					      c->fill);
		}
		if (c->renamed_from != NULL) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s<%s ", c->name,
					      c->renamed_from);
		}
	}
	return text;
}

TEST(schemas_say_what_older_rows_hold)
{
	static const struct {
		const char *alter, *marks;
	} cases[] = {
		{"ADD b INT NOT NULL DEFAULT 7, ADD c DECIMAL(6,2) DEFAULT 1.5", "b=7 c=1.50 "},
		{"ADD d INT, ADD e VARCHAR(5) NOT NULL, ADD f DATE DEFAULT '2024-02-29'",
		 "e= f=2024-02-29 "},
		{"RENAME COLUMN b TO g, ADD h ENUM('x','y') NOT NULL", "g<b h=x "},
		{"CHANGE g i BIGINT NOT NULL, RENAME COLUMN c TO j", "i<g j<c "},
		{"MODIFY i BIGINT NOT NULL COMMENT 'no mark', DROP d", ""},
	};
	struct drip_harness *h = harness();
	struct drip_instance *i;

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; CREATE TABLE t.a (id INT PRIMARY KEY)");
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	for (size_t n = 0; n < DRIP_COUNT(cases); n++) {
		sql("ALTER TABLE t.a %s", cases[n].alter);
		run(i, DRIP_POLL_CAUGHT_UP);
		CHECK_EQ_STR(marks_of(h), cases[n].marks);
	}
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(ddl_is_followed_without_metadata)
{
	struct drip_harness *h = harness();
	struct drip_instance *i;

	sql("DROP DATABASE IF EXISTS t; CREATE DATABASE t; CREATE TABLE t.a (id INT PRIMARY KEY, v "
	    "VARCHAR(10), w INT)");
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*", "exclude", "t._*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	drip_harness_clear(h);
	sql("INSERT INTO t.a VALUES (1,'a',1);"
	    "ALTER TABLE t.a ADD COLUMN n DECIMAL(12,2) NOT NULL DEFAULT 0.5 AFTER id, ADD f INT "
	    "FIRST;"
	    "INSERT INTO t.a VALUES (7,2,1.25,'b',2);"
	    "ALTER TABLE t.a RENAME COLUMN v TO name, DROP COLUMN f, MODIFY w BIGINT UNSIGNED;"
	    "INSERT INTO t.a VALUES (3,1,'c',18446744073709551615);"
	    "ALTER TABLE t.a CHANGE w `w w` SMALLINT FIRST, ADD INDEX (name), COMMENT='x';"
	    "INSERT INTO t.a VALUES (-5,4,1,'d');"
	    "CREATE TABLE t.b (k VARCHAR(5) CHARACTER SET latin1, x DATETIME(3) DEFAULT NULL "
	    "COMMENT 'a, b', PRIMARY KEY (k));"
	    "INSERT INTO t.b VALUES ('\xc3\xa9','2024-01-02 03:04:05.678');"
	    "CREATE TABLE t.c LIKE t.b; INSERT INTO t.c VALUES ('z',NULL);"
	    "CREATE TABLE t._a_gho LIKE t.a; ALTER TABLE t._a_gho ADD COLUMN g INT NULL;"
	    "INSERT INTO t._a_gho SELECT *, NULL FROM t.a;"
	    "RENAME TABLE t.a TO t._a_del, t._a_gho TO t.a;"
	    "INSERT INTO t.a VALUES (1,9,9,'gho',33);"
	    "TRUNCATE TABLE t.b; DROP TABLE t.c; ALTER TABLE t.a ADD (p INT, q INT), DROP PRIMARY "
	    "KEY, ADD PRIMARY KEY (id, p);"
	    "INSERT INTO t.a VALUES (1,10,9,'pk',33,1,2); UPDATE t.a SET p=2 WHERE id=10;"
	    "CREATE OR REPLACE TABLE t.b AS SELECT 1 one, 'x' two; ALTER TABLE t.b RENAME TO t.e; "
	    "INSERT INTO t.e VALUES (2,'y')");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(
		output(h),
		"t.a\ni|1|a|1\n"
		"SCHEMA t.a\nt.a\ni|7|2|1.25|b|2\n"
		"SCHEMA t.a\nt.a\ni|3|1.00|c|18446744073709551615\n"
		"SCHEMA t.a\nt.a\ni|-5|4|1.00|d\n"
		"SCHEMA t.b\nt.b\ni|\xc3\xa9|2024-01-02T03:04:05.678\n"
		"SCHEMA t.c\nt.c\ni|z|NULL\n"
		"SCHEMA t.a\nt.a\ni|1|9|9.00|gho|33\n"
		"TRUNCATE t.b\nDROP t.c\n"
		"SCHEMA "
		"t.a\nt.a\ni|1|10|9.00|pk|33|1|2\nd|1|10|9.00|pk|33|1|2\ni|1|10|9.00|pk|33|2|2\n"
		"TRUNCATE t.b\nSCHEMA t.b\nt.b\ni|1|x\nSCHEMA t.e\nGONE t.b\nt.e\ni|2|y\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
}

/* The other parts. */
#include "test_errors.h"
#include "test_log_encrypted.h"
#include "test_random.h"
#include "test_refill.h"
#include "test_restart.h"
#include "test_settings.h"
#include "test_sql.h"
#include "test_tls.h"
#include "test_xa.h"

int main(int argc, char **argv)
{
	int rc;

	if (argc < 2) {
		return 2;
	}
	plugin_path = argv[1];
	if (test_mariadb_create(&server, NULL) != 0) {
		printf("1..0 # SKIP no MariaDB server here\n");
		return 0;
	}
	admin = connect_admin();
	rc = test_main_(argc, argv);
	mysql_close(admin);
	test_mariadb_destroy(&server);
	return rc;
}
