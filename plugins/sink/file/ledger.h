/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger of the sink `file`: a small file beside the data that says which positions the data
 * files hold and how long each of them is. It is replaced as a whole (write, fsync, rename, fsync
 * of the folder), so data and positions change together. One thread.
 */
#ifndef DRIPLINE_SINK_FILE_LEDGER_H
#define DRIPLINE_SINK_FILE_LEDGER_H

#include <dripline/dripline.h>

#define LEDGER_FILES_MAX 4096 /* data files open at one time: one a table */
#define LEDGER_PATH_MAX  4096

/* One data file that is not finished. */
struct ledger_file {
	char *table;              /* owned; what {table} stands for */
	char *path;               /* owned */
	uint64_t part;            /* what {part} stands for */
	uint64_t header;          /* hash of the columns in a CSV header; 0: none written */
	uint64_t committed, size; /* bytes */
	int64_t opened_us;        /* wall clock; of rolling by time */
	int fd;                   /* -1: not open */
	bool dirty, finished;     /* finished: full, left out of the ledger with the next commit */
};

struct ledger {
	char *path; /* owned; of the ledger itself */
	struct drip_position *positions;
	size_t positions_count;
	struct ledger_file *files;
	size_t files_count, files_capacity;
};

void ledger_init(struct ledger *l);
void ledger_finish(struct ledger *l);
/* Reads l->path; a file that does not exist is an empty ledger. */
int ledger_load(struct ledger *l, struct drip_error *err) DRIP_MUST_CHECK;
/* Writes it durably, with `positions` (borrowed) in place of the old ones. */
int ledger_save(struct ledger *l, const struct drip_position *positions, size_t count,
		struct drip_error *err) DRIP_MUST_CHECK;
/* Cuts each file to what is committed, and removes those of which nothing is. */
int ledger_rollback(struct ledger *l, struct drip_error *err) DRIP_MUST_CHECK;
/* A new entry, zeroed but for `table` (copied); valid until the next call. */
struct ledger_file *ledger_add(struct ledger *l, const char *table,
			       struct drip_error *err) DRIP_MUST_CHECK;
/* Drops the entry with this index; closes its file. */
void ledger_remove(struct ledger *l, size_t index);
/* fsync of the folder that holds `path`. */
int ledger_sync_folder(const char *path, struct drip_error *err) DRIP_MUST_CHECK;

#endif
