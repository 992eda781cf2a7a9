/* SPDX-License-Identifier: Apache-2.0 */
/* The source's life: options, opening, resuming, polling. */
#include "source.h"

#include "ddl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA_FILE_MAX (16 * 1024 * 1024) /* bytes of the file with CREATE TABLE statements */

static const struct drip_enum_value mode_values[] = {
	{"snapshot-then-stream", DRIP_MY_MODE_SNAPSHOT_STREAM,
	 "All rows, then every change from there on."},
	{"snapshot", DRIP_MY_MODE_SNAPSHOT, "All rows, then end."},
	{"stream", DRIP_MY_MODE_STREAM, "Changes only, from `start` on."},
	{"files", DRIP_MY_MODE_FILES, "Changes out of binlog files on disk, then end."},
	{NULL, 0, NULL},
};

static const struct drip_enum_value zero_values[] = {
	{"null", DRIP_MY_ZERO_NULL, "They become null; the columns become nullable."},
	{"text", DRIP_MY_ZERO_TEXT,
	 "All dates and timestamps become text, as the server prints them."},
	{"error", DRIP_MY_ZERO_ERROR, "The pipeline stops."},
	{NULL, 0, NULL},
};

#define OPTION(member, ...) DRIP_OPTION(struct drip_my_source_options, member, __VA_ARGS__)

const struct drip_option drip_my_source_option_table[] = {
	OPTION(connection, .help = "Connection of the plugin `mysql`. Needed but for mode `files`.",
	       .interface_name = DRIP_MY_INTERFACE, .example = "shop"),
	OPTION(tables,
	       .help = "Tables to read, as `database.table` with `*` and `?`. A pattern without a "
		       "point names tables of the connection's database.",
	       .flags = DRIP_OPTION_REQUIRED, .example = "[shop.orders, shop.t_*]"),
	OPTION(exclude, .help = "Tables to leave out, by the same patterns."),
	OPTION(mode, .help = "What is read.", .default_text = "snapshot-then-stream",
	       .values = mode_values),
	OPTION(start,
	       .help = "Where mode `stream` begins without a checkpoint: `latest`, `earliest`, "
		       "`FILE:OFFSET` or `gtid:POSITION`.",
	       .default_text = "latest", .example = "mysql-bin.000004:7788"),
	OPTION(server_id,
	       .help = "Number by which the server knows this reader. It must differ from those of "
		       "all replicas. 0: a random one from 3000000000 to 3999999999.",
	       .default_text = "0", .min = 0, .max = 4294967295.0, .flags = DRIP_OPTION_ADVANCED),
	OPTION(batch_rows, .help = "Rows of a batch at most.", .unit = "rows",
	       .default_text = "65536", .min = 1, .max = 10000000, .flags = DRIP_OPTION_ADVANCED),
	OPTION(batch_bytes, .help = "Size of a batch from which it is given on.",
	       .default_text = "8MiB", .min = 1024, .max = 1073741824,
	       .flags = DRIP_OPTION_ADVANCED),
	OPTION(heartbeat,
	       .help = "The server shows at least this often that it is there. After three "
		       "times as long without a sign the connection counts as lost.",
	       .default_text = "10s", .min = 1000, .max = 3600000, .flags = DRIP_OPTION_ADVANCED),
	OPTION(lock_timeout,
	       .help = "How long a snapshot may wait for the global read lock, on servers that "
		       "need it. MariaDB does not.",
	       .default_text = "10s", .min = 1000, .max = 3600000, .flags = DRIP_OPTION_ADVANCED),
	OPTION(zero_dates,
	       .help = "What becomes of dates that do not exist, as 0000-00-00 and 2024-02-31.",
	       .default_text = "null", .values = zero_values),
	OPTION(undo_memory, .help = "Memory for what changed while a snapshot was interrupted.",
	       .default_text = "256MiB", .min = 1048576, .max = 1099511627776.0,
	       .flags = DRIP_OPTION_ADVANCED),
	OPTION(files, .help = "Binlog files of mode `files`, in their order.",
	       .flags = DRIP_OPTION_PATH, .example = "[mysql-bin.000001, mysql-bin.000002]"),
	OPTION(schema,
	       .help = "File of CREATE TABLE statements that describe the tables of `files`, as "
		       "`mysqldump --no-data` writes it. Not needed where the log has full row "
		       "metadata or the statements themselves.",
	       .flags = DRIP_OPTION_PATH),
	OPTION(refill,
	       .help = "A table is read again where ALTER TABLE changed its rows in a way that the "
		       "log does not say. false: older rows stay as they are, with a warning.",
	       .default_text = "true"),
	OPTION(before_images,
	       .help = "An update that keeps its key comes as two rows: first the row as it was, "
		       "with "
		       "op before. Sinks that keep changes keep both (warehouse with mode "
		       "changelog, "
		       "lake with changes); the others leave it out.",
	       .default_text = "false"),
};

