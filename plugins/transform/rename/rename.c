/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transform `rename`: other names for tables and columns; shards of one table become one. Buffers
 * are shared, so its cost is one schema look-up a batch. One thread.
 */
#include <dripline/dripline.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum letter_case { CASE_KEEP, CASE_LOWER, CASE_UPPER };

struct rename_config {
	struct drip_pairs columns, tables;
	struct drip_enum column_case;
};

struct rename {
	struct drip_ctx *ctx;
	const struct rename_config *config;
	struct drip_plans plans; /* the output schema of each */
};

static const struct drip_enum_value cases[] = {
	{"keep", CASE_KEEP, "Leave them."},
	{"lower", CASE_LOWER, "ASCII lower case."},
	{"upper", CASE_UPPER, "ASCII upper case."},
	{NULL, 0, NULL},
};

#define OPT(member, ...) DRIP_OPTION(struct rename_config, member, __VA_ARGS__)
static const struct drip_option options[] = {
	OPT(columns, .help = "New names of columns, by their old ones.",
	    .example = "{user_no: user_id}"),
	OPT(tables,
	    .help = "New names of tables, by patterns with * and ?; the first that matches counts. "
		    "A "
		    "pattern with a dot is matched against database.table, a new name with a dot "
		    "sets "
		    "both. $1 to $9 stand for what each * or ? matched.",
	    .example = "{t_order_m_*: t_order}"),
	OPT(column_case, .help = "Letter case of columns that `columns` does not name.",
	    .default_text = "keep", .values = cases),
};

static const struct drip_rule rules[] = {
	{sizeof(struct drip_rule), DRIP_RULE_AT_LEAST_ONE, {"columns", "tables", "column_case"}},
};

/* Writes `name` with $1 ... $9 replaced. False where it does not fit or names what there is not. */
static bool expand(const char *name, const struct drip_glob_capture *captures, size_t count,
		   char *out, size_t size)
{
	size_t n = 0;

	for (; *name != '\0'; name++) {
		const char *from = name;
		size_t length = 1;

		if (*name == '$' && name[1] == '$') {
			name++;
		} else if (*name == '$') {
			size_t index = (size_t)(name[1] - '1');

			if (name[1] < '1' || index >= count) {
				return false;
			}
			from = captures[index].data;
			length = captures[index].size;
			name++;
		}
		if (n + length >= size) {
			return false;
		}
		memcpy(out + n, from, length);
		n += length;
	}
	out[n] = '\0';
	return n > 0;
}

static int bad_table(struct drip_error *err, const struct drip_pair *pair, const char *table)
{
	drip_error_set(err, -EINVAL, "rename.bad_table_name",
		       "cannot make a name of '%s' for table '%s'", pair->value, table);
	drip_error_hint(err,
			"$1 to $9 stand for what the pattern's * and ? matched; a name has %d "
			"bytes at most.",
			DRIP_NAME_MAX - 1);
	drip_error_option(err, "tables.%s", pair->key);
	return -EINVAL;
}

static int rename_table(const struct rename_config *config, const struct drip_schema *input,
			struct drip_schema_builder *b, struct drip_error *err)
{
	char full[2 * DRIP_NAME_MAX + 2], name[2 * DRIP_NAME_MAX];

	snprintf(full, sizeof(full), "%s.%s", input->database, input->table);
	for (size_t i = 0; i < config->tables.count; i++) {
		const struct drip_pair *pair = &config->tables.items[i];
		struct drip_glob_capture captures[DRIP_GLOB_CAPTURES_MAX];
		const char *text = strchr(pair->key, '.') != NULL ? full : input->table;
		size_t count;
		char *dot;

		if (!drip_glob_match(pair->key, text, captures, &count)) {
			continue;
		}
		if (pair->value == NULL ||
		    !expand(pair->value, captures, count, name, sizeof(name))) {
			return bad_table(err, pair, input->table);
		}
		dot = strchr(pair->value, '.') != NULL ? strchr(name, '.') : NULL;
		if (dot != NULL) {
			*dot = '\0';
		}
		if (strlen(dot != NULL ? dot + 1 : name) >= DRIP_NAME_MAX || strlen(name) == 0 ||
		    (dot != NULL && (dot[1] == '\0' || strlen(name) >= DRIP_NAME_MAX))) {
			return bad_table(err, pair, input->table);
		}
		drip_schema_builder_set_table(b, dot != NULL ? name : input->database,
					      dot != NULL ? dot + 1 : name);
		return 0;
	}
	return 0;
}

