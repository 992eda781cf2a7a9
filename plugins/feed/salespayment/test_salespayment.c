/* SPDX-License-Identifier: Apache-2.0 */
/* What the feed `salespayment` promises. How it cleanses is tested with salesorder: the code is the
 * library's. */
#include "lib/feed.h"

TEST(promises_its_tables)
{
	static const struct feed_promise promises[] = {
		{0, "trade_id", DRIP_TYPE_UTF8, DRIP_CLASS_INTERNAL},
		{0, "card_token", DRIP_TYPE_UTF8, DRIP_CLASS_RESTRICTED},
		{0, "is_nzd_test", DRIP_TYPE_BOOL, DRIP_CLASS_INTERNAL},
		{1, "fee_amount", DRIP_TYPE_DECIMAL, DRIP_CLASS_INTERNAL},
	};

	feed_check("salespayment", 2, promises, DRIP_COUNT(promises));
}

TEST_MAIN()
