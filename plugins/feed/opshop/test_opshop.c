/* SPDX-License-Identifier: Apache-2.0 */
/* What the feed `opshop` promises. How it cleanses is tested with salesorder: the code is the
 * library's. */
#include "lib/feed.h"

TEST(promises_its_tables)
{
	static const struct feed_promise promises[] = {
		{0, "dept_id", DRIP_TYPE_UTF8, DRIP_CLASS_PUBLIC},
		{0, "open_date", DRIP_TYPE_DATE, DRIP_CLASS_PUBLIC},
	};

	feed_check("opshop", 1, promises, DRIP_COUNT(promises));
}

TEST_MAIN()
