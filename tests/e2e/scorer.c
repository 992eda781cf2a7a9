/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plugin with a model for the test and the benchmark of the API: the connection `scorer` offers
 * drip_model with one version, whose score is amount / 100, and 1 for the method "stolen". Thread:
 * any.
 */
#include <dripline/dripline.h>
#include <dripline/model.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct scorer_config {
	double threshold;
};

struct drip_model_version {
	struct drip_model_info info;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct scorer_config, threshold, .help = "From here on it is fraud.",
		    .default_text = "0.8"),
};

static const struct drip_model_feature features[] = {
	{"amount", false}, {"hour", false}, {"method", true}, {"is_new", false}};

static int acquire(void *object, struct drip_model_version **ret, struct drip_error *err)
{
	*ret = object;
	return 0;
}

static void release(struct drip_model_version *version)
{
}

static const struct drip_model_info *info_of(const struct drip_model_version *version)
{
	return &version->info;
}

static double encode(const struct drip_model_version *version, uint32_t feature, const char *text,
		     size_t size)
{
	return size == 6 && memcmp(text, "stolen", 6) == 0 ? 1 : 0;
}

static int score(const struct drip_model_version *version, const double *rows, size_t count,
		 double *ret_scores, struct drip_error *err)
{
	for (size_t i = 0; i < count; i++) {
		const double *row = rows + i * 4;

		ret_scores[i] = row[2] >= 1 ? 1 : isnan(row[0]) ? 0 : fmin(row[0] / 100, 1);
	}
	return 0;
}

static const struct drip_model model = {
	.struct_size = sizeof(model),
	.acquire = acquire,
	.release = release,
	.info = info_of,
	.encode = encode,
	.score = score,
};

static int scorer_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	const struct scorer_config *c = config;
	struct drip_model_version *v = calloc(1, sizeof(*v));

	if (v == NULL) {
		return drip_error_nomem(err, sizeof(*v));
	}
	v->info = (struct drip_model_info){
		.struct_size = sizeof(v->info),
		.name = "fraud",
		.version = 3,
		.features = features,
		.features_count = DRIP_COUNT(features),
		.threshold = c->threshold,
	};
	*ret_self = v;
	return 0;
}

static void scorer_close(void *self)
{
	free(self);
}

static const void *scorer_interface(void *self, const char *name)
{
	return strcmp(name, DRIP_MODEL_INTERFACE) == 0 ? &model : NULL;
}

static const char *const interfaces[] = {DRIP_MODEL_INTERFACE, NULL};

static const struct drip_connection_ops ops = {
	.struct_size = sizeof(ops),
	.open = scorer_open,
	.close = scorer_close,
	.interface = scorer_interface,
	.interfaces = interfaces,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "scorer",
	.summary = "Scores by the amount",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct scorer_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("scorer", "0.1.0", "A model for the tests of the API.", &component);
