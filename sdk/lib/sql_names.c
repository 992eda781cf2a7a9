/* SPDX-License-Identifier: Apache-2.0 */
/* Names and places in a SQL text. Thread: any. */
#include <dripline/sql.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* Text literals and comments name nothing. */
static const char *skip_quiet(const char *p)
{
	const char *end = NULL;

	if (p[0] == '-' && p[1] == '-') {
		return p + strcspn(p, "\n");
	}
	if (p[0] == '\'') {
		end = strchr(p + 1, '\'');
	} else if (p[0] == '/' && p[1] == '*') {
		end = strstr(p + 2, "*/");
		end = end != NULL ? end + 1 : NULL;
	} else {
		return p;
	}
	return end != NULL ? end + 1 : p + strlen(p);
}

/* The end of the name at `p`, quoted or not, and the name; `p` where there is none. */
static const char *read_name(const char *p, char ret[DRIP_NAME_MAX])
{
	const char *begin = p, *end;

	ret[0] = '\0';
	if (*p == '"' || *p == '`') {
		end = strchr(p + 1, *p);
		if (end == NULL) {
			return p;
		}
		snprintf(ret, DRIP_NAME_MAX, "%.*s", (int)(end - p - 1), p + 1);
		return end + 1;
	}
	while (is_name(*p)) {
		p++;
	}
	snprintf(ret, DRIP_NAME_MAX, "%.*s", (int)(p - begin), begin);
	return p;
}

bool drip_sql_next_name(const char **at, char first[DRIP_NAME_MAX], char second[DRIP_NAME_MAX])
{
	for (const char *p = *at; *p != '\0';) {
		const char *quiet = skip_quiet(p), *end, *dot;

		if (quiet != p) {
			p = quiet;
			continue;
		}
		end = read_name(p, first);
		if (end == p) {
			p++;
			continue;
		}
		second[0] = '\0';
		dot = end + strspn(end, " \t\r\n");
		if (*dot == '.') {
			const char *name = dot + 1 + strspn(dot + 1, " \t\r\n");
			const char *after = read_name(name, second);

			end = after != name ? after : end;
		}
		*at = end;
		return true;
	}
	return false;
}

void drip_sql_place_shift(struct drip_error *err, unsigned lines)
{
	static const char first[] = "line ";
	char *end;
	unsigned long line;
	char rest[64];

	if (err == NULL || strncmp(err->place, first, sizeof(first) - 1) != 0) {
		return;
	}
	line = strtoul(err->place + sizeof(first) - 1, &end, 10);
	if (line <= lines) {
		err->place[0] = '\0';
		return;
	}
	snprintf(rest, sizeof(rest), "%s", end);
	drip_error_place(err, "line %lu%s", line - lines, rest);
}
