/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drip_guard on DuckDB: checking and running. A query's text is parsed by DuckDB in a database of
 * its own that holds nothing, and its tree is checked (guard_ast.c). It runs in a new session whose
 * default catalog is the role's (guard_roles.c), in a read-only transaction; one thread interrupts
 * what is out of time. Threads: any; `lock` guards the lists.
 */
#include "guard.h"
#include "guard_roles.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARSERS_KEPT      4
#define INTERRUPT_EACH_MS 20 /* an interrupt between two statements of DuckDB is lost */

static const char to_tree[] = "SELECT json_serialize_sql(?::VARCHAR, skip_default := true)";

/* A connection to the empty database. */
struct parser {
	struct parser *next;
	duckdb_connection connection;
	duckdb_prepared_statement to_tree;
};

/* A query that runs. */
struct running {
	struct running *next;
	struct drip_duck_session *session;
	uint64_t deadline_ns;
	bool timed_out;
};

struct drip_duck_guard {
	struct guard_roles *roles;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t watcher;
	bool ends;
	duckdb_database empty;
	struct parser *parsers;
	int parsers_count, running_count;
	struct running *running;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- time ---- */

/* Interrupts what is due; the time of the next look, 0: none. Lock held. */
static uint64_t interrupt_due(struct drip_duck_guard *g)
{
	uint64_t now = now_ns(), next = 0;

	for (struct running *r = g->running; r != NULL; r = r->next) {
		uint64_t at = r->deadline_ns;

		if (at <= now) {
			r->timed_out = true;
			duckdb_interrupt(r->session->connection);
			at = now + INTERRUPT_EACH_MS * UINT64_C(1000000);
		}
		next = next == 0 || at < next ? at : next;
	}
	return next;
}

static void *watch(void *data)
{
	struct drip_duck_guard *g = data;

	pthread_mutex_lock(&g->lock);
	while (!g->ends) {
		uint64_t next = interrupt_due(g);
		struct timespec at = {.tv_sec = (time_t)(next / 1000000000),
				      .tv_nsec = (long)(next % 1000000000)};

		if (next == 0) {
			pthread_cond_wait(&g->changed, &g->lock);
		} else {
			pthread_cond_timedwait(&g->changed, &g->lock, &at);
		}
	}
	pthread_mutex_unlock(&g->lock);
	return NULL;
}

/* ---- the guard of a database ---- */

static void destroy_parser(struct parser *p)
{
	duckdb_destroy_prepare(&p->to_tree);
	duckdb_disconnect(&p->connection);
	free(p);
}

static void destroy_guard(struct drip_duck_guard *g)
{
	while (g->parsers != NULL) {
		struct parser *p = g->parsers;

		g->parsers = p->next;
		destroy_parser(p);
	}
	if (g->empty != NULL) {
		duckdb_close(&g->empty);
	}
	guard_roles_destroy(g->roles);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static int open_empty(struct drip_duck_guard *g, struct drip_error *err)
{
	static const char *const settings[][2] = {
		{"autoinstall_known_extensions", "false"},
		{"autoload_known_extensions", "false"},
		{"allow_community_extensions", "false"},
		{"enable_external_access", "false"},
		{"threads", "1"},
		{"memory_limit", "64MB"},
	};
	duckdb_config config = NULL;
	char *reason = NULL;
	int rc = 0;

	if (duckdb_create_config(&config) != DuckDBSuccess) {
		return drip_error_nomem(err, 0);
	}
	for (size_t i = 0; i < DRIP_COUNT(settings); i++) {
		if (duckdb_set_config(config, settings[i][0], settings[i][1]) != DuckDBSuccess) {
			rc = -EINVAL;
		}
	}
	if (rc != 0 || duckdb_open_ext(NULL, &g->empty, config, &reason) != DuckDBSuccess) {
		rc = drip_duck_error(NULL, reason, "open the database for parsing", err);
		g->empty = NULL;
	}
	duckdb_free(reason);
	duckdb_destroy_config(&config);
	return rc;
}

static int create_guard(struct drip_duck_guard **ret, struct drip_error *err)
{
	struct drip_duck_guard *g = calloc(1, sizeof(*g));
	pthread_condattr_t clock;
	int rc;

	if (g == NULL) {
		return drip_error_nomem(err, sizeof(*g));
	}
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&g->changed, &clock);
	pthread_condattr_destroy(&clock);
	g->roles = guard_roles_create();
	rc = g->roles == NULL ? drip_error_nomem(err, 0) : open_empty(g, err);
	if (rc == 0) {
		rc = -pthread_create(&g->watcher, NULL, watch, g);
		if (rc != 0) {
			drip_error_set_retryable(err, rc, "guard.failed",
						 "could not start a thread: %s", strerror(-rc));
		}
	}
	if (rc != 0) {
		destroy_guard(g);
		return rc;
	}
	*ret = g;
	return 0;
}

static int get_guard(struct drip_duck *duck, struct drip_duck_guard **ret, struct drip_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&duck->lock);
	if (duck->guard == NULL) {
		rc = create_guard(&duck->guard, err);
	}
	*ret = duck->guard;
	pthread_mutex_unlock(&duck->lock);
	return rc;
}

