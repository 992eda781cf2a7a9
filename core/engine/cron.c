/* SPDX-License-Identifier: Apache-2.0 */
/* Cron expressions: each field is a bit set; the next time is looked for day by day. */
#include "engine/cron.h"
#include "base/alloc.h"
#include <dripline/tz.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CRON_TEXT_MAX 256
#define SEARCH_DAYS   (12 * 366) /* 29 February may be eight years away, as around 2100 */

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

struct drip_cron {
	uint64_t bits[FIELDS];
	bool star[FIELDS]; /* the field begins with '*' */
	struct drip_tz *tz;
};

struct field {
	const char *name;
	int low, high;
	const char *const *names; /* of low, low + 1, ... */
};

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
					  "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const struct field fields[FIELDS] = {
	{"minute", 0, 59, NULL},
	{"hour", 0, 23, NULL},
	{"day of the month", 1, 31, NULL},
	{"month", 1, 12, month_names},
	{"day of the week", 0, 7, weekday_names},
};

static const struct {
	const char *name, *text;
} nicknames[] = {
	{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
	{"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
	{"@hourly", "0 * * * *"},
};

static int syntax_error(const struct field *f, const char *text, size_t length,
			struct drip_error *err)
{
	drip_error_set(err, -EINVAL, "cron.syntax", "\"%.*s\" is not a %s of a cron expression",
		       (int)(length > 40 ? 40 : length), text, f->name);
	drip_error_hint(err,
			"Write values from %d to %d, lists (1,2), ranges (1-5) or steps (*/5).",
			f->low, f->high);
	return -EINVAL;
}

static const char *read_value(const struct field *f, const char *s, const char *end, int *ret)
{
	int v = 0;

	if (s < end && *s >= '0' && *s <= '9') {
		while (s < end && *s >= '0' && *s <= '9' && v < 1000) {
			v = v * 10 + (*s++ - '0');
		}
		*ret = v;
		return v >= f->low && v <= f->high ? s : NULL;
	}
	for (int i = 0; f->names != NULL && f->names[i] != NULL; i++) {
		if (end - s >= 3 && strncasecmp(s, f->names[i], 3) == 0) {
			*ret = f->low + i;
			return s + 3;
		}
	}
	return NULL;
}

static const char *read_step(const char *s, const char *end, int *ret)
{
	int v = 0;

	while (s < end && *s >= '0' && *s <= '9' && v < 1000) {
		v = v * 10 + (*s++ - '0');
	}
	*ret = v;
	return v > 0 && v < 1000 ? s : NULL;
}

/* One item of a list: a value, a range or *, the latter two perhaps with a step. */
static bool parse_item(const struct field *f, const char *s, const char *end, uint64_t *bits)
{
	int low = f->low, high = f->high, step = 1;
	bool range = true;

	if (s < end && *s == '*') {
		s++;
		high = f->low == 0 && f->high == 7 ? 6 : high;
	} else {
		s = read_value(f, s, end, &low);
		range = s != NULL && s < end && *s == '-';
		high = low;
		if (range) {
			s = read_value(f, s + 1, end, &high);
			high = f->names == weekday_names && high == 0 ? 7 : high;
		}
	}
	if (s != NULL && s < end && *s == '/' && range) {
		s = read_step(s + 1, end, &step);
	}
	if (s != end || high < low) {
		return false;
	}
	for (int v = low; v <= high; v += step) {
		*bits |= (uint64_t)1 << (f->names == weekday_names ? v % 7 : v);
	}
	return true;
}

static int parse_field(const struct field *f, const char *text, size_t length, uint64_t *bits,
		       struct drip_error *err)
{
	const char *s = text, *end = text + length;

	for (;;) {
		const char *comma = memchr(s, ',', (size_t)(end - s));

		if (!parse_item(f, s, comma != NULL ? comma : end, bits)) {
			return syntax_error(f, text, length, err);
		}
		if (comma == NULL) {
			return 0;
		}
		s = comma + 1;
	}
}

static int parse_fields(struct drip_cron *cron, const char *text, struct drip_error *err)
{
	static const char blank[] = " \t";
	const char *s = text + strspn(text, blank);
	int count = 0;

	for (; *s != '\0'; count++) {
		size_t length = strcspn(s, blank);

		if (count < FIELDS) {
			int rc = parse_field(&fields[count], s, length, &cron->bits[count], err);

			if (rc < 0) {
				return rc;
			}
			cron->star[count] = *s == '*';
		}
		s += length;
		s += strspn(s, blank);
	}
	if (count != FIELDS) {
		drip_error_set(err, -EINVAL, "cron.syntax",
			       "a cron expression has five fields, \"%s\" has %d", text, count);
		drip_error_hint(err, "Write minute, hour, day of the month, month, day of the "
				     "week: \"0 6 * * mon-fri\".");
		return -EINVAL;
	}
	return 0;
}

/* Is there a day that some month has? */
static bool ever_happens(const struct drip_cron *cron)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (cron->star[DAY] || !cron->star[WEEKDAY]) {
		return true;
	}
	for (int month = 1; month <= 12; month++) {
		for (int day = 1; day <= lengths[month - 1]; day++) {
			if ((cron->bits[MONTH] >> month & 1) != 0 &&
			    (cron->bits[DAY] >> day & 1) != 0) {
				return true;
			}
		}
	}
	return false;
}

int drip_cron_parse(const char *text, const char *timezone, struct drip_cron **ret,
		    struct drip_error *err)
{
	struct drip_cron *cron;
	int rc;

	if (strlen(text) > CRON_TEXT_MAX) {
		return drip_error_set(err, -EINVAL, "cron.syntax",
				      "a cron expression has %d characters at most", CRON_TEXT_MAX);
	}
	for (size_t i = 0; i < sizeof(nicknames) / sizeof(nicknames[0]); i++) {
		if (strcasecmp(text, nicknames[i].name) == 0) {
			text = nicknames[i].text;
		}
	}
	cron = drip_calloc(1, sizeof(*cron));
	if (cron == NULL) {
		return drip_error_nomem(err, sizeof(*cron));
	}
	rc = parse_fields(cron, text, err);
	if (rc == 0 && !ever_happens(cron)) {
		rc = drip_error_set(err, -EINVAL, "cron.never", "\"%s\" names no day of any year",
				    text);
	}
	if (rc == 0) {
		rc = drip_tz_load(timezone != NULL ? timezone : "UTC", &cron->tz, err);
	}
	if (rc < 0) {
		drip_cron_destroy(cron);
		return rc;
	}
	*ret = cron;
	return 0;
}

void drip_cron_destroy(struct drip_cron *cron)
{
	if (cron != NULL) {
		drip_tz_destroy(cron->tz);
		free(cron);
	}
}

static bool day_matches(const struct drip_cron *cron, int64_t days)
{
	int64_t year;
	int month, day, weekday = (int)(((days + 4) % 7 + 7) % 7);
	bool by_day, by_weekday;

	drip_civil_from_days(days, &year, &month, &day);
	if ((cron->bits[MONTH] >> month & 1) == 0) {
		return false;
	}
	by_day = (cron->bits[DAY] >> day & 1) != 0;
	by_weekday = (cron->bits[WEEKDAY] >> weekday & 1) != 0;
	if (cron->star[DAY] || cron->star[WEEKDAY]) {
		return by_day && by_weekday;
	}
	return by_day || by_weekday;
}

/* The earliest instant after `after_s` that the local minute stands for, or INT64_MAX. */
static int64_t minute_instant(const struct drip_cron *cron, int64_t local_s, int64_t after_s)
{
	int64_t at[2], gap;
	int count = drip_tz_resolve(cron->tz, local_s, at, &gap);

	if (count == 0 && !cron->star[HOUR]) {
		at[0] = gap;
		count = 1;
	}
	if (count == 2 && !cron->star[HOUR]) {
		count = 1;
	}
	for (int i = 0; i < count; i++) {
		if (at[i] > after_s) {
			return at[i];
		}
	}
	return INT64_MAX;
}

static int64_t first_of_day(const struct drip_cron *cron, int64_t days, int64_t after_s)
{
	int64_t best = INT64_MAX;

	for (int hour = 0; hour < 24; hour++) {
		for (int minute = 0; minute < 60 && (cron->bits[HOUR] >> hour & 1) != 0; minute++) {
			int64_t at;

			if ((cron->bits[MINUTE] >> minute & 1) == 0) {
				continue;
			}
			at = minute_instant(cron, days * 86400 + hour * 3600 + minute * 60,
					    after_s);
			best = at < best ? at : best;
		}
	}
	return best;
}

int64_t drip_cron_next(const struct drip_cron *cron, int64_t after_us)
{
	int64_t after_s = after_us / 1000000 - (after_us % 1000000 < 0);
	int64_t local = after_s + drip_tz_offset(cron->tz, after_s);
	int64_t today = local / 86400 - (local % 86400 < 0);

	for (int64_t days = today - 1; days < today + SEARCH_DAYS; days++) {
		int64_t at;

		if (!day_matches(cron, days)) {
			continue;
		}
		at = first_of_day(cron, days, after_s);
		if (at != INT64_MAX) {
			return at * 1000000;
		}
	}
	return INT64_MAX;
}
