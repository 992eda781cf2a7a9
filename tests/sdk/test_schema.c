/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas: building, what is refused, names and formats of types, Arrow, JSON there and back. */
#include "lib/test.h"

#include <dripline/dripline.h>
#include <errno.h>

static struct drip_schema *make_orders(void)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *s = NULL;
	const struct drip_column columns[] = {
		{.struct_size = sizeof(columns[0]),
		 .type = DRIP_TYPE_INT64,
		 .name = "id",
		 .source_type = "bigint(20)",
		 .flags = DRIP_COLUMN_KEY},
		{.struct_size = sizeof(columns[0]),
		 .type = DRIP_TYPE_DECIMAL,
		 .name = "Total \"net\"\\\n",
		 .precision = 12,
		 .scale = 2,
		 .flags = DRIP_COLUMN_NULLABLE},
		{.struct_size = sizeof(columns[0]),
		 .type = DRIP_TYPE_UTF8,
		 .name = "phone",
		 .length = 20,
		 .flags = DRIP_COLUMN_NULLABLE | DRIP_COLUMN_MASKED,
		 .classification = DRIP_CLASS_RESTRICTED},
		{.struct_size = sizeof(columns[0]),
		 .type = DRIP_TYPE_TIMESTAMP,
		 .name = "created",
		 .scale = 6},
	};

	drip_schema_builder_init(&b, "shop", "orders");
	b.version = 7;
	for (size_t i = 0; i < DRIP_COUNT(columns); i++) {
		CHECK_EQ_INT(drip_schema_builder_add(&b, &columns[i]), i);
	}
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	return s;
}

static int build_one(const struct drip_column *columns, size_t count, struct drip_error *err)
{
	struct drip_schema_builder b;
	struct drip_schema *s = NULL;
	int rc;

	drip_schema_builder_init(&b, "", "t");
	for (size_t i = 0; i < count; i++) {
		drip_schema_builder_add(&b, &columns[i]);
	}
	rc = drip_schema_builder_build(&b, &s, err);
	drip_schema_unref(s);
	return rc;
}

TEST(builds_and_finds)
{
	struct drip_schema *s = make_orders();

	CHECK_EQ_STR(s->database, "shop");
	CHECK_EQ_STR(s->table, "orders");
	CHECK_EQ_UINT(s->columns_count, 4);
	CHECK_EQ_UINT(s->keys_count, 1);
	CHECK_EQ_UINT(s->version, 7);
	CHECK_EQ_INT(drip_schema_find(s, "phone"), 2);
	CHECK_EQ_INT(drip_schema_find(s, "PHONE"), 2);
	CHECK_EQ_INT(drip_schema_find(s, "fax"), -1);
	CHECK_EQ_STR(drip_schema_column(s, 0)->source_type, "bigint(20)");
	CHECK_NULL(drip_schema_column(s, 1)->source_type);
	CHECK_EQ_PTR(drip_schema_ref(s), s);
	drip_schema_unref(s);
	drip_schema_unref(s);
	drip_schema_unref(NULL);
}

TEST(exact_name_wins_over_case)
{
	const struct drip_column columns[] = {
		{.type = DRIP_TYPE_INT8, .name = "A"},
		{.type = DRIP_TYPE_INT8, .name = "a"},
	};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *s;

	drip_schema_builder_init(&b, "", "t");
	drip_schema_builder_add(&b, &columns[0]);
	drip_schema_builder_add(&b, &columns[1]);
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	CHECK_EQ_INT(drip_schema_find(s, "a"), 1);
	CHECK_EQ_INT(drip_schema_find(s, "A"), 0);
	drip_schema_unref(s);
}

