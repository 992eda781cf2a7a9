/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the engine: queues, shared connections, feeds, what the host refuses, and components
 * that do what they may not. */
#include "base/failpoint.h"
#include "engine/engine_private.h"
#include "fakes.h"
#include "lib/test.h"

#include <errno.h>
#include <stdlib.h>

static struct drip_batch *batch_of(uint64_t bytes)
{
	struct drip_batch *batch = NULL;

	REQUIRE_EQ_INT(drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, NULL), 0);
	batch->bytes = bytes;
	return batch;
}

static int push(struct drip_queue *q, uint64_t bytes)
{
	struct drip_queue_item item = {.batch = batch_of(bytes)};

	return drip_queue_push(q, &item);
}

/* ---- queues ---- */

struct pusher {
	struct drip_queue *queue;
	uint64_t bytes;
	int rc;
	bool done; /* atomic */
	pthread_t thread;
};

static void *push_main(void *data)
{
	struct pusher *p = data;

	p->rc = push(p->queue, p->bytes);
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void pop(struct drip_queue *q, uint64_t bytes)
{
	struct drip_queue_item item;

	REQUIRE_EQ_INT(drip_queue_pop(q, -1, &item), 0);
	CHECK_EQ_UINT(item.batch->bytes, bytes);
	drip_queue_release(q, drip_queue_item_bytes(&item));
	drip_batch_unref(item.batch);
}

TEST(queue_waits_for_room)
{
	struct drip_budget budget;
	struct drip_queue q;
	struct drip_queue_item marker = {.epoch = 7};
	struct pusher p = {.queue = &q, .bytes = 600};

	REQUIRE_EQ_INT(drip_budget_init(&budget, 1 << 20), 0);
	REQUIRE_EQ_INT(drip_queue_init(&q, &budget, 1000), 0);
	CHECK_EQ_INT(push(&q, 600), 0);
	REQUIRE_EQ_INT(pthread_create(&p.thread, NULL, push_main, &p), 0);
	/* the end of an epoch passes where a batch must wait */
	CHECK_EQ_INT(drip_queue_push(&q, &marker), 0);
	pop(&q, 600);
	pthread_join(p.thread, NULL);
	CHECK_EQ_INT(p.rc, 0);
	CHECK_LE_INT(budget.peak_bytes, 600 + 600 + 256);
	drip_queue_finish(&q); /* with items in it */
	CHECK_EQ_UINT(budget.used_bytes, 0);
	drip_budget_finish(&budget);
}

TEST(queue_that_is_empty_takes_anything)
{
	struct drip_budget budget;
	struct drip_queue a, b;

	REQUIRE_EQ_INT(drip_budget_init(&budget, 500), 0);
	REQUIRE_EQ_INT(drip_queue_init(&a, &budget, 1000), 0);
	REQUIRE_EQ_INT(drip_queue_init(&b, &budget, 1000), 0);
	CHECK_EQ_INT(push(&a, 5000), 0); /* larger than queue and budget */
	CHECK_EQ_INT(push(&b, 5000), 0); /* though the budget is used up by another */
	pop(&a, 5000);
	pop(&b, 5000);
	drip_queue_finish(&a);
	drip_queue_finish(&b);
	drip_budget_finish(&budget);
}

TEST(queue_is_cancelled_and_closed)
{
	struct drip_budget budget;
	struct drip_queue q;
	struct drip_queue_item item;
	struct pusher p = {.queue = &q, .bytes = 600};

	REQUIRE_EQ_INT(drip_budget_init(&budget, 1 << 20), 0);
	REQUIRE_EQ_INT(drip_queue_init(&q, &budget, 500), 0);
	CHECK_EQ_INT(drip_queue_pop(&q, 0, &item), -EAGAIN);
	CHECK_EQ_INT(push(&q, 600), 0);
	REQUIRE_EQ_INT(pthread_create(&p.thread, NULL, push_main, &p), 0);
	drip_queue_cancel(&q);
	pthread_join(p.thread, NULL);
	CHECK_EQ_INT(p.rc, -ECANCELED);
	CHECK_EQ_INT(drip_queue_pop(&q, -1, &item), -ECANCELED);
	drip_queue_finish(&q);
	REQUIRE_EQ_INT(drip_queue_init(&q, &budget, 500), 0);
	CHECK_EQ_INT(push(&q, 10), 0);
	drip_queue_close(&q);
	pop(&q, 10); /* what is in it still comes */
	CHECK_EQ_INT(drip_queue_pop(&q, -1, &item), -ENODATA);
	drip_queue_finish(&q);
	drip_budget_finish(&budget);
}

/* ---- the protocol's limits ---- */

static void position(struct drip_position *p, const char *partition, uint64_t value)
{
	memset(p, 0, sizeof(*p));
	p->struct_size = sizeof(*p);
	snprintf(p->partition, sizeof(p->partition), "%s", partition);
	drip_position_add_u64(p, value);
}

TEST(limits_of_the_protocol)
{
	struct drip_commit_options options = {.sinks = DRIP_COMMIT_SINKS_MAX + 1, .replay = true};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_commit_plan plan;
	struct drip_commit *c = NULL;
	struct drip_position p;
	uint64_t held;
	char name[16];
	int rc = 0;

	CHECK_EQ_INT(drip_commit_create(&options, &c, &err), -E2BIG);
	CHECK_EQ_STR(err.code, "engine.too_many_sinks");
	options.sinks = DRIP_COMMIT_SINKS_MAX;
	REQUIRE_OK(drip_commit_create(&options, &c, &err), &err);
	for (int i = 0; i < DRIP_COMMIT_PARTITIONS_MAX && rc == 0; i++) {
		snprintf(name, sizeof(name), "%d", i);
		position(&p, name, 1);
		rc = drip_commit_batch_begin(c, &p, 1, &held, &err);
		drip_commit_batch_end(c, &p, true, 1, 1, 0, 0);
	}
	CHECK_EQ_INT(rc, 0);
	position(&p, "one more", 1);
	CHECK_EQ_INT(drip_commit_batch_begin(c, &p, 1, &held, &err), -E2BIG);
	CHECK_EQ_STR(err.code, "engine.too_many_partitions");
	CHECK_EQ_INT(drip_commit_plan(c, 0, 99, false, &plan, &err), -EINVAL);
	CHECK_EQ_STR(err.code, "engine.internal");
	drip_commit_destroy(c);
}

/* ---- components that do what they may not ---- */

static void check_fault(enum fake_fault fault, bool sink_emits, const char *code)
{
	struct fake_source s;
	struct fake_sink k;
	struct fake_doc *d = fake_doc_create();
	struct bench b;

	fake_source_init(&s, 100);
	s.fault = fault;
	fake_sink_init(&k);
	k.emits = sink_emits;
	bench_init(&b, false);
	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k, 0);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, code);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

