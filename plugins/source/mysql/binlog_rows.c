/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Row images into builders: the hot path. For each value: find where it ends, check that against
 * the event, and let the cell append it. An update whose key changed becomes a delete and an
 * insert.
 */
#include "binlog.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int corrupt(struct drip_error *err, const char *what)
{
	return drip_error_set(err, -EBADMSG, "mysql.corrupt_event", "cannot read a row event: %s",
			      what);
}

int drip_my_rows_parse(const struct drip_my_format *f, const struct drip_my_event *e,
		       struct drip_my_rows *ret, struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);
	bool v2 = e->type >= DRIP_MY_EVENT_WRITE_V2;
	uint64_t count, bitmap;

	ret->change = (enum drip_my_change)(e->type -
					    (v2 ? DRIP_MY_EVENT_WRITE_V2 : DRIP_MY_EVENT_WRITE_V1));
	ret->table_id = drip_my_read_uint(&r, e->post_size == 6 ? 4 : 6);
	ret->flags = (uint16_t)drip_my_read_uint(&r, 2);
	if (v2) {
		uint64_t extra = drip_my_read_uint(&r, 2);

		drip_my_read(&r, extra >= 2 ? extra - 2 : 0);
	}
	count = drip_my_read_length(&r);
	bitmap = count <= DRIP_COLUMNS_MAX ? (count + 7) / 8 : UINT32_MAX;
	ret->present = ret->present_after = drip_my_read(&r, bitmap);
	if (ret->change == DRIP_MY_CHANGE_UPDATE) {
		ret->present_after = drip_my_read(&r, bitmap);
	}
	if (r.bad) {
		return corrupt(err, "it is too short");
	}
	ret->count = (uint32_t)count;
	ret->data = r.p;
	ret->end = r.end;
	return 0;
}

void drip_my_plan_finish(struct drip_my_plan *p)
{
	free(p->cells);
	memset(p, 0, sizeof(*p));
}

static bool all_present(const uint8_t *bitmap, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if ((bitmap[i / 8] >> (i % 8) & 1) == 0) {
			return false;
		}
	}
	return true;
}

/* Start and size of the value at `p`; where it ends, or NULL. */
static inline const uint8_t *extent(const struct drip_my_cell *c, const uint8_t *p,
				    const uint8_t *end, const uint8_t **ret, size_t *ret_size)
{
	size_t left = (size_t)(end - p), size = c->fixed;

	if (size == 0) {
		if (left < c->prefix) {
			return NULL;
		}
		size = (size_t)drip_my_little(p, c->prefix);
		p += c->prefix;
		left -= c->prefix;
	}
	if (size > left) {
		return NULL;
	}
	*ret = p;
	*ret_size = size;
	return p + size;
}

/* Where the image at `p` ends, or NULL. */
static const uint8_t *skip_image(const struct drip_my_plan *plan, const uint8_t *p,
				 const uint8_t *end)
{
	const uint8_t *nulls = p, *value;
	size_t bitmap = (plan->count + 7) / 8, size;

	if ((size_t)(end - p) < bitmap) {
		return NULL;
	}
	p += bitmap;
	for (uint32_t i = 0; i < plan->count && p != NULL; i++) {
		if ((nulls[i / 8] >> (i % 8) & 1) == 0) {
			p = extent(&plan->cells[i], p, end, &value, &size);
		}
	}
	return p;
}

bool drip_my_image_value(const struct drip_my_plan *plan, const uint8_t *image, const uint8_t *end,
			 uint32_t index, const uint8_t **ret, size_t *ret_size)
{
	size_t bitmap = (plan->count + 7) / 8;
	const uint8_t *p = image + bitmap;

	if ((size_t)(end - image) < bitmap || (image[index / 8] >> (index % 8) & 1) != 0) {
		return false;
	}
	for (uint32_t i = 0; i <= index && p != NULL; i++) {
		if ((image[i / 8] >> (i % 8) & 1) == 0) {
			p = extent(&plan->cells[i], p, end, ret, ret_size);
		}
	}
	return p != NULL;
}

/* Appends one image; where it ends, or NULL. */
static const uint8_t *append_image(const struct drip_my_plan *plan, const uint8_t *p,
				   const uint8_t *end)
{
	const struct drip_my_cell *cells = plan->cells;
	const uint8_t *nulls = p, *value;
	size_t bitmap = (plan->count + 7) / 8, size;

	if ((size_t)(end - p) < bitmap) {
		return NULL;
	}
	p += bitmap;
	for (uint32_t i = 0; i < plan->count; i++) {
		const struct drip_my_cell *c = &cells[i];

		if ((nulls[i / 8] >> (i % 8) & 1) != 0) {
			if (c->out != NULL) {
				drip_append_null(c->out);
			}
			continue;
		}
		p = extent(c, p, end, &value, &size);
		if (p == NULL) {
			return NULL;
		}
		if (c->out != NULL) {
			c->append(c, value, size);
		}
	}
	return p;
}

static bool key_changed(const struct drip_my_plan *plan, const uint8_t *before,
			const uint8_t *after, const uint8_t *end)
{
	for (uint32_t k = 0; k < plan->keys_count; k++) {
		const uint8_t *a, *b;
		size_t a_size = 0, b_size = 0;
		bool has_a = drip_my_image_value(plan, before, after, plan->keys[k], &a, &a_size);
		bool has_b = drip_my_image_value(plan, after, end, plan->keys[k], &b, &b_size);

		if (has_a != has_b || (has_a && (a_size != b_size || memcmp(a, b, a_size) != 0))) {
			return true;
		}
	}
	return false;
}

/*
 * Of a table with system versioning: is the row one of now, and not of its history? Its end is the
 * last microsecond that a TIMESTAMP(6) can hold, or the largest transaction number.
 */
