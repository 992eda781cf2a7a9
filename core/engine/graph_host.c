/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host of validation: no log, no rows, no state, no folders. Connections are not opened, but
 * for `@NAME` instances with default options, which reach nothing outside the process, and declared
 * ones where the load may connect. An instance is shared within one load and closed at its end.
 */
#include "engine/graph_private.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define BUDGET_BYTES (64u << 20) /* what a component may hold while it is validated */

struct graph_instance {
	struct graph_instance *next;
	const char *name;
	const struct drip_component *component;
	void *self;
	struct graph_ctx ctx;
};

static void host_log(struct drip_ctx *ctx, enum drip_log_level level, const char *message)
{
	(void)ctx;
	(void)level;
	(void)message;
}

static int refuse(struct drip_error *err, const char *what)
{
	return drip_error_set(err, -ENOTSUP, "validate.not_running",
			      "cannot %s while a configuration is validated", what);
}

static int host_emit(struct drip_ctx *ctx, struct drip_batch *batch, struct drip_error *err)
{
	(void)ctx;
	drip_batch_unref(batch);
	return refuse(err, "emit rows");
}

static int host_reject(struct drip_ctx *ctx, const struct drip_batch *batch, int64_t row,
		       const struct drip_error *reason, struct drip_error *err)
{
	(void)ctx;
	(void)batch;
	(void)row;
	(void)reason;
	return refuse(err, "reject rows");
}

static void host_filtered(struct drip_ctx *ctx, int64_t rows)
{
	(void)ctx;
	(void)rows;
}

static uint64_t host_now_ns(struct drip_ctx *ctx)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int64_t host_wall_us(struct drip_ctx *ctx)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool host_is_stopping(struct drip_ctx *ctx)
{
	(void)ctx;
	return false;
}

static int host_wait(struct drip_ctx *ctx, uint64_t timeout_ms)
{
	struct timespec span = {.tv_sec = (time_t)(timeout_ms / 1000),
				.tv_nsec = (long)(timeout_ms % 1000) * 1000000};

	(void)ctx;
	nanosleep(&span, NULL);
	return 0;
}

static void host_number(struct drip_ctx *ctx, const char *name, double value)
{
	(void)ctx;
	(void)name;
	(void)value;
}

static void host_progress(struct drip_ctx *ctx, const char *table, uint64_t done, uint64_t total)
{
	(void)ctx;
	(void)table;
	(void)done;
	(void)total;
}

static int host_state_get(struct drip_ctx *ctx, const char *key, void **ret_value, size_t *ret_size,
			  struct drip_error *err)
{
	(void)ctx;
	*ret_value = NULL;
	*ret_size = 0;
	return drip_error_set(err, -ENOENT, "validate.not_running", "there is no state \"%s\"",
			      key);
}

static int host_state_put(struct drip_ctx *ctx, const char *key, const void *value, size_t size,
			  struct drip_error *err)
{
	(void)ctx;
	(void)key;
	(void)value;
	(void)size;
	return refuse(err, "put state");
}

static uint64_t host_memory_budget(struct drip_ctx *ctx)
{
	(void)ctx;
	return BUDGET_BYTES;
}

static const char *host_data_dir(struct drip_ctx *ctx, struct drip_error *err)
{
	(void)ctx;
	refuse(err, "use a folder");
	return NULL;
}

static int host_failpoint(struct drip_ctx *ctx, const char *name, struct drip_error *err)
{
	(void)ctx;
	(void)name;
	(void)err;
	return 0;
}

static int host_control(struct drip_ctx *ctx, const char *method, const char *arguments_json,
			char **ret_text, struct drip_error *err)
{
	(void)ctx;
	(void)method;
	(void)arguments_json;
	*ret_text = NULL;
	return refuse(err, "control the host");
}

static int host_declared_table(struct drip_ctx *ctx, const char *schema, const char *table,
			       const struct drip_schema **ret)
{
	const struct drip_catalog_table *found = drip_catalog_find(
		&((struct graph_ctx *)ctx)->graph->document->catalog, schema, table);

	*ret = found != NULL ? found->schema : NULL;
	return found != NULL ? 0 : -ENOENT;
}

static int host_lineage(struct drip_ctx *ctx, const struct drip_lineage_fact *facts, size_t count,
			struct drip_error *err)
{
	(void)ctx;
	(void)facts;
	(void)count;
	return refuse(err, "record lineage");
}

/* ---- connections ---- */

