/* SPDX-License-Identifier: Apache-2.0 */
/* The model registry: versions and artifacts, the gates, approvals, the history, and files that are
 * not what was registered. */
#include "lib/test.h"

#include "base/cleanup.h"
#include "lib/temp.h"
#include "store/models.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

static struct drip_store *open_store(const char *dir)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;

	REQUIRE_OK(drip_store_open(dir, DRIP_STORE_WRITE, &store, &err), &err);
	return store;
}

struct sample {
	double quality;
	int64_t compared;
	double compared_quality;
	bool approval, promote;
};

static struct drip_model_added add(struct drip_store *store, const struct sample *s)
{
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_facts facts = {.struct_size = sizeof(facts),
					       .metrics_json = "{\"auc\":0.9}",
					       .training_json = "{\"rows\":10}",
					       .measure = "auc",
					       .quality = s->quality,
					       .compared_version = s->compared,
					       .compared_quality = s->compared_quality,
					       .promote = s->promote};
	const struct drip_model_record record = {.name = "fraud",
						 .description = "d",
						 .component = "isolation-forest",
						 .approval = s->approval,
						 .tolerance = 0.01,
						 .actor = "pipeline train",
						 .artifact = "artifact",
						 .size = 8,
						 .features_json = "[]",
						 .parameters_json = "{}",
						 .facts = &facts};
	struct drip_model_added added = {.version = 0};

	REQUIRE_OK(d->model_add(d->self, &record, &added, &err), &err);
	return added;
}

static int promote(struct drip_store *store, int64_t version, const char *stage, bool force,
		   struct drip_error *err)
{
	const struct drip_store_promotion p = {.model = "fraud",
					       .version = version,
					       .stage = drip_store_stage(stage),
					       .actor = "uid 1",
					       .comment = "because",
					       .force = force};
	struct drip_model_added added;

	return drip_store_promote_model(store, &p, &added, err);
}

static int decide(struct drip_store *store, int64_t version, const char *actor, bool approve,
		  struct drip_error *err)
{
	struct drip_model_added added;

	return drip_store_decide_model(store, "fraud", version, actor, approve, "fine", &added,
				       err);
}

/* The version in Production, 0: none. */
static int64_t in_production(struct drip_store *store)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_model_artifact a = {0};
	int64_t version;
	int rc = drip_store_read_model(store, "fraud", 0, &a, &err);

	if (rc == -ENOENT) {
		CHECK_EQ_STR(err.code, "model.no_production");
		return 0;
	}
	CHECK_OK(rc, &err);
	version = a.version;
	CHECK_EQ_INT(a.size, 8);
	CHECK_EQ_MEM(a.data, "artifact", 8);
	drip_model_artifact_finish(&a);
	return version;
}

