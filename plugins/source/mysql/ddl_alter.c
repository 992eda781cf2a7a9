/* SPDX-License-Identifier: Apache-2.0 */
/* Column definitions, and the clauses of CREATE TABLE and ALTER TABLE: see ddl_parse.h. */
#include "ddl_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int drip_my_ddl_name(struct drip_my_lex *l, char *ret[2])
{
	ret[0] = NULL;
	ret[1] = drip_my_lex_is_name(l) ? drip_my_lex_take(l) : NULL;
	if (ret[1] == NULL) {
		return -EINVAL;
	}
	if (drip_my_lex_accept(l, ".")) {
		ret[0] = ret[1];
		ret[1] = drip_my_lex_take(l);
		if (ret[1] == NULL) {
			free(ret[0]);
			ret[0] = NULL;
			return -EINVAL;
		}
	}
	return 0;
}

/* Up to the comma or closing parenthesis that ends a clause. */
static void skip_clause(struct drip_my_lex *l)
{
	while (l->kind != DRIP_MY_END && !drip_my_lex_is(l, ",") && !drip_my_lex_is(l, ")") &&
	       !drip_my_lex_is(l, ";")) {
		drip_my_lex_skip(l);
	}
}

static uint8_t next_key(const struct drip_my_table *t)
{
	uint8_t key = 0;

	for (uint32_t i = 0; i < t->count; i++) {
		key = t->columns[i].key > key ? t->columns[i].key : key;
	}
	return (uint8_t)(key + 1);
}

/* CHECK (json_valid(`c`)), the lexer behind CHECK. */
static void column_check(struct drip_my_lex *l, struct drip_my_column *c)
{
	struct drip_my_lex inner = *l;

	if (drip_my_lex_accept(&inner, "(") && drip_my_lex_accept(&inner, "json_valid") &&
	    c->kind == DRIP_MY_TEXT) {
		c->json = true;
	}
}

/* What follows the type, up to the end of the definition. */
static void column_attributes(struct drip_my_lex *l, struct drip_my_table *t,
			      struct drip_my_column *c)
{
	bool given = false; /* a default */
	bool computed = c->computed;

	while (l->kind != DRIP_MY_END && !drip_my_lex_is(l, ",") && !drip_my_lex_is(l, ")") &&
	       !drip_my_lex_is(l, ";") && !drip_my_lex_is(l, "first") &&
	       !drip_my_lex_is(l, "after")) {
		if (drip_my_lex_accept(l, "not")) {
			c->nullable = c->nullable && !drip_my_lex_accept(l, "null");
		} else if (drip_my_lex_accept(l, "default")) {
			drip_my_ddl_default(l, c); /* DEFAULT NULL must not read as NULL */
			given = true;
		} else if (drip_my_lex_accept(l, "comment")) {
			drip_my_lex_skip(l);
		} else if (drip_my_lex_is(l, "as") || drip_my_lex_is(l, "auto_increment")) {
			computed = computed || drip_my_lex_is(l, "as");
			drip_my_lex_skip(l);
			drip_my_column_settle(c);
			c->unfilled = given = true;
		} else if (drip_my_lex_accept(l, "null")) {
			c->nullable = true;
		} else if (drip_my_lex_accept(l, "unique")) {
			drip_my_lex_accept(l, "key");
		} else if (drip_my_lex_accept(l, "primary")) {
			drip_my_lex_accept(l, "key");
			c->key = c->key != 0 ? c->key : next_key(t);
			c->nullable = false;
		} else if (drip_my_lex_accept(l, "compressed")) {
			c->compressed = true;
		} else if (drip_my_lex_accept(l, "check")) {
			column_check(l, c);
		} else if (drip_my_lex_accept(l, "collate")) {
			char buf[DRIP_MY_CHARSET_MAX], *name = drip_my_lex_take(l);
			const char *charset =
				name == NULL
					? NULL
					: drip_my_charset_of_collation_name(name, buf, sizeof(buf));

			if (charset != NULL && c->charset[0] != '\0' &&
			    strncmp(charset, "uca1400", 7) != 0) {
				snprintf(c->charset, sizeof(c->charset), "%s", charset);
			}
			free(name);
		} else {
			drip_my_lex_skip(l);
		}
	}
	if (!given && !c->nullable) {
		drip_my_ddl_implicit_default(c);
	}
	c->computed = computed;
}

int drip_my_ddl_column(struct drip_my_lex *l, struct drip_my_table *t, uint32_t index)
{
	struct drip_my_column c = {.nullable = true};
	int rc;

	c.name = drip_my_lex_is_name(l) ? drip_my_lex_take(l) : NULL;
	if (c.name == NULL) {
		return -EINVAL;
	}
	rc = drip_my_type_parse(l, t->charset, &c);
	if (rc != 0) {
		drip_my_column_finish(&c);
		return rc;
	}
	column_attributes(l, t, &c);
	return drip_my_table_insert(t, index, &c);
}

