/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source `query`: what a query over a SQL connection yields, whole or since a watermark, once or
 * again and again. A whole run is one transaction: its rows carry as their order when the state was
 * made and the number of the run in it, so that runs of a new state come behind all of one that was
 * lost; only its end is a boundary. Incremental rows are ordered by watermark; see edge.c.
 */
#include "query.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct query {
	struct drip_ctx *ctx;
	const struct query_config *config;
	const struct drip_sql *sql;
	void *object;
	pthread_mutex_t lock; /* guards session, for interrupt */
	void *session;

	struct drip_schema *yielded; /* what the query yields; NULL before the first result */
	struct drip_schema *schema;  /* of emitted rows; NULL before the first result */
	struct drip_schema *table;   /* of the option `table`, or NULL */
	uint32_t watermark;          /* column */
	bool watermark_unsigned;
	struct ArrowArrayStream stream; /* release NULL: no run is under way */
	struct query_edge edge;
	uint64_t state;    /* whole runs: when it was made; 0: not known */
	uint64_t run, row; /* number of the one under way or done, its rows so far */
	uint64_t next_ns;  /* when the next run is due */
	bool ran;          /* at least once since start */
	struct drip_position *cuts;
	size_t cuts_count;        /* whole runs: those to be passed before the first */
	uint32_t *all;            /* indices of all columns of schema */
	struct drip_hash *hashes; /* scratch */
	int64_t room;
};

static const struct drip_enum_value classes[] = {
	{"public", DRIP_CLASS_PUBLIC, "Anybody may see it."},
	{"internal", DRIP_CLASS_INTERNAL, "The company may see it."},
	{"confidential", DRIP_CLASS_CONFIDENTIAL, "Those may see it who work with it."},
	{"restricted", DRIP_CLASS_RESTRICTED, "Almost nobody may see it."},
	{NULL, 0, NULL},
};

static const struct drip_option declassified[] = {
	DRIP_OPTION(struct query_declassified, column, .flags = DRIP_OPTION_REQUIRED,
		    .help = "Column that the query yields.", .example = "cards"),
	DRIP_OPTION(struct query_declassified, class, .flags = DRIP_OPTION_REQUIRED,
		    .values = classes, .help = "Its class, where what is read has a higher one."),
	DRIP_OPTION(struct query_declassified, reason, .flags = DRIP_OPTION_REQUIRED,
		    .help = "Why its values give nothing away, for those who review it.",
		    .example = "a count"),
};

#define OPT(member, ...) DRIP_OPTION(struct query_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(connection, .help = "SQL connection to read from.", .flags = DRIP_OPTION_REQUIRED,
	    .interface_name = DRIP_SQL_INTERFACE),
	OPT(sql, .help = "Query to run, in the dialect of the connection.",
	    .flags = DRIP_OPTION_SQL),
	OPT(table, .help = "Table to read, in place of a query: table or database.table.",
	    .example = "main.orders"),
	OPT(name, .help = "Name of the table that is yielded. Default: that of `table`, or query."),
	OPT(database, .help = "Database of the table that is yielded.", .default_text = ""),
	OPT(keys,
	    .help = "Primary key of what is yielded; with `watermark` also the order of rows that "
		    "share one. Default: the key of `table`, where the database tells it."),
	OPT(watermark,
	    .help = "Column that only grows, an integer, date or timestamp: each run reads only "
		    "rows "
		    "from the last one on, and leaves out those that it has read. Rows where it is "
		    "null are never read.",
	    .example = "updated_at"),
	OPT(interval, .help = "Time from one run to the next. 0s: one run, then the source ends.",
	    .default_text = "0s"),
	OPT(class,
	    .help = "Lowest class of all columns. Those that are read from declared tables have "
		    "at least the class that is declared.",
	    .default_text = "internal", .values = classes),
	OPT(declassify,
	    .help = "Columns that are less sensitive than what they are made of, as a count is.",
	    .children = declassified, .children_count = DRIP_COUNT(declassified),
	    .child_size = sizeof(struct query_declassified)),
	OPT(batch_rows, .help = "Rows of one batch, at most.", .default_text = "16384",
	    .unit = "rows", .min = 1, .max = QUERY_ROWS_MAX, .flags = DRIP_OPTION_ADVANCED),
};

static const struct drip_rule rules[] = {
	{sizeof(struct drip_rule), DRIP_RULE_ONE_OF, {"sql", "table"}},
};

