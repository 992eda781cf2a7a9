/* SPDX-License-Identifier: Apache-2.0 */
/* Writing statements. Names are always quoted for the dialect, so any name is safe. */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put_name(struct wh *wh, const char *name)
{
	char buf[2 * DRIP_NAME_MAX + 3];

	if (drip_sql_quote(wh->dialect, name, buf, sizeof(buf)) >= (int)sizeof(buf)) {
		wh->text.rc = -EOVERFLOW;
		return;
	}
	drip_text_puts(&wh->text, buf);
}

static void put_literal(struct wh *wh, const char *text)
{
	drip_text_puts(&wh->text, "'");
	for (; *text != '\0'; text++) {
		drip_text_put(&wh->text, text, 1);
		if (*text == '\'') {
			drip_text_put(&wh->text, text, 1);
		}
	}
	drip_text_puts(&wh->text, "'");
}

static void put_number(struct wh *wh, int64_t value)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%" PRId64, value);
	drip_text_puts(&wh->text, buf);
}

void wh_sql(struct wh *wh, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt != '\0'; fmt++) {
		if (*fmt != '%') {
			drip_text_put(&wh->text, fmt, 1);
			continue;
		}
		switch (*++fmt) {
		case 'N':
			put_name(wh, va_arg(ap, const char *));
			break;
		case 'T':
			put_name(wh, wh->config->schema);
			drip_text_puts(&wh->text, ".");
			put_name(wh, va_arg(ap, const char *));
			break;
		case 'L':
			put_literal(wh, va_arg(ap, const char *));
			break;
		case 'D':
			put_number(wh, va_arg(ap, int64_t));
			break;
		case 's':
			drip_text_puts(&wh->text, va_arg(ap, const char *));
			break;
		default:
			wh->text.rc = -EINVAL; /* a defect of the caller: nothing is run */
			break;
		}
	}
	va_end(ap);
}

static int finish(struct wh *wh, struct drip_error *err)
{
	int rc;

	drip_text_put(&wh->text, "", 1);
	rc = drip_text_check(&wh->text, err);
	if (rc != 0) {
		drip_text_finish(&wh->text);
	}
	return rc;
}

int wh_run(struct wh *wh, int64_t *ret_rows, struct drip_error *err)
{
	int rc = finish(wh, err);

	if (rc == 0) {
		rc = wh->sql->execute(wh->session, wh->text.data, ret_rows, err);
		drip_text_clear(&wh->text);
	}
	return rc;
}

void wh_keys(struct wh *wh, const struct wh_target *t, const char *prefix)
{
	for (uint32_t i = 0; i < t->keys_count; i++) {
		wh_sql(wh, "%s%s%s%N", i == 0 ? "" : ", ", prefix != NULL ? prefix : "",
		       prefix != NULL ? "." : "", t->keys[i]);
	}
}

void wh_join_keys(struct wh *wh, const struct wh_target *t, const char *a, const char *b)
{
	const char *equals = t->keys_nullable ? " IS NOT DISTINCT FROM " : " = ";

	for (uint32_t i = 0; i < t->keys_count; i++) {
		wh_sql(wh, "%s%s.%N%s%s.%N", i == 0 ? "" : " AND ", a, t->keys[i], equals, b,
		       t->keys[i]);
	}
}

/* The first value of `array` where it is an integer and not null. */
static bool first_integer(const struct ArrowArray *array, const struct drip_schema *schema,
			  int64_t *ret)
{
	const struct ArrowArray *column = array->children[0];

	if (array->length == 0 || drip_is_null(column, 0) ||
	    drip_schema_column(schema, 0)->type != DRIP_TYPE_INT64) {
		return false;
	}
	*ret = ((const int64_t *)column->buffers[1])[column->offset];
	return true;
}

int wh_number(struct wh *wh, int64_t *ret, struct drip_error *err)
{
	struct drip_schema *schema = NULL;
	struct ArrowArrayStream stream;
	struct ArrowArray array = {.release = NULL};
	bool found = false;
	int rc = finish(wh, err);

	if (rc == 0) {
		rc = wh->sql->query(wh->session, wh->text.data, NULL, &schema, &stream, err);
		drip_text_clear(&wh->text);
	}
	if (rc != 0) {
		return rc;
	}
	rc = stream.get_next(&stream, &array);
	if (rc != 0) {
		rc = drip_error_set_retryable(err, -rc, "sql.result",
					      "could not read from the warehouse: %s",
					      stream.get_last_error(&stream));
	} else if (array.release != NULL) {
		found = first_integer(&array, schema, ret);
		array.release(&array);
	}
	stream.release(&stream);
	drip_schema_unref(schema);
	return rc != 0 || found ? rc : -ENOENT;
}
