/* SPDX-License-Identifier: Apache-2.0 */
/* Part of test_mysql.c: TLS, against a server with certificates made here. */
#include "test_support.h"

/* ca and other are authorities; good, name and old are certificates that ca gave. */
static const char make_certificates[] =
	"set -e; cd \"$1\"; exec 2>log >&2; key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 "
	"-nodes'\n"
	"ca() { openssl req -x509 $key -keyout $1.key -out $1.pem -subj /CN=$1 -days 2; }\n"
	"leaf() { openssl req $key -keyout $1.key -out $1.csr -subj /CN=$1\n"
	"  printf 'subjectAltName=%s' $2 >$1.ext\n"
	"  openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $3 "
	"-extfile $1.ext -out $1.pem; }\n"
	"ca ca; ca other; leaf good IP:127.0.0.1 2; leaf name DNS:db.example 2\n"
	"leaf old IP:127.0.0.1 -1; cp good.pem server.pem; cp good.key server.key\n";

static const char use_certificate[] = "cd \"$1\"; cp $2.pem server.pem; cp $2.key server.key";
static const char remove_certificates[] =
	"cd \"$1\" && rm -f *.pem *.key *.csr *.ext *.srl log && rmdir \"$1\"";

static struct tls_server {
	char dir[32];
	struct test_mariadb db;
	MYSQL *admin;
} tls;

static int shell(const char *script, const char *argument)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		execl("/bin/bash", "bash", "-c", script, "bash", tls.dir, argument, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return status;
}

static void tls_start(void)
{
	char option[256];

	memcpy(tls.dir, "/tmp/drip-tls.XXXXXX", sizeof("/tmp/drip-tls.XXXXXX"));
	CHECK(mkdtemp(tls.dir) != NULL);
	CHECK_EQ_INT(shell(make_certificates, NULL), 0);
	snprintf(option, sizeof(option),
		 "--ssl-ca=%s/ca.pem\nssl-cert=%s/server.pem\nssl-key=%s/server.key", tls.dir,
		 tls.dir, tls.dir);
	CHECK_EQ_INT(test_mariadb_create(&tls.db, option), 0);
	tls.admin = mysql_init(NULL);
	CHECK(mysql_real_connect(tls.admin, NULL, "root", "", NULL, 0, tls.db.socket,
				 CLIENT_MULTI_STATEMENTS) != NULL);
	struct {
		MYSQL *m;
	} swap = {admin};
	admin = tls.admin;
	sql("CREATE USER s@'%%' IDENTIFIED BY 'p' REQUIRE SSL; GRANT ALL ON *.* TO s@'%%';"
	    "CREATE USER x@'%%' IDENTIFIED BY 'p' REQUIRE X509; GRANT ALL ON *.* TO x@'%%'");
	admin = swap.m;
}

static void tls_use(const char *certificate)
{
	CHECK_EQ_INT(shell(use_certificate, certificate), 0);
	CHECK_EQ_INT(mysql_query(tls.admin, "FLUSH SSL"), 0);
}

static void tls_end(void)
{
	mysql_close(tls.admin);
	test_mariadb_destroy(&tls.db);
	CHECK_EQ_INT(shell(remove_certificates, NULL), 0);
}

/* A harness with the connection db: `ca` and `cert` (may be NULL) are names of certificates. */
static struct drip_harness *tls_harness(const char *user, const char *ssl, const char *ca,
					const char *cert)
{
	struct drip_harness *h = drip_harness_create(plugin_path);
	char port[16], ca_path[64], cert_path[64], key_path[64];
	const char *options[32] = {"port", port, "user", user, "password", "p", "ssl", ssl};
	size_t n = 8;

	snprintf(port, sizeof(port), "%d", tls.db.port);
	snprintf(ca_path, sizeof(ca_path), "%s/%s.pem", tls.dir, ca != NULL ? ca : "");
	snprintf(cert_path, sizeof(cert_path), "%s/%s.pem", tls.dir, cert != NULL ? cert : "");
	snprintf(key_path, sizeof(key_path), "%s/%s.key", tls.dir, cert != NULL ? cert : "");
	if (ca != NULL) {
		options[n++] = "ssl_ca";
		options[n++] = ca_path;
	}
	if (cert != NULL) {
		options[n++] = "ssl_cert";
		options[n++] = cert_path;
		options[n++] = "ssl_key";
		options[n++] = key_path;
	}
	drip_harness_add_connection(h, "db", "mysql", options);
	return h;
}

static const char *tls_error(const char *user, const char *ssl, const char *ca, const char *cert)
{
	static struct drip_error err;
	struct drip_harness *h = tls_harness(user, ssl, ca, cert);
	const struct drip_sql *q;
	const void *interface = NULL;
	void *object, *session = NULL;
	int rc;

	memset(&err, 0, sizeof(err));
	err.struct_size = sizeof(err);
	rc = drip_harness_connection(h, "db", DRIP_SQL_INTERFACE, &interface, &object, &err);
	if (rc == 0) {
		q = interface;
		rc = q->session_open(object, &session, &err);
		q->session_close(session);
		drip_harness_connection_done(h, "db", DRIP_SQL_INTERFACE, object);
	}
	drip_harness_destroy(h);
	return code_of(rc, &err);
}

