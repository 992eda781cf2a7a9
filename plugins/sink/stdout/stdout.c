/* SPDX-License-Identifier: Apache-2.0 */
/* Sink `stdout`: rows as JSON lines, CSV or a table on the standard output. One thread. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_BYTES    65536
#define CELL_MAX       40  /* bytes of one cell of a table; longer ones are cut */
#define TABLE_ROWS_MAX 512 /* rows that share their column widths */

enum format { FORMAT_JSON, FORMAT_CSV, FORMAT_TABLE };

struct stdout_config {
	struct drip_enum format;
	bool ops, header;
	int64_t limit;
};

struct stdout_sink {
	const struct stdout_config *config;
	struct drip_text text;
	struct drip_schema *header; /* schema whose header was written last */
	int64_t rows;               /* written so far */
};

static const struct drip_enum_value formats[] = {
	{"json", FORMAT_JSON, "One JSON object a line."},
	{"csv", FORMAT_CSV, "RFC 4180."},
	{"table", FORMAT_TABLE, "Aligned columns, for reading; long values are cut."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct stdout_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(format, .help = "How rows are written.", .default_text = "json", .values = formats),
	OPT(ops, .help = "Write the op of each row, as the first field `_op`.",
	    .default_text = "true"),
	OPT(header,
	    .help = "Name the columns of CSV before the first row, and again where the table or "
		    "its columns change.",
	    .default_text = "true"),
	OPT(limit, .help = "Write this many rows, and only count the rest. 0: all.",
	    .default_text = "0", .unit = "rows", .max = 1e15),
};

static int stdout_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct stdout_sink *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->config = config;
	*ret_self = s;
	return 0;
}

static void stdout_close(void *self)
{
	struct stdout_sink *s = self;

	drip_text_finish(&s->text);
	drip_schema_unref(s->header);
	free(s);
}

static int stdout_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	ret->output = drip_schema_ref(input);
	snprintf(ret->dataset_namespace, sizeof(ret->dataset_namespace), "stdout://");
	snprintf(ret->action, sizeof(ret->action), "print the rows");
	return 0;
}

/* Writes out what is held. */
static int flush_text(struct stdout_sink *s, struct drip_error *err)
{
	int rc = drip_text_check(&s->text, err);
	size_t at = 0;

	while (rc == 0 && at < s->text.size) {
		ssize_t n = write(STDOUT_FILENO, s->text.data + at, s->text.size - at);

		if (n > 0) {
			at += (size_t)n;
		} else if (n < 0 && errno != EINTR) {
			rc = drip_error_set(err, -errno, "stdout.write",
					    "could not write to the standard output: %s",
					    strerror(errno));
		}
	}
	drip_text_clear(&s->text);
	return rc;
}

static bool same_columns(const struct drip_schema *a, const struct drip_schema *b)
{
	if (a == b) {
		return true;
	}
	if (a == NULL || a->columns_count != b->columns_count || strcmp(a->table, b->table) != 0) {
		return false;
	}
	for (uint32_t i = 0; i < a->columns_count; i++) {
		if (strcmp(drip_schema_column(a, i)->name, drip_schema_column(b, i)->name) != 0) {
			return false;
		}
	}
	return true;
}

static void put_csv_header(struct stdout_sink *s, const struct drip_schema *schema)
{
	if (s->config->ops) {
		drip_text_puts(&s->text, "_op");
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const char *name = drip_schema_column(schema, i)->name;

		drip_text_put(&s->text, ",", i > 0 || s->config->ops);
		drip_text_csv_field(&s->text, name, strlen(name));
	}
	drip_text_puts(&s->text, "\n");
}

/* Cuts at CELL_MAX bytes, not inside a character, and makes control characters harmless. */
static int make_cell(const struct drip_batch *batch, uint32_t column, int64_t row,
		     char cell[CELL_MAX + 4])
{
	const struct drip_column *c = drip_schema_column(batch->schema, column);
	struct drip_value v;
	int size;

	drip_value_get(batch, column, row, &v);
	if (v.type == DRIP_TYPE_NONE) {
		return snprintf(cell, CELL_MAX, "NULL");
	}
	if (v.data != NULL && v.type != DRIP_TYPE_DECIMAL && v.size > CELL_MAX) {
		v.size = CELL_MAX;
		size = drip_value_format(&v, c, cell, CELL_MAX + 1);
		size = size > CELL_MAX - 3 ? CELL_MAX - 3 : size;
		while (size > 0 && ((unsigned char)cell[size] & 0xc0) == 0x80) {
			size--;
		}
		memcpy(cell + size, "...", 4);
		size += 3;
	} else {
		size = drip_value_format(&v, c, cell, CELL_MAX + 1);
		size = size > CELL_MAX ? CELL_MAX : size;
	}
	for (int i = 0; i < size; i++) {
		if ((unsigned char)cell[i] < 0x20 || cell[i] == 0x7f) {
			cell[i] = ' ';
		}
	}
	return size;
}

static int glyphs_of(const char *text, int size)
{
	int n = 0;

	for (int i = 0; i < size; i++) {
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	}
	return n;
}

static void put_padded(struct stdout_sink *s, const char *text, int size, int width, bool right)
{
	int pad = width - glyphs_of(text, size);

	for (int i = 0; right && i < pad; i++) {
		drip_text_put(&s->text, " ", 1);
	}
	drip_text_put(&s->text, text, (size_t)size);
	for (int i = 0; !right && i < pad; i++) {
		drip_text_put(&s->text, " ", 1);
	}
}

