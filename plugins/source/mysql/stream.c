/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: events to rows, transactions and positions. s->at.place is always a transaction
 * boundary, s->at.row counts what the open transaction has given since. Offsets are counted here,
 * in 64 bits: the server's wrap at 4 GiB, and newer servers leave them out inside transactions.
 */
#include "source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FLUSH_AFTER_NS 100000000ull  /* rows wait no longer where the log never pauses */
#define MARK_EVERY_NS  1000000000ull /* positions without rows are not given more often */

/* Where the last event ended: a new boundary. */
static void set_boundary(struct drip_my_source *s)
{
	s->at.place.offset = s->offset;
	s->at.row = 0;
}

static int end_transaction(struct drip_my_source *s, struct drip_error *err)
{
	int rc;

	s->in_transaction = false;
	s->standalone = false;
	s->have_savepoint = false;
	if (s->have_gtid) {
		drip_my_gtids_add(&s->at.gtids, &s->gtid);
		s->have_gtid = false;
	}
	set_boundary(s);
	rc = drip_my_check_cuts(s, err);
	if (rc == 0 && s->flush_due) {
		rc = drip_my_flush(s, true, err);
	}
	return rc;
}

static int on_gtid(struct drip_my_source *s, const struct drip_my_event *e, struct drip_error *err)
{
	int rc = drip_my_gtid_parse(e, &s->gtid, err);

	if (rc != 0) {
		return rc;
	}
	s->have_gtid = true;
	s->in_transaction = true;
	s->standalone = (s->gtid.flags & DRIP_MY_GTID_STANDALONE) != 0;
	if ((s->gtid.flags & DRIP_MY_GTID_PREPARED_XA) != 0) {
		drip_my_xa_open(&s->xa, s->at.place);
	}
	return 0;
}

static bool statement_is(const struct drip_my_query *q, const char *word)
{
	size_t n = strlen(word);

	return q->sql_size >= n && strncasecmp(q->sql, word, n) == 0 &&
	       (q->sql_size == n || q->sql[n] == ' ' || q->sql[n] == ';');
}

static int on_xa_event(void *user, const struct drip_my_event *e, struct drip_error *err);

static struct drip_my_xa_reader xa_reader(struct drip_my_source *s)
{
	return (struct drip_my_xa_reader){.source = s,
					  .format = &s->format,
					  .here = s->at.place,
					  .event = on_xa_event,
					  .user = s};
}

static int on_xa(struct drip_my_source *s, const struct drip_my_query *q, struct drip_error *err)
{
	struct drip_my_xa_reader reader = xa_reader(s);
	int rc = drip_my_xa_statement(&s->xa, &reader, q, err);

	if (rc == 1 && s->xa.open) { /* MySQL's XA START; MariaDB says it in the GTID event */
		s->in_transaction = true;
		s->standalone = false;
		return 0;
	}
	return rc == 1 ? end_transaction(s, err) : rc;
}

static int on_xa_prepare(struct drip_my_source *s, const struct drip_my_event *e,
			 struct drip_error *err)
{
	struct drip_my_xa_reader reader = xa_reader(s);
	int rc = drip_my_xa_prepare(&s->xa, &reader, e, err);

	return rc != 0 ? rc : end_transaction(s, err);
}

/*
 * The log has rows that were taken back only where a transaction also changed a table without
 * transactions. They may have been given already.
 */
static int on_taken_back(const struct drip_my_source *s, uint64_t since, struct drip_error *err)
{
	if (s->at.row == since && !s->xa.open) {
		return 0;
	}
	drip_error_set(err, -ENOTSUP, "mysql.event_unsupported",
		       "a transaction over tables with and without transactions was rolled back in "
		       "the log");
	drip_error_hint(err, "Convert the tables without transactions to InnoDB, then reset the "
			     "checkpoint of the pipeline to take a new snapshot.");
	return -ENOTSUP;
}

