/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the n-th allocation by the plugin's own code fail. The program defines malloc and its kin
 * itself, before the C library's, and looks at the caller's address: what other libraries allocate
 * on the plugin's behalf goes through. Not under sanitizers, which have an allocator of their own.
 */
#include "conformance.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#define NTH_MAX 300

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONF_NO_ALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
	__has_feature(memory_sanitizer)
#define CONF_NO_ALLOC 1
#endif
#endif

#ifdef CONF_NO_ALLOC

bool conf_alloc_init(const char *path)
{
	(void)path;
	return false;
}

void conf_alloc_arm(long nth)
{
	(void)nth;
}

bool conf_alloc_failed(void)
{
	return false;
}

#else

static uintptr_t range_start, range_end; /* of the plugin's mapped segments */
static long armed, count;
static bool has_failed;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);

static bool fails(const void *caller)
{
	uintptr_t address = (uintptr_t)caller;

	if (__atomic_load_n(&armed, __ATOMIC_RELAXED) == 0 || address < range_start ||
	    address >= range_end) {
		return false;
	}
	if (__atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) != armed) {
		return false;
	}
	has_failed = true;
	errno = ENOMEM;
	return true;
}

DRIP_EXPORT void *malloc(size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

DRIP_EXPORT void *calloc(size_t items, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(items, size);
}

DRIP_EXPORT void *realloc(void *block, size_t size)
{
	return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}

static int find_object(struct dl_phdr_info *info, size_t size, void *data)
{
	char real[PATH_MAX];

	(void)size;
	if (info->dlpi_name == NULL || realpath(info->dlpi_name, real) == NULL ||
	    strcmp(real, (const char *)data) != 0) {
		return 0;
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD) {
			continue;
		}
		range_start = range_start == 0 || start < range_start ? start : range_start;
		range_end = start + p->p_memsz > range_end ? start + p->p_memsz : range_end;
	}
	return 1;
}

bool conf_alloc_init(const char *path)
{
	char real[PATH_MAX];

	return realpath(path, real) != NULL && dl_iterate_phdr(find_object, real) == 1;
}

void conf_alloc_arm(long nth)
{
	count = 0;
	has_failed = false;
	__atomic_store_n(&armed, nth, __ATOMIC_RELAXED);
}

bool conf_alloc_failed(void)
{
	return has_failed;
}

#endif

/* open with the n-th allocation failing, for all n: it fails with a proper error, or copes. */
void conf_alloc_open(struct conf *c)
{
	bool ok = true;
	long n;

	for (n = 1; n <= NTH_MAX && ok; n++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_instance *i = NULL;
		bool failed;
		int rc;

		if (drip_harness_bind(c->harness, c->component->kind, c->component->name,
				      c->options, &i, &err) < 0) {
			return;
		}
		conf_alloc_arm(n);
		rc = i->common->open(&i->ctx, i->config, &i->self, &err);
		failed = conf_alloc_failed();
		conf_alloc_arm(0);
		if (rc < 0) {
			i->self = NULL;
			ok = conf_clean(c, rc, &err, "open, out of memory");
		}
		drip_harness_close(i);
		if (!failed) {
			break;
		}
	}
	conf_ok(c, ok, "open copes with each of %ld failed allocations", n - 1);
}
