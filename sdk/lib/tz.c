/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TZif reader, RFC 8536: the 64-bit data block, then the POSIX TZ footer for later times. Bytes of
 * the file are not trusted: each count is checked against the size before it is used.
 */
#include <dripline/tz.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ZONEINFO     "/usr/share/zoneinfo/"
#define HEADER_BYTES 44
#define TZ_TYPES_MAX 256
#define TZ_TIMES_MAX 100000

enum rule_kind { RULE_NONE = 0, RULE_MONTH, RULE_JULIAN, RULE_DAY };

/* One of the two yearly changes of a POSIX TZ string. */
struct tz_rule {
	enum rule_kind kind;
	int month, week, day; /* RULE_MONTH: Mm.w.d; otherwise day of the year in `day` */
	int32_t time_s;       /* local time of the change */
};

struct tz_footer {
	bool set, has_dst;
	int32_t std_s, dst_s;
	struct tz_rule start, end;
};

struct drip_tz {
	int64_t *times; /* ascending instants of changes */
	uint8_t *kinds; /* index into offsets, from that instant on */
	size_t times_count;
	int32_t offsets[TZ_TYPES_MAX];
	size_t offsets_count;
	int32_t first_s; /* before the first change */
	struct tz_footer footer;
	bool no_memory; /* why it could not be read */
};

int64_t drip_days_from_civil(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void drip_civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = yoe + era * 400 + (*ret_month <= 2);
}

