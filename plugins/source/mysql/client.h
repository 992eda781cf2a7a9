/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to the server: options, TLS, sessions, and server errors as Dripline errors. A MYSQL
 * is used by one thread at a time.
 */
#ifndef DRIPLINE_MYSQL_CLIENT_H
#define DRIPLINE_MYSQL_CLIENT_H

#include <dripline/plugin.h>
#include <mysql.h>

/*
 * The sql_mode of each session, whatever the server's is: backslashes escape, "x" is a text, values
 * are never cut in silence, and 0 stays 0. So literals and results mean the same on every server.
 */
#define DRIP_MY_SQL_MODE "NO_AUTO_VALUE_ON_ZERO,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION"

/* What the source asks of a connection of this plugin; private to it. */
#define DRIP_MY_INTERFACE "drip_mysql"

enum drip_my_ssl {
	DRIP_MY_SSL_DISABLED,
	DRIP_MY_SSL_PREFERRED,
	DRIP_MY_SSL_REQUIRED,
	DRIP_MY_SSL_VERIFY_CA,
	DRIP_MY_SSL_VERIFY_IDENTITY,
};

struct drip_my_options {
	const char *host;
	int64_t port;
	const char *socket;
	const char *user;
	struct drip_secret password;
	const char *database;
	struct drip_enum ssl;
	const char *ssl_ca, *ssl_cert, *ssl_key;
	struct drip_duration connect_timeout, read_timeout, write_timeout;
	struct drip_size max_packet;
};

/* Thread: any. */
struct drip_my_interface {
	uint32_t struct_size;
	/* (gives) a new session: utf8mb4, time zone +00:00, DRIP_MY_SQL_MODE. Close with
	 * mysql_close. */
	int (*connect)(void *object, MYSQL **ret, struct drip_error *err);
	/* (borrowed) lives as long as the connection. */
	const struct drip_my_options *(*options)(void *object);
};

/* (gives) a session with the modes of DRIP_MY_SQL_MODE. */
int drip_my_connect(const struct drip_my_options *o, MYSQL **ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
/* Do the options of TLS fit together? Connects nowhere. */
int drip_my_check_options(const struct drip_my_options *o, struct drip_error *err) DRIP_MUST_CHECK;
/* The last error of `m` as a Dripline error; `doing` completes "could not ...". Returns its rc. */
int drip_my_error(MYSQL *m, const char *doing, struct drip_error *err);
/* An error number with its text, as drip_my_error. */
int drip_my_error_of(unsigned number, const char *text, const char *doing, struct drip_error *err);
/* One statement; a result is thrown away. */
int drip_my_execute(MYSQL *m, const char *sql, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the result of one statement, held in memory. */
int drip_my_select(MYSQL *m, const char *sql, MYSQL_RES **ret,
		   struct drip_error *err) DRIP_MUST_CHECK;
/* First column of the first row as text, "" for null. -ENOENT: no row. */
int drip_my_value(MYSQL *m, const char *sql, char *buf, size_t size,
		  struct drip_error *err) DRIP_MUST_CHECK;

/* Text that grows; errors stick. For building SQL. */
struct drip_my_text {
	char *p;
	size_t size, capacity;
	bool failed;
};

void drip_my_text_add(struct drip_my_text *t, const char *fmt, ...) DRIP_PRINTF(2, 3);
void drip_my_text_bytes(struct drip_my_text *t, const char *p, size_t size);
/* `name` in backticks; 'text' as a literal that means the same under every sql_mode. */
void drip_my_text_name(struct drip_my_text *t, const char *name);
void drip_my_text_literal(struct drip_my_text *t, const char *text);
/* x'6869' */
void drip_my_text_hex(struct drip_my_text *t, const char *p, size_t size);
void drip_my_text_finish(struct drip_my_text *t);

#endif
