/* SPDX-License-Identifier: Apache-2.0 */
/* Growing text buffers, and rows as JSON lines and CSV. Thread: any, each buffer one at a time. */
#include "format.h"

#include <dripline/text.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct drip_text *t, size_t size)
{
	size_t capacity = t->capacity == 0 ? 256 : t->capacity;
	char *data;

	if (t->rc != 0) {
		return false;
	}
	if (size > DRIP_TEXT_MAX - t->size) {
		t->rc = -EOVERFLOW;
		return false;
	}
	while (capacity < t->size + size) {
		capacity *= 2;
	}
	data = realloc(t->data, capacity);
	if (data == NULL) {
		t->rc = -ENOMEM;
		return false;
	}
	t->data = data;
	t->capacity = capacity;
	return true;
}

void drip_text_put(struct drip_text *t, const void *data, size_t size)
{
	if (size == 0 || t->rc != 0 || (t->capacity - t->size < size && !grow(t, size))) {
		return;
	}
	memcpy(t->data + t->size, data, size);
	t->size += size;
}

void drip_text_puts(struct drip_text *t, const char *text)
{
	drip_text_put(t, text, strlen(text));
}

void drip_text_clear(struct drip_text *t)
{
	t->size = 0;
	t->rc = 0;
}

void drip_text_finish(struct drip_text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

int drip_text_check(const struct drip_text *t, struct drip_error *err)
{
	if (t->rc == -ENOMEM) {
		return drip_error_nomem(err, t->capacity * 2);
	}
	if (t->rc != 0) {
		return drip_error_set(err, t->rc, "text.too_large",
				      "a text grew beyond its limit of %zu bytes", DRIP_TEXT_MAX);
	}
	return 0;
}

const char *drip_op_name(enum drip_op op)
{
	switch (op) {
	case DRIP_OP_READ:
		return "read";
	case DRIP_OP_INSERT:
		return "insert";
	case DRIP_OP_UPDATE:
		return "update";
	case DRIP_OP_DELETE:
		return "delete";
	case DRIP_OP_BEFORE:
		return "before";
	}
	return "unknown";
}

static void put_escape(struct drip_text *t, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char buf[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"':
		drip_text_put(t, "\\\"", 2);
		break;
	case '\\':
		drip_text_put(t, "\\\\", 2);
		break;
	case '\n':
		drip_text_put(t, "\\n", 2);
		break;
	case '\r':
		drip_text_put(t, "\\r", 2);
		break;
	case '\t':
		drip_text_put(t, "\\t", 2);
		break;
	default:
		drip_text_put(t, buf, sizeof(buf));
		break;
	}
}

void drip_text_json_string(struct drip_text *t, const char *data, size_t size)
{
	size_t from = 0;

	drip_text_put(t, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c < 0x20 || c == '"' || c == '\\') {
			drip_text_put(t, data + from, i - from);
			put_escape(t, c);
			from = i + 1;
		}
	}
	drip_text_put(t, data + from, size - from);
	drip_text_put(t, "\"", 1);
}

/* A line must stay one line: raw line feeds in JSON text can only be white space. */
static void put_json_text(struct drip_text *t, const char *data, size_t size)
{
	for (size_t i = 0, from = 0; i <= size; i++) {
		if (i == size || data[i] == '\n' || data[i] == '\r') {
			drip_text_put(t, data + from, i - from);
			if (i < size) {
				drip_text_put(t, " ", 1);
			}
			from = i + 1;
		}
	}
}

/* The value as drip_value_format writes it, in place. */
static void put_formatted(struct drip_text *t, const struct drip_value *value,
			  const struct drip_column *column)
{
	bool fixed = drip_format_is_fixed(value->type);
	size_t room = fixed ? DRIP_FORMAT_MAX : (size_t)value->size * 2 + 1;

	if (t->rc != 0 || (t->capacity - t->size < room && !grow(t, room))) {
		return;
	}
	t->size += fixed ? drip_format_fixed(value, column, t->data + t->size)
			 : (size_t)drip_value_format(value, column, t->data + t->size, room);
}

static bool is_text(enum drip_type type)
{
	return type == DRIP_TYPE_UTF8 || type == DRIP_TYPE_JSON || type == DRIP_TYPE_UUID;
}

