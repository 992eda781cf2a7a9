/* SPDX-License-Identifier: Apache-2.0 */
/* The option tables of files, settings and stages. Constants only. */
#include "engine/graph_options.h"

static const struct drip_enum_value log_levels[] = {
	{.name = "error", .value = DRIP_LOG_ERROR, .help = "Failures only."},
	{.name = "warning", .value = DRIP_LOG_WARNING, .help = "And what may become one."},
	{.name = "info", .value = DRIP_LOG_INFO, .help = "And what an operator wants to know."},
	{.name = "debug", .value = DRIP_LOG_DEBUG, .help = "And what a plugin author does."},
	{.name = NULL},
};

static const struct drip_enum_value log_formats[] = {
	{.name = "logfmt", .value = 0, .help = "key=value pairs."},
	{.name = "json", .value = 1, .help = "One JSON object a line."},
	{.name = NULL},
};

static const struct drip_option log_options[] = {
	DRIP_OPTION(struct graph_log_config, level, .help = "Least severe level that is logged.",
		    .default_text = "info", .values = log_levels),
	DRIP_OPTION(struct graph_log_config, format, .help = "Form of a line.",
		    .default_text = "logfmt", .values = log_formats),
};

static const struct drip_enum_value class_values[] = {
	{.name = "public", .value = DRIP_CLASS_PUBLIC, .help = "Anyone may see it."},
	{.name = "internal", .value = DRIP_CLASS_INTERNAL, .help = "For staff."},
	{.name = "confidential", .value = DRIP_CLASS_CONFIDENTIAL, .help = "For few."},
	{.name = "restricted", .value = DRIP_CLASS_RESTRICTED, .help = "For almost nobody."},
	{.name = NULL},
};

static const struct drip_enum_value pii_values[] = {
	{.name = "none", .value = 0, .help = "Says nothing about a person."},
	{.name = "person", .value = 1, .help = "A number that stands for a person."},
	{.name = "name", .value = 2, .help = "A name or nickname."},
	{.name = "phone", .value = 3, .help = "A phone number, or a hash of one."},
	{.name = "email", .value = 4, .help = "An e-mail address, or a hash of one."},
	{.name = "address", .value = 5, .help = "Where a person lives."},
	{.name = "birthdate", .value = 6, .help = "A date of birth."},
	{.name = "gender", .value = 7, .help = "A gender."},
	{.name = "device", .value = 8, .help = "What identifies a device."},
	{.name = "network", .value = 9, .help = "An address in a network."},
	{.name = "payment", .value = 10, .help = "A token or the last digits of a card."},
	{.name = "employee", .value = 11, .help = "A number or name of an employee."},
	{.name = NULL},
};

static const struct drip_option column_options[] = {
	DRIP_OPTION(struct graph_column_config, name, .help = "Lower case letters, digits and _.",
		    .flags = DRIP_OPTION_REQUIRED),
	DRIP_OPTION(struct graph_column_config, type,
		    .help = "Type: bool, int8 to int64, float32, float64, decimal(P,S), utf8, "
			    "binary, date, time, timestamp, timestamp_utc, json or uuid.",
		    .flags = DRIP_OPTION_REQUIRED, .example = "decimal(12,2)"),
	DRIP_OPTION(struct graph_column_config, key, .help = "Part of what tells rows apart.",
		    .default_text = "false"),
	DRIP_OPTION(struct graph_column_config, nullable, .help = "May be null.",
		    .default_text = "false"),
	DRIP_OPTION(struct graph_column_config, class, .help = "Who may see it.",
		    .default_text = "internal", .values = class_values),
	DRIP_OPTION(struct graph_column_config, pii,
		    .help = "Kind of personal data in it, which is then confidential or "
			    "restricted.",
		    .default_text = "none", .values = pii_values),
	DRIP_OPTION(struct graph_column_config, references,
		    .help = "Column whose values these are: table.column of the same schema, or "
			    "schema.table.column.",
		    .example = "dim_store.store_key"),
	DRIP_OPTION(struct graph_column_config, description, .help = "What it means."),
};

