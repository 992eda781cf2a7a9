/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as JSON and CSV, units, and batches that differ from another in schema or ops only. */
#include "lib/test.h"

#include <dripline/test.h>
#include <dripline/transform.h>
#include <dripline/units.h>
#include <errno.h>

static const char *text_of(struct drip_text *t)
{
	drip_text_put(t, "", 1);
	REQUIRE_EQ_INT(t->rc, 0);
	return t->data;
}

TEST(json_strings_escape)
{
	struct drip_text t = {.data = NULL};

	drip_text_json_string(&t, "a\"b\\c\n\r\t\x01\x1f\xc3\xa9", 12);
	CHECK_EQ_STR(text_of(&t), "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\xc3\xa9\"");
	drip_text_finish(&t);
}

TEST(rows_as_json_and_csv)
{
	struct drip_schema *s = drip_test_schema(
		"t",
		"id int64, ok bool, d decimal(20,2), f float64, s utf8 null, x binary, j json, "
		"at timestamp_utc, u uint64");
	struct drip_batch *b =
		drip_test_batch(s, "i|-1|true|12345678901234567.80|0.1|a,\"b\"|00ff|{\"k\": [1]}|"
				   "2024-01-02T03:04:05Z|18446744073709551615\n"
				   "d|2|false|-0.05|inf|NULL||[]|1969-12-31T23:59:59.5Z|0\n");
	struct drip_text t = {.data = NULL};

	drip_text_json_row(&t, b, 0, "op");
	CHECK_EQ_STR(
		text_of(&t),
		"{\"op\":\"insert\",\"id\":-1,\"ok\":true,\"d\":12345678901234567.80,\"f\":0.1,"
		"\"s\":\"a,\\\"b\\\"\",\"x\":\"00ff\",\"j\":{\"k\": [1]},"
		"\"at\":\"2024-01-02T03:04:05Z\",\"u\":18446744073709551615}");
	drip_text_clear(&t);
	drip_text_json_row(&t, b, 1, NULL);
	CHECK_EQ_STR(text_of(&t), "{\"id\":2,\"ok\":false,\"d\":-0.05,\"f\":\"inf\",\"s\":null,"
				  "\"x\":\"\",\"j\":[],\"at\":\"1969-12-31T23:59:59.5Z\",\"u\":0}");
	drip_text_clear(&t);
	drip_text_csv_row(&t, b, 0, true);
	CHECK_EQ_STR(text_of(&t), "insert,-1,true,12345678901234567.80,0.1,\"a,\"\"b\"\"\",00ff,"
				  "\"{\"\"k\"\": [1]}\",2024-01-02T03:04:05Z,18446744073709551615");
	drip_text_clear(&t);
	drip_text_csv_row(&t, b, 1, false);
	CHECK_EQ_STR(text_of(&t), "2,false,-0.05,inf,,,[],1969-12-31T23:59:59.5Z,0");
	drip_text_finish(&t);
	drip_batch_unref(b);
	drip_schema_unref(s);
}

TEST(csv_fields_quote)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"a", "a"},           {"", "\"\""},   {"a,b", "\"a,b\""},    {"\"", "\"\"\"\""},
		{"a\nb", "\"a\nb\""}, {" a ", " a "}, {"x\"y", "\"x\"\"y\""}};

	for (size_t i = 0; i < DRIP_COUNT(cases); i++) {
		struct drip_text t = {.data = NULL};

		drip_text_csv_field(&t, cases[i].text, strlen(cases[i].text));
		CHECK_EQ_STR(text_of(&t), cases[i].field);
		drip_text_finish(&t);
	}
}

