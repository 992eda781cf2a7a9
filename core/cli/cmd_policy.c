/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline policy`: what follows from the roles and the catalog, as SQL or as a table, or as views
 * in a warehouse (policy_apply.c). For
 * Redshift the DDL of dynamic data masking and row-level security, after its reference of CREATE
 * MASKING POLICY, ATTACH MASKING POLICY, GRANT and CREATE RLS POLICY.
 */
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/load.h"
#include "cli/policy_apply.h"
#include <dripline/text.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct output {
	const struct drip_document *document;
	const struct drip_sql_dialect *dialect;
	struct drip_text text, made; /* made: names of masking policies, each between line feeds */
	const struct drip_policy_role *role;
	const char *database; /* DuckDB: name of the warehouse's catalog */
};

static void put(struct output *o, const char *fmt, ...) DRIP_PRINTF(2, 3);

static void put(struct output *o, const char *fmt, ...)
{
	char line[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	drip_text_puts(&o->text, line);
}

/* ---- DuckDB ---- */

static void put_duckdb_view(struct output *o, const char *catalog,
			    const struct drip_policy_grant *grant,
			    const struct drip_catalog_table *table, bool named)
{
	struct drip_text columns = {0};

	if (drip_policy_put_columns(&columns, grant, table, named)) {
		put(o,
		    "CREATE SCHEMA IF NOT EXISTS %s.%s;\nCREATE OR REPLACE VIEW %s.%s AS SELECT ",
		    catalog, table->schema->database, catalog, table->name);
		drip_text_put(&o->text, columns.data, columns.size);
		put(o, "\n  FROM %s.%s", o->database, table->name);
		if (grant->filter != NULL) {
			put(o, " WHERE ");
			drip_text_puts(&o->text, grant->filter);
		}
		put(o, ";\n");
	}
	drip_text_finish(&columns);
}

static void put_duckdb_role(struct output *o, bool named)
{
	char catalog[80];

	snprintf(catalog, sizeof(catalog), "drip_role_%s%s", o->role->name, named ? "__named" : "");
	put(o, "-- role %s%s: %s\nATTACH ':memory:' AS %s;\n", o->role->name,
	    named ? ", named people" : "", o->role->description, catalog);
	for (size_t i = 0; i < o->document->catalog.tables_count; i++) {
		const struct drip_catalog_table *table = &o->document->catalog.tables[i];
		const struct drip_policy_grant *grant = drip_policy_grant(o->role, table);

		if (grant != NULL) {
			put_duckdb_view(o, catalog, grant, table, named);
		}
	}
	put(o, "\n");
}

/* ---- Redshift ---- */

/* A name made of a type: "decimal_12_2". */
static void slug(const char *type, char *buf, size_t size)
{
	size_t n = 0;

	for (; *type != '\0' && n + 1 < size; type++) {
		bool letter = (*type >= 'A' && *type <= 'Z') || (*type >= '0' && *type <= '9');

		if (letter) {
			buf[n++] = *type >= 'A' && *type <= 'Z' ? (char)(*type - 'A' + 'a') : *type;
		} else if (n > 0 && buf[n - 1] != '_') {
			buf[n++] = '_';
		}
	}
	while (n > 0 && buf[n - 1] == '_') {
		n--;
	}
	buf[n] = '\0';
}

/* False for what was made before. */
static bool is_first(struct output *o, const char *what)
{
	char line[800];

	snprintf(line, sizeof(line), "\n%s\n", what);
	drip_text_put(&o->made, "", 1);
	o->made.size -= o->made.size > 0;
	if (o->made.data != NULL && strstr(o->made.data, line) != NULL) {
		return false;
	}
	drip_text_puts(&o->made, line);
	return true;
}

/* Writes the masking policy that fits a column, once each, and gives its name. */
static void masking_policy(struct output *o, const struct drip_catalog_table *table,
			   uint32_t column, bool shows, char *name, size_t size)
{
	const char *pii = table->columns[column].pii;
	char type[64], of_type[64];

	if (o->dialect->type_name(drip_schema_column(table->schema, column), type, sizeof(type)) <
	    0) {
		snprintf(type, sizeof(type), "VARCHAR(65535)");
	}
	slug(type, of_type, sizeof(of_type));
	snprintf(name, size, "dripline_%s_%s",
		 shows         ? "show"
		 : pii != NULL ? pii
			       : "mask",
		 of_type);
	if (!is_first(o, name)) {
		return;
	}
	put(o, "CREATE MASKING POLICY IF NOT EXISTS %s WITH (value %s) USING (CAST(", name, type);
	if (shows) {
		put(o, "value");
	} else {
		drip_policy_put_mask(&o->text, table, column, "value");
	}
	put(o, " AS %s));\n", type);
}

/* Who is named in two roles is shown a column once. */
static void put_shown_to(struct output *o, const struct drip_catalog_table *table, uint32_t i,
			 const char *name)
{
	const char *column = drip_schema_column(table->schema, i)->name;
	char person[300], line[700], policy[160];

	drip_sql_quote(o->dialect, name, person, sizeof(person));
	snprintf(line, sizeof(line), "%s.%s %s", table->name, column, person);
	if (is_first(o, line)) {
		masking_policy(o, table, i, true, policy, sizeof(policy));
		put(o, "ATTACH MASKING POLICY %s ON %s (\"%s\") TO %s PRIORITY 100;\n", policy,
		    table->name, column, person);
	}
}

static void put_redshift_masks(struct output *o, const struct drip_policy_grant *grant,
			       const struct drip_catalog_table *table)
{
	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		const char *column = drip_schema_column(table->schema, i)->name;
		char name[160];

		if (drip_policy_column(grant, table, i, false) != DRIP_POLICY_MASKED) {
			continue;
		}
		masking_policy(o, table, i, false, name, sizeof(name));
		put(o, "ATTACH MASKING POLICY %s ON %s (\"%s\") TO ROLE %s PRIORITY 10;\n", name,
		    table->name, column, o->role->name);
		for (size_t k = 0; k < o->role->named_count; k++) {
			put_shown_to(o, table, i, o->role->named[k]);
		}
	}
}

/* Whether any role sees only some rows of a table. */
static bool is_filtered(const struct output *o, const struct drip_catalog_table *table)
{
	for (size_t i = 0; i < o->document->policy.roles_count; i++) {
		const struct drip_policy_grant *grant =
			drip_policy_grant(&o->document->policy.roles[i], table);

		if (grant != NULL && grant->filter != NULL) {
			return true;
		}
	}
	return false;
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (c & 0x80) != 0;
}

/* Whether a condition names a column, outside of its 'texts'. */
static bool names_column(const char *condition, const char *column)
{
	size_t size = strlen(column);
	bool text = false, inside = false;

	for (const char *c = condition; *c != '\0'; c++) {
		text = text != (*c == '\'');
		if (!text && !inside && strncasecmp(c, column, size) == 0 && !is_word(c[size])) {
			return true;
		}
		inside = is_word(*c);
	}
	return false;
}

/* The columns that a policy reads have to stand before it, with their types. */
static void put_read_columns(struct output *o, const struct drip_catalog_table *table,
			     const char *filter)
{
	bool any = false;

	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		const struct drip_column *c = drip_schema_column(table->schema, i);
		char type[64];

		if (!names_column(filter, c->name)) {
			continue;
		}
		if (o->dialect->type_name(c, type, sizeof(type)) < 0) {
			snprintf(type, sizeof(type), "VARCHAR(65535)");
		}
		put(o, "%s\"%s\" %s", any ? ", " : "WITH (", c->name, type);
		any = true;
	}
	put(o, any ? ") " : "");
}

/* Row-level security, once on for a table, hides it from every role that has no policy. */
static void put_redshift_rows(struct output *o, const struct drip_policy_grant *grant,
			      const struct drip_catalog_table *table)
{
	const char *filter = grant->filter != NULL ? grant->filter : "1 = 1";

	if (!is_filtered(o, table)) {
		return;
	}
	put(o, "CREATE RLS POLICY dripline_rows_%s_%s_%s ", o->role->name, table->schema->database,
	    table->schema->table);
	put_read_columns(o, table, filter);
	put(o, "USING (");
	drip_text_puts(&o->text, filter);
	put(o, ");\nATTACH RLS POLICY dripline_rows_%s_%s_%s ON %s TO ROLE %s;\n", o->role->name,
	    table->schema->database, table->schema->table, table->name, o->role->name);
}

/* Last of all, when every role has its policy. */
static void put_redshift_switches(struct output *o)
{
	for (size_t i = 0; i < o->document->catalog.tables_count; i++) {
		if (is_filtered(o, &o->document->catalog.tables[i])) {
			put(o, "ALTER TABLE %s ROW LEVEL SECURITY ON;\n",
			    o->document->catalog.tables[i].name);
		}
	}
}

static void put_redshift_table(struct output *o, const struct drip_policy_grant *grant,
			       const struct drip_catalog_table *table)
{
	bool any = false;

	for (uint32_t i = 0; i < table->schema->columns_count; i++) {
		if (drip_policy_column(grant, table, i, false) != DRIP_POLICY_HIDDEN) {
			put(o, "%s\"%s\"", any ? ", " : "GRANT SELECT (",
			    drip_schema_column(table->schema, i)->name);
			any = true;
		}
	}
	if (any) {
		put(o, ") ON %s TO ROLE %s;\n", table->name, o->role->name);
		put_redshift_masks(o, grant, table);
		put_redshift_rows(o, grant, table);
	}
}

static void put_redshift_role(struct output *o)
{
	const char *last = "";

	put(o, "-- role %s: %s\nCREATE ROLE %s;\n", o->role->name, o->role->description,
	    o->role->name);
	for (size_t k = 0; k < o->role->named_count; k++) {
		char person[300];

		drip_sql_quote(o->dialect, o->role->named[k], person, sizeof(person));
		put(o, "GRANT ROLE %s TO %s;\n", o->role->name, person);
	}
	for (size_t i = 0; i < o->document->catalog.tables_count; i++) {
		const struct drip_catalog_table *table = &o->document->catalog.tables[i];
		const struct drip_policy_grant *grant = drip_policy_grant(o->role, table);

		if (grant == NULL) {
			continue;
		}
		if (strcmp(last, table->schema->database) != 0) {
			last = table->schema->database;
			put(o, "GRANT USAGE ON SCHEMA %s TO ROLE %s;\n", last, o->role->name);
		}
		put_redshift_table(o, grant, table);
	}
	put(o, "\n");
}

/* ---- show ---- */

static void put_shown(struct output *o)
{
	put(o, "%s: %s\n", o->role->name, o->role->description);
	for (size_t i = 0; i < o->document->catalog.tables_count; i++) {
		const struct drip_catalog_table *table = &o->document->catalog.tables[i];
		const struct drip_policy_grant *grant = drip_policy_grant(o->role, table);
		bool first = true;

		for (uint32_t c = 0; grant != NULL && c < table->schema->columns_count; c++) {
			enum drip_policy_shown shown = drip_policy_column(grant, table, c, false);

			if (shown == DRIP_POLICY_HIDDEN) {
				continue;
			}
			if (first) {
				put(o, "  %s%s: ", table->name,
				    grant->filter != NULL ? " (rows filtered)" : "");
			}
			put(o, "%s%s%s", first ? "" : ", ",
			    drip_schema_column(table->schema, c)->name,
			    shown == DRIP_POLICY_MASKED ? "*" : "");
			first = false;
		}
		put(o, "%s", first ? "" : "\n");
	}
}

static int check_role(const struct drip_policy *policy, const char *only)
{
	if (only != NULL && drip_policy_role(policy, only) == NULL) {
		fprintf(stderr, "dripline: there is no role \"%s\" [policy.unknown_role]\n", only);
		return DRIP_EXIT_INVALID;
	}
	return DRIP_EXIT_OK;
}

static int print_policy(struct output *o, const char *verb, const char *only)
{
	const struct drip_policy *policy = &o->document->policy;
	bool compiles = strcmp(verb, "compile") == 0;

	for (size_t i = 0; i < policy->roles_count; i++) {
		o->role = &policy->roles[i];
		if (only != NULL && strcmp(only, o->role->name) != 0) {
			continue;
		}
		if (!compiles) {
			put_shown(o);
		} else if (strcmp(o->dialect->name, "redshift") == 0) {
			put_redshift_role(o);
		} else {
			put_duckdb_role(o, false);
			if (o->role->named_count > 0) {
				put_duckdb_role(o, true);
			}
		}
	}
	if (compiles && strcmp(o->dialect->name, "redshift") == 0) {
		put_redshift_switches(o);
	}
	fwrite(o->text.data, 1, o->text.size, stdout);
	return o->text.rc == 0 ? DRIP_EXIT_OK : DRIP_EXIT_FAILED;
}

/* plan, check and apply. */
static int apply_policy(const struct drip_document *document, const char *verb,
			const char *connection, const char *role, const char *state)
{
	struct drip_policy_apply a = {
		.document = document,
		.connection = connection,
		.role = role,
		.state_dir = state != NULL ? state : document->settings.state_dir,
		.looks = strcmp(verb, "apply") != 0,
	};
	struct drip_error err = DRIP_ERROR_INIT;
	size_t changes = 0;
	int rc = drip_policy_apply(&a, &changes, &err);

	if (rc < 0) {
		fprintf(stderr, "dripline: %s [%s]\n", err.message, err.code);
		if (err.hint[0] != '\0') {
			fprintf(stderr, "  hint: %s\n", err.hint);
		}
		return err.retryable                                      ? DRIP_EXIT_ENVIRONMENT
		       : rc == -EINVAL || rc == -ENOENT || rc == -ENOTSUP ? DRIP_EXIT_INVALID
									  : DRIP_EXIT_FAILED;
	}
	return strcmp(verb, "check") == 0 && changes > 0 ? DRIP_EXIT_FAILED : DRIP_EXIT_OK;
}

static bool is_printed(const char *verb)
{
	return strcmp(verb, "compile") == 0 || strcmp(verb, "show") == 0;
}

static int check_verb(const char *verb, const char *connection)
{
	static const char *const verbs[] = {"compile", "show", "plan", "check", "apply"};
	bool known = false;

	for (size_t i = 0; i < DRIP_COUNT(verbs); i++) {
		known = known || strcmp(verb, verbs[i]) == 0;
	}
	if (!known) {
		fprintf(stderr,
			"dripline: policy: there is no \"%s\"; write show, compile, plan, check or "
			"apply\n",
			verb);
	} else if (is_printed(verb) == (connection != NULL)) {
		fprintf(stderr, "dripline: policy: %s %s --connection NAME\n", verb,
			connection != NULL ? "does not take" : "needs");
		known = false;
	}
	return known ? DRIP_EXIT_OK : DRIP_EXIT_INVALID;
}

int drip_cmd_policy(int argc, char **argv)
{
	static const char *const names[] = {"duckdb", "redshift", NULL};
	struct drip_cli_load load = {.connect = false};
	struct output output = {.document = NULL, .database = "warehouse"};
	const char *dialect = "duckdb", *role = NULL, *connection = NULL, *state = NULL;
	const struct drip_arg args[] = {
		{.name = "connection", .text = &connection},
		{.name = "state", .text = &state},
		{.name = "dialect", .text = &dialect, .choices = names},
		{.name = "database", .text = &output.database},
		{.name = "role", .text = &role},
		{.name = "plugin-dir", .list = &load.plugin_dirs},
		{.name = NULL},
	};
	int status = drip_cli_load_args(&load, argc, argv, args, 1);
	const char *verb = load.words[0];

	status = status == DRIP_EXIT_OK ? check_verb(verb, connection) : status;
	if (status != DRIP_EXIT_OK) {
		return status;
	}
	status = drip_cli_load(&load);
	if (load.registry != NULL) {
		drip_findings_print_text(&load.findings, stderr);
	}
	if (status == DRIP_EXIT_OK) {
		status = check_role(&load.document->policy, role);
	}
	if (status == DRIP_EXIT_OK && is_printed(verb)) {
		output.document = load.document;
		output.dialect = drip_cli_dialect(dialect);
		status = print_policy(&output, verb, role);
	} else if (status == DRIP_EXIT_OK) {
		status = apply_policy(load.document, verb, connection, role, state);
	}
	drip_text_finish(&output.text);
	drip_text_finish(&output.made);
	drip_cli_load_finish(&load);
	return status;
}
