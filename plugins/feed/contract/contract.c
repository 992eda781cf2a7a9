/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `contract`: what YAML promises of a source's tables. Each call makes a contract of its own
 * from the options, so any thread may ask. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct column_config {
	const char *name, *type;
	bool key, nullable;
	struct drip_enum class;
};

struct table_config {
	const char *match, *as;
	bool strict;
	struct drip_objects columns; /* struct column_config */
};

struct contract_config {
	struct drip_objects tables; /* struct table_config */
};

static const struct drip_enum_value classes[] = {
	{.name = "public", .value = DRIP_CLASS_PUBLIC, .help = "Anyone may see it."},
	{.name = "internal", .value = DRIP_CLASS_INTERNAL, .help = "For staff."},
	{.name = "confidential", .value = DRIP_CLASS_CONFIDENTIAL, .help = "For few."},
	{.name = "restricted", .value = DRIP_CLASS_RESTRICTED, .help = "For almost nobody."},
	{.name = NULL},
};

static const struct drip_option column_options[] = {
	DRIP_OPTION(struct column_config, name, .help = "Name of the column.",
		    .flags = DRIP_OPTION_REQUIRED),
	DRIP_OPTION(struct column_config, type,
		    .help = "Its type, as `dripline plan` prints it. The source must yield it.",
		    .flags = DRIP_OPTION_REQUIRED, .example = "decimal(12,2)"),
	DRIP_OPTION(struct column_config, key,
		    .help = "Part of the key. Without any, the key is that of the source.",
		    .default_text = "false"),
	DRIP_OPTION(struct column_config, nullable,
		    .help = "Whether the source may declare it nullable.", .default_text = "true"),
	DRIP_OPTION(struct column_config, class,
		    .help = "Who may see it; the mark follows the column through every stage.",
		    .default_text = "internal", .values = classes),
};

static const struct drip_option table_options[] = {
	DRIP_OPTION(struct table_config, match,
		    .help = "Tables that it is for: `table` or `database.table`, with * and ?. The "
			    "first that matches counts.",
		    .flags = DRIP_OPTION_REQUIRED, .example = "shop.t_order_m_*"),
	DRIP_OPTION(struct table_config, as,
		    .help = "Name of the table behind the feed, so that shards become one. "
			    "Without it, each keeps its own.",
		    .example = "orders"),
	DRIP_OPTION(struct table_config, strict,
		    .help = "A column of the source that is not listed is an error; otherwise it "
			    "is left out.",
		    .default_text = "false"),
	DRIP_OPTION(struct table_config, columns, .help = "The columns, in order.",
		    .flags = DRIP_OPTION_REQUIRED, .children = column_options,
		    .children_count = DRIP_COUNT(column_options),
		    .child_size = sizeof(struct column_config)),
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct contract_config, tables, .help = "What is promised, table by table.",
		    .flags = DRIP_OPTION_REQUIRED, .children = table_options,
		    .children_count = DRIP_COUNT(table_options),
		    .child_size = sizeof(struct table_config)),
};

static const struct table_config *table_at(const struct contract_config *c, size_t index)
{
	return (const struct table_config *)c->tables.items + index;
}

static const struct column_config *column_at(const struct table_config *table, size_t index)
{
	return (const struct column_config *)table->columns.items + index;
}

static int parse_column(const struct column_config *config, struct drip_column *ret,
			struct drip_error *err)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->struct_size = sizeof(*ret);
	rc = drip_type_parse(config->type, ret, err);
	if (rc < 0) {
		return rc;
	}
	ret->name = config->name;
	ret->flags =
		(config->key ? DRIP_COLUMN_KEY : 0) | (config->nullable ? DRIP_COLUMN_NULLABLE : 0);
	ret->classification = (enum drip_class)config->class.value;
	return 0;
}

/* ---- check ---- */

static void check_column(const struct table_config *table, size_t t, size_t c,
			 struct drip_report *report)
{
	const struct column_config *config = column_at(table, c);
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_column column;

