/* SPDX-License-Identifier: Apache-2.0 */
/* What the feed `opproduction` promises. How it cleanses is tested with salesorder: the code is the
 * library's. */
#include "lib/feed.h"

TEST(promises_its_tables)
{
	static const struct feed_promise promises[] = {
		{0, "production_id", DRIP_TYPE_UTF8, DRIP_CLASS_INTERNAL},
		{0, "barista_no", DRIP_TYPE_UTF8, DRIP_CLASS_RESTRICTED},
		{0, "start_time", DRIP_TYPE_TIMESTAMP_UTC, DRIP_CLASS_INTERNAL},
		{1, "recipe_cost", DRIP_TYPE_DECIMAL, DRIP_CLASS_CONFIDENTIAL},
	};

	feed_check("opproduction", 2, promises, DRIP_COUNT(promises));
}

TEST_MAIN()
