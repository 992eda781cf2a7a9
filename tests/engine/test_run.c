/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of pipelines: delivery, order, recovery, retries, dead letters, accounting, back-pressure.
 */
#include "fakes.h"
#include "lib/test.h"

/* A pipeline of a source and a sink; the caller adds to it. */
static struct fake_doc *simple(struct fake_source *s, const struct drip_component *sink,
			       struct fake_sink *k, uint64_t hash)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_pipeline(d, "p", hash);
	fake_doc_stage(d, "source", &fake_source_component, s, 0);
	fake_doc_stage(d, "sink", sink, k, 0);
	return d;
}

TEST(delivers_all_in_order)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 25000);
	fake_sink_init(&k);
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k, 25000));
	CHECK_EQ_INT(s.acknowledged, 25000);
	CHECK_EQ_INT(b.store.rows_in, 25000);
	CHECK_EQ_INT(b.store.rows_out, 25000);
	CHECK_EQ_INT(b.store.run_state, DRIP_RUN_SUCCEEDED);
	CHECK_EQ_INT(k.lasts, 1);
	CHECK_GE_INT(b.store.checkpoints, 5); /* epochs grow only while four are in flight */
	CHECK_EQ_STR(b.store.lineage, "db.t.id>t.id,");
	bench_stop(&b);
	CHECK_EQ_INT(k.open_now + s.open_now, 0);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(starts_again_at_the_checkpoint)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 500);
	fake_sink_init(&k);
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	bench_stop(&b);
	s.rows = 900;
	bench_restart(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(s.started_from, 500);
	CHECK(fake_sink_holds(&k, 900));
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

static bool has_committed(struct bench *b, void *data)
{
	struct fake_sink *k = data;
	bool done;

	pthread_mutex_lock(&k->lock);
	done = k->commits != 0;
	pthread_mutex_unlock(&k->lock);
	return done;
}

TEST(fans_out_to_sinks_of_different_speed)
{
	struct fake_source s;
	struct fake_sink fast, slow;
	struct fake_doc *d;
	struct bench b;

	fake_source_init(&s, 5000);
	fake_sink_init(&fast);
	fake_sink_init(&slow);
	fake_sink_block(&slow, true);
	bench_init(&b, false);
	d = simple(&s, &fake_sink_exact, &fast, 1);
	fake_doc_stage(d, "slow", &fake_sink_loose, &slow, 0);
	bench_apply(&b, d);
	/* the fast one commits, but no checkpoint comes before the slow one has */
	bench_until(&b, has_committed, &fast);
	CHECK_EQ_INT(b.store.checkpoints, 0);
	CHECK_EQ_INT(s.acknowledged, -1);
	fake_sink_block(&slow, false);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&fast, 5000));
	CHECK(fake_sink_holds(&slow, 5000));
	bench_stop(&b);
	fake_sink_finish(&fast);
	fake_sink_finish(&slow);
	fake_source_finish(&s);
}

/* A commit that fails, with or without effect: exactly once in either case. */
static void commit_fails(bool after_effect)
{
	struct fake_source s;
	struct fake_sink k, loose;
	struct fake_doc *d;
	struct bench b;
	int64_t seen = 0;

	fake_source_init(&s, 3000);
	fake_sink_init(&k);
	fake_sink_init(&loose);
	k.fail_commits = 3;
	k.fail_after_effect = after_effect;
	bench_init(&b, false);
	d = simple(&s, &fake_sink_exact, &k, 1);
	fake_doc_stage(d, "loose", &fake_sink_loose, &loose, 0);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k, 3000));
	/* at least once: every row, and rows come again only from where a replay began */
	for (int64_t i = 0; i < loose.target_count; i++) {
		CHECK_LE_INT(loose.target[i], seen + 1);
		seen = loose.target[i] > seen ? loose.target[i] : seen;
	}
	CHECK_EQ_INT(seen, 3000);
	CHECK_EQ_INT(k.aborts, 3);
	CHECK_EQ_INT(b.store.rows_in, 3000);
	CHECK_EQ_INT(bench_stats(&b, "p").retries, 3);
	CHECK_EQ_INT(bench_stage_rows(&b, "p", "sink", 'x'), 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_sink_finish(&loose);
	fake_source_finish(&s);
}

