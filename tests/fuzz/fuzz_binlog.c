/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source `mysql` on bytes from outside. The first byte chooses: events of a binlog (without the
 * file's magic), a script of DDL, the state of a catalog, the detail of a position, or a row of the
 * binary protocol.
 */
#include "fuzz.h"

#include "../../plugins/source/mysql/ddl.h"
#include "../../plugins/source/mysql/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char schema[] =
	"CREATE TABLE t.types (id BIGINT UNSIGNED PRIMARY KEY, a TINYINT, b DECIMAL(65,30), c "
	"DECIMAL(10,4), d FLOAT, e DOUBLE, f BIT(10), g YEAR, h DATE, i TIME(3), j DATETIME(6), k "
	"TIMESTAMP(3) NULL, l CHAR(10), m VARCHAR(20) CHARACTER SET latin1, n VARCHAR(300), o "
	"BINARY(8), p BLOB, q ENUM('x','y'), r SET('x','y'), s JSON, t UUID, u INET6, v GEOMETRY, "
	"w "
	"VARCHAR(200) COMPRESSED) DEFAULT CHARSET=utf8mb4; CREATE TABLE t.k (a INT, b INT)";

static void host_log(struct drip_ctx *ctx, enum drip_log_level level, const char *message)
{
}

static int host_emit(struct drip_ctx *ctx, struct drip_batch *batch, struct drip_error *err)
{
	if (drip_batch_validate(batch, err) != 0) {
		abort();
	}
	drip_batch_unref(batch);
	return 0;
}

static uint64_t host_now(struct drip_ctx *ctx)
{
	static uint64_t now;

	return now += 1000000;
}

static int host_put(struct drip_ctx *ctx, const char *key, const void *value, size_t size,
		    struct drip_error *err)
{
	return 0;
}

static void fuzz_events(const uint8_t *data, size_t size)
{
	static const struct drip_host host = {.struct_size = sizeof(host),
					      .log = host_log,
					      .emit = host_emit,
					      .now_ns = host_now,
					      .state_put = host_put};
	static const char *const all[] = {"*.*"};
	struct drip_ctx ctx = {.host = &host, .pipeline = "f", .stage = "source"};
	struct drip_my_source_options options = {.batch_rows = 8, .tables = {all, 1}};
	struct drip_my_source *s = calloc(1, sizeof(*s));
	struct drip_error err = DRIP_ERROR_INIT;

	if (s == NULL) {
		return;
	}
	options.batch_bytes.bytes = 4096;
	options.mode.value = DRIP_MY_MODE_FILES;
	s->ctx = &ctx;
	s->options = &options;
	s->at.phase = DRIP_MY_PHASE_LOG;
	options.before_images = size % 2 == 0;
	s->catalog.include = options.tables;
	drip_my_values_init(&s->values, (enum drip_my_zero)(size % 3));
	drip_my_format_init(&s->format);
	s->format.unverified = true;
	if (drip_my_ddl_script(&s->catalog, schema, sizeof(schema) - 1, &err) == 0) {
		while (size >= DRIP_MY_HEADER_SIZE) {
			size_t length = data[9] | (size_t)data[10] << 8 | (size_t)data[11] << 16;

			length = length < DRIP_MY_HEADER_SIZE || length > size ? size : length;
			if (drip_my_stream_event(s, data, length, &err) != 0) {
				break;
			}
			data += length;
			size -= length;
		}
		if (drip_my_flush(s, true, &err) != 0) {
			s->pending_rows = 0;
		}
	}
	drip_my_maps_clear(s);
	drip_my_xa_finish(&s->xa);
	drip_my_slots_finish(s);
	drip_my_format_finish(&s->format);
	drip_my_map_finish(&s->map);
	drip_my_values_finish(&s->values);
	drip_my_catalog_finish(&s->catalog);
	free(s);
}

static void fuzz_catalog(const uint8_t *data, size_t size, bool script)
{
	struct drip_my_catalog *c = calloc(1, sizeof(*c));
	struct drip_error err = DRIP_ERROR_INIT;
	void *saved;
	size_t saved_size;
	int rc;

	if (c == NULL) {
		return;
	}
	rc = script ? drip_my_ddl_script(c, (const char *)data, size, &err)
		    : drip_my_catalog_restore(c, data, size, &err);
	if (rc == 0 && drip_my_catalog_save(c, &saved, &saved_size, &err) == 0) {
		free(saved);
	}
	drip_my_catalog_finish(c);
	free(c);
}

static void fuzz_position(const uint8_t *data, size_t size)
{
	struct drip_position from = {.struct_size = sizeof(from)}, to = {0};
	struct drip_my_position p;
	struct drip_error err = DRIP_ERROR_INIT;

	from.detail_size = (uint16_t)(size < sizeof(from.detail) ? size : sizeof(from.detail));
	memcpy(from.detail, data, from.detail_size);
	if (drip_my_position_decode(&from, &p, &err) == 0) {
		drip_my_position_encode(&p, &to);
		if (drip_my_position_decode(&to, &p, &err) != 0) {
			abort();
		}
	}
}

/* The types of the result, one byte a column, then the row. */
static void append_row(const struct drip_my_table *t, const uint8_t *data, size_t size,
		       enum drip_my_zero zero)
{
	struct drip_column_builder out[32] = {{.length = 0}};
	struct drip_my_cell cells[32];
	const uint8_t *found[32];
	size_t sizes[32];
	struct drip_my_values values;

	drip_my_values_init(&values, zero);
	for (uint32_t i = 0; i < t->count; i++) {
		struct drip_column column;

		drip_my_type_column(&t->columns[i], zero, &column);
		if (drip_column_builder_init(&out[i], column.type, 1, NULL) != 0) {
			abort();
		}
		drip_my_cell_binary(&cells[i], &t->columns[i], data[i], &values);
		cells[i].out = &out[i];
	}
	if (drip_my_row_split(cells, t->count, data + t->count, size - t->count, found, sizes)) {
		for (uint32_t i = 0; i < t->count; i++) {
			if (found[i] == NULL) {
				drip_append_null(&out[i]);
			} else {
				cells[i].append(&cells[i], found[i], sizes[i]);
			}
			if (out[i].length != 1) {
				abort();
			}
		}
	}
	for (uint32_t i = 0; i < t->count; i++) {
		drip_column_builder_finish(&out[i]);
	}
	drip_my_values_finish(&values);
}

static void fuzz_row(const uint8_t *data, size_t size)
{
	struct drip_my_catalog *c = calloc(1, sizeof(*c));
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_my_table *t;

	if (c == NULL || drip_my_ddl_script(c, schema, sizeof(schema) - 1, &err) != 0) {
		abort();
	}
	t = drip_my_catalog_find(c, "t", "types");
	if (size > t->count) {
		append_row(t, data, size, (enum drip_my_zero)(size % 3));
	}
	drip_my_catalog_finish(c);
	free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0) {
		return 0;
	}
	switch (data[0] % 5) {
	case 0:
		fuzz_events(data + 1, size - 1);
		break;
	case 1:
		fuzz_catalog(data + 1, size - 1, true);
		break;
	case 2:
		fuzz_catalog(data + 1, size - 1, false);
		break;
	case 3:
		fuzz_position(data + 1, size - 1);
		break;
	default:
		fuzz_row(data + 1, size - 1);
		break;
	}
	return 0;
}
