/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin of these tests: components with options of every type and findings of every kind. It
 * reads and writes nothing. */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_nothing(struct drip_ctx *ctx, const void *config, void **ret_self,
			struct drip_error *err)
{
	*ret_self = ctx;
	return 0;
}

static void close_nothing(void *self)
{
}

/* ---- source rows: `shards` tables shop.t_order_m_N ---- */

struct rows_config {
	int64_t shards, limit, small;
	double ratio;
	bool flag, known;
	const char *text, *path;
	struct drip_enum mode;
	struct drip_duration every;
	struct drip_size room;
	struct drip_secret password;
	struct drip_strings names;
	struct drip_pairs labels;
	struct drip_objects parts;
};

struct part_config {
	const char *name;
	int64_t weight;
};

static const struct drip_enum_value modes[] = {
	{.name = "full", .value = 1}, {.name = "incremental", .value = 2}, {.name = NULL}};

static const struct drip_option part_options[] = {
	DRIP_OPTION(struct part_config, name, .help = "Name.", .flags = DRIP_OPTION_REQUIRED),
	DRIP_OPTION(struct part_config, weight, .help = "Weight.", .default_text = "1", .min = 1,
		    .max = 10),
};

static const struct drip_option rows_options[] = {
	DRIP_OPTION(struct rows_config, shards, .help = "Tables.", .default_text = "1", .min = 0,
		    .max = 12),
	DRIP_OPTION(struct rows_config, limit, .help = "Rows at most.", .unit = "rows", .min = 1),
	DRIP_OPTION(struct rows_config, small, .help = "Old name.",
		    .flags = DRIP_OPTION_DEPRECATED),
	DRIP_OPTION(struct rows_config, ratio, .help = "Share.", .min = 0, .max = 1),
	DRIP_OPTION(struct rows_config, flag, .help = "Flag."),
	DRIP_OPTION(struct rows_config, known, .help = "Whether describe tells the tables.",
		    .default_text = "true"),
	DRIP_OPTION(struct rows_config, text, .help = "Text.", .example = "abc"),
	DRIP_OPTION(struct rows_config, path, .help = "Path.", .flags = DRIP_OPTION_PATH),
	DRIP_OPTION(struct rows_config, mode, .help = "Mode.", .default_text = "full",
		    .values = modes),
	DRIP_OPTION(struct rows_config, every, .help = "Period.", .default_text = "1s", .min = 10,
		    .max = 3600000),
	DRIP_OPTION(struct rows_config, room, .help = "Room.", .default_text = "1MiB", .min = 1024,
		    .max = 1 << 30),
	DRIP_OPTION(struct rows_config, password, .help = "Password."),
	DRIP_OPTION(struct rows_config, names, .help = "Names."),
	DRIP_OPTION(struct rows_config, labels, .help = "Labels."),
	DRIP_OPTION(struct rows_config, parts, .help = "Parts.", .children = part_options,
		    .children_count = DRIP_COUNT(part_options),
		    .child_size = sizeof(struct part_config)),
};

static int rows_check(struct drip_ctx *ctx, const void *config, bool connect,
		      struct drip_report *report, struct drip_error *err)
{
	const struct rows_config *c = config;
	struct drip_error finding = DRIP_ERROR_INIT;

	for (size_t i = 0; i < c->parts.count; i++) {
		const struct part_config *part = (const struct part_config *)c->parts.items + i;

		if (strcmp(part->name, "bad") == 0) {
			drip_error_set(&finding, -EINVAL, "test.bad_part", "a part is bad");
			drip_error_option(&finding, "parts[%zu].name", i);
			report->add(report, DRIP_LOG_ERROR, &finding);
		} else if (strcmp(part->name, "odd") == 0) {
			drip_error_set(&finding, -EINVAL, "test.odd_part", "a part is odd");
			drip_error_option(&finding, "parts[%zu]", i);
			report->add(report, DRIP_LOG_WARNING, &finding);
		}
	}
	if (c->text != NULL && strcmp(c->text, "gone") == 0) {
		drip_error_set_retryable(err, -ECONNREFUSED, "test.gone", "could not reach it");
		drip_error_option(err, "text");
		return -ECONNREFUSED;
	}
	return c->text != NULL && strcmp(c->text, "mute") == 0 ? -EINVAL : 0;
}

