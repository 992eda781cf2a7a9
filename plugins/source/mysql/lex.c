/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer: see lex.h. */
#include "lex.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
	       c == '$' || ((unsigned char)c) >= 0x80;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v' ||
	       c == '\0';
}

/* Behind the end of the line, or the end. */
static const char *skip_line(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl != NULL ? nl + 1 : end;
}

/* Behind a comment that starts at `p`; for an executable one, behind its opening. */
static const char *skip_comment(const char *p, const char *end)
{
	p += 2;
	if (p < end && (*p == '!' || (*p == 'M' && p + 1 < end && p[1] == '!'))) {
		p += *p == '!' ? 1 : 2;
		while (p < end && is_digit(*p)) {
			p++;
		}
		return p;
	}
	for (; p + 1 < end; p++) {
		if (p[0] == '*' && p[1] == '/') {
			return p + 2;
		}
	}
	return end;
}

static const char *skip_blank(const char *p, const char *end)
{
	while (p < end) {
		size_t left = (size_t)(end - p);

		if (is_space(*p)) {
			p++;
		} else if (*p == '#') {
			p = skip_line(p, end);
		} else if (left >= 3 && p[0] == '-' && p[1] == '-' && is_space(p[2])) {
			p = skip_line(p, end);
		} else if (left >= 2 && p[0] == '/' && p[1] == '*') {
			p = skip_comment(p, end);
		} else if (left >= 2 && p[0] == '*' && p[1] == '/') {
			p += 2; /* the end of an executable comment */
		} else {
			break;
		}
	}
	return p;
}

static const char *skip_quoted(const struct drip_my_lex *l, const char *p, char quote)
{
	for (p++; p < l->end; p++) {
		if (*p == '\\' && quote != '`' && !l->no_backslash && p + 1 < l->end) {
			p++;
		} else if (*p == quote) {
			if (p + 1 < l->end && p[1] == quote) {
				p++;
			} else {
				return p + 1;
			}
		}
	}
	return l->end;
}

void drip_my_lex_next(struct drip_my_lex *l)
{
	const char *p = skip_blank(l->next, l->end);

	l->text = p;
	if (p >= l->end) {
		l->kind = DRIP_MY_END;
	} else if (*p == '`' || *p == '"' || *p == '\'') {
		l->kind = *p == '`' || (*p == '"' && l->ansi_quotes) ? DRIP_MY_QUOTED
								     : DRIP_MY_STRING;
		p = skip_quoted(l, p, *p);
	} else if (is_word(*p)) {
		bool number = true;

		for (; p < l->end && is_word(*p); p++) {
			number = number && is_digit(*p);
		}
		l->kind = number ? DRIP_MY_NUMBER : DRIP_MY_WORD;
	} else {
		l->kind = DRIP_MY_PUNCT;
		p++;
	}
	l->size = (size_t)(p - l->text);
	l->next = p;
}

void drip_my_lex_init(struct drip_my_lex *l, const char *sql, size_t size)
{
	memset(l, 0, sizeof(*l));
	l->next = sql;
	l->end = sql + size;
	drip_my_lex_next(l);
}

bool drip_my_lex_is(const struct drip_my_lex *l, const char *word)
{
	if (l->kind != DRIP_MY_WORD && l->kind != DRIP_MY_PUNCT) {
		return false;
	}
	return strlen(word) == l->size && strncasecmp(l->text, word, l->size) == 0;
}

bool drip_my_lex_accept(struct drip_my_lex *l, const char *word)
{
	if (!drip_my_lex_is(l, word)) {
		return false;
	}
	drip_my_lex_next(l);
	return true;
}

bool drip_my_lex_is_name(const struct drip_my_lex *l)
{
	return l->kind == DRIP_MY_WORD || l->kind == DRIP_MY_QUOTED;
}

static char unescape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'b':
		return '\b';
	case '0':
		return '\0';
	case 'Z':
		return '\032';
	default:
		return c;
	}
}

char *drip_my_lex_take(struct drip_my_lex *l)
{
	bool quoted = l->kind == DRIP_MY_QUOTED || l->kind == DRIP_MY_STRING;
	char quote = quoted ? l->text[0] : '\0';
	char *out, *o;

	if (!quoted && l->kind != DRIP_MY_WORD) {
		return NULL;
	}
	out = o = malloc(l->size + 1);
	if (out == NULL) {
		return NULL;
	}
	for (size_t i = quoted ? 1 : 0; i < l->size; i++) {
		char c = l->text[i];

		if (quoted && c == quote) {
			if (i + 1 >= l->size || l->text[i + 1] != quote) {
				break;
			}
			i++;
		} else if (c == '\\' && l->kind == DRIP_MY_STRING && !l->no_backslash &&
			   i + 1 < l->size) {
			c = unescape(l->text[++i]);
		}
		*o++ = c;
	}
	*o = '\0';
	drip_my_lex_next(l);
	return out;
}

void drip_my_lex_skip(struct drip_my_lex *l)
{
	uint32_t depth = 0;

	do {
		if (drip_my_lex_is(l, "(")) {
			depth++;
		} else if (drip_my_lex_is(l, ")") && depth > 0) {
			depth--;
		}
		drip_my_lex_next(l);
	} while (depth > 0 && l->kind != DRIP_MY_END);
}
