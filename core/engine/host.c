/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host table that components get, and instances of components. Each function finds its instance
 * behind the ctx that the component hands back.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MEMORY_SHARE_MIN (16u << 20) /* bytes that any instance may hold */

static void host_log(struct drip_ctx *ctx, enum drip_log_level level, const char *message)
{
	drip_logger_event(level, ctx->pipeline, ctx->stage, NULL, "%s", message);
}

static int host_emit(struct drip_ctx *ctx, struct drip_batch *batch, struct drip_error *err)
{
	struct drip_instance *i = drip_instance_of(ctx);
	struct drip_error local = DRIP_ERROR_INIT;

	err = err != NULL ? err : &local;
	if (i->run == NULL || i->stage->kind == DRIP_KIND_SINK) {
		drip_batch_unref(batch);
		return drip_error_set(err, -EINVAL, "engine.bad_emit",
				      "\"%s\" is neither a source nor a transform", ctx->stage);
	}
	if (i->stage->kind == DRIP_KIND_SOURCE) {
		return drip_source_emit(i, batch, err);
	}
	return drip_route_emit(i, batch, err);
}

static int host_reject(struct drip_ctx *ctx, const struct drip_batch *batch, int64_t row,
		       const struct drip_error *reason, struct drip_error *err)
{
	return drip_letters_reject(drip_instance_of(ctx), batch, row, reason, err);
}

static void host_filtered(struct drip_ctx *ctx, int64_t rows)
{
	drip_counts_filtered(drip_instance_of(ctx), rows);
}

static uint64_t host_now_ns(struct drip_ctx *ctx)
{
	return drip_clock_now_ns();
}

static int64_t host_wall_us(struct drip_ctx *ctx)
{
	return drip_clock_wall_us();
}

static bool host_is_stopping(struct drip_ctx *ctx)
{
	const struct drip_instance *i = drip_instance_of(ctx);

	if (i->run == NULL) {
		return __atomic_load_n(&i->engine->closing, __ATOMIC_ACQUIRE) ||
		       (i->watched != NULL &&
			(__atomic_load_n(&i->watched->aborting, __ATOMIC_ACQUIRE) ||
			 __atomic_load_n(&i->watched->stopping, __ATOMIC_ACQUIRE)));
	}
	/* While a pipeline drains, only its source shall stop what it does. */
	return __atomic_load_n(&i->run->aborting, __ATOMIC_ACQUIRE) ||
	       (i->stage->kind == DRIP_KIND_SOURCE &&
		__atomic_load_n(&i->run->stopping, __ATOMIC_ACQUIRE));
}

static int host_wait(struct drip_ctx *ctx, uint64_t timeout_ms)
{
	struct drip_instance *i = drip_instance_of(ctx);
	uint64_t now = drip_clock_now_ns() / 1000000, until = now + timeout_ms;
	pthread_mutex_t *lock = i->run != NULL ? &i->run->lock : &i->engine->connections.lock;
	pthread_cond_t *cond = i->run != NULL ? &i->run->changed : &i->engine->connections.changed;
	bool stopping;

	pthread_mutex_lock(lock);
	while (!(stopping = host_is_stopping(ctx)) && now < until) {
		uint64_t left = until - now;

		drip_cond_wait(cond, lock, (int64_t)(left > INT32_MAX ? INT32_MAX : left));
		now = drip_clock_now_ns() / 1000000;
	}
	pthread_mutex_unlock(lock);
	return stopping ? -ECANCELED : 0;
}

static void host_counter_add(struct drip_ctx *ctx, const char *name, double value)
{
	drip_meters_set(drip_instance_of(ctx)->meters, name, true, value);
}

static void host_gauge_set(struct drip_ctx *ctx, const char *name, double value)
{
	drip_meters_set(drip_instance_of(ctx)->meters, name, false, value);
}

static void host_progress(struct drip_ctx *ctx, const char *table, uint64_t done, uint64_t total)
{
	drip_meters_progress(drip_instance_of(ctx)->meters, table, done, total);
}

static int host_state_get(struct drip_ctx *ctx, const char *key, void **ret_value, size_t *ret_size,
			  struct drip_error *err)
{
	return drip_state_get(drip_instance_of(ctx), key, ret_value, ret_size, err);
}

static int host_state_put(struct drip_ctx *ctx, const char *key, const void *value, size_t size,
			  struct drip_error *err)
{
	return drip_state_put(drip_instance_of(ctx), key, value, size, err);
}

