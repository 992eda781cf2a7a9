/* SPDX-License-Identifier: Apache-2.0 */
/* The fake source, transform and sink: see fakes.h. */
#include "engine/commit.h"
#include "fakes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct source_self {
	struct fake_source *f;
	struct drip_ctx *ctx;
	struct drip_schema *schema, *odd;
	int64_t at; /* last row emitted */
	uint64_t cuts[16];
	size_t cuts_count;
};

void fake_source_init(struct fake_source *s, int64_t rows)
{
	memset(s, 0, sizeof(*s));
	s->rows = rows;
	s->batch_rows = s->transaction_rows = 10;
	s->may_emit = -1;
	s->acknowledged = s->started_from = -1;
	s->retryable = true;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
}

void fake_source_finish(struct fake_source *s)
{
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
}

void fake_source_allow(struct fake_source *s, int64_t rows)
{
	pthread_mutex_lock(&s->lock);
	s->may_emit = rows;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static int make_schema(const char *table, bool restricted, struct drip_schema **ret,
		       struct drip_error *err)
{
	struct drip_schema_builder b;
	struct drip_column id = {.struct_size = sizeof(id),
				 .type = DRIP_TYPE_INT64,
				 .name = "id",
				 .flags = DRIP_COLUMN_KEY};

	if (restricted) {
		id.classification = DRIP_CLASS_RESTRICTED;
	}
	drip_schema_builder_init(&b, "db", table);
	drip_schema_builder_add(&b, &id);
	return drip_schema_builder_build(&b, ret, err);
}

static int source_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct fake_source *f = (struct fake_source *)(uintptr_t)config;
	struct source_self *s;
	bool fails;
	int rc;

	pthread_mutex_lock(&f->lock);
	f->opens++;
	fails = f->open_fails;
	if (!fails) {
		f->exclusive_broken = f->exclusive_broken || f->open_now > 0;
		f->open_now++;
	}
	pthread_mutex_unlock(&f->lock);
	if (fails) {
		return drip_error_set(err, -ECONNREFUSED, "fake.open", "the fake does not open");
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->f = f;
	s->ctx = ctx;
	rc = make_schema("t", f->restricted, &s->schema, err);
	if (rc == 0) {
		rc = make_schema("odd", f->restricted, &s->odd, err);
	}
	*ret_self = s;
	return rc;
}

static void source_close(void *self)
{
	struct source_self *s = self;

	pthread_mutex_lock(&s->f->lock);
	s->f->open_now--;
	pthread_mutex_unlock(&s->f->lock);
	drip_schema_unref(s->schema);
	drip_schema_unref(s->odd);
	free(s);
}

static uint64_t value_of(const struct drip_position *p)
{
	uint64_t v = 0;

	for (int i = 0; i < p->order_size; i++) {
		v = v << 8 | p->order[i];
	}
	return v;
}

static int source_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	struct source_self *s = self;

	s->at = start->from_count != 0 ? (int64_t)value_of(&start->from[0]) : 0;
	s->cuts_count = start->cuts_count;
	for (size_t i = 0; i < start->cuts_count && i < 16; i++) {
		s->cuts[i] = value_of(&start->cuts[i]);
	}
	pthread_mutex_lock(&s->f->lock);
	s->f->starts++;
	s->f->started_from = s->at;
	pthread_mutex_unlock(&s->f->lock);
	return 0;
}

static void set_position(struct drip_batch *b, int64_t row)
{
	memset(&b->position, 0, sizeof(b->position));
	b->position.struct_size = sizeof(b->position);
	drip_position_add_u64(&b->position, (uint64_t)row);
	snprintf(b->position.text, sizeof(b->position.text), "row %lld", (long long)row);
}

/* Emits rows [first, last]; with `tables`, the odd ones in a batch before. */
static int emit_rows(struct source_self *s, int64_t first, int64_t last, bool boundary,
		     struct drip_error *err)
{
	struct drip_schema *schemas[2] = {s->odd, s->schema};
	int rc = 0;

