/* SPDX-License-Identifier: Apache-2.0 */
/* The training set: the rows of one epoch in the order of their time, cut in two, and copied into
 * batches of the model's features. One thread. */
#include "train.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int no_column(const struct drip_schema *input, const char *name, const char *what,
		     struct drip_error *err)
{
	drip_error_set(err, -EINVAL, "train.no_column", "table %s has no column %s, which is %s",
		       input->table, name, what);
	drip_error_hint(err, "Select it in the query.");
	return -EINVAL;
}

static int add_column(struct drip_schema_builder *b, const struct drip_schema *input,
		      const char *name, const char *what, uint32_t flag, struct drip_error *err)
{
	int index = drip_schema_find(input, name);
	struct drip_column column;

	if (index < 0) {
		return no_column(input, name, what, err);
	}
	column = drip_schema_column_get(input, (uint32_t)index);
	column.name = name;
	column.flags = (column.flags & ~(uint32_t)DRIP_COLUMN_KEY) | flag;
	drip_schema_builder_add(b, &column);
	return 0;
}

int train_schema(const struct drip_model_declaration *d, const struct drip_schema *input,
		 struct drip_schema **ret, struct drip_error *err)
{
	struct drip_schema_builder b;
	int rc = 0;

	drip_schema_builder_init(&b, input->database, input->table);
	for (uint32_t i = 0; i < d->features_count && rc == 0; i++) {
		rc = add_column(&b, input, d->features[i], "a feature", 0, err);
	}
	if (rc == 0 && d->label != NULL) {
		rc = add_column(&b, input, d->label, "the label", DRIP_COLUMN_LABEL, err);
	}
	if (rc < 0) {
		drip_schema_builder_finish(&b);
		return rc;
	}
	return drip_schema_builder_build(&b, ret, err);
}

static double number_of(const struct drip_batch *batch, uint32_t column, int64_t row)
{
	const struct drip_column *c = drip_schema_column(batch->schema, column);
	struct drip_value v;
	__int128 decimal;

	drip_value_get(batch, column, row, &v);
	switch (v.type) {
	case DRIP_TYPE_NONE:
		return NAN;
	case DRIP_TYPE_UINT8:
	case DRIP_TYPE_UINT16:
	case DRIP_TYPE_UINT32:
	case DRIP_TYPE_UINT64:
		return (double)v.u;
	case DRIP_TYPE_FLOAT32:
	case DRIP_TYPE_FLOAT64:
		return v.f;
	case DRIP_TYPE_DECIMAL:
		memcpy(&decimal, v.data, sizeof(decimal));
		return (double)decimal / pow(10, c->scale);
	default:
		return drip_type_is_variable(v.type) ? (double)NAN : (double)v.i;
	}
}

static int by_time(const void *a, const void *b)
{
	const struct train_row *x = a, *y = b;

	if (x->time != y->time) {
		return x->time < y->time ? -1 : 1;
	}
	return x->batch != y->batch ? (x->batch > y->batch) - (x->batch < y->batch)
				    : (x->row > y->row) - (x->row < y->row);
}

/* Rows of one time stay together: the cut moves down to where its time begins, or, where that is
 * the very first row, up to where it ends. */
static size_t cut_at(const struct train_set *s, double hold_out)
{
	size_t cut = s->count - (size_t)(hold_out * (double)s->count);
	size_t begin = cut, end = cut;

	if (!s->has_time || cut == 0 || cut == s->count) {
		return cut;
	}
	while (begin > 0 && s->rows[begin - 1].time == s->rows[cut].time) {
		begin--;
	}
	while (end < s->count && s->rows[end].time == s->rows[cut].time) {
		end++;
	}
	return begin > 0 ? begin : end < s->count ? end : cut;
}

static int collect_rows(struct train_set *s, const struct train_config *config,
			struct drip_error *err)
{
	int time = -1;
	size_t at = 0;

	if (config->time != NULL) {
		time = drip_schema_find(s->batches[0]->schema, config->time);
		if (time < 0) {
			return no_column(s->batches[0]->schema, config->time, "the time", err);
		}
	}
	s->has_time = time >= 0;
	for (size_t i = 0; i < s->batches_count; i++) {
		for (int64_t row = 0; row < s->batches[i]->rows; row++) {
			double t = time >= 0 ? number_of(s->batches[i], (uint32_t)time, row)
					     : (double)at;

			/* rows without a time are taken for the oldest */
			s->rows[at++] = (struct train_row){isnan(t) ? -INFINITY : t, (uint32_t)i,
							   (uint32_t)row};
		}
	}
	return 0;
}

