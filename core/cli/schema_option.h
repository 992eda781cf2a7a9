/* SPDX-License-Identifier: Apache-2.0 */
/* Private to `dripline schema`: option tables as parts of a JSON Schema. */
#ifndef DRIPLINE_CLI_SCHEMA_OPTION_H
#define DRIPLINE_CLI_SCHEMA_OPTION_H

#include "base/json.h"
#include "engine/graph_options.h"

/* "name": {schema} of each option, but for those that `but` (may be NULL) has too. */
void drip_schema_put_properties(struct drip_json *j, const struct drip_option *options,
				uint32_t count, const struct graph_table *but);
/* "additionalProperties": false, and keys that begin with x-. */
void drip_schema_put_closed(struct drip_json *j);
void drip_schema_put_required(struct drip_json *j, const struct drip_option *options,
			      uint32_t count);
void drip_schema_put_rules(struct drip_json *j, const struct drip_rule *rules, uint32_t count);
/* The definitions that properties refer to: reference, text, texts. */
void drip_schema_put_scalars(struct drip_json *j);

#endif
