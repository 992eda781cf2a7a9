/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sink `warehouse`: keeps tables of a SQL database like those of the source. The options, the life
 * of the session, and the epoch's transaction. Thread: the host's, one at a time; interrupt: any.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct drip_enum_value modes[] = {
	{"mirror", WH_MIRROR, "The table holds what the source's table holds now."},
	{"append", WH_APPEND, "Rows are added; deletes are left out."},
	{"changelog", WH_CHANGELOG, "Each change is a row, with op, sequence and commit time."},
	{"merge", WH_MERGE,
	 "Rows are inserted or updated by key; deletes are left out, and columns that the source "
	 "lacks keep their values."},
	{"scd2", WH_SCD2,
	 "Each version of a row is kept, with the time from and to which it held."},
	{NULL, 0, NULL},
};
static const struct drip_enum_value deletes[] = {
	{"hard", WH_DELETES_HARD, "Deleted rows are deleted."},
	{"soft", WH_DELETES_SOFT, "Deleted rows stay, marked in deleted_column."},
	{NULL, 0, NULL},
};
static const struct drip_enum_value evolves[] = {
	{"widen", WH_EVOLVE_WIDEN,
	 "Adds and renames columns, and widens types that values no longer fit."},
	{"add", WH_EVOLVE_ADD, "Adds columns; any other change stops the pipeline."},
	{"error", WH_EVOLVE_ERROR, "Any change stops the pipeline."},
	{NULL, 0, NULL},
};
static const struct drip_enum_value truncates[] = {
	{.name = "follow",
	 .value = WH_TRUNCATE_FOLLOW,
	 .help = "They are deleted, or marked, or their versions end. Where the target has several "
		 "sources and nothing tells which rows are meant, the pipeline stops."},
	{.name = "keep", .value = WH_TRUNCATE_KEEP, .help = "They stay, with a warning."},
	{.name = NULL},
};

static const struct drip_enum_value drops[] = {
	{"keep", WH_DROP_KEEP, "The table stays."},
	{"drop", WH_DROP_DROP, "The table is dropped too, unless it has several sources."},
	{NULL, 0, NULL},
};

