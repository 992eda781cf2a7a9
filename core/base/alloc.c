/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation with an injected failure. `countdown` is 0 while nothing is armed, so that the
 * ordinary path costs one relaxed load. */
#include "base/alloc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long countdown;
static atomic_bool failed;

static bool fails_now(void)
{
	if (atomic_load_explicit(&countdown, memory_order_relaxed) <= 0) {
		return false;
	}
	if (atomic_fetch_sub(&countdown, 1) != 1) {
		return false;
	}
	atomic_store(&failed, true);
	errno = ENOMEM;
	return true;
}

void *drip_malloc(size_t size)
{
	return fails_now() ? NULL : malloc(size != 0 ? size : 1);
}

void *drip_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : calloc(count != 0 ? count : 1, size != 0 ? size : 1);
}

void *drip_realloc(void *memory, size_t size)
{
	return fails_now() ? NULL : realloc(memory, size != 0 ? size : 1);
}

void *drip_realloc_array(void *memory, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size) {
		errno = ENOMEM;
		return NULL;
	}
	return drip_realloc(memory, count * size);
}

char *drip_strndup(const char *text, size_t size)
{
	char *copy = drip_malloc(size + 1);

	if (copy != NULL) {
		memcpy(copy, text, size);
		copy[size] = '\0';
	}
	return copy;
}

char *drip_strdup(const char *text)
{
	return drip_strndup(text, strlen(text));
}

void *drip_memdup(const void *data, size_t size)
{
	void *copy = drip_malloc(size);

	if (copy != NULL && size != 0) {
		memcpy(copy, data, size);
	}
	return copy;
}

bool drip_grow(void **items, size_t *capacity, size_t needed, size_t size)
{
	size_t more = *capacity != 0 ? *capacity : 8;
	void *grown;

	if (needed <= *capacity) {
		return true;
	}
	while (more < needed) {
		if (more > SIZE_MAX / 2) {
			return false;
		}
		more *= 2;
	}
	grown = drip_realloc_array(*items, more, size);
	if (grown == NULL) {
		return false;
	}
	*items = grown;
	*capacity = more;
	return true;
}

void drip_alloc_fail_at(long nth)
{
	atomic_store(&failed, false);
	atomic_store(&countdown, nth);
}

bool drip_alloc_failed(void)
{
	return atomic_load(&failed);
}
