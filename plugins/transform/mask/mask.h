/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the transform `mask`. One thread. */
#ifndef DRIPLINE_MASK_H
#define DRIPLINE_MASK_H

#include <dripline/dripline.h>
#include <nettle/hmac.h>

#define MASK_KEY_MIN     16   /* bytes of a key, at least */
#define MASK_CHARS_MAX   4096 /* kept first, kept last or put in as a replacement */
#define MASK_HASH_DIGITS 64
#define MASK_RING_MAX    1000 /* keys of a ring */

enum mask_method {
	MASK_HASH,
	MASK_TRUNCATE,
	MASK_REDACT,
	MASK_PARTIAL,
	MASK_NULL,
	MASK_ENCRYPT,
	MASK_DECRYPT,
};
enum mask_normalise { MASK_AS_IS, MASK_TRIM, MASK_LOWER, MASK_DIGITS, MASK_PHONE };
enum mask_unit { MASK_UNIT_YEAR, MASK_UNIT_MONTH, MASK_UNIT_DAY, MASK_UNIT_HOUR };

/* One entry of the option `columns`. */
struct mask_rule {
	const char *name;
	struct drip_enum method, normalise, unit;
	const char *classification;
	struct drip_secret key;
	int64_t digits;
	int64_t length;
	int64_t keep_first, keep_last;
	const char *replacement;
	const char *context;
};

struct mask_ring;

struct mask_key {
	/* With the states after the inner and the outer key block; each digest leaves it as after
	 * the key went in. */
	struct hmac_sha256_ctx hmac;
};

/* What `rule` makes of a column of `type`; DRIP_TYPE_NONE where it cannot take one. */
enum drip_type mask_output_type(const struct mask_rule *rule, enum drip_type type);
void mask_key_set(struct mask_key *key, const char *text);
/* (gives) *ret, column `index` of `batch` masked; nulls stay null. `key` is as before after it;
 * `ring` is NULL but for encrypt and decrypt. */
int mask_column(const struct mask_rule *rule, struct mask_key *key, const struct mask_ring *ring,
		const struct drip_batch *batch, uint32_t index, struct ArrowArray *ret,
		struct drip_error *err) DRIP_MUST_CHECK;

/* crypt.c. (gives) zeroed memory that is locked, in no core dump, and wiped by mask_unlock;
 * -ENOMEM with mask.sodium. */
int mask_locked(size_t size, void **ret, struct drip_error *err) DRIP_MUST_CHECK;
void mask_unlock(void *memory); /* NULL is accepted */
/* Files of keys: mask.no_keyring, mask.open_keyring, mask.bad_keyring, mask.weak_key. */
int mask_key_read(const char *path, struct mask_key *key, struct drip_error *err) DRIP_MUST_CHECK;
int mask_ring_open(const char *path, struct mask_ring **ret,
		   struct drip_error *err) DRIP_MUST_CHECK;
void mask_ring_destroy(struct mask_ring *ring); /* NULL is accepted */
/* Into `out`, which is emptied. decrypt: -EBADMSG where the value is not as it was encrypted,
 * -ENOKEY where the ring has not its key. */
int mask_encrypt(const struct mask_ring *ring, const char *context, const char *data, int64_t size,
		 struct drip_text *out) DRIP_MUST_CHECK;
int mask_decrypt(const struct mask_ring *ring, const char *context, const char *data, int64_t size,
		 struct drip_text *out) DRIP_MUST_CHECK;

#endif
