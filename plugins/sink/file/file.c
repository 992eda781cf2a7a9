/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sink `file`: appends rows to local files as JSON lines or CSV, exactly once. Bytes beyond what
 * the ledger (ledger.h) says are committed are cut off after a failure, and the positions in the
 * ledger tell the engine where to go on. One thread.
 */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WRITE_BYTES 262144 /* written at once */

enum format { FORMAT_JSON, FORMAT_CSV };

struct file_config {
	const char *path, *ledger, *op_column;
	struct drip_enum format;
	bool header, spreadsheet;
	struct drip_size roll_size;
	struct drip_duration roll_interval;
};

struct file_sink {
	struct drip_ctx *ctx;
	const struct file_config *config;
	struct ledger ledger;
	struct drip_text text;
};

static const struct drip_enum_value formats[] = {
	{"json", FORMAT_JSON, "One JSON object a line."},
	{"csv", FORMAT_CSV, "RFC 4180; nulls are empty fields, empty texts \"\"."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct file_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(path,
	    .help = "File to append to. {table} and {database} stand for those of the rows, {part} "
		    "for the number of the part; folders are made.",
	    .example = "out/{table}-{part}.jsonl",
	    .flags = DRIP_OPTION_REQUIRED | DRIP_OPTION_PATH),
	OPT(format, .help = "How rows are written.", .default_text = "json", .values = formats),
	OPT(op_column,
	    .help = "Name of a first field that holds the op of each row in words. Empty: none, "
		    "and "
		    "only rows that are read or inserted are taken.",
	    .default_text = "_op"),
	OPT(header, .help = "Begin each CSV file with the names of its columns.",
	    .default_text = "true"),
	OPT(spreadsheet,
	    .help = "CSV that people open in a spreadsheet: an apostrophe stands before texts that "
		    "it would take for formulas. Numbers stay.",
	    .default_text = "false"),
	OPT(roll_size, .help = "Begin a new part where one has this size. 0: never.",
	    .default_text = "0"),
	OPT(roll_interval, .help = "Begin a new part where one is this old. 0s: never.",
	    .default_text = "0s"),
	OPT(ledger,
	    .help = "Where the sink keeps what it has committed. Default: `path` and .ledger, or "
		    "where that holds braces, a file in the last folder before them.",
	    .flags = DRIP_OPTION_PATH | DRIP_OPTION_ADVANCED),
};

static int check_config(const struct file_config *c, struct drip_error *err)
{
	bool parts = strstr(c->path, "{part}") != NULL;

	if (strlen(c->path) >= LEDGER_PATH_MAX / 2) {
		drip_error_set(err, -ENAMETOOLONG, "file.bad_path", "the path is too long");
		drip_error_option(err, "path");
		return -ENAMETOOLONG;
	}
	if ((c->roll_size.bytes != 0 || c->roll_interval.ms != 0) && !parts) {
		drip_error_set(err, -EINVAL, "file.no_part",
			       "files cannot roll where the path has no {part}");
		drip_error_hint(err, "Write the path as in out/{table}-{part}.jsonl.");
		drip_error_option(err, "path");
		return -EINVAL;
	}
	return 0;
}

static int io_error(struct drip_error *err, const char *what, const char *path)
{
	int rc = errno == 0 ? -EIO : -errno;

	if (rc == -ENOSPC || rc == -EDQUOT || rc == -EIO) {
		return drip_error_set_retryable(err, rc, "file.io", "could not %s '%s': %s", what,
						path, strerror(-rc));
	}
	return drip_error_set(err, rc, "file.io", "could not %s '%s': %s", what, path,
			      strerror(-rc));
}

/* With --connect: the file, or where the path depends on the table the folder, can be written. */
static int check_writable(const struct file_config *c, struct drip_error *err)
{
	const char *brace = strchr(c->path, '{');
	char path[LEDGER_PATH_MAX];
	size_t size = strlen(c->path);
	int rc;

	if (brace != NULL) { /* the folder before it */
		for (size = (size_t)(brace - c->path); size > 0 && c->path[size - 1] != '/';
		     size--) {
		}
	}
	snprintf(path, sizeof(path), "%.*s", size > 0 ? (int)size : 1, size > 0 ? c->path : ".");
	rc = drip_path_writable(path, brace != NULL);
	if (rc < 0) {
		errno = -rc;
		io_error(err, "write to", path);
		drip_error_option(err, "path");
	}
	return rc;
}

static int file_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	struct drip_error finding = DRIP_ERROR_INIT;

	if (check_config(config, &finding) != 0 ||
	    (connect && check_writable(config, &finding) != 0)) {
		report->add(report, DRIP_LOG_ERROR, &finding);
	}
	return 0;
}

