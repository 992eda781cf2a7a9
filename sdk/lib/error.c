/* SPDX-License-Identifier: Apache-2.0 */
/* Filling struct drip_error. No allocation, so an error can always be reported. Thread: any, each
 * error one at a time. */
#include <dripline/error.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

DRIP_PRINTF(5, 0)
static int set_error(struct drip_error *err, int rc, bool retryable, const char *code,
		     const char *fmt, va_list ap)
{
	if (err == NULL) {
		return rc;
	}
	if (err->struct_size == 0) {
		err->struct_size = sizeof(*err);
	}
	err->rc = rc;
	err->retryable = retryable;
	snprintf(err->code, sizeof(err->code), "%s", code);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	err->hint[0] = err->place[0] = err->option[0] = '\0';
	return rc;
}

int drip_error_set(struct drip_error *err, int rc, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_error(err, rc, false, code, fmt, ap);
	va_end(ap);
	return rc;
}

int drip_error_set_retryable(struct drip_error *err, int rc, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set_error(err, rc, true, code, fmt, ap);
	va_end(ap);
	return rc;
}

void drip_error_hint(struct drip_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		vsnprintf(err->hint, sizeof(err->hint), fmt, ap);
		va_end(ap);
	}
}

void drip_error_place(struct drip_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		vsnprintf(err->place, sizeof(err->place), fmt, ap);
		va_end(ap);
	}
}

void drip_error_option(struct drip_error *err, const char *fmt, ...)
{
	va_list ap;

	if (err != NULL) {
		va_start(ap, fmt);
		vsnprintf(err->option, sizeof(err->option), fmt, ap);
		va_end(ap);
	}
}

int drip_error_also(struct drip_error *err, int rc, const struct drip_error *finding)
{
	if (err == NULL) {
		return rc < 0 ? rc : finding->rc;
	}
	if (rc == 0) {
		err->rc = finding->rc;
		err->retryable = finding->retryable;
		memcpy(err->code, finding->code, sizeof(err->code));
		memcpy(err->message, finding->message, sizeof(err->message));
		memcpy(err->hint, finding->hint, sizeof(err->hint));
		memcpy(err->place, finding->place, sizeof(err->place));
		memcpy(err->option, finding->option, sizeof(err->option));
		return finding->rc;
	}
	if (DRIP_HAS(err, more) && err->more != NULL) {
		err->more(err, finding);
	}
	return rc;
}

int drip_error_nomem(struct drip_error *err, size_t size_bytes)
{
	int rc = drip_error_set_retryable(err, -ENOMEM, "system.out_of_memory",
					  "could not allocate %zu bytes", size_bytes);

	drip_error_hint(err, "Raise the memory limit of the process, or lower settings.memory.");
	return rc;
}
