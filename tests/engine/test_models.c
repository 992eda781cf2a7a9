/* SPDX-License-Identifier: Apache-2.0 */
/* Models in the engine: threads that score while versions are promoted, and what is refused. Needs
 * the built plugin of the isolation forest; argument: its folder. */
#include "engine/engine_private.h"
#include "lib/temp.h"
#include "lib/test.h"
#include "store/models.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define ROWS       200
#define THREADS    4
#define PROMOTIONS 100

struct world {
	uv_loop_t loop;
	struct drip_registry *registry;
	struct drip_store *store;
	struct drip_engine *engine;
	struct drip_doc *doc;
	struct drip_instance user;
	const struct drip_model *model;
	void *object;
};

static struct drip_document *load(struct world *w, const char *dir)
{
	char path[256];
	const char *paths[] = {path};
	struct drip_document *document = NULL;
	struct drip_findings findings;
	FILE *file;

	snprintf(path, sizeof(path), "%s/models.yaml", dir);
	file = fopen(path, "w");
	REQUIRE(file != NULL);
	fputs("models:\n  m: {plugin: isolation-forest, features: [x, y], trees: 10}\n", file);
	fclose(file);
	drip_findings_init(&findings);
	REQUIRE_EQ_INT(drip_document_load(w->registry, paths, 1, NULL, &findings, &document), 0);
	drip_findings_finish(&findings);
	return document;
}

static void open_world(struct world *w)
{
	const char *dir = temp_dir(), *dirs[] = {test_argv[1]};
	const struct drip_registry_options plugins = {
		.dirs = dirs, .dirs_count = 1, .only_dirs = true};
	struct drip_engine_options options = {.loop = &w->loop};
	struct drip_error err = DRIP_ERROR_INIT;
	const void *interface;

	memset(w, 0, sizeof(*w));
	REQUIRE_EQ_INT(uv_loop_init(&w->loop), 0);
	REQUIRE_OK(drip_registry_create(&plugins, &w->registry, &err), &err);
	REQUIRE_OK(drip_store_open(dir, DRIP_STORE_WRITE, &w->store, &err), &err);
	options.registry = w->registry;
	options.durable = drip_store_durable(w->store);
	REQUIRE_OK(drip_engine_create(&options, &w->engine, &err), &err);
	w->doc = drip_doc_create(load(w, dir));
	REQUIRE_NOT_NULL(w->doc);
	REQUIRE_OK(drip_instance_init(&w->user, w->engine, w->doc,
				      w->doc->document->models[0].component, NULL, "p", "s", &err),
		   &err);
	REQUIRE_OK(drip_model_get(&w->user, "m", &interface, &w->object, &err), &err);
	w->model = interface;
}

static void close_world(struct world *w)
{
	drip_model_put(&w->user, w->object);
	drip_instance_finish(&w->user);
	drip_doc_unref(w->doc);
	CHECK(drip_engine_destroy(w->engine));
	uv_run(&w->loop, UV_RUN_DEFAULT);
	uv_loop_close(&w->loop);
	drip_store_close(w->store);
	drip_registry_destroy(w->registry);
}

/* (gives) ROWS rows of the columns `first` and `second`. */
static struct drip_batch *make_rows(const char *first, const char *second)
{
	const char *names[] = {first, second};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder sb;
	struct drip_schema *schema;
	struct drip_batch *batch;
	struct drip_builder b;

	drip_schema_builder_init(&sb, "", "t");
	for (int i = 0; i < 2; i++) {
		const struct drip_column c = {
			.struct_size = sizeof(c), .type = DRIP_TYPE_FLOAT64, .name = names[i]};

		drip_schema_builder_add(&sb, &c);
	}
	REQUIRE_OK(drip_schema_builder_build(&sb, &schema, &err), &err);
	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	for (int i = 0; i < ROWS; i++) {
		drip_append_f64(&b.columns[0], sin(i));
		drip_append_f64(&b.columns[1], cos(3 * i));
		drip_builder_row(&b, DRIP_OP_READ);
	}
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	drip_schema_unref(schema);
	return batch;
}

static int fit(struct world *w, const char *first, const char *second,
	       struct drip_model_version **ret, struct drip_error *err)
{
	struct drip_batch *batch = make_rows(first, second);
	const struct drip_batch *one = batch;
	struct ArrowArrayStream stream;
	int rc;

	REQUIRE_OK(drip_batches_stream(&one, 1, &stream, err), err);
	rc = w->model->fit(w->object, &stream, batch->schema, ret, err);
	stream.release(&stream);
	drip_batch_unref(batch);
	return rc;
}

