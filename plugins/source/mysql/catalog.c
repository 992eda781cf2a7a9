/* SPDX-License-Identifier: Apache-2.0 */
/* The tables that a source knows, by name and by place in the log: see catalog.h. */
#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool drip_my_glob(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;

	while (*text != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*pattern == '*') {
		pattern++;
	}
	return *pattern == '\0';
}

static bool matches(const char *pattern, const char *default_database, const char *database,
		    const char *table)
{
	char full[DRIP_NAME_MAX];

	if (strchr(pattern, '.') == NULL) {
		return (default_database == NULL || strcmp(default_database, database) == 0) &&
		       drip_my_glob(pattern, table);
	}
	snprintf(full, sizeof(full), "%s.%s", database, table);
	return drip_my_glob(pattern, full);
}

static bool matches_any(const char *const *patterns, size_t count, const char *default_database,
			const char *database, const char *table)
{
	for (size_t i = 0; i < count; i++) {
		if (matches(patterns[i], default_database, database, table)) {
			return true;
		}
	}
	return false;
}

bool drip_my_catalog_wants(const struct drip_my_catalog *c, const char *database, const char *table)
{
	static const char *const system[] = {"mysql", "information_schema", "performance_schema",
					     "sys"};

	for (size_t i = 0; i < DRIP_COUNT(system); i++) {
		if (strcmp(system[i], database) == 0) {
			return false;
		}
	}
	if (!matches_any(c->include.items, c->include.count, c->default_database, database,
			 table) ||
	    matches_any(c->exclude.items, c->exclude.count, c->default_database, database, table)) {
		return false;
	}
	return c->wanted == NULL || matches_any(c->wanted, c->wanted_count, NULL, database, table);
}

/* FNV-1a over both names. */
static size_t bucket_of(const char *database, const char *name)
{
	uint32_t h = 2166136261u;

	for (const char *p = database; *p != '\0'; p++) {
		h = (h ^ (uint8_t)*p) * 16777619u;
	}
	h = (h ^ '.') * 16777619u;
	for (const char *p = name; *p != '\0'; p++) {
		h = (h ^ (uint8_t)*p) * 16777619u;
	}
	return h % DRIP_COUNT(((struct drip_my_catalog *)0)->buckets);
}

static struct drip_my_entry *entry_find(const struct drip_my_catalog *c, const char *database,
					const char *name)
{
	struct drip_my_entry *e = c->buckets[bucket_of(database, name)];

	while (e != NULL && (strcmp(e->name, name) != 0 || strcmp(e->database, database) != 0)) {
		e = e->next;
	}
	return e;
}

static void entry_destroy(struct drip_my_entry *e)
{
	for (uint32_t i = 0; i < e->count; i++) {
		drip_my_table_destroy(e->versions[i].table);
	}
	free(e->versions);
	free(e->database);
	free(e->name);
	free(e);
}

void drip_my_catalog_finish(struct drip_my_catalog *c)
{
	for (size_t i = 0; i < DRIP_COUNT(c->buckets); i++) {
		while (c->buckets[i] != NULL) {
			struct drip_my_entry *e = c->buckets[i];

			c->buckets[i] = e->next;
			entry_destroy(e);
		}
	}
	c->count = 0;
}

const struct drip_my_table *drip_my_catalog_find(const struct drip_my_catalog *c,
						 const char *database, const char *table)
{
	const struct drip_my_entry *e = entry_find(c, database, table);

	return e == NULL || e->count == 0 ? NULL : e->versions[e->count - 1].table;
}

const struct drip_my_table *drip_my_catalog_before(const struct drip_my_catalog *c,
						   const char *database, const char *table)
{
	const struct drip_my_entry *e = entry_find(c, database, table);

	return e != NULL && e->count > 1 ? e->versions[e->count - 2].table : NULL;
}

static struct drip_my_entry *entry_make(struct drip_my_catalog *c, const char *database,
					const char *name)
{
	struct drip_my_entry *e = entry_find(c, database, name);
	size_t bucket = bucket_of(database, name);

	if (e != NULL || c->count >= DRIP_MY_TABLES_MAX) {
		return e;
	}
	e = calloc(1, sizeof(*e));
	if (e == NULL) {
		return NULL;
	}
	e->database = strdup(database);
	e->name = strdup(name);
	if (e->database == NULL || e->name == NULL) {
		entry_destroy(e);
		return NULL;
	}
	e->next = c->buckets[bucket];
	c->buckets[bucket] = e;
	c->count++;
	return e;
}