TEST(csv_fields_for_spreadsheets_are_no_formulas)
{
	static const struct {
		const char *text, *field;
	} cases[] = {
		{"=1+1", "\"'=1+1\""},
		{"+SUM(A1)", "\"'+SUM(A1)\""},
		{"-2+3", "\"'-2+3\""},
		{"@SUM(1)", "\"'@SUM(1)\""},
		{"\t=1", "\"'\t=1\""},
		{"\r=1", "\"'\r=1\""},
		{"\n=1", "\"'\n=1\""},
		{"\xef\xbc\x9d"
		 "1",
		 "\"'\xef\xbc\x9d"
		 "1\""},
		{"=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""},
		{"-", "\"'-\""},
		{"--5", "\"'--5\""},
		{"-5", "-5"},
		{"+12125550100", "+12125550100"},
		{"-0.50", "-0.50"},
		{"a=1", "a=1"},
		{"a;=1", "\"a;=1\""},
		{"", "\"\""},
	};

	for (size_t i = 0; i < DRIP_COUNT(cases); i++) {
		struct drip_text t = {.data = NULL};

		drip_text_csv_sheet_field(&t, cases[i].text, strlen(cases[i].text));
		CHECK_EQ_STR(text_of(&t), cases[i].field);
		drip_text_finish(&t);
	}
}

TEST(units)
{
	uint64_t bytes = 0;
	int64_t ms = 0, n = 0;
	double f = 0;
	bool b = false;

	CHECK_EQ_INT(drip_parse_size("64KiB", &bytes), 0);
	CHECK_EQ_UINT(bytes, 65536);
	CHECK_EQ_INT(drip_parse_size("2TiB", &bytes), 0);
	CHECK_EQ_UINT(bytes, UINT64_C(2) << 40);
	CHECK_EQ_INT(drip_parse_size("99999999TiB", &bytes), -ERANGE);
	CHECK_EQ_INT(drip_parse_size("64KB", &bytes), -EINVAL);
	CHECK_EQ_INT(drip_parse_size("-1", &bytes), -EINVAL);
	CHECK_EQ_INT(drip_parse_duration("250ms", &ms), 0);
	CHECK_EQ_INT(ms, 250);
	CHECK_EQ_INT(drip_parse_duration("7d", &ms), 0);
	CHECK_EQ_INT(ms, 604800000);
	CHECK_EQ_INT(drip_parse_duration("0", &ms), 0);
	CHECK_EQ_INT(drip_parse_duration("5", &ms), -EINVAL);
	CHECK_EQ_INT(drip_parse_duration("9999999999999999d", &ms), -ERANGE);
	CHECK_EQ_INT(drip_parse_int("-9223372036854775808", &n), 0);
	CHECK_EQ_INT(n, INT64_MIN);
	CHECK_EQ_INT(drip_parse_int("9223372036854775808", &n), -ERANGE);
	CHECK_EQ_INT(drip_parse_int("0x10", &n), 0);
	CHECK_EQ_INT(n, 16);
	CHECK_EQ_INT(drip_parse_int("010", &n), -EINVAL);
	CHECK_EQ_INT(drip_parse_int("", &n), -EINVAL);
	CHECK_EQ_INT(drip_parse_float("2.5e3", &f), 0);
	CHECK_EQ_F64(f, 2500);
	CHECK_EQ_INT(drip_parse_float("1e999", &f), -ERANGE);
	CHECK_EQ_INT(drip_parse_float("nan", &f), -EINVAL);
	CHECK_EQ_INT(drip_parse_bool("Yes", &b), 0);
	CHECK(b);
	CHECK_EQ_INT(drip_parse_bool("2", &b), -EINVAL);
}

static void check_text(const struct drip_batch *b, const char *expected)
{
	char *text = drip_test_batch_text(b);

	CHECK_EQ_STR(text, expected);
	free(text);
}

TEST(batches_with_another_schema_or_other_ops)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema *s = drip_test_schema("a.b", "id int64, name utf8 null");
	struct drip_schema *t = drip_test_schema("c.d", "key int64, title utf8 null");
	struct drip_batch *b = drip_test_batch(s, "i|1|x\nu|2|NULL\n"), *c = NULL, *control = NULL;
	uint8_t *ops = malloc(2);

	REQUIRE_OK(drip_batch_with_schema(b, t, &c, &err), &err);
	check_text(c, "c.d\ni|1|x\nu|2|NULL\n");
	CHECK(c->boundary);
	drip_batch_unref(c);
	REQUIRE_NOT_NULL(ops);
	memcpy(ops, "di", 2);
	REQUIRE_OK(drip_batch_with_ops(b, ops, &c, &err), &err);
	check_text(c, "a.b\nd|1|x\ni|2|NULL\n");
	drip_batch_unref(c);
	REQUIRE_OK(drip_batch_create_control(DRIP_BATCH_DROP, s, &control, &err), &err);
	REQUIRE_OK(drip_batch_with_schema(control, t, &c, &err), &err);
	check_text(c, "DROP c.d\n");
	drip_batch_unref(c);
	drip_batch_unref(control);
	drip_batch_unref(b);
	drip_schema_unref(s);
	drip_schema_unref(t);
}

TEST_MAIN()
