/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Positions, in a table of the target's own database and written in the transaction of the data:
 * that is what makes the sink exactly once. Bytes are kept as hex. Thread: the sink's.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POSITIONS      "_dripline_positions"
#define PARTITIONS_MAX 100000

int wh_positions_prepare(struct wh *wh, struct drip_error *err)
{
	int rc;

	if (wh->prepared) {
		return 0;
	}
	if (wh->config->create && strcmp(wh->config->schema, "main") != 0) {
		wh_sql(wh, "CREATE SCHEMA IF NOT EXISTS %N", wh->config->schema);
		rc = wh_run(wh, NULL, err);
		if (rc != 0) {
			return rc;
		}
	}
	wh_sql(wh,
	       "CREATE TABLE IF NOT EXISTS %T (pipeline VARCHAR, stage VARCHAR, \"partition\" "
	       "VARCHAR, "
	       "position_order VARCHAR, position_detail VARCHAR, position_text VARCHAR, epoch "
	       "BIGINT, "
	       "next_sequence BIGINT, committed_at TIMESTAMP WITH TIME ZONE)",
	       POSITIONS);
	rc = wh_run(wh, NULL, err);
	wh->prepared = rc == 0;
	return rc;
}

/* ---- reading ---- */

static int from_hex(const char *text, size_t size, uint8_t *buf, size_t capacity,
		    uint16_t *ret_size)
{
	static const char digits[] = "0123456789abcdef";

	if (size % 2 != 0 || size / 2 > capacity) {
		return -EINVAL;
	}
	for (size_t i = 0; i < size; i += 2) {
		const char *high = memchr(digits, text[i], 16),
			   *low = memchr(digits, text[i + 1], 16);

		if (high == NULL || low == NULL) {
			return -EINVAL;
		}
		buf[i / 2] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	*ret_size = (uint16_t)(size / 2);
	return 0;
}

static int read_position(const struct drip_batch *rows, int64_t row, struct drip_position *ret)
{
	struct drip_value v[4];
	int rc;

	for (uint32_t i = 0; i < DRIP_COUNT(v); i++) {
		drip_value_get(rows, i, row, &v[i]);
		if (v[i].type != DRIP_TYPE_UTF8) {
			return -EINVAL;
		}
	}
	memset(ret, 0, sizeof(*ret));
	ret->struct_size = sizeof(*ret);
	snprintf(ret->partition, sizeof(ret->partition), "%.*s", (int)v[0].size, v[0].data);
	snprintf(ret->text, sizeof(ret->text), "%.*s", (int)v[3].size, v[3].data);
	rc = from_hex(v[1].data, (size_t)v[1].size, ret->order, sizeof(ret->order),
		      &ret->order_size);
	return rc != 0 ? rc
		       : from_hex(v[2].data, (size_t)v[2].size, (uint8_t *)ret->detail,
				  sizeof(ret->detail), &ret->detail_size);
}

static int add_rows(struct wh *wh, const struct drip_batch *rows, struct drip_position **positions,
		    size_t *count, struct drip_error *err)
{
	size_t total = *count + (size_t)rows->rows;
	struct drip_position *grown;

	if (total > PARTITIONS_MAX) {
		return drip_error_set(err, -E2BIG, "warehouse.positions_damaged",
				      "more than %d positions are stored for one sink",
				      PARTITIONS_MAX);
	}
	grown = realloc(*positions, (total + 1) * sizeof(*grown));
	if (grown == NULL) {
		return drip_error_nomem(err, total * sizeof(*grown));
	}
	*positions = grown;
	for (int64_t i = 0; i < rows->rows; i++) {
		struct drip_value sequence;

		if (read_position(rows, i, &grown[*count]) != 0) {
			return drip_error_set(err, -EINVAL, "warehouse.positions_damaged",
					      "table " POSITIONS
					      " holds a position that cannot be read");
		}
		(*count)++;
		drip_value_get(rows, 4, i, &sequence);
		if (sequence.type == DRIP_TYPE_INT64 && sequence.i > wh->next_sequence) {
			wh->next_sequence = sequence.i;
		}
	}
	return 0;
}

static int read_all(struct wh *wh, struct ArrowArrayStream *stream,
		    const struct drip_schema *schema, struct drip_position **ret, size_t *ret_count,
		    struct drip_error *err)
{
	for (;;) {
		struct drip_batch *rows = NULL;
		struct ArrowArray array;
		int rc = stream->get_next(stream, &array);

		if (rc != 0) {
			return drip_error_set_retryable(err, -rc, "sql.result",
							"could not read positions: %s",
							stream->get_last_error(stream));
		}
		if (array.release == NULL) {
			return 0;
		}
		rc = drip_batch_create(schema, &array, NULL, DRIP_OP_READ, &rows, err);
		if (rc == 0) {
			rc = add_rows(wh, rows, ret, ret_count, err);
			drip_batch_unref(rows);
		}
		if (rc != 0) {
			return rc;
		}
	}
}

static bool table_exists(struct wh *wh, int *ret_rc, struct drip_error *err)
{
	struct drip_schema *schema = NULL;

	*ret_rc = wh->sql->table_schema(wh->session, wh->config->schema, POSITIONS, &schema, err);
	drip_schema_unref(schema);
	if (*ret_rc == -ENOENT) {
		*ret_rc = 0;
		return false;
	}
	return *ret_rc == 0;
}

int wh_positions_load(struct wh *wh, struct drip_position **ret, size_t *ret_count,
		      struct drip_error *err)
{
	struct drip_position *positions = NULL;
	struct drip_schema *schema = NULL;
	struct ArrowArrayStream stream;
	size_t count = 0;
	int rc;

	*ret = NULL;
	*ret_count = 0;
	wh->next_sequence = 1;
	wh->sequence_known = true;
	if (!table_exists(wh, &rc, err)) {
		return rc;
	}
	wh_sql(wh,
	       "SELECT \"partition\", position_order, position_detail, position_text, "
	       "next_sequence FROM "
	       "%T WHERE pipeline = %L AND stage = %L ORDER BY \"partition\"",
	       POSITIONS, wh->ctx->pipeline, wh->ctx->stage);
	drip_text_put(&wh->text, "", 1);
	rc = drip_text_check(&wh->text, err);
	if (rc == 0) {
		rc = wh->sql->query(wh->session, wh->text.data, NULL, &schema, &stream, err);
	}
	drip_text_clear(&wh->text);
	if (rc != 0) {
		return rc;
	}
	rc = read_all(wh, &stream, schema, &positions, &count, err);
	stream.release(&stream);
	drip_schema_unref(schema);
	if (rc != 0) {
		free(positions);
		return rc;
	}
	*ret = positions;
	*ret_count = count;
	return 0;
}

/* ---- writing ---- */

static void put_hex(struct wh *wh, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	char hex[3];

	wh_sql(wh, ", '");
	for (size_t i = 0; i < size; i++) {
		snprintf(hex, sizeof(hex), "%02x", bytes[i]);
		wh_sql(wh, hex);
	}
	wh_sql(wh, "'");
}

/* Removes the rows of the partitions that follow anew, and only those. */
static int remove_old(struct wh *wh, const struct drip_epoch *epoch, struct drip_error *err)
{
	wh_sql(wh, "DELETE FROM %T WHERE pipeline = %L AND stage = %L AND \"partition\" IN (",
	       POSITIONS, wh->ctx->pipeline, wh->ctx->stage);
	for (size_t i = 0; i < epoch->positions_count; i++) {
		wh_sql(wh, "%s%L", i == 0 ? "" : ", ", epoch->positions[i].partition);
	}
	wh_sql(wh, ")");
	return wh_run(wh, NULL, err);
}

int wh_positions_store(struct wh *wh, const struct drip_epoch *epoch, struct drip_error *err)
{
	int rc;

	if (epoch->positions_count == 0) {
		return 0;
	}
	rc = remove_old(wh, epoch, err);
	if (rc != 0) {
		return rc;
	}
	wh_sql(wh, "INSERT INTO %T VALUES ", POSITIONS);
	for (size_t i = 0; i < epoch->positions_count; i++) {
		const struct drip_position *p = &epoch->positions[i];

		wh_sql(wh, "%s(%L, %L, %L", i == 0 ? "" : ", ", wh->ctx->pipeline, wh->ctx->stage,
		       p->partition);
		put_hex(wh, p->order, p->order_size);
		put_hex(wh, p->detail, p->detail_size);
		wh_sql(wh, ", %L, %D, %D, now())", p->text, (int64_t)epoch->number,
		       wh->next_sequence);
	}
	return wh_run(wh, NULL, err);
}
