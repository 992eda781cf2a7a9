/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Declared models, shared by all stages and services of the process. A handle is known by its name
 * and the hash of its declaration, as a shared connection is, and holds the version in Production.
 *
 * Threads: any may acquire, without a lock. A reader announces itself in the counter of the phase,
 * takes the pointer and a reference, and leaves the counter. Whoever swaps the pointer turns the
 * phase twice and waits each time until the old phase's counter is 0; then no reader can hold the
 * old pointer without a reference, and the handle's own may go. (Sleepable RCU with two counters,
 * McKenney 2006.) Writers are one at a time, by the handle's lock.
 */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/model_version.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

struct model_handle {
	struct model_handle *next;
	uint32_t refs; /* models->lock */
	struct model_source source;
	struct drip_model_version *current; /* atomic; NULL: none */
	uint32_t phase, readers[2];         /* atomic */
	pthread_mutex_t lock;               /* of writers; guards error */
	struct drip_error error;            /* why there is no version */
};

/* What a user gets: one for each get. */
struct model_user {
	struct model_handle *handle;
	struct drip_instance *instance;
};

int drip_models_init(struct drip_models *m)
{
	m->first = NULL;
	return -pthread_mutex_init(&m->lock, NULL);
}

void drip_models_finish(struct drip_models *m)
{
	pthread_mutex_destroy(&m->lock);
}

/* ---- the version in Production ---- */

static struct drip_model_version *handle_acquire(struct model_handle *h)
{
	uint32_t phase = __atomic_load_n(&h->phase, __ATOMIC_SEQ_CST) & 1;
	struct drip_model_version *v;

	__atomic_add_fetch(&h->readers[phase], 1, __ATOMIC_SEQ_CST);
	v = __atomic_load_n(&h->current, __ATOMIC_SEQ_CST);
	if (v != NULL) {
		drip_model_version_ref(v);
	}
	__atomic_sub_fetch(&h->readers[phase], 1, __ATOMIC_SEQ_CST);
	return v;
}

/* Takes `v`; h->lock held. */
static void handle_swap(struct model_handle *h, struct drip_model_version *v)
{
	struct drip_model_version *old = __atomic_exchange_n(&h->current, v, __ATOMIC_SEQ_CST);

	for (int turn = 0; turn < 2; turn++) {
		uint32_t phase = __atomic_fetch_add(&h->phase, 1, __ATOMIC_SEQ_CST) & 1;

		while (__atomic_load_n(&h->readers[phase], __ATOMIC_SEQ_CST) != 0) {
			sched_yield();
		}
	}
	drip_model_version_unref(old);
}

static int read_version(const struct model_source *source, int64_t version,
			struct drip_model_version **ret, struct drip_error *err)
{
	const struct drip_durable *d = source->engine->options.durable;
	struct drip_model_artifact artifact = {0};
	int rc;

	if (d->model_read == NULL) {
		return drip_error_set(err, -ENOTSUP, "engine.no_registry",
				      "this process keeps no models");
	}
	rc = d->model_read(d->self, source->declared->name, version, &artifact, err);
	return rc == 0 ? drip_model_version_load(source, &artifact, ret, err) : rc;
}

/* What stands in the registry becomes current; what cannot be loaded leaves it. h->lock held. */
static int refresh_locked(struct model_handle *h, struct drip_error *err)
{
	struct drip_model_version *v = NULL;
	int rc;

	h->error = (struct drip_error)DRIP_ERROR_INIT;
	rc = read_version(&h->source, 0, &v, &h->error);
	if (rc == 0) {
		drip_logger_event(DRIP_LOG_INFO, "", h->source.declared->name, NULL,
				  "version %lld is in use", (long long)v->info.version);
		handle_swap(h, v);
	} else if (rc == -ENOENT) {
		handle_swap(h, NULL);
	}
	if (rc < 0 && err != NULL) {
		*err = h->error;
	}
	return rc;
}

/* ---- handles ---- */

static const struct drip_declared *find_declared(const struct drip_doc *doc, const char *name)
{
	const struct drip_document *d = doc->document;

	for (size_t i = 0; i < d->models_count; i++) {
		if (strcmp(d->models[i].name, name) == 0 && d->models[i].component != NULL) {
			return &d->models[i];
		}
	}
	return NULL;
}

