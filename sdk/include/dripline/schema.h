/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas: shared, immutable, counted descriptions of the rows of one table. Build one with
 * drip_schema_builder, share it with drip_schema_ref. Column types map one to one to Arrow formats
 * (drip_type_format).
 */
#ifndef DRIPLINE_SCHEMA_H
#define DRIPLINE_SCHEMA_H

#include <dripline/arrow.h>
#include <dripline/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Arrow format in the comment. Values are stable: they are stored in checkpoints. */
enum drip_type {
	DRIP_TYPE_NONE = 0,
	DRIP_TYPE_BOOL = 1,           /* b */
	DRIP_TYPE_INT8 = 2,           /* c */
	DRIP_TYPE_INT16 = 3,          /* s */
	DRIP_TYPE_INT32 = 4,          /* i */
	DRIP_TYPE_INT64 = 5,          /* l */
	DRIP_TYPE_UINT8 = 6,          /* C */
	DRIP_TYPE_UINT16 = 7,         /* S */
	DRIP_TYPE_UINT32 = 8,         /* I */
	DRIP_TYPE_UINT64 = 9,         /* L */
	DRIP_TYPE_FLOAT32 = 10,       /* f */
	DRIP_TYPE_FLOAT64 = 11,       /* g */
	DRIP_TYPE_DECIMAL = 12,       /* d:precision,scale: 128 bits, precision 38 at most */
	DRIP_TYPE_UTF8 = 13,          /* u */
	DRIP_TYPE_BINARY = 14,        /* z */
	DRIP_TYPE_DATE = 15,          /* tdD: days since 1970-01-01 */
	DRIP_TYPE_TIME = 16,          /* ttu: microseconds since midnight, below 24 h */
	DRIP_TYPE_TIMESTAMP = 17,     /* tsu: microseconds, wall clock without a zone */
	DRIP_TYPE_TIMESTAMP_UTC = 18, /* tsu:UTC: microseconds since the epoch, an instant */
	DRIP_TYPE_DURATION = 19,      /* tDu: signed microseconds */
	DRIP_TYPE_JSON = 20,          /* u, holding one JSON text */
	DRIP_TYPE_UUID = 21,          /* u, holding 8-4-4-4-12 lower case */
};

/* Who may see a column, from anyone to almost nobody. */
enum drip_class {
	DRIP_CLASS_PUBLIC = 0,
	DRIP_CLASS_INTERNAL = 1,
	DRIP_CLASS_CONFIDENTIAL = 2,
	DRIP_CLASS_RESTRICTED = 3,
};

enum drip_column_flags {
	DRIP_COLUMN_NULLABLE = 1 << 0,
	DRIP_COLUMN_KEY = 1 << 1,    /* part of the primary key */
	DRIP_COLUMN_MASKED = 1 << 2, /* a mask made it from a more sensitive column */
	DRIP_COLUMN_LABEL = 1 << 3,  /* in training data: what the model shall predict */
};

struct drip_column {
	uint32_t struct_size;
	enum drip_type type;
	const char *name;
	const char *source_type; /* as the source spells it, "bigint(20) unsigned"; may be NULL */
	int32_t precision;       /* DECIMAL: digits; otherwise 0 */
	int32_t scale;  /* DECIMAL: digits after the point; TIME and TIMESTAMP: fraction digits of
			   the source */
	int64_t length; /* UTF8: characters at most, BINARY: bytes at most, 0: unknown */
	uint32_t flags; /* enum drip_column_flags */
	enum drip_class classification;
	/* What rows written before the column was added hold, as drip_value_format writes it;
	 * NULL: null, or not known. Built schemas have neither this nor renamed_from where
	 * DRIP_COLUMN_MASKED is set. */
	const char *fill;
	const char *renamed_from; /* its name in the schema version before; NULL: the same */
};

#define DRIP_COLUMNS_MAX 4096
#define DRIP_NAME_MAX    512 /* bytes of a table or column name */

