/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: one SQLite file in WAL mode in the state directory, which holds checkpoints, state,
 * runs, schema history, lineage, dead letters, quality results, audit and the model registry. One
 * process writes at a time; any may read. All functions may block; thread: any.
 */
#ifndef DRIPLINE_STORE_STORE_H
#define DRIPLINE_STORE_STORE_H

#include "engine/durable.h"

struct drip_store;

enum drip_store_mode {
	DRIP_STORE_WRITE = 1, /* makes the directory and the file where they are missing; refuses
				 with store.locked while another process writes */
	DRIP_STORE_READ,      /* -ENOENT with store.missing where there is none; writes nothing */
};

#define DRIP_STORE_FILE "dripline.db"
#define DRIP_STORE_LOCK "dripline.lock"

/*
 * Opens `state_dir`/dripline.db, checks it, and brings it to this release's version. store.corrupt,
 * store.foreign and store.newer leave the file as it is.
 */
int drip_store_open(const char *state_dir, enum drip_store_mode mode, struct drip_store **ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
void drip_store_close(struct drip_store *store); /* NULL is accepted */
/* What is kept of dead letters, the audit and the results of quality rules; 0: no limit, as after
 * opening. */
struct drip_store_retention {
	int64_t letters_age_ms, letters_rows;
	int64_t audit_age_ms, audit_rows;
	int64_t quality_age_ms, quality_rows;
};

/* In force from the next write on. Never waits for a write under way. */
void drip_store_set_retention(struct drip_store *store, const struct drip_store_retention *r);
/* (borrowed) until close. */
const struct drip_durable *drip_store_durable(struct drip_store *store);
/* Pid of the process that writes in `state_dir`, 0 where none does. */
int64_t drip_store_writer(const char *state_dir);

/* A checkpoint as `checkpoint show` prints it. */
struct drip_store_checkpoint {
	const char *pipeline, *partition, *text;
	uint64_t epoch;
	int64_t committed_us;
};

/* Visitors return 0 to go on, or a negative errno, which ends the walk and is returned. They must
 * not call the store. */
int drip_store_visit_checkpoints(struct drip_store *store, const char *pipeline,
				 int (*visit)(const struct drip_store_checkpoint *c, void *data),
				 void *data, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the positions of a pipeline's last checkpoint, a malloc'd array; count 0: none. Also
 * where the store is open to read. */
int drip_store_load_positions(struct drip_store *store, const char *pipeline,
			      struct drip_position **ret, size_t *ret_count,
			      struct drip_error *err) DRIP_MUST_CHECK;
/* Forgets positions and state of a pipeline; its epochs go on growing. -ENOENT with
 * store.no_checkpoint. Recorded in the audit. */
int drip_store_reset_checkpoint(struct drip_store *store, const char *pipeline, const char *actor,
				struct drip_error *err) DRIP_MUST_CHECK;

struct drip_store_run {
	const char *id, *pipeline;
	enum drip_run_state state;
	int64_t begun_us, ended_us; /* ended 0: it runs, or the process died */
	const char *code, *message;
};

#define DRIP_STORE_RUNS_KEPT 1000 /* of each pipeline */

/* Newest first. */
int drip_store_visit_runs(struct drip_store *store, const char *pipeline, int64_t limit,
			  int (*visit)(const struct drip_store_run *r, void *data), void *data,
			  struct drip_error *err) DRIP_MUST_CHECK;

/* One edge between two columns, as found from the column that was asked for. */
struct drip_store_edge {
	struct drip_lineage_record record; /* (borrowed) for the call */
	bool upstream;                     /* it leads to the column, not from it */
	int distance;                      /* 1: it touches the column */
};

#define DRIP_STORE_LINEAGE_DEPTH_MAX 64

/*
 * Walks what a dataset ("orders", or "db.orders"; the last parts suffice) or one of its columns
 * (NULL: all) comes from and goes to. *ret_found: whether lineage knows it at all.
 */
int drip_store_visit_lineage(struct drip_store *store, const char *dataset, const char *column,
			     int (*visit)(const struct drip_store_edge *e, void *data), void *data,
			     bool *ret_found, struct drip_error *err) DRIP_MUST_CHECK;

/* A dataset that lineage knows. */
struct drip_store_dataset {
	const char *namespace, *name; /* (borrowed) for the call */
	int64_t columns;
	int classification;  /* the highest of its columns; -1: nothing here writes it */
	bool written, read;  /* by a pipeline */
	int64_t recorded_us; /* last */
};

#define DRIP_STORE_DATASETS_MAX 20000 /* shown at once */

/* By name. */
int drip_store_visit_datasets(struct drip_store *store,
			      int (*visit)(const struct drip_store_dataset *d, void *data),
			      void *data, struct drip_error *err) DRIP_MUST_CHECK;

struct drip_store_letter {
	int64_t id;
	struct drip_dead_letter letter; /* of its position only partition, order and text */
	uint64_t group; /* that goes back, or did not get to its end in a crash; 0: none */
};

/* Which dead letters; zeroes mean any. */
struct drip_store_letters {
	const char *pipeline, *stage;
	const int64_t *ids;
	size_t ids_count;
	uint64_t first_group; /* only those of a group, from this one on, and by groups; 0: all */
	int64_t limit;        /* 0: none */
	bool newest_first;    /* not with first_group */
};

/* Oldest first where it is not said otherwise. */
int drip_store_visit_letters(struct drip_store *store, const struct drip_store_letters *which,
			     int (*visit)(const struct drip_store_letter *l, void *data),
			     void *data, struct drip_error *err) DRIP_MUST_CHECK;
/* Whether there is one of a table, "database.table". */
int drip_store_has_letters(struct drip_store *store, const char *pipeline, const char *stage,
			   const char *table, bool *ret, struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_drop_letters(struct drip_store *store, const struct drip_store_letters *which,
			    int64_t *ret_dropped, struct drip_error *err) DRIP_MUST_CHECK;
/* Dead letters by pipeline and stage. */
int drip_store_count_letters(struct drip_store *store,
			     int (*visit)(const char *pipeline, const char *stage, int64_t count,
					  void *data),
			     void *data, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- results of quality rules ---- */

/* What a rule found in a table on one day (UTC). Times of 0: never. */
struct drip_store_quality {
	const char *pipeline;
	struct drip_quality_entry result; /* of the day */
	int64_t day_us;                   /* when it began */
	const char *run_id;               /* the last one, and what it found on that day */
	int64_t run_checked, run_failed;
	int64_t first_us, last_us, failed_us; /* failed_us: when it last did not hold */
	const char *first_position, *last_position;
};

#define DRIP_STORE_QUALITY_MAX 10000 /* shown at once */

/* By pipeline, stage, rule and table; `days` 0: of each the last day that it has, otherwise the
 * last so many days, newest first. */
int drip_store_visit_quality(struct drip_store *store, const char *pipeline, int64_t days,
			     int64_t limit,
			     int (*visit)(const struct drip_store_quality *q, void *data),
			     void *data, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- audit ---- */

#define DRIP_STORE_HASH_BYTES 32

struct drip_store_record {
	int64_t id, wall_us;
	const char *actor, *action, *target, *detail;
};

/* Where the chain of records ends. */
struct drip_store_audit_head {
	int64_t id; /* of the last record; of a noted head, 0: none */
	unsigned char hash[DRIP_STORE_HASH_BYTES];
	int64_t records, first; /* records that were checked; the id before the first of them */
};

/* Records that `actor` did `action` to `target`; durable when it returns. Calls at once are
 * committed together. */
int drip_store_audit(struct drip_store *store, const char *actor, const char *action,
		     const char *target, const char *detail,
		     struct drip_error *err) DRIP_MUST_CHECK;
/* Newest first. */
int drip_store_visit_audit(struct drip_store *store, int64_t limit,
			   int (*visit)(const struct drip_store_record *r, void *data), void *data,
			   struct drip_error *err) DRIP_MUST_CHECK;
/*
 * Checks the whole chain, and that it holds the record `noted` (may be NULL) with that hash.
 * -EBADMSG with audit.broken and the record where it breaks; -ENOENT with audit.noted_pruned.
 */
int drip_store_verify_audit(struct drip_store *store, const struct drip_store_audit_head *noted,
			    struct drip_store_audit_head *ret,
			    struct drip_error *err) DRIP_MUST_CHECK;

/* ---- keys of the API ---- */

#define DRIP_STORE_KEY_MAX    80 /* bytes of a key, with its NUL */
#define DRIP_STORE_KEY_ID_MAX 16

struct drip_store_key {
	const char *id, *name, *role;
	const unsigned char *hash;                  /* BLAKE2b-256 of the key */
	int64_t created_us, expires_us, revoked_us; /* 0: never */
};

/* Makes a key; it is in ret_key (DRIP_STORE_KEY_MAX bytes, ret_id DRIP_STORE_KEY_ID_MAX) and
 * nowhere else. key.bad_name. Recorded in the audit. */
int drip_store_create_key(struct drip_store *store, const char *name, const char *role,
			  int64_t expires_us, const char *actor, char *ret_id, char *ret_key,
			  struct drip_error *err) DRIP_MUST_CHECK;
/* -ENOENT with key.unknown where there is none, or it is revoked already. */
int drip_store_revoke_key(struct drip_store *store, const char *id, const char *actor,
			  struct drip_error *err) DRIP_MUST_CHECK;
/* Oldest first, revoked ones too. */
int drip_store_visit_keys(struct drip_store *store,
			  int (*visit)(const struct drip_store_key *k, void *data), void *data,
			  struct drip_error *err) DRIP_MUST_CHECK;

#endif
