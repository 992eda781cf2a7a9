/* SPDX-License-Identifier: Apache-2.0 */
/* A tree as json_serialize_sql gives it, through the guard's walk: what is refused has its code. */
#include "connection/duckdb/guard.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"main.orders", "ods.t"};
	const struct guard_tables tables = {names, 2};
	struct drip_error err = DRIP_ERROR_INIT;
	char *text = malloc(size + 1);

	if (text == NULL) {
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	if (guard_tree(text, size, &tables, &err) != 0 && (err.code[0] == '\0' || err.rc >= 0)) {
		abort();
	}
	free(text);
	return 0;
}