int train_set_make(struct train_set *s, const struct drip_batch **batches, size_t count,
		   const struct train_config *config, struct drip_error *err)
{
	int rc;

	*s = (struct train_set){.batches = batches, .batches_count = count};
	for (size_t i = 0; i < count; i++) {
		s->count += (size_t)batches[i]->rows;
	}
	s->rows = malloc((s->count + 1) * sizeof(*s->rows));
	if (s->rows == NULL) {
		return drip_error_nomem(err, s->count * sizeof(*s->rows));
	}
	rc = collect_rows(s, config, err);
	if (rc < 0) {
		train_set_finish(s);
		return rc;
	}
	qsort(s->rows, s->count, sizeof(*s->rows), by_time);
	s->train = cut_at(s, config->hold_out);
	s->time_from = s->rows[0].time;
	s->time_to = s->rows[s->count - 1].time;
	s->time_cut = s->train < s->count ? s->rows[s->train].time : (double)NAN;
	return 0;
}

void train_set_finish(struct train_set *s)
{
	free(s->rows);
	s->rows = NULL;
}

/* ---- parts ---- */

static void append(struct drip_column_builder *c, const struct ArrowArray *column, int64_t row)
{
	int64_t i = column->offset + row;

	if (drip_is_null(column, row)) {
		drip_append_null(c);
	} else if (drip_type_is_variable(c->type)) {
		const int32_t *offsets = (const int32_t *)column->buffers[1] + i;

		drip_append_bytes(c, (const char *)column->buffers[2] + offsets[0],
				  offsets[1] - offsets[0]);
	} else if (c->type == DRIP_TYPE_BOOL) {
		const uint8_t *bits = column->buffers[1];

		drip_append_bool(c, (bits[i >> 3] >> (i & 7)) & 1);
	} else {
		drip_append_fixed(c, (const char *)column->buffers[1] + (size_t)i * c->width);
	}
}

static int copy_rows(const struct train_set *s, size_t begin, size_t end,
		     const struct drip_schema *schema, const uint32_t *columns,
		     struct drip_batch **ret, struct drip_error *err)
{
	struct drip_builder b;
	int rc = drip_builder_init(&b, schema, err);

	if (rc < 0) {
		return rc;
	}
	for (size_t i = begin; i < end; i++) {
		const struct drip_batch *batch = s->batches[s->rows[i].batch];

		for (uint32_t j = 0; j < schema->columns_count; j++) {
			append(&b.columns[j], batch->array.children[columns[j]], s->rows[i].row);
		}
		drip_builder_row(&b, DRIP_OP_READ);
	}
	rc = drip_builder_build(&b, ret, err);
	drip_builder_finish(&b);
	return rc;
}

int train_part_make(const struct train_set *s, size_t begin, size_t end,
		    const struct drip_schema *schema, struct train_part *ret,
		    struct drip_error *err)
{
	uint32_t *columns = calloc((size_t)schema->columns_count + 1, sizeof(*columns));
	int rc = 0;

	*ret = (struct train_part){.rows = end - begin};
	ret->items = calloc((end - begin) / TRAIN_BATCH_ROWS + 2, sizeof(struct drip_batch *));
	if (columns == NULL || ret->items == NULL) {
		free(columns);
		train_part_finish(ret);
		return drip_error_nomem(err, schema->columns_count * sizeof(*columns));
	}
	for (uint32_t j = 0; j < schema->columns_count; j++) {
		columns[j] = (uint32_t)drip_schema_find(s->batches[0]->schema,
							drip_schema_column(schema, j)->name);
	}
	while (begin < end && rc == 0) {
		size_t stop = end - begin > TRAIN_BATCH_ROWS ? begin + TRAIN_BATCH_ROWS : end;

		rc = copy_rows(s, begin, stop, schema, columns, &ret->items[ret->count], err);
		ret->count += rc == 0;
		begin = stop;
	}
	free(columns);
	if (rc < 0) {
		train_part_finish(ret);
	}
	return rc;
}

void train_part_finish(struct train_part *p)
{
	for (size_t i = 0; i < p->count; i++) {
		drip_batch_unref(p->items[i]);
	}
	free(p->items);
	memset(p, 0, sizeof(*p));
}

int train_part_column(const struct train_part *p, const char *name, double **ret,
		      struct drip_error *err)
{
	double *values = malloc((p->rows + 1) * sizeof(*values));
	size_t at = 0;

	if (values == NULL) {
		return drip_error_nomem(err, p->rows * sizeof(*values));
	}
	for (size_t i = 0; i < p->count; i++) {
		int column = drip_schema_find(p->items[i]->schema, name);

		if (column < 0) {
			free(values);
			return no_column(p->items[i]->schema, name, "measured by", err);
		}
		for (int64_t row = 0; row < p->items[i]->rows; row++) {
			values[at++] = number_of(p->items[i], (uint32_t)column, row);
		}
	}
	*ret = values;
	return 0;
}
