/* SPDX-License-Identifier: Apache-2.0 */
/* What a feed of facts promises, checked column by column. One thread. */
#ifndef TESTS_LIB_FEED_H
#define TESTS_LIB_FEED_H

#include "lib/test.h"

#include <dripline/test.h>

/* Table `table` gives `column` out with this type and class. */
struct feed_promise {
	size_t table;
	const char *column;
	enum drip_type type;
	enum drip_class classification;
};

static inline void feed_check(const char *name, size_t tables, const struct feed_promise *promises,
			      size_t count)
{
	struct drip_harness *h = drip_harness_create(test_argv[1]);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_contract *contract = NULL;
	const struct drip_feed_ops *ops;
	struct drip_instance *feed;

	REQUIRE_OK(drip_harness_open(h, DRIP_KIND_FEED, name, NULL, &feed, &err), &err);
	ops = feed->component->ops;
	REQUIRE_OK(ops->contract(&feed->ctx, feed->config, &contract, &err), &err);
	CHECK_EQ_UINT(contract->tables_count, tables);
	for (size_t i = 0; i < count; i++) {
		const struct drip_schema *schema = contract->tables[promises[i].table].schema;
		int index = drip_schema_find(schema, promises[i].column);
		const struct drip_column *column;

		REQUIRE(index >= 0);
		column = drip_schema_column(schema, (uint32_t)index);
		CHECK_EQ_INT(column->type, promises[i].type);
		CHECK_EQ_INT(column->classification, promises[i].classification);
	}
	contract->release(contract);
	drip_harness_close(feed);
	drip_harness_destroy(h);
}

#endif
