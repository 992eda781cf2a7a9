/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plugin ABI, version 1. A plugin is a shared object with one exported function,
 * drip_plugin_entry_v1, that returns static const data. Every struct starts with its size and only
 * grows at its end within an ABI major; read a field that is newer than 1.0 through DRIP_HAS. Ops
 * of one instance never run at once (but for `interrupt`), always on a thread of the host's, and
 * may block.
 *
 * Life cycle, kept by the host: load -> check -> open -> start -> poll | process | write -> drain
 * -> stop -> close. `close` follows only a successful `open`, `stop` only a successful `start`. Ops
 * marked optional may be NULL.
 */
#ifndef DRIPLINE_PLUGIN_H
#define DRIPLINE_PLUGIN_H

#include <dripline/batch.h>
#include <dripline/host.h>
#include <dripline/model.h>
#include <dripline/option.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_ABI_MAJOR    1
#define DRIP_ABI_MINOR    1
#define DRIP_ENTRY_SYMBOL "drip_plugin_entry_v1"

enum drip_kind {
	DRIP_KIND_SOURCE = 1,
	DRIP_KIND_FEED,
	DRIP_KIND_TRANSFORM,
	DRIP_KIND_SINK,
	DRIP_KIND_MODEL,
	DRIP_KIND_CONNECTION,
	DRIP_KIND_SERVICE,
};

enum drip_stability { DRIP_EXPERIMENTAL = 1, DRIP_STABLE, DRIP_DEPRECATED };

enum drip_caps {
	DRIP_CAP_EXACTLY_ONCE =
		1 << 0, /* sink, and a source that writes a target itself: stores positions in the
			   target, in the transaction of the data */
	DRIP_CAP_BOUNDED = 1 << 1, /* source: ends by itself */
	DRIP_CAP_REPLAY =
		1 << 2, /* source: can resume at a position; without it a restart begins anew */
	DRIP_CAP_CHANGES =
		1 << 3, /* sink: understands UPDATE, DELETE and TRUNCATE; source: yields them */
	DRIP_CAP_STATEFUL = 1 << 4,  /* transform: output depends on earlier rows */
	DRIP_CAP_EXCLUSIVE = 1 << 5, /* two instances of one configuration cannot be open at once: a
					reload closes the old first */
	DRIP_CAP_DISCARDS = 1 << 6,  /* sink: keeps nothing, so that nothing can come twice */
	DRIP_CAP_SAME_SCHEMA =
		1 << 7, /* transform: every table leaves with the schema with which it came, so
			   that what follows is checked where this stage is at fault */
};

/* Findings of `check` and `negotiate`, all of them, not the first. Thread: the caller's. */
struct drip_report {
	uint32_t struct_size;
	/* Severity is DRIP_LOG_ERROR or DRIP_LOG_WARNING. Copies `finding`; its `option` says which
	 * option is at fault. */
	void (*add)(struct drip_report *report, enum drip_log_level severity,
		    const struct drip_error *finding);
	void *private_data;
	/*
	 * Of a source, with `connect`: where the pipeline's last run came to, one a partition;
	 * count 0: it has not run, or that is not known. (borrowed) for the call.
	 */
	const struct drip_position *checkpoint;
	size_t checkpoint_count;
};

/* ---- schema negotiation
 * ------------------------------------------------------------------------------------------------
 */

enum drip_lineage_kind {
	DRIP_LINEAGE_IDENTITY = 1,
	DRIP_LINEAGE_TRANSFORMATION,
	DRIP_LINEAGE_AGGREGATION,
	DRIP_LINEAGE_MASK,      /* one-way: the output does not give the input away */
	DRIP_LINEAGE_INFLUENCE, /* indirect: a filter or a join condition */
};

struct drip_lineage_edge {
	uint32_t output; /* column index in the output schema */
	uint32_t input;  /* column index in the input schema */
	enum drip_lineage_kind kind;
};

