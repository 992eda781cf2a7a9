/* SPDX-License-Identifier: Apache-2.0 */
/* What the options say of a source table: its target, mode, key and columns. Pure; thread: any. */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const mode_names[] = {
	[WH_MIRROR] = "mirror", [WH_APPEND] = "append", [WH_CHANGELOG] = "changelog",
	[WH_MERGE] = "merge",   [WH_SCD2] = "scd2",
};

const char *wh_mode_name(enum wh_mode mode)
{
	return mode_names[mode];
}

static const struct wh_override *find_override(const struct wh_config *config,
					       const struct drip_schema *schema)
{
	const struct wh_override *items = config->tables.items;

	for (size_t i = 0; i < config->tables.count; i++) {
		if (drip_glob_table(items[i].match, schema->database, schema->table)) {
			return &items[i];
		}
	}
	return NULL;
}

/* Replaces {database} and {table}. -EINVAL where the result is empty or too long. */
static int expand(const char *template, const struct drip_schema *schema, char *buf, size_t size)
{
	size_t n = 0;

	while (*template != '\0') {
		const char *with = NULL;
		char one[2] = {*template, '\0'};
		size_t skip = 1, length;

		if (strncmp(template, "{table}", 7) == 0) {
			with = schema->table;
			skip = 7;
		} else if (strncmp(template, "{database}", 10) == 0) {
			with = schema->database;
			skip = 10;
		}
		with = with != NULL ? with : one;
		length = strlen(with);
		if (n + length >= size) {
			return -EINVAL;
		}
		memcpy(buf + n, with, length);
		n += length;
		template += skip;
	}
	buf[n] = '\0';
	return n > 0 ? 0 : -EINVAL;
}

static int set_keys(const struct wh_config *config, const struct wh_override *o,
		    const struct drip_schema *schema, struct wh_route *ret, struct drip_error *err)
{
	bool own = o != NULL && o->key.count > 0;
	const struct drip_strings *given = own ? &o->key : &config->key;
	int rc = 0;

	for (size_t i = 0; i < given->count; i++) {
		struct drip_error one = DRIP_ERROR_INIT;

		if (drip_schema_require(schema, given->items[i], "warehouse.no_such_key", &one) <
		    0) {
			if (own) {
				const struct wh_override *first = config->tables.items;

				drip_error_option(&one, "tables[%zu].key[%zu]", (size_t)(o - first),
						  i);
			} else {
				drip_error_option(&one, "key[%zu]", i);
			}
			rc = drip_error_also(err, rc, &one);
			continue;
		}
		if (ret->keys_count == WH_KEYS_MAX) {
			return drip_error_set(err, -EINVAL, "warehouse.no_such_key",
					      "a key has %d columns at most", WH_KEYS_MAX);
		}
		ret->keys[ret->keys_count++] = given->items[i];
	}
	for (uint32_t i = 0; given->count == 0 && i < schema->columns_count; i++) {
		const struct drip_column *column = drip_schema_column(schema, i);

		if ((column->flags & DRIP_COLUMN_KEY) != 0 && ret->keys_count < WH_KEYS_MAX) {
			ret->keys[ret->keys_count++] = column->name;
		}
	}
	for (uint32_t i = 0; rc == 0 && i < ret->keys_count; i++) {
		int index = drip_schema_find(schema, ret->keys[i]);
		uint32_t flags = drip_schema_column(schema, (uint32_t)index)->flags;

		ret->keys_nullable |=
			(flags & DRIP_COLUMN_NULLABLE) != 0 && (flags & DRIP_COLUMN_KEY) == 0;
	}
	return rc;
}

int wh_route(const struct wh_config *config, const struct drip_schema *schema, struct wh_route *ret,
	     struct drip_error *err)
{
	const struct wh_override *o = find_override(config, schema);
	const char *template = o != NULL && o->as != NULL ? o->as : config->table;
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->shared = strstr(template, "{table}") == NULL &&
		      (o == NULL || strpbrk(o->match, "*?") != NULL);
	ret->mode = (enum wh_mode)(o != NULL && o->mode.value != 0 ? o->mode.value
								   : config->mode.value);
	if (expand(template, schema, ret->table, sizeof(ret->table)) != 0) {
		drip_error_set(
			err, -EINVAL, "warehouse.bad_table_name",
			"the name of the target of table %s is empty or longer than %d bytes",
			schema->table, DRIP_NAME_MAX - 1);
		drip_error_option(err, "table");
		return -EINVAL;
	}
	rc = set_keys(config, o, schema, ret, err);
	if (rc != 0) {
		return rc;
	}
	if (ret->keys_count == 0 && ret->mode != WH_APPEND && ret->mode != WH_CHANGELOG) {
		drip_error_set(err, -EINVAL, "warehouse.no_key",
			       "table %s has no primary key, which mode %s needs", schema->table,
			       wh_mode_name(ret->mode));
		drip_error_hint(err, "Name the columns of its key in `key`, or use mode append or "
				     "changelog for it under `tables`.");
		drip_error_option(err, "mode");
		return -EINVAL;
	}
	return 0;
}

