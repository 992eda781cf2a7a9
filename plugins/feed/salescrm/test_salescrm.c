/* SPDX-License-Identifier: Apache-2.0 */
/* What the feed `salescrm` promises. How it cleanses is tested with salesorder: the code is the
 * library's. */
#include "lib/feed.h"

TEST(promises_its_tables)
{
	static const struct feed_promise promises[] = {
		{0, "phone", DRIP_TYPE_UTF8, DRIP_CLASS_RESTRICTED},
		{0, "email", DRIP_TYPE_UTF8, DRIP_CLASS_RESTRICTED},
		{0, "city", DRIP_TYPE_UTF8, DRIP_CLASS_CONFIDENTIAL},
		{0, "register_time", DRIP_TYPE_TIMESTAMP_UTC, DRIP_CLASS_INTERNAL},
	};

	feed_check("salescrm", 1, promises, DRIP_COUNT(promises));
}

TEST_MAIN()
