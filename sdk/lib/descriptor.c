/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks a plugin's descriptor: that it was built for an ABI that this host speaks, and that names,
 * options, rules and ops can be used as they are. Runs in the probe's child first, where a wild
 * pointer kills only the child. Each refusal names the file and the field.
 */
#include <dripline/descriptor.h>

#include <dripline/units.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIELD_MAX 256

struct subject {
	const char *path;
	struct drip_error *err;
	char where[FIELD_MAX]; /* "source/mysql.options.host" */
};

DRIP_PRINTF(2, 3)
static int invalid(struct subject *s, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	drip_error_set(s->err, -EINVAL, "plugin.invalid_descriptor", "%s: %s %s", s->path, s->where,
		       what);
	drip_error_hint(s->err, "The plugin must be mended; run dripline-conformance on it.");
	return -EINVAL;
}

static int check_versions(struct subject *s, const struct drip_plugin *p)
{
	if (!DRIP_HAS(p, components_count)) {
		drip_error_set(s->err, -ENOEXEC, "plugin.abi_mismatch",
			       "%s: field struct_size is %u, ABI %d.%d needs %zu at least", s->path,
			       p->struct_size, DRIP_ABI_MAJOR, DRIP_ABI_MINOR,
			       offsetof(struct drip_plugin, components_count) + sizeof(uint32_t));
		drip_error_hint(s->err, "Build the plugin again with the SDK of this Dripline.");
		return -ENOEXEC;
	}
	if (p->abi_major != DRIP_ABI_MAJOR) {
		drip_error_set(s->err, -ENOEXEC, "plugin.abi_mismatch",
			       "%s: field abi_major: the plugin was built for ABI %u.%u, this is "
			       "Dripline " DRIP_SDK_VERSION " with ABI %d.%d",
			       s->path, p->abi_major, p->abi_minor, DRIP_ABI_MAJOR, DRIP_ABI_MINOR);
		drip_error_hint(s->err, "Build the plugin again with the SDK of this Dripline.");
		return -ENOEXEC;
	}
	if (p->host_minor_min > DRIP_ABI_MINOR) {
		drip_error_set(s->err, -ENOEXEC, "plugin.host_too_old",
			       "%s: field host_minor_min: the plugin needs ABI %u.%u at least, "
			       "this is Dripline " DRIP_SDK_VERSION " with ABI %d.%d",
			       s->path, p->abi_major, p->host_minor_min, DRIP_ABI_MAJOR,
			       DRIP_ABI_MINOR);
		drip_error_hint(s->err, "Upgrade Dripline, or install an older plugin.");
		return -ENOEXEC;
	}
	return 0;
}

/* Lower case, digits, '_' and, for components, '-'; begins with a letter. */
static bool is_name(const char *name, const char *also)
{
	size_t size = name != NULL ? strnlen(name, DRIP_COMPONENT_NAME_MAX + 1) : 0;

	if (size == 0 || size > DRIP_COMPONENT_NAME_MAX || name[0] < 'a' || name[0] > 'z') {
		return false;
	}
	for (const char *p = name; *p != '\0'; p++) {
		if ((*p < 'a' || *p > 'z') && (*p < '0' || *p > '9') && *p != '_' &&
		    strchr(also, *p) == NULL) {
			return false;
		}
	}
	return true;
}

static const struct drip_option *option_at(const struct drip_option *options, uint32_t i)
{
	return (const struct drip_option *)(const void *)((const char *)options +
							  (size_t)i * options->struct_size);
}

static size_t member_size(enum drip_option_type type)
{
	switch (type) {
	case DRIP_OPTION_BOOL:
		return sizeof(bool);
	case DRIP_OPTION_INT:
	case DRIP_OPTION_FLOAT:
	case DRIP_OPTION_DURATION:
	case DRIP_OPTION_SIZE:
		return sizeof(int64_t);
	case DRIP_OPTION_ENUM:
		return sizeof(struct drip_enum);
	case DRIP_OPTION_STRING:
	case DRIP_OPTION_SECRET:
	case DRIP_OPTION_CONNECTION:
		return sizeof(char *);
	case DRIP_OPTION_STRINGS:
	case DRIP_OPTION_PAIRS:
	case DRIP_OPTION_OBJECTS:
	case DRIP_OPTION_COLUMNS:
		return sizeof(struct drip_strings);
	}
	return 0;
}