static const struct drip_option table_options[] = {
	DRIP_OPTION(struct graph_table_config, description, .help = "What the table holds."),
	DRIP_OPTION(struct graph_table_config, grain, .help = "What one row stands for.",
		    .example = "One row per order"),
	DRIP_OPTION(struct graph_table_config, columns, .help = "Its columns, in order.",
		    .flags = DRIP_OPTION_REQUIRED, .children = column_options,
		    .children_count = DRIP_COUNT(column_options),
		    .child_size = sizeof(struct graph_column_config)),
	DRIP_OPTION(struct graph_table_config, sort,
		    .help = "Columns that rows are mostly sought by: Redshift's sort key."),
	DRIP_OPTION(struct graph_table_config, distribute,
		    .help = "Column by which Redshift spreads rows, all (a copy everywhere) or "
			    "even.",
		    .example = "customer_key"),
};

#define KEPT_MS_MAX            (36500 * 86400e3) /* a hundred years */
#define KEPT_ROWS_MAX          1e12
#define RETENTION(member, ...) DRIP_OPTION(struct graph_retention_config, member, __VA_ARGS__)
static const struct drip_option retention_options[] = {
	RETENTION(dead_letters, .help = "How long dead letters are kept. 0: for ever.",
		  .default_text = "365d", .max = KEPT_MS_MAX),
	RETENTION(dead_letters_max,
		  .help = "How many dead letters are kept: beyond, the oldest go. 0: any number.",
		  .default_text = "1000000", .max = KEPT_ROWS_MAX, .unit = "rows"),
	RETENTION(audit, .help = "How long the audit is kept. 0: for ever.", .default_text = "730d",
		  .max = KEPT_MS_MAX),
	RETENTION(audit_max, .help = "How many rows the audit keeps. 0: any number.",
		  .default_text = "100000", .max = KEPT_ROWS_MAX, .unit = "rows"),
	RETENTION(quality, .help = "How long results of quality rules are kept. 0: for ever.",
		  .default_text = "90d", .max = KEPT_MS_MAX),
	RETENTION(quality_max,
		  .help = "How many results are kept, one a rule, table and day. 0: any number.",
		  .default_text = "100000", .max = KEPT_ROWS_MAX, .unit = "rows"),
};
#undef RETENTION

static const struct drip_enum_value masked_values[] = {
	{.name = "none", .value = -1, .help = "Columns above the clearance are left out."},
	{.name = "internal", .value = DRIP_CLASS_INTERNAL},
	{.name = "confidential", .value = DRIP_CLASS_CONFIDENTIAL},
	{.name = "restricted", .value = DRIP_CLASS_RESTRICTED},
	{.name = NULL},
};

static const struct drip_option grant_options[] = {
	DRIP_OPTION(struct graph_grant_config, tables,
		    .help = "Patterns of schema.table, with * and ?. The first grant that names a "
			    "table counts.",
		    .flags = DRIP_OPTION_REQUIRED, .example = "dw.*"),
	DRIP_OPTION(struct graph_grant_config, clearance,
		    .help = "Columns up to this class are shown as they are; never restricted "
			    "ones.",
		    .default_text = "internal", .values = class_values),
	DRIP_OPTION(struct graph_grant_config, masked,
		    .help = "Columns above the clearance, up to this class, are shown masked; all "
			    "others are left out.",
		    .default_text = "none", .values = masked_values),
	DRIP_OPTION(struct graph_grant_config, filter,
		    .help = "Condition that rows must meet to be seen.", .flags = DRIP_OPTION_SQL,
		    .example = "store_key IN (1, 2)"),
};

