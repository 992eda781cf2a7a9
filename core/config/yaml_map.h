/* SPDX-License-Identifier: Apache-2.0 */
/* Private to core/config: making a map out of the parser's keys and values. */
#ifndef DRIPLINE_CONFIG_YAML_MAP_H
#define DRIPLINE_CONFIG_YAML_MAP_H

#include "config/yaml.h"

/*
 * Fills `map` from `count` keys and values that stand alternately in `children`: reports keys that
 * are not scalars and duplicate keys, with both places, and resolves merge keys. *nodes counts what
 * merges add, and is bounded by DRIP_YAML_NODES_MAX.
 */
int drip_yaml_map_fill(struct drip_arena *arena, struct drip_findings *findings,
		       struct drip_node *map, struct drip_node **children, size_t count,
		       size_t *nodes) DRIP_MUST_CHECK;

#endif
