/* SPDX-License-Identifier: Apache-2.0 */
/* Batches and builders: sharing, cutting, taking, counting, and what is refused. */
#include "lib/test.h"

#include <dripline/test.h>
#include <errno.h>

#define COLUMNS                                                                                    \
	"id int64 key, flag bool null, small int8, price decimal(20,2) null, name utf8 null, "     \
	"raw binary, at timestamp_utc, ratio float32, n uint16"
#define ROW_1 "i|1|true|-5|12.50|one|0102|2024-01-02T03:04:05Z|0.5|7\n"
#define ROW_2 "u|2|NULL|6|NULL|NULL||2024-01-02T03:04:06Z|1.5|8\n"
#define ROW_3 "d|3|false|7|-0.01|three|ff|1969-12-31T23:59:59Z|-2|65535\n"

static struct drip_batch *sample(void)
{
	struct drip_schema *s = drip_test_schema("shop.orders", COLUMNS);
	struct drip_batch *b = drip_test_batch(s, ROW_1 ROW_2 ROW_3);

	drip_schema_unref(s);
	b->position = drip_test_position(42);
	b->commit_time_us = 99;
	b->snapshot = true;
	b->sequence = 5;
	return b;
}

static void check_text(const struct drip_batch *b, const char *expected)
{
	char *text = drip_test_batch_text(b);

	CHECK_EQ_STR(text, expected);
	free(text);
}

TEST(holds_what_was_put_in)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample();

	CHECK_OK(drip_batch_validate(b, &err), &err);
	CHECK_EQ_INT(b->rows, 3);
	CHECK_EQ_INT(drip_batch_op(b, 1), 'u');
	check_text(b, "shop.orders\n" ROW_1 ROW_2 ROW_3);
	CHECK(drip_is_null(b->array.children[1], 1));
	CHECK_EQ_INT(b->array.children[1]->null_count, 1);
	CHECK(!drip_is_null(b->array.children[1], 0));
	/* 9 columns: values, validity of three, offsets and bytes of two, ops. */
	CHECK_EQ_UINT(b->bytes,
		      24 + (1 + 1) + 3 + (48 + 1) + (16 + 8 + 1) + (16 + 3) + 24 + 12 + 6 + 3);
	CHECK_EQ_PTR(drip_batch_ref(b), b);
	drip_batch_unref(b);
	drip_batch_unref(b);
	drip_batch_unref(NULL);
}

TEST(slices_share)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample(), *s = NULL, *t = NULL;

	REQUIRE_OK(drip_batch_slice(b, 1, 2, &s, &err), &err);
	CHECK_OK(drip_batch_validate(s, &err), &err);
	check_text(s, "shop.orders\n" ROW_2 ROW_3);
	CHECK(s->boundary);
	CHECK_EQ_INT(s->commit_time_us, 99);
	CHECK_EQ_INT(s->sequence, 5);
	CHECK_EQ_STR(s->position.text, "42");
	CHECK_EQ_PTR(s->array.children[0]->buffers[1], b->array.children[0]->buffers[1]);
	REQUIRE_OK(drip_batch_slice(s, 0, 1, &t, &err), &err);
	drip_batch_unref(b);
	drip_batch_unref(s);
	check_text(t, "shop.orders\n" ROW_2);
	CHECK(!t->boundary);
	drip_batch_unref(t);
}