TEST(derives_from_another)
{
	struct drip_schema *s = make_orders(), *t = NULL, *u = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, s);
	REQUIRE_OK(drip_schema_builder_build(&b, &t, &err), &err);
	CHECK(drip_schema_equal(s, t));
	drip_schema_builder_from(&b, s);
	drip_schema_builder_rename(&b, 2, "telephone");
	drip_schema_builder_remove(&b, 0);
	drip_schema_builder_set_table(&b, "dwh", "o");
	REQUIRE_OK(drip_schema_builder_build(&b, &u, &err), &err);
	CHECK(!drip_schema_equal(s, u));
	CHECK_EQ_UINT(u->columns_count, 3);
	CHECK_EQ_UINT(u->keys_count, 0);
	CHECK_EQ_STR(drip_schema_column(u, 1)->name, "telephone");
	CHECK_EQ_STR(u->table, "o");
	drip_schema_unref(s);
	drip_schema_unref(t);
	drip_schema_unref(u);
}

TEST(fill_and_old_name_go_along_but_not_behind_a_mask)
{
	struct drip_column c = {.struct_size = sizeof(c),
				.type = DRIP_TYPE_INT32,
				.name = "c",
				.fill = "5",
				.renamed_from = "b"};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *s, *d, *m;
	uint32_t size_1_0 = 48;

	drip_schema_builder_init(&b, "", "t");
	drip_schema_builder_add(&b, &c);
	REQUIRE_OK(drip_schema_builder_build(&b, &s, &err), &err);
	drip_schema_builder_from(&b, s);
	drip_schema_builder_rename(&b, 0, "d");
	c.name = "older"; /* of a plugin whose columns end before `fill` */
	c.struct_size = size_1_0;
	drip_schema_builder_add(&b, &c);
	REQUIRE_OK(drip_schema_builder_build(&b, &d, &err), &err);
	CHECK_EQ_STR(drip_schema_column(d, 0)->fill, "5");
	CHECK_EQ_STR(drip_schema_column(d, 0)->renamed_from, "b");
	CHECK(drip_schema_column_get(d, 1).fill == NULL);
	CHECK(drip_schema_column_get(d, 1).renamed_from == NULL);
	drip_schema_builder_from(&b, d);
	b.columns[0].flags |= DRIP_COLUMN_MASKED;
	REQUIRE_OK(drip_schema_builder_build(&b, &m, &err), &err);
	CHECK(drip_schema_column(m, 0)->fill == NULL);
	CHECK(drip_schema_column(m, 0)->renamed_from == NULL);
	drip_schema_unref(m);
	drip_schema_builder_from(&b, d);
	drip_schema_builder_clear_fill(&b, 0);
	REQUIRE_OK(drip_schema_builder_build(&b, &m, &err), &err);
	CHECK(drip_schema_column(m, 0)->fill == NULL);
	CHECK_EQ_STR(drip_schema_column(m, 0)->renamed_from, "b");
	drip_schema_unref(m);
	drip_schema_unref(d);
	drip_schema_unref(s);
}