/* A name as part of a path: no separators, no leading dot. */
static void put_name(struct drip_text *t, const char *name)
{
	for (size_t i = 0; name[i] != '\0'; i++) {
		unsigned char c = (unsigned char)name[i];
		bool bad = c < 0x20 || c == '/' || c == 0x7f || (i == 0 && c == '.');

		drip_text_put(t, bad ? "_" : &name[i], 1);
	}
}

/* (gives) the path of a part of a table. */
static int expand(const char *pattern, const struct drip_schema *schema, uint64_t part, char **ret,
		  struct drip_error *err)
{
	struct drip_text t = {0};
	char number[24];
	int rc;

	while (*pattern != '\0') {
		if (strncmp(pattern, "{table}", 7) == 0) {
			put_name(&t, schema->table);
			pattern += 7;
		} else if (strncmp(pattern, "{database}", 10) == 0) {
			put_name(&t, schema->database);
			pattern += 10;
		} else if (strncmp(pattern, "{part}", 6) == 0) {
			snprintf(number, sizeof(number), "%06" PRIu64, part);
			drip_text_puts(&t, number);
			pattern += 6;
		} else {
			drip_text_put(&t, pattern++, 1);
		}
	}
	drip_text_put(&t, "", 1);
	rc = drip_text_check(&t, err);
	if (rc == 0 && t.size >= LEDGER_PATH_MAX) {
		rc = drip_error_set(err, -ENAMETOOLONG, "file.bad_path",
				    "the path of table '%s' is too long", schema->table);
	}
	if (rc != 0) {
		drip_text_finish(&t);
		return rc;
	}
	*ret = t.data;
	return 0;
}

static int make_folders(const char *path, struct drip_error *err)
{
	char folder[LEDGER_PATH_MAX];

	snprintf(folder, sizeof(folder), "%s", path);
	for (char *p = folder + 1; *p != '\0'; p++) {
		if (*p != '/') {
			continue;
		}
		*p = '\0';
		if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
			return io_error(err, "make folder", folder);
		}
		*p = '/';
	}
	return 0;
}

/* (gives) where the ledger of this instance stands. */
static int ledger_path(struct file_sink *s, char **ret, struct drip_error *err)
{
	const struct file_config *c = s->config;
	const char *brace = strchr(c->path, '{');
	char path[LEDGER_PATH_MAX + 512];
	size_t folder;

	if (c->ledger != NULL) {
		snprintf(path, sizeof(path), "%s", c->ledger);
	} else if (brace == NULL) {
		snprintf(path, sizeof(path), "%s.ledger", c->path);
	} else {
		for (folder = (size_t)(brace - c->path); folder > 0 && c->path[folder - 1] != '/';
		     folder--) {
		}
		snprintf(path, sizeof(path), "%.*s.%.100s-%.100s.ledger", (int)folder, c->path,
			 s->ctx->pipeline, s->ctx->stage);
	}
	*ret = strdup(path);
	return *ret == NULL ? drip_error_nomem(err, strlen(path) + 1) : 0;
}

static void file_close(void *self)
{
	struct file_sink *s = self;

	ledger_finish(&s->ledger);
	drip_text_finish(&s->text);
	free(s);
}

static int file_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		     struct drip_error *err)
{
	struct file_sink *s;
	int rc = check_config(config, err);

	if (rc != 0) {
		return rc;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL) {
		return drip_error_nomem(err, sizeof(*s));
	}
	s->ctx = ctx;
	s->config = config;
	ledger_init(&s->ledger);
	rc = ledger_path(s, &s->ledger.path, err);
	if (rc == 0) {
		rc = make_folders(s->ledger.path, err);
	}
	if (rc == 0) {
		rc = ledger_load(&s->ledger, err);
	}
	if (rc == 0) {
		rc = ledger_rollback(&s->ledger, err);
	}
	if (rc != 0) {
		file_close(s);
		return rc;
	}
	*ret_self = s;
	return 0;
}