TEST(slice_refuses_what_is_not_there)
{
	static const int64_t bad[][2] = {{-1, 1}, {0, 4}, {3, 1}, {2, -1}, {INT64_MAX, 1}};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample(), *s = NULL;

	for (size_t i = 0; i < DRIP_COUNT(bad); i++) {
		CHECK_EQ_INT(drip_batch_slice(b, bad[i][0], bad[i][1], &s, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "batch.malformed");
	}
	REQUIRE_OK(drip_batch_slice(b, 3, 0, &s, &err), &err);
	CHECK_EQ_INT(s->rows, 0);
	CHECK_OK(drip_batch_validate(s, &err), &err);
	drip_batch_unref(s);
	drip_batch_unref(b);
}

TEST(takes_rows)
{
	const int64_t rows[] = {0, 2};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample(), *s = NULL, *t = NULL, *all = NULL;

	REQUIRE_OK(drip_batch_take(b, rows, 2, &t, &err), &err);
	CHECK_OK(drip_batch_validate(t, &err), &err);
	check_text(t, "shop.orders\n" ROW_1 ROW_3);
	CHECK_EQ_INT(t->array.children[1]->null_count, 0);
	CHECK_EQ_INT(t->commit_time_us, 99);
	drip_batch_unref(t);
	/* Of a slice: offsets count. */
	REQUIRE_OK(drip_batch_slice(b, 1, 2, &s, &err), &err);
	REQUIRE_OK(drip_batch_take(s, rows, 1, &t, &err), &err);
	check_text(t, "shop.orders\n" ROW_2);
	CHECK_EQ_INT(t->array.children[3]->null_count, 1);
	drip_batch_unref(t);
	REQUIRE_OK(drip_batch_take(b, NULL, 0, &all, &err), &err);
	CHECK_EQ_INT(all->rows, 0);
	CHECK_OK(drip_batch_validate(all, &err), &err);
	drip_batch_unref(all);
	drip_batch_unref(s);
	drip_batch_unref(b);
}

TEST(take_refuses_rows_out_of_order)
{
	const int64_t twice[] = {1, 1}, back[] = {2, 0}, beyond[] = {3}, negative[] = {-1};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample(), *t = NULL;

	CHECK_EQ_INT(drip_batch_take(b, twice, 2, &t, &err), -EINVAL);
	CHECK_EQ_INT(drip_batch_take(b, back, 2, &t, &err), -EINVAL);
	CHECK_EQ_INT(drip_batch_take(b, beyond, 1, &t, &err), -EINVAL);
	CHECK_EQ_INT(drip_batch_take(b, negative, 1, &t, &err), -EINVAL);
	drip_batch_unref(b);
}

TEST(derives_with_shared_columns)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample(), *d = NULL;
	struct drip_schema *s = drip_test_schema("dwh.o", "name utf8 null, id int64 key");
	struct ArrowArray columns[2];

	REQUIRE_OK(drip_column_share(b, 4, &columns[0], &err), &err);
	REQUIRE_OK(drip_column_share(b, 0, &columns[1], &err), &err);
	REQUIRE_OK(drip_batch_derive(b, s, columns, &d, &err), &err);
	drip_batch_unref(b);
	CHECK_OK(drip_batch_validate(d, &err), &err);
	check_text(d, "dwh.o\ni|one|1\nu|NULL|2\nd|three|3\n");
	CHECK(d->snapshot && d->boundary);
	CHECK_EQ_INT(d->commit_time_us, 99);
	drip_batch_unref(d);
	drip_schema_unref(s);
}

TEST(derive_refuses_columns_of_another_length)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample(), *d = NULL;
	struct drip_schema *s = drip_test_schema("o", "id int64");
	struct drip_column_builder c;
	struct ArrowArray column;

	REQUIRE_OK(drip_column_builder_init(&c, DRIP_TYPE_INT64, 4, &err), &err);
	drip_append_i64(&c, 1);
	REQUIRE_OK(drip_column_builder_build(&c, &column, &err), &err);
	CHECK_EQ_INT(drip_batch_derive(b, s, &column, &d, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "batch.malformed");
	CHECK_EQ_INT(drip_column_share(b, 9, &column, &err), -EINVAL);
	drip_batch_unref(b);
	drip_schema_unref(s);
}

TEST(control_batches)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s = drip_test_schema("shop.orders", "id int64");
	struct drip_schema *t = drip_test_schema("dwh.o", "id int64");
	struct drip_batch *b = NULL, *d = NULL;

	REQUIRE_OK(drip_batch_create_control(DRIP_BATCH_TRUNCATE, s, &b, &err), &err);
	b->boundary = true;
	b->commit_time_us = 7;
	CHECK_OK(drip_batch_validate(b, &err), &err);
	check_text(b, "TRUNCATE shop.orders\n");
	REQUIRE_OK(drip_batch_derive(b, t, NULL, &d, &err), &err);
	check_text(d, "TRUNCATE dwh.o\n");
	CHECK(d->boundary);
	CHECK_EQ_INT(d->commit_time_us, 7);
	CHECK_EQ_INT(drip_batch_slice(b, 0, 0, &d, &err), -EINVAL);
	CHECK_EQ_INT(drip_batch_take(b, NULL, 0, &d, &err), -EINVAL);
	drip_batch_unref(d);
	drip_batch_unref(b);
	REQUIRE_OK(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &b, &err), &err);
	CHECK_OK(drip_batch_validate(b, &err), &err);
	check_text(b, "MARK\n");
	drip_batch_unref(b);
	CHECK_EQ_INT(drip_batch_create_control(DRIP_BATCH_DROP, NULL, &b, &err), -EINVAL);
	CHECK_EQ_INT(drip_batch_create_control(DRIP_BATCH_ROWS, s, &b, &err), -EINVAL);
	drip_schema_unref(s);
	drip_schema_unref(t);
}