static int describe_table(struct drip_schema_list *list, int shard, struct drip_error *err)
{
	static const struct drip_column columns[] = {
		{.struct_size = sizeof(columns[0]),
		 .name = "id",
		 .type = DRIP_TYPE_INT64,
		 .flags = DRIP_COLUMN_KEY,
		 .classification = DRIP_CLASS_INTERNAL},
		{.struct_size = sizeof(columns[0]),
		 .name = "amount",
		 .type = DRIP_TYPE_DECIMAL,
		 .precision = 12,
		 .scale = 2,
		 .flags = DRIP_COLUMN_NULLABLE,
		 .classification = DRIP_CLASS_INTERNAL},
		{.struct_size = sizeof(columns[0]),
		 .name = "phone",
		 .type = DRIP_TYPE_UTF8,
		 .flags = DRIP_COLUMN_NULLABLE,
		 .classification = DRIP_CLASS_RESTRICTED},
		{.struct_size = sizeof(columns[0]),
		 .name = "email",
		 .type = DRIP_TYPE_UTF8,
		 .flags = DRIP_COLUMN_NULLABLE,
		 .classification = DRIP_CLASS_CONFIDENTIAL},
	};
	struct drip_schema_builder b;
	struct drip_schema *schema = NULL;
	char table[64];
	int rc;

	snprintf(table, sizeof(table), "t_order_m_%d", shard);
	drip_schema_builder_init(&b, "shop", table);
	for (size_t i = 0; i < DRIP_COUNT(columns); i++) {
		drip_schema_builder_add(&b, &columns[i]);
	}
	rc = drip_schema_builder_build(&b, &schema, err);
	if (rc == 0) {
		rc = list->add(list, schema, err);
		drip_schema_unref(schema);
	}
	return rc;
}

static int rows_describe(struct drip_ctx *ctx, const void *config, bool connect,
			 struct drip_schema_list *list, struct drip_error *err)
{
	const struct rows_config *c = config;