static bool leap_year(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int64_t big_endian(const uint8_t *p, size_t size)
{
	uint64_t v = (p[0] & 0x80) ? ~(uint64_t)0 : 0;

	for (size_t i = 0; i < size; i++) {
		v = v << 8 | p[i];
	}
	return (int64_t)v;
}

/* ---- the footer: std offset [dst [offset] , rule , rule] ---- */

static const char *skip_name(const char *s)
{
	const char *start = s;

	if (*s == '<') {
		while (*s != '\0' && *s != '>') {
			s++;
		}
		return *s == '>' ? s + 1 : NULL;
	}
	while ((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z')) {
		s++;
	}
	return s - start >= 3 ? s : NULL;
}

static const char *read_int(const char *s, int max, int *ret)
{
	int v = 0;

	if (*s < '0' || *s > '9') {
		return NULL;
	}
	while (*s >= '0' && *s <= '9') {
		v = v * 10 + (*s++ - '0');
		if (v > max) {
			return NULL;
		}
	}
	*ret = v;
	return s;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static const char *read_hms(const char *s, int32_t *ret)
{
	int sign = 1;
	int part[3] = {0, 0, 0};

	if (*s == '+' || *s == '-') {
		sign = *s++ == '-' ? -1 : 1;
	}
	s = read_int(s, 167, &part[0]);
	for (int i = 1; i < 3 && s != NULL && *s == ':'; i++) {
		s = read_int(s + 1, 59, &part[i]);
	}
	*ret = sign * (part[0] * 3600 + part[1] * 60 + part[2]);
	return s;
}

static const char *read_rule(const char *s, struct tz_rule *r)
{
	r->time_s = 2 * 3600;
	if (*s == 'M') {
		r->kind = RULE_MONTH;
		s = read_int(s + 1, 12, &r->month);
		s = s != NULL && *s == '.' ? read_int(s + 1, 5, &r->week) : NULL;
		s = s != NULL && *s == '.' ? read_int(s + 1, 6, &r->day) : NULL;
		if (s != NULL && (r->month == 0 || r->week == 0)) {
			return NULL;
		}
	} else if (*s == 'J') {
		r->kind = RULE_JULIAN;
		s = read_int(s + 1, 365, &r->day);
		if (s != NULL && r->day == 0) {
			return NULL;
		}
	} else {
		r->kind = RULE_DAY;
		s = read_int(s, 365, &r->day);
	}
	if (s != NULL && *s == '/') {
		s = read_hms(s + 1, &r->time_s);
	}
	return s;
}

static bool parse_footer(const char *s, struct tz_footer *f)
{
	int32_t west;

	s = skip_name(s);
	if (s == NULL || (s = read_hms(s, &west)) == NULL) {
		return false;
	}
	f->std_s = -west;
	f->set = true;
	if (*s == '\0') {
		return true;
	}
	s = skip_name(s);
	if (s == NULL) {
		return false;
	}
	f->has_dst = true;
	f->dst_s = f->std_s + 3600;
	if (*s != ',' && *s != '\0') {
		if ((s = read_hms(s, &west)) == NULL) {
			return false;
		}
		f->dst_s = -west;
	}
	s = *s == ',' ? read_rule(s + 1, &f->start) : NULL;
	s = s != NULL && *s == ',' ? read_rule(s + 1, &f->end) : NULL;
	return s != NULL && *s == '\0';
}

/* Local seconds since 1970 at which the rule's change happens in `year`. */
static int64_t rule_local(const struct tz_rule *r, int64_t year)
{
	int64_t days = drip_days_from_civil(year, 1, 1);

	if (r->kind == RULE_MONTH) {
		static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
		int length = lengths[r->month - 1] + (r->month == 2 && leap_year(year) ? 1 : 0);
		int64_t first = drip_days_from_civil(year, r->month, 1);
		int weekday = (int)(((first + 4) % 7 + 7) % 7);
		int day = 1 + (r->day - weekday + 7) % 7 + (r->week - 1) * 7;

		while (day > length) {
			day -= 7;
		}
		days = first + day - 1;
	} else if (r->kind == RULE_JULIAN) {
		days += r->day - 1 + (leap_year(year) && r->day >= 60 ? 1 : 0);
	} else {
		days += r->day;
	}
	return days * 86400 + r->time_s;
}

static int32_t footer_offset(const struct tz_footer *f, int64_t utc_s)
{
	int64_t local = utc_s + f->std_s, days = local / 86400 - (local % 86400 < 0), year;
	int64_t start, end;
	int month, day;

	if (!f->has_dst) {
		return f->std_s;
	}
	drip_civil_from_days(days, &year, &month, &day);
	start = rule_local(&f->start, year) - f->std_s;
	end = rule_local(&f->end, year) - f->dst_s;
	if (start < end) {
		return utc_s >= start && utc_s < end ? f->dst_s : f->std_s;
	}
	return utc_s >= end && utc_s < start ? f->std_s : f->dst_s;
}

/* ---- the file ---- */

struct tzif_counts {
	size_t isut, isstd, leap, times, types, chars;
};

/* Reads a header at `p`; false where it is none or its data does not fit into `left` bytes. */
static bool read_header(const uint8_t *p, size_t left, size_t time_bytes, struct tzif_counts *c,
			size_t *ret_body)
{
	size_t *fields[] = {&c->isut, &c->isstd, &c->leap, &c->times, &c->types, &c->chars};

	if (left < HEADER_BYTES || memcmp(p, "TZif", 4) != 0) {
		return false;
	}
	for (size_t i = 0; i < 6; i++) {
		int64_t v = big_endian(p + 20 + i * 4, 4);

		if (v < 0 || v > TZ_TIMES_MAX) {
			return false;
		}
		*fields[i] = (size_t)v;
	}
	*ret_body = c->times * (time_bytes + 1) + c->types * 6 + c->chars +
		    c->leap * (time_bytes + 4) + c->isstd + c->isut;
	return c->types >= 1 && c->types <= TZ_TYPES_MAX && *ret_body <= left - HEADER_BYTES;
}

static bool read_block(const uint8_t *p, size_t time_bytes, const struct tzif_counts *c,
		       struct drip_tz *tz)
{
	const uint8_t *kinds = p + c->times * time_bytes, *types = kinds + c->times;

	tz->times = calloc(c->times + 1, sizeof(*tz->times));
	tz->kinds = calloc(c->times + 1, 1);
	if (tz->times == NULL || tz->kinds == NULL) {
		tz->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < c->times; i++) {
		tz->times[i] = big_endian(p + i * time_bytes, time_bytes);
		tz->kinds[i] = kinds[i];
		if (kinds[i] >= c->types || (i > 0 && tz->times[i] <= tz->times[i - 1])) {
			return false;
		}
	}
	for (size_t i = 0; i < c->types; i++) {
		int64_t offset = big_endian(types + i * 6, 4);

		if (offset < -93600 || offset > 93600) {
			return false;
		}
		tz->offsets[i] = (int32_t)offset;
	}
	tz->times_count = c->times;
	tz->offsets_count = c->types;
	tz->first_s = tz->offsets[0];
	return true;
}

static bool read_footer(const uint8_t *p, size_t left, struct tz_footer *f)
{
	char text[128];
	const uint8_t *end;

	if (left < 2 || p[0] != '\n') {
		return false;
	}
	end = memchr(p + 1, '\n', left - 1);
	if (end == NULL || (size_t)(end - p) > sizeof(text)) {
		return false;
	}
	memcpy(text, p + 1, (size_t)(end - p - 1));
	text[end - p - 1] = '\0';
	return text[0] == '\0' || parse_footer(text, f);
}

static bool parse_tzif(const uint8_t *p, size_t size, struct drip_tz *tz)
{
	struct tzif_counts c;
	size_t body;

	if (!read_header(p, size, 4, &c, &body)) {
		return false;
	}
	if (p[4] < '2') {
		return read_block(p + HEADER_BYTES, 4, &c, tz);
	}
	p += HEADER_BYTES + body;
	size -= HEADER_BYTES + body;
	if (!read_header(p, size, 8, &c, &body)) {
		return false;
	}
	return read_block(p + HEADER_BYTES, 8, &c, tz) &&
	       read_footer(p + HEADER_BYTES + body, size - HEADER_BYTES - body, &tz->footer);
}

int drip_tz_parse(const void *data, size_t size_bytes, const char *name, struct drip_tz **ret,
		  struct drip_error *err)
{
	struct drip_tz *tz = calloc(1, sizeof(*tz));

	if (tz == NULL) {
		return drip_error_nomem(err, sizeof(*tz));
	}
	if (!parse_tzif(data, size_bytes, tz)) {
		bool no_memory = tz->no_memory;

		drip_tz_destroy(tz);
		if (no_memory) {
			return drip_error_nomem(err, size_bytes);
		}
		return drip_error_set(err, -EINVAL, "cron.timezone",
				      "cannot read the data of time zone \"%s\"", name);
	}
	*ret = tz;
	return 0;
}

static bool name_is_safe(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > 64 || name[0] == '/' || strstr(name, "..") != NULL) {
		return false;
	}
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") ==
	       length;
}

static int read_zone(const char *name, uint8_t **ret, size_t *ret_size, struct drip_error *err)
{
	char path[sizeof(ZONEINFO) + 64];
	uint8_t *data;
	size_t used = 0;
	ssize_t n = -1;
	int fd;

	memcpy(path, ZONEINFO, sizeof(ZONEINFO));
	memcpy(path + sizeof(ZONEINFO) - 1, name, strlen(name) + 1);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	data = fd >= 0 ? malloc(DRIP_TZ_FILE_BYTES_MAX) : NULL;
	if (fd >= 0 && data == NULL) {
		close(fd);
		return drip_error_nomem(err, DRIP_TZ_FILE_BYTES_MAX);
	}
	while (data != NULL && used < DRIP_TZ_FILE_BYTES_MAX) {
		n = read(fd, data + used, DRIP_TZ_FILE_BYTES_MAX - used);
		if (n <= 0) {
			break;
		}
		used += (size_t)n;
	}
	if (fd >= 0) {
		close(fd);
	}
	if (n != 0) {
		free(data);
		drip_error_set(err, -EINVAL, "cron.timezone", "unknown time zone \"%s\"", name);
		drip_error_hint(err, "Give an IANA name such as America/New_York; its data comes "
				     "with the package tzdata.");
		return -EINVAL;
	}
	*ret = data;
	*ret_size = used;
	return 0;
}

int drip_tz_load(const char *name, struct drip_tz **ret, struct drip_error *err)
{
	uint8_t *data = NULL;
	size_t size = 0;
	int rc;

	if (strcmp(name, "UTC") == 0) {
		*ret = calloc(1, sizeof(**ret));
		return *ret != NULL ? 0 : drip_error_nomem(err, sizeof(**ret));
	}
	if (!name_is_safe(name)) {
		return drip_error_set(err, -EINVAL, "cron.timezone", "unknown time zone \"%s\"",
				      name);
	}
	rc = read_zone(name, &data, &size, err);
	if (rc < 0) {
		return rc;
	}
	rc = drip_tz_parse(data, size, name, ret, err);
	free(data);
	return rc;
}

void drip_tz_destroy(struct drip_tz *tz)
{
	if (tz != NULL) {
		free(tz->times);
		free(tz->kinds);
		free(tz);
	}
}

int32_t drip_tz_offset(const struct drip_tz *tz, int64_t utc_s)
{
	size_t low = 0, high = tz->times_count;

	if (tz->times_count == 0 || utc_s < tz->times[0]) {
		return tz->times_count == 0 && tz->footer.set ? footer_offset(&tz->footer, utc_s)
							      : tz->first_s;
	}
	if (utc_s >= tz->times[high - 1] && tz->footer.set) {
		return footer_offset(&tz->footer, utc_s);
	}
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (tz->times[middle] <= utc_s) {
			low = middle;
		} else {
			high = middle;
		}
	}
	return tz->offsets[tz->kinds[low]];
}

int drip_tz_resolve(const struct drip_tz *tz, int64_t local_s, int64_t ret[2], int64_t *ret_gap)
{
	/* Offsets are below 26 hours, so the day before and the day after enclose any change. */
	int64_t low = local_s - 2 * 86400, high = local_s + 2 * 86400;
	int32_t before = drip_tz_offset(tz, local_s - 86400 - 3600);
	int32_t after = drip_tz_offset(tz, local_s + 86400 + 3600);
	int count = 0;

	if (drip_tz_offset(tz, local_s - before) == before) {
		ret[count++] = local_s - before;
	}
	if (after != before && drip_tz_offset(tz, local_s - after) == after) {
		ret[count++] = local_s - after;
	}
	if (count == 2 && ret[0] > ret[1]) {
		int64_t first = ret[1];

		ret[1] = ret[0];
		ret[0] = first;
	}
	while (count == 0 && high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (middle + drip_tz_offset(tz, middle) >= local_s) {
			high = middle;
		} else {
			low = middle;
		}
	}
	*ret_gap = high;
	return count;
}
