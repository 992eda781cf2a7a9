/* SPDX-License-Identifier: Apache-2.0 */
/* Private to graph*.c: clearance, column by column. */
#ifndef DRIPLINE_ENGINE_GRAPH_STAGE_H
#define DRIPLINE_ENGINE_GRAPH_STAGE_H

#include "engine/graph.h"

/* Looks from column *index on for one that is more sensitive than a sink is cleared for. -EACCES
 * with *index at it; 0 where there is none (more). */
int drip_stage_uncleared(const struct drip_stage *stage, const struct drip_schema *input,
			 uint32_t *index, struct drip_error *err) DRIP_MUST_CHECK;

#endif
