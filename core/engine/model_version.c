/* SPDX-License-Identifier: Apache-2.0 */
/* Making versions of models out of artifacts and out of training data. Each has an instance of the
 * component of its own; training has one more, which ends with it. */
#include "engine/model_version.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

DRIP_DEFINE_AUTOPTR(drip_model_version, drip_model_version_unref);

void drip_model_artifact_finish(struct drip_model_artifact *a)
{
	free(a->metrics_json);
	free(a->parameters_json);
	free(a->data);
	memset(a, 0, sizeof(*a));
}

struct drip_model_version *drip_model_version_ref(struct drip_model_version *v)
{
	__atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
	return v;
}

void drip_model_version_unref(struct drip_model_version *v)
{
	if (v == NULL || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) != 0) {
		return;
	}
	drip_instance_close(&v->instance);
	drip_instance_finish(&v->instance);
	drip_meters_finish(&v->meters);
	drip_schema_unref(v->predictions);
	free(v->own_features);
	free(v->metrics_json);
	free(v->parameters_json);
	free(v->artifact);
	free(v);
}

static int version_create(const struct model_source *source, struct drip_model_version **ret,
			  struct drip_error *err)
{
	const struct drip_declared *d = source->declared;
	struct drip_model_version *v = drip_calloc(1, sizeof(*v));
	int rc;

	if (v == NULL || drip_meters_init(&v->meters) < 0) {
		free(v);
		return drip_error_nomem(err, sizeof(*v));
	}
	v->refs = 1;
	rc = drip_instance_init(&v->instance, source->engine, source->doc, d->component, d->config,
				"", d->name, err);
	v->instance.meters = &v->meters;
	v->instance.watched = source->watched;
	v->ops = d->component->ops;
	v->info.struct_size = sizeof(v->info);
	v->info.name = d->name;
	v->info.threshold = NAN;
	v->info.checksum = v->checksum;
	if (rc < 0) {
		drip_model_version_unref(v);
		return rc;
	}
	*ret = v;
	return 0;
}

/* ---- the signature ---- */

static int other_features(const struct drip_model_version *v, struct drip_error *err)
{
	int rc = drip_error_set(err, -EINVAL, "model.signature",
				"version %lld of model \"%s\" was trained on other features than "
				"are declared",
				(long long)v->info.version, v->info.name);

	drip_error_hint(err, "Train it anew, or declare the features of that version again.");
	return rc;
}

static int read_features(struct drip_model_version *v, const struct drip_model_declaration *d,
			 struct drip_error *err)
{
	v->rows = DRIP_OP_OF(v->ops, rows);
	if (v->rows != NULL) {
		v->info.features = v->rows->features(v->instance.self, &v->info.features_count,
						     &v->info.threshold);
	} else {
		v->own_features = drip_calloc(d->features_count, sizeof(*v->own_features));
		if (v->own_features == NULL) {
			return drip_error_nomem(err, d->features_count * sizeof(*v->own_features));
		}
		for (uint32_t i = 0; i < d->features_count; i++) {
			v->own_features[i].name = d->features[i];
		}
		v->info.features = v->own_features;
		v->info.features_count = d->features_count;
	}
	if (DRIP_OP_OF(v->ops, score_kind) != NULL) {
		v->info.score_kind = v->ops->score_kind(v->instance.self);
	}
	if (v->info.features_count != d->features_count) {
		return other_features(v, err);
	}
	for (uint32_t i = 0; i < d->features_count; i++) {
		if (strcmp(v->info.features[i].name, d->features[i]) != 0) {
			return other_features(v, err);
		}
	}
	return 0;
}

static int make_predictions(struct drip_model_version *v, struct drip_error *err)
{
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_schema_builder b;
	struct drip_schema *features = NULL;
	int rc;

	drip_schema_builder_init(&b, "", "features");
	for (uint32_t i = 0; i < v->info.features_count; i++) {
		const struct drip_column column = {
			.struct_size = sizeof(column),
			.name = v->info.features[i].name,
			.type = v->info.features[i].category ? DRIP_TYPE_UTF8 : DRIP_TYPE_FLOAT64,
			.flags = DRIP_COLUMN_NULLABLE};

		drip_schema_builder_add(&b, &column);
	}
	rc = drip_schema_builder_build(&b, &features, err);
	rc = rc == 0 ? v->ops->negotiate(&v->instance.ctx, v->instance.config, features, &n, err)
		     : rc;
	if (rc == 0) {
		v->predictions = drip_schema_ref(n.output);
		v->info.predictions = v->predictions;
	}
	drip_negotiated_finish(&n);
	drip_schema_unref(features);
	return rc;
}

