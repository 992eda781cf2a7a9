/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One small sink, built many times: well, and broken in one way each (SAMPLE_*). What the registry
 * must refuse, it is shown here for real.
 */
#include <dripline/dripline.h>

#include <stdlib.h>
#include <unistd.h>

#ifndef SAMPLE_NAME
#define SAMPLE_NAME "sample"
#endif
#ifndef SAMPLE_ABI_MAJOR
#define SAMPLE_ABI_MAJOR DRIP_ABI_MAJOR
#endif
#ifndef SAMPLE_HOST_MINOR
#define SAMPLE_HOST_MINOR 0
#endif
#ifndef SAMPLE_SIZE
#define SAMPLE_SIZE sizeof(struct drip_plugin)
#endif
#ifndef SAMPLE_DEFAULT
#define SAMPLE_DEFAULT "5"
#endif
#ifndef SAMPLE_MEMBER
#define SAMPLE_MEMBER limit
#endif
#ifndef SAMPLE_ENTRY
#define SAMPLE_ENTRY drip_plugin_entry_v1
#endif
#ifndef SAMPLE_COMMIT
#define SAMPLE_COMMIT sample_commit
#endif
#ifndef SAMPLE_RULE
#define SAMPLE_RULE "path"
#endif

#ifdef SAMPLE_CONSTRUCTOR
__attribute__((constructor)) static void loaded(void)
{
	SAMPLE_CONSTRUCTOR;
}
#endif

#ifdef SAMPLE_NEEDS
int SAMPLE_NEEDS(void);
#endif

struct config {
	int64_t SAMPLE_MEMBER;
	const char *path;
};

/* One more expansion, so that the member may be a macro. */
#define OPTION(member, ...) DRIP_OPTION(struct config, member, __VA_ARGS__)

static const struct drip_option options[] = {
	OPTION(SAMPLE_MEMBER, .help = "Rows.", .default_text = SAMPLE_DEFAULT),
	OPTION(path, .help = "A path."),
};

static const struct drip_rule rules[] = {
	{.struct_size = sizeof(rules[0]), .kind = DRIP_RULE_AT_LEAST_ONE, .options = {SAMPLE_RULE}},
};

static int sample_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	(void)ctx, (void)config, (void)err;
#ifdef SAMPLE_NEEDS
	SAMPLE_NEEDS();
#endif
	*ret_self = malloc(1);
	return 0;
}

static void sample_close(void *self)
{
	free(self);
}

static int sample_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	(void)ctx, (void)config, (void)input, (void)ret, (void)err;
	return 0;
}

static int sample_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	(void)self, (void)batch, (void)err;
	return 0;
}

__attribute__((unused)) static int sample_commit(void *self, const struct drip_epoch *epoch,
						 struct drip_error *err)
{
	(void)self, (void)epoch, (void)err;
	return 0;
}

static int sample_abort(void *self, struct drip_error *err)
{
	(void)self, (void)err;
	return 0;
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.open = sample_open,
	.close = sample_close,
	.negotiate = sample_negotiate,
	.write = sample_write,
	.commit = SAMPLE_COMMIT,
	.abort = sample_abort,
};

static const struct drip_component sink = {
	.struct_size = sizeof(sink),
	.kind = DRIP_KIND_SINK,
	.name = SAMPLE_NAME,
	.summary = "A sink for tests",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct config),
	.options = options,
	.options_count = (uint32_t)DRIP_COUNT(options),
	.rules = rules,
	.rules_count = 1,
	.ops = &ops,
};

static const struct drip_component *const components[] = {&sink};

__attribute__((unused)) static const struct drip_plugin plugin = {
	.struct_size = SAMPLE_SIZE,
	.abi_major = SAMPLE_ABI_MAJOR,
	.abi_minor = 0,
	.host_minor_min = SAMPLE_HOST_MINOR,
	.name = "sample",
	.version = "1",
	.license = "Apache-2.0",
	.summary = "A plugin for tests",
	.sdk_version = DRIP_SDK_VERSION,
	.components = components,
	.components_count = 1,
};

DRIP_EXPORT const struct drip_plugin *SAMPLE_ENTRY(void);
const struct drip_plugin *SAMPLE_ENTRY(void)
{
#ifdef SAMPLE_NULL
	return NULL;
#else
	return &plugin;
#endif
}
