/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Features as rows of doubles. Each feature converts one column; a category looks its text up in a
 * table with open addressing that only training fills. Nothing is changed after training or
 * loading, so that any thread may encode.
 */
#include "feature_set.h"

#include <dripline/descriptor.h>
#include <dripline/rowset.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void drip_features_destroy(struct drip_features *f)
{
	if (f == NULL) {
		return;
	}
	for (uint32_t i = 0; i < f->count; i++) {
		free(f->items[i].categories);
		free(f->items[i].slots);
		free((void *)(uintptr_t)f->list[i].name);
	}
	free(f->items);
	free(f->list);
	free(f);
}

int drip_features_alloc(uint32_t count, struct drip_features **ret, struct drip_error *err)
{
	struct drip_features *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		return drip_error_nomem(err, sizeof(*f));
	}
	f->items = calloc((size_t)count + 1, sizeof(*f->items));
	f->list = calloc((size_t)count + 1, sizeof(*f->list));
	if (f->items == NULL || f->list == NULL) {
		drip_features_destroy(f);
		return drip_error_nomem(err, count * sizeof(*f->items));
	}
	f->count = count;
	for (uint32_t i = 0; i < count; i++) {
		f->items[i].unknown = NAN;
	}
	*ret = f;
	return 0;
}

enum feature_kind { FEATURE_BAD, FEATURE_NUMBER, FEATURE_CATEGORY };

static enum feature_kind kind_of(enum drip_type type)
{
	switch (type) {
	case DRIP_TYPE_UTF8:
	case DRIP_TYPE_UUID:
		return FEATURE_CATEGORY;
	case DRIP_TYPE_NONE:
	case DRIP_TYPE_BINARY:
	case DRIP_TYPE_JSON:
		return FEATURE_BAD;
	default:
		return FEATURE_NUMBER;
	}
}

bool drip_feature_is_category(enum drip_type type)
{
	return kind_of(type) == FEATURE_CATEGORY;
}

static int bad_type(const struct drip_schema *schema, const struct drip_column *column,
		    const char *wanted, struct drip_error *err)
{
	char type[64];

	drip_type_name(column, type, sizeof(type));
	return drip_error_set(err, -EINVAL, "model.feature_type",
			      "column %s of %s cannot be a feature: it is %s, not %s", column->name,
			      schema->table, type, wanted);
}

int drip_features_create(const struct drip_schema *schema, struct drip_features **ret,
			 struct drip_error *err)
{
	struct drip_features *f;
	int rc = drip_features_alloc(schema->columns_count, &f, err);

	if (rc < 0) {
		return rc;
	}
	f->count = 0;
	for (uint32_t i = 0; i < schema->columns_count && rc == 0; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);
		enum feature_kind kind = kind_of(column->type);
		char *name;

		if ((column->flags & DRIP_COLUMN_LABEL) != 0) {
			continue;
		}
		name = strdup(column->name);
		if (kind == FEATURE_BAD) {
			rc = bad_type(schema, column, "a number, time or text", err);
			free(name);
		} else if (name == NULL) {
			rc = drip_error_nomem(err, strlen(column->name));
		} else {
			f->list[f->count].name = name;
			f->list[f->count].category = kind == FEATURE_CATEGORY;
			f->count++;
		}
	}
	if (rc == 0 && (f->count == 0 || f->count > DRIP_MODEL_FEATURES_MAX)) {
		rc = drip_error_set(err, -EINVAL, "model.feature_count",
				    "a model needs 1 to %d features, not %u",
				    DRIP_MODEL_FEATURES_MAX, f->count);
	}
	if (rc < 0) {
		drip_features_destroy(f);
		return rc;
	}
	*ret = f;
	return 0;
}

int drip_predictions_schema(const struct drip_column *columns, uint32_t count,
			    enum drip_class classification, struct drip_schema **ret,
			    struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", "predictions");
	for (uint32_t i = 0; i < count; i++) {
		struct drip_column column = columns[i];

		column.classification = classification;
		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, ret, err);
}

int drip_features_negotiate(const struct drip_schema *input, const struct drip_column *columns,
			    uint32_t count, struct drip_negotiated *ret, struct drip_error *err)
{
	enum drip_class highest = DRIP_CLASS_PUBLIC;
	struct drip_lineage_edge *edges;
	struct drip_features *f;
	int rc = drip_features_create(input, &f, err);

	if (rc < 0) {
		return rc;
	}
	drip_features_destroy(f);
	edges = calloc((size_t)count * input->columns_count, sizeof(*edges));
	if (edges == NULL) {
		return drip_error_nomem(err, count * input->columns_count * sizeof(*edges));
	}
	for (uint32_t in = 0; in < input->columns_count; in++) {
		enum drip_class c = drip_schema_column(input, in)->classification;

		highest = c > highest ? c : highest;
		for (uint32_t out = 0; out < count; out++) {
			edges[out * input->columns_count + in] = (struct drip_lineage_edge){
				.output = out, .input = in, .kind = DRIP_LINEAGE_TRANSFORMATION};
		}
	}
	rc = drip_predictions_schema(columns, count, highest, &ret->output, err);
	if (rc < 0) {
		free(edges);
		return rc;
	}
	ret->edges = edges;
	ret->edges_count = count * input->columns_count;
	return 0;
}

