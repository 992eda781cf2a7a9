/* SPDX-License-Identifier: Apache-2.0 */
/* Reading training data into one frame of doubles. One thread a frame. */
#include "feature_set.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A frame that grows. */
struct reading {
	struct drip_features *f;
	const struct drip_schema *schema;
	int label; /* column, or -1 */
	size_t capacity, rows_max;
	struct drip_frame frame;
};

void drip_frame_finish(struct drip_frame *frame)
{
	free(frame->rows);
	free(frame->labels);
	memset(frame, 0, sizeof(*frame));
}

static int label_of(const struct drip_schema *schema)
{
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		if ((drip_schema_column(schema, i)->flags & DRIP_COLUMN_LABEL) != 0) {
			return (int)i;
		}
	}
	return -1;
}

static int make_room(struct reading *r, size_t rows, struct drip_error *err)
{
	size_t capacity = r->capacity, width = drip_features_count(r->f) * sizeof(double);
	double *grown;

	if (rows > r->rows_max) {
		int rc = drip_error_set(err, -E2BIG, "model.too_large",
					"cannot train on more than %zu rows of %u features",
					r->rows_max, drip_features_count(r->f));

		drip_error_hint(err, "Give the process more memory (settings.memory), or let the "
				     "query sample the rows.");
		return rc;
	}
	while (capacity < rows) {
		capacity = capacity == 0 ? 4096 : 2 * capacity;
	}
	if (capacity == r->capacity) {
		return 0;
	}
	grown = realloc(r->frame.rows, capacity * width);
	if (grown == NULL) {
		return drip_error_nomem(err, capacity * width);
	}
	r->frame.rows = grown;
	if (r->label >= 0) {
		grown = realloc(r->frame.labels, capacity * sizeof(double));
		if (grown == NULL) {
			return drip_error_nomem(err, capacity * sizeof(double));
		}
		r->frame.labels = grown;
	}
	r->capacity = capacity;
	return 0;
}

static int learn_column(struct reading *r, uint32_t feature, const struct ArrowArray *column,
			struct drip_error *err)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset;
	const char *data = column->buffers[2];
	int rc = 0;

	for (int64_t i = 0; i < column->length && rc == 0; i++) {
		if (!drip_is_null(column, i)) {
			rc = drip_features_learn(r->f, feature, data + offsets[i],
						 (size_t)(offsets[i + 1] - offsets[i]),
						 drip_features_categories(r->f, feature), err);
		}
	}
	return rc;
}

static int learn(struct reading *r, const struct ArrowArray *array, struct drip_error *err)
{
	uint32_t count;
	const struct drip_model_feature *list = drip_features_list(r->f, &count);
	int rc = 0;

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		if (list[i].category) {
			int at = drip_schema_find(r->schema, list[i].name);

			rc = learn_column(r, i, array->children[at], err);
		}
	}
	return rc;
}

static int add(struct reading *r, struct ArrowArray *array, struct drip_error *err)
{
	struct drip_batch batch = {.struct_size = sizeof(batch), .schema = r->schema};
	size_t width = drip_features_count(r->f);
	int rc = make_room(r, r->frame.count + (size_t)array->length, err);

	rc = rc == 0 ? learn(r, array, err) : rc;
	if (rc < 0) {
		return rc;
	}
	batch.array = *array;
	batch.rows = array->length;
	rc = drip_features_rows(r->f, &batch, 0, array->length,
				r->frame.rows + r->frame.count * width, err);
	if (rc == 0 && r->label >= 0) {
		drip_features_numbers(array->children[r->label],
				      drip_schema_column(r->schema, (uint32_t)r->label), 0,
				      array->length, r->frame.labels + r->frame.count, 1);
	}
	r->frame.count += rc == 0 ? (size_t)array->length : 0;
	return rc;
}

static int read_all(struct reading *r, struct ArrowArrayStream *data, struct drip_error *err)
{
	for (;;) {
		struct ArrowArray array = {.release = NULL};
		int rc = data->get_next(data, &array);

		if (rc != 0) {
			const char *why = data->get_last_error(data);

			return drip_error_set(err, rc > 0 ? -rc : -EIO, "model.read",
					      "could not read the training data: %s",
					      why != NULL ? why : strerror(rc));
		}
		if (array.release == NULL) {
			return 0;
		}
		rc = add(r, &array, err);
		array.release(&array);
		if (rc < 0) {
			return rc;
		}
	}
}

static int check_label(const struct reading *r, struct drip_error *err)
{
	const struct drip_column *column;

	if (r->label < 0) {
		return 0;
	}
	column = drip_schema_column(r->schema, (uint32_t)r->label);
	if (drip_type_is_variable(column->type)) {
		return drip_error_set(err, -EINVAL, "model.label_type",
				      "the label %s must be a number or boolean", column->name);
	}
	return 0;
}

int drip_features_read(struct drip_features *f, struct ArrowArrayStream *data,
		       const struct drip_schema *schema, uint64_t bytes_max, struct drip_frame *ret,
		       struct drip_error *err)
{
	struct reading r = {.f = f, .schema = schema, .label = label_of(schema)};
	int rc = drip_features_check(f, schema, err);

	r.rows_max = bytes_max / ((drip_features_count(f) + 1) * sizeof(double));
	rc = rc == 0 ? check_label(&r, err) : rc;
	rc = rc == 0 ? read_all(&r, data, err) : rc;
	if (rc < 0) {
		drip_frame_finish(&r.frame);
		return rc;
	}
	*ret = r.frame;
	return 0;
}
