/* SPDX-License-Identifier: Apache-2.0 */
/* JSON in, tree, JSON out, tree again: what was read can be written and read. */
#include "base/json.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

static void write_node(struct drip_json *j, const struct drip_json_node *node)
{
	char number[512];

	switch (node->type) {
	case DRIP_JSON_NULL:
		drip_json_null(j);
		break;
	case DRIP_JSON_BOOL:
		drip_json_bool(j, node->boolean);
		break;
	case DRIP_JSON_NUMBER:
		snprintf(number, sizeof(number), "%.*s", (int)node->text_size, node->text);
		drip_json_raw(j, number);
		break;
	case DRIP_JSON_STRING:
		drip_json_string_n(j, node->text, node->text_size);
		break;
	case DRIP_JSON_ARRAY:
		drip_json_begin_array(j);
		for (const struct drip_json_node *n = node->first; n != NULL; n = n->next) {
			write_node(j, n);
		}
		drip_json_end_array(j);
		break;
	case DRIP_JSON_OBJECT:
		drip_json_begin_object(j);
		for (const struct drip_json_node *n = node->first; n != NULL; n = n->next) {
			drip_json_key(j, n->key);
			write_node(j, n);
		}
		drip_json_end_object(j);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drip_json_tree *tree = NULL, *again = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_str text = {0};
	struct drip_json j;

	if (drip_json_parse((const char *)data, size, &tree, &err) != 0) {
		if (err.code[0] == '\0') {
			abort();
		}
		return 0;
	}
	drip_json_init(&j, &text);
	write_node(&j, drip_json_root(tree));
	if (text.rc == 0 && drip_json_parse(text.data, text.length, &again, &err) != 0) {
		abort();
	}
	drip_json_tree_destroy(again);
	drip_json_tree_destroy(tree);
	drip_str_finish(&text);
	return 0;
}