static void check_certificates(void)
{
	CHECK_EQ_STR(tls_error("s", "disabled", NULL, NULL), "mysql.access_denied");
	CHECK_EQ_STR(tls_error("s", "preferred", NULL, NULL), "");
	CHECK_EQ_STR(tls_error("s", "required", NULL, NULL), "");
	CHECK_EQ_STR(tls_error("s", "verify-ca", "ca", NULL), "");
	CHECK_EQ_STR(tls_error("s", "verify-identity", "ca", NULL), "");
	CHECK_EQ_STR(tls_error("s", "verify-ca", "other", NULL), "mysql.tls_failed");
	CHECK_EQ_STR(tls_error("s", "verify-identity", "other", NULL), "mysql.tls_failed");
	CHECK_EQ_STR(tls_error("s", "verify-identity", NULL, NULL), "mysql.tls_failed");
	CHECK_EQ_STR(tls_error("s", "verify-ca", "missing", NULL), "mysql.tls_failed");
	CHECK_EQ_STR(tls_error("x", "required", NULL, NULL), "mysql.access_denied");
	CHECK_EQ_STR(tls_error("x", "required", NULL, "name"), "");
	CHECK_EQ_STR(tls_error("x", "verify-identity", "ca", "name"), "");
	CHECK_EQ_STR(tls_error("x", "required", NULL, "missing"), "mysql.tls_failed");
	tls_use("name");
	CHECK_EQ_STR(tls_error("s", "required", NULL, NULL), "");
	CHECK_EQ_STR(tls_error("s", "verify-ca", "ca", NULL), "");
	CHECK_EQ_STR(tls_error("s", "verify-identity", "ca", NULL), "mysql.tls_failed");
	tls_use("old");
	CHECK_EQ_STR(tls_error("s", "required", NULL, NULL), "");
	CHECK_EQ_STR(tls_error("s", "verify-ca", "ca", NULL), "mysql.tls_failed");
	CHECK_EQ_STR(tls_error("s", "verify-identity", "ca", NULL), "mysql.tls_failed");
	tls_use("good");
}

/* Every session of the source: the user may not log in without TLS. */
static void check_source_over_tls(const char *ssl)
{
	struct drip_harness *h = tls_harness("s", ssl, "ca", NULL);
	MYSQL *plain = admin;
	struct drip_instance *i;

	admin = tls.admin;
	fresh_t();
	i = open_source(h, DRIP_OPTIONS("connection", "db", "tables", "t.*"));
	start(i, NULL);
	run(i, DRIP_POLL_CAUGHT_UP);
	sql("INSERT INTO a VALUES (2,'y'); ALTER TABLE a ADD COLUMN c INT DEFAULT (id + 1)");
	run(i, DRIP_POLL_CAUGHT_UP);
	CHECK_EQ_STR(output(h),
		     "SCHEMA t.a\nt.a\nr|1|x\ni|2|y\nSCHEMA t.a\nt.a\nu|1|x|2\nu|2|y|3\n");
	drip_harness_close(i);
	drip_harness_destroy(h);
	admin = plain;
}

TEST(tls_is_as_strict_as_asked)
{
	tls_start();
	check_certificates();
	check_source_over_tls("verify-ca");
	check_source_over_tls("verify-identity");
	tls_end();
}

TEST(a_server_without_tls_is_refused_where_tls_is_asked_for)
{
	static const char *const asked[] = {"required", "verify-identity"};

	CHECK_EQ_STR(open_error("ssl", "preferred"), "");
	CHECK_EQ_STR(open_error("ssl", "disabled"), "");
	for (size_t i = 0; i < DRIP_COUNT(asked); i++) {
		CHECK_EQ_STR(open_error("ssl", asked[i]), "mysql.tls_failed");
	}
}

static const char *option_findings(const char *const *options)
{
	static char text[2048];
	struct drip_harness *h = drip_harness_create(plugin_path);
	struct drip_instance *i = NULL;
	struct drip_error err = DRIP_ERROR_INIT;

	CHECK(drip_harness_open(h, DRIP_KIND_CONNECTION, "mysql", options, &i, &err) < 0);
	snprintf(text, sizeof(text), "%s", drip_harness_findings(h));
	drip_harness_destroy(h);
	return text;
}

TEST(options_of_tls_that_do_nothing_are_refused)
{
	CHECK_CONTAINS(option_findings(DRIP_OPTIONS("user", "u", "ssl_cert", "/x")),
		       "mysql.bad_option");
	CHECK_CONTAINS(
		option_findings(DRIP_OPTIONS("user", "u", "ssl", "required", "ssl_ca", "/x")),
		"mysql.bad_option");
	CHECK_CONTAINS(option_findings(DRIP_OPTIONS("user", "u", "ssl", "verify-ca")),
		       "mysql.bad_option");
	CHECK_CONTAINS(option_findings(DRIP_OPTIONS("user", "u", "ssl", "verify-identity", "socket",
						    "/run/s")),
		       "mysql.bad_option");
	CHECK_CONTAINS(option_findings(DRIP_OPTIONS("user", "u", "ssl", "disabled", "ssl_cert",
						    "/x", "ssl_key", "/x")),
		       "mysql.bad_option");
}