	for (int part = s->f->tables ? 0 : 1; part < 2 && rc == 0; part++) {
		struct drip_builder b;
		struct drip_batch *batch = NULL;

		rc = drip_builder_init(&b, schemas[part], err);
		for (int64_t row = first; row <= last && rc == 0; row++) {
			if (!s->f->tables || (row % 2 != 0) == (part == 0)) {
				drip_append_i64(&b.columns[0], row);
				drip_builder_row(&b, DRIP_OP_INSERT);
			}
		}
		if (rc == 0) {
			rc = drip_builder_build(&b, &batch, err);
		}
		drip_builder_finish(&b);
		if (rc == 0) {
			set_position(batch, last);
			batch->boundary = boundary && part == 1;
			rc = drip_emit(s->ctx, batch, err);
		}
	}
	return rc;
}

static int64_t next_end(const struct source_self *s, int64_t from)
{
	const struct fake_source *f = s->f;
	int64_t end = from + f->batch_rows;
	int64_t transaction = (from / f->transaction_rows + 1) * f->transaction_rows;

	end = end < transaction ? end : transaction;
	end = end < f->rows ? end : f->rows;
	for (size_t i = 0; i < s->cuts_count && !f->straddle; i++) {
		if ((int64_t)s->cuts[i] > from && (int64_t)s->cuts[i] < end) {
			end = (int64_t)s->cuts[i];
		}
	}
	return end;
}

/* What a source may not do. */
static int misbehave(struct source_self *s, struct drip_error *err)
{
	struct drip_batch *batch = NULL;
	int rc = 0;

	switch (s->f->fault) {
	case FAULT_NO_SCHEMA:
		rc = drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, err);
		if (rc == 0) {
			batch->kind = DRIP_BATCH_TRUNCATE;
			rc = drip_emit(s->ctx, batch, err);
		}
		return rc;
	case FAULT_BACKWARDS:
		return emit_rows(s, 1, 1, true, err);
	case FAULT_SILENT:
		return -EIO;
	case FAULT_NONE:
		break;
	}
	return 0;
}

static int poll_once(struct source_self *s, struct drip_error *err)
{
	struct fake_source *f = s->f;
	int64_t end = next_end(s, s->at);
	bool held, fails;
	int rc;

	pthread_mutex_lock(&f->lock);
	held = f->may_emit >= 0 && end > f->may_emit;
	fails = f->fails > 0 && f->fail_row != 0 && end >= f->fail_row;
	f->fails -= fails;
	pthread_mutex_unlock(&f->lock);
	if (fails) {
		return f->retryable
			       ? drip_error_set_retryable(err, -EIO, "fake.read",
							  "the fake source fails")
			       : drip_error_set(err, -EIO, "fake.read", "the fake source fails");
	}
	if (f->fault != FAULT_NONE && s->at >= f->rows / 2) {
		return misbehave(s, err);
	}
	if (s->at >= f->rows || held) {
		return s->at >= f->rows && !f->endless ? DRIP_POLL_END : DRIP_POLL_CAUGHT_UP;
	}
	rc = emit_rows(s, s->at + 1, end, end % f->transaction_rows == 0 || end == f->rows, err);
	if (rc == 0) {
		s->at = end;
		pthread_mutex_lock(&f->lock);
		f->emitted = end;
		pthread_cond_broadcast(&f->changed);
		pthread_mutex_unlock(&f->lock);
	}
	return rc;
}

static int source_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	struct source_self *s = self;
	int rc;

	if (s->f->leaves && s->ctx->host->is_stopping(s->ctx)) {
		return drip_error_set(err, -ECANCELED, "fake.stopped", "stopping");
	}
	do {
		rc = poll_once(s, err);
	} while (rc == DRIP_POLL_MORE && s->f->one_poll);
	return rc;
}

static int source_acknowledge(void *self, const struct drip_position *positions, size_t count,
			      struct drip_error *err)
{
	struct source_self *s = self;

	pthread_mutex_lock(&s->f->lock);
	s->f->acknowledged = (int64_t)value_of(&positions[0]);
	pthread_mutex_unlock(&s->f->lock);
	return 0;
}

static void source_stop(void *self)
{
}

