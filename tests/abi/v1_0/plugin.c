/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin as it was built for ABI 1.0: with the headers beside it, which never change, and without
 * the SDK's library. Every later host must load and drive it.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct config {
	int64_t limit;
	struct drip_duration pause;
	const char *label;
	struct drip_enum mode;
	struct drip_strings names;
};

static const struct drip_enum_value modes[] = {
	{"one", 1, "The first."}, {"two", 2, "The second."}, {NULL, 0, NULL}};

static const struct drip_option options[] = {
	DRIP_OPTION(struct config, limit, .help = "Rows that are taken.", .default_text = "100"),
	DRIP_OPTION(struct config, pause, .help = "Time of a write.", .default_text = "5ms"),
	DRIP_OPTION(struct config, label, .help = "Any text."),
	DRIP_OPTION(struct config, mode, .help = "One of two.", .default_text = "two",
		    .values = modes),
	DRIP_OPTION(struct config, names, .help = "Any texts."),
};

struct stage {
	struct drip_ctx *ctx;
	const struct config *config;
	int64_t rows;
};

static int stage_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct stage *s = (struct stage *)calloc(1, sizeof(*s));

	if (s == NULL) {
		if (err != NULL) {
			err->rc = -ENOMEM;
			snprintf(err->code, sizeof(err->code), "v1_0.memory");
			snprintf(err->message, sizeof(err->message), "out of memory");
		}
		return -ENOMEM;
	}
	s->ctx = ctx;
	s->config = (const struct config *)config;
	*ret_self = s;
	return 0;
}

static void stage_close(void *self)
{
	free(self);
}

static int pass(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
		struct drip_negotiated *ret, struct drip_error *err)
{
	struct drip_schema *s = (struct drip_schema *)(uintptr_t)input;

	(void)ctx, (void)config, (void)err;
	__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	ret->output = s;
	return 0;
}

static int sink_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct stage *s = (struct stage *)self;

	(void)err;
	s->rows += batch->rows;
	return 0;
}

static int sink_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct stage *s = (struct stage *)self;

	(void)err;
	s->ctx->host->counter_add(s->ctx, "rows_total", (double)s->rows);
	s->ctx->host->gauge_set(s->ctx, "epoch", (double)epoch->number);
	s->ctx->host->gauge_set(s->ctx, "limit", (double)s->config->limit);
	s->ctx->host->gauge_set(s->ctx, "mode", (double)s->config->mode.value);
	s->ctx->host->gauge_set(s->ctx, "names", (double)s->config->names.count);
	return s->ctx->host->wait(s->ctx, (uint64_t)s->config->pause.ms);
}

static int sink_abort(void *self, struct drip_error *err)
{
	(void)err;
	((struct stage *)self)->rows = 0;
	return 0;
}

static int transform_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct stage *s = (struct stage *)self;

	return s->ctx->host->emit(s->ctx, batch, err);
}

static const struct drip_sink_ops sink_ops = {
	.struct_size = sizeof(sink_ops),
	.open = stage_open,
	.close = stage_close,
	.negotiate = pass,
	.write = sink_write,
	.commit = sink_commit,
	.abort = sink_abort,
};

static const struct drip_transform_ops transform_ops = {
	.struct_size = sizeof(transform_ops),
	.open = stage_open,
	.close = stage_close,
	.negotiate = pass,
	.process = transform_process,
};

#define COMPONENT(variable, component_kind, component_ops)                                         \
	static const struct drip_component variable = {                                            \
		.struct_size = sizeof(variable),                                                   \
		.kind = component_kind,                                                            \
		.name = "v1-0",                                                                    \
		.summary = "As it was in ABI 1.0",                                                 \
		.schema_notes = "Passes every table.",                                             \
		.guarantees = "None.",                                                             \
		.since = "0.1.0",                                                                  \
		.stability = DRIP_STABLE,                                                          \
		.config_size = sizeof(struct config),                                              \
		.options = options,                                                                \
		.options_count = (uint32_t)DRIP_COUNT(options),                                    \
		.ops = &component_ops,                                                             \
	}

COMPONENT(sink, DRIP_KIND_SINK, sink_ops);
COMPONENT(transform, DRIP_KIND_TRANSFORM, transform_ops);

DRIP_PLUGIN("v1-0", "1.0.0", "A plugin of ABI 1.0", &sink, &transform);
