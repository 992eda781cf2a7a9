/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fake host: keeps what components do, on virtual clocks. Functions that may come from any
 * thread take the harness's lock.
 */
#include "harness.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_MAX ((size_t)16 << 20)

static struct drip_instance *instance_of(struct drip_ctx *ctx)
{
	return (struct drip_instance *)(void *)((char *)ctx - offsetof(struct drip_instance, ctx));
}

static struct drip_harness *harness_of(struct drip_ctx *ctx)
{
	return instance_of(ctx)->harness;
}

static void host_log(struct drip_ctx *ctx, enum drip_log_level level, const char *message)
{
	struct drip_harness *h = harness_of(ctx);
	char head[16];

	snprintf(head, sizeof(head), "%d ", (int)level);
	pthread_mutex_lock(&h->lock);
	drip_text_puts(&h->logs, head);
	drip_text_puts(&h->logs, message);
	drip_text_puts(&h->logs, "\n");
	pthread_mutex_unlock(&h->lock);
}

static int host_emit(struct drip_ctx *ctx, struct drip_batch *batch, struct drip_error *err)
{
	struct drip_instance *i = instance_of(ctx);
	struct drip_harness *h = i->harness;
	struct drip_error local = DRIP_ERROR_INIT;
	enum drip_kind kind = i->component->kind;
	int rc = 0;

	if (batch == NULL || (kind != DRIP_KIND_SOURCE && kind != DRIP_KIND_TRANSFORM)) {
		harness_violation(h, "%s emitted %s", i->component->name,
				  batch == NULL ? "NULL"
						: "though it is neither source nor "
						  "transform");
		drip_batch_unref(batch);
		return drip_error_set(err, -EINVAL, "batch.malformed", "cannot emit this");
	}
	rc = drip_batch_validate(batch, &local);
	if (rc < 0) {
		harness_violation(h, "%s emitted a malformed batch: %s", i->component->name,
				  local.message);
	}
	if (rc == 0 && h->on_emit != NULL) {
		rc = h->on_emit(batch, &local, h->on_emit_data);
	}
	if (rc == 0 && h->stopping && kind == DRIP_KIND_SOURCE) {
		rc = drip_error_set(&local, -ECANCELED, "engine.stopping",
				    "the pipeline is stopping");
	}
	if (rc < 0) {
		drip_batch_unref(batch);
		if (err != NULL) {
			*err = local;
		}
		return rc;
	}
	if (h->batches_count == h->batches_capacity) {
		h->batches_capacity = h->batches_capacity * 2 + 16;
		h->batches = (struct drip_batch **)harness_realloc(
			h->batches, h->batches_capacity * sizeof(*h->batches));
	}
	if (batch->sequence == 0) {
		batch->sequence = ++h->sequence;
	}
	h->batches[h->batches_count++] = batch;
	return 0;
}

static int host_reject(struct drip_ctx *ctx, const struct drip_batch *batch, int64_t row,
		       const struct drip_error *reason, struct drip_error *err)
{
	struct drip_harness *h = harness_of(ctx);
	struct harness_reject *reject;
	int rc;

	if (row < 0 || row >= batch->rows || reason == NULL || reason->rc >= 0) {
		harness_violation(h, "%s rejected row %lld of %lld, or without a reason",
				  ctx->stage, (long long)row, (long long)batch->rows);
		return drip_error_set(err, -EINVAL, "batch.malformed", "no such row");
	}
	if (h->rejects_count == h->rejects_capacity) {
		h->rejects_capacity = h->rejects_capacity * 2 + 16;
		h->rejects = (struct harness_reject *)harness_realloc(
			h->rejects, h->rejects_capacity * sizeof(*h->rejects));
	}
	reject = &h->rejects[h->rejects_count];
	reject->reason = *reason;
	rc = drip_batch_take(batch, &row, 1, &reject->row, err);
	if (rc < 0) {
		return rc;
	}
	h->rejects_count++;
	if (h->reject_stops) {
		if (err != NULL) {
			*err = *reason;
		}
		return reason->rc;
	}
	return 0;
}

static void host_filtered(struct drip_ctx *ctx, int64_t rows)
{
	if (rows < 0) {
		harness_violation(harness_of(ctx), "%s filtered %lld rows", ctx->stage,
				  (long long)rows);
	}
	harness_of(ctx)->filtered += rows;
}

static uint64_t host_now_ns(struct drip_ctx *ctx)
{
	return __atomic_load_n(&harness_of(ctx)->now_ns, __ATOMIC_RELAXED);
}

static int64_t host_wall_us(struct drip_ctx *ctx)
{
	return __atomic_load_n(&harness_of(ctx)->wall_us, __ATOMIC_RELAXED);
}

