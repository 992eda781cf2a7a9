/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues between a source's thread and its sinks: first in, first out, bounded in bytes, each by
 * its own limit and all together by a budget of the process. A batch that is larger than either
 * still passes, alone: an empty queue takes anything, so no queue can wait for another for ever.
 * The bytes of a batch count until it is released, that is until the sink has written it. One
 * thread pushes to a queue and one pops; cancel and close may come from any thread.
 */
#ifndef DRIPLINE_ENGINE_QUEUE_H
#define DRIPLINE_ENGINE_QUEUE_H

#include <dripline/dripline.h>
#include <pthread.h>

struct drip_queue_item {
	struct drip_batch *batch; /* NULL: the end of an epoch */
	uint64_t epoch;
	int64_t rows; /* end of an epoch: rows sent to this sink since the start of the run */
};

struct drip_budget {
	pthread_mutex_t lock; /* of the queues too */
	pthread_cond_t space;
	uint64_t limit_bytes, used_bytes, peak_bytes;
};

struct drip_queue_node;

struct drip_queue {
	struct drip_budget *budget;
	pthread_cond_t items;
	struct drip_queue_node *first, *last;
	uint64_t limit_bytes, used_bytes;
	bool closed, cancelled;
};

int drip_budget_init(struct drip_budget *b, uint64_t limit_bytes) DRIP_MUST_CHECK;
void drip_budget_finish(struct drip_budget *b);
void drip_budget_limit(struct drip_budget *b, uint64_t limit_bytes);

int drip_queue_init(struct drip_queue *q, struct drip_budget *budget,
		    uint64_t limit_bytes) DRIP_MUST_CHECK;
void drip_queue_finish(struct drip_queue *q); /* drops what is left in it */
/* Bytes that an item counts for. */
uint64_t drip_queue_item_bytes(const struct drip_queue_item *item);
/* Takes the item's batch, also on failure. Blocks while there is no room for a batch; ends of
 * epochs always pass. -ECANCELED, -ENOMEM. */
int drip_queue_push(struct drip_queue *q, const struct drip_queue_item *item) DRIP_MUST_CHECK;
/* 0 with the item (gives its batch, to be released with drip_queue_release after use); -EAGAIN
 * after `timeout_ms` (negative: waits for ever); -ENODATA: closed and empty; -ECANCELED. */
int drip_queue_pop(struct drip_queue *q, int64_t timeout_ms,
		   struct drip_queue_item *ret) DRIP_MUST_CHECK;
void drip_queue_release(struct drip_queue *q, uint64_t bytes);
void drip_queue_close(struct drip_queue *q);
void drip_queue_cancel(struct drip_queue *q);
uint64_t drip_queue_bytes(struct drip_queue *q);

/* A condition that waits on the monotonic clock, and a wait on it. True: in time. */
int drip_cond_init(pthread_cond_t *cond) DRIP_MUST_CHECK;
bool drip_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms);

#endif
