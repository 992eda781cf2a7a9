/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the SDK's helpers for plugins: patterns, text, sets of rows, transforms, SQL results. */
#include <dripline/check.h>
#include <dripline/test.h>
#include <errno.h>

static struct drip_error err;

/* ---- errors ---- */

static int heard;

static void on_more(struct drip_error *e, const struct drip_error *finding)
{
	CHECK_EQ_STR(e->code, "test.first");
	CHECK_EQ_STR(finding->code, heard == 0 ? "test.second" : "test.third");
	heard++;
}

TEST(hands_on_what_is_not_the_first)
{
	struct drip_error e = DRIP_ERROR_INIT, one = DRIP_ERROR_INIT;
	int rc;

	e.more = on_more;
	drip_error_set(&one, -EINVAL, "test.first", "first");
	drip_error_option(&one, "a[0]");
	rc = drip_error_also(&e, 0, &one);
	CHECK_EQ_STR(e.option, "a[0]");
	drip_error_set(&one, -ERANGE, "test.second", "second");
	rc = drip_error_also(&e, rc, &one);
	drip_error_set(&one, -ERANGE, "test.third", "third");
	CHECK_EQ_INT(drip_error_also(&e, rc, &one), -EINVAL);
	CHECK_EQ_INT(heard, 2);
	e.more = NULL; /* who asks for one gets the first */
	CHECK_EQ_INT(drip_error_also(&e, rc, &one), -EINVAL);
	CHECK_EQ_STR(e.message, "first");
	CHECK_EQ_INT(drip_error_also(NULL, 0, &one), -ERANGE);
}

/* ---- patterns ---- */

static void matches(const char *pattern, const char *text, const char *first, const char *second)
{
	struct drip_glob_capture c[DRIP_GLOB_CAPTURES_MAX];
	size_t count = 0;

	CHECK(drip_glob_match(pattern, text, c, &count));
	CHECK_EQ_INT(count, (first != NULL) + (second != NULL));
	if (first != NULL && count > 0) {
		CHECK_EQ_INT(c[0].size, strlen(first));
		CHECK_EQ_MEM(c[0].data, first, c[0].size);
	}
	if (second != NULL && count > 1) {
		CHECK_EQ_INT(c[1].size, strlen(second));
		CHECK_EQ_MEM(c[1].data, second, c[1].size);
	}
}

TEST(matches_patterns)
{
	matches("abc", "ABC", NULL, NULL);
	matches("*", "", "", NULL);
	matches("a*", "a", "", NULL);
	matches("*c", "abcabc", "abcab", NULL);
	matches("a*b?", "axxbby", "xxb", "y");
}

TEST(matches_with_captures)
{
	matches("t_*_m_*", "t_sales_order_m_202401", "sales_order", "202401");
	matches("*a*", "xaya", "x", "ya");
	matches("a?c*", "abcd", "b", "d");
	CHECK(!drip_glob_match("a", "ab", NULL, NULL));
	CHECK(!drip_glob_match("a?", "a", NULL, NULL));
	CHECK(!drip_glob_match("", "a", NULL, NULL));
	CHECK(drip_glob_match("", "", NULL, NULL));
	CHECK(drip_glob_table("d.t*", "D", "T1"));
	CHECK(drip_glob_table("t*", "d", "t1"));
	CHECK(!drip_glob_table("e.*", "d", "t1"));
}

/* A pattern against the rule itself, on all short texts of two letters. */
static bool naive(const char *p, const char *t)
{
	if (*p == '*') {
		return naive(p + 1, t) || (*t != '\0' && naive(p, t + 1));
	}
	if (*t == '\0' || *p == '\0') {
		return *p == *t;
	}
	return (*p == '?' || *p == *t) && naive(p + 1, t + 1);
}

TEST(matches_as_the_rule_says)
{
	static const char letters[] = "ab*?";
	int wrong = 0;

	for (int i = 0; i < 1024; i++) {
		char pattern[6] = {0};

		for (int j = 0, v = i; j < 5; j++, v /= 4) {
			pattern[j] = letters[v % 4];
		}
		for (int k = 0; k < 256; k++) {
			char text[9] = {0};

			for (int j = 0; j < 2 + k % 7; j++) {
				text[j] = (char)('a' + ((k >> j) & 1));
			}
			wrong += naive(pattern, text) != drip_glob_match(pattern, text, NULL, NULL);
		}
	}
	CHECK_EQ_INT(wrong, 0);
}

