/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rejected rows: the stage's on_error policy, and dead letters. Letters are held back and stored
 * together, at the latest before the epoch of their rows is committed, so that a row is either
 * replayed or in the store. Each instance's letters belong to the instance's thread.
 */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/engine_private.h"

#include <dripline/text.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void letter_finish(struct drip_dead_letter *l)
{
	free((char *)(uintptr_t)l->table);
	free((char *)(uintptr_t)l->code);
	free((char *)(uintptr_t)l->reason);
	free((char *)(uintptr_t)l->row_json);
	free((char *)(uintptr_t)l->schema_json);
}

void drip_letters_finish(struct drip_instance *i)
{
	for (size_t k = 0; k < i->letters.count; k++) {
		letter_finish(&i->letters.items[k]);
	}
	free(i->letters.items);
	i->letters = (struct drip_letters){0};
}

int drip_letters_store(struct drip_instance *i, struct drip_error *err)
{
	const struct drip_durable *durable = i->engine->options.durable;
	int rc;

	if (i->letters.count == 0) {
		return 0;
	}
	rc = durable->dead_letter_put(durable->self, i->letters.items, i->letters.count, err);
	if (rc < 0) {
		return rc;
	}
	for (size_t k = 0; k < i->letters.count; k++) {
		letter_finish(&i->letters.items[k]);
	}
	i->letters.count = 0;
	return 0;
}

/* (gives) the row as JSON; NULL: no memory. */
static char *row_json(const struct drip_batch *batch, int64_t row)
{
	struct drip_text text = {0};

	drip_text_json_row(&text, batch, row, NULL);
	drip_text_put(&text, "", 1);
	if (text.rc < 0) {
		drip_text_finish(&text);
		return NULL;
	}
	return text.data;
}

static int letter_make(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
		       const struct drip_error *reason, struct drip_dead_letter *l,
		       struct drip_error *err)
{
	char table[2 * DRIP_NAME_MAX + 2];
	char *schema = NULL;
	int rc = drip_schema_to_json(batch->schema, &schema, err);

	if (rc < 0) {
		return rc;
	}
	snprintf(table, sizeof(table), "%s%s%s", batch->schema->database,
		 batch->schema->database[0] != '\0' ? "." : "", batch->schema->table);
	*l = (struct drip_dead_letter){
		.pipeline = i->ctx.pipeline,
		.stage = i->ctx.stage,
		.table = drip_strdup(table),
		.code = drip_strdup(reason->code),
		.reason = drip_strdup(reason->message),
		.row_json = row_json(batch, row),
		.schema_json = schema,
		.op = (char)drip_batch_op(batch, row),
		.position = batch->position,
		.wall_us = drip_clock_wall_us(),
	};
	if (l->table == NULL || l->code == NULL || l->reason == NULL || l->row_json == NULL) {
		letter_finish(l);
		return drip_error_nomem(err, sizeof(table));
	}
	return 0;
}

static int dead_letter(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
		       const struct drip_error *reason, struct drip_error *err)
{
	int rc;

	if (i->letters.items == NULL) {
		i->letters.items = drip_calloc(ENGINE_LETTERS_MAX, sizeof(*i->letters.items));
		if (i->letters.items == NULL) {
			return drip_error_nomem(err,
						ENGINE_LETTERS_MAX * sizeof(*i->letters.items));
		}
	}
	rc = letter_make(i, batch, row, reason, &i->letters.items[i->letters.count], err);
	if (rc < 0) {
		return rc;
	}
	__atomic_add_fetch(&i->counts.dead, 1, __ATOMIC_RELAXED);
	if (++i->letters.count == ENGINE_LETTERS_MAX) {
		return drip_letters_store(i, err);
	}
	return 0;
}

int drip_letters_reject(struct drip_instance *i, const struct drip_batch *batch, int64_t row,
			const struct drip_error *reason, struct drip_error *err)
{
	int rc = reason->rc < 0 ? reason->rc : -EINVAL;

	if (i->stage == NULL || batch->schema == NULL || row < 0 || row >= batch->rows) {
		return drip_error_set(err, -EINVAL, "engine.bad_reject",
				      "a stage rejected row %lld of a batch of %lld",
				      (long long)row, (long long)batch->rows);
	}
	switch (i->stage->on_error) {
	case DRIP_ON_ERROR_DEAD_LETTER:
		return dead_letter(i, batch, row, reason, err);
	case DRIP_ON_ERROR_SKIP:
		drip_counts_filtered(i, 1);
		i->skipped++;
		if ((i->skipped & (i->skipped - 1)) == 0) { /* the 1st, 2nd, 4th, 8th, ... */
			drip_logger_event(DRIP_LOG_WARNING, i->ctx.pipeline, i->ctx.stage, reason,
					  "a row was skipped, as on_error says; %llu so far",
					  (unsigned long long)i->skipped);
		}
		return 0;
	case DRIP_ON_ERROR_STOP:
		break;
	}
	if (err != NULL) {
		*err = *reason;
		err->rc = rc;
		if (err->place[0] == '\0') {
			drip_error_place(err, "%s.%s at %s", batch->schema->database,
					 batch->schema->table, batch->position.text);
		}
		if (err->hint[0] == '\0') {
			drip_error_hint(err, "Correct the row, or set on_error: dead-letter.");
		}
	}
	return rc;
}