int drip_my_control(struct drip_my_source *s, MYSQL **ret, struct drip_error *err)
{
	int rc = 0;

	if (s->control != NULL && mysql_ping(s->control) != 0) {
		mysql_close(s->control);
		s->control = NULL;
	}
	if (s->control == NULL) {
		rc = s->connection->connect(s->connection_object, &s->control, err);
	}
	*ret = s->control;
	return rc;
}

int drip_my_server_identity(MYSQL *m, char *buf, size_t size, struct drip_error *err)
{
	struct drip_error ignored = DRIP_ERROR_INIT;

	if (drip_my_value(m, "SELECT @@server_uid", buf, size, &ignored) == 0 ||
	    drip_my_value(m, "SELECT @@server_uuid", buf, size, &ignored) == 0) {
		return 0;
	}
	return drip_my_value(m, "SELECT CONCAT(@@hostname, ':', @@server_id)", buf, size, err);
}

void drip_my_gtids_at(MYSQL *m, const struct drip_my_position *p, struct drip_my_gtids *ret)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	char file[DRIP_MY_FILE_MAX + 24], text[DRIP_MY_GTID_MAX * 2];
	struct drip_my_text sql = {0};

	memset(ret, 0, sizeof(*ret));
	drip_my_file_name(p, file, sizeof(file));
	drip_my_text_add(&sql, "SELECT BINLOG_GTID_POS(");
	drip_my_text_literal(&sql, file);
	drip_my_text_add(&sql, ", %llu)", (unsigned long long)p->place.offset);
	if (!sql.failed && drip_my_value(m, sql.p, text, sizeof(text), &ignored) == 0 &&
	    !drip_my_gtids_parse(text, ret)) {
		memset(ret, 0, sizeof(*ret));
	}
	drip_my_text_finish(&sql);
}

static void source_close(void *self)
{
	struct drip_my_source *s = self;

	if (s->control != NULL) {
		mysql_close(s->control);
	}
	if (s->connection != NULL) {
		s->ctx->host->connection_put(s->ctx, s->options->connection.name, DRIP_MY_INTERFACE,
					     s->connection_object);
	}
	drip_my_catalog_finish(&s->catalog);
	drip_my_values_finish(&s->values);
	drip_my_map_finish(&s->map);
	pthread_mutex_destroy(&s->interrupt_lock);
	free(s);
}

static int source_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	const struct drip_my_source_options *o = config;
	struct drip_my_source *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->options = o;
	pthread_mutex_init(&s->interrupt_lock, NULL);
	drip_my_values_init(&s->values, (enum drip_my_zero)o->zero_dates.value);
	drip_my_format_init(&s->format);
	s->catalog.include = o->tables;
	s->catalog.exclude = o->exclude;
	if (o->mode.value != DRIP_MY_MODE_FILES) {
		const void *interface = NULL;

		rc = ctx->host->connection_get(ctx, o->connection.name, DRIP_MY_INTERFACE,
					       &interface, &s->connection_object, err);
		if (rc != 0) {
			source_close(s);
			return rc;
		}
		s->connection = interface;
		s->catalog.default_database =
			s->connection->options(s->connection_object)->database;
	}
	*ret_self = s;
	return 0;
}

