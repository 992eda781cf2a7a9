/* SPDX-License-Identifier: Apache-2.0 */
/*
 * main of a fuzz target where libFuzzer is not: runs it once over each file of the folders and
 * files given, and over nothing at all. One thread.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX_BYTES (1 << 20)

static int run_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *data = malloc(SEED_MAX_BYTES);

	if (f == NULL || data == NULL) {
		fprintf(stderr, "could not read %s\n", path);
		free(data);
		if (f != NULL) {
			fclose(f);
		}
		return 1;
	}
	size_t size = fread(data, 1, SEED_MAX_BYTES, f);

	fclose(f);
	/* Exactly as large as the input, so that a read beyond it is seen. */
	char *exact = malloc(size != 0 ? size : 1);

	if (exact != NULL) {
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput((const uint8_t *)exact, size);
	}
	free(exact);
	free(data);
	printf("ok - %s\n", path);
	return 0;
}

static int run_path(const char *path)
{
	char child[4096];
	struct dirent *entry;
	struct stat st;
	int rc = 0;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		return run_file(path);
	}
	DIR *dir = opendir(path);

	if (dir == NULL) {
		return 1;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.') {
			snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
			rc |= run_path(child);
		}
	}
	closedir(dir);
	return rc;
}

int main(int argc, char **argv)
{
	int rc = 0;

	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		rc |= run_path(argv[i]);
	}
	return rc;
}
