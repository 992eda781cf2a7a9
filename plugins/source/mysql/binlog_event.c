/* SPDX-License-Identifier: Apache-2.0 */
/* Event headers, checksums, compression, and the events that are not about rows: see binlog.h. */
#include "binlog.h"
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define INFLATED_MAX (1024u * 1024 * 1024) /* bytes of one inflated event */

static int corrupt(struct drip_error *err, const char *what)
{
	drip_error_set(err, -EBADMSG, "mysql.corrupt_event", "cannot read a binlog event: %s",
		       what);
	drip_error_hint(err, "The log is damaged here; a copy of another replica may be whole.");
	return -EBADMSG;
}

void drip_my_format_init(struct drip_my_format *f)
{
	memset(f, 0, sizeof(*f));
	f->post_sizes[DRIP_MY_EVENT_QUERY] = 13;
	f->post_sizes[DRIP_MY_EVENT_ROTATE] = 8;
	f->post_sizes[DRIP_MY_EVENT_TABLE_MAP] = 8;
	f->post_sizes[DRIP_MY_EVENT_GTID] = 19;
	for (int type = DRIP_MY_EVENT_WRITE_V1; type <= DRIP_MY_EVENT_DELETE_V1; type++) {
		f->post_sizes[type] = 8;
		f->post_sizes[type + 7] = 10;
		f->post_sizes[type + 143] = 8;
		f->post_sizes[type + 146] = 10;
	}
}

void drip_my_format_finish(struct drip_my_format *f)
{
	free(f->inflated);
	f->inflated = NULL;
	f->inflated_size = 0;
}

bool drip_my_event_is_rows(uint8_t type)
{
	return (type >= DRIP_MY_EVENT_WRITE_V1 && type <= DRIP_MY_EVENT_DELETE_V1) ||
	       (type >= DRIP_MY_EVENT_WRITE_V2 && type <= DRIP_MY_EVENT_DELETE_V2);
}

static bool checksum_matches(const uint8_t *data, size_t size, bool clear_in_use)
{
	uint8_t header[DRIP_MY_HEADER_SIZE];
	uLong crc;

	memcpy(header, data, sizeof(header));
	if (clear_in_use) {
		header[17] &= (uint8_t)~1u;
	}
	crc = crc32(0, header, sizeof(header));
	crc = crc32_z(crc, data + sizeof(header), size - sizeof(header) - 4);
	return crc == drip_my_little(data + size - 4, 4);
}

/* Servers from 5.6.1, and MariaDB from 5.3, end their format event with algorithm and checksum. */
static bool has_checksums(const char *version)
{
	unsigned part[3] = {0};
	const char *p = version;

	if (strstr(version, "MariaDB") != NULL && p[0] >= '1') {
		return true;
	}
	for (int i = 0; i < 3; i++) {
		while (*p >= '0' && *p <= '9' && part[i] < 1000) {
			part[i] = part[i] * 10 + (unsigned)(*p++ - '0');
		}
		p += *p == '.';
	}
	return part[0] * 1000000 + part[1] * 1000 + part[2] >= 5006001;
}

static int parse_format(struct drip_my_format *f, const uint8_t *data, size_t size,
			struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_reader r =
		drip_my_reader_of(data + DRIP_MY_HEADER_SIZE, size - DRIP_MY_HEADER_SIZE);
	uint64_t version = drip_my_read_uint(&r, 2);
	const uint8_t *server = drip_my_read(&r, 50);
	bool checksums;
	size_t count;

	drip_my_read(&r, 4); /* created */
	if (r.bad || version != 4 || drip_my_read_uint(&r, 1) != DRIP_MY_HEADER_SIZE) {
		return corrupt(err, "its format is not version 4");
	}
	memcpy(f->server_version, server, 50);
	f->server_version[50] = '\0';
	checksums = has_checksums(f->server_version);
	if (checksums && drip_my_left(&r) < 5) {
		return corrupt(err, "the format event is too short");
	}
	count = drip_my_left(&r) - (checksums ? 5 : 0);
	for (size_t i = 0; i < count && i + 1 < sizeof(f->post_sizes); i++) {
		f->post_sizes[i + 1] = r.p[i];
	}
	f->checksum = checksums && r.p[count] == 1;
	f->known = true;
	if (f->checksum && !f->unverified && !checksum_matches(data, size, true)) {
		return corrupt(err, "the checksum of the format event does not match");
	}
	e->body_size = size - DRIP_MY_HEADER_SIZE - (checksums ? 4 : 0);
	return 0;
}

/* Room for `size` bytes of an inflated event. */
static uint8_t *inflate_room(struct drip_my_format *f, size_t size)
{
	if (size > f->inflated_size) {
		uint8_t *grown = realloc(f->inflated, size);

		if (grown == NULL) {
			return NULL;
		}
		f->inflated = grown;
		f->inflated_size = size;
	}
	return f->inflated;
}

