/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parts of the source `generate`. Every value is a pure function of the seed, the column and the
 * number of the event, so a replay from any position yields the same rows. One thread.
 */
#ifndef DRIPLINE_GENERATE_H
#define DRIPLINE_GENERATE_H

#include <dripline/dripline.h>

#define GENERATE_CHUNK        1024 /* rows made at a time, so that scratch arrays stay in cache */
#define GENERATE_BATCH_MAX    1048576 /* rows of one batch */
#define GENERATE_COLUMNS_MAX  1024
#define GENERATE_VALUES_MAX   4096 /* of one choice */
#define GENERATE_TEXT_MAX     4096 /* bytes of one text or binary value */
#define GENERATE_TICK_MS      20   /* of a rate: rows come in batches of this much time */
#define GENERATE_CYCLE        1000 /* events in one round of inserts, updates and deletes */
#define GENERATE_PASSES_MAX   19   /* updates of one key: at most this many */
#define GENERATE_TEMPLATE_MAX 256

enum generate_kind {
	GENERATE_SEQUENCE,
	GENERATE_INT,
	GENERATE_FLOAT,
	GENERATE_DECIMAL,
	GENERATE_BOOL,
	GENERATE_CHOICE,
	GENERATE_TEXT,
	GENERATE_TEMPLATE,
	GENERATE_TIMESTAMP,
	GENERATE_UUID,
	GENERATE_BINARY,
};

enum generate_on_update {
	GENERATE_ON_UPDATE_AUTO,
	GENERATE_ON_UPDATE_KEEP,
	GENERATE_ON_UPDATE_CHANGE
};

/* One entry of the option `columns`. */
struct generate_column_config {
	const char *name;
	struct drip_enum kind;
	const char *type;
	bool key;
	const char *classification;
	double nulls;
	double min, max;
	int64_t start, step;
	struct drip_pairs values;
	int64_t min_length, max_length;
	const char *template_text;
	const char *from;
	struct drip_duration every, jitter;
	struct drip_enum on_update;
};

struct generate_config {
	const char *database, *table;
	int64_t seed, rows, rate, batch_rows, transaction;
	double updates, deletes;
	struct drip_objects columns;
};

struct generate_column {
	enum generate_kind kind;
	struct drip_column column; /* strings borrowed from the config or static */
	uint64_t seed;
	uint64_t null_below; /* null where a draw is below it */
	bool changes;        /* an update draws it anew */
	int64_t low;         /* of int and decimal; start of sequence, timestamp */
	uint64_t range;      /* of int, decimal and jitter: number of values, 0: 2^64 */
	int64_t step;        /* of sequence, timestamp */
	double flow, fspan;  /* of float; fspan: share of true of bool */
	int64_t min_size;    /* of text and binary */
	uint64_t size_range;
	const char *prefix, *suffix; /* of template; not terminated */
	int64_t prefix_size, suffix_size;
	struct drip_column_builder values; /* of choice: one row a value */
	uint64_t *alias_below;             /* of choice, by Walker's alias method */
	uint32_t *alias;
	uint32_t values_count;
};

/* What the rows of one chunk are: inputs of the column functions. */
struct generate_chunk {
	int rows;
	uint64_t id[GENERATE_CHUNK];   /* number of the key */
	uint64_t draw[GENERATE_CHUNK]; /* the key and which update of it: what drawn values hang on
					*/
	uint64_t born[GENERATE_CHUNK]; /* event that inserted the key */
	uint64_t tick[GENERATE_CHUNK]; /* event that made the row as it is */
	uint8_t ops[GENERATE_CHUNK];   /* filled where there are changes */
};

/* Which event does what to which key, where there are updates or deletes. */
struct generate_changes {
	bool on;
	uint32_t inserts, updates, deletes; /* events of one cycle, together GENERATE_CYCLE */
	uint32_t passes;                    /* cycles after its own in which a key may be updated */
	uint32_t factor, inverse;           /* of the permutation of keys, modulo inserts */
	uint64_t seed;
	uint64_t early;                /* keys inserted where nothing could be updated yet */
	uint8_t kind[GENERATE_CYCLE];  /* enum drip_op of each event of a cycle */
	uint16_t rank[GENERATE_CYCLE]; /* its number among those of its kind */
	uint16_t insert_slot[GENERATE_CYCLE], update_slot[GENERATE_CYCLE]; /* the way back */
	uint16_t early_rank[GENERATE_PASSES_MAX + 1][GENERATE_CYCLE];
};

static inline uint64_t generate_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* generate_columns.c: appends chunk->rows values. Failures stay in `b`. */
void generate_fill(const struct generate_column *c, const struct generate_chunk *chunk,
		   struct drip_column_builder *b);

/* generate_changes.c: `updates` and `deletes` are shares of all events. */
int generate_changes_init(struct generate_changes *c, uint64_t seed, double updates, double deletes,
			  struct drip_error *err) DRIP_MUST_CHECK;
void generate_changes_chunk(const struct generate_changes *c, uint64_t event, int rows,
			    struct generate_chunk *chunk);

/* generate_setup.c: columns from the options; without any, those of an orders table. (gives) a
 * malloc'd array, to be freed with generate_columns_free. */
int generate_columns_make(const struct generate_config *config, struct generate_column **ret,
			  uint32_t *ret_count, struct drip_error *err) DRIP_MUST_CHECK;
void generate_columns_free(struct generate_column *columns, uint32_t count);
int generate_schema_make(const struct generate_config *config, struct drip_schema **ret,
			 struct drip_error *err) DRIP_MUST_CHECK;
#define GENERATE_COLUMN_OPTIONS 18
extern const struct drip_option generate_column_options[GENERATE_COLUMN_OPTIONS];

#endif
