/* SPDX-License-Identifier: Apache-2.0 */
/* Arrow arrays out of malloc'd buffers and out of columns. Releases are thread-safe: they only
 * free. */
#include "array.h"

#include <stdlib.h>
#include <string.h>

#define BUFFERS_MAX 3 /* validity, offsets or values, values */

struct column_private {
	const void *buffers[BUFFERS_MAX];
};

static void release_column(struct ArrowArray *array)
{
	for (int64_t i = 0; i < array->n_buffers; i++) {
		free((void *)(uintptr_t)array->buffers[i]);
	}
	free(array->private_data);
	array->release = NULL;
}

int drip_array_wrap(void *const *buffers, int count, int64_t length, int64_t null_count,
		    struct ArrowArray *ret, struct drip_error *err)
{
	struct column_private *p = (struct column_private *)calloc(1, sizeof(*p));

	if (p == NULL) {
		for (int i = 0; i < count; i++) {
			free(buffers[i]);
		}
		return drip_error_nomem(err, sizeof(*p));
	}
	for (int i = 0; i < count; i++) {
		p->buffers[i] = buffers[i];
	}
	*ret = (struct ArrowArray){
		.length = length,
		.null_count = null_count,
		.n_buffers = count,
		.buffers = p->buffers,
		.release = release_column,
		.private_data = p,
	};
	return 0;
}

struct struct_private {
	const void *validity;
	struct ArrowArray **children; /* points behind `items` */
	struct ArrowArray items[];
};

static void release_struct(struct ArrowArray *array)
{
	for (int64_t i = 0; i < array->n_children; i++) {
		if (array->children[i]->release != NULL) {
			array->children[i]->release(array->children[i]);
		}
	}
	free(array->private_data);
	array->release = NULL;
}

int drip_array_make_struct(struct ArrowArray *columns, uint32_t count, int64_t rows,
			   struct ArrowArray *ret, struct drip_error *err)
{
	size_t size = sizeof(struct struct_private) + count * (sizeof(*columns) + sizeof(void *));
	struct struct_private *p = (struct struct_private *)malloc(size);

	if (p == NULL) {
		drip_array_release_all(columns, count);
		return drip_error_nomem(err, size);
	}
	p->validity = NULL;
	p->children = (struct ArrowArray **)(void *)(p->items + count);
	for (uint32_t i = 0; i < count; i++) {
		p->items[i] = columns[i];
		p->children[i] = &p->items[i];
		columns[i].release = NULL;
	}
	*ret = (struct ArrowArray){
		.length = rows,
		.n_buffers = 1,
		.n_children = count,
		.buffers = &p->validity,
		.children = p->children,
		.release = release_struct,
		.private_data = p,
	};
	return 0;
}

void drip_array_release_all(struct ArrowArray *columns, uint32_t count)
{
	for (uint32_t i = 0; columns != NULL && i < count; i++) {
		if (columns[i].release != NULL) {
			columns[i].release(&columns[i]);
		}
	}
}

uint64_t drip_array_bytes(const struct ArrowArray *column, enum drip_type type)
{
	uint64_t rows = (uint64_t)column->length;
	uint64_t bytes = column->n_buffers > 0 && column->buffers[0] != NULL ? (rows + 7) / 8 : 0;

	if (drip_type_is_variable(type)) {
		const int32_t *offsets = (const int32_t *)column->buffers[1];

		if (offsets != NULL && rows > 0) {
			offsets += column->offset;
			bytes += (uint64_t)(offsets[rows] - offsets[0]);
		}
		return bytes + 4 * (rows + 1);
	}
	return bytes + (type == DRIP_TYPE_BOOL ? (rows + 7) / 8 : rows * drip_type_width(type));
}