/* The first `plain` bytes of the body stay, the rest is inflated: a byte 0x80 | method << 4 | bytes
 * of the length, the big-endian length, zlib. */
static int inflate_body(struct drip_my_format *f, struct drip_my_event *e, size_t plain,
			struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body + plain, e->body_size - plain);
	unsigned head = (unsigned)drip_my_read_uint(&r, 1);
	unsigned length_size = head & 7;
	const uint8_t *p = drip_my_read(&r, length_size);
	uint64_t length = 0;
	uLongf inflated;

	if (r.bad || (head & 0xf0) != 0x80 || length_size > 4) {
		return corrupt(err, "its compression is unknown");
	}
	for (unsigned i = 0; i < length_size; i++) {
		length = length << 8 | p[i];
	}
	if (length > INFLATED_MAX) {
		return corrupt(err, "it inflates to more than 1 GiB");
	}
	if (inflate_room(f, plain + (size_t)length + 1) == NULL) {
		return drip_error_nomem(err, plain + (size_t)length);
	}
	memcpy(f->inflated, e->body, plain);
	inflated = (uLongf)length;
	if (uncompress(f->inflated + plain, &inflated, r.p, drip_my_left(&r)) != Z_OK ||
	    inflated != length) {
		return corrupt(err, "it cannot be inflated");
	}
	e->body = f->inflated;
	e->body_size = plain + (size_t)length;
	return 0;
}

static int inflate_query(struct drip_my_format *f, struct drip_my_event *e, struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);
	uint64_t database, status;

	drip_my_read(&r, 8);
	database = drip_my_read_uint(&r, 1);
	drip_my_read(&r, 2);
	status = drip_my_read_uint(&r, 2);
	drip_my_read(&r, status + database + 1);
	if (r.bad) {
		return corrupt(err, "a query event is too short");
	}
	e->type = DRIP_MY_EVENT_QUERY;
	return inflate_body(f, e, e->body_size - drip_my_left(&r), err);
}

static int inflate_rows(struct drip_my_format *f, struct drip_my_event *e, struct drip_error *err)
{
	bool v1 = e->type <= DRIP_MY_EVENT_DELETE_COMPRESSED_V1;
	uint8_t plain_type = (uint8_t)(e->type - (v1 ? 143 : 139));
	bool update =
		plain_type == DRIP_MY_EVENT_UPDATE_V1 || plain_type == DRIP_MY_EVENT_UPDATE_V2;
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);
	uint64_t columns, bitmap;

	drip_my_read(&r, v1 ? 8 : 10);
	if (!v1 && !r.bad) {
		uint64_t extra = drip_my_little(e->body + 8, 2);

		drip_my_read(&r, extra >= 2 ? extra - 2 : 0);
	}
	columns = drip_my_read_length(&r);
	bitmap = columns <= DRIP_COLUMNS_MAX ? (columns + 7) / 8 : UINT32_MAX;
	drip_my_read(&r, update ? bitmap * 2 : bitmap);
	if (r.bad) {
		return corrupt(err, "a row event is too short");
	}
	e->type = plain_type;
	return inflate_body(f, e, e->body_size - drip_my_left(&r), err);
}

static int inflate_event(struct drip_my_format *f, struct drip_my_event *e, struct drip_error *err)
{
	if (e->type == DRIP_MY_EVENT_QUERY_COMPRESSED) {
		return inflate_query(f, e, err);
	}
	if (e->type >= DRIP_MY_EVENT_WRITE_COMPRESSED_V1 &&
	    e->type <= DRIP_MY_EVENT_DELETE_COMPRESSED) {
		return inflate_rows(f, e, err);
	}
	return 0;
}

static int strip_checksum(const struct drip_my_format *f, const uint8_t *data,
			  struct drip_my_event *e, struct drip_error *err)
{
	if (e->body_size < 4) {
		return f->checksum ? corrupt(err, "it is too short for its checksum") : 0;
	}
	if (!f->known) { /* a ROTATE that comes before the format event: either way is met */
		e->body_size -= checksum_matches(data, e->size, false) ? 4 : 0;
		return 0;
	}
	if (f->checksum) {
		if (!f->unverified && !checksum_matches(data, e->size, false)) {
			return corrupt(err, "its checksum does not match");
		}
		e->body_size -= 4;
	}
	return 0;
}

