/* SPDX-License-Identifier: Apache-2.0 */
/* Quoting for SQL text. Both functions write what fits and return the full length, as snprintf. */
#include <dripline/sql.h>

#include <limits.h>
#include <string.h>

static int quote_with(char quote, const char *text, char *buf, size_t size)
{
	size_t at = 0;
	size_t room = size > 0 ? size - 1 : 0;

#define PUT(c)                                                                                     \
	do {                                                                                       \
		if (at < room) {                                                                   \
			buf[at] = (c);                                                             \
		}                                                                                  \
		at++;                                                                              \
	} while (0)

	PUT(quote);
	for (const char *p = text; *p != '\0' && at < INT_MAX - 4; p++) {
		if (*p == quote) {
			PUT(quote);
		}
		PUT(*p);
	}
	PUT(quote);
#undef PUT
	if (size > 0) {
		buf[at < room ? at : room] = '\0';
	}
	return (int)at;
}

int drip_sql_quote(const struct drip_sql_dialect *dialect, const char *name, char *buf, size_t size)
{
	return quote_with(dialect->quote, name, buf, size);
}

int drip_sql_literal(const char *text, char *buf, size_t size)
{
	return quote_with('\'', text, buf, size);
}
