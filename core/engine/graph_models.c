/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared models: their features and label, and what a stage gets that asks for one while it is
 * validated: the declaration and its negotiation, and no version. Thread: the load's.
 */
#include "base/json.h"
#include "engine/graph_private.h"
#include "engine/model_version.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct drip_declared *graph_model(struct graph *g, const char *name)
{
	for (size_t i = 0; i < g->document->models_count; i++) {
		if (strcmp(g->document->models[i].name, name) == 0) {
			return &g->document->models[i];
		}
	}
	return NULL;
}

static bool refuse_features(struct graph *g, const struct drip_node *node, const char *option,
			    const char *what, const char *name)
{
	struct drip_place place = drip_node_place(node, option);

	drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, &place, "config.bad_features",
			  "Name each column once, and leave out the label.", what, name);
	return false;
}

static bool check_features(struct graph *g, const struct graph_stage_config *own,
			   const struct drip_node *node)
{
	const struct drip_strings *f = &own->features;

	if (f->count == 0 || f->count > DRIP_MODEL_FEATURES_MAX) {
		return refuse_features(g, node, "features", "a model needs 1 to 1024 features%s",
				       "");
	}
	for (size_t i = 0; i < f->count; i++) {
		if (own->label != NULL && strcmp(own->label, f->items[i]) == 0) {
			return refuse_features(g, node, "label",
					       "the label \"%.100s\" is a feature too", own->label);
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(f->items[i], f->items[j]) == 0) {
				return refuse_features(g, node, "features",
						       "feature \"%.100s\" is named twice",
						       f->items[i]);
			}
		}
	}
	return true;
}

int graph_build_model(struct graph *g, struct drip_declared *d,
		      const struct graph_stage_config *own, struct graph_declaration *declaration)
{
	struct drip_model_spec *spec = drip_arena_alloc(&g->arena, sizeof(*spec));

	if (spec == NULL) {
		return -ENOMEM;
	}
	spec->declaration = (struct drip_model_declaration){
		.struct_size = sizeof(spec->declaration),
		.name = d->name,
		.description = own->description != NULL ? own->description : "",
		.component = own->plugin != NULL ? own->plugin : "",
		.features = own->features.items,
		.features_count = (uint32_t)own->features.count,
		.label = own->label,
	};
	spec->approval = own->approval;
	spec->tolerance = own->tolerance;
	d->model = spec;
	if (declaration->sound && !check_features(g, own, declaration->node)) {
		declaration->sound = false;
	}
	return 0;
}

/* ---- while a configuration is validated ---- */

struct graph_model {
	struct graph_ctx ctx;
	const struct drip_declared *declared;
};

static const struct drip_model_declaration *declaration(void *object)
{
	const struct graph_model *m = object;

	return &m->declared->model->declaration;
}

static int copy_features(struct graph *g, const struct drip_json_node *list,
			 struct drip_model_info *ret)
{
	struct drip_model_feature *features;
	uint32_t count = 0;

	for (const struct drip_json_node *n = list->first; n != NULL; n = n->next) {
		count++;
	}
	features = drip_arena_array(&g->arena, count, sizeof(*features));
	if (features == NULL) {
		return -ENOMEM;
	}
	for (const struct drip_json_node *n = list->first; n != NULL; n = n->next) {
		struct drip_model_feature *f = &features[ret->features_count++];

		f->name = drip_arena_strdup(&g->arena, drip_json_get_string(n, "name", ""));
		f->category = strcmp(drip_json_get_string(n, "kind", ""), "category") == 0;
		if (f->name == NULL) {
			return -ENOMEM;
		}
	}
	ret->features = features;
	return 0;
}

/* Once a load. A registry that cannot be read is for the run to complain of. */
static int ask_registry(struct graph *g, const char *model, struct drip_model_info *ret,
			struct drip_error *err)
{
	struct drip_error ignored = DRIP_ERROR_INIT;
	struct drip_json_tree *tree = NULL;
	char *json = NULL;
	int64_t version = 0;
	int rc = 0;