static void entry_drop_first(struct drip_my_entry *e)
{
	drip_my_table_destroy(e->versions[0].table);
	e->count--;
	memmove(e->versions, e->versions + 1, e->count * sizeof(*e->versions));
}

static uint64_t entry_version(const struct drip_my_entry *e)
{
	uint64_t version = 0;

	for (uint32_t i = 0; i < e->count; i++) {
		if (e->versions[i].table != NULL && e->versions[i].table->version > version) {
			version = e->versions[i].table->version;
		}
	}
	return version;
}

int drip_my_catalog_set(struct drip_my_catalog *c, const char *database, const char *name,
			struct drip_my_table *table, struct drip_my_place since,
			struct drip_error *err)
{
	struct drip_my_entry *e = entry_make(c, database, name);
	struct drip_my_version *grown;

	if (e == NULL) {
		drip_my_table_destroy(table);
		if (c->count >= DRIP_MY_TABLES_MAX) {
			return drip_error_set(err, -E2BIG, "mysql.too_many_tables",
					      "more than %d tables match", DRIP_MY_TABLES_MAX);
		}
		return drip_error_nomem(err, sizeof(*e));
	}
	if (e->count >= DRIP_MY_VERSIONS_MAX) {
		entry_drop_first(e);
	}
	grown = realloc(e->versions, (e->count + 1) * sizeof(*grown));
	if (grown == NULL) {
		drip_my_table_destroy(table);
		return drip_error_nomem(err, sizeof(*grown));
	}
	e->versions = grown;
	if (table != NULL) {
		table->version = entry_version(e) + 1;
	}
	e->versions[e->count++] = (struct drip_my_version){since, table};
	c->changed = true;
	return 0;
}

void drip_my_catalog_rewind(struct drip_my_catalog *c, struct drip_my_place at)
{
	for (size_t i = 0; i < DRIP_COUNT(c->buckets); i++) {
		for (struct drip_my_entry *e = c->buckets[i]; e != NULL; e = e->next) {
			while (e->count > 0 &&
			       drip_my_place_compare(&e->versions[e->count - 1].since, &at) > 0) {
				drip_my_table_destroy(e->versions[--e->count].table);
				c->changed = true;
			}
		}
	}
}

void drip_my_catalog_prune(struct drip_my_catalog *c, struct drip_my_place at)
{
	for (size_t i = 0; i < DRIP_COUNT(c->buckets); i++) {
		for (struct drip_my_entry *e = c->buckets[i]; e != NULL; e = e->next) {
			while (e->count > 1 &&
			       drip_my_place_compare(&e->versions[1].since, &at) <= 0) {
				entry_drop_first(e);
				c->changed = true;
			}
		}
	}
}

static int compare_tables(const void *a, const void *b)
{
	const struct drip_my_table *x = *(const struct drip_my_table *const *)a;
	const struct drip_my_table *y = *(const struct drip_my_table *const *)b;
	int order = strcmp(x->database, y->database);

	return order != 0 ? order : strcmp(x->name, y->name);
}

int drip_my_catalog_each(struct drip_my_catalog *c,
			 int (*each)(void *user, const struct drip_my_table *t,
				     struct drip_error *err),
			 void *user, struct drip_error *err)
{
	const struct drip_my_table **list = calloc(c->count + 1, sizeof(*list));
	size_t count = 0;
	int rc = 0;

	if (list == NULL) {
		return drip_error_nomem(err, c->count * sizeof(*list));
	}
	for (size_t i = 0; i < DRIP_COUNT(c->buckets); i++) {
		for (struct drip_my_entry *e = c->buckets[i]; e != NULL; e = e->next) {
			const struct drip_my_table *t =
				e->count > 0 ? e->versions[e->count - 1].table : NULL;

			if (t != NULL && drip_my_catalog_wants(c, e->database, e->name)) {
				list[count++] = t;
			}
		}
	}
	qsort(list, count, sizeof(*list), compare_tables);
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = each(user, list[i], err);
	}
	free(list);
	return rc;
}