TEST(commit_fails_without_effect)
{
	commit_fails(false);
}

TEST(commit_fails_after_its_effect)
{
	commit_fails(true);
}

/* The sink is ahead of the store, and a transform holds rows until the flush. */
TEST(skips_what_a_sink_holds)
{
	struct fake_source s;
	struct fake_sink k;
	struct fake_transform t;
	struct fake_doc *d;
	struct bench b;

	fake_source_init(&s, 2000);
	fake_sink_init(&k);
	fake_transform_init(&t, FAKE_BUFFER);
	bench_init(&b, false);
	b.store.fail_checkpoints = 3;
	d = fake_doc_create();
	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	fake_doc_stage(d, "buffer", &fake_transform_component, &t, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k, 1);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k, 2000));
	CHECK_EQ_INT(bench_stats(&b, "p").retries, 3);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(source_that_ignores_cuts_is_found_out)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 100);
	fake_sink_init(&k);
	k.position = 7; /* within the first transaction's batch */
	s.straddle = true;
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "engine.cut_missed");
	CHECK_EQ_INT(k.target_count, 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(sink_that_lost_its_data_is_found_out)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 100);
	fake_sink_init(&k);
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	bench_stop(&b);
	k.position = 50;
	k.target_count = 50;
	bench_restart(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "engine.sink_behind");
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(source_fails_and_comes_back)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 1000);
	fake_sink_init(&k);
	s.fail_row = 300;
	s.fails = 2;
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k, 1000));
	CHECK_EQ_INT(s.starts, 3);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(retries_are_bounded_and_pipelines_fail_alone)
{
	struct fake_source bad, good;
	struct fake_sink k1, k2;
	struct fake_doc *d;
	struct bench b;

	fake_source_init(&bad, 1000);
	fake_source_init(&good, 1000);
	fake_sink_init(&k1);
	fake_sink_init(&k2);
	bad.fail_row = 5;
	bad.fails = 1000;
	bench_init(&b, false);
	d = simple(&bad, &fake_sink_exact, &k1, 1);
	fake_doc_pipeline(d, "q", 2);
	fake_doc_stage(d, "source", &fake_source_component, &good, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k2, 0);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	bench_until_state(&b, "q", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(bad.starts, 6); /* one, and five retries */
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "fake.read");
	CHECK_EQ_INT(k1.target_count, 0);
	CHECK(fake_sink_holds(&k2, 1000));
	/* resume: the operator says that the cause is gone */
	bad.fails = 0;
	CHECK_EQ_INT(drip_engine_resume(b.engine, "p", false, NULL), 0);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k1, 1000));
	bench_stop(&b);
	fake_sink_finish(&k1);
	fake_sink_finish(&k2);
	fake_source_finish(&bad);
	fake_source_finish(&good);
}

TEST(what_is_not_retryable_fails_at_once)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 1000);
	fake_sink_init(&k);
	k.fail_commits = 1;
	k.retryable = false;
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_INT(s.starts, 1);
	CHECK_EQ_INT(k.aborts, 1);
	CHECK_EQ_INT(b.store.run_state, DRIP_RUN_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "fake.commit");
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

/* ---- rows that do not pass ---- */

static struct fake_doc *with_transform(struct fake_source *s, struct fake_transform *t,
				       struct fake_sink *k, enum drip_on_error on_error)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, s, 0);
	fake_doc_stage(d, "t", &fake_transform_component, t, 0)->on_error = on_error;
	fake_doc_stage(d, "sink", &fake_sink_exact, k, 1)->on_error = on_error;
	return d;
}

