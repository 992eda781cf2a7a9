/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `salesorder`: the contract of the database of orders, a shard a month. A table of facts; the
 * library does the rest. */
#include <dripline/feed.h>

static const struct drip_feed_column orders[] = {
	{"order_id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
	{"order_no", "utf8"},
	{"user_no", "utf8", .flags = DRIP_COLUMN_NULLABLE},
	{"shop_dept_id", "int64", .classification = DRIP_FEED_PUBLIC, .clean = DRIP_FEED_TEXT},
	{"channel", "int8", .classification = DRIP_FEED_PUBLIC},
	{"order_source", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"order_status", "int16"},
	{"currency_code", "utf8"},
	{"gross_amount", "decimal(12,2)"},
	{"discount_amount", "decimal(12,2)", .flags = DRIP_COLUMN_NULLABLE},
	{"net_amount", "decimal(12,2)"},
	{"coupon_no", "utf8", .flags = DRIP_COLUMN_NULLABLE},
	{"time_zone", "utf8"},
	{"create_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
	{"pay_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
	{"finish_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
	{"is_nzd_test", "utf8", .flags = DRIP_COLUMN_NULLABLE, .clean = DRIP_FEED_EQUALS,
	 .from = "currency_code", .arg = "NZD"},
};

static const struct drip_feed_column items[] = {
	{"item_id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
	{"order_id", "int64", .clean = DRIP_FEED_TEXT},
	{"spu_code", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"product_name", "utf8"},
	{"quantity", "int32"},
	{"unit_price", "decimal(10,2)"},
	{"item_amount", "decimal(10,2)"},
	{"options", "json", .flags = DRIP_COLUMN_NULLABLE},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC},
};

static const struct drip_contract_rule order_rules[] = {
	{"unique", "order_no", .window = 100000},
	{"not_null", "create_time, modify_time"},
	{"set", "currency_code", .values = "USD, NZD"},
	{"set", "order_status", .values = "10, 20, 30, 80, 90"},
	{"range", "channel", .min = "1", .max = "2"},
	{"range", "gross_amount, net_amount", .min = "0", .max = "10000"},
	{"freshness", "modify_time", .max_age = "1d"},
};

static const struct drip_contract_rule item_rules[] = {
	{"not_null", "modify_time"},
	{"range", "quantity", .min = "1", .max = "1000"},
	{"range", "unit_price, item_amount", .min = "0", .max = "10000"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("luckyus_salesorder.t_sales_order_m_*", orders, order_rules),
	DRIP_FEED_TABLE_RULES("luckyus_salesorder.t_sales_order_item_m_*", items, item_rules),
};

DRIP_FEED("salesorder", "Orders and order items of the shops", tables);