static int on_query(struct drip_my_source *s, const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_query q;
	int rc = drip_my_query_parse(e, &q, err);

	if (rc != 0) {
		return rc;
	}
	if (statement_is(&q, "BEGIN") || statement_is(&q, "START TRANSACTION")) {
		s->in_transaction = true;
		s->standalone = false;
		return 0;
	}
	if (q.sql_size == 6 && statement_is(&q, "COMMIT")) {
		return end_transaction(s, err);
	}
	if (q.sql_size == 8 && statement_is(&q, "ROLLBACK")) {
		rc = on_taken_back(s, 0, err);
		return rc != 0 ? rc : end_transaction(s, err);
	}
	if (statement_is(&q, "SAVEPOINT")) {
		s->row_of_savepoint = s->have_savepoint ? s->row_of_savepoint : s->at.row;
		s->have_savepoint = true;
		return 0;
	}
	if (statement_is(&q, "ROLLBACK TO")) {
		return on_taken_back(s, s->have_savepoint ? s->row_of_savepoint : 0, err);
	}
	if (statement_is(&q, "XA")) {
		return on_xa(s, &q, err);
	}
	rc = drip_my_stream_ddl(s, &q, err);
	if (rc == 0 && (s->standalone || !s->in_transaction)) {
		rc = end_transaction(s, err);
	}
	return rc;
}

static int on_rows(struct drip_my_source *s, const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_rows rows;
	struct drip_my_known_map *k;
	int64_t before;
	uint64_t count;
	int rc = drip_my_rows_parse(&s->format, e, &rows, err);

	if (rc != 0) {
		return rc;
	}
	k = drip_my_map_find(s, rows.table_id);
	if (k == NULL) {
		return drip_error_set(err, -EBADMSG, "mysql.corrupt_event",
				      "rows of table %" PRIu64 " come without its table map",
				      rows.table_id);
	}
	rc = drip_my_map_refresh(s, k, err);
	if (rc != 0 || k->slot == NULL) {
		return rc;
	}
	before = k->slot->builder.rows;
	rc = drip_my_rows_decode(&rows, &k->plan, &count, err);
	if (rc != 0) {
		char file[DRIP_MY_FILE_MAX + 24];

		drip_my_file_name(&s->at, file, sizeof(file));
		drip_error_place(err, "%s.%s, %s:%" PRIu64, k->slot->database, k->slot->name, file,
				 s->offset - e->size);
		return rc;
	}
	s->at.row += (uint64_t)(k->slot->builder.rows - before);
	drip_my_slot_appended(s, k->slot, before);
	if (s->flush_due &&
	    (k->slot->builder.rows >= 2 * s->options->batch_rows ||
	     drip_builder_bytes(&k->slot->builder) >= 2 * s->options->batch_bytes.bytes)) {
		rc = drip_my_flush(s, false, err); /* the transaction is larger than a batch */
	}
	return rc;
}

static int on_rotate(struct drip_my_source *s, const struct drip_my_event *e,
		     struct drip_error *err)
{
	char file[DRIP_MY_FILE_MAX];
	uint64_t position;
	struct drip_my_position named = {0};
	int rc = drip_my_rotate_parse(e, file, &position, err);

	if (rc != 0 || s->net == NULL) { /* files come in the order of their list */
		return rc;
	}
	if (!drip_my_file_parse(file, &named)) {
		return drip_error_set(err, -EBADMSG, "mysql.corrupt_event",
				      "a rotate event names the file %s", file);
	}
	if (named.place.file == s->at.place.file && strcmp(named.base, s->at.base) == 0 &&
	    s->skip_until.offset > position) {
		s->offset = position; /* the file from its start, to go on behind 4 GiB */
		return 0;
	}
	if (named.place.file == s->at.place.file && s->offset >= position) {
		return 0; /* the announcement of the file that is read already */
	}
	memcpy(s->at.base, named.base, sizeof(named.base));
	s->at.digits = named.digits;
	s->at.place.file = named.place.file;
	s->offset = position;
	s->in_transaction = false;
	set_boundary(s);
	return drip_my_check_cuts(s, err);
}

static int partial_json(struct drip_error *err)
{
	drip_error_set(err, -ENOTSUP, "mysql.partial_image", "an update holds parts of JSON only");
	drip_error_hint(err, "Unset binlog_row_value_options on the server.");
	return -ENOTSUP;
}

/* A table map or row event of an XA transaction that is committed now. */
static int on_xa_event(void *user, const struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_source *s = user;

	if (e->type == DRIP_MY_EVENT_PARTIAL_UPDATE) {
		return partial_json(err);
	}
	return e->type == DRIP_MY_EVENT_TABLE_MAP ? drip_my_map_resolve(s, e, err)
						  : on_rows(s, e, err);
}