TEST(does_not_blow_up)
{
	char text[4001], pattern[401];

	memset(text, 'a', 4000);
	text[4000] = '\0';
	for (int i = 0; i < 400; i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[399] = 'b';
	pattern[400] = '\0';
	CHECK(!drip_glob_match(pattern, text, NULL, NULL));
}

/* ---- text ---- */

TEST(bounds_texts)
{
	struct drip_text t = {0};

	drip_text_puts(&t, "ab");
	drip_text_json_string(&t, "\x01\n\"", 3);
	CHECK_EQ_INT(t.size, 2 + 2 + 6 + 2 + 2);
	CHECK_EQ_MEM(t.data, "ab\"\\u0001\\n\\\"\"", t.size);
	CHECK_OK(drip_text_check(&t, &err), &err);
	t.size = t.capacity;
	drip_text_put(&t, "x", DRIP_TEXT_MAX);
	CHECK_EQ_INT(drip_text_check(&t, &err), -EOVERFLOW);
	CHECK_EQ_STR(err.code, "text.too_large");
	drip_text_clear(&t);
	CHECK_OK(drip_text_check(&t, &err), &err);
	drip_text_finish(&t);
}

/* ---- hashes and sets of rows ---- */

TEST(hashes_rows_by_value)
{
	struct drip_schema *s = drip_test_schema(
		"t", "a int32 null, b bool null, c decimal(20,2) null, d utf8 null, e float64");
	struct drip_batch *whole = drip_test_batch(
		s, "i|1|true|1.50|x|0.5\ni|1|true|1.50|y|0.5\ni|NULL|NULL|NULL|NULL|0\n"
		   "i|0|false|0.00||0\ni|1|true|1.50|x|0.5\n");
	uint32_t all[] = {0, 1, 2, 3, 4};
	struct drip_hash h[5], part[2];
	struct drip_batch *slice;

	drip_hash_rows(whole, all, 5, 7, h);
	for (int i = 0; i < 5; i++) {
		for (int j = 0; j < i; j++) {
			bool same = h[i].low == h[j].low && h[i].high == h[j].high;

			CHECK_EQ_INT(same, i == 4 && j == 0);
		}
	}
	REQUIRE_OK(drip_batch_slice(whole, 3, 2, &slice, &err), &err);
	drip_hash_rows(slice, all, 5, 7, part);
	CHECK_EQ_MEM(part, h + 3, sizeof(part));
	drip_hash_rows(slice, all, 5, 8, part);
	CHECK(part[0].low != h[3].low);
	drip_batch_unref(slice);
	drip_batch_unref(whole);
	drip_schema_unref(s);
}

static struct drip_hash hash_of(uint64_t v)
{
	/* few homes, so that slots collide */
	return (struct drip_hash){v % 7, v};
}

/* The set against a plain array, with collisions, removals and expiry. */
TEST(remembers_exactly_the_latest)
{
	enum { IDS = 3000, LIMIT = 1000 };
	static int64_t number[IDS]; /* when it was added, 0: not in the set */
	int64_t next = 1, wrong = 0, live = 0;
	struct drip_rowset set;
	uint64_t seed = 1;

	REQUIRE_OK(drip_rowset_init(&set, LIMIT, &err), &err);
	for (int step = 0; step < 20000; step++) {
		uint64_t id = (seed = seed * 6364136223846793005u + 1442695040888963407u) >> 33;
		struct drip_hash h = hash_of(id % IDS);

		id %= IDS;
		if (step % 5 == 4) {
			drip_rowset_remove(&set, &h);
			number[id] = 0;
			continue;
		}
		if ((drip_rowset_find(&set, &h) != NULL) != (number[id] != 0)) {
			wrong++;
		}
		if (number[id] == 0) {
			REQUIRE_OK(drip_rowset_add(&set, &h, next, &err), &err);
			number[id] = next++;
			for (int i = 0; i < IDS; i++) {
				if (number[i] != 0 && number[i] <= next - 1 - LIMIT) {
					number[i] = 0;
				}
			}
		}
	}
	CHECK_EQ_INT(wrong, 0);
	for (int i = 0; i < IDS; i++) {
		live += number[i] != 0;
	}
	CHECK_EQ_INT(set.live, live);
	drip_rowset_expire(&set, next - 10);
	CHECK_LE_INT(set.live, 10);
	drip_rowset_clear(&set);
	CHECK_EQ_INT(set.live, 0);
	drip_rowset_finish(&set);
}

TEST(refuses_sets_without_bounds_and_with_gaps)
{
	struct drip_rowset_entry entries[3] = {{{1, 1}, 0}, {{2, 2}, INT64_MIN}, {{3, 3}, 5}};
	struct drip_rowset set;
	uint64_t number;

	CHECK(drip_rowset_init(&set, 0, &err) < 0);
	CHECK_EQ_STR(err.code, "rowset.bad_limit");
	REQUIRE_OK(drip_rowset_init(&set, 100, &err), &err);
	CHECK_OK(drip_rowset_load(&set, 50, entries, 3, &err), &err);
	CHECK_EQ_INT(set.live, 2);
	CHECK(!drip_rowset_is_dirty(&set, 0));
	CHECK_EQ_INT(drip_rowset_load(&set, 54, entries, 1, &err), -EBADMSG);
	CHECK_EQ_STR(err.code, "rowset.bad_state");
	drip_rowset_remove(&set, &entries[2].hash);
	CHECK(drip_rowset_is_dirty(&set, 0));
	{
		struct drip_rowset_entry *out = calloc(DRIP_ROWSET_SEGMENT, sizeof(*out));

		REQUIRE_NOT_NULL(out);
		CHECK_EQ_INT(drip_rowset_segment(&set, 0, out, &number), 3);
		CHECK_EQ_INT(number, 50);
		CHECK_EQ_INT(out[2].time, INT64_MIN);
		free(out);
	}
	drip_rowset_finish(&set);
}

/* ---- transforms ---- */

static int plans_freed;

static void free_plan(void *plan)
{
	plans_freed++;
	free(plan);
}

TEST(keeps_plans_by_schema_within_bounds)
{
	struct drip_plans plans = {.destroy = free_plan};
	struct drip_schema *first = drip_test_schema("t", "a int8"), *s;

	CHECK_NULL(drip_plans_find(&plans, first));
	for (int i = 0; i < DRIP_PLANS_MAX; i++) {
		s = i == 0 ? drip_schema_ref(first) : drip_test_schema("t", "a int8");
		REQUIRE_OK(drip_plans_put(&plans, s, malloc(1), &err), &err);
		CHECK_NOT_NULL(drip_plans_find(&plans, s));
		drip_schema_unref(s);
	}
	CHECK_NOT_NULL(drip_plans_find(&plans, first));
	CHECK_EQ_INT(plans_freed, 0);
	s = drip_test_schema("t", "a int8");
	REQUIRE_OK(drip_plans_put(&plans, s, malloc(1), &err), &err);
	CHECK_EQ_INT(plans_freed, DRIP_PLANS_MAX);
	CHECK_NULL(drip_plans_find(&plans, first));
	drip_schema_unref(s);
	drip_schema_unref(first);
	drip_plans_finish(&plans);
	CHECK_EQ_INT(plans_freed, DRIP_PLANS_MAX + 1);
}

TEST(changes_ops_alone)
{
	struct drip_schema *s = drip_test_schema("t", "a int64, b utf8 null");
	struct drip_batch *batch = drip_test_batch(s, "i|1|x\ni|2|NULL\n"), *other;
	uint8_t *ops = malloc(2);
	char *text;

	REQUIRE_NOT_NULL(ops);
	ops[0] = DRIP_OP_DELETE;
	ops[1] = DRIP_OP_UPDATE;
	batch->position = drip_test_position(6);
	batch->commit_time_us = 5;
	REQUIRE_OK(drip_batch_with_ops(batch, ops, &other, &err), &err);
	drip_batch_unref(batch);
	text = drip_test_batch_text(other);
	CHECK_EQ_STR(text, "t\nd|1|x\nu|2|NULL\n");
	CHECK_EQ_INT(other->commit_time_us, 5);
	CHECK_EQ_STR(other->position.text, drip_test_position(6).text);
	free(text);
	drip_batch_unref(other);
	drip_schema_unref(s);
}

TEST(concatenates_columns_of_all_kinds)
{
	struct drip_schema *s =
		drip_test_schema("t", "a int64 null, b bool null, c utf8 null, d decimal(9,2)");
	struct drip_batch *whole = drip_test_batch(
		s, "i|1|true|x|1.00\ni|NULL|NULL|NULL|2.00\ni|3|false|zz|3.00\ni|4|true||4.00\n");
	struct drip_batch *head, *tail, *joined, *empty;
	struct ArrowArray columns[4];
	char *text, *expect = drip_test_batch_text(whole);

	REQUIRE_OK(drip_batch_slice(whole, 0, 1, &head, &err), &err);
	REQUIRE_OK(drip_batch_slice(whole, 1, 0, &empty, &err), &err);
	REQUIRE_OK(drip_batch_slice(whole, 1, 3, &tail, &err), &err);
	for (uint32_t i = 0; i < 4; i++) {
		const struct ArrowArray *parts[] = {
			head->array.children[i], empty->array.children[i], tail->array.children[i]};

		REQUIRE_OK(drip_column_concat(parts, 3, drip_schema_column(s, i)->type, &columns[i],
					      &err),
			   &err);
	}
	REQUIRE_OK(drip_batch_derive(whole, s, columns, &joined, &err), &err);
	CHECK_OK(drip_batch_validate(joined, &err), &err);
	text = drip_test_batch_text(joined);
	CHECK_EQ_STR(text, expect);
	free(text);
	free(expect);
	drip_batch_unref(joined);
	drip_batch_unref(head);
	drip_batch_unref(empty);
	drip_batch_unref(tail);
	drip_batch_unref(whole);
	drip_schema_unref(s);
}

/* ---- SQL results: a database that fails in the middle of one ---- */

static struct drip_schema *result_schema;

static int fail_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
	ret->release = NULL;
	return EIO;
}

