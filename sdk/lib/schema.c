/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schemas and their builder. A built schema is one heap block (struct, columns, strings), immutable
 * but for its reference count, which is atomic. Types and their names: type.c. JSON: schema_json.c.
 */
#include <dripline/schema.h>

#include <dripline/suggest.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct drip_schema *drip_schema_ref(const struct drip_schema *schema)
{
	struct drip_schema *s = (struct drip_schema *)(uintptr_t)schema;

	if (s != NULL) {
		__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
	}
	return s;
}

void drip_schema_unref(const struct drip_schema *schema)
{
	struct drip_schema *s = (struct drip_schema *)(uintptr_t)schema;

	if (s != NULL && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0) {
		s->release(s);
	}
}

const struct drip_column *drip_schema_column(const struct drip_schema *schema, uint32_t index)
{
	const char *base = (const char *)schema->columns;

	return (const struct drip_column *)(const void *)(base +
							  (size_t)index *
								  schema->columns->struct_size);
}

/* `from` with what its size holds, and zeros behind. */
static struct drip_column sized_copy(const struct drip_column *from)
{
	struct drip_column copy = {.struct_size = sizeof(copy)};
	size_t size = from->struct_size != 0 && from->struct_size < sizeof(copy) ? from->struct_size
										 : sizeof(copy);

	memcpy(&copy, from, size);
	copy.struct_size = sizeof(copy);
	return copy;
}

struct drip_column drip_schema_column_get(const struct drip_schema *schema, uint32_t index)
{
	return sized_copy(drip_schema_column(schema, index));
}

int drip_schema_find(const struct drip_schema *schema, const char *name)
{
	int found = -1;

	for (uint32_t i = 0; i < schema->columns_count; i++) {
		const char *other = drip_schema_column(schema, i)->name;

		if (strcmp(other, name) == 0) {
			return (int)i;
		}
		if (found < 0 && strcasecmp(other, name) == 0) {
			found = (int)i;
		}
	}
	return found;
}

int drip_schema_require(const struct drip_schema *schema, const char *name, const char *code,
			struct drip_error *err)
{
	struct drip_suggestion s = {.wrong = name};
	int index = drip_schema_find(schema, name);
	char hint[256];

	if (index >= 0) {
		return index;
	}
	for (uint32_t i = 0; i < schema->columns_count; i++) {
		drip_suggestion_offer(&s, drip_schema_column(schema, i)->name);
	}
	drip_error_set(err, -EINVAL, code, "table '%s' has no column '%s'", schema->table, name);
	drip_error_hint(err, "%s",
			drip_suggestion_hint(&s, "Name the tables that the stage is for in `only`.",
					     hint, sizeof(hint)));
	return -EINVAL;
}

bool drip_schema_equal(const struct drip_schema *a, const struct drip_schema *b)
{
	if (a == b) {
		return true;
	}
	if (a == NULL || b == NULL || a->columns_count != b->columns_count ||
	    strcmp(a->table, b->table) != 0 || strcmp(a->database, b->database) != 0) {
		return false;
	}
	for (uint32_t i = 0; i < a->columns_count; i++) {
		const struct drip_column *x = drip_schema_column(a, i);
		const struct drip_column *y = drip_schema_column(b, i);

		if (x->type != y->type || x->precision != y->precision || x->scale != y->scale ||
		    x->flags != y->flags || x->classification != y->classification ||
		    strcmp(x->name, y->name) != 0) {
			return false;
		}
	}
	return true;
}

/* ---- builder ---- */

static void free_strings(struct drip_column *column)
{
	free((void *)(uintptr_t)column->name);
	free((void *)(uintptr_t)column->source_type);
	free((void *)(uintptr_t)column->fill);
	free((void *)(uintptr_t)column->renamed_from);
}

/* A copy of `text`, NULL of NULL; *failed where there is no memory. */
static char *copy_text(const char *text, bool *failed)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	*failed |= text != NULL && copy == NULL;
	return copy;
}

static void set_string(struct drip_schema_builder *b, char **member, const char *text)
{
	char *copy = strdup(text != NULL ? text : "");

	if (copy == NULL) {
		b->rc = b->rc != 0 ? b->rc : -ENOMEM;
		return;
	}
	free(*member);
	*member = copy;
}

void drip_schema_builder_init(struct drip_schema_builder *b, const char *database,
			      const char *table)
{
	memset(b, 0, sizeof(*b));
	drip_schema_builder_set_table(b, database, table);
}

