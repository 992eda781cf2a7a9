/* SPDX-License-Identifier: Apache-2.0 */
/* Building the policy from `roles:` of all files, and what follows from it for each column. */
#include "engine/policy.h"

#include "engine/graph_private.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROLE_NAME_MAX 40 /* bytes: with "__named" DRIP_GUARD_ROLE_MAX */

static const char *const route_names[] = {"query", "dashboard", "churn", "fraud"};

struct build {
	struct graph *g;
	struct drip_policy_role *roles;
	size_t count;
	const struct drip_node *node; /* of the role at hand */
};

static void report(struct build *b, enum drip_severity severity, const char *path, const char *code,
		   const char *hint, const char *fmt, const char *name)
{
	struct drip_place place = drip_node_place(b->node, path);
	char text[300];

	snprintf(text, sizeof(text), fmt, name);
	drip_findings_add(b->g->findings, severity, &place, code, hint, "%s", text);
}

/* ---- one role ---- */

static bool grant_names_table(const struct drip_policy_grant *grant,
			      const struct drip_catalog_table *table)
{
	for (size_t i = 0; i < grant->tables_count; i++) {
		if (drip_pattern_match(grant->tables[i], table->name)) {
			return true;
		}
	}
	return false;
}

static bool names_any(const struct drip_catalog *catalog, const char *pattern)
{
	bool found = false;

	for (size_t i = 0; i < catalog->tables_count && !found; i++) {
		found = drip_pattern_match(pattern, catalog->tables[i].name);
	}
	return found;
}

static void check_grant(struct build *b, const struct drip_policy_grant *grant, size_t index)
{
	const struct drip_catalog *catalog = &b->g->document->catalog;
	char path[64];

	if (grant->clearance == DRIP_CLASS_RESTRICTED) {
		snprintf(path, sizeof(path), "grants[%zu].clearance", index);
		report(b, DRIP_SEVERITY_ERROR, path, "policy.open_restricted",
		       "Write `masked: restricted`, and name the people in `named`.",
		       "a role cannot be cleared for restricted columns%s", "");
	}
	if (grant->masked >= 0 && grant->masked < grant->clearance) {
		snprintf(path, sizeof(path), "grants[%zu].masked", index);
		report(b, DRIP_SEVERITY_ERROR, path, "policy.mask_below_clearance",
		       "Columns up to the clearance are shown as they are.",
		       "masked is lower than the clearance%s", "");
	}
	for (size_t i = 0; catalog->tables_count > 0 && i < grant->tables_count; i++) {
		if (!names_any(catalog, grant->tables[i])) {
			snprintf(path, sizeof(path), "grants[%zu].tables[%zu]", index, i);
			report(b, DRIP_SEVERITY_WARNING, path, "policy.unmatched_grant",
			       "Declare the table under `tables:`, or correct the pattern.",
			       "no declared table is named by %s", grant->tables[i]);
		}
	}
}

static void check_routes(struct build *b, const struct drip_policy_role *role)
{
	for (size_t i = 0; i < role->routes_count; i++) {
		struct drip_suggestion s = {.wrong = role->routes[i]};
		char path[64], hint[160];
		bool known = false;

		for (size_t k = 0; k < DRIP_COUNT(route_names); k++) {
			known = known || strcmp(route_names[k], role->routes[i]) == 0;
			drip_suggestion_offer(&s, route_names[k]);
		}
		if (!known) {
			snprintf(path, sizeof(path), "routes[%zu]", i);
			report(b, DRIP_SEVERITY_ERROR, path, "policy.unknown_route",
			       drip_suggestion_hint(&s, "There are query, dashboard, churn, fraud.",
						    hint, sizeof(hint)),
			       "there is no route \"%.60s\"", role->routes[i]);
		}
	}
}

static int build_grants(struct build *b, const struct graph_role_config *config,
			struct drip_policy_role *role)
{
	size_t count = config->grants.count;
	struct drip_policy_grant *grants =
		drip_arena_array(&b->g->arena, count + 1, sizeof(*grants));

