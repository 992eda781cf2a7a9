/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection `duckdb`: a DuckDB database, in a file or in memory, for other plugins through
 * drip_sql. The only plugin that links libduckdb. Thread: as drip_sql says.
 */
#include "private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct drip_option options[] = {
	DRIP_OPTION(
		struct drip_duck_config, path,
		.help = "Database file, made where it does not exist. \":memory:\" keeps the data "
			"in memory, for as long as the process runs.",
		.default_text = ":memory:", .example = "/var/lib/dripline/dwh.duckdb",
		.flags = DRIP_OPTION_PATH),
	DRIP_OPTION(struct drip_duck_config, read_only,
		    .help = "Opens the file for reading only; it must exist.",
		    .default_text = "false"),
	DRIP_OPTION(struct drip_duck_config, memory_limit,
		    .help = "What DuckDB may hold in memory before it spills to temp_directory. "
			    "Default: this connection's share of settings.memory.",
		    .min = 16 << 20, .example = "2GiB"),
	DRIP_OPTION(struct drip_duck_config, threads,
		    .help = "Threads of DuckDB's own pool. 0: one a processor.",
		    .default_text = "0", .min = 0, .max = 1024, .unit = "threads"),
	DRIP_OPTION(
		struct drip_duck_config, temp_directory,
		.help = "Where data larger than memory_limit is spilled. Default: PATH.tmp beside "
			"the file, or the connection's folder under the state directory.",
		.flags = DRIP_OPTION_PATH),
	DRIP_OPTION(struct drip_duck_config, temp_limit,
		    .help = "Most that may be spilled. Default: 90 % of the free disk.",
		    .example = "20GiB", .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(struct drip_duck_config, checkpoint_threshold,
		    .help = "Size of the write-ahead log at which DuckDB folds it into the file.",
		    .default_text = "64MiB", .min = 1 << 20, .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(
		struct drip_duck_config, preserve_insertion_order,
		.help = "Keeps rows in the order in which they were written where a query does not "
			"order them. Turned off, large copies need less memory.",
		.default_text = "true", .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(struct drip_duck_config, external_access,
		    .help = "Lets SQL read and write files, and attach other databases. The lake "
			    "sink and "
			    "the file source need it on their connection. Turn it off where SQL "
			    "comes from "
			    "people who may not read the machine's files.",
		    .default_text = "true"),
	DRIP_OPTION(struct drip_duck_config, lock_configuration,
		    .help = "Refuses SET statements once the database is open.",
		    .default_text = "true", .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(struct drip_duck_config, storage_version,
		    .help = "Oldest DuckDB release that can open a new file.",
		    .default_text = "v1.4.0", .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(struct drip_duck_config, settings,
		    .help = "Further settings of DuckDB by name.",
		    .example = "{default_null_order: nulls_first}", .flags = DRIP_OPTION_ADVANCED),
};

static const struct drip_sql_dialect dialect = {
	.struct_size = sizeof(dialect),
	.name = "duckdb",
	.quote = '"',
	.features = DRIP_SQL_TRANSACTIONS | DRIP_SQL_TRANSACTIONAL_DDL | DRIP_SQL_DELETE_USING |
		    DRIP_SQL_QUALIFY | DRIP_SQL_INGEST | DRIP_SQL_BIND | DRIP_SQL_STREAMING,
	.type_name = drip_duck_type_name,
};

static const struct drip_sql_dialect *duck_dialect(void *object)
{
	return &dialect;
}

/* OpenLineage has no naming for DuckDB: the path of the file stands for the server. */
static int duck_namespace(void *object, char *buf, size_t size)
{
	const struct drip_duck *duck = object;
	int n = duck->real_path != NULL ? snprintf(buf, size, "duckdb://%s", duck->real_path)
					: snprintf(buf, size, "duckdb://:memory:");

	return n >= 0 && (size_t)n < size ? 0 : -ENAMETOOLONG;
}

static const struct drip_sql sql = {
	.struct_size = sizeof(sql),
	.dialect = duck_dialect,
	.dataset_namespace = duck_namespace,
	.session_open = drip_duck_session_open,
	.session_close = drip_duck_session_close,
	.interrupt = drip_duck_interrupt,
	.execute = drip_duck_execute,
	.query = drip_duck_query,
	.begin = drip_duck_begin,
	.commit = drip_duck_commit,
	.rollback = drip_duck_rollback,
	.table_schema = drip_duck_table_schema,
	.ingest_open = drip_duck_ingest_open,
	.ingest_write = drip_duck_ingest_write,
	.ingest_close = drip_duck_ingest_close,
	.bind = drip_duck_bind,
	.maintain = drip_duck_maintain,
	.infer = drip_duck_infer,
	.infer_lineage = drip_duck_infer_lineage,
	.infer_tables = drip_duck_infer_tables,
	.each_table = drip_duck_each_table,
};

static int duck_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct drip_duck *duck = NULL;
	int rc = drip_duck_open(ctx, config, &duck, err);

	*ret_self = duck;
	return rc;
}

static void duck_close(void *self)
{
	drip_duck_close(self);
}

static int duck_ping(void *self, struct drip_error *err)
{
	void *session;
	int rc = drip_duck_session_open(self, &session, err);

	if (rc == 0) {
		rc = drip_duck_execute(session, "SELECT 1", NULL, err);
		drip_duck_session_close(session);
	}
	return rc;
}

static void report_path(struct drip_report *report, struct drip_error *finding)
{
	drip_error_option(finding, "path");
	report->add(report, DRIP_LOG_ERROR, finding);
}

/* Whether this user could write the file, or make it. */
static void check_writable(const char *path, struct drip_report *report)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	int rc = 0;

	if (slash != NULL) {
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
	}
	if (access(path, F_OK) == 0 && access(path, W_OK) != 0) {
		rc = -errno;
		snprintf(folder, sizeof(folder), "%s", path);
	} else if (access(folder, W_OK | X_OK) != 0) { /* of the write-ahead log */
		rc = -errno;
	}
	if (rc < 0) {
		drip_error_set(&finding, rc, "duckdb.open_failed", "could not write to %s: %s",
			       folder, strerror(-rc));
		drip_error_hint(&finding, "Correct the path or its permissions, or set read_only.");
		report_path(report, &finding);
	}
}

/* With --connect the database is opened for real, to be read: mode, lock and version all show. A
 * file that does not exist yet is not made. */
static int duck_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	const struct drip_duck_config *c = config;
	struct drip_error finding = DRIP_ERROR_INIT;
	struct drip_duck *duck;
	bool file = c->path != NULL && strcmp(c->path, ":memory:") != 0;

	if (c->read_only && !file) {
		drip_error_set(&finding, -EINVAL, "duckdb.read_only_memory",
			       "an in-memory database cannot be read-only");
		drip_error_option(&finding, "read_only");
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	if (!connect || !file) {
		return 0;
	}
	if (!c->read_only) {
		check_writable(c->path, report);
	}
	if (c->read_only || access(c->path, F_OK) == 0) {
		if (drip_duck_open(ctx, c, &duck, &finding) != 0) {
			report_path(report, &finding);
		} else {
			drip_duck_close(duck);
		}
	}
	return 0;
}

static const void *duck_interface(void *self, const char *interface_name)
{
	if (strcmp(interface_name, DRIP_GUARD_INTERFACE) == 0) {
		return &drip_duck_guard_ops;
	}
	return strcmp(interface_name, DRIP_SQL_INTERFACE) == 0 ? &sql : NULL;
}

static const char *const interfaces[] = {DRIP_SQL_INTERFACE, DRIP_GUARD_INTERFACE, NULL};

static const struct drip_connection_ops ops = {
	.struct_size = sizeof(ops),
	.check = duck_check,
	.open = duck_open,
	.close = duck_close,
	.interface = duck_interface,
	.ping = duck_ping,
	.interfaces = interfaces,
};

static const struct drip_component duckdb_component = {
	.struct_size = sizeof(duckdb_component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "duckdb",
	.summary = "DuckDB database inside the process, in a file or in memory",
	.description = "The default warehouse, and the engine behind the transforms and sources "
		       "that take SQL.\n\n"
		       "A file belongs to one process at a time, and to one connection of that "
		       "process: a second one "
		       "is refused, as DuckDB would let it in and lose rows. Extensions are "
		       "neither installed nor "
		       "loaded from outside.\n\n"
		       "For queries of people it offers `drip_guard`: one SELECT over the masked "
		       "views of a role, with functions from a list, in a read-only transaction "
		       "with limits of rows, bytes and time.",
	.schema_notes = "DECIMAL keeps precision and scale up to 38 digits; JSON and UUID have "
			"types of their own; a "
			"duration becomes INTERVAL. Read back, HUGEINT is decimal(38,0), lists, "
			"structs, maps and "
			"unions are JSON text, enums and the other types are text; an interval "
			"with months is an "
			"error.",
	.guarantees = "Transactions with snapshot isolation. A statement that fails makes the "
		      "commit of its "
		      "transaction fail. After a fatal error the database is opened again once its "
		      "sessions "
		      "have been closed.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct drip_duck_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("duckdb", "0.1.0", "DuckDB databases", &duckdb_component);