static const struct drip_source_ops source_ops = {
	.struct_size = sizeof(source_ops),
	.open = source_open,
	.close = source_close,
	.start = source_start,
	.poll = source_poll,
	.acknowledge = source_acknowledge,
	.stop = source_stop,
};

#define SOURCE(symbol, capabilities)                                                               \
	const struct drip_component symbol = {                                                     \
		.struct_size = sizeof(symbol),                                                     \
		.kind = DRIP_KIND_SOURCE,                                                          \
		.name = "fake",                                                                    \
		.caps = (capabilities),                                                            \
		.ops = &source_ops,                                                                \
	}

SOURCE(fake_source_component, DRIP_CAP_REPLAY);
SOURCE(fake_source_anew, DRIP_CAP_BOUNDED);
SOURCE(fake_source_exclusive, DRIP_CAP_REPLAY | DRIP_CAP_EXCLUSIVE);

/* ---- transform ---- */

struct transform_self {
	struct fake_transform *f;
	struct drip_ctx *ctx;
	struct drip_batch *held[4096];
	size_t held_count;
	int64_t counted;
	const void *interface;
	void *object; /* of the connection, or NULL */
};

void fake_transform_init(struct fake_transform *t, enum fake_mode mode)
{
	memset(t, 0, sizeof(*t));
	t->mode = mode;
	pthread_mutex_init(&t->lock, NULL);
}

/* Notes the codes of what the host refuses. */
static void probe(struct drip_ctx *ctx, struct fake_transform *f)
{
	const struct drip_host *h = ctx->host;
	struct drip_error err[9];
	struct drip_batch *batch = NULL;
	const void *interface;
	void *object, *big = calloc(1, (16 << 20) + 1);
	char *text = NULL;
	size_t size;
	int n = 0;

	memset(err, 0, sizeof(err));
	(void)h->control(ctx, "status", "{}", &text, &err[n++]);
	(void)h->connection_get(ctx, "nope", "fake", &interface, &object, &err[n++]);
	(void)h->connection_get(ctx, "c", "nope", &interface, &object, &err[n++]);
	(void)h->state_put(ctx, "k", big, (16 << 20) + 1, &err[n++]);
	(void)h->data_dir(ctx, &err[n++]);
	if (drip_batch_create_control(DRIP_BATCH_MARK, NULL, &batch, NULL) == 0) {
		(void)h->reject(ctx, batch, 0, &err[0], &err[n++]);
		drip_batch_unref(batch);
	}
	(void)h->state_put(ctx, "k", "v", 2, NULL);
	(void)h->state_put(ctx, "k", NULL, 0, NULL);
	(void)h->state_get(ctx, "k", &object, &size, &err[n++]);
	for (int i = 0; i < n; i++) {
		snprintf(f->codes[i], sizeof(f->codes[i]), "%s", err[i].code);
	}
	free(big);
}

static int transform_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	struct transform_self *t;
	void *value = NULL;
	size_t size;

	if (((const struct fake_transform *)config)->open_fails) {
		return drip_error_set(err, -EINVAL, "fake.open", "the fake does not open");
	}
	t = calloc(1, sizeof(*t));
	if (t == NULL) {
		return drip_error_nomem(err, sizeof(*t));
	}
	t->f = (struct fake_transform *)(uintptr_t)config;
	__atomic_add_fetch(&t->f->opens, 1, __ATOMIC_RELAXED);
	t->ctx = ctx;
	if (t->f->connection != NULL &&
	    ctx->host->connection_get(ctx, t->f->connection, "fake", &t->interface, &t->object,
				      err) < 0) {
		free(t);
		return -EIO;
	}
	if (t->f->mode == FAKE_PROBE) {
		probe(ctx, t->f);
	}
	if (t->f->mode == FAKE_COUNT &&
	    ctx->host->state_get(ctx, "count", &value, &size, NULL) == 0) {
		t->counted = strtoll(value, NULL, 10);
		free(value);
	}
	*ret_self = t;
	return 0;
}

static void transform_close(void *self)
{
	struct transform_self *t = self;

	for (size_t i = 0; i < t->held_count; i++) {
		drip_batch_unref(t->held[i]);
	}
	if (t->object != NULL) {
		t->ctx->host->connection_put(t->ctx, t->f->connection, "fake", t->object);
	}
	free(t);
}