TEST(dead_letters_are_stored_and_counted)
{
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 2000);
	fake_sink_init(&k);
	k.refuses_ten = true;
	fake_transform_init(&t, FAKE_REJECT_ODD);
	bench_init(&b, false);
	bench_apply(&b, with_transform(&s, &t, &k, DRIP_ON_ERROR_DEAD_LETTER));
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(b.store.letters, 1000 + 200);
	CHECK_EQ_INT(k.target_count, 800);
	CHECK_EQ_INT(b.store.rows_in, 2000);
	CHECK_EQ_INT(b.store.rows_out, 800);
	CHECK_EQ_INT(b.store.rows_dead, 1200);
	CHECK_EQ_INT(bench_stage_rows(&b, "p", "t", 'd'), 1000);
	CHECK_EQ_INT(bench_stage_rows(&b, "p", "sink", 'd'), 200);
	CHECK_EQ_INT(bench_stats(&b, "p").rows_in_flight, 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(skipped_and_filtered_rows_are_counted)
{
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct bench b;

	for (int mode = 0; mode < 2; mode++) {
		fake_source_init(&s, 1000);
		fake_sink_init(&k);
		k.refuses_ten = mode == 0;
		fake_transform_init(&t, mode == 0 ? FAKE_REJECT_ODD : FAKE_FILTER_ODD);
		bench_init(&b, false);
		bench_apply(&b, with_transform(&s, &t, &k, DRIP_ON_ERROR_SKIP));
		bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
		CHECK_EQ_INT(b.store.letters, 0);
		CHECK_EQ_INT(b.store.rows_filtered, mode == 0 ? 600 : 500);
		CHECK_EQ_INT(b.store.rows_out, k.target_count);
		CHECK_EQ_INT(b.store.rows_in, b.store.rows_out + b.store.rows_filtered);
		bench_stop(&b);
		fake_sink_finish(&k);
		fake_source_finish(&s);
	}
}

TEST(a_rejected_row_stops_by_default)
{
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 1000);
	fake_sink_init(&k);
	fake_transform_init(&t, FAKE_REJECT_ODD);
	bench_init(&b, false);
	bench_apply(&b, with_transform(&s, &t, &k, DRIP_ON_ERROR_STOP));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "fake.odd");
	CHECK_CONTAINS(bench_stats(&b, "p").last_error.place, "db.t at row 10");
	CHECK_EQ_INT(k.target_count, 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(a_transform_that_loses_rows_is_found_out)
{
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 1000);
	fake_sink_init(&k);
	fake_transform_init(&t, FAKE_LOSE_ODD);
	bench_init(&b, false);
	bench_apply(&b, with_transform(&s, &t, &k, DRIP_ON_ERROR_STOP));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "engine.accounting");
	CHECK_EQ_INT(k.target_count, 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(a_restricted_column_does_not_reach_an_uncleared_sink)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 100);
	fake_sink_init(&k);
	s.restricted = true;
	bench_init(&b, false);
	bench_apply(&b, simple(&s, &fake_sink_exact, &k, 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "security.uncleared_column");
	CHECK_EQ_INT(k.written, 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(only_patterns)
{
	static const char *const odd[] = {"odd"};
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink all, part;
	struct fake_doc *d;
	struct drip_stage *stage;
	struct bench b;

	fake_source_init(&s, 1000);
	s.tables = true;
	fake_sink_init(&all);
	fake_sink_init(&part);
	fake_transform_init(&t, FAKE_FILTER_ODD);
	bench_init(&b, false);
	d = fake_doc_create();
	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	stage = fake_doc_stage(d, "t", &fake_transform_component, &t, 0);
	stage->only = odd;
	stage->only_count = 1;
	fake_doc_stage(d, "all", &fake_sink_exact, &all, 1);
	stage = fake_doc_stage(d, "part", &fake_sink_exact, &part, 0);
	stage->only = odd;
	stage->only_count = 1;
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(all.target_count, 500); /* the even ones passed by the filter */
	CHECK_EQ_INT(part.target_count, 500);
	CHECK_EQ_INT(part.target[499], 999);
	CHECK_EQ_INT(bench_stage_rows(&b, "p", "part", 'f'), 500);
	bench_stop(&b);
	fake_sink_finish(&all);
	fake_sink_finish(&part);
	fake_source_finish(&s);
}

TEST(state_goes_with_the_checkpoint)
{
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct fake_doc *d;
	struct bench b;

	fake_source_init(&s, 3000);
	s.fail_row = 2000;
	s.fails = 2;
	fake_sink_init(&k);
	fake_transform_init(&t, FAKE_COUNT);
	bench_init(&b, false);
	d = fake_doc_create();
	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	fake_doc_stage(d, "count", &fake_transform_stateful, &t, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k, 1);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	/* counted once each, though rows were read more often */
	CHECK_EQ_STR(b.store.state_value, "3000");
	CHECK_EQ_STR(b.store.state_key, "count/count");
	CHECK(fake_sink_holds(&k, 3000));
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

/* ---- memory ---- */

TEST(queues_are_bounded_in_bytes)
{
	struct fake_source s;
	struct fake_sink k;
	struct fake_doc *d;
	struct drip_pipeline_stats *stats;
	struct bench b;
	size_t count;

	fake_source_init(&s, 50000);
	s.batch_rows = s.transaction_rows = 100;
	fake_sink_init(&k);
	fake_sink_block(&k, true);
	bench_init(&b, false);
	d = fake_doc_create();
	fake_doc_pipeline(d, "p", 1)->queue_bytes = 100000;
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k, 0);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_RUNNING);
	/* The source stops for want of room, long before its end. */
	for (int64_t before = -1, now = 0; before != now || now == 0;) {
		before = now;
		for (int i = 0; i < 20; i++) {
			uv_run(&b.loop, UV_RUN_NOWAIT);
			sched_yield();
		}
		pthread_mutex_lock(&s.lock);
		now = s.emitted;
		pthread_mutex_unlock(&s.lock);
	}
	REQUIRE(drip_engine_stats(b.engine, &stats, &count, NULL) == 0);
	CHECK_LE_INT(stats[0].stages[1].queue_bytes, 100000 + 256 * 16);
	drip_engine_stats_free(stats, count);
	fake_sink_block(&k, false);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k, 50000));
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

