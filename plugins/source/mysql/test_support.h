/* SPDX-License-Identifier: Apache-2.0 */
/* For the parts of test_mysql.c, each of which is included once: the server, the harness, and a
 * sink in memory. */
#ifndef DRIPLINE_MYSQL_TEST_SUPPORT_H
#define DRIPLINE_MYSQL_TEST_SUPPORT_H

#include <dripline/check.h>
#include <dripline/sql.h>
#include <dripline/test.h>
#include <mysql.h>
#include <stdarg.h>
#include <unistd.h>

static const char *mariadb_script(void);
#define MARIADB_SH mariadb_script()
#include "../../../tests/lib/mariadb.h"

static const char *mariadb_script(void)
{
	static char path[4096];
	const char *slash = strrchr(__FILE__, '/');

	snprintf(path, sizeof(path), "%.*s/../../../tests/lib/mariadb.sh", (int)(slash - __FILE__),
		 __FILE__);
	return path;
}

static const char *plugin_path;
static struct test_mariadb server;
static MYSQL *admin;

/* ---- helpers ---- */

DRIP_PRINTF(1, 2) static void sql(const char *fmt, ...)
{
	static char text[65536];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (mysql_query(admin, text) != 0 && mysql_errno(admin) != 1062) {
		fprintf(stderr, "%s\n%.200s\n", mysql_error(admin), text);
		exit(1);
	}
	for (;;) {
		MYSQL_RES *res = mysql_store_result(admin);

		mysql_free_result(res);
		int more = mysql_next_result(admin);

		if (more > 0 && mysql_errno(admin) != 1062) { /* a key that is taken is no harm */
			fprintf(stderr, "%s\n%.200s\n", mysql_error(admin), text);
			exit(1);
		}
		if (more != 0) {
			break;
		}
	}
}

static MYSQL *connect_admin(void)
{
	MYSQL *m = mysql_init(NULL);

	if (mysql_real_connect(m, NULL, "root", "", NULL, 0, server.socket,
			       CLIENT_MULTI_STATEMENTS) == NULL) {
		fprintf(stderr, "%s\n", mysql_error(m));
		exit(1);
	}
	mysql_set_character_set(m, "utf8mb4");
	return m;
}

static struct drip_harness *harness(void)
{
	struct drip_harness *h = drip_harness_create(plugin_path);
	char port[16];

	snprintf(port, sizeof(port), "%d", server.port);
	drip_harness_add_connection(h, "db", "mysql",
				    DRIP_OPTIONS("port", port, "user", TEST_MARIADB_USER,
						 "password", TEST_MARIADB_PASSWORD));
	return h;
}

static struct drip_instance *open_source(struct drip_harness *h, const char *const *options)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;

	CHECK_OK(drip_harness_open(h, DRIP_KIND_SOURCE, "mysql", options, &i, &err), &err);
	return i;
}

static void start(struct drip_instance *i, const struct drip_position *from)
{
	struct drip_error err = DRIP_ERROR_INIT;

	CHECK_OK(drip_harness_start(i, from, &err), &err);
}

static void run(struct drip_instance *i, enum drip_poll until)
{
	struct drip_error err = DRIP_ERROR_INIT;
	int rc = drip_harness_poll(i, until, &err);

	if (rc < 0) {
		fprintf(stderr, "poll: %s: %s (%s)\n", err.code, err.message, err.place);
	}
	CHECK(rc >= 0);
}

/* ---- a sink in memory: what it holds is what was committed ---- */

#define MODEL_ROWS 20000

struct model {
	char *rows[MODEL_ROWS]; /* "table|value|..." */
	size_t count;
	char *reads[MODEL_ROWS]; /* those of the snapshot, as they came */
	size_t reads_count;
	struct drip_batch *pending[4096];
	size_t pending_count;
	struct drip_position at;
	bool placed;
	size_t boundaries, stop_after; /* boundaries until the sink "dies"; 0: never */
	size_t violations;
	struct drip_position last; /* of the batch before */
	bool has_last;
};

static void model_remove(struct model *m, const char *prefix, size_t size)
{
	for (size_t i = 0; i < m->count; i++) {
		if (strncmp(m->rows[i], prefix, size) == 0) {
			free(m->rows[i]);
			m->rows[i] = m->rows[--m->count];
			return;
		}
	}
	m->violations++;
	fprintf(stderr, "# no such row: %.*s\n", (int)size, prefix);
}

static void model_add(struct model *m, const char *row)
{
	if (m->count < MODEL_ROWS) {
		m->rows[m->count++] = strdup(row);
	}
}

