/* SPDX-License-Identifier: Apache-2.0 */
/* Feed `PLUGIN-NAME`: promises the columns of the orders of a shop, by whatever names its tables
 * go. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdlib.h>

struct PLUGIN_ID_config {
	const char *match;
	const char *table;
	bool strict;
};

static const struct drip_option options[] = {
	DRIP_OPTION(struct PLUGIN_ID_config, match,
		    .help = "Tables that it is for: database.table, with * and ?.",
		    .default_text = "*.orders*"),
	DRIP_OPTION(struct PLUGIN_ID_config, table, .help = "Name of the table behind the feed.",
		    .default_text = "orders"),
	DRIP_OPTION(struct PLUGIN_ID_config, strict,
		    .help = "Columns that the contract does not name are an error.",
		    .default_text = "false"),
};

/* What is promised of each row; columns that are not here are left out. */
static const struct drip_column columns[] = {
	{.struct_size = sizeof(struct drip_column),
	 .type = DRIP_TYPE_INT64,
	 .name = "id",
	 .flags = DRIP_COLUMN_KEY},
};

static int PLUGIN_ID_open(struct drip_ctx *ctx, const void *config, void **ret_self,
			  struct drip_error *err)
{
	*ret_self = malloc(1);
	return *ret_self != NULL ? 0 : drip_error_nomem(err, 1);
}

static void PLUGIN_ID_close(void *self)
{
	free(self);
}

struct promise {
	struct drip_contract contract; /* first: the promise is freed through it */
	struct drip_contract_table table;
};

static void release_promise(const struct drip_contract *contract)
{
	struct promise *p = (struct promise *)(uintptr_t)contract;

	drip_schema_unref(p->table.schema);
	free(p);
}

static int make_schema(const struct PLUGIN_ID_config *config, struct drip_schema **ret,
		       struct drip_error *err)
{
	struct drip_schema_builder b;

	drip_schema_builder_init(&b, "", config->table);
	for (size_t i = 0; i < DRIP_COUNT(columns); i++) {
		drip_schema_builder_add(&b, &columns[i]);
	}
	return drip_schema_builder_build(&b, ret, err);
}

/* Pure: may be called without open, many times. */
static int PLUGIN_ID_contract(struct drip_ctx *ctx, const void *config,
			      const struct drip_contract **ret, struct drip_error *err)
{
	const struct PLUGIN_ID_config *c = config;
	struct promise *p = calloc(1, sizeof(*p));
	struct drip_schema *schema;
	int rc;

	if (p == NULL) {
		return drip_error_nomem(err, sizeof(*p));
	}
	rc = make_schema(c, &schema, err);
	if (rc < 0) {
		free(p);
		return rc;
	}
	p->table.struct_size = sizeof(p->table);
	p->table.match = c->match;
	p->table.schema = schema;
	p->table.strict = c->strict;
	p->contract.struct_size = sizeof(p->contract);
	p->contract.tables = &p->table;
	p->contract.tables_count = 1;
	p->contract.release = release_promise;
	*ret = &p->contract;
	return 0;
}

static const struct drip_feed_ops ops = {
	.struct_size = sizeof(ops),
	.open = PLUGIN_ID_open,
	.close = PLUGIN_ID_close,
	.contract = PLUGIN_ID_contract,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_FEED,
	.name = "PLUGIN-NAME",
	.summary = "Promises the orders of a shop",
	.schema_notes = "Leaves the columns of the contract, in its order, in one table.",
	.guarantees = "A table that breaks the contract is not read.",
	.since = "0.1.0",
	.stability = DRIP_EXPERIMENTAL,
	.config_size = sizeof(struct PLUGIN_ID_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.ops = &ops,
};

DRIP_PLUGIN("PLUGIN-NAME", "0.1.0", "Feed PLUGIN-NAME", &component);
