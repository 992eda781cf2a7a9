/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transform and a sink, built once well and once for each flaw that the conformance suite must
 * find (FLAW_*). The host would load them all.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stage {
	struct drip_ctx *ctx;
	struct drip_position position; /* sink: of the last commit */
	bool has_position;
};

#ifdef FLAW_EXPORT
DRIP_EXPORT int flawed_helper(void);
int flawed_helper(void)
{
	return 1;
}
#endif

#ifdef FLAW_FORGETS
#define IS_KEPT false
#else
#define IS_KEPT true
#endif

static struct drip_position kept; /* "the target": outlives instances */
static bool has_kept;

static int stage_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		      struct drip_error *err)
{
	struct stage *s = calloc(1, sizeof(*s));

#ifdef FLAW_SILENT
	free(s);
	return -EINVAL;
#endif
#ifndef FLAW_ALLOC
	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
#endif
	s->ctx = ctx;
	*ret_self = s;
	return 0;
}

static void stage_close(void *self)
{
	free(self);
}

#ifdef FLAW_CLASS
static int negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
		     struct drip_negotiated *ret, struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, input);
	for (uint32_t i = 0; i < b.count; i++) {
		b.columns[i].classification = DRIP_CLASS_PUBLIC;
	}
	return drip_schema_builder_build(&b, &ret->output, err);
}
#else
static int negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
		     struct drip_negotiated *ret, struct drip_error *err)
{
	ret->output = drip_schema_ref(input);
	return 0;
}
#endif

static int transform_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct stage *s = self;

#ifdef FLAW_SWALLOWS
	if (batch->kind == DRIP_BATCH_TRUNCATE) {
		drip_batch_unref(batch);
		return 0;
	}
#endif
#ifdef FLAW_LOSES
	if (batch->kind == DRIP_BATCH_ROWS && batch->rows > 1) {
		struct drip_batch *part = NULL;
		int rc = drip_batch_slice(batch, 1, batch->rows - 1, &part, err);

		drip_batch_unref(batch);
		return rc < 0 ? rc : drip_emit(s->ctx, part, err);
	}
#endif
	return drip_emit(s->ctx, batch, err);
}

static int sink_positions(void *self, struct drip_position **ret_positions, size_t *ret_count,
			  struct drip_error *err)
{
	*ret_count = 0;
	*ret_positions = calloc(1, sizeof(**ret_positions));
	if (*ret_positions == NULL) {
		return drip_error_nomem(err, sizeof(**ret_positions));
	}
	if (has_kept) {
		**ret_positions = kept;
		*ret_count = 1;
	}
	return 0;
}

static int sink_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	return 0;
}

static int sink_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	if (IS_KEPT && epoch->positions_count > 0) {
		kept = epoch->positions[0];
		has_kept = true;
	}
	return 0;
}

static int sink_abort(void *self, struct drip_error *err)
{
	return 0;
}

static const struct drip_transform_ops transform_ops = {
	.struct_size = sizeof(transform_ops),
	.open = stage_open,
	.close = stage_close,
	.negotiate = negotiate,
	.process = transform_process,
};

static const struct drip_sink_ops sink_ops = {
	.struct_size = sizeof(sink_ops),
	.open = stage_open,
	.close = stage_close,
	.negotiate = negotiate,
	.positions = sink_positions,
	.write = sink_write,
	.commit = sink_commit,
	.abort = sink_abort,
};

#ifdef FLAW_TEXTS
#define NOTES NULL
#else
#define NOTES "Passes every table."
#endif

static const struct drip_component transform = {
	.struct_size = sizeof(transform),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "flawed",
	.summary = "Passes rows",
	.schema_notes = NOTES,
	.guarantees = "None.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.ops = &transform_ops,
};

static const struct drip_component sink = {
	.struct_size = sizeof(sink),
	.kind = DRIP_KIND_SINK,
	.name = "flawed",
	.summary = "Forgets rows",
	.schema_notes = "Takes every table.",
	.guarantees = "Exactly once, as far as it goes.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.caps = DRIP_CAP_EXACTLY_ONCE,
	.ops = &sink_ops,
};

DRIP_PLUGIN("flawed", "1", "A plugin with at most one flaw", &transform, &sink);