int drip_my_event_parse(struct drip_my_format *f, const uint8_t *data, size_t size,
			struct drip_my_event *ret, struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(data, size);
	int rc;

	ret->timestamp = (uint32_t)drip_my_read_uint(&r, 4);
	ret->type = (uint8_t)drip_my_read_uint(&r, 1);
	ret->server_id = (uint32_t)drip_my_read_uint(&r, 4);
	ret->size = (uint32_t)drip_my_read_uint(&r, 4);
	ret->end_pos = (uint32_t)drip_my_read_uint(&r, 4);
	ret->flags = (uint16_t)drip_my_read_uint(&r, 2);
	if (r.bad || ret->size != size) {
		return corrupt(err, "its length does not match");
	}
	ret->body = data + DRIP_MY_HEADER_SIZE;
	ret->body_size = size - DRIP_MY_HEADER_SIZE;
	if (ret->type == DRIP_MY_EVENT_FORMAT) {
		rc = parse_format(f, data, size, ret, err);
	} else {
		rc = strip_checksum(f, data, ret, err);
	}
	if (rc == 0) {
		rc = inflate_event(f, ret, err);
	}
	if (rc != 0) {
		return rc;
	}
	ret->post = ret->body;
	ret->post_size = f->post_sizes[ret->type];
	if (ret->post_size > ret->body_size) {
		ret->post_size = ret->body_size; /* who reads it is bounded by the body */
	}
	return 0;
}

uint64_t drip_my_event_end(const struct drip_my_event *e, uint64_t offset)
{
	uint64_t end;

	if ((e->flags & DRIP_MY_EVENT_ARTIFICIAL) != 0 || e->type == DRIP_MY_EVENT_HEARTBEAT ||
	    (e->type == DRIP_MY_EVENT_FORMAT && e->end_pos == 0)) {
		return offset;
	}
	offset += e->size;
	if (e->end_pos != 0 && (uint32_t)offset != e->end_pos) {
		end = (offset & ~(uint64_t)UINT32_MAX) | e->end_pos;
		offset = end < offset ? end + UINT32_MAX + 1 : end;
	}
	return offset;
}

/* Reads the status variables that DDL needs, up to the first unknown one. Numbers: log_event.h. */
static void parse_status(struct drip_my_reader r, struct drip_my_query *q)
{
	static const uint8_t fixed[] = {[0] = 4, [3] = 4, [7] = 2, [9] = 8, [10] = 4, [13] = 3};

	while (drip_my_left(&r) > 0 && !r.bad) {
		uint64_t code = drip_my_read_uint(&r, 1);

		switch (code) {
		case 1:
			q->sql_mode = drip_my_read_uint(&r, 8);
			break;
		case 2:
			drip_my_read(&r, drip_my_read_uint(&r, 1) + 1);
			break;
		case 4:
			q->client_collation = (uint32_t)drip_my_read_uint(&r, 2);
			drip_my_read(&r, 2); /* of the connection */
			q->collation_server = (uint32_t)drip_my_read_uint(&r, 2);
			break;
		case 5:
		case 6:
			drip_my_read(&r, drip_my_read_uint(&r, 1));
			break;
		case 8:
			q->collation_database = (uint32_t)drip_my_read_uint(&r, 2);
			break;
		default:
			if (code >= sizeof(fixed) || fixed[code] == 0) {
				return;
			}
			drip_my_read(&r, fixed[code]);
			break;
		}
	}
}

const char *drip_my_query_charset(const struct drip_my_query *q)
{
	const char *charset = drip_my_charset_of_collation(
		q->collation_database != 0 ? q->collation_database : q->collation_server);

	return charset != NULL ? charset : "utf8mb4";
}

int drip_my_query_parse(const struct drip_my_event *e, struct drip_my_query *ret,
			struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);
	uint64_t status_size;
	const uint8_t *status;

	memset(ret, 0, sizeof(*ret));
	drip_my_read(&r, 8);
	ret->database_size = (size_t)drip_my_read_uint(&r, 1);
	drip_my_read(&r, 2);
	status_size = e->post_size >= 13 ? drip_my_read_uint(&r, 2) : 0;
	status = drip_my_read(&r, status_size);
	ret->database = (const char *)drip_my_read(&r, ret->database_size);
	drip_my_read(&r, 1);
	if (r.bad) {
		return corrupt(err, "a query event is too short");
	}
	ret->sql = (const char *)r.p;
	ret->sql_size = drip_my_left(&r);
	parse_status(drip_my_reader_of(status, (size_t)status_size), ret);
	return 0;
}

int drip_my_gtid_parse(const struct drip_my_event *e, struct drip_my_gtid *ret,
		       struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);

	ret->server_id = e->server_id;
	ret->sequence = drip_my_read_uint(&r, 8);
	ret->domain = (uint32_t)drip_my_read_uint(&r, 4);
	ret->flags = (uint8_t)drip_my_read_uint(&r, 1);
	return r.bad ? corrupt(err, "a gtid event is too short") : 0;
}

int drip_my_rotate_parse(const struct drip_my_event *e, char file[DRIP_MY_FILE_MAX],
			 uint64_t *ret_position, struct drip_error *err)
{
	struct drip_my_reader r = drip_my_reader_of(e->body, e->body_size);
	size_t size;

	*ret_position = drip_my_read_uint(&r, 8);
	size = drip_my_left(&r);
	if (r.bad || size == 0 || size >= DRIP_MY_FILE_MAX) {
		return corrupt(err, "a rotate event names no file");
	}
	memcpy(file, r.p, size);
	file[size] = '\0';
	return 0;
}
