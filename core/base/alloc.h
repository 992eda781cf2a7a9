/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocation for the core. The same as the C library's, but that a test can make the n-th call
 * fail. What these give is freed with free(). Thread: any.
 */
#ifndef DRIPLINE_BASE_ALLOC_H
#define DRIPLINE_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

#define DRIP_MALLOC __attribute__((malloc, warn_unused_result))

void *drip_malloc(size_t size) DRIP_MALLOC;
void *drip_calloc(size_t count, size_t size) DRIP_MALLOC;
/* `memory` stays valid where it fails. */
void *drip_realloc(void *memory, size_t size) __attribute__((warn_unused_result));
/* count * size with a check of overflow. */
void *drip_realloc_array(void *memory, size_t count, size_t size)
	__attribute__((warn_unused_result));
char *drip_strdup(const char *text) DRIP_MALLOC;
char *drip_strndup(const char *text, size_t size) DRIP_MALLOC;
void *drip_memdup(const void *data, size_t size) DRIP_MALLOC;
/* Makes room for `needed` items of `size` bytes by doubling; false without memory. */
bool drip_grow(void **items, size_t *capacity, size_t needed, size_t size)
	__attribute__((warn_unused_result));

/* For tests: the n-th call from now fails (1: the next one), and only that; 0: none does. */
void drip_alloc_fail_at(long nth);
/* True where the armed failure has happened since drip_alloc_fail_at. */
bool drip_alloc_failed(void);

#endif
