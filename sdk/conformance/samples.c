/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas of many kinds, and rows for any schema. */
#include "conformance.h"

#include <stdlib.h>
#include <string.h>

static const char *const schemas[][2] = {
	{"shop.orders",
	 "id int64 key, name utf8 null, price decimal(12,2) null, at timestamp null"},
	{"shop.all_types",
	 "id int64 key, b bool null, i8 int8 null, i16 int16 null, i32 int32 null, u8 uint8 null, "
	 "u16 uint16 null, u32 uint32 null, u64 uint64 null, f32 float32 null, f64 float64 null, "
	 "d decimal(38,10) null, s utf8 null, x binary null, day date null, t time null, "
	 "ts timestamp null, tz timestamp_utc null, dur duration null, j json null, u uuid null"},
	{"people", "id utf8 key, phone utf8 null restricted, mail utf8 null confidential, "
		   "city utf8 null internal"},
	{"shop.no_key", "id int32, note utf8 null"},
	{"shop.two_keys", "id int64 key, line int16 key, amount decimal(9,4)"},
	{"odd.table-with-dash",
	 "id int64 key, select utf8 null, Straße utf8 null, a\"b int32 null"},
	{"shop.one", "id int64"},
};

struct drip_schema *conf_schema(int index)
{
	if (index < 0 || (size_t)index >= DRIP_COUNT(schemas)) {
		return NULL;
	}
	return drip_test_schema(schemas[index][0], schemas[index][1]);
}

/* A text that drip_append_text takes for the type; `n` makes it another. */
static const char *text_of(enum drip_type type, int n, char *buf, size_t size)
{
	static const char *const texts[][3] = {
		[DRIP_TYPE_BOOL] = {"true", "false", "true"},
		[DRIP_TYPE_FLOAT32] = {"0.5", "-1.25", "3"},
		[DRIP_TYPE_FLOAT64] = {"0.1", "-2.5e10", "1e-300"},
		[DRIP_TYPE_DECIMAL] = {"1.5", "-20", "0.25"},
		[DRIP_TYPE_UTF8] = {"one", "na\xc3\xafve, \"quoted\"\n", ""},
		[DRIP_TYPE_BINARY] = {"00ff", "", "0a"},
		[DRIP_TYPE_DATE] = {"2024-02-29", "1969-12-31", "2026-01-01"},
		[DRIP_TYPE_TIME] = {"08:30:00", "23:59:59.999999", "00:00:00"},
		[DRIP_TYPE_TIMESTAMP] = {"2024-02-29T08:30:00", "1969-12-31T23:59:59.5",
					 "2026-01-01T00:00:00"},
		[DRIP_TYPE_TIMESTAMP_UTC] = {"2024-02-29T08:30:00Z", "1969-12-31T23:59:59.5Z",
					     "2026-01-01T00:00:00Z"},
		[DRIP_TYPE_DURATION] = {"00:00:01", "-12:34:56.5", "100:00:00"},
		[DRIP_TYPE_JSON] = {"{\"a\":[1,null]}", "\"text\"", "0"},
		[DRIP_TYPE_UUID] = {"6ba7b810-9dad-11d1-80b4-00c04fd430c8",
				    "00000000-0000-0000-0000-000000000000",
				    "ffffffff-ffff-ffff-ffff-ffffffffffff"},
	};

	if (type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_UINT64) {
		snprintf(buf, size, "%d", n % 100);
		return buf;
	}
	return texts[type][n % 3];
}

static void append(struct drip_builder *b, uint32_t index, int row)
{
	const struct drip_column *column = drip_schema_column(b->schema, index);
	struct drip_error err = DRIP_ERROR_INIT;
	const char *text;
	char buf[64];
	int rc;

	if ((column->flags & DRIP_COLUMN_NULLABLE) != 0 && (row + (int)index) % 4 == 3) {
		drip_append_null(&b->columns[index]);
		return;
	}
	text = text_of(column->type, row, buf, sizeof(buf));
	if ((column->flags & DRIP_COLUMN_KEY) != 0 && column->type == DRIP_TYPE_UTF8) {
		snprintf(buf, sizeof(buf), "key-%d", row);
		text = buf;
	}
	rc = drip_append_text(&b->columns[index], column, text, (int64_t)strlen(text), &err);
	if (rc < 0) {
		drip_append_null(&b->columns[index]);
	}
}

struct drip_batch *conf_batch(const struct drip_schema *schema, int rows, bool changes,
			      uint64_t position)
{
	static const char ops[] = {'i', 'u', 'd', 'i'};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *batch = NULL;
	struct drip_builder b;

	if (drip_builder_init(&b, schema, &err) < 0) {
		abort();
	}
	for (int row = 0; row < rows; row++) {
		for (uint32_t i = 0; i < b.columns_count; i++) {
			append(&b, i, row);
		}
		drip_builder_row(&b, changes ? (enum drip_op)ops[row % 4] : DRIP_OP_INSERT);
	}
	if (drip_builder_build(&b, &batch, &err) < 0) {
		abort();
	}
	drip_builder_finish(&b);
	batch->position = drip_test_position(position);
	batch->boundary = true;
	batch->commit_time_us = INT64_C(1767225600000000) + (int64_t)position;
	return batch;
}
