/* SPDX-License-Identifier: Apache-2.0 */
/* Gathers the result of a query into one array a column. Thread: the session's. */
#include "array.h"

#include <dripline/sql.h>
#include <dripline/transform.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 1000000 /* of one result */

struct parts {
	struct ArrowArray *items;
	size_t count, capacity;
};

static int add_part(struct parts *p, struct ArrowArray *array, struct drip_error *err)
{
	if (p->count == p->capacity) {
		size_t capacity = p->capacity == 0 ? 4 : p->capacity * 2;
		struct ArrowArray *grown = NULL;

		if (capacity <= PARTS_MAX) {
			grown = (struct ArrowArray *)realloc(p->items, capacity * sizeof(*grown));
		}
		if (grown == NULL) {
			array->release(array);
			return drip_error_nomem(err, capacity * sizeof(*grown));
		}
		p->items = grown;
		p->capacity = capacity;
	}
	p->items[p->count++] = *array;
	return 0;
}

static int read_parts(struct ArrowArrayStream *stream, struct parts *p, struct drip_error *err)
{
	for (;;) {
		struct ArrowArray array = {.release = NULL};
		int rc = stream->get_next(stream, &array);

		if (rc != 0) {
			const char *text = stream->get_last_error(stream);

			return drip_error_set(err, -rc, "sql.result",
					      "could not read the result: %s",
					      text != NULL ? text : strerror(rc));
		}
		if (array.release == NULL) {
			return 0;
		}
		rc = add_part(p, &array, err);
		if (rc != 0) {
			return rc;
		}
	}
}

static int concat(const struct parts *p, const struct drip_schema *schema,
		  struct ArrowArray *columns, struct drip_error *err)
{
	const struct ArrowArray **column =
		(const struct ArrowArray **)calloc(p->count + 1, sizeof(*column));
	int rc = column == NULL ? drip_error_nomem(err, (p->count + 1) * sizeof(*column)) : 0;

	for (uint32_t i = 0; rc == 0 && i < schema->columns_count; i++) {
		for (size_t j = 0; j < p->count; j++) {
			column[j] = p->items[j].children[i];
		}
		rc = drip_column_concat(column, p->count, drip_schema_column(schema, i)->type,
					&columns[i], err);
	}
	free(column);
	return rc;
}

/* Where there is one part, its columns are moved out of it, not copied. */
static void move(struct ArrowArray *part, uint32_t count, struct ArrowArray *columns)
{
	for (uint32_t i = 0; i < count; i++) {
		columns[i] = *part->children[i];
		part->children[i]->release = NULL;
	}
}

int drip_sql_collect(const struct drip_sql *sql, void *session, const char *text,
		     const struct drip_batch *bind, struct drip_schema **ret_schema,
		     struct ArrowArray **ret_columns, int64_t *ret_rows, struct drip_error *err)
{
	struct ArrowArrayStream stream = {.release = NULL};
	struct ArrowArray *columns = NULL;
	struct drip_schema *schema = NULL;
	struct parts parts = {0};
	int rc = sql->query(session, text, bind, &schema, &stream, err);

	if (rc != 0) {
		return rc;
	}
	rc = read_parts(&stream, &parts, err);
	stream.release(&stream);
	if (rc == 0) {
		columns = (struct ArrowArray *)calloc(schema->columns_count + 1, sizeof(*columns));
		rc = columns == NULL ? drip_error_nomem(err, sizeof(*columns)) : 0;
	}
	*ret_rows = 0;
	for (size_t i = 0; i < parts.count; i++) {
		*ret_rows += parts.items[i].length;
	}
	if (rc == 0 && parts.count == 1) {
		move(&parts.items[0], schema->columns_count, columns);
	} else if (rc == 0) {
		rc = concat(&parts, schema, columns, err);
	}
	drip_array_release_all(parts.items, (uint32_t)parts.count);
	free(parts.items);
	if (rc != 0) {
		drip_array_release_all(columns, columns != NULL ? schema->columns_count : 0);
		free(columns);
		drip_schema_unref(schema);
		return rc;
	}
	*ret_schema = schema;
	*ret_columns = columns;
	return 0;
}
