/* SPDX-License-Identifier: Apache-2.0 */
/* Edit distance after Damerau and Levenshtein, in the restricted form in which no part is edited
 * twice, with three rows of the table. */
#include <dripline/suggest.h>

#include <stdio.h>
#include <string.h>

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t drip_edit_distance(const char *a, const char *b)
{
	size_t rows[3][DRIP_SUGGEST_NAME_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2], *swap;
	size_t n = strnlen(a, DRIP_SUGGEST_NAME_MAX), m = strnlen(b, DRIP_SUGGEST_NAME_MAX);

	for (size_t j = 0; j <= m; j++) {
		last[j] = j;
		before[j] = j;
	}
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			char x = lower(a[i - 1]), y = lower(b[j - 1]);

			row[j] = min(last[j] + 1, row[j - 1] + 1);
			row[j] = min(row[j], last[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y) {
				row[j] = min(row[j], before[j - 2] + 1);
			}
		}
		swap = before;
		before = last;
		last = row;
		row = swap;
	}
	return last[m];
}

void drip_suggestion_offer(struct drip_suggestion *s, const char *name)
{
	size_t length = strnlen(s->wrong, DRIP_SUGGEST_NAME_MAX);
	size_t most = length < 3 ? 1 : length < 6 ? 2 : length / 3;
	size_t distance = drip_edit_distance(s->wrong, name);

	if (distance <= most && distance < length && (s->best == NULL || distance < s->distance)) {
		s->best = name;
		s->distance = distance;
	}
}

const char *drip_suggestion_hint(const struct drip_suggestion *s, const char *otherwise, char *buf,
				 size_t size)
{
	if (s->best != NULL) {
		snprintf(buf, size, "Did you mean \"%s\"?", s->best);
	} else {
		snprintf(buf, size, "%s", otherwise != NULL ? otherwise : "");
	}
	return buf;
}