	if (grants == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		const struct graph_grant_config *c =
			(const struct graph_grant_config *)config->grants.items + i;

		grants[i] = (struct drip_policy_grant){
			.tables = c->tables.items,
			.tables_count = c->tables.count,
			.clearance = c->clearance.value,
			.masked = c->masked.value,
			.filter = c->filter,
		};
		check_grant(b, &grants[i], i);
	}
	role->grants = grants;
	role->grants_count = count;
	return 0;
}

static bool check_name(struct build *b, const struct drip_node *key)
{
	const char *name = key->text;
	bool good = name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= ROLE_NAME_MAX;

	for (const char *c = name; good && *c != '\0'; c++) {
		good = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_';
	}
	if (good && strstr(name, "__") == NULL) {
		return true;
	}
	drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &key->place, "policy.bad_name",
			  "Write lower case letters, digits and single _, 40 at most.",
			  "\"%.60s\" cannot be the name of a role", name);
	return false;
}

static int add_role(struct build *b, const struct drip_node_pair *pair)
{
	struct graph_table options = graph_role_table();
	struct graph_role_config config = {0};
	struct drip_binder binder = {
		.arena = &b->g->arena, .findings = b->g->findings, .what = "roles", .prefix = ""};
	struct drip_policy_role *role = &b->roles[b->count];
	size_t errors = b->g->findings->errors;
	int rc;

	if (drip_node_is_extension(pair->key) || !check_name(b, pair->key)) {
		return 0;
	}
	for (size_t i = 0; i < b->count; i++) {
		if (strcmp(b->roles[i].name, pair->key->text) == 0) {
			const struct drip_place *first = &b->roles[i].place;

			drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &pair->key->place,
					  "policy.duplicate_role", "Keep one of them.",
					  "role %s is declared twice; the first stands at %s:%d:%d",
					  pair->key->text, first->file, first->line, first->column);
			return 0;
		}
	}
	b->node = pair->value;
	if (pair->value->kind != DRIP_NODE_MAP) {
		drip_findings_add(b->g->findings, DRIP_SEVERITY_ERROR, &pair->value->place,
				  "config.wrong_type", "Write its `grants:`.",
				  "a role must be a map, not %s", drip_node_describe(pair->value));
		return 0;
	}
	rc = drip_bind_map(&binder, pair->value, options.options, options.count, &config);
	if (rc < 0 || b->g->findings->errors > errors) {
		return rc;
	}
	*role = (struct drip_policy_role){
		.name = pair->key->text,
		.description = config.description != NULL ? config.description : "",
		.named = config.named.items,
		.named_count = config.named.count,
		.routes = config.routes.items,
		.routes_count = config.routes.count,
		.place = pair->key->place,
	};
	check_routes(b, role);
	rc = build_grants(b, &config, role);
	b->count += rc == 0;
	return rc;
}

int graph_build_policy(struct graph *g)
{
	size_t room = graph_count_section(g, "roles", "Write NAME: {grants: [...]}.");
	struct build b = {.g = g};
	int rc = 0;

	if (room > DRIP_POLICY_ROLES_MAX) {
		drip_findings_add(g->findings, DRIP_SEVERITY_ERROR, NULL, "config.too_large", NULL,
				  "more than %d roles are declared", DRIP_POLICY_ROLES_MAX);
		return 0;
	}
	b.roles = drip_arena_array(&g->arena, room + 1, sizeof(*b.roles));
	if (b.roles == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < g->files_count; i++) {
		const struct drip_node *node = drip_node_get(g->files[i]->root, "roles");

		for (size_t j = 0;
		     node != NULL && node->kind == DRIP_NODE_MAP && j < node->count && rc == 0;
		     j++) {
			rc = add_role(&b, &node->pairs[j]);
		}
	}
	g->document->policy.roles = b.roles;
	g->document->policy.roles_count = b.count;
	return rc;
}

/* ---- what follows ---- */

const struct drip_policy_role *drip_policy_role(const struct drip_policy *policy, const char *name)
{
	for (size_t i = 0; i < policy->roles_count; i++) {
		if (strcmp(policy->roles[i].name, name) == 0) {
			return &policy->roles[i];
		}
	}
	return NULL;
}

