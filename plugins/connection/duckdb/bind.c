/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches as tables. One table function, `dripline_batch(slot)`, is registered with the database; a
 * session gives a slot a name with a temporary view. Text is not copied, so a batch stays bound
 * until all that reads it has ended. Another session's slot cannot be read. Binding the next batch
 * of the same schema only swaps a pointer, and prepared statements stay good. One thread scans a
 * slot, so that rows keep their order. Thread: the session's; the callbacks run on DuckDB's threads
 * while the session waits for them.
 */
#include "private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FUNCTION DRIP_DUCK_BATCH_FUNCTION
/* A scan that needs no column asks for the first one. Where it matters what is asked for, the first
 * is this. */
#define NO_COLUMN "_none"

struct scan {
	struct drip_duck_slot *slot;
	const struct drip_batch *batch; /* that is read; NULL: none */
	size_t index;                   /* of a load: which of its batches that is */
	int64_t row;
	uint32_t columns_count;
	idx_t *columns; /* of the table, for each vector of the chunk */
	struct drip_duck_fill fills[];
};

/* ---- callbacks ---- */

static struct drip_duck_slot *find_slot(struct drip_duck *duck, int64_t id, uint64_t connection_id)
{
	struct drip_duck_slot *slot;

	pthread_mutex_lock(&duck->lock);
	for (slot = duck->slots; slot != NULL; slot = slot->next) {
		if (slot->id == id && slot->connection_id == connection_id) {
			break;
		}
	}
	pthread_mutex_unlock(&duck->lock);
	return slot;
}

static void add_column(duckdb_bind_info info, const struct drip_column *column)
{
	duckdb_logical_type type = drip_duck_logical(column);

	if (type == NULL) {
		duckdb_bind_set_error(info, "a column of the batch has a type that DuckDB lacks");
		return;
	}
	if (column->type == DRIP_TYPE_JSON) {
		duckdb_logical_type_set_alias(type, "JSON");
	}
	duckdb_bind_add_result_column(info, column->name, type);
	duckdb_destroy_logical_type(&type);
}

static void on_bind(duckdb_bind_info info)
{
	static const struct drip_column text = {.struct_size = sizeof(text),
						.type = DRIP_TYPE_UTF8};
	static const struct drip_column number = {.struct_size = sizeof(number),
						  .type = DRIP_TYPE_INT64};
	struct drip_duck *duck = duckdb_bind_get_extra_info(info);
	duckdb_value id = duckdb_bind_get_parameter(info, 0);
	duckdb_client_context context = NULL;
	struct drip_duck_slot *slot;
	struct drip_column extra;

	duckdb_table_function_get_client_context(info, &context);
	slot = find_slot(duck, duckdb_get_int64(id),
			 duckdb_client_context_get_connection_id(context));
	duckdb_destroy_client_context(&context);
	duckdb_destroy_value(&id);
	if (slot == NULL) {
		duckdb_bind_set_error(info, "no such batch in this session");
		return;
	}
	if (slot->empty) {
		extra = number;
		extra.name = NO_COLUMN;
		add_column(info, &extra);
	}
	for (uint32_t i = 0; i < slot->schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(slot->schema, i);

		if (slot->load != NULL) {
			duckdb_bind_add_result_column(info, column->name, slot->load->types[i]);
		} else {
			add_column(info, column);
		}
	}
	if (slot->with_op != NULL) {
		extra = text;
		extra.name = slot->with_op;
		add_column(info, &extra);
	}
	if (slot->with_row != NULL) {
		extra = number;
		extra.name = slot->with_row;
		add_column(info, &extra);
	}
	duckdb_bind_set_cardinality(info, 1 << 14, false);
	duckdb_bind_set_bind_data(info, slot, NULL);
}

/* Text of a scanned column must be UTF-8: DuckDB takes our word for it. */
static bool check_text(const struct drip_batch *batch, uint32_t index, duckdb_init_info info)
{
	const struct drip_column *column = drip_schema_column(batch->schema, index);
	char message[DRIP_NAME_MAX + 64];
	int64_t row;

	if (column->type != DRIP_TYPE_UTF8 && column->type != DRIP_TYPE_JSON) {
		return true;
	}
	row = drip_duck_utf8_check(batch->array.children[index], 0, batch->rows);
	if (row < 0) {
		return true;
	}
	snprintf(message, sizeof(message), "column %s, row %lld of the batch: not UTF-8",
		 column->name, (long long)row);
	duckdb_init_set_error(info, message);
	return false;
}

