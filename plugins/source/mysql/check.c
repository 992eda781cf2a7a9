/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-flight: what the options leave open, and what the server must be set to. */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void drip_my_check_add(struct drip_my_check *c, enum drip_log_level level, const char *code,
		       const char *hint, const char *fmt, ...)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	drip_error_set(&finding, strcmp(code, "mysql.not_permitted") == 0 ? -EACCES : -EINVAL, code,
		       "%s", text);
	if (hint != NULL) {
		drip_error_hint(&finding, "%s", hint);
	}
	c->report->add(c->report, level, &finding);
}

static void bad_option(struct drip_my_check *c, const char *option, const char *what)
{
	struct drip_error finding = DRIP_ERROR_INIT;

	drip_error_set(&finding, -EINVAL, "mysql.bad_option", "%s", what);
	drip_error_option(&finding, "%s", option);
	c->report->add(c->report, DRIP_LOG_ERROR, &finding);
}

static void check_options(struct drip_my_check *c)
{
	const struct drip_my_source_options *o = c->options;
	bool files = o->mode.value == DRIP_MY_MODE_FILES;

	if (files && o->files.count == 0) {
		bad_option(c, "files", "mode files needs the option files");
	}
	if (!files && o->files.count > 0) {
		bad_option(c, "files", "the option files belongs to mode files");
	}
	if (!files && (o->connection.name == NULL || o->connection.name[0] == '\0')) {
		bad_option(c, "connection", "a connection is needed");
	}
	if (!files && o->schema != NULL) {
		bad_option(c, "schema", "the option schema belongs to mode files");
	}
}

static void variable(struct drip_my_check *c, const char *name, char *buf, size_t size)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT @@global.%s", name);
	if (drip_my_value(c->m, sql, buf, size, &ignored) != 0) {
		buf[0] = '\0';
	}
}

static void check_log(struct drip_my_check *c)
{
	char value[64];

	variable(c, "log_bin", value, sizeof(value));
	if (strcmp(value, "1") != 0 && strcasecmp(value, "ON") != 0) {
		drip_my_check_add(c, DRIP_LOG_ERROR, "mysql.binlog_off",
				  "Set log_bin in the server's configuration and restart it.",
				  "the server writes no binlog");
		return;
	}
	variable(c, "binlog_format", value, sizeof(value));
	if (value[0] != '\0' && strcasecmp(value, "ROW") != 0) {
		drip_my_check_add(
			c, DRIP_LOG_ERROR, "mysql.binlog_format", "SET GLOBAL binlog_format = ROW.",
			"binlog_format is %s: changes are not in the log row by row", value);
	}
	variable(c, "binlog_row_image", value, sizeof(value));
	if (value[0] != '\0' && strcasecmp(value, "FULL") != 0) {
		drip_my_check_add(c, DRIP_LOG_ERROR, "mysql.partial_image",
				  "SET GLOBAL binlog_row_image = FULL.",
				  "binlog_row_image is %s: rows in the log lack columns", value);
	}
	variable(c, "binlog_row_metadata", value, sizeof(value));
	if (strcasecmp(value, "FULL") != 0) {
		drip_my_check_add(c, DRIP_LOG_WARNING, "mysql.row_metadata",
				  "SET GLOBAL binlog_row_metadata = FULL makes the log describe "
				  "its tables by "
				  "itself, so that no change of a table can go unseen.",
				  "binlog_row_metadata is %s",
				  value[0] != '\0' ? value : "not known there");
	}
	variable(c, "binlog_row_value_options", value, sizeof(value));
	if (value[0] != '\0') {
		drip_my_check_add(c, DRIP_LOG_ERROR, "mysql.partial_image",
				  "SET GLOBAL binlog_row_value_options = ''.",
				  "binlog_row_value_options is %s: updates hold parts of JSON only",
				  value);
	}
}

/* Seconds for which the server keeps its logs; 0: for ever. */
static double retention(struct drip_my_check *c)
{
	char value[64];
	double seconds;

	variable(c, "binlog_expire_logs_seconds", value, sizeof(value));
	seconds = strtod(value, NULL);
	if (seconds <= 0) { /* before MariaDB 10.6 and MySQL 8 in days only */
		variable(c, "expire_logs_days", value, sizeof(value));
		seconds = strtod(value, NULL) * 86400;
	}
	return seconds;
}

static void check_retention(struct drip_my_check *c)
{
	double seconds = retention(c);

	if (seconds > 0 && seconds < 86400) {
		drip_my_check_add(
			c, DRIP_LOG_WARNING, "mysql.short_retention",
			"Raise binlog_expire_logs_seconds above the longest stop to be expected.",
			"the server removes its logs after %.0f seconds: a longer stop of the "
			"pipeline needs a new snapshot",
			seconds);
	}
	if (c->report->struct_size > offsetof(struct drip_report, checkpoint_count) &&
	    c->report->checkpoint_count > 0) {
		drip_my_check_checkpoint(c, &c->report->checkpoint[0], seconds);
	}
}

/* Does any line of SHOW GRANTS on *.* give one of these? */
static bool granted(MYSQL_RES *res, const char *const *privileges)
{
	MYSQL_ROW row;

	mysql_data_seek(res, 0);
	while ((row = mysql_fetch_row(res)) != NULL) {
		if (strstr(row[0], " ON *.* ") == NULL) {
			continue;
		}
		for (size_t i = 0; privileges[i] != NULL; i++) {
			if (strstr(row[0], privileges[i]) != NULL) {
				return true;
			}
		}
	}
	return false;
}

