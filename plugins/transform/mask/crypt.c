/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values encrypted under a ring of keys: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03) with a
 *random nonce of 192 bits, so equal values differ. The text of a value is
 *
 *	v1.KEY.BASE64URL(nonce, ciphertext, tag)
 *
 * and authenticates its key's number and its context, so that a value cannot be moved to a column
 * of another context. A ring is a file of lines "NUMBER BASE64URL", 32 bytes each; the highest
 * number encrypts, all decrypt. The key of hashes is the text of a file. Keys stand in locked
 *memory that is wiped and in no core dump. One thread.
 */
#include "mask.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES   crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_BYTES crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES   crypto_aead_xchacha20poly1305_ietf_ABYTES
#define FILE_BYTES  (64 * 1024) /* at most */
#define BASE64      sodium_base64_VARIANT_URLSAFE_NO_PADDING

struct ring_key {
	uint32_t number;
	unsigned char bytes[KEY_BYTES];
};

/* In memory of mask_locked. */
struct mask_ring {
	size_t count, room; /* keys by number */
	struct ring_key keys[];
};

int mask_locked(size_t size, void **ret, struct drip_error *err)
{
	int rc;

	if (sodium_init() < 0) {
		return drip_error_set(err, -EIO, "mask.sodium", "could not set up libsodium");
	}
	/* What sodium_malloc gives ends at a page's end, and begins where its size lets it. */
	size = (size + 15) / 16 * 16;
	*ret = sodium_malloc(size);
	/* sodium_malloc does not tell whether it could lock. */
	if (*ret != NULL && sodium_mlock(*ret, size) == 0) {
		memset(*ret, 0, size);
		return 0;
	}
	mask_unlock(*ret);
	*ret = NULL;
	rc = drip_error_set(err, -ENOMEM, "mask.sodium",
			    "could not lock %zu bytes of memory for keys", size);
	drip_error_hint(err, "Raise the limit of locked memory (LimitMEMLOCK=).");
	return rc;
}

void mask_unlock(void *memory)
{
	sodium_free(memory);
}

void mask_ring_destroy(struct mask_ring *ring)
{
	mask_unlock(ring);
}

static int bad_ring(const char *path, int line, const char *what, struct drip_error *err)
{
	drip_error_set(err, -EINVAL, "mask.bad_keyring", "cannot use the key ring %s: line %d %s",
		       path, line, what);
	drip_error_hint(err, "Make one with `dripline keyring new FILE`.");
	return -EINVAL;
}

static int read_line(struct mask_ring *ring, const char *path, int number, char *line, char *end,
		     struct drip_error *err)
{
	struct ring_key *key = &ring->keys[ring->count];
	char *space = NULL;
	unsigned long value;
	size_t size = 0;

	if (line == end || *line == '#') {
		return 0;
	}
	value = strtoul(line, &space, 10);
	if (*space != ' ' || value == 0 || value > UINT32_MAX || ring->count == ring->room ||
	    (ring->count > 0 && value <= key[-1].number)) {
		return bad_ring(path, number, "has no number that is higher than the last", err);
	}
	if (sodium_base642bin(key->bytes, KEY_BYTES, space + 1, (size_t)(end - space - 1), NULL,
			      &size, NULL, BASE64) != 0 ||
	    size != KEY_BYTES) {
		return bad_ring(path, number, "has no key of 32 bytes", err);
	}
	key->number = (uint32_t)value;
	ring->count++;
	return 0;
}

static int read_lines(struct mask_ring *ring, const char *path, char *text, struct drip_error *err)
{
	int number = 1, rc = 0;

	for (char *line = text; rc == 0 && *line != '\0'; number++) {
		char *end = line + strcspn(line, "\n");
		bool last = *end == '\0';

		*end = '\0';
		rc = read_line(ring, path, number, line, end, err);
		line = last ? end : end + 1;
	}
	if (rc == 0 && ring->count == 0) {
		rc = bad_ring(path, number, "is its end, and there is no key", err);
	}
	return rc;
}

/* systemd gives a credential's file to the unit's user by an ACL, whose mask shows as rights of the
 * group; nobody else reaches its folder. */
static mode_t forbidden(const char *path)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	size_t size = folder != NULL ? strlen(folder) : 0;

	return size > 0 && strncmp(path, folder, size) == 0 && path[size] == '/' ? 0007 : 0077;
}

static int open_file(const char *path, int *ret_fd, size_t *ret_size, struct drip_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st = {.st_size = 0};

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_BYTES) {
		rc = drip_error_set(err, fd < 0 ? -errno : -EIO, "mask.no_keyring",
				    "could not read the keys of %s: %s", path,
				    fd < 0 ? strerror(errno) : "it is no small file");
		drip_error_hint(err, "Make a ring with `dripline keyring new FILE`, a key with "
				     "`openssl rand -hex 32`; readable by this user alone.");
	} else if ((st.st_mode & forbidden(path)) != 0) {
		rc = drip_error_set(err, -EACCES, "mask.open_keyring",
				    "cannot use the keys of %s: others may read or write it", path);
		drip_error_hint(err, "chmod 600 %s", path);
	}
	if (rc != 0 && fd >= 0) {
		close(fd);
	}
	*ret_fd = fd;
	*ret_size = (size_t)st.st_size;
	return rc;
}