static const struct drip_option role_options[] = {
	DRIP_OPTION(struct graph_role_config, description, .help = "Who has the role."),
	DRIP_OPTION(struct graph_role_config, grants,
		    .help = "What it sees of the declared tables; nothing else is seen.",
		    .children = grant_options, .children_count = DRIP_COUNT(grant_options),
		    .child_size = sizeof(struct graph_grant_config)),
	DRIP_OPTION(struct graph_role_config, named,
		    .help = "Names of people, as of their keys, who see in full what the role sees "
			    "masked."),
	DRIP_OPTION(struct graph_role_config, routes,
		    .help = "What it may call of the service api: query, dashboard, churn, fraud.",
		    .example = "[query, dashboard]"),
};

static const struct drip_option settings_options[] = {
	DRIP_OPTION(struct graph_settings_config, state,
		    .help = "Folder of the store, the plugin cache and the folders of instances. "
			    "Without it: .dripline in the working directory.",
		    .flags = DRIP_OPTION_PATH, .example = "/var/lib/dripline"),
	DRIP_OPTION(struct graph_settings_config, memory,
		    .help = "Budget of queues and instances of the process.",
		    .default_text = "512MiB", .min = 16 << 20, .max = (double)(1ll << 50)),
	DRIP_OPTION(struct graph_settings_config, log, .help = "Logging.", .default_text = "{}",
		    .children = log_options, .children_count = DRIP_COUNT(log_options),
		    .child_size = sizeof(struct graph_log_config)),
	DRIP_OPTION(struct graph_settings_config, retention,
		    .help = "How long the store keeps what piles up. Enforced a little at a time, "
			    "as the store is written.",
		    .default_text = "{}", .children = retention_options,
		    .children_count = DRIP_COUNT(retention_options),
		    .child_size = sizeof(struct graph_retention_config)),
	DRIP_OPTION(struct graph_settings_config, lineage_namespace,
		    .help = "Namespace of jobs in OpenLineage events.", .default_text = "dripline"),
};

static const struct drip_option schedule_options[] = {
	DRIP_OPTION(struct graph_schedule_config, cron,
		    .help = "Cron expression of five fields, or @daily and the like.",
		    .flags = DRIP_OPTION_REQUIRED, .example = "\"0 6 * * *\""),
	DRIP_OPTION(struct graph_schedule_config, timezone, .help = "IANA name of the time zone.",
		    .default_text = "UTC", .example = "America/New_York"),
	DRIP_OPTION(struct graph_schedule_config, after,
		    .help = "Pipelines that go first: while a run of one is due or under way, "
			    "this one waits. One that streams has no end, and is waited for only "
			    "by `dripline run --until caught-up`.",
		    .example = "[orders_etl, payments_etl]"),
};

static const struct drip_option commit_options[] = {
	DRIP_OPTION(struct graph_commit_config, interval,
		    .help = "A commit falls due after this time.", .default_text = "1s", .min = 1,
		    .max = 86400e3),
	DRIP_OPTION(struct graph_commit_config, rows, .help = "Or after this many rows.",
		    .default_text = "1000000", .min = 1, .max = 1e12, .unit = "rows"),
	DRIP_OPTION(struct graph_commit_config, bytes, .help = "Or after this much data.",
		    .default_text = "64MiB", .min = 4096, .max = (double)(1ll << 40)),
};

static const struct drip_option file_options[] = {
	DRIP_OPTION(struct graph_file_config, include,
		    .help = "Files and folders to load too, relative to this one."),
	DRIP_OPTION(struct graph_file_config, pipeline, .help = "Name of the file's pipeline."),
	DRIP_OPTION(struct graph_file_config, description, .help = "What the pipeline is for."),
	DRIP_OPTION(struct graph_file_config, schedule,
		    .help = "When the pipeline runs; without it, it streams.",
		    .children = schedule_options, .children_count = DRIP_COUNT(schedule_options),
		    .child_size = sizeof(struct graph_schedule_config)),
	DRIP_OPTION(struct graph_file_config, commit, .help = "What makes an epoch due.",
		    .default_text = "{}", .children = commit_options,
		    .children_count = DRIP_COUNT(commit_options),
		    .child_size = sizeof(struct graph_commit_config)),
	DRIP_OPTION(struct graph_file_config, queue, .help = "Size of each sink's queue.",
		    .default_text = "32MiB", .min = 65536, .max = (double)(1ll << 40)),
	DRIP_OPTION(struct graph_file_config, drain, .help = "Deadline of a graceful stop.",
		    .default_text = "30s", .min = 1, .max = 86400e3),
};