	*ret = (struct drip_model_info){.struct_size = sizeof(*ret), .name = model};
	if (g->options->signature == NULL ||
	    g->options->signature(g->document->settings.state_dir, model, &json, &version,
				  &ignored) < 0 ||
	    json == NULL) {
		return 0;
	}
	if (drip_json_parse(json, strlen(json), &tree, &ignored) == 0) {
		rc = copy_features(g, drip_json_root(tree), ret);
		ret->version = rc == 0 ? version : 0;
	}
	drip_json_tree_destroy(tree);
	free(json);
	return rc == 0 ? 0 : drip_error_nomem(err, 0);
}

static int check_signature(struct graph_model *m, const struct drip_schema *features,
			   struct drip_error *err)
{
	struct graph *g = m->ctx.graph;
	struct graph_declaration *d = &g->models[m->declared - g->document->models];
	int rc = 0;

	if (!d->asked) {
		rc = ask_registry(g, m->declared->name, &d->production, err);
		d->asked = rc == 0;
	}
	return rc == 0 && d->production.version != 0
		       ? drip_model_check_signature(&d->production, features, err)
		       : rc;
}

static int negotiate(void *object, const struct drip_schema *features,
		     struct drip_schema **ret_predictions, struct drip_error *err)
{
	struct graph_model *m = object;
	const struct drip_model_ops *ops = m->declared->component->ops;
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	int rc = ops->negotiate(&m->ctx.base, m->declared->config, features, &n, err);

	rc = rc == 0 ? check_signature(m, features, err) : rc;
	if (rc == 0) {
		*ret_predictions = drip_schema_ref(n.output);
	}
	drip_negotiated_finish(&n);
	return rc;
}

static int no_version(struct drip_error *err)
{
	return drip_error_set(err, -ENOTSUP, "validate.not_running",
			      "cannot use a version of a model while a configuration is validated");
}

static int acquire(void *object, struct drip_model_version **ret, struct drip_error *err)
{
	return no_version(err);
}

static void release(struct drip_model_version *version)
{
}

static const struct drip_model_info *info(const struct drip_model_version *version)
{
	static const struct drip_model_info nothing = {.struct_size = sizeof(nothing)};

	return &nothing;
}

static double encode(const struct drip_model_version *version, uint32_t feature, const char *text,
		     size_t size)
{
	return NAN;
}

static int score(const struct drip_model_version *version, const double *rows, size_t count,
		 double *ret_scores, struct drip_error *err)
{
	return no_version(err);
}

static int explain(const struct drip_model_version *version, const double *row,
		   double *ret_contributions, struct drip_error *err)
{
	return no_version(err);
}

static int predict(const struct drip_model_version *version, const struct drip_batch *rows,
		   struct drip_batch **ret_predictions, struct drip_error *err)
{
	return no_version(err);
}

static int describe(const struct drip_model_version *version, char **ret_json,
		    struct drip_error *err)
{
	return no_version(err);
}

static int fit(void *object, struct ArrowArrayStream *data, const struct drip_schema *schema,
	       struct drip_model_version **ret, struct drip_error *err)
{
	return no_version(err);
}

static int add(void *object, const struct drip_model_version *version,
	       const struct drip_model_facts *facts, struct drip_model_added *ret,
	       struct drip_error *err)
{
	return no_version(err);
}

static const struct drip_model interface = {
	.struct_size = sizeof(interface),
	.declaration = declaration,
	.negotiate = negotiate,
	.acquire = acquire,
	.release = release,
	.info = info,
	.encode = encode,
	.score = score,
	.explain = explain,
	.predict = predict,
	.describe = describe,
	.fit = fit,
	.add = add,
	.uncalibrated = predict,
};

int graph_model_get(struct graph_ctx *ctx, const char *name, const void **ret_interface,
		    void **ret_object, struct drip_error *err)
{
	struct graph *g = ctx->graph;
	const struct drip_declared *declared = graph_model(g, name);
	struct graph_model *m;

	if (declared == NULL || declared->component == NULL ||
	    !g->models[declared - g->document->models].sound) {
		return drip_error_set(err, -ENOTSUP, "validate.offline",
				      "model \"%s\" cannot be asked to validate", name);
	}
	m = drip_arena_alloc(&g->arena, sizeof(*m));
	if (m == NULL) {
		return drip_error_nomem(err, sizeof(*m));
	}
	graph_ctx_init(&m->ctx, g, "", declared->name);
	m->declared = declared;
	*ret_interface = &interface;
	*ret_object = m;
	return 0;
}
