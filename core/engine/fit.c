/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that were in quarantine and are put back, in the schema that the source has since it is
 * mended: a column that a row lacks gets what the source says that older rows have in it, a value
 * of another type is converted where it is one of the promised type. Nothing is made up. Thread:
 * the source's.
 */
#include "engine/engine_private.h"

#include <errno.h>
#include <string.h>

/* The value of a column that the row has; -EINVAL where it is none of the promised type. */
static int append_converted(struct drip_column_builder *b, const struct drip_column *to,
			    const struct drip_batch *batch, uint32_t from, int64_t row,
			    struct drip_error *err)
{
	char buf[128];
	struct drip_value v;
	int size;

	drip_value_get(batch, from, row, &v);
	if (v.type == DRIP_TYPE_NONE) {
		drip_append_null(b);
		return 0;
	}
	if (drip_type_is_variable(v.type)) {
		return drip_append_text(b, to, v.data, v.size, err);
	}
	size = drip_value_format(&v, drip_schema_column(batch->schema, from), buf, sizeof(buf));
	if (size < 0 || (size_t)size >= sizeof(buf)) {
		return drip_error_set(err, -EINVAL, "contract.type_conflict",
				      "a value of column \"%s\" has no text", to->name);
	}
	return drip_append_text(b, to, buf, size, err);
}

/* The value of a column that the row lacks: what the source says that it has by now. */
static int append_missing(struct drip_column_builder *b, const struct drip_column *to,
			  struct drip_error *err)
{
	if (to->renamed_from == NULL && to->fill != NULL) {
		return drip_append_text(b, to, to->fill, (int64_t)strlen(to->fill), err);
	}
	if (to->renamed_from == NULL && (to->flags & DRIP_COLUMN_NULLABLE) != 0) {
		drip_append_null(b);
		return 0;
	}
	drip_error_set(err, -EINVAL, "contract.missing_column",
		       "the row was written without the column \"%s\", and the source does not say "
		       "what it has in it",
		       to->name);
	drip_error_hint(err, "Change the row at the source, so that it comes again, and drop the "
			     "dead letter.");
	return -EINVAL;
}

static int append_row(struct drip_builder *b, const struct drip_schema *to,
		      const struct drip_batch *batch, int64_t row, struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < to->columns_count && rc == 0; i++) {
		const struct drip_column *column = drip_schema_column(to, i);
		int from = drip_schema_find(batch->schema, column->name);

		rc = from < 0 ? append_missing(&b->columns[i], column, err)
			      : append_converted(&b->columns[i], column, batch, (uint32_t)from, row,
						 err);
	}
	return rc;
}

int drip_fit_rows(struct drip_instance *feed, const struct drip_schema *whole,
		  const struct drip_batch *batch, struct drip_batch **ret, struct drip_error *err)
{
	struct drip_builder b;
	int rc = drip_builder_init(&b, whole, err);

	if (rc < 0) {
		return rc;
	}
	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		struct drip_error why = DRIP_ERROR_INIT;

		rc = append_row(&b, whole, batch, row, &why);
		if (rc == 0) {
			drip_builder_row(&b, drip_batch_op(batch, row));
			continue;
		}
		drip_builder_rewind(&b);
		rc = rc == -EINVAL ? drip_letters_keep(feed, batch, row, &why, err) : rc;
	}
	*ret = NULL;
	if (rc == 0 && b.rows > 0) {
		rc = drip_builder_build(&b, ret, err);
	}
	drip_builder_finish(&b);
	return rc;
}
