/* SPDX-License-Identifier: Apache-2.0 */
/* Types, both ways. What Arrow as Dripline uses it cannot carry is read as text. Pure; thread: any.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	enum drip_type type;
	duckdb_type duck;
	const char *name;
} types[] = {
	{DRIP_TYPE_BOOL, DUCKDB_TYPE_BOOLEAN, "BOOLEAN"},
	{DRIP_TYPE_INT8, DUCKDB_TYPE_TINYINT, "TINYINT"},
	{DRIP_TYPE_INT16, DUCKDB_TYPE_SMALLINT, "SMALLINT"},
	{DRIP_TYPE_INT32, DUCKDB_TYPE_INTEGER, "INTEGER"},
	{DRIP_TYPE_INT64, DUCKDB_TYPE_BIGINT, "BIGINT"},
	{DRIP_TYPE_UINT8, DUCKDB_TYPE_UTINYINT, "UTINYINT"},
	{DRIP_TYPE_UINT16, DUCKDB_TYPE_USMALLINT, "USMALLINT"},
	{DRIP_TYPE_UINT32, DUCKDB_TYPE_UINTEGER, "UINTEGER"},
	{DRIP_TYPE_UINT64, DUCKDB_TYPE_UBIGINT, "UBIGINT"},
	{DRIP_TYPE_FLOAT32, DUCKDB_TYPE_FLOAT, "FLOAT"},
	{DRIP_TYPE_FLOAT64, DUCKDB_TYPE_DOUBLE, "DOUBLE"},
	{DRIP_TYPE_UTF8, DUCKDB_TYPE_VARCHAR, "VARCHAR"},
	{DRIP_TYPE_BINARY, DUCKDB_TYPE_BLOB, "BLOB"},
	{DRIP_TYPE_DATE, DUCKDB_TYPE_DATE, "DATE"},
	{DRIP_TYPE_TIME, DUCKDB_TYPE_TIME, "TIME"},
	{DRIP_TYPE_TIMESTAMP, DUCKDB_TYPE_TIMESTAMP, "TIMESTAMP"},
	{DRIP_TYPE_TIMESTAMP_UTC, DUCKDB_TYPE_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE"},
	{DRIP_TYPE_DURATION, DUCKDB_TYPE_INTERVAL, "INTERVAL"},
	{DRIP_TYPE_JSON, DUCKDB_TYPE_VARCHAR, "JSON"},
	{DRIP_TYPE_UUID, DUCKDB_TYPE_UUID, "UUID"},
};

/* Precision and scale that DuckDB takes. */
static void decimal_size(const struct drip_column *column, int *ret_precision, int *ret_scale)
{
	*ret_precision = column->precision > 0 && column->precision <= 38 ? column->precision : 38;
	*ret_scale = column->scale >= 0 && column->scale <= *ret_precision ? column->scale : 0;
}

int drip_duck_type_name(const struct drip_column *column, char *buf, size_t size)
{
	if (column->type == DRIP_TYPE_DECIMAL) {
		int precision, scale;

		decimal_size(column, &precision, &scale);
		return snprintf(buf, size, "DECIMAL(%d,%d)", precision, scale) < (int)size
			       ? 0
			       : -ENOSPC;
	}
	for (size_t i = 0; i < DRIP_COUNT(types); i++) {
		if (types[i].type == column->type) {
			return snprintf(buf, size, "%s", types[i].name) < (int)size ? 0 : -ENOSPC;
		}
	}
	return -ENOTSUP;
}

duckdb_logical_type drip_duck_logical(const struct drip_column *column)
{
	if (column->type == DRIP_TYPE_DECIMAL) {
		int precision, scale;

		decimal_size(column, &precision, &scale);
		return duckdb_create_decimal_type((uint8_t)precision, (uint8_t)scale);
	}
	for (size_t i = 0; i < DRIP_COUNT(types); i++) {
		if (types[i].type == column->type) {
			return duckdb_create_logical_type(types[i].duck);
		}
	}
	return NULL;
}

static bool is_json(duckdb_logical_type type)
{
	char *alias = duckdb_logical_type_get_alias(type);
	bool json = alias != NULL && strcmp(alias, "JSON") == 0;

	duckdb_free(alias);
	return json;
}

static void set(struct drip_column *ret, enum drip_type type, const char **ret_cast,
		const char *cast)
{
	ret->type = type;
	*ret_cast = cast;
}

/* Types with no counterpart: the nearest that keeps the value. */
static void set_foreign(duckdb_type id, struct drip_column *ret, const char **ret_cast)
{
	switch ((int)id) {
	case DUCKDB_TYPE_HUGEINT:
		set(ret, DRIP_TYPE_DECIMAL, ret_cast, NULL);
		ret->precision = 38;
		break;
	case DUCKDB_TYPE_TIMESTAMP_S:
	case DUCKDB_TYPE_TIMESTAMP_MS:
	case DUCKDB_TYPE_TIMESTAMP_NS:
		set(ret, DRIP_TYPE_TIMESTAMP, ret_cast, "CAST(%s AS TIMESTAMP)");
		break;
	case DUCKDB_TYPE_TIME_NS:
		set(ret, DRIP_TYPE_TIME, ret_cast, "CAST(%s AS TIME)");
		break;
	case DUCKDB_TYPE_UUID:
		set(ret, DRIP_TYPE_UUID, ret_cast, "CAST(%s AS VARCHAR)");
		break;
	case DUCKDB_TYPE_LIST:
	case DUCKDB_TYPE_STRUCT:
	case DUCKDB_TYPE_MAP:
	case DUCKDB_TYPE_ARRAY:
	case DUCKDB_TYPE_UNION:
		set(ret, DRIP_TYPE_JSON, ret_cast, "CAST(to_json(%s) AS VARCHAR)");
		break;
	default:
		set(ret, DRIP_TYPE_UTF8, ret_cast, "CAST(%s AS VARCHAR)");
		break;
	}
}

void drip_duck_column_type(duckdb_logical_type type, struct drip_column *ret, const char **ret_cast)
{
	duckdb_type id = duckdb_get_type_id(type);

	ret->precision = ret->scale = 0;
	if (id == DUCKDB_TYPE_DECIMAL) {
		set(ret, DRIP_TYPE_DECIMAL, ret_cast, NULL);
		ret->precision = duckdb_decimal_width(type);
		ret->scale = duckdb_decimal_scale(type);
		return;
	}
	if (id == DUCKDB_TYPE_VARCHAR && is_json(type)) {
		set(ret, DRIP_TYPE_JSON, ret_cast, NULL);
		return;
	}
	for (size_t i = 0; i < DRIP_COUNT(types); i++) {
		if (types[i].duck == id && id != DUCKDB_TYPE_UUID) {
			set(ret, types[i].type, ret_cast, NULL);
			return;
		}
	}
	set_foreign(id, ret, ret_cast);
}