/* The same for a column that no older rows lack. */
static int redefine_column(struct drip_my_lex *l, struct drip_my_table *t, uint32_t index)
{
	int rc = drip_my_ddl_column(l, t, index);

	if (rc == 0) {
		bool computed = t->columns[index].computed;

		drip_my_column_settle(&t->columns[index]);
		t->columns[index].computed = computed;
	}
	return rc;
}

/* (a, b(10), c DESC): marks the columns as the key. */
static int read_key_list(struct drip_my_lex *l, struct drip_my_table *t)
{
	uint8_t position = 0;

	while (l->kind != DRIP_MY_END && !drip_my_lex_is(l, "(")) {
		drip_my_lex_next(l); /* USING BTREE, a name */
	}
	for (uint32_t i = 0; i < t->count; i++) {
		t->columns[i].key = 0;
	}
	if (!drip_my_lex_accept(l, "(")) {
		return -EINVAL;
	}
	do {
		char *name = drip_my_lex_take(l);
		int index = name != NULL ? drip_my_table_find(t, name) : -1;

		free(name);
		if (index < 0) {
			return -EINVAL;
		}
		t->columns[index].key = ++position;
		t->columns[index].nullable = false;
		while (l->kind != DRIP_MY_END && !drip_my_lex_is(l, ",") &&
		       !drip_my_lex_is(l, ")")) {
			drip_my_lex_skip(l);
		}
	} while (drip_my_lex_accept(l, ","));
	return drip_my_lex_accept(l, ")") ? 0 : -EINVAL;
}

static bool starts_index(const struct drip_my_lex *l)
{
	static const char *const words[] = {"index",   "key",     "unique", "fulltext",
					    "spatial", "foreign", "check",  "constraint",
					    "primary", "period",  "like",   "vector"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (l->kind == DRIP_MY_WORD && drip_my_lex_is(l, words[i])) {
			return true;
		}
	}
	return false;
}

/* An index or constraint; only a primary key matters. */
static int read_index(struct drip_my_lex *l, struct drip_my_table *t)
{
	if (drip_my_lex_accept(l, "constraint") && !starts_index(l)) {
		drip_my_lex_next(l);
	}
	if (drip_my_lex_accept(l, "primary")) {
		int rc = read_key_list(l, t);

		skip_clause(l);
		return rc;
	}
	skip_clause(l);
	return 0;
}

/* [DEFAULT] CHARACTER SET x, CHARSET = x, COLLATE = x among table options. True: it was one. */
static bool table_charset(struct drip_my_lex *l, struct drip_my_table *t)
{
	char buf[DRIP_MY_CHARSET_MAX], *name;
	const char *charset;
	bool collation = false;

	drip_my_lex_accept(l, "default");
	if (drip_my_lex_accept(l, "character")) {
		drip_my_lex_accept(l, "set");
	} else if (drip_my_lex_accept(l, "collate")) {
		collation = true;
	} else if (!drip_my_lex_accept(l, "charset")) {
		return false;
	}
	drip_my_lex_accept(l, "=");
	name = drip_my_lex_take(l);
	if (name == NULL) {
		return true;
	}
	charset = collation ? drip_my_charset_of_collation_name(name, buf, sizeof(buf)) : name;
	if (charset != NULL && strncmp(charset, "uca1400", 7) != 0) {
		snprintf(t->charset, sizeof(t->charset), "%s",
			 strcasecmp(charset, "utf8") == 0 ? "utf8mb3" : charset);
	}
	free(name);
	return true;
}

int drip_my_ddl_create_body(struct drip_my_lex *l, struct drip_my_table *t)
{
	struct drip_my_lex options = *l;
	uint32_t depth = 1;
	int rc = 0;

	/* the options first: they hold the default character set */
	while (options.kind != DRIP_MY_END && depth > 0) {
		depth += drip_my_lex_is(&options, "(");
		depth -= drip_my_lex_is(&options, ")");
		drip_my_lex_next(&options);
	}
	while (options.kind != DRIP_MY_END && !drip_my_lex_is(&options, ";")) {
		if (!table_charset(&options, t)) {
			drip_my_lex_skip(&options);
		}
	}
	do {
		rc = starts_index(l) ? read_index(l, t) : redefine_column(l, t, t->count);
	} while (rc == 0 && drip_my_lex_accept(l, ","));
	return rc != 0 ? rc : drip_my_lex_is(l, ")") ? 0 : -EINVAL;
}

