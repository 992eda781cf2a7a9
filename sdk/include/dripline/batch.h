/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches: rows of one table with one schema as an Arrow struct array, with the op of each row and
 * the position in the source where the batch ends. A batch is counted and immutable once emitted:
 * fan-out shares it, a transform that changes columns makes a new batch and shares the buffers that
 * it keeps. Release is thread-safe, does not block and does not call the host.
 */
#ifndef DRIPLINE_BATCH_H
#define DRIPLINE_BATCH_H

#include <dripline/schema.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A position orders what one source partition yields: `order` bytes compare with memcmp (shorter is
 * smaller where equal). */
#define DRIP_POSITION_ORDER_MAX  64
#define DRIP_POSITION_DETAIL_MAX 1024
#define DRIP_PARTITION_MAX       96

struct drip_position {
	uint32_t struct_size;
	uint16_t order_size;
	uint16_t detail_size;
	/* "" where the source has one; "topic/12" for Kafka; "dripline." at its start is the
	 * engine's */
	char partition[DRIP_PARTITION_MAX];
	uint8_t order[DRIP_POSITION_ORDER_MAX]; /* order-preserving encoding */
	char detail[DRIP_POSITION_DETAIL_MAX];  /* what the source needs to resume, its own form;
						   opaque to others */
	char text[160];                         /* printable: "mysql-bin.000004:7788 gtid 0-1-95" */
};

/* <0, 0, >0; both of one partition. */
int drip_position_compare(const struct drip_position *a, const struct drip_position *b);
/* Appends a big-endian integer to `order`. */
void drip_position_add_u64(struct drip_position *p, uint64_t value);

enum drip_op {
	DRIP_OP_READ = 'r', /* a row of a snapshot or a query */
	DRIP_OP_INSERT = 'i',
	DRIP_OP_UPDATE = 'u', /* the row after the change; its key has not changed */
	DRIP_OP_DELETE = 'd', /* the row before the change; an update that changes the key is a
				 DELETE, then an INSERT */
	DRIP_OP_BEFORE = 'b', /* the row before the UPDATE that follows it directly; only where
				 before images are asked for */
};

enum drip_batch_kind {
	DRIP_BATCH_ROWS = 0,
	DRIP_BATCH_TRUNCATE = 1, /* all rows of the table are gone; no rows */
	DRIP_BATCH_SCHEMA = 2, /* the table now has `schema`; no rows. Rows of a new schema need no
				  such batch before them */
	DRIP_BATCH_DROP = 3,   /* the table is gone; no rows */
	DRIP_BATCH_MARK = 4,   /* no table, no rows: only moves the position. `schema` is NULL */
	DRIP_BATCH_GONE = 5, /* from a source to its feed and no further: the table has another name
				now, and no more rows come under this one */
};

struct drip_batch {
	uint32_t struct_size;
	uint32_t refs;                        /* private */
	void (*release)(struct drip_batch *); /* private */
	enum drip_batch_kind kind;
	uint8_t op;    /* enum drip_op of all rows where `ops` is NULL */
	bool boundary; /* the source may resume at `position`: it is a transaction boundary */
	bool snapshot; /* rows of an initial snapshot */
	const struct drip_schema *schema; /* one reference is held */
	struct ArrowArray array; /* struct array, offset 0, children in schema order; each child may
				    have an offset */
	const uint8_t *ops;      /* enum drip_op of each row, or NULL */
	int64_t rows;
	uint64_t bytes;         /* of all buffers, for queues and budgets */
	int64_t commit_time_us; /* of the source's commit, microseconds since the epoch; 0: unknown
				 */
	uint64_t sequence;      /* given by the host at emit, grows by one */
	struct drip_position position; /* where the source stands after this batch */
	void *private_data;
};

/* Thread: any. */
struct drip_batch *drip_batch_ref(const struct drip_batch *batch);
void drip_batch_unref(const struct drip_batch *batch); /* NULL is accepted */

static inline enum drip_op drip_batch_op(const struct drip_batch *b, int64_t row)
{
	return (enum drip_op)(b->ops != NULL ? b->ops[row] : b->op);
}

/*
 * (gives) A batch of `schema` (referenced) over `array` (takes, also on failure) and `ops` (takes a
 * malloc'd array of array->length bytes, or NULL for `op`). Position, boundary, snapshot and commit
 * time are the caller's to fill. Computes rows and bytes.
 */
int drip_batch_create(const struct drip_schema *schema, struct ArrowArray *array, uint8_t *ops,
		      enum drip_op op, struct drip_batch **ret_batch,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) A batch without rows. `schema` may be NULL for DRIP_BATCH_MARK. */
int drip_batch_create_control(enum drip_batch_kind kind, const struct drip_schema *schema,
			      struct drip_batch **ret_batch,
			      struct drip_error *err) DRIP_MUST_CHECK;
/*
 * (gives) A batch with the ops, position and marks of `from`, and `columns[i]` (takes each, also on
 * failure) as its i-th column. A column kept from `from` is made with drip_column_share.
 */
int drip_batch_derive(const struct drip_batch *from, const struct drip_schema *schema,
		      struct ArrowArray *columns, struct drip_batch **ret_batch,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) *ret is column `index` of `from`, its buffers shared; it holds a reference to `from`. */
int drip_column_share(const struct drip_batch *from, uint32_t index, struct ArrowArray *ret,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) rows [start, start + count) of `from`, buffers shared; for cutting a large batch.
 * Position as in `from`; `boundary` only where the slice holds the last row. */
int drip_batch_slice(const struct drip_batch *from, int64_t start, int64_t count,
		     struct drip_batch **ret_batch, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) The rows whose index stands in `rows`, ascending, copied. */
int drip_batch_take(const struct drip_batch *from, const int64_t *rows, int64_t count,
		    struct drip_batch **ret_batch, struct drip_error *err) DRIP_MUST_CHECK;
/*
 * (gives) The rows of `from` whose op `keeps` accepts: `from` itself where that is all of them,
 * NULL where it is none. *ret_left counts the others.
 */
int drip_batch_keep_ops(const struct drip_batch *from, bool (*keeps)(enum drip_op op, void *data),
			void *data, struct drip_batch **ret_batch, int64_t *ret_left,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Checks that array and schema agree: lengths, buffer counts, offsets ascending. Used at plugin
 * borders. */
int drip_batch_validate(const struct drip_batch *batch, struct drip_error *err) DRIP_MUST_CHECK;

/* One value of one row, for code that is not on a hot path: dead letters, tap, stdout. */
struct drip_value {
	enum drip_type type; /* DRIP_TYPE_NONE: null */
	int64_t i;           /* BOOL, INT*, DATE, TIME, TIMESTAMP*, DURATION */
	uint64_t u;          /* UINT* */
	double f;            /* FLOAT* */
	const char *data; /* UTF8, BINARY, JSON, UUID: (borrowed) from the batch; DECIMAL: 16 bytes,
			     little endian */
	int64_t size;     /* bytes of data */
};

bool drip_is_null(const struct ArrowArray *column, int64_t row);
void drip_value_get(const struct drip_batch *batch, uint32_t column, int64_t row,
		    struct drip_value *ret);
/*
 * The text of a value as every text output of Dripline writes it: integers and decimals in full,
 * floats in the shortest form that reads back equal, dates ISO 8601, TIMESTAMP_UTC with a Z, BINARY
 * as hex. Returns the length like snprintf.
 */
int drip_value_format(const struct drip_value *value, const struct drip_column *column, char *buf,
		      size_t size);

#ifdef __cplusplus
}
#endif

#endif