static int transform_negotiate(struct drip_ctx *ctx, const void *config,
			       const struct drip_schema *input, struct drip_negotiated *ret,
			       struct drip_error *err)
{
	ret->output = drip_schema_ref(input);
	return 0;
}

static int64_t id_of(const struct drip_batch *batch, int64_t row)
{
	struct drip_value v;

	drip_value_get(batch, 0, row, &v);
	return v.i;
}

/* Passes even rows on; what happens to odd ones is the mode's. */
static int pass_even(struct transform_self *t, struct drip_batch *batch, struct drip_error *err)
{
	struct drip_error reason = DRIP_ERROR_INIT;
	struct drip_batch *out = NULL;
	int64_t rows[1024], count = 0;
	int rc = 0;

	drip_error_set(&reason, -EINVAL, "fake.odd", "the number is odd");
	for (int64_t i = 0; i < batch->rows && rc == 0; i++) {
		if (id_of(batch, i) % 2 == 0) {
			rows[count++] = i;
		} else if (t->f->mode == FAKE_REJECT_ODD) {
			rc = drip_reject(t->ctx, batch, i, &reason, err);
		} else if (t->f->mode == FAKE_FILTER_ODD) {
			t->ctx->host->filtered(t->ctx, 1);
		}
	}
	if (rc == 0 && count > 0) {
		rc = drip_batch_take(batch, rows, count, &out, err);
		if (rc == 0) {
			rc = drip_emit(t->ctx, out, err);
		}
	}
	drip_batch_unref(batch);
	return rc;
}

static int transform_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct transform_self *t = self;

	switch (t->f->mode) {
	case FAKE_FAIL:
		drip_batch_unref(batch);
		return drip_error_set(err, -EINVAL, "fake.process", "the fake transform fails");
	case FAKE_BUFFER:
		if (t->held_count < sizeof(t->held) / sizeof(t->held[0])) {
			t->held[t->held_count++] = batch;
		}
		return 0;
	case FAKE_COUNT:
		t->counted += batch->rows;
		return drip_emit(t->ctx, batch, err);
	case FAKE_PASS:
	case FAKE_PROBE:
		return drip_emit(t->ctx, batch, err);
	default:
		return pass_even(t, batch, err);
	}
}

static int transform_flush(void *self, struct drip_error *err)
{
	struct transform_self *t = self;
	char text[32];
	int rc = 0;

	for (size_t i = 0; i < t->held_count; i++) {
		if (rc == 0) {
			rc = drip_emit(t->ctx, t->held[i], err);
		} else {
			drip_batch_unref(t->held[i]);
		}
	}
	t->held_count = 0;
	if (t->f->mode == FAKE_COUNT && rc == 0) {
		snprintf(text, sizeof(text), "%lld", (long long)t->counted);
		rc = t->ctx->host->state_put(t->ctx, "count", text, strlen(text) + 1, err);
		pthread_mutex_lock(&t->f->lock);
		t->f->counted = t->counted;
		pthread_mutex_unlock(&t->f->lock);
	}
	return rc;
}

static const struct drip_transform_ops transform_ops = {
	.struct_size = sizeof(transform_ops),
	.open = transform_open,
	.close = transform_close,
	.negotiate = transform_negotiate,
	.process = transform_process,
	.flush = transform_flush,
};