static const struct drip_option retry_options[] = {
	DRIP_OPTION(struct graph_retry_config, attempts,
		    .help = "Attempts after the first failure; -1: without end.",
		    .default_text = "-1", .min = -1, .max = 1e9),
	DRIP_OPTION(struct graph_retry_config, initial, .help = "First delay.",
		    .default_text = "200ms", .min = 1, .max = 86400e3),
	DRIP_OPTION(struct graph_retry_config, max, .help = "Longest delay.", .default_text = "30s",
		    .min = 1, .max = 86400e3),
	DRIP_OPTION(struct graph_retry_config, multiplier,
		    .help = "Each delay is this many times the last.", .default_text = "2",
		    .min = 1, .max = 100),
	DRIP_OPTION(struct graph_retry_config, jitter, .help = "Share of the delay that is random.",
		    .default_text = "0.2", .min = 0, .max = 1),
};

static const struct drip_enum_value on_error_values[] = {
	{.name = "stop", .value = DRIP_ON_ERROR_STOP, .help = "The pipeline fails."},
	{.name = "dead-letter",
	 .value = DRIP_ON_ERROR_DEAD_LETTER,
	 .help = "The row is kept as a dead letter, and the pipeline goes on."},
	{.name = "skip", .value = DRIP_ON_ERROR_SKIP, .help = "The row is counted and dropped."},
	{.name = NULL},
};

static const struct drip_enum_value on_break_values[] = {
	{.name = "stop",
	 .value = DRIP_ON_BREAK_STOP,
	 .help = "The pipeline fails before any row of the table, and nothing is lost. `dripline "
		 "resume --quarantine-break` goes on over rows that were written meanwhile."},
	{.name = "quarantine",
	 .value = DRIP_ON_BREAK_QUARANTINE,
	 .help = "Rows of the table become dead letters, those of other tables flow on. `dripline "
		 "dlq replay` puts them back once the contract holds again."},
	{.name = NULL},
};

static const struct drip_enum_value quality_values[] = {
	{.name = "declared",
	 .value = DRIP_QUALITY_DECLARED,
	 .help = "What each rule says, mostly a warning."},
	{.name = "warn",
	 .value = DRIP_QUALITY_WARN,
	 .help = "Violations are logged and counted, and the rows pass."},
	{.name = "dead-letter",
	 .value = DRIP_QUALITY_DEAD_LETTER,
	 .help = "Rows that break a rule become dead letters, or what on_error says."},
	{.name = "stop", .value = DRIP_QUALITY_STOP, .help = "The pipeline fails."},
	{.name = "off", .value = DRIP_QUALITY_OFF, .help = "Nothing is checked."},
	{.name = NULL},
};

/* One table cut at the end: each kind takes what stands before the keys that it has not. */
#define STAGE_KEYS                                                                                 \
	DRIP_OPTION(struct graph_stage_config, plugin, .help = "Name of the component.",           \
		    .flags = DRIP_OPTION_REQUIRED),                                                \
		DRIP_OPTION(struct graph_stage_config, id,                                         \
			    .help = "Name of the stage, unique in the pipeline. Default: the "     \
				    "plugin's."),                                                  \
		DRIP_OPTION(struct graph_stage_config, on_error,                                   \
			    .help = "What becomes of a bad row.", .default_text = "stop",          \
			    .values = on_error_values),                                            \
		DRIP_OPTION(struct graph_stage_config, retry, .help = "How failures are retried.", \
			    .default_text = "{}", .children = retry_options,                       \
			    .children_count = DRIP_COUNT(retry_options),                           \
			    .child_size = sizeof(struct graph_retry_config)),                      \
		DRIP_OPTION(struct graph_stage_config, only,                                       \
			    .help = "Tables that the stage handles, as patterns; others pass by.")

