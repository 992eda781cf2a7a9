/* SPDX-License-Identifier: Apache-2.0 */
/* Findings: collecting, sorting and printing. One list belongs to one thread. Where memory is out,
 * a finding is counted as dropped, so an error is never forgotten. */
#include "base/findings.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MAX_BYTES 2048

void drip_findings_init(struct drip_findings *f)
{
	memset(f, 0, sizeof(*f));
}

static void finding_finish(struct drip_finding *item)
{
	free(item->file);
	free(item->code);
	free(item->message);
	free(item->hint);
}

void drip_findings_finish(struct drip_findings *f)
{
	for (size_t i = 0; i < f->count; i++) {
		finding_finish(&f->items[i]);
	}
	free(f->items);
	memset(f, 0, sizeof(*f));
}

static void count_severity(struct drip_findings *f, enum drip_severity severity)
{
	if (severity == DRIP_SEVERITY_ERROR) {
		f->errors++;
	} else if (severity == DRIP_SEVERITY_WARNING) {
		f->warnings++;
	}
}

static bool grow(struct drip_findings *f)
{
	size_t capacity = f->capacity == 0 ? 16 : f->capacity * 2;
	struct drip_finding *items;

	if (f->count < f->capacity) {
		return true;
	}
	items = drip_realloc(f->items, capacity * sizeof(*items));
	if (items == NULL) {
		return false;
	}
	f->items = items;
	f->capacity = capacity;
	return true;
}

static void add(struct drip_findings *f, enum drip_severity severity, const char *file, int line,
		int column, const char *code, const char *hint, const char *message)
{
	struct drip_finding item = {.severity = severity, .line = line, .column = column};

	count_severity(f, severity);
	if (f->count >= DRIP_FINDINGS_MAX || !grow(f)) {
		f->dropped++;
		return;
	}
	item.file = drip_strdup(file);
	item.code = drip_strdup(code);
	item.message = drip_strdup(message);
	item.hint = hint != NULL && hint[0] != '\0' ? drip_strdup(hint) : NULL;
	if (item.file == NULL || item.code == NULL || item.message == NULL) {
		finding_finish(&item);
		f->dropped++;
		return;
	}
	f->items[f->count++] = item;
}

void drip_findings_add(struct drip_findings *f, enum drip_severity severity,
		       const struct drip_place *place, const char *code, const char *hint,
		       const char *fmt, ...)
{
	char message[MESSAGE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	add(f, severity, place != NULL && place->file != NULL ? place->file : "",
	    place != NULL ? place->line : 0, place != NULL ? place->column : 0, code, hint,
	    message);
}

/* Splits "file:line:column"; false where the text has another form. */
static bool split_place(const char *text, char *file, size_t size, int *ret_line, int *ret_column)
{
	const char *second = strrchr(text, ':'), *first;
	char *end;
	long line, column;

	if (second == NULL || second == text) {
		return false;
	}
	first = memrchr(text, ':', (size_t)(second - text));
	if (first == NULL || (size_t)(first - text) >= size) {
		return false;
	}
	line = strtol(first + 1, &end, 10);
	if (end != second || line < 1 || line > 1 << 30) {
		return false;
	}
	column = strtol(second + 1, &end, 10);
	if (*end != '\0' || end == second + 1 || column < 1 || column > 1 << 30) {
		return false;
	}
	snprintf(file, size, "%.*s", (int)(first - text), text);
	*ret_line = (int)line;
	*ret_column = (int)column;
	return true;
}

/* An error that the input cannot mend: a server, a file, a permission. */
static bool is_environment(const struct drip_error *err)
{
	if (err->retryable || strncmp(err->code, "system.", 7) == 0) {
		return true;
	}
	if (strncmp(err->code, "plugin.", 7) == 0 || strncmp(err->code, "security.", 9) == 0) {
		return false; /* the line that names the plugin, or the sink, is wrong */
	}
	switch (err->rc) {
	case -EACCES:
	case -EPERM:
	case -EROFS:
	case -EIO:
	case -ENOSPC:
	case -EBADMSG:
		return true;
	default:
		return false;
	}
}

void drip_findings_add_error(struct drip_findings *f, enum drip_severity severity,
			     const struct drip_place *place, const struct drip_error *err)
{
	char file[sizeof(err->place)], message[MESSAGE_MAX_BYTES];
	int line, column;

	if (severity == DRIP_SEVERITY_ERROR && is_environment(err)) {
		f->environment = true;
	}
	if (split_place(err->place, file, sizeof(file), &line, &column)) {
		add(f, severity, file, line, column, err->code, err->hint, err->message);
		return;
	}
	if (err->place[0] != '\0') {
		snprintf(message, sizeof(message), "%s (%s)", err->message, err->place);
	} else {
		snprintf(message, sizeof(message), "%s", err->message);
	}
	drip_findings_add(f, severity, place, err->code, err->hint, "%s", message);
}

static int compare(const struct drip_finding *a, const struct drip_finding *b)
{
	int rc = strcmp(a->file, b->file);

	if (rc == 0) {
		rc = (a->line > b->line) - (a->line < b->line);
	}
	if (rc == 0) {
		rc = (a->column > b->column) - (a->column < b->column);
	}
	return rc;
}

static void discard(struct drip_findings *f, struct drip_finding *item)
{
	f->errors -= item->severity == DRIP_SEVERITY_ERROR;
	f->warnings -= item->severity == DRIP_SEVERITY_WARNING;
	finding_finish(item);
}

/* Drops what stands twice: a file that two documents include has its problems once. */
static void drop_doubles(struct drip_findings *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++) {
		struct drip_finding *last = kept > 0 ? &f->items[kept - 1] : NULL;
		struct drip_finding *item = &f->items[i];

		if (last == NULL || compare(last, item) != 0 || last->severity != item->severity ||
		    strcmp(last->code, item->code) != 0 ||
		    strcmp(last->message, item->message) != 0) {
			f->items[kept++] = *item;
			continue;
		}
		discard(f, item);
	}
	f->count = kept;
}

