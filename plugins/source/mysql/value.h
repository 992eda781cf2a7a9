/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values: from the text and binary protocols and from binlog row images straight into column
 * builders. Each column of a table being read has a cell, which says how; a row is a loop over
 * cells without allocation. All paths end in the same functions, so snapshot and stream give equal
 * values. Not shared between threads.
 */
#ifndef DRIPLINE_MYSQL_VALUE_H
#define DRIPLINE_MYSQL_VALUE_H

#include "types.h"

#include <dripline/builder.h>

struct drip_my_charset;

/* State that the cells of one source share. */
struct drip_my_values {
	enum drip_my_zero zero;
	int rc; /* first failure, with `error`; the row loop stops on it */
	struct drip_error error;
	uint64_t zero_dates;  /* dates that do not exist, given as null */
	uint64_t broken_text; /* texts with bytes that are none in their character set */
	struct drip_my_charset *charsets; /* list, owned */
	uint8_t *scratch;                 /* of inflated columns, owned */
	size_t scratch_size;
};

struct drip_my_cell;
typedef void (*drip_my_append)(const struct drip_my_cell *cell, const uint8_t *p, size_t n);

struct drip_my_cell {
	drip_my_append append;
	struct drip_column_builder *out; /* NULL: the column is not wanted */
	uint32_t fixed;                  /* wire, binary: bytes of a value; 0: length-prefixed */
	uint8_t prefix;                  /* wire: bytes of the length */
	uint8_t wire;
	uint16_t meta;
	const struct drip_my_column *column; /* (borrowed) */
	struct drip_my_values *values;       /* (borrowed) */
	struct drip_my_charset *charset;     /* NULL: UTF-8 or no text */
};

void drip_my_values_init(struct drip_my_values *v, enum drip_my_zero zero);
void drip_my_values_finish(struct drip_my_values *v);

/* A cell that reads the text protocol of a session whose character set is utf8mb4. */
void drip_my_cell_text(struct drip_my_cell *cell, const struct drip_my_column *column,
		       struct drip_my_values *values);
/* A cell that reads the binary protocol of such a session; `wire` is the type of the result. */
void drip_my_cell_binary(struct drip_my_cell *cell, const struct drip_my_column *column,
			 uint8_t wire, struct drip_my_values *values);
/* Finds the values in a row of the binary protocol; NULL for null. False: `p` is no such row. */
bool drip_my_row_split(const struct drip_my_cell *cells, uint32_t count, const uint8_t *p, size_t n,
		       const uint8_t **values, size_t *sizes);
/* The value of an INT column, in either protocol; negative ones as in two's complement. */
uint64_t drip_my_cell_integer(const struct drip_my_cell *cell, const uint8_t *p, size_t n);
/* A cell that reads row images with this type on the wire. -ENOTSUP: no such type or charset. */
int drip_my_cell_wire(struct drip_my_cell *cell, const struct drip_my_column *column, uint8_t wire,
		      uint16_t meta, struct drip_my_values *values,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* Sets `fixed` and `prefix` for a type on the wire; -ENOTSUP where it is unknown. */
int drip_my_wire_layout(uint8_t wire, uint16_t meta, uint32_t *ret_fixed, uint8_t *ret_prefix);

/* Appends where both paths meet. */
void drip_my_put_date(const struct drip_my_cell *c, int year, int month, int day);
void drip_my_put_datetime(const struct drip_my_cell *c, const int part[6], int64_t micros);
void drip_my_put_timestamp(const struct drip_my_cell *c, int64_t seconds, int64_t micros);
void drip_my_put_utf8(const struct drip_my_cell *c, const uint8_t *p, size_t n);
void drip_my_put_integer(const struct drip_my_cell *c, uint64_t v);
/* The first failure of a row: sticks in `values`. */
void drip_my_put_failed(const struct drip_my_cell *c, int rc, const char *code, const char *what);
int64_t drip_my_days(int64_t year, int month, int day);

/* (borrowed from `v`) the converter to UTF-8, NULL for UTF-8 itself, ASCII and binary. */
int drip_my_charset_get(struct drip_my_values *v, const char *name, struct drip_my_charset **ret,
			struct drip_error *err) DRIP_MUST_CHECK;
/* Appends `p` converted to UTF-8. */
void drip_my_charset_put(const struct drip_my_cell *c, const uint8_t *p, size_t n);
/* (gives) `p` converted, ended by NUL; NULL without memory. `cs` may be NULL. */
char *drip_my_charset_text(struct drip_my_charset *cs, const uint8_t *p, size_t n);
void drip_my_charsets_free(struct drip_my_values *v);

#endif
