/* SPDX-License-Identifier: Apache-2.0 */
/* Control of pipelines: pause, stop, deadline, reload and its roll-back, schedules, triggers. */
#include "base/clock.h"
#include "stream.h"

#include <errno.h>
#include <sched.h>

TEST(stop_commits_all_that_was_read)
{
	struct stream t;

	stream_start(&t, 390000, -1);
	bench_stop(&t.b);
	CHECK(fake_sink_holds(&t.k, t.s.emitted));
	CHECK_EQ_INT(t.s.acknowledged, t.s.emitted > 0 ? t.s.emitted : -1);
	CHECK_EQ_INT(t.b.store.run_state, DRIP_RUN_STOPPED);
	CHECK_EQ_INT(t.k.lasts, 1);
	fake_sink_finish(&t.k);
	fake_source_finish(&t.s);
}

/* A source that emits without end within one poll is stopped by its emit. */
TEST(stop_within_one_poll)
{
	struct stream t;

	fake_source_init(&t.s, 350000);
	t.s.endless = t.s.one_poll = true;
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_RUNNING);
	bench_stop(&t.b);
	CHECK(fake_sink_holds(&t.k, t.s.acknowledged >= 0 ? t.s.acknowledged : 0));
	fake_sink_finish(&t.k);
	fake_source_finish(&t.s);
}

static bool within_transaction(struct bench *b, void *data)
{
	struct stream *t = data;
	bool within;

	pthread_mutex_lock(&t->s.lock);
	within = t->s.emitted == 1500;
	pthread_mutex_unlock(&t->s.lock);
	return within;
}

/* A source that leaves within a transaction: what is whole is committed, the part is dropped. */
TEST(stop_within_a_transaction)
{
	struct stream t;

	fake_source_init(&t.s, 5000);
	t.s.leaves = t.s.endless = true;
	t.s.batch_rows = 100;
	t.s.transaction_rows = 1000;
	t.s.may_emit = 1500;
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until(&t.b, within_transaction, &t);
	bench_stop(&t.b);
	CHECK(fake_sink_holds(&t.k, 1000));
	CHECK_EQ_INT(t.s.acknowledged, 1000);
	CHECK_EQ_INT(t.k.aborts, 1);
	CHECK_EQ_INT(t.b.store.run_state, DRIP_RUN_STOPPED);
	t.s.may_emit = -1;
	bench_restart(&t.b, true);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&t.k, 5000));
	stream_finish(&t);
}

TEST(pause_commits_and_holds)
{
	struct stream t;

	stream_start(&t, 390000, 5000);
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_PAUSED);
	CHECK(fake_sink_holds(&t.k, bench_stats(&t.b, "p").rows_in));
	CHECK_EQ_INT(bench_stats(&t.b, "p").rows_in_flight, 0);
	fake_source_allow(&t.s, 10000);
	for (int i = 0; i < 50; i++) {
		uv_run(&t.b.loop, UV_RUN_NOWAIT);
		sched_yield();
	}
	CHECK_EQ_INT(bench_state(&t.b, "p"), DRIP_PIPELINE_PAUSED);
	CHECK_LE_INT(t.s.emitted, 5000);
	CHECK_EQ_INT(drip_engine_resume(t.b.engine, "p", false, NULL), 0);
	bench_until(&t.b, committed, &t);
	CHECK(fake_sink_holds(&t.k, 10000));
	CHECK_EQ_INT(t.s.starts, 1);
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "q", NULL), -ENOENT);
	stream_finish(&t);
}

static bool began_anew(struct bench *b, void *data)
{
	struct stream *t = data;
	bool anew;

	(void)b;
	pthread_mutex_lock(&t->s.lock);
	anew = t->s.starts == 2;
	pthread_mutex_unlock(&t->s.lock);
	return anew;
}

