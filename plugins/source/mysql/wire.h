/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded reader of bytes. Reading past the end gives zeros and sets `bad`, so that a parser
 * checks once, at its end.
 */
#ifndef DRIPLINE_MYSQL_WIRE_H
#define DRIPLINE_MYSQL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct drip_my_reader {
	const uint8_t *p, *end;
	bool bad;
};

/* Of nothing when `p` is NULL: pointer arithmetic on NULL is undefined even by zero. */
static inline struct drip_my_reader drip_my_reader_of(const uint8_t *p, size_t size)
{
	const uint8_t *from = p != NULL ? p : (const uint8_t *)"";

	return (struct drip_my_reader){.p = from, .end = p != NULL ? p + size : from};
}

static inline size_t drip_my_left(const struct drip_my_reader *r)
{
	return (size_t)(r->end - r->p);
}

/* (borrowed) the next `size` bytes, or NULL. */
static inline const uint8_t *drip_my_read(struct drip_my_reader *r, uint64_t size)
{
	const uint8_t *p = r->p;

	if (size > drip_my_left(r)) {
		r->bad = true;
		r->p = r->end;
		return NULL;
	}
	r->p += size;
	return p;
}

static inline uint64_t drip_my_little(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++) {
		v |= (uint64_t)p[i] << (8 * i);
	}
	return v;
}

/* Little-endian, 8 bytes at most. */
static inline uint64_t drip_my_read_uint(struct drip_my_reader *r, unsigned bytes)
{
	const uint8_t *p = drip_my_read(r, bytes);

	return p == NULL ? 0 : drip_my_little(p, bytes);
}

/* A length-encoded integer. */
static inline uint64_t drip_my_read_length(struct drip_my_reader *r)
{
	uint64_t first = drip_my_read_uint(r, 1);

	switch (first) {
	case 0xfc:
		return drip_my_read_uint(r, 2);
	case 0xfd:
		return drip_my_read_uint(r, 3);
	case 0xfe:
		return drip_my_read_uint(r, 8);
	default:
		return first;
	}
}

#endif
