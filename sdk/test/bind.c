/* SPDX-License-Identifier: Apache-2.0 */
/* Binds name and value pairs into a config struct through a component's option table: what the
 * core's binder does from YAML, for tests without any. */
#include "harness.h"

#include <dripline/units.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 256
#define INDEX_MAX      1000 /* of a list of maps */

struct table {
	const struct drip_option *options;
	uint32_t count;
	char *config;       /* the struct that is filled */
	const char *prefix; /* of paths: "" or "columns[0]." */
};

struct binding {
	void **arena;
	const char *const *pairs; /* name, value, ..., NULL */
	struct drip_error *err;
};

static const struct drip_option *option_at(const struct drip_option *options, uint32_t i)
{
	return (const struct drip_option *)(const void *)((const char *)options +
							  (size_t)i * options->struct_size);
}

static int bad_value(struct binding *b, const char *path, const char *text, const char *what)
{
	int rc = drip_error_set(b->err, -EINVAL, "config.bad_value", "option %s: \"%s\" %s", path,
				text, what);

	drip_error_option(b->err, "%s", path);
	return rc;
}

static int check_range(struct binding *b, const struct drip_option *o, const char *path,
		       const char *text, double v)
{
	if ((o->min != 0 || o->max != 0) &&
	    (v < o->min || (v > o->max && (o->max != 0 || o->min <= 0)))) {
		return bad_value(b, path, text, "is out of range");
	}
	return 0;
}

static int set_enum(struct binding *b, const struct drip_option *o, const char *path,
		    const char *text, struct drip_enum *member)
{
	for (const struct drip_enum_value *v = o->values; v != NULL && v->name != NULL; v++) {
		if (strcmp(v->name, text) == 0) {
			member->value = v->value;
			return 0;
		}
	}
	return bad_value(b, path, text, "is none of its values");
}

static int set_scalar(struct binding *b, const struct drip_option *o, const char *path,
		      const char *text, void *member)
{
	int rc;

	switch (o->type) {
	case DRIP_OPTION_BOOL:
		rc = drip_parse_bool(text, (bool *)member);
		return rc < 0 ? bad_value(b, path, text, "is not a boolean") : 0;
	case DRIP_OPTION_INT:
		rc = drip_parse_int(text, (int64_t *)member);
		return rc < 0 ? bad_value(b, path, text, "is not an integer")
			      : check_range(b, o, path, text, (double)*(int64_t *)member);
	case DRIP_OPTION_FLOAT:
		rc = drip_parse_float(text, (double *)member);
		return rc < 0 ? bad_value(b, path, text, "is not a number")
			      : check_range(b, o, path, text, *(double *)member);
	case DRIP_OPTION_DURATION:
		rc = drip_parse_duration(text, &((struct drip_duration *)member)->ms);
		return rc < 0 ? bad_value(b, path, text, "is not a duration")
			      : check_range(b, o, path, text,
					    (double)((struct drip_duration *)member)->ms);
	case DRIP_OPTION_SIZE:
		rc = drip_parse_size(text, &((struct drip_size *)member)->bytes);
		return rc < 0 ? bad_value(b, path, text, "is not a size")
			      : check_range(b, o, path, text,
					    (double)((struct drip_size *)member)->bytes);
	case DRIP_OPTION_ENUM:
		return set_enum(b, o, path, text, (struct drip_enum *)member);
	default: /* STRING, SECRET, CONNECTION: one pointer */
		*(const char **)member = harness_strdup(b->arena, text);
		return 0;
	}
}

static void append_string(struct binding *b, const char *text, void *member)
{
	struct drip_strings *list = (struct drip_strings *)member; /* as drip_columns */
	const char **items =
		(const char **)harness_alloc(b->arena, (list->count + 1) * sizeof(char *));

	if (list->count > 0) {
		memcpy(items, list->items, list->count * sizeof(char *));
	}
	items[list->count++] = harness_strdup(b->arena, text);
	list->items = items;
}

