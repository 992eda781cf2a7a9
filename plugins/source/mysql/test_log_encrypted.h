/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: a log that the server encrypts. */
#include "test_support.h"

static void write_key(const char *path)
{
	FILE *f = fopen(path, "we");

	CHECK(f != NULL && fputs("1;770A8A65DA156D24EE2A093277530142\n", f) >= 0);
	fclose(f);
}

TEST(an_encrypted_log_is_read_from_the_server_and_refused_as_a_file)
{
	char key[] = "/tmp/drip-key.XXXXXX", option[256];
	struct test_mariadb plain = server;
	MYSQL *plain_admin = admin;
	struct drip_harness *h;
	struct drip_instance *i;
	struct bytes log;
	int fd = mkstemp(key);

	CHECK(fd >= 0);
	close(fd);
	write_key(key);
	snprintf(option, sizeof(option),
		 "--plugin-load-add=file_key_management\nfile-key-management-filename=%s\n"
		 "encrypt-binlog=ON",
		 key);
	CHECK_EQ_INT(test_mariadb_create(&server, option), 0);
	admin = connect_admin();
	fresh_t();
	h = harness();
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	sql("INSERT INTO a VALUES (2,'y'); FLUSH BINARY LOGS; UPDATE a SET v = 'z' WHERE id = 1");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h), "SCHEMA t.a\nt.a\nr|1|x\ni|2|y\nu|1|z\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
	log = log_of("INSERT INTO a VALUES (3,'w')");
	CHECK_EQ_STR(file_error(log.p, log.size, SCHEMA_A), "mysql.encrypted_file");
	free(log.p);
	mysql_close(admin);
	test_mariadb_destroy(&server);
	unlink(key);
	server = plain;
	admin = plain_admin;
}