/* The server decrypts what it sends; in a file all that follows is encrypted. */
static int on_encryption(const struct drip_my_source *s, struct drip_error *err)
{
	if (s->options->mode.value != DRIP_MY_MODE_FILES) {
		return 0;
	}
	drip_error_set(err, -ENOTSUP, "mysql.encrypted_file", "cannot read an encrypted binlog");
	drip_error_hint(err, "Read the log from the server, which decrypts it: mode stream.");
	return -ENOTSUP;
}

static int dispatch(struct drip_my_source *s, const struct drip_my_event *e, struct drip_error *err)
{
	if (drip_my_event_is_rows(e->type)) {
		return on_rows(s, e, err);
	}
	switch (e->type) {
	case DRIP_MY_EVENT_TABLE_MAP:
		return drip_my_map_resolve(s, e, err);
	case DRIP_MY_EVENT_GTID:
		return on_gtid(s, e, err);
	case DRIP_MY_EVENT_MYSQL_GTID:
	case DRIP_MY_EVENT_ANONYMOUS_GTID:
	case DRIP_MY_EVENT_MYSQL_TAGGED_GTID:
		s->in_transaction = false;
		return 0;
	case DRIP_MY_EVENT_QUERY:
		return on_query(s, e, err);
	case DRIP_MY_EVENT_XID:
		return end_transaction(s, err);
	case DRIP_MY_EVENT_XA_PREPARE:
		return on_xa_prepare(s, e, err);
	case DRIP_MY_EVENT_ROTATE:
		return on_rotate(s, e, err);
	case DRIP_MY_EVENT_FORMAT:
		drip_my_maps_clear(s);
		drip_my_xa_reformat(&s->xa);
		break;
	case DRIP_MY_EVENT_PARTIAL_UPDATE:
		return partial_json(err);
	case DRIP_MY_EVENT_EXECUTE_LOAD:
		return drip_my_refuse_statement(err, "load data");
	case DRIP_MY_EVENT_START_ENCRYPTION:
		return on_encryption(s, err);
	case DRIP_MY_EVENT_PAYLOAD:
		return drip_error_set(err, -ENOTSUP, "mysql.event_unsupported",
				      "cannot read binlog events of type %u", e->type);
	case DRIP_MY_EVENT_INCIDENT:
		drip_error_set(err, -ENODATA, "mysql.incident",
			       "the server lost events here and says so");
		drip_error_hint(err,
				"Reset the checkpoint of the pipeline to take a new snapshot.");
		return -ENODATA;
	default:
		break;
	}
	if (!s->in_transaction && e->type != DRIP_MY_EVENT_HEARTBEAT &&
	    (e->flags & DRIP_MY_EVENT_ARTIFICIAL) == 0) {
		set_boundary(s);
		return drip_my_check_cuts(s, err);
	}
	return 0;
}

int drip_my_stream_event(struct drip_my_source *s, const uint8_t *data, size_t size,
			 struct drip_error *err)
{
	struct drip_my_event e;
	int rc = drip_my_event_parse(&s->format, data, size, &e, err);

	if (rc != 0) {
		char file[DRIP_MY_FILE_MAX + 24];

		drip_my_file_name(&s->at, file, sizeof(file));
		drip_error_place(err, "%s:%" PRIu64, file, s->offset);
		return rc;
	}
	s->offset = drip_my_event_end(&e, s->offset);
	if (s->skip_until.offset != 0 && e.type != DRIP_MY_EVENT_FORMAT &&
	    e.type != DRIP_MY_EVENT_ROTATE) {
		if (s->offset <= s->skip_until.offset) {
			return 0;
		}
		s->skip_until.offset = 0;
	}
	if (e.timestamp != 0) {
		s->commit_time_us = (int64_t)e.timestamp * 1000000;
	}
	if (s->xa.open && drip_my_xa_takes(e.type)) {
		drip_my_xa_keep(&s->xa, data, size);
		return 0;
	}
	return dispatch(s, &e, err);
}

/* ---- polling ---- */

/* A position without rows, so that a quiet source still moves on. */
static int emit_mark(struct drip_my_source *s, struct drip_error *err)
{
	uint64_t now = s->ctx->host->now_ns(s->ctx);

	if (s->in_transaction || s->at.row != 0 ||
	    (s->emitted.phase == s->at.phase &&
	     drip_my_place_compare(&s->at.place, &s->emitted.place) <= 0) ||
	    (s->marked_ns != 0 && now - s->marked_ns < MARK_EVERY_NS)) {
		return 0;
	}
	s->marked_ns = now;
	return drip_my_emit_control(s, DRIP_BATCH_MARK, NULL, true, err);
}

