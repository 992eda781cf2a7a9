/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `salescrm`: the contract of the database of customers. Names, birthdays and genders are not
 * taken. A table of facts; the library does the rest. */
#include <dripline/feed.h>

static const struct drip_feed_column users[] = {
	{"id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
	{"user_no", "utf8"},
	{"phone", "utf8", .flags = DRIP_COLUMN_NULLABLE, .classification = DRIP_FEED_RESTRICTED,
	 .pii = "phone"},
	{"email", "utf8", .flags = DRIP_COLUMN_NULLABLE, .classification = DRIP_FEED_RESTRICTED,
	 .pii = "email"},
	{"user_status", "int8"},
	{"user_level", "int8"},
	{"register_channel", "utf8"},
	{"register_time", "timestamp", .clean = DRIP_FEED_UTC},
	{"last_login_time", "timestamp", .clean = DRIP_FEED_UTC},
	{"city", "utf8", .flags = DRIP_COLUMN_NULLABLE, .classification = DRIP_FEED_CONFIDENTIAL,
	 .pii = "address"},
	{"favorite_shop", "int64", .flags = DRIP_COLUMN_NULLABLE, .clean = DRIP_FEED_TEXT},
	{"push_allowed", "int8"},
	{"modify_time", "timestamp", .clean = DRIP_FEED_UTC},
};

static const struct drip_contract_rule user_rules[] = {
	{"unique", "user_no"},
	{"not_null", "register_time, modify_time"},
	{"pattern", "phone", .pattern = "^[+(]?[0-9][0-9 ().-]{5,30}$"},
	{"pattern", "email", .pattern = "^[^@ ]+@[^@ ]+$"},
	{"range", "user_status", .min = "1", .max = "2"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("luckyus_salescrm.t_user", users, user_rules),
};

DRIP_FEED("salescrm", "Customers, with what identifies them", tables);