/* Where a column of a dataset comes from, in OpenLineage's naming; all strings are borrowed. */
struct drip_lineage_fact {
	uint32_t struct_size;
	enum drip_lineage_kind kind;
	const char *input_namespace, *input_dataset, *input_column;
	const char *output_namespace, *output_dataset, *output_column;
	enum drip_class classification; /* of the output column */
};

/* Result of a stage's negotiation for one input table. */
struct drip_negotiated {
	uint32_t struct_size;
	struct drip_schema *output; /* (gives) NULL: the table does not pass */
	struct drip_lineage_edge
		*edges; /* (gives) malloc'd; NULL: columns of the same name are IDENTITY */
	uint32_t edges_count;
	char dataset[DRIP_NAME_MAX]; /* sinks: what is written, in OpenLineage's naming, without
					namespace; "" if the table name */
	char dataset_namespace[DRIP_NAME_MAX];
	char action[256]; /* sinks: what would be created or done, for `plan` */
};

/* ---- ops
 * ---------------------------------------------------------------------------------------------------------------
 */

/*
 * The ops of every kind begin with these. `config` is the bound config struct. check: cross-field
 * problems that rules cannot say; opens nothing unless `connect`. optional.
 */
#define DRIP_COMMON_OPS                                                                            \
	uint32_t struct_size;                                                                      \
	int (*check)(struct drip_ctx * ctx, const void *config, bool connect,                      \
		     struct drip_report *report, struct drip_error *err);                          \
	int (*open)(struct drip_ctx * ctx, const void *config, void **ret_self,                    \
		    struct drip_error *err);                                                       \
	void (*close)(void *self);                                                                 \
	/* optional; thread: any. Makes a blocked op of this instance return -ECANCELED soon. */   \
	void (*interrupt)(void *self);                                                             \
	/* optional. New values of options marked RELOADABLE; the old config struct stays alive    \
	 * until it returns. */                                                                    \
	int (*reconfigure)(void *self, const void *config, struct drip_error *err)

struct drip_common_ops {
	DRIP_COMMON_OPS;
};

/* Yields schemas to `add` (borrowed for the call). */
struct drip_schema_list {
	uint32_t struct_size;
	int (*add)(struct drip_schema_list *list, const struct drip_schema *schema,
		   struct drip_error *err);
	void *private_data;
};

/* What later stages want of a source: tables by pattern, so that it reads only those. Valid, and
 * `column` may be called, until the source is closed. Thread: the source's. */
struct drip_wanted {
	uint32_t struct_size;
	const char *const *tables; /* patterns "database.table" with * and ?; NULL: all that the
				      source's options name */
	size_t tables_count;
	/* Columns wanted of a table, or NULL for all; optional. */
	bool (*column)(const struct drip_wanted *wanted, const char *database, const char *table,
		       const char *column);
	void *private_data;
};

struct drip_start {
	uint32_t struct_size;
	const struct drip_position
		*from; /* one a partition, the last checkpoint; count 0: from the beginning */
	size_t from_count;
	/*
	 * A batch must end exactly at each of these (a sink has them already), where they lie
	 * ahead: no batch may begin before and end behind a cut.
	 */
	const struct drip_position *cuts;
	size_t cuts_count;
	const struct drip_wanted *wanted;
	/* When the pipeline first ran with the state that it has, microseconds since the epoch; 0:
	 * not known. What a sink holds may be older: then the state was lost. */
	int64_t first_run_us;
};

enum drip_poll {
	DRIP_POLL_MORE = 0, /* something was emitted, or may be next time: call again */
	DRIP_POLL_CAUGHT_UP =
		1, /* all that the source had when asked is emitted; call again for what comes */
	DRIP_POLL_END = 2, /* bounded source: nothing will follow */
};

