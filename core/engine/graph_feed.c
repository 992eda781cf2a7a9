/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The quality rules of a feed: they become a stage `quality` behind it, declared as if the file
 * said so, so that they are bound, checked, counted and replayed like any other. Its values stand
 * in no file: findings name the feed.
 */
#include "base/cleanup.h"
#include "base/json.h"
#include "engine/graph_private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* "db.t_order_m_*" as the first part of a rule's name: "t_order_m". */
static void put_label(const char *match, char *buf, size_t size)
{
	const char *point = strrchr(match, '.');
	size_t n = 0;

	for (const char *p = point != NULL ? point + 1 : match; *p != '\0' && n + 1 < size; p++) {
		if (*p != '*' && *p != '?') {
			buf[n++] = *p;
		}
	}
	while (n > 0 && buf[n - 1] == '_') {
		n--;
	}
	buf[n] = '\0';
}

/* "a, b" as a list. */
static void put_list(struct drip_json *j, const char *key, const char *text)
{
	drip_json_key(j, key);
	drip_json_begin_array(j);
	while (*text != '\0') {
		size_t space = strspn(text, ", "), size = strcspn(text + space, ",");

		text += space;
		if (size > 0) {
			drip_json_string_n(j, text, size);
		}
		text += size;
	}
	drip_json_end_array(j);
}

static bool is_of_epoch(const char *rule)
{
	return strcmp(rule, "freshness") == 0 || strcmp(rule, "row_count") == 0;
}

static const char *action_of(const struct drip_contract_rule *r, enum drip_feed_quality quality)
{
	switch (quality) {
	case DRIP_QUALITY_WARN:
		return "warn";
	case DRIP_QUALITY_DEAD_LETTER:
		return is_of_epoch(r->rule) ? "warn" : "dead-letter";
	case DRIP_QUALITY_STOP:
		return "stop";
	default:
		return r->action != NULL ? r->action : "warn";
	}
}

static void put_rule(struct drip_json *j, const struct drip_contract_table *table,
		     const struct drip_contract_rule *r, enum drip_feed_quality quality)
{
	const char *match = table->schema->table[0] != '\0' ? table->schema->table : table->match;
	const struct {
		const char *key, *text;
	} plain[] = {
		{"min", r->min}, {"max", r->max}, {"pattern", r->pattern}, {"max_age", r->max_age}};
	char label[100], name[GRAPH_NAME_MAX * 2];

	put_label(match, label, sizeof(label));
	snprintf(name, sizeof(name), "%.60s.%s%s%.40s", label, r->name != NULL ? r->name : r->rule,
		 r->name == NULL && r->columns != NULL ? "." : "",
		 r->name == NULL && r->columns != NULL ? r->columns : "");
	drip_json_begin_object(j);
	drip_json_put_string(j, "rule", r->rule);
	drip_json_put_string(j, "name", name);
	put_list(j, "tables", match);
	if (r->columns != NULL) {
		put_list(j, "columns", r->columns);
	}
	if (r->values != NULL) {
		put_list(j, "values", r->values);
	}
	for (size_t i = 0; i < DRIP_COUNT(plain); i++) {
		if (plain[i].text != NULL) {
			drip_json_put_string(j, plain[i].key, plain[i].text);
		}
	}
	if (r->window > 0) {
		drip_json_put_int(j, "window", r->window);
	}
	if (is_of_epoch(r->rule)) {
		drip_json_put_bool(j, "changes", true); /* a snapshot is old by nature */
	}
	drip_json_put_string(j, "action", action_of(r, quality));
	drip_json_end_object(j);
}

/* The stage as JSON, which is YAML. Returns the number of rules. */
static size_t write_stage(const struct drip_contract *contract, enum drip_feed_quality quality,
			  struct drip_str *ret)
{
	struct drip_json j;
	size_t count = 0;

