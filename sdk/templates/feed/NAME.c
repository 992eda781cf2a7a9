/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `PLUGIN-NAME`: what the database of a shop promises of its orders, as a table of facts; the
 * library makes the contract, its check and the cleansing from it. */
#include <dripline/feed.h>

/* Columns that are not here are left out. */
static const struct drip_feed_column orders[] = {
	{"id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
};

/* Checked on what the feed puts out. A rule warns, unless `.action` says "dead-letter" or "stop".
 */
static const struct drip_contract_rule order_rules[] = {
	{"unique", "id", .window = 100000},
	{"pattern", "id", .pattern = "^[0-9]+$", .action = "dead-letter"},
};

static const struct drip_feed_table tables[] = {
	DRIP_FEED_TABLE_RULES("*.orders", orders, order_rules),
};

DRIP_FEED("PLUGIN-NAME", "Orders of a shop", tables);