static void wanted_free(struct drip_my_source *s)
{
	for (size_t i = 0; i < s->catalog.wanted_count && s->wanted_tables != NULL; i++) {
		free(s->wanted_tables[i]);
	}
	free(s->wanted_tables);
	s->wanted_tables = NULL;
	s->catalog.wanted = NULL;
	s->catalog.wanted_count = 0;
}

static int take_wanted(struct drip_my_source *s, const struct drip_wanted *w,
		       struct drip_error *err)
{
	if (w == NULL) {
		return 0;
	}
	s->wanted = *w;
	s->column_wanted = w->column;
	if (w->tables == NULL) {
		return 0;
	}
	s->wanted_tables = calloc(w->tables_count + 1, sizeof(*s->wanted_tables));
	if (s->wanted_tables == NULL) {
		return drip_error_nomem(err, sizeof(char *));
	}
	s->catalog.wanted = (const char *const *)s->wanted_tables;
	for (size_t i = 0; i < w->tables_count; i++) {
		s->wanted_tables[i] = strdup(w->tables[i]);
		if (s->wanted_tables[i] == NULL) {
			return drip_error_nomem(err, strlen(w->tables[i]));
		}
		s->catalog.wanted_count++;
	}
	return 0;
}

static int take_cuts(struct drip_my_source *s, const struct drip_start *start,
		     struct drip_error *err)
{
	if (start->cuts_count == 0) {
		return 0;
	}
	s->cuts = calloc(start->cuts_count, sizeof(*s->cuts));
	if (s->cuts == NULL) {
		return drip_error_nomem(err, sizeof(*s->cuts));
	}
	for (size_t i = 0; i < start->cuts_count; i++) { /* ascending, few */
		size_t at = s->cuts_count++;

		while (at > 0 && drip_position_compare(&s->cuts[at - 1], &start->cuts[i]) > 0) {
			s->cuts[at] = s->cuts[at - 1];
			at--;
		}
		s->cuts[at] = start->cuts[i];
	}
	return 0;
}

/* What an earlier run knew of the tables, as of s->at. */
static int restore_catalog(struct drip_my_source *s, struct drip_error *err)
{
	void *data = NULL;
	size_t size = 0;
	int rc = s->ctx->host->state_get(s->ctx, "tables", &data, &size, err);

	if (rc == -ENOENT) {
		return 0;
	}
	if (rc == 0) {
		rc = drip_my_catalog_restore(&s->catalog, data, size, err);
	}
	free(data);
	if (rc == 0) {
		drip_my_catalog_rewind(&s->catalog, s->at.place);
	}
	return rc;
}

/* Reads the tables that nothing is known of: as the server has them now. */
static int load_catalog(struct drip_my_source *s, struct drip_error *err)
{
	MYSQL *control;
	int rc;

	if (s->connection == NULL) {
		return 0;
	}
	rc = drip_my_control(s, &control, err);
	if (rc == 0) {
		rc = drip_my_catalog_load(&s->catalog, control, NULL, NULL, s->at.place, err);
	}
	return rc != 0 ? rc : drip_my_store_catalog(s, err);
}

