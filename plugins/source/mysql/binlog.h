/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binlog events from bytes, wherever they come from: the network, a file, a fuzzer. Every read is
 * bounded by the event. Formats: MySQL internals manual, "Binary log"; MariaDB knowledge base,
 * "Replication protocol". No allocation but for compressed events and new table maps. Not shared
 * between threads.
 */
#ifndef DRIPLINE_MYSQL_BINLOG_H
#define DRIPLINE_MYSQL_BINLOG_H

#include "value.h"

#define DRIP_MY_EVENT_MAX   (1024u * 1024 * 1024 + 65536) /* bytes of an event */
#define DRIP_MY_HEADER_SIZE 19
#define DRIP_MY_FILE_MAX    256 /* bytes of a binlog file's name, with its end */
#define DRIP_MY_GTID_MAX    512 /* bytes of a GTID position, with its end */

enum drip_my_event_type {
	DRIP_MY_EVENT_QUERY = 2,
	DRIP_MY_EVENT_STOP = 3,
	DRIP_MY_EVENT_ROTATE = 4,
	DRIP_MY_EVENT_FORMAT = 15,
	DRIP_MY_EVENT_XID = 16,
	DRIP_MY_EVENT_EXECUTE_LOAD = 18,
	DRIP_MY_EVENT_TABLE_MAP = 19,
	DRIP_MY_EVENT_WRITE_V1 = 23,
	DRIP_MY_EVENT_UPDATE_V1 = 24,
	DRIP_MY_EVENT_DELETE_V1 = 25,
	DRIP_MY_EVENT_INCIDENT = 26,
	DRIP_MY_EVENT_HEARTBEAT = 27,
	DRIP_MY_EVENT_WRITE_V2 = 30,
	DRIP_MY_EVENT_UPDATE_V2 = 31,
	DRIP_MY_EVENT_DELETE_V2 = 32,
	DRIP_MY_EVENT_MYSQL_GTID = 33,
	DRIP_MY_EVENT_ANONYMOUS_GTID = 34,
	DRIP_MY_EVENT_XA_PREPARE = 38,
	DRIP_MY_EVENT_PARTIAL_UPDATE = 39,
	DRIP_MY_EVENT_PAYLOAD = 40,
	DRIP_MY_EVENT_MYSQL_TAGGED_GTID = 42,
	DRIP_MY_EVENT_ANNOTATE = 160,
	DRIP_MY_EVENT_GTID = 162,
	DRIP_MY_EVENT_GTID_LIST = 163,
	DRIP_MY_EVENT_START_ENCRYPTION = 164,
	DRIP_MY_EVENT_QUERY_COMPRESSED = 165,
	DRIP_MY_EVENT_WRITE_COMPRESSED_V1 = 166,
	DRIP_MY_EVENT_UPDATE_COMPRESSED_V1 = 167,
	DRIP_MY_EVENT_DELETE_COMPRESSED_V1 = 168,
	DRIP_MY_EVENT_WRITE_COMPRESSED = 169,
	DRIP_MY_EVENT_DELETE_COMPRESSED = 171,
};

#define DRIP_MY_EVENT_ARTIFICIAL                                                                   \
	0x20 /* flag: made by the server for this reader, not in the file */

/* Flags of MariaDB's GTID event. */
#define DRIP_MY_GTID_STANDALONE  0x01 /* no COMMIT follows */
#define DRIP_MY_GTID_PREPARED_XA 0x40 /* XA_PREPARE follows */

struct drip_my_event {
	uint8_t type;
	uint16_t flags;
	uint32_t timestamp; /* seconds since the epoch */
	uint32_t server_id;
	uint32_t end_pos;    /* as the server wrote it: wraps at 4 GiB, 0 where unknown */
	uint32_t size;       /* of the whole event, with its checksum */
	const uint8_t *body; /* (borrowed) behind the header */
	size_t body_size;    /* without checksum */
	const uint8_t *post; /* the post-header, body[0..post_size) */
	size_t post_size;
};

/* What one stream of events needs to be read. */
struct drip_my_format {
	bool checksum;
	bool known;      /* a format event was seen */
	bool unverified; /* checksums are not compared: for fuzzing only */
	uint8_t post_sizes[256];
	char server_version[51];
	uint8_t *inflated; /* of the current compressed event, owned */
	size_t inflated_size;
};

void drip_my_format_init(struct drip_my_format *f);
void drip_my_format_finish(struct drip_my_format *f);

/*
 * Reads the header of the event in data[0..size) and checks its checksum. A format event changes
 * `f`; a compressed event is inflated into it: then *ret is the plain event. -EBADMSG with
 * mysql.corrupt_event where the bytes are no event.
 */
int drip_my_event_parse(struct drip_my_format *f, const uint8_t *data, size_t size,
			struct drip_my_event *ret, struct drip_error *err) DRIP_MUST_CHECK;

/*
 * Where the event ends in its file, the one before having ended at `offset`. The server leaves out
 * events that this reader does not ask for; where it says the position, that counts.
 */
uint64_t drip_my_event_end(const struct drip_my_event *e, uint64_t offset);

