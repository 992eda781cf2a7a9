/* SPDX-License-Identifier: Apache-2.0 */
/* What the file exports and needs: exactly one function, and nothing of the host. ELF-64. */
#include "conformance.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct image {
	const unsigned char *data;
	size_t size;
};

static const void *at(const struct image *i, uint64_t offset, uint64_t size)
{
	return offset <= i->size && size <= i->size - offset ? i->data + offset : NULL;
}

/* Sanitizers and coverage add symbols of their own. */
static bool is_instrumentation(const char *name)
{
	static const char *const prefixes[] = {"__odr_asan", "__asan", "__ubsan", "__sanitizer",
					       "__llvm",     "__gcov", "__tsan",  "___asan",
					       "__start_",   "__stop_"};

	for (size_t i = 0; i < DRIP_COUNT(prefixes); i++) {
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) {
			return true;
		}
	}
	return false;
}

static void check_symbol(struct conf *c, const Elf64_Sym *s, const char *name, int *exported,
			 int *foreign)
{
	unsigned bind = ELF64_ST_BIND(s->st_info), visibility = ELF64_ST_VISIBILITY(s->st_other);

	if (name[0] == '\0' || is_instrumentation(name)) {
		return;
	}
	if (s->st_shndx == SHN_UNDEF) {
		if (strncmp(name, "drip_", 5) == 0 || strncmp(name, "uv_", 3) == 0) {
			conf_note(c, "it needs %s of the host", name);
			(*foreign)++;
		}
		return;
	}
	if ((bind == STB_GLOBAL || bind == STB_WEAK) && visibility == STV_DEFAULT) {
		(*exported)++;
		if (strcmp(name, DRIP_ENTRY_SYMBOL) != 0) {
			conf_note(c, "it exports %s", name);
		}
	}
}

static bool read_symbols(struct conf *c, const struct image *i, int *exported, int *foreign)
{
	const Elf64_Ehdr *head = (const Elf64_Ehdr *)at(i, 0, sizeof(*head));
	const Elf64_Shdr *sections;

	if (head == NULL || memcmp(head->e_ident, ELFMAG, SELFMAG) != 0 ||
	    head->e_ident[EI_CLASS] != ELFCLASS64 || head->e_shentsize != sizeof(*sections)) {
		return false;
	}
	sections = (const Elf64_Shdr *)at(i, head->e_shoff, head->e_shnum * sizeof(*sections));
	for (unsigned n = 0; sections != NULL && n < head->e_shnum; n++) {
		const Elf64_Shdr *section = &sections[n];
		const Elf64_Shdr *strings;
		const Elf64_Sym *symbols;
		const char *names;

		if (section->sh_type != SHT_DYNSYM || section->sh_link >= head->e_shnum) {
			continue;
		}
		strings = &sections[section->sh_link];
		symbols = (const Elf64_Sym *)at(i, section->sh_offset, section->sh_size);
		names = (const char *)at(i, strings->sh_offset, strings->sh_size);
		if (symbols == NULL || names == NULL || strings->sh_size == 0 ||
		    names[strings->sh_size - 1] != '\0') {
			return false;
		}
		for (size_t s = 0; s < section->sh_size / sizeof(*symbols); s++) {
			if (symbols[s].st_name < strings->sh_size) {
				check_symbol(c, &symbols[s], names + symbols[s].st_name, exported,
					     foreign);
			}
		}
		return true;
	}
	return false;
}

void conf_elf(struct conf *c)
{
	struct image i = {.data = NULL};
	int exported = 0, foreign = 0;
	bool read = false;
	struct stat st;
	void *map;
	int fd = open(c->path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > 0) {
		map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (map != MAP_FAILED) {
			i.data = (const unsigned char *)map;
			i.size = (size_t)st.st_size;
			read = read_symbols(c, &i, &exported, &foreign);
			munmap(map, i.size);
		}
	}
	if (fd >= 0) {
		close(fd);
	}
	conf_ok(c, read, "its symbols can be read");
	conf_ok(c, exported == 1, "it exports one function (%d)", exported);
	conf_ok(c, foreign == 0, "it needs nothing of the host's");
}
