/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which changes of a column's type leave all its values as they are, as readers see them. Only what
 * is sure counts: the others make the source read the table again. With strict mode the server
 * refuses a value that is out of range, or NULL where it may not be; but it rounds fractions, cuts
 * spaces and finds members of an ENUM by their collation in every mode.
 */
#include "ddl_parse.h"

#include <string.h>

static unsigned int_digits(const struct drip_my_column *c)
{
	static const uint8_t digits[] = {0, 3, 5, 8, 10, 0, 0, 0, 20};

	return digits[c->bytes <= 8 ? c->bytes : 0];
}

static bool int_keeps(const struct drip_my_column *a, const struct drip_my_column *b, bool strict)
{
	bool fits = false;

	if (b->kind == DRIP_MY_DECIMAL) {
		fits = b->precision - b->scale >= (int)int_digits(a);
	} else if (b->kind == DRIP_MY_INT) {
		fits = a->is_unsigned == b->is_unsigned ? b->bytes >= a->bytes
							: b->bytes > a->bytes;
	} else {
		return false;
	}
	return strict || (fits && (a->is_unsigned || !b->is_unsigned));
}

static bool decimal_keeps(const struct drip_my_column *a, const struct drip_my_column *b,
			  bool strict)
{
	bool fits = b->precision - b->scale >= a->precision - a->scale &&
		    (a->is_unsigned || !b->is_unsigned);

	return b->kind == DRIP_MY_DECIMAL && b->scale >= a->scale && (strict || fits);
}

static bool float_keeps(const struct drip_my_column *a, const struct drip_my_column *b, bool strict)
{
	return (b->kind == a->kind || b->kind == DRIP_MY_DOUBLE) &&
	       (strict || a->is_unsigned || !b->is_unsigned);
}

static bool is_text(const struct drip_my_column *c)
{
	return c->kind == DRIP_MY_CHAR || c->kind == DRIP_MY_VARCHAR || c->kind == DRIP_MY_TEXT;
}

/* Has `to` all characters of `from`? */
static bool charset_keeps(const char *from, const char *to)
{
	return strcmp(from, to) == 0 || (strcmp(to, "utf8mb4") == 0 && strcmp(from, "binary") != 0);
}

static uint64_t text_bytes(const struct drip_my_column *c)
{
	return c->kind == DRIP_MY_TEXT ? (UINT64_C(1) << (8 * c->bytes)) - 1
				       : (uint64_t)c->length * drip_my_charset_width(c->charset);
}

static bool text_keeps(const struct drip_my_column *a, const struct drip_my_column *b)
{
	if (!is_text(b) || !charset_keeps(a->charset, b->charset)) {
		return false;
	}
	if (b->kind == DRIP_MY_CHAR) { /* it pads, or loses spaces at its end */
		bool binary = strcmp(b->charset, "binary") == 0;

		return a->kind == DRIP_MY_CHAR &&
		       (binary ? b->length == a->length : b->length >= a->length);
	}
	if (b->kind == DRIP_MY_VARCHAR) {
		return a->kind != DRIP_MY_TEXT && b->length >= a->length;
	}
	return a->kind == DRIP_MY_TEXT && strcmp(a->charset, b->charset) == 0
		       ? b->bytes >= a->bytes
		       : text_bytes(b) >= text_bytes(a) * (a->kind == DRIP_MY_TEXT ? 4 : 1);
}

/* Are all members of `a` in `b`, in the same order? */
static bool labels_keep(const struct drip_my_column *a, const struct drip_my_column *b)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < a->labels_count; i++) {
		bool found = false;

		if (a->kind == DRIP_MY_ENUM) {
			at = 0; /* only the text of a value counts */
		}
		while (at < b->labels_count && !found) {
			found = strcmp(a->labels[i], b->labels[at++]) == 0;
		}
		if (!found) {
			return false;
		}
	}
	return a->kind == b->kind;
}

static bool kind_keeps(const struct drip_my_column *a, const struct drip_my_column *b, bool strict)
{
	switch (a->kind) {
	case DRIP_MY_INT:
		return int_keeps(a, b, strict);
	case DRIP_MY_DECIMAL:
		return decimal_keeps(a, b, strict);
	case DRIP_MY_FLOAT:
	case DRIP_MY_DOUBLE:
		return float_keeps(a, b, strict);
	case DRIP_MY_BIT:
		return b->kind == a->kind && (strict || b->length >= a->length);
	case DRIP_MY_TIME:
	case DRIP_MY_DATETIME:
	case DRIP_MY_TIMESTAMP:
		return b->kind == a->kind && b->fsp >= a->fsp;
	case DRIP_MY_CHAR:
	case DRIP_MY_VARCHAR:
	case DRIP_MY_TEXT:
		return text_keeps(a, b);
	case DRIP_MY_ENUM:
	case DRIP_MY_SET:
		return labels_keep(a, b) && charset_keeps(a->charset, b->charset);
	default:
		return b->kind == a->kind;
	}
}

bool drip_my_ddl_keeps(const struct drip_my_column *a, const struct drip_my_column *b, bool strict)
{
	bool nulls_stay = b->nullable || !a->nullable || (strict && a->kind != DRIP_MY_TIMESTAMP);

	return !b->computed && nulls_stay && kind_keeps(a, b, strict);
}

void drip_my_ddl_compare(const struct drip_my_table *before, struct drip_my_table *t, bool strict)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct drip_my_column *c = &t->columns[i];
		const char *name = c->renamed_from != NULL ? c->renamed_from : c->name;
		int was = drip_my_table_find(before, name);

		for (uint32_t k = 0; k < t->count && was >= 0 && c->added; k++) {
			const char *from = t->columns[k].renamed_from;

			if (from != NULL && strcmp(from, name) == 0) {
				was = -1; /* the name went to another column, and this one is new */
			}
		}
		if (was < 0 || (!c->added && drip_my_ddl_keeps(&before->columns[was], c, strict))) {
			continue;
		}
		t->lost_values = true;
		/* rows under keys that are gone must go */
		t->lost_rows = t->lost_rows || c->key != 0 || before->columns[was].key != 0;
	}
}
