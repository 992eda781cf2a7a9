/* SPDX-License-Identifier: Apache-2.0 */
/* What the descriptors of components say, put into words, tables and JSON. */
#include "cli/component_text.h"

#include <stdio.h>
#include <string.h>

const char *drip_stability_name(enum drip_stability stability)
{
	return stability == DRIP_STABLE       ? "stable"
	       : stability == DRIP_DEPRECATED ? "deprecated"
					      : "experimental";
}

static void enum_text(const struct drip_option *option, const char *mark, struct drip_str *out)
{
	for (const struct drip_enum_value *v = option->values; v->name != NULL; v++) {
		const char *between = v[1].name == NULL ? " or " : ", ";

		drip_str_appendf(out, "%s%s%s%s", v == option->values ? "" : between, mark, v->name,
				 mark);
	}
}

void drip_describe_type(const struct drip_option *option, const char *mark, struct drip_str *out)
{
	static const char *const names[] = {
		[DRIP_OPTION_BOOL] = "boolean",
		[DRIP_OPTION_INT] = "integer",
		[DRIP_OPTION_FLOAT] = "number",
		[DRIP_OPTION_STRING] = "string",
		[DRIP_OPTION_DURATION] = "duration",
		[DRIP_OPTION_SIZE] = "size",
		[DRIP_OPTION_SECRET] = "secret",
		[DRIP_OPTION_STRINGS] = "list of strings",
		[DRIP_OPTION_PAIRS] = "map",
		[DRIP_OPTION_OBJECTS] = "list of maps",
		[DRIP_OPTION_COLUMNS] = "list of columns",
	};

	if (option->type == DRIP_OPTION_ENUM) {
		enum_text(option, mark, out);
	} else if (option->type == DRIP_OPTION_CONNECTION) {
		drip_str_appendf(out, "connection (%s)", option->interface_name);
	} else if (option->type == DRIP_OPTION_STRING && (option->flags & DRIP_OPTION_SQL) != 0) {
		drip_str_append(out, "SQL");
	} else if (option->type == DRIP_OPTION_STRING && (option->flags & DRIP_OPTION_PATH) != 0) {
		drip_str_append(out, "path");
	} else {
		drip_str_append(out, names[option->type]);
	}
}

static void number_text(const struct drip_option *option, double v, struct drip_str *out)
{
	static const struct {
		double factor;
		const char *name;
	} sizes[] = {{1099511627776., "TiB"},
		     {1073741824., "GiB"},
		     {1048576., "MiB"},
		     {1024., "KiB"}},
	  times[] = {{86400000., "d"}, {3600000., "h"}, {60000., "m"}, {1000., "s"}, {1., "ms"}};
	bool size = option->type == DRIP_OPTION_SIZE;
	size_t count = size ? sizeof(sizes) / sizeof(sizes[0]) : sizeof(times) / sizeof(times[0]);

	for (size_t i = 0; (size || option->type == DRIP_OPTION_DURATION) && i < count; i++) {
		double factor = size ? sizes[i].factor : times[i].factor;
		double n = v / factor;

		if (n >= 1 && n == (double)(int64_t)n) {
			drip_str_appendf(out, "%.0f%s", n, size ? sizes[i].name : times[i].name);
			return;
		}
	}
	drip_str_appendf(out, "%.15g", v);
}

void drip_describe_range(const struct drip_option *option, struct drip_str *out)
{
	if (option->min == 0 && option->max == 0) {
		return;
	}
	if (option->max >= 9e15 || option->max < option->min) {
		drip_str_append(out, "at least ");
		number_text(option, option->min, out);
	} else {
		number_text(option, option->min, out);
		drip_str_append(out, " to ");
		number_text(option, option->max, out);
	}
	if (option->unit != NULL) {
		drip_str_appendf(out, " %s", option->unit);
	}
}

static void rule_text(const struct drip_rule *rule, const char *mark, struct drip_str *out)
{
	static const char *const heads[] = {
		[DRIP_RULE_ONE_OF] = "Exactly one of ",
		[DRIP_RULE_AT_LEAST_ONE] = "At least one of ",
		[DRIP_RULE_REQUIRES] = "",
		[DRIP_RULE_EXCLUDES] = "At most one of ",
	};
	int i;

	drip_str_append(out, heads[rule->kind]);
	for (i = 0; i < DRIP_RULE_OPTIONS_MAX && rule->options[i] != NULL; i++) {
		bool second = rule->kind == DRIP_RULE_REQUIRES && i == 1;

		drip_str_appendf(out, "%s%s%s%s",
				 i == 0   ? ""
				 : second ? " requires "
					  : ", ",
				 mark, rule->options[i], mark);
	}
	drip_str_append(out, rule->kind == DRIP_RULE_REQUIRES ? "." : " is given.");
}

/* ---- terminal ---- */

static void options_text(const struct drip_option *options, uint32_t count, const char *prefix,
			 struct drip_str *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *o = drip_option_at(options, i);
		char path[256];

		snprintf(path, sizeof(path), "%s%s", prefix, o->name);
		drip_str_appendf(out, "  %s: ", path);
		drip_describe_type(o, "", out);
		if ((o->flags & DRIP_OPTION_REQUIRED) != 0) {
			drip_str_append(out, ", required");
		} else if (o->default_text != NULL) {
			drip_str_appendf(out, ", default %s", o->default_text);
		}
		if (o->min != 0 || o->max != 0) {
			drip_str_append(out, ", ");
			drip_describe_range(o, out);
		}
		drip_str_append(out,
				(o->flags & DRIP_OPTION_RELOADABLE) != 0 ? ", reloadable" : "");
		drip_str_append(out,
				(o->flags & DRIP_OPTION_DEPRECATED) != 0 ? ", deprecated" : "");
		drip_str_appendf(out, "\n      %s\n", o->help);
		if (o->type == DRIP_OPTION_ENUM) {
			for (const struct drip_enum_value *v = o->values; v->name != NULL; v++) {
				drip_str_appendf(out, "      %s: %s\n", v->name,
						 v->help != NULL ? v->help : "");
			}
		}
		if (o->type == DRIP_OPTION_OBJECTS) {
			snprintf(path, sizeof(path), "%s%s[].", prefix, o->name);
			options_text(o->children, o->children_count, path, out);
		}
	}
}

