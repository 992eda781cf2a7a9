/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of some names. Thread: any. */
#ifndef DRIPLINE_SUGGEST_H
#define DRIPLINE_SUGGEST_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_SUGGEST_NAME_MAX 63 /* bytes that are compared; longer names are cut */

/* Insertions, deletions, replacements and swaps of neighbours (optimal string alignment) that turn
 * one name into the other; ASCII case ignored. */
size_t drip_edit_distance(const char *a, const char *b);

/* Collects the nearest name: zero it but for `wrong`, offer all names, then read `best`. */
struct drip_suggestion {
	const char *wrong;
	const char *best; /* NULL: none is near */
	size_t distance;
};

void drip_suggestion_offer(struct drip_suggestion *s, const char *name);
/* "Did you mean \"x\"?" into buf, or `otherwise` (may be NULL: "") where nothing is near. Returns
 * buf. */
const char *drip_suggestion_hint(const struct drip_suggestion *s, const char *otherwise, char *buf,
				 size_t size);

#ifdef __cplusplus
}
#endif

#endif