static void change_case(struct drip_schema_builder *b, const struct drip_schema *input,
			enum letter_case want)
{
	char name[DRIP_NAME_MAX];

	for (uint32_t i = 0; i < input->columns_count; i++) {
		snprintf(name, sizeof(name), "%s", drip_schema_column(input, i)->name);
		for (char *p = name; *p != '\0'; p++) {
			if (want == CASE_LOWER && *p >= 'A' && *p <= 'Z') {
				*p = (char)(*p - 'A' + 'a');
			} else if (want == CASE_UPPER && *p >= 'a' && *p <= 'z') {
				*p = (char)(*p - 'a' + 'A');
			}
		}
		drip_schema_builder_rename(b, i, name);
	}
}

static bool is_name(const struct drip_pair *pair, struct drip_error *err)
{
	if (pair->value != NULL && *pair->value != '\0' && strlen(pair->value) < DRIP_NAME_MAX) {
		return true;
	}
	drip_error_set(err, -EINVAL, "rename.bad_column_name",
		       "the new name of column '%s' is empty or too long", pair->key);
	drip_error_option(err, "columns.%s", pair->key);
	return false;
}

/* What is wrong with the new names by themselves. */
static int rename_check(struct drip_ctx *ctx, const void *config, bool connect,
			struct drip_report *report, struct drip_error *err)
{
	const struct drip_pairs *columns = &((const struct rename_config *)config)->columns;

	for (size_t i = 0; i < columns->count; i++) {
		const struct drip_pair *pair = &columns->items[i];
		struct drip_error finding = DRIP_ERROR_INIT;

		for (size_t j = 0; is_name(pair, &finding) && j < i; j++) {
			const struct drip_pair *other = &columns->items[j];

			if (other->value != NULL && strcmp(other->value, pair->value) == 0) {
				drip_error_set(&finding, -EINVAL, "rename.duplicate_column",
					       "columns '%s' and '%s' would both be called '%s'",
					       other->key, pair->key, pair->value);
				drip_error_option(&finding, "columns.%s", pair->key);
				break;
			}
		}
		if (finding.rc != 0) {
			report->add(report, DRIP_LOG_ERROR, &finding);
		}
	}
	return 0;
}

/* `rc`: what the table's name came to. */
static int rename_columns(const struct rename_config *config, const struct drip_schema *input,
			  struct drip_schema_builder *b, int rc, struct drip_error *err)
{
	if (config->column_case.value != CASE_KEEP) {
		change_case(b, input, (enum letter_case)config->column_case.value);
	}
	for (size_t i = 0; i < config->columns.count; i++) {
		const struct drip_pair *pair = &config->columns.items[i];
		struct drip_error one = DRIP_ERROR_INIT;
		int index = drip_schema_require(input, pair->key, "rename.no_column", &one);

		if (index < 0) {
			drip_error_option(&one, "columns.%s", pair->key);
		}
		if (index < 0 || !is_name(pair, &one)) {
			rc = drip_error_also(err, rc, &one);
			continue;
		}
		drip_schema_builder_rename(b, (uint32_t)index, pair->value);
	}
	return rc;
}

static int check_duplicates(const struct drip_schema_builder *b, const struct drip_schema *input,
			    struct drip_error *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < b->count; i++) {
		for (uint32_t j = 0; j < i; j++) {
			struct drip_error one = DRIP_ERROR_INIT;

			if (strcmp(b->columns[i].name, b->columns[j].name) != 0) {
				continue;
			}
			drip_error_set(&one, -EINVAL, "rename.duplicate_column",
				       "columns '%s' and '%s' of table '%s' would both be called "
				       "'%s'",
				       drip_schema_column(input, j)->name,
				       drip_schema_column(input, i)->name, input->table,
				       b->columns[i].name);
			drip_error_option(&one, "columns");
			rc = drip_error_also(err, rc, &one);
			break;
		}
	}
	return rc;
}