static int file_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	const struct file_config *c = config;
	struct drip_error one = DRIP_ERROR_INIT;
	char *path = NULL;
	int rc = 0;

	if (c->op_column != NULL && *c->op_column != '\0' &&
	    drip_schema_find(input, c->op_column) >= 0) {
		rc = drip_error_set(err, -EINVAL, "file.op_column",
				    "table '%s' has a column '%s' of its own", input->table,
				    c->op_column);
		drip_error_hint(err, "Give the op another name with op_column.");
		drip_error_option(err, "op_column");
	}
	if (expand(c->path, input, 0, &path, &one) != 0) {
		rc = drip_error_also(err, rc, &one);
	}
	if (rc != 0) {
		free(path);
		return rc;
	}
	snprintf(ret->dataset_namespace, sizeof(ret->dataset_namespace), "file");
	snprintf(ret->dataset, sizeof(ret->dataset), "%s", path);
	snprintf(ret->action, sizeof(ret->action), "append to %.200s", path);
	free(path);
	ret->output = drip_schema_ref(input);
	return 0;
}

static int file_positions(void *self, struct drip_position **ret, size_t *ret_count,
			  struct drip_error *err)
{
	struct file_sink *s = self;
	size_t count = s->ledger.positions_count;

	*ret_count = 0;
	*ret = calloc(count + 1, sizeof(**ret));
	if (*ret == NULL) {
		return drip_error_nomem(err, (count + 1) * sizeof(**ret));
	}
	if (count != 0) {
		memcpy(*ret, s->ledger.positions, count * sizeof(**ret));
	}
	*ret_count = count;
	return 0;
}

static bool has_ops(const struct file_sink *s)
{
	return s->config->op_column != NULL && *s->config->op_column != '\0';
}

static void put_csv_name(struct file_sink *s, const char *name)
{
	if (s->config->spreadsheet) {
		drip_text_csv_sheet_field(&s->text, name, strlen(name));
	} else {
		drip_text_csv_field(&s->text, name, strlen(name));
	}
}

/* Puts the CSV header and returns a hash of it, never 0 (FNV-1a). */
static uint64_t put_header(struct file_sink *s, const struct drip_schema *schema)
{
	uint64_t hash = 0xcbf29ce484222325u;
	size_t from = s->text.size;

	if (has_ops(s)) {
		put_csv_name(s, s->config->op_column);
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const char *name = drip_schema_column(schema, i)->name;

		drip_text_put(&s->text, ",", i > 0 || has_ops(s));
		put_csv_name(s, name);
	}
	drip_text_put(&s->text, "\n", 1);
	for (size_t i = from; i < s->text.size; i++) {
		hash = (hash ^ (unsigned char)s->text.data[i]) * 0x100000001b3u;
	}
	return hash | 1;
}

static int write_text(struct file_sink *s, struct ledger_file *f, struct drip_error *err)
{
	int rc = drip_text_check(&s->text, err);
	size_t at = 0;

	while (rc == 0 && at < s->text.size) {
		ssize_t n =
			pwrite(f->fd, s->text.data + at, s->text.size - at, (off_t)(f->size + at));

		if (n > 0) {
			at += (size_t)n;
			f->dirty = true;
		} else if (n < 0 && errno != EINTR) {
			rc = io_error(err, "write", f->path);
		}
	}
	f->size += at;
	drip_text_clear(&s->text);
	return rc;
}

/* Enters a new file in the ledger, durably, before it makes it: so a file that the ledger does not
 * know is never one of ours. */
static int create_file(struct file_sink *s, struct ledger_file *f, struct drip_error *err)
{
	int rc = make_folders(f->path, err);

	if (rc == 0 && access(f->path, F_OK) == 0) {
		rc = drip_error_set(err, -EEXIST, "file.exists",
				    "'%s' exists already and was not written by this stage",
				    f->path);
		drip_error_hint(err, "Move it away, or give another path.");
	}
	if (rc == 0) {
		rc = ledger_save(&s->ledger, s->ledger.positions, s->ledger.positions_count, err);
	}
	if (rc != 0) {
		return rc;
	}
	f->fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (f->fd < 0) {
		return io_error(err, "create", f->path);
	}
	return ledger_sync_folder(f->path, err);
}

