/* SPDX-License-Identifier: Apache-2.0 */
/* The checks, column by column. Nulls pass all of them but not_null. */
#include "quality.h"

#include <string.h>

static const struct ArrowArray *column_of(const struct drip_batch *batch, uint32_t index)
{
	return batch->array.children[index];
}

static void check_not_null(const struct ArrowArray *column, uint8_t *fails)
{
	if (column->buffers[0] == NULL || column->null_count == 0) {
		return;
	}
	for (int64_t i = 0; i < column->length; i++) {
		fails[i] |= drip_is_null(column, i);
	}
}

#define RANGE(ctype, member)                                                                       \
	do {                                                                                       \
		const ctype *v = (const ctype *)column->buffers[1] + column->offset;               \
		for (int64_t i = 0; i < column->length; i++) {                                     \
			bool fine = (!low->set || v[i] >= low->v.member) &&                        \
				    (!high->set || v[i] <= high->v.member);                        \
			fails[i] |= !fine;                                                         \
		}                                                                                  \
	} while (0)

static void check_range_decimal(const struct ArrowArray *column, const struct quality_limit *low,
				const struct quality_limit *high, uint8_t *fails)
{
	const uint8_t *bytes = (const uint8_t *)column->buffers[1] + (size_t)column->offset * 16;

	for (int64_t i = 0; i < column->length; i++) {
		__int128 v;

		memcpy(&v, bytes + i * 16, 16);
		fails[i] |= (low->set && v < low->v.d) || (high->set && v > high->v.d);
	}
}

static void range_values(const struct ArrowArray *column, enum drip_type type,
			 const struct quality_limit *low, const struct quality_limit *high,
			 uint8_t *fails)
{
	switch (type) {
	case DRIP_TYPE_INT8:
		RANGE(int8_t, i);
		break;
	case DRIP_TYPE_INT16:
		RANGE(int16_t, i);
		break;
	case DRIP_TYPE_INT32:
	case DRIP_TYPE_DATE:
		RANGE(int32_t, i);
		break;
	case DRIP_TYPE_UINT8:
		RANGE(uint8_t, u);
		break;
	case DRIP_TYPE_UINT16:
		RANGE(uint16_t, u);
		break;
	case DRIP_TYPE_UINT32:
		RANGE(uint32_t, u);
		break;
	case DRIP_TYPE_UINT64:
		RANGE(uint64_t, u);
		break;
	case DRIP_TYPE_FLOAT32:
		RANGE(float, f);
		break;
	case DRIP_TYPE_FLOAT64:
		RANGE(double, f);
		break;
	case DRIP_TYPE_DECIMAL:
		check_range_decimal(column, low, high, fails);
		break;
	default:
		RANGE(int64_t, i);
		break;
	}
}

/* Takes the fails of nulls back, whose values mean nothing. */
static void check_range(const struct ArrowArray *column, enum drip_type type,
			const struct quality_limit *low, const struct quality_limit *high,
			uint8_t *fails)
{
	bool nulls = column->buffers[0] != NULL && column->null_count != 0;
	uint8_t before = 0;

	if (!nulls) {
		range_values(column, type, low, high, fails);
		return;
	}
	/* earlier columns of the rule may have failed a row: they are bit 1 while this one runs */
	for (int64_t i = 0; i < column->length; i++) {
		fails[i] = (uint8_t)(fails[i] << 1);
	}
	range_values(column, type, low, high, fails);
	for (int64_t i = 0; i < column->length; i++) {
		before = fails[i] >> 1;
		fails[i] = before | (uint8_t)((fails[i] & 1) && !drip_is_null(column, i));
	}
}

static void check_set(const struct drip_batch *batch, uint32_t index, struct drip_rowset *set,
		      struct drip_hash *hashes, uint8_t *fails)
{
	const struct ArrowArray *column = column_of(batch, index);

	drip_hash_rows(batch, &index, 1, 0, hashes);
	for (int64_t i = 0; i < column->length; i++) {
		if (!drip_is_null(column, i) && drip_rowset_find(set, &hashes[i]) == NULL) {
			fails[i] = 1;
		}
	}
}

