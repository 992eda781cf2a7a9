/* SPDX-License-Identifier: Apache-2.0 */
/* Drives instances through their ops as the host does, and hands out what came of it. */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLLS_MAX       1000000
#define POLL_TIMEOUT_MS 100

int drip_harness_start(struct drip_instance *i, const struct drip_position *from,
		       struct drip_error *err)
{
	const struct drip_wanted wanted = {.struct_size = sizeof(wanted)};
	const struct drip_start start = {
		.struct_size = sizeof(start),
		.from = from,
		.from_count = from != NULL,
		.wanted = &wanted,
	};
	int rc;

	if (i->component->kind == DRIP_KIND_SERVICE) {
		rc = ((const struct drip_service_ops *)i->component->ops)->start(i->self, err);
	} else {
		rc = ((const struct drip_source_ops *)i->component->ops)
			     ->start(i->self, &start, err);
	}
	i->started = rc == 0;
	return rc;
}

int drip_harness_poll(struct drip_instance *i, enum drip_poll until, struct drip_error *err)
{
	const struct drip_source_ops *ops = (const struct drip_source_ops *)i->component->ops;

	for (int n = 0; n < POLLS_MAX; n++) {
		int rc = ops->poll(i->self, POLL_TIMEOUT_MS, err);

		if (rc < 0 || rc == DRIP_POLL_END || rc == (int)until) {
			return rc;
		}
	}
	return drip_error_set(err, -ETIMEDOUT, "harness.poll",
			      "the source neither caught up nor ended in %d polls", POLLS_MAX);
}

int drip_harness_process(struct drip_instance *i, struct drip_batch *batch, struct drip_error *err)
{
	if (batch->sequence == 0) {
		batch->sequence = ++i->harness->sequence;
	}
	return ((const struct drip_transform_ops *)i->component->ops)->process(i->self, batch, err);
}

int drip_harness_flush(struct drip_instance *i, struct drip_error *err)
{
	const struct drip_transform_ops *ops = (const struct drip_transform_ops *)i->component->ops;

	return ops->flush != NULL ? ops->flush(i->self, err) : 0;
}

int drip_harness_negotiate(struct drip_instance *i, const struct drip_schema *input,
			   struct drip_negotiated *ret, struct drip_error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->struct_size = sizeof(*ret);
	switch (i->component->kind) {
	case DRIP_KIND_TRANSFORM:
		return ((const struct drip_transform_ops *)i->component->ops)
			->negotiate(&i->ctx, i->config, input, ret, err);
	case DRIP_KIND_SINK:
		return ((const struct drip_sink_ops *)i->component->ops)
			->negotiate(&i->ctx, i->config, input, ret, err);
	case DRIP_KIND_MODEL:
		return ((const struct drip_model_ops *)i->component->ops)
			->negotiate(&i->ctx, i->config, input, ret, err);
	default:
		harness_die("%s does not negotiate", i->component->name);
	}
}

void drip_harness_negotiated_finish(struct drip_negotiated *n)
{
	drip_schema_unref(n->output);
	free(n->edges);
	n->output = NULL;
	n->edges = NULL;
	n->edges_count = 0;
}

int drip_harness_write(struct drip_instance *i, struct drip_batch *batch, struct drip_error *err)
{
	int rc;

	if (batch->sequence == 0) {
		batch->sequence = ++i->harness->sequence;
	}
	rc = ((const struct drip_sink_ops *)i->component->ops)->write(i->self, batch, err);
	drip_batch_unref(batch);
	return rc;
}

int drip_harness_commit(struct drip_instance *i, const struct drip_position *position,
			struct drip_error *err)
{
	const struct drip_sink_ops *ops = (const struct drip_sink_ops *)i->component->ops;
	const struct drip_epoch epoch = {
		.struct_size = sizeof(epoch),
		.number = ++i->epoch,
		.positions = position,
		.positions_count = position != NULL,
	};
	int rc = ops->commit(i->self, &epoch, err);

