/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a job by its options alone: forms, names that stand twice, dates and zones.
 * And what a step yields, held against the table that takes it: a finding stands where the query
 * names the column. Thread: the caller's.
 */
#include "job.h"

#include <ctype.h>
#include <dripline/tz.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void add(struct drip_report *report, const char *option, const char *code, const char *hint,
		const char *message, const char *name)
{
	struct drip_error finding = DRIP_ERROR_INIT;

	drip_error_set(&finding, -EINVAL, code, "%s%s", message, name);
	if (hint != NULL) {
		drip_error_hint(&finding, "%s", hint);
	}
	drip_error_option(&finding, "%s", option);
	report->add(report, DRIP_LOG_ERROR, &finding);
}

/* ---- names ---- */

/* The name under which later steps read something; NULL: none. */
static const char *name_at(const struct job_config *c, size_t i)
{
	return i < c->changes.count ? job_change(c, i)->as
				    : job_step(c, i - c->changes.count)->temp;
}

static bool check_names(const struct job_config *c, struct drip_report *report)
{
	size_t count = c->changes.count + c->steps.count;
	bool good = true;

	for (size_t i = 0; i < count; i++) {
		const char *name = name_at(c, i);
		bool twice = false;
		char option[64];

		for (size_t k = 0; k < i && name != NULL && !twice; k++) {
			twice = name_at(c, k) != NULL && strcasecmp(name_at(c, k), name) == 0;
		}
		if (!twice) {
			continue;
		}
		if (i < c->changes.count) {
			snprintf(option, sizeof(option), "changes[%zu].as", i);
		} else {
			snprintf(option, sizeof(option), "steps[%zu].temp", i - c->changes.count);
		}
		add(report, option, "job.duplicate_name",
		    "Steps read changes and temporary tables by their names: rename one.",
		    "the job has two tables named ", name);
		good = false;
	}
	return good;
}

/* ---- forms ---- */

static bool check_step(const struct job_step *s, size_t index, struct drip_report *report)
{
	int kinds = (s->temp != NULL) + (s->table != NULL) + (s->check != NULL);
	bool dotted = s->table == NULL || strchr(s->table, '.') != NULL;
	char option[64];

	if (kinds == 1 && dotted && (s->replaces == NULL || s->table != NULL)) {
		return true;
	}
	snprintf(option, sizeof(option), "steps[%zu]%s", index,
		 kinds != 1 ? ""
		 : !dotted  ? ".table"
			    : ".replaces");
	add(report, option, "job.bad_step", "Write one of them, and `replaces` only with `table`.",
	    kinds != 1 ? "a step has one of temp, table and check"
	    : !dotted  ? "a step's table is schema.table"
		       : "replaces belongs to a step with a table",
	    "");
	return false;
}

/* Of the form 2026-02-14, and a day that there is. */
static bool is_date(const char *text)
{
	static const char form[] = "dddd-dd-dd";
	int64_t year, number[3] = {0, 0, 0};
	int month, day, part = 0;
	size_t i = 0;

	for (; form[i] != '\0'; i++) {
		if (form[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != form[i]) {
			return false;
		}
		part += form[i] == '-';
		number[part] = form[i] == 'd' ? number[part] * 10 + text[i] - '0' : number[part];
	}
	if (number[1] < 1 || number[1] > 12) {
		return false;
	}
	drip_civil_from_days(drip_days_from_civil(number[0], (int)number[1], (int)number[2]), &year,
			     &month, &day);
	return text[i] == '\0' && year == number[0] && month == number[1] && day == number[2];
}

static void check_run(const struct job_config *c, struct drip_report *report)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_tz *zone = NULL;

	if (c->as_of != NULL && !is_date(c->as_of)) {
		add(report, "as_of", "job.bad_date", "Write it as 2026-02-14.",
		    "as_of is no date: ", c->as_of);
	}
	if (c->timezone != NULL && drip_tz_load(c->timezone, &zone, &err) < 0) {
		drip_error_option(&err, "timezone");
		report->add(report, DRIP_LOG_ERROR, &err);
	}
	drip_tz_destroy(zone);
}

bool job_check_options(const struct job_config *c, struct drip_report *report)
{
	bool good = true;

	if (c->steps.count == 0 || c->steps.count > JOB_STEPS_MAX) {
		struct drip_error finding = DRIP_ERROR_INIT;

		drip_error_set(&finding, -EINVAL, "job.bad_step", "a job has 1 to %d steps",
			       JOB_STEPS_MAX);
		drip_error_option(&finding, "steps");
		report->add(report, DRIP_LOG_ERROR, &finding);
		return false;
	}
	for (size_t i = 0; i < c->steps.count; i++) {
		good &= check_step(job_step(c, i), i, report);
	}
	check_run(c, report); /* what the steps yield does not hang on it */
	return check_names(c, report) && good;
}

/* ---- places ---- */

/* Behind what is no part of a query: texts and comments. */
static const char *skip(const char *p)
{
	const char *end;

	if (*p == '\'') {
		end = strchr(p + 1, '\'');
		return end != NULL ? end + 1 : p + strlen(p);
	}
	if (strncmp(p, "--", 2) == 0) {
		return p + strcspn(p, "\n");
	}
	if (strncmp(p, "/*", 2) == 0) {
		end = strstr(p + 2, "*/");
		return end != NULL ? end + 2 : p + strlen(p);
	}
	return p + 1;
}

