/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `pubdm`: the contract of the database of products. A table of facts; the library does the
 * rest. */
#include <dripline/feed.h>

static const struct drip_feed_column products[] = {
	{"spu_code", "utf8", .flags = DRIP_COLUMN_KEY, .classification = DRIP_FEED_PUBLIC},
	{"product_name", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"category", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"subcategory", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"temperature", "int8", .classification = DRIP_FEED_PUBLIC},
	{"milk", "int8", .classification = DRIP_FEED_PUBLIC},
	{"base_price", "decimal(10,2)", .classification = DRIP_FEED_PUBLIC},
	{"product_status", "int8", .classification = DRIP_FEED_PUBLIC},
	{"launch_date", "date", .classification = DRIP_FEED_PUBLIC},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC},
};

static const struct drip_contract_rule product_rules[] = {
	{"range", "base_price", .min = "0", .max = "100"},
	{"not_null", "modify_time"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("luckyus_pubdm.t_product", products, product_rules),
};

DRIP_FEED("pubdm", "Products", tables);
