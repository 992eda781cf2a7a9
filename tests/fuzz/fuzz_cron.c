/* SPDX-License-Identifier: Apache-2.0 */
/* A schedule, "EXPRESSION\nZONE": what parses has a next time that lies ahead. */
#include "engine/cron.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_cron *cron = NULL;
	char text[256];

	if (size >= sizeof(text)) {
		return 0;
	}
	memcpy(text, data, size);
	text[size] = '\0';
	char *zone = strchr(text, '\n');

	if (zone != NULL) {
		*zone++ = '\0';
	}
	if (drip_cron_parse(text, zone, &cron, &err) == 0) {
		int64_t at = 1767225600000000;

		for (int i = 0; i < 3 && at != INT64_MAX; i++) {
			int64_t next = drip_cron_next(cron, at);

			if (next <= at) {
				abort();
			}
			at = next;
		}
	}
	drip_cron_destroy(cron);
	return 0;
}