static struct model_handle *handle_create(struct drip_instance *user,
					  const struct drip_declared *declared)
{
	struct model_handle *h = drip_calloc(1, sizeof(*h));

	if (h == NULL || pthread_mutex_init(&h->lock, NULL) != 0) {
		free(h);
		return NULL;
	}
	h->source = (struct model_source){
		.engine = user->engine, .doc = drip_doc_ref(user->doc), .declared = declared};
	h->error.struct_size = sizeof(h->error);
	h->refs = 1;
	pthread_mutex_lock(&h->lock); /* until its first version is read */
	return h;
}

static void handle_destroy(struct model_handle *h)
{
	drip_model_version_unref(h->current);
	drip_doc_unref(h->source.doc);
	pthread_mutex_destroy(&h->lock);
	free(h);
}

/* (gives) a reference to the handle of this declaration; *ret_new: it has no version yet, and its
 * lock is held. */
static struct model_handle *handle_get(struct drip_instance *user,
				       const struct drip_declared *declared, bool *ret_new)
{
	struct drip_models *m = &user->engine->models;
	struct model_handle *h;

	*ret_new = false;
	pthread_mutex_lock(&m->lock);
	for (h = m->first; h != NULL; h = h->next) {
		if (strcmp(h->source.declared->name, declared->name) == 0 &&
		    h->source.declared->config_hash == declared->config_hash) {
			h->refs++;
			break;
		}
	}
	if (h == NULL) {
		h = handle_create(user, declared);
		if (h != NULL) {
			h->next = m->first;
			m->first = h;
			*ret_new = true;
		}
	}
	pthread_mutex_unlock(&m->lock);
	return h;
}

static void handle_put(struct drip_models *m, struct model_handle *h)
{
	struct model_handle **at = &m->first;
	bool last;

	pthread_mutex_lock(&m->lock);
	last = --h->refs == 0;
	if (last) {
		while (*at != h) {
			at = &(*at)->next;
		}
		*at = h->next;
	}
	pthread_mutex_unlock(&m->lock);
	if (last) {
		handle_destroy(h);
	}
}

/* ---- drip_model ---- */

static const struct drip_model_declaration *model_declaration(void *object)
{
	const struct model_user *u = object;

	return &u->handle->source.declared->model->declaration;
}

static int model_negotiate(void *object, const struct drip_schema *features,
			   struct drip_schema **ret_predictions, struct drip_error *err)
{
	const struct model_user *u = object;
	const struct drip_declared *d = u->handle->source.declared;
	const struct drip_model_ops *ops = d->component->ops;
	struct drip_negotiated n = {.struct_size = sizeof(n)};
	struct drip_model_version *v = handle_acquire(u->handle);
	int rc = ops->negotiate(&u->instance->ctx, d->config, features, &n, err);

	if (rc == 0 && v != NULL) {
		rc = drip_model_check_signature(&v->info, features, err);
	}
	drip_model_version_unref(v);
	if (rc == 0) {
		*ret_predictions = drip_schema_ref(n.output);
	}
	drip_negotiated_finish(&n);
	return rc;
}

static int model_acquire(void *object, struct drip_model_version **ret, struct drip_error *err)
{
	struct model_user *u = object;
	struct model_handle *h = u->handle;
	int rc;

	*ret = handle_acquire(h);
	if (*ret != NULL) {
		return 0;
	}
	pthread_mutex_lock(&h->lock);
	*ret = handle_acquire(h);
	rc = *ret != NULL ? 0 : h->error.rc;
	if (rc != 0 && err != NULL) {
		*err = h->error;
	}
	pthread_mutex_unlock(&h->lock);
	return rc;
}

static const struct drip_model_info *model_info(const struct drip_model_version *v)
{
	return &v->info;
}

static double model_encode(const struct drip_model_version *v, uint32_t feature, const char *text,
			   size_t size)
{
	return v->rows != NULL ? v->rows->encode(v->instance.self, feature, text, size)
			       : (double)NAN;
}

