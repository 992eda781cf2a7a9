/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sink `lake`: Parquet files in ROOT/zone/table/yyyy/mm/dd. The options and the life of the sink;
 * private.h says how it works. Thread: the host's, one at a time; interrupt: any.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct drip_enum_value zones[] = {
	{"raw", LAKE_RAW, "As it came from the source."},
	{"processed", LAKE_PROCESSED, "Cleaned and typed."},
	{"curated", LAKE_CURATED, "Ready for use."},
	{"ml", LAKE_ML, "Features and training sets."},
	{"archive", LAKE_ARCHIVE, "Kept for long."},
	{NULL, 0, NULL},
};
static const struct drip_enum_value days[] = {
	{"commit_time", LAKE_DAY_COMMIT, "Of the source's commit."},
	{"load_time", LAKE_DAY_LOAD, "On which the row arrives."},
	{NULL, 0, NULL},
};
static const struct drip_enum_value compressions[] = {
	{"zstd", LAKE_ZSTD, "Small files, at little more time."},
	{"snappy", LAKE_SNAPPY, "Larger files, written and read faster; every reader knows it."},
	{"none", LAKE_NONE, "Plain."},
	{NULL, 0, NULL},
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct lake_config, root, .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_PATH,
		    .help = "Folder of the lake; made where it does not exist.",
		    .example = "/srv/lake"),
	DRIP_OPTION(struct lake_config, connection, .default_text = "@duckdb",
		    .help = "DuckDB connection that writes the files.",
		    .interface_name = DRIP_SQL_INTERFACE, .flags = DRIP_OPTION_ADVANCED),
	DRIP_OPTION(struct lake_config, zone, .default_text = "raw", .values = zones,
		    .help = "Zone of the lake: the first folder."),
	DRIP_OPTION(struct lake_config, table, .default_text = "{table}",
		    .help = "Folder of a table below the zone; {table} and {database} stand for "
			    "the source's.",
		    .example = "{database}/{table}"),
	DRIP_OPTION(struct lake_config, day, .default_text = "commit_time", .values = days,
		    .help = "Day, in UTC, that a row is filed under."),
	DRIP_OPTION(
		struct lake_config, day_column,
		.help = "Date or timestamp column that gives the day instead; null is filed under "
			"0000/00/00.",
		.example = "created_at"),
	DRIP_OPTION(
		struct lake_config, changes, .default_text = "true",
		.help = "Writes every change with op_column, sequence_column and "
			"commit_time_column. "
			"Turned off, only rows that were read, inserted or updated, as they are."),
	DRIP_OPTION(struct lake_config, roll_size, .default_text = "128MiB", .min = 1024,
		    .help = "Size of a file at which it is published."),
	DRIP_OPTION(struct lake_config, roll_interval, .default_text = "5m", .min = 0,
		    .help = "Age of its oldest row at which a file is published, whatever its "
			    "size. 0: at "
			    "every commit."),
	DRIP_OPTION(struct lake_config, compression, .default_text = "zstd", .values = compressions,
		    .help = "Compression of the columns."),
	DRIP_OPTION(struct lake_config, row_group_size, .default_text = "122880", .min = 2048,
		    .max = 10000000, .unit = "rows", .flags = DRIP_OPTION_ADVANCED,
		    .help = "Rows of a row group. Writing holds one in memory."),
	DRIP_OPTION(struct lake_config, op_column, .default_text = "_op",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "Column of the op: r read, i insert, u update, d delete, b the row "
			    "before an "
			    "update, t truncate."),
	DRIP_OPTION(struct lake_config, sequence_column, .default_text = "_sequence",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "Column of the order of changes, unique in the sink and growing."),
	DRIP_OPTION(struct lake_config, commit_time_column, .default_text = "_commit_time",
		    .flags = DRIP_OPTION_ADVANCED, .help = "Column of the source's commit time."),
};

