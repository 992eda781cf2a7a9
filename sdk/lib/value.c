/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values: reading one out of a batch. For code off the hot path: dead letters, tap, stdout.
 * format.c writes them as text. Thread: any.
 */
#include <dripline/batch.h>
#include <string.h>

bool drip_is_null(const struct ArrowArray *column, int64_t row)
{
	const uint8_t *bits = (const uint8_t *)column->buffers[0];
	int64_t i = column->offset + row;

	return bits != NULL && column->null_count != 0 && !((bits[i >> 3] >> (i & 7)) & 1);
}

static void get_fixed(const struct ArrowArray *column, int64_t i, struct drip_value *ret)
{
	const void *values = column->buffers[1];

	switch (ret->type) {
	case DRIP_TYPE_BOOL:
		ret->i = (((const uint8_t *)values)[i >> 3] >> (i & 7)) & 1;
		break;
	case DRIP_TYPE_INT8:
		ret->i = ((const int8_t *)values)[i];
		break;
	case DRIP_TYPE_INT16:
		ret->i = ((const int16_t *)values)[i];
		break;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_DATE:
		ret->i = ((const int32_t *)values)[i];
		break;
	case DRIP_TYPE_UINT8:
		ret->u = ((const uint8_t *)values)[i];
		break;
	case DRIP_TYPE_UINT16:
		ret->u = ((const uint16_t *)values)[i];
		break;
	case DRIP_TYPE_UINT32:
		ret->u = ((const uint32_t *)values)[i];
		break;
	case DRIP_TYPE_UINT64:
		ret->u = ((const uint64_t *)values)[i];
		break;
	case DRIP_TYPE_FLOAT32:
		ret->f = (double)((const float *)values)[i];
		break;
	case DRIP_TYPE_FLOAT64:
		ret->f = ((const double *)values)[i];
		break;
	case DRIP_TYPE_DECIMAL:
		ret->data = (const char *)values + i * 16;
		ret->size = 16;
		break;
	default:
		ret->i = ((const int64_t *)values)[i];
		break;
	}
}

void drip_value_get(const struct drip_batch *batch, uint32_t column, int64_t row,
		    struct drip_value *ret)
{
	const struct ArrowArray *array = batch->array.children[column];
	int64_t i = array->offset + row;

	memset(ret, 0, sizeof(*ret));
	if (drip_is_null(array, row)) {
		return;
	}
	ret->type = drip_schema_column(batch->schema, column)->type;
	if (drip_type_is_variable(ret->type)) {
		const int32_t *offsets = (const int32_t *)array->buffers[1];

		ret->data = (const char *)array->buffers[2] + offsets[i];
		ret->size = offsets[i + 1] - offsets[i];
		return;
	}
	get_fixed(array, i, ret);
}
