/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions with the server: see client.h. */
#include "client.h"

#include <errmsg.h>
#include <errno.h>
#include <mysqld_error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct error_map {
	unsigned number;
	int rc;
	bool retryable;
	const char *code;
	const char *hint;
};

static const struct error_map error_map[] = {
	{CR_CONNECTION_ERROR, -ECONNREFUSED, true, "mysql.connection_failed",
	 "Check host, port and socket, and that the server runs."},
	{CR_CONN_HOST_ERROR, -ECONNREFUSED, true, "mysql.connection_failed",
	 "Check host, port and socket, and that the server runs."},
	{CR_UNKNOWN_HOST, -EHOSTUNREACH, true, "mysql.connection_failed",
	 "Check the name of the host."},
	{CR_SERVER_GONE_ERROR, -ECONNRESET, true, "mysql.connection_lost", NULL},
	{CR_SERVER_LOST, -ECONNRESET, true, "mysql.connection_lost", NULL},
	{CR_SERVER_LOST_EXTENDED, -ECONNRESET, true, "mysql.connection_lost", NULL},
	{CR_SSL_CONNECTION_ERROR, -EPROTO, false, "mysql.tls_failed",
	 "Check ssl, ssl_ca, ssl_cert and ssl_key against what the server offers."},
	{ER_ACCESS_DENIED_ERROR, -EACCES, false, "mysql.access_denied",
	 "Check user and password, and from which hosts the user may connect."},
	{ER_DBACCESS_DENIED_ERROR, -EACCES, false, "mysql.not_permitted",
	 "Grant the user what it needs: see the README of the plugin."},
	{ER_TABLEACCESS_DENIED_ERROR, -EACCES, false, "mysql.not_permitted",
	 "Grant the user what it needs: see the README of the plugin."},
	{ER_SPECIFIC_ACCESS_DENIED_ERROR, -EACCES, false, "mysql.not_permitted",
	 "Grant the user what it needs: see the README of the plugin."},
	{ER_BAD_DB_ERROR, -ENOENT, false, "mysql.no_such_database", NULL},
	{ER_NO_SUCH_TABLE, -ENOENT, false, "mysql.no_such_table", NULL},
	{ER_CON_COUNT_ERROR, -EAGAIN, true, "mysql.server_busy", NULL},
	{ER_SERVER_SHUTDOWN, -ECONNRESET, true, "mysql.connection_lost", NULL},
	{ER_CONNECTION_KILLED, -ECONNRESET, true, "mysql.connection_lost", NULL},
	{ER_QUERY_INTERRUPTED, -ECANCELED, true, "mysql.interrupted", NULL},
	{ER_LOCK_WAIT_TIMEOUT, -EAGAIN, true, "mysql.lock_timeout", NULL},
	{ER_LOCK_DEADLOCK, -EAGAIN, true, "mysql.lock_timeout", NULL},
	{ER_TABLE_DEF_CHANGED, -EAGAIN, true, "mysql.table_changed",
	 "The table was altered after the transaction began; the next attempt reads the new one."},
};

int drip_my_error_of(unsigned number, const char *text, const char *doing, struct drip_error *err)
{
	for (size_t i = 0; i < DRIP_COUNT(error_map); i++) {
		const struct error_map *e = &error_map[i];

		if (e->number == number) {
			if (e->retryable) {
				drip_error_set_retryable(err, e->rc, e->code,
							 "could not %s: %s (%u)", doing, text,
							 number);
			} else {
				drip_error_set(err, e->rc, e->code, "cannot %s: %s (%u)", doing,
					       text, number);
			}
			if (e->hint != NULL) {
				drip_error_hint(err, "%s", e->hint);
			}
			return e->rc;
		}
	}
	return drip_error_set(err, -EIO, "mysql.query_failed", "could not %s: %s (%u)", doing, text,
			      number);
}

int drip_my_error(MYSQL *m, const char *doing, struct drip_error *err)
{
	return drip_my_error_of(mysql_errno(m), mysql_error(m), doing, err);
}

static unsigned seconds(struct drip_duration d)
{
	return d.ms <= 0 ? 0 : (unsigned)((d.ms + 999) / 1000);
}

/*
 * libmariadb checks the certificate's chain and dates wherever it has an authority, and the name
 * only with VERIFY_SERVER_CERT: so an authority without that is verify-ca, and needs ssl_ca.
 * Without an authority VERIFY_SERVER_CERT takes those of the system.
 */
