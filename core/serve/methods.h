/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control methods: what the control socket, and services through host->control, can ask of the
 * running program. Each takes JSON arguments and gives JSON; `metrics` gives Prometheus text.
 *
 *	status {pipeline?}            ready {}   live {}   metrics {}   progress {}
 *	pause {pipeline}              resume {pipeline, quarantine_break?}
 *	trigger {pipeline}            reload {}
 *	runs {pipeline?, limit?}      quality {pipeline?, days?, limit?}
 *	history {pipeline?}           the last hour in steps, see history.h
 *	tap {pipeline, stage?, limit?, timeout_ms?, reveal?}   collects and ends; the socket streams
 *	checkpoint.show {pipeline?}   checkpoint.reset {pipeline}
 *	lineage {table, column?, format?}   lineage.datasets {}
 *	catalog {}                          the tables that the document declares
 *	logs {pipeline?, level?, limit?}    the last lines of the process's log, oldest first
 *	dlq.list {pipeline?, stage?, limit?, order?}   dlq.count {}   dlq.show {id, reveal?}
 *	dlq.replay {ids? | pipeline, stage?}            dlq.drop {ids? | pipeline, stage?}
 *
 *	access {version?}             audit.append {actor, action, target?, detail?}
 *	key.create {name, role, expires_us?}            key.revoke {id}
 *	model.list {}   model.show {name, version?}   model.promote {name, version, stage, force?,
 *	comment?}   model.approve, model.refuse, model.delete {name, version, comment?}
 *
 * Thread: any but the loop thread, since they wait for it; they may block.
 */
#ifndef DRIPLINE_SERVE_METHODS_H
#define DRIPLINE_SERVE_METHODS_H

#include "base/json.h"
#include "serve/app.h"

#define DRIP_METHOD_ARGUMENTS_MAX 65536 /* bytes */
#define DRIP_METHOD_TIMEOUT_MS    10000 /* of a call to the loop thread */

/* `actor` is who asks, for the audit. `arguments_json` may be NULL or "". (gives) *ret_text. */
int drip_methods_call(struct drip_app *app, const char *actor, const char *method,
		      const char *arguments_json, char **ret_text,
		      struct drip_error *err) DRIP_MUST_CHECK;

/* What a method works with: writes its result to `out`. */
struct drip_call {
	struct drip_app *app;
	const char *actor;
	const struct drip_json_node *arguments; /* an object, or NULL */
	struct drip_str *out;
	struct drip_json json; /* writes to `out` */
};

typedef int drip_method(struct drip_call *call, struct drip_error *err);

/* (borrowed) A string argument; method.missing_argument where it is not there. */
int drip_call_string(const struct drip_call *call, const char *name, const char **ret,
		     struct drip_error *err) DRIP_MUST_CHECK;
/* A time as text; nothing where it is 0. */
void drip_call_put_time(struct drip_json *j, const char *key, int64_t wall_us);

drip_method drip_method_catalog, drip_method_access, drip_method_audit_append,
	drip_method_key_create, drip_method_key_revoke; /* access.c */
drip_method drip_method_quality;                        /* quality.c */
drip_method drip_method_metrics;                        /* metrics.c */
drip_method drip_method_lineage, drip_method_datasets;  /* lineage.c */
drip_method drip_method_dlq_list, drip_method_dlq_count, drip_method_dlq_show,
	drip_method_dlq_replay, drip_method_dlq_drop; /* letters.c */
drip_method drip_method_tap;                          /* tap.c */
drip_method drip_method_model_list, drip_method_model_show, drip_method_model_promote,
	drip_method_model_approve, drip_method_model_refuse,
	drip_method_model_delete; /* models.c */

/* The same over a store alone, for the command line without a daemon. `out` gets JSON, but for
 * lineage in the formats text and dot. */
int drip_lineage_render(struct drip_store *store, const char *job_namespace, const char *table,
			const char *column, const char *format, struct drip_str *out,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Makes a key and writes {"id", "key"}. */
int drip_key_render_new(struct drip_store *store, const char *actor, const char *name,
			const char *role, int64_t expires_us, struct drip_json *j,
			struct drip_error *err) DRIP_MUST_CHECK;
int drip_checkpoints_render(struct drip_store *store, const char *pipeline, struct drip_json *json,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* Results of quality rules, see drip_store_visit_quality; `limit` 0: as many as may be. */
int drip_quality_render(struct drip_store *store, const char *pipeline, int64_t days, int64_t limit,
			struct drip_json *json, struct drip_error *err) DRIP_MUST_CHECK;
/* All models, and one (version 0: all of its versions) with its history. */
int drip_models_render(struct drip_store *store, struct drip_json *json,
		       struct drip_error *err) DRIP_MUST_CHECK;
int drip_model_render(struct drip_store *store, const char *name, int64_t version,
		      struct drip_json *json, struct drip_error *err) DRIP_MUST_CHECK;

enum drip_model_change_kind {
	DRIP_MODEL_PROMOTE = 1,
	DRIP_MODEL_APPROVE,
	DRIP_MODEL_REFUSE,
	DRIP_MODEL_DELETE,
};

struct drip_model_change {
	enum drip_model_change_kind kind;
	const char *name, *stage, *actor, *comment;
	int64_t version;
	bool force;
};

/* Does it in the store, and writes {name, version, moved, pending}. */
int drip_model_change(struct drip_store *store, const struct drip_model_change *change,
		      struct drip_json *json, struct drip_error *err) DRIP_MUST_CHECK;
int drip_letters_render(struct drip_store *store, const struct drip_store_letters *which,
			bool with_rows, bool reveal, struct drip_json *json,
			struct drip_error *err) DRIP_MUST_CHECK;

#endif