static void free_scan(void *data)
{
	struct scan *scan = data;

	free(scan->columns);
	free(scan);
}

static void fill_init(struct scan *scan, uint32_t index, uint32_t at)
{
	const struct drip_column *column = drip_schema_column(scan->slot->schema, at);
	const struct drip_duck_load *load = scan->slot->load;
	duckdb_logical_type type = load != NULL ? load->types[at] : drip_duck_logical(column);

	drip_duck_fill_init(&scan->fills[index], column, type);
	if (load == NULL) {
		duckdb_destroy_logical_type(&type);
	}
}

/* The first batch of a load, or the one that is bound. */
static const struct drip_batch *first_batch(const struct drip_duck_slot *slot)
{
	if (slot->load == NULL) {
		return slot->batch;
	}
	return slot->load->count > 0 ? slot->load->batches[0] : NULL;
}

static void on_init(duckdb_init_info info)
{
	struct drip_duck_slot *slot = duckdb_init_get_bind_data(info);
	uint32_t count = (uint32_t)duckdb_init_get_column_count(info);
	struct scan *scan;

	if (first_batch(slot) == NULL && !slot->empty) {
		duckdb_init_set_error(info, "no batch is bound to this table");
		return;
	}
	scan = calloc(1, sizeof(*scan) + count * sizeof(scan->fills[0]));
	if (scan != NULL) {
		scan->columns = calloc(count + 1, sizeof(*scan->columns));
	}
	if (scan == NULL || scan->columns == NULL) {
		free(scan);
		duckdb_init_set_error(info, "out of memory");
		return;
	}
	scan->slot = slot;
	scan->batch = first_batch(slot);
	scan->columns_count = count;
	duckdb_init_set_init_data(info, scan, free_scan);
	duckdb_init_set_max_threads(info, 1);
	for (uint32_t i = 0; i < count; i++) {
		idx_t column = duckdb_init_get_column_index(info, i) - (slot->empty ? 1 : 0);

		scan->columns[i] = column;
		if (column >= slot->schema->columns_count) {
			continue;
		}
		if (slot->used != NULL) {
			slot->used[column] = 1;
		}
		fill_init(scan, i, (uint32_t)column);
		if (slot->batch != NULL && !check_text(scan->batch, (uint32_t)column, info)) {
			return;
		}
	}
}

static void fill_column(struct scan *scan, uint32_t i, int64_t count, duckdb_vector vector,
			duckdb_function_info info)
{
	idx_t column = scan->columns[i];
	uint32_t data = scan->slot->schema->columns_count;
	struct drip_error err = DRIP_ERROR_INIT;

	if (column < data) {
		if (drip_duck_fill_rows(&scan->fills[i], scan->batch->array.children[column],
					scan->row, count, vector, &err) != 0) {
			duckdb_function_set_error(info, err.message);
			if (scan->slot->load != NULL && scan->slot->load->error->rc == 0) {
				*scan->slot->load->error = err;
			}
		}
	} else if (column == data && scan->slot->with_op != NULL) {
		drip_duck_fill_ops(scan->batch, scan->row, count, vector);
	} else if (column <= data + 1 && scan->slot->with_row != NULL) {
		int64_t first = scan->row;

		if (scan->slot->load != NULL) {
			first += (int64_t)(scan->batch->sequence << 32);
		}
		drip_duck_fill_numbers(first, count, vector);
	}
}

/* To the next batch of a load where the last one is read to its end. */
static void next_batch(struct scan *scan)
{
	const struct drip_duck_load *load = scan->slot->load;

	while (load != NULL && scan->row == scan->batch->rows && scan->index + 1 < load->count) {
		scan->batch = load->batches[++scan->index];
		scan->row = 0;
	}
}

static void on_scan(duckdb_function_info info, duckdb_data_chunk output)
{
	struct scan *scan = duckdb_function_get_init_data(info);
	int64_t count;

	next_batch(scan);
	count = scan->batch != NULL ? scan->batch->rows - scan->row : 0;
	if (count > DRIP_DUCK_CHUNK) {
		count = DRIP_DUCK_CHUNK;
	}
	for (uint32_t i = 0; count > 0 && i < scan->columns_count; i++) {
		fill_column(scan, i, count, duckdb_data_chunk_get_vector(output, i), info);
	}
	/* What was read here happens before the batch is let go of: see drip_duck_bind. */
	__atomic_fetch_add(&scan->slot->scanned, 1, __ATOMIC_RELEASE);
	scan->row += count;
	duckdb_data_chunk_set_size(output, (idx_t)count);
}

