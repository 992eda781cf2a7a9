/* SPDX-License-Identifier: Apache-2.0 */
/* One function for each option type. YAML 1.1 traps: only plain scalars are numbers and booleans
 * (or values from outside, which flow style makes one quote), while a plain `no` bound to a string
 * stays the text "no". */
#include "config/bind_value.h"

#include <dripline/schema.h>
#include <dripline/suggest.h>
#include <dripline/units.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *drip_option_type_text(enum drip_option_type type)
{
	switch (type) {
	case DRIP_OPTION_BOOL:
		return "true or false";
	case DRIP_OPTION_INT:
		return "an integer";
	case DRIP_OPTION_FLOAT:
		return "a number";
	case DRIP_OPTION_STRING:
	case DRIP_OPTION_SECRET:
		return "a string";
	case DRIP_OPTION_ENUM:
		return "a name";
	case DRIP_OPTION_DURATION:
		return "a duration such as 250ms, 5s, 15m, 4h or 7d";
	case DRIP_OPTION_SIZE:
		return "a size such as 512, 64KiB, 16MiB or 2GiB";
	case DRIP_OPTION_STRINGS:
		return "a list of strings";
	case DRIP_OPTION_PAIRS:
		return "a map of strings";
	case DRIP_OPTION_OBJECTS:
		return "a map or a list of maps";
	case DRIP_OPTION_CONNECTION:
		return "the name of a connection";
	case DRIP_OPTION_COLUMNS:
		return "a list of column names";
	}
	return "a value";
}

/* What a message may show of a value: nothing of secrets, and only what the file itself says. */
static void show(const struct drip_option *option, const struct drip_node *node, char *buf,
		 size_t size)
{
	if (node->kind != DRIP_NODE_SCALAR || node->null || option->type == DRIP_OPTION_SECRET) {
		snprintf(buf, size, "%s", drip_node_describe(node));
	} else if (!node->plain && !node->interpolated) {
		snprintf(buf, size, "the quoted string \"%.100s\"", node->raw);
	} else if (node->interpolated) {
		snprintf(buf, size, "what %.100s stands for", node->raw);
	} else {
		snprintf(buf, size, "\"%.100s\"", node->raw);
	}
}

/* What to do about a value of the wrong type, into buf; "" where the message says it all. */
static const char *type_hint(const struct drip_option *option, const struct drip_node *node,
			     char *buf, size_t size)
{
	bool scalar = node->kind == DRIP_NODE_SCALAR;

	if (option->type == DRIP_OPTION_SIZE && scalar) {
		return "Units are B, KiB, MiB, GiB and TiB, powers of 1024.";
	}
	if (option->type == DRIP_OPTION_DURATION && scalar) {
		return "Units are ms, s, m, h and d.";
	}
	if (option->type == DRIP_OPTION_INT && scalar && node->plain && node->text[0] == '0') {
		return "A leading zero means octal in YAML 1.1: write the number without it.";
	}
	if (scalar && !node->plain && !node->interpolated) {
		return "Write the value without quotes.";
	}
	if (option->example == NULL) {
		return "";
	}
	snprintf(buf, size, "Example: %s: %s", option->name, option->example);
	return buf;
}

static void refuse_type(const struct drip_binder *b, const struct drip_option *option,
			const struct drip_node *node)
{
	char shown[200], hint[300];

	show(option, node, shown, sizeof(shown));
	if (node->kind == DRIP_NODE_SCALAR && node->null) {
		drip_findings_add(
			b->findings, DRIP_SEVERITY_ERROR, &node->place, "config.empty_value",
			"Give it a value, or remove the key; \"\" is the empty string.",
			"option \"%s%s\" of %s has no value", b->prefix, option->name, b->what);
		return;
	}
	drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &node->place, "config.wrong_type",
			  type_hint(option, node, hint, sizeof(hint)),
			  "option \"%s%s\" of %s wants %s, not %s", b->prefix, option->name,
			  b->what, drip_option_type_text(option->type), shown);
}

