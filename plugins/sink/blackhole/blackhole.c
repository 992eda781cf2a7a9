/* SPDX-License-Identifier: Apache-2.0 */
/* Sink `blackhole`: counts rows and forgets them, to measure and to try pipelines. One thread. */
#include <dripline/dripline.h>

#include <stdio.h>
#include <stdlib.h>

struct blackhole {
	struct drip_ctx *ctx;
	int64_t rows, bytes; /* since the last commit */
};

struct blackhole_config {
	bool unused;
};

static int blackhole_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct blackhole *b = calloc(1, sizeof(*b));

	if (b == NULL) {
		return drip_error_nomem(err, sizeof(*b));
	}
	b->ctx = ctx;
	*ret_self = b;
	return 0;
}

static void blackhole_close(void *self)
{
	free(self);
}

static int blackhole_negotiate(struct drip_ctx *ctx, const void *config,
			       const struct drip_schema *input, struct drip_negotiated *ret,
			       struct drip_error *err)
{
	ret->output = drip_schema_ref(input);
	snprintf(ret->dataset_namespace, sizeof(ret->dataset_namespace), "blackhole://");
	snprintf(ret->action, sizeof(ret->action), "count the rows and forget them");
	return 0;
}

static int blackhole_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct blackhole *b = self;

	b->rows += batch->rows;
	b->bytes += (int64_t)batch->bytes;
	return 0;
}

static int blackhole_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct blackhole *b = self;

	b->ctx->host->counter_add(b->ctx, "rows_total", (double)b->rows);
	b->ctx->host->counter_add(b->ctx, "bytes_total", (double)b->bytes);
	b->rows = b->bytes = 0;
	return 0;
}

static int blackhole_abort(void *self, struct drip_error *err)
{
	struct blackhole *b = self;

	b->rows = b->bytes = 0;
	return 0;
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.open = blackhole_open,
	.close = blackhole_close,
	.negotiate = blackhole_negotiate,
	.write = blackhole_write,
	.commit = blackhole_commit,
	.abort = blackhole_abort,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SINK,
	.name = "blackhole",
	.summary = "Counts rows and forgets them",
	.description = "For measuring sources and transforms, and for trying a pipeline without a "
		       "target. Counts what it was given in `dripline_blackhole_rows_total` and "
		       "`dripline_blackhole_bytes_total`.",
	.schema_notes = "Takes any schema.",
	.guarantees =
		"Keeps nothing, so it holds no position: after a restart rows since the last "
		"checkpoint are counted again. Cleared for all classes, since nothing leaves.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_CHANGES | DRIP_CAP_DISCARDS,
	.clearance = DRIP_CLASS_RESTRICTED,
	.config_size = sizeof(struct blackhole_config),
	.ops = &ops,
};

DRIP_PLUGIN("blackhole", DRIP_SDK_VERSION, "Sink that counts rows and forgets them", &component);
