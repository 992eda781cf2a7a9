/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit: records in a chain of hashes. hash(n) = SHA-256(hash(n-1) || fields), the fields being
 * id, time, actor, action, target and detail, each as its length in decimal, a colon, its bytes.
 * Ids grow by one without a gap. The head (last id and hash) is kept apart; who compares it with
 * one noted elsewhere sees any change of the records before, a cut at the end too. Threads: any; of
 * those that write at once one commits for all.
 */
#include "store/internal.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define HASH DRIP_STORE_HASH_BYTES

struct head {
	int64_t id, base_id;
	unsigned char hash[HASH], base_hash[HASH];
};

struct drip_store_audit_wait {
	struct drip_store_audit_wait *next;
	const char *actor, *action, *target, *detail;
	bool done;
	int rc;
	struct drip_error error;
};

static void copy_hash(sqlite3_stmt *stmt, int column, unsigned char *hash)
{
	const void *blob = sqlite3_column_blob(stmt, column);

	memset(hash, 0, HASH);
	if (blob != NULL && sqlite3_column_bytes(stmt, column) == HASH) {
		memcpy(hash, blob, HASH);
	}
}

static int read_head(sqlite3 *db, struct head *ret, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int rc = drip_store_prepare(db, &stmt, err,
				    "SELECT id, hash, base_id, base_hash FROM audit_head", "");

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc == 0) {
		return drip_error_set(err, -EUCLEAN, "audit.broken", "the audit has no head");
	}
	if (rc == 1) {
		ret->id = sqlite3_column_int64(stmt, 0);
		copy_hash(stmt, 1, ret->hash);
		ret->base_id = sqlite3_column_int64(stmt, 2);
		copy_hash(stmt, 3, ret->base_hash);
	}
	return rc < 0 ? rc : 0;
}

static void add_field(crypto_hash_sha256_state *state, const char *text)
{
	char length[32];
	int n = snprintf(length, sizeof(length), "%zu:", strlen(text));

	crypto_hash_sha256_update(state, (const unsigned char *)length, (unsigned long long)n);
	crypto_hash_sha256_update(state, (const unsigned char *)text, strlen(text));
}

static void hash_record(const struct drip_store_record *r, const unsigned char *before,
			unsigned char *ret)
{
	crypto_hash_sha256_state state;
	char number[32];

	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, before, HASH);
	snprintf(number, sizeof(number), "%" PRId64, r->id);
	add_field(&state, number);
	snprintf(number, sizeof(number), "%" PRId64, r->wall_us);
	add_field(&state, number);
	add_field(&state, r->actor);
	add_field(&state, r->action);
	add_field(&state, r->target);
	add_field(&state, r->detail);
	crypto_hash_sha256_final(&state, ret);
}

int drip_store_put_audit(sqlite3 *db, const char *actor, const char *action, const char *target,
			 const char *detail, struct drip_error *err)
{
	struct drip_store_record r = {.wall_us = drip_clock_wall_us(),
				      .actor = actor,
				      .action = action,
				      .target = target,
				      .detail = detail};
	unsigned char hash[HASH];
	struct head head = {.id = 0};
	int rc = read_head(db, &head, err);

	if (rc < 0) {
		return rc;
	}
	r.id = head.id + 1;
	hash_record(&r, head.hash, hash);
	rc = drip_store_run(db, err,
			    "INSERT INTO audit (id, wall_us, actor, action, target, detail, hash)"
			    " VALUES (?, ?, ?, ?, ?, ?, ?)",
			    "iittttb", r.id, r.wall_us, actor, action, target, detail, hash,
			    sizeof(hash));
	return rc == 0 ? drip_store_run(db, err, "UPDATE audit_head SET id = ?, hash = ?", "ib",
					r.id, hash, sizeof(hash))
		       : rc;
}

/* ---- writing, one for all ---- */

static int commit(struct drip_store *store, struct drip_store_audit_wait *list,
		  struct drip_error *err)
{
	size_t count = 0;
	int rc = drip_store_begin(store, err);

	if (rc < 0) {
		return rc;
	}
	for (struct drip_store_audit_wait *w = list; rc == 0 && w != NULL; w = w->next) {
		rc = drip_store_put_audit(store->writer.handle, w->actor, w->action, w->target,
					  w->detail, err);
		count++;
	}
	rc = rc == 0 ? drip_store_prune(store, count, err) : rc;
	return drip_store_end(store, rc, err);
}

