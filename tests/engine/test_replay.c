/* SPDX-License-Identifier: Apache-2.0 */
/* Taps, and replay of dead letters. */
#include "base/clock.h"
#include "stream.h"

#include <errno.h>
#include <sched.h>

struct tapped {
	int64_t rows; /* atomic */
};

static void on_batch(const struct drip_batch *batch, void *data)
{
	struct tapped *t = data;

	__atomic_add_fetch(&t->rows, batch->rows, __ATOMIC_RELAXED);
}

TEST(taps_see_what_passes)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_tap *tap = NULL;
	struct tapped seen = {0};
	struct stream t;

	stream_start(&t, 3000, 0);
	REQUIRE_OK(drip_engine_tap(t.b.engine, "p", "", on_batch, &seen, &tap, &err), &err);
	fake_source_allow(&t.s, 1000);
	bench_until(&t.b, committed, &t);
	drip_engine_untap(tap);
	CHECK_EQ_INT(seen.rows, 1000);
	fake_source_allow(&t.s, 2000);
	bench_until(&t.b, committed, &t);
	CHECK_EQ_INT(seen.rows, 1000);
	CHECK_EQ_INT(drip_engine_tap(t.b.engine, "p", "nope", on_batch, &seen, &tap, &err),
		     -ENOENT);
	CHECK_EQ_STR(err.code, "engine.unknown_stage");
	CHECK_EQ_INT(drip_engine_tap(t.b.engine, "q", "", on_batch, &seen, &tap, &err), -ENOENT);
	CHECK_EQ_STR(err.code, "engine.unknown_pipeline");
	stream_finish(&t);
}

struct told {
	bool done;
	int rc;
	const char *stage; /* NULL: the row was taken */
	int64_t id;
};

static void on_done(const struct drip_error *error, void *data)
{
	struct told *t = data;

	t->done = true;
	t->rc = error != NULL ? error->rc : 0;
}

static bool was_told(struct bench *b, void *data)
{
	return ((struct told *)data)->done;
}

static struct drip_batch *one_row(int64_t id)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column column = {
		.struct_size = sizeof(column), .type = DRIP_TYPE_INT64, .name = "id"};
	struct drip_schema_builder sb;
	struct drip_schema *schema = NULL;
	struct drip_builder b;
	struct drip_batch *batch = NULL;

	drip_schema_builder_init(&sb, "db", "t");
	drip_schema_builder_add(&sb, &column);
	REQUIRE_OK(drip_schema_builder_build(&sb, &schema, &err), &err);
	REQUIRE_OK(drip_builder_init(&b, schema, &err), &err);
	drip_append_i64(&b.columns[0], id);
	drip_builder_row(&b, DRIP_OP_INSERT);
	REQUIRE_OK(drip_builder_build(&b, &batch, &err), &err);
	drip_builder_finish(&b);
	drip_schema_unref(schema);
	return batch;
}

static int take_row(struct drip_replay_group *ret, void *data, struct drip_error *err)
{
	struct told *t = data;

	if (t->stage == NULL) {
		return 0;
	}
	*ret = (struct drip_replay_group){
		.stage = t->stage, .batch = one_row(t->id), .ids = &t->id, .ids_count = 1};
	t->stage = NULL;
	return 1;
}

static int replay_row(struct bench *b, const char *pipeline, const char *stage, int64_t id,
		      struct told *told, struct drip_error *err)
{
	*told = (struct told){.stage = stage, .id = id};
	return drip_engine_replay(b->engine, pipeline, take_row, on_done, told, err);
}

