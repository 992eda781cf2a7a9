/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file's bytes through the YAML reader, the references, the hash, and the binder
 * with an option of every type. */
#include "config/bind.h"
#include "fuzz.h"

#include <stdlib.h>

struct child_config {
	const char *name;
	int64_t number;
};

struct fuzz_config {
	bool flag;
	int64_t integer;
	double number;
	const char *text, *path;
	struct drip_enum mode;
	struct drip_duration duration;
	struct drip_size size;
	struct drip_secret secret;
	struct drip_strings strings;
	struct drip_pairs pairs;
	struct drip_objects objects;
	struct drip_connection_ref connection;
	struct drip_columns columns;
};

static const struct drip_enum_value modes[] = {{.name = "a"}, {.name = "b"}, {.name = NULL}};

static const struct drip_option child_options[] = {
	DRIP_OPTION(struct child_config, name, .flags = DRIP_OPTION_REQUIRED),
	DRIP_OPTION(struct child_config, number, .default_text = "7", .min = 1, .max = 9),
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct fuzz_config, flag),
	DRIP_OPTION(struct fuzz_config, integer, .min = -5, .max = 1e6),
	DRIP_OPTION(struct fuzz_config, number, .min = 1),
	DRIP_OPTION(struct fuzz_config, text, .example = "x"),
	DRIP_OPTION(struct fuzz_config, path, .flags = DRIP_OPTION_PATH),
	DRIP_OPTION(struct fuzz_config, mode, .values = modes, .default_text = "a"),
	DRIP_OPTION(struct fuzz_config, duration, .max = 1e9),
	DRIP_OPTION(struct fuzz_config, size, .flags = DRIP_OPTION_DEPRECATED),
	DRIP_OPTION(struct fuzz_config, secret),
	DRIP_OPTION(struct fuzz_config, strings, .default_text = "[a, b]"),
	DRIP_OPTION(struct fuzz_config, pairs),
	DRIP_OPTION(struct fuzz_config, objects, .children = child_options,
		    .children_count = DRIP_COUNT(child_options),
		    .child_size = sizeof(struct child_config)),
	DRIP_OPTION(struct fuzz_config, connection),
	DRIP_OPTION(struct fuzz_config, columns),
};

static const struct drip_rule rules[] = {
	{.struct_size = sizeof(rules[0]), .kind = DRIP_RULE_ONE_OF, .options = {"text", "path"}},
	{.struct_size = sizeof(rules[0]), .kind = DRIP_RULE_REQUIRES, .options = {"flag", "mode"}},
};

static void bind(struct drip_arena *arena, struct drip_findings *findings,
		 const struct drip_node *root)
{
	struct drip_binder b = {
		.arena = arena, .findings = findings, .what = "the input", .prefix = ""};
	struct fuzz_config config = {0};

	if (root->kind != DRIP_NODE_MAP) {
		return;
	}
	if (drip_bind_map(&b, root, options, DRIP_COUNT(options), &config) == 0) {
		drip_bind_rules(&b, root, rules, DRIP_COUNT(rules));
		for (size_t i = 0; i < config.strings.count; i++) {
			if (config.strings.items[i] == NULL) {
				abort();
			}
		}
		(void)drip_node_place(root, "objects[0].name");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drip_findings findings;
	struct drip_node *root = NULL;
	struct drip_arena arena;

	drip_arena_init(&arena);
	drip_findings_init(&findings);
	int rc = drip_yaml_parse(&arena, "fuzz.yaml", (const char *)data, size, &findings, &root);

	if (root != NULL) {
		bind(&arena, &findings, root);
	}
	if (rc == 0 && root != NULL) {
		rc = drip_yaml_interpolate(&arena, root, &findings);
		if (rc == 0) {
			(void)drip_node_hash(root);
		}
	}
	if (rc != 0 && findings.errors == 0) {
		abort(); /* a failure that says nothing */
	}
	for (size_t i = 0; i < findings.count; i++) {
		if (findings.items[i].code == NULL || findings.items[i].message == NULL ||
		    findings.items[i].line < 0) {
			abort();
		}
	}
	drip_findings_finish(&findings);
	drip_arena_finish(&arena);
	return 0;
}
