/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connection `PLUGIN-NAME`: offers an interface of its own, "PLUGIN_ID", to other plugins. They get
 * it by name through their host; the struct below goes into a header that both include. Any thread.
 */
#include <dripline/dripline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLUGIN_ID_INTERFACE "PLUGIN_ID"

/* The interface. It only grows at its end. */
struct PLUGIN_ID_interface {
	uint32_t struct_size;
	/* Writes a greeting; returns its length like snprintf. Thread: any. */
	int (*greet)(void *object, const char *name, char *buf, size_t size);
};

struct PLUGIN_ID_config {
	const char *greeting;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, greeting, .help = "What stands before a name.",
		    .default_text = "Hello"),
};

struct PLUGIN_ID {
	const struct PLUGIN_ID_config *config;
};

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct PLUGIN_ID *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		return drip_error_nomem(err, sizeof(*c));
	}
	c->config = config;
	*ret_self = c;
	return 0;
}

static void PLUGIN_ID_close(void *self)
{
	free(self);
}

static int PLUGIN_ID_greet(void *object, const char *name, char *buf, size_t size)
{
	const struct PLUGIN_ID *c = object;

	return snprintf(buf, size, "%s, %s", c->config->greeting, name);
}

static const struct PLUGIN_ID_interface interface = {
	.struct_size = sizeof(interface),
	.greet = PLUGIN_ID_greet,
};

static const void *PLUGIN_ID_get(void *self, const char *interface_name)
{
	return strcmp(interface_name, PLUGIN_ID_INTERFACE) == 0 ? &interface : NULL;
}

static int PLUGIN_ID_ping(void *self, struct drip_error *err)
{
	return 0;
}

static const char *const interfaces[] = {PLUGIN_ID_INTERFACE, NULL};

static const struct drip_connection_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.interface = PLUGIN_ID_get,
	.ping = PLUGIN_ID_ping,
	.interfaces = interfaces,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "PLUGIN-NAME",
	.summary = "Greets",
	.guarantees = "May be used from any thread.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Connection PLUGIN-NAME", &component);
