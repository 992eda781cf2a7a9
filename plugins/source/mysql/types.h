/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Column and table descriptions as MySQL and MariaDB know them, and their Dripline types. One
 * parser reads types from information_schema and from DDL, so that both give equal descriptions.
 * Threads: the caller's; nothing is shared.
 */
#ifndef DRIPLINE_MYSQL_TYPES_H
#define DRIPLINE_MYSQL_TYPES_H

#include "lex.h"

#include <dripline/schema.h>

#define DRIP_MY_LABELS_MAX  65535 /* values of an ENUM */
#define DRIP_MY_KEY_MAX     32    /* columns of a key */
#define DRIP_MY_CHARSET_MAX 32    /* bytes of a character set's name, with its end */

/* Types on the wire: the byte in a TABLE_MAP event. */
enum drip_my_wire {
	DRIP_MY_WIRE_DECIMAL = 0,
	DRIP_MY_WIRE_TINY = 1,
	DRIP_MY_WIRE_SHORT = 2,
	DRIP_MY_WIRE_LONG = 3,
	DRIP_MY_WIRE_FLOAT = 4,
	DRIP_MY_WIRE_DOUBLE = 5,
	DRIP_MY_WIRE_NULL = 6,
	DRIP_MY_WIRE_TIMESTAMP = 7,
	DRIP_MY_WIRE_LONGLONG = 8,
	DRIP_MY_WIRE_INT24 = 9,
	DRIP_MY_WIRE_DATE = 10,
	DRIP_MY_WIRE_TIME = 11,
	DRIP_MY_WIRE_DATETIME = 12,
	DRIP_MY_WIRE_YEAR = 13,
	DRIP_MY_WIRE_NEWDATE = 14,
	DRIP_MY_WIRE_VARCHAR = 15,
	DRIP_MY_WIRE_BIT = 16,
	DRIP_MY_WIRE_TIMESTAMP2 = 17,
	DRIP_MY_WIRE_DATETIME2 = 18,
	DRIP_MY_WIRE_TIME2 = 19,
	DRIP_MY_WIRE_BLOB_COMPRESSED = 140,
	DRIP_MY_WIRE_VARCHAR_COMPRESSED = 141,
	DRIP_MY_WIRE_JSON = 245,
	DRIP_MY_WIRE_NEWDECIMAL = 246,
	DRIP_MY_WIRE_ENUM = 247,
	DRIP_MY_WIRE_SET = 248,
	DRIP_MY_WIRE_TINY_BLOB = 249,
	DRIP_MY_WIRE_MEDIUM_BLOB = 250,
	DRIP_MY_WIRE_LONG_BLOB = 251,
	DRIP_MY_WIRE_BLOB = 252,
	DRIP_MY_WIRE_VAR_STRING = 253,
	DRIP_MY_WIRE_STRING = 254,
	DRIP_MY_WIRE_GEOMETRY = 255,
};

/* What a column holds. */
enum drip_my_kind {
	DRIP_MY_UNKNOWN = 0,
	DRIP_MY_INT, /* `bytes` 1, 2, 3, 4 or 8 */
	DRIP_MY_FLOAT,
	DRIP_MY_DOUBLE,
	DRIP_MY_DECIMAL,
	DRIP_MY_BIT,
	DRIP_MY_YEAR,
	DRIP_MY_DATE,
	DRIP_MY_TIME,
	DRIP_MY_DATETIME,
	DRIP_MY_TIMESTAMP,
	DRIP_MY_CHAR,    /* BINARY where the charset is "binary" */
	DRIP_MY_VARCHAR, /* VARBINARY */
	DRIP_MY_TEXT,    /* `bytes` 1 to 4 of the length; BLOB */
	DRIP_MY_ENUM,
	DRIP_MY_SET,
	DRIP_MY_JSON, /* MySQL's binary form */
	DRIP_MY_GEOMETRY,
	DRIP_MY_UUID,
	DRIP_MY_INET4,
	DRIP_MY_INET6,
};

/* What to do with dates such as 0000-00-00 and 2024-02-31. */
enum drip_my_zero {
	DRIP_MY_ZERO_NULL = 0,
	DRIP_MY_ZERO_TEXT = 1, /* all dates and timestamps become text */
	DRIP_MY_ZERO_ERROR = 2,
};

