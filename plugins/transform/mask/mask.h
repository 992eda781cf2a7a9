/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the transform `mask`. One thread. */
#ifndef DRIPLINE_MASK_H
#define DRIPLINE_MASK_H

#include <dripline/dripline.h>
#include <nettle/hmac.h>

#define MASK_KEY_MIN     16   /* bytes of a key, at least */
#define MASK_CHARS_MAX   4096 /* kept first, kept last or put in as a replacement */
#define MASK_HASH_DIGITS 64

enum mask_method { MASK_HASH, MASK_TRUNCATE, MASK_REDACT, MASK_PARTIAL, MASK_NULL };
enum mask_normalise { MASK_AS_IS, MASK_TRIM, MASK_LOWER, MASK_DIGITS };
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
};

struct mask_key {
	/* With the states after the inner and the outer key block; each digest leaves it as after
	 * the key went in. */
	struct hmac_sha256_ctx hmac;
};

/* What `rule` makes of a column of `type`; DRIP_TYPE_NONE where it cannot take one. */
enum drip_type mask_output_type(const struct mask_rule *rule, enum drip_type type);
void mask_key_set(struct mask_key *key, const char *text);
/* (gives) *ret, column `index` of `batch` masked; nulls stay null. `key` is as before after it. */
int mask_column(const struct mask_rule *rule, struct mask_key *key, const struct drip_batch *batch,
		uint32_t index, struct ArrowArray *ret, struct drip_error *err) DRIP_MUST_CHECK;

#endif