struct drip_my_query {
	const char *database; /* (borrowed) not ended by NUL */
	size_t database_size;
	const char *sql;
	size_t sql_size;
	uint32_t collation_database; /* number; 0: unknown */
	uint32_t collation_server;   /* the default where the database has none of its own */
	uint32_t client_collation;
	uint64_t sql_mode;
};

/* Character set of new tables, as far as the event says. */
const char *drip_my_query_charset(const struct drip_my_query *q);
int drip_my_query_parse(const struct drip_my_event *e, struct drip_my_query *ret,
			struct drip_error *err) DRIP_MUST_CHECK;

struct drip_my_gtid {
	uint64_t sequence;
	uint32_t domain;
	uint32_t server_id;
	uint8_t flags;
};

int drip_my_gtid_parse(const struct drip_my_event *e, struct drip_my_gtid *ret,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Name and position of a ROTATE event. */
int drip_my_rotate_parse(const struct drip_my_event *e, char file[DRIP_MY_FILE_MAX],
			 uint64_t *ret_position, struct drip_error *err) DRIP_MUST_CHECK;

/* One column of a table map, from its types, metadata and optional metadata. */
struct drip_my_map_column {
	uint8_t wire; /* enum drip_my_wire, ENUM and SET told apart from STRING */
	uint16_t meta;
	bool nullable;
	bool is_unsigned;
	uint8_t key;        /* position in the primary key, 0: not in it */
	uint32_t collation; /* 0: unknown */
	const char *name;   /* (borrowed from the event) NULL: the metadata has no names */
	uint8_t name_size;
	const uint8_t *labels; /* ENUM, SET: length-encoded strings, or NULL */
	uint32_t labels_count;
	size_t labels_size;
	uint8_t geometry;
};

struct drip_my_map {
	uint64_t table_id;
	const char *database, *table; /* (borrowed) ended by NUL */
	uint32_t count;
	bool has_names, has_signs, has_key;
	bool mariadb; /* which counts other columns as numbers and texts than MySQL */
	struct drip_my_map_column *columns; /* owned */
	uint32_t capacity;
};

void drip_my_map_finish(struct drip_my_map *m);
/* *m keeps its memory from call to call. */
int drip_my_map_parse(const struct drip_my_format *f, const struct drip_my_event *e,
		      struct drip_my_map *m, struct drip_error *err) DRIP_MUST_CHECK;
/* Only the identifier: to see whether a map is one already read. */
uint64_t drip_my_map_id(const struct drip_my_format *f, const struct drip_my_event *e);
/* (gives) the table that the map describes by itself: names are needed in its metadata. `known`
 * (may be NULL) gives what the log does not say: that text is JSON, that bytes are a UUID. -ENOENT:
 * no names. */
int drip_my_map_table(const struct drip_my_map *m, const struct drip_my_table *known,
		      struct drip_my_table **ret, struct drip_error *err) DRIP_MUST_CHECK;

/* ---- rows ---- */

enum drip_my_change { DRIP_MY_CHANGE_INSERT, DRIP_MY_CHANGE_UPDATE, DRIP_MY_CHANGE_DELETE };

struct drip_my_rows {
	uint64_t table_id;
	enum drip_my_change change;
	uint16_t flags;
	uint32_t count;               /* columns in the images */
	const uint8_t *present;       /* bitmap of the (before) image */
	const uint8_t *present_after; /* of the after image of an update */
	const uint8_t *data, *end;
};

int drip_my_rows_parse(const struct drip_my_format *f, const struct drip_my_event *e,
		       struct drip_my_rows *ret, struct drip_error *err) DRIP_MUST_CHECK;
bool drip_my_event_is_rows(uint8_t type);

/* How rows of one table map become rows of one builder. */
struct drip_my_plan {
	struct drip_my_cell *cells; /* one a column of the map; owned */
	uint32_t count;
	uint32_t keys[DRIP_MY_KEY_MAX]; /* columns of the key, ascending */
	uint32_t keys_count;
	bool before_images;
	bool versioned; /* the last column says until when a row held: only rows of now count */
	struct drip_builder *builder; /* (borrowed) */
};

void drip_my_plan_finish(struct drip_my_plan *p);

/*
 * Decodes all rows of an event into the plan's builder. *ret_rows: changes in the event. -EBADMSG
 * for an image that does not fit, -ENOTSUP with mysql.partial_image where columns are missing; the
 * builder then holds whole rows only.
 */
int drip_my_rows_decode(const struct drip_my_rows *rows, const struct drip_my_plan *plan,
			uint64_t *ret_rows, struct drip_error *err) DRIP_MUST_CHECK;
/* One change: `before` NULL for an insert, `after` for a delete. Images end at the pointers behind.
 */
struct drip_my_image {
	const uint8_t *before, *before_end, *after, *after_end;
};
/* Yields the changes of an event one by one. 1, 0 at the end, or as drip_my_rows_decode. *at starts
 * as NULL. */
int drip_my_rows_next(const struct drip_my_rows *rows, const struct drip_my_plan *plan,
		      const uint8_t **at, struct drip_my_image *ret,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* Finds the value of column `index` of an image. False: null or not there. */
bool drip_my_image_value(const struct drip_my_plan *plan, const uint8_t *image, const uint8_t *end,
			 uint32_t index, const uint8_t **ret, size_t *ret_size);

#endif
