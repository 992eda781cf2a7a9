/* SPDX-License-Identifier: Apache-2.0 */
/* Service `@NAME@`: writes the host's status to a file when it starts. One thread. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct @ID@_config {
	const char *path;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct @ID@_config, path, .help = "File that the status is written to.",
		    .default_text = "@NAME@-status.json", .flags = DRIP_OPTION_PATH),
};

struct @ID@ {
	struct drip_ctx *ctx;
	const struct @ID@_config *config;
};

static int @ID@_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct @ID@ *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->config = config;
	*ret_self = s;
	return 0;
}

static void @ID@_close(void *self)
{
	free(self);
}

static int write_text(const char *path, const char *text, struct drip_error *err)
{
	FILE *file = fopen(path, "we");
	int rc = file != NULL && fputs(text, file) >= 0 ? 0 : -errno;

	if (file != NULL && fclose(file) != 0 && rc == 0) {
		rc = -errno;
	}
	if (rc < 0) {
		drip_error_set_retryable(err, rc, "@ID@.io", "could not write %s: %s", path,
					 strerror(-rc));
		drip_error_option(err, "path");
	}
	return rc;
}

static int @ID@_start(void *self, struct drip_error *err)
{
	struct @ID@ *s = self;
	char *text = NULL;
	int rc = s->ctx->host->control(s->ctx, "status", "{}", &text, err);

	if (rc < 0) {
		return rc;
	}
	rc = write_text(s->config->path, text, err);
	free(text);
	return rc;
}

static void @ID@_stop(void *self)
{
}

static const struct drip_service_ops ops = {
	.struct_size = sizeof(ops),
	.open = @ID@_open,
	.close = @ID@_close,
	.start = @ID@_start,
	.stop = @ID@_stop,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SERVICE,
	.name = "@NAME@",
	.summary = "Writes the status to a file",
	.guarantees = "The file is written once, when the service starts.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct @ID@_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("@NAME@", "0.1.0", "Service @NAME@", &component);