/* The checkpoint of a paused pipeline is reset: it takes effect when it is resumed. */
TEST(a_held_pipeline_begins_at_its_checkpoint)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct stream t;

	stream_start(&t, 390000, 5000);
	CHECK_EQ_INT(drip_engine_hold(t.b.engine, "p", &err), -EBUSY);
	CHECK_EQ_STR(err.code, "control.pipeline_runs");
	CHECK_EQ_INT(drip_engine_hold(t.b.engine, "q", &err), 0);
	drip_engine_release(t.b.engine, "q");
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_PAUSED);
	REQUIRE_OK(drip_engine_hold(t.b.engine, "p", &err), &err);
	REQUIRE_OK(drip_engine_hold(t.b.engine, "p", &err), &err);
	CHECK_EQ_INT(bench_state(&t.b, "p"), DRIP_PIPELINE_PAUSED);
	CHECK_EQ_STR(bench_stats(&t.b, "p").position, "");
	CHECK_EQ_INT(bench_stats(&t.b, "p").last_error.rc, 0);
	drip_engine_release(t.b.engine, "p");
	CHECK_EQ_INT(drip_engine_resume(t.b.engine, "p", false, NULL),
		     0); /* not before the release */
	for (int i = 0; i < 50; i++) {
		uv_run(&t.b.loop, UV_RUN_NOWAIT);
		sched_yield();
	}
	CHECK_EQ_INT(bench_state(&t.b, "p"), DRIP_PIPELINE_PAUSED);
	CHECK_EQ_INT(t.s.starts, 1);
	t.b.store.positions_count = 0;
	drip_engine_release(t.b.engine, "p");
	bench_until(&t.b, began_anew, &t);
	CHECK_EQ_INT(t.s.started_from, 0);
	stream_finish(&t);
}

TEST(a_held_pipeline_can_be_stopped)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct stream t;

	stream_start(&t, 390000, 5000);
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_PAUSED);
	REQUIRE_OK(drip_engine_hold(t.b.engine, "p", &err), &err);
	drip_engine_stop(t.b.engine);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_STOPPED);
	CHECK_EQ_INT(t.b.store.run_state, DRIP_RUN_STOPPED);
	CHECK_EQ_INT(t.s.starts, 1);
	stream_finish(&t);
}

TEST(until_caught_up)
{
	struct stream t;

	fake_source_init(&t.s, 3000);
	t.s.endless = true;
	fake_sink_init(&t.k);
	bench_init(&t.b, true);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&t.k, 3000));
	CHECK_EQ_INT(bench_stats(&t.b, "p").lag_us, 0);
	stream_finish(&t);
}

static bool hangs(struct bench *b, void *data)
{
	struct stream *t = data;
	bool there;

	pthread_mutex_lock(&t->k.lock);
	there = t->k.written == t->k.hang_row - 1;
	pthread_mutex_unlock(&t->k.lock);
	return there;
}

/* A sink that hangs: the deadline passes, it is interrupted, and nothing is taken for committed. */
TEST(a_stop_has_a_deadline)
{
	struct stream t;
	struct fake_doc *d;

	fake_source_init(&t.s, 1000);
	t.s.endless = true;
	fake_sink_init(&t.k);
	t.k.hang_row = 500;
	bench_init(&t.b, false);
	d = fake_doc_create();
	fake_doc_pipeline(d, "p", 1)->drain_ms = 50;
	fake_doc_stage(d, "source", &fake_source_component, &t.s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &t.k, 0);
	bench_apply(&t.b, d);
	bench_until(&t.b, hangs, &t);
	drip_engine_stop(t.b.engine);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_STOPPED);
	CHECK_EQ_STR(bench_stats(&t.b, "p").last_error.code, "engine.drain_deadline");
	bench_stop(&t.b);
	CHECK(t.k.interrupted);
	CHECK_EQ_INT(t.k.aborts, 1);
	CHECK_EQ_INT(t.b.store.run_state, DRIP_RUN_STOPPED);
	CHECK_LT_INT(t.k.target_count, 500);
	/* the next start goes on where the last checkpoint is */
	t.k.hang_row = 0;
	bench_restart(&t.b, true);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&t.k, 1000));
	stream_finish(&t);
}

/* ---- reload ---- */

TEST(reload_of_the_same_changes_nothing)
{
	struct stream t;

	stream_start(&t, 1000, -1);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until(&t.b, committed, &t);
	CHECK_EQ_INT(t.s.opens, 1);
	CHECK_EQ_INT(t.s.starts, 1);
	stream_finish(&t);
}

static bool started_twice(struct bench *b, void *data)
{
	struct stream *t = data;
	bool twice;

	pthread_mutex_lock(&t->s.lock);
	twice = t->s.starts == 2;
	pthread_mutex_unlock(&t->s.lock);
	return twice;
}