void drip_schema_builder_from(struct drip_schema_builder *b, const struct drip_schema *from)
{
	drip_schema_builder_init(b, from->database, from->table);
	b->version = from->version;
	for (uint32_t i = 0; i < from->columns_count; i++) {
		drip_schema_builder_add(b, drip_schema_column(from, i));
	}
}

void drip_schema_builder_set_table(struct drip_schema_builder *b, const char *database,
				   const char *table)
{
	set_string(b, &b->database, database);
	set_string(b, &b->table, table);
}

static bool make_room(struct drip_schema_builder *b)
{
	uint32_t capacity = b->capacity == 0 ? 16 : b->capacity * 2;
	struct drip_column *grown;

	if (b->rc != 0) {
		return false;
	}
	if (b->count >= DRIP_COLUMNS_MAX) {
		b->rc = -E2BIG;
		return false;
	}
	if (b->count < b->capacity) {
		return true;
	}
	grown = (struct drip_column *)realloc(b->columns, capacity * sizeof(*grown));
	if (grown == NULL) {
		b->rc = -ENOMEM;
		return false;
	}
	b->columns = grown;
	b->capacity = capacity;
	return true;
}

uint32_t drip_schema_builder_add(struct drip_schema_builder *b, const struct drip_column *column)
{
	uint32_t index = b->count;
	bool failed = false;
	struct drip_column copy;

	if (!make_room(b)) {
		return index;
	}
	copy = sized_copy(column);
	copy.name = copy_text(copy.name != NULL ? copy.name : "", &failed);
	copy.source_type = copy_text(copy.source_type, &failed);
	copy.fill = copy_text(copy.fill, &failed);
	copy.renamed_from = copy_text(copy.renamed_from, &failed);
	if (failed) {
		free_strings(&copy);
		b->rc = -ENOMEM;
		return index;
	}
	b->columns[b->count++] = copy;
	return index;
}

void drip_schema_builder_rename(struct drip_schema_builder *b, uint32_t index, const char *name)
{
	char *copy;

	if (b->rc != 0) {
		return;
	}
	copy = index < b->count ? strdup(name) : NULL;
	if (copy == NULL) {
		b->rc = index < b->count ? -ENOMEM : -ERANGE;
		return;
	}
	free((void *)(uintptr_t)b->columns[index].name);
	b->columns[index].name = copy;
}

void drip_schema_builder_clear_fill(struct drip_schema_builder *b, uint32_t index)
{
	if (b->rc == 0 && index < b->count) {
		free((void *)(uintptr_t)b->columns[index].fill);
		b->columns[index].fill = NULL;
	}
}

void drip_schema_builder_remove(struct drip_schema_builder *b, uint32_t index)
{
	if (b->rc != 0) {
		return;
	}
	if (index >= b->count) {
		b->rc = -ERANGE;
		return;
	}
	free_strings(&b->columns[index]);
	b->count--;
	memmove(&b->columns[index], &b->columns[index + 1],
		(b->count - index) * sizeof(*b->columns));
}

