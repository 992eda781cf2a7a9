/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round trips of the SDK: a schema's JSON that is read is written again byte for byte, and a value
 * that is read from text is written in a form that reads back as the same bytes. The first byte
 * chooses: 0 the schema, otherwise the type of the value.
 */
#include "fuzz.h"

#include <dripline/dripline.h>
#include <stdlib.h>
#include <string.h>

static void schema(const char *text)
{
	struct drip_schema *s = NULL, *back = NULL;
	char *json = NULL, *again = NULL;

	if (drip_schema_from_json(text, &s, NULL) < 0) {
		return;
	}
	if (drip_schema_to_json(s, &json, NULL) < 0 ||
	    drip_schema_from_json(json, &back, NULL) < 0 || !drip_schema_equal(s, back) ||
	    drip_schema_to_json(back, &again, NULL) < 0 || strcmp(json, again) != 0) {
		abort();
	}
	free(json);
	free(again);
	drip_schema_unref(s);
	drip_schema_unref(back);
}

/* (gives) a batch of one row and one column, or NULL where the text is refused. */
static struct drip_batch *read_value(const struct drip_schema *s, const char *text, size_t size)
{
	struct drip_batch *batch = NULL;
	struct drip_builder b;

	if (drip_builder_init(&b, s, NULL) < 0) {
		return NULL;
	}
	if (drip_append_text(&b.columns[0], drip_schema_column(s, 0), text, (int64_t)size, NULL) ==
	    0) {
		drip_builder_row(&b, DRIP_OP_READ);
		if (drip_builder_build(&b, &batch, NULL) < 0 ||
		    drip_batch_validate(batch, NULL) < 0) {
			abort();
		}
	}
	drip_builder_finish(&b);
	return batch;
}

static void same(const struct drip_value *a, const struct drip_value *b)
{
	bool nan = a->f != a->f && b->f != b->f;

	if (a->type != b->type || a->i != b->i || a->u != b->u || a->size != b->size ||
	    (!nan && memcmp(&a->f, &b->f, sizeof(a->f)) != 0) ||
	    (a->size > 0 && memcmp(a->data, b->data, (size_t)a->size) != 0)) {
		abort();
	}
}

static void value(enum drip_type type, const char *text, size_t size)
{
	const struct drip_column column = {
		.struct_size = sizeof(column),
		.type = type,
		.name = "c",
		.precision = type == DRIP_TYPE_DECIMAL ? 38 : 0,
		.scale = type == DRIP_TYPE_DECIMAL ? 9 : 0,
	};
	struct drip_schema_builder sb;
	struct drip_schema *s = NULL;
	struct drip_batch *first, *second;
	struct drip_value a, b;
	char *written;
	int length;

	drip_schema_builder_init(&sb, "", "t");
	drip_schema_builder_add(&sb, &column);
	if (drip_schema_builder_build(&sb, &s, NULL) < 0) {
		abort();
	}
	first = read_value(s, text, size);
	if (first != NULL) {
		drip_value_get(first, 0, 0, &a);
		length = drip_value_format(&a, &column, NULL, 0);
		written = (char *)malloc((size_t)length + 1);
		if (written == NULL ||
		    drip_value_format(&a, &column, written, (size_t)length + 1) != length) {
			abort();
		}
		second = read_value(s, written, (size_t)length);
		if (second == NULL) {
			abort();
		}
		drip_value_get(second, 0, 0, &b);
		same(&a, &b);
		drip_batch_unref(second);
		free(written);
	}
	drip_batch_unref(first);
	drip_schema_unref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0 || size > 65536) {
		return 0;
	}
	text = (char *)malloc(size);
	if (text == NULL) {
		return 0;
	}
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (data[0] % (DRIP_TYPE_UUID + 1) == 0) {
		schema(text);
	} else {
		value((enum drip_type)(data[0] % (DRIP_TYPE_UUID + 1)), text, size - 1);
	}
	free(text);
	return 0;
}
