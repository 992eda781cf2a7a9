/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arena: memory that is freed as a whole. What a document holds (trees, bound options, secrets)
 * lives in one; it is wiped when it is finished. Not thread-safe.
 */
#ifndef DRIPLINE_CONFIG_ARENA_H
#define DRIPLINE_CONFIG_ARENA_H

#include <stddef.h>

struct drip_arena_chunk;

struct drip_arena {
	struct drip_arena_chunk *head; /* private */
};

void drip_arena_init(struct drip_arena *a);
/* Wipes and frees everything. */
void drip_arena_finish(struct drip_arena *a);
/* Zeroed, aligned for any type; NULL where memory is out. A size of 0 gives a valid pointer. */
void *drip_arena_alloc(struct drip_arena *a, size_t size);
/* `count` elements of `size` bytes; NULL also where the product overflows. */
void *drip_arena_array(struct drip_arena *a, size_t count, size_t size);
/* A NUL-terminated copy of `size` bytes. */
char *drip_arena_copy(struct drip_arena *a, const char *text, size_t size);
char *drip_arena_strdup(struct drip_arena *a, const char *text);

#endif