	for (int i = 1; c->known && i <= c->shards; i++) {
		int rc = describe_table(list, i, err);

		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static int rows_start(void *self, const struct drip_start *start, struct drip_error *err)
{
	return 0;
}

static int rows_poll(void *self, uint32_t timeout_ms, struct drip_error *err)
{
	return DRIP_POLL_END;
}

static const struct drip_source_ops rows_ops = {
	.struct_size = sizeof(rows_ops),
	.check = rows_check,
	.open = open_nothing,
	.close = close_nothing,
	.describe = rows_describe,
	.start = rows_start,
	.poll = rows_poll,
	.stop = close_nothing,
};

static const struct drip_component rows_component = {
	.struct_size = sizeof(rows_component),
	.kind = DRIP_KIND_SOURCE,
	.name = "rows",
	.summary = "Tables to validate with",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_CHANGES | DRIP_CAP_REPLAY | DRIP_CAP_BOUNDED,
	.config_size = sizeof(struct rows_config),
	.options = rows_options,
	.options_count = DRIP_COUNT(rows_options),
	.ops = &rows_ops,
};

static const struct drip_component once_component = {
	.struct_size = sizeof(once_component),
	.kind = DRIP_KIND_SOURCE,
	.name = "once",
	.summary = "Tables of a source that cannot resume",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_BOUNDED,
	.config_size = sizeof(struct rows_config),
	.options = rows_options,
	.options_count = DRIP_COUNT(rows_options),
	.ops = &rows_ops,
};

/* ---- transform pick: columns must exist; `hide` masks one ---- */

struct pick_config {
	struct drip_columns columns;
	const char *hide, *lower, *invent, *refuse, *ask, *a, *b;
};

static const struct drip_option pick_options[] = {
	DRIP_OPTION(struct pick_config, columns, .help = "Columns."),
	DRIP_OPTION(struct pick_config, hide, .help = "A column to mask."),
	DRIP_OPTION(struct pick_config, lower, .help = "A column to make public, unmasked."),
	DRIP_OPTION(struct pick_config, invent, .help = "Lineage of a column that is not there."),
	DRIP_OPTION(struct pick_config, refuse, .help = "A table that negotiation refuses."),
	DRIP_OPTION(struct pick_config, ask, .help = "A connection, or \"folder\", to ask for."),
	DRIP_OPTION(struct pick_config, a, .help = "A."),
	DRIP_OPTION(struct pick_config, b, .help = "B."),
};

static const struct drip_rule pick_rules[] = {
	{.struct_size = sizeof(pick_rules[0]),
	 .kind = DRIP_RULE_REQUIRES,
	 .options = {"a", "columns"}},
	{.struct_size = sizeof(pick_rules[0]), .kind = DRIP_RULE_EXCLUDES, .options = {"a", "b"}},
};

/* What a component may not have while it is validated. */
static int pick_ask(struct drip_ctx *ctx, const char *what, struct drip_error *err)
{
	const void *interface = NULL;
	void *object = NULL;
	int rc;

	if (strcmp(what, "folder") == 0) {
		rc = ctx->host->data_dir(ctx, err) == NULL ? -ENOTSUP : 0;
	} else {
		rc = ctx->host->connection_get(ctx, what, DRIP_SQL_INTERFACE, &interface, &object,
					       err);
	}
	drip_error_option(err, "ask");
	return rc;
}

static int pick_negotiate(struct drip_ctx *ctx, const void *config, const struct drip_schema *input,
			  struct drip_negotiated *ret, struct drip_error *err)
{
	const struct pick_config *c = config;
	struct drip_schema_builder b;
	int index = c->hide != NULL ? drip_schema_find(input, c->hide) : -1;

	if (c->refuse != NULL && strcmp(c->refuse, input->table) == 0) {
		drip_error_set(err, -EINVAL, "test.refused", "table %s is refused", input->table);
		drip_error_option(err, "refuse");
		return -EINVAL;
	}
	if (c->ask != NULL && pick_ask(ctx, c->ask, err) < 0) {
		return -ENOTSUP;
	}
	drip_schema_builder_from(&b, input);
	if (index >= 0) {
		b.columns[index].classification = DRIP_CLASS_INTERNAL;
		b.columns[index].flags |= DRIP_COLUMN_MASKED;
	}
	if (c->lower != NULL && drip_schema_find(input, c->lower) >= 0) {
		index = drip_schema_find(input, c->lower);
		b.columns[index].classification = DRIP_CLASS_PUBLIC;
	}
	if (c->invent != NULL) {
		ret->edges = calloc(1, sizeof(*ret->edges));
		ret->edges_count = 1;
		ret->edges[0] = (struct drip_lineage_edge){99, 99, DRIP_LINEAGE_IDENTITY};
	}
	return drip_schema_builder_build(&b, &ret->output, err);
}

static int pick_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	drip_batch_unref(batch);
	return 0;
}

static const struct drip_transform_ops pick_ops = {
	.struct_size = sizeof(pick_ops),
	.open = open_nothing,
	.close = close_nothing,
	.negotiate = pick_negotiate,
	.process = pick_process,
};

static const struct drip_component pick_component = {
	.struct_size = sizeof(pick_component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "pick",
	.summary = "Rules and columns to validate with",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct pick_config),
	.options = pick_options,
	.options_count = DRIP_COUNT(pick_options),
	.rules = pick_rules,
	.rules_count = DRIP_COUNT(pick_rules),
	.ops = &pick_ops,
};

/* ---- sinks: store (exactly once, internal), plain (neither) ---- */

struct store_config {
	struct drip_connection_ref connection;
	const char *table, *folder;
};

static const struct drip_option store_options[] = {
	DRIP_OPTION(struct store_config, connection, .help = "Connection.",
		    .interface_name = DRIP_SQL_INTERFACE),
	DRIP_OPTION(struct store_config, table, .help = "Table."),
	DRIP_OPTION(struct store_config, folder, .help = "Folder."),
};

static const struct drip_rule store_rules[] = {
	{.struct_size = sizeof(store_rules[0]),
	 .kind = DRIP_RULE_ONE_OF,
	 .options = {"table", "folder"}},
};

static const struct drip_rule plain_rules[] = {
	{.struct_size = sizeof(plain_rules[0]),
	 .kind = DRIP_RULE_AT_LEAST_ONE,
	 .options = {"table", "folder"}},
};

static int store_negotiate(struct drip_ctx *ctx, const void *config,
			   const struct drip_schema *input, struct drip_negotiated *ret,
			   struct drip_error *err)
{
	const struct store_config *c = config;