static int host_connection_get(struct drip_ctx *ctx, const char *name, const char *interface_name,
			       const void **ret_interface, void **ret_object,
			       struct drip_error *err)
{
	if (strcmp(interface_name, DRIP_MODEL_INTERFACE) == 0) {
		return drip_model_get(drip_instance_of(ctx), name, ret_interface, ret_object, err);
	}
	return drip_connection_get(drip_instance_of(ctx), name, interface_name, ret_interface,
				   ret_object, err);
}

static void host_connection_put(struct drip_ctx *ctx, const char *name, const char *interface_name,
				void *object)
{
	if (strcmp(interface_name, DRIP_MODEL_INTERFACE) == 0) {
		drip_model_put(drip_instance_of(ctx), object);
		return;
	}
	drip_connection_put(drip_instance_of(ctx), name, object);
}

/* Half of the budget is for queues; the other half is shared by all instances of the document. */
static uint64_t host_memory_budget(struct drip_ctx *ctx)
{
	const struct drip_document *d = drip_instance_of(ctx)->doc->document;
	uint64_t instances = d->connections_count + 1, share;

	for (size_t i = 0; i < d->pipelines_count; i++) {
		instances += d->pipelines[i].stages_count;
	}
	share = d->settings.memory_bytes / 2 / instances;
	return share > MEMORY_SHARE_MIN ? share : MEMORY_SHARE_MIN;
}

/* Appends a path element; what is not a letter, digit, '-', '_' or '.' is written as %XX. */
static void append_escaped(char *buf, size_t size, const char *name)
{
	size_t used = strlen(buf);

	for (const char *p = name; *p != '\0' && used + 4 < size; p++) {
		bool plain = isalnum((unsigned char)*p) || *p == '-' || *p == '_' ||
			     (*p == '.' && p != name);

		used += (size_t)snprintf(buf + used, size - used, plain ? "%c" : "%%%02X",
					 (unsigned char)*p);
	}
}

