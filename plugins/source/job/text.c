/* SPDX-License-Identifier: Apache-2.0 */
/* Writing and running statements. Names are quoted for the dialect, so any name is safe. */
#include "job.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void put_name(struct job *job, const char *name)
{
	char quoted[2 * DRIP_NAME_MAX + 4];

	if (drip_sql_quote(job->dialect, name, quoted, sizeof(quoted)) >= (int)sizeof(quoted)) {
		job->text.rc = -EOVERFLOW;
		return;
	}
	drip_text_puts(&job->text, quoted);
}

static void put_table(struct job *job, const char *text)
{
	struct job_name name;

	job_split(text, &name);
	put_name(job, name.schema);
	drip_text_puts(&job->text, ".");
	put_name(job, name.table);
}

static void put_literal(struct job *job, const char *text)
{
	drip_text_puts(&job->text, "'");
	for (; *text != '\0'; text++) {
		drip_text_put(&job->text, text, 1);
		if (*text == '\'') {
			drip_text_put(&job->text, text, 1);
		}
	}
	drip_text_puts(&job->text, "'");
}

/* A comment at the query's end cannot reach beyond its line. */
static void put_query(struct job *job, const char *sql)
{
	size_t size = strlen(sql);

	while (size > 0 && strchr("; \t\r\n", sql[size - 1]) != NULL) {
		size--;
	}
	drip_text_put(&job->text, sql, size);
	drip_text_puts(&job->text, "\n");
}

static void put_number(struct job *job, int64_t value)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%" PRId64, value);
	drip_text_puts(&job->text, buf);
}

/* Microseconds since the epoch as a literal that every warehouse reads. */
static void put_instant(struct job *job, int64_t us)
{
	time_t seconds = (time_t)(us / 1000000);
	char buf[96];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(buf, sizeof(buf),
		 "TIMESTAMP WITH TIME ZONE '%04d-%02d-%02d %02d:%02d:%02d.%06d+00'",
		 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		 (int)(us % 1000000));
	drip_text_puts(&job->text, buf);
}

void job_put(struct job *job, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt != '\0'; fmt++) {
		if (*fmt != '%') {
			drip_text_put(&job->text, fmt, 1);
			continue;
		}
		switch (*++fmt) {
		case 'N':
			put_name(job, va_arg(ap, const char *));
			break;
		case 'T':
			put_table(job, va_arg(ap, const char *));
			break;
		case 'L':
			put_literal(job, va_arg(ap, const char *));
			break;
		case 'Q':
			put_query(job, va_arg(ap, const char *));
			break;
		case 'D':
			put_number(job, va_arg(ap, int64_t));
			break;
		case 'I':
			put_instant(job, va_arg(ap, int64_t));
			break;
		case 's':
			drip_text_puts(&job->text, va_arg(ap, const char *));
			break;
		default:
			job->text.rc = -EINVAL; /* a defect of the caller: nothing is run */
			break;
		}
	}
	va_end(ap);
}

static int finish(struct job *job, struct drip_error *err)
{
	int rc;

	drip_text_put(&job->text, "", 1);
	rc = drip_text_check(&job->text, err);
	if (rc != 0) {
		drip_text_finish(&job->text);
		job->text = (struct drip_text){.rc = 0};
	}
	return rc;
}

int job_run(struct job *job, int64_t *ret_rows, struct drip_error *err)
{
	int rc = finish(job, err);

	if (rc == 0) {
		rc = job->sql->execute(job->session, job->text.data, ret_rows, err);
		drip_text_clear(&job->text);
	}
	return rc;
}

int job_number(struct job *job, int64_t *ret, struct drip_error *err)
{
	struct drip_schema *schema = NULL;
	struct ArrowArray *columns = NULL;
	int64_t rows = 0;
	int rc = finish(job, err);

	if (rc == 0) {
		rc = drip_sql_collect(job->sql, job->session, job->text.data, NULL, &schema,
				      &columns, &rows, err);
		drip_text_clear(&job->text);
	}
	if (rc != 0) {
		return rc;
	}
	if (rows > 0 && drip_schema_column(schema, 0)->type == DRIP_TYPE_INT64 &&
	    !drip_is_null(&columns[0], 0)) {
		*ret = ((const int64_t *)columns[0].buffers[1])[columns[0].offset];
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		if (columns[i].release != NULL) {
			columns[i].release(&columns[i]);
		}
	}
	free(columns);
	drip_schema_unref(schema);
	return 0;
}