	if (parse_column(config, &column, &err) < 0) {
		drip_error_option(&err, "tables[%zu].columns[%zu].type", t, c);
		report->add(report, DRIP_LOG_ERROR, &err);
	}
	for (size_t i = 0; i < c; i++) {
		if (strcmp(column_at(table, i)->name, config->name) == 0) {
			drip_error_set(&err, -EINVAL, "contract.duplicate_column",
				       "column \"%s\" is promised twice", config->name);
			drip_error_hint(&err, "Remove one of them.");
			drip_error_option(&err, "tables[%zu].columns[%zu].name", t, c);
			report->add(report, DRIP_LOG_ERROR, &err);
			return;
		}
	}
}

static int contract_check(struct drip_ctx *ctx, const void *config, bool connect,
			  struct drip_report *report, struct drip_error *err)
{
	const struct contract_config *c = config;
	struct drip_error finding = DRIP_ERROR_INIT;

	for (size_t t = 0; t < c->tables.count; t++) {
		const struct table_config *table = table_at(c, t);

		if (table->columns.count == 0 || table->columns.count > DRIP_COLUMNS_MAX) {
			drip_error_set(&finding, -EINVAL, "contract.bad_columns",
				       "a contract promises 1 to %d columns", DRIP_COLUMNS_MAX);
			drip_error_option(&finding, "tables[%zu].columns", t);
			report->add(report, DRIP_LOG_ERROR, &finding);
			continue;
		}
		for (size_t i = 0; i < table->columns.count; i++) {
			check_column(table, t, i, report);
		}
	}
	return 0;
}

/* ---- the contract ---- */

static void release(const struct drip_contract *contract)
{
	struct drip_contract *own = contract->private_data;

	for (size_t i = 0; i < own->tables_count; i++) {
		drip_schema_unref(own->tables[i].schema);
	}
	free(own);
}

static int build_schema(const struct table_config *table, struct drip_schema **ret,
			struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", table->as != NULL ? table->as : "");
	for (size_t i = 0; i < table->columns.count; i++) {
		struct drip_column column;
		int rc = parse_column(column_at(table, i), &column, err);

		if (rc < 0) {
			drip_schema_builder_finish(&b);
			return rc;
		}
		drip_schema_builder_add(&b, &column);
	}
	return drip_schema_builder_build(&b, ret, err);
}

static int contract_contract(struct drip_ctx *ctx, const void *config,
			     const struct drip_contract **ret, struct drip_error *err)
{
	const struct contract_config *c = config;
	size_t size =
		sizeof(struct drip_contract) + c->tables.count * sizeof(struct drip_contract_table);
	struct drip_contract *contract = calloc(1, size);
	struct drip_contract_table *tables;

	if (contract == NULL) {
		return drip_error_nomem(err, size);
	}
	tables = (struct drip_contract_table *)(contract + 1);
	*contract = (struct drip_contract){.struct_size = sizeof(*contract),
					   .tables = tables,
					   .release = release,
					   .private_data = contract};
	for (size_t i = 0; i < c->tables.count; i++) {
		const struct table_config *table = table_at(c, i);
		struct drip_schema *schema = NULL;
		int rc = build_schema(table, &schema, err);

		if (rc < 0) {
			release(contract);
			return rc;
		}
		tables[i] = (struct drip_contract_table){.struct_size = sizeof(tables[i]),
							 .match = table->match,
							 .schema = schema,
							 .strict = table->strict};
		contract->tables_count = i + 1;
	}
	*ret = contract;
	return 0;
}

static int contract_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			 struct drip_error *err)
{
	*ret_self = ctx; /* nothing to hold: all is in the options */
	return 0;
}

static void contract_close(void *self)
{
	(void)self;
}

static const struct drip_feed_ops ops = {
	.struct_size = sizeof(ops),
	.check = contract_check,
	.open = contract_open,
	.close = contract_close,
	.contract = contract_contract,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_FEED,
	.name = "contract",
	.summary = "Promises columns, types, keys and classes of a source's tables",
	.description = "Declares what a pipeline takes of each table, and as what. Columns that "
		       "the contract lists pass in its order; others are left out, or are an "
		       "error where it is strict. Shards of a table become one table by `as`.",
	.schema_notes = "Puts out the promised columns with their classes. A column that is "
			"missing, has another type, or is nullable where the contract says "
			"otherwise is an error, at validation where the source's tables are known, "
			"and when the table is first seen.",
	.guarantees = "Looks at schemas only, never at rows. Tables that no entry matches are left "
		      "out.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct contract_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("contract", DRIP_SDK_VERSION, "Feed that holds a declared contract", &component);
