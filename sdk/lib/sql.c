/* SPDX-License-Identifier: Apache-2.0 */
/* Quoting for SQL text. Both functions write what fits and return the full length, as snprintf. */
#include <dripline/sql.h>

#include <limits.h>
#include <string.h>

/* What is written, of which a part may fit. */
struct sink {
	char *buf;
	size_t size, at;
};

static void put(struct sink *out, char c)
{
	if (out->at + 1 < out->size) {
		out->buf[out->at] = c;
	}
	out->at++;
}

static int finish(struct sink *out)
{
	if (out->size > 0) {
		out->buf[out->at < out->size ? out->at : out->size - 1] = '\0';
	}
	return (int)out->at;
}

static int quote_with(char quote, const char *text, char *buf, size_t size)
{
	struct sink out = {buf, size, 0};

	put(&out, quote);
	for (const char *p = text; *p != '\0' && out.at < INT_MAX - 4; p++) {
		if (*p == quote) {
			put(&out, quote);
		}
		put(&out, *p);
	}
	put(&out, quote);
	return finish(&out);
}

/* _utf8mb4 x'...' */
static int mysql_bytes(const char *text, char *buf, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	struct sink out = {buf, size, 0};

	for (const char *p = "_utf8mb4 x'"; *p != '\0'; p++) {
		put(&out, *p);
	}
	for (const char *p = text; *p != '\0' && out.at < INT_MAX - 4; p++) {
		put(&out, hex[(unsigned char)*p >> 4]);
		put(&out, hex[(unsigned char)*p & 15]);
	}
	put(&out, '\'');
	return finish(&out);
}

int drip_sql_quote(const struct drip_sql_dialect *dialect, const char *name, char *buf, size_t size)
{
	return quote_with(dialect->quote, name, buf, size);
}

int drip_sql_literal(const struct drip_sql_dialect *dialect, const char *text, char *buf,
		     size_t size)
{
	if (dialect != NULL && strcmp(dialect->name, "mysql") == 0 && strchr(text, '\\') != NULL) {
		return mysql_bytes(text, buf, size);
	}
	return quote_with('\'', text, buf, size);
}
