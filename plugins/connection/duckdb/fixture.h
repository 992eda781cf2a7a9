/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of what uses drip_sql on DuckDB: a connection of the built plugin, without an engine.
 */
#ifndef DRIPLINE_DUCKDB_FIXTURE_H
#define DRIPLINE_DUCKDB_FIXTURE_H

#include "private.h"

#include <dlfcn.h>
#include <dripline/check.h>
#include <dripline/text.h>

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

#endif
