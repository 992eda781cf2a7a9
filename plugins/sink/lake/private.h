/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the lake sink.
 *
 * Rows of an epoch go into temporary tables of a DuckDB session, one a group: source table, schema
 * and day. At the commit, or when a group is large, they become segments: durable Parquet files in
 * a hidden folder. Segments of one target folder and schema are merged and published when together
 * they are large or old enough. The manifest lists the segments, what is being published, and the
 * source's positions; replacing it by a rename is the commit. What it lists as being published is
 * renamed after that, again after a crash. Files that it does not list are garbage.
 *
 * Invariants: a published file is complete and never changes; a row is in exactly one segment or
 * published file of the manifest in force. Thread: the sink's; interrupt: any.
 */
#ifndef DRIPLINE_LAKE_PRIVATE_H
#define DRIPLINE_LAKE_PRIVATE_H

#include <dripline/dripline.h>
#include <dripline/text.h>
#include <limits.h>
#include <pthread.h>

#define LAKE_GROUP_ROWS    1000000              /* rows of a group before they become a segment */
#define LAKE_GROUP_BYTES   (UINT64_C(64) << 20) /* the same in bytes of batches */
#define LAKE_SEGMENTS_MAX  64                   /* of one target folder before they are merged */
#define LAKE_DATES_MAX     10000      /* days in one segment, where a column gives the day */
#define LAKE_FILE_MAX      64         /* bytes of a hidden file's name */
#define LAKE_DIR_MAX       1024       /* bytes of a target folder, relative to the root */
#define LAKE_MANIFEST_MAX  (64 << 20) /* bytes */
#define LAKE_POSITIONS_MAX 100000

enum lake_zone { LAKE_RAW = 1, LAKE_PROCESSED, LAKE_CURATED, LAKE_ML, LAKE_ARCHIVE };
enum lake_day { LAKE_DAY_COMMIT = 1, LAKE_DAY_LOAD };
enum lake_compression { LAKE_ZSTD = 1, LAKE_SNAPPY, LAKE_NONE };

struct lake_config {
	const char *root;
	struct drip_connection_ref connection;
	struct drip_enum zone;
	const char *table;
	struct drip_enum day;
	const char *day_column;
	bool changes;
	struct drip_size roll_size;
	struct drip_duration roll_interval;
	struct drip_enum compression;
	int64_t row_group_size;
	const char *op_column, *sequence_column, *commit_time_column;
};

struct lake_segment {
	struct lake_segment *next;
	char file[LAKE_FILE_MAX]; /* in the hidden folder */
	char dir[LAKE_DIR_MAX];   /* where it will be published */
	uint64_t hash;            /* of the schema: only equal ones are merged */
	uint64_t bytes;
	int64_t rows;
	int64_t since_us; /* when its oldest row came */
};

struct lake_publish {
	struct lake_publish *next;
	char file[LAKE_FILE_MAX];
	char to[LAKE_DIR_MAX + LAKE_FILE_MAX + DRIP_NAME_MAX]; /* relative to the root */
};

struct lake_manifest {
	char id[17]; /* random: keeps names of this lake's files apart from any other's */
	uint64_t epoch;
	uint64_t files;   /* names given so far */
	int64_t sequence; /* next of the rows' sequence */
	struct drip_position *positions;
	size_t positions_count;
	struct lake_segment *segments; /* oldest first */
	struct lake_publish *publishes;
};

struct lake_group {
	struct lake_group *next;
	const struct drip_schema *schema; /* of batches; one reference */
	struct drip_schema *extended;
	uint64_t hash;
	char prefix[LAKE_DIR_MAX]; /* "raw/orders" */
	char day[16];              /* "2026/11/22"; "" where a column gives it */
	char temp[48];
	bool made;
	struct drip_sql_ingest *ingest;
	int64_t rows;
	uint64_t bytes;
};

struct lake {
	struct drip_ctx *ctx;
	const struct lake_config *config;
	const struct drip_sql *sql;
	void *object;
	pthread_mutex_t lock; /* guards `session` against interrupt */
	void *session;
	int root_fd, hidden_fd, lock_fd; /* -1: not open */
	char root[PATH_MAX], hidden[PATH_MAX];
	struct lake_manifest manifest; /* in force */
	struct lake_manifest next;     /* being made: what the open epoch adds */
	bool begun;                    /* `next` is a copy with additions */
	bool loaded;
	bool leftovers; /* segments were merged: their files are garbage once `next` is in force */
	struct lake_group *groups;
	uint32_t groups_count;
	struct drip_text text;
};

/* files.c */
int lake_error(struct drip_error *err, int rc, const char *doing, const char *path);
/* Creates a folder and its parents under the root, durably. */
int lake_make_dir(struct lake *l, const char *dir, struct drip_error *err);
int lake_sync_dir(int fd, const char *path, struct drip_error *err);
/* Makes a hidden file's bytes durable; *ret_bytes is its size. */
int lake_sync_file(struct lake *l, const char *file, uint64_t *ret_bytes, struct drip_error *err);
int lake_open_dirs(struct lake *l, struct drip_error *err);
void lake_close_dirs(struct lake *l);
/* Removes hidden files that no manifest lists. */
int lake_collect_garbage(struct lake *l, struct drip_error *err);
/* A path component that stands for any name: bytes that paths give a meaning are written %XX. */
int lake_encode(const char *name, char *buf, size_t size);

/* manifest.c */
int lake_manifest_load(struct lake *l, struct lake_manifest *ret, struct drip_error *err);
/* The commit point. */
int lake_manifest_store(struct lake *l, const struct lake_manifest *m, struct drip_error *err);
int lake_manifest_copy(const struct lake_manifest *from, struct lake_manifest *to,
		       struct drip_error *err);
void lake_manifest_finish(struct lake_manifest *m);
/* Replaces those of the same partitions, adds the others. */
int lake_manifest_set_positions(struct lake_manifest *m, const struct drip_position *positions,
				size_t count, struct drip_error *err);
void lake_manifest_append(struct lake_manifest *m, struct lake_segment *segment);
/* Loads the manifest where that was not done since an abort, and finishes what it says. */
int lake_ready(struct lake *l, struct drip_error *err);
/* Makes l->next from the manifest in force. */
int lake_begin(struct lake *l, struct drip_error *err);

/* groups.c */
int lake_write(struct lake *l, const struct drip_batch *batch, struct drip_error *err);
void lake_groups_destroy(struct lake *l);
int lake_extend(const struct lake_config *config, const struct drip_schema *schema,
		struct drip_schema **ret, struct drip_error *err);
int lake_prefix(const struct lake_config *config, const struct drip_schema *schema, char *buf,
		size_t size, struct drip_error *err);
int lake_session(struct lake *l, struct drip_error *err);

/* segments.c: files out of rows, and out of segments. */
int lake_flush_group(struct lake *l, struct lake_group *g, struct drip_error *err);
/* Writes the rows of `count` segments to a new hidden file, to be published or to be a segment. */
int lake_merge(struct lake *l, const struct lake_segment *const *segments, size_t count,
	       char ret_file[LAKE_FILE_MAX], uint64_t *ret_bytes, struct drip_error *err);

/* publish.c */
/* Moves segments of l->next that are due to its publishes, merged. */
int lake_plan(struct lake *l, bool all, struct drip_error *err);
bool lake_is_due(const struct lake *l);
/* Renames what the manifest in force lists; removes what that leaves over. */
int lake_roll_forward(struct lake *l, struct drip_error *err);

#endif
