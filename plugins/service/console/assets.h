/* SPDX-License-Identifier: Apache-2.0 */
/* The files of the page, embedded by embed.py. Immutable; any thread. */
#ifndef DRIPLINE_CONSOLE_ASSETS_H
#define DRIPLINE_CONSOLE_ASSETS_H

#include <stddef.h>

struct asset {
	const char *url, *type, *etag;
	const unsigned char *data; /* gzip */
	size_t size;
};

extern const struct asset assets[];
extern const size_t assets_count;

#endif