void drip_duck_guard_close(struct drip_duck *duck)
{
	struct drip_duck_guard *g = duck->guard;

	if (g == NULL) {
		return;
	}
	pthread_mutex_lock(&g->lock);
	g->ends = true;
	pthread_cond_signal(&g->changed);
	pthread_mutex_unlock(&g->lock);
	pthread_join(g->watcher, NULL);
	destroy_guard(g);
	duck->guard = NULL;
}

/* ---- parsing ---- */

static int open_parser(struct drip_duck_guard *g, struct parser **ret, struct drip_error *err)
{
	struct parser *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		return drip_error_nomem(err, sizeof(*p));
	}
	if (duckdb_connect(g->empty, &p->connection) != DuckDBSuccess) {
		free(p);
		return drip_error_set_retryable(err, -EIO, "guard.failed",
						"could not connect to the database for parsing");
	}
	if (duckdb_prepare(p->connection, to_tree, &p->to_tree) != DuckDBSuccess) {
		destroy_parser(p);
		return drip_error_set(err, -ENOTSUP, "guard.failed",
				      "cannot use this libduckdb: it has no JSON functions");
	}
	*ret = p;
	return 0;
}

static int take_parser(struct drip_duck_guard *g, struct parser **ret, struct drip_error *err)
{
	pthread_mutex_lock(&g->lock);
	*ret = g->parsers;
	if (*ret != NULL) {
		g->parsers = (*ret)->next;
		g->parsers_count--;
	}
	pthread_mutex_unlock(&g->lock);
	return *ret != NULL ? 0 : open_parser(g, ret, err);
}

static void give_parser(struct drip_duck_guard *g, struct parser *p)
{
	bool kept;

	pthread_mutex_lock(&g->lock);
	kept = g->parsers_count < PARSERS_KEPT;
	if (kept) {
		p->next = g->parsers;
		g->parsers = p;
		g->parsers_count++;
	}
	pthread_mutex_unlock(&g->lock);
	if (!kept) {
		destroy_parser(p);
	}
}

/* Appends the tree of a text as JSON, not terminated. */
static int parse(duckdb_prepared_statement statement, const char *text, size_t size,
		 struct drip_text *out, struct drip_error *err)
{
	duckdb_data_chunk chunk = NULL;
	duckdb_result result;
	int rc = 0;

	duckdb_clear_bindings(statement);
	duckdb_bind_varchar_length(statement, 1, text, size);
	if (duckdb_execute_prepared(statement, &result) != DuckDBSuccess) {
		const char *reason = duckdb_result_error(&result);

		rc = drip_error_set(err, -EINVAL, "guard.unreadable",
				    "cannot read the query: %.300s",
				    reason != NULL ? reason : "unknown error");
		duckdb_destroy_result(&result);
		return rc;
	}
	chunk = duckdb_fetch_chunk(result);
	if (chunk != NULL && duckdb_data_chunk_get_size(chunk) == 1) {
		duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
		duckdb_string_t *s = duckdb_vector_get_data(vector);

		drip_text_put(out, duckdb_string_t_data(s), duckdb_string_t_length(*s));
	}
	duckdb_destroy_data_chunk(&chunk);
	duckdb_destroy_result(&result);
	return drip_text_check(out, err);
}

