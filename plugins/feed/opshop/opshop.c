/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `opshop`: the contract of the database of shops. A table of facts; the library does the
 * rest. */
#include <dripline/feed.h>

static const struct drip_feed_column shops[] = {
	{"dept_id", "int64", .flags = DRIP_COLUMN_KEY, .classification = DRIP_FEED_PUBLIC,
	 .clean = DRIP_FEED_TEXT},
	{"shop_no", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"shop_name", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"address", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"city", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"state", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"zip_code", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"latitude", "decimal(10,7)", .flags = DRIP_COLUMN_NULLABLE,
	 .classification = DRIP_FEED_PUBLIC},
	{"longitude", "decimal(10,7)", .flags = DRIP_COLUMN_NULLABLE,
	 .classification = DRIP_FEED_PUBLIC},
	{"shop_type", "int8", .classification = DRIP_FEED_PUBLIC},
	{"shop_status", "int8", .classification = DRIP_FEED_PUBLIC},
	{"time_zone", "utf8", .classification = DRIP_FEED_PUBLIC},
	{"open_date", "date", .classification = DRIP_FEED_PUBLIC},
	{"close_date", "date", .classification = DRIP_FEED_PUBLIC},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
};

/* The stores are in Manhattan; a thousand of them in one commit would be another chain. */
static const struct drip_contract_rule shop_rules[] = {
	{"unique", "shop_no"},
	{"pattern", "zip_code", .pattern = "^[0-9]{5}(-[0-9]{4})?$"},
	{"range", "latitude", .min = "40", .max = "42"},
	{"range", "longitude", .min = "-75", .max = "-73"},
	{"range", "shop_status", .min = "1", .max = "3"},
	{"row_count", .max = "1000"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("luckyus_opshop.t_shop_info", shops, shop_rules),
};

DRIP_FEED("opshop", "Shops", tables);