static size_t key_size(const char *row, uint32_t keys)
{
	const char *p = strchr(row, '|') + 1;

	for (; keys > 0; keys--) {
		p += strcspn(p, "|");
		p += *p == '|';
	}
	return (size_t)(p - row);
}

static void model_row(struct model *m, const struct drip_batch *b, const char *line, size_t size)
{
	char row[4096];
	int n = snprintf(row, sizeof(row), "%s.%s|%.*s|", b->schema->database, b->schema->table,
			 (int)(size - 2), line + 2);
	size_t key = key_size(row, b->schema->keys_count);

	switch (line[0]) {
	case 'r':
		m->reads[m->reads_count++] = strdup(row);
		model_add(m, row);
		break;
	case 'i':
		model_add(m, row);
		break;
	case 'd':
		model_remove(m, row, (size_t)n);
		break;
	case 'u':
		model_remove(m, row, key);
		model_add(m, row);
		break;
	default:
		break;
	}
}

static void model_apply(struct model *m, const struct drip_batch *b)
{
	char *text, *line;

	if (b->kind == DRIP_BATCH_TRUNCATE || b->kind == DRIP_BATCH_DROP) {
		char prefix[200];
		size_t n = (size_t)snprintf(prefix, sizeof(prefix), "%s.%s|", b->schema->database,
					    b->schema->table);

		for (size_t i = m->count; i-- > 0;) {
			if (strncmp(m->rows[i], prefix, n) == 0) {
				free(m->rows[i]);
				m->rows[i] = m->rows[--m->count];
			}
		}
		return;
	}
	if (b->kind != DRIP_BATCH_ROWS) {
		return;
	}
	text = drip_test_batch_text(b);
	for (line = strchr(text, '\n') + 1; *line != '\0'; line += strcspn(line, "\n") + 1) {
		model_row(m, b, line, strcspn(line, "\n"));
	}
	free(text);
}

static void model_drop_pending(struct model *m)
{
	while (m->pending_count > 0) {
		drip_batch_unref(m->pending[--m->pending_count]);
	}
}

static int model_emit(const struct drip_batch *b, struct drip_error *err, void *data)
{
	struct model *m = data;

	if (m->has_last && drip_position_compare(&m->last, &b->position) > 0) {
		m->violations++;
		fprintf(stderr, "# position goes back: %s then %s\n", m->last.text,
			b->position.text);
	}
	m->last = b->position;
	m->has_last = true;
	m->pending[m->pending_count++] = drip_batch_ref(b);
	if (!b->boundary) {
		return 0;
	}
	for (size_t i = 0; i < m->pending_count; i++) {
		model_apply(m, m->pending[i]);
	}
	model_drop_pending(m);
	m->at = b->position;
	m->placed = true;
	m->boundaries++;
	if (m->stop_after != 0 && m->boundaries >= m->stop_after) {
		return drip_error_set(err, -ECANCELED, "test.died", "the sink died");
	}
	return 0;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void model_free(struct model *m)
{
	model_drop_pending(m);
	for (size_t i = 0; i < m->count; i++) {
		free(m->rows[i]);
	}
	for (size_t i = 0; i < m->reads_count; i++) {
		free(m->reads[i]);
	}
	free(m);
}

/* All rows of the tables as the model writes them, by a snapshot of their own. */
static struct model *truth(const char *tables)
{
	struct model *m = calloc(1, sizeof(*m));
	struct drip_harness *h = harness();
	struct drip_instance *i = open_source(
		h, DRIP_OPTIONS("connection", "db", "tables", tables, "mode", "snapshot"));

	drip_harness_set_on_emit(h, model_emit, m);
	start(i, NULL);
	run(i, DRIP_POLL_END);
	drip_harness_close(i);
	drip_harness_destroy(h);
	return m;
}

static void check_rows(char **a, size_t a_count, char **b, size_t b_count, const char *what)
{
	qsort(a, a_count, sizeof(*a), compare_text);
	qsort(b, b_count, sizeof(*b), compare_text);
	if (a_count != b_count) {
		printf("# %s: other counts\n", what);
	}
	CHECK_EQ_INT(a_count, b_count);
	for (size_t i = 0; i < a_count && i < b_count; i++) {
		if (strcmp(a[i], b[i]) != 0) {
			printf("# %s: row %zu: %s and %s\n", what, i, a[i], b[i]);
			CHECK(strcmp(a[i], b[i]) == 0);
			return;
		}
	}
}

#endif
