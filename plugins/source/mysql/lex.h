/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small tokenizer of MySQL's SQL: enough to read DDL from the binlog and column types from
 * information_schema. Comments are skipped; the content of executable comments (those that start
 * with an exclamation mark) is read as SQL. Never reads behind `end`. Threads: none of its own.
 */
#ifndef DRIPLINE_MYSQL_LEX_H
#define DRIPLINE_MYSQL_LEX_H

#include <stdbool.h>
#include <stddef.h>

enum drip_my_token {
	DRIP_MY_END = 0,
	DRIP_MY_WORD,   /* unquoted identifier or keyword */
	DRIP_MY_QUOTED, /* `identifier`, quotes kept in the text */
	DRIP_MY_STRING, /* 'text' or "text", quotes kept */
	DRIP_MY_NUMBER,
	DRIP_MY_PUNCT, /* one character */
};

struct drip_my_lex {
	const char *next, *end;
	bool ansi_quotes;  /* "x" is an identifier */
	bool no_backslash; /* the backslash escapes nothing */
	enum drip_my_token kind;
	const char *text; /* (borrowed) of the current token */
	size_t size;
};

/* Starts at the first token of `sql`, which is borrowed while the lexer is used. */
void drip_my_lex_init(struct drip_my_lex *l, const char *sql, size_t size);
void drip_my_lex_next(struct drip_my_lex *l);
/* Is the current token this keyword (case ignored) or this character? */
bool drip_my_lex_is(const struct drip_my_lex *l, const char *word);
/* The same, and steps over it. */
bool drip_my_lex_accept(struct drip_my_lex *l, const char *word);
/* Is the current token usable as an identifier? */
bool drip_my_lex_is_name(const struct drip_my_lex *l);
/* The current identifier or string without its quotes, malloc'd (gives), and steps over it. NULL:
 * no such token, or no memory. */
char *drip_my_lex_take(struct drip_my_lex *l);
/* Steps over (...) where the current token is its opening; over one token otherwise. */
void drip_my_lex_skip(struct drip_my_lex *l);

#endif