static void append_pair(struct binding *b, const char *key, const char *text, void *member)
{
	struct drip_pairs *list = (struct drip_pairs *)member;
	struct drip_pair *items =
		(struct drip_pair *)harness_alloc(b->arena, (list->count + 1) * sizeof(*items));

	if (list->count > 0) {
		memcpy(items, list->items, list->count * sizeof(*items));
	}
	items[list->count].key = harness_strdup(b->arena, key);
	items[list->count++].value = harness_strdup(b->arena, text);
	list->items = items;
}

/* A default of a list: "[a, b]" or one string. */
static void set_default_list(struct binding *b, const char *text, void *member)
{
	char *copy, *item, *save = NULL;

	if (text[0] != '[') {
		append_string(b, text, member);
		return;
	}
	copy = harness_strdup(b->arena, text + 1);
	for (item = strtok_r(copy, ",]", &save); item != NULL; item = strtok_r(NULL, ",]", &save)) {
		item += strspn(item, " ");
		if (*item != '\0') {
			append_string(b, item, member);
		}
	}
}

static bool is_list(const struct drip_option *o)
{
	return o->type == DRIP_OPTION_STRINGS || o->type == DRIP_OPTION_COLUMNS;
}

static int set_default(struct binding *b, const struct drip_option *o, const char *path,
		       void *member)
{
	if ((o->flags & DRIP_OPTION_REQUIRED) != 0) {
		drip_error_set(b->err, -EINVAL, "config.missing_option", "option %s is missing",
			       path);
		drip_error_option(b->err, "%s", path);
		return -EINVAL;
	}
	if (o->default_text == NULL || o->type == DRIP_OPTION_PAIRS ||
	    o->type == DRIP_OPTION_OBJECTS) {
		return 0;
	}
	if (is_list(o)) {
		set_default_list(b, o->default_text, member);
		return 0;
	}
	return set_scalar(b, o, path, o->default_text, member);
}

/* Index of a path behind an OBJECTS option: "[2].name" gives 2, ".name" 0; -1 for none. */
static int object_index(const char *rest)
{
	char *end;
	long index;

	if (rest[0] == '.') {
		return 0;
	}
	if (rest[0] != '[') {
		return -1;
	}
	index = strtol(rest + 1, &end, 10);
	return end != rest + 1 && strncmp(end, "].", 2) == 0 && index >= 0 && index < INDEX_MAX
		       ? (int)index
		       : -1;
}

static int bind_table(struct binding *b, const struct table *t);

static int bind_objects(struct binding *b, const struct drip_option *o, const char *path, int count,
			bool plain, void *member)
{
	struct drip_objects *list = (struct drip_objects *)member;
	char *items = (char *)harness_alloc(b->arena, (size_t)count * o->child_size);
	int rc = 0;

	for (int i = 0; i < count && rc == 0; i++) {
		char prefix[PATH_MAX_BYTES];
		struct table t = {o->children, o->children_count, items + (size_t)i * o->child_size,
				  prefix};

		snprintf(prefix, sizeof(prefix), plain ? "%s." : "%s[%d].", path, i);
		rc = bind_table(b, &t);
	}
	list->items = items;
	list->count = (size_t)count;
	return rc;
}

/* Gives one pair to `o`, where it is for it: 1 used, 0 not. */
static int use_pair(struct binding *b, const struct drip_option *o, const char *path,
		    const char *name, const char *value, void *member)
{
	size_t size = strlen(path);
	const char *rest = name + size;
	int rc;

	if (strncmp(name, path, size) != 0) {
		return 0;
	}
	if (o->type == DRIP_OPTION_PAIRS && rest[0] == '.') {
		append_pair(b, rest + 1, value, member);
		return 1;
	}
	if (rest[0] != '\0' || o->type == DRIP_OPTION_PAIRS || o->type == DRIP_OPTION_OBJECTS) {
		return 0;
	}
	if (is_list(o)) {
		append_string(b, value, member);
		return 1;
	}
	rc = set_scalar(b, o, path, value, member);
	return rc < 0 ? rc : 1;
}

