/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. A fallible function returns 0 or a negative errno and fills a `struct drip_error`, its
 * last parameter, which may be NULL. The code is stable (`config.unknown_option`) and stands in
 * docs/reference/errors.md; the message is short, in lower case, without a period; the hint is a
 * sentence that says what to do.
 */
#ifndef DRIPLINE_ERROR_H
#define DRIPLINE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DRIP_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define DRIP_MUST_CHECK        __attribute__((warn_unused_result))
#define DRIP_EXPORT            __attribute__((visibility("default")))
#else
#define DRIP_PRINTF(fmt, args)
#define DRIP_MUST_CHECK
#define DRIP_EXPORT
#endif

/* True where the struct at `p`, built with another release of the SDK, is large enough to hold
 * `field`. */
#define DRIP_HAS(p, field)                                                                         \
	((p)->struct_size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))

struct drip_error {
	uint32_t struct_size;
	int32_t rc;        /* negative errno; 0 where no error is set */
	bool retryable;    /* trying again later may succeed */
	char code[48];     /* "module.what_happened" */
	char message[600]; /* primary message */
	char hint[300];    /* what the user can do; may be empty */
	char place[300];   /* file:line:column, or table and position; may be empty */
	char option[128];  /* path of the option at fault, as "columns[2].name"; the host turns it
			      into a place */
	/* Takes further problems where the caller asks for all of them, as the host does of
	 * `negotiate`: see drip_error_also. NULL: the first is enough. Since 1.1. */
	void (*more)(struct drip_error *err, const struct drip_error *finding);
};

#define DRIP_ERROR_INIT                                                                            \
	{                                                                                          \
		.struct_size = sizeof(struct drip_error)                                           \
	}

/* Sets code and message of `err` (may be NULL), clears hint, place and option. Returns `rc`, which
 * must be negative. */
int drip_error_set(struct drip_error *err, int rc, const char *code, const char *fmt, ...)
	DRIP_PRINTF(4, 5);
/* The same for an error that may go away by itself: a lost connection, a lock, a full disk. */
int drip_error_set_retryable(struct drip_error *err, int rc, const char *code, const char *fmt, ...)
	DRIP_PRINTF(4, 5);
/* Adds a hint, a place or the option at fault to an error that is set already. All accept a NULL
 * `err`. */
void drip_error_hint(struct drip_error *err, const char *fmt, ...) DRIP_PRINTF(2, 3);
void drip_error_place(struct drip_error *err, const char *fmt, ...) DRIP_PRINTF(2, 3);
void drip_error_option(struct drip_error *err, const char *fmt, ...) DRIP_PRINTF(2, 3);
/*
 * For a check that goes on after it found a problem: `finding` becomes `err` where it is the first
 * (`rc`, what the check comes to so far, is 0), and goes to err->more otherwise. Returns what the
 * check comes to now: the rc of the first problem.
 */
int drip_error_also(struct drip_error *err, int rc, const struct drip_error *finding);
/* "could not allocate N bytes"; returns -ENOMEM. */
int drip_error_nomem(struct drip_error *err, size_t size_bytes);

#ifdef __cplusplus
}
#endif

#endif
