/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of what YAML declares, after binding and validation: connections, services, settings,
 * pipelines and their stage graphs. It is what validate, plan, run, daemon and reload all work on.
 * Immutable once loaded; freed as a whole.
 */
#ifndef DRIPLINE_ENGINE_GRAPH_H
#define DRIPLINE_ENGINE_GRAPH_H

#include "base/findings.h"
#include "engine/catalog.h"
#include "engine/policy.h"
#include "plugin/registry.h"
#include <dripline/dripline.h>

enum drip_on_error { DRIP_ON_ERROR_STOP = 0, DRIP_ON_ERROR_DEAD_LETTER, DRIP_ON_ERROR_SKIP };

struct drip_retry {
	int64_t attempts; /* -1: for ever */
	int64_t initial_ms, max_ms;
	double multiplier;
	double jitter; /* 0 to 1: share of the delay that is random */
};

/* What a declared model has beside its component. */
struct drip_model_spec {
	struct drip_model_declaration declaration;
	bool approval;    /* a promotion to Production waits for somebody's approval */
	double tolerance; /* by how much a version may be worse than the one in Production */
};

/* A declared connection, service or model. */
struct drip_declared {
	const char *name;
	const struct drip_component *component;
	const void *config; /* bound */
	struct drip_place place;
	uint64_t config_hash; /* of the effective options, secrets included; a reload compares it */
	const struct drip_model_spec *model; /* NULL: no model */
};

/* Of a feed: what a rule of its contract does. */
enum drip_feed_quality {
	DRIP_QUALITY_DECLARED, /* what the rule says */
	DRIP_QUALITY_WARN,
	DRIP_QUALITY_DEAD_LETTER,
	DRIP_QUALITY_STOP,
	DRIP_QUALITY_OFF,
};

/* Of a feed: what happens where a table does not have what the contract promises. */
enum drip_on_contract_break { DRIP_ON_BREAK_STOP, DRIP_ON_BREAK_QUARANTINE };

struct drip_stage {
	const char *id; /* unique in the pipeline */
	enum drip_kind kind;
	const struct drip_component *component;
	const void *config;
	struct drip_place place;
	uint32_t input; /* index of the stage that feeds this one; sources: own index */
	enum drip_on_error on_error;
	struct drip_retry retry;
	enum drip_class clearance; /* sinks */
	const char *const *only;   /* patterns "database.table" or "table" of tables that the stage
				      handles; others pass by (transforms) or are not sent (sinks) */
	size_t only_count;
	enum drip_feed_quality quality;                /* feeds */
	enum drip_on_contract_break on_contract_break; /* feeds */
	uint64_t config_hash;
};

/* One table at one edge, as far as it is known before data flows. */
struct drip_edge {
	uint32_t stage; /* the stage that puts it out; for a sink: what the target will hold */
	const struct drip_schema *schema;
	uint32_t from; /* index of the edge that it comes from; own index at a source */
	const struct drip_lineage_edge *lineage;
	uint32_t lineage_count;
	const char *dataset, *dataset_namespace, *action; /* sinks */
};

struct drip_commit_policy {
	int64_t interval_ms;
	int64_t rows;
	uint64_t bytes;
};

struct drip_pipeline_spec {
	const char *name, *description;
	struct drip_place place;
	struct drip_stage *stages; /* [0] is the source; then feed, transforms, sinks in file order;
				      an input comes before its users */
	uint32_t stages_count;
	struct drip_edge *edges;
	uint32_t edges_count;
	struct drip_commit_policy commit;
	uint64_t queue_bytes; /* of each queue to a sink */
	int64_t drain_ms;     /* deadline of a graceful stop */
	const char *cron;     /* NULL: streaming (or once, for `run`) */
	const char *timezone; /* IANA name; "UTC" where absent */
	const char *const
		*after; /* pipelines whose runs go first; names that no file declares, too */
	size_t after_count;
	uint64_t config_hash; /* of all that is above and of the connections that it uses */
};

