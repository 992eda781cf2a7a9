/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing of batches along the tree of stages, on the source's thread: taps, `only` patterns,
 * negotiation cached by schema, feeds, transforms, and the queues of sinks. A stage is entered
 * again only by what it puts out itself.
 *
 * Rows are counted on each edge: a child's `in` is its parent's `out`. What passes by a stage
 * counts as in and out; what a sink does not take, or holds already, counts as filtered there.
 */
#include "base/alloc.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define VALIDATE_FIRST 16 /* batches of each stage that are always checked */
#define VALIDATE_EVERY 64 /* then one in so many; all where not optimized */

static void add(int64_t *counter, int64_t value)
{
	__atomic_add_fetch(counter, value, __ATOMIC_RELAXED);
}

static int64_t load(const int64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct drip_counts drip_counts_load(const struct drip_counts *c)
{
	return (struct drip_counts){
		.in = load(&c->in),
		.out = load(&c->out),
		.filtered = load(&c->filtered),
		.dead = load(&c->dead),
		.injected = load(&c->injected),
		.batches = load(&c->batches),
		.bytes = __atomic_load_n(&c->bytes, __ATOMIC_RELAXED),
	};
}

void drip_counts_filtered(struct drip_instance *i, int64_t rows)
{
	bool sink = i->stage != NULL && i->stage->kind == DRIP_KIND_SINK;

	add(sink ? &i->left_out : &i->counts.filtered, rows);
}

/* ---- negotiation, cached ---- */

static void negotiation_destroy(struct drip_negotiation *n)
{
	if (n != NULL) {
		drip_negotiated_finish(&n->result);
		drip_schema_unref(n->input);
		drip_schema_unref(n->marked);
		free(n->feed_columns);
		free(n->broken);
		free(n);
	}
}

void drip_negotiations_finish(struct drip_negotiations *n)
{
	for (size_t i = 0; i < n->capacity; i++) {
		negotiation_destroy(n->items[i]);
	}
	free(n->items);
	memset(n, 0, sizeof(*n));
}

static struct drip_negotiation **place_of(const struct drip_negotiations *n,
					  const struct drip_schema *schema)
{
	size_t at = ((uintptr_t)schema >> 4) * 0x9e3779b97f4a7c15u >> 20;

	for (;; at++) {
		struct drip_negotiation **item = &n->items[at % n->capacity];

		if (*item == NULL || (*item)->input == schema) {
			return item;
		}
	}
}

/* Room for one more; starts anew where a source makes schemas without end. */
static bool make_room(struct drip_negotiations *n)
{
	struct drip_negotiations old = *n;

	if (n->capacity != 0 && n->count * 2 < n->capacity) {
		return true;
	}
	if (n->count >= ENGINE_SCHEMAS_MAX) {
		drip_negotiations_finish(n);
		old = *n;
	}
	n->capacity = old.capacity != 0 ? old.capacity * 2 : 16;
	n->items = drip_calloc(n->capacity, sizeof(struct drip_negotiation *));
	if (n->items == NULL) {
		*n = old;
		return false;
	}
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.items[i] != NULL) {
			*place_of(n, old.items[i]->input) = old.items[i];
		}
	}
	free(old.items);
	return true;
}

static int negotiate(struct drip_instance *i, const struct drip_schema *schema,
		     struct drip_negotiation *n, struct drip_error *err)
{
	int rc;

	n->input = drip_schema_ref(schema);
	n->handles = drip_stage_handles(i->stage, schema);
	if (!n->handles) {
		return 0;
	}
	n->result.struct_size = sizeof(n->result);
	rc = i->stage->kind == DRIP_KIND_FEED
		     ? drip_quarantine_negotiate(i, n, err)
		     : drip_stage_negotiate(i->stage, &i->ctx, schema, &n->result, err);
	if (rc < 0 && err != NULL && err->place[0] == '\0') {
		drip_error_place(err, "%s.%s at stage %s", schema->database, schema->table,
				 i->ctx.stage);
	}
	if (rc == 0 && i->stage->kind == DRIP_KIND_FEED && n->result.output != NULL) {
		const struct drip_feed_ops *ops = drip_instance_ops(i);

		n->cleanser = DRIP_OP_OF(ops, cleanse) != NULL ? i : NULL;
		rc = n->cleanser == NULL ? drip_feed_prepare(n, err) : 0;
	}
	return rc;
}

int drip_negotiation_get(struct drip_instance *i, const struct drip_schema *schema,
			 const struct drip_negotiation **ret, bool *ret_new, struct drip_error *err)
{
	struct drip_negotiations *cache = &i->negotiations;
	struct drip_negotiation *n;
	int rc;

	*ret_new = false;
	if (cache->capacity != 0 && (n = *place_of(cache, schema)) != NULL) {
		*ret = n;
		return 0;
	}
	n = drip_calloc(1, sizeof(*n));
	if (n == NULL || !make_room(cache)) {
		free(n);
		return drip_error_nomem(err, sizeof(*n));
	}
	rc = negotiate(i, schema, n, err);
	if (rc < 0) {
		negotiation_destroy(n);
		return rc;
	}
	*place_of(cache, schema) = n;
	cache->count++;
	*ret_new = true;
	*ret = n;
	return 0;
}