struct drip_my_column {
	char *name; /* UTF-8 */
	enum drip_my_kind kind;
	uint8_t bytes;     /* INT, TEXT: see above */
	uint8_t fsp;       /* fraction digits of TIME, DATETIME, TIMESTAMP */
	uint8_t precision; /* DECIMAL */
	uint8_t scale;     /* DECIMAL */
	uint8_t key;       /* 1 for the first column of the key; 0: not in it */
	bool is_unsigned;
	bool nullable;
	bool json;         /* text that a check holds to be JSON: MariaDB's JSON */
	bool compressed;   /* MariaDB's COMPRESSED attribute */
	uint32_t length;   /* CHAR, VARCHAR: characters; BIT: bits; INT: display width */
	char geometry[24]; /* "point" */
	char charset[DRIP_MY_CHARSET_MAX]; /* "binary", "utf8mb4"; "" for what is no text */
	char **labels;                     /* ENUM, SET: values, UTF-8 */
	uint32_t labels_count;
	/* What the statement that made this description did; not part of the stored state. */
	char *renamed_from; /* the column's name before; NULL: the same */
	char *fill;         /* ADD: what rows have that were there before, as the server writes it;
			       NULL: null, or see unfilled */
	bool unfilled;      /* ADD: older rows have values, but which is not known */
	bool added;         /* ADD */
	bool computed;      /* MODIFY: the definition makes new values: AS (...), FLOAT(7,2) */
};

struct drip_my_table {
	char *database, *name;
	struct drip_my_column *columns;
	uint32_t count;
	uint64_t version;                  /* grows with each DDL */
	char charset[DRIP_MY_CHARSET_MAX]; /* default of new columns */
	bool transactional;
	bool lost_rows;   /* the statement removed rows without a word in the log; not stored */
	bool lost_values; /* the same of values that it changed */
	uint64_t rows_estimate;
};

/*
 * Reads a type with its attributes (UNSIGNED, CHARACTER SET, COLLATE, COMPRESSED...) at the current
 * token into *c, whose name stays; leaves the lexer at the first token that is none of them.
 * -EINVAL: not a type. `charset` is the table's default.
 */
int drip_my_type_parse(struct drip_my_lex *l, const char *charset, struct drip_my_column *c);
/* The type as information_schema.COLUMNS writes it ("bigint(20) unsigned"). Length as snprintf. */
int drip_my_type_text(const struct drip_my_column *c, char *buf, size_t size);
/* Fills type, precision, scale, length and flags of *ret; name is borrowed from `c`. source_type is
 * left NULL. */
void drip_my_type_column(const struct drip_my_column *c, enum drip_my_zero zero,
			 struct drip_column *ret);
/* May a column on the wire, of this type and metadata, be `c`? */
bool drip_my_type_matches(const struct drip_my_column *c, uint8_t wire, uint16_t meta);

/* Forgets what the last statement did: fill, renamed_from and the marks after them. */
void drip_my_column_settle(struct drip_my_column *c);
void drip_my_column_finish(struct drip_my_column *c);
int drip_my_column_copy(const struct drip_my_column *from, struct drip_my_column *ret);
bool drip_my_column_equal(const struct drip_my_column *a, const struct drip_my_column *b);

/* (gives) an empty table; NULL without memory. */
struct drip_my_table *drip_my_table_create(const char *database, const char *name);
void drip_my_table_destroy(struct drip_my_table *t); /* NULL is accepted */
struct drip_my_table *drip_my_table_copy(const struct drip_my_table *t);
/* Inserts *column (takes) at `index`, `count` at most. */
int drip_my_table_insert(struct drip_my_table *t, uint32_t index, struct drip_my_column *column);
void drip_my_table_remove(struct drip_my_table *t, uint32_t index);
int drip_my_table_find(const struct drip_my_table *t, const char *column); /* index or -1 */
bool drip_my_table_equal(const struct drip_my_table *a, const struct drip_my_table *b);
/* Indexes of the key's columns in key order into `ret`; their count. */
uint32_t drip_my_table_key(const struct drip_my_table *t, uint32_t ret[DRIP_MY_KEY_MAX]);

/* Name of the character set of a collation's number ("latin1" of 8), or NULL; and bytes of a
 * character at most in it. */
const char *drip_my_charset_of_collation(uint32_t collation);
const char *drip_my_charset_of_collation_name(const char *collation, char *buf, size_t size);
uint32_t drip_my_charset_width(const char *charset);

#endif
