/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DuckDB's errors as Dripline's. Some come with a type, some as text only, but the text always
 * begins with the type's name, so it alone decides. Thread: the session's.
 */
#include "private.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct error_class {
	const char *prefix; /* of DuckDB's message */
	const char *part;   /* that the message also contains, or NULL */
	int rc;
	bool retryable;
	const char *code;
	const char *hint;
};

/* In order: the first that fits. */
static const struct error_class classes[] = {
	{"INTERRUPT", NULL, -ECANCELED, false, "duckdb.interrupted", NULL},
	{"FATAL", NULL, -EIO, true, "duckdb.instance_invalid",
	 "The database is opened again once all its users have let go of it."},
	{"INTERNAL", NULL, -EIO, true, "duckdb.instance_invalid",
	 "The database is opened again once all its users have let go of it."},
	{"Out of Memory", "offload", -ENOMEM, true, "duckdb.out_of_memory",
	 "Raise temp_limit, or free space in temp_directory."},
	{"Out of Memory", NULL, -ENOMEM, true, "duckdb.out_of_memory",
	 "Raise memory_limit of the connection."},
	{"TransactionContext", "aborted", -ECANCELED, true, "duckdb.transaction_aborted",
	 "An earlier statement of the transaction failed; roll back and begin anew."},
	{"TransactionContext", "No space left", -ENOSPC, true, "duckdb.disk_full",
	 "Free space on the disk of the database and of temp_directory."},
	{"TransactionContext", "Could not write", -EIO, true, "duckdb.io_error", NULL},
	{"TransactionContext", NULL, -EAGAIN, true, "duckdb.conflict",
	 "Another transaction changed the same rows; this one can be repeated."},
	{"IO", "No space left", -ENOSPC, true, "duckdb.disk_full",
	 "Free space on the disk of the database and of temp_directory."},
	{"IO", "lock on file", -EBUSY, true, "duckdb.locked",
	 "DuckDB lets one process open a file: stop the other one, or leave out --connect where a "
	 "configuration is only checked."},
	{"IO", "Permission denied", -EACCES, true, "duckdb.io_error",
	 "Check owner and mode of the file and its folder."},
	{"IO", "not a valid DuckDB database", -EBADMSG, false, "duckdb.io_error",
	 "Another program wrote the file: correct the path, or move the file away."},
	{"IO", NULL, -EIO, true, "duckdb.io_error", NULL},
	{"Connection", NULL, -EIO, true, "duckdb.io_error", NULL},
	{"Constraint", NULL, -EEXIST, false, "duckdb.constraint",
	 "Tables that Dripline writes carry no keys and no checks; look for one that was added."},
	{"Conversion", NULL, -EINVAL, false, "duckdb.conversion", NULL},
	{"Out of Range", NULL, -ERANGE, false, "duckdb.conversion", NULL},
	{"Permission", NULL, -EACCES, false, "duckdb.not_permitted",
	 "See external_access and lock_configuration of the connection."},
	{"Parser", NULL, -EINVAL, false, "duckdb.syntax", NULL},
	{"Catalog", "Table with name", -ENXIO, false, "duckdb.no_table", NULL},
	{"Dependency", NULL, -EBUSY, false, "duckdb.sql", NULL},
};

/* True where `text` begins with "PREFIX Error", or holds it behind "Error: " of an outer one. */
static bool is_class(const struct error_class *class, const char *text)
{
	size_t size = strlen(class->prefix);

	if (strncasecmp(text, class->prefix, size) != 0 ||
	    strncasecmp(text + size, " Error", 6) != 0) {
		return false;
	}
	return class->part == NULL || strcasestr(text, class->part) != NULL;
}

static const struct error_class *find_class(const char *text)
{
	/* Failed commits wrap the reason. */
	static const char wrapper[] = "Failed to commit: ";
	const char *inner = strstr(text, wrapper);

	if (inner != NULL) {
		const struct error_class *class = find_class(inner + sizeof(wrapper) - 1);

		if (class != NULL) {
			return class;
		}
	}
	for (size_t i = 0; i < DRIP_COUNT(classes); i++) {
		if (is_class(&classes[i], text)) {
			return &classes[i];
		}
	}
	return NULL;
}

/* DuckDB's first line, without trailing blanks and what it says to read. */
static void first_line(const char *text, char *buf, size_t size)
{
	size_t n = strcspn(text, "\n");
	const char *link = strstr(text, " See also http");

	if (link != NULL && (size_t)(link - text) < n) {
		n = (size_t)(link - text);
	}
	if (n >= size) {
		n = size - 1;
	}
	memcpy(buf, text, n);
	while (n > 0 && (buf[n - 1] == ' ' || buf[n - 1] == '.')) {
		n--;
	}
	buf[n] = '\0';
}

