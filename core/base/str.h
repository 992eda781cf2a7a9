/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A string that grows. The appends do not fail one by one: a failure sticks in `rc` and comes out
 * of drip_str_steal or is asked for at the end. Caller-allocated, zeroed is empty, one thread at a
 * time.
 */
#ifndef DRIPLINE_BASE_STR_H
#define DRIPLINE_BASE_STR_H

#include <dripline/error.h>

struct drip_str {
	char *data; /* ended by NUL; NULL while nothing was appended */
	size_t length, capacity;
	int rc; /* first failure: -ENOMEM, -EOVERFLOW */
};

#define DRIP_STR_MAX ((size_t)1 << 31) /* bytes; beyond it appends fail with -EOVERFLOW */

#define DRIP_STR_INIT                                                                              \
	{                                                                                          \
		.data = NULL                                                                       \
	}

void drip_str_finish(struct drip_str *s); /* frees; a zeroed string is accepted */
void drip_str_reset(struct drip_str *s);  /* empty again, memory and no error kept */
void drip_str_append(struct drip_str *s, const char *text);
void drip_str_append_n(struct drip_str *s, const char *text, size_t size);
void drip_str_append_char(struct drip_str *s, char c);
void drip_str_appendf(struct drip_str *s, const char *fmt, ...) DRIP_PRINTF(2, 3);
void drip_str_vappendf(struct drip_str *s, const char *fmt, va_list ap) DRIP_PRINTF(2, 0);
/* (borrowed) The text, "" where empty. */
const char *drip_str_text(const struct drip_str *s);
/* (gives) a malloc'd text and leaves the string empty; or the failure that stuck. */
int drip_str_steal(struct drip_str *s, char **ret_text, struct drip_error *err) DRIP_MUST_CHECK;

#define drip_autostr __attribute__((cleanup(drip_str_finish))) struct drip_str

#endif
