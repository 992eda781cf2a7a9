/* SPDX-License-Identifier: Apache-2.0 */
/* Texts into typed values: the first byte says of which type, the second gives the scale. */
#include "fuzz.h"

#include <dripline/dripline.h>
#include <dripline/units.h>
#include <stdlib.h>
#include <string.h>

static void read_scalars(const char *text)
{
	double number;
	uint64_t size;
	int64_t ms;

	if (drip_parse_float(text, &number) > 0 || drip_parse_duration(text, &ms) > 0 ||
	    drip_parse_size(text, &size) > 0) {
		abort();
	}
}

static void append(const struct drip_column *column, const char *text, size_t size)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column_builder builder;
	struct ArrowArray array;

	if (drip_column_builder_init(&builder, column->type, 4, &err) != 0) {
		return;
	}
	if (column->type == DRIP_TYPE_DECIMAL) {
		builder.width = 16;
	}
	if (drip_append_text(&builder, column, text, (int64_t)size, &err) == 0 &&
	    drip_column_builder_build(&builder, &array, &err) == 0) {
		array.release(&array);
	}
	drip_column_builder_finish(&builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drip_column column = {.struct_size = sizeof(column), .name = "c"};
	struct drip_error err = DRIP_ERROR_INIT;
	char text[512];

	if (size < 2 || size - 2 >= sizeof(text)) {
		return 0;
	}
	memcpy(text, data + 2, size - 2);
	text[size - 2] = '\0';
	read_scalars(text);
	if (drip_type_parse(text, &column, &err) == 0 && column.type == DRIP_TYPE_NONE) {
		abort();
	}
	column.type = (enum drip_type)(1 + data[0] % DRIP_TYPE_UUID);
	column.precision = column.type == DRIP_TYPE_DECIMAL ? 38 : 0;
	column.scale = data[1] % 39;
	append(&column, text, size - 2);
	return 0;
}
