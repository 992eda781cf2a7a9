/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds as tables of facts. A feed plugin lists what a source database promises: tables, columns
 * with type, key, class and kind of personal data, and how each is cleansed. The library makes the
 * contract, its check and the cleansing from that; see plugins/feed/salesorder.
 *
 *	static const struct drip_feed_column shop[] = {
 *		{"id", "int64", .flags = DRIP_COLUMN_KEY, .clean = DRIP_FEED_TEXT},
 *		{"opened_at", "timestamp", .clean = DRIP_FEED_UTC, .arg = "time_zone"},
 *	};
 *	static const struct drip_feed_table tables[] = {DRIP_FEED_TABLE("db.t_shop", shop)};
 *	DRIP_FEED("shops", "Shops of the chain", tables);
 */
#ifndef DRIPLINE_FEED_H
#define DRIPLINE_FEED_H

#include <dripline/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

enum drip_feed_clean {
	DRIP_FEED_KEEP = 0,
	DRIP_FEED_TEXT, /* an integer becomes text: ids are text in the warehouse */
	/* Wall-clock time becomes an instant: in the zone that column `arg` names, without `arg` in
	 * the feed's own. Of the two instants of an hour that repeats the first is taken; a time
	 * that was skipped becomes the instant of the change. */
	DRIP_FEED_UTC,
	DRIP_FEED_EQUALS, /* not in the source: whether text column `from` is `arg` */
};

enum drip_feed_class {
	DRIP_FEED_INTERNAL = 0,
	DRIP_FEED_PUBLIC,
	DRIP_FEED_CONFIDENTIAL,
	DRIP_FEED_RESTRICTED,
};

/* Dates and times are nullable whatever `flags` says: zero dates come as null. */
struct drip_feed_column {
	const char *name;
	const char *type; /* at the source, as drip_type_parse reads it */
	uint32_t flags;   /* enum drip_column_flags */
	enum drip_feed_class classification;
	const char *pii; /* kind of personal data: "phone" ...; NULL: none is in it */
	enum drip_feed_clean clean;
	const char *from, *arg;
};

struct drip_feed_table {
	const char *match; /* "database.table" with * and ?: all shards */
	const struct drip_feed_column *columns;
	uint32_t columns_count;
	const struct drip_contract_rule *rules;
	uint32_t rules_count;
};

#define DRIP_FEED_TABLE(match_, columns_)                                                          \
	{                                                                                          \
		.match = (match_), .columns = (columns_), .columns_count = DRIP_COUNT(columns_)    \
	}

/* The same with quality rules: an array of struct drip_contract_rule. */
#define DRIP_FEED_TABLE_RULES(match_, columns_, rules_)                                            \
	{                                                                                          \
		.match = (match_), .columns = (columns_), .columns_count = DRIP_COUNT(columns_),   \
		.rules = (rules_), .rules_count = DRIP_COUNT(rules_)                               \
	}

#define DRIP_FEED_TABLES_MAX  64
#define DRIP_FEED_COLUMNS_MAX 256

/* What the functions below are told of a feed. */
struct drip_feed_facts {
	const struct drip_feed_table *tables;
	uint32_t tables_count;
};

struct drip_feed_config {
	const char *time_zone;
};

/* Options of every feed; the ops of DRIP_FEED. */
extern const struct drip_option drip_feed_options[1];
int drip_feed_open(struct drip_ctx *ctx, const struct drip_feed_facts *facts, const void *config,
		   void **ret_self, struct drip_error *err);
void drip_feed_close(void *self);
int drip_feed_contract(const struct drip_feed_facts *facts, const struct drip_contract **ret,
		       struct drip_error *err);
int drip_feed_cleanse(void *self, const struct drip_batch *batch, const struct drip_schema *output,
		      struct drip_batch **ret, struct drip_error *err);

#define DRIP_FEED(feed_name, feed_summary, feed_tables)                                            \
	static const struct drip_feed_facts drip_feed_facts_ = {                                   \
		.tables = (feed_tables), .tables_count = (uint32_t)DRIP_COUNT(feed_tables)};       \
	static int drip_feed_open_(struct drip_ctx *ctx, const void *config, void **ret_self,      \
				   struct drip_error *err)                                         \
	{                                                                                          \
		return drip_feed_open(ctx, &drip_feed_facts_, config, ret_self, err);              \
	}                                                                                          \
	static int drip_feed_contract_(struct drip_ctx *ctx, const void *config,                   \
				       const struct drip_contract **ret, struct drip_error *err)   \
	{                                                                                          \
		(void)ctx;                                                                         \
		(void)config;                                                                      \
		return drip_feed_contract(&drip_feed_facts_, ret, err);                            \
	}                                                                                          \
	static const struct drip_feed_ops drip_feed_ops_ = {                                       \
		.struct_size = sizeof(struct drip_feed_ops),                                       \
		.open = drip_feed_open_,                                                           \
		.close = drip_feed_close,                                                          \
		.contract = drip_feed_contract_,                                                   \
		.cleanse = drip_feed_cleanse,                                                      \
	};                                                                                         \
	static const struct drip_component drip_feed_ = {                                          \
		.struct_size = sizeof(struct drip_component),                                      \
		.kind = DRIP_KIND_FEED,                                                            \
		.name = (feed_name),                                                               \
		.summary = (feed_summary),                                                         \
		.description = "Promises the tables that it lists, and cleanses them: ids become " \
			       "text, times instants in UTC, test rows are marked.",               \
		.schema_notes =                                                                    \
			"Puts out the promised columns with their classes. A column that "         \
			"is gone or has another type is an error, at validation where the "        \
			"source's tables are known, and when the table is first seen. "            \
			"Columns that it does not promise are left out.",                          \
		.guarantees =                                                                      \
			"Every row goes on as one row. Tables that it does not list are left "     \
			"out.",                                                                    \
		.since = "0.1.0",                                                                  \
		.stability = DRIP_STABLE,                                                          \
		.config_size = sizeof(struct drip_feed_config),                                    \
		.options = drip_feed_options,                                                      \
		.options_count = (uint32_t)DRIP_COUNT(drip_feed_options),                          \
		.ops = &drip_feed_ops_,                                                            \
	};                                                                                         \
	DRIP_PLUGIN(feed_name, DRIP_SDK_VERSION, feed_summary, &drip_feed_)

#ifdef __cplusplus
}
#endif

#endif