/* Batches larger than the queue and the budget, many pipelines: all pass, one at a time. */
TEST(a_budget_that_is_too_small_still_lets_all_through)
{
	static const char *const names[] = {"p0", "p1", "p2", "p3"};
	struct fake_source s[4];
	struct fake_sink k[4], extra;
	struct fake_doc *d = fake_doc_create();
	struct bench b;

	bench_init(&b, false);
	fake_doc_memory(d, 64);
	fake_sink_init(&extra);
	for (int i = 0; i < 4; i++) {
		fake_source_init(&s[i], 20000);
		s[i].batch_rows = 1000;
		s[i].transaction_rows = 5000;
		fake_sink_init(&k[i]);
		fake_doc_pipeline(d, names[i], 1)->queue_bytes = 64;
		fake_doc_stage(d, "source", &fake_source_component, &s[i], 0);
		fake_doc_stage(d, "sink", &fake_sink_exact, &k[i], 0);
		if (i == 0) {
			fake_doc_stage(d, "extra", &fake_sink_loose, &extra, 0);
		}
	}
	bench_apply(&b, d);
	for (int i = 0; i < 4; i++) {
		bench_until_state(&b, names[i], DRIP_PIPELINE_FINISHED);
		CHECK(fake_sink_holds(&k[i], 20000));
	}
	CHECK(fake_sink_holds(&extra, 20000));
	bench_stop(&b);
	for (int i = 0; i < 4; i++) {
		fake_sink_finish(&k[i]);
		fake_source_finish(&s[i]);
	}
	fake_sink_finish(&extra);
}

/* Rows flow to the sink long before their transaction ends, and are committed with its end. */
TEST(a_transaction_larger_than_the_queue_streams_through)
{
	struct fake_source s;
	struct fake_sink k;
	struct fake_doc *d;
	struct bench b;

	fake_source_init(&s, 100000);
	s.batch_rows = 500;
	s.transaction_rows = 100000;
	s.one_poll = true;
	fake_sink_init(&k);
	bench_init(&b, false);
	d = fake_doc_create();
	fake_doc_pipeline(d, "p", 1)->queue_bytes = 20000;
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k, 0);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&k, 100000));
	CHECK_LE_INT(k.commits, 2); /* the transaction, and perhaps the last, empty epoch */
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(a_source_without_replay_begins_anew)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 300);
	fake_sink_init(&k);
	bench_init(&b, false);
	for (int i = 1; i <= 2; i++) {
		struct fake_doc *d = fake_doc_create();

		fake_doc_pipeline(d, "p", 1);
		fake_doc_stage(d, "source", &fake_source_anew, &s, 0);
		fake_doc_stage(d, "sink", &fake_sink_exact, &k, 0);
		bench_apply(&b, d);
		bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
		CHECK_EQ_INT(s.started_from, 0);
		CHECK_EQ_INT(k.target_count, 300 * i);
		bench_stop(&b);
		if (i == 1) {
			bench_restart(&b, false);
		}
	}
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST_MAIN()