static void add(struct drip_schema_builder *b, const char *name, enum drip_type type)
{
	struct drip_column column = {.struct_size = sizeof(column),
				     .type = type,
				     .name = name,
				     .flags = DRIP_COLUMN_NULLABLE};

	drip_schema_builder_add(b, &column);
}

/* The builder refuses two columns of one name: say whose fault that is. */
static int build(struct drip_schema_builder *b, const struct drip_schema *schema,
		 struct drip_schema **ret, struct drip_error *err)
{
	int rc = drip_schema_builder_build(b, ret, err);

	if (rc == -EINVAL) {
		drip_error_hint(
			err,
			"A column of table %s is called like one that the sink adds; rename "
			"it, or set the sink's *_column options.",
			schema->table);
	}
	return rc;
}

/* What rows carry besides the source's columns, and the target holds. */
static void add_metadata(struct drip_schema_builder *b, const struct wh_config *config,
			 enum wh_mode mode)
{
	if (mode == WH_CHANGELOG || (mode == WH_MIRROR && config->sequence)) {
		add(b, config->sequence_column, DRIP_TYPE_INT64);
	}
	if (mode == WH_CHANGELOG || config->metadata) {
		add(b, config->commit_time_column, DRIP_TYPE_TIMESTAMP_UTC);
	}
	if (mode == WH_MIRROR && config->source_column != NULL) {
		add(b, config->source_column, DRIP_TYPE_UTF8);
	}
}

int wh_extend(const struct wh_config *config, enum wh_mode mode, const struct drip_schema *schema,
	      struct drip_schema **ret, struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, schema);
	add_metadata(&b, config, mode);
	if (mode == WH_SCD2) {
		add(&b, WH_STAGE_TIME, DRIP_TYPE_TIMESTAMP_UTC);
	}
	return build(&b, schema, ret, err);
}

int wh_target_schema(const struct wh_config *config, enum wh_mode mode, const char *table,
		     const struct drip_schema *schema, struct drip_schema **ret,
		     struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_from(&b, schema);
	drip_schema_builder_set_table(&b, config->schema, table);
	add_metadata(&b, config, mode);
	if (mode == WH_CHANGELOG) {
		add(&b, config->op_column, DRIP_TYPE_UTF8);
	} else if (mode == WH_MIRROR && config->deletes.value == WH_DELETES_SOFT) {
		add(&b, config->deleted_column, DRIP_TYPE_BOOL);
	} else if (mode == WH_SCD2) {
		add(&b, config->surrogate_column, DRIP_TYPE_INT64);
		add(&b, config->valid_from_column, DRIP_TYPE_TIMESTAMP_UTC);
		add(&b, config->valid_to_column, DRIP_TYPE_TIMESTAMP_UTC);
		add(&b, config->current_column, DRIP_TYPE_BOOL);
		add(&b, config->hash_column, DRIP_TYPE_UTF8);
	}
	return build(&b, schema, ret, err);
}

bool wh_is_made(const struct wh_config *config, enum wh_mode mode, const char *column)
{
	const char *const scd2[] = {config->surrogate_column, config->valid_from_column,
				    config->valid_to_column, config->current_column,
				    config->hash_column};

	if (mode == WH_CHANGELOG) {
		return strcasecmp(column, config->op_column) == 0;
	}
	if (mode == WH_MIRROR) {
		return config->deletes.value == WH_DELETES_SOFT &&
		       strcasecmp(column, config->deleted_column) == 0;
	}
	for (size_t i = 0; mode == WH_SCD2 && i < DRIP_COUNT(scd2); i++) {
		if (strcasecmp(column, scd2[i]) == 0) {
			return true;
		}
	}
	return false;
}