static bool host_is_stopping(struct drip_ctx *ctx)
{
	return __atomic_load_n(&harness_of(ctx)->stopping, __ATOMIC_ACQUIRE);
}

static int host_wait(struct drip_ctx *ctx, uint64_t timeout_ms)
{
	if (host_is_stopping(ctx)) {
		return -ECANCELED;
	}
	drip_harness_advance(harness_of(ctx), timeout_ms);
	return 0;
}

static struct harness_entry *entry(struct harness_entry **list, const char *key, bool make)
{
	struct harness_entry *e;

	for (e = *list; e != NULL; e = e->next) {
		if (strcmp(e->key, key) == 0) {
			return e;
		}
	}
	if (make) {
		e = (struct harness_entry *)harness_realloc(NULL, sizeof(*e));
		memset(e, 0, sizeof(*e));
		e->key = harness_copy(key);
		e->next = *list;
		*list = e;
	}
	return e;
}

static void host_counter_add(struct drip_ctx *ctx, const char *name, double value)
{
	struct drip_harness *h = harness_of(ctx);

	pthread_mutex_lock(&h->lock);
	entry(&h->metrics, name, true)->number += value;
	pthread_mutex_unlock(&h->lock);
}

static void host_gauge_set(struct drip_ctx *ctx, const char *name, double value)
{
	struct drip_harness *h = harness_of(ctx);

	pthread_mutex_lock(&h->lock);
	entry(&h->metrics, name, true)->number = value;
	pthread_mutex_unlock(&h->lock);
}

static void host_progress(struct drip_ctx *ctx, const char *table, uint64_t done, uint64_t total)
{
	(void)ctx, (void)table, (void)done, (void)total;
}

static int host_state_get(struct drip_ctx *ctx, const char *key, void **ret_value, size_t *ret_size,
			  struct drip_error *err)
{
	struct harness_entry *e = entry(&harness_of(ctx)->states, key, false);

	if (e == NULL || e->value == NULL) {
		return drip_error_set(err, -ENOENT, "state.not_found", "no state %s", key);
	}
	*ret_value = malloc(e->size + 1);
	if (*ret_value == NULL) {
		return drip_error_nomem(err, e->size);
	}
	memcpy(*ret_value, e->value, e->size);
	*ret_size = e->size;
	return 0;
}

static int host_state_put(struct drip_ctx *ctx, const char *key, const void *value, size_t size,
			  struct drip_error *err)
{
	struct harness_entry *e;

	if (size > STATE_MAX) {
		return drip_error_set(err, -E2BIG, "state.too_large",
				      "state %s has %zu bytes, %zu are allowed", key, size,
				      STATE_MAX);
	}
	e = entry(&harness_of(ctx)->states, key, true);
	free(e->value);
	e->value = NULL;
	e->size = 0;
	if (value != NULL) {
		e->value = harness_realloc(NULL, size + 1);
		memcpy(e->value, value, size);
		e->size = size;
	}
	return 0;
}

static int host_connection_get(struct drip_ctx *ctx, const char *name, const char *interface_name,
			       const void **ret_interface, void **ret_object,
			       struct drip_error *err)
{
	return harness_connection_get(harness_of(ctx), name, interface_name, ret_interface,
				      ret_object, err);
}

static void host_connection_put(struct drip_ctx *ctx, const char *name, const char *interface_name,
				void *object)
{
	(void)interface_name;
	harness_connection_put(harness_of(ctx), name, object);
}

static uint64_t host_memory_budget(struct drip_ctx *ctx)
{
	return harness_of(ctx)->memory;
}

static const char *host_data_dir(struct drip_ctx *ctx, struct drip_error *err)
{
	struct drip_instance *i = instance_of(ctx);
	char path[512];

	snprintf(path, sizeof(path), "%s/data-%s", drip_harness_dir(i->harness), ctx->stage);
	if (mkdir(path, 0700) < 0 && errno != EEXIST) {
		drip_error_set(err, -errno, "system.mkdir", "could not make %s", path);
		return NULL;
	}
	return harness_strdup(&i->arena, path);
}

static int host_failpoint(struct drip_ctx *ctx, const char *name, struct drip_error *err)
{
	struct drip_harness *h = harness_of(ctx);
	bool hit;

	if (h->on_failpoint != NULL) {
		h->on_failpoint(name, h->on_failpoint_data);
	}
	pthread_mutex_lock(&h->lock);
	hit = h->armed != NULL && strcmp(h->armed, name) == 0 && --h->armed_hits == 0;
	pthread_mutex_unlock(&h->lock);
	return hit ? drip_error_set(err, -EIO, "failpoint.hit", "failpoint %s was hit", name) : 0;
}

