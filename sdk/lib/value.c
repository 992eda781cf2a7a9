/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single values: reading one out of a batch and writing it as text. For code off the hot path: dead
 * letters, tap, stdout. What drip_value_format writes, drip_append_text reads back. Thread: any.
 */
#include "calendar.h"

#include <dripline/batch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

/* ---- text ---- */

/* 128 bits have 39 digits; sign, point and a leading zero come to it. */
static int format_decimal(const struct drip_value *value, int scale, char *buf, size_t size)
{
	char text[64], *at = text + sizeof(text) - 1;
	__int128 signed_value;
	unsigned __int128 v;

	memcpy(&signed_value, value->data, sizeof(signed_value));
	v = signed_value < 0 ? -(unsigned __int128)signed_value : (unsigned __int128)signed_value;
	*at = '\0';
	for (int digits = 0; v != 0 || digits <= scale; digits++) {
		if (digits == scale && scale > 0) {
			*--at = '.';
		}
		*--at = (char)('0' + (int)(v % 10));
		v /= 10;
	}
	if (signed_value < 0) {
		*--at = '-';
	}
	return snprintf(buf, size, "%s", at);
}

/*
 * 15 (6 for float) significant digits give back every decimal of that length, so where they read
 * back equal they are the shortest form but for trailing zeros, which %g drops. Subnormal numbers
 * have fewer digits, and are searched from one digit on.
 */
static int format_float(double v, bool single, char *buf, size_t size)
{
	char text[40] = "";
	int digits = single ? 6 : 15, digits_max = single ? 9 : 17;
	double smallest = single ? 1.17549435e-38 : 2.2250738585072014e-308;

	if (isnan(v)) {
		return snprintf(buf, size, "nan");
	}
	if (isinf(v)) {
		return snprintf(buf, size, "%s", v < 0 ? "-inf" : "inf");
	}
	if (fabs(v) < smallest) {
		digits = 1;
	}
	for (; digits <= digits_max; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (single ? strtof(text, NULL) == (float)v : strtod(text, NULL) == v) {
			break;
		}
	}
	return snprintf(buf, size, "%s", text);
}

static int format_date(int64_t days, char *buf, size_t size)
{
	struct drip_date d = drip_date_from_days(days);

	return snprintf(buf, size, "%s%04lld-%02d-%02d", d.year < 0 ? "-" : "",
			(long long)llabs(d.year), d.month, d.day);
}

/* "HH:MM:SS" and as many fraction digits as the value or `scale` asks for. */
static int format_clock(uint64_t us, int scale, char *buf, size_t size)
{
	uint64_t seconds = us / DRIP_US_PER_SECOND, fraction = us % DRIP_US_PER_SECOND;
	char digits[8];
	int keep = 6;

	snprintf(digits, sizeof(digits), "%06u", (unsigned)fraction);
	while (keep > 0 && keep > scale && digits[keep - 1] == '0') {
		keep--;
	}
	return snprintf(buf, size, "%02llu:%02u:%02u%s%.*s", (unsigned long long)(seconds / 3600),
			(unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60),
			keep > 0 ? "." : "", keep, digits);
}

static int format_timestamp(int64_t us, int scale, const char *zone, char *buf, size_t size)
{
	int64_t days = us / DRIP_US_PER_DAY - (us % DRIP_US_PER_DAY < 0);
	char date[32], clock[32];

	format_date(days, date, sizeof(date));
	format_clock((uint64_t)(us - days * DRIP_US_PER_DAY), scale, clock, sizeof(clock));
	return snprintf(buf, size, "%sT%s%s", date, clock, zone);
}

static int format_duration(int64_t us, int scale, char *buf, size_t size)
{
	char clock[40];

	format_clock(us < 0 ? -(uint64_t)us : (uint64_t)us, scale, clock, sizeof(clock));
	return snprintf(buf, size, "%s%s", us < 0 ? "-" : "", clock);
}

static int format_hex(const struct drip_value *value, char *buf, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (int64_t i = 0; i < value->size && at + 2 < size; i++) {
		buf[at++] = digits[(uint8_t)value->data[i] >> 4];
		buf[at++] = digits[(uint8_t)value->data[i] & 15];
	}
	if (size > 0) {
		buf[at] = '\0';
	}
	return (int)(value->size * 2);
}

static int format_bytes(const struct drip_value *value, char *buf, size_t size)
{
	size_t length = (size_t)value->size;

	if (size > 0) {
		size_t fits = length < size - 1 ? length : size - 1;

		if (fits > 0) {
			memcpy(buf, value->data, fits);
		}
		buf[fits] = '\0';
	}
	return (int)length;
}

int drip_value_format(const struct drip_value *value, const struct drip_column *column, char *buf,
		      size_t size)
{
	int scale = column != NULL ? column->scale : 0;

	switch (value->type) {
	case DRIP_TYPE_NONE:
		return snprintf(buf, size, "%s", "");
	case DRIP_TYPE_BOOL:
		return snprintf(buf, size, "%s", value->i != 0 ? "true" : "false");
	case DRIP_TYPE_UINT8:
	case DRIP_TYPE_UINT16:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_UINT64:
		return snprintf(buf, size, "%llu", (unsigned long long)value->u);
	case DRIP_TYPE_FLOAT32:
	case DRIP_TYPE_FLOAT64:
		return format_float(value->f, value->type == DRIP_TYPE_FLOAT32, buf, size);
	case DRIP_TYPE_DECIMAL:
		return format_decimal(value, scale, buf, size);
	case DRIP_TYPE_UTF8:
	case DRIP_TYPE_JSON:
	case DRIP_TYPE_UUID:
		return format_bytes(value, buf, size);
	case DRIP_TYPE_BINARY:
		return format_hex(value, buf, size);
	case DRIP_TYPE_DATE:
		return format_date(value->i, buf, size);
	case DRIP_TYPE_TIME:
		return format_clock((uint64_t)value->i, scale, buf, size);
	case DRIP_TYPE_TIMESTAMP:
		return format_timestamp(value->i, scale, "", buf, size);
	case DRIP_TYPE_TIMESTAMP_UTC:
		return format_timestamp(value->i, scale, "Z", buf, size);
	case DRIP_TYPE_DURATION:
		return format_duration(value->i, scale, buf, size);
	default:
		return snprintf(buf, size, "%lld", (long long)value->i);
	}
}
