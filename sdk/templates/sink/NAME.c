/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sink `PLUGIN-NAME`: appends rows to a file, as JSON, one a line. What belongs to an epoch is held
 * in memory and reaches the disk at its commit: at least once. One thread.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct PLUGIN_ID_config {
	const char *path;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, path, .help = "File that rows are appended to.",
		    .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_PATH),
};

struct PLUGIN_ID {
	struct drip_ctx *ctx;
	int fd;
	off_t committed;       /* bytes of the file that are durable */
	struct drip_text text; /* of the open epoch */
};

static int failed(struct drip_error *err, const char *what)
{
	int rc = -errno;

	return drip_error_set_retryable(err, rc, "PLUGIN_ID.io", "could not %s: %s", what,
					strerror(-rc));
}

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	const struct PLUGIN_ID_config *c = config;
	struct PLUGIN_ID *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->fd = open(c->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	s->committed = s->fd >= 0 ? lseek(s->fd, 0, SEEK_END) : -1;
	if (s->committed < 0) {
		rc = failed(err, "open the file");
		drip_error_option(err, "path");
		if (s->fd >= 0) {
			close(s->fd);
		}
		free(s);
		return rc;
	}
	*ret_self = s;
	return 0;
}

static void PLUGIN_ID_close(void *self)
{
	struct PLUGIN_ID *s = self;

	close(s->fd);
	drip_text_finish(&s->text);
	free(s);
}

/* Takes every table as it is. */
static int PLUGIN_ID_negotiate(struct drip_ctx *ctx, const void *config,
			       const struct drip_schema *input, struct drip_negotiated *ret,
			       struct drip_error *err)
{
	const struct PLUGIN_ID_config *c = config;

	ret->output = drip_schema_ref(input);
	snprintf(ret->dataset_namespace, sizeof(ret->dataset_namespace), "file");
	snprintf(ret->dataset, sizeof(ret->dataset), "%s", c->path);
	snprintf(ret->action, sizeof(ret->action), "append rows to a file");
	return 0;
}

static int PLUGIN_ID_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct PLUGIN_ID *s = self;

	for (int64_t row = 0; row < batch->rows; row++) {
		drip_text_json_row(&s->text, batch, row, "op");
		drip_text_puts(&s->text, "\n");
	}
	return drip_text_check(&s->text, err);
}

static int PLUGIN_ID_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct PLUGIN_ID *s = self;
	size_t done = 0;

	while (done < s->text.size) {
		ssize_t n = pwrite(s->fd, s->text.data + done, s->text.size - done,
				   s->committed + (off_t)done);

		if (n < 0 && errno != EINTR) {
			return failed(err, "write");
		}
		done += n > 0 ? (size_t)n : 0;
	}
	if (fsync(s->fd) < 0) {
		return failed(err, "flush");
	}
	s->committed += (off_t)done;
	drip_text_clear(&s->text);
	return 0;
}

/* Forgets the open epoch; the host sends its rows again. */
static int PLUGIN_ID_abort(void *self, struct drip_error *err)
{
	struct PLUGIN_ID *s = self;

	drip_text_clear(&s->text);
	return ftruncate(s->fd, s->committed) < 0 ? failed(err, "cut the file") : 0;
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.negotiate = PLUGIN_ID_negotiate,
	.write = PLUGIN_ID_write,
	.commit = PLUGIN_ID_commit,
	.abort = PLUGIN_ID_abort,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SINK,
	.name = "PLUGIN-NAME",
	.summary = "Appends rows to a file, as JSON lines",
	.schema_notes = "Takes every table; columns are written by name.",
	.guarantees = "At least once: after a crash, rows since the last commit may come twice.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.caps = DRIP_CAP_CHANGES,
	.clearance = DRIP_CLASS_INTERNAL,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Sink PLUGIN-NAME", &component);