TEST(refuses_bad_columns)
{
	const struct drip_column twice[] = {{.type = DRIP_TYPE_INT8, .name = "a"},
					    {.type = DRIP_TYPE_UTF8, .name = "b"},
					    {.type = DRIP_TYPE_INT8, .name = "a"}};
	const struct drip_column unnamed = {.type = DRIP_TYPE_INT8, .name = ""};
	const struct drip_column untyped = {.type = (enum drip_type)77, .name = "a"};
	const struct drip_column wide = {.type = DRIP_TYPE_DECIMAL, .name = "a", .precision = 39};
	const struct drip_column scaled = {
		.type = DRIP_TYPE_DECIMAL, .name = "a", .precision = 3, .scale = 4};
	struct drip_error err = DRIP_ERROR_INIT;

	CHECK_EQ_INT(build_one(twice, 3, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "schema.duplicate_column");
	CHECK_EQ_INT(build_one(&unnamed, 1, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "schema.unnamed_column");
	CHECK_EQ_INT(build_one(&untyped, 1, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "schema.bad_type");
	CHECK_EQ_INT(build_one(&wide, 1, &err), -EINVAL);
	CHECK_EQ_INT(build_one(&scaled, 1, &err), -EINVAL);
}

TEST(bounds_columns_and_names)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *s = NULL;
	char name[DRIP_NAME_MAX + 2];
	struct drip_column c = {.type = DRIP_TYPE_INT8, .name = name};

	drip_schema_builder_init(&b, "", "t");
	for (int i = 0; i <= DRIP_COLUMNS_MAX; i++) {
		snprintf(name, sizeof(name), "c%d", i);
		drip_schema_builder_add(&b, &c);
	}
	CHECK_EQ_INT(drip_schema_builder_build(&b, &s, &err), -E2BIG);
	CHECK_EQ_STR(err.code, "schema.too_many_columns");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	CHECK_EQ_INT(build_one(&c, 1, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "schema.name_too_long");
	drip_schema_builder_init(&b, "", "t");
	drip_schema_builder_rename(&b, 3, "x");
	CHECK_EQ_INT(drip_schema_builder_build(&b, &s, &err), -ERANGE);
	CHECK_EQ_STR(err.code, "schema.no_such_column");
}

TEST(type_names_go_both_ways)
{
	for (int type = DRIP_TYPE_BOOL; type <= DRIP_TYPE_UUID; type++) {
		struct drip_column c = {.type = (enum drip_type)type, .precision = 12, .scale = 2};
		struct drip_column back = {.type = DRIP_TYPE_NONE};
		struct drip_error err = DRIP_ERROR_INIT;
		char name[40];

		drip_type_name(&c, name, sizeof(name));
		CHECK_OK(drip_type_parse(name, &back, &err), &err);
		CHECK_EQ_INT(back.type, type);
		CHECK_EQ_INT(back.precision, type == DRIP_TYPE_DECIMAL ? 12 : 0);
	}
}

TEST(type_parse_refuses)
{
	static const char *const bad[] = {
		"",
		"int",
		"decimal",
		"decimal(",
		"decimal()",
		"decimal(0,0)",
		"decimal(39,0)",
		"decimal(5,6)",
		"decimal(5,-1)",
		"decimal(5,1)x",
		"none",
	};

	for (size_t i = 0; i < DRIP_COUNT(bad); i++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_column c = {.type = DRIP_TYPE_NONE};

		CHECK_EQ_INT(drip_type_parse(bad[i], &c, &err), -EINVAL);
		CHECK_EQ_STR(err.code, "schema.unknown_type");
	}
}

TEST(arrow_schema)
{
	struct drip_schema *s = make_orders();
	struct drip_error err = DRIP_ERROR_INIT;
	struct ArrowSchema a, moved;

	REQUIRE_OK(drip_schema_to_arrow(s, &a, &err), &err);
	CHECK_EQ_STR(a.format, "+s");
	CHECK_EQ_STR(a.name, "orders");
	CHECK_EQ_INT(a.n_children, 4);
	CHECK_EQ_STR(a.children[0]->format, "l");
	CHECK_EQ_INT(a.children[0]->flags, 0);
	CHECK_EQ_STR(a.children[1]->format, "d:12,2");
	CHECK_EQ_INT(a.children[1]->flags, ARROW_FLAG_NULLABLE);
	CHECK_EQ_STR(a.children[3]->format, "tsu:");
	moved = *a.children[2]; /* a child may outlive its parent */
	a.children[2]->release = NULL;
	a.release(&a);
	CHECK(a.release == NULL);
	CHECK_EQ_STR(moved.name, "phone");
	moved.release(&moved);
	drip_schema_unref(s);
}

TEST(json_goes_both_ways)
{
	struct drip_schema *s = make_orders(), *back = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	char *json = NULL, *again = NULL;

	REQUIRE_OK(drip_schema_to_json(s, &json, &err), &err);
	CHECK_CONTAINS(json, "{\"database\":\"shop\",\"table\":\"orders\",\"version\":7,");
	REQUIRE_OK(drip_schema_from_json(json, &back, &err), &err);
	CHECK(drip_schema_equal(s, back));
	CHECK_EQ_UINT(back->version, 7);
	CHECK_EQ_INT(drip_schema_column(back, 2)->length, 20);
	REQUIRE_OK(drip_schema_to_json(back, &again, &err), &err);
	CHECK_EQ_STR(json, again);
	/* Every proper prefix, and the text with a byte more, is refused. */
	for (size_t i = strlen(json); i-- > 0;) {
		struct drip_schema *none = NULL;

		json[i] = '\0';
		CHECK_EQ_INT(drip_schema_from_json(json, &none, &err), -EINVAL);
	}
	free(json);
	REQUIRE(asprintf(&json, "%s ", again) > 0);
	drip_schema_unref(back);
	CHECK_EQ_INT(drip_schema_from_json(json, &back, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "schema.malformed_json");
	free(json);
	free(again);
	drip_schema_unref(s);
}

TEST(classes)
{
	enum drip_class c = DRIP_CLASS_PUBLIC;

	for (int i = 0; i < 4; i++) {
		CHECK_EQ_INT(drip_class_parse(drip_class_name((enum drip_class)i), &c), 0);
		CHECK_EQ_INT(c, i);
	}
	CHECK_EQ_INT(drip_class_parse("secret", &c), -EINVAL);
}

TEST(sql_quoting)
{
	const struct drip_sql_dialect dialect = {.name = "mysql", .quote = '`'};
	char buf[16];

	CHECK_EQ_INT(drip_sql_quote(&dialect, "a`b", buf, sizeof(buf)), 6);
	CHECK_EQ_STR(buf, "`a``b`");
	CHECK_EQ_INT(drip_sql_literal(NULL, "it's", buf, sizeof(buf)), 7);
	CHECK_EQ_STR(buf, "'it''s'");
	CHECK_EQ_INT(drip_sql_literal(NULL, "it's", buf, 4), 7);
	CHECK_EQ_STR(buf, "'it");
	CHECK_EQ_INT(drip_sql_literal(NULL, "it's", NULL, 0), 7);
	CHECK_EQ_INT(drip_sql_literal(NULL, "a\\'", buf, sizeof(buf)), 6);
	CHECK_EQ_STR(buf, "'a\\'''");
	CHECK_EQ_INT(drip_sql_literal(&dialect, "it's", buf, sizeof(buf)), 7);
	CHECK_EQ_STR(buf, "'it''s'");
	CHECK_EQ_INT(drip_sql_literal(&dialect, "\\'", buf, sizeof(buf)), 16);
	CHECK_EQ_STR(buf, "_utf8mb4 x'5c27");
}

TEST(names_of_a_sql_text)
{
	const char *at = "SELECT a.x, 'no.t', 'it''s' -- b.c\nFROM dw.t /* d.e */ JOIN u2 'open.";
	char first[DRIP_NAME_MAX], second[DRIP_NAME_MAX];
	struct drip_text all = {0};

	while (drip_sql_next_name(&at, first, second)) {
		drip_text_puts(&all, first);
		drip_text_puts(&all, "/");
		drip_text_puts(&all, second);
		drip_text_puts(&all, " ");
	}
	drip_text_put(&all, "", 1);
	CHECK_EQ_STR(all.data, "SELECT/ a/x FROM/ dw/t JOIN/ u2/ ");
	CHECK_EQ_STR(at, " 'open.");
	drip_text_clear(&all);
	at = "FROM \"dw\" . \"t u\", `ods`.x.\"y\" WHERE a.* = 'b' AND \"open";
	while (drip_sql_next_name(&at, first, second)) {
		drip_text_puts(&all, first);
		drip_text_puts(&all, "/");
		drip_text_puts(&all, second);
		drip_text_puts(&all, " ");
	}
	drip_text_put(&all, "", 1);
	CHECK_EQ_STR(all.data, "FROM/ dw/t u ods/x y/ WHERE/ a/ AND/ open/ ");
	drip_text_finish(&all);
}

TEST_MAIN()
