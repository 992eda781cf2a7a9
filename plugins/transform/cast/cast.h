/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the transform `cast`. One thread. */
#ifndef DRIPLINE_CAST_H
#define DRIPLINE_CAST_H

#include <dripline/dripline.h>

enum cast_way {
	CAST_SHARE,         /* the same bytes mean the same */
	CAST_NUMBERS,       /* lanes of 128-bit integers, or of doubles */
	CAST_FORMAT,        /* anything to text */
	CAST_PARSE,         /* text to anything */
	CAST_BYTES_TO_TEXT, /* must be UTF-8 */
};

enum cast_scaling { CAST_KEEP, CAST_MULTIPLY, CAST_DIVIDE_ROUND, CAST_DIVIDE_FLOOR, CAST_MODULO };

/* How one column becomes another type. */
struct cast_conversion {
	enum cast_way way;
	struct drip_column from, to; /* strings borrowed from their schemas */
	enum cast_scaling scaling;
	__int128 factor, low, high; /* of integers: after scaling they must lie in [low, high] */
	double fraction;            /* of doubles: what one unit of the integer is worth */
};

/*
 * Works out how `from` becomes `to`; `epoch_unit` is the worth in microseconds of an integer that
 * stands for a time. False where there is no such conversion.
 */
bool cast_plan(const struct drip_column *from, const struct drip_column *to, int64_t epoch_unit,
	       struct cast_conversion *ret);

/*
 * (gives) *ret, column `index` of `batch` in the new type. A value that cannot be converted becomes
 * null and its byte of `bad` (one a row) 1; bytes are never cleared.
 */
int cast_convert(const struct cast_conversion *c, const struct drip_batch *batch, uint32_t index,
		 uint8_t *bad, struct ArrowArray *ret, struct drip_error *err) DRIP_MUST_CHECK;

#endif