TEST(components_that_misbehave)
{
	check_fault(FAULT_NO_SCHEMA, false, "engine.bad_batch");
	check_fault(FAULT_BACKWARDS, false, "engine.position_order");
	check_fault(FAULT_SILENT, false, "engine.op_failed");
	check_fault(FAULT_NONE, true, "engine.bad_emit");
}

static void connection_init(struct fake_connection *c)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
}

TEST(what_the_host_refuses)
{
	static const char *const codes[] = {
		"engine.no_control",      "engine.unknown_connection", "engine.no_interface",
		"engine.state_too_large", "engine.data_dir",           "engine.bad_reject",
		"engine.no_state",
	};
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct fake_connection c;
	struct fake_doc *d = fake_doc_create();
	struct bench b;

	fake_source_init(&s, 10);
	fake_transform_init(&t, FAKE_PROBE);
	fake_sink_init(&k);
	connection_init(&c);
	bench_init(&b, false);
	fake_doc_connection(d, "c", &c, 1);
	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, &s, 0);
	fake_doc_stage(d, "t", &fake_transform_component, &t, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, &k, 1);
	bench_apply(&b, d);
	bench_until_state(&b, "p", DRIP_PIPELINE_FINISHED);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		CHECK_EQ_STR(t.codes[i], codes[i]);
	}
	CHECK_EQ_STR(c.state_code, "engine.no_state");
	CHECK_EQ_INT(c.open_now, 0);
	bench_stop(&b);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

