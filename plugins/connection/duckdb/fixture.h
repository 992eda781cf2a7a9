/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what uses drip_sql on DuckDB: a connection of the built plugin, without an engine.
 */
#ifndef DRIPLINE_DUCKDB_FIXTURE_H
#define DRIPLINE_DUCKDB_FIXTURE_H

#include "private.h"

#include <dlfcn.h>
#include <dripline/check.h>
#include <dripline/text.h>
#include <errno.h>
#include <unistd.h>

struct duck_fixture {
	struct drip_ctx ctx;
	const struct drip_connection_ops *ops;
	const struct drip_sql *sql;
	struct drip_duck_config config;
	void *self;
};

static void fixture_log(struct drip_ctx *ctx, enum drip_log_level level, const char *message)
{
}

static uint64_t fixture_budget(struct drip_ctx *ctx)
{
	return UINT64_C(256) << 20;
}

static const struct drip_host fixture_host = {
	.struct_size = sizeof(fixture_host),
	.abi_major = DRIP_ABI_MAJOR,
	.abi_minor = DRIP_ABI_MINOR,
	.log = fixture_log,
	.memory_budget = fixture_budget,
};

static inline void fixture_load(struct duck_fixture *f, const char *plugin, const char *path)
{
	const struct drip_plugin *(*entry)(void) = NULL;
	void *handle = dlopen(plugin, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (handle == NULL) {
		printf("# %s\n", dlerror());
	}
	REQUIRE(handle != NULL);
	*(void **)(&entry) = dlsym(handle, DRIP_ENTRY_SYMBOL);
	REQUIRE(entry != NULL);
	memset(f, 0, sizeof(*f));
	f->ctx = (struct drip_ctx){.host = &fixture_host, .pipeline = "", .stage = "duckdb"};
	f->ops = entry()->components[0]->ops;
	f->config = (struct drip_duck_config){.path = path,
					      .checkpoint_threshold = {UINT64_C(64) << 20},
					      .threads = 2,
					      .preserve_insertion_order = true,
					      .external_access = true,
					      .lock_configuration = true,
					      .storage_version = "v1.4.0"};
}

static inline void fixture_open(struct duck_fixture *f, const char *plugin, const char *path)
{
	struct drip_error err = DRIP_ERROR_INIT;

	fixture_load(f, plugin, path);
	REQUIRE_OK(f->ops->open(&f->ctx, &f->config, &f->self, &err), &err);
	f->sql = f->ops->interface(f->self, DRIP_SQL_INTERFACE);
}

static inline void fixture_close(struct duck_fixture *f)
{
	f->ops->close(f->self);
}

/* (gives) all rows of a query as JSON lines. */
static inline char *fixture_rows(const struct drip_sql *sql, void *session, const char *query)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_text text = {0};
	struct drip_schema *schema = NULL;
	struct ArrowArrayStream stream;
	struct ArrowArray array;

	REQUIRE_OK(sql->query(session, query, NULL, &schema, &stream, &err), &err);
	for (;;) {
		struct drip_batch *batch = NULL;
		int rc = stream.get_next(&stream, &array);

		if (rc != 0) {
			printf("# %s\n", stream.get_last_error(&stream));
		}
		REQUIRE(rc == 0);
		if (array.release == NULL) {
			break;
		}
		REQUIRE_OK(drip_batch_create(schema, &array, NULL, DRIP_OP_READ, &batch, &err),
			   &err);
		REQUIRE_OK(drip_batch_validate(batch, &err), &err);
		for (int64_t i = 0; i < batch->rows; i++) {
			drip_text_json_row(&text, batch, i, NULL);
			drip_text_puts(&text, "\n");
		}
		drip_batch_unref(batch);
	}
	stream.release(&stream);
	drip_schema_unref(schema);
	drip_text_put(&text, "", 1);
	return text.data;
}

static inline void fixture_execute(const struct drip_sql *sql, void *session, const char *text)
{
	struct drip_error err = DRIP_ERROR_INIT;

	REQUIRE_OK(sql->execute(session, text, NULL, &err), &err);
}

static inline int64_t fixture_number(const struct drip_sql *sql, void *session, const char *query)
{
	char *rows = fixture_rows(sql, session, query);
	const char *colon = strchr(rows, ':');
	int64_t value = colon != NULL ? strtoll(colon + 1, NULL, 10) : INT64_MIN;

	free(rows);
	return value;
}

/* ---- what the tests of the connection itself share ---- */

static struct duck_fixture f;
static const struct drip_sql *sql;
static void *session;

static void setup(const char *path)
{
	struct drip_error err = DRIP_ERROR_INIT;

	fixture_open(&f, test_argv[1], path);
	sql = f.sql;
	REQUIRE_OK(sql->session_open(f.self, &session, &err), &err);
}

static void teardown(void)
{
	sql->session_close(session);
	fixture_close(&f);
}

static struct drip_column column(const char *name, enum drip_type type)
{
	return (struct drip_column){
		.struct_size = sizeof(struct drip_column),
		.name = name,
		.type = type,
		.flags = DRIP_COLUMN_NULLABLE,
		.precision = type == DRIP_TYPE_DECIMAL ? 12 : 0,
		.scale = type == DRIP_TYPE_DECIMAL ? 2 : 0,
	};
}

#define ALL_TYPES 26