/* FIRST, AFTER x, or nothing: where the column at `index` goes. */
static int place_column(struct drip_my_lex *l, struct drip_my_table *t, uint32_t index)
{
	struct drip_my_column c = t->columns[index];
	uint32_t to = index;

	if (drip_my_lex_accept(l, "first")) {
		to = 0;
	} else if (drip_my_lex_accept(l, "after")) {
		char *name = drip_my_lex_take(l);
		int other = name != NULL ? drip_my_table_find(t, name) : -1;

		free(name);
		if (other < 0 || (uint32_t)other == index) {
			return -EINVAL;
		}
		to = (uint32_t)other < index ? (uint32_t)other + 1 : (uint32_t)other;
	}
	memmove(&t->columns[index], &t->columns[index + 1], (t->count - index - 1) * sizeof(c));
	memmove(&t->columns[to + 1], &t->columns[to], (t->count - to - 1) * sizeof(c));
	t->columns[to] = c;
	return 0;
}

static void accept_if_exists(struct drip_my_lex *l)
{
	if (drip_my_lex_accept(l, "if")) {
		drip_my_lex_accept(l, "not");
		drip_my_lex_accept(l, "exists");
	}
}

static bool peek_exists(struct drip_my_lex l, const struct drip_my_table *t)
{
	char *name = drip_my_lex_take(&l);
	bool exists = name != NULL && drip_my_table_find(t, name) >= 0;

	free(name);
	return exists;
}

static int add_column(struct drip_my_lex *l, struct drip_my_table *t)
{
	int rc = drip_my_ddl_column(l, t, t->count);

	if (rc == 0) {
		t->columns[t->count - 1].added = true;
	}
	return rc;
}

static int alter_add(struct drip_my_lex *l, struct drip_my_table *t)
{
	bool conditional;
	int rc;

	if (drip_my_lex_is(l, "system") || drip_my_lex_is(l, "partition")) {
		skip_clause(l);
		return 0;
	}
	if (starts_index(l)) {
		return read_index(l, t);
	}
	drip_my_lex_accept(l, "column");
	conditional = drip_my_lex_is(l, "if");
	accept_if_exists(l);
	if (drip_my_lex_accept(l, "(")) {
		do {
			rc = add_column(l, t);
		} while (rc == 0 && drip_my_lex_accept(l, ","));
		return rc != 0 ? rc : drip_my_lex_accept(l, ")") ? 0 : -EINVAL;
	}
	if (conditional && peek_exists(*l, t)) {
		skip_clause(l);
		return 0;
	}
	rc = add_column(l, t);
	return rc != 0 ? rc : place_column(l, t, t->count - 1);
}

static int alter_drop(struct drip_my_lex *l, struct drip_my_table *t)
{
	char *name;
	int index;

	if (drip_my_lex_accept(l, "primary")) {
		for (uint32_t i = 0; i < t->count; i++) {
			t->columns[i].key = 0;
		}
		skip_clause(l);
		return 0;
	}
	if (starts_index(l) || drip_my_lex_is(l, "partition") || drip_my_lex_is(l, "system")) {
		skip_clause(l);
		return 0;
	}
	drip_my_lex_accept(l, "column");
	accept_if_exists(l);
	name = drip_my_lex_take(l);
	index = name != NULL ? drip_my_table_find(t, name) : -1;
	free(name);
	if (index >= 0) {
		drip_my_table_remove(t, (uint32_t)index);
	}
	skip_clause(l); /* RESTRICT, CASCADE */
	return 0;
}

/* (gives) the name that a column had before the statement; it is about to go. */
static char *take_name(struct drip_my_column *c)
{
	char *name = c->renamed_from != NULL ? c->renamed_from : strdup(c->name);

	c->renamed_from = NULL;
	return name;
}

/* Notes that a column was called `before` (takes). */
static void note_rename(struct drip_my_column *c, char *before)
{
	free(c->renamed_from);
	c->renamed_from = before;
	if (strcmp(before, c->name) == 0) {
		free(before);
		c->renamed_from = NULL;
	}
}

/* MODIFY name def, or CHANGE old name def. */
static int alter_modify(struct drip_my_lex *l, struct drip_my_table *t, bool change)
{
	struct drip_my_lex at;
	char *name, *before;
	uint8_t key;
	int index, rc;

	drip_my_lex_accept(l, "column");
	accept_if_exists(l);
	at = *l;
	name = drip_my_lex_take(l);
	index = name != NULL ? drip_my_table_find(t, name) : -1;
	free(name);
	if (index < 0) {
		return -EINVAL;
	}
	if (!change) {
		*l = at;
	}
	key = t->columns[index].key;
	before = take_name(&t->columns[index]);
	drip_my_table_remove(t, (uint32_t)index);
	rc = before != NULL ? redefine_column(l, t, (uint32_t)index) : -ENOMEM;
	if (rc != 0) {
		free(before);
		return rc;
	}
	note_rename(&t->columns[index], before);
	if (key != 0) {
		t->columns[index].key = key;
		t->columns[index].nullable = false;
	}
	return place_column(l, t, (uint32_t)index);
}