static int make_dirs(char *path)
{
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p == '/') {
			*p = '\0';
			if (mkdir(path, 0750) < 0 && errno != EEXIST) {
				int rc = -errno;

				*p = '/';
				return rc;
			}
			*p = '/';
		}
	}
	return mkdir(path, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

static const char *host_data_dir(struct drip_ctx *ctx, struct drip_error *err)
{
	struct drip_instance *i = drip_instance_of(ctx);
	const char *state = i->doc->document->settings.state_dir;
	char path[PATH_MAX];
	int rc;

	if (i->data_dir != NULL) {
		return i->data_dir;
	}
	snprintf(path, sizeof(path), "%s/data/", state != NULL ? state : ".dripline");
	append_escaped(path, sizeof(path), ctx->pipeline[0] != '\0' ? ctx->pipeline : "_shared");
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/");
	append_escaped(path, sizeof(path), ctx->stage);
	rc = make_dirs(path);
	if (rc < 0) {
		drip_error_set_retryable(err, rc, "engine.data_dir", "could not make folder %s: %s",
					 path, strerror(-rc));
		return NULL;
	}
	i->data_dir = drip_strdup(path);
	if (i->data_dir == NULL) {
		drip_error_nomem(err, strlen(path));
	}
	return i->data_dir;
}

static int host_failpoint(struct drip_ctx *ctx, const char *name, struct drip_error *err)
{
	return drip_failpoint_hit(name, err);
}

static int host_control(struct drip_ctx *ctx, const char *method, const char *arguments_json,
			char **ret_text, struct drip_error *err)
{
	const struct drip_engine_options *o = &drip_instance_of(ctx)->engine->options;

	if (o->control == NULL) {
		return drip_error_set(err, -ENOTSUP, "engine.no_control",
				      "this process takes no control requests");
	}
	return o->control(method, arguments_json, ret_text, err, o->data);
}

static int host_declared_table(struct drip_ctx *ctx, const char *schema, const char *table,
			       const struct drip_schema **ret)
{
	const struct drip_catalog_table *found =
		drip_catalog_find(&drip_instance_of(ctx)->doc->document->catalog, schema, table);

	*ret = found != NULL ? found->schema : NULL;
	return found != NULL ? 0 : -ENOENT;
}

static int host_lineage(struct drip_ctx *ctx, const struct drip_lineage_fact *facts, size_t count,
			struct drip_error *err)
{
	const struct drip_durable *d = drip_instance_of(ctx)->engine->options.durable;
	struct drip_lineage_record *records = drip_calloc(count + 1, sizeof(*records));
	int rc;

	if (records == NULL) {
		return drip_error_nomem(err, count * sizeof(*records));
	}
	for (size_t i = 0; i < count; i++) {
		const struct drip_lineage_fact *f =
			(const struct drip_lineage_fact *)((const char *)facts +
							   i * facts->struct_size);

		records[i] = (struct drip_lineage_record){.pipeline = ctx->pipeline,
							  .stage = ctx->stage,
							  .input_namespace = f->input_namespace,
							  .input_dataset = f->input_dataset,
							  .input_column = f->input_column,
							  .output_namespace = f->output_namespace,
							  .output_dataset = f->output_dataset,
							  .output_column = f->output_column,
							  .kind = f->kind,
							  .classification = f->classification};
	}
	rc = count > 0 ? d->lineage_put(d->self, records, count, err) : 0;
	free(records);
	return rc;
}

static int host_quality(struct drip_ctx *ctx, const struct drip_quality_result *results,
			size_t count, bool at_once, struct drip_error *err)
{
	return drip_quality_put(drip_instance_of(ctx), results, count, at_once, err);
}

const struct drip_host drip_engine_host = {
	.struct_size = sizeof(struct drip_host),
	.abi_major = DRIP_ABI_MAJOR,
	.abi_minor = DRIP_ABI_MINOR,
	.log = host_log,
	.emit = host_emit,
	.reject = host_reject,
	.filtered = host_filtered,
	.now_ns = host_now_ns,
	.wall_us = host_wall_us,
	.is_stopping = host_is_stopping,
	.wait = host_wait,
	.counter_add = host_counter_add,
	.gauge_set = host_gauge_set,
	.progress = host_progress,
	.state_get = host_state_get,
	.state_put = host_state_put,
	.connection_get = host_connection_get,
	.connection_put = host_connection_put,
	.memory_budget = host_memory_budget,
	.data_dir = host_data_dir,
	.failpoint = host_failpoint,
	.control = host_control,
	.declared_table = host_declared_table,
	.lineage = host_lineage,
	.quality = host_quality,
};

int drip_instance_init(struct drip_instance *i, struct drip_engine *engine, struct drip_doc *doc,
		       const struct drip_component *component, const void *config,
		       const char *pipeline, const char *name, struct drip_error *err)
{
	memset(i, 0, sizeof(*i));
	i->ctx = (struct drip_ctx){.host = &drip_engine_host};
	i->ctx.pipeline = drip_strdup(pipeline);
	i->ctx.stage = drip_strdup(name);
	if (i->ctx.pipeline == NULL || i->ctx.stage == NULL) {
		free((char *)(uintptr_t)i->ctx.pipeline);
		free((char *)(uintptr_t)i->ctx.stage);
		memset(i, 0, sizeof(*i));
		return drip_error_nomem(err, strlen(pipeline) + strlen(name));
	}
	i->engine = engine;
	i->doc = drip_doc_ref(doc);
	i->component = component;
	i->config = config;
	return 0;
}

int drip_instance_open(struct drip_instance *i, struct drip_error *err)
{
	const struct drip_common_ops *ops = i->component->ops;
	int rc = ops->open(&i->ctx, i->config, &i->self, err);

	i->opened = rc == 0;
	return rc;
}

void drip_instance_close(struct drip_instance *i)
{
	const struct drip_common_ops *ops = i->component != NULL ? i->component->ops : NULL;

	if (i->opened) {
		ops->close(i->self);
		i->opened = false;
		i->self = NULL;
	}
}

void drip_instance_interrupt(struct drip_instance *i)
{
	const struct drip_common_ops *ops = i->component->ops;

	if (i->opened && DRIP_OP_OF(ops, interrupt) != NULL) {
		ops->interrupt(i->self);
	}
}

void drip_instance_finish(struct drip_instance *i)
{
	if (i->ctx.host == NULL) {
		return;
	}
	drip_negotiations_finish(&i->negotiations);
	drip_letters_finish(i);
	drip_quarantine_finish(i);
	drip_state_finish(&i->pending);
	drip_quality_finish(&i->quality);
	drip_doc_unref(i->doc);
	free(i->children);
	free(i->data_dir);
	free((char *)(uintptr_t)i->ctx.pipeline);
	free((char *)(uintptr_t)i->ctx.stage);
	memset(i, 0, sizeof(*i));
}
