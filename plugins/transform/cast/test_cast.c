/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `cast`: pairs of types by table, and slices with nulls at random. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *stage;
static struct drip_error err;

static void begin(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "cast", options, &stage, &err), &err);
}

static void finish(void)
{
	drip_harness_close(stage);
	drip_harness_destroy(h);
}

struct pair {
	const char *from, *to, *value, *expect; /* expect NULL: fails */
};

static const struct pair pairs[] = {
	{"int32", "int8", "-128", "-128"},
	{"int32", "int8", "128", NULL},
	{"int32", "uint8", "255", "255"},
	{"int32", "uint8", "-1", NULL},
	{"int64", "uint64", "9223372036854775807", "9223372036854775807"},
	{"uint64", "int64", "18446744073709551615", NULL},
	{"uint64", "decimal(20,0)", "18446744073709551615", "18446744073709551615"},
	{"int64", "int16", "-32769", NULL},
	{"int8", "int64", "-5", "-5"},
	{"uint16", "int32", "65535", "65535"},
	{"int64", "float64", "-3", "-3"},
	{"bool", "int8", "true", "1"},
	{"bool", "utf8", "false", "false"},
	{"int32", "bool", "7", "true"},
	{"float64", "bool", "0", "false"},
	{"float64", "int32", "2.5", "3"},
	{"float64", "int32", "-2.5", "-3"},
	{"float64", "int32", "3e9", NULL},
	{"float64", "int64", "nan", NULL},
	{"float64", "uint8", "255.4", "255"},
	{"float64", "uint8", "255.5", NULL},
	{"float64", "float32", "1e300", NULL},
	{"float64", "float32", "inf", "inf"},
	{"float64", "decimal(6,2)", "1.125", "1.13"},
	{"float64", "decimal(6,2)", "10000", NULL},
	{"float64", "decimal(38,0)", "1e39", NULL},
	{"decimal(9,3)", "decimal(9,2)", "1.005", "1.01"},
	{"decimal(9,3)", "decimal(9,2)", "-1.005", "-1.01"},
	{"decimal(9,3)", "decimal(9,2)", "1.004", "1.00"},
	{"decimal(9,2)", "decimal(12,4)", "1.25", "1.2500"},
	{"decimal(9,2)", "decimal(4,2)", "100.00", NULL},
	{"decimal(38,0)", "decimal(38,4)", "99999999999999999999999999999999999999", NULL},
	{"decimal(9,2)", "int32", "2.50", "3"},
	{"decimal(9,2)", "float64", "2.50", "2.5"},
	{"decimal(38,0)", "utf8", "12345678901234567890123456789012345678",
	 "12345678901234567890123456789012345678"},
	{"int64", "timestamp_utc", "1704067200", "2024-01-01T00:00:00Z"},
	{"int64", "date", "-1", "1969-12-31"},
	{"int64", "timestamp", "9223372036854775807", NULL},
	{"timestamp", "int64", "1969-12-31T23:59:59.5", "-1"},
	{"timestamp", "date", "1969-12-31T23:59:59", "1969-12-31"},
	{"timestamp", "time", "1969-12-31T23:59:59", "23:59:59"},
	{"timestamp", "timestamp_utc", "2024-01-01T00:00:00", "2024-01-01T00:00:00Z"},
	{"date", "timestamp", "2024-02-29", "2024-02-29T00:00:00"},
	{"date", "utf8", "2024-02-29", "2024-02-29"},
	{"utf8", "int32", "12", "12"},
	{"utf8", "int32", "12x", NULL},
	{"utf8", "decimal(9,2)", "1.50", "1.50"},
	{"utf8", "date", "2024-02-30", NULL},
	{"utf8", "uuid", "123E4567-e89b-12d3-a456-426614174000",
	 "123e4567-e89b-12d3-a456-426614174000"},
	{"utf8", "uuid", "123", NULL},
	{"utf8", "json", "{\"a\":1}", "{\"a\":1}"},
	{"utf8", "json", "{", NULL},
	{"json", "utf8", "[1]", "[1]"},
	{"utf8", "binary", "ab", "6162"},
	{"binary", "utf8", "c3a9", "é"},
	{"binary", "utf8", "c3", NULL},
	{"binary", "utf8", "eda080", NULL},
	{"binary", "utf8", "c0af", NULL},
	{"binary", "utf8", "f4908080", NULL},
};