	ret->output = drip_schema_ref(input);
	snprintf(ret->dataset, sizeof(ret->dataset), "%s", c->table != NULL ? c->table : "files");
	snprintf(ret->dataset_namespace, sizeof(ret->dataset_namespace), "test://");
	snprintf(ret->action, sizeof(ret->action), "create table %.200s", ret->dataset);
	return 0;
}

static int store_positions(void *self, struct drip_position **ret_positions, size_t *ret_count,
			   struct drip_error *err)
{
	*ret_positions = NULL;
	*ret_count = 0;
	return 0;
}

static int store_write(void *self, const struct drip_batch *batch, struct drip_error *err)
{
	return 0;
}

static int store_commit(void *self, const struct drip_epoch *epoch, struct drip_error *err)
{
	return 0;
}

static int store_abort(void *self, struct drip_error *err)
{
	return 0;
}

static const struct drip_sink_ops store_ops = {
	.struct_size = sizeof(store_ops),
	.open = open_nothing,
	.close = close_nothing,
	.negotiate = store_negotiate,
	.positions = store_positions,
	.write = store_write,
	.commit = store_commit,
	.abort = store_abort,
};

static const struct drip_component store_component = {
	.struct_size = sizeof(store_component),
	.kind = DRIP_KIND_SINK,
	.name = "store",
	.summary = "A sink that is exact",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.caps = DRIP_CAP_EXACTLY_ONCE | DRIP_CAP_CHANGES,
	.clearance = DRIP_CLASS_INTERNAL,
	.config_size = sizeof(struct store_config),
	.options = store_options,
	.options_count = DRIP_COUNT(store_options),
	.rules = store_rules,
	.rules_count = DRIP_COUNT(store_rules),
	.ops = &store_ops,
};

static const struct drip_component plain_component = {
	.struct_size = sizeof(plain_component),
	.kind = DRIP_KIND_SINK,
	.name = "plain",
	.summary = "A sink that is not",
	.since = "0.1.0",
	.stability = DRIP_DEPRECATED,
	.clearance = DRIP_CLASS_RESTRICTED,
	.config_size = sizeof(struct store_config),
	.options = store_options,
	.options_count = DRIP_COUNT(store_options),
	.rules = plain_rules,
	.rules_count = DRIP_COUNT(plain_rules),
	.ops = &store_ops,
};

/* ---- connections: link (SQL), other (not) ---- */

struct link_config {
	const char *host;
	struct drip_connection_ref through;
};

static const struct drip_option link_options[] = {
	DRIP_OPTION(struct link_config, host, .help = "Host."),
	DRIP_OPTION(struct link_config, through, .help = "A connection that it needs.",
		    .interface_name = DRIP_SQL_INTERFACE),
};

static const void *link_interface(void *self, const char *interface_name)
{
	return NULL;
}

static const char *const link_interfaces[] = {DRIP_SQL_INTERFACE, NULL};
static const char *const other_interfaces[] = {"test_other", NULL};

static const struct drip_connection_ops link_ops = {
	.struct_size = sizeof(link_ops),
	.open = open_nothing,
	.close = close_nothing,
	.interface = link_interface,
	.interfaces = link_interfaces,
};

static const struct drip_connection_ops other_ops = {
	.struct_size = sizeof(other_ops),
	.open = open_nothing,
	.close = close_nothing,
	.interface = link_interface,
	.interfaces = other_interfaces,
};

static const struct drip_component link_component = {
	.struct_size = sizeof(link_component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "link",
	.summary = "A connection with SQL",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct link_config),
	.options = link_options,
	.options_count = DRIP_COUNT(link_options),
	.ops = &link_ops,
};

static const struct drip_component other_component = {
	.struct_size = sizeof(other_component),
	.kind = DRIP_KIND_CONNECTION,
	.name = "other",
	.summary = "A connection without SQL",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct link_config),
	.options = link_options,
	.options_count = DRIP_COUNT(link_options),
	.ops = &other_ops,
};

/* ---- service bell ---- */

struct bell_config {
	struct drip_connection_ref connection;
};

static const struct drip_option bell_options[] = {
	DRIP_OPTION(struct bell_config, connection, .help = "Connection.",
		    .interface_name = DRIP_SQL_INTERFACE),
};

static int bell_start(void *self, struct drip_error *err)
{
	return 0;
}

static const struct drip_service_ops bell_ops = {
	.struct_size = sizeof(bell_ops),
	.open = open_nothing,
	.close = close_nothing,
	.start = bell_start,
	.stop = close_nothing,
};

static const struct drip_component bell_component = {
	.struct_size = sizeof(bell_component),
	.kind = DRIP_KIND_SERVICE,
	.name = "bell",
	.summary = "A service",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct bell_config),
	.options = bell_options,
	.options_count = DRIP_COUNT(bell_options),
	.ops = &bell_ops,
};

DRIP_PLUGIN("config-test", DRIP_SDK_VERSION, "Components to validate with", &rows_component,
	    &once_component, &pick_component, &store_component, &plain_component, &link_component,
	    &other_component, &bell_component);