/* ---- connections ---- */

static struct fake_doc *sharing_doc(struct fake_source *s, struct fake_transform *t,
				    struct fake_sink *k, struct fake_connection *c, uint64_t hash)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_connection(d, "c", c, hash);
	fake_doc_pipeline(d, "p", hash);
	fake_doc_stage(d, "source", &fake_source_component, s, 0);
	fake_doc_stage(d, "t1", &fake_transform_component, t, 0);
	fake_doc_stage(d, "t2", &fake_transform_component, t, 1);
	fake_doc_stage(d, "sink", &fake_sink_exact, k, 2);
	return d;
}

static bool reopened(struct bench *b, void *data)
{
	struct fake_connection *c = data;
	bool yes;

	pthread_mutex_lock(&c[1].lock);
	yes = c[1].opens == 1;
	pthread_mutex_unlock(&c[1].lock);
	pthread_mutex_lock(&c[0].lock);
	yes = yes && c[0].open_now == 0;
	pthread_mutex_unlock(&c[0].lock);
	return yes;
}

static bool has_read_all(struct bench *b, void *data)
{
	struct fake_source *s = data;
	bool yes;

	pthread_mutex_lock(&s->lock);
	yes = s->emitted == s->rows;
	pthread_mutex_unlock(&s->lock);
	return yes;
}

TEST(connections_are_shared_and_replaced)
{
	struct fake_source s;
	struct fake_transform t;
	struct fake_sink k;
	struct fake_connection c[2];
	struct drip_error err = DRIP_ERROR_INIT;
	struct bench b;

	fake_source_init(&s, 100);
	s.endless = true;
	fake_transform_init(&t, FAKE_PASS);
	t.connection = "c";
	fake_sink_init(&k);
	connection_init(&c[0]);
	connection_init(&c[1]);
	bench_init(&b, false);
	bench_apply(&b, sharing_doc(&s, &t, &k, &c[0], 1));
	bench_until_state(&b, "p", DRIP_PIPELINE_RUNNING);
	CHECK_EQ_INT(c[0].opens, 1); /* once for both stages */
	CHECK_OK(drip_engine_ready(b.engine, &err), &err);
	CHECK_EQ_INT(c[0].pings, 1);
	c[0].ping_fails = true;
	CHECK_EQ_INT(drip_engine_ready(b.engine, &err), -EIO);
	CHECK_EQ_STR(err.code, "fake.ping");
	/* a reload that changes it opens it anew, and closes the old one */
	bench_apply(&b, sharing_doc(&s, &t, &k, &c[1], 2));
	bench_until(&b, reopened, c);
	bench_until_state(&b, "p", DRIP_PIPELINE_RUNNING);
	bench_until(&b, has_read_all, &s);
	bench_stop(&b);
	CHECK_EQ_INT(c[0].opens, 1);
	CHECK_EQ_INT(c[1].opens, 1);
	CHECK_EQ_INT(c[1].open_now, 0);
	CHECK(fake_sink_holds(&k, 100));
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

/* Someone holds an exclusive connection with other options: who gives up is told why. */
TEST(an_exclusive_connection_is_busy)
{
	struct fake_connection c;
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_declared declared[2] = {
		{.name = "c",
		 .component = &fake_connection_exclusive,
		 .config = &c,
		 .config_hash = 1},
		{.name = "c",
		 .component = &fake_connection_exclusive,
		 .config = &c,
		 .config_hash = 2},
	};
	struct drip_document documents[2] = {
		{.connections = &declared[0], .connections_count = 1},
		{.connections = &declared[1], .connections_count = 1},
	};
	struct drip_doc docs[2] = {{.refs = 100, .document = &documents[0]},
				   {.refs = 100, .document = &documents[1]}};
	struct drip_run leaving = {.aborting = true};
	struct drip_instance users[2];
	const void *interface;
	void *object, *other;
	struct bench b;

	connection_init(&c);
	bench_init(&b, false);
	for (int i = 0; i < 2; i++) {
		REQUIRE_OK(drip_instance_init(&users[i], b.engine, &docs[i],
					      &fake_transform_component, NULL, "p", "t", &err),
			   &err);
	}
	REQUIRE_OK(drip_connection_get(&users[0], "c", "fake", &interface, &object, &err), &err);
	users[1].run = &leaving;
	CHECK_EQ_INT(drip_connection_get(&users[1], "c", "fake", &interface, &other, &err), -EBUSY);
	CHECK_EQ_STR(err.code, "engine.connection_busy");
	CHECK_EQ_INT(c.opens, 1);
	drip_connection_put(&users[0], "c", object);
	CHECK_OK(drip_connection_get(&users[1], "c", "fake", &interface, &other, &err), &err);
	CHECK_EQ_INT(c.opens, 2);
	drip_connection_put(&users[1], "c", other);
	CHECK_EQ_INT(c.open_now, 0);
	drip_instance_finish(&users[0]);
	drip_instance_finish(&users[1]);
	bench_stop(&b);
}

/* ---- feeds ---- */

static struct drip_schema *schema_of(const struct drip_column *columns, uint32_t count)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *schema = NULL;

	drip_schema_builder_init(&b, "db", "t");
	for (uint32_t i = 0; i < count; i++) {
		drip_schema_builder_add(&b, &columns[i]);
	}
	REQUIRE_OK(drip_schema_builder_build(&b, &schema, &err), &err);
	return schema;
}