static int check_column(const struct drip_schema_builder *b, uint32_t i, struct drip_error *err)
{
	const struct drip_column *c = &b->columns[i];

	if (c->name[0] == '\0') {
		return drip_error_set(err, -EINVAL, "schema.unnamed_column",
				      "column %u of table %s has no name", i + 1, b->table);
	}
	if (strlen(c->name) > DRIP_NAME_MAX) {
		return drip_error_set(err, -EINVAL, "schema.name_too_long",
				      "name of column %u of table %s is longer than %d bytes",
				      i + 1, b->table, DRIP_NAME_MAX);
	}
	if (c->type <= DRIP_TYPE_NONE || c->type > DRIP_TYPE_UUID) {
		return drip_error_set(err, -EINVAL, "schema.bad_type",
				      "column %s of table %s has the unknown type %d", c->name,
				      b->table, (int)c->type);
	}
	if (c->type == DRIP_TYPE_DECIMAL &&
	    (c->precision < 1 || c->precision > 38 || c->scale < 0 || c->scale > c->precision)) {
		return drip_error_set(err, -EINVAL, "schema.bad_type",
				      "column %s of table %s cannot be decimal(%d,%d)", c->name,
				      b->table, c->precision, c->scale);
	}
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_duplicates(const struct drip_schema_builder *b, struct drip_error *err)
{
	size_t size = (b->count + 1) * sizeof(char *);
	const char **names = (const char **)malloc(size);
	int rc = 0;

	if (names == NULL) {
		return drip_error_nomem(err, size);
	}
	for (uint32_t i = 0; i < b->count; i++) {
		names[i] = b->columns[i].name;
	}
	qsort(names, b->count, sizeof(*names), compare_names);
	for (uint32_t i = 1; i < b->count && rc == 0; i++) {
		if (strcmp(names[i - 1], names[i]) == 0) {
			rc = drip_error_set(err, -EINVAL, "schema.duplicate_column",
					    "table %s has two columns named %s", b->table,
					    names[i]);
		}
	}
	free(names);
	return rc;
}

static int check_builder(const struct drip_schema_builder *b, struct drip_error *err)
{
	int rc;

	if (b->rc == -ENOMEM) {
		return drip_error_nomem(err, (b->count + 1) * sizeof(*b->columns));
	}
	if (b->rc == -E2BIG) {
		return drip_error_set(err, -E2BIG, "schema.too_many_columns",
				      "table %s has more than %d columns", b->table,
				      DRIP_COLUMNS_MAX);
	}
	if (b->rc != 0) {
		return drip_error_set(err, b->rc, "schema.no_such_column",
				      "table %s has no column with the index that was given",
				      b->table);
	}
	if (strlen(b->table) > DRIP_NAME_MAX || strlen(b->database) > DRIP_NAME_MAX) {
		return drip_error_set(err, -EINVAL, "schema.name_too_long",
				      "name of a table or database is longer than %d bytes",
				      DRIP_NAME_MAX);
	}
	for (uint32_t i = 0; i < b->count; i++) {
		rc = check_column(b, i, err);
		if (rc < 0) {
			return rc;
		}
	}
	return check_duplicates(b, err);
}

static void release_schema(struct drip_schema *schema)
{
	free(schema);
}

/* Copies `text` with its NUL to *at and moves *at behind it. */
static const char *place_string(char **at, const char *text)
{
	size_t size = strlen(text) + 1;
	char *start = *at;

	memcpy(start, text, size);
	*at += size;
	return start;
}

static const char *place_optional(char **at, const char *text)
{
	return text != NULL ? place_string(at, text) : NULL;
}

static struct drip_schema *build_block(const struct drip_schema_builder *b, struct drip_error *err)
{
	size_t size = sizeof(struct drip_schema) + b->count * sizeof(struct drip_column);
	size_t strings = strlen(b->database) + strlen(b->table) + 2;
	struct drip_schema *s;
	struct drip_column *columns;
	char *at;

	for (uint32_t i = 0; i < b->count; i++) {
		const struct drip_column *c = &b->columns[i];

		strings += strlen(c->name) + 1;
		strings += c->source_type != NULL ? strlen(c->source_type) + 1 : 0;
		strings += c->fill != NULL ? strlen(c->fill) + 1 : 0;
		strings += c->renamed_from != NULL ? strlen(c->renamed_from) + 1 : 0;
	}
	s = (struct drip_schema *)calloc(1, size + strings);
	if (s == NULL) {
		drip_error_nomem(err, size + strings);
		return NULL;
	}
	columns = (struct drip_column *)(void *)(s + 1);
	at = (char *)s + size;
	s->struct_size = sizeof(*s);
	s->refs = 1;
	s->release = release_schema;
	s->database = place_string(&at, b->database);
	s->table = place_string(&at, b->table);
	s->version = b->version;
	s->columns = columns;
	s->columns_count = b->count;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct drip_column *c = &b->columns[i];
		bool masked = (c->flags & DRIP_COLUMN_MASKED) != 0;

		columns[i] = *c;
		columns[i].name = place_string(&at, c->name);
		columns[i].source_type = place_optional(&at, c->source_type);
		/* both speak of values as they were before the mask */
		columns[i].fill = masked ? NULL : place_optional(&at, c->fill);
		columns[i].renamed_from = masked ? NULL : place_optional(&at, c->renamed_from);
		s->keys_count += (columns[i].flags & DRIP_COLUMN_KEY) != 0;
	}
	return s;
}

int drip_schema_builder_build(struct drip_schema_builder *b, struct drip_schema **ret_schema,
			      struct drip_error *err)
{
	struct drip_schema *s = NULL;
	int rc = check_builder(b, err);

	if (rc == 0) {
		s = build_block(b, err);
		rc = s != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0) {
		*ret_schema = s;
	}
	drip_schema_builder_finish(b);
	return rc;
}

void drip_schema_builder_finish(struct drip_schema_builder *b)
{
	for (uint32_t i = 0; i < b->count; i++) {
		free_strings(&b->columns[i]);
	}
	free(b->columns);
	free(b->database);
	free(b->table);
	memset(b, 0, sizeof(*b));
}