/* Commits what waits until nothing does. Lock held. */
static void lead(struct drip_store *store)
{
	store->audit_led = true;
	while (store->audit_first != NULL) {
		struct drip_store_audit_wait *list = store->audit_first;
		struct drip_error error = DRIP_ERROR_INIT;
		int rc;

		store->audit_first = NULL;
		store->audit_last = &store->audit_first;
		pthread_mutex_unlock(&store->audit_lock);
		rc = commit(store, list, &error);
		pthread_mutex_lock(&store->audit_lock);
		while (list != NULL) {
			struct drip_store_audit_wait *w = list;

			list = w->next;
			w->rc = rc;
			w->error = error;
			w->done = true;
		}
		pthread_cond_broadcast(&store->audit_done);
	}
	store->audit_led = false;
}

int drip_store_audit(struct drip_store *store, const char *actor, const char *action,
		     const char *target, const char *detail, struct drip_error *err)
{
	struct drip_store_audit_wait own = {
		.actor = actor, .action = action, .target = target, .detail = detail};

	pthread_mutex_lock(&store->audit_lock);
	*store->audit_last = &own;
	store->audit_last = &own.next;
	if (!store->audit_led) {
		lead(store);
	}
	while (!own.done) {
		pthread_cond_wait(&store->audit_done, &store->audit_lock);
	}
	pthread_mutex_unlock(&store->audit_lock);
	if (own.rc < 0 && err != NULL) {
		*err = own.error;
	}
	return own.rc;
}

/* ---- retention ---- */

/* The last record that may go: those older than `before_us` from the front, or over `rows`. */
static int find_cut(sqlite3 *db, const struct head *head, int64_t before_us, int64_t rows,
		    int64_t step, int64_t *ret_cut, struct drip_error *err)
{
	drip_autostmt stmt = NULL;
	int64_t cut = head->base_id;
	int rc = drip_store_prepare(db, &stmt, err,
				    "SELECT id FROM audit WHERE wall_us >= ? ORDER BY id LIMIT 1",
				    "i", before_us);

	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc < 0) {
		return rc;
	}
	cut = rc == 1 ? sqlite3_column_int64(stmt, 0) - 1 : head->id;
	if (rows > 0 && head->id - rows > cut) {
		cut = head->id - rows;
	}
	*ret_cut = cut < head->base_id + step ? cut : head->base_id + step;
	return 0;
}

int drip_store_prune_audit(sqlite3 *db, int64_t before_us, int64_t rows, int64_t step,
			   int64_t *ret_dropped, struct drip_error *err)
{
	struct head head = {.id = 0};
	drip_autostmt stmt = NULL;
	unsigned char hash[HASH];
	int64_t cut = 0;
	int rc = read_head(db, &head, err);

	*ret_dropped = 0;
	rc = rc == 0 ? find_cut(db, &head, before_us, rows, step, &cut, err) : rc;
	if (rc < 0 || cut <= head.base_id) {
		return rc;
	}
	rc = drip_store_prepare(db, &stmt, err, "SELECT hash FROM audit WHERE id = ?", "i", cut);
	rc = rc == 0 ? drip_store_step(stmt, err) : rc;
	if (rc <= 0) {
		return rc; /* a gap: verify tells, nothing more goes */
	}
	copy_hash(stmt, 0, hash);
	rc = drip_store_run(db, err, "UPDATE audit_head SET base_id = ?, base_hash = ?", "ib", cut,
			    hash, sizeof(hash));
	rc = rc == 0 ? drip_store_run(db, err, "DELETE FROM audit WHERE id <= ?", "i", cut) : rc;
	if (rc == 0) {
		*ret_dropped = sqlite3_changes64(db);
	}
	return rc;
}

/* ---- reading ---- */

static void read_record(sqlite3_stmt *stmt, struct drip_store_record *ret)
{
	*ret = (struct drip_store_record){
		.id = sqlite3_column_int64(stmt, 0),
		.wall_us = sqlite3_column_int64(stmt, 1),
		.actor = drip_store_text(stmt, 2),
		.action = drip_store_text(stmt, 3),
		.target = drip_store_text(stmt, 4),
		.detail = drip_store_text(stmt, 5),
	};
}

