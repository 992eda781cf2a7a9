/* SPDX-License-Identifier: Apache-2.0 */
/* The growing string. Invariant: data is NULL or length < capacity and data[length] is NUL. */
#include "base/str.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct drip_str *s, size_t size)
{
	void *data = s->data;

	if (s->rc != 0) {
		return false;
	}
	if (size >= DRIP_STR_MAX - s->length) {
		s->rc = -EOVERFLOW;
		return false;
	}
	if (!drip_grow(&data, &s->capacity, s->length + size + 1, 1)) {
		s->rc = -ENOMEM;
		return false;
	}
	s->data = data;
	return true;
}

void drip_str_finish(struct drip_str *s)
{
	int saved = errno;

	free(s->data);
	memset(s, 0, sizeof(*s));
	errno = saved;
}

void drip_str_reset(struct drip_str *s)
{
	s->length = 0;
	s->rc = 0;
	if (s->data != NULL) {
		s->data[0] = '\0';
	}
}

void drip_str_append_n(struct drip_str *s, const char *text, size_t size)
{
	if (!make_room(s, size)) {
		return;
	}
	if (size != 0) {
		memcpy(s->data + s->length, text, size);
	}
	s->length += size;
	s->data[s->length] = '\0';
}

void drip_str_append(struct drip_str *s, const char *text)
{
	drip_str_append_n(s, text, strlen(text));
}

void drip_str_append_char(struct drip_str *s, char c)
{
	drip_str_append_n(s, &c, 1);
}

void drip_str_vappendf(struct drip_str *s, const char *fmt, va_list ap)
{
	va_list again;
	int length;

	va_copy(again, ap);
	length = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (length < 0) {
		s->rc = s->rc != 0 ? s->rc : -EOVERFLOW;
		return;
	}
	if (make_room(s, (size_t)length)) {
		vsnprintf(s->data + s->length, (size_t)length + 1, fmt, ap);
		s->length += (size_t)length;
	}
}

void drip_str_appendf(struct drip_str *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	drip_str_vappendf(s, fmt, ap);
	va_end(ap);
}

const char *drip_str_text(const struct drip_str *s)
{
	return s->data != NULL ? s->data : "";
}

int drip_str_steal(struct drip_str *s, char **ret_text, struct drip_error *err)
{
	int rc;

	drip_str_append_n(s, "", 0);
	rc = s->rc;
	if (rc != 0) {
		size_t size = s->length;

		drip_str_finish(s);
		if (rc == -ENOMEM) {
			return drip_error_nomem(err, size);
		}
		return drip_error_set(err, rc, "system.text_too_long",
				      "cannot build a text longer than %zu bytes", DRIP_STR_MAX);
	}
	*ret_text = s->data;
	memset(s, 0, sizeof(*s));
	return 0;
}
