/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of struct arrays over batches, their buffers shared. Used by one thread at a time; what
 * it yields may be released on any. */
#include "array.h"

#include <dripline/features.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct batches {
	const struct drip_batch **items;
	size_t count, next;
	struct drip_error error;
};

static int share(const struct drip_batch *batch, struct ArrowArray *out, struct drip_error *err)
{
	uint32_t count = batch->schema->columns_count;
	struct ArrowArray *columns = calloc((size_t)count + 1, sizeof(*columns));
	int rc = columns != NULL ? 0 : drip_error_nomem(err, count * sizeof(*columns));

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		rc = drip_column_share(batch, i, &columns[i], err);
	}
	if (rc == 0) {
		rc = drip_array_make_struct(columns, count, batch->rows, out, err);
	} else if (columns != NULL) {
		drip_array_release_all(columns, count);
	}
	free(columns);
	return rc;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
	struct batches *b = stream->private_data;

	memset(out, 0, sizeof(*out));
	if (b->next == b->count) {
		return 0;
	}
	return -share(b->items[b->next++], out, &b->error);
}

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
	struct batches *b = stream->private_data;

	memset(out, 0, sizeof(*out));
	return b->count != 0 ? -drip_schema_to_arrow(b->items[0]->schema, out, &b->error) : EINVAL;
}

static const char *last_error(struct ArrowArrayStream *stream)
{
	struct batches *b = stream->private_data;

	return b->error.rc != 0 ? b->error.message : NULL;
}

static void release(struct ArrowArrayStream *stream)
{
	struct batches *b = stream->private_data;

	for (size_t i = 0; i < b->count; i++) {
		drip_batch_unref(b->items[i]);
	}
	free(b->items);
	free(b);
	stream->release = NULL;
}

int drip_batches_stream(const struct drip_batch *const *batches, size_t count,
			struct ArrowArrayStream *ret, struct drip_error *err)
{
	struct batches *b = calloc(1, sizeof(*b));

	if (b != NULL) {
		b->items = calloc(count + 1, sizeof(struct drip_batch *));
	}
	if (b == NULL || b->items == NULL) {
		free(b);
		return drip_error_nomem(err, (count + 1) * sizeof(struct drip_batch *));
	}
	for (size_t i = 0; i < count; i++) {
		b->items[i] = drip_batch_ref(batches[i]);
	}
	b->count = count;
	b->error.struct_size = sizeof(b->error);
	*ret = (struct ArrowArrayStream){.get_schema = get_schema,
					 .get_next = get_next,
					 .get_last_error = last_error,
					 .release = release,
					 .private_data = b};
	return 0;
}
