/* SPDX-License-Identifier: Apache-2.0 */
/* Files that match a pattern. Local paths only. */
#include "file.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

void file_list_free(char **list, size_t count)
{
	for (size_t i = 0; list != NULL && i < count; i++) {
		free(list[i]);
	}
	free(list);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int copy_files(const glob_t *found, char ***ret, size_t *ret_count, struct drip_error *err)
{
	char **list = calloc(found->gl_pathc + 1, sizeof(*list));
	size_t count = 0;

	if (list == NULL) {
		return drip_error_nomem(err, found->gl_pathc * sizeof(*list));
	}
	for (size_t i = 0; i < found->gl_pathc; i++) {
		const char *path = found->gl_pathv[i];
		struct stat st;
		int rc = 0;

		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
			continue;
		}
		if (strlen(path) > FILE_PATH_LIMIT) {
			rc = drip_error_set(err, -ENAMETOOLONG, "file.bad_path",
					    "path '%.100s...' is longer than %d bytes", path,
					    FILE_PATH_LIMIT);
		} else {
			list[count] = strdup(path);
			rc = list[count] == NULL ? drip_error_nomem(err, strlen(path)) : 0;
		}
		if (rc != 0) {
			file_list_free(list, count);
			return rc;
		}
		count++;
	}
	qsort(list, count, sizeof(*list), compare);
	*ret = list;
	*ret_count = count;
	return 0;
}

int file_list(const char *pattern, char ***ret, size_t *ret_count, struct drip_error *err)
{
	glob_t found;
	int rc = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &found);

	if (rc == GLOB_NOMATCH) {
		found.gl_pathc = 0;
		rc = 0;
	}
	if (rc != 0) {
		return rc == GLOB_NOSPACE
			       ? drip_error_nomem(err, 0)
			       : drip_error_set(err, -EIO, "file.io", "could not list '%s': %s",
						pattern, strerror(errno));
	}
	if (found.gl_pathc > FILE_LIST_MAX) {
		rc = drip_error_set(err, -E2BIG, "file.too_many_files",
				    "pattern '%s' matches more than %d files", pattern,
				    FILE_LIST_MAX);
	} else {
		rc = copy_files(&found, ret, ret_count, err);
	}
	globfree(&found);
	return rc;
}

static bool ends_with(const char *path, const char *ending)
{
	size_t size = strlen(path), more = strlen(ending);

	return size > more && strcasecmp(path + size - more, ending) == 0;
}

enum file_format file_format_of(const struct file_config *config, const char *path)
{
	static const struct {
		const char *ending;
		enum file_format format;
	} endings[] = {
		{".csv", FILE_CSV},         {".tsv", FILE_CSV},       {".csv.gz", FILE_CSV},
		{".csv.zst", FILE_CSV},     {".json", FILE_JSON},     {".jsonl", FILE_JSON},
		{".ndjson", FILE_JSON},     {".jsonl.gz", FILE_JSON}, {".json.gz", FILE_JSON},
		{".parquet", FILE_PARQUET}, {".pq", FILE_PARQUET},
	};

	if (config->format.value != FILE_AUTO) {
		return (enum file_format)config->format.value;
	}
	for (size_t i = 0; i < DRIP_COUNT(endings); i++) {
		if (ends_with(path, endings[i].ending)) {
			return endings[i].format;
		}
	}
	return FILE_AUTO;
}
