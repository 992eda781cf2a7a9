/* SPDX-License-Identifier: Apache-2.0 */
/* Private to `dripline plan`: the two forms of its output. */
#ifndef DRIPLINE_CLI_PLAN_H
#define DRIPLINE_CLI_PLAN_H

#include "base/str.h"
#include "engine/graph.h"

/* Appends all pipelines of the document; failures stick in out->rc. */
void drip_plan_text(const struct drip_document *document, struct drip_str *out);
void drip_plan_json(const struct drip_document *document, struct drip_str *out);

/* Column `column` of edge `edge` as it comes from the source's table: for each of that table's
 * columns the most direct way that it takes, 0 where it takes none. (gives) malloc'd;
 * *ret_source is the edge of the source's table. NULL without memory. */
uint8_t *drip_plan_origins(const struct drip_pipeline_spec *spec, uint32_t edge, uint32_t column,
			   uint32_t *ret_source);
const char *drip_plan_lineage_name(unsigned kind);
/* "exactly once", "at least once". */
const char *drip_plan_guarantee(const struct drip_stage *sink);

#endif
