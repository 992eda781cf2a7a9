/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drip_model: what a model that YAML declares offers to other components, through the host's
 * connection_get with the model's name. The engine keeps the versions in the registry; whoever
 * scores acquires the version in production, uses it as long as it likes, and releases it: a
 * promotion in between changes nothing for it. Versions are immutable. Every function may be called
 * from any thread, and many may run at once. While there is a version in production, acquire,
 * release, info and encode take no lock and allocate nothing; what score and explain cost is the
 * algorithm's own: the isolation forest neither locks nor allocates, libxgboost allocates a little
 * for each call and explains one row at a time.
 *
 *	const struct drip_model *model;
 *	struct drip_model_version *v;
 *	rc = host->connection_get(ctx, "fraud", DRIP_MODEL_INTERFACE, (const void **)&model,
 *				  &object, err);
 *	rc = model->acquire(object, &v, err);
 *	info = model->info(v);
 *	for each i of info->features: row[i] = a number, NAN where there is none, or
 *		model->encode(v, i, text, size) where info->features[i] is a category
 *	rc = model->score(v, row, 1, &score, err);
 *	model->release(v);
 */
#ifndef DRIPLINE_MODEL_H
#define DRIPLINE_MODEL_H

#include <dripline/batch.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DRIP_MODEL_INTERFACE    "drip_model"
#define DRIP_MODEL_FEATURES_MAX 1024
#define DRIP_MODEL_ARTIFACT_MAX ((size_t)1 << 30) /* bytes */

/* One version of a model, loaded. Counted by acquire and release. */
struct drip_model_version;

/* What YAML says of a model; the same for all of its versions. Walk nothing beyond struct_size. */
struct drip_model_declaration {
	uint32_t struct_size;
	const char *name;
	const char *description;     /* "" where there is none */
	const char *component;       /* "isolation-forest" */
	const char *const *features; /* column names, in the order of a row */
	uint32_t features_count;
	const char *label; /* column that holds the truth, or NULL */
};

struct drip_model_feature {
	const char *name;
	bool category; /* a text: encode gives its number */
};

/* What is known of a version. (borrowed) until it is released. */
struct drip_model_info {
	uint32_t struct_size;
	const char *name;
	int64_t version; /* from 1; 0: fitted, but not registered */
	int64_t created_us;
	const char *checksum; /* SHA-256 of the artifact, hex */
	const struct drip_model_feature *features;
	uint32_t features_count;
	double threshold; /* a score of this or more is a positive; NAN: the model has none */
	const struct drip_schema *predictions; /* what predict yields */
	const char *metrics_json, *parameters_json;
	const char *score_kind; /* "probability" or "rank"; NULL: the model does not say */
};

/* What is to be kept with a new version. Texts are borrowed, NULL where there is none. */
struct drip_model_facts {
	uint32_t struct_size;
	const char *metrics_json;  /* of the hold-out, baselines, and production beside them */
	const char *training_json; /* data sets, positions, counts and times of the rows */
	/* The figure that decides whether it may follow the version in production, higher is
	 * better; NAN: none. */
	const char *measure; /* its name, "auc" */
	double quality;
	int64_t compared_version; /* version that was measured on the same hold-out; 0: none */
	double compared_quality;
	/* Asks for production at once, on behalf of the pipeline; the gates decide. */
	bool promote;
};

/* What became of it. */
struct drip_model_added {
	uint32_t struct_size;
	int64_t version;
	bool promoted;    /* it is in production, and acquire gives it from now on */
	bool pending;     /* it waits for an approval */
	char reason[256]; /* why it was not promoted; "" where it was, or was not to be */
};

struct drip_model {
	uint32_t struct_size;
	/* (borrowed) until the object is put back. Works while a configuration is validated, as
	 * does negotiate. */
	const struct drip_model_declaration *(*declaration)(void *object);
	/* (gives) The columns that predict yields over rows with these columns (a schema of the
	 * features alone). -EINVAL with model.signature where the version in production was trained
	 * on others, or on a text where there is a number now. */
	int (*negotiate)(void *object, const struct drip_schema *features,
			 struct drip_schema **ret_predictions, struct drip_error *err);

	/*
	 * (gives) The version in production, to be released. -ENOENT with model.no_production where
	 * there is none; the reason why the artifact could not be loaded where that is so.
	 */
	int (*acquire)(void *object, struct drip_model_version **ret, struct drip_error *err);
	void (*release)(struct drip_model_version *version); /* NULL is accepted */
	const struct drip_model_info *(*info)(const struct drip_model_version *version);

	/* The number that stands for a category's text in a row of doubles; NAN: not known to the
	 * model, which takes it for missing. */
	double (*encode)(const struct drip_model_version *version, uint32_t feature,
			 const char *text, size_t size);
	/*
	 * Scores `count` rows of info->features_count doubles each, NAN for what is missing, into
	 * ret_scores. -ENOTSUP where the model has no such path.
	 */
	int (*score)(const struct drip_model_version *version, const double *rows, size_t count,
		     double *ret_scores, struct drip_error *err);
	/* What each feature added to the score of one row: as many doubles as there are features,
	 * in the model's own unit. -ENOTSUP likewise. */
	int (*explain)(const struct drip_model_version *version, const double *row,
		       double *ret_contributions, struct drip_error *err);
	/*
	 * (gives) A batch of info->predictions, row for row. `rows` (borrowed) must hold every
	 * feature by name; others are left alone. -EINVAL with model.missing_feature or
	 * model.feature_type.
	 */
	int (*predict)(const struct drip_model_version *version, const struct drip_batch *rows,
		       struct drip_batch **ret_predictions, struct drip_error *err);
	/* (gives) malloc'd JSON: kind of model, parameters, feature importance. */
	int (*describe)(const struct drip_model_version *version, char **ret_json,
			struct drip_error *err);

	/*
	 * (gives) A version trained on all rows of `data` (borrowed; oldest first), not registered
	 * yet. The schema holds the features and, flagged DRIP_COLUMN_LABEL, the label where there
	 * is one. May take minutes; ends with -ECANCELED soon after a stop is asked for.
	 */
	int (*fit)(void *object, struct ArrowArrayStream *data, const struct drip_schema *schema,
		   struct drip_model_version **ret, struct drip_error *err);
	/* Registers what fit gave (borrowed): keeps the artifact, numbers it, and promotes it where
	 * that is asked for and the gates let it pass. */
	int (*add)(void *object, const struct drip_model_version *version,
		   const struct drip_model_facts *facts, struct drip_model_added *ret,
		   struct drip_error *err);
	/* As predict, but with scores as they were before calibration. -ENOTSUP where the model has
	 * none. Since ABI 1.1. */
	int (*uncalibrated)(const struct drip_model_version *version, const struct drip_batch *rows,
			    struct drip_batch **ret_predictions, struct drip_error *err);
};

#ifdef __cplusplus
}
#endif

#endif
