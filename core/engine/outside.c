/* SPDX-License-Identifier: Apache-2.0 */
/* The host of a connection that a command opens: that of validation, but for what it may do. */
#include "engine/outside.h"

#include "engine/graph_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct drip_outside {
	struct drip_ctx ctx;
	struct drip_host host;
	const struct drip_common_ops *ops;
	void *self; /* NULL: not open */
};

static void outside_log(struct drip_ctx *ctx, enum drip_log_level level, const char *message)
{
	if (level <= DRIP_LOG_WARNING) {
		fprintf(stderr, "dripline: %s: %s\n", ctx->stage, message);
	}
}

static int outside_get(struct drip_ctx *ctx, const char *name, const char *interface_name,
		       const void **ret_interface, void **ret_object, struct drip_error *err)
{
	(void)ctx;
	(void)interface_name;
	(void)ret_interface;
	(void)ret_object;
	return drip_error_set(err, -ENOTSUP, "outside.no_connection",
			      "cannot open the connection \"%s\" for another one here", name);
}

static int outside_declared(struct drip_ctx *ctx, const char *schema, const char *table,
			    const struct drip_schema **ret)
{
	(void)ctx;
	(void)schema;
	(void)table;
	*ret = NULL;
	return -ENOENT;
}

static const struct drip_declared *find(const struct drip_document *d, const char *name)
{
	for (size_t i = 0; i < d->connections_count; i++) {
		if (strcmp(d->connections[i].name, name) == 0) {
			return &d->connections[i];
		}
	}
	return NULL;
}

static struct drip_outside *create(const struct drip_declared *declared, bool looks)
{
	struct drip_outside *o = calloc(1, sizeof(*o));

	if (o != NULL) {
		o->host = graph_host;
		o->host.log = outside_log;
		o->host.connection_get = outside_get;
		o->host.declared_table = outside_declared;
		o->host.dry_run = looks;
		o->ctx = (struct drip_ctx){
			.host = &o->host, .pipeline = "", .stage = declared->name};
		o->ops = graph_ops(declared->component);
	}
	return o;
}

int drip_outside_open(const struct drip_document *document, const char *name,
		      const char *interface_name, bool looks, struct drip_outside **ret,
		      const void **ret_interface, void **ret_object, struct drip_error *err)
{
	const struct drip_declared *declared = find(document, name);
	const struct drip_connection_ops *ops;
	struct drip_outside *o;
	int rc;

	if (declared == NULL) {
		return drip_error_set(err, -ENOENT, "outside.no_connection",
				      "there is no connection \"%.60s\"", name);
	}
	ops = declared->component->ops;
	o = create(declared, looks);
	if (o == NULL) {
		return drip_error_nomem(err, sizeof(*o));
	}
	rc = o->ops->open(&o->ctx, declared->config, &o->self, err);
	if (rc < 0) {
		o->self = NULL;
		drip_outside_close(o);
		return rc;
	}
	*ret_interface = ops->interface(o->self, interface_name);
	*ret_object = o->self;
	if (*ret_interface == NULL) {
		drip_outside_close(o);
		return drip_error_set(err, -ENOTSUP, "config.wrong_connection",
				      "connection \"%s\" does not offer %s", name, interface_name);
	}
	*ret = o;
	return 0;
}

void drip_outside_close(struct drip_outside *outside)
{
	if (outside == NULL) {
		return;
	}
	if (outside->self != NULL) {
		outside->ops->close(outside->self);
	}
	free(outside);
}