static int load(struct drip_model_version *v, const struct model_source *source,
		const struct drip_model_artifact *a, struct drip_error *err)
{
	int rc = 0;

	v->info.version = a->version;
	v->info.created_us = a->created_us;
	memcpy(v->checksum, a->checksum, sizeof(v->checksum));
	v->info.metrics_json = v->metrics_json;
	v->info.parameters_json = v->parameters_json;
	if (strcmp(a->component, source->declared->component->name) != 0) {
		rc = drip_error_set(err, -EINVAL, "model.signature",
				    "version %lld of model \"%s\" was made by %s, not by %s",
				    (long long)a->version, v->info.name, a->component,
				    source->declared->component->name);
		drip_error_hint(err, "Train it anew.");
		return rc;
	}
	rc = drip_instance_open(&v->instance, err);
	rc = rc == 0 ? v->ops->load(v->instance.self, a->data, a->size, err) : rc;
	rc = rc == 0 ? read_features(v, &source->declared->model->declaration, err) : rc;
	return rc == 0 ? make_predictions(v, err) : rc;
}

int drip_model_version_load(const struct model_source *source, struct drip_model_artifact *artifact,
			    struct drip_model_version **ret, struct drip_error *err)
{
	drip_autoptr(drip_model_version) v = NULL;
	int rc = version_create(source, &v, err);

	if (rc == 0) {
		v->metrics_json = drip_steal(artifact->metrics_json);
		v->parameters_json = drip_steal(artifact->parameters_json);
		rc = load(v, source, artifact, err);
	}
	drip_model_artifact_finish(artifact);
	if (rc == 0) {
		*ret = drip_steal(v);
	}
	return rc;
}

/* ---- training ---- */

static int fit(const struct model_source *source, struct ArrowArrayStream *data,
	       const struct drip_schema *schema, struct drip_model_artifact *ret,
	       struct drip_error *err)
{
	drip_autoptr(drip_model_version) trainer = NULL;
	int rc = version_create(source, &trainer, err);

	rc = rc == 0 ? drip_instance_open(&trainer->instance, err) : rc;
	rc = rc == 0 ? trainer->ops->fit(trainer->instance.self, data, schema, &ret->data,
					 &ret->size, &ret->metrics_json, err)
		     : rc;
	if (rc == 0 && ret->size > DRIP_MODEL_ARTIFACT_MAX) {
		rc = drip_error_set(err, -E2BIG, "model.too_large",
				    "the artifact of model \"%s\" has %zu bytes, more than %zu",
				    source->declared->name, ret->size, DRIP_MODEL_ARTIFACT_MAX);
	}
	snprintf(ret->component, sizeof(ret->component), "%s", source->declared->component->name);
	return rc;
}

/* The features of a model are declared in an order, and rows of doubles have it: columns must too.
 */
static int check_order(const struct drip_model_declaration *d, const struct drip_schema *schema,
		       struct drip_error *err)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);

		if ((column->flags & DRIP_COLUMN_LABEL) != 0) {
			continue;
		}
		if (at == d->features_count || strcmp(d->features[at], column->name) != 0) {
			return drip_error_set(err, -EINVAL, "model.training_columns",
					      "column %s of the training data is not feature %u of "
					      "model \"%s\"",
					      column->name, at + 1, d->name);
		}
		at++;
	}
	return at == d->features_count
		       ? 0
		       : drip_error_set(err, -EINVAL, "model.training_columns",
					"the training data of model \"%s\" lack feature %s",
					d->name, d->features[at]);
}

int drip_model_version_fit(const struct model_source *source, struct ArrowArrayStream *data,
			   const struct drip_schema *schema, struct drip_model_version **ret,
			   struct drip_error *err)
{
	struct drip_model_artifact artifact = {0}, kept;
	drip_autoptr(drip_model_version) v = NULL;
	int rc = check_order(&source->declared->model->declaration, schema, err);

	rc = rc == 0 ? fit(source, data, schema, &artifact, err) : rc;
	if (rc < 0) {
		drip_model_artifact_finish(&artifact);
		return rc;
	}
	kept = artifact;
	artifact.data = NULL;
	rc = version_create(source, &v, err);
	if (rc == 0) {
		v->artifact = kept.data;
		v->size = kept.size;
		v->metrics_json = drip_steal(artifact.metrics_json);
		artifact.data = kept.data;
		rc = load(v, source, &artifact, err);
		artifact.data = NULL;
		rc = rc == 0 ? v->ops->describe(v->instance.self, &v->parameters_json, err) : rc;
		v->info.parameters_json = v->parameters_json;
	} else {
		free(kept.data);
	}
	drip_model_artifact_finish(&artifact);
	if (rc == 0) {
		*ret = drip_steal(v);
	}
	return rc;
}