TEST(validate_finds_broken_batches)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *b = sample();
	struct ArrowArray *name = b->array.children[4];
	const void *offsets = name->buffers[1];
	const int32_t falling[] = {0, 5, 3, 8};

	name->buffers[1] = falling;
	CHECK_EQ_INT(drip_batch_validate(b, &err), -EINVAL);
	CHECK_CONTAINS(err.message, "column name: its offsets do not ascend");
	name->buffers[1] = offsets;
	name->length = 2;
	CHECK_EQ_INT(drip_batch_validate(b, &err), -EINVAL);
	name->length = 3;
	name->n_buffers = 2;
	CHECK_EQ_INT(drip_batch_validate(b, &err), -EINVAL);
	name->n_buffers = 3;
	((uint8_t *)(uintptr_t)b->ops)[1] = 'x';
	CHECK_EQ_INT(drip_batch_validate(b, &err), -EINVAL);
	CHECK_CONTAINS(err.message, "unknown op");
	((uint8_t *)(uintptr_t)b->ops)[1] = 'u';
	b->position.order_size = DRIP_POSITION_ORDER_MAX + 1;
	CHECK_EQ_INT(drip_batch_validate(b, &err), -EINVAL);
	b->position.order_size = 8;
	b->kind = (enum drip_batch_kind)9;
	CHECK_EQ_INT(drip_batch_validate(b, &err), -EINVAL);
	b->kind = DRIP_BATCH_ROWS;
	CHECK_OK(drip_batch_validate(b, &err), &err);
	drip_batch_unref(b);
}

TEST(positions_compare_as_bytes)
{
	struct drip_position a = drip_test_position(1), b = drip_test_position(256);
	struct drip_position c = {.struct_size = sizeof(c)};

	CHECK_LT_INT(drip_position_compare(&a, &b), 0);
	CHECK_GT_INT(drip_position_compare(&b, &a), 0);
	CHECK_EQ_INT(drip_position_compare(&a, &a), 0);
	CHECK_LT_INT(drip_position_compare(&c, &a), 0);
	drip_position_add_u64(&b, 0);
	a = drip_test_position(256);
	CHECK_LT_INT(drip_position_compare(&a, &b), 0);
	for (int i = 0; i < 100; i++) {
		drip_position_add_u64(&c, 1);
	}
	CHECK_EQ_INT(c.order_size, DRIP_POSITION_ORDER_MAX);
}

/* ---- builders ---- */

TEST(builder_grows_and_is_reused)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s = drip_test_schema("t", "a int32 null, b utf8 null, c bool null");
	struct drip_builder b;
	struct drip_batch *batch = NULL;
	struct drip_value v;

	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	for (int round = 0; round < 3; round++) {
		int rows = round == 1 ? 3 : 5000;

		for (int i = 0; i < rows; i++) {
			char text[16];
			int size = snprintf(text, sizeof(text), "v%d", i);

			if (i % 7 == 3) {
				drip_append_null(&b.columns[0]);
				drip_append_null(&b.columns[1]);
				drip_append_null(&b.columns[2]);
			} else {
				drip_append_i32(&b.columns[0], i);
				drip_append_bytes(&b.columns[1], text, size);
				drip_append_bool(&b.columns[2], i % 2 == 0);
			}
			drip_builder_row(&b, i == 4000 ? DRIP_OP_DELETE : DRIP_OP_INSERT);
		}
		CHECK_GT_INT(drip_builder_bytes(&b), rows * 6);
		REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
		CHECK_OK(drip_batch_validate(batch, &err), &err);
		CHECK_EQ_INT(batch->rows, rows);
		CHECK_EQ_INT(batch->array.children[0]->null_count, rows == 3 ? 0 : 714);
		CHECK((batch->ops != NULL) == (rows == 5000));
		for (int i = 0; i < rows; i += 997) {
			drip_value_get(batch, 0, i, &v);
			CHECK_EQ_INT(v.type, i % 7 == 3 ? DRIP_TYPE_NONE : DRIP_TYPE_INT32);
			CHECK_EQ_INT(v.i, i % 7 == 3 ? 0 : i);
		}
		if (rows == 5000) {
			CHECK_EQ_INT(drip_batch_op(batch, 4000), 'd');
			CHECK_EQ_INT(drip_batch_op(batch, 3999), 'i');
			CHECK_EQ_INT(drip_batch_op(batch, 4001), 'i');
		}
		drip_batch_unref(batch);
	}
	drip_builder_finish(&b);
	drip_builder_finish(&b);
	drip_schema_unref(s);
}

TEST(builder_rewinds_an_unfinished_row)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s = drip_test_schema("t", "a int32 null, b utf8 null");
	struct drip_builder b;
	struct drip_batch *batch = NULL;

	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	drip_append_null(&b.columns[0]);
	drip_append_bytes(&b.columns[1], "kept", 4);
	drip_builder_row(&b, DRIP_OP_READ);
	drip_append_null(&b.columns[0]);
	drip_append_bytes(&b.columns[1], "dropped", 7);
	drip_builder_rewind(&b);
	drip_append_i32(&b.columns[0], 2);
	drip_append_null(&b.columns[1]);
	drip_builder_row(&b, DRIP_OP_READ);
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	CHECK_EQ_INT(batch->array.children[0]->null_count, 1);
	check_text(batch, "t\nr|NULL|kept\nr|2|NULL\n");
	drip_batch_unref(batch);
	drip_builder_finish(&b);
	drip_schema_unref(s);
}

