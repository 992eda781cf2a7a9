/* SPDX-License-Identifier: Apache-2.0 */
/* The control methods of the model registry, and their answers made from a store alone. A version
 * is tried by the engine before it is promoted, and in use before the answer is given. */
#include "serve/methods.h"

#include "base/cleanup.h"
#include "store/models.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* JSON that the registry holds; what is none is left out. */
static void put_json(struct drip_json *j, const char *key, const char *text)
{
	struct drip_json_tree *tree = NULL;

	if (drip_json_parse(text, strlen(text), &tree, NULL) == 0) {
		drip_json_key(j, key);
		drip_json_node(j, drip_json_root(tree));
		drip_json_tree_destroy(tree);
	}
}

static int put_transition(const struct drip_store_transition *t, void *data)
{
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_int(j, "version", t->version);
	drip_json_put_string(j, "from", t->from);
	drip_json_put_string(j, "to", t->to);
	drip_json_put_string(j, "requested_by", t->requested_by);
	drip_call_put_time(j, "requested", t->requested_us);
	drip_json_put_string(j, "state",
			     t->decided_us == 0 ? "pending"
			     : t->approved      ? "done"
						: "refused");
	if (t->decided_by[0] != '\0') {
		drip_json_put_string(j, "decided_by", t->decided_by);
	}
	drip_call_put_time(j, "decided", t->decided_us);
	drip_json_put_string(j, "comment", t->comment);
	if (t->decision[0] != '\0') {
		drip_json_put_string(j, "decision", t->decision);
	}
	drip_json_put_bool(j, "forced", t->forced);
	drip_json_end_object(j);
	return 0;
}

static void put_quality(struct drip_json *j, const struct drip_store_version *v)
{
	if (isnan(v->quality)) {
		return;
	}
	drip_json_put_string(j, "measure", v->measure);
	drip_json_put_double(j, "quality", v->quality);
	if (v->compared_version != 0) {
		drip_json_put_int(j, "compared_version", v->compared_version);
		drip_json_put_double(j, "compared_quality", v->compared_quality);
	}
}

static int put_version(const struct drip_store_version *v, void *data)
{
	struct drip_json *j = data;

	drip_json_begin_object(j);
	drip_json_put_int(j, "version", v->version);
	drip_json_put_string(j, "stage", v->stage);
	drip_json_put_string(j, "component", v->component);
	drip_call_put_time(j, "created", v->created_us);
	drip_json_put_string(j, "created_by", v->created_by);
	drip_call_put_time(j, "deleted", v->deleted_us);
	drip_json_put_string(j, "artifact", v->artifact_path);
	drip_json_put_int(j, "artifact_bytes", v->artifact_size);
	drip_json_put_string(j, "sha256", v->checksum);
	put_quality(j, v);
	put_json(j, "features", v->features_json);
	put_json(j, "parameters", v->parameters_json);
	put_json(j, "metrics", v->metrics_json);
	put_json(j, "training", v->training_json);
	drip_json_end_object(j);
	return 0;
}

struct rendering {
	struct drip_json *json;
	int count;
};

static int put_model(const struct drip_store_model *m, void *data)
{
	struct rendering *r = data;
	struct drip_json *j = r->json;

	r->count++;
	drip_json_begin_object(j);
	drip_json_put_string(j, "name", m->name);
	drip_json_put_string(j, "description", m->description);
	drip_call_put_time(j, "created", m->created_us);
	drip_json_put_bool(j, "approval", m->approval);
	drip_json_put_double(j, "tolerance", m->tolerance);
	drip_json_put_int(j, "versions", m->versions);
	if (m->latest != 0) {
		drip_json_put_int(j, "latest", m->latest);
	}
	if (m->production != 0) {
		drip_json_put_int(j, "production", m->production);
	}
	drip_json_end_object(j);
	return 0;
}

int drip_models_render(struct drip_store *store, struct drip_json *json, struct drip_error *err)
{
	struct rendering r = {.json = json};
	int rc;

	drip_json_begin_array(json);
	rc = drip_store_visit_models(store, NULL, put_model, &r, err);
	drip_json_end_array(json);
	return rc;
}

static int count_model(const struct drip_store_model *m, void *data)
{
	++*(int *)data;
	return 0;
}

static int count_version(const struct drip_store_version *v, void *data)
{
	++*(int *)data;
	return 0;
}

static int check_known(struct drip_store *store, const char *name, int64_t version,
		       struct drip_error *err)
{
	int count = 0;
	int rc = version == 0 ? drip_store_visit_models(store, name, count_model, &count, err)
			      : drip_store_visit_versions(store, name, version, count_version,
							  &count, err);

	if (rc == 0 && count == 0) {
		rc = drip_error_set(err, -ENOENT, "store.no_model",
				    version == 0 ? "there is no model \"%s\""
						 : "there is no such version of model \"%s\"",
				    name);
		drip_error_hint(err, "`dripline model list` shows the models.");
	}
	return rc;
}