struct drip_source_ops {
	DRIP_COMMON_OPS;
	/*
	 * Schemas known without connecting (or with, where `connect`). 0 with none added: not known
	 * before the source runs; validation then types only what later stages declare.
	 */
	int (*describe)(struct drip_ctx *ctx, const void *config, bool connect,
			struct drip_schema_list *list, struct drip_error *err);
	int (*start)(void *self, const struct drip_start *start, struct drip_error *err);
	/* Emits what there is; blocks for `timeout_ms` at most. Returns enum drip_poll or a
	 * negative errno. */
	int (*poll)(void *self, uint32_t timeout_ms, struct drip_error *err);
	/* optional. The positions are durable: what lies before them may be forgotten. */
	int (*acknowledge)(void *self, const struct drip_position *positions, size_t count,
			   struct drip_error *err);
	void (*stop)(void *self);
	/* optional. Namespace and dataset name for lineage ("mysql://host:3306", "db.table"). */
	int (*dataset)(void *self, const struct drip_schema *schema, char *ret_namespace,
		       char *ret_name, size_t size);
};

struct drip_transform_ops {
	DRIP_COMMON_OPS;
	/* Pure and offline: may be called without open, many times. */
	int (*negotiate)(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			 struct drip_negotiated *ret, struct drip_error *err);
	/* (takes) the batch, also on failure; emits none, one or more. Control batches (no rows)
	 * come too: emit them on. */
	int (*process)(void *self, struct drip_batch *batch, struct drip_error *err);
	/* optional. An epoch ends here: emit what is held back, put state. */
	int (*flush)(void *self, struct drip_error *err);
};

/* All batches between two commits. */
struct drip_epoch {
	uint32_t struct_size;
	uint64_t number; /* grows by one; per pipeline, for logs and file names */
	const struct drip_position *positions; /* where each partition stands at its end */
	size_t positions_count;
	bool last; /* the pipeline drains: publish all that is held back */
};

struct drip_sink_ops {
	DRIP_COMMON_OPS;
	/* As transform's. output: what the target will hold. Pure and offline. -EINVAL: the sink
	 * cannot take this schema. */
	int (*negotiate)(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			 struct drip_negotiated *ret, struct drip_error *err);
	/*
	 * With DRIP_CAP_EXACTLY_ONCE: the positions that the target holds. (gives) a malloc'd
	 * array; count 0: none. Called after open, before the first write, and after each recovery.
	 */
	int (*positions)(void *self, struct drip_position **ret_positions, size_t *ret_count,
			 struct drip_error *err);
	/* Writes a batch (borrowed; take a reference to keep it) of the open epoch. */
	int (*write)(void *self, const struct drip_batch *batch, struct drip_error *err);
	/* Makes all of the epoch durable, with its positions where EXACTLY_ONCE. After a failure
	 * the host calls `abort`. */
	int (*commit)(void *self, const struct drip_epoch *epoch, struct drip_error *err);
	/* Forgets what was written since the last commit. The host then replays it. */
	int (*abort)(void *self, struct drip_error *err);
	/* optional. Nothing to do for a while: maintenance such as a checkpoint of the database. */
	int (*idle)(void *self, struct drip_error *err);
};

/*
 * A quality rule on a table of a feed, in the words of the options of the transform `quality`,
 * which checks it behind the feed. NULL: not given; lists are separated by commas.
 */
struct drip_contract_rule {
	const char *rule;    /* not_null, unique, range, set, pattern, freshness or row_count */
	const char *columns; /* as the feed puts them out */
	const char *min, *max, *values, *pattern, *max_age;
	int64_t window;     /* of unique: rows that it looks back over; 0: a million */
	const char *action; /* what a violation does: warn (the default), dead-letter or stop */
	const char *name;   /* NULL: the rule and its columns */
};

