/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the SDK library: values of bounded length written straight into a buffer. */
#ifndef DRIPLINE_SDK_FORMAT_H
#define DRIPLINE_SDK_FORMAT_H

#include <dripline/batch.h>

#define DRIP_FORMAT_MAX 96 /* bytes that drip_format_fixed writes at most */

/* Is the text of `type` bounded? That of nulls is, and that of all but text and BINARY. */
static inline bool drip_format_is_fixed(enum drip_type type)
{
	return !drip_type_is_variable(type);
}

/* What drip_value_format writes, without a NUL behind; `out` has DRIP_FORMAT_MAX bytes. Returns the
 * length. Any thread. */
size_t drip_format_fixed(const struct drip_value *value, const struct drip_column *column,
			 char *out);

#endif