struct drip_settings {
	const char *state_dir; /* where the store, the plugin cache and data_dirs live */
	uint64_t memory_bytes; /* budget of queues and instances of the process */
	enum drip_log_level log_level;
	bool log_json;
	const char *lineage_namespace; /* of jobs in OpenLineage; default "dripline" */
	/* What the store keeps; 0: all. */
	int64_t dead_letters_age_ms, dead_letters_max, audit_age_ms, audit_max, quality_age_ms,
		quality_max;
};

struct drip_document {
	struct drip_settings settings;
	struct drip_declared *connections, *services, *models;
	size_t connections_count, services_count, models_count;
	struct drip_pipeline_spec *pipelines;
	size_t pipelines_count;
	struct drip_catalog catalog;
	struct drip_policy policy;
	void *arena;        /* private */
	size_t files_count; /* of files read, those that could not be parsed too */
};

/* How messages name the files of several documents: each as it was reached first, so that what is
 * wrong with a file is the same finding however it is reached. Zeroed is empty. */
struct drip_file_names {
	struct drip_file_name *items; /* private */
	size_t count, capacity;
};

void drip_file_names_finish(struct drip_file_names *names);

struct drip_load_options {
	bool connect;          /* also ask the live systems */
	const char *state_dir; /* overrides settings.state_dir; may be NULL */
	/* With `connect`: (gives) where a pipeline's last run came to, as the state directory
	 * tells, a malloc'd array; count 0: nowhere, or there is no such directory. NULL: not
	 * known. */
	int (*checkpoint)(const char *state_dir, const char *pipeline, struct drip_position **ret,
			  size_t *ret_count, struct drip_error *err);
	/* (gives) what the version of a model that is in Production was trained on, as
	 * the registry's JSON, malloc'd; *ret_json NULL: there is none. NULL: not known. */
	int (*signature)(const char *state_dir, const char *model, char **ret_json,
			 int64_t *ret_version, struct drip_error *err);
	/* Reload: what runs; settings that differ and need a restart are warnings. NULL members:
	 * not compared. */
	const struct drip_settings *running;
	struct drip_file_names *names; /* of several loads; may be NULL */
};

/*
 * Loads and validates files or folders (of a folder all *.yaml and *.yml, sorted), following
 * `include`. Every problem goes to `findings`. (gives) *ret_document, also where there are
 * findings, as far as it could be built; NULL only where nothing could be. Returns 0 where there is
 * no error among the findings, -EINVAL otherwise, -ENOMEM. Thread: any, one load at a time.
 */
int drip_document_load(struct drip_registry *registry, const char *const *paths, size_t paths_count,
		       const struct drip_load_options *options, struct drip_findings *findings,
		       struct drip_document **ret_document) DRIP_MUST_CHECK;
void drip_document_destroy(struct drip_document *document);

/*
 * Negotiates one table through one stage at run time, the same code that validation uses:
 * engine-wide rules (only, clearance, feed contracts) and the component's negotiate. `self_ctx` is
 * the ctx given to negotiate. -EACCES with security.uncleared_column where a column is more
 * sensitive than the sink's clearance.
 */
int drip_stage_negotiate(const struct drip_stage *stage, struct drip_ctx *ctx,
			 const struct drip_schema *input, struct drip_negotiated *ret,
			 struct drip_error *err) DRIP_MUST_CHECK;
void drip_negotiated_finish(struct drip_negotiated *n);
/* True where `stage->only` lets the table through. Patterns: * and ?, ASCII case ignored. */
bool drip_stage_handles(const struct drip_stage *stage, const struct drip_schema *schema);
bool drip_pattern_match(const char *pattern, const char *text);

/* Calls `visit` with the contract of a feed as it is without options; (borrowed) for the call.
 * -ENOENT: it wants options, or is none. */
int drip_feed_describe(const struct drip_component *component,
		       void (*visit)(const struct drip_contract *contract, void *data),
		       void *data) DRIP_MUST_CHECK;

#endif
