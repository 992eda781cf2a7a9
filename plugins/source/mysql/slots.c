/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots: the tables being read, with the rows that wait in their builders. Rows of several tables
 * wait side by side, so a flush emits several batches; only the last of them may be a boundary, and
 * it stands where all of them end.
 */
#include "source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct drip_my_slot *drip_my_slot_get(struct drip_my_source *s, const char *database,
				      const char *name)
{
	struct drip_my_slot *slot;

	for (slot = s->slots; slot != NULL; slot = slot->next) {
		if (strcmp(slot->name, name) == 0 && strcmp(slot->database, database) == 0) {
			return slot;
		}
	}
	slot = calloc(1, sizeof(*slot));
	if (slot == NULL) {
		return NULL;
	}
	slot->database = strdup(database);
	slot->name = strdup(name);
	if (slot->database == NULL || slot->name == NULL) {
		free(slot->database);
		free(slot->name);
		free(slot);
		return NULL;
	}
	slot->next = s->slots;
	s->slots = slot;
	return slot;
}

static void slot_clear(struct drip_my_slot *slot)
{
	drip_builder_finish(&slot->builder);
	memset(&slot->builder, 0, sizeof(slot->builder));
	drip_schema_unref(slot->schema);
	drip_my_table_destroy(slot->table);
	free(slot->out);
	slot->schema = NULL;
	slot->table = NULL;
	slot->out = NULL;
}

void drip_my_slots_finish(struct drip_my_source *s)
{
	while (s->slots != NULL) {
		struct drip_my_slot *slot = s->slots;

		s->slots = slot->next;
		slot_clear(slot);
		free(slot->database);
		free(slot->name);
		free(slot);
	}
	s->pending_rows = 0;
}

/* (gives) `text` of the server's as drip_value_format writes the value; NULL: it is none. */
static char *format_value(const struct drip_column *column, const char *text)
{
	struct drip_builder rows = {.rows = 0};
	struct drip_schema *schema = NULL;
	struct drip_batch *batch = NULL;
	struct drip_schema_builder b;
	struct drip_value value;
	char *formatted = NULL;
	int n;

	drip_schema_builder_init(&b, "", "");
	drip_schema_builder_add(&b, column);
	if (drip_schema_builder_build(&b, &schema, NULL) != 0) {
		return NULL;
	}
	if (drip_builder_init(&rows, schema, NULL) == 0 &&
	    drip_append_text(&rows.columns[0], column, text, (int64_t)strlen(text), NULL) == 0) {
		drip_builder_row(&rows, DRIP_OP_READ);
		if (drip_builder_build(&rows, &batch, NULL) == 0) {
			drip_value_get(batch, 0, 0, &value);
			n = drip_value_format(&value, column, NULL, 0);
			formatted = malloc((size_t)n + 1);
			if (formatted != NULL) {
				drip_value_format(&value, column, formatted, (size_t)n + 1);
			}
			drip_batch_unref(batch);
		}
	}
	drip_builder_finish(&rows);
	drip_schema_unref(schema);
	return formatted;
}

/* A date that does not exist, and is given as null. */
static bool is_no_date(const struct drip_my_source *s, const struct drip_my_column *c)
{
	return s->values.zero != DRIP_MY_ZERO_TEXT &&
	       (c->kind == DRIP_MY_DATE || c->kind == DRIP_MY_DATETIME ||
		c->kind == DRIP_MY_TIMESTAMP) &&
	       strncmp(c->fill, "0000-00-00", 10) == 0;
}

/* (gives) what older rows hold in a column that was added, or NULL. */
static char *fill_of(const struct drip_my_source *s, const struct drip_my_column *c,
		     const struct drip_column *column)
{
	return c->fill == NULL || is_no_date(s, c) ? NULL : format_value(column, c->fill);
}