void drip_findings_drop(struct drip_findings *f,
			bool (*drop)(const struct drip_findings *f, const struct drip_finding *item,
				     void *data),
			void *data)
{
	bool out[DRIP_FINDINGS_MAX];
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++) {
		out[i] = drop(f, &f->items[i], data);
	}
	for (size_t i = 0; i < f->count; i++) {
		if (out[i]) {
			discard(f, &f->items[i]);
		} else {
			f->items[kept++] = f->items[i];
		}
	}
	f->count = kept;
}

void drip_findings_cut(struct drip_findings *f, size_t from, size_t to)
{
	if (from >= to) {
		return;
	}
	for (size_t i = from; i < to; i++) {
		discard(f, &f->items[i]);
	}
	memmove(&f->items[from], &f->items[to], (f->count - to) * sizeof(*f->items));
	f->count -= to - from;
}

void drip_findings_sort(struct drip_findings *f)
{
	/* Insertion sort: stable, and the list is bounded by DRIP_FINDINGS_MAX and nearly sorted.
	 */
	for (size_t i = 1; i < f->count; i++) {
		struct drip_finding item = f->items[i];
		size_t j = i;

		while (j > 0 && compare(&f->items[j - 1], &item) > 0) {
			f->items[j] = f->items[j - 1];
			j--;
		}
		f->items[j] = item;
	}
	drop_doubles(f);
}

static const char *severity_name(enum drip_severity severity)
{
	switch (severity) {
	case DRIP_SEVERITY_ERROR:
		return "error";
	case DRIP_SEVERITY_WARNING:
		return "warning";
	case DRIP_SEVERITY_NOTE:
		return "note";
	}
	return "note";
}

/* Control characters would let a file draw on the terminal: they are shown as \xNN. */
static void print_clean(const char *text, FILE *out)
{
	for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f) {
			fprintf(out, "\\x%02x", *p);
		} else {
			fputc(*p, out);
		}
	}
}

void drip_findings_print_text(const struct drip_findings *f, FILE *out)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct drip_finding *item = &f->items[i];

		print_clean(item->file, out);
		if (item->line > 0) {
			fprintf(out, ":%d:%d", item->line, item->column);
		}
		fprintf(out, "%s%s: ", item->file[0] != '\0' ? ": " : "",
			severity_name(item->severity));
		print_clean(item->message, out);
		fprintf(out, " [%s]\n", item->code);
		if (item->hint != NULL) {
			fputs("  hint: ", out);
			print_clean(item->hint, out);
			fputc('\n', out);
		}
	}
	if (f->dropped > 0) {
		fprintf(out, "%zu more findings are not shown\n", f->dropped);
	}
}

/* Length of the valid UTF-8 sequence at `p`, 0 where it is none. */
static size_t utf8_length(const unsigned char *p)
{
	size_t n = p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : p[0] >= 0xe0 ? 3 : p[0] >= 0xc2 ? 2 : 0;

	if (p[0] >= 0xf5) {
		return 0;
	}
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
		return 0;
	}
	return n;
}

static void print_json_string(const char *text, FILE *out)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', out);
	while (*p != '\0') {
		size_t n = *p >= 0x80 ? utf8_length(p) : 1;

		if (*p == '"' || *p == '\\') {
			fprintf(out, "\\%c", *p);
		} else if (*p < 0x20 || *p == 0x7f) {
			fprintf(out, "\\u%04x", *p);
		} else if (n == 0) {
			fputs("\\ufffd", out);
			n = 1;
		} else {
			fwrite(p, 1, n, out);
		}
		p += n;
	}
	fputc('"', out);
}

static void print_json_member(const char *name, const char *value, FILE *out)
{
	fprintf(out, ", \"%s\": ", name);
	print_json_string(value, out);
}

void drip_findings_print_json(const struct drip_findings *f, FILE *out)
{
	fprintf(out,
		"{\"errors\": %zu, \"warnings\": %zu, \"dropped\": %zu, \"environment\": %s, "
		"\"findings\": [",
		f->errors, f->warnings, f->dropped, f->environment ? "true" : "false");
	for (size_t i = 0; i < f->count; i++) {
		const struct drip_finding *item = &f->items[i];

		fprintf(out, "%s\n  {\"severity\": \"%s\", \"line\": %d, \"column\": %d",
			i > 0 ? "," : "", severity_name(item->severity), item->line, item->column);
		print_json_member("file", item->file, out);
		print_json_member("code", item->code, out);
		print_json_member("message", item->message, out);
		if (item->hint != NULL) {
			print_json_member("hint", item->hint, out);
		}
		fputc('}', out);
	}
	fprintf(out, "%s]}\n", f->count > 0 ? "\n" : "");
}