/* Nothing came: has the source given all that the server has? */
static int caught_up(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_position end = {0};
	MYSQL *control;
	MYSQL_RES *res;
	MYSQL_ROW row;
	int rc = drip_my_control(s, &control, err);

	if (rc == 0) {
		rc = drip_my_select(control, "SHOW MASTER STATUS", &res, err);
	}
	if (rc != 0) {
		mysql_close(s->control);
		s->control = NULL;
		return rc;
	}
	row = mysql_fetch_row(res);
	if (row != NULL && row[0] != NULL && row[1] != NULL && drip_my_file_parse(row[0], &end)) {
		end.place.offset = strtoull(row[1], NULL, 10);
	}
	mysql_free_result(res);
	return drip_my_place_compare(&s->at.place, &end.place) >= 0 ? DRIP_POLL_CAUGHT_UP
								    : DRIP_POLL_MORE;
}

/* One event from wherever they come from; 1, 0 without one, or a negative errno. */
static int next_event(struct drip_my_source *s, uint32_t timeout_ms, const uint8_t **ret,
		      size_t *ret_size, struct drip_error *err)
{
	return s->net != NULL ? drip_my_net_next(s->net, timeout_ms, ret, ret_size, err)
			      : drip_my_file_next(s->file, ret, ret_size, err);
}

static int open_next_file(struct drip_my_source *s, struct drip_error *err);

static int at_end(struct drip_my_source *s, struct drip_error *err)
{
	int rc;

	if (s->net == NULL) {
		rc = open_next_file(s, err);
		if (rc <= 0) {
			return rc < 0 ? rc : DRIP_POLL_MORE;
		}
		rc = drip_my_flush(s, !s->in_transaction, err);
		if (rc == 0) {
			s->marked_ns = 0;
			rc = emit_mark(s, err);
		}
		s->ended = true;
		return rc < 0 ? rc : DRIP_POLL_END;
	}
	rc = emit_mark(s, err);
	return rc != 0 ? rc : caught_up(s, err);
}

static bool pending_is_old(const struct drip_my_source *s)
{
	return s->pending_rows > 0 && !s->in_transaction &&
	       s->ctx->host->now_ns(s->ctx) - s->pending_since_ns > FLUSH_AFTER_NS;
}

/* After an event: is it time to leave the poll, so that the host gets its turn? */
static int poll_turn(struct drip_my_source *s, uint64_t events, struct drip_error *err)
{
	int rc = 0;

	if (events % 64 != 0) {
		return 0;
	}
	if (pending_is_old(s)) {
		rc = drip_my_flush(s, true, err);
		return rc != 0 ? rc : 1;
	}
	if (events >= 4096) {
		rc = s->pending_rows == 0 ? emit_mark(s, err) : 0;
		return rc != 0 ? rc : 1;
	}
	return 0;
}

int drip_my_stream_poll(struct drip_my_source *s, uint32_t timeout_ms, struct drip_error *err)
{
	uint64_t events = 0, batches = s->batches;

	if (s->ended) {
		return DRIP_POLL_END;
	}
	for (;;) {
		bool may_wait = s->pending_rows == 0 || s->in_transaction;
		const uint8_t *data;
		size_t size;
		int rc = next_event(s, may_wait ? timeout_ms : 0, &data, &size, err);

		if (rc < 0) {
			return rc;
		}
		if (rc == 0 && s->pending_rows > 0 && !s->in_transaction && s->net != NULL) {
			rc = drip_my_flush(s, true, err);
			return rc != 0 ? rc : DRIP_POLL_MORE;
		}
		if (rc == 0) {
			return at_end(s, err);
		}
		rc = drip_my_stream_event(s, data, size, err);
		if (rc == 0 && s->batches == batches) {
			rc = poll_turn(s, ++events, err);
		} else if (rc == 0) {
			rc = 1;
		}
		if (rc != 0) {
			return rc < 0 ? rc : DRIP_POLL_MORE;
		}
	}
}

/* ---- beginning ---- */

