/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection `@NAME@`: offers an interface of its own, "@ID@", to other plugins. They get it by
 * name through their host; the struct below goes into a header that both include. Any thread.
 */
#include <dripline/dripline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define @ID@_INTERFACE "@ID@"

/* The interface. It only grows at its end. */
struct @ID@_interface {
	uint32_t struct_size;
	/* Writes a greeting; returns its length like snprintf. Thread: any. */
	int (*greet)(void *object, const char *name, char *buf, size_t size);
};

struct @ID@_config {
	const char *greeting;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct @ID@_config, greeting, .help = "What stands before a name.",
		    .default_text = "Hello"),
};

struct @ID@ {
	const struct @ID@_config *config;
};

static int @ID@_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct @ID@ *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		return drip_error_nomem(err, sizeof(*c));
	}
	c->config = config;
	*ret_self = c;
	return 0;
}

static void @ID@_close(void *self)
{
	free(self);
}

static int @ID@_greet(void *object, const char *name, char *buf, size_t size)
{
	const struct @ID@ *c = object;

	return snprintf(buf, size, "%s, %s", c->config->greeting, name);
}

static const struct @ID@_interface interface = {
	.struct_size = sizeof(interface),
	.greet = @ID@_greet,
};

static const void *@ID@_get(void *self, const char *interface_name)
{
	return strcmp(interface_name, @ID@_INTERFACE) == 0 ? &interface : NULL;
}

static int @ID@_ping(void *self, struct drip_error *err)
{
	return 0;
}

static const char *const interfaces[] = {@ID@_INTERFACE, NULL};

static const struct drip_connection_ops ops = {
	.struct_size = sizeof(ops),
	.open = @ID@_open,
	.close = @ID@_close,
	.interface = @ID@_get,
	.ping = @ID@_ping,
	.interfaces = interfaces,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "@NAME@",
	.summary = "Greets",
	.guarantees = "May be used from any thread.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct @ID@_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("@NAME@", "0.1.0", "Connection @NAME@", &component);