static bool is_current(const struct drip_my_plan *plan, const uint8_t *image, const uint8_t *end)
{
	static const uint8_t last[] = {0x0f, 0x42, 0x3f}; /* 999999 */
	static const uint8_t ones[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	const uint8_t *value;
	size_t size;

	if (!plan->versioned ||
	    !drip_my_image_value(plan, image, end, plan->count - 1, &value, &size)) {
		return true;
	}
	if (size == sizeof(ones)) {
		return memcmp(value, ones, size) == 0;
	}
	/* until 2038; MariaDB 11.5 and later: until 2106 */
	return size == 7 && (value[0] & 0x7f) == 0x7f && memcmp(value + 1, ones, 3) == 0 &&
	       memcmp(value + 4, last, sizeof(last)) == 0;
}

/* One row of an update. Returns where it ends, or NULL. */
static const uint8_t *append_update(const struct drip_my_plan *plan, const uint8_t *before,
				    const uint8_t *end)
{
	const uint8_t *after = skip_image(plan, before, end);
	struct drip_builder *b = plan->builder;
	bool moved;

	if (after == NULL) {
		return NULL;
	}
	if (plan->versioned) {
		const uint8_t *next = skip_image(plan, after, end);

		if (next == NULL || !is_current(plan, before, after)) {
			return next;
		}
		if (!is_current(plan, after, next)) { /* it became history */
			append_image(plan, before, after);
			drip_builder_row(b, DRIP_OP_DELETE);
			return next;
		}
	}
	moved = key_changed(plan, before, after, end);
	if (moved || plan->before_images) {
		append_image(plan, before, after);
		drip_builder_row(b, moved ? DRIP_OP_DELETE : DRIP_OP_BEFORE);
	}
	end = append_image(plan, after, end);
	if (end != NULL) {
		drip_builder_row(b, moved ? DRIP_OP_INSERT : DRIP_OP_UPDATE);
	}
	return end;
}

static const uint8_t *append_single(const struct drip_my_plan *plan, const uint8_t *p,
				    const uint8_t *end, enum drip_op op)
{
	if (plan->versioned && !is_current(plan, p, end)) {
		return skip_image(plan, p, end);
	}
	p = append_image(plan, p, end);
	if (p != NULL) {
		drip_builder_row(plan->builder, op);
	}
	return p;
}

static int check_images(const struct drip_my_rows *rows, const struct drip_my_plan *plan,
			struct drip_error *err)
{
	if (rows->count != plan->count) {
		return corrupt(err, "its columns are not those of its table map");
	}
	if (!all_present(rows->present, rows->count) ||
	    !all_present(rows->present_after, rows->count)) {
		drip_error_set(err, -ENOTSUP, "mysql.partial_image",
			       "a row event does not hold all columns");
		drip_error_hint(err, "Set binlog_row_image=FULL on the server, then take a new "
				     "snapshot.");
		return -ENOTSUP;
	}
	return 0;
}

int drip_my_rows_decode(const struct drip_my_rows *rows, const struct drip_my_plan *plan,
			uint64_t *ret_rows, struct drip_error *err)
{
	enum drip_op op = rows->change == DRIP_MY_CHANGE_INSERT ? DRIP_OP_INSERT : DRIP_OP_DELETE;
	struct drip_my_values *values = plan->count > 0 ? plan->cells[0].values : NULL;
	const uint8_t *p = rows->data;
	int rc = check_images(rows, plan, err);

	*ret_rows = 0;
	if (rc != 0 || plan->count == 0) {
		return rc;
	}
	while (p < rows->end) {
		p = rows->change == DRIP_MY_CHANGE_UPDATE ? append_update(plan, p, rows->end)
							  : append_single(plan, p, rows->end, op);
		if (p == NULL) {
			drip_builder_rewind(plan->builder);
			return corrupt(err, "a row is longer than its event");
		}
		if (values->rc != 0) {
			*err = values->error;
			return values->rc;
		}
		++*ret_rows;
	}
	return 0;
}

/* The change at `p`; where it ends, or NULL. */
static const uint8_t *read_change(const struct drip_my_rows *rows, const struct drip_my_plan *plan,
				  const uint8_t *p, struct drip_my_image *ret)
{
	const uint8_t *middle = skip_image(plan, p, rows->end), *end = middle;

	if (rows->change == DRIP_MY_CHANGE_UPDATE && middle != NULL) {
		end = skip_image(plan, middle, rows->end);
	}
	memset(ret, 0, sizeof(*ret));
	if (end == NULL) {
		return NULL;
	}
	if (rows->change != DRIP_MY_CHANGE_INSERT && is_current(plan, p, middle)) {
		ret->before = p;
		ret->before_end = middle;
	}
	p = rows->change == DRIP_MY_CHANGE_INSERT ? p : middle;
	if (rows->change != DRIP_MY_CHANGE_DELETE && is_current(plan, p, end)) {
		ret->after = p;
		ret->after_end = end;
	}
	return end;
}

int drip_my_rows_next(const struct drip_my_rows *rows, const struct drip_my_plan *plan,
		      const uint8_t **at, struct drip_my_image *ret, struct drip_error *err)
{
	const uint8_t *p = *at != NULL ? *at : rows->data;
	int rc = *at == NULL ? check_images(rows, plan, err) : 0;

	if (rc != 0) {
		return rc;
	}
	while (p < rows->end && plan->count != 0) {
		p = read_change(rows, plan, p, ret);
		if (p == NULL) {
			return corrupt(err, "a row is longer than its event");
		}
		*at = p;
		if (ret->before != NULL || ret->after != NULL) { /* not only history */
			return 1;
		}
	}
	return 0;
}