static const struct drip_option override_options[] = {
	DRIP_OPTION(struct wh_override, match, .flags = DRIP_OPTION_REQUIRED,
		    .help = "Tables meant: \"database.table\" or \"table\", with * and ?. The "
			    "first entry "
			    "that matches counts.",
		    .example = "t_sales_order_m_*"),
	DRIP_OPTION(struct wh_override, mode, .help = "As the sink's `mode`.", .values = modes),
	DRIP_OPTION(struct wh_override, key, .help = "As the sink's `key`."),
	DRIP_OPTION(struct wh_override, as,
		    .help = "Name of the target, as the sink's `table`. Several source tables may "
			    "go into one.",
		    .example = "sales_order"),
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct wh_config, connection, .flags = DRIP_OPTION_REQUIRED,
		    .help = "Database to write to.", .interface_name = DRIP_SQL_INTERFACE,
		    .example = "dwh"),
	DRIP_OPTION(struct wh_config, schema, .default_text = "main",
		    .help = "Schema of the tables; made where `create` allows."),
	DRIP_OPTION(struct wh_config, mode, .default_text = "mirror", .values = modes,
		    .help = "What becomes of changes."),
	DRIP_OPTION(struct wh_config, table, .default_text = "{table}",
		    .help = "Name of the target; {table} and {database} stand for the source's.",
		    .example = "raw_{table}"),
	DRIP_OPTION(struct wh_config, key,
		    .help = "Columns that tell rows apart, where that is not the source's primary "
			    "key."),
	DRIP_OPTION(struct wh_config, tables, .help = "Exceptions for some tables.",
		    .children = override_options, .children_count = DRIP_COUNT(override_options),
		    .child_size = sizeof(struct wh_override)),
	DRIP_OPTION(struct wh_config, deletes, .default_text = "hard", .values = deletes,
		    .help = "What a mirror does with deleted rows."),
	DRIP_OPTION(struct wh_config, evolve, .default_text = "widen", .values = evolves,
		    .help = "What the sink may do to a table when the source's changes. Columns "
			    "that the "
			    "source drops stay, and are null from then on."),
	DRIP_OPTION(struct wh_config, on_drop, .default_text = "keep", .values = drops,
		    .help = "What becomes of a table whose source is dropped."),
	DRIP_OPTION(struct wh_config, on_truncate, .default_text = "follow", .values = truncates,
		    .help = "What becomes of the rows of a source that is truncated. In modes "
			    "append and merge they stay."),
	DRIP_OPTION(struct wh_config, source_column,
		    .help = "Column that a mirror gets for the table, database.table, that a row "
			    "came from. A target of several tables needs it to follow the truncate "
			    "of one of them.",
		    .example = "_source"),
	DRIP_OPTION(struct wh_config, create, .default_text = "true",
		    .help = "Creates the schema and the tables that do not exist."),
	DRIP_OPTION(struct wh_config, metadata, .default_text = "false",
		    .help = "Adds commit_time_column in the other modes too."),
	DRIP_OPTION(
		struct wh_config, sequence, .default_text = "false",
		.help = "Adds sequence_column to mirrors too: the number of the row's last "
			"change, so that a job can read what changed. With soft deletes it sees "
			"deleted rows as well."),
	DRIP_OPTION(
		struct wh_config, track,
		.help = "SCD2: columns whose change makes a version. Default: all but the key."),
	DRIP_OPTION(struct wh_config, op_column, .default_text = "_op",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "Change log: column of the op: r read, i insert, u update, d delete, b "
			    "the row "
			    "before an update, t truncate."),
	DRIP_OPTION(struct wh_config, sequence_column, .default_text = "_sequence",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "Change log, and mirrors with `sequence`: column of the order of "
			    "changes, unique in the sink and growing."),
	DRIP_OPTION(struct wh_config, commit_time_column, .default_text = "_commit_time",
		    .flags = DRIP_OPTION_ADVANCED, .help = "Column of the source's commit time."),
	DRIP_OPTION(struct wh_config, deleted_column, .default_text = "_deleted",
		    .flags = DRIP_OPTION_ADVANCED, .help = "Soft deletes: column that marks them."),
	DRIP_OPTION(struct wh_config, surrogate_column, .default_text = "_version_id",
		    .flags = DRIP_OPTION_ADVANCED, .help = "SCD2: column of the key of a version."),
	DRIP_OPTION(struct wh_config, valid_from_column, .default_text = "valid_from",
		    .flags = DRIP_OPTION_ADVANCED, .help = "SCD2: column of a version's begin."),
	DRIP_OPTION(struct wh_config, valid_to_column, .default_text = "valid_to",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "SCD2: column of a version's end, which is not part of it; 9999-12-31 "
			    "for the "
			    "current one."),
	DRIP_OPTION(struct wh_config, current_column, .default_text = "is_current",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "SCD2: column that marks the current version."),
	DRIP_OPTION(struct wh_config, hash_column, .default_text = "_row_hash",
		    .flags = DRIP_OPTION_ADVANCED,
		    .help = "SCD2: column of the hash of tracked columns."),
};

/* ---- session ---- */

int wh_session(struct wh *wh, struct drip_error *err)
{
	void *session = NULL;
	int rc;

	if (wh->session != NULL) {
		return 0;
	}
	rc = wh->sql->session_open(wh->object, &session, err);
	pthread_mutex_lock(&wh->lock);
	wh->session = session;
	pthread_mutex_unlock(&wh->lock);
	return rc;
}

static void close_session(struct wh *wh)
{
	void *session = wh->session;

	pthread_mutex_lock(&wh->lock);
	wh->session = NULL;
	pthread_mutex_unlock(&wh->lock);
	wh->sql->session_close(session);
	wh->in_transaction = false;
	wh->prepared = false;
}

/* After DDL the write-ahead log is folded at once: replaying DDL is where DuckDB has failed. That
 * others are writing just then is no error; the next idle moment will do. */
static void maintain(struct wh *wh)
{
	struct drip_error ignored = DRIP_ERROR_INIT;

	if (wh->sql->maintain == NULL || wh->session == NULL ||
	    wh->sql->maintain(wh->session, &ignored) == 0) {
		wh->changed_tables = false;
		wh->unfolded = false;
	} else {
		drip_log_debug(wh->ctx, "%s", ignored.message);
	}
}

int wh_begin(struct wh *wh, struct drip_error *err)
{
	int rc;

	if (wh->in_transaction) {
		return 0;
	}
	rc = wh_session(wh, err);
	if (rc == 0) {
		rc = wh_positions_prepare(wh, err);
	}
	if (rc == 0 && !wh->sequence_known) {
		struct drip_position *positions = NULL;
		size_t count;

		rc = wh_positions_load(wh, &positions, &count, err);
		free(positions);
	}
	if (rc == 0) {
		rc = wh->sql->begin(wh->session, err);
		wh->in_transaction = rc == 0;
	}
	return rc;
}

static int apply_all(struct wh *wh, struct drip_error *err)
{
	int rc = wh_flush(wh, NULL, err);

	for (struct wh_target *t = wh->targets; rc == 0 && t != NULL; t = t->next) {
		if (t->staged) {
			rc = wh_apply(wh, t, err);
		}
		t->stage_batches = 0;
	}
	return rc;
}