/* A feed's contract on one table of a source. */
struct drip_contract_table {
	uint32_t struct_size;
	const char
		*match; /* "database.table" with * and ?, so that monthly shards become one table */
	const struct drip_schema *schema; /* target name, columns, types, keys, classes */
	bool strict; /* columns not in the contract are an error; otherwise they are left out */
	/*
	 * What the source must have, where the feed cleanses (`cleanse`): `schema` is then what
	 * comes out, and from[i] the column of `source` that its column i is made of. Both NULL
	 * otherwise. Since ABI 1.1.
	 */
	const struct drip_schema *source;
	const uint32_t *from;
	/* Quality rules, walked with rule_size, sizeof(struct drip_contract_rule). Since ABI 1.1.
	 */
	const struct drip_contract_rule *rules;
	uint32_t rules_count, rule_size;
	/* Kind of personal data in each column of `schema` ("phone"), NULL: none. NULL: not known.
	 * Since ABI 1.1. */
	const char *const *pii;
};

struct drip_contract {
	uint32_t struct_size;
	const struct drip_contract_table *tables; /* walked with the struct_size of the first */
	size_t tables_count;
	/* Frees what `contract` gave; NULL: nothing to free. Thread: any. */
	void (*release)(const struct drip_contract *contract);
	void *private_data;
};

static inline const struct drip_contract_table *
drip_contract_table_at(const struct drip_contract *contract, size_t index)
{
	return (const struct drip_contract_table *)(const void *)((const char *)contract->tables +
								  index * contract->tables
										  ->struct_size);
}

struct drip_feed_ops {
	DRIP_COMMON_OPS;
	/* (gives) *ret, to be freed with its `release`. Pure and offline: called without open, any
	 * number of times; the config struct lives longer than the contract. */
	int (*contract)(struct drip_ctx *ctx, const void *config, const struct drip_contract **ret,
			struct drip_error *err);
	/*
	 * optional; since ABI 1.1. (gives) `batch` (borrowed, with rows) as rows of `output`, row
	 * for row: what the contract says of its table.
	 */
	int (*cleanse)(void *self, const struct drip_batch *batch, const struct drip_schema *output,
		       struct drip_batch **ret, struct drip_error *err);
};

/*
 * What a model whose rows are plain doubles offers beside its ops, so that a row is scored without
 * a batch. All are called only on an instance that has loaded an artifact. Features and encode take
 * no lock and allocate nothing; score and explain should not either. Thread: any, many at once.
 */
struct drip_model_rows {
	uint32_t struct_size;
	/* (borrowed) until close. *ret_threshold: a score of this or more is a positive; NAN: none.
	 */
	const struct drip_model_feature *(*features)(const void *self, uint32_t *ret_count,
						     double *ret_threshold);
	/* See drip_model. */
	double (*encode)(const void *self, uint32_t feature, const char *text, size_t size);
	int (*score)(const void *self, const double *rows, size_t count, double *ret_scores,
		     struct drip_error *err);
	/* optional. */
	int (*explain)(const void *self, const double *row, double *ret_contributions,
		       struct drip_error *err);
};

/*
 * An instance is opened to fit, once, or to load, once: from then on predict and describe may run
 * on any thread, many at once, until it is closed.
 */
struct drip_model_ops {
	DRIP_COMMON_OPS;
	/* Features in, predictions out. Pure and offline, as a transform's. */
	int (*negotiate)(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			 struct drip_negotiated *ret, struct drip_error *err);
	/* Trains on all of `data`, oldest first: the columns of `schema` are the features, but for
	 * the one flagged DRIP_COLUMN_LABEL. (gives) a malloc'd artifact, and metrics as JSON. */
	int (*fit)(void *self, struct ArrowArrayStream *data, const struct drip_schema *schema,
		   void **ret_artifact, size_t *ret_size, char **ret_metrics_json,
		   struct drip_error *err);
	int (*load)(void *self, const void *artifact, size_t size, struct drip_error *err);
	/* (gives) a batch of the negotiated output schema, row for row. */
	int (*predict)(void *self, const struct drip_batch *features,
		       struct drip_batch **ret_predictions, struct drip_error *err);
	/* (gives) JSON: kind of model, parameters, feature importance. */
	int (*describe)(void *self, char **ret_json, struct drip_error *err);
	const struct drip_model_rows *rows; /* optional; since 1.1 */
	/* optional; since 1.1. What predict gives, but for scores as they were before calibration.
	 */
	int (*uncalibrated)(void *self, const struct drip_batch *features,
			    struct drip_batch **ret_predictions, struct drip_error *err);
	/* optional; since 1.1. (static) "probability": of so many rows with a score, that share is
	 * positive; "rank": a higher score is more likely, and no more than that. */
	const char *(*score_kind)(void *self);
};