	if (rc < 0) {
		struct drip_error second = DRIP_ERROR_INIT;
		int abort_rc = ops->abort(i->self, &second);

		if (abort_rc < 0) {
			printf("# harness: abort failed too: %s\n", second.message);
		}
	}
	return rc;
}

int drip_harness_abort(struct drip_instance *i, struct drip_error *err)
{
	return ((const struct drip_sink_ops *)i->component->ops)->abort(i->self, err);
}

/* ---- what came out ---- */

size_t drip_harness_batches_count(const struct drip_harness *h)
{
	return h->batches_count;
}

const struct drip_batch *drip_harness_batch(const struct drip_harness *h, size_t index)
{
	if (index >= h->batches_count) {
		harness_die("no batch %zu was emitted, only %zu", index, h->batches_count);
	}
	return h->batches[index];
}

int64_t drip_harness_rows(const struct drip_harness *h)
{
	int64_t rows = 0;

	for (size_t i = 0; i < h->batches_count; i++) {
		rows += h->batches[i]->rows;
	}
	return rows;
}

size_t drip_harness_rejects_count(const struct drip_harness *h)
{
	return h->rejects_count;
}

const struct drip_error *drip_harness_reject(const struct drip_harness *h, size_t index,
					     const struct drip_batch **ret_row)
{
	if (index >= h->rejects_count) {
		harness_die("no row %zu was rejected, only %zu", index, h->rejects_count);
	}
	if (ret_row != NULL) {
		*ret_row = h->rejects[index].row;
	}
	return &h->rejects[index].reason;
}

int64_t drip_harness_filtered(const struct drip_harness *h)
{
	return h->filtered;
}

void drip_harness_clear(struct drip_harness *h)
{
	for (size_t i = 0; i < h->batches_count; i++) {
		drip_batch_unref(h->batches[i]);
	}
	for (size_t i = 0; i < h->rejects_count; i++) {
		drip_batch_unref(h->rejects[i].row);
	}
	h->batches_count = h->rejects_count = 0;
	h->filtered = 0;
	drip_text_clear(&h->logs);
}

const char *drip_harness_findings(struct drip_harness *h)
{
	drip_text_put(&h->findings, "", 1);
	h->findings.size--; /* the NUL is not part of it */
	return h->findings.data;
}

/* ---- the world ---- */

void drip_harness_stop(struct drip_harness *h, bool stopping)
{
	__atomic_store_n(&h->stopping, stopping, __ATOMIC_RELEASE);
}

void drip_harness_set_memory(struct drip_harness *h, uint64_t bytes)
{
	h->memory = bytes;
}

void drip_harness_set_reject_stops(struct drip_harness *h, bool stops)
{
	h->reject_stops = stops;
}

void drip_harness_arm(struct drip_harness *h, const char *failpoint, int hit)
{
	free(h->armed);
	h->armed = failpoint != NULL ? harness_copy(failpoint) : NULL;
	h->armed_hits = hit;
}

const char *drip_harness_dir(struct drip_harness *h)
{
	const char *base = getenv("TMPDIR");
	char path[512];

	if (h->dir == NULL) {
		snprintf(path, sizeof(path), "%s/dripline-test-XXXXXX",
			 base != NULL ? base : "/tmp");
		if (mkdtemp(path) == NULL) {
			harness_die("could not make %s: %s", path, strerror(errno));
		}
		h->dir = harness_copy(path);
	}
	return h->dir;
}

void drip_harness_set_control(struct drip_harness *h,
			      int (*control)(const char *method, const char *arguments_json,
					     char **ret_text, struct drip_error *err, void *data),
			      void *data)
{
	h->control = control;
	h->control_data = data;
}

void drip_harness_set_on_emit(struct drip_harness *h,
			      int (*on_emit)(const struct drip_batch *batch, struct drip_error *err,
					     void *data),
			      void *data)
{
	h->on_emit = on_emit;
	h->on_emit_data = data;
}

void drip_harness_set_on_failpoint(struct drip_harness *h,
				   void (*on_failpoint)(const char *name, void *data), void *data)
{
	h->on_failpoint = on_failpoint;
	h->on_failpoint_data = data;
}