static void set_session(struct query *q, void *session)
{
	pthread_mutex_lock(&q->lock);
	q->session = session;
	pthread_mutex_unlock(&q->lock);
}

static void end_run(struct query *q)
{
	if (q->stream.release != NULL) {
		q->stream.release(&q->stream);
		q->stream.release = NULL;
	}
}

static void query_stop(void *self)
{
	struct query *q = self;
	void *session = q->session;

	end_run(q);
	set_session(q, NULL);
	if (session != NULL) {
		q->sql->session_close(session);
	}
}

static void query_close(void *self)
{
	struct query *q = self;

	query_stop(q);
	if (q->sql != NULL) {
		q->ctx->host->connection_put(q->ctx, q->config->connection.name, DRIP_SQL_INTERFACE,
					     q->object);
	}
	query_edge_finish(&q->edge);
	drip_schema_unref(q->yielded);
	drip_schema_unref(q->schema);
	drip_schema_unref(q->table);
	pthread_mutex_destroy(&q->lock);
	free(q->cuts);
	free(q->all);
	free(q->hashes);
	free(q);
}

static int query_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct query *q = calloc(1, sizeof(*q));
	const void *interface;
	int rc;

	if (q == NULL) {
		return drip_error_nomem(err, sizeof(*q));
	}
	q->ctx = ctx;
	q->config = config;
	pthread_mutex_init(&q->lock, NULL);
	rc = query_edge_init(&q->edge, err);
	if (rc == 0) {
		rc = ctx->host->connection_get(ctx, q->config->connection.name, DRIP_SQL_INTERFACE,
					       &interface, &q->object, err);
	}
	if (rc != 0) {
		query_close(q);
		return rc;
	}
	q->sql = interface;
	*ret_self = q;
	return 0;
}

static void query_interrupt(void *self)
{
	struct query *q = self;

	pthread_mutex_lock(&q->lock);
	if (q->session != NULL) {
		q->sql->interrupt(q->session);
	}
	pthread_mutex_unlock(&q->lock);
}

static uint64_t number_at(const struct drip_position *p, size_t at)
{
	uint64_t number = 0;

	for (size_t i = at; i < at + 8; i++) {
		number = number << 8 | p->order[i];
	}
	return number;
}

/* Of a whole run: the state, where it is known, the run and the row. */
static bool read_order(const struct drip_position *p, uint64_t *ret_state, uint64_t *ret_run)
{
	if (p->order_size != 16 && p->order_size != 24) {
		return false;
	}
	*ret_state = p->order_size == 24 ? number_at(p, 0) : 0;
	*ret_run = number_at(p, p->order_size - 16);
	return true;
}

static void put_order(const struct query *q, uint64_t row, struct drip_position *ret)
{
	ret->order_size = 0;
	if (q->state != 0) {
		drip_position_add_u64(ret, q->state);
	}
	drip_position_add_u64(ret, q->run);
	drip_position_add_u64(ret, row);
}

static int load_position(struct query *q, const struct drip_position *p, struct drip_error *err)
{
	if (q->config->watermark != NULL) {
		return query_edge_load(&q->edge, p, err);
	}
	if (p->detail_size != 0 || !read_order(p, &q->state, &q->run)) {
		int rc = drip_error_set(err, -EINVAL, "query.bad_position",
					"position '%.100s' is not one of a query without a "
					"watermark",
					p->text);

		drip_error_hint(err, "Reset the checkpoint of the pipeline.");
		return rc;
	}
	return 0;
}

/* A sink that holds more than the run after the checkpoint, or runs of a younger state, has seen
 * more than this state: later runs would be taken for those that it has, and dropped, so their
 * numbers begin above. */
static void pass_held_runs(struct query *q)
{
	uint64_t state, run, seen = 0;

	for (size_t i = 0; i < q->cuts_count && q->config->watermark == NULL; i++) {
		if (read_order(&q->cuts[i], &state, &run) &&
		    (state > q->state || (state == q->state && run > q->run + 1))) {
			q->state = state;
			q->run = seen = run;
		}
	}
	if (seen != 0) {
		drip_log_warning(q->ctx,
				 "a sink has had %" PRIu64
				 " runs, more than the checkpoint tells: all "
				 "is read again, as the next one",
				 seen);
	}
}

