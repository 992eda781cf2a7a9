/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `opproduction`: the contract of the database of productions, a shard a month. A table of
 * facts; the library does the rest. */
#include <dripline/feed.h>

static const struct drip_feed_column productions[] = {
	{"production_id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
	{"order_id", "int64", .clean = DRIP_FEED_TEXT},
	{"item_id", "int64", .clean = DRIP_FEED_TEXT},
	{"shop_dept_id", "int64", .classification = DRIP_FEED_PUBLIC, .clean = DRIP_FEED_TEXT},
	{"spu_code", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"barista_no", "utf8", .flags = DRIP_COLUMN_NULLABLE,
	 .classification = DRIP_FEED_RESTRICTED, .pii = "employee"},
	{"production_status", "int8"},
	{"time_zone", "utf8"},
	{"start_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
	{"end_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
};

static const struct drip_feed_column formulas[] = {
	{"spu_code", "utf8", .flags = DRIP_COLUMN_KEY, .classification = DRIP_FEED_PUBLIC},
	{"recipe_cost", "decimal(10,4)", .classification = DRIP_FEED_CONFIDENTIAL},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC},
};

static const struct drip_contract_rule production_rules[] = {
	{"not_null", "modify_time"},
	{"range", "production_status", .min = "1", .max = "4"},
	{"freshness", "modify_time", .max_age = "1d"},
};

static const struct drip_contract_rule formula_rules[] = {
	{"range", "recipe_cost", .min = "0", .max = "100"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("luckyus_opproduction.t_production_m_*", productions,
			      production_rules),
	DRIP_FEED_TABLE_RULES("luckyus_opproduction.t_production_formula", formulas, formula_rules),
};

DRIP_FEED("opproduction", "Productions and what they cost", tables);
