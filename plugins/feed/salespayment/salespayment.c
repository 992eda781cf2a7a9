/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `salespayment`: the contract of the database of payments, a shard a month. A table of facts;
 * the library does the rest. */
#include <dripline/feed.h>

static const struct drip_feed_column trades[] = {
	{"trade_id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
	{"trade_no", "utf8"},
	{"order_id", "utf8"},
	{"user_no", "utf8", .flags = DRIP_COLUMN_NULLABLE},
	{"trade_type", "int8"},
	{"pay_method", "utf8"},
	{"trade_amount", "decimal(12,2)"},
	{"currency_code", "utf8"},
	{"trade_status", "int16"},
	{"card_token", "utf8", .flags = DRIP_COLUMN_NULLABLE,
	 .classification = DRIP_FEED_RESTRICTED, .pii = "payment"},
	{"device_id", "utf8", .flags = DRIP_COLUMN_NULLABLE, .classification = DRIP_FEED_RESTRICTED,
	 .pii = "device"},
	{"client_ip", "utf8", .flags = DRIP_COLUMN_NULLABLE, .classification = DRIP_FEED_RESTRICTED,
	 .pii = "network"},
	{"create_time", "timestamp", .clean = DRIP_FEED_UTC},
	{"pay_time", "timestamp", .clean = DRIP_FEED_UTC},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC},
	{"is_nzd_test", "utf8", .flags = DRIP_COLUMN_NULLABLE, .clean = DRIP_FEED_EQUALS,
	 .from = "currency_code", .arg = "NZD"},
};

static const struct drip_feed_column fees[] = {
	{"fee_id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
	{"trade_no", "utf8"},
	{"fee_type", "utf8"},
	{"fee_amount", "decimal(10,4)"},
	{"currency_code", "utf8"},
	{"create_time", "timestamp", .clean = DRIP_FEED_UTC},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC},
};

static const struct drip_contract_rule trade_rules[] = {
	{"unique", "trade_no", .window = 100000},
	{"not_null", "create_time, modify_time"},
	{"set", "currency_code", .values = "USD, NZD"},
	{"set", "trade_status", .values = "10, 20, 30, 40"},
	{"range", "trade_type", .min = "1", .max = "2"},
	{"range", "trade_amount", .min = "0", .max = "10000"},
	{"freshness", "modify_time", .max_age = "1d"},
};

static const struct drip_contract_rule fee_rules[] = {
	{"not_null", "modify_time"},
	{"range", "fee_amount", .min = "-1000", .max = "1000"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("luckyus_salespayment.t_sales_trade_m_*", trades, trade_rules),
	DRIP_FEED_TABLE_RULES("luckyus_salespayment.t_sales_trade_fee_m_*", fees, fee_rules),
};

DRIP_FEED("salespayment", "Payments, refunds and fees", tables);