const struct drip_model_feature *drip_features_list(const struct drip_features *f,
						    uint32_t *ret_count)
{
	*ret_count = f->count;
	return f->list;
}

uint32_t drip_features_count(const struct drip_features *f)
{
	return f->count;
}

/* ---- categories ---- */

static uint32_t *slot_of(const struct feature *f, const char *text, size_t size)
{
	uint64_t at = drip_hash_bytes(text, size, 0) & (FEATURE_SLOTS - 1);

	while (f->slots[at] != 0) {
		const struct category *c = &f->categories[f->slots[at] - 1];

		if (c->size == size && memcmp(c->text, text, size) == 0) {
			break;
		}
		at = (at + 1) & (FEATURE_SLOTS - 1);
	}
	return &f->slots[at];
}

int drip_features_learn(struct drip_features *f, uint32_t feature, const char *text, size_t size,
			double value, struct drip_error *err)
{
	struct feature *item = &f->items[feature];
	struct category *c;
	uint32_t *slot;

	if (size > DRIP_CATEGORY_SIZE_MAX || item->count == DRIP_CATEGORIES_MAX) {
		return 0;
	}
	if (item->slots == NULL) {
		item->slots = calloc(FEATURE_SLOTS, sizeof(*item->slots));
	}
	if (item->count == item->capacity) {
		uint32_t capacity = item->capacity == 0 ? 16 : 2 * item->capacity;
		struct category *grown =
			realloc(item->categories, capacity * sizeof(*item->categories));

		if (grown != NULL) {
			item->categories = grown;
			item->capacity = capacity;
		}
	}
	if (item->slots == NULL || item->count == item->capacity) {
		return drip_error_nomem(err, FEATURE_SLOTS * sizeof(*item->slots));
	}
	slot = slot_of(item, text, size);
	if (*slot != 0) {
		return 0;
	}
	c = &item->categories[item->count];
	memcpy(c->text, text, size);
	c->size = (uint32_t)size;
	c->value = value;
	*slot = ++item->count;
	return 0;
}

uint32_t drip_features_categories(const struct drip_features *f, uint32_t feature)
{
	return f->items[feature].count;
}

void drip_features_set_values(struct drip_features *f, uint32_t feature, const double *values,
			      double unknown)
{
	for (uint32_t i = 0; i < f->items[feature].count; i++) {
		f->items[feature].categories[i].value = values[i];
	}
	f->items[feature].unknown = unknown;
}

double drip_features_encode(const struct drip_features *f, uint32_t feature, const char *text,
			    size_t size)
{
	const struct feature *item = &f->items[feature];
	uint32_t slot;

	if (item->slots == NULL || size > DRIP_CATEGORY_SIZE_MAX) {
		return item->unknown;
	}
	slot = *slot_of(item, text, size);
	return slot != 0 ? item->categories[slot - 1].value : item->unknown;
}

/* ---- columns ---- */

#define CONVERT(ctype)                                                                             \
	do {                                                                                       \
		const ctype *v = (const ctype *)column->buffers[1] + column->offset + start;       \
                                                                                                   \
		for (int64_t i = 0; i < count; i++) {                                              \
			out[(size_t)i * stride] = (double)v[i];                                    \
		}                                                                                  \
	} while (0)

static void convert_bools(const struct ArrowArray *column, int64_t start, int64_t count,
			  double *out, size_t stride)
{
	const uint8_t *bits = column->buffers[1];

	for (int64_t i = 0; i < count; i++) {
		int64_t at = column->offset + start + i;

		out[(size_t)i * stride] = (bits[at >> 3] >> (at & 7)) & 1;
	}
}

static void convert_decimals(const struct ArrowArray *column, int32_t scale, int64_t start,
			     int64_t count, double *out, size_t stride)
{
	const char *v = (const char *)column->buffers[1] + (column->offset + start) * 16;
	double unit = pow(10, scale);

	for (int64_t i = 0; i < count; i++) {
		__int128 value;

		memcpy(&value, v + i * 16, sizeof(value));
		out[(size_t)i * stride] = (double)value / unit;
	}
}