static int new_file(struct file_sink *s, const char *table, uint64_t part,
		    const struct drip_schema *schema, struct ledger_file **ret,
		    struct drip_error *err)
{
	struct ledger_file *f = ledger_add(&s->ledger, table, err);
	int rc;

	if (f == NULL) {
		return -ENOMEM;
	}
	f->part = part;
	f->opened_us = s->ctx->host->wall_us(s->ctx);
	rc = expand(s->config->path, schema, part, &f->path, err);
	if (rc == 0) {
		rc = create_file(s, f, err);
	}
	if (rc != 0) {
		/* not ours to remove: a rollback would unlink what stands there */
		ledger_remove(&s->ledger, s->ledger.files_count - 1);
		return rc;
	}
	*ret = f;
	return 0;
}

static bool is_full(const struct file_sink *s, const struct ledger_file *f)
{
	const struct file_config *c = s->config;

	return (c->roll_size.bytes != 0 && f->size >= c->roll_size.bytes) ||
	       (c->roll_interval.ms != 0 &&
		s->ctx->host->wall_us(s->ctx) - f->opened_us >= c->roll_interval.ms * 1000);
}

static int reopen(struct ledger_file *f, struct drip_error *err)
{
	if (f->fd < 0) {
		f->fd = open(f->path, O_WRONLY | O_CLOEXEC);
	}
	return f->fd < 0 ? io_error(err, "open", f->path) : 0;
}

/* The file that rows of `schema` go to now, with its header in place. */
static int find_file(struct file_sink *s, const struct drip_schema *schema,
		     struct ledger_file **ret, struct drip_error *err)
{
	bool parts = strstr(s->config->path, "{part}") != NULL;
	bool header = s->config->format.value == FORMAT_CSV && s->config->header;
	uint64_t hash = header ? put_header(s, schema) : 0;
	struct ledger_file *f = NULL;
	char *table;
	int rc = expand(s->config->path, schema, 0, &table, err);

	for (size_t i = 0; rc == 0 && i < s->ledger.files_count && f == NULL; i++) {
		struct ledger_file *g = &s->ledger.files[i];

		f = !g->finished && strcmp(g->table, table) == 0 ? g : NULL;
	}
	if (rc == 0 && f != NULL && f->header != hash && !parts) {
		rc = drip_error_set(err, -EINVAL, "file.columns_changed",
				    "rows of table '%s' do not have the columns of '%s'",
				    schema->table, f->path);
		drip_error_hint(err, "Put {table} and {part} into the path, or write JSON.");
	}
	if (rc == 0 && (f == NULL || f->header != hash || is_full(s, f))) {
		uint64_t part = f == NULL ? 0 : f->part + 1;

		if (f != NULL) {
			f->finished = true;
		}
		rc = new_file(s, table, part, schema, &f, err);
		if (rc == 0) {
			f->header = hash;
			rc = write_text(s, f, err);
		}
	} else if (rc == 0) {
		rc = reopen(f, err);
	}
	drip_text_clear(&s->text);
	free(table);
	*ret = f;
	return rc;
}

static int needs_op(const struct drip_batch *batch, struct drip_error *err)
{
	int rc = drip_error_set(err, -EINVAL, "file.needs_op",
				"table '%s' yields changes, but there is no op_column to tell them",
				batch->schema->table);

	drip_error_option(err, "op_column");
	return rc;
}

/* A truncated or dropped table, as a line that has an op and nothing else. */
static void put_control(struct file_sink *s, const struct drip_batch *batch)
{
	const char *op = batch->kind == DRIP_BATCH_TRUNCATE ? "truncate" : "drop";

	if (s->config->format.value == FORMAT_CSV) {
		drip_text_puts(&s->text, op);
		for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
			drip_text_put(&s->text, ",", 1);
		}
	} else {
		drip_text_put(&s->text, "{", 1);
		drip_text_json_string(&s->text, s->config->op_column, strlen(s->config->op_column));
		drip_text_put(&s->text, ":", 1);
		drip_text_json_string(&s->text, op, strlen(op));
		drip_text_put(&s->text, "}", 1);
	}
	drip_text_put(&s->text, "\n", 1);
}

