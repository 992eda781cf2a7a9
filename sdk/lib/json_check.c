/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a text is one JSON value (RFC 8259), without recursion and without building anything. */
#include "parse.h"

#include <string.h>

#define DEPTH_MAX 512

struct scanner {
	const char *at, *end;
	char open[DEPTH_MAX]; /* '[' or '{' of each level */
	int depth;
};

static void skip_space(struct scanner *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
		s->at++;
	}
}

static bool skip_char(struct scanner *s, char wanted)
{
	if (s->at < s->end && *s->at == wanted) {
		s->at++;
		return true;
	}
	return false;
}

static bool scan_escape(struct scanner *s)
{
	if (s->at == s->end) {
		return false;
	}
	if (*s->at == 'u') {
		s->at++;
		for (int i = 0; i < 4; i++, s->at++) {
			if (s->at == s->end || *s->at == '\0' ||
			    strchr("0123456789abcdefABCDEF", *s->at) == NULL) {
				return false;
			}
		}
		return true;
	}
	return *s->at != '\0' && strchr("\"\\/bfnrt", *s->at++) != NULL;
}

static bool scan_string(struct scanner *s)
{
	if (!skip_char(s, '"')) {
		return false;
	}
	while (s->at < s->end && *s->at != '"') {
		if ((unsigned char)*s->at < 0x20) {
			return false;
		}
		if (*s->at++ == '\\' && !scan_escape(s)) {
			return false;
		}
	}
	return skip_char(s, '"');
}

static bool scan_digits(struct scanner *s)
{
	const char *start = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
		s->at++;
	}
	return s->at > start;
}

static bool scan_number(struct scanner *s)
{
	skip_char(s, '-');
	if (!skip_char(s, '0') && !scan_digits(s)) {
		return false;
	}
	if (skip_char(s, '.') && !scan_digits(s)) {
		return false;
	}
	if (skip_char(s, 'e') || skip_char(s, 'E')) {
		if (!skip_char(s, '+')) {
			skip_char(s, '-');
		}
		return scan_digits(s);
	}
	return true;
}

static bool scan_word(struct scanner *s, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0) {
		return false;
	}
	s->at += size;
	return true;
}

static bool scan_scalar(struct scanner *s)
{
	if (s->at == s->end) {
		return false;
	}
	switch (*s->at) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

static bool scan_key(struct scanner *s)
{
	skip_space(s);
	if (!scan_string(s)) {
		return false;
	}
	skip_space(s);
	return skip_char(s, ':');
}

/* Behind a value: closes levels. True where another value must follow; *ret_ok false on an error.
 */
static bool scan_after(struct scanner *s, bool *ret_ok)
{
	*ret_ok = true;
	while (s->depth > 0) {
		char open = s->open[s->depth - 1];

		skip_space(s);
		if (skip_char(s, ',')) {
			*ret_ok = open == '[' || scan_key(s);
			return *ret_ok;
		}
		if (!skip_char(s, open == '[' ? ']' : '}')) {
			*ret_ok = false;
			return false;
		}
		s->depth--;
	}
	return false;
}

bool drip_text_is_json(const char *text, int64_t size)
{
	struct scanner s = {.at = text, .end = text + size};
	bool ok = true, more = true;

	while (more) {
		skip_space(&s);
		if (s.at < s.end && (*s.at == '[' || *s.at == '{')) {
			char open = *s.at++;

			if (s.depth == DEPTH_MAX) {
				return false;
			}
			skip_space(&s);
			if (!skip_char(&s, open == '[' ? ']' : '}')) {
				s.open[s.depth++] = open;
				if (open == '{' && !scan_key(&s)) {
					return false;
				}
				continue;
			}
		} else if (!scan_scalar(&s)) {
			return false;
		}
		more = scan_after(&s, &ok);
	}
	skip_space(&s);
	return ok && s.depth == 0 && s.at == s.end;
}