TEST(builder_refuses_ragged_rows)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s = drip_test_schema("t", "a int32, b int32");
	struct drip_builder b;
	struct drip_batch *batch = NULL;

	REQUIRE_OK(drip_builder_init(&b, s, &err), &err);
	drip_append_i32(&b.columns[0], 2);
	drip_builder_row(&b, DRIP_OP_READ);
	CHECK_EQ_INT(drip_builder_build(&b, &batch, &err), -EINVAL);
	CHECK_EQ_STR(err.message, "column b of table t got 0 values for 1 rows");
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err); /* it is empty again */
	CHECK_EQ_INT(batch->rows, 0);
	CHECK_OK(drip_batch_validate(batch, &err), &err);
	drip_batch_unref(batch);
	drip_builder_finish(&b);
	drip_schema_unref(s);
}

TEST(columns_are_bounded)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column_builder c;
	struct ArrowArray array;

	REQUIRE_OK(drip_column_builder_init(&c, DRIP_TYPE_UTF8, 0, &err), &err);
	drip_append_bytes(&c, "x", 1);
	CHECK_NULL(drip_append_reserve(&c, DRIP_BUILDER_BYTES_MAX));
	drip_append_bytes(&c, "y", 1); /* ignored from here on */
	CHECK_EQ_INT(c.length, 1);
	CHECK_EQ_INT(drip_column_builder_build(&c, &array, &err), -EOVERFLOW);
	CHECK_EQ_STR(err.code, "batch.too_large");
	CHECK_EQ_INT(drip_column_builder_init(&c, DRIP_TYPE_NONE, 0, &err), -EINVAL);
}

TEST(fixed_values_of_any_width)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column_builder c;
	struct ArrowArray array;
	const __int128 v = -5;
	uint8_t *room;

	REQUIRE_OK(drip_column_builder_init(&c, DRIP_TYPE_DECIMAL, 1, &err), &err);
	drip_append_fixed(&c, &v);
	REQUIRE_OK(drip_column_builder_build(&c, &array, &err), &err);
	CHECK_EQ_MEM(array.buffers[1], &v, 16);
	array.release(&array);
	REQUIRE_OK(drip_column_builder_init(&c, DRIP_TYPE_BINARY, 1, &err), &err);
	room = drip_append_reserve(&c, 100);
	REQUIRE_NOT_NULL(room);
	memcpy(room, "abc", 3);
	drip_append_written(&c, 3);
	REQUIRE_OK(drip_column_builder_build(&c, &array, &err), &err);
	CHECK_EQ_INT(((const int32_t *)array.buffers[1])[1], 3);
	array.release(&array);
}

static bool is_op(enum drip_op op, void *data)
{
	return op == *(const enum drip_op *)data;
}

TEST(keeps_rows_by_op)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s = drip_test_schema("t", "id int64 key");
	struct drip_batch *mixed = drip_test_batch(s, "i|1\nd|2\ni|3\n");
	struct drip_batch *same = drip_test_batch(s, "i|1\ni|2\n"), *kept = NULL;
	enum drip_op op = DRIP_OP_INSERT;
	int64_t left = -1;

	REQUIRE_OK(drip_batch_keep_ops(mixed, is_op, &op, &kept, &left, &err), &err);
	CHECK_EQ_INT(kept->rows, 2);
	CHECK_EQ_INT(left, 1);
	drip_batch_unref(kept);
	REQUIRE_OK(drip_batch_keep_ops(same, is_op, &op, &kept, &left, &err), &err);
	CHECK(kept == same && left == 0);
	drip_batch_unref(kept);
	op = DRIP_OP_BEFORE;
	REQUIRE_OK(drip_batch_keep_ops(same, is_op, &op, &kept, &left, &err), &err);
	CHECK(kept == NULL && left == 2);
	REQUIRE_OK(drip_batch_keep_ops(mixed, is_op, &op, &kept, &left, &err), &err);
	CHECK(kept == NULL && left == 3);
	drip_batch_unref(mixed);
	drip_batch_unref(same);
	drip_schema_unref(s);
}

TEST(counts_up)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct ArrowArray column;

	REQUIRE_OK(drip_column_count_up(DRIP_TYPE_INT64, 5, 2, 3, &column, &err), &err);
	CHECK_EQ_INT(column.length, 3);
	CHECK_EQ_INT(((const int64_t *)column.buffers[1])[2], 9);
	column.release(&column);
}

TEST_MAIN()