TEST(dead_letters_are_replayed)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct told told = {0};
	struct stream t;

	stream_start(&t, 1000, 1000);
	bench_until(&t.b, committed, &t);
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 4711, &told, &err), &err);
	bench_until(&t.b, was_told, &told);
	CHECK_EQ_INT(told.rc, 0);
	/* told only once it is committed */
	CHECK_EQ_INT(t.k.target_count, 1001);
	CHECK_EQ_INT(t.k.target[1000], 4711);
	CHECK_EQ_INT(t.b.store.replayed, 1);
	CHECK_EQ_INT(t.k.group, 1);
	REQUIRE_OK(replay_row(&t.b, "p", "source", 1, &told, &err), &err);
	bench_until(&t.b, was_told, &told);
	CHECK_EQ_INT(told.rc, -EINVAL);
	CHECK_EQ_INT(replay_row(&t.b, "q", "sink", 1, &told, &err), -ENOENT);
	stream_finish(&t);
}

TEST(a_replay_that_is_not_committed_says_so)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct told told = {0};
	struct stream t;

	stream_start(&t, 1000, 1000);
	bench_until(&t.b, committed, &t);
	pthread_mutex_lock(&t.k.lock);
	t.k.fail_commits = 1;
	t.k.retryable = false;
	pthread_mutex_unlock(&t.k.lock);
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 4711, &told, &err), &err);
	bench_until(&t.b, was_told, &told);
	CHECK_EQ_INT(told.rc, -EIO);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FAILED);
	CHECK(fake_sink_holds(&t.k, 1000));
	CHECK_EQ_INT(replay_row(&t.b, "p", "sink", 1, &told, &err), -EAGAIN);
	CHECK_EQ_STR(err.code, "engine.not_running");
	CHECK_LT_INT(drip_engine_ready(t.b.engine, &err), 0);
	CHECK_EQ_STR(err.code, "engine.not_ready");
	stream_finish(&t);
}

/* A pipeline whose bounded source has ended, which rejects odd rows before its sink. */
static void rejecting_start(struct stream *t, struct fake_transform *odd)
{
	struct fake_doc *d = fake_doc_create();

	fake_source_init(&t->s, 100);
	fake_sink_init(&t->k);
	fake_transform_init(odd, FAKE_REJECT_ODD);
	bench_init(&t->b, false);
	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, &t->s, 0);
	fake_doc_stage(d, "t", &fake_transform_component, odd, 0)->on_error =
		DRIP_ON_ERROR_DEAD_LETTER;
	fake_doc_stage(d, "sink", &fake_sink_exact, &t->k, 1);
	bench_apply(&t->b, d);
	bench_until_state(&t->b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(t->k.target_count, 50);
	CHECK_EQ_INT(t->b.store.letters, 50);
}

TEST(a_finished_pipeline_takes_replays)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct told first = {0}, second = {0}, third = {0};
	struct fake_transform odd;
	struct drip_position before;
	struct stream t;

	rejecting_start(&t, &odd);
	before = t.b.store.positions[0];
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 1, &first, &err), &err);
	REQUIRE_OK(replay_row(&t.b, "p", "t", 3, &second, &err), &err);
	bench_until(&t.b, was_told, &first);
	bench_until(&t.b, was_told, &second);
	CHECK_EQ_INT(first.rc, 0);
	CHECK_EQ_INT(second.rc, 0);
	CHECK_EQ_INT(t.k.target_count, 51);
	CHECK_EQ_INT(t.k.target[50], 1);
	CHECK_EQ_INT(t.b.store.letters, 51); /* it was rejected again, and is kept again */
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(t.s.opens, 1); /* the source had no part in it */
	CHECK_EQ_INT(t.b.store.runs, 2);
	CHECK_EQ_INT(t.b.store.run_state, DRIP_RUN_SUCCEEDED);
	CHECK_EQ_INT(drip_position_compare(&before, &t.b.store.positions[0]), 0);
	CHECK_EQ_INT(bench_stats(&t.b, "p").rows_in_flight, 0);
	/* once more, and paused it does not */
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 5, &third, &err), &err);
	bench_until(&t.b, was_told, &third);
	CHECK_EQ_INT(t.k.target_count, 52);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	CHECK_EQ_INT(replay_row(&t.b, "p", "sink", 7, &third, &err), -EAGAIN);
	CHECK_EQ_STR(err.code, "engine.not_running");
	CHECK_CONTAINS(err.hint, "Resume");
	CHECK_EQ_INT(drip_engine_resume(t.b.engine, "p", false, NULL), 0);
	stream_finish(&t);
}