/* Opens the file that follows. 0, 1 where there is none, or a negative errno. */
static int open_next_file(struct drip_my_source *s, struct drip_error *err)
{
	const struct drip_strings *files = &s->options->files;
	const char *path, *name;
	struct drip_my_position named = {0};
	int rc;

	if (s->file_index >= files->count) {
		return 1;
	}
	path = files->items[s->file_index];
	drip_my_file_close(s->file);
	s->file = NULL;
	rc = drip_my_file_open(path, &s->file, err);
	if (rc != 0) {
		return rc;
	}
	name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	if (!drip_my_file_parse(name, &named)) {
		snprintf(named.base, sizeof(named.base), "%.200s", name);
		named.digits = 6;
		named.place.file = s->file_index + 1;
	}
	memcpy(s->at.base, named.base, sizeof(named.base));
	s->at.digits = named.digits;
	/* files are read in the order of the list, whatever their names say */
	s->at.place.file = s->file_index + 1;
	s->offset = drip_my_file_offset(s->file);
	s->in_transaction = false;
	drip_my_format_finish(&s->format);
	drip_my_format_init(&s->format);
	set_boundary(s);
	s->file_index++;
	return 0;
}

static int begin_files(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_place resume = s->at.place;
	int rc;

	s->at.phase = DRIP_MY_PHASE_LOG;
	if (resume.file > s->options->files.count) {
		return drip_error_set(err, -ENODATA, "mysql.bad_position",
				      "the last run read more files than there are now");
	}
	s->file_index = resume.file > 0 ? (size_t)resume.file - 1 : 0;
	rc = open_next_file(s, err);
	if (rc < 0) {
		return rc;
	}
	if (resume.file > 0 && resume.offset > s->offset) {
		s->skip_until = resume; /* the format event at the start is needed */
		s->at.place = resume;
	}
	return 0;
}

uint32_t drip_my_random_server_id(void)
{
	uint32_t v = 0;
	FILE *f = fopen("/dev/urandom", "re");

	if (f != NULL) {
		if (fread(&v, sizeof(v), 1, f) != 1) {
			v = 0;
		}
		fclose(f);
	}
	return 3000000000u + v % 1000000000u;
}

int drip_my_connect_log(struct drip_my_source *s, MYSQL **ret, struct drip_error *err)
{
	struct drip_my_options o = *s->connection->options(s->connection_object);

	o.read_timeout.ms = s->options->heartbeat.ms * 3;
	if (o.max_packet.bytes < DRIP_MY_EVENT_MAX) {
		o.max_packet.bytes = DRIP_MY_EVENT_MAX;
	}
	return drip_my_connect(&o, ret, err);
}

int drip_my_stream_begin(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_my_net_start start = {0};
	char file[DRIP_MY_FILE_MAX + 24], gtids[DRIP_MY_GTID_MAX * 2];
	MYSQL *m;
	int rc;

	drip_my_format_finish(&s->format);
	drip_my_format_init(&s->format);
	drip_my_maps_clear(s);
	drip_my_xa_finish(&s->xa);
	s->in_transaction = s->have_gtid = s->have_savepoint = false;
	if (s->options->mode.value == DRIP_MY_MODE_FILES) {
		return begin_files(s, err);
	}
	rc = drip_my_connect_log(s, &m, err);
	if (rc != 0) {
		return rc;
	}
	start.server_id = s->options->server_id != 0 ? (uint32_t)s->options->server_id
						     : drip_my_random_server_id();
	start.heartbeat_ms = (uint64_t)s->options->heartbeat.ms;
	if (s->at.place.file == 0) { /* another server: by GTID */
		drip_my_gtids_text(&s->at.gtids, gtids, sizeof(gtids));
		start.gtids = gtids;
		s->offset = 0;
	} else {
		drip_my_file_name(&s->at, file, sizeof(file));
		start.file = file;
		start.offset = s->at.place.offset;
		s->offset = start.offset;
		if (start.offset > UINT32_MAX) {
			s->skip_until = s->at.place;
		}
	}
	rc = drip_my_net_open(m, &start, &s->net, err);
	if (rc != 0) {
		return rc;
	}
	pthread_mutex_lock(&s->interrupt_lock);
	s->interruptible = s->net;
	pthread_mutex_unlock(&s->interrupt_lock);
	return 0;
}

void drip_my_stream_end(struct drip_my_source *s)
{
	pthread_mutex_lock(&s->interrupt_lock);
	s->interruptible = NULL;
	pthread_mutex_unlock(&s->interrupt_lock);
	drip_my_net_close(s->net);
	drip_my_file_close(s->file);
	s->net = NULL;
	s->file = NULL;
	drip_my_maps_clear(s);
	drip_my_xa_finish(&s->xa);
	drip_my_format_finish(&s->format);
}
