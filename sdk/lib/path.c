/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about paths, for checks that must leave nothing behind. Thread: any. */
#include <dripline/text.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Cuts the last name off; "." and "/" stay. */
static void cut_name(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL) {
		snprintf(path, 2, ".");
	} else {
		slash[slash == path] = '\0';
	}
}

int drip_path_writable(const char *path, bool folder)
{
	char above[PATH_MAX];
	struct stat st;

	if ((size_t)snprintf(above, sizeof(above), "%s", path) >= sizeof(above)) {
		return -ENAMETOOLONG;
	}
	while (stat(above, &st) != 0) {
		if (errno != ENOENT || above[0] == '\0') {
			return -errno;
		}
		cut_name(above);
		folder = true;
	}
	if (S_ISDIR(st.st_mode) != folder) {
		return folder ? -ENOTDIR : -EISDIR;
	}
	return access(above, folder ? W_OK | X_OK : W_OK) == 0 ? 0 : -errno;
}