TEST(reload_swaps_at_a_boundary)
{
	struct stream t;

	stream_start(&t, 390000, 2000);
	bench_until(&t.b, committed, &t);
	bench_apply(&t.b, stream_doc(&t, 2));
	bench_until(&t.b, started_twice, &t);
	fake_source_allow(&t.s, 4000);
	bench_until(&t.b, committed, &t);
	CHECK(fake_sink_holds(&t.k, 4000));
	CHECK_EQ_INT(t.s.started_from, 2000);
	CHECK(t.s.exclusive_broken); /* the new one opened while the old one ran */
	CHECK_EQ_INT(bench_stage_rows(&t.b, "p", "sink", 'o'), 4000);
	stream_finish(&t);
}

static bool opened_thrice(struct bench *b, void *data)
{
	struct stream *t = data;
	bool tried;

	pthread_mutex_lock(&t->s.lock);
	tried = t->s.opens == 2;
	pthread_mutex_unlock(&t->s.lock);
	return tried && bench_stats(b, "p").last_error.rc != 0;
}

TEST(reload_rolls_back)
{
	struct stream t;
	int64_t before;

	stream_start(&t, 390000, 2000);
	bench_until(&t.b, committed, &t);
	before = drip_clock_wall_us();
	t.s.open_fails = true;
	bench_apply(&t.b, stream_doc(&t, 2));
	bench_until(&t.b, opened_thrice, &t);
	CHECK_EQ_INT(bench_state(&t.b, "p"), DRIP_PIPELINE_RUNNING);
	CHECK_EQ_STR(bench_stats(&t.b, "p").last_error.code, "fake.open");
	CHECK(bench_stats(&t.b, "p").last_error_age_us <= drip_clock_wall_us() - before);
	fake_source_allow(&t.s, 3000);
	bench_until(&t.b, committed, &t);
	CHECK_EQ_INT(t.s.starts, 1); /* the old run has never stopped */
	stream_finish(&t);
}

static struct fake_doc *exclusive_doc(struct stream *t, uint64_t hash, struct fake_transform *tr)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_pipeline(d, "p", hash);
	fake_doc_stage(d, "source", &fake_source_exclusive, &t->s, 0);
	fake_doc_stage(d, "t", &fake_transform_component, tr, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &t->k, 1);
	return d;
}

TEST(reload_of_an_exclusive_component_closes_first)
{
	struct stream t;
	struct fake_transform first, good, bad;

	fake_source_init(&t.s, 390000);
	t.s.endless = true;
	t.s.may_emit = 2000;
	fake_sink_init(&t.k);
	fake_transform_init(&first, FAKE_PASS);
	fake_transform_init(&good, FAKE_PASS);
	fake_transform_init(&bad, FAKE_PASS);
	bad.open_fails = true;
	bench_init(&t.b, false);
	bench_apply(&t.b, exclusive_doc(&t, 1, &first));
	bench_until(&t.b, committed, &t);
	bench_apply(&t.b, exclusive_doc(&t, 2, &good));
	bench_until(&t.b, started_twice, &t);
	CHECK(!t.s.exclusive_broken);
	/* a new one that does not open: the one before it is started again, not the first */
	bench_until_state(&t.b, "p", DRIP_PIPELINE_RUNNING);
	t.s.starts = 1;
	bench_apply(&t.b, exclusive_doc(&t, 3, &bad));
	bench_until(&t.b, started_twice, &t);
	fake_source_allow(&t.s, 3000);
	bench_until(&t.b, committed, &t);
	CHECK(fake_sink_holds(&t.k, 3000));
	CHECK(!t.s.exclusive_broken);
	CHECK_EQ_INT(__atomic_load_n(&first.opens, __ATOMIC_RELAXED), 1);
	CHECK_EQ_INT(__atomic_load_n(&good.opens, __ATOMIC_RELAXED), 2);
	stream_finish(&t);
}

static bool is_gone(struct bench *b, void *data)
{
	return bench_stats(b, "p").state == 0;
}

