/* SPDX-License-Identifier: Apache-2.0 */
/* Private to core/config: binding one value. */
#ifndef DRIPLINE_CONFIG_BIND_VALUE_H
#define DRIPLINE_CONFIG_BIND_VALUE_H

#include "config/bind.h"

/* Binds `node` to the member at `target` by the option's type. 0 also where there are findings;
 * -ENOMEM. */
int drip_bind_value(const struct drip_binder *b, const struct drip_option *option,
		    const struct drip_node *node, void *target) DRIP_MUST_CHECK;

#endif
