/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas and batches as short texts, for tests to write and to compare. */
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_MAX 4096 /* bytes of a literal value */

static void apply_word(struct drip_column *c, const char *word, const char *columns)
{
	if (strcmp(word, "key") == 0) {
		c->flags |= DRIP_COLUMN_KEY;
	} else if (strcmp(word, "null") == 0) {
		c->flags |= DRIP_COLUMN_NULLABLE;
	} else if (strcmp(word, "masked") == 0) {
		c->flags |= DRIP_COLUMN_MASKED;
	} else if (drip_class_parse(word, &c->classification) < 0) {
		harness_die("unknown word %s in the columns \"%s\"", word, columns);
	}
}

/* End of a column's text: a comma outside of parentheses, or the end. */
static const char *column_end(const char *at)
{
	int depth = 0;

	for (; *at != '\0' && (*at != ',' || depth > 0); at++) {
		depth += (*at == '(') - (*at == ')');
	}
	return at;
}

static void add_column(struct drip_schema_builder *b, const char *at, const char *end,
		       const char *columns)
{
	struct drip_column c = {.struct_size = sizeof(c)};
	struct drip_error err = DRIP_ERROR_INIT;
	char text[VALUE_MAX], *save = NULL, *type, *word;

	snprintf(text, sizeof(text), "%.*s", (int)(end - at), at);
	c.name = strtok_r(text, " ", &save);
	type = strtok_r(NULL, " ", &save);
	if (c.name == NULL || type == NULL || drip_type_parse(type, &c, &err) < 0) {
		harness_die("columns \"%s\": %s", columns,
			    type != NULL ? err.message : "a column has no type");
	}
	for (word = strtok_r(NULL, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
		apply_word(&c, word, columns);
	}
	drip_schema_builder_add(b, &c);
}

struct drip_schema *drip_test_schema(const char *table, const char *columns)
{
	const char *dot = strchr(table, '.');
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_schema_builder b;
	struct drip_schema *schema;
	char database[DRIP_NAME_MAX];

	snprintf(database, sizeof(database), "%.*s", dot != NULL ? (int)(dot - table) : 0, table);
	drip_schema_builder_init(&b, database, dot != NULL ? dot + 1 : table);
	for (const char *at = columns; *at != '\0';) {
		const char *end = column_end(at);

		add_column(&b, at, end, columns);
		at = *end == ',' ? end + 1 : end;
	}
	if (drip_schema_builder_build(&b, &schema, &err) < 0) {
		harness_die("columns \"%s\": %s", columns, err.message);
	}
	return schema;
}

static void add_row(struct drip_builder *b, const char *line, size_t size)
{
	const char *at = line + 1, *end = line + size;
	struct drip_error err = DRIP_ERROR_INIT;

	for (uint32_t i = 0; i < b->columns_count; i++) {
		const char *stop;

		if (at >= end || *at != '|') {
			harness_die("row \"%.*s\" has %u values, its table has %u columns",
				    (int)size, line, i, b->columns_count);
		}
		at++;
		stop = (const char *)memchr(at, '|', (size_t)(end - at));
		stop = stop != NULL && i + 1 < b->columns_count ? stop : end;
		if (stop - at == 4 && memcmp(at, "NULL", 4) == 0) {
			drip_append_null(&b->columns[i]);
		} else if (drip_append_text(&b->columns[i], drip_schema_column(b->schema, i), at,
					    stop - at, &err) < 0) {
			harness_die("row \"%.*s\": %s", (int)size, line, err.message);
		}
		at = stop;
	}
	if (at != end || line[0] == '\0' || strchr("riudb", line[0]) == NULL) {
		harness_die("row \"%.*s\" has an unknown op or too many values", (int)size, line);
	}
	drip_builder_row(b, (enum drip_op)line[0]);
}

struct drip_batch *drip_test_batch(const struct drip_schema *schema, const char *rows)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_builder b;
	struct drip_batch *batch;

	if (drip_builder_init(&b, schema, &err) < 0) {
		harness_die("%s", err.message);
	}
	for (const char *at = rows; *at != '\0';) {
		size_t size = strcspn(at, "\n");

		add_row(&b, at, size);
		at += size + (at[size] == '\n');
	}
	if (drip_builder_build(&b, &batch, &err) < 0) {
		harness_die("%s", err.message);
	}
	drip_builder_finish(&b);
	batch->boundary = true;
	return batch;
}

static void put_value(struct drip_text *t, const struct drip_batch *batch, uint32_t column,
		      int64_t row)
{
	struct drip_value value;
	char stack[VALUE_MAX], *buf = stack;
	int size;

	drip_text_puts(t, "|");
	drip_value_get(batch, column, row, &value);
	if (value.type == DRIP_TYPE_NONE) {
		drip_text_puts(t, "NULL");
		return;
	}
	size = drip_value_format(&value, drip_schema_column(batch->schema, column), stack,
				 sizeof(stack));
	if (size >= (int)sizeof(stack)) {
		buf = (char *)harness_realloc(NULL, (size_t)size + 1);
		drip_value_format(&value, drip_schema_column(batch->schema, column), buf,
				  (size_t)size + 1);
	}
	drip_text_put(t, buf, (size_t)size);
	if (buf != stack) {
		free(buf);
	}
}

static void put_table(struct drip_text *t, const struct drip_batch *batch)
{
	if (batch->schema != NULL && batch->schema->database[0] != '\0') {
		drip_text_puts(t, batch->schema->database);
		drip_text_puts(t, ".");
	}
	if (batch->schema != NULL && batch->kind != DRIP_BATCH_MARK) {
		drip_text_puts(t, batch->schema->table);
	}
	drip_text_puts(t, "\n");
}

static void put_batch(struct drip_text *t, const struct drip_batch *batch)
{
	static const char *const kinds[] = {"", "TRUNCATE ", "SCHEMA ", "DROP ", "MARK", "GONE "};

	drip_text_puts(t, kinds[batch->kind]);
	put_table(t, batch);
	for (int64_t row = 0; row < batch->rows; row++) {
		char op = (char)drip_batch_op(batch, row);

		drip_text_put(t, &op, 1);
		for (uint32_t i = 0; i < batch->schema->columns_count; i++) {
			put_value(t, batch, i, row);
		}
		drip_text_puts(t, "\n");
	}
}

static const char *terminated(struct drip_text *t)
{
	drip_text_put(t, "", 1);
	if (t->rc < 0) {
		harness_die("out of memory");
	}
	return t->data;
}

char *drip_test_batch_text(const struct drip_batch *batch)
{
	struct drip_text t = {.data = NULL};

	put_batch(&t, batch);
	terminated(&t);
	return t.data;
}

const char *drip_harness_output(struct drip_harness *h)
{
	drip_text_clear(&h->output);
	for (size_t i = 0; i < h->batches_count; i++) {
		put_batch(&h->output, h->batches[i]);
	}
	return terminated(&h->output);
}

struct drip_position drip_test_position(uint64_t value)
{
	struct drip_position p = {.struct_size = sizeof(p)};

	drip_position_add_u64(&p, value);
	snprintf(p.text, sizeof(p.text), "%llu", (unsigned long long)value);
	p.detail_size =
		(uint16_t)snprintf(p.detail, sizeof(p.detail), "%llu", (unsigned long long)value);
	return p;
}