#define COLUMN(n, t, f)                                                                            \
	{                                                                                          \
		.struct_size = sizeof(struct drip_column), .name = (n), .type = (t), .flags = (f)  \
	}

static void check_feed(const struct drip_column *promised, uint32_t count, const char *code)
{
	static const struct drip_column has[] = {COLUMN("a", DRIP_TYPE_INT64, 0),
						 COLUMN("b", DRIP_TYPE_UTF8, 0)};
	struct drip_negotiation *n = calloc(1, sizeof(*n));
	struct drip_error err = DRIP_ERROR_INIT;

	REQUIRE_NOT_NULL(n);
	n->input = schema_of(has, 2);
	n->handles = true;
	n->result.output = schema_of(promised, count);
	CHECK_EQ_INT(drip_feed_prepare(n, &err), code != NULL ? -EINVAL : 0);
	CHECK_EQ_STR(err.code, code != NULL ? code : "");
	drip_schema_unref(n->input);
	drip_negotiated_finish(&n->result);
	free(n->feed_columns);
	free(n);
}

TEST(feeds_promise_what_tables_have)
{
	static const struct drip_column good[] = {
		COLUMN("b", DRIP_TYPE_UTF8, 0),
		COLUMN("new", DRIP_TYPE_DATE, DRIP_COLUMN_NULLABLE)};
	static const struct drip_column missing[] = {COLUMN("c", DRIP_TYPE_UTF8, 0)};
	static const struct drip_column type[] = {COLUMN("a", DRIP_TYPE_UTF8, 0)};

	check_feed(good, 2, NULL);
	check_feed(missing, 1, "engine.feed_column");
	check_feed(type, 1, "engine.feed_type");
}

