/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host offers to a component: a table of functions, reached through the context that every
 * op gets. A plugin resolves nothing from the executable. Unless said otherwise a function may be
 * called from the thread that runs the op, and from no other.
 */
#ifndef DRIPLINE_HOST_H
#define DRIPLINE_HOST_H

#include <dripline/batch.h>

#ifdef __cplusplus
extern "C" {
#endif

enum drip_log_level {
	DRIP_LOG_ERROR = 3,
	DRIP_LOG_WARNING = 4,
	DRIP_LOG_INFO = 6,
	DRIP_LOG_DEBUG = 7
};

struct drip_host;

/* One per component instance; the host's own fields follow. */
struct drip_ctx {
	const struct drip_host *host;
	const char *pipeline; /* name, "" outside a pipeline */
	const char *stage;    /* id of the stage, connection or service */
};

struct drip_lineage_fact; /* plugin.h */

/* What a quality rule found in rows of a table since it was last told. Strings are borrowed. */
struct drip_quality_result {
	uint32_t struct_size;
	const char *rule;
	const char *table;  /* "database.table"; "" for a rule that is not of one table */
	const char *action; /* what a violation does: "warn", "dead-letter", "stop" */
	int64_t checked;    /* rows that were looked at; 0: not known */
	int64_t failed;     /* rows that broke it, or 1 for a rule that is not of rows */
};

struct drip_host {
	uint32_t struct_size;
	uint16_t abi_major, abi_minor;

	/* One line, rate-limited by the host; never a value of a row. Thread: any. */
	void (*log)(struct drip_ctx *ctx, enum drip_log_level level, const char *message);

	/*
	 * Sends a batch (takes, also on failure) downstream. Blocks while queues are full.
	 * -ECANCELED: the pipeline is stopping, return from the op soon. Any other failure is a
	 * later stage's: return it as it is. For sources and transforms.
	 */
	int (*emit)(struct drip_ctx *ctx, struct drip_batch *batch, struct drip_error *err);
	/*
	 * Hands a row (borrowed) that cannot be processed to the stage's on_error policy, with the
	 * reason. 0: it was recorded or skipped, go on without the row. Otherwise the policy is to
	 * stop: return this error.
	 */
	int (*reject)(struct drip_ctx *ctx, const struct drip_batch *batch, int64_t row,
		      const struct drip_error *reason, struct drip_error *err);
	/* Rows left out on purpose: keeps the accounting (in = out + filtered + dead-lettered + in
	 * flight). */
	void (*filtered)(struct drip_ctx *ctx, int64_t rows);

	/* Monotonic and wall clock; virtual under the test harness. Thread: any. */
	uint64_t (*now_ns)(struct drip_ctx *ctx);
	int64_t (*wall_us)(struct drip_ctx *ctx);
	/* True once a stop was asked for. Thread: any. */
	bool (*is_stopping)(struct drip_ctx *ctx);
	/* Waits, or returns -ECANCELED as soon as a stop is asked for. */
	int (*wait)(struct drip_ctx *ctx, uint64_t timeout_ms);

	/* Metrics: exposed as dripline_<component>_<name>{pipeline,stage}. Names in snake case with
	 * unit. Thread: any. */
	void (*counter_add)(struct drip_ctx *ctx, const char *name, double value);
	void (*gauge_set)(struct drip_ctx *ctx, const char *name, double value);
	/* Progress of a bounded job on one table; total 0: unknown. Drawn as a bar on a terminal.
	 * Thread: any. */
	void (*progress)(struct drip_ctx *ctx, const char *table, uint64_t done, uint64_t total);

	/*
	 * Small durable state of this instance, committed with the next checkpoint, and as it stood
	 * at the last one after a restart. get: (gives) a malloc'd copy, -ENOENT where absent. put:
	 * value of 16 MiB at most; NULL deletes.
	 */
	int (*state_get)(struct drip_ctx *ctx, const char *key, void **ret_value, size_t *ret_size,
			 struct drip_error *err);
	int (*state_put)(struct drip_ctx *ctx, const char *key, const void *value, size_t size,
			 struct drip_error *err);

	/*
	 * A connection declared in YAML by `name`, or "@duckdb": the process's shared instance of a
	 * connection component with default options. Gives the interface and the object that its
	 * functions take. Put once for each get. Thread: any.
	 */
	int (*connection_get)(struct drip_ctx *ctx, const char *name, const char *interface_name,
			      const void **ret_interface, void **ret_object,
			      struct drip_error *err);
	void (*connection_put)(struct drip_ctx *ctx, const char *name, const char *interface_name,
			       void *object);

	/* Bytes that this instance may hold at once, its share of the process's budget. Thread:
	 * any. */
	uint64_t (*memory_budget)(struct drip_ctx *ctx);
	/* A directory of this instance's own under the state directory, made on the first call.
	 * (borrowed) until close. */
	const char *(*data_dir)(struct drip_ctx *ctx, struct drip_error *err);
	/* Dies here (SIGKILL) or fails, where a test armed this name with DRIPLINE_FAILPOINTS;
	 * otherwise 0. Thread: any. */
	int (*failpoint)(struct drip_ctx *ctx, const char *name, struct drip_error *err);
	/*
	 * For services: runs a control method of the host ("status", "metrics", "pause", ...) with
	 * JSON arguments. (gives) a malloc'd JSON text, or Prometheus text for "metrics". Thread:
	 * any.
	 */
	int (*control)(struct drip_ctx *ctx, const char *method, const char *arguments_json,
		       char **ret_text, struct drip_error *err);
	/* A configuration is validated: what is opened must leave nothing behind, neither files nor
	 * changes. */
	bool dry_run;
	/*
	 * A table that YAML declares under `tables:`, by SQL schema and name; (borrowed) until
	 * close. -ENOENT: there is none. Since ABI 1.1: ask with DRIP_HAS. Thread: any.
	 */
	int (*declared_table)(struct drip_ctx *ctx, const char *schema, const char *table,
			      const struct drip_schema **ret);
	/*
	 * Records where columns come from that this component writes by itself, not through a sink:
	 * all facts of an output dataset at once, they replace those known of it. Since ABI 1.1.
	 * Thread: that of the ops.
	 */
	int (*lineage)(struct drip_ctx *ctx, const struct drip_lineage_fact *facts, size_t count,
		       struct drip_error *err);
	/*
	 * Records what quality rules found: with the next checkpoint, or `at_once` where the
	 * component is about to fail for it. Call it once an epoch, not for each batch. Since ABI
	 * 1.1: ask with DRIP_HAS. Thread: that of the ops.
	 */
	int (*quality)(struct drip_ctx *ctx, const struct drip_quality_result *results,
		       size_t count, bool at_once, struct drip_error *err);
};

/* Formats, cuts at 1 KiB and logs. Thread: any. */
void drip_log(struct drip_ctx *ctx, enum drip_log_level level, const char *fmt, ...)
	DRIP_PRINTF(3, 4);
#define drip_log_error(ctx, ...)   drip_log((ctx), DRIP_LOG_ERROR, __VA_ARGS__)
#define drip_log_warning(ctx, ...) drip_log((ctx), DRIP_LOG_WARNING, __VA_ARGS__)
#define drip_log_info(ctx, ...)    drip_log((ctx), DRIP_LOG_INFO, __VA_ARGS__)
#define drip_log_debug(ctx, ...)   drip_log((ctx), DRIP_LOG_DEBUG, __VA_ARGS__)

DRIP_MUST_CHECK static inline int drip_emit(struct drip_ctx *ctx, struct drip_batch *batch,
					    struct drip_error *err)
{
	return ctx->host->emit(ctx, batch, err);
}
DRIP_MUST_CHECK static inline int drip_reject(struct drip_ctx *ctx, const struct drip_batch *batch,
					      int64_t row, const struct drip_error *reason,
					      struct drip_error *err)
{
	return ctx->host->reject(ctx, batch, row, reason, err);
}
DRIP_MUST_CHECK static inline int drip_failpoint(struct drip_ctx *ctx, const char *name,
						 struct drip_error *err)
{
	return ctx->host->failpoint(ctx, name, err);
}

#ifdef __cplusplus
}
#endif

#endif