static int query_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct query *q = self;
	void *session = NULL;
	int rc = 0;

	q->state = DRIP_HAS(start, first_run_us) ? (uint64_t)start->first_run_us : 0;
	q->run = 0;
	q->ran = false;
	q->edge.set = false;
	if (start->from_count > 0) {
		rc = load_position(q, &start->from[0], err);
	}
	if (rc != 0) {
		return rc;
	}
	free(q->cuts);
	q->cuts_count = 0;
	q->cuts = calloc(start->cuts_count + 1, sizeof(*q->cuts));
	if (q->cuts == NULL) {
		return drip_error_nomem(err, (start->cuts_count + 1) * sizeof(*q->cuts));
	}
	if (start->cuts_count != 0) {
		memcpy(q->cuts, start->cuts, start->cuts_count * sizeof(*q->cuts));
	}
	q->cuts_count = start->cuts_count;
	pass_held_runs(q);
	rc = q->sql->session_open(q->object, &session, err);
	set_session(q, session);
	q->next_ns = q->ctx->host->now_ns(q->ctx);
	return rc;
}

/* Keeps the hashes that there are. */
static int make_room(struct query *q, int64_t rows, struct drip_error *err)
{
	struct drip_hash *grown;

	if (rows <= q->room) {
		return 0;
	}
	grown = realloc(q->hashes, (size_t)rows * sizeof(*grown));
	if (grown == NULL) {
		return drip_error_nomem(err, (size_t)rows * sizeof(*grown));
	}
	q->hashes = grown;
	q->room = rows;
	return 0;
}

static void hash_all(const struct query *q, const struct drip_batch *batch, struct drip_hash *out)
{
	drip_hash_rows(batch, q->all, batch->schema->columns_count, 0, out);
}

/* The schema of emitted rows, with the classes of what they are read from. */
static int make_schema(struct query *q, const struct drip_schema *yielded, struct drip_error *err)
{
	struct query_origins origins = {.count = 0};
	enum drip_class *found = NULL;
	struct drip_schema *schema = NULL;
	uint32_t *all = calloc(yielded->columns_count + 1, sizeof(*all));
	int rc = all == NULL ? drip_error_nomem(err, yielded->columns_count * sizeof(*all))
			     : query_trace(q->ctx, q->config, q->sql, q->object, yielded, &origins,
					   &found, err);

	rc = rc == 0 ? query_schema(q->config, q->table, yielded, found, &schema, err) : rc;
	free(found);
	if (rc == 0) {
		drip_schema_unref(q->yielded);
		q->yielded = drip_schema_ref(yielded);
		drip_schema_unref(q->schema);
		q->schema = schema;
		free(q->all);
		q->all = all;
		for (uint32_t i = 0; i < schema->columns_count; i++) {
			all[i] = i;
		}
		query_record(q->ctx, q->config, q->sql, q->object, schema, &origins);
	} else {
		free(all);
	}
	query_origins_finish(&origins);
	return rc;
}

/* The schema of emitted rows; kept while the query yields the same, so that later stages keep what
 * they worked out for it. */
static int set_schema(struct query *q, const struct drip_schema *yielded, struct drip_error *err)
{
	enum drip_type type;
	int rc = 0;

	if (q->yielded == NULL || !drip_schema_equal(q->yielded, yielded)) {
		rc = make_schema(q, yielded, err);
	}
	if (rc == 0 && q->config->watermark != NULL) {
		q->watermark = (uint32_t)drip_schema_find(q->schema, q->config->watermark);
		type = drip_schema_column(q->schema, q->watermark)->type;
		q->watermark_unsigned = type >= DRIP_TYPE_UINT8 && type <= DRIP_TYPE_UINT64;
	}
	return rc;
}

/* What is yielded and by which key, before the first result. */
static int know_schema(struct query *q, struct drip_error *err)
{
	struct ArrowArrayStream stream = {.release = NULL};
	struct drip_schema *yielded;
	char *text;
	int rc;

	if (q->schema != NULL) {
		return 0;
	}
	rc = query_text(q->config, q->sql->dialect(q->object), QUERY_NOTHING, &text, err);
	if (rc != 0) {
		return rc;
	}
	rc = q->sql->query(q->session, text, NULL, &yielded, &stream, err);
	free(text);
	if (rc != 0) {
		drip_error_option(err, q->config->sql != NULL ? "sql" : "table");
		return rc;
	}
	stream.release(&stream);
	q->table = query_table(q->config, q->sql, q->session);
	rc = set_schema(q, yielded, err);
	drip_schema_unref(yielded);
	return rc;
}

