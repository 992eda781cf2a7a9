/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives back memory that an idle daemon does not need: most of the 30 MB that are resident once
 * DuckDB is open are pages of its code that only its start-up has touched. They are clean and come
 * back from the page cache when they are needed. Thread: any.
 */
#include "private.h"

#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The library whose read-only segments hold DuckDB's code: found by an address in it. */
static int trim_object(struct dl_phdr_info *info, size_t size, void *data)
{
	uintptr_t known = (uintptr_t)data, page = (uintptr_t)sysconf(_SC_PAGESIZE);
	bool ours = false;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

		ours = ours || (info->dlpi_phdr[i].p_type == PT_LOAD && known >= start &&
				known - start < info->dlpi_phdr[i].p_memsz);
	}
	for (int i = 0; ours && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + segment->p_vaddr;
		uintptr_t end = (start + segment->p_memsz) & ~(page - 1);

		start = (start + page - 1) & ~(page - 1);
		if (segment->p_type == PT_LOAD && (segment->p_flags & PF_W) == 0 && end > start) {
			/* Advice: where it is refused the pages just stay. */
			(void)madvise((void *)start, end - start, MADV_DONTNEED);
		}
	}
	return ours;
}

void drip_duck_trim(void)
{
	/* Resolved by now: the plugin is loaded with RTLD_NOW. */
	dl_iterate_phdr(trim_object, (void *)(uintptr_t)duckdb_library_version());
}