static const struct drip_option feed_options[] = {
	STAGE_KEYS,
	DRIP_OPTION(struct graph_stage_config, on_contract_break,
		    .help = "What happens where a table of the source does not have what the "
			    "contract promises: a column is gone, has another type, or the table "
			    "is dropped.",
		    .default_text = "stop", .values = on_break_values),
	DRIP_OPTION(struct graph_stage_config, quality,
		    .help = "What the feed's quality rules do with a violation. They are checked "
			    "behind the feed, by a stage `quality` with the id feed_quality.",
		    .default_text = "declared", .values = quality_values),
};

static const struct drip_option stage_options[] = {
	STAGE_KEYS,
	DRIP_OPTION(struct graph_stage_config, input,
		    .help = "Id of the stage that feeds this one. Default: the one before."),
	DRIP_OPTION(struct graph_stage_config, clearance,
		    .help = "The most sensitive class that may be written here. Default: the "
			    "plugin's own.",
		    .values = class_values),
};

static const struct drip_option model_options[] = {
	DRIP_OPTION(struct graph_stage_config, plugin, .help = "Name of the component.",
		    .flags = DRIP_OPTION_REQUIRED),
	DRIP_OPTION(struct graph_stage_config, description, .help = "What the model is for.",
		    .default_text = ""),
	DRIP_OPTION(struct graph_stage_config, features,
		    .help = "Columns that it learns from and predicts by, in order. A version that "
			    "was trained on others is refused.",
		    .flags = DRIP_OPTION_REQUIRED, .example = "[amount, hour]"),
	DRIP_OPTION(struct graph_stage_config, label,
		    .help = "Column that holds the truth, 0 or 1: to train and to measure with."),
	DRIP_OPTION(struct graph_stage_config, approval,
		    .help = "A promotion to Production waits until somebody else approves it.",
		    .default_text = "false"),
	DRIP_OPTION(struct graph_stage_config, tolerance,
		    .help = "By how much a new version may be worse than the one in Production, on "
			    "the same rows, and still follow it.",
		    .default_text = "0.005", .min = 0, .max = 1),
};

#define SOURCE_KEYS    4
#define TRANSFORM_KEYS 6

const char *const graph_section_names[] = {"settings",   "tables", "roles",  "connections",
					   "services",   "models", "source", "feed",
					   "transforms", "sinks",  NULL};

struct graph_table graph_file_table(void)
{
	return (struct graph_table){file_options, DRIP_COUNT(file_options)};
}

struct graph_table graph_settings_table(void)
{
	return (struct graph_table){settings_options, DRIP_COUNT(settings_options)};
}

struct graph_table graph_declared_table(void)
{
	return (struct graph_table){table_options, DRIP_COUNT(table_options)};
}

struct graph_table graph_role_table(void)
{
	return (struct graph_table){role_options, DRIP_COUNT(role_options)};
}

const char *graph_pii_name(int value)
{
	return value != 0 ? pii_values[value].name : NULL;
}

struct graph_table graph_stage_table(enum drip_kind kind)
{
	switch (kind) {
	case DRIP_KIND_SOURCE:
		return (struct graph_table){stage_options, SOURCE_KEYS};
	case DRIP_KIND_FEED:
		return (struct graph_table){feed_options, DRIP_COUNT(feed_options)};
	case DRIP_KIND_MODEL:
		return (struct graph_table){model_options, DRIP_COUNT(model_options)};
	case DRIP_KIND_TRANSFORM:
		return (struct graph_table){stage_options, TRANSFORM_KEYS};
	case DRIP_KIND_SINK:
		return (struct graph_table){stage_options, DRIP_COUNT(stage_options)};
	default:
		return (struct graph_table){stage_options, 1};
	}
}
