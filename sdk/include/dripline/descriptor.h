/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking descriptors: what the host does before it uses a plugin, and what the conformance suite
 * begins with. Not needed by plugins, and so not part of dripline.h. Thread: any.
 */
#ifndef DRIPLINE_DESCRIPTOR_H
#define DRIPLINE_DESCRIPTOR_H

#include <dripline/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_PLUGIN_COMPONENTS_MAX 64  /* of one plugin */
#define DRIP_PLUGIN_OPTIONS_MAX    512 /* of one component or list of maps */
#define DRIP_COMPONENT_NAME_MAX    64  /* bytes */

/*
 * That the host speaks the plugin's ABI, and that names, options, rules and ops can be used as they
 * are. A refusal names the file at `path` and the field: -ENOEXEC with plugin.abi_mismatch or
 * plugin.host_too_old, -EINVAL with plugin.invalid_descriptor.
 */
int drip_plugin_check(const char *path, const struct drip_plugin *plugin,
		      struct drip_error *err) DRIP_MUST_CHECK;
/* -EINVAL where a function that the component's kind must have is missing; *ret_field names it. */
int drip_ops_check(const struct drip_component *component, const char **ret_field) DRIP_MUST_CHECK;

const char *drip_kind_name(enum drip_kind kind);                 /* "source" */
int drip_kind_parse(const char *name, enum drip_kind *ret_kind); /* -EINVAL */

#ifdef __cplusplus
}
#endif

#endif
