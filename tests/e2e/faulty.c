/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin that returns errors, for the end-to-end tests: the transform and the sink `faulty` pass
 * all they get, but for every `every`th call of process, or of commit. One thread an instance. With
 * `hangs` such a call does not return, whatever is asked of it.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct faulty_config {
	int64_t every;
	bool retryable, hangs;
};

struct faulty {
	struct drip_ctx *ctx;
	const struct faulty_config *config;
	int64_t calls;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct faulty_config, every, .help = "Fail at each call of this number.",
		    .default_text = "1", .min = 1, .max = 1e9),
	DRIP_OPTION(struct faulty_config, retryable, .help = "Say that trying again may help.",
		    .default_text = "false"),
	DRIP_OPTION(struct faulty_config, hangs, .help = "Do not return instead of failing.",
		    .default_text = "false"),
};

static int faulty_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct faulty *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		return drip_error_nomem(err, sizeof(*f));
	}
	f->ctx = ctx;
	f->config = config;
	*ret_self = f;
	return 0;
}

static void faulty_close(void *self)
{
	free(self);
}

static int fail(struct faulty *f, struct drip_error *err)
{
	if (++f->calls % f->config->every != 0) {
		return 0;
	}
	while (f->config->hangs) {
		pause();
	}
	drip_error_set(err, -EIO, "faulty.failed", "failed at call %lld, as it was told",
		       (long long)f->calls);
	if (err != NULL) {
		err->retryable = f->config->retryable;
	}
	return -EIO;
}

static int faulty_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	ret->output = drip_schema_ref(input);
	return 0;
}

static int faulty_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct faulty *f = self;

	if (batch->kind == DRIP_BATCH_ROWS && fail(f, err) != 0) {
		drip_batch_unref(batch);
		return -EIO;
	}
	return drip_emit(f->ctx, batch, err);
}

static int faulty_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	return 0;
}

static int faulty_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	return fail(self, err);
}

static int faulty_abort(void *self, struct drip_error *err)
{
	return 0;
}

static const struct drip_transform_ops transform_ops = {
	.struct_size = sizeof(transform_ops),
	.open = faulty_open,
	.close = faulty_close,
	.negotiate = faulty_negotiate,
	.process = faulty_process,
};

static const struct drip_sink_ops sink_ops = {
	.struct_size = sizeof(sink_ops),
	.open = faulty_open,
	.close = faulty_close,
	.negotiate = faulty_negotiate,
	.write = faulty_write,
	.commit = faulty_commit,
	.abort = faulty_abort,
};

#define FAULTY(component_kind, component_ops)                                                      \
	.struct_size = sizeof(struct drip_component), .kind = (component_kind), .name = "faulty",  \
	.summary = "fails when it is told to", .since = "0.1.0", .stability = DRIP_EXPERIMENTAL,   \
	.config_size = sizeof(struct faulty_config), .options = options,                           \
	.options_count = DRIP_COUNT(options), .ops = (component_ops)

static const struct drip_component transform = {FAULTY(DRIP_KIND_TRANSFORM, &transform_ops)};
static const struct drip_component sink = {
	FAULTY(DRIP_KIND_SINK, &sink_ops),
	.caps = DRIP_CAP_CHANGES,
	.clearance = DRIP_CLASS_RESTRICTED,
};

DRIP_PLUGIN("faulty", "0.1.0", "Components that return errors", &transform, &sink);
