/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dripline keyring: makes a file of keys for the transform `mask`, or adds a newer key to it. Its
 * form is that of plugins/transform/mask/crypt.c: lines "NUMBER BASE64URL". Keys are never printed;
 * the new file takes the old one's place whole.
 */
#include "cli/args.h"
#include "cli/commands.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES  32
#define RING_BYTES (64 * 1024)

static int fail(const char *path, const char *what)
{
	fprintf(stderr, "dripline: keyring: could not %s %s: %s\n", what, path, strerror(errno));
	return DRIP_EXIT_ENVIRONMENT;
}

/* Appends a line with a new key of that number to `text`. */
static bool add_key(char *text, unsigned long number)
{
	unsigned char key[KEY_BYTES];
	char base64[64];
	size_t used = strlen(text);
	int n;

	randombytes_buf(key, sizeof(key));
	sodium_bin2base64(base64, sizeof(base64), key, sizeof(key),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	n = snprintf(text + used, RING_BYTES - used, "%lu %s\n", number, base64);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(base64, sizeof(base64));
	return n > 0 && (size_t)n < RING_BYTES - used;
}

static int write_ring(const char *path, const char *text, bool is_new)
{
	char other[PATH_MAX];
	ssize_t size = (ssize_t)strlen(text);
	int fd;

	snprintf(other, sizeof(other), "%s%s", path, is_new ? "" : ".new");
	fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return fail(other, "create");
	}
	if (write(fd, text, (size_t)size) != size || fsync(fd) != 0 || close(fd) != 0) {
		unlink(other);
		return fail(other, "write");
	}
	if (!is_new && rename(other, path) != 0) {
		unlink(other);
		return fail(path, "replace");
	}
	return DRIP_EXIT_OK;
}

/* The highest number of the ring; 0: it is none. */
static unsigned long last_number(const char *text)
{
	unsigned long last = 0;

	for (const char *line = text; *line != '\0';) {
		char *end = NULL;
		unsigned long number = *line == '#' ? 0 : strtoul(line, &end, 10);

		last = number > last ? number : last;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return last;
}

static int rotate(const char *path, char *text)
{
	drip_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, RING_BYTES - 1) : -1;
	unsigned long last;

	if (n < 0) {
		return fail(path, "read");
	}
	text[n] = '\0';
	last = last_number(text);
	if (last == 0 || (n > 0 && text[n - 1] != '\n') || !add_key(text, last + 1)) {
		fprintf(stderr, "dripline: keyring: %s is no ring that a key can be added to\n",
			path);
		return DRIP_EXIT_INVALID;
	}
	if (write_ring(path, text, false) != DRIP_EXIT_OK) {
		return DRIP_EXIT_ENVIRONMENT;
	}
	printf("%s: key %lu encrypts from the next start or reload on\n", path, last + 1);
	return DRIP_EXIT_OK;
}

int drip_cmd_keyring(int argc, char **argv)
{
	const struct drip_arg args[] = {{.name = NULL}};
	const char *words[2];
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, words, 2, 2, &count);
	char *text;

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (strcmp(words[0], "new") != 0 && strcmp(words[0], "rotate") != 0) {
		fprintf(stderr, "dripline: keyring: write new FILE or rotate FILE\n");
		return DRIP_EXIT_INVALID;
	}
	text = sodium_init() < 0 ? NULL : sodium_malloc(RING_BYTES);
	if (text == NULL) {
		fprintf(stderr, "dripline: keyring: could not lock memory for keys\n");
		return DRIP_EXIT_ENVIRONMENT;
	}
	text[0] = '\0';
	if (strcmp(words[0], "rotate") == 0) {
		status = rotate(words[1], text);
	} else {
		status = add_key(text, 1) ? write_ring(words[1], text, true) : DRIP_EXIT_FAILED;
	}
	sodium_free(text);
	return status;
}
