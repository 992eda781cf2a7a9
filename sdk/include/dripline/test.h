/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test harness of plugins: loads a plugin's .so, gives it a fake host with a virtual clock, and
 * keeps what it does: batches, rejected rows, logs, metrics, state. Link with dripline-harness. For
 * test programs only. Functions that return no rc end the process with a message where they fail.
 *
 *	struct drip_harness *h = drip_harness_create(test_argv[1]);
 *	struct drip_instance *i;
 *	CHECK_OK(drip_harness_open(h, DRIP_KIND_TRANSFORM, "filter",
 *				   DRIP_OPTIONS("where", "price > 2"), &i, &err), &err);
 *	struct drip_schema *s = drip_test_schema("shop.orders", "id int64 key, price decimal(9,2)");
 *	CHECK_OK(drip_harness_process(i, drip_test_batch(s, "i|1|2.50\n" "i|2|1.00\n"), &err),
 *&err); CHECK_EQ_STR(drip_harness_output(h), "shop.orders\n" "i|1|2.50\n"); drip_schema_unref(s);
 *	drip_harness_close(i);
 *	drip_harness_destroy(h);
 *
 * One thread drives an instance; host functions that allow any thread do so here too.
 */
#ifndef DRIPLINE_TEST_H
#define DRIPLINE_TEST_H

#include <dripline/dripline.h>