static int load_schema_file(struct drip_my_source *s, struct drip_error *err)
{
	int fd = open(s->options->schema, O_RDONLY | O_CLOEXEC);
	char *text = malloc(SCHEMA_FILE_MAX);
	size_t size = 0;
	ssize_t n = fd >= 0 && text != NULL ? 1 : -1;
	int rc;

	while (n > 0 && size < SCHEMA_FILE_MAX) {
		n = read(fd, text + size, SCHEMA_FILE_MAX - size);
		size += n > 0 ? (size_t)n : 0;
	}
	if (n != 0) {
		rc = drip_error_set(err, errno != 0 ? -errno : -EFBIG, "mysql.file_failed",
				    "cannot read %s: %s", s->options->schema,
				    n > 0 ? "it is larger than 16 MiB" : strerror(errno));
		drip_error_option(err, "schema");
	} else {
		rc = drip_my_ddl_script(&s->catalog, text, size, err);
	}
	if (fd >= 0) {
		close(fd);
	}
	free(text);
	return rc;
}

int drip_my_other_server(struct drip_error *err)
{
	drip_error_set(err, -EINVAL, "mysql.other_server",
		       "the position of the last run belongs to another server");
	drip_error_hint(err,
			"Connect to the same server, or reset the checkpoint of the pipeline to "
			"take a new snapshot.");
	return -EINVAL;
}

/* The position of the last run belongs to one server. On another one its GTIDs lead on. */
static int check_server(struct drip_my_source *s, struct drip_error *err)
{
	char identity[DRIP_MY_SERVER_MAX];
	MYSQL *control;
	int rc = drip_my_control(s, &control, err);

	if (rc == 0) {
		rc = drip_my_server_identity(control, identity, sizeof(identity), err);
	}
	if (rc != 0) {
		return rc;
	}
	if (s->at.server[0] == '\0' || strcmp(identity, s->at.server) == 0) {
		memcpy(s->at.server, identity, sizeof(identity));
		return 0;
	}
	if (s->at.phase == DRIP_MY_PHASE_SNAPSHOT || s->at.gtids.count == 0) {
		return drip_my_other_server(err);
	}
	drip_log_warning(s->ctx, "the server is another one than before: going on by GTID");
	memcpy(s->at.server, identity, sizeof(identity));
	s->at.server_epoch++;
	s->at.place.file = 0;
	s->at.place.offset = 0;
	return 0;
}

static int start_anew(struct drip_my_source *s, struct drip_error *err)
{
	MYSQL *control;
	int rc;

	switch (s->options->mode.value) {
	case DRIP_MY_MODE_FILES:
		return drip_my_stream_begin(s, err);
	case DRIP_MY_MODE_STREAM:
		rc = drip_my_stream_locate(s, err);
		if (rc == 0) {
			rc = drip_my_control(s, &control, err);
		}
		if (rc == 0) {
			rc = drip_my_server_identity(control, s->at.server, sizeof(s->at.server),
						     err);
		}
		if (rc == 0) {
			rc = load_catalog(s, err);
		}
		return rc != 0 ? rc : drip_my_stream_begin(s, err);
	default:
		return drip_my_snapshot_begin(s, err);
	}
}

static int start_again(struct drip_my_source *s, struct drip_error *err)
{
	int rc = restore_catalog(s, err);

	if (rc != 0) {
		return rc;
	}
	if (s->options->mode.value == DRIP_MY_MODE_FILES) {
		return drip_my_stream_begin(s, err);
	}
	rc = check_server(s, err);
	if (rc != 0) {
		return rc;
	}
	if (s->at.phase == DRIP_MY_PHASE_SNAPSHOT) {
		return drip_my_snapshot_begin(s, err);
	}
	if (s->options->mode.value == DRIP_MY_MODE_SNAPSHOT) {
		s->ended = true;
		return 0;
	}
	rc = load_catalog(s, err);
	return rc != 0 ? rc : drip_my_stream_begin(s, err);
}

static void source_stop(void *self)
{
	struct drip_my_source *s = self;

	drip_my_snapshot_end(s);
	drip_my_stream_end(s);
	drip_my_slots_finish(s);
	drip_my_catalog_finish(&s->catalog);
	wanted_free(s);
	free(s->cuts);
	s->cuts = NULL;
	s->cuts_count = 0;
}

