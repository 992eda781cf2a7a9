/* SPDX-License-Identifier: Apache-2.0 */
/* Components in words: for `plugins`, and for the reference that `docs` writes. */
#ifndef DRIPLINE_CLI_COMPONENT_TEXT_H
#define DRIPLINE_CLI_COMPONENT_TEXT_H

#include "base/json.h"
#include "base/str.h"
#include "config/bind.h"
#include "plugin/registry.h"

/* "duration", "append or replace", "list of maps"; values stand between two `mark`. */
void drip_describe_type(const struct drip_option *option, const char *mark, struct drip_str *out);
/* "1 to 65535 rows", "at least 1s"; nothing where it is not bounded. */
void drip_describe_range(const struct drip_option *option, struct drip_str *out);
const char *drip_stability_name(enum drip_stability stability);

/* All that is known of a component, for a terminal. */
void drip_component_text(const struct drip_plugin *plugin, const struct drip_component *component,
			 struct drip_str *out);
/* What a feed promises, where that does not depend on options. */
void drip_contract_text(const struct drip_component *component, bool markdown,
			struct drip_str *out);
void drip_component_json(const struct drip_plugin *plugin, const struct drip_component *component,
			 struct drip_json *json);
/* The table of its options and the rules between them, as Markdown. */
void drip_component_options_markdown(const struct drip_component *component, struct drip_str *out);

#endif
