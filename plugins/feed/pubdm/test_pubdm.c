/* SPDX-License-Identifier: Apache-2.0 */
/* What the feed `pubdm` promises. How it cleanses is tested with salesorder: the code is the
 * library's. */
#include "lib/feed.h"

TEST(promises_its_tables)
{
	static const struct feed_promise promises[] = {
		{0, "spu_code", DRIP_TYPE_UTF8, DRIP_CLASS_PUBLIC},
		{0, "base_price", DRIP_TYPE_DECIMAL, DRIP_CLASS_PUBLIC},
	};

	feed_check("pubdm", 1, promises, DRIP_COUNT(promises));
}

TEST_MAIN()
