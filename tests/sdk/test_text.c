/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text: what is read, what is written, what is refused. */
#include "lib/test.h"

#include <dripline/dripline.h>
#include <errno.h>
#include <math.h>

/* Reads `text` as `type` and writes it again into `buf`; "!" where it is refused. */
static const char *through(const char *type, const char *text, char *buf, size_t size)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column column = {.struct_size = sizeof(column), .name = "c"};
	struct drip_schema_builder sb;
	struct drip_schema *schema;
	struct drip_builder b;
	struct drip_batch *batch;
	struct drip_value value;
	int rc;

	REQUIRE_OK(drip_type_parse(type, &column, &err), &err);
	drip_schema_builder_init(&sb, "", "t");
	drip_schema_builder_add(&sb, &column);
	REQUIRE_OK(drip_schema_builder_build(&sb, &schema, &err), &err);
	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	rc = drip_append_text(&b.columns[0], &column, text, (int64_t)strlen(text), &err);
	if (rc < 0) {
		CHECK_EQ_INT(rc, -EINVAL);
		CHECK_EQ_STR(err.code, "value.malformed");
		snprintf(buf, size, "!");
	} else {
		drip_builder_row(&b, DRIP_OP_READ);
		REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
		CHECK_OK(drip_batch_validate(batch, &err), &err);
		drip_value_get(batch, 0, 0, &value);
		CHECK_EQ_INT(value.type, column.type);
		CHECK_EQ_INT(drip_value_format(&value, &column, buf, size), strlen(buf));
		drip_batch_unref(batch);
	}
	drip_builder_finish(&b);
	drip_schema_unref(schema);
	return buf;
}