/* (gives) the file in locked memory, terminated. */
static int read_file(const char *path, char **ret, struct drip_error *err)
{
	void *text = NULL;
	size_t size, used = 0;
	ssize_t n = 0;
	int fd, rc = open_file(path, &fd, &size, err);

	if (rc != 0) {
		return rc;
	}
	rc = mask_locked(size + 1, &text, err);
	while (rc == 0 && used < size && (n = read(fd, (char *)text + used, size - used)) > 0) {
		used += (size_t)n;
	}
	if (n < 0) {
		rc = drip_error_set(err, -errno, "mask.no_keyring",
				    "could not read the keys of %s: %s", path, strerror(errno));
		mask_unlock(text);
	}
	close(fd);
	*ret = text;
	return rc;
}

int mask_key_read(const char *path, struct mask_key *key, struct drip_error *err)
{
	char *text = NULL;
	int rc = read_file(path, &text, err);

	if (rc != 0) {
		return rc;
	}
	text[strcspn(text, "\r\n")] = '\0';
	if (strlen(text) < MASK_KEY_MIN) {
		rc = drip_error_set(err, -EINVAL, "mask.weak_key",
				    "the key of %s is shorter than %d bytes", path, MASK_KEY_MIN);
		drip_error_hint(err, "Make a key with `openssl rand -hex 32`.");
	} else {
		mask_key_set(key, text);
	}
	mask_unlock(text);
	return rc;
}

static size_t count_lines(const char *text)
{
	size_t lines = 1;

	for (; *text != '\0'; text++) {
		lines += *text == '\n';
	}
	return lines < MASK_RING_MAX ? lines : MASK_RING_MAX;
}

int mask_ring_open(const char *path, struct mask_ring **ret, struct drip_error *err)
{
	struct mask_ring *ring = NULL;
	void *memory = NULL;
	char *text = NULL;
	size_t room;
	int rc = read_file(path, &text, err);

	if (rc != 0) {
		return rc;
	}
	room = count_lines(text);
	rc = mask_locked(sizeof(*ring) + room * sizeof(ring->keys[0]), &memory, err);
	if (rc == 0) {
		ring = memory;
		ring->room = room;
		rc = read_lines(ring, path, text, err);
	}
	mask_unlock(text);
	if (rc != 0) {
		mask_ring_destroy(ring);
		return rc;
	}
	*ret = ring;
	return 0;
}

static const struct ring_key *find_key(const struct mask_ring *ring, unsigned long number)
{
	for (size_t i = 0; i < ring->count; i++) {
		if (ring->keys[i].number == number) {
			return &ring->keys[i];
		}
	}
	return NULL;
}

/* What is authenticated beside the value. */
static size_t associated(const char *context, uint32_t number, char *buf, size_t size)
{
	int n = snprintf(buf, size, "v1|%u|%.200s", number, context);

	return n > 0 && (size_t)n < size ? (size_t)n : size - 1;
}

int mask_encrypt(const struct mask_ring *ring, const char *context, const char *data, int64_t size,
		 struct drip_text *out)
{
	const struct ring_key *key = &ring->keys[ring->count - 1];
	size_t sealed_size = NONCE_BYTES + (size_t)size + TAG_BYTES;
	size_t text_size = sodium_base64_encoded_len(sealed_size, BASE64);
	unsigned char *sealed = malloc(sealed_size);
	char *text = malloc(text_size), aad[256], head[32];
	unsigned long long written = 0;

	if (sealed == NULL || text == NULL) {
		free(sealed);
		free(text);
		return -ENOMEM;
	}
	randombytes_buf(sealed, NONCE_BYTES);
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		sealed + NONCE_BYTES, &written, (const unsigned char *)data,
		(unsigned long long)size, (const unsigned char *)aad,
		associated(context, key->number, aad, sizeof(aad)), NULL, sealed, key->bytes);
	sodium_bin2base64(text, text_size, sealed, sealed_size, BASE64);
	snprintf(head, sizeof(head), "v1.%u.", key->number);
	drip_text_clear(out);
	drip_text_puts(out, head);
	drip_text_puts(out, text);
	free(sealed);
	free(text);
	return out->rc;
}

int mask_decrypt(const struct mask_ring *ring, const char *context, const char *data, int64_t size,
		 struct drip_text *out)
{
	const struct ring_key *key;
	unsigned char *sealed;
	char aad[256], head[32], *end = NULL;
	size_t n = 0, head_size;
	unsigned long long plain = 0;
	int rc = -EBADMSG;

	snprintf(head, sizeof(head), "%.*s", size < 31 ? (int)size : 31, data);
	if (strncmp(head, "v1.", 3) != 0) {
		return -EBADMSG;
	}
	key = find_key(ring, strtoul(head + 3, &end, 10));
	if (key == NULL || *end != '.') {
		return key == NULL ? -ENOKEY : -EBADMSG;
	}
	head_size = (size_t)(end + 1 - head);
	sealed = malloc((size_t)size + 1);
	if (sealed == NULL) {
		return -ENOMEM;
	}
	drip_text_clear(out);
	drip_text_put(out, data, (size_t)size); /* room for what is shorter */
	if (out->rc == 0 &&
	    sodium_base642bin(sealed, (size_t)size, data + head_size, (size_t)size - head_size,
			      NULL, &n, NULL, BASE64) == 0 &&
	    n >= NONCE_BYTES + TAG_BYTES &&
	    crypto_aead_xchacha20poly1305_ietf_decrypt(
		    (unsigned char *)out->data, &plain, NULL, sealed + NONCE_BYTES, n - NONCE_BYTES,
		    (const unsigned char *)aad, associated(context, key->number, aad, sizeof(aad)),
		    sealed, key->bytes) == 0) {
		out->size = (size_t)plain;
		rc = 0;
	}
	free(sealed);
	return out->rc != 0 ? out->rc : rc;
}
