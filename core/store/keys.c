/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the API: "drip_ID_SECRET", ID 8 hex digits, SECRET 32 random bytes in base64url. Kept is
 * their BLAKE2b-256: a secret of 256 bits needs no slow hash. Thread: any.
 */
#include "store/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

static bool is_word(const char *text, const char *more, size_t max)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && strchr(more, c) == NULL) {
			return false;
		}
	}
	return n > 0 && n <= max;
}

static void make_key(char *id, char *key, unsigned char *hash)
{
	unsigned char secret[32];
	char text[64];

	randombytes_buf(secret, sizeof(secret));
	snprintf(id, DRIP_STORE_KEY_ID_MAX, "%08x", randombytes_random());
	sodium_bin2base64(text, sizeof(text), secret, sizeof(secret),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	snprintf(key, DRIP_STORE_KEY_MAX, "drip_%s_%s", id, text);
	crypto_generichash(hash, DRIP_STORE_HASH_BYTES, (const unsigned char *)key, strlen(key),
			   NULL, 0);
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(text, sizeof(text));
}

int drip_store_create_key(struct drip_store *store, const char *name, const char *role,
			  int64_t expires_us, const char *actor, char *ret_id, char *ret_key,
			  struct drip_error *err)
{
	unsigned char hash[DRIP_STORE_HASH_BYTES];
	char detail[160];
	int rc;

	if (!is_word(name, "._@-", 64) || !is_word(role, "_", 40)) {
		return drip_error_set(err, -EINVAL, "key.bad_name",
				      "\"%.64s\" with the role \"%.40s\" cannot be the name of a "
				      "key: lower case letters, digits and . _ @ -",
				      name, role);
	}
	if (sodium_init() < 0) {
		return drip_error_set(err, -EIO, "key.no_random", "could not set up libsodium");
	}
	make_key(ret_id, ret_key, hash);
	rc = drip_store_begin(store, err);
	if (rc < 0) {
		return rc;
	}
	rc = drip_store_run(store->writer.handle, err,
			    "INSERT INTO api_key VALUES (?, ?, ?, ?, ?, ?, ?, 0, '')", "tttbiti",
			    ret_id, name, role, hash, sizeof(hash), drip_clock_wall_us(), actor,
			    expires_us);
	snprintf(detail, sizeof(detail), "for %s, role %s", name, role);
	rc = rc == 0 ? drip_store_put_audit(store->writer.handle, actor, "key create", ret_id,
					    detail, err)
		     : rc;
	return drip_store_end(store, rc, err);
}

static int revoke_row(sqlite3 *db, const char *id, const char *actor, struct drip_error *err)
{
	int rc = drip_store_run(db, err,
				"UPDATE api_key SET revoked_us = ?, revoked_by = ?"
				" WHERE id = ? AND revoked_us = 0",
				"itt", drip_clock_wall_us(), actor, id);

	if (rc == 0 && sqlite3_changes64(db) == 0) {
		drip_error_set(err, -ENOENT, "key.unknown", "there is no key \"%.32s\" in use", id);
		drip_error_hint(err, "`dripline key list` lists the keys.");
		return -ENOENT;
	}
	return rc == 0 ? drip_store_put_audit(db, actor, "key revoke", id, "", err) : rc;
}

int drip_store_revoke_key(struct drip_store *store, const char *id, const char *actor,
			  struct drip_error *err)
{
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	rc = revoke_row(store->writer.handle, id, actor, err);
	return drip_store_end(store, rc, err);
}

int drip_store_visit_keys(struct drip_store *store,
			  int (*visit)(const struct drip_store_key *k, void *data), void *data,
			  struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(store, &rows, err,
				  "SELECT id, name, role, hash, created_us, expires_us, revoked_us"
				  " FROM api_key ORDER BY created_us, id",
				  "");

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		struct drip_store_key k = {
			.id = drip_store_text(rows.stmt, 0),
			.name = drip_store_text(rows.stmt, 1),
			.role = drip_store_text(rows.stmt, 2),
			.hash = sqlite3_column_blob(rows.stmt, 3),
			.created_us = sqlite3_column_int64(rows.stmt, 4),
			.expires_us = sqlite3_column_int64(rows.stmt, 5),
			.revoked_us = sqlite3_column_int64(rows.stmt, 6),
		};

		if (sqlite3_column_bytes(rows.stmt, 3) == DRIP_STORE_HASH_BYTES) {
			rc = visit(&k, data);
		}
	}
	return rc;
}
