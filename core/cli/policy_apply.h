/* SPDX-License-Identifier: Apache-2.0 */
/* The policy in a warehouse: what of it is there, and bringing it there. One thread. */
#ifndef DRIPLINE_CLI_POLICY_APPLY_H
#define DRIPLINE_CLI_POLICY_APPLY_H

#include "engine/graph.h"

struct drip_policy_apply {
	const struct drip_document *document;
	const char *connection;
	const char *role;      /* this one only; NULL: all */
	const char *state_dir; /* whose audit records the change, if there is a store */
	bool looks;            /* prints what would be done, and does nothing */
};

/* Prints what differs, and unless it only looks makes it so, in one transaction. Gives the count
 * of what differed. -ENOTSUP with policy.no_dialect, -EINVAL with policy.unknown_column. */
int drip_policy_apply(const struct drip_policy_apply *a, size_t *ret_changes,
		      struct drip_error *err) DRIP_MUST_CHECK;

#endif
