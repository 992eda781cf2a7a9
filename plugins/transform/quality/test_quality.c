/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the transform `quality`. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_harness *h;
static struct drip_instance *quality;
static struct drip_error err;

static void open_quality(const char *const *options)
{
	h = drip_harness_create(test_argv[1]);
	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "quality", options, &quality, &err),
		   &err);
}

static void finish(void)
{
	drip_harness_close(quality);
	drip_harness_destroy(h);
}

static void process(const struct drip_schema *schema, const char *rows)
{
	CHECK_OK(drip_harness_process(quality, drip_test_batch(schema, rows), &err), &err);
}

TEST(rejects_nulls)
{
	struct drip_schema *s = drip_test_schema("t", "id int64, a utf8 null, b bool null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "not_null", "rules[0].columns", "a",
				  "rules[0].columns", "b"));
	process(s, "i|1|x|true\ni|2|NULL|true\ni|3|x|NULL\nd|4|NULL|NULL\ni|5|x|false\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|x|true\nd|4|NULL|NULL\ni|5|x|false\n");
	CHECK_EQ_INT(drip_harness_rejects_count(h), 2);
	CHECK_EQ_STR(drip_harness_reject(h, 0, NULL)->code, "quality.violated");
	CHECK_EQ_F64(drip_harness_metric(h, "violations_not_null_a_total"), 2);
	finish();
	drip_schema_unref(s);
}

static void range_case(const char *type, const char *low, const char *high, const char *below,
		       const char *above, const char *inside)
{
	struct drip_schema *s;
	char columns[80], rows[400], expect[400];

	snprintf(columns, sizeof(columns), "id int8, v %s null, w %s null", type, type);
	s = drip_test_schema("t", columns);
	open_quality(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "v",
				  "rules[0].columns", "w", "rules[0].min", low, "rules[0].max",
				  high));
	snprintf(rows, sizeof(rows),
		 "i|1|%s|%s\ni|2|%s|NULL\ni|3|NULL|%s\ni|4|NULL|NULL\ni|5|%s|%s\ni|6|%s|NULL\n",
		 low, high, below, above, inside, inside, above);
	snprintf(expect, sizeof(expect), "t\ni|1|%s|%s\ni|4|NULL|NULL\ni|5|%s|%s\n", low, high,
		 inside, inside);
	process(s, rows);
	CHECK_EQ_STR(drip_harness_output(h), expect);
	CHECK_EQ_INT(drip_harness_rejects_count(h), 3);
	finish();
	drip_schema_unref(s);
}

TEST(checks_ranges_of_all_types)
{
	range_case("int8", "-3", "3", "-4", "4", "0");
	range_case("int16", "-300", "300", "-301", "301", "0");
	range_case("int32", "-3", "70000", "-4", "70001", "0");
	range_case("int64", "-3", "5000000000", "-4", "5000000001", "1");
	range_case("uint8", "100", "250", "99", "251", "200");
	range_case("uint16", "1", "65000", "0", "65001", "9");
	range_case("uint32", "1", "4000000000", "0", "4000000001", "9");
	range_case("uint64", "1", "18446744073709551614", "0", "18446744073709551615", "9");
	range_case("float32", "-1.5", "1.5", "-2", "1.75", "0");
	range_case("float64", "-1.5", "1.5", "-2", "1.75", "0");
	range_case("decimal(12,2)", "-1.50", "1.50", "-1.51", "1.51", "0.00");
	range_case("decimal(38,0)", "-9", "90000000000000000000000000000000000000", "-10",
		   "90000000000000000000000000000000000001", "5");
	range_case("date", "2024-01-01", "2024-12-31", "2023-12-31", "2025-01-01", "2024-02-29");
	range_case("timestamp", "2024-01-01T00:00:00", "2024-12-31T00:00:00", "2023-12-31T23:59:59",
		   "2024-12-31T00:00:01", "2024-02-29T12:00:00");
}

TEST(fails_nan_in_a_range)
{
	struct drip_schema *s = drip_test_schema("t", "v float64");

	open_quality(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "v", "rules[0].min",
				  "0"));
	process(s, "i|nan\ni|inf\ni|-1\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|inf\n");
	finish();
	drip_schema_unref(s);
}