static inline struct drip_schema *all_types(void)
{
	static const int decimals[5][2] = {{4, 1}, {9, 3}, {18, 4}, {38, 10}, {12, 0}};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *schema;
	struct drip_column c;
	char name[32];

	drip_schema_builder_init(&b, "db", "everything");
	for (int type = DRIP_TYPE_BOOL; type <= DRIP_TYPE_UUID; type++) {
		snprintf(name, sizeof(name), "c%d", type);
		c = column(name, (enum drip_type)type);
		drip_schema_builder_add(&b, &c);
	}
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "d%d", i);
		c = column(name, DRIP_TYPE_DECIMAL);
		c.precision = decimals[i][0];
		c.scale = decimals[i][1];
		drip_schema_builder_add(&b, &c);
	}
	REQUIRE_OK(drip_schema_builder_build(&b, &schema, &err), &err);
	return schema;
}

/* A text of each type for row `n`; NULL: null. */
static const char *sample(const struct drip_column *c, int64_t n, char *buf, size_t size)
{
	int64_t v = (n * 7919) % 100;

	if ((n + c->name[1]) % 5 == 0) {
		return NULL;
	}
	switch (c->type) {
	case DRIP_TYPE_BOOL:
		return n % 3 == 0 ? "true" : "false";
	case DRIP_TYPE_FLOAT32:
	case DRIP_TYPE_FLOAT64:
		snprintf(buf, size, "%lld.5", (long long)v);
		return buf;
	case DRIP_TYPE_DECIMAL:
		if (c->scale == 0) {
			snprintf(buf, size, "-%lld", (long long)v);
		} else {
			snprintf(buf, size, "-%lld.%0*d", (long long)v, c->scale, (int)(v % 10));
		}
		return buf;
	case DRIP_TYPE_UTF8:
		snprintf(buf, size,
			 n % 2 == 0 ? "short%lld" : "a longer text, gr\xc3\xbc\xc3\x9f %lld",
			 (long long)v);
		return buf;
	case DRIP_TYPE_BINARY:
		snprintf(buf, size, "ff00%02x", (int)v);
		return buf;
	case DRIP_TYPE_DATE:
		snprintf(buf, size, "20%02lld-02-28", (long long)v);
		return buf;
	case DRIP_TYPE_TIME:
		snprintf(buf, size, "23:59:%02lld.000123", (long long)(v % 60));
		return buf;
	case DRIP_TYPE_TIMESTAMP:
		snprintf(buf, size, "19%02lld-12-31T23:59:59.999999", (long long)v);
		return buf;
	case DRIP_TYPE_TIMESTAMP_UTC:
		snprintf(buf, size, "20%02lld-12-31T23:59:59.5Z", (long long)v);
		return buf;
	case DRIP_TYPE_DURATION:
		snprintf(buf, size, "%lld", (long long)(v * 1000));
		return buf;
	case DRIP_TYPE_JSON:
		snprintf(buf, size, "{\"a\": [%lld, null]}", (long long)v);
		return buf;
	case DRIP_TYPE_UUID:
		snprintf(buf, size, "%08llx-1234-5678-9abc-def012345678",
			 (unsigned long long)v << 25);
		return buf;
	default:
		snprintf(buf, size, "%lld", (long long)v);
		return buf;
	}
}

static inline struct drip_batch *make_rows(const struct drip_schema *schema, int64_t rows,
					   bool changes)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_builder b;
	struct drip_batch *batch;
	char buf[128];

	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	for (int64_t n = 0; n < rows; n++) {
		for (uint32_t i = 0; i < schema->columns_count; i++) {
			const struct drip_column *c = drip_schema_column(schema, i);
			const char *text = sample(c, n, buf, sizeof(buf));

			if (text == NULL) {
				drip_append_null(&b.columns[i]);
			} else if (c->type == DRIP_TYPE_DURATION) {
				drip_append_i64(&b.columns[i], strtoll(text, NULL, 10));
			} else {
				REQUIRE_OK(drip_append_text(&b.columns[i], c, text,
							    (int64_t)strlen(text), &err),
					   &err);
			}
		}
		drip_builder_row(&b, changes && n % 2 ? DRIP_OP_UPDATE : DRIP_OP_INSERT);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	return batch;
}

static inline void create_table(const struct drip_schema *schema, const char *name,
				const char *more)
{
	const struct drip_sql_dialect *dialect = sql->dialect(f.self);
	struct drip_text t = {0};
	char type[64];

	drip_text_puts(&t, "CREATE TABLE ");
	drip_text_puts(&t, name);
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(schema, i);

		REQUIRE(dialect->type_name(c, type, sizeof(type)) == 0);
		drip_text_puts(&t, i == 0 ? "(" : ", ");
		drip_text_puts(&t, c->name);
		drip_text_puts(&t, " ");
		drip_text_puts(&t, type);
	}
	drip_text_puts(&t, more);
	drip_text_put(&t, ")", 2);
	fixture_execute(sql, session, t.data);
	drip_text_finish(&t);
}

static inline void ingest(const struct drip_batch *batch, const char *table, const char *op,
			  const char *seq)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_sql_ingest *in;

	REQUIRE_OK(sql->ingest_open(session, NULL, table, batch->schema, op, seq, &in, &err), &err);
	REQUIRE_OK(sql->ingest_write(in, batch, &err), &err);
	REQUIRE_OK(sql->ingest_close(in, &err), &err);
}

static inline char *batch_rows(const struct drip_batch *batch)
{
	struct drip_text text = {0};

	for (int64_t i = 0; i < batch->rows; i++) {
		drip_text_json_row(&text, batch, i, NULL);
		drip_text_puts(&text, "\n");
	}
	drip_text_put(&text, "", 1);
	return text.data;
}

#endif
