/* SPDX-License-Identifier: Apache-2.0 */
/* What a feed promises, in words: tables, columns, classes, personal data and quality rules. */
#include "cli/component_text.h"

#include "engine/graph.h"

struct rendering {
	struct drip_str *out;
	bool markdown;
};

static const char *kind_of_pii(const struct drip_contract_table *t, uint32_t index)
{
	return DRIP_HAS(t, pii) && t->pii != NULL ? t->pii[index] : NULL;
}

static void put_column(const struct rendering *r, const struct drip_contract_table *t,
		       uint32_t index)
{
	const struct drip_column *c = drip_schema_column(t->schema, index);
	const char *class = drip_class_name(c->classification), *pii = kind_of_pii(t, index);
	const struct drip_column *from = c;
	char type[64], source[64];

	if (DRIP_HAS(t, from) && t->source != NULL && t->from != NULL) {
		from = drip_schema_column(t->source, t->from[index]);
	}
	drip_type_name(c, type, sizeof(type));
	drip_type_name(from, source, sizeof(source));
	if (r->markdown) {
		drip_str_appendf(r->out, "| `%s`%s | %s | `%s` %s | %s | %s |\n", c->name,
				 (c->flags & DRIP_COLUMN_KEY) != 0 ? " key" : "", type, from->name,
				 source, class, pii != NULL ? pii : "");
		return;
	}
	drip_str_appendf(r->out, "    %-18s %-14s %s%s%s%s%s", c->name, type, class,
			 (c->flags & DRIP_COLUMN_KEY) != 0 ? ", key" : "",
			 (c->flags & DRIP_COLUMN_NULLABLE) != 0 ? ", nullable" : "",
			 pii != NULL ? ", personal data: " : "", pii != NULL ? pii : "");
	if (from->type != c->type) {
		drip_str_appendf(r->out, ", from %s %s", from->name, source);
	}
	drip_str_append(r->out, "\n");
}

static void put_part(const struct rendering *r, const char *name, const char *text)
{
	if (text != NULL) {
		drip_str_appendf(r->out, r->markdown ? ", %s `%s`" : ", %s %s", name, text);
	}
}

static void put_rule(const struct rendering *r, const struct drip_contract_rule *rule)
{
	drip_str_appendf(r->out, r->markdown ? "- `%s`" : "    rule %s", rule->rule);
	if (rule->columns != NULL) {
		drip_str_appendf(r->out, " of %s", rule->columns);
	}
	put_part(r, "min", rule->min);
	put_part(r, "max", rule->max);
	put_part(r, "values", rule->values);
	put_part(r, "pattern", rule->pattern);
	put_part(r, "max_age", rule->max_age);
	drip_str_appendf(r->out, ": %s\n", rule->action != NULL ? rule->action : "warn");
}

static void put_table(const struct rendering *r, const struct drip_contract_table *t)
{
	const char *rules = DRIP_HAS(t, rule_size) ? (const void *)t->rules : NULL;

	drip_str_appendf(r->out,
			 r->markdown ? "`%s`\n\n| column | type | at the source | class | personal "
				       "data |\n|---|---|---|---|---|\n"
				     : "\n  %s\n",
			 t->match);
	for (uint32_t i = 0; i < t->schema->columns_count; i++) {
		put_column(r, t, i);
	}
	if (r->markdown && rules != NULL && t->rules_count > 0) {
		drip_str_append(r->out, "\nQuality rules:\n\n");
	}
	for (uint32_t i = 0; rules != NULL && i < t->rules_count; i++) {
		put_rule(r, (const void *)(rules + i * t->rule_size));
	}
	drip_str_append(r->out, r->markdown ? "\n" : "");
}

static void put_contract(const struct drip_contract *contract, void *data)
{
	const struct rendering *r = data;

	drip_str_append(r->out, r->markdown ? "Promises:\n\n" : "\npromises:\n");
	for (size_t i = 0; i < contract->tables_count; i++) {
		put_table(r, drip_contract_table_at(contract, i));
	}
}

void drip_contract_text(const struct drip_component *component, bool markdown, struct drip_str *out)
{
	struct rendering r = {.out = out, .markdown = markdown};

	/* what depends on options has nothing to show */
	(void)!drip_feed_describe(component, put_contract, &r);
}
