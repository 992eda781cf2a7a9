/* SPDX-License-Identifier: Apache-2.0 */
/* Is text UTF-8? Whole columns of ASCII are passed eight bytes at a time; only what is left is
 * looked at string by string. The ranges are those of table 3-7 of the Unicode Standard. */
#include "private.h"

#include <string.h>

static bool is_ascii(const uint8_t *p, int64_t size)
{
	uint64_t seen = 0;
	int64_t i = 0;

	for (; i + 32 <= size; i += 32) {
		uint64_t w[4];

		memcpy(w, p + i, sizeof(w));
		seen |= w[0] | w[1] | w[2] | w[3];
	}
	for (; i < size; i++) {
		seen |= p[i];
	}
	return (seen & UINT64_C(0x8080808080808080)) == 0;
}

/* Length of the sequence at `p`, 0 where it is malformed. */
static int64_t sequence(const uint8_t *p, int64_t left)
{
	uint8_t low = 0x80, high = 0xBF;
	int64_t size;

	if (p[0] < 0x80) {
		return 1;
	} else if (p[0] >= 0xC2 && p[0] <= 0xDF) {
		size = 2;
	} else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
		size = 3;
		low = p[0] == 0xE0 ? 0xA0 : low;
		high = p[0] == 0xED ? 0x9F : high;
	} else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		size = 4;
		low = p[0] == 0xF0 ? 0x90 : low;
		high = p[0] == 0xF4 ? 0x8F : high;
	} else {
		return 0;
	}
	if (left < size || p[1] < low || p[1] > high) {
		return 0;
	}
	for (int64_t i = 2; i < size; i++) {
		if ((p[i] & 0xC0) != 0x80) {
			return 0;
		}
	}
	return size;
}

static bool is_utf8(const uint8_t *p, int64_t size)
{
	while (size > 0) {
		int64_t n = sequence(p, size);

		if (n == 0) {
			return false;
		}
		p += n;
		size -= n;
	}
	return true;
}

bool drip_duck_utf8_valid(const char *text, size_t size)
{
	return is_utf8((const uint8_t *)text, (int64_t)size);
}

int64_t drip_duck_utf8_check(const struct ArrowArray *column, int64_t start, int64_t count)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset + start;
	const uint8_t *data = column->buffers[2];

	if (count == 0 || is_ascii(data + offsets[0], offsets[count] - offsets[0])) {
		return -1;
	}
	for (int64_t i = 0; i < count; i++) {
		if (!is_utf8(data + offsets[i], offsets[i + 1] - offsets[i])) {
			return start + i;
		}
	}
	return -1;
}