struct drip_schema {
	uint32_t struct_size;
	uint32_t refs; /* private: use drip_schema_ref and drip_schema_unref */
	void (*release)(struct drip_schema *); /* private; thread-safe, does not block */
	const char *database;                  /* as the source names it; "" where it has none */
	const char *table;
	uint64_t version;                  /* grows with each DDL change of the table */
	const struct drip_column *columns; /* walked with the struct_size of the first */
	uint32_t columns_count;
	uint32_t keys_count;
};

/* Thread: any, for all of these. */
struct drip_schema *drip_schema_ref(const struct drip_schema *schema);
void drip_schema_unref(const struct drip_schema *schema); /* NULL is accepted */
const struct drip_column *drip_schema_column(const struct drip_schema *schema, uint32_t index);
/* The same as a struct of this release's size, its strings borrowed: to change and add to a
 * builder. What an older plugin did not know is 0. */
struct drip_column drip_schema_column_get(const struct drip_schema *schema, uint32_t index);
/* Index of a column by name (ASCII case ignored, exact match first), or -1. */
int drip_schema_find(const struct drip_schema *schema, const char *name);
/* The same for a column that an option names: -EINVAL with `code` where the table has none, and the
 * nearest name, or that `only` may be missing, as the hint. */
int drip_schema_require(const struct drip_schema *schema, const char *name, const char *code,
			struct drip_error *err) DRIP_MUST_CHECK;
bool drip_schema_equal(const struct drip_schema *a,
		       const struct drip_schema *b); /* names, types, keys, classes */

/* Builds a schema. Errors stick and come out of build. Caller-allocated, not shared between
 * threads. */
struct drip_schema_builder {
	char *database, *table;
	uint64_t version;
	struct drip_column *columns;
	uint32_t count, capacity;
	int rc;
};

void drip_schema_builder_init(struct drip_schema_builder *b, const char *database,
			      const char *table);
/* Starts from a copy of all of `from`'s columns; rename and reclassify by index below. */
void drip_schema_builder_from(struct drip_schema_builder *b, const struct drip_schema *from);
void drip_schema_builder_set_table(struct drip_schema_builder *b, const char *database,
				   const char *table);
/* Copies *column with its strings; returns its index. */
uint32_t drip_schema_builder_add(struct drip_schema_builder *b, const struct drip_column *column);
void drip_schema_builder_rename(struct drip_schema_builder *b, uint32_t index, const char *name);
/* For a column whose values were changed: what older rows hold is not known any more. */
void drip_schema_builder_clear_fill(struct drip_schema_builder *b, uint32_t index);
void drip_schema_builder_remove(struct drip_schema_builder *b, uint32_t index);
/* (gives) *ret_schema with one reference. Always finishes the builder, also on failure. -EINVAL for
 * duplicate names or a bad type. */
int drip_schema_builder_build(struct drip_schema_builder *b, struct drip_schema **ret_schema,
			      struct drip_error *err) DRIP_MUST_CHECK;
void drip_schema_builder_finish(struct drip_schema_builder *b);

/* Arrow format of a column into `buf` (32 bytes suffice), its type's name ("decimal(12,2)"), and
 * back from a name. */
void drip_type_format(const struct drip_column *column, char *buf, size_t size);
void drip_type_name(const struct drip_column *column, char *buf, size_t size);
int drip_type_parse(const char *name, struct drip_column *ret_column,
		    struct drip_error *err) DRIP_MUST_CHECK;
const char *drip_class_name(enum drip_class classification);
int drip_class_parse(const char *name, enum drip_class *ret_class); /* -EINVAL */
/* Bytes of one value in the data buffer, 0 for BOOL (bits) and for variable-length types. */
uint32_t drip_type_width(enum drip_type type);
bool drip_type_is_variable(enum drip_type type);

/* (gives) the Arrow schema of a batch with this schema: a struct, one child a column. */
int drip_schema_to_arrow(const struct drip_schema *schema, struct ArrowSchema *ret,
			 struct drip_error *err) DRIP_MUST_CHECK;
/* One JSON text, for the store; and back. The text is malloc'd (gives). */
int drip_schema_to_json(const struct drip_schema *schema, char **ret_json,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Reads what drip_schema_to_json wrote, and nothing else: -EINVAL with schema.malformed_json. */
int drip_schema_from_json(const char *json, struct drip_schema **ret_schema,
			  struct drip_error *err) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