int drip_model_render(struct drip_store *store, const char *name, int64_t version,
		      struct drip_json *json, struct drip_error *err)
{
	int rc = check_known(store, name, version, err);

	if (rc < 0) {
		return rc;
	}
	drip_json_begin_object(json);
	drip_json_put_string(json, "name", name);
	drip_json_key(json, "versions");
	drip_json_begin_array(json);
	rc = drip_store_visit_versions(store, name, version, put_version, json, err);
	drip_json_end_array(json);
	drip_json_key(json, "history");
	drip_json_begin_array(json);
	rc = rc == 0 ? drip_store_visit_transitions(store, name, version, put_transition, json, err)
		     : rc;
	drip_json_end_array(json);
	drip_json_end_object(json);
	return rc;
}

/* ---- changes ---- */

static void put_added(struct drip_json *j, const char *name, const struct drip_model_added *added)
{
	drip_json_begin_object(j);
	drip_json_put_string(j, "name", name);
	drip_json_put_int(j, "version", added->version);
	drip_json_put_bool(j, "moved", added->promoted);
	drip_json_put_bool(j, "pending", added->pending);
	drip_json_end_object(j);
}

static int stage_of(const struct drip_model_change *c, const char **ret, struct drip_error *err)
{
	*ret = drip_store_stage(c->stage);
	if (*ret == NULL) {
		drip_error_set(err, -EINVAL, "control.bad_stage", "\"%.40s\" is no stage",
			       c->stage);
		drip_error_hint(err, "Stages are none, staging, production and archived.");
		return -EINVAL;
	}
	return 0;
}

int drip_model_change(struct drip_store *store, const struct drip_model_change *c,
		      struct drip_json *json, struct drip_error *err)
{
	struct drip_model_added added = {.struct_size = sizeof(added), .version = c->version};
	struct drip_store_promotion p = {.model = c->name,
					 .version = c->version,
					 .actor = c->actor,
					 .comment = c->comment,
					 .force = c->force};
	int rc;

	switch (c->kind) {
	case DRIP_MODEL_PROMOTE:
		rc = stage_of(c, &p.stage, err);
		rc = rc == 0 ? drip_store_promote_model(store, &p, &added, err) : rc;
		break;
	case DRIP_MODEL_APPROVE:
	case DRIP_MODEL_REFUSE:
		rc = drip_store_decide_model(store, c->name, c->version, c->actor,
					     c->kind == DRIP_MODEL_APPROVE, c->comment, &added,
					     err);
		break;
	default:
		rc = drip_store_delete_version(store, c->name, c->version, c->actor, err);
		break;
	}
	if (rc == 0) {
		put_added(json, c->name, &added);
	}
	return rc;
}

static int change(struct drip_call *call, enum drip_model_change_kind kind, struct drip_error *err)
{
	struct drip_model_change c = {.kind = kind,
				      .actor = call->actor,
				      .version = drip_json_get_int(call->arguments, "version", 0),
				      .stage = drip_json_get_string(call->arguments, "stage", ""),
				      .comment =
					      drip_json_get_string(call->arguments, "comment", ""),
				      .force = drip_json_get_bool(call->arguments, "force", false)};
	int rc = drip_call_string(call, "name", &c.name, err);

	if (rc == 0 && c.version <= 0) {
		rc = drip_error_set(err, -EINVAL, "control.missing_argument",
				    "the argument \"version\" is missing");
	}
	if (rc == 0 && kind != DRIP_MODEL_REFUSE && kind != DRIP_MODEL_DELETE &&
	    strcasecmp(c.stage, DRIP_STAGE_ARCHIVED) != 0) {
		rc = drip_engine_check_model(call->app->engine, c.name, c.version, err);
	}
	rc = rc == 0 ? drip_model_change(call->app->store, &c, &call->json, err) : rc;
	return rc == 0 ? drip_engine_refresh_model(call->app->engine, c.name, err) : rc;
}

int drip_method_model_list(struct drip_call *call, struct drip_error *err)
{
	return drip_models_render(call->app->store, &call->json, err);
}

int drip_method_model_show(struct drip_call *call, struct drip_error *err)
{
	const char *name;
	int rc = drip_call_string(call, "name", &name, err);

	return rc == 0 ? drip_model_render(call->app->store, name,
					   drip_json_get_int(call->arguments, "version", 0),
					   &call->json, err)
		       : rc;
}

int drip_method_model_promote(struct drip_call *call, struct drip_error *err)
{
	return change(call, DRIP_MODEL_PROMOTE, err);
}

int drip_method_model_approve(struct drip_call *call, struct drip_error *err)
{
	return change(call, DRIP_MODEL_APPROVE, err);
}

int drip_method_model_refuse(struct drip_call *call, struct drip_error *err)
{
	return change(call, DRIP_MODEL_REFUSE, err);
}

int drip_method_model_delete(struct drip_call *call, struct drip_error *err)
{
	return change(call, DRIP_MODEL_DELETE, err);
}