static const char *last_error(struct ArrowArrayStream *stream)
{
	return "the disk is gone";
}

static void release_stream(struct ArrowArrayStream *stream)
{
	stream->release = NULL;
}

static int failing_query(void *session, const char *sql, const struct drip_batch *bind,
			 struct drip_schema **ret_schema, struct ArrowArrayStream *ret_stream,
			 struct drip_error *error)
{
	*ret_schema = drip_schema_ref(result_schema);
	*ret_stream = (struct ArrowArrayStream){
		.get_next = fail_next, .get_last_error = last_error, .release = release_stream};
	return 0;
}

TEST(tells_why_a_result_ended)
{
	static const struct drip_sql sql = {.struct_size = sizeof(sql), .query = failing_query};
	struct drip_schema *schema;
	struct ArrowArray *columns;
	int64_t rows;

	result_schema = drip_test_schema("t", "a int64");
	CHECK_EQ_INT(drip_sql_collect(&sql, NULL, "SELECT 1", NULL, &schema, &columns, &rows, &err),
		     -EIO);
	CHECK_EQ_STR(err.code, "sql.result");
	CHECK_CONTAINS(err.message, "the disk is gone");
	drip_schema_unref(result_schema);
}

TEST(surrogate_keys_are_those_of_the_warehouses)
{
	struct drip_text t = {0};
	char x[200];

	/* DuckDB's numbers, as tests/config/test_catalog.sh asks for them */
	memset(x, 'x', sizeof(x));
	CHECK_EQ_INT(drip_surrogate_key("dim_store", "1001", 4), 441079437838845302);
	CHECK_EQ_INT(drip_surrogate_key("a", x, sizeof(x)), 3460450577008286419);
	CHECK_EQ_INT(drip_surrogate_key("", "", 0), 2642974275542489273);
	/* one more byte than fits beside the length in the last block */
	CHECK(drip_surrogate_key("a", x, 53) != drip_surrogate_key("a", x, 54));

	CHECK_EQ_INT(drip_sql_put_key_function(&t, "mysql", "dw", &err), -ENOTSUP);
	CHECK_EQ_STR(err.code, "sql.no_key_function");
	REQUIRE_OK(drip_sql_put_key_function(&t, "redshift", "dw", &err), &err);
	drip_text_finish(&t);
}

TEST_MAIN()