/* ---- delivery ---- */

static int deliver_to_sink(struct drip_instance *sink, const struct drip_batch *batch,
			   struct drip_error *err)
{
	struct drip_run *run = sink->run;
	struct sink_thread *thread = NULL;
	const struct drip_negotiation *n;
	struct drip_queue_item item;
	bool is_new;
	int rc = drip_negotiation_get(sink, batch->schema, &n, &is_new, err);

	if (rc == 0 && is_new && n->handles && n->result.output != NULL) {
		rc = drip_lineage_record(sink, n, err);
	}
	if (rc < 0) {
		return rc;
	}
	for (uint32_t i = 0; i < run->sinks_count; i++) {
		if (run->sinks[i].stage == sink->index) {
			thread = &run->sinks[i];
		}
	}
	add(&sink->counts.in, batch->rows);
	if (!n->handles || n->result.output == NULL || (run->held >> thread->number & 1) != 0) {
		add(&sink->counts.filtered, batch->rows);
		return 0;
	}
	sink->routed += batch->rows;
	item = (struct drip_queue_item){.batch = drip_batch_ref(batch)};
	rc = drip_queue_push(&thread->queue, &item);
	if (rc == -ENOMEM) {
		return drip_error_nomem(err, sizeof(item));
	}
	return rc < 0 ? drip_error_set(err, rc, "engine.stopping", "the pipeline is stopping") : 0;
}

static int forward(struct drip_instance *from, const struct drip_batch *batch,
		   struct drip_error *err)
{
	int rc = 0;

	add(&from->counts.out, batch->rows);
	if (__atomic_load_n(&from->engine->taps_count, __ATOMIC_ACQUIRE) != 0) {
		drip_taps_call(from->engine, from, batch);
	}
	for (uint32_t i = 0; i < from->children_count && rc == 0; i++) {
		rc = drip_route_deliver(from->run, from->children[i], batch, err);
	}
	return rc;
}

static int deliver_to_feed(struct drip_instance *feed, const struct drip_negotiation *n,
			   const struct drip_batch *batch, struct drip_error *err);

/* Rows that were put back, made to fit the schema that the source has by now. */
static int deliver_fitted(struct drip_instance *feed, struct drip_batch *batch,
			  struct drip_error *err)
{
	const struct drip_negotiation *n;
	bool is_new;
	int rc = drip_negotiation_get(feed, batch->schema, &n, &is_new, err);

	if (rc == 0) {
		feed->current = n;
		rc = deliver_to_feed(feed, n, batch, err);
	}
	drip_batch_unref(batch);
	return rc;
}

static int deliver_to_feed(struct drip_instance *feed, const struct drip_negotiation *n,
			   const struct drip_batch *batch, struct drip_error *err)
{
	struct drip_batch *out = NULL;
	bool taken;
	int rc = drip_quarantine_take(feed, n, batch, &taken, &out, err);

	if (rc < 0 || taken) {
		return rc < 0 || out == NULL ? rc : deliver_fitted(feed, out, err);
	}
	if (n->result.output == NULL) {
		add(&feed->counts.filtered, batch->rows);
		return 0;
	}
	rc = drip_feed_apply(n, batch, &out, err);
	if (rc == 0) {
		rc = forward(feed, out, err);
	}
	drip_batch_unref(out);
	return rc;
}

static int deliver_to_transform(struct drip_instance *t, const struct drip_batch *batch,
				struct drip_error *err)
{
	const struct drip_transform_ops *ops = drip_instance_ops(t);
	int64_t start = drip_mono_us();
	int rc = ops->process(t->self, drip_batch_ref(batch), err);

	/* with what it put out: later stages' time is in it, as they run on the same thread */
	add(&t->busy_us, drip_mono_us() - start);
	if (rc < 0 && rc != -ECANCELED) {
		drip_run_fail(t->run, (int32_t)t->index, err);
	}
	return rc;
}

/* The schema of a table that the stage puts out, seen for the first time. */
static int schema_seen(struct drip_instance *from, const struct drip_batch *batch,
		       struct drip_error *err)
{
	const struct drip_durable *d = from->engine->options.durable;

	return d->schema_put(d->self, from->ctx.pipeline, from->ctx.stage, batch->schema,
			     &batch->position, err);
}

