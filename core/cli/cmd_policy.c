/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `dripline policy`: what follows from the roles and the catalog, as SQL or as a table. For
 * Redshift the DDL of dynamic data masking and row-level security, after its reference of CREATE
 * MASKING POLICY, ATTACH MASKING POLICY, GRANT and CREATE RLS POLICY.
 */
#include "cli/args.h"
#include "cli/commands.h"
#include "cli/load.h"
#include <dripline/text.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

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

/* Writes the masking policy that fits a column, once each, and gives its name. */
static void masking_policy(struct output *o, const struct drip_catalog_table *table,
			   uint32_t column, bool shows, char *name, size_t size)
{
	const char *pii = table->columns[column].pii;
	char type[64], of_type[64], line[200];

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
	snprintf(line, sizeof(line), "\n%s\n", name);
	drip_text_put(&o->made, "", 1);
	o->made.size--;
	if (o->made.data != NULL && strstr(o->made.data, line) != NULL) {
		return;
	}
	drip_text_puts(&o->made, line);
	put(o, "CREATE MASKING POLICY IF NOT EXISTS %s WITH (value %s) USING (CAST(", name, type);
	if (shows) {
		put(o, "value");
	} else {
		drip_policy_put_mask(&o->text, table, column, "value");
	}
	put(o, " AS %s));\n", type);
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
			char person[300];

			drip_sql_quote(o->dialect, o->role->named[k], person, sizeof(person));
			masking_policy(o, table, i, true, name, sizeof(name));
			put(o, "ATTACH MASKING POLICY %s ON %s (\"%s\") TO %s PRIORITY 100;\n",
			    name, table->name, column, person);
		}
	}
}

/* Row-level security, once on for a table, hides it from every role that has no policy. */
static void put_redshift_rows(struct output *o, const struct drip_policy_grant *grant,
			      const struct drip_catalog_table *table)
{
	bool filtered = false;

	for (size_t i = 0; i < o->document->policy.roles_count; i++) {
		const struct drip_policy_grant *other =
			drip_policy_grant(&o->document->policy.roles[i], table);

		filtered = filtered || (other != NULL && other->filter != NULL);
	}
	if (!filtered) {
		return;
	}
	put(o, "CREATE RLS POLICY dripline_rows_%s_%s_%s USING (", o->role->name,
	    table->schema->database, table->schema->table);
	drip_text_puts(&o->text, grant->filter != NULL ? grant->filter : "1 = 1");
	put(o, ");\nATTACH RLS POLICY dripline_rows_%s_%s_%s ON %s TO ROLE %s;\n", o->role->name,
	    table->schema->database, table->schema->table, table->name, o->role->name);
	put(o, "ALTER TABLE %s ROW LEVEL SECURITY ON;\n", table->name);
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

static int print_policy(struct output *o, const char *verb, const char *only)
{
	const struct drip_policy *policy = &o->document->policy;
	bool compiles = strcmp(verb, "compile") == 0;

	if (only != NULL && drip_policy_role(policy, only) == NULL) {
		fprintf(stderr, "dripline: there is no role \"%s\" [policy.unknown_role]\n", only);
		return DRIP_EXIT_INVALID;
	}
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
	fwrite(o->text.data, 1, o->text.size, stdout);
	return o->text.rc == 0 ? DRIP_EXIT_OK : DRIP_EXIT_FAILED;
}

int drip_cmd_policy(int argc, char **argv)
{
	static const char *const names[] = {"duckdb", "redshift", NULL};
	struct drip_arg_list dirs = {.count = 0};
	struct drip_cli_load load = {.connect = false};
	struct output output = {.document = NULL, .database = "warehouse"};
	const char *dialect = "duckdb", *role = NULL;
	const struct drip_arg args[] = {
		{.name = "dialect", .text = &dialect, .choices = names},
		{.name = "database", .text = &output.database},
		{.name = "role", .text = &role},
		{.name = "plugin-dir", .list = &dirs},
		{.name = NULL},
	};
	const char *words[DRIP_ARG_LIST_MAX];
	size_t count = 0;
	int status = drip_args_parse(argc, argv, args, words, 2, DRIP_ARG_LIST_MAX, &count);

	if (status != DRIP_EXIT_OK) {
		return status;
	}
	if (strcmp(words[0], "compile") != 0 && strcmp(words[0], "show") != 0) {
		fprintf(stderr, "dripline: policy: there is no \"%s\"; write compile or show\n",
			words[0]);
		return DRIP_EXIT_INVALID;
	}
	load.plugin_dirs = dirs.items;
	load.plugin_dirs_count = dirs.count;
	load.paths = words + 1;
	load.paths_count = count - 1;
	status = drip_cli_load(&load);
	if (load.registry != NULL) {
		drip_findings_print_text(&load.findings, stderr);
	}
	if (status == DRIP_EXIT_OK) {
		output.document = load.document;
		output.dialect = drip_cli_dialect(dialect);
		status = print_policy(&output, words[0], role);
	}
	drip_text_finish(&output.text);
	drip_text_finish(&output.made);
	drip_cli_load_finish(&load);
	return status;
}
