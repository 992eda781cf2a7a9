/* SPDX-License-Identifier: Apache-2.0 */
/* What models.c and promotion.c share. */
#ifndef DRIPLINE_STORE_PROMOTION_H
#define DRIPLINE_STORE_PROMOTION_H

#include "store/internal.h"
#include "store/models.h"

/* As drip_store_promote_model within an open transaction, but a gate that is closed is no error: it
 * stands in ret->reason. */
int drip_store_try_promotion(sqlite3 *db, const struct drip_store_promotion *p,
			     struct drip_model_added *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the artifact, its size and SHA-256 checked. */
int drip_store_read_artifact(const struct drip_store *store, const char *relative, size_t size,
			     const char *checksum, void **ret,
			     struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_remove_artifact(const struct drip_store *store, const char *relative,
			       struct drip_error *err) DRIP_MUST_CHECK;
/* Returns -ENOENT. */
int drip_store_unknown_model(const char *model, int64_t version, struct drip_error *err);

#endif
