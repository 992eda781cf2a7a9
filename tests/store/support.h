/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the store share: opening one, positions and letters to put in. */
#ifndef TEST_STORE_SUPPORT_H
#define TEST_STORE_SUPPORT_H

#include "lib/test.h"
#include "store/store.h"

static inline struct drip_store *open_store(const char *dir)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	int rc = drip_store_open(dir, DRIP_STORE_WRITE, &store, &err);

	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", err.code, err.message);
	}
	REQUIRE(rc == 0);
	return store;
}

static inline struct drip_position position(const char *partition, uint64_t n)
{
	struct drip_position p = {.struct_size = sizeof(p), .detail_size = 3};

	snprintf(p.partition, sizeof(p.partition), "%s", partition);
	memcpy(p.detail, "a\0b", 3);
	snprintf(p.text, sizeof(p.text), "at %" PRIu64, n);
	for (int i = 0; i < 8; i++) {
		p.order[i] = (uint8_t)(n >> (56 - 8 * i));
	}
	p.order_size = 8;
	return p;
}

static inline void put_letters(struct drip_store *store, int first, int count, int64_t wall_us)
{
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_durable *d = drip_store_durable(store);

	for (int i = first; i < first + count; i++) {
		char row[32];
		struct drip_dead_letter l = {.pipeline = "p",
					     .stage = "s",
					     .table = "t",
					     .code = "c.d",
					     .reason = "r",
					     .row_json = row,
					     .schema_json = "{}",
					     .op = 'i',
					     .wall_us = wall_us};

		snprintf(row, sizeof(row), "{\"id\":%d}", i);
		REQUIRE_OK(d->dead_letter_put(d->self, &l, 1, &err), &err);
	}
}

#endif