static bool enum_has(const struct drip_enum_value *v, const char *name)
{
	for (; v->name != NULL; v++) {
		if (strcmp(v->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static bool default_parses(const struct drip_option *o)
{
	const char *text = o->default_text;
	uint64_t size;
	int64_t i;
	double f;
	bool b;

	switch (o->type) {
	case DRIP_OPTION_BOOL:
		return drip_parse_bool(text, &b) == 0;
	case DRIP_OPTION_INT:
		if (drip_parse_int(text, &i) < 0) {
			return false;
		}
		f = (double)i;
		break;
	case DRIP_OPTION_FLOAT:
		if (drip_parse_float(text, &f) < 0) {
			return false;
		}
		break;
	case DRIP_OPTION_DURATION:
		if (drip_parse_duration(text, &i) < 0) {
			return false;
		}
		f = (double)i;
		break;
	case DRIP_OPTION_SIZE:
		if (drip_parse_size(text, &size) < 0) {
			return false;
		}
		f = (double)size;
		break;
	case DRIP_OPTION_ENUM:
		return enum_has(o->values, text);
	default:
		return true;
	}
	return (o->min == 0 && o->max == 0) ||
	       (f >= o->min && (f <= o->max || (o->max == 0 && o->min > 0)));
}

static int check_options(struct subject *s, const struct drip_option *options, uint32_t count,
			 uint32_t config_size, int depth);

static int check_option(struct subject *s, const struct drip_option *o, uint32_t config_size,
			int depth)
{
	size_t size = member_size(o->type);

	if (size == 0) {
		return invalid(s, "has the unknown type %d", (int)o->type);
	}
	if (o->offset > config_size || size > config_size - o->offset) {
		return invalid(s, "lies outside of its config struct");
	}
	if (o->help == NULL || o->help[0] == '\0') {
		return invalid(s, "has no help");
	}
	if (o->type == DRIP_OPTION_ENUM && (o->values == NULL || o->values[0].name == NULL)) {
		return invalid(s, "has no values");
	}
	if (o->type == DRIP_OPTION_CONNECTION && o->interface_name == NULL) {
		return invalid(s, "has no interface_name");
	}
	if (o->min > o->max && o->max != 0) { /* max 0 with a min: no upper bound */
		return invalid(s, "has a min above its max");
	}
	if (o->default_text != NULL && !default_parses(o)) {
		return invalid(s, "has the default \"%.60s\", which it does not take itself",
			       o->default_text);
	}
	if (o->type == DRIP_OPTION_OBJECTS) {
		if (o->children == NULL || o->children_count == 0 || o->child_size == 0) {
			return invalid(s, "has no children");
		}
		return check_options(s, o->children, o->children_count, o->child_size, depth + 1);
	}
	return 0;
}

static int check_duplicate(struct subject *s, const struct drip_option *options, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++) {
		if (strcmp(option_at(options, i)->name, option_at(options, index)->name) == 0) {
			return invalid(s, "is there twice");
		}
	}
	return 0;
}

static int check_options(struct subject *s, const struct drip_option *options, uint32_t count,
			 uint32_t config_size, int depth)
{
	/* Keys of a stage that the engine owns, and so an option cannot have. */
	static const char *const reserved[] = {"id",    "plugin",    "only", "on_error",
					       "retry", "clearance", "input"};
	size_t prefix = strlen(s->where);
	int rc = 0;

	if (count == 0) {
		return 0;
	}
	if (options == NULL || count > DRIP_PLUGIN_OPTIONS_MAX || depth > 4 ||
	    !DRIP_HAS(options, interface_name)) {
		return invalid(s, "has options that are missing, too many, too deep, or too small");
	}
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		const struct drip_option *o = option_at(options, i);

		if (!is_name(o->name, "")) {
			return invalid(s, "has an option %u with a bad name", i);
		}
		snprintf(s->where + prefix, sizeof(s->where) - prefix, ".%s", o->name);
		for (size_t j = 0; depth == 0 && j < DRIP_COUNT(reserved); j++) {
			if (strcmp(o->name, reserved[j]) == 0) {
				return invalid(s, "has a name that the engine reserves");
			}
		}
		rc = check_duplicate(s, options, i);
		if (rc == 0) {
			rc = check_option(s, o, config_size, depth);
		}
		s->where[prefix] = '\0';
	}
	return rc;
}

static bool has_option(const struct drip_component *c, const char *name)
{
	for (uint32_t i = 0; i < c->options_count; i++) {
		if (strcmp(option_at(c->options, i)->name, name) == 0) {
			return true;
		}
	}
	return false;
}

static int check_rules(struct subject *s, const struct drip_component *c)
{
	for (uint32_t i = 0; i < c->rules_count; i++) {
		const struct drip_rule *rule =
			(const struct drip_rule *)(const void *)((const char *)c->rules +
								 (size_t)i * c->rules->struct_size);

		if (!DRIP_HAS(rule, options) || rule->kind < DRIP_RULE_ONE_OF ||
		    rule->kind > DRIP_RULE_EXCLUDES || rule->options[0] == NULL) {
			return invalid(s, "has an unknown rule %u", i);
		}
		for (int j = 0; j < DRIP_RULE_OPTIONS_MAX && rule->options[j] != NULL; j++) {
			if (!has_option(c, rule->options[j])) {
				return invalid(s, "has a rule on %.60s, which is not an option",
					       rule->options[j]);
			}
		}
	}
	return 0;
}

static int check_component(struct subject *s, const struct drip_component *c, uint32_t index)
{
	const char *field = NULL;
	int rc;

	snprintf(s->where, sizeof(s->where), "components[%u]", index);
	if (c == NULL || !DRIP_HAS(c, ops)) {
		return invalid(s, "is missing or smaller than in ABI 1.0");
	}
	if (c->kind < DRIP_KIND_SOURCE || c->kind > DRIP_KIND_SERVICE) {
		return invalid(s, "has the unknown kind %d", (int)c->kind);
	}
	if (!is_name(c->name, "-")) {
		return invalid(s, "has no name of lower case letters, digits, - and _");
	}
	snprintf(s->where, sizeof(s->where), "%s/%s", drip_kind_name(c->kind), c->name);
	if (c->summary == NULL || c->summary[0] == '\0' || strchr(c->summary, '\n') != NULL) {
		return invalid(s, "has no summary of one line");
	}
	if (c->stability < DRIP_EXPERIMENTAL || c->stability > DRIP_DEPRECATED) {
		return invalid(s, "has no stability");
	}
	if (c->clearance > DRIP_CLASS_RESTRICTED) {
		return invalid(s, "has an unknown clearance");
	}
	if (drip_ops_check(c, &field) < 0) {
		return invalid(s, "lacks %s", field);
	}
	rc = check_options(s, c->options, c->options_count, c->config_size, 0);
	if (rc == 0 && c->rules_count > 0) {
		rc = c->rules != NULL ? check_rules(s, c) : invalid(s, "has no rules");
	}
	return rc;
}

static int check_twice(struct subject *s, const struct drip_plugin *plugin, uint32_t index)
{
	const struct drip_component *c = plugin->components[index];

	for (uint32_t i = 0; i < index; i++) {
		if (plugin->components[i]->kind == c->kind &&
		    strcmp(plugin->components[i]->name, c->name) == 0) {
			return invalid(s, "is there twice");
		}
	}
	return 0;
}

int drip_plugin_check(const char *path, const struct drip_plugin *plugin, struct drip_error *err)
{
	struct subject s = {.path = path, .err = err};
	int rc = check_versions(&s, plugin);

	if (rc < 0) {
		return rc;
	}
	snprintf(s.where, sizeof(s.where), "plugin");
	if (!is_name(plugin->name, "-") || plugin->version == NULL || plugin->summary == NULL ||
	    plugin->license == NULL || plugin->sdk_version == NULL) {
		return invalid(&s, "lacks a name, version, summary, license or sdk_version");
	}
	if (plugin->components == NULL || plugin->components_count == 0 ||
	    plugin->components_count > DRIP_PLUGIN_COMPONENTS_MAX) {
		return invalid(&s, "has %u components, 1 to %d are allowed",
			       plugin->components_count, DRIP_PLUGIN_COMPONENTS_MAX);
	}
	for (uint32_t i = 0; i < plugin->components_count && rc == 0; i++) {
		rc = check_component(&s, plugin->components[i], i);
		if (rc == 0) {
			rc = check_twice(&s, plugin, i);
		}
	}
	return rc;
}