static int deliver(struct drip_instance *i, const struct drip_batch *batch, struct drip_error *err)
{
	const struct drip_negotiation *n;
	struct drip_instance *from = &i->run->instances[i->stage->input];
	bool is_new;
	int rc;

	add(&i->counts.batches, 1);
	__atomic_add_fetch(&i->counts.bytes, batch->bytes, __ATOMIC_RELAXED);
	if (i->stage->kind == DRIP_KIND_SINK) {
		return deliver_to_sink(i, batch, err);
	}
	rc = drip_negotiation_get(i, batch->schema, &n, &is_new, err);
	if (rc == 0 && is_new && from->children[0] == i->index && batch->kind != DRIP_BATCH_GONE) {
		rc = schema_seen(from, batch, err);
	}
	if (rc < 0) {
		return rc;
	}
	add(&i->counts.in, batch->rows);
	i->current = n;
	if (!n->handles) {
		return forward(i, batch, err);
	}
	if (i->stage->kind == DRIP_KIND_FEED) {
		return deliver_to_feed(i, n, batch, err);
	}
	if (n->result.output == NULL) {
		add(&i->counts.filtered, batch->rows);
		return 0;
	}
	return deliver_to_transform(i, batch, err);
}

int drip_route_deliver(struct drip_run *run, uint32_t stage, const struct drip_batch *batch,
		       struct drip_error *err)
{
	struct drip_instance *i = &run->instances[stage];
	int rc;

	if (batch->kind == DRIP_BATCH_MARK) {
		return 0; /* it moves the position, which epochs carry */
	}
	if (batch->kind == DRIP_BATCH_GONE && i->stage->kind != DRIP_KIND_FEED) {
		return 0;
	}
	if (drip_run_aborting(run)) {
		return drip_error_set(err, -ECANCELED, "engine.stopping",
				      "the pipeline is stopping");
	}
	rc = deliver(i, batch, err);
	if (rc < 0 && rc != -ECANCELED) {
		drip_run_fail(run, (int32_t)stage, err);
	}
	return rc;
}

/* ---- emit ---- */

static int validate(struct drip_instance *from, const struct drip_batch *batch,
		    struct drip_error *err)
{
#ifdef __OPTIMIZE__
	if (from->checked++ >= VALIDATE_FIRST && from->checked % VALIDATE_EVERY != 0) {
		return 0;
	}
#endif
	if (batch->kind != DRIP_BATCH_MARK && batch->schema == NULL) {
		return drip_error_set(err, -EINVAL, "engine.bad_batch",
				      "stage \"%s\" put out a batch without a schema",
				      from->ctx.stage);
	}
	return drip_batch_validate(batch, err);
}

/*
 * Gives the batch its number. One that is shared already, and would come after a larger number,
 * gets a struct of its own.
 */
static int number_batch(struct drip_instance *from, struct drip_batch **batch,
			struct drip_error *err)
{
	struct drip_batch *b = *batch, *copy = NULL;

	if (__atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) == 1) {
		b->sequence = ++from->run->sequence;
	} else if (b->sequence <= from->last_sequence && b->kind == DRIP_BATCH_ROWS) {
		int rc = drip_batch_slice(b, 0, b->rows, &copy, err);

		if (rc < 0) {
			return rc;
		}
		copy->sequence = ++from->run->sequence;
		drip_batch_unref(b);
		*batch = b = copy;
	}
	from->last_sequence = b->sequence;
	return 0;
}

/* A transform that forgot the position of what it was given: it stands where the source does. */
static void place_batch(struct drip_instance *from, struct drip_batch *b)
{
	const struct drip_run *run = from->run;

	if (b->position.order_size == 0 && run->at.order_size != 0 &&
	    __atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) == 1) {
		b->position = run->at;
	}
}

int drip_route_emit(struct drip_instance *from, struct drip_batch *batch, struct drip_error *err)
{
	int rc = validate(from, batch, err);

	if (rc == 0) {
		rc = number_batch(from, &batch, err);
	}
	if (rc == 0) {
		place_batch(from, batch);
		rc = forward(from, batch, err);
	} else if (rc != -ECANCELED) {
		drip_run_fail(from->run, (int32_t)from->index, err);
	}
	drip_batch_unref(batch);
	return rc;
}

/* ---- accounting ---- */

static int loss(const struct drip_instance *i, const char *what, int64_t in, int64_t out,
		const struct drip_counts *c, struct drip_error *err)
{
	drip_error_set(err, -EUCLEAN, "engine.accounting",
		       "stage \"%s\" %s: %lld rows in, %lld out, %lld filtered, %lld dead-lettered",
		       i->ctx.stage, what, (long long)in, (long long)out, (long long)c->filtered,
		       (long long)c->dead);
	drip_error_hint(err, "Rows are missing: report it to the author of \"%s\".",
			i->component->name);
	return -EUCLEAN;
}

int drip_accounting_check(struct drip_run *run, struct drip_error *err)
{
	for (uint32_t k = 1; k < run->instances_count; k++) {
		const struct drip_instance *i = &run->instances[k];
		const struct drip_instance *from = &run->instances[i->stage->input];
		struct drip_counts c = drip_counts_load(&i->counts);
		int64_t before = load(&from->counts.out);

		if (before != c.in - c.injected) {
			return loss(i, "was not given what came before it", before, c.in, &c, err);
		}
		if (i->stage->kind == DRIP_KIND_TRANSFORM &&
		    (i->component->caps & DRIP_CAP_STATEFUL) == 0 &&
		    c.in > c.out + c.filtered + c.dead) {
			return loss(i, "lost rows", c.in, c.out, &c, err);
		}
	}
	return 0;
}