const struct drip_component fake_transform_component = {
	.struct_size = sizeof(fake_transform_component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "fake",
	.ops = &transform_ops,
};

const struct drip_component fake_transform_stateful = {
	.struct_size = sizeof(fake_transform_stateful),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "fake",
	.caps = DRIP_CAP_STATEFUL,
	.ops = &transform_ops,
};

/* ---- sink ---- */

struct sink_self {
	struct fake_sink *f;
	struct drip_ctx *ctx;
};

void fake_sink_init(struct fake_sink *k)
{
	memset(k, 0, sizeof(*k));
	k->retryable = true;
	k->target = calloc(FAKE_TARGET_MAX, sizeof(*k->target));
	k->pending = calloc(FAKE_TARGET_MAX, sizeof(*k->pending));
	pthread_mutex_init(&k->lock, NULL);
	pthread_cond_init(&k->changed, NULL);
}

void fake_sink_finish(struct fake_sink *k)
{
	free(k->target);
	free(k->pending);
	pthread_cond_destroy(&k->changed);
	pthread_mutex_destroy(&k->lock);
}

void fake_sink_block(struct fake_sink *k, bool blocked)
{
	pthread_mutex_lock(&k->lock);
	k->blocked = blocked;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

bool fake_sink_holds(struct fake_sink *k, int64_t rows)
{
	bool ok;

	pthread_mutex_lock(&k->lock);
	ok = k->target_count == rows;
	for (int64_t i = 0; i < k->target_count && ok; i++) {
		ok = k->target[i] == i + 1;
	}
	pthread_mutex_unlock(&k->lock);
	return ok;
}

static int sink_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct sink_self *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->f = (struct fake_sink *)(uintptr_t)config;
	s->ctx = ctx;
	pthread_mutex_lock(&s->f->lock);
	s->f->opens++;
	s->f->open_now++;
	s->f->interrupted = false;
	pthread_mutex_unlock(&s->f->lock);
	*ret_self = s;
	return 0;
}

static void sink_close(void *self)
{
	struct sink_self *s = self;

	pthread_mutex_lock(&s->f->lock);
	s->f->open_now--;
	pthread_mutex_unlock(&s->f->lock);
	free(s);
}

static void sink_interrupt(void *self)
{
	struct sink_self *s = self;

	pthread_mutex_lock(&s->f->lock);
	s->f->interrupted = !s->f->deaf;
	pthread_cond_broadcast(&s->f->changed);
	pthread_mutex_unlock(&s->f->lock);
}

static int sink_positions(void *self, struct drip_position **ret, size_t *ret_count,
			  struct drip_error *err)
{
	struct sink_self *s = self;
	struct drip_position *p = calloc(2, sizeof(*p));

	if (p == NULL) {
		return drip_error_nomem(err, sizeof(*p));
	}
	p->struct_size = sizeof(*p);
	pthread_mutex_lock(&s->f->lock);
	drip_position_add_u64(p, s->f->position);
	snprintf(p->text, sizeof(p->text), "row %llu", (unsigned long long)s->f->position);
	*ret_count = s->f->position != 0;
	if (s->f->group != 0) {
		p[(*ret_count)++] = drip_commit_group_position(s->f->group);
	}
	pthread_mutex_unlock(&s->f->lock);
	*ret = p;
	return 0;
}

static int sink_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct sink_self *s = self;
	struct drip_error reason = DRIP_ERROR_INIT;
	int rc = 0;

	if (s->f->emits) {
		return drip_emit(s->ctx, drip_batch_ref(batch), err);
	}
	drip_error_set(&reason, -EINVAL, "fake.refused", "the sink refuses the row");
	for (int64_t i = 0; i < batch->rows && rc == 0; i++) {
		int64_t id = id_of(batch, i);

		if (s->f->refuses_ten && id % 10 == 0) {
			rc = drip_reject(s->ctx, batch, i, &reason, err);
			continue;
		}
		pthread_mutex_lock(&s->f->lock);
		while ((s->f->blocked || (s->f->hang_row != 0 && id == s->f->hang_row)) &&
		       !s->f->interrupted) {
			pthread_cond_wait(&s->f->changed, &s->f->lock);
		}
		rc = s->f->interrupted ? -ECANCELED : 0;
		if (rc == 0 && s->f->pending_count < FAKE_TARGET_MAX) {
			s->f->pending[s->f->pending_count++] = id;
			s->f->written++;
		}
		pthread_mutex_unlock(&s->f->lock);
	}
	return rc == -ECANCELED ? drip_error_set(err, rc, "fake.interrupted", "interrupted") : rc;
}