static int no_rows(const struct drip_model_version *v, struct drip_error *err)
{
	return drip_error_set(err, -ENOTSUP, "model.no_rows",
			      "model \"%s\" cannot do that for single rows", v->info.name);
}

static int model_score(const struct drip_model_version *v, const double *rows, size_t count,
		       double *ret_scores, struct drip_error *err)
{
	return v->rows != NULL ? v->rows->score(v->instance.self, rows, count, ret_scores, err)
			       : no_rows(v, err);
}

static int model_explain(const struct drip_model_version *v, const double *row,
			 double *ret_contributions, struct drip_error *err)
{
	return v->rows != NULL && v->rows->explain != NULL
		       ? v->rows->explain(v->instance.self, row, ret_contributions, err)
		       : no_rows(v, err);
}

static int model_predict(const struct drip_model_version *v, const struct drip_batch *rows,
			 struct drip_batch **ret_predictions, struct drip_error *err)
{
	return v->ops->predict(v->instance.self, rows, ret_predictions, err);
}

static int model_uncalibrated(const struct drip_model_version *v, const struct drip_batch *rows,
			      struct drip_batch **ret_predictions, struct drip_error *err)
{
	return DRIP_OP_OF(v->ops, uncalibrated) != NULL
		       ? v->ops->uncalibrated(v->instance.self, rows, ret_predictions, err)
		       : drip_error_set(err, -ENOTSUP, "model.no_rows",
					"model \"%s\" does not calibrate", v->info.name);
}

static int model_describe(const struct drip_model_version *v, char **ret_json,
			  struct drip_error *err)
{
	return v->ops->describe(v->instance.self, ret_json, err);
}

static int model_fit(void *object, struct ArrowArrayStream *data, const struct drip_schema *schema,
		     struct drip_model_version **ret, struct drip_error *err)
{
	const struct model_user *u = object;
	struct model_source source = u->handle->source;

	source.watched = u->instance->run;
	return drip_model_version_fit(&source, data, schema, ret, err);
}

static void features_json(const struct drip_model_version *v, struct drip_str *out)
{
	struct drip_json j;

	drip_json_init(&j, out);
	drip_json_begin_array(&j);
	for (uint32_t i = 0; i < v->info.features_count; i++) {
		drip_json_begin_object(&j);
		drip_json_put_string(&j, "name", v->info.features[i].name);
		drip_json_put_string(&j, "kind",
				     v->info.features[i].category ? "category" : "number");
		drip_json_end_object(&j);
	}
	drip_json_end_array(&j);
}

static int model_add(void *object, const struct drip_model_version *v,
		     const struct drip_model_facts *facts, struct drip_model_added *ret,
		     struct drip_error *err)
{
	const struct model_user *u = object;
	const struct drip_declared *d = u->handle->source.declared;
	const struct drip_durable *durable = u->handle->source.engine->options.durable;
	drip_autostr features = DRIP_STR_INIT;
	struct drip_error why = DRIP_ERROR_INIT;
	char actor[128];
	struct drip_model_record record = {.name = d->name,
					   .description = d->model->declaration.description,
					   .component = d->component->name,
					   .approval = d->model->approval,
					   .tolerance = d->model->tolerance,
					   .actor = actor,
					   .artifact = v->artifact,
					   .size = v->size,
					   .parameters_json = v->info.parameters_json,
					   .facts = facts};
	int rc;

	if (v->artifact == NULL || durable->model_add == NULL) {
		return drip_error_set(err, -EINVAL, "engine.no_registry",
				      "version %lld of model \"%s\" cannot be registered",
				      (long long)v->info.version, d->name);
	}
	snprintf(actor, sizeof(actor), "pipeline %s", u->instance->ctx.pipeline);
	features_json(v, &features);
	record.features_json = drip_str_text(&features);
	rc = durable->model_add(durable->self, &record, ret, err);
	if (rc == 0 && ret->promoted &&
	    drip_engine_refresh_model(u->handle->source.engine, d->name, &why) < 0) {
		/* It is registered, and must not be again. */
		drip_logger_event(DRIP_LOG_ERROR, "", d->name, &why,
				  "the version in Production cannot be used");
	}
	return rc;
}

