/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary directory a test, removed with all it holds at exit of the process that made it. */
#ifndef DRIPLINE_TESTS_LIB_TEMP_H
#define DRIPLINE_TESTS_LIB_TEMP_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMP_DIRS_MAX 64

static char temp_dirs[TEMP_DIRS_MAX][64];
static int temp_count;
static pid_t temp_owner;

static inline int temp_remove_one(const char *path, const struct stat *st, int flag,
				  struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void temp_remove(void)
{
	for (int i = 0; getpid() == temp_owner && i < temp_count; i++) {
		nftw(temp_dirs[i], temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
}

/* (borrowed) until exit. */
static inline const char *temp_dir(void)
{
	char *path = temp_dirs[temp_count];

	if (temp_count == 0) {
		temp_owner = getpid();
		atexit(temp_remove);
	}
	if (temp_count == TEMP_DIRS_MAX) {
		abort();
	}
	snprintf(path, sizeof(temp_dirs[0]), "/tmp/dripline-test-XXXXXX");
	if (mkdtemp(path) == NULL) {
		perror("mkdtemp");
		exit(1);
	}
	temp_count++;
	return path;
}

#endif