static void reset(struct drip_my_source *s)
{
	memset(&s->at, 0, sizeof(s->at));
	memset(&s->emitted, 0, sizeof(s->emitted));
	memset(&s->skip_until, 0, sizeof(s->skip_until));
	s->values.rc = 0;
	s->flush_due = s->ended = false;
	s->refills_due = 0;
	s->pending_rows = s->marked_ns = 0;
	s->file_index = 0;
	s->commit_time_us = 0;
	pthread_mutex_lock(&s->interrupt_lock);
	s->interrupted = false;
	pthread_mutex_unlock(&s->interrupt_lock);
}

/*
 * A sink stands in the log, but there is no checkpoint, which is written before any row: the state
 * was lost. A new snapshot would lie behind what the sink holds, and changes in between would not
 * come.
 */
static int checkpoint_lost(struct drip_my_source *s, struct drip_error *err)
{
	int rc = drip_error_set(
		err, -EUCLEAN, "mysql.checkpoint_lost",
		"cannot begin: there is no checkpoint, but a sink holds all up to %s",
		s->cuts[0].text);

	drip_error_hint(err, "Restore the state directory, or run \"dripline checkpoint reset\" to "
			     "load all anew.");
	return rc;
}

/*
 * A cut in the snapshot where no checkpoint was written: the position of the cut says at which
 * place in the log the snapshot began, so the rows before it are given again as they were.
 */
static int from_first_cut(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_position cut;
	int rc = drip_my_position_decode(&s->cuts[0], &cut, err);

	if (rc != 0) {
		return rc;
	}
	if (cut.phase != DRIP_MY_PHASE_SNAPSHOT) {
		bool snapshot = s->options->mode.value == DRIP_MY_MODE_SNAPSHOT_STREAM ||
				s->options->mode.value == DRIP_MY_MODE_SNAPSHOT;

		return snapshot ? checkpoint_lost(s, err) : 0;
	}
	s->at = cut;
	memset(&s->at.mark, 0, sizeof(s->at.mark));
	s->at.ordinal = s->at.rows = 0;
	return 0;
}

static int source_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct drip_my_source *s = self;
	bool again = start->from_count > 0;
	int rc;

	reset(s);
	rc = take_wanted(s, start->wanted, err);
	if (rc == 0) {
		rc = take_cuts(s, start, err);
	}
	if (rc == 0 && s->options->schema != NULL) {
		rc = load_schema_file(s, err);
	}
	if (rc == 0 && again) {
		rc = drip_my_position_decode(&start->from[0], &s->at, err);
		s->at.row = 0;
	} else if (rc == 0 && s->cuts_count > 0) {
		rc = from_first_cut(s, err);
		again = s->at.place.file != 0;
	}
	if (rc == 0) {
		rc = again ? start_again(s, err) : start_anew(s, err);
	}
	s->emitted = s->at;
	if (rc != 0) {
		source_stop(s);
	}
	return rc;
}

static int poll_snapshot(struct drip_my_source *s, struct drip_error *err)
{
	int rc = drip_my_snapshot_poll(s, err);

	if (rc != DRIP_POLL_END) {
		return rc;
	}
	if (s->options->mode.value == DRIP_MY_MODE_SNAPSHOT) {
		s->ended = true;
		return DRIP_POLL_END;
	}
	rc = drip_my_stream_begin(s, err);
	return rc != 0 ? rc : DRIP_POLL_MORE;
}

static int source_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct drip_my_source *s = self;
	bool interrupted;
	int rc;

	if (s->ended) {
		return DRIP_POLL_END;
	}
	pthread_mutex_lock(&s->interrupt_lock);
	interrupted = s->interrupted;
	pthread_mutex_unlock(&s->interrupt_lock);
	if (interrupted) {
		return drip_error_set(err, -ECANCELED, "mysql.interrupted", "interrupted");
	}
	rc = s->snapshot != NULL ? poll_snapshot(s, err) : drip_my_stream_poll(s, timeout_ms, err);
	if (s->values.zero_dates > 0) {
		s->ctx->host->counter_add(s->ctx, "zero_dates_total", (double)s->values.zero_dates);
		s->values.zero_dates = 0;
	}
	if (s->values.broken_text > 0) {
		s->ctx->host->counter_add(s->ctx, "broken_texts_total",
					  (double)s->values.broken_text);
		s->values.broken_text = 0;
	}
	return rc;
}