static int read_failed(struct query *q, int rc, struct drip_error *err)
{
	const char *text = q->stream.get_last_error(&q->stream);

	if (rc == EINVAL || rc == ERANGE || rc == ECANCELED) {
		return drip_error_set(err, -rc, "query.read", "the query failed: %s",
				      text != NULL ? text : strerror(rc));
	}
	return drip_error_set_retryable(err, -rc, "query.read", "the query failed: %s",
					text != NULL ? text : strerror(rc));
}

/* The next batch of the stream; NULL at its end. */
static int next_batch(struct query *q, struct drip_batch **ret, struct drip_error *err)
{
	struct ArrowArray array = {.release = NULL};
	int rc = q->stream.get_next(&q->stream, &array);

	*ret = NULL;
	if (rc != 0) {
		return read_failed(q, rc, err);
	}
	if (array.release == NULL) {
		return 0;
	}
	return drip_batch_create(q->schema, &array, NULL, DRIP_OP_READ, ret, err);
}

/* Hashes all rows that the stream yields, QUERY_EDGE_MAX at most. */
static int hash_stream(struct query *q, int64_t *ret_count, struct drip_error *err)
{
	struct drip_batch *batch;
	int64_t count = 0;
	int rc;

	while ((rc = next_batch(q, &batch, err)) == 0 && batch != NULL) {
		rc = count < QUERY_EDGE_MAX ? make_room(q, count + batch->rows, err) : 0;
		if (rc == 0 && count < QUERY_EDGE_MAX) {
			hash_all(q, batch, q->hashes + count);
			count += batch->rows;
		}
		drip_batch_unref(batch);
		if (rc != 0) {
			break;
		}
	}
	*ret_count = count;
	return rc;
}

/* Fills a partial edge from the rows that have its watermark now. */
static int recall(struct query *q, const struct drip_batch *bind, struct drip_error *err)
{
	struct drip_schema *yielded = NULL;
	bool doubt = false;
	int64_t count = 0;
	char *text;
	int rc = query_text(q->config, q->sql->dialect(q->object), QUERY_EDGE_ROWS, &text, err);

	if (rc == 0) {
		rc = q->sql->query(q->session, text, bind, &yielded, &q->stream, err);
		free(text);
	}
	if (rc != 0) {
		q->stream.release = NULL;
		return rc;
	}
	drip_schema_unref(yielded);
	rc = hash_stream(q, &count, err);
	end_run(q);
	if (rc == 0) {
		rc = query_edge_recall(&q->edge, q->hashes, (uint64_t)count, &doubt, err);
	}
	if (doubt) {
		drip_log_warning(q->ctx,
				 "rows with the last watermark changed while the source was "
				 "stopped: all of them are read again");
	}
	return rc;
}

static int begin_run(struct query *q, struct drip_error *err)
{
	bool since = q->config->watermark != NULL && q->edge.set;
	struct drip_batch *bind = NULL;
	struct drip_schema *yielded;
	char *text = NULL;
	int rc = know_schema(q, err);

	if (rc == 0 && since) {
		rc = query_bind(drip_schema_column(q->schema, q->watermark), q->edge.watermark,
				&bind, err);
		if (rc == 0 && q->edge.partial) {
			rc = recall(q, bind, err);
		}
	}
	if (rc == 0) {
		rc = query_text(q->config, q->sql->dialect(q->object),
				since ? QUERY_SINCE : QUERY_ALL, &text, err);
	}
	if (rc == 0) {
		rc = q->sql->query(q->session, text, bind, &yielded, &q->stream, err);
		if (rc == 0) {
			rc = set_schema(q, yielded, err);
			drip_schema_unref(yielded);
		} else {
			q->stream.release = NULL;
			drip_error_option(err, q->config->sql != NULL ? "sql" : "table");
		}
	}
	free(text);
	drip_batch_unref(bind);
	q->run++;
	q->row = 0;
	if (rc != 0) {
		end_run(q);
	}
	return rc;
}

/* Emits rows [from, to) of `batch` with the position that the edge or the run has reached. */
static int emit_slice(struct query *q, const struct drip_batch *batch, int64_t from, int64_t to,
		      struct drip_error *err)
{
	struct drip_batch *slice;
	int rc = drip_batch_slice(batch, from, to - from, &slice, err);