/* A rule with tables says nothing of others, which need not have its columns either. */
TEST(checks_only_the_tables_of_a_rule)
{
	struct drip_schema *s = drip_test_schema("shop.orders_1", "v int32");
	struct drip_schema *other = drip_test_schema("shop.items", "w int32");

	open_quality(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "v", "rules[0].min",
				  "0", "rules[0].tables", "shop.orders_*"));
	process(s, "i|1\ni|-1\n");
	process(other, "i|-2\n");
	CHECK_EQ_STR(drip_harness_output(h), "shop.orders_1\ni|1\nshop.items\ni|-2\n");
	CHECK_EQ_F64(drip_harness_metric(h, "violations_range_v_total"), 1);
	finish();
	drip_schema_unref(s);
	drip_schema_unref(other);
}

TEST(checks_sets)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 null, name utf8 null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "set", "rules[0].columns", "name",
				  "rules[0].values", "a", "rules[0].values", "bc", "rules[1].rule",
				  "set", "rules[1].columns", "id", "rules[1].values", "1",
				  "rules[1].values", "2"));
	process(s, "i|1|a\ni|2|bc\ni|3|a\ni|1|b\ni|NULL|NULL\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|1|a\ni|2|bc\ni|NULL|NULL\n");
	finish();
	drip_schema_unref(s);
}

TEST(checks_patterns)
{
	struct drip_schema *s = drip_test_schema("t", "name utf8 null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "pattern", "rules[0].columns", "name",
				  "rules[0].pattern", "^\\p{Lu}[0-9]+$"));
	process(s, "i|A1\ni|a1\ni|É22\ni|NULL\ni|\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|A1\ni|É22\ni|NULL\n");
	finish();
	drip_schema_unref(s);
}

TEST(bounds_the_time_of_a_match)
{
	struct drip_schema *s = drip_test_schema("t", "name utf8");

	open_quality(DRIP_OPTIONS("rules[0].rule", "pattern", "rules[0].columns", "name",
				  "rules[0].pattern", "^(a+)+$"));
	process(s, "i|aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n");
	CHECK_EQ_INT(drip_harness_rejects_count(h), 1);
	finish();
	drip_schema_unref(s);
}

TEST(checks_uniqueness)
{
	struct drip_schema *s = drip_test_schema("t", "a int32 null, b int32");

	open_quality(DRIP_OPTIONS("rules[0].rule", "unique", "rules[0].columns", "a",
				  "rules[0].columns", "b"));
	process(s, "i|1|1\ni|1|2\ni|1|1\nu|1|1\ni|NULL|1\ni|NULL|1\n");
	process(s, "i|1|2\nd|1|1\ni|1|1\n");
	CHECK_EQ_STR(drip_harness_output(h),
		     "t\ni|1|1\ni|1|2\nu|1|1\ni|NULL|1\ni|NULL|1\nt\nd|1|1\ni|1|1\n");
	CHECK_EQ_INT(drip_harness_rejects_count(h), 2);
	finish();
	drip_schema_unref(s);
}

TEST(rejects_a_row_once_and_its_before_row_with_it)
{
	struct drip_schema *s = drip_test_schema("t", "id int64 key, n int32 null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "not_null", "rules[0].columns", "n",
				  "rules[0].name", "N given", "rules[1].rule", "range",
				  "rules[1].columns", "id", "rules[1].max", "9"));
	process(s, "b|11|1\nu|11|NULL\nb|2|1\nu|2|2\n");
	CHECK_EQ_STR(drip_harness_output(h), "t\nb|2|1\nu|2|2\n");
	CHECK_EQ_INT(drip_harness_rejects_count(h), 1);
	CHECK_EQ_INT(drip_harness_filtered(h), 1);
	CHECK_CONTAINS(drip_harness_reject(h, 0, NULL)->message, "'N given'");
	finish();
	drip_schema_unref(s);
}

