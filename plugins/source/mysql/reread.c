/* SPDX-License-Identifier: Apache-2.0 */
/* The log a second time: from a place behind the stream, by a connection or file of its own. */
#include "source.h"

#include <errno.h>
#include <string.h>

/* While a second reading waits, `interrupt` wakes that one. */
static void set_interruptible(struct drip_my_source *s, struct drip_my_net *n)
{
	pthread_mutex_lock(&s->interrupt_lock);
	s->interruptible = n;
	if (s->interrupted && n != NULL) {
		drip_my_net_interrupt(n);
	}
	pthread_mutex_unlock(&s->interrupt_lock);
}

static int open_net(struct drip_my_reread *r, struct drip_error *err)
{
	struct drip_my_source *s = r->source;
	struct drip_my_net_start start = {.server_id = drip_my_random_server_id()};
	struct drip_my_position named = s->at;
	char file[DRIP_MY_FILE_MAX + 24];
	MYSQL *m;
	int rc = drip_my_connect_log(s, &m, err);

	if (rc != 0) {
		return rc;
	}
	named.place = r->at;
	drip_my_file_name(&named, file, sizeof(file));
	start.heartbeat_ms = (uint64_t)s->options->heartbeat.ms;
	start.file = file;
	start.offset = r->at.offset > UINT32_MAX ? 4 : r->at.offset;
	r->skip_until = r->at.offset;
	r->at.offset = start.offset;
	rc = drip_my_net_open(m, &start, &r->net, err);
	if (rc == 0) {
		set_interruptible(s, r->net);
	}
	return rc;
}

static int open_file(struct drip_my_reread *r, struct drip_error *err)
{
	const struct drip_strings *files = &r->source->options->files;
	int rc;

	if (r->at.file == 0 || r->at.file > files->count) {
		return drip_error_set(err, -ENODATA, "mysql.bad_position",
				      "the list has no file %llu", (unsigned long long)r->at.file);
	}
	rc = drip_my_file_open(files->items[r->at.file - 1], &r->file, err);
	if (rc == 0) {
		r->skip_until = r->at.offset;
		r->at.offset = drip_my_file_offset(r->file);
	}
	return rc;
}

int drip_my_reread_open(struct drip_my_reread *r, struct drip_my_source *s,
			struct drip_my_place place, struct drip_error *err)
{
	memset(r, 0, sizeof(*r));
	r->source = s;
	r->at = place;
	drip_my_format_init(&r->format);
	return s->connection != NULL ? open_net(r, err) : open_file(r, err);
}

void drip_my_reread_close(struct drip_my_reread *r)
{
	if (r->net != NULL) {
		set_interruptible(r->source, r->source->net);
		drip_my_net_close(r->net);
	}
	drip_my_file_close(r->file);
	drip_my_format_finish(&r->format);
	r->net = NULL;
	r->file = NULL;
}

static int next_bytes(struct drip_my_reread *r, const uint8_t **data, size_t *size,
		      struct drip_error *err)
{
	int rc;

	if (r->net == NULL) {
		return drip_my_file_next(r->file, data, size, err);
	}
	do { /* a server without news sends heartbeats: silence ends by the timeout of reads */
		rc = drip_my_net_next(r->net, (uint32_t)r->source->options->heartbeat.ms, data,
				      size, err);
	} while (rc == 0);
	return rc;
}

/* A server goes on with the next file, and says so. */
static int is_other_file(const struct drip_my_reread *r, const struct drip_my_event *e,
			 struct drip_error *err)
{
	char file[DRIP_MY_FILE_MAX];
	struct drip_my_position named = {0};
	uint64_t position;
	int rc = drip_my_rotate_parse(e, file, &position, err);

	return rc != 0 ? rc : drip_my_file_parse(file, &named) && named.place.file != r->at.file;
}

int drip_my_reread_next(struct drip_my_reread *r, struct drip_my_event *ret, struct drip_error *err)
{
	for (;;) {
		const uint8_t *data;
		size_t size;
		uint64_t before = r->at.offset;
		int rc = next_bytes(r, &data, &size, err);

		if (rc <= 0) {
			return rc;
		}
		rc = drip_my_event_parse(&r->format, data, size, ret, err);
		if (rc == 0 && ret->type == DRIP_MY_EVENT_ROTATE && r->net != NULL) {
			rc = is_other_file(r, ret, err);
			if (rc == 1) {
				return 0;
			}
		}
		if (rc != 0) {
			return rc;
		}
		r->at.offset = drip_my_event_end(ret, before);
		if (before >= r->skip_until && ret->type != DRIP_MY_EVENT_FORMAT) {
			return 1;
		}
	}
}

int drip_my_reread_first(struct drip_my_source *s, uint64_t *ret, struct drip_error *err)
{
	struct drip_my_position first = s->at;
	MYSQL *control;
	int rc;

	if (s->connection == NULL) {
		*ret = 1;
		return 0;
	}
	rc = drip_my_control(s, &control, err);
	if (rc == 0) {
		rc = drip_my_first_place(control, &first, err);
	}
	*ret = first.place.file;
	return rc;
}