static int write_rows(struct file_sink *s, struct ledger_file *f, const struct drip_batch *batch,
		      struct drip_error *err)
{
	const char *op_column = has_ops(s) ? s->config->op_column : NULL;
	int rc = 0;

	for (int64_t row = 0; rc == 0 && row < batch->rows; row++) {
		if (op_column == NULL && drip_batch_op(batch, row) != DRIP_OP_READ &&
		    drip_batch_op(batch, row) != DRIP_OP_INSERT) {
			return needs_op(batch, err);
		}
		if (s->config->format.value == FORMAT_CSV && s->config->spreadsheet) {
			drip_text_csv_sheet_row(&s->text, batch, row, op_column != NULL);
		} else if (s->config->format.value == FORMAT_CSV) {
			drip_text_csv_row(&s->text, batch, row, op_column != NULL);
		} else {
			drip_text_json_row(&s->text, batch, row, op_column);
		}
		drip_text_put(&s->text, "\n", 1);
		if (s->text.size >= WRITE_BYTES) {
			rc = write_text(s, f, err);
		}
	}
	return rc;
}

static int file_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	struct file_sink *s = self;
	struct ledger_file *f;
	int rc;

	if (batch->kind == DRIP_BATCH_MARK || batch->kind == DRIP_BATCH_SCHEMA ||
	    (batch->kind == DRIP_BATCH_ROWS && batch->rows == 0)) {
		return 0;
	}
	rc = find_file(s, batch->schema, &f, err);
	if (rc != 0) {
		return rc;
	}
	if (batch->kind != DRIP_BATCH_ROWS) {
		if (!has_ops(s)) {
			return needs_op(batch, err);
		}
		put_control(s, batch);
	} else {
		rc = write_rows(s, f, batch, err);
	}
	return rc != 0 ? rc : write_text(s, f, err);
}

static int file_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	struct file_sink *s = self;
	struct ledger *l = &s->ledger;
	int rc;

	for (size_t i = 0; i < l->files_count; i++) {
		struct ledger_file *f = &l->files[i];

		if (f->dirty && fdatasync(f->fd) != 0) {
			return io_error(err, "sync", f->path);
		}
		f->dirty = false;
	}
	rc = drip_failpoint(s->ctx, "sink.before_commit", err);
	if (rc != 0) {
		return rc;
	}
	for (size_t i = l->files_count; i-- > 0;) {
		l->files[i].committed = l->files[i].size;
		if (l->files[i].finished) {
			ledger_remove(l, i);
		}
	}
	rc = ledger_save(l, epoch->positions, epoch->positions_count, err);
	return rc != 0 ? rc : drip_failpoint(s->ctx, "sink.after_commit", err);
}

static int file_abort(void *self, struct drip_error *err)
{
	struct file_sink *s = self;
	int rc = ledger_load(&s->ledger, err);

	drip_text_clear(&s->text);
	return rc != 0 ? rc : ledger_rollback(&s->ledger, err);
}

static const struct drip_sink_ops ops = {
	.struct_size = sizeof(ops),
	.check = file_check,
	.open = file_open,
	.close = file_close,
	.negotiate = file_negotiate,
	.positions = file_positions,
	.write = file_write,
	.commit = file_commit,
	.abort = file_abort,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_SINK,
	.name = "file",
	.summary = "Rows in local files, as JSON lines or CSV",
	.description = "Appends rows to one file, or to one a table and part. A ledger beside the "
		       "files holds the positions and committed lengths; bytes beyond them are cut "
		       "off when the sink opens. A file that exists and is not in the ledger is "
		       "never touched.",
	.schema_notes = "Takes any schema. CSV files have one set of columns each: where a table "
			"changes, a path with {part} goes on in a new part, any other is an error.",
	.guarantees =
		"Exactly once, in the order of the source. A reader sees rows before they are "
		"committed; a finished part no longer changes.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_CHANGES | DRIP_CAP_EXACTLY_ONCE | DRIP_CAP_EXCLUSIVE,
	.clearance = DRIP_CLASS_INTERNAL,
	.config_size = sizeof(struct file_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("file-sink", DRIP_SDK_VERSION, "Sink that writes local files", &component);