struct drip_connection_ops {
	DRIP_COMMON_OPS;
	/* The interface of that name, or NULL. Thread: any. */
	const void *(*interface)(void *self, const char *interface_name);
	/* optional. 0 where a trivial request succeeds now; for readiness. Thread: any. */
	int (*ping)(void *self, struct drip_error *err);
	/* Interface names offered, ended by NULL; static. */
	const char *const *interfaces;
};

struct drip_service_ops {
	DRIP_COMMON_OPS;
	int (*start)(void *self, struct drip_error *err);
	void (*stop)(void *self);
};

/* ---- descriptors
 * -------------------------------------------------------------------------------------------------------
 */

struct drip_component {
	uint32_t struct_size;
	enum drip_kind kind;
	const char *name;         /* lower case, digits, '-' and '_' */
	const char *summary;      /* one line */
	const char *description;  /* Markdown, may be NULL */
	const char *schema_notes; /* what it does to schemas: one paragraph */
	const char *guarantees;   /* delivery, ordering, limits: one paragraph */
	const char *since;        /* Dripline version */
	enum drip_stability stability;
	uint64_t caps; /* enum drip_caps */
	enum drip_class
		clearance; /* sinks: the most sensitive class taken where YAML says nothing */
	uint32_t config_size;
	uint32_t options_count;
	const struct drip_option *options;
	const struct drip_rule *rules; /* walked with the struct_size of the first */
	uint32_t rules_count;
	const void *ops; /* of the kind */
};

struct drip_plugin {
	uint32_t struct_size;
	uint16_t abi_major, abi_minor; /* of the SDK it was built with */
	uint16_t host_minor_min;       /* the oldest host that will do */
	const char *name;
	const char *version;
	const char *license; /* SPDX */
	const char *summary;
	const char *sdk_version;
	const struct drip_component *const *components;
	uint32_t components_count;
};

/* The one exported function. No side effects. */
DRIP_EXPORT const struct drip_plugin *drip_plugin_entry_v1(void);

#define DRIP_SDK_VERSION "0.1.0"

/* Defines the entry function of a plugin with these components (addresses of static const structs).
 */
#define DRIP_PLUGIN(plugin_name, plugin_version, plugin_summary, ...)                              \
	static const struct drip_component *const drip_components_[] = {__VA_ARGS__};              \
	static const struct drip_plugin drip_plugin_ = {                                           \
		.struct_size = sizeof(struct drip_plugin),                                         \
		.abi_major = DRIP_ABI_MAJOR,                                                       \
		.abi_minor = DRIP_ABI_MINOR,                                                       \
		.name = plugin_name,                                                               \
		.version = plugin_version,                                                         \
		.license = "Apache-2.0",                                                           \
		.summary = plugin_summary,                                                         \
		.sdk_version = DRIP_SDK_VERSION,                                                   \
		.components = drip_components_,                                                    \
		.components_count = (uint32_t)DRIP_COUNT(drip_components_),                        \
	};                                                                                         \
	const struct drip_plugin *drip_plugin_entry_v1(void)                                       \
	{                                                                                          \
		return &drip_plugin_;                                                              \
	}                                                                                          \
	struct drip_plugin_semicolon_

#ifdef __cplusplus
}
#endif

#endif