/* DuckDB's own suggestion, which stands in a line of its own. */
static void suggest(const char *text, struct drip_error *err)
{
	static const char names[] = "\nCandidate bindings: ", other[] = "\nDid you mean ";
	const char *at = strstr(text, names);

	if (at != NULL) {
		at += sizeof(names) - 1;
	} else {
		at = strstr(text, other);
		at = at != NULL ? at + sizeof(other) - 1 : NULL;
	}
	/* The engine's own tables are nobody's slip. */
	if (at != NULL && strncmp(at, "\"pg_", 4) != 0 && strncmp(at, "\"duckdb_", 8) != 0) {
		int size = (int)strcspn(at, "?\n");

		drip_error_hint(err, "Did you mean %.*s?", size, at);
	}
}

/* The column of what stands over a caret: DuckDB gives tabs no width, and counts characters. */
static unsigned column_at(const char *shown, size_t width)
{
	unsigned column = 1;

	while (*shown != '\0' && *shown != '\n' && (width > 0 || *shown == '\t')) {
		width -= *shown != '\t';
		column++;
		for (shown++; (*shown & 0xc0) == 0x80; shown++) {
		}
	}
	return column;
}

/* Where `part` begins in line `line` of `sql`, in characters; SIZE_MAX where it does not stand
 * there exactly once. */
static size_t find_part(const char *sql, unsigned line, const char *part, size_t size)
{
	size_t at = SIZE_MAX, n = 0;
	const char *end;

	while (line-- > 1) {
		sql = strchr(sql, '\n');
		if (sql == NULL) {
			return SIZE_MAX;
		}
		sql++;
	}
	end = strchrnul(sql, '\n');
	for (; sql + size <= end; sql++) {
		if (memcmp(sql, part, size) == 0) {
			if (at != SIZE_MAX) {
				return SIZE_MAX;
			}
			at = n;
		}
		n += (*sql & 0xc0) != 0x80;
	}
	return at;
}

/* Of a long line DuckDB shows a part between dots: where it stands in the line. */
static unsigned column_in_part(const struct drip_duck_session *s, const char *shown, size_t caret)
{
	const char *part = shown + 3;
	size_t size = strcspn(part, "\n"), at;

	if (size > 3 && strncmp(part + size - 3, "...", 3) == 0) {
		size -= 3;
	}
	if (s->error_sql == NULL || caret < 3 || size == 0) {
		return 0;
	}
	at = find_part(s->error_sql, s->error_line, part, size);
	return at != SIZE_MAX ? (unsigned)(at + column_at(part, caret - 3)) : 0;
}

/* "LINE 2: FROM t" and below it a caret. */
static void find_place(const char *text, struct drip_duck_session *s)
{
	const char *at = strstr(text, "\n\nLINE "), *shown, *below;
	size_t caret, before;
	char *end;

	s->error_line = s->error_column = 0;
	if (at == NULL) {
		return;
	}
	at += 2;
	s->error_line = (unsigned)strtoul(at + 5, &end, 10);
	shown = end + strspn(end, ": ");
	shown = shown > end + 2 ? end + 2 : shown; /* blanks behind are the line's own */
	below = strchr(at, '\n');
	if (below == NULL) {
		return;
	}
	caret = strcspn(below + 1, "^");
	before = (size_t)(shown - at);
	if (caret < before) {
		return;
	}
	s->error_column = strncmp(shown, "...", 3) == 0 ? column_in_part(s, shown, caret - before)
							: column_at(shown, caret - before);
}

static void mark(struct drip_duck_session *s, const char *text, const struct error_class *class)
{
	if (s == NULL) {
		return;
	}
	find_place(text, s);
	if (s->in_transaction) {
		s->failed = true;
	}
	if (class != NULL && strcmp(class->code, "duckdb.instance_invalid") == 0) {
		pthread_mutex_lock(&s->duck->lock);
		s->duck->invalid = true;
		pthread_mutex_unlock(&s->duck->lock);
	}
}

int drip_duck_error(struct drip_duck_session *session, const char *text, const char *doing,
		    struct drip_error *err)
{
	const struct error_class *class;
	char line[480];

	text = text != NULL ? text : "unknown error";
	class = find_class(text);
	mark(session, text, class);
	first_line(text, line, sizeof(line));
	if (class == NULL) {
		drip_error_set(err, -EINVAL, "duckdb.sql", "cannot %s: %s", doing, line);
		suggest(text, err);
		return -EINVAL;
	}
	if (class->retryable) {
		drip_error_set_retryable(err, class->rc, class->code, "could not %s: %s", doing,
					 line);
	} else {
		drip_error_set(err, class->rc, class->code, "cannot %s: %s", doing, line);
	}
	if (class->hint != NULL) {
		drip_error_hint(err, "%s", class->hint);
	} else {
		suggest(text, err);
	}
	return class->rc;
}
