/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte-bounded queues under one lock, the budget's. A pusher waits on the budget's condition, since
 * room may come from any queue; it always proceeds when its own queue is empty, and each release
 * wakes it, so it cannot sleep through the moment.
 */
#include "engine/queue.h"
#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define ITEM_BYTES_MIN 256 /* what an item without rows counts for */

struct drip_queue_node {
	struct drip_queue_node *next;
	struct drip_queue_item item;
};

int drip_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int rc = pthread_condattr_init(&attr);

	if (rc == 0) {
		(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
		rc = pthread_cond_init(cond, &attr);
		pthread_condattr_destroy(&attr);
	}
	return -rc;
}

bool drip_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t timeout_ms)
{
	struct timespec until;

	if (timeout_ms < 0) {
		pthread_cond_wait(cond, lock);
		return true;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (timeout_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	return pthread_cond_timedwait(cond, lock, &until) == 0;
}

int drip_budget_init(struct drip_budget *b, uint64_t limit_bytes)
{
	int rc;

	*b = (struct drip_budget){.limit_bytes = limit_bytes};
	rc = -pthread_mutex_init(&b->lock, NULL);
	if (rc < 0) {
		return rc;
	}
	rc = drip_cond_init(&b->space);
	if (rc < 0) {
		pthread_mutex_destroy(&b->lock);
	}
	return rc;
}

void drip_budget_finish(struct drip_budget *b)
{
	pthread_cond_destroy(&b->space);
	pthread_mutex_destroy(&b->lock);
}

void drip_budget_limit(struct drip_budget *b, uint64_t limit_bytes)
{
	pthread_mutex_lock(&b->lock);
	b->limit_bytes = limit_bytes;
	pthread_cond_broadcast(&b->space);
	pthread_mutex_unlock(&b->lock);
}

int drip_queue_init(struct drip_queue *q, struct drip_budget *budget, uint64_t limit_bytes)
{
	*q = (struct drip_queue){.budget = budget, .limit_bytes = limit_bytes};
	return drip_cond_init(&q->items);
}

void drip_queue_finish(struct drip_queue *q)
{
	while (q->first != NULL) {
		struct drip_queue_node *node = q->first;

		q->first = node->next;
		drip_queue_release(q, drip_queue_item_bytes(&node->item));
		drip_batch_unref(node->item.batch);
		free(node);
	}
	pthread_cond_destroy(&q->items);
}

uint64_t drip_queue_item_bytes(const struct drip_queue_item *item)
{
	uint64_t bytes = item->batch != NULL ? item->batch->bytes : 0;

	return bytes > ITEM_BYTES_MIN ? bytes : ITEM_BYTES_MIN;
}

static bool fits(const struct drip_queue *q, uint64_t bytes)
{
	const struct drip_budget *b = q->budget;

	return q->used_bytes == 0 ||
	       (q->used_bytes + bytes <= q->limit_bytes && b->used_bytes + bytes <= b->limit_bytes);
}

int drip_queue_push(struct drip_queue *q, const struct drip_queue_item *item)
{
	struct drip_queue_node *node = drip_malloc(sizeof(*node));
	struct drip_budget *b = q->budget;
	uint64_t bytes = drip_queue_item_bytes(item);
	bool cancelled;

	if (node == NULL) {
		drip_batch_unref(item->batch);
		return -ENOMEM;
	}
	*node = (struct drip_queue_node){.item = *item};
	pthread_mutex_lock(&b->lock);
	while (item->batch != NULL && !q->cancelled && !fits(q, bytes)) {
		pthread_cond_wait(&b->space, &b->lock);
	}
	cancelled = q->cancelled;
	if (!cancelled) {
		q->used_bytes += bytes;
		b->used_bytes += bytes;
		b->peak_bytes = b->used_bytes > b->peak_bytes ? b->used_bytes : b->peak_bytes;
		if (q->last != NULL) {
			q->last->next = node;
		} else {
			q->first = node;
		}
		q->last = node;
		pthread_cond_signal(&q->items);
	}
	pthread_mutex_unlock(&b->lock);
	if (cancelled) {
		drip_batch_unref(item->batch);
		free(node);
		return -ECANCELED;
	}
	return 0;
}

int drip_queue_pop(struct drip_queue *q, int64_t timeout_ms, struct drip_queue_item *ret)
{
	struct drip_queue_node *node = NULL;
	bool in_time = true;
	int rc = 0;

	pthread_mutex_lock(&q->budget->lock);
	while (q->first == NULL && !q->cancelled && !q->closed && in_time) {
		in_time = drip_cond_wait(&q->items, &q->budget->lock, timeout_ms);
	}
	if (q->cancelled) {
		rc = -ECANCELED;
	} else if (q->first != NULL) {
		node = q->first;
		q->first = node->next;
		q->last = q->first != NULL ? q->last : NULL;
	} else {
		rc = q->closed ? -ENODATA : -EAGAIN;
	}
	pthread_mutex_unlock(&q->budget->lock);
	if (node != NULL) {
		*ret = node->item;
		free(node);
	}
	return rc;
}

void drip_queue_release(struct drip_queue *q, uint64_t bytes)
{
	pthread_mutex_lock(&q->budget->lock);
	q->used_bytes -= bytes;
	q->budget->used_bytes -= bytes;
	pthread_cond_broadcast(&q->budget->space);
	pthread_mutex_unlock(&q->budget->lock);
}

static void wake(struct drip_queue *q, bool *flag)
{
	pthread_mutex_lock(&q->budget->lock);
	*flag = true;
	pthread_cond_broadcast(&q->items);
	pthread_cond_broadcast(&q->budget->space);
	pthread_mutex_unlock(&q->budget->lock);
}

void drip_queue_close(struct drip_queue *q)
{
	wake(q, &q->closed);
}

void drip_queue_cancel(struct drip_queue *q)
{
	wake(q, &q->cancelled);
}

uint64_t drip_queue_bytes(struct drip_queue *q)
{
	uint64_t bytes;

	pthread_mutex_lock(&q->budget->lock);
	bytes = q->used_bytes;
	pthread_mutex_unlock(&q->budget->lock);
	return bytes;
}
