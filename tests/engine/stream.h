/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline "p" of a fake source and a fake sink, for the tests of control and of replay. */
#ifndef DRIPLINE_TESTS_ENGINE_STREAM_H
#define DRIPLINE_TESTS_ENGINE_STREAM_H

#include "fakes.h"
#include "lib/test.h"

struct stream {
	struct fake_source s;
	struct fake_sink k;
	struct bench b;
};

static inline struct fake_doc *stream_doc(struct stream *t, uint64_t hash)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_pipeline(d, "p", hash);
	fake_doc_stage(d, "source", &fake_source_component, &t->s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &t->k, 0);
	return d;
}

/* An endless source of `rows`, running. */
static inline void stream_start(struct stream *t, int64_t rows, int64_t may_emit)
{
	fake_source_init(&t->s, rows);
	t->s.endless = true;
	t->s.may_emit = may_emit;
	fake_sink_init(&t->k);
	bench_init(&t->b, false);
	bench_apply(&t->b, stream_doc(t, 1));
	bench_until_state(&t->b, "p", DRIP_PIPELINE_RUNNING);
}

static inline void stream_finish(struct stream *t)
{
	bench_stop(&t->b);
	CHECK_EQ_INT(t->k.open_now, 0);
	fake_sink_finish(&t->k);
	fake_source_finish(&t->s);
}

static inline bool committed(struct bench *b, void *data)
{
	struct stream *t = data;
	bool done;

	pthread_mutex_lock(&t->s.lock);
	done = t->s.acknowledged == (t->s.may_emit >= 0 ? t->s.may_emit : t->s.rows);
	pthread_mutex_unlock(&t->s.lock);
	return done;
}

static inline struct fake_doc *scheduled_doc(struct stream *t, const char *cron)
{
	struct fake_doc *d = fake_doc_create();
	struct drip_pipeline_spec *spec = fake_doc_pipeline(d, "p", 1);

	spec->cron = cron;
	fake_doc_stage(d, "source", &fake_source_component, &t->s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &t->k, 0);
	return d;
}

#endif
