/* SPDX-License-Identifier: Apache-2.0 */
/* Formatted logging through the host. Thread: any. */
#include <dripline/host.h>

#include <stdio.h>

#define LINE_MAX_BYTES 1024

void drip_log(struct drip_ctx *ctx, enum drip_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	va_list ap;

	if (ctx == NULL || ctx->host == NULL || ctx->host->log == NULL) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	ctx->host->log(ctx, level, line);
}