static const struct {
	const char *type, *text, *expected; /* NULL: as the text; "!": refused */
} cases[] = {
	{"bool", "true", NULL},
	{"bool", "T", "true"},
	{"bool", "0", "false"},
	{"bool", "yes", "!"},
	{"bool", "", "!"},
	{"int8", "-128", NULL},
	{"int8", "127", NULL},
	{"int8", "128", "!"},
	{"int8", "-129", "!"},
	{"int16", "-32768", NULL},
	{"int16", "32768", "!"},
	{"int32", "+2147483647", "2147483647"},
	{"int32", "2147483648", "!"},
	{"int64", "-9223372036854775808", NULL},
	{"int64", "9223372036854775807", NULL},
	{"int64", "9223372036854775808", "!"},
	{"int64", "", "!"},
	{"int64", "-", "!"},
	{"int64", " 1", "!"},
	{"int64", "1x", "!"},
	{"uint8", "255", NULL},
	{"uint8", "256", "!"},
	{"uint8", "-1", "!"},
	{"uint16", "65535", NULL},
	{"uint32", "4294967295", NULL},
	{"uint32", "4294967296", "!"},
	{"uint64", "18446744073709551615", NULL},
	{"uint64", "18446744073709551616", "!"},
	{"float64", "0.1", NULL},
	{"float64", "-0", NULL},
	{"float64", "1e3", "1000"},
	{"float64", "0.30000000000000004", NULL},
	{"float64", "1.7976931348623157e+308", NULL},
	{"float64", "1.8e308", "!"},
	{"float64", "5e-324", NULL},
	{"float64", "2.2250738585072014e-308", NULL},
	{"float64", "9007199254740993", "9007199254740992"},
	{"float64", "NaN", "nan"},
	{"float64", "-Infinity", "-inf"},
	{"float64", "0x10", "!"},
	{"float64", " 1", "!"},
	{"float64", "1 ", "!"},
	{"float64", "", "!"},
	{"float64", "n", "!"},
	{"float32", "0.1", NULL},
	{"float32", "16777217", "16777216"},
	{"float32", "1.1754944e-38", NULL},
	{"float32", "1e-45", NULL},
	{"float32", "1e39", "!"},
	{"decimal(12,2)", "1234567890.12", NULL},
	{"decimal(12,2)", "-0.05", NULL},
	{"decimal(12,2)", "5", "5.00"},
	{"decimal(12,2)", ".5", "0.50"},
	{"decimal(12,2)", "5.", "5.00"},
	{"decimal(12,2)", "1.500", "1.50"},
	{"decimal(12,2)", "1.505", "!"},
	{"decimal(12,2)", "12345678901", "!"},
	{"decimal(12,2)", "9999999999.99", NULL},
	{"decimal(12,2)", "1.5e3", "1500.00"},
	{"decimal(12,2)", "150e-2", "1.50"},
	{"decimal(12,2)", "0e999", "0.00"},
	{"decimal(12,2)", "1e999", "!"},
	{"decimal(12,2)", "1e1001", "!"},
	{"decimal(12,2)", "", "!"},
	{"decimal(12,2)", ".", "!"},
	{"decimal(12,2)", "-", "!"},
	{"decimal(12,2)", "1.2.3", "!"},
	{"decimal(12,2)", "-0", "0.00"},
	{"decimal(38,0)", "99999999999999999999999999999999999999", NULL},
	{"decimal(38,0)", "-99999999999999999999999999999999999999", NULL},
	{"decimal(38,0)", "100000000000000000000000000000000000000", "!"},
	{"decimal(38,38)", "0.00000000000000000000000000000000000001", NULL},
	{"decimal(38,38)", "-0.99999999999999999999999999999999999999", NULL},
	{"decimal(38,38)", "1", "!"},
	{"decimal(5,2)", "0.1000000000000000000000000000000000000000000000000", "0.10"},
	{"utf8", "", NULL},
	{"utf8", "na\xc3\xafve \xf0\x9f\x92\xa7 text long enough", NULL},
	{"utf8", "\xc3", "!"},
	{"utf8", "\xc0\xaf", "!"},
	{"utf8", "\xed\xa0\x80", "!"},
	{"utf8", "\xf4\x90\x80\x80", "!"},
	{"utf8", "\xff", "!"},
	{"binary", "00ff10", NULL},
	{"binary", "0xDEad", "dead"},
	{"binary", "", NULL},
	{"binary", "abc", "!"},
	{"binary", "zz", "!"},
	{"date", "2024-02-29", NULL},
	{"date", "2023-02-29", "!"},
	{"date", "1969-12-31", NULL},
	{"date", "0000-01-01", NULL},
	{"date", "0000-00-00", "!"},
	{"date", "-0044-03-15", NULL},
	{"date", "10000-01-01", NULL},
	{"date", "24-01-01", "!"},
	{"date", "2024-1-1", "!"},
	{"date", "2024-01-01 ", "!"},
	{"date", "1900-02-29", "!"},
	{"date", "2000-02-29", NULL},
	{"time", "23:59:59.999999", NULL},
	{"time", "08:30", "08:30:00"},
	{"time", "08:30:00.5", NULL},
	{"time", "08:30:00.1234560", "08:30:00.123456"},
	{"time", "08:30:00.1234567", "!"},
	{"time", "24:00:00", "!"},
	{"time", "23:60:00", "!"},
	{"time", "08:30:", "!"},
	{"timestamp", "2024-01-02 03:04:05", "2024-01-02T03:04:05"},
	{"timestamp", "2024-01-02T03:04:05.000001", NULL},
	{"timestamp", "1969-12-31T23:59:59.999999", NULL},
	{"timestamp", "2024-01-02", "2024-01-02T00:00:00"},
	{"timestamp", "2024-01-02T03:04:05Z", "!"},
	{"timestamp", "294247-01-11T00:00:00", "!"},
	{"timestamp_utc", "2024-01-02T03:04:05Z", NULL},
	{"timestamp_utc", "2024-01-02T03:04:05+02:00", "2024-01-02T01:04:05Z"},
	{"timestamp_utc", "2024-01-02T00:04:05-0530", "2024-01-02T05:34:05Z"},
	{"timestamp_utc", "2024-01-02 03:04:05", "2024-01-02T03:04:05Z"},
	{"timestamp_utc", "2024-01-02T03:04:05+2", "!"},
	{"timestamp_utc", "2024-01-02T03:04:05Europe", "!"},
	{"duration", "-838:59:59", NULL},
	{"duration", "8:00:00.25", "08:00:00.25"},
	{"duration", "1:2:3", "!"},
	{"json", "{\"a\":[1,2.5e-3,{\"b\":null}],\"c\":\"\\u00e9\\n\"}", NULL},
	{"json", " [ ] ", NULL},
	{"json", "0", NULL},
	{"json", "", "!"},
	{"json", "{", "!"},
	{"json", "[1,]", "!"},
	{"json", "{\"a\":1,}", "!"},
	{"json", "{\"a\" 1}", "!"},
	{"json", "01", "!"},
	{"json", "1 2", "!"},
	{"json", "'a'", "!"},
	{"json", "\"\\x\"", "!"},
	{"json", "tru", "!"},
	{"json", "[1}", "!"},
	{"uuid", "6BA7B810-9dad-11d1-80b4-00c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
	{"uuid", "6ba7b8109dad11d180b400c04fd430c8", "!"},
	{"uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430cg", "!"},
};

TEST(reads_and_writes)
{
	for (size_t i = 0; i < DRIP_COUNT(cases); i++) {
		const char *expected =
			cases[i].expected != NULL ? cases[i].expected : cases[i].text;
		char buf[256];

		through(cases[i].type, cases[i].text, buf, sizeof(buf));
		if (strcmp(buf, expected) != 0) {
			printf("# case %zu: %s \"%s\"\n", i, cases[i].type, cases[i].text);
		}
		CHECK_EQ_STR(buf, expected);
	}
}

TEST(nested_json_is_bounded)
{
	char deep[1200], buf[1300];

	for (int depth = 512; depth <= 513; depth++) {
		memset(deep, '[', (size_t)depth);
		memset(deep + depth, ']', (size_t)depth);
		deep[2 * depth] = '\0';
		CHECK_EQ_INT(through("json", deep, buf, sizeof(buf))[0], depth == 512 ? '[' : '!');
	}
}

TEST(errors_show_forty_bytes)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column column = {.type = DRIP_TYPE_INT64, .name = "c"};
	struct drip_column_builder c;
	char text[100];

	memset(text, 'y', sizeof(text));
	REQUIRE_OK(drip_column_builder_init(&c, DRIP_TYPE_INT64, 0, &err), &err);
	CHECK_EQ_INT(drip_append_text(&c, &column, text, sizeof(text), &err), -EINVAL);
	CHECK_EQ_STR(err.message, "cannot read \"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\" (cut) "
				  "as int64");
	CHECK_EQ_INT(c.length, 0);
	drip_column_builder_finish(&c);
}