/* All rows are in their tables: the positions, the commit, and maintenance after DDL. */
static int commit_with(struct wh *wh, const struct drip_epoch *epoch, struct drip_error *err)
{
	int rc = wh_positions_store(wh, epoch, err);

	if (rc == 0) {
		rc = drip_failpoint(wh->ctx, "sink.before_commit", err);
	}
	if (rc == 0) {
		rc = wh->sql->commit(wh->session, err);
		wh->in_transaction = rc != 0;
	}
	if (rc == 0) {
		wh->unfolded = true;
		rc = drip_failpoint(wh->ctx, "sink.after_commit", err);
	}
	for (struct wh_target *t = wh->targets; rc == 0 && t != NULL; t = t->next) {
		t->dirty = false;
	}
	if (rc == 0 && wh->changed_tables) {
		maintain(wh);
	}
	return rc;
}

int wh_commit_early(struct wh *wh, struct drip_error *err)
{
	struct drip_epoch epoch = {.struct_size = sizeof(epoch),
				   .number = wh->last_epoch,
				   .positions_count = wh->progress_count};
	struct drip_position *positions;
	int rc;

	for (size_t i = 0; i < wh->progress_count; i++) {
		if (!wh->progress[i].boundary) {
			return -EAGAIN;
		}
	}
	if (wh->progress_count == 0) {
		return -EAGAIN;
	}
	positions = calloc(wh->progress_count, sizeof(*positions));
	if (positions == NULL) {
		return drip_error_nomem(err, wh->progress_count * sizeof(*positions));
	}
	for (size_t i = 0; i < wh->progress_count; i++) {
		positions[i] = wh->progress[i].position;
	}
	epoch.positions = positions;
	rc = apply_all(wh, err);
	if (rc == 0) {
		rc = commit_with(wh, &epoch, err);
	}
	free(positions);
	return rc == 0 ? wh_begin(wh, err) : rc;
}

/* ---- ops ---- */

static void destroy(struct wh *wh)
{
	wh_sources_destroy(wh);
	wh_targets_destroy(wh);
	drip_text_finish(&wh->text);
	free(wh->progress);
	pthread_mutex_destroy(&wh->lock);
	free(wh);
}

static int sink_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	const struct wh_config *c = config;
	struct wh *wh = calloc(1, sizeof(*wh));
	const void *interface = NULL;
	int rc;

	if (wh == NULL) {
		return drip_error_nomem(err, sizeof(*wh));
	}
	wh->ctx = ctx;
	wh->config = c;
	pthread_mutex_init(&wh->lock, NULL);
	rc = ctx->host->connection_get(ctx, c->connection.name, DRIP_SQL_INTERFACE, &interface,
				       &wh->object, err);
	if (rc != 0) {
		destroy(wh);
		return rc;
	}
	wh->sql = interface;
	wh->dialect = wh->sql->dialect(wh->object);
	rc = wh_session(wh, err);
	if (rc != 0) {
		ctx->host->connection_put(ctx, c->connection.name, DRIP_SQL_INTERFACE, wh->object);
		destroy(wh);
		return rc;
	}
	*ret_self = wh;
	return 0;
}

void wh_give_up(struct wh *wh)
{
	wh_sources_reset(wh);
	wh_targets_forget(wh);
	drip_text_clear(&wh->text);
	wh->text.rc = 0;
	wh->sequence_known = false;
	wh->progress_count = 0;
	/* The session goes too: after a fatal error the database opens anew once all are closed. */
	if (wh->session != NULL) {
		close_session(wh);
	}
}

static int sink_abort(void *self, struct drip_error *err)
{
	(void)err;
	wh_give_up(self);
	return 0;
}

static void sink_close(void *self)
{
	struct wh *wh = self;

	wh_give_up(wh);
	wh->ctx->host->connection_put(wh->ctx, wh->config->connection.name, DRIP_SQL_INTERFACE,
				      wh->object);
	destroy(wh);
}

static void sink_interrupt(void *self)
{
	struct wh *wh = self;

	pthread_mutex_lock(&wh->lock);
	if (wh->session != NULL) {
		wh->sql->interrupt(wh->session);
	}
	pthread_mutex_unlock(&wh->lock);
}

static int sink_positions(void *self, struct drip_position **ret_positions, size_t *ret_count,
			  struct drip_error *err)
{
	struct wh *wh = self;
	int rc = wh_session(wh, err);

	return rc == 0 ? wh_positions_load(wh, ret_positions, ret_count, err) : rc;
}

static int sink_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	return wh_write(self, batch, err);
}

