/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin: connection `mysql` and source `mysql`. */
#include "source.h"
#include "sql.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct drip_enum_value ssl_values[] = {
	{"disabled", DRIP_MY_SSL_DISABLED, "No TLS."},
	{"preferred", DRIP_MY_SSL_PREFERRED, "TLS where the server offers it."},
	{"required", DRIP_MY_SSL_REQUIRED, "TLS, whoever the server is."},
	{"verify-ca", DRIP_MY_SSL_VERIFY_CA,
	 "TLS, with a certificate that `ssl_ca` vouches for; its name is not checked. Needs "
	 "`ssl_ca`."},
	{"verify-identity", DRIP_MY_SSL_VERIFY_IDENTITY,
	 "As verify-ca, and the certificate must be for `host`. The only one that keeps the "
	 "login from somebody in between who hides that the server offers TLS: the other ones "
	 "notice that after the login. Without `ssl_ca` the authorities of the system count."},
	{NULL, 0, NULL},
};

#define OPTION(member, ...) DRIP_OPTION(struct drip_my_options, member, __VA_ARGS__)

static const struct drip_option connection_options[] = {
	OPTION(host, .help = "Name or address of the server.", .default_text = "127.0.0.1"),
	OPTION(port, .help = "TCP port.", .default_text = "3306", .min = 1, .max = 65535),
	OPTION(socket, .help = "Unix socket, instead of host and port.",
	       .example = "/run/mysqld/mysqld.sock"),
	OPTION(user, .help = "User name.", .flags = DRIP_OPTION_REQUIRED, .example = "dripline"),
	OPTION(password, .help = "Password.", .example = "${file:/run/credentials/shop}"),
	OPTION(database, .help = "Database of names that do not say theirs."),
	OPTION(ssl, .help = "Encryption of the connection.", .default_text = "preferred",
	       .values = ssl_values),
	OPTION(ssl_ca, .help = "File of the certificate authorities that may vouch for the server.",
	       .flags = DRIP_OPTION_PATH),
	OPTION(ssl_cert, .help = "File of the client's certificate.", .flags = DRIP_OPTION_PATH),
	OPTION(ssl_key, .help = "File of the client's key.", .flags = DRIP_OPTION_PATH),
	OPTION(connect_timeout, .help = "How long a connection may take.", .default_text = "10s",
	       .min = 1000, .max = 3600000),
	OPTION(read_timeout, .help = "How long the server may be silent within an answer.",
	       .default_text = "1h", .min = 1000, .max = 86400000, .flags = DRIP_OPTION_ADVANCED),
	OPTION(write_timeout, .help = "How long sending a request may take.", .default_text = "1m",
	       .min = 1000, .max = 86400000, .flags = DRIP_OPTION_ADVANCED),
	OPTION(max_packet, .help = "Largest row or statement.", .default_text = "1GiB",
	       .min = 1048576, .max = 1073741824, .flags = DRIP_OPTION_ADVANCED),
};

static int connection_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			   struct drip_error *err)
{
	struct drip_my_connection *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		return drip_error_nomem(err, sizeof(*c));
	}
	c->options = config;
	*ret_self = c;
	return 0;
}

static void connection_close(void *self)
{
	free(self);
}

static int interface_connect(void *object, MYSQL **ret, struct drip_error *err)
{
	const struct drip_my_connection *c = object;

	return drip_my_connect(c->options, ret, err);
}

static const struct drip_my_options *interface_options(void *object)
{
	const struct drip_my_connection *c = object;

	return c->options;
}

static const struct drip_my_interface private_interface = {
	.struct_size = sizeof(struct drip_my_interface),
	.connect = interface_connect,
	.options = interface_options,
};

static const void *connection_interface(void *self, const char *name)
{
	if (strcmp(name, DRIP_SQL_INTERFACE) == 0) {
		return &drip_my_sql;
	}
	return strcmp(name, DRIP_MY_INTERFACE) == 0 ? &private_interface : NULL;
}

static int connection_ping(void *self, struct drip_error *err)
{
	const struct drip_my_connection *c = self;
	MYSQL *m;
	int rc = drip_my_connect(c->options, &m, err);

	if (rc == 0) {
		rc = mysql_ping(m) != 0 ? drip_my_error(m, "reach the server", err) : 0;
		mysql_close(m);
	}
	return rc;
}

static int connection_check(struct drip_ctx *ctx, const void *config, bool connect,
			    struct drip_report *report, struct drip_error *err)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	const struct drip_my_options *o = config;
	MYSQL *m;

	if (drip_my_check_options(o, &finding) != 0) {
		report->add(report, DRIP_LOG_ERROR, &finding);
		return 0;
	}
	if (!connect) {
		return 0;
	}
	if (drip_my_connect(o, &m, &finding) != 0) {
		report->add(report, DRIP_LOG_ERROR, &finding);
		return 0;
	}
	mysql_close(m);
	return 0;
}

static const char *const interfaces[] = {DRIP_SQL_INTERFACE, DRIP_MY_INTERFACE, NULL};

static const struct drip_connection_ops connection_ops = {
	.struct_size = sizeof(struct drip_connection_ops),
	.check = connection_check,
	.open = connection_open,
	.close = connection_close,
	.interface = connection_interface,
	.ping = connection_ping,
	.interfaces = interfaces,
};

static const struct drip_component connection = {
	.struct_size = sizeof(struct drip_component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "mysql",
	.summary = "A MySQL or MariaDB server",
	.description = "Sessions run with character set utf8mb4, time zone +00:00 and "
		       "sql_mode " DRIP_MY_SQL_MODE
		       ", so that a statement means the same on every server. Results are "
		       "streamed. Parameters are put into statements as escaped literals.",
	.schema_notes = "Types of results follow those of the source mysql.",
	.guarantees = "Nothing is retried by itself. A session belongs to one user at a time.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct drip_my_options),
	.options_count = DRIP_COUNT(connection_options),
	.options = connection_options,
	.ops = &connection_ops,
};

static const struct drip_component source = {
	.struct_size = sizeof(struct drip_component),
	.kind = DRIP_KIND_SOURCE,
	.name = "mysql",
	.summary = "Rows and changes of MySQL and MariaDB tables",
	.description =
		"Copies the tables under one consistent view without locking (MariaDB), then "
		"follows "
		"the binary log from exactly that place. Events are decoded from their bytes. Also "
		"reads binlog files on disk.",
	.schema_notes = "One schema a table, its version grows with each DDL statement. BIT(1) is "
			"bool, other "
			"BIT uint64, TIME a duration, DATETIME a timestamp without a zone, "
			"TIMESTAMP one in "
			"UTC, decimals of more than 38 digits text, ENUM, SET and INET text, "
			"geometry binary "
			"(SRID and WKB). All text is UTF-8. Columns are classified internal until "
			"a contract "
			"says otherwise.",
	.guarantees =
		"No gap and no overlap between snapshot and stream. Positions mean the same rows "
		"in "
		"every run, so sinks that store them have each row exactly once. Changes of one "
		"table "
		"keep their order; a boundary is always a transaction's end. The log must have row "
		"format with full row images.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_REPLAY | DRIP_CAP_CHANGES,
	.config_size = sizeof(struct drip_my_source_options),
	.options = drip_my_source_option_table,
	.options_count = DRIP_MY_SOURCE_OPTIONS,
	.ops = &drip_my_source_ops,
};

DRIP_PLUGIN("mysql", DRIP_SDK_VERSION, "MySQL and MariaDB: change data capture and SQL",
	    &connection, &source);
