/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection of a document, opened by a command that has no engine: no state, no folders, its
 * warnings go to the standard error. One thread.
 */
#ifndef DRIPLINE_ENGINE_OUTSIDE_H
#define DRIPLINE_ENGINE_OUTSIDE_H

#include "engine/graph.h"

struct drip_outside;

/*
 * (gives) the connection `name` of the document (borrowed, until it is closed), and its interface
 * (borrowed). `looks`: it is not to make or change anything. -ENOENT with outside.no_connection,
 * -ENOTSUP with config.wrong_connection where it does not offer the interface, or what opening it
 * says.
 */
int drip_outside_open(const struct drip_document *document, const char *name,
		      const char *interface_name, bool looks, struct drip_outside **ret,
		      const void **ret_interface, void **ret_object,
		      struct drip_error *err) DRIP_MUST_CHECK;
void drip_outside_close(struct drip_outside *outside); /* NULL is accepted */

#endif