/* ---- the check ---- */

/* Length, and nothing that is not text: what one reader shows, all others read. */
static int check_text(const char *sql, size_t size, struct drip_error *err)
{
	if (size > DRIP_GUARD_SQL_MAX) {
		return drip_error_set(err, -E2BIG, "guard.too_long",
				      "a query has %d bytes at most, this one has %zu",
				      DRIP_GUARD_SQL_MAX, size);
	}
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)sql[i];

		if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
			return drip_error_set(err, -EINVAL, "guard.bad_text",
					      "the query holds the control character %d", c);
		}
	}
	if (!drip_duck_utf8_valid(sql, size)) {
		return drip_error_set(err, -EINVAL, "guard.bad_text", "the query is not UTF-8");
	}
	return 0;
}

/* Where the parser stopped: its tree tells the offset, in characters. */
static void place_of(const char *sql, size_t size, const char *tree, struct drip_error *err)
{
	static const char member[] = "\"position\":\"";
	const char *at = strstr(tree, member);
	size_t left = at != NULL ? strtoul(at + sizeof(member) - 1, NULL, 10) : size + 1;
	unsigned line = 1, column = 1;

	if (left > size) {
		return;
	}
	for (size_t i = 0; i < size && (left > 0 || (sql[i] & 0xc0) == 0x80); i++) {
		bool begins = (sql[i] & 0xc0) != 0x80;

		left -= begins;
		line += sql[i] == '\n';
		column = sql[i] == '\n' ? 1 : column + begins;
	}
	drip_error_place(err, "line %u, column %u", line, column);
}

static int guard_check(void *object, const char *role, const char *sql, size_t sql_size,
		       struct drip_error *err)
{
	struct drip_text tree = {0};
	struct drip_duck_guard *g;
	struct parser *p;
	int rc = check_text(sql, sql_size, err);

	rc = rc == 0 ? get_guard(object, &g, err) : rc;
	rc = rc == 0 ? take_parser(g, &p, err) : rc;
	if (rc != 0) {
		return rc;
	}
	rc = parse(p->to_tree, sql, sql_size, &tree, err);
	give_parser(g, p);
	if (rc == 0) {
		rc = guard_roles_check(g->roles, role, tree.data, tree.size, err);
	}
	drip_text_put(&tree, "", 1);
	if (rc == -EINVAL && err != NULL && tree.rc == 0 &&
	    strcmp(err->code, "guard.unreadable") == 0) {
		place_of(sql, sql_size, tree.data, err);
	}
	drip_text_finish(&tree);
	return rc;
}

/* ---- running ---- */