static int bind_option(struct binding *b, const struct table *t, const struct drip_option *o)
{
	void *member = t->config + o->offset;
	char path[PATH_MAX_BYTES];
	int objects = 0, used = 0;
	bool plain = false;

	snprintf(path, sizeof(path), "%s%s", t->prefix, o->name);
	for (const char *const *p = b->pairs; p[0] != NULL; p += 2) {
		size_t size = strlen(path);
		int rc;

		if (o->type == DRIP_OPTION_OBJECTS && strncmp(p[0], path, size) == 0) {
			int index = object_index(p[0] + size);

			plain |= p[0][size] == '.';
			objects = index + 1 > objects ? index + 1 : objects;
		}
		rc = use_pair(b, o, path, p[0], p[1], member);
		if (rc < 0) {
			return rc;
		}
		used += rc;
	}
	if (objects > 0) {
		return bind_objects(b, o, path, objects, plain, member);
	}
	return used > 0 ? 0 : set_default(b, o, path, member);
}

static int bind_table(struct binding *b, const struct table *t)
{
	for (uint32_t i = 0; i < t->count; i++) {
		int rc = bind_option(b, t, option_at(t->options, i));

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

/* ---- names and rules ---- */

/* True where an option of the table takes a pair of this name. */
static bool takes(const struct drip_option *options, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *o = option_at(options, i);
		size_t size = strlen(o->name);
		const char *child;

		if (strncmp(name, o->name, size) != 0) {
			continue;
		}
		if (o->type == DRIP_OPTION_PAIRS && name[size] == '.') {
			return true;
		}
		if (o->type != DRIP_OPTION_OBJECTS && name[size] == '\0') {
			return true;
		}
		child = name[size] == '.' || name[size] == '[' ? strchr(name + size, '.') : NULL;
		if (o->type == DRIP_OPTION_OBJECTS && child != NULL &&
		    object_index(name + size) >= 0 &&
		    takes(o->children, o->children_count, child + 1)) {
			return true;
		}
	}
	return false;
}

static bool is_given(const struct binding *b, const char *option)
{
	size_t size = strlen(option);

	for (const char *const *p = b->pairs; p[0] != NULL; p += 2) {
		if (strncmp(p[0], option, size) == 0 &&
		    (p[0][size] == '\0' || p[0][size] == '.' || p[0][size] == '[')) {
			return true;
		}
	}
	return false;
}

static int check_rule(const struct binding *b, const struct drip_rule *rule)
{
	int given = 0, count = 0;
	bool first = rule->options[0] != NULL && is_given(b, rule->options[0]);
	bool broken = false;

	for (; count < DRIP_RULE_OPTIONS_MAX && rule->options[count] != NULL; count++) {
		given += is_given(b, rule->options[count]);
	}
	switch (rule->kind) {
	case DRIP_RULE_ONE_OF:
		broken = given != 1;
		break;
	case DRIP_RULE_AT_LEAST_ONE:
		broken = given < 1;
		break;
	case DRIP_RULE_REQUIRES:
		broken = first && given != count;
		break;
	case DRIP_RULE_EXCLUDES:
		broken = given > 1;
		break;
	}
	if (broken) {
		return drip_error_set(b->err, -EINVAL, "config.rule",
				      "rule %d on option %s and others is broken", (int)rule->kind,
				      rule->options[0]);
	}
	return 0;
}

int harness_bind(void **arena, const struct drip_component *component, const char *const *options,
		 const void **ret_config, struct drip_error *err)
{
	static const char *const none[] = {NULL};
	struct binding b = {arena, options != NULL ? options : none, err};
	size_t size = component->config_size > 0 ? component->config_size : 1;
	struct table t = {component->options, component->options_count,
			  (char *)harness_alloc(arena, size), ""};
	int rc;

	for (const char *const *p = b.pairs; p[0] != NULL; p += 2) {
		if (!takes(t.options, t.count, p[0])) {
			rc = drip_error_set(err, -EINVAL, "config.unknown_option",
					    "%s has no option %s", component->name, p[0]);
			drip_error_option(err, "%s", p[0]);
			return rc;
		}
	}
	rc = bind_table(&b, &t);
	for (uint32_t i = 0; i < component->rules_count && rc == 0; i++) {
		const char *base = (const char *)component->rules;

		rc = check_rule(
			&b, (const struct drip_rule
				     *)(const void *)(base +
						      (size_t)i * component->rules->struct_size));
	}
	*ret_config = t.config;
	return rc;
}