	if (rc != 0) {
		return rc;
	}
	if (q->config->watermark != NULL) {
		query_edge_save(&q->edge, q->watermark_unsigned, &slice->position);
		slice->boundary = true;
		snprintf(slice->position.text, sizeof(slice->position.text),
			 "%.60s %" PRId64 ", %" PRIu64 " rows of it", q->config->watermark,
			 q->edge.watermark, q->edge.count);
	} else {
		q->row += (uint64_t)(to - from);
		put_order(q, q->row, &slice->position);
		slice->boundary = false;
		snprintf(slice->position.text, sizeof(slice->position.text),
			 "run %" PRIu64 ", row %" PRIu64, q->run, q->row);
	}
	slice->snapshot = q->config->watermark == NULL;
	slice->commit_time_us = q->ctx->host->wall_us(q->ctx);
	return drip_emit(q->ctx, slice, err);
}

/* True where a sink holds all up to here, so that a batch must end. */
static bool is_cut(const struct query *q)
{
	struct drip_position here = {.order_size = 0};

	drip_position_add_u64(&here, query_order(q->edge.watermark, q->watermark_unsigned));
	drip_position_add_u64(&here, q->edge.count);
	for (size_t i = 0; i < q->cuts_count; i++) {
		if (drip_position_compare(&q->cuts[i], &here) == 0) {
			return true;
		}
	}
	return false;
}

/* Emits rows of an incremental run but for those that were emitted before. */
static int emit_new(struct query *q, const struct drip_batch *batch, struct drip_error *err)
{
	int64_t from = 0, row = 0;
	int rc = make_room(q, batch->rows, err);

	if (rc != 0) {
		return rc;
	}
	hash_all(q, batch, q->hashes);
	for (; rc == 0 && row < batch->rows; row++) {
		int64_t watermark = query_watermark(batch, q->watermark, row);

		if (query_edge_has(&q->edge, watermark, &q->hashes[row], q->run)) {
			if (row > from) {
				rc = emit_slice(q, batch, from, row, err);
			}
			from = row + 1;
			continue;
		}
		rc = query_edge_add(&q->edge, watermark, &q->hashes[row], q->run, err);
		if (rc == 0 && (row + 1 - from == q->config->batch_rows ||
				(q->cuts_count != 0 && is_cut(q)))) {
			rc = emit_slice(q, batch, from, row + 1, err);
			from = row + 1;
		}
	}
	return rc == 0 && row > from ? emit_slice(q, batch, from, row, err) : rc;
}

static int emit_all(struct query *q, const struct drip_batch *batch, struct drip_error *err)
{
	int rc = 0;

	for (int64_t row = 0; rc == 0 && row < batch->rows; row += q->config->batch_rows) {
		int64_t to = row + q->config->batch_rows;

		rc = emit_slice(q, batch, row, to < batch->rows ? to : batch->rows, err);
	}
	return rc;
}

static int emit_mark(struct query *q, const struct drip_position *position, struct drip_error *err)
{
	struct drip_batch *mark;
	int rc = drip_batch_create_control(DRIP_BATCH_MARK, NULL, &mark, err);

	if (rc != 0) {
		return rc;
	}
	mark->position = *position;
	mark->boundary = true;
	return drip_emit(q->ctx, mark, err);
}

/* The boundary at the end of a whole run. */
static int emit_end(struct query *q, struct drip_error *err)
{
	struct drip_position end = {.struct_size = sizeof(end)};

	put_order(q, UINT64_MAX, &end);
	snprintf(end.text, sizeof(end.text), "end of run %" PRIu64, q->run);
	return emit_mark(q, &end, err);
}

/* Runs that a sink holds and that are not this one end here: no batch may reach over their ends. */
static int pass_cuts(struct query *q, struct drip_error *err)
{
	struct drip_position first = {.order_size = 0};
	int rc = 0;

	put_order(q, 0, &first);
	for (size_t i = 0; i < q->cuts_count && q->config->watermark == NULL && rc == 0; i++) {
		if (drip_position_compare(&q->cuts[i], &first) < 0) {
			rc = emit_mark(q, &q->cuts[i], err);
		}
	}
	q->cuts_count = q->config->watermark == NULL ? 0 : q->cuts_count;
	return rc;
}