/* A bound as the option's unit writes it. */
static void show_bound(const struct drip_option *option, double bound, char *buf, size_t size)
{
	static const char *const sizes[] = {"", "KiB", "MiB", "GiB", "TiB"};
	static const struct {
		double ms;
		const char *name;
	} spans[] = {{86400e3, "d"}, {3600e3, "h"}, {60e3, "m"}, {1e3, "s"}};
	size_t i = 0;

	if (option->type == DRIP_OPTION_SIZE) {
		while (i < 4 && bound >= 1024 && (double)(int64_t)(bound / 1024) * 1024 == bound) {
			bound /= 1024;
			i++;
		}
		snprintf(buf, size, "%.15g%s", bound, sizes[i]);
		return;
	}
	if (option->type == DRIP_OPTION_DURATION) {
		for (; i < 4; i++) {
			if (bound >= spans[i].ms &&
			    (double)(int64_t)(bound / spans[i].ms) * spans[i].ms == bound) {
				snprintf(buf, size, "%.15g%s", bound / spans[i].ms, spans[i].name);
				return;
			}
		}
		snprintf(buf, size, "%.15gms", bound);
		return;
	}
	snprintf(buf, size, "%.15g", bound);
}

static bool has_no_max(const struct drip_option *option)
{
	return option->max == 0 && option->min > 0;
}

static void refuse_range(const struct drip_binder *b, const struct drip_option *option,
			 const struct drip_node *node)
{
	char min[64], max[64], shown[200];
	const char *unit = option->unit != NULL ? option->unit : "";

	show(option, node, shown, sizeof(shown));
	show_bound(option, option->min, min, sizeof(min));
	show_bound(option, option->max, max, sizeof(max));
	if (option->min == 0 && option->max == 0) {
		snprintf(min, sizeof(min), "what fits in 64 bits");
		drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &node->place,
				  "config.out_of_range", NULL,
				  "option \"%s%s\" of %s wants %s, not %s", b->prefix, option->name,
				  b->what, min, shown);
		return;
	}
	if (has_no_max(option)) {
		snprintf(max, sizeof(max), "%s", min);
		snprintf(min, sizeof(min), "at least");
	} else {
		snprintf(min + strlen(min), sizeof(min) - strlen(min), " to");
	}
	drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &node->place, "config.out_of_range",
			  NULL, "option \"%s%s\" of %s wants %s %s%s%s, not %s", b->prefix,
			  option->name, b->what, min, max, unit[0] != '\0' ? " " : "", unit, shown);
}

static bool in_range(const struct drip_option *option, double value)
{
	if (option->min == 0 && option->max == 0) {
		return true;
	}
	return value >= option->min && (has_no_max(option) || value <= option->max);
}

static void finish_number(const struct drip_binder *b, const struct drip_option *option,
			  const struct drip_node *node, int rc, double value)
{
	if (rc == -ERANGE || (rc == 0 && !in_range(option, value))) {
		refuse_range(b, option, node);
	} else if (rc < 0) {
		refuse_type(b, option, node);
	}
}

static int bind_number(const struct drip_binder *b, const struct drip_option *option,
		       const struct drip_node *node, void *target)
{
	const char *text = node->text;
	double value = 0;
	int rc;

	if (!node->plain && !node->interpolated &&
	    (option->type == DRIP_OPTION_BOOL || option->type == DRIP_OPTION_INT ||
	     option->type == DRIP_OPTION_FLOAT)) {
		refuse_type(b, option, node);
		return 0;
	}
	switch (option->type) {
	case DRIP_OPTION_BOOL:
		rc = drip_parse_bool(text, target);
		break;
	case DRIP_OPTION_INT:
		rc = drip_parse_int(text, target);
		value = rc == 0 ? (double)*(int64_t *)target : 0;
		break;
	case DRIP_OPTION_FLOAT:
		rc = drip_parse_float(text, target);
		value = rc == 0 ? *(double *)target : 0;
		break;
	case DRIP_OPTION_DURATION:
		rc = drip_parse_duration(text, &((struct drip_duration *)target)->ms);
		value = rc == 0 ? (double)((struct drip_duration *)target)->ms : 0;
		break;
	default:
		rc = drip_parse_size(text, &((struct drip_size *)target)->bytes);
		value = rc == 0 ? (double)((struct drip_size *)target)->bytes : 0;
		break;
	}
	finish_number(b, option, node, rc, option->type == DRIP_OPTION_BOOL ? option->min : value);
	return 0;
}