static void caps_text(const struct drip_component *c, struct drip_str *out)
{
	static const struct {
		uint64_t cap;
		const char *name;
	} caps[] = {{DRIP_CAP_EXACTLY_ONCE, "exactly-once"},
		    {DRIP_CAP_BOUNDED, "bounded"},
		    {DRIP_CAP_REPLAY, "replay"},
		    {DRIP_CAP_CHANGES, "changes"},
		    {DRIP_CAP_STATEFUL, "stateful"},
		    {DRIP_CAP_EXCLUSIVE, "exclusive"},
		    {DRIP_CAP_DISCARDS, "keeps nothing"},
		    {DRIP_CAP_SAME_SCHEMA, "same schema"}};

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++) {
		if ((c->caps & caps[i].cap) != 0) {
			drip_str_appendf(out, ", %s", caps[i].name);
		}
	}
}

void drip_component_text(const struct drip_plugin *plugin, const struct drip_component *c,
			 struct drip_str *out)
{
	drip_str_appendf(out, "%s/%s: %s\n", drip_kind_name(c->kind), c->name, c->summary);
	drip_str_appendf(out, "plugin %s %s, %s", plugin->name, plugin->version,
			 drip_stability_name(c->stability));
	caps_text(c, out);
	if (c->kind == DRIP_KIND_SINK) {
		drip_str_appendf(out, ", cleared for %s", drip_class_name(c->clearance));
	}
	drip_str_append(out, "\n");
	if (c->description != NULL) {
		drip_str_appendf(out, "\n%s\n", c->description);
	}
	if (c->schema_notes != NULL) {
		drip_str_appendf(out, "\nschema: %s\n", c->schema_notes);
	}
	if (c->guarantees != NULL) {
		drip_str_appendf(out, "\nguarantees: %s\n", c->guarantees);
	}
	drip_str_append(out, c->options_count > 0 ? "\noptions:\n" : "\nno options\n");
	options_text(c->options, c->options_count, "", out);
	for (uint32_t i = 0; i < c->rules_count; i++) {
		drip_str_append(out, "  ");
		rule_text(drip_rule_at(c->rules, i), "", out);
		drip_str_append(out, "\n");
	}
	drip_contract_text(c, false, out);
}

/* ---- Markdown ---- */

/* Text of a table's cell: no line feeds, bars escaped. */
static void cell(struct drip_str *out, const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '|') {
			drip_str_append_char(out, '\\');
		}
		drip_str_append_char(out, *p == '\n' ? ' ' : *p);
	}
}

static void description_cell(const struct drip_option *o, struct drip_str *out)
{
	if ((o->flags & DRIP_OPTION_DEPRECATED) != 0) {
		drip_str_append(out, "Deprecated. ");
	}
	cell(out, o->help);
	if (o->min != 0 || o->max != 0) {
		drip_str_append(out, " Range: ");
		drip_describe_range(o, out);
		drip_str_append(out, ".");
	}
	for (const struct drip_enum_value *v = o->values;
	     o->type == DRIP_OPTION_ENUM && v->name != NULL; v++) {
		if (v->help != NULL && v->help[0] != '\0') {
			drip_str_appendf(out, " `%s`: ", v->name);
			cell(out, v->help);
		}
	}
	if (o->example != NULL) {
		drip_str_append(out, " Example: `");
		cell(out, o->example);
		drip_str_append(out, "`.");
	}
	drip_str_append(out, (o->flags & DRIP_OPTION_RELOADABLE) != 0 ? " Reloadable." : "");
}

static void rows_markdown(const struct drip_option *options, uint32_t count, const char *prefix,
			  struct drip_str *out)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct drip_option *o = drip_option_at(options, i);
		char path[256];

		drip_str_appendf(out, "| `%s%s` | ", prefix, o->name);
		drip_describe_type(o, "`", out);
		drip_str_append(out, " | ");
		if ((o->flags & DRIP_OPTION_REQUIRED) != 0) {
			drip_str_append(out, "required");
		} else if (o->default_text != NULL) {
			drip_str_append(out, "`");
			cell(out, o->default_text[0] != '\0' ? o->default_text : "\"\"");
			drip_str_append(out, "`");
		}
		drip_str_append(out, " | ");
		description_cell(o, out);
		drip_str_append(out, " |\n");
		if (o->type == DRIP_OPTION_OBJECTS) {
			snprintf(path, sizeof(path), "%s%s[].", prefix, o->name);
			rows_markdown(o->children, o->children_count, path, out);
		}
	}
}

void drip_component_options_markdown(const struct drip_component *c, struct drip_str *out)
{
	if (c->options_count == 0) {
		drip_str_append(out, "It has no options.\n");
		return;
	}
	drip_str_append(out, "| option | type | default | what it is |\n|---|---|---|---|\n");
	rows_markdown(c->options, c->options_count, "", out);
	for (uint32_t i = 0; i < c->rules_count; i++) {
		drip_str_append(out, i == 0 ? "\n- " : "- ");
		rule_text(drip_rule_at(c->rules, i), "`", out);
		drip_str_append(out, "\n");
	}
}
