/* SPDX-License-Identifier: Apache-2.0 */
/* The n-th allocation fails, for every n: an error or a retry, and never a row lost or doubled. */
#include "base/alloc.h"
#include "engine/commit.h"
#include "engine/cron.h"
#include "fakes.h"
#include "lib/test.h"

#include <errno.h>
#include <stdlib.h>

#define NTH_MAX 4000

TEST(cron_without_memory)
{
	bool hit = true;

	for (long nth = 1; hit && nth < NTH_MAX; nth++) {
		struct drip_error err = DRIP_ERROR_INIT;
		struct drip_cron *cron = NULL;
		int rc;

		drip_alloc_fail_at(nth);
		rc = drip_cron_parse("0 6 * * *", "America/New_York", &cron, &err);
		hit = drip_alloc_failed();
		drip_alloc_fail_at(0);
		CHECK_EQ_INT(rc, hit ? -ENOMEM : 0);
		drip_cron_destroy(cron);
	}
	CHECK(!hit);
}

/* One epoch through the protocol; false where an allocation failed. */
static bool commit_once(void)
{
	struct drip_position at = {.struct_size = sizeof(at)}, *cuts = NULL;
	struct drip_commit_options options = {
		.sinks = 2, .interval_us = 1, .rows = 1, .bytes = 1, .epoch = 1, .replay = true};
	struct drip_commit_plan plan = {0};
	struct drip_commit *c = NULL;
	size_t count;
	uint64_t held, epoch = 0;
	bool ok;

	drip_position_add_u64(&at, 5);
	options.from = &at;
	options.from_count = 1;
	ok = drip_commit_create(&options, &c, NULL) == 0 &&
	     drip_commit_recover(c, 0, "sink", &at, 1, 0, NULL) == 0 &&
	     drip_commit_cuts(c, &cuts, &count, NULL) == 0;
	free(cuts);
	memset(&at.order, 0, sizeof(at.order));
	at.order_size = 0;
	drip_position_add_u64(&at, 6);
	ok = ok && drip_commit_batch_begin(c, &at, 1, &held, NULL) == 0;
	if (ok) {
		drip_commit_batch_end(c, &at, true, 1, 1, 0, 0);
		ok = drip_commit_cut(c, NULL, &epoch, NULL) == 0 &&
		     drip_commit_plan(c, 1, epoch, true, &plan, NULL) == 0;
	}
	free(plan.positions);
	drip_commit_destroy(c);
	return ok;
}

TEST(protocol_without_memory)
{
	bool hit = true;

	for (long nth = 1; hit && nth < NTH_MAX; nth++) {
		bool ok;

		drip_alloc_fail_at(nth);
		ok = commit_once();
		hit = drip_alloc_failed();
		drip_alloc_fail_at(0);
		CHECK_EQ_INT(ok, !hit);
	}
	CHECK(!hit);
}

/* Statistics may fail too. */
static bool is_over(struct bench *b, void *data)
{
	struct drip_pipeline_stats *stats = NULL;
	size_t count = 0;
	bool over;

	if (drip_engine_stats(b->engine, &stats, &count, NULL) < 0) {
		return false;
	}
	over = count == 1 &&
	       (stats[0].state == DRIP_PIPELINE_FINISHED || stats[0].state == DRIP_PIPELINE_FAILED);
	drip_engine_stats_free(stats, count);
	return over;
}

static struct fake_doc *make_doc(struct fake_source *s, struct fake_transform *t,
				 struct fake_sink *k)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, s, 0);
	fake_doc_stage(d, "t", &fake_transform_component, t, 0)->on_error =
		DRIP_ON_ERROR_DEAD_LETTER;
	fake_doc_stage(d, "sink", &fake_sink_exact, k, 1);
	return d;
}

/* True where the n-th allocation was reached. */
static bool run_once(long nth)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct bench b;
	struct drip_document *document;
	bool hit;
	int rc;

	fake_source_init(&s, 60);
	fake_transform_init(&t, FAKE_REJECT_ODD);
	fake_sink_init(&k);
	bench_init(&b, false);
	document = fake_doc_take(make_doc(&s, &t, &k));
	drip_alloc_fail_at(nth);
	rc = drip_engine_apply(b.engine, document, &err);
	if (rc == 0) {
		bench_until(&b, is_over, NULL);
	} else {
		CHECK_EQ_INT(rc, -ENOMEM);
	}
	hit = drip_alloc_failed();
	drip_alloc_fail_at(0);
	bench_stop(&b);
	CHECK_EQ_INT(s.open_now + k.open_now, 0);
	/* what could not be done at all failed; else all is there, once */
	if (k.target_count != 0) {
		CHECK_EQ_INT(k.target_count, 30);
		CHECK_EQ_INT(k.target[29], 60);
	}
	if (!hit) {
		CHECK_EQ_INT(k.target_count, 30);
		CHECK_EQ_INT(b.store.letters, 30);
	}
	fake_sink_finish(&k);
	fake_source_finish(&s);
	return hit;
}

TEST(engine_without_memory)
{
	long nth = 1;

	/* each 3rd in the middle, for time: the course of a run repeats itself */
	while (nth < NTH_MAX && run_once(nth)) {
		nth += nth < 60 ? 1 : 3;
	}
	CHECK_LT_INT(nth, NTH_MAX);
	CHECK_GT_INT(nth, 20);
}

TEST_MAIN()