static void check_grants(struct drip_my_check *c)
{
	static const char *const replica[] = {"ALL PRIVILEGES", "REPLICATION SLAVE",
					      "REPLICATION REPLICA", NULL};
	static const char *const monitor[] = {"ALL PRIVILEGES", "REPLICATION CLIENT",
					      "BINLOG MONITOR", "SUPER", NULL};
	struct drip_error ignored = DRIP_ERROR_INIT;
	MYSQL_RES *res;

	if (drip_my_select(c->m, "SHOW GRANTS", &res, &ignored) != 0) {
		return;
	}
	if (!granted(res, replica)) {
		drip_my_check_add(c, DRIP_LOG_ERROR, "mysql.not_permitted",
				  "GRANT REPLICATION SLAVE ON *.* TO the user.",
				  "the user may not read the binlog");
	}
	if (!granted(res, monitor)) {
		drip_my_check_add(
			c, DRIP_LOG_ERROR, "mysql.not_permitted",
			"GRANT BINLOG MONITOR (REPLICATION CLIENT on older servers) ON *.* TO the "
			"user.",
			"the user may not ask where the binlog ends");
	}
	mysql_free_result(res);
}

static int count_table(void *user, const struct drip_my_table *t, struct drip_error *err)
{
	struct drip_my_check *c = user;
	uint32_t keys[DRIP_MY_KEY_MAX];

	if (!t->transactional) {
		drip_my_check_add(c, DRIP_LOG_WARNING, "mysql.no_transactions", NULL,
				  "%s.%s has an engine without transactions: changes while it is "
				  "copied may be "
				  "seen twice",
				  t->database, t->name);
	}
	if (drip_my_table_key(t, keys) == 0) {
		drip_my_check_add(
			c, DRIP_LOG_WARNING, "mysql.no_key",
			"Add a primary key; sinks that keep the latest state of each row need one.",
			"%s.%s has no key", t->database, t->name);
	}
	return 0;
}

/* InnoDB does not log what a foreign key does to the rows of its own table. */
static void check_cascades(struct drip_my_check *c, const struct drip_my_catalog *catalog)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	MYSQL_RES *res;
	MYSQL_ROW row;

	if (drip_my_select(c->m,
			   "SELECT constraint_schema, table_name, constraint_name FROM "
			   "information_schema.referential_constraints WHERE delete_rule NOT IN "
			   "('RESTRICT', 'NO ACTION') OR update_rule NOT IN ('RESTRICT', 'NO "
			   "ACTION')",
			   &res, &ignored) != 0) {
		return;
	}
	while ((row = mysql_fetch_row(res)) != NULL) {
		if (drip_my_catalog_find(catalog, row[0], row[1]) != NULL) {
			drip_my_check_add(c, DRIP_LOG_WARNING, "mysql.foreign_key_cascade",
					  "Let the application change these rows, with ON DELETE "
					  "and ON UPDATE "
					  "RESTRICT.",
					  "%s.%s has the foreign key %s, whose cascades are not in "
					  "the log: rows "
					  "that it changes or removes go unseen",
					  row[0], row[1], row[2]);
		}
	}
	mysql_free_result(res);
}

static void check_tables(struct drip_my_check *c, const char *database)
{
	struct drip_my_catalog *catalog = calloc(1, sizeof(*catalog));
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_my_place nowhere = {0};

	if (catalog == NULL) {
		return;
	}
	catalog->include = c->options->tables;
	catalog->exclude = c->options->exclude;
	catalog->default_database = database;
	if (drip_my_catalog_load(catalog, c->m, NULL, NULL, nowhere, &err) != 0 ||
	    drip_my_catalog_each(catalog, count_table, c, &err) != 0) {
		c->report->add(c->report, DRIP_LOG_ERROR, &err);
	} else if (catalog->count == 0) {
		drip_my_check_add(
			c, DRIP_LOG_WARNING, "mysql.no_tables",
			"Check the patterns, and that the user may SELECT from the tables.",
			"no table that the user sees matches");
	}
	check_cascades(c, catalog);
	drip_my_catalog_finish(catalog);
	free(catalog);
}

static void check_server(struct drip_my_check *c, struct drip_ctx *ctx)
{
	const char *name = c->options->connection.name;
	const struct drip_my_interface *i;
	struct drip_error err = DRIP_ERROR_INIT;
	const void *interface;
	void *object;

	if (ctx->host->connection_get(ctx, name, DRIP_MY_INTERFACE, &interface, &object, &err) !=
	    0) {
		c->report->add(c->report, DRIP_LOG_ERROR, &err);
		return;
	}
	i = interface;
	if (i->connect(object, &c->m, &err) != 0) {
		c->report->add(c->report, DRIP_LOG_ERROR, &err);
	} else {
		c->connection = i;
		c->connection_object = object;
		check_log(c);
		check_retention(c);
		check_grants(c);
		check_tables(c, i->options(object)->database);
		mysql_close(c->m);
	}
	ctx->host->connection_put(ctx, name, DRIP_MY_INTERFACE, object);
}

int drip_my_check(struct drip_ctx *ctx, const void *config, bool connect,
		  struct drip_report *report, struct drip_error *err)
{
	struct drip_my_check c = {.ctx = ctx, .report = report, .options = config};

	check_options(&c);
	if (connect && c.options->mode.value != DRIP_MY_MODE_FILES &&
	    c.options->connection.name != NULL) {
		check_server(&c, ctx);
	}
	return 0;
}