static void destroy(struct lake *l)
{
	lake_close_dirs(l);
	lake_manifest_finish(&l->manifest);
	lake_manifest_finish(&l->next);
	drip_text_finish(&l->text);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static int connect(struct lake *l, struct drip_error *err)
{
	const void *interface = NULL;
	int rc = l->ctx->host->connection_get(l->ctx, l->config->connection.name,
					      DRIP_SQL_INTERFACE, &interface, &l->object, err);

	if (rc != 0) {
		return rc;
	}
	l->sql = interface;
	if ((l->sql->dialect(l->object)->features & DRIP_SQL_BIND) == 0) {
		l->ctx->host->connection_put(l->ctx, l->config->connection.name, DRIP_SQL_INTERFACE,
					     l->object);
		rc = drip_error_set(err, -ENOTSUP, "config.wrong_connection",
				    "connection %s cannot write Parquet files",
				    l->config->connection.name);
		drip_error_option(err, "connection");
	}
	return rc;
}

static int sink_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct lake *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL) {
		return drip_error_nomem(err, sizeof(*l));
	}
	l->ctx = ctx;
	l->config = config;
	l->root_fd = l->hidden_fd = l->lock_fd = -1;
	pthread_mutex_init(&l->lock, NULL);
	rc = lake_open_dirs(l, err);
	if (rc == 0) {
		rc = connect(l, err);
	}
	if (rc != 0) {
		destroy(l);
		return rc;
	}
	*ret_self = l;
	return 0;
}

static void close_session(struct lake *l)
{
	void *session = l->session;

	pthread_mutex_lock(&l->lock);
	l->session = NULL;
	pthread_mutex_unlock(&l->lock);
	l->sql->session_close(session);
}

/* What is in force is what the manifest on disk says. */
static int sink_abort(void *self, struct drip_error *err)
{
	struct lake *l = self;

	lake_groups_destroy(l);
	if (l->session != NULL) {
		close_session(l);
	}
	lake_manifest_finish(&l->next);
	drip_text_finish(&l->text);
	l->begun = false;
	l->loaded = false;
	return 0;
}

static void sink_close(void *self)
{
	struct lake *l = self;
	int ignored = sink_abort(l, NULL);

	(void)ignored;
	l->ctx->host->connection_put(l->ctx, l->config->connection.name, DRIP_SQL_INTERFACE,
				     l->object);
	destroy(l);
}

static void sink_interrupt(void *self)
{
	struct lake *l = self;

	pthread_mutex_lock(&l->lock);
	if (l->session != NULL) {
		l->sql->interrupt(l->session);
	}
	pthread_mutex_unlock(&l->lock);
}

static int sink_positions(void *self, struct drip_position **ret_positions, size_t *ret_count,
			  struct drip_error *err)
{
	struct lake *l = self;
	size_t size;
	int rc = lake_ready(l, err);

	if (rc != 0) {
		return rc;
	}
	*ret_count = l->manifest.positions_count;
	size = (*ret_count + 1) * sizeof(**ret_positions);
	*ret_positions = calloc(1, size);
	if (*ret_positions == NULL) {
		return drip_error_nomem(err, size);
	}
	if (*ret_count > 0) {
		memcpy(*ret_positions, l->manifest.positions, *ret_count * sizeof(**ret_positions));
	}
	return 0;
}

static int sink_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	return lake_write(self, batch, err);
}

/* Puts l->next in force, and does what it says. */
static int put_in_force(struct lake *l, struct drip_error *err)
{
	int rc = lake_manifest_store(l, &l->next, err);

	if (rc != 0) {
		return rc;
	}
	lake_manifest_finish(&l->manifest);
	l->manifest = l->next;
	memset(&l->next, 0, sizeof(l->next));
	l->begun = false;
	rc = drip_failpoint(l->ctx, "lake.after_manifest", err);
	if (rc == 0) {
		rc = lake_roll_forward(l, err);
	}
	if (rc == 0 && l->leftovers) {
		rc = lake_collect_garbage(l, err);
		l->leftovers = rc != 0;
	}
	return rc;
}

static int flush_groups(struct lake *l, struct drip_error *err)
{
	int rc = 0;

	for (struct lake_group *g = l->groups; g != NULL && rc == 0; g = g->next) {
		rc = lake_flush_group(l, g, err);
	}
	if (rc == 0) {
		lake_groups_destroy(l);
	}
	return rc;
}

static int sink_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct lake *l = self;
	int rc = lake_begin(l, err);

	if (rc == 0) {
		rc = flush_groups(l, err);
	}
	if (rc == 0) {
		l->next.epoch = epoch->number;
		rc = lake_manifest_set_positions(&l->next, epoch->positions, epoch->positions_count,
						 err);
	}
	if (rc == 0) {
		rc = lake_plan(l, epoch->last, err);
	}
	if (rc == 0) {
		rc = drip_failpoint(l->ctx, "lake.before_publish", err);
	}
	if (rc == 0) {
		rc = drip_failpoint(l->ctx, "sink.before_commit", err);
	}
	if (rc == 0) {
		rc = put_in_force(l, err);
	}
	return rc == 0 ? drip_failpoint(l->ctx, "sink.after_commit", err) : rc;
}