/* Trains and registers a version. */
static int64_t add(struct world *w, bool promote)
{
	const struct drip_model_facts facts = {
		.struct_size = sizeof(facts), .quality = NAN, .promote = promote};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_added added = {.version = 0};
	struct drip_model_version *v;

	REQUIRE_OK(fit(w, "x", "y", &v, &err), &err);
	CHECK_EQ_INT(w->model->info(v)->version, 0);
	REQUIRE_OK(w->model->add(w->object, v, &facts, &added, &err), &err);
	CHECK(added.promoted == promote);
	w->model->release(v);
	return added.version;
}

struct reader {
	struct world *w;
	bool *stop; /* atomic */
	int64_t scored;
	bool seen[3];
	pthread_t thread;
};

static void *read_main(void *data)
{
	struct reader *r = data;
	const struct drip_model *m = r->w->model;
	const double row[2] = {0.25, NAN};
	struct drip_error err = DRIP_ERROR_INIT;

	while (!__atomic_load_n(r->stop, __ATOMIC_ACQUIRE)) {
		struct drip_model_version *v;
		double score = 0;

		REQUIRE_OK(m->acquire(r->w->object, &v, &err), &err);
		REQUIRE(m->info(v)->version >= 1 && m->info(v)->version <= 2);
		r->seen[m->info(v)->version] = true;
		REQUIRE_OK(m->score(v, row, 1, &score, &err), &err);
		REQUIRE(score > 0 && score < 1);
		m->release(v);
		r->scored++;
	}
	return NULL;
}

TEST(scores_while_versions_are_promoted)
{
	struct world w;
	struct reader readers[THREADS];
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_version *v = NULL;
	bool stop = false;

	open_world(&w);
	CHECK_EQ_INT(w.model->acquire(w.object, &v, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "model.no_production");
	CHECK_EQ_INT(add(&w, true), 1);
	CHECK_EQ_INT(add(&w, false), 2);
	for (int i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){.w = &w, .stop = &stop};
		REQUIRE_EQ_INT(pthread_create(&readers[i].thread, NULL, read_main, &readers[i]), 0);
	}
	for (int i = 0; i < PROMOTIONS; i++) {
		const struct drip_store_promotion p = {.model = "m",
						       .version = 2 - i % 2,
						       .stage = DRIP_STAGE_PRODUCTION,
						       .actor = "t",
						       .comment = ""};
		struct drip_model_added added;

		CHECK_OK(drip_store_promote_model(w.store, &p, &added, &err), &err);
		CHECK_OK(drip_engine_refresh_model(w.engine, "m", &err), &err);
		CHECK_OK(w.model->acquire(w.object, &v, &err), &err);
		CHECK_EQ_INT(w.model->info(v)->version, 2 - i % 2); /* at once */
		w.model->release(v);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(readers[i].thread, NULL);
		CHECK(readers[i].scored > 0);
	}
	close_world(&w);
}

TEST(a_version_outlives_its_place_in_production)
{
	const double row[2] = {0.5, 0.5};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_version *old;
	double score, again, parts[2];
	struct world w;

	open_world(&w);
	add(&w, true);
	REQUIRE_OK(w.model->acquire(w.object, &old, &err), &err);
	REQUIRE_OK(w.model->score(old, row, 1, &score, &err), &err);
	CHECK_EQ_STR(w.model->info(old)->features[1].name, "y");
	CHECK_EQ_INT(strlen(w.model->info(old)->checksum), 64);
	CHECK_CONTAINS(w.model->info(old)->parameters_json, "\"trees\":10");
	CHECK_EQ_INT(add(&w, true), 2);
	REQUIRE_OK(w.model->score(old, row, 1, &again, &err), &err);
	CHECK_EQ_F64(score, again);
	CHECK_OK(w.model->explain(old, row, parts, &err), &err);
	w.model->release(old);
	close_world(&w);
}

TEST(refuses_what_is_not_declared_or_cannot_be_registered)
{
	const struct drip_model_facts facts = {.struct_size = sizeof(facts), .quality = NAN};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_added added;
	struct drip_model_version *v;
	const void *interface;
	struct world w;
	void *object;

	open_world(&w);
	CHECK_EQ_INT(drip_model_get(&w.user, "n", &interface, &object, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "engine.unknown_model");
	CHECK_EQ_INT(fit(&w, "y", "x", &v, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "model.training_columns");
	add(&w, true);
	REQUIRE_OK(w.model->acquire(w.object, &v, &err), &err);
	CHECK_EQ_INT(w.model->add(w.object, v, &facts, &added, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "engine.no_registry");
	w.model->release(v);
	CHECK_OK(drip_engine_check_model(w.engine, "m", 1, &err),
		 &err); /* no document is applied */
	close_world(&w);
}

TEST_MAIN()