TEST(numbers_versions_and_keeps_their_artifacts)
{
	const char *dir = temp_dir();
	struct drip_store *store = open_store(dir);
	struct sample s = {.quality = NAN};
	struct drip_error err = DRIP_ERROR_INIT;

	CHECK_EQ_INT(in_production(store), 0);
	CHECK_EQ_INT(add(store, &s).version, 1);
	CHECK_EQ_INT(add(store, &s).version, 2);
	CHECK_OK(promote(store, 2, "production", false, &err), &err);
	CHECK_EQ_INT(in_production(store), 2);
	CHECK_EQ_INT(promote(store, 2, "Production", false, &err), -EALREADY);
	CHECK_EQ_STR(err.code, "store.model_stage");
	CHECK_EQ_INT(promote(store, 9, "staging", false, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "store.no_model");
	CHECK_OK(promote(store, 1, "staging", false, &err), &err);
	drip_store_close(store);
	store = open_store(dir);
	CHECK_EQ_INT(in_production(store), 2);
	drip_store_close(store);
}

TEST(lets_no_worse_version_into_production)
{
	struct drip_store *store = open_store(temp_dir());
	struct drip_error err = DRIP_ERROR_INIT;
	struct sample s = {.quality = 0.9, .promote = true};
	struct drip_model_added added;

	added = add(store, &s);
	CHECK(added.promoted && !added.pending);
	CHECK_EQ_INT(in_production(store), 1);
	s = (struct sample){0.80, 1, 0.85, false, true};
	added = add(store, &s);
	CHECK(!added.promoted && !added.pending);
	CHECK_CONTAINS(added.reason, "worse than version 1");
	CHECK_EQ_INT(promote(store, 2, "production", false, &err), -EPERM);
	CHECK_EQ_STR(err.code, "store.model_worse");
	s = (struct sample){0.845, 1, 0.85, false, true}; /* within the tolerance */
	CHECK(add(store, &s).promoted);
	CHECK_EQ_INT(in_production(store), 3);
	s = (struct sample){0.95, 1, 0.85, false, false};
	CHECK_EQ_INT(add(store, &s).version, 4);
	CHECK_EQ_INT(promote(store, 4, "production", false, &err), -EPERM);
	CHECK_EQ_STR(err.code, "store.model_not_compared");
	CHECK_OK(promote(store, 1, "production", false, &err), &err); /* back */
	CHECK_EQ_INT(in_production(store), 1);
	CHECK_OK(promote(store, 2, "production", true, &err), &err);
	CHECK_EQ_INT(in_production(store), 1); /* forced: waits */
	CHECK_EQ_INT(decide(store, 2, "uid 1", true, &err), -EPERM);
	CHECK_EQ_STR(err.code, "store.own_request");
	CHECK_OK(decide(store, 2, "uid 2", true, &err), &err);
	CHECK_EQ_INT(in_production(store), 2);
	s = (struct sample){NAN, 2, NAN, false, true}; /* its rows had no labels */
	added = add(store, &s);
	CHECK(!added.promoted && !added.pending);
	CHECK_CONTAINS(added.reason, "could not be measured");
	CHECK_EQ_INT(promote(store, added.version, "production", false, &err), -EPERM);
	CHECK_EQ_STR(err.code, "store.model_not_compared");
	CHECK_EQ_INT(in_production(store), 2);
	drip_store_close(store);
}

static int put_line(const struct drip_store_transition *t, void *data)
{
	char *text = data;
	size_t used = strlen(text);

	snprintf(text + used, 2048 - used, "%d %s>%s %s/%s%s%s\n", (int)t->version, t->from, t->to,
		 t->requested_by, t->decided_by,
		 t->decided_us == 0 ? " pending"
		 : t->approved      ? ""
				    : " refused",
		 t->forced ? " forced" : "");
	return 0;
}

TEST(asks_for_approval_and_forgets_nothing)
{
	struct drip_store *store = open_store(temp_dir());
	struct drip_error err = DRIP_ERROR_INIT;
	struct sample s = {.quality = NAN, .approval = true, .promote = true};
	char history[2048] = "";

	CHECK(add(store, &s).pending);
	CHECK_EQ_INT(in_production(store), 0);
	CHECK_OK(decide(store, 1, "uid 2", false, &err), &err);
	CHECK_EQ_INT(decide(store, 1, "uid 2", true, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "store.no_request");
	CHECK_OK(promote(store, 1, "production", false, &err), &err);
	CHECK_OK(decide(store, 1, "uid 2", true, &err), &err);
	CHECK_EQ_INT(in_production(store), 1);
	CHECK(add(store, &s).pending);
	CHECK_OK(decide(store, 2, "uid 3", true, &err), &err);
	CHECK_EQ_INT(drip_store_delete_version(store, "fraud", 2, "uid 1", &err), -EBUSY);
	CHECK_EQ_STR(err.code, "store.model_in_production");
	CHECK_OK(drip_store_delete_version(store, "fraud", 1, "uid 1", &err), &err);
	CHECK_EQ_INT(promote(store, 1, "production", false, &err), -ENOENT);
	CHECK_EQ_INT(add(store, &s).version, 3); /* numbers are not used again */
	REQUIRE_OK(drip_store_visit_transitions(store, "fraud", 0, put_line, history, &err), &err);
	CHECK_EQ_STR(history, "1 None>Production pipeline train/uid 2 refused\n"
			      "1 None>Production uid 1/uid 2\n"
			      "2 None>Production pipeline train/uid 3\n"
			      "1 Production>Archived uid 3/\n"
			      "3 None>Production pipeline train/ pending\n");
	drip_store_close(store);
}

static void damage(const char *dir, const char *with)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/models/fraud/1.model", dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	REQUIRE(fd >= 0);
	REQUIRE(write(fd, with, strlen(with)) == (ssize_t)strlen(with));
	close(fd);
}

TEST(refuses_artifacts_that_are_not_what_was_registered)
{
	const char *dir = temp_dir();
	struct drip_store *store = open_store(dir);
	struct drip_error err = DRIP_ERROR_INIT;
	struct sample s = {.quality = NAN};
	struct drip_model_artifact a = {0};
	char path[4096];

	add(store, &s);
	damage(dir, "arti");
	CHECK_EQ_INT(promote(store, 1, "production", false, &err), -EUCLEAN);
	CHECK_EQ_STR(err.code, "store.model_artifact");
	damage(dir, "artifakt");
	CHECK_EQ_INT(promote(store, 1, "production", false, &err), -EUCLEAN);
	CHECK_EQ_STR(err.code, "store.model_artifact");
	CHECK_EQ_INT(in_production(store), 0);
	damage(dir, "artifact");
	CHECK_OK(promote(store, 1, "production", false, &err), &err);
	snprintf(path, sizeof(path), "%s/models/fraud/1.model", dir);
	REQUIRE(unlink(path) == 0);
	CHECK_EQ_INT(drip_store_read_model(store, "fraud", 0, &a, &err), -EUCLEAN);
	CHECK_EQ_STR(err.code, "store.model_artifact");
	drip_store_close(store);
}

TEST(says_that_it_cannot_write_an_artifact)
{
	const char *dir = temp_dir();
	struct drip_store *store = open_store(dir);
	const struct drip_durable *d = drip_store_durable(store);
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_model_facts facts = {.struct_size = sizeof(facts), .quality = NAN};
	const struct drip_model_record record = {.name = "fraud",
						 .component = "c",
						 .actor = "a",
						 .artifact = "x",
						 .size = 1,
						 .facts = &facts};
	struct drip_model_added added;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/models", dir);
	fd = open(path, O_WRONLY | O_CREAT, 0600); /* a file where the folder would be */
	REQUIRE(fd >= 0);
	close(fd);
	CHECK(d->model_add(d->self, &record, &added, &err) < 0);
	CHECK_EQ_STR(err.code, "store.model_file");
	drip_store_close(store);
}

TEST_MAIN()
