/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding: a YAML map to a config struct by an option table (dripline/option.h). All problems
 * become findings at the place of the value; none stops the pass. Not thread-safe.
 */
#ifndef DRIPLINE_CONFIG_BIND_H
#define DRIPLINE_CONFIG_BIND_H

#include "config/yaml.h"
#include <dripline/option.h>

#define DRIP_LIST_MAX 100000 /* entries of one list or map option */

struct drip_binder {
	struct drip_arena *arena;
	struct drip_findings *findings;
	const char *what;   /* for messages: "source mysql", "settings" */
	const char *prefix; /* path of the map among the options: "columns[2]." or "" */
};

/* One of the tables whose options may stand in a map, or plain names, ended by NULL. */
struct drip_known {
	const struct drip_option *options;
	uint32_t options_count;
	const char *const *names;
};

/* Reports keys of `map` that are in none of the tables, with "did you mean". */
void drip_bind_unknown(const struct drip_binder *b, const struct drip_node *map,
		       const struct drip_known *known, size_t known_count);
/*
 * Fills the zeroed struct `config` from `map` (NULL: defaults only): values, defaults, required
 * ones. Everything it points to is the arena's. Returns 0 also where there are findings; -ENOMEM.
 */
int drip_bind_values(const struct drip_binder *b, const struct drip_node *map,
		     const struct drip_option *options, uint32_t count,
		     void *config) DRIP_MUST_CHECK;
void drip_bind_rules(const struct drip_binder *b, const struct drip_node *map,
		     const struct drip_rule *rules, uint32_t count);
/* All three for a map with one table. */
int drip_bind_map(const struct drip_binder *b, const struct drip_node *map,
		  const struct drip_option *options, uint32_t count, void *config) DRIP_MUST_CHECK;

/* The option at an index, whatever release of the SDK the table was built with. */
const struct drip_option *drip_option_at(const struct drip_option *options, uint32_t index);
const struct drip_option *drip_option_find(const struct drip_option *options, uint32_t count,
					   const char *name);
const struct drip_rule *drip_rule_at(const struct drip_rule *rules, uint32_t index);
/* "an integer", "a duration such as 250ms, 5s, 15m, 4h or 7d". */
const char *drip_option_type_text(enum drip_option_type type);

#endif