TEST(feed_selects_and_fills_columns)
{
	static const struct drip_column has[] = {COLUMN("a", DRIP_TYPE_INT64, 0),
						 COLUMN("b", DRIP_TYPE_INT64, 0)};
	static const struct drip_column promised[] = {
		COLUMN("b", DRIP_TYPE_INT64, 0),
		COLUMN("new", DRIP_TYPE_INT64, DRIP_COLUMN_NULLABLE)};
	struct drip_negotiation n = {.handles = true};
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_batch *in = NULL, *out = NULL;
	struct drip_builder b;
	struct drip_value v;

	n.input = schema_of(has, 2);
	n.result.output = schema_of(promised, 2);
	REQUIRE_OK(drip_feed_prepare(&n, &err), &err);
	REQUIRE_OK(drip_builder_init(&b, n.input, &err), &err);
	drip_append_i64(&b.columns[0], 1);
	drip_append_i64(&b.columns[1], 2);
	drip_builder_row(&b, DRIP_OP_UPDATE);
	REQUIRE_OK(drip_builder_build(&b, &in, &err), &err);
	drip_builder_finish(&b);
	in->boundary = true;
	REQUIRE_OK(drip_feed_apply(&n, in, &out, &err), &err);
	CHECK_OK(drip_batch_validate(out, &err), &err);
	CHECK(out->boundary);
	CHECK_EQ_INT(drip_batch_op(out, 0), DRIP_OP_UPDATE);
	drip_value_get(out, 0, 0, &v);
	CHECK_EQ_INT(v.i, 2);
	drip_value_get(out, 1, 0, &v);
	CHECK_EQ_INT(v.type, DRIP_TYPE_NONE);
	CHECK_EQ_PTR(out->array.children[0]->buffers[1], in->array.children[1]->buffers[1]);
	drip_batch_unref(out);
	drip_batch_unref(in);
	drip_schema_unref(n.input);
	drip_negotiated_finish(&n.result);
	free(n.feed_columns);
}

static struct fake_doc *plain_doc(struct fake_source *s, struct fake_sink *k)
{
	struct fake_doc *d = fake_doc_create();

	fake_doc_pipeline(d, "p", 1);
	fake_doc_stage(d, "source", &fake_source_component, s, 0);
	fake_doc_stage(d, "sink", &fake_sink_exact, k, 0);
	return d;
}

TEST(no_thread_can_be_started)
{
	struct fake_source s;
	struct fake_sink k;
	struct bench b;

	fake_source_init(&s, 100);
	fake_sink_init(&k);
	bench_init(&b, false);
	REQUIRE_EQ_INT(drip_failpoint_arm("engine.start_thread=error@1", NULL), 0);
	bench_apply(&b, plain_doc(&s, &k));
	bench_until_state(&b, "p", DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "engine.no_thread");
	REQUIRE_EQ_INT(drip_failpoint_arm(NULL, NULL), 0);
	bench_stop(&b);
	CHECK_EQ_INT(s.opens, 0);
	fake_sink_finish(&k);
	fake_source_finish(&s);
}

static bool is_all_done(struct bench *b, void *data)
{
	return b->all_done != 0;
}

static bool hangs(struct bench *b, void *data)
{
	struct fake_sink *k = data;
	bool there;

	pthread_mutex_lock(&k->lock);
	there = k->written == k->hang_row - 1;
	pthread_mutex_unlock(&k->lock);
	return there;
}

static bool is_closed(struct bench *b, void *data)
{
	struct fake_sink *k = data;
	bool closed;

	pthread_mutex_lock(&k->lock);
	closed = k->open_now == 0;
	pthread_mutex_unlock(&k->lock);
	return closed;
}

/* An op that never returns is given up with its run. Static: what it uses is never freed. */
TEST(a_stuck_component_is_given_up)
{
	static struct fake_source s;
	static struct fake_sink k;
	static struct bench b;

	fake_source_init(&s, 100);
	fake_sink_init(&k);
	k.hang_row = 5;
	k.deaf = true;
	bench_init(&b, false);
	bench_apply(&b, plain_doc(&s, &k));
	bench_until(&b, hangs, &k);
	drip_engine_stop(b.engine);
	b.engine->stop_deadline_us = 1; /* it is over */
	bench_until(&b, is_all_done, NULL);
	CHECK_EQ_INT(bench_state(&b, "p"), DRIP_PIPELINE_FAILED);
	CHECK_EQ_STR(bench_stats(&b, "p").last_error.code, "engine.stuck");
	/* when it does return after all, nothing that it uses is gone */
	pthread_mutex_lock(&k.lock);
	k.hang_row = 0;
	pthread_cond_broadcast(&k.changed);
	pthread_mutex_unlock(&k.lock);
	bench_until(&b, is_closed, &k);
}

TEST_MAIN()
