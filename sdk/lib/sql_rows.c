/* SPDX-License-Identifier: Apache-2.0 */
/* SQL over the rows of batches, through the process's DuckDB. Thread: the caller's. */
#include <dripline/transform.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENGINE "@duckdb"
#define TABLE  "input"

/* Builds the schema with the column that numbers rows. */
static int add_row_column(struct drip_schema_builder *b, struct drip_schema **ret,
			  struct drip_error *err)
{
	struct drip_column row = {
		.struct_size = sizeof(row),
		.type = DRIP_TYPE_INT64,
		.name = DRIP_ROW_COLUMN,
	};

	drip_schema_builder_add(b, &row);
	return drip_schema_builder_build(b, ret, err);
}

/* As drip_sql_rows_infer, over the table that is being built. */
static int infer(struct drip_ctx *ctx, const char *text, struct drip_schema_builder *b,
		 struct drip_schema **ret_schema, struct drip_lineage_edge **ret_edges,
		 uint32_t *ret_edges_count, struct drip_error *err)
{
	struct drip_schema *numbered;
	const struct drip_sql *sql;
	const void *interface;
	void *object;
	int rc = add_row_column(b, &numbered, err);

	if (rc != 0) {
		return rc;
	}
	rc = ctx->host->connection_get(ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &object, err);
	if (rc == 0) {
		sql = (const struct drip_sql *)interface;
		if (!DRIP_HAS(sql, infer_lineage) || sql->infer_lineage == NULL) {
			rc = drip_error_set(err, -ENOTSUP, "sql.no_infer",
					    "the SQL engine cannot tell the types of a query");
		} else if (ret_edges != NULL) {
			rc = sql->infer_lineage(object, text, TABLE, numbered, ret_schema,
						ret_edges, ret_edges_count, err);
		} else {
			rc = sql->infer(object, text, TABLE, numbered, ret_schema, err);
		}
		ctx->host->connection_put(ctx, ENGINE, DRIP_SQL_INTERFACE, object);
	}
	drip_schema_unref(numbered);
	return rc;
}

int drip_sql_rows_infer(struct drip_ctx *ctx, const char *text, const struct drip_schema *input,
			struct drip_schema **ret_schema, struct drip_lineage_edge **ret_edges,
			uint32_t *ret_edges_count, struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, input);
	return infer(ctx, text, &b, ret_schema, ret_edges, ret_edges_count, err);
}

/* Says that the text is no query, whatever the tables. */
static bool is_grammar(const struct drip_error *err)
{
	static const char *const codes[] = {ENGINE ".syntax", ENGINE ".several_statements",
					    ENGINE ".not_a_query"};

	for (size_t i = 0; i < DRIP_COUNT(codes); i++) {
		if (strcmp(err->code, codes[i] + 1) == 0) {
			return true;
		}
	}
	return false;
}

bool drip_sql_rows_parses(struct drip_ctx *ctx, const char *text, struct drip_error *err)
{
	struct drip_error why = DRIP_ERROR_INIT;
	struct drip_schema *output = NULL;
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", TABLE);
	if (infer(ctx, text, &b, &output, NULL, NULL, &why) < 0 && is_grammar(&why)) {
		return drip_error_also(err, 0, &why) == 0;
	}
	drip_schema_unref(output);
	return true;
}

int drip_sql_rows_open(struct drip_sql_rows *r, struct drip_ctx *ctx, struct drip_error *err)
{
	const void *interface;
	int rc = ctx->host->connection_get(ctx, ENGINE, DRIP_SQL_INTERFACE, &interface, &r->object,
					   err);

	if (rc != 0) {
		return rc;
	}
	r->ctx = ctx;
	r->sql = (const struct drip_sql *)interface;
	r->session = NULL;
	rc = r->sql->session_open(r->object, &r->session, err);
	if (rc != 0) {
		drip_sql_rows_close(r);
	}
	return rc;
}

void drip_sql_rows_close(struct drip_sql_rows *r)
{
	if (r->ctx == NULL) {
		return;
	}
	if (r->session != NULL) {
		r->sql->session_close(r->session);
	}
	r->ctx->host->connection_put(r->ctx, ENGINE, DRIP_SQL_INTERFACE, r->object);
	r->ctx = NULL;
	r->session = NULL;
}

int drip_sql_rows_run(struct drip_sql_rows *r, const char *text, const struct drip_batch *batch,
		      struct drip_schema **ret_schema, struct ArrowArray **ret_columns,
		      int64_t *ret_rows, struct drip_error *err)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	int rc = r->sql->bind(r->session, TABLE, batch, NULL, DRIP_ROW_COLUMN, err);

	if (rc != 0) {
		return rc;
	}
	rc = drip_sql_collect(r->sql, r->session, text, NULL, ret_schema, ret_columns, ret_rows,
			      err);
	(void)!r->sql->bind(r->session, TABLE, NULL, NULL, NULL, &ignored);
	return rc;
}

bool drip_sql_rows_is_data_error(int rc, const struct drip_error *err)
{
	return !err->retryable && (rc == -EINVAL || rc == -ERANGE);
}

static int find_bad(const struct drip_sql_search *s, const struct drip_batch *batch, int64_t start,
		    const struct drip_error *first, struct drip_error *err)
{
	int64_t middle = batch->rows / 2, starts[3] = {0, middle, batch->rows};
	struct drip_error why = *first;
	int rc = 0;

	if (batch->rows == 1) {
		s->marks[start] = s->mark;
		drip_error_option(&why, "%s", s->option);
		return drip_reject(s->ctx, batch, 0, &why, err);
	}
	for (int i = 0; rc == 0 && i < 2; i++) {
		struct drip_error reason = DRIP_ERROR_INIT;
		struct drip_batch *half;

		rc = drip_batch_slice(batch, starts[i], starts[i + 1] - starts[i], &half, err);
		if (rc != 0) {
			break;
		}
		rc = s->run(s->data, half, start + starts[i], &reason);
		if (rc != 0 && drip_sql_rows_is_data_error(rc, &reason)) {
			rc = find_bad(s, half, start + starts[i], &reason, err);
		} else if (rc != 0) {
			rc = drip_error_also(err, 0, &reason);
		}
		drip_batch_unref(half);
	}
	return rc;
}

int drip_sql_rows_find_bad(const struct drip_sql_search *search, const struct drip_batch *batch,
			   const struct drip_error *first, struct drip_error *err)
{
	return find_bad(search, batch, 0, first, err);
}