static int sink_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct wh *wh = self;
	int rc = wh_begin(wh, err);

	if (rc == 0) {
		rc = apply_all(wh, err);
	}
	if (rc == 0) {
		rc = commit_with(wh, epoch, err);
	}
	if (rc == 0) {
		wh->last_epoch = epoch->number;
	}
	return rc;
}

/* Folds the write-ahead log now and then. A session whose database was invalidated by a fatal error
 * is let go: the database opens anew once no session holds it. */
static int sink_idle(void *self, struct drip_error *err)
{
	struct wh *wh = self;
	uint64_t now_ns = wh->ctx->host->now_ns(wh->ctx);

	if (wh->in_transaction || wh->session == NULL ||
	    now_ns - wh->maintained_ns < WH_MAINTAIN_NS) {
		return 0;
	}
	wh->maintained_ns = now_ns;
	if (wh->unfolded) {
		maintain(wh);
	}
	return wh->sql->execute(wh->session, "SELECT 1", NULL, NULL) == 0 ? 0 : sink_abort(wh, err);
}

/* ---- negotiation ---- */

/* The database as lineage names it; "" while it cannot be asked, as in an offline validation. */
static void put_namespace(struct drip_ctx *ctx, const struct wh_config *c,
			  struct drip_negotiated *ret)
{
	const struct drip_sql *sql;
	const void *interface;
	void *object;

	if (ctx->host->connection_get(ctx, c->connection.name, DRIP_SQL_INTERFACE, &interface,
				      &object, NULL) != 0) {
		return;
	}
	sql = interface;
	if (sql->dataset_namespace(object, ret->dataset_namespace,
				   sizeof(ret->dataset_namespace)) != 0) {
		ret->dataset_namespace[0] = '\0';
	}
	ctx->host->connection_put(ctx, c->connection.name, DRIP_SQL_INTERFACE, object);
}

static int sink_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	const struct wh_config *c = config;
	struct drip_schema *extended = NULL;
	struct wh_route route;
	int rc = wh_route(c, input, &route, err);

	if (rc == 0) {
		rc = wh_target_schema(c, route.mode, route.table, input, &ret->output, err);
	}
	if (rc == 0) {
		/* The stage's own column names must be free as well. */
		rc = wh_extend(c, route.mode, input, &extended, err);
		drip_schema_unref(extended);
	}
	if (rc != 0) {
		drip_schema_unref(ret->output);
		ret->output = NULL;
		return rc;
	}
	put_namespace(ctx, c, ret);
	snprintf(ret->dataset, sizeof(ret->dataset), "%.200s.%.300s", c->schema, route.table);
	snprintf(ret->action, sizeof(ret->action), "%s: %s table %.80s.%.100s%s",
		 wh_mode_name(route.mode), c->create ? "create or extend" : "write to", c->schema,
		 route.table,
		 route.mode == WH_MIRROR && c->deletes.value == WH_DELETES_SOFT ? ", soft deletes"
										: "");
	return 0;
}

/* With --connect: the database takes a transaction, and the positions can be read. */
static int sink_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	struct drip_error finding = DRIP_ERROR_INIT;
	struct drip_position *positions = NULL;
	size_t count = 0;
	void *self = NULL;
	int rc;

	if (!connect) {
		return 0;
	}
	rc = sink_open(ctx, config, &self, &finding);
	if (rc == 0) {
		rc = sink_positions(self, &positions, &count, &finding);
		free(positions);
		sink_close(self);
	}
	if (rc != 0) {
		drip_error_option(&finding, "connection");
		report->add(report, DRIP_LOG_ERROR, &finding);
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

static const struct drip_component warehouse = {
	.struct_size = sizeof(warehouse),
	.kind = DRIP_KIND_SINK,
	.name = "warehouse",
	.summary = "Tables of a SQL database kept like the source's",
	.description = "Mirrors tables, appends to them, logs their changes, merges into them, or "
		       "keeps their history "
		       "(SCD type 2). Works on any connection that offers `drip_sql`.",
	.schema_notes = "A table of the target has the source's columns, all nullable and without "
			"keys or indexes, and "
			"the columns of its mode behind them. New columns of the source are added, "
			"types are widened; "
			"a renamed column is a new one; a dropped one stays.",
	.guarantees =
		"Exactly once: an epoch is one transaction, and the source's positions are stored "
		"in it, in the "
		"table _dripline_positions. Changes of one key are applied in the source's order.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_EXACTLY_ONCE | DRIP_CAP_CHANGES,
	.clearance = DRIP_CLASS_INTERNAL,
	.config_size = sizeof(struct wh_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("warehouse", "0.1.0", "Tables of a SQL database", &warehouse);