/* (gives) the schema that `input` becomes. */
static int make_schema(const struct rename_config *config, const struct drip_schema *input,
		       struct drip_schema **ret, struct drip_error *err)
{
	struct drip_schema_builder b;
	int rc;

	drip_schema_builder_from(&b, input);
	rc = rename_table(config, input, &b, err);
	rc = rename_columns(config, input, &b, rc, err);
	if (rc == 0 && b.rc == 0) {
		rc = check_duplicates(&b, input, err);
	}
	if (rc != 0) {
		drip_schema_builder_finish(&b);
		return rc;
	}
	return drip_schema_builder_build(&b, ret, err);
}

static void destroy_plan(void *plan)
{
	drip_schema_unref(plan);
}

static int rename_open(struct drip_ctx *ctx, const void *config, void **ret_self,
		       struct drip_error *err)
{
	struct rename *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		return drip_error_nomem(err, sizeof(*r));
	}
	r->ctx = ctx;
	r->config = config;
	r->plans.destroy = destroy_plan;
	*ret_self = r;
	return 0;
}

static void rename_close(void *self)
{
	struct rename *r = self;

	drip_plans_finish(&r->plans);
	free(r);
}

static int rename_negotiate(struct drip_ctx *ctx, const void *config,
			    const struct drip_schema *input, struct drip_negotiated *ret,
			    struct drip_error *err)
{
	uint32_t count = input->columns_count;
	int rc = make_schema(config, input, &ret->output, err);

	if (rc != 0) {
		return rc;
	}
	ret->edges = calloc(count + 1, sizeof(*ret->edges));
	if (ret->edges == NULL) {
		drip_schema_unref(ret->output);
		ret->output = NULL;
		return drip_error_nomem(err, (count + 1) * sizeof(*ret->edges));
	}
	for (uint32_t i = 0; i < count; i++) {
		ret->edges[i] = (struct drip_lineage_edge){i, i, DRIP_LINEAGE_IDENTITY};
	}
	ret->edges_count = count;
	return 0;
}

static int rename_process(void *self, struct drip_batch *batch, struct drip_error *err)
{
	struct rename *r = self;
	struct drip_schema *schema;
	struct drip_batch *renamed;
	int rc = 0;

	if (batch->schema == NULL) {
		return drip_emit(r->ctx, batch, err);
	}
	schema = drip_plans_find(&r->plans, batch->schema);
	if (schema == NULL) {
		rc = make_schema(r->config, batch->schema, &schema, err);
		if (rc == 0) {
			rc = drip_plans_put(&r->plans, batch->schema, schema, err);
		}
	}
	if (rc == 0) {
		rc = drip_batch_with_schema(batch, schema, &renamed, err);
	}
	drip_batch_unref(batch);
	return rc != 0 ? rc : drip_emit(r->ctx, renamed, err);
}

static const struct drip_transform_ops ops = {
	.struct_size = sizeof(ops),
	.check = rename_check,
	.open = rename_open,
	.close = rename_close,
	.negotiate = rename_negotiate,
	.process = rename_process,
};

static const struct drip_component component = {
	.struct_size = sizeof(component),
	.kind = DRIP_KIND_TRANSFORM,
	.name = "rename",
	.summary = "Other names for tables and columns",
	.description =
		"Renames columns, and tables by pattern, so that the monthly shards of a table "
		"become one.",
	.schema_notes = "Only names change. Where shards become one table their columns should "
			"agree; each batch keeps its own.",
	.guarantees = "Row for row, in order, without copying values. Where several tables become "
		      "one their keys must not overlap.",
	.since = "0.1.0",
	.stability = DRIP_STABLE,
	.config_size = sizeof(struct rename_config),
	.options = options,
	.options_count = DRIP_COUNT(options),
	.rules = rules,
	.rules_count = DRIP_COUNT(rules),
	.ops = &ops,
};

DRIP_PLUGIN("rename", DRIP_SDK_VERSION, "Transform that renames tables and columns", &component);