static int source_acknowledge(void *self, const struct drip_position *positions, size_t count,
			      struct drip_error *err)
{
	struct drip_my_source *s = self;
	struct drip_my_position p;
	int rc = count == 0 ? -ENOENT : drip_my_position_decode(&positions[0], &p, err);

	if (count == 0) {
		return 0;
	}
	if (rc == 0 && p.phase == DRIP_MY_PHASE_LOG && s->snapshot == NULL) {
		drip_my_catalog_prune(&s->catalog, p.place);
	}
	return rc;
}

/* A blocked read of the log ends by itself; a blocked query ends with its connection. */
static void source_interrupt(void *self)
{
	struct drip_my_source *s = self;

	pthread_mutex_lock(&s->interrupt_lock);
	s->interrupted = true;
	if (s->interruptible != NULL) {
		drip_my_net_interrupt(s->interruptible);
	}
	if (s->killable != NULL) {
		mariadb_cancel(s->killable);
	}
	pthread_mutex_unlock(&s->interrupt_lock);
}

struct describe {
	struct drip_my_source *source;
	struct drip_schema_list *list;
};

static int describe_table(void *user, const struct drip_my_table *t, struct drip_error *err)
{
	struct describe *d = user;
	struct drip_schema *schema;
	int rc = drip_my_schema_make(d->source, t, NULL, &schema, err);

	if (rc == 0) {
		rc = d->list->add(d->list, schema, err);
		drip_schema_unref(schema);
	}
	return rc;
}

static int source_describe(struct drip_ctx *ctx, const void *config, bool connect,
			   struct drip_schema_list *list, struct drip_error *err)
{
	const struct drip_my_source_options *o = config;
	struct describe d = {.list = list};
	void *self = NULL;
	int rc;

	if (!connect && (o->mode.value != DRIP_MY_MODE_FILES || o->schema == NULL)) {
		return 0;
	}
	rc = source_open(ctx, config, &self, err);
	if (rc != 0) {
		return rc;
	}
	d.source = self;
	rc = o->schema != NULL ? load_schema_file(d.source, err) : 0;
	if (rc == 0 && d.source->connection != NULL) {
		MYSQL *control;

		rc = drip_my_control(d.source, &control, err);
		if (rc == 0) {
			rc = drip_my_catalog_load(&d.source->catalog, control, NULL, NULL,
						  d.source->at.place, err);
		}
	}
	if (rc == 0) {
		rc = drip_my_catalog_each(&d.source->catalog, describe_table, &d, err);
	}
	source_close(self);
	return rc;
}

static int source_dataset(void *self, const struct drip_schema *schema, char *ret_namespace,
			  char *ret_name, size_t size)
{
	struct drip_my_source *s = self;

	if (s->connection != NULL) {
		const struct drip_my_options *o = s->connection->options(s->connection_object);

		snprintf(ret_namespace, size, "mysql://%s:%d",
			 o->host != NULL ? o->host : "localhost", (int)o->port);
	} else {
		snprintf(ret_namespace, size, "file");
	}
	snprintf(ret_name, size, "%s.%s", schema->database, schema->table);
	return 0;
}

const struct drip_source_ops drip_my_source_ops = {
	.struct_size = sizeof(struct drip_source_ops),
	.check = drip_my_check,
	.open = source_open,
	.close = source_close,
	.interrupt = source_interrupt,
	.describe = source_describe,
	.start = source_start,
	.poll = source_poll,
	.acknowledge = source_acknowledge,
	.stop = source_stop,
	.dataset = source_dataset,
};