bool drip_my_is_unfilled(const struct drip_my_source *s, const struct drip_my_table *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct drip_my_column *c = &t->columns[i];
		struct drip_column column;
		char *fill;

		if (c->fill != NULL ? is_no_date(s, c) : !c->unfilled) {
			continue;
		}
		drip_my_type_column(c, s->values.zero, &column);
		fill = fill_of(s, c, &column);
		free(fill);
		if (fill == NULL) {
			return true;
		}
	}
	return false;
}

static int add_column(const struct drip_my_source *s, const struct drip_my_table *t,
		      const struct drip_my_column *c, struct drip_schema_builder *b,
		      struct drip_error *err)
{
	struct drip_column column;
	char text[256], *large = NULL, *fill;
	int n = drip_my_type_text(c, text, sizeof(text));

	drip_my_type_column(c, s->values.zero, &column);
	column.source_type = text;
	column.classification = DRIP_CLASS_INTERNAL;
	if ((size_t)n >= sizeof(text)) { /* an ENUM with many values */
		large = malloc((size_t)n + 1);
		if (large == NULL) {
			return drip_error_nomem(err, (size_t)n + 1);
		}
		drip_my_type_text(c, large, (size_t)n + 1);
		column.source_type = large;
	}
	column.fill = fill = fill_of(s, c, &column);
	column.renamed_from = c->renamed_from;
	drip_schema_builder_add(b, &column);
	free(fill);
	free(large);
	return 0;
}

int drip_my_schema_make(const struct drip_my_source *s, const struct drip_my_table *t,
			uint32_t *out, struct drip_schema **ret, struct drip_error *err)
{
	struct drip_schema_builder b;
	uint32_t count = 0;

	drip_schema_builder_init(&b, t->database, t->name);
	b.version = t->version;
	for (uint32_t i = 0; i < t->count; i++) {
		const struct drip_my_column *c = &t->columns[i];
		bool wanted = c->key != 0 || s->column_wanted == NULL ||
			      s->column_wanted(&s->wanted, t->database, t->name, c->name);

		if (out != NULL) {
			out[i] = wanted ? count : UINT32_MAX;
		}
		if (!wanted) {
			continue;
		}
		if (add_column(s, t, c, &b, err) != 0) {
			drip_schema_builder_finish(&b);
			return -ENOMEM;
		}
		count++;
	}
	return drip_schema_builder_build(&b, ret, err);
}

/* All rows that wait are of ended transactions: a sink may commit before what follows. */
static bool between_transactions(const struct drip_my_source *s)
{
	return s->at.phase == DRIP_MY_PHASE_LOG && s->at.row == 0;
}

int drip_my_slot_set(struct drip_my_source *s, struct drip_my_slot *slot,
		     const struct drip_my_table *t, struct drip_error *err)
{
	int rc = slot->builder.rows > 0 ? drip_my_flush(s, between_transactions(s), err) : 0;

	if (rc != 0) {
		return rc;
	}
	slot_clear(slot);
	slot->changes++;
	slot->table = drip_my_table_copy(t);
	slot->out = calloc(t->count, sizeof(*slot->out));
	if (slot->table == NULL || slot->out == NULL) {
		return drip_error_nomem(err, t->count * sizeof(*slot->out));
	}
	rc = drip_my_schema_make(s, slot->table, slot->out, &slot->schema, err);
	if (rc == 0) {
		rc = drip_builder_init(&slot->builder, slot->schema, err);
	}
	if (rc == 0) {
		rc = drip_my_emit_control(s, DRIP_BATCH_SCHEMA, slot->schema, false, err);
	}
	return rc;
}

void drip_my_slot_appended(struct drip_my_source *s, struct drip_my_slot *slot, int64_t before)
{
	int64_t rows = slot->builder.rows;

	if (rows == before) {
		return;
	}
	if (before == 0) {
		slot->first = ++s->first_next;
	}
	if (s->pending_rows == 0) {
		s->pending_since_ns = s->ctx->host->now_ns(s->ctx);
	}
	s->pending_rows += (uint64_t)(rows - before);
	if (rows >= s->options->batch_rows ||
	    drip_builder_bytes(&slot->builder) >= s->options->batch_bytes.bytes ||
	    s->pending_rows >= 2 * (uint64_t)s->options->batch_rows) {
		s->flush_due = true;
	}
}