static void set_tls(MYSQL *m, const struct drip_my_options *o)
{
	my_bool tls = o->ssl.value != DRIP_MY_SSL_DISABLED;
	my_bool name = o->ssl.value == DRIP_MY_SSL_VERIFY_IDENTITY;
	bool ca = o->ssl.value >= DRIP_MY_SSL_VERIFY_CA;

	if (tls) {
		mysql_ssl_set(m, o->ssl_key, o->ssl_cert, ca ? o->ssl_ca : NULL, NULL, NULL);
	}
	mysql_options(m, MYSQL_OPT_SSL_ENFORCE, &tls);
	mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &name);
}

static void set_options(MYSQL *m, const struct drip_my_options *o)
{
	unsigned connect = seconds(o->connect_timeout), in = seconds(o->read_timeout),
		 out = seconds(o->write_timeout), protocol = MYSQL_PROTOCOL_TCP;
	unsigned long packet = (unsigned long)o->max_packet.bytes;
	my_bool off = 0;

	mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(m, MYSQL_INIT_COMMAND,
		      "SET time_zone = '+00:00', sql_mode = '" DRIP_MY_SQL_MODE "'");
	mysql_options(m, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(m, MYSQL_OPT_READ_TIMEOUT, &in);
	mysql_options(m, MYSQL_OPT_WRITE_TIMEOUT, &out);
	mysql_options(m, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
	mysql_options(m, MYSQL_OPT_LOCAL_INFILE, &off); /* a server must not read our files */
	mysql_optionsv(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", "dripline");
	if (o->socket == NULL) {
		mysql_options(m, MYSQL_OPT_PROTOCOL, &protocol);
	}
	set_tls(m, o);
}

static int bad_option(struct drip_error *err, const char *option, const char *message)
{
	drip_error_set(err, -EINVAL, "mysql.bad_option", "%s", message);
	drip_error_option(err, "%s", option);
	return -EINVAL;
}

int drip_my_check_options(const struct drip_my_options *o, struct drip_error *err)
{
	bool verify = o->ssl.value >= DRIP_MY_SSL_VERIFY_CA;

	if ((o->ssl_cert == NULL) != (o->ssl_key == NULL)) {
		return bad_option(err, o->ssl_cert == NULL ? "ssl_key" : "ssl_cert",
				  "ssl_cert and ssl_key belong together");
	}
	if (o->ssl_ca != NULL && !verify) {
		return bad_option(err, "ssl_ca",
				  "ssl_ca is of use only with ssl: verify-ca or verify-identity");
	}
	if (o->ssl.value == DRIP_MY_SSL_VERIFY_CA && o->ssl_ca == NULL) {
		return bad_option(err, "ssl", "ssl: verify-ca needs ssl_ca");
	}
	if (o->ssl.value == DRIP_MY_SSL_VERIFY_IDENTITY && o->socket != NULL) {
		return bad_option(err, "ssl",
				  "ssl: verify-identity needs a host: a socket has no name");
	}
	if (o->ssl.value == DRIP_MY_SSL_DISABLED && o->ssl_cert != NULL) {
		return bad_option(err, "ssl_cert", "ssl_cert is of no use with ssl: disabled");
	}
	return 0;
}

int drip_my_connect(const struct drip_my_options *o, MYSQL **ret, struct drip_error *err)
{
	MYSQL *m;
	int rc = drip_my_check_options(o, err);

	if (rc != 0) {
		return rc;
	}
	m = mysql_init(NULL);
	if (m == NULL) {
		return drip_error_nomem(err, sizeof(*m));
	}
	set_options(m, o);
	if (mysql_real_connect(m, o->socket != NULL ? NULL : o->host, o->user, o->password.value,
			       o->database, (unsigned)o->port, o->socket, 0) == NULL) {
		char doing[320];

		if (o->socket != NULL) {
			snprintf(doing, sizeof(doing), "connect to %s", o->socket);
		} else {
			snprintf(doing, sizeof(doing), "connect to %s:%d",
				 o->host != NULL ? o->host : "localhost", (int)o->port);
		}
		rc = drip_my_error(m, doing, err);
		mysql_close(m);
		return rc;
	}
	if (o->ssl.value >= DRIP_MY_SSL_REQUIRED && mysql_get_ssl_cipher(m) == NULL) {
		mysql_close(m);
		drip_error_set(err, -EPROTO, "mysql.tls_failed", "the server offers no TLS");
		drip_error_option(err, "ssl");
		return -EPROTO;
	}
	*ret = m;
	return 0;
}

/* The start of a statement, for messages: never its values. */
static void statement_name(const char *sql, char *buf, size_t size)
{
	size_t n = strcspn(sql, "'\"(");

	snprintf(buf, size, "run %.*s", n < 60 ? (int)n : 60, sql);
}

int drip_my_select(MYSQL *m, const char *sql, MYSQL_RES **ret, struct drip_error *err)
{
	char doing[80];

	statement_name(sql, doing, sizeof(doing));
	if (mysql_query(m, sql) != 0) {
		return drip_my_error(m, doing, err);
	}
	*ret = mysql_store_result(m);
	if (*ret == NULL) {
		return mysql_errno(m) != 0 ? drip_my_error(m, doing, err)
					   : drip_error_set(err, -EINVAL, "mysql.query_failed",
							    "the statement gives no result");
	}
	return 0;
}

int drip_my_execute(MYSQL *m, const char *sql, struct drip_error *err)
{
	MYSQL_RES *res;
	char doing[80];

	statement_name(sql, doing, sizeof(doing));
	if (mysql_query(m, sql) != 0) {
		return drip_my_error(m, doing, err);
	}
	res = mysql_store_result(m);
	if (res == NULL && mysql_errno(m) != 0) {
		return drip_my_error(m, doing, err);
	}
	mysql_free_result(res);
	return 0;
}

int drip_my_value(MYSQL *m, const char *sql, char *buf, size_t size, struct drip_error *err)
{
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc = drip_my_select(m, sql, &res, err);

	buf[0] = '\0';
	if (rc != 0) {
		return rc;
	}
	row = mysql_fetch_row(res);
	if (row == NULL) {
		rc = drip_error_set(err, -ENOENT, "mysql.query_failed", "the result is empty");
	} else if (row[0] != NULL) {
		snprintf(buf, size, "%s", row[0]);
	}
	mysql_free_result(res);
	return rc;
}

void drip_my_text_bytes(struct drip_my_text *t, const char *p, size_t size)
{
	if (t->failed || t->size + size + 1 > t->capacity) {
		size_t capacity = (t->size + size + 1) * 2;
		char *grown = t->failed ? NULL : realloc(t->p, capacity);

		if (grown == NULL) {
			t->failed = true;
			return;
		}
		t->p = grown;
		t->capacity = capacity;
	}
	memcpy(t->p + t->size, p, size);
	t->size += size;
	t->p[t->size] = '\0';
}

void drip_my_text_add(struct drip_my_text *t, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf)) {
		t->failed = true;
		return;
	}
	drip_my_text_bytes(t, buf, (size_t)n);
}

void drip_my_text_name(struct drip_my_text *t, const char *name)
{
	drip_my_text_bytes(t, "`", 1);
	for (; *name != '\0'; name++) {
		drip_my_text_bytes(t, *name == '`' ? "``" : name, *name == '`' ? 2 : 1);
	}
	drip_my_text_bytes(t, "`", 1);
}

void drip_my_text_hex(struct drip_my_text *t, const char *p, size_t size)
{
	static const char hex[] = "0123456789abcdef";

	drip_my_text_bytes(t, "x'", 2);
	for (size_t i = 0; i < size; i++) {
		char two[2] = {hex[(uint8_t)p[i] >> 4], hex[(uint8_t)p[i] & 15]};

		drip_my_text_bytes(t, two, 2);
	}
	drip_my_text_bytes(t, "'", 1);
}

void drip_my_text_literal(struct drip_my_text *t, const char *text)
{
	if (strchr(text, '\\') != NULL) {
		drip_my_text_bytes(t, "_utf8mb4 ", 9);
		drip_my_text_hex(t, text, strlen(text));
		return;
	}
	drip_my_text_bytes(t, "'", 1);
	for (; *text != '\0'; text++) {
		drip_my_text_bytes(t, *text == '\'' ? "''" : text, *text == '\'' ? 2 : 1);
	}
	drip_my_text_bytes(t, "'", 1);
}

void drip_my_text_finish(struct drip_my_text *t)
{
	free(t->p);
	memset(t, 0, sizeof(*t));
}
