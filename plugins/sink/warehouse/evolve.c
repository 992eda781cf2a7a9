/* SPDX-License-Identifier: Apache-2.0 */
/* Widening: the narrowest type that holds every value of two types. Pure; thread: any. */
#include "private.h"

#include <errno.h>

/* Decimal digits that hold every value of an integer type; 0: not an integer. */
static int integer_digits(enum drip_type type)
{
	switch (type) {
	case DRIP_TYPE_INT8:
	case DRIP_TYPE_UINT8:
		return 3;
	case DRIP_TYPE_INT16:
	case DRIP_TYPE_UINT16:
		return 5;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_UINT32:
		return 10;
	case DRIP_TYPE_INT64:
		return 19;
	case DRIP_TYPE_UINT64:
		return 20;
	default:
		return 0;
	}
}

static bool is_unsigned(enum drip_type type)
{
	return type >= DRIP_TYPE_UINT8 && type <= DRIP_TYPE_UINT64;
}

static bool is_float(enum drip_type type)
{
	return type == DRIP_TYPE_FLOAT32 || type == DRIP_TYPE_FLOAT64;
}

static void set_decimal(struct drip_column *ret, int integer, int scale)
{
	ret->type = DRIP_TYPE_DECIMAL;
	ret->scale = scale;
	ret->precision = integer + scale;
}

static int widen_integers(enum drip_type a, enum drip_type b, struct drip_column *ret)
{
	static const enum drip_type wider[] = {DRIP_TYPE_INT16, DRIP_TYPE_INT32, DRIP_TYPE_INT64};
	enum drip_type big = integer_digits(a) >= integer_digits(b) ? a : b;

	if (is_unsigned(a) == is_unsigned(b)) {
		ret->type = big;
		return 0;
	}
	/* One signed, one not: signed, and wider than the unsigned one. */
	for (size_t i = 0; i < DRIP_COUNT(wider); i++) {
		enum drip_type u = is_unsigned(a) ? a : b, s = is_unsigned(a) ? b : a;

		if (integer_digits(wider[i]) > integer_digits(u) &&
		    integer_digits(wider[i]) >= integer_digits(s)) {
			ret->type = wider[i];
			return 0;
		}
	}
	set_decimal(ret, 20, 0);
	return 0;
}

static int widen_numbers(const struct drip_column *a, const struct drip_column *b,
			 struct drip_column *ret)
{
	int ai = integer_digits(a->type), bi = integer_digits(b->type), scale;

	if (is_float(a->type) || is_float(b->type)) {
		ret->type = a->type == b->type ? a->type : DRIP_TYPE_FLOAT64;
		return 0;
	}
	if (ai > 0 && bi > 0) {
		return widen_integers(a->type, b->type, ret);
	}
	ai = ai > 0 ? ai : a->precision - a->scale;
	bi = bi > 0 ? bi : b->precision - b->scale;
	scale = a->type != DRIP_TYPE_DECIMAL ||
				(b->type == DRIP_TYPE_DECIMAL && b->scale > a->scale)
			? b->scale
			: a->scale;
	if ((ai > bi ? ai : bi) + scale > 38) {
		ret->type = DRIP_TYPE_UTF8;
		return 0;
	}
	set_decimal(ret, ai > bi ? ai : bi, scale);
	return 0;
}

static bool is_number(enum drip_type type)
{
	return integer_digits(type) > 0 || is_float(type) || type == DRIP_TYPE_DECIMAL;
}

int wh_widen(const struct drip_column *a, const struct drip_column *b, struct drip_column *ret)
{
	*ret = *a;
	ret->precision = ret->scale = 0;
	if (a->type == b->type && a->type != DRIP_TYPE_DECIMAL) {
		return 0;
	}
	if (is_number(a->type) && is_number(b->type)) {
		return widen_numbers(a, b, ret);
	}
	if ((a->type == DRIP_TYPE_BINARY) != (b->type == DRIP_TYPE_BINARY)) {
		return -EINVAL;
	}
	if ((a->type == DRIP_TYPE_DATE && b->type == DRIP_TYPE_TIMESTAMP) ||
	    (a->type == DRIP_TYPE_TIMESTAMP && b->type == DRIP_TYPE_DATE)) {
		ret->type = DRIP_TYPE_TIMESTAMP;
		return 0;
	}
	ret->type = DRIP_TYPE_UTF8;
	return 0;
}