TEST(warns_and_stops)
{
	struct drip_schema *s = drip_test_schema("t", "id int64, n int32 null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "not_null", "rules[0].columns", "n",
				  "rules[0].action", "warn", "rules[1].rule", "range",
				  "rules[1].columns", "id", "rules[1].max", "9", "rules[1].action",
				  "stop"));
	process(s, "i|1|NULL\ni|2|1\n");
	CHECK_EQ_INT(drip_harness_rows(h), 2);
	CHECK(drip_harness_logged(h, "1 of 2 rows"));
	CHECK(drip_harness_process(quality, drip_test_batch(s, "i|10|1\n"), &err) < 0);
	CHECK_EQ_STR(err.code, "quality.violated");
	finish();
	drip_schema_unref(s);
}

/* The host is told once an epoch, by rule and table; what stops the pipeline, at once. */
TEST(tells_what_rules_found)
{
	struct drip_schema *s = drip_test_schema("t", "n int32 null");
	struct drip_schema *u = drip_test_schema("u", "n int32 null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "not_null", "rules[0].columns", "n",
				  "rules[0].action", "warn", "rules[1].rule", "range",
				  "rules[1].columns", "n", "rules[1].max", "5", "rules[1].action",
				  "stop", "rules[1].tables", "u", "rules[2].rule", "row_count",
				  "rules[2].max", "2"));
	process(s, "i|1\ni|NULL\nd|NULL\n");
	process(u, "i|1\n");
	process(s, "i|NULL\n");
	CHECK(!drip_harness_logged(h, "quality "));
	CHECK_OK(drip_harness_flush(quality, &err), &err);
	CHECK(drip_harness_logged(h, "quality not_null(n) of t: warn, 3 checked, 2 failed\n"));
	CHECK(drip_harness_logged(h, "quality not_null(n) of u: warn, 1 checked, 0 failed\n"));
	CHECK(drip_harness_logged(h, "quality range(n) of u: stop, 1 checked, 0 failed\n"));
	CHECK(!drip_harness_logged(h, "quality range(n) of t"));
	CHECK(drip_harness_logged(h, "quality row_count of : warn, 5 checked, 1 failed\n"));
	process(s, "i|7\n");
	CHECK_OK(drip_harness_flush(quality, &err), &err);
	CHECK(drip_harness_logged(h, "quality not_null(n) of t: warn, 1 checked, 0 failed\n"));
	CHECK(drip_harness_process(quality, drip_test_batch(u, "i|9\ni|1\n"), &err) < 0);
	CHECK_EQ_STR(err.code, "quality.violated");
	CHECK(drip_harness_logged(h, "quality range(n) of u: stop, 2 checked, 1 failed, at once"));
	finish();
	drip_schema_unref(s);
	drip_schema_unref(u);
}

TEST(watches_epochs)
{
	struct drip_schema *s = drip_test_schema("t", "at timestamp_utc null");

	open_quality(DRIP_OPTIONS("rules[0].rule", "freshness", "rules[0].columns", "at",
				  "rules[0].max_age", "1h", "rules[1].rule", "row_count",
				  "rules[1].max", "2", "rules[1].action", "stop"));
	/* the wall clock of the harness begins at 2026-01-01 */
	process(s, "i|2025-12-31T23:30:00Z\ni|NULL\n");
	CHECK_OK(drip_harness_flush(quality, &err), &err);
	CHECK(!drip_harness_logged(h, "broken"));
	process(s, "i|2025-12-31T22:30:00Z\n");
	CHECK_OK(drip_harness_flush(quality, &err), &err);
	CHECK(drip_harness_logged(h, "the newest row is 5400 s old"));
	CHECK_EQ_F64(drip_harness_metric(h, "violations_freshness_at_total"), 1);
	process(s, "i|NULL\ni|NULL\ni|NULL\n");
	CHECK(drip_harness_flush(quality, &err) < 0);
	CHECK_CONTAINS(err.message, "3 rows");
	finish();
	drip_schema_unref(s);
}