	drip_json_init(&j, ret);
	drip_json_begin_object(&j);
	drip_json_put_string(&j, "plugin", "quality");
	drip_json_key(&j, "rules");
	drip_json_begin_array(&j);
	for (size_t i = 0; i < contract->tables_count; i++) {
		const struct drip_contract_table *table = drip_contract_table_at(contract, i);
		const char *rules = DRIP_HAS(table, rule_size) ? (const void *)table->rules : NULL;

		for (uint32_t k = 0; rules != NULL && k < table->rules_count; k++) {
			put_rule(&j, table, (const void *)(rules + k * table->rule_size), quality);
			count++;
		}
	}
	drip_json_end_array(&j);
	drip_json_end_object(&j);
	return count;
}

int graph_feed_rules(struct graph *g, const struct drip_stage *feed, const char *pipeline,
		     struct drip_node **ret)
{
	const struct drip_feed_ops *ops = feed->component->ops;
	const struct drip_contract *contract = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	drip_autostr text = DRIP_STR_INIT;
	struct graph_ctx ctx;
	size_t count;

	*ret = NULL;
	graph_ctx_init(&ctx, g, pipeline, feed->id);
	if (feed->quality == DRIP_QUALITY_OFF ||
	    ops->contract(&ctx.base, feed->config, &contract, &err) < 0) {
		return err.rc == -ENOMEM ? -ENOMEM : 0; /* negotiation says what is wrong */
	}
	count = write_stage(contract, feed->quality, &text);
	if (DRIP_HAS(contract, release) && contract->release != NULL) {
		contract->release(contract);
	}
	if (text.rc < 0) {
		return -ENOMEM;
	}
	return count == 0 ? 0
			  : drip_yaml_parse(&g->arena,
					    graph_what(g, DRIP_KIND_FEED, feed->component->name),
					    drip_str_text(&text), text.length, g->findings, ret);
}

static bool wants_options(const struct drip_component *component)
{
	for (uint32_t i = 0; i < component->options_count; i++) {
		if ((drip_option_at(component->options, i)->flags & DRIP_OPTION_REQUIRED) != 0) {
			return true;
		}
	}
	return false;
}

/* The config with its defaults, and the contract for it. */
static int describe(struct graph *g, const struct drip_component *component,
		    void (*visit)(const struct drip_contract *contract, void *data), void *data)
{
	const struct drip_feed_ops *ops = component->ops;
	struct drip_binder b = {
		.arena = &g->arena, .findings = g->findings, .what = component->name, .prefix = ""};
	const struct drip_contract *contract = NULL;
	struct drip_error err = DRIP_ERROR_INIT;
	struct graph_ctx ctx;
	void *config = drip_arena_alloc(&g->arena, component->config_size);
	int rc = config != NULL ? 0 : -ENOMEM;

	if (rc == 0) {
		rc = drip_bind_values(&b, NULL, component->options, component->options_count,
				      config);
	}
	if (rc == 0) {
		graph_ctx_init(&ctx, g, "", component->name);
		rc = ops->contract(&ctx.base, config, &contract, &err);
	}
	if (rc < 0) {
		return rc;
	}
	visit(contract, data);
	if (DRIP_HAS(contract, release) && contract->release != NULL) {
		contract->release(contract);
	}
	return 0;
}

int drip_feed_describe(const struct drip_component *component,
		       void (*visit)(const struct drip_contract *contract, void *data), void *data)
{
	static const struct drip_load_options defaults;
	struct drip_document document = {0};
	struct drip_findings findings;
	struct graph g = {.options = &defaults, .document = &document, .findings = &findings};
	int rc;

	if (component->kind != DRIP_KIND_FEED || wants_options(component)) {
		return -ENOENT;
	}
	drip_findings_init(&findings);
	drip_arena_init(&g.arena);
	rc = describe(&g, component, visit, data);
	drip_arena_finish(&g.arena);
	drip_findings_finish(&findings);
	return rc;
}
