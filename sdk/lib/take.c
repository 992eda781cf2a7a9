/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies chosen rows of a batch into a new one: what filters, samplers and dead letters use. One
 * pass a column, with loops of fixed width so that the compiler keeps values in registers.
 */
#include "array.h"

#include <dripline/builder.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct take {
	const struct ArrowArray *from;
	const int64_t *rows;
	int64_t count;
};

static bool get_bit(const uint8_t *bits, int64_t i)
{
	return (bits[i >> 3] >> (i & 7)) & 1;
}

static void take_bits(const struct take *t, const uint8_t *bits, uint8_t *out)
{
	for (int64_t i = 0; i < t->count; i++) {
		if (get_bit(bits, t->from->offset + t->rows[i])) {
			out[i >> 3] |= (uint8_t)(1u << (i & 7));
		}
	}
}

#define TAKE_WIDTH(name, ctype)                                                                    \
	static void name(const struct take *t, const void *from, void *to)                         \
	{                                                                                          \
		const ctype *in = (const ctype *)from + t->from->offset;                           \
		ctype *out = (ctype *)to;                                                          \
		for (int64_t i = 0; i < t->count; i++) {                                           \
			out[i] = in[t->rows[i]];                                                   \
		}                                                                                  \
	}

TAKE_WIDTH(take_1, uint8_t)
TAKE_WIDTH(take_2, uint16_t)
TAKE_WIDTH(take_4, uint32_t)
TAKE_WIDTH(take_8, uint64_t)

static void take_16(const struct take *t, const void *from, void *to)
{
	const uint8_t *in = (const uint8_t *)from + t->from->offset * 16;

	for (int64_t i = 0; i < t->count; i++) {
		memcpy((uint8_t *)to + i * 16, in + t->rows[i] * 16, 16);
	}
}

static void *take_fixed(const struct take *t, uint32_t width)
{
	void *out;

	if (width == 0) {
		out = calloc(1, (size_t)t->count / 8 + 1);
		if (out != NULL && t->count > 0) {
			take_bits(t, (const uint8_t *)t->from->buffers[1], (uint8_t *)out);
		}
		return out;
	}
	out = malloc((size_t)t->count * width + 1);
	if (out == NULL || t->count == 0) {
		return out;
	}
	switch (width) {
	case 1:
		take_1(t, t->from->buffers[1], out);
		break;
	case 2:
		take_2(t, t->from->buffers[1], out);
		break;
	case 4:
		take_4(t, t->from->buffers[1], out);
		break;
	case 8:
		take_8(t, t->from->buffers[1], out);
		break;
	default:
		take_16(t, t->from->buffers[1], out);
		break;
	}
	return out;
}

/* Offsets to *ret_offsets and bytes to *ret_bytes, both malloc'd. */
static int take_variable(const struct take *t, void **ret_offsets, void **ret_bytes)
{
	const int32_t *in = (const int32_t *)t->from->buffers[1];
	const char *data = (const char *)t->from->buffers[2];
	int32_t *out = (int32_t *)malloc(((size_t)t->count + 1) * sizeof(*out));
	char *bytes;

	*ret_offsets = out;
	if (out == NULL) {
		return -ENOMEM;
	}
	out[0] = 0;
	in = in != NULL ? in + t->from->offset : in;
	for (int64_t i = 0; i < t->count; i++) {
		out[i + 1] = out[i] + (in[t->rows[i] + 1] - in[t->rows[i]]);
	}
	*ret_bytes = bytes = (char *)malloc((size_t)out[t->count] + 1);
	if (bytes == NULL) {
		return -ENOMEM;
	}
	for (int64_t i = 0; i < t->count; i++) {
		if (out[i + 1] != out[i]) {
			memcpy(bytes + out[i], data + in[t->rows[i]],
			       (size_t)(out[i + 1] - out[i]));
		}
	}
	return 0;
}

static int64_t take_validity(const struct take *t, void **ret)
{
	const uint8_t *bits = (const uint8_t *)t->from->buffers[0];
	int64_t valid = 0;
	uint8_t *out;

	*ret = NULL;
	if (bits == NULL || t->from->null_count == 0) {
		return 0;
	}
	*ret = out = (uint8_t *)calloc(1, (size_t)t->count / 8 + 1);
	if (out == NULL) {
		return -ENOMEM;
	}
	take_bits(t, bits, out);
	for (int64_t i = 0; i <= t->count / 8; i++) {
		valid += __builtin_popcount(out[i]);
	}
	return t->count - valid;
}

