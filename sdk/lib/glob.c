/* SPDX-License-Identifier: Apache-2.0 */
/* Name patterns with * and ?. Only the last * is ever tried again, so matching cannot blow up.
 * Thread: any. */
#include <dripline/text.h>

#include <stdio.h>
#include <string.h>

static bool same_byte(char a, char b)
{
	if (a >= 'A' && a <= 'Z') {
		a = (char)(a - 'A' + 'a');
	}
	if (b >= 'A' && b <= 'Z') {
		b = (char)(b - 'A' + 'a');
	}
	return a == b;
}

static void capture(struct drip_glob_capture *captures, size_t index, const char *data, size_t size)
{
	if (captures != NULL && index < DRIP_GLOB_CAPTURES_MAX) {
		captures[index].data = data;
		captures[index].size = size;
	}
}

bool drip_glob_match(const char *pattern, const char *text, struct drip_glob_capture *captures,
		     size_t *ret_count)
{
	const char *star = NULL, *star_text = NULL; /* the last *, and where what it eats begins */
	const char *eaten = NULL;                   /* and where it ends */
	size_t star_index = 0, index = 0;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			star_text = eaten = text;
			star_index = index++;
			capture(captures, star_index, text, 0);
		} else if (*pattern == '?') {
			capture(captures, index++, text++, 1);
			pattern++;
		} else if (*pattern != '\0' && same_byte(*pattern, *text)) {
			pattern++;
			text++;
		} else if (star != NULL) {
			eaten++;
			capture(captures, star_index, star_text, (size_t)(eaten - star_text));
			pattern = star + 1;
			text = eaten;
			index = star_index + 1;
		} else {
			return false;
		}
	}
	for (; *pattern == '*'; pattern++) {
		capture(captures, index++, text, 0);
	}
	if (ret_count != NULL) {
		*ret_count = index < DRIP_GLOB_CAPTURES_MAX ? index : DRIP_GLOB_CAPTURES_MAX;
	}
	return *pattern == '\0';
}

bool drip_glob_table(const char *pattern, const char *database, const char *table)
{
	char full[2 * DRIP_NAME_MAX + 2];

	if (strchr(pattern, '.') == NULL) {
		return drip_glob_match(pattern, table, NULL, NULL);
	}
	snprintf(full, sizeof(full), "%s.%s", database, table);
	return drip_glob_match(pattern, full, NULL, NULL);
}