int drip_duck_bind_register(struct drip_duck *duck, struct drip_error *err)
{
	duckdb_table_function function = duckdb_create_table_function();
	duckdb_logical_type bigint = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
	duckdb_connection connection = NULL;
	duckdb_state state = duckdb_connect(duck->database, &connection);

	duckdb_table_function_set_name(function, FUNCTION);
	duckdb_table_function_add_parameter(function, bigint);
	duckdb_table_function_set_extra_info(function, duck, NULL);
	duckdb_table_function_set_bind(function, on_bind);
	duckdb_table_function_set_init(function, on_init);
	duckdb_table_function_set_function(function, on_scan);
	duckdb_table_function_supports_projection_pushdown(function, true);
	if (state == DuckDBSuccess) {
		state = duckdb_register_table_function(connection, function);
		duckdb_disconnect(&connection);
	}
	duckdb_destroy_logical_type(&bigint);
	duckdb_destroy_table_function(&function);
	return state == DuckDBSuccess ? 0
				      : drip_error_set_retryable(err, -EIO, "duckdb.open_failed",
								 "could not register " FUNCTION);
}

/* ---- slots ---- */

static void unlink_slot(struct drip_duck *duck, struct drip_duck_slot *slot)
{
	pthread_mutex_lock(&duck->lock);
	for (struct drip_duck_slot **p = &duck->slots; *p != NULL; p = &(*p)->next) {
		if (*p == slot) {
			*p = slot->next;
			break;
		}
	}
	pthread_mutex_unlock(&duck->lock);
}

static void slot_destroy(struct drip_duck *duck, struct drip_duck_slot *slot)
{
	unlink_slot(duck, slot);
	drip_schema_unref(slot->schema);
	free(slot->name);
	free(slot->with_op);
	free(slot->with_row);
	free(slot->used);
	free(slot);
}

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static uint64_t connection_id(struct drip_duck_session *s)
{
	duckdb_client_context context = NULL;
	uint64_t id;

	duckdb_connection_get_client_context(s->connection, &context);
	id = duckdb_client_context_get_connection_id(context);
	duckdb_destroy_client_context(&context);
	return id;
}

/* (gives) a linked slot. */
static struct drip_duck_slot *slot_create(struct drip_duck_session *s, const char *name,
					  const struct drip_schema *schema, const char *with_op,
					  const char *with_row)
{
	struct drip_duck_slot *slot = calloc(1, sizeof(*slot));

	if (slot == NULL) {
		return NULL;
	}
	slot->session = s;
	slot->connection_id = connection_id(s);
	slot->schema = drip_schema_ref(schema);
	slot->name = strdup(name);
	slot->with_op = with_op != NULL ? strdup(with_op) : NULL;
	slot->with_row = with_row != NULL ? strdup(with_row) : NULL;
	slot->used = calloc(schema->columns_count + 1, 1);
	pthread_mutex_lock(&s->duck->lock);
	slot->id = ++s->duck->last_slot;
	slot->next = s->duck->slots;
	s->duck->slots = slot;
	pthread_mutex_unlock(&s->duck->lock);
	if (slot->name == NULL || slot->used == NULL ||
	    (with_op != NULL && slot->with_op == NULL) ||
	    (with_row != NULL && slot->with_row == NULL)) {
		slot_destroy(s->duck, slot);
		return NULL;
	}
	return slot;
}

struct drip_duck_slot *drip_duck_load_create(struct drip_duck_session *s,
					     const struct drip_schema *schema, const char *with_op,
					     const char *with_sequence,
					     const struct drip_duck_load *load)
{
	struct drip_duck_slot *slot = slot_create(s, "", schema, with_op, with_sequence);

	if (slot != NULL) {
		slot->load = load;
	}
	return slot;
}

void drip_duck_load_destroy(struct drip_duck_session *s, struct drip_duck_slot *slot)
{
	slot_destroy(s->duck, slot);
}

void drip_duck_load_settle(struct drip_duck_slot *slot)
{
	(void)__atomic_load_n(&slot->scanned, __ATOMIC_ACQUIRE);
}

static int make_view(struct drip_duck_session *s, struct drip_duck_slot *slot,
		     struct drip_error *err)
{
	static const struct drip_sql_dialect dialect = {.quote = '"'};
	char quoted[DRIP_DUCK_NAME_MAX], text[2 * DRIP_DUCK_NAME_MAX + 160];
	char schema[DRIP_DUCK_NAME_MAX] = "";
	const char *dot = slot->in_schema ? strchr(slot->name, '.') : NULL;
	int rc;