TEST(reads_slices)
{
	struct drip_schema *s = drip_test_schema("t", "n int32 null, name utf8 null");
	struct drip_batch *whole =
		drip_test_batch(s, "i|9|b\ni|NULL|a\ni|1|a\ni|9|a\ni|2|NULL\ni|3|b\n");
	struct drip_batch *part;

	open_quality(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "n", "rules[0].max",
				  "5", "rules[1].rule", "pattern", "rules[1].columns", "name",
				  "rules[1].pattern", "a"));
	CHECK_OK(drip_batch_slice(whole, 1, 5, &part, &err), &err);
	CHECK_OK(drip_harness_process(quality, part, &err), &err);
	CHECK_EQ_STR(drip_harness_output(h), "t\ni|NULL|a\ni|1|a\ni|2|NULL\n");
	drip_batch_unref(whole);
	finish();
	drip_schema_unref(s);
}

static void refuses_options(const char *const *options, const char *part, const char *code)
{
	h = drip_harness_create(test_argv[1]);
	CHECK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "quality", options, &quality, &err) < 0);
	CHECK_CONTAINS(drip_harness_findings(h), part);
	CHECK_CONTAINS(drip_harness_findings(h), code);
	drip_harness_destroy(h);
}

TEST(names_rules_and_reports_all_that_is_wrong)
{
	const char *const *options = DRIP_OPTIONS(
		"rules[0].rule", "range", "rules[0].columns", "a", "rules[0].columns", "b",
		"rules[0].pattern", "x", "rules[1].rule", "row_count", "rules[1].name",
		"enough rows", "rules[1].min", "x", "rules[1].max", "y");

	refuses_options(options, "rule range(a, b): it has neither min nor max [rules[0].min]",
			"range(a, b): pattern is for the rule pattern [rules[0].pattern]");
	refuses_options(options,
			"rule enough rows: a count is a whole number from 0 on "
			"[rules[1].min]",
			"rule enough rows: a count is a whole number from 0 on [rules[1].max]");
}

TEST(refuses_rules_that_make_no_sense)
{
	refuses_options(DRIP_OPTIONS("rules[0].rule", "not_null"), "rules[0].columns",
			"quality.bad_rule");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "a"),
			"rules[0].min", "quality.bad_rule");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "set", "rules[0].columns", "a"),
			"rules[0].values", "quality.bad_rule");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "pattern", "rules[0].columns", "a",
				     "rules[0].pattern", "("),
			"rules[0].pattern", "quality.bad_pattern");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "row_count", "rules[0].min", "1",
				     "rules[0].action", "dead-letter"),
			"rules[0].action", "quality.bad_rule");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "row_count", "rules[0].min", "-1"),
			"rules[0].min", "quality.bad_rule");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "not_null", "rules[0].columns", "a",
				     "rules[0].changes", "true"),
			"rules[0].changes", "quality.bad_rule");
	refuses_options(DRIP_OPTIONS("rules[0].rule", "freshness", "rules[0].columns", "a"),
			"rules[0].max_age", "quality.bad_rule");
}

static void refuses_table(const char *const *options, const char *option, const char *code)
{
	struct drip_schema *s = drip_test_schema("t", "a int32, b utf8");
	struct drip_negotiated n = {.struct_size = sizeof(n)};

	open_quality(options);
	CHECK(drip_harness_negotiate(quality, s, &n, &err) < 0);
	CHECK_EQ_STR(err.option, option);
	CHECK_EQ_STR(err.code, code);
	finish();
	drip_schema_unref(s);
}

TEST(refuses_tables_that_do_not_fit)
{
	refuses_table(DRIP_OPTIONS("rules[0].rule", "not_null", "rules[0].columns", "a",
				   "rules[0].columns", "c"),
		      "rules[0].columns[1]", "quality.no_column");
	refuses_table(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "a",
				   "rules[0].max", "x"),
		      "rules[0].max", "quality.bad_limit");
	refuses_table(DRIP_OPTIONS("rules[0].rule", "set", "rules[0].columns", "a",
				   "rules[0].values", "x"),
		      "rules[0].values", "quality.bad_limit");
	refuses_table(DRIP_OPTIONS("rules[0].rule", "range", "rules[0].columns", "b",
				   "rules[0].max", "x"),
		      "rules[0].columns[0]", "quality.bad_type");
}

TEST_MAIN()