const struct drip_policy_grant *drip_policy_grant(const struct drip_policy_role *role,
						  const struct drip_catalog_table *table)
{
	for (size_t i = 0; i < role->grants_count; i++) {
		if (grant_names_table(&role->grants[i], table)) {
			return &role->grants[i];
		}
	}
	return NULL;
}

enum drip_policy_shown drip_policy_column(const struct drip_policy_grant *grant,
					  const struct drip_catalog_table *table, uint32_t column,
					  bool named)
{
	int class = (int)drip_schema_column(table->schema, column)->classification;

	if (class <= grant->clearance && class < DRIP_CLASS_RESTRICTED) {
		return DRIP_POLICY_SHOWN;
	}
	if (class > grant->masked) {
		return DRIP_POLICY_HIDDEN;
	}
	return named ? DRIP_POLICY_SHOWN : DRIP_POLICY_MASKED;
}

/* Masks of text by kind; each % stands for the value. Where less than half would be hidden, all
 * is. */
static const struct {
	const char *pii, *sql;
} text_masks[] = {
	{"phone", "CASE WHEN LENGTH(%) > 7 THEN '***' || RIGHT(%, 4) ELSE '***' END"},
	{"payment", "CASE WHEN LENGTH(%) > 7 THEN '****' || RIGHT(%, 4) ELSE '****' END"},
	{"email", "CASE WHEN POSITION('@' IN %) > 1 THEN LEFT(%, 1) || '***@' || "
		  "SPLIT_PART(%, '@', 2) ELSE '***' END"},
	{"name", "LEFT(%, 1) || '***'"},
	{NULL, "'***'"},
};

static void put_template(struct drip_text *t, const char *sql, const char *value)
{
	for (; *sql != '\0'; sql++) {
		if (*sql == '%') {
			drip_text_puts(t, value);
		} else {
			drip_text_put(t, sql, 1);
		}
	}
}

void drip_policy_put_mask(struct drip_text *t, const struct drip_catalog_table *table,
			  uint32_t column, const char *value)
{
	enum drip_type type = drip_schema_column(table->schema, column)->type;
	const char *pii = table->columns[column].pii != NULL ? table->columns[column].pii : "";
	size_t i = 0;

	if (type == DRIP_TYPE_UTF8) {
		while (text_masks[i].pii != NULL && strcmp(text_masks[i].pii, pii) != 0) {
			i++;
		}
		put_template(t, "CASE WHEN % IS NULL THEN NULL ELSE ", value);
		put_template(t, text_masks[i].sql, value);
		drip_text_puts(t, " END");
	} else if (strcmp(pii, "birthdate") == 0 &&
		   (type == DRIP_TYPE_DATE || type == DRIP_TYPE_TIMESTAMP)) {
		put_template(t,
			     type == DRIP_TYPE_DATE ? "CAST(DATE_TRUNC('year', %) AS DATE)"
						    : "CAST(DATE_TRUNC('year', %) AS TIMESTAMP)",
			     value);
	} else {
		put_template(t, "NULLIF(%, %)", value); /* a null of the same type */
	}
}

bool drip_policy_put_columns(struct drip_text *t, const struct drip_policy_grant *grant,
			     const struct drip_catalog_table *table, bool named)
{
	bool first = true;

	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		enum drip_policy_shown shown = drip_policy_column(grant, table, i, named);
		char name[DRIP_NAME_MAX + 3];

		if (shown == DRIP_POLICY_HIDDEN) {
			continue;
		}
		snprintf(name, sizeof(name), "\"%s\"", drip_schema_column(table->schema, i)->name);
		drip_text_puts(t, first ? "" : ", ");
		first = false;
		if (shown == DRIP_POLICY_SHOWN) {
			drip_text_puts(t, name);
			continue;
		}
		drip_policy_put_mask(t, table, i, name);
		drip_text_puts(t, " AS ");
		drip_text_puts(t, name);
	}
	return !first;
}