TEST(a_pipeline_that_is_no_longer_declared_is_drained)
{
	struct stream t;

	stream_start(&t, 1000, -1);
	bench_apply(&t.b, fake_doc_create());
	bench_until(&t.b, is_gone, NULL);
	CHECK(fake_sink_holds(&t.k, t.s.emitted));
	CHECK_EQ_INT(t.k.open_now, 0);
	stream_finish(&t);
}

/* ---- schedules ---- */

static bool has_run(struct bench *b, void *data)
{
	bool ended;

	pthread_mutex_lock(&b->store.lock);
	ended = b->store.run_state != 0;
	pthread_mutex_unlock(&b->store.lock);
	return ended;
}

TEST(missed_runs_are_caught_up_once)
{
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	t.b.store.schedule_us = drip_clock_wall_us() - INT64_C(10) * 86400 * 1000000;
	bench_apply(&t.b, scheduled_doc(&t, "0 0 * * *"));
	bench_until(&t.b, has_run, NULL);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	CHECK(fake_sink_holds(&t.k, 100));
	CHECK_EQ_INT(t.b.store.runs, 1);
	CHECK_GT_INT(t.b.store.schedule_us, drip_clock_wall_us() - 60000000);
	CHECK_EQ_INT(t.k.open_now, 0); /* nothing is open between runs */
	CHECK_EQ_INT(bench_stats(&t.b, "p").overdue_us, 0);
	CHECK_GT_INT(bench_stats(&t.b, "p").next_run_us, drip_clock_wall_us());
	stream_finish(&t);
	CHECK_EQ_INT(t.b.store.runs, 1);
}

static bool is_overdue(struct bench *b, void *data)
{
	return bench_stats(b, "p").overdue_us > 0;
}

TEST(a_run_is_overdue_until_one_succeeds)
{
	const int64_t day_us = INT64_C(86400) * 1000000;
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	t.b.store.schedule_us = drip_clock_wall_us() - 10 * day_us;
	bench_apply(&t.b, scheduled_doc(&t, "0 0 * * *"));
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	bench_until(&t.b, is_overdue, NULL);
	CHECK_GT_INT(bench_stats(&t.b, "p").overdue_us, 8 * day_us);
	CHECK_EQ_INT(drip_engine_resume(t.b.engine, "p", false, NULL), 0);
	bench_until(&t.b, has_run, NULL);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	CHECK_EQ_INT(bench_stats(&t.b, "p").overdue_us, 0);
	stream_finish(&t);
}

TEST(a_schedule_that_was_never_run_waits)
{
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, scheduled_doc(&t, "0 0 29 2 *"));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	for (int i = 0; i < 20; i++) {
		uv_run(&t.b.loop, UV_RUN_NOWAIT);
		sched_yield();
	}
	CHECK_EQ_INT(t.b.store.runs, 0);
	stream_finish(&t);
}

TEST(a_trigger_runs_what_waits)
{
	struct stream t;
	struct drip_error err = DRIP_ERROR_INIT;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, scheduled_doc(&t, "0 0 29 2 *"));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	CHECK_EQ_INT(drip_engine_trigger(t.b.engine, "q", &err), -ENOENT);
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	CHECK_EQ_INT(drip_engine_trigger(t.b.engine, "p", &err), -EBUSY);
	CHECK_EQ_STR(err.code, "engine.is_paused");
	CHECK_EQ_INT(drip_engine_resume(t.b.engine, "p", false, NULL), 0);
	CHECK_EQ_INT(drip_engine_trigger(t.b.engine, "p", NULL), 0);
	bench_until(&t.b, has_run, &t);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	CHECK(fake_sink_holds(&t.k, 100));
	stream_finish(&t);
}

/* ---- one after another ---- */

static const char *const after_p[] = {"p"};

/* "p" and, before it in the document, "q" that goes after it. */
struct pair {
	struct stream t;
	struct fake_source s;
	struct fake_sink k;
};

static struct fake_doc *pair_doc(struct pair *pair, const char *cron)
{
	struct fake_doc *d = fake_doc_create();
	struct drip_pipeline_spec *spec = fake_doc_pipeline(d, "q", 1);

	spec->cron = cron;
	spec->after = after_p;
	spec->after_count = 1;
	fake_doc_stage(d, "source", &fake_source_component, &pair->s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &pair->k, 0);
	spec = fake_doc_pipeline(d, "p", 1);
	spec->cron = cron;
	fake_doc_stage(d, "source", &fake_source_component, &pair->t.s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &pair->t.k, 0);
	return d;
}

