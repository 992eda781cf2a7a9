/* SPDX-License-Identifier: Apache-2.0 */
/* The arena: a list of chunks, the newest first; each is wiped before it is freed, since some hold
 * secrets. */
#include "config/arena.h"

#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE_BYTES 16384
#define ALIGNMENT        16

struct drip_arena_chunk {
	struct drip_arena_chunk *next;
	size_t size, used;
	_Alignas(ALIGNMENT) unsigned char data[];
};

void drip_arena_init(struct drip_arena *a)
{
	a->head = NULL;
}

void drip_arena_finish(struct drip_arena *a)
{
	while (a->head != NULL) {
		struct drip_arena_chunk *chunk = a->head;

		a->head = chunk->next;
		explicit_bzero(chunk->data, chunk->used);
		free(chunk);
	}
}

static struct drip_arena_chunk *add_chunk(struct drip_arena *a, size_t size)
{
	size_t room = size > CHUNK_SIZE_BYTES / 4 ? size : CHUNK_SIZE_BYTES;
	struct drip_arena_chunk *chunk = drip_malloc(sizeof(*chunk) + room);

	if (chunk == NULL) {
		return NULL;
	}
	chunk->size = room;
	chunk->used = 0;
	if (a->head != NULL && room != CHUNK_SIZE_BYTES) {
		/* A large block of its own: the chunk that has room left stays in front. */
		chunk->next = a->head->next;
		a->head->next = chunk;
	} else {
		chunk->next = a->head;
		a->head = chunk;
	}
	return chunk;
}

void *drip_arena_alloc(struct drip_arena *a, size_t size)
{
	struct drip_arena_chunk *chunk = a->head;
	void *p;

	if (size > SIZE_MAX / 2) {
		return NULL;
	}
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (chunk == NULL || chunk->size - chunk->used < size) {
		chunk = add_chunk(a, size);
		if (chunk == NULL) {
			return NULL;
		}
	}
	p = chunk->data + chunk->used;
	chunk->used += size;
	memset(p, 0, size);
	return p;
}

void *drip_arena_array(struct drip_arena *a, size_t count, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(count, size, &total)) {
		return NULL;
	}
	return drip_arena_alloc(a, total);
}

char *drip_arena_copy(struct drip_arena *a, const char *text, size_t size)
{
	char *copy = size < SIZE_MAX / 4 ? drip_arena_alloc(a, size + 1) : NULL;

	if (copy != NULL && size > 0) {
		memcpy(copy, text, size);
	}
	return copy;
}

char *drip_arena_strdup(struct drip_arena *a, const char *text)
{
	return drip_arena_copy(a, text, strlen(text));
}