/* Floats of all magnitudes read back equal, and no shorter form does. */
TEST(floats_are_shortest)
{
	uint64_t seed = 88172645463325252u;

	for (int i = 0; i < 20000; i++) {
		struct drip_value v = {.type = DRIP_TYPE_FLOAT64};
		char text[40], shorter[40];
		int digits = 0;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(&v.f, &seed, sizeof(v.f));
		if (!isfinite(v.f)) {
			continue;
		}
		drip_value_format(&v, NULL, text, sizeof(text));
		CHECK_EQ_F64(strtod(text, NULL), v.f);
		for (const char *p = text; *p != '\0' && *p != 'e'; p++) {
			digits += *p >= '0' && *p <= '9';
		}
		if (digits > 1 && digits < 17) {
			snprintf(shorter, sizeof(shorter), "%.*g", digits - 1, v.f);
			CHECK(strtod(shorter, NULL) != v.f || strlen(shorter) >= strlen(text));
		}
	}
}

TEST(writes_into_small_buffers)
{
	struct drip_value hex = {.type = DRIP_TYPE_BINARY, .data = "\x01\x02\x03", .size = 3};
	struct drip_value text = {.type = DRIP_TYPE_UTF8, .data = "hello", .size = 5};
	struct drip_value null = {.type = DRIP_TYPE_NONE};
	char buf[4];

	CHECK_EQ_INT(drip_value_format(&hex, NULL, buf, sizeof(buf)), 6);
	CHECK_EQ_STR(buf, "01");
	CHECK_EQ_INT(drip_value_format(&text, NULL, buf, sizeof(buf)), 5);
	CHECK_EQ_STR(buf, "hel");
	CHECK_EQ_INT(drip_value_format(&text, NULL, NULL, 0), 5);
	CHECK_EQ_INT(drip_value_format(&null, NULL, buf, sizeof(buf)), 0);
	CHECK_EQ_STR(buf, "");
}

TEST_MAIN()