static int alter_rename_column(struct drip_my_lex *l, struct drip_my_table *t)
{
	char *from = drip_my_lex_take(l), *to = NULL, *before;
	int index = from != NULL ? drip_my_table_find(t, from) : -1;

	free(from);
	if (drip_my_lex_accept(l, "to")) {
		to = drip_my_lex_take(l);
	}
	if (index < 0 || to == NULL) {
		free(to);
		return -EINVAL;
	}
	before = take_name(&t->columns[index]);
	if (before == NULL) {
		free(to);
		return -ENOMEM;
	}
	free(t->columns[index].name);
	t->columns[index].name = to;
	note_rename(&t->columns[index], before);
	return 0;
}

static int alter_rename(struct drip_my_lex *l, struct drip_my_table *t, char *ret_rename[2])
{
	if (drip_my_lex_accept(l, "column")) {
		accept_if_exists(l);
		return alter_rename_column(l, t);
	}
	if (drip_my_lex_is(l, "index") || drip_my_lex_is(l, "key")) {
		skip_clause(l);
		return 0;
	}
	if (!drip_my_lex_accept(l, "to")) {
		drip_my_lex_accept(l, "as");
	}
	free(ret_rename[0]);
	free(ret_rename[1]);
	return drip_my_ddl_name(l, ret_rename);
}

/* CONVERT TO CHARACTER SET x: all text columns. */
static int alter_convert(struct drip_my_lex *l, struct drip_my_table *t)
{
	drip_my_lex_accept(l, "to");
	if (!table_charset(l, t)) {
		return -EINVAL;
	}
	for (uint32_t i = 0; i < t->count; i++) {
		struct drip_my_column *c = &t->columns[i];

		if (c->charset[0] != '\0' && strcmp(c->charset, "binary") != 0) {
			if (c->kind == DRIP_MY_TEXT) {
				return -EINVAL; /* it may become a larger type */
			}
			memcpy(c->charset, t->charset, sizeof(c->charset));
		}
	}
	skip_clause(l);
	return 0;
}

/* DROP, TRUNCATE, EXCHANGE PARTITION and the like: rows come and go. */
static bool moves_rows(const struct drip_my_lex *l)
{
	struct drip_my_lex ahead = *l;

	if (drip_my_lex_accept(&ahead, "drop") || drip_my_lex_accept(&ahead, "truncate") ||
	    drip_my_lex_accept(&ahead, "exchange") || drip_my_lex_accept(&ahead, "convert")) {
		return drip_my_lex_is(&ahead, "partition") ||
		       (drip_my_lex_accept(&ahead, "to") && drip_my_lex_is(&ahead, "partition"));
	}
	return drip_my_lex_accept(&ahead, "import") && drip_my_lex_is(&ahead, "tablespace");
}

static int alter_clause(struct drip_my_lex *l, struct drip_my_table *t, char *ret_rename[2])
{
	if (moves_rows(l)) {
		t->lost_rows = true;
		skip_clause(l);
		return 0;
	}
	if (drip_my_lex_accept(l, "add")) {
		return alter_add(l, t);
	}
	if (drip_my_lex_accept(l, "drop")) {
		return alter_drop(l, t);
	}
	if (drip_my_lex_accept(l, "modify")) {
		return alter_modify(l, t, false);
	}
	if (drip_my_lex_accept(l, "change")) {
		return alter_modify(l, t, true);
	}
	if (drip_my_lex_accept(l, "rename")) {
		return alter_rename(l, t, ret_rename);
	}
	if (drip_my_lex_accept(l, "convert")) {
		return alter_convert(l, t);
	}
	if (!table_charset(l, t)) {
		skip_clause(l); /* options, partitions, ALTER COLUMN ... SET DEFAULT: no change */
	}
	return 0;
}

int drip_my_ddl_alter_clauses(struct drip_my_lex *l, struct drip_my_table *t, char *ret_rename[2])
{
	int rc = 0;

	while (rc == 0 && l->kind != DRIP_MY_END && !drip_my_lex_is(l, ";")) {
		rc = alter_clause(l, t, ret_rename);
		if (rc == 0 && !drip_my_lex_accept(l, ",")) {
			if (drip_my_lex_is(l, ")")) {
				return -EINVAL;
			}
		}
	}
	return rc;
}