static void check_pair(const struct pair *p)
{
	char columns[160], rows[200], expect[200];
	struct drip_schema *s;
	struct drip_batch *whole, *part;

	snprintf(columns, sizeof(columns), "id int32, v %s null", p->from);
	snprintf(rows, sizeof(rows), "i|0|NULL\ni|1|%s\ni|2|NULL\n", p->value);
	snprintf(expect, sizeof(expect),
		 p->expect != NULL ? "t\ni|1|%s\ni|2|NULL\n" : "t\ni|2|NULL\n", p->expect);
	s = drip_test_schema("t", columns);
	begin(DRIP_OPTIONS("columns.v", p->to));
	whole = drip_test_batch(s, rows);
	CHECK_OK(drip_batch_slice(whole, 1, 2, &part, &err), &err);
	drip_batch_unref(whole);
	CHECK_OK(drip_harness_process(stage, part, &err), &err);
	if (strcmp(drip_harness_output(h), expect) != 0) {
		printf("# %s to %s of %s\n", p->from, p->to, p->value);
	}
	CHECK_EQ_STR(drip_harness_output(h), expect);
	CHECK_EQ_INT(drip_harness_rejects_count(h), p->expect == NULL);
	if (p->expect == NULL) {
		CHECK_EQ_STR(drip_harness_reject(h, 0, NULL)->code, "cast.failed");
		CHECK_NULL(strstr(drip_harness_reject(h, 0, NULL)->message, p->value));
	}
	finish();
	drip_schema_unref(s);
}

TEST(converts_pairs_of_types)
{
	for (size_t i = 0; i < DRIP_COUNT(pairs); i++) {
		check_pair(&pairs[i]);
	}
}

TEST(counts_epochs_in_other_units)
{
	struct drip_schema *s = drip_test_schema("t", "a int64, b timestamp_utc");

	begin(DRIP_OPTIONS("columns.a", "timestamp_utc", "columns.b", "int64", "epoch", "ms"));
	CHECK_OK(drip_harness_process(
			 stage, drip_test_batch(s, "i|1704067200500|2024-01-01T00:00:00.250Z\n"),
			 &err),
		 &err);
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|2024-01-01T00:00:00.5Z|1704067200250\n");
	finish();
	drip_schema_unref(s);
}