/* Files come of age also where no rows come. */
static int sink_idle(void *self, struct drip_error *err)
{
	struct lake *l = self;
	int rc;

	if (l->begun || !l->loaded || !lake_is_due(l)) {
		return 0;
	}
	rc = lake_begin(l, err);
	if (rc == 0) {
		rc = lake_plan(l, false, err);
	}
	if (rc == 0) {
		rc = put_in_force(l, err);
	}
	if (rc != 0) {
		int ignored = sink_abort(l, NULL);

		(void)ignored;
	}
	return rc;
}

static int sink_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	const struct lake_config *c = config;
	struct drip_schema_builder b;
	struct drip_schema *extended = NULL;
	struct drip_column op = {
		.struct_size = sizeof(op), .type = DRIP_TYPE_UTF8, .name = c->op_column};
	char prefix[LAKE_DIR_MAX];
	struct drip_error day = DRIP_ERROR_INIT, names = DRIP_ERROR_INIT;
	int rc = lake_prefix(c, input, prefix, sizeof(prefix), err);

	if (c->day_column != NULL &&
	    drip_schema_require(input, c->day_column, "lake.no_day_column", &day) < 0) {
		drip_error_option(&day, "day_column");
		rc = drip_error_also(err, rc, &day);
	}
	if (lake_extend(c, input, &extended, &names) != 0) {
		rc = drip_error_also(err, rc, &names);
	}
	if (rc != 0) {
		drip_schema_unref(extended);
		return rc;
	}
	drip_schema_builder_from(&b, extended);
	if (c->changes) {
		drip_schema_builder_add(&b, &op);
	}
	drip_schema_unref(extended);
	rc = drip_schema_builder_build(&b, &ret->output, err);
	snprintf(ret->dataset_namespace, sizeof(ret->dataset_namespace), "file");
	snprintf(ret->dataset, sizeof(ret->dataset), "%.200s/%.300s", c->root, prefix);
	snprintf(ret->action, sizeof(ret->action), "write Parquet files to %.200s/yyyy/mm/dd",
		 prefix);
	return rc;
}

/* With --connect: the folder, or the nearest above it that there is, can be written. */
static int sink_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	const struct lake_config *c = config;
	struct drip_error finding = DRIP_ERROR_INIT;
	int rc = connect ? drip_path_writable(c->root, true) : 0;

	if (rc < 0) {
		lake_error(&finding, rc, "write to", c->root);
		drip_error_option(&finding, "root");
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	for (const char *at = strpbrk(c->table, "{}"); at != NULL; at = strpbrk(at, "{}")) {
		size_t size = strncmp(at, "{table}", 7) == 0       ? 7
			      : strncmp(at, "{database}", 10) == 0 ? 10
								   : 0;

		if (size == 0) {
			drip_error_set(&finding, -EINVAL, "lake.bad_path",
				       "nothing stands for \"%.40s\" in the folder of a table", at);
			drip_error_hint(&finding, "Write {table} and {database}.");
			drip_error_option(&finding, "table");
			report->add(report, DRIP_LOG_ERROR, &finding);
			break;
		}
		at += size;
	}
	return 0;
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.check = sink_check,
	.open = sink_open,
	.close = sink_close,
	.interrupt = sink_interrupt,
	.negotiate = sink_negotiate,
	.positions = sink_positions,
	.write = sink_write,
	.commit = sink_commit,
	.abort = sink_abort,
	.idle = sink_idle,
};

static const struct drip_component lake = {
	.struct_size = sizeof(lake),
	.kind = DRIP_KIND_SINK,
	.name = "lake",
	.summary = "Parquet files in zone/table/yyyy/mm/dd",
	.description = "Files every change, or every row, as Parquet. Files appear whole and never "
		       "change; "
		       "they are rolled by size and age, without small ones in between.",
	.schema_notes =
		"Files have the table's columns with their types, and the op, the sequence and the "
		"commit time behind them. A changed schema begins a new file. A duration is "
		"written "
		"as an integer of microseconds.",
	.guarantees = "Exactly once: a manifest beside the files holds the source's positions, and "
		      "replacing it "
		      "is the commit. Rows of one table keep the source's order, told by "
		      "sequence_column.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_EXACTLY_ONCE | DRIP_CAP_CHANGES | DRIP_CAP_EXCLUSIVE,
	.clearance = DRIP_CLASS_INTERNAL,
	.config_size = sizeof(struct lake_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("lake", "0.1.0", "Parquet files in a lake of zones, tables and days", &lake);
