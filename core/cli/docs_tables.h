/* SPDX-License-Identifier: Apache-2.0 */
/* The reference page of the declared tables. Thread: any. */
#ifndef DRIPLINE_CLI_DOCS_TABLES_H
#define DRIPLINE_CLI_DOCS_TABLES_H

#include "base/str.h"
#include "engine/catalog.h"

/* Appends a section for each table: columns with type, key, class, personal data and meaning. */
void drip_catalog_markdown(const struct drip_catalog *catalog, struct drip_str *out);

#endif
