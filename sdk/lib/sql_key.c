/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Surrogate keys: the same number in C, DuckDB and Redshift. MD5 as in RFC 1321, for short texts;
 * it stands for a row and keeps no secret. Pure; thread: any.
 */
#include <dripline/sql.h>
#include <dripline/text.h>

#include <errno.h>
#include <string.h>

struct md5 {
	uint32_t state[4];
	uint8_t block[64];
	uint64_t size;
};

static const uint8_t shifts[] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};

/* floor(2^32 * abs(sin(i + 1))), RFC 1321, 3.4 */
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613,
	0xfd469501, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193,
	0xa679438e, 0x49b40821, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d,
	0x02441453, 0xd8a1e681, 0xe7d3fbc8, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 0xfffa3942, 0x8771f681, 0x6d9d6122,
	0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 0x289b7ec6, 0xeaa127fa,
	0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 0xf4292244,
	0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb,
	0xeb86d391};

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void mix(uint32_t state[4], const uint8_t *block)
{
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];

	for (uint32_t i = 0; i < 64; i++) {
		uint32_t f, at, old = d, shift = shifts[i / 16 * 4 + i % 4];

		if (i < 16) {
			f = (b & c) | (~b & d);
			at = i;
		} else if (i < 32) {
			f = (d & b) | (~d & c);
			at = (5 * i + 1) % 16;
		} else if (i < 48) {
			f = b ^ c ^ d;
			at = (3 * i + 5) % 16;
		} else {
			f = c ^ (b | ~d);
			at = 7 * i % 16;
		}
		f += a + sines[i] + word(block + (size_t)4 * at);
		a = old;
		d = c;
		c = b;
		b += f << shift | f >> (32 - shift);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void update(struct md5 *m, const void *data, size_t size)
{
	const uint8_t *p = (const uint8_t *)data;

	for (size_t i = 0; i < size; i++) {
		m->block[m->size++ % 64] = p[i];
		if (m->size % 64 == 0) {
			mix(m->state, m->block);
		}
	}
}

int64_t drip_surrogate_key(const char *table, const char *natural_key, size_t size)
{
	struct md5 m = {.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
	static const uint8_t padding[64] = {0x80};
	uint8_t length[8];
	uint64_t bits;

	update(&m, table, strlen(table));
	update(&m, "|", 1);
	update(&m, natural_key, size);
	bits = m.size * 8;
	for (int i = 0; i < 8; i++) {
		length[i] = (uint8_t)(bits >> 8 * i);
	}
	update(&m, padding, 1 + (119 - m.size % 64) % 64);
	update(&m, length, sizeof(length));
	return (int64_t)(((uint64_t)m.state[1] << 32 | m.state[0]) & INT64_MAX);
}

int drip_sql_put_key_function(struct drip_text *t, const char *dialect_name, const char *schema,
			      struct drip_error *err)
{
	const char *form = NULL;

	if (strcmp(dialect_name, "duckdb") == 0) {
		form = ".surrogate_key(table_name, natural_key) AS "
		       "CAST(md5_number(concat(table_name, '|', natural_key)) & "
		       "9223372036854775807 "
		       "AS BIGINT)";
	} else if (strcmp(dialect_name, "redshift") == 0) {
		/* two halves, as STRTOL takes no 64 bits with the highest set */
		form = ".surrogate_key(VARCHAR(256), VARCHAR(65279)) RETURNS BIGINT IMMUTABLE AS "
		       "$$\n"
		       "  SELECT ((STRTOL(SUBSTRING(MD5($1 || '|' || $2), 15, 2) || "
		       "SUBSTRING(MD5($1 || '|' || $2), 13, 2) ||\n"
		       "    SUBSTRING(MD5($1 || '|' || $2), 11, 2) || SUBSTRING(MD5($1 || '|' || "
		       "$2), "
		       "9, 2), 16)\n"
		       "    & 2147483647) * 4294967296)\n"
		       "    + STRTOL(SUBSTRING(MD5($1 || '|' || $2), 7, 2) || SUBSTRING(MD5($1 || "
		       "'|' "
		       "|| $2), 5, 2) ||\n"
		       "    SUBSTRING(MD5($1 || '|' || $2), 3, 2) || SUBSTRING(MD5($1 || '|' || "
		       "$2), 1, "
		       "2), 16)\n"
		       "$$ LANGUAGE sql";
	} else {
		return drip_error_set(err, -ENOTSUP, "sql.no_key_function",
				      "there is no function for surrogate keys in %s",
				      dialect_name);
	}
	drip_text_puts(t, strcmp(dialect_name, "duckdb") == 0 ? "CREATE OR REPLACE MACRO "
							      : "CREATE OR REPLACE FUNCTION ");
	drip_text_puts(t, schema);
	drip_text_puts(t, form);
	return drip_text_check(t, err);
}