static void bind_enum(const struct drip_binder *b, const struct drip_option *option,
		      const struct drip_node *node, struct drip_enum *target)
{
	struct drip_suggestion s = {.wrong = node->text};
	char names[600] = "", hint[256], shown[200];
	size_t used = 0;

	for (const struct drip_enum_value *v = option->values; v != NULL && v->name != NULL; v++) {
		int n;

		if (strcmp(v->name, node->text) == 0) {
			target->value = v->value;
			return;
		}
		drip_suggestion_offer(&s, v->name);
		n = snprintf(names + used, sizeof(names) - used, "%s%s", used > 0 ? ", " : "",
			     v->name);
		used += (size_t)n < sizeof(names) - used ? (size_t)n : sizeof(names) - used - 1;
	}
	show(option, node, shown, sizeof(shown));
	drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &node->place, "config.unknown_value",
			  drip_suggestion_hint(&s, NULL, hint, sizeof(hint)),
			  "option \"%s%s\" of %s wants one of %s, not %s", b->prefix, option->name,
			  b->what, names, shown);
}

/* A relative path starts at the folder of the file in which it stands. URLs and names such as
 * ":memory:" are left as they are. */
static const char *resolve_path(const struct drip_binder *b, const struct drip_node *node)
{
	const char *slash = strrchr(node->place.file, '/');
	size_t folder = slash != NULL ? (size_t)(slash - node->place.file) + 1 : 0;
	char *path;

	if (folder == 0 || node->text[0] == '/' || node->text[0] == ':' || node->text[0] == '\0' ||
	    strstr(node->text, "://") != NULL) {
		return node->text;
	}
	path = drip_arena_alloc(b->arena, folder + node->text_size + 1);
	if (path != NULL) {
		memcpy(path, node->place.file, folder);
		memcpy(path + folder, node->text, node->text_size + 1);
	}
	return path;
}

static int bind_text(const struct drip_binder *b, const struct drip_option *option,
		     const struct drip_node *node, const char **target)
{
	*target = (option->flags & DRIP_OPTION_PATH) != 0 ? resolve_path(b, node) : node->text;
	return *target != NULL ? 0 : -ENOMEM;
}

static bool is_text(const struct drip_binder *b, const struct drip_option *option,
		    const struct drip_node *node)
{
	if (node->kind == DRIP_NODE_SCALAR && !node->null) {
		return true;
	}
	refuse_type(b, option, node);
	return false;
}

/* STRINGS and COLUMNS: a list of scalars, or one scalar. Both structs have the same members. */
static int bind_strings(const struct drip_binder *b, const struct drip_option *option,
			const struct drip_node *node, struct drip_strings *target)
{
	struct drip_node *one = (struct drip_node *)(uintptr_t)node;
	struct drip_node *const *items = node->kind == DRIP_NODE_SEQUENCE ? node->items : &one;
	size_t count = node->kind == DRIP_NODE_SEQUENCE ? node->count : 1;
	const char **texts = drip_arena_array(b->arena, count, sizeof(*texts));

	if (texts == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		if (items[i]->broken) {
			continue;
		}
		if (is_text(b, option, items[i])) {
			int rc = bind_text(b, option, items[i], &texts[target->count]);

			if (rc < 0) {
				return rc;
			}
			target->count++;
		}
	}
	target->items = texts;
	return 0;
}

