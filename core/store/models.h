/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model registry: models, their versions with artifacts, and who moved which version to which
 * stage when. Artifacts are files in `models/NAME/` of the state directory. All functions may
 * block; thread: any.
 */
#ifndef DRIPLINE_STORE_MODELS_H
#define DRIPLINE_STORE_MODELS_H

#include "store/store.h"

#define DRIP_STAGE_NONE       "None"
#define DRIP_STAGE_STAGING    "Staging"
#define DRIP_STAGE_PRODUCTION "Production"
#define DRIP_STAGE_ARCHIVED   "Archived"

/* (static) The stage of that name, ASCII case ignored, or NULL. */
const char *drip_store_stage(const char *name);

struct drip_store_model {
	const char *name, *description;
	int64_t created_us;
	bool approval;
	double tolerance;
	int64_t versions, production, latest; /* how many are left; 0: none */
};

struct drip_store_version {
	const char *model;
	int64_t version;
	const char *stage, *component, *created_by;
	int64_t created_us, deleted_us; /* deleted 0: it is there */
	const char *artifact_path;      /* below the state directory */
	char checksum[DRIP_CHECKSUM_SIZE];
	int64_t artifact_size;
	const char *features_json, *parameters_json, *metrics_json, *training_json;
	const char *measure;
	double quality; /* NAN: none */
	int64_t compared_version;
	double compared_quality;
};

/* A move from stage to stage; decided_us 0: it waits for an approval. */
struct drip_store_transition {
	const char *model;
	int64_t version;
	const char *from, *to, *requested_by, *decided_by, *comment, *decision;
	int64_t requested_us, decided_us;
	bool approved, forced;
};

/* Visitors as in store.h; what they get is (borrowed) for the call. `model` NULL: all; `version` 0:
 * all. Versions and transitions come oldest first. */
int drip_store_visit_models(struct drip_store *store, const char *model,
			    int (*visit)(const struct drip_store_model *m, void *data), void *data,
			    struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_visit_versions(struct drip_store *store, const char *model, int64_t version,
			      int (*visit)(const struct drip_store_version *v, void *data),
			      void *data, struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_visit_transitions(struct drip_store *store, const char *model, int64_t version,
				 int (*visit)(const struct drip_store_transition *t, void *data),
				 void *data, struct drip_error *err) DRIP_MUST_CHECK;

struct drip_store_promotion {
	const char *model;
	int64_t version;
	const char *stage; /* as drip_store_stage gives it */
	const char *actor, *comment;
	bool force; /* over the gates, with an approval */
};

/*
 * Moves a version to a stage; the one that was in Production is archived. To Production there are
 * gates: store.model_worse and store.model_not_compared, which `force` passes; then, where the
 * model wants approvals or it was forced, ret->pending, until somebody else decides. A version that
 * was in Production before may return without a comparison. -EUCLEAN with store.model_artifact
 * where the artifact is not what was registered.
 */
int drip_store_promote_model(struct drip_store *store, const struct drip_store_promotion *p,
			     struct drip_model_added *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Approves or refuses what waits for `version`: -EPERM with store.own_request for who asked,
 * -ENOENT with store.no_request. */
int drip_store_decide_model(struct drip_store *store, const char *model, int64_t version,
			    const char *actor, bool approve, const char *comment,
			    struct drip_model_added *ret, struct drip_error *err) DRIP_MUST_CHECK;
/* Deletes the artifact of a version that is not in Production; its row and history stay. */
int drip_store_delete_version(struct drip_store *store, const char *model, int64_t version,
			      const char *actor, struct drip_error *err) DRIP_MUST_CHECK;
/* drip_durable's model_add and model_read. */
int drip_store_add_model(void *store, const struct drip_model_record *record,
			 struct drip_model_added *ret, struct drip_error *err) DRIP_MUST_CHECK;
int drip_store_read_model(void *store, const char *name, int64_t version,
			  struct drip_model_artifact *ret, struct drip_error *err) DRIP_MUST_CHECK;

#endif