static void convert_fixed(const struct ArrowArray *column, const struct drip_column *type,
			  int64_t start, int64_t count, double *out, size_t stride)
{
	switch (type->type) {
	case DRIP_TYPE_BOOL:
		convert_bools(column, start, count, out, stride);
		break;
	case DRIP_TYPE_DECIMAL:
		convert_decimals(column, type->scale, start, count, out, stride);
		break;
	case DRIP_TYPE_INT8:
		CONVERT(int8_t);
		break;
	case DRIP_TYPE_INT16:
		CONVERT(int16_t);
		break;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_DATE:
		CONVERT(int32_t);
		break;
	case DRIP_TYPE_UINT8:
		CONVERT(uint8_t);
		break;
	case DRIP_TYPE_UINT16:
		CONVERT(uint16_t);
		break;
	case DRIP_TYPE_UINT32:
		CONVERT(uint32_t);
		break;
	case DRIP_TYPE_UINT64:
		CONVERT(uint64_t);
		break;
	case DRIP_TYPE_FLOAT32:
		CONVERT(float);
		break;
	case DRIP_TYPE_FLOAT64:
		CONVERT(double);
		break;
	default:
		CONVERT(int64_t);
		break;
	}
}

static void convert_nulls(const struct ArrowArray *column, int64_t start, int64_t count,
			  double *out, size_t stride)
{
	const uint8_t *bits = column->buffers[0];

	if (bits == NULL || column->null_count == 0) {
		return;
	}
	for (int64_t i = 0; i < count; i++) {
		if (drip_is_null(column, start + i)) {
			out[(size_t)i * stride] = NAN;
		}
	}
}

/* Infinities would make bounds and sums meaningless: they count as missing. */
static void convert_infinite(int64_t count, double *out, size_t stride)
{
	for (int64_t i = 0; i < count; i++) {
		if (isinf(out[(size_t)i * stride])) {
			out[(size_t)i * stride] = NAN;
		}
	}
}

void drip_features_numbers(const struct ArrowArray *column, const struct drip_column *type,
			   int64_t start, int64_t count, double *out, size_t stride)
{
	convert_fixed(column, type, start, count, out, stride);
	convert_nulls(column, start, count, out, stride);
	if (type->type == DRIP_TYPE_FLOAT32 || type->type == DRIP_TYPE_FLOAT64) {
		convert_infinite(count, out, stride);
	}
}

static void convert_texts(const struct drip_features *f, uint32_t feature,
			  const struct ArrowArray *column, int64_t start, int64_t count,
			  double *out, size_t stride)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset + start;
	const char *data = column->buffers[2];

	for (int64_t i = 0; i < count; i++) {
		out[(size_t)i * stride] =
			drip_is_null(column, start + i)
				? NAN
				: drip_features_encode(f, feature, data + offsets[i],
						       (size_t)(offsets[i + 1] - offsets[i]));
	}
}

static int find_column(const struct drip_features *f, uint32_t feature,
		       const struct drip_schema *schema, struct drip_error *err)
{
	int index = drip_schema_find(schema, f->list[feature].name);
	enum feature_kind wanted = f->list[feature].category ? FEATURE_CATEGORY : FEATURE_NUMBER;
	const struct drip_column *column;

	if (index < 0) {
		return drip_error_set(err, -EINVAL, "model.missing_feature",
				      "table %s has no column %s, which the model needs",
				      schema->table, f->list[feature].name);
	}
	column = drip_schema_column(schema, (uint32_t)index);
	if (kind_of(column->type) != wanted) {
		return bad_type(schema, column,
				wanted == FEATURE_CATEGORY ? "a text" : "a number or time", err);
	}
	return index;
}

int drip_features_check(const struct drip_features *f, const struct drip_schema *schema,
			struct drip_error *err)
{
	for (uint32_t i = 0; i < f->count; i++) {
		int index = find_column(f, i, schema, err);

		if (index < 0) {
			return index;
		}
	}
	return 0;
}

int drip_features_rows(const struct drip_features *f, const struct drip_batch *batch, int64_t start,
		       int64_t count, double *ret_rows, struct drip_error *err)
{
	for (uint32_t i = 0; i < f->count; i++) {
		int index = find_column(f, i, batch->schema, err);
		const struct ArrowArray *column;

		if (index < 0) {
			return index;
		}
		column = batch->array.children[index];
		if (f->list[i].category) {
			convert_texts(f, i, column, start, count, ret_rows + i, f->count);
		} else {
			drip_features_numbers(column,
					      drip_schema_column(batch->schema, (uint32_t)index),
					      start, count, ret_rows + i, f->count);
		}
	}
	return 0;
}
