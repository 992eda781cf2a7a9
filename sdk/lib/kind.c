/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the kinds of components. */
#include <dripline/descriptor.h>

#include <errno.h>
#include <string.h>

static const char *const kinds[] = {
	[DRIP_KIND_SOURCE] = "source",       [DRIP_KIND_FEED] = "feed",
	[DRIP_KIND_TRANSFORM] = "transform", [DRIP_KIND_SINK] = "sink",
	[DRIP_KIND_MODEL] = "model",         [DRIP_KIND_CONNECTION] = "connection",
	[DRIP_KIND_SERVICE] = "service",
};

const char *drip_kind_name(enum drip_kind kind)
{
	return kind >= DRIP_KIND_SOURCE && kind <= DRIP_KIND_SERVICE ? kinds[kind] : "unknown";
}

int drip_kind_parse(const char *name, enum drip_kind *ret_kind)
{
	for (int i = DRIP_KIND_SOURCE; i <= DRIP_KIND_SERVICE; i++) {
		if (strcmp(kinds[i], name) == 0) {
			*ret_kind = (enum drip_kind)i;
			return 0;
		}
	}
	return -EINVAL;
}