TEST(writes_nulls_where_asked)
{
	struct drip_schema *s = drip_test_schema("t", "id int32 key, a utf8, b utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(DRIP_OPTIONS("columns.a", "int8", "columns.b", "bool", "on_failure", "null"));
	CHECK_OK(drip_harness_process(stage, drip_test_batch(s, "i|1|x|true\nu|2|5|maybe\n"), &err),
		 &err);
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|NULL|true\nu|2|5|NULL\n");
	CHECK_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
	CHECK(drip_schema_column(n.output, 1)->flags & DRIP_COLUMN_NULLABLE);
	REQUIRE(n.edges_count == 3);
	CHECK_EQ_INT(n.edges[1].kind, DRIP_LINEAGE_TRANSFORMATION);
	drip_harness_negotiated_finish(&n);
	finish();
	drip_schema_unref(s);
}

TEST(rejects_a_row_once)
{
	struct drip_schema *s = drip_test_schema("t", "a utf8, b utf8");

	begin(DRIP_OPTIONS("columns.a", "int8", "columns.b", "int8"));
	CHECK_OK(drip_harness_process(stage, drip_test_batch(s, "i|x|y\ni|1|y\ni|1|2\n"), &err),
		 &err);
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|2\n");
	CHECK_EQ_INT(drip_harness_rejects_count(h), 2);
	drip_harness_clear(h);
	CHECK_OK(drip_harness_process(stage, drip_test_batch(s, "i|x|y\n"), &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "MARK\n");
	drip_harness_set_reject_stops(h, true);
	CHECK(drip_harness_process(stage, drip_test_batch(s, "i|x|1\n"), &err) < 0);
	finish();
	drip_schema_unref(s);
}

/* Any integer type to any other, at random, against plain C. */
TEST(converts_integers_as_c_does)
{
	static const char *const types[] = {"int8",  "int16",  "int32",  "int64",
					    "uint8", "uint16", "uint32", "uint64"};
	uint64_t seed = 7;

	for (size_t a = 0; a < 8; a++) {
		for (size_t b = 0; b < 8; b++) {
			char columns[60];
			struct drip_schema *s;
			struct drip_builder builder;
			struct drip_batch *whole, *part;
			const struct drip_batch *out;
			int64_t kept = 0, wrong = 0, expect = 0;

			snprintf(columns, sizeof(columns), "v %s null", types[a]);
			s = drip_test_schema("t", columns);
			begin(DRIP_OPTIONS("columns.v", types[b], "on_failure", "null"));
			REQUIRE_OK(drip_builder_init(&builder, s, &err), &err);
			for (int i = 0; i < 1500; i++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				if (seed >> 61 == 0) {
					drip_append_null(&builder.columns[0]);
				} else {
					uint64_t v = seed >> (seed >> 58);

					drip_append_fixed(&builder.columns[0], &v);
				}
				drip_builder_row(&builder, DRIP_OP_READ);
			}
			REQUIRE_OK(drip_builder_build(&builder, &whole, &err), &err);
			drip_builder_finish(&builder);
			REQUIRE_OK(drip_batch_slice(whole, 13, 1400, &part, &err), &err);
			CHECK_OK(drip_harness_process(stage, part, &err), &err);
			out = drip_harness_batch(h, 0);
			for (int64_t i = 0; i < 1400; i++) {
				struct drip_value from, to;
				__int128 v, low, high;
				bool fits;

				drip_value_get(whole, 0, i + 13, &from);
				drip_value_get(out, 0, i, &to);
				v = a < 4 ? (__int128)from.i : (__int128)from.u;
				high = ((__int128)1 << ((8 << (b % 4)) - (b < 4))) - 1;
				low = b < 4 ? -high - 1 : 0;
				fits = from.type != DRIP_TYPE_NONE && v >= low && v <= high;
				expect += fits;
				kept += to.type != DRIP_TYPE_NONE;
				wrong += fits != (to.type != DRIP_TYPE_NONE);
				wrong += fits && v != (b < 4 ? (__int128)to.i : (__int128)to.u);
			}
			CHECK_EQ_INT(wrong, 0);
			CHECK_EQ_INT(kept, expect);
			drip_batch_unref(whole);
			finish();
			drip_schema_unref(s);
		}
	}
}

TEST(passes_control_batches_with_the_new_schema)
{
	struct drip_schema *s = drip_test_schema("t", "a utf8");
	struct drip_batch *batch;

	begin(DRIP_OPTIONS("columns.a", "int8"));
	CHECK_OK(drip_batch_create_control(DRIP_BATCH_SCHEMA, s, &batch, &err), &err);
	CHECK_OK(drip_harness_process(stage, batch, &err), &err);
	CHECK_EQ_INT(drip_schema_column(drip_harness_batch(h, 0)->schema, 0)->type, DRIP_TYPE_INT8);
	finish();
	drip_schema_unref(s);
}

/* (gives) a schema of id and `a`, which was added with 5 for older rows and is a new name of b. */
static struct drip_schema *filled_schema(void)
{
	struct drip_column id = {.struct_size = sizeof(id), .type = DRIP_TYPE_INT64, .name = "id"};
	struct drip_column a = {.struct_size = sizeof(a),
				.type = DRIP_TYPE_INT32,
				.name = "a",
				.fill = "5",
				.renamed_from = "b"};
	struct drip_schema_builder b;
	struct drip_schema *s = NULL;

	drip_schema_builder_init(&b, "", "t");
	drip_schema_builder_add(&b, &id);
	drip_schema_builder_add(&b, &a);
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	return s;
}

TEST(what_older_rows_hold_is_forgotten_with_the_type)
{
	static const char *const casts[] = {"columns.a", "columns.id"};
	struct drip_schema *s = filled_schema();

	for (size_t i = 0; i < DRIP_COUNT(casts); i++) {
		struct drip_negotiated n = {.struct_size = sizeof(n)};
		const struct drip_column *a;

		begin(DRIP_OPTIONS(casts[i], "utf8"));
		CHECK_OK(drip_harness_negotiate(stage, s, &n, &err), &err);
		a = drip_schema_column(n.output, 1);
		CHECK_EQ_STR(a->renamed_from, "b");
		CHECK(i == 0 ? a->fill == NULL : a->fill != NULL && strcmp(a->fill, "5") == 0);
		drip_harness_negotiated_finish(&n);
		finish();
	}
	drip_schema_unref(s);
}

static void refuses(const char *const *options, const char *code, const char *option)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, d date, u uuid");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	begin(options);
	CHECK(drip_harness_negotiate(stage, s, &n, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	finish();
	drip_schema_unref(s);
}

/* Where no schema is known. */
static void refuses_options(const char *const *options, const char *code, const char *option)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "cast", options, &stage, &err) < 0);
	CHECK_EQ_STR(err.code, code);
	CHECK_EQ_STR(err.option, option);
	drip_harness_destroy(h);
}

TEST(refuses_what_cannot_be_cast)
{
	refuses(DRIP_OPTIONS("columns.x", "int8"), "cast.no_column", "columns.x");
	refuses(DRIP_OPTIONS("columns.d", "bool"), "cast.no_conversion", "columns.d");
	refuses(DRIP_OPTIONS("columns.u", "int8"), "cast.no_conversion", "columns.u");
	refuses(DRIP_OPTIONS("columns.id", "int8", "on_failure", "null"), "cast.null_key",
		"on_failure");
	refuses_options(DRIP_OPTIONS("columns.d", "nosuch"), "schema.unknown_type", "columns.d");
	refuses_options(DRIP_OPTIONS("columns.d", "decimal(10,20)"), "schema.unknown_type",
			"columns.d");
}

TEST_MAIN()
