/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON writer. Invariant: `has_items` has a bit for each open container, so depth is bounded by
 * DRIP_JSON_DEPTH_MAX; deeper writing sets -EOVERFLOW on the output. */
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void drip_json_init(struct drip_json *j, struct drip_str *out)
{
	*j = (struct drip_json){.out = out};
}

static void separate(struct drip_json *j)
{
	uint64_t bit = UINT64_C(1) << j->depth;

	if (j->after_key) {
		j->after_key = false;
		return;
	}
	if ((j->has_items & bit) != 0) {
		drip_str_append_char(j->out, ',');
	}
	j->has_items |= bit;
}

static void begin(struct drip_json *j, char c)
{
	separate(j);
	drip_str_append_char(j->out, c);
	if (j->depth + 1 >= DRIP_JSON_DEPTH_MAX) {
		j->out->rc = j->out->rc != 0 ? j->out->rc : -EOVERFLOW;
		return;
	}
	j->depth++;
	j->has_items &= ~(UINT64_C(1) << j->depth);
}

static void end(struct drip_json *j, char c)
{
	if (j->depth > 0) {
		j->depth--;
	}
	drip_str_append_char(j->out, c);
}

void drip_json_begin_object(struct drip_json *j)
{
	begin(j, '{');
}

void drip_json_end_object(struct drip_json *j)
{
	end(j, '}');
}

void drip_json_begin_array(struct drip_json *j)
{
	begin(j, '[');
}

void drip_json_end_array(struct drip_json *j)
{
	end(j, ']');
}

/* Length of the UTF-8 sequence at `p`, 0 where it is none. Overlong forms, surrogates and what lies
 * beyond U+10FFFF are none (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	unsigned low = 0x80, high = 0xbf;

	if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) {
		return 0;
	}
	if (p[0] == 0xe0) {
		low = 0xa0;
	} else if (p[0] == 0xed) {
		high = 0x9f;
	} else if (p[0] == 0xf0) {
		low = 0x90;
	} else if (p[0] == 0xf4) {
		high = 0x8f;
	}
	if (p[1] < low || p[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf) {
			return 0;
		}
	}
	return n;
}

static void escape(struct drip_str *out, unsigned char c)
{
	static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
		if ((unsigned char)names[i] == c) {
			drip_str_append_char(out, '\\');
			drip_str_append_char(out, names[i + 1]);
			return;
		}
	}
	drip_str_appendf(out, "\\u%04x", c);
}

static void quoted(struct drip_str *out, const char *text, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t plain = 0, i = 0, n;

	drip_str_append_char(out, '"');
	while (i < size) {
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
			i++;
			continue;
		}
		n = p[i] < 0x80 ? 0 : utf8_length(p + i, size - i);
		if (n != 0) {
			i += n;
			continue;
		}
		drip_str_append_n(out, text + plain, i - plain);
		if (p[i] < 0x80) {
			escape(out, p[i]);
		} else {
			drip_str_append(out, "\xef\xbf\xbd");
		}
		plain = ++i;
	}
	drip_str_append_n(out, text + plain, size - plain);
	drip_str_append_char(out, '"');
}

void drip_json_key(struct drip_json *j, const char *key)
{
	separate(j);
	quoted(j->out, key, strlen(key));
	drip_str_append_char(j->out, ':');
	j->after_key = true;
}

void drip_json_string_n(struct drip_json *j, const char *text, size_t size)
{
	separate(j);
	quoted(j->out, text, size);
}

void drip_json_string(struct drip_json *j, const char *text)
{
	if (text == NULL) {
		drip_json_null(j);
	} else {
		drip_json_string_n(j, text, strlen(text));
	}
}

void drip_json_int(struct drip_json *j, int64_t value)
{
	separate(j);
	drip_str_appendf(j->out, "%" PRId64, value);
}

void drip_json_uint(struct drip_json *j, uint64_t value)
{
	separate(j);
	drip_str_appendf(j->out, "%" PRIu64, value);
}

void drip_json_double(struct drip_json *j, double value)
{
	char text[40];

	separate(j);
	if (!isfinite(value)) {
		drip_str_append(j->out, "null");
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value) {
			break;
		}
	}
	drip_str_append(j->out, text);
}

void drip_json_bool(struct drip_json *j, bool value)
{
	separate(j);
	drip_str_append(j->out, value ? "true" : "false");
}

void drip_json_null(struct drip_json *j)
{
	separate(j);
	drip_str_append(j->out, "null");
}

void drip_json_raw(struct drip_json *j, const char *json)
{
	separate(j);
	drip_str_append(j->out, json);
}

void drip_json_put_string(struct drip_json *j, const char *key, const char *text)
{
	drip_json_key(j, key);
	drip_json_string(j, text);
}

void drip_json_put_int(struct drip_json *j, const char *key, int64_t value)
{
	drip_json_key(j, key);
	drip_json_int(j, value);
}

void drip_json_put_uint(struct drip_json *j, const char *key, uint64_t value)
{
	drip_json_key(j, key);
	drip_json_uint(j, value);
}

void drip_json_put_double(struct drip_json *j, const char *key, double value)
{
	drip_json_key(j, key);
	drip_json_double(j, value);
}

void drip_json_put_bool(struct drip_json *j, const char *key, bool value)
{
	drip_json_key(j, key);
	drip_json_bool(j, value);
}

void drip_json_error(struct drip_json *j, const struct drip_error *error)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "code", error->code);
	drip_json_put_string(j, "message", error->message);
	if (error->hint[0] != '\0') {
		drip_json_put_string(j, "hint", error->hint);
	}
	if (error->place[0] != '\0') {
		drip_json_put_string(j, "place", error->place);
	}
	drip_json_put_bool(j, "retryable", error->retryable);
	drip_json_put_int(j, "errno", -error->rc);
	drip_json_end_object(j);
}

/* Recursion is bounded by the reader's DRIP_JSON_DEPTH_MAX. */
void drip_json_node(struct drip_json *j, const struct drip_json_node *node)
{
	bool object = node->type == DRIP_JSON_OBJECT;

	switch (node->type) {
	case DRIP_JSON_BOOL:
		drip_json_bool(j, node->boolean);
		break;
	case DRIP_JSON_NUMBER:
		separate(j);
		drip_str_append_n(j->out, node->text, node->text_size);
		break;
	case DRIP_JSON_STRING:
		drip_json_string_n(j, node->text, node->text_size);
		break;
	case DRIP_JSON_ARRAY:
	case DRIP_JSON_OBJECT:
		begin(j, object ? '{' : '[');
		for (const struct drip_json_node *n = node->first; n != NULL; n = n->next) {
			if (object) {
				drip_json_key(j, n->key);
			}
			drip_json_node(j, n);
		}
		end(j, object ? '}' : ']');
		break;
	default:
		drip_json_null(j);
	}
}
