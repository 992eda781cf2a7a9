/* SPDX-License-Identifier: Apache-2.0 */
/* Service `PLUGIN-NAME`: writes the host's status to a file when it starts. One thread. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct PLUGIN_ID_config {
	const char *path;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, path, .help = "File that the status is written to.",
		    .default_text = "PLUGIN-NAME-status.json", .flags = DRIP_OPTION_PATH),
};

struct PLUGIN_ID {
	struct drip_ctx *ctx;
	const struct PLUGIN_ID_config *config;
};

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct PLUGIN_ID *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->config = config;
	*ret_self = s;
	return 0;
}

static void PLUGIN_ID_close(void *self)
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
		drip_error_set_retryable(err, rc, "PLUGIN_ID.io", "could not write %s: %s", path,
					 strerror(-rc));
		drip_error_option(err, "path");
	}
	return rc;
}

static int PLUGIN_ID_start(void *self, struct drip_error *err)
{
	struct PLUGIN_ID *s = self;
	char *text = NULL;
	int rc = s->ctx->host->control(s->ctx, "status", "{}", &text, err);

	if (rc < 0) {
		return rc;
	}
	rc = write_text(s->config->path, text, err);
	free(text);
	return rc;
}

static void PLUGIN_ID_stop(void *self)
{
}

static const struct drip_service_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.start = PLUGIN_ID_start,
	.stop = PLUGIN_ID_stop,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SERVICE,
	.name = "PLUGIN-NAME",
	.summary = "Writes the status to a file",
	.guarantees = "The file is written once, when the service starts.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Service PLUGIN-NAME", &component);