static int bind_pairs(const struct drip_binder *b, const struct drip_option *option,
		      const struct drip_node *node, struct drip_pairs *target)
{
	struct drip_pair *pairs;

	if (node->kind != DRIP_NODE_MAP) {
		refuse_type(b, option, node);
		return 0;
	}
	pairs = drip_arena_array(b->arena, node->count, sizeof(*pairs));
	if (pairs == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < node->count; i++) {
		const struct drip_node *key = node->pairs[i].key, *value = node->pairs[i].value;

		if (drip_node_is_extension(key) || value->broken) {
			continue;
		}
		if (is_text(b, option, value)) {
			pairs[target->count].key = key->text;
			pairs[target->count++].value = value->text;
		}
	}
	target->items = pairs;
	return 0;
}

static int bind_child(const struct drip_binder *b, const struct drip_option *option,
		      const struct drip_node *node, bool list, size_t index, void *target)
{
	char prefix[200];
	struct drip_binder child = *b;

	if (node->kind != DRIP_NODE_MAP) {
		refuse_type(b, option, node);
		return 0;
	}
	if (list) {
		snprintf(prefix, sizeof(prefix), "%s%s[%zu].", b->prefix, option->name, index);
	} else {
		snprintf(prefix, sizeof(prefix), "%s%s.", b->prefix, option->name);
	}
	child.prefix = prefix;
	return drip_bind_map(&child, node, option->children, option->children_count, target);
}

static int bind_objects(const struct drip_binder *b, const struct drip_option *option,
			const struct drip_node *node, struct drip_objects *target)
{
	struct drip_node *one = (struct drip_node *)(uintptr_t)node;
	struct drip_node *const *items = node->kind == DRIP_NODE_SEQUENCE ? node->items : &one;
	size_t count = node->kind == DRIP_NODE_SEQUENCE ? node->count : 1;
	char *objects;

	if (node->kind == DRIP_NODE_SCALAR) {
		refuse_type(b, option, node);
		return 0;
	}
	objects = drip_arena_array(b->arena, count, option->child_size);
	if (objects == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		int rc = bind_child(b, option, items[i], node->kind == DRIP_NODE_SEQUENCE, i,
				    objects + i * option->child_size);

		if (rc < 0) {
			return rc;
		}
	}
	target->items = objects;
	target->count = count;
	return 0;
}

static bool is_too_long(const struct drip_binder *b, const struct drip_option *option,
			const struct drip_node *node)
{
	size_t most = option->type == DRIP_OPTION_COLUMNS ? DRIP_COLUMNS_MAX : DRIP_LIST_MAX;

	if (node->kind == DRIP_NODE_SCALAR || node->count <= most) {
		return false;
	}
	drip_findings_add(b->findings, DRIP_SEVERITY_ERROR, &node->place, "config.too_large", NULL,
			  "option \"%s%s\" of %s takes %zu entries at most, not %zu", b->prefix,
			  option->name, b->what, most, node->count);
	return true;
}

int drip_bind_value(const struct drip_binder *b, const struct drip_option *option,
		    const struct drip_node *node, void *target)
{
	if (node->broken || is_too_long(b, option, node)) {
		return 0;
	}
	switch (option->type) {
	case DRIP_OPTION_STRINGS:
	case DRIP_OPTION_COLUMNS:
		return bind_strings(b, option, node, target);
	case DRIP_OPTION_PAIRS:
		return bind_pairs(b, option, node, target);
	case DRIP_OPTION_OBJECTS:
		return bind_objects(b, option, node, target);
	default:
		break;
	}
	if (!is_text(b, option, node)) {
		return 0;
	}
	switch (option->type) {
	case DRIP_OPTION_STRING:
	case DRIP_OPTION_SECRET:
	case DRIP_OPTION_CONNECTION: /* all three structs begin with a pointer to the text */
		return bind_text(b, option, node, target);
	case DRIP_OPTION_ENUM:
		bind_enum(b, option, node, target);
		return 0;
	default:
		return bind_number(b, option, node, target);
	}
}