	if (dot != NULL) {
		char name[DRIP_NAME_MAX];

		snprintf(name, sizeof(name), "%.*s", (int)(dot - slot->name), slot->name);
		drip_sql_quote(&dialect, name, schema, sizeof(schema) - 1);
		snprintf(schema + strlen(schema), 2, ".");
	}
	if (drip_sql_quote(&dialect, dot != NULL ? dot + 1 : slot->name, quoted, sizeof(quoted)) >=
	    (int)sizeof(quoted)) {
		return drip_error_set(err, -ENAMETOOLONG, "duckdb.parameters",
				      "table name is longer than %d bytes", DRIP_NAME_MAX);
	}
	snprintf(text, sizeof(text),
		 "CREATE OR REPLACE %sVIEW %s%s AS SELECT *%s FROM " FUNCTION "(%" PRId64 ")",
		 dot != NULL ? "" : "TEMP ", schema, quoted,
		 slot->empty ? " EXCLUDE (" NO_COLUMN ")" : "", slot->id);
	rc = drip_duck_execute(s, text, NULL, err);
	slot->view = rc == 0;
	return rc;
}

static uint32_t find_bind(const struct drip_duck_session *s, const char *name)
{
	uint32_t i = 0;

	while (i < s->binds_count && strcmp(s->binds[i]->name, name) != 0) {
		i++;
	}
	return i;
}

/* Puts a fresh slot in place `i`; what was there is retired: statements prepared on it go too. */
static int replace_slot(struct drip_duck_session *s, uint32_t i, const char *name,
			const struct drip_schema *schema, const char *with_op, const char *with_row,
			struct drip_error *err)
{
	struct drip_duck_slot *slot;

	if (i == DRIP_DUCK_BINDS_MAX) {
		return drip_error_set(err, -E2BIG, "duckdb.parameters",
				      "more than %d tables are bound in one session",
				      DRIP_DUCK_BINDS_MAX);
	}
	slot = slot_create(s, name, schema, with_op, with_row);
	if (slot == NULL) {
		return drip_error_nomem(err, sizeof(*slot));
	}
	drip_duck_forget_prepared(s);
	if (i < s->binds_count) {
		slot_destroy(s->duck, s->binds[i]);
	} else {
		s->binds_count++;
	}
	s->binds[i] = slot;
	return 0;
}

int drip_duck_bind(void *session, const char *name, const struct drip_batch *batch,
		   const char *with_op, const char *with_row, struct drip_error *err)
{
	struct drip_duck_session *s = session;
	uint32_t i = find_bind(s, name);
	struct drip_duck_slot *slot = i < s->binds_count ? s->binds[i] : NULL;
	int rc = 0;

	drip_duck_stream_detach(s);
	if (slot != NULL) {
		(void)__atomic_load_n(&slot->scanned, __ATOMIC_ACQUIRE);
	}
	if (batch == NULL) {
		if (slot != NULL) {
			slot->batch = NULL;
		}
		return 0;
	}
	if (slot == NULL ||
	    (slot->schema != batch->schema && !drip_schema_equal(slot->schema, batch->schema)) ||
	    !same_text(slot->with_op, with_op) || !same_text(slot->with_row, with_row)) {
		rc = replace_slot(s, i, name, batch->schema, with_op, with_row, err);
	}
	if (rc == 0 && !s->binds[i]->view) {
		rc = make_view(s, s->binds[i], err);
	}
	if (rc == 0) {
		s->binds[i]->batch = batch;
	}
	return rc;
}

int drip_duck_bind_empty(struct drip_duck_session *s, const char *name, bool in_schema,
			 const struct drip_schema *schema, struct drip_duck_slot **ret_slot,
			 struct drip_error *err)
{
	uint32_t i = find_bind(s, name);
	int rc = replace_slot(s, i, name, schema, NULL, NULL, err);

	if (rc == 0) {
		s->binds[i]->empty = true; /* before any statement can bind it */
		s->binds[i]->in_schema = in_schema;
		rc = make_view(s, s->binds[i], err);
		*ret_slot = s->binds[i];
	}
	return rc;
}

void drip_duck_binds_finish(struct drip_duck_session *s)
{
	for (uint32_t i = 0; i < s->binds_count; i++) {
		slot_destroy(s->duck, s->binds[i]);
	}
	s->binds_count = 0;
}

void drip_duck_binds_rolled_back(struct drip_duck_session *s)
{
	for (uint32_t i = 0; i < s->binds_count; i++) {
		s->binds[i]->view = false;
	}
}
