/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text helpers of plugins: a growing buffer, rows as JSON lines and CSV, name patterns, and paths.
 * A buffer is used by one thread at a time.
 */
#ifndef DRIPLINE_TEXT_H
#define DRIPLINE_TEXT_H

#include <dripline/batch.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_TEXT_MAX ((size_t)1 << 30) /* bytes of one buffer */

/* Zeroed is empty. The first failure sticks in rc, later puts are ignored. */
struct drip_text {
	char *data; /* not terminated */
	size_t size, capacity;
	int rc; /* 0, -ENOMEM or -EOVERFLOW */
};

void drip_text_put(struct drip_text *t, const void *data, size_t size);
void drip_text_puts(struct drip_text *t, const char *text);
void drip_text_clear(struct drip_text *t);  /* keeps the memory */
void drip_text_finish(struct drip_text *t); /* frees it */
/* 0, or the failure that stuck, as an error. */
int drip_text_check(const struct drip_text *t, struct drip_error *err) DRIP_MUST_CHECK;

/* `size` bytes as a JSON string, with its quotes. Control characters are escaped. */
void drip_text_json_string(struct drip_text *t, const char *data, size_t size);
/*
 * One value as JSON: numbers (decimals too, in full) as numbers, JSON columns as they are, nulls as
 * null, all others, and floats that are not finite, as strings in the form of drip_value_format.
 */
void drip_text_json_value(struct drip_text *t, const struct drip_batch *batch, uint32_t column,
			  int64_t row);
/* One row as a JSON object on one line, without the line feed. `op_name` (may be NULL) is the name
 * of a first member that holds the row's op in words: "read", "insert", "update", ... */
void drip_text_json_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
			const char *op_name);
/* One CSV field (RFC 4180): quoted where it must be. An empty text is written as "". */
void drip_text_csv_field(struct drip_text *t, const char *data, size_t size);
/* One row as CSV, without the line feed; nulls are empty fields. */
void drip_text_csv_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
		       bool with_op);
/*
 * The same for people who open the file in a spreadsheet: before a text that one would take for a
 * formula (= + - @, tab, line feed or carriage return first, or these of full width) stands an
 * apostrophe; a text that is a plain number, as -5 or +12125550100, stays. Texts with a semicolon
 * or a tab, which separate fields in some countries, are quoted. After OWASP, "CSV Injection".
 */
void drip_text_csv_sheet_field(struct drip_text *t, const char *data, size_t size);
void drip_text_csv_sheet_row(struct drip_text *t, const struct drip_batch *batch, int64_t row,
			     bool with_op);

const char *drip_op_name(enum drip_op op); /* "read", "insert", "update", "delete", "before" */

#define DRIP_GLOB_CAPTURES_MAX 9

/* What a * or ? of a pattern stood for, in the text that was matched. */
struct drip_glob_capture {
	const char *data;
	size_t size;
};

/*
 * True where the whole of `text` matches `pattern`: * stands for any bytes, as few as will do, and
 * ? for one; ASCII case is ignored. `captures` (may be NULL) gets what each of the first
 * DRIP_GLOB_CAPTURES_MAX of them stood for. Takes time of the order of both lengths multiplied.
 */
bool drip_glob_match(const char *pattern, const char *text, struct drip_glob_capture *captures,
		     size_t *ret_count);
/* The same for a table: against "database.table" where the pattern has a dot, otherwise "table". */
bool drip_glob_table(const char *pattern, const char *database, const char *table);

/* Whether this user could write the file `path`, or make it with the folders above it; `folder`:
 * make files in that folder. 0 or a negative errno. Makes nothing. */
int drip_path_writable(const char *path, bool folder) DRIP_MUST_CHECK;

#ifdef __cplusplus
}
#endif

#endif