void drip_text_json_value(struct drip_text *t, const struct drip_batch *batch, uint32_t column,
			  int64_t row)
{
	const struct drip_column *c = drip_schema_column(batch->schema, column);
	struct drip_value v;
	bool quoted;

	drip_value_get(batch, column, row, &v);
	if (v.type == DRIP_TYPE_NONE) {
		drip_text_put(t, "null", 4);
		return;
	}
	if (v.type == DRIP_TYPE_JSON && v.size > 0) {
		put_json_text(t, v.data, (size_t)v.size);
		return;
	}
	if (is_text(v.type)) {
		drip_text_json_string(t, v.data, (size_t)v.size);
		return;
	}
	quoted = v.type > DRIP_TYPE_DECIMAL;
	if (v.type == DRIP_TYPE_FLOAT32 || v.type == DRIP_TYPE_FLOAT64) {
		quoted = !isfinite(v.f);
	}
	drip_text_put(t, "\"", quoted);
	put_formatted(t, &v, c);
	drip_text_put(t, "\"", quoted);
}

void drip_text_json_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
			const char *op_name)
{
	const char *separator = "{";

	if (op_name != NULL) {
		drip_text_put(t, "{", 1);
		drip_text_json_string(t, op_name, strlen(op_name));
		drip_text_put(t, ":\"", 2);
		drip_text_puts(t, drip_op_name(drip_batch_op(batch, row)));
		drip_text_put(t, "\"", 1);
		separator = ",";
	}
	for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
		const char *name = drip_schema_column(batch->schema, i)->name;

		drip_text_put(t, separator, 1);
		drip_text_json_string(t, name, strlen(name));
		drip_text_put(t, ":", 1);
		drip_text_json_value(t, batch, i, row);
		separator = ",";
	}
	drip_text_puts(t, *separator == '{' ? "{}" : "}");
}

void drip_text_csv_field(struct drip_text *t, const char *data, size_t size)
{
	bool quoted = size == 0;

	for (size_t i = 0; i < size && !quoted; i++) {
		quoted = data[i] == '"' || data[i] == ',' || data[i] == '\n' || data[i] == '\r';
	}
	if (!quoted) {
		drip_text_put(t, data, size);
		return;
	}
	drip_text_put(t, "\"", 1);
	for (size_t i = 0, from = 0; i <= size; i++) {
		if (i == size || data[i] == '"') {
			drip_text_put(t, data + from, i - from);
			drip_text_put(t, "\"\"", i < size ? 2 : 0);
			from = i + 1;
		}
	}
	drip_text_put(t, "\"", 1);
}

/* A plain number, signed or not. */
static bool is_number(const char *data, size_t size)
{
	size_t i = size > 0 && (data[0] == '-' || data[0] == '+'), digits = 0;

	for (bool point = false; i < size; i++) {
		if (data[i] == '.' && !point) {
			point = true;
		} else if (data[i] >= '0' && data[i] <= '9') {
			digits++;
		} else {
			return false;
		}
	}
	return digits > 0;
}

/* What a spreadsheet takes for the beginning of a formula; = + - @ of full width too. */
static bool begins_formula(const char *data, size_t size)
{
	static const char *const wide[] = {"\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d",
					   "\xef\xbc\xa0"};

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		if (size >= 3 && memcmp(data, wide[i], 3) == 0) {
			return true;
		}
	}
	return size > 0 && data[0] != '\0' && strchr("=+-@\t\r\n", data[0]) != NULL &&
	       !is_number(data, size);
}

void drip_text_csv_sheet_field(struct drip_text *t, const char *data, size_t size)
{
	bool formula = begins_formula(data, size);

	if (!formula && (memchr(data, ';', size) == NULL && memchr(data, '\t', size) == NULL)) {
		drip_text_csv_field(t, data, size);
		return;
	}
	drip_text_puts(t, formula ? "\"'" : "\"");
	for (size_t i = 0; i < size; i++) {
		drip_text_put(t, data[i] == '"' ? "\"\"" : &data[i], data[i] == '"' ? 2 : 1);
	}
	drip_text_put(t, "\"", 1);
}

static void put_csv_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
			bool with_op,
			void (*put_text)(struct drip_text *t, const char *data, size_t size))
{
	if (with_op) {
		drip_text_puts(t, drip_op_name(drip_batch_op(batch, row)));
	}
	for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
		struct drip_value v;

		drip_text_put(t, ",", i > 0 || with_op);
		drip_value_get(batch, i, row, &v);
		if (is_text(v.type)) {
			put_text(t, v.data, (size_t)v.size);
		} else if (v.type != DRIP_TYPE_NONE) {
			put_formatted(t, &v, drip_schema_column(batch->schema, i));
		}
	}
}

void drip_text_csv_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
		       bool with_op)
{
	put_csv_row(t, batch, row, with_op, drip_text_csv_field);
}

void drip_text_csv_sheet_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
			     bool with_op)
{
	put_csv_row(t, batch, row, with_op, drip_text_csv_sheet_field);
}
