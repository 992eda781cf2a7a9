/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Private to core/engine: one version of a model, loaded. Immutable once made, counted; the last
 * release closes it, on whichever thread that is.
 */
#ifndef DRIPLINE_ENGINE_MODEL_VERSION_H
#define DRIPLINE_ENGINE_MODEL_VERSION_H

#include "engine/engine_private.h"

struct drip_model_version {
	uint32_t refs; /* atomic */
	struct drip_instance instance;
	const struct drip_model_ops *ops;
	const struct drip_model_rows *rows; /* NULL: none */
	struct drip_model_info info;
	struct drip_schema *predictions;
	char checksum[DRIP_CHECKSUM_SIZE];
	struct drip_model_feature *own_features; /* of the declaration, where there are no rows */
	char *metrics_json, *parameters_json;
	void *artifact; /* of a candidate, until it is registered; otherwise NULL */
	size_t size;
	struct drip_meters meters;
};

/* What a version is made for: one declared model of one document. */
struct model_source {
	struct drip_engine *engine;
	struct drip_doc *doc;
	const struct drip_declared *declared;
	const struct drip_run *watched;
};

/* (gives) the version of an artifact (takes what it holds, also on failure): -EINVAL with
 * model.signature where it was trained on other features or by another component. */
int drip_model_version_load(const struct model_source *source, struct drip_model_artifact *artifact,
			    struct drip_model_version **ret,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) a candidate, see drip_model.fit. */
int drip_model_version_fit(const struct model_source *source, struct ArrowArrayStream *data,
			   const struct drip_schema *schema, struct drip_model_version **ret,
			   struct drip_error *err) DRIP_MUST_CHECK;
/* That the columns of `features` are those that the version was trained on, in name, order and
 * kind: -EINVAL with model.signature. Of `info` only the name, version and features are looked at.
 */
int drip_model_check_signature(const struct drip_model_info *info,
			       const struct drip_schema *features,
			       struct drip_error *err) DRIP_MUST_CHECK;
struct drip_model_version *drip_model_version_ref(struct drip_model_version *v);
void drip_model_version_unref(struct drip_model_version *v); /* NULL is accepted */

#endif