static int begin_run(struct drip_duck_guard *g, struct running *r, struct drip_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&g->lock);
	if (g->running_count >= DRIP_GUARD_RUNNING_MAX) {
		rc = drip_error_set_retryable(err, -EBUSY, "guard.busy",
					      "could not run the query: %d others run",
					      DRIP_GUARD_RUNNING_MAX);
	} else {
		r->next = g->running;
		g->running = r;
		g->running_count++;
		pthread_cond_signal(&g->changed);
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

/* True where it was out of time. After this nothing interrupts the session. */
static bool end_run(struct drip_duck_guard *g, struct running *r)
{
	bool timed_out;

	pthread_mutex_lock(&g->lock);
	for (struct running **at = &g->running; *at != NULL; at = &(*at)->next) {
		if (*at == r) {
			*at = r->next;
			g->running_count--;
			break;
		}
	}
	timed_out = r->timed_out;
	pthread_mutex_unlock(&g->lock);
	return timed_out;
}

/* What is not of the query's making may name paths and settings of this machine: they go to the
 * log. */
static int tell_fault(const struct drip_duck *duck, int rc, const struct drip_error *reason,
		      struct drip_error *err)
{
	drip_log_error(duck->ctx, "a guarded query failed: %s", reason->message);
	return drip_error_set_retryable(err, rc, "guard.could_not_run",
					"the database could not run the query");
}

/* The catalog's own words name tables that the role may not know of. */
static int tell_failure(const struct drip_duck_session *s, int rc, const struct drip_error *reason,
			struct drip_error *err)
{
	char place[64] = "";

	if (strstr(reason->message, "Catalog Error") != NULL ||
	    strstr(reason->message, "catalog error") != NULL) {
		drip_error_set(err, -EACCES, "guard.table",
			       "the query names a table or function that this role does not have");
		drip_error_hint(err, "The catalog lists the tables of a role.");
		return -EACCES;
	}
	if (strncmp(reason->code, "duckdb.", 7) != 0) {
		if (err != NULL) {
			*err = *reason;
		}
		return rc;
	}
	if (rc == -ENOMEM) {
		drip_error_set(err, -ERANGE, "guard.out_of_memory",
			       "the query needs more memory than there is for it");
		drip_error_hint(err, "Ask for less, or narrow the dates.");
		return -ERANGE;
	}
	if (rc != -EINVAL && rc != -ERANGE) {
		return tell_fault(s->duck, rc, reason, err);
	}
	drip_error_set(err, rc, "guard.query_failed", "%.500s", reason->message);
	if (s->error_line > 1) { /* the first line is not the query's */
		if (s->error_column != 0) {
			snprintf(place, sizeof(place), ", column %u", s->error_column);
		}
		drip_error_place(err, "line %u%s", s->error_line - 1, place);
	}
	if (reason->hint[0] != '\0') {
		drip_error_hint(err, "%s", reason->hint);
	}
	return rc;
}

static int hand_on(const struct drip_guard_query *q, struct drip_schema *schema,
		   struct ArrowArray *array, struct drip_guard_result *ret, struct drip_error *err)
{
	struct drip_batch *whole = NULL, *part = NULL;
	int64_t left = q->rows - ret->rows;
	int rc = drip_batch_create(schema, array, NULL, DRIP_OP_READ, &whole, err);

	if (rc != 0) {
		return rc;
	}
	if (ret->bytes + whole->bytes > q->bytes) { /* about the share of rows that fits */
		int64_t fit = (int64_t)((double)whole->rows * (double)(q->bytes - ret->bytes) /
					(double)whole->bytes);

		left = fit < left ? fit : left;
	}
	if (whole->rows > left) {
		ret->truncated = true;
		rc = left > 0 ? drip_batch_slice(whole, 0, left, &part, err) : 0;
	}
	if (rc == 0 && left > 0) {
		const struct drip_batch *batch = part != NULL ? part : whole;

		ret->rows += batch->rows;
		ret->bytes +=
			batch->bytes < q->bytes - ret->bytes ? batch->bytes : q->bytes - ret->bytes;
		rc = q->on_batch(batch, q->data, err);
	}
	drip_batch_unref(part);
	drip_batch_unref(whole);
	return rc;
}

static int read_all(const struct drip_guard_query *q, struct drip_schema *schema,
		    struct ArrowArrayStream *stream, struct drip_guard_result *ret,
		    struct drip_error *err)
{
	int rc = q->on_schema(schema, q->data, err);

	while (rc == 0 && !ret->truncated) {
		struct ArrowArray array = {0};
		int failed = stream->get_next(stream, &array);

		if (failed != 0) {
			const char *text = stream->get_last_error(stream);

			return drip_error_set(err, -failed, "duckdb.sql", "%s",
					      text != NULL ? text : "the result ended early");
		}
		if (array.release == NULL) {
			break;
		}
		rc = hand_on(q, schema, &array, ret, err);
	}
	return rc;
}

/* Length of `sql` without what may not stand inside of parentheses. */
static size_t trimmed(const char *sql, size_t n)
{
	while (n > 0 && strchr(" \t\r\n;", sql[n - 1]) != NULL) {
		n--;
	}
	return n;
}

static int run(struct drip_duck_session *s, const struct drip_guard_query *q,
	       struct drip_guard_result *ret, struct drip_error *err)
{
	struct drip_schema *schema = NULL;
	struct ArrowArrayStream stream;
	struct drip_text text = {0};
	char tail[64];
	int rc;

	snprintf(tail, sizeof(tail), "\n) AS q LIMIT %lld", (long long)q->rows + 1);
	drip_text_puts(&text, "SELECT * FROM (\n");
	drip_text_put(&text, q->sql, trimmed(q->sql, q->sql_size));
	drip_text_puts(&text, tail);
	drip_text_put(&text, "", 1);
	rc = drip_text_check(&text, err);
	rc = rc == 0 ? drip_duck_begin_read(s, err) : rc;
	rc = rc == 0 ? drip_duck_query(s, text.data, q->bind, &schema, &stream, err) : rc;
	drip_text_finish(&text);
	if (rc != 0) {
		return rc;
	}
	rc = read_all(q, schema, &stream, ret, err);
	stream.release(&stream);
	drip_schema_unref(schema);
	return rc;
}

static int run_in_time(struct drip_duck *duck, const struct drip_guard_query *q,
		       struct drip_guard_result *ret, struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	struct running running = {0};
	void *session = NULL;
	bool timed_out;
	int rc = drip_duck_session_open(duck, &session, err);

	if (rc != 0) {
		return rc;
	}
	running.session = session;
	running.deadline_ns = now_ns() + (uint64_t)q->timeout_ms * 1000000;
	rc = begin_run(duck->guard, &running, err);
	if (rc == 0) {
		rc = guard_roles_enter(duck->guard->roles, session, q->role, &reason);
		rc = rc == 0 ? run(session, q, ret, &reason) : rc;
		timed_out = end_run(duck->guard, &running);
		if (rc != 0 && timed_out) {
			rc = drip_error_set(err, -ETIMEDOUT, "guard.timeout",
					    "the query ran for more than %lld ms and was ended",
					    (long long)q->timeout_ms);
			drip_error_hint(err, "Ask for less, or narrow the dates.");
		} else if (rc != 0) {
			rc = tell_failure(session, rc, &reason, err);
		}
	}
	drip_duck_session_close(session);
	return rc;
}

static bool limits_hold(const struct drip_guard_query *q)
{
	return q->rows >= 1 && q->rows <= DRIP_GUARD_ROWS_MAX && q->bytes >= 1 &&
	       q->bytes <= DRIP_GUARD_BYTES_MAX && q->timeout_ms >= 1 &&
	       q->timeout_ms <= DRIP_GUARD_TIMEOUT_MAX;
}

static int guard_query(void *object, const struct drip_guard_query *query,
		       struct drip_guard_result *ret, struct drip_error *err)
{
	uint64_t begun = now_ns(), checked;
	int rc;

	*ret = (struct drip_guard_result){.struct_size = sizeof(*ret)};
	if (!limits_hold(query)) {
		return drip_error_set(err, -ERANGE, "guard.bad_limit",
				      "a limit of the query is out of range");
	}
	rc = guard_check(object, query->role, query->sql, query->sql_size, err);
	checked = now_ns();
	ret->check_us = (int64_t)((checked - begun) / 1000);
	if (rc == 0) {
		rc = run_in_time(object, query, ret, err);
		ret->run_us = (int64_t)((now_ns() - checked) / 1000);
	}
	return rc;
}

static int guard_define(void *object, const char *role, const struct drip_guard_view *views,
			size_t count, struct drip_error *err)
{
	struct drip_duck_guard *g;
	int rc = get_guard(object, &g, err);

	return rc == 0 ? guard_roles_define(g->roles, object, role, views, count, err) : rc;
}

const struct drip_guard drip_duck_guard_ops = {
	.struct_size = sizeof(drip_duck_guard_ops),
	.define = guard_define,
	.check = guard_check,
	.query = guard_query,
};