static void pair_start(struct pair *pair, bool until_caught_up, const char *cron)
{
	fake_source_init(&pair->t.s, 100);
	fake_source_init(&pair->s, 100);
	fake_sink_init(&pair->t.k);
	fake_sink_init(&pair->k);
	pair->t.k.blocked = true; /* its run is under way until then */
	bench_init(&pair->t.b, until_caught_up);
	pair->t.b.store.schedule_us = 1; /* a run was missed */
	bench_apply(&pair->t.b, pair_doc(pair, cron));
}

static void pair_finish(struct pair *pair)
{
	stream_finish(&pair->t);
	fake_sink_finish(&pair->k);
	fake_source_finish(&pair->s);
}

static int opens_of(struct fake_source *s)
{
	int opens;

	pthread_mutex_lock(&s->lock);
	opens = s->opens;
	pthread_mutex_unlock(&s->lock);
	return opens;
}

static bool second_has_run(struct bench *b, void *data)
{
	struct pair *pair = data;

	return opens_of(&pair->s) > 0 && fake_sink_holds(&pair->k, 100);
}

TEST(a_due_run_waits_for_those_that_go_first)
{
	struct pair pair;

	pair_start(&pair, false, "0 0 1 * *");
	bench_until_state(&pair.t.b, "p", DRIP_PIPELINE_RUNNING);
	for (int i = 0; i < 20; i++) {
		uv_run(&pair.t.b.loop, UV_RUN_NOWAIT);
		sched_yield();
	}
	CHECK_EQ_INT(bench_state(&pair.t.b, "q"), DRIP_PIPELINE_WAITING);
	CHECK_EQ_INT(drip_engine_trigger(pair.t.b.engine, "q", NULL), 0);
	CHECK_EQ_INT(bench_state(&pair.t.b, "q"), DRIP_PIPELINE_WAITING);
	CHECK_EQ_INT(opens_of(&pair.s), 0);
	fake_sink_block(&pair.t.k, false);
	bench_until(&pair.t.b, second_has_run, &pair);
	CHECK(fake_sink_holds(&pair.t.k, 100));
	pair_finish(&pair);
}

TEST(a_paused_pipeline_keeps_nobody_waiting)
{
	struct pair pair;

	pair_start(&pair, false, "0 0 1 * *");
	bench_until_state(&pair.t.b, "p", DRIP_PIPELINE_RUNNING);
	CHECK_EQ_INT(drip_engine_pause(pair.t.b.engine, "p", NULL), 0);
	bench_until(&pair.t.b, second_has_run, &pair);
	CHECK_EQ_INT(drip_engine_resume(pair.t.b.engine, "p", false, NULL), 0);
	fake_sink_block(&pair.t.k, false);
	pair_finish(&pair);
}

TEST(until_caught_up_streams_go_first_too)
{
	struct pair pair;

	pair_start(&pair, true, NULL);
	bench_until_state(&pair.t.b, "p", DRIP_PIPELINE_RUNNING);
	CHECK_EQ_INT(bench_state(&pair.t.b, "q"), DRIP_PIPELINE_WAITING);
	CHECK_EQ_INT(opens_of(&pair.s), 0);
	fake_sink_block(&pair.t.k, false);
	bench_until_state(&pair.t.b, "q", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&pair.t.k, 100));
	CHECK(fake_sink_holds(&pair.k, 100));
	pair_finish(&pair);
}

TEST(a_stream_that_never_ends_keeps_nobody_waiting)
{
	struct pair pair;

	pair_start(&pair, false, NULL);
	bench_until_state(&pair.t.b, "q", DRIP_PIPELINE_FINISHED);
	fake_sink_block(&pair.t.k, false);
	pair_finish(&pair);
}

TEST(a_trigger_does_not_double_a_run)
{
	struct stream t;
	struct drip_error err = DRIP_ERROR_INIT;

	stream_start(&t, 1000, -1);
	CHECK_EQ_INT(drip_engine_trigger(t.b.engine, "p", &err), -EALREADY);
	CHECK_EQ_STR(err.code, "engine.already_runs");
	stream_finish(&t);
}

TEST_MAIN()