static size_t word_size(const char *p)
{
	size_t n = 0;

	while (isalnum((unsigned char)p[n]) || p[n] == '_') {
		n++;
	}
	return n;
}

/* Outside of parentheses: NAME behind AS, the last one; otherwise its first mention. */
static const char *find_column(const char *sql, const char *name)
{
	const char *found = NULL, *p = sql;
	bool behind_as = false;
	int depth = 0;

	while (*p != '\0') {
		size_t size = word_size(p);

		if (size == 0) {
			depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
			p = skip(p);
			continue;
		}
		if (depth == 0 && size == strlen(name) && strncasecmp(p, name, size) == 0 &&
		    (found == NULL || behind_as)) {
			found = p;
		}
		behind_as = size == 2 && strncasecmp(p, "AS", 2) == 0;
		p += size;
	}
	return found;
}

static void give_place(struct drip_error *err, const char *sql, const char *at)
{
	unsigned line = 1, column = 1;

	for (; sql < at; sql++) {
		line += *sql == '\n';
		column = *sql == '\n' ? 1 : column + ((*sql & 0xc0) != 0x80);
	}
	drip_error_place(err, "line %u, column %u", line, column);
}

/* ---- what a table takes ---- */

static bool is_integer(enum drip_type type)
{
	return type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_UINT64;
}

static bool is_text(enum drip_type type)
{
	return type == DRIP_TYPE_UTF8 || type == DRIP_TYPE_JSON || type == DRIP_TYPE_UUID;
}

/* Whether a cast from one type to the other means the same; values may still be too large. */
static bool takes(enum drip_type declared, enum drip_type yielded)
{
	bool number = is_integer(yielded) || yielded == DRIP_TYPE_DECIMAL;

	if (declared == yielded || (is_text(declared) && is_text(yielded))) {
		return true;
	}
	if (declared == DRIP_TYPE_FLOAT32 || declared == DRIP_TYPE_FLOAT64) {
		return number || yielded == DRIP_TYPE_FLOAT32 || yielded == DRIP_TYPE_FLOAT64;
	}
	if (declared == DRIP_TYPE_DECIMAL) {
		return number;
	}
	return is_integer(declared) && is_integer(yielded);
}

/* What a finding is about. */
struct subject {
	struct drip_report *report;
	size_t index;
	const char *table, *sql;
};

static void add_finding(const struct subject *s, const char *column, const char *code,
			const char *hint, const char *fmt, ...) DRIP_PRINTF(5, 6);

/* At the column of the query, where it is given and found. */
static void add_finding(const struct subject *s, const char *column, const char *code,
			const char *hint, const char *fmt, ...)
{
	const char *at = column != NULL ? find_column(s->sql, column) : NULL;
	struct drip_error finding = DRIP_ERROR_INIT;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	drip_error_set(&finding, -EINVAL, code, "%s", text);
	drip_error_hint(&finding, "%s", hint);
	if (at != NULL) {
		give_place(&finding, s->sql, at);
	}
	drip_error_option(&finding, "steps[%zu].sql", s->index);
	s->report->add(s->report, DRIP_LOG_ERROR, &finding);
}

static void compare_column(const struct subject *s, const struct drip_column *declared,
			   const struct drip_column *yielded)
{
	char a[64], b[64];

	if (!takes(declared->type, yielded->type)) {
		drip_type_name(declared, a, sizeof(a));
		drip_type_name(yielded, b, sizeof(b));
		add_finding(s, yielded->name, "job.column_type",
			    "Cast it in the query, or change the declaration.",
			    "column %s is %s, and %s declares %s", yielded->name, b, s->table, a);
	}
	if (yielded->classification > declared->classification) {
		add_finding(s, yielded->name, "job.class_lowered",
			    "Declare the column with that class, or leave out what is sensitive.",
			    "column %s is made of %s data, and %s declares it %s", yielded->name,
			    drip_class_name(yielded->classification), s->table,
			    drip_class_name(declared->classification));
	}
}

void job_compare(struct drip_report *report, size_t number, const struct job_step *step,
		 const struct drip_schema *declared, const struct drip_schema *yielded)
{
	const struct subject subject = {report, number, step->table, step->sql};
	const struct subject *s = &subject;

	for (uint32_t i = 0; i < yielded->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(yielded, i);
		int index = drip_schema_find(declared, column->name);

		if (index < 0) {
			add_finding(s, column->name, "job.unknown_column",
				    "Name it as the table does, with AS.",
				    "the query yields %s, which %s does not declare", column->name,
				    s->table);
			continue;
		}
		compare_column(s, drip_schema_column(declared, (uint32_t)index), column);
	}
	for (uint32_t i = 0; i < declared->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(declared, i);

		if ((column->flags & DRIP_COLUMN_NULLABLE) == 0 &&
		    drip_schema_find(yielded, column->name) < 0) {
			add_finding(s, NULL, "job.missing_column",
				    "A column that is not nullable must be given.",
				    "the query does not yield %s, which %s declares", column->name,
				    s->table);
		}
	}
}