int drip_store_visit_audit(struct drip_store *store, int64_t limit,
			   int (*visit)(const struct drip_store_record *r, void *data), void *data,
			   struct drip_error *err)
{
	drip_autorows rows = {NULL, NULL};
	int rc = drip_store_query(store, &rows, err,
				  "SELECT id, wall_us, actor, action, target, detail FROM audit"
				  " ORDER BY id DESC LIMIT ?",
				  "i", limit);

	while (rc == 0 && (rc = drip_store_step(rows.stmt, err)) == 1) {
		struct drip_store_record r;

		read_record(rows.stmt, &r);
		rc = visit(&r, data);
	}
	return rc;
}

static int broken(struct drip_error *err, int64_t id, const char *what)
{
	drip_error_set(err, -EBADMSG, "audit.broken",
		       "the audit is broken at record %" PRId64 ": %s", id, what);
	drip_error_hint(err, "Keep the store as it is, and compare it with a backup.");
	return -EBADMSG;
}

/* Walks the chain from the base; `ret` becomes where it ends. */
static int walk_chain(sqlite3_stmt *stmt, int64_t note_id, unsigned char *note,
		      struct drip_store_audit_head *ret, struct drip_error *err)
{
	unsigned char hash[HASH], stored[HASH];
	struct drip_store_record r;
	int rc;

	while ((rc = drip_store_step(stmt, err)) == 1) {
		read_record(stmt, &r);
		copy_hash(stmt, 6, stored);
		if (r.id != ret->id + 1) {
			return broken(err, ret->id + 1, "it is missing");
		}
		hash_record(&r, ret->hash, hash);
		if (sodium_memcmp(hash, stored, HASH) != 0) {
			return broken(err, r.id, "it is not as it was written");
		}
		memcpy(ret->hash, hash, HASH);
		ret->id = r.id;
		ret->records++;
		if (r.id == note_id) {
			memcpy(note, hash, HASH);
		}
	}
	return rc;
}

static int check_ends(const struct head *head, const struct drip_store_audit_head *noted,
		      const unsigned char *note, const struct drip_store_audit_head *end,
		      struct drip_error *err)
{
	if (end->id < head->id) {
		return broken(err, end->id + 1, "the records from here on are gone");
	}
	if (end->id > head->id || sodium_memcmp(end->hash, head->hash, HASH) != 0) {
		return broken(err, head->id, "the head is not that of the last record");
	}
	if (noted == NULL || noted->id == 0) {
		return 0;
	}
	if (noted->id > end->id) {
		return broken(err, end->id + 1, "records that were noted are gone");
	}
	if (noted->id < head->base_id) {
		return drip_error_set(err, -ENOENT, "audit.noted_pruned",
				      "retention has taken record %" PRId64
				      " away: the noted head cannot be compared",
				      noted->id);
	}
	if (sodium_memcmp(note, noted->hash, HASH) != 0) {
		return broken(err, noted->id, "it has not the hash that was noted");
	}
	return 0;
}

int drip_store_verify_audit(struct drip_store *store, const struct drip_store_audit_head *noted,
			    struct drip_store_audit_head *ret, struct drip_error *err)
{
	unsigned char note[HASH] = {0};
	drip_autostmt stmt = NULL;
	struct head head = {.id = 0};
	int rc = drip_store_lock_reader(store, err);

	*ret = (struct drip_store_audit_head){.id = 0};
	if (rc < 0) {
		return rc;
	}
	/* One statement sees one state of the file; the head is read with it in a transaction. */
	rc = drip_store_run(store->reader.handle, err, "BEGIN", "");
	rc = rc == 0 ? read_head(store->reader.handle, &head, err) : rc;
	if (rc == 0) {
		ret->id = ret->first = head.base_id;
		memcpy(ret->hash, head.base_hash, HASH);
		memcpy(note, head.base_hash, HASH);
		rc = drip_store_prepare(store->reader.handle, &stmt, err,
					"SELECT id, wall_us, actor, action, target, detail, hash"
					" FROM audit WHERE id > ? ORDER BY id",
					"i", head.base_id);
	}
	rc = rc == 0 ? walk_chain(stmt, noted != NULL ? noted->id : 0, note, ret, err) : rc;
	rc = rc == 0 ? check_ends(&head, noted, note, ret, err) : rc;
	drip_store_finalize(&stmt);
	sqlite3_exec(store->reader.handle, "ROLLBACK", NULL, NULL, NULL);
	pthread_mutex_unlock(&store->reader.lock);
	return rc;
}
