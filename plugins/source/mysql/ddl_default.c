/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows of a table hold in a column that ALTER TABLE adds: its literal default, or MySQL's
 * value for NOT NULL without one. The log has no rows for that. What depends on the server (an
 * expression, the time zone of the session) is not known: see ddl_parse.h.
 */
#include "ddl_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char clock_shape[] = "0000-00-00 00:00:00.000000";

/* Is `text` the first `size` bytes of such a clock, with any digits? */
static bool is_clock(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		bool digit = text[i] >= '0' && text[i] <= '9';

		if (i >= sizeof(clock_shape) - 1 ||
		    (clock_shape[i] == '0' ? !digit : text[i] != clock_shape[i])) {
			return false;
		}
	}
	return true;
}

/* (gives) "2024-01-02 03:04:05.600" of the literal of a DATETIME, as the server writes it. */
static char *datetime_text(const char *text, uint8_t fsp)
{
	size_t n = strlen(text), whole = fsp > 0 ? 20u + fsp : 19u;
	char buf[sizeof(clock_shape)];

	if ((n != 10 && n != 19 && n != whole) || fsp > 6 || !is_clock(text, n)) {
		return NULL;
	}
	memcpy(buf, clock_shape, sizeof(buf));
	memcpy(buf, text, n);
	return strndup(buf, whole);
}

/* (gives) the label that `text` names. */
static char *label_text(const struct drip_my_column *c, const char *text)
{
	for (uint32_t i = 0; i < c->labels_count; i++) {
		if (strcasecmp(c->labels[i], text) == 0) {
			return strdup(c->labels[i]);
		}
	}
	return c->kind == DRIP_MY_SET && text[0] == '\0' ? strdup("") : NULL;
}

/* (gives) the text of a literal as the server writes the value; NULL: not known. */
static char *value_text(const struct drip_my_column *c, const char *literal)
{
	size_t n = strlen(literal);

	switch (c->kind) {
	case DRIP_MY_ENUM:
	case DRIP_MY_SET:
		return label_text(c, literal);
	case DRIP_MY_DATE:
		return n == 10 && is_clock(literal, n) ? strdup(literal) : NULL;
	case DRIP_MY_DATETIME:
		return datetime_text(literal, c->fsp);
	case DRIP_MY_TIMESTAMP: /* in the time zone of the session, but for the zero */
		return strncmp(literal, "0000-00-00", 10) == 0 ? datetime_text(literal, c->fsp)
							       : NULL;
	case DRIP_MY_CHAR:
		while (n > 0 && literal[n - 1] == ' ') {
			n--;
		}
		return n == 0 || strcmp(c->charset, "binary") != 0 ? strndup(literal, n) : NULL;
	case DRIP_MY_VARCHAR:
	case DRIP_MY_TEXT:
		return n == 0 || strcmp(c->charset, "binary") != 0 ? strdup(literal) : NULL;
	case DRIP_MY_INT:
	case DRIP_MY_FLOAT:
	case DRIP_MY_DOUBLE:
	case DRIP_MY_DECIMAL:
	case DRIP_MY_BIT:
	case DRIP_MY_TIME:
		return strdup(literal);
	case DRIP_MY_YEAR: /* two digits are years around 2000 */
		return n == 4 ? strdup(literal) : NULL;
	default:
		return NULL;
	}
}

static bool continues(const struct drip_my_lex *l, const char *end)
{
	return l->text == end &&
	       (l->kind == DRIP_MY_NUMBER || l->kind == DRIP_MY_WORD || drip_my_lex_is(l, "."));
}

/* (gives) "-12.50" out of its tokens, without a plus. */
static char *take_number(struct drip_my_lex *l)
{
	const char *start = l->text, *end;
	char *text;

	if (drip_my_lex_accept(l, "+")) {
		start = l->text;
	} else {
		drip_my_lex_accept(l, "-");
	}
	do {
		end = l->text + l->size;
		drip_my_lex_next(l);
	} while (continues(l, end));
	text = malloc((size_t)(end - start) + 1);
	if (text != NULL) { /* the statement need not end with a NUL, which strndup looks for */
		memcpy(text, start, (size_t)(end - start));
		text[end - start] = '\0';
	}
	return text;
}

/* (gives) the decimal text of b'101', the lexer at the string. */
static char *take_bits(struct drip_my_lex *l)
{
	char *bits = drip_my_lex_take(l), *end, text[24];
	unsigned long long v = bits != NULL ? strtoull(bits, &end, 2) : 0;
	bool good = bits != NULL && *end == '\0' && bits[0] != '\0' && strlen(bits) <= 64;

	free(bits);
	snprintf(text, sizeof(text), "%llu", v);
	return good ? strdup(text) : NULL;
}

/* (gives) the literal at the lexer, stepped over; NULL: an expression, or in no known form. */
static char *take_literal(struct drip_my_lex *l)
{
	bool bits = drip_my_lex_is(l, "b");

	if (l->kind == DRIP_MY_STRING) {
		return drip_my_lex_take(l);
	}
	if (l->kind == DRIP_MY_NUMBER || drip_my_lex_is(l, "-") || drip_my_lex_is(l, "+") ||
	    drip_my_lex_is(l, ".")) {
		return take_number(l);
	}
	if (drip_my_lex_accept(l, "true")) {
		return strdup("1");
	}
	if (drip_my_lex_accept(l, "false")) {
		return strdup("0");
	}
	if (bits) {
		drip_my_lex_next(l);
		return l->kind == DRIP_MY_STRING ? take_bits(l) : NULL;
	}
	drip_my_lex_skip(l);
	return NULL;
}

static void set_fill(struct drip_my_column *c, char *text)
{
	drip_my_column_settle(c);
	c->fill = text;
	c->unfilled = text == NULL;
}

void drip_my_ddl_default(struct drip_my_lex *l, struct drip_my_column *c)
{
	char *literal;

	if (drip_my_lex_accept(l, "null")) {
		drip_my_column_settle(c);
		return;
	}
	literal = take_literal(l);
	set_fill(c, literal != NULL ? value_text(c, literal) : NULL);
	free(literal);
}

void drip_my_ddl_implicit_default(struct drip_my_column *c)
{
	switch (c->kind) {
	case DRIP_MY_ENUM:
		set_fill(c, c->labels_count > 0 ? strdup(c->labels[0]) : NULL);
		break;
	case DRIP_MY_DATE:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		set_fill(c, value_text(c, "0000-00-00"));
		break;
	case DRIP_MY_TIME:
		set_fill(c, strdup("00:00:00"));
		break;
	case DRIP_MY_YEAR:
	case DRIP_MY_INT:
	case DRIP_MY_FLOAT:
	case DRIP_MY_DOUBLE:
	case DRIP_MY_DECIMAL:
	case DRIP_MY_BIT:
		set_fill(c, strdup("0"));
		break;
	default:
		set_fill(c, value_text(c, ""));
		break;
	}
}