static void put_table_header(struct stdout_sink *s, const struct drip_schema *schema,
			     const int *widths)
{
	drip_text_puts(&s->text, "-- ");
	drip_text_puts(&s->text, schema->table);
	drip_text_puts(&s->text, "\n");
	if (s->config->ops) {
		put_padded(s, "_op", 3, 8, false);
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const char *name = drip_schema_column(schema, i)->name;

		put_padded(s, name, (int)strlen(name), widths[i] + 2, false);
	}
	drip_text_puts(&s->text, "\n");
}

static void put_table_row(struct stdout_sink *s, const struct drip_batch *batch, int64_t row,
			  const int *widths)
{
	char cell[CELL_MAX + 4];

	if (s->config->ops) {
		const char *op = drip_op_name(drip_batch_op(batch, row));

		put_padded(s, op, (int)strlen(op), 8, false);
	}
	for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
		enum drip_type type = drip_schema_column(batch->schema, i)->type;
		int size = make_cell(batch, i, row, cell);

		put_padded(s, cell, size, widths[i],
			   type >= DRIP_TYPE_INT8 && type <= DRIP_TYPE_DECIMAL);
		drip_text_puts(&s->text, "  ");
	}
	while (s->text.size > 0 && s->text.data[s->text.size - 1] == ' ') {
		s->text.size--;
	}
	drip_text_puts(&s->text, "\n");
}

static int write_table(struct stdout_sink *s, const struct drip_batch *batch, int64_t rows,
		       struct drip_error *err)
{
	uint32_t columns = batch->schema->columns_count;
	int *widths = calloc(columns + 1, sizeof(*widths));
	char cell[CELL_MAX + 4];
	int rc = 0;

	if (widths == NULL) {
		return drip_error_nomem(err, (columns + 1) * sizeof(*widths));
	}
	for (uint32_t i = 0; i < columns; i++) {
		const char *name = drip_schema_column(batch->schema, i)->name;

		widths[i] = glyphs_of(name, (int)strlen(name));
		for (int64_t row = 0; row < rows && row < TABLE_ROWS_MAX; row++) {
			int glyphs = glyphs_of(cell, make_cell(batch, i, row, cell));

			widths[i] = glyphs > widths[i] ? glyphs : widths[i];
		}
	}
	put_table_header(s, batch->schema, widths);
	for (int64_t row = 0; rc == 0 && row < rows; row++) {
		put_table_row(s, batch, row, widths);
		if (s->text.size >= FLUSH_BYTES) {
			rc = flush_text(s, err);
		}
	}
	free(widths);
	return rc;
}

static int write_lines(struct stdout_sink *s, const struct drip_batch *batch, int64_t rows,
		       struct drip_error *err)
{
	int rc = 0;

	if (s->config->format.value == FORMAT_CSV && s->config->header &&
	    !same_columns(s->header, batch->schema)) {
		put_csv_header(s, batch->schema);
		drip_schema_unref(s->header);
		s->header = drip_schema_ref(batch->schema);
	}
	for (int64_t row = 0; rc == 0 && row < rows; row++) {
		if (s->config->format.value == FORMAT_CSV) {
			drip_text_csv_row(&s->text, batch, row, s->config->ops);
		} else {
			drip_text_json_row(&s->text, batch, row, s->config->ops ? "_op" : NULL);
		}
		drip_text_put(&s->text, "\n", 1);
		if (s->text.size >= FLUSH_BYTES) {
			rc = flush_text(s, err);
		}
	}
	return rc;
}

static int stdout_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct stdout_sink *s = self;
	int64_t rows = batch->rows, limit = s->config->limit;
	int rc;

	if (batch->kind != DRIP_BATCH_ROWS) {
		return 0;
	}
	if (limit != 0 && rows > limit - s->rows) {
		rows = limit > s->rows ? limit - s->rows : 0;
	}
	s->rows += batch->rows;
	if (rows == 0) {
		return 0;
	}
	if (s->config->format.value == FORMAT_TABLE) {
		rc = write_table(s, batch, rows, err);
	} else {
		rc = write_lines(s, batch, rows, err);
	}
	return rc != 0 ? rc : flush_text(s, err);
}

static int stdout_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct stdout_sink *s = self;

	return flush_text(s, err);
}

static int stdout_abort(void *self, struct drip_error *err)
{
	struct stdout_sink *s = self;

	drip_text_clear(&s->text);
	return 0;
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.open = stdout_open,
	.close = stdout_close,
	.negotiate = stdout_negotiate,
	.write = stdout_write,
	.commit = stdout_commit,
	.abort = stdout_abort,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SINK,
	.name = "stdout",
	.summary = "Rows on the standard output",
	.description = "For trying pipelines, and for shell pipes. JSON writes decimals as numbers "
		       "with all their digits.",
	.schema_notes = "Takes any schema.",
	.guarantees = "At least once: what was written before a failure is written again. Control "
		      "batches, such as a truncate, print nothing.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_CHANGES,
	.clearance = DRIP_CLASS_INTERNAL,
	.config_size = sizeof(struct stdout_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("stdout", DRIP_SDK_VERSION, "Sink that prints rows", &component);