static struct drip_my_slot *first_pending(struct drip_my_source *s)
{
	struct drip_my_slot *first = NULL;

	for (struct drip_my_slot *slot = s->slots; slot != NULL; slot = slot->next) {
		if (slot->builder.rows > 0 && (first == NULL || slot->first < first->first)) {
			first = slot;
		}
	}
	return first;
}

/* Emits one slot. Its batch ends at s->at where it is the last one, otherwise `given` rows behind
 * what was emitted before. */
static int emit_slot(struct drip_my_source *s, struct drip_my_slot *slot, bool last, bool boundary,
		     uint64_t given, struct drip_error *err)
{
	struct drip_batch *batch;
	int rc = drip_builder_build(&slot->builder, &batch, err);

	if (rc != 0) {
		return rc;
	}
	batch->boundary = last && boundary && s->refills_due == 0;
	batch->snapshot = s->at.phase == DRIP_MY_PHASE_SNAPSHOT;
	batch->commit_time_us = s->commit_time_us;
	if (last) {
		drip_my_position_encode(&s->at, &batch->position);
	} else {
		struct drip_my_position between = s->emitted;

		between.row += given;
		drip_my_position_encode(&between, &batch->position);
	}
	s->batches++;
	return drip_emit(s->ctx, batch, err);
}

int drip_my_flush(struct drip_my_source *s, bool boundary, struct drip_error *err)
{
	uint64_t left = s->pending_rows, given = 0;
	struct drip_my_slot *slot;

	while ((slot = first_pending(s)) != NULL) {
		uint64_t rows = (uint64_t)slot->builder.rows;
		int rc;

		left -= rows < left ? rows : left;
		given += rows;
		rc = emit_slot(s, slot, left == 0, boundary, given, err);
		if (rc != 0) {
			return rc;
		}
	}
	if (given > 0) {
		s->emitted = s->at;
	}
	s->pending_rows = 0;
	s->flush_due = false;
	return 0;
}

int drip_my_emit_control(struct drip_my_source *s, enum drip_batch_kind kind,
			 const struct drip_schema *schema, bool boundary, struct drip_error *err)
{
	struct drip_batch *batch;
	int rc = s->pending_rows > 0 ? drip_my_flush(s, between_transactions(s), err) : 0;

	if (rc == 0) {
		rc = drip_batch_create_control(kind, schema, &batch, err);
	}
	if (rc != 0) {
		return rc;
	}
	batch->boundary = boundary && s->refills_due == 0;
	batch->snapshot = s->at.phase == DRIP_MY_PHASE_SNAPSHOT;
	batch->commit_time_us = s->commit_time_us;
	drip_my_position_encode(&s->at, &batch->position);
	s->emitted = s->at;
	s->batches++;
	return drip_emit(s->ctx, batch, err);
}

int drip_my_check_cuts(struct drip_my_source *s, struct drip_error *err)
{
	struct drip_position here;
	bool reached = false;

	if (s->cuts_count == 0) {
		return 0;
	}
	drip_my_position_encode(&s->at, &here);
	while (s->cuts_count > 0 && drip_position_compare(&here, &s->cuts[0]) >= 0) {
		reached = true;
		s->cuts_count--;
		memmove(s->cuts, s->cuts + 1, s->cuts_count * sizeof(*s->cuts));
	}
	return reached ? drip_my_flush(s, true, err) : 0;
}

int drip_my_store_catalog(struct drip_my_source *s, struct drip_error *err)
{
	size_t size;
	void *data;
	int rc;

	if (!s->catalog.changed) {
		return 0;
	}
	rc = drip_my_catalog_save(&s->catalog, &data, &size, err);
	if (rc != 0) {
		return rc;
	}
	rc = s->ctx->host->state_put(s->ctx, "tables", data, size, err);
	free(data);
	s->catalog.changed = rc != 0;
	return rc;
}