static const struct drip_model interface = {
	.struct_size = sizeof(interface),
	.declaration = model_declaration,
	.negotiate = model_negotiate,
	.acquire = model_acquire,
	.release = drip_model_version_unref,
	.info = model_info,
	.encode = model_encode,
	.score = model_score,
	.explain = model_explain,
	.predict = model_predict,
	.describe = model_describe,
	.fit = model_fit,
	.add = model_add,
	.uncalibrated = model_uncalibrated,
};

/* ---- for the host and the engine ---- */

int drip_model_get(struct drip_instance *user, const char *name, const void **ret_interface,
		   void **ret_object, struct drip_error *err)
{
	const struct drip_declared *declared = find_declared(user->doc, name);
	struct drip_error why = DRIP_ERROR_INIT;
	struct model_user *u;
	bool new;

	if (declared == NULL) {
		return drip_error_set(err, -ENOENT, "engine.unknown_model",
				      "there is no model \"%s\"", name);
	}
	u = drip_calloc(1, sizeof(*u));
	if (u == NULL) {
		return drip_error_nomem(err, sizeof(*u));
	}
	u->instance = user;
	u->handle = handle_get(user, declared, &new);
	if (u->handle == NULL) {
		free(u);
		return drip_error_nomem(err, sizeof(struct model_handle));
	}
	if (new &&refresh_locked(u->handle, &why) < 0 && why.rc != -ENOENT) {
		drip_logger_event(DRIP_LOG_ERROR, "", name, &why,
				  "the version in Production cannot be used");
	}
	if (new) {
		pthread_mutex_unlock(&u->handle->lock);
	}
	*ret_interface = &interface;
	*ret_object = u;
	return 0;
}

void drip_model_put(struct drip_instance *user, void *object)
{
	struct model_user *u = object;

	handle_put(&user->engine->models, u->handle);
	free(u);
}

/* (gives) the document that is in use, or NULL. */
static struct drip_doc *current_doc(struct drip_engine *engine)
{
	struct drip_doc *doc;

	pthread_mutex_lock(&engine->lock);
	doc = engine->doc != NULL ? drip_doc_ref(engine->doc) : NULL;
	pthread_mutex_unlock(&engine->lock);
	return doc;
}

int drip_engine_check_model(struct drip_engine *engine, const char *name, int64_t version,
			    struct drip_error *err)
{
	struct drip_doc *doc = current_doc(engine);
	struct model_source source = {.engine = engine, .doc = doc};
	struct drip_model_version *v = NULL;
	int rc = 0;

	source.declared = doc != NULL ? find_declared(doc, name) : NULL;
	if (source.declared != NULL) {
		rc = read_version(&source, version, &v, err);
		drip_model_version_unref(v);
	}
	drip_doc_unref(doc);
	return rc;
}

/* (gives) a reference to the handle of that name behind `after` (NULL: the first), or NULL. */
static struct model_handle *next_handle(struct drip_models *m, const char *name,
					struct model_handle *after)
{
	struct model_handle *h;

	pthread_mutex_lock(&m->lock);
	h = after != NULL ? after->next : m->first;
	while (h != NULL && strcmp(h->source.declared->name, name) != 0) {
		h = h->next;
	}
	if (h != NULL) {
		h->refs++;
	}
	pthread_mutex_unlock(&m->lock);
	return h;
}

int drip_engine_refresh_model(struct drip_engine *engine, const char *name, struct drip_error *err)
{
	struct drip_models *m = &engine->models;
	struct model_handle *h = next_handle(m, name, NULL);
	int rc = 0;

	while (h != NULL) {
		struct model_handle *next;
		struct drip_error one = DRIP_ERROR_INIT;
		int failed;

		pthread_mutex_lock(&h->lock);
		failed = refresh_locked(h, &one);
		pthread_mutex_unlock(&h->lock);

		if (failed < 0 && failed != -ENOENT && rc == 0) {
			rc = failed;
			if (err != NULL) {
				*err = one;
			}
		}
		next = next_handle(m, name, h);
		handle_put(m, h);
		h = next;
	}
	return rc;
}