/* Reads one array of the run under way. *ret_more: there may be more. */
static int read_some(struct query *q, bool *ret_more, struct drip_error *err)
{
	struct drip_batch *batch;
	int rc = next_batch(q, &batch, err);

	*ret_more = batch != NULL;
	if (rc != 0 || batch == NULL) {
		end_run(q);
		return rc == 0 && q->config->watermark == NULL ? emit_end(q, err) : rc;
	}
	rc = q->config->watermark != NULL ? emit_new(q, batch, err) : emit_all(q, batch, err);
	drip_batch_unref(batch);
	return rc;
}

/* Waits for the next run; DRIP_POLL_MORE: it is due. */
static int await_run(struct query *q, uint32_t timeout_ms, struct drip_error *err)
{
	uint64_t now = q->ctx->host->now_ns(q->ctx), left;
	int rc;

	if (q->ran && q->config->interval.ms == 0) {
		return DRIP_POLL_END;
	}
	if (now >= q->next_ns) {
		return DRIP_POLL_MORE;
	}
	left = (q->next_ns - now) / 1000000 + 1;
	rc = q->ctx->host->wait(q->ctx, left < timeout_ms ? left : timeout_ms);
	if (rc != 0) {
		return rc == -ECANCELED ? drip_error_set(err, rc, "query.stopped", "stopping") : rc;
	}
	return DRIP_POLL_CAUGHT_UP;
}

/* A source that goes on waits for a table that another pipeline is still to make. */
static int wait_for_table(const struct query *q, int rc, struct drip_error *err)
{
	if (rc == -ENXIO && q->config->interval.ms != 0 && err != NULL) {
		err->retryable = true;
		if (err->hint[0] == '\0') {
			drip_error_hint(err, "Run the pipeline that fills it first.");
		}
	}
	return rc;
}

static int query_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct query *q = self;
	bool more;
	int rc;

	if (q->stream.release == NULL) {
		rc = await_run(q, timeout_ms, err);
		if (rc != DRIP_POLL_MORE) {
			return rc;
		}
		rc = begin_run(q, err);
		if (rc != 0) {
			return wait_for_table(q, rc, err);
		}
		rc = pass_cuts(q, err);
		if (rc != 0) {
			return rc;
		}
	}
	rc = read_some(q, &more, err);
	if (rc != 0 || more) {
		return rc != 0 ? rc : DRIP_POLL_MORE;
	}
	q->ran = true;
	q->next_ns = q->ctx->host->now_ns(q->ctx) + (uint64_t)q->config->interval.ms * 1000000;
	return q->config->interval.ms == 0 ? DRIP_POLL_END : DRIP_POLL_CAUGHT_UP;
}

static int query_dataset(void *self, const struct drip_schema *schema, char *ret_namespace,
			 char *ret_name, size_t size)
{
	struct query *q = self;

	if (q->sql->dataset_namespace(q->object, ret_namespace, size) < 0) {
		return -ENOTSUP;
	}
	snprintf(ret_name, size, "%s", q->config->table != NULL ? q->config->table : schema->table);
	return 0;
}

static const struct drip_source_ops ops = {
	.struct_size = sizeof(ops),
	.check = query_check,
	.open = query_open,
	.close = query_close,
	.interrupt = query_interrupt,
	.describe = query_describe,
	.start = query_start,
	.poll = query_poll,
	.stop = query_stop,
	.dataset = query_dataset,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SOURCE,
	.name = "query",
	.summary = "What a query over a SQL connection yields",
	.description = "Whole, or incrementally by a watermark; once, for schedules, or at an "
		       "interval.",
	.schema_notes =
		"Known where validation may connect, or where all tables of the query are "
		"declared. Columns have at least the class of what they are made of, and of the "
		"option `class`.",
	.guarantees =
		"A whole run is one transaction. Incremental: each row once, also where several "
		"share "
		"a watermark, as long as no row appears below the last one; rows that share it and "
		"came while the source was stopped may be read twice, with a warning, where more "
		"than "
		"100 share it.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_BOUNDED | DRIP_CAP_REPLAY,
	.config_size = sizeof(struct query_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.rules = rules,
	.rules_count = DRIP_COUNT(rules),
	.ops = &ops,
};

DRIP_PLUGIN("query", DRIP_SDK_VERSION, "Source that runs queries", &component);
