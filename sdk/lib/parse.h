/* SPDX-License-Identifier: Apache-2.0 */
/* Private to the SDK library: readers of text that drip_append_text is made of. */
#ifndef DRIPLINE_SDK_PARSE_H
#define DRIPLINE_SDK_PARSE_H

#include <dripline/builder.h>
#include <strings.h>

/* DATE: days; TIME, TIMESTAMP*, DURATION: microseconds. False where `text` is not of that type. */
bool drip_text_parse_clock(enum drip_type type, const char *text, int64_t size, int64_t *ret);
/* True where `text` is one JSON value as in RFC 8259, nested 512 deep at most; strings are not
 * checked for UTF-8. */
bool drip_text_is_json(const char *text, int64_t size);

#endif