static int host_control(struct drip_ctx *ctx, const char *method, const char *arguments_json,
			char **ret_text, struct drip_error *err)
{
	struct drip_harness *h = harness_of(ctx);

	if (h->control == NULL) {
		return drip_error_set(err, -ENOTSUP, "control.unknown_method",
				      "unknown control method %s", method);
	}
	return h->control(method, arguments_json, ret_text, err, h->control_data);
}

static int host_declared_table(struct drip_ctx *ctx, const char *schema, const char *table,
			       const struct drip_schema **ret)
{
	struct drip_harness *h = harness_of(ctx);

	for (size_t i = 0; i < h->declared_count; i++) {
		if (strcmp(h->declared[i]->database, schema) == 0 &&
		    strcmp(h->declared[i]->table, table) == 0) {
			*ret = h->declared[i];
			return 0;
		}
	}
	*ret = NULL;
	return -ENOENT;
}

static int host_lineage(struct drip_ctx *ctx, const struct drip_lineage_fact *facts, size_t count,
			struct drip_error *err)
{
	struct drip_harness *h = harness_of(ctx);
	char line[4 * DRIP_NAME_MAX];
	int size;

	(void)err;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < count; i++) {
		size = snprintf(line, sizeof(line), "lineage %s.%s -> %s.%s kind %d class %s\n",
				facts[i].input_dataset, facts[i].input_column,
				facts[i].output_dataset, facts[i].output_column, (int)facts[i].kind,
				drip_class_name(facts[i].classification));

		drip_text_put(&h->logs, line, (size_t)size);
	}
	size = snprintf(line, sizeof(line), "lineage recorded: %zu facts\n", count);
	drip_text_put(&h->logs, line, (size_t)size);
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static int host_quality(struct drip_ctx *ctx, const struct drip_quality_result *results,
			size_t count, bool at_once, struct drip_error *err)
{
	struct drip_harness *h = harness_of(ctx);
	char line[512];

	(void)err;
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < count; i++) {
		int size = snprintf(
			line, sizeof(line),
			"quality %s of %s: %s, %" PRId64 " checked, %" PRId64 " failed%s\n",
			results[i].rule, results[i].table, results[i].action, results[i].checked,
			results[i].failed, at_once ? ", at once" : "");

		drip_text_put(&h->logs, line,
			      size < (int)sizeof(line) ? (size_t)size : sizeof(line) - 1);
	}
	pthread_mutex_unlock(&h->lock);
	return 0;
}

void drip_harness_declare(struct drip_harness *h, const struct drip_schema *schema)
{
	if (h->declared_count < DRIP_COUNT(h->declared)) {
		h->declared[h->declared_count++] = drip_schema_ref(schema);
	}
}

void harness_host_init(struct drip_harness *h)
{
	h->host = (struct drip_host){
		.struct_size = sizeof(h->host),
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
	h->now_ns = 1000000000;
	h->wall_us = INT64_C(1767225600) * 1000000; /* 2026-01-01T00:00:00Z */
	h->memory = (uint64_t)64 << 20;
}

/* ---- what tests see of it ---- */

void drip_harness_advance(struct drip_harness *h, uint64_t ms)
{
	__atomic_add_fetch(&h->now_ns, ms * 1000000, __ATOMIC_RELAXED);
	__atomic_add_fetch(&h->wall_us, (int64_t)ms * 1000, __ATOMIC_RELAXED);
}

double drip_harness_metric(const struct drip_harness *h, const char *name)
{
	struct drip_harness *open = (struct drip_harness *)(uintptr_t)h;
	const struct harness_entry *e;
	double number;

	pthread_mutex_lock(&open->lock);
	e = entry(&open->metrics, name, false);
	number = e != NULL ? e->number : 0;
	pthread_mutex_unlock(&open->lock);
	return number;
}

const void *drip_harness_state(const struct drip_harness *h, const char *key, size_t *ret_size)
{
	struct harness_entry *e = entry(&((struct drip_harness *)(uintptr_t)h)->states, key, false);

	if (e == NULL || e->value == NULL) {
		return NULL;
	}
	if (ret_size != NULL) {
		*ret_size = e->size;
	}
	return e->value;
}

bool drip_harness_logged(const struct drip_harness *h, const char *part)
{
	struct drip_harness *open = (struct drip_harness *)(uintptr_t)h;
	bool found;

	pthread_mutex_lock(&open->lock);
	found = h->logs.size > 0 && memmem(h->logs.data, h->logs.size, part, strlen(part)) != NULL;
	pthread_mutex_unlock(&open->lock);
	return found;
}