/* A text on which the match gives up, or that is not UTF-8, does not match. */
static void check_pattern(const struct ArrowArray *column, struct quality_state *state,
			  const uint8_t *skip, uint8_t *fails)
{
	const int32_t *offsets = (const int32_t *)column->buffers[1] + column->offset;
	const char *data = (const char *)column->buffers[2];

	for (int64_t i = 0; i < column->length; i++) {
		if (skip[i] || drip_is_null(column, i)) {
			continue;
		}
		fails[i] |= pcre2_match(state->code, (PCRE2_SPTR)(data + offsets[i]),
					(size_t)(offsets[i + 1] - offsets[i]), 0, 0, state->match,
					state->context) < 0;
	}
}

static bool any_null(const struct quality_check *check, const struct drip_batch *batch, int64_t row)
{
	for (uint32_t j = 0; j < check->columns_count; j++) {
		if (drip_is_null(column_of(batch, check->columns[j]), row)) {
			return true;
		}
	}
	return false;
}

/* Rows that are new are compared; one that is deleted may come again. */
static int check_unique(struct quality_state *state, const struct quality_check *check,
			const struct drip_batch *batch, struct drip_hash *hashes, uint8_t *fails,
			struct drip_error *err)
{
	int rc = 0;

	drip_hash_rows(batch, check->columns, check->columns_count, check->seed, hashes);
	for (int64_t i = 0; rc == 0 && i < batch->rows; i++) {
		enum drip_op op = drip_batch_op(batch, i);

		if (op == DRIP_OP_DELETE) {
			drip_rowset_remove(&state->seen, &hashes[i]);
		} else if ((op == DRIP_OP_READ || op == DRIP_OP_INSERT) &&
			   !any_null(check, batch, i)) {
			if (drip_rowset_find(&state->seen, &hashes[i]) != NULL) {
				fails[i] = 1;
			} else {
				rc = drip_rowset_add(&state->seen, &hashes[i], 0, err);
			}
		}
	}
	return rc;
}

static void watch_freshness(struct quality_state *state, const struct drip_batch *batch,
			    uint32_t index, const uint8_t *skip)
{
	const struct ArrowArray *column = column_of(batch, index);
	enum drip_type type = drip_schema_column(batch->schema, index)->type;

	for (int64_t i = 0; i < column->length; i++) {
		int64_t us;

		if (skip[i] || drip_is_null(column, i)) {
			continue;
		}
		if (type == DRIP_TYPE_DATE) {
			us = ((const int32_t *)column->buffers[1])[column->offset + i] *
			     (int64_t)86400000000;
		} else {
			us = ((const int64_t *)column->buffers[1])[column->offset + i];
		}
		state->newest_us = us > state->newest_us ? us : state->newest_us;
	}
}

int quality_run(const struct quality_rule *rule, struct quality_state *state,
		const struct quality_check *check, const struct drip_batch *batch,
		const uint8_t *skip, struct drip_hash *hashes, uint8_t *fails,
		struct drip_error *err)
{
	int rc = 0;

	if (rule->kind.value == QUALITY_UNIQUE) {
		rc = check_unique(state, check, batch, hashes, fails, err);
	} else if (quality_is_of_epoch(rule) && !(rule->changes && batch->snapshot)) {
		state->rows += batch->rows;
	}
	for (uint32_t j = 0; j < check->columns_count; j++) {
		uint32_t index = check->columns[j];
		const struct ArrowArray *column = column_of(batch, index);

		switch ((enum quality_kind)rule->kind.value) {
		case QUALITY_NOT_NULL:
			check_not_null(column, fails);
			break;
		case QUALITY_RANGE:
			check_range(column, drip_schema_column(batch->schema, index)->type,
				    &check->low[j], &check->high[j], fails);
			break;
		case QUALITY_SET:
			check_set(batch, index, &check->sets[j], hashes, fails);
			break;
		case QUALITY_PATTERN:
			check_pattern(column, state, skip, fails);
			break;
		case QUALITY_FRESHNESS:
			if (!rule->changes || !batch->snapshot) {
				watch_freshness(state, batch, index, skip);
			}
			break;
		case QUALITY_UNIQUE:
		case QUALITY_ROW_COUNT:
			break;
		}
	}
	for (int64_t i = 0; i < batch->rows; i++) {
		fails[i] = fails[i] && !skip[i];
	}
	return rc;
}