static int take_column(const struct take *t, enum drip_type type, struct ArrowArray *ret,
		       struct drip_error *err)
{
	bool variable = drip_type_is_variable(type);
	void *buffers[3] = {NULL, NULL, NULL};
	int64_t nulls = take_validity(t, &buffers[0]);
	int rc = nulls < 0 ? -ENOMEM : 0;

	if (rc == 0 && variable) {
		rc = take_variable(t, &buffers[1], &buffers[2]);
	} else if (rc == 0) {
		buffers[1] = take_fixed(t, drip_type_width(type));
		rc = buffers[1] != NULL ? 0 : -ENOMEM;
	}
	if (rc < 0) {
		for (int i = 0; i < 3; i++) {
			free(buffers[i]);
		}
		return drip_error_nomem(err, (size_t)t->count * 8);
	}
	return drip_array_wrap(buffers, variable ? 3 : 2, t->count, nulls, ret, err);
}

static int take_columns(const struct drip_batch *from, const int64_t *rows, int64_t count,
			struct ArrowArray *ret, struct drip_error *err)
{
	uint32_t columns_count = from->schema->columns_count;
	size_t size = (columns_count + 1) * sizeof(struct ArrowArray);
	struct ArrowArray *columns = (struct ArrowArray *)calloc(1, size);
	int rc = 0;

	if (columns == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; i < columns_count && rc == 0; i++) {
		struct take t = {from->array.children[i], rows, count};

		rc = take_column(&t, drip_schema_column(from->schema, i)->type, &columns[i], err);
	}
	if (rc == 0) {
		rc = drip_array_make_struct(columns, columns_count, count, ret, err);
	} else {
		drip_array_release_all(columns, columns_count);
	}
	free(columns);
	return rc;
}

static int check_rows(const struct drip_batch *from, const int64_t *rows, int64_t count,
		      struct drip_error *err)
{
	int64_t last = -1;

	for (int64_t i = 0; i < count; i++) {
		if (rows[i] <= last || rows[i] >= from->rows) {
			return drip_error_set(err, -EINVAL, "batch.malformed",
					      "cannot take row %lld of a batch of %lld after row "
					      "%lld",
					      (long long)rows[i], (long long)from->rows,
					      (long long)last);
		}
		last = rows[i];
	}
	if (from->kind != DRIP_BATCH_ROWS || count < 0) {
		return drip_error_set(err, -EINVAL, "batch.malformed",
				      "cannot take rows of a batch without rows");
	}
	return 0;
}

int drip_batch_take(const struct drip_batch *from, const int64_t *rows, int64_t count,
		    struct drip_batch **ret_batch, struct drip_error *err)
{
	struct ArrowArray array;
	uint8_t *ops = NULL;
	int rc = check_rows(from, rows, count, err);

	if (rc < 0) {
		return rc;
	}
	if (from->ops != NULL) {
		ops = (uint8_t *)malloc((size_t)count + 1);
		if (ops == NULL) {
			return drip_error_nomem(err, (size_t)count + 1);
		}
		for (int64_t i = 0; i < count; i++) {
			ops[i] = from->ops[rows[i]];
		}
	}
	rc = take_columns(from, rows, count, &array, err);
	if (rc < 0) {
		free(ops);
		return rc;
	}
	rc = drip_batch_create(from->schema, &array, ops, (enum drip_op)from->op, ret_batch, err);
	if (rc == 0) {
		drip_batch_copy_marks(*ret_batch, from);
	}
	return rc;
}

int drip_batch_keep_ops(const struct drip_batch *from, bool (*keeps)(enum drip_op op, void *data),
			void *data, struct drip_batch **ret_batch, int64_t *ret_left,
			struct drip_error *err)
{
	int64_t *rows, kept = 0;
	int rc;

	*ret_batch = NULL;
	*ret_left = 0;
	if (from->ops == NULL) {
		bool all = from->rows > 0 && keeps(from->op, data);

		*ret_batch = all ? drip_batch_ref(from) : NULL;
		*ret_left = all ? 0 : from->rows;
		return 0;
	}
	rows = malloc(((size_t)from->rows + 1) * sizeof(*rows));
	if (rows == NULL) {
		return drip_error_nomem(err, (size_t)from->rows * sizeof(*rows));
	}
	for (int64_t i = 0; i < from->rows; i++) {
		rows[kept] = i;
		kept += keeps(drip_batch_op(from, i), data);
	}
	*ret_left = from->rows - kept;
	if (*ret_left == 0 && kept > 0) {
		*ret_batch = drip_batch_ref(from);
		rc = 0;
	} else {
		rc = kept > 0 ? drip_batch_take(from, rows, kept, ret_batch, err) : 0;
	}
	free(rows);
	return rc;
}