/* The component and bound options behind a name. */
static int find_connection(struct graph *g, const char *name,
			   const struct drip_component **ret_component, const void **ret_config,
			   struct drip_error *err)
{
	struct drip_binder b = {
		.arena = &g->arena, .findings = g->findings, .what = name, .prefix = ""};
	const struct drip_declared *declared;
	void *config;
	int rc;

	if (name[0] != '@') {
		declared = graph_connection(g, name);
		if (declared == NULL || declared->component == NULL || !g->options->connect ||
		    !g->connections[declared - g->document->connections].sound) {
			return drip_error_set(err, -ENOTSUP, "validate.offline",
					      "connection \"%s\" is not opened to validate", name);
		}
		*ret_component = declared->component;
		*ret_config = declared->config;
		return 0;
	}
	rc = drip_registry_find(g->registry, DRIP_KIND_CONNECTION, name + 1, ret_component, err);
	if (rc < 0) {
		return rc;
	}
	config = drip_arena_alloc(&g->arena, (*ret_component)->config_size);
	if (config == NULL) {
		return drip_error_nomem(err, (*ret_component)->config_size);
	}
	rc = drip_bind_values(&b, NULL, (*ret_component)->options, (*ret_component)->options_count,
			      config);
	*ret_config = config;
	return rc < 0 ? drip_error_nomem(err, 0) : 0;
}

static int open_instance(struct graph *g, const char *name, struct graph_instance **ret,
			 struct drip_error *err)
{
	struct graph_instance *instance = drip_arena_alloc(&g->arena, sizeof(*instance));
	const void *config = NULL;
	int rc;

	if (instance == NULL) {
		return drip_error_nomem(err, sizeof(*instance));
	}
	instance->name = drip_arena_strdup(&g->arena, name);
	if (instance->name == NULL) {
		return drip_error_nomem(err, strlen(name));
	}
	rc = find_connection(g, name, &instance->component, &config, err);
	if (rc < 0) {
		return rc;
	}
	graph_ctx_init(&instance->ctx, g, "", instance->name);
	rc = graph_ops(instance->component)
		     ->open(&instance->ctx.base, config, &instance->self, err);
	if (rc < 0) {
		return rc;
	}
	instance->next = g->instances;
	g->instances = instance;
	*ret = instance;
	return 0;
}

static int host_connection_get(struct drip_ctx *ctx, const char *name, const char *interface_name,
			       const void **ret_interface, void **ret_object,
			       struct drip_error *err)
{
	struct graph *g = ((struct graph_ctx *)ctx)->graph;
	struct graph_instance *instance = g->instances;
	const struct drip_connection_ops *ops;

	if (strcmp(interface_name, DRIP_MODEL_INTERFACE) == 0) {
		return graph_model_get((struct graph_ctx *)ctx, name, ret_interface, ret_object,
				       err);
	}
	while (instance != NULL && strcmp(instance->name, name) != 0) {
		instance = instance->next;
	}
	if (instance == NULL) {
		int rc = open_instance(g, name, &instance, err);

		if (rc < 0) {
			return rc;
		}
	}
	ops = instance->component->ops;
	*ret_interface = ops->interface(instance->self, interface_name);
	*ret_object = instance->self;
	if (*ret_interface == NULL) {
		return drip_error_set(err, -ENOTSUP, "config.wrong_connection",
				      "connection \"%s\" does not offer %s", name, interface_name);
	}
	return 0;
}

static void host_connection_put(struct drip_ctx *ctx, const char *name, const char *interface_name,
				void *object)
{
	(void)ctx; /* instances stay open until the load ends */
	(void)name;
	(void)interface_name;
	(void)object;
}

const struct drip_host graph_host = {
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
	.counter_add = host_number,
	.gauge_set = host_number,
	.progress = host_progress,
	.state_get = host_state_get,
	.state_put = host_state_put,
	.connection_get = host_connection_get,
	.connection_put = host_connection_put,
	.memory_budget = host_memory_budget,
	.data_dir = host_data_dir,
	.failpoint = host_failpoint,
	.control = host_control,
	.dry_run = true,
	.declared_table = host_declared_table,
	.lineage = host_lineage,
};

void graph_ctx_init(struct graph_ctx *ctx, struct graph *g, const char *pipeline, const char *stage)
{
	ctx->base.host = &graph_host;
	ctx->base.pipeline = pipeline;
	ctx->base.stage = stage;
	ctx->graph = g;
}

void graph_close_instances(struct graph *g)
{
	/* The newest first: it may hold one that was opened before it. */
	while (g->instances != NULL) {
		struct graph_instance *instance = g->instances;

		g->instances = instance->next;
		graph_ops(instance->component)->close(instance->self);
	}
}
