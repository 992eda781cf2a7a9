/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `contract`: what it promises, and what its check refuses. How a contract meets a table is
 * the engine's affair: tests/config. */
#include "lib/test.h"

#include <dripline/test.h>
#include <errno.h>

TEST(promises_what_yaml_says)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_contract *contract = NULL;
	const struct drip_feed_ops *ops;
	struct drip_instance *i;
	const struct drip_schema *s;

	REQUIRE_OK(
		drip_harness_bind(
			h, DRIP_KIND_FEED, "contract",
			DRIP_OPTIONS(
				"tables[0].match", "shop.t_order_m_*", "tables[0].as", "orders",
				"tables[0].strict", "true", "tables[0].columns[0].name", "id",
				"tables[0].columns[0].type", "int64", "tables[0].columns[0].key",
				"true", "tables[0].columns[0].nullable", "false",
				"tables[0].columns[1].name", "phone", "tables[0].columns[1].type",
				"utf8", "tables[0].columns[1].class", "restricted",
				"tables[1].match", "other", "tables[1].columns[0].name", "a",
				"tables[1].columns[0].type", "decimal(12,2)"),
			&i, &err),
		&err);
	ops = i->component->ops;
	REQUIRE_OK(ops->contract(&i->ctx, i->config, &contract, &err), &err);
	REQUIRE_EQ_INT(contract->tables_count, 2);
	CHECK_EQ_STR(contract->tables[0].match, "shop.t_order_m_*");
	CHECK(contract->tables[0].strict);
	CHECK(!contract->tables[1].strict);
	s = contract->tables[0].schema;
	CHECK_EQ_STR(s->table, "orders");
	CHECK_EQ_INT(s->columns_count, 2);
	CHECK_EQ_INT(s->keys_count, 1);
	CHECK_EQ_INT(drip_schema_column(s, 0)->flags, DRIP_COLUMN_KEY);
	CHECK_EQ_INT(drip_schema_column(s, 0)->classification, DRIP_CLASS_INTERNAL);
	CHECK_EQ_INT(drip_schema_column(s, 1)->type, DRIP_TYPE_UTF8);
	CHECK_EQ_INT(drip_schema_column(s, 1)->flags, DRIP_COLUMN_NULLABLE);
	CHECK_EQ_INT(drip_schema_column(s, 1)->classification, DRIP_CLASS_RESTRICTED);
	s = contract->tables[1].schema;
	CHECK_EQ_STR(s->table, "");
	CHECK_EQ_INT(drip_schema_column(s, 0)->precision, 12);
	CHECK_EQ_INT(drip_schema_column(s, 0)->scale, 2);
	contract->release(contract);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST(refuses_bad_types_and_duplicates)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;

	CHECK_EQ_INT(
		drip_harness_open(h, DRIP_KIND_FEED, "contract",
				  DRIP_OPTIONS("tables[0].match", "t", "tables[0].columns[0].name",
					       "a", "tables[0].columns[0].type", "varchar",
					       "tables[0].columns[1].name", "a",
					       "tables[0].columns[1].type", "utf8"),
				  &i, &err),
		-EINVAL);
	CHECK_CONTAINS(drip_harness_findings(h), "[tables[0].columns[0].type]");
	CHECK_CONTAINS(drip_harness_findings(h), "contract.duplicate_column");
	CHECK_CONTAINS(drip_harness_findings(h), "[tables[0].columns[1].name]");
	drip_harness_destroy(h);
}

TEST(opens_and_closes)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_instance *i = NULL;

	REQUIRE_OK(
		drip_harness_open(h, DRIP_KIND_FEED, "contract",
				  DRIP_OPTIONS("tables[0].match", "*", "tables[0].columns[0].name",
					       "a", "tables[0].columns[0].type", "utf8"),
				  &i, &err),
		&err);
	CHECK_NOT_NULL(i->self);
	drip_harness_close(i);
	drip_harness_destroy(h);
}

TEST_MAIN()