static void apply_pending(struct fake_sink *f, const struct drip_epoch *epoch)
{
	for (int64_t i = 0; i < f->pending_count && f->target_count < FAKE_TARGET_MAX; i++) {
		f->target[f->target_count++] = f->pending[i];
	}
	for (size_t i = 0; i < epoch->positions_count; i++) {
		uint64_t group = drip_commit_position_group(&epoch->positions[i]);

		if (group != 0) {
			f->group = group;
		} else if (epoch->positions[i].partition[0] == '\0') {
			f->position = value_of(&epoch->positions[i]);
		}
	}
	f->pending_count = 0;
}

static int sink_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct sink_self *s = self;
	struct fake_sink *f = s->f;
	int rc = 0;

	pthread_mutex_lock(&f->lock);
	if (f->fail_commits > 0) {
		f->fail_commits--;
		if (f->fail_after_effect) {
			apply_pending(f, epoch);
		}
		rc = f->retryable ? drip_error_set_retryable(err, -EIO, "fake.commit",
							     "the fake sink fails")
				  : drip_error_set(err, -EIO, "fake.commit", "the fake sink fails");
	} else {
		apply_pending(f, epoch);
		f->commits++;
		f->lasts += epoch->last;
		f->last_epoch = epoch->number;
	}
	pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static int sink_abort(void *self, struct drip_error *err)
{
	struct sink_self *s = self;

	pthread_mutex_lock(&s->f->lock);
	s->f->aborts++;
	s->f->pending_count = 0;
	pthread_mutex_unlock(&s->f->lock);
	return 0;
}

static const struct drip_sink_ops sink_ops = {
	.struct_size = sizeof(sink_ops),
	.open = sink_open,
	.close = sink_close,
	.interrupt = sink_interrupt,
	.negotiate = transform_negotiate,
	.positions = sink_positions,
	.write = sink_write,
	.commit = sink_commit,
	.abort = sink_abort,
};

#define SINK(symbol, capabilities)                                                                 \
	const struct drip_component symbol = {                                                     \
		.struct_size = sizeof(symbol),                                                     \
		.kind = DRIP_KIND_SINK,                                                            \
		.name = "fake",                                                                    \
		.caps = (capabilities),                                                            \
		.ops = &sink_ops,                                                                  \
	}

SINK(fake_sink_exact, DRIP_CAP_EXACTLY_ONCE);
SINK(fake_sink_loose, 0);

/* ---- connection ---- */

static int connection_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			   struct drip_error *err)
{
	struct fake_connection *c = (struct fake_connection *)(uintptr_t)config;
	struct drip_error refused = DRIP_ERROR_INIT;

	(void)ctx->host->state_put(ctx, "k", "v", 1, &refused);
	pthread_mutex_lock(&c->lock);
	snprintf(c->state_code, sizeof(c->state_code), "%s", refused.code);
	c->opens++;
	c->open_now++;
	pthread_mutex_unlock(&c->lock);
	*ret_self = c;
	return 0;
}

static void connection_close(void *self)
{
	struct fake_connection *c = self;

	pthread_mutex_lock(&c->lock);
	c->open_now--;
	pthread_mutex_unlock(&c->lock);
}

static const void *connection_interface(void *self, const char *name)
{
	return strcmp(name, "fake") == 0 ? self : NULL;
}

static int connection_ping(void *self, struct drip_error *err)
{
	struct fake_connection *c = self;
	bool fails;

	pthread_mutex_lock(&c->lock);
	c->pings++;
	fails = c->ping_fails;
	pthread_mutex_unlock(&c->lock);
	return fails ? drip_error_set(err, -EIO, "fake.ping", "does not answer") : 0;
}

static const struct drip_connection_ops connection_ops = {
	.struct_size = sizeof(connection_ops),
	.open = connection_open,
	.close = connection_close,
	.interface = connection_interface,
	.ping = connection_ping,
};

const struct drip_component fake_connection_component = {
	.struct_size = sizeof(fake_connection_component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "fake",
	.ops = &connection_ops,
};

const struct drip_component fake_connection_exclusive = {
	.struct_size = sizeof(fake_connection_exclusive),
	.kind = DRIP_KIND_CONNECTION,
	.name = "fake",
	.caps = DRIP_CAP_EXCLUSIVE,
	.ops = &connection_ops,
};
