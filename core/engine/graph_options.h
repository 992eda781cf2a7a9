/* SPDX-License-Identifier: Apache-2.0 */
/* What a YAML file may hold apart from the options of components, as option tables: the loader
 * binds by them, and `dripline schema` writes them out. */
#ifndef DRIPLINE_ENGINE_GRAPH_OPTIONS_H
#define DRIPLINE_ENGINE_GRAPH_OPTIONS_H

#include "engine/graph.h"

struct graph_file_config {
	struct drip_strings include;
	const char *pipeline, *description;
	struct drip_objects schedule, commit;
	struct drip_size queue;
	struct drip_duration drain;
};

struct graph_settings_config {
	const char *state;
	struct drip_size memory;
	struct drip_objects log, retention;
	const char *lineage_namespace;
};

struct graph_retention_config {
	struct drip_duration dead_letters, audit, quality;
	int64_t dead_letters_max, audit_max, quality_max;
};

struct graph_log_config {
	struct drip_enum level, format;
};

struct graph_schedule_config {
	const char *cron, *timezone;
	struct drip_strings after;
};

struct graph_commit_config {
	struct drip_duration interval;
	int64_t rows;
	struct drip_size bytes;
};

/* One of `tables`, and one of its columns. */
struct graph_table_config {
	const char *description, *grain, *distribute;
	struct drip_strings sort;
	struct drip_objects columns;
};

struct graph_column_config {
	const char *name, *type, *description, *references;
	bool key, nullable;
	struct drip_enum class;
	struct drip_enum pii;
};

/* One of `roles`, and one of its grants. */
struct graph_role_config {
	const char *description;
	struct drip_strings named, routes;
	struct drip_objects grants;
};

struct graph_grant_config {
	struct drip_strings tables;
	struct drip_enum clearance, masked;
	const char *filter;
};

struct graph_retry_config {
	int64_t attempts;
	struct drip_duration initial, max;
	double multiplier, jitter;
};

struct graph_stage_config {
	const char *plugin, *id, *input;
	struct drip_strings only;
	struct drip_enum on_error, clearance, quality, on_contract_break;
	struct drip_objects retry;
	/* of models */
	const char *description, *label;
	struct drip_strings features;
	bool approval;
	double tolerance;
};

struct graph_table {
	const struct drip_option *options;
	uint32_t count;
};

struct graph_table graph_file_table(void);
struct graph_table graph_settings_table(void);
/* Of one declared table of the warehouse. */
struct graph_table graph_declared_table(void);
struct graph_table graph_role_table(void);
/* The kinds of personal data by their value; NULL for 0. */
const char *graph_pii_name(int value);
/* The keys that the engine owns of a component of this kind, `plugin` first. */
struct graph_table graph_stage_table(enum drip_kind kind);
/* The keys of a file that no table has: settings, connections, services, source, ... */
extern const char *const graph_section_names[];

#endif
