/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file's bytes through the YAML reader, the references and the hash. */
#include "config/yaml.h"
#include "fuzz.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drip_findings findings;
	struct drip_node *root = NULL;
	struct drip_arena arena;

	drip_arena_init(&arena);
	drip_findings_init(&findings);
	int rc = drip_yaml_parse(&arena, "fuzz.yaml", (const char *)data, size, &findings, &root);

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
