/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of rows, column by column: each column's loop folds its values into the hashes so far.
 * Texts are hashed with XXH3 (xxHash 0.8, whose results are frozen), fixed values with the
 * finalizer of splitmix64. Pure.
 */
#include <dripline/rowset.h>

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define NULL_TAG 0x6e756c6c6e756c6cu

static inline uint64_t mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline void fold(struct drip_hash *h, uint64_t a, uint64_t b)
{
	h->low = mix(h->low * 0x9e3779b97f4a7c15u + a);
	h->high = mix(h->high * 0xc2b2ae3d27d4eb4fu + (b ^ 0x5851f42d4c957f2du));
}

#define FOLD(ctype)                                                                                \
	do {                                                                                       \
		const ctype *v = (const ctype *)column->buffers[1] + column->offset;               \
		for (int64_t i = 0; i < column->length; i++) {                                     \
			if (nulls && drip_is_null(column, i)) {                                    \
				fold(&out[i], NULL_TAG, NULL_TAG + 1);                             \
			} else {                                                                   \
				fold(&out[i], (uint64_t)v[i], (uint64_t)v[i]);                     \
			}                                                                          \
		}                                                                                  \
	} while (0)

static void fold_fixed(const struct ArrowArray *column, uint32_t width, struct drip_hash *out)
{
	bool nulls = column->buffers[0] != NULL && column->null_count != 0;
	const uint8_t *bytes = (const uint8_t *)column->buffers[1];

	switch (width) {
	case 0:
		for (int64_t i = 0; i < column->length; i++) {
			int64_t at = column->offset + i;
			uint64_t v = drip_is_null(column, i)
					     ? NULL_TAG
					     : (uint64_t)((bytes[at >> 3] >> (at & 7)) & 1);

			fold(&out[i], v, v);
		}
		break;
	case 1:
		FOLD(uint8_t);
		break;
	case 2:
		FOLD(uint16_t);
		break;
	case 4:
		FOLD(uint32_t);
		break;
	case 8:
		FOLD(uint64_t);
		break;
	default:
		for (int64_t i = 0; i < column->length; i++) {
			uint64_t v[2] = {NULL_TAG, NULL_TAG + 1};

			if (!drip_is_null(column, i)) {
				memcpy(v, bytes + (size_t)(column->offset + i) * 16, 16);
			}
			fold(&out[i], v[0], v[1]);
			fold(&out[i], v[1], v[0]);
		}
		break;
	}
}

static void fold_variable(const struct ArrowArray *column, struct drip_hash *out)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset;
	const char *data = (const char *)column->buffers[2];

	for (int64_t i = 0; i < column->length; i++) {
		if (drip_is_null(column, i)) {
			fold(&out[i], NULL_TAG, NULL_TAG + 1);
		} else {
			XXH128_hash_t x = XXH3_128bits(data + offsets[i],
						       (size_t)(offsets[i + 1] - offsets[i]));

			fold(&out[i], x.low64, x.high64);
		}
	}
}

void drip_hash_rows(const struct drip_batch *batch, const uint32_t *columns, uint32_t count,
		    uint64_t seed, struct drip_hash *out)
{
	for (int64_t i = 0; i < batch->rows; i++) {
		out[i].low = mix(seed);
		out[i].high = mix(~seed);
	}
	for (uint32_t i = 0; i < count; i++) {
		enum drip_type type = drip_schema_column(batch->schema, columns[i])->type;

		if (batch->rows == 0) {
			return;
		}
		if (drip_type_is_variable(type)) {
			fold_variable(batch->array.children[columns[i]], out);
		} else {
			fold_fixed(batch->array.children[columns[i]], drip_type_width(type), out);
		}
	}
}

uint64_t drip_hash_bytes(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}
