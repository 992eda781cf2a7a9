/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the SDK library: making Arrow arrays out of malloc'd buffers and out of columns. */
#ifndef DRIPLINE_SDK_ARRAY_H
#define DRIPLINE_SDK_ARRAY_H

#include <dripline/batch.h>

/* (gives) *ret over `count` malloc'd buffers (takes each, also on failure; NULL is accepted). */
int drip_array_wrap(void *const *buffers, int count, int64_t length, int64_t null_count,
		    struct ArrowArray *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) *ret, a struct array of `count` columns (takes each, also on failure). */
int drip_array_make_struct(struct ArrowArray *columns, uint32_t count, int64_t rows,
			   struct ArrowArray *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Releases those of `columns` that are not released. */
void drip_array_release_all(struct ArrowArray *columns, uint32_t count);
/* Bytes that the column's rows take up. */
uint64_t drip_array_bytes(const struct ArrowArray *column, enum drip_type type);
/* Op, marks and position of `from`. */
void drip_batch_copy_marks(struct drip_batch *to, const struct drip_batch *from);

#endif
