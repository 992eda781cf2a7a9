/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline new KIND NAME`: writes the folder of a new plugin from the templates of the SDK. In
 * them PLUGIN-NAME stands for the name, PLUGIN_ID for the name as a C identifier, and PLUGIN-TITLE
 * for the kind.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/str.h"
#include "cli/args.h"
#include "cli/commands.h"
#include "plugin/paths.h"
#include "plugin/registry.h"

#include <dirent.h>
#include <dripline/suggest.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define TEMPLATE_MAX (1 << 20) /* bytes of a file */
#define NAME_MAX_LEN 40

struct new_plugin {
	const char *kind, *name;
	char id[NAME_MAX_LEN + 1]; /* name as a C identifier */
	char title[32];
	const char *templates;
	char folder[PATH_MAX];
};

/* ---- where the templates are ---- */

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* "", or "/.." for each folder between the executable's and the prefix. */
static void append_up(struct drip_str *s, const char *relative)
{
	for (const char *p = relative; *p != '\0'; p++) {
		if (*p != '/' && (p == relative || p[-1] == '/')) {
			drip_str_append(s, "/..");
		}
	}
}

/* The installed folder beside the executable, or that of the source tree around a build. */
static bool find_templates(char *ret, size_t size)
{
	drip_autostr installed = DRIP_STR_INIT;
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0) {
		return false;
	}
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (slash == NULL) {
		return false;
	}
	*slash = '\0';
	drip_str_append(&installed, exe);
	append_up(&installed, DRIP_INSTALL_BINDIR);
	drip_str_append(&installed, "/" DRIP_INSTALL_DATADIR "/templates");
	if (installed.rc == 0 && is_folder(installed.data)) {
		return snprintf(ret, size, "%s", installed.data) < (int)size;
	}
	return snprintf(ret, size, "%s/../../sdk/templates", exe) < (int)size && is_folder(ret);
}

/* ---- writing ---- */

static void substitute(const struct new_plugin *p, const char *text, struct drip_str *out)
{
	const struct {
		const char *mark, *value;
	} marks[] = {{"PLUGIN-NAME", p->name}, {"PLUGIN_ID", p->id}, {"PLUGIN-TITLE", p->title}};

	while (*text != '\0') {
		bool found = false;

		for (size_t i = 0; i < 3 && *text == 'P' && !found; i++) {
			size_t size = strlen(marks[i].mark);

			if (strncmp(text, marks[i].mark, size) == 0) {
				drip_str_append(out, marks[i].value);
				text += size;
				found = true;
			}
		}
		if (!found) {
			drip_str_append_char(out, *text++);
		}
	}
}

static int fail(const char *what, const char *path)
{
	fprintf(stderr, "dripline: could not %s %s: %s\n", what, path, strerror(errno));
	return DRIP_EXIT_ENVIRONMENT;
}

/* Writes one template under its new name: NAME.c becomes mysource.c. */
static int write_file(const struct new_plugin *p, const char *folder, const char *file)
{
	drip_autofree char *text = (char *)drip_calloc(1, TEMPLATE_MAX);
	drip_autostr from = DRIP_STR_INIT;
	drip_autostr to = DRIP_STR_INIT;
	drip_autostr out = DRIP_STR_INIT;
	drip_autofclose FILE *in = NULL;
	drip_autoclose int fd = -1;
	const char *name = strcmp(file, "NAME.c") == 0 ? p->name : p->id;
	const char *mark = strstr(file, "NAME");

	drip_str_appendf(&from, "%s/%s/%s", p->templates, folder, file);
	drip_str_appendf(&to, "%s/", p->folder);
	if (mark != NULL) {
		drip_str_append_n(&to, file, (size_t)(mark - file));
		drip_str_appendf(&to, "%s%s", name, mark + strlen("NAME"));
	} else {
		drip_str_append(&to, file);
	}
	if (text == NULL || from.rc < 0 || to.rc < 0) {
		errno = ENOMEM;
		return fail("write", p->folder);
	}
	in = fopen(from.data, "re");
	if (in == NULL) {
		return fail("read", from.data);
	}
	text[fread(text, 1, TEMPLATE_MAX - 1, in)] = '\0';
	substitute(p, text, &out);
	fd = open(to.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0 || out.rc < 0 || write(fd, out.data, out.length) != (ssize_t)out.length) {
		return fail("write", to.data);
	}
	printf("wrote %s\n", to.data);
	return DRIP_EXIT_OK;
}

static int is_template(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int write_folder(const struct new_plugin *p, const char *folder)
{
	drip_autostr path = DRIP_STR_INIT;
	struct dirent **entries = NULL;
	int status = DRIP_EXIT_OK, n;

	drip_str_appendf(&path, "%s/%s", p->templates, folder);
	n = path.rc == 0 ? scandir(path.data, &entries, is_template, alphasort) : -1;
	if (n <= 0) {
		free(entries);
		return fail("read", drip_str_text(&path));
	}
	for (int i = 0; i < n; i++) {
		if (status == DRIP_EXIT_OK) {
			status = write_file(p, folder, entries[i]->d_name);
		}
		free(entries[i]);
	}
	free(entries);
	return status;
}

/* ---- the command ---- */

static int check_kind(const char *kind)
{
	struct drip_suggestion suggestion = {.wrong = kind};
	enum drip_kind parsed;
	char hint[200];

	if (drip_kind_parse(kind, &parsed) == 0) {
		return DRIP_EXIT_OK;
	}
	for (int i = DRIP_KIND_SOURCE; i <= DRIP_KIND_SERVICE; i++) {
		drip_suggestion_offer(&suggestion, drip_kind_name((enum drip_kind)i));
	}
	fprintf(stderr, "dripline: unknown kind \"%s\"\n  hint: %s\n", kind,
		drip_suggestion_hint(&suggestion,
				     "Kinds are source, feed, transform, sink, model, connection "
				     "and service.",
				     hint, sizeof(hint)));
	return DRIP_EXIT_INVALID;
}

static int check_name(const char *name)
{
	size_t size = strlen(name);
	bool ok = size > 0 && size <= NAME_MAX_LEN && name[0] >= 'a' && name[0] <= 'z' &&
		  name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == '\0';

	if (!ok) {
		fprintf(stderr,
			"dripline: cannot name a plugin \"%s\"\n  hint: A name has lower case "
			"letters, digits, - and _, begins with a letter, and is %d long at most.\n",
			name, NAME_MAX_LEN);
	}
	return ok ? DRIP_EXIT_OK : DRIP_EXIT_INVALID;
}

static int write_plugin(struct new_plugin *p, const char *dir)
{
	int status;

	snprintf(p->id, sizeof(p->id), "%s", p->name);
	for (char *c = p->id; *c != '\0'; c++) {
		*c = *c == '-' ? '_' : *c;
	}
	snprintf(p->title, sizeof(p->title), "%c%s", p->kind[0] - 'a' + 'A', p->kind + 1);
	if (snprintf(p->folder, sizeof(p->folder), "%s/%s", dir, p->name) >=
	    (int)sizeof(p->folder)) {
		errno = ENAMETOOLONG;
		return fail("make", dir);
	}
	if (mkdir(p->folder, 0755) < 0) {
		return fail("make", p->folder);
	}
	status = write_folder(p, "common");
	return status == DRIP_EXIT_OK ? write_folder(p, p->kind) : status;
}

int drip_cmd_new(int argc, char **argv)
{
	const char *operands[2] = {NULL, NULL}, *dir = ".", *templates = NULL;
	const struct drip_arg args[] = {
		{.name = "dir", .letter = 'd', .text = &dir},
		{.name = "templates", .text = &templates},
		{.name = NULL},
	};
	struct new_plugin plugin = {.kind = NULL};
	char found[PATH_MAX];
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, operands, 2, 2, &count);

	if (status == DRIP_EXIT_OK) {
		status = check_kind(operands[0]);
	}
	if (status == DRIP_EXIT_OK) {
		status = check_name(operands[1]);
	}
	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (templates == NULL && !find_templates(found, sizeof(found))) {
		fprintf(stderr,
			"dripline: could not find the templates\n  hint: They come with the "
			"SDK; --templates says where they are.\n");
		return DRIP_EXIT_ENVIRONMENT;
	}
	plugin.kind = operands[0];
	plugin.name = operands[1];
	plugin.templates = templates != NULL ? templates : found;
	return write_plugin(&plugin, dir);
}
