/* SPDX-License-Identifier: Apache-2.0 */
/* A sink's thread: writes what comes out of its queue, and commits at the end of each epoch. */
#include "base/failpoint.h"
#include "engine/engine_private.h"

#include <errno.h>
#include <stdlib.h>

static struct drip_instance *instance_of(const struct sink_thread *s)
{
	return &s->run->instances[s->stage];
}

static int write_batch(struct sink_thread *s, const struct drip_queue_item *item,
		       struct drip_error *err)
{
	struct drip_instance *i = instance_of(s);
	const struct drip_sink_ops *ops = drip_instance_ops(i);
	int64_t start = drip_mono_us();
	int rc = ops->write(i->self, item->batch, err);

	__atomic_add_fetch(&i->busy_us, drip_mono_us() - start, __ATOMIC_RELAXED);
	s->received += item->batch->rows;
	s->wrote = true;
	return rc;
}

/* What was sent must be what came. */
static int check_rows(const struct sink_thread *s, const struct drip_queue_item *item,
		      struct drip_error *err)
{
	if (item->rows == s->received) {
		return 0;
	}
	return drip_error_set(
		err, -EUCLEAN, "engine.accounting", "sink \"%s\" was sent %lld rows and got %lld",
		instance_of(s)->ctx.stage, (long long)item->rows, (long long)s->received);
}

static int commit_op(struct sink_thread *s, const struct drip_queue_item *item,
		     const struct drip_commit_plan *plan, struct drip_error *err)
{
	struct drip_instance *i = instance_of(s);
	const struct drip_sink_ops *ops = drip_instance_ops(i);
	struct drip_epoch epoch = {
		.struct_size = sizeof(epoch),
		.number = item->epoch,
		.positions = plan->positions,
		.positions_count = plan->positions_count,
		.last = plan->last,
	};
	int64_t start = drip_mono_us();
	int rc = drip_failpoint_hit("engine.before_sink_commit", err);

	if (rc == 0) {
		rc = ops->commit(i->self, &epoch, err);
	}
	__atomic_add_fetch(&i->busy_us, drip_mono_us() - start, __ATOMIC_RELAXED);
	return rc;
}

/* The epoch is durable in this sink: its numbers and state go with the checkpoint. */
static int epoch_done(struct sink_thread *s, uint64_t number, struct drip_error *err)
{
	struct drip_run *run = s->run;
	struct drip_instance *i = instance_of(s);
	struct drip_counts now = drip_counts_load(&i->counts);
	int64_t left_out = __atomic_load_n(&i->left_out, __ATOMIC_RELAXED), out;
	struct epoch_data *data;
	int rc;

	pthread_mutex_lock(&run->lock);
	data = drip_commit_data(run->commit, number);
	data->counts[s->stage].dead = now.dead;
	data->counts[s->stage].filtered += left_out;
	out = s->received - now.dead - left_out;
	data->counts[s->stage].out = out;
	__atomic_store_n(&i->counts.out, out, __ATOMIC_RELAXED);
	rc = drip_state_merge(&data->states, &i->pending, err);
	rc = rc == 0 ? drip_quality_merge(&data->quality, &i->quality, err) : rc;
	if (rc == 0) {
		drip_commit_sink_done(run->commit, s->number, number);
	}
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->lock);
	return rc;
}

static int commit_epoch(struct sink_thread *s, const struct drip_queue_item *item,
			struct drip_error *err)
{
	struct drip_commit_plan plan = {0};
	int rc = check_rows(s, item, err);

	if (rc == 0) {
		rc = drip_letters_store(instance_of(s), err);
	}
	if (rc < 0) {
		return rc;
	}
	pthread_mutex_lock(&s->run->lock);
	rc = drip_commit_plan(s->run->commit, s->number, item->epoch, s->wrote, &plan, err);
	pthread_mutex_unlock(&s->run->lock);
	if (rc == 0 && !plan.skip) {
		rc = commit_op(s, item, &plan, err);
	}
	free(plan.positions);
	if (rc < 0) {
		return rc;
	}
	s->wrote = false;
	/* rows rejected by the commit itself */
	rc = drip_letters_store(instance_of(s), err);
	instance_of(s)->letters.epoch = item->epoch + 1;
	return rc == 0 ? epoch_done(s, item->epoch, err) : rc;
}

static int take(struct sink_thread *s, bool *idle_due, struct drip_error *err)
{
	struct drip_instance *i = instance_of(s);
	const struct drip_sink_ops *ops = drip_instance_ops(i);
	struct drip_queue_item item;
	int rc = drip_queue_pop(&s->queue, *idle_due ? ENGINE_SINK_IDLE_MS : -1, &item);

	if (rc == -EAGAIN) {
		*idle_due = false;
		return ops->idle(i->self, err);
	}
	if (rc < 0) {
		return 1; /* closed or cancelled */
	}
	*idle_due = DRIP_OP_OF(ops, idle) != NULL;
	if (item.batch == NULL) {
		rc = commit_epoch(s, &item, err);
	} else {
		rc = write_batch(s, &item, err);
	}
	drip_queue_release(&s->queue, drip_queue_item_bytes(&item));
	drip_batch_unref(item.batch);
	return rc > 0 ? 0 : rc;
}

void *drip_sink_main(void *data)
{
	struct sink_thread *s = data;
	struct drip_error err = DRIP_ERROR_INIT;
	bool idle_due = false;
	int rc = 0;

	while (rc == 0) {
		rc = take(s, &idle_due, &err);
	}
	if (rc < 0 && !(rc == -ECANCELED && drip_run_aborting(s->run))) {
		err.rc = rc;
		drip_run_fail(s->run, (int32_t)s->stage, &err);
	}
	pthread_mutex_lock(&s->run->lock);
	s->done = true;
	pthread_cond_broadcast(&s->run->changed);
	pthread_mutex_unlock(&s->run->lock);
	return NULL;
}