#ifdef __cplusplus
extern "C" {
#endif

struct drip_harness;

/* An opened component. Read-only but for `self`, for calling ops that have no helper below. */
struct drip_instance {
	struct drip_harness *harness;
	const struct drip_component *component;
	struct drip_ctx ctx;
	const void *config;
	void *self;
	const struct drip_common_ops *common;
	uint64_t epoch; /* of the last drip_harness_commit */
	bool started;
	void *arena; /* private */
	struct drip_instance *next;
};

/* Option names and values by turns, ended by NULL: see drip_harness_open. */
#define DRIP_OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

/*
 * (gives) A harness over the plugin at `path`. Other plugins' components (for connections) are
 * looked for in the folder of `path` and in those of the environment's DRIPLINE_PLUGIN_DIR
 * (separated by colons).
 */
struct drip_harness *drip_harness_create(const char *path);
/* Closes what is open and removes temporary folders. Ends the process where a plugin broke the
 * contract: emitted a malformed batch, put back a connection that it had not got, kept one. */
void drip_harness_destroy(struct drip_harness *h);
/* The descriptor of the plugin at create's path. */
const struct drip_plugin *drip_harness_plugin(const struct drip_harness *h);
/* The component of any plugin found, or NULL. */
const struct drip_component *drip_harness_component(struct drip_harness *h, enum drip_kind kind,
						    const char *name);

/*
 * (gives) An instance: binds `options` through the component's table, runs check, opens. Options
 * are pairs, ended by NULL (NULL: none): "path", "/tmp/x"; a list by giving its name again; a map's
 * member as "types.id"; a list of maps as "columns[0].name". A value is text as it would stand in
 * YAML. -EINVAL with config.* where binding or check found an error; or what open returned.
 */
int drip_harness_open(struct drip_harness *h, enum drip_kind kind, const char *name,
		      const char *const *options, struct drip_instance **ret,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* The same without open: `self` stays NULL. For negotiate, describe and contract. */
int drip_harness_bind(struct drip_harness *h, enum drip_kind kind, const char *name,
		      const char *const *options, struct drip_instance **ret,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* stop, where started, and close. NULL is accepted. */
void drip_harness_close(struct drip_instance *i);
/* Findings of the last check, one a line: "error: code: message [option]"; "" for none. (borrowed)
 */
const char *drip_harness_findings(struct drip_harness *h);
/* Declares a connection `name` on connection component `component`; opened on first use. "@duckdb"
 * and its like need no declaration. */
void drip_harness_add_connection(struct drip_harness *h, const char *name, const char *component,
				 const char *const *options);
/* A table as YAML would declare it under `tables:`, 32 at most. What is recorded by the host's
 * `lineage` is logged. */
void drip_harness_declare(struct drip_harness *h, const struct drip_schema *schema);
/* Declares `name` to be an interface of the test's own, such as a drip_model, and its object. */
void drip_harness_add_interface(struct drip_harness *h, const char *name, const void *interface,
				void *object);
/* As a stage would through its host: for a test's own queries. */
int drip_harness_connection(struct drip_harness *h, const char *name, const char *interface_name,
			    const void **ret_interface, void **ret_object,
			    struct drip_error *err) DRIP_MUST_CHECK;
void drip_harness_connection_done(struct drip_harness *h, const char *name,
				  const char *interface_name, void *object);

/* ---- driving ---- */

/* Sources. `from` NULL: from the beginning. */
int drip_harness_start(struct drip_instance *i, const struct drip_position *from,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Polls until the source says `until` or has ended; returns what poll returned last. More than
 * 1000000 polls without it: -ETIMEDOUT. */
int drip_harness_poll(struct drip_instance *i, enum drip_poll until,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* Transforms. Takes the batch. */
int drip_harness_process(struct drip_instance *i, struct drip_batch *batch,
			 struct drip_error *err) DRIP_MUST_CHECK;
int drip_harness_flush(struct drip_instance *i, struct drip_error *err) DRIP_MUST_CHECK;
/* Transforms, sinks and models. *ret is freed with drip_harness_negotiated_finish. */
int drip_harness_negotiate(struct drip_instance *i, const struct drip_schema *input,
			   struct drip_negotiated *ret, struct drip_error *err) DRIP_MUST_CHECK;
void drip_harness_negotiated_finish(struct drip_negotiated *n);
/* Sinks. Takes the batch, and gives it the next sequence number. */
int drip_harness_write(struct drip_instance *i, struct drip_batch *batch,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Commits the epoch at `position` (NULL: none); after a failure calls abort, as the host does. */
int drip_harness_commit(struct drip_instance *i, const struct drip_position *position,
			struct drip_error *err) DRIP_MUST_CHECK;
int drip_harness_abort(struct drip_instance *i, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- what came out ---- */

size_t drip_harness_batches_count(const struct drip_harness *h);
/* (borrowed) until drip_harness_clear. */
const struct drip_batch *drip_harness_batch(const struct drip_harness *h, size_t index);
/* All batches as text, in the form of drip_test_batch_text. (borrowed) until the next call. */
const char *drip_harness_output(struct drip_harness *h);
int64_t drip_harness_rows(const struct drip_harness *h); /* of all batches */
size_t drip_harness_rejects_count(const struct drip_harness *h);
/* (borrowed) The reason, and in *ret_row (may be NULL) a batch of the one row. */
const struct drip_error *drip_harness_reject(const struct drip_harness *h, size_t index,
					     const struct drip_batch **ret_row);
int64_t drip_harness_filtered(const struct drip_harness *h);
/* Forgets batches, rejects, logs and the count of filtered rows. */
void drip_harness_clear(struct drip_harness *h);
/* True where a line that holds `part` was logged. */
bool drip_harness_logged(const struct drip_harness *h, const char *part);
/* Value of a counter or gauge, 0 where it was never touched. */
double drip_harness_metric(const struct drip_harness *h, const char *name);
/* State that instances put, by key; it outlives them, as after a restart. NULL where absent. */
const void *drip_harness_state(const struct drip_harness *h, const char *key, size_t *ret_size);

/* ---- the world ---- */

/* Moves the virtual clocks, monotonic and wall. `wait` of the host moves them too, at once. The
 * wall clock begins at 2026-01-01T00:00:00Z. */
void drip_harness_advance(struct drip_harness *h, uint64_t ms);
void drip_harness_stop(struct drip_harness *h, bool stopping);        /* what is_stopping says */
void drip_harness_set_memory(struct drip_harness *h, uint64_t bytes); /* default 64 MiB */
/* reject answers with its reason (on_error: stop) instead of 0 (skip). */
void drip_harness_set_reject_stops(struct drip_harness *h, bool stops);
/* The failpoint fails at its `hit`th hit (from 1), once. */
void drip_harness_arm(struct drip_harness *h, const char *failpoint, int hit);
/* Called wherever an instance passes a failpoint, on its thread: what stands still there can be
 * looked at, and other instances driven meanwhile. NULL: none. */
void drip_harness_set_on_failpoint(struct drip_harness *h,
				   void (*on_failpoint)(const char *name, void *data), void *data);
/* A directory of the test's own, removed by destroy. (borrowed) */
const char *drip_harness_dir(struct drip_harness *h);
/* Answers of the host's `control`; NULL: -ENOTSUP. *ret_text is malloc'd. */
void drip_harness_set_control(struct drip_harness *h,
			      int (*control)(const char *method, const char *arguments_json,
					     char **ret_text, struct drip_error *err, void *data),
			      void *data);
/* Called with each batch that is emitted, before it is kept; a negative errno is what emit
 * returns. NULL: none. */
void drip_harness_set_on_emit(struct drip_harness *h,
			      int (*on_emit)(const struct drip_batch *batch, struct drip_error *err,
					     void *data),
			      void *data);

/* ---- literals ---- */

/*
 * (gives) A schema: "database.table" (or "table"), and columns "name type [key] [null] [masked]
 * [public|internal|confidential|restricted]", separated by commas.
 */
struct drip_schema *drip_test_schema(const char *table, const char *columns);
/*
 * (gives) A batch of lines "op|value|value...\n", op one of r i u d b, values as drip_append_text
 * reads them, NULL for null. It is a boundary.
 */
struct drip_batch *drip_test_batch(const struct drip_schema *schema, const char *rows);
/*
 * (gives) A batch as malloc'd text: "database.table\n", then a line a row as drip_test_batch reads;
 * control batches as "TRUNCATE database.table\n", "SCHEMA ...", "DROP ...", "MARK\n".
 */
char *drip_test_batch_text(const struct drip_batch *batch);
/* A position of partition "" with `value` in its order, detail and text. */
struct drip_position drip_test_position(uint64_t value);

#ifdef __cplusplus
}
#endif

#endif