/* What a run that ends at once did not take in goes into one of its own. */
TEST(a_run_that_ends_takes_replays)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, stream_doc(&t, 1));
	for (int i = 0; i < 20; i++) {
		struct told told = {0};

		REQUIRE_OK(replay_row(&t.b, "p", "sink", 1000 + i, &told, &err), &err);
		bench_until(&t.b, was_told, &told);
		CHECK_EQ_INT(told.rc, 0);
	}
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK_EQ_INT(t.k.target_count, 120);
	CHECK_EQ_INT(t.s.starts, 1);
	stream_finish(&t);
}

/* Its time comes while its checkpoint is being changed: it waits for that. */
TEST(a_held_pipeline_does_not_fire)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	t.b.store.schedule_us = 1; /* a run was missed */
	bench_apply(&t.b, scheduled_doc(&t, "0 0 1 * *"));
	REQUIRE_OK(drip_engine_hold(t.b.engine, "p", &err), &err);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	for (int i = 0; i < 1000; i++) {
		(void)uv_run(&t.b.loop, UV_RUN_NOWAIT);
		sched_yield();
	}
	CHECK_EQ_INT(t.s.opens, 0);
	drip_engine_release(t.b.engine, "p");
	bench_until(&t.b, committed, &t);
	CHECK(fake_sink_holds(&t.k, 100));
	drip_engine_stop(t.b.engine);
	stream_finish(&t);
}

TEST(a_waiting_pipeline_takes_replays)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct told told = {0};
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, scheduled_doc(&t, "0 0 29 2 *"));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 4711, &told, &err), &err);
	bench_until(&t.b, was_told, &told);
	CHECK_EQ_INT(told.rc, 0);
	CHECK_EQ_INT(t.k.target_count, 1);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_WAITING);
	CHECK_EQ_INT(t.s.opens, 0);
	CHECK_EQ_INT(t.b.store.schedule_us, 0); /* it counts for no run of the schedule */
	CHECK_EQ_INT(t.k.open_now, 0);
	CHECK_EQ_INT(drip_engine_pause(t.b.engine, "p", NULL), 0);
	CHECK_EQ_INT(replay_row(&t.b, "p", "sink", 1, &told, &err), -EAGAIN);
	drip_engine_stop(t.b.engine);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_STOPPED);
	stream_finish(&t);
}

/* A replay that fails says why at once, and leaves the pipeline as it was. */
TEST(a_finished_pipeline_survives_a_failed_replay)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct told told = {0}, again = {0}, late = {0};
	struct stream t;

	fake_source_init(&t.s, 100);
	fake_sink_init(&t.k);
	bench_init(&t.b, false);
	bench_apply(&t.b, stream_doc(&t, 1));
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	t.k.fail_commits = 1;
	t.k.retryable = true;
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 1, &told, &err), &err);
	bench_until(&t.b, was_told, &told);
	CHECK_EQ_INT(told.rc, -EIO);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	CHECK(fake_sink_holds(&t.k, 100));
	CHECK_EQ_INT(t.b.store.run_state, DRIP_RUN_FAILED);
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 1, &again, &err), &err);
	bench_until(&t.b, was_told, &again);
	CHECK_EQ_INT(again.rc, 0);
	CHECK_EQ_INT(t.k.target_count, 101);
	bench_until_state(&t.b, "p", DRIP_PIPELINE_FINISHED);
	/* asked for as the engine stops */
	REQUIRE_OK(replay_row(&t.b, "p", "sink", 2, &late, &err), &err);
	drip_engine_stop(t.b.engine);
	bench_until(&t.b, was_told, &late);
	CHECK_EQ_INT(late.rc, -EAGAIN);
	CHECK_EQ_INT(replay_row(&t.b, "p", "sink", 2, &late, &err), -EAGAIN);
	stream_finish(&t);
}

TEST_MAIN()
