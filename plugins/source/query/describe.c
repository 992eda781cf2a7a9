/* SPDX-License-Identifier: Apache-2.0 */
/* What a query will yield, for validation: asked of the database, or told by what is declared.
 * Thread: the caller's. */
#include "query.h"

#include <stdlib.h>

/* Runs one statement that yields no rows, for its schema. */
static int describe_rows(struct drip_ctx *ctx, const struct query_config *config,
			 const struct drip_sql *sql, void *object, struct drip_schema **ret,
			 struct drip_error *err)
{
	struct ArrowArrayStream stream = {.release = NULL};
	struct query_origins origins = {.count = 0};
	struct drip_schema *yielded, *table;
	enum drip_class *found = NULL;
	void *session = NULL;
	char *text = NULL;
	int rc = sql->session_open(object, &session, err);

	if (rc != 0) {
		return rc;
	}
	rc = query_text(config, sql->dialect(object), QUERY_NOTHING, &text, err);
	if (rc == 0) {
		rc = sql->query(session, text, NULL, &yielded, &stream, err);
		if (rc != 0) {
			drip_error_option(err, config->sql != NULL ? "sql" : "table");
		}
	}
	if (rc == 0) {
		stream.release(&stream);
		table = query_table(config, sql, session);
		rc = query_trace(ctx, config, sql, object, yielded, &origins, &found, err);
		rc = rc == 0 ? query_schema(config, table, yielded, found, ret, err) : rc;
		query_origins_finish(&origins);
		free(found);
		drip_schema_unref(table);
		drip_schema_unref(yielded);
	}
	free(text);
	sql->session_close(session);
	return rc;
}

/* Without a connection: known where all that the query reads is declared. */
static int describe_declared(struct drip_ctx *ctx, const struct query_config *config,
			     struct drip_schema_list *list, struct drip_error *err)
{
	struct drip_schema *yielded = NULL, *schema;
	enum drip_class *found = NULL;
	int rc = query_assume(ctx, config, &yielded, &found, err);

	if (rc == 0 && yielded != NULL) {
		rc = query_schema(config, config->table != NULL ? yielded : NULL, yielded, found,
				  &schema, err);
		if (rc == 0) {
			rc = list->add(list, schema, err);
			drip_schema_unref(schema);
		}
		drip_schema_unref(yielded);
		free(found);
	}
	return rc;
}

int query_describe(struct drip_ctx *ctx, const void *config, bool connect,
		   struct drip_schema_list *list, struct drip_error *err)
{
	const struct query_config *c = config;
	struct drip_schema *schema;
	const void *interface;
	void *object;
	int rc;

	if (!connect) {
		return describe_declared(ctx, c, list, err);
	}
	rc = ctx->host->connection_get(ctx, c->connection.name, DRIP_SQL_INTERFACE, &interface,
				       &object, err);
	if (rc != 0) {
		return rc;
	}
	rc = describe_rows(ctx, c, interface, object, &schema, err);
	if (rc == 0) {
		rc = list->add(list, schema, err);
		drip_schema_unref(schema);
	}
	ctx->host->connection_put(ctx, c->connection.name, DRIP_SQL_INTERFACE, object);
	return rc;
}
